//! [statfs(2)](https://man7.org/linux/man-pages/man2/statfs.2.html): how large a file system is, how full, and of what kind.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

/// What matters of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSystem {
    /// Its size in bytes.
    pub total_bytes: u64,
    /// What an unprivileged user can still write, in bytes.
    pub free_bytes: u64,
    /// Whether another machine may hold the bytes (NFS, SMB, 9P, Ceph, AFS, FUSE): mappings of two machines do not meet there.
    pub is_network: bool,
    /// Whether its files are POSIX message queues.
    pub is_message_queues: bool,
    /// For a `hugetlbfs`, whose files come in huge pages: how large those are.
    pub huge_page_bytes: Option<u64>,
}

/// The magic numbers of network file systems, from statfs(2) and linux/magic.h.
const NETWORK: [u64; 8] =
    [0x6969, 0xFF53_4D42, 0xFE53_4D42, 0x517B, 0x0102_1997, 0x00C3_6400, 0x5346_414F, 0x6573_5546];
const HUGETLBFS: u64 = 0x9584_58F6;
const MQUEUE: u64 = 0x1980_0202;

/// Describes the file system that `path` lies on. One system call.
pub fn statfs(path: &Path) -> io::Result<FileSystem> {
    Ok(convert(&rustix::fs::statfs(path)?))
}

/// Describes the file system that an open file lies on. One system call.
pub fn fstatfs(fd: BorrowedFd<'_>) -> io::Result<FileSystem> {
    Ok(convert(&rustix::fs::fstatfs(fd)?))
}

fn convert(stat: &rustix::fs::StatFs) -> FileSystem {
    let block_bytes = u64::try_from(stat.f_bsize).unwrap_or(0);
    // The field's sign differs between architectures; the magic numbers are 32 bits wide.
    let magic = (stat.f_type as u64) & 0xFFFF_FFFF;
    FileSystem {
        total_bytes: stat.f_blocks.saturating_mul(block_bytes),
        free_bytes: stat.f_bavail.saturating_mul(block_bytes),
        is_network: NETWORK.contains(&magic),
        is_message_queues: magic == MQUEUE,
        huge_page_bytes: (magic == HUGETLBFS).then_some(block_bytes),
    }
}
