//! In the child: is the process that started us still there?

use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use strait_sys::exit::exit_at_once;
use strait_sys::poll::poll_readable;

use super::handed::parent_pidfd;
use crate::error::{Error, Result};

/// The exit code of a process that [`Parent::end_with_it`] ended. Nobody but init, or a subreaper, sees it.
pub const EXIT_PARENT_DIED: i32 = 4;

/// Enough for a closure that tidies up, small enough not to count.
const WATCHER_STACK_BYTES: usize = 128 * 1024;

/// The process that started this one with [`Command`](super::Command); `None` if it was started in another way.
///
/// A program that something in between started, say a shell, sees the [`Command`](super::Command)'s process, as long as what is in
/// between passes environment and descriptors on and does not call this itself.
///
/// May be called as often as wanted. The first call of this or of [`handed`](super::handed()) makes a few system calls, later ones
/// none. Never blocks. The parent may be dead already; the answer is right all the same.
#[must_use]
pub fn parent() -> Option<Parent> {
    parent_pidfd().map(|pidfd| Parent { pidfd })
}

/// The process that started this one, seen through its pidfd: the *process*, whichever of its threads did it; ends when its last
/// thread does. If it replaces its program by exec it is still the same process.
#[derive(Clone, Copy, Debug)]
pub struct Parent {
    pidfd: BorrowedFd<'static>,
}

impl Parent {
    /// Whether it lives. A stopped or swapped-out parent lives. One system call (`poll`); does not block.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !self.wait_timeout(Duration::ZERO)
    }

    /// Waits until it dies; `false` if it still lives after `timeout`. Asleep it uses no CPU; wakes as the parent dies.
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.died_within(Some(timeout))
    }

    /// Makes this process end when its parent dies: a small thread (`strait-parent`) sleeps until then, runs `on_death`, and ends
    /// the process at once with code [`EXIT_PARENT_DIED`]: no destructors, no flushing, other threads stop where they are. What
    /// must be in order is `on_death`'s to put in order; a panic in it does not keep the process from ending.
    ///
    /// If the parent is dead already this happens at once. Returns after starting the thread; does not block.
    ///
    /// # Errors
    ///
    /// The kernel's refusal of the thread. `on_death` is not run then.
    pub fn end_with_it(self, on_death: impl FnOnce() + Send + 'static) -> Result<()> {
        let watch = move || {
            while !self.died_within(None) {}
            // The process ends in the next line, whatever state the closure leaves behind.
            let _ = catch_unwind(AssertUnwindSafe(on_death));
            exit_at_once(EXIT_PARENT_DIED);
        };
        thread::Builder::new()
            .name("strait-parent".to_owned())
            .stack_size(WATCHER_STACK_BYTES)
            .spawn(watch)
            .map(drop)
            .map_err(|e| Error::kernel("start", "the thread that watches the parent", e, "raise the limit on threads"))
    }

    fn died_within(self, timeout: Option<Duration>) -> bool {
        match poll_readable(&[self.pidfd], timeout) {
            Ok(ready) => ready.is_some(),
            // Only ENOMEM is left to happen here, and it passes. Alive is the answer that destroys nothing.
            Err(_) => {
                thread::sleep(timeout.unwrap_or(Duration::MAX).min(Duration::from_millis(10)));
                false
            }
        }
    }
}

impl AsFd for Parent {
    /// Readable from the moment it has died; for [`wait_any`](super::wait_any) or an event loop.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd
    }
}
