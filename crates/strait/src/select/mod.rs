//! Waiting for many things at once: ends of channels, events and descriptors, in any mixture.
//!
//! ```text
//!   receiver ---+
//!   receiver ---+
//!     sender ---+--> Selector::ready -> index of one that is ready -> its own try_ call
//!      event ---+
//!     socket ---+
//! ```
//!
//! ```
//! use strait::channel::spsc::{self, Options};
//! use strait::select::{Selectable, Selector};
//!
//! let (mut tx, mut orders) = spsc::pair::<u64>(&Options::new())?;
//! let (_keep, mut news) = spsc::pair::<[u8]>(&Options::new())?; // usually from other processes
//! tx.send(&42)?;
//!
//! let mut selector = Selector::new();
//! match selector.ready(&mut [&mut orders as &mut dyn Selectable, &mut news]) {
//!     Some(0) => assert_eq!(orders.try_recv()?, 42),
//!     Some(1) => println!("{:?}", news.try_recv()?),
//!     _ => unreachable!("two were given"),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The sources are given at each call, so between two calls they are the caller's to use. Many of one type need no `dyn`: a
//! `&mut [Receiver<T>]` will do.
//!
//! # What is ready when
//!
//! | source | ready when |
//! |---|---|
//! | [`spsc::Receiver`](crate::channel::spsc::Receiver) | there is a message |
//! | [`spsc::Sender`](crate::channel::spsc::Sender) | there is room for the message that last found none; before there was one, for the shortest |
//! | [`mpmc::Worker`](crate::channel::mpmc::Worker) | there is a job of the kinds that it last asked for in vain; before that, of any |
//! | [`mpmc::Producer`](crate::channel::mpmc::Producer) | there is room for the kind that last found none; before that, for kind 0 |
//! | [`broadcast::Subscriber`](crate::channel::broadcast::Subscriber) | there is a message |
//! | [`broadcast::Publisher`](crate::channel::broadcast::Publisher) | there is room |
//! | [`watch::Reader`](crate::channel::watch::Reader) | there is a newer value than the one that it was given last |
//! | [`rpc::Server`](crate::channel::rpc::Server) | there is a request |
//! | [`rpc::Pending`](crate::channel::rpc::Pending) | the call is over; several of one client are several sources |
//! | [`rpc::Client`](crate::channel::rpc::Client) | one of its calls is over; where none is in flight, one can be made |
//! | [`Event`] | it is set |
//! | [`Descriptor`] | reading it, or writing to it, would not block |
//!
//! An end is ready, too, when its next call will say why it can do nothing more: the other side has left (at once), died (within 100 ms)
//! or lied, or this is a forked child. Ready is what was seen: where several may take the same message another may be faster, so the
//! call that follows is a `try_` one. A worker or server that is found ready, and takes nothing, may keep from another what that one would have
//! been woken for. A job that was put off is found within 100 ms of the time that it is due.
//!
//! # What it costs
//!
//! Ready sources are found without a system call, but for descriptors. A sleep is one `futex_waitv` (Linux 5.16) on one word of each, and one
//! barrier for all; nobody who sends pays more than for a receiver that sleeps alone. Asleep it uses no CPU, but for one look in 80 ms
//! at who lives.
//!
//! | | helper thread |
//! |---|---|
//! | up to 128 sources without descriptors | none |
//! | [`Descriptor`]s among them | one for all of the process, from the first descriptor on |
//! | more than 128 sources | one for each 127 of those above 127 |
//! | no `futex_waitv` (an older kernel, or a sandbox) | none; the words are slept on in turn, 1 ms each |

mod descriptor;
mod event;
mod surplus;

pub use descriptor::Descriptor;
pub use event::Event;
pub use strait_sys::epoll::Interest;

use crate::wait::Strategy;
use crate::wait::source::{Rounds, Source};
use crate::wait::turn::{Waiting, deadline_after};
use std::time::{Duration, Instant};
use strait_mem::word::WORDS_MAX;
use strait_sys::clock_gettime;
use surplus::Surplus;

/// How often, at the most, a call that does not wait asks the kernel who lives.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a [`Selector`] can wait for: the ends of channels, [`Event`]s, [`Descriptor`]s, and `&mut` and boxes of these.
///
/// Implemented here only.
pub trait Selectable: Source {}

impl<S: Source + ?Sized> Selectable for S {}

/// Waits for many. See [the module](self).
///
/// It remembers whose turn it is and how long it pays to spin, so one that is kept is fairer and faster than one made for each wait.
#[derive(Debug)]
pub struct Selector {
    rounds: Rounds,
    /// When the leases were last looked at, by the coarse clock.
    looked: Duration,
    surplus: Surplus,
}

impl Default for Selector {
    fn default() -> Self {
        Self::new()
    }
}

impl Selector {
    /// A selector that spins as long as that has paid lately, then sleeps.
    #[must_use]
    pub fn new() -> Self {
        Self::waiting(Strategy::default())
    }

    /// A selector that waits in this way.
    #[must_use]
    pub fn waiting(strategy: Strategy) -> Self {
        Self { rounds: Rounds::new(Waiting::new(strategy)), looked: Duration::ZERO, surplus: Surplus::new(strategy) }
    }

    /// Waits until one of `sources` is ready, and returns its index; `None` only where there are none.
    ///
    /// Of several that are ready it takes the first behind the one of the last call, round in a circle: none is kept waiting by others that
    /// are ready all the time.
    pub fn ready<S: Selectable>(&mut self, sources: &mut [S]) -> Option<usize> {
        self.until(sources, None)
    }

    /// [`Self::ready`], if one is ready now. Never waits; no system call but for [`Descriptor`]s, and to see, at most every 10 ms, who lives.
    pub fn try_ready<S: Selectable>(&mut self, sources: &mut [S]) -> Option<usize> {
        if let Some(found) = self.rounds.look(sources) {
            return Some(found);
        }
        self.look_now_and_then(sources).then(|| self.rounds.look(sources)).flatten()
    }

    /// [`Self::ready`], for `timeout` at the most; then `None`.
    pub fn ready_timeout<S: Selectable>(&mut self, sources: &mut [S], timeout: Duration) -> Option<usize> {
        self.until(sources, deadline_after(timeout)).or_else(|| self.try_ready(sources))
    }

    fn until<S: Selectable>(&mut self, sources: &mut [S], deadline: Option<Instant>) -> Option<usize> {
        if sources.is_empty() {
            return None;
        }
        if sources.len() <= WORDS_MAX {
            return self.rounds.wait(sources, deadline);
        }
        self.surplus.wait(&mut self.rounds, sources, deadline)
    }

    /// Asks who lives, at most once in 10 ms: one who only ever polls learns of a death too. Says whether it did.
    fn look_now_and_then<S: Selectable>(&mut self, sources: &mut [S]) -> bool {
        let now = clock_gettime::monotonic_coarse();
        let is_due = now.saturating_sub(self.looked) >= LOOK_EVERY;
        if is_due {
            self.looked = now;
            sources.iter_mut().for_each(S::look);
        }
        is_due
    }
}
