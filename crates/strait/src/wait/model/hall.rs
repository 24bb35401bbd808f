//! Eventcounts and a table of seats on the words of loom and of shuttle ([`super::page`], whose rules hold here too), the flaws that the models
//! must find, and what is waited for: things that are put down and taken up.

use super::page::{Life, World};
use crate::peer::seat::{CPU, DOORBELL, SEAT_BYTES, WAKE_AT};
use crate::wait::eventcount::UNFENCED;
use std::sync::Arc;
use std::sync::atomic::Ordering::{self, AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::time::Duration;
use strait_mem::{Parking, Shared, SharedMut, SharedRmw};

pub(super) const SEATS: u32 = 3;
pub(super) const EVENTS: usize = 2;
/// The seat of one who never sits: it only acts.
pub(super) const STANDS: u32 = 63;

/// What is wrong with the protocol under test, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It is as it is written.
    None,
    /// Who acts passes no barrier.
    NoLightBarrier,
    /// Who is about to sleep passes no barrier.
    NoHeavyBarrier,
    /// A sleep begins whatever the doorbell says.
    SleepsUnseeing,
    /// The doorbell is read after the bit was set.
    DoorbellLate,
    /// The bit is set after the second look.
    BitLate,
    /// A ring does not change the doorbell.
    DoorbellStill,
    /// A ring wakes nobody.
    NobodyWoken,
    /// Who is about to sleep does not look again after its announcement.
    NoSecondLook,
    /// Who rings clears the bit when it has woken the sleeper.
    ClearsLate,
    /// Who rings does not clear the bit.
    NeverClears,
    /// Who was rung for never knows.
    OwesNothing,
    /// Who passes a ring on takes all waits for the same.
    WaitsAlike,
    /// Who takes a seat rings for nobody.
    ComesSilently,
    /// It is not asked what a sleeper waits for.
    EnoughUnasked,
    /// The bit is set in any order.
    BitRelaxed,
    /// Who rings clears the bit in any order.
    ClearRelaxed,
    /// Where both are to fence, who acts does not.
    NoActorFence,
    /// Where both are to fence, who is about to sleep does not.
    NoSleeperFence,
    /// Who goes without a fence does not say so.
    ChoiceUnsaid,
    /// Who goes without a fence says so, and passes no barrier then.
    ChoiceUnfenced,
    /// Who is about to sleep does not look whether somebody goes without.
    ChoiceUnseen,
    /// Who fences again says so in any order.
    AgainRelaxed,
}

struct Seat<W: World> {
    doorbell: W::Word,
    wake_at: W::Word,
    bed: W::Bed,
}

/// What all share.
pub(super) struct Hall<W: World> {
    /// Who sleeps, by eventcount.
    asleep: [W::Word; EVENTS],
    /// Who acts without a fence, by eventcount.
    unfenced: [W::Word; EVENTS],
    /// Whether a light barrier is nothing, and who passes a heavy one goes: only what happens without one is looked at.
    is_about_choices: bool,
    seats: Vec<Seat<W>>,
    /// How many things lie there, by eventcount.
    things: [W::Word; EVENTS],
    wakes: AtomicUsize,
    announcements: AtomicUsize,
}

impl<W: World> Hall<W> {
    /// A hall in which nobody sleeps, with so many things of the first kind.
    pub(super) fn new(things: u64) -> Arc<Self> {
        Self::of(things, false)
    }

    /// An empty hall for who looks at choices of fences.
    pub(super) fn about_choices() -> Arc<Self> {
        Self::of(0, true)
    }

    fn of(things: u64, is_about_choices: bool) -> Arc<Self> {
        let seat = |_| Seat { doorbell: W::word(0), wake_at: W::word(0), bed: W::bed() };
        Arc::new(Self {
            asleep: [W::word(0), W::word(0)],
            unfenced: [W::word(0), W::word(0)],
            is_about_choices,
            seats: (0..SEATS).map(seat).collect(),
            things: [W::word(things), W::word(0)],
            wakes: AtomicUsize::new(0),
            announcements: AtomicUsize::new(0),
        })
    }

    /// Puts one thing down.
    pub(super) fn put(&self, event: usize) {
        // Release, as the commit of a message.
        W::add(&self.things[event], 1, Release);
    }

    /// How many there are.
    pub(super) fn count(&self, event: usize) -> u64 {
        W::load(&self.things[event], Acquire)
    }

    /// Takes one up, if there is one.
    pub(super) fn take(&self, event: usize) -> bool {
        loop {
            let there = self.count(event);
            if there == 0 || W::exchange(&self.things[event], there, there - 1) {
                return there > 0;
            }
        }
    }

    /// Nobody was rung for more often than it announced a sleep.
    pub(super) fn assert_rings(&self) {
        let (wakes, sleeps) = (self.wakes.load(Relaxed), self.announcements.load(Relaxed));
        assert!(wakes <= sleeps, "{wakes} rings for {sleeps} sleeps");
    }

    /// Whether a seat's bit is set.
    pub(super) fn is_asleep(&self, event: usize, seat: u32) -> bool {
        W::load(&self.asleep[event], Acquire) & 1 << seat != 0
    }

    pub(super) fn wakes(&self) -> usize {
        self.wakes.load(Relaxed)
    }
}

/// What the windows of one process share.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// The doorbell as it was when the bit had been set.
    late: AtomicU64,
    /// Bits that are still to be set, and to be cleared.
    to_set: AtomicU64,
    to_clear: AtomicU64,
    /// Whether the next full barrier is the one behind a choice, and whether a heavy one was passed.
    has_chosen: AtomicBool,
    is_excused: AtomicBool,
}

impl Notes {
    /// Whether what follows is of no interest: see [`Hall::about_choices`].
    pub(super) fn is_excused(&self) -> bool {
        self.is_excused.load(Relaxed)
    }
}

/// A window: on an eventcount's line, or on the seats.
pub(super) struct Window<W: World> {
    pub(super) hall: Arc<Hall<W>>,
    /// The line of this eventcount, or the seats.
    pub(super) line: Option<usize>,
    /// Whose it is.
    pub(super) seat: u32,
    pub(super) flaw: Flaw,
    pub(super) life: Life,
    pub(super) notes: Arc<Notes>,
}

impl<W: World> Window<W> {
    /// One step of the life.
    fn lives(&self) -> bool {
        self.life.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    fn bits(&self, offset: usize) -> &W::Word {
        match self.line {
            Some(event) if offset == 0 => &self.hall.asleep[event],
            Some(event) if offset == UNFENCED => &self.hall.unfenced[event],
            _ => panic!("the word at {offset} of a line is not part of the model"),
        }
    }

    fn seat(&self, offset: usize) -> (&Seat<W>, usize) {
        assert!(self.line.is_none(), "the word at {offset} of a line is not part of the model");
        let bytes = SEAT_BYTES as usize;
        (&self.hall.seats[offset / bytes], offset % bytes)
    }

    /// Hints for the length of the spinning, which the models leave out.
    fn is_hint(&self, offset: usize) -> bool {
        self.line.is_some() || offset % SEAT_BYTES as usize == CPU
    }

    fn set(&self, bits: u64, order: Ordering) -> u64 {
        let order = if self.flaw == Flaw::BitRelaxed { Relaxed } else { order };
        let before = W::or(self.bits(0), bits, order);
        if self.flaw == Flaw::DoorbellLate {
            let doorbell = W::load(&self.hall.seats[self.seat as usize].doorbell, Acquire);
            self.notes.late.store(doorbell, Relaxed);
        }
        before
    }
}

impl<W: World> Shared for Window<W> {
    fn len_bytes(&self) -> usize {
        SEATS as usize * SEAT_BYTES as usize
    }

    fn load_u32(&self, offset: usize, order: Ordering) -> u32 {
        if self.is_hint(offset) {
            return u32::MAX;
        }
        let (seat, field) = self.seat(offset);
        let word = match field {
            WAKE_AT if self.flaw == Flaw::WaitsAlike && self.seat != STANDS => {
                &self.hall.seats[self.seat as usize].wake_at
            }
            WAKE_AT => &seat.wake_at,
            DOORBELL => &seat.doorbell,
            _ => panic!("the word at {field} of a seat is not part of the model"),
        };
        // Truncation: what was stored had 4 bytes.
        W::load(word, order) as u32
    }

    fn load_u64(&self, offset: usize, order: Ordering) -> u64 {
        if offset == UNFENCED && self.flaw == Flaw::ChoiceUnseen {
            return 0;
        }
        W::load(self.bits(offset), order)
    }

    fn read(&self, offset: usize, _: &mut [u8]) {
        panic!("bytes are read at {offset}")
    }
}

impl<W: World> SharedMut for Window<W> {
    fn store_u32(&self, offset: usize, value: u32, order: Ordering) {
        if self.is_hint(offset) || !self.lives() {
            return;
        }
        let (seat, field) = self.seat(offset);
        assert_eq!(field, WAKE_AT, "the word at {field} of a seat is not stored");
        W::store(&seat.wake_at, u64::from(value), order);
    }

    fn store_u64(&self, offset: usize, _: u64, _: Ordering) {
        panic!("the word at {offset} is not stored")
    }

    fn write(&self, offset: usize, _: &[u8]) {
        panic!("bytes are written at {offset}")
    }
}

impl<W: World> SharedRmw for Window<W> {
    fn compare_exchange_u64(&self, at: usize, _: u64, _: u64, _: Ordering, _: Ordering) -> Result<u64, u64> {
        panic!("the word at {at} is not exchanged")
    }

    fn fetch_add_u32(&self, offset: usize, add: u32, order: Ordering) -> u32 {
        let (seat, field) = self.seat(offset);
        assert_eq!(field, DOORBELL, "the word at {field} of a seat is not added to");
        if self.flaw == Flaw::DoorbellStill || !self.lives() {
            return 0;
        }
        W::add(&seat.doorbell, u64::from(add), order) as u32
    }

    fn fetch_add_u64(&self, offset: usize, _: u64, _: Ordering) -> u64 {
        panic!("the word at {offset} is not added to")
    }

    fn fetch_or_u64(&self, offset: usize, bits: u64, order: Ordering) -> u64 {
        if !self.lives() {
            return 0;
        }
        if offset == UNFENCED {
            self.notes.has_chosen.store(true, Relaxed);
            let said = if self.flaw == Flaw::ChoiceUnsaid { 0 } else { bits };
            return W::or(self.bits(offset), said, order);
        }
        self.hall.announcements.fetch_add(1, Relaxed);
        if self.flaw == Flaw::BitLate {
            self.notes.to_set.store(bits, Relaxed);
            return 0;
        }
        self.set(bits, order)
    }

    fn fetch_and_u64(&self, offset: usize, bits: u64, order: Ordering) -> u64 {
        if !self.lives() {
            return 0;
        }
        if offset == UNFENCED {
            let order = if self.flaw == Flaw::AgainRelaxed { Relaxed } else { order };
            return W::and(self.bits(offset), bits, order);
        }
        let is_own = !bits == 1 << self.seat;
        match self.flaw {
            Flaw::ClearRelaxed if !is_own => W::and(self.bits(offset), bits, Relaxed),
            Flaw::OwesNothing if is_own => W::and(self.bits(offset), bits, order) | !bits,
            Flaw::NeverClears if !is_own => W::load(self.bits(offset), Acquire),
            Flaw::ClearsLate if !is_own => {
                self.notes.to_clear.store(!bits, Relaxed);
                W::load(self.bits(offset), Acquire)
            }
            _ => W::and(self.bits(offset), bits, order),
        }
    }
}

impl<W: World> Parking for Window<W> {
    fn sleep_while(&self, offset: usize, expected: u32, _: Duration) -> bool {
        let (seat, _) = self.seat(offset);
        let to_set = self.notes.to_set.swap(0, Relaxed);
        if to_set != 0 {
            // Which eventcount it is of is the same to these models: the first.
            W::or(&self.hall.asleep[0], to_set, AcqRel);
        }
        let expected = match self.flaw {
            Flaw::DoorbellLate => self.notes.late.load(Relaxed),
            _ => u64::from(expected),
        };
        let is_same = || W::load(&seat.doorbell, Relaxed) == expected;
        W::sleep(&seat.bed, || self.flaw == Flaw::SleepsUnseeing || is_same());
        false
    }

    fn wake(&self, offset: usize) {
        if !self.lives() {
            return;
        }
        let (seat, _) = self.seat(offset);
        self.hall.wakes.fetch_add(1, Relaxed);
        if self.flaw != Flaw::NobodyWoken {
            W::wake(&seat.bed);
        }
        let to_clear = self.notes.to_clear.swap(0, Relaxed);
        if to_clear != 0 {
            W::and(&self.hall.asleep[0], !to_clear, AcqRel);
        }
    }

    fn is_barrier_light(&self) -> bool {
        true
    }

    fn light_barrier(&self) {
        if self.flaw != Flaw::NoLightBarrier && !self.hall.is_about_choices {
            W::fence();
        }
    }

    fn heavy_barrier(&self) {
        self.notes.is_excused.fetch_or(self.hall.is_about_choices, Relaxed);
        if self.flaw != Flaw::NoHeavyBarrier {
            W::fence();
        }
    }

    fn full_barrier(&self) {
        if self.notes.has_chosen.swap(false, Relaxed) && self.flaw == Flaw::ChoiceUnfenced {
            return;
        }
        let missing = if self.seat == STANDS { Flaw::NoActorFence } else { Flaw::NoSleeperFence };
        if self.flaw != missing {
            W::fence();
        }
    }
}
