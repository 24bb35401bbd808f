//! Marks: how a role says where its operation begins and ends.
//!
//! `SIGURG` and `SIGWINCH`, sent to oneself. Both are ignored by default, and a traced process stops even at an ignored signal.

use nix::sys::signal::Signal;

/// What a role has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The operation begins with the next instructions.
    Begin,
    /// The operation has returned.
    End,
}

impl Mark {
    pub(super) fn of(signal: Signal) -> Option<Self> {
        match signal {
            Signal::SIGURG => Some(Self::Begin),
            Signal::SIGWINCH => Some(Self::End),
            _ => None,
        }
    }
}

/// A role's marks. Made before the operation, so that a mark is one system call and a few instructions.
#[derive(Clone, Copy, Debug)]
pub struct Marks {
    pid: libc::pid_t,
    thread: libc::pid_t,
}

impl Default for Marks {
    fn default() -> Self {
        Self::new()
    }
}

impl Marks {
    /// The marks of this thread.
    #[must_use]
    pub fn new() -> Self {
        // SAFETY: the calls take nothing and cannot fail.
        let (pid, thread) = (unsafe { libc::getpid() }, nix::unistd::gettid().as_raw());
        Self { pid, thread }
    }

    /// The operation begins.
    #[inline(always)]
    pub fn begin(self) {
        self.say(libc::SIGURG);
    }

    /// The operation has returned.
    #[inline(always)]
    pub fn end(self) {
        self.say(libc::SIGWINCH);
    }

    #[inline(always)]
    fn say(self, signal: i32) {
        // SAFETY: the call takes numbers; the signal is one that is ignored unless somebody has asked for it, and no role does.
        unsafe { libc::syscall(libc::SYS_tgkill, self.pid, self.thread, signal) };
    }
}
