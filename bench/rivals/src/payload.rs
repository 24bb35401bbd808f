//! What travels: every 64-bit word of a message is its *stamp*, so that a reader that looks at all of it tells a torn or
//! stale one. The whole payload is written for every message and read for every message, by everybody.
//!
//! | bits of a stamp | what |
//! |---|---|
//! | 63 | the sender stops: the last message of a run |
//! | 48..63 | which sender |
//! | 0..48 | the message's number, from 0 on |

use crate::job::Wait;

/// Stamps from here on say that their sender stops.
pub(crate) const STOP: u64 = 1 << 63;
const SENDER_BITS: u32 = 48;
const SENDERS: usize = 16;

/// The first stamp of a sender.
pub(crate) fn first_stamp(sender: usize) -> u64 {
    (sender as u64) << SENDER_BITS
}

/// Writes the message of that stamp.
#[inline(always)]
pub(crate) fn fill(bytes: &mut [u8], stamp: u64) {
    for word in bytes.chunks_exact_mut(8) {
        word.copy_from_slice(&stamp.to_ne_bytes());
    }
}

/// Reads all of a message and returns its stamp. Panics if it is no whole message.
#[inline(always)]
pub(crate) fn read(bytes: &[u8]) -> u64 {
    let mut words = bytes.chunks_exact(8).map(|word| u64::from_ne_bytes(word.try_into().expect("eight bytes")));
    let stamp = words.next().expect("a message has at least eight bytes");
    whole(stamp, words.fold(0, |bits, word| bits | (word ^ stamp)))
}

/// [`read`], for those whose messages are words.
#[inline(always)]
pub(crate) fn read_words(words: &[u64]) -> u64 {
    let stamp = words[0];
    whole(stamp, words.iter().fold(0, |bits, word| bits | (word ^ stamp)))
}

#[inline(always)]
pub(crate) fn whole(stamp: u64, differs: u64) -> u64 {
    assert!(differs == 0, "message {stamp:#x} is torn");
    stamp
}

/// Waits for others, as the job says; for ends that poll.
pub(crate) struct Pause {
    wait: Wait,
    turns: u32,
}

/// Turns of spinning before the core is given away.
const TURNS: u32 = 100;

impl Pause {
    pub(crate) fn new(wait: Wait) -> Self {
        Self { wait, turns: 0 }
    }

    /// There was nothing to do.
    #[inline(always)]
    pub(crate) fn idle(&mut self) {
        self.turns += 1;
        if self.wait == Wait::Spin || self.turns < TURNS {
            std::hint::spin_loop();
        } else {
            self.turns = 0;
            std::thread::yield_now();
        }
    }

    /// There was something.
    #[inline(always)]
    pub(crate) fn reset(&mut self) {
        self.turns = 0;
    }
}

/// What a receiver has seen. Each sender's messages must come in their order; whether all came is decided by comparing the
/// totals of all parties.
pub(crate) struct Tally {
    /// Messages still wanted.
    left: u64,
    /// Senders that have not stopped.
    stops_left: usize,
    next: [u64; SENDERS],
    /// The first message that came out of order, or, where every message is ours, behind a gap: what was due, what came.
    wrong: Option<(u64, u64)>,
    /// Every message is ours, so none may be missing.
    gapless: bool,
    last: u64,
    pub(crate) count: u64,
    pub(crate) sum: u64,
    pub(crate) pause: Pause,
}

impl Tally {
    pub(crate) fn new(senders: usize, gapless: bool, wait: Wait) -> Self {
        Self {
            left: 0,
            stops_left: senders,
            next: [0; SENDERS],
            wrong: None,
            gapless,
            last: 0,
            count: 0,
            sum: 0,
            pause: Pause::new(wait),
        }
    }

    /// Wants that many more.
    pub(crate) fn want(&mut self, count: u64) {
        self.left = if self.stops_left == 0 { 0 } else { count };
    }

    #[inline(always)]
    pub(crate) fn is_full(&self) -> bool {
        self.left == 0
    }

    /// How many more are wanted.
    #[inline(always)]
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// All senders have stopped.
    pub(crate) fn is_over(&self) -> bool {
        self.stops_left == 0
    }

    /// No sender has stopped.
    pub(crate) fn is_steady(&self, senders: usize) -> bool {
        self.stops_left == senders
    }

    #[inline(always)]
    pub(crate) fn note(&mut self, stamp: u64) {
        if stamp >= STOP {
            self.stop();
            return;
        }
        let next = &mut self.next[(stamp >> SENDER_BITS) as usize % SENDERS];
        let number = stamp & ((1 << SENDER_BITS) - 1);
        if number < *next || (self.gapless && number != *next) {
            self.wrong.get_or_insert((*next, number));
        }
        *next = number + 1;
        self.count += 1;
        self.sum = self.sum.wrapping_add(squared(stamp));
        self.last = stamp;
        self.left = self.left.saturating_sub(1);
    }

    /// Who sent the last message.
    pub(crate) fn last_sender(&self) -> u64 {
        self.last >> SENDER_BITS
    }

    #[cold]
    fn stop(&mut self) {
        self.stops_left = self.stops_left.saturating_sub(1);
        if self.stops_left == 0 {
            self.left = 0;
        }
    }

    /// Panics if something was lost, doubled or out of order, as far as one receiver can tell.
    pub(crate) fn check(&self) {
        if let Some((due, came)) = self.wrong {
            let what = if came < due { "doubled or out of order" } else { "lost" };
            panic!("a message was {what}: {due} was due, {came} came");
        }
    }
}

/// The square of the message's number, from 1 on: sums of squares tell what was doubled and what was lost apart, and the sum
/// of a whole run is known without counting.
#[inline(always)]
fn squared(stamp: u64) -> u64 {
    let number = (stamp & ((1 << SENDER_BITS) - 1)) + 1;
    number.wrapping_mul(number)
}

/// The sum that a receiver of `count` messages of one sender must come to.
pub(crate) fn sum_of(count: u64) -> u64 {
    let n = u128::from(count);
    (n * (n + 1) * (2 * n + 1) / 6) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message that is not all of one piece is seen, wherever it is torn.
    #[test]
    fn torn_message_is_seen() {
        for at in 0..8 {
            let mut bytes = [0; 64];
            fill(&mut bytes, 7);
            assert_eq!(read(&bytes), 7);
            bytes[at * 8 + 3] ^= 1;
            assert!(std::panic::catch_unwind(|| read(&bytes)).is_err());
        }
    }

    /// The sum known in advance is the one that counting comes to.
    #[test]
    fn sums_agree() {
        let mut tally = Tally::new(1, true, Wait::Spin);
        tally.want(1000);
        (0..1000).for_each(|stamp| tally.note(stamp));
        assert_eq!((tally.count, tally.sum), (1000, sum_of(1000)));
    }

    /// A gap is wrong where every message is ours, and right where others take some.
    #[test]
    fn gap_is_seen() {
        for gapless in [true, false] {
            let mut tally = Tally::new(1, gapless, Wait::Spin);
            tally.want(9);
            tally.note(0);
            tally.note(2);
            assert_eq!(tally.wrong.is_some(), gapless);
            tally.note(1);
            assert!(tally.wrong.is_some());
        }
    }
}
