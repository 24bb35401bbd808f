//! Where the tokens of the next few kilobytes end: 64 bytes at a time, with no branch on a byte.
//!
//! ```text
//! text        12 345\n-6 7      ...      ' ' | '\t' | '\n' | '\r' before '\n' = a separator
//! separators  ..1...1 ..1.      ->  ends   2, 6, 9, ...   one entry for each separator
//! ```
//!
//! 1. A window starts where a token may start. What it leaves of an unfinished token belongs to the next window.
//! 2. The end of the block counts as one more separator.
//! 3. A carriage return is a separator before a line feed and at the end of the block; else it is part of a token.
//! 4. [`Shape`] is a promise about all tokens that end in the window.

use wide::u8x16;

/// How much text one window takes in. Small enough that the lists and the text stay in the first-level cache.
const WINDOW_BYTES: usize = 2048;
const CHUNK_BYTES: usize = 64;
/// Entries are written twelve at a time, so up to eleven too many.
const SPARE: usize = CHUNK_BYTES + UNROLL;
const UNROLL: usize = 12;

/// What the tokens of a window look like (rule 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shape {
    /// Digits only.
    Plain,
    /// Digits, or a sign and digits.
    Signed,
    /// Anything.
    Mixed,
}

/// The separators of a piece of text.
pub(crate) struct Window {
    ends: [u32; WINDOW_BYTES + SPARE],
    ends_count: usize,
    pub(crate) shape: Shape,
    /// Somewhere two separators follow each other.
    pub(crate) has_empty: bool,
}

/// One bit for each of 64 bytes.
struct Masks {
    separators: u64,
    /// All bytes are digits or blank, tab or line feed.
    clean: bool,
}

/// What one chunk hands to the next.
#[derive(Clone, Copy)]
struct Carry {
    /// The byte before is a separator, so that a sign may stand here.
    separator: u64,
    /// The byte before is a sign, so that a digit must stand here.
    sign: u64,
}

impl Window {
    pub(crate) fn new() -> Self {
        Self { ends: [0; WINDOW_BYTES + SPARE], ends_count: 0, shape: Shape::Plain, has_empty: false }
    }

    /// The places of the separators, counted from the start of the text.
    pub(crate) fn ends(&self) -> &[u32] {
        &self.ends[..self.ends_count]
    }

    /// Takes in the first few kilobytes of `text`, which starts where a token may start and reaches to the end of the block.
    #[inline]
    pub(crate) fn fill(&mut self, text: &[u8]) {
        (self.ends_count, self.shape, self.has_empty) = (0, Shape::Plain, false);
        let mut carry = Carry { separator: 1, sign: 0 };
        let whole = text.len().min(WINDOW_BYTES) / CHUNK_BYTES * CHUNK_BYTES;
        for (index, chunk) in text[..whole].chunks_exact(CHUNK_BYTES).enumerate() {
            let Ok(chunk) = chunk.try_into() else { return };
            let base = index * CHUNK_BYTES;
            self.take(chunk, text, base, &mut carry);
        }
        if whole < WINDOW_BYTES {
            let mut last = [b' '; CHUNK_BYTES];
            let rest = &text[whole..];
            last[..rest.len()].copy_from_slice(rest);
            self.take(&last, text, whole, &mut carry);
        }
    }

    /// Takes in the chunk that stands at `base` of the text, filled up with blanks where the text ends.
    #[inline(always)]
    fn take(&mut self, chunk: &[u8; CHUNK_BYTES], text: &[u8], base: usize, carry: &mut Carry) {
        let mut masks = Masks::of(chunk);
        if !masks.clean || carry.sign != 0 {
            masks.separators |= self.inspect(chunk, &masks, &text[base..], carry);
        }
        // Rule 2: of the blanks after the end the first counts.
        let filled = (CHUNK_BYTES - 1).saturating_sub(text.len() - base);
        masks.separators &= u64::MAX >> filled;
        self.has_empty |= masks.separators & (masks.separators << 1 | carry.separator) != 0;
        carry.separator = masks.separators >> 63;
        self.note_ends(masks.separators, base as u32);
    }

    #[inline(always)]
    fn note_ends(&mut self, mut separators: u64, base: u32) {
        let count = separators.count_ones() as usize;
        let mut written = 0;
        // Twelve entries whether or not there are as many: the number varies, and a wrong guess costs more than a few stores.
        loop {
            if let Some(slots) = self.ends.get_mut(self.ends_count + written..self.ends_count + written + UNROLL) {
                for slot in slots {
                    *slot = base + separators.trailing_zeros();
                    separators &= separators.wrapping_sub(1);
                }
            }
            written += UNROLL;
            if written >= count {
                break;
            }
        }
        self.ends_count += count;
    }

    /// Looks at a chunk with other bytes than digits and separators; returns further separators. `text` begins with the chunk.
    fn inspect(&mut self, chunk: &[u8; CHUNK_BYTES], masks: &Masks, text: &[u8], carry: &mut Carry) -> u64 {
        let returns = mask(chunk, |bytes| bytes.cmp_eq(u8x16::splat(b'\r')));
        // Rule 3: the place before the end of the block, or before a line feed that the next chunk begins with.
        let before_end = match text.get(CHUNK_BYTES) {
            Some(b'\n') => 1 << 63,
            Some(_) => 0,
            None => (1u128 << text.len() >> 1) as u64,
        };
        let line_feeds = mask(chunk, |bytes| bytes.cmp_eq(u8x16::splat(b'\n')));
        let line_ends = returns & (line_feeds >> 1 | before_end);
        let separators = masks.separators | line_ends;
        let digits = mask(chunk, is_digit);
        let signs = mask(chunk, |bytes| bytes.cmp_eq(u8x16::splat(b'-')) | bytes.cmp_eq(u8x16::splat(b'+')));
        let misplaced = signs & !(separators << 1 | carry.separator);
        let lone = (signs << 1 | carry.sign) & !digits;
        let foreign = !(separators | digits | signs);
        carry.sign = signs >> 63;
        self.shape = self.shape.max(if misplaced | lone | foreign == 0 { Shape::Signed } else { Shape::Mixed });
        line_ends
    }
}

impl Masks {
    #[inline(always)]
    fn of(chunk: &[u8; CHUNK_BYTES]) -> Self {
        let mut masks = Self { separators: 0, clean: true };
        let mut clean = u8x16::splat(0xff);
        for (index, bytes) in chunk.chunks_exact(16).enumerate() {
            let bytes = load(bytes);
            let separators = bytes.cmp_eq(u8x16::splat(b' '))
                | bytes.cmp_eq(u8x16::splat(b'\t'))
                | bytes.cmp_eq(u8x16::splat(b'\n'));
            clean &= separators | is_digit(bytes);
            masks.separators |= bits(separators) << (16 * index);
        }
        masks.clean = bits(clean) == 0xffff;
        masks
    }
}

#[inline(always)]
fn mask(chunk: &[u8; CHUNK_BYTES], test: impl Fn(u8x16) -> u8x16) -> u64 {
    chunk.chunks_exact(16).rev().fold(0, |mask, bytes| mask << 16 | bits(test(load(bytes))))
}

/// Sixteen bytes; anything shorter, which there is not, counts as none.
#[inline(always)]
fn load(bytes: &[u8]) -> u8x16 {
    u8x16::from(<[u8; 16]>::try_from(bytes).unwrap_or_default())
}

#[inline(always)]
fn bits(lanes: u8x16) -> u64 {
    u64::from(lanes.move_mask() as u32)
}

#[inline(always)]
fn is_digit(bytes: u8x16) -> u8x16 {
    let value = bytes - u8x16::splat(b'0');
    value.min(u8x16::splat(9)).cmp_eq(value)
}
