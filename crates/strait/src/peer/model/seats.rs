//! Seats in every order: users who come by any of them, claim something, look for the dead, free what those claimed, and leave.
//!
//! What is said at the head of [`super`] holds here too. The one claim there is names seat and generation, as those of the channels do.

use super::world::{CLAIM, Flaw, Home, Model, Note, Process, SLOTS, Script, claim, claimant};
use super::{PATIENCE, error, rules, verify};
use crate::error::{ErrorKind, Result};
use crate::peer::entry::{self, House as _};
use crate::peer::seat::{self, Presence, State, Table};
use std::cell::Cell;

const SEATS: u32 = SLOTS as u32;

/// The seats as one user sees them.
struct Hall<'p> {
    home: &'p Home<'p>,
    flaw: Flaw,
    /// The last look at a presence.
    seen: Cell<Option<(u32, Presence)>>,
}

impl Table for Hall<'_> {
    fn presence(&self, seat: u32) -> Presence {
        let again = self.seen.take().filter(|it| it.0 == seat && self.flaw == Flaw::OneLook);
        let presence = again.map_or_else(|| Presence::from_word(self.home.load(seat as usize)), |it| it.1);
        self.seen.set(Some((seat, presence)));
        presence
    }

    fn exchange(&self, seat: u32, from: Presence, to: Presence) {
        self.home.exchange(seat as usize, from.word(), to.word(), self.flaw == Flaw::MarksBlindly);
    }

    fn is_held_by_another(&self, seat: u32) -> bool {
        self.home.is_held_by_another(seat)
    }
}

fn open<'p>(process: &'p Process<'_>, seats: u32, is_restartable: bool) -> Result<(Home<'p>, u32)> {
    let home = process.find()?;
    let seat = entry::attach_any(&home, rules(is_restartable), 0..seats, PATIENCE, |_| Ok(())).map_err(error)?;
    Ok((home, seat))
}

fn create<'p>(process: &'p Process<'_>, _: u32, is_restartable: bool) -> Result<(Home<'p>, u32)> {
    super::create(process, 0, is_restartable).map(|home| (home, 0))
}

fn any<'p>(process: &'p Process<'_>, seats: u32, is_restartable: bool) -> Result<(Home<'p>, u32)> {
    entry::open_or_create(|| open(process, seats, is_restartable), || create(process, seats, is_restartable))
}

/// What one does between coming and leaving.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    Nothing,
    /// Claims what is free, or a dead one's.
    Claims,
    /// Looks for the dead and frees what they claimed.
    Finds,
    /// Frees whatever is claimed: nobody else is there.
    Inherits,
}

/// Whether whoever had the seat with this generation is gone, found dead or not; `mask` is how much of the generation a claim names.
fn is_gone(hall: &Hall<'_>, own: u32, seat: u32, generation: u32, mask: u32) -> bool {
    let presence = hall.presence(seat);
    let is_another = presence.generation() & mask != generation & mask || presence.state() != State::Attached;
    is_another || seat != own && seat::is_dead(hall, seat, presence)
}

fn live(process: &Process<'_>, (home, seat): (Home<'_>, u32), is_restartable: bool, work: Work) -> Result<(), String> {
    let own = seat as usize;
    let hall = Hall { home: &home, flaw: process.flaw, seen: Cell::new(None) };
    process.tell(Note::Attached(home.file, own));
    let presence = Presence::from_word(home.load(own)).succeeded();
    home.store_seat(own, presence);
    process.tell(Note::Seated(presence.word()));
    let mine = claim(seat, presence.generation());
    let mask = if process.flaw == Flaw::GenerationUnasked { 0 } else { u32::MAX };
    let is_free = |word: u64| {
        let (seat, generation) = claimant(word);
        is_gone(&hall, own as u32, seat as u32, generation, mask)
    };
    let mut holds = false;
    match work {
        Work::Nothing => {}
        Work::Claims => {
            let word = home.load(CLAIM);
            if word == 0 || is_free(word) {
                holds = home.exchange(CLAIM, word, mine, false);
            }
        }
        Work::Finds => {
            seat::find_dead(&hall, (0..SEATS).filter(|it| *it != seat), |dead, generation| {
                process.tell(Note::Mends(home.file, dead as usize, generation));
                let theirs = claim(dead, generation);
                if home.load(CLAIM) == theirs {
                    home.exchange(CLAIM, theirs, 0, process.flaw == Flaw::FreesBlindly);
                }
            });
        }
        Work::Inherits => {
            let word = home.load(CLAIM);
            if word != 0 && !is_free(word) {
                return Err(format!("the claim {word:#x} of the dead is nobody's to free"));
            }
            home.exchange(CLAIM, word, 0, false);
        }
    }
    if holds && !home.exchange(CLAIM, mine, 0, false) {
        return Err(String::from("its claim was taken from it"));
    }
    process.tell(Note::Leaving);
    let say = || home.store_seat(own, presence.left());
    entry::leave(&home, rules(is_restartable), seat, PATIENCE, say, || false);
    Ok(())
}

/// A process that comes by one of the ways, works and leaves, and may be told what is in `kinds` instead.
macro_rules! comes {
    ($way:ident, $seats:expr, $is_restartable:expr, $work:ident, $($kind:ident)|*) => {
        |process: &Process<'_>| match $way(process, $seats, $is_restartable) {
            Ok(found) => live(process, found, $is_restartable, Work::$work),
            $(Err(error) if error.kind() == ErrorKind::$kind => Ok(()),)*
            Err(error) => Err(format!("is refused: {:?}", error.kind())),
        }
    };
}

const COMES: Script = comes!(any, 2, false, Nothing, Busy);
const OPENS: Script = comes!(open, 2, false, Nothing, NotFound | Busy);
const CLAIMS: Script = comes!(any, 2, true, Claims, Busy);
const FINDS: Script = comes!(open, SEATS, true, Finds, NotFound | Busy);
const HEIR: Script = comes!(any, SEATS, false, Inherits,);
const HEIR_AGAIN: Script = comes!(any, SEATS, true, Inherits,);

fn model(scripts: Vec<Script>, kills: usize, remains: Option<bool>) -> Model {
    Model { scripts, kills, remains, of_many: true, flaw: Flaw::None }
}

/// Of three who want one of two seats each gets one of its own, or is told that all are taken; the last one out takes the name away.
#[test]
fn model_seats_are_taken() {
    let flaws = [Flaw::Robbed, Flaw::DoorOpen, Flaw::NameUnasked, Flaw::NamedFirst, Flaw::NobodySeen];
    verify("seats are taken", &model(vec![COMES, COMES, OPENS], 0, None), HEIR, &[], &flaws);
    let flaws = [Flaw::LeaseOutlives, Flaw::DoorOpen];
    verify("seats are taken by two", &model(vec![COMES, COMES], 1, None), HEIR, &[OPENS], &flaws);
}

/// What one claimed who was killed is claimed by the next, and never what somebody claims who lives, leaves, or has the dead one's seat.
#[test]
fn model_claims_of_the_dead() {
    let flaws = [Flaw::NobodySeen, Flaw::LeaseOutlives];
    verify("claims of the dead", &model(vec![CLAIMS, CLAIMS], 1, None), HEIR_AGAIN, &[], &flaws);
    verify(
        "claims of predecessors",
        &model(vec![CLAIMS], 1, Some(true)),
        HEIR_AGAIN,
        &[CLAIMS],
        &[Flaw::GenerationUnasked],
    );
}

/// Two find the same dead while the seat has its next owner: all is mended as if once, and no living owner is marked.
#[test]
fn model_dead_are_found() {
    let flaws = [Flaw::OneLook, Flaw::MarksBlindly, Flaw::FreesBlindly, Flaw::NobodySeen, Flaw::LeftLate, Flaw::Robbed];
    verify("dead are found", &model(vec![FINDS, CLAIMS], 1, Some(true)), HEIR_AGAIN, &[FINDS], &flaws);
    let flaws = [Flaw::MarksBlindly, Flaw::FreesBlindly];
    verify("dead are found twice", &model(vec![FINDS, FINDS, CLAIMS], 0, Some(true)), HEIR_AGAIN, &[], &flaws);
}
