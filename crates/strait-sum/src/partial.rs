//! The sum of a part of a line (or of many lines) before it is known how it ends.
//!
//! 1. Merging the parts of a line in order gives exactly what the whole line gives, wherever it was cut between tokens.
//! 2. Until the end a line may turn out to be a float line. So three things are kept: the exact sum of the integers,
//!    what rounding each of them to a float would add to it, and the exact sum of the floats.
//! 3. A part with a bad token has no sum, but its numbers still count.

use crate::fault::{BadToken, Fault};
use crate::float_sum::FloatSum;
use crate::sum::Sum;
use crate::token::Token;
use crate::wide_int::WideInt;

/// The exact sum of some tokens of one line, or of several lines.
///
/// Parts of a line are merged in order, then finished:
/// ```
/// use strait_sum::{Partial, Sum, scan_lines};
/// use std::ops::ControlFlow;
/// let part = |text: &[u8]| scan_lines(text, &mut Vec::new(), |_, _| ControlFlow::Break(())).head;
/// let mut line = part(b"1e308 1e308 ");
/// line.merge(&part(b"-1e308"));
/// assert_eq!(line.finish(), Ok(Sum::Float(1e308)));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Partial {
    pub(crate) numbers: u64,
    /// Characters, blanks included, the line feed not. Behind a bad token, where it no longer matters, bytes.
    pub(crate) chars: u64,
    pub(crate) exact: WideInt,
    pub(crate) rounding: WideInt,
    /// An integer was too long to add exactly; its rounded value is in `floats`.
    pub(crate) too_long: bool,
    /// A float was met: this is a float line.
    pub(crate) has_float: bool,
    pub(crate) floats: Option<Box<FloatSum>>,
    pub(crate) bad: Option<BadToken>,
}

impl Partial {
    /// The sum of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many tokens were numbers.
    pub fn numbers(&self) -> u64 {
        self.numbers
    }

    /// Whether the part has no character at all. At the end of the input this tells that there is no further line.
    pub fn is_empty(&self) -> bool {
        self.chars == 0
    }

    /// Appends the part that follows this one.
    pub fn merge(&mut self, next: &Self) {
        if let (None, Some(bad)) = (&self.bad, &next.bad) {
            let offset_chars = bad.offset_chars.saturating_add(self.chars);
            self.bad = Some(BadToken { offset_chars, text: bad.text.clone() });
        }
        self.numbers = self.numbers.saturating_add(next.numbers);
        self.chars = self.chars.saturating_add(next.chars);
        self.exact.add(&next.exact);
        self.rounding.add(&next.rounding);
        self.too_long |= next.too_long;
        self.has_float |= next.has_float;
        if let (true, Some(floats)) = (next.has_float || next.too_long, &next.floats) {
            self.floats_mut().merge(floats);
        }
    }

    /// The sum.
    ///
    /// # Errors
    /// The first bad token, or [`Fault::Overflow`] if all numbers are integers and their sum needs more than 128 bits.
    pub fn finish(&self) -> Result<Sum, Fault> {
        if let Some(bad) = &self.bad {
            return Err(Fault::BadToken(bad.clone()));
        }
        if self.has_float {
            return Ok(Sum::Float(self.float_sum()));
        }
        if self.too_long {
            return Err(Fault::Overflow);
        }
        self.exact.to_i128().map(Sum::Integer).ok_or(Fault::Overflow)
    }

    fn float_sum(&self) -> f64 {
        let mut integers = self.exact;
        integers.add(&self.rounding);
        let Some(floats) = &self.floats else { return 0.0 };
        if integers.is_zero() {
            return floats.round();
        }
        let mut sum = FloatSum::clone(floats);
        let sign = if integers.is_negative() { -1.0 } else { 1.0 };
        let mut weight = sign;
        for digit in integers.magnitude_digits() {
            // At most 32 bits, times a power of two below 2^320: exact.
            if digit != 0 {
                sum.add(f64::from(digit) * weight);
            }
            weight *= 2f64.powi(32);
        }
        sum.round()
    }

    /// Adds a token; false if it is no number.
    pub(crate) fn add(&mut self, token: &Token) -> bool {
        match token {
            Token::Integer(value) => self.exact.add(&WideInt::from(i128::from(*value))),
            Token::LongInteger { exact, rounding } => {
                self.exact.add(exact);
                self.rounding.add(rounding);
            }
            Token::TooLongInteger(rounded) => {
                self.too_long = true;
                self.floats_mut().add(*rounded);
            }
            Token::Float(float) => {
                self.has_float = true;
                self.floats_mut().add(*float);
            }
            Token::Bad => return false,
        }
        self.numbers += 1;
        true
    }

    /// Makes it a sum of nothing again, and keeps its memory.
    pub(crate) fn clear(&mut self) {
        let mut floats = self.floats.take();
        if let Some(floats) = &mut floats {
            floats.clear();
        }
        *self = Self { floats, ..Self::default() };
    }

    fn floats_mut(&mut self) -> &mut FloatSum {
        self.floats.get_or_insert_with(|| Box::new(FloatSum::new()))
    }
}
