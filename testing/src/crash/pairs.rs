//! Two who are killed in the same window: each at a point of its own, both before anything is checked; or one of them, and the
//! other goes on from where it was.

use super::run::Trace;
use super::scratch::Scratch;
use super::stage::Stage;
use crate::LONG;
use crate::step::{Mark, Stop, Tracee};

/// Two operations on one channel.
pub struct Pair {
    /// As it is called on the command line and in the matrix.
    pub name: &'static str,
    /// The rows whose traces tell how long the two take when they are alone.
    pub rows: [&'static str; 2],
    make: Box<dyn Fn() -> Box<dyn Double> + Send + Sync>,
}

/// One run of two operations.
pub trait Double {
    /// Starts both, and runs each to where its operation begins.
    ///
    /// # Errors
    /// A sentence.
    fn start(&mut self, stages: [&Stage; 2]) -> Result<[Tracee; 2], String>;

    /// Both are gone: killed, or the second went on to its end when the first had been killed. What must hold.
    ///
    /// # Errors
    /// What does not.
    fn over(&mut self) -> Result<(), String>;
}

impl Pair {
    /// Two operations on a channel; `make` makes a world of its own for them.
    pub fn new(
        name: &'static str,
        rows: [&'static str; 2],
        make: impl Fn() -> Box<dyn Double> + Send + Sync + 'static,
    ) -> Self {
        Self { name, rows, make: Box::new(make) }
    }

    /// Brings the first to its point, then the second to its own; kills the first, and the second too, or lets that go on.
    ///
    /// # Errors
    /// What does not hold.
    pub fn run(&self, stages: [&Stage; 2], traces: [&Trace; 2], points: [u32; 2], both: bool) -> Result<(), String> {
        let mut double = (self.make)();
        let [mut first, mut second] = double.start(stages)?;
        advance(&mut first, traces[0], points[0])?;
        let is_over = advance(&mut second, traces[1], points[1])?;
        first.kill();
        if !both && !is_over {
            go_on(&mut second, &stages[1].scratch)?;
        }
        second.kill();
        double.over()
    }
}

/// The second, whose first has died, ends well.
fn go_on(second: &mut Tracee, scratch: &Scratch) -> Result<(), String> {
    let stop = second.run_to_mark().map_err(|e| format!("run: {e}"))?;
    if stop != Stop::Mark(Mark::End) {
        return Err(format!("the one who goes on stopped by itself: {stop:?}"));
    }
    match scratch.error() {
        None => Ok(()),
        Some(error) => Err(format!("the one who goes on failed with error {error}")),
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
