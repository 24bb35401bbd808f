//! Signed integers of 320 bits: what a line's integers are added up in.
//!
//! A token of up to [`MAX_DIGITS`] digits is below 2^253, so it would take 2^66 of them to leave the range:
//! sums of honest input never wrap. Sums of a lying peer's numbers may, and then they are wrong but harmless
//! (rule 1).
//!
//! 1. Two's complement, least significant limb first; every operation wraps and none panics.

/// The longest integer, in digits without leading zeros, that is added exactly.
pub(crate) const MAX_DIGITS: usize = 76;

const LIMBS: usize = 5;

/// A signed integer of 320 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct WideInt([u64; LIMBS]);

impl WideInt {
    pub(crate) const ZERO: Self = Self([0; LIMBS]);
    pub(crate) const BYTES: usize = LIMBS * 8;

    /// The value of ASCII digits. The caller has checked that they are digits and at most [`MAX_DIGITS`].
    pub(crate) fn from_digits(digits: &[u8]) -> Self {
        let mut value = Self::ZERO;
        for group in digits.chunks(19) {
            let number =
                group.iter().fold(0u64, |n, d| n.wrapping_mul(10).wrapping_add(u64::from(d.wrapping_sub(b'0'))));
            value.scale_and_add(10u64.pow(group.len() as u32), number);
        }
        value
    }

    /// The value of a finite float of at least 2^53 and below 2^300, which is therefore an integer.
    pub(crate) fn from_large_float(float: f64) -> Self {
        let bits = float.to_bits();
        let mantissa = (bits & ((1 << 52) - 1)) | (1 << 52);
        let shift = ((bits >> 52) & 0x7ff).saturating_sub(1075) as usize;
        let (limb, offset) = (shift / 64, shift % 64);
        let spread = u128::from(mantissa) << offset;
        let mut value = Self::ZERO;
        for (limb, part) in value.0.iter_mut().skip(limb).zip([spread as u64, (spread >> 64) as u64]) {
            *limb = part;
        }
        value
    }

    fn scale_and_add(&mut self, factor: u64, addend: u64) {
        let mut carry = u128::from(addend);
        for limb in &mut self.0 {
            // (2^64 - 1)^2 + (2^64 - 1) is below 2^128.
            let product = u128::from(*limb) * u128::from(factor) + carry;
            *limb = product as u64;
            carry = product >> 64;
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        let mut carry = false;
        for (limb, addend) in self.0.iter_mut().zip(other.0) {
            let (sum, first) = limb.overflowing_add(addend);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            (*limb, carry) = (sum, first || second);
        }
    }

    pub(crate) fn negated(self) -> Self {
        let mut value = Self(self.0.map(|limb| !limb));
        value.add(&Self::from(1));
        value
    }

    pub(crate) fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    pub(crate) fn is_negative(&self) -> bool {
        self.0[LIMBS - 1] >> 63 == 1
    }

    /// The value, where it fits 128 bits.
    pub(crate) fn to_i128(self) -> Option<i128> {
        let low = (u128::from(self.0[1]) << 64 | u128::from(self.0[0])) as i128;
        (Self::from(low) == self).then_some(low)
    }

    /// The magnitude in digits of 32 bits, least significant first.
    pub(crate) fn magnitude_digits(self) -> impl Iterator<Item = u32> {
        let magnitude = if self.is_negative() { self.negated() } else { self };
        magnitude.0.into_iter().flat_map(|limb| [limb as u32, (limb >> 32) as u32])
    }

    pub(crate) fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        for (to, limb) in bytes.chunks_exact_mut(8).zip(self.0) {
            to.copy_from_slice(&limb.to_le_bytes());
        }
        bytes
    }

    /// Every pattern of bits is a value.
    pub(crate) fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let mut value = Self::ZERO;
        for (limb, from) in value.0.iter_mut().zip(bytes.chunks_exact(8)) {
            *limb = from.iter().rev().fold(0, |limb, &byte| limb << 8 | u64::from(byte));
        }
        value
    }
}

impl From<i128> for WideInt {
    fn from(value: i128) -> Self {
        let fill = (value >> 127) as u64;
        Self([value as u64, (value >> 64) as u64, fill, fill, fill])
    }
}
