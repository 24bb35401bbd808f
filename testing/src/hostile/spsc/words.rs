//! Lies that a channel of two is likely to believe: headers that are well made but for one thing, and counts that agree but for a little.

use crate::hostile::memory::Memory;
use crate::hostile::words::{self, Word, any, sizes};
use crate::random::Random;
use strait::channel::layout::{Field, Part};

/// How many records of a ring are looked at to find their headers.
const RECORDS: usize = 12;

/// What the words lie about.
#[derive(Clone, Copy)]
struct Ring {
    ring: usize,
    capacity: u64,
    /// Of records: where the receiver's head is.
    head: usize,
}

/// The words of a layout.
pub(super) fn of(layout: &[Field]) -> Vec<Word> {
    let at =
        |part, name| layout.iter().find(|it| it.part == part && it.name == name).map_or(0, |it| it.offset as usize);
    let Some(field) = layout.iter().find(|it| it.part == Part::Ring) else { return words::of(layout) };
    let ring = Ring { ring: field.offset as usize, capacity: field.len_bytes, head: at(Part::ReceiverSide, "head") };
    let is_in_slots = field.name == "slots";
    let counts = [at(Part::SenderSide, "sent"), at(Part::ReceiverSide, "received")];
    let item = at(Part::Header, "item_bytes");
    let mut words: Vec<Word> = words::of(layout)
        .into_iter()
        .map(|word| match word.name.as_str() {
            "receiver.head" => word.weight(3),
            "sender.sent" if is_in_slots => count(word, counts, 0, item, ring),
            "receiver.received" if is_in_slots => count(word, counts, 1, item, ring),
            "sender.presence" | "receiver.presence" => word.value(presence),
            _ => word,
        })
        .collect();
    let is_of_the_ring = |word: &Word| word.name.starts_with("ring.");
    words.retain(|word| !is_of_the_ring(word));
    let payload = move |_: &Memory, random: &mut Random| (ring.ring + random.below(ring.capacity / 8) as usize * 8, 8);
    if is_in_slots {
        words.push(Word::new("slot", payload));
    } else {
        words.push(Word::new("record.payload", payload));
        let header = Word::new("record.header", move |memory, random| (ring.header(memory, random), 8));
        words.push(header.weight(8).value(move |memory, _, now, random| ring.lie(memory, now, random)));
    }
    words
}

/// Somebody else, attached, asleep or awake: as a side looks that changes hands.
fn presence(_: &Memory, _: usize, now: u64, random: &mut Random) -> Option<u64> {
    (random.below(2) == 0).then(|| (now >> 34).wrapping_add(random.below(3)) << 34 | 1 << 32 | random.below(3))
}

/// One of the two counts of slots: about what the other allows, or anything.
fn count(word: Word, counts: [usize; 2], own: usize, item: usize, ring: Ring) -> Word {
    let other = counts[1 - own];
    word.weight(8).value(move |memory, _, _, random| {
        let slots = (ring.capacity / memory.load(item, 4).max(1)).max(1);
        let other = memory.load(other, 8);
        let near = [0, 1, slots - 1, slots, slots + 1, 1 << 31, 1 << 32, u64::MAX / 2];
        let by = near[random.below(near.len() as u64) as usize];
        match random.below(8) {
            0..=2 => Some(other.wrapping_add(by)),
            3 | 4 => Some(other.wrapping_sub(by)),
            5 => Some(other.wrapping_add(random.below(slots))),
            _ => None,
        }
    })
}

impl Ring {
    /// The header of one of the first records, or of the one that is not there yet.
    fn header(self, memory: &Memory, random: &mut Random) -> usize {
        // Along the chain, as far as it makes sense; the last is a word of zero.
        let mask = self.capacity / 8 - 1;
        let mut position = memory.load(self.head, 8) >> 32;
        for _ in 0..random.below(RECORDS as u64) {
            let header = memory.load(self.ring + ((position & mask) * 8) as usize, 8);
            if header == 0 {
                break;
            }
            let words = 1 + (header & 0xFFFF_FFFF).div_ceil(8);
            position = (position + words).next_multiple_of(if words > 8 { 1 } else { 8 });
        }
        self.ring + ((position & mask) * 8) as usize
    }

    /// Well made but for one thing: the number that is expected, and a length that is not, or padding.
    fn lie(self, memory: &Memory, now: u64, random: &mut Random) -> Option<u64> {
        let size = any(&sizes(self.capacity), random);
        if random.below(3) == 0 {
            return None;
        }
        let number = if now == 0 { memory.load(self.head + 8, 8) } else { now >> 32 } & 0x3FFF_FFFF;
        let number = number.wrapping_add(any(&[0, 0, 0, 1, u64::MAX], random)) & 0x3FFF_FFFF;
        let padding = u64::from(random.below(4) == 0) << 62;
        Some(1 << 63 | padding | number << 32 | size & 0xFFFF_FFFF)
    }
}
