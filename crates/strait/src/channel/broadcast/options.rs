//! How a channel is made, and how one of its users is.

use crate::region;
use crate::wait::Strategy;
use strait_mem::Trust;

/// What a publisher does when a subscriber has not read what lies where the next message goes. Fixed when the channel is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Policy {
    /// It waits for the slowest subscriber that is alive: nothing is lost.
    #[default]
    Block,
    /// It overwrites the oldest message and never waits, unless messages lie in blocks and subscribers hold them all. A subscriber is
    /// told exactly how many it lost.
    DropOldest,
    /// It gives the new message up and never waits. How many were given up is counted.
    DropNewest,
}

/// Options of a channel. Seats, capacity, policy, `restartable` and what concerns memory count when it is created; waiting and
/// history are each user's own.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) publishers: u32,
    pub(super) subscribers: u32,
    pub(super) capacity: u64,
    pub(super) max_message_bytes: u64,
    pub(super) blocks: u32,
    pub(super) policy: Policy,
    pub(super) history: u64,
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
    /// One publisher, up to 8 subscribers, 1,024 messages kept, slices of up to 240 bytes, [`Policy::Block`], pipe-like, spin then
    /// sleep, mode 0600.
    #[must_use]
    pub fn new() -> Self {
        Self {
            publishers: 1,
            subscribers: 8,
            capacity: 1024,
            max_message_bytes: 240,
            blocks: 0,
            policy: Policy::default(),
            history: 0,
            is_restartable: false,
            is_kept: false,
            strategy: Strategy::default(),
            region: region::Options::new(),
            trust: None,
            schema_id: 0,
        }
    }

    /// How many publishers there may be at a time, from 1 to 16. Each has a lane of its own, of the whole capacity.
    #[must_use]
    pub fn publishers(mut self, count: u32) -> Self {
        self.publishers = count;
        self
    }

    /// How many subscribers there may be at a time, from 1 to 64.
    #[must_use]
    pub fn subscribers(mut self, count: u32) -> Self {
        self.subscribers = count;
        self
    }

    /// How many messages of each publisher are kept, at least: what there is room for while a subscriber does not read, and what one who
    /// comes can still get. An eighth is added, and then it is rounded up to a power of two. With [`Self::blocks`] their number counts
    /// instead.
    #[must_use]
    pub fn capacity(mut self, messages: u64) -> Self {
        self.capacity = messages;
        self
    }

    /// The longest message, where messages are slices. Every message takes that much, 16 bytes more, in whole cache lines.
    #[must_use]
    pub fn max_message_bytes(mut self, bytes: u64) -> Self {
        self.max_message_bytes = bytes;
        self
    }

    /// Large messages: each publisher has so many blocks, from 2 to 1,024, of the longest message each, and every message lies in one of them;
    /// 0, the default: messages lie in their slots. See [Large messages](super#large-messages) for how many it takes.
    #[must_use]
    pub fn blocks(mut self, count: u32) -> Self {
        self.blocks = count;
        self
    }

    /// What a publisher does when the slowest subscriber is a whole lane behind.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Begins, as a subscriber, up to so many messages back in each lane, as far as they are kept; 0, the default, with the next message.
    #[must_use]
    pub fn history(mut self, messages: u64) -> Self {
        self.history = messages;
        self
    }

    /// Begins, as a subscriber, with the oldest message kept of each publisher.
    #[must_use]
    pub fn from_oldest(self) -> Self {
        self.history(u64::MAX)
    }

    /// Keeps the channel open while its users come and go: subscribers wait for the next publisher.
    ///
    /// Without it a subscriber is told when all publishers are gone.
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
