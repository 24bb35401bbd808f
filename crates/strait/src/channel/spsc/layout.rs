//! The words of a channel's region, put together from the tables of the files that use them.

use crate::channel::layout::{Field, Part, Writer, bits, fields, header, lock};
use crate::channel::message::Message;
use crate::channel::spsc::setup::{RECEIVER_SIDE, RING, Role, SENDER_SIDE, is_in_slots};
use crate::peer::lease::{DOOR, FIRST_SLOT};
use crate::peer::side::{self, PRESENCE_BITS, PROGRESS};
use crate::ring::record::{HEADER_BITS, MARGIN_WORDS, WORD_BYTES};
use crate::ring::records::HEAD_BITS;
use crate::ring::spsc::{RECEIVER_FIELDS, RECEIVER_FIELDS_OF_SLOTS, SENDER_FIELDS};

/// Every word of the region of a channel of such messages by name, in the order of their offsets, for a ring of `capacity_bytes` (what
/// [`super::Sender::capacity_bytes`] says). Bytes that are in no field mean nothing: where messages lie in slots there is no `head`
/// and no margin, and the counts `sent` and `received` are all that a side believes of the other.
#[must_use]
pub fn layout<M: Message + ?Sized>(capacity_bytes: u64) -> Vec<Field> {
    let is_in_slots = is_in_slots::<M>();
    let receivers: &[_] = if is_in_slots { &RECEIVER_FIELDS_OF_SLOTS } else { &RECEIVER_FIELDS };
    let margin = [("margin", 0, MARGIN_WORDS as usize * WORD_BYTES)];
    let margin: &[_] = if is_in_slots { &[] } else { &margin };
    let mut table: Vec<Field> = header()
        .chain(side(Part::SenderSide, SENDER_SIDE, Writer::Sender, &SENDER_FIELDS))
        .chain(side(Part::ReceiverSide, RECEIVER_SIDE, Writer::Receiver, receivers))
        .chain(fields(Part::Margin, RING + capacity_bytes, Writer::Sender, margin))
        .chain([
            Field {
                part: Part::Ring,
                name: if is_in_slots { "slots" } else { "records" },
                offset: RING,
                len_bytes: capacity_bytes,
                writer: Writer::Sender,
                bits: if is_in_slots { Vec::new() } else { bits(&HEADER_BITS) },
            },
            lock("door", DOOR),
            lock("sender_lease", FIRST_SLOT + u64::from(Role::Sender.slot())),
            lock("receiver_lease", FIRST_SLOT + u64::from(Role::Receiver.slot())),
        ])
        .collect();
    table.sort_by_key(|it| it.offset);
    table
}

fn side<'a>(
    part: Part,
    start: u64,
    writer: Writer,
    progress: &'a [(&'static str, usize, usize)],
) -> impl Iterator<Item = Field> + 'a {
    fields(part, start, writer, &side::FIELDS).chain(fields(part, start + PROGRESS, writer, progress)).map(
        |mut field| {
            field.bits = match field.name {
                "presence" => bits(&PRESENCE_BITS),
                "head" => bits(&HEAD_BITS),
                _ => Vec::new(),
            };
            field
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::spsc::{Options, Receiver, Sender, pair};
    use crate::peer::side::SIDE_BYTES;
    use crate::region::header::HEADER_BYTES;
    use crate::region::{self, Region};
    use std::time::Duration;

    const CAPACITY: u64 = 4096;

    /// No two fields share a byte, bits of a word do not overlap, and each field lies in its part.
    #[test]
    fn fields_do_not_overlap() {
        does_not_overlap(&layout::<[u8]>(CAPACITY));
        does_not_overlap(&layout::<[u64; 8]>(CAPACITY));
    }

    fn does_not_overlap(table: &[Field]) {
        for (field, next) in table.iter().zip(&table[1..]) {
            assert!(field.offset + field.len_bytes <= next.offset, "{} runs into {}", field.name, next.name);
        }
        for field in table {
            let (start, end) = match field.part {
                Part::Header => (0, HEADER_BYTES),
                Part::SenderSide => (SENDER_SIDE, SENDER_SIDE + SIDE_BYTES),
                Part::ReceiverSide => (RECEIVER_SIDE, RECEIVER_SIDE + SIDE_BYTES),
                Part::Ring => (RING, RING + CAPACITY),
                Part::Margin => (RING + CAPACITY, RING + CAPACITY + super::super::setup::MARGIN_BYTES),
                Part::Locks => (1 << 40, u64::MAX),
                other => panic!("{other} is of channels of many"),
            };
            assert!(start <= field.offset && field.offset + field.len_bytes <= end, "{field:?}");
            let used: u64 =
                field.bits.iter().map(|it| (u64::MAX >> (64 - it.count)) << it.first).fold(0, |all, some| {
                    assert_eq!(all & some, 0, "{field:?}");
                    all | some
                });
            assert!(field.bits.is_empty() || used == u64::MAX, "{field:?}");
        }
    }

    /// Whatever ends do, what they write is in a field.
    #[test]
    fn every_byte_written_is_in_a_field() {
        let options = Options::new().capacity_bytes(CAPACITY);
        let (tx, rx) = pair::<[u8]>(&options).expect("memory");
        writes_fields(tx, rx, |round| vec![0xFF; round * 7 % 2048].into());
        let (tx, rx) = pair::<[u64; 8]>(&options).expect("memory");
        writes_fields(tx, rx, |_| Box::new([u64::MAX; 8]));
    }

    fn writes_fields<M: Message + ?Sized>(mut tx: Sender<M>, mut rx: Receiver<M>, message: impl Fn(usize) -> Box<M>) {
        let fd = tx.fd().expect("has one").try_clone_to_owned().expect("a descriptor");
        let watch = Region::from_fd(fd, &region::Options::new()).expect("mapped");
        let table = layout::<M>(CAPACITY);
        let mut bytes = vec![0; watch.len() as usize];
        let mut seen = vec![false; table.len()];
        for round in 0..300_usize {
            tx.send(&message(round)).expect("room");
            drop(rx.recv_ref_timeout(Duration::from_secs(1)).expect("there"));
            let _ = rx.recv_ref_timeout(Duration::from_micros(200));
            watch.read(0, &mut bytes).expect("inside");
            for at in (0..bytes.len()).filter(|&at| bytes[at] != 0) {
                let field = table.iter().position(|it| (it.offset..it.offset + it.len_bytes).contains(&(at as u64)));
                let Some(field) = field else { panic!("byte {at} is in no field") };
                seen[field] = true;
            }
        }
        // Reserved words stay zero, what only other channels have does too, a sender that never waits says no position, one that wakes nobody on its core does not fence, locks
        // are no bytes, and slots have no alignment and no flags; all else was seen.
        let unseen: Vec<&str> = table
            .iter()
            .zip(seen)
            .filter(|(it, seen)| !seen && it.part != Part::Locks && !it.name.starts_with("reserved"))
            .map(|(it, _)| it.name)
            .filter(|name| !["wake_at", "cpu", "fences", "schema_id", "seats", "shape"].contains(name))
            .filter(|name| !name.starts_with("answer_"))
            .filter(|name| !(is_in_slots::<M>() && ["align_bytes", "flags"].contains(name)))
            .collect();
        assert!(unseen.is_empty(), "never written: {unseen:?}");
    }

    /// `docs/format.md` has a row for each field, with its offset and length, and one for each group of bits.
    #[test]
    fn documented() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/format.md");
        let text = std::fs::read_to_string(path).expect("docs/format.md is part of the repository");
        let rows: Vec<Vec<&str>> =
            text.lines().map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect();
        let has = |cells: &[String]| {
            rows.iter().any(|row| row.len() >= cells.len() && cells.iter().zip(row).all(|(a, b)| a == b))
        };
        for field in layout::<[u8]>(CAPACITY).into_iter().chain(layout::<[u64; 8]>(CAPACITY)) {
            let name = format!("`{}`", field.name);
            let cells = match field.part {
                Part::Header => vec![field.offset.to_string(), field.len_bytes.to_string(), name],
                Part::SenderSide => vec![(field.offset - SENDER_SIDE).to_string(), field.len_bytes.to_string(), name],
                Part::ReceiverSide => {
                    vec![(field.offset - RECEIVER_SIDE).to_string(), field.len_bytes.to_string(), name]
                }
                Part::Ring => vec![String::from("12,288"), String::from("capacity"), name],
                Part::Margin => vec![String::from("12,288 + capacity"), field.len_bytes.to_string(), name],
                Part::Locks if field.offset == DOOR => vec![String::from("2^40"), name],
                Part::Locks => vec![format!("2^40 + {}", field.offset - DOOR), name],
                other => panic!("{other} is of channels of many"),
            };
            assert!(has(&cells), "docs/format.md has no row {cells:?}");
            for bits in field.bits {
                let range = match bits.count {
                    1 => bits.first.to_string(),
                    count => format!("{}..{}", bits.first, bits.first + count),
                };
                let cells = [range, format!("`{}`", bits.name)];
                assert!(has(&cells), "docs/format.md has no row {cells:?}");
            }
        }
    }
}
