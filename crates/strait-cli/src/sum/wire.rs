//! How a block's result travels from a worker to the parent.
//!
//! | offset | field |
//! |---:|---|
//! | 0 | bytes up to the answers, u32 |
//! | 4 | flags, u32: 1 broke off at a fault, 2 has a tail |
//! | 8 | line feeds met, u64 |
//! | 16 | faults met, u64 |
//! | 24 | head, tail, total: three [`Partial`]s |
//! | .. | the first faults: line in the block u64, column u64 (0: overflow), length of the text u32, text |
//! | .. | the answers, to the end |
//!
//! The parent reads it as a stranger's bytes: what does not add up is refused. All of it but the answers is in the first part.

use strait_sum::{Fault, Partial, Scan};

/// How many faults of a block are told in full: as many as the parent reports.
pub(super) const FAULTS_TOLD: usize = 10;

const BROKE_OFF: u32 = 1;
const HAS_TAIL: u32 = 2;
const FIXED_BYTES: usize = 24 + 3 * Partial::BYTES;

/// A line without a sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Its number in the block, 0 for the line that the block begins in.
    pub(super) line: u64,
    /// Column of the bad token and its text; `None`: the sum exceeds 128 bits.
    pub(super) token: Option<(u64, String)>,
}

/// The faults of a block.
#[derive(Debug)]
pub(super) struct Faults {
    told: Vec<Told>,
    count: u64,
    most: usize,
}

impl Faults {
    pub(super) fn new(keep_going: bool) -> Self {
        Self { told: Vec::new(), count: 0, most: if keep_going { FAULTS_TOLD } else { 1 } }
    }

    pub(super) fn push(&mut self, line: u64, fault: &Fault) {
        self.count += 1;
        if self.told.len() < self.most {
            self.told.push(Told { line, token: token_of(fault) });
        }
    }
}

/// The column and text of a bad token; `None` for an overflow.
pub(super) fn token_of(fault: &Fault) -> Option<(u64, String)> {
    match fault {
        Fault::BadToken(token) => Some((token.column(), token.text().to_owned())),
        _ => None,
    }
}

/// A block's result up to its answers.
#[derive(Debug)]
pub(super) struct Result {
    /// The worker broke off at the fault; there is no tail.
    pub(super) broke_off: bool,
    pub(super) lines: u64,
    pub(super) head: Partial,
    pub(super) tail: Option<Partial>,
    pub(super) total: Partial,
    pub(super) faults: Vec<Told>,
    /// All faults, those not told too.
    pub(super) fault_count: u64,
    /// Where the answers begin.
    pub(super) answers_at: usize,
}

/// What goes before the answers.
pub(super) fn encode(scan: &Scan, faults: &Faults) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    let flags = u32::from(scan.stopped) * BROKE_OFF + u32::from(scan.tail.is_some()) * HAS_TAIL;
    bytes.extend_from_slice(&flags.to_le_bytes());
    bytes.extend_from_slice(&scan.lines.to_le_bytes());
    bytes.extend_from_slice(&faults.count.to_le_bytes());
    let empty = Partial::new();
    for partial in [&scan.head, scan.tail.as_ref().unwrap_or(&empty), &scan.total] {
        bytes.extend_from_slice(&partial.to_bytes());
    }
    for told in &faults.told {
        let (column, text) = told.token.as_ref().map_or((0, ""), |(column, text)| (*column, text.as_str()));
        bytes.extend_from_slice(&told.line.to_le_bytes());
        bytes.extend_from_slice(&column.to_le_bytes());
        // A token's text is cut to 40 characters by who made it.
        bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    let len = bytes.len() as u32;
    bytes[..4].copy_from_slice(&len.to_le_bytes());
    bytes
}

/// Reads the first part of a result; `None` where no honest worker would have sent it.
pub(super) fn decode(part: &[u8]) -> Option<Result> {
    let mut rest = part;
    let answers_at = usize::try_from(u32_of(&mut rest)?).ok()?;
    let flags = u32_of(&mut rest)?;
    let lines = u64_of(&mut rest)?;
    let fault_count = u64_of(&mut rest)?;
    if answers_at < FIXED_BYTES || answers_at > part.len() || flags & !(BROKE_OFF | HAS_TAIL) != 0 {
        return None;
    }
    let head = partial_of(&mut rest)?;
    let tail = partial_of(&mut rest)?;
    let total = partial_of(&mut rest)?;
    let mut told = &part[FIXED_BYTES..answers_at];
    let mut faults = Vec::new();
    while !told.is_empty() {
        let line = u64_of(&mut told)?;
        let column = u64_of(&mut told)?;
        let len = usize::try_from(u32_of(&mut told)?).ok()?;
        let (text, after) = told.split_at_checked(len)?;
        told = after;
        let text = std::str::from_utf8(text).ok()?.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        faults.push(Told { line, token: (column > 0).then_some((column, text)) });
    }
    let is_sound = faults.len() <= FAULTS_TOLD
        && faults.len() as u64 <= fault_count
        && (fault_count == 0) == faults.is_empty()
        && faults.iter().all(|fault| fault.line <= lines);
    is_sound.then_some(Result {
        broke_off: flags & BROKE_OFF != 0,
        lines,
        head,
        tail: (flags & HAS_TAIL != 0).then_some(tail),
        total,
        faults,
        fault_count,
        answers_at,
    })
}

fn u32_of(rest: &mut &[u8]) -> Option<u32> {
    let (bytes, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    Some(u32::from_le_bytes(*bytes))
}

fn u64_of(rest: &mut &[u8]) -> Option<u64> {
    let (bytes, after) = rest.split_first_chunk::<8>()?;
    *rest = after;
    Some(u64::from_le_bytes(*bytes))
}

fn partial_of(rest: &mut &[u8]) -> Option<Partial> {
    let (bytes, after) = rest.split_first_chunk::<{ Partial::BYTES }>()?;
    *rest = after;
    Partial::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::ControlFlow;
    use strait_sum::scan_lines;

    fn encoded(block: &[u8]) -> Vec<u8> {
        let mut faults = Faults::new(true);
        let scan = scan_lines(block, &mut Vec::new(), |line, fault| {
            faults.push(line, &fault);
            ControlFlow::Continue(())
        });
        encode(&scan, &faults)
    }

    /// What a worker sends is what the parent reads.
    #[test]
    fn result_round_trips() {
        let bytes = encoded("1 2\n3\nabc 4\n0.5".as_bytes());
        let result = decode(&bytes).expect("sound");
        assert_eq!((result.lines, result.fault_count, result.broke_off), (3, 1, false));
        assert_eq!(result.faults, [Told { line: 2, token: Some((1, "abc".into())) }]);
        assert_eq!(result.head.numbers(), 2);
        assert_eq!(result.tail.map(|tail| tail.numbers()), Some(1));
        assert_eq!(result.answers_at, bytes.len());
    }

    /// Cut short, or with any byte changed, it is refused or read as something, without a panic.
    #[test]
    fn lies_are_survived() {
        let good = encoded("1 2\nabc\n0.5 7\nx".as_bytes());
        for len in 0..good.len() {
            assert!(decode(&good[..len]).is_none(), "{len}");
        }
        for at in 0..good.len() {
            for value in [0, 1, 0x7F, 0xFF] {
                let mut bad = good.clone();
                bad[at] = value;
                let _ = decode(&bad);
            }
        }
    }
}
