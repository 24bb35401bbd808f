//! System V objects, as [sysvipc(7)](https://man7.org/linux/man-pages/man7/sysvipc.7.html) lists them in `/proc/sysvipc`: those of this process's
//! IPC namespace, whoever owns them.

use super::{Content, Identity, Kind, Object};
use std::collections::HashMap;
use std::fs;
use std::time::{Duration, SystemTime};

/// A segment of huge pages is rounded up to those.
const HUGE_PAGE_BYTES: u64 = 2 << 20;

/// All of them, which are in this IPC namespace; `refused` is told of a list that cannot be read.
pub(super) fn all(ipc_namespace: Option<u64>, refused: &mut Vec<String>) -> Vec<Object> {
    let mut found = Vec::new();
    for (file, kind) in [("shm", Kind::SysvShm), ("sem", Kind::SysvSemaphores), ("msg", Kind::SysvMsg)] {
        let path = format!("/proc/sysvipc/{file}");
        match fs::read_to_string(&path) {
            Ok(text) => found.extend(rows(&text).filter_map(|row| object(kind, &row))),
            Err(error) => refused.push(format!("read {path}: {error}")),
        }
    }
    for object in &mut found {
        object.ipc_namespace = ipc_namespace;
    }
    found
}

/// The name of one of this key and id: programs know those of the key 0, `IPC_PRIVATE`, by their id only.
pub(super) fn name_of(key: u32, id: i32) -> String {
    if key == 0 { format!("id {id}") } else { format!("{key:#010x}") }
}

/// A line, by the names in the first one: later kernels have more of them.
type Row<'a> = HashMap<&'a str, &'a str>;

fn rows(text: &str) -> impl Iterator<Item = Row<'_>> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split_ascii_whitespace().collect();
    lines.map(move |line| names.iter().copied().zip(line.split_ascii_whitespace()).collect())
}

fn object(kind: Kind, row: &Row<'_>) -> Option<Object> {
    let number = |name: &str| row.get(name)?.parse::<u64>().ok();
    let time = |name: &str| number(name).filter(|&s| s != 0).map(|s| SystemTime::UNIX_EPOCH + Duration::from_secs(s));
    let id_name = match kind {
        Kind::SysvShm => "shmid",
        Kind::SysvSemaphores => "semid",
        _ => "msqid",
    };
    let id = row.get(id_name)?.parse().ok()?;
    // Printed as a signed number.
    let key: i32 = row.get("key")?.parse().ok()?;
    let mut object = Object::new(kind, Identity::SysvId(id), name_of(key as u32, id));
    object.uid = number("uid").and_then(|uid| u32::try_from(uid).ok());
    let mode = row.get("perms").and_then(|perms| u32::from_str_radix(perms, 8).ok());
    // 01000, SHM_DEST: it was removed, and goes with its last user.
    object.is_unlinked = kind == Kind::SysvShm && mode.is_some_and(|mode| mode & 0o1000 != 0);
    object.mode = mode.map(|mode| mode & 0o777);
    object.changed = time("ctime");
    match kind {
        Kind::SysvShm => {
            object.size_bytes = number("size");
            object.swapped_bytes = number("swap");
            // From Linux 6.7 on the kernel counts huge pages that many times that they are larger: what cannot be is not said.
            let is_possible =
                |rss: &u64| number("size").is_some_and(|size| *rss <= size.next_multiple_of(HUGE_PAGE_BYTES));
            object.resident_bytes = number("rss").filter(is_possible);
            object.allocated_bytes = object.resident_bytes.map(|rss| rss + object.swapped_bytes.unwrap_or(0));
            object.used = time("atime").max(time("dtime"));
            object.creator_pid = number("cpid").and_then(|pid| u32::try_from(pid).ok());
            object.attach_count = number("nattch");
        }
        Kind::SysvSemaphores => {
            object.content = Content::Semaphores(number("nsems")?);
            object.used = time("otime");
        }
        _ => {
            object.content = Content::Messages { count: number("qnum"), bytes: number("cbytes")? };
            object.used = time("stime").max(time("rtime"));
        }
    }
    Some(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns are found by their names; what is removed and still attached is known by its mode.
    #[test]
    fn lines_of_shm() {
        let text = "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n\
                    1392508929          3  1600                  8192   801   803      2  1000  1000  1000  1000 1700000009          0 1700000000                  4096                  4096\n";
        let found = object(Kind::SysvShm, &rows(text).next().expect("a line")).expect("whole");
        assert_eq!((found.name.as_str(), found.identity, found.mode), ("0x53000001", Identity::SysvId(3), Some(0o600)));
        assert_eq!(
            (found.size_bytes, found.allocated_bytes, found.swapped_bytes, found.resident_bytes),
            (Some(8192), Some(8192), Some(4096), Some(4096))
        );
        assert!(found.is_unlinked && found.creator_pid == Some(801) && found.attach_count == Some(2));
        assert!(found.used > found.changed);
    }

    /// More than there can be of it in memory is no number to go by.
    #[test]
    fn lines_of_huge_pages() {
        let of = |rss: u64| {
            let text = format!("key shmid size rss swap\n0 3 5000 {rss} 0\n");
            let found = object(Kind::SysvShm, &rows(&text).next().expect("a line")).expect("whole");
            (found.resident_bytes, found.allocated_bytes)
        };
        assert_eq!(of(2 << 20), (Some(2 << 20), Some(2 << 20)));
        assert_eq!(of(1 << 30), (None, None));
    }

    /// A line that is cut, or of another world, is passed by.
    #[test]
    fn lines_of_nonsense() {
        for text in ["", "key shmid\n", "key shmid\n5\n", "key shmid\nx y\n", "a b\n1 2\n"] {
            assert!(rows(text).all(|row| object(Kind::SysvShm, &row).is_none()), "{text:?}");
        }
    }
}
