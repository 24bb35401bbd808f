//! Ends of channels in `async` code: every message arrives, a death is told, and a future that is dropped leaves nothing behind.

use futures_core::Stream;
use futures_sink::Sink;
use std::fs::File;
use std::future::poll_fn;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};
use strait::channel::broadcast::{self, Publisher, Subscriber};
use strait::channel::layout::Part;
use strait::channel::mpmc;
use strait::channel::spsc::{self, Options, Receiver, Sender};
use strait::channel::{Cause, RecvError, SendError, TryRecvError, TrySendError};
use strait::region::Place;
use strait::select::Event;
use strait::task::Async;
use strait_testing::names::Name;
use strait_testing::role::Role;
use strait_testing::{LONG, in_time};

const ROLE: &str = env!("CARGO_BIN_EXE_role");

fn small() -> Options {
    Options::new().capacity_bytes(4096)
}

fn one_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
}

fn two_threads() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("a runtime")
}

fn asynchronous(options: &Options) -> (Async<Sender<u64>>, Async<Receiver<u64>>) {
    let (tx, rx) = spsc::pair::<u64>(options).expect("pair");
    (tx.into_async().expect("a thread"), rx.into_async().expect("a thread"))
}

/// What of `part` in the channel's memory is called `name`.
fn word(rx: &Receiver<u64>, part: Part, name: &str) -> u64 {
    let fields = spsc::layout::<u64>(rx.capacity_bytes());
    let field = fields.iter().find(|it| it.part == part && it.name == name).expect("a field");
    let memory = File::from(rx.fd().expect("a memfd").try_clone_to_owned().expect("a descriptor"));
    let mut word = [0; 8];
    memory.read_exact_at(&mut word[..field.len_bytes as usize], field.offset).expect("in the region");
    u64::from_le_bytes(word)
}

/// Says each time that it is woken.
struct Signal(mpsc::Sender<()>);

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        // Nobody listens any more at the end of a test.
        let _ = self.0.send(());
    }
}

fn signal() -> (Waker, mpsc::Receiver<()>) {
    let (tell, told) = mpsc::channel();
    (Waker::from(Arc::new(Signal(tell))), told)
}

/// Both ends as tasks, on one thread and on two: all messages arrive, in order, through a channel that is mostly full or empty.
#[test]
fn every_message_arrives() {
    for runtime in [one_thread(), two_threads()] {
        in_time("a stream between tasks", move || {
            let (mut tx, mut rx) = asynchronous(&small());
            let (tx_bytes, rx_bytes) = spsc::pair::<[u8]>(&small()).expect("pair");
            let (mut tx_bytes, mut rx_bytes) =
                (tx_bytes.into_async().expect("a thread"), rx_bytes.into_async().expect("a thread"));
            let sender = runtime.spawn(async move {
                for number in 0..5000 {
                    tx.send(&number).await.expect("a receiver");
                    tx_bytes.send(&vec![7; number as usize % 2000]).await.expect("a receiver");
                }
            });
            let receiver = runtime.spawn(async move {
                let mut bytes = Vec::new();
                for number in 0..5000 {
                    assert_eq!(rx.recv().await, Ok(number));
                    rx_bytes.recv_into(&mut bytes).await.expect("a sender");
                    assert!(bytes.len() == number as usize % 2000 && bytes.iter().all(|&byte| byte == 7));
                }
                assert_eq!(rx.recv().await, Err(RecvError::Disconnected(Cause::Left)));
                assert_eq!(rx_bytes.recv().await, Err(RecvError::Disconnected(Cause::Left)));
            });
            runtime.block_on(async { (sender.await.expect("sent"), receiver.await.expect("received")) });
        });
    }
}

/// More tasks than one thread can sleep for: each is woken for its own message, and for nothing else.
#[test]
fn many_tasks() {
    let runtime = two_threads();
    in_time("two hundred tasks", move || {
        let (txs, rxs): (Vec<_>, Vec<_>) = (0..200).map(|_| asynchronous(&small())).unzip();
        let event = Event::new();
        let mut set = Async::new(event.clone()).expect("a thread");
        let tasks: Vec<_> = rxs
            .into_iter()
            .enumerate()
            .map(|(index, mut rx)| runtime.spawn(async move { assert_eq!(rx.recv().await, Ok(index as u64)) }))
            .collect();
        let setter = std::thread::spawn(move || event.set());
        runtime.block_on(async {
            set.take().await;
            for (index, mut tx) in txs.into_iter().enumerate().rev() {
                tx.send(&(index as u64)).await.expect("a receiver");
                std::mem::forget(tx);
            }
            for task in tasks {
                task.await.expect("received");
            }
        });
        setter.join().expect("set");
    });
}

/// A future that is dropped has taken nothing and left nothing announced: a later message rings for nobody, and is there for the next call.
#[test]
fn a_dropped_future_leaves_nothing() {
    let (mut tx, rx) = spsc::pair::<u64>(&small()).expect("pair");
    let mut rx = rx.into_async().expect("a thread");
    let is_announced = |rx: &Async<Receiver<u64>>| word(rx.get_ref(), Part::ReceiverSide, "presence") & 1 == 1;
    let bell = |rx: &Async<Receiver<u64>>| word(rx.get_ref(), Part::SenderSide, "bell");
    for round in 0..3 {
        let mut context = Context::from_waker(Waker::noop());
        {
            let mut future = Box::pin(rx.recv());
            assert!(future.as_mut().poll(&mut context).is_pending());
            assert!(future.as_mut().poll(&mut context).is_pending());
        }
        assert!(!is_announced(&rx));
        let before = bell(&rx);
        tx.send(&round).expect("room");
        assert_eq!(bell(&rx), before, "it rang for nobody");
        assert_eq!(rx.get_mut().try_recv(), Ok(round));
        // By hand a wait lasts until it is ready, or taken back.
        assert!(rx.poll_ready(&mut context).is_pending());
        assert!(is_announced(&rx));
        assert_eq!(rx.get_mut().try_recv(), Err(TryRecvError::Empty));
        assert!(!is_announced(&rx));
    }
    let mut rx = rx.into_inner();
    tx.send(&9).expect("room");
    assert_eq!(rx.recv(), Ok(9));
}

/// The runtime's own timeout ends a wait, and what comes later is not lost.
#[test]
fn a_timeout_loses_nothing() {
    let runtime = one_thread();
    in_time("timeouts", move || {
        let (mut tx, mut rx) = asynchronous(&small());
        runtime.block_on(async {
            for number in 0..20 {
                let limit = Duration::from_millis(1);
                assert!(tokio::time::timeout(limit, rx.recv()).await.is_err());
                tx.send(&number).await.expect("a receiver");
                assert_eq!(tokio::time::timeout(LONG, rx.recv()).await, Ok(Ok(number)));
            }
        });
    });
}

/// Who always finds something lets other tasks of its thread run all the same.
#[test]
fn a_row_of_messages_has_an_end() {
    let (mut tx, mut rx) = asynchronous(&Options::new().capacity_bytes(1 << 20));
    let mut context = Context::from_waker(Waker::noop());
    for number in 0..1000 {
        tx.get_mut().try_send(&number).expect("room");
    }
    let mut all = Box::pin(async {
        for _ in 0..1000 {
            rx.recv().await.expect("there");
        }
    });
    let pauses = (0..).take_while(|_| all.as_mut().poll(&mut context).is_pending()).count();
    assert!((5..=10).contains(&pauses), "{pauses}");
}

/// A stream ends when the sender has left; a sink takes what there is room for, and says when there is none.
#[test]
fn streams_and_sinks() {
    in_time("a stream", || {
        let (mut tx, mut rx) = asynchronous(&small());
        one_thread().block_on(async move {
            let mut tx_pinned = Pin::new(&mut tx);
            for number in 0..10 {
                poll_fn(|cx| Sink::poll_ready(tx_pinned.as_mut(), cx)).await.expect("room");
                tx_pinned.as_mut().start_send(number).expect("room");
            }
            poll_fn(|cx| Sink::<u64>::poll_flush(tx_pinned.as_mut(), cx)).await.expect("nothing to flush");
            while tx_pinned.as_mut().start_send(0).is_ok() {}
            assert_eq!(tx_pinned.as_mut().start_send(0), Err(TrySendError::Full));
            let waker = Waker::noop();
            assert!(Sink::poll_ready(tx_pinned.as_mut(), &mut Context::from_waker(waker)).is_pending());
            drop(tx);
            let mut got = Vec::new();
            while let Some(received) = poll_fn(|cx| Pin::new(&mut rx).poll_next(cx)).await {
                got.push(received.expect("left in good order"));
            }
            assert_eq!(got[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
            assert!(poll_fn(|cx| Pin::new(&mut rx).poll_next(cx)).await.is_none());
        });
    });
}

/// A task that waits learns of a death in another process, whichever side it is on; a stream says it once.
#[test]
fn a_death_wakes_the_task() {
    for runtime in [one_thread(), two_threads()] {
        let names = [Name::new("taskrx"), Name::new("tasktx")];
        let rx = Receiver::<u64>::create(names[0].as_str(), &small()).expect("create");
        let tx = Sender::<u64>::create(names[1].as_str(), &small()).expect("create");
        let place = |name: &Name| format!("posix:{}", name.as_str());
        let mut sender = Role::ready(ROLE, &["sender", "open", &place(&names[0])]);
        let mut receiver = Role::ready(ROLE, &["receiver", "open", &place(&names[1])]);
        in_time("two deaths", move || {
            let mut rx = rx.into_async().expect("a thread");
            let mut tx = tx.into_async().expect("a thread");
            while tx.get_mut().try_send(&0).is_ok() {}
            let receives = runtime.spawn(async move {
                let first = rx.recv().await;
                assert_eq!(first, Ok(0));
                rx.recv().await
            });
            let sends = runtime.spawn(async move { tx.send(&1).await });
            runtime.block_on(async move {
                assert_eq!(sender.ask("send 0 1"), "sent");
                let killed = Instant::now();
                sender.kill();
                receiver.kill();
                assert_eq!(receives.await.expect("ended"), Err(RecvError::Disconnected(Cause::Died)));
                assert_eq!(sends.await.expect("ended"), Err(SendError::Disconnected(Cause::Died)));
                let took = killed.elapsed();
                assert!(took < LONG, "told after {took:?}");
            });
        });
    }
}

/// A message for which nobody rang wakes the task all the same: where its announcement is gone, for whoever took it may have been killed before
/// it rang, and where it stands, for a barrier may have been missing.
#[test]
fn a_ring_that_was_lost_is_made_up_for() {
    for stands in [false, true] {
        let options = broadcast::Options::new().capacity(16);
        let mut publisher = Publisher::<u64>::create(Place::memfd("lost"), &options).expect("create");
        let fd = || publisher.fd().expect("a memfd").try_clone_to_owned().expect("a descriptor");
        let (memory, fd) = (File::from(fd()), fd());
        let mut subscriber = Subscriber::<u64>::from_fd(fd, &options).expect("open").into_async().expect("a thread");
        let (waker, told) = signal();
        let mut context = Context::from_waker(&waker);
        assert!(subscriber.poll_ready(&mut context).is_pending());
        let fields = broadcast::layout::<u64>(&options);
        let places: Vec<_> = fields.iter().filter(|it| it.name == "asleep_0").map(|it| it.offset).collect();
        let bits = places.iter().map(|at| {
            let mut bits = [0; 8];
            memory.read_exact_at(&mut bits, *at).expect("in the region");
            memory.write_all_at(&[0; 8], *at).expect("in the region");
            bits
        });
        let bits: Vec<_> = bits.collect();
        assert!(bits.iter().any(|it| *it != [0; 8]), "it has announced that it waits");
        publisher.publish(&7).expect("room");
        if stands {
            places.iter().zip(&bits).for_each(|(at, bits)| memory.write_all_at(bits, *at).expect("in the region"));
        }
        told.recv_timeout(LONG).expect("it is woken");
        assert!(subscriber.poll_ready(&mut context).is_ready());
        assert_eq!(subscriber.get_mut().try_recv(), Ok(7));
    }
}

/// A reservation that is given up makes room, and a task that waits for that is told.
#[test]
fn room_that_is_given_up() {
    let options = mpmc::Options::new().capacity(2);
    let mut one = mpmc::Producer::<u64>::create(Place::memfd("room"), &options).expect("create");
    let memory = one.fd().expect("a memfd").try_clone_to_owned().expect("a descriptor");
    let other = || mpmc::Producer::<u64>::from_fd(memory.try_clone().expect("a descriptor"), &options).expect("a seat");
    let mut two = other();
    let held = [one.reserve(0).expect("room"), two.reserve(0).expect("room")];
    let mut waiting = other().into_async().expect("a thread");
    let (waker, told) = signal();
    let mut context = Context::from_waker(&waker);
    assert!(waiting.poll_ready(&mut context).is_pending());
    told.recv_timeout(LONG).expect("it looks again of itself");
    // The task does not look, so only a ring is told from now on.
    drop(held);
    told.recv_timeout(LONG).expect("it is woken");
    assert!(waiting.poll_ready(&mut context).is_ready());
    assert_eq!(waiting.get_mut().try_push(&1), Ok(()));
}

/// Where another may come in its place, the death of a sender ends nothing, and wakes a task once: it may have sent something and not rung.
#[test]
fn a_death_that_ends_nothing_is_told_once() {
    let name = Name::new("taskheir");
    let options = small().restartable(true);
    let mut rx = Receiver::<u64>::create(name.as_str(), &options).expect("create").into_async().expect("a thread");
    for number in 0..2 {
        let mut sender = Role::ready(ROLE, &["sender", "open", &format!("posix:{}", name.as_str()), "restartable"]);
        assert_eq!(sender.ask(&format!("send {number} {}", number + 1)), "sent");
        assert_eq!(rx.get_mut().recv(), Ok(number));
        let (waker, told) = signal();
        let mut context = Context::from_waker(&waker);
        assert!(rx.poll_ready(&mut context).is_pending());
        told.recv_timeout(LONG).expect("it looks again of itself");
        sender.kill();
        told.recv_timeout(LONG).expect("it is told");
        assert!(rx.poll_ready(&mut context).is_pending(), "another may come");
        told.recv_timeout(LONG).expect("it looks again of itself");
        let quiet = told.recv_timeout(Duration::from_millis(300));
        assert_eq!(quiet, Err(mpsc::RecvTimeoutError::Timeout), "once");
    }
}

/// A task that waits uses hardly any processor time, nor does its bridge.
#[test]
fn asleep_it_does_nothing() {
    let name = Name::new("taskidle");
    let role = Role::ready(ROLE, &["task-idle", name.as_str()]);
    let _tx = Sender::<u64>::open(name.as_str(), &small()).expect("open");
    role.is_blocked();
    let before = role.cpu_ticks();
    std::thread::sleep(Duration::from_secs(1));
    assert!(role.cpu_ticks() - before <= 1, "it spins");
}
