//! See `bodies/src/layout.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| strait_fuzz_bodies::layout(input));
