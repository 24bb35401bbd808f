//! What a queue does in one thread, step by step: who gets what, in which order, and what a death at each step leaves.

use super::producer::{NoRoom, Producer, Staged};
use super::word::Claimant;
use super::worker::{Claim, Worker};
use super::{Census, Queue, Shape, census, estimate};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use strait_mem::{Mapping, Shared as _, SharedMut as _, ViewMut};

struct Bench {
    shape: Shape,
    mapping: Arc<Mapping>,
}

impl Bench {
    fn new(slots: u32, kinds: u32) -> Self {
        let shape = Shape::new(slots, kinds, 64, 8).expect("sound");
        let mapping = Mapping::anonymous(shape.body_bytes() as usize, None, false).expect("memory");
        Self { shape, mapping }
    }

    fn queue(&self) -> Queue<ViewMut> {
        Queue::new(self.shape, self.mapping.view_mut(0..self.mapping.len()).expect("free"))
    }

    fn producer(&self, seat: u32) -> Producer<ViewMut> {
        Producer::new(self.queue(), Claimant::new(seat, 1))
    }

    fn worker(&self, seat: u32) -> Worker<ViewMut> {
        Worker::new(self.queue(), Claimant::new(seat, 1))
    }
}

fn push(producer: &mut Producer<ViewMut>, kind: u32, number: u64) -> bool {
    match producer.push(kind, &number.to_ne_bytes()) {
        Ok(()) => true,
        Err(NoRoom::Full) => false,
        Err(NoRoom::Fault(fault)) => panic!("{fault}"),
    }
}

fn number(worker: &Worker<ViewMut>, claim: Claim) -> u64 {
    worker.queue().window().load_u64(claim.payload, Relaxed)
}

/// The next job, in our hands.
fn pop(worker: &mut Worker<ViewMut>, kind: u32) -> Option<(u64, Claim)> {
    let claim = worker.pop(kind).expect("no lie")?;
    Some((number(worker, claim), claim))
}

/// The next job, done.
fn take(worker: &mut Worker<ViewMut>, kind: u32) -> Option<u64> {
    let (number, claim) = pop(worker, kind)?;
    worker.ack(claim);
    Some(number)
}

fn drain(worker: &mut Worker<ViewMut>) -> Vec<u64> {
    std::iter::from_fn(|| take(worker, 0)).collect()
}

/// Numbers that cannot be make no shape.
#[test]
fn shapes() {
    for (slots, kinds, stride_bytes, item_bytes) in [
        (0, 1, 64, 8),
        (1, 1, 64, 8),
        (3, 1, 64, 8),
        (1 << 21, 1, 64, 8),
        (2, 0, 64, 8),
        (2, 17, 64, 8),
        (2, 1, 0, 0),
        (2, 1, 32, 8),
        (2, 1, 96, 8),
        (2, 1, 64, 49),
    ] {
        assert_eq!(
            Shape::new(slots, kinds, stride_bytes, item_bytes),
            None,
            "{slots} {kinds} {stride_bytes} {item_bytes}"
        );
    }
    for (slots, kinds, stride_bytes, item_bytes) in [(2, 16, 64, 48), (1 << 20, 1, 128, 0)] {
        assert!(Shape::new(slots, kinds, stride_bytes, item_bytes).is_some());
    }
}

/// Of several jobs that the dead held the first comes first, to one who has passed them all.
#[test]
fn first_of_the_dead_comes_first() {
    let bench = Bench::new(8, 1);
    let (mut producer, mut dead, mut survivor) = (bench.producer(0), bench.worker(1), bench.worker(2));
    for number in 0..8 {
        assert!(push(&mut producer, 0, number));
    }
    for number in 0..3 {
        assert_eq!(pop(&mut dead, 0).expect("a job").0, number);
    }
    assert_eq!(drain(&mut survivor), [3, 4, 5, 6, 7]);
    survivor.queue().mend(1, 1, 0);
    assert_eq!(drain(&mut survivor), [0, 1, 2]);
}

/// Jobs come in their order, each once, for many laps, and a queue holds as many as it has slots.
#[test]
fn jobs_come_in_order() {
    let bench = Bench::new(4, 1);
    let (mut producer, mut worker) = (bench.producer(0), bench.worker(1));
    let mut next = 0;
    for lap in 0..200 {
        let count = lap % 4 + 1;
        for number in next..next + count {
            assert!(push(&mut producer, 0, number), "{number}");
        }
        assert_eq!(drain(&mut worker), (next..next + count).collect::<Vec<_>>());
        next += count;
    }
    for number in 0..4 {
        assert!(push(&mut producer, 0, number));
    }
    assert!(!push(&mut producer, 0, 4));
    assert_eq!(worker.queue().len(), 4);
    assert_eq!(take(&mut worker, 0), Some(0));
    assert!(push(&mut producer, 0, 4));
    assert_eq!(drain(&mut worker), [1, 2, 3, 4]);
    assert_eq!(worker.queue().len(), 0);
}

/// Who only looks counts what is ready, in whose hands, put off, come back and done; by the hints alone about as many. A lie is told.
#[test]
fn what_is_in_it_is_counted() {
    let bench = Bench::new(64, 2);
    let (mut producer, mut worker, mut other) = (bench.producer(0), bench.worker(1), bench.worker(5));
    let view = || bench.mapping.view(0..bench.mapping.len()).expect("inside");
    let look = || {
        let mut hands = Vec::new();
        census(bench.shape, &view(), |seat| hands.push(seat)).map(|census| (census, hands))
    };
    assert_eq!(look(), Ok((Census::default(), vec![])));
    for number in 0..40 {
        assert!(push(&mut producer, 0, number) && push(&mut producer, 1, number));
    }
    assert_eq!((0..10).filter_map(|_| take(&mut worker, 0)).count(), 10);
    assert_eq!(look(), Ok((Census { jobs: 70, came_back: 0, done: 10 }, vec![])));
    let (_, first) = pop(&mut worker, 0).expect("a job");
    let (_, second) = pop(&mut worker, 0).expect("a job");
    let (_, third) = pop(&mut other, 1).expect("a job");
    assert_eq!(look(), Ok((Census { jobs: 70, came_back: 0, done: 10 }, vec![1, 1, 5])));
    worker.nack(first);
    worker.nack_later(second, 1000, 0);
    assert_eq!(look(), Ok((Census { jobs: 70, came_back: 2, done: 10 }, vec![5])));
    let again = pop(&mut other, 0).expect("a job").1;
    assert_eq!(look(), Ok((Census { jobs: 70, came_back: 2, done: 10 }, vec![5, 5])));
    other.ack(again);
    other.ack(third);
    assert_eq!(look(), Ok((Census { jobs: 68, came_back: 1, done: 12 }, vec![])));
    let (sent, jobs) = estimate(bench.shape, &view());
    assert!((16..=80).contains(&sent) && jobs <= 80, "{sent} {jobs}");
    let all = bench.mapping.view_mut(0..bench.mapping.len()).expect("free");
    // In hands, but never given to anybody.
    all.store_u64(bench.shape.slot(1, 7), 3, Relaxed);
    assert_eq!(look(), Ok((Census { jobs: 68, came_back: 1, done: 12 }, vec![0])));
    all.store_u64(bench.shape.slot(1, 7), 7, Relaxed);
    assert_eq!(look().expect_err("a lie").offset, bench.shape.slot(1, 7) as u64);
}

/// Several workers share the jobs; those who come late or have slept for laps find the next one.
#[test]
fn workers_share() {
    let bench = Bench::new(8, 1);
    let mut producer = bench.producer(0);
    let mut workers: Vec<_> = (1..4).map(|seat| bench.worker(seat)).collect();
    let mut sleeper = bench.worker(9);
    for number in 0..500 {
        assert!(push(&mut producer, 0, number));
        assert_eq!(take(&mut workers[number as usize % 3], 0), Some(number));
    }
    for number in 0..8 {
        assert!(push(&mut producer, 0, number));
    }
    assert_eq!(take(&mut sleeper, 0), Some(0));
    assert_eq!(take(&mut bench.worker(5), 0), Some(1));
    assert_eq!(drain(&mut workers[0]), [2, 3, 4, 5, 6, 7]);
}

/// A job in slow hands holds nobody up: the others go round past its slot, lap after lap, and no job is lost, doubled or out of order.
#[test]
fn slow_worker_holds_nobody_up() {
    let bench = Bench::new(4, 1);
    let mut producers = [bench.producer(0), bench.producer(1)];
    let (mut slow, mut quick) = (bench.worker(2), bench.worker(3));
    assert!(push(&mut producers[0], 0, 1000));
    let (_, held) = pop(&mut slow, 0).expect("a job");
    let (mut sent, mut seen) = (0, 0);
    for round in 0..50 {
        // The second producer stays behind for some rounds, so that its position is one that was passed over.
        let producer = &mut producers[usize::from(round % 7 == 6)];
        let mut count = 0;
        while push(producer, 0, sent) {
            (sent, count) = (sent + 1, count + 1);
        }
        assert_eq!(count, 3, "round {round}");
        for number in drain(&mut quick) {
            assert_eq!(number, seen);
            seen += 1;
        }
        assert_eq!(seen, sent, "round {round}");
    }
    slow.ack(held);
    for round in 0..20 {
        let mut late = bench.worker(4);
        for _ in 0..4 {
            assert!(push(&mut producers[round % 2], 0, sent), "all slots are used again, round {round}");
            sent += 1;
        }
        for number in drain(if round % 3 == 0 { &mut late } else { &mut quick }) {
            assert_eq!(number, seen);
            seen += 1;
        }
        assert_eq!(seen, sent, "round {round}");
    }
}

/// A job that is given back comes next, before those behind it, to whoever asks; its deliveries are counted.
#[test]
fn job_given_back_comes_next() {
    let bench = Bench::new(8, 1);
    let mut producer = bench.producer(0);
    let (mut one, mut other) = (bench.worker(1), bench.worker(2));
    for number in 0..6 {
        assert!(push(&mut producer, 0, number));
    }
    let (first, claim) = pop(&mut one, 0).expect("a job");
    assert_eq!((first, claim.deliveries), (0, 1));
    assert_eq!(take(&mut other, 0), Some(1));
    one.nack(claim);
    let (again, claim) = pop(&mut other, 0).expect("a job");
    assert_eq!((again, claim.deliveries), (0, 2));
    other.nack(claim);
    assert_eq!(take(&mut one, 0), Some(0));
    assert_eq!(drain(&mut one), [2, 3, 4, 5]);
}

/// A job that was put off comes when it is due and not before, and holds nobody up meanwhile.
#[test]
fn job_put_off_comes_when_it_is_due() {
    let bench = Bench::new(4, 1);
    let (mut producer, mut worker) = (bench.producer(0), bench.worker(1));
    let now = u32::MAX - 10;
    for number in 0..3 {
        assert!(push(&mut producer, 0, number));
    }
    for (due, _) in [(now.wrapping_add(30), ()), (now.wrapping_add(20), ())] {
        let (_, claim) = pop(&mut worker, 0).expect("a job");
        worker.nack_later(claim, due, now);
    }
    assert_eq!(worker.due_ms(0), Some(now.wrapping_add(20)));
    assert_eq!(drain(&mut worker), [2]);
    for number in 3..40 {
        assert!(push(&mut producer, 0, number));
        assert_eq!(drain(&mut worker), [number]);
    }
    assert_eq!(worker.make_due_ready(0, now.wrapping_add(19), false), 0);
    assert_eq!(worker.make_due_ready(0, now.wrapping_add(20), false), 1);
    assert_eq!(drain(&mut worker), [1]);
    assert_eq!(worker.due_ms(0), Some(now.wrapping_add(30)));
    assert_eq!(worker.make_due_ready(0, now, true), 1);
    assert_eq!((drain(&mut worker), worker.due_ms(0)), (vec![0], None));
}

/// Kinds are queues of their own.
#[test]
fn kinds_are_apart() {
    let bench = Bench::new(2, 3);
    let (mut producer, mut worker) = (bench.producer(0), bench.worker(1));
    for kind in [2, 0, 1, 2] {
        assert!(push(&mut producer, kind, u64::from(kind)));
    }
    assert!(!push(&mut producer, 2, 9));
    assert!(push(&mut producer, 0, 5));
    assert_eq!([take(&mut worker, 1), take(&mut worker, 1)], [Some(1), None]);
    assert_eq!([take(&mut worker, 2), take(&mut worker, 0), take(&mut worker, 0)], [Some(2), Some(0), Some(5)]);
}

/// A slot that is being written is passed, and its job comes as soon as it is there, before what the same producer pushes behind it.
#[test]
fn unfinished_job_is_not_forgotten() {
    let bench = Bench::new(8, 1);
    let (mut slow, mut quick, mut worker) = (bench.producer(0), bench.producer(1), bench.worker(2));
    let staged: Staged = slow.stage(0).expect("room");
    for lap in 0..20 {
        for number in lap * 7..lap * 7 + 7 {
            assert!(push(&mut quick, 0, number), "lap {lap}");
        }
        if lap == 19 {
            slow.queue().window().write(staged.payload(), &1000_u64.to_ne_bytes());
            slow.publish(staged, 8);
            assert_eq!(take(&mut worker, 0), Some(1000));
        }
        assert_eq!(drain(&mut worker), (lap * 7..lap * 7 + 7).collect::<Vec<_>>());
        assert_eq!(bench.worker(3).pop(0), Ok(None));
    }
}

/// What the dead held is there again: a job in its hands at once and before the others, a half-written one never; a delay goes on.
#[test]
fn dead_are_mended() {
    let bench = Bench::new(8, 1);
    let (mut producer, mut other) = (bench.producer(0), bench.producer(1));
    let (mut worker, mut survivor) = (bench.worker(2), bench.worker(3));
    for number in 0..4 {
        assert!(push(&mut producer, 0, number));
    }
    let (_, later) = pop(&mut worker, 0).expect("a job");
    assert_eq!(pop(&mut worker, 0).expect("a job").0, 1);
    worker.nack_later(later, 50, 10);
    let _ = producer.stage(0).expect("room");
    assert!(push(&mut other, 0, 9));
    assert_eq!(take(&mut survivor, 0), Some(2));
    // The worker again, in its next life: its claims of now are not those of the dead.
    for seat in [0, 2, 2, 5] {
        survivor.queue().mend(seat, 1, 10);
    }
    let (first, claim) = pop(&mut survivor, 0).expect("a job");
    assert_eq!((first, claim.deliveries), (1, 2));
    survivor.queue().mend(3, 0, 10);
    assert_eq!(survivor.queue().len(), 4);
    survivor.ack(claim);
    assert_eq!(drain(&mut survivor), [3, 9]);
    assert_eq!(survivor.due_ms(0), Some(50));
    assert_eq!(survivor.make_due_ready(0, 50, false), 1);
    assert_eq!(drain(&mut survivor), [0]);
    for number in 0..8 {
        assert!(push(&mut other, 0, number), "every slot is free again");
    }
}

/// Whatever words a liar writes, every call ends, and ends in a value or a fault.
#[test]
fn lies_end_in_time() {
    let bench = Bench::new(4, 2);
    let mut random: u64 = 0x9E37_79B9_7F4A_7C15;
    let window = bench.mapping.view_mut(0..bench.mapping.len()).expect("free");
    let (mut producer, mut worker) = (bench.producer(0), bench.worker(1));
    for round in 0..20_000 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let at = (random >> 32) as usize % (window.len_bytes() / 8) * 8;
        let lie = if round % 3 == 0 { random } else { window.load_u64(at, Relaxed) ^ 1 << (random % 64) };
        window.store_u64(at, lie, Relaxed);
        let _ = producer.push(round % 2, &[0; 8]);
        if let Ok(Some(claim)) = worker.pop((round / 2) % 2) {
            match round % 5 {
                0 => worker.nack(claim),
                1 => worker.nack_later(claim, round, 0),
                _ => worker.ack(claim),
            }
        }
        worker.make_due_ready(round % 2, round, false);
        if round % 50 == 0 {
            worker.queue().mend(random as u32 % 8, 1, 0);
        }
    }
}

/// Several words of a queue, to be compared.
fn words(bench: &Bench) -> Vec<u64> {
    let window = bench.mapping.view_mut(0..bench.mapping.len()).expect("free");
    (0..window.len_bytes() / 8).map(|at| window.load_u64(at * 8, Relaxed)).collect()
}

/// Whether there is room is told without taking any.
#[test]
fn room_is_told() {
    let bench = Bench::new(8, 1);
    let (mut producer, mut worker) = (bench.producer(0), bench.worker(1));
    let before = words(&bench);
    assert_eq!((producer.has_room(0), producer.is_roomy(0)), (Ok(true), true));
    assert!(words(&bench) == before);
    for number in 0..8 {
        assert!(push(&mut producer, 0, number));
    }
    assert_eq!((producer.has_room(0), producer.is_roomy(0)), (Ok(false), false));
    assert_eq!(take(&mut worker, 0), Some(0));
    assert_eq!((producer.has_room(0), producer.is_roomy(0)), (Ok(true), false));
}

/// A slot that was passed over, was freed, and is taken by one who then sees that it was passed, is given up and used again a lap later.
#[test]
fn passed_slot_is_given_up() {
    let bench = Bench::new(4, 1);
    let (mut quick, mut late) = (bench.producer(0), bench.producer(1));
    let (mut slow, mut worker) = (bench.worker(2), bench.worker(3));
    assert!(push(&mut quick, 0, 10));
    let (_, held) = pop(&mut slow, 0).expect("a job");
    for number in 11..14 {
        assert!(push(&mut late, 0, number));
        assert_eq!(take(&mut worker, 0), Some(number));
    }
    assert!(push(&mut quick, 0, 20), "behind the slot that is held");
    slow.ack(held);
    assert!(push(&mut late, 0, 21));
    assert_eq!(drain(&mut worker), [20, 21]);
    for number in 0..4 {
        assert!(push(&mut quick, 0, number), "every slot is used again");
    }
    assert_eq!(drain(&mut worker), [0, 1, 2, 3]);
}

/// A queue of 64 whose jobs of the first lap are done, but for some that wait again and some that are still in hands.
fn with_some_left(waiting: std::ops::Range<u64>, held: &[u64]) -> (Bench, Producer<ViewMut>, Producer<ViewMut>) {
    let bench = Bench::new(64, 1);
    let (mut one, mut other, mut worker) = (bench.producer(0), bench.producer(1), bench.worker(2));
    for number in 0..64 {
        assert!(push(if number < 32 { &mut one } else { &mut other }, 0, number));
    }
    let mut kept = Vec::new();
    while let Some((number, claim)) = pop(&mut worker, 0) {
        match number {
            _ if held.contains(&number) => {}
            _ if waiting.contains(&number) => kept.push(claim),
            _ => worker.ack(claim),
        }
    }
    kept.into_iter().for_each(|claim| worker.nack(claim));
    (bench, one, other)
}

/// Jobs that were put back are passed over by who pushes, as long as they are few; where many wait the queue is full.
#[test]
fn few_that_wait_are_passed_over() {
    // One; one, and sixteen further on one in slow hands.
    for held in [&[][..], &[16]] {
        let (_bench, mut one, _) = with_some_left(0..1, held);
        assert!(push(&mut one, 0, 100), "{held:?}");
    }
    // One, and sixteen further on a new job of somebody else: who stands at the one goes past both.
    let (_bench, mut one, mut last) = with_some_left(0..1, &[]);
    for number in 100..116 {
        assert!(push(&mut one, 0, number));
    }
    assert!(last.position(0) == 64 && push(&mut last, 0, 200));
    // Seventeen in a row, and with one in slow hands among them.
    for (waiting, held) in [(0..17, &[][..]), (0..18, &[16])] {
        let (_bench, mut one, _) = with_some_left(waiting, held);
        assert!(!push(&mut one, 0, 100), "{held:?}");
        assert_eq!(one.has_room(0), Ok(false));
    }
}

/// Who comes late, or is laps behind because somebody is slow to write, finds the first of what is there.
#[test]
fn laps_behind() {
    let bench = Bench::new(8, 1);
    let (mut slow, mut quick, mut worker) = (bench.producer(0), bench.producer(1), bench.worker(2));
    let mut sleeper = bench.worker(3);
    let _staged = slow.stage(0).expect("room");
    for lap in 0..20 {
        for number in lap * 7..lap * 7 + 7 {
            assert!(push(&mut quick, 0, number), "lap {lap}");
        }
        if lap < 19 {
            assert_eq!(drain(&mut worker).len(), 7);
        }
    }
    assert_eq!(take(&mut worker, 0), Some(133));
    assert_eq!(take(&mut bench.worker(4), 0), Some(134));
    assert_eq!(drain(&mut sleeper), [135, 136, 137, 138, 139]);
}

/// A length that cannot be is a lie, and the job stays where it is.
#[test]
fn lengths_are_checked() {
    let shape = Shape::new(2, 1, 64, 0).expect("sound");
    let bench = Bench { shape, mapping: Mapping::anonymous(shape.body_bytes() as usize, None, false).expect("memory") };
    let (mut producer, mut worker) = (bench.producer(0), bench.worker(1));
    producer.push(0, &[7; 48]).expect("room");
    assert_eq!(pop(&mut worker, 0).expect("a job").1.len_bytes, 48);
    producer.push(0, &[7; 8]).expect("room");
    let at = shape.slot(0, 1) + super::LEN;
    bench.mapping.view_mut(0..bench.mapping.len()).expect("free").store_u32(at, 49, Relaxed);
    let fault = worker.pop(0).expect_err("a lie");
    assert_eq!((fault.what, fault.offset, fault.found), ("length of a job", at as u64, 49));
    assert_eq!(worker.has_job(0), Ok(true));
}
