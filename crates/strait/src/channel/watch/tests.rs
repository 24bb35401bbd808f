//! A watch in one process: what its calls return, and what they refuse.

use super::*;
use crate::ErrorKind;
use crate::channel::{Cause, PeerState, SendError, Strategy, spsc};
use crate::region::Region;
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(5);

fn name(word: &str) -> String {
    format!("t-watch-{word}-{}", std::process::id())
}

/// A value is read as often as one likes, and is new once.
#[test]
fn value_is_new_once() {
    let (mut tx, mut rx) = pair::<u64>(&Options::new()).expect("memory");
    assert_eq!((rx.try_get(), rx.version()), (Err(TryReadError::NotYet), 0));
    assert_eq!(rx.get_timeout(SHORT), Err(ReadTimeoutError::TimedOut));
    assert_eq!(tx.get(), None);
    for value in [7, 8, 9] {
        tx.send(&value).expect("sent");
    }
    assert!(rx.has_changed());
    assert_eq!((rx.changed(), rx.seen()), (Ok(9), 3));
    assert_eq!(rx.try_changed(), Err(TryReadError::NotYet));
    assert_eq!(rx.changed_timeout(SHORT), Err(ReadTimeoutError::TimedOut));
    assert_eq!((rx.get(), rx.try_get(), rx.get_timeout(SHORT)), (Ok(9), Ok(9), Ok(9)));
    assert_eq!((tx.get(), tx.version(), tx.readers()), (Some(9), 3, 1));
}

/// Slices of any length up to the longest, empty ones too; a longer one is refused and changes nothing.
#[test]
fn slices() {
    let (mut tx, mut rx) = pair::<[u32]>(&Options::new().max_message_bytes(41)).expect("memory");
    assert_eq!(tx.max_message_bytes(), 40);
    let mut into = Vec::new();
    for len in [0, 1, 10] {
        let value: Vec<u32> = (0..len).collect();
        tx.send(&value).expect("fits");
        rx.changed(&mut into).expect("new");
        assert_eq!(into, value);
    }
    assert_eq!(tx.send(&[0; 11]), Err(SendError::TooLarge { len_bytes: 44, max_bytes: 40 }));
    rx.get(&mut into).expect("there");
    assert_eq!((into.len(), rx.version()), (10, 3));
}

/// Who waits is woken by the next value, however it waits.
#[test]
fn waiting_reader_is_woken() {
    for strategy in [Strategy::Spin, Strategy::SpinThenSleep, Strategy::Sleep] {
        let (mut tx, mut rx) = pair::<[u64; 8]>(&Options::new().wait(strategy)).expect("memory");
        let reader = std::thread::spawn(move || {
            let mut last = 0;
            while last < 1000 {
                let value = rx.changed().expect("the writer lives");
                assert!(value.iter().all(|&word| word == value[0]) && value[0] > last, "{value:?} after {last}");
                last = value[0];
            }
        });
        for value in 1..=1000 {
            tx.send(&[value; 8]).expect("sent");
        }
        reader.join().expect("all were seen or passed over");
    }
}

/// A reader of a flat-out writer gets whole values or is told `Busy`, of every size and number of copies.
#[test]
fn no_value_is_torn() {
    fn run<const N: usize>(copies: u32) {
        let (mut tx, mut rx) = pair::<[u64; N]>(&Options::new().copies(copies)).expect("memory");
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let stopped = std::sync::Arc::clone(&stop);
        tx.send(&[0; N]).expect("sent");
        let writer = std::thread::spawn(move || {
            let mut value = 0;
            while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
                value += 1;
                tx.send(&[value; N]).expect("sent");
            }
        });
        for _ in 0..20_000 {
            match rx.get() {
                Ok(value) => assert!(value.iter().all(|&word| word == value[0]), "{value:?}"),
                Err(error) => assert_eq!(error, ReadError::Busy),
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        writer.join().expect("ends");
    }
    run::<1>(2);
    run::<3>(2);
    run::<8>(2);
    run::<8>(64);
    run::<200>(4);
}

/// When the writer leaves, its last value is still given, and then the end is told; `get` goes on. A next writer is heard.
#[test]
fn writer_leaves() {
    let name = name("leaves");
    let mut tx = Writer::<u64>::create(&name, &Options::new()).expect("made");
    let mut rx = Reader::<u64>::open(&name, &Options::new()).expect("there");
    assert_eq!(rx.writer_state(), PeerState::Attached);
    assert_eq!(rx.writer_pid(), std::process::id());
    tx.send(&5).expect("sent");
    drop(tx);
    assert_eq!((rx.changed(), rx.changed()), (Ok(5), Err(ReadError::Disconnected(Cause::Left))));
    assert_eq!(rx.try_changed(), Err(TryReadError::Failed(ReadError::Disconnected(Cause::Left))));
    assert_eq!((rx.get(), rx.writer_state()), (Ok(5), PeerState::Left));
    let mut tx = Writer::<u64>::open(&name, &Options::new()).expect("the seat is free");
    assert_eq!((tx.get(), tx.version()), (Some(5), 1));
    tx.send(&6).expect("sent");
    assert_eq!((rx.changed(), rx.version()), (Ok(6), 2));
    drop((tx, rx));
    assert_eq!(Reader::<u64>::open(&name, &Options::new()).expect_err("gone").kind(), ErrorKind::NotFound);
}

/// A restartable channel keeps its value when everybody has left.
#[test]
fn restartable_keeps_its_value() {
    let name = name("kept");
    let options = Options::new().restartable(true);
    let mut tx = Writer::<u64>::create(&name, &options).expect("made");
    tx.send(&5).expect("sent");
    drop(tx);
    let mut rx = Reader::<u64>::open(&name, &options).expect("kept");
    assert_eq!((rx.get(), rx.changed_timeout(SHORT)), (Ok(5), Err(ReadTimeoutError::TimedOut)));
    drop(rx);
    Region::remove(name.as_str()).expect("still there");
}

/// There is one writer, and as many readers as were asked for; a seat that is given back is taken again.
#[test]
fn seats_are_counted() {
    let name = name("seats");
    let options = Options::new().readers(2);
    let tx = Writer::<u64>::create(&name, &options).expect("made");
    assert_eq!(Writer::<u64>::open(&name, &options).expect_err("one").kind(), ErrorKind::Busy);
    let readers = [(); 2].map(|()| Reader::<u64>::open(&name, &options).expect("a seat"));
    let refused = Reader::<u64>::open(&name, &options).expect_err("two");
    assert_eq!(refused.kind(), ErrorKind::Busy);
    assert!(refused.to_string().contains("all its 2 seats for a reader are taken"), "{refused}");
    assert_eq!(tx.readers(), 2);
    drop(readers);
    drop(Reader::<u64>::open(&name, &options).expect("a seat again"));
}

/// Another type, schema or kind of channel is refused with both; sizes that cannot be, too.
#[test]
fn others_are_refused() {
    let name = name("others");
    let options = Options::new();
    let _tx = Writer::<u64>::create(&name, &options.clone().schema_id(3)).expect("made");
    let refusals = [
        (Reader::<i64>::open(&name, &options).expect_err("type"), ["'u64' of 8 bytes", "'i64' of 8 bytes"]),
        (Reader::<u64>::open(&name, &options).expect_err("schema"), ["schema 0x3", "schema 0x0"]),
        (Observer::<[u8]>::open(&name, &options).expect_err("type"), ["'u64' of 8 bytes", "'[u8]' of 1 bytes"]),
        (spsc::Receiver::<u64>::open(&name, &spsc::Options::new()).expect_err("kind"), ["kind 4 (watch)", "not spsc"]),
    ];
    for (refused, says) in refusals {
        assert_eq!(refused.kind(), ErrorKind::Incompatible);
        for part in says {
            assert!(refused.to_string().contains(part), "{refused}");
        }
    }
    let usage = |options: &Options| pair::<[u8]>(options).expect_err("cannot be").kind();
    for wrong in [options.clone().copies(3), options.clone().max_message_bytes(0), options.max_message_bytes(u64::MAX)]
    {
        assert_eq!(usage(&wrong), ErrorKind::Usage);
    }
}

/// An observer takes no seat, writes nothing, and sees what readers see; it does not keep the name.
#[test]
fn observer_reads() {
    let name = name("observer");
    let options = Options::new().readers(1);
    let mut tx = Writer::<[u8]>::create(&name, &options).expect("made");
    let _rx = Reader::<[u8]>::open(&name, &options).expect("the seat");
    let mut observers = [(); 3].map(|()| Observer::<[u8]>::open(&name, &options).expect("no seat"));
    tx.send(b"hello").expect("sent");
    for observer in &mut observers {
        let mut into = Vec::new();
        assert_eq!((observer.try_changed(&mut into), into.as_slice()), (Ok(()), b"hello".as_slice()));
        assert_eq!(observer.try_changed(&mut into), Err(TryReadError::NotYet));
        assert_eq!((observer.version(), observer.writer_state()), (1, PeerState::Attached));
    }
    drop((tx, _rx));
    let mut into = Vec::new();
    assert_eq!((observers[0].try_get(&mut into), into.len()), (Ok(()), 5));
    assert_eq!(observers[0].writer_state(), PeerState::Left);
    assert_eq!(Observer::<[u8]>::open(&name, &options).expect_err("gone").kind(), ErrorKind::NotFound);
}
