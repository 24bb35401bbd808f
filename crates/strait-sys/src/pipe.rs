//! `pipe(2)`.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::pipe::PipeFlags;

/// A pipe: the end to read from and the end to write to, both close-on-exec.
///
/// # Errors
///
/// `EMFILE`, `ENFILE`. References: <https://man7.org/linux/man-pages/man2/pipe.2.html>.
#[doc(alias = "pipe2")]
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?)
}

/// A pipe in packet mode: each write of up to `PIPE_BUF` bytes is a packet, and each read takes one.
///
/// # Errors
///
/// `EMFILE`, `ENFILE`. References: <https://man7.org/linux/man-pages/man2/pipe.2.html>.
#[doc(alias = "O_DIRECT")]
pub fn packet_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::DIRECT)?)
}

/// How many bytes a pipe holds (`F_GETPIPE_SZ`).
pub fn capacity_bytes(pipe: BorrowedFd<'_>) -> io::Result<usize> {
    Ok(rustix::pipe::fcntl_getpipe_size(pipe)?)
}

/// Asks for a pipe of so many bytes at least, and says how many it holds then (`F_SETPIPE_SZ`).
///
/// # Errors
///
/// `EPERM`: beyond `/proc/sys/fs/pipe-max-size`.
pub fn set_capacity_bytes(pipe: BorrowedFd<'_>, bytes: usize) -> io::Result<usize> {
    Ok(rustix::pipe::fcntl_setpipe_size(pipe, bytes)?)
}
