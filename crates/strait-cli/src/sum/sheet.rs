//! The sheet on which the parent keeps the count: blocks come in in order, lines that span blocks are put together, answers go
//! out in order, and what is wrong is named by file, line and column.

use crate::sum::carrier::Answer;
use crate::sum::input::{Kind, Source};
use crate::sum::output::Output;
use crate::sum::summary::Summary;
use crate::sum::wire::{self, FAULTS_TOLD, Told};
use std::time::Duration;
use strait::pool::Stopped;
use strait_sum::{Fault, Partial, Sum, scan_total};

/// Why collecting ended early.
#[derive(Debug)]
pub(super) enum Halt {
    /// A line has no sum; the sentence says which and why.
    Fault(String),
    /// Writing failed; the sentence is empty if the reader has gone away.
    Output(String),
    /// The pool stopped.
    Pool(Stopped),
    /// A worker sent something impossible.
    Wire(String),
}

/// What to do about lines without a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Faults {
    /// The first is the end.
    Halt,
    /// The first ones are told, the others counted.
    TellFirst,
    /// Each is told: a person has typed it just now.
    TellAll,
}

/// What is known of the lines so far.
pub(super) struct Sheet {
    /// The files' names; the first is being read.
    names: std::vec::IntoIter<String>,
    name: String,
    is_total: bool,
    faults: Faults,
    /// A token this long is told as such.
    token_max_bytes: usize,
    /// Number of the line at hand in its file, from 1.
    line: u64,
    /// The line at hand, as far as it has come in.
    open: Partial,
    /// The line at hand has a token that was too long to look at.
    has_overlong: bool,
    /// Everything but bad lines.
    total: Partial,
    lines: u64,
    /// Answers of the block at hand that have not come in, while its result comes in several parts.
    owed_lines: u64,
    /// Number of the line that the block at hand begins in.
    block_line: u64,
    bytes: u64,
    fault_count: u64,
    /// What is to be told, and has not been.
    reports: Vec<String>,
    /// A fault that ends it all, once the answers before it are out.
    halting: Option<String>,
    answer: Vec<u8>,
}

impl Sheet {
    pub(super) fn new(sources: &[Source], is_total: bool, faults: Faults, token_max_bytes: usize) -> Self {
        let names: Vec<String> = sources.iter().map(Source::name).collect();
        let mut names = names.into_iter();
        let name = names.next().unwrap_or_default();
        Self {
            names,
            name,
            is_total,
            faults,
            token_max_bytes,
            line: 1,
            open: Partial::new(),
            has_overlong: false,
            total: Partial::new(),
            lines: 0,
            owed_lines: 0,
            block_line: 1,
            bytes: 0,
            fault_count: 0,
            reports: Vec::new(),
            halting: None,
            answer: Vec::new(),
        }
    }

    /// Takes a part of a block's result.
    pub(super) fn take(&mut self, part: &Answer<'_>, output: &mut Output) -> Result<(), Halt> {
        let is_first = part.number == 0;
        if is_first {
            self.bytes += part.tag.bytes;
        }
        match &part.tag.kind {
            Kind::Text if is_first => self.take_block(part.bytes, part.is_last, output)?,
            Kind::Text => self.take_answers(part.bytes, part.is_last, output)?,
            Kind::Overlong(token) if is_first => self.take_overlong(token),
            Kind::Zeros if is_first => self.take_zeros(part.tag.bytes),
            Kind::EndOfFile if is_first => self.end_file(output)?,
            Kind::Overlong(_) | Kind::Zeros | Kind::EndOfFile => {}
        }
        match self.halting.take_if(|_| part.is_last) {
            Some(message) => Err(Halt::Fault(message)),
            None => Ok(()),
        }
    }

    fn take_block(&mut self, bytes: &[u8], is_last: bool, output: &mut Output) -> Result<(), Halt> {
        let Some(block) = wire::decode(bytes) else {
            return Err(Halt::Wire(format!("a worker sent a result of {} bytes that contradicts itself", bytes.len())));
        };
        self.block_line = self.line;
        self.open.merge(&block.head);
        if block.lines > 0 {
            let first = self.line;
            self.end_line(output)?;
            self.total.merge(&block.total);
            let answered =
                if block.broke_off { block.faults.first().map_or(0, |fault| fault.line) } else { block.lines };
            // The head's line has been counted.
            self.owed_lines = answered.saturating_sub(1);
            self.line = first + block.lines;
            self.take_answers(&bytes[block.answers_at..], is_last, output)?;
            self.open = block.tail.unwrap_or_default();
        }
        let told = block.faults.len() as u64;
        for fault in block.faults {
            let line = self.line - block.lines + fault.line;
            self.fault(line, &fault, "");
        }
        self.fault_count += block.fault_count.saturating_sub(told);
        Ok(())
    }

    /// Counted as they come: the run may end before the rest of them does.
    fn take_answers(&mut self, answers: &[u8], is_last: bool, output: &mut Output) -> Result<(), Halt> {
        let come = if is_last { self.owed_lines } else { memchr::memchr_iter(b'\n', answers).count() as u64 };
        self.lines += come;
        self.owed_lines = self.owed_lines.saturating_sub(come);
        output.push(answers).map_err(Halt::Output)
    }

    /// Zeros that were left out count in the columns of what follows, as blanks would.
    fn take_zeros(&mut self, count: u64) {
        let blanks = vec![b' '; usize::try_from(count).unwrap_or(0)];
        self.open.merge(&scan_total(&blanks, |_, _| std::ops::ControlFlow::Continue(())).head);
    }

    /// A token that fills a block and more: no number, for none has so many digits.
    fn take_overlong(&mut self, token: &[u8]) {
        // A token that ends in an ellipsis is no number whatever it begins with; summing it gives the fault its place.
        let shown = [token, "…".as_bytes()].concat();
        self.open.merge(&scan_total(&shown, |_, _| std::ops::ControlFlow::Continue(())).head);
        self.has_overlong = true;
    }

    fn end_file(&mut self, output: &mut Output) -> Result<(), Halt> {
        if !self.open.is_empty() {
            self.end_line(output)?;
        }
        if let Some(name) = self.names.next() {
            self.name = name;
        }
        self.line = 1;
        Ok(())
    }

    /// The line at hand is complete.
    fn end_line(&mut self, output: &mut Output) -> Result<(), Halt> {
        let open = std::mem::take(&mut self.open);
        let has_overlong = std::mem::take(&mut self.has_overlong);
        let line = self.line;
        self.line += 1;
        let fault = match open.finish() {
            Ok(sum) => {
                self.total.merge(&open);
                return self.answer(sum, output);
            }
            Err(fault) => fault,
        };
        if !matches!(fault, Fault::BadToken(_)) {
            self.total.merge(&open);
            // Only the grand total's own overflow counts there.
            if self.is_total {
                self.lines += 1;
                return Ok(());
            }
        }
        let told = Told { line, token: wire::token_of(&fault) };
        let is_overlong = has_overlong && told.token.as_ref().is_some_and(|(_, text)| text.ends_with('…'));
        let note =
            if is_overlong { format!(": it is longer than {} bytes", self.token_max_bytes) } else { String::new() };
        self.fault(line, &told, &note);
        if let Some(message) = self.halting.take() {
            return Err(Halt::Fault(message));
        }
        self.lines += 1;
        let is_told_in_place = self.faults == Faults::TellAll && output.is_terminal();
        if self.is_total || is_told_in_place { Ok(()) } else { output.push(b"\n").map_err(Halt::Output) }
    }

    fn answer(&mut self, sum: Sum, output: &mut Output) -> Result<(), Halt> {
        self.lines += 1;
        if self.is_total {
            return Ok(());
        }
        self.answer.clear();
        sum.write_line(&mut self.answer);
        output.push(&self.answer).map_err(Halt::Output)
    }

    /// A line has no sum: reported among others, or the end.
    fn fault(&mut self, line: u64, fault: &Told, note: &str) {
        self.fault_count += 1;
        let message = match &fault.token {
            // Its line is right above.
            Some((column, text)) if self.faults == Faults::TellAll => {
                format!("column {column}: '{text}' is not a number{note}")
            }
            None if self.faults == Faults::TellAll => "sum exceeds 128 bits".to_owned(),
            Some((column, text)) => format!("{}:{line}:{column}: '{text}' is not a number{note}", self.name),
            None => format!("{}: line {line}: sum exceeds 128 bits", self.name),
        };
        match self.faults {
            Faults::Halt => drop(self.halting.get_or_insert(message)),
            Faults::TellFirst if self.fault_count > FAULTS_TOLD as u64 => {}
            Faults::TellFirst | Faults::TellAll => self.reports.push(message),
        }
    }

    /// Writes the grand total, if that is what was asked for.
    pub(super) fn finish(&mut self, output: &mut Output) -> Result<(), Halt> {
        if self.is_total {
            let sum = self.total.finish().map_err(|_| Halt::Fault("the total exceeds 128 bits".to_owned()))?;
            self.answer.clear();
            sum.write_line(&mut self.answer);
            output.push(&self.answer).map_err(Halt::Output)?;
        }
        output.flush().map_err(Halt::Output)
    }

    /// Messages about lines without a sum since the last call; the first ten in all.
    pub(super) fn reports(&mut self) -> std::vec::Drain<'_, String> {
        self.reports.drain(..)
    }

    /// How many lines without a sum were not told of.
    pub(super) fn untold(&self) -> u64 {
        if self.faults == Faults::TellFirst { self.fault_count.saturating_sub(FAULTS_TOLD as u64) } else { 0 }
    }

    pub(super) fn has_faults(&self) -> bool {
        self.fault_count > 0
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn lines(&self) -> u64 {
        self.lines
    }

    /// The lines of a block that was not answered, or not all of it.
    pub(super) fn line_range(&self, block: &[u8]) -> String {
        let breaks = memchr::memchr_iter(b'\n', block).count() as u64;
        let (begin, first) = match self.owed_lines {
            0 => (self.line, self.line),
            owed => (self.block_line, self.line - owed),
        };
        let last = first.max(begin + breaks - u64::from(block.ends_with(b"\n") && breaks > 0));
        if first == last {
            format!("{}: line {first}", self.name)
        } else {
            format!("{}: lines {first} to {last}", self.name)
        }
    }

    /// What is to be said at the end; the rest is not the sheet's to know.
    pub(super) fn summary(&self) -> Summary {
        Summary {
            lines: self.lines,
            numbers: self.total.numbers(),
            total: self.total.finish(),
            bytes: self.bytes,
            took: Duration::ZERO,
            is_dialogue: false,
            workers: 0,
            restarts: 0,
        }
    }
}
