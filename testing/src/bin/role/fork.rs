//! Parts that fork while they hold ends of channels.
//!
//! The child speaks through its exit status: the number of the first claim that did not hold, or zero.

use crate::{end_with_parent, lines, say};
use std::time::Duration;
use strait::ErrorKind;
use strait::channel::broadcast;
use strait::channel::spsc::{self, Options, Receiver, Sender};
use strait::channel::{RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError};

fn options() -> Options {
    Options::new().capacity_bytes(4096)
}

/// Runs `child` in a forked child and returns its pid. `child` returns the child's exit status.
pub(crate) fn in_child(child: impl FnOnce() -> i32) -> i32 {
    // SAFETY: this process has one thread, so that the child may do what any process may.
    let pid = unsafe { libc::fork() };
    assert_ne!(pid, -1, "fork");
    if pid == 0 {
        end_with_parent();
        let status = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child)).unwrap_or(99);
        // SAFETY: ends the process; nothing of the parent's is flushed or dropped.
        unsafe { libc::_exit(status) };
    }
    pid
}

pub(crate) fn status_of(pid: i32) -> i32 {
    let pid = rustix::process::Pid::from_raw(pid).expect("a child");
    let (_, status) =
        rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty()).expect("wait").expect("ended");
    status.exit_status().unwrap_or(-1)
}

/// The first claim that does not hold.
pub(crate) fn first_false(claims: &[bool]) -> i32 {
    claims.iter().position(|&holds| !holds).map_or(0, |at| i32::try_from(at).expect("few") + 1)
}

/// Holds the sender of `name` and the receiver of `peer`, which others have the other ends of; forks; then does as it is told.
pub(crate) fn fork(name: &str, peer: &str) {
    // Options, so that the child can drop its copies while the parent keeps its own.
    let mut ends = Some((
        Sender::<u64>::create(name, &options()).expect("create"),
        Receiver::<u64>::open(peer, &options()).expect("open"),
    ));
    say("ok");
    let mut living = 0;
    for line in lines() {
        match line.as_str() {
            // A child in which every call is refused, and which makes and uses a channel of its own.
            "child-tries" => {
                let own = format!("{name}-own");
                let pid = in_child(|| {
                    let (mut tx, mut rx) = ends.take().expect("held");
                    let short = Duration::from_millis(1);
                    let refused = [
                        tx.send(&7) == Err(SendError::Forked),
                        tx.try_send(&7) == Err(TrySendError::Failed(SendError::Forked)),
                        tx.send_timeout(&7, short) == Err(SendTimeoutError::Failed(SendError::Forked)),
                        tx.send_batch(&[7]).is_err_and(|e| e.error == SendError::Forked),
                        tx.reserve().is_err_and(|e| e == SendError::Forked),
                        tx.try_reserve().is_err_and(|e| e == TrySendError::Failed(SendError::Forked)),
                        tx.reserve_timeout(short).is_err_and(|e| e == SendTimeoutError::Failed(SendError::Forked)),
                        tx.drain(short) == Err(SendError::Forked),
                        tx.wait_for_receiver(short) == Err(SendError::Forked),
                        rx.recv() == Err(RecvError::Forked),
                        rx.try_recv() == Err(TryRecvError::Failed(RecvError::Forked)),
                        rx.recv_timeout(short) == Err(RecvTimeoutError::Failed(RecvError::Forked)),
                        rx.recv_batch(&mut [0; 2]) == Err(RecvError::Forked),
                        rx.recv_ref().is_err_and(|e| e == RecvError::Forked),
                        rx.try_recv_ref().is_err_and(|e| e == TryRecvError::Failed(RecvError::Forked)),
                        rx.recv_ref_timeout(short).is_err_and(|e| e == RecvTimeoutError::Failed(RecvError::Forked)),
                        rx.recv_batch_ref().is_err_and(|e| e == RecvError::Forked),
                        rx.iter().next() == Some(Err(RecvError::Forked)),
                        // The parent's slots are the parent's.
                        Sender::<u64>::open(name, &options()).is_err_and(|e| e.kind() == ErrorKind::Busy),
                        Receiver::<u64>::open(peer, &options()).is_err_and(|e| e.kind() == ErrorKind::Busy),
                    ];
                    drop(tx);
                    drop(rx);
                    let mut own_tx = Sender::<u64>::create(&own, &options()).expect("create in the child");
                    let mut own_rx = Receiver::<u64>::open(&own, &options()).expect("open in the child");
                    let own = [own_tx.send(&8).is_ok(), own_rx.recv() == Ok(8)];
                    drop((own_tx, own_rx));
                    first_false(&[&refused[..], &own[..]].concat())
                });
                say(&format!("child {}", status_of(pid)));
            }
            // A child that lives on.
            "child-lives" => {
                living = in_child(|| {
                    // Our copies of the pipes go, so that nobody waits for us to close them.
                    for fd in 0..2 {
                        // SAFETY: the child uses neither its standard input nor its output.
                        unsafe { libc::close(fd) };
                    }
                    // SAFETY: the call takes two numbers: this child outlives its parent, for the minute of its alarm at most.
                    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, 0) };
                    std::thread::sleep(Duration::from_secs(30));
                    0
                });
                say(&format!("living {living}"));
            }
            "send" => {
                let (tx, _) = ends.as_mut().expect("held");
                let next = tx.sent();
                say(&format!("{:?}", tx.send(&next)));
            }
            "recv" => {
                let (_, rx) = ends.as_mut().expect("held");
                say(&format!("{:?}", rx.recv()));
            }
            line => panic!("no such line: {line}"),
        }
    }
    assert_eq!(living, 0, "the test kills us before the end of input");
}

/// Forks while memory of channels is lent, and gives the loans back in the child.
pub(crate) fn fork_with_loans() {
    let (mut tx, mut rx) = spsc::pair::<u64>(&options()).expect("pair");
    let mut room = tx.reserve().expect("room");
    *room = 1;
    let pid = in_child(|| {
        room.publish();
        0
    });
    let status = status_of(pid);
    say(&format!("child {status} published, parent sees {:?}", rx.try_recv()));
    // The parent's own copy of the reservation is not its child's: it was moved into the closure, which ended in the parent unused.
    let (mut tx, mut rx) = spsc::pair::<u64>(&options()).expect("pair");
    tx.send_batch(&[5, 6]).expect("room");
    let mut lent = Some(rx.recv_ref().expect("there"));
    let pid = in_child(|| {
        drop(lent.take());
        0
    });
    let status = status_of(pid);
    if let Some(lent) = lent.take() {
        lent.put_back();
    }
    say(&format!("child {status} released, parent says {} are left", tx.len()));
}

/// Forks with ends of a channel of many, and drops them in the child: they stay the parent's.
pub(crate) fn fork_of_many(name: &str) {
    let options = broadcast::Options::new();
    let publisher = broadcast::Publisher::<u64>::create(name, &options).expect("create");
    let subscriber = broadcast::Subscriber::<u64>::open(name, &options).expect("open");
    let mut ends = Some((publisher, subscriber));
    let status = status_of(in_child(|| {
        let (mut publisher, mut subscriber) = ends.take().expect("held");
        let refused = [publisher.publish(&7).is_err(), subscriber.try_recv().is_err()];
        drop((publisher, subscriber));
        first_false(&refused)
    }));
    let (mut publisher, mut subscriber) = ends.expect("held");
    let published = publisher.publish(&8);
    let counts = (publisher.subscribers(), subscriber.publishers());
    say(&format!("child {status}, {published:?}, {counts:?}, {:?}", subscriber.try_recv()));
}
