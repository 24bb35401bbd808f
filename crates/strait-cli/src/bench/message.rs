//! What travels: messages made from their number, so that a lost, doubled, torn or mixed one is told from the right one.
//!
//! | bytes of a message of `n` | |
//! |---:|---|
//! | 0..8 | its number, as much of it as fits |
//! | 4096 k .. 4096 k + 8 | the number, mixed with `k`: each page is this message's |
//! | n - 8 .. n | the number, mixed, where `n` is at least 16 |
//!
//! The rest is the sender's memory, which is copied whole each time; that takes it out of the reader's cache as real data would be. An
//! answer carries its question's number with all bits turned round.

use crate::bench::job::Trouble;

const PAGE_BYTES: usize = 4096;

/// Makes it the message of that number.
#[inline]
pub(super) fn stamp(message: &mut [u8], number: u64) {
    let head_bytes = message.len().min(8);
    message[..head_bytes].copy_from_slice(&number.to_le_bytes()[..head_bytes]);
    for (k, page) in (0..).zip(message.chunks_mut(PAGE_BYTES)).skip(1) {
        if let Some(word) = page.first_chunk_mut::<8>() {
            *word = mixed(number, k).to_le_bytes();
        }
    }
    if message.len() >= 16 {
        if let Some(tail) = message.last_chunk_mut::<8>() {
            *tail = mixed(number, 0).to_le_bytes();
        }
    }
}

/// Whether it is the message of that number, and of this length.
#[inline]
pub(super) fn check(message: &[u8], number: u64, len_bytes: usize) -> Result<(), Trouble> {
    let head_bytes = len_bytes.min(8);
    let is_it = message.len() == len_bytes
        && message[..head_bytes] == number.to_le_bytes()[..head_bytes]
        && (len_bytes < 16 || (is_tail(message, number) && are_pages(message, number)));
    if is_it { Ok(()) } else { Err(wrong(message, number, len_bytes)) }
}

#[inline]
fn is_tail(message: &[u8], number: u64) -> bool {
    message.last_chunk::<8>().is_some_and(|tail| *tail == mixed(number, 0).to_le_bytes())
}

/// But the last one's, which may be in the way of the tail.
#[inline]
fn are_pages(message: &[u8], number: u64) -> bool {
    let whole = message.len().saturating_sub(16);
    let mut words = (1..).map(|k| (k, k as usize * PAGE_BYTES)).take_while(|&(_, at)| at <= whole);
    words.all(|(k, at)| message.get(at..at + 8).is_some_and(|word| *word == mixed(number, k).to_le_bytes()))
}

#[cold]
fn wrong(message: &[u8], number: u64, len_bytes: usize) -> Trouble {
    let found = number_of(message);
    let len = message.len();
    Trouble::Failed(format!("expected was message {number} of {len_bytes} bytes; what came says {found} and has {len}"))
}

/// The number that a message says it has, where it has room for one.
#[inline]
pub(super) fn number_of(message: &[u8]) -> u64 {
    message.first_chunk::<8>().map_or(0, |head| u64::from_le_bytes(*head))
}

#[inline]
fn mixed(number: u64, k: u64) -> u64 {
    (number ^ k.rotate_left(32) ^ 0x5bd1_e995_9e37_79b9).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages of all lengths are recognised; another number, a cut, a page or an end of another message are not.
    #[test]
    fn wrong_messages_are_told() {
        for len in [0, 1, 7, 8, 15, 16, 64, 4095, 4096, 4100, 4104, 4112, 8192, 8200, 70_000] {
            let (mut one, mut other) = (vec![1; len], vec![1; len]);
            stamp(&mut one, 41);
            stamp(&mut other, 42);
            assert_eq!(check(&one, 41, len), Ok(()), "{len}");
            assert!(len == 0 || check(&one, 42, len).is_err(), "{len}");
            assert!(check(&one, 41, len + 1).is_err(), "{len}");
            let half = len / 2;
            if len >= 16 {
                let mixed = [&one[..half], &other[half..]].concat();
                assert!(check(&mixed, 41, len).is_err(), "{len}");
            }
            if len == 70_000 {
                one[8192..12_288].copy_from_slice(&other[8192..12_288]);
                assert!(check(&one, 41, len).is_err(), "a page");
            }
        }
    }
}
