//! Unix sockets: both ways, between strangers, with the kernel's word on who is there.
//!
//! ```text
//!   Listener (a path, or an abstract name) <-- connect --  client
//!          \-- accept --> Connection <==================> Connection
//!
//!   datagram_receiver (a path, or an abstract name) <-- datagram_sender, of anybody who may
//! ```
//!
//! | kind | messages | the end | several at one end |
//! |---|---|---|---|
//! | [`Stream`] | framed by strait | told | no |
//! | [`Packets`] | kept by the kernel, not without bytes | told | yes, each message to one of them |
//! | datagrams | kept by the kernel | told to who sends | yes |
//!
//! A path that a killed process left is taken over by the next that binds it; one that a living process has is [`ErrorKind::Busy`].
//!
//! ```
//! use strait::transport::unix::{Address, Listener, Stream, connect};
//! use strait::transport::{MessageReceiver, MessageSender, Options};
//!
//! let address = Address::Abstract(format!("doc-unix-{}", std::process::id()));
//! let listener = Listener::<Stream>::bind(address.clone(), &Options::new())?;
//! let mut client = connect::<Stream>(address, &Options::new())?; // usually in another process
//! let mut server = listener.accept()?;
//! assert_eq!(server.peer()?.pid, std::process::id());
//! client.sender.send(b"hello")?;
//! let mut message = Vec::new();
//! server.receiver.recv(&mut message)?;
//! assert_eq!(message, b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! See [unix(7)](https://man7.org/linux/man-pages/man7/unix.7.html).

use crate::error::{Error, ErrorKind, Result};
use crate::process::Credentials;
use crate::transport::bound::{Bound, bind};
use crate::transport::packet::{PacketReceiver, PacketSender};
use crate::transport::stream::{Bytes, StreamReceiver, StreamSender};
use crate::transport::wait::{Refusal, patiently, paused, polled};
use crate::transport::{Mechanism, MessageSender as _, Options, Patience};
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use strait_sys::poll::Interest;
use strait_sys::sendmsg;
use strait_sys::socket::{self, Kind};

pub use crate::transport::bound::Address;
pub use crate::transport::packet::Received;

/// How many may be about to connect.
pub(super) const BACKLOG: i32 = 128;

/// A connection, both ways at once. Its halves may go to threads of their own; when one is dropped, the other side is told of it.
#[derive(Debug)]
pub struct Connection<S, R> {
    /// What we send.
    pub sender: S,
    /// What we receive.
    pub receiver: R,
}

impl<S, R> Connection<S, R> {
    /// The sending half. The other side is told that nobody receives here, where the mechanism does so.
    #[must_use]
    pub fn into_sender(self) -> S {
        self.sender
    }

    /// The receiving half. The other side is told that this one sends nothing.
    #[must_use]
    pub fn into_receiver(self) -> R {
        self.receiver
    }
}

/// A connection that carries bytes, framed as messages.
pub type Stream = Connection<StreamSender, StreamReceiver>;
/// A connection that carries packets (`SOCK_SEQPACKET`).
pub type Packets = Connection<PacketSender, PacketReceiver>;

/// What a [`Listener`] accepts: [`Stream`] and [`Packets`].
pub trait Accepted: sealed::Kind + Sized {
    /// A connection on a socket that was inherited or received.
    ///
    /// # Errors
    /// `Permission`, `Kernel`: its buffer cannot be set as the options say.
    fn from_fd(fd: OwnedFd, options: &Options) -> Result<Self>;
}

mod sealed {
    pub trait Kind {
        const KIND: strait_sys::socket::Kind;
    }
}

impl sealed::Kind for Stream {
    const KIND: Kind = Kind::Stream;
}

impl sealed::Kind for Packets {
    const KIND: Kind = Kind::SeqPacket;
}

impl Accepted for Stream {
    fn from_fd(fd: OwnedFd, options: &Options) -> Result<Self> {
        Self::new(fd, Mechanism::UnixStream, options)
    }
}

impl Accepted for Packets {
    fn from_fd(fd: OwnedFd, options: &Options) -> Result<Self> {
        Self::new(fd, Mechanism::UnixSeqpacket, options)
    }
}

impl Stream {
    pub(super) fn new(fd: OwnedFd, mechanism: Mechanism, options: &Options) -> Result<Self> {
        set_buffer(&fd, options)?;
        let fd = Arc::new(fd);
        Ok(Self {
            sender: StreamSender::new(Bytes::Socket(Arc::clone(&fd)), mechanism, options),
            receiver: StreamReceiver::new(Bytes::Socket(fd), mechanism, options),
        })
    }

    /// Who is at the other end, by the kernel's word: who connected, or listened, or made the pair. One system call.
    ///
    /// # Errors
    /// `Kernel`: it is no Unix socket.
    #[doc(alias = "SO_PEERCRED")]
    pub fn peer(&self) -> Result<Credentials> {
        peer(self.sender.fd())
    }
}

impl Packets {
    /// Connected datagrams, on a socket that was inherited or received.
    ///
    /// # Errors
    /// `Permission`, `Kernel`: its buffer cannot be set as the options say.
    pub fn datagrams_from_fd(fd: OwnedFd, options: &Options) -> Result<Self> {
        Self::new(fd, Mechanism::UnixDatagram, options)
    }

    fn new(fd: OwnedFd, mechanism: Mechanism, options: &Options) -> Result<Self> {
        set_buffer(&fd, options)?;
        let fd = Arc::new(fd);
        Ok(Self {
            sender: PacketSender::new(Arc::clone(&fd), mechanism, options),
            receiver: PacketReceiver::new(fd, mechanism, options),
        })
    }

    /// Who is at the other end, by the kernel's word: who connected, or listened, or made the pair. One system call.
    ///
    /// # Errors
    /// `Kernel`: it is no Unix socket.
    #[doc(alias = "SO_PEERCRED")]
    pub fn peer(&self) -> Result<Credentials> {
        peer(self.sender.fd())
    }
}

fn peer(fd: Option<BorrowedFd<'_>>) -> Result<Credentials> {
    let fd = fd.ok_or_else(|| Error::new(ErrorKind::Unsupported, "ask who is at a socket: it has no descriptor"))?;
    let who = sendmsg::peer_credentials(fd).map_err(|e| Error::kernel("ask who is at", "a socket", e, ""))?;
    Ok(who.into())
}

fn set_buffer(fd: &OwnedFd, options: &Options) -> Result<()> {
    let Some(bytes) = options.capacity_bytes else { return Ok(()) };
    let set = socket::set_send_buffer_bytes(fd, bytes);
    set.map_err(|e| Error::kernel("set the size of", "a socket's buffer", e, "see /proc/sys/net/core/wmem_max"))
}

/// Two connected streams. One system call.
///
/// # Errors
/// `Kernel`: too many descriptors.
pub fn pair(options: &Options) -> Result<(Stream, Stream)> {
    let (a, b) = sockets(Kind::Stream)?;
    Ok((Stream::from_fd(a, options)?, Stream::from_fd(b, options)?))
}

/// Two connected packet sockets, that keep messages apart and tell the end. One system call.
///
/// # Errors
/// `Kernel`: too many descriptors.
#[doc(alias = "SOCK_SEQPACKET")]
pub fn seqpacket_pair(options: &Options) -> Result<(Packets, Packets)> {
    let (a, b) = sockets(Kind::SeqPacket)?;
    Ok((Packets::from_fd(a, options)?, Packets::from_fd(b, options)?))
}

/// Two connected datagram sockets, that keep messages apart, and do not tell the end to who receives. One system call.
///
/// # Errors
/// `Kernel`: too many descriptors.
#[doc(alias = "SOCK_DGRAM")]
pub fn datagram_pair(options: &Options) -> Result<(Packets, Packets)> {
    let (a, b) = sockets(Kind::Datagram)?;
    Ok((Packets::datagrams_from_fd(a, options)?, Packets::datagrams_from_fd(b, options)?))
}

/// The descriptors of two connected streams.
pub(crate) fn ends() -> Result<(OwnedFd, OwnedFd)> {
    sockets(Kind::Stream)
}

/// The descriptors of two connected packet sockets.
pub(crate) fn seqpacket_ends() -> Result<(OwnedFd, OwnedFd)> {
    sockets(Kind::SeqPacket)
}

/// The descriptors of two connected datagram sockets.
pub(crate) fn datagram_ends() -> Result<(OwnedFd, OwnedFd)> {
    sockets(Kind::Datagram)
}

fn sockets(kind: Kind) -> Result<(OwnedFd, OwnedFd)> {
    socket::pair(kind)
        .map_err(|e| Error::kernel("make", "a pair of sockets", e, "raise the limit on open files (ulimit -n)"))
}

/// Receives datagrams at an address, of anybody who may send there. A path that a dead process left is taken over.
///
/// [`PacketReceiver::ask_for_sender`] and [`PacketReceiver::recv_from`] tell who sent each.
///
/// # Errors
/// As [`Listener::bind`].
pub fn datagram_receiver(address: impl Into<Address>, options: &Options) -> Result<PacketReceiver> {
    let (fd, name) = bind(Kind::Datagram, address.into(), options)?;
    socket::set_blocking(fd.as_fd()).map_err(|e| Error::kernel("set up", &name.address, e, ""))?;
    Ok(PacketReceiver::new(Arc::new(fd), Mechanism::UnixDatagram, options).named(name))
}

/// Sends datagrams to an address. A full receiver is waited for; one that is gone is `Disconnected`, and so is one that has come since.
///
/// # Errors
/// As [`connect`].
pub fn datagram_sender(address: impl Into<Address>, options: &Options) -> Result<PacketSender> {
    let fd = connected(Kind::Datagram, &address.into(), Patience::None)?;
    set_buffer(&fd, options)?;
    Ok(PacketSender::new(Arc::new(fd), Mechanism::UnixDatagram, options))
}

/// A socket that others connect to.
#[derive(Debug)]
pub struct Listener<C> {
    fd: OwnedFd,
    name: Bound,
    options: Options,
    accepts: PhantomData<fn() -> C>,
}

impl<C: Accepted> Listener<C> {
    /// Listens at an address. A path that a dead listener left is taken over; it goes when the listener is dropped, and `PATH.lock`
    /// beside it stays.
    ///
    /// # Errors
    /// `Busy`: a living process has the address; `Usage`: too long; `Incompatible`: the path is something else; `Permission`, `NotFound`.
    pub fn bind(address: impl Into<Address>, options: &Options) -> Result<Self> {
        let (fd, name) = bind(C::KIND, address.into(), options)?;
        socket::listen(fd.as_fd(), BACKLOG).map_err(|e| Error::kernel("listen at", &name.address, e, ""))?;
        Ok(Self { fd, name, options: options.clone(), accepts: PhantomData })
    }

    /// Takes the next one who connects; waits for it.
    ///
    /// # Errors
    /// `Kernel`: too many descriptors.
    pub fn accept(&self) -> Result<C> {
        loop {
            if let Some(connection) = self.accept_with(Patience::Endless)? {
                return Ok(connection);
            }
        }
    }

    /// Takes the next one who connects, if somebody does in time.
    ///
    /// # Errors
    /// As [`Self::accept`].
    pub fn accept_with(&self, patience: Patience) -> Result<Option<C>> {
        let accepted = accept(self.fd.as_fd(), patience);
        let accepted = accepted.map_err(|e| Error::kernel("accept at", &self.name.address, e, ""))?;
        accepted.map(|fd| C::from_fd(fd, &self.options)).transpose()
    }

    /// What can be polled for who connects.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.name.address
    }
}

/// The next one who connects, if somebody does in time, to a socket that does not block.
pub(super) fn accept(listener: BorrowedFd<'_>, patience: Patience) -> io::Result<Option<OwnedFd>> {
    let accepted = patiently(patience, polled(listener, Interest::Read), |_| match socket::accept(listener) {
        // Gone before it was accepted: the next, please.
        Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => Err(io::ErrorKind::Interrupted.into()),
        accepted => accepted,
    });
    match accepted {
        Ok(fd) => Ok(Some(fd)),
        Err(Refusal::Other(error)) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Connects to a [`Listener`] of the same kind; waits while as many are about to connect already as it allows.
///
/// # Errors
/// `NotFound`: nobody listens there, any more or yet; `Usage`: too long; `Permission`.
pub fn connect<C: Accepted>(address: impl Into<Address>, options: &Options) -> Result<C> {
    connect_with(address, options, Patience::Endless)
}

/// [`connect`], with patience.
///
/// # Errors
/// As there; `TimedOut`, `Busy`: as many are about to connect already as the listener allows.
pub fn connect_with<C: Accepted>(address: impl Into<Address>, options: &Options, patience: Patience) -> Result<C> {
    C::from_fd(connected(C::KIND, &address.into(), patience)?, options)
}

fn connected(kind: Kind, address: &Address, patience: Patience) -> Result<OwnedFd> {
    let raw = address.raw()?;
    let fd = socket::unix(kind).map_err(|e| Error::kernel("make", address, e, ""))?;
    let refused = |kind, why: &str| Err(Error::new(kind, format!("connect to {address}: {why}")));
    match patiently(patience, paused(), |_| socket::connect(fd.as_fd(), raw)) {
        Ok(()) => {}
        Err(Refusal::NotNow) => return refused(ErrorKind::Busy, "too many are waiting to be accepted"),
        Err(Refusal::Late) => return refused(ErrorKind::TimedOut, "nobody accepted until the time ran out"),
        Err(Refusal::Other(e)) => return Err(Error::kernel("connect to", address, e, "")),
        Err(Refusal::Gone | Refusal::TooLarge) => {
            return refused(ErrorKind::NotFound, "nobody is there; start the other side first");
        }
    }
    socket::set_blocking(fd.as_fd()).map_err(|e| Error::kernel("set up", address, e, ""))?;
    Ok(fd)
}
