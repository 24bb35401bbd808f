//! How fast blocks are summed, against a plain loop over digits, in one run.
//!
//! `cargo run --release -p strait-sum --example speed [PART OF A ROW'S NAME]`
//!
//! | row | what it does |
//! |---|---|
//! | plain loop | one byte after another into 64-bit sums; integers only, checks nothing, writes no answers |
//! | `scan_lines` | everything: exact, checked, answers written |
//! | `scan_total` | the same without answers |
//!
//! 64 MiB of text, more than the caches hold, are gone through ten times in blocks of 256 KiB; the best of three runs
//! counts. Numbers have 1 to 9 digits, mostly 6 or 7.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::Instant;

const TEXT_BYTES: usize = 64 << 20;
const BLOCK_BYTES: usize = 256 << 10;
const ROUNDS: usize = 10;
const RUNS: usize = 3;

fn main() {
    println!("{:<34} {:>10} {:>10} {:>10} {:>8}", "text", "plain loop", "scan_lines", "scan_total", "ratio");
    for per_line in [10, 400] {
        report(&format!("integers, {per_line} a line"), || text(per_line, integer), true);
    }
    report(
        "integers of 9 digits, 10 a line",
        || text(10, |random| format!("{}", 100_000_000 + random % 900_000_000)),
        true,
    );
    report("integers of 1 digit, 10 a line", || text(10, |random| format!("{}", random % 10)), true);
    report("integers, 1 a line", || text(1, integer), true);
    report("integers with signs, 10 a line", || text(10, signed), true);
    report("integers of 25 digits, 10 a line", || text(10, |random| format!("{random:020}12345")), false);
    report(
        "prices (12345.67), 10 a line",
        || text(10, |random| format!("{}.{:02}", random % 100_000, random % 97)),
        false,
    );
    report("floats in full, 10 a line", || text(10, full_float), false);
    report("floats in full, 400 a line", || text(400, full_float), false);
}

fn report(name: &str, text: impl FnOnce() -> Vec<u8>, plain_can: bool) {
    if std::env::args().nth(1).is_some_and(|part| !name.contains(&part)) {
        return;
    }
    let text = text();
    let blocks = blocks(&text);
    let plain = plain_can.then(|| rate(&blocks, |block| black_box(plain_loop(block)) as usize));
    let mut answers = Vec::with_capacity(4 * BLOCK_BYTES);
    let lines = rate(&blocks, |block| {
        answers.clear();
        black_box(strait_sum::scan_lines(block, &mut answers, |_, _| ControlFlow::Break(()))).lines as usize
    });
    let total =
        rate(&blocks, |block| black_box(strait_sum::scan_total(block, |_, _| ControlFlow::Break(()))).lines as usize);
    let show = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2}"));
    println!(
        "{name:<34} {:>10} {lines:>10.2} {total:>10.2} {:>8}   GB/s",
        show(plain),
        show(plain.map(|plain| lines / plain))
    );
}

/// GB/s, the best of three runs.
fn rate(blocks: &[&[u8]], mut work: impl FnMut(&[u8]) -> usize) -> f64 {
    let bytes: usize = blocks.iter().map(|block| block.len()).sum();
    let mut best = 0f64;
    for _ in 0..RUNS {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            for block in blocks {
                black_box(work(block));
            }
        }
        best = best.max((bytes * ROUNDS) as f64 / start.elapsed().as_secs_f64() / 1e9);
    }
    best
}

fn plain_loop(block: &[u8]) -> i64 {
    let (mut total, mut line, mut value, mut negative) = (0i64, 0i64, 0i64, false);
    for &byte in block {
        if byte.is_ascii_digit() {
            value = value.wrapping_mul(10).wrapping_add(i64::from(byte - b'0'));
            continue;
        }
        if byte == b'-' {
            negative = true;
            continue;
        }
        line += if negative { -value } else { value };
        (value, negative) = (0, false);
        if byte == b'\n' {
            total ^= line;
            line = 0;
        }
    }
    total
}

/// Cuts text behind line feeds.
fn blocks(mut text: &[u8]) -> Vec<&[u8]> {
    let mut blocks = Vec::new();
    while text.len() > BLOCK_BYTES {
        let end = text[..BLOCK_BYTES].iter().rposition(|&byte| byte == b'\n').map_or(BLOCK_BYTES, |at| at + 1);
        let (block, rest) = text.split_at(end);
        blocks.push(block);
        text = rest;
    }
    blocks.push(text);
    blocks
}

fn text(per_line: usize, number: impl Fn(u64) -> String) -> Vec<u8> {
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut text = Vec::with_capacity(TEXT_BYTES + 64);
    for index in 1.. {
        // Xorshift: the same text in every run.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        text.extend_from_slice(number(random.wrapping_mul(0x2545_f491_4f6c_dd1d)).as_bytes());
        text.push(if index % per_line == 0 { b'\n' } else { b' ' });
        if text.len() >= TEXT_BYTES {
            break;
        }
    }
    text
}

/// One to nine digits, most often six or seven.
fn integer(random: u64) -> String {
    let digits = match random % 100 {
        0..2 => 1,
        2..4 => 2,
        4..8 => 3,
        8..14 => 4,
        14..26 => 5,
        26..52 => 6,
        52..82 => 7,
        82..94 => 8,
        _ => 9,
    };
    let low = 10u64.pow(digits - 1);
    (low + (random >> 8) % (9 * low)).to_string()
}

fn signed(random: u64) -> String {
    let sign = if random >> 63 == 0 { "" } else { "-" };
    format!("{sign}{}", integer(random))
}

fn full_float(random: u64) -> String {
    format!("{}", (random >> 11) as f64 / (1u64 << 45) as f64)
}
