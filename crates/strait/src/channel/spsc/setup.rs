//! How the ends of a channel come to be.
//!
//! | offset | part | who writes |
//! |---:|---|---|
//! | 0 | header ([`header`]) | the creator, before the region has a name |
//! | 4,096 | the sender's side ([`side`]) | sender |
//! | 8,192 | the receiver's side | receiver |
//! | 12,288 | the ring, and a page of margin behind it | sender |
//!
//! 1. A creator takes its lease and fills in everything before it gives the name.
//! 2. An opener, behind the door, makes sure that the name still leads to what it opened, and sweeps a channel that nobody holds
//!    and nobody can continue: not restartable, no file.

use crate::channel::endpoint::{Endpoint, Parts, busy, sign};
use crate::channel::message::Message;
use crate::channel::spsc::options::Options;
use crate::error::{Error, ErrorKind, Result};
use crate::peer::lease::Leases;
use crate::peer::side::{self, Presence, SIDE_BYTES, State};
use crate::region::header::{CHANNEL_SPSC, HEADER_BYTES, Header};
use crate::region::{Bytes, Newborn, Place, Region, directory_of};
use crate::ring::PeerFault;
use crate::ring::record::{self, CAPACITY_WORDS_MAX, CAPACITY_WORDS_MIN, WORD_BYTES};
use crate::ring::slots;
use crate::ring::spsc::{PROGRESS_BYTES, Shape};
use crate::wait::turn::deadline_after;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use strait_mem::{Shared as _, Trust, View, ViewMut};
use strait_sys::inotify::Arrivals;

pub(super) const SENDER_SIDE: u64 = HEADER_BYTES;
pub(super) const RECEIVER_SIDE: u64 = SENDER_SIDE + SIDE_BYTES;
pub(super) const RING: u64 = RECEIVER_SIDE + SIDE_BYTES;
/// The margin behind the ring takes a page, so that the region is whole pages.
pub(super) const MARGIN_BYTES: u64 = 4096;
const LINE_BYTES: usize = 64;
/// In place of the alignment of records in the header: there are no records, but slots.
const SLOTS: u32 = 0;
/// How often creating a channel tries again because what had its name was left by the dead, and is swept: others may die meanwhile.
const SWEEPS_MAX: u32 = 8;
/// How long opening waits for a process that was stopped while attaching or leaving.
const DOOR_PATIENCE: Duration = Duration::from_secs(2);

/// Which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Sender,
    Receiver,
}

impl Role {
    pub(super) fn slot(self) -> u32 {
        match self {
            Self::Sender => 0,
            Self::Receiver => 1,
        }
    }

    fn side(self) -> u64 {
        match self {
            Self::Sender => SENDER_SIDE,
            Self::Receiver => RECEIVER_SIDE,
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Sender => Self::Receiver,
            Self::Receiver => Self::Sender,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Receiver => "receiver",
        }
    }
}

/// An end, attached, with the windows its ring needs.
pub(super) struct Attached {
    pub(super) endpoint: Endpoint,
    pub(super) shape: Shape,
    pub(super) own_progress: ViewMut,
    pub(super) peer_progress: View,
    /// Whether the ring's memory can be lent.
    pub(super) trust: Option<Trust>,
}

impl Attached {
    /// The bytes of the ring.
    pub(super) fn ring_range(&self) -> std::ops::Range<usize> {
        let start = RING as usize;
        start..start + self.shape.ring_bytes()
    }
}

/// Makes a channel; nothing of that name may exist, unless it is what the dead left behind.
pub(super) fn create<M: Message + ?Sized>(place: &Place, options: &Options, role: Role) -> Result<Attached> {
    let mut sweeps = 0;
    loop {
        match create_once::<M>(place.clone(), options, role) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && sweeps < SWEEPS_MAX && sweep(place, options) => {
                sweeps += 1;
            }
            done => return done,
        }
    }
}

/// Removes a channel that is provably of no use to anybody; says whether the name is free now, by us or by somebody who was faster.
/// What cannot be opened is left alone.
fn sweep(place: &Place, options: &Options) -> bool {
    let swept = || -> Result<bool> {
        let region = match Region::open(place, &options.region) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
            opened => opened?,
        };
        let header = Header::read(&region)?;
        let leases = Leases::open(&region)?;
        let _door = leases.enter(DOOR_PATIENCE)?;
        if !region.has_name() {
            return Ok(true);
        }
        sweep_dead(&region, &header, &leases)
    };
    swept().unwrap_or(false)
}

/// Behind the door: removes the name of a channel that nobody holds and nobody can continue.
fn sweep_dead(region: &Region, header: &Header, leases: &Leases) -> Result<bool> {
    let outlives = header.is_restartable || region.place().is_file();
    if outlives || leases.is_anybody_else_here() || !region.has_name() {
        return Ok(false);
    }
    Region::remove(region.place())?;
    Ok(true)
}

fn create_once<M: Message + ?Sized>(place: Place, options: &Options, role: Role) -> Result<Attached> {
    let header = header_for::<M>(&place, options)?;
    let len_bytes = RING + header.capacity_bytes + MARGIN_BYTES;
    let newborn = Newborn::make(place, len_bytes, &options.region)?;
    header.write(newborn.region())?;
    let leases = Leases::open(newborn.region())?;
    if !leases.try_take(role.slot())? {
        return Err(busy(newborn.region(), role.name(), role.side()));
    }
    sign(newborn.region(), role.side())?;
    attached(newborn.give_name()?, leases, &header, options, role)
}

/// Opens a channel that exists.
pub(super) fn open<M: Message + ?Sized>(place: &Place, options: &Options, role: Role) -> Result<Attached> {
    attach::<M>(Region::open(place, &options.region)?, options, role)
}

/// Opens a channel, waiting until it exists.
pub(super) fn open_timeout<M: Message + ?Sized>(
    place: &Place,
    options: &Options,
    role: Role,
    timeout: Duration,
) -> Result<Attached> {
    let deadline = deadline_after(timeout);
    let directory = place.kind().map(|_| place.path().map(directory_of))?;
    // Watched before the first try, so that a name which appears in between is noticed.
    let arrivals = match directory {
        Some(directory) => Some(
            Arrivals::of(directory).map_err(|e| Error::kernel("watch the directory of", place, e, "it must exist"))?,
        ),
        None => None,
    };
    loop {
        let refused = match open::<M>(place, options, role) {
            Err(error) if error.kind() == ErrorKind::NotFound => error,
            done => return done,
        };
        let Some(arrivals) = &arrivals else { return Err(refused) };
        let left = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return Err(Error::new(ErrorKind::TimedOut, format!("open {place}: nobody created it within {timeout:?}")));
        }
        arrivals.wait(left).map_err(|e| Error::kernel("watch the directory of", place, e, ""))?;
    }
}

/// Opens a channel, or makes it where there is none.
pub(super) fn open_or_create<M: Message + ?Sized>(place: &Place, options: &Options, role: Role) -> Result<Attached> {
    loop {
        match open::<M>(place, options, role) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            done => return done,
        }
        match create::<M>(place, options, role) {
            // Somebody was faster: open theirs.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            done => return done,
        }
    }
}

/// Attaches to a channel whose region is mapped.
pub(super) fn attach<M: Message + ?Sized>(region: Region, options: &Options, role: Role) -> Result<Attached> {
    let header = Header::read(&region)?;
    check_type::<M>(&region, &header)?;
    let leases = Leases::open(&region)?;
    let door = leases.enter(DOOR_PATIENCE)?;
    let is_named = region.place().path().is_some();
    if is_named && !region.has_name() {
        return Err(not_found(&region, "its last user has just left"));
    }
    if sweep_dead(&region, &header, &leases)? {
        return Err(not_found(&region, "its users are dead, and what they left has been removed"));
    }
    if !header.is_restartable {
        check_unused(&region, &leases, role)?;
    }
    if !leases.try_take(role.slot())? {
        return Err(busy(&region, role.name(), role.side()));
    }
    sign(&region, role.side())?;
    drop(door);
    attached(region, leases, &header, options, role)
}

fn attached(region: Region, leases: Leases, header: &Header, options: &Options, role: Role) -> Result<Attached> {
    let shape = shape_of(&region, header)?;
    let progress = |role: Role| {
        let start = role.side() + side::PROGRESS;
        start..start + PROGRESS_BYTES as u64
    };
    let own_progress = region.view_mut(progress(role))?;
    let peer_progress = region.view(progress(role.other()))?;
    let trust = region.trust()?.or(options.trust);
    let endpoint = Endpoint::new(Parts {
        slot: role.slot(),
        peer_slot: role.other().slot(),
        own_side: role.side(),
        peer_side: role.other().side(),
        is_restartable: header.is_restartable,
        strategy: options.strategy,
        region,
        leases,
    })?;
    Ok(Attached { endpoint, shape, own_progress, peer_progress, trust })
}

fn header_for<M: Message + ?Sized>(place: &Place, options: &Options) -> Result<Header> {
    const {
        assert!(align_of::<M::Item>() <= 8, "a message's alignment is at most 8 bytes");
        assert!(size_of::<M::Item>() > 0, "a message has at least one byte");
    }
    let (min, max) =
        (u64::from(CAPACITY_WORDS_MIN) * WORD_BYTES as u64, u64::from(CAPACITY_WORDS_MAX) * WORD_BYTES as u64);
    if options.capacity_bytes > max {
        return Err(Error::new(
            ErrorKind::Usage,
            format!(
                "create {place}: a capacity of {} is beyond the limit of {}",
                Bytes(options.capacity_bytes),
                Bytes(max)
            ),
        ));
    }
    let capacity_bytes = options.capacity_bytes.next_power_of_two().max(min);
    let item_bytes = size_of::<M::Item>() as u64;
    if item_bytes > capacity_bytes / 2 {
        return Err(Error::new(
            ErrorKind::Usage,
            format!(
                "create {place}: a message of {item_bytes} bytes needs a capacity of {} at least, not {}",
                Bytes((item_bytes * 2).next_power_of_two()),
                Bytes(capacity_bytes)
            ),
        ));
    }
    Ok(Header {
        channel: CHANNEL_SPSC,
        layout_hash: M::layout_hash(),
        capacity_bytes,
        // At most half of 4 GiB, see above.
        item_bytes: item_bytes as u32,
        align_bytes: align_of_records::<M>(),
        is_slice: M::IS_SLICE,
        is_restartable: options.is_restartable || place.is_file(),
        type_name: M::type_name(),
    })
}

/// Messages are records that start on a cache line each, as long as an item fits into one with its header or they are of any length
/// (`item_bytes` 0); else bare slots.
fn align(item_bytes: u32) -> u32 {
    if item_bytes as usize + WORD_BYTES <= LINE_BYTES { LINE_BYTES as u32 } else { SLOTS }
}

fn align_of_records<M: Message + ?Sized>() -> u32 {
    align(if M::IS_SLICE { 0 } else { u32::try_from(size_of::<M::Item>()).unwrap_or(u32::MAX) })
}

/// Whether such messages lie in slots.
pub(super) fn is_in_slots<M: Message + ?Sized>() -> bool {
    align_of_records::<M>() == SLOTS
}

fn check_type<M: Message + ?Sized>(region: &Region, header: &Header) -> Result<()> {
    let place = region.place();
    if header.channel != CHANNEL_SPSC {
        return Err(Error::new(
            ErrorKind::Incompatible,
            format!("open {place}: it is a channel of kind {}, not spsc", header.channel),
        ));
    }
    let is_same = header.layout_hash == M::layout_hash()
        && header.item_bytes as usize == size_of::<M::Item>()
        && header.is_slice == M::IS_SLICE;
    if is_same {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Incompatible,
        format!(
            "open {place}: its messages are '{}' of {} bytes, asked for are '{}' of {} bytes; \
             both sides must use the same type",
            header.type_name,
            header.item_bytes,
            M::type_name(),
            size_of::<M::Item>()
        ),
    ))
}

fn shape_of(region: &Region, header: &Header) -> Result<Shape> {
    let item_bytes = if header.is_slice { 0 } else { header.item_bytes };
    let is_whole = header.capacity_bytes.checked_add(RING + MARGIN_BYTES).is_some_and(|needed| needed <= region.len());
    let shape = match header.align_bytes {
        align_bytes if align_bytes != align(item_bytes) => None,
        SLOTS => slots::Shape::new(header.capacity_bytes, item_bytes).map(Shape::Slots),
        align_bytes => record::Shape::new(header.capacity_bytes, align_bytes, item_bytes).map(Shape::Records),
    };
    match shape {
        Some(shape) if is_whole => Ok(shape),
        _ => Err(Error::new(
            ErrorKind::Damaged,
            format!(
                "open {}: its header says a ring of {} bytes aligned to {} in a region of {}",
                region.place(),
                header.capacity_bytes,
                header.align_bytes,
                region.len()
            ),
        )),
    }
}

/// In a pipe-like channel each end is taken once.
fn check_unused(region: &Region, leases: &Leases, role: Role) -> Result<()> {
    let presence = region.view(role.side()..role.side() + side::LINK_BYTES)?.load_u64(side::PRESENCE, Relaxed);
    let what = match Presence::from_word(presence).state() {
        State::Never => return Ok(()),
        State::Attached if leases.is_held_by_another(role.slot()) => {
            return Err(busy(region, role.name(), role.side()));
        }
        State::Attached => "has died",
        State::Left => "has left",
    };
    Err(Error::new(
        ErrorKind::Closed,
        format!(
            "attach to {}: its {} {what} and the channel is over; make it restartable if ends shall come and go",
            region.place(),
            role.name()
        ),
    ))
}

fn not_found(region: &Region, why: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("open {}: {why}", region.place()))
}

/// A ring that contradicts itself, found while attaching.
pub(super) fn damaged(region: &Region, fault: PeerFault) -> Error {
    Error::new(ErrorKind::Damaged, format!("open {}: {fault}", region.place()))
}
