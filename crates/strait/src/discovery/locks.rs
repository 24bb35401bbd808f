//! How a lock is looked at.

use super::lock::{Hold, How, Lock, LockKind, LockState};
use super::many;
use crate::channel::hub::check_size;
use crate::channel::hub::locks::Lock as AnyLock;
use crate::channel::outside;
use crate::error::Result;
use crate::peer::PeerState;
use crate::region::Region;
use crate::region::header::{self, Header};
use crate::sync::seen::{self, HoldSeen, HowSeen, LockSeen, StateSeen};
use std::time::Duration;
use strait_sys::clock_gettime::monotonic_ns;

/// Which lock it is; `None`, none.
pub(super) fn kind_of(channel: u32) -> Option<LockKind> {
    Some(match channel {
        header::CHANNEL_MUTEX => LockKind::Mutex,
        header::CHANNEL_RWLOCK => LockKind::RwLock,
        header::CHANNEL_SEMAPHORE => LockKind::Semaphore,
        header::CHANNEL_EVENT_MANUAL => LockKind::ManualEvent,
        header::CHANNEL_EVENT_AUTO => LockKind::AutoEvent,
        header::CHANNEL_ONCE => LockKind::Once,
        header::CHANNEL_BARRIER => LockKind::Barrier,
        _ => return None,
    })
}

/// Whether the region is as large as its header says.
pub(super) fn check(region: &Region, header: &Header) -> Result<()> {
    many::check_seats(region, header)?;
    check_size::<AnyLock>(region, header)
}

pub(super) fn look(region: &Region, header: &Header) -> Result<Lock> {
    // The gauge has asked for the kind when it was made.
    let kind = kind_of(header.channel).unwrap_or(LockKind::Mutex);
    let seen = seen::look(region, header)?;
    let mut users = many::peers::<AnyLock>(region, header, |_, _| None)?;
    let now_ns = monotonic_ns();
    for user in &mut users {
        let since = seen.waits_since_ns.get(user.slot as usize).copied().filter(|&since| since != 0);
        let waits = since.filter(|_| user.state == PeerState::Attached);
        user.waits_for = waits.map(|since| Duration::from_nanos(now_ns.saturating_sub(since)));
    }
    let mut holders: Vec<Hold> = Vec::new();
    for held in &seen.holds {
        match holders.iter_mut().find(|it| it.slot == held.owner.seat()) {
            Some(Hold { how: How::Permits(count), .. }) if held.how == HowSeen::Permit => *count += 1,
            _ => holders.push(hold(region, held, now_ns)?),
        }
    }
    let has_value = matches!(kind, LockKind::Mutex | LockKind::RwLock);
    Ok(Lock {
        kind,
        value: has_value.then(|| header.message.clone().into()),
        schema_id: header.schema_id,
        region_bytes: region.len(),
        seats: header.seats,
        is_restartable: header.is_restartable,
        state: state(&seen, header.seats),
        is_unfinished: seen.is_marked,
        holders,
        users,
        is_anybody_asleep: seen.is_anybody_asleep,
    })
}

fn hold(region: &Region, held: &HoldSeen, now_ns: u64) -> Result<Hold> {
    let slot = held.owner.seat();
    let at = outside::look_at_seat(region, slot, &outside::seat_view(region, slot)?);
    // A claim of an earlier owner of the seat is a dead one's.
    let is_its = at.generation == held.owner.generation();
    Ok(Hold {
        slot,
        pid: if is_its { at.pid } else { 0 },
        state: if is_its { at.state } else { PeerState::Died },
        how: match held.how {
            HowSeen::Alone => How::Alone,
            HowSeen::Granted => How::Granted,
            HowSeen::Reads => How::Reads,
            HowSeen::Permit => How::Permits(1),
        },
        held_for: held.since_ns.map(|since| Duration::from_nanos(now_ns.saturating_sub(since))),
    })
}

fn state(seen: &LockSeen, participants: u32) -> LockState {
    match seen.state {
        StateSeen::Free => LockState::Free,
        StateSeen::Held => LockState::Held,
        StateSeen::Done => LockState::Done,
        StateSeen::Permits { free, most } => LockState::Permits { free, most },
        StateSeen::Event { is_set, turn } => LockState::Event { is_set, times: turn },
        StateSeen::Gathering { arrived } => LockState::Gathering { arrived, participants },
        StateSeen::Broken { seat, cause } => LockState::Broken { slot: seat, cause },
    }
}
