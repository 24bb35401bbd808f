//! [futex(2)](https://man7.org/linux/man-pages/man2/futex.2.html): sleep on a word of memory, wake who sleeps on it.
//!
//! Always the shared kind: the word is known to the kernel by its page, so processes that map it at different addresses meet.

use rustix::io::Errno;
use rustix::thread::futex::{self, Flags, Timespec};
use std::io;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// Why a sleeper is awake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awake {
    /// Somebody called [`wake`] (or the kernel woke it for no reason, which it may).
    Woken,
    /// The word did not hold the expected value: it never slept.
    Changed,
    /// The time ran out.
    TimedOut,
    /// A signal handler ran.
    Interrupted,
}

/// Sleeps while `word` holds `expected`, until woken or for `timeout` of `CLOCK_MONOTONIC` at the most.
///
/// One system call; compare-and-sleep is one step for the kernel, so a wake that follows a change of the word is never lost.
/// The error, which a mapped aligned word never meets, is that the address is no futex.
#[doc(alias = "FUTEX_WAIT")]
pub fn wait(word: &AtomicU32, expected: u32, timeout: Duration) -> io::Result<Awake> {
    let timeout = Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(timeout.subsec_nanos()),
    };
    match futex::wait(word, Flags::empty(), expected, Some(&timeout)) {
        Ok(()) => Ok(Awake::Woken),
        Err(Errno::AGAIN) => Ok(Awake::Changed),
        Err(Errno::TIMEDOUT) => Ok(Awake::TimedOut),
        Err(Errno::INTR) => Ok(Awake::Interrupted),
        Err(error) => Err(error.into()),
    }
}

/// Wakes up to `count` sleepers of `word` and returns how many there were. One system call.
#[doc(alias = "FUTEX_WAKE")]
pub fn wake(word: &AtomicU32, count: u32) -> io::Result<usize> {
    Ok(futex::wake(word, Flags::empty(), count)?)
}
