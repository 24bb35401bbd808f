//! Developer verbs.
#![forbid(unsafe_code)]
fn main() {}
