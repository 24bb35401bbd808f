//! The link in every order: one side acts, the other announces, looks again, sleeps and is woken, each on a thread of the engine.
//!
//! 1. The waiting side goes through the real loop of a blocked call ([`Turn`] with [`Strategy::Sleep`]), as the channels do.
//! 2. Time never passes ([`page`]): who is not woken sleeps for ever, and the engine calls it a deadlock.
//! 3. Each model is run as the protocol is written, and must hold in more than one execution; then with each of the flaws that it
//!    is there to find, and must fail. A model that cannot fail says nothing.
//! 4. Loom has the barriers and orderings in few steps; shuttle knows no weak order and goes through many steps. Both sides are
//!    spawned: loom 0.7 skips orders when one side runs on the model's first thread (tokio-rs/loom 392, 166).
//!
//! `STRAIT_MODEL_FULL=1` raises the bounds.

mod eventcount;
mod hall;
mod many;
pub(crate) mod page;

use crate::peer::side::State;
use crate::wait::Strategy;
use crate::wait::link::Link;
use crate::wait::turn::{Sleeper as _, Turn, Waiting};
pub(super) use page::time;
use page::{DONE, Flaw, Life, Loom, Page, Shuttle, Window, World};
use std::fmt::Debug;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use strait_mem::{Shared as _, SharedMut as _};

pub(crate) const NO_KILL: Range<usize> = 0..1;

/// Explores `model` for each of its `kills`: it must hold as written, and for each flaw fail at one of the kills at least.
fn verify<W: World>(name: &str, kills: Range<usize>, model: fn(Flaw, usize), flaws: &[Flaw]) {
    verify_with::<W, Flaw>(name, kills, Flaw::None, model, flaws);
}

/// The same for flaws of another kind.
pub(crate) fn verify_with<W: World, F: Copy + Send + Sync + Debug + 'static>(
    name: &str,
    kills: Range<usize>,
    none: F,
    model: fn(F, usize),
    flaws: &[F],
) {
    let mut executions = 0;
    for kill in kills.clone() {
        let explored = W::explore(move || model(none, kill));
        assert!(explored > 1, "{name}, killed after {kill} steps: a single order was explored");
        executions += explored;
    }
    println!("{name}: holds in {executions} executions");
    for &flaw in flaws.iter().filter(|_| page::has_flaws()) {
        let fails = |kill| catch_unwind(AssertUnwindSafe(|| W::explore(move || model(flaw, kill)))).err();
        let Some(panic) = kills.clone().find_map(fails) else { panic!("{name}: {flaw:?} was not noticed") };
        let why = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        println!("{name}: {flaw:?} is found: {}", why.unwrap_or_default().lines().next().unwrap_or_default());
    }
}

fn window<W: World>(page: &Arc<Page<W>>, is_own: bool, flaw: Flaw, life: &Life) -> Window<W> {
    Window {
        page: Arc::clone(page),
        is_own,
        flaw,
        life: Arc::clone(life),
        has_membarrier: true,
        heavies: Arc::default(),
        looks: AtomicUsize::new(0),
    }
}

/// One side of a link.
struct Side<W: World> {
    link: Link<Window<W>, Window<W>>,
    own: Window<W>,
    peer: Window<W>,
    waiting: Waiting,
    /// How often it has waited: every other time as who waits for room does.
    waits: u32,
    flaw: Flaw,
}

impl<W: World> Side<W> {
    fn attach(own: &Arc<Page<W>>, peer: &Arc<Page<W>>, flaw: Flaw, life: &Life) -> Self {
        let window = |page: &Arc<Page<W>>, is_own| window(page, is_own, flaw, life);
        Self {
            link: Link::attach(window(own, true), window(peer, false)),
            own: window(own, true),
            peer: window(peer, false),
            waiting: Waiting::new(Strategy::Sleep),
            waits: 0,
            flaw,
        }
    }

    /// Acts: `done` messages sent, or the head moved to there; who waits for it is woken.
    fn act(&mut self, done: u32) {
        // Release, as a commit or a release of the ring.
        self.own.store_u64(DONE, u64::from(done), Release);
        let flaw = self.flaw;
        self.link.after_action(|wake_at| done >= wake_at || flaw == Flaw::EnoughUnasked);
    }

    /// What the other side has done.
    fn peer_done(&self) -> u32 {
        // Acquire, as the loads of the ring. Truncation: as stored.
        self.peer.load_u64(DONE, Acquire) as u32
    }

    /// A blocked call.
    fn wait_until(&mut self, wake_at: u32, is_so: impl Fn(&Self) -> bool) {
        if is_so(self) {
            return;
        }
        let mut turn = if self.waits % 2 == 0 { Turn::patient(None) } else { Turn::eager(None) };
        self.waits += 1;
        let mut is_announced = false;
        loop {
            turn.step(&mut self.waiting, &mut self.link, wake_at);
            is_announced = !is_announced;
            let looks = !(is_announced && self.flaw == Flaw::NoSecondLook);
            if looks && is_so(self) {
                break;
            }
        }
        turn.end(&mut self.waiting, &mut self.link);
    }

    fn wait_for(&mut self, done: u32) {
        self.wait_until(done, |side| side.peer_done() >= done);
    }
}

/// Both sides of a link, attached, and their pages, the sender's first.
fn pair<W: World>(flaw: Flaw) -> ([Side<W>; 2], [Arc<Page<W>>; 2]) {
    let (sender, receiver) = (Page::new(0), Page::new(0));
    let sides =
        [Side::attach(&sender, &receiver, flaw, &endless()), Side::attach(&receiver, &sender, flaw, &endless())];
    (sides, [sender, receiver])
}

pub(crate) fn endless() -> Life {
    page::life(usize::MAX)
}

/// `from` rings at most once for each sleep that `to` announces, beyond `others` rings.
fn assert_rings<W: World>(from: &Page<W>, to: &Page<W>, others: usize) {
    let (wakes, sleeps) = (from.wakes(), to.announcements());
    assert!(wakes <= sleeps + others, "{wakes} rings for {sleeps} sleeps");
}

/// What any engine notices.
const PROTOCOL: [Flaw; 5] =
    [Flaw::SleepsUnseeing, Flaw::BellStill, Flaw::NobodyWoken, Flaw::NoSecondLook, Flaw::RingsAgain];
/// What only loom can.
const BARRIERS: [Flaw; 2] = [Flaw::NoLightBarrier, Flaw::NoHeavyBarrier];

/// So also these, on which rests what passes no light barrier: attaching and leaving.
const ORDERS: [Flaw; 3] = [Flaw::PresenceStoreRelaxed, Flaw::PresenceLoadRelaxed, Flaw::BellStoreRelaxed];

/// A receiver waits for each of some messages; the sender sends them in a burst.
fn messages<W: World>(flaw: Flaw, count: u32) {
    let ([mut sender, mut receiver], [senders, receivers]) = pair::<W>(flaw);
    let send = move || (1..=count).for_each(|n| sender.act(n));
    W::together(send, move || (1..=count).for_each(|n| receiver.wait_for(n)));
    // Attaching rings too.
    assert_rings(&senders, &receivers, 1);
}

/// A sleeping receiver is woken by a message, and once per sleep.
#[test]
fn model_message_wakes() {
    let model = |flaw, _| messages::<Loom>(flaw, 2);
    verify::<Loom>("message wakes", NO_KILL, model, &[&PROTOCOL[..], &BARRIERS].concat());
    verify::<Shuttle>("message wakes, many", NO_KILL, |flaw, _| messages::<Shuttle>(flaw, 12), &PROTOCOL);
}

/// A sender waits for room several times; each time the receiver gives it in two steps.
fn room<W: World>(flaw: Flaw, times: u32) {
    let ([mut sender, mut receiver], [senders, receivers]) = pair::<W>(flaw);
    let wakes = Arc::clone(&receivers);
    let release = move || {
        for time in 1..=times {
            receiver.act(2 * time - 1);
            // Attaching rings too.
            assert!(times > 1 || wakes.wakes() == 1, "woken before there was enough");
            receiver.act(2 * time);
        }
    };
    W::together(move || (1..=times).for_each(|time| sender.wait_for(2 * time)), release);
    assert_rings(&receivers, &senders, 1);
}

/// A sleeping sender is woken when there is as much room as it waits for, not before, and once per sleep.
#[test]
fn model_room_wakes() {
    let early = [Flaw::EnoughUnasked, Flaw::PresenceStoreRelaxed, Flaw::PresenceLoadRelaxed];
    // Ringing again is no different here: there is one action that is enough.
    let protocol = &PROTOCOL[..4];
    verify::<Loom>("room wakes", NO_KILL, |flaw, _| room::<Loom>(flaw, 1), &[protocol, &BARRIERS, &early].concat());
    verify::<Shuttle>("room wakes, many", NO_KILL, |flaw, _| room::<Shuttle>(flaw, 6), protocol);
}

/// Messages through a ring of `capacity`: each side waits for the other in turn.
fn both_ways<W: World>(flaw: Flaw, count: u32, capacity: u32) {
    let ([mut sender, mut receiver], [senders, receivers]) = pair::<W>(flaw);
    let send = move || {
        for n in 1..=count {
            sender.wait_for(n.saturating_sub(capacity));
            sender.act(n);
        }
    };
    let receive = move || {
        for n in 1..=count {
            receiver.wait_for(n);
            receiver.act(n);
        }
    };
    W::together(send, receive);
    assert_rings(&senders, &receivers, 1);
    assert_rings(&receivers, &senders, 1);
}

/// Two sides that wait for each other in turn never both sleep.
#[test]
fn model_both_ways() {
    let model = |flaw, _| both_ways::<Loom>(flaw, 2, 1);
    verify::<Loom>("both ways", NO_KILL, model, &BARRIERS);
    let model = |flaw, _| both_ways::<Shuttle>(flaw, 12, 2);
    verify::<Shuttle>("both ways, many", NO_KILL, model, &PROTOCOL);
}

/// A sender that fences for its first messages, or begins to after one that it sent without; its second ring finds the receiver on
/// another core and ends that. A receiver that finds it fencing sleeps without a heavy barrier; where it does not, it goes: that is the
/// business of the other models, and here there is no other barrier than the full one.
fn fencing<W: World>(flaw: Flaw, is_late: bool) {
    let (senders, receivers) = (Page::<W>::new(0), Page::<W>::new(0));
    let bare = |page: &Arc<Page<W>>, is_own| Window { has_membarrier: false, ..window(page, is_own, flaw, &endless()) };
    let act = |side: &mut Link<Window<W>, Window<W>>, own: &Window<W>, done: u32| {
        own.store_u64(DONE, u64::from(done), Release);
        side.after_action(|_| true);
    };
    let waits = bare(&receivers, true);
    let heavies = Arc::clone(&waits.heavies);
    let mut receiver = Link::attach(waits, bare(&senders, false));
    let (own, sees) = (bare(&senders, true), bare(&senders, false));
    let mut sender = Link::attach(bare(&senders, true), bare(&receivers, false));
    if !is_late {
        sender.start_fencing();
    }
    let send = move || {
        act(&mut sender, &own, 1);
        if is_late {
            sender.start_fencing();
        } else {
            act(&mut sender, &own, 2);
            act(&mut sender, &own, 3);
        }
    };
    let last = if is_late { 1 } else { 3 };
    let receive = move || {
        while (sees.load_u64(DONE, Acquire) as u32) < last {
            let announced = receiver.announce(0);
            if heavies.load(Relaxed) > 0 {
                return;
            }
            if (sees.load_u64(DONE, Acquire) as u32) < last {
                receiver.sleep(announced, std::time::Duration::MAX);
            }
            receiver.wake_up();
        }
    };
    W::together(send, receive);
}

/// Who sleeps without a heavy barrier, because the other side fences, is woken: also when that ends, or has just begun.
#[test]
fn model_fencing_wakes() {
    let flaws = [Flaw::NoFullBarrier, Flaw::BellStill, Flaw::NobodyWoken];
    verify::<Loom>("fencing wakes", NO_KILL, |flaw, _| fencing::<Loom>(flaw, false), &flaws);
    let model = |flaw, _| fencing::<Loom>(flaw, true);
    verify::<Loom>("fencing that begins wakes", NO_KILL, model, &[Flaw::FencesRelaxed]);
}

/// A sender that sends and leaves: its last message is stored as weakly as can be.
fn leaving<W: World>(flaw: Flaw) {
    let ([mut sender, mut receiver], _) = pair::<W>(flaw);
    let leave = move || {
        sender.own.store_u64(DONE, 1, Relaxed);
        sender.link.leave();
    };
    let wait = move || {
        receiver.wait_until(0, |side| side.link.peer().0 == State::Left);
        assert_eq!(receiver.peer.load_u64(DONE, Relaxed), 1, "what was sent before leaving");
    };
    W::together(leave, wait);
}

/// Leaving wakes the other side, which then sees all that was sent.
#[test]
fn model_leaving_wakes() {
    let protocol = &PROTOCOL[..4];
    verify::<Loom>("leaving wakes", NO_KILL, |flaw, _| leaving::<Loom>(flaw), &[protocol, &ORDERS].concat());
    verify::<Shuttle>("leaving wakes, many", NO_KILL, |flaw, _| leaving::<Shuttle>(flaw), protocol);
}

/// A receiver waits for a sender to come, which sets something up first.
fn coming<W: World>(flaw: Flaw) {
    let (senders, receivers) = (Page::<W>::new(0), Page::<W>::new(0));
    let mut receiver = Side::attach(&receivers, &senders, flaw, &endless());
    let come = move || {
        window(&senders, true, flaw, &endless()).store_u64(DONE, 1, Relaxed);
        Side::attach(&senders, &receivers, flaw, &endless());
    };
    let wait = move || {
        receiver.wait_until(0, |side| side.link.peer().0 == State::Attached);
        assert_eq!(receiver.peer.load_u64(DONE, Relaxed), 1, "what was set up before attaching");
    };
    W::together(come, wait);
}

/// Attaching wakes the other side, which then sees all that was set up.
#[test]
fn model_attaching_wakes() {
    let protocol = &PROTOCOL[..4];
    verify::<Loom>("attaching wakes", NO_KILL, |flaw, _| coming::<Loom>(flaw), &[protocol, &ORDERS].concat());
    verify::<Shuttle>("attaching wakes, many", NO_KILL, |flaw, _| coming::<Shuttle>(flaw), protocol);
}

/// A sender is killed after `kill` steps on its way to a message; its successor sends only what is not there.
fn sender_succeeded<W: World>(flaw: Flaw, kill: usize) {
    let (senders, receivers) = (Page::<W>::new(0), Page::<W>::new(0));
    let mut receiver = Side::attach(&receivers, &senders, flaw, &endless());
    let send = move || {
        let life = page::life(kill);
        let mut sender = Side::attach(&senders, &receivers, flaw, &life);
        if !page::is_over(&life) {
            sender.act(1);
        }
        drop(sender);
        let mut sender = Side::attach(&senders, &receivers, flaw, &endless());
        if sender.own.load_u64(DONE, Relaxed) == 0 {
            sender.act(1);
        }
    };
    W::together(send, move || receiver.wait_for(1));
}

/// A sender that is killed anywhere, between its message and the ring too: its successor's coming wakes the receiver.
#[test]
fn model_killed_sender_is_made_good() {
    // Attaching: who fences, presence, bell, wake. Acting: the message, bell, wake.
    let kills = 0..8;
    let flaws = [Flaw::BellForgotten, Flaw::BellStill, Flaw::NobodyWoken, Flaw::NoSecondLook];
    let model = sender_succeeded::<Loom>;
    verify::<Loom>("killed sender", kills.clone(), model, &[&flaws[..], &BARRIERS].concat());
    // A forgotten bell is lost in one schedule of very many: loom's business.
    verify::<Shuttle>("killed sender, many", kills, sender_succeeded::<Shuttle>, &flaws[1..]);
}

/// A receiver is killed after `kill` steps on its way to sleep; its successor waits beside a sender that may have rung for the dead.
fn receiver_succeeded<W: World>(flaw: Flaw, kill: usize, count: u32) {
    let (senders, receivers) = (Page::<W>::new(0), Page::<W>::new(0));
    let mut sender = Side::attach(&senders, &receivers, flaw, &endless());
    let receive = move || {
        let life = page::life(kill);
        let mut receiver = Side::attach(&receivers, &senders, flaw, &life);
        let _ = receiver.link.announce(0);
        drop(receiver);
        Side::attach(&receivers, &senders, flaw, &endless()).wait_for(count);
    };
    W::together(move || (1..=count).for_each(|n| sender.act(n)), receive);
}

/// A receiver that is killed anywhere, asleep too: its successor is woken as if it were the first.
#[test]
fn model_killed_receiver_is_made_good() {
    // Attaching: who fences, presence, bell, wake. Announcing: the position, presence.
    let kills = 0..7;
    let flaws = [Flaw::PresenceForgotten, Flaw::SleepsUnseeing, Flaw::BellStill, Flaw::NobodyWoken];
    let model = |flaw, kill| receiver_succeeded::<Loom>(flaw, kill, 2);
    verify::<Loom>("killed receiver", kills.clone(), model, &[&flaws[..], &BARRIERS].concat());
    let model = |flaw, kill| receiver_succeeded::<Shuttle>(flaw, kill, 12);
    verify::<Shuttle>("killed receiver, many", kills, model, &flaws);
}
