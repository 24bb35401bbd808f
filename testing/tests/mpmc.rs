//! A work queue between processes: who gets a job, whoever dies; and what its calls do in one.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};
use strait::ErrorKind;
use strait::channel::mpmc::{
    Kinds, Options, PopError, PopTimeoutError, Producer, PushError, PushTimeoutError, TryPopError, TryPushError,
    Worker, pair,
};
use strait::channel::{Cause, Strategy, spsc};
use strait::region::Place;
use strait_testing::names::{Name, Scratch};
use strait_testing::random::Random;
use strait_testing::role::Role;
use strait_testing::{LONG, in_time};

const ROLE: &str = env!("CARGO_BIN_EXE_mpmc_role");

fn posix(name: &Name) -> String {
    format!("posix:{}", name.as_str())
}

fn role(part: &str, how: &str, place: &str, settings: &[&str]) -> Role {
    Role::ready(ROLE, &[&[part, how, place], settings].concat())
}

/// The next job, done.
fn take(worker: &mut Worker<u64>) -> u64 {
    let job = worker.pop_timeout(LONG).expect("a job");
    let number = *job;
    job.ack();
    number
}

// Deaths

/// The jobs in the hands of a killed worker go to another, before those behind them, and say that they come again; what it has
/// acknowledged does not.
#[test]
fn jobs_of_a_killed_worker_go_to_another() {
    let name = Name::new("mpmckill");
    let mut producer = role("producer", "create", &posix(&name), &["capacity=16"]);
    let mut one = role("worker", "open", &posix(&name), &[]);
    let mut other = role("worker", "open", &posix(&name), &[]);
    assert_eq!(producer.ask("push 0 6"), "pushed");
    assert_eq!(one.ask("hold-many 3"), "holding [0, 1, 2]");
    assert_eq!(other.ask("take 1"), "[3]");
    one.kill();
    assert_eq!(other.ask("take 2"), "[4, 5]");
    // Asleep: it finds the dead one by itself.
    other.expect_after("block", "blocking");
    other.expect("got 1 (2)");
    assert_eq!(other.ask("hold"), "holding 2 (2)");
    assert_eq!(other.ask("ack"), "done");
    assert_eq!(other.ask("try"), "empty");
    assert_eq!(producer.ask("len"), "0");
}

/// A worker that waits, in whatever way, is told when the last producer has died, and not before all is done; one that left says so.
#[test]
fn workers_are_told_when_producers_are_gone() {
    for (strategy, dies) in [("sleep", true), ("spin", true), ("sleep", false)] {
        let name = Name::new("mpmcgone");
        let mut producer = role("producer", "create", &posix(&name), &[]);
        let mut second = role("producer", "open", &posix(&name), &[]);
        let mut waiting = role("worker", "open", &posix(&name), &[strategy]);
        let mut holding = role("worker", "open", &posix(&name), &[]);
        assert_eq!(producer.ask("push 7 8"), "pushed");
        assert_eq!(holding.ask("hold"), "holding 7 (1)");
        waiting.expect_after("block", "blocking");
        second.kill();
        assert_eq!(waiting.answer_within(Duration::from_millis(150)), None, "a producer is left");
        if dies {
            producer.kill();
        } else {
            assert_eq!(producer.ask("leave"), "left");
        }
        assert_eq!(waiting.answer_within(Duration::from_millis(150)), None, "a job is in somebody's hands");
        holding.kill();
        waiting.expect("got 7 (2)");
        let cause = waiting.ask("block");
        assert_eq!(cause, "blocking");
        let told = waiting.answer();
        assert!(told.starts_with("Disconnected("), "{told}");
    }
}

/// A producer that waits for room is told when the last worker has died; one that polls too.
#[test]
fn producers_are_told_when_workers_are_gone() {
    let name = Name::new("mpmcfull");
    let mut blocked = role("producer", "create", &posix(&name), &["capacity=4", "sleep"]);
    let mut worker = role("worker", "open", &posix(&name), &[]);
    assert_eq!(blocked.ask("fill"), "full 4");
    let mut polling = Producer::<u64>::open(name.as_str(), &Options::new()).expect("a seat");
    assert_eq!(polling.try_push(&9), Err(TryPushError::Full));
    blocked.expect_after("block 4", "blocking");
    blocked.is_blocked();
    let killed = worker.kill_now();
    blocked.expect("Err(Disconnected(Died))");
    assert!(killed.elapsed() < LONG, "{:?}", killed.elapsed());
    while polling.try_push(&9) != Err(TryPushError::Failed(PushError::Disconnected(Cause::Died))) {
        assert!(killed.elapsed() < LONG, "one who polls is never told");
    }
    drop((blocked, worker));
    drop(polling);
    assert_eq!(name.left_over(), [""; 0]);
}

/// A blocked producer goes on when a worker makes room; a blocked worker when a job comes.
#[test]
fn blocked_go_on() {
    let name = Name::new("mpmcblock");
    let mut producer = role("producer", "create", &posix(&name), &["capacity=4", "sleep"]);
    let mut workers: Vec<_> = (0..3).map(|_| role("worker", "open", &posix(&name), &["sleep"])).collect();
    for worker in &mut workers {
        worker.expect_after("block", "blocking");
        worker.is_blocked();
    }
    assert_eq!(producer.ask("push 0 3"), "pushed");
    let mut got: Vec<_> = workers.iter_mut().map(Role::answer).collect();
    got.sort();
    assert_eq!(got, ["got 0 (1)", "got 1 (1)", "got 2 (1)"]);
    assert_eq!(producer.ask("fill"), "full 4");
    producer.expect_after("block 4", "blocking");
    producer.is_blocked();
    assert_eq!(workers[0].ask("take 1"), "[0]");
    producer.expect("Ok(())");
    assert_eq!(workers[1].ask("take 4"), "[1, 2, 3, 4]");
}

/// 30,000 jobs while workers and producers are killed and replaced: each that a producer said it had pushed is done, at least once, and
/// twice only where a kill came in between.
#[test]
fn nothing_is_lost_under_kills() {
    const KILLS: u32 = 40;
    let (jobs, done) = (Name::new("mpmcjobs"), Name::new("mpmcdone"));
    let settings = ["restartable", "capacity=64"];
    let mut random = Random::seeded("nothing_is_lost_under_kills");
    let options = Options::new().restartable(true).capacity(64);
    let keep = Producer::<u64>::create(jobs.as_str(), &options).expect("a queue");
    let mut collector = Worker::<u64>::create(done.as_str(), &options.clone().capacity(1024)).expect("a queue");
    let relay = || Role::ready(ROLE, &[&["relay", &posix(&jobs), &posix(&done)], &settings[..]].concat());
    let feed = |life: u32| {
        let (first, last) = (u64::from(life) * 1_000_000, u64::from(life + 1) * 1_000_000);
        Role::ready(ROLE, &["feed", &posix(&jobs), &first.to_string(), &last.to_string()])
    };
    let mut relays: Vec<_> = (0..3).map(|_| relay()).collect();
    let mut feeder = feed(0);
    let mut counts = BTreeMap::<u64, u32>::new();
    let mut pushed = Vec::new();
    for kill in 0..KILLS {
        let enough = counts.len() + random.below(400) as usize;
        while counts.len() < enough {
            if let Some(line) = feeder.answer_within(Duration::ZERO) {
                pushed.push(line.parse::<u64>().expect("a number"));
            }
            while let Ok(job) = collector.try_pop() {
                *counts.entry(*job).or_default() += 1;
                job.ack();
            }
        }
        if kill % 4 == 3 {
            feeder.kill();
            // What it said before it died.
            while let Some(line) = feeder.answer_within(LONG).filter(|line| !line.starts_with("over")) {
                pushed.push(line.parse().expect("a number"));
            }
            feeder = feed(kill + 1);
        } else {
            let victim = random.below(3) as usize;
            relays[victim].kill();
            relays[victim] = relay();
        }
    }
    feeder.kill();
    while let Some(line) = feeder.answer_within(LONG).filter(|line| !line.starts_with("over")) {
        pushed.push(line.parse().expect("a number"));
    }
    let deadline = Instant::now() + LONG;
    while !keep.is_empty() || !collector.is_empty() {
        assert!(Instant::now() < deadline, "{} jobs are left for ever", keep.len());
        while let Ok(job) = collector.pop_timeout(Duration::from_millis(20)) {
            *counts.entry(*job).or_default() += 1;
            job.ack();
        }
    }
    let lost: Vec<_> = pushed.iter().filter(|it| !counts.contains_key(it)).collect();
    assert!(lost.is_empty(), "lost {lost:?}");
    let again: u32 = counts.values().map(|count| count - 1).sum();
    assert!(again <= KILLS, "{again} jobs came again in {KILLS} kills");
    eprintln!("nothing_is_lost_under_kills: {} jobs, {again} came again", counts.len());
}

// What stays

/// A restartable queue keeps its jobs when all have left or died, those in hands too, until they are done; then its name goes.
#[test]
fn restartable_keeps_its_jobs() {
    let name = Name::new("mpmckeep");
    let mut producer = role("producer", "create", &posix(&name), &["restartable"]);
    let mut worker = role("worker", "open", &posix(&name), &[]);
    assert_eq!(producer.ask("push 0 4"), "pushed");
    assert_eq!(worker.ask("hold"), "holding 0 (1)");
    assert_eq!(producer.ask("leave"), "left");
    worker.kill();
    let mut next = role("worker", "open", &posix(&name), &[]);
    assert_eq!(next.ask("hold"), "holding 0 (2)");
    next.tell("nack-after");
    next.expect("done");
    assert_eq!(next.ask("leave"), "left");
    let mut last = Worker::<u64>::open(name.as_str(), &Options::new()).expect("three jobs and a delay are left");
    let mut all: Vec<_> = (0..4).map(|_| take(&mut last)).collect();
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2, 3]);
    assert_eq!(last.try_pop().map(drop), Err(TryPopError::Empty));
    drop(last);
    assert_eq!(name.left_over(), [""; 0]);
}

/// A queue in a file is there after all its users.
#[test]
fn file_keeps_its_jobs() {
    let scratch = Scratch::new("mpmcfile");
    let place = format!("file:{}", scratch.path("queue").display());
    let mut producer = role("producer", "create", &place, &[]);
    assert_eq!(producer.ask("push 0 3"), "pushed");
    producer.kill();
    let mut worker = role("worker", "open", &place, &[]);
    assert_eq!(worker.ask("take 3"), "[0, 1, 2]");
    assert_eq!(worker.ask("leave"), "left");
    assert!(scratch.path("queue").exists());
}

// What the calls do

/// A forked child is refused, and spoils nothing of its parent's.
#[test]
fn forked_child_is_refused() {
    let mut role = Role::start(ROLE, &["fork"]);
    role.expect("spoilt nothing");
}

/// A job that is given back comes next, with its count; one that is put off comes when it is due, to one who sleeps.
#[test]
fn jobs_come_back() {
    let (mut producer, mut worker) = pair::<u64>(&Options::new().wait(Strategy::Sleep)).expect("a queue");
    for number in 0..3 {
        producer.push(&number).expect("room");
    }
    let job = worker.pop().expect("a job");
    assert_eq!((*job, job.deliveries()), (0, 1));
    job.nack();
    let job = worker.pop().expect("a job");
    assert_eq!((*job, job.deliveries()), (0, 2));
    drop(job);
    let began = Instant::now();
    worker.pop().expect("a job").nack_after(Duration::from_millis(60));
    assert_eq!([take(&mut worker), take(&mut worker)], [1, 2]);
    let job = in_time("a delay", move || {
        let job = worker.pop().expect("a job");
        let seen = (*job, job.deliveries());
        job.ack();
        (seen, worker)
    });
    assert_eq!(job.0, (0, 4));
    assert!(began.elapsed() >= Duration::from_millis(60), "early: {:?}", began.elapsed());
    let mut worker = job.1;
    assert!(producer.is_empty());
    producer.push(&5).expect("room");
    std::mem::forget(worker.pop().expect("a job"));
    let job = worker.pop().expect("it was forgotten, and comes again");
    assert_eq!((*job, job.deliveries()), (5, 2));
}

/// Batches of jobs: claimed together, acknowledged and given back as the worker likes.
#[test]
fn batches() {
    let (mut producer, mut worker) = pair::<u64>(&Options::new().capacity(64)).expect("a queue");
    producer.push_batch(0, &(0..10).collect::<Vec<_>>()).expect("room");
    let mut jobs = worker.pop_batch(6).expect("jobs");
    assert_eq!(jobs.iter().copied().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    jobs.ack_first(2);
    assert_eq!((jobs.len(), jobs.get(0), jobs.get(4)), (4, Some(&2), None));
    jobs.nack_first(1, Duration::from_millis(1));
    drop(jobs);
    let jobs = worker.pop_batch(3).expect("jobs");
    assert_eq!(jobs.iter().copied().collect::<Vec<_>>(), [3, 4, 5]);
    assert_eq!(jobs.deliveries(0), Some(2));
    jobs.ack();
    let mut rest: Vec<_> = (0..5).map(|_| take(&mut worker)).collect();
    rest.sort_unstable();
    assert_eq!(rest, [2, 6, 7, 8, 9]);
    assert_eq!(worker.pop_batch(0).expect("nothing").len(), 0);
    assert!(worker.is_empty());
    let error = producer.push_batch(3, &[1]).expect_err("no such kind");
    assert_eq!((error.pushed, error.error), (0, PushError::NoSuchKind { kind: 3, kinds: 1 }));
}

/// The trying and timed forms of a batch: what is there, up to so many, of the kinds that are asked for.
#[test]
fn batches_tried_and_timed() {
    let (mut producer, mut worker) = pair::<u64>(&Options::new().capacity(16).kinds(2)).expect("a queue");
    let wait = Duration::from_millis(5);
    assert_eq!(worker.try_pop_batch(4).expect_err("no job"), TryPopError::Empty);
    assert_eq!(worker.pop_batch_timeout(4, wait).expect_err("no job"), PopTimeoutError::TimedOut);
    producer.push_batch(0, &[0, 1, 2]).expect("room");
    producer.push_batch(1, &[10, 11]).expect("room");
    let jobs = worker.try_pop_batch_kind(Kinds::from(1), 8).expect("jobs");
    assert_eq!(jobs.iter().copied().collect::<Vec<_>>(), [10, 11]);
    drop(jobs);
    let jobs = worker.pop_batch_timeout(4, LONG).expect("jobs");
    assert_eq!(jobs.iter().copied().collect::<Vec<_>>(), [0, 1, 2, 10]);
    jobs.ack();
    let jobs = worker.pop_batch_kind_timeout(Kinds::from(1), 4, LONG).expect("a job");
    assert_eq!((jobs.get(0), jobs.len(), jobs.deliveries(0)), (Some(&11), 1, Some(2)));
    jobs.ack();
    assert_eq!(worker.try_pop_batch(0).expect("nothing").len(), 0);
    assert_eq!(worker.pop_batch_timeout(0, LONG).expect("nothing").len(), 0);
    drop(producer);
    assert!(matches!(worker.try_pop_batch(1), Err(TryPopError::Failed(PopError::Disconnected(_)))));
    assert!(matches!(worker.pop_batch_timeout(1, LONG), Err(PopTimeoutError::Failed(PopError::Disconnected(_)))));
}

/// The lowest kind comes first, unless others are asked for; each has room of its own.
#[test]
fn kinds_are_chosen() {
    let name = Name::new("mpmckinds");
    let mut producer = role("producer", "create", &posix(&name), &["kinds=4", "capacity=4"]);
    let mut worker = role("worker", "open", &posix(&name), &[]);
    for (kind, number) in [(3, 30), (2, 20), (0, 1), (0, 2)] {
        assert_eq!(producer.ask(&format!("kind {kind} {number}")), "Ok(())");
    }
    assert_eq!(producer.ask("kind 4 1"), "Err(NoSuchKind { kind: 4, kinds: 4 })");
    assert_eq!(worker.ask("kind 1"), "Empty");
    assert_eq!(worker.ask("kind 3"), "30 of 3");
    assert_eq!(worker.ask("up-to 2"), "1 of 0");
    assert_eq!(worker.ask("take 2"), "[2, 20]");
    // One who sleeps for another kind is not woken in vain, and nobody misses a job by it.
    let mut picky = Worker::<u64>::open(name.as_str(), &Options::new().wait(Strategy::Sleep)).expect("a seat");
    worker.expect_after("block", "blocking");
    let waiting = std::thread::spawn(move || {
        let job = picky.pop_kind_timeout(1, LONG).expect("a job");
        let number = *job;
        job.ack();
        number
    });
    assert_eq!(producer.ask("kind 2 21"), "Ok(())");
    worker.expect("got 21 (1)");
    assert_eq!(producer.ask("kind 1 11"), "Ok(())");
    assert_eq!(waiting.join().expect("ended"), 11);
}

/// A job that was given out too often goes to the dead letters, and only then.
#[test]
fn dead_letters() {
    let (name, letters) = (Name::new("mpmcdying"), Name::new("mpmcletters"));
    let settings = format!("letters={}", letters.as_str());
    let mut producer = role("producer", "create", &posix(&name), &[]);
    assert_eq!(producer.ask("push 6 9"), "pushed");
    for delivery in 1..=2 {
        let mut worker = role("worker", "open", &posix(&name), &["deliveries=2", &settings]);
        // From the second on it comes when the death is found.
        assert_eq!(worker.ask("hold"), format!("holding 6 ({delivery})"));
        worker.kill();
    }
    let options = Options::new().max_deliveries(2).dead_letters(letters.as_str());
    let mut worker = Worker::<u64>::open(name.as_str(), &options).expect("a seat");
    assert_eq!([take(&mut worker), take(&mut worker)], [7, 8]);
    assert_eq!(worker.pop_timeout(Duration::from_millis(200)).map(drop), Err(PopTimeoutError::TimedOut));
    assert!(worker.is_empty());
    drop(worker);
    let mut reader = Worker::<u64>::open(letters.as_str(), &Options::new()).expect("it stays until it is read");
    assert_eq!(take(&mut reader), 6);
    assert_eq!(reader.try_pop().map(drop), Err(TryPopError::Empty));
    let half = Options::new().max_deliveries(2);
    assert_eq!(Worker::<u64>::open(name.as_str(), &half).expect_err("half").kind(), ErrorKind::Usage);
}

/// Calls that wait for a time end in time; a full queue hands nothing over; lengths and slices are checked.
#[test]
fn timeouts_and_limits() {
    let (mut producer, mut worker) = pair::<u64>(&Options::new().capacity(2)).expect("a queue");
    let short = Duration::from_millis(5);
    assert_eq!(worker.pop_timeout(short).map(drop), Err(PopTimeoutError::TimedOut));
    producer.push_timeout(&1, short).expect("room");
    producer.push_timeout(&2, short).expect("room");
    assert_eq!(producer.push_timeout(&3, short), Err(PushTimeoutError::TimedOut));
    assert_eq!((producer.len(), producer.capacity(), producer.workers(), worker.producers()), (2, 2, 1, 1));
    drop(producer);
    assert_eq!([take(&mut worker), take(&mut worker)], [1, 2]);
    assert_eq!(worker.pop().map(drop), Err(PopError::Disconnected(Cause::Left)));
    let options = Options::new().job_max_bytes(10);
    let (mut producer, mut worker) = pair::<[u8]>(&options).expect("a queue");
    let max = producer.max_job_bytes() as usize;
    producer.push(&vec![7; max]).expect("room");
    producer.push(b"").expect("room");
    assert!(matches!(producer.push(&vec![7; max + 1]), Err(PushError::TooLarge { .. })));
    assert_eq!(worker.pop().expect("a job")[..], vec![7; max]);
    worker.pop().expect("it was dropped, and comes again").ack();
    assert_eq!(worker.pop_kind(Kinds::up_to(0)).expect("a job")[..], []);
    drop(worker);
    assert_eq!(producer.push(b"x"), Err(PushError::Disconnected(Cause::Left)));
}

/// A job that is written in place holds nobody up. It is one when it is published; dropped, or forgotten, it is nothing, and its slot is of use.
#[test]
fn jobs_written_in_place() {
    let options = Options::new().capacity(4).kinds(2).job_max_bytes(64);
    let (mut producer, mut worker) = pair::<[u64]>(&options).expect("a queue");
    let fd = producer.fd().expect("a memfd").try_clone_to_owned().expect("a descriptor");
    let mut other = Producer::<[u64]>::from_fd(fd, &options).expect("a seat");
    let mut next = || {
        let job = worker.try_pop().map_err(|error| format!("{error:?}"))?;
        let found = (job.kind(), job.to_vec());
        job.ack();
        Ok::<_, String>(found)
    };
    let mut room = producer.reserve(1, 6).expect("room");
    room.fill(7);
    other.push_kind(1, &[1]).expect("past it");
    assert_eq!(next(), Ok((1, vec![1])));
    assert_eq!(room[..], [7; 6]);
    room.publish_first(3);
    assert_eq!(next(), Ok((1, vec![7; 3])));
    for lap in 0..9 {
        drop(producer.try_reserve(0, 6).expect("room"));
        std::mem::forget(producer.reserve_timeout(0, 1, LONG).expect("room"));
        assert_eq!(next(), Err("Empty".into()));
        for number in 0..4 {
            let by = if (lap + number) % 3 == 0 { &mut other } else { &mut producer };
            let mut room = by.try_reserve(0, 1).expect("room");
            room[0] = number;
            room.publish();
        }
        assert_eq!(producer.try_reserve(0, 1).map(drop), Err(TryPushError::Full));
        let late = producer.reserve_timeout(0, 1, Duration::from_millis(5));
        assert_eq!(late.map(drop), Err(PushTimeoutError::TimedOut));
        for number in 0..4 {
            assert_eq!(next(), Ok((0, vec![number])), "lap {lap}");
        }
    }
    let max = u64::from(producer.max_job_bytes());
    let too_large = PushError::TooLarge { len_bytes: max + 8, max_bytes: max };
    assert_eq!(producer.reserve(0, max as usize / 8 + 1).map(drop), Err(too_large));
    assert_eq!(producer.reserve(2, 1).map(drop), Err(PushError::NoSuchKind { kind: 2, kinds: 2 }));
    // What a producer has forgotten it gives up when it leaves.
    std::mem::forget(other.reserve(1, 1).expect("room"));
    drop(other);
    for number in 0..4 {
        producer.try_push_kind(1, &[number]).expect("every slot is of use");
        assert_eq!(next(), Ok((1, vec![number])));
    }
    (0..4).for_each(|number| producer.try_push_kind(1, &[number]).expect("every slot is of use"));
    drop(worker);
    assert_eq!(producer.reserve(0, 1).map(drop), Err(PushError::Disconnected(Cause::Left)));
}

/// However many write their jobs in place, for as long as they like, the others go past, round and round.
#[test]
fn many_jobs_written_in_place() {
    let options = Options::new().capacity(64).seats(50);
    let (mut producer, mut worker) = pair::<u64>(&options).expect("a queue");
    let fd = producer.fd().expect("a memfd").try_clone_to_owned().expect("a descriptor");
    let slow = |_| Producer::<u64>::from_fd(fd.try_clone().expect("a descriptor"), &options).expect("a seat");
    let mut slow: Vec<_> = (0..48).map(slow).collect();
    let held: Vec<_> = slow.iter_mut().map(|it| it.reserve(0).expect("room")).collect();
    for number in 0..1000 {
        producer.try_push(&number).expect("past them");
        let job = worker.try_pop().expect("past them");
        assert_eq!(*job, number);
        job.ack();
    }
    for mut room in held {
        *room = 7;
        room.publish();
    }
    assert_eq!((0..48).map(|_| take(&mut worker)).collect::<Vec<_>>(), [7; 48]);
    assert!(worker.is_empty());
}

/// Memory that others may write to is not lent; jobs are copied there.
#[test]
fn others_memory_is_not_lent() {
    let name = Name::new("mpmclent");
    let me = std::fs::metadata("/proc/self").expect("proc").uid();
    let options = Options::new().mode(0o622).owner(me);
    let mut producer = Producer::<u64>::create(name.as_str(), &options).expect("a queue");
    let mut worker = Worker::<u64>::open(name.as_str(), &options).expect("a seat");
    assert_eq!(producer.reserve(0).map(drop), Err(PushError::Untrusted));
    assert_eq!(producer.try_reserve(0).map(drop), Err(TryPushError::Failed(PushError::Untrusted)));
    producer.push(&1).expect("room");
    assert_eq!(take(&mut worker), 1);
}

/// Who comes with another type, to another kind of channel, or when all seats are taken is told so.
#[test]
fn strangers_are_refused() {
    let name = Name::new("mpmcrefuse");
    let options = Options::new().seats(2);
    let producer = Producer::<u64>::create(name.as_str(), &options).expect("a queue");
    let kind = |outcome: strait::Result<()>| outcome.expect_err("refused").kind();
    assert_eq!(kind(Worker::<i64>::open(name.as_str(), &options).map(drop)), ErrorKind::Incompatible);
    assert_eq!(
        kind(Worker::<u64>::open(name.as_str(), &Options::new().schema_id(1)).map(drop)),
        ErrorKind::Incompatible
    );
    assert_eq!(
        kind(spsc::Receiver::<u64>::open(name.as_str(), &spsc::Options::new()).map(drop)),
        ErrorKind::Incompatible
    );
    assert_eq!(kind(Producer::<u64>::create(name.as_str(), &options).map(drop)), ErrorKind::AlreadyExists);
    let worker = Worker::<u64>::open_or_create(name.as_str(), &options).expect("a seat");
    assert_eq!(kind(Worker::<u64>::open(name.as_str(), &options).map(drop)), ErrorKind::Busy);
    drop((producer, worker));
    assert_eq!(kind(Worker::<u64>::open(name.as_str(), &options).map(drop)), ErrorKind::NotFound);
    for wrong in [Options::new().kinds(0), Options::new().kinds(17), Options::new().seats(257)] {
        assert_eq!(kind(Producer::<u64>::create(Place::memfd("x"), &wrong).map(drop)), ErrorKind::Usage);
    }
}
