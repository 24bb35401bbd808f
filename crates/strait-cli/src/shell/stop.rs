//! Ctrl-C, and waiting for something that it ends.
//!
//! Waiting for a mechanism is cut into slices, for not each can be waited for together with a descriptor; standard input, a connection and
//! the clock are waited for beside the bell that a signal rings.

use super::Failure;
use crate::exit::Exit;
use crate::signals::{self, Watched};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io::Write as _;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How long a wait may take before somebody looks whether it is still wanted.
const SLICE: Duration = Duration::from_millis(100);

/// Whether the command was asked to end.
pub(super) struct Stop {
    is_asked: Arc<AtomicBool>,
    bell: UnixStream,
    watched: Watched,
}

/// What a wait came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    Ready,
    Late,
    /// The command is to end.
    Asked,
}

impl Stop {
    pub(super) fn watch(verb: &'static str) -> Result<Self, Failure> {
        let refused = |e: std::io::Error| Failure::refused(format!("watch for signals: {e}"));
        let (bell, ringer) = UnixStream::pair().map_err(refused)?;
        let is_asked = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&is_asked);
        let stop = move || {
            // Relaxed: a word to end; whoever sees it later looks again within a slice.
            asked.store(true, Relaxed);
            // The bell has room for one.
            let _ = (&ringer).write_all(&[0]);
        };
        let watched = signals::watch(verb, stop).map_err(refused)?;
        Ok(Self { is_asked, bell, watched })
    }

    pub(super) fn is_asked(&self) -> bool {
        self.is_asked.load(Relaxed)
    }

    /// Why it ended before its work was done.
    pub(super) fn ended(&self, done: impl std::fmt::Display) -> Failure {
        match self.watched.received() {
            Some(signal) => {
                let message = format!("ended by {}; {done}", signals::name(signal));
                Failure { message, exit: Exit::Signal(signal) }
            }
            None => Failure { message: format!("ended; {done}"), exit: Exit::Signal(2) },
        }
    }

    /// The end of a wait that begins now and ends at `deadline` at the latest.
    pub(super) fn slice(deadline: Option<Instant>) -> Instant {
        let end = Instant::now() + SLICE;
        deadline.map_or(end, |deadline| deadline.min(end))
    }

    /// Waits for a descriptor.
    pub(super) fn wait_for(&self, fd: BorrowedFd<'_>, flags: PollFlags, until: Option<Instant>) -> Waited {
        loop {
            let mut fds = [PollFd::new(&self.bell, PollFlags::IN), PollFd::from_borrowed_fd(fd, flags)];
            let ready = poll(&mut fds, until.map(left).as_ref());
            match ready {
                _ if self.is_asked() => return Waited::Asked,
                Ok(0) => return Waited::Late,
                Err(Errno::INTR) => {}
                // Whatever it is, the call that follows tells.
                Ok(_) | Err(_) => return Waited::Ready,
            }
        }
    }

    /// Sleeps until then; says whether it did.
    pub(super) fn sleep_until(&self, when: Instant) -> bool {
        // Nothing but the bell, twice.
        self.wait_for(self.bell.as_fd(), PollFlags::IN, Some(when)) == Waited::Late
    }

    /// Sleeps for a while; says whether it did.
    pub(super) fn sleep(&self, duration: Duration) -> bool {
        self.sleep_until(Instant::now() + duration)
    }
}

fn left(until: Instant) -> Timespec {
    // Longer than the kernel counts is for ever, near enough.
    let left = until.saturating_duration_since(Instant::now());
    Timespec::try_from(left).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 })
}
