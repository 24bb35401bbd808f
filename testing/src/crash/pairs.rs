//! Two who are killed in the same window: each at a point of its own, both before anything is checked; or one of them, and the
//! other goes on from where it was.

use super::birth::{self, Side, World, prepare};
use super::ends::Kind;
use super::run::Trace;
use super::scratch::Scratch;
use super::spsc::mode;
use super::stage::{Spot, Stage, Where};
use crate::LONG;
use crate::step::{Mark, Stop, Tracee};

/// Two operations on one channel.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// As it is called on the command line and in the matrix.
    pub name: &'static str,
    /// The rows whose traces tell how long the two take when they are alone.
    pub rows: [&'static str; 2],
    kind: Window,
}

#[derive(Clone, Copy, Debug)]
enum Window {
    /// Both take an end.
    Taking([birth::Plan; 2]),
    /// Both leave.
    Leaving { is_restartable: bool },
}

const fn taking(call: &'static str, side: Side, is_restartable: bool, world: World) -> birth::Plan {
    birth::Plan { call, side, at: Where::Named, is_restartable, world }
}

/// All pairs.
pub const PAIRS: &[Pair] = &[
    Pair {
        name: "both-open-or-create",
        rows: ["open-or-create-new", "open-or-create-new"],
        kind: Window::Taking([
            taking("open-or-create", Side::Sender, false, World::Nothing),
            taking("open-or-create", Side::Receiver, false, World::Nothing),
        ]),
    },
    Pair {
        name: "both-open-or-create-restartable",
        rows: ["open-or-create-new", "open-or-create-new"],
        kind: Window::Taking([
            taking("open-or-create", Side::Sender, true, World::Nothing),
            taking("open-or-create", Side::Receiver, true, World::Nothing),
        ]),
    },
    Pair {
        name: "sweeper-and-opener",
        rows: ["sweep-by-create", "sweep-by-either"],
        kind: Window::Taking([
            taking("create", Side::Sender, false, World::Dead),
            taking("open-or-create", Side::Receiver, false, World::Dead),
        ]),
    },
    Pair {
        name: "two-sweepers",
        rows: ["sweep-by-either", "sweep-by-either"],
        kind: Window::Taking([
            taking("open-or-create", Side::Sender, false, World::Dead),
            taking("open-or-create", Side::Receiver, false, World::Dead),
        ]),
    },
    Pair {
        name: "both-leave",
        rows: ["leave-sender", "leave-receiver"],
        kind: Window::Leaving { is_restartable: false },
    },
    Pair {
        name: "both-leave-restartable",
        rows: ["leave-sender-restart", "leave-receiver-restart"],
        kind: Window::Leaving { is_restartable: true },
    },
];

/// Messages in a channel that both leave.
const MESSAGES: u64 = 2;

impl Pair {
    fn is_restartable(&self) -> bool {
        match self.kind {
            Window::Taking([first, _]) => first.is_restartable,
            Window::Leaving { is_restartable } => is_restartable,
        }
    }

    /// Brings the first to its point, then the second to its own; kills the first, and the second too, or lets that go on.
    ///
    /// # Errors
    /// What does not hold.
    pub fn run(&self, stages: [&Stage; 2], traces: [&Trace; 2], points: [u32; 2], both: bool) -> Result<(), String> {
        let spot = Spot::new(Where::Named);
        let [mut first, mut second] = self.start(stages, &spot)?;
        advance(&mut first, traces[0], points[0])?;
        let is_over = advance(&mut second, traces[1], points[1])?;
        first.kill();
        if !both && !is_over {
            self.go_on(&mut second, &stages[1].scratch)?;
        }
        second.kill();
        let left = spot.left_over();
        if left.len() > 1 {
            return Err(format!("left behind: {}", left.join(", ")));
        }
        spot.serves_again(Kind::Word, self.is_restartable())
    }

    fn start(&self, stages: [&Stage; 2], spot: &Spot) -> Result<[Tracee; 2], String> {
        match self.kind {
            Window::Taking(plans) => {
                prepare(stages[0], &plans[0], spot)?;
                stages[1].scratch.clear();
                let first = stages[0].start(&plans[0].arguments(spot), None)?;
                let second = stages[1].start(&plans[1].arguments(spot), None)?;
                Ok([first, second])
            }
            Window::Leaving { is_restartable } => {
                stages.iter().for_each(|stage| stage.scratch.clear());
                let arguments = |part: &str, before: u64| {
                    [part, Kind::Word.word(), &spot.word(), mode(is_restartable), &before.to_string(), "0"]
                        .map(str::to_owned)
                };
                let first = stages[0].start(&arguments("make-and-leave-sender", MESSAGES), None)?;
                let second = stages[1].start(&arguments("leave-receiver", 1), None)?;
                Ok([first, second])
            }
        }
    }

    /// The second, whose first has died, ends well.
    fn go_on(&self, second: &mut Tracee, scratch: &Scratch) -> Result<(), String> {
        let stop = second.run_to_mark().map_err(|e| format!("run: {e}"))?;
        if stop != Stop::Mark(Mark::End) {
            return Err(format!("the one who goes on stopped by itself: {stop:?}"));
        }
        match scratch.error() {
            None => Ok(()),
            Some(error) => Err(format!("the one who goes on failed with error {error}")),
        }
    }
}

/// Brings one to a point that a trace of it alone describes; here it may come out elsewhere. `true`: it cannot go on from there.
fn advance(tracee: &mut Tracee, trace: &Trace, point: u32) -> Result<bool, String> {
    let calls = trace.calls.iter().filter(|call| call.0 < point).count();
    let after = trace.calls.get(calls.wrapping_sub(1)).map_or(0, |call| call.0 + 1);
    let fail = |e: std::io::Error| format!("run: {e}");
    for _ in 0..calls {
        for _ in 0..2 {
            match tracee.to_syscall().map_err(fail)? {
                Stop::Entry(_) | Stop::Exit => {}
                Stop::Blocked => {
                    tracee.resume_wait(LONG).map_err(fail)?;
                }
                Stop::Mark(Mark::End) => return Ok(true),
                stop => return Err(format!("a victim stopped by itself: {stop:?}")),
            }
        }
    }
    let mut at = after;
    if let Some((index, address)) = trace.landmark_since_call(point).filter(|it| it.0 > after) {
        match tracee.run_to(address).map_err(fail)? {
            Stop::Step => at = index,
            // It came out otherwise, or waits for the first, which stands at the door.
            Stop::Mark(Mark::End) | Stop::Blocked => return Ok(true),
            stop => return Err(format!("a victim stopped by itself: {stop:?}")),
        }
    }
    for _ in at..point {
        match tracee.step().map_err(fail)? {
            Stop::Step | Stop::Entry(_) | Stop::Exit => {}
            Stop::Mark(Mark::End) => return Ok(true),
            stop => return Err(format!("a victim stopped by itself: {stop:?}")),
        }
    }
    Ok(false)
}
