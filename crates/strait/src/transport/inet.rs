//! TCP and UDP over the loopback: what also goes between machines, between processes of one.
//!
//! Only the loopback is listened at and connected to: what listens at another address is a network service, which needs more than this
//! library gives. Every user of the machine can connect or send to a port of the loopback, and the kernel does not say who it is: where that
//! matters use [`super::unix`].
//!
//! See [tcp(7)](https://man7.org/linux/man-pages/man7/tcp.7.html), [udp(7)](https://man7.org/linux/man-pages/man7/udp.7.html).

use crate::error::{Error, ErrorKind, Result};
use crate::transport::packet::{PacketReceiver, PacketSender};
use crate::transport::unix::{BACKLOG, Stream, accept};
use crate::transport::wait::is_ready;
use crate::transport::{Mechanism, Options, Patience};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use strait_sys::errno::EINPROGRESS;
use strait_sys::poll::Interest;
use strait_sys::socket::{self, Kind};

fn refuse(verb: &str, what: &str, port: u16, e: io::Error) -> Error {
    let is_taken = e.kind() == io::ErrorKind::AddrInUse;
    let is_dead = e.kind() == io::ErrorKind::ConnectionRefused;
    let remedy = if is_dead { "nobody listens there; start the other side first" } else { "" };
    let error = Error::kernel(verb, format_args!("{what} port {port} of the loopback"), e, remedy);
    error.with_kind_if(is_taken, ErrorKind::Busy).with_kind_if(is_dead, ErrorKind::NotFound)
}

/// A TCP socket that others connect to.
#[derive(Debug)]
pub struct TcpListener {
    fd: OwnedFd,
    port: u16,
    options: Options,
}

impl TcpListener {
    /// Listens at a port of the loopback; 0: any that is free.
    ///
    /// # Errors
    /// `Busy`: somebody has the port.
    pub fn bind(port: u16, options: &Options) -> Result<Self> {
        let fd = socket::inet(Kind::Stream).map_err(|e| refuse("make a socket for", "tcp", port, e))?;
        // A server that is started again finds its port lingering for a minute.
        socket::set_reuse_address(fd.as_fd()).map_err(|e| refuse("bind", "tcp", port, e))?;
        let port = socket::bind_loopback(fd.as_fd(), port).map_err(|e| refuse("bind", "tcp", port, e))?;
        socket::listen(fd.as_fd(), BACKLOG).map_err(|e| refuse("listen at", "tcp", port, e))?;
        Ok(Self { fd, port, options: options.clone() })
    }

    /// The port, to be told to others.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Takes the next one who connects, if somebody does in time.
    ///
    /// # Errors
    /// `Kernel`: too many descriptors.
    pub fn accept_with(&self, patience: Patience) -> Result<Option<Stream>> {
        let accepted = accept(self.fd.as_fd(), patience).map_err(|e| refuse("accept at", "tcp", self.port, e))?;
        accepted.map(|fd| tcp(fd, self.port, &self.options)).transpose()
    }

    /// Takes the next one who connects; waits for it.
    ///
    /// # Errors
    /// As [`Self::accept_with`].
    pub fn accept(&self) -> Result<Stream> {
        loop {
            if let Some(stream) = self.accept_with(Patience::Endless)? {
                return Ok(stream);
            }
        }
    }

    /// What can be polled for who connects.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Connects to a TCP port of the loopback; waits for it.
///
/// # Errors
/// `NotFound`: nobody listens there.
pub fn tcp_connect(port: u16, options: &Options) -> Result<Stream> {
    tcp_connect_with(port, options, Patience::Endless)
}

/// [`tcp_connect`], with patience.
///
/// # Errors
/// As there; `TimedOut`: nobody answered in time.
pub fn tcp_connect_with(port: u16, options: &Options, patience: Patience) -> Result<Stream> {
    tcp(connected(port, patience)?, port, options)
}

fn connected(port: u16, patience: Patience) -> Result<OwnedFd> {
    let fd = socket::inet(Kind::Stream).map_err(|e| refuse("make a socket for", "tcp", port, e))?;
    let connected = match socket::connect_loopback(fd.as_fd(), port) {
        Err(e) if e.raw_os_error() == Some(EINPROGRESS) => match is_ready(fd.as_fd(), Interest::Write, patience) {
            Ok(true) => socket::take_error(fd.as_fd()),
            Ok(false) => Err(io::ErrorKind::TimedOut.into()),
            Err(e) => Err(e),
        },
        connected => connected,
    };
    // A port that nobody listens at may be given to the very socket that asks for it, which is then connected to itself.
    let connected = connected.and_then(|()| match socket::local_port(fd.as_fd())? == port {
        true => Err(io::ErrorKind::ConnectionRefused.into()),
        false => Ok(()),
    });
    connected.map_err(|e| refuse("connect to", "tcp", port, e))?;
    socket::set_blocking(fd.as_fd()).map_err(|e| refuse("set up", "tcp", port, e))?;
    Ok(fd)
}

/// The descriptors of two connected sockets.
pub(crate) fn tcp_ends() -> Result<(OwnedFd, OwnedFd)> {
    let listener = TcpListener::bind(0, &Options::new())?;
    let ours = connected(listener.port, Patience::Endless)?;
    let own_port = socket::local_port(ours.as_fd()).map_err(|e| refuse("look at", "tcp", listener.port, e))?;
    loop {
        let accepted = accept(listener.fd.as_fd(), Patience::Endless);
        let accepted = accepted.map_err(|e| refuse("accept at", "tcp", listener.port, e))?;
        // Anybody can connect to the port as long as it is listened at.
        let is_ours = |fd: &OwnedFd| socket::peer_port(fd.as_fd()).is_ok_and(|port| port == own_port);
        if let Some(theirs) = accepted.filter(is_ours) {
            return Ok((ours, theirs));
        }
    }
}

/// The descriptors of two sockets, the one that sends first.
pub(crate) fn udp_ends() -> Result<(OwnedFd, OwnedFd)> {
    let (receiver, port) = bound(0)?;
    let sender = aimed(port)?;
    let own_port = socket::local_port(sender.as_fd()).map_err(|e| refuse("look at", "udp", port, e))?;
    // From now on nobody else's messages come in.
    socket::connect_loopback(receiver.as_fd(), own_port).map_err(|e| refuse("connect", "udp", port, e))?;
    Ok((sender, receiver))
}

fn tcp(fd: OwnedFd, port: u16, options: &Options) -> Result<Stream> {
    // A message is sent when it is there, and not when the last one was acknowledged.
    socket::set_no_delay(fd.as_fd()).map_err(|e| refuse("set up", "tcp", port, e))?;
    Stream::new(fd, Mechanism::Tcp, options)
}

/// A stream on a connected TCP socket that was inherited or received.
///
/// # Errors
/// `Kernel`: it is none.
pub fn tcp_from_fd(fd: OwnedFd, options: &Options) -> Result<Stream> {
    tcp(fd, 0, options)
}

/// Receives what is sent to a UDP port of the loopback; 0: any that is free. Says which port it is.
///
/// Messages that its buffer has no room for are lost, and nobody is told.
///
/// # Errors
/// `Busy`: somebody has the port.
pub fn udp_receiver(port: u16, options: &Options) -> Result<(PacketReceiver, u16)> {
    let (fd, port) = bound(port)?;
    Ok((udp_receiver_from_fd(fd, options), port))
}

fn bound(port: u16) -> Result<(OwnedFd, u16)> {
    let fd = socket::inet(Kind::Datagram).map_err(|e| refuse("make a socket for", "udp", port, e))?;
    let port = socket::bind_loopback(fd.as_fd(), port).map_err(|e| refuse("bind", "udp", port, e))?;
    socket::set_blocking(fd.as_fd()).map_err(|e| refuse("set up", "udp", port, e))?;
    Ok((fd, port))
}

/// Sends to a UDP port of the loopback. That nobody receives there is told by a later message, if at all.
///
/// # Errors
/// `Kernel`.
pub fn udp_sender(port: u16, options: &Options) -> Result<PacketSender> {
    Ok(udp_sender_from_fd(aimed(port)?, options))
}

fn aimed(port: u16) -> Result<OwnedFd> {
    let fd = socket::inet(Kind::Datagram).map_err(|e| refuse("make a socket for", "udp", port, e))?;
    socket::connect_loopback(fd.as_fd(), port).map_err(|e| refuse("connect to", "udp", port, e))?;
    socket::set_blocking(fd.as_fd()).map_err(|e| refuse("set up", "udp", port, e))?;
    Ok(fd)
}

/// The receiving end on a bound UDP socket that was inherited or received.
#[must_use]
pub fn udp_receiver_from_fd(fd: OwnedFd, options: &Options) -> PacketReceiver {
    PacketReceiver::new(Arc::new(fd), Mechanism::Udp, options)
}

/// The sending end on a connected UDP socket that was inherited or received.
#[must_use]
pub fn udp_sender_from_fd(fd: OwnedFd, options: &Options) -> PacketSender {
    PacketSender::new(Arc::new(fd), Mechanism::Udp, options)
}
