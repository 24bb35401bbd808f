//! [fstat(2)](https://man7.org/linux/man-pages/man2/stat.2.html): what a file is.

use rustix::fs::{AtFlags, CWD, FileType, Stat};
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

/// What matters of a file: its identity, its size and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStat {
    /// Device and inode: two names with the same pair are one file.
    pub identity: (u64, u64),
    /// What kind of object it is.
    pub kind: Kind,
    /// Size in bytes.
    pub len_bytes: u64,
    /// Owner.
    pub uid: u32,
    /// Permission bits, the lower twelve of the mode.
    pub mode: u32,
    /// How many names it has; zero when the last was removed.
    pub links: u64,
    /// Bytes of memory or disk set aside for it.
    pub allocated_bytes: u64,
}

/// The kinds of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file, a POSIX shared memory object or a memfd.
    Regular,
    /// A directory.
    Directory,
    /// A FIFO or a pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A symbolic link.
    SymbolicLink,
    /// A block or character device.
    Device,
    /// Anything else, an eventfd for instance.
    Other,
}

/// Describes the file behind a descriptor. One system call.
pub fn fstat(fd: BorrowedFd<'_>) -> io::Result<FileStat> {
    Ok(convert(&rustix::fs::fstat(fd)?))
}

/// Describes the file of that name itself, a symbolic link too. One system call.
#[doc(alias = "fstatat")]
pub fn lstat(path: &Path) -> io::Result<FileStat> {
    Ok(convert(&rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)?))
}

/// The number of a device, as [`FileStat::identity`] has it (`makedev(3)`).
#[must_use]
pub fn makedev(major: u32, minor: u32) -> u64 {
    rustix::fs::makedev(major, minor)
}

/// The user this process acts as (`geteuid(2)`).
#[must_use]
pub fn effective_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn convert(stat: &Stat) -> FileStat {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Kind::Regular,
        FileType::Directory => Kind::Directory,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        FileType::Symlink => Kind::SymbolicLink,
        FileType::BlockDevice | FileType::CharacterDevice => Kind::Device,
        _ => Kind::Other,
    };
    FileStat {
        identity: (stat.st_dev, stat.st_ino),
        kind,
        len_bytes: u64::try_from(stat.st_size).unwrap_or(0),
        uid: stat.st_uid,
        mode: stat.st_mode & 0o7777,
        #[allow(clippy::useless_conversion, reason = "the field is narrower on some architectures")]
        links: u64::from(stat.st_nlink),
        allocated_bytes: u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512),
    }
}
