//! The spsc channel's calls, one by one: what each does and says. Both ends are in one process here, for that is what can be looked
//! at most closely; `spsc_two_processes.rs` has the two processes.

use std::time::Duration;
use strait::channel::spsc::{self, Options, Receiver, Sender};
use strait::channel::{
    Cause, PeerState, RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};
use strait::region::Place;

fn small() -> Options {
    Options::new().capacity_bytes(4096)
}

/// What is sent is received, in order, as a copy or in place.
#[test]
fn messages_arrive_in_order() {
    let (mut tx, mut rx) = spsc::pair::<u64>(&small()).expect("pair");
    for i in 0..10_000_u64 {
        tx.send(&i).expect("send");
        assert_eq!(tx.len(), 1);
        assert!(!rx.is_empty() && !tx.is_empty());
        if i % 2 == 0 {
            assert_eq!(rx.recv().expect("recv"), i);
        } else {
            assert_eq!(*rx.recv_ref().expect("recv_ref"), i);
        }
        assert_eq!(rx.received(), i + 1);
    }
    assert!(rx.is_empty() && tx.is_empty());
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(rx.recv_timeout(Duration::from_millis(1)), Err(RecvTimeoutError::TimedOut));
}

/// Messages of every length up to the limit go through, across many laps; a longer one is refused with the limit.
#[test]
fn every_length_fits() {
    let (mut tx, mut rx) = spsc::pair::<[u8]>(&small()).expect("pair");
    assert_eq!(tx.max_message_bytes(), 2048);
    let mut buffer = Vec::new();
    for lap in 0..3 {
        for len in 0..=2048_usize {
            let message: Vec<u8> = (0..len).map(|i| (i + len + lap) as u8).collect();
            tx.try_send(&message).expect("an empty ring has room for every length");
            rx.recv_into(&mut buffer).expect("recv");
            assert_eq!(buffer, message, "length {len}");
        }
    }
    assert_eq!(tx.send(&[0; 2049]), Err(SendError::TooLarge { len_bytes: 2049, max_bytes: 2048 }));
}

/// A full channel says so, and goes on when there is room.
#[test]
fn full_is_full() {
    let (mut tx, mut rx) = spsc::pair::<u64>(&small()).expect("pair");
    let mut sent = 0_u64;
    while tx.try_send(&sent).is_ok() {
        sent += 1;
    }
    assert_eq!(sent, 4096 / 64 - 1);
    assert_eq!(tx.try_send(&0), Err(TrySendError::Full));
    assert_eq!(tx.send_timeout(&0, Duration::from_millis(5)), Err(SendTimeoutError::TimedOut));
    assert_eq!(rx.recv(), Ok(0));
    tx.try_send(&sent).expect("room");
    for i in 1..=sent {
        assert_eq!(rx.recv(), Ok(i));
    }
}

/// Batches arrive whole and in order, whatever their size against the ring's.
#[test]
fn batches_arrive() {
    let (mut tx, mut rx) = spsc::pair::<u32>(&small()).expect("pair");
    let sender = std::thread::spawn(move || {
        let all: Vec<u32> = (0..100_000).collect();
        for part in all.chunks(777) {
            tx.send_batch(part).expect("send");
        }
    });
    let mut next = 0;
    let mut into = [0; 100];
    while next < 100_000 {
        if next % 3 == 0 {
            let batch = rx.recv_batch_ref().expect("recv");
            for &n in batch.iter() {
                assert_eq!(n, next);
                next += 1;
            }
        } else {
            let count = rx.recv_batch(&mut into).expect("recv");
            for &n in &into[..count] {
                assert_eq!(n, next);
                next += 1;
            }
        }
    }
    sender.join().expect("sender");
    assert_eq!(rx.recv(), Err(RecvError::Disconnected(Cause::Left)));
    assert_eq!(rx.iter().count(), 0);
}

/// Items too large for a record fill the channel to the last slot, lap after lap: of any size and alignment, up to half the capacity.
#[test]
fn large_items_fill_the_channel() {
    fn fills<const N: usize>() {
        let (mut tx, mut rx) = spsc::pair::<[u8; N]>(&small()).expect("pair");
        let slots = 4096 / N as u64;
        assert_eq!(tx.capacity_bytes(), slots * N as u64);
        let message = |n: u64| -> [u8; N] { std::array::from_fn(|at| (n as usize * 31 + at) as u8) };
        for lap in 0..5 {
            let first = tx.sent();
            while tx.try_send(&message(tx.sent())).is_ok() {}
            assert_eq!(tx.sent() - first, slots, "{N} bytes");
            assert_eq!((tx.len(), rx.len()), (slots, slots));
            for n in first..first + slots {
                assert_eq!(rx.try_recv(), Ok(message(n)), "{N} bytes");
            }
            assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
            // The next lap begins in another slot.
            for n in 0..lap % slots {
                tx.try_send(&message(n)).expect("room");
                assert_eq!(*rx.recv_ref().expect("there"), message(n));
            }
        }
    }
    fills::<57>();
    fills::<64>();
    fills::<100>();
    fills::<1000>();
    fills::<2047>();
    fills::<2048>();
    let refused = spsc::pair::<[u8; 2049]>(&small()).expect_err("more than half");
    assert_eq!(refused.kind(), strait::ErrorKind::Usage, "{refused}");
}

/// Batches of large items arrive whole and in order around the end of the ring, copied or in place.
#[test]
fn batches_of_large_items_arrive() {
    fn arrive<const N: usize>() {
        let message = |n: u32| -> [u8; N] { std::array::from_fn(|at| n.to_le_bytes()[at % 4]) };
        let (mut tx, mut rx) = spsc::pair::<[u8; N]>(&small()).expect("pair");
        let sender = std::thread::spawn(move || {
            let all: Vec<[u8; N]> = (0..20_000).map(message).collect();
            for part in all.chunks(77) {
                tx.send_batch(part).expect("send");
            }
        });
        let mut next = 0;
        let mut into = [[0; N]; 50];
        while next < 20_000 {
            let mut check = |found: &[[u8; N]]| {
                for found in found {
                    assert_eq!(*found, message(next), "message {next} of {N} bytes");
                    next += 1;
                }
            };
            if rx.received() % 3 == 0 {
                check(&rx.recv_batch_ref().expect("recv"));
            } else {
                let count = rx.recv_batch(&mut into).expect("recv");
                check(&into[..count]);
            }
        }
        sender.join().expect("sender");
        assert_eq!(rx.try_recv(), Err(TryRecvError::Failed(RecvError::Disconnected(Cause::Left))));
    }
    arrive::<57>();
    arrive::<64>();
    arrive::<100>();
}

/// A batch of slices becomes visible at once and arrives in order.
#[test]
fn slices_in_a_batch() {
    let (mut tx, mut rx) = spsc::pair::<[u16]>(&small()).expect("pair");
    tx.send_batch([&[1_u16, 2][..], &[], &[3]]).expect("send");
    assert_eq!(tx.len(), 3);
    assert_eq!(rx.recv(), Ok(vec![1, 2]));
    assert_eq!(rx.recv(), Ok(vec![]));
    assert_eq!(rx.recv(), Ok(vec![3]));
}

/// A reservation is written in place; dropped, it was nothing; published shorter, it is shorter.
#[test]
fn reservations() {
    let (mut tx, mut rx) = spsc::pair::<[u8]>(&small()).expect("pair");
    tx.reserve(500).expect("room").fill(7);
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    let mut room = tx.reserve(500).expect("room");
    room.fill(8);
    room.publish_first(3);
    // What the dropped and the shortened reservation left in the ring must not be taken for messages.
    tx.send(&[9]).expect("send");
    assert_eq!(rx.recv(), Ok(vec![8, 8, 8]));
    assert_eq!(rx.recv(), Ok(vec![9]));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    let (mut tx, mut rx) = spsc::pair::<[u64; 20]>(&small()).expect("pair");
    let mut room = tx.reserve().expect("room");
    *room = [5; 20];
    room.publish();
    assert_eq!(rx.recv(), Ok([5; 20]));
}

/// Old payload that looks like a header is never taken for one.
#[test]
fn payload_is_not_mistaken_for_headers() {
    let (mut tx, mut rx) = spsc::pair::<[u64]>(&small()).expect("pair");
    for lap in 0..300_u64 {
        let forged: Vec<u64> = (0..(lap * 7) % 250).map(|i| 1 << 63 | (lap + i) << 32 | 8).collect();
        tx.send(&forged).expect("send");
        assert_eq!(rx.recv(), Ok(forged));
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    }
}

/// A lent message that is put back, or leaked, is received again.
#[test]
fn loan_put_back_comes_again() {
    let (mut tx, mut rx) = spsc::pair::<u64>(&small()).expect("pair");
    tx.send(&1).expect("send");
    rx.recv_ref().expect("recv").put_back();
    assert_eq!(rx.recv(), Ok(1));
}

/// Leaving is told: to the receiver after everything has been received, to the sender at once.
#[test]
fn leaving_is_told() {
    let (mut tx, mut rx) = spsc::pair::<u64>(&small()).expect("pair");
    tx.send(&1).expect("send");
    drop(tx);
    assert_eq!(rx.sender_state(), PeerState::Left);
    assert_eq!(rx.recv(), Ok(1));
    assert_eq!(rx.recv(), Err(RecvError::Disconnected(Cause::Left)));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Failed(RecvError::Disconnected(Cause::Left))));
    for sent in 0..3 {
        let (mut tx, rx) = spsc::pair::<u64>(&small()).expect("pair");
        (0..sent).for_each(|n| tx.send(&n).expect("room"));
        drop(rx);
        assert_eq!(tx.send(&1), Err(SendError::Disconnected(Cause::Left)), "behind {sent}");
    }
}

/// A blocked receiver wakes for a message and for a goodbye, whichever way it waits.
#[test]
fn blocked_receiver_wakes() {
    use strait::channel::Strategy;
    for strategy in [Strategy::Spin, Strategy::SpinThenSleep, Strategy::Sleep] {
        let options = small().wait(strategy);
        let (mut tx, mut rx) = spsc::pair::<u64>(&options).expect("pair");
        let (mut back_tx, mut back_rx) = spsc::pair::<u64>(&options).expect("pair");
        let echo = std::thread::spawn(move || {
            while let Ok(n) = rx.recv() {
                back_tx.send(&(n + 1)).expect("send");
            }
        });
        for n in 0..1000 {
            tx.send(&n).expect("send");
            assert_eq!(back_rx.recv(), Ok(n + 1));
        }
        drop(tx);
        echo.join().expect("echo");
        assert_eq!(back_rx.recv(), Err(RecvError::Disconnected(Cause::Left)));
    }
}

/// A restartable channel goes on with new ends where the old ones were.
#[test]
fn restartable_goes_on() {
    let name = format!("test-restart-{}", std::process::id());
    let options = small().restartable(true);
    let mut tx = Sender::<u64>::create(&name, &options).expect("create");
    tx.send_batch(&[0, 1, 2, 3]).expect("send");
    drop(tx);
    let mut rx = Receiver::<u64>::open(&name, &options).expect("kept, for it holds messages");
    assert_eq!(rx.recv(), Ok(0));
    drop(rx);
    let mut tx = Sender::<u64>::open(&name, &options).expect("open");
    assert_eq!(tx.sent(), 4);
    tx.send(&4).expect("send");
    let mut rx = Receiver::<u64>::open(&name, &options).expect("open");
    assert_eq!(rx.received(), 1);
    for n in 1..5 {
        assert_eq!(rx.recv(), Ok(n));
    }
    assert!(Sender::<u64>::open(&name, &options).is_err_and(|e| e.kind() == strait::ErrorKind::Busy));
    drop(tx);
    drop(rx);
    assert!(Receiver::<u64>::open(&name, &options).is_err_and(|e| e.kind() == strait::ErrorKind::NotFound));
}

/// A pipe-like channel's name goes with its last user, whatever nobody has received, and its ends are taken once.
#[test]
fn names_vanish() {
    let name = format!("test-vanish-{}", std::process::id());
    let mut tx = Sender::<u64>::create(&name, &small()).expect("create");
    tx.send(&1).expect("room");
    assert!(Sender::<u64>::create(&name, &small()).is_err_and(|e| e.kind() == strait::ErrorKind::AlreadyExists));
    let rx = Receiver::<u64>::open(&name, &small()).expect("open");
    drop(tx);
    let closed = Sender::<u64>::open(&name, &small()).expect_err("over");
    assert_eq!(closed.kind(), strait::ErrorKind::Closed, "{closed}");
    drop(rx);
    assert!(!std::path::Path::new(&format!("/dev/shm/strait.{name}")).exists());
}

/// The wrong type is refused, and both types are named.
#[test]
fn wrong_type_is_named() {
    let name = format!("test-type-{}", std::process::id());
    let _tx = Sender::<u64>::create(&name, &small()).expect("create");
    let error = Receiver::<f64>::open(&name, &small()).expect_err("another type");
    assert_eq!(error.kind(), strait::ErrorKind::Incompatible);
    assert!(error.to_string().contains("'u64' of 8 bytes, asked for are 'f64' of 8 bytes"), "{error}");
}

/// A channel in a file is there again after both sides have gone.
#[test]
fn file_outlives_its_users() {
    let path = std::env::temp_dir().join(format!("strait-test-file-{}", std::process::id()));
    let mut tx = Sender::<[u8]>::create(&path, &small()).expect("create");
    tx.send(b"kept").expect("send");
    tx.sync().expect("sync");
    drop(tx);
    let mut rx = Receiver::<[u8]>::open(Place::file(&path), &small()).expect("open");
    assert_eq!(rx.recv(), Ok(b"kept".to_vec()));
    drop(rx);
    std::fs::remove_file(&path).expect("still there");
}

/// Each end maps what only others write without the right to write there, and the other side's page once more to sleep on.
#[test]
fn what_others_write_is_mapped_read_only() {
    let path = std::env::temp_dir().join(format!("strait-test-mapped-{}", std::process::id()));
    // Where each mapping begins in the file, and its rights.
    let rights = || -> Vec<(String, String)> {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("there");
        let ours = maps.lines().filter(|line| line.contains(path.to_str().expect("text")));
        let field = |line: &str, number| line.split(' ').nth(number).expect("a field").to_owned();
        let mut all: Vec<_> = ours.map(|line| (field(line, 2), field(line, 1))).collect();
        all.sort();
        all
    };
    let are = |expected: &[(&str, &str)]| {
        let expected: Vec<_> = expected.iter().map(|(at, may)| ((*at).to_owned(), (*may).to_owned())).collect();
        assert_eq!(rights(), expected);
    };
    let tx = Sender::<u64>::create(Place::file(&path), &small()).expect("new");
    // The maker's own mapping is older than the name.
    are(&[]);
    let rx = Receiver::<u64>::open(Place::file(&path), &small()).expect("there");
    // Header and the sender's side, that once more, its own side, the ring.
    are(&[("00000000", "r--s"), ("00001000", "rw-s"), ("00002000", "rw-s"), ("00003000", "r--s")]);
    drop((tx, rx));
    let tx = Sender::<u64>::open(Place::file(&path), &small()).expect("restartable");
    // Header, its own side, the receiver's side, that once more, the ring.
    are(&[
        ("00000000", "r--s"),
        ("00001000", "rw-s"),
        ("00002000", "r--s"),
        ("00002000", "rw-s"),
        ("00003000", "rw-s"),
    ]);
    drop(tx);
    are(&[]);
    std::fs::remove_file(&path).expect("there");
}
