//! A [`Partial`] as bytes, for the way from one process to another.
//!
//! | offset | bytes | field |
//! |---:|---:|---|
//! | 0 | 1 | flags: 1 has a float, 2 an integer was too long, 4 float sum is there, 8 bad token is there |
//! | 1 | 1 | length of the bad token's text |
//! | 2 | 6 | zero |
//! | 8 | 8 | numbers |
//! | 16 | 8 | characters |
//! | 24 | 8 | characters before the bad token |
//! | 32 | 40 | exact sum of the integers |
//! | 72 | 40 | what rounding them adds |
//! | 112 | 280 | float sum: flags, zero, zero, zero, 69 digits of 32 bits |
//! | 392 | 163 | bad token's text, then zeros |
//! | 555 | 5 | zero |
//!
//! All numbers are little-endian. Fields that are not there are zero. Whoever sends the bytes may lie: what is accepted
//! can be merged and finished, and gives at worst a wrong sum.

use crate::fault::BadToken;
use crate::float_sum::FloatSum;
use crate::partial::Partial;
use crate::wide_int::WideInt;

const HAS_FLOAT: u8 = 1;
const TOO_LONG: u8 = 2;
const FLOATS: u8 = 4;
const BAD: u8 = 8;

const TEXT: usize = 112 + FloatSum::BYTES;
const END: usize = TEXT + BadToken::TEXT_BYTES;
const _: () = assert!(WideInt::BYTES == 40 && FloatSum::BYTES == 280 && END == 555);

impl Partial {
    /// The length of [`Partial::to_bytes`], whatever the part holds.
    pub const BYTES: usize = 560;

    /// The part as bytes, to be read by [`Partial::from_bytes`] of the same version.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        bytes[0] = flag(self.has_float, HAS_FLOAT)
            | flag(self.too_long, TOO_LONG)
            | flag(self.floats.is_some(), FLOATS)
            | flag(self.bad.is_some(), BAD);
        bytes[8..16].copy_from_slice(&self.numbers.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.chars.to_le_bytes());
        bytes[32..72].copy_from_slice(&self.exact.to_bytes());
        bytes[72..112].copy_from_slice(&self.rounding.to_bytes());
        if let Some(floats) = &self.floats {
            bytes[112..TEXT].copy_from_slice(&floats.to_bytes());
        }
        if let Some(bad) = &self.bad {
            // Never longer than TEXT_BYTES: `BadToken` keeps that.
            let text = &bad.text.as_bytes()[..bad.text.len().min(BadToken::TEXT_BYTES)];
            bytes[1] = text.len() as u8;
            bytes[24..32].copy_from_slice(&bad.offset_chars.to_le_bytes());
            bytes[TEXT..TEXT + text.len()].copy_from_slice(text);
        }
        bytes
    }

    /// The part that a peer alleges to have summed; `None` if no honest peer would say so.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let flags = bytes[0];
        if flags >= 16 || bytes[2..8] != [0; 6] || bytes[END..].iter().any(|&byte| byte != 0) {
            return None;
        }
        // A float, or an integer added as one, and only these, make a float sum.
        if (flags & (HAS_FLOAT | TOO_LONG) != 0) != (flags & FLOATS != 0) {
            return None;
        }
        let floats: &[u8; FloatSum::BYTES] = field(&bytes[112..TEXT])?;
        let floats = match flags & FLOATS {
            0 if floats.iter().any(|&byte| byte != 0) => return None,
            0 => None,
            _ => Some(Box::new(FloatSum::from_bytes(floats)?)),
        };
        let (text, rest) = bytes[TEXT..END].split_at_checked(usize::from(bytes[1]))?;
        let offset_chars = u64::from_le_bytes(*field(&bytes[24..32])?);
        if rest.iter().any(|&byte| byte != 0) {
            return None;
        }
        let bad = match flags & BAD {
            0 if offset_chars != 0 || !text.is_empty() => return None,
            0 => None,
            _ => Some(BadToken::from_parts(offset_chars, text)?),
        };
        Some(Self {
            numbers: u64::from_le_bytes(*field(&bytes[8..16])?),
            chars: u64::from_le_bytes(*field(&bytes[16..24])?),
            exact: WideInt::from_bytes(field(&bytes[32..72])?),
            rounding: WideInt::from_bytes(field(&bytes[72..112])?),
            too_long: flags & TOO_LONG != 0,
            has_float: flags & HAS_FLOAT != 0,
            floats,
            bad,
        })
    }
}

fn field<const N: usize>(bytes: &[u8]) -> Option<&[u8; N]> {
    bytes.try_into().ok()
}
