//! The eventcount in every order: some put things down and ring, others announce, look again, sleep and are woken.
//!
//! What is said at the head of [`super`] holds here too. A slice of sleep never ends: whoever is not rung for sleeps for ever, so what the
//! protocol leaves to the end of a slice (that who rings dies between the bit and the doorbell) is not in these models.

use super::hall::{EVENTS, Flaw, Hall, Notes, SEATS, STANDS, Window};
use super::page::{Life, Loom, Shuttle, World, life};
use super::{NO_KILL, endless, verify_with};
use crate::wait::Strategy;
use crate::wait::eventcount::{EventCount, Waiter, Wake};
use crate::wait::turn::Turn;
use std::ops::Range;
use std::sync::Arc;

fn verify<W: World>(name: &str, kills: Range<usize>, model: fn(Flaw, usize), flaws: &[Flaw]) {
    verify_with::<W, Flaw>(name, kills, Flaw::None, model, flaws);
}

/// A user of the hall.
struct User<W: World> {
    hall: Arc<Hall<W>>,
    events: Vec<EventCount<Window<W>>>,
    waiter: Waiter,
    flaw: Flaw,
    notes: Arc<Notes>,
}

impl<W: World> User<W> {
    fn new(hall: &Arc<Hall<W>>, seat: u32, flaw: Flaw, life: &Life) -> Self {
        let notes: Arc<Notes> = Arc::default();
        let window = |line| Window {
            hall: Arc::clone(hall),
            line,
            seat,
            flaw,
            life: Arc::clone(life),
            notes: Arc::clone(&notes),
        };
        let event = |number| EventCount::new(window(Some(number)), window(None), SEATS);
        Self {
            hall: Arc::clone(hall),
            events: (0..EVENTS).map(event).collect(),
            waiter: Waiter::new(seat, Strategy::Sleep),
            flaw,
            notes,
        }
    }

    fn sits(hall: &Arc<Hall<W>>, seat: u32, flaw: Flaw) -> Self {
        Self::new(hall, seat, flaw, &endless())
    }

    fn stands(hall: &Arc<Hall<W>>, flaw: Flaw) -> Self {
        Self::new(hall, STANDS, flaw, &endless())
    }

    fn fenced(mut self) -> Self {
        self.events.iter_mut().for_each(EventCount::fence_actions);
        self
    }

    /// Passes a fence in so many actions, and then as it pays.
    fn chooses(mut self, seat: u32, fenced: u32) -> Self {
        self.events.iter_mut().for_each(|event| event.choose_fences_after(seat, fenced));
        self
    }

    /// Puts one thing down, for whomever.
    fn put(&mut self, event: usize) {
        self.hall.put(event);
        self.events[event].after_action(Wake::ONE);
    }

    /// The same, as a lock does that is given back: it asks whether there is somebody first.
    fn put_and_ask(&mut self, event: usize) {
        self.hall.put(event);
        if self.events[event].is_anybody_to_ring() {
            self.events[event].after_action(Wake::ONE);
        }
    }

    /// The same, in one look.
    fn put_in_one_look(&mut self, event: usize) {
        self.hall.put(event);
        if self.events[event].is_any_of_few_to_ring() {
            self.events[event].after_action(Wake::ONE);
        }
    }

    /// A blocked call.
    fn wait_until(&mut self, event: usize, wake_at: u32, is_so: impl Fn(&Hall<W>) -> bool) {
        if is_so(&self.hall) {
            return;
        }
        let mut turn = Turn::eager(None);
        let mut is_announced = false;
        loop {
            self.waiter.step(&mut turn, &self.events, event, wake_at);
            if self.notes.is_excused() {
                break;
            }
            is_announced = !is_announced;
            let looks = !(is_announced && self.flaw == Flaw::NoSecondLook);
            if looks && is_so(&self.hall) {
                break;
            }
        }
        self.waiter.end(turn, &mut self.events, event, true);
    }

    fn take(&mut self, event: usize) {
        self.wait_until(event, 0, |hall| hall.take(event));
    }

    /// Announces a sleep, and gives up without another look.
    fn give_up(&mut self, event: usize, wake_at: u32) {
        let mut turn = Turn::eager(None);
        self.waiter.step(&mut turn, &self.events, event, wake_at);
        self.waiter.end(turn, &mut self.events, event, false);
    }

    /// Announces a sleep, and is no more.
    fn falls_asleep_for_ever(&mut self, event: usize) {
        self.waiter.step(&mut Turn::eager(None), &self.events, event, 0);
    }

    /// Takes the seat of somebody who died, as a channel does.
    fn succeeds(&mut self) {
        if self.flaw != Flaw::ComesSilently {
            self.events.iter_mut().for_each(|event| event.after_action(Wake::Everybody));
        }
    }
}

/// What any engine notices.
const PROTOCOL: [Flaw; 5] =
    [Flaw::SleepsUnseeing, Flaw::DoorbellStill, Flaw::NobodyWoken, Flaw::NoSecondLook, Flaw::BitLate];
/// What only loom can.
const BARRIERS: [Flaw; 2] = [Flaw::NoLightBarrier, Flaw::NoHeavyBarrier];
/// The same, where both sides pass full ones.
const FENCES: [Flaw; 2] = [Flaw::NoActorFence, Flaw::NoSleeperFence];

/// One puts things down in a burst, one takes them up one by one.
fn one_and_one<W: World>(flaw: Flaw, count: u32) {
    let hall = Hall::<W>::new(0);
    let (mut acts, mut sleeps) = (User::stands(&hall, flaw), User::sits(&hall, 0, flaw));
    W::together(move || (0..count).for_each(|_| acts.put(0)), move || (0..count).for_each(|_| sleeps.take(0)));
    hall.assert_rings();
}

/// A sleeper is woken by what it waits for, and once per sleep.
#[test]
fn model_one_and_one() {
    let more = [Flaw::DoorbellLate, Flaw::ClearsLate, Flaw::NeverClears];
    let flaws = [&PROTOCOL[..], &BARRIERS, &more].concat();
    verify::<Loom>("one and one", NO_KILL, |flaw, _| one_and_one::<Loom>(flaw, 2), &flaws);
    let model = |flaw, _| one_and_one::<Shuttle>(flaw, 12);
    verify::<Shuttle>("one and one, many", NO_KILL, model, &[&PROTOCOL[..], &more].concat());
}

/// The same, where who acts asks first whether anybody sleeps.
fn asked(flaw: Flaw, put: fn(&mut User<Loom>, usize), is_fenced: bool) {
    let hall = Hall::<Loom>::new(0);
    let users = [User::stands(&hall, flaw), User::sits(&hall, 0, flaw)];
    let [mut acts, mut sleeps] = if is_fenced { users.map(User::fenced) } else { users };
    Loom::together(move || (0..2).for_each(|_| put(&mut acts, 0)), move || (0..2).for_each(|_| sleeps.take(0)));
    hall.assert_rings();
}

/// One load behind the lightest barrier is enough of a look.
#[test]
fn model_one_look() {
    let model = |flaw, _| asked(flaw, User::put_in_one_look, false);
    verify::<Loom>("in one look", NO_KILL, model, &[&PROTOCOL[..], &BARRIERS].concat());
}

/// Whoever asks passes the barrier that its sleepers count on.
#[test]
fn model_asks_first() {
    let model = |flaw, _| asked(flaw, User::put_and_ask, false);
    verify::<Loom>("asks first", NO_KILL, model, &[&PROTOCOL[..], &BARRIERS].concat());
    let model = |flaw, _| asked(flaw, User::put_and_ask, true);
    verify::<Loom>("asks first, fenced", NO_KILL, model, &[&PROTOCOL[..], &FENCES].concat());
}

/// The same, where both pass full barriers.
fn fenced<W: World>(flaw: Flaw, count: u32) {
    let hall = Hall::<W>::new(0);
    let [mut acts, mut sleeps] = [User::stands(&hall, flaw), User::sits(&hall, 0, flaw)].map(User::fenced);
    W::together(move || (0..count).for_each(|_| acts.put(0)), move || (0..count).for_each(|_| sleeps.take(0)));
    hall.assert_rings();
}

/// Two full barriers do what a light and a heavy one do.
#[test]
fn model_fenced() {
    let flaws = [&PROTOCOL[..], &FENCES].concat();
    verify::<Loom>("fenced", NO_KILL, |flaw, _| fenced::<Loom>(flaw, 2), &flaws);
}

/// One puts things down, at first with a fence, then without, and says that it fences again; one takes them up.
fn choosing<W: World>(flaw: Flaw, count: u32) {
    let hall = Hall::<W>::about_choices();
    let mut acts = User::stands(&hall, flaw).chooses(SEATS - 1, 1);
    let mut sleeps = User::sits(&hall, 0, flaw).chooses(0, 1);
    W::together(
        move || {
            (0..count).for_each(|_| acts.put(0));
            acts.events.iter_mut().for_each(EventCount::fence_again);
        },
        move || (0..count).for_each(|_| sleeps.take(0)),
    );
}

/// Who sees that everybody fences needs no heavy barrier: a light one may then be nothing at all.
#[test]
fn model_fences_as_it_pays() {
    let choices = [Flaw::ChoiceUnsaid, Flaw::ChoiceUnfenced, Flaw::ChoiceUnseen, Flaw::AgainRelaxed];
    let flaws = [&[Flaw::DoorbellStill, Flaw::NobodyWoken], &FENCES[..], &choices].concat();
    verify::<Loom>("fences as it pays", NO_KILL, |flaw, _| choosing::<Loom>(flaw, 2), &flaws);
    let model = |flaw, _| choosing::<Shuttle>(flaw, 6);
    let flaws = [Flaw::DoorbellStill, Flaw::NobodyWoken];
    verify::<Shuttle>("fences as it pays, many", NO_KILL, model, &flaws);
}

/// One puts things down, two take as many each.
fn one_and_two<W: World>(flaw: Flaw, each: u32) {
    let hall = Hall::<W>::new(0);
    let mut acts = User::stands(&hall, flaw);
    let [mut one, mut two] = [0, 1].map(|seat| User::sits(&hall, seat, flaw));
    W::all(vec![
        Box::new(move || (0..2 * each).for_each(|_| acts.put(0))),
        Box::new(move || (0..each).for_each(|_| one.take(0))),
        Box::new(move || (0..each).for_each(|_| two.take(0))),
    ]);
    assert_eq!(hall.count(0), 0);
}

/// Of two sleepers one is woken for each thing, and none sleeps while something lies there.
#[test]
fn model_one_and_two() {
    verify::<Loom>(
        "one and two",
        NO_KILL,
        |flaw, _| one_and_two::<Loom>(flaw, 1),
        &[&PROTOCOL[..], &BARRIERS].concat(),
    );
    let more = [Flaw::DoorbellLate, Flaw::ClearsLate];
    let model = |flaw, _| one_and_two::<Shuttle>(flaw, 4);
    verify::<Shuttle>("one and two, many", NO_KILL, model, &[&PROTOCOL[..], &more].concat());
}

/// Two put things down, one takes them up.
fn two_and_one<W: World>(flaw: Flaw, each: u32) {
    let hall = Hall::<W>::new(0);
    let mut sleeps = User::sits(&hall, 0, flaw);
    let [mut one, mut two] = [(); 2].map(|()| User::stands(&hall, flaw));
    W::all(vec![
        Box::new(move || (0..each).for_each(|_| one.put(0))),
        Box::new(move || (0..each).for_each(|_| two.put(0))),
        Box::new(move || (0..2 * each).for_each(|_| sleeps.take(0))),
    ]);
    hall.assert_rings();
}

/// Two who ring for one: one of them does, and none of their rings is lost.
#[test]
fn model_two_and_one() {
    verify::<Loom>(
        "two and one",
        NO_KILL,
        |flaw, _| two_and_one::<Loom>(flaw, 1),
        &[&PROTOCOL[..], &BARRIERS].concat(),
    );
    let more = [Flaw::DoorbellLate, Flaw::ClearsLate, Flaw::NeverClears];
    let model = |flaw, _| two_and_one::<Shuttle>(flaw, 4);
    verify::<Shuttle>("two and one, many", NO_KILL, model, &[&PROTOCOL[..], &more].concat());
}

/// Something lies there already; one more comes while two are about to sleep. Who takes the old one may have been rung for the new one.
fn rung_before_its_sleep<W: World>(flaw: Flaw) {
    let hall = Hall::<W>::new(1);
    let mut acts = User::stands(&hall, flaw);
    let [mut one, mut two] = [0, 1].map(|seat| User::sits(&hall, seat, flaw));
    // Neither has looked before it announces: what lies there came in between.
    let take = |user: &mut User<W>| {
        let mut turn = Turn::eager(None);
        loop {
            user.waiter.step(&mut turn, &user.events, 0, 0);
            if user.hall.take(0) {
                break;
            }
        }
        user.waiter.end(turn, &mut user.events, 0, true);
    };
    W::all(vec![Box::new(move || acts.put(0)), Box::new(move || take(&mut one)), Box::new(move || take(&mut two))]);
    assert_eq!(hall.count(0), 0);
}

/// Who was rung for before it slept, and took something, rings for another.
#[test]
fn model_rung_before_its_sleep() {
    let model = |flaw, _| rung_before_its_sleep::<Loom>(flaw);
    verify::<Loom>("rung before its sleep", NO_KILL, model, &[Flaw::OwesNothing]);
    let model = |flaw, _| rung_before_its_sleep::<Shuttle>(flaw);
    verify::<Shuttle>("rung before its sleep, many", NO_KILL, model, &[Flaw::OwesNothing]);
}

/// One announces and gives up; another waits for the one thing that comes.
fn giving_up<W: World>(flaw: Flaw) {
    let hall = Hall::<W>::new(0);
    let mut acts = User::stands(&hall, flaw);
    let [mut one, mut two] = [0, 1].map(|seat| User::sits(&hall, seat, flaw));
    W::all(vec![Box::new(move || acts.put(0)), Box::new(move || one.give_up(0, 0)), Box::new(move || two.take(0))]);
    assert_eq!(hall.count(0), 0);
}

/// Who was rung for and gives up rings for another.
#[test]
fn model_giving_up_is_passed_on() {
    let flaws = [Flaw::OwesNothing];
    verify::<Loom>("giving up", NO_KILL, |flaw, _| giving_up::<Loom>(flaw), &[&flaws[..], &BARRIERS].concat());
    verify::<Shuttle>("giving up, many", NO_KILL, |flaw, _| giving_up::<Shuttle>(flaw), &flaws);
}

/// Two wait for one kind of thing, of whom one gives up; between them sits one who waits for another kind.
fn giving_up_among_others<W: World>(flaw: Flaw) {
    let hall = Hall::<W>::new(0);
    let mut acts = User::stands(&hall, flaw);
    let [mut one, mut other, mut two] = [0, 1, 2].map(|seat| User::sits(&hall, seat, flaw));
    let put = move || {
        acts.hall.put(0);
        acts.events[0].after_action_if(Wake::ONE, |wake_at| wake_at == 7);
        acts.hall.put(1);
        acts.events[0].after_action_if(Wake::ONE, |wake_at| wake_at == 8);
    };
    W::all(vec![
        Box::new(put),
        Box::new(move || one.give_up(0, 7)),
        Box::new(move || other.wait_until(0, 8, |hall| hall.take(1))),
        Box::new(move || two.wait_until(0, 7, |hall| hall.take(0))),
    ]);
    assert_eq!((hall.count(0), hall.count(1)), (0, 0));
}

/// A ring that is passed on reaches one who waits for the same.
#[test]
fn model_giving_up_among_others() {
    let model = |flaw, _| giving_up_among_others::<Shuttle>(flaw);
    let flaws = [Flaw::OwesNothing, Flaw::WaitsAlike, Flaw::NobodyWoken];
    verify::<Shuttle>("giving up among others", NO_KILL, model, &flaws);
}

/// One is killed on its way to sleep; another waits for one thing, and two come.
fn killed<W: World>(flaw: Flaw, kill: usize) {
    let hall = Hall::<W>::new(0);
    let mut acts = User::stands(&hall, flaw);
    let mut dies = User::new(&hall, 0, flaw, &life(kill));
    let mut sleeps = User::sits(&hall, 1, flaw);
    let put = move || {
        acts.put(0);
        acts.put(0);
    };
    W::all(vec![Box::new(put), Box::new(move || dies.falls_asleep_for_ever(0)), Box::new(move || sleeps.take(0))]);
    assert_eq!(hall.count(0), 1);
}

/// The bit of a dead sleeper costs one ring, and others are woken all the same.
#[test]
fn model_killed_sleeper_costs_one_ring() {
    // What it waits for, its bit.
    let kills = 0..3;
    verify::<Loom>("killed sleeper", kills.clone(), killed::<Loom>, &[Flaw::NobodyWoken, Flaw::NoLightBarrier]);
    verify::<Shuttle>("killed sleeper, many", kills, killed::<Shuttle>, &[Flaw::NobodyWoken]);
}

/// One was killed asleep; its successor does something else, while another waits for the one thing that comes.
fn succeeded<W: World>(flaw: Flaw) {
    let hall = Hall::<W>::new(0);
    User::sits(&hall, 0, flaw).falls_asleep_for_ever(0);
    let mut acts = User::stands(&hall, flaw);
    let mut heir = User::sits(&hall, 0, flaw);
    let mut sleeps = User::sits(&hall, 1, flaw);
    let come_and_put = move || {
        heir.succeeds();
        acts.put(0);
    };
    W::all(vec![Box::new(come_and_put), Box::new(move || sleeps.take(0))]);
    assert_eq!(hall.count(0), 0);
}

/// What was announced by the last owner of a seat costs its successor's fellows nothing.
#[test]
fn model_successor_is_not_rung_for_the_dead() {
    verify::<Loom>("successor", NO_KILL, |flaw, _| succeeded::<Loom>(flaw), &[Flaw::ComesSilently]);
    verify::<Shuttle>("successor, many", NO_KILL, |flaw, _| succeeded::<Shuttle>(flaw), &[Flaw::ComesSilently]);
}

/// One waits for two kinds of things in turn, each with an eventcount; two put them down.
fn two_events<W: World>(flaw: Flaw, count: u32) {
    let hall = Hall::<W>::new(0);
    let [mut one, mut two] = [(); 2].map(|()| User::stands(&hall, flaw));
    let mut sleeps = User::sits(&hall, 0, flaw);
    W::all(vec![
        Box::new(move || (0..count).for_each(|_| one.put(0))),
        Box::new(move || (0..count).for_each(|_| two.put(1))),
        Box::new(move || (0..2 * count).for_each(|n| sleeps.take(n as usize % 2))),
    ]);
    hall.assert_rings();
}

/// One doorbell serves the waits for several eventcounts: late rings for another wait wake for nothing, and none is lost.
#[test]
fn model_two_events_one_doorbell() {
    let flaws = [Flaw::SleepsUnseeing, Flaw::DoorbellStill, Flaw::NobodyWoken, Flaw::NoSecondLook];
    verify::<Loom>("two events", NO_KILL, |flaw, _| two_events::<Loom>(flaw, 1), &[&flaws[..], &BARRIERS].concat());
    verify::<Shuttle>("two events, many", NO_KILL, |flaw, _| two_events::<Shuttle>(flaw, 6), &flaws);
}

/// One waits until there are two things; they come one by one.
fn enough<W: World>(flaw: Flaw) {
    let hall = Hall::<W>::new(0);
    let mut acts = User::stands(&hall, flaw);
    let mut sleeps = User::sits(&hall, 0, flaw);
    let seen = Arc::clone(&hall);
    let put = move || {
        for done in 1..=2 {
            acts.hall.put(0);
            acts.events[0].after_action_if(Wake::Everybody, |it| done >= it || flaw == Flaw::EnoughUnasked);
            assert!(done == 2 || seen.wakes() == 0, "woken before there was enough");
        }
    };
    W::together(put, move || sleeps.wait_until(0, 2, |hall| hall.count(0) == 2));
}

/// Who waits for an amount is woken when it is there, and not before.
#[test]
fn model_enough_wakes() {
    let early = [Flaw::EnoughUnasked, Flaw::BitRelaxed];
    let flaws = [&PROTOCOL[..], &BARRIERS, &early].concat();
    verify::<Loom>("enough wakes", NO_KILL, |flaw, _| enough::<Loom>(flaw), &flaws);
    verify::<Shuttle>("enough wakes, many", NO_KILL, |flaw, _| enough::<Shuttle>(flaw), &PROTOCOL);
}

/// The same, where only one can wait for it.
fn enough_for_one<W: World>(flaw: Flaw) {
    let hall = Hall::<W>::new(0);
    let mut acts = User::stands(&hall, flaw);
    let mut sleeps = User::sits(&hall, 1, flaw);
    let seen = Arc::clone(&hall);
    let put = move || {
        for done in 1..=2 {
            acts.hall.put(0);
            acts.events[0].after_action_for(1, |it| done >= it || flaw == Flaw::EnoughUnasked);
            assert!(done == 2 || seen.wakes() == 0, "woken before there was enough");
        }
    };
    W::together(put, move || sleeps.wait_until(0, 2, |hall| hall.count(0) == 2));
    hall.assert_rings();
}

/// One who alone can wait for something is woken when it is there, and not before.
#[test]
fn model_enough_for_one_wakes() {
    let flaws = [&PROTOCOL[..], &BARRIERS, &[Flaw::EnoughUnasked, Flaw::BitRelaxed]].concat();
    verify::<Loom>("enough for one wakes", NO_KILL, |flaw, _| enough_for_one::<Loom>(flaw), &flaws);
}

/// One announces a wait, gives up and waits for something else; another sleeps on, for what the first one gave up.
fn counted<W: World>(flaw: Flaw) {
    let hall = Hall::<W>::new(0);
    let mut acts = User::stands(&hall, flaw);
    let [mut changes, mut sleeps] = [0, 1].map(|seat| User::sits(&hall, seat, flaw));
    sleeps.waiter.step(&mut Turn::eager(None), &sleeps.events, 0, 7);
    let put = move || {
        acts.events[0].after_action_if(Wake::ONE, |wake_at| wake_at == 7);
        acts.hall.put(1);
        acts.events[0].after_action_if(Wake::ONE, |wake_at| wake_at == 8);
    };
    let change = move || {
        changes.give_up(0, 7);
        changes.wait_until(0, 8, |hall| hall.take(1));
    };
    W::together(put, change);
    assert!(!hall.is_asleep(0, 1), "nobody rang for who sleeps on");
}

/// A ring is counted for one who waits for what it is for when its bit is cleared, whatever it waited for when that was seen.
#[test]
fn model_rings_are_counted() {
    verify::<Loom>("rings are counted", NO_KILL, |flaw, _| counted::<Loom>(flaw), &[Flaw::ClearRelaxed]);
}

/// Two wait for one and the same thing, which stays.
fn everybody<W: World>(flaw: Flaw) {
    let hall = Hall::<W>::new(0);
    let mut acts = User::stands(&hall, flaw);
    let [mut one, mut two] = [0, 1].map(|seat| User::sits(&hall, seat, flaw));
    let put = move || {
        acts.hall.put(0);
        acts.events[0].after_action(Wake::Everybody);
    };
    W::all(vec![
        Box::new(put),
        Box::new(move || one.wait_until(0, 0, |hall| hall.count(0) == 1)),
        Box::new(move || two.wait_until(0, 0, |hall| hall.count(0) == 1)),
    ]);
    hall.assert_rings();
}

/// What concerns all wakes all.
#[test]
fn model_everybody_is_woken() {
    verify::<Loom>("everybody", NO_KILL, |flaw, _| everybody::<Loom>(flaw), &[&PROTOCOL[..], &BARRIERS].concat());
    // A ring between the second look and the sleep is one schedule of very many: loom's business.
    let flaws = [Flaw::NobodyWoken, Flaw::NoSecondLook, Flaw::BitLate];
    verify::<Shuttle>("everybody, many", NO_KILL, |flaw, _| everybody::<Shuttle>(flaw), &flaws);
}
