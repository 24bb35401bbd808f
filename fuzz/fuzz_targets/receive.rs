//! See `bodies/src/receive.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| strait_fuzz_bodies::receive(input));
