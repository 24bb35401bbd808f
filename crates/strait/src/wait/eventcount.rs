//! An eventcount: many sides may sleep until something happens, and many may make it happen; without a system call while nobody sleeps,
//! and without a fence while nobody has for a while.
//!
//! | offset | field | who writes |
//! |---:|---|---|
//! | 0 | `asleep`: 4 words of 64 bits, one for each seat: its owner sleeps, or is about to | the sleeper sets its own, who rings clears it |
//! | 32 | `rung_on`: the core from which somebody was last rung for | who rings |
//! | 40 | `unfenced`: bit n is set while the owner of seat n acts without a fence (rule 9) | who acts sets and clears its own |
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
//! 3. When one of several is rung for ([`Wake::ONE`]) and its bit was cleared, it owes a try: one that comes after it has seen that it was
//!    rung for. If it goes without one, it rings for another ([`Waiter`]). That is so if it gives up at once, and also if it *takes* something
//!    between its announcement and its sleep: what it took may be older than what it was rung for. If it dies first, the others find out
//!    when their slice ends.
//! 4. Who takes a seat rings for everybody: a bit of the seat's last owner, who died asleep, is cleared with all the others.
//! 5. Rings are counted ([`Wake::UpTo`]) by sleepers who can take what has come, for that is what `wake_at` says. One who passes a ring on
//!    does not know what it was rung for: it rings for one who waits for the same as itself, and for all who wait for something else.
//! 6. A doorbell is the seat's, and not the eventcount's: a late ring for an earlier wait wakes for nothing, and no more.
//! 7. A peer that lies can ring for nothing or clear bits, and one that is killed between a bit and its ring has rung for nobody; each sleep
//!    ends after a slice anyway, and for a task the bridge looks whether its bit still stands ([`is_in`]). Bits of no seat
//!    are not looked at.
//! 8. Where an action is there to wake somebody, it passes a full barrier, and so does who falls asleep: 10 ns for the one instead of a system call
//!    for the other. All who use the eventcount must do the same.
//! 9. In a channel each who acts does as it pays ([`EventCount::choose_fences`]): it passes a fence while it often meets sleepers, and else none
//!    but for the compiler, and says so by its bit in `unfenced`. Who falls asleep passes a full barrier and loads these bits; the heavy one
//!    only if there are any. `FENCE-CHOICE`: an actor sets its bit and then passes a full barrier, so either the sleeper sees the bit, or the
//!    actor sees from then on that it sleeps; and it clears its bit by a release, so who sees it cleared sees what was done without a
//!    fence. The bit of one who died costs others a heavy barrier, until somebody takes its seat.

use crate::peer::seat::{CPU, DOORBELL, PRESENCE, Presence, SEAT_BYTES, SEATS_MAX, State, WAKE_AT};
use crate::wait::Strategy;
use crate::wait::turn::{Sleeper, Step, Turn, Waiting};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::time::Duration;
use strait_mem::{Parking, Shared, SharedRmw};

/// An eventcount has a cache line of its own.
pub(crate) const EVENT_BYTES: u64 = 64;
const RUNG_ON: usize = 32;
pub(super) const UNFENCED: usize = 40;
/// How many actions pass a fence before the next goes without: at first, for each who was rung for, and at the most. A fence is about 10 ns, and
/// a heavy barrier, where it has to reach into another core, as much as some hundred of them.
const FENCED_FIRST: u32 = 64;
const FENCED_FOR_RING: u32 = 256;
const FENCED_MAX: u32 = 2048;
const WORD_BITS: u32 = 64;
pub(crate) const WORDS: u32 = SEATS_MAX / WORD_BITS;
const _: () = assert!(WORDS as usize * 8 == RUNG_ON);

/// Name, offset and length of each field.
pub(crate) const FIELDS: [(&str, usize, usize); 6] = [
    ("asleep_0", 0, 8),
    ("asleep_1", 8, 8),
    ("asleep_2", 16, 8),
    ("asleep_3", 24, 8),
    ("rung_on", RUNG_ON, 4),
    ("unfenced", UNFENCED, 8),
];

/// Who is to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// As many as there are things to take, at the most.
    UpTo(u32),
    Everybody,
}

impl Wake {
    /// One thing has come that one sleeper can take.
    pub(crate) const ONE: Self = Self::UpTo(1);
}

/// An eventcount as one side sees it: its line, and the table of seats.
#[derive(Debug)]
pub(crate) struct EventCount<W, L = W> {
    line: L,
    seats: W,
    count: u32,
    /// In how many words the seats' bits lie.
    words: u32,
    /// Where the next search for a sleeper begins, so that each has its turn.
    next: u32,
    /// Whether our half of `COUNT-ANNOUNCE`, when we act, is a full barrier.
    is_fenced: bool,
    /// Whether it is none but for the compiler.
    is_lightest: bool,
    /// Where that is as it pays (rule 9).
    choice: Option<Choice>,
}

/// What who chooses remembers.
#[derive(Debug)]
struct Choice {
    /// Our bit in `unfenced`.
    bit: u64,
    /// Actions that pass a fence before the next goes without.
    fenced_left: u32,
}

impl<W: SharedRmw + Parking, L: SharedRmw + Parking> EventCount<W, L> {
    /// `line` is at least [`EVENT_BYTES`] long, `seats` has `count` of them.
    pub(crate) fn new(line: L, seats: W, count: u32) -> Self {
        debug_assert!(count <= SEATS_MAX);
        let is_lightest = line.is_barrier_light();
        let words = count.div_ceil(WORD_BITS);
        Self { line, seats, count, words, next: 0, is_fenced: false, is_lightest, choice: None }
    }

    /// Goes without only where [`Parking::is_barrier_light`].
    fn set_fenced(&mut self, is_fenced: bool) {
        self.is_fenced = is_fenced;
        self.is_lightest = !is_fenced;
    }

    /// Passes a fence in each action, so that who falls asleep needs no more than a fence either: where actions wake as a rule (rule 8).
    pub(crate) fn fence_actions(&mut self) {
        self.set_fenced(true);
    }

    /// From now on passes a fence in each action of ours, or none, as it pays (rule 9): all who use the eventcount do so, or fence always
    /// ([`Self::fence_actions`]). Where there are more seats than bits, nobody ever fences.
    pub(crate) fn choose_fences(&mut self, seat: u32) {
        self.choose_fences_after(seat, FENCED_FIRST);
    }

    pub(super) fn choose_fences_after(&mut self, seat: u32, fenced_left: u32) {
        if self.words > 1 {
            return;
        }
        let bit = 1 << (seat % WORD_BITS);
        self.set_fenced(true);
        self.choice = Some(Choice { bit, fenced_left });
        // Relaxed: it is of the seat's last owner, whose actions are over: its lease was free before ours was taken.
        self.line.fetch_and_u64(UNFENCED, !bit, Relaxed);
    }

    /// An action has passed its fence: after the last one we go without.
    #[cold]
    #[inline(never)]
    fn count_fence(&mut self) {
        let Some(choice) = &mut self.choice else { return };
        choice.fenced_left = choice.fenced_left.saturating_sub(1);
        let bit = choice.bit;
        // Where the light barrier is a full one nothing is gained, and others would pay for the bit.
        if choice.fenced_left == 0 && self.line.is_barrier_light() {
            self.set_fenced(false);
            self.line.fetch_or_u64(UNFENCED, bit, Relaxed);
            // FENCE-CHOICE: the bit is set before anybody's sleep is looked for.
            self.line.full_barrier();
        }
    }

    /// So many sleepers were rung for, who need no heavy barrier the next time if we fence.
    fn choose_by(&mut self, rung: u32) {
        let Some(choice) = &mut self.choice else { return };
        choice.fenced_left = choice.fenced_left.saturating_add(rung.saturating_mul(FENCED_FOR_RING)).min(FENCED_MAX);
        if rung > 0 {
            self.fence_again();
        }
    }

    /// Passes a fence in the next action, whatever was chosen. Who leaves does so: nobody else clears its bit.
    pub(crate) fn fence_again(&mut self) {
        if let (false, Some(bit)) = (self.is_fenced, self.choice.as_ref().map(|choice| choice.bit)) {
            self.set_fenced(true);
            // Release, FENCE-CHOICE: what was done without a fence is seen by who sees that there is none of it any more.
            self.line.fetch_and_u64(UNFENCED, !bit, Release);
        }
    }

    /// Whether each who acts passes a fence, so that a sleeper needs no heavy barrier. Asked after the announcement and a full barrier.
    pub(crate) fn are_actions_fenced(&self) -> bool {
        match self.choice {
            // Acquire, FENCE-CHOICE.
            Some(_) => self.line.load_u64(UNFENCED, Acquire) & self.bits_of_seats() == 0,
            None => self.is_fenced,
        }
    }

    /// Of one word.
    fn bits_of_seats(&self) -> u64 {
        u64::MAX >> WORD_BITS.saturating_sub(self.count.max(1))
    }

    /// COUNT-ANNOUNCE, the frequent half: the action is stored before the bits are loaded.
    #[inline(always)]
    fn barrier_of_actor(&self) {
        if self.is_fenced {
            self.line.full_barrier();
        } else {
            self.line.light_barrier();
        }
    }

    /// To be called after each action that others may wait for.
    #[inline]
    pub(crate) fn after_action(&mut self, wake: Wake) {
        self.after_action_if(wake, |_| true);
    }

    /// The same, for those only of whom `is_enough` for what they wait for ([`WAKE_AT`]).
    #[inline]
    pub(crate) fn after_action_if(&mut self, wake: Wake, is_enough: impl Fn(u32) -> bool) {
        self.chosen_barrier_of_actor();
        if self.is_anybody_asleep() {
            let rung = self.ring(wake, is_enough);
            self.choose_by(rung);
        }
    }

    /// The same, where only the owner of one seat can wait for it.
    #[inline]
    pub(crate) fn after_action_for(&mut self, seat: u32, is_enough: impl Fn(u32) -> bool) {
        self.chosen_barrier_of_actor();
        if self.is_asleep(seat) && is_enough(self.seats.load_u32(at(seat, WAKE_AT), Relaxed)) {
            let is_rung = self.ring_for(seat);
            self.choose_by(is_rung.into());
        }
    }

    /// The same, whatever it waits for, by who has not chosen.
    pub(crate) fn act_for(&self, seat: u32) {
        debug_assert!(self.choice.is_none(), "who has chosen counts");
        self.barrier_of_actor();
        if self.is_asleep(seat) {
            self.ring_for(seat);
        }
    }

    #[inline(always)]
    fn chosen_barrier_of_actor(&mut self) {
        if self.is_lightest {
            // COUNT-ANNOUNCE, as in `barrier_of_actor`.
            self.line.lightest_barrier();
            return;
        }
        self.barrier_of_actor();
        if self.is_fenced {
            self.count_fence();
        }
    }

    /// Whether somebody is to be rung for after an action: [`Self::after_action`], for who has yet to find out whom.
    #[inline(always)]
    pub(crate) fn is_anybody_to_ring(&self) -> bool {
        self.barrier_of_actor();
        self.is_anybody_asleep()
    }

    /// What the owner of a seat waits for, if it does.
    pub(crate) fn wake_at(&self, seat: u32) -> u32 {
        self.seats.load_u32(at(seat, WAKE_AT), Relaxed)
    }

    /// Says whether it was to be rung for.
    #[cold]
    #[inline(never)]
    fn ring_for(&self, seat: u32) -> bool {
        let is_taken = self.take_bit(seat);
        if is_taken {
            self.ring_taken(seat);
        }
        is_taken
    }

    /// Clears the bit of a seat; whoever does owes it a ring. `false`: somebody else rings for it, or it is awake.
    fn take_bit(&self, seat: u32) -> bool {
        let bit = 1 << (seat % WORD_BITS);
        // AcqRel: whoever sets it again has seen what came before, and we see what it stored before it was set.
        self.line.fetch_and_u64(word_of(seat), !bit, AcqRel) & bit != 0
    }

    fn ring_taken(&self, seat: u32) {
        self.line.store_u32(RUNG_ON, strait_sys::getcpu::current(), Relaxed);
        ring_at(&self.seats, seat);
    }

    /// Says how many were rung for.
    #[cold]
    #[inline(never)]
    fn ring(&mut self, wake: Wake, is_enough: impl Fn(u32) -> bool) -> u32 {
        let mut rung = 0;
        let mut left = match wake {
            Wake::UpTo(count) => count,
            Wake::Everybody => self.count,
        };
        let first = self.next;
        for seat in (first..self.count).chain(0..first.min(self.count)) {
            if left == 0 {
                break;
            }
            let is_wanted = |seats: &W| is_enough(seats.load_u32(at(seat, WAKE_AT), Relaxed));
            if !self.is_asleep(seat) || !is_wanted(&self.seats) {
                continue;
            }
            if !self.take_bit(seat) {
                continue;
            }
            // Asked again: it may have woken and announced another wait since, and rings are counted by what they are for.
            left -= u32::from(is_wanted(&self.seats));
            self.ring_taken(seat);
            self.next = seat + 1;
            rung += 1;
        }
        rung
    }

    /// Rings for others in our place (rule 5).
    #[cold]
    #[inline(never)]
    fn pass_on(&mut self, wake_at: u32) {
        // Not counted as an action: who only sleeps goes on fencing.
        self.barrier_of_actor();
        if self.is_anybody_asleep() {
            let rung = self.ring(Wake::ONE, |it| it == wake_at) + self.ring(Wake::Everybody, |it| it != wake_at);
            self.choose_by(rung);
        }
    }

    /// Whether anybody sleeps, or is about to.
    #[inline(always)]
    pub(crate) fn is_anybody_asleep(&self) -> bool {
        // Nearly always there is one.
        self.has_bits(0) || self.words > 1 && self.is_anybody_asleep_further()
    }

    /// Whether all seats have their bits in one word, and the frequent half of the barrier is one for the compiler: then
    /// [`Self::is_any_of_few_asleep`] and [`Self::is_any_of_few_to_ring`] speak for all, from now on.
    pub(crate) fn has_few(&self) -> bool {
        debug_assert!(self.choice.is_none(), "who has chosen may choose again");
        self.words == 1 && !self.is_fenced && self.line.is_barrier_light()
    }

    /// [`Self::is_anybody_asleep`], in one load.
    #[inline(always)]
    pub(crate) fn is_any_of_few_asleep(&self) -> bool {
        self.has_bits(0)
    }

    /// [`Self::is_anybody_to_ring`], in one load.
    #[inline(always)]
    pub(crate) fn is_any_of_few_to_ring(&self) -> bool {
        // COUNT-ANNOUNCE, as in `after_action`.
        self.line.lightest_barrier();
        self.has_bits(0)
    }

    #[inline(never)]
    fn is_anybody_asleep_further(&self) -> bool {
        (1..self.words).any(|word| self.has_bits(word))
    }

    #[inline(always)]
    fn has_bits(&self, word: u32) -> bool {
        self.line.load_u64(word as usize * 8, Relaxed) != 0
    }

    /// The seats of those who sleep, or are about to.
    pub(crate) fn asleep(&self) -> impl Iterator<Item = u32> {
        (0..self.count).filter(|&seat| self.is_asleep(seat))
    }

    fn is_asleep(&self, seat: u32) -> bool {
        // Acquire: what it waits for was stored before the bit.
        self.line.load_u64(word_of(seat), Acquire) & 1 << (seat % WORD_BITS) != 0
    }
}

/// The words of the eventcount at `at`, for who only looks.
pub(crate) fn asleep_words(words: &impl Shared, at: usize) -> [u64; WORDS as usize] {
    // Relaxed: a picture of a moment.
    std::array::from_fn(|word| words.load_u64(at + word * 8, Relaxed))
}

/// Whether the owner of a seat sleeps, by those words.
pub(crate) fn is_in(words: &[u64; WORDS as usize], seat: u32) -> bool {
    words.get((seat / WORD_BITS) as usize).is_some_and(|word| word & 1 << (seat % WORD_BITS) != 0)
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

/// What the owner of a seat remembers of its waits: it waits for one eventcount at a time.
#[derive(Debug)]
pub(crate) struct Waiter {
    seat: u32,
    waiting: Waiting,
    /// For which eventcount we were rung and have not tried since (rule 3), and what we waited for.
    owed: Option<(usize, u32)>,
    wake_at: u32,
}

impl Waiter {
    pub(crate) fn new(seat: u32, strategy: Strategy) -> Self {
        Self { seat, waiting: Waiting::new(strategy), owed: None, wake_at: 0 }
    }

    /// See [`Waiting::first_looks`].
    #[inline(always)]
    pub(crate) fn first_looks(&self) -> u32 {
        self.waiting.first_looks()
    }

    /// Takes one step of waiting for an eventcount; since the last one the caller has tried.
    #[inline]
    pub(crate) fn step<W: SharedRmw + Parking, L: SharedRmw + Parking>(
        &mut self,
        turn: &mut Turn<u32>,
        events: &[EventCount<W, L>],
        event: usize,
        wake_at: u32,
    ) -> Step {
        let mut chair = Chair::new(events, event, self.seat);
        let step = turn.step(&mut self.waiting, &mut chair, wake_at);
        // What was owed before was made good by the caller's try.
        self.owed = chair.is_owing().then_some((event, wake_at));
        self.wake_at = wake_at;
        step
    }

    /// Ends a wait: by a try that `has_taken` what there was, or without one.
    #[inline]
    pub(crate) fn end<W: SharedRmw + Parking, L: SharedRmw + Parking>(
        &mut self,
        turn: Turn<u32>,
        events: &mut [EventCount<W, L>],
        event: usize,
        has_taken: bool,
    ) {
        let mut chair = Chair::new(events, event, self.seat);
        turn.end(&mut self.waiting, &mut chair);
        if chair.is_owing() {
            // Rung for since the announcement: the last try may have come before that.
            self.owed = Some((event, self.wake_at));
        } else if has_taken {
            self.owed = None;
        }
        self.pass_on(events);
    }

    /// Announces a sleep beside other things; says what our doorbell was. The barrier is the caller's.
    pub(crate) fn announce<W: SharedRmw + Parking, L: SharedRmw + Parking>(
        &mut self,
        events: &[EventCount<W, L>],
        event: usize,
        wake_at: u32,
    ) -> u32 {
        self.wake_at = wake_at;
        Chair::new(events, event, self.seat).announce_alone(wake_at)
    }

    /// Takes that back. Who was rung for meanwhile owes a try.
    pub(crate) fn withdraw<W: SharedRmw + Parking, L: SharedRmw + Parking>(
        &mut self,
        events: &[EventCount<W, L>],
        event: usize,
    ) {
        let mut chair = Chair::new(events, event, self.seat);
        chair.wake_up();
        self.owed = chair.is_owing().then_some((event, self.wake_at));
    }

    /// What we were rung for is about to be taken, by a try that comes after we have seen the ring (rule 3).
    pub(crate) fn forget_debt(&mut self) {
        self.owed = None;
    }

    /// The core from which somebody was last rung for there.
    pub(crate) fn rung_on<W: SharedRmw + Parking, L: SharedRmw + Parking>(
        &self,
        events: &[EventCount<W, L>],
        event: usize,
    ) -> u32 {
        Chair::new(events, event, self.seat).peer_cpu()
    }

    /// Says which core we wait on.
    pub(crate) fn set_cpu<W: SharedRmw + Parking, L: SharedRmw + Parking>(
        &self,
        events: &[EventCount<W, L>],
        cpu: u32,
    ) {
        Chair::new(events, 0, self.seat).set_cpu(cpu);
    }

    /// Rings for another, if we were rung for and have not tried since.
    #[inline]
    pub(crate) fn pass_on<W: SharedRmw + Parking, L: SharedRmw + Parking>(&mut self, events: &mut [EventCount<W, L>]) {
        if let Some((event, wake_at)) = self.owed.take() {
            events[event].pass_on(wake_at);
        }
    }
}

/// Where the owner of a seat sits and waits for one eventcount.
#[derive(Debug)]
struct Chair<'a, W, L> {
    event: &'a EventCount<W, L>,
    /// All that there are for these seats.
    events: &'a [EventCount<W, L>],
    seat: u32,
    is_owing: bool,
}

impl<'a, W: SharedRmw + Parking, L: SharedRmw + Parking> Chair<'a, W, L> {
    fn new(events: &'a [EventCount<W, L>], event: usize, seat: u32) -> Self {
        Self { event: &events[event], events, seat, is_owing: false }
    }

    /// Whether somebody has rung for us.
    fn is_owing(&self) -> bool {
        self.is_owing
    }

    fn bit(&self) -> u64 {
        1 << (self.seat % WORD_BITS)
    }

    /// Steps 1 and 2 of who waits; says what the doorbell was. Step 3, the barrier, is the caller's: who waits on many passes it once.
    fn announce_alone(&mut self, wake_at: u32) -> u32 {
        let seats = &self.event.seats;
        // Acquire: step 1, before step 2.
        let doorbell = seats.load_u32(at(self.seat, DOORBELL), Acquire);
        seats.store_u32(at(self.seat, WAKE_AT), wake_at, Relaxed);
        // Release: what we wait for is stored before the bit. Acquire, pairs with the clearing of it.
        self.event.line.fetch_or_u64(word_of(self.seat), self.bit(), AcqRel);
        doorbell
    }
}

impl<W: SharedRmw + Parking, L: SharedRmw + Parking> Sleeper for Chair<'_, W, L> {
    type Announced = u32;

    fn announce(&mut self, wake_at: u32) -> u32 {
        let doorbell = self.announce_alone(wake_at);
        // COUNT-ANNOUNCE, the rare half: the bit is stored before the caller loads what it waits for.
        let event = self.event;
        // Where we ourselves go without in what we do, our own bit asks for the heavy one.
        if event.is_fenced {
            event.line.full_barrier();
        }
        if !event.are_actions_fenced() {
            event.line.heavy_barrier();
        }
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

    fn has_company(&self, cpu: u32) -> bool {
        let seats = &self.event.seats;
        let is_there =
            |seat| Presence::from_word(seats.load_u64(at(seat, PRESENCE), Relaxed)).state() == State::Attached;
        let is_here = |seat| seats.load_u32(at(seat, CPU), Relaxed) == cpu && is_there(seat);
        let is_awake = |seat| !self.events.iter().any(|event| event.is_asleep(seat));
        (0..self.event.count).any(|seat| seat != self.seat && is_here(seat) && is_awake(seat))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strait_mem::{LineMut, Mapping, SharedMut as _, ViewMut};

    /// One load says who sleeps where there are few seats, and where a barrier for the compiler is enough before it.
    #[test]
    fn one_load_for_few() {
        strait_sys::membarrier::register();
        let memory = Mapping::anonymous(1 << 16, None, false).expect("memory");
        let window = |bytes| memory.view_mut(bytes).expect("writable");
        let line = || LineMut::of(window(0..64)).expect("a line");
        let events = |seats| EventCount::new(line(), window(64..1 << 16), seats);
        assert_eq!(events(64).has_few(), strait_sys::membarrier::is_registered());
        assert!(!events(65).has_few());
        let mut fenced = events(64);
        fenced.fence_actions();
        assert!(!fenced.has_few(), "a barrier for the compiler is not enough");
        assert!(!EventCount::new(window(0..64), window(64..1 << 16), 64).has_few(), "it does not know its barrier");
        for bits in [0, 1, 1 << 63, 0] {
            window(0..64).store_u64(0, bits, Relaxed);
            let few = events(64);
            assert_eq!((few.is_any_of_few_asleep(), few.is_any_of_few_to_ring()), (bits != 0, bits != 0), "{bits:#x}");
        }
    }

    /// Company is who is there, awake, and waited on the same core last.
    #[test]
    fn company_is_awake_and_on_the_same_core() {
        const HERE: u32 = 3;
        let memory = Mapping::anonymous(1 << 16, None, false).expect("memory");
        let window = |bytes: std::ops::Range<usize>| memory.view_mut(bytes).expect("writable");
        let lines = [0..64, 64..128];
        let events = lines.clone().map(|line| EventCount::new(window(line), window(128..1 << 16), 70));
        let (lines, seats) = (lines.map(window), window(128..1 << 16));
        let set = |seat, cpu, is_there: bool| {
            seats.store_u32(at(seat, CPU), cpu, Relaxed);
            let presence = Presence::from_word(0).succeeded();
            seats.store_u64(at(seat, PRESENCE), if is_there { presence } else { presence.left() }.word(), Relaxed);
        };
        let has_company = || Chair::new(&events, 0, 1).has_company(HERE);
        set(1, HERE, true);
        assert!(!has_company(), "ourselves");
        for seat in [0, 69] {
            set(seat, HERE + 1, true);
            assert!(!has_company(), "elsewhere");
            set(seat, HERE, true);
            assert!(has_company());
            for line in &lines {
                line.store_u64(word_of(seat), 1 << (seat % WORD_BITS), Relaxed);
                assert!(!has_company(), "asleep, whatever for");
                line.store_u64(word_of(seat), 0, Relaxed);
            }
            set(seat, HERE, false);
            assert!(!has_company(), "has left");
        }
    }

    /// Who acts fences at first, then goes without and says so, and fences again for a while when it has rung for somebody.
    #[test]
    fn fences_are_chosen() {
        let memory = Mapping::anonymous(1 << 16, None, false).expect("memory");
        let window = |bytes| memory.view_mut(bytes).expect("writable");
        strait_sys::membarrier::register();
        let at_line = || LineMut::of(window(0..64)).expect("a line");
        let events = |seats| EventCount::new(at_line(), window(64..1 << 16), seats);
        let line = window(0..64);
        let (mut acts, mut sleeps) = (events(64), events(64));
        assert!(!sleeps.are_actions_fenced(), "nobody fences who has not chosen");
        line.store_u64(UNFENCED, 1 << 63 | 1 << 5, Relaxed);
        acts.choose_fences_after(63, 2);
        sleeps.choose_fences(0);
        assert_eq!(
            line.load_u64(UNFENCED, Relaxed),
            1 << 5,
            "the bit of the seat's last owner is gone, and no other's"
        );
        line.store_u64(UNFENCED, 0, Relaxed);
        let act = |acts: &mut EventCount<ViewMut, LineMut>| {
            acts.after_action(Wake::Everybody);
            (line.load_u64(UNFENCED, Relaxed), sleeps.are_actions_fenced())
        };
        assert_eq!([act(&mut acts), act(&mut acts), act(&mut acts)], [(0, true), (1 << 63, false), (1 << 63, false)]);
        line.store_u64(0, 1, Relaxed);
        assert_eq!(act(&mut acts), (0, true), "somebody was rung for");
        for _ in 1..FENCED_FOR_RING {
            assert_eq!(act(&mut acts), (0, true));
        }
        assert_eq!(act(&mut acts), (1 << 63, false));
        acts.fence_again();
        assert!(sleeps.are_actions_fenced());
        assert_eq!(act(&mut acts), (1 << 63, false), "it was for one action");
        for _ in 0..3 * FENCED_MAX / FENCED_FOR_RING {
            line.store_u64(0, 1, Relaxed);
            acts.after_action_for(0, |_| true);
        }
        assert!((1..FENCED_MAX).all(|_| act(&mut acts) == (0, true)));
        assert_eq!(act(&mut acts), (1 << 63, false), "it is no more than the most");

        let mut many = events(65);
        many.choose_fences(64);
        many.after_action(Wake::Everybody);
        assert!(!many.are_actions_fenced(), "there are more seats than bits");
    }

    /// Bits of no seat ask for nothing; who rings in another's place has not acted; who fences whatever it chooses does not say otherwise.
    #[test]
    fn fences_are_said_of_acts_alone() {
        strait_sys::membarrier::register();
        let memory = Mapping::anonymous(1 << 16, None, false).expect("memory");
        let window = |bytes| memory.view_mut(bytes).expect("writable");
        let at_line = || LineMut::of(window(0..64)).expect("a line");
        let line = window(0..64);
        let mut few = EventCount::new(at_line(), window(64..1 << 16), 3);
        few.choose_fences_after(0, 2);
        for (bits, is_fenced) in
            [(0, true), (1 << 2, false), (1 << 3, true), (1 << 63, true), (1 << 63 | 1 << 1, false)]
        {
            line.store_u64(UNFENCED, bits, Relaxed);
            assert_eq!(few.are_actions_fenced(), is_fenced, "{bits:#x}");
        }
        line.store_u64(UNFENCED, 0, Relaxed);
        (0..5).for_each(|_| few.pass_on(0));
        assert_eq!(line.load_u64(UNFENCED, Relaxed), 0, "it has not acted");
        (0..2).for_each(|_| few.after_action(Wake::ONE));
        assert_eq!(line.load_u64(UNFENCED, Relaxed), 1, "now it has");

        line.store_u64(UNFENCED, 0, Relaxed);
        let mut knows_no_barrier = EventCount::new(window(0..64), window(64..1 << 16), 3);
        knows_no_barrier.choose_fences_after(1, 1);
        (0..5).for_each(|_| knows_no_barrier.after_action(Wake::ONE));
        assert_eq!(line.load_u64(UNFENCED, Relaxed), 0, "nothing would be gained");
    }

    /// Who only looks sees who sleeps, in each of the words, at whichever line; so does who acts.
    #[test]
    fn sleepers_are_seen() {
        let memory = Mapping::anonymous(1 << 16, None, false).expect("memory");
        let window = |bytes| memory.view_mut(bytes).expect("writable");
        let line = window(0..128);
        let events = EventCount::new(window(64..128), window(128..1 << 16), SEATS_MAX);
        for seat in [0, 63, 64, 200, 255] {
            line.store_u64(64 + word_of(seat), 1 << (seat % WORD_BITS), Relaxed);
            let words = asleep_words(&line, 64);
            assert_eq!((0..SEATS_MAX).filter(|&it| is_in(&words, it)).collect::<Vec<_>>(), [seat]);
            assert!((0..SEATS_MAX).all(|it| !is_in(&asleep_words(&line, 0), it)));
            assert!(events.is_anybody_asleep() && events.is_anybody_to_ring(), "{seat}");
            assert_eq!(events.asleep().collect::<Vec<_>>(), [seat]);
            line.store_u64(64 + word_of(seat), 0, Relaxed);
            assert!(!events.is_anybody_asleep() && !events.is_anybody_to_ring(), "{seat}");
        }
        assert!(!is_in(&[u64::MAX; WORDS as usize], SEATS_MAX), "there is no such seat");
    }
}
