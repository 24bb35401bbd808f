//! [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html): make bytes of a file, or fresh ones, part of the address space.
//!
//! Making a mapping is safe, for the kernel chooses an address where nothing is. Unmapping is not, and is left to the one owner
//! of mappings, `strait-mem`.
#![allow(unsafe_code)]

use rustix::mm::{self, Advice, MapFlags, ProtFlags};
use std::io;
use std::os::fd::BorrowedFd;
use std::ptr::{self, NonNull};

/// The sizes of huge page that x86-64 and aarch64 share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HugePage {
    /// 2 MiB.
    TwoMiB,
    /// 1 GiB.
    OneGiB,
}

impl HugePage {
    /// The size in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        match self {
            Self::TwoMiB => 2 << 20,
            Self::OneGiB => 1 << 30,
        }
    }
}

/// Whether a mapping may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// `PROT_READ`: a store is a fault.
    ReadOnly,
    /// `PROT_READ | PROT_WRITE`.
    ReadWrite,
}

/// Maps the first `len` bytes of `fd`, shared. `populate` sets up every page now instead of at its first touch.
pub fn shared(fd: BorrowedFd<'_>, len: usize, access: Access, populate: bool) -> io::Result<NonNull<u8>> {
    let mut flags = MapFlags::SHARED;
    if populate {
        flags |= MapFlags::POPULATE;
    }
    // SAFETY: a null hint without MAP_FIXED lets the kernel choose a free range, so no existing memory is affected.
    let start = unsafe { mm::mmap(ptr::null_mut(), len, protection(access), flags, fd, 0) }?;
    non_null(start)
}

/// Maps `len` fresh zero bytes that forked children share (`MAP_SHARED | MAP_ANONYMOUS`).
pub fn anonymous(len: usize, huge: Option<HugePage>, populate: bool) -> io::Result<NonNull<u8>> {
    let mut flags = MapFlags::SHARED;
    match huge {
        Some(HugePage::TwoMiB) => flags |= MapFlags::HUGETLB | MapFlags::HUGE_2MB,
        Some(HugePage::OneGiB) => flags |= MapFlags::HUGETLB | MapFlags::HUGE_1GB,
        None => {}
    }
    if populate {
        flags |= MapFlags::POPULATE;
    }
    // SAFETY: as in `shared`.
    let start = unsafe { mm::mmap_anonymous(ptr::null_mut(), len, protection(Access::ReadWrite), flags) }?;
    non_null(start)
}

/// Maps `len` private zero bytes that a forked child finds zeroed again (`MADV_WIPEONFORK`).
pub fn private_wiped_on_fork(len: usize) -> io::Result<NonNull<u8>> {
    // SAFETY: as in `shared`.
    let start = unsafe { mm::mmap_anonymous(ptr::null_mut(), len, protection(Access::ReadWrite), MapFlags::PRIVATE) }?;
    // SAFETY: the range is the mapping made one line above, which nobody else knows yet.
    unsafe { mm::madvise(start, len, Advice::LinuxWipeOnFork) }?;
    non_null(start)
}

/// Unmaps a range (`munmap(2)`).
///
/// # Safety
/// `start` and `len` are those of a mapping made here, and nothing refers to it any more.
pub unsafe fn unmap(start: NonNull<u8>, len: usize) -> io::Result<()> {
    // SAFETY: the caller's promise is this call's requirement.
    Ok(unsafe { mm::munmap(start.as_ptr().cast(), len) }?)
}

/// Maps shared pages a second time, at another address, with the rights that they have now (`mremap(2)` from a size of zero).
///
/// # Safety
/// The range is mapped, shared, and begins and ends on pages.
pub unsafe fn again(start: NonNull<u8>, len: usize) -> io::Result<NonNull<u8>> {
    // SAFETY: the caller promises a shared mapping; from a size of zero it is left as it is, and the kernel chooses where the second one is.
    non_null(unsafe { mm::mremap(start.as_ptr().cast(), 0, len, mm::MremapFlags::MAYMOVE) }?)
}

/// Makes pages of a mapping read-only (`mprotect(2)`): a store there is a fault from now on.
///
/// # Safety
/// The range is mapped, begins and ends on pages, and nobody of this process stores there any more.
pub unsafe fn protect(start: NonNull<u8>, len: usize) -> io::Result<()> {
    // SAFETY: the caller promises a mapped range of whole pages that nobody will store to.
    Ok(unsafe { mm::mprotect(start.as_ptr().cast(), len, mm::MprotectFlags::READ) }?)
}

/// Keeps the pages of a mapping in memory (`mlock(2)`).
///
/// # Safety
/// The range is mapped.
pub unsafe fn lock(start: NonNull<u8>, len: usize) -> io::Result<()> {
    // SAFETY: the caller promises that the range is mapped; locking changes no byte of it.
    Ok(unsafe { mm::mlock(start.as_ptr().cast(), len) }?)
}

/// Writes changed pages of a file mapping to its file and waits for the disk (`msync(2)`, `MS_SYNC`).
///
/// # Safety
/// The range is mapped and `start` lies on a page boundary.
pub unsafe fn sync(start: NonNull<u8>, len: usize) -> io::Result<()> {
    // SAFETY: the caller promises a mapped range; writing it back changes no byte of it.
    Ok(unsafe { mm::msync(start.as_ptr().cast(), len, mm::MsyncFlags::SYNC) }?)
}

fn protection(access: Access) -> ProtFlags {
    match access {
        Access::ReadOnly => ProtFlags::READ,
        Access::ReadWrite => ProtFlags::READ | ProtFlags::WRITE,
    }
}

fn non_null(start: *mut core::ffi::c_void) -> io::Result<NonNull<u8>> {
    // The kernel never maps page zero for a null hint; should it ever, the answer is an error and not a null mapping.
    NonNull::new(start.cast()).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))
}
