//! [unix(7)](https://man7.org/linux/man-pages/man7/unix.7.html), [ip(7)](https://man7.org/linux/man-pages/man7/ip.7.html): sockets between
//! the processes of one machine. A peer that is gone is an error, never a signal (`MSG_NOSIGNAL`).

use rustix::net::{AddressFamily, RecvFlags, SendAncillaryBuffer, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use std::io::{self, IoSlice};
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

/// Whether a call waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// It does not: `EAGAIN` instead.
    No,
    /// As long as it takes. A signal handler ends it with `EINTR`.
    Yes,
}

/// The longest path of a Unix socket, in bytes: the kernel's 108 less the zero at its end.
pub const PATH_BYTES_MAX: usize = 107;

/// Two connected Unix sockets.
pub fn pair(kind: Kind) -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::net::socketpair(AddressFamily::UNIX, kind.raw(), SocketFlags::CLOEXEC, None)?)
}

/// A Unix socket.
pub fn unix(kind: Kind) -> io::Result<OwnedFd> {
    Ok(rustix::net::socket_with(AddressFamily::UNIX, kind.raw(), SocketFlags::CLOEXEC, None)?)
}

/// An IPv4 socket: TCP for a stream, UDP for datagrams.
pub fn inet(kind: Kind) -> io::Result<OwnedFd> {
    Ok(rustix::net::socket_with(AddressFamily::INET, kind.raw(), SocketFlags::CLOEXEC, None)?)
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

/// Connects a Unix socket. `ECONNREFUSED`: nobody listens there any more.
pub fn connect(socket: BorrowedFd<'_>, address: Address<'_>) -> io::Result<()> {
    Ok(rustix::net::connect(socket, &address.raw()?)?)
}

/// Gives an IPv4 socket a port of the loopback, 0 for any that is free, and says which.
pub fn bind_loopback(socket: BorrowedFd<'_>, port: u16) -> io::Result<u16> {
    rustix::net::bind(socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
    let address = SocketAddrV4::try_from(rustix::net::getsockname(socket)?)?;
    Ok(address.port())
}

/// Connects an IPv4 socket to a port of the loopback.
pub fn connect_loopback(socket: BorrowedFd<'_>, port: u16) -> io::Result<()> {
    Ok(rustix::net::connect(socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?)
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
    let mut nothing_else = SendAncillaryBuffer::default();
    Ok(rustix::net::sendmsg(socket, parts, &mut nothing_else, flags | SendFlags::NOSIGNAL)?)
}

/// Receives a message, or what there is of a stream: how many bytes, of a message its whole length even where `into` is shorter. Zero is the
/// end of a stream or of a connection.
#[doc(alias = "MSG_TRUNC")]
pub fn recv(socket: BorrowedFd<'_>, into: &mut [u8], wait: Wait, keeps_messages: bool) -> io::Result<usize> {
    let mut flags = if wait == Wait::No { RecvFlags::DONTWAIT } else { RecvFlags::empty() };
    if keeps_messages {
        flags |= RecvFlags::TRUNC;
    }
    let (_, len) = rustix::net::recv(socket, into, flags)?;
    Ok(len)
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Its process when it connected, in our pid namespace.
    pub pid: i32,
    /// Its effective user then.
    pub uid: u32,
    /// Its effective group then.
    pub gid: u32,
}

/// Asks who connected, or made the pair (`SO_PEERCRED`). The kernel says so, not the peer.
#[doc(alias = "SO_PEERCRED")]
pub fn peer_credentials(socket: BorrowedFd<'_>) -> io::Result<Credentials> {
    let found = rustix::net::sockopt::socket_peercred(socket)?;
    Ok(Credentials { pid: found.pid.as_raw_nonzero().get(), uid: found.uid.as_raw(), gid: found.gid.as_raw() })
}

/// How many bytes of messages the kernel keeps for sending (`SO_SNDBUF`), as it counts them.
pub fn send_buffer_bytes(socket: &impl AsFd) -> io::Result<usize> {
    Ok(rustix::net::sockopt::socket_send_buffer_size(socket)?)
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
        let mut into = [0; 4];
        assert_eq!(recv(b.as_fd(), &mut into, Wait::No, true).expect("there"), 11);
        assert_eq!(recv(b.as_fd(), &mut into, Wait::No, true).expect("there"), 1);
        let error = recv(b.as_fd(), &mut into, Wait::No, true).expect_err("empty");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(peer_credentials(a.as_fd()).expect("a peer").pid.unsigned_abs(), std::process::id());
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
        let mut into = [0; 8];
        assert_eq!(recv(b.as_fd(), &mut into, Wait::Yes, true).expect("there"), 2);
        assert_eq!(&into[..2], b"hi");
    }
}
