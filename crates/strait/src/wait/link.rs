//! The link between two sides: how one sleeps and the other wakes it, without a system call or a fence while nobody sleeps.
//!
//! The side that acts (A) and the side that waits (W), each with a page of its own ([`crate::peer::side`]):
//!
//! ```text
//! A: store the message                    W: read A's bell                  (1)
//!    light (or full) barrier                 presence := asleep             (2)
//!    load W's presence                       heavy (or full) barrier        (3)
//!    changed, and asleep?                    is there a message? then awake (4)
//!       bell += 1                            sleep while A's bell is as read (5)
//!       wake who sleeps on the bell          presence := awake
//! ```
//!
//! 1. *No wake-up is lost.* By the barriers (`SLEEP-ANNOUNCE`), A sees that W sleeps or W sees the message. If A sees it, it
//!    changes the bell after W has read it, so W's sleep ends or does not begin: the kernel compares the bell and sleeps in one step.
//! 2. A rings once per sleep: it remembers the presence it has dealt with, and until W's presence changes there is nothing to do.
//!    So a burst of messages costs one system call, not one each.
//! 3. Each side writes only its own page. A bell belongs to who rings it.
//! 4. A heavy barrier is a system call that interrupts other cores. Where A and W share a core, each wait is one, and dear. So A, when it
//!    has woken a W on its own core, says in its page that it `fences`: passes a full barrier at each action. A W that reads this,
//!    after a full barrier of its own, needs no heavy one. A takes it back with a full barrier behind (`FENCES-END`): a W that still
//!    read it announced its sleep before, and A sees it. An A that has just come fences too: of many that are waited for at once most are
//!    quiet, and a single one that does not fence costs a heavy barrier.
//! 5. A peer that lies can make us ring for nothing or sleep through; each sleep ends after a slice anyway.

use crate::peer::side::{BELL, CPU, FENCES, PRESENCE, Presence, State, WAKE_AT};
use crate::wait::turn::Sleeper;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;
use strait_mem::{Parking, Shared, SharedMut};

/// Both ends of a link, as one side sees them.
#[derive(Debug)]
pub(crate) struct Link<Own, Peer> {
    own: Own,
    peer: Peer,
    /// Our presence word. The truth; the shared copy is for the other side.
    presence: Presence,
    /// The other side's presence that we have dealt with.
    dealt_with: u64,
    /// How often we have rung. The truth.
    rung: u32,
    /// For how many more actions we pass a full barrier (rule 4). The truth; the shared flag is for the other side.
    fences_left: u32,
}

/// So many actions after we came, or woke one on our own core, we are as fast as ever.
const FENCES_MAX: u32 = 64;

impl<Own: SharedMut + Parking, Peer: Shared + Parking> Link<Own, Peer> {
    /// Takes our side over from whoever had it and says that we are there.
    pub(crate) fn attach(own: Own, peer: Peer) -> Self {
        let before = Presence::from_word(own.load_u64(PRESENCE, Relaxed));
        let rung = own.load_u32(BELL, Relaxed);
        let mut link = Self { own, peer, presence: before.succeeded(), dealt_with: 0, rung, fences_left: 0 };
        // Whoever had our side may have died while it fenced.
        link.stop_fencing();
        // Release: what a new owner has set up is seen by whoever sees the owner.
        link.own.store_u64(PRESENCE, link.presence.word(), Release);
        // The other side may sleep and wait for somebody to come.
        link.ring();
        link
    }

    /// Says that we have left, and wakes the other side to learn of it.
    pub(crate) fn leave(&mut self) {
        self.presence = self.presence.left();
        // Release: a side that sees us gone sees all that we sent.
        self.own.store_u64(PRESENCE, self.presence.word(), Release);
        self.ring();
    }

    /// What the other side says it is, and which owner of its side says so.
    #[inline]
    pub(crate) fn peer(&self) -> (State, u64) {
        // Acquire, pairs with the Release of `attach` and `leave`.
        let presence = Presence::from_word(self.peer.load_u64(PRESENCE, Acquire));
        (presence.state(), presence.owner())
    }

    /// Wakes the other side if it sleeps and `is_enough` for the position it waits for. To be called after each action that
    /// the other side may wait for.
    #[inline]
    pub(crate) fn after_action(&mut self, is_enough: impl FnOnce(u32) -> bool) {
        // SLEEP-ANNOUNCE, the frequent half: the action is stored before the presence is loaded.
        if self.fences_left == 0 {
            self.own.light_barrier();
        } else {
            self.fence();
        }
        if self.peer.load_u64(PRESENCE, Relaxed) != self.dealt_with {
            self.deal_with_change(is_enough);
        }
    }

    #[cold]
    #[inline(never)]
    fn fence(&mut self) {
        self.own.full_barrier();
        self.fences_left -= 1;
        if self.fences_left == 0 {
            self.stop_fencing();
        }
    }

    /// Says that we fence, for some actions at least.
    pub(crate) fn start_fencing(&mut self) {
        if self.fences_left == 0 {
            // Release: who reads it sees all that we did without a barrier.
            self.own.store_u32(FENCES, 1, Release);
        }
        self.fences_left = FENCES_MAX;
    }

    /// Takes that back.
    pub(super) fn stop_fencing(&mut self) {
        self.fences_left = 0;
        self.own.store_u32(FENCES, 0, Relaxed);
        // FENCES-END: who relied on it has announced its sleep before, and our later loads see that.
        self.own.full_barrier();
    }

    #[cold]
    #[inline(never)]
    fn deal_with_change(&mut self, is_enough: impl FnOnce(u32) -> bool) {
        // Acquire: the position was stored before the presence that announces the sleep.
        let presence = Presence::from_word(self.peer.load_u64(PRESENCE, Acquire));
        if presence.is_asleep() {
            if !is_enough(self.peer.load_u32(WAKE_AT, Relaxed)) {
                // Not dealt with: looked at again after the next action.
                return;
            }
            self.ring();
            if self.peer_cpu() == strait_sys::getcpu::current() {
                self.start_fencing();
            } else if self.fences_left > 0 {
                self.stop_fencing();
            }
        }
        self.dealt_with = presence.word();
    }

    /// Steps 1 and 2 of who waits; says what the bell was. Step 3, the barriers, is the caller's: who waits on many passes them once.
    pub(crate) fn announce_alone(&mut self, wake_at: u32) -> u32 {
        // Acquire: step 1, before step 2.
        let bell = self.peer.load_u32(BELL, Acquire);
        self.own.store_u32(WAKE_AT, wake_at, Relaxed);
        self.presence = self.presence.turned();
        // Release: the position is stored before the presence.
        self.own.store_u64(PRESENCE, self.presence.word(), Release);
        bell
    }

    /// Whether the other side passes full barriers, so that one of ours, passed after the announcement, is enough (rule 4).
    pub(crate) fn is_fenced(&self) -> bool {
        // Acquire: what was done without a barrier, before the flag said that there is one, is seen.
        self.peer.load_u32(FENCES, Acquire) != 0
    }

    fn ring(&mut self) {
        // One who never waits says here which core it is on: to whom it wakes, for whom it matters.
        self.own.store_u32(CPU, strait_sys::getcpu::current(), Relaxed);
        self.rung = self.rung.wrapping_add(1);
        // Release: who finds the bell changed finds why.
        self.own.store_u32(BELL, self.rung, Release);
        self.own.wake(BELL);
    }
}

impl<Own: SharedMut + Parking, Peer: Shared + Parking> Sleeper for Link<Own, Peer> {
    type Announced = Announced;

    /// Until the other side's head has reached `wake_at`; of no meaning to a receiver.
    fn announce(&mut self, wake_at: u32) -> Announced {
        let bell = self.announce_alone(wake_at);
        // SLEEP-ANNOUNCE, the rare half: the presence is stored before the caller loads what it waits for.
        self.own.full_barrier();
        if !self.is_fenced() {
            self.own.heavy_barrier();
        }
        Announced { bell }
    }

    fn sleep(&self, announced: Announced, timeout: Duration) -> bool {
        self.peer.sleep_while(BELL, announced.bell, timeout)
    }

    fn wake_up(&mut self) {
        self.presence = self.presence.turned();
        // Relaxed: a late sight of it costs the other side one needless ring.
        self.own.store_u64(PRESENCE, self.presence.word(), Relaxed);
    }

    fn peer_cpu(&self) -> u32 {
        self.peer.load_u32(CPU, Relaxed)
    }

    /// Stored only when it changes, for the line is the other side's at each operation.
    fn set_cpu(&self, cpu: u32) {
        if self.own.load_u32(CPU, Relaxed) != cpu {
            self.own.store_u32(CPU, cpu, Relaxed);
        }
    }
}

/// The other side's bell, as it was before the announcement.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub(crate) struct Announced {
    bell: u32,
}
