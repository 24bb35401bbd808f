//! The pushing side of a queue.

use super::word::{Claimant, State, Word};
use super::{LEN, PAYLOAD, Queue};
use crate::ring::PeerFault;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use strait_mem::SharedRmw;

/// How many jobs of an earlier lap that still wait are passed over in search of a free slot: some that were put back, while behind them
/// there is room. Where more of them wait the queue is full.
const WAITING_MAX: u32 = 16;

/// Why there is no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// The queue of this kind is full.
    Full,
    Fault(PeerFault),
}

/// A slot that we write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Staged {
    pub(crate) kind: u32,
    pub(crate) position: u64,
    /// Where it begins.
    slot: usize,
}

impl Staged {
    /// Where the payload goes.
    pub(crate) fn payload(self) -> usize {
        self.slot + PAYLOAD
    }
}

/// One who pushes.
#[derive(Debug)]
pub(crate) struct Producer<W> {
    queue: Queue<W>,
    me: Claimant,
    lanes: Vec<Lane>,
}

/// Where a producer stands in the row of jobs of one kind.
#[derive(Debug)]
struct Lane {
    /// Our own position: everything before it was taken or passed over. The truth, and ours alone (rule 3).
    next: u64,
    /// `tail` when last looked at.
    tail: u64,
}

impl<W: SharedRmw> Producer<W> {
    /// A new producer of this seat and generation.
    pub(crate) fn new(queue: Queue<W>, me: Claimant) -> Self {
        let lane = |tail| Lane { next: tail, tail };
        let lanes = (0..queue.shape.kinds).map(|kind| lane(queue.tail(kind))).collect();
        Self { queue, me, lanes }
    }

    pub(crate) fn queue(&self) -> &Queue<W> {
        &self.queue
    }

    /// Where we are, for who waits for room.
    pub(crate) fn position(&self, kind: u32) -> u64 {
        self.lanes[kind as usize].next
    }

    /// Pushes a copy of a job. `kind` is below the number of kinds, and the job is no longer than it may be.
    #[inline(always)]
    pub(crate) fn push(&mut self, kind: u32, bytes: &[u8]) -> Result<(), NoRoom> {
        self.push_next(kind, bytes).map_or_else(|| self.push_anew(kind, bytes), Ok)
    }

    /// Pushes into the very next slot, if that is free: the way of a stream. One exchange; what can be reckoned is reckoned before it, for
    /// what comes behind it waits for the slot's line. `None`: nothing was pushed, and perhaps a slot is taken that [`Self::search`] gives up.
    #[inline(always)]
    fn push_next(&mut self, kind: u32, bytes: &[u8]) -> Option<()> {
        let shape = self.queue.shape;
        let lane = self.lanes.get_mut(kind as usize)?;
        let position = lane.next;
        let (lap, next) = (shape.lap(position), shape.on_circle(position.wrapping_add(1)));
        let (slot, window) = (shape.slot(kind, position), &self.queue.window);
        let (free, writing, ready) = (Word::free(lap), Word::writing(lap, self.me), Word::ready(lap, 0));
        // SeqCst, QUEUE-PASS: the slot is taken before `tail` is read.
        if window.compare_exchange_u64(slot, free.0, writing.0, SeqCst, Relaxed).is_err() {
            return None;
        }
        lane.tail = self.queue.tail(kind);
        if shape.ahead(lane.tail, position) > 0 {
            return None;
        }
        if shape.has_lengths {
            window.store_u32(slot + LEN, bytes.len() as u32, Relaxed);
        }
        window.write(slot + PAYLOAD, bytes);
        // Release, QUEUE-COMMIT: the payload is written before the job is seen.
        window.store_u64(slot, ready.0, Release);
        lane.next = next;
        if shape.ahead(next, lane.tail) >= shape.lag_max() {
            self.raise_hint(kind, next);
        }
        Some(())
    }

    /// [`Self::push`], with a look at each slot before it is touched: for who finds the queue full again and again.
    #[inline(never)]
    pub(crate) fn push_anew(&mut self, kind: u32, bytes: &[u8]) -> Result<(), NoRoom> {
        let staged = self.stage(kind)?;
        self.queue.window.write(staged.payload(), bytes);
        self.publish(staged, bytes.len() as u32);
        Ok(())
    }

    /// Looks for a slot from our position on, and takes it.
    pub(crate) fn stage(&mut self, kind: u32) -> Result<Staged, NoRoom> {
        self.search(kind, true)
    }

    /// Takes a free slot, if it is as it was seen.
    fn take(&self, kind: u32, at: u64, from: Word) -> bool {
        let shape = self.queue.shape;
        let to = Word::writing(shape.lap(at), self.me);
        // SeqCst, QUEUE-PASS: the slot is taken before `tail` is read.
        self.queue.window.compare_exchange_u64(shape.slot(kind, at), from.0, to.0, SeqCst, Relaxed).is_ok()
    }

    fn is_passed(&mut self, kind: u32, at: u64) -> bool {
        let tail = self.queue.tail(kind);
        self.lanes[kind as usize].tail = tail;
        self.queue.shape.ahead(tail, at) > 0
    }

    fn staged(&self, kind: u32, position: u64) -> Staged {
        Staged { kind, position, slot: self.queue.shape.slot(kind, position) }
    }

    /// Whether [`Self::push`] would find a slot now. None is taken.
    #[inline(never)]
    pub(crate) fn has_room(&mut self, kind: u32) -> Result<bool, PeerFault> {
        match self.search(kind, false) {
            Ok(_) => Ok(true),
            Err(NoRoom::Full) => Ok(false),
            Err(NoRoom::Fault(fault)) => Err(fault),
        }
    }

    /// Looks for a slot from our position on; `takes` it or says where it is.
    fn search(&mut self, kind: u32, takes: bool) -> Result<Staged, NoRoom> {
        let shape = self.queue.shape;
        let mut at = self.lanes[kind as usize].next;
        let mut has_passed_over = false;
        let (mut waiting, waiting_max) = (0, WAITING_MAX.min(shape.slots() / 2));
        for _ in 0..u64::from(shape.slots()) * 2 + u64::from(WAITING_MAX) {
            let word = self.queue.load(kind, at, Acquire);
            let Some(state) = word.state() else { return Err(NoRoom::Fault(self.queue.fault_at(kind, at, word))) };
            match (word.laps_ahead(shape.lap(at)), state) {
                (0, State::Writing) if word == Word::writing(shape.lap(at), self.me) => {
                    // Taken by the fast way, and then seen to be passed.
                    self.give_up(kind, at);
                    at = shape.on_circle(at.wrapping_add(1));
                }
                (1.., _) => {
                    let tail = self.queue.tail(kind);
                    at = if shape.ahead(tail, at) > 0 { tail } else { at.wrapping_add(1) };
                }
                (_, State::Free) if !takes => {
                    if !self.is_passed(kind, at) {
                        return Ok(self.staged(kind, at));
                    }
                    at = self.queue.tail(kind);
                }
                (_, State::Free) => {
                    if has_passed_over {
                        // Before the job is seen (rule 4).
                        self.queue.raise_tail(kind, at).map_err(NoRoom::Fault)?;
                    }
                    if !self.take(kind, at, word) {
                        continue;
                    }
                    if !self.is_passed(kind, at) {
                        self.lanes[kind as usize].next = at;
                        return Ok(self.staged(kind, at));
                    }
                    self.give_up(kind, at);
                    at = self.queue.tail(kind);
                }
                (0, _) => at = at.wrapping_add(1),
                (_, state) => {
                    waiting += u32::from(state == State::Ready);
                    // A single look further on tells a queue that is full; slots are not taken from the workers' hands for more.
                    if waiting > waiting_max || waiting == 1 && self.is_waiting(kind, at + u64::from(waiting_max)) {
                        return Err(NoRoom::Full);
                    }
                    has_passed_over = true;
                    at = at.wrapping_add(1);
                }
            }
            at = shape.on_circle(at);
            if !has_passed_over {
                self.lanes[kind as usize].next = at;
            }
        }
        Err(NoRoom::Full)
    }

    /// Whether there is room for several jobs, as far as one slot tells: who waits for room looks there first, and so leaves the slots alone
    /// that workers have in their hands.
    pub(crate) fn is_roomy(&self, kind: u32) -> bool {
        let shape = self.queue.shape;
        let at = self.lanes[kind as usize].next.wrapping_add(u64::from(shape.slots() / 4));
        self.queue.load(kind, at, Acquire).state() == Some(State::Free)
    }

    /// Whether there is a job of an earlier lap that waits for a worker.
    fn is_waiting(&self, kind: u32, at: u64) -> bool {
        let word = self.queue.load(kind, at, Acquire);
        word.state() == Some(State::Ready) && word.laps_ahead(self.queue.shape.lap(at)) < 0
    }

    /// Makes a job visible, whose payload is complete.
    pub(crate) fn publish(&mut self, staged: Staged, len_bytes: u32) {
        let Staged { kind, position, slot } = staged;
        let shape = self.queue.shape;
        if shape.has_lengths {
            self.queue.window.store_u32(slot + LEN, len_bytes, Relaxed);
        }
        // Release, QUEUE-COMMIT: the payload is written before the job is seen.
        self.queue.window.store_u64(slot, Word::ready(shape.lap(position), 0).0, Release);
        self.go_on(kind, position);
    }

    /// Gives a slot up that we write: there will be no job.
    pub(crate) fn take_back(&mut self, staged: Staged) {
        let Staged { kind, position, .. } = staged;
        self.give_up(kind, position);
        self.go_on(kind, position);
    }

    /// Gives up what was staged and then forgotten: before the producer leaves.
    pub(crate) fn take_all_back(&mut self) {
        for kind in 0..self.queue.shape.kinds {
            // A slot that was staged is at our position until it is published or given up.
            let at = self.lanes[kind as usize].next;
            // Relaxed: such a word is our own.
            if self.queue.load(kind, at, Relaxed) == Word::writing(self.queue.shape.lap(at), self.me) {
                self.give_up(kind, at);
            }
        }
    }

    /// The queue's window, to write into a slot that was staged.
    pub(crate) fn window_mut(&mut self) -> &mut W {
        &mut self.queue.window
    }

    fn give_up(&self, kind: u32, at: u64) {
        self.queue.store(kind, at, Word::free(self.queue.shape.lap(at).wrapping_add(1)));
    }

    fn go_on(&mut self, kind: u32, position: u64) {
        let shape = self.queue.shape;
        let lane = &mut self.lanes[kind as usize];
        lane.next = shape.on_circle(position.wrapping_add(1));
        if shape.ahead(lane.next, lane.tail) >= shape.lag_max() {
            let next = lane.next;
            self.raise_hint(kind, next);
        }
    }

    #[inline(never)]
    fn raise_hint(&self, kind: u32, to: u64) {
        // A hint: a liar's `tail` that cannot be raised is met when it is needed.
        let _ = self.queue.raise_tail(kind, to);
    }
}
