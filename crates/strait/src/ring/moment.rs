//! The moment that a receiver of a stream gives the sender before it looks again.
//!
//! A receiver that looks the instant it has taken everything takes the cache line from a sender that is just about to write there; both
//! then crawl from line to line. A moment later several messages are there, and they cost one transfer together.
//!
//! It grows until a look finds [`BURST_SMALL`] messages, and is nothing as soon as one finds a single one: a dialogue is not delayed.

/// Enough messages at once.
const BURST_SMALL: u64 = 24;
/// 0.1 to 0.6 us where a pause takes 10 ns.
const PAUSES_MIN: u32 = 8;
const PAUSES_MAX: u32 = 64;

/// How long it is at present.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pauses: u32,
}

impl Moment {
    pub(crate) fn new() -> Self {
        Self { pauses: 0 }
    }

    /// Whether it is any time at all: messages stream.
    #[inline(always)]
    pub(crate) fn is_any(self) -> bool {
        self.pauses > 0
    }

    /// Lets it pass.
    #[inline(always)]
    pub(crate) fn pass(self) {
        for _ in 0..self.pauses {
            std::hint::spin_loop();
        }
    }

    /// There is a stream, as was seen otherwise.
    pub(crate) fn begin(&mut self) {
        self.pauses = self.pauses.max(PAUSES_MIN);
    }

    /// Learns from a look that found so many messages.
    #[inline(always)]
    pub(crate) fn learn(&mut self, found: u64) {
        self.pauses = match found {
            0 | 1 => 0,
            2..BURST_SMALL => (self.pauses * 2).clamp(PAUSES_MIN, PAUSES_MAX),
            _ => self.pauses,
        };
    }
}
