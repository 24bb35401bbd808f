//! Long lines, long tokens, much input: right, and in little memory.

mod support;

use std::fs;
use std::io::Write as _;
use std::time::Duration;
use support::{Running, strait, sum};

const MIB: u64 = 1 << 20;
/// What all processes together may have: proportional set size.
const PSS_MAX: u64 = 64 * MIB;

/// The proportional set size of the command and its workers, in bytes.
fn pss(pid: u32) -> u64 {
    let of = |pid: u32| {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let kib =
            rollup.lines().find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.unwrap_or(0) * 1024
    };
    of(pid) + support::workers(pid).into_iter().map(of).sum::<u64>()
}

/// Streams pieces through a pipe into `strait sum`; returns how it ended, and the most memory that was seen meanwhile.
fn stream(args: &[&str], pieces: impl Iterator<Item = Vec<u8>> + Send + 'static) -> (support::Outcome, u64) {
    let mut running = Running::start(strait().args(args));
    let pid = running.child.id();
    let mut stdin = running.stdin.take().expect("piped");
    let feeder = std::thread::spawn(move || {
        for piece in pieces {
            if stdin.write_all(&piece).is_err() {
                return;
            }
        }
    });
    let sampler = std::thread::spawn(move || {
        let mut most = 0;
        while support::lives(pid) {
            most = most.max(pss(pid));
            std::thread::sleep(Duration::from_millis(5));
        }
        most
    });
    let outcome = running.finish();
    feeder.join().expect("join");
    let most = sampler.join().expect("join");
    println!("{:.1} MiB at the most; {}", most as f64 / MIB as f64, outcome.summary());
    (outcome, most)
}

/// A line of 300 MB is one sum, exact, in less than 64 MiB of memory.
#[test]
fn line_of_300_mb() {
    let piece = b"123456 -7 99999999 ".repeat(55_000);
    let (numbers, sum) = (55_000 * 3 * 290, 55_000 * 290 * (123_456i64 - 7 + 99_999_999));
    let (outcome, most) = stream(&[], (0..290).map(move |_| piece.clone()));
    assert_eq!((outcome.code, outcome.text()), (0, format!("{sum}\n").as_str()), "{}", outcome.err);
    let count = outcome.summary().split(' ').nth(2).expect("numbers").replace(',', "");
    assert_eq!(count, numbers.to_string());
    assert!(most < PSS_MAX, "{most} bytes");
}

/// 300 MB of short lines: every line answered, in less than 64 MiB of memory.
#[test]
fn short_lines_of_300_mb() {
    let piece = b"1 2\n34 5678 9\n7\n".repeat(65_000);
    let (outcome, most) = stream(&[], (0..290).map(move |_| piece.clone()));
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert!(outcome.out == b"3\n5721\n7\n".repeat(65_000 * 290), "{} bytes of answers", outcome.out.len());
    assert!(most < PSS_MAX, "{most} bytes");
}

/// Lines that make the most of their bytes (empty ones: two bytes of answer for one) keep to the limit as well.
#[test]
fn empty_lines_of_50_mb() {
    let (outcome, most) = stream(&["--workers", "4"], (0..50).map(|_| vec![b'\n'; 1_000_000]));
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert!(outcome.out == b"0\n".repeat(50_000_000), "{} bytes of answers", outcome.out.len());
    assert!(most < PSS_MAX, "{most} bytes");
}

/// Floats on a long line are rounded once, however many blocks it spans.
#[test]
fn long_line_of_floats() {
    let piece = b"0.1 ".repeat(250_000);
    let pieces =
        std::iter::once(b"1e300 ".to_vec()).chain((0..40).map(move |_| piece.clone())).chain([b"-1e300".to_vec()]);
    let (outcome, _) = stream(&["-q"], pieces);
    // The float 0.1 is 2^-55 * 3602879701896397: ten million of them, exactly, then rounded.
    let exact = 3_602_879_701_896_397i128 * 10_000_000;
    assert_eq!(outcome.text(), format!("{}\n", exact as f64 / 2f64.powi(55)), "{}", outcome.err);
}

/// A token of 10 MB is no number; it is named by line and column, not shown in full, and costs no memory. What follows it counts.
#[test]
fn token_of_10_mb() {
    for byte in *b"x7." {
        let pieces = [b"1 2\n3 4 ".to_vec()].into_iter().chain((0..10).map(move |_| vec![byte; 1_000_000]));
        let (outcome, most) = stream(&["--keep-going", "-q"], pieces.chain([b" y 5\n6\n".to_vec()]));
        assert_eq!((outcome.code, outcome.text()), (1, "3\n\n6\n"));
        let shown = String::from_utf8(vec![byte; 36]).expect("ASCII");
        assert_eq!(outcome.err, format!("-:2:5: '{shown}…' is not a number: it is longer than 262144 bytes\n"));
        assert!(most < PSS_MAX, "{most} bytes");
    }
    let outcome = sum(&["-q"], [b"5\n".to_vec(), vec![b'7'; 1_000_000]].concat());
    assert_eq!((outcome.code, outcome.text()), (1, "5\n"));
}

/// A number of 3,000 digits is beyond 128 bits as an integer, and a number like any other among floats.
#[test]
fn number_of_3000_digits() {
    let digits = "9".repeat(3000);
    let integer = sum(&["-q"], format!("1\n{digits}\n"));
    assert_eq!((integer.code, integer.text(), integer.err.as_str()), (1, "1\n", "-: line 2: sum exceeds 128 bits\n"));
    assert_eq!(sum(&["-q"], format!("{digits} 0.5\n")).text(), "inf\n");
    assert_eq!(sum(&["-q"], format!("0.{digits}\n")).text(), "1\n");
    assert_eq!(sum(&["-q"], format!("{digits}e-3000 -0.5\n")).text(), "0.5\n");
}

/// Leading zeros are only zeros, also beyond a block, and the columns behind them are right.
#[test]
fn leading_zeros_beyond_a_block() {
    for count in [3000, 262_143, 262_144, 262_145, 600_000, 5_000_000] {
        let zeros = "0".repeat(count);
        let text = format!("1 {zeros}5 2\n-{zeros}\n+{zeros}7 {zeros}.5\n{zeros}1e2\n{zeros}-\n");
        let outcome = sum(&["-q"], &text);
        assert_eq!((outcome.code, outcome.text()), (1, "8\n0\n7.5\n100\n"), "{count} zeros: {}", outcome.err);
        let column = sum(&["-q"], format!("{zeros}5 x"));
        assert_eq!(column.err, format!("-:1:{}: 'x' is not a number\n", count + 3));
    }
}

/// A line that is 64 MB long comes from a file as well, and lines around it are as they were.
#[test]
fn long_line_in_a_file() {
    let dir = support::Directory::new();
    let file = dir.write("file", [b"1 2\n".to_vec(), b"5 ".repeat(32 << 20), b"\n3 4".to_vec()].concat());
    let outcome = sum(&["-q", &file], "");
    assert_eq!((outcome.code, outcome.text()), (0, format!("3\n{}\n7\n", 5 * (32 << 20)).as_str()));
}
