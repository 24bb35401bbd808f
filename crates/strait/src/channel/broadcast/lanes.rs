//! The lanes that a subscriber receives from, one of each publisher's seat: whose turn it is, and what came from where.
//!
//! What is received costs no count: how many messages there were, and where the last one came from, follow from the position in the lane
//! whose turn it is, and are written down when that changes.

use crate::ring::PeerFault;
use crate::ring::lane::Reader;
use strait_mem::{Lent, View, ViewMut};

/// How many messages are taken from one lane while others wait; then what is left of its run.
const BURST: u64 = 64;

pub(super) type Lane = Reader<Lent, View, ViewMut>;

/// Where a message came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Origin {
    /// Which publisher's seat: [`super::Publisher::number`].
    pub publisher: u32,
    /// Its number among the messages of that seat.
    pub number: u64,
}

/// One lane for each publisher's seat: 1 to 16, all the time.
pub(super) struct Lanes {
    lanes: Box<[Lane]>,
    /// The one whose message is next, where one was found.
    current: usize,
    /// Its position when it became that, or behind what was lost there since.
    since: u64,
    /// Messages received up to then, and where the last one of them came from.
    received_before: u64,
    origin_before: Origin,
    /// At what position others have their turn.
    turn_end: u64,
    lost: u64,
}

impl Lanes {
    pub(super) fn new(lanes: Vec<Lane>) -> Self {
        let since = lanes.first().map_or(0, Lane::position);
        Self {
            lanes: lanes.into(),
            current: 0,
            since,
            received_before: 0,
            origin_before: Origin::default(),
            turn_end: since,
            lost: 0,
        }
    }

    /// The lane whose message is next, where one was found.
    #[inline(always)]
    pub(super) fn current(&self) -> &Lane {
        &self.lanes[self.current]
    }

    #[inline(always)]
    pub(super) fn current_mut(&mut self) -> &mut Lane {
        &mut self.lanes[self.current]
    }

    /// Which one that is.
    #[inline(always)]
    pub(super) fn number(&self) -> usize {
        self.current
    }

    /// Messages that were published and not yet received, or overwritten meanwhile.
    pub(super) fn len(&self) -> u64 {
        self.lanes.iter().map(Lane::len).fold(0, u64::saturating_add)
    }

    /// Messages that the publishers gave up.
    pub(super) fn dropped(&self) -> u64 {
        self.lanes.iter().map(Lane::dropped).fold(0, u64::saturating_add)
    }

    /// Messages that were lost, all in all.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Messages that were received.
    pub(super) fn received(&self) -> u64 {
        self.received_before + self.taken()
    }

    /// Where the one that was received last came from.
    pub(super) fn origin(&self) -> Origin {
        match self.taken() {
            0 => self.origin_before,
            // At most 16 lanes.
            _ => Origin { publisher: self.current as u32, number: self.current().position() - 1 },
        }
    }

    /// Messages received from the current lane since it became that, or lost some.
    fn taken(&self) -> u64 {
        self.current().position() - self.since
    }

    /// Writes down what was received, before the current lane goes on elsewhere, or another becomes that.
    fn settle(&mut self) {
        (self.received_before, self.origin_before) = (self.received(), self.origin());
    }

    /// Makes a lane the current one.
    fn turn_to(&mut self, lane: usize) {
        self.settle();
        self.current = lane;
        self.since = self.current().position();
        self.turn_end = self.since.saturating_add(BURST);
    }

    /// Goes on behind what was overwritten in the current lane; says how many messages that were.
    #[cold]
    pub(super) fn skip_lost(&mut self) -> u64 {
        self.settle();
        let lost = self.current_mut().skip_lost();
        self.since = self.current().position();
        // A lane that is always overtaken leaves the others their turn.
        self.turn_end = self.since;
        self.lost = self.lost.saturating_add(lost);
        lost
    }

    /// Looks for a message, in the current lane as long as it has some and the others have had their turn. The lane it is in is then
    /// the current one.
    #[inline(always)]
    pub(super) fn look(&mut self) -> Result<bool, PeerFault> {
        if self.lanes.len() == 1 {
            return self.lanes[0].look();
        }
        self.look_around()
    }

    #[inline(never)]
    fn look_around(&mut self) -> Result<bool, PeerFault> {
        let lane = &mut self.lanes[self.current];
        if lane.position() < self.turn_end && lane.is_ready() {
            return lane.look();
        }
        let count = self.lanes.len();
        // The current one comes last.
        for next in 1..=count {
            let number = (self.current + next) % count;
            if self.lanes[number].look()? {
                self.turn_to(number);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The same, by every sign there is.
    #[inline(never)]
    pub(super) fn look_closely(&mut self) -> Result<bool, PeerFault> {
        for number in 0..self.lanes.len() {
            if self.lanes[number].look_closely()? {
                self.turn_to(number);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Keeps nothing back from the publishers any more.
    pub(super) fn leave(&mut self) {
        for lane in &mut self.lanes {
            lane.leave();
        }
    }
}
