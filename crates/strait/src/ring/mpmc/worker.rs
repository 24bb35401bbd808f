//! The popping side of a queue.

use super::word::{Claimant, Head, State, Word, earlier, is_due};
use super::{DUE_MS, LEN, PAYLOAD, Queue, fault};
use crate::ring::PeerFault;
use crate::ring::moment::Moment;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use strait_mem::{Claim as Alleged, SharedRmw};

/// How many slots that are being written a worker remembers while it takes jobs behind them. A producer writes one of a kind at a time, for as
/// long as it likes, and has one of 256 seats.
const UNFINISHED_MAX: usize = 256;
/// As many as there is room for from the start.
const UNFINISHED_FEW: usize = 16;
/// How many moments a worker of a stream rests: each job costs two exchanges on its line, where a message of a ring costs none.
const MOMENTS: u32 = 2;
/// So many jobs one after the other are a stream.
const STREAM: u64 = 64;
/// How many moments a worker of a stream waits for the end of the row to move, and how many jobs it takes one by one when it has not.
const GATHER_MOMENTS: u32 = 8;
const RUN_NEAR: u64 = 8;
/// How often a slot may change while it is looked at: it goes through its states once.
const LOOKS_MAX: u32 = 16;

/// A job in our hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) kind: u32,
    pub(crate) position: u64,
    /// Where the payload is.
    pub(crate) payload: usize,
    pub(crate) len_bytes: u32,
    /// How often it was given to a worker, this time included.
    pub(crate) deliveries: u32,
}

/// Where a worker stands in the row of jobs of one kind.
#[derive(Debug)]
struct Lane {
    /// `head` when last looked at.
    head: Head,
    /// Before this position there is nothing for us, but for what is unfinished.
    next: u64,
    /// Where the run of jobs ends that are taken one after the other: see [`Worker::gather`].
    until: u64,
    /// Positions before `next` that were being written when we passed them (rule 7).
    unfinished: Vec<u64>,
}

/// What a look at one position says.
enum Look {
    /// There is a job.
    Job(Word),
    /// There is nothing now, and later there may be.
    Unfinished,
    /// There will be nothing.
    Nothing,
    /// We are a lap behind.
    Behind,
    /// Nobody has come so far.
    End,
}

/// One who pops.
#[derive(Debug)]
pub(crate) struct Worker<W> {
    queue: Queue<W>,
    me: Claimant,
    lanes: Vec<Lane>,
    /// Jobs claimed since we last found none.
    burst: u64,
    moment: Moment,
}

impl<W: SharedRmw> Worker<W> {
    /// A new worker of this seat and generation.
    pub(crate) fn new(queue: Queue<W>, me: Claimant) -> Self {
        let lane = |kind| {
            let head = queue.head(kind);
            let next = queue.shape.on_circle(head.position());
            Lane {
                head,
                next,
                until: queue.shape.on_circle(next.wrapping_add(STREAM)),
                unfinished: Vec::with_capacity(UNFINISHED_FEW),
            }
        };
        let lanes = (0..queue.shape.kinds).map(lane).collect();
        Self { queue, me, lanes, burst: 0, moment: Moment::new() }
    }

    pub(crate) fn queue(&self) -> &Queue<W> {
        &self.queue
    }

    /// There is nothing now, and the caller waits: leaves producers of a stream alone for a moment, so that several jobs are there by then.
    #[inline]
    pub(crate) fn rest(&mut self) {
        if self.burst > 0 {
            self.moment.learn(self.burst);
            self.burst = 0;
        }
        for _ in 0..MOMENTS {
            self.moment.pass();
        }
    }

    /// The run of jobs that was known to be there is at its end: in a stream, waits for the next one to be there, by `tail`, which producers move
    /// once in many jobs, if it `may_wait`. A worker at the heels of a producer takes each line from it twice, and both crawl.
    #[inline(never)]
    pub(crate) fn gather(&mut self, kind: u32, may_wait: bool) {
        let Some(lane) = self.lanes.get_mut(kind as usize) else { return };
        if lane.next != lane.until {
            return;
        }
        if self.burst >= STREAM {
            self.moment.begin();
        } else {
            self.moment.learn(self.burst);
        }
        self.burst = 0;
        let waits = may_wait && self.moment.is_any();
        let run = if waits { RUN_NEAR } else { STREAM };
        lane.until = self.queue.shape.on_circle(lane.next.wrapping_add(run));
        if !waits {
            return;
        }
        for _ in 0..GATHER_MOMENTS {
            let tail = self.queue.tail(kind);
            if self.queue.shape.ahead(tail, lane.next) > 0 {
                lane.until = tail;
                return;
            }
            self.moment.pass();
        }
    }

    /// Claims the first job of a kind, if there is one.
    #[inline]
    pub(crate) fn pop(&mut self, kind: u32) -> Result<Option<Claim>, PeerFault> {
        match self.pop_next(kind) {
            Some(claim) => Ok(Some(claim)),
            None => self.pop_anew(kind),
        }
    }

    /// Claims the very next job of a kind, if it is new, of a fixed length and nothing else is to be thought of: the way of a stream.
    /// `None` says nothing about what else there is.
    #[inline(always)]
    pub(crate) fn pop_next(&mut self, kind: u32) -> Option<Claim> {
        let shape = self.queue.shape;
        let head = self.queue.head(kind);
        let lane = self.lanes.get_mut(kind as usize)?;
        if shape.has_lengths || head != lane.head || !lane.unfinished.is_empty() || lane.next == lane.until {
            return None;
        }
        let position = lane.next;
        let (slot, lap) = (shape.slot(kind, position), shape.lap(position));
        let ready = Word::ready(lap, 0);
        // Looked at first: a failed exchange, too, takes the line from who is writing there. Acquire, for the exchange's sake: see `pop_anew`.
        if self.queue.window.load_u64(slot, Acquire) != ready.0 {
            return None;
        }
        let claimed = Word::claimed(lap, 1, self.me);
        // Acquire in it, pairs with QUEUE-COMMIT: the payload is read after its job is claimed.
        if self.queue.window.compare_exchange_u64(slot, ready.0, claimed.0, AcqRel, Relaxed).is_err() {
            return None;
        }
        self.burst += 1;
        lane.next = shape.on_circle(position.wrapping_add(1));
        if shape.ahead(lane.next, lane.head.position()) >= shape.lag_max() {
            self.move_head_forward(kind);
        }
        Some(Claim { kind, position, payload: slot + PAYLOAD, len_bytes: shape.payload_max_bytes, deliveries: 1 })
    }

    #[inline(never)]
    fn pop_anew(&mut self, kind: u32) -> Result<Option<Claim>, PeerFault> {
        self.look_at_head(kind);
        for _ in 0..self.queue.shape.slots() {
            let Some((position, word)) = self.find(kind)? else { return Ok(None) };
            let deliveries = word.deliveries().saturating_add(1).min(255);
            let claimed = Word::claimed(word.lap(), deliveries, self.me);
            // Acquire in it, pairs with QUEUE-COMMIT: the payload is read after its job is claimed.
            if self.queue.exchange(kind, position, word, claimed) {
                self.burst += 1;
                self.go_on(kind, position);
                return self.checked(kind, position, deliveries).map(Some);
            }
        }
        Ok(None)
    }

    /// Whether there is a job of a kind, which is left where it is.
    pub(crate) fn has_job(&mut self, kind: u32) -> Result<bool, PeerFault> {
        self.look_at_head(kind);
        Ok(self.find(kind)?.is_some())
    }

    /// What we have claimed, with its length checked.
    #[inline]
    fn checked(&mut self, kind: u32, position: u64, deliveries: u32) -> Result<Claim, PeerFault> {
        let shape = self.queue.shape;
        let payload = shape.payload(kind, position);
        let claim = |len_bytes| Claim { kind, position, payload, len_bytes, deliveries };
        if !shape.has_lengths {
            return Ok(claim(shape.payload_max_bytes));
        }
        let at = shape.slot(kind, position) + LEN;
        let alleged = Alleged::new(self.queue.window.load_u32(at, Relaxed));
        alleged.within(shape.payload_max_bytes()).map(claim).map_err(|refuted| {
            // Nothing of ours stays in it.
            self.nack(claim(0));
            fault("length of a job", at, refuted.found)
        })
    }

    /// Jumps to where others have come, or back to what was put back (rule 6).
    #[inline]
    fn look_at_head(&mut self, kind: u32) {
        let head = self.queue.head(kind);
        let lane = &mut self.lanes[kind as usize];
        if head == lane.head {
            return;
        }
        if !head.is_of_epoch(lane.head) || self.queue.shape.ahead(head.position(), lane.next) > 0 {
            lane.next = self.queue.shape.on_circle(head.position());
            // What is unfinished before it is no more, by rule 6; what is behind it is met again.
            lane.unfinished.clear();
        }
        lane.head = head;
    }

    /// The first job of a kind.
    #[inline]
    fn find(&mut self, kind: u32) -> Result<Option<(u64, Word)>, PeerFault> {
        let at = self.lanes[kind as usize].next;
        let found = match self.look(kind, at)? {
            Look::Job(word) => Some((self.of_job(at, word), word)),
            Look::End => None,
            _ => self.find_behind(kind)?,
        };
        if self.lanes[kind as usize].unfinished.is_empty() {
            return Ok(found);
        }
        // Looked at after what was found was seen: what its producer did before is seen too (rule 3).
        Ok(self.find_unfinished(kind)?.or(found))
    }

    /// The position of a job that was met at `at`: of that lap, or of an earlier one.
    fn of_job(&self, at: u64, word: Word) -> u64 {
        self.queue.shape.position(word.lap(), at)
    }

    /// Goes on from where there is nothing for us.
    #[inline(never)]
    fn find_behind(&mut self, kind: u32) -> Result<Option<(u64, Word)>, PeerFault> {
        let shape = self.queue.shape;
        let lane = &mut self.lanes[kind as usize];
        let mut at = lane.next;
        let (mut is_settled, mut was_behind) = (true, false);
        for _ in 0..u64::from(shape.slots()) * 2 {
            let look = self.look(kind, at)?;
            let lane = &mut self.lanes[kind as usize];
            match look {
                Look::Job(word) => return Ok(Some((self.of_job(at, word), word))),
                Look::End => return Ok(None),
                Look::Behind if !was_behind => {
                    was_behind = true;
                    self.catch_up(kind)?;
                    at = self.lanes[kind as usize].next;
                    continue;
                }
                Look::Unfinished if !lane.unfinished.contains(&at) => {
                    if is_settled && lane.unfinished.len() < UNFINISHED_MAX {
                        lane.unfinished.push(at);
                    } else {
                        // Not to be remembered: `next` stays before it.
                        is_settled = false;
                    }
                }
                Look::Unfinished | Look::Behind | Look::Nothing => {}
            }
            at = shape.on_circle(at.wrapping_add(1));
            if is_settled {
                self.lanes[kind as usize].next = at;
            }
        }
        Ok(None)
    }

    #[inline]
    fn look(&self, kind: u32, at: u64) -> Result<Look, PeerFault> {
        let lap = self.queue.shape.lap(at);
        let mut word = self.queue.load_in_order(kind, at);
        for _ in 0..LOOKS_MAX {
            let Some(state) = word.state() else { return Err(self.queue.fault_at(kind, at, word)) };
            match (word.laps_ahead(lap), state) {
                (..=0, State::Ready) => return Ok(Look::Job(word)),
                (0, State::Writing) => return Ok(Look::Unfinished),
                (0, State::Claimed | State::Later) | (1, State::Free) => return Ok(Look::Nothing),
                (1.., _) => return Ok(Look::Behind),
                // Free, or in somebody's hands from an earlier lap.
                (..=0, _) => {}
            }
            if self.queue.shape.ahead(self.queue.tail(kind), at) <= 0 {
                return Ok(Look::End);
            }
            let again = self.queue.load_in_order(kind, at);
            if again == word {
                return Ok(Look::Nothing);
            }
            word = again;
        }
        // Nobody honest changes it so often; for now there is nothing.
        Ok(Look::End)
    }

    /// One of those that were being written, if one is a job now.
    #[cold]
    #[inline(never)]
    fn find_unfinished(&mut self, kind: u32) -> Result<Option<(u64, Word)>, PeerFault> {
        let mut first: Option<(u64, Word)> = None;
        let mut left = Vec::with_capacity(UNFINISHED_FEW);
        for at in std::mem::take(&mut self.lanes[kind as usize].unfinished) {
            match self.look(kind, at)? {
                Look::Job(word) => {
                    left.push(at);
                    if first.is_none_or(|(first, _)| self.queue.shape.ahead(at, first) < 0) {
                        first = Some((at, word));
                    }
                }
                Look::Unfinished => left.push(at),
                Look::Nothing | Look::Behind | Look::End => {}
            }
        }
        self.lanes[kind as usize].unfinished = left;
        Ok(first)
    }

    /// Looks at all slots, once, and goes to the first job: everything before is far behind.
    #[cold]
    fn catch_up(&mut self, kind: u32) -> Result<(), PeerFault> {
        let shape = self.queue.shape;
        // Before the slots (rule 5).
        let mut next = self.queue.tail(kind);
        let mut unfinished = Vec::with_capacity(UNFINISHED_FEW);
        for slot in 0..u64::from(shape.slots()) {
            let word = self.queue.load_in_order(kind, slot);
            let at = shape.position(word.lap(), slot);
            match word.state() {
                None => return Err(self.queue.fault_at(kind, slot, word)),
                Some(State::Writing) if unfinished.len() < UNFINISHED_MAX => unfinished.push(at),
                Some(State::Ready | State::Writing) if shape.ahead(at, next) < 0 => next = at,
                Some(_) => {}
            }
        }
        let lane = &mut self.lanes[kind as usize];
        // Those behind it are met again.
        unfinished.retain(|&at| shape.ahead(at, next) < 0);
        (lane.next, lane.unfinished) = (next, unfinished);
        Ok(())
    }

    /// Behind a job that was claimed.
    #[inline]
    fn go_on(&mut self, kind: u32, position: u64) {
        let shape = self.queue.shape;
        let lane = &mut self.lanes[kind as usize];
        if position == lane.next {
            lane.next = shape.on_circle(position.wrapping_add(1));
        }
        if shape.ahead(lane.next, lane.until) > 0 {
            lane.until = shape.on_circle(lane.next.wrapping_add(RUN_NEAR));
        }
        if shape.ahead(lane.next, lane.head.position()) >= shape.lag_max() {
            self.move_head_forward(kind);
        }
    }

    #[cold]
    fn move_head_forward(&mut self, kind: u32) {
        let shape = self.queue.shape;
        let lane = &mut self.lanes[kind as usize];
        let first = |first: u64, &at: &u64| if shape.ahead(at, first) < 0 { at } else { first };
        let to = lane.unfinished.iter().fold(lane.next, first);
        if shape.ahead(to, lane.head.position()) <= 0 {
            return;
        }
        // Only if nothing was put back since we last looked (rule 6).
        let forward = lane.head.forward(to);
        let window = &self.queue.window;
        if window.compare_exchange_u64(super::lane(kind, super::HEAD), lane.head.0, forward.0, AcqRel, Relaxed).is_ok()
        {
            lane.head = forward;
        }
    }

    #[inline]
    fn lap(&self, claim: Claim) -> u64 {
        self.queue.shape.lap(claim.position)
    }

    /// The job is done: its slot is free.
    #[inline]
    pub(crate) fn ack(&mut self, claim: Claim) {
        // Release in it, QUEUE-RELEASE: the payload has been read before it is overwritten.
        let free = Word::free(self.lap(claim).wrapping_add(1));
        self.queue.window.store_u64(claim.payload - PAYLOAD, free.0, Release);
    }

    /// The job is for somebody else, now.
    pub(crate) fn nack(&mut self, claim: Claim) {
        self.queue.store(claim.kind, claim.position, Word::ready(self.lap(claim), claim.deliveries));
        self.queue.move_head_back(claim.kind, claim.position);
    }

    /// The job is for anybody, at `due_ms`.
    pub(crate) fn nack_later(&mut self, claim: Claim, due_ms: u32, now_ms: u32) {
        let at = self.queue.shape.slot(claim.kind, claim.position);
        self.queue.window.store_u32(at + DUE_MS, due_ms, Relaxed);
        self.queue.store(claim.kind, claim.position, Word::later(self.lap(claim), claim.deliveries, self.me));
        self.queue.announce_due(claim.kind, due_ms, now_ms);
    }

    /// When the earliest of the jobs that were put off is due. One load where there is none.
    #[inline]
    pub(crate) fn due_ms(&self, kind: u32) -> Option<u32> {
        self.queue.due(kind).due_ms()
    }

    /// Makes the jobs ready that are due (all that were put off, where `is_all`); says how many there were.
    pub(crate) fn make_due_ready(&mut self, kind: u32, now_ms: u32, is_all: bool) -> u32 {
        let shape = self.queue.shape;
        let seen = self.queue.due(kind);
        let mut count = 0;
        let mut earliest = None;
        for slot in 0..u64::from(shape.slots()) {
            let word = self.queue.load(kind, slot, Acquire);
            if word.state() != Some(State::Later) {
                continue;
            }
            let due_ms = self.queue.window.load_u32(shape.slot(kind, slot) + DUE_MS, Relaxed);
            if !is_all && !is_due(due_ms, now_ms) {
                earliest = Some(earlier(earliest, due_ms, now_ms));
            } else if self.queue.exchange(kind, slot, word, Word::ready(word.lap(), word.deliveries())) {
                self.queue.move_head_back(kind, shape.position(word.lap(), slot));
                count += 1;
            }
        }
        // Where somebody has put off another one meanwhile, its hint stays, and the next look is at that time.
        self.queue.exchange_due(kind, seen, seen.next(earliest));
        count
    }
}
