//! One case: the victim is brought to a point of its operation, and killed or stopped there.

use super::stage::Stage;
use super::table::Row;
use super::{Case, Found};
use crate::LONG;
use crate::step::source::Map;
use crate::step::{Mark, Stop, Tracee};
use std::collections::HashSet;
use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::Duration;

/// A sleeper that is woken returns within this; one that nobody wakes after a slice of 80 ms.
const WOKEN: Duration = Duration::from_millis(40);
/// How often a sleeper may be late because the machine was busy.
const CHANCES: u32 = 6;

/// Where in an operation: so many instructions after its beginning, a system call counting as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// After that many instructions.
    After(u32),
    /// After that many instructions, inside the system call that comes next, on the way in.
    Entry(u32),
    /// The same on the way out: the kernel has done it.
    Exit(u32),
}

impl Point {
    /// The instructions before it.
    #[must_use]
    pub fn index(self) -> u32 {
        let (Self::After(index) | Self::Entry(index) | Self::Exit(index)) = self;
        index
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(index) => write!(f, "{index}"),
            Self::Entry(index) => write!(f, "{index}e"),
            Self::Exit(index) => write!(f, "{index}x"),
        }
    }
}

impl FromStr for Point {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match (text.strip_suffix('e'), text.strip_suffix('x')) {
            (Some(index), _) => Self::Entry(index.parse()?),
            (_, Some(index)) => Self::Exit(index.parse()?),
            _ => Self::After(text.parse()?),
        })
    }
}

/// What becomes of the victim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// `SIGKILL`
    Kill,
    /// `SIGSTOP`, and later `SIGCONT`
    Stop,
}

/// An operation, instruction by instruction.
#[derive(Debug)]
pub struct Trace {
    /// The address before each instruction, and the one at which it ended.
    pub addresses: Vec<u64>,
    /// Its system calls: after how many instructions, and which.
    pub calls: Vec<(u32, u64)>,
    /// Whether it ended asleep and not with its return.
    pub ends_asleep: bool,
    /// Whether it slept on the way.
    has_slept: bool,
    /// For each number of instructions: the last one up to there that had not been met before, and the last one that had not been
    /// met since the system call before it. A breakpoint there is met at that moment and no other.
    landmarks: Vec<(u32, u32)>,
    /// The victim's code.
    pub map: Map,
}

impl Trace {
    /// The last instruction up to `index` that is met for the first time since the system call before it, and its address.
    pub(super) fn landmark_since_call(&self, index: u32) -> Option<(u32, u64)> {
        let since = self.landmarks.get(index as usize)?.1;
        Some((since, *self.addresses.get(since as usize)?))
    }

    fn find_landmarks(&mut self) {
        let (mut met, mut met_since) = (HashSet::new(), HashSet::new());
        let mut calls = self.calls.iter().map(|call| call.0 + 1).peekable();
        let (mut last, mut last_since) = (0, 0);
        for (index, &address) in (0..).zip(&self.addresses) {
            if calls.next_if_eq(&index).is_some() {
                met_since.clear();
            }
            // The kernel's own code reads the clock, in more ways than one: no landmark is sure to be met there.
            let is_program = self.map.find(address).is_some_and(|(path, _)| path.is_absolute());
            if met.insert(address) && is_program {
                last = index;
            }
            if is_program && met_since.insert(address) {
                last_since = index;
            }
            self.landmarks.push((last, last_since));
        }
    }

    /// How many instructions it has.
    #[must_use]
    pub fn len(&self) -> u32 {
        // Fewer than 2^32 by far: each takes 17 us.
        self.addresses.len().saturating_sub(1) as u32
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every point of it.
    #[must_use]
    pub fn points(&self) -> Vec<Point> {
        let calls = self.calls.iter().flat_map(|&(index, _)| [Point::Entry(index), Point::Exit(index)]);
        (0..=self.len()).map(Point::After).chain(calls).collect()
    }
}

/// How far a victim came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// To the point, and to this address.
    Point(u64),
    /// To the end of its operation, which came sooner than in the trace.
    End,
    /// It sleeps, and nobody will wake it.
    Asleep,
}

/// One that was run.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// How far it came.
    pub reached: Reached,
    /// What the check has seen.
    pub found: Found,
}

/// Runs an operation to its end, a step at a time.
///
/// # Errors
/// What does not hold in a run that is killed only when it is over.
pub fn trace(row: &Row, stage: &Stage) -> Result<Trace, String> {
    let mut case = row.case();
    let mut tracee = case.start(stage)?;
    let mut trace = Trace {
        addresses: Vec::new(),
        calls: Vec::new(),
        ends_asleep: false,
        has_slept: false,
        landmarks: Vec::new(),
        map: tracee.map(),
    };
    let mut case = Watched { case, has_slept: false };
    loop {
        let address = tracee.address().map_err(|e| format!("trace: {e}"))?;
        // A step that made a mark without an instruction is none.
        match step(&mut tracee, &mut case, &mut |number| trace.calls.push((trace.addresses.len() as u32, number)))? {
            Went::On => trace.addresses.push(address),
            Went::Nowhere(Reached::Asleep) => {
                trace.addresses.push(address);
                trace.ends_asleep = true;
                break;
            }
            Went::Nowhere(_) => {
                trace.addresses.push(address);
                break;
            }
        }
    }
    tracee.kill();
    trace.has_slept = case.has_slept;
    case.case.killed(stage).map_err(|why| format!("killed at its end: {why}"))?;
    trace.find_landmarks();
    Ok(trace)
}

/// A case, and whether its victim slept.
struct Watched {
    case: Box<dyn Case>,
    has_slept: bool,
}

enum Went {
    On,
    Nowhere(Reached),
}

/// One instruction; a system call whole.
fn step(tracee: &mut Tracee, case: &mut Watched, note: &mut dyn FnMut(u64)) -> Result<Went, String> {
    match tracee.step().map_err(|e| format!("step: {e}"))? {
        Stop::Step | Stop::Exit => Ok(Went::On),
        Stop::Entry(number) => {
            note(number);
            finish_call(tracee, case)
        }
        stop => over(stop, tracee),
    }
}

/// At full speed to an instruction that comes for the first time.
fn run_to(tracee: &mut Tracee, trace: &Trace, index: u32) -> Result<Went, String> {
    let Some(&address) = trace.addresses.get(index as usize) else { return Ok(Went::On) };
    match tracee.run_to(address).map_err(|e| format!("run: {e}"))? {
        Stop::Step => Ok(Went::On),
        Stop::Blocked => Ok(Went::Nowhere(Reached::Asleep)),
        stop => over(stop, tracee),
    }
}

fn over(stop: Stop, tracee: &Tracee) -> Result<Went, String> {
    match stop {
        Stop::Mark(Mark::End) => Ok(Went::Nowhere(Reached::End)),
        stop => Err(format!("the victim stopped by itself: {stop:?} {}", tracee.how_ended().unwrap_or_default())),
    }
}

/// From the entry of a system call to its exit; who sleeps in it is woken by the survivor, if that was to be.
fn finish_call(tracee: &mut Tracee, case: &mut Watched) -> Result<Went, String> {
    let mut stop = tracee.step();
    loop {
        match stop.map_err(|e| format!("step: {e}"))? {
            Stop::Exit => return Ok(Went::On),
            Stop::Blocked => {
                case.has_slept = true;
                if !case.case.blocked() {
                    return Ok(Went::Nowhere(Reached::Asleep));
                }
                stop = tracee.resume_wait(LONG / 4);
            }
            stop => return over(stop, tracee),
        }
    }
}

/// Brings a victim to a point: at full speed from one system call to the next, or past many, to a breakpoint, then step by step.
///
/// # Errors
/// A sentence, when the victim dies on the way or the kernel refuses.
fn go(tracee: &mut Tracee, case: &mut Watched, trace: &Trace, point: Point) -> Result<Reached, String> {
    let index = point.index();
    let calls: Vec<u32> = trace.calls.iter().map(|call| call.0).take_while(|&call| call < index).collect();
    let (landmark, since) = trace.landmarks.get(index as usize).copied().unwrap_or_default();
    let is_call = !matches!(point, Point::After(_));
    // What a stop at a system call costs, counted in steps, twice for each.
    let by_calls = (index - since.min(index)) * u32::from(!is_call) + calls.len() as u32 * 2;
    let mut at = 0;
    if trace.has_slept || by_calls < index - landmark.min(index) {
        for call in calls {
            match tracee.to_syscall().map_err(|e| format!("run: {e}"))? {
                Stop::Entry(_) => {}
                stop => match over(stop, tracee)? {
                    Went::Nowhere(reached) => return Ok(reached),
                    Went::On => {}
                },
            }
            if let Went::Nowhere(reached) = finish_call(tracee, case)? {
                return Ok(reached);
            }
            at = call + 1;
        }
        if !is_call && since > at {
            if let Went::Nowhere(reached) = run_to(tracee, trace, since)? {
                return Ok(reached);
            }
            at = since;
        }
    } else if landmark > 0 {
        if let Went::Nowhere(reached) = run_to(tracee, trace, landmark)? {
            return Ok(reached);
        }
        at = landmark;
    }
    while at < point.index() && matches!(point, Point::After(_)) {
        if let Went::Nowhere(reached) = step(tracee, case, &mut |_| {})? {
            return Ok(reached);
        }
        at += 1;
    }
    let address = tracee.address().map_err(|e| format!("run: {e}"))?;
    if let Point::Entry(_) | Point::Exit(_) = point {
        if !matches!(tracee.to_syscall().map_err(|e| format!("run: {e}"))?, Stop::Entry(_)) {
            return Ok(Reached::End);
        }
    }
    if let Point::Exit(_) = point {
        if let Went::Nowhere(reached) = finish_call(tracee, case)? {
            return Ok(reached);
        }
    }
    Ok(Reached::Point(address))
}

/// Runs one case.
///
/// # Errors
/// What does not hold.
pub fn one(row: &Row, stage: &Stage, trace: &Trace, point: Point, fate: Fate) -> Result<Sample, String> {
    let mut case = row.case();
    let mut tracee = case.start(stage)?;
    let mut case = Watched { case, has_slept: false };
    let reached = go(&mut tracee, &mut case, trace, point)?;
    let mut case = case.case;
    // One who sleeps is in the kernel's hands: it is killed there.
    if fate == Fate::Kill || reached == Reached::Asleep {
        tracee.kill();
        return Ok(Sample { reached, found: case.killed(stage)? });
    }
    tracee.stop_and_detach().map_err(|e| format!("stop: {e}"))?;
    case.stopped(stage).map_err(|why| format!("while it is stopped: {why}"))?;
    tracee.wake().map_err(|e| format!("continue: {e}"))?;
    if tracee.is_ours() {
        let mut meanwhile = Ok(());
        let ended = tracee.end_while(LONG, || {
            if meanwhile.is_ok() {
                meanwhile = case.meanwhile();
            }
        });
        meanwhile.map_err(|why| format!("while it went on: {why}"))?;
        match ended.map_err(|e| format!("wait: {e}"))? {
            Some(0) => {}
            other => return Err(format!("after it went on, it ended with {other:?}")),
        }
    }
    Ok(Sample { reached, found: case.went_on(stage).map_err(|why| format!("after it went on: {why}"))? })
}

/// Runs an operation to its end at full speed while somebody sleeps and waits for it: is that one woken?
///
/// # Errors
/// That it is not.
pub fn wakes(row: &Row, stage: &Stage) -> Result<(), String> {
    let mut soonest = Duration::MAX;
    for _ in 0..CHANCES {
        let mut case = row.case();
        let mut tracee = case.start(stage)?;
        if case.sleeper(Duration::ZERO).is_none() {
            return Ok(());
        }
        match tracee.run_to_mark().map_err(|e| io_sentence(&e))? {
            Stop::Mark(Mark::End) => {}
            stop => return Err(format!("the victim stopped by itself: {stop:?}")),
        }
        let (after, has_returned) = case.sleeper(LONG).unwrap_or_default();
        if has_returned {
            soonest = soonest.min(after);
        }
        tracee.kill();
        case.killed(stage)?;
        if soonest < WOKEN {
            return Ok(());
        }
    }
    Err(format!(
        "nobody wakes the survivor, which sleeps: it returned {soonest:?} after it fell asleep, of its own accord"
    ))
}

fn io_sentence(error: &io::Error) -> String {
    format!("run: {error}")
}
