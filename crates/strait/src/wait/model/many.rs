//! Waiting on many in every order: the real rounds ([`Rounds::wait`]) over real links, one for each sender.

use super::page::{Flaw, Loom, Page, Shuttle, World};
use super::{NO_KILL, Side, endless, verify};
use crate::wait::Strategy;
use crate::wait::source::{Rounds, Source};
use crate::wait::turn::{Sleeper as _, Waiting};
use std::sync::Arc;
use std::time::Duration;
use strait_mem::SleepAny;

/// A sender's bell. `BARRIER`: whether the rare side passes one.
struct Bell<W: World, const BARRIER: bool> {
    page: Arc<Page<W>>,
    flaw: Flaw,
}

impl<W: World, const BARRIER: bool> SleepAny for Bell<W, BARRIER> {
    /// All pages of a model share one bed, as if the kernel had one bucket for all words: each word is compared, and the sleep on all
    /// of them begins, under its lock.
    fn sleep_any(words: &[(&Self, u32)], _: Duration) -> bool {
        let first = words[0].0;
        let compared = if first.flaw == Flaw::OneWord { &words[..1] } else { words };
        let is_same = || compared.iter().all(|(bell, expected)| bell.page.bell() == *expected);
        W::sleep(first.page.bed(), || first.flaw == Flaw::SleepsUnseeing || is_same());
        false
    }

    fn full_barrier() {}

    fn heavy_barrier() {
        if BARRIER {
            W::fence();
        }
    }
}

/// The receiving end of one link.
struct End<W: World, const BARRIER: bool> {
    side: Side<W>,
    bell: Bell<W, BARRIER>,
    received: u32,
    is_announced: bool,
    is_first: bool,
    flaw: Flaw,
}

impl<W: World, const BARRIER: bool> Source<Bell<W, BARRIER>> for End<W, BARRIER> {
    fn is_ready(&mut self) -> bool {
        let looks = !(self.is_announced && self.flaw == Flaw::NoSecondLook);
        looks && self.side.peer_done() > self.received
    }

    fn announce(&mut self) -> u32 {
        self.is_announced = true;
        if self.flaw == Flaw::FirstOnly && !self.is_first {
            return self.bell.page.bell();
        }
        self.side.link.announce_alone(0)
    }

    fn is_fenced(&self) -> bool {
        self.side.link.is_fenced()
    }

    fn word(&self) -> &Bell<W, BARRIER> {
        &self.bell
    }

    fn withdraw(&mut self) {
        self.is_announced = false;
        if (self.is_first || self.flaw != Flaw::FirstOnly) && self.flaw != Flaw::NotWithdrawn {
            self.side.link.wake_up();
        }
    }
}

/// A sender and the receiver's end, for each of two links, attached.
fn links<W: World, const BARRIER: bool>(flaw: Flaw) -> [(Side<W>, End<W, BARRIER>); 2] {
    let bed = Page::<W>::new(0);
    [true, false].map(|is_first| {
        let (senders, receivers) = (Page::beside(&bed), Page::beside(&bed));
        let sender = Side::attach(&senders, &receivers, flaw, &endless());
        let side = Side::attach(&receivers, &senders, flaw, &endless());
        let bell = Bell { page: senders, flaw };
        (sender, End { side, bell, received: 0, is_announced: false, is_first, flaw })
    })
}

/// Waits for so many messages, from whichever link.
fn receive<W: World, const BARRIER: bool>(mut ends: [End<W, BARRIER>; 2], count: u32) {
    let mut rounds = Rounds::new(Waiting::new(Strategy::Sleep));
    for _ in 0..count {
        let found = rounds.wait(&mut ends, None).expect("without a deadline");
        ends[found].received += 1;
    }
    for end in ends {
        assert!(!end.is_announced, "announced when the wait is over");
        assert_eq!(end.received, end.side.peer_done());
    }
}

/// One of two links is busy, the other one silent.
fn one_of_two<W: World, const BARRIER: bool>(flaw: Flaw, busy: usize, count: u32) {
    let [(first, first_end), (second, second_end)] = links::<W, BARRIER>(flaw);
    let mut senders = [first, second];
    let send = move || (1..=count).for_each(|n| senders[busy].act(n));
    W::together(send, move || receive([first_end, second_end], count));
}

/// Both links are busy.
fn both<W: World>(flaw: Flaw, count: u32) {
    let [(mut first, first_end), (mut second, second_end)] = links::<W, true>(flaw);
    W::all(vec![
        Box::new(move || (1..=count).for_each(|n| first.act(n))),
        Box::new(move || (1..=count).for_each(|n| second.act(n))),
        Box::new(move || receive([first_end, second_end], 2 * count)),
    ]);
}

const PROTOCOL: [Flaw; 7] = [
    Flaw::SleepsUnseeing,
    Flaw::BellStill,
    Flaw::NobodyWoken,
    Flaw::NoSecondLook,
    Flaw::OneWord,
    Flaw::FirstOnly,
    Flaw::NotWithdrawn,
];

/// An event of either of two sources, at any moment between look and sleep, ends the wait; nothing stays announced.
#[test]
fn model_one_of_many_wakes() {
    // In the place of the kills: which of the two is busy.
    let model = |flaw, busy| one_of_two::<Loom, true>(flaw, busy, 2);
    verify::<Loom>("one of many wakes", 0..2, model, &[&PROTOCOL[..], &[Flaw::NoLightBarrier]].concat());
    let model = |flaw, busy| match flaw {
        Flaw::NoHeavyBarrier => one_of_two::<Loom, false>(flaw, busy, 1),
        _ => one_of_two::<Loom, true>(flaw, busy, 1),
    };
    verify::<Loom>("one of many wakes, barriers", 0..2, model, &[Flaw::NoHeavyBarrier]);
}

/// Two sources that are busy at once: each message is received.
#[test]
fn model_all_of_many_wake() {
    verify::<Shuttle>("all of many wake", NO_KILL, |flaw, _| both::<Shuttle>(flaw, 5), &PROTOCOL);
    verify::<Loom>("all of many wake, few", NO_KILL, |flaw, _| both::<Loom>(flaw, 1), &[Flaw::FirstOnly]);
}
