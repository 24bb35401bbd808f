//! `cargo xtask figures FILE`: the figures that `strait bench --json > FILE` measured, into the guide.
//!
//! | where in `docs/guide/` | what is put there |
//! |---|---|
//! | the line between `<!-- figures: NAME -->` and `<!-- /figures -->` | a sentence of that mechanism's figures |
//! | the same, of the name `machine` | what they were measured on |
//! | the last four cells of a row `\| [NAME](...` under the heads in [`HEADS`] | round trip asleep and spinning, stream in small and in large pieces |
//!
//! 1. What was not measured leaves its place empty; nothing that is there already is kept, so that all figures are of one run.
//! 2. A round trip is of 64 bytes, or of the most below that the mechanism carries. Of streams the better of the two ways of waiting counts.

use std::fs;

use serde_json::Value;

use crate::{Failure, Outcome, cargo};

/// The schema of `strait bench --json` that is understood.
const SCHEMA_VERSION: u64 = 1;
/// The last heads of the table that has figures.
const HEADS: &str = "| asleep | spinning | stream 64 B | stream 64 KiB |";
const SMALL_BYTES: u64 = 64;
const LARGE_BYTES: u64 = 64 << 10;

pub(crate) fn run(args: &[String]) -> Outcome {
    let [file] = args else {
        return Err(Failure::Usage(String::from("`figures` takes one file, written by `strait bench --json`")));
    };
    let text = fs::read_to_string(file).map_err(|e| Failure::Failed(format!("read '{file}': {e}")))?;
    let run = Run::of(&text).map_err(|why| Failure::Failed(format!("read '{file}': {why}")))?;
    let folder = cargo::root().join("docs/guide");
    let trouble = |e: std::io::Error| Failure::Failed(format!("write the figures into '{}': {e}", folder.display()));
    for entry in fs::read_dir(&folder).map_err(trouble)? {
        let path = entry.map_err(trouble)?.path();
        if path.extension().is_none_or(|it| it != "md") {
            continue;
        }
        let old = fs::read_to_string(&path).map_err(trouble)?;
        let new = filled(&old, &run);
        if new != old {
            fs::write(&path, new).map_err(trouble)?;
            println!("{}", path.display());
        }
    }
    Ok(())
}

/// A run of the bench, as its document has it.
struct Run(Value);

impl Run {
    fn of(text: &str) -> Result<Self, String> {
        let document: Value = serde_json::from_str(text).map_err(|e| format!("it is no JSON: {e}"))?;
        match document["schema_version"].as_u64() {
            Some(SCHEMA_VERSION) => {}
            Some(other) => return Err(format!("its schema is {other}, and {SCHEMA_VERSION} is understood")),
            None => return Err(String::from("it has no schema_version, so it is not of `strait bench --json`")),
        }
        if document["machine"]["build"] == "debug" {
            return Err(String::from("it was measured with a debug build; measure with a release build"));
        }
        Ok(Self(document))
    }

    /// The rows of a mechanism and a measure that have figures.
    fn rows(&self, mechanism: &str, measure: &str) -> Vec<&Value> {
        let rows = self.0["rows"].as_array().map_or(&[][..], Vec::as_slice);
        let is_it = |row: &&Value| {
            row["mechanism"] == mechanism
                && row["measure"] == measure
                && row["status"].as_str().unwrap_or("measured") == "measured"
        };
        rows.iter().filter(is_it).collect()
    }

    /// The round trip of 64 bytes, or of the most below (rule 2).
    fn round_trip(&self, mechanism: &str, waiting: &str) -> Option<Trip> {
        let rows = self.rows(mechanism, "round_trip").into_iter().filter(|row| row["waiting"] == waiting);
        let trips = rows.filter_map(|row| {
            let (bytes, time) = (row["message_bytes"].as_u64()?, &row["round_trip_ns"]);
            Some(Trip { bytes, p50: time["p50"].as_f64()?, p99: time["p99"].as_f64()? })
        });
        trips.filter(|trip| trip.bytes <= SMALL_BYTES).max_by_key(|trip| trip.bytes)
    }

    /// The better stream of this size (rule 2); `or_below`: or of the most below.
    fn stream(&self, mechanism: &str, bytes: u64, or_below: bool) -> Option<Stream> {
        let streams = self.rows(mechanism, "stream").into_iter().filter_map(|row| {
            let (bytes, messages) = (row["message_bytes"].as_u64()?, row["messages_per_second"].as_f64()?);
            let (lost, arrived) =
                (row["lost_messages"].as_f64().unwrap_or(0.0), row["messages"].as_f64().unwrap_or(0.0));
            let lost = if lost > 0.0 { lost / (lost + arrived) } else { 0.0 };
            Some(Stream { bytes, messages, bytes_per_second: messages * bytes as f64, lost })
        });
        let fits = |stream: &Stream| stream.bytes == bytes || or_below && stream.bytes < bytes;
        streams.filter(fits).max_by(|a, b| a.bytes.cmp(&b.bytes).then(a.messages.total_cmp(&b.messages)))
    }
}

/// Nanoseconds there and back.
struct Trip {
    bytes: u64,
    p50: f64,
    p99: f64,
}

struct Stream {
    bytes: u64,
    messages: f64,
    bytes_per_second: f64,
    /// Which part of what was sent.
    lost: f64,
}

/// A page with its figures.
fn filled(page: &str, run: &Run) -> String {
    let mut lines: Vec<String> = Vec::new();
    let (mut is_inside, mut is_table) = (false, false);
    for line in page.lines() {
        let name = line.strip_prefix("<!-- figures: ").and_then(|rest| rest.strip_suffix(" -->"));
        is_table = line.ends_with(HEADS) || is_table && line.starts_with('|');
        match name {
            Some(name) => {
                lines.push(line.to_owned());
                lines.push(if name == "machine" { machine(run) } else { sentence(name, run) });
                is_inside = true;
            }
            None if line == "<!-- /figures -->" => {
                lines.push(line.to_owned());
                is_inside = false;
            }
            None if is_inside => {}
            None if is_table => lines.push(row(line, run).unwrap_or_else(|| line.to_owned())),
            None => lines.push(line.to_owned()),
        }
    }
    lines.join("\n") + "\n"
}

/// `There and back, 64 bytes: 59 us asleep, 1.8 us spinning ...`; empty, where nothing was measured.
fn sentence(name: &str, run: &Run) -> String {
    let mut parts = Vec::new();
    let trips = ["sleep", "spin"].map(|waiting| run.round_trip(name, waiting));
    if let Some(bytes) = trips.iter().flatten().map(|trip| trip.bytes).next() {
        let words = [("asleep", &trips[0]), ("spinning", &trips[1])];
        let said = words.into_iter().filter_map(|(word, trip)| {
            trip.as_ref().map(|it| format!("{} {word} (p99 {})", time(it.p50), time(it.p99)))
        });
        parts.push(format!("There and back, {}: {}.", of_bytes(bytes), said.collect::<Vec<_>>().join(", ")));
    }
    let small = run.stream(name, SMALL_BYTES, true).map(|it| match it.bytes {
        0 => format!("{} events a second", rate(it.messages)),
        bytes => format!("{} messages a second of {}{}", rate(it.messages), of_bytes(bytes), lost(it.lost)),
    });
    let large = run.stream(name, LARGE_BYTES, false);
    let large = large.map(|it| format!("{} in pieces of 64 KiB{}", volume(it.bytes_per_second), lost(it.lost)));
    let streams: Vec<_> = small.into_iter().chain(large).collect();
    if !streams.is_empty() {
        parts.push(format!("One way: {}.", streams.join(", ")));
    }
    if !parts.is_empty() {
        parts.push(String::from("([Where](README.md#all-of-them).)"));
    }
    parts.join(" ")
}

/// What it was measured on; empty, where the document does not say.
fn machine(run: &Run) -> String {
    let (of, noise) = (&run.0["machine"], &run.0["noise"]);
    let text = |field: &str| of[field].as_str().unwrap_or("unknown");
    let Some(processors) = of["processors"].as_u64() else { return String::new() };
    let host =
        Some(text("virtualization")).filter(|it| *it != "none seen").map_or(String::new(), |it| format!(", {it}"));
    let stolen = noise["stolen_percent"].as_f64();
    let stolen = stolen.map_or(String::new(), |it| format!("; the host took {it:.1} % of the time"));
    let warnings = noise["warnings"].as_array().map_or(&[][..], Vec::as_slice);
    let warnings: String = warnings.iter().filter_map(Value::as_str).map(|it| format!(" *Careful: {it}.*")).collect();
    let (processor, kernel, version) = (text("processor"), text("kernel"), text("strait_version"));
    format!(
        "Measured on: {processor}, {processors} processors{host}, Linux {kernel}, strait {version}{stolen}.{warnings}"
    )
}

/// The row of a table with its last four cells filled in; None, where it is none of a mechanism.
fn row(line: &str, run: &Run) -> Option<String> {
    let name = line.strip_prefix("| [")?.split_once(']')?.0;
    let mut cells: Vec<&str> = line.strip_suffix('|')?.split('|').collect();
    cells.truncate(cells.len().checked_sub(4)?);
    let small = run.stream(name, SMALL_BYTES, true).map(|it| format!("{}/s", rate(it.messages)));
    let large = run.stream(name, LARGE_BYTES, false).map(|it| volume(it.bytes_per_second));
    let trip = |waiting| run.round_trip(name, waiting).map(|it| time(it.p50));
    let figures = [trip("sleep"), trip("spin"), small, large].map(Option::unwrap_or_default);
    Some(format!("{}| {} |", cells.join("|"), figures.join(" | ")))
}

/// `64 bytes`; what has none is an event.
fn of_bytes(bytes: u64) -> String {
    match bytes {
        0 => String::from("an event"),
        1 => String::from("1 byte"),
        _ => format!("{bytes} bytes"),
    }
}

fn lost(part: f64) -> String {
    if part > 0.0 { format!(" ({:.1} % of what was sent was lost)", part * 100.0) } else { String::new() }
}

fn time(ns: f64) -> String {
    scaled(ns, &[(1e9, "s"), (1e6, "ms"), (1e3, "us"), (1.0, "ns")])
}

fn rate(per_second: f64) -> String {
    scaled(per_second, &[(1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")])
}

fn volume(bytes_per_second: f64) -> String {
    scaled(bytes_per_second, &[(1e9, "GB/s"), (1e6, "MB/s"), (1e3, "kB/s"), (1.0, "B/s")])
}

/// Two digits where there is a point, and no point from 10 on: `1.8 us`, `59 us`.
fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    // What would be shown as 1,000 of a unit is 1.0 of the next.
    let unit = units.iter().find(|(size, _)| value >= 0.9995 * size).or(units.last());
    let Some((size, name)) = unit else { return String::new() };
    let value = value / size;
    let digits = usize::from(value < 9.95 && *size > 1.0);
    format!("{value:.digits$} {name}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r#"{"schema_version": 1,
        "machine": {"processor": "Chip", "processors": 2, "kernel": "6.18", "virtualization": "kvm", "strait_version": "0.1.0", "build": "release"},
        "noise": {"stolen_percent": 0.25, "warnings": ["others ran"]},
        "rows": [
        {"mechanism": "pipe", "measure": "round_trip", "waiting": "sleep", "message_bytes": 64, "status": "measured", "round_trip_ns": {"p50": 59300.0, "p99": 71000}},
        {"mechanism": "pipe", "measure": "round_trip", "waiting": "spin", "message_bytes": 64, "status": "measured", "round_trip_ns": {"p50": 1834.5, "p99": 2950}},
        {"mechanism": "pipe", "measure": "stream", "waiting": "sleep", "message_bytes": 64, "status": "measured", "messages": 9, "lost_messages": 0, "messages_per_second": 1.0e6, "bytes_per_second": 6.4e7},
        {"mechanism": "pipe", "measure": "stream", "waiting": "spin", "message_bytes": 64, "status": "measured", "messages": 9, "lost_messages": 0, "messages_per_second": 1.25e6, "bytes_per_second": 8e7},
        {"mechanism": "pipe", "measure": "stream", "waiting": "spin", "message_bytes": 65536, "status": "measured", "messages": 9, "lost_messages": 0, "messages_per_second": 56000, "bytes_per_second": 3.67e9},
        {"mechanism": "signal", "measure": "round_trip", "waiting": "sleep", "message_bytes": 7, "status": "measured", "round_trip_ns": {"p50": 62000, "p99": 80000}},
        {"mechanism": "signal", "measure": "stream", "waiting": "sleep", "message_bytes": 64, "status": "too_large", "messages_per_second": null},
        {"mechanism": "eventfd", "measure": "stream", "waiting": "sleep", "message_bytes": 0, "status": "measured", "messages_per_second": 1.4e6},
        {"mechanism": "udp", "measure": "stream", "waiting": "sleep", "message_bytes": 64, "status": "measured", "messages": 75, "lost_messages": 25, "messages_per_second": 999.7, "bytes_per_second": 6e4}
        ]}"#;

    fn run() -> Run {
        Run::of(DOCUMENT).expect("of the bench")
    }

    fn block(name: &str, line: &str) -> String {
        format!("# A\n\n<!-- figures: {name} -->\n{line}\n<!-- /figures -->\n\ntext\n")
    }

    /// A mechanism's line says what was measured, and is replaced as a whole.
    #[test]
    fn lines_are_filled() {
        let pipe = "There and back, 64 bytes: 59 us asleep (p99 71 us), 1.8 us spinning (p99 3.0 us). One way: 1.2 M messages a second of \
                    64 bytes, 3.7 GB/s in pieces of 64 KiB. ([Where](README.md#all-of-them).)";
        for old in ["", "old figures", "old\nfigures"] {
            assert_eq!(filled(&block("pipe", old), &run()), block("pipe", pipe));
        }
        let signal = "There and back, 7 bytes: 62 us asleep (p99 80 us). ([Where](README.md#all-of-them).)";
        assert_eq!(filled(&block("signal", ""), &run()), block("signal", signal));
        let eventfd = "One way: 1.4 M events a second. ([Where](README.md#all-of-them).)";
        assert_eq!(filled(&block("eventfd", ""), &run()), block("eventfd", eventfd));
        let udp = "One way: 1.0 k messages a second of 64 bytes (25.0 % of what was sent was lost). ([Where](README.md#all-of-them).)";
        assert_eq!(filled(&block("udp", ""), &run()), block("udp", udp));
        let machine = "Measured on: Chip, 2 processors, kvm, Linux 6.18, strait 0.1.0; the host took 0.2 % of the time. *Careful: others ran.*";
        assert_eq!(filled(&block("machine", ""), &run()), block("machine", machine));
    }

    /// What was not measured is empty, whatever was there.
    #[test]
    fn missing_rows_are_empty() {
        assert_eq!(filled(&block("spsc", "old"), &run()), block("spsc", ""));
        let none = Run::of(r#"{"schema_version": 1}"#).expect("a run of nothing");
        assert_eq!(filled(&block("pipe", "old"), &none), block("pipe", ""));
        assert_eq!(filled(&block("machine", "old"), &none), block("machine", ""));
    }

    /// The rows of the one table with these heads get their last four cells; all else stays.
    #[test]
    fn table_is_filled() {
        let page = "| a | b |\n|---|---|\n| [pipe](x) | y |\n\n| mechanism | copies | asleep | spinning | stream 64 B | stream 64 KiB |\n\
                    |---|---|---:|---:|---:|---:|\n| [pipe](pipe.md) | 2 |  |  |  |  |\n| [spsc](spsc.md) | 0 | 1 | 2 | 3 | 4 |\n| other | 2 | | | | |\n";
        let done = filled(page, &run());
        assert!(done.contains("\n| [pipe](pipe.md) | 2 | 59 us | 1.8 us | 1.2 M/s | 3.7 GB/s |\n"), "{done}");
        assert!(done.contains("\n| [spsc](spsc.md) | 0 |  |  |  |  |\n"), "{done}");
        assert!(done.contains("\n| [pipe](x) | y |\n") && done.contains("\n| other | 2 | | | | |\n"), "{done}");
        assert_eq!(filled(&done, &run()), done);
    }

    /// Other documents are refused, and so are figures of a debug build.
    #[test]
    fn other_documents_are_refused() {
        for bad in ["", "{}", r#"{"schema_version": 2}"#, r#"{"schema_version": 1, "machine": {"build": "debug"}}"#] {
            assert!(Run::of(bad).is_err(), "{bad}");
        }
    }

    /// Numbers are as short as they can be, and do not change their unit by rounding.
    #[test]
    fn numbers_are_short() {
        assert_eq!([time(211.4), time(999.7), time(9.94e3), time(59_300.0)], ["211 ns", "1.0 us", "9.9 us", "59 us"]);
        assert_eq!([rate(2.5e8), rate(850_000.0), rate(12.0)], ["250 M", "850 k", "12"]);
        assert_eq!(volume(18.6e9), "19 GB/s");
    }

    /// The guide's front table has the heads that are filled in.
    #[test]
    fn guide_has_the_heads() {
        let front = fs::read_to_string(cargo::root().join("docs/guide/README.md")).expect("the guide");
        assert!(front.lines().any(|line| line.ends_with(HEADS)));
    }
}
