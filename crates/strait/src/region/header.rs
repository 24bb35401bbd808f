//! The first page of a strait region: what it is.
//!
//! | offset | field | |
//! |---:|---|---|
//! | 0 | `magic` | `strait\0\1` |
//! | 8 | `format_version` | 1 |
//! | 12 | `channel` | 1: spsc, 2: mpmc, 3: broadcast, 4: watch, 5: rpc, 6: mutex, 7: semaphore, 10: manual-reset event, 11: auto-reset event, 12: once, 13: barrier |
//! | 16 | `layout_hash` | of the message type |
//! | 24 | `region_bytes` | all of it, header included |
//! | 32 | `capacity_bytes` | of the ring, a power of two |
//! | 40 | `item_bytes` | size of one item of a message |
//! | 44 | `align_bytes` | of a record: 64; 0 where there are slots |
//! | 48 | `flags` | bit 0: a message is a slice of items; bit 1: restartable |
//! | 52 | reserved, zero | |
//! | 56 | `created_ns` | since 1970 |
//! | 64 | `boot_id` | 16 bytes |
//! | 80 | `creator_start_ticks` | |
//! | 88 | `creator_pid_namespace` | |
//! | 96 | `creator_pid` | |
//! | 100 | reserved, zero | |
//! | 104 | `type_name` | 88 bytes of UTF-8, zero-padded |
//! | 192 | `schema_id` | that the user gave the message types; 0 if none |
//! | 200 | `answer_layout_hash` | of the answer's type, where messages are answered; this and the next two are 0 elsewhere |
//! | 208 | `answer_item_bytes` | |
//! | 212 | `answer_flags` | bit 0: an answer is a slice of items |
//! | 216 | `seats` | of a channel of many; 0 of two |
//! | 220 | `shape` | 5 numbers of 4 bytes, of the channel's own meaning; 0 where it has none |
//! | 240 | `answer_type_name` | 88 bytes, as `type_name` |
//! | 328 | end | the rest of the page is zero |
//!
//! 1. Written once, before the region has a name; nobody writes it later.
//! 2. Read once, by copying, then checked; only the checked copy is used. The creation, the creator and the names are for people and believed by nobody.
//! 3. Numbers are little-endian as the machine writes them; a region does not travel between machines.

use crate::error::{Error, ErrorKind, Result};
use crate::region::{Place, Region};
use std::fs::File;
use std::mem::offset_of;
use std::os::unix::fs::FileExt as _;
use strait_mem::{Shared as _, SharedMut as _};
use zerocopy::{FromBytes, FromZeros as _, Immutable, IntoBytes, KnownLayout};

/// How many bytes the header takes: the first page, so that a peer can map it read-only.
pub(crate) const HEADER_BYTES: u64 = 4096;
const MAGIC: u64 = u64::from_le_bytes(*b"strait\0\x01");
/// Changes whenever a region of an older build can no longer be understood.
const FORMAT_VERSION: u32 = 1;
const FLAG_SLICE: u32 = 1;
const FLAG_RESTARTABLE: u32 = 2;
const FLAG_KEPT: u32 = 4;

/// The kinds of channel.
pub(crate) const CHANNEL_SPSC: u32 = 1;
pub(crate) const CHANNEL_MPMC: u32 = 2;
pub(crate) const CHANNEL_BROADCAST: u32 = 3;
pub(crate) const CHANNEL_WATCH: u32 = 4;
pub(crate) const CHANNEL_RPC: u32 = 5;
pub(crate) const CHANNEL_MUTEX: u32 = 6;
pub(crate) const CHANNEL_SEMAPHORE: u32 = 7;
pub(crate) const CHANNEL_RWLOCK: u32 = 8;
pub(crate) const CHANNEL_EVENT_MANUAL: u32 = 10;
pub(crate) const CHANNEL_EVENT_AUTO: u32 = 11;
pub(crate) const CHANNEL_ONCE: u32 = 12;
pub(crate) const CHANNEL_BARRIER: u32 = 13;

/// What people call a kind of channel.
pub(crate) fn channel_name(channel: u32) -> &'static str {
    match channel {
        CHANNEL_SPSC => "spsc",
        CHANNEL_MPMC => "mpmc",
        CHANNEL_BROADCAST => "broadcast",
        CHANNEL_WATCH => "watch",
        CHANNEL_RPC => "rpc",
        CHANNEL_MUTEX => "mutex",
        CHANNEL_SEMAPHORE => "semaphore",
        CHANNEL_RWLOCK => "read-write lock",
        CHANNEL_EVENT_MANUAL => "manual-reset event",
        CHANNEL_EVENT_AUTO => "auto-reset event",
        CHANNEL_ONCE => "once",
        CHANNEL_BARRIER => "barrier",
        _ => "unknown",
    }
}

/// The header as it lies in the region.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Raw {
    magic: u64,
    format_version: u32,
    channel: u32,
    layout_hash: u64,
    region_bytes: u64,
    capacity_bytes: u64,
    item_bytes: u32,
    align_bytes: u32,
    flags: u32,
    reserved: u32,
    created_ns: u64,
    boot_id: [u8; 16],
    creator_start_ticks: u64,
    creator_pid_namespace: u64,
    creator_pid: u32,
    reserved_2: u32,
    type_name: [u8; TYPE_NAME_BYTES],
    schema_id: u64,
    answer_layout_hash: u64,
    answer_item_bytes: u32,
    answer_flags: u32,
    seats: u32,
    shape: [u32; SHAPE_NUMBERS],
    answer_type_name: [u8; TYPE_NAME_BYTES],
}

const TYPE_NAME_BYTES: usize = 88;
/// How many numbers of its own meaning a channel has.
pub(crate) const SHAPE_NUMBERS: usize = 5;
/// How much of the header's page means something.
pub(crate) const HEADER_USED_BYTES: usize = size_of::<Raw>();
const _: () = assert!(HEADER_USED_BYTES == 328);

/// Name and offset of each field in turn; each ends where the next begins, for `Raw` has no padding.
pub(crate) const FIELDS: [(&str, usize); 24] = [
    ("magic", offset_of!(Raw, magic)),
    ("format_version", offset_of!(Raw, format_version)),
    ("channel", offset_of!(Raw, channel)),
    ("layout_hash", offset_of!(Raw, layout_hash)),
    ("region_bytes", offset_of!(Raw, region_bytes)),
    ("capacity_bytes", offset_of!(Raw, capacity_bytes)),
    ("item_bytes", offset_of!(Raw, item_bytes)),
    ("align_bytes", offset_of!(Raw, align_bytes)),
    ("flags", offset_of!(Raw, flags)),
    ("reserved", offset_of!(Raw, reserved)),
    ("created_ns", offset_of!(Raw, created_ns)),
    ("boot_id", offset_of!(Raw, boot_id)),
    ("creator_start_ticks", offset_of!(Raw, creator_start_ticks)),
    ("creator_pid_namespace", offset_of!(Raw, creator_pid_namespace)),
    ("creator_pid", offset_of!(Raw, creator_pid)),
    ("reserved_2", offset_of!(Raw, reserved_2)),
    ("type_name", offset_of!(Raw, type_name)),
    ("schema_id", offset_of!(Raw, schema_id)),
    ("answer_layout_hash", offset_of!(Raw, answer_layout_hash)),
    ("answer_item_bytes", offset_of!(Raw, answer_item_bytes)),
    ("answer_flags", offset_of!(Raw, answer_flags)),
    ("seats", offset_of!(Raw, seats)),
    ("shape", offset_of!(Raw, shape)),
    ("answer_type_name", offset_of!(Raw, answer_type_name)),
];

/// What a type of messages is, as far as two programs must agree on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MessageType {
    pub(crate) layout_hash: u64,
    pub(crate) item_bytes: u32,
    pub(crate) is_slice: bool,
    /// For people: cut to 88 bytes.
    pub(crate) name: String,
}

impl MessageType {
    /// Whether messages of one are messages of the other. Names are in the hash.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (self.layout_hash, self.item_bytes, self.is_slice) == (other.layout_hash, other.item_bytes, other.is_slice)
    }
}

/// What a channel is, as its creator decided and its openers check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) channel: u32,
    pub(crate) message: MessageType,
    /// Where messages are answered.
    pub(crate) answer: Option<MessageType>,
    pub(crate) schema_id: u64,
    pub(crate) capacity_bytes: u64,
    pub(crate) align_bytes: u32,
    pub(crate) is_restartable: bool,
    /// Whether its name stays when its last user has left, whatever is in it.
    pub(crate) is_kept: bool,
    pub(crate) seats: u32,
    pub(crate) shape: [u32; SHAPE_NUMBERS],
}

impl Header {
    /// Writes the header into a newborn region.
    pub(crate) fn write(&self, region: &Region) -> Result<()> {
        let me = strait_sys::proc::whoami();
        let mut raw = Raw::new_zeroed();
        raw.magic = MAGIC;
        raw.format_version = FORMAT_VERSION;
        raw.channel = self.channel;
        raw.layout_hash = self.message.layout_hash;
        raw.region_bytes = region.len();
        raw.capacity_bytes = self.capacity_bytes;
        raw.item_bytes = self.message.item_bytes;
        raw.align_bytes = self.align_bytes;
        raw.flags = u32::from(self.message.is_slice) * FLAG_SLICE
            + u32::from(self.is_restartable) * FLAG_RESTARTABLE
            + u32::from(self.is_kept) * FLAG_KEPT;
        raw.created_ns = strait_sys::clock_gettime::realtime_ns();
        raw.boot_id = strait_sys::proc::boot_id();
        raw.creator_start_ticks = me.start_ticks;
        raw.creator_pid_namespace = me.pid_namespace;
        raw.creator_pid = me.pid;
        raw.type_name = padded(&self.message.name);
        raw.schema_id = self.schema_id;
        if let Some(answer) = &self.answer {
            raw.answer_layout_hash = answer.layout_hash;
            raw.answer_item_bytes = answer.item_bytes;
            raw.answer_flags = u32::from(answer.is_slice) * FLAG_SLICE;
            raw.answer_type_name = padded(&answer.name);
        }
        raw.seats = self.seats;
        raw.shape = self.shape;
        region.view_mut(0..HEADER_BYTES)?.write(0, raw.as_bytes());
        Ok(())
    }

    /// Reads the header of a region that somebody else made, and believes what checks out.
    ///
    /// # Errors
    /// `Incompatible` where it is not strait's or of another version; `Damaged` where it contradicts itself or the region's size.
    pub(crate) fn read(region: &Region) -> Result<Self> {
        let mut raw = Raw::new_zeroed();
        if region.len() >= HEADER_BYTES {
            region.view(0..HEADER_BYTES)?.read(0, raw.as_mut_bytes());
        }
        Self::checked(region.place(), region.len(), &raw)
    }

    /// The same, of a file that is not mapped: whoever may cut it short cannot hurt who reads it so.
    pub(crate) fn read_file(place: &Place, file: &File) -> Result<Self> {
        let cannot = |e| Error::kernel("read", place, e, "");
        let len_bytes = file.metadata().map_err(cannot)?.len();
        let mut raw = Raw::new_zeroed();
        if len_bytes >= HEADER_BYTES {
            file.read_exact_at(raw.as_mut_bytes(), 0).map_err(cannot)?;
        }
        Self::checked(place, len_bytes, &raw)
    }

    /// What is at `place`, of so many bytes, as far as it checks out.
    fn checked(place: &Place, len_bytes: u64, raw: &Raw) -> Result<Self> {
        let damaged = |what: String| Err(Error::new(ErrorKind::Damaged, format!("open {place}: {what}")));
        if len_bytes < HEADER_BYTES {
            return Err(Error::new(
                ErrorKind::Incompatible,
                format!("open {place}: it has {len_bytes} bytes, too few for a channel of strait"),
            ));
        }
        if raw.magic != MAGIC {
            return Err(Error::new(
                ErrorKind::Incompatible,
                format!("open {place}: it is not a channel of strait (it begins with {:#018x})", raw.magic),
            ));
        }
        if raw.format_version != FORMAT_VERSION {
            return Err(Error::new(
                ErrorKind::Incompatible,
                format!(
                    "open {place}: its format is version {}, this build understands version {FORMAT_VERSION}; \
                     use the same release of strait on both sides",
                    raw.format_version
                ),
            ));
        }
        if raw.region_bytes != len_bytes {
            return damaged(format!("its header says {} bytes, it has {len_bytes}", raw.region_bytes));
        }
        if raw.flags & !(FLAG_SLICE | FLAG_RESTARTABLE | FLAG_KEPT) != 0 {
            return damaged(format!("its header has unknown flags {:#x}", raw.flags));
        }
        if raw.flags & (FLAG_RESTARTABLE | FLAG_KEPT) == FLAG_KEPT {
            return damaged(String::from("its header says that it is kept, and not restartable"));
        }
        if raw.channel == CHANNEL_RPC && raw.answer_flags & !FLAG_SLICE != 0 {
            return damaged(format!("its header has unknown flags {:#x} of its answers", raw.answer_flags));
        }
        let answer = MessageType {
            layout_hash: raw.answer_layout_hash,
            item_bytes: raw.answer_item_bytes,
            is_slice: raw.answer_flags & FLAG_SLICE != 0,
            name: printable(&raw.answer_type_name),
        };
        Ok(Self {
            channel: raw.channel,
            message: MessageType {
                layout_hash: raw.layout_hash,
                item_bytes: raw.item_bytes,
                is_slice: raw.flags & FLAG_SLICE != 0,
                name: printable(&raw.type_name),
            },
            answer: (raw.channel == CHANNEL_RPC).then_some(answer),
            schema_id: raw.schema_id,
            capacity_bytes: raw.capacity_bytes,
            align_bytes: raw.align_bytes,
            is_restartable: raw.flags & FLAG_RESTARTABLE != 0,
            is_kept: raw.flags & FLAG_KEPT != 0,
            seats: raw.seats,
            shape: raw.shape,
        })
    }

    /// Holds what a channel is against what was asked for.
    ///
    /// # Errors
    /// `Incompatible`, with both kinds, types or schemas.
    pub(crate) fn expect(&self, place: &Place, asked: &Self) -> Result<()> {
        let refuse = |why: String| Err(Error::new(ErrorKind::Incompatible, format!("open {place}: {why}")));
        if self.channel != asked.channel {
            let (is, wanted) = (channel_name(self.channel), channel_name(asked.channel));
            return refuse(format!("it is a channel of kind {} ({is}), not {wanted}", self.channel));
        }
        let no_answer = MessageType::default();
        let answers = (self.answer.as_ref().unwrap_or(&no_answer), asked.answer.as_ref().unwrap_or(&no_answer));
        for (what, (is, wanted)) in [("messages", (&self.message, &asked.message)), ("answers", answers)] {
            if !is.is_same(wanted) {
                return refuse(format!(
                    "its {what} are '{}' of {} bytes, asked for are '{}' of {} bytes; both sides must use the same type",
                    is.name, is.item_bytes, wanted.name, wanted.item_bytes
                ));
            }
        }
        if self.schema_id != asked.schema_id {
            return refuse(format!(
                "its messages follow schema {:#x}, asked for is schema {:#x}; both sides must use the same schema",
                self.schema_id, asked.schema_id
            ));
        }
        Ok(())
    }
}

fn padded(name: &str) -> [u8; TYPE_NAME_BYTES] {
    let mut padded = [0; TYPE_NAME_BYTES];
    let len = name.len().min(TYPE_NAME_BYTES);
    padded[..len].copy_from_slice(&name.as_bytes()[..len]);
    padded
}

/// The name up to its padding, without anything a terminal would act on.
fn printable(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}
