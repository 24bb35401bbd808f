//! How the ends of a channel come to be.
//!
//! | offset | part | who writes |
//! |---:|---|---|
//! | 0 | header ([`header`]) | the creator, before the region has a name |
//! | 4,096 | the sender's side ([`side`]) | sender |
//! | 8,192 | the receiver's side | receiver |
//! | 12,288 | the ring, and a page of margin behind it | sender |
//!
//! Who comes and goes does so by the rules of [`entry`]. Each end maps what it does not write read-only, where pages are small enough for
//! that: what a peer has, a stray store of ours cannot reach. But for the page with the other side's bell, which is mapped once more, at
//! an address of the kernel's choice, for it to find the bell in when we sleep: a store gone astray as far as there is not stopped.

use crate::channel::endpoint::{Endpoint, Parts, busy, rules_of, sign};
use crate::channel::message::{Message, type_of};
use crate::channel::spsc::options::Options;
use crate::error::{Error, ErrorKind, Result};
use crate::peer::entry::{self, Refusal, Site};
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
/// How long opening waits for a process that was stopped while attaching or leaving.
const DOOR_PATIENCE: Duration = Duration::from_secs(2);

/// Which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Sender,
    Receiver,
}

impl Role {
    pub(super) const fn slot(self) -> u32 {
        match self {
            Self::Sender => 0,
            Self::Receiver => 1,
        }
    }

    pub(super) const fn side(self) -> u64 {
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

    pub(super) const fn name(self) -> &'static str {
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
    entry::create(|| create_once::<M>(place.clone(), options, role), || sweep(place, options))
}

/// Removes a channel that is provably of no use to anybody; says whether the name is free. What cannot be opened is left alone.
fn sweep(place: &Place, options: &Options) -> Result<bool> {
    let region = Region::open(place, &options.region)?;
    let header = Header::read(&region)?;
    let leases = Leases::open(&region)?;
    let rules = rules_of(&region, header.is_restartable);
    entry::sweep(&Site { region: &region, leases: &leases }, rules, DOOR_PATIENCE)
}

fn create_once<M: Message + ?Sized>(place: Place, options: &Options, role: Role) -> Result<Attached> {
    let header = header_for::<M>(&place, options)?;
    let len_bytes = RING + header.capacity_bytes + MARGIN_BYTES;
    let newborn = Newborn::make(place, len_bytes, &options.region)?;
    header.write(newborn.region())?;
    let leases = Leases::open(newborn.region())?;
    let site = Site { region: newborn.region(), leases: &leases };
    let sign = || sign(newborn.region(), role.side());
    match entry::found(&site, role.slot(), sign, || newborn.give_name()) {
        Ok(()) => attached(newborn.into_region(), leases, &header, options, role),
        Err(refusal) => Err(refused(newborn.region(), role, refusal)),
    }
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
    entry::open_or_create(|| open::<M>(place, options, role), || create::<M>(place, options, role))
}

/// Attaches to a channel whose region is mapped.
pub(super) fn attach<M: Message + ?Sized>(region: Region, options: &Options, role: Role) -> Result<Attached> {
    let header = Header::read(&region)?;
    let leases = Leases::open(&region)?;
    let state = || state_of(&region, role);
    let site = Site { region: &region, leases: &leases };
    let rules = rules_of(&region, header.is_restartable);
    header
        .expect(region.place(), &asked::<M>(options))
        .map_err(|error| refused(&region, role, entry::refuse_other(&site, rules, DOOR_PATIENCE, error)))?;
    entry::attach(&site, rules, role.slot(), DOOR_PATIENCE, state, || sign(&region, role.side()))
        .map_err(|refusal| refused(&region, role, refusal))?;
    attached(region, leases, &header, options, role)
}

/// What the presence of a side says.
fn state_of(region: &Region, role: Role) -> Result<State> {
    let link = region.view(role.side()..role.side() + side::LINK_BYTES)?;
    Ok(Presence::from_word(link.load_u64(side::PRESENCE, Relaxed)).state())
}

/// The sentence for a refusal.
fn refused(region: &Region, role: Role, refusal: Refusal) -> Error {
    let (place, end) = (region.place(), role.name());
    let not_found = |why: &str| Error::new(ErrorKind::NotFound, format!("open {place}: {why}"));
    let what = match refusal {
        Refusal::NameGone => return not_found("its last user has just left"),
        Refusal::Swept => return not_found("its users are dead, and what they left has been removed"),
        Refusal::Taken => return busy(region, end, role.side()),
        Refusal::Error(error) => return error,
        Refusal::Over(State::Left) => "has left",
        Refusal::Over(_) => "has died",
    };
    Error::new(
        ErrorKind::Closed,
        format!(
            "attach to {place}: its {end} {what} and the channel is over; make it restartable if ends shall come and go"
        ),
    )
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
    let len_bytes = region.len();
    let endpoint = Endpoint::new(Parts {
        slot: role.slot(),
        peer_slot: role.other().slot(),
        own_side: role.side(),
        peer_side: role.other().side(),
        is_restartable: header.is_restartable,
        is_kept: header.is_kept,
        strategy: options.strategy,
        region,
        leases,
    })?;
    let written_by_others = match role {
        Role::Sender => [0..SENDER_SIDE, RECEIVER_SIDE..RING],
        Role::Receiver => [0..RECEIVER_SIDE, RING..len_bytes],
    };
    for bytes in written_by_others {
        // Positions in memory that is mapped. Where it cannot be done, on huge pages, windows alone keep us from writing there.
        let _ = endpoint.region().mapping().protect(bytes.start as usize..bytes.end as usize);
    }
    Ok(Attached { endpoint, shape, own_progress, peer_progress, trust })
}

fn header_for<M: Message + ?Sized>(place: &Place, options: &Options) -> Result<Header> {
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
        capacity_bytes,
        align_bytes: align_of_records::<M>(),
        is_restartable: options.is_restartable || options.is_kept || place.is_file(),
        is_kept: options.is_kept,
        ..asked::<M>(options)
    })
}

/// What the header of a channel of this kind and type says.
fn asked<M: Message + ?Sized>(options: &Options) -> Header {
    Header { channel: CHANNEL_SPSC, message: type_of::<M>(), schema_id: options.schema_id, ..Header::default() }
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

pub(super) fn shape_of(region: &Region, header: &Header) -> Result<Shape> {
    let item_bytes = if header.message.is_slice { 0 } else { header.message.item_bytes };
    let is_whole = header.capacity_bytes.checked_add(RING + MARGIN_BYTES).is_some_and(|needed| needed <= region.len());
    let shape = match header.align_bytes {
        align_bytes if align_bytes != align(item_bytes) => None,
        SLOTS if !record::is_capacity(header.capacity_bytes) => None,
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

/// A ring that contradicts itself, found while attaching.
pub(super) fn damaged(region: &Region, fault: PeerFault) -> Error {
    Error::new(ErrorKind::Damaged, format!("open {}: {fault}", region.place()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::spsc::pair;
    use crate::region;
    use crate::region::header::MessageType;

    /// A region as a channel of these messages makes it, and its header.
    fn made<M: Message + ?Sized>() -> (Region, Header) {
        let (tx, _rx) = pair::<M>(&Options::new().capacity_bytes(4096)).expect("memory");
        let fd = tx.fd().expect("has one").try_clone_to_owned().expect("a descriptor");
        let region = Region::from_fd(fd, &region::Options::new()).expect("mapped");
        let header = Header::read(&region).expect("sound");
        (region, header)
    }

    /// A ring larger than the largest is not made, and not rounded to one.
    #[test]
    fn capacity_beyond_the_limit() {
        let header = |bytes| header_for::<u64>(&Place::memfd("large"), &Options::new().capacity_bytes(bytes));
        assert_eq!(header(4 << 30).expect("the limit").capacity_bytes, 4 << 30);
        assert_eq!(header((4 << 30) + 1).expect_err("beyond it").kind(), ErrorKind::Usage);
    }

    /// Messages of another size, or slices of them, are another type, whatever the hash says.
    #[test]
    fn same_hash_is_not_the_same_type() {
        let (region, header) = made::<u64>();
        let expected = |it: &Header| it.expect(region.place(), &asked::<u64>(&Options::new()));
        assert!(expected(&header).is_ok());
        let message = &header.message;
        let with = |message| Header { message, ..header.clone() };
        for other in [
            with(MessageType { item_bytes: 16, ..message.clone() }),
            with(MessageType { is_slice: true, ..message.clone() }),
            with(MessageType { layout_hash: 0, ..message.clone() }),
            Header { schema_id: 1, ..header.clone() },
            Header { channel: 0, ..header.clone() },
        ] {
            let error = expected(&other).expect_err("another type");
            assert_eq!(error.kind(), ErrorKind::Incompatible, "{other:?}");
        }
    }

    /// A ring is of records or of slots as its items are, and as large as a ring may be; all else is damaged.
    #[test]
    fn shape_is_checked() {
        let is_damaged = |region: &Region, header: &Header| match shape_of(region, header) {
            Ok(_) => false,
            Err(error) => error.kind() == ErrorKind::Damaged,
        };
        let (region, numbers) = made::<u64>();
        assert!(shape_of(&region, &numbers).is_ok());
        for align_bytes in [0, 8, 63, 128] {
            assert!(is_damaged(&region, &Header { align_bytes, ..numbers.clone() }), "aligned to {align_bytes}");
        }
        let (region, lines) = made::<[u64; 8]>();
        assert!(shape_of(&region, &lines).is_ok());
        assert!(is_damaged(&region, &Header { align_bytes: 64, ..lines.clone() }), "records of lines");
        for capacity_bytes in [0, 128, 2048, 4032, 4095] {
            assert!(is_damaged(&region, &Header { capacity_bytes, ..lines.clone() }), "{capacity_bytes} bytes");
        }
    }
}
