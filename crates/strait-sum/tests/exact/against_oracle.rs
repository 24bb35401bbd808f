//! Whatever the text and wherever it is cut, the answers are the oracle's.
//!
//! The random cases are the same in every run (a fixed seed); `PROPTEST_CASES=100000` runs more of them.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::blocks::{assert_lines, cuts, scan_blocks, total_blocks};
use crate::oracle;

pub(crate) fn config(cases: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(cases);
    ProptestConfig { cases, failure_persistence: None, rng_seed: RngSeed::Fixed(2), ..ProptestConfig::default() }
}

fn digits(most: usize) -> BoxedStrategy<String> {
    (1..=most).prop_flat_map(|length| proptest::string::string_regex(&format!("[0-9]{{{length}}}")).unwrap()).boxed()
}

fn plain() -> BoxedStrategy<String> {
    prop_oneof![20 => digits(9), 2 => digits(15), 1 => Just("0".to_owned())].boxed()
}

fn signed() -> BoxedStrategy<String> {
    (prop_oneof!["-", "\\+", ""], plain()).prop_map(|(sign, digits)| sign + &digits).boxed()
}

fn long_integer() -> BoxedStrategy<String> {
    let near = |value: i128| (-3i128..=3).prop_map(move |step| value.saturating_add(step).to_string());
    let edges = prop_oneof![
        near(i128::MAX),
        near(i128::MIN),
        near(1 << 53),
        near(-(1 << 53)),
        near(i128::from(u64::MAX)),
        near(10i128.pow(15)),
        near(10i128.pow(16)),
        near(10i128.pow(38)),
        Just("170141183460469231731687303715884105728".to_owned()),
        Just("-170141183460469231731687303715884105729".to_owned()),
    ];
    prop_oneof![
        4 => (prop_oneof!["-", "\\+", ""], digits(40)).prop_map(|(sign, digits)| sign + &digits),
        4 => edges,
        1 => (prop_oneof!["-", ""], digits(80)).prop_map(|(sign, digits)| sign + &digits),
        1 => (0usize..200, signed()).prop_map(|(zeros, token)| {
            let (sign, digits) = token.split_at(token.len() - token.trim_start_matches(['+', '-']).len());
            format!("{sign}{}{digits}", "0".repeat(zeros))
        }),
    ]
    .boxed()
}

fn float() -> BoxedStrategy<String> {
    let any = any::<u64>().prop_map(f64::from_bits);
    let huge = prop_oneof!["1e308", "-1e308", "1.7976931348623157e308", "-1.7976931348623157e308", "8e307"];
    let tiny = prop_oneof!["5e-324", "-5e-324", "2.2250738585072014e-308", "2.2250738585072009e-308", "1e-400"];
    let finite = prop_oneof![
        6 => "[-+]?[0-9]{1,6}\\.[0-9]{0,3}",
        2 => "[-+]?\\.[0-9]{1,20}",
        4 => any.clone().prop_map(|float| format!("{float:e}")),
        1 => any.prop_map(|float| format!("{float}")),
        2 => "[-+]?[0-9]{1,25}(\\.[0-9]{0,30})?[eE][-+]?[0-9]{1,2}",
        2 => (0u64..100, -60i32..60).prop_map(|(m, e)| format!("{:e}", m as f64 * 2f64.powi(e))),
        2 => huge,
        2 => tiny,
        1 => "-?0\\.0",
    ];
    // Few, or all float lines would be NaN.
    prop_oneof![99 => finite, 1 => prop_oneof!["inf", "-INF", "Infinity", "nan", "-NaN", "1e999"]].boxed()
}

fn bad() -> BoxedStrategy<String> {
    prop_oneof![
        "[-+.eE0-9xinfa_,]{1,6}",
        "[a-z]{1,60}",
        "\\PC{1,6}".prop_filter("one token", |text| !text.contains([' ', '\t', '\n', '\r'])),
        Just("\r".to_owned()),
        Just("5\r".to_owned()),
        Just("\r5".to_owned()),
        Just("-".to_owned()),
        Just("1\u{0}2".to_owned()),
        Just("\u{202e}1".to_owned()),
    ]
    .boxed()
}

fn token(profile: u8) -> BoxedStrategy<String> {
    match profile {
        0 => plain(),
        1 => signed(),
        2 => prop_oneof![30 => signed(), 1 => long_integer()].boxed(),
        3 => long_integer(),
        4 => float(),
        5 => prop_oneof![float(), long_integer(), signed()].boxed(),
        _ => prop_oneof![40 => signed(), 10 => float(), 3 => long_integer(), 2 => bad()].boxed(),
    }
}

fn line(profile: u8) -> impl Strategy<Value = String> {
    let separator = prop_oneof![20 => " ", 2 => "\t", 1 => "[ \t]{2,4}"];
    let tokens = prop_oneof![8 => vec((token(profile), separator), 0..14), 1 => vec((token(profile), " "), 0..500)];
    (tokens, prop_oneof![9 => "", 1 => "[ \t]{1,70}"], any::<bool>(), prop_oneof![6 => "\n", 1 => "\r\n"]).prop_map(
        |(tokens, lead, trail, end)| {
            let mut line = lead;
            for (token, separator) in tokens {
                line += &token;
                line += &separator;
            }
            if !trail {
                line.truncate(line.trim_end_matches([' ', '\t']).len());
            }
            line + &end
        },
    )
}

/// Lines of one kind, so that each way through the scanner is taken for long.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let lines = (0..=6u8).prop_flat_map(|profile| vec(line(profile), 0..25));
    (vec(lines, 1..3), any::<bool>(), 0..40u8).prop_map(|(lines, last_ends, broken)| {
        let mut text = lines.concat().concat().into_bytes();
        if !last_ends && text.ends_with(b"\n") {
            text.pop();
        }
        if broken == 0 && !text.is_empty() {
            let middle = text.len() / 2;
            text[middle] = 0xff;
        }
        text
    })
}

fn blocks<'a>(text: &'a [u8], picks: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let possible = cuts(text);
    let mut at: Vec<usize> =
        if possible.is_empty() { Vec::new() } else { picks.iter().map(|pick| *pick.get(&possible)).collect() };
    at.sort_unstable();
    at.push(text.len());
    let mut start = 0;
    at.into_iter().map(|end| &text[std::mem::replace(&mut start, end)..end]).collect()
}

proptest! {
    #![proptest_config(config(400))]

    /// Any mixture of numbers, cut anywhere between tokens, is answered as by the oracle.
    #[test]
    fn any_text_any_cuts(text in text(), picks in vec(any::<prop::sample::Index>(), 0..12)) {
        let blocks = blocks(&text, &picks);
        assert_lines(&scan_blocks(&blocks), &oracle::answers(&text), &|| format!("{blocks:?}"));
    }

    /// The grand total is that of all lines without a bad token, and so is the count of its numbers.
    #[test]
    fn total_any_cuts(text in text(), picks in vec(any::<prop::sample::Index>(), 0..12)) {
        let blocks = blocks(&text, &picks);
        let good: Vec<&str> = oracle::answers(&text)
            .iter()
            .zip(text.split(|&byte| byte == b'\n'))
            .filter(|(answer, _)| !matches!(answer, oracle::Answer::Bad { .. }))
            .flat_map(|(_, line)| std::str::from_utf8(line).unwrap().split([' ', '\t', '\r']))
            .filter(|token| !token.is_empty())
            .collect();
        let (total, numbers) = total_blocks(&blocks);
        assert_lines(&[total], &[oracle::sum(&good)], &|| format!("{blocks:?}"));
        prop_assert_eq!(numbers, good.len() as u64);
    }

    /// Bytes of no meaning at all are answered as by the oracle.
    #[test]
    fn garbage(text in vec(prop_oneof![
        4 => any::<u8>(),
        2 => prop::sample::select(b" \t\n\r\n".to_vec()),
        4 => prop::sample::select(b"0123456789+-.eEinfa".to_vec()),
    ], 0..400), picks in vec(any::<prop::sample::Index>(), 0..4)) {
        let blocks = blocks(&text, &picks);
        assert_lines(&scan_blocks(&blocks), &oracle::answers(&text), &|| format!("{blocks:?}"));
    }

    /// Short texts of few different bytes: every neighbourhood of separators, signs and ends occurs.
    #[test]
    fn neighbourhoods(text in vec(prop::sample::select(b"0019 \t\n\r-+".to_vec()), 0..200),
                      picks in vec(any::<prop::sample::Index>(), 0..4)) {
        let blocks = blocks(&text, &picks);
        assert_lines(&scan_blocks(&blocks), &oracle::answers(&text), &|| format!("{blocks:?}"));
    }
}

/// Every line of up to five of these bytes is answered as by the oracle, in at most four bytes for each of its own.
#[test]
fn all_short_lines() {
    let letters = b"019.e- \r";
    for length in 0..=5u32 {
        let mut text = Vec::new();
        for number in 0..letters.len().pow(length) {
            let mut rest = number;
            for _ in 0..length {
                text.push(letters[rest % letters.len()]);
                rest /= letters.len();
            }
            text.push(b'\n');
        }
        assert_lines(
            &scan_blocks(&[b"\n", &text]),
            &[oracle::answers(b"\n"), oracle::answers(&text)].concat(),
            &|| format!("lines of {length} bytes"),
        );
    }
}
