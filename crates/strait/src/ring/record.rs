//! Records: how messages lie in a ring.
//!
//! ```text
//!  word   t          t+1                              t+n        t+n+1
//!        +--------+---------------------------------+ +--------+
//!        | header |  payload, padded to the alignment | |   0    |  the next header: nothing there yet
//!        +--------+---------------------------------+ +--------+
//! ```
//!
//! A word is 8 bytes. A *position* counts words since the channel was made, modulo 2^32; its place in the ring is the position
//! modulo the capacity, a power of two of at most 2^29 words (4 GiB). Records are aligned to 1 word or, so that a message of up to
//! 56 bytes travels in a single cache line, to 8 words.
//!
//! | bits of the header | |
//! |---:|---|
//! | 0..32 | length of the payload in bytes |
//! | 32..62 | number of the record's first message, modulo 2^30 |
//! | 62 | padding: skip to the start of the ring |
//! | 63 | committed |
//!
//! 1. A header of zero means that nothing is there yet. The word where the *next* header will be is zeroed before a record is
//!    committed, so what an older lap left behind is never taken for a header.
//! 2. A record does not wrap. It may run past the end of the ring into a margin of [`MARGIN_WORDS`], which is there so that a
//!    message of half the capacity fits whatever the position. Where it would run farther, a padding record fills the rest.
//! 3. A record holds one message; in a ring of fixed-size items it holds one or more of them, and the receiver takes them singly.

use crate::ring::PeerFault;
use strait_mem::Claim;

pub(crate) const WORD_BYTES: usize = 8;
/// How far a record may run past the end of the ring.
pub(crate) const MARGIN_WORDS: u32 = 16;
/// The largest ring, 4 GiB.
pub(crate) const CAPACITY_WORDS_MAX: u32 = 1 << 29;
/// The smallest ring, 4 KiB.
pub(crate) const CAPACITY_WORDS_MIN: u32 = 1 << 9;

const COMMITTED: u64 = 1 << 63;
const PADDING: u64 = 1 << 62;
/// Message numbers are kept modulo 2^30 in headers.
pub(crate) const NUMBER_MASK: u64 = (1 << 30) - 1;
const NUMBER_SHIFT: u32 = 32;

/// Name, first bit and number of bits of what is in a header.
pub(crate) const HEADER_BITS: [(&str, u32, u32); 4] = [
    ("len_bytes", 0, u32::BITS),
    ("number", NUMBER_SHIFT, NUMBER_MASK.count_ones()),
    ("padding", PADDING.trailing_zeros(), PADDING.count_ones()),
    ("committed", COMMITTED.trailing_zeros(), COMMITTED.count_ones()),
];

/// Whether a ring, of records or of slots, can be that large: a power of two within the limits.
pub(crate) fn is_capacity(bytes: u64) -> bool {
    let words = bytes / WORD_BYTES as u64;
    bytes.is_power_of_two() && (u64::from(CAPACITY_WORDS_MIN)..=u64::from(CAPACITY_WORDS_MAX)).contains(&words)
}

/// The shape of a ring, agreed when it was made and checked when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// A power of two.
    capacity_words: u32,
    /// 1 or 8.
    align_words: u32,
    /// For a ring of fixed-size items their size; zero for a ring of messages of any length.
    item_bytes: u32,
}

/// A header that has been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Where the payload begins, in bytes from the start of the ring.
    pub(crate) payload: usize,
    /// How long it is.
    pub(crate) len_bytes: u32,
    /// How far it is to the next header.
    pub(crate) words: u32,
    /// How many messages it holds; zero for padding.
    pub(crate) items: u32,
    /// Its first message's number, modulo 2^30.
    pub(crate) number: u64,
}

impl Shape {
    /// A shape, if the numbers can be one.
    pub(crate) fn new(capacity_bytes: u64, align_bytes: u32, item_bytes: u32) -> Option<Self> {
        let capacity_words = u32::try_from(capacity_bytes / WORD_BYTES as u64).ok()?;
        let is_sound = is_capacity(capacity_bytes)
            && (align_bytes == 8 || align_bytes == 64)
            && u64::from(item_bytes) <= capacity_bytes / 2;
        is_sound.then_some(Self { capacity_words, align_words: align_bytes / 8, item_bytes })
    }

    /// A shape of a few records, for the models.
    #[cfg(test)]
    pub(crate) fn tiny(capacity_words: u32, align_words: u32) -> Self {
        Self { capacity_words, align_words, item_bytes: 0 }
    }

    pub(crate) fn capacity_words(self) -> u32 {
        self.capacity_words
    }

    /// How many items it holds, each in a record of its own; `None` where messages are of any length.
    pub(crate) fn capacity_items(self) -> Option<u64> {
        (self.item_bytes > 0).then(|| u64::from(self.capacity_words / self.record_words(self.item_bytes)))
    }

    /// How many bytes the ring takes with its margin.
    pub(crate) fn ring_bytes(self) -> usize {
        (self.capacity_words as usize + MARGIN_WORDS as usize) * WORD_BYTES
    }

    /// The longest payload: half the capacity.
    pub(crate) fn payload_max_bytes(self) -> u32 {
        self.capacity_words / 2 * WORD_BYTES as u32
    }

    /// The place of a position, in words from the start of the ring.
    #[inline]
    pub(crate) fn place(self, position: u32) -> u32 {
        position & (self.capacity_words - 1)
    }

    /// The place of a position's header, in bytes.
    #[inline]
    pub(crate) fn header_offset(self, position: u32) -> usize {
        self.place(position) as usize * WORD_BYTES
    }

    /// How many words a record with this payload takes; the payload is at most half the capacity.
    #[inline]
    pub(crate) fn record_words(self, len_bytes: u32) -> u32 {
        let words = 1 + len_bytes.div_ceil(WORD_BYTES as u32);
        (words + self.align_words - 1) & !(self.align_words - 1)
    }

    /// How many words of padding a record of `words` needs before it at `position` (rule 2).
    #[inline]
    pub(crate) fn padding_before(self, position: u32, words: u32) -> u32 {
        let place = self.place(position);
        if place + words <= self.capacity_words + MARGIN_WORDS { 0 } else { self.capacity_words - place }
    }

    /// How many messages a payload holds; `None` where it is no whole number of items.
    #[inline]
    fn items(self, len_bytes: u32) -> Option<u32> {
        if self.item_bytes == 0 || len_bytes == self.item_bytes {
            return Some(1);
        }
        (len_bytes != 0 && len_bytes % self.item_bytes == 0).then(|| len_bytes / self.item_bytes)
    }

    /// How large one message of a record is.
    #[inline]
    pub(crate) fn item_len(self, record: &Record) -> u32 {
        if self.item_bytes == 0 { record.len_bytes } else { self.item_bytes }
    }

    /// Whether positions of records can be here.
    #[inline]
    pub(crate) fn is_aligned(self, position: u32) -> bool {
        position & (self.align_words - 1) == 0
    }

    /// Reads a header that a peer wrote at `position`: nothing yet, a record, or a lie.
    #[inline]
    pub(crate) fn decode(self, position: u32, header: u64) -> Result<Option<Record>, PeerFault> {
        if header == 0 {
            return Ok(None);
        }
        let place = self.place(position);
        let fault = |what| impossible(what, place, header);
        if header & COMMITTED == 0 {
            return Err(fault("record header"));
        }
        let number = (header >> NUMBER_SHIFT) & NUMBER_MASK;
        let payload = (place as usize + 1) * WORD_BYTES;
        // Truncation: the length is the lower half of the header.
        let len_bytes = Claim::new(header as u32);
        if header & PADDING != 0 {
            // Padding reaches to the end of the ring, never less, and only from the second half (rule 2).
            let words = self.capacity_words - place;
            if words > self.capacity_words / 2 {
                return Err(fault("padding"));
            }
            let len_bytes = len_bytes.exactly(words * WORD_BYTES as u32).map_err(|_| fault("padding length"))?;
            return Ok(Some(Record { payload, len_bytes, words, items: 0, number }));
        }
        let len_bytes = len_bytes.within(self.payload_max_bytes()).map_err(|_| fault("record length"))?;
        let words = self.record_words(len_bytes);
        if place + words > self.capacity_words + MARGIN_WORDS {
            return Err(fault("record length at the end of the ring"));
        }
        let items = self.items(len_bytes).ok_or_else(|| fault("record length for its type"))?;
        Ok(Some(Record { payload, len_bytes, words, items, number }))
    }
}

#[cold]
#[inline(never)]
fn impossible(what: &'static str, place: u32, header: u64) -> PeerFault {
    PeerFault { what, offset: u64::from(place) * WORD_BYTES as u64, found: header }
}

/// The same header with another number.
#[inline(always)]
pub(crate) fn with_number(header: u64, number: u64) -> u64 {
    header & !(NUMBER_MASK << NUMBER_SHIFT) | (number & NUMBER_MASK) << NUMBER_SHIFT
}

/// The header of a message record.
#[inline]
pub(crate) fn message_header(len_bytes: u32, number: u64) -> u64 {
    COMMITTED | (number & NUMBER_MASK) << NUMBER_SHIFT | u64::from(len_bytes)
}

/// The header of `words` words of padding.
#[inline]
pub(crate) fn padding_header(words: u32, number: u64) -> u64 {
    COMMITTED | PADDING | (number & NUMBER_MASK) << NUMBER_SHIFT | u64::from(words * WORD_BYTES as u32)
}

/// The message count nearest to `alleged` whose lower 30 bits are `number`: mends a count that a kill left one step off.
pub(crate) fn widen(alleged: u64, number: u64) -> u64 {
    let ahead = number.wrapping_sub(alleged) & NUMBER_MASK;
    if ahead <= NUMBER_MASK / 2 { alleged.wrapping_add(ahead) } else { alleged.wrapping_sub(NUMBER_MASK + 1 - ahead) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> Shape {
        Shape::new(4096, 64, 0).expect("sound")
    }

    /// What is written is read back: lengths, numbers, padding.
    #[test]
    fn headers_round_trip() {
        let record = shape().decode(0, message_header(100, 7)).expect("sound").expect("there");
        assert_eq!(record, Record { payload: 8, len_bytes: 100, words: 16, items: 1, number: 7 });
        let padding = shape().decode(512 + 448, padding_header(64, NUMBER_MASK)).expect("sound").expect("there");
        assert_eq!((padding.words, padding.items, padding.number), (64, 0, NUMBER_MASK));
        assert_eq!(shape().decode(8, 0), Ok(None));
    }

    /// Each impossible header is a fault that names what is wrong.
    #[test]
    fn lies_are_named() {
        let what = |position, header| shape().decode(position, header).expect_err("a lie").what;
        assert_eq!(what(0, 1), "record header");
        assert_eq!(what(0, PADDING), "record header");
        assert_eq!(what(0, message_header(2049, 0)), "record length");
        assert_eq!(what(0, message_header(u32::MAX, 0)), "record length");
        assert_eq!(what(504, message_header(200, 0)), "record length at the end of the ring");
        assert_eq!(what(504, padding_header(9, 0)), "padding length");
        assert_eq!(what(0, padding_header(512, 0)), "padding");
        let typed = Shape::new(4096, 8, 24).expect("sound");
        assert_eq!(typed.decode(0, message_header(25, 0)).expect_err("a lie").what, "record length for its type");
        assert_eq!(typed.decode(0, message_header(0, 0)).expect_err("a lie").what, "record length for its type");
        assert_eq!(typed.decode(0, message_header(72, 0)).expect("sound").expect("there").items, 3);
    }

    /// Items have records of one size, so it is known how many there is room for; of slices it is not.
    #[test]
    fn items_are_counted() {
        let of = |align, item| Shape::new(4096, align, item).expect("sound").capacity_items();
        assert_eq!(
            [of(64, 8), of(64, 56), of(64, 57), of(8, 8), of(8, 0)],
            [Some(64), Some(64), Some(32), Some(256), None]
        );
    }

    /// A message of half the capacity fits at every position of an empty ring, padding and the next header included.
    #[test]
    fn half_the_capacity_always_fits() {
        for align in [8, 64] {
            let shape = Shape::new(4096, align, 0).expect("sound");
            let words = shape.record_words(shape.payload_max_bytes());
            for position in (0..shape.capacity_words()).step_by(align as usize / 8) {
                let padding = shape.padding_before(position, words);
                assert!(padding + words < shape.capacity_words(), "align {align} at {position}");
                let start = shape.place(position + padding);
                assert!(start + words <= shape.capacity_words() + MARGIN_WORDS, "align {align} at {position}");
            }
        }
    }

    /// Shapes that would break the arithmetic are refused.
    #[test]
    fn impossible_shapes_are_refused() {
        for (capacity, align, item) in [
            (0, 8, 0),
            (4095, 8, 0),
            (4097, 8, 0),
            (6000, 8, 0),
            (2048, 8, 0),
            (1 << 33, 8, 0),
            (4096, 16, 0),
            (4096, 8, 2049),
        ] {
            assert_eq!(Shape::new(capacity, align, item), None, "{capacity} {align} {item}");
        }
    }

    /// A count that is a step off is mended by the number in a header, in either direction and across the wrap.
    #[test]
    fn widen_finds_the_nearest() {
        let wrap = NUMBER_MASK + 1;
        assert_eq!(widen(10, 10), 10);
        assert_eq!(widen(11, 10), 10);
        assert_eq!(widen(9, 10), 10);
        assert_eq!(widen(3 * wrap, wrap - 1), 3 * wrap - 1);
        assert_eq!(widen(3 * wrap - 1, 0), 3 * wrap);
    }
}
