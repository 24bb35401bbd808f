//! The exact sum of any number of floats, in any order, rounded once.
//!
//! Every finite `f64` is a whole multiple of 2^-1074 below 2^1024, so a fixed-point number of some 2,200 bits holds
//! every sum of them (a "superaccumulator"). It is kept in chunks that overlap, so that adding needs no carry
//! (after Radford Neal, "Fast exact summation using small and large superaccumulators", 2015):
//!
//! | chunk | weight | holds |
//! |---:|---|---|
//! | 0 | 2^-1074 | a signed 64-bit number |
//! | i | 2^(32 i - 1074) | a signed 64-bit number |
//! | 67 | 2^1070 | what is carried out of the top: 2^64 of the largest floats stay below 2^1088 |
//!
//! 1. An addition changes each chunk by less than 2^32, so 2^30 of them stay below 2^62; then carries are passed on.
//! 2. Only chunks `low..=high` were ever touched; all others are zero.
//! 3. Infinities and NaN are flags, not numbers. NaN wins, then opposite infinities make NaN, then infinity wins.
//! 4. A sum of nothing, or of zeros of whatever sign, or one that cancels out, is +0 (as Python's `math.fsum`).

const CHUNKS: usize = 68;
const LAST: usize = CHUNKS - 1;
const DIGIT: i64 = 0xffff_ffff;
const ADDITIONS_BEFORE_CARRY: u64 = 1 << 30;

/// An exact sum of floats.
#[derive(Clone, Debug)]
pub(crate) struct FloatSum {
    chunks: [i64; CHUNKS],
    low: usize,
    high: usize,
    /// How many additions since carries were passed on, at most (rule 1).
    additions: u64,
    infinity: bool,
    negative_infinity: bool,
    nan: bool,
}

/// A sum as sign and magnitude: the same for equal sums, however they came about.
struct Magnitude {
    negative: bool,
    /// In units of 2^-1074, least significant first; the top chunk's 64 bits take the last two.
    digits: [u32; FloatSum::DIGITS],
}

impl FloatSum {
    const DIGITS: usize = CHUNKS + 1;
    /// Flags, then the digits.
    pub(crate) const BYTES: usize = 4 + Self::DIGITS * 4;

    pub(crate) fn new() -> Self {
        Self {
            chunks: [0; CHUNKS],
            low: LAST,
            high: 0,
            additions: 0,
            infinity: false,
            negative_infinity: false,
            nan: false,
        }
    }

    /// Makes it a sum of nothing again.
    pub(crate) fn clear(&mut self) {
        if let Some(touched) = self.chunks.get_mut(self.low..=self.high) {
            touched.fill(0);
        }
        (self.low, self.high, self.additions) = (LAST, 0, 0);
        (self.infinity, self.negative_infinity, self.nan) = (false, false, false);
    }

    #[inline]
    pub(crate) fn add(&mut self, float: f64) {
        let bits = float.to_bits();
        let exponent = (bits >> 52) & 0x7ff;
        let fraction = bits & ((1 << 52) - 1);
        if exponent == 0x7ff {
            return self.add_special(float);
        }
        if self.additions >= ADDITIONS_BEFORE_CARRY {
            self.carry();
        }
        self.additions += 1;
        let mantissa = if exponent == 0 { fraction } else { fraction | 1 << 52 };
        let shift = exponent.saturating_sub(1) as usize;
        // At most 2045 / 32 = 63.
        let chunk = shift / 32;
        let spread = u128::from(mantissa) << (shift % 32);
        // All ones to negate, else nothing: (x ^ sign) - sign.
        let sign = (bits as i64) >> 63;
        let parts = [spread as i64 & DIGIT, (spread >> 32) as i64 & DIGIT, (spread >> 64) as i64];
        if let Some(chunks) = self.chunks.get_mut(chunk..chunk + 3) {
            for (chunk, part) in chunks.iter_mut().zip(parts) {
                *chunk = chunk.wrapping_add((part ^ sign).wrapping_sub(sign));
            }
        }
        self.low = self.low.min(chunk);
        self.high = self.high.max(chunk + 2);
    }

    #[cold]
    fn add_special(&mut self, float: f64) {
        self.nan |= float.is_nan();
        self.infinity |= float == f64::INFINITY;
        self.negative_infinity |= float == f64::NEG_INFINITY;
    }

    /// Adds another sum.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.infinity |= other.infinity;
        self.negative_infinity |= other.negative_infinity;
        self.nan |= other.nan;
        if self.additions.saturating_add(other.additions) >= ADDITIONS_BEFORE_CARRY {
            self.carry();
            let mut other = other.clone();
            other.carry();
            return self.add_chunks(&other);
        }
        self.add_chunks(other);
    }

    fn add_chunks(&mut self, other: &Self) {
        if other.low > other.high {
            return;
        }
        self.additions += other.additions;
        self.low = self.low.min(other.low);
        self.high = self.high.max(other.high);
        for (chunk, addend) in self.chunks.iter_mut().zip(&other.chunks).take(other.high + 1).skip(other.low) {
            *chunk = chunk.wrapping_add(*addend);
        }
    }

    /// Passes carries on, so that every touched chunk but the topmost is a digit of 32 bits again.
    #[cold]
    fn carry(&mut self) {
        let mut carry = 0;
        for chunk in self.chunks[..LAST].iter_mut().take(self.high + 1).skip(self.low) {
            let sum = chunk.wrapping_add(carry);
            *chunk = sum & DIGIT;
            carry = sum >> 32;
        }
        if carry != 0 {
            self.high = (self.high + 1).min(LAST);
            self.chunks[self.high] = self.chunks[self.high].wrapping_add(carry);
        }
        // Every chunk is now at most what one addition makes of it.
        self.additions = 1;
    }

    fn magnitude(&self) -> Magnitude {
        let mut digits = [0; Self::DIGITS];
        let mut top = self.pass_carries(1, &mut digits);
        let negative = top < 0;
        if negative {
            top = self.pass_carries(-1, &mut digits);
        }
        // `high + 2` is at most the last digit: `pass_carries` stops below chunk LAST.
        let after = (self.high + 1).min(LAST);
        digits[after] = top as u32;
        digits[after + 1] = (top >> 32) as u32;
        Magnitude { negative, digits }
    }

    /// Writes the digits of `sign` times the sum below its topmost chunk, and returns that chunk.
    fn pass_carries(&self, sign: i64, digits: &mut [u32; Self::DIGITS]) -> i64 {
        let mut carry = 0i64;
        for ((digit, chunk), index) in
            digits.iter_mut().zip(&self.chunks).zip(0..LAST).take(self.high + 1).skip(self.low)
        {
            debug_assert!(index < LAST);
            let sum = chunk.wrapping_mul(sign).wrapping_add(carry);
            *digit = sum as u32;
            carry = sum >> 32;
        }
        if self.high == LAST { carry.wrapping_add(self.chunks[LAST].wrapping_mul(sign)) } else { carry }
    }

    /// The sum, correctly rounded to nearest, ties to even.
    pub(crate) fn round(&self) -> f64 {
        match (self.nan, self.infinity, self.negative_infinity) {
            (true, _, _) | (_, true, true) => f64::NAN,
            (_, true, false) => f64::INFINITY,
            (_, false, true) => f64::NEG_INFINITY,
            (false, false, false) => self.magnitude().round(),
        }
    }

    pub(crate) fn to_bytes(&self) -> [u8; Self::BYTES] {
        let Magnitude { negative, digits } = self.magnitude();
        let mut bytes = [0; Self::BYTES];
        bytes[0] = u8::from(negative)
            | u8::from(self.infinity) << 1
            | u8::from(self.negative_infinity) << 2
            | u8::from(self.nan) << 3;
        for (to, digit) in bytes[4..].chunks_exact_mut(4).zip(digits) {
            to.copy_from_slice(&digit.to_le_bytes());
        }
        bytes
    }

    /// The sum that a peer alleges; `None` if no sum of fewer than 2^64 floats looks like that.
    pub(crate) fn from_bytes(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let [flags, rest @ ..] = bytes;
        if *flags > 0b1111 || rest[..3] != [0; 3] {
            return None;
        }
        let sign = if flags & 1 == 0 { 1 } else { -1 };
        let mut sum = Self::new();
        (sum.low, sum.high, sum.additions) = (0, LAST, 1);
        let (digits, top) = rest[3..].split_at(LAST * 4);
        for (chunk, digit) in sum.chunks.iter_mut().zip(digits.chunks_exact(4)) {
            *chunk = sign * little_endian(digit);
        }
        let top = little_endian(top);
        // 2^1088 in chunks of weight 2^1070.
        if !(0..=1 << 18).contains(&top) {
            return None;
        }
        sum.chunks[LAST] = sign * top;
        sum.infinity = flags & 2 != 0;
        sum.negative_infinity = flags & 4 != 0;
        sum.nan = flags & 8 != 0;
        Some(sum)
    }
}

/// The number in at most eight bytes.
fn little_endian(bytes: &[u8]) -> i64 {
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | i64::from(byte))
}

impl Magnitude {
    fn round(&self) -> f64 {
        let Some(top) = self.digits.iter().rposition(|&digit| digit != 0) else { return 0.0 };
        let digit = |below: usize| top.checked_sub(below).map_or(0, |index| u128::from(self.digits[index]));
        let head = digit(0) << 64 | digit(1) << 32 | digit(2);
        let head_bits = 128 - head.leading_zeros() as usize;
        // The place of the highest bit, in units of 2^-1074. Below 53 bits the pattern is the float's own.
        let place = 32 * top + head_bits - 65;
        let magnitude = if place < 53 {
            f64::from_bits((head >> 32 >> (32 * (1 - top.min(1)))) as u64)
        } else {
            // 65 <= head_bits <= 96, so at least twelve bits lie below the mantissa's 53.
            let mantissa = (head >> (head_bits - 53)) as u64;
            let below = head << (128 - head_bits + 53);
            let sticky = self.digits[..top.saturating_sub(2)].iter().any(|&digit| digit != 0);
            let half = 1u128 << 127;
            let up = below > half || below == half && (sticky || mantissa & 1 == 1);
            let exponent = place - 52;
            if exponent > 2045 {
                f64::INFINITY
            } else {
                // The mantissa's own leading bit, and a carry out of it, move the exponent on.
                f64::from_bits(((exponent as u64) << 52) + mantissa + u64::from(up))
            }
        };
        if self.negative { -magnitude } else { magnitude }
    }
}
