//! [memfd_create(2)](https://man7.org/linux/man-pages/man2/memfd_create.2.html): shared memory without a name.

use crate::mmap::HugePage;
use rustix::fs::MemfdFlags;
use rustix::io::Errno;
use std::io;
use std::os::fd::OwnedFd;

/// Creates an empty memory file that can be sealed and is closed on exec. `label` shows in `/proc/PID/fd`.
///
/// `NOEXEC_SEAL` is asked for and left out where the kernel (before 6.3) does not know it.
pub fn memfd_create(label: &str, huge: Option<HugePage>) -> io::Result<OwnedFd> {
    let mut flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match huge {
        Some(HugePage::TwoMiB) => flags |= MemfdFlags::HUGETLB | MemfdFlags::HUGE_2MB,
        Some(HugePage::OneGiB) => flags |= MemfdFlags::HUGETLB | MemfdFlags::HUGE_1GB,
        None => {}
    }
    match rustix::fs::memfd_create(label, flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => Ok(rustix::fs::memfd_create(label, flags)?),
        other => Ok(other?),
    }
}
