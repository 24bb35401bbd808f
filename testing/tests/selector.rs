//! Waiting on many: who is ready is found, in turn; a death, an event, a pipe each end the wait; nothing is left announced.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};
use strait::channel::layout::Part;
use strait::channel::spsc::{self, Options, Receiver, Sender};
use strait::channel::{Cause, RecvError, SendError, Strategy, TryRecvError, TrySendError};
use strait::select::{Descriptor, Event, Selectable, Selector};
use strait_testing::names::Name;
use strait_testing::role::Role;
use strait_testing::{LONG, in_time};

const ROLE: &str = env!("CARGO_BIN_EXE_role");

fn small() -> Options {
    Options::new().capacity_bytes(4096)
}

fn posix(name: &Name) -> String {
    format!("posix:{}", name.as_str())
}

fn pairs(count: usize) -> (Vec<Sender<u64>>, Vec<Receiver<u64>>) {
    (0..count).map(|_| spsc::pair::<u64>(&small()).expect("pair")).unzip()
}

/// Every way to wait.
fn selectors() -> [Selector; 3] {
    [Strategy::Spin, Strategy::SpinThenSleep, Strategy::Sleep].map(Selector::waiting)
}

/// Whether the receiver's presence says that it sleeps, as the sender would read it.
fn is_announced(rx: &Receiver<u64>) -> bool {
    let fields = spsc::layout::<u64>(rx.capacity_bytes());
    let presence = fields.iter().find(|it| it.part == Part::ReceiverSide && it.name == "presence").expect("a field");
    let memory = File::from(rx.fd().expect("a memfd").try_clone_to_owned().expect("a descriptor"));
    let mut word = [0; 8];
    memory.read_exact_at(&mut word, presence.offset).expect("in the region");
    u64::from_le_bytes(word) & 1 == 1
}

// In one process

/// The one that is ready is found, whichever it is, and the time runs out where none is.
#[test]
fn the_ready_one_is_found() {
    let (mut txs, mut rxs) = pairs(5);
    for mut selector in selectors() {
        assert_eq!(selector.try_ready(&mut rxs), None);
        assert_eq!(selector.ready_timeout(&mut rxs, Duration::from_millis(3)), None);
        for (index, tx) in txs.iter_mut().enumerate() {
            tx.send(&7).expect("room");
            assert_eq!(selector.ready(&mut rxs), Some(index));
            assert_eq!(selector.try_ready(&mut rxs), Some(index));
            assert_eq!(rxs[index].try_recv(), Ok(7));
        }
        assert!(!rxs.iter().any(is_announced));
        assert_eq!(selector.ready::<Receiver<u64>>(&mut []), None);
    }
}

/// Of several that are ready all the time each has its turn.
#[test]
fn nobody_starves() {
    let (mut txs, mut rxs) = pairs(4);
    for tx in &mut txs {
        tx.send_batch(&[0; 50]).expect("room");
    }
    let mut selector = Selector::new();
    for round in 0..200 {
        assert_eq!(selector.ready(&mut rxs), Some(round % 4));
        rxs[round % 4].try_recv().expect("ready");
    }
}

/// Receivers, a sender, an event and descriptors in one wait.
#[test]
fn a_mixture() {
    for mut selector in selectors() {
        let (mut tx, mut words) = spsc::pair::<u64>(&small()).expect("pair");
        let (mut full, mut drain) = spsc::pair::<[u8]>(&small()).expect("pair");
        let mut event = Event::new();
        let (mut near, mut far) = UnixStream::pair().expect("sockets");
        let mut readable = Descriptor::readable(&near).expect("a socket");
        let mut unwritable = {
            near.set_nonblocking(true).expect("a socket");
            while near.write(&[0; 4096]).is_ok() {}
            Descriptor::writable(&near).expect("a socket")
        };
        while full.try_send(&[1; 1000]).is_ok() {}
        let mut ready = |words: &mut Receiver<u64>, full: &mut Sender<[u8]>, event: &mut Event, limit| {
            selector
                .ready_timeout(&mut [words as &mut dyn Selectable, full, event, &mut readable, &mut unwritable], limit)
        };
        let short = Duration::from_millis(2);
        assert_eq!(ready(&mut words, &mut full, &mut event, short), None);
        tx.send(&1).expect("room");
        assert_eq!(ready(&mut words, &mut full, &mut event, LONG), Some(0));
        words.recv().expect("there");
        // Room for a short message is not what was asked for.
        let mut taken = Vec::new();
        drain.recv_into(&mut taken).expect("there");
        assert_eq!(ready(&mut words, &mut full, &mut event, LONG), Some(1));
        full.try_send(&[1; 1000]).expect("ready");
        assert_eq!(full.try_send(&[1; 1000]), Err(TrySendError::Full));
        assert_eq!(ready(&mut words, &mut full, &mut event, short), None);
        let other = event.clone();
        std::thread::scope(|scope| {
            scope.spawn(move || other.set());
            assert_eq!(ready(&mut words, &mut full, &mut event, LONG), Some(2));
        });
        assert!(event.take());
        far.write_all(b"x").expect("room");
        assert_eq!(ready(&mut words, &mut full, &mut event, LONG), Some(3));
        assert_eq!(near.read(&mut [0; 8]).expect("ready"), 1);
        assert_eq!(ready(&mut words, &mut full, &mut event, short), None);
        let mut sink = vec![0; 1 << 22];
        let _ = far.read(&mut sink).expect("full");
        assert_eq!(ready(&mut words, &mut full, &mut event, LONG), Some(4));
        while near.write(&[0; 4096]).is_ok() {}
        // Its end is something to read, and it is writable too, to be told that nobody reads.
        drop(far);
        let found = ready(&mut words, &mut full, &mut event, LONG);
        assert!(matches!(found, Some(3 | 4)), "{found:?}");
    }
}

/// More sources than the kernel takes at once; a file, which cannot be waited for, is refused in so many words.
#[test]
fn more_than_one_sleep_holds() {
    in_time("three hundred", || {
        let (mut txs, mut rxs) = pairs(300);
        for mut selector in selectors() {
            for index in [0, 126, 127, 128, 255, 299, 1] {
                std::thread::scope(|scope| {
                    let tx = &mut txs[index];
                    let sender = scope.spawn(move || {
                        // While it sleeps, or before.
                        std::thread::yield_now();
                        tx.send(&9).expect("room");
                    });
                    assert_eq!(selector.ready(&mut rxs), Some(index));
                    sender.join().expect("sent");
                });
                rxs[index].try_recv().expect("ready");
            }
            assert_eq!(selector.ready_timeout(&mut rxs, Duration::from_millis(2)), None);
            assert!(!rxs.iter().any(is_announced));
        }
    });
    let refused = Descriptor::readable(&File::open("/proc/self/exe").expect("a file")).expect_err("always ready");
    assert!(refused.to_string().contains("files are always ready"), "{refused}");
}

/// Messages of several threads, each to a channel of its own: every one arrives, whichever way is waited, and whoever is slow.
#[test]
fn every_wake_up_arrives() {
    for mut selector in selectors() {
        in_time("a stream through a selector", move || {
            let (txs, mut rxs) = pairs(4);
            let event = Event::new();
            let threads: Vec<_> = txs
                .into_iter()
                .map(|mut tx| {
                    let event = event.clone();
                    std::thread::spawn(move || {
                        for number in 0..3000_u64 {
                            tx.send(&number).expect("a receiver");
                            if number % 64 == 0 {
                                event.set();
                                std::thread::yield_now();
                            }
                        }
                        tx
                    })
                })
                .collect();
            let mut next = [0; 4];
            let mut source = event.clone();
            let mut events = 0;
            while next.iter().sum::<u64>() < 4 * 3000 {
                let mut sources: Vec<&mut dyn Selectable> = rxs.iter_mut().map(|rx| rx as _).collect();
                sources.push(&mut source);
                match selector.ready(&mut sources).expect("sources") {
                    4 => events += u64::from(event.take()),
                    index => {
                        assert_eq!(rxs[index].try_recv(), Ok(next[index]));
                        next[index] += 1;
                    }
                }
            }
            assert!(events > 0);
            // Until now nobody has left.
            threads.into_iter().for_each(|thread| drop(thread.join().expect("sent")));
        });
    }
}

// With another process

/// A peer that dies makes its channel ready, and nobody else's, within the time that is promised; the others go on.
#[test]
fn a_death_ends_the_wait() {
    let names = [Name::new("selquiet"), Name::new("seldies")];
    for mut selector in [Selector::new(), Selector::waiting(Strategy::Sleep)] {
        let mut rxs: Vec<Receiver<u64>> =
            names.iter().map(|name| Receiver::create(name.as_str(), &small()).expect("create")).collect();
        let mut roles: Vec<Role> =
            names.iter().map(|name| Role::ready(ROLE, &["sender", "open", &posix(name)])).collect();
        assert_eq!(roles[1].ask("send 0 1"), "sent");
        assert_eq!(selector.ready(&mut rxs), Some(1));
        assert_eq!(rxs[1].try_recv(), Ok(0));
        let killed = roles[1].kill_now();
        assert_eq!(selector.ready(&mut rxs), Some(1));
        let took = killed.elapsed();
        assert_eq!(rxs[1].try_recv(), Err(TryRecvError::Failed(RecvError::Disconnected(Cause::Died))));
        assert!(took < LONG, "told after {took:?}");
        assert_eq!(roles[0].ask("send 0 1"), "sent");
        assert_eq!(selector.ready(&mut rxs[..1]), Some(0));
        assert_eq!(rxs[0].try_recv(), Ok(0));
        roles[0].expect_after("leave", "left");
        assert_eq!(selector.ready(&mut rxs[..1]), Some(0));
        assert_eq!(rxs[0].try_recv(), Err(TryRecvError::Failed(RecvError::Disconnected(Cause::Left))));
    }
}

/// One who only ever polls, or waits a little again and again, learns of a death too; so does who waits for room.
#[test]
fn a_death_is_polled() {
    let name = Name::new("selpoll");
    let mut tx = Sender::<u64>::create(name.as_str(), &small()).expect("create");
    let mut role = Role::ready(ROLE, &["receiver", "open", &posix(&name)]);
    assert!(tx.wait_for_receiver(LONG).expect("there"));
    while tx.try_send(&0).is_ok() {}
    role.kill();
    let mut selector = Selector::new();
    let began = Instant::now();
    while selector.try_ready(&mut [&mut tx]).is_none()
        && selector.ready_timeout(&mut [&mut tx], Duration::from_micros(100)).is_none()
    {
        assert!(began.elapsed() < LONG, "never told");
    }
    assert_eq!(tx.try_send(&0), Err(TrySendError::Failed(SendError::Disconnected(Cause::Died))));
}

/// A hundred channels of one peer, of which one is busy: every message is met, and the quiet ones cost no message.
#[test]
fn a_hundred_channels_of_one_peer() {
    let names: Vec<Name> = (0..100).map(|_| Name::new("selhundred")).collect();
    let mut rxs: Vec<Receiver<u64>> =
        names.iter().map(|name| Receiver::create(name.as_str(), &small()).expect("create")).collect();
    let places: Vec<&str> = names.iter().map(Name::as_str).collect();
    let mut role = Role::ready(ROLE, &[&["senders"], &places[..]].concat());
    role.tell("send 42 0 2000");
    let mut selector = Selector::new();
    for number in 0..2000 {
        assert_eq!(selector.ready_timeout(&mut rxs, LONG), Some(42));
        assert_eq!(rxs[42].try_recv(), Ok(number));
    }
    role.expect("sent");
    role.kill();
    // All of them are told, each once.
    let mut told = vec![false; rxs.len()];
    for _ in 0..rxs.len() {
        let index = selector.ready_timeout(&mut rxs, LONG).expect("told");
        assert!(matches!(rxs[index].try_recv(), Err(TryRecvError::Failed(RecvError::Disconnected(Cause::Died)))));
        assert!(!std::mem::replace(&mut told[index], true), "{index} has its turn again before others");
    }
}

/// Asleep it uses hardly any processor time: the looks at the leases, and nothing else.
#[test]
fn asleep_it_does_nothing() {
    let name = Name::new("selidle");
    let role = Role::ready(ROLE, &["select-idle", name.as_str()]);
    let _tx = Sender::<u64>::open(name.as_str(), &small()).expect("open");
    role.is_blocked();
    let before = role.cpu_ticks();
    std::thread::sleep(Duration::from_secs(1));
    // Ticks of 10 ms: ten of them are a tenth of a core.
    assert!(role.cpu_ticks() - before <= 1, "it spins");
}

/// In a forked child every end is ready, to say `Forked`, and what the parent waits for is not disturbed.
#[test]
fn in_a_forked_child() {
    let mut role = Role::start(ROLE, &["fork-selecting"]);
    role.expect("child 0");
    role.expect("parent goes on");
}
