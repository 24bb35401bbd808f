//! What a watch is to its hub, and how its body is made and found.

use crate::channel::hub::{Blueprint, Hub, Kind};
use crate::channel::message::{Message, type_of};
use crate::channel::watch::options::Options;
use crate::error::{Error, ErrorKind, Result};
use crate::region::header::{CHANNEL_WATCH, Header, SHAPE_NUMBERS};
use crate::region::{Bytes, Place};
use crate::ring::watch::{COPIES_MAX, COPIES_MIN, Shape, VALUE_BYTES_MAX};
use std::ops::Range;

pub(crate) const WRITER: u32 = 0;
pub(crate) const READER: u32 = 1;
/// The eventcount on which readers wait for a newer value.
pub(super) const CHANGED: usize = 0;
/// The writer's seat.
pub(crate) const WRITERS_SEAT: u32 = 0;

/// The kind.
#[derive(Debug)]
pub(crate) struct Watch;

impl Kind for Watch {
    fn body_bytes(header: &Header) -> Option<u64> {
        shape_of(header).map(Shape::body_bytes)
    }

    fn seats(header: &Header, role: u32) -> Range<u32> {
        if role == WRITER { WRITERS_SEAT..1 } else { 1..header.seats }
    }

    fn role_name(role: u32) -> &'static str {
        if role == WRITER { "writer" } else { "reader" }
    }
}

/// The shape that a header alleges, if it can be one.
pub(crate) fn shape_of(header: &Header) -> Option<Shape> {
    let [copies, rest @ ..] = header.shape;
    let item_bytes = u64::from(header.message.item_bytes);
    let is_whole = match header.message.is_slice {
        true => header.capacity_bytes.checked_rem(item_bytes) == Some(0),
        false => header.capacity_bytes == item_bytes,
    };
    let is_ours = is_whole && rest.iter().all(|&number| number == 0);
    Shape::new(copies, header.capacity_bytes, header.message.is_slice).filter(|_| is_ours)
}

/// What is asked of a watch of this type that exists.
pub(super) fn asked<M: Message + ?Sized>(options: &Options) -> Blueprint {
    Blueprint {
        header: Header {
            channel: CHANNEL_WATCH,
            message: type_of::<M>(),
            schema_id: options.schema_id,
            ..Header::default()
        },
        region: options.region.clone(),
        strategy: options.strategy,
        trust: None,
    }
}

/// How a watch of this type is made.
pub(super) fn planned<M: Message + ?Sized>(place: &Place, options: &Options) -> Result<Blueprint> {
    let usage = |why: String| Err(Error::new(ErrorKind::Usage, format!("create {place}: {why}")));
    let item_bytes = size_of::<M::Item>() as u64;
    let value_bytes = if M::IS_SLICE { options.max_message_bytes / item_bytes * item_bytes } else { item_bytes };
    if value_bytes == 0 || value_bytes > VALUE_BYTES_MAX {
        let asked = if M::IS_SLICE { options.max_message_bytes } else { item_bytes };
        return usage(format!(
            "a value of up to {} is asked for; it has room for an item of {item_bytes} bytes at least, and at most {}",
            Bytes(asked),
            Bytes(VALUE_BYTES_MAX)
        ));
    }
    let copies = options.copies.unwrap_or_else(|| Shape::usual_copies(value_bytes, M::IS_SLICE));
    if Shape::new(copies, value_bytes, M::IS_SLICE).is_none() {
        return usage(format!("{copies} copies are asked for; give a power of two from {COPIES_MIN} to {COPIES_MAX}"));
    }
    let mut shape = [0; SHAPE_NUMBERS];
    shape[0] = copies;
    let mut plan = asked::<M>(options);
    plan.header = Header {
        capacity_bytes: value_bytes,
        is_restartable: options.is_restartable,
        is_kept: options.is_kept,
        seats: options.readers.saturating_add(1),
        shape,
        ..plan.header
    };
    Ok(plan)
}

/// A seat taken, and the shape of what it sits before.
pub(super) fn shape_at(hub: &Hub) -> Result<Shape> {
    shape_of(hub.header()).ok_or_else(|| {
        // Checked before the seat was taken.
        Error::new(ErrorKind::Damaged, format!("open {}: its header has no shape", hub.region().place()))
    })
}
