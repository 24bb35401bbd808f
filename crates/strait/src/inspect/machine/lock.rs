//! Locks on files, as [proc_locks(5)](https://man7.org/linux/man-pages/man5/proc_locks.5.html) lists them, and who holds them.
//!
//! The kernel's list tells no holder of an open-file-description lock, and a process that may be gone of the others. So it only tells which files
//! are locked at all; of those the descriptors are asked one by one, in `/proc/PID/fdinfo`, where a lock is shown to whoever shares it.

use super::{By, Identity};
use std::collections::HashMap;
use std::fmt;
use std::fs;
use strait_sys::fstat::makedev;

/// The byte of a region's file that is its door; the slots' leases are behind it (`docs/format.md`).
const DOOR: u64 = 1 << 40;

/// The kinds of lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LockKind {
    /// Of a process, on bytes (`fcntl(F_SETLK)`, `lockf`).
    Posix,
    /// Of an open file, on bytes (`F_OFD_SETLK`): strait's leases are such.
    OpenFile,
    /// Of an open file, on all of it (`flock`).
    Flock,
    /// That tells its holder when somebody opens the file (`F_SETLEASE`).
    Lease,
}

impl fmt::Display for LockKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Posix => "posix",
            Self::OpenFile => "ofd",
            Self::Flock => "flock",
            Self::Lease => "lease",
        })
    }
}

/// The files that are locked, and whether by a lease of strait's.
#[derive(Debug, Default)]
pub(super) struct Locks(HashMap<Identity, bool>);

impl Locks {
    /// `refused` is told where the list cannot be read.
    pub(super) fn read(refused: &mut Vec<String>) -> Self {
        match fs::read_to_string("/proc/locks") {
            Ok(text) => {
                let mut locked = HashMap::new();
                for (identity, by) in text.lines().filter_map(parsed) {
                    *locked.entry(identity).or_insert(false) |= matches!(by, By::Lock { lease_slot: Some(_), .. });
                }
                Self(locked)
            }
            Err(error) => {
                refused.push(format!("read /proc/locks: {error}"));
                Self::default()
            }
        }
    }

    /// Whether somebody, seen or not, holds a lease of strait's on it.
    pub(super) fn is_leased(&self, identity: Identity) -> bool {
        self.0.get(&identity).is_some_and(|&is_leased| is_leased)
    }

    /// What this descriptor of a process holds on the file behind it. A system call, and only where the file is locked more.
    pub(super) fn of(&self, identity: Identity, pid: u32, fd: u32) -> Vec<By> {
        if !self.0.contains_key(&identity) {
            return Vec::new();
        }
        // Closed meanwhile, as may be.
        let text = fs::read_to_string(format!("/proc/{pid}/fdinfo/{fd}")).unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.strip_prefix("lock:"));
        lines.filter_map(|line| Some(parsed(line)?.1)).collect()
    }
}

/// `3: OFDLCK ADVISORY  WRITE -1 00:1a:4711 1099511627777 1099511627777`; `None` of one that is waited for.
fn parsed(line: &str) -> Option<(Identity, By)> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let kind = match fields.next()? {
        "POSIX" => LockKind::Posix,
        "OFDLCK" => LockKind::OpenFile,
        "FLOCK" => LockKind::Flock,
        "LEASE" => LockKind::Lease,
        _ => return None,
    };
    let (_, access, _, file) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let start: u64 = fields.next()?.parse().ok()?;
    let last = fields.next()?.parse::<u64>().ok();
    let mut parts = file.split(':');
    let mut part = || u32::from_str_radix(parts.next()?, 16).ok();
    let device = makedev(part()?, part()?);
    let identity = Identity::File(device, parts.next()?.parse().ok()?);
    // Who stands in the door has one lock on it and on the slot behind it, if that is the first.
    let is_lease = kind == LockKind::OpenFile && start >= DOOR && last.is_some_and(|last| last > DOOR);
    let lease_slot = is_lease.then(|| u32::try_from(start.max(DOOR + 1) - DOOR - 1).ok()).flatten();
    let end = last.map(|last| last.saturating_add(1));
    Some((identity, By::Lock { kind, is_exclusive: access == "WRITE", start, end, lease_slot }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each kind, from the kernel's list and from a descriptor's; what is waited for is none yet.
    #[test]
    fn lines() {
        let of = |line: &str| match parsed(line) {
            Some((Identity::File(_, inode), By::Lock { kind, is_exclusive, start, end, lease_slot })) => {
                Some((inode, kind, is_exclusive, start, end, lease_slot))
            }
            _ => None,
        };
        let (lease, door) = (DOOR + 3, DOOR);
        assert_eq!(
            of(&format!("1: OFDLCK ADVISORY  WRITE -1 00:1a:4711 {lease} {lease}")),
            Some((4711, LockKind::OpenFile, true, lease, Some(lease + 1), Some(2)))
        );
        let in_door = of(&format!("\t1: OFDLCK  ADVISORY  WRITE -1 00:1a:5 {door} {}", door + 1));
        assert_eq!(in_door.map(|it| it.5), Some(Some(0)));
        assert_eq!(of(&format!("1: OFDLCK ADVISORY WRITE -1 0:1:5 {door} {door}")).map(|it| it.5), Some(None));
        assert_eq!(
            of("2: POSIX  ADVISORY  READ 17 fe:00:9 100 199"),
            Some((9, LockKind::Posix, false, 100, Some(200), None))
        );
        assert_eq!(
            of("3: FLOCK  ADVISORY  WRITE 19286 fe:00:7 0 EOF"),
            Some((7, LockKind::Flock, true, 0, None, None))
        );
        assert_eq!(of("4: LEASE  ACTIVE    WRITE 17 fe:00:7 0 EOF").map(|it| it.1), Some(LockKind::Lease));
        for other in ["2: -> POSIX  ADVISORY  WRITE 18 fe:00:9 100 199", "", "1:", "1: POSIX ADVISORY READ 1 x 0 EOF"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
