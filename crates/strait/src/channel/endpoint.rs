//! What the ends of all channels share: a lease on a slot, the link to the other side, and the knowledge of whether it is gone.

use crate::error::{Error, ErrorKind, Result};
use crate::peer::entry::{self, Rules, Site};
use crate::peer::lease::Leases;
use crate::peer::side::{self, Presence, State};
use crate::peer::{Cause, PeerState};
use crate::region::Region;
use crate::ring::PeerFault;
use crate::wait::Strategy;
use crate::wait::link::{Announced, Link};
use crate::wait::source::Vigil;
use crate::wait::turn::{Sleeper as _, Step, Turn, Waiting};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::Duration;
use strait_mem::{Shared as _, View, ViewMut, Word};
use strait_sys::clock_gettime;
use strait_sys::fork::Birthmark;

/// How often, at the most, a call that does not wait asks the kernel whether the other side lives.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long leaving waits for a process that was stopped while attaching or leaving, before it leaves the name to the next user.
const LEAVE_PATIENCE: Duration = Duration::from_millis(200);

/// Why an end is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The other side is gone for good.
    Gone(Cause),
    /// The other side lied.
    Fault(PeerFault),
    /// We are in a forked child.
    Forked,
}

/// One end of a channel.
#[derive(Debug)]
pub(crate) struct Endpoint {
    link: Link<ViewMut, View>,
    /// This process, as it was when the end was made.
    birthmark: Birthmark,
    end: Option<End>,
    /// Whether there was ever another side. From then on a presence word that says "never" is a lie.
    has_met: bool,
    waiting: Waiting,
    is_restartable: bool,
    is_kept: bool,
    /// When the other side's lease was last looked at, by the coarse clock.
    looked: Duration,
    peer_slot: u32,
    peer_side: u64,
    slot: u32,
    peer_who: View,
    /// The other side's bell, for who sleeps on many.
    bell: Word,
    /// Shared with whoever keeps vigil for this end.
    leases: Arc<Leases>,
    region: Region,
}

/// What an endpoint is made of.
pub(crate) struct Parts {
    pub(crate) region: Region,
    pub(crate) leases: Leases,
    /// Our slot, whose lease is ours.
    pub(crate) slot: u32,
    pub(crate) peer_slot: u32,
    /// Where the pages of the two sides begin in the region.
    pub(crate) own_side: u64,
    pub(crate) peer_side: u64,
    pub(crate) is_restartable: bool,
    pub(crate) is_kept: bool,
    pub(crate) strategy: Strategy,
}

impl Endpoint {
    /// Makes an end whose lease has been taken, and says so to the other side.
    pub(crate) fn new(parts: Parts) -> Result<Self> {
        let Parts { mut region, leases, slot, peer_slot, own_side, peer_side, is_restartable, is_kept, strategy } =
            parts;
        // Before the first announcement of presence: from then on the other side may rely on our barriers.
        strait_sys::membarrier::register();
        let birthmark = Birthmark::here().map_err(|e| Error::kernel("attach to", region.place(), e, ""))?;
        let own = region.view_mut(own_side..own_side + side::LINK_BYTES)?;
        let (peer, bell) = words_of(&region, peer_side)?;
        let peer_who = region.view(peer_side + side::WHO..peer_side + side::WHO + side::WHO_BYTES)?;
        region.let_go_of_fd();
        let mut link = Link::attach(own, peer);
        // One that is hardly used costs nobody who waits for it a heavy barrier; who is busy is through with it at once.
        link.start_fencing();
        Ok(Self {
            link,
            birthmark,
            end: None,
            has_met: false,
            waiting: Waiting::new(strategy),
            is_restartable,
            is_kept,
            looked: Duration::ZERO,
            peer_slot,
            peer_side,
            slot,
            peer_who,
            bell,
            leases: Arc::new(leases),
            region,
        })
    }

    pub(crate) fn region(&self) -> &Region {
        &self.region
    }

    /// The channel's descriptor, to hand over; opened when it is first asked for.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.leases.to_hand_over()
    }

    /// Whether the channel goes on without one of its sides.
    pub(crate) fn is_restartable(&self) -> bool {
        self.is_restartable
    }

    /// Whether this process is the one that made the end, and not a forked child of it.
    #[inline(always)]
    pub(crate) fn is_own(&self) -> bool {
        self.birthmark.is_here()
    }

    /// Whether this end can still be used. Two loads; no system call.
    #[inline(always)]
    pub(crate) fn check(&self) -> Result<(), End> {
        if self.is_own() && self.end.is_none() { Ok(()) } else { Err(self.why_not()) }
    }

    #[cold]
    #[inline(never)]
    fn why_not(&self) -> End {
        match self.end {
            Some(end) if self.is_own() => end,
            _ => End::Forked,
        }
    }

    /// Looks at what the other side says of itself: closes this end if it has left for good. No system call.
    #[inline(always)]
    pub(crate) fn look_at_peer(&mut self) -> Result<(), End> {
        let (state, _) = self.link.peer();
        if state == State::Left && !self.is_restartable {
            return Err(self.close(End::Gone(Cause::Left)));
        }
        Ok(())
    }

    /// Whether there is nothing to be told: this end can be used, and the other side has not left. Three loads.
    #[inline(always)]
    pub(crate) fn is_undisturbed(&self) -> bool {
        self.is_own() && self.end.is_none() && self.link.peer().0 != State::Left
    }

    /// Asks the kernel too whether the other side lives. One system call.
    pub(crate) fn look_at_lease(&mut self) -> Result<(), End> {
        if self.is_restartable {
            return Ok(());
        }
        if self.link.peer().0 != State::Never {
            self.has_met = true;
        }
        match self.peer_state().gone() {
            Some(cause) => Err(self.close(End::Gone(cause))),
            None => Ok(()),
        }
    }

    /// [`Self::look_at_lease`], at most once in 10 ms: for calls that do not wait, so that one who only ever polls learns of a death.
    pub(crate) fn look_at_lease_now_and_then(&mut self) -> Result<(), End> {
        let now = clock_gettime::monotonic_coarse();
        if now.saturating_sub(self.looked) < LOOK_EVERY {
            return Ok(());
        }
        self.looked = now;
        self.look_at_lease()
    }

    /// There was another side: it has done something that only it can do.
    pub(crate) fn has_met(&mut self) {
        self.has_met = true;
    }

    /// The state of the other side. One system call while it is attached.
    pub(crate) fn peer_state(&self) -> PeerState {
        entry::state_of(self.has_met, || self.link.peer(), || self.leases.is_held_by_another(self.peer_slot))
    }

    /// The pid that the other side wrote, for people.
    pub(crate) fn peer_pid(&self) -> u32 {
        side::alleged_pid(&self.peer_who)
    }

    /// To be called after each action that the other side may wait for; `is_enough` as in [`Link::after_action`].
    #[inline]
    pub(crate) fn after_action(&mut self, is_enough: impl FnOnce(u32) -> bool) {
        self.link.after_action(is_enough);
    }

    /// How often to look for what is due any moment, before any other wait.
    #[inline(always)]
    pub(crate) fn first_looks(&self) -> u32 {
        self.waiting.first_looks()
    }

    /// Takes one step of waiting. `Ok(false)`: the time is up.
    #[inline]
    pub(crate) fn step(&mut self, turn: &mut Turn<Announced>, wake_at: u32) -> Result<bool, End> {
        match turn.step(&mut self.waiting, &mut self.link, wake_at) {
            Step::Again => self.look_at_peer().map(|()| true),
            Step::AgainAndLook => self.look_at_lease().map(|()| true),
            // One who waits a little again and again learns of a death too.
            Step::TimedOut => self.look_at_lease_now_and_then().map(|()| false),
        }
    }

    /// Ends a wait.
    #[inline]
    pub(crate) fn end_turn(&mut self, turn: Turn<Announced>) {
        turn.end(&mut self.waiting, &mut self.link);
    }

    /// Announces that we are about to sleep, beside other things; says what the bell was. The barriers are the caller's.
    pub(crate) fn announce(&mut self, wake_at: u32) -> u32 {
        self.link.announce_alone(wake_at)
    }

    /// Whether the other side passes full barriers (rule 4 of the link).
    pub(crate) fn is_fenced(&self) -> bool {
        self.link.is_fenced()
    }

    /// Takes an announcement back. A forked child's is its parent's.
    pub(crate) fn withdraw(&mut self) {
        if self.is_own() {
            self.link.wake_up();
        }
    }

    /// The word to sleep on after an announcement.
    pub(crate) fn bell(&self) -> &Word {
        &self.bell
    }

    /// The core that the other side was last seen on.
    pub(crate) fn peer_cpu(&self) -> u32 {
        self.link.peer_cpu()
    }

    /// Says which core we wait on.
    pub(crate) fn set_cpu(&self, cpu: u32) {
        self.link.set_cpu(cpu);
    }

    /// Who can look, from another thread, whether the other side lives; `None` where that cannot be watched.
    pub(crate) fn vigil(&self) -> Option<Arc<dyn Vigil>> {
        let presence = self.region.view(self.peer_side..self.peer_side + 8).ok()?;
        let told = self.is_restartable.then(|| AtomicU64::new(u64::MAX));
        Some(Arc::new(PeerVigil { leases: Arc::clone(&self.leases), peer_slot: self.peer_slot, presence, told }))
    }

    /// Closes this end for a reason, which every later call will be told.
    pub(crate) fn close(&mut self, end: End) -> End {
        if self.end.is_none() {
            self.end = Some(end);
        }
        end
    }

    /// Takes a closing because the other side is gone back: there is still something of it to receive.
    pub(crate) fn reopen(&mut self) {
        if matches!(self.end, Some(End::Gone(_))) {
            self.end = None;
        }
    }

    /// Leaves: tells the other side, gives the lease back, and takes the name away if nobody is left, unless it `is_kept`: that is
    /// asked when nobody else can change the answer any more.
    pub(crate) fn leave(&mut self, is_kept: impl FnOnce() -> bool) {
        if !self.is_own() {
            // The parent's slot is not ours to give up.
            return;
        }
        let Self { link, region, leases, .. } = self;
        let rules = rules_of(region, self.is_restartable);
        entry::leave(
            &Site { region, leases },
            rules,
            self.slot,
            LEAVE_PATIENCE,
            || link.leave(),
            || self.is_kept || is_kept(),
        );
    }
}

/// Looks whether the other side lives, for an end that somebody else holds.
#[derive(Debug)]
struct PeerVigil {
    leases: Arc<Leases>,
    peer_slot: u32,
    /// The other side's presence word.
    presence: View,
    /// Where another may come in its place a death ends nothing, and is told once, for whoever died may have acted and not rung: the presence
    /// of the one whose death was told last.
    told: Option<AtomicU64>,
}

impl Vigil for PeerVigil {
    fn is_disturbed(&self) -> bool {
        // Acquire, as in `Link::peer`. Who left has rung. Who says that it never came may lie: the end knows whether it was met.
        let word = self.presence.load_u64(side::PRESENCE, Acquire);
        let is_gone =
            Presence::from_word(word).state() != State::Left && !self.leases.is_held_by_another(self.peer_slot);
        // Relaxed: the bridge alone asks.
        is_gone && self.told.as_ref().is_none_or(|told| told.swap(word, Relaxed) != word)
    }
}

/// The word at `at`, to sleep on.
pub(crate) fn word(region: &Region, at: u64) -> Result<Word> {
    Word::of(region.view(at..at + 4)?).ok_or_else(|| {
        Error::new(ErrorKind::Damaged, format!("attach to {}: a word at {at} is not aligned", region.place()))
    })
}

/// What a side says to the other one, and its bell, to sleep on. In a mapping of their own, where there can be one: the side's page will be
/// protected (see [`Mapping::to_sleep_on`](strait_mem::Mapping::to_sleep_on)).
fn words_of(region: &Region, side: u64) -> Result<(View, Word)> {
    let (link, bell) = (0..side::LINK_BYTES as usize, side::BELL..side::BELL + 4);
    let page = side as usize..(side + side::SIDE_BYTES) as usize;
    let windows = region.mapping().to_sleep_on(page).ok().and_then(|again| {
        let bell = again.view(bell).and_then(Word::of)?;
        // The page fault is now, and not at the first message.
        let _ = bell.load(Relaxed);
        Some((again.view(link)?, bell))
    });
    match windows {
        Some(windows) => Ok(windows),
        None => Ok((region.view(side..side + side::LINK_BYTES)?, word(region, side + side::BELL as u64)?)),
    }
}

/// The rules for coming to this region and leaving it.
pub(crate) fn rules_of(region: &Region, is_restartable: bool) -> Rules {
    let place = region.place();
    Rules { is_named: place.path().is_some(), is_file: place.is_file(), is_restartable }
}

/// Writes who we are into our side, for people: before anybody can find the slot taken.
pub(crate) fn sign(region: &Region, side_at: u64) -> Result<()> {
    side::sign(&region.view_mut(side_at + side::WHO..side_at + side::WHO + side::WHO_BYTES)?);
    Ok(())
}

/// The error of a slot that is taken, with the pid its holder alleges.
pub(crate) fn busy(region: &Region, who: &str, side_at: u64) -> Error {
    let pid = region
        .view(side_at + side::WHO..side_at + side::WHO + side::WHO_BYTES)
        .map_or(0, |view| side::alleged_pid(&view));
    Error::new(ErrorKind::Busy, format!("attach to {}: it has a {who} already (process {pid})", region.place()))
}
