//! A channel between two processes: what arrives, what outlives a kill, what is left when both have gone.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};
use strait::channel::spsc::{Options, Receiver, Sender};
use strait::channel::{Cause, PeerState, RecvError, SendError, TrySendError};
use strait::region::Place;
use strait_testing::names::{Name, Scratch};
use strait_testing::random::Random;
use strait_testing::role::{Role, command};
use strait_testing::{LONG, in_time};

const ROLE: &str = env!("CARGO_BIN_EXE_role");

fn posix(name: &Name) -> String {
    format!("posix:{}", name.as_str())
}

fn small() -> Options {
    Options::new().capacity_bytes(4096)
}

// Killed and replaced

/// A message that a receiver held in place when it was killed comes again, to the next receiver, and none before it does.
#[test]
fn receiver_killed_with_a_message_in_its_hands() {
    let name = Name::new("inhands");
    let mut tx = Role::ready(ROLE, &["sender", "create", &posix(&name), "restartable"]);
    assert_eq!(tx.ask("send 0 10"), "sent");
    let mut rx = Role::ready(ROLE, &["receiver", "open", &posix(&name)]);
    assert_eq!(rx.ask("hold 4"), "holding 3");
    rx.kill();
    assert_eq!(tx.ask("state"), "Died");
    for held in [3, 4] {
        let mut next = Role::ready(ROLE, &["receiver", "open", &posix(&name)]);
        assert_eq!(next.ask("count"), held.to_string());
        // From the second on one is taken first.
        assert_eq!(
            next.ask(if held == 3 { "hold 2" } else { "recv 6" }),
            ["holding 4", "[4, 5, 6, 7, 8, 9]"][held - 3]
        );
        next.kill();
    }
    assert_eq!(tx.ask("send 10 11"), "sent");
    let mut last = Role::ready(ROLE, &["receiver", "open", &posix(&name)]);
    assert_eq!(last.ask("recv 1"), "[10]");
}

/// A message that a sender was writing in place when it was killed never was; the next sender goes on after the last one sent.
#[test]
fn sender_killed_while_writing() {
    let name = Name::new("writing");
    let mut rx = Role::ready(ROLE, &["receiver", "create", &posix(&name), "restartable"]);
    for life in 0..3_u64 {
        let mut tx = Role::ready(ROLE, &["sender", "open", &posix(&name)]);
        assert_eq!(tx.ask("count"), (life * 2).to_string());
        assert_eq!(tx.ask(&format!("send {} {}", life * 2, life * 2 + 2)), "sent");
        assert_eq!(tx.ask("reserve-and-stay"), "reserved");
        tx.kill();
    }
    assert_eq!(rx.ask("recv 6"), "[0, 1, 2, 3, 4, 5]");
    // It waits for the next sender, and is not told of a death.
    rx.expect_after("block", "blocking");
    rx.is_blocked();
    assert_eq!(rx.answer_within(Duration::from_millis(150)), None);
    let mut tx = Role::ready(ROLE, &["sender", "open", &posix(&name)]);
    assert_eq!(tx.ask("send 6 7"), "sent");
    rx.expect("got 6");
}

/// A sender that has been told of a death is told again by whatever call comes next, where there is room too.
#[test]
fn sender_is_told_again() {
    let name = Name::new("toldagain");
    let mut tx = Sender::<u64>::create(name.as_str(), &small()).expect("create");
    let mut rx = Role::ready(ROLE, &["receiver", "open", &posix(&name)]);
    // From the second one on a message has a short way.
    (0..3).for_each(|n| tx.send(&n).expect("room"));
    rx.kill();
    let died = SendError::Disconnected(Cause::Died);
    assert_eq!(tx.drain(LONG), Err(died));
    assert_eq!((tx.send(&3), tx.try_send(&3)), (Err(died), Err(TrySendError::Failed(died))));
}

/// A sender that is blocked on a full restartable channel goes on when a new receiver comes.
#[test]
fn blocked_sender_waits_for_the_next_receiver() {
    for strategy in ["spin", "adaptive", "sleep"] {
        let name = Name::new("nextrx");
        let mut tx = Role::ready(ROLE, &["sender", "create", &posix(&name), "restartable", strategy]);
        let mut rx = Role::ready(ROLE, &["receiver", "open", &posix(&name)]);
        let full = tx.ask("fill");
        tx.expect_after("block", "blocking");
        rx.kill();
        let mut rx = Role::ready(ROLE, &["receiver", "open", &posix(&name)]);
        let sent: usize = full.strip_prefix("full ").expect("full").parse().expect("a number");
        let all: Vec<usize> = (0..=sent).collect();
        assert_eq!(rx.ask(&format!("recv {}", sent + 1)), format!("{all:?}"));
        tx.expect(&format!("sent {sent}"));
    }
}

/// A message that is sent while the receiver leaves is not thrown away with the name: a restartable channel keeps what nobody received.
#[test]
fn message_sent_while_the_receiver_leaves() {
    let name = Name::new("leaving");
    let mut tx = Role::ready(ROLE, &["sender", "create", &posix(&name), "restartable"]);
    let mut rx = Role::ready(ROLE, &["receiver", "open", &posix(&name)]);
    assert_eq!(tx.ask("send 0 1"), "sent");
    assert_eq!(rx.ask("recv 1"), "[0]");
    // Somebody is attaching: the door (byte 2^40 of the file) is taken, so the receiver stops between its two steps of leaving.
    let door = File::options().read(true).write(true).open(name.path()).expect("open");
    lock_byte(&door, 1 << 40);
    tx.tell("send-when-it-leaves-and-die");
    rx.tell("leave");
    tx.end();
    drop(door);
    rx.expect("left");
    let mut next = Receiver::<u64>::open(name.as_str(), &small()).expect("message 1 is still there");
    assert_eq!(next.recv(), Ok(1));
}

fn lock_byte(file: &File, at: i64) {
    // SAFETY: `flock` is a C struct of integers, for which all zeroes is a value.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as libc::c_short;
    lock.l_start = at;
    lock.l_len = 1;
    // SAFETY: the descriptor is open, and `lock` is valid for the kernel to read.
    let outcome = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) };
    assert_eq!(outcome, 0, "{}", std::io::Error::last_os_error());
}

/// 200,000 messages, sent in batches, while sender and receiver are killed and replaced, fifty times each: `recv` gives none twice.
#[test]
fn killed_again_and_again_copying() {
    for (sent, received) in [("batches", "copying"), ("lines", "lines copying")] {
        let log = stream_with_kills("killed_again_and_again_copying", sent, received);
        let mut lost = 0;
        for pair in log.windows(2) {
            assert!(pair[1] > pair[0], "{} comes after {}", pair[1], pair[0]);
            lost += pair[1] - pair[0] - 1;
        }
        // Released, and killed before it was written down: at most one for each kill.
        assert!(lost <= KILLS, "{lost} messages lost in {KILLS} kills");
        eprintln!("killed_again_and_again_copying, {sent}: {lost} of {KILLS} kills came between release and log");
    }
}

/// 200,000 messages while sender and receiver are killed and replaced, fifty times each: with `recv_ref` each arrives whole, and only
/// the one in the hands of a killed receiver comes twice.
#[test]
fn killed_again_and_again_in_place() {
    for (sent, received) in [("singly", "in place"), ("batches", "in place"), ("slices", "slices"), ("lines", "lines")]
    {
        let log = stream_with_kills("killed_again_and_again_in_place", sent, received);
        assert_eq!((log.first(), log.last()), (Some(&0), Some(&(TOTAL - 1))));
        let mut twice = 0;
        for pair in log.windows(2) {
            let step = pair[1].wrapping_sub(pair[0]);
            assert!(step <= 1, "{} comes after {}", pair[1], pair[0]);
            twice += 1 - step;
        }
        assert!(twice <= KILLS, "{twice} messages twice in {KILLS} kills");
        eprintln!("killed_again_and_again_in_place, {sent}: {twice} of {KILLS} kills came between log and release");
    }
}

const TOTAL: u64 = 200_000;
const KILLS: u64 = 50;
/// How many numbers lie between two kills. After the last one there are more left than the pipe of the log holds (8,192): nobody is
/// killed who has finished already.
const MARK: u64 = TOTAL / (2 * KILLS + 12);

/// Streams numbers between two processes, each of which is killed at fifty places of the stream. What the receivers wrote down.
fn stream_with_kills(test: &'static str, sent: &'static str, received: &'static str) -> Vec<u64> {
    in_time(test, move || {
        let name = Name::new("stream");
        let mut random = Random::seeded(test);
        let (reader, log) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("pipe");
        let mut reader = File::from(reader);
        let total = TOTAL.to_string();
        let sender = || Role::start(ROLE, &["stream-send", &posix(&name), &total, sent]);
        let receiver = || {
            let place = posix(&name);
            let mut receiver = command(ROLE, &["stream-recv", &place, &total, received]);
            receiver.hand_over("log", log.try_clone().expect("clone"));
            Role::spawn(&mut receiver, "stream-recv")
        };
        let (mut tx, mut rx) = (sender(), receiver());
        let mut numbers: Vec<u64> = Vec::new();
        let mut kills = 0;
        let mut bytes = [0; 4096];
        while numbers.last() != Some(&(TOTAL - 1)) {
            if !is_readable(&reader) {
                let (rx, tx) = (rx.answer_within(Duration::ZERO), tx.answer_within(Duration::ZERO));
                panic!("nothing after {:?} and {kills} kills; receiver says {rx:?}, sender {tx:?}", numbers.last());
            }
            // Writes of 8 bytes to a pipe are whole, and so is what is read of them.
            let len = reader.read(&mut bytes).expect("read");
            assert_eq!(len % 8, 0);
            numbers.extend(bytes[..len].chunks_exact(8).map(|n| u64::from_le_bytes(n.try_into().expect("8 bytes"))));
            if kills < 2 * KILLS && numbers.last().is_some_and(|&n| n > kills * MARK) {
                // The stream is past the next mark. Some instant later, for the marks alone would meet the same few instructions.
                let until = Instant::now() + Duration::from_nanos(random.below(300_000));
                while Instant::now() < until {
                    std::hint::spin_loop();
                }
                if kills % 2 == 0 {
                    rx.kill();
                    rx = receiver();
                } else {
                    tx.kill();
                    tx = sender();
                }
                kills += 1;
            }
        }
        assert_eq!(kills, 2 * KILLS);
        tx.expect("drained");
        rx.expect("received all");
        tx.end();
        rx.end();
        assert!(name.left_over().is_empty(), "the last one out removes the name");
        numbers
    })
}

/// Whether there is something to read in time.
fn is_readable(file: &File) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let timeout = Timespec { tv_sec: 5, tv_nsec: 0 };
    poll(&mut [PollFd::new(file, PollFlags::IN)], Some(&timeout)).is_ok_and(|ready| ready > 0)
}

// Without a name, and in a file

/// A channel without a name goes to a child by its descriptor, either end of it; the child's death is told.
#[test]
fn memfd_handed_to_a_child() {
    let mut tx = Sender::<u64>::create(Place::memfd("handed"), &small()).expect("create");
    let mut child = command(ROLE, &["receiver", "open", "fd:channel"]);
    child.hand_over("channel", tx.fd().expect("has one").try_clone_to_owned().expect("clone"));
    let mut child = Role::spawn(&mut child, "receiver of a memfd");
    child.expect("ok");
    assert_eq!(tx.receiver_pid(), child.pid());
    for n in 0..3 {
        tx.send(&n).expect("room");
    }
    assert_eq!(child.ask("recv 3"), "[0, 1, 2]");
    child.kill();
    assert_eq!(tx.receiver_state(), PeerState::Died);
    let mut rx = Receiver::<u64>::create(Place::memfd("handed"), &small()).expect("create");
    let mut child = command(ROLE, &["sender", "open", "fd:channel"]);
    child.hand_over("channel", rx.fd().expect("has one").try_clone_to_owned().expect("clone"));
    let mut child = Role::spawn(&mut child, "sender of a memfd");
    child.expect("ok");
    assert_eq!(child.ask("send 0 2"), "sent");
    child.kill();
    assert_eq!(rx.recv(), Ok(0));
    assert_eq!(rx.recv_timeout(LONG).ok(), Some(1));
    assert!(rx.recv_timeout(LONG).is_err_and(|e| e.to_string().contains("died")), "{:?}", rx.recv());
}

/// Two children that share nothing but an inherited descriptor have a channel; the parent takes neither end.
#[test]
fn memfd_between_two_children() {
    let options = small().restartable(true);
    let maker = Sender::<u64>::create(Place::memfd("two"), &options).expect("create");
    let fd = maker.fd().expect("has one").try_clone_to_owned().expect("clone");
    drop(maker);
    let start = |part: &[&str]| {
        let mut child = command(ROLE, part);
        child.hand_over("channel", fd.try_clone().expect("clone"));
        let mut role = Role::spawn(&mut child, part[0]);
        role.expect("ok");
        role
    };
    let mut tx = start(&["sender", "open", "fd:channel"]);
    let mut rx = start(&["receiver", "open", "fd:channel"]);
    tx.tell("send 0 1000");
    let all: Vec<u64> = (0..1000).collect();
    assert_eq!(rx.ask("recv 1000"), format!("{all:?}"));
    tx.expect("sent");
}

/// A channel in a file keeps what was sent when both sides have left or died, and the counts too.
#[test]
fn file_outlives_both_sides() {
    let scratch = Scratch::new("outlives");
    let file = format!("file:{}", scratch.path("channel").display());
    let mut tx = Role::ready(ROLE, &["sender", "create", &file]);
    assert_eq!(tx.ask("send 0 20"), "sent");
    tx.kill();
    let mut rx = Role::ready(ROLE, &["receiver", "open", &file]);
    assert_eq!(rx.ask("recv 5"), "[0, 1, 2, 3, 4]");
    rx.kill();
    let mut tx = Role::ready(ROLE, &["sender", "open", &file]);
    assert_eq!(tx.ask("count"), "20");
    assert_eq!(tx.ask("send 20 22"), "sent");
    assert_eq!(tx.ask("leave"), "left");
    let mut rx = Role::ready(ROLE, &["receiver", "open", &file]);
    assert_eq!(rx.ask("hold 1"), "holding 5");
    rx.kill();
    let mut rx = Role::ready(ROLE, &["receiver", "open-or-create", &file]);
    assert_eq!(rx.ask("recv 17"), format!("{:?}", (5..22).collect::<Vec<u64>>()));
    assert_eq!(rx.ask("leave"), "left");
    assert!(scratch.path("channel").exists());
    // Through a copy as after a reboot: no process has it mapped, no lock is left.
    std::fs::copy(scratch.path("channel"), scratch.path("copy")).expect("copy");
    let mut tx = Role::ready(ROLE, &["sender", "open", &format!("file:{}", scratch.path("copy").display())]);
    assert_eq!(tx.ask("count"), "22");
}

/// Large messages in a file: when both sides have gone, the next ones go on at the first message that was not released, and around the
/// end of the ring.
#[test]
fn file_of_large_messages_goes_on() {
    let scratch = Scratch::new("largefile");
    let path = scratch.path("channel");
    let file = format!("file:{}", path.display());
    let (reader, log) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("pipe");
    let receiver = |total: &str| {
        let mut receiver = command(ROLE, &["stream-recv", &file, total, "lines"]);
        receiver.hand_over("log", log.try_clone().expect("clone"));
        Role::spawn(&mut receiver, "stream-recv")
    };
    let mut tx = Role::start(ROLE, &["stream-send", &file, "50", "lines"]);
    let mut rx = receiver("20");
    rx.expect("received all");
    rx.end();
    let mut held = Receiver::<[u64; 8]>::open(&path, &small()).expect("open");
    assert_eq!(held.received(), 20);
    while held.len() < 30 {
        std::thread::yield_now();
    }
    // It waits for the rest to be received.
    tx.kill();
    // In somebody's hands, and given back.
    held.recv_ref().expect("there").put_back();
    drop(held);
    let mut tx = Role::start(ROLE, &["stream-send", &file, "200", "lines"]);
    let mut rx = receiver("200");
    rx.expect("received all");
    tx.expect("drained");
    let mut numbers = vec![0; 200 * 8];
    File::from(reader).read_exact(&mut numbers).expect("all were written down");
    let numbers = numbers.chunks_exact(8).map(|n| u64::from_le_bytes(n.try_into().expect("8 bytes")));
    assert!(numbers.eq(0..200), "once and in order");
}

/// A file channel that is handed over by its descriptor is the same channel as the one opened by its path.
#[test]
fn file_by_descriptor() {
    let scratch = Scratch::new("filefd");
    let path = scratch.path("channel");
    let mut tx = Sender::<u64>::create(&path, &small()).expect("create");
    let mut child = command(ROLE, &["receiver", "open", "fd:channel"]);
    child.hand_over("channel", tx.fd().expect("has one").try_clone_to_owned().expect("clone"));
    let mut child = Role::spawn(&mut child, "receiver of a file");
    child.expect("ok");
    let busy = Receiver::<u64>::open(&path, &small()).expect_err("the child has it");
    assert_eq!(busy.kind(), strait::ErrorKind::Busy, "{busy}");
    tx.send(&0).expect("room");
    assert_eq!(child.ask("recv 1"), "[0]");
    assert_eq!(child.ask("leave"), "left");
    drop(tx);
    assert!(path.exists(), "a file stays, whichever way it was opened");
}

// At rest

/// A blocked receiver, and a blocked sender, use no CPU.
#[test]
fn blocked_ends_use_no_cpu() {
    let name = Name::new("idle");
    let full = Name::new("idlefull");
    let (place, full_place) = (posix(&name), posix(&full));
    let mut roles = Vec::new();
    let _tx = Role::ready(ROLE, &["sender", "create", &place]);
    let _rx = Role::ready(ROLE, &["receiver", "create", &full_place]);
    let mut rx = Role::ready(ROLE, &["receiver", "open", &place]);
    rx.expect_after("block", "blocking");
    roles.push(rx);
    let mut tx = Role::ready(ROLE, &["sender", "open", &full_place]);
    assert!(tx.ask("fill").starts_with("full "));
    tx.expect_after("block", "blocking");
    roles.push(tx);
    let nobody = Name::new("idlenobody");
    let mut opener = Role::start(ROLE, &["receiver", "open-timeout=15000", &posix(&nobody)]);
    opener.expect("opening");
    roles.push(opener);
    for role in &roles {
        role.is_blocked();
    }
    let before: Vec<u64> = roles.iter().map(Role::cpu_ticks).collect();
    std::thread::sleep(Duration::from_secs(1));
    let ticks: Vec<u64> = roles.iter().zip(before).map(|(role, before)| role.cpu_ticks() - before).collect();
    eprintln!("blocked_ends_use_no_cpu: receiver, sender, opener used {ticks:?} ticks of 10 ms in a second");
    assert!(ticks.iter().all(|&ticks| ticks <= 2), "{ticks:?}");
}

/// Hundreds of thousands of messages cross between two processes in order, as fast as both can.
#[test]
fn many_messages_cross() {
    let name = Name::new("cross");
    let mut tx = Role::ready(ROLE, &["sender", "create", &posix(&name)]);
    let mut rx =
        in_time("open", move || Receiver::<u64>::open(name.as_str(), &small()).map(|rx| (rx, name)).expect("open"));
    tx.tell("send 0 300000");
    let outcome = in_time("many_messages_cross", move || {
        for n in 0..300_000 {
            assert_eq!(rx.0.recv(), Ok(n));
        }
        tx.expect("sent");
        assert_eq!(tx.ask("leave"), "left");
        rx.0.recv()
    });
    assert_eq!(outcome, Err(RecvError::Disconnected(Cause::Left)));
}

/// A hundred thousand messages of 64 bytes cross between two processes in order, singly and in batches, copied and in place.
#[test]
fn many_large_messages_cross() {
    in_time("many_large_messages_cross", move || {
        let name = Name::new("lines");
        let mut tx = Role::start(ROLE, &["stream-send", &posix(&name), "100000", "lines"]);
        let options = small().restartable(true);
        let mut rx = loop {
            match Receiver::<[u64; 8]>::open_or_create(name.as_str(), &options) {
                // The other is about to take its own end.
                Err(e) if e.kind() == strait::ErrorKind::Busy => std::thread::yield_now(),
                opened => break opened.expect("open"),
            }
        };
        let mut into = [[0; 8]; 40];
        let mut next = 0_u64;
        while next < 100_000 {
            let mut check = |found: &[[u64; 8]]| {
                for found in found {
                    assert_eq!(*found, [next; 8]);
                    next += 1;
                }
            };
            match rx.received() % 4 {
                0 => check(&[rx.recv().expect("there")]),
                1 => check(&[*rx.recv_ref().expect("there")]),
                2 => check(&rx.recv_batch_ref().expect("there")),
                _ => {
                    let count = rx.recv_batch(&mut into).expect("there");
                    check(&into[..count]);
                }
            }
        }
        tx.expect("drained");
        tx.end();
    });
}
