//! Pipes: bytes from one process to another that is related to it.
//!
//! ```text
//!   writer --> | 64 KiB in the kernel | --> reader
//! ```
//!
//! | when | then |
//! |---|---|
//! | all writers are gone | the reader receives the rest, then `Disconnected` |
//! | all readers are gone | the writer is told `Disconnected`, and no signal is raised |
//! | a copy of the writing end is left open in some child | the reader waits for ever: hand ends over explicitly |
//!
//! That no signal is raised costs something in a process that does not ignore `SIGPIPE`, as Rust's programs do from their start. Which it
//! is is asked when the sending end is made: who ignores it then, and stops to do so, may be sent one.
//!
//! See [pipe(7)](https://man7.org/linux/man-pages/man7/pipe.7.html).

use crate::error::{Error, Result};
use crate::transport::packet::{PacketReceiver, PacketSender};
use crate::transport::stream::{Bytes, StreamReceiver, StreamSender};
use crate::transport::{Mechanism, Options};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use strait_sys::pipe;

/// A pipe with messages on it. Three or four system calls.
///
/// # Errors
/// `Kernel`: too many descriptors. `Permission`: a capacity beyond `/proc/sys/fs/pipe-max-size`.
pub fn pair(options: &Options) -> Result<(StreamSender, StreamReceiver)> {
    let (writer, reader) = ends(options)?;
    Ok((sender_from_fd(writer, options), receiver_from_fd(reader, options)))
}

/// The descriptors of a pipe, the end to write to first.
pub(crate) fn ends(options: &Options) -> Result<(OwnedFd, OwnedFd)> {
    made(pipe::pipe(), options)
}

/// The descriptors of a pipe in packet mode, the end to write to first.
pub(crate) fn packet_ends(options: &Options) -> Result<(OwnedFd, OwnedFd)> {
    made(pipe::packet_pipe(), options)
}

fn made(made: io::Result<(OwnedFd, OwnedFd)>, options: &Options) -> Result<(OwnedFd, OwnedFd)> {
    let refused = |e| Error::kernel("make", "a pipe", e, "raise the limit on open files (ulimit -n)");
    let (reader, writer) = made.map_err(refused)?;
    set_capacity(&writer, options)?;
    Ok((writer, reader))
}

/// The sending end on a descriptor that was inherited or received; the other end must be ours too.
#[must_use]
pub fn sender_from_fd(fd: OwnedFd, options: &Options) -> StreamSender {
    StreamSender::new(Bytes::Pipe(fd), Mechanism::Pipe, options)
}

/// The receiving end on a descriptor that was inherited or received; the other end must be ours too.
#[must_use]
pub fn receiver_from_fd(fd: OwnedFd, options: &Options) -> StreamReceiver {
    StreamReceiver::new(Bytes::Pipe(fd), Mechanism::Pipe, options)
}

/// A pipe in packet mode: each message, of up to 4,096 bytes, is a packet. Three or four system calls.
///
/// # Errors
/// As [`pair`].
#[doc(alias = "O_DIRECT")]
pub fn packet_pair(options: &Options) -> Result<(PacketSender, PacketReceiver)> {
    let (writer, reader) = packet_ends(options)?;
    Ok((packet_sender_from_fd(writer, options), packet_receiver_from_fd(reader, options)))
}

/// The sending end of a pipe in packet mode, on a descriptor that was inherited or received.
#[must_use]
pub fn packet_sender_from_fd(fd: OwnedFd, options: &Options) -> PacketSender {
    PacketSender::new(Arc::new(fd), Mechanism::PacketPipe, options)
}

/// The receiving end of a pipe in packet mode, on a descriptor that was inherited or received.
#[must_use]
pub fn packet_receiver_from_fd(fd: OwnedFd, options: &Options) -> PacketReceiver {
    PacketReceiver::new(Arc::new(fd), Mechanism::PacketPipe, options)
}

pub(super) fn set_capacity(pipe: &OwnedFd, options: &Options) -> Result<()> {
    let Some(bytes) = options.capacity_bytes else { return Ok(()) };
    let set = pipe::set_capacity_bytes(pipe.as_fd(), bytes);
    set.map(drop).map_err(|e| Error::kernel("enlarge", "a pipe", e, "raise /proc/sys/fs/pipe-max-size"))
}
