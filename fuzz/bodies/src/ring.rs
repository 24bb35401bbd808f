//! `strait`'s records, under the path that they know themselves by.

pub(crate) use strait::channel::PeerFault;

#[path = "../../../crates/strait/src/ring/record.rs"]
pub(crate) mod record;
