//! Channels: what users hold.
//!
//! | channel | who gets a message | |
//! |---|---|---|
//! | [`spsc`] | the one receiver | from one process to another, in order, at the speed of the memory |
//! | [`mpmc`] | one of many workers, until it says that it has done it | jobs from many producers, done at least once |
//! | [`broadcast`] | every subscriber | from one or many publishers, written once however many read it |
//! | [`watch`] | everybody who reads | the latest value, and no other |
//! | [`rpc`] | one of the servers; its answer goes to the client that called | requests and answers, many clients, one or several servers |

pub mod broadcast;
mod endpoint;
mod error;
pub(crate) mod hub;
pub mod layout;
pub(crate) mod message;
pub mod mpmc;
pub(crate) mod options;
pub(crate) mod outside;
pub mod rpc;
pub mod spsc;
pub mod watch;

pub use crate::peer::{Cause, PeerState};
pub use crate::ring::PeerFault;
pub use crate::wait::Strategy;
pub use error::{BatchError, RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError};
pub use message::{Item, Message};
