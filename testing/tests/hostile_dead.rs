//! A side that lies and dies, and one that others go on lying about: its death is known in time all the same, for the kernel knows it.
#![cfg(target_arch = "x86_64")]

use std::fs::OpenOptions;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Instant;
use strait::channel::layout::{Field, Part};
use strait::channel::spsc::{self, Options, Receiver, Sender};
use strait::channel::{Cause, PeerState, RecvError, SendError};
use strait_testing::hostile::memory::Memory;
use strait_testing::names::Name;
use strait_testing::role::Role;

const ROLE: &str = env!("CARGO_BIN_EXE_role");

fn small() -> Options {
    Options::new().capacity_bytes(4096)
}

fn word(part: Part, name: &str) -> Field {
    spsc::layout::<u64>(4096).into_iter().find(|it| it.part == part && it.name == name).expect("is in the layout")
}

fn memory(name: &Name) -> Memory {
    Memory::of(&OpenOptions::new().read(true).write(true).open(name.path()).expect("open")).expect("map")
}

/// A sender that says it never was, and is killed, is dead to a receiver that has had a message of it.
#[test]
fn sender_that_never_was() {
    let name = Name::new("never");
    let mut tx = Role::ready(ROLE, &["sender", "create", &format!("posix:{}", name.as_str())]);
    let mut rx = Receiver::<u64>::open(name.as_str(), &small()).expect("open");
    // The lie comes before the receiver has looked even once.
    memory(&name).store(word(Part::SenderSide, "presence").offset as usize, 8, 0);
    tx.ask("send 0 1");
    assert_eq!(rx.recv(), Ok(0));
    tx.kill();
    let begin = Instant::now();
    let outcome = strait_testing::in_time("recv", move || rx.recv());
    assert_eq!(outcome, Err(RecvError::Disconnected(Cause::Died)));
    assert!(begin.elapsed() < strait_testing::LONG, "{:?}", begin.elapsed());
}

/// A receiver that says it never was, and is killed, is dead to a sender of which it has taken a message.
#[test]
fn receiver_that_never_was() {
    let name = Name::new("never");
    let mut rx = Role::ready(ROLE, &["receiver", "create", &format!("posix:{}", name.as_str())]);
    let mut tx = Sender::<u64>::open(name.as_str(), &small()).expect("open");
    memory(&name).store(word(Part::ReceiverSide, "presence").offset as usize, 8, 0);
    tx.send(&0).expect("room");
    assert_eq!(rx.ask("recv 1"), "[0]");
    rx.kill();
    let outcome = strait_testing::in_time("send", move || {
        loop {
            if let Err(error) = tx.send(&1) {
                return error;
            }
        }
    });
    assert_eq!(outcome, SendError::Disconnected(Cause::Died));
}

/// Calls `lie` again and again until it is told to stop.
fn again_and_again(name: &Name, lie: impl Fn(&Memory, u64) + Send + 'static) -> (Arc<AtomicBool>, JoinHandle<()>) {
    let (stop, memory) = (Arc::new(AtomicBool::new(false)), memory(name));
    let stopped = Arc::clone(&stop);
    let thread = std::thread::spawn(move || (0..).take_while(|_| !stopped.load(Relaxed)).for_each(|n| lie(&memory, n)));
    (stop, thread)
}

/// Somebody who rings the bell of a dead sender all the time does not keep its receiver from looking.
#[test]
fn bell_that_never_rests() {
    let name = Name::new("bell");
    let mut tx = Role::ready(ROLE, &["sender", "create", &format!("posix:{}", name.as_str())]);
    let mut rx = Receiver::<u64>::open(name.as_str(), &small()).expect("open");
    let bell = word(Part::SenderSide, "bell").offset as usize;
    let (stop, liar) = again_and_again(&name, move |memory, n| {
        memory.store(bell, 4, n);
        memory.wake(bell);
    });
    tx.kill();
    let begin = Instant::now();
    let outcome = strait_testing::in_time("recv", move || rx.recv());
    stop.store(true, Relaxed);
    liar.join().expect("no panic");
    assert_eq!(outcome, Err(RecvError::Disconnected(Cause::Died)));
    assert!(begin.elapsed() < strait_testing::LONG, "{:?}", begin.elapsed());
}

/// A presence word that is another at each look is no side that changes hands: asking for the state of the dead ends.
#[test]
fn presence_that_never_rests() {
    let name = Name::new("flicker");
    let mut tx = Role::ready(ROLE, &["sender", "create", &format!("posix:{}", name.as_str())]);
    let rx = Receiver::<u64>::open(name.as_str(), &small()).expect("open");
    let presence = word(Part::SenderSide, "presence").offset as usize;
    let (stop, liar) = again_and_again(&name, move |memory, n| memory.store(presence, 8, n << 34 | 1 << 32));
    tx.kill();
    let states = strait_testing::in_time("state", move || (0..2000).map(|_| rx.sender_state()).collect::<Vec<_>>());
    stop.store(true, Relaxed);
    liar.join().expect("no panic");
    assert!(states.iter().all(|&state| state == PeerState::Died));
}
