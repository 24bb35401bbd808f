//! How a watch is made and how an end of it waits.

use crate::region;
use crate::wait::Strategy;

/// Options of a watch. Sizes, `restartable` and what concerns memory count when it is created; waiting is each end's own.
///
/// With mode 0644 an [`Observer`](super::Observer) of any user can read along.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) readers: u32,
    pub(super) max_message_bytes: u64,
    pub(super) copies: Option<u32>,
    pub(super) is_restartable: bool,
    pub(super) is_kept: bool,
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
    /// 32 readers, slices of up to 4 KiB, pipe-like, spin then sleep, mode 0600.
    #[must_use]
    pub fn new() -> Self {
        Self {
            readers: 32,
            max_message_bytes: 4096,
            copies: None,
            is_restartable: false,
            is_kept: false,
            strategy: Strategy::default(),
            region: region::Options::new(),
            schema_id: 0,
        }
    }

    /// How many readers can be attached at the same time, up to 255; each takes 256 bytes. Observers are not counted.
    #[must_use]
    pub fn readers(mut self, readers: u32) -> Self {
        self.readers = readers;
        self
    }

    /// The longest value, of slices; up to 1 GiB. Single items are as large as they are.
    #[must_use]
    pub fn max_message_bytes(mut self, bytes: u64) -> Self {
        self.max_message_bytes = bytes;
        self
    }

    /// How many values the channel has room for: a power of two from 2 to 64, if not as many as are usual for the size of a value (64
    /// for up to 64 bytes, 4 for 1 KiB and more).
    ///
    /// A reader is overtaken, and must copy again, when this many values less one are set while it copies one. Two are enough for a
    /// writer that seldom writes, and save memory; they also let values of up to 24 bytes share one cache line with their version.
    #[must_use]
    pub fn copies(mut self, copies: u32) -> Self {
        self.copies = Some(copies);
        self
    }

    /// Keeps the channel open without a writer: readers wait for the next one, who goes on with the version numbers, and the name
    /// stays with its last value until somebody removes it ([`Region::remove`](crate::region::Region::remove)).
    ///
    /// Without it readers are told when the writer is gone, and the name goes with the last user.
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

crate::channel::options::common!(Options);
