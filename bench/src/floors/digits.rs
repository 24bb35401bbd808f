//! The plain digit loop: one process reads text and adds up its integers, one digit at a time.
//!
//! What a good programmer writes without thinking about vectors. It keeps each line's sum only long enough to add it to the
//! total; no output is written, which favours the floor.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// What the text came to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) lines: u64,
    pub(crate) sum: u64,
    line: u64,
    number: u64,
}

impl Totals {
    /// Goes on with the next piece of text, which may begin and end anywhere.
    pub(crate) fn add(&mut self, text: &[u8]) {
        let Self { mut lines, mut sum, mut line, mut number } = *self;
        for &byte in text {
            let digit = byte.wrapping_sub(b'0');
            if digit < 10 {
                number = number * 10 + u64::from(digit);
                continue;
            }
            line += number;
            number = 0;
            if byte == b'\n' {
                lines += 1;
                sum = sum.wrapping_add(line);
                line = 0;
            }
        }
        *self = Self { lines, sum, line, number };
    }
}

/// The totals of a file whose last line ends, read a quarter of a megabyte at a time.
pub(crate) fn run(path: &Path) -> io::Result<Totals> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 256 << 10];
    let mut totals = Totals::default();
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(totals),
            n => totals.add(&buffer[..n]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Totals;

    /// Pieces may break anywhere, inside a number too.
    #[test]
    fn pieces_break_anywhere() {
        let text = b"1 22 333\n\n4444 5\n";
        for cut in 0..text.len() {
            let mut totals = Totals::default();
            totals.add(&text[..cut]);
            totals.add(&text[cut..]);
            assert_eq!((totals.lines, totals.sum), (3, 1 + 22 + 333 + 4444 + 5));
        }
    }
}
