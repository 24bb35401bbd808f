//! The calls of a broadcast channel whose messages lie in blocks, one by one; `broadcast_blocks.rs` has the processes.

use std::time::Duration;
use strait::ErrorKind;
use strait::channel::Strategy;
use strait::channel::broadcast::{
    Held, Options, Policy, PublishError, PublishTimeoutError, Publisher, RecvError, Subscriber, TryPublishError,
    TryRecvError,
};
use strait::region::Place;
use strait_testing::in_time;

const POLICIES: [Policy; 3] = [Policy::Block, Policy::DropOldest, Policy::DropNewest];
const MAX: usize = 10_000;

type Bytes = Publisher<[u8]>;
type Reader = Subscriber<[u8]>;

fn blocks(count: u32) -> Options {
    Options::new().blocks(count).max_message_bytes(MAX as u64)
}

fn publisher(options: &Options) -> Bytes {
    Publisher::create(Place::memfd("blocks"), options).expect("memory")
}

fn subscriber(tx: &Bytes, options: &Options) -> Reader {
    Subscriber::from_fd(tx.fd().expect("has one").try_clone_to_owned().expect("a descriptor"), options).expect("a seat")
}

/// A message of that number: as long and full of it as no other near it.
fn message(number: u64) -> Vec<u8> {
    vec![number as u8; (number * 97 % (MAX as u64 + 1)) as usize]
}

fn publish(tx: &mut Bytes) -> Result<(), TryPublishError> {
    tx.try_publish(&message(tx.published()))
}

/// Every length comes as it was sent, as a copy, a loan or held, written in place or copied, under every policy, over many laps.
#[test]
fn everybody_gets_everything() {
    for policy in POLICIES {
        let options = blocks(20).policy(policy);
        let mut tx = publisher(&options);
        assert_eq!((tx.capacity(), tx.max_message_bytes()), (18, MAX as u64));
        let (mut a, mut b, mut c) = (subscriber(&tx, &options), subscriber(&tx, &options), subscriber(&tx, &options));
        for i in 0..600 {
            let sent = message(i);
            if i % 2 == 0 {
                tx.publish(&sent).expect("room");
            } else {
                let mut room = tx.reserve(MAX).expect("room");
                room[..sent.len()].copy_from_slice(&sent);
                room.publish_first(sent.len());
            }
            assert_eq!(a.recv().as_ref(), Ok(&sent), "{policy:?}");
            {
                let lent = b.recv_ref().expect("lent");
                assert_eq!(*lent, *sent);
                lent.put_back();
            }
            assert_eq!(*b.try_recv_ref().expect("lent again"), *sent);
            let held = c.hold().expect("there");
            assert_eq!((&*held, held.origin().number), (&*sent, i));
        }
        let too_large = PublishError::TooLarge { len_bytes: MAX as u64 + 1, max_bytes: MAX as u64 };
        assert_eq!(tx.publish(&[0; MAX + 1]), Err(too_large));
        assert!(a.is_empty() && tx.is_empty());
        drop(tx);
        assert!(matches!(c.try_hold().expect_err("over"), TryRecvError::Failed(RecvError::Disconnected(_))));
    }
}

/// Of a batch the publisher is told at the ends of runs, and not message by message: one that waits then has room for several.
#[test]
fn batches_are_told_by_runs() {
    type Item = [u64; 20];
    let options = Options::new().blocks(1024).policy(Policy::Block);
    let mut tx = Publisher::<Item>::create(Place::memfd("runs"), &options).expect("memory");
    let fd = tx.fd().expect("has one").try_clone_to_owned().expect("a descriptor");
    let mut rx = Subscriber::<Item>::from_fd(fd, &options).expect("a seat");
    tx.publish_batch(&[[1; 20]; 900]).expect("room");
    assert_eq!(rx.recv_batch(&mut [[0; 20]; 200]), Ok(200));
    // Of 2,048 slots a run is a sixteenth.
    assert_eq!((rx.received(), tx.len()), (200, 900 - 128));
    assert_eq!(rx.recv_batch(&mut [[0; 20]; 900]), Ok(700));
    assert_eq!((rx.received(), tx.len()), (900, 0));
}

/// Single large items lie in blocks too, in batches as well.
#[test]
fn items_come_in_batches() {
    type Large = [u64; 1000];
    let options = Options::new().blocks(30).policy(Policy::DropOldest);
    let mut tx = Publisher::<Large>::create(Place::memfd("items"), &options).expect("memory");
    let fd = tx.fd().expect("has one").try_clone_to_owned().expect("a descriptor");
    let mut rx = Subscriber::<Large>::from_fd(fd, &options).expect("a seat");
    for round in 0..40_u64 {
        let sent: Vec<Large> = (0..5).map(|i| [round * 5 + i; 1000]).collect();
        tx.publish_batch(&sent).expect("published");
        let mut got = vec![[0; 1000]; 9];
        assert_eq!(rx.recv_batch(&mut got), Ok(5));
        assert_eq!(got[..5], sent);
    }
    let mut next = tx.published();
    tx.publish_batch(&[[7; 1000]; 100]).expect("never waits");
    let mut got = vec![[0; 1000]; 200];
    let Err(RecvError::Lagged(lost)) = rx.recv_batch(&mut got) else { panic!("most are gone") };
    next += lost;
    let count = rx.recv_batch(&mut got).expect("the rest");
    assert_eq!(next + count as u64, tx.published());
    *tx.reserve().expect("room") = [3; 1000];
    let mut room = tx.reserve().expect("room");
    room[999] = 9;
    room.publish();
    assert_eq!(rx.recv().expect("there")[999], 9);
}

/// Messages held for long stop nobody and never change; whoever is behind is told exactly what it lost.
#[test]
fn drop_oldest_goes_on_under_holds() {
    let options = blocks(8).policy(Policy::DropOldest);
    let mut tx = publisher(&options);
    let (mut holder, mut other) = (subscriber(&tx, &options), subscriber(&tx, &options));
    let mut held: Vec<(u64, Held<[u8]>)> = Vec::new();
    let mut next = 0;
    for i in 0..2000_u64 {
        publish(&mut tx).expect("there are blocks enough");
        if i % 31 == 7 {
            let message = loop {
                match holder.hold() {
                    Err(RecvError::Lagged(_)) => {}
                    got => break got.expect("there"),
                }
            };
            held.push((message.origin().number, message));
            if held.len() > 5 {
                held.remove((i % 5) as usize);
            }
        }
        if i % 13 == 0 {
            loop {
                match other.try_recv() {
                    Ok(got) => assert_eq!(got, message(next)),
                    Err(TryRecvError::Failed(RecvError::Lagged(lost))) => {
                        next += lost;
                        continue;
                    }
                    Err(error) => break assert_eq!(error, TryRecvError::Empty),
                }
                next += 1;
            }
            assert_eq!(next, tx.published());
        }
        for (number, it) in &held {
            assert_eq!(**it, message(*number), "held message {number}");
        }
    }
    assert_eq!(other.lost() + other.received(), 2000 - other.len());
}

/// A loan under a policy that does not wait is a hold too; one that was leaked ends when the next message is asked for.
#[test]
fn loans_do_not_change() {
    let options = blocks(3).policy(Policy::DropOldest);
    let mut tx = publisher(&options);
    let mut rx = subscriber(&tx, &options);
    for _ in 0..40 {
        publish(&mut tx).expect("room");
        let number = tx.published() - 1;
        {
            let lent = rx.recv_ref().expect("lent");
            for _ in 0..10 {
                publish(&mut tx).expect("room");
            }
            assert_eq!(*lent, *message(number));
            std::mem::forget(lent);
        }
        // Its bytes are no longer ours, for it was overtaken: it is lost, once.
        assert!(matches!(rx.recv(), Err(RecvError::Lagged(_))));
        while rx.try_recv().is_ok() {}
        let all: Vec<_> = (0..3).map(|_| tx.try_reserve(1).map(drop)).collect();
        assert_eq!(all, [Ok(()); 3]);
    }
}

/// When all blocks are held there is no room: a call that never waits says so, one that waits is woken by the first that is let go of.
#[test]
fn all_held() {
    for policy in POLICIES {
        let options = blocks(4).policy(policy).wait(Strategy::Sleep);
        let mut tx = publisher(&options);
        let mut rx = subscriber(&tx, &options);
        for _ in 0..4 {
            publish(&mut tx).expect("room");
        }
        let mut held: Vec<_> = (0..4).map(|_| rx.hold().expect("there")).collect();
        assert_eq!(publish(&mut tx), Err(TryPublishError::Full), "{policy:?}");
        assert_eq!(tx.try_reserve(3).map(drop), Err(TryPublishError::Full));
        assert_eq!(tx.publish_timeout(&[1], Duration::from_millis(5)), Err(PublishTimeoutError::TimedOut));
        if policy == Policy::DropNewest {
            tx.publish(&[1]).expect("it is given up");
            assert_eq!((tx.dropped(), rx.dropped()), (1, 1));
        }
        let waits = std::thread::spawn(move || {
            let sent = message(4);
            tx.publish_timeout(&sent, strait_testing::LONG).map(|()| tx)
        });
        held.remove(2);
        let mut tx = in_time("publish", move || waits.join().expect("no panic")).expect("room");
        assert_eq!(rx.recv().as_deref(), Ok(&*message(4)));
        for (it, number) in held.iter().zip([0, 1, 3]) {
            assert_eq!(**it, message(number));
        }
        drop(held);
        // Nothing is lost for good.
        for _ in 0..if policy == Policy::DropOldest { 9 } else { 4 } {
            publish(&mut tx).expect("room");
        }
    }
}

/// What is held outlives the subscriber, which counts no longer, holds nobody up, and keeps its seat until the last of it is gone; the
/// channel's name too.
#[test]
fn held_outlives_its_subscriber() {
    let name = strait_testing::names::Name::new("outlives");
    let options = blocks(3).subscribers(1);
    let mut tx = Bytes::create(name.as_str(), &options).expect("memory");
    let mut rx = Reader::open(name.as_str(), &options).expect("a seat");
    publish(&mut tx).expect("room");
    publish(&mut tx).expect("room");
    let (one, two) = (rx.hold().expect("there"), rx.hold().expect("there"));
    publish(&mut tx).expect("room");
    assert_eq!(publish(&mut tx), Err(TryPublishError::Full), "one is not read, two are held");
    drop(rx);
    assert_eq!(tx.subscribers(), 0);
    for _ in 0..10 {
        publish(&mut tx).expect("nobody is waited for");
    }
    let busy = Reader::open(name.as_str(), &options).expect_err("its seat is taken");
    assert_eq!(busy.kind(), ErrorKind::Busy);
    let one = std::thread::spawn(move || {
        assert_eq!(*one, *message(0));
        one
    });
    drop(one.join().expect("no panic"));
    assert_eq!(Reader::open(name.as_str(), &options).map_err(|e| e.kind()).err(), Some(ErrorKind::Busy));
    drop(tx);
    assert_eq!(*two, *message(1));
    let mut tx = Bytes::open(name.as_str(), &options).expect("it is held");
    assert_eq!(tx.published(), 13);
    drop(two);
    let mut rx = Reader::open(name.as_str(), &options).expect("its seat is free");
    for _ in 0..3 {
        publish(&mut tx).expect("room");
    }
    assert_eq!(publish(&mut tx), Err(TryPublishError::Full));
    assert_eq!(rx.recv().as_deref(), Ok(&*message(13)));
    publish(&mut tx).expect("room");
    let last = rx.hold().expect("there");
    drop((tx, rx));
    assert_eq!(*last, *message(14));
    drop(last);
    assert!(name.left_over().is_empty());
}

/// Who comes later gets as many as are kept; a publisher that takes the seat goes on with the numbers, keeps history and holds, and loses no
/// block.
#[test]
fn history_and_successors() {
    for policy in POLICIES {
        let options = blocks(16).policy(policy).restartable(true);
        let first = publisher(&options);
        let mut rx = subscriber(&first, &options);
        let fd = first.fd().expect("has one").try_clone_to_owned().expect("a descriptor");
        let mut tx = first;
        let mut held = Vec::new();
        for life in 0..30_u64 {
            assert_eq!(tx.published(), life * 20);
            for i in 0..20 {
                publish(&mut tx).expect("room");
                let got = rx.hold().expect("there");
                if i == life % 20 {
                    held.push(got);
                }
                if held.len() > 3 {
                    held.remove(0);
                }
            }
            drop(tx);
            let mut late =
                Reader::from_fd(fd.try_clone().expect("a descriptor"), &options.clone().from_oldest()).expect("a seat");
            let kept = late.len();
            assert!((14 - 3..=16).contains(&kept), "{policy:?}: {kept} are kept");
            for number in (life + 1) * 20 - kept..(life + 1) * 20 {
                assert_eq!(late.recv().as_deref(), Ok(&*message(number)), "{policy:?}");
            }
            for it in &held {
                assert_eq!(**it, message(it.origin().number));
            }
            tx = Publisher::from_fd(fd.try_clone().expect("a descriptor"), &options).expect("a seat");
        }
    }
}

/// What cannot be is refused with a sentence; a channel without blocks holds nothing.
#[test]
fn refusals() {
    let refused = |options: &Options| {
        let error = Bytes::create(Place::memfd("no"), options).expect_err("cannot be");
        assert_eq!(error.kind(), ErrorKind::Usage);
        error.to_string()
    };
    for count in [1, 1025, u32::MAX] {
        let said = refused(&blocks(count));
        assert!(said.contains(&format!("{count} blocks cannot be; give a number from 2 to 1024")), "{said}");
    }
    let said = refused(&blocks(1024).max_message_bytes((1 << 30) + 1));
    assert!(
        said.contains("1024 blocks of up to 1073741825 bytes are more than a lane can hold; ask for less"),
        "{said}"
    );
    let said = refused(&blocks(2).max_message_bytes(u64::MAX));
    assert!(said.contains("2 blocks of up to"), "{said}");

    let options = Options::new().policy(Policy::DropOldest);
    let mut tx = publisher(&options);
    let mut rx = subscriber(&tx, &options);
    tx.publish(b"x").expect("room");
    assert_eq!(rx.hold().expect_err("none"), RecvError::NoBlocks);
    assert_eq!(rx.recv_ref().expect_err("could change"), RecvError::Overwritable);
    for error in [RecvError::NoBlocks, RecvError::Overwritable] {
        assert!(error.to_string().ends_with("make it with blocks"), "{error}");
    }
    assert_eq!(rx.recv().as_deref(), Ok(&b"x"[..]));
}
