//! What lies where in a channel's region: every word by name, for people who look at one and for tests that lie in one.
//!
//! The tables are made of the constants that the code itself reads and writes by, so they cannot say anything else. A channel's own
//! table is beside it: [`super::spsc::layout`]. `docs/format.md` shows them to readers; a test holds it to them.
//!
//! ```
//! use strait::channel::{layout::Part, spsc};
//!
//! let fields = spsc::layout::<u64>(4096);
//! let head = fields.iter().find(|it| it.part == Part::ReceiverSide && it.name == "head").ok_or("gone")?;
//! assert_eq!((head.offset, head.len_bytes), (8192 + 128, 8));
//! assert_eq!(head.bits.iter().map(|it| it.name).collect::<Vec<_>>(), ["released", "position"]);
//! # Ok::<(), &str>(())
//! ```

use crate::region::header::{self, HEADER_USED_BYTES};
use std::fmt;

/// A run of bytes that has a meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Field {
    /// The part of the region that it belongs to.
    pub part: Part,
    /// Its name in the code and in `docs/format.md`.
    pub name: &'static str,
    /// Where it begins, in bytes from the start of the region.
    pub offset: u64,
    /// How long it is, in bytes.
    pub len_bytes: u64,
    /// Who writes it.
    pub writer: Writer,
    /// What is in the word, where it holds several things; of records in [`Part::Ring`], what is in the header of one.
    pub bits: Vec<Bits>,
}

/// Some bits of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bits {
    /// What they are called.
    pub name: &'static str,
    /// The lowest of them; 0 is the least significant of the word.
    pub first: u32,
    /// How many there are.
    pub count: u32,
}

/// A part of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Part {
    /// What the region is.
    Header,
    /// What the sender tells the receiver.
    SenderSide,
    /// What the receiver tells the sender.
    ReceiverSide,
    /// The records, or the slots.
    Ring,
    /// Where a record may run past the end of the ring.
    Margin,
    /// One of the eventcounts of a channel of many, by its number.
    Event(u32),
    /// Which roles have been in a channel of many.
    Roles,
    /// What all users of a channel of many share, beside the body.
    Shared,
    /// A seat of a channel of many, by its number.
    Seat(u32),
    /// The messages of a channel of many, and what is said of them.
    Body,
    /// Locks on bytes past the end of the file: nothing can be read or written there.
    Locks,
}

/// Who writes a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Writer {
    /// Who made the channel, before it could be found.
    Creator,
    /// The sender.
    Sender,
    /// The receiver.
    Receiver,
    /// The owner of the seat.
    Owner,
    /// Any user of the channel, by its rules.
    Anybody,
    /// Nobody: the kernel keeps it, for whoever takes it.
    Kernel,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::SenderSide => "sender",
            Self::ReceiverSide => "receiver",
            Self::Ring => "ring",
            Self::Margin => "margin",
            Self::Event(number) => return write!(f, "event {number}"),
            Self::Roles => "roles",
            Self::Shared => "shared",
            Self::Seat(number) => return write!(f, "seat {number}"),
            Self::Body => "body",
            Self::Locks => "locks",
        })
    }
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Creator => "creator",
            Self::Sender => "sender",
            Self::Receiver => "receiver",
            Self::Owner => "owner",
            Self::Anybody => "anybody",
            Self::Kernel => "kernel",
        })
    }
}

/// Rows of a part as its file lists them: name, offset in the part, length.
pub(super) fn fields<'a>(
    part: Part,
    start: u64,
    writer: Writer,
    rows: impl IntoIterator<Item = &'a (&'static str, usize, usize)>,
) -> impl Iterator<Item = Field> {
    rows.into_iter().map(move |&(name, offset, len)| Field {
        part,
        name,
        offset: start + offset as u64,
        len_bytes: len as u64,
        writer,
        bits: Vec::new(),
    })
}

/// What is in a word, as its file lists it: name, first bit, number of bits.
pub(crate) fn bits(rows: &[(&'static str, u32, u32)]) -> Vec<Bits> {
    rows.iter().map(|&(name, first, count)| Bits { name, first, count }).collect()
}

/// The header, which is the same in all channels.
pub(super) fn header() -> impl Iterator<Item = Field> {
    let ends = header::FIELDS.iter().skip(1).map(|it| it.1).chain([HEADER_USED_BYTES]);
    header::FIELDS.iter().zip(ends).map(|(&(name, at), end)| Field {
        part: Part::Header,
        name,
        offset: at as u64,
        len_bytes: (end - at) as u64,
        writer: Writer::Creator,
        bits: Vec::new(),
    })
}

/// A lock on a byte past the end of the file.
pub(super) fn lock(name: &'static str, byte: u64) -> Field {
    Field { part: Part::Locks, name, offset: byte, len_bytes: 1, writer: Writer::Kernel, bits: Vec::new() }
}
