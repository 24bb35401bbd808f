//! The latest value: one writer sets it, everybody reads it.
//!
//! ```text
//!   process A                 shared memory                   processes B, C, D
//!  +--------+   send    +--------------------------+   get    +--------+
//!  | Writer | --------> | version | copy | copy .. | -------> | Reader |  changed: asleep
//!  +--------+           +--------------------------+    |     +--------+  until there is a newer one
//!                        nobody but A writes here       |     +----------+
//!                                                       +---> | Observer |  no seat, read-only
//!                                                             +----------+
//! ```
//!
//! Nobody waits for anybody: the writer never for a reader, a reader never for the writer. Who reads seldom sees the latest value and
//! not those before it, and is told by [`version`](Reader::version) how many there were.
//!
//! ```
//! use strait::channel::watch::{Options, Reader, Writer};
//!
//! # let name = format!("doc-watch-{}", std::process::id());
//! let mut tx = Writer::<u64>::create(&name, &Options::new())?;
//! let mut rx = Reader::<u64>::open(&name, &Options::new())?; // usually in another process
//!
//! tx.send(&41)?;
//! tx.send(&42)?;
//! assert_eq!(rx.changed()?, 42);
//! assert_eq!(rx.get()?, 42);
//! assert_eq!(rx.version(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Which call
//!
//! | | never waits | waits | waits for a time |
//! |---|---|---|---|
//! | set the value | [`send`](Writer::send) | | |
//! | copy it, whether or not it is new | [`try_get`](Reader::try_get) | [`get`](Reader::get), for the very first | [`get_timeout`](Reader::get_timeout) |
//! | copy one that was not read yet | [`try_changed`](Reader::try_changed) | [`changed`](Reader::changed) | [`changed_timeout`](Reader::changed_timeout) |
//! | without a seat | [`Observer`] | | |
//!
//! While nobody sleeps no call enters the kernel. Reading writes nothing to shared memory; a value of 8 bytes travels in one cache line.
//!
//! # What a reader gets
//!
//! - A value that was set, whole; never a mixture of two, whoever dies or writes meanwhile.
//! - The latest one, or one that was the latest when the call began.
//! - After at most 64 copies: a copy is made again when the writer has come round to it meanwhile, which takes one `send` less than the
//!   channel has [copies](Options::copies) during the copying of one value. One who meets that 64 times in a row is told `Busy`.
//!
//! A [`Reader`] maps the values read-only, so that it cannot write there by mistake; a process that means to can, by the descriptor it
//! has. Readers of other users that shall not be able to are [`Observer`]s of a channel of mode 0644.
//!
//! # When somebody dies
//!
//! | who dies, at any instruction | the others |
//! |---|---|
//! | the writer | `get` goes on with the last value, also if the next one was half written; `changed` gives the last value to whoever has not read it, then `Disconnected(Died)`, within 100 ms |
//! | the same, of a [`restartable`](Options::restartable) channel | `changed` waits for the next writer, who goes on with the version numbers |
//! | a reader | nothing; its seat is free at once |
//! | an observer | nothing |
//!
//! In every channel the next writer may come when the last one is gone; readers who were told so see what it sends.
//!
//! # Where it lives, and for how long
//!
//! | place | the channel ends |
//! |---|---|
//! | a name ([`Place::posix`](crate::region::Place::posix), a plain string) | with its last writer or reader; a restartable one that holds a value stays until it is removed, one that is [`kept`](Options::kept) without a value too. What a kill leaves behind is swept by the next who uses the name |
//! | [`Place::memfd`](crate::region::Place::memfd) | with its last descriptor |
//! | [`Place::file`](crate::region::Place::file) | when the file is removed: it is restartable, and the value is there after a reboot. Power loss keeps what [`Writer::sync`] has covered |

mod error;
pub(crate) mod kind;
mod layout;
mod observer;
mod options;
mod reader;
mod source;
#[cfg(test)]
mod tests;
mod value;
mod writer;

pub use error::{ReadError, ReadTimeoutError, TryReadError};
pub use layout::layout;
pub use observer::Observer;
pub use options::Options;
pub use reader::Reader;
pub use writer::Writer;

use crate::channel::message::Message;
use crate::error::{Error, Result};
use crate::region::Place;
use strait_sys::open;

/// Makes a channel without a name and returns its writer and one reader, for two threads, or to hand one of them to a child.
///
/// # Errors
/// As for [`Writer::create`].
pub fn pair<M: Message + ?Sized>(options: &Options) -> Result<(Writer<M>, Reader<M>)> {
    let writer = Writer::create(Place::memfd("strait"), options)?;
    let fd = match writer.fd().map(open::duplicate) {
        Some(fd) => fd.map_err(|e| Error::kernel("attach to", writer.place(), e, ""))?,
        None => return Err(Error::new(crate::ErrorKind::Unsupported, "attach to a memfd: it has no descriptor")),
    };
    let reader = Reader::from_fd(fd, options)?;
    Ok((writer, reader))
}
