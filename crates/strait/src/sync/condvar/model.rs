//! Conditions in every order: the mutex is the claim of [`crate::sync::model`], with its users and its flaws.

use crate::sync::claim::{Owner, Users as _, release};
use crate::sync::model::{Flaw, Memory, User, verify};
use crate::sync::waiters::{Wait, Waiters, give_up, notify_all, notify_one};
use loom::sync::atomic::AtomicU64;
use loom::thread;
use std::rc::Rc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

const WAITERS: u32 = 2;

/// The words of the seats, and who changes them.
#[derive(Clone)]
struct Seats {
    words: Rc<[AtomicU64; WAITERS as usize]>,
    by: Rc<User>,
}

impl Seats {
    fn new(memory: &Rc<Memory>) -> Self {
        let words = Rc::new(std::array::from_fn(|_| AtomicU64::new(0)));
        Self { words, by: Rc::new(User::new(memory, 3)) }
    }

    /// The same, changed by one that is killed after so many stores.
    fn mortal(&self, stores: usize) -> Self {
        let by = Rc::new(User::mortal(&self.by.memory, 3, stores));
        Self { words: Rc::clone(&self.words), by }
    }

    fn wait(&self, seat: u32, since: u64) {
        self.words[seat as usize].store(Wait::new(0, since).word(), Release);
    }

    fn is_waiting(&self, seat: u32) -> bool {
        self.wait_of(seat).is_waiting()
    }

    fn is_flawed(&self, flaw: Flaw) -> bool {
        self.by.memory.flaw == flaw
    }
}

impl Waiters for Seats {
    fn seats(&self) -> u32 {
        WAITERS
    }

    fn wait_of(&self, seat: u32) -> Wait {
        Wait::from_word(self.words[seat as usize].load(Acquire))
    }

    fn exchange(&self, seat: u32, from: Wait, to: Wait) -> bool {
        if !self.by.lives() {
            return false;
        }
        let word = &self.words[seat as usize];
        let is_gift = to != Wait::NONE;
        if is_gift && self.is_flawed(Flaw::NotifiesByStore) || !is_gift && self.is_flawed(Flaw::GivesUpByStore) {
            word.store(to.word(), Release);
            return true;
        }
        word.compare_exchange(from.word(), to.word(), AcqRel, Relaxed).is_ok()
    }
}

/// One that has found nothing to do and waits is woken by whoever changes that and notifies.
#[test]
fn model_condvar_loses_no_wakeup() {
    fn model(flaw: Flaw, _: usize) {
        let memory = Memory::new(flaw);
        let seats = Seats::new(&memory);
        let (waits, changes) = (User::new(&memory, 0), User::new(&memory, 1));
        let its = seats.clone();
        let waiting = thread::spawn(move || {
            let Some(taken) = waits.try_lock() else { return false };
            let is_early = waits.look(taken.claim) == 0;
            if is_early && !its.is_flawed(Flaw::WaitsLate) {
                its.wait(0, 10);
            }
            release(&waits, 0, taken.claim.free());
            if is_early && its.is_flawed(Flaw::WaitsLate) {
                its.wait(0, 10);
            }
            is_early
        });
        let has_changed = changes.count().is_some();
        if has_changed {
            notify_one(&seats, 0);
        }
        let is_early = waiting.join().expect("ended");
        assert!(!(is_early && has_changed && seats.is_waiting(0)), "it is not woken");
    }
    verify("conditions, no wake-up is lost", 0..1, model, &[Flaw::WaitsLate, Flaw::ReleaseRelaxed]);
}

/// Of two notifications each wakes one.
#[test]
fn model_condvar_one_each() {
    fn model(flaw: Flaw, _: usize) {
        let memory = Memory::new(flaw);
        let seats = Seats::new(&memory);
        (0..WAITERS).for_each(|seat| seats.wait(seat, 10 + u64::from(seat)));
        let its = seats.clone();
        let other = thread::spawn(move || notify_one(&its, 0));
        let mut notified = [notify_one(&seats, 0), other.join().expect("ended")];
        notified.sort_unstable();
        assert_eq!(notified, [Some(0), Some(1)]);
        assert!(!(0..WAITERS).any(|seat| seats.is_waiting(seat)));
    }
    verify("conditions, one each", 0..1, model, &[Flaw::NotifiesByStore]);
}

/// One that gives up either has not been notified, and then the next one is, or has, and knows it.
#[test]
fn model_condvar_gives_up() {
    fn model(flaw: Flaw, _: usize) {
        let memory = Memory::new(flaw);
        let seats = Seats::new(&memory);
        (0..WAITERS).for_each(|seat| seats.wait(seat, 10 + u64::from(seat)));
        let its = seats.clone();
        let leaving = thread::spawn(move || give_up(&its, 0));
        let notified = notify_one(&seats, 0);
        let has_it = leaving.join().expect("ended");
        assert_eq!(notified, Some(u32::from(!has_it)), "it is lost, or there are two");
        assert_eq!(seats.is_waiting(1), has_it);
    }
    verify("conditions, one gives up", 0..1, model, &[Flaw::NotifiesByStore, Flaw::GivesUpByStore]);
}

/// Everybody is woken by a death, also where who found it was killed while it said so.
#[test]
fn model_condvar_death_wakes_all() {
    fn model(flaw: Flaw, kill: usize) {
        let memory = Memory::new(flaw);
        let seats = Seats::new(&memory);
        (0..WAITERS).for_each(|seat| seats.wait(seat, 10 + u64::from(seat)));
        // Seat 2 is the dead one's: its death is known when its generation is another.
        let dead = User::new(&memory, 2);
        let finds = |seats: &Seats| {
            let mark = || {
                if seats.by.lives() {
                    dead.is_found_dead();
                }
            };
            let is_known = memory.is_gone(Owner::new(2, 1));
            if is_known {
                return;
            }
            if seats.is_flawed(Flaw::MarksFirst) {
                mark();
            }
            notify_all(seats, None, |_| ());
            if !seats.is_flawed(Flaw::MarksFirst) {
                mark();
            }
        };
        let (dies, gives_up) = (seats.mortal(kill), seats.clone());
        let leaving = thread::spawn(move || give_up(&gives_up, 0));
        finds(&dies);
        finds(&seats);
        leaving.join().expect("ended");
        assert!(!(0..WAITERS).any(|seat| seats.is_waiting(seat)), "it waits for one that is dead");
    }
    verify("conditions, a death wakes all", 0..4, model, &[Flaw::MarksFirst]);
}
