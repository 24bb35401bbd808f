//! A barrier in every order: participants come, go again, die, and put it right.

use super::board::{Board, Flaw, Window};
use super::event::PROTOCOL;
use crate::peer::Cause;
use crate::sync::barrier::phase::{
    Arrivals, Outcome, arrive, broken, complete, look, missing, outcome, reset, withdraw,
};
use crate::wait::model::page::{Life, Loom, Shuttle, World, life};
use crate::wait::model::{NO_KILL, endless, verify_with};
use std::ops::Range;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use strait_mem::{Shared as _, SharedMut as _, SharedRmw as _};

/// Behind the word: what participants say, what they have done, and whether they are known to be dead.
const SAID: usize = 1;
const DONE: usize = 4;
const DEAD: usize = 7;
/// The last phase, so that the next one is round the circle.
const LAST_PHASE: u64 = 0x7FFF << 16;

fn verify<W: World>(name: &str, kills: Range<usize>, model: fn(Flaw, usize), flaws: &[Flaw]) {
    verify_with::<W, Flaw>(name, kills, Flaw::None, model, flaws);
}

/// One of so many.
struct One<W: World> {
    window: Window<W>,
    seat: u32,
    count: u32,
}

impl<W: World> Arrivals for One<W> {
    fn count(&self) -> u32 {
        self.count
    }

    fn say(&self, arrived: u64) {
        self.window.store_u64(8 * (SAID + self.seat as usize), arrived, Release);
    }

    fn said(&self, seat: u32) -> u64 {
        let said = self.window.load_u64(8 * (SAID + seat as usize), Acquire);
        // Of any phase, as long as it is one.
        let is_any = self.window.flaw == Flaw::PhaseForgotten && said != 0;
        if is_any { crate::sync::barrier::phase::arrival_at(self.word()) } else { said }
    }
}

impl<W: World> One<W> {
    fn word(&self) -> u64 {
        self.window.load_u64(0, Acquire)
    }

    fn arrives(&self, mine: u64) -> Outcome {
        arrive(&self.window, &self.window.futex(), 0, self, mine)
    }

    /// Comes, and waits.
    fn waits(&self) -> Outcome {
        let mine = self.word();
        if let Some((seat, cause)) = broken(mine) {
            return Outcome::Broken { seat, cause };
        }
        let came = self.arrives(mine);
        if came != Outcome::Open {
            return came;
        }
        self.window.wait(|_| {
            Some(outcome(self.word(), mine)).filter(|it| *it != Outcome::Open).or_else(|| {
                let is_gone = |seat: u32| {
                    let is_dead = W::load(self.window.at(8 * (DEAD + seat as usize)), Acquire) == 1;
                    (is_dead && self.window.flaw != Flaw::NobodyGone).then_some(Cause::Died)
                };
                let found = look(&self.window, &self.window.futex(), 0, self, mine, is_gone);
                Some(found).filter(|it| *it != Outcome::Open)
            })
        })
    }
}

fn board<W: World>(phase: u64) -> Arc<Board<W>> {
    Board::new(&[phase, 0, 0, 0, 0, 0, 0, 0, 0, 0])
}

fn one<W: World>(board: &Arc<Board<W>>, seat: u32, count: u32, flaw: Flaw, life: &Life) -> One<W> {
    One { window: Window::mortal(board, flaw, life), seat, count }
}

/// All come to some phases, and work in between.
fn phases<W: World>(flaw: Flaw, count: u32, phases: u64) {
    let board = board::<W>(LAST_PHASE);
    let leaders = Arc::new(Mutex::new(vec![0; phases as usize]));
    let participant = |seat| -> Box<dyn FnOnce() + Send> {
        let (one, leaders) = (one(&board, seat, count, flaw, &endless()), Arc::clone(&leaders));
        Box::new(move || {
            for phase in 0..phases {
                one.window.count(DONE + seat as usize);
                let passed = one.waits();
                let Outcome::Passed { is_leader } = passed else { panic!("nobody has died: {passed:?}") };
                leaders.lock().expect("whole")[phase as usize] += u32::from(is_leader);
                for other in 0..count as usize {
                    assert!(one.window.word(DONE + other) > phase, "what {other} did before phase {phase} is not seen");
                }
            }
        })
    };
    W::all((0..count).map(participant).collect());
    assert!(leaders.lock().expect("whole").iter().all(|&count| count == 1), "so many lead: {leaders:?}");
}

/// Nobody passes before all have come, all see what was done, and one leads.
#[test]
fn model_barrier_phases() {
    let flaws = [&PROTOCOL[..], &[Flaw::ArrivalRelaxed, Flaw::LooksRelaxed, Flaw::ExchangeByStore]].concat();
    verify::<Loom>("barrier, two", NO_KILL, |flaw, _| phases::<Loom>(flaw, 2, 1), &flaws);
    let flaws = [&PROTOCOL[..], &[Flaw::PhaseForgotten]].concat();
    verify::<Shuttle>("barrier, three, many phases", NO_KILL, |flaw, _| phases::<Shuttle>(flaw, 3, 4), &flaws);
}

/// All come at once, and nobody sleeps, nor looks again.
fn last<W: World>(flaw: Flaw, count: u32) {
    let board = board::<W>(LAST_PHASE);
    let leaders = Arc::new(Mutex::new(0));
    let participant = |seat| -> Box<dyn FnOnce() + Send> {
        let (one, leaders) = (one(&board, seat, count, flaw, &endless()), Arc::clone(&leaders));
        Box::new(move || {
            let is_leader = one.arrives(LAST_PHASE) == Outcome::Passed { is_leader: true };
            *leaders.lock().expect("whole") += u32::from(is_leader);
        })
    };
    W::all((0..count).map(participant).collect());
    assert_eq!(*leaders.lock().expect("whole"), 1, "so many knew that they were the last");
}

/// One of those who come at the same time knows that all are there: one that spins need not be told.
#[test]
fn model_barrier_last_one_knows() {
    let flaws = [Flaw::NoArrivalFence, Flaw::ExchangeByStore];
    verify::<Loom>("barrier, the last one knows", NO_KILL, |flaw, _| last::<Loom>(flaw, 2), &flaws);
}

/// One comes and goes again, as one does whose time has run out; another comes, and does not wait.
fn withdraws<W: World>(flaw: Flaw) {
    let board = board::<W>(0);
    let [goes, comes] = [0, 1].map(|seat| one(&board, seat, 2, flaw, &endless()));
    let outcomes = Arc::new(Mutex::new([Outcome::Reset; 2]));
    let (first, second) = (Arc::clone(&outcomes), Arc::clone(&outcomes));
    W::together(
        move || {
            let mut found = goes.arrives(0);
            if found == Outcome::Open && flaw == Flaw::WithdrawsSilently {
                goes.say(0);
                found = outcome(goes.window.fetch_or_u64(0, 0, Acquire), 0);
            } else if found == Outcome::Open {
                found = withdraw(&goes.window, 0, &goes, 0);
            }
            first.lock().expect("whole")[0] = found;
        },
        move || second.lock().expect("whole")[1] = comes.arrives(0),
    );
    let [goes, comes] = *outcomes.lock().expect("whole");
    let after = one(&board, 1, 2, flaw, &endless());
    let has_passed = |it| matches!(it, Outcome::Passed { .. });
    let is_over = has_passed(outcome(after.word(), 0));
    assert_eq!(has_passed(goes), is_over, "one says {goes:?}, the other one {comes:?}");
    assert!(is_over || comes == Outcome::Open);
    assert!(is_over || missing(&after, 0).eq([0]), "who has gone is not missing");
}

/// Who has gone has not been counted, and who was counted has passed.
#[test]
fn model_barrier_withdraws() {
    let flaws = [Flaw::WithdrawsSilently, Flaw::ExchangeByStore];
    verify::<Loom>("barrier, withdraws", NO_KILL, |flaw, _| withdraws::<Loom>(flaw), &flaws);
}

/// One dies on its way, and that is known then; two others come and wait.
fn dies<W: World>(flaw: Flaw, kill: usize) {
    let board = board::<W>(0);
    let dying = one(&board, 0, 3, flaw, &life(kill));
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    let dead = move || {
        let _ = dying.arrives(0);
        // Its lease is free: whoever sleeps finds that when its slice ends.
        W::store(dying.window.at(8 * DEAD), 1, Release);
        let finder = Window::new(&dying.window.board, flaw);
        finder.fetch_and_u64(0, !crate::wait::futex::ASLEEP, Relaxed);
        finder.futex().wake(crate::wait::futex::Woken::All);
    };
    let lives = |seat| -> Box<dyn FnOnce() + Send> {
        let (one, outcomes) = (one(&board, seat, 3, flaw, &endless()), Arc::clone(&outcomes));
        Box::new(move || {
            let found = one.waits();
            outcomes.lock().expect("whole").push(found);
        })
    };
    W::all(vec![Box::new(dead), lives(1), lives(2)]);
    let outcomes = outcomes.lock().expect("whole");
    let passed = outcomes.iter().filter(|it| matches!(it, Outcome::Passed { .. })).count();
    assert!(passed == 0 || passed == 2, "one has passed, and the other one has not: {outcomes:?}");
    let leaders = outcomes.iter().filter(|it| **it == Outcome::Passed { is_leader: true }).count();
    assert!(leaders <= 1, "two lead");
    if passed == 0 {
        let by_the_dead = Outcome::Broken { seat: 0, cause: Cause::Died };
        assert!(outcomes.iter().all(|it| *it == by_the_dead), "{outcomes:?}");
        assert_eq!(kill, 0, "it had come, and was not counted");
    }
}

/// Who dies keeps nobody waiting: all others pass, or all are told.
#[test]
fn model_barrier_dies() {
    // Its arrival, the exchange, the wake-up.
    let flaws = [Flaw::NobodyGone, Flaw::NobodyWoken, Flaw::ExchangeByStore];
    verify::<Shuttle>("barrier, dies", 0..4, dies::<Shuttle>, &flaws);
}

/// One sleeps while it is broken and put right.
fn put_right<W: World>(flaw: Flaw) {
    let board = board::<W>(LAST_PHASE);
    let [sleeps, repairs] = [1, 2].map(|seat| one(&board, seat, 3, flaw, &endless()));
    let repair = move || {
        let mine = repairs.word();
        let found = look(&repairs.window, &repairs.window.futex(), 0, &repairs, mine, |seat| {
            (seat == 0).then_some(Cause::Died)
        });
        assert_eq!(found, Outcome::Broken { seat: 0, cause: Cause::Died });
        assert!(reset(&repairs.window.futex()), "it is broken");
    };
    let sleep = move || {
        // Where it comes when all is over it would wait for the next phase: that is another matter.
        let mine = LAST_PHASE;
        if sleeps.word() & !crate::wait::futex::ASLEEP != mine || sleeps.arrives(mine) != Outcome::Open {
            return;
        }
        let found = sleeps.window.wait(|_| {
            let is_counted = flaw != Flaw::ResetUncounted;
            let now = if is_counted { sleeps.word() } else { sleeps.word() & !(0x3F << 2) };
            Some(outcome(now, mine)).filter(|it| *it != Outcome::Open)
        });
        assert!(!matches!(found, Outcome::Passed { .. }), "nobody has come");
    };
    W::together(repair, sleep);
    let late = one(&board, 1, 3, flaw, &endless());
    assert_eq!(missing(&late, late.word()).count(), 3, "who came before has not come");
    assert_eq!(complete(&late.window, &late.window.futex(), 0, &late, late.word()), Outcome::Open);
}

/// A reset is no completion.
#[test]
fn model_barrier_put_right() {
    let flaws = [&PROTOCOL[..2], &[Flaw::ResetUncounted]].concat();
    verify::<Loom>("barrier, put right", NO_KILL, |flaw, _| put_right::<Loom>(flaw), &flaws);
}
