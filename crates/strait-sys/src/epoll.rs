//! `epoll(7)`: sleep until one of many descriptors has something to say, each said once.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;

/// What of a descriptor is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interest {
    /// That there is something to read, or its end.
    Readable,
    /// That there is room to write, or nobody who reads.
    Writable,
}

impl Interest {
    fn flags(self) -> EventFlags {
        let what = match self {
            Self::Readable => EventFlags::IN | EventFlags::RDHUP,
            Self::Writable => EventFlags::OUT,
        };
        what | EventFlags::ONESHOT
    }
}

/// A new set of descriptors, close-on-exec.
///
/// # Errors
///
/// `EMFILE`, `ENFILE`, `ENOMEM`. References: <https://man7.org/linux/man-pages/man7/epoll.7.html>.
#[doc(alias = "epoll_create1")]
pub fn create() -> io::Result<OwnedFd> {
    Ok(epoll::create(CreateFlags::CLOEXEC)?)
}

/// Adds a descriptor under a number, not armed: nothing is said of it but that it is broken.
///
/// # Errors
///
/// `EPERM`: not of a kind that can be waited for, such as a file. `ENOMEM`, `ENOSPC`.
pub fn add(set: BorrowedFd<'_>, fd: BorrowedFd<'_>, number: u64) -> io::Result<()> {
    Ok(epoll::add(set, fd, EventData::new_u64(number), EventFlags::ONESHOT)?)
}

/// Lets a descriptor of the set be told of once: at once if there is something now.
///
/// # Errors
///
/// `ENOENT`: it is not in the set.
pub fn arm(set: BorrowedFd<'_>, fd: BorrowedFd<'_>, number: u64, interest: Interest) -> io::Result<()> {
    Ok(epoll::modify(set, fd, EventData::new_u64(number), interest.flags())?)
}

/// Takes a descriptor out of the set.
///
/// # Errors
///
/// `ENOENT`: it is not in the set.
pub fn delete(set: BorrowedFd<'_>, fd: BorrowedFd<'_>) -> io::Result<()> {
    Ok(epoll::delete(set, fd)?)
}

/// Sleeps until something is to be said, and hands over the numbers of those of whom, a few at a time. Uses no CPU.
///
/// # Errors
///
/// None on a descriptor from [`create`].
pub fn wait(set: BorrowedFd<'_>, mut each: impl FnMut(u64)) -> io::Result<()> {
    let mut events = [epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; 16];
    match epoll::wait(set, &mut events[..], None) {
        Ok(count) => events.iter().take(count).for_each(|event| each(event.data.u64())),
        Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
