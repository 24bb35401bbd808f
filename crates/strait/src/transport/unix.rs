//! Unix sockets: both ways, between strangers, with the kernel's word on who is there.
//!
//! ```text
//!   Listener (a path, or an abstract name) <-- connect --  client
//!          \-- accept --> Connection <==================> Connection
//! ```
//!
//! A socket's path stays when its listener dies, and then nobody can bind it again: `EADDRINUSE`. So a [`Listener`] on a path takes a lock
//! on a file beside it, `PATH.lock`, for as long as it lives; who gets that lock finds a path that is provably dead, and takes it away.
//! The lock file itself stays. Abstract names (`Address::Abstract`) go with their socket, and are guarded by no permissions.
//!
//! See [unix(7)](https://man7.org/linux/man-pages/man7/unix.7.html).

use crate::error::{Error, ErrorKind, Result};
use crate::transport::packet::{PacketReceiver, PacketSender};
use crate::transport::stream::{Bytes, StreamReceiver, StreamSender};
use crate::transport::wait::is_ready;
use crate::transport::{Mechanism, Options, Patience};
use std::fmt;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use strait_sys::mmap::Access;
use strait_sys::poll::Interest;
use strait_sys::socket::{self, Kind, PATH_BYTES_MAX};
use strait_sys::{fcntl_locking, fstat, open};

pub use strait_sys::socket::Credentials;

/// How many may be about to connect.
const BACKLOG: i32 = 128;

/// Where a socket is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A path of up to 107 bytes.
    Path(PathBuf),
    /// A name in the kernel's table of this network namespace, of up to 107 bytes. Anybody can take or reach it.
    Abstract(String),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "unix socket '{}'", path.display()),
            Self::Abstract(name) => write!(f, "abstract unix socket '{}'", name.escape_default()),
        }
    }
}

impl From<&Path> for Address {
    fn from(path: &Path) -> Self {
        Self::Path(path.to_owned())
    }
}

impl Address {
    fn raw(&self) -> Result<socket::Address<'_>> {
        let (len, raw) = match self {
            Self::Path(path) => (path.as_os_str().as_bytes().len(), socket::Address::Path(path)),
            Self::Abstract(name) => (name.len(), socket::Address::Abstract(name.as_bytes())),
        };
        if len == 0 || len > PATH_BYTES_MAX {
            let why = format!("use {self}: a socket's name has 1 to {PATH_BYTES_MAX} bytes, this one {len}");
            return Err(Error::new(ErrorKind::Usage, why));
        }
        Ok(raw)
    }
}

/// A connection of a stream: both ways at once. Split, each way goes to a thread of its own.
#[derive(Debug)]
pub struct Connection<S, R> {
    /// What we send.
    pub sender: S,
    /// What we receive.
    pub receiver: R,
}

/// A connection that carries bytes.
pub type Stream = Connection<StreamSender, StreamReceiver>;
/// A connection that carries packets.
pub type Packets = Connection<PacketSender, PacketReceiver>;

impl Stream {
    /// A stream on a connected socket that was inherited or received.
    ///
    /// # Errors
    /// `Kernel`: too many descriptors.
    pub fn from_fd(fd: OwnedFd, options: &Options) -> Result<Self> {
        Self::new(fd, Mechanism::UnixStream, options)
    }

    pub(super) fn new(fd: OwnedFd, mechanism: Mechanism, options: &Options) -> Result<Self> {
        set_buffer(&fd, options)?;
        let twin = duplicate(&fd)?;
        Ok(Self {
            sender: StreamSender::new(Bytes::Socket(fd), mechanism, options),
            receiver: StreamReceiver::new(Bytes::Socket(twin), mechanism, options),
        })
    }
}

impl Packets {
    pub(super) fn new(fd: OwnedFd, mechanism: Mechanism, options: &Options) -> Result<Self> {
        set_buffer(&fd, options)?;
        let twin = duplicate(&fd)?;
        Ok(Self {
            sender: PacketSender::new(fd, mechanism, options),
            receiver: PacketReceiver::new(twin, mechanism, options),
        })
    }
}

fn duplicate(fd: &OwnedFd) -> Result<OwnedFd> {
    open::duplicate(fd.as_fd()).map_err(|e| Error::kernel("split", "a socket", e, "close descriptors"))
}

fn set_buffer(fd: &OwnedFd, options: &Options) -> Result<()> {
    let Some(bytes) = options.capacity_bytes else { return Ok(()) };
    let set = socket::set_send_buffer_bytes(fd, bytes);
    set.map_err(|e| Error::kernel("enlarge", "a socket's buffer", e, "raise /proc/sys/net/core/wmem_max"))
}

/// Two connected streams. Four system calls.
///
/// # Errors
/// `Kernel`: too many descriptors.
pub fn pair(options: &Options) -> Result<(Stream, Stream)> {
    let (a, b) = socket::pair(Kind::Stream).map_err(|e| Error::kernel("make", "a pair of sockets", e, ""))?;
    Ok((Stream::from_fd(a, options)?, Stream::from_fd(b, options)?))
}

/// Two connected packet sockets, that keep messages apart and tell the end.
///
/// # Errors
/// `Kernel`: too many descriptors.
#[doc(alias = "SOCK_SEQPACKET")]
pub fn seqpacket_pair(options: &Options) -> Result<(Packets, Packets)> {
    packets(Kind::SeqPacket, Mechanism::UnixSeqpacket, options)
}

/// Two connected datagram sockets, that keep messages apart and do not tell the end to who receives.
///
/// # Errors
/// `Kernel`: too many descriptors.
#[doc(alias = "SOCK_DGRAM")]
pub fn datagram_pair(options: &Options) -> Result<(Packets, Packets)> {
    packets(Kind::Datagram, Mechanism::UnixDatagram, options)
}

fn packets(kind: Kind, mechanism: Mechanism, options: &Options) -> Result<(Packets, Packets)> {
    let (a, b) = socket::pair(kind).map_err(|e| Error::kernel("make", "a pair of sockets", e, ""))?;
    Ok((Packets::new(a, mechanism, options)?, Packets::new(b, mechanism, options)?))
}

/// A socket that others connect to.
#[derive(Debug)]
pub struct Listener {
    fd: OwnedFd,
    address: Address,
    options: Options,
    /// Says that the path is ours, for as long as it is held.
    lock: Option<OwnedFd>,
}

impl Listener {
    /// Listens for streams at an address. A path that a dead listener left is taken over.
    ///
    /// # Errors
    /// `Busy`: somebody listens there; `Usage`: too long; `Incompatible`: the path is something else; `Permission`, `NotFound`.
    pub fn bind(address: impl Into<Address>, options: &Options) -> Result<Self> {
        let address = address.into();
        let raw = address.raw()?;
        let refuse = |verb: &str, e: io::Error| Error::kernel(verb, &address, e, "");
        let fd = socket::unix(Kind::Stream).map_err(|e| refuse("make", e))?;
        let lock = match &address {
            Address::Path(path) => Some(take_path(path, &address)?),
            Address::Abstract(_) => None,
        };
        let bound = socket::bind(fd.as_fd(), raw);
        bound.map_err(|e| {
            let is_taken = e.kind() == io::ErrorKind::AddrInUse;
            refuse("bind", e).with_kind_if(is_taken, ErrorKind::Busy)
        })?;
        if let Address::Path(path) = &address {
            // Before anybody can connect: that takes `listen`.
            open::set_mode_of_path(path, options.mode).map_err(|e| refuse("set the mode of", e))?;
        }
        socket::listen(fd.as_fd(), BACKLOG).map_err(|e| refuse("listen at", e))?;
        Ok(Self { fd, address, options: options.clone(), lock })
    }

    /// Takes the next one who connects; waits for it.
    ///
    /// # Errors
    /// `Kernel`: too many descriptors.
    pub fn accept(&self) -> Result<Stream> {
        loop {
            if let Some(stream) = self.accept_with(Patience::Endless)? {
                return Ok(stream);
            }
        }
    }

    /// Takes the next one who connects, if somebody does in time.
    ///
    /// # Errors
    /// As [`Self::accept`].
    pub fn accept_with(&self, patience: Patience) -> Result<Option<Stream>> {
        let refuse = |e| Error::kernel("accept at", &self.address, e, "");
        if !is_ready(self.fd.as_fd(), Interest::Read, patience).map_err(refuse)? {
            return Ok(None);
        }
        match socket::accept(self.fd.as_fd()) {
            Ok(fd) => Stream::from_fd(fd, &self.options).map(Some),
            Err(e) if [io::ErrorKind::Interrupted, io::ErrorKind::ConnectionAborted].contains(&e.kind()) => Ok(None),
            Err(e) => Err(refuse(e)),
        }
    }

    /// What can be polled for who connects.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let (Address::Path(path), Some(_)) = (&self.address, &self.lock) {
            // Under our lock the path is ours. What is left is taken over by the next.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Takes the lock beside a path, and then a path away that a dead listener left.
fn take_path(path: &Path, address: &Address) -> Result<OwnedFd> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let beside = Path::new(&beside);
    let refuse = |e| Error::kernel("lock", address, e, "");
    let lock = match open::new(beside) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => open::existing(beside, Access::ReadWrite),
        made => made,
    };
    let lock = lock.map_err(refuse)?;
    if !fcntl_locking::try_lock(lock.as_fd(), 0).map_err(refuse)? {
        return Err(Error::new(ErrorKind::Busy, format!("listen at {address}: somebody listens there already")));
    }
    match fstat::lstat(path) {
        Ok(it) if it.kind == fstat::Kind::Socket => {
            // Who listens without such a lock is somebody else's program: it is asked.
            let probe = socket::unix(Kind::Stream).map_err(refuse)?;
            match socket::connect(probe.as_fd(), socket::Address::Path(path)) {
                Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {}
                _ => {
                    let why = format!("listen at {address}: somebody listens there already, without a lock beside it");
                    return Err(Error::new(ErrorKind::Busy, why));
                }
            }
            std::fs::remove_file(path).map_err(|e| Error::kernel("remove the dead", address, e, ""))?;
        }
        Ok(_) => {
            let why = format!("listen at {address}: the path is no socket; take another, or remove it");
            return Err(Error::new(ErrorKind::Incompatible, why));
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(refuse(e)),
    }
    Ok(lock)
}

/// Connects to a listener.
///
/// # Errors
/// `NotFound`: nobody listens there, any more or yet; `Usage`: too long; `Permission`.
pub fn connect(address: impl Into<Address>, options: &Options) -> Result<Stream> {
    let address = address.into();
    let raw = address.raw()?;
    let fd = socket::unix(Kind::Stream).map_err(|e| Error::kernel("make", &address, e, ""))?;
    loop {
        match socket::connect(fd.as_fd(), raw) {
            Ok(()) => return Stream::from_fd(fd, options),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => {
                let is_dead = e.kind() == io::ErrorKind::ConnectionRefused;
                let error = Error::kernel("connect to", &address, e, if is_dead { "nobody listens there" } else { "" });
                return Err(error.with_kind_if(is_dead, ErrorKind::NotFound));
            }
        }
    }
}

impl Stream {
    /// Who is at the other end, by the kernel's word. One system call.
    ///
    /// # Errors
    /// `Kernel`: it is no Unix socket.
    #[doc(alias = "SO_PEERCRED")]
    pub fn peer(&self) -> Result<Credentials> {
        use crate::transport::MessageSender as _;
        let fd =
            self.sender.fd().ok_or_else(|| Error::new(ErrorKind::Unsupported, "ask who is there: no descriptor"))?;
        socket::peer_credentials(fd).map_err(|e| Error::kernel("ask who is at", "a socket", e, ""))
    }
}
