//! Peers: who is attached to a region, and are they alive.
//!
//! Each role of a channel has a slot. Two things are known of it, and they are kept apart:
//!
//! - **Is somebody there?** The kernel says so: a peer holds an open-file-description lock on the slot's byte ([`lease`]) and the
//!   kernel drops it when the process is gone, however it went. No pid, clock or heartbeat is asked.
//! - **What did the last one do?** It wrote so itself into its *presence* word ([`side`]): attached, or left in good order.
//!
//! | lock | presence | means |
//! |---|---|---|
//! | any | never | nobody has been here |
//! | held | attached | alive, perhaps stopped or swapped out |
//! | free | attached | died |
//! | any | left | left |
//!
//! How both are used with the channel's name, when somebody comes or goes, is in [`entry`].

pub(crate) mod entry;
pub(crate) mod lease;
pub(crate) mod seat;
pub(crate) mod side;

#[cfg(test)]
mod model;

/// What is known of the other side of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerState {
    /// Nobody has been there yet.
    NotYet,
    /// It is attached and its process lives; it may be stopped.
    Attached,
    /// It closed its end.
    Left,
    /// Its process ended without closing.
    Died,
}

/// Why there is no other side any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// It closed its end.
    Left,
    /// Its process ended without closing.
    Died,
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Left => "the other side has left",
            Self::Died => "the other side has died",
        })
    }
}

impl PeerState {
    /// The cause, if the other side is gone.
    pub(crate) fn gone(self) -> Option<Cause> {
        match self {
            Self::Left => Some(Cause::Left),
            Self::Died => Some(Cause::Died),
            _ => None,
        }
    }
}
