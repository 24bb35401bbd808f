//! Every object through which processes of this machine can exchange data, and who has it.
//!
//! ```
//! use strait::inspect::machine::{Kind, Machine};
//!
//! let (reader, _writer) = std::io::pipe()?;
//! let machine = Machine::look()?;
//! let me = std::process::id();
//! let pipes = machine.objects.iter().filter(|it| it.kind == Kind::Pipe);
//! let ours = pipes.filter(|it| it.holds.iter().any(|hold| hold.pid == me && hold.can_write));
//! assert!(ours.count() >= 1);
//! # drop(reader);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! ```text
//!   what has a name            what processes have               what the kernel lists
//!   /dev/shm, mqueue           /proc/PID/fd, /proc/PID/maps      /proc/sysvipc, /proc/net, /proc/locks
//!            \                          |                               /
//!             +------------- one object for each identity -------------+
//! ```
//!
//! 1. **Looking disturbs nobody.** Nothing is opened that belongs to another one, nothing is locked, stopped or read from. Only
//!    [`Object::measure`], which must be asked for, opens an object for a moment; it maps nothing.
//! 2. **It is a picture of some moments**, one for each file that is read. A process that ends meanwhile, a name that goes, is normal: what was
//!    read until then counts, and an object may have a holder that is gone by the time one reads this.
//! 3. **Two are one object** if the kernel's identity is the same: device and inode of a file, the id of a System V object, the inode of a pipe or
//!    socket, the number of an eventfd. Names decide nothing.
//! 4. **Without root** the descriptors and memory of other users' processes cannot be seen. [`Machine::hidden`] says how many processes that
//!    concerns; an object without holders may have some of those.
//! 5. What is not for exchange is left out: private memory, programs and libraries, files that nobody shares in
//!    memory or has locked, terminals.
//! 6. **Names are those of this process's namespaces.** A System V id or a queue's name of another IPC namespace, a path of another mount namespace,
//!    means something else here, or nothing: such an object is one of its own ([`Object::ipc_namespace`], [`Object::is_path_elsewhere`]), and
//!    never mixed up with ours of the same name.

mod gather;
mod lock;
mod measure;
mod named;
mod namespace;
mod process;
mod socket;
mod sysv;

use crate::error::Result;
use std::fmt;
use std::path::PathBuf;
use std::time::SystemTime;

pub use lock::LockKind;
pub use process::Process;

/// What there is, and who has it. See [the module](self).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Machine {
    /// All objects, by kind and name.
    pub objects: Vec<Object>,
    /// All processes, by id.
    pub processes: Vec<Process>,
    /// What could not be seen.
    pub hidden: Hidden,
    /// The IPC namespace of this process: the number of `/proc/self/ns/ipc`. `None` where the kernel has no namespaces.
    pub ipc_namespace: Option<u64>,
}

/// What could not be seen, and why not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hidden {
    /// Processes of others, whose descriptors and memory only root sees.
    pub processes: u32,
    /// Lists that could not be read, each in a sentence.
    pub lists: Vec<String>,
}

/// The kinds of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// POSIX shared memory (`shm_open`), strait's channels and locks too.
    PosixShm,
    /// A POSIX named semaphore (`sem_open`).
    PosixSemaphore,
    /// A POSIX message queue (`mq_open`).
    PosixMq,
    /// System V shared memory (`shmget`).
    SysvShm,
    /// A set of System V semaphores (`semget`).
    SysvSemaphores,
    /// A System V message queue (`msgget`).
    SysvMsg,
    /// Memory with a descriptor and no name (`memfd_create`).
    Memfd,
    /// Memory that a process shares with the children it forks (`MAP_SHARED | MAP_ANONYMOUS`).
    SharedAnonymous,
    /// A file that is mapped shared.
    File,
    /// A pipe.
    Pipe,
    /// A pipe with a name (`mkfifo`).
    Fifo,
    /// A Unix socket, or two that are connected.
    UnixSocket,
    /// A TCP socket that listens, or two that are connected.
    Tcp,
    /// A UDP socket that is bound, or two that are connected.
    Udp,
    /// An eventfd.
    Eventfd,
}

/// What makes an object the same one (rule 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Identity {
    /// A file, a FIFO, a POSIX queue, POSIX or anonymous memory: its device and inode.
    File(u64, u64),
    /// A pipe: its inode.
    Pipe(u64),
    /// A socket: its inode; of two that are connected the smaller one.
    Socket(u64),
    /// A System V object, of its kind.
    SysvId(i32),
    /// The same in another IPC namespace: the namespace's number, and the id there.
    SysvIdIn(u64, i32),
    /// An eventfd's number.
    Eventfd(u64),
}

/// One object.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Object {
    /// What it is.
    pub kind: Kind,
    /// Which one.
    pub identity: Identity,
    /// As people know it: the name that programs use, a path, a key, a label, or the number of what has none.
    pub name: String,
    /// Where its name is in the file system, if it has one that leads to it from here.
    pub path: Option<PathBuf>,
    /// Whether its name is a path of its holders' that leads to something else here, or nowhere: they are in another mount namespace, below
    /// another root, or something was put on top or in its place since.
    pub is_path_elsewhere: bool,
    /// The IPC namespace that it is in, of System V objects and POSIX queues: the number of `/proc/PID/ns/ipc`, as in
    /// [`Machine::ipc_namespace`]. `None` for other kinds, and of a queue where it cannot be told.
    pub ipc_namespace: Option<u64>,
    /// Whether it had a name that was taken away: nobody new can find it.
    pub is_unlinked: bool,
    /// Its size, or the room in it; `None` where that means nothing.
    pub size_bytes: Option<u64>,
    /// Memory, or disk, that it takes up now; in swap space too.
    pub allocated_bytes: Option<u64>,
    /// How much of it is swapped out, where the kernel says so.
    pub swapped_bytes: Option<u64>,
    /// How much of it is in memory now, in whole pages. Of System V memory the kernel lists it; of the rest [`measure`](Self::measure) asks.
    pub resident_bytes: Option<u64>,
    /// How much of it is in huge pages. Known at once where the machine has none in use, or where a process has huge pages of it mapped that
    /// were asked for (`MAP_HUGETLB`, `SHM_HUGETLB`); of the rest [`measure`](Self::measure) and [`measure_huge`](Self::measure_huge) ask.
    pub huge_bytes: Option<u64>,
    /// Who owns it.
    pub uid: Option<u32>,
    /// Its permission bits.
    pub mode: Option<u32>,
    /// When it was made, where the file system keeps that; of System V objects and POSIX queues the kernel keeps none.
    pub created: Option<SystemTime>,
    /// When it was last changed: made, written to or resized by a call. What is written through a mapping does not count.
    pub changed: Option<SystemTime>,
    /// When it was last used, where the kernel says so.
    pub used: Option<SystemTime>,
    /// What is in it, of queues and semaphores.
    pub content: Content,
    /// Who made it, of System V memory: by then that process may have ended.
    pub creator_pid: Option<u32>,
    /// How often it is attached, of System V memory: the kernel's own count, of processes that cannot be seen as well.
    pub attach_count: Option<u64>,
    /// Whether somebody, seen or not, holds a lease of strait's on it: an open-file-description lock behind the file's door.
    pub is_leased: bool,
    /// Who has it.
    pub holds: Vec<Hold>,
}

/// What is in a queue, a semaphore, an eventfd.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// Nothing that can be told from outside.
    #[default]
    Unknown,
    /// Messages that wait, and how many bytes they are.
    Messages {
        /// How many, where the kernel says so.
        count: Option<u64>,
        /// Their bytes.
        bytes: u64,
    },
    /// Connections that wait to be accepted, of a socket that listens.
    Connections(u64),
    /// How many semaphores, of a set.
    Semaphores(u64),
    /// The permits of a semaphore, the count of an eventfd.
    Count(u64),
}

/// A holder of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hold {
    /// The process.
    pub pid: u32,
    /// By what.
    pub by: By,
    /// Whether it can read there.
    pub can_read: bool,
    /// Whether it can write there.
    pub can_write: bool,
}

/// By what a process has an object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum By {
    /// A descriptor.
    Descriptor(u32),
    /// A mapping, at these addresses there, of what begins at `offset_bytes` of the object.
    Mapping {
        /// First address.
        start: u64,
        /// One behind the last.
        end: u64,
        /// Where in the object that begins.
        offset_bytes: u64,
        /// Whether programs can run in it.
        is_executable: bool,
    },
    /// A lock on the file, through a descriptor that is a holder of its own.
    Lock {
        /// Which kind.
        kind: LockKind,
        /// Whether nobody else may have one at the same time; else others may that are not exclusive.
        is_exclusive: bool,
        /// The first byte that is locked.
        start: u64,
        /// One behind the last; `None`: to the end of the file, however it grows.
        end: Option<u64>,
        /// The slot, if it is the lease of a user of one of strait's channels or locks.
        lease_slot: Option<u32>,
    },
}

impl Machine {
    /// Looks at all there is: some system calls for each process and each of its descriptors, some 50 us for a process of ten.
    ///
    /// # Errors
    /// `Unsupported` where `/proc` is not what it should be. What else cannot be read is [hidden](Self::hidden).
    pub fn look() -> Result<Self> {
        gather::all()
    }

    /// The process of this id.
    #[must_use]
    pub fn process(&self, pid: u32) -> Option<&Process> {
        let at = self.processes.binary_search_by_key(&pid, |it| it.pid).ok()?;
        self.processes.get(at)
    }

    /// Whether an object of this machine is none that its name or id finds here (rule 6).
    #[must_use]
    pub fn is_elsewhere(&self, object: &Object) -> bool {
        let has_namespace = matches!(object.kind, Kind::SysvShm | Kind::SysvSemaphores | Kind::SysvMsg | Kind::PosixMq);
        object.is_path_elsewhere || has_namespace && object.ipc_namespace != self.ipc_namespace
    }
}

impl Object {
    fn new(kind: Kind, identity: Identity, name: impl Into<String>) -> Self {
        Self {
            kind,
            identity,
            name: name.into(),
            path: None,
            is_path_elsewhere: false,
            ipc_namespace: None,
            is_unlinked: false,
            size_bytes: None,
            allocated_bytes: None,
            swapped_bytes: None,
            resident_bytes: None,
            huge_bytes: None,
            uid: None,
            mode: None,
            created: None,
            changed: None,
            used: None,
            content: Content::Unknown,
            creator_pid: None,
            attach_count: None,
            is_leased: false,
            holds: Vec::new(),
        }
    }

    /// The processes that have it, each once.
    #[must_use]
    pub fn holders(&self) -> Vec<u32> {
        let mut pids: Vec<u32> = self.holds.iter().map(|hold| hold.pid).collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PosixShm => "posix-shm",
            Self::PosixSemaphore => "posix-sem",
            Self::PosixMq => "posix-mq",
            Self::SysvShm => "sysv-shm",
            Self::SysvSemaphores => "sysv-sem",
            Self::SysvMsg => "sysv-msg",
            Self::Memfd => "memfd",
            Self::SharedAnonymous => "anonymous",
            Self::File => "file",
            Self::Pipe => "pipe",
            Self::Fifo => "fifo",
            Self::UnixSocket => "unix",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Eventfd => "eventfd",
        })
    }
}
