//! The ends that receive.

use super::Failure;
use super::address::{Address, What};
use super::opening::{Unopened, broadcast_schema, left, point_to_point, sysv_queue, unless_there, wrong_kind};
use super::plain::PlainInlet;
use super::recv::Receiving;
use std::fmt::Display;
use std::num::NonZero;
use std::time::Instant;
use strait::channel::broadcast::{self, Subscriber};
use strait::channel::mpmc::{self, Kinds, Worker};
use strait::channel::spsc::{Received, Receiver};
use strait::channel::{Cause, RecvError as ChannelError, RecvTimeoutError};
use strait::discovery::Kind;
use strait::region::Place;
use strait::transport::sysv_msg::Select;
use strait::transport::unix::{self, Packets, Stream};
use strait::transport::{MessageReceiver, Patience, RecvError, fifo, inet, posix_mq, sysv_msg};

/// A message, and what the mechanism says of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Letter<'m> {
    pub(super) bytes: &'m [u8],
    /// Of a System V queue its type, of a work queue its kind.
    pub(super) kind: Option<u64>,
    pub(super) priority: Option<u32>,
    /// How often it was given to somebody, this time included.
    pub(super) deliveries: Option<u32>,
}

impl<'m> Letter<'m> {
    pub(super) fn of(bytes: &'m [u8]) -> Self {
        Self { bytes, ..Self::default() }
    }
}

/// Why a message was not handed on.
#[derive(Debug)]
pub(super) enum Halt {
    /// Nobody reads the output any more.
    Closed,
    Failed(Failure),
}

/// What a message is handed to. What it does not take stays in the channel, where the channel can do that.
pub(super) type Hand<'h> = dyn FnMut(&Letter<'_>) -> Result<(), Halt> + 'h;

/// Why no message was received.
#[derive(Debug)]
pub(super) enum NotReceived {
    /// There was none until then.
    Late,
    /// Nobody is there to send more; why, if the last one did not leave of its own will.
    Over(Option<String>),
    /// So many were lost before this end could read them; it goes on.
    Lost(u64),
    Halted(Halt),
    Failed(Failure),
}

impl From<Halt> for NotReceived {
    fn from(halt: Halt) -> Self {
        Self::Halted(halt)
    }
}

/// An end that receives.
pub(super) trait Inlet {
    /// Hands the next message on, if there is one until then.
    fn recv(&mut self, until: Instant, hand: &mut Hand<'_>) -> Result<(), NotReceived>;

    /// After the last sender has gone: goes on with the next, if this end can; says whether.
    fn goes_on(&mut self) -> bool {
        false
    }
}

/// Opens the receiving end, or makes it.
pub(super) fn open(address: &Address, how: &Receiving, until: Instant) -> Result<Box<dyn Inlet>, Unopened> {
    let is_plain = address.is_stream() && !how.is_framed;
    let options = how.make.transport(is_plain);
    let wire = Wire { address: address.clone(), is_plain, how: how.clone() };
    let patience = Patience::Until(until);
    Ok(match &address.what {
        What::Channel(place) if how.is_subscribing => subscriber(address, place, how)?,
        What::Channel(place) => channel(address, place, how)?,
        What::PosixMq(name) => {
            if how.create.is_some() {
                unless_there(posix_mq::create(name, &options))?;
            }
            Box::new(Prioritized(posix_mq::Receiver::open(name)?, Vec::new()))
        }
        What::SysvMsg(key) => {
            let select = match how.kind {
                None => Select::Any,
                Some(kind) => Select::Type(
                    NonZero::new(kind)
                        .ok_or_else(|| Failure::usage("a System V message has a type of at least 1: --kind 1"))?,
                ),
            };
            let queue = sysv_queue(*key, how.create.is_some(), &how.make)?;
            // Whatever another program sends there is to come out.
            let end = queue.receiver(&options.message_bytes_max(usize::MAX))?;
            Box::new(Typed { end, select, into: Vec::new() })
        }
        What::Fifo(path) => {
            if how.create.is_some() {
                unless_there(fifo::create(path, &options))?;
            }
            let end = fifo::Receiver::open(path, &options)?;
            wire.inlet(Box::new(if how.is_following { end.stay()? } else { end }))?
        }
        What::UnixStream(at) if how.connect => {
            wire.inlet(Box::new(unix::connect_with::<Stream>(at.clone(), &options, patience)?.into_receiver()))?
        }
        What::UnixSeqpacket(at) if how.connect => {
            wire.inlet(Box::new(unix::connect_with::<Packets>(at.clone(), &options, patience)?.into_receiver()))?
        }
        What::Tcp(port) if how.connect => {
            wire.inlet(Box::new(inet::tcp_connect_with(*port, &options, patience)?.into_receiver()))?
        }
        What::UnixStream(at) => {
            let listener = unix::Listener::<Stream>::bind(at.clone(), &options)?;
            wire.listening(move |patience| {
                Ok(listener.accept_with(patience)?.map(|it| Box::new(it.into_receiver()) as _))
            })
        }
        What::UnixSeqpacket(at) => {
            let listener = unix::Listener::<Packets>::bind(at.clone(), &options)?;
            wire.listening(move |patience| {
                Ok(listener.accept_with(patience)?.map(|it| Box::new(it.into_receiver()) as _))
            })
        }
        What::Tcp(port) => {
            let listener = inet::TcpListener::bind(*port, &options)?;
            wire.listening(move |patience| {
                Ok(listener.accept_with(patience)?.map(|it| Box::new(it.into_receiver()) as _))
            })
        }
        What::UnixDatagram(at) => wire.inlet(Box::new(unix::datagram_receiver(at.clone(), &options)?))?,
        What::Udp(port) => wire.inlet(Box::new(inet::udp_receiver(*port, &options)?.0))?,
    })
}

/// How what comes over a connection is to be understood.
struct Wire {
    address: Address,
    is_plain: bool,
    how: Receiving,
}

impl Wire {
    fn inlet(&self, end: Box<dyn MessageReceiver>) -> Result<Box<dyn Inlet>, Failure> {
        if !self.is_plain {
            return Ok(Box::new(Framed { end, into: Vec::new() }));
        }
        let max_bytes = self.how.make.message_bytes.map_or(super::opening::LINE_BYTES_MAX, |bytes| bytes as usize);
        Ok(Box::new(PlainInlet::new(&self.address, end, self.how.framing, max_bytes)?))
    }

    fn listening(self, accept: impl FnMut(Patience) -> Accepted + 'static) -> Box<dyn Inlet> {
        Box::new(Listening { accept: Box::new(accept), wire: self, connection: None })
    }
}

fn channel(address: &Address, place: &Place, how: &Receiving) -> Result<Box<dyn Inlet>, Unopened> {
    let wanted = point_to_point(address, place, &how.make, how.create, how.kind)?;
    match wanted.kind {
        Kind::Spsc => {
            let options = how.make.spsc(wanted.schema_id);
            let rx = if how.create.is_some() {
                Receiver::open_or_create(place, &options)
            } else {
                Receiver::open(place, &options)
            };
            Ok(Box::new(Spsc { rx: rx?, into: Vec::new(), lends: true }))
        }
        Kind::Mpmc => {
            let options = how.make.mpmc(wanted.schema_id, how.kinds);
            let rx = if how.create.is_some() {
                Worker::open_or_create(place, &options)
            } else {
                Worker::open(place, &options)
            };
            let rx = rx?;
            if how.kind.is_some_and(|kind| kind >= rx.kinds()) {
                let (kind, kinds) = (how.kind.unwrap_or(0), rx.kinds());
                return Err(
                    Failure::usage(format!("{address} has no kind {kind}, but {kinds}, numbered from 0")).into()
                );
            }
            Ok(Box::new(Mpmc { rx, kinds: how.kind.map_or(Kinds::ALL, Kinds::from) }))
        }
        kind => Err(wrong_kind(address, kind).into()),
    }
}

fn subscriber(address: &Address, place: &Place, how: &Receiving) -> Result<Box<dyn Inlet>, Unopened> {
    let schema = broadcast_schema(address, place, how.create.is_some())?;
    let mut options = how.make.broadcast(schema);
    if how.from_oldest {
        options = options.from_oldest();
    }
    let rx = if how.create.is_some() {
        Subscriber::open_or_create(place, &options)
    } else {
        Subscriber::open(place, &options)
    };
    Ok(Box::new(Broadcast { rx: rx?, into: Vec::new() }))
}

struct Spsc {
    rx: Receiver<[u8]>,
    into: Vec<u8>,
    /// Messages are read in place, and stay in the channel until they are written; another user's are copied first.
    lends: bool,
}

impl Inlet for Spsc {
    fn recv(&mut self, until: Instant, hand: &mut Hand<'_>) -> Result<(), NotReceived> {
        if self.lends {
            let received = self.rx.recv_ref_timeout(left(until));
            if let Err(RecvTimeoutError::Failed(ChannelError::Untrusted)) = received {
                drop(received);
                self.lends = false;
            } else {
                let message = received.map_err(spsc_error)?;
                return hand(&Letter::of(&message)).map_err(|halt| {
                    Received::put_back(message);
                    halt.into()
                });
            }
        }
        if !self.rx.wait_timeout(left(until)).map_err(|error| spsc_error(RecvTimeoutError::Failed(error)))? {
            return Err(NotReceived::Late);
        }
        self.rx.recv_into(&mut self.into).map_err(|error| spsc_error(RecvTimeoutError::Failed(error)))?;
        Ok(hand(&Letter::of(&self.into))?)
    }
}

fn over(cause: Cause, error: &dyn Display) -> NotReceived {
    NotReceived::Over(if cause == Cause::Died { Some(error.to_string()) } else { None })
}

fn spsc_error(error: RecvTimeoutError) -> NotReceived {
    match error {
        RecvTimeoutError::TimedOut => NotReceived::Late,
        RecvTimeoutError::Failed(error @ ChannelError::Disconnected(cause)) => over(cause, &error),
        RecvTimeoutError::Failed(error) => NotReceived::Failed(Failure::peer(error.to_string())),
    }
}

struct Mpmc {
    rx: Worker<[u8]>,
    kinds: Kinds,
}

impl Inlet for Mpmc {
    fn recv(&mut self, until: Instant, hand: &mut Hand<'_>) -> Result<(), NotReceived> {
        let job = self.rx.pop_kind_timeout(self.kinds, left(until)).map_err(|error| match error {
            mpmc::PopTimeoutError::TimedOut => NotReceived::Late,
            mpmc::PopTimeoutError::Failed(error @ mpmc::PopError::Disconnected(cause)) => over(cause, &error),
            mpmc::PopTimeoutError::Failed(error) => NotReceived::Failed(Failure::peer(error.to_string())),
        })?;
        let (kind, deliveries) = (Some(u64::from(job.kind())), Some(job.deliveries()));
        // Dropped without an acknowledgement it is for somebody else.
        hand(&Letter { bytes: &job, kind, deliveries, priority: None })?;
        job.ack();
        Ok(())
    }
}

struct Broadcast {
    rx: Subscriber<[u8]>,
    into: Vec<u8>,
}

impl Inlet for Broadcast {
    fn recv(&mut self, until: Instant, hand: &mut Hand<'_>) -> Result<(), NotReceived> {
        let failed = |error| match error {
            broadcast::RecvError::Lagged(count) => NotReceived::Lost(count),
            broadcast::RecvError::Disconnected(cause) => over(cause, &error),
            error => NotReceived::Failed(Failure::peer(error.to_string())),
        };
        if !self.rx.wait_timeout(left(until)).map_err(failed)? {
            return Err(NotReceived::Late);
        }
        match self.rx.try_recv_into(&mut self.into) {
            Ok(()) => Ok(hand(&Letter::of(&self.into))?),
            Err(broadcast::TryRecvError::Empty) => Err(NotReceived::Late),
            Err(broadcast::TryRecvError::Failed(error)) => Err(failed(error)),
        }
    }
}

struct Prioritized(posix_mq::Receiver, Vec<u8>);

impl Inlet for Prioritized {
    fn recv(&mut self, until: Instant, hand: &mut Hand<'_>) -> Result<(), NotReceived> {
        let priority = self.0.recv_priority(&mut self.1, Patience::Until(until)).map_err(classic)?;
        Ok(hand(&Letter { priority: Some(priority), ..Letter::of(&self.1) })?)
    }
}

struct Typed {
    end: sysv_msg::Receiver,
    select: Select,
    into: Vec<u8>,
}

impl Inlet for Typed {
    fn recv(&mut self, until: Instant, hand: &mut Hand<'_>) -> Result<(), NotReceived> {
        let received = self.end.recv_select(self.select, &mut self.into, Patience::Until(until));
        let kind = received.map_err(|error| match error {
            RecvError::Disconnected => NotReceived::Over(Some("the queue was removed".to_owned())),
            error => classic(error),
        })?;
        Ok(hand(&Letter { kind: Some(kind), ..Letter::of(&self.into) })?)
    }
}

struct Framed {
    end: Box<dyn MessageReceiver>,
    into: Vec<u8>,
}

impl Inlet for Framed {
    fn recv(&mut self, until: Instant, hand: &mut Hand<'_>) -> Result<(), NotReceived> {
        self.end.recv_with(&mut self.into, Patience::Until(until)).map_err(classic)?;
        Ok(hand(&Letter::of(&self.into))?)
    }
}

fn classic(error: RecvError) -> NotReceived {
    match error {
        RecvError::Empty | RecvError::TimedOut => NotReceived::Late,
        RecvError::Disconnected => NotReceived::Over(None),
        RecvError::Failed(error) => NotReceived::Failed(error.into()),
        error => NotReceived::Failed(Failure::peer(error.to_string())),
    }
}

type Accepted = strait::Result<Option<Box<dyn MessageReceiver>>>;

/// A socket to which senders connect, one after the other.
struct Listening {
    accept: Box<dyn FnMut(Patience) -> Accepted>,
    wire: Wire,
    connection: Option<Box<dyn Inlet>>,
}

impl Inlet for Listening {
    fn recv(&mut self, until: Instant, hand: &mut Hand<'_>) -> Result<(), NotReceived> {
        if let Some(connection) = &mut self.connection {
            return connection.recv(until, hand);
        }
        let accepted = (self.accept)(Patience::Until(until)).map_err(|error| NotReceived::Failed(error.into()))?;
        let connection = self.wire.inlet(accepted.ok_or(NotReceived::Late)?).map_err(NotReceived::Failed)?;
        self.connection.insert(connection).recv(until, hand)
    }

    fn goes_on(&mut self) -> bool {
        self.connection = None;
        true
    }
}
