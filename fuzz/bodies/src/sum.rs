//! Sums of lines of text, however it is cut, against the oracle.
//!
//! | byte of the input | |
//! |---:|---|
//! | 0 | how many cuts (mod 8) |
//! | 1.. | for each cut a u16: which of the places where text may be cut |
//! | .. | the text, of which at most 2,048 bytes are looked at, for the oracle is slow |
//!
//! Claim: every line's sum, or its fault with column and token, is the oracle's; so is the total of all lines without a bad token; each
//! wherever the text is cut between tokens.

use crate::blocks::{assert_lines, cuts, scan_blocks, total_blocks};
use crate::oracle::{self, Answer};
use crate::script::Script;

const TEXT_BYTES_MAX: usize = 2048;

/// Sums the lines of the input.
pub fn sum(input: &[u8]) {
    let mut script = Script::new(input);
    let picks: Vec<u16> = (0..script.byte() % 8).map(|_| script.u16()).collect();
    let text = &script.rest()[..script.rest().len().min(TEXT_BYTES_MAX)];
    let blocks = blocks(text, &picks);
    let answers = oracle::answers(text);
    assert_lines(&scan_blocks(&blocks), &answers, &|| format!("{blocks:?}"));

    let good: Vec<&str> = answers
        .iter()
        .zip(text.split(|&byte| byte == b'\n'))
        .filter(|(answer, _)| !matches!(answer, Answer::Bad { .. }))
        .filter_map(|(_, line)| std::str::from_utf8(line).ok())
        .flat_map(|line| line.split([' ', '\t', '\r']))
        .filter(|token| !token.is_empty())
        .collect();
    let (total, numbers) = total_blocks(&blocks);
    assert_lines(&[total], &[oracle::sum(&good)], &|| format!("the total of {blocks:?}"));
    assert_eq!(numbers, good.len() as u64, "the count of {blocks:?}");
}

/// The text, cut where it may be cut.
fn blocks<'a>(text: &'a [u8], picks: &[u16]) -> Vec<&'a [u8]> {
    let possible = cuts(text);
    let mut at: Vec<usize> = Vec::new();
    if !possible.is_empty() {
        at.extend(picks.iter().map(|&pick| possible[usize::from(pick) % possible.len()]));
    }
    at.sort_unstable();
    at.push(text.len());
    let mut start = 0;
    at.into_iter().map(|end| &text[std::mem::replace(&mut start, end)..end]).collect()
}
