//! Looks as plain lines.

use super::order::Order;
use super::sample::{Row, Sampler};
use super::view::figure::{count, percent, rate};
use crate::exit::Exit;
use crate::say;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::Duration;

const TITLES: [&str; 11] = ["NAME", "KIND", "MSG/S", "B/S", "FILL", "LAG", "DROP/S", "SLEEP", "USERS", "DEAD", "CPU"];

/// Prints so many looks, each an interval after the one before.
pub(super) fn run(pattern: &str, interval: Duration, times: u64) -> Exit {
    let mut sampler = Sampler::new(pattern);
    let mut looked = sampler.look();
    for number in 0..times {
        if looked.is_ok() {
            std::thread::sleep(interval);
            looked = sampler.look();
        }
        let sample = match looked {
            Ok(sample) => sample,
            Err(error) => {
                say::line(format_args!("strait top: {error}"));
                return Exit::Refused;
            }
        };
        let rows = Order::default().of(&sample.rows).into_iter().map(cells).collect::<Vec<_>>();
        let text = lines(&rows, number > 0);
        match io::stdout().lock().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
            Ok(()) => {}
            // Whoever read it has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Exit::Done,
            Err(error) => {
                say::line(format_args!("strait top: write to standard output: {error}"));
                return Exit::Refused;
            }
        }
        looked = Ok(sample);
    }
    Exit::Done
}

/// One line for each, all of one width but for the last cell; an empty line before all but the first look.
fn lines(rows: &[[String; 11]], is_next: bool) -> String {
    let titles = TITLES.map(String::from);
    let wide = |column: usize| {
        let cells = rows.iter().chain([&titles]).map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: [usize; 11] = std::array::from_fn(wide);
    let mut text = String::from(if is_next { "\n" } else { "" });
    for row in [&titles].into_iter().chain(rows) {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            // Writing to a string does not fail.
            let _ = match column {
                0 | 1 => write!(line, "{cell:<width$}  ", width = widths[column]),
                _ => write!(line, "{cell:>width$}  ", width = widths[column]),
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Without spaces, so that each line has as many words as there are titles.
fn cells(row: &Row) -> [String; 11] {
    let name: String = row.name.chars().map(|it| if it.is_whitespace() { '?' } else { it }).collect();
    [
        name,
        row.kind.clone(),
        rate(row.messages),
        rate(row.bytes),
        percent(row.fill),
        count(row.lag),
        rate(row.drops),
        row.sleepers.to_string(),
        row.alive.to_string(),
        row.dead.to_string(),
        percent(row.cpu),
    ]
}
