//! Readers and writers in every order: the claim is the one of [`crate::sync::model`], with its users and its flaws.
//!
//! The copy that is not the value stands for what else the lock is for: readers look at it too, and whoever writes changes it.

use super::readers::{Readers, all_out, enter, leave, pending, take_up};
use crate::sync::claim::{Claim, Owner, State, Users, grant, release, withdraw};
use crate::sync::model::{Flaw, Memory, SEATS, User, verify};
use loom::thread;
use std::rc::Rc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

impl Users for User {
    fn is_gone(&self, owner: Owner) -> bool {
        self.memory.is_gone(owner)
    }

    fn is_waiting(&self, seat: u32) -> bool {
        self.memory.is_waiting(seat)
    }
}

impl Readers for User {
    fn seats(&self) -> u32 {
        // One to write, and those who read.
        SEATS as u32 - 1
    }

    fn reads(&self, seat: u32) -> Claim {
        let order = if self.memory.flaw == Flaw::OutUnseen { Relaxed } else { Acquire };
        let claim = Claim::from_word(self.memory.reads[seat as usize].load(order));
        if self.memory.flaw == Flaw::ReadersOverlooked { claim.free() } else { claim }
    }

    fn begin(&self, claim: Claim) {
        if self.lives() {
            self.memory.reads[self.me.seat() as usize].store(claim.word(), Relaxed);
        }
    }

    fn end(&self, claim: Claim) {
        let order = if self.memory.flaw == Flaw::OutRelaxed { Relaxed } else { Release };
        if self.lives() {
            self.memory.reads[self.me.seat() as usize].store(claim.word(), order);
        }
    }
}

fn reader(memory: &Rc<Memory>, seat: u32) -> User {
    User::new(memory, seat).fencing(Flaw::NoReaderFence)
}

fn writer(memory: &Rc<Memory>, seat: u32) -> User {
    User::new(memory, seat).fencing(Flaw::NoWriterFence)
}

/// Looks at the value and at what else the lock is for; says what the value was.
fn look(user: &User, claim: Claim) -> u64 {
    let _ = user.look(claim.flipped());
    user.look(claim)
}

/// Goes in, looks twice, and goes out; says what the value was.
fn read(user: &User) -> Option<u64> {
    let claim = if user.memory.flaw == Flaw::LooksOnce {
        let seen = user.memory.last();
        user.begin(user.reads(user.me.seat()).held_by(user.me));
        seen.is_free().then_some(seen)
    } else {
        enter(user, 0, user.me, user).ok()
    }?;
    let value = look(user, claim);
    // Somebody else may run here.
    let _ = user.memory.last();
    assert_eq!(look(user, claim), value, "it changes while it is read");
    leave(user.me, user);
    Some(value)
}

/// As `try_write`: says whether it wrote.
fn write(user: &User) -> bool {
    let Some(taken) = user.try_lock() else { return false };
    let is_alone = all_out(user, user.me, user).is_ok();
    release(user, 0, if is_alone { user.add_one(taken.claim) } else { taken.claim.free() });
    is_alone
}

/// Nobody reads a copy that is written.
#[test]
fn model_rwlock_excludes() {
    fn model(flaw: Flaw, _: usize) {
        let memory = Memory::new(flaw);
        let (reads, writes) = (reader(&memory, 0), writer(&memory, 1));
        let reading = thread::spawn(move || read(&reads));
        let written = (0..2).filter(|_| write(&writes)).count() as u64;
        let seen = reading.join().expect("ended");
        assert!(seen.is_none_or(|value| value <= written), "{seen:?} of {written}");
        assert_eq!((memory.value(), memory.last().state()), (written, State::Free));
    }
    let flaws = [
        Flaw::NoReaderFence,
        Flaw::NoWriterFence,
        Flaw::LooksOnce,
        Flaw::ReadersOverlooked,
        Flaw::OutRelaxed,
        Flaw::OutUnseen,
        Flaw::EverybodyGone,
    ];
    verify("readers, and one who writes", 0..1, model, &flaws);
}

/// Who waits to write keeps readers out and loses its turn to nobody; when it waits no more nobody is held up, and nothing is marked.
#[test]
fn model_rwlock_waits_for_readers() {
    fn model(flaw: Flaw, _: usize) {
        let memory = Memory::new(flaw);
        let (inside, late, writes) = (reader(&memory, 0), reader(&memory, 1), writer(&memory, 2));
        let claim = enter(&inside, 0, inside.me, &inside).expect("free");
        writes.waits(10);
        let taken = writes.try_lock().expect("free");
        release(&writes, 0, pending(taken.claim, writes.me));
        let leaving = thread::spawn(move || {
            // A thread that has done nothing atomic is not told from the one that began it.
            let _ = inside.memory.last();
            let value = look(&inside, claim);
            leave(inside.me, &inside);
            value
        });
        let coming = thread::spawn(move || read(&late));
        let take = || take_up(&writes, 0, writes.me, &writes).map(|taken| taken.expect("nobody takes its turn"));
        let mut alone = take().ok();
        if alone.is_none() {
            alone = withdraw(&writes, || writes.waits(0), || take_up(&writes, 0, writes.me, &writes).ok().flatten());
        }
        let wrote = alone.map(|claim| {
            release(&writes, 0, writes.add_one(claim));
            // Whoever came meanwhile waits no longer than for this.
            u64::from(write(&writes)) + 1
        });
        assert_eq!(leaving.join().expect("ended"), 0, "it was written while somebody read");
        let seen = coming.join().expect("ended");
        assert!(seen.is_none_or(|value| value <= wrote.unwrap_or(0)));
        // One that gave up may have died before it made the claim free.
        let last = writer(&memory, 3);
        let taken = last.try_lock().expect("nobody is held up");
        assert!(all_out(&last, last.me, &last).is_ok() && !taken.claim.is_marked());
    }
    let flaws = [Flaw::GrantForGood, Flaw::ReadersOverlooked, Flaw::OutRelaxed];
    verify("readers, and one who waits to write", 0..1, model, &flaws);
}

/// What is granted to a reader lets all readers in, and no writer before it; then whoever comes first.
#[test]
fn model_rwlock_granted_to_readers() {
    fn model(flaw: Flaw, _: usize) {
        let memory = Memory::new(flaw);
        let (granted, other) = (reader(&memory, 0), reader(&memory, 1));
        let (holds, writes) = (writer(&memory, 2), writer(&memory, 2));
        let claim = holds.try_lock().expect("free").claim;
        granted.waits(10);
        let free = holds.add_one(claim);
        assert!(grant(&holds, 0, free.granted_to_reader(granted.me), 0, &*memory, || ()));
        let wants = thread::spawn(move || {
            let claim = enter(&granted, 0, granted.me, &granted).expect("it is granted to it");
            granted.waits(0);
            let value = look(&granted, claim);
            leave(granted.me, &granted);
            value
        });
        let beside = thread::spawn(move || read(&other));
        let wrote = u64::from(write(&writes));
        let first = wants.join().expect("ended");
        assert_eq!(first, 1, "somebody wrote before one that has waited for long");
        assert!(beside.join().expect("ended").is_none_or(|value| (1..=1 + wrote).contains(&value)));
        let last = writer(&memory, 2);
        assert!(write(&last), "nobody is there");
        assert_eq!(memory.value(), 2 + wrote);
    }
    verify(
        "readers, who are granted the lock",
        0..1,
        model,
        &[Flaw::NoReaderFence, Flaw::NoWriterFence, Flaw::ReadersOverlooked],
    );
}

/// A reader that is killed anywhere holds nobody up when it is found, and marks nothing; before it is found nobody writes what it may read.
#[test]
fn model_rwlock_reader_dies() {
    fn model(flaw: Flaw, kill: usize) {
        let memory = Memory::new(flaw);
        let dies = User::mortal(&memory, 0, kill).fencing(Flaw::NoReaderFence);
        let writes = writer(&memory, 1);
        let dying = thread::spawn(move || {
            if let Ok(claim) = enter(&dies, 0, dies.me, &dies) {
                // It reads nothing where it did not live to say that it does.
                if kill > 0 {
                    let _ = look(&dies, claim);
                }
                leave(dies.me, &dies);
            }
            dies.is_found_dead();
        });
        let written = (0..2).filter(|_| write(&writes)).count() as u64;
        dying.join().expect("ended");
        let last = writer(&memory, 2);
        assert!(write(&last), "the dead one is in the way");
        assert_eq!((memory.value(), memory.last().is_marked()), (written + 1, false));
    }
    verify("readers, one dies", 0..3, model, &[Flaw::NobodyGone, Flaw::EverybodyGone]);
}

/// A writer that is killed anywhere has changed all or nothing; readers go on when it is found, and the next writer is told.
#[test]
fn model_rwlock_writer_dies() {
    fn model(flaw: Flaw, kill: usize) {
        let memory = Memory::new(flaw);
        let dies = User::mortal(&memory, 0, kill).fencing(Flaw::NoWriterFence);
        let reads = reader(&memory, 1);
        let dying = thread::spawn(move || {
            let has_begun = write(&dies);
            dies.is_found_dead();
            (has_begun, dies.has_released.get())
        });
        let early = read(&reads);
        let (has_begun, has_finished) = dying.join().expect("ended");
        let value = read(&reads).expect("nobody living is in the way");
        assert!(early.is_none_or(|early| early <= value));
        assert!(!has_finished || !has_begun || value == 1, "a write is lost");
        assert!(has_finished || value == 0, "half a write is seen");
        let next = writer(&memory, 2);
        let taken = next.try_lock().expect("nobody living is in the way");
        assert_eq!(taken.claim.is_marked(), !has_finished && kill > 0, "killed after {kill}");
    }
    verify("readers, the writer dies", 1..4, model, &[Flaw::NobodyGone, Flaw::NoMark, Flaw::WritesCurrent]);
}
