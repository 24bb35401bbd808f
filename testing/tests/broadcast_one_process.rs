//! The broadcast channel's calls, one by one: what each does and says. All ends are in one process here; `broadcast.rs` has the processes.

use std::time::Duration;
use strait::ErrorKind;
use strait::channel::Cause;
use strait::channel::broadcast::{
    Options, Policy, PublishBatchError, PublishError, PublishTimeoutError, Publisher, RecvError, RecvTimeoutError,
    Subscriber, TryPublishError, TryRecvError,
};
use strait::region::Place;
use strait_testing::names::Name;

const POLICIES: [Policy; 3] = [Policy::Block, Policy::DropOldest, Policy::DropNewest];

fn small() -> Options {
    Options::new().capacity(14)
}

/// A publisher, and subscribers beside it.
fn channel<const N: usize>(options: &Options) -> (Publisher<u64>, [Subscriber<u64>; N]) {
    let tx = Publisher::create(Place::memfd("broadcast"), options).expect("memory");
    let rxs = std::array::from_fn(|_| subscriber(&tx, options));
    (tx, rxs)
}

fn subscriber(tx: &Publisher<u64>, options: &Options) -> Subscriber<u64> {
    let fd = tx.fd().expect("has one").try_clone_to_owned().expect("a descriptor");
    Subscriber::from_fd(fd, options).expect("a seat")
}

fn another(tx: &Publisher<u64>, options: &Options) -> strait::Result<Publisher<u64>> {
    Publisher::from_fd(tx.fd().expect("has one").try_clone_to_owned().expect("a descriptor"), options)
}

/// Every subscriber gets every message, in order, as a copy or in place, one by one or in batches, over many laps.
#[test]
fn everybody_gets_everything() {
    for policy in POLICIES {
        let (mut tx, [mut a, mut b, mut c]) = channel(&small().policy(policy));
        assert_eq!((tx.capacity(), tx.subscribers(), a.publishers(), tx.policy()), (14, 3, 1, policy));
        for i in 0..5_000_u64 {
            tx.publish(&i).expect("published");
            assert_eq!(a.recv(), Ok(i));
            assert_eq!((a.origin().publisher, a.origin().number), (0, i));
            match policy {
                Policy::DropOldest => assert_eq!(b.recv_ref().expect_err("could change"), RecvError::Overwritable),
                _ => assert_eq!(*b.recv_ref().expect("lent"), i),
            }
            if i % 10 == 9 {
                let mut batch = [0; 20];
                let count = c.recv_batch(&mut batch).expect("there");
                assert_eq!(batch[..count], (i - 9..=i).collect::<Vec<_>>(), "{policy:?}");
            }
            if policy == Policy::DropOldest {
                assert_eq!(b.recv(), Ok(i));
            }
        }
        assert!(a.is_empty() && c.is_empty() && tx.is_empty());
        assert_eq!((a.received(), c.received(), tx.published()), (5000, 5000, 5000));
        assert_eq!(a.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(a.recv_timeout(Duration::from_millis(1)), Err(RecvTimeoutError::TimedOut));
    }
}

/// A message of more than a cache line, and slices of every length up to the longest, arrive as they were sent.
#[test]
fn every_length_arrives() {
    let options = small().max_message_bytes(100);
    let mut tx = Publisher::<[u8]>::create(Place::memfd("slices"), &options).expect("memory");
    let fd = tx.fd().expect("has one").try_clone_to_owned().expect("a descriptor");
    let mut rx = Subscriber::<[u8]>::from_fd(fd, &options).expect("a seat");
    for len in (0..=100).cycle().take(300) {
        let message: Vec<u8> = (0..len).map(|i| (i + len) as u8).collect();
        tx.publish(&message).expect("published");
        let mut room = tx.reserve(100).expect("room");
        room[..len].copy_from_slice(&message);
        room.publish_first(len);
        assert_eq!(*rx.recv_ref().expect("lent"), message);
        assert_eq!(rx.recv(), Ok(message));
    }
    let too_large = PublishError::TooLarge { len_bytes: 101, max_bytes: 100 };
    assert_eq!(tx.publish(&[0; 101]), Err(too_large));
    assert_eq!(tx.reserve(101).expect_err("too large"), too_large);

    type Large = [u64; 9];
    let mut tx = Publisher::<Large>::create(Place::memfd("large"), &small()).expect("memory");
    let fd = tx.fd().expect("has one").try_clone_to_owned().expect("a descriptor");
    let mut rx = Subscriber::<Large>::from_fd(fd, &small()).expect("a seat");
    for round in 0..100_u64 {
        let sent: Vec<Large> = (0..5).map(|i| [round * 5 + i; 9]).collect();
        tx.publish_batch(&sent).expect("published");
        *tx.reserve().expect("room") = [u64::MAX; 9];
        let mut got = [[0; 9]; 5];
        assert_eq!(rx.recv_batch(&mut got), Ok(5));
        assert_eq!(got[..], sent);
    }
}

/// A publisher that blocks keeps what the slowest has not read, no less than the capacity of it, and goes on as soon as that has read.
#[test]
fn slowest_is_waited_for() {
    let (mut tx, [mut fast, mut slow]) = channel(&small());
    let mut sent = 0_u64;
    while tx.try_publish(&sent).is_ok() {
        sent += 1;
        assert_eq!(fast.recv(), Ok(sent - 1));
    }
    assert_eq!((sent, tx.len(), slow.len()), (16, 16, 16));
    assert_eq!(tx.publish_timeout(&0, Duration::from_millis(1)), Err(PublishTimeoutError::TimedOut));
    assert_eq!(tx.try_reserve().expect_err("full"), TryPublishError::Full);
    assert_eq!(slow.recv(), Ok(0));
    assert_eq!(tx.try_publish(&sent), Ok(()));
    drop(slow);
    for i in sent + 1..100 {
        assert_eq!(fast.recv(), Ok(i - 1));
        assert_eq!(tx.publish(&i), Ok(()));
    }
}

/// What a publisher writes in place is published when it says so, and a lent message is not overwritten.
#[test]
fn in_place() {
    let (mut tx, [mut rx]) = channel(&small());
    *tx.reserve().expect("room") = 7;
    let _ = tx.try_reserve().expect("room");
    assert!(rx.is_empty());
    let mut room = tx.reserve_timeout(Duration::ZERO).expect("room");
    *room = 8;
    room.publish();
    {
        let lent = rx.recv_ref().expect("lent");
        while tx.try_publish(&0).is_ok() {}
        assert_eq!(*lent, 8);
        lent.put_back();
    }
    assert_eq!(rx.recv(), Ok(8));
    assert_eq!(tx.try_publish(&0), Ok(()));
}

/// A publisher that drops the oldest never waits; a subscriber is told exactly how many it lost, once, and goes on in order.
#[test]
fn lagging_is_told_exactly() {
    let (mut tx, [mut rx, mut batched]) = channel(&small().policy(Policy::DropOldest));
    let (mut next, mut told, mut batch_next) = (0_u64, 0, 0);
    for round in 0..200_u64 {
        for _ in 0..round % 40 {
            tx.publish(&tx.published()).expect("never waits");
        }
        for _ in 0..round % 23 {
            match rx.try_recv() {
                Ok(number) => {
                    assert_eq!(number, next);
                    next += 1;
                }
                Err(TryRecvError::Failed(RecvError::Lagged(lost))) => {
                    assert!(lost > 0);
                    (next, told) = (next + lost, told + lost);
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Failed(other)) => panic!("{other}"),
            }
        }
        let mut into = [0; 9];
        if batched.is_empty() {
            continue;
        }
        match batched.recv_batch(&mut into) {
            Ok(count) => {
                assert_eq!(into[..count], (batch_next..batch_next + count as u64).collect::<Vec<_>>());
                batch_next += count as u64;
            }
            Err(RecvError::Lagged(lost)) => batch_next += lost,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(told > 0);
    assert_eq!((rx.lost(), rx.received()), (told, next - told));
    assert_eq!(batched.lost() + batched.received(), batch_next);
    assert_eq!(next + rx.len(), tx.published());
}

/// A publisher that drops the newest counts what it gave up, for itself and for the subscribers, and gives them no numbers.
#[test]
fn newest_is_dropped_and_counted() {
    let (mut tx, [mut fast, mut slow]) = channel(&small().policy(Policy::DropNewest));
    for i in 0..20_u64 {
        tx.publish(&i).expect("never waits");
        let _ = fast.try_recv();
    }
    assert_eq!((tx.published(), tx.dropped(), fast.dropped(), slow.dropped()), (16, 4, 4, 4));
    assert_eq!(tx.try_publish(&0), Err(TryPublishError::Full));
    assert_eq!(tx.dropped(), 4, "what was refused was not dropped");
    tx.publish_batch(&[0; 3]).expect("never waits");
    assert_eq!(tx.dropped(), 7);
    assert_eq!((0..16).map(|_| slow.recv().expect("there")).collect::<Vec<_>>(), (0..16).collect::<Vec<_>>());
    tx.publish(&99).expect("room");
    assert_eq!((slow.recv(), slow.origin().number), (Ok(99), 16));
    drop(tx);
    assert_eq!(slow.recv(), Err(RecvError::Disconnected(Cause::Left)));
}

/// Who comes later begins with the next message, or with as many of the last ones as it asks for and are kept: no less than the capacity.
#[test]
fn history_is_kept() {
    for policy in POLICIES {
        for total in [0_u64, 3, 14, 100, 1000] {
            let (mut tx, []) = channel(&small().policy(policy));
            for i in 0..total {
                tx.publish(&i).expect("nobody is waited for");
            }
            let mut late = subscriber(&tx, &small());
            assert_eq!(late.try_recv(), Err(TryRecvError::Empty));
            for asked in [1, 5, 14, u64::MAX] {
                let mut rx = subscriber(&tx, &small().history(asked));
                let there = rx.len();
                let bound = asked.min(total);
                assert!(there <= bound && there >= bound.min(14), "{policy:?}: {there} of {asked} of {total}");
                for i in total - there..total {
                    assert_eq!(rx.recv(), Ok(i));
                }
                drop(rx);
            }
            tx.publish(&total).expect("room");
            assert_eq!(late.recv(), Ok(total));
        }
    }
}

/// Publishers have a lane each: messages of one come in order, none is lost, and who takes a seat goes on with its numbers.
#[test]
fn many_publishers() {
    let options = small().publishers(3).history(u64::MAX);
    let (mut one, [mut rx]) = channel(&options);
    let mut two = another(&one, &options).expect("a seat");
    let mut three = another(&one, &options).expect("a seat");
    assert_eq!(another(&one, &options).expect_err("taken").kind(), ErrorKind::Busy);
    assert_eq!((one.number(), two.number(), three.number(), rx.publishers()), (0, 1, 2, 3));
    let mut next = [0; 3];
    for i in 0..1000_u64 {
        for tx in [&mut one, &mut two, &mut three] {
            tx.publish(&i).expect("room");
        }
        for _ in 0..3 {
            let got = rx.recv().expect("there");
            let from = rx.origin();
            assert_eq!((got, from.number), (next[from.publisher as usize], got));
            next[from.publisher as usize] += 1;
        }
    }
    assert_eq!(next, [1000; 3]);
    drop(two);
    let mut two = another(&one, &options).expect("its seat is free");
    assert_eq!((two.number(), two.published()), (1, 1000));
    two.publish(&7).expect("room");
    assert_eq!((rx.recv(), rx.origin().number), (Ok(7), 1000));
    drop((one, two));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty), "one is left");
    drop(three);
    assert_eq!(rx.recv(), Err(RecvError::Disconnected(Cause::Left)));
}

/// Reading a stream of several publishers passes none of them over.
#[test]
fn publishers_take_turns() {
    let options = Options::new().publishers(2).capacity(1000);
    let (mut one, [mut rx]) = channel(&options);
    let mut two = another(&one, &options).expect("a seat");
    one.publish_batch(&[1; 900]).expect("room");
    two.publish(&2).expect("room");
    let at = (0..901).position(|_| rx.recv() == Ok(2)).expect("there");
    assert!(at <= 128, "after {at} of the other's");
}

/// A publisher that overtakes its subscriber again and again keeps nobody from the others' messages; and what was lost is neither received nor
/// where the last message came from.
#[test]
fn overtaken_lane_leaves_the_others_their_turn() {
    let options = small().publishers(2).policy(Policy::DropOldest);
    let (mut one, [mut rx]) = channel(&options);
    let mut two = another(&one, &options).expect("a seat");
    let overtake = |tx: &mut Publisher<u64>| tx.publish_batch(&[1; 40]).expect("never waits");
    one.publish(&1).expect("room");
    assert_eq!((rx.recv(), rx.origin().number), (Ok(1), 0));
    overtake(&mut one);
    two.publish(&2).expect("room");
    let mut received = 1;
    for turn in 0.. {
        let before = rx.origin();
        match rx.recv() {
            Ok(2) => {
                assert_eq!((rx.origin().publisher, rx.origin().number), (1, 0));
                assert!(turn <= 2, "the others had {turn} turns before it");
                break;
            }
            Ok(_) => received += 1,
            Err(error) => {
                assert!(matches!(error, RecvError::Lagged(1..)), "{error}");
                assert_eq!((rx.origin(), rx.received()), (before, received), "what was lost was not received");
            }
        }
        overtake(&mut one);
    }
    assert_eq!(rx.lost() + rx.received() + rx.len(), one.published() + two.published());
}

/// Subscribers of a channel that is over are told how, after everything was received; an iterator ends.
#[test]
fn iteration_ends_with_the_publishers() {
    let (mut tx, [mut rx, mut late]) = channel(&small());
    tx.publish_batch(&[1, 2, 3]).expect("room");
    drop(tx);
    assert_eq!(rx.iter().collect::<Result<Vec<_>, _>>(), Ok(vec![1, 2, 3]));
    assert_eq!(late.recv(), Ok(1));
    assert_eq!(late.iter().count(), 2);
    assert_eq!(late.try_recv(), Err(TryRecvError::Failed(RecvError::Disconnected(Cause::Left))));
}

/// A publisher can wait for subscribers to come, and for them to have read; a restartable channel waits for publishers.
#[test]
fn waiting_for_each_other() {
    let options = small().restartable(true);
    let (mut tx, []) = channel(&options);
    assert_eq!(tx.wait_for_subscribers(1, Duration::from_millis(1)), Ok(false));
    let mut rx = subscriber(&tx, &options);
    assert_eq!(tx.wait_for_subscribers(1, Duration::ZERO), Ok(true));
    tx.publish(&5).expect("room");
    assert_eq!(tx.drain(Duration::from_millis(1)), Ok(false));
    assert_eq!(rx.recv(), Ok(5));
    assert_eq!(tx.drain(Duration::ZERO), Ok(true));
    drop(tx);
    assert_eq!(rx.recv_timeout(Duration::from_millis(1)), Err(RecvTimeoutError::TimedOut));
    assert_eq!(rx.wait_timeout(Duration::from_millis(1)), Ok(false));
}

/// What cannot be is refused with a sentence that says how it can; so is another type, another kind, a full house.
#[test]
fn refusals() {
    let create = |options: &Options| {
        let error = Publisher::<u64>::create(Place::memfd("no"), options).expect_err("cannot be");
        assert_eq!(error.kind(), ErrorKind::Usage);
        error.to_string()
    };
    assert!(create(&Options::new().publishers(17)).contains("17 publishers cannot be; give a number from 1 to 16"));
    assert!(create(&Options::new().subscribers(0)).contains("0 subscribers cannot be"));
    assert!(create(&Options::new().capacity(u64::MAX)).contains("more than a lane can hold"));

    let name = Name::new("refusals");
    let tx = Publisher::<u64>::create(name.as_str(), &Options::new().subscribers(1)).expect("memory");
    let kind = |error: strait::Error| error.kind();
    assert_eq!(
        Publisher::<u64>::create(name.as_str(), &Options::new()).map_err(kind).err(),
        Some(ErrorKind::AlreadyExists)
    );
    let wrong = Subscriber::<i64>::open(name.as_str(), &Options::new()).expect_err("another type");
    assert_eq!(wrong.kind(), ErrorKind::Incompatible);
    assert!(wrong.to_string().contains("'u64'") && wrong.to_string().contains("'i64'"), "{wrong}");
    let wrong = strait::channel::spsc::Receiver::<u64>::open(name.as_str(), &strait::channel::spsc::Options::new());
    assert!(wrong.expect_err("another kind").to_string().contains("broadcast"));
    let schema = Options::new().schema_id(3);
    assert_eq!(Subscriber::<u64>::open(name.as_str(), &schema).map_err(kind).err(), Some(ErrorKind::Incompatible));
    let only = Subscriber::<u64>::open(name.as_str(), &Options::new()).expect("a seat");
    let full = Subscriber::<u64>::open(name.as_str(), &Options::new()).expect_err("one seat");
    assert_eq!(full.kind(), ErrorKind::Busy);
    assert!(full.to_string().contains("all its 1 seats for a subscriber are taken"), "{full}");
    drop((tx, only));
    assert_eq!(Subscriber::<u64>::open(name.as_str(), &Options::new()).map_err(kind).err(), Some(ErrorKind::NotFound));
    assert!(name.left_over().is_empty());
}

/// A batch that cannot be finished says how far it came.
#[test]
fn batch_error_reads() {
    let error = PublishBatchError { published: 3, error: PublishError::Untrusted };
    assert!(error.to_string().starts_with("after 3 messages: another user"));
    assert!(RecvError::Lagged(4).to_string().starts_with("4 messages were overwritten"));
}
