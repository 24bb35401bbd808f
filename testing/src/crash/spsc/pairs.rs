//! Two who come or leave in the same window.

use super::birth::{self, Side, World, prepare};
use super::ends::{Kind, serves_again};
use super::{NAME, mode};
use crate::crash::pairs::{Double, Pair};
use crate::crash::stage::{Spot, Stage, Where};
use crate::step::Tracee;

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

fn pair(name: &'static str, rows: [&'static str; 2], window: Window) -> Pair {
    Pair::new(name, rows, move || Box::new(Both { window, spot: Spot::new(Where::Named) }))
}

/// All pairs.
pub(super) fn pairs() -> Vec<Pair> {
    let new = ["open-or-create-new"; 2];
    let both = |call: &'static str, is_restartable, world| {
        Window::Taking([
            taking(call, Side::Sender, is_restartable, world),
            taking("open-or-create", Side::Receiver, is_restartable, world),
        ])
    };
    let leaving = |is_restartable| Window::Leaving { is_restartable };
    vec![
        pair("both-open-or-create", new, both("open-or-create", false, World::Nothing)),
        pair("both-open-or-create-restartable", new, both("open-or-create", true, World::Nothing)),
        pair("sweeper-and-opener", ["sweep-by-create", "sweep-by-either"], both("create", false, World::Dead)),
        pair("two-sweepers", ["sweep-by-either"; 2], both("open-or-create", false, World::Dead)),
        pair("both-leave", ["leave-sender", "leave-receiver"], leaving(false)),
        pair("both-leave-restartable", ["leave-sender-restart", "leave-receiver-restart"], leaving(true)),
    ]
}

/// Messages in a channel that both leave.
const MESSAGES: u64 = 2;

struct Both {
    window: Window,
    spot: Spot,
}

impl Double for Both {
    fn start(&mut self, stages: [&Stage; 2]) -> Result<[Tracee; 2], String> {
        let spot = &self.spot;
        match self.window {
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
                    [NAME, part, Kind::Word.word(), &spot.word(), mode(is_restartable), &before.to_string(), "0"]
                        .map(str::to_owned)
                };
                let first = stages[0].start(&arguments("make-and-leave-sender", MESSAGES), None)?;
                let second = stages[1].start(&arguments("leave-receiver", 1), None)?;
                Ok([first, second])
            }
        }
    }

    fn over(&mut self) -> Result<(), String> {
        let left = self.spot.left_over();
        if left.len() > 1 {
            return Err(format!("left behind: {}", left.join(", ")));
        }
        let is_restartable = match self.window {
            Window::Taking([first, _]) => first.is_restartable,
            Window::Leaving { is_restartable } => is_restartable,
        };
        serves_again(&self.spot, Kind::Word, is_restartable)
    }
}
