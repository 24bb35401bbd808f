//! The two ends of a stream of numbers that are killed again and again.

use crate::{place, say};
use std::fs::File;
use std::io::Write as _;
use std::time::Duration;
use strait::channel::spsc::{Options, Receiver, Sender};
use strait::ErrorKind;

fn options() -> Options {
    Options::new().capacity_bytes(4096).restartable(true)
}

/// Sends the numbers that have not been sent, up to `total`, and waits until they have been received.
pub(crate) fn send(at: &str, total: &str) {
    let total: u64 = total.parse().expect("a number");
    let mut tx = loop {
        match Sender::<u64>::open_or_create(place(at), &options()) {
            Ok(tx) => break tx,
            // The kernel is still burying the one before us.
            Err(e) if e.kind() == ErrorKind::Busy => std::thread::yield_now(),
            Err(e) => return say(&crate::error(&e)),
        }
    };
    for n in tx.sent()..total {
        tx.send(&n).expect("restartable");
    }
    let drained = tx.drain(Duration::from_secs(30)).expect("restartable");
    say(if drained { "drained" } else { "not drained" });
}

/// Writes each number received, 8 bytes, to the descriptor handed over as `log`: before its release (`ref`) or after it (`copy`).
pub(crate) fn recv(at: &str, total: &str, how: &str) {
    let total: u64 = total.parse().expect("a number");
    let mut log = File::from(strait::process::handed("log").expect("handed over"));
    let mut rx = loop {
        match Receiver::<u64>::open_or_create(place(at), &options()) {
            Ok(rx) => break rx,
            Err(e) if e.kind() == ErrorKind::Busy => std::thread::yield_now(),
            Err(e) => return say(&crate::error(&e)),
        }
    };
    while rx.received() < total {
        let before = rx.received();
        if how == "ref" {
            let lent = rx.recv_ref().expect("restartable");
            assert_eq!(*lent, before, "the number of a message is its place in the stream");
            log.write_all(&lent.to_le_bytes()).expect("log");
        } else {
            let n = rx.recv().expect("restartable");
            assert_eq!(n, before, "the number of a message is its place in the stream");
            log.write_all(&n.to_le_bytes()).expect("log");
        }
    }
    say("received all");
}
