//! [membarrier(2)](https://man7.org/linux/man-pages/man2/membarrier.2.html): make other processes' cores pass a memory barrier.
//!
//! The side that acts rarely (about to sleep) pays for both: after [`global`] returns, every thread of every *registered*
//! process has passed a full barrier since the call began. So a registered sender needs no fence of its own between
//! "publish the message" and "does anybody sleep?".

use rustix::thread::{MembarrierCommand, MembarrierQuery, membarrier, membarrier_query};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether [`register`] has succeeded in this process.
static REGISTERED: AtomicBool = AtomicBool::new(false);

/// Registers this process, so that barriers of others reach its threads. Says whether that worked.
///
/// Two system calls the first time, none later. A forked child is registered as its parent was: the kernel copies the state.
#[doc(alias = "MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED")]
pub fn register() -> bool {
    static ONCE: OnceLock<bool> = OnceLock::new();
    let registered = *ONCE.get_or_init(|| {
        let needed = MembarrierQuery::GLOBAL_EXPEDITED | MembarrierQuery::REGISTER_GLOBAL_EXPEDITED;
        membarrier_query().contains(needed) && membarrier(MembarrierCommand::RegisterGlobalExpedited).is_ok()
    });
    REGISTERED.store(registered, Ordering::Relaxed);
    registered
}

/// Whether this process is registered. One load.
#[inline]
#[must_use]
pub fn is_registered() -> bool {
    // Relaxed: a thread that reads "no" too long only fences more than it must.
    REGISTERED.load(Ordering::Relaxed)
}

/// A barrier on every core that runs a registered process. One system call, 0.2 to 1 us. Says whether the kernel did it.
#[doc(alias = "MEMBARRIER_CMD_GLOBAL_EXPEDITED")]
#[must_use]
pub fn global() -> bool {
    membarrier(MembarrierCommand::GlobalExpedited).is_ok()
}
