//! The queue in every order: producers and workers as threads of loom, over memory that notices a payload which is touched by two.
//!
//! 1. Each model is run as the algorithm is written, and must hold in more than one execution; then with each of the flaws that it
//!    is there to find, and must fail.
//! 2. Hints and slots' words are loom's atomics; payloads are tracked cells: touching one without a happens-before is a race.
//! 3. Loom gives `SeqCst` loads and exchanges no order of their own. Here a fence goes before each such load of a worker and after each such
//!    exchange, or before each such load of anybody: `QUEUE-PASS` needs no more, so what is weaker than it says is noticed in one of the two.
//! 4. Nobody waits. Each side tries and goes; what is left is done when all have gone, so whatever is stranded is missed.
//! 5. A killed process is one whose stores end after the n-th, for every n; then it is mended, as by who finds it dead.
//!
//! `STRAIT_MODEL_FULL=1` raises the bounds.

use super::producer::{NoRoom, Producer};
use super::word::Claimant;
use super::worker::{Claim, Worker};
use super::{HEAD, LANE_BYTES, PAYLOAD, Queue, Shape, TAIL};
use crate::ring::model::has_flaws;
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU64, fence};
use loom::thread;
use std::cell::Cell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{self, Acquire, Relaxed, Release, SeqCst};
use strait_mem::{Shared, SharedMut, SharedRmw};

const STRIDE: usize = 64;
const NO_KILL: Range<usize> = 0..1;

/// What is wrong with the algorithm under test, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    /// QUEUE-COMMIT and QUEUE-RELEASE are no releases.
    StoresRelaxed,
    /// What is loaded and exchanged is no acquire.
    LoadsRelaxed,
    /// QUEUE-PASS without its order.
    PassUnordered,
    /// A producer does not see that its slot was passed.
    TailUnseen,
    /// Who passes a slot over does not say so.
    TailUnraised,
    /// What is loaded of `head` is no acquire, and nothing else orders it.
    HeadRelaxed,
    /// A job that is put back does not change the epoch of `head`.
    EpochStill,
    /// What a worker claims is stored without a look at what is there.
    ClaimsUnseeing,
    /// The dead are not mended.
    Unmended,
}

#[derive(Debug)]
enum Word {
    Atomic(AtomicU64),
    Tracked { cell: UnsafeCell<()>, value: Cell<u64> },
}

#[derive(Debug)]
struct Memory {
    words: Vec<Word>,
}

/// One side's window, until it is killed.
#[derive(Clone, Debug)]
struct Window {
    memory: Rc<Memory>,
    flaw: Flaw,
    is_producer: bool,
    /// Whether all fences go before loads (rule 3).
    leads: bool,
    stores_left: Rc<Cell<usize>>,
}

impl Window {
    fn word(&self, offset: usize) -> &Word {
        assert!(offset % 8 == 0, "no word at {offset}");
        &self.memory.words[offset / 8]
    }

    fn atomic(&self, offset: usize) -> &AtomicU64 {
        match self.word(offset) {
            Word::Atomic(word) => word,
            Word::Tracked { .. } => panic!("the word at {offset} is payload"),
        }
    }

    fn spend(&self) -> bool {
        let left = self.stores_left.get();
        self.stores_left.set(left.saturating_sub(1));
        left > 0
    }
}

impl Shared for Window {
    fn len_bytes(&self) -> usize {
        self.memory.words.len() * 8
    }

    /// When a job is due: the other half of its word, a length, is not there where all payloads are of one.
    fn load_u32(&self, offset: usize, order: Ordering) -> u32 {
        self.atomic(offset - 4).load(order) as u32
    }

    fn load_u64(&self, offset: usize, order: Ordering) -> u64 {
        if offset == TAIL && order == SeqCst && self.is_producer && self.flaw == Flaw::TailUnseen {
            return 0;
        }
        if order == SeqCst
            && (self.leads || !self.is_producer)
            && !matches!(self.flaw, Flaw::PassUnordered | Flaw::HeadRelaxed)
        {
            fence(SeqCst);
        }
        let order = if self.flaw == Flaw::LoadsRelaxed || self.flaw == Flaw::HeadRelaxed && offset == HEAD {
            Relaxed
        } else if order == SeqCst {
            Acquire
        } else {
            order
        };
        self.atomic(offset).load(order)
    }

    fn read(&self, offset: usize, into: &mut [u8]) {
        let Word::Tracked { cell, value } = self.word(offset) else { panic!("no payload at {offset}") };
        into.copy_from_slice(&cell.with(|_| value.get()).to_ne_bytes());
    }
}

impl SharedMut for Window {
    fn store_u32(&self, offset: usize, value: u32, order: Ordering) {
        if self.spend() {
            self.atomic(offset - 4).store(u64::from(value), order);
        }
    }

    fn store_u64(&self, offset: usize, value: u64, order: Ordering) {
        let order = if self.flaw == Flaw::StoresRelaxed { Relaxed } else { order };
        if self.spend() {
            self.atomic(offset).store(value, order);
        }
    }

    fn write(&self, offset: usize, from: &[u8]) {
        let Word::Tracked { cell, value } = self.word(offset) else { panic!("no payload at {offset}") };
        if self.spend() {
            cell.with_mut(|_| value.set(u64::from_ne_bytes(from.try_into().expect("8 bytes"))));
        }
    }
}

impl SharedRmw for Window {
    fn compare_exchange_u64(
        &self,
        offset: usize,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        if offset == TAIL && self.flaw == Flaw::TailUnraised || offset == HEAD && self.flaw == Flaw::EpochStill {
            // The epoch is all that tells one who goes forward from one who goes back to the same place.
            if offset == TAIL || (current ^ new) >> 48 != 0 {
                return Ok(current);
            }
        }
        if !self.spend() {
            return Ok(current);
        }
        if self.flaw == Flaw::ClaimsUnseeing && offset > HEAD && !self.is_producer {
            self.atomic(offset).store(new, Release);
            return Ok(current);
        }
        let weaker = match success {
            _ if self.flaw == Flaw::LoadsRelaxed => Release,
            SeqCst => Ordering::AcqRel,
            success => success,
        };
        let outcome = self.atomic(offset).compare_exchange(current, new, weaker, failure);
        if success == SeqCst && !self.leads && self.flaw != Flaw::PassUnordered {
            fence(SeqCst);
        }
        outcome
    }

    fn fetch_add_u32(&self, offset: usize, _: u32, _: Ordering) -> u32 {
        panic!("nobody adds at {offset}")
    }

    fn fetch_add_u64(&self, offset: usize, _: u64, _: Ordering) -> u64 {
        panic!("nobody adds at {offset}")
    }

    fn fetch_or_u64(&self, offset: usize, _: u64, _: Ordering) -> u64 {
        panic!("nobody sets bits at {offset}")
    }

    fn fetch_and_u64(&self, offset: usize, _: u64, _: Ordering) -> u64 {
        panic!("nobody clears bits at {offset}")
    }
}

/// A queue.
struct Bench {
    shape: Shape,
    memory: Rc<Memory>,
    flaw: Flaw,
    leads: Cell<bool>,
}

impl Bench {
    fn new(flaw: Flaw) -> Rc<Self> {
        Self::of(2, flaw)
    }

    fn of(slots: u32, flaw: Flaw) -> Rc<Self> {
        let shape = Shape::new(slots, 1, STRIDE as u32, 8).expect("sound");
        let word = |at: usize| {
            let in_slot = (at * 8).checked_sub(LANE_BYTES).map(|offset| offset % STRIDE);
            match in_slot {
                Some(PAYLOAD) => Word::Tracked { cell: UnsafeCell::new(()), value: Cell::new(0) },
                _ => Word::Atomic(AtomicU64::new(0)),
            }
        };
        let words = (0..shape.body_bytes() as usize / 8).map(word).collect();
        Rc::new(Self { shape, memory: Rc::new(Memory { words }), flaw, leads: Cell::new(false) })
    }

    fn queue(&self, is_producer: bool, stores: usize) -> Queue<Window> {
        let stores_left = Rc::new(Cell::new(stores));
        let (memory, flaw, leads) = (Rc::clone(&self.memory), self.flaw, self.leads.get());
        Queue::new(self.shape, Window { memory, flaw, is_producer, leads, stores_left })
    }

    fn producer(&self, seat: u32) -> Producer<Window> {
        self.mortal_producer(seat, usize::MAX)
    }

    fn mortal_producer(&self, seat: u32, stores: usize) -> Producer<Window> {
        Producer::new(self.queue(true, stores), Claimant::new(seat, 1))
    }

    fn worker(&self, seat: u32) -> Worker<Window> {
        self.mortal_worker(seat, usize::MAX)
    }

    fn mortal_worker(&self, seat: u32, stores: usize) -> Worker<Window> {
        Worker::new(self.queue(false, stores), Claimant::new(seat, 1))
    }

    fn mend(&self, seat: u32) {
        if self.flaw != Flaw::Unmended {
            let queue = self.queue(false, usize::MAX);
            queue.mend(seat, 1, 0);
        }
    }
}

fn push(producer: &mut Producer<Window>, number: u64) -> bool {
    is_pushed(producer.push(0, &number.to_ne_bytes()))
}

/// The same, as who has found the queue full.
fn push_anew(producer: &mut Producer<Window>, number: u64) -> bool {
    is_pushed(producer.push_anew(0, &number.to_ne_bytes()))
}

fn is_pushed(outcome: Result<(), NoRoom>) -> bool {
    match outcome {
        Ok(()) => true,
        Err(NoRoom::Full) => false,
        Err(NoRoom::Fault(fault)) => panic!("{fault}"),
    }
}

fn pop(worker: &mut Worker<Window>) -> Option<(u64, Claim)> {
    let claim = worker.pop(0).expect("no lie")?;
    let mut bytes = [0; 8];
    worker.queue().window().read(claim.payload, &mut bytes);
    Some((u64::from_ne_bytes(bytes), claim))
}

/// The next job, done.
fn take(worker: &mut Worker<Window>) -> Option<u64> {
    let (number, claim) = pop(worker)?;
    worker.ack(claim);
    Some(number)
}

fn drain(worker: &mut Worker<Window>, into: &mut Vec<u64>) {
    into.extend(std::iter::from_fn(|| take(worker)));
}

fn is_full() -> bool {
    std::env::var_os("STRAIT_MODEL_FULL").is_some_and(|it| it == "1")
}

fn explore(model: impl Fn() + Send + Sync + 'static) -> Result<usize, String> {
    let executions = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&executions);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(if is_full() { 3 } else { 2 });
    builder.max_branches = 100_000;
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
fn verify(name: &str, kills: Range<usize>, model: fn(Flaw, usize), flaws: &[Flaw]) {
    let mut executions = 0;
    for kill in kills.clone() {
        let explored = explore(move || model(Flaw::None, kill));
        let explored = explored.unwrap_or_else(|why| panic!("{name}, killed after {kill} stores: {why}"));
        executions += explored;
    }
    assert!(executions > 1, "{name}: a single order was explored");
    println!("{name}: holds in {executions} executions");
    for &flaw in flaws.iter().filter(|_| has_flaws()) {
        let found = kills.clone().find_map(|kill| explore(move || model(flaw, kill)).err());
        let Some(why) = found else { panic!("{name}: {flaw:?} was not noticed") };
        println!("{name}: {flaw:?} is found: {}", why.lines().next().unwrap_or_default());
    }
}

/// A job is seen whole, once, and in the order of its producer; its slot is used again when it has been read.
#[test]
fn model_mpmc_in_order() {
    fn model(flaw: Flaw, _: usize) {
        let bench = Bench::new(flaw);
        let (mut producer, mut worker) = (bench.producer(0), bench.worker(1));
        let pushing = thread::spawn(move || {
            let mut pushed = 0;
            for number in 1..=3 {
                if !push(&mut producer, number) {
                    break;
                }
                pushed = number;
            }
            (producer, pushed)
        });
        let popping = thread::spawn(move || {
            let mut seen = Vec::new();
            for _ in 0..2 {
                seen.extend(take(&mut worker));
            }
            (worker, seen)
        });
        let (_, pushed) = pushing.join().expect("ended");
        let (mut worker, mut seen) = popping.join().expect("ended");
        drain(&mut worker, &mut seen);
        assert_eq!(seen, (1..=pushed).collect::<Vec<_>>());
    }
    verify("mpmc in order", NO_KILL, model, &[Flaw::StoresRelaxed, Flaw::LoadsRelaxed]);
}

/// Two workers share two jobs: each goes to one of them.
#[test]
fn model_mpmc_each_job_to_one() {
    fn model(flaw: Flaw, _: usize) {
        let bench = Bench::new(flaw);
        let mut producer = bench.producer(0);
        assert!(push(&mut producer, 1) && push(&mut producer, 2));
        let work = |seat| {
            let mut worker = bench.worker(seat);
            thread::spawn(move || {
                let mut seen = Vec::new();
                seen.extend(take(&mut worker));
                (worker, seen)
            })
        };
        let (one, other) = (work(1), work(2));
        let ((mut worker, mut seen), (_, others)) = (one.join().expect("ended"), other.join().expect("ended"));
        seen.extend(others);
        drain(&mut worker, &mut seen);
        seen.sort_unstable();
        assert_eq!(seen, [1, 2]);
    }
    verify("mpmc each job to one", NO_KILL, model, &[Flaw::ClaimsUnseeing]);
}

/// A slot that one producer passes over, because it is in a worker's hands, is freed, and taken by another producer or by nobody: no job is
/// stranded, there or behind it.
#[test]
fn model_mpmc_passed_over() {
    fn model(flaw: Flaw, case: usize) {
        // Of two slots the next lap would find what is stranded.
        let bench = Bench::of(4, flaw);
        let (mut quick, mut late) = (bench.producer(0), bench.producer(1));
        let (mut slow, mut worker) = (bench.worker(2), bench.worker(3));
        assert!(push(&mut quick, 10));
        let (_, held) = pop(&mut slow).expect("a job");
        for number in 11..14 {
            assert!(push(&mut late, number));
            assert_eq!(take(&mut worker), Some(number));
        }
        // Position 4 is next, for all; its slot is held.
        let freeing = thread::spawn(move || {
            slow.ack(held);
            case == 1 && push(&mut late, 1)
        });
        let passing = thread::spawn(move || push(&mut quick, 2));
        let popping = thread::spawn(move || {
            let mut seen = Vec::new();
            seen.extend(take(&mut worker));
            (worker, seen)
        });
        let pushed = u64::from(freeing.join().expect("ended")) + u64::from(passing.join().expect("ended"));
        let (mut worker, mut seen) = popping.join().expect("ended");
        drain(&mut worker, &mut seen);
        assert_eq!(seen.len() as u64, pushed, "{seen:?}");
    }
    verify("mpmc passed over", 0..2, model, &[Flaw::TailUnseen, Flaw::TailUnraised, Flaw::PassUnordered]);
}

/// The same where the one who passes the slot over dies before it has pushed: who takes the slot is seen, or sees that it was passed.
#[test]
fn model_mpmc_passed_over_by_the_dead() {
    fn model(flaw: Flaw, case: usize) {
        let bench = Bench::of(4, flaw);
        bench.leads.set(case % 2 == 1);
        let (mut late, mut worker) = (bench.producer(1), bench.worker(3));
        for number in 10..14 {
            assert!(push(&mut late, number));
            assert_eq!(take(&mut worker), Some(number));
        }
        let queue = bench.queue(true, usize::MAX);
        let passing = thread::spawn(move || queue.raise_tail(0, 5).expect("no lie"));
        // By either way that takes a slot.
        let push = if case < 2 { push } else { push_anew };
        let pushing = thread::spawn(move || push(&mut late, 1));
        let popping = thread::spawn(move || {
            let mut seen = Vec::new();
            seen.extend(take(&mut worker));
            (worker, seen)
        });
        passing.join().expect("ended");
        assert!(pushing.join().expect("ended"), "there is room");
        let (mut worker, mut seen) = popping.join().expect("ended");
        drain(&mut worker, &mut seen);
        assert_eq!(seen, [1]);
    }
    verify("mpmc passed over by the dead", 0..4, model, &[Flaw::TailUnseen, Flaw::PassUnordered]);
}

/// A job that is given back is found by one who has passed it.
#[test]
fn model_mpmc_put_back() {
    fn model(flaw: Flaw, _: usize) {
        // Of two slots the next lap would find it.
        let bench = Bench::of(4, flaw);
        let mut producer = bench.producer(0);
        let (mut one, mut other) = (bench.worker(1), bench.worker(2));
        assert!(push(&mut producer, 1) && push(&mut producer, 2));
        let (_, held) = pop(&mut one).expect("a job");
        let nacking = thread::spawn(move || one.nack(held));
        let popping = thread::spawn(move || {
            let mut seen = Vec::new();
            for _ in 0..2 {
                seen.extend(take(&mut other));
            }
            (other, seen)
        });
        nacking.join().expect("ended");
        let (mut other, mut seen) = popping.join().expect("ended");
        drain(&mut other, &mut seen);
        seen.sort_unstable();
        assert_eq!(seen, [1, 2]);
    }
    verify("mpmc put back", NO_KILL, model, &[Flaw::EpochStill]);
    // Who sees the epoch sees the job, without the order that passing slots over needs.
    let bare = |flaw, kill| model(if flaw == Flaw::None { Flaw::PassUnordered } else { flaw }, kill);
    verify("mpmc put back, with no order of all", NO_KILL, bare, &[Flaw::HeadRelaxed]);
}

/// A job that is put off, while another worker makes ready what is due, is known to be due at its time.
#[test]
fn model_mpmc_put_off() {
    fn model(flaw: Flaw, _: usize) {
        const NOW: u32 = 1;
        const DUE: u32 = 5;
        let bench = Bench::new(flaw);
        let mut producer = bench.producer(0);
        let (mut one, mut other) = (bench.worker(1), bench.worker(2));
        assert!(push(&mut producer, 1) && push(&mut producer, 2));
        // One was put off already, and is due.
        let (_, first) = pop(&mut one).expect("a job");
        one.nack_later(first, NOW, NOW);
        let (_, second) = pop(&mut one).expect("a job");
        let putting_off = thread::spawn(move || one.nack_later(second, DUE, NOW));
        let looking = thread::spawn(move || {
            let mut count = 0;
            for _ in 0..2 {
                if other.due_ms(0).is_some() {
                    count += other.make_due_ready(0, NOW, false);
                }
            }
            assert!(count <= 1, "the second job came before its time");
            other
        });
        putting_off.join().expect("ended");
        let mut worker = looking.join().expect("ended");
        let mut seen = Vec::new();
        drain(&mut worker, &mut seen);
        assert!(worker.due_ms(0).is_some_and(|due_ms| due_ms <= DUE), "nobody knows of the second job");
        worker.make_due_ready(0, DUE, false);
        drain(&mut worker, &mut seen);
        seen.sort_unstable();
        assert_eq!(seen, [1, 2]);
    }
    verify("mpmc put off", NO_KILL, model, &[Flaw::StoresRelaxed, Flaw::LoadsRelaxed]);
}

/// A worker that is killed anywhere leaves each job to be done, and none is done again that it acknowledged.
#[test]
fn model_mpmc_worker_killed() {
    fn model(flaw: Flaw, kill: usize) {
        let bench = Bench::new(flaw);
        let mut producer = bench.producer(0);
        assert!(push(&mut producer, 1));
        let (mut dying, mut other) = (bench.mortal_worker(1, kill), bench.worker(2));
        let mending = Rc::clone(&bench);
        let killed = thread::spawn(move || {
            let mut done = None;
            if let Some((number, claim)) = pop(&mut dying) {
                let is_alive = dying.queue().window().stores_left.get() > 0;
                if is_alive {
                    dying.ack(claim);
                    done = Some(number);
                }
            }
            mending.mend(1);
            done
        });
        let popping = thread::spawn(move || {
            let mut seen = Vec::new();
            seen.extend(take(&mut other));
            assert!(push(&mut producer, 2));
            (other, seen)
        });
        let done = killed.join().expect("ended");
        let (mut other, mut seen) = popping.join().expect("ended");
        drain(&mut other, &mut seen);
        seen.extend(done);
        seen.sort_unstable();
        assert_eq!(seen, [1, 2]);
    }
    verify("mpmc worker killed", 0..5, model, &[Flaw::Unmended]);
}

/// A producer that is killed anywhere has pushed its job or not; nobody is held up by it, and every slot is used again.
#[test]
fn model_mpmc_producer_killed() {
    fn model(flaw: Flaw, kill: usize) {
        let bench = Bench::new(flaw);
        let (mut dying, mut other) = (bench.mortal_producer(0, kill), bench.producer(1));
        let mut worker = bench.worker(2);
        let mending = Rc::clone(&bench);
        let killed = thread::spawn(move || {
            push(&mut dying, 1);
            mending.mend(0);
        });
        let working = thread::spawn(move || {
            assert!(push(&mut other, 2), "one slot at the most is taken");
            let mut seen = Vec::new();
            seen.extend(take(&mut worker));
            (other, worker, seen)
        });
        killed.join().expect("ended");
        let (mut other, mut worker, mut seen) = working.join().expect("ended");
        drain(&mut worker, &mut seen);
        for number in [3, 4] {
            assert!(push(&mut other, number), "every slot is used again");
        }
        drain(&mut worker, &mut seen);
        // The slot's exchange, the payload, the commit.
        let is_pushed = seen.contains(&1);
        assert!(is_pushed == (kill > 2) || kill == 3, "{kill}: {seen:?}");
        seen.retain(|&number| number != 1);
        assert_eq!(seen, [2, 3, 4]);
    }
    verify("mpmc producer killed", 0..5, model, &[Flaw::Unmended]);
}
