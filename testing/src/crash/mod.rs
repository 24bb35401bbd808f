//! Killed at every instruction: operations, and what must hold for the survivors whenever the victim dies.
//!
//! | module | |
//! |---|---|
//! | [`table`] | the channels, a line each: a later one is a file of its own, which says what is done and what must hold |
//! | [`spsc`] | one side killed while it sends, receives, leaves, creates, opens or sweeps |
//! | [`mpmc`] | a producer or a worker killed while it pushes, pops, gives back, buries, comes or leaves |
//! | [`broadcast`] | a publisher or a subscriber killed while it publishes, receives, comes or goes |
//! | [`blocks`] | the same, where messages lie in blocks: with some of them in its hands |
//! | [`pool`] | a worker killed while it finishes a piece of work |
//! | [`rpc`] | a client or a server killed while it calls, serves, comes or goes |
//! | [`watch`] | a writer or a reader killed while it sets the value, reads it, comes or goes |
//! | [`mutex`] | a user of a mutex killed while it locks, unlocks, waits, comes or goes |
//! | [`rwlock`] | a user of a read-write lock killed while it reads, writes, waits or unlocks |
//! | [`condvar`] | a user of a condition killed while it waits, wakes or notifies |
//! | [`semaphore`] | a user of a semaphore killed while it takes permits, gives them back or adds some |
//! | [`event`] | a user of an event killed while it sets it, resets it or waits for it |
//! | [`once`] | a user of something that is done once killed while it does it or waits for it |
//! | [`barrier`] | a participant of a barrier killed while it comes, waits, goes again or puts it right |
//! | [`gc`] | one who removes what the dead have left killed while it looks, finds somebody, or removes |
//! | [`pairs`] | two killed in the same window |
//! | [`run`] | how one case is run: to the point, kill or stop, check |
//! | [`campaign`] | many cases on all cores, what they came to, and whether the harness itself grew |
//! | [`matrix`] | the table that is printed and kept |
//! | [`stage`] | what cases need: role programs, a scratch page, names |
//! | [`sleeper`] | survivors that wait |
//! | [`scratch`] | the page that victim and check have in common |
//!
//! Each case is a world of its own: a fresh channel, a victim that is a process of its own, and survivors in the harness.

pub mod barrier;
pub mod blocks;
pub mod broadcast;
pub mod campaign;
pub mod condvar;
pub mod event;
pub mod gc;
pub mod matrix;
pub mod mpmc;
pub mod mutex;
pub mod once;
pub mod pairs;
pub mod pool;
pub mod rpc;
pub mod run;
pub mod rwlock;
pub mod scratch;
pub mod semaphore;
pub mod sleeper;
pub mod spsc;
pub mod stage;
pub mod table;
pub mod watch;

use crate::step::Tracee;
use stage::Stage;
use std::time::Duration;

/// What is promised: who waits for the dead learns of it within this.
pub const PROMISE: Duration = Duration::from_millis(100);
/// What a busy machine may add before it counts as a failure. The longest that was met is reported.
pub const SLACK: Duration = Duration::from_millis(900);

/// One run of an operation, with its survivors.
pub trait Case {
    /// Puts the survivors in place, starts the victim, and runs it to where its operation begins.
    ///
    /// # Errors
    /// A sentence.
    fn start(&mut self, stage: &Stage) -> Result<Tracee, String>;

    /// The victim is asleep in the kernel: does what it waits for. `false`: nothing, it stays asleep.
    fn blocked(&mut self) -> bool {
        false
    }

    /// The victim was killed: what must hold.
    ///
    /// # Errors
    /// What does not.
    fn killed(&mut self, stage: &Stage) -> Result<Found, String>;

    /// The victim is stopped: what must hold meanwhile.
    ///
    /// # Errors
    /// What does not.
    fn stopped(&mut self, stage: &Stage) -> Result<(), String>;

    /// The victim goes on, and has not ended: does what it waits for. Called again and again.
    ///
    /// # Errors
    /// What does not hold.
    fn meanwhile(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// The victim went on and ended by itself: what must hold.
    ///
    /// # Errors
    /// What does not.
    fn went_on(&mut self, stage: &Stage) -> Result<Found, String>;

    /// For a survivor that was asleep when the operation began: how long ago it fell asleep, and whether it has returned since.
    /// `None` where nobody sleeps.
    fn sleeper(&mut self, _patience: Duration) -> Option<(Duration, bool)> {
        None
    }
}

/// What a check has seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Found {
    /// How much of the operation had come about, for those of which it only grows.
    pub progress: Option<u64>,
    /// The longest that a survivor was kept waiting.
    pub waited: Duration,
}
