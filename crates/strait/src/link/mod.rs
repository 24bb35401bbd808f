//! A way for messages from this process to another, over whichever mechanism, chosen while the program runs.
//!
//! ```text
//!   this process                                         a process that it starts
//!   sender(mechanism) -> our end, and an Offer --------> Offer::take(name), into_receiver
//!   receiver(mechanism) -> our end, and an Offer ------> Offer::take(name), into_sender
//!   duplex(mechanism) -> both, over one connection ----> Offer::take(name), into_duplex
//!                        Offer::hand_over(command, name)
//! ```
//!
//! 1. Nothing has a name: the other end travels as a descriptor. So nothing is left behind, whoever is killed, with one exception: a System V
//!    queue has no descriptor, and stays until it is removed, which dropping the [`Offer`] does, and being killed before does not.
//! 2. An offer, and the command that it was handed to, keep the other end open in this process. Drop both once the process has been started,
//!    or its death is not told where the kernel would tell it.
//! 3. strait's own channels ([`crate::channel`]) come as links too, and are [`MessageSender`]s and [`MessageReceiver`]s like the rest.
//!
//! ```
//! use strait::link;
//! use strait::transport::{Mechanism, MessageReceiver as _, MessageSender as _, Options};
//!
//! for mechanism in [Mechanism::Pipe, Mechanism::PosixMq, Mechanism::Spsc] {
//!     let (mut tx, offer) = link::sender(mechanism, &Options::new().message_bytes_max(1000))?;
//!     let mut rx = offer.into_receiver(&Options::new())?; // usually taken by another process
//!     tx.send(b"hello")?;
//!     let mut message = Vec::new();
//!     rx.recv(&mut message)?;
//!     assert_eq!(message, b"hello");
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod channels;

use crate::channel::{broadcast, mpmc, spsc};
use crate::error::{Error, ErrorKind, Result};
use crate::process::{Command, handed};
use crate::region::Place;
use crate::transport::unix::{Accepted as _, Packets, Stream};
use crate::transport::{
    Mechanism, MessageReceiver, MessageSender, Options, eventfd, fifo, inet, pipe, posix_mq, sysv_msg, unix,
};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use sysv_msg::Queue;

/// An end that sends, of any mechanism.
pub type Sender = Box<dyn MessageSender>;
/// An end that receives, of any mechanism.
pub type Receiver = Box<dyn MessageReceiver>;

/// What tells a child which link a descriptor is.
const VARIABLE: &str = "STRAIT_LINK_";

/// The other end of a link, for another process to take, or this one.
#[derive(Debug)]
pub struct Offer {
    mechanism: Mechanism,
    end: End,
}

#[derive(Debug)]
enum End {
    Fd(OwnedFd),
    /// Removed when the offer is dropped.
    Queue(Owned),
    /// Somebody else's.
    Found(Queue),
}

#[derive(Debug)]
struct Owned(Queue);

impl Drop for Owned {
    fn drop(&mut self) {
        // Removed already is as good.
        let _ = self.0.remove();
    }
}

/// Makes a link and keeps its sending end.
///
/// # Errors
/// What the mechanism says; `Unsupported` for signals, which need to know the receiver's process: [`crate::transport::signal`].
pub fn sender(mechanism: Mechanism, options: &Options) -> Result<(Sender, Offer)> {
    let (ours, end): (Sender, End) = match mechanism {
        Mechanism::Spsc => {
            let sender = spsc::Sender::<[u8]>::create(Place::memfd(PLACE), &channels::spsc(options))?;
            let end = again(sender.fd())?;
            (Box::new(sender), end)
        }
        Mechanism::Mpmc => {
            let producer = mpmc::Producer::<[u8]>::create(Place::memfd(PLACE), &channels::mpmc(options)?)?;
            let end = again(producer.fd())?;
            (Box::new(producer), end)
        }
        Mechanism::Broadcast => {
            let publisher = broadcast::Publisher::<[u8]>::create(Place::memfd(PLACE), &channels::broadcast(options))?;
            let end = again(publisher.fd())?;
            (Box::new(publisher), end)
        }
        Mechanism::SysvMsg => {
            let queue = Owned(Queue::create_private(options)?);
            (Box::new(queue.0.sender(options)?), End::Queue(queue))
        }
        _ => {
            let (ours, theirs) = ends(mechanism, options)?;
            (sender_on(mechanism, ours, options)?, End::Fd(theirs))
        }
    };
    Ok((ours, Offer { mechanism, end }))
}

/// Makes a link and keeps its receiving end.
///
/// # Errors
/// As [`sender`].
pub fn receiver(mechanism: Mechanism, options: &Options) -> Result<(Receiver, Offer)> {
    let (ours, end): (Receiver, End) = match mechanism {
        Mechanism::Spsc => {
            let receiver = spsc::Receiver::<[u8]>::create(Place::memfd(PLACE), &channels::spsc(options))?;
            let end = again(receiver.fd())?;
            (Box::new(receiver), end)
        }
        Mechanism::Mpmc => {
            let worker = mpmc::Worker::<[u8]>::create(Place::memfd(PLACE), &channels::mpmc(options)?)?;
            let end = again(worker.fd())?;
            (Box::new(worker), end)
        }
        Mechanism::Broadcast => {
            let subscriber = broadcast::Subscriber::<[u8]>::create(Place::memfd(PLACE), &channels::broadcast(options))?;
            let end = again(subscriber.fd())?;
            (Box::new(subscriber), end)
        }
        Mechanism::SysvMsg => {
            let queue = Owned(Queue::create_private(options)?);
            (Box::new(queue.0.receiver(options)?), End::Queue(queue))
        }
        _ => {
            let (theirs, ours) = ends(mechanism, options)?;
            (receiver_on(mechanism, ours, options)?, End::Fd(theirs))
        }
    };
    Ok((ours, Offer { mechanism, end }))
}

/// Makes a link that goes both ways over one connection, and keeps one side of it. For questions and answers: over TCP they take a quarter
/// less than over two links, for the answers carry the acknowledgements; over Unix sockets a sixth more, for a process that waits there is also
/// woken when what it sent is read (`docs/design/0021`). Streams that go both ways at once are better on two.
///
/// # Errors
/// As [`sender`]; `Unsupported`: the mechanism goes one way ([`crate::transport::Capabilities::goes_both_ways`]).
pub fn duplex(mechanism: Mechanism, options: &Options) -> Result<(Sender, Receiver, Offer)> {
    if !mechanism.capabilities().goes_both_ways {
        return Err(one_way(mechanism));
    }
    let (ours, theirs) = ends(mechanism, options)?;
    let (sender, receiver) = duplex_on(mechanism, ours, options)?;
    Ok((sender, receiver, Offer { mechanism, end: End::Fd(theirs) }))
}

/// What the memory of a channel is called in `/proc`.
const PLACE: &str = "strait.link";

fn again(fd: Option<BorrowedFd<'_>>) -> Result<End> {
    let fd = fd.ok_or_else(|| Error::new(ErrorKind::Unsupported, "make a link: its channel has no descriptor"))?;
    Ok(End::Fd(duplicate(fd)?))
}

fn duplicate(fd: BorrowedFd<'_>) -> Result<OwnedFd> {
    let remedy = "raise the limit on open files (ulimit -n)";
    fd.try_clone_to_owned().map_err(|e| Error::kernel("duplicate", "a descriptor", e, remedy))
}

/// The descriptors of both ends of a classic mechanism, the sending one first.
fn ends(mechanism: Mechanism, options: &Options) -> Result<(OwnedFd, OwnedFd)> {
    match mechanism {
        Mechanism::Pipe => pipe::ends(options),
        Mechanism::PacketPipe => pipe::packet_ends(options),
        Mechanism::Fifo => {
            let path = std::env::temp_dir().join(format!("strait.link-{}", unique()));
            fifo::create(&path, options)?;
            let opened = fifo::ends(&path, options);
            // Nobody else is to find it.
            std::fs::remove_file(&path).map_err(|e| Error::kernel("remove", path.display(), e, ""))?;
            opened
        }
        Mechanism::UnixStream => unix::ends(),
        Mechanism::UnixSeqpacket => unix::seqpacket_ends(),
        Mechanism::UnixDatagram => unix::datagram_ends(),
        Mechanism::Tcp => inet::tcp_ends(),
        Mechanism::Udp => inet::udp_ends(),
        Mechanism::PosixMq => {
            let name = format!("/strait.link-{}", unique());
            posix_mq::create(&name, options)?;
            let opened = posix_mq::ends(&name);
            posix_mq::remove(&name)?;
            opened
        }
        Mechanism::Eventfd => eventfd::ends(),
        _ => Err(Error::new(
            ErrorKind::Unsupported,
            format!("make a link of {}: its receiver must be known first", mechanism.name()),
        )),
    }
}

/// Unique on this machine among live processes; what has such a name loses it at once.
fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    // Relaxed: a count and nothing that hangs on it.
    format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

fn sender_on(mechanism: Mechanism, fd: OwnedFd, options: &Options) -> Result<Sender> {
    Ok(match mechanism {
        Mechanism::Pipe => Box::new(pipe::sender_from_fd(fd, options)),
        Mechanism::PacketPipe => Box::new(pipe::packet_sender_from_fd(fd, options)),
        Mechanism::Fifo => Box::new(fifo::sender_from_fd(fd, options)),
        Mechanism::UnixStream => Box::new(Stream::from_fd(fd, options)?.into_sender()),
        Mechanism::UnixSeqpacket => Box::new(Packets::from_fd(fd, options)?.into_sender()),
        Mechanism::UnixDatagram => Box::new(Packets::datagrams_from_fd(fd, options)?.into_sender()),
        Mechanism::Tcp => Box::new(inet::tcp_from_fd(fd, options)?.into_sender()),
        Mechanism::Udp => Box::new(inet::udp_sender_from_fd(fd, options)),
        Mechanism::PosixMq => Box::new(posix_mq::Sender::from_fd(fd)?),
        Mechanism::Eventfd => Box::new(eventfd::Counter::from_fd(fd)),
        Mechanism::Spsc => Box::new(spsc::Sender::<[u8]>::from_fd(fd, &channels::spsc(options))?),
        Mechanism::Mpmc => Box::new(mpmc::Producer::<[u8]>::from_fd(fd, &channels::mpmc(options)?)?),
        Mechanism::Broadcast => Box::new(broadcast::Publisher::<[u8]>::from_fd(fd, &channels::broadcast(options))?),
        Mechanism::Signal | Mechanism::SysvMsg => return Err(no_descriptor(mechanism)),
    })
}

fn receiver_on(mechanism: Mechanism, fd: OwnedFd, options: &Options) -> Result<Receiver> {
    Ok(match mechanism {
        Mechanism::Pipe => Box::new(pipe::receiver_from_fd(fd, options)),
        Mechanism::PacketPipe => Box::new(pipe::packet_receiver_from_fd(fd, options)),
        Mechanism::Fifo => Box::new(fifo::receiver_from_fd(fd, options)),
        Mechanism::UnixStream => Box::new(Stream::from_fd(fd, options)?.into_receiver()),
        Mechanism::UnixSeqpacket => Box::new(Packets::from_fd(fd, options)?.into_receiver()),
        Mechanism::UnixDatagram => Box::new(Packets::datagrams_from_fd(fd, options)?.into_receiver()),
        Mechanism::Tcp => Box::new(inet::tcp_from_fd(fd, options)?.into_receiver()),
        Mechanism::Udp => Box::new(inet::udp_receiver_from_fd(fd, options)),
        Mechanism::PosixMq => Box::new(posix_mq::Receiver::from_fd(fd)?),
        Mechanism::Eventfd => Box::new(eventfd::Counter::from_fd(fd)),
        Mechanism::Spsc => Box::new(spsc::Receiver::<[u8]>::from_fd(fd, &channels::spsc(options))?),
        Mechanism::Mpmc => Box::new(mpmc::Worker::<[u8]>::from_fd(fd, &channels::mpmc(options)?)?),
        Mechanism::Broadcast => Box::new(broadcast::Subscriber::<[u8]>::from_fd(fd, &channels::broadcast(options))?),
        Mechanism::Signal | Mechanism::SysvMsg => return Err(no_descriptor(mechanism)),
    })
}

fn duplex_on(mechanism: Mechanism, fd: OwnedFd, options: &Options) -> Result<(Sender, Receiver)> {
    let packets = |it: Packets| -> (Sender, Receiver) { (Box::new(it.sender), Box::new(it.receiver)) };
    let stream = |it: Stream| -> (Sender, Receiver) { (Box::new(it.sender), Box::new(it.receiver)) };
    Ok(match mechanism {
        Mechanism::UnixStream => stream(Stream::from_fd(fd, options)?),
        Mechanism::UnixSeqpacket => packets(Packets::from_fd(fd, options)?),
        Mechanism::UnixDatagram => packets(Packets::datagrams_from_fd(fd, options)?),
        Mechanism::Tcp => stream(inet::tcp_from_fd(fd, options)?),
        Mechanism::Udp => {
            let sender = inet::udp_sender_from_fd(duplicate(fd.as_fd())?, options);
            (Box::new(sender), Box::new(inet::udp_receiver_from_fd(fd, options)))
        }
        _ => return Err(one_way(mechanism)),
    })
}

fn one_way(mechanism: Mechanism) -> Error {
    let why = format!("make a link both ways of {}: it goes one way; make two", mechanism.name());
    Error::new(ErrorKind::Unsupported, why)
}

fn no_descriptor(mechanism: Mechanism) -> Error {
    Error::new(ErrorKind::Unsupported, format!("use {} by a descriptor: it has none", mechanism.name()))
}

impl Offer {
    /// What it is an end of.
    #[must_use]
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// Gives the end to a process that `command` starts, under a name. The options that concern messages must be the same there.
    ///
    /// # Errors
    /// `Kernel`: too many descriptors.
    pub fn hand_over(&self, command: &mut Command, name: &str) -> Result<()> {
        let mut word = self.mechanism.name().to_owned();
        match &self.end {
            End::Fd(fd) => drop(command.hand_over(name, duplicate(fd.as_fd())?)),
            End::Queue(Owned(queue)) | End::Found(queue) => word = format!("{word}:{}", queue.id()),
        }
        command.env(format!("{VARIABLE}{name}"), word);
        Ok(())
    }

    /// Takes what the parent has handed over under this name.
    ///
    /// # Errors
    /// `NotFound`: nothing of that name; `Usage`: it is no link.
    pub fn take(name: &str) -> Result<Self> {
        let missing = || Error::new(ErrorKind::NotFound, format!("take the link '{name}': none was handed over"));
        let word = std::env::var(format!("{VARIABLE}{name}")).map_err(|_| missing())?;
        let (word, id) = word.split_once(':').unwrap_or((&word, ""));
        let no_link = || Error::new(ErrorKind::Usage, format!("take the link '{name}': '{word}' is no mechanism"));
        let mechanism = Mechanism::of_name(word).ok_or_else(no_link)?;
        let end = match mechanism {
            Mechanism::SysvMsg => End::Found(Queue::of_id(id.parse().map_err(|_| no_link())?)),
            _ => End::Fd(handed(name)?),
        };
        Ok(Self { mechanism, end })
    }

    /// The sending end.
    ///
    /// # Errors
    /// What the mechanism says of a descriptor that is no such end.
    pub fn into_sender(self, options: &Options) -> Result<Sender> {
        match self.end {
            End::Fd(fd) => sender_on(self.mechanism, fd, options),
            End::Found(queue) => Ok(Box::new(queue.sender(options)?)),
            End::Queue(owned) => Ok(Box::new(Keeping { end: owned.0.sender(options)?, _queue: owned })),
        }
    }

    /// The receiving end.
    ///
    /// # Errors
    /// As [`Self::into_sender`].
    pub fn into_receiver(self, options: &Options) -> Result<Receiver> {
        match self.end {
            End::Fd(fd) => receiver_on(self.mechanism, fd, options),
            End::Found(queue) => Ok(Box::new(queue.receiver(options)?)),
            End::Queue(owned) => Ok(Box::new(Keeping { end: owned.0.receiver(options)?, _queue: owned })),
        }
    }

    /// Both ends of a link that goes both ways.
    ///
    /// # Errors
    /// As [`Self::into_sender`]; `Unsupported`: it goes one way.
    pub fn into_duplex(self, options: &Options) -> Result<(Sender, Receiver)> {
        match self.end {
            End::Fd(fd) => duplex_on(self.mechanism, fd, options),
            End::Queue(_) | End::Found(_) => Err(one_way(self.mechanism)),
        }
    }

    /// Removes what it stands for, if that is something that outlives its users: a System V queue. For a child whose parent was killed.
    pub fn remove(&self) {
        if let End::Queue(Owned(queue)) | End::Found(queue) = &self.end {
            // Removed already is as good.
            let _ = queue.remove();
        }
    }
}

/// An end whose queue goes with it.
#[derive(Debug)]
struct Keeping<E> {
    end: E,
    _queue: Owned,
}

impl MessageSender for Keeping<sysv_msg::Sender> {
    fn send_with(
        &mut self,
        message: &[u8],
        patience: crate::transport::Patience,
    ) -> Result<(), crate::transport::SendError> {
        self.end.send_with(message, patience)
    }

    fn message_bytes_max(&self) -> usize {
        self.end.message_bytes_max()
    }

    fn mechanism(&self) -> Mechanism {
        Mechanism::SysvMsg
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

impl MessageReceiver for Keeping<sysv_msg::Receiver> {
    fn recv_with(
        &mut self,
        into: &mut Vec<u8>,
        patience: crate::transport::Patience,
    ) -> Result<(), crate::transport::RecvError> {
        self.end.recv_with(into, patience)
    }

    fn mechanism(&self) -> Mechanism {
        Mechanism::SysvMsg
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}
