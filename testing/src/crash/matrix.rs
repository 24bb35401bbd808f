//! The table that is printed and kept: what was killed where, and what came of it.

use super::PROMISE;
use super::campaign::Holdings;
use super::run::Trace;
use super::table::{self, Row};
use std::collections::BTreeMap;
use std::time::Duration;

/// An operation.
#[derive(Debug)]
pub struct Line {
    name: &'static str,
    victim: &'static str,
    place: String,
    instructions: u32,
    calls: usize,
    ends_asleep: bool,
    is_told: bool,
    /// Cases in which the victim was killed.
    pub kills: usize,
    /// Cases in which it was stopped, and went on.
    pub stops: usize,
    /// Cases that came out at another address than the trace.
    pub elsewhere: usize,
    /// Cases that failed.
    pub failures: usize,
    /// The longest that a survivor was kept waiting.
    pub longest_wait: Duration,
}

impl Line {
    pub(super) fn new(row: &Row, trace: &Trace) -> Self {
        Self {
            name: row.name,
            victim: row.victim,
            place: row.place(),
            instructions: trace.len(),
            calls: trace.calls.len(),
            ends_asleep: trace.ends_asleep,
            is_told: row.is_told,
            kills: 0,
            stops: 0,
            elsewhere: 0,
            failures: 0,
            longest_wait: Duration::ZERO,
        }
    }
}

/// Two at once.
#[derive(Debug)]
pub struct PairLine {
    name: &'static str,
    /// Cases in which both were killed.
    pub both: usize,
    /// Cases in which one was killed and the other went on.
    pub one: usize,
    /// Cases that failed.
    pub failures: usize,
}

impl PairLine {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, both: 0, one: 0, failures: 0 }
    }
}

/// All of it.
#[derive(Debug)]
pub struct Matrix {
    pub(super) lines: Vec<Line>,
    pub(super) pairs: Vec<PairLine>,
    pub(super) before: Holdings,
    pub(super) after: Holdings,
    pub(super) took: Duration,
    /// A sentence for each.
    pub failures: Vec<String>,
}

impl Matrix {
    /// How many cases were run.
    #[must_use]
    pub fn cases(&self) -> usize {
        let ones: usize = self.lines.iter().map(|line| line.kills + line.stops).sum();
        ones + self.pairs.iter().map(|line| line.both + line.one).sum::<usize>()
    }

    /// How many processes were killed.
    #[must_use]
    pub fn kills(&self) -> usize {
        let ones: usize = self.lines.iter().map(|line| line.kills).sum();
        ones + self.pairs.iter().map(|line| line.both * 2 + line.one).sum::<usize>()
    }

    /// One line that says it all.
    #[must_use]
    pub fn summary(&self) -> String {
        let instructions: u64 = self.lines.iter().map(|line| u64::from(line.instructions)).sum();
        let stops: usize = self.lines.iter().map(|line| line.stops).sum();
        let outcome = match self.failures.len() {
            0 => "all hold".to_owned(),
            failures => format!("{failures} FAILED"),
        };
        format!(
            "{} operations of {instructions} instructions, {} kills, {stops} stops in {:.0} s; descriptors {} -> {}, memory {} -> {} KiB: {outcome}",
            self.lines.len(),
            self.kills(),
            self.took.as_secs_f64(),
            self.before.descriptors,
            self.after.descriptors,
            self.before.memory_bytes >> 10,
            self.after.memory_bytes >> 10,
        )
    }

    /// As Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        tables(&self.rows())
    }

    /// The rows of the tables, by the names of the operations and pairs.
    #[must_use]
    pub fn rows(&self) -> BTreeMap<String, String> {
        let mut rows = BTreeMap::new();
        for line in &self.lines {
            let asleep = if line.ends_asleep { ", then asleep" } else { "" };
            let wait = match line.longest_wait {
                _ if !line.is_told => "-".to_owned(),
                wait => format!("{:.1} ms", wait.as_secs_f64() * 1e3),
            };
            let text = format!(
                "| `{}` | {} | {} | {}{asleep} | {} | {} | {} | {} | {wait} | {} |",
                line.name,
                line.victim,
                line.place,
                line.instructions,
                line.calls,
                line.kills,
                line.elsewhere,
                line.stops,
                result(line.failures),
            );
            rows.insert(line.name.to_owned(), text);
        }
        for line in &self.pairs {
            let text = format!("| `{}` | {} | {} | {} |", line.name, line.both, line.one, result(line.failures));
            rows.insert(line.name.to_owned(), text);
        }
        rows
    }

    /// Cases that came out elsewhere than the trace of their operation said.
    #[must_use]
    pub fn elsewhere(&self) -> usize {
        self.lines.iter().map(|line| line.elsewhere).sum()
    }

    /// The longest that any survivor was kept waiting, and what was promised.
    #[must_use]
    pub fn longest_wait(&self) -> (Duration, Duration) {
        (self.lines.iter().map(|line| line.longest_wait).max().unwrap_or_default(), PROMISE)
    }
}

const HEAD: &str = "\
| operation | victim | channel | instructions | system calls | killed at | of which elsewhere | stopped at | longest wait | result |
|---|---|---|---:|---:|---:|---:|---:|---:|---|
";
const PAIR_HEAD: &str = "
| two at once | both killed | one killed, the other goes on | result |
|---|---:|---:|---|
";

/// Rows, in the order of the operations.
#[must_use]
pub fn tables(rows: &BTreeMap<String, String>) -> String {
    let find = |name: &str| rows.get(name).map(|row| format!("{row}\n"));
    let ones: String = table::rows().iter().filter_map(|row| find(row.name)).collect();
    let pairs: String = table::pairs().iter().filter_map(|pair| find(pair.name)).collect();
    let pairs = if pairs.is_empty() { pairs } else { format!("{PAIR_HEAD}{pairs}") };
    format!("{HEAD}{ones}{pairs}")
}

/// The rows that a page has which was written before.
#[must_use]
pub fn rows_of(page: &str) -> BTreeMap<String, String> {
    let name = |line: &str| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned());
    page.lines().filter_map(|line| Some((name(line)?, line.to_owned()))).collect()
}

/// The sum of a column of numbers over all operations, or all pairs.
#[must_use]
pub fn sum(rows: &BTreeMap<String, String>, is_pair: bool, column: usize) -> u64 {
    let columns = if is_pair { 4 } else { 10 };
    rows.values().map(|row| cells(row)).filter(|cells| cells.len() == columns).map(|cells| cells[column]).sum()
}

/// How many operations were killed at every point.
#[must_use]
pub fn in_full(rows: &BTreeMap<String, String>) -> usize {
    let ones = rows.values().map(|row| cells(row)).filter(|cells| cells.len() == 10);
    ones.filter(|cells| cells[5] > cells[3] + 2 * cells[4]).count()
}

/// The numbers that the cells of a row begin with; zero where one begins with none.
fn cells(row: &str) -> Vec<u64> {
    let first = |cell: &str| cell.trim().split([',', ' ']).next().and_then(|number| number.parse().ok()).unwrap_or(0);
    row.trim_matches('|').split('|').map(first).collect()
}

fn result(failures: usize) -> String {
    if failures == 0 { "holds".to_owned() } else { format!("**{failures} failed**") }
}
