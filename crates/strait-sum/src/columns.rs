//! Many short numbers added at once, digit column by digit column.
//!
//! ```text
//!   12          ................12      the 16 bytes that end where the token ends,
//!   345     ->  ...............345      foreign bytes and the digits' upper halves masked away,
//!   6           .................6      added lane by lane without a carry
//!                              39d      and only the columns' sums are put together: 3 * 100 + 5 * 10 + 13
//! ```
//!
//! 1. A lane holds the sum of up to 28 digits: 252 fits a byte.

use wide::u8x16;

/// How many numbers fit one set of columns (rule 1).
pub(crate) const NUMBERS: usize = 28;
/// The longest number, in digits.
const DIGITS: usize = 15;
/// How many bytes are read for each.
pub(crate) const LANES: usize = 16;

/// What a group of tokens adds up to.
pub(crate) struct Group {
    pub(crate) sum: i64,
    /// Tokens taken, empty ones (between two separators) included.
    pub(crate) tokens: usize,
    /// Tokens that were empty.
    pub(crate) empty: usize,
    /// Where the next token may begin.
    pub(crate) after: usize,
    /// A line feed follows the last token taken.
    pub(crate) line_ended: bool,
}

/// Adds up to 28 tokens, but none behind a line feed. `text` begins 16 bytes early: the first token begins at
/// `16 + start`, and they end at `16 + ends`, at a separator. All are digits, where `SIGNED` with or without a sign before
/// them, and none is empty unless `EMPTY`.
///
/// `None` if one is longer than 15 digits, or ends with the text. There is no other branch in the loop, and no call: the
/// columns must stay in a register.
#[inline(always)]
pub(crate) fn add_group<const SIGNED: bool, const EMPTY: bool>(
    text: &[u8],
    start: usize,
    ends: &[u32],
) -> Option<Group> {
    let (mut all, mut negative) = (Columns::ZERO, Columns::ZERO);
    let (mut tokens, mut empty, mut lengths, mut after, mut line_ended) = (0, 0, 0, start, false);
    for &end in ends {
        let end = end as usize;
        let [bytes @ .., separator]: &[u8; LANES + 1] = text.get(end..end + LANES + 1)?.try_into().ok()?;
        let mut length = end - after;
        if EMPTY {
            empty += usize::from(length == 0);
        }
        if SIGNED {
            let first = text.get(LANES + after).copied().unwrap_or(b' ');
            let minus = first == b'-';
            length -= usize::from(minus | (first == b'+'));
            negative.add(bytes, if minus { length } else { 0 });
        }
        all.add(bytes, length);
        tokens += 1;
        lengths |= length;
        after = end + 1;
        if *separator == b'\n' {
            line_ended = true;
            break;
        }
    }
    // Above 15 if and only if one of them is.
    if lengths > DIGITS {
        return None;
    }
    Some(Group { sum: all.total() - 2 * negative.total(), tokens, empty, after, line_ended })
}

/// For each length, what keeps the last digits' values.
const MASKS: [u8x16; DIGITS + 1] = {
    let mut masks = [u8x16::ZERO; DIGITS + 1];
    let mut length = 1;
    while length <= DIGITS {
        let mut mask = [0; LANES];
        let mut lane = LANES - length;
        while lane < LANES {
            mask[lane] = 0x0f;
            lane += 1;
        }
        masks[length] = u8x16::new(mask);
        length += 1;
    }
    masks
};

/// The sums of 16 columns of digits.
#[derive(Clone, Copy)]
struct Columns(u8x16);

impl Columns {
    const ZERO: Self = Self(u8x16::ZERO);

    /// Adds the number in the last `length` of 16 bytes; a length above 15 adds anything.
    #[inline(always)]
    fn add(&mut self, bytes: &[u8; LANES], length: usize) {
        self.0 += u8x16::from(*bytes) & MASKS[length & DIGITS];
    }

    /// What the columns add up to: at most 28 times 10^15.
    #[inline(always)]
    fn total(self) -> i64 {
        let lanes = u128::from_le_bytes(self.0.to_array());
        (eight_columns(lanes as u64) * 100_000_000 + eight_columns((lanes >> 64) as u64)) as i64
    }
}

/// Puts eight columns together, the first in the lowest byte: pairs, then fours, then all, each in lanes wide enough.
#[inline(always)]
fn eight_columns(columns: u64) -> u64 {
    const BYTES: u64 = 0x00ff_00ff_00ff_00ff;
    const PAIRS: u64 = 0x0000_ffff_0000_ffff;
    let pairs = (columns & BYTES) * 10 + (columns >> 8 & BYTES);
    let fours = (pairs & PAIRS) * 100 + (pairs >> 16 & PAIRS);
    (fours & 0xffff_ffff) * 10_000 + (fours >> 32)
}
