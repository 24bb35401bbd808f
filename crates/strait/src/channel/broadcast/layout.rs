//! The words of a channel's region, put together from the tables of the files that use them.

use crate::channel::broadcast::options::Options;
use crate::channel::broadcast::setup::{self, Plan};
use crate::channel::broadcast::subscriber;
use crate::channel::hub::layout::Row;
use crate::channel::hub::{self, body_at};
use crate::channel::layout::{Field, Part, Writer, fields};
use crate::channel::message::Message;
use crate::region::Place;
use crate::ring::lane::{LANE_FIELDS, REFERRING_FIELDS, SLOT_FIELDS};

/// Every word of the region of a channel of such messages that is made with these options by name, in the order of their offsets: each
/// slot has its own. Bytes that are in no field mean nothing. Empty for options with which no channel can be made.
#[must_use]
pub fn layout<M: Message + ?Sized>(options: &Options) -> Vec<Field> {
    let blueprint = setup::whole::<M>(&Place::memfd("layout"), options);
    let Some(plan) = blueprint.ok().and_then(|it| Plan::of(&it.header)) else { return Vec::new() };
    let seats = plan.publishers + plan.subscribers;
    let body = body_at(seats);
    let mut table = hub::layout::fields(seats);
    for subscriber in 0..plan.subscribers {
        table.extend(hub::layout::progress(plan.publishers + subscriber, &subscriber::FIELDS));
        for lane in 0..plan.publishers {
            table.extend(own(body + plan.position(subscriber, lane) as u64, &[("position", 0, 8)]));
            let holds = plan.holds(subscriber, lane);
            table.extend(own(body + holds.start, &[("held", 0, (holds.end - holds.start) as usize)]));
        }
    }
    let head = plan.lane.head_bytes() as usize;
    // A slot has as many words as fit before the message.
    let fields = if plan.blocks.is_some() { REFERRING_FIELDS } else { SLOT_FIELDS };
    let words: Vec<_> = fields.into_iter().filter(|it| it.1 < head).collect();
    let message = [("message", head, plan.lane.max_bytes() as usize)];
    for lane in 0..plan.publishers {
        table.extend(own(body + plan.lane(lane).start, &LANE_FIELDS));
        for slot in plan.slots(lane).step_by(plan.lane.slot_bytes() as usize) {
            table.extend(own(body + slot, &words));
            table.extend(own(body + slot, &message));
        }
        if let Some(blocks) = plan.blocks {
            let at = |block| body + plan.pool(lane).start + blocks.start(block) as u64;
            let block = [("block", 0, plan.max_bytes as usize)];
            table.extend((0..blocks.count()).flat_map(|number| own(at(number), &block).collect::<Vec<_>>()));
        }
    }
    table.retain(|it| it.len_bytes > 0);
    table.sort_by_key(|it| it.offset);
    table
}

/// Words of the body that the owner of a seat writes.
fn own(start: u64, rows: &[Row]) -> impl Iterator<Item = Field> {
    fields(Part::Body, start, Writer::Owner, rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::broadcast::{Policy, Publisher, Subscriber};
    use crate::region::{self, Region};
    use std::time::Duration;

    fn options() -> Options {
        Options::new().publishers(2).subscribers(3).capacity(14).max_message_bytes(100)
    }

    /// No two fields share a byte, and all lie in the region.
    #[test]
    fn fields_do_not_overlap() {
        let tables = [
            layout::<u64>(&options()),
            layout::<[u64; 9]>(&options().publishers(16).subscribers(64)),
            layout::<[u8]>(&options()),
            layout::<[u8]>(&options().max_message_bytes(0)),
            layout::<[u8]>(&options().blocks(70)),
            layout::<[u64; 9]>(&options().publishers(16).subscribers(64).blocks(2)),
        ];
        for table in tables {
            assert!(table.iter().any(|it| it.name == "position"));
            for (field, next) in table.iter().zip(&table[1..]) {
                assert!(field.offset + field.len_bytes <= next.offset, "{field:?} runs into {next:?}");
            }
        }
        assert!(layout::<u64>(&options().publishers(0)).is_empty());
    }

    /// Whatever users do, what they write is in a field.
    #[test]
    fn every_byte_written_is_in_a_field() {
        writes_fields::<u64>(&options(), |round| Box::new(!(round as u64)));
        writes_fields::<[u64; 9]>(&options().policy(Policy::DropOldest), |_| Box::new([u64::MAX; 9]));
        writes_fields::<[u8]>(&options().policy(Policy::DropNewest), |round| vec![0xFF; round % 100].into());
        writes_fields::<[u8]>(&options().blocks(70), |round| vec![0xFF; round % 100].into());
        writes_fields::<[u64; 9]>(&options().blocks(5).policy(Policy::DropOldest), |_| Box::new([u64::MAX; 9]));
    }

    fn writes_fields<M: Message + ?Sized>(options: &Options, message: impl Fn(usize) -> Box<M>) {
        let mut one = Publisher::<M>::create(Place::memfd("layout"), options).expect("memory");
        let fd = || one.fd().expect("has one").try_clone_to_owned().expect("a descriptor");
        let mut two = Publisher::<M>::from_fd(fd(), options).expect("a seat");
        let mut rx = Subscriber::<M>::from_fd(fd(), options).expect("a seat");
        let _idle = Subscriber::<M>::from_fd(fd(), options).expect("a seat");
        let watch = Region::from_fd(fd(), &region::Options::new()).expect("mapped");
        let table = layout::<M>(options);
        let end = table.iter().filter(|it| it.part == Part::Body).map(|it| it.offset + it.len_bytes).max();
        assert_eq!(end.map(|end| end.next_multiple_of(4096)), Some(watch.len()), "the last slot ends the region");
        let mut bytes = vec![0; watch.len() as usize];
        for round in 0..60 {
            for tx in [&mut one, &mut two] {
                let _ = tx.try_publish(&message(round));
            }
            let _ = rx.wait_timeout(Duration::from_micros(200));
            drop(rx.try_recv_ref());
            let _held = rx.try_hold();
            watch.read(0, &mut bytes).expect("inside");
            for at in (0..bytes.len()).filter(|&at| bytes[at] != 0) {
                let is_known = table.iter().any(|it| (it.offset..it.offset + it.len_bytes).contains(&(at as u64)));
                assert!(is_known, "byte {at} is in no field");
            }
        }
    }

    /// `docs/format.md` has a row for each field of the channel's own.
    #[test]
    fn documented() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/format.md");
        let text = std::fs::read_to_string(path).expect("docs/format.md is part of the repository");
        let (_, text) = text.split_once("## A broadcast's body").expect("a part of its own");
        let rows: Vec<Vec<&str>> =
            text.lines().map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect();
        for (name, offset, len) in
            LANE_FIELDS.iter().chain(&SLOT_FIELDS).chain(&REFERRING_FIELDS).chain(&subscriber::FIELDS)
        {
            let cells = [offset.to_string(), len.to_string(), format!("`{name}`")];
            let is_there = rows.iter().any(|row| row.len() >= 3 && cells.iter().zip(row).all(|(a, b)| a == b));
            assert!(is_there, "docs/format.md has no row {cells:?}");
        }
    }
}
