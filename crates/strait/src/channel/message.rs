//! What can be a message.

use crate::region::header::MessageType;
use std::borrow::Borrow;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Plain data: any bytes are a value of it, and it has no padding. Derive `FromBytes`, `IntoBytes`, `Immutable` and `KnownLayout` of
/// `zerocopy` for a `#[repr(C)]` struct; integers, floats and arrays of plain data are plain already.
///
/// Its alignment is at most 8 bytes, and it has nothing to drop, which is checked when the program is compiled. What goes to other processes goes
/// to other threads, so it is `Send`.
pub trait Item: FromBytes + IntoBytes + Immutable + KnownLayout + Send + Sized {}

impl<T: FromBytes + IntoBytes + Immutable + KnownLayout + Send> Item for T {}

/// A message: one plain value, or a slice of them (`[u8]` for bytes).
pub trait Message {
    /// What it is made of.
    type Item: Item;
    /// A message of one's own: `T` for `T`, `Vec<T>` for `[T]`.
    type Owned: Borrow<Self> + Send;
    /// Whether a message is a slice, of any length, and not one item.
    const IS_SLICE: bool;

    /// A message of one's own of `len_bytes`, whose bytes `fill` writes; `None`, and nothing is written, where no message is so long. A slice
    /// is made of `spare`, one that is no longer needed, if there is one.
    fn filled(len_bytes: usize, spare: Option<Self::Owned>, fill: impl FnOnce(&mut [u8])) -> Option<Self::Owned>;

    /// Its bytes.
    fn as_bytes(&self) -> &[u8];

    /// The message that these bytes are; `None` where their length or alignment is not that of one.
    fn from_bytes(bytes: &[u8]) -> Option<&Self>;

    /// The same, to be written.
    fn from_bytes_mut(bytes: &mut [u8]) -> Option<&mut Self>;

    /// A number that two programs agree on when their types are laid out alike and called alike.
    ///
    /// It is made of the type's name without its path, its size and its alignment, and whether it is a slice.
    #[must_use]
    fn layout_hash() -> u64 {
        let mut hash = Fnv::new();
        hash.write(Self::type_name().as_bytes());
        hash.write(&(size_of::<Self::Item>() as u64).to_le_bytes());
        hash.write(&(align_of::<Self::Item>() as u64).to_le_bytes());
        hash.write(&[u8::from(Self::IS_SLICE)]);
        hash.0
    }

    /// The type's name without paths: `Sample`, `[u8]`.
    #[must_use]
    fn type_name() -> String {
        let item = without_paths(std::any::type_name::<Self::Item>());
        if Self::IS_SLICE { format!("[{item}]") } else { item }
    }
}

impl<T: Item> Message for T {
    type Item = T;
    type Owned = T;
    const IS_SLICE: bool = false;

    #[inline]
    fn filled(len_bytes: usize, _spare: Option<T>, fill: impl FnOnce(&mut [u8])) -> Option<T> {
        if len_bytes != size_of::<T>() {
            return None;
        }
        let mut message = T::new_zeroed();
        fill(message.as_mut_bytes());
        Some(message)
    }

    #[inline]
    fn as_bytes(&self) -> &[u8] {
        IntoBytes::as_bytes(self)
    }

    #[inline]
    fn from_bytes(bytes: &[u8]) -> Option<&Self> {
        T::ref_from_bytes(bytes).ok()
    }

    #[inline]
    fn from_bytes_mut(bytes: &mut [u8]) -> Option<&mut Self> {
        T::mut_from_bytes(bytes).ok()
    }
}

impl<T: Item> Message for [T] {
    type Item = T;
    type Owned = Vec<T>;
    const IS_SLICE: bool = true;

    fn filled(len_bytes: usize, spare: Option<Vec<T>>, fill: impl FnOnce(&mut [u8])) -> Option<Vec<T>> {
        if len_bytes % size_of::<T>() != 0 {
            return None;
        }
        let mut message = spare.unwrap_or_default();
        message.resize_with(len_bytes / size_of::<T>(), T::new_zeroed);
        fill(message.as_mut_slice().as_mut_bytes());
        Some(message)
    }

    #[inline]
    fn as_bytes(&self) -> &[u8] {
        IntoBytes::as_bytes(self)
    }

    #[inline]
    fn from_bytes(bytes: &[u8]) -> Option<&Self> {
        <[T]>::ref_from_bytes(bytes).ok()
    }

    #[inline]
    fn from_bytes_mut(bytes: &mut [u8]) -> Option<&mut Self> {
        <[T]>::mut_from_bytes(bytes).ok()
    }
}

/// What a region's header says of a message type.
pub(crate) fn type_of<M: Message + ?Sized>() -> MessageType {
    const {
        assert!(align_of::<M::Item>() <= 8, "a message's alignment is at most 8 bytes");
        assert!(size_of::<M::Item>() > 0, "a message has at least one byte");
        assert!(!std::mem::needs_drop::<M::Item>(), "a message is plain data, which has nothing to drop");
    }
    MessageType {
        layout_hash: M::layout_hash(),
        // One too large to be said here is too large for any channel, which says so.
        item_bytes: u32::try_from(size_of::<M::Item>()).unwrap_or(u32::MAX),
        is_slice: M::IS_SLICE,
        name: M::type_name(),
    }
}

/// `a::b::Pair<c::D, [e::F; 3]>` becomes `Pair<D, [F; 3]>`: the same in every crate and version that defines it.
fn without_paths(name: &str) -> String {
    let mut short = String::with_capacity(name.len());
    let mut segment_start = 0;
    let mut rest = name.char_indices().peekable();
    while let Some((_, c)) = rest.next() {
        if c == ':' && rest.peek().is_some_and(|&(_, next)| next == ':') {
            rest.next();
            short.truncate(segment_start);
            continue;
        }
        short.push(c);
        if !(c.is_alphanumeric() || c == '_') {
            segment_start = short.len();
        }
    }
    short
}

/// FNV-1a, 64 bits: stable across builds, which std's hashers do not promise to be.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
        // Tells ("ab", "c") from ("a", "bc").
        self.0 = (self.0 ^ 0xFF).wrapping_mul(0x0000_0100_0000_01B3);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_paths() {
        assert_eq!(without_paths("u64"), "u64");
        assert_eq!(without_paths("my_crate::feed::Sample"), "Sample");
        assert_eq!(without_paths("a::Pair<b::c::D, [e::F; 3]>"), "Pair<D, [F; 3]>");
        assert_eq!(<[u8]>::type_name(), "[u8]");
    }

    /// Types that differ in name, size or shape are told apart.
    #[test]
    fn hashes_tell_types_apart() {
        let hashes = [
            u64::layout_hash(),
            i64::layout_hash(),
            f64::layout_hash(),
            <[u64]>::layout_hash(),
            <[u8; 8]>::layout_hash(),
            <[u8]>::layout_hash(),
        ];
        for (i, a) in hashes.iter().enumerate() {
            assert!(hashes[i + 1..].iter().all(|b| a != b), "{i}");
        }
    }
}
