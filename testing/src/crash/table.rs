//! The channels, a line each, and the operations of all of them.
//!
//! A later channel is a file like [`super::spsc`] with a `CHANNEL`, and a line in [`CHANNELS`]; `testing/README.md` has the recipe.

use super::stage::Where;
use super::{
    Case, barrier, blocks, broadcast, condvar, event, gc, mpmc, mutex, once, pairs::Pair, pool, rpc, rwlock, semaphore,
    spsc, watch,
};
use std::sync::LazyLock;

/// What is killed in one channel.
pub struct Channel {
    /// The first word of what a role of it is told.
    pub name: &'static str,
    /// Its operations.
    pub rows: fn() -> Vec<Row>,
    /// Its operations in which two are killed.
    pub pairs: fn() -> Vec<Pair>,
    /// Plays the victim: what the role is told behind the name.
    pub play: fn(&[&str]),
}

/// All of them.
pub const CHANNELS: &[Channel] = &[
    spsc::CHANNEL,
    pool::CHANNEL,
    rpc::CHANNEL,
    mpmc::CHANNEL,
    broadcast::CHANNEL,
    blocks::CHANNEL,
    watch::CHANNEL,
    mutex::CHANNEL,
    semaphore::CHANNEL,
    rwlock::CHANNEL,
    condvar::CHANNEL,
    event::CHANNEL,
    once::CHANNEL,
    barrier::CHANNEL,
    gc::CHANNEL,
];

/// An operation, and who dies in it.
pub struct Row {
    /// As it is called on the command line and in the matrix.
    pub name: &'static str,
    /// Who dies.
    pub victim: &'static str,
    at: Where,
    is_restartable: bool,
    /// Whether a survivor is told of the death, so that how long it waited says something.
    pub is_told: bool,
    make: Box<dyn Fn() -> Box<dyn Case> + Send + Sync>,
}

impl Row {
    /// An operation on a channel there, whose ends may come and go or not; `make` makes a world of its own for it.
    pub fn new(
        name: &'static str,
        victim: &'static str,
        at: Where,
        is_restartable: bool,
        make: impl Fn() -> Box<dyn Case> + Send + Sync + 'static,
    ) -> Self {
        Self { name, victim, at, is_restartable, is_told: true, make: Box::new(make) }
    }

    /// The same, where nobody is told.
    #[must_use]
    pub fn untold(self) -> Self {
        Self { is_told: false, ..self }
    }

    /// The operation in a world of its own.
    #[must_use]
    pub fn case(&self) -> Box<dyn Case> {
        (self.make)()
    }

    /// Where the channel is, and whether ends may come and go.
    #[must_use]
    pub fn place(&self) -> String {
        let at = match self.at {
            Where::Named => "posix",
            Where::Memory => "memfd",
            Where::File => "file",
        };
        format!("{at}, {}", if self.is_restartable { "restartable" } else { "pipe-like" })
    }
}

/// Every operation.
#[must_use]
pub fn rows() -> &'static [Row] {
    static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| CHANNELS.iter().flat_map(|it| (it.rows)()).collect());
    &ROWS
}

/// Every two that are killed at once.
#[must_use]
pub fn pairs() -> &'static [Pair] {
    static PAIRS: LazyLock<Vec<Pair>> = LazyLock::new(|| CHANNELS.iter().flat_map(|it| (it.pairs)()).collect());
    &PAIRS
}

/// The row of that name.
#[must_use]
pub fn row(name: &str) -> Option<&'static Row> {
    rows().iter().find(|row| row.name == name)
}

/// Plays the victim that these words say.
///
/// # Panics
/// When there is no such channel.
pub fn play(words: &[&str]) {
    let (name, rest) = words.split_first().expect("the name of a channel");
    let channel = CHANNELS.iter().find(|it| it.name == *name).unwrap_or_else(|| panic!("no channel is called {name}"));
    (channel.play)(rest);
}
