//! What is told to a person, on standard error. One who does not listen (a closed pipe, a full disk) is no reason to fail.

use std::fmt::Display;
use std::io::{self, Write as _};

/// Tells a line, in one write, so that lines of several processes do not mix.
pub(crate) fn line(text: impl Display) {
    words(format_args!("{text}\n"));
}

/// Tells something that does not end a line.
pub(crate) fn words(text: impl Display) {
    let _ = io::stderr().write_all(text.to_string().as_bytes());
}
