//! What the answers must be, worked out slowly and without a line of the crate's own code.
//!
//! Integers are decimal digits added by hand; floats are whole multiples of 2^-1074 in binary, added by hand, and
//! the result is found by comparing distances to neighbouring floats.

use std::cmp::Ordering;

/// What a line comes to: its answer, or where (column) and why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Sum(String),
    Overflow,
    Bad { column: u64, token: Vec<u8> },
}

/// The answer to each line.
pub(crate) fn answers(text: &[u8]) -> Vec<Answer> {
    let mut lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
    if lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    lines.into_iter().map(|line| answer(line.strip_suffix(b"\r").unwrap_or(line))).collect()
}

fn answer(line: &[u8]) -> Answer {
    let mut at = 0;
    let mut tokens = Vec::new();
    for token in line.split(|&byte| byte == b' ' || byte == b'\t') {
        if !token.is_empty() {
            let column = line[..at].iter().filter(|&&byte| byte & 0xc0 != 0x80).count() as u64 + 1;
            match std::str::from_utf8(token).ok().filter(|token| token.parse::<f64>().is_ok()) {
                Some(token) => tokens.push(token),
                None => return Answer::Bad { column, token: token.to_vec() },
            }
        }
        at += token.len() + 1;
    }
    sum(&tokens)
}

/// The sum of tokens that are numbers.
pub(crate) fn sum(tokens: &[&str]) -> Answer {
    let digits_of = |token: &str| token.trim_start_matches(['+', '-']).to_owned();
    if !tokens.iter().all(|token| digits_of(token).bytes().all(|byte| byte.is_ascii_digit())) {
        let floats: Vec<f64> = tokens.iter().map(|token| token.parse().unwrap()).collect();
        return Answer::Sum(show(float_sum(&floats)));
    }
    let mut total = Big::default();
    for token in tokens {
        let digits = digits_of(token);
        if digits.trim_start_matches('0').len() > 76 {
            return Answer::Overflow;
        }
        total.add(&Big::decimal(&digits), token.starts_with('-'));
    }
    let limit = Big::power_of_two(127);
    match total.compare_magnitude(&limit) {
        Ordering::Less => {}
        Ordering::Equal if total.negative => {}
        _ => return Answer::Overflow,
    }
    let mut value = 0i128;
    for limb in total.limbs.iter().rev() {
        value = value.wrapping_shl(32) | i128::from(*limb);
    }
    Answer::Sum(if total.negative { value.wrapping_neg() } else { value }.to_string())
}

fn show(float: f64) -> String {
    let text = format!("{float:?}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

pub(crate) fn float_sum(floats: &[f64]) -> f64 {
    let has = |wanted: f64| floats.contains(&wanted);
    if floats.iter().any(|float| float.is_nan()) || has(f64::INFINITY) && has(f64::NEG_INFINITY) {
        return f64::NAN;
    }
    if let Some(infinite) = floats.iter().find(|float| float.is_infinite()) {
        return *infinite;
    }
    let mut total = Big::default();
    for float in floats {
        total.add(&Big::float(*float), *float < 0.0);
    }
    nearest(&total)
}

fn nearest(total: &Big) -> f64 {
    // Half a step above the largest float, and from there on it is infinite.
    let mut limit = Big::power_of_two(1024 + 1074);
    limit.add(&Big::power_of_two(970 + 1074), true);
    let magnitude = Big { negative: false, limbs: total.limbs.clone() };
    if magnitude.compare_magnitude(&limit) != Ordering::Less {
        return if total.negative { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    // The largest float not above it, by halving the space of bit patterns.
    let (mut low, mut high) = (0u64, f64::INFINITY.to_bits());
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match Big::float(f64::from_bits(middle)).compare_magnitude(&magnitude) {
            Ordering::Greater => high = middle,
            _ => low = middle,
        }
    }
    let mut below = magnitude.clone();
    below.add(&Big::float(f64::from_bits(low)), true);
    let mut above =
        if high == f64::INFINITY.to_bits() { Big::power_of_two(1024 + 1074) } else { Big::float(f64::from_bits(high)) };
    above.add(&magnitude, true);
    let bits = match below.compare_magnitude(&above) {
        Ordering::Less => low,
        Ordering::Greater => high,
        Ordering::Equal => low + low % 2,
    };
    let value = f64::from_bits(bits);
    if total.negative { -value } else { value }
}

/// Sign and magnitude, 32 bits a limb, least significant first, no zeros at the top.
#[derive(Clone, Debug, Default)]
struct Big {
    negative: bool,
    limbs: Vec<u32>,
}

impl Big {
    fn decimal(digits: &str) -> Self {
        let mut value = Self::default();
        for digit in digits.bytes() {
            let mut carry = u64::from(digit - b'0');
            for limb in &mut value.limbs {
                carry += u64::from(*limb) * 10;
                *limb = carry as u32;
                carry >>= 32;
            }
            if carry > 0 {
                value.limbs.push(carry as u32);
            }
        }
        value
    }

    fn power_of_two(power: usize) -> Self {
        let mut limbs = vec![0; power / 32 + 1];
        limbs[power / 32] = 1 << (power % 32);
        Self { negative: false, limbs }
    }

    /// The magnitude in units of 2^-1074.
    fn float(float: f64) -> Self {
        let bits = float.abs().to_bits();
        let (mantissa, shift) = match bits >> 52 {
            0 => (bits, 0),
            exponent => (bits % (1 << 52) + (1 << 52), exponent as usize - 1),
        };
        let mut limbs = vec![0u32; shift / 32 + 4];
        for bit in (0..53).filter(|bit| mantissa >> bit & 1 == 1) {
            limbs[(bit + shift) / 32] |= 1 << ((bit + shift) % 32);
        }
        let mut value = Self { negative: false, limbs };
        value.trim();
        value
    }

    fn trim(&mut self) {
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
    }

    fn compare_magnitude(&self, other: &Self) -> Ordering {
        self.limbs.len().cmp(&other.limbs.len()).then_with(|| self.limbs.iter().rev().cmp(other.limbs.iter().rev()))
    }

    /// Adds the magnitude of `other`, or takes it away.
    fn add(&mut self, other: &Self, negative: bool) {
        if self.negative == negative {
            let mut carry = 0u64;
            for index in 0..self.limbs.len().max(other.limbs.len()) {
                if index == self.limbs.len() {
                    self.limbs.push(0);
                }
                carry += u64::from(self.limbs[index]) + u64::from(other.limbs.get(index).copied().unwrap_or(0));
                self.limbs[index] = carry as u32;
                carry >>= 32;
            }
            if carry > 0 {
                self.limbs.push(carry as u32);
            }
            return;
        }
        let (large, small) = match self.compare_magnitude(other) {
            Ordering::Less => {
                self.negative = negative;
                (other.limbs.clone(), self.limbs.clone())
            }
            _ => (self.limbs.clone(), other.limbs.clone()),
        };
        let mut borrow = 0i64;
        self.limbs = large
            .iter()
            .enumerate()
            .map(|(index, limb)| {
                borrow += i64::from(*limb) - i64::from(small.get(index).copied().unwrap_or(0));
                let digit = borrow as u32;
                borrow >>= 32;
                digit
            })
            .collect();
        self.trim();
        self.negative &= !self.limbs.is_empty();
    }
}
