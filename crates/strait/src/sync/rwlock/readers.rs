//! Who reads: a claim in each user's own seat, which who wants to write looks at.
//!
//! | offset in `progress` of a seat | | who writes |
//! |---:|---|---|
//! | 8 | `reads`: the claim under which the seat's owner reads; free: it does not | owner |
//! | 16 | `reads_seen`: that claim, as somebody found it in the way | who asks |
//! | 24 | `reads_seen_since_ns`: when that was seen first | who asks |
//!
//! ```text
//!  reader:  look at the claim   reads = held by me   FENCE   is the claim still free? then in; else reads = free, and wait
//!  writer:  take the claim                           FENCE   does nobody read? then in; else wait
//! ```
//!
//! 1. Of a reader and a writer who come at once, one sees the other, for between what it says and what it looks at each has a full fence
//!    (`RW-MEET`). If both do, the reader goes back.
//! 2. Whoever has the claim lets no more readers in, so a writer waits only for those who are in, and for the claim as for a mutex. While it
//!    waits for readers the claim is *granted* to it: nothing is begun, so nothing is marked if it dies, and nobody is held up by it when it
//!    waits no more.
//! 3. A claim that is granted to one who reads is granted to all: each goes in beside it. Who it names makes the claim free when it is in.
//! 4. Who reads changes no word but its own, while a free claim lets it in: readers do not meet. One that is killed reads no more: its seat's
//!    generation, which its claim names, is known to be gone as soon as somebody has looked.
//! 5. A claim that nobody has a right to any more is made free by who reads, by an exchange of the very word, and marked where a holder had not
//!    finished.

use crate::sync::claim::{Claim, Owner, State, Users, given_up};
use crate::sync::user::InTheWay;
use std::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use strait_mem::SharedRmw;

/// The eventcount on which one waits who is to write when all readers are out.
pub(super) const DRAINED: usize = 1;

pub(in crate::sync) const READS: usize = 8;
pub(in crate::sync) const READS_SEEN: usize = 16;
pub(in crate::sync) const READS_SEEN_SINCE: usize = 24;

/// Name, offset and length of what is said of readers in a seat.
pub(super) const FIELDS: [(&str, usize, usize); 3] =
    [("reads", READS, 8), ("reads_seen", READS_SEEN, 8), ("reads_seen_since_ns", READS_SEEN_SINCE, 8)];

/// How often a reader tries when others are faster; it comes again anyway.
const TRIES: u32 = 16;

/// The seats, as far as they say who reads.
pub(super) trait Readers: Users {
    /// How many there are.
    fn seats(&self) -> u32;

    /// What a seat's owner says, and what it did before it said so.
    fn reads(&self, seat: u32) -> Claim;

    /// Says that we read.
    fn begin(&self, claim: Claim);

    /// Says that we do not read any more, and wakes who waits for that.
    fn end(&self, claim: Claim);
}

/// Goes in to read; says what the claim is, and so which copy of the value is the value and whether it is marked. Else says what is in the way.
pub(super) fn enter<W: SharedRmw>(words: &W, at: usize, me: Owner, readers: &impl Readers) -> Result<Claim, Claim> {
    let mut seen = Claim::from_word(words.load_u64(at, Relaxed));
    for _ in 0..TRIES {
        if !lets_in(seen) {
            // Rule 5.
            let free = given_up(seen, me, readers).ok_or(seen)?;
            seen = match words.compare_exchange_u64(at, seen.word(), free.word(), Acquire, Relaxed) {
                Ok(_) => free,
                Err(found) => Claim::from_word(found),
            };
            continue;
        }
        let own = readers.reads(me.seat()).held_by(me);
        readers.begin(own);
        // SeqCst, RW-MEET: that we read is stored before the claim is loaded.
        words.fence(SeqCst);
        // Acquire, pairs with CLAIM-RELEASE: what the last writer wrote is seen.
        seen = Claim::from_word(words.load_u64(at, Acquire));
        if lets_in(seen) {
            if seen.state() == State::Granted(me) {
                // Rule 3. If it is not as it was, somebody wants to write, has found us gone for a moment, and waits for us now.
                let _ = words.compare_exchange_u64(at, seen.word(), seen.free().word(), Acquire, Relaxed);
            }
            return Ok(seen);
        }
        readers.end(own.free());
    }
    Err(seen)
}

/// Goes out.
#[inline(always)]
pub(super) fn leave(me: Owner, readers: &impl Readers) {
    readers.end(readers.reads(me.seat()).free());
}

/// Whether readers may go in past a claim (rule 3).
#[inline(always)]
fn lets_in(claim: Claim) -> bool {
    claim.is_free() || claim.is_shared()
}

/// Whether somebody still reads, for who has taken the claim.
#[inline(always)]
pub(super) fn all_out<W: SharedRmw>(words: &W, me: Owner, readers: &impl Readers) -> Result<(), InTheWay> {
    // SeqCst, RW-MEET, the other half: that the claim is taken is stored before we look who reads.
    words.fence(SeqCst);
    let mut in_the_way = None;
    for seat in 0..readers.seats() {
        if let Some(claim) = reading(seat, me, readers) {
            in_the_way = Some(in_the_way.map_or(InTheWay::One(claim), |_| InTheWay::Anybody));
        }
    }
    in_the_way.map_or(Ok(()), Err)
}

/// The claim under which a seat's owner reads, unless it is known to be gone (rule 4), or we are that.
#[inline(always)]
pub(super) fn reading(seat: u32, me: Owner, readers: &impl Readers) -> Option<Claim> {
    let claim = readers.reads(seat);
    match claim.state() {
        State::Held(owner) if owner.seat() == seat && seat != me.seat() && !readers.is_gone(owner) => Some(claim),
        _ => None,
    }
}

/// Goes in to write, when the claim is granted to us and all readers are out. `None`: it is granted to us no more.
pub(super) fn take_up<W: SharedRmw>(
    words: &W,
    at: usize,
    me: Owner,
    readers: &impl Readers,
) -> Result<Option<Claim>, InTheWay> {
    let seen = Claim::from_word(words.load_u64(at, Relaxed));
    // One that is granted to all who read lets them in until it is taken: that is done before anybody looks who reads, and not here.
    if seen.state() != State::Granted(me) || seen.is_shared() {
        return Ok(None);
    }
    all_out(words, me, readers)?;
    let next = seen.held_by(me);
    // Acquire, pairs with CLAIM-RELEASE, as in `try_take`.
    Ok(words.compare_exchange_u64(at, seen.word(), next.word(), Acquire, Relaxed).ok().map(|_| next))
}

/// What the claim that we hold becomes while we wait for readers (rule 2).
pub(super) fn pending(claim: Claim, me: Owner) -> Claim {
    claim.granted_to(me)
}
