//! What travels: messages made from their number, so that the receiver can tell a lost, doubled or torn one.
//!
//! A payload of bytes carries its number in its first eight bytes and again in its last eight. The bytes between are the
//! sender's buffer, copied whole each time: the copy rewrites the shared memory, which is what takes it out of the
//! reader's cache. A message of one line carries its number in all eight words.

use crate::raw::Line;

/// Puts `number` at both ends of `payload`. Fewer than eight bytes carry nothing.
#[inline]
pub(crate) fn stamp(payload: &mut [u8], number: u64) {
    if let Some(head) = payload.first_chunk_mut::<8>() {
        *head = number.to_ne_bytes();
    }
    if payload.len() >= 16 {
        if let Some(tail) = payload.last_chunk_mut::<8>() {
            *tail = number.to_ne_bytes();
        }
    }
}

/// Panics unless `payload` is the message of that number.
#[inline]
pub(crate) fn check(payload: &[u8], number: u64) {
    let Some(head) = payload.first_chunk::<8>() else { return };
    let tail = payload.last_chunk::<8>().unwrap_or(head);
    let same = *head == number.to_ne_bytes() && (payload.len() < 16 || tail == head);
    assert!(same, "message {number} is not what was sent");
}

/// The message of one line of that number.
#[inline]
pub(crate) fn line(number: u64) -> Line {
    Line([number; 8])
}

/// Reads the line whole: 0 if it is the message of that number.
#[inline]
pub(crate) fn line_differs(line: &Line, number: u64) -> u64 {
    line.0.iter().fold(0, |bits, word| bits | (word ^ number))
}
