//! A sum, and how it is written.

use std::fmt;
use std::io::Write;

/// The sum of one line, or of everything.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Sum {
    /// All numbers were integers.
    Integer(i128),
    /// At least one number was not; correctly rounded, once. Never -0.
    Float(f64),
}

impl fmt::Display for Sum {
    /// Integers in decimal; floats in the shortest form that reads back as the same float: as `{:?}`, but `3` for `3.0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Integer(sum) => sum.fmt(f),
            Self::Float(sum) => f.write_str(shortest(sum, &mut String::new())),
        }
    }
}

fn shortest(float: f64, text: &mut String) -> &str {
    use fmt::Write;
    // Writing to a string cannot fail.
    let _ = write!(text, "{float:?}");
    text.strip_suffix(".0").unwrap_or(text)
}

impl Sum {
    /// Appends the sum and a line feed: at most 40 bytes and that.
    pub fn write_line(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Integer(sum) => write_long_integer(sum, out),
            Self::Float(sum) => {
                // Writing to a vector cannot fail.
                let _ = write!(out, "{sum:?}");
                if out.ends_with(b".0") {
                    out.truncate(out.len() - 2);
                }
                out.push(b'\n');
            }
        }
    }
}

const TEN_TO_8: u64 = 100_000_000;
const TEN_TO_10: u64 = 100 * TEN_TO_8;

/// Appends an integer and a line feed. Up to ten digits are made at once, without a loop or a branch on their number.
#[inline]
pub(crate) fn write_integer(value: i64, out: &mut Vec<u8>) {
    let magnitude = value.unsigned_abs();
    if magnitude >= TEN_TO_10 {
        return write_long_integer(i128::from(value), out);
    }
    let (head, tail) = (magnitude / TEN_TO_8, magnitude % TEN_TO_8);
    let tail_digits = eight_digits(tail);
    let sign = usize::from(value < 0);
    let head_length = usize::from(head > 0) + usize::from(head > 9);
    // The last digit stays even if it is 0; all eight do behind a head.
    let keep = if head > 0 { 1 } else { 1 << 56 };
    let leading_zeros = (tail_digits | keep).trailing_zeros() / 8;
    let tail_text = (tail_digits | ASCII_ZEROS) >> (8 * leading_zeros);
    let tail_start = sign + head_length;
    let end = tail_start + 8 - leading_zeros as usize;
    // Each write covers what is too much of the one before; then the line is cut behind its line feed.
    let line_start = out.len();
    out.extend_from_slice(&[b'-'; 16]);
    if let Some(line) = out.last_chunk_mut::<16>() {
        // Two digits, or one and a blank byte; the mask is for the compiler.
        let head_text = HEADS[(head & 127) as usize];
        line[sign..sign + 2].copy_from_slice(&head_text);
        line[tail_start & 3..(tail_start & 3) + 8].copy_from_slice(&tail_text.to_le_bytes());
        line[end & 15] = b'\n';
    }
    out.truncate(line_start + end + 1);
}

#[inline(never)]
pub(crate) fn write_long_integer(value: i128, out: &mut Vec<u8>) {
    let magnitude = value.unsigned_abs();
    if value < 0 {
        out.push(b'-');
    }
    let Some(high) = u64::try_from(magnitude / u128::from(TEN_TO_8 * TEN_TO_8)).ok().filter(|&high| high < TEN_TO_8)
    else {
        // Writing to a vector cannot fail.
        let _ = writeln!(out, "{magnitude}");
        return;
    };
    let low = (magnitude % u128::from(TEN_TO_8 * TEN_TO_8)) as u64;
    let mut text = [b'\n'; 25];
    for (place, number) in text.chunks_exact_mut(8).zip([high, low / TEN_TO_8, low % TEN_TO_8]) {
        place.copy_from_slice(&(eight_digits(number) | ASCII_ZEROS).to_le_bytes());
    }
    let zeros = text.iter().take(23).take_while(|&&digit| digit == b'0').count();
    out.extend_from_slice(&text[zeros..]);
}

const ASCII_ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);

/// Numbers below 100 without leading zeros.
const HEADS: [[u8; 2]; 128] = {
    let mut heads = [[0; 2]; 128];
    let mut number = 0;
    while number < 100 {
        let (tens, ones) = (b'0' + number / 10, b'0' + number % 10);
        heads[number as usize] = if number < 10 { [ones, 0] } else { [tens, ones] };
        number += 1;
    }
    heads
};

/// The decimal digits of a number below 10^8, one a byte, the first in the lowest.
#[inline]
fn eight_digits(number: u64) -> u64 {
    // Halves into lanes of 32 bits, quarters into 16, digits into 8. The multiplications divide by 10,000, 100 and 10,
    // exactly for the numbers that the lanes hold.
    let high = number / 10_000;
    let halves = high | (number - high * 10_000) << 32;
    let hundreds = ((halves * 10_486) >> 20) & 0x7f_0000_007f;
    let quarters = hundreds | (halves - hundreds * 100) << 16;
    let tens = ((quarters * 103) >> 10) & 0x0f_000f_000f_000f;
    tens | (quarters - tens * 10) << 8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Integers of every length are written as `Display` does: all of up to six digits, and others around them.
    #[test]
    fn integers_as_display() {
        let edges = (0..=38).flat_map(|power| (-2..=2).map(move |step| 10i128.pow(power) + step));
        let spread = (0..200_000u64).map(|n| i128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (n % 64)));
        let mut out = Vec::new();
        for value in (0..1_000_000).chain(edges).chain(spread).chain([i128::MAX, i128::MIN]) {
            for value in [value, value.wrapping_neg()] {
                out.clear();
                write_long_integer(value, &mut out);
                assert_eq!(out, format!("{value}\n").as_bytes());
                if let Ok(short) = i64::try_from(value) {
                    out.clear();
                    write_integer(short, &mut out);
                    assert_eq!(out, format!("{value}\n").as_bytes());
                }
            }
        }
    }

    /// Every eight digits are right in all their places.
    #[test]
    fn eight_digits_all_fours() {
        for four in 0..10_000 {
            for number in [four, four * 10_000, four * 10_001] {
                let digits = (eight_digits(number) | ASCII_ZEROS).to_le_bytes();
                assert_eq!(digits, *format!("{number:08}").as_bytes());
            }
        }
    }
}
