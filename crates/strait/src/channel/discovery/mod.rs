//! Which channels there are on this machine, what they carry, who is attached, and how full they are.
//!
//! ```
//! use strait::channel::discovery::{Status, list};
//! use strait::channel::watch::{Options, Writer};
//!
//! # let name = format!("doc-discovery-{}", std::process::id());
//! let mut tx = Writer::<u64>::create(&name, &Options::new())?;
//! tx.send(&42)?;
//!
//! let found = list(&format!("{name}*"))?;
//! let Status::Channel(channel) = &found[0].status else { return Err("it is one".into()) };
//! assert_eq!((channel.kind.to_string(), channel.message.name.as_str()), ("watch".into(), "u64"));
//! assert_eq!(channel.peers[0].pid, std::process::id());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! 1. Looking disturbs nobody: everything is opened and mapped for reading only, and neither a seat nor a lock is taken. Who is alive is
//!    asked of the kernel, which answers who may read.
//! 2. What is found is a stranger's bytes: the header is checked as by who opens a channel, counts are shown as they are said. A channel
//!    that contradicts itself is listed as [`Status::Damaged`], with what is wrong.
//! 3. It is a picture of some moments, one for each number. A channel that is gone meanwhile is not listed.
//!
//! Channels on files and memfds have no list: [`look_at`] looks at one whose place is known.

mod glob;

use crate::channel::broadcast::setup::{Broadcast, lanes_seen};
use crate::channel::hub::{self, SEATS_AT, check_size};
use crate::channel::mpmc::setup::{Mpmc, jobs_seen};
use crate::channel::outside;
use crate::channel::rpc::setup::{Rpc, calls_seen};
use crate::channel::spsc;
use crate::channel::watch::kind::{Watch, shape_of};
use crate::error::{Error, ErrorKind, Result};
use crate::name::{PREFIX, SHM_DIRECTORY};
use crate::peer::PeerState;
use crate::peer::entry;
use crate::peer::lease;
use crate::peer::seat::{SEAT_BYTES, SEATS_MAX};
use crate::peer::side::{self, PRESENCE, Presence, SIDE_BYTES, WHO};
use crate::region::header::{self, Header, channel_name};
use crate::region::{Options, Place, Region};
use crate::ring::spsc::{RECEIVED, SENT};
use crate::ring::watch::VERSION;
use std::fmt;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use strait_mem::Shared as _;

/// Something with a name of strait's.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Found {
    /// The name that a program opens it by; of other places, the place in words.
    pub name: String,
    /// Where it is.
    pub place: Place,
    /// What it is.
    pub status: Status,
}

/// What was found under a name.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Status {
    /// A channel.
    Channel(Box<Channel>),
    /// A channel that contradicts itself, and how.
    Damaged(String),
    /// It may not be read or not be trusted, because it belongs to another user for instance; the sentence says why.
    Unreadable(String),
    /// No channel of this build: a raw region, one of the locks of [`crate::sync`], or a channel of another version.
    Other(String),
}

/// A channel, as its header and its users say.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Channel {
    /// The kind.
    pub kind: Kind,
    /// What its messages are.
    pub message: MessageType,
    /// What its answers are, where messages are answered.
    pub answer: Option<MessageType>,
    /// The user's number for what the messages mean; 0 if none was given.
    pub schema_id: u64,
    /// Of the ring; of a watch, of the longest value.
    pub capacity_bytes: u64,
    /// All of it.
    pub region_bytes: u64,
    /// How many users it has room for.
    pub seats: u32,
    /// Whether it goes on without its users.
    pub is_restartable: bool,
    /// Everybody who is, or was, attached.
    pub peers: Vec<Peer>,
    /// How full it is, where that can be told from outside.
    pub fill: Option<Fill>,
}

/// The kinds of channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// [`crate::channel::spsc`].
    Spsc,
    /// A work queue.
    Mpmc,
    /// Messages that everybody gets.
    Broadcast,
    /// [`crate::channel::watch`].
    Watch,
    /// Calls and answers.
    Rpc,
}

/// A type of messages, as far as two programs must agree on it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageType {
    /// Its name without paths, as its maker wrote it, up to 88 bytes.
    pub name: String,
    /// See [`Message::layout_hash`](crate::channel::Message::layout_hash).
    pub layout_hash: u64,
    /// The size of one item.
    pub item_bytes: u32,
    /// Whether a message is a slice of items.
    pub is_slice: bool,
}

/// A user of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// What it is to the channel: `sender`, `reader`.
    pub role: String,
    /// The process id that it wrote, for people: another pid namespace has another.
    pub pid: u32,
    /// Whether it is alive; by the kernel where it says that it is attached.
    pub state: PeerState,
}

/// How full a channel is, as its users say.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fill {
    /// Messages sent and not yet received.
    Messages(u64),
    /// Jobs not yet done: ready, in hands or put off.
    Jobs(u64),
    /// Of each publisher's seat.
    Lanes(Vec<Lane>),
    /// How often a value was set.
    Version(u64),
    /// Calls that wait for a server or are being served.
    Calls(u64),
}

/// The messages of one publisher's seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lane {
    /// How many were sent.
    pub sent: u64,
    /// How many of them the slowest subscriber has yet to read, give or take a sixteenth of the slots; `None` where none is kept.
    pub lag: Option<u64>,
}

/// All channels in the POSIX namespace whose names `pattern` means (`*` any run of characters, `?` any one), by name.
///
/// A dozen system calls for each. Those of other users are listed as [`Status::Unreadable`].
///
/// # Errors
/// `Kernel` or `Permission` where the directory cannot be read.
pub fn list(pattern: &str) -> Result<Vec<Found>> {
    let refused = |e| Error::kernel("list", SHM_DIRECTORY, e, "it must be mounted and readable");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(SHM_DIRECTORY).map_err(refused)? {
        let file = entry.map_err(refused)?.file_name();
        let Some(name) = file.to_str().and_then(|file| file.strip_prefix(PREFIX)) else { continue };
        if glob::matches(pattern, name) {
            let place = Place::posix(name);
            if let Some(status) = status_of(&place) {
                found.push(Found { name: name.to_owned(), place, status });
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// What there is at a place, a file for instance.
///
/// # Errors
/// `NotFound`; `Usage` for a place that has no name.
pub fn look_at(place: impl Into<Place>) -> Result<Found> {
    let place = place.into();
    if place.path().is_none() {
        return Err(Error::new(ErrorKind::Usage, format!("look at {place}: it has no name")));
    }
    match status_of(&place) {
        Some(status) => Ok(Found { name: place.to_string(), place, status }),
        None => Err(Error::new(ErrorKind::NotFound, format!("look at {place}: there is nothing of that name"))),
    }
}

/// `None`: it is gone.
fn status_of(place: &Place) -> Option<Status> {
    match channel_at(place) {
        Ok(channel) => Some(Status::Channel(Box::new(channel))),
        Err(error) => {
            let why = error.to_string();
            match error.kind() {
                ErrorKind::NotFound => None,
                ErrorKind::Damaged => Some(Status::Damaged(why)),
                ErrorKind::Incompatible => Some(Status::Other(why)),
                _ => Some(Status::Unreadable(why)),
            }
        }
    }
}

fn channel_at(place: &Place) -> Result<Channel> {
    let region = Region::open(place, &Options::new().read_only(true))?;
    let header = Header::read(&region)?;
    let (kind, seats, peers, fill) = match header.channel {
        header::CHANNEL_SPSC => (Kind::Spsc, 2, spsc_peers(&region, &header)?, spsc_fill(&region)?),
        header::CHANNEL_WATCH => {
            let peers = seated_peers::<Watch>(&region, &header)?;
            (Kind::Watch, header.seats, peers, watch_fill(&region, &header)?)
        }
        header::CHANNEL_MPMC => {
            let peers = seated_peers::<Mpmc>(&region, &header)?;
            (Kind::Mpmc, header.seats, peers, jobs_seen(&region, &header)?.map(Fill::Jobs))
        }
        header::CHANNEL_BROADCAST => {
            let peers = seated_peers::<Broadcast>(&region, &header)?;
            (Kind::Broadcast, header.seats, peers, broadcast_fill(&region, &header)?)
        }
        header::CHANNEL_RPC => {
            let peers = seated_peers::<Rpc>(&region, &header)?;
            (Kind::Rpc, header.seats, peers, calls_seen(&region, &header)?.map(Fill::Calls))
        }
        lock @ (header::CHANNEL_MUTEX | header::CHANNEL_SEMAPHORE) => {
            let why = format!("open {place}: it is a {}, and not a channel", channel_name(lock));
            return Err(Error::new(ErrorKind::Incompatible, why));
        }
        other => {
            let why = format!("open {place}: its header says a channel of kind {other} ({})", channel_name(other));
            return Err(Error::new(ErrorKind::Damaged, why));
        }
    };
    Ok(Channel {
        kind,
        message: header.message.into(),
        answer: header.answer.map(MessageType::from),
        schema_id: header.schema_id,
        capacity_bytes: header.capacity_bytes,
        region_bytes: region.len(),
        seats,
        is_restartable: header.is_restartable,
        peers,
        fill,
    })
}

// Of two

fn spsc_peers(region: &Region, header: &Header) -> Result<Vec<Peer>> {
    spsc::check_shape(region, header)?;
    let mut peers = Vec::new();
    for (slot, start, role) in spsc::SIDES {
        let side = region.view(start..start + SIDE_BYTES)?;
        // Acquire: who left or came between two looks is seen to have.
        let says = || {
            let presence = Presence::from_word(side.load_u64(PRESENCE, Acquire));
            (presence.state(), presence.owner())
        };
        // Where the kernel does not say, what the side says is believed.
        let state = entry::state_of(false, says, || lease::is_held(region, slot).unwrap_or(true));
        if state != PeerState::NotYet {
            peers.push(Peer { role: role.to_owned(), pid: side.load_u32(WHO as usize, Relaxed), state });
        }
    }
    Ok(peers)
}

fn spsc_fill(region: &Region) -> Result<Option<Fill>> {
    let [(_, sender, _), (_, receiver, _)] = spsc::SIDES;
    let count = |side: u64, at: usize| -> Result<u64> {
        let start = side + side::PROGRESS;
        // Relaxed: a picture of a moment.
        Ok(region.view(start..start + 64)?.load_u64(at, Relaxed))
    };
    // The receiver's first: it is never ahead of the sender's, so later ones of the sender are none too few.
    let received = count(receiver, RECEIVED)?;
    Ok(Some(Fill::Messages(count(sender, SENT)?.saturating_sub(received))))
}

// Of many

/// Of a channel whose size agrees with what its header says.
fn seated_peers<K: hub::Kind>(region: &Region, header: &Header) -> Result<Vec<Peer>> {
    let seats_end = SEATS_AT + u64::from(header.seats) * SEAT_BYTES;
    if header.seats == 0 || header.seats > SEATS_MAX || seats_end > region.len() {
        let why = format!("open {}: its header says {} seats, which it has no room for", region.place(), header.seats);
        return Err(Error::new(ErrorKind::Damaged, why));
    }
    check_size::<K>(region, header)?;
    let mut peers = Vec::new();
    for number in 0..header.seats {
        let seen = outside::look_at_seat(region, number, &outside::seat_view(region, number)?);
        if seen.state != PeerState::NotYet {
            peers.push(Peer { role: role_of::<K>(seen.role), pid: seen.pid, state: seen.state });
        }
    }
    Ok(peers)
}

/// Every kind has two roles.
fn role_of<K: hub::Kind>(role: u32) -> String {
    if role < 2 { K::role_name(role).into() } else { format!("role {role}") }
}

fn broadcast_fill(region: &Region, header: &Header) -> Result<Option<Fill>> {
    let lane = |(sent, lag)| Lane { sent, lag };
    Ok(lanes_seen(region, header)?.map(|lanes| Fill::Lanes(lanes.into_iter().map(lane).collect())))
}

fn watch_fill(region: &Region, header: &Header) -> Result<Option<Fill>> {
    let start = hub::body_at(header.seats);
    let Some(_) = shape_of(header) else { return Ok(None) };
    Ok(Some(Fill::Version(region.view(start..start + 8)?.load_u64(VERSION, Relaxed))))
}

impl From<header::MessageType> for MessageType {
    fn from(of: header::MessageType) -> Self {
        Self { name: of.name, layout_hash: of.layout_hash, item_bytes: of.item_bytes, is_slice: of.is_slice }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Spsc => "spsc",
            Self::Mpmc => "mpmc",
            Self::Broadcast => "broadcast",
            Self::Watch => "watch",
            Self::Rpc => "rpc",
        })
    }
}

impl fmt::Display for Fill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Messages(count) => write!(f, "{count} messages"),
            Self::Jobs(count) => write!(f, "{count} jobs"),
            Self::Lanes(lanes) => {
                let sent = lanes.iter().fold(0_u64, |sum, lane| sum.saturating_add(lane.sent));
                write!(f, "{sent} messages sent")?;
                lanes
                    .iter()
                    .filter_map(|lane| lane.lag)
                    .max()
                    .map_or(Ok(()), |lag| write!(f, ", the slowest lags {lag}"))
            }
            Self::Version(version) => write!(f, "version {version}"),
            Self::Calls(count) => write!(f, "{count} calls"),
        }
    }
}

#[cfg(test)]
mod tests;
