//! Channels: what users hold.
//!
//! | channel | who gets a message | |
//! |---|---|---|
//! | [`spsc`] | the one receiver | from one process to another, in order, at the speed of the memory |
//! | [`watch`] | everybody who reads | the latest value, and no other |

pub mod discovery;
mod endpoint;
mod error;
#[allow(dead_code, reason = "not every channel uses all of it")]
mod hub;
pub mod layout;
mod message;
mod outside;
pub mod spsc;
pub mod watch;

pub use crate::peer::{Cause, PeerState};
pub use crate::ring::PeerFault;
pub use crate::wait::Strategy;
pub use error::{BatchError, RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError};
pub use message::{Item, Message};
