//! How a result travels.
//!
//! | offset | field | |
//! |---:|---|---|
//! | 0 | `job` | the number of the job in its channel |
//! | 8 | `part` | 0, 1, 2 ... |
//! | 12 | `is_last` | 0 or 1 |
//! | 16 | bytes of the result | up to the end of the message |

pub(super) const HEADER_BYTES: usize = 16;
/// How long a part is, at the most, with its header. The same for every run of a job, so that a repetition has the same parts.
pub(super) const PART_BYTES: usize = 64 << 10;

/// A part's header, as alleged by a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) job: u64,
    pub(super) part: u32,
    pub(super) is_last: bool,
}

impl Header {
    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&self.job.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.part.to_le_bytes());
        bytes[12..].copy_from_slice(&u32::from(self.is_last).to_le_bytes());
        bytes
    }

    /// The header of a message; `None` where it is too short or says something impossible.
    pub(super) fn of(message: &[u8]) -> Option<Self> {
        let (job, rest) = message.split_first_chunk::<8>()?;
        let (part, rest) = rest.split_first_chunk::<4>()?;
        let (is_last, _) = rest.split_first_chunk::<4>()?;
        let is_last = match u32::from_le_bytes(*is_last) {
            0 => false,
            1 => true,
            _ => return None,
        };
        Some(Self { job: u64::from_le_bytes(*job), part: u32::from_le_bytes(*part), is_last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_round_trips_and_lies_are_refused() {
        let header = Header { job: 7 << 40, part: 3, is_last: true };
        let mut bytes = header.to_bytes().to_vec();
        assert_eq!(Header::of(&bytes), Some(header));
        assert_eq!(Header::of(&bytes[..15]), None);
        bytes[12] = 2;
        assert_eq!(Header::of(&bytes), None);
    }
}
