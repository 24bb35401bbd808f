//! TCP and UDP over the loopback: what also goes between machines, between processes of one.
//!
//! Only the loopback is listened at and connected to: what listens at another address is a network service, which needs more than this
//! library gives.
//!
//! See [tcp(7)](https://man7.org/linux/man-pages/man7/tcp.7.html), [udp(7)](https://man7.org/linux/man-pages/man7/udp.7.html).

use crate::error::{Error, ErrorKind, Result};
use crate::transport::packet::{PacketReceiver, PacketSender};
use crate::transport::unix::Stream;
use crate::transport::wait::is_ready;
use crate::transport::{Mechanism, Options, Patience};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use strait_sys::poll::Interest;
use strait_sys::socket::{self, Kind};

const BACKLOG: i32 = 128;

fn refuse(verb: &str, what: &str, port: u16, e: io::Error) -> Error {
    let is_taken = e.kind() == io::ErrorKind::AddrInUse;
    let is_dead = e.kind() == io::ErrorKind::ConnectionRefused;
    let remedy = if is_dead { "nobody listens there" } else { "" };
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
        let accepted = is_ready(self.fd.as_fd(), Interest::Read, patience).and_then(|ready| match ready {
            true => socket::accept(self.fd.as_fd()).map(Some),
            false => Ok(None),
        });
        match accepted {
            Ok(Some(fd)) => tcp(fd, self.port, &self.options).map(Some),
            Ok(None) => Ok(None),
            Err(e) if [io::ErrorKind::Interrupted, io::ErrorKind::ConnectionAborted].contains(&e.kind()) => Ok(None),
            Err(e) => Err(refuse("accept at", "tcp", self.port, e)),
        }
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

/// Connects to a TCP port of the loopback.
///
/// # Errors
/// `NotFound`: nobody listens there.
pub fn tcp_connect(port: u16, options: &Options) -> Result<Stream> {
    let fd = socket::inet(Kind::Stream).map_err(|e| refuse("make a socket for", "tcp", port, e))?;
    socket::connect_loopback(fd.as_fd(), port).map_err(|e| refuse("connect to", "tcp", port, e))?;
    tcp(fd, port, options)
}

fn tcp(fd: OwnedFd, port: u16, options: &Options) -> Result<Stream> {
    // A message is sent when it is there, and not when the last one was acknowledged.
    socket::set_no_delay(fd.as_fd()).map_err(|e| refuse("set up", "tcp", port, e))?;
    Stream::new(fd, Mechanism::Tcp, options)
}

/// Receives what is sent to a UDP port of the loopback; 0: any that is free. Says which port it is.
///
/// Messages that its buffer has no room for are lost, and nobody is told.
///
/// # Errors
/// `Busy`: somebody has the port.
pub fn udp_receiver(port: u16, options: &Options) -> Result<(PacketReceiver, u16)> {
    let fd = socket::inet(Kind::Datagram).map_err(|e| refuse("make a socket for", "udp", port, e))?;
    let port = socket::bind_loopback(fd.as_fd(), port).map_err(|e| refuse("bind", "udp", port, e))?;
    Ok((PacketReceiver::new(fd, Mechanism::Udp, options), port))
}

/// Sends to a UDP port of the loopback. That nobody receives there is told by a later message, if at all.
///
/// # Errors
/// `Kernel`.
pub fn udp_sender(port: u16, options: &Options) -> Result<PacketSender> {
    let fd = socket::inet(Kind::Datagram).map_err(|e| refuse("make a socket for", "udp", port, e))?;
    socket::connect_loopback(fd.as_fd(), port).map_err(|e| refuse("connect to", "udp", port, e))?;
    Ok(PacketSender::new(fd, Mechanism::Udp, options))
}
