//! How the users of a channel come to be, and where things lie in its body.
//!
//! | offset in the body | part | who writes |
//! |---:|---|---|
//! | 0 | for each subscriber a row, in whole cache lines: a position for each lane; a bit for each block of each lane | that subscriber |
//! | the next page | lanes ([`lane`]), 256 bytes each | the publisher of each |
//! | the next page | the slots of one lane behind those of another | the publisher of each |
//! | the next page, where there are any | the blocks ([`lane::blocks`]) of one lane behind those of another | the publisher of each |
//!
//! Seats 0..P are those of the publishers, lane n that of seat n; then come the subscribers'. A subscriber's process protects the pages from
//! the lanes on: a stray store of its own cannot hurt what others read.

use crate::channel::broadcast::options::{Options, Policy};
use crate::channel::hub::{Blueprint, Hub, Kind, body_at};

use crate::channel::message::{Message, type_of};
use crate::channel::outside;
use crate::error::{Error, ErrorKind, Result};
use crate::peer::seat::{self, Presence, State};
use crate::region::header::{CHANNEL_BROADCAST, Header};
use crate::region::{Place, Region};
use crate::ring::PeerFault;
use crate::ring::lane::blocks::{self, Blocks};
use crate::ring::lane::{self, DROPPED, LANE_BYTES, NOWHERE, SENT};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::Duration;
use strait_mem::{Shared as _, SharedMut as _};

/// Roles, as the hub numbers them.
pub(super) const PUBLISHER: u32 = 0;
pub(super) const SUBSCRIBER: u32 = 1;
/// Eventcounts: there are messages; there is room.
pub(super) const MESSAGES: usize = 0;
pub(super) const ROOM: usize = 1;

const PUBLISHERS_MAX: u32 = 16;
const SUBSCRIBERS_MAX: u32 = 64;
const WORD_BYTES: u64 = 8;
const LINE_BYTES: u64 = 64;
const PAGE_BYTES: u64 = 4096;
/// What the numbers of the header's shape are called.
pub(super) const PUBLISHERS: usize = 0;
const SLOTS: usize = 1;
const MAX_BYTES: usize = 2;
const POLICY: usize = 3;
const BLOCKS: usize = 4;
/// No lane is larger.
const LANE_BYTES_MAX: u64 = 1 << 40;

/// The channel, to its hub.
pub(crate) enum Broadcast {}

impl Kind for Broadcast {
    fn body_bytes(header: &Header) -> Option<u64> {
        Plan::of(header).map(Plan::body_bytes)
    }

    fn seats(header: &Header, role: u32) -> Range<u32> {
        let publishers = header.shape[PUBLISHERS].min(header.seats);
        if role == PUBLISHER { 0..publishers } else { publishers..header.seats }
    }

    fn role_name(role: u32) -> &'static str {
        if role == PUBLISHER { "publisher" } else { "subscriber" }
    }
}

/// What the header comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) publishers: u32,
    pub(super) subscribers: u32,
    pub(super) policy: Policy,
    pub(super) lane: lane::Shape,
    /// Where messages lie in blocks.
    pub(super) blocks: Option<Blocks>,
    /// The longest message.
    pub(super) max_bytes: u32,
}

impl Plan {
    /// The plan of a header, if its numbers can be.
    pub(super) fn of(header: &Header) -> Option<Self> {
        let publishers = header.shape[PUBLISHERS];
        let subscribers = header.seats.checked_sub(publishers)?;
        if !(1..=PUBLISHERS_MAX).contains(&publishers) || !(1..=SUBSCRIBERS_MAX).contains(&subscribers) {
            return None;
        }
        let max_bytes = header.shape[MAX_BYTES];
        if !header.message.is_slice && max_bytes != header.message.item_bytes {
            return None;
        }
        let policy = policy_of(header.shape[POLICY])?;
        let (blocks, lane) = match header.shape[BLOCKS] {
            0 => (None, lane::Shape::new(header.shape[SLOTS], max_bytes, header.message.is_slice)?),
            count => {
                let blocks = Blocks::new(count, max_bytes)?;
                (Some(blocks), blocks.lane().filter(|it| it.count() == header.shape[SLOTS])?)
            }
        };
        let plan = Self { publishers, subscribers, policy, lane, blocks, max_bytes };
        (plan.lane_bytes() == header.capacity_bytes).then_some(plan)
    }

    /// How many bytes the messages of one lane take.
    fn lane_bytes(self) -> u64 {
        self.lane.ring_bytes() + self.pool_bytes()
    }

    fn pool_bytes(self) -> u64 {
        self.blocks.map_or(0, Blocks::pool_bytes)
    }

    /// How many messages of each publisher are kept, at least.
    pub(super) fn history(self) -> u32 {
        self.blocks.map_or(self.lane.history(), Blocks::history)
    }

    /// Whether a publisher keeps what its subscribers have not read.
    pub(super) fn is_kept(self) -> bool {
        self.policy != Policy::DropOldest
    }

    /// From one subscriber's row to the next.
    fn row_bytes(self) -> u64 {
        (u64::from(self.publishers) * (WORD_BYTES + self.holds_bytes())).next_multiple_of(LINE_BYTES)
    }

    /// A subscriber's bits for one lane.
    fn holds_bytes(self) -> u64 {
        self.blocks.map_or(0, Blocks::holds_bytes)
    }

    fn lanes_at(self) -> u64 {
        (u64::from(self.subscribers) * self.row_bytes()).next_multiple_of(PAGE_BYTES)
    }

    fn slots_at(self) -> u64 {
        (self.lanes_at() + u64::from(self.publishers) * LANE_BYTES).next_multiple_of(PAGE_BYTES)
    }

    fn blocks_at(self) -> u64 {
        (self.slots_at() + u64::from(self.publishers) * self.lane.ring_bytes()).next_multiple_of(PAGE_BYTES)
    }

    fn body_bytes(self) -> u64 {
        if self.blocks.is_some() {
            // At most 16 lanes of 1,024 blocks of 2^30 bytes.
            return self.blocks_at() + u64::from(self.publishers) * self.pool_bytes();
        }
        // At most 16 lanes of 2^30 slots of 2^31 bytes: below 2^65, so saturating, and then refused as too large.
        self.slots_at().saturating_add(u64::from(self.publishers).saturating_mul(self.lane.ring_bytes()))
    }

    /// All rows.
    pub(super) fn rows(self) -> Range<u64> {
        0..u64::from(self.subscribers) * self.row_bytes()
    }

    /// Where in them a subscriber's position in a lane is.
    pub(super) fn position(self, subscriber: u32, lane: u32) -> usize {
        (u64::from(subscriber) * self.row_bytes() + u64::from(lane) * WORD_BYTES) as usize
    }

    /// Where in them a subscriber's bits for the blocks of a lane are.
    pub(super) fn holds(self, subscriber: u32, lane: u32) -> Range<u64> {
        let positions = u64::from(self.publishers) * WORD_BYTES;
        let start = u64::from(subscriber) * self.row_bytes() + positions + u64::from(lane) * self.holds_bytes();
        start..start + self.holds_bytes()
    }

    pub(super) fn lane(self, lane: u32) -> Range<u64> {
        let start = self.lanes_at() + u64::from(lane) * LANE_BYTES;
        start..start + LANE_BYTES
    }

    pub(super) fn slots(self, lane: u32) -> Range<u64> {
        let start = self.slots_at() + u64::from(lane) * self.lane.ring_bytes();
        start..start + self.lane.ring_bytes()
    }

    /// The blocks of a lane: nothing where there are none.
    pub(super) fn pool(self, lane: u32) -> Range<u64> {
        let start = self.blocks_at() + u64::from(lane) * self.pool_bytes();
        start..start + self.pool_bytes()
    }

    /// What only publishers write: lanes, slots and blocks, whole pages.
    pub(super) fn publishers_part(self) -> Range<u64> {
        self.lanes_at()..self.body_bytes()
    }
}

fn policy_of(number: u32) -> Option<Policy> {
    [Policy::Block, Policy::DropOldest, Policy::DropNewest].get(number as usize).copied()
}

fn number_of(policy: Policy) -> u32 {
    match policy {
        Policy::Block => 0,
        Policy::DropOldest => 1,
        Policy::DropNewest => 2,
    }
}

/// What who only looks can tell of a broadcast.
#[derive(Clone, Debug, Default)]
pub(crate) struct LanesSeen {
    /// Messages of each publisher that are kept, at least.
    pub(crate) history: u64,
    pub(crate) lanes: Vec<LaneSeen>,
    /// How many messages each seat's owner has yet to read, if it reads.
    pub(crate) lags: Vec<Option<u64>>,
}

/// What who only looks can tell of one publisher's seat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LaneSeen {
    pub(crate) sent: u64,
    pub(crate) dropped: u64,
    /// How many of them the slowest of the subscribers that hold it up has yet to read, where there is one.
    pub(crate) lag: Option<u64>,
}

/// Looks at each lane of a region whose size was held against its header, and at who reads it.
pub(crate) fn lanes_seen(region: &Region, header: &Header) -> Result<Option<LanesSeen>> {
    let Some(plan) = Plan::of(header) else { return Ok(None) };
    let start = body_at(header.seats);
    let positions = region.view(start..start + plan.rows().end)?;
    let mut here = Vec::new();
    for subscriber in 0..plan.subscribers {
        let seat = outside::seat_view(region, plan.publishers + subscriber)?;
        // Acquire: a position is not of an owner before this one.
        if Presence::from_word(seat.load_u64(seat::PRESENCE, Acquire)).state() == State::Attached {
            here.push(subscriber);
        }
    }
    let history = u64::from(plan.history());
    let mut seen = LanesSeen { history, lanes: Vec::new(), lags: vec![None; header.seats as usize] };
    for number in 0..plan.publishers {
        let of = plan.lane(number);
        // Relaxed: a picture of a moment. Positions first: one beyond what was sent is none that lags.
        let at = |&subscriber: &u32| (subscriber, positions.load_u64(plan.position(subscriber, number), Relaxed));
        let positions: Vec<_> = here.iter().map(at).filter(|it| it.1 != NOWHERE).collect();
        let lane = region.view(start + of.start..start + of.end)?;
        let (sent, dropped) = (lane.load_u64(SENT, Acquire), lane.load_u64(DROPPED, Relaxed));
        let mut slowest = None;
        for (subscriber, position) in positions {
            let lag = sent.saturating_sub(position);
            slowest = slowest.max(Some(lag));
            if let Some(sum) = seen.lags.get_mut((plan.publishers + subscriber) as usize) {
                *sum = Some(sum.unwrap_or(0).saturating_add(lag));
            }
        }
        seen.lanes.push(LaneSeen { sent, dropped, lag: slowest });
    }
    Ok(Some(seen))
}

/// How somebody comes to a channel.
pub(super) enum How {
    Create,
    Open,
    OpenTimeout(Duration),
    OpenOrCreate,
}

/// Comes to the channel at a place.
pub(super) fn come<M: Message + ?Sized>(place: &Place, options: &Options, role: u32, how: &How) -> Result<(Hub, Plan)> {
    let asked = asked::<M>(options);
    let hub = match how {
        How::Create => Hub::create::<Broadcast>(place, &whole::<M>(place, options)?, role, furnish),
        How::Open => Hub::open::<Broadcast>(place, &asked, role),
        How::OpenTimeout(timeout) => Hub::open_timeout::<Broadcast>(place, &asked, role, *timeout),
        How::OpenOrCreate => Hub::open_or_create::<Broadcast>(place, &whole::<M>(place, options)?, role, furnish),
    };
    planned(hub?)
}

/// Comes to the channel behind a descriptor.
pub(super) fn from_fd<M: Message + ?Sized>(fd: OwnedFd, options: &Options, role: u32) -> Result<(Hub, Plan)> {
    planned(Hub::from_fd::<Broadcast>(fd, &asked::<M>(options), role)?)
}

fn planned(hub: Hub) -> Result<(Hub, Plan)> {
    match Plan::of(hub.header()) {
        Some(plan) => Ok((hub, plan)),
        // Not met: the hub has asked for the size of the body.
        None => {
            Err(Error::new(ErrorKind::Damaged, format!("open {}: its header contradicts itself", hub.region().place())))
        }
    }
}

/// Nobody keeps anything yet.
fn furnish(region: &Region) -> Result<()> {
    let header = Header::read(region)?;
    let Some(plan) = Plan::of(&header) else { return Ok(()) };
    let start = body_at(header.seats);
    let positions = region.view_mut(start..start + plan.rows().end)?;
    for subscriber in 0..plan.subscribers {
        for lane in 0..plan.publishers {
            positions.store_u64(plan.position(subscriber, lane), NOWHERE, Relaxed);
        }
    }
    Ok(())
}

/// What the channel is expected to be, as far as its users must agree.
fn asked<M: Message + ?Sized>(options: &Options) -> Blueprint {
    let message = type_of::<M>();
    let header = Header { channel: CHANNEL_BROADCAST, message, schema_id: options.schema_id, ..Header::default() };
    Blueprint { header, region: options.region.clone(), strategy: options.strategy, trust: options.trust }
}

/// What a new channel is.
pub(super) fn whole<M: Message + ?Sized>(place: &Place, options: &Options) -> Result<Blueprint> {
    let usage = |why: String| Err(Error::new(ErrorKind::Usage, format!("create {place}: {why}")));
    for (what, count, max) in
        [("publishers", options.publishers, PUBLISHERS_MAX), ("subscribers", options.subscribers, SUBSCRIBERS_MAX)]
    {
        if !(1..=max).contains(&count) {
            return usage(format!("{count} {what} cannot be; give a number from 1 to {max}"));
        }
    }
    if options.blocks != 0 && !(blocks::COUNT_MIN..=blocks::COUNT_MAX).contains(&options.blocks) {
        let (least, most) = (blocks::COUNT_MIN, blocks::COUNT_MAX);
        return usage(format!(
            "{} blocks cannot be; give a number from {least} to {most}, or 0 for messages in their slots",
            options.blocks
        ));
    }
    let mut blueprint = asked::<M>(options);
    let bytes = if M::IS_SLICE { options.max_message_bytes } else { u64::from(blueprint.header.message.item_bytes) };
    let max_bytes = u32::try_from(bytes).ok();
    // The lane, and how long its blocks are.
    let parts = |max_bytes: u32| match options.blocks {
        0 => Some((lane::Shape::new(lane::Shape::count_for(options.capacity)?, max_bytes, M::IS_SLICE)?, 0)),
        count => Blocks::new(count, max_bytes).and_then(|it| Some((it.lane()?, it.pool_bytes()))),
    };
    let parts = max_bytes.and_then(|max_bytes| parts(max_bytes).map(|(lane, pool)| (max_bytes, lane, pool)));
    let Some((max_bytes, lane, pool_bytes)) =
        parts.filter(|(_, lane, pool_bytes)| lane.ring_bytes().saturating_add(*pool_bytes) <= LANE_BYTES_MAX)
    else {
        let (count, what) =
            if options.blocks == 0 { (options.capacity, "messages") } else { (u64::from(options.blocks), "blocks") };
        return usage(format!("{count} {what} of up to {bytes} bytes are more than a lane can hold; ask for less"));
    };
    blueprint.header.seats = options.publishers + options.subscribers;
    blueprint.header.capacity_bytes = lane.ring_bytes() + pool_bytes;
    blueprint.header.is_restartable = options.is_restartable;
    blueprint.header.is_kept = options.is_kept;
    blueprint.header.shape = [options.publishers, lane.count(), max_bytes, number_of(options.policy), options.blocks];
    Ok(blueprint)
}

/// A lane that contradicts itself, found while attaching.
pub(super) fn damaged(region: &Region, fault: PeerFault) -> Error {
    Error::new(ErrorKind::Damaged, format!("open {}: {fault}", region.place()))
}
