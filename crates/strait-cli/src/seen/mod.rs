//! What there is on this machine: every object through which processes exchange data, what strait knows of its own among them, and in what
//! state each is.
//!
//! ```text
//!   inspect::machine              discovery
//!   objects, holders, leases      strait's own
//!            \                       /
//!             +- [Seen::look] one Thing each ----> [Seen::find] by name, number or pattern
//! ```
//!
//! | state | strait's own | anybody else's |
//! |---|---|---|
//! | live | somebody has a lease | a process has it open or mapped |
//! | idle | nobody has, and it is meant to stay | nobody has it, and it stays until it is removed |
//! | dead | nobody has, and it is over | nobody has it, and its creator is gone, where the kernel says both |
//! | corrupt | contradicts itself | |
//! | unknown | may not be read | a process that may not be seen could have it |
//!
//! 1. Looking disturbs nobody: it reads, takes no lock, no seat and no message.
//! 2. *Dead* is the kernel's word: a lease that nobody holds, or System V memory that is attached nowhere and whose creator has ended.
//!    Everything short of that is idle or unknown. It is true of the moment of looking: who removes must ask again, behind the door.
//! 3. What is in another namespace has names of its own: a path, a key or `strait:feed` finds ours, never that one, and nothing here removes it.
//! 4. `Thing::because` is the reason for the state in a few words, and names processes that a person can look for.

mod find;
pub(crate) mod json;
mod kinds;
mod own;
mod state;
pub(crate) mod users;
mod words;

#[cfg(test)]
mod tests;

pub(crate) use find::{Found, Wanted};
pub(crate) use kinds::Kinds;
pub(crate) use state::State;

use std::time::SystemTime;
use strait::discovery::Status;
use strait::inspect::machine::{Hidden, Identity, Kind, Machine, Object, Process};

/// Everything that was seen.
#[derive(Debug)]
pub(crate) struct Seen {
    /// By kind and name.
    pub(crate) things: Vec<Thing>,
    /// By process id.
    pub(crate) processes: Vec<Process>,
    pub(crate) hidden: Hidden,
}

/// One object.
#[derive(Debug)]
pub(crate) struct Thing {
    pub(crate) object: Object,
    /// What strait knows of it, if it is, or says that it is, one of its own.
    pub(crate) own: Option<Status>,
    pub(crate) state: State,
    /// Why it is in this state.
    pub(crate) because: String,
    /// Whether its name finds something else here, or nothing: it is in another IPC or mount namespace (rule 3).
    pub(crate) is_elsewhere: bool,
}

impl Seen {
    /// Looks at the whole machine.
    ///
    /// # Errors
    /// Where `/proc` is not what it should be.
    pub(crate) fn look() -> strait::Result<Self> {
        Ok(Self::of(Machine::look()?))
    }

    /// What this machine is made of.
    pub(crate) fn of(machine: Machine) -> Self {
        let are_elsewhere: Vec<bool> = machine.objects.iter().map(|it| machine.is_elsewhere(it)).collect();
        let Machine { objects, processes, hidden, .. } = machine;
        let named = own::named();
        let pids = state::Pids::new(&processes, hidden.processes);
        let things = objects.into_iter().zip(are_elsewhere).map(|(object, is_elsewhere)| {
            let own = own::status_of(&object, &named);
            let (state, because) = state::of(&object, own.as_ref(), &pids);
            Thing { object, own, state, because, is_elsewhere }
        });
        Self { things: things.collect(), processes, hidden }
    }

    /// The process of this id.
    pub(crate) fn process(&self, pid: u32) -> Option<&Process> {
        let at = self.processes.binary_search_by_key(&pid, |it| it.pid).ok()?;
        self.processes.get(at)
    }
}

impl Thing {
    /// As `--kind` and the lists call it: of a channel or a lock its kind, else what the kernel has it as.
    pub(crate) fn kind(&self) -> String {
        match &self.own {
            Some(Status::Channel(channel)) => channel.kind.to_string(),
            Some(Status::Lock(lock)) => kinds::of_lock(lock.kind).to_owned(),
            _ => self.object.kind.to_string(),
        }
    }

    /// As people know it: of strait's own the name that programs open it by.
    pub(crate) fn name(&self) -> &str {
        own::short_name(&self.object).unwrap_or(&self.object.name)
    }

    /// The same for a list, with what may be shown of it only, and with what a name alone does not say.
    pub(crate) fn label(&self) -> String {
        let note = match (self.object.is_unlinked, self.is_elsewhere) {
            (true, _) => " (removed)",
            (_, true) => " (other namespace)",
            _ => "",
        };
        crate::text::safe(self.name()) + note
    }

    /// What finds this one and no other: `strait:feed`, `posix-mq:/jobs`, `sysv-shm:id:7`, `memfd:inode:4711`; of another IPC namespace
    /// `sysv-shm:id:7@4026532201`.
    pub(crate) fn address(&self) -> String {
        let Object { kind, identity, name, is_unlinked, .. } = &self.object;
        let is_nameless = *is_unlinked || self.is_elsewhere;
        if let (Some(short), false) = (own::short_name(&self.object), is_nameless) {
            return format!("strait:{short}");
        }
        match identity {
            Identity::SysvId(id) => format!("{kind}:id:{id}"),
            Identity::SysvIdIn(namespace, id) => format!("{kind}:id:{id}@{namespace}"),
            Identity::File(..) if is_named(*kind) && !is_nameless => format!("{kind}:{name}"),
            Identity::File(_, number)
            | Identity::Pipe(number)
            | Identity::Socket(number)
            | Identity::Eventfd(number) => format!("{kind}:inode:{number}"),
            // A kind of a later library.
            _ => format!("{kind}:{name}"),
        }
    }

    /// Its number: the inode of a file, a pipe or a socket, the id of a System V object, the number of an eventfd.
    pub(crate) fn number(&self) -> Option<u64> {
        match self.object.identity {
            Identity::File(_, number)
            | Identity::Pipe(number)
            | Identity::Socket(number)
            | Identity::Eventfd(number) => Some(number),
            Identity::SysvId(id) | Identity::SysvIdIn(_, id) => u64::try_from(id).ok(),
            _ => None,
        }
    }

    /// Whether it is one of strait's own.
    pub(crate) fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Whether a process has it, in whatever way.
    pub(crate) fn is_held_by(&self, pid: u32) -> bool {
        self.object.holds.iter().any(|hold| hold.pid == pid)
    }

    /// Since when there is what there is: when it was made, or last changed where that is not kept.
    pub(crate) fn since(&self) -> Option<SystemTime> {
        self.object.created.or(self.object.changed)
    }

    /// The object, with how much of it is in memory now: it is opened for a moment, so this is for who asks for it.
    pub(crate) fn measured(&self) -> Object {
        let mut object = self.object.clone();
        object.measure();
        object
    }

    /// The same, with what its holders have mapped in huge pages: for one object, not for many.
    pub(crate) fn looked_through(&self) -> Object {
        let mut object = self.measured();
        object.measure_huge();
        object
    }

    /// What it takes up, as far as that is known: what is allocated, else its size.
    pub(crate) fn bytes(&self) -> u64 {
        self.object.allocated_bytes.or(self.object.size_bytes).unwrap_or(0)
    }
}

/// Whether programs find objects of this kind by a name in the file system or in a namespace of the kernel's.
pub(crate) fn is_named(kind: Kind) -> bool {
    matches!(kind, Kind::PosixShm | Kind::PosixSemaphore | Kind::PosixMq | Kind::File | Kind::Fifo)
}
