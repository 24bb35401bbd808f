//! Ends of channels of many beside one another: each is found ready once for what is its own, a death of any peer ends the wait, and a ring for
//! one of several is never lost. The same in `async` code.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};
use strait::channel::rpc::{CallError, Client, Server};
use strait::channel::watch::Reader;
use strait::channel::{Cause, RecvError, Strategy, TryRecvError, broadcast, mpmc, rpc, watch};
use strait::select::{Descriptor, Selectable, Selector};
use strait::task::Async;
use strait_testing::names::Name;
use strait_testing::role::Role;
use strait_testing::{LONG, in_time};

const ROLE: &str = env!("CARGO_BIN_EXE_role");
const MPMC_ROLE: &str = env!("CARGO_BIN_EXE_mpmc_role");
const SHORT: Duration = Duration::from_millis(2);

type Line = [u64; 8];

/// Four channels, of each the end that takes here and the other in a process of its own.
struct Four {
    worker: mpmc::Worker<u64>,
    subscriber: broadcast::Subscriber<u64>,
    reader: Reader<Line>,
    server: Server<u64, u64>,
    /// A producer, a publisher, a writer, a client.
    roles: [Role; 4],
    _names: [Name; 4],
}

impl Four {
    fn new(strategy: Strategy) -> Self {
        let names = ["fourjobs", "fournews", "fourvalue", "fourcalls"].map(Name::new);
        let [jobs, news, value, calls] = names.each_ref().map(Name::as_str);
        let worker = mpmc::Worker::create(jobs, &mpmc::Options::new().wait(strategy)).expect("create");
        let options = broadcast::Options::new().capacity(14).wait(strategy);
        let subscriber = broadcast::Subscriber::create(news, &options).expect("create");
        let reader = Reader::create(value, &watch::Options::new().wait(strategy)).expect("create");
        let server = Server::create(calls, &rpc::Options::new().wait(strategy)).expect("create");
        let place = |name: &Name| format!("posix:{}", name.as_str());
        let roles = [
            Role::ready(MPMC_ROLE, &["producer", "open", &place(&names[0])]),
            Role::ready(ROLE, &["publisher", "open", &place(&names[1])]),
            Role::ready(ROLE, &["watch-writer", "open", &place(&names[2])]),
            Role::ready(ROLE, &["client", "open", &place(&names[3])]),
        ];
        Self { worker, subscriber, reader, server, roles, _names: names }
    }
}

fn take(worker: &mut mpmc::Worker<u64>) -> Result<u64, mpmc::TryPopError> {
    worker.try_pop().map(|job| {
        let number = *job;
        job.ack();
        number
    })
}

/// A worker, a subscriber, a reader, a server and a socket: each is ready for what is its own, once; then for the death of its peer.
#[test]
fn each_fires_once() {
    for strategy in [Strategy::Spin, Strategy::SpinThenSleep, Strategy::Sleep] {
        let mut four = Four::new(strategy);
        let (mut near, mut far) = UnixStream::pair().expect("sockets");
        let mut socket = Descriptor::readable(&near).expect("a socket");
        let mut selector = Selector::waiting(strategy);
        for round in 1..20_u64 {
            for which in (0..5).map(|step| (step * 3 + round) % 5) {
                let Four { worker, subscriber, reader, server, roles, .. } = &mut four;
                let mut ready = |limit| {
                    let sources = &mut [worker as &mut dyn Selectable, subscriber, reader, server, &mut socket];
                    selector.ready_timeout(sources, limit)
                };
                if round % 8 == 1 {
                    assert_eq!(ready(SHORT), None);
                }
                match which {
                    0 => roles[0].tell(&format!("push {round} {}", round + 1)),
                    1 => roles[1].tell(&format!("publish {round} {}", round + 1)),
                    2 => roles[2].tell(&format!("send {round}")),
                    3 => roles[3].tell(&format!("call {round}")),
                    _ => far.write_all(&[round as u8]).expect("room"),
                }
                assert_eq!(ready(LONG), Some(which as usize), "{strategy:?}, round {round}");
                match which {
                    0 => assert_eq!(take(worker), Ok(round)),
                    1 => assert_eq!(subscriber.try_recv(), Ok(round)),
                    2 => assert_eq!(reader.try_changed(), Ok([round; 8])),
                    3 => {
                        let request = server.try_recv().expect("ready");
                        assert_eq!(*request, round);
                        request.answer(&(round * 10)).expect("fits");
                    }
                    _ => assert_eq!(near.read(&mut [0; 8]).expect("ready"), 1),
                }
                let said = ["pushed", "published", "sent", &format!("{}", round * 10)];
                if let Some(role) = roles.get_mut(which as usize) {
                    role.expect(said[which as usize]);
                }
            }
        }
        for which in 0..4 {
            let Four { worker, subscriber, reader, server, roles, .. } = &mut four;
            let killed = roles[which].kill_now();
            let mut sources = [worker as &mut dyn Selectable, subscriber, reader, server, &mut socket];
            // Those before it have told of their own deaths, and are ready to tell again.
            assert_eq!(selector.ready_timeout(&mut sources[which..], LONG), Some(0), "{strategy:?}");
            let took = killed.elapsed();
            assert!(took < LONG, "{which} told after {took:?}");
            let is_told = match which {
                0 => take(worker) == Err(mpmc::TryPopError::Failed(mpmc::PopError::Disconnected(Cause::Died))),
                1 => {
                    let error = broadcast::RecvError::Disconnected(Cause::Died);
                    subscriber.try_recv() == Err(broadcast::TryRecvError::Failed(error))
                }
                2 => {
                    let error = watch::ReadError::Disconnected(Cause::Died);
                    reader.try_changed() == Err(watch::TryReadError::Failed(error))
                }
                _ => {
                    let error = RecvError::Disconnected(Cause::Died);
                    server.try_recv().is_err_and(|e| e == TryRecvError::Failed(error))
                }
            };
            assert!(is_told, "{which}");
        }
    }
}

/// Who waits for room, and for an answer: each is ready when the other process has made it, and when it has died.
#[test]
fn room_and_answers() {
    for strategy in [Strategy::Spin, Strategy::SpinThenSleep, Strategy::Sleep] {
        let names = ["roomjobs", "roomnews", "roomcalls"].map(Name::new);
        let place = |which: usize| format!("posix:{}", names[which].as_str());
        let options = mpmc::Options::new().capacity(8).wait(strategy);
        let mut producer = mpmc::Producer::<u64>::create(names[0].as_str(), &options).expect("create");
        let options = broadcast::Options::new().capacity(14).policy(broadcast::Policy::Block).wait(strategy);
        let mut publisher = broadcast::Publisher::<u64>::create(names[1].as_str(), &options).expect("create");
        let client =
            Client::<u64, u64>::create(names[2].as_str(), &rpc::Options::new().wait(strategy)).expect("create");
        let mut roles = [
            Role::ready(MPMC_ROLE, &["worker", "open", &place(0)]),
            Role::ready(ROLE, &["subscriber", "open", &place(1), "block"]),
            Role::ready(ROLE, &["server", "open", &place(2)]),
        ];
        let mut selector = Selector::waiting(strategy);
        let mut numbers = 0..;
        while producer.try_push(&numbers.next().expect("endless")).is_ok() {}
        let mut published = 0;
        while publisher.try_publish(&published).is_ok() {
            published += 1;
        }
        let (mut one, mut other) = (client.start(&1).expect("a slot"), client.start(&2).expect("a slot"));
        assert_eq!(
            selector.ready_timeout(
                &mut [&mut producer as &mut dyn Selectable, &mut publisher, &mut one, &mut other],
                SHORT
            ),
            None
        );
        roles[0].tell("take 4");
        assert_eq!(
            selector
                .ready_timeout(&mut [&mut publisher as &mut dyn Selectable, &mut one, &mut other, &mut producer], LONG),
            Some(3)
        );
        roles[0].expect("[0, 1, 2, 3]");
        producer.try_push(&99).expect("ready");
        roles[1].tell(&format!("recv {published}"));
        assert_eq!(
            selector.ready_timeout(&mut [&mut publisher as &mut dyn Selectable, &mut one, &mut other], LONG),
            Some(0)
        );
        roles[1].answer();
        publisher.try_publish(&published).expect("ready");
        roles[2].expect_after("take", "taking");
        roles[2].expect("took 1");
        roles[2].expect_after("answer", "answered 1");
        assert_eq!(selector.ready_timeout(&mut [&mut one, &mut other], LONG), Some(0));
        assert_eq!(one.try_wait(), Ok(10));
        roles[2].expect_after("take", "taking");
        roles[2].expect("took 2");
        assert_eq!(selector.ready_timeout(&mut [&mut other], SHORT), None);
        let killed = roles[2].kill_now();
        assert_eq!(selector.ready_timeout(&mut [&mut other], LONG), Some(0));
        assert_eq!(other.try_wait(), Err(rpc::TryWaitError::Failed(CallError::ServerDied)));
        while producer.try_push(&7).is_ok() {}
        roles[0].kill();
        assert_eq!(selector.ready_timeout(&mut [&mut producer], LONG), Some(0));
        let error = mpmc::PushError::Disconnected(Cause::Died);
        assert_eq!(producer.try_push(&7), Err(mpmc::TryPushError::Failed(error)));
        while publisher.try_publish(&7).is_ok() {}
        roles[1].kill();
        // Who is dead keeps no room.
        assert_eq!(selector.ready_timeout(&mut [&mut publisher], LONG), Some(0));
        publisher.try_publish(&7).expect("ready");
        assert!(killed.elapsed() < LONG);
    }
}

/// What nobody rings for: a job that was put off is due, and the last job is done in other hands when all producers have left.
#[test]
fn nobody_rings() {
    for is_async in [false, true] {
        let (mut producer, mut one) = mpmc::pair::<u64>(&mpmc::Options::new()).expect("pair");
        let fd = producer.fd().expect("a memfd").try_clone_to_owned().expect("a descriptor");
        let mut other = mpmc::Worker::<u64>::from_fd(fd, &mpmc::Options::new()).expect("a seat");
        producer.push(&1).expect("room");
        one.pop().expect("there").nack_after(Duration::from_millis(30));
        let began = Instant::now();
        let mut one = Async::new(one).expect("a thread");
        let wait = |one: &mut Async<mpmc::Worker<u64>>| {
            if is_async {
                runtime().block_on(async { tokio::time::timeout(LONG, one.ready()).await.expect("in time") });
            } else {
                assert_eq!(Selector::new().ready_timeout(&mut [one.get_mut()], LONG), Some(0));
            }
        };
        wait(&mut one);
        let took = began.elapsed();
        assert!((Duration::from_millis(25)..LONG).contains(&took), "{took:?}");
        std::thread::scope(|scope| {
            let job = other.pop().expect("due");
            drop(producer);
            assert_eq!(one.get_mut().try_pop().expect_err("in other hands"), mpmc::TryPopError::Empty);
            scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(5));
                job.ack();
            });
            wait(&mut one);
        });
        let error = mpmc::PopError::Disconnected(Cause::Left);
        assert_eq!(one.get_mut().try_pop().expect_err("over"), mpmc::TryPopError::Failed(error));
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
}

/// Four tasks, each with an end of its own: what the other process sends wakes its own task, and a death each of them.
#[test]
fn tasks_of_each_kind() {
    in_time("four tasks", || {
        let Four { worker, subscriber, reader, server, mut roles, _names } = Four::new(Strategy::default());
        let mut worker = worker.into_async().expect("a thread");
        let mut subscriber = subscriber.into_async().expect("a thread");
        let mut reader = reader.into_async().expect("a thread");
        let mut server = server.into_async().expect("a thread");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
        let (heard, hears) = std::sync::mpsc::channel();
        let told = heard.clone();
        let pops = runtime.spawn(async move {
            loop {
                match worker.pop().await {
                    Ok(job) => {
                        told.send((0, *job)).expect("heard");
                        job.ack();
                    }
                    Err(error) => break error,
                }
            }
        });
        let told = heard.clone();
        let receives = runtime.spawn(async move {
            loop {
                match subscriber.recv().await {
                    Ok(number) => told.send((1, number)).expect("heard"),
                    Err(error) => break error,
                }
            }
        });
        let told = heard.clone();
        let reads = runtime.spawn(async move {
            loop {
                match reader.changed().await {
                    Ok(line) => told.send((2, line[0])).expect("heard"),
                    Err(error) => break error,
                }
            }
        });
        // A request is of one thread.
        let serves = std::thread::spawn(move || {
            self::runtime().block_on(async move {
                loop {
                    match server.recv().await {
                        Ok(request) => {
                            heard.send((3, *request)).expect("heard");
                            let answer = *request * 10;
                            request.answer(&answer).expect("fits");
                        }
                        Err(error) => break error,
                    }
                }
            })
        });
        for round in 1..30 {
            let words = [format!("push {round} {}", round + 1), format!("publish {round} {}", round + 1)];
            for which in [2, 0, 3, 1] {
                match which {
                    2 => roles[2].tell(&format!("send {round}")),
                    3 => roles[3].tell(&format!("call {round}")),
                    which => roles[which].tell(&words[which]),
                }
                assert_eq!(hears.recv_timeout(LONG).expect("woken"), (which, round));
                roles[which].answer();
            }
        }
        let killed = Instant::now();
        roles.iter_mut().for_each(Role::kill);
        runtime.block_on(async {
            assert_eq!(pops.await.expect("ended"), mpmc::PopError::Disconnected(Cause::Died));
            assert_eq!(receives.await.expect("ended"), broadcast::RecvError::Disconnected(Cause::Died));
            assert_eq!(reads.await.expect("ended"), watch::ReadError::Disconnected(Cause::Died));
        });
        assert_eq!(serves.join().expect("ended"), RecvError::Disconnected(Cause::Died));
        assert!(killed.elapsed() < LONG, "{:?}", killed.elapsed());
    });
}

/// Calls, jobs and messages in `async` code, to another process: one call at a time, several, one that is given up, and a server that dies.
#[test]
fn tasks_call() {
    in_time("calls", || {
        let name = Name::new("taskcalls");
        let options = rpc::Options::new().in_flight(2);
        let client = Client::<u64, u64>::create(name.as_str(), &options).expect("create");
        let mut role = Role::ready(ROLE, &["server", "open", &format!("posix:{}", name.as_str())]);
        let mut client = client.into_async().expect("a thread");
        runtime().block_on(async {
            // Given up while the server is at both: the slots are free again when it has answered.
            for number in [1, 2] {
                let call = tokio::time::timeout(Duration::from_millis(1), client.call(&number)).await;
                assert!(call.is_err());
            }
            // Withdrawn: nobody had begun with them.
            assert_eq!(client.get_ref().in_flight(), 0);
            role.expect_after("try-take", "Empty");
            role.expect_after("take", "taking");
            for number in [3, 4] {
                let call = tokio::time::timeout(Duration::from_millis(50), client.call(&number)).await;
                assert!(call.is_err());
                role.expect(&format!("took {number}"));
                if number == 3 {
                    role.expect_after("take", "taking");
                }
            }
            role.tell("answer");
            role.tell("serve");
            for number in 10..50 {
                assert_eq!(client.call(&number).await, Ok(number * 10));
            }
            role.expect("answered 2");
        });
        let client = client.into_inner();
        runtime().block_on(async {
            for number in 0..20 {
                let mut one = Async::new(client.start(&number).expect("a slot")).expect("a thread");
                let mut other = Async::new(client.start(&(number + 1)).expect("a slot")).expect("a thread");
                let (mut first, mut second) = (pin!(one.wait()), pin!(other.wait()));
                let mut answers = [None, None];
                std::future::poll_fn(|cx| {
                    if answers[0].is_none() {
                        answers[0] = ready(first.as_mut().poll(cx));
                    }
                    if answers[1].is_none() {
                        answers[1] = ready(second.as_mut().poll(cx));
                    }
                    if answers.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
                assert_eq!(answers, [Some(Ok(number * 10)), Some(Ok(number * 10 + 10))]);
            }
            role.stop();
            let mut last = Async::new(client.start(&7).expect("a slot")).expect("a thread");
            let mut waits = pin!(last.wait());
            let waker = Waker::from(Arc::new(Count::default()));
            assert!(waits.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            role.kill();
            let error = waits.await.expect_err("nobody answers");
            assert!(matches!(error, CallError::ServerDied | CallError::Disconnected(Cause::Died)), "{error:?}");
        });
    });
}

fn ready<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// A blocked call of a client takes back what a sleeping call of the same seat has announced, and wakes it to announce itself again.
#[test]
fn calls_share_a_seat() {
    in_time("a blocked call beside a task", || {
        let name = Name::new("shareseat");
        let client = Client::<u64, u64>::create(name.as_str(), &rpc::Options::new()).expect("create");
        let mut role = Role::ready(ROLE, &["server", "open", &format!("posix:{}", name.as_str())]);
        let mut pending = Async::new(client.start(&1).expect("a slot")).expect("a thread");
        role.expect_after("take", "taking");
        role.expect("took 1");
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        assert!(pending.poll_ready(&mut Context::from_waker(&waker)).is_pending());
        let error = client.call_timeout(&2, Duration::from_millis(5)).expect_err("nobody is there");
        assert_eq!(error, rpc::CallTimeoutError::TimedOut);
        count.wait_for(1);
        assert!(pending.poll_ready(&mut Context::from_waker(&waker)).is_pending());
        role.expect_after("answer", "answered 1");
        count.wait_for(2);
        assert_eq!(runtime().block_on(pending.wait()), Ok(10));
    });
}

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Count {
    fn wait_for(&self, count: usize) {
        let began = Instant::now();
        while self.0.load(SeqCst) < count {
            assert!(began.elapsed() < LONG, "never woken");
            std::thread::yield_now();
        }
    }
}

/// A worker that was woken for a job, and whose future is dropped, wakes another for it.
#[test]
fn a_dropped_future_wakes_another() {
    let (mut producer, one) = mpmc::pair::<u64>(&mpmc::Options::new()).expect("pair");
    let fd = producer.fd().expect("a memfd").try_clone_to_owned().expect("a descriptor");
    let other = mpmc::Worker::<u64>::from_fd(fd, &mpmc::Options::new()).expect("a seat");
    let mut workers = [one, other].map(|worker| worker.into_async().expect("a thread"));
    for round in 0..20 {
        let counts = [(); 2].map(|()| Arc::new(Count::default()));
        let [one, other] = &mut workers;
        let mut futures = [Some(Box::pin(one.pop())), Some(Box::pin(other.pop()))];
        for (future, count) in futures.iter_mut().zip(&counts) {
            let waker = Waker::from(Arc::clone(count));
            let future = future.as_mut().expect("waits");
            assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        producer.push(&round).expect("room");
        let began = Instant::now();
        let rung = loop {
            if let Some(rung) = counts.iter().position(|count| count.0.load(SeqCst) > 0) {
                break rung;
            }
            assert!(began.elapsed() < LONG, "nobody was woken");
        };
        futures[rung] = None;
        counts[1 - rung].wait_for(1);
        let future = futures[1 - rung].as_mut().expect("waits");
        let Poll::Ready(Ok(job)) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("woken for nothing")
        };
        assert_eq!(*job, round);
        job.ack();
    }
}

/// A worker that takes a job by a selector, with others asleep: each job wakes somebody, and none waits for a slice to end.
#[test]
fn every_job_wakes_somebody() {
    in_time("jobs through selectors", || {
        let (mut producer, first) = mpmc::pair::<u64>(&mpmc::Options::new().capacity(64)).expect("pair");
        let seat = |_| {
            let fd = producer.fd().expect("a memfd").try_clone_to_owned().expect("a descriptor");
            mpmc::Worker::<u64>::from_fd(fd, &mpmc::Options::new()).expect("a seat")
        };
        let others: Vec<_> = (0..3).map(seat).collect();
        let threads: Vec<_> = std::iter::once(first)
            .chain(others)
            .map(|mut worker| {
                std::thread::spawn(move || {
                    let mut selector = Selector::waiting(Strategy::Sleep);
                    let mut count = 0;
                    loop {
                        selector.ready(&mut [&mut worker]);
                        match take(&mut worker) {
                            Ok(_) => count += 1,
                            Err(mpmc::TryPopError::Empty) => {}
                            Err(mpmc::TryPopError::Failed(error)) => break (count, error),
                        }
                    }
                })
            })
            .collect();
        for number in 0..5000 {
            producer.push(&number).expect("workers");
            if number % 7 == 0 {
                std::thread::yield_now();
            }
        }
        drop(producer);
        let counts: Vec<_> = threads.into_iter().map(|thread| thread.join().expect("ended")).collect();
        assert!(counts.iter().all(|(_, error)| *error == mpmc::PopError::Disconnected(Cause::Left)));
        assert_eq!(counts.iter().map(|(count, _)| count).sum::<u64>(), 5000);
    });
}
