//! How a channel is made and how an end of it waits.

use crate::region::{self, HugePages};
use crate::wait::Strategy;
use strait_mem::Trust;

/// Options of a channel. Capacity, `restartable` and what concerns memory count when it is created; waiting is each end's own.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) capacity_bytes: u64,
    pub(super) is_restartable: bool,
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

    /// How blocked calls of this end wait.
    #[must_use]
    pub fn wait(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// The permission bits of a new channel; see [`region::Options::mode`].
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.region = self.region.mode(mode);
        self
    }

    /// Huge pages; see [`region::Options::huge_pages`].
    #[must_use]
    pub fn huge_pages(mut self, huge: HugePages) -> Self {
        self.region = self.region.huge_pages(huge);
        self
    }

    /// Sets up all pages now; see [`region::Options::populate`].
    #[must_use]
    pub fn populate(mut self, populate: bool) -> Self {
        self.region = self.region.populate(populate);
        self
    }

    /// Keeps the channel in memory; see [`region::Options::lock`].
    #[must_use]
    pub fn lock(mut self, lock: bool) -> Self {
        self.region = self.region.lock(lock);
        self
    }

    /// Also opens a channel that the user `uid` owns; see [`region::Options::owner`]. Its memory is then not lent, only copied.
    #[must_use]
    pub fn owner(mut self, uid: u32) -> Self {
        self.region = self.region.owner(uid);
        self
    }

    /// Lends the channel's memory although other users may write to it. The promise is in how a [`Trust`] is made without a check:
    /// `unsafe { strait::mem::Trust::assume() }`.
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = Some(trust);
        self
    }

    /// A number of the user's own for what the messages mean, 0 if not said: both sides must give the same. For types that are laid out
    /// and called alike and still not the same, such as a next version of one.
    #[must_use]
    pub fn schema_id(mut self, id: u64) -> Self {
        self.schema_id = id;
        self
    }
}
