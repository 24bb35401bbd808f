//! What is told of channels of many.

use super::channel::{Fill, Lane, Peer, Traffic};
use super::two::peer;
use crate::channel::broadcast::setup::{Broadcast, lanes_seen};
use crate::channel::hub::{self, EVENTS, EVENTS_AT, SEATS_AT, check_size};
use crate::channel::mpmc::setup::{Mpmc, jobs_seen};
use crate::channel::outside;
use crate::channel::rpc::setup::{Rpc, calls_seen};
use crate::channel::watch::kind::{Watch, shape_of};
use crate::error::{Error, ErrorKind, Result};
use crate::peer::PeerState;
use crate::peer::seat::{SEAT_BYTES, SEATS_MAX};
use crate::peer::side::{WHO, WHO_BYTES};
use crate::region::Region;
use crate::region::header::{self, Header};
use crate::ring::watch::VERSION;
use crate::wait::eventcount::{self, EVENT_BYTES};
use std::sync::atomic::Ordering::Relaxed;
use strait_mem::Shared as _;

/// What differs from kind to kind.
pub(super) struct Looked {
    pub(super) peers: Vec<Peer>,
    pub(super) fill: Option<Fill>,
    pub(super) capacity_messages: Option<u64>,
    pub(super) traffic: Traffic,
}

/// Whether the region is as large as its header says.
pub(super) fn check(region: &Region, header: &Header) -> Result<()> {
    check_seats(region, header)?;
    match header.channel {
        header::CHANNEL_MPMC => check_size::<Mpmc>(region, header),
        header::CHANNEL_BROADCAST => check_size::<Broadcast>(region, header),
        header::CHANNEL_WATCH => check_size::<Watch>(region, header),
        _ => check_size::<Rpc>(region, header),
    }
}

/// Whether there is room for as many seats as the header says.
pub(super) fn check_seats(region: &Region, header: &Header) -> Result<()> {
    let seats_end = SEATS_AT + u64::from(header.seats) * SEAT_BYTES;
    if header.seats > 0 && header.seats <= SEATS_MAX && seats_end <= region.len() {
        return Ok(());
    }
    let why = format!("open {}: its header says {} seats, which it has no room for", region.place(), header.seats);
    Err(Error::new(ErrorKind::Damaged, why))
}

pub(super) fn look_at_jobs(region: &Region, header: &Header, slots_max: u64) -> Result<Looked> {
    let Some(seen) = jobs_seen(region, header, slots_max)? else { return Err(shapeless(region)) };
    let sent = seen.census.done.saturating_add(seen.census.jobs);
    let is_counted = !seen.in_hands.is_empty();
    let lag = |seat: u32, role: u32| (role == 1).then(|| seen.in_hands.get(seat as usize).copied()).flatten();
    Ok(Looked {
        peers: peers::<Mpmc>(region, header, lag)?,
        fill: Some(Fill::Jobs(seen.census.jobs)),
        capacity_messages: Some(seen.capacity),
        traffic: Traffic {
            sent: Some(sent),
            received: Some(seen.census.done),
            bytes: bytes_of(header, sent),
            redelivered: is_counted.then_some(seen.census.came_back),
            ..Traffic::default()
        },
    })
}

pub(super) fn look_at_lanes(region: &Region, header: &Header) -> Result<Looked> {
    let Some(seen) = lanes_seen(region, header)? else { return Err(shapeless(region)) };
    let sent = seen.lanes.iter().fold(0_u64, |sum, lane| sum.saturating_add(lane.sent));
    let dropped = seen.lanes.iter().fold(0_u64, |sum, lane| sum.saturating_add(lane.dropped));
    let lane =
        |it: &crate::channel::broadcast::setup::LaneSeen| Lane { sent: it.sent, dropped: it.dropped, lag: it.lag };
    Ok(Looked {
        peers: peers::<Broadcast>(region, header, |seat, _| seen.lags.get(seat as usize).copied().flatten())?,
        fill: Some(Fill::Lanes(seen.lanes.iter().map(lane).collect())),
        capacity_messages: Some(seen.history),
        traffic: Traffic {
            sent: Some(sent),
            bytes: bytes_of(header, sent),
            dropped: Some(dropped),
            ..Traffic::default()
        },
    })
}

pub(super) fn look_at_value(region: &Region, header: &Header) -> Result<Looked> {
    let Some(_) = shape_of(header) else { return Err(shapeless(region)) };
    let start = hub::body_at(header.seats);
    let version = region.view(start..start + 8)?.load_u64(VERSION, Relaxed);
    Ok(Looked {
        peers: peers::<Watch>(region, header, |_, _| None)?,
        fill: Some(Fill::Version(version)),
        capacity_messages: None,
        traffic: Traffic { sent: Some(version), bytes: bytes_of(header, version), ..Traffic::default() },
    })
}

pub(super) fn look_at_calls(region: &Region, header: &Header) -> Result<Looked> {
    let Some(seen) = calls_seen(region, header)? else { return Err(shapeless(region)) };
    let (made, open) = (seen.census.numbered, seen.census.open);
    let answered = made.saturating_sub(open);
    let is_fixed = !header.message.is_slice && header.answer.as_ref().is_some_and(|it| !it.is_slice);
    let answer_bytes = header.answer.as_ref().map_or(0, |it| u64::from(it.item_bytes));
    let bytes =
        made.saturating_mul(header.message.item_bytes.into()).saturating_add(answered.saturating_mul(answer_bytes));
    Ok(Looked {
        peers: peers::<Rpc>(region, header, |seat, _| seen.of_seats.get(seat as usize).copied())?,
        fill: Some(Fill::Calls(open)),
        capacity_messages: Some(seen.capacity),
        traffic: Traffic {
            sent: Some(made),
            received: Some(answered),
            bytes: is_fixed.then_some(bytes),
            ..Traffic::default()
        },
    })
}

/// Everybody who is, or was, at a seat; `lag` is told seat and role. For regions whose size was held against their headers.
pub(super) fn peers<K: hub::Kind>(
    region: &Region,
    header: &Header,
    lag: impl Fn(u32, u32) -> Option<u64>,
) -> Result<Vec<Peer>> {
    let asleep = asleep(region)?;
    let mut peers = Vec::new();
    for number in 0..header.seats {
        let seen = outside::look_at_seat(region, number, &outside::seat_view(region, number)?);
        if seen.state == PeerState::NotYet {
            continue;
        }
        let start = SEATS_AT + u64::from(number) * SEAT_BYTES + WHO;
        let who = region.view(start..start + WHO_BYTES)?;
        let is_asleep = asleep.iter().any(|words| eventcount::is_in(words, number));
        let lag = if seen.state == PeerState::Attached { lag(number, seen.role) } else { None };
        peers.push(peer(number, role_of::<K>(seen.role), seen.state, is_asleep, lag, &who));
    }
    Ok(peers)
}

/// Of each eventcount, whose owner sleeps.
fn asleep(region: &Region) -> Result<Vec<[u64; eventcount::WORDS as usize]>> {
    let all = region.view(EVENTS_AT..EVENTS_AT + u64::from(EVENTS) * EVENT_BYTES)?;
    let of = |event: u32| eventcount::asleep_words(&all, event as usize * EVENT_BYTES as usize);
    Ok((0..EVENTS).map(of).collect())
}

/// Every kind has two roles.
fn role_of<K: hub::Kind>(role: u32) -> String {
    if role < 2 { K::role_name(role).into() } else { format!("role {role}") }
}

/// So many messages, where each is as long as the others.
fn bytes_of(header: &Header, messages: u64) -> Option<u64> {
    (!header.message.is_slice).then(|| messages.saturating_mul(header.message.item_bytes.into()))
}

/// Not met: the size was made of the shape.
fn shapeless(region: &Region) -> Error {
    Error::new(ErrorKind::Damaged, format!("open {}: its header has no shape", region.place()))
}
