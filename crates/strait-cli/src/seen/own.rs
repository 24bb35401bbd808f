//! Strait's own objects among all that there is.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use strait::discovery::{self, Status};
use strait::inspect::machine::{By, Kind, Object};

/// What the kernel has before the names of strait's objects.
const PREFIX: &str = "/strait.";
/// What each of strait's regions begins with (`docs/format.md`).
const MAGIC: &[u8; 6] = b"strait";

/// Those that have a name, as discovery sees them.
pub(super) fn named() -> HashMap<String, Status> {
    // Where the directory cannot be read, the machine says so.
    let all = discovery::list("*").unwrap_or_default();
    all.into_iter().map(|found| (found.name, found.status)).collect()
}

/// The name by which programs open it, of one in strait's namespace.
pub(super) fn short_name(object: &Object) -> Option<&str> {
    object.name.strip_prefix(PREFIX).filter(|_| object.kind == Kind::PosixShm)
}

/// What strait knows of an object; `None` for those of others.
pub(super) fn status_of(object: &Object, named: &HashMap<String, Status>) -> Option<Status> {
    match (object.kind, short_name(object)) {
        (Kind::PosixShm, Some(name)) if !object.is_unlinked && !object.is_path_elsewhere => named.get(name).cloned(),
        (Kind::PosixShm, Some(_)) | (Kind::Memfd | Kind::File, _) => behind_descriptor(object),
        _ => None,
    }
}

/// Looks through a descriptor that a process has of it, as what it opens: this makes one of ours, and leaves that one alone.
fn behind_descriptor(object: &Object) -> Option<Status> {
    let open = object.holds.iter().find_map(|hold| {
        let By::Descriptor(fd) = hold.by else { return None };
        File::open(format!("/proc/{}/fd/{fd}", hold.pid)).ok()
    })?;
    let mut begin = [0; MAGIC.len()];
    open.read_exact_at(&mut begin, 0).ok()?;
    (&begin == MAGIC).then(|| discovery::look_at_fd(OwnedFd::from(open)))
}
