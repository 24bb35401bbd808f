//! What must hold when one who removes what the dead have left is killed, or stopped, while it does, whatever it finds.
//!
//! 1. What somebody uses stays: its name leads to it, and its users exchange messages.
//! 2. What the dead have left is there whole, or gone; when the sweeper has said that it is gone, it is. In both cases the next one who comes
//!    makes its own.
//! 3. What is restartable, or in a file, stays with what is in it, unless its removal was asked for; then it is there whole, or gone.
//! 4. Who comes while the sweeper is stopped is let in, makes its own, or is asked to wait; what it then has is never taken away by the sweeper
//!    when that goes on.
//! 5. Nothing else is left behind, under any name.

use super::pairs::{Double, Pair};
use super::scratch::Scratch;
use super::spsc::birth::{self, Side, World, prepare};
use super::spsc::ends::{Kind, Rx, Tx, options, passes, serves_again};
use super::stage::Where::{self, File, Named};
use super::stage::{At, How, Spot, Stage};
use super::table::{Channel, Row};
use super::{Case, Found};
use crate::step::{Marks, Tracee};
use strait::ErrorKind;
use strait::gc::{self, Verdict};

/// The part of the matrix of sweepers.
pub const CHANNEL: Channel = Channel { name: NAME, rows, pairs, play };

const NAME: &str = "gc";
/// In what the dead, or the living, have.
const MESSAGES: u64 = 2;

const PIPE: bool = false;
const AGAIN: bool = true;

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    let row = |name, part, world, at, is_restartable| {
        let plan = Plan { part, world, at, is_restartable };
        Row::new(name, "sweeper", at, is_restartable, move || Box::new(SweeperDies::new(plan))).untold()
    };
    vec![
        row("gc-nothing",      "sweep",  World::Nothing, Named, PIPE),
        row("gc-dead",         "sweep",  World::Dead,    Named, PIPE),
        row("gc-alive",        "sweep",  World::Live,    Named, PIPE),
        row("gc-stays",        "sweep",  World::Dead,    Named, AGAIN),
        row("gc-stays-file",   "sweep",  World::Dead,    File,  AGAIN),
        row("gc-look",         "judge",  World::Live,    Named, AGAIN),
        row("gc-remove",       "remove", World::Dead,    Named, AGAIN),
        row("gc-remove-alive", "remove", World::Live,    Named, AGAIN),
        row("gc-force",        "force",  World::Dead,    Named, AGAIN),
    ]
}

/// Two who sweep; one who sweeps, and one who comes: whoever is killed first, and wherever both are.
fn pairs() -> Vec<Pair> {
    let comer = |call| birth::Plan { call, side: Side::Sender, at: Named, is_restartable: PIPE, world: World::Dead };
    let pair =
        |name, rows, who: [Who; 2]| Pair::new(name, rows, move || Box::new(Both { who, spot: Spot::new(Named) }));
    vec![
        pair("two-gcs", ["gc-dead"; 2], [Who::Sweeps; 2]),
        pair("gc-and-creator", ["gc-dead", "sweep-by-create"], [Who::Sweeps, Who::Comes(comer("create"))]),
        pair("creator-and-gc", ["sweep-by-create", "gc-dead"], [Who::Comes(comer("create")), Who::Sweeps]),
        pair("gc-and-opener", ["gc-dead", "sweep-by-either"], [Who::Sweeps, Who::Comes(comer("open-or-create"))]),
        pair("opener-and-gc", ["sweep-by-either", "gc-dead"], [Who::Comes(comer("open-or-create")), Who::Sweeps]),
    ]
}

/// Plays the victim: `PART PLACE`.
fn play(words: &[&str]) {
    let [part, place] = *words else { panic!("not two words: {words:?}") };
    let At::Place(place) = At::from_word(place) else { panic!("a name") };
    let scratch = Scratch::inherit().expect("a scratch page");
    let marks = Marks::new();
    marks.begin();
    let verdict = match part {
        "sweep" => gc::sweep(&place),
        "judge" => gc::judge(&place),
        "remove" => gc::remove(&place),
        _ => gc::remove_by_force(&place),
    };
    match &verdict {
        Ok(verdict) => scratch.log(number(verdict)),
        Err(error) => scratch.set_error(error.kind() as u64),
    }
    scratch.add_done(1);
    marks.end();
}

const DEAD: u64 = 0;
const ALIVE: u64 = 1;
const STAYS: u64 = 2;
const GONE: u64 = 3;

fn number(verdict: &Verdict) -> u64 {
    match verdict {
        Verdict::Dead(_) => DEAD,
        Verdict::Alive { .. } => ALIVE,
        Verdict::Stays(_) => STAYS,
        Verdict::Gone => GONE,
        _ => u64::MAX,
    }
}

#[derive(Clone, Copy)]
struct Plan {
    part: &'static str,
    world: World,
    at: Where,
    is_restartable: bool,
}

type Ends = (Box<dyn Tx>, Box<dyn Rx>);

struct SweeperDies {
    plan: Plan,
    spot: Spot,
    /// Who lives: from the beginning, or since the victim was stopped.
    ends: Option<Ends>,
}

impl SweeperDies {
    fn new(plan: Plan) -> Self {
        Self { plan, spot: Spot::new(plan.at), ends: None }
    }

    /// Both ends, of a new channel or of what is there.
    fn take(&self, how: How) -> strait::Result<Ends> {
        let options = options(self.plan.is_restartable);
        let tx = Kind::Word.sender(At::Place(self.spot.place()), how, &options)?;
        let how = if how == How::Create { How::Open } else { how };
        Ok((tx, Kind::Word.receiver(At::Place(self.spot.place()), how, &options)?))
    }

    /// What the operation ends with where nobody comes.
    fn verdict(&self) -> u64 {
        match (self.plan.world, self.plan.is_restartable) {
            (World::Nothing, _) => GONE,
            (World::Live, _) => ALIVE,
            (World::Dead, true) => STAYS,
            (World::Dead, false) => DEAD,
        }
    }

    /// Whether the operation takes the name away.
    fn removes(&self) -> bool {
        match self.plan.part {
            "sweep" => self.verdict() == DEAD,
            "judge" => false,
            "remove" => self.plan.world == World::Dead,
            _ => true,
        }
    }

    /// Those who live have what they had.
    fn live_on(&mut self, (mut tx, mut rx): Ends) -> Result<(), String> {
        if !self.spot.exists() {
            return Err("the name of what is in use has gone".into());
        }
        passes(&mut *tx, &mut *rx, 70)?;
        match self.take(How::Open) {
            Err(error) if error.kind() == ErrorKind::Busy => {}
            Err(error) => return Err(format!("who comes to what is in use is told: {error}")),
            Ok(_) => return Err("an end was taken twice".into()),
        }
        drop((tx, rx));
        if self.spot.is_fleeting() { self.spot.must_be_empty() } else { Ok(()) }
    }

    fn over(&mut self) -> Result<(), String> {
        let exists = self.spot.exists();
        let left = self.spot.left_over();
        if left.len() > usize::from(exists && self.spot.is_fleeting()) {
            return Err(format!("half-made things are left behind: {}", left.join(", ")));
        }
        if exists && (self.plan.is_restartable || !self.spot.is_fleeting()) {
            let (mut tx, mut rx) = self.take(How::Open).map_err(|e| format!("a successor cannot attach: {e}"))?;
            if tx.sent() != MESSAGES {
                return Err(format!("{} messages are said to have been sent, not {MESSAGES}", tx.sent()));
            }
            passes(&mut *tx, &mut *rx, 70)?;
        }
        if self.spot.is_fleeting() { serves_again(&self.spot, Kind::Word, self.plan.is_restartable) } else { Ok(()) }
    }
}

impl Case for SweeperDies {
    fn start(&mut self, stage: &Stage) -> Result<Tracee, String> {
        let Plan { world, at, is_restartable, .. } = self.plan;
        prepare(stage, &birth::Plan { call: "open", side: Side::Sender, at, is_restartable, world }, &self.spot)?;
        if world == World::Live {
            let (mut tx, rx) = self.take(How::Create).map_err(|e| format!("create: {e}"))?;
            for number in 0..MESSAGES {
                tx.try_send(number).map_err(|e| format!("send: {e}"))?;
            }
            self.ends = Some((tx, rx));
        }
        stage.start(&[NAME, self.plan.part, &self.spot.word()].map(str::to_owned), None)
    }

    fn killed(&mut self, stage: &Stage) -> Result<Found, String> {
        let (is_done, exists) = (stage.scratch.done() > 0, self.spot.exists());
        if is_done {
            if let Some(error) = stage.scratch.error() {
                return Err(format!("it failed with error {error}"));
            }
            if stage.scratch.logged() != [self.verdict()] {
                return Err(format!("it said {:?}, not {}", stage.scratch.logged(), self.verdict()));
            }
            if exists && self.removes() {
                return Err("it said that it has removed it, and the name is there".into());
            }
        }
        if !exists && !self.removes() && self.plan.world != World::Nothing {
            return Err("what is in use, or stays on purpose, has lost its name".into());
        }
        match self.ends.take() {
            Some(ends) => self.live_on(ends)?,
            None => self.over()?,
        }
        Ok(Found { progress: self.removes().then_some(u64::from(!exists)), ..Found::default() })
    }

    fn stopped(&mut self, _: &Stage) -> Result<(), String> {
        if let Some((tx, rx)) = &mut self.ends {
            return passes(&mut **tx, &mut **rx, 5);
        }
        match self.take(How::OpenOrCreate) {
            Ok(ends) => self.ends = Some(ends),
            // It stands in the door.
            Err(error) if error.kind() == ErrorKind::Busy => {}
            Err(error) => return Err(format!("while it is stopped, who comes is told: {error}")),
        }
        Ok(())
    }

    fn went_on(&mut self, stage: &Stage) -> Result<Found, String> {
        if let Some(error) = stage.scratch.error() {
            return Err(format!("after it went on it failed with error {error}"));
        }
        match self.ends.take() {
            // By force it takes the name away from whoever has come.
            Some((mut tx, mut rx)) if self.plan.part == "force" && !self.spot.exists() => {
                passes(&mut *tx, &mut *rx, 70)?;
            }
            Some(ends) => self.live_on(ends)?,
            None => self.over()?,
        }
        Ok(Found::default())
    }
}

#[derive(Clone, Copy)]
enum Who {
    Sweeps,
    Comes(birth::Plan),
}

struct Both {
    who: [Who; 2],
    spot: Spot,
}

impl Double for Both {
    fn start(&mut self, stages: [&Stage; 2]) -> Result<[Tracee; 2], String> {
        let spot = &self.spot;
        let dead =
            birth::Plan { call: "open", side: Side::Sender, at: Named, is_restartable: PIPE, world: World::Dead };
        prepare(stages[0], &dead, spot)?;
        stages[1].scratch.clear();
        let start = |stage: &Stage, who: Who| match who {
            Who::Sweeps => stage.start(&[NAME, "sweep", &spot.word()].map(str::to_owned), None),
            Who::Comes(plan) => stage.start(&plan.arguments(spot), None),
        };
        Ok([start(stages[0], self.who[0])?, start(stages[1], self.who[1])?])
    }

    fn over(&mut self) -> Result<(), String> {
        let left = self.spot.left_over();
        if left.len() > 1 {
            return Err(format!("left behind: {}", left.join(", ")));
        }
        serves_again(&self.spot, Kind::Word, PIPE)
    }
}
