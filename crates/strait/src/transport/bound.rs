//! Names of Unix sockets, and who has them.
//!
//! A socket's path stays when its owner dies, and then nobody can bind it again: `EADDRINUSE`. So whoever binds a path takes a lock on a file
//! beside it, `PATH.lock`, for as long as it lives; who gets that lock finds a path that is provably dead, and takes it away. The lock
//! file itself stays. Abstract names go with their socket, and are guarded by no permissions.

use crate::error::{Error, ErrorKind, Result};
use crate::transport::Options;
use std::fmt;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use strait_sys::fork::Birthmark;
use strait_sys::mmap::Access;
use strait_sys::socket::{self, Kind, PATH_BYTES_MAX};
use strait_sys::{fcntl_locking, fstat, open};

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

impl From<PathBuf> for Address {
    fn from(path: PathBuf) -> Self {
        Self::Path(path)
    }
}

impl Address {
    pub(super) fn raw(&self) -> Result<socket::Address<'_>> {
        let (bytes, raw) = match self {
            Self::Path(path) => (path.as_os_str().as_bytes(), socket::Address::Path(path)),
            Self::Abstract(name) => (name.as_bytes(), socket::Address::Abstract(name.as_bytes())),
        };
        if bytes.is_empty() || bytes.len() > PATH_BYTES_MAX {
            let why = format!("use {self}: a socket's name has 1 to {PATH_BYTES_MAX} bytes, this one {}", bytes.len());
            return Err(Error::new(ErrorKind::Usage, why));
        }
        Ok(raw)
    }
}

/// A name that is ours. Dropped, it is free again.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) address: Address,
    /// Says that the path is ours, for as long as it is held.
    lock: Option<OwnedFd>,
    /// In a forked child the name is not ours to take away.
    here: Birthmark,
}

/// A socket at an address, which does not block.
pub(super) fn bind(kind: Kind, address: Address, options: &Options) -> Result<(OwnedFd, Bound)> {
    let raw = address.raw()?;
    let refuse = |verb: &str, e: io::Error| Error::kernel(verb, &address, e, "");
    let here = Birthmark::here().map_err(|e| refuse("bind", e))?;
    let fd = socket::unix(kind).map_err(|e| refuse("make", e))?;
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
        // A stream cannot be connected to before `listen`; who may send a datagram in this moment may open the lock file's directory too.
        open::set_mode_of_path(path, options.mode).map_err(|e| refuse("set the mode of", e))?;
    }
    Ok((fd, Bound { address, lock, here }))
}

impl Drop for Bound {
    fn drop(&mut self) {
        if let (Address::Path(path), Some(_), true) = (&self.address, &self.lock, self.here.is_here()) {
            // Under our lock the path is ours. What is left is taken over by the next.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Takes the lock beside a path, and then a path away that a dead owner left.
fn take_path(path: &Path, address: &Address) -> Result<OwnedFd> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let beside = Path::new(&beside);
    let refuse = |e| Error::kernel("lock", address, e, "");
    let no_socket = || {
        let why = format!("bind {address}: the path is no socket; take another, or remove it");
        Error::new(ErrorKind::Incompatible, why)
    };
    // Nothing is laid beside somebody's file.
    if fstat::lstat(path).is_ok_and(|it| it.kind != fstat::Kind::Socket) {
        return Err(no_socket());
    }
    let lock = match open::new(beside) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => open::existing(beside, Access::ReadWrite),
        made => made,
    };
    let lock = lock.map_err(refuse)?;
    if !fcntl_locking::try_lock(lock.as_fd(), 0).map_err(refuse)? {
        return Err(Error::new(ErrorKind::Busy, format!("bind {address}: a living process has it")));
    }
    match fstat::lstat(path) {
        Ok(it) if it.kind == fstat::Kind::Socket => {
            // Who has it without such a lock is somebody else's program: it is asked.
            let probe = socket::unix(Kind::Stream).map_err(refuse)?;
            match socket::connect(probe.as_fd(), socket::Address::Path(path)) {
                Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {}
                _ => {
                    let why = format!("bind {address}: a living process has it, without a lock beside it");
                    return Err(Error::new(ErrorKind::Busy, why));
                }
            }
            std::fs::remove_file(path).map_err(|e| Error::kernel("remove the dead", address, e, ""))?;
        }
        Ok(_) => return Err(no_socket()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(refuse(e)),
    }
    Ok(lock)
}
