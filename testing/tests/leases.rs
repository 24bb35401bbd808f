//! Who is there, who is dead, and who is told: with processes that are killed, stopped and raced.

use std::time::{Duration, Instant};
use strait::ErrorKind;
use strait::channel::spsc::{Options, Receiver, Sender};
use strait_testing::LONG;
use strait_testing::names::{Name, Scratch};
use strait_testing::random::Random;
use strait_testing::role::Role;

const ROLE: &str = env!("CARGO_BIN_EXE_role");
/// What is promised. A machine that is busy with other tests wakes nobody in time, so it is printed and not held against.
const PROMISED: Duration = Duration::from_millis(100);
const STRATEGIES: [&str; 3] = ["spin", "adaptive", "sleep"];

fn posix(name: &Name) -> String {
    format!("posix:{}", name.as_str())
}

/// A sender and a receiver of one channel, each a process.
fn two(name: &Name, flags: &[&str]) -> (Role, Role) {
    let place = posix(name);
    let tx = Role::ready(ROLE, &[&["sender", "create", &place], flags].concat());
    let rx = Role::ready(ROLE, &[&["receiver", "open", &place], flags].concat());
    (tx, rx)
}

fn noted(what: &str, took: Duration) {
    eprintln!("{what}: {:.1} ms (promised {} ms)", took.as_secs_f64() * 1e3, PROMISED.as_millis());
    assert!(took < LONG, "{what} took {took:?}");
}

// Taken

/// An end that is taken is `Busy`, and the message says by whom; its owner is not disturbed.
#[test]
fn second_end_is_busy() {
    let name = Name::new("busy");
    let (mut tx, mut rx) = two(&name, &[]);
    for how in ["open", "open-or-create"] {
        let answer = Role::start(ROLE, &["sender", how, &posix(&name)]).answer();
        assert!(answer.starts_with("error Busy:") && answer.contains(&format!("process {}", tx.pid())), "{answer}");
        let answer = Role::start(ROLE, &["receiver", how, &posix(&name)]).answer();
        assert!(answer.starts_with("error Busy:") && answer.contains(&format!("process {}", rx.pid())), "{answer}");
    }
    let answer = Role::start(ROLE, &["sender", "create", &posix(&name)]).answer();
    assert!(answer.starts_with("error AlreadyExists:"), "{answer}");
    tx.tell("send 0 5");
    assert_eq!(rx.ask("recv 5"), "[0, 1, 2, 3, 4]");
}

/// The end of a dead process is not taken: who asks for it is told that the channel is over, and why.
#[test]
fn dead_end_is_over() {
    let name = Name::new("over");
    let (_tx, mut rx) = two(&name, &[]);
    rx.kill();
    let answer = Role::start(ROLE, &["receiver", "open", &posix(&name)]).answer();
    assert!(answer.starts_with("error Closed:") && answer.contains("has died"), "{answer}");
}

/// Of twenty processes that open or create one channel at once, one sender and one receiver get it, and the others are told `Busy`.
#[test]
fn race_for_both_ends() {
    for round in 0..4 {
        let name = Name::new("race");
        if round >= 2 {
            // What the dead left is in the way, and swept by one of the twenty.
            let (mut tx, mut rx) = two(&name, &[]);
            tx.kill();
            rx.kill();
        }
        let roles: Vec<Role> = (0..20)
            .map(|i| Role::start(ROLE, &[["sender", "receiver"][(i + round) % 2], "open-or-create", &posix(&name)]))
            .collect();
        let mut won = Vec::new();
        for (i, mut role) in roles.into_iter().enumerate() {
            match role.answer() {
                ok if ok == "ok" => won.push(((i + round) % 2, role)),
                busy => assert!(busy.starts_with("error Busy:"), "round {round}: {busy}"),
            }
        }
        won.sort_by_key(|(end, _)| *end);
        let [(0, tx), (1, rx)] = &mut won[..] else {
            panic!("round {round}: winners {:?}", won.iter().map(|w| w.0).collect::<Vec<_>>())
        };
        tx.tell("send 0 3");
        assert_eq!(rx.ask("recv 3"), "[0, 1, 2]", "the two have the same channel");
        assert_eq!(name.left_over().len(), 1);
    }
}

/// Processes that take ends and leave them, all at once and all the time, meet nothing but `Busy` and `Closed`, and leave nothing.
#[test]
fn coming_and_going() {
    let name = Name::new("churn");
    let place = posix(&name);
    let mut roles: Vec<Role> =
        (0..6).map(|i| Role::start(ROLE, &["churn", ["sender", "receiver"][i % 2], &place, "400"])).collect();
    let mut wrong = Vec::new();
    for role in &mut roles {
        loop {
            let answer = role.answer();
            if answer.starts_with("had it ") {
                eprintln!("coming_and_going: {answer}");
                break;
            }
            wrong.push(answer);
            if wrong.last().is_some_and(|last| last.starts_with("over")) {
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{} errors, the first {:?}", wrong.len(), wrong[0]);
    assert!(name.left_over().is_empty());
}

/// While somebody is stopped in the middle of attaching, others are told so instead of hanging; who leaves meanwhile leaves in time, and
/// the name is swept by the next.
#[test]
fn stopped_at_the_door() {
    let name = Name::new("door");
    let (mut tx, mut rx) = two(&name, &[]);
    // The door is the lock on byte 2^40 of the file.
    let door = std::fs::File::options().read(true).write(true).open(name.path()).expect("open");
    lock_byte(&door, 1 << 40);
    assert_eq!(tx.ask("send 0 3"), "sent");
    assert_eq!(rx.ask("recv 3"), "[0, 1, 2]", "messages need no door");
    let began = Instant::now();
    let error = Receiver::<u64>::open(name.as_str(), &Options::new()).expect_err("the door is taken");
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert!(error.to_string().contains("it may be stopped"), "{error}");
    assert!(began.elapsed() < LONG, "{:?}", began.elapsed());
    let began = Instant::now();
    assert_eq!(tx.ask("leave"), "left");
    assert_eq!(rx.ask("recv 1"), "failed: Disconnected(Left)");
    assert_eq!(rx.ask("leave"), "left");
    assert!(began.elapsed() < LONG, "{:?}", began.elapsed());
    assert_eq!(name.left_over().len(), 1);
    drop(door);
    let mut next = Role::ready(ROLE, &["sender", "open-or-create", &posix(&name)]);
    assert_eq!(next.ask("count"), "0");
    assert_eq!(next.ask("leave"), "left");
    assert!(name.left_over().is_empty());
}

fn lock_byte(file: &std::fs::File, at: i64) {
    use std::os::fd::AsRawFd as _;
    // SAFETY: `flock` is a C struct of integers, for which all zeroes is a value.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as libc::c_short;
    lock.l_start = at;
    lock.l_len = 1;
    // SAFETY: the descriptor is open, and `lock` is valid for the kernel to read.
    let outcome = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) };
    assert_eq!(outcome, 0, "{}", std::io::Error::last_os_error());
}

// Dead

/// A process that becomes another program (`exec`) has lost its end: its peer learns of it in time, and nothing of it stays taken.
#[test]
fn exec_ends_a_lease() {
    let name = Name::new("exec");
    let (mut tx, mut rx) = two(&name, &[]);
    tx.tell("send 0 2");
    tx.expect("sent");
    rx.expect_after("drain", "draining");
    let began = Instant::now();
    tx.tell("exec sleep 20");
    rx.expect("0..2 then Disconnected(Died)");
    noted("receiver of a process that became another program", began.elapsed());
}

/// What a killed sender had sent is received to the last message, then its death is told in time, however the receiver waits.
#[test]
fn sender_killed() {
    for strategy in STRATEGIES {
        let name = Name::new("txdead");
        let (mut tx, mut rx) = two(&name, &[strategy]);
        assert_eq!(tx.ask("send 0 40"), "sent");
        rx.expect_after("drain", "draining");
        // The receiver takes what there is and blocks.
        assert_eq!(tx.ask("count"), "40");
        if strategy != "spin" {
            rx.is_blocked();
        }
        let killed = tx.kill_now();
        rx.expect("0..40 then Disconnected(Died)");
        noted(&format!("blocked receiver, {strategy}, learned of the death"), killed.elapsed());
        tx.end();
        assert_eq!(rx.ask("state"), "Died");
        assert_eq!(rx.ask("recv 1"), "failed: Disconnected(Died)", "and it stays so");
        assert_eq!(rx.ask("leave"), "left");
        assert!(name.left_over().is_empty(), "{strategy}: the survivor removes the name");
    }
}

/// Messages of a sender that was killed before the receiver took the first one are received all the same.
#[test]
fn killed_sender_full_channel() {
    let name = Name::new("full");
    let (mut tx, mut rx) = two(&name, &[]);
    let full = tx.ask("fill");
    let sent: u64 = full.strip_prefix("full ").expect("full").parse().expect("a number");
    tx.kill();
    rx.expect_after("drain", "draining");
    rx.expect(&format!("0..{sent} then Disconnected(Died)"));
}

/// A receiver that only tries, or only waits for moments, learns of the death in time.
#[test]
fn sender_killed_receiver_polls() {
    for way in ["poll", "poll-timeout 5", "poll-timeout 20", "poll-timeout 70"] {
        let name = Name::new("txpoll");
        let (mut tx, mut rx) = two(&name, &[]);
        rx.expect_after(way, "polling");
        let killed = tx.kill_now();
        rx.expect("failed: Disconnected(Died)");
        noted(&format!("receiver, {way}, learned of the death"), killed.elapsed());
        tx.end();
    }
}

/// A sender that is blocked on a full channel learns of the receiver's death in time, however it waits.
#[test]
fn receiver_killed() {
    for strategy in STRATEGIES {
        let name = Name::new("rxdead");
        let (mut tx, mut rx) = two(&name, &[strategy]);
        assert!(tx.ask("fill").starts_with("full "));
        tx.expect_after("block", "blocking");
        if strategy != "spin" {
            tx.is_blocked();
        }
        let killed = rx.kill_now();
        tx.expect("failed: Disconnected(Died)");
        noted(&format!("blocked sender, {strategy}, learned of the death"), killed.elapsed());
        rx.end();
        assert_eq!(tx.ask("send 0 1"), "failed: Disconnected(Died)", "and it stays so");
        assert_eq!(tx.ask("leave"), "left");
        assert!(name.left_over().is_empty(), "{strategy}");
    }
}

/// A sender that only tries, or only waits for moments, learns of the receiver's death in time.
#[test]
fn receiver_killed_sender_polls() {
    let mut wrong = Vec::new();
    for way in ["poll", "poll-timeout 5", "poll-timeout 20", "poll-timeout 70", "poll-drain 20", "poll-drain 70"] {
        let name = Name::new("rxpoll");
        let (mut tx, mut rx) = two(&name, &[]);
        assert!(tx.ask("fill").starts_with("full "));
        tx.expect_after(way, "polling");
        let killed = rx.kill_now();
        match tx.answer_within(LONG) {
            Some(answer) if answer == "failed: Disconnected(Died)" => {
                noted(&format!("sender, {way}, learned of the death"), killed.elapsed());
            }
            other => wrong.push(format!("{way}: {other:?} within {LONG:?}")),
        }
        rx.end();
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A peer that leaves in good order is told of at once: as having left, after everything has been received.
#[test]
fn left_is_not_died() {
    for strategy in STRATEGIES {
        let name = Name::new("left");
        let (mut tx, mut rx) = two(&name, &[strategy]);
        tx.tell("send 0 10");
        rx.expect_after("drain", "draining");
        tx.expect("sent");
        assert_eq!(tx.ask("leave"), "left");
        rx.expect("0..10 then Disconnected(Left)");
        let answer = Role::start(ROLE, &["sender", "open", &posix(&name)]).answer();
        assert!(answer.starts_with("error Closed:") && answer.contains("restartable"), "{answer}");
        rx.tell("leave");
        rx.expect("left");
        assert!(name.left_over().is_empty());
        let name = Name::new("left");
        let (mut tx, mut rx) = two(&name, &[strategy]);
        tx.ask("fill");
        tx.expect_after("block", "blocking");
        assert_eq!(rx.ask("leave"), "left");
        tx.expect("failed: Disconnected(Left)");
    }
}

// Alive

/// A stopped peer is alive: it is not declared dead, its end stays taken, and it goes on where it was.
#[test]
fn stopped_is_alive() {
    let name = Name::new("stopped");
    let (mut tx, mut rx) = two(&name, &[]);
    rx.expect_after("block", "blocking");
    tx.stop();
    assert_eq!(rx.answer_within(Duration::from_millis(300)), None, "many looks at the lease, and nobody is dead");
    let answer = Role::start(ROLE, &["sender", "open", &posix(&name)]).answer();
    assert!(answer.starts_with("error Busy:"), "{answer}");
    tx.tell("send 0 1");
    tx.signal(libc::SIGCONT);
    rx.expect("got 0");
    tx.expect("sent");
    // The other way round.
    assert!(tx.ask("fill").starts_with("full "));
    rx.stop();
    tx.expect_after("block", "blocking");
    assert_eq!(tx.answer_within(Duration::from_millis(300)), None);
    assert_eq!(Role::start(ROLE, &["receiver", "open", &posix(&name)]).answer().split(':').next(), Some("error Busy"));
    rx.tell("recv 60");
    rx.signal(libc::SIGCONT);
    assert!(tx.answer().starts_with("sent "));
    assert!(rx.answer().starts_with("[1, 2,"));
    // A stopped process that is killed is dead.
    tx.stop();
    rx.expect_after("drain", "draining");
    tx.kill();
    assert!(rx.answer().ends_with("then Disconnected(Died)"));
}

// Names

/// The last one out removes the name, whichever it is.
#[test]
fn last_one_out_removes_the_name() {
    for first in ["tx", "rx"] {
        let name = Name::new("lastout");
        let (mut tx, mut rx) = two(&name, &[]);
        let (first, last) = if first == "tx" { (&mut tx, &mut rx) } else { (&mut rx, &mut tx) };
        assert_eq!(first.ask("leave"), "left");
        assert_eq!(name.left_over().len(), 1, "somebody is still there");
        assert_eq!(last.ask("leave"), "left");
        assert!(name.left_over().is_empty());
    }
    // A creator that nobody joined.
    let name = Name::new("lastout");
    assert_eq!(Role::ready(ROLE, &["sender", "create", &posix(&name)]).ask("leave"), "left");
    assert!(name.left_over().is_empty());
}

/// What two killed processes left behind is there until the next one uses the name: who opens is told that there is nothing, who
/// creates or does either gets a new channel.
#[test]
fn both_killed() {
    for next in ["open", "create", "open-or-create"] {
        let name = Name::new("bothdead");
        let (mut tx, mut rx) = two(&name, &[]);
        assert_eq!(tx.ask("send 0 5"), "sent");
        tx.kill();
        rx.kill();
        assert_eq!(name.left_over().len(), 1);
        let mut after = Role::start(ROLE, &["receiver", next, &posix(&name)]);
        if next == "open" {
            let answer = after.answer();
            assert!(answer.starts_with("error NotFound:"), "{answer}");
            assert!(name.left_over().is_empty(), "swept");
            after = Role::start(ROLE, &["receiver", "create", &posix(&name)]);
        }
        after.expect("ok");
        assert_eq!(after.ask("count"), "0");
        let mut sender = Role::ready(ROLE, &["sender", "open", &posix(&name)]);
        assert_eq!(sender.ask("send 0 1"), "sent");
        assert_eq!(after.ask("recv 1"), "[0]", "of the new channel, not of the old");
    }
}

/// A name that somebody else removed is nobody's business to remove again: the next channel of that name is not touched by those who
/// leave the old one.
#[test]
fn removed_and_made_anew() {
    let name = Name::new("anew");
    let (mut tx, mut rx) = two(&name, &[]);
    std::fs::remove_file(name.path()).expect("remove");
    let (mut new_tx, mut new_rx) = two(&name, &[]);
    assert_eq!(tx.ask("send 0 1"), "sent");
    assert_eq!(rx.ask("recv 1"), "[0]");
    assert_eq!(tx.ask("leave"), "left");
    assert_eq!(rx.ask("leave"), "left");
    assert_eq!(name.left_over().len(), 1, "the new one's name is still there");
    assert_eq!(new_tx.ask("send 0 1"), "sent");
    assert_eq!(new_rx.ask("recv 1"), "[0]");
}

/// A creator that is killed at any moment leaves nothing, or a whole channel that the next one uses or sweeps.
#[test]
fn creator_killed_at_any_moment() {
    let mut random = Random::seeded("creator_killed_at_any_moment");
    let (mut whole, mut nothing) = (0, 0);
    for round in 0..50 {
        let name = Name::new("creator");
        let restartable = if round % 2 == 0 { "restartable" } else { "sleep" };
        let began = Instant::now();
        let mut creator = Role::start(ROLE, &["sender", "create", &posix(&name), restartable, "capacity=65536"]);
        // A process takes two milliseconds or so to start, and a tenth of that to create.
        let moment = Duration::from_micros(random.below(5000));
        while began.elapsed() < moment {
            std::hint::spin_loop();
        }
        creator.kill();
        let left = name.left_over();
        match &left[..] {
            [] => nothing += 1,
            [one] => {
                assert_eq!(*one, format!("strait.{}", name.as_str()), "round {round}");
                whole += 1;
            }
            more => panic!("round {round}: {more:?}"),
        }
        let options = Options::new().capacity_bytes(4096);
        match Receiver::<u64>::open(name.as_str(), &options) {
            Ok(rx) => {
                assert_eq!(rx.capacity_bytes(), 65536, "round {round}");
                assert!(round % 2 == 0 && !left.is_empty(), "only a restartable one outlives its creator");
            }
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::NotFound, "round {round}: {e}");
                assert!(round % 2 == 1 || left.is_empty(), "round {round}: {e}");
            }
        }
        assert!(name.left_over().is_empty(), "round {round}: swept by the opener");
    }
    eprintln!("creator_killed_at_any_moment: {whole} times a whole channel was there, {nothing} times nothing");
}

/// Who is killed while it creates, attaches or leaves leaves nothing in the way of the next: neither a lease, nor a door, nor half a
/// channel.
#[test]
fn killed_while_coming_and_going() {
    let mut random = Random::seeded("killed_while_coming_and_going");
    let name = Name::new("churnkill");
    let place = posix(&name);
    for round in 0..60 {
        let mut roles =
            ["sender", "receiver", "sender"].map(|end| Role::start(ROLE, &["churn", end, &place, "1000000"]));
        for role in &mut roles {
            let (began, moment) = (Instant::now(), Duration::from_micros(random.below(4000)));
            while began.elapsed() < moment {
                std::hint::spin_loop();
            }
            let _ = role.kill_now();
        }
        for role in &mut roles {
            let said = role.answer();
            assert!(said.starts_with("over: killed by signal 9"), "round {round}: {said}");
        }
        let left = name.left_over();
        assert!(left.is_empty() || left == [format!("strait.{}", name.as_str())], "round {round}: {left:?}");
        let options = Options::new().capacity_bytes(4096);
        let began = Instant::now();
        let mut tx =
            Sender::<u64>::open_or_create(name.as_str(), &options).unwrap_or_else(|e| panic!("round {round}: {e}"));
        let mut rx = Receiver::<u64>::open(name.as_str(), &options).unwrap_or_else(|e| panic!("round {round}: {e}"));
        assert!(began.elapsed() < LONG, "round {round}: {:?}", began.elapsed());
        tx.send(&round).expect("room");
        assert_eq!(rx.recv_timeout(LONG), Ok(round));
        drop((tx, rx));
        assert!(name.left_over().is_empty(), "round {round}");
    }
}

/// `open_timeout` sleeps until the name appears, and not a moment longer than it was told to.
#[test]
fn open_timeout_wakes() {
    let scratch = Scratch::new("opentimeout");
    let name = Name::new("opentimeout");
    for place in [posix(&name), format!("file:{}", scratch.path("channel").display())] {
        let mut rx = Role::start(ROLE, &["receiver", "open-timeout=15000", &place]);
        rx.expect("opening");
        rx.is_blocked();
        // Names that are not the one it waits for.
        let other = Name::new("other");
        drop(Sender::<u64>::create(other.as_str(), &Options::new()).expect("create"));
        assert_eq!(rx.answer_within(Duration::from_millis(30)), None);
        let began = Instant::now();
        let mut tx = Role::ready(ROLE, &["sender", "create", &place]);
        rx.expect("ok");
        noted(&format!("opener of {place} woke"), began.elapsed());
        assert_eq!(tx.ask("send 0 1"), "sent");
        assert_eq!(rx.ask("recv 1"), "[0]");
    }
    let nobody = Name::new("nobody");
    let began = Instant::now();
    let error =
        Receiver::<u64>::open_timeout(nobody.as_str(), &Options::new(), Duration::from_millis(50)).expect_err("nobody");
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    assert!(error.to_string().contains(nobody.as_str()) && error.to_string().contains("50ms"), "{error}");
    assert!((Duration::from_millis(50)..LONG).contains(&began.elapsed()), "{:?}", began.elapsed());
    // What the dead left is no channel to open: it is swept and waited for anew.
    let name = Name::new("sweptwait");
    let (mut tx, mut rx) = two(&name, &[]);
    tx.kill();
    rx.kill();
    let error =
        Receiver::<u64>::open_timeout(name.as_str(), &Options::new(), Duration::from_millis(20)).expect_err("dead");
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
}

/// Any duration is a timeout, the longest too: none makes a call panic.
#[test]
fn longest_timeouts() {
    let mut wrong = Vec::new();
    let mut check = |what: &str, run: fn()| {
        if std::thread::spawn(run).join().is_err() {
            wrong.push(what.to_owned());
        }
    };
    fn small() -> Options {
        Options::new().capacity_bytes(4096)
    }
    fn pair() -> (Sender<u64>, Receiver<u64>) {
        strait::channel::spsc::pair(&small()).expect("pair")
    }
    check("open_timeout", || {
        let name = Name::new("longest");
        let _tx = Sender::<u64>::create(name.as_str(), &small()).expect("create");
        Receiver::<u64>::open_timeout(name.as_str(), &small(), Duration::MAX).expect("is there");
    });
    check("recv_timeout", || {
        let (tx, mut rx) = pair();
        let stat = format!("/proc/self/task/{}/stat", rustix::thread::gettid().as_raw_nonzero());
        // Leaves when the other thread is blocked, or gone.
        let leaver = std::thread::spawn(move || {
            while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") S ")) {
                std::thread::yield_now();
            }
            drop(tx);
        });
        assert!(rx.recv_timeout(Duration::MAX).is_err());
        leaver.join().expect("leaver");
    });
    check("send_timeout", || {
        let (mut tx, rx) = pair();
        while tx.try_send(&1).is_ok() {}
        let leaver = std::thread::spawn(move || drop(rx));
        assert!(tx.send_timeout(&1, Duration::MAX).is_err());
        leaver.join().expect("leaver");
    });
    check("drain", || {
        let (mut tx, _rx) = pair();
        assert_eq!(tx.drain(Duration::MAX), Ok(true));
    });
    check("wait_for_receiver", || {
        let (mut tx, _rx) = pair();
        assert_eq!(tx.wait_for_receiver(Duration::MAX), Ok(true));
    });
    assert!(wrong.is_empty(), "these panic: {wrong:?}");
}
