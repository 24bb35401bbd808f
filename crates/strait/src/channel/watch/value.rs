//! How a value is looked for and copied out: one item, or a slice into a vector.

use crate::channel::message::Item;
use crate::ring::PeerFault;
use crate::ring::watch::{Read, Reader};
use strait_mem::View;
use zerocopy::IntoBytes as _;

/// Looks for a value of another version than `seen`, and copies it out where there is one.
pub(super) trait Look {
    fn look(&mut self, ring: &Reader<View>, seen: u64) -> Result<Read, PeerFault>;
}

impl<F: FnMut(&Reader<View>, u64) -> Result<Read, PeerFault>> Look for F {
    #[inline(always)]
    fn look(&mut self, ring: &Reader<View>, seen: u64) -> Result<Read, PeerFault> {
        self(ring, seen)
    }
}

/// Copies one item into `value`.
#[inline(always)]
pub(super) fn one<T: Item>(value: &mut T) -> impl Look {
    move |ring: &Reader<View>, seen| Ok(ring.read(seen, value.as_mut_bytes()))
}

/// Copies a slice into a vector.
pub(super) fn slice<T: Item>(into: &mut Vec<T>) -> impl Look {
    move |ring: &Reader<View>, seen| {
        ring.read_slice(seen, size_of::<T>() as u64, into, |into, items| {
            into.resize_with(items, <T as zerocopy::FromZeros>::new_zeroed);
            into.as_mut_bytes()
        })
    }
}
