//! The `strait` command.
#![forbid(unsafe_code)]
fn main() {}
