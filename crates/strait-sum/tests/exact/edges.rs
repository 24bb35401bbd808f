//! Single cases that are worth a name.

use std::ops::ControlFlow;

use strait_sum::{Fault, Sum, scan_lines, scan_total};

use crate::blocks::{assert_lines, scan_blocks, total_blocks};
use crate::oracle;

fn show(text: &[u8]) -> Vec<String> {
    scan_blocks(&[text])
        .into_iter()
        .map(|line| match line {
            Ok(sum) => sum,
            Err(Fault::BadToken(bad)) => format!("{}: {bad}", bad.column()),
            Err(fault) => fault.to_string(),
        })
        .collect()
}

fn assert_answers(cases: &[(&str, &[&str])]) {
    for (text, answers) in cases {
        assert_eq!(show(text.as_bytes()), *answers, "{text:?}");
    }
}

/// Lines end with a line feed, with or without a carriage return, or with the input; blank lines sum to 0.
#[test]
fn line_ends() {
    assert_answers(&[
        ("", &[]),
        ("\n", &["0"]),
        ("\r\n", &["0"]),
        (" \t \n\n", &["0", "0"]),
        ("5", &["5"]),
        ("5\r", &["5"]),
        ("1 2\r\n3\r\n", &["3", "3"]),
        ("1 \r\n\t2", &["1", "2"]),
        ("1\n\r", &["1", "0"]),
        ("5\r\r\n", &["1: '5\\x0d' is not a number"]),
        ("5 \r 6\n", &["3: '\\x0d' is not a number"]),
        ("\r5", &["1: '\\x0d5' is not a number"]),
    ]);
}

/// Integers are exact to 128 bits at the end of the line, whatever happens on the way.
#[test]
fn integers() {
    let max = i128::MAX.to_string();
    let min = i128::MIN.to_string();
    let cases: &[(String, &str)] = &[
        ("+5 -3 007".to_owned(), "9"),
        ("-0".to_owned(), "0"),
        ("999999999999999 1".to_owned(), "1000000000000000"),
        ("-999999999999999 -1".to_owned(), "-1000000000000000"),
        (max.clone(), &max),
        (min.clone(), &min),
        (format!("{max} 1"), "sum exceeds 128 bits"),
        (format!("{min} -1"), "sum exceeds 128 bits"),
        (format!("{max} {max} {max} 5 {min} {min} -3"), &(i128::MAX).to_string()),
        (format!("{} -{}", "9".repeat(76), "9".repeat(76)), "0"),
        (format!("1{}", "0".repeat(76)), "sum exceeds 128 bits"),
        (format!("1{0} -1{0}", "0".repeat(76)), "sum exceeds 128 bits"),
        (format!("{}12", "0".repeat(5000)), "12"),
        (format!("1{} 0.5", "0".repeat(76)), "1e76"),
        (format!("1{} -1{} 0.5", "0".repeat(400), "0".repeat(400)), "NaN"),
    ];
    for (line, answer) in cases {
        assert_eq!(show(format!("0\n{line}\n").as_bytes())[1], *answer, "{line}");
    }
}

/// Floats are written as Rust's `{:?}` does, without `.0`.
#[test]
fn floats() {
    assert_answers(&[
        ("0.1 0.2", &["0.30000000000000004"]),
        ("1.5 1.5", &["3"]),
        ("1e308 1e308 -1e308", &["1e308"]),
        ("1e308 1e308", &["inf"]),
        ("-0.0", &["0"]),
        ("-inf 5", &["-inf"]),
        ("inf -inf", &["NaN"]),
        ("inf nan", &["NaN"]),
        (".5 5. +1E-3", &["5.501"]),
        ("9007199254740993 0.0", &["9007199254740992"]),
        ("9007199254740993 -9007199254740992", &["1"]),
        ("9007199254740993 -9007199254740992 0e0", &["0"]),
        ("1e16", &["1e16"]),
    ]);
    let long = format!("0.{}1 1", "0".repeat(5000));
    assert_eq!(show(long.as_bytes()), ["1"]);
    let long = format!("0.1{}", "0".repeat(6000));
    assert_eq!(show(long.as_bytes()), ["0.1"]);
}

/// A bad token is shown with its column in characters, escaped, and cut at 40 characters.
#[test]
fn bad_tokens() {
    assert_answers(&[
        ("1 2 abc 3 xyz\n4", &["5: 'abc' is not a number", "4"]),
        ("é 1", &["1: 'é' is not a number"]),
        ("1 ÿé x", &["3: 'ÿé' is not a number"]),
        ("- 5", &["1: '-' is not a number"]),
        ("5-3", &["1: '5-3' is not a number"]),
        ("1 0x10", &["3: '0x10' is not a number"]),
        ("1e", &["1: '1e' is not a number"]),
        (".", &["1: '.' is not a number"]),
        ("\u{202e}1", &["1: '\\u{202e}1' is not a number"]),
        ("\u{1b}[2J", &["1: '\\x1b[2J' is not a number"]),
    ]);
    assert_eq!(show(b"1 \xff\x00x"), ["3: '\\xff\\x00x' is not a number"]);
    assert_eq!(show("y".repeat(5000).as_bytes()), [format!("1: '{}…' is not a number", "y".repeat(40))]);
    assert_eq!(show("é".repeat(41).as_bytes()), [format!("1: '{}…' is not a number", "é".repeat(40))]);
    // An escape is shown whole or not at all.
    let token = [b'y'; 39].into_iter().chain([0]).collect::<Vec<_>>();
    assert_eq!(show(&token), [format!("1: '{}…' is not a number", "y".repeat(39))]);
}

/// The column of a bad token counts from the line's start, however many blocks before.
#[test]
fn column_across_blocks() {
    let lines = scan_blocks(&[b"7\n12 ", b"34\t", "é ".as_bytes(), b"5 x\n"]);
    assert_eq!(lines[0], Ok("7".to_owned()));
    assert!(matches!(&lines[1], Err(Fault::BadToken(bad)) if bad.column() == 7 && bad.text() == "é"));
}

/// To break at a fault leaves all answers before it, and nothing after it.
#[test]
fn stop_at_fault() {
    let mut answers = Vec::new();
    let mut met = Vec::new();
    let scan = scan_lines(b"\n1\n2 3\n4 x\n5\n", &mut answers, |line, fault| {
        met.push((line, fault.to_string()));
        ControlFlow::Break(())
    });
    assert!(scan.stopped && scan.tail.is_none());
    assert_eq!(answers, b"1\n5\n");
    assert_eq!(met, [(3, "'x' is not a number".to_owned())]);
    assert_eq!(scan.total.finish(), Ok(Sum::Integer(6)));
}

/// A total may leave 128 bits on the way, and is a float total if any line has a float.
#[test]
fn total() {
    let max = i128::MAX;
    let scan = scan_total(format!("\n{max}\n{max} 1\n-{max}\n-{max}\n").as_bytes(), |_, _| ControlFlow::Break(()));
    assert_eq!(scan.total.finish(), Ok(Sum::Integer(1)));
    assert_eq!((scan.lines, scan.total.numbers()), (5, 5));
    let scan = scan_total(b"\n1\n1 2\n0.5\n", |_, _| ControlFlow::Break(()));
    assert_eq!(scan.total.finish(), Ok(Sum::Float(4.5)));
}

/// A pattern means the same wherever it falls: at the edges of 64 bytes, of a window, of the block.
#[test]
fn any_place() {
    let patterns = [
        "- 5",
        " 7",
        "\n7",
        "+\t5",
        "-5",
        "5-",
        "--5",
        "5 - ",
        "  7",
        " \t7",
        "\n\n7",
        "5\r\n6",
        "5\r",
        "\r\n",
        "\r\r\n",
        "5\r6",
        "-\r\n1",
        "123456789012345",
        "1234567890123456",
        "-123456789012345",
        "-1234567890123456",
        "0.5",
        "x",
        "é",
    ];
    let filler = "12 345 6 7890123 45\n".repeat(130);
    let places = (0..220).chain(2050..2110);
    for (place, pattern) in places.flat_map(|place| patterns.map(|pattern| (place, pattern))) {
        for end in ["", " ", " 3 4\n5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32"] {
            let lead = filler[..place].trim_end_matches(|c: char| c.is_ascii_digit());
            // Made up to its length by one longer number, so that nothing but the pattern has two separators together.
            let text = format!(
                "{}{lead}{pattern}{end}",
                if lead.len() < place { format!("{:0>1$}", "", place - lead.len() - 1) + " " } else { String::new() }
            );
            let text = text.strip_prefix(' ').unwrap_or(&text).as_bytes();
            let expected = oracle::answers(text);
            assert_lines(&scan_blocks(&[text]), &expected, &|| format!("{pattern:?} at {place}"));
            if !expected.iter().any(|answer| matches!(answer, oracle::Answer::Bad { .. })) {
                let numbers = text.split(u8::is_ascii_whitespace).filter(|token| !token.is_empty()).count();
                assert_eq!(total_blocks(&[text]).1, numbers as u64, "{pattern:?} at {place}");
            }
        }
    }
}

/// The largest digits in all columns do not spill, however many numbers a line has.
#[test]
fn nines() {
    for (sign, digits, count) in
        [("", 9, 1), ("", 9, 27), ("", 9, 28), ("", 9, 29), ("-", 15, 60), ("", 15, 400), ("+", 1, 5000)]
    {
        let nines = "9".repeat(digits);
        let line = format!("1\n{}\n", format!("{sign}{nines} ").repeat(count).trim_end());
        let sum = format!("{sign}{nines}").parse::<i128>().unwrap() * count as i128;
        assert_eq!(show(line.as_bytes())[1], sum.to_string(), "{count} times {sign}{nines}");
    }
}
