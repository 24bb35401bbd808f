//! `strait`'s ring, under the path that it knows itself by.
#![allow(dead_code, reason = "waiting, attaching again and looking from outside are not played here")]

pub(crate) use strait::channel::PeerFault;

#[path = "../../../../crates/strait/src/ring/record.rs"]
pub(crate) mod record;
#[path = "../../../../crates/strait/src/ring/spsc.rs"]
pub(crate) mod spsc;
