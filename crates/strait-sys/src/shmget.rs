//! [shmget(2)](https://man7.org/linux/man-pages/man2/shmget.2.html), [shmop(2)](https://man7.org/linux/man-pages/man2/shmop.2.html),
//! [shmctl(2)](https://man7.org/linux/man-pages/man2/shmctl.2.html), [ftok(3)](https://man7.org/linux/man-pages/man3/ftok.3.html): System V shared memory.
#![allow(unsafe_code)]

use crate::mmap::{Access, HugePage};
use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::ptr::NonNull;

/// How [`shmget`] treats a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Create {
    /// The segment must exist.
    No,
    /// Make it if it is missing (`IPC_CREAT`).
    IfMissing,
    /// It must not exist (`IPC_CREAT | IPC_EXCL`).
    New,
}

/// What the kernel keeps about a segment (`IPC_STAT`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentStat {
    /// Its key; zero for a private one and for one that is marked for removal.
    pub key: i32,
    /// Size in bytes, as it was asked for.
    pub len_bytes: u64,
    /// Owner.
    pub uid: u32,
    /// Permission bits.
    pub mode: u32,
    /// How many times it is attached now, in all processes.
    pub attached: u64,
    /// Who made it.
    pub creator_pid: u32,
    /// Whether it goes away with the last detach (`SHM_DEST`).
    pub is_removed: bool,
}

/// The key that asks for a new segment each time (`IPC_PRIVATE`).
pub const PRIVATE: i32 = libc::IPC_PRIVATE;

/// Finds or makes the segment of `key` and returns its id. One system call.
pub fn shmget(key: i32, len: usize, create: Create, mode: u32, huge: Option<HugePage>) -> io::Result<i32> {
    let mut flags = (mode & 0o777) as libc::c_int;
    flags |= match create {
        Create::No => 0,
        Create::IfMissing => libc::IPC_CREAT,
        Create::New => libc::IPC_CREAT | libc::IPC_EXCL,
    };
    if let Some(size) = huge {
        // The page size goes into bits 26 to 31 as its binary logarithm (linux/shm.h).
        flags |= libc::SHM_HUGETLB | (size.bytes().trailing_zeros() as libc::c_int) << 26;
    }
    // SAFETY: plain numbers, no pointer.
    match unsafe { libc::shmget(key, len, flags) } {
        -1 => Err(io::Error::last_os_error()),
        id => Ok(id),
    }
}

/// Maps a whole segment at an address that the kernel chooses. One system call.
pub fn shmat(id: i32, access: Access) -> io::Result<NonNull<u8>> {
    let flags = match access {
        Access::ReadOnly => libc::SHM_RDONLY,
        Access::ReadWrite => 0,
    };
    // SAFETY: a null address without SHM_REMAP lets the kernel choose a free range.
    let start = unsafe { libc::shmat(id, std::ptr::null(), flags) };
    if start.addr() == usize::MAX {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(start.cast()).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))
}

/// Unmaps a segment.
///
/// # Safety
/// `start` came from [`shmat`], and nothing refers to the segment's bytes any more.
pub unsafe fn shmdt(start: NonNull<u8>) -> io::Result<()> {
    // SAFETY: the caller's promise is this call's requirement.
    match unsafe { libc::shmdt(start.as_ptr().cast()) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Describes a segment. One system call; needs read permission.
#[doc(alias = "shmctl")]
pub fn stat(id: i32) -> io::Result<SegmentStat> {
    // SAFETY: `shmid_ds` is a C struct of integers, for which all zeroes is a value.
    let mut raw: libc::shmid_ds = unsafe { std::mem::zeroed() };
    // SAFETY: IPC_STAT writes one `shmid_ds` to the pointer, which is valid for that.
    if unsafe { libc::shmctl(id, libc::IPC_STAT, &raw mut raw) } == -1 {
        return Err(io::Error::last_os_error());
    }
    let mode = u32::from(raw.shm_perm.mode);
    Ok(SegmentStat {
        key: raw.shm_perm.__key,
        len_bytes: raw.shm_segsz as u64,
        uid: raw.shm_perm.uid,
        mode: mode & 0o777,
        attached: raw.shm_nattch,
        creator_pid: u32::try_from(raw.shm_cpid).unwrap_or(0),
        // SHM_DEST of linux/shm.h.
        is_removed: mode & 0o1000 != 0,
    })
}

/// Marks a segment for removal: its key is free at once, its memory with the last detach. One system call.
#[doc(alias = "IPC_RMID")]
pub fn remove(id: i32) -> io::Result<()> {
    // SAFETY: IPC_RMID ignores the pointer.
    match unsafe { libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// The key that C programs derive from a path and a project number (its lower eight bits, not zero).
///
/// Two paths may share a key: check what you find behind it.
pub fn ftok(path: &Path, project: u8) -> io::Result<i32> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    // SAFETY: the pointer is a NUL-terminated string that lives across the call.
    match unsafe { libc::ftok(path.as_ptr(), libc::c_int::from(project)) } {
        -1 => Err(io::Error::last_os_error()),
        key => Ok(key),
    }
}
