//! [sendmsg(2)](https://man7.org/linux/man-pages/man2/sendmsg.2.html), [recvmsg(2)](https://man7.org/linux/man-pages/man2/recvmsg.2.html),
//! [unix(7)](https://man7.org/linux/man-pages/man7/unix.7.html): descriptors that travel over a Unix socket.
#![allow(unsafe_code)]

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};

/// What came with one call.
#[derive(Debug)]
pub struct Received {
    /// Bytes received; 0: the other side has closed.
    pub len_bytes: usize,
    /// The descriptors that came with them, closed on exec.
    pub fds: Vec<OwnedFd>,
    /// Whether more came than there was room for, in the call or in this process's table of descriptors (`MSG_CTRUNC`).
    pub is_truncated: bool,
}

/// Who is on the other side of a socket (`SO_PEERCRED`): as of when it connected, listened or made the pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Process id, in this process's pid namespace; 0 for one that is not in it.
    pub pid: u32,
    /// Effective user id.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
}

/// Sends bytes, of which the first carries a descriptor; says how many were sent. Never raises `SIGPIPE`.
#[doc(alias = "SCM_RIGHTS")]
pub fn send_with_fd(socket: BorrowedFd<'_>, bytes: &[u8], fd: BorrowedFd<'_>) -> io::Result<usize> {
    let fds = [fd];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    // The space was made for one.
    let fits = control.push(SendAncillaryMessage::ScmRights(&fds));
    debug_assert!(fits, "room for one descriptor");
    loop {
        match rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => {}
            done => return Ok(done?),
        }
    }
}

/// Sends bytes; says how many were sent. Never raises `SIGPIPE`.
#[doc(alias = "MSG_NOSIGNAL")]
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match rustix::net::send(socket, bytes, SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => {}
            done => return Ok(done?),
        }
    }
}

/// Receives bytes and the descriptor that came with the first of them, if any.
#[doc(alias = "MSG_CMSG_CLOEXEC")]
pub fn receive_with_fd(socket: BorrowedFd<'_>, into: &mut [u8]) -> io::Result<Received> {
    // Rounded up by the kernel's rules, it can hold two; one who sends more than that is truncated.
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = loop {
        match rustix::net::recvmsg(socket, &mut [IoSliceMut::new(into)], &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            done => break done?,
        }
    };
    let mut fds = Vec::new();
    for piece in control.drain() {
        if let RecvAncillaryMessage::ScmRights(some) = piece {
            fds.extend(some);
        }
    }
    Ok(Received { len_bytes: message.bytes, fds, is_truncated: message.flags.contains(ReturnFlags::CTRUNC) })
}

/// Who is on the other side of a connected socket.
///
/// Not by rustix: its pid is never 0, and the kernel's is where the peer is in a pid namespace that this process does not see.
#[doc(alias = "SO_PEERCRED")]
pub fn peer_credentials(socket: BorrowedFd<'_>) -> io::Result<Credentials> {
    let mut who = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the descriptor is open (borrowed); `who` has room for `len` bytes, and any bytes are a `ucred`.
    let result = unsafe {
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERCRED, (&raw mut who).cast(), &raw mut len)
    };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(Credentials { pid: who.pid.unsigned_abs(), uid: who.uid, gid: who.gid })
}
