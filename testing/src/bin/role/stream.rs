//! The two ends of a stream of numbers that are killed again and again.

use crate::{place, say};
use std::fs::File;
use std::io::Write as _;
use std::time::Duration;
use strait::ErrorKind;
use strait::channel::spsc::{Options, Receiver, Sender};

fn options() -> Options {
    Options::new().capacity_bytes(4096).restartable(true)
}

/// The message that has the number `n` in a stream of slices: of many lengths, so that they wrap in all ways; made of `n`.
fn slice(n: u64) -> Vec<u64> {
    vec![n; (n * 7919 % 251) as usize]
}

/// The message that has the number `n` in a stream of lines, which lie in slots; made of `n`.
fn line(n: u64) -> [u64; 8] {
    [n; 8]
}

/// Sends the numbers that have not been sent, up to `total`, and waits until they have been received: one by one, in batches, as
/// slices, or as lines, one by one and in batches by turns.
pub(crate) fn send(at: &str, total: &str, how: &str) {
    let total: u64 = total.parse().expect("a number");
    let drained = if how == "slices" {
        let Some(mut tx) = until_free(|| Sender::<[u64]>::open_or_create(place(at), &options())) else { return };
        for n in tx.sent()..total {
            tx.send(&slice(n)).expect("restartable");
        }
        tx.drain(Duration::from_secs(30))
    } else if how == "lines" {
        let Some(mut tx) = until_free(|| Sender::<[u64; 8]>::open_or_create(place(at), &options())) else { return };
        while tx.sent() < total {
            let from = tx.sent();
            let to = total.min(from + 1 + from % 97);
            if from % 2 == 0 {
                tx.send(&line(from)).expect("restartable");
            } else {
                tx.send_batch(&(from..to).map(line).collect::<Vec<_>>()).expect("restartable");
            }
        }
        tx.drain(Duration::from_secs(30))
    } else {
        let Some(mut tx) = until_free(|| Sender::<u64>::open_or_create(place(at), &options())) else { return };
        while tx.sent() < total {
            let from = tx.sent();
            let to = total.min(from + if how == "batches" { 1 + from % 97 } else { 1 });
            tx.send_batch(&(from..to).collect::<Vec<u64>>()).expect("restartable");
        }
        tx.drain(Duration::from_secs(30))
    };
    say(if drained == Ok(true) { "drained" } else { "not drained" });
}

/// Writes each number received, 8 bytes, to the descriptor handed over as `log`: before its release, or `copying` after it.
pub(crate) fn recv(at: &str, total: &str, how: &str) {
    let total: u64 = total.parse().expect("a number");
    let log = File::from(strait::process::handed("log").expect("handed over"));
    let note = |n: u64| (&log).write_all(&n.to_le_bytes()).expect("log");
    if how == "slices" {
        let Some(mut rx) = until_free(|| Receiver::<[u64]>::open_or_create(place(at), &options())) else { return };
        while rx.received() < total {
            let before = rx.received();
            let lent = rx.recv_ref().expect("restartable");
            assert_eq!(*lent, slice(before)[..], "message {before} is whole");
            note(before);
        }
    } else if how.starts_with("lines") {
        let Some(mut rx) = until_free(|| Receiver::<[u64; 8]>::open_or_create(place(at), &options())) else { return };
        while rx.received() < total {
            let before = rx.received();
            if how == "lines copying" {
                assert_eq!(rx.recv(), Ok(line(before)), "message {before} is whole");
                note(before);
            } else {
                let lent = rx.recv_ref().expect("restartable");
                assert_eq!(*lent, line(before), "message {before} is whole");
                note(before);
            }
        }
    } else {
        let Some(mut rx) = until_free(|| Receiver::<u64>::open_or_create(place(at), &options())) else { return };
        while rx.received() < total {
            let before = rx.received();
            if how == "copying" {
                let n = rx.recv().expect("restartable");
                assert_eq!(n, before, "the number of a message is its place in the stream");
                note(n);
            } else {
                let lent = rx.recv_ref().expect("restartable");
                assert_eq!(*lent, before, "the number of a message is its place in the stream");
                note(*lent);
            }
        }
    }
    say("received all");
}

/// Opens an end as soon as the kernel has buried the one who had it; says why not, where it cannot.
fn until_free<T>(open: impl Fn() -> strait::Result<T>) -> Option<T> {
    loop {
        match open() {
            Ok(end) => return Some(end),
            Err(e) if e.kind() == ErrorKind::Busy => std::thread::yield_now(),
            Err(e) => {
                say(&crate::error(&e));
                return None;
            }
        }
    }
}

/// Takes an end and leaves it, again and again; says how often it had it, and each error that is not `Busy` or `Closed`.
pub(crate) fn churn(end: &str, at: &str, count: &str) {
    let options = Options::new().capacity_bytes(4096);
    let mut had = 0;
    for round in 0..count.parse().expect("a number") {
        let outcome = if end == "sender" {
            Sender::<u64>::open_or_create(place(at), &options).map(|mut tx| tx.try_send(&round).is_ok())
        } else {
            Receiver::<u64>::open_or_create(place(at), &options).map(|mut rx| rx.try_recv().is_ok())
        };
        match outcome {
            Ok(_) => had += 1,
            Err(e) if matches!(e.kind(), ErrorKind::Busy | ErrorKind::Closed) => {}
            Err(e) => say(&crate::error(&e)),
        }
    }
    say(&format!("had it {had} times"));
}
