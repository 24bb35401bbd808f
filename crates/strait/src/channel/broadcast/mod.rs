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
//! | [`DropOldest`](Policy::DropOldest) | never waits, never looks at a subscriber | is told by [`Lagged(n)`](RecvError::Lagged), once, and goes on with the oldest there is | no: it could change; copies are checked. Yes with [blocks](#large-messages) |
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
//! | hold, with [blocks](#large-messages) | [`try_hold`](Subscriber::try_hold) | [`hold`](Subscriber::hold) | [`hold_timeout`](Subscriber::hold_timeout) |
//! | many at once | | [`publish_batch`](Publisher::publish_batch), [`recv_batch`](Subscriber::recv_batch) | |
//!
//! While nobody sleeps no call enters the kernel. An item of up to 56 bytes, or a slice of up to 48, travels in one cache line.
//!
//! # Large messages
//!
//! A channel made with [`Options::blocks`] keeps messages in a pool of blocks of each publisher, and passes them by reference: images, tensors.
//! Publishing what was written in place takes as long for a megabyte as for a byte. A subscriber can *hold* a message, or several, as long as it
//! likes: a [`Held`] message never changes, can be sent to another thread, and outlives the subscriber. Its block is free when the last
//! subscriber has let go of it, or has died.
//!
//! ```
//! use strait::channel::broadcast::{Options, Policy, Publisher, Subscriber};
//!
//! # let name = format!("doc-blocks-{}", std::process::id());
//! let options = Options::new().blocks(16).max_message_bytes(4 << 20).policy(Policy::DropOldest);
//! let mut camera = Publisher::<[u8]>::create(&name, &options)?;
//! let mut screen = Subscriber::<[u8]>::open(&name, &Options::new())?; // usually in another process
//!
//! let mut frame = camera.reserve(640 * 480)?;
//! frame.fill(7); // in place
//! frame.publish();
//! let shown = screen.hold()?; // by reference
//! for _ in 0..100 {
//!     camera.publish(&[8; 100])?; // never waits for it
//! }
//! assert_eq!(shown[640], 7);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! How many blocks it takes:
//!
//! | policy | a publisher waits, or there is no room, when |
//! |---|---|
//! | [`Block`](Policy::Block), [`DropNewest`](Policy::DropNewest) | every block has a message that somebody has not read, or that is held. So: as many blocks as messages may be unread, and one for each that may be held |
//! | [`DropOldest`](Policy::DropOldest) | every block is held. It loses history and unread messages first, the oldest first, an eighth of the blocks at a time. One block more than may be held at once, by all subscribers together, makes that impossible; [`capacity`](Publisher::capacity) more keep so many messages beside |
//!
//! Under `DropOldest` a message lent by [`recv_ref`](Subscriber::recv_ref) is held too; one that is being copied is not, and can be lost meanwhile. A
//! publisher that waits is woken when a block is let go of. All of it is memory of the region: publishers times blocks times the
//! longest message.
//!
//! # When somebody dies
//!
//! | who dies, at any instruction | the others |
//! |---|---|
//! | a subscriber | nothing is lost to anybody. A publisher that waits for it, or for a block that it holds, goes on within 100 ms |
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
mod lanes;
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
pub use lanes::Origin;
pub use layout::layout;
pub use loan::{Iter, Received};
pub use options::{Options, Policy};
pub use publisher::{Publisher, Reservation};
pub use subscriber::Subscriber;
