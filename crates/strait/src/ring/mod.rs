//! Rings: algorithms on shared bytes. No system call, no name, no waiting; every interleaving is explored by the models beside them.

pub(crate) mod lane;
mod moment;
pub(crate) mod mpmc;
pub(crate) mod record;
pub(crate) mod records;
pub(crate) mod rpc;
pub(crate) mod slots;
pub(crate) mod spsc;
pub(crate) mod watch;

#[cfg(test)]
mod model;
#[cfg(test)]
mod plain;

/// A peer's number that cannot be: what it was, where it lay, and what was found there.
///
/// Whoever wrote it is broken or hostile. The endpoint that finds one closes itself: nothing later in the ring can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerFault {
    /// Which number it was.
    pub what: &'static str,
    /// Where it lay, in bytes from the start of its part of the region.
    pub offset: u64,
    /// What was found.
    pub found: u64,
}

impl std::fmt::Display for PeerFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the other side wrote an impossible {} at offset {}: {:#x}", self.what, self.offset, self.found)
    }
}

impl std::error::Error for PeerFault {}
