//! The words of a channel of calls, put together from the tables of the files that use them.

use crate::channel::hub;
use crate::channel::layout::{Field, bits};
use crate::channel::message::{Message, type_of};
use crate::channel::rpc::options::Options;
use crate::channel::rpc::setup::{SHARED_FIELDS, longest};
use crate::ring::rpc::{SLOT_FIELDS, Shape, WORD_BITS};

/// Every word of the region of a channel of such calls by name, in the order of their offsets, as it is made with these options; nothing
/// where they are refused. Bytes that are in no field mean nothing.
#[must_use]
pub fn layout<Req: Message + ?Sized, Res: Message + ?Sized>(options: &Options) -> Vec<Field> {
    let Options { clients, servers, in_flight, .. } = *options;
    let (request_max, answer_max) = longest(&type_of::<Req>(), &type_of::<Res>(), options);
    let seats = clients.saturating_add(servers);
    let Some(shape) = Shape::new(clients, in_flight, request_max, answer_max).filter(|_| seats <= 256) else {
        return Vec::new();
    };
    let mut slot = SLOT_FIELDS.to_vec();
    slot.push(("request", shape.request_at(), request_max as usize));
    slot.push(("answer", shape.answer_at(), answer_max as usize));
    let mut rows = Vec::new();
    for number in 0..u64::from(clients) * u64::from(in_flight) {
        // Below 2^45.
        let start = (number * shape.slot_bytes()) as usize;
        rows.extend(slot.iter().map(|&(name, at, len)| (name, start + at, len)));
    }
    let mut table = hub::layout::fields(seats);
    table.extend(hub::layout::shared(&SHARED_FIELDS));
    table.extend(hub::layout::body(seats, &rows).map(|mut field| {
        if field.name == "word" {
            field.bits = bits(&WORD_BITS);
        }
        field
    }));
    table.sort_by_key(|it| it.offset);
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::hub::body_at;
    use crate::channel::layout::Part;
    use crate::channel::rpc::{Client, Server};
    use crate::region::{self, Place, Region};
    use std::time::Duration;

    fn options() -> Options {
        Options::new().clients(2).servers(2).in_flight(3).max_answer_bytes(20)
    }

    /// No two fields share a byte.
    #[test]
    fn fields_do_not_overlap() {
        let table = layout::<u64, [u8]>(&options());
        for (field, next) in table.iter().zip(&table[1..]) {
            assert!(field.offset + field.len_bytes <= next.offset, "{field:?} runs into {next:?}");
        }
        assert!(layout::<u64, u64>(&Options::new().clients(0)).is_empty());
    }

    /// Whatever ends do, what they write is in a field.
    #[test]
    fn every_byte_written_is_in_a_field() {
        let options = options();
        let client = Client::<u64, [u8]>::create(Place::memfd("rpc"), &options).expect("memory");
        let fd = || client.try_clone_fd().expect("has one");
        let server = Server::<u64, [u8]>::from_fd(fd(), &options).expect("a seat");
        let watch = Region::from_fd(fd(), &region::Options::new()).expect("mapped");
        let table = layout::<u64, [u8]>(&options);
        let mut bytes = vec![0; watch.len() as usize];
        for round in 0..50_usize {
            let call = client.start(&u64::MAX).expect("a slot");
            match round % 4 {
                0 => server.recv().expect("there").answer(&vec![0xFF; round % 20]).expect("fits"),
                1 => server.recv().expect("there").fail(u32::MAX).expect("ours"),
                2 => drop(server.recv()),
                _ => {}
            }
            let _ = server.recv_timeout(Duration::from_micros(200));
            drop(call);
            watch.read(0, &mut bytes).expect("inside");
            for at in (0..bytes.len()).filter(|&at| bytes[at] != 0) {
                let is_known = |it: &Field| (it.offset..it.offset + it.len_bytes).contains(&(at as u64));
                assert!(table.iter().any(is_known), "byte {at} is in no field");
            }
        }
    }

    /// `docs/format.md` has a row for each field of our own, with its offset and length, and one for each group of bits.
    #[test]
    fn documented() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/format.md");
        let text = std::fs::read_to_string(path).expect("docs/format.md is part of the repository");
        let (_, text) = text.split_once("## Calls").expect("a part of its own");
        let has = |cells: &[String]| {
            text.lines().any(|line| {
                let row: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
                row.len() >= cells.len() && cells.iter().zip(row).all(|(a, b)| a == b)
            })
        };
        let first_slot = |it: &Field| it.part == Part::Body && it.offset < body_at(4) + 64;
        let table = layout::<u64, u64>(&options());
        for field in table.iter().filter(|it| it.part == Part::Shared || first_slot(it)) {
            let start = if field.part == Part::Body { body_at(4) } else { hub::SHARED_AT };
            let name = format!("`{}`", field.name);
            let cells = match field.name {
                "request" => vec![String::from("16"), String::from("longest request"), name],
                "answer" => vec![String::from("the next multiple of 8"), String::from("longest answer"), name],
                _ => vec![(field.offset - start).to_string(), field.len_bytes.to_string(), name],
            };
            assert!(has(&cells), "docs/format.md has no row {cells:?}");
            for bits in &field.bits {
                let cells = [format!("{}..{}", bits.first, bits.first + bits.count), format!("`{}`", bits.name)];
                assert!(has(&cells), "docs/format.md has no row {cells:?}");
            }
        }
    }
}
