//! See `bodies/src/many.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| strait_fuzz_bodies::many(input));
