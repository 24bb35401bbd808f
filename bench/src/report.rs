//! The table, as aligned text and as markdown, and the record of a run.

use std::fmt::Write as _;
use std::fs::{OpenOptions, create_dir_all};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use hdrhistogram::Histogram;

use crate::duel::{Outcome, Series, Verdict};
use crate::machine;
use crate::rows::{Target, Unit};
use crate::stats::Spread;

/// Cells, the first row being the head.
pub(crate) struct Table(Vec<Vec<String>>);

/// The rows of a whole run.
pub(crate) fn table(outcomes: &[Outcome]) -> Table {
    let head = [
        "row",
        "floor",
        "subject",
        "unit",
        "ratio",
        "spread",
        "target",
        "verdict",
        "apart ns",
        "p50/p99/p99.9 floor",
        "subject",
    ];
    let mut rows = vec![head.map(String::from).to_vec()];
    for outcome in outcomes {
        let floor = outcome.floor.as_ref();
        let ratio = outcome.ratio;
        rows.push(vec![
            outcome.row.name.clone(),
            floor.map_or_else(dash, |floor| figure(floor.figure.median)),
            figure(outcome.subject.figure.median),
            outcome.row.unit.as_str().to_owned(),
            ratio.map_or_else(dash, |ratio| figure(ratio.median)),
            spread(ratio.unwrap_or(outcome.subject.figure)),
            target(outcome.row.target),
            verdict(outcome),
            spread(outcome.distance_ns),
            percentiles(floor.and_then(|floor| floor.latency.as_ref())),
            percentiles(outcome.subject.latency.as_ref()),
        ]);
    }
    Table(rows)
}

/// The floors alone.
pub(crate) fn floor_table(floors: &[(String, Unit, Series, Spread)]) -> Table {
    let head = ["floor", "figure", "unit", "spread", "apart ns", "p50/p99/p99.9"];
    let mut rows = vec![head.map(String::from).to_vec()];
    for (name, unit, series, distance_ns) in floors {
        rows.push(vec![
            name.clone(),
            figure(series.figure.median),
            unit.as_str().to_owned(),
            spread(series.figure),
            spread(*distance_ns),
            percentiles(series.latency.as_ref()),
        ]);
    }
    Table(rows)
}

impl Table {
    /// Aligned with blanks: names to the left, everything else to the right.
    pub(crate) fn to_text(&self) -> String {
        let columns = self.0.first().map_or(0, Vec::len);
        let widths: Vec<usize> = (0..columns)
            .map(|column| self.0.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
            .collect();
        let mut text = String::new();
        for (number, row) in self.0.iter().enumerate() {
            let mut line = String::new();
            for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                let _ = if column == 0 { write!(line, "{cell:<width$}") } else { write!(line, "  {cell:>width$}") };
            }
            text.push_str(line.trim_end());
            text.push('\n');
            if number == 0 {
                text.push_str(&"-".repeat(widths.iter().sum::<usize>() + 2 * columns.saturating_sub(1)));
                text.push('\n');
            }
        }
        text
    }

    pub(crate) fn to_markdown(&self) -> String {
        let mut text = String::new();
        for (number, row) in self.0.iter().enumerate() {
            let _ = writeln!(text, "| {} |", row.join(" | "));
            if number == 0 {
                let _ = writeln!(text, "|---|{}", "---:|".repeat(row.len().saturating_sub(1)));
            }
        }
        text
    }
}

/// Writes `<date>-<n>.md`, the first `n` that is free, and returns its path.
pub(crate) fn record(folder: &Path, command: &str, facts: &[String], table: &Table) -> io::Result<PathBuf> {
    create_dir_all(folder)?;
    let date = machine::today();
    let mut text = format!("# Bench of {date}\n\n`{command}`\n\n");
    for fact in facts {
        let _ = writeln!(text, "- {fact}");
    }
    let _ = write!(text, "\n{}\n{}", table.to_markdown(), EXPLANATION);
    for n in 1.. {
        let path = folder.join(format!("{date}-{n}.md"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => return file.write_all(text.as_bytes()).map(|()| path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    unreachable!("there is always a next number")
}

/// What the columns mean; under the table in the record.
pub(crate) const EXPLANATION: &str = "\
Floor and subject run in turn, in two pinned processes each; figures are medians over the repetitions, the spread is the
least and the greatest ratio (or figure, where there is no floor). Within a run the slowest tenth of the blocks is the host's
and left out. Percentiles are of single rounds in nanoseconds, the clock's 20 to 40 ns included; above p99 they belong to the
machine. `apart` is a short two-line round trip taken between the runs: how far apart the
host had put the two cores; a pair of runs in which it moved them is run again. A verdict with `?` is one that not all repetitions share.
";

fn dash() -> String {
    "-".to_owned()
}

fn spread(spread: Spread) -> String {
    format!("{}..{}", figure(spread.min), figure(spread.max))
}

/// Three digits that count.
fn figure(value: f64) -> String {
    match value.abs() {
        v if v >= 99.95 => thousands(value.round() as i64),
        v if v >= 9.995 => format!("{value:.1}"),
        v if v >= 0.9995 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn thousands(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::from(if value < 0 { "-" } else { "" });
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn target(target: Target) -> String {
    match target {
        Target::AtMost(limit) => format!("<= {limit}"),
        Target::AtLeast(limit) => format!(">= {limit}"),
        Target::Open => dash(),
    }
}

fn verdict(outcome: &Outcome) -> String {
    let word = match outcome.verdict() {
        Verdict::Met => "met",
        Verdict::Missed => "MISSED",
        Verdict::None => return dash(),
    };
    if outcome.is_close() { format!("{word} ?") } else { word.to_owned() }
}

fn percentiles(histogram: Option<&Histogram<u64>>) -> String {
    let Some(histogram) = histogram else { return dash() };
    let at = |quantile| thousands(histogram.value_at_quantile(quantile) as i64);
    format!("{}/{}/{}", at(0.5), at(0.99), at(0.999))
}

#[cfg(test)]
mod tests {
    use super::{Table, figure};

    #[test]
    fn three_digits() {
        let shown = [0.0123, 1.0, 12.34, 99.96, 1264.2, 1_240_000.0].map(figure);
        assert_eq!(shown, ["0.012", "1.00", "12.3", "100", "1,264", "1,240,000"]);
    }

    #[test]
    fn columns_align() {
        let cells = [["row", "ns"], ["round trip", "283"]].map(|row| row.map(String::from).to_vec());
        assert_eq!(Table(cells.to_vec()).to_text(), "row          ns\n---------------\nround trip  283\n");
    }
}
