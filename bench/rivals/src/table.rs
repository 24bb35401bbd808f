//! Results as tables, and the document that holds them.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use crate::job::Shape;
use crate::rows::{Column, Section};
use crate::run::{Sample, Trouble};
use crate::seam::{Camp, Entrant};
use crate::stats::Spread;

/// What an entrant came to in a column.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    /// It has no such workload.
    Cannot(&'static str),
    Trouble(Trouble),
    Samples(Vec<Sample>),
}

/// A section with its results: a row of cells for each entrant.
pub(crate) struct Results<'a> {
    pub(crate) section: &'a Section,
    pub(crate) rows: Vec<(&'a Entrant, Vec<Cell>)>,
}

impl Results<'_> {
    pub(crate) fn to_markdown(&self) -> String {
        let mut notes = Vec::new();
        let mut text = match self.section.columns[0].job.shape {
            Shape::SetUp => self.set_up(&mut notes),
            Shape::KillSender => self.kill(&mut notes),
            _ => self.figures(&mut notes),
        };
        for (number, note) in notes.iter().enumerate() {
            let _ = write!(text, "{}[{}] {note}", if number == 0 { "\n" } else { "  \n" }, number + 1);
        }
        if !notes.is_empty() {
            text.push('\n');
        }
        text
    }

    fn figures(&self, notes: &mut Vec<String>) -> String {
        let columns = &self.section.columns;
        let mut text = head("", columns.iter().map(|column| column.title.as_str()));
        for (entrant, cells) in self.shown() {
            let cells = cells.iter().zip(columns).map(|(cell, column)| {
                tell(cell, notes, |samples| {
                    let unit = column.unit;
                    spread(Spread::of(samples.iter().map(|sample| unit.of(sample.ns, column.job.bytes))))
                })
            });
            row(&mut text, entrant, cells.collect());
        }
        if columns.iter().all(|column| column.job.shape == Shape::RoundTrip || column.job.shape == Shape::Many) {
            let titles = columns.iter().map(|column| column.title.as_str());
            let _ = write!(text, "\nSingle rounds, p50 / p99 / p99.9, microseconds:\n\n{}", head("", titles));
            for (entrant, cells) in self.shown() {
                row(&mut text, entrant, cells.iter().map(|cell| tell(cell, &mut Vec::new(), percentiles)).collect());
            }
        }
        text
    }

    fn set_up(&self, notes: &mut Vec<String>) -> String {
        let titles = ["us", "p99", "descriptors", "files", "shared KiB", "private KiB"];
        let mut text = head("", titles);
        for (entrant, cells) in self.shown() {
            let cells = match &cells[0] {
                Cell::Samples(samples) => {
                    let middle = |figure: &dyn Fn(&Sample) -> f64| Spread::of(samples.iter().map(figure)).median;
                    let more = |n: usize| middle(&|sample| sample.more.get(n).copied().unwrap_or(0.0));
                    vec![
                        spread(Spread::of(samples.iter().map(|sample| sample.ns / 1e3))),
                        figure(middle(&|sample| sample.percentiles[1] as f64 / 1e3)),
                        format!("{} + {}", more(0), more(4)),
                        // Both sides see files; memory without a name is counted where it is open, once.
                        format!("{}", more(2).max(more(6))),
                        format!("{}", more(3).max(more(7))),
                        format!("{} + {}", more(1), more(5)),
                    ]
                }
                cell => {
                    let mut cells = vec![tell(cell, notes, |_| String::new())];
                    cells.resize(titles.len(), String::from("-"));
                    cells
                }
            };
            row(&mut text, entrant, cells);
        }
        text
    }

    fn kill(&self, notes: &mut Vec<String>) -> String {
        let titles = [
            "sender killed: goes on after us",
            "learned after us",
            "lost",
            "files left",
            "receiver killed: goes on after us",
            "learned after us",
            "lost",
            "files left",
        ];
        let mut text = head("", titles);
        for (entrant, cells) in self.shown() {
            let cells = cells.iter().flat_map(|cell| match cell {
                Cell::Samples(samples) => {
                    let more = |n: usize| {
                        let all = Spread::of(samples.iter().map(|sample| sample.more.get(n).copied().unwrap_or(0.0)));
                        if all.min == all.max { format!("{}", all.median) } else { format!("{}..{}", all.min, all.max) }
                    };
                    let noticed = Spread::of(samples.iter().map(|sample| sample.more[0]));
                    vec![
                        spread(Spread::of(samples.iter().map(|sample| sample.ns / 1e3))),
                        if noticed.max == 0.0 { String::from("need not") } else { spread(noticed) },
                        more(1),
                        more(2),
                    ]
                }
                cell => {
                    let mut cells = vec![tell(cell, notes, |_| String::new())];
                    cells.resize(4, String::from("-"));
                    cells
                }
            });
            row(&mut text, entrant, cells.collect());
        }
        text
    }

    /// Entrants that have something to say about this section.
    fn shown(&self) -> impl Iterator<Item = &(&Entrant, Vec<Cell>)> {
        self.rows.iter().filter(|(_, cells)| cells.iter().any(|cell| !matches!(cell, Cell::Cannot(_))))
    }
}

fn head<'a>(first: &str, titles: impl IntoIterator<Item = &'a str>) -> String {
    let titles: Vec<_> = titles.into_iter().collect();
    format!("| {first} | {} |\n|---|{}\n", titles.join(" | "), "---:|".repeat(titles.len()))
}

fn row(text: &mut String, entrant: &Entrant, cells: Vec<String>) {
    let name = match entrant.camp {
        Camp::Limit => format!("*{}*", entrant.name),
        Camp::Ours => format!("**{}**", entrant.name),
        Camp::Rival | Camp::Kernel => entrant.name.to_owned(),
        Camp::InProcess => format!("{} (threads)", entrant.name),
    };
    let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
}

fn tell(cell: &Cell, notes: &mut Vec<String>, figure: impl Fn(&[Sample]) -> String) -> String {
    let (word, why) = match cell {
        Cell::Samples(samples) => return figure(samples),
        Cell::Cannot(why) => return (*why).to_owned(),
        Cell::Trouble(Trouble::Hung) => return String::from("HANGS"),
        Cell::Trouble(Trouble::Wrong(why)) => ("LOSES", why),
        Cell::Trouble(Trouble::Failed(why)) => ("FAILS", why),
    };
    let number = notes.iter().position(|note| note == why).unwrap_or_else(|| {
        notes.push(why.clone());
        notes.len() - 1
    });
    format!("{word} [{}]", number + 1)
}

fn spread(spread: Spread) -> String {
    format!("{} ({}..{})", figure(spread.median), figure(spread.min), figure(spread.max))
}

fn percentiles(samples: &[Sample]) -> String {
    let at = |n: usize| figure(Spread::of(samples.iter().map(|sample| sample.percentiles[n] as f64 / 1e3)).median);
    format!("{} / {} / {}", at(0), at(1), at(2))
}

/// Three digits that count.
pub(crate) fn figure(value: f64) -> String {
    match value.abs() {
        v if v >= 99.95 => format!("{value:.0}"),
        v if v >= 9.995 => format!("{value:.1}"),
        v if v >= 0.9995 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// One line for the screen while a column is being measured.
pub(crate) fn line(entrant: &Entrant, column: &Column, cell: &Cell) -> String {
    let told = tell(cell, &mut Vec::new(), |samples| {
        let unit = column.unit;
        let mut text = spread(Spread::of(samples.iter().map(|sample| unit.of(sample.ns, column.job.bytes))));
        if samples[0].percentiles[0] > 0 {
            let _ = write!(text, "   {}", percentiles(samples));
        }
        if !samples[0].more.is_empty() {
            let _ = write!(text, "   {:?}", samples[0].more);
        }
        text
    });
    let why = match cell {
        Cell::Trouble(Trouble::Failed(why) | Trouble::Wrong(why)) => why.as_str(),
        _ => "",
    };
    format!("  {:<24} {told} {why}", entrant.name)
}

/// Puts a section's table in its place in the document; the rest of the document stays.
pub(crate) fn write(path: &Path, section: &Section, body: &str) -> io::Result<()> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::from(PREFACE),
        Err(error) => return Err(error),
    };
    // What is said before the tables may have changed since.
    let text = text.find("<!-- rivals: ").map_or(text.clone(), |at| format!("{PREFACE}\n{}", &text[at..]));
    let (begin, end) = (format!("<!-- rivals: {} -->\n", section.name), format!("<!-- end: {} -->\n", section.name));
    let body = format!("{begin}## {}\n\n{}\n\n{body}{end}", section.title, section.text);
    let text = match (text.find(&begin), text.find(&end)) {
        (Some(from), Some(to)) => format!("{}{body}{}", &text[..from], &text[to + end.len()..]),
        _ => format!("{}\n{body}", text),
    };
    fs::write(path, text)
}

/// The document before its tables.
const PREFACE: &str = include_str!("preface.txt");

#[cfg(test)]
mod tests {
    use super::*;

    /// A section that is measured again takes the place of what was there, and what is said before the sections is as it is said now.
    #[test]
    fn section_is_replaced() {
        let path = std::env::temp_dir().join(format!("rivals-table-{}", std::process::id()));
        let section = |name| Section { name, title: "T", text: "text", columns: Vec::new() };
        fs::write(&path, "head\n").unwrap();
        write(&path, &section("a"), "1\n").unwrap();
        write(&path, &section("b"), "2\n").unwrap();
        write(&path, &section("a"), "3\n").unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(text.starts_with(PREFACE) && !text.contains("head\n"));
        assert!(text.contains("3\n") && text.contains("2\n") && !text.contains("1\n"));
    }
}
