//! The same claims over every mechanism: what `strait::transport` promises of each, between real processes.

use std::time::{Duration, Instant};
use strait::ErrorKind;
use strait::link::{self, Offer, Receiver, Sender};
use strait::transport::{Boundaries, Mechanism, Options, RecvError, SendError, Users, table};
use strait_testing::message::{message, number_of, who_of};
use strait_testing::random::Random;
use strait_testing::role::{Role, command};
use strait_testing::{LONG, in_time};

const ROLE: &str = env!("CARGO_BIN_EXE_transport_role");
const INTERRUPT: i32 = 10;

fn options() -> Options {
    Options::new().message_bytes_max(60_000)
}

/// All but signals, which `transport_kernel_queues` tries: they go to a process, not over a link.
fn all() -> impl Iterator<Item = Mechanism> {
    Mechanism::ALL.into_iter().filter(|it| *it != Mechanism::Signal)
}

fn carries_bytes(mechanism: &Mechanism) -> bool {
    mechanism.capabilities().boundaries != Boundaries::Count
}

fn tells_end(mechanism: &Mechanism) -> bool {
    mechanism.capabilities().tells_end
}

/// A role that takes the other end.
fn role(offer: &Offer, arguments: &[&str]) -> Role {
    let mut command = command(ROLE, arguments);
    offer.hand_over(&mut command, "link").expect("descriptors");
    let mut role = Role::spawn(&mut command, &format!("{} {}", offer.mechanism().name(), arguments.join(" ")));
    role.expect("ok");
    role
}

/// We send, a process receives.
fn to_role(mechanism: Mechanism) -> (Sender, Role, Kept) {
    let (tx, offer) = link::sender(mechanism, &options()).expect("a link");
    let role = role(&offer, &["receiver"]);
    (tx, role, Kept::new(offer))
}

/// A process sends, we receive.
fn from_role(mechanism: Mechanism) -> (Receiver, Role, Kept) {
    let (rx, offer) = link::receiver(mechanism, &options()).expect("a link");
    let role = role(&offer, &["sender"]);
    (rx, role, Kept::new(offer))
}

/// What has to stay while a link is used: a System V queue goes with its offer; any other end must be closed here.
struct Kept(#[expect(dead_code, reason = "held for its drop")] Option<Offer>);

impl Kept {
    fn new(offer: Offer) -> Self {
        Self((offer.mechanism() == Mechanism::SysvMsg).then_some(offer))
    }
}

/// What goes both ways over one connection does so, and tells the end as before; what goes one way says so.
#[test]
fn both_ways() {
    for mechanism in Mechanism::ALL {
        let name = mechanism.name();
        let (mut tx, mut rx, offer) = match link::duplex(mechanism, &options()) {
            Ok(both) => both,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}");
                assert!(!mechanism.capabilities().goes_both_ways, "{name}: {error}");
                continue;
            }
        };
        assert!(mechanism.capabilities().goes_both_ways, "{name}");
        let mut role = role(&offer, &["echo"]);
        drop(offer);
        let (max, mut answer) = (tx.message_bytes_max(), Vec::new());
        for number in 0..200 {
            let question = message(0, number, max);
            tx.send(&question).expect("it lives");
            rx.recv_timeout(&mut answer, LONG).expect("it answers");
            assert!(answer == question, "{name}: message {number}");
        }
        role.kill();
        if tells_end(&mechanism) {
            let end = rx.recv_timeout(&mut answer, LONG);
            assert!(matches!(end, Err(RecvError::Disconnected)), "{name}: {end:?}");
        }
    }
}

/// Messages come whole, in order, once, and each apart from the next, whatever their lengths.
#[test]
fn order_and_boundaries() {
    for mechanism in all() {
        let (mut tx, mut rx, _kept) = to_role(mechanism);
        let max = tx.message_bytes_max();
        for burst in 0..100 {
            // Few enough that a datagram to the loopback is not dropped.
            rx.tell("recv 5");
            for number in burst * 5..burst * 5 + 5 {
                tx.send(&message(0, number, max)).unwrap_or_else(|error| panic!("{}: {error}", mechanism.name()));
            }
            rx.expect("got");
        }
    }
}

/// The longest message arrives; one byte more is refused with both lengths, and nothing is sent.
#[test]
fn largest_message() {
    for mechanism in all().filter(carries_bytes) {
        let (mut tx, mut rx, _kept) = to_role(mechanism);
        let max = tx.message_bytes_max();
        let refused = tx.try_send(&vec![1; max + 1]);
        assert!(
            matches!(refused, Err(SendError::TooLarge { len_bytes, max_bytes }) if len_bytes == max + 1 && max_bytes == max),
            "{}: {refused:?}",
            mechanism.name()
        );
        let longest: Vec<u8> = (0..max).map(|i| (i % 251) as u8).collect();
        let sum: u64 = longest.iter().map(|&byte| u64::from(byte)).sum();
        rx.tell("length");
        tx.send_timeout(&longest, LONG).unwrap_or_else(|error| panic!("{}: {error}", mechanism.name()));
        rx.expect(&format!("{max} {sum}"));
    }
}

/// A message without bytes arrives as such, or is refused; it is never taken for the end.
#[test]
fn empty_message() {
    for mechanism in all() {
        let (mut tx, mut rx, _kept) = to_role(mechanism);
        match tx.send(&[]) {
            Ok(()) => assert_eq!(rx.ask("length"), "0 0", "{}", mechanism.name()),
            Err(SendError::Empty) => assert_eq!(mechanism.capabilities().boundaries, Boundaries::Kept),
            Err(error) => panic!("{}: {error}", mechanism.name()),
        }
    }
}

/// An empty mechanism says so at once, or when the time is up, and not before; and what comes then is received.
#[test]
fn empty_says_so() {
    for mechanism in all() {
        let (mut rx, mut tx, _kept) = from_role(mechanism);
        let mut got = Vec::new();
        assert!(matches!(rx.try_recv(&mut got), Err(RecvError::Empty)), "{}", mechanism.name());
        let (began, timeout) = (Instant::now(), Duration::from_millis(20));
        let outcome = rx.recv_timeout(&mut got, timeout);
        assert!(matches!(outcome, Err(RecvError::TimedOut)), "{}: {outcome:?}", mechanism.name());
        assert!(began.elapsed() >= timeout, "{}", mechanism.name());
        tx.expect_after("send 1", "sent");
        rx.recv_timeout(&mut got, LONG).unwrap_or_else(|error| panic!("{}: {error}", mechanism.name()));
    }
}

/// A full mechanism says so at once, or when the time is up, and loses nothing of what it took.
#[test]
fn full_says_so() {
    for mechanism in all().filter(|it| carries_bytes(it) && it.capabilities().is_reliable) {
        let (mut tx, mut rx, _kept) = to_role(mechanism);
        let max = tx.message_bytes_max();
        let mut sent = 0;
        let outcome = loop {
            match tx.try_send(&message(0, sent, max)) {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(outcome, SendError::Full), "{}: {outcome:?}", mechanism.name());
        let (began, timeout) = (Instant::now(), Duration::from_millis(20));
        // The longest, for there may be room for a short one.
        let late = loop {
            match tx.send_timeout(&message(0, sent, max), timeout.saturating_sub(began.elapsed())) {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(late, SendError::TimedOut), "{}: {late:?}", mechanism.name());
        assert!(began.elapsed() >= timeout, "{}", mechanism.name());
        rx.tell(&format!("recv {sent}"));
        // Of the last one a part may still be here; dropping waits until it has gone out.
        drop(tx);
        rx.expect("got");
    }
}

/// Signals that interrupt neither end a wait nor lengthen it.
#[test]
fn interrupted() {
    for mechanism in all() {
        let (mut tx, mut rx, _kept) = to_role(mechanism);
        rx.expect_after("block", "blocking");
        for _ in 0..10 {
            rx.is_blocked();
            rx.signal(INTERRUPT);
        }
        assert_eq!(rx.answer_within(Duration::from_millis(5)), None, "{}", mechanism.name());
        tx.send(&message(0, 0, tx.message_bytes_max())).expect("room");
        rx.expect("got");
        rx.expect_after("block-for 60", "blocking");
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(50) {
            rx.signal(INTERRUPT);
            std::thread::sleep(Duration::from_millis(1));
        }
        rx.expect("TimedOut true");
    }
}

/// The same for one who waits for room.
#[test]
fn interrupted_while_full() {
    for mechanism in all().filter(|it| carries_bytes(it) && it.capabilities().is_reliable) {
        let (mut rx, mut tx, _kept) = from_role(mechanism);
        tx.expect_after("fill-for 60", "filling");
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(50) {
            tx.signal(INTERRUPT);
            std::thread::sleep(Duration::from_millis(1));
        }
        let answer = tx.answer();
        let sent = answer.strip_prefix("TimedOut true ").unwrap_or_else(|| panic!("{}: {answer}", mechanism.name()));
        let mut got = Vec::new();
        // Leaving waits until what is left of the last message has gone out.
        tx.tell("leave");
        for number in 0..sent.parse().expect("a number") {
            rx.recv_timeout(&mut got, LONG).unwrap_or_else(|error| panic!("{}: {number}: {error}", mechanism.name()));
            assert_eq!(number_of(&got), number, "{}", mechanism.name());
        }
        tx.expect("left");
    }
}

/// What was sent before the sender left is received first; then the end is told, again and again.
#[test]
fn end_of_the_sender() {
    for mechanism in all().filter(tells_end) {
        let (mut rx, mut tx, _kept) = from_role(mechanism);
        tx.expect_after("send 5", "sent");
        tx.expect_after("leave", "left");
        tx.end();
        let mut got = Vec::new();
        for number in 0..5 {
            rx.recv_timeout(&mut got, LONG).unwrap_or_else(|error| panic!("{}: {error}", mechanism.name()));
            assert_eq!(number_of(&got), number);
        }
        for _ in 0..2 {
            let outcome = rx.recv_timeout(&mut got, LONG);
            assert!(matches!(outcome, Err(RecvError::Disconnected)), "{}: {outcome:?}", mechanism.name());
        }
    }
}

/// A receiver that is gone is an error for one who sends, and not the signal that would end it.
#[test]
fn end_of_the_receiver() {
    for mechanism in all().filter(|it| tells_end(it) && *it != Mechanism::Broadcast) {
        let (rx, mut tx, _kept) = from_role(mechanism);
        tx.expect_after("send 1", "sent");
        drop(rx);
        // TCP learns of it when the first message comes back refused, so it streams until then.
        tx.expect_after("stream", "streaming");
        tx.expect("Disconnected");
    }
}

/// A sender that is killed at any moment has sent each message whole or not at all, and the receiver is told where the kernel tells.
#[test]
fn sender_killed() {
    let mut random = Random::seeded("transport_conformance");
    for mechanism in all().filter(carries_bytes) {
        for _ in 0..5 {
            let (mut rx, mut tx, _kept) = from_role(mechanism);
            tx.expect_after("stream", "streaming");
            let mut got = Vec::new();
            let mut received = 0;
            let wanted = random.below(2000) as u32;
            let mut check = |got: &[u8]| {
                assert!(got == message(0, number_of(got), got.len()), "{}: mixed", mechanism.name());
                if mechanism.capabilities().is_reliable {
                    assert_eq!(number_of(got), received, "{}", mechanism.name());
                }
                received = number_of(got) + 1;
            };
            for _ in 0..wanted {
                rx.recv_timeout(&mut got, LONG).unwrap_or_else(|error| panic!("{}: {error}", mechanism.name()));
                check(&got);
            }
            let killed = Instant::now();
            tx.kill();
            let ended = loop {
                match rx.recv_timeout(&mut got, Duration::from_millis(500)) {
                    Ok(()) => check(&got),
                    Err(error) => break error,
                }
            };
            match ended {
                RecvError::Cut { .. } | RecvError::Disconnected if tells_end(&mechanism) => {
                    assert!(killed.elapsed() < LONG, "{}: told late", mechanism.name());
                }
                RecvError::TimedOut if !tells_end(&mechanism) => {}
                other => panic!("{}: {other:?}", mechanism.name()),
            }
        }
    }
}

/// A receiver that is killed at any moment is told to the sender where the kernel tells; elsewhere the mechanism fills up. Nobody hangs.
#[test]
fn receiver_killed() {
    let mut random = Random::seeded("transport_conformance");
    for mechanism in all().filter(|it| carries_bytes(it) && it.capabilities().is_reliable) {
        let (mut tx, mut rx, _kept) = to_role(mechanism);
        let max = tx.message_bytes_max();
        rx.expect_after("drain", "draining");
        let until = random.below(2000) as u32;
        // Enough to fill anything.
        let ended = (0..until + 5_000).find_map(|number| {
            if number == until {
                rx.kill();
            }
            tx.send_timeout(&message(0, number, max), Duration::from_millis(500)).err()
        });
        match ended {
            Some(SendError::Disconnected) if tells_end(&mechanism) || mechanism == Mechanism::UnixDatagram => {}
            Some(SendError::TimedOut) if !tells_end(&mechanism) => {}
            // Subscribers come and go.
            _ if mechanism == Mechanism::Broadcast => {}
            other => panic!("{}: {other:?}", mechanism.name()),
        }
        // What is left of the last message must not be waited for.
        in_time(mechanism.name(), move || drop(tx));
    }
}

/// Two senders of one end: each one's messages come whole and in its order.
#[test]
fn two_senders() {
    const EACH: u32 = 1000;
    for mechanism in all().filter(|it| carries_bytes(it) && it.capabilities().senders == Users::Many) {
        if mechanism == Mechanism::Broadcast {
            // A link has one publisher; `broadcast` has tests of its own.
            continue;
        }
        let (mut rx, offer) = link::receiver(mechanism, &options()).expect("a link");
        let mut senders: Vec<Role> = (0..2).map(|_| role(&offer, &["sender", "shared"])).collect();
        for (who, tx) in senders.iter_mut().enumerate() {
            tx.expect_after(&format!("who {who}"), "ok");
            tx.tell(&format!("send {EACH}"));
        }
        let mut next = [0; 2];
        let mut got = Vec::new();
        while next != [EACH; 2] {
            match rx.recv_timeout(&mut got, if mechanism == Mechanism::Udp { Duration::from_millis(300) } else { LONG })
            {
                Ok(()) => {}
                Err(RecvError::TimedOut) if mechanism == Mechanism::Udp => break,
                Err(error) => panic!("{}: {error}", mechanism.name()),
            }
            let (who, number) = (who_of(&got), number_of(&got));
            assert!(got == message(who, number, got.len()), "{}: mixed", mechanism.name());
            let next = &mut next[usize::from(who)];
            // UDP drops, but does not overtake on one machine.
            assert!(number == *next || (mechanism == Mechanism::Udp && number > *next), "{}", mechanism.name());
            *next = number + 1;
        }
        senders.iter_mut().for_each(|tx| tx.expect("sent"));
    }
}

/// Two receivers of one end: each message goes to one of them, whole.
#[test]
fn two_receivers() {
    for mechanism in all().filter(|it| carries_bytes(it) && it.capabilities().receivers == Users::Many) {
        let (mut tx, offer) = link::sender(mechanism, &options()).expect("a link");
        let mut receivers: Vec<Role> = (0..2).map(|_| role(&offer, &["receiver"])).collect();
        receivers.iter_mut().for_each(|rx| rx.tell("share 300"));
        let max = tx.message_bytes_max();
        for number in 0..200 {
            tx.send(&message(0, number, max)).unwrap_or_else(|error| panic!("{}: {error}", mechanism.name()));
            if mechanism == Mechanism::Udp {
                // Its receivers must keep up.
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        let mut numbers: Vec<u32> = Vec::new();
        for rx in &mut receivers {
            let answer = rx.answer();
            let own: Vec<u32> = answer.split_whitespace().map(|it| it.parse().expect("a number")).collect();
            assert!(own.is_sorted(), "{}: {own:?}", mechanism.name());
            numbers.extend(own);
        }
        numbers.sort_unstable();
        if mechanism == Mechanism::Udp {
            assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "twice: {numbers:?}");
        } else {
            assert!(numbers.iter().copied().eq(0..200), "{}: {numbers:?}", mechanism.name());
        }
    }
}

/// What can be polled is found ready exactly when there is a message.
#[test]
fn pollable() {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    for mechanism in all() {
        let (rx, mut tx, _kept) = from_role(mechanism);
        let is_ready = |seconds| {
            let fd = rx.fd().expect("asked only where there is one");
            let timeout = Timespec { tv_sec: seconds, tv_nsec: 0 };
            poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&timeout)).expect("poll") > 0
        };
        assert_eq!(rx.fd().is_some(), mechanism.capabilities().is_pollable, "{}", mechanism.name());
        if rx.fd().is_none() {
            continue;
        }
        assert!(!is_ready(0), "{}", mechanism.name());
        tx.expect_after("send 1", "sent");
        assert!(is_ready(20), "{}", mechanism.name());
    }
}

/// The table in the documentation is the one that the code makes, and names are unique.
#[test]
fn documented() {
    let documented = include_str!("../../docs/transports.md");
    assert!(documented.contains(&table()), "docs/transports.md is out of date; its table is now:\n{}", table());
    for mechanism in Mechanism::ALL {
        assert_eq!(Mechanism::of_name(mechanism.name()), Some(mechanism));
    }
}
