//! [inotify(7)](https://man7.org/linux/man-pages/man7/inotify.7.html): sleep until something appears in a directory, or a file is opened.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

/// A watch on a directory for names that appear in it.
#[derive(Debug)]
pub struct Arrivals(OwnedFd);

impl Arrivals {
    /// Starts to watch `directory`; names that appear from now on are noticed. Two system calls.
    #[doc(alias = "inotify_add_watch")]
    pub fn of(directory: &Path) -> io::Result<Self> {
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let events = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
        inotify::add_watch(&fd, directory, events)?;
        Ok(Self(fd))
    }

    /// Sleeps until a name has appeared since the last call, or for `timeout` at the most; says whether one has.
    pub fn wait(&self, timeout: Duration) -> io::Result<bool> {
        wait(&self.0, timeout)
    }
}

/// A watch on a file for who opens it.
#[derive(Debug)]
pub struct Openings(OwnedFd);

impl Openings {
    /// Starts to watch the file `path`; who opens it from now on is noticed. Two system calls.
    #[doc(alias = "IN_OPEN")]
    pub fn of(path: &Path) -> io::Result<Self> {
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        inotify::add_watch(&fd, path, WatchFlags::OPEN | WatchFlags::DONT_FOLLOW)?;
        Ok(Self(fd))
    }

    /// Sleeps until somebody has opened it since the last call, or for `timeout` at the most; says whether somebody has. One's own
    /// openings count.
    pub fn wait(&self, timeout: Duration) -> io::Result<bool> {
        wait(&self.0, timeout)
    }
}

fn wait(watch: &OwnedFd, timeout: Duration) -> io::Result<bool> {
    let timeout = Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(timeout.subsec_nanos()),
    };
    let mut fds = [PollFd::new(watch, PollFlags::IN)];
    match poll(&mut fds, Some(&timeout)) {
        Ok(0) | Err(Errno::INTR) => return Ok(false),
        Ok(_) => {}
        Err(error) => return Err(error.into()),
    }
    // What it was called does not matter: the caller looks for its own name again.
    let mut events = [0_u8; 4096];
    loop {
        match rustix::io::read(watch, &mut events) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
}
