//! What one token is: an integer, a float, or no number.
//!
//! 1. An integer is an optional sign and digits, nothing else.
//! 2. A float is what `f64::from_str` takes and rule 1 does not; its value is exactly what that gives.
//! 3. An integer of up to [`EXACT_DIGITS`] digits is the same number as an `f64`. A longer one is rounded on a float
//!    line, and which kind of line it is on is known at its end only: both values are kept.

use crate::wide_int::{self, WideInt};

/// 10^15 is below 2^53.
pub(crate) const EXACT_DIGITS: usize = 15;

/// One token, valued.
#[derive(Debug, PartialEq)]
pub(crate) enum Token {
    /// An integer that is exact as a float too (rule 3).
    Integer(i64),
    /// An integer, and what rounding it to a float adds to it.
    LongInteger {
        exact: WideInt,
        rounding: WideInt,
    },
    /// An integer of more than 76 digits, as a float.
    TooLongInteger(f64),
    Float(f64),
    Bad,
}

/// Values a token, which has at least one byte.
pub(crate) fn parse(token: &[u8]) -> Token {
    let (negative, unsigned) = match token {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, token),
    };
    if unsigned.is_empty() {
        return Token::Bad;
    }
    if !unsigned.iter().all(u8::is_ascii_digit) {
        return fast_float2::parse(token).map_or(Token::Bad, Token::Float);
    }
    let zeros = unsigned.iter().take_while(|&&digit| digit == b'0').count();
    integer(negative, &unsigned[zeros..])
}

/// Values digits without leading zeros.
fn integer(negative: bool, digits: &[u8]) -> Token {
    if digits.len() <= EXACT_DIGITS {
        let value = digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
        return Token::Integer(if negative { -value } else { value });
    }
    // Digits are always a number; NaN if that were ever wrong.
    let float = fast_float2::parse(digits).unwrap_or(f64::NAN);
    if digits.len() > wide_int::MAX_DIGITS {
        return Token::TooLongInteger(if negative { -float } else { float });
    }
    let exact = WideInt::from_digits(digits);
    let rounded = if float < 2f64.powi(53) { WideInt::from(float as i128) } else { WideInt::from_large_float(float) };
    let mut rounding = exact.negated();
    rounding.add(&rounded);
    if negative {
        return Token::LongInteger { exact: exact.negated(), rounding: rounding.negated() };
    }
    Token::LongInteger { exact, rounding }
}
