//! One sender, one receiver: messages in order, each to the one receiver.
//!
//! ```text
//!   process A                  shared memory                    process B
//!  +--------+    writes   +----------------------+   reads    +----------+
//!  | Sender | ----------> | message | message |  | ---------> | Receiver |
//!  +--------+             +----------------------+            +----------+
//!       ^                                                          |
//!       +----------------- released: may be overwritten -----------+
//! ```
//!
//! The process that creates the channel and the one that opens it may take either end:
//!
//! ```
//! use strait::channel::spsc::{Options, Receiver, Sender};
//!
//! # let name = format!("doc-spsc-{}", std::process::id());
//! let mut tx = Sender::<u64>::create(&name, &Options::new())?;
//! let mut rx = Receiver::<u64>::open(&name, &Options::new())?; // usually in another process
//!
//! tx.send(&42)?;
//! assert_eq!(rx.recv()?, 42);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Which call
//!
//! | | never waits | waits | waits for a time |
//! |---|---|---|---|
//! | send a copy | [`try_send`](Sender::try_send) | [`send`](Sender::send) | [`send_timeout`](Sender::send_timeout) |
//! | write in place | [`try_reserve`](Sender::try_reserve) | [`reserve`](Sender::reserve) | [`reserve_timeout`](Sender::reserve_timeout) |
//! | receive a copy | [`try_recv`](Receiver::try_recv) | [`recv`](Receiver::recv) | [`recv_timeout`](Receiver::recv_timeout) |
//! | read in place | [`try_recv_ref`](Receiver::try_recv_ref) | [`recv_ref`](Receiver::recv_ref) | [`recv_ref_timeout`](Receiver::recv_ref_timeout) |
//! | many at once | | [`send_batch`](Sender::send_batch), [`recv_batch`](Receiver::recv_batch) | |
//!
//! While nobody sleeps no call enters the kernel. A message of up to 56 bytes travels in one cache line.
//!
//! # When the other side dies
//!
//! | who dies, at any instruction | the other |
//! |---|---|
//! | the sender | receives everything that was sent, then `Disconnected(Died)`, within 100 ms. A message half written is never seen |
//! | the receiver | is told `Disconnected(Died)` when it next finds the channel full, within 100 ms |
//!
//! A channel made [`restartable`](Options::restartable) goes on instead: the survivor waits, and whoever takes the end next goes
//! on where the last one was. A receiver continues at the first message that was not *released*: `recv` releases before it
//! returns, `recv_ref` when the loan is dropped, so with `recv_ref` a message whose work was not finished comes again.
//!
//! # Where it lives, and for how long
//!
//! | place | the channel ends |
//! |---|---|
//! | a name ([`Place::posix`](crate::region::Place::posix), a plain string) | with its last user; a restartable one that still holds messages stays until they are received, and one that is [`kept`](Options::kept) until it is removed. What a kill leaves behind is swept by the next who uses the name |
//! | [`Place::memfd`](crate::region::Place::memfd) | with its last descriptor |
//! | [`Place::file`](crate::region::Place::file) | when the file is removed: it is restartable, and committed messages are there after a reboot. Power loss keeps what [`Sender::sync`] has covered |

mod layout;
mod options;
mod receiver;
mod sender;
mod setup;
mod source;

pub use layout::layout;
pub use options::Options;
pub use receiver::{Iter, Received, ReceivedBatch, Receiver};
pub use sender::{Reservation, Sender};

use crate::channel::message::Message;
use crate::error::Result;
use crate::region::header::Header;
use crate::region::{Place, Region};
use crate::ring::spsc::Shape;
use setup::Role;

/// Makes a channel without a name and returns both ends, for two threads, or to hand one of them to a child.
///
/// # Errors
/// As for [`Sender::create`].
pub fn pair<M: Message + ?Sized>(options: &Options) -> Result<(Sender<M>, Receiver<M>)> {
    let sender = Sender::create(Place::memfd("strait"), options)?;
    let receiver = Receiver::attach_to(&sender, options)?;
    Ok((sender, receiver))
}

/// Slot, place and name of each side, for who looks from outside: the sender's, and the receiver's.
pub(crate) const SIDES: [(u32, u64, &str); 2] = [
    (Role::Sender.slot(), Role::Sender.side(), Role::Sender.name()),
    (Role::Receiver.slot(), Role::Receiver.side(), Role::Receiver.name()),
];

/// The ring of a region, which is as large as its header says.
pub(crate) fn checked_shape(region: &Region, header: &Header) -> Result<Shape> {
    setup::shape_of(region, header)
}
