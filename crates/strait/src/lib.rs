//! Processes of one machine exchanging data through shared memory: at the speed of the hardware, asleep while there is nothing to do,
//! unharmed by `kill -9` of the other side at any instruction, and by a peer that lies.
//!
//! | you want | look at |
//! |---|---|
//! | to send messages from one process to another | [`channel::spsc`] |
//! | to call another process and have its answer | [`channel::rpc`] |
//! | to hand jobs to workers, each done at least once | [`channel::mpmc`] |
//! | to send every message to many processes | [`channel::broadcast`] |
//! | the latest value of something, read by many | [`channel::watch`] |
//! | to see which channels and locks there are, who uses them, and how much | [`list`], [`discovery`] |
//! | to remove what the dead have left behind | [`gc`] |
//! | a lock that survives its holder's death | [`sync`] |
//! | to wait for many of these, events and descriptors at once | [`select`] |
//! | the same in `async` code, on any runtime | [`task`] |
//! | shared bytes as such, your own or another program's | [`region`] |
//! | pipes, sockets, queues, signals behind one pair of traits | [`transport`] |
//! | any of these, chosen while the program runs | [`link`] |
//! | worker processes that do jobs, results in order, whoever dies | [`pool`] |
//! | who holds a pipe open, what a mapping costs, where a page lies | [`inspect`] |
//! | to start processes, hand them descriptors, wait, restart | [`process`] |
//!
//! ```
//! use strait::channel::spsc::{Options, Receiver, Sender};
//!
//! # let name = format!("doc-lib-{}", std::process::id());
//! let mut tx = Sender::<[u8]>::create(&name, &Options::new())?;
//! let mut rx = Receiver::<[u8]>::open(&name, &Options::new())?; // usually in another process
//!
//! tx.send(b"hello")?;
//! assert_eq!(rx.recv()?, b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What holds everywhere
//!
//! - Every operation that can wait comes three times: `try_` never waits, the bare one waits asleep, `_timeout` waits for a time.
//! - While nobody sleeps, sending and receiving do not enter the kernel.
//! - Who is alive is what a kernel lock says: no pid, clock or heartbeat decides.
//! - Numbers in shared memory are read once and checked. A peer that lies gets you an error, in bounded time.
//! - The library installs no signal handler and prints nothing. It contains no `unsafe`; what it stands on does, in two small crates.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]

pub mod channel;
pub mod discovery;
mod error;
pub mod gc;
pub mod inspect;
pub mod link;
mod name;
mod peer;
pub mod pool;
pub mod process;
pub mod region;
mod ring;
pub mod select;
pub mod sync;
pub mod task;
pub mod transport;
mod wait;

pub use discovery::list;
pub use error::{Error, ErrorKind, Result};

/// What the memory of a region is reached through, for [`mem::Trust`] and windows on raw regions.
pub use strait_mem as mem;
