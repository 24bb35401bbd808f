//! Large messages that tell at every byte whether they are what was sent.

/// The longest.
pub const MAX: usize = 20_000;

/// Message `number`: its number all over, and of a length that no other near it has.
#[must_use]
pub fn message(number: u64) -> Vec<u8> {
    let bytes = (1 + number).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes();
    bytes.iter().copied().cycle().take(len(number)).collect()
}

/// Whether these bytes are that message.
#[must_use]
pub fn is_message(bytes: &[u8], number: u64) -> bool {
    bytes == message(number)
}

fn len(number: u64) -> usize {
    // At most `MAX`.
    (number.wrapping_mul(977) % (MAX as u64 + 1)) as usize
}
