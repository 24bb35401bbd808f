//! A run of the scanner over blocks, as the real caller does it.

use std::ops::ControlFlow;

use crate::oracle::Answer;
use strait_sum::{Fault, Partial, Scan, scan_lines, scan_total};

/// Where text may be cut: behind a separator.
pub(crate) fn cuts(text: &[u8]) -> Vec<usize> {
    (1..text.len()).filter(|&at| matches!(text[at - 1], b' ' | b'\t' | b'\n')).collect()
}

/// What blocks of text come to, put together as a parent of many workers does; partial sums travel as bytes.
pub(crate) fn scan_blocks(blocks: &[&[u8]]) -> Vec<Result<String, Fault>> {
    let mut lines = Vec::new();
    let mut carry = Partial::new();
    for block in blocks {
        let mut answers = Vec::new();
        let mut faults = Vec::new();
        let scan = scan_lines(block, &mut answers, |line, fault| {
            faults.push((line as usize, fault));
            ControlFlow::Continue(())
        });
        assert!(!scan.stopped);
        assert!(answers.len() <= 4 * block.len(), "{} bytes of answers to {block:?}", answers.len());
        carry.merge(&through_bytes(&scan.head));
        let Some(tail) = &scan.tail else {
            assert!(answers.is_empty() && faults.is_empty() && scan.lines == 0);
            continue;
        };
        lines.push(finish(&carry));
        carry = through_bytes(tail);
        let first = lines.len() - 1;
        let mut answers = std::str::from_utf8(&answers).unwrap().split_inclusive('\n');
        lines.extend(answers.by_ref().map(|line| Ok(line.strip_suffix('\n').unwrap().to_owned())));
        assert_eq!((lines.len() - first) as u64, scan.lines);
        for (line, fault) in faults {
            assert_eq!(lines[first + line], Ok(String::new()));
            lines[first + line] = Err(fault);
        }
    }
    if !carry.is_empty() {
        lines.push(finish(&carry));
    }
    lines
}

/// The sum of all lines that have no bad token, from blocks.
pub(crate) fn total_blocks(blocks: &[&[u8]]) -> (Result<String, Fault>, u64) {
    let mut total = Partial::new();
    let mut carry = Partial::new();
    let end_line = |line: &Partial, total: &mut Partial| {
        if !matches!(line.finish(), Err(Fault::BadToken(_))) {
            total.merge(line);
        }
    };
    for block in blocks {
        let scan: Scan = scan_total(block, |_, fault| {
            assert!(matches!(fault, Fault::BadToken(_)));
            ControlFlow::Continue(())
        });
        carry.merge(&through_bytes(&scan.head));
        if let Some(tail) = scan.tail {
            end_line(&carry, &mut total);
            carry = tail;
        }
        total.merge(&through_bytes(&scan.total));
    }
    end_line(&carry, &mut total);
    (finish(&total), total.numbers())
}

fn finish(line: &Partial) -> Result<String, Fault> {
    line.finish().map(|sum| {
        let mut text = Vec::new();
        sum.write_line(&mut text);
        let text = String::from_utf8(text).unwrap();
        let text = text.strip_suffix('\n').unwrap().to_owned();
        assert_eq!(text, sum.to_string());
        text
    })
}

fn through_bytes(partial: &Partial) -> Partial {
    Partial::from_bytes(&partial.to_bytes()).expect("an honest part is accepted")
}

/// Panics unless the lines are what the oracle says.
pub(crate) fn assert_lines(lines: &[Result<String, Fault>], expected: &[Answer], context: &dyn Fn() -> String) {
    for (index, (line, expected)) in lines.iter().zip(expected).enumerate() {
        let right = match (line, expected) {
            (Ok(sum), Answer::Sum(expected)) => sum == expected,
            (Err(Fault::Overflow), Answer::Overflow) => true,
            (Err(Fault::BadToken(bad)), Answer::Bad { column, token }) => {
                let plain = std::str::from_utf8(token)
                    .ok()
                    .filter(|token| token.len() <= 40 && token.bytes().all(|byte| byte.is_ascii_graphic()));
                bad.column() == *column && plain.is_none_or(|plain| bad.text() == plain)
            }
            _ => false,
        };
        assert!(right, "line {index}: {line:?} is not {expected:?}\n{}", context());
    }
    assert_eq!(lines.len(), expected.len(), "{}", context());
}
