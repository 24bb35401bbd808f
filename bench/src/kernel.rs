//! Pipes, sockets, queues and counters for both sides of a run, made by one side and inherited by the other, so that bare system calls and
//! `strait::transport` use the same objects.
//!
//! The numbers of the peer's descriptors, or of its System V queues, are written into the run's memfd: its end to send with, its end to
//! receive with, 4 bytes each.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use rustix::io::{FdFlags, fcntl_setfd, pread, pwrite};
use strait::transport::Mechanism;
use strait_sys::mq_open::{Limits, Use, mq_open, mq_unlink};
use strait_sys::msgget::{msgctl_remove, msgget};
use strait_sys::socket::{self, Kind};
use strait_sys::{eventfd, mkfifo, mq_open, pipe};

use crate::contender::{Side, Site};
use crate::raw;

/// One end.
pub(crate) enum End {
    Fd(OwnedFd),
    /// Removed with its owner, which is the side that made it.
    Queue {
        id: i32,
        is_ours: bool,
    },
}

impl Drop for End {
    fn drop(&mut self) {
        if let Self::Queue { id, is_ours: true } = self {
            // Both ends own it, and one of them is the first.
            let _ = msgctl_remove(*id);
        }
    }
}

impl End {
    /// The descriptor; the caller knows that there is one.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Fd(fd) => fd.as_fd(),
            Self::Queue { .. } => unreachable!("a System V queue has no descriptor"),
        }
    }

    /// The queue; the caller knows that it is one.
    pub(crate) fn queue(&self) -> i32 {
        match self {
            Self::Queue { id, .. } => *id,
            Self::Fd(_) => unreachable!("a descriptor is no System V queue"),
        }
    }

    fn number(&self) -> i32 {
        match self {
            Self::Fd(fd) => fd.as_raw_fd(),
            Self::Queue { id, .. } => *id,
        }
    }
}

/// What a side has, and what it keeps for the other until that has inherited it.
pub(crate) struct Ends {
    pub(crate) out: End,
    pub(crate) into: End,
    _theirs: Vec<End>,
}

/// The mechanism that a contender's name ends with: `transport pipe`.
pub(crate) fn mechanism(site: &Site) -> Mechanism {
    let name = site.job.contender.rsplit(' ').next().unwrap_or_default();
    Mechanism::of_name(name).expect("the rows name mechanisms")
}

/// Both ends of this side. `as_strait` opens what strait opens in another way: FIFOs and counters that do not block.
pub(crate) fn ends(site: &Site, as_strait: bool) -> io::Result<Ends> {
    let mechanism = mechanism(site);
    let mut numbers = [0; 8];
    if site.side == Side::There {
        pread(&site.memory, &mut numbers, 0)?;
        let (out, into) = numbers.split_at(4);
        let take = |bytes: &[u8]| {
            let number = i32::from_ne_bytes(bytes.try_into().expect("four bytes"));
            match mechanism {
                Mechanism::SysvMsg => End::Queue { id: number, is_ours: false },
                _ => End::Fd(raw::inherited(number)),
            }
        };
        return Ok(Ends { out: take(out), into: take(into), _theirs: Vec::new() });
    }
    let (out, their_into) = way(mechanism, site, as_strait, "there")?;
    let (their_out, into) = way(mechanism, site, as_strait, "back")?;
    for (place, end) in [&their_out, &their_into].into_iter().enumerate() {
        if let End::Fd(fd) = end {
            // Inherited by whatever is started now: the peer, and nobody else.
            fcntl_setfd(fd, FdFlags::empty())?;
        }
        numbers[place * 4..][..4].copy_from_slice(&end.number().to_ne_bytes());
    }
    pwrite(&site.memory, &numbers, 0)?;
    Ok(Ends { out, into, _theirs: vec![their_out, their_into] })
}

/// Both ends of one way, the one to send with first.
fn way(mechanism: Mechanism, site: &Site, as_strait: bool, name: &str) -> io::Result<(End, End)> {
    let fds = |(out, into): (OwnedFd, OwnedFd)| (End::Fd(out), End::Fd(into));
    let name = format!("{}-{name}", site.name());
    Ok(match mechanism {
        Mechanism::Pipe => pipe::pipe().map(|(read, write)| fds((write, read)))?,
        Mechanism::PacketPipe => pipe::packet_pipe().map(|(read, write)| fds((write, read)))?,
        Mechanism::Fifo => {
            let path = std::env::temp_dir().join(&name);
            mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
            let opened = if as_strait {
                mkfifo::open_to_read(&path).and_then(|read| Ok((mkfifo::open_to_write(&path)?, read)))
            } else {
                // Opened both ways, neither end waits for the other.
                let open = || open(&path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).map_err(io::Error::from);
                open().and_then(|out| Ok((out, open()?)))
            };
            std::fs::remove_file(&path)?;
            fds(opened?)
        }
        Mechanism::UnixStream => fds(socket::pair(Kind::Stream)?),
        Mechanism::UnixSeqpacket => fds(socket::pair(Kind::SeqPacket)?),
        Mechanism::UnixDatagram => fds(socket::pair(Kind::Datagram)?),
        Mechanism::Tcp => {
            let (out, into) = tcp()?;
            socket::set_no_delay(out.as_fd())?;
            fds((out, into))
        }
        Mechanism::Udp => {
            let (out, into) = (socket::inet(Kind::Datagram)?, socket::inet(Kind::Datagram)?);
            let port = socket::bind_loopback(into.as_fd(), 0)?;
            socket::connect_loopback(out.as_fd(), port)?;
            socket::set_blocking(out.as_fd())?;
            socket::set_blocking(into.as_fd())?;
            fds((out, into))
        }
        Mechanism::PosixMq => {
            let name = CString::new(format!("/{name}"))?;
            let limits = Limits { messages_max: 10, message_bytes_max: u32::try_from(site.job.bytes).unwrap_or(8192) };
            let out = mq_open(&name, Use::Send, mq_open::Create::New(limits), 0o600)?;
            let into = mq_open(&name, Use::Receive, mq_open::Create::No, 0);
            mq_unlink(&name)?;
            fds((out, into?))
        }
        Mechanism::SysvMsg => {
            let id = msgget(strait_sys::shmget::PRIVATE, strait_sys::shmget::Create::New, 0o600)?;
            (End::Queue { id, is_ours: true }, End::Queue { id, is_ours: true })
        }
        Mechanism::Eventfd => {
            let counter = if as_strait {
                eventfd::semaphore()?
            } else {
                let flags = rustix::event::EventfdFlags::SEMAPHORE | rustix::event::EventfdFlags::CLOEXEC;
                rustix::event::eventfd(0, flags)?
            };
            fds((counter.try_clone()?, counter))
        }
        _ => return Err(io::Error::other(format!("{} is not called by bare system calls here", mechanism.name()))),
    })
}

fn tcp() -> io::Result<(OwnedFd, OwnedFd)> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    let out = std::net::TcpStream::connect(listener.local_addr()?)?;
    let (into, _) = listener.accept()?;
    Ok((out.into(), into.into()))
}
