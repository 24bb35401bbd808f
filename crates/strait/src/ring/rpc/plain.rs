//! Call slots on plain memory, one side after the other: orders, laps, and what a lying peer wrote.

use crate::ring::PeerFault;
use crate::ring::rpc::{Caller, Claimant, Claimed, NUMBER_MASK, Seen, Server, Shape, State, Word, calls_in, census};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use strait_mem::{Mapping, Shared as _, SharedMut as _, ViewMut};

const ME: u32 = 3;

struct Plain {
    shape: Shape,
    mapping: Arc<Mapping>,
}

impl Plain {
    fn new(rows: u32, in_flight: u32) -> Self {
        let shape = Shape::new(rows, in_flight, 16, 16).expect("sound");
        Self { shape, mapping: Mapping::anonymous(shape.bytes() as usize, None, false).expect("memory") }
    }

    fn view(&self) -> ViewMut {
        self.mapping.view_mut(0..self.mapping.len()).expect("writable")
    }

    fn caller(&self, row: u32) -> Caller<ViewMut> {
        let start = self.shape.at(row, 0);
        let window = self.mapping.view_mut(start..start + self.shape.row_bytes() as usize).expect("writable");
        Caller::attach(self.shape, window, Claimant::new(row, 1))
    }

    fn server(&self) -> Server<ViewMut> {
        Server::new(self.shape, self.view(), Claimant::new(self.shape.rows + ME, 1))
    }

    fn store(&self, slot: u32, word: u64) {
        self.view().store_u64(self.shape.at(0, slot), word, Relaxed);
    }
}

fn claim(server: &mut Server<ViewMut>) -> Option<(u32, u8)> {
    let claimed = server.claim(false, |_| u64::MAX, |_, _| true)?;
    Some((claimed.row, asked(server, &claimed)))
}

fn asked(server: &Server<ViewMut>, claimed: &Claimed) -> u8 {
    let mut byte = [0];
    server.read(claimed, &mut byte);
    byte[0]
}

fn post(caller: &mut Caller<ViewMut>, ask: u8) -> Option<u64> {
    let number = caller.free()?;
    caller.post(number, &[ask]);
    Some(number)
}

/// Rows take turns, the calls of each in order, around slots that are taken and over the end of the numbers.
#[test]
fn rows_take_turns() {
    let plain = Plain::new(2, 4);
    for number in NUMBER_MASK - 4..NUMBER_MASK {
        plain.store(plain.shape.slot_of(number), Word::new(State::Done, Claimant::new(ME, 1), number).0);
    }
    let (mut one, mut other, mut server) = (plain.caller(0), plain.caller(1), plain.server());
    for ask in 0..4 {
        post(&mut one, ask).expect("free");
        post(&mut other, 10 + ask).expect("free");
    }
    assert!(one.free().is_none());
    let mut order: Vec<(u32, u8)> = std::iter::from_fn(|| claim(&mut server)).collect();
    assert_eq!(order.len(), 8);
    assert!(order.windows(2).all(|pair| pair[0].0 != pair[1].0), "in turn: {order:?}");
    order.sort_unstable();
    let in_order = [(0, 0), (0, 1), (0, 2), (0, 3), (1, 10), (1, 11), (1, 12), (1, 13)];
    assert_eq!(order, in_order);
}

/// A call whose slot is still taken leaves its number out, and a server finds the ones behind it all the same.
#[test]
fn taken_slots_are_left_out() {
    let plain = Plain::new(1, 3);
    let (mut caller, mut server) = (plain.caller(0), plain.server());
    let long = post(&mut caller, 0).expect("free");
    let claimed = server.claim(true, |_| 1, |_, _| true).expect("foreseen");
    for lap in 0..20 {
        let number = post(&mut caller, lap).expect("free");
        assert_ne!(plain.shape.slot_of(number), plain.shape.slot_of(long));
        let next = server.claim(false, |_| 1, |_, _| true).expect("found");
        assert_eq!(asked(&server, &next), lap);
        server.answer(&next, &[lap]);
        assert_eq!(caller.look(number), Ok(Seen::Done(1)));
        caller.finish(number);
    }
    server.fail(&claimed, 5);
    assert_eq!(caller.look(long), Ok(Seen::Failed(5)));
}

/// Of two servers, one behind the other, each finds the oldest call that is left.
#[test]
fn servers_find_the_oldest() {
    let plain = Plain::new(1, 8);
    let mut caller = plain.caller(0);
    let (mut one, mut other) = (plain.server(), plain.server());
    (0..8).for_each(|ask| assert!(post(&mut caller, ask).is_some()));
    for turn in 0..8 {
        let server = if turn % 3 == 0 { &mut one } else { &mut other };
        assert_eq!(claim(server), Some((0, turn)));
    }
    assert_eq!(claim(&mut one), None);
}

/// What nobody may be served is dropped: calls of a generation that is gone.
#[test]
fn dead_callers_calls_are_dropped() {
    let plain = Plain::new(1, 2);
    let (mut caller, mut server) = (plain.caller(0), plain.server());
    let number = post(&mut caller, 1).expect("free");
    assert_eq!(server.claim(false, |_| 1, |_, by| by.generation == 2), None);
    assert_eq!(plain.view().load_u64(plain.shape.at(0, plain.shape.slot_of(number)), Relaxed) & 15, 0, "free");
    // The successor withdraws what is left, and leaves alone what a server is at.
    post(&mut caller, 2).expect("free");
    post(&mut caller, 3);
    let claimed = server.claim(false, |_| 1, |_, _| true).expect("there");
    let mut next = plain.caller(0);
    assert_eq!(server.claim(false, |_| 1, |_, _| true), None);
    assert!(server.is_abandoned(&claimed));
    assert!(next.leaves_any_alone());
    next.collect(|_| true);
    assert!(!next.leaves_any_alone());
}

/// Words that nobody honest writes are no calls; bits of rows that are none are not looked at; a length beyond the limit is no request.
#[test]
fn server_believes_nothing() {
    let plain = Plain::new(1, 2);
    let mut server = plain.server();
    for word in [u64::MAX, 0, 2, 3, 4, 5, 6, 14] {
        plain.store(0, word);
        plain.store(1, word);
        assert_eq!(server.claim(false, |_| u64::MAX, |_, _| true), None);
    }
    plain.store(0, 1);
    plain.view().store_u32(8, 17, Relaxed);
    let claimed = server.claim(false, |_| u64::MAX, |_, _| true).expect("ready");
    assert_eq!(claimed.len_bytes, None);
    server.drop(&claimed);
}

/// A caller finds each lie: another call's number, a state that nobody brings it to, a client that serves, a request that
/// somebody else has posted, too long an answer.
#[test]
fn caller_finds_lies() {
    let plain = Plain::new(4, 1);
    let mut caller = plain.caller(0);
    let number = post(&mut caller, 1).expect("free");
    let server = Claimant::new(4, 1);
    let lies = [
        (Word::new(State::Done, server, number + 1), "number of a call"),
        (Word::new(State::Free, server, number), "state of a call"),
        (Word::new(State::Impossible, server, number), "state of a call"),
        (Word::new(State::Serving, Claimant::new(3, 1), number), "claimant of a call"),
        (Word::new(State::Ready, server, number), "caller of a call"),
    ];
    for (word, what) in lies {
        plain.store(0, word.0);
        assert_eq!(caller.look(number), Err(PeerFault { what, offset: 0, found: word.0 }));
        assert!(!caller.take_back(number, server) && !caller.repeat(number, server) && !caller.withdraw(number));
    }
    plain.store(0, Word::new(State::Done, server, number).0);
    plain.view().store_u32(12, 17, Relaxed);
    assert_eq!(caller.look(number).expect_err("a lie").what, "length of an answer");
}

/// A call is open until it is answered, and awaited until its end was seen; all of it is told by a look at the slots.
#[test]
fn calls_are_told() {
    let plain = Plain::new(2, 2);
    let (mut caller, mut server) = (plain.caller(0), plain.server());
    let told = |caller: &Caller<ViewMut>, server: &Server<ViewMut>, used| {
        (calls_in(plain.shape, &plain.view()), server.has_call(|_| used), caller.in_flight())
    };
    assert_eq!(told(&caller, &server, 3), (0, false, 0));
    let number = post(&mut caller, 1).expect("free");
    let slot = plain.shape.slot_of(number);
    assert_eq!(told(&caller, &server, 3), (1, true, 1));
    assert_eq!(told(&caller, &server, 2), (1, false, 1), "the row is not in use");
    assert_eq!((caller.awaited_at(slot), caller.awaited_at(1 - slot)), (Some(number), None));
    let claimed = server.claim(false, |_| 3, |_, _| true).expect("there");
    assert!(!caller.is_over(number) && !server.is_abandoned(&claimed));
    assert_eq!(told(&caller, &server, 3), (1, false, 1));
    server.answer(&claimed, &[2]);
    assert!(caller.is_over(number));
    assert_eq!(told(&caller, &server, 3), (0, false, 1));
    caller.finish(number);
    assert_eq!((told(&caller, &server, 3), caller.awaited_at(slot)), ((0, false, 0), None));
}

/// What is given up is withdrawn, or left alone until its server has answered or is gone; a call that is awaited is not touched by that.
#[test]
fn given_up_calls_are_collected() {
    let plain = Plain::new(1, 3);
    let (mut caller, mut server) = (plain.caller(0), plain.server());
    let numbers = [1, 2, 3].map(|ask| post(&mut caller, ask).expect("free"));
    let [one, other] = [(); 2].map(|()| server.claim(false, |_| 1, |_, _| true).expect("there"));
    assert!(!caller.give_up(numbers[0]) && caller.give_up(numbers[2]));
    assert_eq!((caller.in_flight(), caller.leaves_any_alone()), (1, true));
    assert!(server.is_abandoned(&one) && !server.is_abandoned(&other));
    caller.collect(|_| false);
    assert!(caller.leaves_any_alone());
    // Its server is gone, and so is that of the call that is awaited: of which only its caller decides.
    caller.collect(|_| true);
    assert!(!caller.leaves_any_alone());
    assert_eq!(calls_in(plain.shape, &plain.view()), 1);
    let slot = plain.shape.at(0, plain.shape.slot_of(numbers[0]));
    assert_eq!(Word(plain.view().load_u64(slot, Relaxed)).state(), State::Free);
    server.answer(&other, &[4]);
    assert_eq!(caller.look(numbers[1]), Ok(Seen::Done(1)));
}

/// Who only looks counts how many calls there were, who waits for those that are open, and who serves them. A lie is told.
#[test]
fn calls_are_counted_by_whom() {
    let plain = Plain::new(2, 3);
    let (mut one, mut two, mut server) = (plain.caller(0), plain.caller(1), plain.server());
    let look = || {
        let (mut rows, mut seats) = (Vec::new(), Vec::new());
        let counted = census(plain.shape, &plain.view(), |row| rows.push(row), |seat| seats.push(seat));
        counted.map(|it| ((it.open, it.numbered), rows, seats.len()))
    };
    assert_eq!(look(), Ok(((0, 0), vec![], 0)));
    (0..3).for_each(|ask| assert!(post(&mut one, ask).is_some()));
    assert!(post(&mut two, 7).is_some());
    assert_eq!(look(), Ok(((4, 4), vec![0, 0, 0, 1], 0)));
    let claimed = server.claim(false, |_| 1, |_, _| true).expect("there");
    assert_eq!(look(), Ok(((4, 4), vec![0, 0, 0, 1], 1)));
    server.answer(&claimed, &[0]);
    assert_eq!(look().expect("sound").0, (3, 4));
    plain.view().store_u64(0, u64::MAX, Relaxed);
    assert_eq!(look().expect_err("a lie").what, "state of a call");
}

/// Who leaves gives everything up: what no server has begun with is gone, and servers see that nobody waits.
#[test]
fn all_is_given_up() {
    let plain = Plain::new(1, 4);
    let (mut caller, mut server) = (plain.caller(0), plain.server());
    (0..3).for_each(|ask| assert!(post(&mut caller, ask).is_some()));
    let claimed = server.claim(false, |_| 1, |_, _| true).expect("there");
    caller.give_all_up();
    assert!(server.is_abandoned(&claimed));
    assert_eq!((caller.in_flight(), calls_in(plain.shape, &plain.view()), claim(&mut server)), (0, 1, None));
    server.answer(&claimed, &[0]);
    caller.collect(|_| false);
    assert!(!caller.leaves_any_alone());
}

/// Of more rows than have room in one word each has its turn, wherever a server begins.
#[test]
fn many_rows_take_turns() {
    const ROWS: u32 = 150;
    let plain = Plain::new(ROWS, 2);
    let mut callers: Vec<_> = (0..ROWS).map(|row| plain.caller(row)).collect();
    for first in [0, 1, 63, 64, 100, 149] {
        let mut server = Server::new(plain.shape, plain.view(), Claimant::new(first, 1));
        callers.iter_mut().for_each(|caller| assert!(post(caller, 7).is_some()));
        let mut claim = || server.claim(false, |_| u64::MAX, |_, _| true);
        let served: Vec<u32> = std::iter::from_fn(&mut claim).map(|claimed| claimed.row).collect();
        let expected: Vec<u32> = (first..ROWS).chain(0..first).collect();
        assert_eq!(served, expected);
        for caller in &mut callers {
            // Their server is dead.
            caller.give_all_up();
            caller.collect(|_| true);
        }
    }
    let mut server = Server::new(plain.shape, plain.view(), Claimant::new(1, 1));
    for row in [0, 100] {
        assert!(post(&mut callers[row], 7).is_some());
    }
    let claim = || server.claim(false, |_| u64::MAX, |_, _| true);
    assert_eq!(std::iter::from_fn(claim).map(|claimed| claimed.row).collect::<Vec<_>>(), [100, 0]);
}

/// A server that has slept for a while serves the oldest call first, also where a later one lies where it looks first.
#[test]
fn foreseen_is_not_oldest() {
    let plain = Plain::new(1, 2);
    let (mut caller, mut awake, mut sleeper) = (plain.caller(0), plain.server(), plain.server());
    let first = post(&mut caller, 1).expect("free");
    let claimed = awake.claim(false, |_| 1, |_, _| true).expect("there");
    awake.answer(&claimed, &[1]);
    caller.finish(first);
    (2..4).for_each(|ask| assert!(post(&mut caller, ask).is_some()));
    assert_eq!(sleeper.claim(true, |_| 1, |_, _| true), None);
    assert_eq!([claim(&mut sleeper), claim(&mut sleeper)], [Some((0, 2)), Some((0, 3))]);
}
