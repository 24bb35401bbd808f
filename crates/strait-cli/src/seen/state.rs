//! Live, idle, dead, corrupt or unknown, and why.

use std::fmt;
use strait::channel::PeerState;
use strait::discovery::{Peer, Status};
use strait::inspect::machine::{Kind, Object, Process};

/// The state of an object. See [the module](super).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum)]
pub(crate) enum State {
    /// Somebody has it.
    Live,
    /// Nobody has it, and it is meant to stay.
    Idle,
    /// Nobody has it, and nobody will.
    Dead,
    /// It contradicts itself.
    Corrupt,
    /// It cannot be told.
    Unknown,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Live => "live",
            Self::Idle => "idle",
            Self::Dead => "dead",
            Self::Corrupt => "corrupt",
            Self::Unknown => "unknown",
        })
    }
}

/// The processes that were seen, and how many could not be looked into.
pub(super) struct Pids<'a> {
    seen: &'a [Process],
    hidden: u32,
}

impl<'a> Pids<'a> {
    /// `seen` in order.
    pub(super) fn new(seen: &'a [Process], hidden: u32) -> Self {
        Self { seen, hidden }
    }

    fn named(&self, pid: u32) -> String {
        match self.seen.binary_search_by_key(&pid, |it| it.pid) {
            Ok(at) => format!("process {pid} ({})", crate::text::safe(&self.seen[at].command)),
            Err(_) => format!("process {pid}"),
        }
    }

    /// Whether a process has ended. One that `/proc` hides is there.
    fn is_gone(&self, pid: u32) -> bool {
        if self.seen.binary_search_by_key(&pid, |it| it.pid).is_ok() {
            return false;
        }
        let id = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
        id.is_some_and(|id| rustix::process::test_kill_process(id) == Err(rustix::io::Errno::SRCH))
    }
}

pub(super) fn of(object: &Object, own: Option<&Status>, pids: &Pids<'_>) -> (State, String) {
    match own {
        Some(Status::Channel(channel)) => of_own(object, &channel.peers, channel.is_restartable, pids),
        Some(Status::Lock(lock)) => of_own(object, &lock.users, lock.is_restartable, pids),
        Some(Status::Damaged(why)) => (State::Corrupt, crate::text::safe(why)),
        Some(_) if object.is_leased => (State::Live, "somebody holds a lease of it".to_owned()),
        Some(Status::Unreadable(why)) if object.holds.is_empty() => (State::Unknown, crate::text::safe(why)),
        _ => of_others(object, pids),
    }
}

fn of_own(object: &Object, peers: &[Peer], is_restartable: bool, pids: &Pids<'_>) -> (State, String) {
    let attached: Vec<_> = peers.iter().filter(|it| it.state == PeerState::Attached).collect();
    match attached.as_slice() {
        [] => {}
        [one] => return (State::Live, format!("{} is attached", pids.named(one.pid))),
        [one, two] => {
            return (State::Live, format!("{} and {} are attached", pids.named(one.pid), pids.named(two.pid)));
        }
        [one, rest @ ..] => {
            return (State::Live, format!("{} and {} more are attached", pids.named(one.pid), rest.len()));
        }
    }
    if is_restartable {
        return (State::Idle, "nobody is attached; it is restartable, and waits for its next user".to_owned());
    }
    if object.is_unlinked || object.is_path_elsewhere || object.kind != Kind::PosixShm {
        return (State::Idle, "nobody is attached; who has a descriptor of it still may".to_owned());
    }
    let ended = peers.iter().map(|it| {
        let how = if it.state == PeerState::Died { "died" } else { "left" };
        format!("{} {} {how}", it.role, it.pid)
    });
    let ended: Vec<String> = ended.collect();
    let who = match ended.as_slice() {
        [] => String::new(),
        few @ [..] if few.len() <= 4 => format!(": {}", few.join(", ")),
        many => format!(": {} and {} more", many[..3].join(", "), many.len() - 3),
    };
    (State::Dead, format!("nobody holds a lease of it{who}"))
}

fn of_others(object: &Object, pids: &Pids<'_>) -> (State, String) {
    match (object.holders().as_slice(), object.attach_count) {
        ([], _) => {}
        ([pid], _) => return (State::Live, format!("{} has it", pids.named(*pid))),
        ([one, two], _) => return (State::Live, format!("{} and {} have it", pids.named(*one), pids.named(*two))),
        ([pid, rest @ ..], _) => return (State::Live, format!("{} and {} more have it", pids.named(*pid), rest.len())),
    }
    if matches!(object.kind, Kind::SysvMsg | Kind::SysvSemaphores) {
        return (State::Idle, "nobody ever holds one of these; it stays until it is removed".to_owned());
    }
    match (object.attach_count, object.creator_pid) {
        (Some(0), Some(creator)) if creator != 0 && pids.is_gone(creator) => {
            return (State::Dead, format!("it is attached nowhere, and its creator, process {creator}, has ended"));
        }
        (Some(0), _) => return (State::Idle, "it is attached nowhere; it stays until it is removed".to_owned()),
        (Some(count), _) => return (State::Live, format!("it is attached {count} times, by who cannot be seen")),
        (None, _) => {}
    }
    match pids.hidden {
        0 => (State::Idle, "no process has it; it stays until it is removed".to_owned()),
        1 => (State::Unknown, "one process may not be looked into, and could have it".to_owned()),
        n => (State::Unknown, format!("{n} processes may not be looked into, and could have it")),
    }
}
