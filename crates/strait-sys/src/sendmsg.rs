//! [sendmsg(2)](https://man7.org/linux/man-pages/man2/sendmsg.2.html), [recvmsg(2)](https://man7.org/linux/man-pages/man2/recvmsg.2.html),
//! [unix(7)](https://man7.org/linux/man-pages/man7/unix.7.html): descriptors that travel over a Unix socket.
#![allow(unsafe_code)]

use crate::poll::Wait;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};

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

/// The most descriptors that the kernel passes with one message (`SCM_MAX_FD`).
pub const FDS_MAX: usize = 253;

/// Sends a message with descriptors, as far as there is room for all of it: says how many bytes. Never raises `SIGPIPE`.
///
/// # Errors
///
/// `EPIPE`, `ECONNREFUSED`, `ECONNRESET`: nobody is there. `EINVAL`: more than [`FDS_MAX`]. `ETOOMANYREFS`: too many of this user are under way.
/// `EMSGSIZE`, `EAGAIN`, `EINTR`.
pub fn send_packet(socket: BorrowedFd<'_>, message: &[u8], fds: &[BorrowedFd<'_>], wait: Wait) -> io::Result<usize> {
    let fds = fds.get(..FDS_MAX + 1).unwrap_or(fds);
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX + 1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    // The space was made for one more than the kernel takes.
    let fits = fds.is_empty() || control.push(SendAncillaryMessage::ScmRights(fds));
    debug_assert!(fits, "room for all");
    let flags = if wait == Wait::No { SendFlags::DONTWAIT } else { SendFlags::empty() };
    Ok(rustix::net::sendmsg(socket, &[IoSlice::new(message)], &mut control, flags | SendFlags::NOSIGNAL)?)
}

/// A message, and what came with it.
#[derive(Debug)]
pub struct Packet {
    /// How long it is, be it longer than there was room for.
    pub len_bytes: usize,
    /// The descriptors that came with it, closed on exec.
    pub fds: Vec<OwnedFd>,
    /// Whether more came than there was room for, in the call or in this process's table of descriptors (`MSG_CTRUNC`).
    pub is_truncated: bool,
    /// Who sent it, by the kernel's word, on a socket that was asked for it ([`crate::socket::set_pass_credentials`]).
    pub from: Option<Credentials>,
}

/// Receives a message behind what is in `into`, as far as its capacity goes, with all that comes with it.
///
/// Not by rustix: see [`peer_credentials`].
///
/// # Errors
///
/// `EAGAIN`, `EINTR`, `ECONNRESET`.
#[doc(alias = "SCM_RIGHTS")]
#[doc(alias = "SCM_CREDENTIALS")]
pub fn receive_packet(socket: BorrowedFd<'_>, into: &mut Vec<u8>, wait: Wait) -> io::Result<Packet> {
    let mut control = Control([0; CONTROL_BYTES]);
    let room = into.spare_capacity_mut();
    let mut piece = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
    // SAFETY: a struct of integers and pointers, for which zero is a value.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut piece;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = CONTROL_BYTES as _;
    let flags = libc::MSG_CMSG_CLOEXEC | libc::MSG_TRUNC | if wait == Wait::No { libc::MSG_DONTWAIT } else { 0 };
    // SAFETY: the descriptor is open; the header leads to the vector's spare memory and to the control space, each as long as it says.
    let received = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) };
    let Ok(len_bytes) = usize::try_from(received) else { return Err(io::Error::last_os_error()) };
    let written = len_bytes.min(piece.iov_len);
    // SAFETY: the kernel has written that many bytes behind the vector's, within its capacity.
    unsafe { into.set_len(into.len() + written) };
    let (mut fds, mut from) = (Vec::new(), None);
    // SAFETY: the header leads to a control space that is valid, and as long as the kernel says it filled it.
    let mut part = unsafe { libc::CMSG_FIRSTHDR(&raw const header) };
    while !part.is_null() {
        // SAFETY: it is one of the parts that the kernel wrote, whole.
        let it = unsafe { part.read_unaligned() };
        // SAFETY: arithmetic only; a part's data follows its header.
        let data = unsafe { libc::CMSG_DATA(part) };
        // SAFETY: arithmetic only.
        let data_bytes = (it.cmsg_len as usize).saturating_sub(unsafe { libc::CMSG_LEN(0) } as usize);
        match (it.cmsg_level, it.cmsg_type) {
            (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                for index in 0..data_bytes / size_of::<RawFd>() {
                    // SAFETY: the data has at least so many descriptors.
                    let at = unsafe { data.cast::<RawFd>().add(index) };
                    // SAFETY: within the part's data, which may lie unaligned.
                    let fd = unsafe { at.read_unaligned() };
                    // SAFETY: a descriptor that the kernel has opened in this call, and nobody else owns.
                    fds.push(unsafe { OwnedFd::from_raw_fd(fd) });
                }
            }
            (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) if data_bytes >= size_of::<libc::ucred>() => {
                // SAFETY: the data is as long as a `ucred`, of which any bytes are one.
                let who = unsafe { data.cast::<libc::ucred>().read_unaligned() };
                from = Some(Credentials { pid: who.pid.unsigned_abs(), uid: who.uid, gid: who.gid });
            }
            _ => {}
        }
        // SAFETY: the header is as the kernel left it, and `part` one of its parts.
        part = unsafe { libc::CMSG_NXTHDR(&raw const header, part) };
    }
    Ok(Packet { len_bytes, fds, is_truncated: header.msg_flags & libc::MSG_CTRUNC != 0, from })
}

/// Room for as many descriptors as the kernel passes, and for credentials.
const CONTROL_BYTES: usize = 64 + FDS_MAX * size_of::<RawFd>();
/// Aligned as the kernel writes it.
#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::{self, Kind};
    use std::os::fd::AsFd as _;

    /// A message brings its descriptors and its sender's credentials; one that does not fit says its length.
    #[test]
    fn packets_with_all_that_comes_along() {
        let (a, b) = socket::pair(Kind::Datagram).expect("sockets");
        socket::set_pass_credentials(b.as_fd()).expect("set");
        let (read_end, write_end) = crate::pipe::pipe().expect("pipe");
        send_packet(a.as_fd(), b"two", &[read_end.as_fd(), write_end.as_fd()], Wait::No).expect("room");
        send_packet(a.as_fd(), b"none, and long", &[], Wait::No).expect("room");
        let mut into = Vec::with_capacity(8);
        let first = receive_packet(b.as_fd(), &mut into, Wait::No).expect("there");
        assert_eq!((first.len_bytes, first.fds.len(), first.is_truncated, into.as_slice()), (3, 2, false, &b"two"[..]));
        assert_eq!(first.from.map(|it| it.pid), Some(std::process::id()));
        into.clear();
        let second = receive_packet(b.as_fd(), &mut into, Wait::No).expect("there");
        assert_eq!((second.len_bytes, second.fds.len(), into.as_slice()), (14, 0, &b"none, an"[..]));
        let error = receive_packet(b.as_fd(), &mut into, Wait::No).expect_err("empty");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        let many = vec![read_end.as_fd(); FDS_MAX + 1];
        assert_eq!(send_packet(a.as_fd(), b"x", &many, Wait::No).expect_err("many").raw_os_error(), Some(libc::EINVAL));
        into.clear();
        send_packet(a.as_fd(), b"x", &many[1..], Wait::No).expect("as many as the kernel takes");
        let third = receive_packet(b.as_fd(), &mut into, Wait::No).expect("there");
        assert_eq!((third.fds.len(), third.is_truncated), (FDS_MAX, false));
    }
}
