//! `strait`'s rings, under the paths that they know themselves by.
#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "waiting, attaching again and looking from outside are not played here"
)]

pub(crate) use strait::channel::PeerFault;

#[path = "../../../../crates/strait/src/ring/moment.rs"]
mod moment;
#[path = "../../../../crates/strait/src/ring/record.rs"]
pub(crate) mod record;
#[path = "../../../../crates/strait/src/ring/records.rs"]
mod records;
#[path = "../../../../crates/strait/src/ring/slots.rs"]
pub(crate) mod slots;
#[path = "../../../../crates/strait/src/ring/spsc.rs"]
pub(crate) mod spsc;
