//! Kinds as people name them, one or several at once.

use super::Thing;
use strait::discovery::{LockKind, Status};
use strait::inspect::machine::Kind;

/// One kind, or a group of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kinds(&'static str);

/// Groups, and the kinds in them.
const GROUPS: [(&str, &[Kind]); 6] = [
    ("posix", &[Kind::PosixShm, Kind::PosixSemaphore, Kind::PosixMq]),
    ("sysv", &[Kind::SysvShm, Kind::SysvSemaphores, Kind::SysvMsg]),
    ("memory", &[Kind::PosixShm, Kind::SysvShm, Kind::Memfd, Kind::SharedAnonymous, Kind::File]),
    ("queue", &[Kind::PosixMq, Kind::SysvMsg]),
    ("semaphore", &[Kind::PosixSemaphore, Kind::SysvSemaphores]),
    ("socket", &[Kind::UnixSocket, Kind::Tcp, Kind::Udp]),
];

/// What the kernel has.
const ALL: [(&str, Kind); 15] = [
    ("posix-shm", Kind::PosixShm),
    ("posix-sem", Kind::PosixSemaphore),
    ("posix-mq", Kind::PosixMq),
    ("sysv-shm", Kind::SysvShm),
    ("sysv-sem", Kind::SysvSemaphores),
    ("sysv-msg", Kind::SysvMsg),
    ("memfd", Kind::Memfd),
    ("anonymous", Kind::SharedAnonymous),
    ("file", Kind::File),
    ("pipe", Kind::Pipe),
    ("fifo", Kind::Fifo),
    ("unix", Kind::UnixSocket),
    ("tcp", Kind::Tcp),
    ("udp", Kind::Udp),
    ("eventfd", Kind::Eventfd),
];

/// What strait has: whatever is its own, its channels, and its locks but for one kind, whose name is a group's.
const OWN: [&str; 12] =
    ["strait", "spsc", "mpmc", "broadcast", "watch", "rpc", "lock", "mutex", "rwlock", "event", "once", "barrier"];

/// A lock's kind, in one word.
pub(super) fn of_lock(kind: LockKind) -> &'static str {
    match kind {
        LockKind::Mutex => "mutex",
        LockKind::RwLock => "rwlock",
        LockKind::Semaphore => "semaphore",
        LockKind::ManualEvent | LockKind::AutoEvent => "event",
        LockKind::Once => "once",
        LockKind::Barrier => "barrier",
        // Of a later library.
        _ => "lock",
    }
}

impl Kinds {
    /// All names that there are.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        let groups = GROUPS.iter().map(|(name, _)| *name);
        OWN.into_iter().chain(ALL.iter().map(|(name, _)| *name)).chain(groups)
    }

    /// The kinds of this name.
    pub(crate) fn of_name(name: &str) -> Result<Self, String> {
        Self::names().find(|it| *it == name).map(Self).ok_or_else(|| {
            let names: Vec<&str> = Self::names().collect();
            format!("there is no kind '{}'; there are {}", crate::text::safe(name), names.join(", "))
        })
    }

    /// Whether it is one of these.
    pub(crate) fn has(self, thing: &Thing) -> bool {
        let Self(name) = self;
        let own = match &thing.own {
            Some(Status::Channel(channel)) => name == channel.kind.to_string(),
            Some(Status::Lock(lock)) => name == "lock" || name == of_lock(lock.kind),
            _ => false,
        };
        let is_of = |(group, kinds): &(&str, &[Kind])| *group == name && kinds.contains(&thing.object.kind);
        own || name == "strait" && thing.is_own() || thing.object.kind.to_string() == name || GROUPS.iter().any(is_of)
    }
}
