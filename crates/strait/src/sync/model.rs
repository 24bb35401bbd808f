//! Claims in every order: users as threads of loom, over words that are loom's and copies of a value that notice who may not touch them.
//!
//! 1. Each model is run as the algorithm is written, and must hold in more than one execution; then with each of the flaws that it is there to
//!    find, and must fail.
//! 2. Nobody spins: a try that finds something in its way is one of the outcomes.
//! 3. A killed user is one whose stores end after the n-th, for every n. Its lease is free from then on: that is stored behind its last store.
//!
//! `STRAIT_MODEL_FULL=1` raises the bounds.

mod barrier;
mod board;
mod event;
mod once;

use crate::sync::claim::{Claim, Owner, State, Taken, Users, grant, longest_waiting, release, try_take, withdraw};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU64, fence};
use loom::thread;
use std::cell::Cell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{self, Acquire, Relaxed, Release};
use strait_mem::{Shared, SharedMut, SharedRmw};

/// What is wrong with the algorithm under test, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    None,
    /// A claim is taken without acquiring.
    TakeRelaxed,
    /// A claim is given back without releasing.
    ReleaseRelaxed,
    /// A claim is taken by a store.
    TakeByStore,
    /// Whoever holds something is taken for dead.
    EverybodyGone,
    /// Nobody is ever found dead.
    NobodyGone,
    /// Who takes over from the dead marks nothing.
    NoMark,
    /// A mark does not outlive the next holder.
    MarkLost,
    /// The new value is written over the old one.
    WritesCurrent,
    /// The lock is given back before the value is written.
    FlipsEarly,
    /// Grants are overlooked.
    GrantIgnored,
    /// What was granted is held for good, whether or not it is wanted.
    GrantForGood,
    /// Who grants does not fence before it looks whether that is still wanted.
    NoGrantFence,
    /// Who waits no more does not fence before its last try.
    NoWithdrawFence,
    /// The last one to come is the next.
    LastComesFirst,
    /// Who reads does not fence before it looks at the claim again.
    NoReaderFence,
    /// Who is to write does not fence before it looks who reads.
    NoWriterFence,
    /// Who reads does not look at the claim again.
    LooksOnce,
    /// Nobody looks who reads.
    ReadersOverlooked,
    /// Who has read goes out without releasing.
    OutRelaxed,
    /// Who looks who reads does not acquire.
    OutUnseen,
    /// Who notifies does so by a store.
    NotifiesByStore,
    /// Who gives up waiting says so by a store.
    GivesUpByStore,
    /// Who waits says so when it has given the mutex back.
    WaitsLate,
    /// Who finds a death says so before it wakes anybody.
    MarksFirst,
}

pub(super) const SEATS: usize = 4;

/// A copy of the value. What it holds lies beside the cell because reading it out of the cell would take `unsafe`; the cell makes sure that
/// whoever comes here is allowed to.
pub(super) struct Copied {
    cell: UnsafeCell<()>,
    value: Cell<u64>,
}

/// What all share.
pub(super) struct Memory {
    claim: AtomicU64,
    copies: [Copied; 2],
    waits_since: [AtomicU64; SEATS],
    /// The claims under which users read.
    pub(super) reads: [AtomicU64; SEATS],
    /// The generation of the seat's owner: 1, and 2 when that one is dead and found.
    generation: [AtomicU64; SEATS],
    pub(super) flaw: Flaw,
}

impl Memory {
    pub(super) fn new(flaw: Flaw) -> Rc<Self> {
        let copied = || Copied { cell: UnsafeCell::new(()), value: Cell::new(0) };
        Rc::new(Self {
            claim: AtomicU64::new(Claim::FREE.word()),
            copies: [copied(), copied()],
            waits_since: std::array::from_fn(|_| AtomicU64::new(0)),
            reads: std::array::from_fn(|_| AtomicU64::new(0)),
            generation: std::array::from_fn(|_| AtomicU64::new(1)),
            flaw,
        })
    }

    /// What is there when everybody has gone.
    pub(super) fn last(&self) -> Claim {
        Claim::from_word(self.claim.load(Acquire))
    }

    pub(super) fn value(&self) -> u64 {
        self.copies[self.last().current() as usize].value.get()
    }
}

impl Users for Memory {
    fn is_gone(&self, owner: Owner) -> bool {
        match self.flaw {
            Flaw::EverybodyGone => true,
            Flaw::NobodyGone => false,
            _ => self.generation[owner.seat() as usize].load(Acquire) != u64::from(owner.generation()),
        }
    }

    fn is_waiting(&self, seat: u32) -> bool {
        match self.flaw {
            Flaw::GrantIgnored => false,
            Flaw::GrantForGood => true,
            _ => self.waits_since[seat as usize].load(Acquire) != 0,
        }
    }
}

/// One user.
pub(super) struct User {
    pub(super) memory: Rc<Memory>,
    pub(super) me: Owner,
    stores_left: Cell<usize>,
    /// Whether it lived to give the lock back.
    pub(super) has_released: Cell<bool>,
    /// What is wrong if it does not fence.
    fence: Flaw,
}

impl User {
    pub(super) fn new(memory: &Rc<Memory>, seat: u32) -> Self {
        Self::mortal(memory, seat, usize::MAX)
    }

    /// One that is killed after so many stores.
    pub(super) fn mortal(memory: &Rc<Memory>, seat: u32, stores: usize) -> Self {
        let me = Owner::new(seat, 1);
        let (stores_left, has_released) = (Cell::new(stores), Cell::new(false));
        Self { memory: Rc::clone(memory), me, stores_left, has_released, fence: Flaw::NoWithdrawFence }
    }

    /// The same, of whom that is wrong if it does not fence.
    pub(super) fn fencing(self, flaw: Flaw) -> Self {
        Self { fence: flaw, ..self }
    }

    pub(super) fn lives(&self) -> bool {
        let left = self.stores_left.get();
        self.stores_left.set(left.saturating_sub(1));
        left > 0
    }

    pub(super) fn try_lock(&self) -> Option<Taken> {
        let taken = try_take(self, 0, self.me, &*self.memory).ok()?;
        Some(match self.memory.flaw {
            Flaw::MarkLost if taken.before.is_marked() => Taken { claim: taken.claim.marked(false), ..taken },
            Flaw::NoMark => Taken { claim: taken.claim.marked(taken.before.is_marked()), ..taken },
            _ => taken,
        })
    }

    /// Adds one to the value, which is then what the claim says.
    pub(super) fn add_one(&self, claim: Claim) -> Claim {
        let copies = &self.memory.copies;
        let (now, other) = (claim.current() as usize, 1 - claim.current() as usize);
        let value = copies[now].cell.with(|_| copies[now].value.get());
        let into = if self.memory.flaw == Flaw::WritesCurrent { now } else { other };
        if self.lives() {
            copies[into].cell.with_mut(|_| copies[into].value.set(value + 1));
        }
        claim.free().flipped()
    }

    /// The value that the claim says, for one that reads it.
    pub(super) fn look(&self, claim: Claim) -> u64 {
        let copy = &self.memory.copies[claim.current() as usize];
        copy.cell.with(|_| copy.value.get())
    }

    /// A whole critical section; says whether it came to be, and what the claim was.
    pub(super) fn count(&self) -> Option<Claim> {
        let claim = self.try_lock()?.claim;
        if self.memory.flaw == Flaw::FlipsEarly {
            release(self, 0, claim.free().flipped());
            let _ = self.add_one(claim);
            return Some(claim);
        }
        let free = self.add_one(claim);
        release(self, 0, free);
        Some(claim)
    }

    /// Says that it waits, since then.
    pub(super) fn waits(&self, since: u64) {
        self.memory.waits_since[self.me.seat() as usize].store(since, Release);
    }

    /// Its lease is free, and somebody has found that.
    pub(super) fn is_found_dead(&self) {
        self.memory.generation[self.me.seat() as usize].store(2, Release);
    }
}

impl Shared for User {
    fn len_bytes(&self) -> usize {
        8
    }

    fn load_u32(&self, offset: usize, _: Ordering) -> u32 {
        panic!("a word of 4 bytes at {offset}")
    }

    fn load_u64(&self, _: usize, order: Ordering) -> u64 {
        self.memory.claim.load(order)
    }

    fn fence(&self, order: Ordering) {
        if self.memory.flaw != self.fence {
            fence(order);
        }
    }

    fn read(&self, offset: usize, _: &mut [u8]) {
        panic!("bytes are read at {offset}")
    }
}

impl SharedMut for User {
    fn store_u32(&self, offset: usize, _: u32, _: Ordering) {
        panic!("a word of 4 bytes at {offset}")
    }

    fn store_u64(&self, _: usize, value: u64, order: Ordering) {
        let order = if self.memory.flaw == Flaw::ReleaseRelaxed { Relaxed } else { order };
        if self.lives() {
            self.memory.claim.store(value, order);
            self.has_released.set(true);
        }
    }

    fn write(&self, offset: usize, _: &[u8]) {
        panic!("bytes are written at {offset}")
    }
}

impl SharedRmw for User {
    fn compare_exchange_u64(&self, _: usize, now: u64, new: u64, yes: Ordering, no: Ordering) -> Result<u64, u64> {
        if !self.lives() {
            return Err(now);
        }
        let new = match self.memory.flaw {
            Flaw::NoMark => Claim::from_word(new).marked(Claim::from_word(now).is_marked()).word(),
            _ => new,
        };
        match self.memory.flaw {
            Flaw::TakeByStore => {
                self.memory.claim.store(new, Release);
                Ok(now)
            }
            Flaw::TakeRelaxed => self.memory.claim.compare_exchange(now, new, Relaxed, no),
            _ => self.memory.claim.compare_exchange(now, new, yes, no),
        }
    }

    fn fetch_add_u32(&self, offset: usize, _: u32, _: Ordering) -> u32 {
        panic!("the word at {offset} is not added to")
    }

    fn fetch_add_u64(&self, offset: usize, _: u64, _: Ordering) -> u64 {
        panic!("the word at {offset} is not added to")
    }

    fn fetch_or_u64(&self, offset: usize, _: u64, _: Ordering) -> u64 {
        panic!("the word at {offset} has no bits to set")
    }

    fn fetch_and_u64(&self, offset: usize, _: u64, _: Ordering) -> u64 {
        panic!("the word at {offset} has no bits to clear")
    }
}

fn is_full() -> bool {
    std::env::var_os("STRAIT_MODEL_FULL").is_some_and(|it| it == "1")
}

/// Whether flaws are put in too: not where `STRAIT_MODEL_FLAWS=0` says that one is in the sources.
fn has_flaws() -> bool {
    std::env::var_os("STRAIT_MODEL_FLAWS").is_none_or(|it| it != "0")
}

/// Runs `model` in every order within the bounds: how many there were, or what went wrong.
fn explore(model: impl Fn() + Send + Sync + 'static) -> Result<usize, String> {
    let executions = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&executions);
    let builder = loom::model::Builder::new();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        builder.check(move || {
            counter.fetch_add(1, Relaxed);
            model();
        });
    }));
    match outcome {
        Ok(()) => Ok(executions.load(Relaxed)),
        Err(panic) => {
            let why = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            Err(String::from(why.unwrap_or_default()))
        }
    }
}

/// Explores `model` for each of its `kills`: it must hold as written, and for each flaw fail at one of the kills at least.
pub(super) fn verify(name: &str, kills: Range<usize>, model: fn(Flaw, usize), flaws: &[Flaw]) {
    let mut executions = 0;
    for kill in kills.clone() {
        let explored = explore(move || model(Flaw::None, kill));
        let explored = explored.unwrap_or_else(|why| panic!("{name}, killed after {kill} stores: {why}"));
        assert!(explored > 1, "{name}, killed after {kill} stores: a single order was explored");
        executions += explored;
    }
    println!("{name}: holds in {executions} executions");
    for &flaw in flaws.iter().filter(|_| has_flaws()) {
        let found = kills.clone().find_map(|kill| explore(move || model(flaw, kill)).err());
        let Some(why) = found else { panic!("{name}: {flaw:?} was not noticed") };
        println!("{name}: {flaw:?} is found: {}", why.lines().next().unwrap_or_default());
    }
}

/// One at a time: every critical section that came to be is in the value, and each saw what the one before it wrote.
#[test]
fn model_claim_excludes() {
    fn model(flaw: Flaw, _: usize) {
        let memory = Memory::new(flaw);
        // A third who comes again has more orders than can be explored.
        let (users, times) = if is_full() { (3, 1) } else { (2, 2) };
        let threads: Vec<_> = (0..users)
            .map(|seat| {
                let user = User::new(&memory, seat);
                thread::spawn(move || (0..times).filter(|_| user.count().is_some()).count())
            })
            .collect();
        let counted: usize = threads.into_iter().map(|it| it.join().expect("ended")).sum();
        assert!(counted > 0 && memory.value() == counted as u64, "{counted} counted, {} is there", memory.value());
        assert_eq!((memory.last().state(), memory.last().is_marked()), (State::Free, false));
    }
    verify(
        "claim, one at a time",
        0..1,
        model,
        &[Flaw::TakeRelaxed, Flaw::ReleaseRelaxed, Flaw::TakeByStore, Flaw::EverybodyGone, Flaw::FlipsEarly],
    );
}

/// Stores of a critical section: the claim, the value, the claim again.
const STORES: usize = 3;

/// A holder that is killed anywhere has changed all or nothing, and exactly one of the others is told, if it had not finished.
#[test]
fn model_claim_holder_dies() {
    fn model(flaw: Flaw, kill: usize) {
        let memory = Memory::new(flaw);
        let dies = User::mortal(&memory, 0, kill);
        let dying = thread::spawn(move || {
            let has_begun = dies.count().is_some();
            dies.is_found_dead();
            (has_begun, dies.has_released.get())
        });
        // Who takes over from the dead accepts what is there.
        let other = User::new(&memory, 1);
        let living = thread::spawn(move || {
            let taken = other.try_lock()?;
            let free = other.add_one(taken.claim);
            release(&other, 0, free.marked(false));
            Some(taken.claim.is_marked())
        });
        let (has_begun, has_finished) = dying.join().expect("ended");
        let early = living.join().expect("ended");
        let late = User::new(&memory, 2).count().expect("nobody living holds it");
        let told = usize::from(early == Some(true)) + usize::from(late.is_marked());
        assert_eq!(told, usize::from(has_begun && !has_finished), "so many are told");
        let whole = 1 + u64::from(early.is_some()) + u64::from(has_finished);
        assert!(memory.value() == whole, "{} is there and not {whole}", memory.value());
    }
    verify(
        "claim, holder dies",
        0..STORES + 1,
        model,
        &[Flaw::NoMark, Flaw::WritesCurrent, Flaw::FlipsEarly, Flaw::NobodyGone, Flaw::EverybodyGone],
    );
}

/// A mark outlives any number of holders who do not look, and deaths, and is gone when one has looked.
#[test]
fn model_claim_marks_stay() {
    fn model(flaw: Flaw, kill: usize) {
        let memory = Memory::new(flaw);
        let (first, second) = (User::mortal(&memory, 0, 1), User::mortal(&memory, 1, kill));
        assert!(first.count().is_some());
        first.is_found_dead();
        let dying = thread::spawn(move || {
            let _ = second.count();
            second.is_found_dead();
        });
        let other = User::new(&memory, 2);
        let tries = thread::spawn(move || other.count().map(Claim::is_marked));
        dying.join().expect("ended");
        assert_ne!(tries.join().expect("ended"), Some(false), "nobody has looked");
        let looks = User::new(&memory, 3);
        let claim = looks.try_lock().expect("nobody living holds it").claim;
        assert!(claim.is_marked(), "the mark is lost");
        release(&looks, 0, claim.free().marked(false));
        assert!(!User::new(&memory, 2).count().expect("free").is_marked());
    }
    verify("claim, marks stay", 0..STORES + 1, model, &[Flaw::NoMark, Flaw::MarkLost]);
}

/// Who unlocks hands the lock to the one who has waited longest, and that one to the next: nobody comes between.
#[test]
fn model_claim_nobody_comes_between() {
    fn model(flaw: Flaw, _: usize) {
        let memory = Memory::new(flaw);
        let [holder, long, longest, greedy] = [0, 1, 2, 3].map(|seat| User::new(&memory, seat));
        let claim = holder.try_lock().expect("free").claim;
        long.waits(20);
        longest.waits(10);
        let served = Rc::new(AtomicU64::new(0));
        // Who holds it gives it to who has waited longest, or to nobody.
        let pass = |user: &User, claim: Claim| {
            let waiting = (1..3).map(|seat| (seat, user.memory.waits_since[seat as usize].load(Acquire)));
            let next = match user.memory.flaw {
                Flaw::LastComesFirst => waiting.filter(|it| it.1 != 0).max_by_key(|it| it.1).map(|it| it.0),
                _ => longest_waiting(waiting, 100),
            };
            match next {
                Some(seat) => {
                    let next = Owner::new(seat, 1);
                    assert!(
                        grant(user, 0, claim.free().granted_to(next), seat, &*user.memory, || ()),
                        "both wait until they have it"
                    );
                }
                None => release(user, 0, claim.free()),
            }
        };
        let greed = {
            let (served, memory) = (Rc::clone(&served), Rc::clone(&memory));
            thread::spawn(move || {
                let taken = greedy.try_lock();
                let waiting = memory.waits_since.iter().filter(|since| since.load(Acquire) != 0).count();
                assert!(taken.is_none() || waiting == 0, "somebody comes before {waiting} who have waited for long");
                assert!(taken.is_none() || served.load(Acquire) == 2);
            })
        };
        let serving = thread::spawn(move || {
            pass(&holder, claim);
            for (number, user) in [longest, long].into_iter().enumerate() {
                let Some(taken) = user.try_lock() else { panic!("number {number} is not served") };
                user.waits(0);
                served.fetch_add(1, Release);
                pass(&user, taken.claim);
            }
        });
        serving.join().expect("ended");
        greed.join().expect("ended");
    }
    verify(
        "claim, nobody comes between",
        0..1,
        model,
        &[Flaw::GrantIgnored, Flaw::LastComesFirst, Flaw::EverybodyGone],
    );
}

/// One that waits no more while it is granted the lock has it, or does not stand in the way; and somebody knows that others are to be woken.
#[test]
fn model_claim_withdraws() {
    fn model(flaw: Flaw, _: usize) {
        let memory = Memory::new(flaw);
        let holder = User::new(&memory, 0).fencing(Flaw::NoGrantFence);
        let claim = holder.try_lock().expect("free").claim;
        let gives_up = User::new(&memory, 1);
        gives_up.waits(10);
        let next = gives_up.me;
        let grants = thread::spawn(move || {
            grant(&holder, 0, claim.free().granted_to(next), next.seat(), &*holder.memory, || ())
        });
        let leaves = thread::spawn(move || withdraw(&gives_up, || gives_up.waits(0), || gives_up.try_lock()).is_some());
        let is_wanted = grants.join().expect("ended");
        let has_it = leaves.join().expect("ended");
        let another = User::new(&memory, 2).try_lock();
        assert_eq!(another.is_some(), !has_it, "it is stuck");
        assert!(another.is_none_or(|it| !it.claim.is_marked()), "nothing was begun");
        assert!(has_it || !is_wanted, "nobody is woken");
    }
    verify("claim, withdraws", 0..1, model, &[Flaw::GrantForGood, Flaw::NoGrantFence, Flaw::NoWithdrawFence]);
}
