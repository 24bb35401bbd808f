//! How a channel of calls is laid out: what its header says, and its own shared words.
//!
//! | part | offset | field | who writes |
//! |---|---:|---|---|
//! | header | | `capacity_bytes`: of all rows | the creator |
//! | | | `shape`: clients, calls in flight, longest request, longest answer, zero | the creator |
//! | the channel's own words | 0 | `clients`: 4 words of 64 bits, one for each row: its client has been here and has not left | the client sets its own, and clears it when it leaves |
//! | seats | | the clients', and behind them the servers' | see [`crate::peer::seat`] |
//! | body | | a row of call slots for each client ([`crate::ring::rpc`]) | see there |

use crate::channel::hub::{Blueprint, Hub, Kind, body_at};
use crate::channel::message::{Message, type_of};
use crate::channel::rpc::options::Options;
use crate::error::{Error, ErrorKind, Result};
use crate::peer::seat::SEATS_MAX;
use crate::region::header::{CHANNEL_RPC, Header, MessageType};
use crate::region::{Place, Region};
use crate::ring::rpc::{Census, Claimant, IN_FLIGHT_MAX, MESSAGE_BYTES_MAX, Shape, census};
use std::ops::Range;

pub(super) const CLIENT: u32 = 0;
pub(super) const SERVER: u32 = 1;
/// Servers sleep here: calls have come.
pub(super) const REQUESTS: usize = 0;
/// Clients sleep here, each for its own: answers have come.
pub(super) const ANSWERS: usize = 1;
/// Where in the shared words the bits of the clients are.
pub(super) const CLIENTS_AT: usize = 0;
/// Name, offset and length of each of the shared words.
pub(super) const SHARED_FIELDS: [(&str, usize, usize); 4] =
    [("clients_0", 0, 8), ("clients_1", 8, 8), ("clients_2", 16, 8), ("clients_3", 24, 8)];
/// Seats whose bits are in one word.
pub(super) const WORD_SEATS: u32 = 64;

/// The kind of channel that this is to its hub.
pub(crate) struct Rpc;

impl Kind for Rpc {
    fn body_bytes(header: &Header) -> Option<u64> {
        let [clients, ..] = header.shape;
        let bytes = shape_of(header)?.bytes();
        (clients < header.seats && bytes == header.capacity_bytes).then_some(bytes)
    }

    fn seats(header: &Header, role: u32) -> Range<u32> {
        let [clients, ..] = header.shape;
        if role == CLIENT { 0..clients } else { clients..header.seats }
    }

    fn role_name(role: u32) -> &'static str {
        if role == CLIENT { "client" } else { "server" }
    }
}

/// The shape that a header alleges; `None` where it cannot be, or is not that of the types.
pub(super) fn shape_of(header: &Header) -> Option<Shape> {
    let [clients, in_flight, request_max, answer_max, _] = header.shape;
    let answer = header.answer.as_ref()?;
    let fits = |message: &MessageType, max: u32| message.is_slice || message.item_bytes == max;
    let are_sound = fits(&header.message, request_max) && fits(answer, answer_max);
    if are_sound { Shape::new(clients, in_flight, request_max, answer_max) } else { None }
}

/// What who only looks can tell of calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallsSeen {
    /// How many there can be at once.
    pub(crate) capacity: u64,
    pub(crate) census: Census,
    /// Open calls of each seat: of a client those that it waits for, of a server those that it serves.
    pub(crate) of_seats: Vec<u64>,
}

/// Counts the calls in a region whose size was held against its header, for who only looks.
pub(crate) fn calls_seen(region: &Region, header: &Header) -> Result<Option<CallsSeen>> {
    let Some(shape) = shape_of(header) else { return Ok(None) };
    let start = body_at(header.seats);
    let window = region.view(start..start + shape.bytes())?;
    let [clients, in_flight, ..] = header.shape;
    let (mut waits, mut serves) = (vec![0; clients as usize], vec![0; SEATS_MAX as usize]);
    // A row is below their number, and a seat has eight bits.
    let counted = census(shape, &window, |row| waits[row as usize] += 1, |seat| serves[seat as usize] += 1);
    let census =
        counted.map_err(|fault| Error::new(ErrorKind::Damaged, format!("open {}: {fault}", region.place())))?;
    waits.extend(serves.drain(..).skip(clients as usize));
    Ok(Some(CallsSeen { capacity: u64::from(clients) * u64::from(in_flight), census, of_seats: waits }))
}

/// The longest request and the longest answer.
pub(super) fn longest(request: &MessageType, answer: &MessageType, options: &Options) -> (u32, u32) {
    let longest = |message: &MessageType, max: u32| if message.is_slice { max } else { message.item_bytes };
    (longest(request, options.max_request_bytes), longest(answer, options.max_answer_bytes))
}

/// How a channel of such messages is made, or what it is expected to be.
pub(super) fn blueprint<Req, Res>(place: &Place, options: &Options) -> Result<Blueprint>
where
    Req: Message + ?Sized,
    Res: Message + ?Sized,
{
    let (request, answer) = (type_of::<Req>(), type_of::<Res>());
    let usage = |why: String| Err(Error::new(ErrorKind::Usage, format!("create {place}: {why}")));
    let Options { clients, servers, in_flight, .. } = *options;
    if clients == 0 || servers == 0 || clients.checked_add(servers).is_none_or(|seats| seats > SEATS_MAX) {
        return usage(format!(
            "{clients} clients and {servers} servers are not 1 or more of each and {SEATS_MAX} in all"
        ));
    }
    if !(1..=IN_FLIGHT_MAX).contains(&in_flight) {
        return usage(format!("{in_flight} calls in flight are not 1 to {IN_FLIGHT_MAX}"));
    }
    let (request_max, answer_max) = longest(&request, &answer, options);
    let Some(shape) = Shape::new(clients, in_flight, request_max, answer_max) else {
        return usage(format!(
            "requests of {request_max} and answers of {answer_max} bytes: {MESSAGE_BYTES_MAX} is the limit"
        ));
    };
    let header = Header {
        channel: CHANNEL_RPC,
        message: request,
        answer: Some(answer),
        schema_id: options.schema_id,
        capacity_bytes: shape.bytes(),
        is_restartable: options.is_restartable,
        is_kept: options.is_kept,
        seats: clients + servers,
        shape: [clients, in_flight, request_max, answer_max, 0],
        ..Header::default()
    };
    Ok(Blueprint { header, region: options.region.clone(), strategy: options.strategy, trust: options.trust })
}

/// The shape of the channel that a hub is of.
pub(super) fn shape_of_hub(hub: &Hub) -> Result<Shape> {
    // The hub has checked it.
    shape_of(hub.header()).ok_or_else(|| {
        Error::new(ErrorKind::Damaged, format!("open {}: its header says an impossible shape", hub.region().place()))
    })
}

/// Who we are in the words of calls.
pub(super) fn claimant(hub: &Hub) -> Claimant {
    let (seat, generation) = hub.seat();
    Claimant::new(seat, generation)
}
