//! Runnable examples: `cargo run -p strait-examples --example spsc`.
#![forbid(unsafe_code)]
