//! How a channel is made and how an end of it waits.

use crate::region;
use crate::wait::Strategy;
use strait_mem::Trust;

/// Options of a channel. Capacity, `restartable` and what concerns memory count when it is created; waiting is each end's own.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) capacity_bytes: u64,
    pub(super) is_restartable: bool,
    pub(super) is_kept: bool,
    pub(super) strategy: Strategy,
    pub(super) region: region::Options,
    pub(super) trust: Option<Trust>,
    pub(super) schema_id: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// 256 KiB, pipe-like, spin then sleep, mode 0600.
    #[must_use]
    pub fn new() -> Self {
        Self {
            capacity_bytes: 256 << 10,
            is_restartable: false,
            is_kept: false,
            strategy: Strategy::default(),
            region: region::Options::new(),
            trust: None,
            schema_id: 0,
        }
    }

    /// How many bytes of messages the channel holds, at least: rounded up to a power of two from 4 KiB to 4 GiB. Each message takes
    /// 8 bytes more, and short ones a whole cache line. The longest message is half of it.
    #[must_use]
    pub fn capacity_bytes(mut self, bytes: u64) -> Self {
        self.capacity_bytes = bytes;
        self
    }

    /// Keeps the channel open while its ends come and go: a gone peer is waited for, and a new one goes on where it was.
    ///
    /// Without it a channel is like a pipe: when one side is gone the other is told, and the channel is over.
    #[must_use]
    pub fn restartable(mut self, restartable: bool) -> Self {
        self.is_restartable = restartable;
        self
    }

    /// Keeps the name, and the channel [restartable](Self::restartable), when the last user has left, whatever is in it: until somebody
    /// [removes](crate::gc::remove) it. What a POSIX or System V queue does.
    #[must_use]
    pub fn kept(mut self, kept: bool) -> Self {
        self.is_kept = kept;
        self
    }
}

crate::channel::options::common!(Options, trust);
