//! All that a run came to, as `--json` writes it and the table and the page show it.

use crate::bench::job::{Measure, Waiting};
use crate::bench::machine::{Machine, Noise};
use crate::bench::row::{Row, Status};
use crate::bench::table::bytes;
use crate::exit::Exit;
use serde::Serialize;

/// Raised when a field is renamed or changes its meaning; new fields do not raise it.
const SCHEMA_VERSION: u32 = 1;

/// How it was measured.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Settings {
    /// The processor of the process that asks or sends.
    pub(super) here_cpu: usize,
    /// The processor of the other.
    pub(super) there_cpu: usize,
    pub(super) duration_ms: f64,
    pub(super) repetitions: usize,
    pub(super) took_seconds: f64,
    /// Whether it was ended before all was measured.
    pub(super) is_partial: bool,
}

/// The whole.
#[derive(Debug, Serialize)]
pub(super) struct Document {
    pub(super) schema_version: u32,
    pub(super) machine: Machine,
    pub(super) settings: Settings,
    pub(super) noise: Noise,
    pub(super) rows: Vec<Row>,
    pub(super) advice: String,
}

impl Document {
    pub(super) fn new(machine: Machine, settings: Settings, noise: Noise, rows: Vec<Row>) -> Self {
        let advice = crate::bench::advice::of(&rows);
        Self { schema_version: SCHEMA_VERSION, machine, settings, noise, rows, advice }
    }

    /// The row of one cell.
    pub(super) fn row(&self, mechanism: &str, measure: Measure, waiting: Waiting, bytes: usize) -> Option<&Row> {
        let wanted = (mechanism, measure, waiting, bytes);
        self.rows.iter().find(|it| (it.mechanism, it.measure, it.waiting, it.message_bytes) == wanted)
    }

    /// The sizes that were asked for, in order.
    pub(super) fn sizes(&self, measure: Measure) -> Vec<usize> {
        let of_measure = self.rows.iter().filter(|it| it.measure == measure && it.subject.bytes_max().is_none());
        let mut sizes: Vec<_> = of_measure.map(|it| it.message_bytes).collect();
        if sizes.is_empty() {
            sizes.extend(self.rows.iter().filter(|it| it.measure == measure).map(|it| it.message_bytes));
        }
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// What is not in the figures and has to be said, a sentence each.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = Vec::new();
        for row in &self.rows {
            let note = row.note.as_ref().map(|note| format!("{}: {note}", row.mechanism));
            if let Some(note) = note.filter(|note| !notes.contains(note)) {
                notes.push(note);
            }
        }
        let mut losers: Vec<(&str, Vec<String>)> = Vec::new();
        for row in self.rows.iter().filter(|row| row.lost_messages > 0) {
            let percent = 100.0 * row.lost_messages as f64 / (row.lost_messages + row.messages) as f64;
            let lost = format!("{percent:.1} % of {}, {}", bytes(row.message_bytes), row.waiting.name());
            match losers.iter_mut().find(|(name, _)| *name == row.mechanism) {
                Some((_, losses)) => losses.push(lost),
                None => losers.push((row.mechanism, vec![lost])),
            }
        }
        notes.extend(losers.iter().map(|(name, losses)| format!("* {name} lost {}", losses.join("; "))));
        notes
    }

    /// How the command ends: a size that does not fit is no failure.
    pub(super) fn exit(&self) -> Exit {
        let any = |status| self.rows.iter().any(|row| row.status == status);
        match () {
            () if any(Status::Failed) => Exit::Peer,
            () if any(Status::Refused) => Exit::Refused,
            () => Exit::Done,
        }
    }
}
