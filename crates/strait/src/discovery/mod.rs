//! Which channels and locks there are on this machine, what they carry, who is attached, how full they are, and how much goes through.
//!
//! ```
//! use strait::discovery::{Status, list};
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
//! 3. It is a picture of some moments, one for each number, and what is counted may be off by what a kill left. A channel that is gone meanwhile is not listed.
//!
//! Channels on files and memfds have no list: [`look_at`] looks at one whose place is known, [`look_at_fd`] at what a descriptor leads to. Who looks again and again keeps a [`Survey`] of
//! them all, or a [`Gauge`] on one: it stays mapped, and a look costs no more than a system call for each user that says it is there.

mod channel;
mod gauge;
mod glob;
mod lock;
mod locks;
mod many;
mod survey;
mod two;

pub use channel::{Channel, Fill, Kind, Lane, MessageType, Peer, Traffic};
pub use gauge::{Gauge, Seen};
pub use glob::matches;
pub use lock::{Hold, How, Lock, LockKind, LockState};
pub use survey::Survey;

use crate::error::{Error, ErrorKind, Result};
use crate::region::{Options, Place, Region};
use gauge::SLOTS_AT_ONCE;
use std::os::fd::OwnedFd;

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
    /// One of the locks of [`crate::sync`].
    Lock(Box<Lock>),
    /// A channel or a lock that contradicts itself, and how.
    Damaged(String),
    /// It may not be read or not be trusted, because it belongs to another user for instance; the sentence says why.
    Unreadable(String),
    /// Neither a channel nor a lock of this build: a raw region, or one of another version.
    Other(String),
}

/// All channels and locks in the POSIX namespace whose names `pattern` means (`*` any run of characters, `?` any one), by name.
///
/// A dozen system calls for each. Those of other users are listed as [`Status::Unreadable`].
///
/// # Errors
/// `Kernel` or `Permission` where the directory cannot be read.
pub fn list(pattern: &str) -> Result<Vec<Found>> {
    survey::once(pattern)
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

/// What a descriptor leads to: memory without a name, or whose name is gone. It must have been opened anew and for reading
/// (`/proc/PID/fd/N` for instance): through one that an end of a channel uses, that end's own lease is not seen.
#[must_use]
pub fn look_at_fd(fd: impl Into<OwnedFd>) -> Status {
    let region = Region::from_fd(fd.into(), &Options::new().read_only(true));
    let seen = region.and_then(|region| Gauge::on(region, SLOTS_AT_ONCE)).and_then(|mut gauge| gauge.look());
    // What is open is not gone.
    status(seen).unwrap_or_else(|| Status::Other("look at a descriptor: it leads to nothing".to_owned()))
}

/// `None`: it is gone.
fn status_of(place: &Place) -> Option<Status> {
    status(Gauge::with(place, SLOTS_AT_ONCE).and_then(|mut gauge| gauge.look()))
}

fn status(seen: Result<Seen>) -> Option<Status> {
    seen.map_or_else(|error| refused(&error), |seen| Some(seen.into()))
}

/// What it is that could not be looked at; `None`: it is gone.
fn refused(error: &Error) -> Option<Status> {
    let why = error.to_string();
    match error.kind() {
        ErrorKind::NotFound => None,
        ErrorKind::Damaged => Some(Status::Damaged(why)),
        ErrorKind::Incompatible => Some(Status::Other(why)),
        _ => Some(Status::Unreadable(why)),
    }
}

impl From<Seen> for Status {
    fn from(seen: Seen) -> Self {
        match seen {
            Seen::Channel(channel) => Self::Channel(channel),
            Seen::Lock(lock) => Self::Lock(lock),
        }
    }
}

#[cfg(test)]
mod tests;
