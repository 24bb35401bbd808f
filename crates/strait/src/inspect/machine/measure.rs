//! How much of an object is in memory, and how much of that in huge pages.
//!
//! | object | in memory | in huge pages |
//! |---|---|---|
//! | System V | the kernel lists it | none, or what `smaps` say as below |
//! | System V, of huge pages | its file's blocks, which root may ask for where it is attached | the same |
//! | `/dev/shm`, memfd, anonymous, mapped file | `cachestat`, of a descriptor opened for it | what its holders' `smaps` say, if asked for |
//! | hugetlbfs, `MFD_HUGETLB` | what is allocated | the same |
//!
//! 1. Where the machine has no huge page in use (`/proc/meminfo`), no object has any: that is known without a look at it.
//! 2. What is opened is opened to read, at once or not at all, and closed. Nothing is mapped or read, so no page comes in and no time changes.
//! 3. Two opens would be felt: one of a file whose holder has asked to be told (`F_SETLEASE`), and one by a process that has POSIX locks on it,
//!    which go when any descriptor of the file is closed. Neither is done, as far as the holder is seen: so little is not worth it. Who watches
//!    the file (inotify) sees that it is opened.

use super::{By, Identity, Kind, LockKind, Object};
use crate::inspect::memory;
use std::fs::{self, File};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use strait_sys::{cachestat, open, statfs};

impl Object {
    /// Fills in [`resident_bytes`](Self::resident_bytes) of memory that has a file behind it, and [`huge_bytes`](Self::huge_bytes) where it consists of
    /// huge pages. Some five system calls; for that time this process has it open. What may not be opened, and everything before
    /// Linux 6.5, stays `None`.
    ///
    /// ```
    /// use strait::inspect::machine::Machine;
    /// use strait::region::{Options, Place, Region};
    ///
    /// let name = format!("doc-measure-{}", std::process::id());
    /// let _region = Region::create(Place::memfd(name.as_str()), 8192, &Options::new())?;
    /// let mut machine = Machine::look()?;
    /// let ours = machine.objects.iter_mut().find(|it| it.name == name).expect("it is there");
    /// ours.measure();
    /// assert!(ours.resident_bytes.is_none_or(|bytes| bytes == 8192));
    /// # Ok::<(), strait::Error>(())
    /// ```
    #[doc(alias = "cachestat")]
    pub fn measure(&mut self) {
        let Some(file) = self.opened() else { return };
        if let Ok(Some(bytes)) = cachestat::resident_bytes(file.as_fd()) {
            self.resident_bytes = Some(bytes);
        } else if statfs::fstatfs(file.as_fd()).is_ok_and(|it| it.huge_page_bytes.is_some()) {
            let Ok(stat) = file.metadata() else { return };
            let bytes = stat.blocks().saturating_mul(512);
            (self.resident_bytes, self.huge_bytes) = (Some(bytes), Some(bytes));
        }
    }

    /// Fills in [`huge_bytes`](Self::huge_bytes) where it is not known, of memory that the kernel put into huge pages by itself: what the process has
    /// mapped so that has most of it mapped so. That is all of it, unless others have other parts. Reads `/proc/PID/smaps` of each holder:
    /// milliseconds for a large process, and the kernel goes through its pages meanwhile.
    #[doc(alias = "smaps")]
    pub fn measure_huge(&mut self) {
        if self.huge_bytes.is_some() {
            return;
        }
        let of = |pid: u32| {
            let starts = self.holds.iter().filter(|hold| hold.pid == pid).filter_map(|hold| match hold.by {
                By::Mapping { start, .. } => usize::try_from(start).ok(),
                _ => None,
            });
            starts
                .filter_map(|start| memory::pages(pid, start).ok())
                .map(|it| it.huge_bytes)
                .reduce(u64::saturating_add)
        };
        self.huge_bytes = self.holders().into_iter().filter_map(of).max();
    }

    /// Opened to be asked about, if that disturbs nobody (rules 2 and 3).
    fn opened(&self) -> Option<File> {
        let is_file = matches!(
            self.kind,
            Kind::PosixShm | Kind::PosixSemaphore | Kind::Memfd | Kind::SharedAnonymous | Kind::File
        );
        let me = std::process::id();
        let is_felt = self.holds.iter().any(|hold| match hold.by {
            By::Lock { kind: LockKind::Lease, .. } => true,
            By::Lock { kind: LockKind::Posix, .. } => hold.pid == me,
            _ => false,
        });
        if !is_file || is_felt {
            return None;
        }
        let through = self.holds.iter().filter_map(|hold| match hold.by {
            By::Descriptor(fd) => Some(format!("/proc/{}/fd/{fd}", hold.pid)),
            By::Mapping { start, end, .. } => Some(format!("/proc/{}/map_files/{start:x}-{end:x}", hold.pid)),
            By::Lock { .. } => None,
        });
        let path = self.path.iter().map(|path| path.to_string_lossy().into_owned());
        // Where the first holder's is refused, the others' are.
        let ways = through.take(2).chain(path);
        let is_it = |file: &File| {
            file.metadata().is_ok_and(|it| it.is_file() && self.identity == Identity::File(it.dev(), it.ino()))
        };
        // Looked at first: opening what is by now a FIFO or a device would be noticed.
        let is_there = |way: &String| fs::metadata(way).is_ok_and(|it| it.is_file());
        ways.filter(is_there).find_map(|way| open::to_look(way.as_ref()).ok().map(File::from).filter(is_it))
    }
}

/// The kinds of which no huge page is in use on this machine.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NoHugePages {
    /// Of memory without a disk behind it.
    of_memory: bool,
    of_files: bool,
}

impl NoHugePages {
    /// What the machine says. Reads one file.
    pub(super) fn read() -> Self {
        Self::of(&fs::read_to_string("/proc/meminfo").unwrap_or_default())
    }

    /// See [proc_meminfo(5)](https://man7.org/linux/man-pages/man5/proc_meminfo.5.html). A kernel without a line of them may have such pages.
    fn of(meminfo: &str) -> Self {
        let is_none = |name: &str| {
            let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.is_some_and(|line| line.trim() == "0 kB")
        };
        let has_no_pool = is_none("Hugetlb");
        Self { of_memory: has_no_pool && is_none("ShmemHugePages"), of_files: has_no_pool && is_none("FileHugePages") }
    }

    /// Whether an object of this kind has none.
    pub(super) fn has(self, kind: Kind) -> bool {
        match kind {
            Kind::PosixShm | Kind::PosixSemaphore | Kind::SysvShm | Kind::Memfd | Kind::SharedAnonymous => {
                self.of_memory
            }
            Kind::File => self.of_files && self.of_memory,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// None is known to be none only where every line says so.
    #[test]
    fn machines_without_huge_pages() {
        let of = |text: &str| {
            let it = NoHugePages::of(text);
            (it.has(Kind::Memfd), it.has(Kind::File), it.has(Kind::Pipe))
        };
        let none =
            "MemTotal: 7 kB\nShmemHugePages:        0 kB\nFileHugePages:     0 kB\nHugetlb:               0 kB\n";
        assert_eq!(of(none), (true, true, false));
        assert_eq!(of(&none.replace("FileHugePages:     0", "FileHugePages:     2048")), (true, false, false));
        assert_eq!(of(&none.replace("ShmemHugePages:        0", "ShmemHugePages:  2048")), (false, false, false));
        assert_eq!(of(&none.replace("Hugetlb", "Other")), (false, false, false));
        assert_eq!(of(""), (false, false, false));
    }
}
