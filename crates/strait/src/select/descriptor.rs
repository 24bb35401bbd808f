//! A descriptor, to be waited for beside channels.
//!
//! A futex and a descriptor cannot be slept on in one call. So one thread of the process sleeps on all descriptors that are waited for
//! (`epoll`), and sets a word when one is ready; the selector sleeps on that word.
//!
//! 1. The word says "ask": it is 1 when the thread has been told something since the descriptor was armed. What is so, `poll` says.
//! 2. The thread is told once for each arming. A descriptor is armed when it was found not ready; so while it is armed and its word is 0, it
//!    has not become ready, and nobody need ask.
//! 3. What is armed stays so when the wait is over: at the worst the word is 1 at the next.

use crate::error::{Error, Result};
use crate::wait::bridge::{self, Ticket};
use crate::wait::source::Source;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::Duration;
use strait_mem::Word;
use strait_sys::epoll::Interest;
use strait_sys::{open, poll};

/// A pipe, socket, eventfd, pidfd ... that is waited for. Nothing is read or written here; that is its owner's to do, without blocking.
///
/// It holds a duplicate of the descriptor: drop it, when done, so that whoever has the other side sees this one closed. The first one of a
/// process starts a thread that sleeps on all of them.
#[derive(Debug)]
pub struct Descriptor {
    ticket: Ticket,
    interest: Interest,
    is_armed: bool,
    state: Arc<AtomicU32>,
    word: Word,
}

impl Descriptor {
    /// Waits until there is something to read, or its end. Four system calls.
    ///
    /// # Errors
    /// `Kernel`: not a descriptor that can be waited for (a file is always ready), or no descriptor or thread to be had.
    pub fn readable(fd: &impl AsFd) -> Result<Self> {
        Self::new(fd, Interest::Readable)
    }

    /// Waits until there is room to write, or nobody who reads.
    ///
    /// # Errors
    /// As [`Self::readable`].
    pub fn writable(fd: &impl AsFd) -> Result<Self> {
        Self::new(fd, Interest::Writable)
    }

    fn new(fd: &impl AsFd, interest: Interest) -> Result<Self> {
        let state = Arc::new(AtomicU32::new(0));
        let own = open::duplicate(fd.as_fd());
        let ticket = own.and_then(|own| bridge::watch_descriptor(own, &state)).map_err(|e| {
            let what = format!("descriptor {:?}", fd.as_fd());
            Error::kernel("wait for", what, e, "pipes, sockets and the like can be waited for; files are always ready")
        })?;
        Ok(Self { ticket, interest, is_armed: false, word: Word::own(Arc::clone(&state)), state })
    }

    fn ask(&self) -> bool {
        match self.interest {
            // What the kernel refuses to say, the call that follows will.
            Interest::Readable => {
                poll::poll_readable(&[self.ticket.fd()], Some(Duration::ZERO)).map_or(true, |found| found.is_some())
            }
            Interest::Writable => poll::is_writable(self.ticket.fd()).unwrap_or(true),
        }
    }
}

impl Source for Descriptor {
    /// One system call, unless nothing can have changed (rule 2).
    fn is_ready(&mut self) -> bool {
        // Acquire, pairs with DESCRIPTOR-READY.
        if self.is_armed && self.ticket.is_here() && self.state.load(Acquire) == 0 {
            return false;
        }
        if self.ask() {
            return true;
        }
        // Before arming: what comes after it sets it again.
        self.state.store(0, Relaxed);
        // In a forked child nobody would tell: there it is ready, for its owner to find out.
        self.is_armed = self.ticket.is_here() && self.ticket.arm(self.interest);
        !self.is_armed
    }

    fn announce(&mut self) -> u32 {
        0
    }

    fn is_fenced(&self) -> bool {
        true
    }

    fn word(&self) -> &Word {
        &self.word
    }

    fn withdraw(&mut self) {}
}
