//! What a liar writes, and where: every writable word of a layout by name, and the values that are most likely to break somebody.

use super::memory::Memory;
use crate::random::Random;
use strait::channel::layout::{Field, Part};

/// How many records of a ring are looked at to find their headers.
const RECORDS: usize = 12;
const PAGE: usize = 4096;

/// A word, or a kind of words, that lies are told in.
#[derive(Clone, Debug)]
pub struct Word {
    /// `receiver.head`.
    pub name: String,
    spot: Spot,
}

#[derive(Clone, Debug)]
enum Spot {
    /// A field: where it begins, how long it is, how wide its words are.
    Field(usize, usize, usize),
    /// The header of one of the first records, or of the one that is not there yet.
    RecordHeader,
    /// Any word of the ring.
    Payload,
}

/// A change of the bytes.
#[derive(Clone, Copy, Debug)]
pub struct Lie {
    at: usize,
    width: usize,
    value: u64,
}

/// The liar: the bytes, what it knows of them, and how often it has hit what.
#[derive(Debug)]
pub struct Liar {
    memory: Memory,
    words: Vec<Word>,
    /// One for each word.
    pub hits: Vec<u64>,
    /// All changes, pages counted as one.
    pub scribbles: u64,
    capacity: u64,
    ring: usize,
    head: usize,
    /// Where `sent` and `received` are.
    counts: [usize; 2],
    /// How many slots there are; 0: none, but records.
    slots: u64,
    /// What the region looked like at earlier times.
    past: Vec<Vec<u8>>,
    /// Where both bells are.
    bells: Vec<usize>,
    /// Indices of the words that are read all the time, the most read more than once.
    lively: Vec<usize>,
    /// Of how many lies one is told in any word; the others in lively ones.
    pub seldom: u64,
}

/// The words of a layout, for counting.
#[must_use]
pub fn words(layout: &[Field]) -> Vec<Word> {
    let mut words = Vec::new();
    for field in layout {
        let at = usize::try_from(field.offset).unwrap_or(usize::MAX);
        let len = usize::try_from(field.len_bytes).unwrap_or(0);
        match field.part {
            // No bytes: they are taken, not written (see `harness`).
            Part::Locks => {}
            Part::Ring if field.name == "slots" => {
                words.push(Word { name: String::from("slot"), spot: Spot::Payload });
            }
            Part::Ring => {
                words.push(Word { name: String::from("record.header"), spot: Spot::RecordHeader });
                words.push(Word { name: String::from("record.payload"), spot: Spot::Payload });
            }
            part => {
                let width = if len % 8 == 0 { 8 } else { 4 };
                words.push(Word { name: format!("{part}.{}", field.name), spot: Spot::Field(at, len, width) });
            }
        }
    }
    words
}

impl Liar {
    /// A liar with the region mapped, of a channel with this layout.
    #[must_use]
    pub fn new(memory: Memory, layout: &[Field]) -> Self {
        let of = |part, name| layout.iter().find(|it| it.part == part && it.name == name);
        let ring = layout.iter().find(|it| it.part == Part::Ring).expect("a layout has a ring");
        let item_bytes = of(Part::Header, "item_bytes").map_or(0, |it| memory.load(it.offset as usize, 4));
        let counts = [of(Part::SenderSide, "sent"), of(Part::ReceiverSide, "received")]
            .map(|it| it.map_or(0, |it| it.offset as usize));
        let is_in_slots = ring.name == "slots";
        let head = of(Part::ReceiverSide, "head").map_or(0, |it| it.offset as usize);
        let words = words(layout);
        let bells = layout.iter().filter(|it| it.name == "bell").map(|it| it.offset as usize).collect();
        let weight = |name: &str| match name {
            "record.header" => 8,
            "receiver.head" => 3,
            "sender.sent" | "receiver.received" if is_in_slots => 8,
            "sender.presence" | "receiver.presence" => 5,
            _ if name.starts_with("header.") => 0,
            _ => 1,
        };
        let lively = words.iter().enumerate().flat_map(|(at, word)| vec![at; weight(&word.name)]).collect();
        Self {
            memory,
            hits: vec![0; words.len()],
            words,
            scribbles: 0,
            capacity: ring.len_bytes,
            ring: ring.offset as usize,
            head,
            counts,
            slots: if is_in_slots { ring.len_bytes / item_bytes.max(1) } else { 0 },
            past: Vec::new(),
            bells,
            lively,
            seldom: 4,
        }
    }

    /// The bytes.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Names of the words, in the order of the hits.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(|word| word.name.as_str())
    }

    /// Remembers the region as it is, to replay it.
    pub fn remember(&mut self) {
        if self.past.len() >= 4 {
            self.past.remove(0);
        }
        self.past.push(self.memory.copy(0, self.memory.len() & !7));
    }

    /// Restores all bytes.
    pub fn restore(&self, bytes: &[u8]) {
        self.memory.put(0, bytes);
    }

    /// One change of any kind.
    pub fn scribble(&mut self, random: &mut Random) {
        match random.below(400) {
            0 => self.noise(random),
            1 | 2 => self.replay(random),
            _ => {
                let lie = self.lie(random);
                self.tell(lie);
            }
        }
    }

    /// A page, or the beginning of one, of noise; or of one and the same value.
    pub fn noise(&mut self, random: &mut Random) {
        let from = PAGE * (1 + random.below((self.memory.len() / PAGE - 1) as u64) as usize);
        let len = [64, 256, PAGE][random.below(3) as usize];
        let same = [None, Some(0), Some(u64::MAX)][random.below(3) as usize];
        for at in (from..from + len).step_by(8) {
            self.memory.store(at, 8, same.unwrap_or_else(|| random.next_u64()));
        }
        self.scribbles += 1;
    }

    /// A page, or a few words, as they were at an earlier time.
    pub fn replay(&mut self, random: &mut Random) {
        if self.past.is_empty() {
            return;
        }
        let past = &self.past[random.below(self.past.len() as u64) as usize];
        let from = PAGE * (1 + random.below((self.memory.len() / PAGE - 1) as u64) as usize);
        let len = [64, 256, PAGE][random.below(3) as usize];
        self.memory.put(from, &past[from..from + len]);
        self.scribbles += 1;
    }

    /// Wakes who sleeps on a bell, whether or not it has changed.
    pub fn ring(&self) {
        self.bells.iter().for_each(|&bell| self.memory.wake(bell));
    }

    /// A lie in one word.
    pub fn lie(&mut self, random: &mut Random) -> Lie {
        let mut word = random.below(self.words.len() as u64) as usize;
        if random.below(self.seldom) != 0 {
            word = self.lively[random.below(self.lively.len() as u64) as usize];
        }
        self.hits[word] += 1;
        let (at, width) = self.place(&self.words[word].spot, random);
        let now = self.memory.load(at, width);
        let value = match &self.words[word] {
            // Somebody else, attached, asleep or awake: as a side looks that changes hands.
            Word { name, .. } if name.ends_with(".presence") && random.below(2) == 0 => {
                (now >> 34).wrapping_add(random.below(3)) << 34 | 1 << 32 | random.below(3)
            }
            Word { spot: Spot::Field(at, ..), .. } if self.slots > 0 && self.counts.contains(at) => {
                self.count(*at, now, random)
            }
            Word { spot: Spot::RecordHeader, .. } => self.value(now, width, true, random),
            _ => self.value(now, width, false, random),
        };
        Lie { at, width, value }
    }

    /// Changes the bytes; what was there can be told again.
    pub fn tell(&mut self, lie: Lie) -> Lie {
        let before = Lie { value: self.memory.load(lie.at, lie.width), ..lie };
        self.memory.store(lie.at, lie.width, lie.value);
        self.scribbles += 1;
        before
    }

    fn place(&self, spot: &Spot, random: &mut Random) -> (usize, usize) {
        match *spot {
            Spot::Field(at, len, width) => (at + random.below((len / width) as u64) as usize * width, width),
            Spot::Payload => (self.ring + random.below(self.capacity / 8) as usize * 8, 8),
            Spot::RecordHeader => {
                // Along the chain, as far as it makes sense; the last is a word of zero.
                let mask = self.capacity / 8 - 1;
                let mut position = self.memory.load(self.head, 8) >> 32;
                let steps = random.below(RECORDS as u64);
                for _ in 0..steps {
                    let header = self.memory.load(self.ring + ((position & mask) * 8) as usize, 8);
                    if header == 0 {
                        break;
                    }
                    let words = 1 + (header & 0xFFFF_FFFF).div_ceil(8);
                    position = (position + words).next_multiple_of(if words > 8 { 1 } else { 8 });
                }
                (self.ring + ((position & mask) * 8) as usize, 8)
            }
        }
    }

    /// What to write for one of the two counts of slots: about what the other allows, or anything.
    fn count(&self, at: usize, now: u64, random: &mut Random) -> u64 {
        let other = self.memory.load(self.counts[usize::from(at == self.counts[0])], 8);
        let near = [0, 1, self.slots - 1, self.slots, self.slots + 1, 1 << 31, 1 << 32, u64::MAX / 2];
        let by = near[random.below(near.len() as u64) as usize];
        match random.below(8) {
            0..=2 => other.wrapping_add(by),
            3 | 4 => other.wrapping_sub(by),
            5 => other.wrapping_add(random.below(self.slots)),
            _ => self.value(now, 8, false, random),
        }
    }

    /// What to write where `now` is.
    fn value(&self, now: u64, width: usize, is_header: bool, random: &mut Random) -> u64 {
        let capacity = self.capacity;
        let sizes = [
            0,
            1,
            7,
            8,
            16,
            capacity / 2 - 1,
            capacity / 2,
            capacity / 2 + 1,
            capacity / 2 + 8,
            capacity - 8,
            capacity - 1,
            capacity,
            capacity + 1,
            capacity + 128,
            capacity + 4096,
            u64::from(u32::MAX),
            u64::MAX,
        ];
        let size = sizes[random.below(sizes.len() as u64) as usize];
        if is_header && random.below(3) > 0 {
            // Well made but for one thing: the number that is expected, and a length that is not, or padding.
            let number = if now == 0 { self.memory.load(self.head + 8, 8) } else { now >> 32 } & 0x3FFF_FFFF;
            let number = number.wrapping_add([0, 0, 0, 1, u64::MAX][random.below(5) as usize]) & 0x3FFF_FFFF;
            let padding = u64::from(random.below(4) == 0) << 62;
            return 1 << 63 | padding | number << 32 | size & 0xFFFF_FFFF;
        }
        match random.below(8) {
            0 => now ^ 1 << random.below(width as u64 * 8),
            1 => now.wrapping_add(1),
            2 => now.wrapping_sub(1),
            3 => size,
            // In the upper half, where positions and states are; in words, as positions are.
            4 => size << 32 | now & 0xFFFF_FFFF,
            5 => (size / 8).wrapping_add(now >> 32) << 32 | random.below(3),
            // A number of somebody else's.
            6 => self.memory.load(PAGE * (1 + random.below(2) as usize) + random.below(28) as usize * 8, 8),
            _ => random.next_u64(),
        }
    }
}
