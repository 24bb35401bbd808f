//! What is told of a channel.

use crate::peer::PeerState;
use crate::region::header;
use std::fmt;
use std::time::Duration;

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
    /// Whether its name stays when its last user leaves it empty.
    pub is_kept: bool,
    /// Everybody who is, or was, attached.
    pub peers: Vec<Peer>,
    /// How full it is, where that can be told from outside.
    pub fill: Option<Fill>,
    /// How many messages it holds at the most (of a broadcast, each publisher's), where their lengths do not differ or do not matter.
    pub capacity_messages: Option<u64>,
    /// What has gone through it.
    pub traffic: Traffic,
}

/// What has gone through a channel since it was made, as far as its memory says: nothing is counted that its users do not count anyway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Messages sent, jobs pushed, calls made, values set. Of a queue and of calls it is taken from the numbers of its slots: those that were
    /// left out count too.
    pub sent: Option<u64>,
    /// Messages received, jobs done, calls answered or given up. `None` where each reads for itself.
    pub received: Option<u64>,
    /// Bytes of messages. Where all are of one length, those that were sent. Of slices in an spsc ring those that were received, with what
    /// lies around them, since a [`Gauge`](super::Gauge) first looked. `None` elsewhere.
    pub bytes: Option<u64>,
    /// Messages that found no room and were given up, of a broadcast that does so.
    pub dropped: Option<u64>,
    /// Of the jobs that are in the queue now, those that a worker had before and that came back.
    pub redelivered: Option<u64>,
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

/// A user of a channel or a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// Which slot or seat it has.
    pub slot: u32,
    /// What it is to the channel: `sender`, `reader`; of a lock, `user`.
    pub role: String,
    /// The process id that it wrote, for people: another pid namespace has another.
    pub pid: u32,
    /// When that process started, in clock ticks since boot, as it wrote: tells two owners of one pid apart.
    pub start_ticks: u64,
    /// The inode of its pid namespace, as it wrote.
    pub pid_namespace: u64,
    /// When it attached, in nanoseconds since 1970, as it wrote.
    pub since_ns: u64,
    /// Whether it is alive; by the kernel where it says that it is attached.
    pub state: PeerState,
    /// Whether it sleeps, or is about to, until another one does something. Of an event and a barrier that is not told.
    pub is_asleep: bool,
    /// What there is left for it to do: of a receiver and a subscriber messages not yet read, of a worker jobs in its hands, of a client calls
    /// that it waits for, of a server calls that it serves. `None` for all others.
    pub lag: Option<u64>,
    /// For how long it has been waiting, where it says so, which users of locks do.
    pub waits_for: Option<Duration>,
}

impl Peer {
    /// Whether it is attached and sleeps.
    pub(super) fn sleeps(&self) -> bool {
        self.is_asleep && self.state == PeerState::Attached
    }
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
    /// How many found no room and were given up.
    pub dropped: u64,
    /// How many of them the slowest subscriber has yet to read, give or take a sixteenth of the slots; `None` where none is kept.
    pub lag: Option<u64>,
}

impl Channel {
    /// How many of its users sleep until another one does something.
    #[must_use]
    pub fn sleepers(&self) -> u32 {
        // At most 256.
        self.peers.iter().filter(|peer| peer.sleeps()).count() as u32
    }
}

impl Fill {
    /// As one number: what is in it, of a broadcast what the slowest subscriber has yet to read. `None` of a value, which is never full.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        match self {
            Self::Messages(count) | Self::Jobs(count) | Self::Calls(count) => Some(*count),
            Self::Lanes(lanes) => lanes.iter().filter_map(|lane| lane.lag).max(),
            Self::Version(_) => None,
        }
    }
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
