//! The words of a queue's region, put together from the tables of the files that use them.

use crate::channel::hub::{self, body_at};
use crate::channel::layout::{Field, Part, Writer, bits, fields};
use crate::channel::message::Message;
use crate::ring::mpmc::word::{DUE_BITS, HEAD_BITS, WORD_BITS};
use crate::ring::mpmc::{LANE_BYTES, LANE_FIELDS, PAYLOAD, SLOT_FIELDS, Shape};

/// Every word of the region of a queue of such jobs by name, in the order of their offsets, for so many
/// [`seats`](super::Options::seats), [`kinds`](super::Producer::kinds), [jobs of each](super::Producer::capacity) and
/// [bytes of a job](super::Producer::max_job_bytes). Bytes that are in no field mean nothing. Empty for numbers that no queue has.
#[must_use]
pub fn layout<M: Message + ?Sized>(seats: u32, kinds: u32, capacity: u32, max_job_bytes: u32) -> Vec<Field> {
    let item_bytes = if M::IS_SLICE { 0 } else { max_job_bytes };
    let shape = Shape::stride_for(max_job_bytes).and_then(|it| Shape::new(capacity, kinds, it, item_bytes));
    let Some(shape) = shape else { return Vec::new() };
    let body = body_at(seats);
    let payload = [("payload", PAYLOAD, max_job_bytes as usize)];
    let mut table = hub::layout::fields(seats);
    for kind in 0..kinds {
        let lane = body + u64::from(kind) * LANE_BYTES as u64;
        table.extend(fields(Part::Body, lane, Writer::Anybody, &LANE_FIELDS));
        for slot in 0..u64::from(capacity) {
            let start = body + shape.slot(kind, slot) as u64;
            // Of jobs of one length nobody writes it.
            let own = SLOT_FIELDS.iter().filter(|it| M::IS_SLICE || it.0 != "len_bytes");
            table.extend(fields(Part::Body, start, Writer::Anybody, own.chain(&payload)));
        }
    }
    for field in table.iter_mut().filter(|it| it.part == Part::Body) {
        field.bits = match field.name {
            "word" => bits(&WORD_BITS),
            "head" => bits(&HEAD_BITS),
            "due" => bits(&DUE_BITS),
            _ => Vec::new(),
        };
    }
    table.sort_by_key(|it| it.offset);
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::mpmc::{Options, pair};
    use crate::region::{self, Region};
    use std::time::Duration;

    /// No two fields share a byte, and bits fill their words.
    #[test]
    fn fields_do_not_overlap() {
        for table in [layout::<u64>(3, 1, 4, 8), layout::<[u64; 9]>(64, 16, 2, 72), layout::<[u8]>(256, 2, 8, 240)] {
            assert!(table.iter().any(|it| it.name == "payload"));
            for (field, next) in table.iter().zip(&table[1..]) {
                assert!(field.offset + field.len_bytes <= next.offset, "{field:?} runs into {next:?}");
            }
            for field in table.iter().filter(|it| !it.bits.is_empty()) {
                assert_eq!(
                    field.bits.iter().map(|it| u64::from(it.count)).sum::<u64>(),
                    field.len_bytes * 8,
                    "{field:?}"
                );
            }
        }
        assert!(layout::<u64>(3, 1, 5, 8).is_empty());
    }

    /// Whatever its users do, what they write is in a field.
    #[test]
    fn every_byte_written_is_in_a_field() {
        let options = Options::new().seats(2).capacity(4).kinds(2).job_max_bytes(100);
        let (mut producer, mut worker) = pair::<[u8]>(&options).expect("memory");
        let table = layout::<[u8]>(2, 2, producer.capacity(), producer.max_job_bytes());
        let fd = producer.fd().expect("has one").try_clone_to_owned().expect("a descriptor");
        let region = Region::from_fd(fd, &region::Options::new()).expect("mapped");
        let mut bytes = vec![0; region.len() as usize];
        for round in 0..50_usize {
            producer.push_kind(round as u32 % 2, &vec![0xFF; round]).expect("room");
            let job = worker.pop().expect("a job");
            match round % 3 {
                0 => job.ack(),
                1 => job.nack_after(Duration::ZERO),
                _ => job.nack_after(Duration::from_millis(1)),
            }
            while let Ok(job) = worker.pop_timeout(Duration::from_millis(if producer.is_empty() { 0 } else { 20 })) {
                job.ack();
            }
            region.read(0, &mut bytes).expect("fits");
            for field in table.iter().filter(|it| it.part != Part::Locks) {
                bytes[field.offset as usize..(field.offset + field.len_bytes) as usize].fill(0);
            }
            assert_eq!(bytes.iter().position(|&it| it != 0), None, "round {round}: a byte in no field");
        }
    }

    /// `docs/format.md` has a row for each field of a queue, with its offset in its lane or slot and its length.
    #[test]
    fn documented() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/format.md");
        let text = std::fs::read_to_string(path).expect("docs/format.md is part of the repository");
        let (_, text) = text.split_once("## A queue").expect("a part of its own");
        let has = |cells: &[String]| {
            text.lines().any(|line| {
                let row: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
                row.len() >= cells.len() && cells.iter().zip(row).all(|(a, b)| a == b)
            })
        };
        for (name, offset, len) in LANE_FIELDS.iter().chain(&SLOT_FIELDS) {
            let cells = [offset.to_string(), len.to_string(), format!("`{name}`")];
            assert!(has(&cells), "docs/format.md has no row {cells:?}");
        }
        for (name, first, count) in WORD_BITS.iter().chain(&HEAD_BITS).chain(&DUE_BITS) {
            let range = if *count == 1 { first.to_string() } else { format!("{first}..{}", first + count) };
            let cells = [range, format!("`{name}`")];
            assert!(has(&cells), "docs/format.md has no row {cells:?}");
        }
    }
}
