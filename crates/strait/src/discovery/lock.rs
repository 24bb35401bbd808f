//! What is told of a lock.

use super::channel::{MessageType, Peer};
use crate::channel::Cause;
use crate::peer::PeerState;
use std::fmt;
use std::time::Duration;

/// One of the locks of [`crate::sync`], as its header and its users say.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Lock {
    /// Which.
    pub kind: LockKind,
    /// What its value is, where it has one.
    pub value: Option<MessageType>,
    /// The user's number for what the value means; 0 if none was given.
    pub schema_id: u64,
    /// All of it.
    pub region_bytes: u64,
    /// How many users it has room for.
    pub seats: u32,
    /// Whether it goes on without its users.
    pub is_restartable: bool,
    /// How it stands.
    pub state: LockState,
    /// Whether a holder has died or panicked before it was done, and nobody has looked at what it left.
    pub is_unfinished: bool,
    /// Who holds it.
    pub holders: Vec<Hold>,
    /// Everybody who has it open, or had.
    pub users: Vec<Peer>,
    /// Whether somebody sleeps on it, or has, where who does is not told: of an event.
    pub is_anybody_asleep: bool,
}

/// The kinds of lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LockKind {
    /// [`crate::sync::Mutex`].
    Mutex,
    /// [`crate::sync::RwLock`].
    RwLock,
    /// [`crate::sync::Semaphore`].
    Semaphore,
    /// [`crate::sync::Event`] that stays set until it is reset.
    ManualEvent,
    /// [`crate::sync::Event`] that lets one through.
    AutoEvent,
    /// [`crate::sync::Once`].
    Once,
    /// [`crate::sync::Barrier`].
    Barrier,
}

/// How a lock stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LockState {
    /// Nobody holds it; of a once, nobody has done it or is about it.
    Free,
    /// [`Lock::holders`] do; of a once, they are about it.
    Held,
    /// Of a once: it is done, for good.
    Done,
    /// Of a semaphore.
    Permits {
        /// Such as may be taken.
        free: u32,
        /// How many there may be.
        most: u32,
    },
    /// Of an event.
    Event {
        /// Whether it is set.
        is_set: bool,
        /// How often it was.
        times: u64,
    },
    /// Of a barrier.
    Gathering {
        /// How many have come.
        arrived: u32,
        /// How many are to come.
        participants: u32,
    },
    /// Of a barrier: one that is to come will not.
    Broken {
        /// Its slot.
        slot: u32,
        /// Why.
        cause: Cause,
    },
}

/// That somebody holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hold {
    /// Its slot.
    pub slot: u32,
    /// The process id that it wrote; 0 where another one has that slot by now.
    pub pid: u32,
    /// Whether it is alive. What one who has died holds is there for the next who asks.
    pub state: PeerState,
    /// How.
    pub how: How,
    /// For how long at least: since it first kept somebody waiting. `None` where it has not, and of permits.
    pub held_for: Option<Duration>,
}

/// How somebody holds a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum How {
    /// And nobody else may: a mutex, a lock that is written under, a once.
    Alone,
    /// It was just given it, and has not woken up yet.
    Granted,
    /// To read, beside others.
    Reads,
    /// So many permits.
    Permits(u32),
}

impl Lock {
    /// How many of its users wait for it. Of an event [`Lock::is_anybody_asleep`] says what is known.
    #[must_use]
    pub fn waiters(&self) -> u32 {
        let waits = |user: &&Peer| user.waits_for.is_some() && user.state == PeerState::Attached;
        // At most 256.
        self.users.iter().filter(waits).count() as u32
    }
}

impl fmt::Display for LockKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mutex => "mutex",
            Self::RwLock => "rwlock",
            Self::Semaphore => "semaphore",
            Self::ManualEvent => "manual-event",
            Self::AutoEvent => "auto-event",
            Self::Once => "once",
            Self::Barrier => "barrier",
        })
    }
}

impl fmt::Display for LockState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Free => f.write_str("free"),
            Self::Held => f.write_str("held"),
            Self::Done => f.write_str("done"),
            Self::Permits { free, most } => write!(f, "{free} of {most} permits free"),
            Self::Event { is_set, times } => write!(f, "{}, {times} times", if *is_set { "set" } else { "not set" }),
            Self::Gathering { arrived, participants } => write!(f, "{arrived} of {participants} have come"),
            Self::Broken { slot, cause: Cause::Died } => write!(f, "broken: participant {slot} has died"),
            Self::Broken { slot, cause: Cause::Left } => write!(f, "broken: participant {slot} has left"),
        }
    }
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alone => f.write_str("holds it"),
            Self::Granted => f.write_str("was just given it"),
            Self::Reads => f.write_str("reads"),
            Self::Permits(1) => f.write_str("holds 1 permit"),
            Self::Permits(count) => write!(f, "holds {count} permits"),
        }
    }
}
