//! From a block of text to answers: one line after another, and the unfinished lines at both ends.
//!
//! ```text
//! block   7 8\n1 2 3\n4 5\n6
//!         head  |     |    tail        head and tail are parts of lines that began before or go on after the block
//!               answers "6\n9\n"
//! ```
//!
//! 1. Lines of integers of up to 15 digits are summed in `sum` alone; all else goes to `rest`, and `mixed` says so.
//! 2. A bad token does not end its line: the line's numbers count the same wherever the blocks were cut.
//! 3. `i128` cannot overflow in `sum`: each number takes a byte and is below 10^15.

use std::ops::ControlFlow;

use crate::columns;
use crate::fault::{BadToken, Fault};
use crate::gather::{Shape, Window};
use crate::partial::Partial;
use crate::sum;
use crate::token::{self, Token};
use crate::wide_int::WideInt;

/// What a block of text came to.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Scan {
    /// The text up to the first line feed, which ends a line begun earlier; all of it if there is no line feed.
    pub head: Partial,
    /// The text after the last line feed, which begins a line; `None` if there is no line feed.
    pub tail: Option<Partial>,
    /// All lines that begin and end in the block, except those with a bad token, added up.
    pub total: Partial,
    /// Line feeds met.
    pub lines: u64,
    /// The caller broke off at a fault; there is no tail.
    pub stopped: bool,
}

/// Sums each line of a block and appends the sums of the lines that begin and end in it, one a line.
///
/// A block may start and end anywhere between two tokens, and `\r\n` is in one piece. It does not know what came before:
/// see [`Scan::head`] and [`Scan::tail`].
///
/// `fault` is told of each such line that has no sum, with its number in the block: 0 for the line that `head` ends.
/// To continue gives that line an empty answer; to break ends the scan with all answers before it written. Faults in
/// head and tail show when these are finished.
///
/// Answers take at most four bytes for each byte of text. Nothing here blocks or makes a system call.
///
/// ```
/// use strait_sum::{Partial, Sum, scan_lines};
/// use std::ops::ControlFlow;
/// let mut answers = Vec::new();
/// let scan = scan_lines(b"7 8\n1 2 3\n.1 .2\n6", &mut answers, |line, fault| {
///     eprintln!("line {line}: {fault}");
///     ControlFlow::Continue(())
/// });
/// assert_eq!(answers, b"6\n0.30000000000000004\n");
/// assert_eq!(scan.head.finish(), Ok(Sum::Integer(15)));
/// assert_eq!(scan.tail.unwrap_or_default().finish(), Ok(Sum::Integer(6)));
/// ```
pub fn scan_lines(block: &[u8], answers: &mut Vec<u8>, fault: impl FnMut(u64, Fault) -> ControlFlow<()>) -> Scan {
    Scanner::new(block, Some(answers), fault).scan()
}

/// Adds all lines of a block up, as [`scan_lines`] but without answers: `fault` is told of bad tokens only.
pub fn scan_total(block: &[u8], fault: impl FnMut(u64, Fault) -> ControlFlow<()>) -> Scan {
    Scanner::new(block, None, fault).scan()
}

struct Scanner<'a, F> {
    block: &'a [u8],
    answers: Option<&'a mut Vec<u8>>,
    fault: F,
    result: Scan,
    /// The lines that `result.total` lacks as yet.
    total_sum: i128,
    total_numbers: u64,
    /// Where the line at hand begins, or the block.
    line_start: usize,
    /// The line at hand (rule 1).
    sum: i128,
    numbers: u64,
    rest: Partial,
    mixed: bool,
}

impl<'a, F: FnMut(u64, Fault) -> ControlFlow<()>> Scanner<'a, F> {
    fn new(block: &'a [u8], answers: Option<&'a mut Vec<u8>>, fault: F) -> Self {
        Self {
            block,
            answers,
            fault,
            result: Scan::default(),
            total_sum: 0,
            total_numbers: 0,
            line_start: 0,
            sum: 0,
            numbers: 0,
            rest: Partial::new(),
            mixed: false,
        }
    }

    fn scan(mut self) -> Scan {
        let mut window = Window::new();
        let mut start = 0;
        while start < self.block.len() {
            // The first 16 bytes, that columns look back on, token by token; and tokens longer than a window.
            let flow = if start < columns::LANES {
                self.take_one(&mut start)
            } else {
                window.fill(&self.block[start..]);
                match (window.ends(), window.shape, window.has_empty) {
                    ([], _, _) => self.take_one(&mut start),
                    (_, Shape::Plain, false) => self.take_window::<false, false>(&window, &mut start),
                    (_, Shape::Plain, true) => self.take_window::<false, true>(&window, &mut start),
                    (_, Shape::Signed, _) => self.take_window::<true, true>(&window, &mut start),
                    (ends, Shape::Mixed, _) => self.take_tokens(start, &mut start, ends),
                }
            };
            if flow.is_break() {
                self.result.stopped = true;
                return self.finish();
            }
        }
        let fragment = self.end_fragment(self.block.len());
        match self.result.lines {
            0 => self.result.head = fragment,
            _ => self.result.tail = Some(fragment),
        }
        self.finish()
    }

    fn finish(mut self) -> Scan {
        self.result.total.exact.add(&WideInt::from(self.total_sum));
        self.result.total.numbers += self.total_numbers;
        self.result
    }

    /// Takes the tokens of a window, and moves `start` behind its last separator.
    #[inline(always)]
    fn take_window<const SIGNED: bool, const EMPTY: bool>(
        &mut self,
        window: &Window,
        start: &mut usize,
    ) -> ControlFlow<()> {
        let base = *start;
        let text = base.checked_sub(columns::LANES).and_then(|from| self.block.get(from..)).unwrap_or_default();
        let mut ends = window.ends();
        while !ends.is_empty() {
            let (group, _) = ends.split_at(ends.len().min(columns::NUMBERS));
            let Some(added) = columns::add_group::<SIGNED, EMPTY>(text, *start - base, group) else {
                self.take_tokens(base, start, group)?;
                ends = ends.get(group.len()..).unwrap_or_default();
                continue;
            };
            self.sum += i128::from(added.sum);
            self.numbers += (added.tokens - added.empty) as u64;
            *start = base + added.after;
            ends = ends.get(added.tokens..).unwrap_or_default();
            if added.line_ended {
                self.end_line(*start - 1)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Takes tokens one by one, whatever they are.
    #[inline(never)]
    fn take_tokens(&mut self, base: usize, start: &mut usize, ends: &[u32]) -> ControlFlow<()> {
        for &end in ends {
            let end = base + end as usize;
            self.take_token(*start, end);
            *start = end + 1;
            if self.block.get(end) == Some(&b'\n') {
                self.end_line(end)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Takes one token, whatever it is.
    #[inline(never)]
    fn take_token(&mut self, start: usize, end: usize) {
        let Some(bytes) = self.block.get(start..end).filter(|bytes| !bytes.is_empty()) else { return };
        let token = token::parse(bytes);
        if let Token::Integer(value) = token {
            self.sum += i128::from(value);
            self.numbers += 1;
            return;
        }
        self.mixed = true;
        if self.rest.add(&token) {
            return;
        }
        if self.rest.bad.is_none() {
            // All before it are numbers and separators, so bytes are characters.
            let offset_chars = (start - self.line_start) as u64;
            self.rest.bad = Some(BadToken::new(offset_chars, bytes));
        }
    }

    /// Takes the token at `start` and the separator after it, byte by byte.
    #[cold]
    fn take_one(&mut self, start: &mut usize) -> ControlFlow<()> {
        let text = &self.block[*start..];
        let ends = |index: usize, byte: u8| match byte {
            b' ' | b'\t' | b'\n' => true,
            b'\r' => matches!(text.get(index + 1), None | Some(b'\n')),
            _ => false,
        };
        let length = text.iter().enumerate().position(|(index, &byte)| ends(index, byte)).unwrap_or(text.len());
        let end = *start + length;
        self.take_token(*start, end);
        *start = end + 1;
        match self.block.get(end) {
            Some(b'\n') => self.end_line(end),
            _ => ControlFlow::Continue(()),
        }
    }

    /// Ends the line at hand at a line feed.
    #[inline(always)]
    fn end_line(&mut self, at: usize) -> ControlFlow<()> {
        self.result.lines += 1;
        if self.mixed || self.result.lines == 1 {
            self.end_special_line(at)?;
        } else {
            self.total_sum += self.sum;
            self.total_numbers += self.numbers;
            if let Some(answers) = &mut self.answers {
                match i64::try_from(self.sum) {
                    Ok(sum) => sum::write_integer(sum, answers),
                    Err(_) => sum::write_long_integer(self.sum, answers),
                }
            }
            (self.sum, self.numbers) = (0, 0);
        }
        self.line_start = at + 1;
        ControlFlow::Continue(())
    }

    #[inline(never)]
    fn end_special_line(&mut self, at: usize) -> ControlFlow<()> {
        if self.result.lines == 1 {
            self.result.head = self.end_fragment(at);
            return ControlFlow::Continue(());
        }
        self.settle(at);
        if self.rest.bad.is_none() {
            self.result.total.merge(&self.rest);
        }
        let judged = if self.answers.is_some() || self.rest.bad.is_some() { Some(self.rest.finish()) } else { None };
        self.rest.clear();
        match (judged, &mut self.answers) {
            (Some(Ok(sum)), Some(answers)) => sum.write_line(answers),
            (Some(Err(fault)), answers) => {
                (self.fault)(self.result.lines - 1, fault)?;
                if let Some(answers) = answers {
                    answers.push(b'\n');
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn end_fragment(&mut self, at: usize) -> Partial {
        self.settle(at);
        let mut fragment = Partial::new();
        fragment.merge(&self.rest);
        self.rest.clear();
        fragment
    }

    /// Puts all that is known of the line at hand, which ends at `at`, into `rest`.
    fn settle(&mut self, at: usize) {
        self.rest.exact.add(&WideInt::from(self.sum));
        self.rest.numbers += self.numbers;
        self.rest.chars = (at - self.line_start) as u64;
        (self.sum, self.numbers, self.mixed) = (0, 0, false);
    }
}
