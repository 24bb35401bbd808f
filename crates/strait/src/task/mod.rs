//! Waiting without a thread of one's own: ends of channels and events for `async` code, whatever runs it.
//!
//! ```text
//!   task: recv().await          bridge: one thread of this process      the other side
//!     nothing there: announce,    asleep on all channels at once
//!     look again, Pending         (futex_waitv)                   <---    sends, and rings
//!   polled again           <---   wakes the task
//! ```
//!
//! ```
//! use strait::channel::spsc::{self, Options};
//! # fn block_on<F: std::future::Future>(future: F) -> F::Output {
//! #     struct Thread(std::thread::Thread);
//! #     impl std::task::Wake for Thread {
//! #         fn wake(self: std::sync::Arc<Self>) { self.0.unpark() }
//! #     }
//! #     let waker = std::sync::Arc::new(Thread(std::thread::current())).into();
//! #     let mut future = std::pin::pin!(future);
//! #     loop {
//! #         match future.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
//! #             std::task::Poll::Ready(output) => return output,
//! #             std::task::Poll::Pending => std::thread::park(),
//! #         }
//! #     }
//! # }
//!
//! let (tx, rx) = spsc::pair::<u64>(&Options::new())?; // usually in two processes
//! let (mut tx, mut rx) = (tx.into_async()?, rx.into_async()?);
//! # block_on(async {
//! tx.send(&42).await?;
//! assert_eq!(rx.recv().await?, 42);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What holds for all of it
//!
//! - *Any runtime.* All that is asked of it is a [`Waker`](std::task::Waker). The first [`Async`] of a process starts the bridge, one thread for
//!   each 127 ends, which sleeps until one of them is rung for; nothing is polled, but that
//!   a task that still waits after a tenth of a second or two looks once more, for a ring that was lost.
//! - *Cancel-safe.* A future that is dropped has taken nothing, sent nothing, and left no announcement behind; see each call.
//! - What is there at once is taken without a system call and without the bridge. After 128 such calls in a row a task lets others run.
//! - A death is noticed within 100 ms, as by a call that blocks: the bridge looks at who lives, and wakes only whom it concerns.
//! - Timeouts are the runtime's: `tokio::time::timeout(limit, rx.recv())`.
//! - The feature `futures` adds `Stream` for receivers and `Sink` for senders.

mod broadcast;
mod mpmc;
mod rpc;
mod spsc;
mod watch;

use crate::error::{Error, Result};
use crate::select::Selectable;
use crate::wait::bridge::{self, Registration};
use crate::wait::source;
use std::pin::Pin;
use std::task::{Context, Poll};

/// After so many calls in a row that found what they wanted at once, a task lets others run.
const ROW_MAX: u32 = 128;

/// An end of a channel, or an [`Event`](crate::select::Event), for `async` code. See [the module](self).
///
/// Its own calls are those of the end, with `.await`; [`Self::get_mut`] gives the end itself, for everything that does not wait.
#[derive(Debug)]
pub struct Async<E: Selectable> {
    /// Dropped first: then nobody rings for it any more.
    end: E,
    registration: Registration,
    /// Whether the other side has been told that we sleep.
    is_announced: bool,
    /// How many calls have found what they wanted at once.
    in_a_row: u32,
    /// Whether the stream of messages has ended.
    #[cfg(feature = "futures")]
    is_over: bool,
}

impl<E: Selectable> Async<E> {
    /// Wraps an end. Starts the bridge where there is none with room.
    ///
    /// # Errors
    /// `Kernel`: no thread can be started.
    pub fn new(end: E) -> Result<Self> {
        let registration = bridge::register(end.word(), end.vigil())
            .map_err(|e| Error::kernel("start", "a thread to wait for channels", e, "raise the limit on threads"))?;
        Ok(Self {
            end,
            registration,
            is_announced: false,
            in_a_row: 0,
            #[cfg(feature = "futures")]
            is_over: false,
        })
    }

    /// The end.
    #[must_use]
    pub fn get_ref(&self) -> &E {
        &self.end
    }

    /// The end, for calls that do not wait: `try_recv`, `try_recv_ref`, `len`. One that waits blocks the thread.
    pub fn get_mut(&mut self) -> &mut E {
        self.finish(false);
        &mut self.end
    }

    /// The end, to be used without `async` again.
    #[must_use]
    pub fn into_inner(mut self) -> E {
        self.finish(false);
        self.end
    }

    /// Until a call that waits would return at once: with what it waits for, or with why it will never come.
    ///
    /// For what has no call of its own here: `rx.ready().await; let lent = rx.get_mut().try_recv_ref();`.
    ///
    /// Cancel-safe: nothing is taken.
    pub async fn ready(&mut self) {
        self.until(|end| end.is_ready().then_some(())).await;
    }

    /// [`Self::ready`], for who writes futures by hand. While it says [`Poll::Pending`], the waker of the last call is woken when it is time to
    /// call again.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_until(cx, |end| end.is_ready().then_some(()))
    }

    /// Until `attempt` has a result. Dropped before that, nothing is left behind.
    pub(crate) fn until<R, F: FnMut(&mut E) -> Option<R>>(&mut self, attempt: F) -> Until<'_, E, F> {
        Until { of: self, attempt }
    }

    pub(crate) fn poll_until<R>(
        &mut self,
        cx: &mut Context<'_>,
        mut attempt: impl FnMut(&mut E) -> Option<R>,
    ) -> Poll<R> {
        if self.is_announced && self.registration.was_woken() {
            // Before the attempt, so that it makes good what we were rung for.
            self.wake_up();
        }
        while self.in_a_row < ROW_MAX {
            self.in_a_row += 1;
            if let Some(result) = attempt(&mut self.end) {
                self.finish(true);
                return Poll::Ready(result);
            }
            // Ready, and then there was nothing: somebody else was faster, or somebody lies. The row has an end.
            if !self.is_ready_or_waits(cx) {
                self.in_a_row = 0;
                return Poll::Pending;
            }
        }
        self.in_a_row = 0;
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether it is ready; if not, the waker is left and the other side knows that we sleep.
    fn is_ready_or_waits(&mut self, cx: &mut Context<'_>) -> bool {
        if self.end.is_ready() {
            return true;
        }
        if !self.registration.is_here() && !self.register_anew() {
            // In a forked child without a thread to be had: all that is left is to ask again.
            cx.waker().wake_by_ref();
            return false;
        }
        if self.is_announced {
            if self.registration.replace_waker(cx.waker()) {
                // Nobody has rung since.
                return false;
            }
            self.wake_up();
        }
        // Rule 3 of the bridge: the waker, the announcement, the barriers, the look.
        self.registration.leave_waker(cx.waker());
        source::announce(&mut self.end);
        self.is_announced = true;
        self.end.is_ready()
    }

    /// After a fork: what was registered and announced before is the parent's.
    fn register_anew(&mut self) -> bool {
        self.is_announced = false;
        match bridge::register(self.end.word(), self.end.vigil()) {
            Ok(fresh) => self.registration = fresh,
            Err(_) => return false,
        }
        true
    }

    /// We have been woken: by a ring, or because there is something to look at.
    fn wake_up(&mut self) {
        // In a forked child both are the parent's.
        if !self.registration.is_here() {
            return;
        }
        self.withdraw();
        if self.registration.was_disturbed() {
            self.end.look();
        }
    }

    fn withdraw(&mut self) {
        if self.is_announced {
            self.is_announced = false;
            self.end.withdraw();
        }
    }

    /// The wait is over, by a taking or without one.
    fn finish(&mut self, is_taken: bool) {
        // In a forked child the announcement, and the waker behind its lock, are the parent's.
        if self.is_announced && self.registration.is_here() {
            self.registration.take_waker();
            self.withdraw();
            // Of a ring that came since the announcement it is not known whether what was taken came before.
            self.end.settle(false);
        } else {
            self.end.settle(is_taken);
        }
        self.is_announced = false;
    }
}

/// A wait, which is taken back when it is dropped.
#[must_use]
pub(crate) struct Until<'a, E: Selectable, F> {
    of: &'a mut Async<E>,
    attempt: F,
}

impl<E: Selectable, F> Unpin for Until<'_, E, F> {}

impl<R, E: Selectable, F: FnMut(&mut E) -> Option<R>> Future for Until<'_, E, F> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let Self { of, attempt } = &mut *self;
        of.poll_until(cx, attempt)
    }
}

impl<E: Selectable, F> Drop for Until<'_, E, F> {
    fn drop(&mut self) {
        self.of.finish(false);
    }
}

impl Async<crate::select::Event> {
    /// Until the event is set; takes it. Cancel-safe: an event that was not taken stays set.
    pub async fn take(&mut self) {
        self.until(|event| event.take().then_some(())).await;
    }
}
