//! [unix(7)](https://man7.org/linux/man-pages/man7/unix.7.html), [ip(7)](https://man7.org/linux/man-pages/man7/ip.7.html): sockets between
//! the processes of one machine. A peer that is gone is an error, never a signal (`MSG_NOSIGNAL`).

use crate::poll::Wait;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, SocketAddrUnix,
    SocketFlags, SocketType,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// What a socket keeps of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A stream of bytes.
    Stream,
    /// Messages, connected, in order.
    SeqPacket,
    /// Messages.
    Datagram,
}

impl Kind {
    fn raw(self) -> SocketType {
        match self {
            Self::Stream => SocketType::STREAM,
            Self::SeqPacket => SocketType::SEQPACKET,
            Self::Datagram => SocketType::DGRAM,
        }
    }
}

/// The longest path of a Unix socket, in bytes: the kernel's 108 less the zero at its end.
pub const PATH_BYTES_MAX: usize = 107;

/// Two connected Unix sockets.
pub fn pair(kind: Kind) -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::net::socketpair(AddressFamily::UNIX, kind.raw(), SocketFlags::CLOEXEC, None)?)
}

/// A Unix socket. It does not block: [`set_blocking`].
pub fn unix(kind: Kind) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(rustix::net::socket_with(AddressFamily::UNIX, kind.raw(), flags, None)?)
}

/// An IPv4 socket: TCP for a stream, UDP for datagrams. It does not block: [`set_blocking`].
pub fn inet(kind: Kind) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(rustix::net::socket_with(AddressFamily::INET, kind.raw(), flags, None)?)
}

/// Has calls on the socket wait, unless they are told not to: for a socket that nobody shares.
pub fn set_blocking(socket: BorrowedFd<'_>) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(socket)?;
    Ok(rustix::fs::fcntl_setfl(socket, flags - rustix::fs::OFlags::NONBLOCK)?)
}

/// What became of a connection that was under way (`SO_ERROR`).
#[doc(alias = "SO_ERROR")]
pub fn take_error(socket: BorrowedFd<'_>) -> io::Result<()> {
    Ok(rustix::net::sockopt::socket_error(socket)??)
}

/// One of the two ways of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// What the other side sends.
    Read,
    /// What we send.
    Write,
}

/// Ends one way of a connection, whoever else has the socket: the other side is told.
pub fn shutdown(socket: BorrowedFd<'_>, way: Way) -> io::Result<()> {
    let how = if way == Way::Read { Shutdown::Read } else { Shutdown::Write };
    Ok(rustix::net::shutdown(socket, how)?)
}

/// Where a Unix socket is found.
#[derive(Clone, Copy, Debug)]
pub enum Address<'a> {
    /// A name in the file system; it stays when the socket is gone.
    Path(&'a Path),
    /// A name in the kernel's table, gone with the socket.
    Abstract(&'a [u8]),
}

impl Address<'_> {
    fn raw(self) -> io::Result<SocketAddrUnix> {
        Ok(match self {
            Self::Path(path) => SocketAddrUnix::new(path)?,
            Self::Abstract(name) => SocketAddrUnix::new_abstract_name(name)?,
        })
    }
}

/// Gives a Unix socket its address. `EADDRINUSE`: another has it, or had it and left the path.
pub fn bind(socket: BorrowedFd<'_>, address: Address<'_>) -> io::Result<()> {
    Ok(rustix::net::bind(socket, &address.raw()?)?)
}

/// Connects a Unix socket. `ECONNREFUSED`: nobody listens there any more. `EAGAIN`: as many are waiting already as the listener wants.
pub fn connect(socket: BorrowedFd<'_>, address: Address<'_>) -> io::Result<()> {
    Ok(rustix::net::connect(socket, &address.raw()?)?)
}

/// Gives an IPv4 socket a port of the loopback, 0 for any that is free, and says which.
pub fn bind_loopback(socket: BorrowedFd<'_>, port: u16) -> io::Result<u16> {
    rustix::net::bind(socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
    local_port(socket)
}

/// The port of an IPv4 socket.
#[doc(alias = "getsockname")]
pub fn local_port(socket: BorrowedFd<'_>) -> io::Result<u16> {
    Ok(SocketAddrV4::try_from(rustix::net::getsockname(socket)?)?.port())
}

/// The port that a connected IPv4 socket is connected to.
#[doc(alias = "getpeername")]
pub fn peer_port(socket: BorrowedFd<'_>) -> io::Result<u16> {
    let address = rustix::net::getpeername(socket)?.ok_or(rustix::io::Errno::NOTCONN)?;
    Ok(SocketAddrV4::try_from(address)?.port())
}

/// Connects an IPv4 socket to a port of the loopback. `EINPROGRESS`: it is under way, and the socket writable when it is done.
pub fn connect_loopback(socket: BorrowedFd<'_>, port: u16) -> io::Result<()> {
    Ok(rustix::net::connect(socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?)
}

/// Lets a port be bound again that connections of an earlier listener still linger at (`TIME_WAIT`); not one that is listened at.
#[doc(alias = "SO_REUSEADDR")]
pub fn set_reuse_address(socket: BorrowedFd<'_>) -> io::Result<()> {
    Ok(rustix::net::sockopt::set_socket_reuseaddr(socket, true)?)
}

/// Lets others connect.
pub fn listen(socket: BorrowedFd<'_>, backlog: i32) -> io::Result<()> {
    Ok(rustix::net::listen(socket, backlog)?)
}

/// Takes the next one who connects; waits as the socket does.
#[doc(alias = "accept4")]
pub fn accept(socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    Ok(rustix::net::accept_with(socket, SocketFlags::CLOEXEC)?)
}

/// Sends small segments at once (`TCP_NODELAY`).
pub fn set_no_delay(socket: BorrowedFd<'_>) -> io::Result<()> {
    Ok(rustix::net::sockopt::set_tcp_nodelay(socket, true)?)
}

/// Sends the parts one behind the other: one message, or, on a stream, as much of them as there is room for. Says how many bytes.
///
/// # Errors
///
/// `EPIPE`, `ECONNRESET`, `ECONNREFUSED`: nobody is there any more. `EMSGSIZE`: too long for one message. `EAGAIN`, `EINTR`, `ENOBUFS`.
#[doc(alias = "sendmsg")]
pub fn send(socket: BorrowedFd<'_>, parts: &[IoSlice<'_>], wait: Wait) -> io::Result<usize> {
    let flags = if wait == Wait::No { SendFlags::DONTWAIT } else { SendFlags::empty() };
    if let [part] = parts {
        // The same with less to copy.
        return Ok(rustix::net::send(socket, part, flags | SendFlags::NOSIGNAL)?);
    }
    let mut nothing_else = SendAncillaryBuffer::default();
    Ok(rustix::net::sendmsg(socket, parts, &mut nothing_else, flags | SendFlags::NOSIGNAL)?)
}

/// Receives what there is of a stream into the parts, one behind the other; says how many bytes. Zero is its end.
#[doc(alias = "recvmsg")]
pub fn recv(socket: BorrowedFd<'_>, parts: &mut [IoSliceMut<'_>], wait: Wait) -> io::Result<usize> {
    if let [part] = parts {
        // The same with less to copy.
        return Ok(rustix::net::recv(socket, &mut **part, recv_flags(wait))?.0);
    }
    let mut nothing_else = RecvAncillaryBuffer::default();
    Ok(rustix::net::recvmsg(socket, parts, &mut nothing_else, recv_flags(wait))?.bytes)
}

/// Receives a message behind what is in `into`, as far as its capacity goes; says how long the message is, be it longer than that. Of a
/// connection of packets zero is the end.
#[doc(alias = "MSG_TRUNC")]
pub fn recv_message(socket: BorrowedFd<'_>, into: &mut Vec<u8>, wait: Wait) -> io::Result<usize> {
    let (_, len) =
        rustix::net::recv(socket, rustix::buffer::spare_capacity(into), recv_flags(wait) | RecvFlags::TRUNC)?;
    Ok(len)
}

fn recv_flags(wait: Wait) -> RecvFlags {
    if wait == Wait::No { RecvFlags::DONTWAIT } else { RecvFlags::empty() }
}

/// How many bytes of messages the kernel keeps for sending (`SO_SNDBUF`), as it counts them.
pub fn send_buffer_bytes(socket: &impl AsFd) -> io::Result<usize> {
    Ok(rustix::net::sockopt::socket_send_buffer_size(socket)?)
}

/// Has the kernel say with each message who sent it (`SO_PASSCRED`): see [`crate::sendmsg::receive_packet`].
#[doc(alias = "SO_PASSCRED")]
pub fn set_pass_credentials(socket: BorrowedFd<'_>) -> io::Result<()> {
    Ok(rustix::net::sockopt::set_socket_passcred(socket, true)?)
}

/// Asks for such a buffer; the kernel doubles it, up to `/proc/sys/net/core/wmem_max`.
pub fn set_send_buffer_bytes(socket: &impl AsFd, bytes: usize) -> io::Result<()> {
    Ok(rustix::net::sockopt::set_socket_send_buffer_size(socket, bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages keep their boundaries, a long one says its length, and a peer that is gone is an error.
    #[test]
    fn packets_between_two() {
        let (a, b) = pair(Kind::SeqPacket).expect("sockets");
        let parts = [IoSlice::new(b"one "), IoSlice::new(b"message")];
        assert_eq!(send(a.as_fd(), &parts, Wait::No).expect("room"), 11);
        assert_eq!(send(a.as_fd(), &[IoSlice::new(b"2")], Wait::No).expect("room"), 1);
        let mut into = Vec::with_capacity(4);
        assert_eq!(recv_message(b.as_fd(), &mut into, Wait::No).expect("there"), 11);
        assert_eq!(into, b"one ");
        into.clear();
        assert_eq!(recv_message(b.as_fd(), &mut into, Wait::No).expect("there"), 1);
        let error = recv_message(b.as_fd(), &mut into, Wait::No).expect_err("empty");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        drop(b);
        assert_eq!(send(a.as_fd(), &parts, Wait::Yes).expect_err("gone").kind(), io::ErrorKind::BrokenPipe);
    }

    /// A port of the loopback is found, and datagrams arrive there.
    #[test]
    fn datagrams_over_loopback() {
        let (a, b) = (inet(Kind::Datagram).expect("socket"), inet(Kind::Datagram).expect("socket"));
        let port = bind_loopback(b.as_fd(), 0).expect("a port");
        connect_loopback(a.as_fd(), port).expect("there");
        send(a.as_fd(), &[IoSlice::new(b"hi")], Wait::Yes).expect("room");
        let mut into = Vec::with_capacity(8);
        assert_eq!(recv_message(b.as_fd(), &mut into, Wait::Yes).expect("there"), 2);
        assert_eq!(into, b"hi");
    }
}
