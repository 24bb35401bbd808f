//! The words of a mutex's region, put together from the tables of the files that use them.

use super::shape::{FIELDS, Shape};
use crate::channel::Item;
use crate::channel::hub::layout::{body, progress};
use crate::channel::layout::{Field, Writer};
use crate::sync::{claim, layout_of, waiters};

/// Every word of the region of a mutex with such a value by name, in the order of their offsets, for so many
/// [`users`](crate::sync::Options::users). Bytes that are in no field mean nothing.
#[must_use]
pub fn layout<T: Item>(users: u32) -> Vec<Field> {
    let waiters = (0..users).flat_map(|seat| progress(seat, &waiters::FIELDS)).map(|mut field| {
        field.writer = Writer::Anybody;
        field
    });
    let all = body_of::<T>(users).into_iter().chain(waiters);
    layout_of(users, all, &[("claim", &claim::BITS), ("waits_for", &waiters::BITS)])
}

/// The body.
pub(in crate::sync) fn body_of<T: Item>(users: u32) -> Vec<Field> {
    let value_bytes = size_of::<T>();
    let shape = Shape::of(value_bytes as u64);
    // Offsets in a body that fits into memory.
    let copies = shape.copies().map(|at| ("value", at as usize, value_bytes));
    let rows = [&FIELDS[..], &copies].concat();
    body(users, &rows).collect()
}
