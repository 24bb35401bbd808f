//! How messages lie in a stream of bytes: standard input and output, files, FIFOs, stream sockets.
//!
//! | | a message is | of the last one |
//! |---|---|---|
//! | lines | what stands before a newline | the newline may be missing |
//! | null | what stands before a NUL | the NUL may be missing |
//! | length-prefixed | 4 bytes of length, little-endian, and as many bytes | all must be there |
//! | raw | what one read gives | |

use std::ops::Range;

/// Read at once, and the longest message of raw bytes.
const CHUNK_BYTES: usize = 64 << 10;
/// The length in front of a message.
const LEN_BYTES: usize = 4;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Framing {
    #[default]
    Lines,
    Null,
    LengthPrefixed,
    Raw,
}

/// Options of the framing, the same for each verb.
#[derive(Clone, Copy, clap::Args)]
pub(crate) struct FramingArgs {
    /// Messages are separated by NUL bytes in place of newlines.
    #[arg(short = '0', long, conflicts_with_all = ["length_prefixed", "raw"])]
    null: bool,
    /// Each message is preceded by its length: 4 bytes, little-endian.
    #[arg(short, long, conflicts_with = "raw")]
    length_prefixed: bool,
    /// Bytes as they are: each read is a message to be sent, and what is received is written without anything between.
    #[arg(long)]
    raw: bool,
}

impl FramingArgs {
    pub(super) fn framing(self) -> Framing {
        match (self.null, self.length_prefixed, self.raw) {
            (true, _, _) => Framing::Null,
            (_, true, _) => Framing::LengthPrefixed,
            (_, _, true) => Framing::Raw,
            _ => Framing::Lines,
        }
    }
}

impl Framing {
    /// Appends a message as it lies in a stream.
    pub(super) fn append(self, message: &[u8], to: &mut Vec<u8>) {
        if self == Self::LengthPrefixed {
            // Longer ones than this can say are sent by no mechanism.
            to.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_le_bytes());
        }
        to.extend_from_slice(message);
        match self {
            Self::Lines => to.push(b'\n'),
            Self::Null => to.push(0),
            Self::LengthPrefixed | Self::Raw => {}
        }
    }
}

/// What is wrong with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misframed {
    /// A message is longer than the limit.
    TooLong,
    /// It ended in the middle of a message with a length.
    Cut { arrived_bytes: usize },
}

/// Cuts a stream into messages.
#[derive(Debug)]
pub(super) struct Splitter {
    framing: Framing,
    /// The longest message.
    max_bytes: usize,
    buffer: Vec<u8>,
    /// What has been taken, from the front.
    taken: usize,
    /// What has been searched for a separator.
    searched: usize,
}

impl Splitter {
    pub(super) fn new(framing: Framing, max_bytes: usize) -> Self {
        Self { framing, max_bytes, buffer: Vec::new(), taken: 0, searched: 0 }
    }

    /// The limit has become another.
    pub(super) fn set_max_bytes(&mut self, max_bytes: usize) {
        self.max_bytes = max_bytes;
    }

    /// The bytes of a message that was found.
    pub(super) fn message(&self, at: Range<usize>) -> &[u8] {
        self.buffer.get(at).unwrap_or_default()
    }

    /// Where the next message is, if it has arrived.
    pub(super) fn take(&mut self) -> Result<Option<Range<usize>>, Misframed> {
        let (start, len) = (self.taken, self.buffer.len());
        let found = match self.framing {
            Framing::Lines | Framing::Null => {
                let separator = if self.framing == Framing::Lines { b'\n' } else { 0 };
                let from = self.searched.max(start);
                self.searched = len;
                memchr::memchr(separator, &self.buffer[from..]).map(|at| (start..from + at, from + at + 1))
            }
            Framing::LengthPrefixed => {
                let body = start + LEN_BYTES;
                let head = self.buffer.get(start..body).and_then(|head| <[u8; LEN_BYTES]>::try_from(head).ok());
                let end = head.map(|head| body.saturating_add(u32::from_le_bytes(head) as usize));
                if end.is_some_and(|end| end - body > self.max_bytes) {
                    return Err(Misframed::TooLong);
                }
                end.filter(|&end| end <= len).map(|end| (body..end, end))
            }
            Framing::Raw if start == len => None,
            Framing::Raw => {
                let end = len.min(start.saturating_add(self.max_bytes.max(1)));
                Some((start..end, end))
            }
        };
        let waiting = found.as_ref().map_or(len - start, |(message, _)| message.len());
        if waiting > self.max_bytes && self.framing != Framing::LengthPrefixed {
            return Err(Misframed::TooLong);
        }
        Ok(found.map(|(message, next)| {
            self.taken = next;
            self.searched = self.searched.min(next);
            message
        }))
    }

    /// What is left at the end of the stream.
    pub(super) fn rest(&mut self) -> Result<Option<Range<usize>>, Misframed> {
        let rest = self.taken..self.buffer.len();
        if rest.is_empty() {
            return Ok(None);
        }
        self.taken = rest.end;
        match self.framing {
            Framing::LengthPrefixed => Err(Misframed::Cut { arrived_bytes: rest.len() }),
            _ => Ok(Some(rest)),
        }
    }

    /// Reads once more. What was taken before is gone.
    pub(super) fn fill(&mut self, read: impl FnOnce(&mut [u8]) -> std::io::Result<usize>) -> std::io::Result<usize> {
        self.buffer.drain(..self.taken);
        self.searched = self.searched.saturating_sub(self.taken);
        self.taken = 0;
        let len = self.buffer.len();
        self.buffer.resize(len + CHUNK_BYTES, 0);
        let done = read(&mut self.buffer[len..]);
        self.buffer.truncate(len + done.as_ref().map_or(0, |&count| count.min(CHUNK_BYTES)));
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All messages of a stream that comes in pieces of so many bytes.
    fn split(framing: Framing, stream: &[u8], piece: usize, max: usize) -> Result<Vec<Vec<u8>>, Misframed> {
        let mut splitter = Splitter::new(framing, max);
        let mut messages = Vec::new();
        for piece in stream.chunks(piece) {
            while let Some(at) = splitter.take()? {
                messages.push(splitter.message(at).to_vec());
            }
            splitter
                .fill(|into| {
                    into[..piece.len()].copy_from_slice(piece);
                    Ok(piece.len())
                })
                .expect("filled");
        }
        while let Some(at) = splitter.take()? {
            messages.push(splitter.message(at).to_vec());
        }
        if let Some(at) = splitter.rest()? {
            messages.push(splitter.message(at).to_vec());
        }
        Ok(messages)
    }

    /// What was put together comes apart again, wherever the pieces are cut.
    #[test]
    fn messages_come_back() {
        let messages: [&[u8]; 5] = [b"one", b"", b"two and a half", b"x", b"last"];
        for framing in [Framing::Lines, Framing::Null, Framing::LengthPrefixed] {
            let mut stream = Vec::new();
            messages.iter().for_each(|message| framing.append(message, &mut stream));
            for piece in 1..=stream.len() {
                assert_eq!(split(framing, &stream, piece, 14).as_deref(), Ok(&messages.map(<[u8]>::to_vec)[..]));
            }
        }
        assert_eq!(split(Framing::Raw, b"abcdef", 4, 100), Ok(vec![b"abcd".to_vec(), b"ef".to_vec()]));
        assert_eq!(split(Framing::Raw, b"abcdef", 6, 4), Ok(vec![b"abcd".to_vec(), b"ef".to_vec()]));
    }

    #[test]
    fn last_line_needs_no_newline() {
        assert_eq!(split(Framing::Lines, b"a\nb", 1, 10), Ok(vec![b"a".to_vec(), b"b".to_vec()]));
        assert_eq!(split(Framing::Lines, b"", 1, 10), Ok(vec![]));
    }

    /// Refused before it fills the memory.
    #[test]
    fn too_long_is_refused() {
        assert_eq!(split(Framing::Lines, b"12345\n", 6, 4), Err(Misframed::TooLong));
        assert_eq!(split(Framing::Lines, b"1234567", 1, 4), Err(Misframed::TooLong));
        assert_eq!(split(Framing::LengthPrefixed, b"\xff\xff\xff\xff", 4, 4), Err(Misframed::TooLong));
    }

    #[test]
    fn cut_message_is_told() {
        assert_eq!(split(Framing::LengthPrefixed, b"\x05\0\0\0abc", 1, 10), Err(Misframed::Cut { arrived_bytes: 7 }));
    }
}
