//! What can be timed: floors and subjects behind one set of roles.
//!
//! A contender is a *name* that both processes look up in [`find`], because the two sides share no memory in which a closure
//! could travel. To add one: implement the role's trait in a module of its own, and add one line to [`find`]; then name it in
//! `rows.rs`. A row whose subject is not found is not listed.
//!
//! | role | here (the measuring process) | there (the peer) | what is timed |
//! |---|---|---|---|
//! | [`Role::Duplex`] | `send`, `recv` | `recv`, `send` | the round trip, here |
//! | [`Role::Stream`] | `send_all` | `recv_all` | the time for each block of messages, there |
//! | [`Role::Lend`] | `lend` | `recv_all` | what `lend` says its calls took, here |
//!
//! `open` runs here first and to its end, then there: what it makes here (a named channel, bytes in [`Site::map`]) exists
//! when the peer looks for it.

use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use crate::floors;
use crate::job::{Job, Measure};
use crate::raw::Shared;
use crate::subjects::{broadcast, locks, many, mpmc, rpc, spsc, transports, watch};

/// Which of the two processes is asking.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The measuring process, which opens first.
    Here,
    /// The peer.
    There,
}

/// What `open` gets to know: which side it is, what to carry, and where both sides meet.
pub(crate) struct Site {
    pub(crate) side: Side,
    pub(crate) job: Job,
    /// A memfd of this run, empty until somebody grows it; the peer inherited it.
    pub(crate) memory: OwnedFd,
}

impl Site {
    /// A name that no other run has, to derive names of channels from: `bench-1234-7`.
    pub(crate) fn name(&self) -> &str {
        &self.job.name
    }

    /// `len` bytes of zeroes that both sides see, raw.
    pub(crate) fn map(&self, len: usize) -> io::Result<Shared> {
        if self.side == Side::Here {
            rustix::fs::ftruncate(&self.memory, len as u64)?;
        }
        Shared::map(self.memory.as_fd(), len)
    }
}

/// Both directions, one message of `job.bytes` bytes at a time; waits as `job.wait` says.
pub(crate) trait Duplex {
    /// Sends `payload`: all of it is written to where the peer reads it.
    fn send(&mut self, payload: &[u8]);
    /// Waits for the next message and copies all of it out.
    fn recv(&mut self, payload: &mut [u8]);
}

/// The sending end of a stream. Messages are made by [`crate::message`] from their sequence number.
pub(crate) trait Sender {
    /// Sends the messages of these numbers, published `job.batch` at a time, and leaves none unpublished at the end.
    fn send_all(&mut self, numbers: Range<u64>);
}

/// The receiving end of a stream.
pub(crate) trait Receiver {
    /// Receives the messages of these numbers, reads all of each, and panics if one is not what it should be.
    fn recv_all(&mut self, numbers: Range<u64>);
}

/// A sender that lends memory to write into.
pub(crate) trait Lender {
    /// Reserves one message of `job.bytes`, writes all of it, publishes it; returns what reserving and publishing took,
    /// without the writing.
    fn lend(&mut self, number: u64) -> Duration;
    /// Whether the receiver is done with everything sent so far, so that the next `lend` need not wait for it.
    fn settled(&self) -> bool;
}

/// What a contender can do, as functions that open one end of it.
pub(crate) enum Role {
    Duplex(fn(&Site) -> io::Result<Box<dyn Duplex>>),
    Stream(fn(&Site) -> io::Result<Box<dyn Sender>>, fn(&Site) -> io::Result<Box<dyn Receiver>>),
    Lend(fn(&Site) -> io::Result<Box<dyn Lender>>, fn(&Site) -> io::Result<Box<dyn Receiver>>),
}

/// The contender of that name in the role that the measure wants, if this build has it.
pub(crate) fn find(name: &str, measure: Measure) -> Option<Role> {
    use Measure::{Idle, Lend, RoundTrip, Stream};
    Some(match (name, measure) {
        ("raw lines", RoundTrip) => Role::Duplex(floors::lines::open),
        ("raw payload", RoundTrip) => Role::Duplex(floors::payload::open),
        ("raw futex", RoundTrip | Idle) => Role::Duplex(floors::futex::endless),
        ("raw futex in slices", RoundTrip) => Role::Duplex(floors::futex::in_slices),
        ("raw futex of two in slices", RoundTrip) => Role::Duplex(floors::futex::of_two_in_slices),
        ("raw condition", RoundTrip) => Role::Duplex(floors::signals::condition),
        ("raw semaphore", RoundTrip) => Role::Duplex(floors::signals::semaphore),
        ("raw set", RoundTrip) => Role::Duplex(floors::signals::set),
        ("raw ring", Stream) => Role::Stream(floors::ring::sender, floors::ring::receiver),
        ("raw pipeline", Stream) => Role::Stream(floors::pipeline::sender, floors::pipeline::receiver),
        ("laboratory", Stream) => Role::Stream(floors::laboratory::sender, floors::laboratory::receiver),
        ("raw exchanges", Stream) => Role::Stream(floors::locks::idle, floors::locks::exchanges),
        ("raw parking_lot", Stream) => Role::Stream(floors::locks::idle, floors::locks::in_process),
        ("raw parking_lot counting", Stream) => Role::Stream(floors::locks::idle, floors::locks::in_process_counting),
        ("raw pthread", Stream) => Role::Stream(floors::locks::counting_sender, floors::locks::counting_receiver),
        ("raw rwlock", Stream) => Role::Stream(floors::locks::not_reading, floors::locks::reading_receiver),
        ("raw rwlock shared", Stream) => Role::Stream(floors::locks::reading_sender, floors::locks::reading_receiver),
        ("rwlock", Stream) => Role::Stream(locks::not_reading, locks::reading_receiver),
        ("rwlock shared", Stream) => Role::Stream(locks::reading_sender, locks::reading_receiver),
        ("mutex", Stream) => Role::Stream(locks::alone_sender, locks::locking),
        ("mutex counting", Stream) => Role::Stream(locks::alone_sender, locks::receiver),
        ("mutex contended", Stream) => Role::Stream(locks::counting_sender, locks::receiver),
        ("event", RoundTrip) => Role::Duplex(locks::event),
        ("semaphore", RoundTrip) => Role::Duplex(locks::semaphore),
        ("condvar", RoundTrip) => Role::Duplex(locks::condvar),
        ("posix semaphore", RoundTrip) => Role::Duplex(locks::posix_semaphore),
        ("sysv semaphores", RoundTrip) => Role::Duplex(locks::sysv_semaphores),
        ("rpc typed", RoundTrip | Idle) => Role::Duplex(rpc::typed),
        ("rpc bytes", RoundTrip) => Role::Duplex(rpc::bytes),
        ("spsc typed", RoundTrip | Idle) => Role::Duplex(spsc::typed_duplex),
        ("mpmc", RoundTrip) => Role::Duplex(mpmc::duplex),
        ("selector", RoundTrip | Idle) => Role::Duplex(many::selector),
        ("selector of 100", RoundTrip | Idle) => Role::Duplex(many::selector_of_100),
        ("tokio", RoundTrip | Idle) => Role::Duplex(many::tokio),
        ("spsc bytes", RoundTrip) => Role::Duplex(spsc::bytes_duplex),
        ("watch", RoundTrip) => Role::Duplex(watch::duplex),
        ("watch unchanged", RoundTrip) => Role::Duplex(watch::unchanged),
        ("spsc typed", Stream) => Role::Stream(spsc::typed_sender, spsc::typed_receiver),
        ("spsc bytes", Stream) => Role::Stream(spsc::bytes_sender, spsc::bytes_receiver),
        ("spsc bytes", Lend) => Role::Lend(spsc::lender, spsc::bytes_receiver),
        ("broadcast", RoundTrip | Idle) => Role::Duplex(broadcast::duplex),
        ("broadcast", Stream) => Role::Stream(broadcast::sender, broadcast::receiver),
        ("broadcast blocks", Lend) => Role::Lend(broadcast::lender, broadcast::holder),
        (name, RoundTrip) if name.starts_with("raw calls ") => Role::Duplex(floors::calls::duplex),
        (name, Stream) if name.starts_with("raw calls ") => {
            Role::Stream(floors::calls::sender, floors::calls::receiver)
        }
        (name, RoundTrip) if name.starts_with("transport ") => Role::Duplex(transports::duplex),
        (name, Stream) if name.starts_with("transport ") => Role::Stream(transports::sender, transports::receiver),
        _ => return None,
    })
}
