//! Which rows are shown, and in which order.

use super::sample::Row;
use std::cmp::Ordering;

/// What the rows are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Name,
    Messages,
    Bytes,
    Fill,
    Lag,
    Drops,
    Sleepers,
    Cpu,
}

impl Column {
    pub(super) const ALL: [Self; 8] =
        [Self::Name, Self::Messages, Self::Bytes, Self::Fill, Self::Lag, Self::Drops, Self::Sleepers, Self::Cpu];

    /// The key that sorts by it.
    pub(super) fn key(self) -> char {
        match self {
            Self::Name => 'n',
            Self::Messages => 'm',
            Self::Bytes => 'b',
            Self::Fill => 'f',
            Self::Lag => 'l',
            Self::Drops => 'd',
            Self::Sleepers => 'z',
            Self::Cpu => 'c',
        }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Messages => "messages a second",
            Self::Bytes => "bytes a second",
            Self::Fill => "fill",
            Self::Lag => "lag",
            Self::Drops => "drops a second",
            Self::Sleepers => "sleepers",
            Self::Cpu => "CPU",
        }
    }

    pub(super) fn next(self) -> Self {
        let at = Self::ALL.iter().position(|&it| it == self).unwrap_or(0);
        Self::ALL.get(at + 1).copied().unwrap_or(Self::Name)
    }
}

/// How rows are chosen and sorted.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) by: Column,
    pub(super) is_reversed: bool,
    /// A part of the name, in any case.
    pub(super) filter: String,
}

impl Default for Order {
    fn default() -> Self {
        Self { by: Column::Messages, is_reversed: false, filter: String::new() }
    }
}

impl Order {
    /// The rows that are meant, in order: the largest first, names from the first on; what is not known last, and equals by name.
    pub(super) fn of<'a>(&self, rows: &'a [Row]) -> Vec<&'a Row> {
        let wanted = self.filter.to_lowercase();
        let mut rows: Vec<&Row> = rows.iter().filter(|row| row.name.to_lowercase().contains(&wanted)).collect();
        rows.sort_by(|a, b| {
            let order = match self.by {
                Column::Name => a.name.cmp(&b.name),
                column => falling(number(column, a), number(column, b)),
            };
            let order = if self.is_reversed { order.reverse() } else { order };
            order.then_with(|| a.name.cmp(&b.name))
        });
        rows
    }
}

fn falling(a: Option<f64>, b: Option<f64>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => b.total_cmp(&a),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

fn number(column: Column, row: &Row) -> Option<f64> {
    match column {
        Column::Name => None,
        Column::Messages => row.messages,
        Column::Bytes => row.bytes,
        Column::Fill => row.fill,
        Column::Lag => row.lag.map(|it| it as f64),
        Column::Drops => row.drops,
        Column::Sleepers => Some(f64::from(row.sleepers)),
        Column::Cpu => row.cpu,
    }
}
