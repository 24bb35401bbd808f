//! One user of a lock: a seat in its region, and how it waits for what another one holds.
//!
//! | offset in `progress` of its seat | | who writes |
//! |---:|---|---|
//! | 0 | `waits_since_ns`: since when the seat's owner waits, by `CLOCK_MONOTONIC`; 0: it does not wait | owner |
//!
//! | offset in what all share | | who writes |
//! |---:|---|---|
//! | 0 | `seen`: the claim that somebody found in the way | who waits |
//! | 8 | `seen_since_ns`: when that was seen first | who waits |
//!
//! What else a seat says is of one kind of lock: [`crate::sync::rwlock`], [`crate::sync::waiters`].
//!
//! 1. *Nobody starves.* Whoever finds a thing free takes it. But who gives one back, and sees that somebody has slept for it for 1 ms or
//!    longer, gives it to the one of those who has waited longest: nobody can come between. So a sleeper is overtaken for 1 ms, and then
//!    waits for those at the most who came before it. One that reads is given it together with all who read. ([`Strategy::Spin`](crate::wait::Strategy::Spin) never sleeps, and takes its chance.)
//! 2. *No wake-up is lost.* The word says "free" or "granted" before the sleepers are looked for; who sleeps has announced it before its last
//!    try ([`crate::wait::eventcount`]). One that gives up says so before it looks whether the thing was granted to it just then; who
//!    grants looks again whether it still waits. Of the two one sees the other, and wakes the next.
//! 3. *A death is found by who waits.* Before it sleeps for the first time, and after each slice, it asks the kernel about the one in its
//!    way: about a microsecond. If that one is dead, all others are asked about too, so that several deaths cost no more than one.
//!    Who finds a death wakes everybody who waits for a condition ([`crate::sync::waiters`], rule 3).
//! 4. What was granted to one who dies, or a ring that one who dies was given, is found when the others' slices end.

use crate::channel::hub::locks::{Lock, USER};
use crate::channel::hub::{Blueprint, Hub};
use crate::error::{Error, ErrorKind, Result};
use crate::peer::PeerState;
use crate::peer::seat::SEATS_MAX;
use crate::region::header::{Header, MessageType};
use crate::region::{Place, Region};
use crate::sync::claim::{self, Claim, Owner, State, Taken, Users};
use crate::sync::holder::Holder;
use crate::sync::options::Options;
use crate::sync::waiters::{self, Seats, WAITS_FOR, Wait, Waiters as _};
use crate::wait::Strategy;
use crate::wait::eventcount::Wake;
use crate::wait::turn::{Step, Turn};
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering::{AcqRel, Relaxed, SeqCst};
use std::time::{Duration, Instant};
use strait_mem::{LineMut, Shared as _, SharedMut as _, SharedRmw as _, ViewMut};
use strait_sys::clock_gettime::monotonic_ns;

/// The eventcount on which users wait for a thing to be free.
pub(super) const FREED: usize = 0;
/// The eventcount on which users wait for a mutex's first condition; the others' are behind it.
const FIRST_CONDITION: usize = 1;
/// What those wait for who may only have it alone.
const ALONE: u32 = 0;
/// What those wait for who may have it together: where one of them is woken, all are.
pub(super) const TOGETHER: u32 = 1;

/// Since when the seat's owner waits, in its progress.
pub(super) const WAITS_SINCE: usize = 0;
pub(super) const SEEN: usize = 0;
pub(super) const SEEN_SINCE: usize = 8;
/// Who has waited so long is not overtaken any more (rule 1).
const LONG: Duration = Duration::from_millis(1);

/// Between two looks at a thing that another one holds: about 0.1 us at first, 1.4 us at the most.
const PAUSES_FIRST: u32 = 8;
const PAUSES_MAX: u32 = 128;
/// How often one who was woken tries before it sleeps again.
const TRIES_AWAKE: u32 = 16;

/// Name, offset and length of what a user says in its seat.
pub(super) const PROGRESS_FIELDS: [(&str, usize, usize); 1] = [("waits_since_ns", WAITS_SINCE, 8)];
/// The same, of what all share.
pub(super) const SHARED_FIELDS: [(&str, usize, usize); 2] = [("seen", SEEN, 8), ("seen_since_ns", SEEN_SINCE, 8)];

/// What a lock is, beside its [`Options`].
#[derive(Clone, Debug)]
pub(super) struct Design {
    pub(super) channel: u32,
    pub(super) message: MessageType,
    /// 0: as many as whoever made it has decided.
    pub(super) body_bytes: u64,
}

impl Design {
    fn blueprint(&self, options: &Options) -> Blueprint {
        Blueprint {
            header: Header {
                channel: self.channel,
                message: self.message.clone(),
                schema_id: options.schema_id,
                capacity_bytes: self.body_bytes,
                is_restartable: options.is_restartable,
                seats: options.users,
                ..Header::default()
            },
            region: options.region.clone(),
            strategy: options.strategy,
            trust: None,
        }
    }
}

/// How a user comes to a lock.
pub(super) enum Way<'a> {
    Create(&'a Place),
    Open(&'a Place),
    OpenWithin(&'a Place, Duration),
    OpenOrCreate(&'a Place),
    Fd(OwnedFd),
}

/// What keeps a user waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InTheWay {
    /// Nothing but that it has not happened yet: nobody's death would help.
    Nobody,
    /// Who holds the thing with this claim.
    One(Claim),
    /// Several who hold what it wants one of, or all of.
    Anybody,
    /// Nothing but that somebody has not done it yet, who may die before that.
    NotYet,
}

/// One user of a lock.
#[derive(Debug)]
pub(super) struct User {
    pub(super) hub: Hub,
    /// The lock itself.
    pub(super) body: ViewMut,
    /// Its first line.
    pub(super) line: LineMut,
    /// What all share beside it.
    pub(super) shared: ViewMut,
    pub(super) me: Owner,
    /// Who waits for which condition.
    pub(super) waiters: Seats,
    design: Design,
    blueprint: Blueprint,
}

/// What a user knows of the others without asking the kernel.
#[derive(Clone, Copy)]
pub(super) struct Known<'a>(pub(super) &'a Hub);

impl Users for Known<'_> {
    #[inline]
    fn is_gone(&self, owner: Owner) -> bool {
        self.0.is_known_gone(owner.seat(), owner.generation(), u32::MAX)
    }

    #[inline]
    fn is_waiting(&self, seat: u32) -> bool {
        seat < self.0.header().seats && self.0.said(seat, WAITS_SINCE) != 0
    }
}

impl User {
    /// Comes to a lock. `furnish` writes what a new one does not have as zero.
    pub(super) fn come(
        way: Way<'_>,
        options: &Options,
        design: Design,
        furnish: impl Fn(&ViewMut) -> Result<()>,
    ) -> Result<Self> {
        let blueprint = design.blueprint(options);
        if let Way::Create(place) | Way::OpenOrCreate(place) = way {
            if !(1..=SEATS_MAX).contains(&options.users) {
                let why = format!("create {place}: {} users are asked for; give 1 to {SEATS_MAX}", options.users);
                return Err(Error::new(ErrorKind::Usage, why));
            }
        }
        let body_at = crate::channel::hub::body_at(options.users);
        let furnish = |region: &Region| furnish(&region.view_mut(body_at..region.len())?);
        let hub = match way {
            Way::Create(place) => Hub::create::<Lock>(place, &blueprint, USER, furnish),
            Way::Open(place) => Hub::open::<Lock>(place, &blueprint, USER),
            Way::OpenWithin(place, timeout) => Hub::open_timeout::<Lock>(place, &blueprint, USER, timeout),
            Way::OpenOrCreate(place) => Hub::open_or_create::<Lock>(place, &blueprint, USER, furnish),
            Way::Fd(fd) => Hub::from_fd::<Lock>(fd, &blueprint, USER),
        }?;
        Self::seated(hub, design, blueprint)
    }

    /// One more user of the same lock, in this process.
    pub(super) fn another(&self) -> Result<Self> {
        if !self.hub.is_own() {
            let why = format!("attach to {}: the handle was made before a fork", self.hub.region().place());
            return Err(Error::new(ErrorKind::Forked, why));
        }
        let hub = self.hub.another::<Lock>(&self.blueprint, USER)?;
        Self::seated(hub, self.design.clone(), self.blueprint.clone())
    }

    fn seated(mut hub: Hub, design: Design, blueprint: Blueprint) -> Result<Self> {
        match Self::windows(&hub, &design) {
            Ok((body, line, shared, waiters)) => {
                // The seat's last owner may have died waiting; nothing is granted to us before we wait.
                hub.say(WAITS_SINCE, 0);
                hub.say(WAITS_FOR, Wait::NONE.word());
                let (seat, generation) = hub.seat();
                let me = Owner::new(seat, generation);
                let user = Self { hub, body, line, shared, me, waiters, design, blueprint };
                if user.hub.succeeds_dead() {
                    // Nobody else will find that one.
                    waiters::notify_all(&user.waiters, None, |seat| user.ring_waiter(seat));
                }
                Ok(user)
            }
            Err(error) => {
                hub.leave(|| true);
                Err(error)
            }
        }
    }

    /// The lock's own memory, which is as large as it must be.
    fn windows(hub: &Hub, design: &Design) -> Result<(ViewMut, LineMut, ViewMut, Seats)> {
        let (place, header) = (hub.region().place(), hub.header());
        if design.body_bytes != 0 && header.capacity_bytes != design.body_bytes {
            let (is, wanted) = (header.capacity_bytes, design.body_bytes);
            let why = format!("open {place}: its header says {is} bytes for what takes {wanted}");
            return Err(Error::new(ErrorKind::Damaged, why));
        }
        let body = hub.body();
        // A body that has anything in it takes whole pages.
        Ok((hub.region().view_mut(body.clone())?, hub.region().line_mut(body.start)?, hub.shared()?, Seats::of(hub)?))
    }

    /// Takes the thing whose claim is at `at` in the first line, if it is free and not marked.
    #[inline(always)]
    pub(super) fn try_take_free(&self, at: usize) -> Option<Claim> {
        claim::try_take_free(&self.line, at, self.me)
    }

    /// Takes the thing whose claim is at `at`, if it is to be had.
    pub(super) fn try_take(&self, at: usize) -> Result<Taken, Claim> {
        claim::try_take(&self.body, at, self.me, &Known(&self.hub))
    }

    /// The same, for a call that does not wait and has found something in its way: whoever that is may be dead.
    #[cold]
    #[inline(never)]
    pub(super) fn try_take_from_dead(&mut self, at: usize, in_the_way: Claim) -> Result<Taken, Claim> {
        if self.hub.is_time_to_look() && self.look_at(in_the_way) { self.try_take(at) } else { Err(in_the_way) }
    }

    /// Waits until `attempt` brings something; in between it says what is in the way. `None` when the time has run out.
    pub(super) fn wait_for<T>(
        &mut self,
        event: usize,
        deadline: Option<Instant>,
        attempt: impl Fn(&Self) -> Result<T, InTheWay>,
    ) -> Option<T> {
        self.wait_as(ALONE, event, deadline, attempt)
    }

    /// The same, for a thing that is wanted alone or together with others.
    pub(super) fn wait_as<T>(
        &mut self,
        wake_at: u32,
        event: usize,
        deadline: Option<Instant>,
        attempt: impl Fn(&Self) -> Result<T, InTheWay>,
    ) -> Option<T> {
        self.say_waiting();
        let (outcome, turn) = self.turns(wake_at, event, deadline, &attempt);
        let outcome = match outcome {
            Some(taken) => {
                self.hub.say(WAITS_SINCE, 0);
                Some(taken)
            }
            None => claim::withdraw(&self.body, || self.hub.say(WAITS_SINCE, 0), || attempt(self).ok()),
        };
        self.hub.end_turn(turn, event, outcome.is_some());
        outcome
    }

    /// Waits until `attempt` brings something or the time has run out.
    fn turns<T>(
        &mut self,
        wake_at: u32,
        event: usize,
        deadline: Option<Instant>,
        attempt: &impl Fn(&Self) -> Result<T, InTheWay>,
    ) -> (Option<T>, Turn<u32>) {
        let mut turn = Turn::eager(deadline);
        let mut has_looked = false;
        let mut pauses = PAUSES_FIRST;
        let outcome = loop {
            let was_announced = turn.is_announced();
            let step = self.hub.step(&mut turn, event, wake_at);
            let has_slept = was_announced && !turn.is_announced();
            // Who has paid for a sleep tries a little longer before it pays for another.
            let mut tries = if has_slept { TRIES_AWAKE } else { 1 };
            let mut tried = attempt(self);
            while let (Err(_), 2..) = (&tried, tries) {
                pause(PAUSES_FIRST);
                tries -= 1;
                tried = attempt(self);
            }
            let is_first = turn.is_announced() && !has_looked;
            if let Err(in_the_way) = tried {
                // Who waits for something to happen has all the time of a slice.
                let is_now = in_the_way != InTheWay::NotYet;
                let is_time = is_now && step == Step::TimedOut && self.hub.is_time_to_look();
                if (is_first && is_now || is_time || step == Step::AgainAndLook) && self.looks(in_the_way) {
                    tried = attempt(self);
                }
                has_looked |= is_first;
            }
            match tried {
                Ok(taken) => break Some(taken),
                Err(_) if step == Step::TimedOut => break None,
                Err(_) if !has_slept && !turn.is_announced() => {
                    // The line is the holder's: each look takes it away from it for a moment.
                    pause(pauses);
                    pauses = (pauses * 2).min(PAUSES_MAX);
                }
                Err(_) => {}
            }
        };
        (outcome, turn)
    }

    /// Says that we wait for this condition from now on.
    pub(super) fn begin_wait(&self, number: u32) {
        self.hub.say_done(WAITS_FOR, Wait::new(number, monotonic_ns()).word());
    }

    /// Waits until somebody notifies us; `false`: nobody did until the time ran out.
    pub(super) fn wait_for_notification(&mut self, number: u32, deadline: Option<Instant>) -> bool {
        let seat = self.me.seat();
        let notified =
            |user: &Self| if user.waiters.wait_of(seat).is_waiting() { Err(InTheWay::NotYet) } else { Ok(()) };
        let event = FIRST_CONDITION + number as usize;
        let (outcome, turn) = self.turns(ALONE, event, deadline, &notified);
        let is_notified = outcome.is_some() || waiters::give_up(&self.waiters, seat);
        self.hub.say(WAITS_FOR, Wait::NONE.word());
        // A ring is for us alone: there is nothing to pass on.
        self.hub.end_turn(turn, event, true);
        is_notified
    }

    /// Rings for one who was notified.
    pub(super) fn ring_waiter(&self, seat: u32) {
        (0..waiters::CONDITIONS).for_each(|number| self.hub.ring_for(FIRST_CONDITION + number as usize, seat));
    }

    /// Whether both are users of the same lock.
    pub(super) fn is_of_one_region(&self, other: &Self) -> bool {
        let identity = self.hub.region().identity();
        identity.is_some() && identity == other.hub.region().identity()
    }

    /// Says that we wait from now on: what is granted to us is ours.
    pub(super) fn say_waiting(&self) {
        self.hub.say(WAITS_SINCE, monotonic_ns().max(1));
    }

    /// Whether somebody in the way has died (rule 3).
    pub(super) fn looks(&mut self, in_the_way: InTheWay) -> bool {
        match in_the_way {
            InTheWay::Nobody => false,
            InTheWay::Anybody | InTheWay::NotYet => self.look_at_all(),
            InTheWay::One(claim) => {
                self.note(claim);
                self.look_at(claim)
            }
        }
    }

    /// Whether the one in the way has died.
    pub(super) fn look_at(&mut self, in_the_way: Claim) -> bool {
        let (State::Held(owner) | State::Granted(owner)) = in_the_way.state() else { return false };
        let seat = owner.seat().min(self.hub.header().seats);
        let seats = seat..(seat + 1).min(self.hub.header().seats);
        let Self { hub, waiters, .. } = self;
        if hub.look_for_dead_at(seats, |_, _| wake_all(waiters)) == 0 {
            return false;
        }
        self.look_at_all();
        true
    }

    /// Finds everybody who has died; says whether there was one.
    pub(super) fn look_at_all(&mut self) -> bool {
        // Of claims nothing is to be mended: that of one who is known to be gone is nobody's.
        let Self { hub, waiters, .. } = self;
        hub.look_for_dead(|_, _| wake_all(waiters)) > 0
    }

    /// Puts one more thing where its claim, as it was seen, says that there is none: free, or granted to one who has waited long (rule 1).
    /// `false`: somebody was faster.
    pub(super) fn put(&mut self, at: usize, seen: Claim) -> bool {
        let next = if self.hub.is_anybody_asleep(FREED) { self.next() } else { None };
        let claim = next.map_or(Claim::FREE, |next| Claim::FREE.granted_to(next));
        // Release, CLAIM-RELEASE, as in `claim::release`.
        if self.body.compare_exchange_u64(at, seen.word(), claim.word(), AcqRel, Relaxed).is_err() {
            return false;
        }
        if let Some(next) = next {
            self.hub.ring_for(FREED, next.seat());
            // CLAIM-WITHDRAW, as in `claim::grant`.
            self.body.fence(SeqCst);
            if Known(&self.hub).is_waiting(next.seat()) {
                return true;
            }
        }
        self.hub.after_action(FREED, Wake::ONE);
        true
    }

    /// Gives back the thing whose claim is at `at` and ours: `free` is what the claim is then, unless it is granted to somebody (rule 1).
    #[inline(always)]
    pub(super) fn give_back(&mut self, at: usize, free: Claim) {
        if self.hub.is_anybody_asleep(FREED) {
            return self.give_to_next(at, free);
        }
        claim::release(&self.body, at, free);
        self.freed();
    }

    /// [`Self::give_back`], of what lies in the first line, where [`Hub::has_few_seats`] and none of them is asleep: as short as it can be.
    #[inline(always)]
    pub(super) fn give_back_to_nobody(&mut self, at: usize, free: Claim) {
        claim::release(&self.line, at, free);
        if self.hub.is_any_of_few_to_ring(FREED) {
            self.ring_next();
        }
    }

    /// To be called after a thing was freed: wakes one who wants it alone, and all who want it together.
    #[inline(always)]
    pub(super) fn freed(&mut self) {
        if self.hub.is_anybody_to_ring(FREED) {
            self.ring_next();
        }
    }

    #[cold]
    #[inline(never)]
    fn ring_next(&mut self) {
        self.hub.after_action_if(FREED, Wake::Everybody, |wake_at| wake_at == TOGETHER);
        self.hub.after_action_if(FREED, Wake::ONE, |wake_at| wake_at != TOGETHER);
    }

    #[cold]
    #[inline(never)]
    fn give_to_next(&mut self, at: usize, free: Claim) {
        let Some(next) = self.next() else {
            claim::release(&self.body, at, free);
            return self.freed();
        };
        let is_shared = self.hub.wake_at(next.seat()) == TOGETHER;
        let granted = if is_shared { free.granted_to_reader(next) } else { free.granted_to(next) };
        let Self { hub, body, .. } = self;
        let ring = || hub.ring_for(FREED, next.seat());
        if !claim::grant(body, at, granted, next.seat(), &Known(hub), ring) {
            return self.freed();
        }
        if is_shared {
            self.hub.after_action_if(FREED, Wake::Everybody, |wake_at| wake_at == TOGETHER);
        }
    }

    /// Who has waited long, and longest.
    fn next(&self) -> Option<Owner> {
        let before = monotonic_ns().saturating_sub(LONG.as_nanos() as u64);
        let waiting = self.hub.asleep(FREED).map(|seat| (seat, self.hub.said(seat, WAITS_SINCE)));
        let here = waiting.filter(|&(seat, _)| self.hub.attached(seat).is_some());
        let seat = claim::longest_waiting(here, before)?;
        Some(Owner::new(seat, self.hub.attached(seat)?))
    }

    /// Who holds the thing with this claim, and since when at least. One system call.
    pub(super) fn holder(&self, claim: Claim) -> Option<Holder> {
        self.holder_since(claim, || self.note(claim))
    }

    /// The same, where `since` knows when that claim was seen first.
    pub(super) fn holder_since(&self, claim: Claim, since: impl FnOnce() -> u64) -> Option<Holder> {
        let (State::Held(owner) | State::Granted(owner)) = claim.state() else { return None };
        if owner.seat() >= self.hub.header().seats {
            return None;
        }
        let state = match self.hub.attached(owner.seat()) {
            Some(generation) if generation == owner.generation() => self.hub.peer_state(owner.seat()),
            _ => PeerState::Died,
        };
        let held_for = Duration::from_nanos(monotonic_ns().saturating_sub(since()));
        Some(Holder::new(self.hub.alleged(owner.seat()), state, owner == self.me, held_for))
    }

    /// The pid that the one wrote whose claim was taken over.
    pub(super) fn pid_of(&self, before: Claim) -> Option<u32> {
        let State::Held(owner) = before.state() else { return None };
        if owner.seat() >= self.hub.header().seats {
            return None;
        }
        let is_succeeded = self.hub.attached(owner.seat()).is_some_and(|now| now != owner.generation());
        (!is_succeeded).then(|| self.hub.alleged(owner.seat()).pid)
    }

    /// Notes when a claim was first seen by somebody in whose way it was; says when that was.
    fn note(&self, claim: Claim) -> u64 {
        // Relaxed: for people. Two who note at once write about the same.
        if self.shared.load_u64(SEEN, Relaxed) == claim.word() {
            return self.shared.load_u64(SEEN_SINCE, Relaxed);
        }
        let now = monotonic_ns();
        self.shared.store_u64(SEEN_SINCE, now, Relaxed);
        self.shared.store_u64(SEEN, claim.word(), Relaxed);
        now
    }

    /// How its calls wait.
    pub(super) fn strategy(&self) -> Strategy {
        self.blueprint.strategy
    }

    /// How many are attached, as they say.
    pub(super) fn users(&self) -> u32 {
        self.hub.count(USER)
    }

    /// Leaves the lock.
    pub(super) fn leave(&mut self) {
        let is_kept = self.hub.header().is_restartable;
        self.hub.leave(|| is_kept);
    }
}

/// Somebody has died: notifies everybody who waits for a condition. Whoever has found it rings for all.
fn wake_all(waiters: &Seats) {
    waiters::notify_all(waiters, None, |_| ());
}

fn pause(turns: u32) {
    (0..turns).for_each(|_| std::hint::spin_loop());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::header::CHANNEL_SEMAPHORE;
    use crate::wait::Strategy;

    fn users() -> (User, User) {
        let design = Design { channel: CHANNEL_SEMAPHORE, message: MessageType::default(), body_bytes: 8 };
        let options = Options { strategy: Strategy::Sleep, ..Options::new().users(2) };
        let one = User::come(Way::Create(&Place::memfd("users")), &options, design, |_| Ok(())).expect("memory");
        let two = one.another().expect("a seat");
        (one, two)
    }

    /// What is given back goes to one who has slept for it for long, and to nobody else; it is rung for. One who has just come is overtaken.
    #[test]
    fn long_sleeper_is_next() {
        for (since, is_next) in [(1, true), (u64::MAX, false)] {
            let (mut one, mut two) = users();
            let taken = one.try_take(0).expect("free");
            two.hub.say(WAITS_SINCE, since);
            let mut turn = Turn::eager(None);
            while !turn.is_announced() {
                two.hub.step(&mut turn, FREED, 0);
            }
            one.give_back(0, taken.claim.free());
            assert_eq!(one.try_take(0).is_err(), is_next, "{since}");
            assert!(!one.hub.is_anybody_asleep(FREED), "it is awake");
            two.hub.say(WAITS_SINCE, 0);
            two.hub.end_turn(turn, FREED, true);
            assert_eq!(two.try_take(0).is_ok(), is_next, "{since}");
        }
    }
}
