//! The lines that a person reads: kind, name, size, state, who has it; on a wide terminal owner, mode, age and content, too.

use crate::figures::{age, size};
use crate::screen::{self, Align, Column, Paint};
use crate::seen::users::Users;
use crate::seen::{Seen, State, Thing};
use std::time::SystemTime;

/// From here on there is room for all columns; so there is where there is no terminal.
const WIDE: usize = 120;

const KIND: Column = Column { head: "KIND", align: Align::Left, least: None };
const NAME: Column = Column { head: "NAME", align: Align::Middle, least: Some(16) };
const SIZE: Column = Column { head: "SIZE", align: Align::Right, least: None };
const STATE: Column = Column { head: "STATE", align: Align::Left, least: None };
const OWNER: Column = Column { head: "OWNER", align: Align::Left, least: None };
const MODE: Column = Column { head: "MODE", align: Align::Left, least: None };
const AGE: Column = Column { head: "AGE", align: Align::Right, least: None };
const CONTENT: Column = Column { head: "CONTENT", align: Align::Left, least: Some(12) };
const HOLDERS: Column = Column { head: "HOLDERS", align: Align::Left, least: Some(12) };

pub(super) fn text(seen: &Seen, users: &Users, things: &[&Thing], width: Option<usize>, paint: Paint) -> String {
    if things.is_empty() {
        return String::new();
    }
    let is_wide = width.is_none_or(|width| width >= WIDE);
    let columns: &[Column] = match is_wide {
        true => &[KIND, NAME, SIZE, STATE, OWNER, MODE, AGE, CONTENT, HOLDERS],
        false => &[KIND, NAME, SIZE, STATE, HOLDERS],
    };
    let now = SystemTime::now();
    let row = |thing: &&Thing| -> Vec<String> {
        let it = &thing.object;
        let bytes = it.size_bytes.map(size).unwrap_or_default();
        let mut row = vec![thing.kind(), thing.label(), bytes, thing.state.to_string()];
        if is_wide {
            row.push(it.uid.map(|uid| users.name(uid)).unwrap_or_default());
            row.push(it.mode.map(|mode| format!("{mode:04o}")).unwrap_or_default());
            let since = thing.since().and_then(|since| now.duration_since(since).ok());
            row.push(since.map(age).unwrap_or_default());
            row.push(thing.content());
        }
        row.push(seen.holders(thing));
        row
    };
    let rows: Vec<Vec<String>> = things.iter().map(row).collect();
    let painted = |number: usize, column: usize, cell: &str| match (columns[column].head, things[number].state) {
        ("STATE", State::Live) => paint.good(cell),
        ("STATE", State::Dead | State::Corrupt) => paint.bad(cell),
        ("STATE", State::Unknown) => paint.warning(cell),
        ("STATE", State::Idle) => paint.faint(cell),
        ("NAME", _) if things[number].is_own() => paint.bold(cell),
        _ => cell.to_owned(),
    };
    screen::list(columns, &rows, width, painted, |head| paint.bold(head))
}
