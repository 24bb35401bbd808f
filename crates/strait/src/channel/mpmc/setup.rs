//! How a queue comes to be, and a seat at it.
//!
//! | offset | part | who writes |
//! |---:|---|---|
//! | 0 | the hub ([`crate::channel::hub`]) | see there |
//! | the next page | the queue ([`crate::ring::mpmc`]) | see there |
//!
//! The numbers of the header's shape: slots of each kind, kinds, bytes from slot to slot.

use crate::channel::hub::{Blueprint, End, Hub, Kind, body_at};
use crate::channel::message::{Message, type_of};
use crate::channel::mpmc::options::Options;
use crate::error::{Error, ErrorKind, Result};
use crate::peer::PeerState;
use crate::peer::seat::SEATS_MAX;
use crate::region::header::{CHANNEL_MPMC, Header};
use crate::region::{Bytes, Place, Region};
use crate::ring::PeerFault;
use crate::ring::mpmc::word::Claimant;
use crate::ring::mpmc::{Census, KINDS_MAX, Queue, SLOTS_MAX, SLOTS_MIN, Shape, census, estimate};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::time::Duration;
use strait_mem::LentMut;
use strait_sys::clock_gettime;

/// What somebody at a queue is.
pub(super) const PRODUCER: u32 = 0;
pub(super) const WORKER: u32 = 1;
/// What somebody sleeps for.
pub(super) const JOBS: usize = 0;
pub(super) const ROOM: usize = 1;

/// How long a job can be put off: a quarter of the circle that the clock of what is put off goes round in.
const DELAY_MAX: Duration = Duration::from_millis((u32::MAX / 4) as u64);

/// A queue, to its hub.
pub(crate) struct Mpmc;

impl Kind for Mpmc {
    fn body_bytes(header: &Header) -> Option<u64> {
        shape_of(header).map(Shape::body_bytes)
    }

    fn seats(header: &Header, _: u32) -> Range<u32> {
        0..header.seats
    }

    fn role_name(role: u32) -> &'static str {
        if role == PRODUCER { "producer" } else { "worker" }
    }
}

/// What a header says, if it can be.
fn shape_of(header: &Header) -> Option<Shape> {
    let [slots, kinds, stride_bytes, 0, 0] = header.shape else { return None };
    let item_bytes = if header.message.is_slice { 0 } else { header.message.item_bytes };
    let shape = Shape::new(slots, kinds, stride_bytes, item_bytes)?;
    let slots_bytes = u64::from(slots) * u64::from(kinds) * u64::from(stride_bytes);
    (header.capacity_bytes == slots_bytes).then_some(shape)
}

/// What who only looks can tell of a queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct JobsSeen {
    /// How many it holds at the most.
    pub(crate) capacity: u64,
    pub(crate) census: Census,
    /// Jobs in the hands of each seat's owner; empty where they were not counted.
    pub(crate) in_hands: Vec<u64>,
}

/// Counts the jobs in the queue of a region whose size was held against its header, for who only looks; where it has more than
/// `looked_at_max` slots, estimates them by its hints.
pub(crate) fn jobs_seen(region: &Region, header: &Header, looked_at_max: u64) -> Result<Option<JobsSeen>> {
    let Some(shape) = shape_of(header) else { return Ok(None) };
    let start = body_at(header.seats);
    let window = region.view(start..start + shape.body_bytes())?;
    let capacity = u64::from(shape.slots()) * u64::from(shape.kinds());
    if capacity > looked_at_max {
        let (sent, jobs) = estimate(shape, &window);
        let census = Census { jobs, came_back: 0, done: sent.saturating_sub(jobs) };
        return Ok(Some(JobsSeen { capacity, census, in_hands: Vec::new() }));
    }
    let mut in_hands = vec![0; header.seats as usize];
    let counted = census(shape, &window, |seat| {
        if let Some(count) = in_hands.get_mut(seat as usize) {
            *count += 1;
        }
    });
    let census = counted.map_err(|fault| damaged(region, fault))?;
    Ok(Some(JobsSeen { capacity, census, in_hands }))
}

/// A queue that contradicts itself, found by who only looks.
fn damaged(region: &Region, fault: PeerFault) -> Error {
    Error::new(ErrorKind::Damaged, format!("open {}: {fault}", region.place()))
}

/// A seat, and the queue.
pub(super) struct Seated {
    pub(super) hub: Hub,
    pub(super) queue: Queue<LentMut>,
    pub(super) me: Claimant,
}

pub(super) fn create<M: Message + ?Sized>(place: &Place, options: &Options, role: u32) -> Result<Seated> {
    let blueprint = made::<M>(place, options)?;
    seated(Hub::create::<Mpmc>(place, &blueprint, role, |_| Ok(()))?)
}

pub(super) fn open<M: Message + ?Sized>(place: &Place, options: &Options, role: u32) -> Result<Seated> {
    seated(Hub::open::<Mpmc>(place, &asked::<M>(options), role)?)
}

pub(super) fn open_timeout<M: Message + ?Sized>(
    place: &Place,
    options: &Options,
    role: u32,
    timeout: Duration,
) -> Result<Seated> {
    seated(Hub::open_timeout::<Mpmc>(place, &asked::<M>(options), role, timeout)?)
}

pub(super) fn open_or_create<M: Message + ?Sized>(place: &Place, options: &Options, role: u32) -> Result<Seated> {
    seated(Hub::open_or_create::<Mpmc>(place, &made::<M>(place, options)?, role, |_| Ok(()))?)
}

pub(super) fn from_fd<M: Message + ?Sized>(fd: OwnedFd, options: &Options, role: u32) -> Result<Seated> {
    seated(Hub::from_fd::<Mpmc>(fd, &asked::<M>(options), role)?)
}

/// What an opener asks for.
fn asked<M: Message + ?Sized>(options: &Options) -> Blueprint {
    Blueprint {
        header: Header {
            channel: CHANNEL_MPMC,
            message: type_of::<M>(),
            schema_id: options.schema_id,
            ..Header::default()
        },
        region: options.region.clone(),
        strategy: options.strategy,
        trust: options.trust,
    }
}

/// What a creator makes.
fn made<M: Message + ?Sized>(place: &Place, options: &Options) -> Result<Blueprint> {
    let mut blueprint = asked::<M>(options);
    let refuse = |why: String| Err(Error::new(ErrorKind::Usage, format!("create {place}: {why}")));
    if options.capacity > SLOTS_MAX {
        return refuse(format!("a capacity of {} jobs is beyond the limit of {SLOTS_MAX}", options.capacity));
    }
    if options.kinds == 0 || options.kinds > KINDS_MAX {
        return refuse(format!("a queue has 1 to {KINDS_MAX} kinds of job, not {}", options.kinds));
    }
    if options.seats == 0 || options.seats > SEATS_MAX {
        return refuse(format!("a queue has 1 to {SEATS_MAX} seats, not {}", options.seats));
    }
    let item_bytes = blueprint.header.message.item_bytes;
    let payload_bytes = if M::IS_SLICE { options.job_max_bytes } else { item_bytes };
    if M::IS_SLICE && item_bytes > payload_bytes {
        return refuse(format!("jobs of up to {} hold no item of {item_bytes} bytes", Bytes(payload_bytes.into())));
    }
    let slots = options.capacity.next_power_of_two().max(SLOTS_MIN);
    let item_bytes = if M::IS_SLICE { 0 } else { item_bytes };
    let stride_bytes = Shape::stride_for(payload_bytes);
    let Some((_, stride_bytes)) =
        stride_bytes.and_then(|stride| Some((Shape::new(slots, options.kinds, stride, item_bytes)?, stride)))
    else {
        return refuse(format!("jobs of {} are too large for a queue", Bytes(payload_bytes.into())));
    };
    let header = &mut blueprint.header;
    header.shape = [slots, options.kinds, stride_bytes, 0, 0];
    header.capacity_bytes = u64::from(slots) * u64::from(options.kinds) * u64::from(stride_bytes);
    header.seats = options.seats;
    header.is_restartable = options.is_restartable;
    header.is_kept = options.is_kept;
    Ok(blueprint)
}

fn seated(mut hub: Hub) -> Result<Seated> {
    let range = hub.body();
    // The hub has checked the region against the header's numbers.
    let (start, end) = (range.start as usize, range.end as usize);
    let window = shape_of(hub.header())
        .and_then(|shape| Some((shape, hub.region().mapping().lent_mut(start..end, hub.trust())?)));
    let Some((shape, window)) = window else {
        let why = format!("attach to {}: it was opened read-only", hub.region().place());
        hub.leave(|| true);
        return Err(Error::new(ErrorKind::Usage, why));
    };
    let queue = Queue::new(shape, window);
    let (seat, generation) = hub.seat();
    if hub.succeeds_dead() {
        queue.mend(seat, generation.wrapping_sub(1), now_ms());
    }
    // What the other dead have left comes before what is new.
    hub.look_for_dead(|seat, generation| queue.mend(seat, generation, now_ms()));
    Ok(Seated { hub, queue, me: Claimant::new(seat, generation) })
}

/// Whether nobody else is here.
pub(super) fn is_alone(hub: &Hub) -> bool {
    let own = hub.seat().0;
    (0..hub.header().seats).all(|seat| seat == own || hub.peer_state(seat) != PeerState::Attached)
}

/// The clock of what is put off: milliseconds on the circle of 32 bits, some milliseconds late.
pub(super) fn now_ms() -> u32 {
    clock_gettime::monotonic_coarse().as_millis() as u32
}

/// When what is put off now is due on that clock: never before `delay` is over, so it is the exact time that the delay is added to. A sum on the
/// late clock would be due up to a tick too soon for who reads it just after the next one.
pub(super) fn due_ms(delay: Duration) -> u32 {
    let due_ns = u128::from(clock_gettime::monotonic_ns()) + delay.min(DELAY_MAX).as_nanos();
    // Truncation: the circle.
    due_ns.div_ceil(1_000_000) as u32
}

/// What an end is to who pushes.
pub(super) fn push_error(end: End) -> super::PushError {
    match end {
        End::Fault(fault) => super::PushError::Fault(fault),
        End::Forked => super::PushError::Forked,
    }
}

/// What an end is to who pops.
pub(super) fn pop_error(end: End) -> super::PopError {
    match end {
        End::Fault(fault) => super::PopError::Fault(fault),
        End::Forked => super::PopError::Forked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is put off is due at the next millisecond behind its time: on the exact clock never before, whatever the late one shows.
    #[test]
    fn nothing_is_due_too_soon() {
        let ms = |ns: u64| ns.div_ceil(1_000_000) as u32;
        for delay_ns in [1, 999_999, 1_000_000, 60_000_000] {
            let earliest = ms(clock_gettime::monotonic_ns() + delay_ns);
            let due_ms = due_ms(Duration::from_nanos(delay_ns));
            let latest = ms(clock_gettime::monotonic_ns() + delay_ns);
            assert!(
                due_ms.wrapping_sub(earliest) <= latest.wrapping_sub(earliest),
                "{due_ms} is not in {earliest}..={latest}"
            );
        }
        let far = due_ms(Duration::MAX).wrapping_sub(now_ms());
        assert!((u32::MAX / 4..u32::MAX / 2).contains(&far), "{far} ms");
    }
}
