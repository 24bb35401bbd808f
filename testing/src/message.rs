//! Messages that tell whether they are what was sent.
//!
//! | bytes | |
//! |---:|---|
//! | 0..4 | number |
//! | 4 | who sent it |
//! | 5.. | a pattern that depends on both; the length depends on the number |

/// Lengths around those at which something changes: a word, a cache line, `PIPE_BUF` with and without a length in front.
const LENGTHS: [usize; 12] = [5, 7, 8, 9, 63, 64, 65, 500, 4091, 4092, 1, 20_000];

/// The message of a number, as long as `max` allows.
#[must_use]
pub fn message(who: u8, number: u32, max: usize) -> Vec<u8> {
    let len = LENGTHS[number as usize % LENGTHS.len()].max(5).min(max);
    let mut bytes: Vec<u8> = (0..len).map(|i| (number as usize * 31 + i * 7) as u8 ^ who).collect();
    let head: Vec<u8> = number.to_le_bytes().into_iter().chain([who]).collect();
    let known = len.min(head.len());
    bytes[..known].copy_from_slice(&head[..known]);
    bytes
}

/// The number of a message; 0 for one that is too short to have one.
#[must_use]
pub fn number_of(message: &[u8]) -> u32 {
    message.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// Who sent it.
#[must_use]
pub fn who_of(message: &[u8]) -> u8 {
    message.get(4).copied().unwrap_or(0)
}
