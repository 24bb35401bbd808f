//! The liar: honest ends work while somebody writes whatever it likes into the memory that they share.
//!
//! ```text
//!   harness                               role (honest)
//!   memory, mapped without a check   <->  a channel of strait on the same memory
//!   words, by the layout's table          operations, one by one or for seconds
//!   scribble, look, scribble ...          a value or a typed error, in time
//! ```
//!
//! | module | |
//! |---|---|
//! | [`words`] | where lies are told, by the names of the layout's own table, and what they are |
//! | [`world`] | the channels, a line each: what honest ends do, and where |
//! | [`spsc`], [`rpc`] | a channel each |
//! | [`mpmc`] | a work queue |
//! | [`watch`] | the latest value |
//! | [`mutex`] | a lock and its value |
//! | [`rwlock`] | a lock that many hold who read |
//! | [`condvar`] | a condition of a mutex |
//! | [`semaphore`] | permits |
//! | [`event`] | something that has happened |
//! | [`once`] | something that is done once |
//! | [`barrier`] | a point that all pass together |
//! | [`many`] | what channels of many have in common |
//! | [`between`] | an end run one instruction at a time, a lie after each; and lies told before the operation begins |
//! | [`speed`] | ends and a liar at full speed, each a process |
//! | [`role`] | what the role program does |
//! | [`control`] | the page through which they talk |
//! | [`report`] | the table at the end |
//!
//! What an honest end may do when it is lied to:
//!
//! 1. It returns a value or a typed error. A value keeps what is promised of values: no message is longer than half the capacity.
//! 2. In bounded time: the time it was given, or at once; a bare call when the liar says that it has left. The role's alarm ends one
//!    that does not, and an operation that goes on for as long as the liar does is found by its count of instructions.
//! 3. It does not panic (the role's hook says what did), nor crash. Beside the mapping lie pages that nobody may touch.
//! 4. It does not allocate by a peer's number: the role's allocator ends it at the first allocation beyond a limit.
//!
//! The liar writes under lent bytes too. That is outside the promise, for a loan is given where all writers are trusted; the roles read
//! lent numbers only, of which any value is one.

pub mod barrier;
pub mod between;
pub mod blocks;
pub mod broadcast;
pub mod condvar;
pub mod control;
pub mod event;
pub mod many;
pub mod memory;
pub mod mpmc;
pub mod mutex;
pub mod once;
pub mod report;
pub mod role;
pub mod rpc;
pub mod rwlock;
pub mod semaphore;
pub mod speed;
pub mod spsc;
pub mod watch;
pub mod words;
pub mod world;

use std::path::PathBuf;
use std::time::Duration;

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The role program.
    pub role: PathBuf,
    /// All choices follow from it.
    pub seed: u64,
    /// Cases whose names contain this.
    pub only: Option<String>,
    /// Of the lies between steps: this run alone.
    pub run: Option<u64>,
    /// Whether anything is run instruction by instruction.
    pub steps: bool,
    /// How long each operation is lied to between its steps.
    pub step_each: Duration,
    /// How long each operation is lied to before it begins.
    pub still_each: Duration,
    /// How long each case at full speed takes.
    pub speed_each: Duration,
}

impl Settings {
    /// The size for each change: about a minute and a half on two cores.
    #[must_use]
    pub fn small(role: PathBuf, seed: u64) -> Self {
        Self {
            role,
            seed,
            only: None,
            run: None,
            steps: true,
            step_each: Duration::from_millis(1000),
            still_each: Duration::from_millis(250),
            speed_each: Duration::from_secs(4),
        }
    }

    /// The size for a release: about twenty minutes on two cores.
    #[must_use]
    pub fn full(role: PathBuf, seed: u64) -> Self {
        Self {
            step_each: Duration::from_secs(12),
            still_each: Duration::from_secs(3),
            speed_each: Duration::from_secs(60),
            ..Self::small(role, seed)
        }
    }

    /// A sample, for `cargo test`.
    #[must_use]
    pub fn sample(role: PathBuf, seed: u64) -> Self {
        Self {
            step_each: Duration::from_millis(60),
            still_each: Duration::from_millis(20),
            speed_each: Duration::from_millis(500),
            ..Self::small(role, seed)
        }
    }

    /// The command that runs a case again.
    #[must_use]
    pub fn again(&self, case: &str) -> String {
        let own = std::env::current_exe().unwrap_or_default();
        let roles = match self.role.parent() {
            Some(folder) if Some(folder) != own.parent() => format!(" --roles {}", folder.display()),
            _ => String::new(),
        };
        format!("cargo xtask hostile --seed {} --only {case}{roles}", self.seed)
    }

    /// Whether a case is wanted.
    #[must_use]
    pub fn wants(&self, case: &str) -> bool {
        self.only.as_deref().is_none_or(|only| case.contains(only))
    }
}
