//! Requests and answers: many clients, one or several servers that share the work.
//!
//! ```text
//!   clients                     shared memory                     servers
//!  +--------+  request   +--------------------------+   claims   +--------+
//!  | Client | ---------> | call | call | call | ... | ---------> | Server |
//!  |        | <--------- |  a row of call slots for | <--------- |        |
//!  +--------+   answer   |  each client             |   answers  +--------+
//!  +--------+            +--------------------------+            +--------+
//!  | Client | ---------> | call | call | call | ... | ---------> | Server |
//!  +--------+            +--------------------------+            +--------+
//! ```
//!
//! Each request goes to one server, whichever is free; its answer goes to the client that called. A short request and its answer
//! travel in the same cache line.
//!
//! ```
//! use strait::channel::rpc::{Client, Options, Server};
//!
//! # let name = format!("doc-rpc-{}", std::process::id());
//! # let (place, options) = (name.clone(), Options::new());
//! # let serving = std::thread::spawn(move || -> Result<(), strait::Error> {
//! let server = Server::<u64, u64>::open_or_create(place, &options)?; // usually in another process
//! server.serve(|n| n * n).ok();
//! # Ok(())
//! # });
//!
//! let client = Client::<u64, u64>::open_or_create(&name, &Options::new())?;
//! assert_eq!(client.call(&7)?, 49);
//!
//! let (one, other) = (client.start(&3)?, client.start(&4)?); // both in flight
//! assert_eq!(one.wait()? + other.wait()?, 25);
//! # drop(client);
//! # serving.join().expect("ended")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Which call
//!
//! | | never waits | waits | waits for a time |
//! |---|---|---|---|
//! | call | | [`call`](Client::call) | [`call_timeout`](Client::call_timeout) |
//! | several calls at a time | [`try_start`](Client::try_start) | [`start`](Client::start) | |
//! | the answer of one of them | [`try_wait`](Pending::try_wait) | [`wait`](Pending::wait) | [`wait_timeout`](Pending::wait_timeout) |
//! | take a request | [`try_recv`](Server::try_recv) | [`recv`](Server::recv), [`serve`](Server::serve) | [`recv_timeout`](Server::recv_timeout) |
//! | write a request in place | [`try_reserve`](Client::try_reserve) | [`reserve`](Client::reserve) | |
//! | read an answer in place | [`try_wait_ref`](Pending::try_wait_ref) | [`wait_ref`](Pending::wait_ref) | [`wait_ref_timeout`](Pending::wait_ref_timeout) |
//! | take a request in place | [`try_recv_ref`](Server::try_recv_ref) | [`recv_ref`](Server::recv_ref) | [`recv_ref_timeout`](Server::recv_ref_timeout) |
//!
//! Servers take the clients in turn, and each client's requests in the order of its calls (but for those written in place, which are numbered when they are begun). While nobody sleeps no call enters the kernel.
//!
//! # Large requests and answers
//!
//! Each is copied twice: from the client and to the server, from the server and to the client. From some hundreds of KiB on, between cores that
//! share a cache, it is quicker to write them where they are read, which strait lends where everybody who can write to the region is trusted (see
//! [`Options::trust`]):
//!
//! ```
//! # use strait::channel::rpc::{Client, Options, Server};
//! # let name = format!("doc-rpc-lend-{}", std::process::id());
//! # let options = Options::new().max_request_bytes(1 << 20).max_answer_bytes(1 << 20);
//! # let client = Client::<[f32], [f32]>::create(&name, &options)?;
//! # let server = Server::<[f32], [f32]>::open(&name, &options)?; // usually in another process
//! let mut request = client.reserve(1000)?; // a slot of the channel: one of the calls in flight
//! request.fill(0.5);
//! let call = request.start()?;
//!
//! let request = server.recv_ref()?; // where it was written
//! let mut answer = request.reserve(1000)?;
//! let (request, room) = answer.parts();
//! for (half, whole) in request.iter().zip(room) {
//!     *whole = half * 2.0;
//! }
//! answer.send()?;
//!
//! let answer = call.wait_ref()?; // its slot is taken until this is dropped
//! assert_eq!(answer[999], 1.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Where they are copied, [`Client::call_into`] and [`Pending::wait_into`] use the memory of an earlier answer again; a server does so of itself.
//!
//! # When somebody dies
//!
//! | who dies, at any instruction | what was it at | so |
//! |---|---|---|
//! | a server | nothing | the others go on; when it was the last, calls are `Disconnected`, and have not been done |
//! | a server | a request | its caller is told [`CallError::ServerDied`] within 100 ms. The request is not repeated, unless the caller said that it may be ([`call_idempotent`](Client::call_idempotent), [`Options::idempotent`]) |
//! | a server | a request that it had answered | the answer counts |
//! | a client | requests that no server had begun with | they are dropped |
//! | a client | requests that a server is at | the answers are dropped ([`Request::is_abandoned`] once the seat is taken again) |
//! | all clients | | servers are `Disconnected` |
//!
//! In a channel made [`restartable`](Options::restartable) nobody is `Disconnected`: calls wait for the next server, servers for the next
//! client. So it is where servers and clients come and go at will.
//!
//! Who lies harms himself: a server drops what is no request, and a client that finds an impossible answer closes its end.

mod client;
mod desk;
mod error;
mod layout;
mod lend;
mod options;
mod server;
pub(crate) mod setup;
mod source;

pub use client::{Client, Pending};
pub(crate) use desk::Call;
pub use error::{AnswerError, CallError, CallTimeoutError, TryWaitError};
pub use layout::layout;
pub use lend::{Answer, AnswerDraft, RequestDraft};
pub use options::Options;
pub use server::{Request, Server};

use crate::channel::hub::Hub;
use crate::error::{Error, ErrorKind, Result};
use std::os::fd::OwnedFd;
use strait_sys::open;

/// A copy of the descriptor of the channel's region.
fn clone_fd(hub: &Hub) -> Result<OwnedFd> {
    let place = hub.region().place();
    let Some(fd) = hub.fd() else {
        return Err(Error::new(ErrorKind::Unsupported, format!("hand over {place}: it has no descriptor")));
    };
    open::duplicate(fd).map_err(|e| Error::kernel("hand over", place, e, ""))
}
