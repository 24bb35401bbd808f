//! What a person reads: three tables, what disturbed, what did not fit, and the advice; as wide as the terminal.

use crate::bench::document::Document;
use crate::bench::job::{Measure, Waiting};
use crate::bench::row::{Row, Status};
use crate::figures::grouped;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use rustix::termios::tcgetwinsize;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};

/// Where no terminal says how wide it is.
const WIDTH: usize = 100;
/// From here on there is room for the tail of the distribution, too.
const WIDE: usize = 120;

const WAITINGS: [Waiting; 2] = [Waiting::Spin, Waiting::Sleep];

/// Colours, where they are wanted: a terminal, and no `NO_COLOR`.
#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn on_output() -> Self {
        let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self(io::stdout().is_terminal() && !is_unwanted)
    }

    fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    fn own(self, text: &str) -> String {
        self.with("36", text)
    }

    fn warning(self, text: &str) -> String {
        self.with("33", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn width() -> usize {
    let columns = tcgetwinsize(io::stdout()).map_or(0, |size| usize::from(size.ws_col));
    if columns == 0 { WIDTH } else { columns.max(40) }
}

/// A table before it is drawn: the head, and rows, each with whether it is one of strait's own.
pub(super) struct Sheet {
    pub(super) title: String,
    pub(super) head: Vec<String>,
    pub(super) rows: Vec<(Vec<String>, bool)>,
}

impl Sheet {
    fn new(title: String, head: Vec<String>) -> Self {
        Self { title, head, rows: Vec::new() }
    }

    fn drawn(&self, paint: Paint) -> String {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(&self.head).add_rows(self.rows.iter().map(|(row, _)| row));
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
            column.set_cell_alignment(if column.index == 0 { CellAlignment::Left } else { CellAlignment::Right });
        }
        let mut text = String::new();
        // The head is the first line, and no row has more than one.
        let is_own = std::iter::once(false).chain(self.rows.iter().map(|(_, is_own)| *is_own));
        for (line, is_own) in table.lines().zip(is_own) {
            let line = line.trim_end();
            text += &if is_own { paint.own(line) } else { line.to_owned() };
            text.push('\n');
        }
        text
    }
}

/// All tables that have something to show; a width that is not enough leaves columns out.
pub(super) fn sheets(document: &Document, width: usize) -> Vec<Sheet> {
    let all = [
        round_trips(document, width),
        streams(document, Waiting::Spin),
        streams(document, Waiting::Sleep),
        costs(document),
    ];
    all.into_iter().filter(|sheet| !sheet.rows.is_empty()).collect()
}

/// All of it.
pub(super) fn text(document: &Document) -> String {
    let (paint, width) = (Paint::on_output(), width());
    let mut text = String::new();
    // Writing to a string does not fail, here and below.
    for sheet in sheets(document, width) {
        let title = wrapped(&sheet.title, width);
        let _ = writeln!(text, "{}\n{}", paint.bold(&title), sheet.drawn(paint));
    }
    for note in document.notes() {
        let _ = writeln!(text, "{}", wrapped(&note, width));
    }
    for warning in &document.noise.warnings {
        let _ = writeln!(text, "{}", paint.warning(&wrapped(&format!("warning: {warning}"), width)));
    }
    let _ = writeln!(text, "{}\n\n{}", wrapped(&facts(document), width), wrapped(&document.advice, width));
    text
}

/// The machine, and how it was measured.
pub(super) fn facts(document: &Document) -> String {
    let (machine, settings, noise) = (&document.machine, &document.settings, &document.noise);
    let where_ = match settings.here_cpu == settings.there_cpu {
        true => format!("both processes on processor {}", settings.here_cpu),
        false => format!("one process on processor {}, the other on {}", settings.here_cpu, settings.there_cpu),
    };
    format!(
        "{}, {} processors, Linux {}, {}, clock {} ({:.0} ns a reading, one in each round trip); {where_}; load {}; stolen {:.1} %, others \
         {:.1} %. {} repetitions of {} ms took {:.1} s{}. strait {}, {} build.",
        machine.processor,
        machine.processors,
        machine.kernel,
        match machine.virtualization.as_str() {
            "none seen" => "no virtual machine seen",
            other => other,
        },
        machine.clock_source,
        machine.clock_read_ns,
        machine.load_average,
        noise.stolen_percent,
        noise.others_percent,
        settings.repetitions,
        settings.duration_ms,
        settings.took_seconds,
        if settings.is_partial { ", ended before all was measured" } else { "" },
        machine.strait_version,
        machine.build,
    )
}

/// The mechanisms that have such rows, in order.
fn mechanisms(document: &Document, measure: Measure) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = Vec::new();
    for row in document.rows.iter().filter(|row| row.measure == measure) {
        if !names.contains(&row.mechanism) {
            names.push(row.mechanism);
        }
    }
    names
}

fn round_trip_title(document: &Document) -> String {
    let sizes: Vec<_> = document.sizes(Measure::RoundTrip).into_iter().map(bytes).collect();
    format!("Round trip of {}: from a question to its answer", sizes.join(", "))
}

fn round_trips(document: &Document, width: usize) -> Sheet {
    let mut head = vec![String::new()];
    let percentiles: &[&str] = if width >= WIDE { &["p50", "p90", "p99", "p99.9", "max"] } else { &["p50", "p99"] };
    let waitings: Vec<_> = WAITINGS.into_iter().filter(|&it| has(document, Measure::RoundTrip, it)).collect();
    for waiting in &waitings {
        head.extend(percentiles.iter().map(|it| format!("{} {it}", waiting.name())));
    }
    head.push("set-up".to_owned());
    let mut sheet = Sheet::new(round_trip_title(document), head);
    let several = document.sizes(Measure::RoundTrip).len() > 1;
    for name in mechanisms(document, Measure::RoundTrip) {
        let of_it: Vec<&Row> =
            document.rows.iter().filter(|it| it.mechanism == name && it.measure == Measure::RoundTrip).collect();
        let mut sizes: Vec<_> = of_it.iter().map(|it| it.message_bytes).collect();
        sizes.sort_unstable();
        sizes.dedup();
        for size in sizes {
            let is_small = of_it.iter().any(|it| it.subject.bytes_max() == Some(size));
            let label = if several || is_small { format!("{name} {}", bytes(size)) } else { name.to_owned() };
            let mut cells = vec![label];
            let mut setup = None;
            for &waiting in &waitings {
                let row = of_it.iter().find(|it| it.waiting == waiting && it.message_bytes == size);
                setup = setup.or(row.and_then(|row| row.setup_us));
                for percentile in percentiles {
                    cells.push(row.map_or_else(dash, |row| round_trip_cell(row, percentile)));
                }
            }
            cells.push(setup.map_or_else(dash, |us| time(us * 1e3)));
            sheet.rows.push((cells, of_it.iter().any(|it| it.subject.is_ours())));
        }
    }
    sheet
}

fn has(document: &Document, measure: Measure, waiting: Waiting) -> bool {
    document.rows.iter().any(|row| row.measure == measure && row.waiting == waiting)
}

fn round_trip_cell(row: &Row, percentile: &str) -> String {
    let Some(it) = &row.round_trip_ns else { return without_figure(row) };
    time(match percentile {
        "p50" => it.p50,
        "p90" => it.p90,
        "p99" => it.p99,
        "p99.9" => it.p99_9,
        _ => it.max,
    })
}

fn streams(document: &Document, waiting: Waiting) -> Sheet {
    let how = match waiting {
        Waiting::Spin => "awake (tried again and again)",
        Waiting::Sleep => "asleep (in the kernel)",
    };
    let title = format!("Stream, both sides waiting {how}: millions of messages, or GB, a second");
    let sizes = document.sizes(Measure::Stream);
    let mut head = vec![String::new()];
    head.extend(sizes.iter().copied().map(bytes));
    let mut sheet = Sheet::new(title, head);
    if !has(document, Measure::Stream, waiting) {
        return sheet;
    }
    for name in mechanisms(document, Measure::Stream) {
        let mut cells = vec![name.to_owned()];
        let mut is_own = false;
        for (n, &size) in sizes.iter().enumerate() {
            let row = document.row(name, Measure::Stream, waiting, size);
            // One that carries less is in the place of the smallest.
            let row = row.or_else(|| if n == 0 { small(document, name, waiting) } else { None });
            cells.push(row.map_or_else(dash, |row| stream_cell(row, size)));
            is_own |= row.is_some_and(|row| row.subject.is_ours());
        }
        sheet.rows.push((cells, is_own));
    }
    sheet
}

fn small<'a>(document: &'a Document, name: &str, waiting: Waiting) -> Option<&'a Row> {
    let mut rows = document.rows.iter().filter(|it| it.measure == Measure::Stream && it.waiting == waiting);
    rows.find(|it| it.mechanism == name && it.subject.bytes_max() == Some(it.message_bytes))
}

fn stream_cell(row: &Row, size: usize) -> String {
    let (Some(messages), Some(rate)) = (row.messages_per_second, row.bytes_per_second) else {
        return without_figure(row);
    };
    let lost = if row.lost_messages > 0 { "*" } else { "" };
    if row.message_bytes == size && size >= 4096 {
        format!("{lost}{} GB/s", digits(rate / 1e9))
    } else if row.message_bytes == size {
        format!("{lost}{} M/s", digits(messages / 1e6))
    } else {
        format!("{} M/s", digits(messages / 1e6))
    }
}

fn costs(document: &Document) -> Sheet {
    let waitings: Vec<_> = WAITINGS.into_iter().filter(|&it| has(document, Measure::RoundTrip, it)).collect();
    let mut head = vec![String::new()];
    for waiting in &waitings {
        let name = waiting.name();
        head.extend([format!("{name} here"), format!("{name} there"), "switches".to_owned()]);
    }
    let title = "Processor time of each process, and context switches of both, for each of a round trip's two messages";
    let mut sheet = Sheet::new(title.to_owned(), head);
    for name in mechanisms(document, Measure::RoundTrip) {
        let mut cells = vec![name.to_owned()];
        let (mut is_empty, mut is_own) = (true, false);
        for &waiting in &waitings {
            let mut rows = document.rows.iter();
            let row = rows.find(|it| it.mechanism == name && it.waiting == waiting && it.measure == Measure::RoundTrip);
            let cpu = row.and_then(|row| row.cpu_ns_per_message);
            is_empty &= cpu.is_none();
            is_own |= row.is_some_and(|row| row.subject.is_ours());
            cells.push(cpu.map_or_else(dash, |it| time(it.here)));
            cells.push(cpu.map_or_else(dash, |it| time(it.there)));
            cells.push(row.and_then(switches).map_or_else(dash, |it| format!("{it:.2}")));
        }
        if !is_empty {
            sheet.rows.push((cells, is_own));
        }
    }
    sheet
}

/// Of both sides, wanted or not, for each message.
fn switches(row: &Row) -> Option<f64> {
    let (wanted, not) = (row.voluntary_switches_per_message?, row.involuntary_switches_per_message?);
    Some(wanted.here + wanted.there + not.here + not.there)
}

fn without_figure(row: &Row) -> String {
    match (row.status, row.max_message_bytes) {
        (Status::TooLarge, Some(max)) => format!("max {}", bytes(max)),
        (Status::Refused, _) => "refused".to_owned(),
        (Status::Failed, _) => "failed".to_owned(),
        _ => dash(),
    }
}

fn dash() -> String {
    "-".to_owned()
}

/// Three digits that count.
pub(super) fn digits(value: f64) -> String {
    match value.abs() {
        it if it >= 99.95 => grouped(value.round() as u64),
        it if it >= 9.995 => format!("{value:.1}"),
        it if it >= 0.0995 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// In the unit that leaves something to see.
pub(super) fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        ns if ns >= 999.5e6 => format!("{} s", digits(ns / 1e9)),
        ns if ns >= 999.5e3 => format!("{} ms", digits(ns / 1e6)),
        ns if ns >= 999.5 => format!("{} us", digits(ns / 1e3)),
        ns => format!("{ns:.0} ns"),
    }
}

/// In the largest unit that leaves no rest.
pub(super) fn bytes(bytes: usize) -> String {
    match bytes {
        it if it >= 1 << 20 && it % (1 << 20) == 0 => format!("{} MiB", it >> 20),
        it if it >= 1 << 10 && it % (1 << 10) == 0 => format!("{} KiB", it >> 10),
        it => format!("{} B", grouped(it as u64)),
    }
}

fn wrapped(text: &str, width: usize) -> String {
    crate::text::wrapped(text, width).join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times and sizes are in the unit that leaves something to see.
    #[test]
    fn units() {
        assert_eq!(
            [283.4, 1870.0, 61_234.0, 1.5e6, 2.0e9].map(time),
            ["283 ns", "1.87 us", "61.2 us", "1.50 ms", "2.00 s"]
        );
        assert_eq!([64, 1024, 65_507, 1 << 20].map(bytes), ["64 B", "1 KiB", "65,507 B", "1 MiB"]);
        assert_eq!([0.0123, 0.5, 12.34, 1264.2].map(digits), ["0.012", "0.50", "12.3", "1,264"]);
    }

    /// No line is longer than the terminal is wide, and no word is lost.
    #[test]
    fn lines_fit() {
        let text = "one two three four five six seven eight nine ten";
        let broken = wrapped(text, 13);
        assert!(broken.lines().all(|line| line.len() <= 13));
        assert_eq!(broken.replace('\n', " "), text);
    }
}
