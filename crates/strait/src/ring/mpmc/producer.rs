//! The pushing side of a queue.

use super::word::{Claimant, State, Word};
use super::{LEN, Queue};
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
    /// Where the payload goes.
    pub(crate) payload: usize,
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
        let staged = self.stage(kind)?;
        self.queue.window.write(staged.payload, bytes);
        self.publish(staged, bytes.len() as u32);
        Ok(())
    }

    /// [`Self::push`], with a look at each slot before it is touched: for who finds the queue full again and again.
    pub(crate) fn push_anew(&mut self, kind: u32, bytes: &[u8]) -> Result<(), NoRoom> {
        let staged = self.stage_anew(kind)?;
        self.queue.window.write(staged.payload, bytes);
        self.publish(staged, bytes.len() as u32);
        Ok(())
    }

    /// Takes a slot to write. One exchange where the next one is free.
    #[inline(always)]
    pub(crate) fn stage(&mut self, kind: u32) -> Result<Staged, NoRoom> {
        let at = self.lanes[kind as usize].next;
        let lap = self.queue.shape.lap(at);
        if self.take(kind, at, Word::free(lap)) && !self.is_passed(kind, at) {
            return Ok(self.staged(kind, at));
        }
        self.stage_anew(kind)
    }

    /// Takes a free slot, if it is as it was seen.
    #[inline(always)]
    fn take(&self, kind: u32, at: u64, from: Word) -> bool {
        let shape = self.queue.shape;
        let to = Word::writing(shape.lap(at), self.me);
        // SeqCst, QUEUE-PASS: the slot is taken before `tail` is read.
        self.queue.window.compare_exchange_u64(shape.slot(kind, at), from.0, to.0, SeqCst, Relaxed).is_ok()
    }

    #[inline(always)]
    fn is_passed(&mut self, kind: u32, at: u64) -> bool {
        let tail = self.queue.tail(kind);
        self.lanes[kind as usize].tail = tail;
        self.queue.shape.ahead(tail, at) > 0
    }

    #[inline(always)]
    fn staged(&self, kind: u32, position: u64) -> Staged {
        Staged { kind, position, payload: self.queue.shape.payload(kind, position) }
    }

    /// Looks for a slot from our position on, and takes it.
    #[cold]
    #[inline(never)]
    fn stage_anew(&mut self, kind: u32) -> Result<Staged, NoRoom> {
        self.search(kind, true)
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
    #[inline(always)]
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
    #[inline(always)]
    pub(crate) fn publish(&mut self, staged: Staged, len_bytes: u32) {
        let Staged { kind, position, .. } = staged;
        let shape = self.queue.shape;
        let slot = shape.slot(kind, position);
        if shape.item_bytes.is_none() {
            self.queue.window.store_u32(slot + LEN, len_bytes, Relaxed);
        }
        // Release, QUEUE-COMMIT: the payload is written before the job is seen.
        self.queue.window.store_u64(slot, Word::ready(shape.lap(position), 0).0, Release);
        self.go_on(kind, position);
    }

    fn give_up(&self, kind: u32, at: u64) {
        self.queue.store(kind, at, Word::free(self.queue.shape.lap(at).wrapping_add(1)));
    }

    #[inline(always)]
    fn go_on(&mut self, kind: u32, position: u64) {
        let shape = self.queue.shape;
        let lane = &mut self.lanes[kind as usize];
        lane.next = shape.on_circle(position.wrapping_add(1));
        if shape.ahead(lane.next, lane.tail) >= shape.lag_max() {
            // A hint: a liar's `tail` that cannot be raised is met when it is needed.
            let _ = self.queue.raise_tail(kind, lane.next);
        }
    }
}
