//! What a line comes to: held against an oracle that is slow, naive and independent.

mod support;

use std::io::{BufRead as _, BufReader};
use support::{Chance, Directory, Running, run, strait, sum};

/// Adds a line up with `i128`, token by token; `None` where that is not for it to say.
fn naive(line: &str) -> Option<String> {
    let line = line.strip_suffix('\r').unwrap_or(line);
    let tokens = line.split([' ', '\t']).filter(|token| !token.is_empty());
    let sum = tokens.map(|token| token.parse::<i128>().ok()).try_fold(0i128, |sum, token| sum.checked_add(token?))?;
    Some(format!("{sum}\n"))
}

fn check_against_oracle(args: &[&str], text: &str) {
    let outcome = sum(args, text);
    let lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
    let expected: String = lines.map(|line| naive(line).unwrap_or_else(|| panic!("{line:?}"))).collect();
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert!(outcome.text() == expected, "differs: {:?}", first_difference(outcome.text(), &expected));
}

fn first_difference<'a>(found: &'a str, expected: &'a str) -> (usize, Option<&'a str>, Option<&'a str>) {
    let (mut a, mut b) = (found.lines(), expected.lines());
    (1..).map(|n| (n, a.next(), b.next())).find(|(_, a, b)| a != b || a.is_none()).expect("they differ or end")
}

/// Random integers of every length, with any signs, zeros, blanks, tabs and line ends, sum to what `i128` says, however many
/// workers share them.
#[test]
fn random_integers_as_i128() {
    let mut chance = Chance::new();
    for workers in ["1", "2", "7"] {
        let mut text = String::new();
        for _ in 0..20_000 {
            for _ in 0..chance.below(12) {
                text.push_str(chance.pick(&[" ", "", "\t", "  ", " \t "]));
                text.push_str(chance.pick(&["", "", "-", "+"]));
                text.push_str(chance.pick(&["", "", "", "0", "000"]));
                let digits = 10u128.pow(1 + chance.below(36) as u32);
                text.push_str(&(u128::from(chance.next()) * u128::from(chance.next()) % digits).to_string());
                text.push_str(chance.pick(&[" ", "\t", "  "]));
            }
            text.push_str(chance.pick(&["\n", "\n", "\r\n"]));
        }
        text.push_str(chance.pick(&["", "5 6", "5 6 ", "5 6\r", "7\r\n"]));
        check_against_oracle(&["--workers", workers, "-q"], &text);
    }
}

/// Blocks of the input are cut between any two tokens: lines and tokens of lengths around a block's are not torn.
#[test]
fn lines_around_a_block_are_whole() {
    // A block of two workers.
    let block = 256 << 10;
    for shift in [-2isize, -1, 0, 1, 2] {
        let mut text = String::new();
        while text.len() < (block as isize + shift - 12) as usize {
            text.push_str("12345 6789 ");
        }
        let line = format!("{text}\n1 2\r\n{text}77 ");
        check_against_oracle(&["-q"], &line);
        check_against_oracle(&["-q"], &format!("{}\n5\n", line.replace(' ', "\t")));
        let blank = " ".repeat((block as isize + shift) as usize);
        check_against_oracle(&["-q"], &format!("1{blank}2\n3{blank}\r\n{blank}4{blank}"));
    }
}

/// Floats are summed exactly and rounded once, as Python's `math.fsum` does, and written in the shortest form.
#[test]
fn floats_as_fsum() {
    let rows: Vec<_> = include_str!("fsum.txt").lines().skip(1).filter_map(|row| row.split_once(" = ")).collect();
    assert!(rows.len() > 70);
    let text: String = rows.iter().map(|(numbers, _)| format!("{numbers}\n")).collect();
    let outcome = sum(&["-q"], &text);
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    let answers: Vec<_> = outcome.text().lines().collect();
    assert_eq!(answers.len(), rows.len());
    for ((numbers, expected), answer) in rows.iter().zip(answers) {
        let expected: f64 = expected.parse().expect("a float");
        let shortest = format!("{expected:?}");
        assert_eq!(answer, shortest.strip_suffix(".0").unwrap_or(&shortest), "{numbers}");
    }
}

/// Signs, points, exponents, infinities and mixed lines are read as Rust's `f64` reads them.
#[test]
fn forms_of_numbers() {
    let table = [
        ("+5 -3", "2"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1e-3", "0.001"),
        ("1E3 +1", "1001"),
        ("inf 1", "inf"),
        ("-inf", "-inf"),
        ("infinity -Infinity", "NaN"),
        ("nan 3", "NaN"),
        ("NaN", "NaN"),
        ("1 2 0.5", "3.5"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("000000000000000000000000000000000000000000000007", "7"),
        ("-00012 +0", "-12"),
        ("1e400", "inf"),
        ("1e-400", "0"),
        ("9007199254740993 1", "9007199254740994"),
        ("9007199254740993 0.0", "9007199254740992"),
        ("", "0"),
        (" \t ", "0"),
        ("170141183460469231731687303715884105727", "170141183460469231731687303715884105727"),
        ("-170141183460469231731687303715884105728", "-170141183460469231731687303715884105728"),
        ("170141183460469231731687303715884105727 5 -5", "170141183460469231731687303715884105727"),
        ("999999999999999999999999999999999999999999 -999999999999999999999999999999999999999998", "1"),
    ];
    for end in ["\n", "\r\n"] {
        let text: String = table.iter().map(|(line, _)| format!("{line}{end}")).collect();
        let outcome = sum(&["-q"], &text);
        assert_eq!((outcome.code, outcome.err.as_str()), (0, ""));
        let answers: Vec<_> = outcome.text().lines().collect();
        assert_eq!(answers, table.map(|(_, answer)| answer));
    }
}

/// A byte-order mark is no part of the first line, however it arrives; elsewhere it is no number.
#[test]
fn byte_order_mark_is_skipped() {
    assert_eq!(sum(&["-q"], b"\xEF\xBB\xBF1 2\n3\n").text(), "3\n3\n");
    assert_eq!(sum(&["-q"], b"\xEF\xBB\xBF").text(), "");
    assert_eq!(sum(&["-q"], b"\xEF\xBB\xBF\n").text(), "0\n");
    let second = sum(&["-q"], b"1\n\xEF\xBB\xBF2\n");
    assert_eq!((second.code, second.text()), (1, "1\n"));

    let mut running = Running::start(strait().arg("-q"));
    let mut answers = BufReader::new(running.child.stdout.take().expect("piped"));
    for (piece, expected) in [(&b"\xEF"[..], ""), (b"\xBB", ""), (b"\xBF5\n", "5\n"), (b"6\n", "6\n")] {
        running.feed(piece);
        if !expected.is_empty() {
            let mut answer = String::new();
            answers.read_line(&mut answer).expect("read");
            assert_eq!(answer, expected);
        }
    }
    assert_eq!(running.finish().code, 0);
}

/// Nothing in, nothing out; and a last line counts with or without its line feed.
#[test]
fn ends_of_input() {
    for (text, answers) in
        [("", ""), ("\n", "0\n"), ("\n\n", "0\n0\n"), ("1", "1\n"), ("1\n", "1\n"), (" ", "0\n"), ("\r\n", "0\n")]
    {
        let outcome = sum(&["-q"], text);
        assert_eq!((outcome.code, outcome.text(), outcome.err.as_str()), (0, answers, ""), "{text:?}");
    }
}

/// Files are summed one after the other; a line does not reach over a file's end, empty files are nothing, `-` is standard input.
#[test]
fn files_one_after_the_other() {
    let dir = Directory::new();
    let (a, empty, b) = (dir.write("a", "1 2\n3"), dir.write("empty", ""), dir.write("b", "4\n5\n"));
    let outcome = sum(&[&a, &empty, "-", &empty, &b, "-q"], "10\n20");
    assert_eq!((outcome.code, outcome.text()), (0, "3\n3\n10\n20\n4\n5\n"));
    assert_eq!(sum(&[&empty], "").text(), "");
    let many: Vec<String> = (0..200).map(|n| dir.write(&format!("{n}"), format!("{n} 1"))).collect();
    let outcome = run(strait().args(&many), "");
    assert_eq!(outcome.text(), (1..=200).map(|n| format!("{n}\n")).collect::<String>());
    assert!(outcome.summary().starts_with("200 lines, 400 numbers, total 20100, "), "{}", outcome.summary());
}

/// A FIFO, and a file of `/proc` that claims to be empty, are read to their ends.
#[test]
fn odd_files_are_read() {
    let dir = Directory::new();
    let fifo = dir.path("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().expect("mkfifo").success());
    let writer = std::thread::spawn({
        let fifo = fifo.clone();
        move || std::fs::write(fifo, "1 2\n3 4\n")
    });
    assert_eq!(sum(&[&fifo, "-q"], "").text(), "3\n7\n");
    writer.join().expect("join").expect("write");
    let proc = sum(&["/proc/sys/kernel/pid_max", "-q"], "");
    let expected = std::fs::read_to_string("/proc/sys/kernel/pid_max").expect("read");
    assert_eq!(proc.text(), expected);
}

/// `--total` writes one number: the sum of everything, exact or rounded once.
#[test]
fn total_of_everything() {
    let dir = Directory::new();
    let (a, b) = (dir.write("a", "1 2\n3"), dir.write("b", "4\n\n5\n"));
    assert_eq!(sum(&["--total", &a, &b, "-q"], "").text(), "15\n");
    assert_eq!(sum(&["--total", "-q"], "").text(), "0\n");
    assert_eq!(sum(&["--total", "-q"], "1e308\n1e308\n-1e308\n-1e308\n0.1\n").text(), "0.1\n");
    // A line beyond 128 bits is no matter as long as the total is not.
    let far = "170141183460469231731687303715884105727";
    assert_eq!(sum(&["--total", "-q"], format!("{far} {far}\n-{far}\n1\n-{far}\n")).text(), "1\n");
    let beyond = sum(&["--total", "-q"], format!("{far}\n1\n"));
    assert_eq!((beyond.code, beyond.text(), beyond.err.as_str()), (1, "", "the total exceeds 128 bits\n"));
}

/// All ways of waiting and any number of workers give the same bytes.
#[test]
fn options_do_not_change_answers() {
    let text = support::counted_lines(0, 50_000);
    let answers = support::counted_answers(0, 50_000);
    for args in
        [&["--wait", "spin", "--workers", "1"][..], &["--wait", "sleep"], &["--wait", "adaptive", "--workers", "9"]]
    {
        let outcome = sum(args, &text);
        assert!(outcome.code == 0 && outcome.text() == answers, "{args:?}: {}", outcome.err);
    }
}

/// OUT is replaced as a whole, not written over; `-o -` is standard output.
#[test]
fn out_is_replaced() {
    let dir = Directory::new();
    let out = dir.write("out", "something much longer than the answer\n".repeat(100));
    let outcome = sum(&["-o", &out, "-q"], "1 2\n");
    assert_eq!((outcome.code, outcome.text()), (0, ""));
    assert_eq!(std::fs::read_to_string(&out).expect("read"), "3\n");
    assert_eq!(sum(&["-o", "-", "-q"], "1 2\n").text(), "3\n");
}

/// The summary counts lines, numbers, workers and restarts, in words that agree with their numbers, and says the total.
#[test]
fn summary_says_what_was_done() {
    let one = sum(&["--workers", "1"], "5 \n");
    assert!(one.err.starts_with("1 line, 1 number, total 5, "), "{}", one.err);
    assert!(one.err.ends_with("B/s, 1 worker, 0 restarts\n"), "{}", one.err);
    let many = sum(&["--workers", "3"], "1 1 1\n".repeat(1234));
    assert!(many.err.starts_with("1,234 lines, 3,702 numbers, total 3702, "), "{}", many.err);
    assert!(many.err.ends_with("B/s, 3 workers, 0 restarts\n"), "{}", many.err);
    assert_eq!(sum(&["-q"], "1\n").err, "");
}

/// A line is answered when it has been written, while the pipe that it came through stays open.
#[test]
fn answers_come_at_once() {
    for wait in ["spin", "adaptive", "sleep"] {
        let mut running = Running::start(strait().args(["-q", "--wait", wait]));
        let mut answers = BufReader::new(running.child.stdout.take().expect("piped"));
        for n in 0..200 {
            running.feed(format!("{n} 1\n").as_bytes());
            let mut answer = String::new();
            answers.read_line(&mut answer).expect("read");
            assert_eq!(answer, format!("{}\n", n + 1));
        }
        // The beginning of a line is not one.
        running.feed(b"1 2 ");
        running.feed(b"3\n");
        let mut answer = String::new();
        answers.read_line(&mut answer).expect("read");
        assert_eq!(answer, "6\n");
        assert_eq!(running.finish().code, 0);
    }
}
