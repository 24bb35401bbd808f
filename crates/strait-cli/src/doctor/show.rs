//! Findings for people and for programs.

use super::finding::{Finding, State};
use crate::screen::{self, Paint};
use crate::text::{safe, wrapped};
use serde::Serialize;

const WIDTH: usize = 80;
const WIDTH_MIN: usize = 40;
const WIDTH_MAX: usize = 110;
/// `warn  /dev/shm: `, under which the rest stands.
const INDENT: usize = 6;

/// How wide lines may be.
pub(super) fn width() -> usize {
    screen::width().unwrap_or(WIDTH).clamp(WIDTH_MIN, WIDTH_MAX)
}

/// One paragraph for each finding, by groups, and what it comes to.
pub(super) fn text(findings: &[Finding], width: usize, paint: Paint) -> String {
    let mut text = String::new();
    let mut group = "";
    for finding in findings {
        if finding.group != group {
            group = finding.group;
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&paint.bold(group));
            text.push('\n');
        }
        let first = format!("{}: {}", finding.what, finding.found);
        for (index, line) in wrapped(&safe(&first), width - INDENT).iter().enumerate() {
            let mark = if index == 0 { mark(finding.state, paint) } else { "    ".into() };
            text.push_str(&format!("{mark}  {line}\n"));
        }
        for line in finding.means.iter().flat_map(|it| wrapped(&safe(it), width - INDENT)) {
            text.push_str(&format!("      {line}\n"));
        }
        for (index, mend) in finding.mend.iter().enumerate() {
            let word = if index == 0 { "mend:" } else { "or:" };
            let mend = safe(mend);
            // Not broken, to be copied: where it is too long for this line it has one of its own.
            let is_long = mend.chars().count() + INDENT + 6 > width;
            text.push_str(&if is_long {
                format!("      {}\n    {mend}\n", paint.bold(word))
            } else {
                format!("      {} {mend}\n", paint.bold(&format!("{word:5}")))
            });
        }
    }
    let count = |state| findings.iter().filter(|it| it.state == state).count();
    let (bad, warn, note, ok) = (count(State::Bad), count(State::Warn), count(State::Note), count(State::Ok));
    text.push_str(&format!("\n{bad} bad, {warn} to be warned of, {note} to know, {ok} as it should be\n"));
    text
}

#[derive(Serialize)]
struct Document<'a> {
    is_good: bool,
    findings: &'a [Finding],
}

/// The same as one object.
pub(super) fn json(findings: &[Finding]) -> String {
    let document = Document { is_good: findings.iter().all(|it| it.state != State::Bad), findings };
    // Strings and numbers can always be written.
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}

fn mark(state: State, paint: Paint) -> String {
    match state {
        State::Ok => paint.good("ok  "),
        State::Note => paint.faint("note"),
        State::Warn => paint.warning("warn"),
        State::Bad => paint.bad("bad "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines fit, nothing of a text is lost, and commands to be copied are on one line.
    #[test]
    fn text_is_wrapped() {
        let long = "word ".repeat(60);
        let finding = Finding::new("group", "/dev/shm", State::Bad, long.trim())
            .means(long.trim())
            .mend(format!("command {}", "x".repeat(90)));
        let text = text(&[finding], 80, Paint::none());
        assert_eq!(text.matches("word").count(), 120);
        let widest = text.lines().filter(|it| !it.contains("    command")).map(|it| it.chars().count()).max();
        assert!(widest.is_some_and(|it| it <= 80), "{text}");
        assert_eq!(text.lines().filter(|it| it.starts_with("    command")).count(), 1);
        assert!(text.ends_with("1 bad, 0 to be warned of, 0 to know, 0 as it should be\n"));
    }

    /// A program finds the states by their words.
    #[test]
    fn json_is_one_object() {
        let findings = [Finding::new("a", "b", State::Warn, "c\u{1b}[31m"), Finding::new("a", "d", State::Ok, "e")];
        let read: serde_json::Value = serde_json::from_str(&json(&findings)).expect("JSON");
        assert_eq!((&read["is_good"], &read["findings"][0]["state"]), (&true.into(), &"warn".into()));
        assert_eq!(read["findings"].as_array().map(Vec::len), Some(2));
    }
}
