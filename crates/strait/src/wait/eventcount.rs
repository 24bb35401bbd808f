//! An eventcount: many sides may sleep until something happens, and many may make it happen; without a system call or a fence while
//! nobody sleeps.
//!
//! | offset | field | who writes |
//! |---:|---|---|
//! | 0 | `asleep`: 4 words of 64 bits, one for each seat: its owner sleeps, or is about to | the sleeper sets its own, who rings clears it |
//! | 32 | `rung_on`: the core from which somebody was last rung for | who rings |
//!
//! Each sleeper sleeps on the doorbell of its own seat ([`crate::peer::seat`]), whatever it waits for.
//!
//! ```text
//! A: make it happen                       W: read our doorbell               (1)
//!    light barrier                           set our bit                     (2)
//!    load the bits                           heavy barrier                   (3)
//!    any? clear one                          has it happened? then awake     (4)
//!       doorbell += 1                        sleep while the doorbell is as read (5)
//!       wake who sleeps on it                clear our bit
//! ```
//!
//! 1. *No wake-up is lost.* By the barriers (`COUNT-ANNOUNCE`), A sees W's bit or W sees what happened. If A sees it, it changes the
//!    doorbell after W has read it, so W's sleep ends or does not begin.
//! 2. A bit is cleared by who rings, so a burst of actions rings each sleeper once; the bit of a dead sleeper costs one ring and is gone.
//! 3. When one of several is rung for ([`Wake::One`]) and its bit was cleared, it owes the event: if it gives up without taking what
//!    happened, it rings for another ([`Chair::is_owing`]). If it dies first, the others find out when their slice ends.
//! 4. A peer that lies can ring for nothing or clear bits; each sleep ends after a slice anyway. Bits of no seat are not looked at.

use crate::peer::seat::{CPU, DOORBELL, SEAT_BYTES, SEATS_MAX, WAKE_AT};
use crate::wait::turn::Sleeper;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::time::Duration;
use strait_mem::{Parking, SharedRmw};

/// An eventcount has a cache line of its own.
pub(crate) const EVENT_BYTES: u64 = 64;
const RUNG_ON: usize = 32;
const WORD_BITS: u32 = 64;
const WORDS: u32 = SEATS_MAX / WORD_BITS;
const _: () = assert!(WORDS as usize * 8 == RUNG_ON);

/// Name, offset and length of each field.
pub(crate) const FIELDS: [(&str, usize, usize); 5] =
    [("asleep_0", 0, 8), ("asleep_1", 8, 8), ("asleep_2", 16, 8), ("asleep_3", 24, 8), ("rung_on", RUNG_ON, 4)];

/// Who is to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// As many as there are things to take, at the most.
    UpTo(u32),
    Everybody,
}

impl Wake {
    /// One thing has come that one sleeper can take.
    #[allow(non_upper_case_globals)]
    pub(crate) const One: Self = Self::UpTo(1);
}

/// An eventcount as one side sees it: its line, and the table of seats.
#[derive(Debug)]
pub(crate) struct EventCount<W> {
    line: W,
    seats: W,
    count: u32,
    /// Where the next search for a sleeper begins, so that each has its turn.
    next: u32,
}

impl<W: SharedRmw + Parking> EventCount<W> {
    /// `line` is at least [`EVENT_BYTES`] long, `seats` has `count` of them.
    pub(crate) fn new(line: W, seats: W, count: u32) -> Self {
        debug_assert!(count <= SEATS_MAX);
        Self { line, seats, count, next: 0 }
    }

    /// To be called after each action that others may wait for.
    #[inline]
    pub(crate) fn after_action(&mut self, wake: Wake) {
        self.after_action_if(wake, |_| true);
    }

    /// The same, for those only of whom `is_enough` for what they wait for ([`WAKE_AT`]).
    #[inline]
    pub(crate) fn after_action_if(&mut self, wake: Wake, is_enough: impl Fn(u32) -> bool) {
        // COUNT-ANNOUNCE, the frequent half: the action is stored before the bits are loaded.
        self.line.light_barrier();
        let words = self.count.div_ceil(WORD_BITS);
        if (0..words).any(|word| self.line.load_u64(word as usize * 8, Relaxed) != 0) {
            self.ring(wake, is_enough);
        }
    }

    #[cold]
    #[inline(never)]
    fn ring(&mut self, wake: Wake, is_enough: impl Fn(u32) -> bool) {
        let mut left = match wake {
            Wake::UpTo(count) => count,
            Wake::Everybody => self.count,
        };
        let first = self.next;
        for seat in (first..self.count).chain(0..first.min(self.count)) {
            if left == 0 {
                break;
            }
            if !self.is_asleep(seat) || !is_enough(self.seats.load_u32(at(seat, WAKE_AT), Relaxed)) {
                continue;
            }
            let bit = 1 << (seat % WORD_BITS);
            // AcqRel: whoever sets it again has seen what came before, and we see what it stored before it was set.
            if self.line.fetch_and_u64(word_of(seat), !bit, AcqRel) & bit == 0 {
                // Somebody else rings for it, or it is awake.
                continue;
            }
            self.line.store_u32(RUNG_ON, strait_sys::getcpu::current(), Relaxed);
            ring_at(&self.seats, seat);
            self.next = seat + 1;
            left -= 1;
        }
    }

    fn is_asleep(&self, seat: u32) -> bool {
        // Acquire: what it waits for was stored before the bit.
        self.line.load_u64(word_of(seat), Acquire) & 1 << (seat % WORD_BITS) != 0
    }
}

/// Rings the doorbell of one seat, whatever its owner waits for.
pub(crate) fn ring_at<W: SharedRmw + Parking>(seats: &W, seat: u32) {
    // Release: who finds its doorbell changed finds why.
    seats.fetch_add_u32(at(seat, DOORBELL), 1, Release);
    seats.wake(at(seat, DOORBELL));
}

fn at(seat: u32, field: usize) -> usize {
    seat as usize * SEAT_BYTES as usize + field
}

fn word_of(seat: u32) -> usize {
    (seat / WORD_BITS) as usize * 8
}

/// Where the owner of a seat sits and waits for one eventcount.
#[derive(Debug)]
pub(crate) struct Chair<'a, W> {
    event: &'a EventCount<W>,
    seat: u32,
    is_owing: bool,
}

impl<'a, W: SharedRmw + Parking> Chair<'a, W> {
    pub(crate) fn new(event: &'a EventCount<W>, seat: u32) -> Self {
        Self { event, seat, is_owing: false }
    }

    /// Whether somebody has rung for us: who then takes nothing must pass it on (rule 3).
    pub(crate) fn is_owing(&self) -> bool {
        self.is_owing
    }

    fn bit(&self) -> u64 {
        1 << (self.seat % WORD_BITS)
    }

    /// Steps 1 and 2 of who waits; says what the doorbell was. Step 3, the barrier, is the caller's: who waits on many passes it once.
    pub(crate) fn announce_alone(&mut self, wake_at: u32) -> u32 {
        let seats = &self.event.seats;
        // Acquire: step 1, before step 2.
        let doorbell = seats.load_u32(at(self.seat, DOORBELL), Acquire);
        seats.store_u32(at(self.seat, WAKE_AT), wake_at, Relaxed);
        // Release: what we wait for is stored before the bit. Acquire, pairs with the clearing of it.
        self.event.line.fetch_or_u64(word_of(self.seat), self.bit(), AcqRel);
        doorbell
    }
}

impl<W: SharedRmw + Parking> Sleeper for Chair<'_, W> {
    type Announced = u32;

    fn announce(&mut self, wake_at: u32) -> u32 {
        let doorbell = self.announce_alone(wake_at);
        // COUNT-ANNOUNCE, the rare half: the bit is stored before the caller loads what it waits for.
        self.event.line.full_barrier();
        self.event.line.heavy_barrier();
        doorbell
    }

    fn sleep(&self, doorbell: u32, timeout: Duration) -> bool {
        self.event.seats.sleep_while(at(self.seat, DOORBELL), doorbell, timeout)
    }

    fn wake_up(&mut self) {
        // AcqRel, as in `ring`.
        let before = self.event.line.fetch_and_u64(word_of(self.seat), !self.bit(), AcqRel);
        self.is_owing |= before & self.bit() == 0;
    }

    fn peer_cpu(&self) -> u32 {
        self.event.line.load_u32(RUNG_ON, Relaxed)
    }

    fn set_cpu(&self, cpu: u32) {
        if self.event.seats.load_u32(at(self.seat, CPU), Relaxed) != cpu {
            self.event.seats.store_u32(at(self.seat, CPU), cpu, Relaxed);
        }
    }
}
