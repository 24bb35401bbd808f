//! Who is in the way.

use crate::peer::PeerState;
use std::fmt;
use std::time::Duration;
use strait_sys::proc::Whoami;

/// Who holds a lock, for people who look for a deadlock: it says so itself, and decides nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// Its process id, in its own pid namespace.
    pub pid: u32,
    /// When that process started, in clock ticks since boot: tells two owners of one pid apart, as field 22 of
    /// [`/proc/PID/stat`](https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html) does.
    pub start_ticks: u64,
    /// The inode of its pid namespace.
    pub pid_namespace: u64,
    /// Whether it is alive, which is the kernel's word. One that is stopped is.
    pub state: PeerState,
    /// Whether it is this very handle.
    pub is_own: bool,
    /// For how long it has held the lock, at the least: since somebody first was kept waiting by it.
    pub held_for: Duration,
}

impl Holder {
    pub(super) fn new(who: Whoami, state: PeerState, is_own: bool, held_for: Duration) -> Self {
        let Whoami { pid, start_ticks, pid_namespace } = who;
        Self { pid, start_ticks, pid_namespace, state, is_own, held_for }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            PeerState::Died => ", which has died",
            _ => "",
        };
        write!(f, "process {}{state}, for at least {:?}", self.pid, self.held_for)
    }
}
