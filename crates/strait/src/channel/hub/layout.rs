//! The words of the hub, put together from the tables of the files that use them: a channel's own `layout` is
//! [`fields()`], and what it writes in [`shared`], in its seats' [`progress`] and in its [`body`].

use super::{EVENTS, EVENTS_AT, ROLES_AT, SEATS_AT, SHARED_AT, SHARED_BYTES, body_at};
use crate::channel::layout::{self, Field, Part, Writer, bits, header, lock};
use crate::peer::lease::{DOOR, FIRST_SLOT};
use crate::peer::seat::{self, PRESENCE_BITS, PROGRESS, PROGRESS_BYTES, SEAT_BYTES};
use crate::peer::side;
use crate::wait::eventcount::{self, EVENT_BYTES};

/// A field as the files list it: name, offset, length.
pub(crate) type Row = (&'static str, usize, usize);

/// What every channel with so many seats has, in the order of the offsets.
pub(crate) fn fields(seats: u32) -> Vec<Field> {
    let events = (0..EVENTS).flat_map(|number| {
        let start = EVENTS_AT + u64::from(number) * EVENT_BYTES;
        layout::fields(Part::Event(number), start, Writer::Anybody, &eventcount::FIELDS)
    });
    let roles = layout::fields(Part::Roles, ROLES_AT, Writer::Anybody, &[("roles", 0, 8)]);
    let locks = (0..seats).map(|seat| lock("seat_lease", FIRST_SLOT + u64::from(seat)));
    let mut table: Vec<Field> = header()
        .chain(events)
        .chain(roles)
        .chain((0..seats).flat_map(seat))
        .chain([lock("door", DOOR)])
        .chain(locks)
        .collect();
    table.sort_by_key(|it| it.offset);
    table
}

fn seat(number: u32) -> impl Iterator<Item = Field> {
    let start = SEATS_AT + u64::from(number) * SEAT_BYTES;
    // Who the owner is, for people, lies where a side has it.
    let who = side::FIELDS.iter().filter(|it| it.1 as u64 >= side::WHO);
    layout::fields(Part::Seat(number), start, Writer::Owner, seat::FIELDS.iter().chain(who)).map(|mut field| {
        match field.name {
            "presence" => {
                field.bits = bits(&PRESENCE_BITS);
                // Who finds the owner dead says so.
                field.writer = Writer::Anybody;
            }
            "doorbell" => field.writer = Writer::Anybody,
            _ => {}
        }
        field
    })
}

/// The channel's own words of what all share.
pub(crate) fn shared(rows: &[Row]) -> impl Iterator<Item = Field> {
    debug_assert!(rows.iter().all(|it| (it.1 + it.2) as u64 <= SHARED_BYTES));
    layout::fields(Part::Shared, SHARED_AT, Writer::Anybody, rows)
}

/// The channel's own words of one seat.
pub(crate) fn progress(number: u32, rows: &[Row]) -> impl Iterator<Item = Field> {
    debug_assert!(rows.iter().all(|it| (it.1 + it.2) as u64 <= PROGRESS_BYTES));
    let start = SEATS_AT + u64::from(number) * SEAT_BYTES + PROGRESS;
    layout::fields(Part::Seat(number), start, Writer::Owner, rows)
}

/// The channel's own words of the body, by their offsets in it.
pub(crate) fn body(seats: u32, rows: &[Row]) -> impl Iterator<Item = Field> {
    layout::fields(Part::Body, body_at(seats), Writer::Anybody, rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::header::HEADER_BYTES;

    const SEATS: u32 = 5;

    fn table() -> Vec<Field> {
        let mut table = fields(SEATS);
        table.extend(shared(&[("all", 0, SHARED_BYTES as usize)]));
        table.extend((0..SEATS).flat_map(|seat| progress(seat, &[("all", 0, PROGRESS_BYTES as usize)])));
        table.extend(body(SEATS, &[("first", 0, 8)]));
        table.sort_by_key(|it| it.offset);
        table
    }

    /// No two fields share a byte, bits of a word do not overlap, and each field lies in its part.
    #[test]
    fn fields_do_not_overlap() {
        let table = table();
        for (field, next) in table.iter().zip(&table[1..]) {
            assert!(field.offset + field.len_bytes <= next.offset, "{field:?} runs into {next:?}");
        }
        for field in &table {
            let (start, len) = match field.part {
                Part::Header => (0, HEADER_BYTES),
                Part::Event(number) => (EVENTS_AT + u64::from(number) * EVENT_BYTES, EVENT_BYTES),
                Part::Roles => (ROLES_AT, 64),
                Part::Shared => (SHARED_AT, SHARED_BYTES),
                Part::Seat(number) => (SEATS_AT + u64::from(number) * SEAT_BYTES, SEAT_BYTES),
                Part::Body => (8192, u64::MAX >> 1),
                Part::Locks => (DOOR, 1 << 20),
                other => panic!("{other} is of channels of two"),
            };
            assert!(start <= field.offset && field.offset + field.len_bytes <= start + len, "{field:?}");
            let used: u64 =
                field.bits.iter().map(|it| (u64::MAX >> (64 - it.count)) << it.first).fold(0, |all, some| {
                    assert_eq!(all & some, 0, "{field:?}");
                    all | some
                });
            assert!(field.bits.is_empty() || used == u64::MAX, "{field:?}");
        }
    }

    /// `docs/format.md` has a row for each field of the hub, with its offset in its part and its length.
    #[test]
    fn documented() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/format.md");
        let text = std::fs::read_to_string(path).expect("docs/format.md is part of the repository");
        let (_, text) = text.split_once("## A hub").expect("a part of its own");
        let has = |cells: &[String]| {
            text.lines().any(|line| {
                let row: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
                row.len() >= cells.len() && cells.iter().zip(row).all(|(a, b)| a == b)
            })
        };
        for field in fields(SEATS) {
            let name = format!("`{}`", field.name);
            let start = match field.part {
                Part::Event(number) => EVENTS_AT + u64::from(number) * EVENT_BYTES,
                Part::Seat(number) => SEATS_AT + u64::from(number) * SEAT_BYTES,
                Part::Roles => 0,
                _ => continue,
            };
            let cells = [(field.offset - start).to_string(), field.len_bytes.to_string(), name];
            assert!(has(&cells), "docs/format.md has no row {cells:?}");
            for bits in field.bits {
                let cells = [format!("{}..{}", bits.first, bits.first + bits.count), format!("`{}`", bits.name)];
                assert!(has(&cells), "docs/format.md has no row {cells:?}");
            }
        }
    }
}
