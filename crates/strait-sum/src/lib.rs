//! Sums lines of numbers, exactly, from blocks of text.
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
