//! One or many publishers, many subscribers: each subscriber gets every message, from when it came.
//!
//! ```text
//!   process A                  shared memory                      processes C, D, E
//!  +-----------+  writes  +---------------------------+  reads  +------------+
//!  | Publisher | -------> | lane 0: message | message | ------> | Subscriber |
//!  +-----------+          +---------------------------+ --+     +------------+
//!  +-----------+          +---------------------------+   +---> +------------+
//!  | Publisher | -------> | lane 1: message |         | ------> | Subscriber |
//!  +-----------+          +---------------------------+         +------------+
//!       ^                                                             |
//!       +------------ how far each has read (Block, DropNewest) ------+
//! ```
//!
//! A message is written once, however many read it. Each publisher has a lane of its own, so publishers never wait for each other;
//! messages of one publisher come in its order, those of several in any.
//!
//! ```
//! use strait::channel::broadcast::{Options, Publisher, Subscriber};
//!
//! # let name = format!("doc-broadcast-{}", std::process::id());
//! let mut prices = Publisher::<u64>::create(&name, &Options::new())?;
//! let mut one = Subscriber::<u64>::open(&name, &Options::new())?; // usually in other processes
//! let mut two = Subscriber::<u64>::open(&name, &Options::new())?;
//!
//! prices.publish(&42)?;
//! assert_eq!((one.recv()?, two.recv()?), (42, 42));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Who gets a message
//!
//! Every subscriber that was there when it was published. One who comes later begins with the next message, or, by
//! [`Options::history`] or [`Options::from_oldest`], with those still kept: the last [`capacity`](Publisher::capacity) of each publisher
//! at least. What happens when a subscriber is a whole lane behind is the channel's [`Policy`]:
//!
//! | policy | the publisher | the subscriber | reading in place |
//! |---|---|---|---|
//! | [`Block`](Policy::Block) | waits for the slowest that is alive | loses nothing | [`recv_ref`](Subscriber::recv_ref) |
//! | [`DropOldest`](Policy::DropOldest) | never waits, never looks at a subscriber | is told by [`Lagged(n)`](RecvError::Lagged), once, and goes on with the oldest there is | no: it could change; copies are checked |
//! | [`DropNewest`](Policy::DropNewest) | never waits; gives the message up and counts it | sees the count: [`dropped`](Subscriber::dropped) | [`recv_ref`](Subscriber::recv_ref) |
//!
//! # Which call
//!
//! | | never waits | waits | waits for a time |
//! |---|---|---|---|
//! | publish a copy | [`try_publish`](Publisher::try_publish) | [`publish`](Publisher::publish) | [`publish_timeout`](Publisher::publish_timeout) |
//! | write in place | [`try_reserve`](Publisher::try_reserve) | [`reserve`](Publisher::reserve) | [`reserve_timeout`](Publisher::reserve_timeout) |
//! | receive a copy | [`try_recv`](Subscriber::try_recv) | [`recv`](Subscriber::recv) | [`recv_timeout`](Subscriber::recv_timeout) |
//! | read in place | [`try_recv_ref`](Subscriber::try_recv_ref) | [`recv_ref`](Subscriber::recv_ref) | [`recv_ref_timeout`](Subscriber::recv_ref_timeout) |
//! | many at once | | [`publish_batch`](Publisher::publish_batch), [`recv_batch`](Subscriber::recv_batch) | |
//!
//! While nobody sleeps no call enters the kernel. An item of up to 56 bytes, or a slice of up to 48, travels in one cache line.
//!
//! # When somebody dies
//!
//! | who dies, at any instruction | the others |
//! |---|---|
//! | a subscriber | nothing is lost to anybody. A publisher that waits for it goes on within 100 ms |
//! | a publisher | what it published is received, and stays for those who come later; a message half written is never seen. Who takes its seat next goes on with its numbers |
//! | the last publisher | subscribers receive what is there, then `Disconnected(Died)`, within 100 ms; in a [`restartable`](Options::restartable) channel they wait for the next one |
//! | the last subscriber | publishers go on: nobody holds them up, and who comes later can still have the last messages |
//!
//! A name ends with the last user of its channel, restartable or not; what a kill leaves behind is swept by the next who uses the name,
//! unless the channel is restartable, and then its messages and numbers are still there. A channel in a
//! [file](crate::region::Place::file) is restartable and stays until the file is removed.

mod blocks;
mod error;
mod held;
mod layout;
mod loan;
mod options;
mod publisher;
pub(crate) mod setup;
mod source;
mod subscriber;

pub use blocks::Held;
pub use error::{
    PublishBatchError, PublishError, PublishTimeoutError, RecvError, RecvTimeoutError, TryPublishError, TryRecvError,
};
pub use layout::layout;
pub use loan::{Iter, Received};
pub use options::{Options, Policy};
pub use publisher::{Publisher, Reservation};
pub use subscriber::{Origin, Subscriber};
