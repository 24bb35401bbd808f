//! What is done once, in every order: who begins, who waits, and who dies over it.

use super::board::{Board, Flaw, Window};
use crate::sync::claim::{Claim, Owner, State, Users, try_take};
use crate::sync::once::protocol::{Begun, begin, finish, is_done};
use crate::wait::model::page::{Loom, World, is_over, life};
use crate::wait::model::{NO_KILL, verify_with};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// Behind the claim: what is done, and the generations of the seats, 1 and 2 when their first owner is found dead.
const WORK: usize = 1;
const SEATS: usize = 2;
const BOARD: [u64; 5] = [0, 0, 1, 1, 1];

fn verify<W: World>(name: &str, kills: Range<usize>, model: fn(Flaw, usize), flaws: &[Flaw]) {
    verify_with::<W, Flaw>(name, kills, Flaw::None, model, flaws);
}

impl<W: World> Users for Window<W> {
    fn is_gone(&self, owner: Owner) -> bool {
        match self.flaw {
            Flaw::EverybodyGone => true,
            Flaw::NobodyGone => false,
            _ => W::load(self.at(8 * (SEATS + owner.seat() as usize)), Acquire) != u64::from(owner.generation()),
        }
    }

    fn is_waiting(&self, _: u32) -> bool {
        false
    }
}

/// What all calls came to.
#[derive(Default)]
struct Outcome {
    begun: AtomicUsize,
    /// Closures that came to their end.
    completed: AtomicUsize,
    told: AtomicUsize,
}

/// A call that does not wait; whether it is done then, as far as this one knows.
fn calls<W: World>(window: &Window<W>, seat: u32, outcome: &Outcome) -> bool {
    let me = Owner::new(seat, 1);
    let begun = match window.flaw {
        Flaw::DoneForgotten => try_take(window, 0, me, window).map_or_else(Begun::InTheWay, Begun::Ours),
        _ => begin(window, 0, me, window),
    };
    match begun {
        Begun::Done => {
            assert_eq!(window.word(WORK), 1, "it is said to be done, and is not seen");
            true
        }
        Begun::InTheWay(_) => false,
        Begun::Ours(taken) => {
            let is_told = taken.claim.is_marked() && window.flaw != Flaw::NoMark;
            outcome.begun.fetch_add(1, Relaxed);
            outcome.told.fetch_add(usize::from(is_told), Relaxed);
            let work = || {
                if window.lives() {
                    W::store(window.at(8 * WORK), 1, Relaxed);
                }
            };
            let end = || {
                outcome.completed.fetch_add(usize::from(!is_over(&window.life)), Relaxed);
                finish(window, 0);
            };
            if window.flaw == Flaw::DoneEarly {
                end();
                work();
            } else {
                work();
                end();
            }
            true
        }
    }
}

/// Several call at once.
fn all_call<W: World>(flaw: Flaw) {
    let board = Board::<W>::new(&BOARD);
    let outcome = Arc::new(Outcome::default());
    let call = |seat: u32| -> Box<dyn FnOnce() + Send> {
        let (window, outcome) = (Window::new(&board, flaw), Arc::clone(&outcome));
        Box::new(move || {
            calls(&window, seat, &outcome);
            let _ = is_done(&window, 0) && calls(&window, seat, &outcome);
        })
    };
    W::all((0..3).map(call).collect());
    assert_eq!(outcome.completed.load(Relaxed), 1, "so many have done it");
    assert_eq!(outcome.told.load(Relaxed), 0, "nobody has died");
    assert!(is_done(&Window::new(&board, flaw), 0));
}

/// One does it, and what it did is seen by all who find it done.
#[test]
fn model_once_is_done_once() {
    let flaws = [
        Flaw::EverybodyGone,
        Flaw::DoneEarly,
        Flaw::ArrivalRelaxed,
        Flaw::LooksRelaxed,
        Flaw::DoneForgotten,
        Flaw::ExchangeByStore,
    ];
    verify::<Loom>("once, done once", NO_KILL, |flaw, _| all_call::<Loom>(flaw), &flaws);
}

/// One is killed over it, and found dead; another one calls meanwhile, and a third one in the end.
fn dies<W: World>(flaw: Flaw, kill: usize) {
    let board = Board::<W>::new(&BOARD);
    let outcome = Arc::new(Outcome::default());
    let (dying, living) = (Window::mortal(&board, flaw, &life(kill)), Window::new(&board, flaw));
    let (its, others) = (Arc::clone(&outcome), Arc::clone(&outcome));
    W::together(
        move || {
            calls(&dying, 0, &its);
            W::store(dying.at(8 * SEATS), 2, Release);
        },
        move || {
            calls(&living, 1, &others);
        },
    );
    let late = Window::new(&board, flaw);
    assert!(calls(&late, 2, &outcome), "nobody living is about it");
    assert_eq!(outcome.completed.load(Relaxed), 1, "so many have come to the end");
    let claim = Claim::from_word(late.word(0));
    assert_eq!(claim.state(), State::Absent);
    let is_dead_over_it = outcome.begun.load(Relaxed) - 1;
    assert_eq!(outcome.told.load(Relaxed), is_dead_over_it, "so many are told");
}

/// The steps of a call: the claim, the work, that it is done.
const LAST: usize = 3;

/// Who dies over it leaves it to the next one, who is told; behind its end, it is done.
#[test]
fn model_once_dies() {
    let flaws = [Flaw::NobodyGone, Flaw::EverybodyGone, Flaw::DoneEarly, Flaw::NoMark];
    verify::<Loom>("once, dies", 0..LAST + 2, dies::<Loom>, &flaws);
}
