//! Sleeping until one of several descriptors has something to say, and being woken from another thread.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use strait_sys::eventfd::{eventfd, eventfd_add, eventfd_clear};
use strait_sys::poll::poll_readable;

use crate::error::{Error, Result};

/// Waits until one of `things` is ready and returns its index (the first one, if several are); `None` when the time is up. With
/// no timeout it waits for ever; with a timeout of zero it only looks.
///
/// A [`Child`](super::Child) is ready when it has ended (then [`try_wait`](super::Child::try_wait) has its exit), a
/// [`Parent`](super::Parent) when it has died, a [`Waker`] after [`wake`](Waker::wake), a pipe or socket when there is something
/// to read or its other side is gone. Nothing is consumed: what was ready stays ready until it is seen to.
///
/// ```
/// use std::time::Duration;
/// use strait::process::{Command, Waker, wait_any};
///
/// # fn main() -> strait::Result<()> {
/// let mut quick = Command::new("true").spawn()?;
/// let mut slow = Command::new("sleep").arg("60").spawn()?;
/// let waker = Waker::new()?;
/// assert_eq!(wait_any(&[&waker, &slow, &quick], None)?, Some(2));
/// assert!(quick.wait()?.success());
/// waker.wake();
/// assert_eq!(wait_any(&[&waker, &slow], None)?, Some(0));
/// slow.kill()?;
/// # Ok(())
/// # }
/// ```
///
/// One system call (`poll`); blocked, it uses no CPU. Signals do not end the wait.
///
/// # Errors
///
/// The kernel's refusal: more descriptors than this process may have open, or no memory.
#[doc(alias = "poll")]
pub fn wait_any(things: &[&dyn AsFd], timeout: Option<Duration>) -> Result<Option<usize>> {
    let fds: Vec<BorrowedFd<'_>> = things.iter().map(|thing| thing.as_fd()).collect();
    poll_readable(&fds, timeout).map_err(cannot_wait)
}

pub(super) fn cannot_wait(error: io::Error) -> Error {
    Error::kernel("wait for", "processes", error, "")
}

/// Ends a [`wait_any`] or [`Supervisor::wait`](super::Supervisor::wait) of another thread. Clones share one state.
///
/// A wake-up is not lost: one that comes before the wait ends the wait at once. Several before a [`clear`](Self::clear) count as
/// one.
#[derive(Clone, Debug)]
pub struct Waker {
    counter: Arc<OwnedFd>,
}

impl Waker {
    /// A waker that is not awake. One system call (`eventfd`); does not block.
    ///
    /// # Errors
    ///
    /// The kernel's refusal: no descriptor free.
    pub fn new() -> Result<Self> {
        let counter = eventfd(0)
            .map_err(|e| Error::kernel("create", "a waker", e, "raise the limit on open files (ulimit -n)"))?;
        Ok(Self { counter: Arc::new(counter) })
    }

    /// Wakes whoever waits, or will wait next. One system call (`write`); never blocks.
    ///
    /// A signal handler may do the same by writing the number 1 as eight bytes to [`as_fd`](AsFd::as_fd).
    pub fn wake(&self) {
        // An eventfd of our own refuses nothing but a counter that is full, which is awake already.
        let _ = eventfd_add(self.counter.as_fd());
    }

    /// Goes to sleep again; says whether it was awake. One system call (`read`); never blocks.
    pub fn clear(&self) -> bool {
        eventfd_clear(self.counter.as_fd()).unwrap_or(false)
    }
}

impl AsFd for Waker {
    /// Readable while awake.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.counter.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::{Waker, wait_any};
    use std::time::Duration;

    /// A wake-up before the wait is kept, several are one, and `clear` ends them.
    #[test]
    fn wake_up_is_kept() {
        let waker = Waker::new().expect("a waker");
        assert_eq!(wait_any(&[&waker], Some(Duration::ZERO)).expect("poll"), None);
        waker.wake();
        waker.clone().wake();
        assert_eq!(wait_any(&[&waker], None).expect("poll"), Some(0));
        assert!(waker.clear());
        assert!(!waker.clear());
        assert_eq!(wait_any(&[&waker], Some(Duration::ZERO)).expect("poll"), None);
    }

    /// Another thread ends the wait.
    #[test]
    fn wakes_across_threads() {
        let waker = Waker::new().expect("a waker");
        let other = waker.clone();
        let thread = std::thread::spawn(move || other.wake());
        assert_eq!(wait_any(&[&waker], None).expect("poll"), Some(0));
        thread.join().expect("join");
    }
}
