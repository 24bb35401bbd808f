//! The worker pool: results in order, each once, whoever dies.

use std::time::Duration;
use strait::pool::{self, Options, Stopped};
use strait::process::Command;

fn worker(memory: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pool_role"));
    command.arg(memory);
    command
}

fn answer(job: &[u8]) -> Vec<u8> {
    let reversed: Vec<u8> = job.iter().rev().copied().collect();
    reversed.repeat(usize::from(job[0]))
}

/// Jobs of many lengths; the first byte is how often the answer repeats them.
fn jobs(count: usize) -> Vec<Vec<u8>> {
    let job = |i: usize| (0..1 + (i * 37) % 3000).map(|j| ((i + j) % 32) as u8).collect();
    (0..count).map(job).collect()
}

/// Runs jobs through a pool and collects `(tag, answer)`; `disturb` is called with the pool after each part.
fn run(
    command: &Command,
    options: &Options,
    jobs: &[Vec<u8>],
    mut disturb: impl FnMut(&pool::Pool, usize),
) -> (Vec<Vec<u8>>, Option<Stopped>, u64) {
    let (pool, mut feeder, mut collector) = pool::start::<usize>(command, options).expect("start");
    let mut answers: Vec<Vec<u8>> = Vec::new();
    let outcome = std::thread::scope(|scope| {
        scope.spawn(move || {
            for (index, job) in jobs.iter().enumerate() {
                let Ok(mut room) = feeder.room(job.len()) else { return };
                room[..job.len()].copy_from_slice(job);
                room.hand_out(job.len(), index);
            }
            let _ = feeder.finish();
        });
        let mut parts = 0;
        loop {
            match collector.next() {
                Ok(Some(part)) => {
                    if part.number() == 0 {
                        assert_eq!(*part.tag(), answers.len());
                        answers.push(Vec::new());
                    }
                    answers.last_mut().expect("pushed").extend_from_slice(part.bytes());
                }
                Ok(None) => return None,
                Err(stopped) => return Some(stopped),
            }
            parts += 1;
            disturb(&pool, parts);
        }
    });
    let restarts = pool.restarts();
    pool.finish();
    (answers, outcome, restarts)
}

/// Results come in the order of the jobs, whole, however many parts they have.
#[test]
fn results_come_in_order() {
    let jobs = jobs(2000);
    for workers in [1, 3] {
        let (answers, outcome, restarts) = run(&worker(""), &Options::new().workers(workers), &jobs, |_, _| {});
        assert!(outcome.is_none(), "{outcome:?}");
        assert_eq!(restarts, 0);
        assert!(answers.iter().zip(&jobs).all(|(answer_, job)| *answer_ == answer(job)));
        assert_eq!(answers.len(), jobs.len());
    }
}

/// Workers killed at any time change nothing in the results.
#[test]
fn killed_workers_change_nothing() {
    let jobs = jobs(3000);
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    println!("seed {seed:#x}");
    let (answers, outcome, restarts) = run(&worker(""), &Options::new().workers(2), &jobs, |pool, parts| {
        if parts % 50 != 0 {
            return;
        }
        let pids = pool.worker_pids();
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        if let Some(&pid) = pids.get((seed >> 33) as usize % pids.len().max(1)) {
            let pid = rustix::process::Pid::from_raw(pid as i32).expect("a pid");
            // It may have ended since; its number is not reused before its supervisor has buried it.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    });
    assert!(outcome.is_none(), "{outcome:?}");
    assert!(answers.iter().zip(&jobs).all(|(answer_, job)| *answer_ == answer(job)));
    assert_eq!(answers.len(), jobs.len());
    assert!(restarts > 0);
}

/// A job that kills its worker once is done by the successor; one that always does is named, after all results before it.
#[test]
fn poisoned_job_is_named() {
    let memory = std::env::temp_dir().join(format!("strait-pool-{}", std::process::id()));
    let command = worker(&memory.to_string_lossy());
    let mut jobs = jobs(100);
    jobs[40] = b"!once".to_vec();
    jobs[70] = b"x for ever".to_vec();
    let restart = strait::process::Restart {
        backoff_first: Duration::from_millis(1),
        backoff_max: Duration::from_millis(2),
        limit: 3,
    };
    let (answers, outcome, restarts) = run(&command, &Options::new().workers(2).restart(restart), &jobs, |_, _| {});
    let _ = std::fs::remove_file(memory);
    assert_eq!(answers.len(), 70);
    assert!(answers.iter().zip(&jobs).all(|(answer_, job)| *answer_ == answer(job)));
    match outcome {
        Some(Stopped::Poisoned { job, exit, .. }) => {
            assert_eq!(job, b"x for ever");
            assert!(exit.contains("SIGABRT"), "{exit}");
        }
        other => panic!("{other:?}"),
    }
    assert!(restarts >= 4, "{restarts}");
}

/// A stopped pool says so soon, though nothing is left to do.
#[test]
fn stopped_pool_says_so() {
    let (pool, feeder, mut collector) = pool::start::<()>(&worker(""), &Options::new().workers(1)).expect("start");
    let stopper = pool.stopper();
    let waiter = std::thread::spawn(move || collector.next().map(|part| part.is_some()));
    stopper.stop();
    assert!(matches!(waiter.join().expect("no panic"), Err(Stopped::Asked)));
    drop(feeder);
    drop(pool);
}
