//! Lies between steps: an honest end is run one instruction at a time, and after each something in the memory changes. And lies that
//! stand before the operation begins, which cost no steps and so come by the thousand.
//!
//! 1. Each run begins with the same bytes, made by honest ends, and with a lease on the other side: the liar lives.
//! 2. What a run does follows from its seed; the seed follows from that of the whole, the case's name and the run's number.
//! 3. An operation that waits without limit, or for what somebody who lives was said to hold, ends when the liar says that it has left,
//!    which it does after a while.
//! 4. What is late must be late twice: the first time the machine may have had its part in it.

use super::control::{Cell, Control, hold, path_of};
use super::report::{Report, Row};
use super::role::PATIENCE_S;
use super::words::{Liar, Lie};
use super::world::{Operation, Place, Waits, operations, places};
use super::{Settings, memory::Memory};
use crate::random::Random;
use crate::step::source::Source;
use crate::step::{Mark, Stop, Tracee, cores, pin};
use nix::sys::signal::Signal;
use std::any::Any;
use std::collections::BTreeMap;
use std::fs::File;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// An operation that is not over after so many instructions, while the liar goes on, goes on for as long as the liar does. Who waits for a
/// time looks at the clock after 128 looks and then every 32 turns; a look may be at every slot of a queue, or be tried sixteen times in each
/// word of a lock, some 22,000 instructions in all where it succeeds the first time and sixteen times as many where it never does.
const STEPS_MAX: u64 = 500_000;
/// The same for one that attaches: it walks the ring and reads `/proc`.
const STEPS_MAX_ATTACH: u64 = 200_000;
/// After so many the liar leaves an operation that waits without limit.
const STEPS_BARE: u64 = 4000;
/// How many of its steps are looked at in one run, as a rule: many calls rather than long ones.
const WINDOWS: [u64; 4] = [150, 400, 800, 2000];

/// What is said of an operation that takes too long.
const LATE: &str = "has not returned";

/// How lies come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Before the operation begins, and never again.
    Still,
    /// One after each instruction.
    Storm,
    /// One word that is one thing and another by turns.
    Flip,
    /// One, after one instruction.
    Once,
    /// One now and then, so that the operation gets somewhere.
    Sparse,
    /// A page of noise, or of old bytes, after one instruction.
    Page,
}

/// Runs the wanted cases.
///
/// # Errors
/// The first thing that an honest end did and must not do, with the command that does it again.
pub fn run(settings: &Settings, report: &mut Report) -> Result<(), String> {
    report.expect_all();
    let case = |way: &str, it: &Operation| format!("{way}/{}", it.name);
    let wanted: Vec<(usize, bool)> = operations()
        .iter()
        .enumerate()
        .flat_map(|(index, it)| {
            let exactly = |name: String| match settings.run {
                Some(_) => settings.only.as_ref() == Some(&name),
                None => settings.wants(&name),
            };
            let is_between = it.waits != Waits::Still && exactly(case("between", it));
            let ways = [(exactly(case("still", it)), true), (is_between, false)];
            ways.into_iter().filter(|way| way.0 && (way.1 || settings.steps)).map(move |way| (index, way.1))
        })
        .collect();
    let next = AtomicUsize::new(0);
    let rows: Mutex<BTreeMap<usize, Row>> = Mutex::new(BTreeMap::new());
    let work = |thread: usize| -> Result<(), String> {
        if next.load(Relaxed) >= wanted.len() {
            return Ok(());
        }
        // Tracer and tracee on one core: three times as fast.
        pin(thread).map_err(|e| format!("pin: {e}"))?;
        let mut stage = Stage::new(settings)?;
        loop {
            let at = next.fetch_add(1, Relaxed);
            let Some(&(index, is_still)) = wanted.get(at) else { return Ok(()) };
            let mut row = stage.case(index, is_still);
            if row.as_ref().is_err_and(|why| why.contains(LATE)) {
                // Rule 4.
                stage = Stage::new(settings)?;
                row = stage.case(index, is_still);
            }
            let row = match row {
                Ok(row) => row,
                Err(why) => {
                    next.store(wanted.len(), Relaxed);
                    return Err(why);
                }
            };
            rows.lock().map_err(|_| "a thread of the harness panicked")?.insert(at, row);
        }
    };
    let threads = cores().unwrap_or(1).min(4);
    let outcomes: Vec<Result<(), String>> = std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
        threads.into_iter().map(|it| it.join().unwrap_or_else(|_| Err(String::from("the harness panicked")))).collect()
    });
    report.rows.extend(rows.into_inner().map_err(|_| "a thread of the harness panicked")?.into_values());
    outcomes.into_iter().find(Result::is_err).unwrap_or(Ok(()))
}

/// A region as an operation finds it.
struct Scene {
    liar: Liar,
    truth: Vec<u8>,
    /// Keeps the descriptor that the role opens through `/proc`.
    file: File,
    /// The other ends, whose leases are held.
    _others: Box<dyn Any>,
}

/// A role under control, and its scenes.
struct Stage<'a> {
    settings: &'a Settings,
    control: Control,
    scenes: Vec<Scene>,
    tracee: Tracee,
}

impl<'a> Stage<'a> {
    fn new(settings: &'a Settings) -> Result<Self, String> {
        let scenes: Vec<Scene> = places()
            .iter()
            .map(|place| scene(place).map_err(|e| format!("make the scene {}: {e}", place.world.name())))
            .collect::<Result<_, _>>()?;
        let control = Control::make().map_err(|e| format!("make a page: {e}"))?;
        let tracee = start(settings, &control, &scenes)?;
        Ok(Self { settings, control, scenes, tracee })
    }

    /// One operation, lied to again and again.
    fn case(&mut self, index: usize, is_still: bool) -> Result<Row, String> {
        let operation = &operations()[index];
        let (kind, time) =
            if is_still { ("still", self.settings.still_each) } else { ("between", self.settings.step_each) };
        let mut row = Row { case: format!("{kind}/{}", operation.name), ..Row::default() };
        let scene = super::world::index(operation.world);
        let words = self.scenes[scene].liar.hits.len();
        self.scenes[scene].liar.hits = vec![0; words];
        self.scenes[scene].liar.scribbles = 0;
        self.scenes[scene].liar.seldom = if operation.attaches() { 2 } else { 20 };
        self.control.set(Cell::Guarded, 0);
        let begin = Instant::now();
        // How many steps it has, when it is left in peace: learned as it goes.
        let mut usual = 300;
        for run in 0.. {
            if begin.elapsed() > time && run >= 8 {
                break;
            }
            if self.settings.run.is_some_and(|only| only != run) {
                if self.settings.run.is_some_and(|only| only < run) {
                    break;
                }
                continue;
            }
            let seed = mix(self.settings.seed, &row.case, run);
            let mut random = Random::new(seed);
            let ways = [Way::Storm, Way::Flip, Way::Once, Way::Once, Way::Sparse, Way::Sparse, Way::Page];
            let way = if is_still { Way::Still } else { ways[random.below(ways.len() as u64) as usize] };
            let outcome = self.once(index, scene, way, &mut random, &mut usual, &mut row);
            if let Err(why) = outcome {
                let again = self.settings.again(&row.case);
                return Err(format!("{} ({way:?}, run {run}): {why}\n  again with: {again} --run {run}", row.case));
            }
        }
        let liar = &self.scenes[scene].liar;
        row.scribbles = liar.scribbles;
        row.hits = liar.names().map(str::to_owned).zip(liar.hits.iter().copied()).collect();
        row.guarded = self.control.get(Cell::Guarded);
        Ok(row)
    }

    fn once(
        &mut self,
        index: usize,
        scene: usize,
        way: Way,
        random: &mut Random,
        usual: &mut u64,
        row: &mut Row,
    ) -> Result<(), String> {
        let operation = &operations()[index];
        let scene_ = &self.scenes[scene];
        scene_.liar.restore(&scene_.truth);
        self.control.set(Cell::Operation, index as u64);
        self.control.set(Cell::Seed, random.next_u64());
        // The other side of some worlds lives until the operation begins.
        let leases = operation.world.dying();
        for &lease in &leases {
            hold(&self.scenes[scene].file, lease, true).map_err(|e| format!("hold a lease: {e}"))?;
        }
        let stop = self.tracee.run_to_mark();
        self.expect(stop, Mark::Begin)?;
        for &lease in &leases {
            hold(&self.scenes[scene].file, lease, false).map_err(|e| format!("free a lease: {e}"))?;
        }
        let began = Instant::now();
        if way == Way::Still {
            for _ in 0..1 + random.below(4) {
                self.scenes[scene].liar.scribble(random);
            }
            if waits_for_others(operation) {
                self.run_until_blocked(operation, scene, random)?;
            } else {
                let stop = self.tracee.run_to_mark();
                self.expect(stop, Mark::End)?;
                row.longest = row.longest.max(began.elapsed());
                row.longest_was = operation.name;
            }
        } else {
            row.steps += self.steps(operation, scene, way, random, usual)?;
        }
        let stop = self.tracee.run_to_mark();
        self.expect(stop, Mark::End)?;
        row.calls += 1;
        let text = self.control.text();
        match text.split_once('\t').unwrap_or((&text, "")) {
            ("value", _) => row.values += 1,
            ("BROKEN", text) => return Err(text.to_owned()),
            (kind, text) if text.is_empty() || text.starts_with(char::is_uppercase) => {
                return Err(format!("an error that does not read as a sentence: {kind} '{text}'"));
            }
            (kind, _) => row.error(kind, 1),
        }
        Ok(())
    }

    /// Steps through the operation, lying; returns at its end with the number of steps.
    fn steps(
        &mut self,
        operation: &Operation,
        scene: usize,
        way: Way,
        random: &mut Random,
        usual: &mut u64,
    ) -> Result<u64, String> {
        let max = if operation.attaches() { STEPS_MAX_ATTACH } else { STEPS_MAX };
        let mut last = max;
        if operation.attaches() && random.below(10) > 0 {
            // From one of its system calls on, for a while.
            for _ in 0..random.below(36) {
                let stop = self.tracee.to_syscall().map_err(|e| e.to_string())?;
                if self.is_over(stop)? {
                    return Ok(0);
                }
            }
            last = WINDOWS[random.below(4) as usize];
        }
        // A word that is never twice the same is what keeps a loop going: those runs are seen to their end.
        let in_full = if way == Way::Flip { 2 } else { 20 };
        if operation.waits == Waits::Bounded && random.below(in_full) > 0 {
            last = WINDOWS[random.below(4) as usize];
        }
        let at = random.below(*usual + 1);
        let flip = self.scenes[scene].liar.lie(random);
        let mut flip: Lie = flip;
        for step in 0..last {
            let liar = &mut self.scenes[scene].liar;
            match way {
                Way::Storm => liar.scribble(random),
                Way::Flip => flip = liar.tell(flip),
                Way::Once if step == at => {
                    liar.tell(flip);
                }
                Way::Sparse if random.below(40) == 0 => liar.scribble(random),
                Way::Page if step == at && random.below(2) == 0 => liar.noise(random),
                Way::Page if step == at => liar.replay(random),
                _ => {}
            }
            if operation.waits == Waits::Bare && step > STEPS_BARE {
                self.leave(operation, scene);
                break;
            }
            let stop = self.tracee.step().map_err(|e| e.to_string())?;
            if stop == Stop::Blocked {
                self.blocked(operation, scene, step, random)?;
                continue;
            }
            if self.is_over(stop)? {
                *usual = (*usual).max(step.min(3000));
                return Ok(step);
            }
        }
        if last == max && operation.waits == Waits::Bounded {
            let place = self.place();
            return Err(format!("goes on for as long as the liar does: {max} instructions, now at {place}"));
        }
        if operation.world.waits_for_the_living() {
            self.leave(operation, scene);
        }
        let stop = self.tracee.run_to_mark();
        self.expect(stop, Mark::End)?;
        Ok(last)
    }

    /// From call to call, so that a wait without limit is seen.
    fn run_until_blocked(&mut self, operation: &Operation, scene: usize, random: &mut Random) -> Result<(), String> {
        loop {
            match self.tracee.to_syscall().map_err(|e| e.to_string())? {
                Stop::Blocked => self.blocked(operation, scene, STEPS_BARE, random)?,
                stop if self.is_over(stop)? => return Ok(()),
                _ => {}
            }
        }
    }

    /// The role sleeps in a system call: it is woken for nothing, or for the liar's leaving, or waited for.
    fn blocked(&mut self, operation: &Operation, scene: usize, step: u64, random: &mut Random) -> Result<(), String> {
        if waits_for_others(operation) && (step > STEPS_BARE / 8 || random.below(2) == 0) {
            self.leave(operation, scene);
        } else if random.below(2) == 0 {
            self.scenes[scene].liar.scribble(random);
            self.scenes[scene].liar.ring();
        }
        let begin = Instant::now();
        loop {
            match self.tracee.resume_wait(Duration::from_millis(20)).map_err(|e| e.to_string())? {
                Stop::Blocked if begin.elapsed() < Duration::from_secs(u64::from(PATIENCE_S)) => {}
                Stop::Exit => return Ok(()),
                stop => {
                    self.is_over(stop)?;
                    return Err(format!("sleeps on: {stop:?} at {}", self.place()));
                }
            }
        }
    }

    /// The liar says that it has left, and rings.
    fn leave(&self, operation: &Operation, scene: usize) {
        operation.world.leave(self.scenes[scene].liar.memory());
    }

    /// Whether the operation has returned.
    fn is_over(&mut self, stop: Stop) -> Result<bool, String> {
        match stop {
            Stop::Step | Stop::Entry(_) | Stop::Exit | Stop::Blocked => Ok(false),
            Stop::Mark(Mark::End) => Ok(true),
            Stop::Signal(Signal::SIGALRM) => Err(format!("{LATE} after {PATIENCE_S} s, at {}", self.place())),
            Stop::Signal(signal) => {
                let text = self.control.text();
                Err(format!("{signal} at {}; {text}", self.place()))
            }
            Stop::Mark(Mark::Begin) => Err(String::from("began anew before it ended")),
            Stop::Ended => {
                let how = self.tracee.how_ended().unwrap_or_default();
                Err(format!("the role is over: {how}; {}", self.control.text()))
            }
        }
    }

    fn expect(&mut self, stop: std::io::Result<Stop>, mark: Mark) -> Result<(), String> {
        let stop = stop.map_err(|e| e.to_string())?;
        if stop == Stop::Mark(mark) {
            return Ok(());
        }
        self.is_over(stop)?;
        Err(format!("{stop:?} instead of {mark:?}"))
    }

    fn place(&self) -> String {
        let Ok(address) = self.tracee.address() else { return String::from("an unknown place") };
        Source::default().of(&self.tracee.map(), address)
    }
}

fn start(settings: &Settings, control: &Control, scenes: &[Scene]) -> Result<Tracee, String> {
    let mut command = Command::new(&settings.role);
    command.arg("one-by-one").arg(control.path()).args(scenes.iter().map(|it| path_of(&it.file)));
    // AddressSanitizer's leak check does not work under ptrace.
    command.env("ASAN_OPTIONS", "detect_leaks=0").stdin(Stdio::null());
    Tracee::start(&mut command).map_err(|e| format!("start {}: {e}", settings.role.display()))
}

/// Whether it may go on until the liar says that it has left (rule 3).
fn waits_for_others(operation: &Operation) -> bool {
    operation.waits == Waits::Bare || operation.world.waits_for_the_living()
}

/// The seed of a run.
fn mix(seed: u64, case: &str, run: u64) -> u64 {
    let named = case
        .bytes()
        .fold(seed ^ 0x9E37_79B9_7F4A_7C15, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3));
    Random::new(named.wrapping_add(run.wrapping_mul(0xA076_1D64_78BD_642F))).next_u64()
}

/// Makes a region with honest ends.
fn scene(place: &Place) -> Result<Scene, Box<dyn std::error::Error>> {
    let made = place.world.make()?;
    let mut liar = Liar::new(Memory::of(&made.file)?, place);
    let truth = liar.memory().copy(0, liar.memory().len());
    for past in made.past {
        liar.restore(&past);
        liar.remember();
    }
    liar.restore(&truth);
    liar.remember();
    Ok(Scene { liar, truth, file: made.file, _others: made.others })
}
