//! Many cases: traces, points, threads, and what it all came to.
//!
//! 1. Each operation is traced once: run to its end step by step.
//! 2. Points are chosen: all of them, or a sample with a seed that is printed.
//! 3. One thread for each core, pinned there with its victims, takes cases until there are none. A watchdog tells a case that hangs.
//! 4. The harness holds the survivors of every case, so what they leak is its own growth: descriptors, threads, memory and names are
//!    compared before and after.

use super::matrix::{Line, Matrix, PairLine};
use super::pairs::Pair;
use super::run::{Fate, Point, Reached, Trace, one, trace, wakes};
use super::stage::Stage;
use super::table::{self, Row, row};
use crate::random::Random;
use crate::step::source::Source;
use crate::step::{cores, pin};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Config {
    /// Every point of every operation, or a sample.
    pub is_full: bool,
    /// The operations and pairs of these names; all when empty.
    pub only: Vec<String>,
    /// These points and no others.
    pub at: Vec<Point>,
    /// The points of a pair, and whether both die.
    pub at_pair: Option<([u32; 2], bool)>,
    /// What happens at the points that [`Self::at`] names.
    pub fate: Fate,
    /// Of the samples.
    pub seed: u64,
    /// Points of an operation in a sample.
    pub samples: usize,
    /// Points at which an operation is stopped instead of killed.
    pub stops: usize,
    /// Points of a pair.
    pub pairs: usize,
    /// The folder of the role programs.
    pub roles: PathBuf,
    /// Threads; all cores when zero.
    pub jobs: usize,
}

/// A case that takes longer hangs.
const HANGS: Duration = Duration::from_secs(60);
/// No more than so many failures of one operation are told.
const TOLD: usize = 3;
/// One in so many makes the survivors use the calls that wait.
const PATIENT_EVERY: usize = 16;
/// How many cases a thread takes at once.
const PORTION: usize = 16;
/// What the harness may keep of a case in memory: its figures.
const KEPT_BYTES: u64 = 64;
/// Growth of the heap that has nothing to do with how many cases there are.
const HEAP_BYTES: u64 = 2 << 20;

/// What is run.
#[derive(Clone, Copy, Debug)]
enum What {
    One(usize, Point, Fate),
    Two(usize, [u32; 2], bool),
}

/// What the harness holds.
#[derive(Clone, Copy, Debug)]
pub struct Holdings {
    /// Open descriptors.
    pub descriptors: usize,
    /// Resident memory.
    pub memory_bytes: u64,
}

impl Holdings {
    fn now() -> Self {
        let descriptors = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
        Self { descriptors, memory_bytes: pages * 4096 }
    }
}

struct Shared<'a> {
    config: &'a Config,
    rows: &'a [&'static Row],
    traces: &'a [Trace],
    pairs: &'a [(&'static Pair, [Trace; 2])],
    work: &'a [What],
    next: AtomicUsize,
    /// What each thread is at, since when.
    at: Vec<Mutex<Option<(What, Instant)>>>,
    done: Mutex<Done>,
    is_over: AtomicBool,
}

#[derive(Default)]
struct Done {
    lines: Vec<Line>,
    pairs: Vec<PairLine>,
    /// For each operation: what was found at each number of instructions.
    progress: Vec<Vec<(u32, u64)>>,
    failures: Vec<String>,
}

/// Runs it all, says on standard output how it goes, and returns the matrix.
///
/// # Errors
/// A sentence, where nothing could be run.
pub fn run(config: &Config) -> Result<Matrix, String> {
    let start = Instant::now();
    let (rows, pairs) = chosen(config)?;
    let home = affinity()?;
    pin(0).map_err(|e| format!("pin: {e}"))?;
    let stage = Stage::new(config.roles.clone())?;
    if !stage.role().is_file() {
        return Err(format!(
            "{} is not there; build it with `cargo build --release -p strait-testing`",
            stage.role().display()
        ));
    }
    let mut lines = Vec::new();
    let mut traces = Vec::new();
    let mut failures = Vec::new();
    let mut kept_rows = Vec::new();
    for row in rows {
        let traced = watched(row.name, || {
            let traced = trace(row, &stage)?;
            wakes(row, &stage).map(|()| traced)
        });
        match traced {
            Ok(traced) => {
                lines.push(Line::new(row, &traced));
                traces.push(traced);
                kept_rows.push(row);
            }
            Err(why) => {
                println!("FAILED  {}: {why}\n        again: cargo xtask crash --only {}", row.name, row.name);
                failures.push(format!("{}: {why}", row.name));
            }
        }
    }
    let mut paired = Vec::new();
    for pair in pairs {
        let find = |name: &str| row(name).ok_or_else(|| format!("no operation is called '{name}'"));
        let both = [trace(find(pair.rows[0])?, &stage), trace(find(pair.rows[1])?, &stage)];
        if let [Ok(first), Ok(second)] = both {
            paired.push((pair, [first, second]));
        }
    }
    let work = work(config, &traces, &paired);
    let threads = if config.jobs > 0 { config.jobs } else { home }.min(work.len().div_ceil(PORTION)).max(1);
    let before = Holdings::now();
    let shared = Shared {
        config,
        rows: &kept_rows,
        traces: &traces,
        pairs: &paired,
        work: &work,
        next: AtomicUsize::new(0),
        at: (0..threads).map(|_| Mutex::new(None)).collect(),
        done: Mutex::new(Done {
            lines,
            pairs: paired.iter().map(|it| PairLine::new(it.0.name)).collect(),
            progress: traces.iter().map(|_| Vec::new()).collect(),
            failures,
        }),
        is_over: AtomicBool::new(false),
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|core| {
                scope.spawn({
                    let shared = &shared;
                    move || shared.cases(core)
                })
            })
            .collect();
        scope.spawn(|| shared.watch());
        let outcomes: Vec<_> = workers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        shared.is_over.store(true, Relaxed);
        outcomes.into_iter().for_each(|it| it.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
    });
    let Done { lines, pairs, progress, mut failures } = shared.done.into_inner().expect("no panic");
    failures.extend(steps_back(&kept_rows, progress));
    let after = Holdings::now();
    let matrix = Matrix { lines, pairs, before, after, took: start.elapsed(), failures: Vec::new() };
    failures.extend(grown(&matrix));
    Ok(Matrix { failures, ..matrix })
}

fn affinity() -> Result<usize, String> {
    cores().map_err(|e| format!("look which cores there are: {e}"))
}

fn chosen(config: &Config) -> Result<(Vec<&'static Row>, Vec<&'static Pair>), String> {
    for name in &config.only {
        if row(name).is_none() && !table::pairs().iter().any(|pair| pair.name == name) {
            return Err(format!("no operation is called '{name}'; --list shows them"));
        }
    }
    let is_wanted = |name: &str| config.only.is_empty() || config.only.iter().any(|only| only == name);
    Ok((
        table::rows().iter().filter(|row| is_wanted(row.name)).collect(),
        table::pairs().iter().filter(|pair| is_wanted(pair.name)).collect(),
    ))
}

/// The cases, mixed so that a failure of any operation shows early.
fn work(config: &Config, traces: &[Trace], pairs: &[(&'static Pair, [Trace; 2])]) -> Vec<What> {
    let mut random = Random::new(config.seed);
    let mut work = Vec::new();
    for (row, trace) in traces.iter().enumerate() {
        let points = trace.points();
        let any = |random: &mut Random| points[random.below(points.len() as u64) as usize];
        if !config.at.is_empty() {
            work.extend(config.at.iter().map(|&point| What::One(row, point, config.fate)));
            continue;
        }
        if config.is_full || points.len() <= config.samples {
            work.extend(points.iter().map(|&point| What::One(row, point, Fate::Kill)));
        } else {
            let ends = [Point::After(0), Point::After(trace.len())];
            let sampled = (2..config.samples).map(|_| any(&mut random)).chain(ends);
            work.extend(sampled.map(|point| What::One(row, point, Fate::Kill)));
        }
        work.extend((0..config.stops).map(|_| What::One(row, any(&mut random), Fate::Stop)));
    }
    for (pair, (_, traces)) in pairs.iter().enumerate() {
        if let Some((points, both)) = config.at_pair {
            work.push(What::Two(pair, points, both));
            continue;
        }
        let mut any = |trace: &Trace| random.below(u64::from(trace.len()) + 1) as u32;
        if config.at.is_empty() {
            work.extend(
                (0..config.pairs).map(|round| What::Two(pair, [any(&traces[0]), any(&traces[1])], round % 2 == 0)),
            );
        }
    }
    work
}

impl Shared<'_> {
    fn cases(&self, core: usize) {
        pin(core).expect("pin");
        let stages = [Stage::new(self.config.roles.clone()), Stage::new(self.config.roles.clone())];
        let [Ok(first), Ok(second)] = &stages else { panic!("{stages:?}") };
        loop {
            let from = self.next.fetch_add(PORTION, Relaxed);
            let Some(portion) = self.work.get(from..(from + PORTION).min(self.work.len())) else { return };
            for (index, &what) in portion.iter().enumerate() {
                *self.at[core].lock().expect("no panic") = Some((what, Instant::now()));
                first.is_patient.set((from + index) % PATIENT_EVERY == 0);
                self.case(what, first, second);
            }
            *self.at[core].lock().expect("no panic") = None;
        }
    }

    fn case(&self, what: What, first: &Stage, second: &Stage) {
        match what {
            What::One(index, point, fate) => {
                let trace = &self.traces[index];
                let outcome = one(self.rows[index], first, trace, point, fate);
                let mut done = self.done.lock().expect("no panic");
                let line = &mut done.lines[index];
                match fate {
                    Fate::Kill => line.kills += 1,
                    Fate::Stop => line.stops += 1,
                }
                let Ok(sample) = outcome else {
                    line.failures += 1;
                    let is_told = line.failures <= TOLD;
                    let why = outcome.err().unwrap_or_default();
                    done.failures.push(format!("{}: {why}", self.shown(what)));
                    drop(done);
                    if is_told {
                        self.tell(what, &why);
                    }
                    return;
                };
                line.longest_wait = line.longest_wait.max(sample.found.waited);
                let Point::After(at) = point else { return };
                match sample.reached {
                    Reached::Point(address) if trace.addresses.get(at as usize) == Some(&address) => {
                        if let (Fate::Kill, Some(progress)) = (fate, sample.found.progress) {
                            done.progress[index].push((at, progress));
                        }
                    }
                    // The end, of which the trace has the address after the mark.
                    Reached::End | Reached::Asleep if at + 1 >= trace.len() => {}
                    _ => line.elsewhere += 1,
                }
            }
            What::Two(index, points, both) => {
                let (pair, traces) = &self.pairs[index];
                let outcome = pair.run([first, second], [&traces[0], &traces[1]], points, both);
                let mut done = self.done.lock().expect("no panic");
                let line = &mut done.pairs[index];
                if both {
                    line.both += 1;
                } else {
                    line.one += 1;
                }
                if let Err(why) = outcome {
                    line.failures += 1;
                    let is_told = line.failures <= TOLD;
                    done.failures.push(format!("{}: {why}", self.shown(what)));
                    drop(done);
                    if is_told {
                        self.tell(what, &why);
                    }
                }
            }
        }
    }

    /// What the command line calls a case.
    fn shown(&self, what: What) -> String {
        match what {
            What::One(index, point, fate) => {
                let stop = if fate == Fate::Stop { " --stop" } else { "" };
                format!("--only {} --at {point}{stop}", self.rows[index].name)
            }
            What::Two(index, [first, second], both) => {
                let one = if both { "" } else { " --one-dies" };
                format!("--only {} --at {first},{second}{one}", self.pairs[index].0.name)
            }
        }
    }

    fn tell(&self, what: What, why: &str) {
        println!("FAILED  {why}\n        again: cargo xtask crash {}", self.shown(what));
        let mut source = Source::default();
        let mut at = |trace: &Trace, point: Point| {
            if let Some(&address) = trace.addresses.get(point.index() as usize) {
                println!("        before {}", source.of(&trace.map, address));
            }
        };
        match what {
            What::One(index, point, _) => at(&self.traces[index], point),
            What::Two(index, [first, second], _) => {
                at(&self.pairs[index].1[0], Point::After(first));
                at(&self.pairs[index].1[1], Point::After(second));
            }
        }
    }

    /// Ends the run when a case hangs: nothing else can.
    fn watch(&self) {
        let mut told = Instant::now();
        while !self.is_over.load(Relaxed) {
            std::thread::sleep(Duration::from_millis(100));
            for at in &self.at {
                let at = *at.lock().expect("no panic");
                if let Some((what, since)) = at.filter(|it| it.1.elapsed() > HANGS) {
                    self.tell(what, &format!("hangs: nothing for {:?}", since.elapsed()));
                    std::process::exit(1);
                }
            }
            if told.elapsed() > Duration::from_secs(20) {
                told = Instant::now();
                println!("        {} of {} cases", self.next.load(Relaxed).min(self.work.len()), self.work.len());
            }
        }
    }
}

/// Runs what must not hang before there is a watchdog of cases.
fn watched<T>(name: &str, run: impl FnOnce() -> T) -> T {
    let (over, is_over) = std::sync::mpsc::channel::<()>();
    let name = name.to_owned();
    let watchdog = std::thread::spawn(move || {
        if is_over.recv_timeout(HANGS) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            println!("FAILED  {name}: hangs where nobody is killed\n        again: cargo xtask crash --only {name}");
            std::process::exit(1);
        }
    });
    let outcome = run();
    drop(over);
    // It cannot fail: it waits and ends.
    let _ = watchdog.join();
    outcome
}

/// What had come about after some instructions has come about after more.
fn steps_back(rows: &[&'static Row], progress: Vec<Vec<(u32, u64)>>) -> Vec<String> {
    let mut failures = Vec::new();
    for (row, mut found) in rows.iter().zip(progress) {
        found.sort_unstable();
        for pair in found.windows(2) {
            if let [(before, more), (after, less)] = pair {
                if more > less {
                    let why =
                        format!("killed after {before} instructions {more} had come about, after {after} only {less}");
                    println!("FAILED  {}: {why}", row.name);
                    failures.push(format!("{}: {why}", row.name));
                    break;
                }
            }
        }
    }
    failures
}

fn grown(matrix: &Matrix) -> Vec<String> {
    let (before, after) = (matrix.before, matrix.after);
    let mut failures = Vec::new();
    if after.descriptors > before.descriptors {
        failures.push(format!("descriptors: {} before, {} after", before.descriptors, after.descriptors));
    }
    let may_be = before.memory_bytes + HEAP_BYTES + KEPT_BYTES * matrix.cases() as u64;
    if after.memory_bytes > may_be {
        failures.push(format!(
            "memory: {} KiB before, {} KiB after",
            before.memory_bytes >> 10,
            after.memory_bytes >> 10
        ));
    }
    let ours = format!("t-crash-{}-", std::process::id());
    let names = std::fs::read_dir("/dev/shm")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let left: Vec<String> = names.filter(|name| name.contains(&ours)).collect();
    if !left.is_empty() {
        failures.push(format!("left in /dev/shm: {}", left.join(", ")));
    }
    failures.iter().for_each(|why| println!("FAILED  {why}"));
    failures
}
