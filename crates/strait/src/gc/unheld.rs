//! What is not strait's: objects of other programs that nobody has, as far as the kernel can say.
//!
//! | object | proof |
//! |---|---|
//! | a POSIX shared memory object or semaphore, a file | the kernel gives a write lease on it, which it does only while nobody has it open or mapped |
//! | a POSIX queue | the same, and no message waits in it |
//! | a System V segment | it is attached nowhere, by the kernel's count, and the process that made it has ended |
//!
//! Of System V queues and semaphores the kernel counts no users: nothing can be proven of them.
//!
//! 1. A lease (`fcntl_setlease(2)`) and the count of attachments are true of the whole machine: of processes that are hidden from us, in other
//!    namespaces too. Nothing but the right of the owner is needed.
//! 2. While we hold a lease, who opens the object waits in that call. So its name is taken away while nobody has it; one who comes just then
//!    is noticed, where the kernel has brought it that far, and the name is left.
//! 3. Who only looks, as a listing does, has an object open for a moment, and is not told from who holds it. So who removes one asks for the
//!    lease a few times ([`PAUSES`]).
//! 4. *What cannot be proven*: that no program is about to open the name, or to attach the key. A program may make an object, let go of it and
//!    mean another one to find it later. And the kernel does not keep who made a POSIX object. That is for a person to judge.

use crate::error::{Error, ErrorKind, Result};
use crate::region::{Place, Region};
use std::ffi::CString;
use std::fmt;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::Duration;
use strait_sys::fstat::{self, Kind};
use strait_sys::mmap::Access;
use strait_sys::mq_open::{self, Create, Use};
use strait_sys::pidfd_open::pidfd_open;
use strait_sys::{fcntl_setlease, open, shmget};

/// Between two askings for the lease: 15 ms in all (rule 3).
const PAUSES: [Duration; 4] =
    [Duration::from_millis(1), Duration::from_millis(2), Duration::from_millis(4), Duration::from_millis(8)];

/// An object of any program.
#[derive(Clone, Debug)]
pub enum Foreign {
    /// A POSIX object, or a file.
    File(Place),
    /// The POSIX queue of this name, `/jobs`.
    Queue(String),
    /// The System V segment of this id.
    Segment(i32),
}

/// Whether anybody has an object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unheld {
    /// Nobody has it.
    Nobody,
    /// Somebody has, or is said to; the sentence says how.
    Somebody(String),
    /// Nobody has the System V segment, but who made it lives, or may, and could mean another one to find it; the sentence says who.
    Creator(String),
    /// There is no such object, or its name leads elsewhere by now.
    Gone,
}

/// Says whether anybody has it; for a moment, who opens it waits. Some system calls.
///
/// # Errors
/// `Permission` for what another user owns; `Incompatible` for what is no plain file; `Unsupported` where its file system has no leases.
pub fn look_for_holders(of: &Foreign) -> Result<Unheld> {
    asked(of, &[], || Ok(()))
}

/// Removes it, if nobody has it. Of a file that somebody has, says so after 15 ms: it may be one who only looks.
///
/// # Errors
/// As [`look_for_holders`].
pub fn remove_unheld(of: &Foreign) -> Result<Unheld> {
    asked(of, &PAUSES, || match of {
        Foreign::File(place) => Region::remove(place),
        Foreign::Queue(name) => {
            mq_open::mq_unlink(&c_name(name)?).map_err(|e| Error::kernel("remove", of, e, "its owner, or root, may"))
        }
        Foreign::Segment(id) => {
            shmget::remove(*id).map_err(|e| Error::kernel("remove", of, e, "its owner, or root, may"))
        }
    })
}

fn asked(of: &Foreign, pauses: &[Duration], then: impl FnOnce() -> Result<()>) -> Result<Unheld> {
    let outcome = match of {
        Foreign::File(place) => file(place, pauses, then),
        Foreign::Queue(name) => queue(of, name, pauses, then),
        Foreign::Segment(id) => segment(of, *id, then),
    };
    match outcome {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Unheld::Gone),
        outcome => outcome,
    }
}

fn file(place: &Place, pauses: &[Duration], then: impl FnOnce() -> Result<()>) -> Result<Unheld> {
    let path = super::path_of(place)?;
    let cannot = |verb: &str, error| Error::kernel(verb, place, error, "its owner, or root, may");
    // Looked at first: opening a FIFO would be noticed by who waits at its other side.
    let stat = fstat::lstat(path).map_err(|e| cannot("look at", e))?;
    if stat.kind != Kind::Regular {
        return Err(Error::new(ErrorKind::Incompatible, format!("look at {place}: it is no plain file")));
    }
    let fd = open::existing(path, Access::ReadOnly).map_err(|e| cannot("open", e))?;
    if fstat::fstat(fd.as_fd()).map_err(|e| cannot("look at", e))?.identity != stat.identity {
        return Ok(Unheld::Gone);
    }
    let is_named = || fstat::lstat(path).is_ok_and(|named| named.identity == stat.identity);
    leased(&fd, place, pauses, is_named, then)
}

fn queue(of: &Foreign, name: &str, pauses: &[Duration], then: impl FnOnce() -> Result<()>) -> Result<Unheld> {
    let cannot = |verb: &str, error| Error::kernel(verb, of, error, "its owner, or root, may");
    let fd = mq_open::mq_open(&c_name(name)?, Use::Receive, Create::No, 0).map_err(|e| cannot("open", e))?;
    let waiting = mq_open::mq_getattr(fd.as_fd()).map_err(|e| cannot("look at", e))?.messages;
    if waiting > 0 {
        return Ok(Unheld::Somebody(format!("messages wait in it for a receiver: {waiting}")));
    }
    leased(&fd, of, pauses, || true, then)
}

fn segment(of: &Foreign, id: i32, then: impl FnOnce() -> Result<()>) -> Result<Unheld> {
    let stat = shmget::stat(id).map_err(|e| match e.raw_os_error() {
        // Of an id: there is none, or it was removed.
        Some(strait_sys::errno::EINVAL | strait_sys::errno::EIDRM) => {
            Error::new(ErrorKind::NotFound, format!("look at {of}: gone"))
        }
        _ => Error::kernel("look at", of, e, "its owner, or root, may"),
    })?;
    if stat.attached > 0 {
        return Ok(Unheld::Somebody(format!("it is attached {} times", stat.attached)));
    }
    let creator = stat.creator_pid;
    if creator == 0 {
        return Ok(Unheld::Creator("its creator is of another pid namespace, and may live".to_owned()));
    }
    // Where the kernel does not say, it lives.
    if !matches!(pidfd_open(creator), Ok(None)) {
        return Ok(Unheld::Creator(format!("its creator, process {creator}, lives")));
    }
    then().map(|()| Unheld::Nobody)
}

/// Does it while nobody has the file behind `fd`, which `is_named` still.
fn leased(
    fd: &OwnedFd,
    of: impl fmt::Display,
    pauses: &[Duration],
    is_named: impl FnOnce() -> bool,
    then: impl FnOnce() -> Result<()>,
) -> Result<Unheld> {
    let somebody = || Ok(Unheld::Somebody("a process has it open or mapped".to_owned()));
    let fd: BorrowedFd<'_> = fd.as_fd();
    let is_ours = lease(fd, pauses, std::thread::sleep).map_err(|e| {
        Error::kernel("take a lease on", of, e, "its owner, or root, may; its file system must know leases")
    })?;
    if !is_ours {
        return somebody();
    }
    let outcome = if !is_named() {
        Ok(Unheld::Gone)
    } else if !fcntl_setlease::is_whole(fd).unwrap_or(false) {
        // Asked last of all: somebody waits to open it.
        somebody()
    } else {
        then().map(|()| Unheld::Nobody)
    };
    // Given back with the descriptor at the latest.
    let _ = fcntl_setlease::release(fd);
    outcome
}

/// Takes the lease, asked for once more behind each of the pauses; `false`: somebody has the file open all the time.
fn lease(fd: BorrowedFd<'_>, pauses: &[Duration], mut pause: impl FnMut(Duration)) -> io::Result<bool> {
    for &duration in pauses {
        if fcntl_setlease::try_write_lease(fd)? {
            return Ok(true);
        }
        pause(duration);
    }
    fcntl_setlease::try_write_lease(fd)
}

fn c_name(name: &str) -> Result<CString> {
    CString::new(name)
        .map_err(|_| Error::new(ErrorKind::Usage, "use a queue's name: it contains a NUL byte".to_owned()))
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(place) => write!(f, "{place}"),
            Self::Queue(name) => write!(f, "POSIX queue '{}'", name.escape_default()),
            Self::Segment(id) => write!(f, "System V segment {id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who looks and goes keeps nobody from removing it; who stays does, after all the pauses.
    #[test]
    fn who_only_looks_is_waited_for() {
        let path = std::env::temp_dir().join(format!("unheld-{}", std::process::id()));
        std::fs::write(&path, "").expect("a file");
        let open = || open::existing(&path, Access::ReadOnly).expect("there");
        let (fd, looks) = (open(), open());
        std::fs::remove_file(&path).expect("there");
        let mut paused = Vec::new();
        assert!(!lease(fd.as_fd(), &PAUSES, |duration| paused.push(duration)).expect("asked"));
        assert_eq!(paused, PAUSES);
        let mut looks = Some(looks);
        let mut left = 2;
        // A child that another test makes has it too until its exec: longer than the pauses are, on a busy machine.
        let many = [Duration::from_millis(1); 5000];
        let goes = |duration| {
            left -= 1;
            if left == 0 {
                looks = None;
            }
            std::thread::sleep(duration);
        };
        assert!(lease(fd.as_fd(), &many, goes).expect("asked"));
        assert!(left <= 0, "not before");
    }
}
