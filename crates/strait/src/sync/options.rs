//! How a lock is made and how one of its users waits.

use crate::region;
use crate::wait::Strategy;

/// Options of a lock. `users`, `restartable` and what concerns memory count when it is created; waiting is each user's own.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) users: u32,
    pub(super) is_restartable: bool,
    pub(super) strategy: Strategy,
    pub(super) region: region::Options,
    pub(super) schema_id: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// 32 users, gone with the last of them, spin then sleep, mode 0600.
    #[must_use]
    pub fn new() -> Self {
        Self {
            users: 32,
            is_restartable: false,
            strategy: Strategy::default(),
            region: region::Options::new(),
            schema_id: 0,
        }
    }

    /// How many can have the lock open at the same time, processes and threads, up to 256; each takes 256 bytes. A
    /// [`Condvar`](crate::sync::Condvar) counts as one.
    #[must_use]
    pub fn users(mut self, users: u32) -> Self {
        self.users = users;
        self
    }

    /// Keeps the name, and what is there, when the last user has left, until somebody removes it
    /// ([`Region::remove`](crate::region::Region::remove)). Without it the name goes with the last user.
    #[must_use]
    pub fn restartable(mut self, restartable: bool) -> Self {
        self.is_restartable = restartable;
        self
    }
}

crate::channel::options::common!(Options);
