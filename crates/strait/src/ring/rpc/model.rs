//! Call slots in every order: callers and servers as threads of loom, over memory that notices a read of what was not published.
//!
//! | words | are | so |
//! |---|---|---|
//! | the word of a slot, and the length of its request, beside which a caller says that it gives up | loom's atomics | a load may return any value that the orderings allow |
//! | the length of an answer, requests, answers | tracked cells | touching one without a happens-before is a race, and the execution fails |
//!
//! The rules are those of the models of the ring ([`crate::ring`]'s `model`): each model must hold as the algorithm is written, and fail
//! with each of the flaws it is there to find; nobody spins; a killed process is one whose stores end after the n-th, for every n.
//! Numbers begin where they wrap.

use crate::ring::model::has_flaws;
use crate::ring::rpc::{Caller, Claimant, NUMBER_MASK, REQUEST, Seen, Server, Shape, State, Word};
use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicU64;
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
enum Flaw {
    None,
    /// RPC-POST is not a release.
    PostRelaxed,
    /// The claim is not an acquire.
    ClaimRelaxed,
    /// The server's load of a word is not an acquire.
    FindRelaxed,
    /// RPC-ANSWER is not a release.
    AnswerRelaxed,
    /// The caller's load of a word is not an acquire.
    LookRelaxed,
    /// A caller's exchange is neither acquire nor release.
    ExchangeRelaxed,
    /// A server claims by storing.
    ClaimStores,
    /// A caller exchanges by storing.
    ExchangeStores,
    /// The request is written after its word.
    RequestLate,
    /// The answer is written after its word.
    AnswerLate,
}

enum Cellular {
    Atomic(AtomicU64),
    /// As in the ring's models: the value lies beside the cell that says who may come here.
    Tracked {
        cell: UnsafeCell<()>,
        value: Cell<u64>,
    },
}

/// A row of slots: the word, the two lengths, the request, the answer. All else does not exist.
struct Memory(Vec<[Cellular; 5]>);

impl Memory {
    fn at(&self, offset: usize) -> &Cellular {
        let field = match offset % 64 {
            0 => 0,
            8 => 1,
            12 => 2,
            16 => 3,
            24 => 4,
            other => panic!("nothing lies at {other} of a slot"),
        };
        &self.0[offset / 64][field]
    }

    fn atomic(&self, offset: usize) -> &AtomicU64 {
        match self.at(offset) {
            Cellular::Atomic(word) => word,
            Cellular::Tracked { .. } => panic!("{offset} is payload"),
        }
    }

    fn get(&self, offset: usize) -> u64 {
        match self.at(offset) {
            Cellular::Tracked { cell, value } => cell.with(|_| value.get()),
            Cellular::Atomic(_) => panic!("{offset} is a word"),
        }
    }

    fn set(&self, offset: usize, new: u64) {
        match self.at(offset) {
            Cellular::Tracked { cell, value } => cell.with_mut(|_| value.set(new)),
            Cellular::Atomic(_) => panic!("{offset} is a word"),
        }
    }
}

/// One side's window.
#[derive(Clone)]
struct Window {
    memory: Rc<Memory>,
    is_caller: bool,
    flaw: Flaw,
    /// Stores left before the process is killed.
    life: Rc<Cell<usize>>,
    /// A write that a flaw puts off until the next store of a word.
    late: Rc<Cell<Option<(usize, u64)>>>,
}

impl Window {
    fn lives(&self) -> bool {
        let left = self.life.get();
        self.life.set(left.saturating_sub(1));
        left > 0
    }

    fn store_late(&self) {
        if let Some((offset, value)) = self.late.take() {
            self.memory.set(offset, value);
        }
    }
}

impl Shared for Window {
    fn len_bytes(&self) -> usize {
        self.memory.0.len() * 64
    }

    fn load_u32(&self, offset: usize, order: Ordering) -> u32 {
        match self.memory.at(offset) {
            Cellular::Atomic(word) => word.load(order) as u32,
            Cellular::Tracked { .. } => self.memory.get(offset) as u32,
        }
    }

    fn load_u64(&self, offset: usize, order: Ordering) -> u64 {
        let flaw = if self.is_caller { Flaw::LookRelaxed } else { Flaw::FindRelaxed };
        self.memory.atomic(offset).load(if self.flaw == flaw { Relaxed } else { order })
    }

    fn read(&self, offset: usize, into: &mut [u8]) {
        into.copy_from_slice(&self.memory.get(offset).to_ne_bytes());
    }
}

impl SharedMut for Window {
    fn store_u32(&self, offset: usize, value: u32, order: Ordering) {
        match self.memory.at(offset) {
            _ if !self.lives() => {}
            Cellular::Atomic(word) => word.store(u64::from(value), order),
            Cellular::Tracked { .. } => self.memory.set(offset, u64::from(value)),
        }
    }

    fn store_u64(&self, offset: usize, value: u64, order: Ordering) {
        let flaw = if self.is_caller { Flaw::PostRelaxed } else { Flaw::AnswerRelaxed };
        if self.lives() {
            self.memory.atomic(offset).store(value, if self.flaw == flaw { Relaxed } else { order });
            self.store_late();
        }
    }

    fn write(&self, offset: usize, from: &[u8]) {
        let value = u64::from_ne_bytes(from.try_into().expect("8 bytes"));
        let late = if self.is_caller { Flaw::RequestLate } else { Flaw::AnswerLate };
        match self.flaw {
            _ if !self.lives() => {}
            flaw if flaw == late => self.late.set(Some((offset, value))),
            _ => self.memory.set(offset, value),
        }
    }
}

impl SharedRmw for Window {
    fn compare_exchange_u64(&self, offset: usize, from: u64, to: u64, ok: Ordering, no: Ordering) -> Result<u64, u64> {
        if !self.lives() {
            // The dead learn nothing, and do nothing with it.
            return Err(to);
        }
        let word = self.memory.atomic(offset);
        match (self.flaw, self.is_caller) {
            (Flaw::ClaimStores, false) | (Flaw::ExchangeStores, true) => {
                word.store(to, ok_as_store(ok));
                Ok(from)
            }
            (Flaw::ClaimRelaxed, false) | (Flaw::ExchangeRelaxed, true) => {
                word.compare_exchange(from, to, Relaxed, Relaxed)
            }
            _ => word.compare_exchange(from, to, ok, no),
        }
    }

    fn fetch_add_u32(&self, _: usize, _: u32, _: Ordering) -> u32 {
        panic!("call slots add nothing")
    }

    fn fetch_add_u64(&self, _: usize, _: u64, _: Ordering) -> u64 {
        panic!("call slots add nothing")
    }

    fn fetch_or_u64(&self, _: usize, _: u64, _: Ordering) -> u64 {
        panic!("call slots set no bits")
    }

    fn fetch_and_u64(&self, _: usize, _: u64, _: Ordering) -> u64 {
        panic!("call slots clear no bits")
    }
}

fn ok_as_store(order: Ordering) -> Ordering {
    if order == Relaxed { Relaxed } else { Release }
}

/// A row, and what has become of its calls.
struct Bench {
    shape: Shape,
    memory: Rc<Memory>,
    flaw: Flaw,
    /// The generation of the row's owner, as its seat says.
    presence: AtomicU64,
    /// How often each request was served, by what it asked.
    served: [Cell<u32>; 8],
}

const CALLER: u32 = 0;
const SERVER: u32 = 7;

impl Bench {
    fn new(slots: u32, flaw: Flaw) -> Rc<Self> {
        let shape = Shape::new(1, slots, 8, 8).expect("sound");
        // The next number is the last before they wrap.
        let last = NUMBER_MASK - 1;
        let slot = |slot: u32| {
            let lap = (0..slots).map(|back| last - u64::from(back)).find(|number| shape.slot_of(*number) == slot);
            let word = Word::new(State::Done, Claimant::new(SERVER, 1), lap.expect("each slot has one"));
            let tracked = || Cellular::Tracked { cell: UnsafeCell::new(()), value: Cell::new(0) };
            let atomic = |value| Cellular::Atomic(AtomicU64::new(value));
            [atomic(word.0), atomic(0), tracked(), tracked(), tracked()]
        };
        let memory = Rc::new(Memory((0..slots).map(slot).collect()));
        Rc::new(Self { shape, memory, flaw, presence: AtomicU64::new(1), served: Default::default() })
    }

    fn window(&self, is_caller: bool, life: usize) -> Window {
        let (memory, flaw) = (Rc::clone(&self.memory), self.flaw);
        Window { memory, is_caller, flaw, life: Rc::new(Cell::new(life)), late: Rc::default() }
    }

    fn caller(&self, generation: u32, life: usize) -> Caller<Window> {
        // Release: a successor is seen before what it posts.
        self.presence.store(u64::from(generation), Release);
        Caller::attach(self.shape, self.window(true, life), Claimant::new(CALLER, generation))
    }

    fn server(&self, seat: u32, life: usize) -> Server<Window> {
        Server::new(self.shape, self.window(false, life), Claimant::new(seat, 1))
    }

    /// Serves one call if there is one: doubles what was asked.
    fn serve(&self, server: &mut Server<Window>) -> bool {
        let is_here = |_, by: Claimant| self.presence.load(Acquire) == u64::from(by.generation);
        let Some(claimed) = server.claim(false, |_| 1, is_here) else { return false };
        assert_eq!(claimed.len_bytes, Some(8));
        let mut bytes = [0; 8];
        server.read(&claimed, &mut bytes);
        let asked = u64::from_ne_bytes(bytes);
        let served = &self.served[asked as usize];
        served.set(served.get() + 1);
        server.answer(&claimed, &(asked * 2).to_ne_bytes());
        true
    }

    fn post(caller: &mut Caller<Window>, ask: u64) -> Option<u64> {
        let number = caller.free()?;
        caller.post(number, &ask.to_ne_bytes());
        Some(number)
    }

    /// Takes the answer if it is there: that of its own request.
    fn take(caller: &mut Caller<Window>, number: u64, asked: u64) -> bool {
        match caller.look(number).expect("no lie") {
            Seen::Done(8) => {
                let mut bytes = [0; 8];
                caller.read(number, &mut bytes);
                assert_eq!(u64::from_ne_bytes(bytes), asked * 2, "the answer to {asked}");
                caller.finish(number);
                true
            }
            Seen::Ready | Seen::Serving(_) => false,
            other => panic!("{other:?}"),
        }
    }
}

fn explore(model: impl Fn() + Send + Sync + 'static) -> Result<usize, String> {
    let executions = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&executions);
    let mut builder = loom::model::Builder::new();
    let is_full = std::env::var_os("STRAIT_MODEL_FULL").is_some_and(|it| it == "1");
    builder.preemption_bound = if is_full { None } else { Some(4) };
    builder.max_branches = 10_000;
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
        executions += explored.unwrap_or_else(|why| panic!("{name}, killed after {kill} stores: {why}"));
    }
    assert!(executions > kills.len(), "{name}: a single order was explored");
    println!("{name}: holds in {executions} executions");
    for &flaw in flaws.iter().filter(|_| has_flaws()) {
        let found = kills.clone().find_map(|kill| explore(move || model(flaw, kill)).err());
        let Some(why) = found else { panic!("{name}: {flaw:?} was not noticed") };
        println!("{name}: {flaw:?} is found: {}", why.lines().next().unwrap_or_default());
    }
}

/// Calls in flight are each answered with their own answer, and slots are used again only when the last answer was read.
#[test]
fn model_calls_are_answered() {
    fn model(flaw: Flaw, _: usize) {
        let bench = Bench::new(2, flaw);
        let (one, other) = (Rc::clone(&bench), Rc::clone(&bench));
        let calling = thread::spawn(move || {
            let mut caller = one.caller(1, usize::MAX);
            let mut open: Vec<_> = (1..3).map(|ask| (Bench::post(&mut caller, ask).expect("free"), ask)).collect();
            if Bench::take(&mut caller, open[0].0, 1) {
                open[0] = (Bench::post(&mut caller, 3).expect("free again"), 3);
            }
            (caller, open)
        });
        let serving = thread::spawn(move || {
            let mut server = other.server(SERVER, usize::MAX);
            for _ in 0..3 {
                other.serve(&mut server);
            }
            server
        });
        let ((mut caller, open), mut server) = (calling.join().expect("ended"), serving.join().expect("ended"));
        while bench.serve(&mut server) {}
        for (number, asked) in open {
            assert!(Bench::take(&mut caller, number, asked), "{asked} is answered");
            assert_eq!(bench.served[asked as usize].get(), 1, "{asked} is served once");
        }
    }
    let flaws = [Flaw::PostRelaxed, Flaw::AnswerRelaxed, Flaw::LookRelaxed, Flaw::RequestLate, Flaw::AnswerLate];
    verify("calls are answered", 0..1, model, &flaws);
}

/// Of two servers one gets each call.
#[test]
fn model_servers_share() {
    fn model(flaw: Flaw, _: usize) {
        let bench = Bench::new(2, flaw);
        let mut caller = bench.caller(1, usize::MAX);
        let calls = [(1, Bench::post(&mut caller, 1)), (2, Bench::post(&mut caller, 2))];
        let serve = |seat| {
            let bench = Rc::clone(&bench);
            thread::spawn(move || {
                let mut server = bench.server(seat, usize::MAX);
                bench.serve(&mut server);
                bench.serve(&mut server);
            })
        };
        let (one, other) = (serve(SERVER), serve(SERVER + 1));
        one.join().expect("ended");
        other.join().expect("ended");
        let mut server = bench.server(SERVER, usize::MAX);
        while bench.serve(&mut server) {}
        for (asked, number) in calls {
            assert!(Bench::take(&mut caller, number.expect("was free"), asked));
            assert_eq!(bench.served[asked as usize].get(), 1, "{asked} is served once");
        }
    }
    verify("servers share", 0..1, model, &[Flaw::ClaimStores]);
}

/// A call that is given up is served by nobody, or its slot is left alone until it has been answered.
#[test]
fn model_call_is_given_up() {
    fn model(flaw: Flaw, _: usize) {
        let bench = Bench::new(1, flaw);
        let (one, other) = (Rc::clone(&bench), Rc::clone(&bench));
        let calling = thread::spawn(move || {
            let mut caller = one.caller(1, usize::MAX);
            let number = Bench::post(&mut caller, 1).expect("free");
            let is_withdrawn = caller.give_up(number);
            caller.collect(|_| false);
            let next = Bench::post(&mut caller, 2);
            (caller, is_withdrawn, next)
        });
        let serving = thread::spawn(move || {
            let mut server = other.server(SERVER, usize::MAX);
            other.serve(&mut server);
            other.serve(&mut server);
            server
        });
        let ((mut caller, is_withdrawn, next), mut server) =
            (calling.join().expect("ended"), serving.join().expect("ended"));
        assert_eq!(bench.served[1].get(), u32::from(!is_withdrawn), "withdrawn or served");
        while bench.serve(&mut server) {}
        caller.collect(|_| false);
        assert!(!caller.leaves_any_alone(), "whatever was given up is over");
        let next = next.or_else(|| Bench::post(&mut caller, 2)).expect("free");
        bench.serve(&mut server);
        assert!(Bench::take(&mut caller, next, 2));
    }
    verify("a call is given up", 0..1, model, &[Flaw::ExchangeStores, Flaw::LookRelaxed, Flaw::AnswerRelaxed]);
}

/// The call of a server that is killed anywhere is answered, or taken back, or offered to another server, beside whom it is answered once.
#[test]
fn model_server_is_killed() {
    fn model(flaw: Flaw, kill: usize) {
        let bench = Bench::new(1, flaw);
        let (one, other) = (Rc::clone(&bench), Rc::clone(&bench));
        let calling = thread::spawn(move || {
            let mut caller = one.caller(1, usize::MAX);
            let number = Bench::post(&mut caller, 1).expect("free");
            let first = Rc::clone(&one);
            let dying = thread::spawn(move || {
                let mut server = first.server(SERVER, kill);
                first.serve(&mut server);
            });
            // The kernel gives a lease on only after the death.
            dying.join().expect("ended");
            if let Seen::Serving(by) = caller.look(number).expect("no lie") {
                // It may be the other one, which lives.
                if by.seat == SERVER {
                    assert!(caller.repeat(number, by), "the dead do not answer");
                }
            }
            (caller, number)
        });
        let serving = thread::spawn(move || {
            let mut server = other.server(SERVER + 1, usize::MAX);
            other.serve(&mut server);
            server
        });
        let ((mut caller, number), mut server) = (calling.join().expect("ended"), serving.join().expect("ended"));
        bench.serve(&mut server);
        assert!(Bench::take(&mut caller, number, 1), "answered in the end");
    }
    let flaws = [Flaw::ExchangeRelaxed, Flaw::ClaimRelaxed, Flaw::AnswerRelaxed, Flaw::PostRelaxed];
    verify("a server is killed", 0..6, model, &flaws);
}

/// The successor of a caller that is killed anywhere gets its own answers only, beside a server that is at the dead one's call.
#[test]
fn model_caller_is_killed() {
    fn model(flaw: Flaw, kill: usize) {
        let bench = Bench::new(1, flaw);
        let (one, other) = (Rc::clone(&bench), Rc::clone(&bench));
        let calling = thread::spawn(move || {
            let mut caller = one.caller(1, kill);
            Bench::post(&mut caller, 1);
            let mut caller = one.caller(2, usize::MAX);
            caller.collect(|_| false);
            let number = Bench::post(&mut caller, 2);
            (caller, number)
        });
        let serving = thread::spawn(move || {
            let mut server = other.server(SERVER, usize::MAX);
            other.serve(&mut server);
            other.serve(&mut server);
            server
        });
        let ((mut caller, number), mut server) = (calling.join().expect("ended"), serving.join().expect("ended"));
        while bench.serve(&mut server) {}
        caller.collect(|_| false);
        let number = number.or_else(|| Bench::post(&mut caller, 2)).expect("the dead one's call is over");
        bench.serve(&mut server);
        assert!(Bench::take(&mut caller, number, 2));
        assert_eq!(bench.served[2].get(), 1);
    }
    let flaws = [Flaw::ExchangeStores, Flaw::LookRelaxed, Flaw::PostRelaxed, Flaw::FindRelaxed];
    verify("a caller is killed", 0..5, model, &flaws);
}

const _: () = assert!(REQUEST == 16);
