//! What can be told of a lock by who only reads its memory and takes nothing: no seat, and no claim.
//!
//! What is read here is a picture of some moments, and as true as its writers are. A claim of one who is gone is told as it stands: whose seat
//! and generation it names, and whoever asks finds out what has become of that one.

use super::barrier;
use super::claim::{Claim, Owner, State};
use super::event::word as event;
use super::mutex::CLAIM;
use super::rwlock::readers;
use super::semaphore::PERMITS_MAX;
use super::user::{SEEN, SEEN_SINCE, WAITS_SINCE};
use super::waiters::{WAITS_FOR, Wait};
use crate::channel::hub::{SEATS_AT, SHARED_AT, SHARED_BYTES, body_at};
use crate::error::{Error, ErrorKind, Result};
use crate::peer::Cause;
use crate::peer::seat::{PROGRESS, PROGRESS_BYTES, SEAT_BYTES};
use crate::region::Region;
use crate::region::header::{self, Header};
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use strait_mem::{Shared as _, View};

const WORD_BYTES: u64 = 8;

/// What a lock's memory says.
#[derive(Clone, Debug)]
pub(crate) struct LockSeen {
    pub(crate) state: StateSeen,
    /// Whether a holder has not finished, and nobody has looked at what it left.
    pub(crate) is_marked: bool,
    pub(crate) holds: Vec<HoldSeen>,
    /// Since when each seat's owner waits, by `CLOCK_MONOTONIC`; 0, it does not.
    pub(crate) waits_since_ns: Vec<u64>,
    /// Whether somebody sleeps, or has, where who does is not told.
    pub(crate) is_anybody_asleep: bool,
}

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StateSeen {
    Free,
    Held,
    Done,
    Permits { free: u32, most: u32 },
    Event { is_set: bool, turn: u64 },
    Gathering { arrived: u32 },
    Broken { seat: u32, cause: Cause },
}

/// A claim on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HoldSeen {
    pub(crate) owner: Owner,
    pub(crate) how: HowSeen,
    /// When somebody first found it in the way, by `CLOCK_MONOTONIC`, where anybody did.
    pub(crate) since_ns: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HowSeen {
    Alone,
    /// It was given to one who waits, and who has not taken it up.
    Granted,
    Reads,
    Permit,
}

/// The windows of a lock.
struct Windows<'a> {
    region: &'a Region,
    header: &'a Header,
    shared: View,
}

/// Looks at a lock of a region whose size was held against its header.
pub(crate) fn look(region: &Region, header: &Header) -> Result<LockSeen> {
    let windows = Windows { region, header, shared: region.view(SHARED_AT..SHARED_AT + SHARED_BYTES)? };
    let mut seen = LockSeen {
        state: StateSeen::Free,
        is_marked: false,
        holds: Vec::new(),
        waits_since_ns: windows.waits()?,
        is_anybody_asleep: false,
    };
    match header.channel {
        header::CHANNEL_SEMAPHORE => windows.look_at_permits(&mut seen)?,
        header::CHANNEL_EVENT_MANUAL | header::CHANNEL_EVENT_AUTO => {
            let word = windows.word(0)?;
            seen.state = StateSeen::Event { is_set: event::is_set(word), turn: event::turn(word) };
            seen.is_anybody_asleep = word & crate::wait::futex::ASLEEP != 0;
        }
        header::CHANNEL_BARRIER => windows.look_at_barrier(&mut seen)?,
        _ => windows.look_at_claim(&mut seen)?,
    }
    Ok(seen)
}

impl Windows<'_> {
    /// A word of the body.
    fn word(&self, offset: u64) -> Result<u64> {
        let at = body_at(self.header.seats) + offset;
        // Acquire: what its writer did before is seen.
        Ok(self
            .region
            .view(at..at + WORD_BYTES)
            .map_err(|_| self.damaged("no room for its word"))?
            .load_u64(0, Acquire))
    }

    fn progress(&self, seat: u32) -> Result<View> {
        let start = SEATS_AT + u64::from(seat) * SEAT_BYTES + PROGRESS;
        self.region.view(start..start + PROGRESS_BYTES)
    }

    fn waits(&self) -> Result<Vec<u64>> {
        let has_conditions = self.header.channel == header::CHANNEL_MUTEX;
        let of = |seat: u32| {
            let progress = self.progress(seat)?;
            let condition = Wait::from_word(progress.load_u64(WAITS_FOR, Relaxed));
            let since = progress.load_u64(WAITS_SINCE, Relaxed);
            Ok(if since == 0 && has_conditions && condition.is_waiting() { condition.since_ns() } else { since })
        };
        (0..self.header.seats).map(of).collect()
    }

    fn look_at_claim(&self, seen: &mut LockSeen) -> Result<()> {
        let claim = Claim::from_word(self.word(CLAIM as u64)?);
        seen.is_marked = claim.is_marked() && claim.state() != State::Absent;
        // Relaxed: for people.
        let is_noted = self.shared.load_u64(SEEN, Relaxed) == claim.word();
        let since_ns = is_noted.then(|| self.shared.load_u64(SEEN_SINCE, Relaxed));
        let is_rwlock = self.header.channel == header::CHANNEL_RWLOCK;
        if is_rwlock {
            for seat in 0..self.header.seats {
                seen.holds.extend(self.reading(seat)?);
            }
        }
        match claim.state() {
            State::Free => {}
            State::Absent if self.header.channel == header::CHANNEL_ONCE => seen.state = StateSeen::Done,
            State::Absent => return Err(self.damaged("a claim that says there is no such lock")),
            State::Held(owner) => seen.holds.push(self.hold(owner, HowSeen::Alone, since_ns)?),
            State::Granted(owner) => seen.holds.push(self.hold(owner, HowSeen::Granted, since_ns)?),
        }
        if !seen.holds.is_empty() {
            seen.state = StateSeen::Held;
        }
        Ok(())
    }

    /// Whether a seat's owner reads.
    fn reading(&self, seat: u32) -> Result<Option<HoldSeen>> {
        let progress = self.progress(seat)?;
        let claim = Claim::from_word(progress.load_u64(readers::READS, Relaxed));
        let State::Held(owner) = claim.state() else { return Ok(None) };
        let is_noted = progress.load_u64(readers::READS_SEEN, Relaxed) == claim.word();
        let since_ns = is_noted.then(|| progress.load_u64(readers::READS_SEEN_SINCE, Relaxed));
        // One that names another seat keeps nobody out.
        Ok((owner.seat() == seat).then_some(HoldSeen { owner, how: HowSeen::Reads, since_ns }))
    }

    fn look_at_permits(&self, seen: &mut LockSeen) -> Result<()> {
        let most = self.header.capacity_bytes / WORD_BYTES;
        let Some(most) = u32::try_from(most).ok().filter(|most| (1..=PERMITS_MAX).contains(most)) else {
            return Err(self.damaged(&format!("{most} permits")));
        };
        let mut free = 0;
        for number in 0..most {
            match Claim::from_word(self.word(u64::from(number) * WORD_BYTES)?).state() {
                State::Free => free += 1,
                State::Absent => {}
                State::Held(owner) | State::Granted(owner) => {
                    seen.holds.push(self.hold(owner, HowSeen::Permit, None)?);
                }
            }
        }
        seen.state = StateSeen::Permits { free, most };
        Ok(())
    }

    fn look_at_barrier(&self, seen: &mut LockSeen) -> Result<()> {
        let word = self.word(0)?;
        let mut arrived = 0;
        for seat in 0..self.header.seats {
            let has_come = barrier::has_come(word, &self.progress(seat)?);
            arrived += u32::from(has_come);
            if let (Some(since), false) = (seen.waits_since_ns.get_mut(seat as usize), has_come) {
                *since = 0;
            }
        }
        seen.state = match barrier::broken_at(word) {
            Some((seat, _)) if seat >= self.header.seats => {
                return Err(self.damaged(&format!("that participant {seat} broke it")));
            }
            Some((seat, cause)) => StateSeen::Broken { seat, cause },
            None => StateSeen::Gathering { arrived },
        };
        Ok(())
    }

    /// A claim, which can only be of one of the seats.
    fn hold(&self, owner: Owner, how: HowSeen, since_ns: Option<u64>) -> Result<HoldSeen> {
        if owner.seat() >= self.header.seats {
            return Err(self.damaged(&format!("a holder at seat {}", owner.seat())));
        }
        Ok(HoldSeen { owner, how, since_ns })
    }

    fn damaged(&self, says: &str) -> Error {
        let (place, seats) = (self.region.place(), self.header.seats);
        Error::new(ErrorKind::Damaged, format!("open {place}: it says {says}, with {seats} seats"))
    }
}
