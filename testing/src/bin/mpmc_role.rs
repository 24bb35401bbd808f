//! A user of a work queue, told what to do by the lines of its standard input; it answers each with a line.

use std::io::Write as _;
use std::time::Duration;
use strait::channel::Strategy;
use strait::channel::mpmc::{Kinds, Options, Producer, TryPopError, TryPushError, Worker};
use strait::region::Place;

fn main() {
    // SAFETY: the call takes two numbers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    // SAFETY: the call takes a number; the default action of SIGALRM ends the process.
    unsafe { libc::alarm(60) };
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["producer", how, at, ref settings @ ..] => producer(how, place(at), &options(settings)),
        ["worker", how, at, ref settings @ ..] => worker(how, place(at), &options(settings)),
        ["relay", jobs, done, ref settings @ ..] => relay(place(jobs), place(done), &options(settings)),
        ["feed", jobs, first, last] => feed(place(jobs), number(first), number(last)),
        ["fork"] => fork(),
        _ => panic!("no such part: {words:?}"),
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

fn lines() -> impl Iterator<Item = String> {
    std::io::stdin().lines().map_while(Result::ok)
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

fn place(text: &str) -> Place {
    match text.split_once(':') {
        Some(("posix", name)) => Place::posix(name),
        Some(("file", path)) => Place::file(path),
        _ => panic!("no such place: {text}"),
    }
}

fn options(settings: &[&str]) -> Options {
    settings.iter().fold(Options::new(), |options, setting| match setting.split_once('=') {
        None if *setting == "restartable" => options.restartable(true),
        None if *setting == "sleep" => options.wait(Strategy::Sleep),
        None if *setting == "spin" => options.wait(Strategy::Spin),
        Some(("capacity", jobs)) => options.capacity(number(jobs) as u32),
        Some(("kinds", kinds)) => options.kinds(number(kinds) as u32),
        Some(("seats", seats)) => options.seats(number(seats) as u32),
        Some(("deliveries", count)) => options.max_deliveries(number(count) as u32),
        Some(("letters", name)) => options.dead_letters(name),
        _ => panic!("no such setting: {setting}"),
    })
}

fn opened<T>(outcome: strait::Result<T>) -> T {
    match outcome {
        Ok(handle) => {
            say("ok");
            handle
        }
        Err(error) => {
            say(&format!("error {:?}: {error}", error.kind()));
            std::process::exit(0);
        }
    }
}

fn producer(how: &str, place: Place, options: &Options) {
    let mut producer = opened(match how {
        "create" => Producer::<u64>::create(place, options),
        _ => Producer::open(place, options),
    });
    for line in lines() {
        let words: Vec<&str> = line.split(' ').collect();
        say(&match words[..] {
            ["push", first, last] => match (number(first)..number(last)).try_for_each(|it| producer.push(&it)) {
                Ok(()) => "pushed".to_owned(),
                Err(error) => format!("{error:?}"),
            },
            ["kind", kind, it] => format!("{:?}", producer.push_kind(number(kind) as u32, &number(it))),
            ["fill"] => {
                let mut count = 0;
                loop {
                    match producer.try_push(&count) {
                        Ok(()) => count += 1,
                        Err(TryPushError::Full) => break format!("full {count}"),
                        Err(error) => break format!("{error:?}"),
                    }
                }
            }
            ["block", it] => {
                say("blocking");
                format!("{:?}", producer.push(&number(it)))
            }
            ["len"] => producer.len().to_string(),
            ["leave"] => break,
            _ => panic!("no such line: {line}"),
        });
    }
    drop(producer);
    say("left");
}

fn worker(how: &str, place: Place, options: &Options) {
    let mut worker = opened(match how {
        "create" => Worker::<u64>::create(place, options),
        _ => Worker::open(place, options),
    });
    let mut lines = lines();
    while let Some(line) = lines.next() {
        let words: Vec<&str> = line.split(' ').collect();
        say(&match words[..] {
            ["take", count] => {
                let mut numbers = Vec::new();
                while numbers.len() < number(count) as usize {
                    let job = match worker.pop_timeout(Duration::from_secs(10)) {
                        Ok(job) => job,
                        Err(error) => {
                            say(&format!("{error:?}"));
                            break;
                        }
                    };
                    numbers.push(*job);
                    job.ack();
                }
                format!("{numbers:?}")
            }
            ["kind", kind] => match worker.try_pop_kind(number(kind) as u32) {
                Ok(job) => {
                    let text = format!("{} of {}", *job, job.kind());
                    job.ack();
                    text
                }
                Err(error) => format!("{error:?}"),
            },
            ["up-to", kind] => match worker.try_pop_kind(Kinds::up_to(number(kind) as u32)) {
                Ok(job) => {
                    let text = format!("{} of {}", *job, job.kind());
                    job.ack();
                    text
                }
                Err(error) => format!("{error:?}"),
            },
            ["hold"] => match worker.pop() {
                Err(error) => format!("{error:?}"),
                Ok(job) => {
                    say(&format!("holding {} ({})", *job, job.deliveries()));
                    match lines.next().as_deref() {
                        Some("ack") => job.ack(),
                        Some("nack") => job.nack(),
                        Some("nack-after") => job.nack_after(Duration::from_millis(50)),
                        Some("drop") => drop(job),
                        _ => std::process::exit(0),
                    }
                    "done".to_owned()
                }
            },
            ["hold-many", count] => match worker.pop_batch(number(count) as usize) {
                Err(error) => format!("{error:?}"),
                Ok(mut jobs) => {
                    let numbers: Vec<u64> = jobs.iter().copied().collect();
                    jobs.ack_first(1);
                    say(&format!("holding {numbers:?}"));
                    // Killed with the others in its hands.
                    std::mem::forget(lines.next());
                    "let go".to_owned()
                }
            },
            ["block"] => {
                say("blocking");
                match worker.pop() {
                    Err(error) => format!("{error:?}"),
                    Ok(job) => {
                        let text = format!("got {} ({})", *job, job.deliveries());
                        job.ack();
                        text
                    }
                }
            }
            ["try"] => match worker.try_pop() {
                Err(TryPopError::Empty) => "empty".to_owned(),
                Err(error) => format!("{error:?}"),
                Ok(job) => {
                    let text = format!("got {} ({})", *job, job.deliveries());
                    job.ack();
                    text
                }
            },
            ["len"] => worker.len().to_string(),
            ["leave"] => break,
            _ => panic!("no such line: {line}"),
        });
    }
    drop(worker);
    say("left");
}

/// Does jobs until it is killed: each number goes to the queue of what is done before it is acknowledged.
fn relay(jobs: Place, done: Place, options: &Options) {
    let mut worker = Worker::<u64>::open(jobs, options).expect("the queue is there");
    let mut producer = opened(Producer::<u64>::open(done, options));
    loop {
        let Ok(mut batch) = worker.pop_batch(4) else { return };
        while let Some(&number) = batch.get(0) {
            producer.push(&number).expect("somebody collects");
            batch.ack_first(1);
        }
    }
}

/// Pushes numbers from a first on, and says each that is in the queue.
fn feed(jobs: Place, first: u64, last: u64) {
    let mut producer = opened(Producer::<u64>::open(jobs, &Options::new()));
    for number in first..last {
        producer.push(&number).expect("restartable");
        say(&number.to_string());
    }
    say("all");
}

/// A forked child uses what its parent made: it is refused, and spoils nothing.
fn fork() {
    let (mut producer, mut worker) = strait::channel::mpmc::pair::<u64>(&Options::new()).expect("a queue");
    for number in 0..3 {
        producer.push(&number).expect("room");
    }
    let job = worker.pop().expect("a job");
    let mut room = producer.reserve(0).expect("room");
    *room = 3;
    // SAFETY: the child calls nothing but this crate, and ends with `_exit`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        drop(job);
        room.publish();
        let reserved = producer.try_reserve(0).map(drop);
        let refused =
            format!("{reserved:?} ") + &format!("{:?} {:?}", producer.try_push(&9), worker.try_pop().map(drop));
        let code = i32::from(refused != "Err(Failed(Forked)) Err(Failed(Forked)) Err(Failed(Forked))");
        drop((producer, worker));
        // SAFETY: ends the process.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: the child is ours, and `status` is valid for writing.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(status, 0, "the child was refused");
    assert_eq!((*job, job.deliveries()), (0, 1));
    job.ack();
    room.publish();
    for number in 1..4 {
        let job = worker.pop().expect("a job");
        assert_eq!(*job, number);
        job.ack();
    }
    assert!(producer.is_empty());
    say("spoilt nothing");
}
