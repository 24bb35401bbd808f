//! A side's page on the words of loom and of shuttle, and the flaws that the models must find.
//!
//! | | loom | shuttle |
//! |---|---|---|
//! | a word | may be loaded as any value that the orderings allow | is what was stored last |
//! | a schedule | every one | a great many, at random |
//! | so it is for | the barriers and orderings, in few steps | the protocol, in many steps |
//!
//! 1. *A sleep* is what the kernel's is: under one lock (the futex's bucket) the word is compared and the sleep begins, so it comes
//!    before the waker's turn under that lock, and is woken, or after, and finds the word changed. The comparison itself orders
//!    nothing. A time-out never comes: a wake-up that is lost leaves the sleeper asleep for ever, and both engines report that as a
//!    deadlock.
//! 2. *The barriers.* `membarrier(GLOBAL_EXPEDITED)` returns when every running thread of the registered processes has been through
//!    a full barrier since it was entered; a thread that was not running has been through one in the scheduler. So in each frequent
//!    thread there is a point such that what came before it is seen by the caller after the call, and what comes after it sees what
//!    the caller stored before the call. The light barrier keeps the compiler from moving an access across the place where that point may
//!    be. Of one heavy and one light barrier that is exactly what two sequentially consistent fences promise: whichever comes first in
//!    their order, the other side's accesses behind its own see what lies before it. Two *light* barriers promise each other nothing,
//!    and here they would; no rule of the link leans on such a pair, for who announces a sleep always passes a heavy one.
//! 3. A [`Life`] may end: a process that has been killed stores and wakes no more.

use crate::peer::side::{BELL, CPU, FENCES, PRESENCE, Presence, WAKE_AT};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{self, AcqRel, Acquire, Relaxed, SeqCst};
use std::time::{Duration, Instant};
use strait_mem::{Parking, Shared, SharedMut};

/// Where the models keep what a side has done: messages sent, or how far the head has moved.
pub(super) const DONE: usize = 128;
const OFFSETS: [usize; 5] = [PRESENCE, WAKE_AT, FENCES, BELL, DONE];

/// What is wrong with the protocol under test, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It is as it is written.
    None,
    /// The frequent side passes no barrier.
    NoLightBarrier,
    /// The rare side passes no barrier.
    NoHeavyBarrier,
    /// A full barrier is none.
    NoFullBarrier,
    /// The word that says who fences is stored and loaded in any order.
    FencesRelaxed,
    /// A sleep begins whatever the bell says.
    SleepsUnseeing,
    /// A ring does not change the bell.
    BellStill,
    /// A ring wakes nobody.
    NobodyWoken,
    /// The acting side rings at each action, however often it has rung for this sleep.
    RingsAgain,
    /// The presence is not stored as a release.
    PresenceStoreRelaxed,
    /// The presence is not loaded as an acquire.
    PresenceLoadRelaxed,
    /// The bell is not stored as a release.
    BellStoreRelaxed,
    /// The waiting side does not look again after the announcement.
    NoSecondLook,
    /// The acting side does not ask whether it is enough.
    EnoughUnasked,
    /// A new owner counts its sleeps from the start.
    PresenceForgotten,
    /// A new owner counts its rings from the start.
    BellForgotten,
    /// Of many words only the first is compared.
    OneWord,
    /// Of many sources only the first is announced.
    FirstOnly,
    /// An announcement is not taken back.
    NotWithdrawn,
}

/// An engine that runs threads in many orders.
pub(crate) trait World: Sized + 'static {
    type Word: Send + Sync;
    /// What one sleeps on.
    type Bed: Send + Sync;

    fn word(value: u64) -> Self::Word;
    fn load(word: &Self::Word, order: Ordering) -> u64;
    fn store(word: &Self::Word, value: u64, order: Ordering);
    fn add(word: &Self::Word, value: u64, order: Ordering) -> u64;
    fn or(word: &Self::Word, bits: u64, order: Ordering) -> u64;
    fn and(word: &Self::Word, bits: u64, order: Ordering) -> u64;
    fn exchange(word: &Self::Word, current: u64, new: u64) -> bool {
        Self::exchange_as(word, current, new, AcqRel, Acquire).is_ok()
    }
    /// The same in some order, with what was there.
    fn exchange_as(word: &Self::Word, current: u64, new: u64, yes: Ordering, no: Ordering) -> Result<u64, u64>;
    fn fence();
    fn bed() -> Self::Bed;
    /// Sleeps once if it `is_wanted`, asked under the bed's lock.
    fn sleep(bed: &Self::Bed, is_wanted: impl FnOnce() -> bool);
    fn wake(bed: &Self::Bed);
    /// Wakes the one who has slept longest.
    fn wake_one(bed: &Self::Bed);
    /// Runs `model` in every order within the bounds, or in a great many: how many there were. Panics when it fails.
    fn explore(model: impl Fn() + Send + Sync + 'static) -> usize;
    /// Runs all to their ends.
    fn all(threads: Vec<Box<dyn FnOnce() + Send>>);

    /// Runs both to their ends.
    fn together(one: impl FnOnce() + Send + 'static, other: impl FnOnce() + Send + 'static) {
        Self::all(vec![Box::new(one), Box::new(other)]);
    }
}

/// A macro, because the two engines agree in the names of their types but share no trait.
macro_rules! world {
    ($world:ident, $engine:ident, $fence:path, $explore:path) => {
        pub(crate) struct $world;

        impl World for $world {
            type Word = $engine::sync::atomic::AtomicU64;
            type Bed = ($engine::sync::Mutex<()>, $engine::sync::Condvar);

            fn word(value: u64) -> Self::Word {
                Self::Word::new(value)
            }

            fn load(word: &Self::Word, order: Ordering) -> u64 {
                word.load(order)
            }

            fn store(word: &Self::Word, value: u64, order: Ordering) {
                word.store(value, order);
            }

            fn add(word: &Self::Word, value: u64, order: Ordering) -> u64 {
                word.fetch_add(value, order)
            }

            fn or(word: &Self::Word, bits: u64, order: Ordering) -> u64 {
                word.fetch_or(bits, order)
            }

            fn and(word: &Self::Word, bits: u64, order: Ordering) -> u64 {
                word.fetch_and(bits, order)
            }

            fn exchange_as(word: &Self::Word, current: u64, new: u64, yes: Ordering, no: Ordering) -> Result<u64, u64> {
                word.compare_exchange(current, new, yes, no)
            }

            fn fence() {
                $fence();
            }

            fn bed() -> Self::Bed {
                Default::default()
            }

            fn sleep(bed: &Self::Bed, is_wanted: impl FnOnce() -> bool) {
                let bucket = bed.0.lock().expect("not poisoned");
                if is_wanted() {
                    drop(bed.1.wait(bucket).expect("not poisoned"));
                }
            }

            fn wake(bed: &Self::Bed) {
                let _bucket = bed.0.lock().expect("not poisoned");
                bed.1.notify_all();
            }

            fn wake_one(bed: &Self::Bed) {
                let _bucket = bed.0.lock().expect("not poisoned");
                bed.1.notify_one();
            }

            fn explore(model: impl Fn() + Send + Sync + 'static) -> usize {
                $explore(model)
            }

            fn all(threads: Vec<Box<dyn FnOnce() + Send>>) {
                let threads: Vec<_> = threads.into_iter().map(|it| $engine::thread::spawn(it)).collect();
                threads.into_iter().for_each(|it| it.join().expect("ended"));
            }
        }
    };
}

world!(Loom, loom, full_fence, every_order);
world!(Shuttle, shuttle, no_fence, many_orders);

fn full_fence() {
    loom::sync::atomic::fence(SeqCst);
}

/// Shuttle's words need none.
fn no_fence() {}

fn is_full() -> bool {
    std::env::var_os("STRAIT_MODEL_FULL").is_some_and(|it| it == "1")
}

/// Whether flaws are put in too: not where `STRAIT_MODEL_FLAWS=0` says that one is in the sources.
pub(crate) fn has_flaws() -> bool {
    std::env::var_os("STRAIT_MODEL_FLAWS").is_none_or(|it| it != "0")
}

thread_local! {
    static TIME: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The time, for whom this thread explores: it does not pass, or a machine that stands still for a slice would be another model.
pub(in crate::wait) fn time() -> Option<Instant> {
    TIME.get()
}

/// Time stands still on this thread until this is dropped. The engines run all threads of a model on the thread that explores it.
struct Standstill;

impl Standstill {
    fn begin() -> Self {
        TIME.set(Some(Instant::now()));
        Self
    }
}

impl Drop for Standstill {
    fn drop(&mut self) {
        TIME.set(None);
    }
}

fn every_order(model: impl Fn() + Send + Sync + 'static) -> usize {
    let _still = Standstill::begin();
    let executions = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&executions);
    let mut builder = loom::model::Builder::new();
    // Two are enough for every flaw; without a bound the models of both directions do not end.
    builder.preemption_bound = Some(if is_full() { 4 } else { 3 });
    builder.max_branches = 10_000;
    builder.check(move || {
        counter.fetch_add(1, Relaxed);
        model();
    });
    executions.load(Relaxed)
}

fn many_orders(model: impl Fn() + Send + Sync + 'static) -> usize {
    let _still = Standstill::begin();
    let mut config = shuttle::Config::new();
    config.failure_persistence = shuttle::FailurePersistence::None;
    config.silence_warnings = true;
    // A seed, so that what fails once fails again.
    let executions = if is_full() { 200_000 } else { 10_000 };
    let scheduler = shuttle::scheduler::RandomScheduler::new_from_seed(0x0053_5452, executions);
    shuttle::Runner::new(scheduler, config).run(model)
}

/// A side's page.
pub(super) struct Page<W: World> {
    words: [W::Word; OFFSETS.len()],
    /// Of this page alone, or of all that one may sleep on at once.
    bed: Arc<W::Bed>,
    /// How often somebody was woken here.
    wakes: AtomicUsize,
    /// How often the owner has announced a sleep.
    announcements: AtomicUsize,
}

impl<W: World> Page<W> {
    /// A page that looks as its last owner left it.
    pub(super) fn new(wake_at: u32) -> Arc<Self> {
        Self::on(Arc::new(W::bed()), wake_at)
    }

    /// A fresh page that one sleeps on together with `other`.
    pub(super) fn beside(other: &Self) -> Arc<Self> {
        Self::on(Arc::clone(&other.bed), 0)
    }

    fn on(bed: Arc<W::Bed>, wake_at: u32) -> Arc<Self> {
        let word = |offset| W::word(if offset == WAKE_AT { u64::from(wake_at) } else { 0 });
        Arc::new(Self { words: OFFSETS.map(word), bed, wakes: AtomicUsize::new(0), announcements: AtomicUsize::new(0) })
    }

    pub(super) fn bed(&self) -> &W::Bed {
        &self.bed
    }

    /// The bell, compared as the kernel does: that orders nothing.
    pub(super) fn bell(&self) -> u32 {
        // Truncation: what was stored had 4 bytes.
        W::load(self.word(BELL), Relaxed) as u32
    }

    pub(super) fn wakes(&self) -> usize {
        self.wakes.load(Relaxed)
    }

    pub(super) fn announcements(&self) -> usize {
        self.announcements.load(Relaxed)
    }

    fn word(&self, offset: usize) -> &W::Word {
        let at = OFFSETS.iter().position(|it| *it == offset);
        &self.words[at.unwrap_or_else(|| panic!("the word at {offset} is not part of the model"))]
    }
}

/// How many stores and wakes a process has before it is killed.
pub(crate) type Life = Arc<AtomicUsize>;

pub(crate) fn life(steps: usize) -> Life {
    Arc::new(AtomicUsize::new(steps))
}

pub(crate) fn is_over(life: &Life) -> bool {
    life.load(Relaxed) == 0
}

/// One side's window on a page.
pub(super) struct Window<W: World> {
    pub(super) page: Arc<Page<W>>,
    pub(super) is_own: bool,
    pub(super) flaw: Flaw,
    pub(super) life: Life,
    /// Whether the light and the heavy barrier do anything; if not, full ones do.
    pub(super) has_membarrier: bool,
    /// How many heavy barriers were passed.
    pub(super) heavies: Arc<AtomicUsize>,
    /// Loads of the presence, for [`Flaw::RingsAgain`].
    pub(super) looks: AtomicUsize,
}

impl<W: World> Window<W> {
    fn load(&self, offset: usize, order: Ordering) -> u64 {
        // No core of this machine: both sides are far apart, but where a model says otherwise.
        if offset == CPU {
            return u64::from(u32::MAX);
        }
        let order = match (self.flaw, offset) {
            (Flaw::PresenceLoadRelaxed, PRESENCE) | (Flaw::FencesRelaxed, FENCES) => Relaxed,
            _ => order,
        };
        let value = W::load(self.page.word(offset), order);
        match (self.flaw, offset) {
            // Another generation at each look: a presence that is never known.
            (Flaw::RingsAgain, PRESENCE) => value ^ (self.looks.fetch_add(1, Relaxed) as u64 + 1) << 48,
            (Flaw::PresenceForgotten, PRESENCE) | (Flaw::BellForgotten, BELL) if self.is_own => 0,
            _ => value,
        }
    }

    fn store(&self, offset: usize, value: u64, order: Ordering) {
        // A hint for the length of the spinning, which the models leave out.
        if offset == CPU {
            return;
        }
        let order = match (self.flaw, offset) {
            (Flaw::PresenceStoreRelaxed, PRESENCE) | (Flaw::BellStoreRelaxed, BELL) | (Flaw::FencesRelaxed, FENCES) => {
                Relaxed
            }
            (Flaw::BellStill, BELL) => return,
            _ => order,
        };
        if !self.lives() {
            return;
        }
        if offset == PRESENCE && Presence::from_word(value).is_asleep() {
            self.page.announcements.fetch_add(1, Relaxed);
        }
        W::store(self.page.word(offset), value, order);
    }

    /// One step of the life.
    fn lives(&self) -> bool {
        self.life.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

impl<W: World> Shared for Window<W> {
    fn len_bytes(&self) -> usize {
        DONE + 8
    }

    fn load_u32(&self, offset: usize, order: Ordering) -> u32 {
        // Truncation: what was stored had 4 bytes.
        self.load(offset, order) as u32
    }

    fn load_u64(&self, offset: usize, order: Ordering) -> u64 {
        self.load(offset, order)
    }

    fn read(&self, offset: usize, _: &mut [u8]) {
        panic!("the link reads bytes at {offset}")
    }
}

impl<W: World> SharedMut for Window<W> {
    fn store_u32(&self, offset: usize, value: u32, order: Ordering) {
        self.store(offset, u64::from(value), order);
    }

    fn store_u64(&self, offset: usize, value: u64, order: Ordering) {
        self.store(offset, value, order);
    }

    fn write(&self, offset: usize, _: &[u8]) {
        panic!("the link writes bytes at {offset}")
    }
}

impl<W: World> Parking for Window<W> {
    fn sleep_while(&self, offset: usize, expected: u32, _: Duration) -> bool {
        let is_same = || W::load(self.page.word(offset), Relaxed) == u64::from(expected);
        W::sleep(&self.page.bed, || self.flaw == Flaw::SleepsUnseeing || is_same());
        false
    }

    fn wake(&self, _: usize) {
        if !self.lives() {
            return;
        }
        self.page.wakes.fetch_add(1, Relaxed);
        if self.flaw != Flaw::NobodyWoken {
            W::wake(&self.page.bed);
        }
    }

    fn light_barrier(&self) {
        if self.has_membarrier && self.flaw != Flaw::NoLightBarrier {
            W::fence();
        }
    }

    fn heavy_barrier(&self) {
        self.heavies.fetch_add(1, Relaxed);
        if self.has_membarrier && self.flaw != Flaw::NoHeavyBarrier {
            W::fence();
        }
    }

    fn full_barrier(&self) {
        // Where there is a membarrier it is that which a model is about.
        if !self.has_membarrier && self.flaw != Flaw::NoFullBarrier {
            W::fence();
        }
    }
}
