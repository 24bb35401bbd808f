//! Coming and going in every order: creators, openers, leavers and sweepers, killed between any two of their steps.
//!
//! The code is the real one ([`super::entry`]) on a kernel of the model ([`world`]). In every state:
//!
//! 1. A slot has one holder at most. One that is not run for a while is stopped, and keeps what it has.
//! 2. Who is attached is attached to what the name leads to; so no name is taken away that somebody is attached to, nobody attaches to what
//!    has lost its name, and no name of another channel is taken away.
//! 3. Who is taken for dead is dead.
//! 4. Who is told that there is a channel already has met somebody who uses it.
//!
//! 5. What a seat of a channel of many says of an owner who is there is what that owner said.
//! 6. No claim is taken from somebody who lives.
//!
//! And when all have ended: the next one gets a channel, and when it has left there is no name; without kills there was none before it.
//!
//! Each model is run as the protocol is written, and must hold; then with each of the flaws that it is there to find, and must fail.
//! `STRAIT_MODEL_FULL=1` adds processes and kills.

mod seats;
mod world;

use crate::error::{Error, ErrorKind, Result};
use crate::peer::entry::{self, House as _, Refusal, Rules};
use std::time::Duration;
use world::{Flaw, Home, Model, Note, Process, Script, explore};

const SENDER: u32 = 0;
const RECEIVER: u32 = 1;
const PATIENCE: Duration = Duration::ZERO;

fn rules(is_restartable: bool) -> Rules {
    Rules { is_named: true, is_file: false, is_restartable }
}

fn error(refusal: Refusal) -> Error {
    let kind = match refusal {
        Refusal::NameGone | Refusal::Swept => ErrorKind::NotFound,
        Refusal::Taken => ErrorKind::Busy,
        Refusal::Over(_) => ErrorKind::Closed,
        Refusal::Error(error) => return error,
    };
    Error::new(kind, "refused")
}

// What the channels do, in terms of the model.

fn open<'p>(process: &'p Process<'_>, slot: u32, is_restartable: bool) -> Result<Home<'p>> {
    let home = process.find()?;
    if process.flaw == Flaw::AttachedEarly {
        home.store(slot as usize, home.presence(slot as usize).succeeded());
    }
    let state = || Ok(home.presence(slot as usize).state());
    entry::attach(&home, rules(is_restartable), slot, PATIENCE, state, || Ok(())).map_err(error)?;
    Ok(home)
}

fn create<'p>(process: &'p Process<'_>, slot: u32, is_restartable: bool) -> Result<Home<'p>> {
    let once = || {
        let home = process.make(is_restartable);
        entry::found(&home, slot, || Ok(()), || home.give_name()).map_err(error)?;
        Ok(home)
    };
    let sweep = || match process.find() {
        Err(_) if process.flaw == Flaw::FreeUnseen => Ok(false),
        found => entry::sweep(&found?, rules(is_restartable), PATIENCE),
    };
    let created = entry::create(once, sweep);
    if let Err(error) = &created {
        // A restartable channel is in use as long as it has its name.
        if error.kind() == ErrorKind::AlreadyExists && !is_restartable {
            process.tell(Note::Exists);
        }
    }
    created
}

fn open_or_create<'p>(process: &'p Process<'_>, slot: u32, is_restartable: bool) -> Result<Home<'p>> {
    entry::open_or_create(|| open(process, slot, is_restartable), || create(process, slot, is_restartable))
}

/// Is there, looks at the other side, and leaves.
fn live(process: &Process<'_>, home: Home<'_>, slot: u32, is_restartable: bool) {
    let (own, other) = (slot as usize, 1 - slot as usize);
    process.tell(Note::Attached(home.file, own));
    let presence = home.presence(own);
    let presence = if process.flaw == Flaw::AttachedEarly { presence } else { presence.succeeded() };
    home.store(own, presence);
    let first = std::cell::Cell::new(None);
    let says = || {
        let again = first.get().filter(|_| process.flaw == Flaw::OneLook);
        let says = again.unwrap_or_else(|| {
            let presence = home.presence(other);
            (presence.state(), presence.owner())
        });
        first.set(Some(says));
        says
    };
    let seen = entry::state_of(false, says, || home.is_held_by_another(1 - slot));
    process.tell(Note::Saw(home.file, other, seen));
    process.tell(Note::Leaving);
    let say = || home.store(own, presence.left());
    entry::leave(&home, rules(is_restartable), slot, PATIENCE, say, || false);
}

/// A process that comes by one of the ways, lives and leaves, and may be told what is in `kinds` instead.
macro_rules! comes {
    ($way:ident, $slot:expr, $is_restartable:expr, $($kind:ident)|*) => {
        |process: &Process<'_>| match $way(process, $slot, $is_restartable) {
            Ok(home) => Ok(live(process, home, $slot, $is_restartable)),
            $(Err(error) if error.kind() == ErrorKind::$kind => Ok(()),)*
            Err(error) => Err(format!("is refused: {:?}", error.kind())),
        }
    };
}

const CREATE_SENDER: Script = comes!(create, SENDER, false, AlreadyExists);
const OPEN_RECEIVER: Script = comes!(open, RECEIVER, false, NotFound | Busy | Closed);
const ANY_SENDER: Script = comes!(open_or_create, SENDER, false, Busy | Closed);
const ANY_RECEIVER: Script = comes!(open_or_create, RECEIVER, false, Busy | Closed);
const CREATE_SENDER_AGAIN: Script = comes!(create, SENDER, true, AlreadyExists);
const OPEN_RECEIVER_AGAIN: Script = comes!(open, RECEIVER, true, NotFound | Busy);
const ANY_SENDER_AGAIN: Script = comes!(open_or_create, SENDER, true, Busy);
const ANY_RECEIVER_AGAIN: Script = comes!(open_or_create, RECEIVER, true, Busy);

/// Comes when all others have ended, and must be let in.
const HEIR: Script = comes!(open_or_create, SENDER, false,);
const HEIR_AGAIN: Script = comes!(open_or_create, SENDER, true,);

fn is_full() -> bool {
    std::env::var_os("STRAIT_MODEL_FULL").is_some_and(|it| it == "1")
}

/// Whether flaws are put in too: not where `STRAIT_MODEL_FLAWS=0` says that one is in the sources.
fn has_flaws() -> bool {
    std::env::var_os("STRAIT_MODEL_FLAWS").is_none_or(|it| it != "0")
}

/// Explores the model: it must hold as written, and fail for each flaw. With full bounds, `more` take part too.
fn verify(name: &str, model: &Model, heir: Script, more: &[Script], flaws: &[Flaw]) {
    let mut sound = model.clone();
    if is_full() {
        sound.scripts.extend(more);
        sound.kills += 1;
    }
    let explored = explore(&sound, heir).unwrap_or_else(|why| panic!("{name}: {why}"));
    assert!(explored.executions > 1.0, "{name}: a single order was explored");
    println!("{name}: holds in {:.0} executions, {} states", explored.executions, explored.states);
    for &flaw in flaws.iter().filter(|_| has_flaws()) {
        match explore(&Model { flaw, ..model.clone() }, heir) {
            Ok(_) => panic!("{name}: {flaw:?} was not noticed"),
            Err(why) => println!("{name}: {flaw:?} is found: {why}"),
        }
    }
}

/// Whoever is first, two ends meet in one channel, and it goes with the last of them.
#[test]
fn model_two_ends_meet() {
    let model =
        Model { scripts: vec![ANY_SENDER, ANY_RECEIVER], kills: 1, remains: None, of_many: false, flaw: Flaw::None };
    let flaws = [
        Flaw::DoorOpen,
        Flaw::NameUnasked,
        Flaw::NamedFirst,
        Flaw::NobodySeen,
        Flaw::GhostsSeen,
        Flaw::LeaseOutlives,
        Flaw::LeftLate,
        Flaw::OneLook,
    ];
    verify("two ends meet", &model, HEIR, &[ANY_SENDER], &flaws);
}

/// Of two who want one end one gets it; the other is told that it is taken or over, or gets the next channel of that name.
#[test]
fn model_one_holder() {
    let model = Model {
        scripts: vec![ANY_SENDER, ANY_SENDER, OPEN_RECEIVER],
        kills: 1,
        remains: None,
        of_many: false,
        flaw: Flaw::None,
    };
    let flaws =
        [Flaw::Robbed, Flaw::NobodySeen, Flaw::NameUnasked, Flaw::DoorOpen, Flaw::NamedFirst, Flaw::LeaseOutlives];
    verify("one holder", &model, HEIR, &[], &flaws);
}

/// What the dead left is swept by one of those who come next, while others find it, or what was made in its place.
#[test]
fn model_dead_are_swept() {
    let scripts = vec![CREATE_SENDER, ANY_SENDER, OPEN_RECEIVER];
    let model = Model { scripts, kills: 0, remains: Some(false), of_many: false, flaw: Flaw::None };
    let flaws =
        [Flaw::DoorOpen, Flaw::NameUnasked, Flaw::NamedFirst, Flaw::NobodySeen, Flaw::GhostsSeen, Flaw::FreeUnseen];
    verify("dead are swept", &model, HEIR, &[], &flaws);
}

/// In a restartable channel ends come and go, and go on where the dead were; the last one out takes the name away.
#[test]
fn model_ends_are_succeeded() {
    let scripts = vec![ANY_SENDER_AGAIN, ANY_SENDER_AGAIN, OPEN_RECEIVER_AGAIN];
    let model = Model { scripts, kills: 1, remains: None, of_many: false, flaw: Flaw::None };
    let flaws = [
        Flaw::Robbed,
        Flaw::DoorOpen,
        Flaw::NameUnasked,
        Flaw::NamedFirst,
        Flaw::NobodySeen,
        Flaw::LeaseOutlives,
        Flaw::AttachedEarly,
        Flaw::LeftLate,
        Flaw::OneLook,
    ];
    verify("ends are succeeded", &model, HEIR_AGAIN, &[], &flaws);
    let scripts = vec![CREATE_SENDER_AGAIN, ANY_SENDER_AGAIN, ANY_RECEIVER_AGAIN];
    let model = Model { scripts, kills: 1, remains: Some(true), of_many: false, flaw: Flaw::None };
    verify("dead are succeeded", &model, HEIR_AGAIN, &[], &[Flaw::Robbed, Flaw::DoorOpen, Flaw::NobodySeen]);
}
