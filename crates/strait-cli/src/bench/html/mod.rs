//! The page: what the tables say, with charts; one file that needs nothing else, light, dark and on paper.

mod chart;

use crate::bench::document::Document;
use crate::bench::job::{Measure, Waiting};
use crate::bench::row::Row;
use crate::bench::table::{self, Sheet};
use chart::{Axis, Line, Side, decades, svg};
use std::fmt::Write as _;

const STYLE: &str = include_str!("style.css");
/// Percentiles further out are of too few rounds.
const QUANTILE_MAX: f64 = 0.9999;
/// Points of a percentile curve.
const POINTS: u32 = 160;

/// The whole page. Every element is closed, so that it is XML as well.
pub(super) fn page(document: &Document) -> String {
    let mut page = String::new();
    // Writing to a string does not fail, here and below.
    let _ = writeln!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width, \
         initial-scale=1\"/>\n<title>strait bench</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>How two processes of this machine \
         exchange messages</h1>\n<p class=\"facts\">{}</p>",
        escaped(&table::facts(document))
    );
    for warning in &document.noise.warnings {
        let _ = writeln!(page, "<p class=\"warning\">{}</p>", escaped(warning));
    }
    let _ = writeln!(page, "<p class=\"advice\">{}</p>", escaped(&document.advice));
    for waiting in [Waiting::Spin, Waiting::Sleep] {
        let how = how(waiting);
        section(&mut page, &format!("Round trips, waiting {how}: how many take how long"), latency(document, waiting));
    }
    for waiting in [Waiting::Spin, Waiting::Sleep] {
        section(
            &mut page,
            &format!("Streams, waiting {}: bytes a second by size of message", how(waiting)),
            throughput(document, waiting),
        );
    }
    for sheet in table::sheets(document, usize::MAX) {
        section(&mut page, &sheet.title, Some(html_table(&sheet)));
    }
    let notes = document.notes();
    if !notes.is_empty() {
        let items: Vec<String> = notes.iter().map(|note| format!("<li>{}</li>", escaped(note))).collect();
        section(&mut page, "Notes", Some(format!("<ul class=\"notes\">{}</ul>", items.join("\n"))));
    }
    page.push_str("</body>\n</html>\n");
    page
}

fn how(waiting: Waiting) -> &'static str {
    match waiting {
        Waiting::Spin => "awake",
        Waiting::Sleep => "asleep",
    }
}

fn section(page: &mut String, title: &str, content: Option<String>) {
    if let Some(content) = content {
        let _ = writeln!(page, "<section>\n<h2>{}</h2>\n{content}</section>", escaped(title));
    }
}

fn html_table(sheet: &Sheet) -> String {
    let cells = |tag: &str, cells: &[String]| {
        cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell))).collect::<String>()
    };
    let mut html =
        format!("<div class=\"scroll\"><table>\n<thead><tr>{}</tr></thead>\n<tbody>\n", cells("th", &sheet.head));
    for (row, is_own) in &sheet.rows {
        let class = if *is_own { " class=\"own\"" } else { "" };
        let _ = writeln!(html, "<tr{class}>{}</tr>", cells("td", row));
    }
    html.push_str("</tbody></table></div>\n");
    html
}

/// Far from its neighbours in the list, which are often its neighbours in the chart.
fn hue(document: &Document, row: &Row) -> f64 {
    let mut names: Vec<&str> = Vec::new();
    for row in &document.rows {
        if !names.contains(&row.mechanism) {
            names.push(row.mechanism);
        }
    }
    let place = names.iter().position(|name| *name == row.mechanism).unwrap_or(0);
    (place as f64 * 137.5) % 360.0
}

/// Percentile curves: across, how many nines; up, nanoseconds; both logarithmic.
fn latency(document: &Document, waiting: Waiting) -> Option<String> {
    let size = document.sizes(Measure::RoundTrip).first().copied()?;
    let mut lines = Vec::new();
    for row in document.rows.iter().filter(|it| it.measure == Measure::RoundTrip && it.waiting == waiting) {
        let Some(latency) =
            row.latency.as_ref().filter(|_| row.message_bytes == size || row.subject.bytes_max().is_some())
        else {
            continue;
        };
        // No further than one round in the rest.
        let nines_max = (latency.len() as f64).log10().min(-(1.0 - QUANTILE_MAX).log10());
        let points = (0..=POINTS).map(|n| nines_max * f64::from(n) / f64::from(POINTS)).map(|nines| {
            let value = latency.value_at_quantile(1.0 - 10f64.powf(-nines));
            (nines, (value.max(1) as f64).log10())
        });
        lines.push(Line {
            name: row.mechanism.to_owned(),
            hue: hue(document, row),
            is_bold: row.subject.is_ours(),
            points: points.collect(),
        });
    }
    let values = || lines.iter().flat_map(|line| &line.points).map(|(_, value)| 10f64.powf(*value));
    let (least, greatest) = (values().reduce(f64::min)?, values().reduce(f64::max)?);
    let (from, to, marks) = decades(least, greatest, time_word);
    let y = Axis { title: "round trip".to_owned(), from, to, marks };
    let nines = |text: &str, quantile: f64| (-(1.0 - quantile).log10(), text.to_owned());
    let marks = vec![
        nines("fastest", 0.0),
        nines("50 %", 0.5),
        nines("90 %", 0.9),
        nines("99 %", 0.99),
        nines("99.9 %", 0.999),
        nines("99.99 %", QUANTILE_MAX),
    ];
    let x = Axis { title: "percentile".to_owned(), from: 0.0, to: 4.0, marks };
    Some(svg(&format!("percentiles of round trips, waiting {}", how(waiting)), &x, &y, &lines, Side::Left))
}

/// Bytes a second by size; both logarithmic.
fn throughput(document: &Document, waiting: Waiting) -> Option<String> {
    let sizes = document.sizes(Measure::Stream);
    let (&first, &last) = (sizes.first()?, sizes.last()?);
    let mut lines: Vec<Line> = Vec::new();
    for row in document.rows.iter().filter(|it| it.measure == Measure::Stream && it.waiting == waiting) {
        let Some(rate) = row.bytes_per_second.filter(|&rate| rate > 0.0 && row.message_bytes >= first) else {
            continue;
        };
        let point = ((row.message_bytes as f64).log2(), rate.log10());
        match lines.iter_mut().find(|line| line.name == row.mechanism) {
            Some(line) => line.points.push(point),
            None => lines.push(Line {
                name: row.mechanism.to_owned(),
                hue: hue(document, row),
                is_bold: row.subject.is_ours(),
                points: vec![point],
            }),
        }
    }
    for line in &mut lines {
        line.points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    let values = || lines.iter().flat_map(|line| &line.points).map(|(_, value)| 10f64.powf(*value));
    let (least, greatest) = (values().reduce(f64::min)?, values().reduce(f64::max)?);
    let (from, to, marks) = decades(least, greatest, rate_word);
    let y = Axis { title: "bytes a second".to_owned(), from, to, marks };
    let marks = sizes.iter().map(|&size| ((size as f64).log2(), table::bytes(size))).collect();
    let x =
        Axis { title: "size of a message".to_owned(), from: (first as f64).log2(), to: (last as f64).log2(), marks };
    Some(svg(&format!("bytes a second by size of message, waiting {}", how(waiting)), &x, &y, &lines, Side::Right))
}

fn time_word(nanoseconds: f64) -> String {
    match nanoseconds {
        it if it >= 0.5e9 => format!("{:.0} s", it / 1e9),
        it if it >= 0.5e6 => format!("{:.0} ms", it / 1e6),
        it if it >= 0.5e3 => format!("{:.0} us", it / 1e3),
        it => format!("{it:.0} ns"),
    }
}

fn rate_word(rate: f64) -> String {
    match rate {
        it if it >= 1e9 => format!("{:.0} GB/s", it / 1e9),
        it if it >= 1e6 => format!("{:.0} MB/s", it / 1e6),
        it if it >= 1e3 => format!("{:.0} KB/s", it / 1e3),
        it => format!("{it:.0} B/s"),
    }
}

/// As text, whatever a kernel or a maker of machines calls itself.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
