//! Events in every order: who sets, who waits, who resets and who dies, each on a thread of the engine.

use super::board::{Board, Flaw, Window};
use crate::sync::event::word::{has_happened, is_set, set, take, turn};
use crate::wait::futex::{ASLEEP, Woken};
use crate::wait::model::page::{Loom, Shuttle, World, life};
use crate::wait::model::{NO_KILL, verify_with};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use strait_mem::SharedRmw as _;

/// Behind the event: what is counted or written by who may.
const FIRST: usize = 1;
const SECOND: usize = 2;

fn verify<W: World>(name: &str, kills: Range<usize>, model: fn(Flaw, usize), flaws: &[Flaw]) {
    verify_with::<W, Flaw>(name, kills, Flaw::None, model, flaws);
}

impl<W: World> Window<W> {
    fn sets(&self, woken: Woken) {
        match self.flaw {
            Flaw::SetSkips if is_set(self.word(0)) => {}
            Flaw::HandedOver if self.word(0) & ASLEEP != 0 => {
                self.fetch_and_u64(0, !ASLEEP, Relaxed);
                self.futex().wake(Woken::One);
            }
            _ => set(&self.futex(), woken, self, 0),
        }
    }

    fn waits_for_one(&self) {
        if take(&self.futex(), 0).is_err() {
            self.wait(|look| take(&self.futex(), look.owes).ok());
        }
    }

    /// Waits for a manual-reset event, having come when it was never set.
    fn waits_for_all(&self) {
        let is_through = || if self.flaw == Flaw::NoTurn { is_set(self.word(0)) } else { has_happened(self, 0, 0) };
        if !is_through() {
            self.wait(|_| is_through().then_some(()));
        }
    }
}

fn board<W: World>() -> Arc<Board<W>> {
    Board::new(&[0; 3])
}

/// What the futex itself may have wrong, as any engine notices.
pub(super) const PROTOCOL: [Flaw; 3] = [Flaw::SleepsUnseeing, Flaw::NobodyWoken, Flaw::NoSecondLook];

/// A signal goes from hand to hand, of whom each counts while it has it.
fn baton<W: World>(flaw: Flaw, rounds: usize) {
    let board = board::<W>();
    let [first, one, two] = [(); 3].map(|()| Window::new(&board, flaw));
    let pass = move |window: Window<W>| {
        for _ in 0..rounds {
            window.waits_for_one();
            window.count(FIRST);
            window.sets(Woken::One);
        }
    };
    W::all(vec![Box::new(move || first.sets(Woken::One)), Box::new(move || pass(one)), Box::new(move || pass(two))]);
    let after = Window::new(&board, flaw);
    assert_eq!(after.word(FIRST), 2 * rounds as u64, "two had the same signal");
    assert!(is_set(after.word(0)), "a signal is lost");
    assert_eq!(turn(after.word(0)), 1 + 2 * rounds as u64);
}

/// Each signal is one waiter's, who has seen what came before it, and no sleeper is forgotten.
#[test]
fn model_event_signal_is_taken_once() {
    let flaws = [&PROTOCOL[..], &[Flaw::ExchangeRelaxed, Flaw::ExchangeByStore]].concat();
    verify::<Loom>("event, taken once", NO_KILL, |flaw, _| baton::<Loom>(flaw, 1), &flaws);
    let flaws = [&PROTOCOL[..], &[Flaw::OwesNothing, Flaw::ExchangeByStore]].concat();
    verify::<Shuttle>("event, taken once, many", NO_KILL, |flaw, _| baton::<Shuttle>(flaw, 4), &flaws);
}

/// Two set it, having written something; one waits.
fn two_set<W: World>(flaw: Flaw) {
    let board = board::<W>();
    let [one, two, waits] = [(); 3].map(|()| Window::new(&board, flaw));
    let both = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&both);
    let write = |window: Window<W>, number| {
        move || {
            window.count(number);
            window.sets(Woken::One);
        }
    };
    W::all(vec![
        Box::new(write(one, FIRST)),
        Box::new(write(two, SECOND)),
        Box::new(move || {
            waits.waits_for_one();
            seen.store(waits.word(FIRST) == 1 && waits.word(SECOND) == 1, Relaxed);
        }),
    ]);
    let is_left = is_set(Window::new(&board, flaw).word(0));
    assert!(both.load(Relaxed) || is_left, "both sets went into one signal, and what came before one was not seen");
}

/// Who is let through by a signal that was set twice has seen what came before both.
#[test]
fn model_event_set_twice() {
    let flaws = [Flaw::SetSkips, Flaw::ExchangeRelaxed, Flaw::ExchangeByStore, Flaw::NobodyWoken];
    verify::<Loom>("event, set twice", NO_KILL, |flaw, _| two_set::<Loom>(flaw), &flaws);
}

/// One sets a manual-reset event and takes it back at once; two have been waiting.
fn pulse<W: World>(flaw: Flaw) {
    let board = board::<W>();
    let [sets, one, two] = [(); 3].map(|()| Window::new(&board, flaw));
    let wait = |window: Window<W>| {
        move || {
            window.waits_for_all();
            assert_eq!(window.word(FIRST), 1, "what came before the set is not seen");
        }
    };
    W::all(vec![
        Box::new(move || {
            sets.count(FIRST);
            sets.sets(Woken::All);
            crate::sync::event::word::reset(&sets, 0);
        }),
        Box::new(wait(one)),
        Box::new(wait(two)),
    ]);
    assert!(board.wakes() <= 1, "the kernel was entered more often than once");
}

/// All who were waiting go, although it was reset before they were awake.
#[test]
fn model_event_pulse() {
    let flaws = [&PROTOCOL[..], &[Flaw::NoTurn, Flaw::ExchangeRelaxed]].concat();
    verify::<Loom>("event, pulse", NO_KILL, |flaw, _| pulse::<Loom>(flaw), &flaws);
    let flaws = [&PROTOCOL[..], &[Flaw::NoTurn]].concat();
    verify::<Shuttle>("event, pulse, many", NO_KILL, |flaw, _| pulse::<Shuttle>(flaw), &flaws);
}

/// One waits and is killed, asleep or not; one sets it.
fn killed<W: World>(flaw: Flaw, kill: usize) {
    let board = board::<W>();
    let sets = Window::new(&board, flaw);
    let dies = Window::mortal(&board, flaw, &life(kill));
    let has_taken = Arc::new(AtomicBool::new(false));
    let taken = Arc::clone(&has_taken);
    // It announces, looks, and sleeps no more: what a sleep would end with is a kill.
    let dying = move || {
        dies.fetch_or_u64(0, ASLEEP, Relaxed);
        taken.store(dies.lives() && take(&dies.futex(), 0).is_ok(), Relaxed);
    };
    W::together(move || sets.sets(Woken::One), dying);
    let comes = Window::new(&board, flaw);
    let is_there = take(&comes.futex(), 0).is_ok();
    assert_eq!(is_there, !has_taken.load(Relaxed), "the signal is gone with one who has not taken it");
}

/// A signal is there until somebody has taken it, whoever was woken for it and died.
#[test]
fn model_event_waiter_dies() {
    verify::<Loom>("event, waiter dies", 0..4, killed::<Loom>, &[Flaw::HandedOver, Flaw::ExchangeByStore]);
}
