//! Objects that lie in a directory: POSIX shared memory and semaphores in `/dev/shm`, POSIX queues where their file system is mounted.

use super::{Content, Identity, Kind, Object};
use std::fs::{self, Metadata};
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;
use strait_sys::{fsmount, statfs};

pub(super) const SHM: &str = "/dev/shm";
const QUEUES: &str = "/dev/mqueue";
/// What the C library puts before the name of a semaphore.
const SEMAPHORE: &str = "sem.";

/// The POSIX queues that were found, and which of them are this IPC namespace's.
#[derive(Debug, Default)]
pub(super) struct Queues {
    /// The device of ours; `None`: it cannot be told.
    pub(super) device: Option<u64>,
    pub(super) objects: Vec<Object>,
}

/// Memory and semaphores; `refused` is told of a directory that cannot be read.
pub(super) fn memories(refused: &mut Vec<String>) -> Vec<Object> {
    let mut found = Vec::new();
    read(Path::new(SHM), refused, |path, name, stat| {
        if stat.file_type().is_file() {
            found.push(memory(path, name, stat));
        } else if stat.file_type().is_fifo() {
            found.push(fifo(path, stat));
        }
    });
    found
}

/// Queues, where a file system of them is mounted or may be for a moment.
///
/// What is mounted need not be this IPC namespace's: a mount keeps the one of who made it. So root compares it with a mount of its own; who
/// may not make one takes it for ours.
pub(super) fn queues(refused: &mut Vec<String>) -> Queues {
    let device = |path: &str| fs::metadata(path).ok().map(|stat| stat.dev());
    let mut found = Vec::new();
    // An empty directory there is one where nothing is mounted.
    let mounted = is_queues(Path::new(QUEUES)).then(|| device(QUEUES)).flatten();
    if mounted.is_some() {
        read(Path::new(QUEUES), refused, |path, name, stat| found.push(queue(path, name, stat)));
    }
    let ours = match fsmount::queues() {
        // For us alone, and as long as it takes.
        Ok(directory) => {
            let path = format!("/proc/self/fd/{}", directory.as_raw_fd());
            let ours = device(&path);
            if ours != mounted {
                read(Path::new(&path), refused, |path, name, stat| {
                    found.push(Object { path: None, ..queue(path, name, stat) });
                });
            }
            ours
        }
        Err(error) => {
            if mounted.is_none() {
                refused.push(format!(
                    "list POSIX queues: {QUEUES} is not mounted (mount -t mqueue none {QUEUES}), and doing so for a moment is refused: {error}"
                ));
            }
            mounted
        }
    };
    Queues { device: ours, objects: found }
}

fn read(directory: &Path, refused: &mut Vec<String>, mut each: impl FnMut(&Path, &str, &Metadata)) {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => return refused.push(format!("list {}: {error}", directory.display())),
    };
    for entry in entries.flatten() {
        // Gone meanwhile.
        let Ok(stat) = entry.metadata() else { continue };
        let name = entry.file_name();
        each(&entry.path(), &String::from_utf8_lossy(name.as_bytes()), &stat);
    }
}

/// What a file system says of a file.
pub(super) fn describe(mut object: Object, path: Option<&Path>, stat: &Metadata) -> Object {
    object.path = path.map(Path::to_path_buf);
    object.size_bytes = Some(stat.size());
    object.allocated_bytes = Some(stat.blocks().saturating_mul(512));
    object.uid = Some(stat.uid());
    object.mode = Some(stat.mode() & 0o7777);
    object.created = stat.created().ok();
    // Nothing changes this when what is mapped is written. Who copies a file may set it back.
    object.changed = stat.modified().ok().max(object.created);
    object.used = stat.accessed().ok();
    object
}

pub(super) fn identity(stat: &Metadata) -> Identity {
    Identity::File(stat.dev(), stat.ino())
}

/// Whether a path lies on a file system of POSIX queues.
pub(super) fn is_queues(path: &Path) -> bool {
    statfs::statfs(path).is_ok_and(|it| it.is_message_queues)
}

fn memory(path: &Path, name: &str, stat: &Metadata) -> Object {
    let (kind, name) = match name.strip_prefix(SEMAPHORE) {
        Some(name) => (Kind::PosixSemaphore, name),
        None => (Kind::PosixShm, name),
    };
    describe(Object::new(kind, identity(stat), format!("/{name}")), Some(path), stat)
}

pub(super) fn fifo(path: &Path, stat: &Metadata) -> Object {
    let mut object = describe(Object::new(Kind::Fifo, identity(stat), path.to_string_lossy()), Some(path), stat);
    (object.size_bytes, object.allocated_bytes) = (None, None);
    object
}

pub(super) fn queue(path: &Path, name: &str, stat: &Metadata) -> Object {
    let mut object = describe(Object::new(Kind::PosixMq, identity(stat), format!("/{name}")), Some(path), stat);
    (object.size_bytes, object.allocated_bytes) = (None, None);
    // Its content is a line about itself: QSIZE:5 NOTIFY:0 SIGNO:0 NOTIFY_PID:0 (mq_overview(7)). Reading it takes no message.
    let text = fs::read_to_string(path).unwrap_or_default();
    let bytes = text.split_ascii_whitespace().find_map(|word| word.strip_prefix("QSIZE:")?.parse().ok());
    if let Some(bytes) = bytes {
        object.content = Content::Messages { count: None, bytes };
    }
    object
}
