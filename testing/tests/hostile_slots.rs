//! Lies in the words that slots, and sleepers, go by: each is told of by its name, or costs no more than one slice of sleep.
#![cfg(target_arch = "x86_64")]

use std::fs::File;
use std::time::Instant;
use strait::channel::layout::Part;
use strait::channel::spsc::{self, Options, Receiver, Sender, pair};
use strait::channel::{RecvError, SendError, Strategy, TryRecvError, TrySendError};
use strait_testing::hostile::memory::Memory;
use strait_testing::in_time;

type Line = [u64; 8];

const SLOTS: u64 = 64;

fn options() -> Options {
    Options::new().capacity_bytes(SLOTS * 64).wait(Strategy::Sleep)
}

/// Both ends, and what a liar has.
fn channel() -> (Sender<Line>, Receiver<Line>, Memory) {
    let (tx, rx) = pair::<Line>(&options()).expect("memory");
    let file = File::from(tx.fd().expect("a memfd").try_clone_to_owned().expect("a descriptor"));
    let memory = Memory::of(&file).expect("map");
    (tx, rx, memory)
}

fn at(part: Part, name: &str) -> usize {
    let field = spsc::layout::<Line>(SLOTS * 64).into_iter().find(|it| it.part == part && it.name == name);
    field.expect("is in the layout").offset as usize
}

/// Where messages lie in slots nobody believes a head, and nothing lies behind them.
#[test]
fn layout_of_slots() {
    let fields = spsc::layout::<Line>(SLOTS * 64);
    assert!(fields.iter().all(|it| it.name != "head" && it.part != Part::Margin));
    assert_eq!(fields.iter().find(|it| it.part == Part::Ring).map(|it| it.name), Some("slots"));
    let (mut tx, mut rx, memory) = channel();
    // The word that records keep a head in.
    memory.store(at(Part::ReceiverSide, "received") - 8, 8, u64::MAX);
    for n in 0..3 * SLOTS {
        tx.try_send(&[n; 8]).expect("room");
        assert_eq!(rx.try_recv(), Ok([n; 8]));
    }
}

/// A sender's count behind what was received, or ahead of it by more than there are slots, is the sender's fault, and for ever.
#[test]
fn senders_count_is_a_lie() {
    for lie in [1, SLOTS + 3, SLOTS + 4, 1 << 32, u64::MAX, 0] {
        let (mut tx, mut rx, memory) = channel();
        for n in 0..2 {
            tx.try_send(&[n; 8]).expect("room");
            rx.try_recv().expect("there");
        }
        memory.store(at(Part::SenderSide, "sent"), 8, lie);
        for _ in 0..2 {
            let Err(TryRecvError::Failed(RecvError::Fault(fault))) = rx.try_recv() else { panic!("{lie} is believed") };
            assert_eq!((fault.what, fault.found), ("sender's count", lie));
            memory.store(at(Part::SenderSide, "sent"), 8, 2);
        }
    }
}

/// Counts that slots allow are believed: what is received then is any value, and no more than there are slots.
#[test]
fn senders_count_within_the_ring() {
    for ahead in [1, SLOTS - 1, SLOTS] {
        let (mut tx, mut rx, memory) = channel();
        for n in 0..5 {
            tx.try_send(&[n; 8]).expect("room");
            rx.try_recv().expect("there");
        }
        memory.store(at(Part::SenderSide, "sent"), 8, 5 + ahead);
        let received = (0..).take_while(|_| rx.try_recv().is_ok()).count();
        assert_eq!(received as u64, ahead);
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    }
}

/// A receiver's count that goes back, or beyond what was sent, is the receiver's fault, and for ever.
#[test]
fn receivers_count_is_a_lie() {
    for lie in [1, SLOTS + 3, 1 << 32, u64::MAX, 0] {
        let (mut tx, mut rx, memory) = channel();
        for n in 0..SLOTS {
            tx.try_send(&[n; 8]).expect("room");
        }
        // Looked at: from here on it only moves forward.
        assert_eq!(tx.try_send(&[0; 8]), Err(TrySendError::Full));
        rx.try_recv().expect("there");
        rx.try_recv().expect("there");
        tx.try_send(&[0; 8]).expect("room");
        tx.try_send(&[0; 8]).expect("room");
        memory.store(at(Part::ReceiverSide, "received"), 8, lie);
        for _ in 0..2 {
            let Err(TrySendError::Failed(SendError::Fault(fault))) = tx.try_send(&[0; 8]) else {
                panic!("{lie} is believed")
            };
            assert_eq!((fault.what, fault.found), ("receiver's count", lie));
            memory.store(at(Part::ReceiverSide, "received"), 8, 2);
        }
    }
}

/// Waits until a side says that it sleeps.
fn until_asleep(memory: &Memory, part: Part) {
    let begin = Instant::now();
    while memory.load(at(part, "presence"), 8) & 1 == 0 {
        assert!(begin.elapsed() < strait_testing::LONG, "never asleep");
        std::thread::yield_now();
    }
}

/// A receiver that was told that its sender fences, which it does not, and then is not rung for a message, has it after one slice.
#[test]
fn sender_that_fences_is_a_lie() {
    in_time("sender_that_fences_is_a_lie", || {
        let (_tx, mut rx, memory) = channel();
        memory.store(at(Part::SenderSide, "fences"), 4, 1);
        let blocked = std::thread::spawn(move || (rx.recv(), Instant::now()));
        until_asleep(&memory, Part::ReceiverSide);
        for word in 0..8 {
            memory.store(at(Part::Ring, "slots") + word * 8, 8, 7);
        }
        memory.store(at(Part::SenderSide, "sent"), 8, 1);
        let sent = Instant::now();
        let (outcome, then) = blocked.join().expect("no panic");
        assert_eq!(outcome, Ok([7; 8]));
        assert!(then - sent < strait_testing::LONG, "{:?}", then - sent);
    });
}

/// The same of a sender that waits for room.
#[test]
fn receiver_that_fences_is_a_lie() {
    in_time("receiver_that_fences_is_a_lie", || {
        let (mut tx, _rx, memory) = channel();
        memory.store(at(Part::ReceiverSide, "fences"), 4, 1);
        while tx.try_send(&[1; 8]).is_ok() {}
        let blocked = std::thread::spawn(move || (tx.send(&[2; 8]), Instant::now()));
        until_asleep(&memory, Part::SenderSide);
        memory.store(at(Part::ReceiverSide, "received"), 8, 1);
        let released = Instant::now();
        let (outcome, then) = blocked.join().expect("no panic");
        assert_eq!(outcome, Ok(()));
        assert!(then - released < strait_testing::LONG, "{:?}", then - released);
    });
}
