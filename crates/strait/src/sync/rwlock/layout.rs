//! The words of a read-write lock's region: those of a mutex, and who reads.

use super::readers::FIELDS;
use crate::channel::Item;
use crate::channel::hub::layout::progress;
use crate::channel::layout::{Field, Writer};
use crate::sync::{claim, layout_of, mutex};

/// Every word of the region of a lock with such a value by name, in the order of their offsets, for so many
/// [`users`](crate::sync::Options::users). Bytes that are in no field mean nothing.
#[must_use]
pub fn layout<T: Item>(users: u32) -> Vec<Field> {
    let seats = (0..users).flat_map(|seat| progress(seat, &FIELDS)).map(|mut field| {
        if field.name != "reads" {
            field.writer = Writer::Anybody;
        }
        field
    });
    let all = mutex::body_of::<T>(users).into_iter().chain(seats);
    layout_of(users, all, &[("claim", &claim::BITS), ("reads", &claim::BITS)])
}
