//! Parts with many channels, and parts that wait for many.

use crate::fork::{first_false, in_child, status_of};
use crate::{lines, say};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use strait::channel::spsc::{self, Options, Receiver, Sender};
use strait::channel::{RecvError, TryRecvError, mpmc};
use strait::select::{Descriptor, Event, Selectable, Selector};
use strait::task::Async;

fn options() -> Options {
    Options::new().capacity_bytes(4096)
}

/// Holds the senders of all these channels.
pub(crate) fn senders(places: &[&str]) {
    let open = |place: &&str| Sender::<u64>::open(*place, &options()).expect("open");
    let mut txs: Vec<_> = places.iter().map(open).collect();
    say("ok");
    for line in lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let ["send", which, from, to] = words[..] else { panic!("no such line: {line}") };
        let which: usize = which.parse().expect("an index");
        for number in from.parse::<u64>().expect("from")..to.parse().expect("to") {
            txs[which].send(&number).expect("a receiver");
        }
        say("sent");
    }
}

/// Waits for a channel on which nothing comes, and for an event that nobody sets.
pub(crate) fn idle(name: &str) {
    let mut rx = Receiver::<u64>::create(name, &options()).expect("create");
    say("ok");
    let mut event = Event::new();
    Selector::new().ready(&mut [&mut rx as &mut dyn Selectable, &mut event]);
    say("woken");
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future here.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// A task that waits for a channel on which nothing comes.
pub(crate) fn idle_task(name: &str) {
    let rx = Receiver::<u64>::create(name, &options()).expect("create");
    let mut rx = rx.into_async().expect("a thread");
    say("ok");
    let received = block_on(rx.recv());
    say(&format!("{received:?}"));
}

/// Forks where a selector has slept and a task is asleep; the child uses copies of the parent's ends, and ends of its own.
pub(crate) fn fork_selecting() {
    let (mut tx, rx) = spsc::pair::<u64>(&options()).expect("pair");
    let (mut there, mut here) = spsc::pair::<u64>(&options()).expect("pair");
    let mut rx = rx.into_async().expect("a thread");
    let (mut jobs, worker) = mpmc::pair::<u64>(&mpmc::Options::new()).expect("pair");
    let mut worker = worker.into_async().expect("a thread");
    let mut selector = Selector::new();
    selector.ready_timeout(&mut [&mut here], Duration::from_millis(1));
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let is_pending = rx.poll_ready(&mut context).is_pending() && worker.poll_ready(&mut context).is_pending();
    let mut event = Async::new(Event::new()).expect("a thread");
    let (silent, speaks) = rustix::pipe::pipe().expect("a pipe");
    let mut pipe = Some(Descriptor::readable(&silent).expect("can be waited for"));
    let is_pending = is_pending
        && event.poll_ready(&mut context).is_pending()
        && selector.ready_timeout(&mut [pipe.as_mut().expect("held")], Duration::from_millis(1)).is_none();
    let pid = in_child(|| {
        let mut context = Context::from_waker(&waker);
        let ready = selector.ready(&mut [&mut here]) == Some(0);
        let refused = here.try_recv() == Err(TryRecvError::Failed(RecvError::Forked));
        let is_ready = rx.poll_ready(&mut context).is_ready();
        let is_refused = block_on(rx.recv()) == Err(RecvError::Forked);
        let is_no_worker = block_on(worker.pop()).is_err_and(|e| e == mpmc::PopError::Forked);
        let is_no_source = selector.ready(&mut [worker.get_mut()]) == Some(0);
        let (mut own_tx, own_rx) = spsc::pair::<u64>(&options()).expect("pair");
        let mut own_rx = own_rx.into_async().expect("a thread of the child's own");
        let sender = std::thread::spawn(move || own_tx.send(&5));
        let own = block_on(own_rx.recv()) == Ok(5);
        // An event is as good in the child, by a thread of its own; of a descriptor nobody would tell.
        let set = event.get_ref().clone();
        let sets = std::thread::spawn(move || set.set());
        block_on(event.take());
        sets.join().expect("set");
        let mut pipe = pipe.take().expect("held");
        let is_for_its_owner = selector.ready_timeout(&mut [&mut pipe], Duration::from_millis(1)) == Some(0);
        drop(pipe);
        let refusals = [ready, refused, is_ready, is_refused, is_no_worker, is_no_source, is_for_its_owner];
        first_false(&[&refusals[..], &[own, sender.join().is_ok_and(|sent| sent.is_ok())]].concat())
    });
    say(&format!("child {}", status_of(pid)));
    // What the child has dropped is still waited for here.
    let mut pipe = pipe.expect("held");
    let before = selector.ready_timeout(&mut [&mut pipe], Duration::from_millis(50));
    rustix::io::write(&speaks, &[1]).expect("room");
    let behind = selector.ready_timeout(&mut [&mut pipe], Duration::from_secs(10));
    assert_eq!((before, behind), (None, Some(0)));
    tx.send(&6).expect("room");
    there.send(&7).expect("room");
    let received = [block_on(rx.recv()), here.recv()];
    jobs.push(&8).expect("room");
    assert_eq!(block_on(worker.pop()).map(|job| *job), Ok(8));
    assert!(is_pending && received == [Ok(6), Ok(7)], "{received:?}");
    say("parent goes on");
}
