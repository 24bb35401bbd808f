//! The ends of one way between the two processes, of whichever subject, waiting as the job says.
//!
//! | subject | how it waits awake | asleep |
//! |---|---|---|
//! | strait's own | their own spinning | their own sleep |
//! | all of the kernel's | `try_send`, `try_recv`, again and again: a system call each | `send`, `recv`: one system call that waits |
//!
//! Everything has the capacity that it has by default; strait's own hold [`STREAM_BYTES`] for a stream, [`TURN_BYTES`] else.
//!
//! A round trip goes over one connection where that goes both ways, as everybody would use it, and else over two ways, each of its own.
//!
//! A System V queue is the one thing that outlives its users: [`Left`] takes it away, whoever dies.

use crate::bench::futex;
use crate::bench::job::{Job, Measure, Trouble};
use crate::bench::subject::Subject;
use std::hint::spin_loop;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, PoisonError};
use strait::channel::{Strategy, broadcast, mpmc, rpc, spsc, watch};
use strait::link::{self, Offer};
use strait::process::{Command, handed};
use strait::region::Place;
use strait::transport::{Mechanism, Options, Patience, RecvError, SendError, signal};

/// Room in strait's channels: a second cache's worth for a stream, few pages for one message at a time.
const STREAM_BYTES: usize = 1 << 20;
const TURN_BYTES: usize = 64 << 10;
/// Of the real-time signals one that nobody else uses here.
const SIGNAL: i32 = 40;
/// What the memory of a channel is called in `/proc`.
const PLACE: &str = "strait.bench";

/// The end that sends.
pub(super) trait Sending {
    /// Sends, and sees to it that all of it is on its way.
    fn send(&mut self, message: &[u8]) -> Result<(), Trouble>;
    /// The longest message.
    fn bytes_max(&self) -> usize;
}

/// The end that receives.
pub(super) trait Receiving {
    fn recv(&mut self, into: &mut Vec<u8>) -> Result<(), Trouble>;
}

/// An end that sends, of any subject.
pub(super) type Tx = Box<dyn Sending>;
/// An end that receives, of any subject.
pub(super) type Rx = Box<dyn Receiving>;

/// Who calls.
pub(super) type Client = Box<rpc::Client<[u8], [u8]>>;
/// Who answers.
pub(super) type Server = Box<rpc::Server<[u8], [u8]>>;

/// Waits in its own way: the kernel's, or a channel's strategy.
struct Waiting<E>(E);
/// Tries until it is done.
struct Trying<E>(E);

impl Sending for Waiting<link::Sender> {
    fn send(&mut self, message: &[u8]) -> Result<(), Trouble> {
        Ok(self.0.send(message)?)
    }

    fn bytes_max(&self) -> usize {
        self.0.message_bytes_max()
    }
}

impl Receiving for Waiting<link::Receiver> {
    fn recv(&mut self, into: &mut Vec<u8>) -> Result<(), Trouble> {
        Ok(self.0.recv(into)?)
    }
}

impl Sending for Trying<link::Sender> {
    fn send(&mut self, message: &[u8]) -> Result<(), Trouble> {
        let mut tried = self.0.try_send(message);
        while matches!(tried, Err(SendError::Full)) {
            spin_loop();
            tried = self.0.try_send(message);
        }
        tried?;
        // Of a framed message there may have been room for a part.
        while let Err(error) = self.0.flush_with(Patience::None) {
            if !matches!(error, SendError::Full) {
                return Err(error.into());
            }
            spin_loop();
        }
        Ok(())
    }

    fn bytes_max(&self) -> usize {
        self.0.message_bytes_max()
    }
}

impl Receiving for Trying<link::Receiver> {
    fn recv(&mut self, into: &mut Vec<u8>) -> Result<(), Trouble> {
        loop {
            match self.0.try_recv(into) {
                Err(RecvError::Empty) => spin_loop(),
                received => return Ok(received?),
            }
        }
    }
}

/// A watch that is read each time it has changed.
impl Sending for watch::Writer<[u8]> {
    fn send(&mut self, message: &[u8]) -> Result<(), Trouble> {
        self.send(message).map_err(failed)
    }

    fn bytes_max(&self) -> usize {
        usize::try_from(self.max_message_bytes()).unwrap_or(usize::MAX)
    }
}

impl Receiving for watch::Reader<[u8]> {
    fn recv(&mut self, into: &mut Vec<u8>) -> Result<(), Trouble> {
        self.changed(into).map_err(failed)
    }
}

pub(super) fn failed(error: impl std::fmt::Display) -> Trouble {
    Trouble::Failed(error.to_string())
}

/// What must be taken away when its users are gone: System V queues.
#[derive(Clone, Default)]
pub(super) struct Left(Arc<Mutex<Vec<Offer>>>);

impl Left {
    /// Takes it all away; waits for who is just making something.
    pub(super) fn remove(&self) {
        // Dropping what is our own removes it; of what was handed to us that must be said.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..).for_each(|offer| offer.remove());
    }

    /// Makes something, and keeps what has to be taken away.
    fn keep<E>(
        &self,
        make: impl FnOnce() -> strait::Result<(E, Offer)>,
        use_it: impl FnOnce(&Offer) -> strait::Result<()>,
    ) -> strait::Result<E> {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (end, offer) = make()?;
        let outcome = use_it(&offer);
        // Of all others this process keeps no copy of the other end, or its death is not told.
        if offer.mechanism() == Mechanism::SysvMsg {
            left.push(offer);
        }
        outcome.map(|()| end)
    }

    /// Keeps in mind what was handed over under this name.
    pub(super) fn watch_over(&self, job: &Job, name: &str) {
        if job.subject == Subject::Mechanism(Mechanism::SysvMsg) {
            let offer = Offer::take(name).ok();
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(offer);
        }
    }
}

/// What both sides must have alike.
fn options(job: &Job) -> Options {
    Options::new().message_bytes_max(job.bytes).shared(false)
}

fn strategy(job: &Job) -> Strategy {
    if job.spins() { Strategy::Spin } else { Strategy::Sleep }
}

fn room_bytes(job: &Job) -> usize {
    if job.measure == Measure::Stream { STREAM_BYTES } else { TURN_BYTES }
}

/// How many messages a channel of many holds.
fn room_messages(job: &Job) -> u32 {
    // At most what is named here.
    (room_bytes(job) / job.bytes.max(64)).clamp(4, 1024) as u32
}

fn spsc_options(job: &Job) -> spsc::Options {
    let bytes = room_bytes(job).max((job.bytes + 64) * 4) as u64;
    spsc::Options::new().capacity_bytes(bytes).populate(true).wait(strategy(job))
}

fn mpmc_options(job: &Job) -> mpmc::Options {
    let bytes = u32::try_from(job.bytes).unwrap_or(u32::MAX);
    mpmc::Options::new().capacity(room_messages(job)).job_max_bytes(bytes).populate(true).wait(strategy(job))
}

fn broadcast_options(job: &Job) -> broadcast::Options {
    let options = broadcast::Options::new().capacity(room_messages(job).into()).max_message_bytes(job.bytes as u64);
    options.subscribers(1).from_oldest().populate(true).wait(strategy(job))
}

fn watch_options(job: &Job) -> watch::Options {
    watch::Options::new().max_message_bytes(job.bytes as u64).populate(true).wait(strategy(job))
}

fn rpc_options(job: &Job) -> rpc::Options {
    let bytes = u32::try_from(job.bytes).unwrap_or(u32::MAX);
    rpc::Options::new().max_request_bytes(bytes).max_answer_bytes(bytes).populate(true).wait(strategy(job))
}

fn give(command: &mut Command, name: &str, fd: Option<BorrowedFd<'_>>) -> Result<(), Trouble> {
    let copy = fd.map(|fd| fd.try_clone_to_owned()).transpose();
    let copy = copy.map_err(|e| Trouble::Refused(format!("duplicate a descriptor: {e}")))?;
    let copy = copy.ok_or_else(|| Trouble::Failed("the channel has no descriptor to hand over".to_owned()))?;
    command.hand_over(name, copy);
    Ok(())
}

fn waiting_tx(end: impl strait::transport::MessageSender + 'static) -> Tx {
    Box::new(Waiting::<link::Sender>(Box::new(end)))
}

fn waiting_rx(end: impl strait::transport::MessageReceiver + 'static) -> Rx {
    Box::new(Waiting::<link::Receiver>(Box::new(end)))
}

fn kernel_tx(job: &Job, end: link::Sender) -> Tx {
    if job.spins() { Box::new(Trying(end)) } else { Box::new(Waiting(end)) }
}

fn kernel_rx(job: &Job, end: link::Receiver) -> Rx {
    if job.spins() { Box::new(Trying(end)) } else { Box::new(Waiting(end)) }
}

/// Makes a way and keeps its sending end; the other is handed over. `None`: of signals, see [`signal_tx`].
pub(super) fn make_tx(job: &Job, left: &Left, command: &mut Command, name: &str) -> Result<Option<Tx>, Trouble> {
    let place = || Place::memfd(PLACE);
    Ok(Some(match job.subject {
        Subject::Futex => Box::new(futex::End::create(job, command, name)?),
        Subject::Mechanism(Mechanism::Spsc) => {
            let end = spsc::Sender::<[u8]>::create(place(), &spsc_options(job))?;
            give(command, name, end.fd())?;
            waiting_tx(end)
        }
        Subject::Mechanism(Mechanism::Mpmc) => {
            let end = mpmc::Producer::<[u8]>::create(place(), &mpmc_options(job))?;
            give(command, name, end.fd())?;
            waiting_tx(end)
        }
        Subject::Mechanism(Mechanism::Broadcast) => {
            let end = broadcast::Publisher::<[u8]>::create(place(), &broadcast_options(job))?;
            give(command, name, end.fd())?;
            waiting_tx(end)
        }
        Subject::Mechanism(Mechanism::Signal) => return Ok(None),
        Subject::Mechanism(mechanism) => {
            let make = || link::sender(mechanism, &options(job));
            kernel_tx(job, left.keep(make, |offer| offer.hand_over(command, name))?)
        }
        Subject::Watch => {
            let end = watch::Writer::<[u8]>::create(place(), &watch_options(job))?;
            give(command, name, end.fd())?;
            Box::new(end)
        }
        Subject::Rpc => return Err(failed("a call is no message")),
    }))
}

/// Makes a way and keeps its receiving end; the other is handed over.
pub(super) fn make_rx(job: &Job, left: &Left, command: &mut Command, name: &str) -> Result<Rx, Trouble> {
    let place = || Place::memfd(PLACE);
    Ok(match job.subject {
        Subject::Futex => Box::new(futex::End::create(job, command, name)?),
        Subject::Mechanism(Mechanism::Spsc) => {
            let end = spsc::Receiver::<[u8]>::create(place(), &spsc_options(job))?;
            give(command, name, end.fd())?;
            waiting_rx(end)
        }
        Subject::Mechanism(Mechanism::Mpmc) => {
            let end = mpmc::Worker::<[u8]>::create(place(), &mpmc_options(job))?;
            give(command, name, end.fd())?;
            waiting_rx(end)
        }
        Subject::Mechanism(Mechanism::Broadcast) => {
            let end = broadcast::Subscriber::<[u8]>::create(place(), &broadcast_options(job))?;
            give(command, name, end.fd())?;
            waiting_rx(end)
        }
        Subject::Mechanism(Mechanism::Signal) => kernel_rx(job, Box::new(signal::Receiver::new(SIGNAL)?)),
        Subject::Mechanism(mechanism) => {
            let make = || link::receiver(mechanism, &options(job));
            kernel_rx(job, left.keep(make, |offer| offer.hand_over(command, name))?)
        }
        Subject::Watch => {
            let end = watch::Reader::<[u8]>::create(place(), &watch_options(job))?;
            give(command, name, end.fd())?;
            Box::new(end)
        }
        Subject::Rpc => return Err(failed("a call is no message")),
    })
}

/// Makes one connection that goes both ways and keeps a side of it; the other is handed over.
pub(super) fn make_both(
    job: &Job,
    mechanism: Mechanism,
    command: &mut Command,
    name: &str,
) -> Result<(Tx, Rx), Trouble> {
    let (tx, rx, offer) = link::duplex(mechanism, &options(job))?;
    offer.hand_over(command, name)?;
    Ok((kernel_tx(job, tx), kernel_rx(job, rx)))
}

/// The other side of a connection that goes both ways.
pub(super) fn take_both(job: &Job, name: &str) -> Result<(Tx, Rx), Trouble> {
    let (tx, rx) = Offer::take(name)?.into_duplex(&options(job))?;
    Ok((kernel_tx(job, tx), kernel_rx(job, rx)))
}

/// The sending end of a way that was handed over; of signals, to this process.
pub(super) fn take_tx(job: &Job, name: &str, pid: u32) -> Result<Tx, Trouble> {
    Ok(match job.subject {
        Subject::Futex => Box::new(futex::End::take(job, name)?),
        Subject::Mechanism(Mechanism::Spsc) => {
            waiting_tx(spsc::Sender::<[u8]>::from_fd(handed(name)?, &spsc_options(job))?)
        }
        Subject::Mechanism(Mechanism::Mpmc) => {
            waiting_tx(mpmc::Producer::<[u8]>::from_fd(handed(name)?, &mpmc_options(job))?)
        }
        Subject::Mechanism(Mechanism::Broadcast) => {
            waiting_tx(broadcast::Publisher::<[u8]>::from_fd(handed(name)?, &broadcast_options(job))?)
        }
        Subject::Mechanism(Mechanism::Signal) => signal_tx(job, pid)?,
        Subject::Mechanism(_) => kernel_tx(job, Offer::take(name)?.into_sender(&options(job))?),
        Subject::Watch => Box::new(watch::Writer::<[u8]>::from_fd(handed(name)?, &watch_options(job))?),
        Subject::Rpc => return Err(failed("a call is no message")),
    })
}

/// The receiving end of a way that was handed over.
pub(super) fn take_rx(job: &Job, name: &str) -> Result<Rx, Trouble> {
    Ok(match job.subject {
        Subject::Futex => Box::new(futex::End::take(job, name)?),
        Subject::Mechanism(Mechanism::Spsc) => {
            waiting_rx(spsc::Receiver::<[u8]>::from_fd(handed(name)?, &spsc_options(job))?)
        }
        Subject::Mechanism(Mechanism::Mpmc) => {
            waiting_rx(mpmc::Worker::<[u8]>::from_fd(handed(name)?, &mpmc_options(job))?)
        }
        Subject::Mechanism(Mechanism::Broadcast) => {
            waiting_rx(broadcast::Subscriber::<[u8]>::from_fd(handed(name)?, &broadcast_options(job))?)
        }
        Subject::Mechanism(Mechanism::Signal) => kernel_rx(job, Box::new(signal::Receiver::new(SIGNAL)?)),
        Subject::Mechanism(_) => kernel_rx(job, Offer::take(name)?.into_receiver(&options(job))?),
        Subject::Watch => Box::new(watch::Reader::<[u8]>::from_fd(handed(name)?, &watch_options(job))?),
        Subject::Rpc => return Err(failed("a call is no message")),
    })
}

/// Sends signals to a process, which has its receiver by now.
pub(super) fn signal_tx(job: &Job, pid: u32) -> Result<Tx, Trouble> {
    Ok(kernel_tx(job, Box::new(signal::Sender::new(pid, SIGNAL)?)))
}

/// Makes calls; who answers them is handed over.
pub(super) fn make_client(job: &Job, command: &mut Command, name: &str) -> Result<Client, Trouble> {
    let client = rpc::Client::create(Place::memfd(PLACE), &rpc_options(job))?;
    command.hand_over(name, client.try_clone_fd()?);
    Ok(Box::new(client))
}

/// Answers calls.
pub(super) fn take_server(job: &Job, name: &str) -> Result<Server, Trouble> {
    Ok(Box::new(rpc::Server::from_fd(handed(name)?, &rpc_options(job))?))
}
