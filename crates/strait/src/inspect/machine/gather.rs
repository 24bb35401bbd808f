//! What has a name, what the kernel lists and what processes have, put together: one object for each identity.

use super::lock::Locks;
use super::measure::NoHugePages;
use super::named::{self, describe, identity};
use super::namespace::Namespaces;
use super::process::{self, Descriptor, SharedMapping};
use super::socket::Sockets;
use super::{By, Content, Hidden, Hold, Identity, Kind, Machine, Object, Process, sysv};
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::mem;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

/// What the kernel puts behind the name of what has none any more.
const DELETED: &str = " (deleted)";

pub(super) fn all() -> Result<Machine> {
    let mut hidden = Hidden::default();
    let (sockets, locks) = (Sockets::read(&mut hidden.lists), Locks::read(&mut hidden.lists));
    let namespaces = Namespaces::here();
    let ipc_namespace = namespaces.our_ipc();
    let queues = named::queues(&mut hidden.lists);
    let mut found = Found { sockets, locks, namespaces, our_queues: queues.device, ..Found::default() };
    let memories = named::memories(&mut hidden.lists);
    for object in memories.into_iter().chain(sysv::all(ipc_namespace, &mut hidden.lists)) {
        found.object(object);
    }
    for queue in queues.objects {
        let ipc_namespace = found.namespace_of_queue(queue.identity, None);
        found.object(Object { ipc_namespace, ..queue });
    }
    let pids = process::all().map_err(|e| Error::kernel("list", "/proc", e, "it must be mounted"))?;
    let mut processes = Vec::with_capacity(pids.len());
    for pid in pids {
        let Some(mut process) = Process::look(pid) else { continue };
        let (descriptors, mappings) = (process::descriptors(pid), process::shared_mappings(pid));
        process.is_open = !descriptors.is_hidden() && !mappings.is_hidden();
        // The dead have nothing.
        hidden.processes += u32::from(!process.is_open && process.state != 'Z');
        for mapping in mappings.into_inner() {
            found.mapping(pid, mapping);
        }
        for descriptor in descriptors.into_inner() {
            found.descriptor(pid, &descriptor);
        }
        processes.push(process);
    }
    processes.sort_unstable_by_key(|it| it.pid);
    found.sockets_of_others();
    Ok(Machine { objects: found.into_objects(), processes, hidden, ipc_namespace })
}

/// What was found so far.
#[derive(Default)]
struct Found {
    objects: Vec<Object>,
    /// Where the object of an identity is; those of System V are told apart by their kind, too.
    at: HashMap<(Option<Kind>, Identity), usize>,
    sockets: Sockets,
    locks: Locks,
    namespaces: Namespaces,
    /// Whether the files of a device are POSIX queues.
    queues: HashMap<u64, bool>,
    /// The device of this IPC namespace's POSIX queues, if that can be told.
    our_queues: Option<u64>,
}

impl Found {
    /// The object of this one's identity: itself, if it is the first.
    fn object(&mut self, object: Object) -> &mut Object {
        let kind = matches!(object.identity, Identity::SysvId(_) | Identity::SysvIdIn(..)).then_some(object.kind);
        let at = *self.at.entry((kind, object.identity)).or_insert(self.objects.len());
        match self.objects.get_mut(at) {
            None => self.objects.push(object),
            // One that was opened by its name tells it. Who made the file without one, and gave it the name later, has none to tell.
            Some(known) if known.path.is_none() && object.path.is_some() => {
                let holds = mem::take(&mut known.holds);
                *known = Object { holds, ..object };
            }
            // A mapping says little of its file; a descriptor of it says the rest.
            Some(known) if known.uid.is_none() && object.uid.is_some() => {
                let (name, path, holds) = (mem::take(&mut known.name), known.path.take(), mem::take(&mut known.holds));
                *known = Object { name, path, holds, ..object };
            }
            Some(known) => known.ipc_namespace = known.ipc_namespace.or(object.ipc_namespace),
        }
        &mut self.objects[at]
    }

    /// Those that no process has that may be looked into.
    fn sockets_of_others(&mut self) {
        for object in self.sockets.take_objects() {
            self.object(object);
        }
    }

    fn descriptor(&mut self, pid: u32, descriptor: &Descriptor) {
        let Some(object) = self.behind(pid, descriptor) else { return };
        let hold = Hold {
            pid,
            by: By::Descriptor(descriptor.fd),
            can_read: descriptor.can_read,
            can_write: descriptor.can_write,
        };
        let locks = self.locks.of(object.identity, pid, descriptor.fd);
        let holds = &mut self.object(object).holds;
        holds.extend(locks.into_iter().map(|by| Hold { by, ..hold.clone() }));
        holds.push(hold);
    }

    /// What a descriptor leads to, if it is something for exchange, or might be (rule 5).
    fn behind(&mut self, pid: u32, descriptor: &Descriptor) -> Option<Object> {
        let Descriptor { fd, target, .. } = descriptor;
        if let Some(inode) = numbered(target, "pipe:[") {
            return Some(Object::new(Kind::Pipe, Identity::Pipe(inode), inode.to_string()));
        }
        if let Some(inode) = numbered(target, "socket:[") {
            return self.sockets.object(inode);
        }
        if target == "anon_inode:[eventfd]" {
            return eventfd(&format!("/proc/{pid}/fdinfo/{fd}"));
        }
        // Most of the rest are terminals and /dev/null, which need no second look.
        let is_device = target == "/dev/null" || target.starts_with("/dev/pts/");
        if !target.starts_with('/') || is_device {
            return None;
        }
        // Of the open file, whatever its name leads to by now.
        let way = format!("/proc/{pid}/fd/{fd}");
        let stat = fs::metadata(&way).ok()?;
        if stat.file_type().is_fifo() {
            return Some(named::fifo(Path::new(target), &stat));
        }
        if !stat.file_type().is_file() {
            return None;
        }
        let is_queue = *self.queues.entry(stat.dev()).or_insert_with(|| named::is_queues(Path::new(&way)));
        if is_queue {
            // Opened by its name, or by a path where somebody has mounted them: there are no directories.
            let path = target.strip_suffix(DELETED).unwrap_or(target);
            let name = path.rsplit('/').next().unwrap_or(path);
            let ipc_namespace = self.namespace_of_queue(identity(&stat), Some(pid));
            let queue = unlinked(named::queue(Path::new(&way), name, &stat), &stat);
            return Some(Object { path: None, ipc_namespace, ..queue });
        }
        Some(file(target, identity(&stat), Some(&stat)))
    }

    /// The IPC namespace of a POSIX queue: ours if it is on our device, else that of the process that has it, unless that one is in ours and was
    /// handed it. `None`: it cannot be told.
    fn namespace_of_queue(&mut self, queue: Identity, holder: Option<u32>) -> Option<u64> {
        let Identity::File(device, _) = queue else { return None };
        let ours = self.namespaces.our_ipc();
        if self.our_queues == Some(device) {
            return ours;
        }
        let its = self.namespaces.ipc(holder?)?;
        (self.our_queues.is_none() || Some(its) != ours).then_some(its)
    }

    /// The segment that a mapping of this name and id is of: what the id means, the namespace of the process says. One that has changed its
    /// namespace since is taken for one of the new one: the kernel does not keep where it attached.
    fn segment(&mut self, pid: u32, name: &str, id: i32) -> Option<Object> {
        let (ours, its) = (self.namespaces.our_ipc(), self.namespaces.ipc(pid));
        if its == ours {
            return Some(Object::new(Kind::SysvShm, Identity::SysvId(id), format!("id {id}")));
        }
        // Ended meanwhile, if it has none: then it holds nothing.
        let its = its?;
        let key = name.get(5..13).and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or(0);
        let object = Object::new(Kind::SysvShm, Identity::SysvIdIn(its, id), sysv::name_of(key, id));
        Some(Object { ipc_namespace: Some(its), ..object })
    }

    fn mapping(&mut self, pid: u32, mapping: SharedMapping) {
        let SharedMapping { start, end, can_write, is_executable, offset_bytes, device, inode, page_bytes, name } =
            mapping;
        let mut object = if name.starts_with("/SYSV") {
            // The inode is the id, which is 32 bits wide.
            match self.segment(pid, &name, inode as u32 as i32) {
                Some(object) => object,
                None => return,
            }
        } else if name.starts_with('/') {
            file(&name, Identity::File(makedev(device), inode), None)
        } else {
            return;
        };
        let reaches_bytes = offset_bytes.saturating_add(end - start);
        object.size_bytes = object.size_bytes.or(Some(reaches_bytes));
        let is_huge = page_bytes.is_some_and(|bytes| bytes > strait_sys::page_size() as u64);
        let by = By::Mapping { start, end, offset_bytes, is_executable };
        let object = self.object(object);
        object.holds.push(Hold { pid, by, can_read: true, can_write });
        // Where pages are huge, all of them are. Of such a segment the kernel's list (`sysv.rs`) is wrong: its file says how many, if we may ask.
        if is_huge && object.kind == Kind::SysvShm {
            let stat = fs::metadata(format!("/proc/{pid}/map_files/{start:x}-{end:x}")).ok();
            let bytes = stat.map(|stat| stat.blocks().saturating_mul(512)).or(object.huge_bytes);
            (object.allocated_bytes, object.resident_bytes, object.huge_bytes) = (bytes, bytes, bytes);
        }
    }

    /// Takes the path from an object to which it does not lead from here (rule 6).
    fn without_path_elsewhere(&mut self, object: &mut Object) {
        let Some(path) = object.path.as_deref().filter(|_| object.kind != Kind::PosixMq) else { return };
        let stat = match fs::symlink_metadata(path) {
            Ok(stat) => Some(stat),
            // What may not be looked at may well be it.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return,
            Err(_) => None,
        };
        let is_it = stat.is_some_and(|stat| match self.sockets.file(object.identity) {
            Some(inode) => stat.ino() as u32 == inode,
            None => identity(&stat) == object.identity || object.kind == Kind::UnixSocket,
        });
        if is_it {
            return;
        }
        let by_descriptor = object.holds.iter().find_map(|hold| match hold.by {
            By::Descriptor(fd) => Some(format!("/proc/{}/fd/{fd}", hold.pid)),
            _ => None,
        });
        let is_known = by_descriptor.is_some() && object.kind != Kind::UnixSocket;
        // Some file systems number a file otherwise where it is mapped, or bound to: who sees our mounts is believed.
        let is_believed = |pid: u32| self.namespaces.has_our_mounts(pid);
        let holders = object.holders();
        if !is_known && (holders.is_empty() || holders.into_iter().any(is_believed)) {
            return;
        }
        object.path = None;
        // Its name may have been taken away since it was found.
        let is_gone = by_descriptor.is_some_and(|way| fs::metadata(way).is_ok_and(|stat| stat.nlink() == 0));
        object.is_unlinked |= is_gone;
        object.is_path_elsewhere = !object.is_unlinked;
    }

    /// All that is for exchange, in order (rule 5).
    fn into_objects(mut self) -> Vec<Object> {
        let mut objects = mem::take(&mut self.objects);
        objects.retain(|object| object.kind != Kind::File || is_exchanged(object));
        let no_huge_pages = NoHugePages::read();
        for object in &mut objects {
            object.is_leased = self.locks.is_leased(object.identity);
            self.without_path_elsewhere(object);
            if no_huge_pages.has(object.kind) {
                object.huge_bytes = Some(0);
            }
        }
        objects.sort_by(|a, b| (a.kind, &a.name, a.identity).cmp(&(b.kind, &b.name, b.identity)));
        objects
    }
}

/// Whether somebody has a file in shared memory that another one can change, or has locked it, so that others wait.
fn is_exchanged(file: &Object) -> bool {
    if file.holds.iter().any(|hold| matches!(hold.by, By::Lock { .. })) {
        return true;
    }
    let is_mapped = file.holds.iter().any(|hold| matches!(hold.by, By::Mapping { .. }));
    is_mapped && file.holds.iter().any(|hold| hold.can_write) && file.holders().len() > 1
}

/// The file of a name that the kernel gives it.
fn file(target: &str, identity: Identity, stat: Option<&Metadata>) -> Object {
    let (name, is_deleted) = match target.strip_suffix(DELETED) {
        Some(name) => (name, true),
        None => (target, false),
    };
    let shm = name.strip_prefix(named::SHM).and_then(|name| name.strip_prefix('/'));
    let (kind, name) = match shm {
        _ if name == "/dev/zero" && is_deleted => (Kind::SharedAnonymous, number_of(identity)),
        Some(shm) => match shm.strip_prefix("sem.") {
            Some(name) => (Kind::PosixSemaphore, format!("/{name}")),
            None => (Kind::PosixShm, format!("/{shm}")),
        },
        None => match name.strip_prefix("/memfd:") {
            Some(label) => (Kind::Memfd, label.to_owned()),
            None => (Kind::File, name.to_owned()),
        },
    };
    let has_path = !is_deleted && matches!(kind, Kind::PosixShm | Kind::PosixSemaphore | Kind::File);
    let object = Object::new(kind, identity, name);
    let mut object = match stat {
        Some(stat) => unlinked(describe(object, has_path.then_some(Path::new(target)), stat), stat),
        None => Object { path: has_path.then(|| target.into()), is_unlinked: is_deleted, ..object },
    };
    // These never had one.
    object.is_unlinked &= !matches!(kind, Kind::Memfd | Kind::SharedAnonymous);
    object
}

fn unlinked(object: Object, stat: &Metadata) -> Object {
    let is_unlinked = stat.nlink() == 0;
    Object { is_unlinked, path: object.path.filter(|_| !is_unlinked), ..object }
}

/// See [eventfd(2)](https://man7.org/linux/man-pages/man2/eventfd.2.html); the number is there from Linux 5.2 on.
fn eventfd(path: &str) -> Option<Object> {
    let text = process::read_small(&File::open(path).ok()?)?;
    let text = String::from_utf8_lossy(&text);
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let id = field("eventfd-id:")?.parse().ok()?;
    let mut object = Object::new(Kind::Eventfd, Identity::Eventfd(id), id.to_string());
    if let Some(count) = field("eventfd-count:").and_then(|count| u64::from_str_radix(count, 16).ok()) {
        object.content = Content::Count(count);
    }
    Some(object)
}

/// `17` of `pipe:[17]`.
fn numbered(target: &str, prefix: &str) -> Option<u64> {
    target.strip_prefix(prefix)?.strip_suffix(']')?.parse().ok()
}

fn number_of(identity: Identity) -> String {
    match identity {
        Identity::File(_, inode) | Identity::Pipe(inode) | Identity::Socket(inode) | Identity::Eventfd(inode) => {
            inode.to_string()
        }
        Identity::SysvId(id) | Identity::SysvIdIn(_, id) => id.to_string(),
    }
}

/// A device's number as `stat(2)` has it.
fn makedev((major, minor): (u32, u32)) -> u64 {
    strait_sys::fstat::makedev(major, minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel calls things, and what they are.
    #[test]
    fn names_and_kinds() {
        let of = |target: &str| {
            let object = file(target, Identity::File(1, 7), None);
            (object.kind, object.name, object.path.is_some(), object.is_unlinked)
        };
        assert_eq!(of("/dev/shm/strait.feed"), (Kind::PosixShm, "/strait.feed".into(), true, false));
        assert_eq!(of("/dev/shm/feed (deleted)"), (Kind::PosixShm, "/feed".into(), false, true));
        assert_eq!(of("/dev/shm/sem.jobs"), (Kind::PosixSemaphore, "/jobs".into(), true, false));
        assert_eq!(of("/memfd:label (deleted)"), (Kind::Memfd, "label".into(), false, false));
        assert_eq!(of("/dev/zero (deleted)"), (Kind::SharedAnonymous, "7".into(), false, false));
        assert_eq!(of("/var/a b"), (Kind::File, "/var/a b".into(), true, false));
        assert_eq!((numbered("pipe:[17]", "pipe:["), numbered("pipe:[x]", "pipe:[")), (Some(17), None));
    }
}
