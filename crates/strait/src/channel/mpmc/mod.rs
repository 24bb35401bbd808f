//! A work queue: many producers, many workers, each job to one of them, until one has done it.
//!
//! ```text
//!  +----------+                shared memory                  +--------+  ack: done
//!  | Producer | --push--> +-----+-----+-----+-----+  --pop--> | Worker |  nack, nack_after: for
//!  +----------+           | job | job | job | job |           +--------+  somebody else
//!  | Producer | --push--> +-----+-----+-----+-----+  --pop--> | Worker |
//!  +----------+              ^                                +--------+
//!                            +---- its worker died: for somebody else ---+
//! ```
//!
//! ```
//! use strait::channel::mpmc::{Options, Producer, Worker};
//!
//! # let name = format!("doc-mpmc-{}", std::process::id());
//! let mut producer = Producer::<u64>::create(&name, &Options::new())?;
//! let mut worker = Worker::<u64>::open(&name, &Options::new())?; // usually in another process, and several
//!
//! producer.push(&42)?;
//! let job = worker.pop()?;
//! assert_eq!((*job, job.deliveries()), (42, 1));
//! job.ack(); // or it comes again
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Who gets a job
//!
//! One worker at a time. A job is in the queue from the moment [`Producer::push`] returns until a worker calls [`Job::ack`]; in between it may
//! be given to several, one after the other, each of which sees how many there were ([`Job::deliveries`]). So a job is done *at least once*:
//! a worker that dies after it did the job and before it said so leaves it to be done again.
//!
//! The jobs of one producer and one kind come in the order they were pushed, but for those that come again; between producers there is no order. A
//! slow worker holds nobody up: the others go round past the jobs in its hands.
//!
//! A queue has one kind of job, or up to 16 ([`Options::kinds`]): [`Worker::pop`] takes the lowest kind first, [`Worker::pop_kind`] those that it
//! is told. That costs a look at each kind and none at any job of another kind.
//!
//! # Which call
//!
//! | | never waits | waits | waits for a time |
//! |---|---|---|---|
//! | push a copy | [`try_push`](Producer::try_push) | [`push`](Producer::push) | [`push_timeout`](Producer::push_timeout) |
//! | of a kind | [`try_push_kind`](Producer::try_push_kind) | [`push_kind`](Producer::push_kind) | [`push_kind_timeout`](Producer::push_kind_timeout) |
//! | push in place, of a kind | [`try_reserve`](Producer::try_reserve) | [`reserve`](Producer::reserve) | [`reserve_timeout`](Producer::reserve_timeout) |
//! | take a job | [`try_pop`](Worker::try_pop) | [`pop`](Worker::pop) | [`pop_timeout`](Worker::pop_timeout) |
//! | of some kinds | [`try_pop_kind`](Worker::try_pop_kind) | [`pop_kind`](Worker::pop_kind) | [`pop_kind_timeout`](Worker::pop_kind_timeout) |
//! | push many | | [`push_batch`](Producer::push_batch) | |
//! | take many | [`try_pop_batch`](Worker::try_pop_batch) | [`pop_batch`](Worker::pop_batch) | [`pop_batch_timeout`](Worker::pop_batch_timeout) |
//! | of some kinds | [`try_pop_batch_kind`](Worker::try_pop_batch_kind) | [`pop_batch_kind`](Worker::pop_batch_kind) | [`pop_batch_kind_timeout`](Worker::pop_batch_kind_timeout) |
//!
//! While nobody sleeps no call enters the kernel. A job of up to 48 bytes travels in one cache line. A job is read in place where everybody who
//! can write to the region is trusted (see [`Options::trust`]), else from a copy.
//!
//! # When somebody dies
//!
//! | who dies, at any instruction | the others |
//! |---|---|
//! | a worker with jobs in its hands | get them, before other jobs, with their count of deliveries, within 100 ms |
//! | a worker that has acknowledged | do not see the job again |
//! | a producer in the middle of a push, or with a job that it writes in place | never see that job, and are not held up by it |
//! | a producer after a push | do the job |
//! | all producers | do what is left, then `Disconnected(Died)`, within 100 ms |
//! | all workers | `Disconnected(Died)` for who pushes, within 100 ms of waiting |
//! | a worker that sends a job to the dead letters | find it there once, or twice; never lost |
//!
//! A queue made [`restartable`](Options::restartable) goes on instead of `Disconnected`, and keeps its jobs when all have left until they are done.
//!
//! # Jobs that nobody can do
//!
//! A job that kills its worker would come again for ever. With [`Options::max_deliveries`] and [`Options::dead_letters`] it goes to another queue
//! instead, of the same type, where somebody can look at it: open a [`Worker`] there.

mod batch;
mod error;
mod job;
mod layout;
mod lend;
mod options;
mod producer;
pub(crate) mod setup;
mod source;
mod worker;

pub use batch::Jobs;
pub use error::{PopError, PopTimeoutError, PushBatchError, PushError, PushTimeoutError, TryPopError, TryPushError};
pub use job::Job;
pub use layout::layout;
pub use lend::Reservation;
pub use options::{Kinds, Options};
pub use producer::Producer;
pub use worker::Worker;

use crate::channel::message::Message;
use crate::error::Result;
use crate::region::Place;

/// Makes a queue without a name and returns a producer and a worker, for two threads, or to hand one of them to a child.
///
/// # Errors
/// As for [`Producer::create`].
pub fn pair<M: Message + ?Sized>(options: &Options) -> Result<(Producer<M>, Worker<M>)> {
    let producer = Producer::create(Place::memfd("strait"), options)?;
    let worker = Worker::attach_to(&producer, options)?;
    Ok((producer, worker))
}
