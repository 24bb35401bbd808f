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
//! See [pipe(7)](https://man7.org/linux/man-pages/man7/pipe.7.html).

use crate::error::{Error, Result};
use crate::transport::packet::{PacketReceiver, PacketSender};
use crate::transport::stream::{Bytes, StreamReceiver, StreamSender};
use crate::transport::{Mechanism, Options};
use std::os::fd::OwnedFd;
use strait_sys::{mkfifo, pipe};

/// A pipe with messages on it. Two or three system calls.
///
/// # Errors
/// `Kernel`: too many descriptors. `Permission`: a capacity beyond `/proc/sys/fs/pipe-max-size`.
pub fn pair(options: &Options) -> Result<(StreamSender, StreamReceiver)> {
    let (reader, writer) = pipe::pipe().map_err(|e| Error::kernel("make", "a pipe", e, "close descriptors"))?;
    set_capacity(&writer, options)?;
    Ok((sender_from_fd(writer, options), receiver_from_fd(reader, options)))
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

/// A pipe in packet mode: each message, of up to 4,096 bytes, is a packet. Two or three system calls.
///
/// # Errors
/// As [`pair`].
#[doc(alias = "O_DIRECT")]
pub fn packet_pair(options: &Options) -> Result<(PacketSender, PacketReceiver)> {
    let (reader, writer) = pipe::packet_pipe().map_err(|e| Error::kernel("make", "a pipe", e, "close descriptors"))?;
    set_capacity(&writer, options)?;
    let mechanism = Mechanism::PacketPipe;
    Ok((PacketSender::new(writer, mechanism, options), PacketReceiver::new(reader, mechanism, options)))
}

pub(super) fn set_capacity(pipe: &OwnedFd, options: &Options) -> Result<()> {
    let Some(bytes) = options.capacity_bytes else { return Ok(()) };
    let set = mkfifo::set_capacity_bytes(pipe, bytes);
    set.map(drop).map_err(|e| Error::kernel("enlarge", "a pipe", e, "raise /proc/sys/fs/pipe-max-size"))
}
