//! Descriptors, open file descriptions, and who has them.
//!
//! ```text
//!   process A      fd 3 --\
//!                  fd 5 ----> open file description: offset, status flags, locks ---> file, pipe, socket
//!   process B      fd 3 --/   (dup, fork and handing over lead to the same one; open makes a new one)
//!                  ^
//!                  its own: close-on-exec
//! ```

use crate::error::{Error, ErrorKind, Result};
use std::fs;
use std::os::fd::{AsFd, AsRawFd as _};
use std::os::unix::fs::MetadataExt as _;

const O_ACCMODE: u32 = 0o3;
const O_WRONLY: u32 = 0o1;
const O_CLOEXEC: u32 = 0o2_000_000;

/// What is behind a descriptor of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Description {
    /// Where the next byte is read or written: shared by all descriptors of the description.
    pub offset_bytes: u64,
    /// `O_APPEND`, `O_NONBLOCK` and the like, as `open(2)` has them: shared, too.
    pub flags: u32,
    /// Whether exec closes it: the descriptor's own.
    pub is_closed_on_exec: bool,
}

/// Looks at a descriptor. Reads one file of `/proc`.
///
/// # Errors
/// `Unsupported` where `/proc` is not what it should be.
pub fn description(fd: impl AsFd) -> Result<Description> {
    let path = format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd());
    let (offset_bytes, flags) = info(&path)
        .ok_or_else(|| Error::new(ErrorKind::Unsupported, format!("look at a descriptor: {path} cannot be read")))?;
    Ok(Description { offset_bytes, flags: flags & !O_CLOEXEC, is_closed_on_exec: flags & O_CLOEXEC != 0 })
}

fn info(path: &str) -> Option<(u64, u32)> {
    let text = fs::read_to_string(path).ok()?;
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    Some((field("pos:")?.parse().ok()?, u32::from_str_radix(field("flags:")?, 8).ok()?))
}

/// A descriptor of some process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// Whose; for people to read.
    pub pid: u32,
    /// Its number there.
    pub fd: u32,
    /// Whether it can be read from.
    pub can_read: bool,
    /// Whether it can be written to: who keeps a pipe's reader waiting.
    pub can_write: bool,
}

/// Everybody who has the pipe, socket or file of this descriptor open, this process too, as far as they may be looked at. Goes through all of
/// `/proc`: milliseconds.
///
/// ```
/// use strait::inspect::holders;
///
/// let (here, there) = std::os::unix::net::UnixStream::pair()?;
/// let me = std::process::id();
/// assert!(holders(&here)?.iter().all(|it| it.pid == me && it.can_write));
/// assert_ne!(holders(&here)?, holders(&there)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// `Unsupported` where `/proc` is not what it should be.
pub fn holders(fd: impl AsFd) -> Result<Vec<Holder>> {
    let unreadable =
        |what: &str| Error::new(ErrorKind::Unsupported, format!("look for who has a file open: {what} cannot be read"));
    let own = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
    let wanted = fs::metadata(&own).map_err(|_| unreadable(&own))?;
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").map_err(|_| unreadable("/proc"))?.flatten() {
        let Some(pid) = number(&process.file_name()) else { continue };
        // Ended meanwhile, or not ours to look at.
        let Ok(fds) = fs::read_dir(process.path().join("fd")) else { continue };
        for entry in fds.flatten() {
            let Some(fd) = number(&entry.file_name()) else { continue };
            let is_it = fs::metadata(entry.path()).is_ok_and(|it| (it.dev(), it.ino()) == (wanted.dev(), wanted.ino()));
            if let Some((_, flags)) = is_it.then(|| info(&format!("/proc/{pid}/fdinfo/{fd}"))).flatten() {
                let access = flags & O_ACCMODE;
                found.push(Holder { pid, fd, can_read: access != O_WRONLY, can_write: access != 0 });
            }
        }
    }
    Ok(found)
}

/// Whether two descriptors, each of a process, lead to one open file description: the same offset, flags and locks. `None` where the kernel
/// does not say: it was built without [kcmp(2)](https://man7.org/linux/man-pages/man2/kcmp.2.html), may not tell us, or one of them is
/// gone. One system call.
///
/// ```
/// use std::os::fd::AsRawFd;
/// use strait::inspect::is_same_description;
///
/// let file = std::fs::File::open("/proc/self/exe")?;
/// let twin = file.try_clone()?;
/// let me = std::process::id();
/// let (a, b) = ((me, file.as_raw_fd() as u32), (me, twin.as_raw_fd() as u32));
/// assert_ne!(is_same_description(a, b), Some(false));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "kcmp")]
#[must_use]
pub fn is_same_description(a: (u32, u32), b: (u32, u32)) -> Option<bool> {
    strait_sys::kcmp::is_same_file(a, b).ok()
}

fn number(name: &std::ffi::OsStr) -> Option<u32> {
    name.to_str()?.parse().ok()
}
