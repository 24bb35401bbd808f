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
            Self::Integer(sum) => write_integer(sum, out),
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
const TEN_TO_15: u64 = 1_000_000_000_000_000;

/// Appends an integer and a line feed. Up to fifteen digits are made at once, without a loop or a branch on their number.
#[inline]
pub(crate) fn write_integer(value: i128, out: &mut Vec<u8>) {
    let Some(magnitude) = u64::try_from(value.unsigned_abs()).ok().filter(|&magnitude| magnitude < TEN_TO_15) else {
        return write_long_integer(value, out);
    };
    let digits = u128::from(eight_digits(magnitude / TEN_TO_8)) | u128::from(eight_digits(magnitude % TEN_TO_8)) << 64;
    // From 1 to 15, so that a 0 stays and the line feed has room.
    let leading_zeros = (digits | 1 << 120).trailing_zeros() / 8;
    let length = 16 - leading_zeros;
    let text = (digits | ASCII_ZEROS) >> (8 * leading_zeros) | u128::from(b'\n') << (8 * length);
    if value < 0 {
        out.push(b'-');
    }
    // Written whole and then cut: one copy of known size.
    let end = out.len() + length as usize + 1;
    out.extend_from_slice(&text.to_le_bytes());
    out.truncate(end);
}

#[cold]
fn write_long_integer(value: i128, out: &mut Vec<u8>) {
    // Writing to a vector cannot fail.
    let _ = writeln!(out, "{value}");
}

const ASCII_ZEROS: u128 = u128::from_le_bytes([b'0'; 16]);

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
