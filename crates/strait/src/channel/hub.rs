//! What the users of a channel of many share: a seat each, eventcounts to sleep on, and the knowledge of who is dead.
//!
//! | offset | part | who writes |
//! |---:|---|---|
//! | 0 | header ([`crate::region::header`]) | the creator, before the region has a name |
//! | 4,096 | [`EVENTS`] eventcounts ([`crate::wait::eventcount`]), 64 bytes each | everybody |
//! | 4,352 | `roles`: bit r is set once somebody of role r has been here | everybody |
//! | 4,416 | [`SHARED_BYTES`] bytes of the channel's own | the channel's rules |
//! | 4,608 | the seats ([`crate::peer::seat`]), 256 bytes each | see there |
//! | the next page | the body | the channel's rules |
//!
//! 1. Who comes and goes does so by the rules of [`entry`]; a seat is taken again as soon as its lease is free.
//! 2. The dead are found by who waits or polls ([`Hub::look_for_dead`]). What they left is mended by the channel, by whoever comes first,
//!    by exchanges of the very words that name the dead: so mending twice, at once, or half and again, is the same as once.
//! 3. A claim whose seat has a later generation, or is not attached, is a dead one's.

mod departure;
pub(crate) mod layout;
pub(crate) mod locks;
pub(crate) mod waits;

pub(crate) use departure::Departure;

use crate::channel::endpoint::{rules_of, word};
use crate::error::{Error, ErrorKind, Result};
use crate::peer::entry::{self, Refusal, Site};
use crate::peer::lease::Leases;
use crate::peer::seat::{self, Presence, SEAT_BYTES, SEATS_MAX, State, Table};
use crate::peer::side::{self, WHO, WHO_BYTES};
use crate::peer::{Cause, PeerState};
use crate::region::header::{HEADER_BYTES, Header};
use crate::region::{self, Newborn, Place, Region, directory_of};
use crate::ring::PeerFault;
use crate::wait::Strategy;
use crate::wait::eventcount::{EVENT_BYTES, EventCount, Waiter, Wake};
use crate::wait::turn::{Step, Turn, deadline_after};
use std::ops::Range;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::time::{Duration, Instant};
use strait_mem::{LineMut, Shared as _, SharedMut as _, SharedRmw as _, Trust, View, ViewMut, Word};
use strait_sys::clock_gettime;
use strait_sys::fork::Birthmark;
use strait_sys::inotify::Arrivals;

/// How many eventcounts a channel has.
pub(crate) const EVENTS: u32 = 4;
pub(crate) const EVENTS_AT: u64 = HEADER_BYTES;
pub(crate) const ROLES_AT: u64 = EVENTS_AT + EVENTS as u64 * EVENT_BYTES;
/// The channel's own words.
pub(crate) const SHARED_AT: u64 = ROLES_AT + 64;
pub(crate) const SHARED_BYTES: u64 = SEATS_AT - SHARED_AT;
pub(crate) const SEATS_AT: u64 = 4608;
const PAGE_BYTES: u64 = 4096;
/// How often, at the most, a call that does not wait asks the kernel who lives.
const LOOK_EVERY: Duration = Duration::from_millis(10);
const LEAVE_PATIENCE: Duration = Duration::from_millis(200);
const DOOR_PATIENCE: Duration = Duration::from_secs(2);

/// What one kind of channel is to its hub.
pub(crate) trait Kind {
    /// Whether its users pass fences as it pays ([`EventCount::choose_fences`]), or by rules of its own.
    const CHOOSES_FENCES: bool = true;

    /// How many bytes its body takes, by numbers that a header alleges; `None` where they cannot be.
    fn body_bytes(header: &Header) -> Option<u64>;

    /// The seats that somebody of this role may take. Roles are numbers below 8.
    fn seats(header: &Header, role: u32) -> Range<u32>;

    /// `worker`, `publisher`.
    fn role_name(role: u32) -> &'static str;
}

/// How a channel is made or what it is expected to be, and how one of its users is.
#[derive(Clone, Debug)]
pub(crate) struct Blueprint {
    pub(crate) header: Header,
    pub(crate) region: region::Options,
    pub(crate) strategy: Strategy,
    pub(crate) trust: Option<Trust>,
}

/// Why a user of a channel can do nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Somebody wrote what nobody honest writes.
    Fault(PeerFault),
    /// We are in a forked child.
    Forked,
}

/// All eventcounts of a channel.
type Events = [EventCount<ViewMut, LineMut>; EVENTS as usize];

/// One user of a channel of many.
#[derive(Debug)]
pub(crate) struct Hub {
    /// This process, as it was when the seat was taken.
    birthmark: Birthmark,
    /// The same while the seat can be used, and else of nobody: one comparison for both.
    open: Birthmark,
    end: Option<End>,
    waiter: Waiter,
    /// How many of this seat are announced beside other things: the calls of a client may be several.
    announced: u32,
    events: Events,
    /// When the leases were last looked at, by the coarse clock.
    looked: Duration,
    seat: u32,
    /// Our presence. The truth.
    presence: Presence,
    /// Whether our seat's last owner died, and nobody had mended what it left.
    succeeds_dead: bool,
    /// Somebody who was here when last looked: role, seat and presence.
    witness: Option<(u32, u32, Presence)>,
    /// All seats.
    seats: ViewMut,
    roles: ViewMut,
    header: Header,
    trust: Option<Trust>,
    /// Our seat's doorbell, for who sleeps on many.
    doorbell: Word,
    /// Shared with whoever keeps vigil for this end.
    leases: Arc<Leases>,
    /// Shared with whoever leaves for this end.
    region: Arc<Region>,
}

/// Where the body of a channel with so many seats begins.
pub(crate) fn body_at(seats: u32) -> u64 {
    (SEATS_AT + u64::from(seats) * SEAT_BYTES).next_multiple_of(PAGE_BYTES)
}

impl Hub {
    /// Makes a channel and takes a seat; nothing of that name may exist, unless it is what the dead left behind. `furnish` writes what
    /// the body does not have as zero, before anybody can find it.
    pub(crate) fn create<K: Kind>(
        place: &Place,
        blueprint: &Blueprint,
        role: u32,
        furnish: impl Fn(&Region) -> Result<()>,
    ) -> Result<Self> {
        let once = || Self::create_once::<K>(place.clone(), blueprint, role, &furnish);
        entry::create(once, || sweep(place, blueprint))
    }

    fn create_once<K: Kind>(
        place: Place,
        blueprint: &Blueprint,
        role: u32,
        furnish: impl Fn(&Region) -> Result<()>,
    ) -> Result<Self> {
        let asked = &blueprint.header;
        let is_restartable = asked.is_restartable || asked.is_kept || place.is_file();
        let header = Header { is_restartable, ..asked.clone() };
        let Some(len_bytes) = region_bytes::<K>(&header) else {
            return Err(Error::new(ErrorKind::Usage, format!("create {place}: it would be larger than memory can be")));
        };
        let newborn = Newborn::make(place, len_bytes, &blueprint.region)?;
        header.write(newborn.region())?;
        furnish(newborn.region())?;
        let leases = Leases::open(newborn.region())?;
        let site = Site { region: newborn.region(), leases: &leases };
        let seat = K::seats(&header, role).start;
        let sign = || sign(newborn.region(), seat, role);
        match entry::found(&site, seat, sign, || newborn.give_name()) {
            Ok(()) => Self::seated::<K>(newborn.into_region(), leases, header, blueprint, seat, role),
            Err(refusal) => Err(refused::<K>(newborn.region(), &header, role, refusal)),
        }
    }

    /// Takes a seat in a channel that exists.
    pub(crate) fn open<K: Kind>(place: &Place, blueprint: &Blueprint, role: u32) -> Result<Self> {
        Self::attach::<K>(Region::open(place, &blueprint.region)?, blueprint, role)
    }

    /// [`Self::open`], asleep until the channel exists, for `timeout` at the most.
    pub(crate) fn open_timeout<K: Kind>(
        place: &Place,
        blueprint: &Blueprint,
        role: u32,
        timeout: Duration,
    ) -> Result<Self> {
        let deadline = deadline_after(timeout);
        // Watched before the first try, so that a name which appears in between is noticed.
        let arrivals = match place.kind().map(|_| place.path().map(directory_of))? {
            Some(directory) => Some(
                Arrivals::of(directory)
                    .map_err(|e| Error::kernel("watch the directory of", place, e, "it must exist"))?,
            ),
            None => None,
        };
        loop {
            let refused = match Self::open::<K>(place, blueprint, role) {
                Err(error) if error.kind() == ErrorKind::NotFound => error,
                done => return done,
            };
            let Some(arrivals) = &arrivals else { return Err(refused) };
            let left = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                let why = format!("open {place}: nobody created it within {timeout:?}");
                return Err(Error::new(ErrorKind::TimedOut, why));
            }
            arrivals.wait(left).map_err(|e| Error::kernel("watch the directory of", place, e, ""))?;
        }
    }

    /// Takes a seat in a channel, or makes it where there is none.
    pub(crate) fn open_or_create<K: Kind>(
        place: &Place,
        blueprint: &Blueprint,
        role: u32,
        furnish: impl Fn(&Region) -> Result<()>,
    ) -> Result<Self> {
        let open = || Self::open::<K>(place, blueprint, role);
        entry::open_or_create(open, || Self::create::<K>(place, blueprint, role, &furnish))
    }

    /// Takes a seat in a channel whose descriptor was inherited or received.
    pub(crate) fn from_fd<K: Kind>(fd: OwnedFd, blueprint: &Blueprint, role: u32) -> Result<Self> {
        Self::attach::<K>(Region::from_fd(fd, &blueprint.region)?, blueprint, role)
    }

    fn attach<K: Kind>(region: Region, blueprint: &Blueprint, role: u32) -> Result<Self> {
        let header = Header::read(&region)?;
        let leases = Leases::open(&region)?;
        let site = Site { region: &region, leases: &leases };
        let rules = rules_of(&region, header.is_restartable);
        header.expect(region.place(), &blueprint.header).map_err(|error| {
            refused::<K>(&region, &header, role, entry::refuse_other(&site, rules, DOOR_PATIENCE, error))
        })?;
        check_size::<K>(&region, &header)?;
        let seats = K::seats(&header, role);
        let seat = entry::attach_any(&site, rules, seats, DOOR_PATIENCE, |seat| sign(&region, seat, role))
            .map_err(|refusal| refused::<K>(&region, &header, role, refusal))?;
        Self::seated::<K>(region, leases, header, blueprint, seat, role)
    }

    /// The seat's lease is ours: says so.
    fn seated<K: Kind>(
        mut region: Region,
        leases: Leases,
        header: Header,
        blueprint: &Blueprint,
        seat: u32,
        role: u32,
    ) -> Result<Self> {
        // Before the first announcement of presence: from then on others may rely on our barriers.
        strait_sys::membarrier::register();
        let birthmark = Birthmark::here().map_err(|e| Error::kernel("attach to", region.place(), e, ""))?;
        let (mut events, seats) = (events(&region, header.seats)?, table(&region, header.seats)?);
        if K::CHOOSES_FENCES {
            events.iter_mut().for_each(|event| event.choose_fences(seat));
        }
        let roles = region.view_mut(ROLES_AT..ROLES_AT + 8)?;
        let trust = region.trust()?.or(blueprint.trust);
        // Acquire: what the last owner did before it left is seen.
        let before = Presence::from_word(seats.load_u64(at(seat, seat::PRESENCE), Acquire));
        let presence = before.succeeded();
        let doorbell = word(&region, SEATS_AT + at(seat, seat::DOORBELL) as u64)?;
        region.let_go_of_fd();
        let mut hub = Self {
            birthmark,
            open: birthmark,
            end: None,
            waiter: Waiter::new(seat, blueprint.strategy),
            announced: 0,
            events,
            looked: Duration::ZERO,
            seat,
            presence,
            succeeds_dead: before.state() == State::Attached,
            witness: None,
            seats,
            roles,
            header,
            trust,
            doorbell,
            leases: Arc::new(leases),
            region: Arc::new(region),
        };
        hub.waiter.set_cpu(&hub.events, seat::NO_CPU);
        // Release: what a new owner has set up is seen by whoever sees the owner.
        hub.seats.store_u64(at(seat, seat::PRESENCE), presence.word(), Release);
        hub.roles.fetch_or_u64(0, 1 << role, AcqRel);
        // Others may sleep and wait for somebody to come. The last owner of the seat may have died asleep: the bits it left are cleared too.
        hub.ring_everybody();
        Ok(hub)
    }

    pub(crate) fn region(&self) -> &Region {
        &self.region
    }

    /// The channel's descriptor, to hand over; opened when it is first asked for.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.leases.to_hand_over()
    }

    /// What the channel is: checked when it was opened.
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// Whether the channel's memory can be lent.
    pub(crate) fn trust(&self) -> Option<Trust> {
        self.trust
    }

    /// Our seat and its generation: what our claims name.
    pub(crate) fn seat(&self) -> (u32, u32) {
        (self.seat, self.presence.generation())
    }

    /// Whether our seat's last owner died, and nobody had mended what it left: then that is ours to do, before anything else.
    pub(crate) fn succeeds_dead(&self) -> bool {
        self.succeeds_dead
    }

    /// The channel's own shared words.
    pub(crate) fn shared(&self) -> Result<ViewMut> {
        self.region.view_mut(SHARED_AT..SEATS_AT)
    }

    /// Where the body lies.
    pub(crate) fn body(&self) -> Range<u64> {
        body_at(self.header.seats)..self.region.len()
    }

    /// Our seat's progress, which we alone write.
    pub(crate) fn own_progress(&self) -> Result<ViewMut> {
        self.region.view_mut(progress(self.seat))
    }

    /// Another seat's progress.
    pub(crate) fn progress_of(&self, seat: u32) -> Result<View> {
        self.region.view(progress(seat))
    }

    /// Whether this process is the one that took the seat, and not a forked child of it.
    #[inline(always)]
    pub(crate) fn is_own(&self) -> bool {
        self.birthmark.is_here()
    }

    /// Whether the seat can still be used. One load; no system call.
    #[inline(always)]
    pub(crate) fn check(&self) -> Result<(), End> {
        if self.open.is_here() { Ok(()) } else { Err(self.why_not()) }
    }

    #[cold]
    #[inline(never)]
    fn why_not(&self) -> End {
        match self.end {
            Some(end) if self.is_own() => end,
            _ => End::Forked,
        }
    }

    /// Closes this end for a lie, which every later call will be told.
    #[cold]
    pub(crate) fn close(&mut self, fault: PeerFault) -> End {
        self.open = self.open.of_nobody();
        *self.end.get_or_insert(End::Fault(fault))
    }

    /// To be called after each action that others may wait for on this eventcount.
    #[inline]
    pub(crate) fn after_action(&mut self, event: usize, wake: Wake) {
        self.events[event].after_action(wake);
    }

    /// The same, for those only of whom `is_enough` for what they wait for.
    #[inline]
    pub(crate) fn after_action_if(&mut self, event: usize, wake: Wake, is_enough: impl Fn(u32) -> bool) {
        self.events[event].after_action_if(wake, is_enough);
    }

    /// The same, where only the owner of one seat can wait for it.
    #[inline]
    pub(crate) fn after_action_for(&mut self, event: usize, seat: u32, is_enough: impl Fn(u32) -> bool) {
        self.events[event].after_action_for(seat, is_enough);
    }

    fn ring_everybody(&mut self) {
        for event in &mut self.events {
            event.after_action(Wake::Everybody);
        }
    }

    /// How often to look for what is due any moment, before any other wait.
    #[inline(always)]
    pub(crate) fn first_looks(&self) -> u32 {
        self.waiter.first_looks()
    }

    /// Takes one step of waiting for an eventcount; between two steps the caller tries. After [`Step::AgainAndLook`] it looks for the dead.
    #[inline]
    pub(crate) fn step(&mut self, turn: &mut Turn<u32>, event: usize, wake_at: u32) -> Step {
        self.waiter.step(turn, &self.events, event, wake_at)
    }

    /// Ends a wait. Who was rung for and `has_taken` nothing passes it on.
    #[inline]
    pub(crate) fn end_turn(&mut self, turn: Turn<u32>, event: usize, has_taken: bool) {
        self.waiter.end(turn, &mut self.events, event, has_taken);
        if self.announced > 0 {
            self.ring_own();
        }
    }

    /// What the seat's last owner says of itself. No system call.
    #[inline]
    pub(crate) fn presence(&self, seat: u32) -> Presence {
        self.table().presence(seat)
    }

    /// What the seat's last owner was, as it says.
    pub(crate) fn role(&self, seat: u32) -> u32 {
        self.seats.load_u32(at(seat, seat::ROLE), Relaxed)
    }

    /// The pid that a seat's owner wrote, for people.
    pub(crate) fn alleged_pid(&self, seat: u32) -> u32 {
        let start = at(seat, WHO as usize) as u64 + SEATS_AT;
        self.region.view(start..start + WHO_BYTES).map_or(0, |who| side::alleged_pid(&who))
    }

    /// Whether whoever had the seat with this generation is known to be gone; `mask` is how much of the generation a claim names (rule 3).
    /// No system call: the dead count as here until they are found.
    pub(crate) fn is_known_gone(&self, seat: u32, generation: u32, mask: u32) -> bool {
        seat >= self.header.seats || seat::is_known_gone(&self.table(), seat, generation, mask)
    }

    fn table(&self) -> Seats<'_> {
        Seats { seats: &self.seats, leases: &self.leases }
    }

    /// The state of a seat's owner. One system call where it says that it is attached.
    pub(crate) fn peer_state(&self, seat: u32) -> PeerState {
        seat::state_of(&self.table(), self.seat, seat)
    }

    /// How many of a role say that they are attached. No system call.
    pub(crate) fn count(&self, role: u32) -> u32 {
        let is_one = |seat: &u32| self.presence(*seat).state() == State::Attached && self.role(*seat) == role;
        // At most 256.
        (0..self.header.seats).filter(is_one).count() as u32
    }

    /// Why nobody of a role is here any more; `None` where somebody is, or nobody has been yet, or the channel is restartable. No system
    /// call: the dead count until they are found.
    pub(crate) fn all_gone(&self, role: u32) -> Option<Cause> {
        if self.header.is_restartable || self.roles.load_u64(0, Acquire) & 1 << role == 0 || self.count(role) > 0 {
            return None;
        }
        let has_died = |seat| self.presence(seat).state() == State::Died && self.role(seat) == role;
        Some(if (0..self.header.seats).any(has_died) { Cause::Died } else { Cause::Left })
    }

    /// [`Self::all_gone`], in one load as long as one who was here the last time still is.
    #[inline(always)]
    pub(crate) fn is_role_gone(&mut self, role: u32) -> Option<Cause> {
        match self.witness {
            Some((of, seat, presence)) if of == role && self.presence(seat) == presence => None,
            _ => self.look_for_witness(role),
        }
    }

    #[inline(never)]
    fn look_for_witness(&mut self, role: u32) -> Option<Cause> {
        let seen = (0..self.header.seats).map(|seat| (role, seat, self.presence(seat)));
        self.witness = seen.into_iter().find(|&(_, seat, it)| it.state() == State::Attached && self.role(seat) == role);
        if self.witness.is_some() { None } else { self.all_gone(role) }
    }

    /// Asks the kernel who is dead of those who say that they are attached; each is mended by `mend`, by seat and generation, and then
    /// marked. Says how many there were. A system call for each that is attached.
    pub(crate) fn look_for_dead(&mut self, mend: impl FnMut(u32, u32)) -> u32 {
        self.look_for_dead_at(0..self.header.seats, mend)
    }

    /// The same, at some of the seats: for who does not care about the others.
    pub(crate) fn look_for_dead_at(&mut self, seats: Range<u32>, mend: impl FnMut(u32, u32)) -> u32 {
        let found = seat::find_dead(&self.table(), seats.filter(|seat| *seat != self.seat), mend);
        if found > 0 {
            // Others may wait for what the dead held, or for the dead themselves.
            self.ring_everybody();
        }
        found
    }

    /// Whether a call that does not wait should look for the dead now: at most once in 10 ms.
    pub(crate) fn is_time_to_look(&mut self) -> bool {
        let now = clock_gettime::monotonic_coarse();
        if now.saturating_sub(self.looked) < LOOK_EVERY {
            return false;
        }
        self.looked = now;
        true
    }

    /// Leaves: tells the others, gives the lease back, and takes the name away if nobody is left, unless it `is_kept`: that is asked when
    /// nobody else can change the answer any more. The channel has given back all its claims.
    pub(crate) fn leave(&mut self, is_kept: impl FnOnce() -> bool) {
        if !self.is_own() {
            // The parent's seat is not ours to give up.
            return;
        }
        self.waiter.pass_on(&mut self.events);
        let Self { seats, events, region, leases, presence, .. } = self;
        let rules = rules_of(region, self.header.is_restartable);
        let say = || {
            // Release: who sees us gone sees all that we did.
            seats.store_u64(at(self.seat, seat::PRESENCE), presence.left().word(), Release);
            for event in events {
                event.after_action(Wake::Everybody);
                event.fence_again();
            }
        };
        let is_kept = || self.header.is_kept || is_kept();
        entry::leave(&Site { region, leases }, rules, self.seat, LEAVE_PATIENCE, say, is_kept);
    }
}

/// The seats, and the leases on them.
struct Seats<'a> {
    seats: &'a ViewMut,
    leases: &'a Leases,
}

impl Table for Seats<'_> {
    #[inline]
    fn presence(&self, seat: u32) -> Presence {
        // Acquire, pairs with the Release of who comes and leaves.
        Presence::from_word(self.seats.load_u64(at(seat, seat::PRESENCE), Acquire))
    }

    fn exchange(&self, seat: u32, from: Presence, to: Presence) {
        // AcqRel: who sees it marked sees it mended. A failure is as good: see the callers.
        let _ = self.seats.compare_exchange_u64(at(seat, seat::PRESENCE), from.word(), to.word(), AcqRel, Relaxed);
    }

    fn is_held_by_another(&self, seat: u32) -> bool {
        self.leases.is_held_by_another(seat)
    }
}

/// The table of seats.
fn table(region: &Region, seats: u32) -> Result<ViewMut> {
    region.view_mut(SEATS_AT..SEATS_AT + u64::from(seats) * SEAT_BYTES)
}

fn events(region: &Region, seats: u32) -> Result<Events> {
    let event = |number: u64| -> Result<EventCount<ViewMut, LineMut>> {
        Ok(EventCount::new(region.line_mut(EVENTS_AT + number * EVENT_BYTES)?, table(region, seats)?, seats))
    };
    Ok([event(0)?, event(1)?, event(2)?, event(3)?])
}

fn at(seat: u32, field: usize) -> usize {
    seat as usize * SEAT_BYTES as usize + field
}

fn progress(seat: u32) -> Range<u64> {
    let start = SEATS_AT + u64::from(seat) * SEAT_BYTES + seat::PROGRESS;
    start..start + seat::PROGRESS_BYTES
}

/// How large the region of a channel with this header is; `None` where its numbers cannot be.
fn region_bytes<K: Kind>(header: &Header) -> Option<u64> {
    if header.seats == 0 || header.seats > SEATS_MAX {
        return None;
    }
    K::body_bytes(header)?.checked_add(body_at(header.seats))?.checked_next_multiple_of(PAGE_BYTES)
}

/// Holds the size that a header makes against the one that the region has.
pub(crate) fn check_size<K: Kind>(region: &Region, header: &Header) -> Result<()> {
    if region_bytes::<K>(header) == Some(region.len()) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Damaged,
        format!(
            "open {}: its header says {} seats and {} bytes of capacity, which do not make the {} bytes it has",
            region.place(),
            header.seats,
            header.capacity_bytes,
            region.len()
        ),
    ))
}

/// Writes who we are into a seat, for people and for who counts roles: before anybody can find the seat taken.
fn sign(region: &Region, seat: u32, role: u32) -> Result<()> {
    let start = SEATS_AT + u64::from(seat) * SEAT_BYTES;
    region.view_mut(start..start + SEAT_BYTES)?.store_u32(seat::ROLE, role, Relaxed);
    side::sign(&region.view_mut(start + WHO..start + WHO + WHO_BYTES)?);
    Ok(())
}

/// Removes a channel that is provably of no use to anybody; says whether the name is free. What cannot be opened is left alone.
fn sweep(place: &Place, blueprint: &Blueprint) -> Result<bool> {
    let region = Region::open(place, &blueprint.region)?;
    let header = Header::read(&region)?;
    let leases = Leases::open(&region)?;
    let rules = rules_of(&region, header.is_restartable);
    entry::sweep(&Site { region: &region, leases: &leases }, rules, DOOR_PATIENCE)
}

/// The sentence for a refusal.
fn refused<K: Kind>(region: &Region, header: &Header, role: u32, refusal: Refusal) -> Error {
    let place = region.place();
    let not_found = |why: &str| Error::new(ErrorKind::NotFound, format!("open {place}: {why}"));
    match refusal {
        Refusal::NameGone => not_found("its last user has just left"),
        Refusal::Swept => not_found("its users are dead, and what they left has been removed"),
        Refusal::Error(error) => error,
        Refusal::Taken | Refusal::Over(_) => {
            let (who, seats) = (K::role_name(role), K::seats(header, role).len());
            Error::new(
                ErrorKind::Busy,
                format!("attach to {place}: all its {seats} seats for a {who} are taken; make it with more of them"),
            )
        }
    }
}

#[cfg(test)]
mod tests;
