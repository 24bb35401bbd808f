//! What is told of a channel of two.

use super::channel::{Fill, Peer, Traffic};
use super::many::Looked;
use crate::channel::spsc::{self, SIDES};
use crate::error::{Error, ErrorKind, Result};
use crate::peer::side::{self, PRESENCE, Presence, SIDE_BYTES, WHO, WHO_BYTES};
use crate::peer::{PeerState, entry, lease};
use crate::region::Region;
use crate::region::header::Header;
use crate::ring::record::WORD_BYTES;
use crate::ring::records::position_of;
use crate::ring::spsc::{HEAD, RECEIVED, SENT, Shape};
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use strait_mem::{Shared as _, View};

/// How far a receiver of records has come, for who looks again: positions go round a circle of 32 GiB, which nobody passes in a second.
#[derive(Debug, Default)]
pub(super) struct Tally {
    position: Option<u32>,
    bytes: u64,
}

impl Tally {
    fn count(&mut self, position: u32) -> u64 {
        let words = self.position.map_or(0, |before| position.wrapping_sub(before));
        self.position = Some(position);
        self.bytes = self.bytes.saturating_add(u64::from(words) * WORD_BYTES as u64);
        self.bytes
    }
}

/// Whether the region is as large as its header says.
pub(super) fn check(region: &Region, header: &Header) -> Result<()> {
    spsc::checked_shape(region, header).map(drop)
}

pub(super) fn look(region: &Region, header: &Header, tally: &mut Tally) -> Result<Looked> {
    let shape = spsc::checked_shape(region, header)?;
    let [(_, sender, _), (_, receiver, _)] = SIDES;
    let progress = |side: u64| region.view(side + side::PROGRESS..side + side::PROGRESS + 64);
    let (sender, receiver) = (progress(sender)?, progress(receiver)?);
    // Acquire: the receiver's first, which is never ahead of the sender's. So later ones of the sender are none too few.
    let received = receiver.load_u64(RECEIVED, Acquire);
    let sent = sender.load_u64(SENT, Relaxed);
    // A kill leaves the sender's count behind by what it had just sent, which is no more than the ring holds.
    if received.saturating_sub(sent) > header.capacity_bytes {
        let why = format!("open {}: its receiver says {received} messages of {sent} that were sent", region.place());
        return Err(Error::new(ErrorKind::Damaged, why));
    }
    let waiting = sent.saturating_sub(received);
    let bytes = match shape {
        Shape::Records(_) if header.message.is_slice => tally.count(position_of(receiver.load_u64(HEAD, Relaxed))),
        _ => sent.saturating_mul(header.message.item_bytes.into()),
    };
    Ok(Looked {
        peers: peers(region, waiting)?,
        fill: Some(Fill::Messages(waiting)),
        capacity_messages: shape.capacity_messages(),
        traffic: Traffic { sent: Some(sent), received: Some(received), bytes: Some(bytes), ..Traffic::default() },
    })
}

fn peers(region: &Region, waiting: u64) -> Result<Vec<Peer>> {
    let mut peers = Vec::new();
    for (slot, start, role) in SIDES {
        let side = region.view(start..start + SIDE_BYTES)?;
        // Acquire: who left or came between two looks is seen to have.
        let presence = || Presence::from_word(side.load_u64(PRESENCE, Acquire));
        let is_asleep = presence().is_asleep();
        let says = || (presence().state(), presence().owner());
        // Where the kernel does not say, what the side says is believed.
        let state = entry::state_of(false, says, || lease::is_held(region, slot).unwrap_or(true));
        if state == PeerState::NotYet {
            continue;
        }
        let who = region.view(start + WHO..start + WHO + WHO_BYTES)?;
        let lag = (slot == 1).then_some(waiting);
        peers.push(peer(slot, role.to_owned(), state, is_asleep, lag, &who));
    }
    Ok(peers)
}

/// A user, with what its window at [`WHO`] says.
pub(super) fn peer(slot: u32, role: String, state: PeerState, is_asleep: bool, lag: Option<u64>, who: &View) -> Peer {
    let alleged = side::alleged(who);
    Peer {
        slot,
        role,
        pid: alleged.pid,
        start_ticks: alleged.start_ticks,
        pid_namespace: alleged.pid_namespace,
        since_ns: side::alleged_since_ns(who),
        state,
        is_asleep,
        lag,
        waits_for: None,
    }
}
