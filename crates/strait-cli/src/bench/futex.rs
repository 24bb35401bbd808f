//! The floor: a message in shared memory, its number in a word, and a futex on that word; nothing checked, nobody missed.
//!
//! | offset | field | who writes |
//! |---:|---|---|
//! | 0 | how many messages were sent, u32: the futex | the sender |
//! | 64 | the message | the sender |
//!
//! There is room for one: who sends has had the answer to the last one. The waker always calls, the sleeper always sleeps.

use crate::bench::ends::{Receiving, Sending};
use crate::bench::job::{Job, Trouble};
use std::hint::spin_loop;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::Duration;
use strait::mem::{Parking as _, Shared as _, SharedMut as _, ViewMut};
use strait::process::{Command, handed};
use strait::region::{Options, Place, Region};

const SENT: usize = 0;
const MESSAGE: usize = 64;
/// Nobody sleeps as long.
const SLICE: Duration = Duration::from_secs(1);

/// One end.
pub(super) struct End {
    memory: ViewMut,
    bytes: usize,
    spins: bool,
    /// Sent, or received.
    count: u32,
}

impl End {
    pub(super) fn create(job: &Job, command: &mut Command, name: &str) -> Result<Self, Trouble> {
        let len = (MESSAGE + job.bytes) as u64;
        let region = Region::create(Place::memfd(name), len, &Options::new().populate(true))?;
        if let Some(fd) = region.fd().and_then(|fd| fd.try_clone_to_owned().ok()) {
            command.hand_over(name, fd);
        }
        Self::on(&region, job)
    }

    pub(super) fn take(job: &Job, name: &str) -> Result<Self, Trouble> {
        Self::on(&Region::from_fd(handed(name)?, &Options::new())?, job)
    }

    fn on(region: &Region, job: &Job) -> Result<Self, Trouble> {
        let memory = region.view_mut(0..(MESSAGE + job.bytes) as u64)?;
        Ok(Self { memory, bytes: job.bytes, spins: job.spins(), count: 0 })
    }
}

impl Sending for End {
    fn send(&mut self, message: &[u8]) -> Result<(), Trouble> {
        self.memory.write(MESSAGE, message);
        self.count = self.count.wrapping_add(1);
        // Release, BENCH-TURN: the message is written before its number is seen.
        self.memory.store_u32(SENT, self.count, Release);
        if !self.spins {
            self.memory.wake(SENT);
        }
        Ok(())
    }

    fn bytes_max(&self) -> usize {
        self.bytes
    }
}

impl Receiving for End {
    fn recv(&mut self, into: &mut Vec<u8>) -> Result<(), Trouble> {
        let before = self.count;
        self.count = before.wrapping_add(1);
        // Acquire, pairs with BENCH-TURN.
        while self.memory.load_u32(SENT, Acquire) == before {
            if self.spins {
                spin_loop();
            } else {
                self.memory.sleep_while(SENT, before, SLICE);
            }
        }
        into.resize(self.bytes, 0);
        self.memory.read(MESSAGE, into);
        Ok(())
    }
}
