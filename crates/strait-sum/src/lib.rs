//! Sums lines of numbers exactly, from blocks of text, at several gigabytes a second on one core.
//!
//! ```text
//! block of text -> gather   where the next tokens end, 64 bytes at a time
//!               -> columns  short integers: added column by column        (nearly all)
//!               -> token    anything else: long integers, floats, faults  (one by one)
//!               -> scan     lines: answers inside, a Partial at each end of the block
//! Partials      -> merge    in order, by whoever has all blocks -> finish -> Sum or Fault
//! ```
//!
//! Blocks are independent of each other: many workers can each scan one, and the answers are byte for byte those of one
//! pass, wherever between two tokens the text was cut.
//!
//! 1. **Numbers** stand between blanks and tabs. An integer is an optional sign and digits; a float is whatever else
//!    `f64::from_str` takes (`.5`, `5.`, `1e-3`, `inf`, `nan`); all else is a fault.
//! 2. **Lines** end with `\n` or `\r\n`, the last one with or without. A line without numbers sums to 0.
//! 3. **Integers** are summed exactly; a sum beyond 128 bits (at the end, not on the way) is a fault.
//! 4. **Floats**: a line with one or more is summed as Python's `math.fsum` would: each number, integers too, is rounded
//!    as `f64::from_str` rounds it, and their exact sum is rounded once. So order does not matter, `1e308 1e308 -1e308`
//!    is `1e308`, and a sum that is zero is `0`, never `-0`. NaN wins, and infinities of both signs make NaN.
//! 5. **Nothing panics**, on any text and on any bytes alleged to be a [`Partial`].
//!
//! A byte-order mark, reading, cutting and threads are the caller's affair. Nothing here makes a system call.
#![forbid(unsafe_code)]

mod columns;
mod encoding;
mod fault;
mod float_sum;
mod gather;
mod partial;
mod scan;
mod sum;
mod token;
mod wide_int;

pub use fault::{BadToken, Fault};
pub use partial::Partial;
pub use scan::{Scan, scan_lines, scan_total};
pub use sum::Sum;
