//! What a liar writes, and where: every writable word of a layout by name, and the values that are most likely to break somebody.

use super::memory::Memory;
use super::world::Place;
use crate::random::Random;
use std::sync::Arc;
use strait::channel::layout::{Field, Part};

const PAGE: usize = 4096;

/// Where a word is, of the width that is said with it.
type Spot = Arc<dyn Fn(&Memory, &mut Random) -> (usize, usize) + Send + Sync>;
/// What is likely to be believed at that place, where this is; `None`: any value will do.
type Value = Arc<dyn Fn(&Memory, usize, u64, &mut Random) -> Option<u64> + Send + Sync>;

/// A word, or a kind of words, that lies are told in.
#[derive(Clone)]
pub struct Word {
    /// `receiver.head`, and in the report `spsc/receiver.head`.
    pub name: String,
    /// How often it is chosen, of those that are read all the time; 0: only when any word is.
    weight: usize,
    spot: Spot,
    value: Option<Value>,
}

impl Word {
    /// A kind of words, of which one is chosen each time: where it begins, and how wide it is.
    pub fn new(name: &str, spot: impl Fn(&Memory, &mut Random) -> (usize, usize) + Send + Sync + 'static) -> Self {
        Self { name: name.to_owned(), weight: 1, spot: Arc::new(spot), value: None }
    }

    /// Any word of a field.
    fn of(field: &Field) -> Self {
        let (at, len) = (field.offset as usize, field.len_bytes as usize);
        let width = if len % 8 == 0 { 8 } else { 4 };
        let words = (len / width).max(1) as u64;
        let spot = move |_: &Memory, random: &mut Random| (at + random.below(words) as usize * width, width);
        Self::new(&format!("{}.{}", field.part, field.name), spot)
    }

    /// The same, chosen so many times as often as others.
    #[must_use]
    pub fn weight(self, weight: usize) -> Self {
        Self { weight, ..self }
    }

    /// The same, with values that are likely to be believed: by the memory, where the word is, and what it holds.
    #[must_use]
    pub fn value(
        self,
        value: impl Fn(&Memory, usize, u64, &mut Random) -> Option<u64> + Send + Sync + 'static,
    ) -> Self {
        Self { value: Some(Arc::new(value)), ..self }
    }
}

/// A change of the bytes.
#[derive(Clone, Copy, Debug)]
pub struct Lie {
    at: usize,
    width: usize,
    value: u64,
}

/// The liar: the bytes, what it knows of them, and how often it has hit what.
pub struct Liar {
    memory: Memory,
    words: Vec<Word>,
    /// One for each word.
    pub hits: Vec<u64>,
    /// All changes, pages counted as one.
    pub scribbles: u64,
    capacity: u64,
    /// What the region looked like at earlier times.
    past: Vec<Vec<u8>>,
    /// Where all bells are.
    bells: Vec<usize>,
    /// Indices of the words that are read all the time, the most read more than once.
    lively: Vec<usize>,
    /// Of how many lies one is told in any word; the others in lively ones.
    pub seldom: u64,
}

/// The words of a layout: each field, but for locks, which have no bytes.
#[must_use]
pub fn of(layout: &[Field]) -> Vec<Word> {
    let weighed = |field: &Field| {
        let word = Word::of(field);
        match (field.part, field.name) {
            (Part::Header, _) => word.weight(0),
            (Part::Seat(_), "presence") => word.weight(5).value(presence),
            (Part::Seat(_), "pid" | "start_ticks" | "pid_namespace" | "since_ns") => word.weight(0),
            (_, "presence") => word.weight(5),
            (Part::Body, _) => word.weight(3),
            _ => word,
        }
    };
    layout.iter().filter(|field| field.part != Part::Locks).map(weighed).collect()
}

/// Of a seat: somebody else, or the same, attached or gone.
fn presence(_: &Memory, _: usize, now: u64, random: &mut Random) -> Option<u64> {
    (random.below(2) == 0).then(|| (now >> 32).wrapping_add(random.below(3)) << 32 | random.below(4))
}

/// Numbers around so many bytes, or things.
#[must_use]
pub fn sizes(capacity: u64) -> [u64; 17] {
    let half = capacity / 2;
    [
        0,
        1,
        7,
        8,
        16,
        half.wrapping_sub(1),
        half,
        half + 1,
        half + 8,
        capacity.wrapping_sub(8),
        capacity.wrapping_sub(1),
        capacity,
        capacity + 1,
        capacity + 128,
        capacity + 4096,
        u64::from(u32::MAX),
        u64::MAX,
    ]
}

/// One of several.
pub fn any<T: Copy>(of: &[T], random: &mut Random) -> T {
    of[random.below(of.len() as u64) as usize]
}

impl Liar {
    /// A liar with the region of a world mapped.
    #[must_use]
    pub fn new(memory: Memory, place: &Place) -> Self {
        let words = place.words();
        let layout = place.world.layout();
        let is_bell = |it: &&Field| matches!(it.name, "bell" | "doorbell");
        Self {
            memory,
            hits: vec![0; words.len()],
            scribbles: 0,
            capacity: place.world.capacity(),
            past: Vec::new(),
            bells: layout.iter().filter(is_bell).map(|it| it.offset as usize).collect(),
            lively: words.iter().enumerate().flat_map(|(at, word)| vec![at; word.weight]).collect(),
            words,
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
        if random.below(self.seldom) != 0 && !self.lively.is_empty() {
            word = any(&self.lively, random);
        }
        self.lie_in(word, random)
    }

    /// A lie in each word, one after the other, told and taken back: that every word was hit is no matter of luck.
    pub fn round(&mut self, random: &mut Random) {
        for word in 0..self.words.len() {
            let lie = self.lie_in(word, random);
            let truth = self.tell(lie);
            self.tell(truth);
        }
    }

    fn lie_in(&mut self, word: usize, random: &mut Random) -> Lie {
        self.hits[word] += 1;
        let Word { spot, value, .. } = &self.words[word];
        let (at, width) = spot(&self.memory, random);
        let now = self.memory.load(at, width);
        let likely = value.as_ref().and_then(|value| value(&self.memory, at, now, random));
        Lie { at, width, value: likely.unwrap_or_else(|| self.value(now, width, random)) }
    }

    /// Changes the bytes; what was there can be told again.
    pub fn tell(&mut self, lie: Lie) -> Lie {
        let before = Lie { value: self.memory.load(lie.at, lie.width), ..lie };
        self.memory.store(lie.at, lie.width, lie.value);
        self.scribbles += 1;
        before
    }

    /// What to write where `now` is.
    fn value(&self, now: u64, width: usize, random: &mut Random) -> u64 {
        let size = any(&sizes(self.capacity), random);
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
