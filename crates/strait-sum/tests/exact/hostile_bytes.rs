//! Whatever a peer says its part is, it is refused or does no harm.

use proptest::collection::vec;
use proptest::prelude::*;
use std::ops::ControlFlow;
use strait_sum::{Partial, scan_lines};

use crate::against_oracle::config;

fn honest() -> Vec<Partial> {
    [
        "",
        "1 2 3",
        "1.5 -2e300",
        "nan inf",
        "12345678901234567890 -7",
        "1 x",
        "99999999999999999999 5e-324",
        "\u{202e}é…",
    ]
    .into_iter()
    .chain([&*"9".repeat(100), &*"-".repeat(50), "-1e-3 1"])
    .map(|text| scan_lines(text.as_bytes(), &mut Vec::new(), |_, _| ControlFlow::Break(())).head)
    .collect()
}

/// What is accepted can be merged, both ways and often, finished and sent on.
fn use_it(partial: &Partial) {
    let mut sum = partial.clone();
    for other in &honest() {
        let mut other = other.clone();
        other.merge(partial);
        sum.merge(&other);
        sum.merge(partial);
    }
    for sum in [&sum, partial] {
        match sum.finish() {
            Ok(sum) => sum.write_line(&mut Vec::new()),
            Err(fault) => assert!(fault.to_string().chars().all(|c| !c.is_control())),
        }
        let _ = Partial::from_bytes(&sum.to_bytes());
    }
}

proptest! {
    #![proptest_config(config(1000))]

    /// Random bytes, mostly refused.
    #[test]
    fn random_bytes(bytes in vec(any::<u8>(), Partial::BYTES)) {
        if let Some(partial) = Partial::from_bytes(&bytes.try_into().unwrap()) {
            use_it(&partial);
        }
    }

    /// Honest bytes with a few changed: many of these are accepted.
    #[test]
    fn changed_bytes(which in 0..11usize, changes in vec((0..Partial::BYTES, prop_oneof![any::<u8>(), Just(0), Just(255)]), 1..40)) {
        let mut bytes = honest()[which].to_bytes();
        for (at, byte) in changes {
            bytes[at] = byte;
            if let Some(partial) = Partial::from_bytes(&bytes) {
                use_it(&partial);
            }
        }
    }

    /// Random numbers in every field that takes any.
    #[test]
    fn random_numbers(numbers in vec(any::<u8>(), 104), digits in vec(any::<u8>(), 268),
                      flags in 0..16u8, specials in 0..16u8, top in 0..=1u32 << 18) {
        let mut bytes = [0; Partial::BYTES];
        bytes[0] = flags;
        bytes[8..24].copy_from_slice(&numbers[..16]);
        bytes[32..112].copy_from_slice(&numbers[16..96]);
        if flags & 4 != 0 {
            bytes[112] = specials;
            bytes[116..384].copy_from_slice(&digits);
            bytes[384..388].copy_from_slice(&top.to_le_bytes());
        }
        if flags & 8 != 0 {
            bytes[24..32].copy_from_slice(&numbers[96..]);
            bytes[1] = 1;
            bytes[392] = b'x';
        }
        let partial = Partial::from_bytes(&bytes);
        prop_assert_eq!(partial.is_some(), (flags & 3 != 0) == (flags & 4 != 0));
        if let Some(partial) = partial {
            use_it(&partial);
        }
    }
}

/// A bad token's text that would reach a terminal unescaped is refused.
#[test]
fn text_checked() {
    let mut bytes = honest()[5].to_bytes();
    assert!(Partial::from_bytes(&bytes).is_some());
    for byte in [0, 0x1b, b'\n', 0x7f, 0xff, 0x80] {
        bytes[392] = byte;
        assert!(Partial::from_bytes(&bytes).is_none(), "{byte:#x}");
    }
    let mut long = honest()[9].to_bytes();
    assert!(Partial::from_bytes(&long).is_some());
    long[1] = 41;
    long[392..392 + 41].fill(b'-');
    assert!(Partial::from_bytes(&long).is_none());
}

/// What an honest peer says of a bad token is accepted, one that looks like the mark of a cut included.
#[test]
fn honest_text_accepted() {
    for token in ["…", "……", "x…", &"…".repeat(40), &"…".repeat(41), &format!("{}…", "x".repeat(40))] {
        let part = scan_lines(token.as_bytes(), &mut Vec::new(), |_, _| ControlFlow::Break(())).head;
        let back = Partial::from_bytes(&part.to_bytes()).unwrap_or_else(|| panic!("{token} is refused"));
        assert_eq!(back.finish(), part.finish());
    }
}
