//! The words of a watch's region, put together from the tables of the files that use them.

use crate::channel::hub::{self, body_at};
use crate::channel::layout::{Field, Part, Writer, fields};
use crate::channel::message::Message;
use crate::ring::watch::{FIELDS, SLICE_FIELDS, Shape};

/// Every word of the region of a watch of such values by name, in the order of their offsets, for so many
/// [`readers`](super::Options::readers), [`copies`](super::Writer::copies) and [bytes of a value](super::Writer::max_message_bytes).
/// Bytes that are in no field mean nothing. Empty for numbers that no channel has.
#[must_use]
pub fn layout<M: Message + ?Sized>(readers: u32, copies: u32, max_message_bytes: u64) -> Vec<Field> {
    let seats = readers.saturating_add(1);
    let Some(shape) = Shape::new(copies, max_message_bytes, M::IS_SLICE) else { return Vec::new() };
    let body = body_at(seats);
    let (first, stride) = shape.copies_at();
    let of_slices: &[_] = if M::IS_SLICE { &SLICE_FIELDS } else { &[] };
    let value_at = of_slices.iter().map(|it| it.1 + it.2).max().unwrap_or(0);
    let value = [("value", value_at, usize::try_from(max_message_bytes).unwrap_or(usize::MAX))];
    let mut table = hub::layout::fields(seats);
    table.extend(fields(Part::Body, body, Writer::Sender, &FIELDS));
    for copy in 0..u64::from(copies) {
        let start = body + first + copy * stride;
        table.extend(fields(Part::Body, start, Writer::Sender, of_slices.iter().chain(&value)));
    }
    table.sort_by_key(|it| it.offset);
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::watch::{Options, Reader, Writer as Tx, pair};
    use crate::region::{self, Region};
    use std::time::Duration;

    /// No two fields share a byte.
    #[test]
    fn fields_do_not_overlap() {
        let tables = [
            layout::<u64>(3, 4, 8),
            layout::<[u64; 3]>(60, 2, 24),
            layout::<[u64; 8]>(3, 64, 64),
            layout::<[u8]>(3, 4, 5),
            layout::<[u8]>(255, 4, 4096),
        ];
        for table in tables {
            assert!(table.iter().any(|it| it.name == "value"));
            for (field, next) in table.iter().zip(&table[1..]) {
                assert!(field.offset + field.len_bytes <= next.offset, "{field:?} runs into {next:?}");
            }
        }
        assert!(layout::<u64>(3, 5, 8).is_empty());
    }

    /// Whatever ends do, what they write is in a field.
    #[test]
    fn every_byte_written_is_in_a_field() {
        let options = Options::new().readers(2).max_message_bytes(100);
        let (mut tx, mut rx) = pair::<[u8; 16]>(&options).expect("memory");
        let table = layout::<[u8; 16]>(2, tx.copies(), 16);
        writes_fields(&table, &tx.fd().expect("has one").try_clone_to_owned().expect("a descriptor").into(), || {
            tx.send(&[0xFF; 16]).expect("sent");
            rx.changed().expect("new");
            let _ = rx.changed_timeout(Duration::from_micros(200));
        });
        let (mut tx, mut rx): (Tx<[u8]>, Reader<[u8]>) = pair(&options).expect("memory");
        let table = layout::<[u8]>(2, tx.copies(), tx.max_message_bytes());
        let mut round = 0;
        writes_fields(&table, &tx.fd().expect("has one").try_clone_to_owned().expect("a descriptor").into(), || {
            round = (round + 1) % 100;
            tx.send(&vec![0xFF; round]).expect("sent");
            rx.changed(&mut Vec::new()).expect("new");
        });
    }

    fn writes_fields(table: &[Field], fd: &std::fs::File, mut step: impl FnMut()) {
        let fd = fd.try_clone().expect("a descriptor").into();
        let region = Region::from_fd(fd, &region::Options::new()).expect("mapped");
        let mut bytes = vec![0; region.len() as usize];
        for _ in 0..150 {
            step();
            region.read(0, &mut bytes).expect("inside");
            for at in (0..bytes.len()).filter(|&at| bytes[at] != 0) {
                let is_known = table.iter().any(|it| (it.offset..it.offset + it.len_bytes).contains(&(at as u64)));
                assert!(is_known, "byte {at} is in no field");
            }
        }
    }

    /// `docs/format.md` has a row for each field of the body.
    #[test]
    fn documented() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/format.md");
        let text = std::fs::read_to_string(path).expect("docs/format.md is part of the repository");
        let (_, text) = text.split_once("## A watch's body").expect("a part of its own");
        let rows: Vec<Vec<&str>> =
            text.lines().map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect();
        for (name, offset, len) in FIELDS.iter().chain(&SLICE_FIELDS) {
            let cells = [offset.to_string(), len.to_string(), format!("`{name}`")];
            let is_there = rows.iter().any(|row| row.len() >= 3 && cells.iter().zip(row).all(|(a, b)| a == b));
            assert!(is_there, "docs/format.md has no row {cells:?}");
        }
    }
}
