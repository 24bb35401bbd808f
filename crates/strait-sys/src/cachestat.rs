//! `cachestat(2)`, Linux 6.5: how much of a file is in memory, without mapping it and without bringing anything in.
//!
//! See [the kernel's documentation](https://docs.kernel.org/admin-guide/mm/index.html) and `mm/filemap.c`. Of a file of memory (tmpfs, a memfd)
//! what is swapped out counts as evicted, not as cached; of a `hugetlbfs` nothing is told.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// The same on every architecture that has the table of `asm-generic/unistd.h`, and on x86.
const SYS_CACHESTAT: libc::c_long = 451;

/// `struct cachestat_range` of linux/mman.h; a length of zero means to the end.
#[repr(C)]
struct Range {
    offset_bytes: u64,
    len_bytes: u64,
}

/// `struct cachestat` of linux/mman.h.
#[repr(C)]
#[derive(Default)]
struct Pages {
    cached: u64,
    dirty: u64,
    under_writeback: u64,
    evicted: u64,
    recently_evicted: u64,
}

/// How many bytes of a file are in memory, in whole pages. One system call, which walks the file's list of pages.
///
/// `Ok(None)`: the kernel does not say. It is older, or the file is of a `hugetlbfs` or of something else that has no such list.
///
/// # Errors
/// `EPERM`: from Linux 6.14 on, of a file that is not ours and that we may not write to. `ENOSYS` is none, nor is what a sandbox makes of it.
#[doc(alias = "cachestat")]
pub fn resident_bytes(fd: BorrowedFd<'_>) -> io::Result<Option<u64>> {
    let (range, mut pages) = (Range { offset_bytes: 0, len_bytes: 0 }, Pages::default());
    let flags: libc::c_uint = 0;
    // SAFETY: cachestat reads one `struct cachestat_range` and writes one `struct cachestat`, which these are, and both live across the call.
    // The descriptor is open (borrowed), and nothing behind it is changed.
    let done = unsafe { libc::syscall(SYS_CACHESTAT, fd.as_raw_fd(), &raw const range, &raw mut pages, flags) };
    if done == 0 {
        return Ok(Some(pages.cached.saturating_mul(rustix::param::page_size() as u64)));
    }
    let refused = io::Error::last_os_error();
    match refused.raw_os_error() {
        Some(libc::ENOSYS | libc::EOPNOTSUPP) => Ok(None),
        _ => Err(refused),
    }
}

#[cfg(test)]
mod tests {
    use super::resident_bytes;
    use std::fs::File;
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::FileExt as _;

    /// What was written is there, what was only made larger is not; a pipe has no pages.
    #[test]
    fn pages_that_were_touched() {
        let page = rustix::param::page_size() as u64;
        let fd = rustix::fs::memfd_create("strait-sys-cachestat", rustix::fs::MemfdFlags::CLOEXEC).expect("a memfd");
        let file = File::from(fd);
        file.set_len(100 * page).expect("larger");
        let Some(empty) = resident_bytes(file.as_fd()).expect("ours") else {
            return eprintln!("skipped: this kernel has no cachestat");
        };
        assert_eq!(empty, 0);
        for at in [0, 1, 50] {
            file.write_all_at(b"x", at * page).expect("room");
        }
        assert_eq!(resident_bytes(file.as_fd()).expect("ours"), Some(3 * page));
        let (reader, _writer) = std::io::pipe().expect("a pipe");
        assert!(!matches!(resident_bytes(reader.as_fd()), Ok(Some(1..))));
    }
}
