//! The ends that send.

use super::Failure;
use super::address::{Address, What};
use super::opening::{Unopened, broadcast_schema, left, longer, point_to_point, sysv_queue, unless_there, wrong_kind};
use super::plain::PlainOutlet;
use super::send::Sending;
use std::num::NonZero;
use std::time::{Duration, Instant};
use strait::channel::broadcast::{self, Publisher};
use strait::channel::mpmc::{self, Producer};
use strait::channel::spsc::Sender;
use strait::discovery::Kind;
use strait::region::Place;
use strait::transport::unix::{self, Packets, Stream};
use strait::transport::{MessageSender, Patience, SendError, fifo, inet, posix_mq, sysv_msg};

/// Why a message was not sent.
#[derive(Debug)]
pub(super) enum NotSent {
    /// There was no room until then; nothing was sent.
    Late,
    /// Nobody is there to receive.
    Gone(String),
    TooLarge {
        max_bytes: u64,
    },
    Failed(Failure),
}

/// An end that sends.
pub(super) trait Outlet {
    /// Sends a message, if there is room until then.
    fn send(&mut self, message: &[u8], until: Instant) -> Result<(), NotSent>;

    /// The longest message.
    fn message_bytes_max(&self) -> usize;

    /// Does what is to be done before the end is closed, as far as that can be until then; says whether it is done.
    fn finish(&mut self, until: Instant) -> Result<bool, NotSent> {
        let _ = until;
        Ok(true)
    }
}

/// Opens the sending end, or makes it.
pub(super) fn open(address: &Address, how: &Sending, until: Instant) -> Result<Box<dyn Outlet>, Unopened> {
    let is_plain = address.is_stream() && !how.is_framed;
    let options = how.make.transport(is_plain);
    let plain = |end: Box<dyn MessageSender>| -> Result<Box<dyn Outlet>, Unopened> {
        if is_plain { Ok(Box::new(PlainOutlet::new(address, end, how.framing)?)) } else { Ok(Box::new(end)) }
    };
    let late = || Unopened::NotYet(Failure::refused(format!("accept at {address}: nobody has connected")));
    let patience = Patience::Until(until);
    Ok(match &address.what {
        What::Channel(place) if how.is_publishing => publisher(address, place, how)?,
        What::Channel(place) => channel(address, place, how)?,
        What::PosixMq(name) => {
            if how.create.is_some() {
                unless_there(posix_mq::create(name, &options))?;
            }
            Box::new(Prioritized { end: posix_mq::Sender::open(name)?, priority: how.priority.unwrap_or(0) })
        }
        What::SysvMsg(key) => {
            let kind = NonZero::new(how.kind.unwrap_or(1));
            let kind = kind.ok_or_else(|| Failure::usage("a System V message has a type of at least 1: --kind 1"))?;
            Box::new(Typed { end: sysv_queue(*key, how.create.is_some(), &how.make)?.sender(&options)?, kind })
        }
        What::Fifo(path) => {
            if how.create.is_some() {
                unless_there(fifo::create(path, &options))?;
            }
            plain(Box::new(fifo::sender(path, &options)?))?
        }
        What::UnixStream(at) if how.listen => {
            let listener = unix::Listener::<Stream>::bind(at.clone(), &options)?;
            plain(Box::new(listener.accept_with(patience)?.ok_or_else(late)?.into_sender()))?
        }
        What::UnixStream(at) => {
            plain(Box::new(unix::connect_with::<Stream>(at.clone(), &options, patience)?.into_sender()))?
        }
        What::UnixSeqpacket(at) if how.listen => {
            let listener = unix::Listener::<Packets>::bind(at.clone(), &options)?;
            plain(Box::new(listener.accept_with(patience)?.ok_or_else(late)?.into_sender()))?
        }
        What::UnixSeqpacket(at) => {
            plain(Box::new(unix::connect_with::<Packets>(at.clone(), &options, patience)?.into_sender()))?
        }
        What::UnixDatagram(at) => plain(Box::new(unix::datagram_sender(at.clone(), &options)?))?,
        What::Tcp(port) if how.listen => {
            let listener = inet::TcpListener::bind(*port, &options)?;
            plain(Box::new(listener.accept_with(patience)?.ok_or_else(late)?.into_sender()))?
        }
        What::Tcp(port) => plain(Box::new(inet::tcp_connect_with(*port, &options, patience)?.into_sender()))?,
        What::Udp(port) => plain(Box::new(inet::udp_sender(*port, &options)?))?,
    })
}

fn channel(address: &Address, place: &Place, how: &Sending) -> Result<Box<dyn Outlet>, Unopened> {
    let wanted = point_to_point(address, place, &how.make, how.create, how.kind)?;
    match wanted.kind {
        Kind::Spsc => {
            let options = how.make.spsc(wanted.schema_id);
            let tx = if how.create.is_some() {
                Sender::open_or_create(place, &options)
            } else {
                Sender::open(place, &options)
            };
            Ok(Box::new(Spsc { tx: tx?, is_restartable: wanted.is_restartable }))
        }
        Kind::Mpmc => {
            let options = how.make.mpmc(wanted.schema_id, how.kinds);
            let tx = if how.create.is_some() {
                Producer::open_or_create(place, &options)
            } else {
                Producer::open(place, &options)
            };
            Ok(Box::new(Mpmc { tx: tx?, kind: how.kind.unwrap_or(0), is_restartable: wanted.is_restartable }))
        }
        kind => Err(wrong_kind(address, kind).into()),
    }
}

fn publisher(address: &Address, place: &Place, how: &Sending) -> Result<Box<dyn Outlet>, Unopened> {
    let schema = broadcast_schema(address, place, how.create.is_some())?;
    let options = how.make.broadcast(schema);
    let tx = if how.create.is_some() {
        Publisher::open_or_create(place, &options)
    } else {
        Publisher::open(place, &options)
    };
    Ok(Box::new(Broadcast { tx: tx?, awaited: how.subscribers }))
}

struct Spsc {
    tx: Sender<[u8]>,
    is_restartable: bool,
}

impl Outlet for Spsc {
    fn send(&mut self, message: &[u8], until: Instant) -> Result<(), NotSent> {
        match self.tx.send_timeout(message, left(until)) {
            Ok(()) => Ok(()),
            Err(strait::channel::SendTimeoutError::TimedOut) => Err(NotSent::Late),
            Err(strait::channel::SendTimeoutError::Failed(error)) => Err(spsc_error(error)),
        }
    }

    fn message_bytes_max(&self) -> usize {
        usize::try_from(self.tx.max_message_bytes()).unwrap_or(usize::MAX)
    }

    /// A channel that ends with us is left when its receiver has everything.
    fn finish(&mut self, until: Instant) -> Result<bool, NotSent> {
        if self.is_restartable {
            return Ok(true);
        }
        self.tx.drain(left(until)).map_err(spsc_error)
    }
}

fn spsc_error(error: strait::channel::SendError) -> NotSent {
    match error {
        strait::channel::SendError::Disconnected(_) => NotSent::Gone(error.to_string()),
        strait::channel::SendError::TooLarge { max_bytes, .. } => NotSent::TooLarge { max_bytes },
        _ => NotSent::Failed(Failure::peer(error.to_string())),
    }
}

struct Mpmc {
    tx: Producer<[u8]>,
    kind: u32,
    is_restartable: bool,
}

impl Outlet for Mpmc {
    fn send(&mut self, message: &[u8], until: Instant) -> Result<(), NotSent> {
        match self.tx.push_kind_timeout(self.kind, message, left(until)) {
            Ok(()) => Ok(()),
            Err(mpmc::PushTimeoutError::TimedOut) => Err(NotSent::Late),
            Err(mpmc::PushTimeoutError::Failed(error)) => Err(match error {
                mpmc::PushError::Disconnected(_) => NotSent::Gone(error.to_string()),
                mpmc::PushError::TooLarge { max_bytes, .. } => NotSent::TooLarge { max_bytes },
                mpmc::PushError::NoSuchKind { .. } => NotSent::Failed(Failure::usage(error.to_string())),
                _ => NotSent::Failed(Failure::peer(error.to_string())),
            }),
        }
    }

    fn message_bytes_max(&self) -> usize {
        self.tx.max_job_bytes() as usize
    }

    /// A queue that ends with us is left when every job is done. There is no waiting for that, so it is looked at again.
    fn finish(&mut self, until: Instant) -> Result<bool, NotSent> {
        let is_done = |it: &Self| it.is_restartable || it.tx.is_empty();
        while !is_done(self) {
            let left = left(until);
            if left.is_zero() {
                return Ok(false);
            }
            std::thread::sleep(left.min(Duration::from_millis(5)));
        }
        Ok(true)
    }
}

struct Broadcast {
    tx: Publisher<[u8]>,
    /// So many subscribers must be there before the first message.
    awaited: u32,
}

impl Outlet for Broadcast {
    fn send(&mut self, message: &[u8], until: Instant) -> Result<(), NotSent> {
        if self.awaited > 0 {
            if !self.tx.wait_for_subscribers(self.awaited, left(until)).map_err(broadcast_error)? {
                return Err(NotSent::Late);
            }
            self.awaited = 0;
        }
        match self.tx.publish_timeout(message, left(until)) {
            Ok(_) => Ok(()),
            Err(broadcast::PublishTimeoutError::TimedOut) => Err(NotSent::Late),
            Err(broadcast::PublishTimeoutError::Failed(error)) => Err(broadcast_error(error)),
        }
    }

    fn message_bytes_max(&self) -> usize {
        usize::try_from(self.tx.max_message_bytes()).unwrap_or(usize::MAX)
    }
}

fn broadcast_error(error: broadcast::PublishError) -> NotSent {
    match error {
        broadcast::PublishError::TooLarge { max_bytes, .. } => NotSent::TooLarge { max_bytes },
        _ => NotSent::Failed(Failure::peer(error.to_string())),
    }
}

struct Prioritized {
    end: posix_mq::Sender,
    priority: u32,
}

impl Outlet for Prioritized {
    fn send(&mut self, message: &[u8], until: Instant) -> Result<(), NotSent> {
        self.end.send_priority(message, self.priority, Patience::Until(until)).map_err(classic)
    }

    fn message_bytes_max(&self) -> usize {
        self.end.message_bytes_max()
    }
}

struct Typed {
    end: sysv_msg::Sender,
    kind: NonZero<u32>,
}

impl Outlet for Typed {
    fn send(&mut self, message: &[u8], until: Instant) -> Result<(), NotSent> {
        self.end.send_type(self.kind, message, Patience::Until(until)).map_err(|error| match error {
            SendError::Disconnected => NotSent::Gone("the queue was removed".to_owned()),
            error => classic(error),
        })
    }

    fn message_bytes_max(&self) -> usize {
        self.end.message_bytes_max()
    }
}

impl Outlet for Box<dyn MessageSender> {
    fn send(&mut self, message: &[u8], until: Instant) -> Result<(), NotSent> {
        self.send_with(message, Patience::Until(until)).map_err(classic)
    }

    fn message_bytes_max(&self) -> usize {
        MessageSender::message_bytes_max(self.as_ref())
    }

    fn finish(&mut self, until: Instant) -> Result<bool, NotSent> {
        match self.flush_with(Patience::Until(until)) {
            Ok(()) => Ok(true),
            Err(SendError::TimedOut | SendError::Full) => Ok(false),
            Err(error) => Err(classic(error)),
        }
    }
}

fn classic(error: SendError) -> NotSent {
    match error {
        SendError::Full | SendError::TimedOut => NotSent::Late,
        SendError::Disconnected => NotSent::Gone(error.to_string()),
        SendError::TooLarge { max_bytes, .. } => NotSent::TooLarge { max_bytes: max_bytes as u64 },
        SendError::Failed(error) => NotSent::Failed(error.into()),
        error => NotSent::Failed(Failure::no(error.to_string())),
    }
}

impl NotSent {
    /// As the end of sending message `number`.
    pub(super) fn failure(self, address: &Address, number: u64) -> Failure {
        let about = format!("send message {number} to {address}");
        match self {
            Self::Late => Failure::no(format!("{about}: there was no room in time")),
            Self::Gone(why) => Failure::peer(format!("{about}: {why}")),
            Self::TooLarge { max_bytes } => {
                Failure::no(format!("{about}: it is longer than the {max_bytes} bytes that fit; {}", longer(address)))
            }
            Self::Failed(Failure { message, exit }) => Failure { message: format!("{about}: {message}"), exit },
        }
    }
}
