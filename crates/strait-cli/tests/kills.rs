//! Exactly once: workers are killed, stopped and killed again, the command is asked to end, and OUT is right all the same.

mod support;

use rustix::process::Signal;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::ChildStdout;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use support::{Chance, Directory, Running, check_prefix, counted_answers, counted_lines, kill, lives, strait};

/// `strait sum` fed piece by piece, its answers read and checked as they come.
struct Dialogue {
    running: Running,
    answers: BufReader<ChildStdout>,
    fed: u64,
    answered: u64,
}

impl Dialogue {
    fn start(args: &[&str]) -> Self {
        let mut running = Running::start(support::heeding("sum").args(args));
        let answers = BufReader::new(running.child.stdout.take().expect("piped"));
        Self { running, answers, fed: 0, answered: 0 }
    }

    fn feed(&mut self, lines: u64) {
        self.running.feed(counted_lines(self.fed, self.fed + lines).as_bytes());
        self.fed += lines;
    }

    /// Reads all answers to what was fed.
    fn catch_up(&mut self) {
        let expected = counted_answers(self.answered, self.fed);
        let mut found = vec![0; expected.len()];
        self.answers.read_exact(&mut found).expect("answers");
        assert!(found == expected.as_bytes(), "wrong answers in lines {} to {}", self.answered, self.fed);
        self.answered = self.fed;
    }

    fn finish(self) -> support::Outcome {
        let outcome = self.running.finish();
        let mut rest = Vec::new();
        { self.answers }.read_to_end(&mut rest).expect("read");
        assert!(rest == counted_answers(self.answered, self.fed).as_bytes(), "wrong answers at the end");
        outcome
    }
}

/// Waits a random while, most often a very short one, without sleeping: the kill that follows hits any moment of the work.
fn linger(chance: &mut Chance) {
    let until = Instant::now() + Duration::from_micros(chance.size(12));
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

/// 250 workers are killed at random moments of their work in one run: every answer comes once, in order, each death is one restart,
/// and no descriptor is lost.
#[test]
fn workers_killed_at_random() {
    let mut chance = Chance::new();
    let mut dialogue = Dialogue::start(&["--workers", "2"]);
    let pid = dialogue.running.child.id();
    dialogue.feed(1000);
    dialogue.catch_up();
    let descriptors = || fs::read_dir(format!("/proc/{pid}/fd")).expect("list").count();
    let before = descriptors();
    let kills = 250;
    for _ in 0..kills {
        // Both live, and none of them was killed before: the answers waited for have seen to that, or the restart comes now.
        let alive: Vec<u32> = dialogue.running.workers(2).into_iter().collect();
        dialogue.feed(chance.size(16) + 1);
        linger(&mut chance);
        let victim = chance.pick(&alive);
        assert!(kill(victim, Signal::KILL));
        // Progress in between, lest the worker be given up with reason.
        dialogue.feed(chance.size(13) + 50);
        dialogue.catch_up();
        while lives(victim) {
            std::thread::yield_now();
        }
    }
    dialogue.running.workers(2);
    // While a worker is being started there are a few more.
    let deadline = Instant::now() + support::LIMIT;
    while descriptors() > before {
        assert!(Instant::now() < deadline, "{} descriptors, {before} before", descriptors());
        std::thread::yield_now();
    }
    let lines = dialogue.fed;
    let outcome = dialogue.finish();
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    println!("{lines} lines; {}", outcome.summary());
    assert_eq!(outcome.restarts(), kills);
}

/// Kills without a pause for answers, of several workers at once, while a large input streams through: OUT is byte for byte right.
#[test]
fn workers_killed_in_a_stream() {
    let mut chance = Chance::new();
    let dir = Directory::new();
    let out = dir.path("out");
    let mut running = Running::start(strait().args(["--workers", "5", "-o", &out]));
    let (mut lines, mut kills) = (0, 0);
    while kills < 200 {
        running.feed(counted_lines(lines, lines + 4000).as_bytes());
        lines += 4000;
        assert!(lives(running.child.id()), "it ended before the last kill");
        let alive: Vec<u32> = support::workers(running.child.id()).into_iter().collect();
        linger(&mut chance);
        if !alive.is_empty() && chance.below(2) == 0 {
            kills += u64::from(kill(chance.pick(&alive), Signal::KILL));
        }
    }
    let outcome = running.finish();
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    println!("{lines} lines, {kills} kills; {}", outcome.summary());
    assert!(outcome.restarts() > 0);
    assert_eq!(check_prefix(&fs::read(out).expect("read")), lines);
}

/// Workers that have nothing to do may be killed as often as one likes, too.
#[test]
fn idle_workers_killed() {
    let mut dialogue = Dialogue::start(&["--workers", "2"]);
    let mut killed = BTreeSet::new();
    while killed.len() < 60 {
        let alive = dialogue.running.workers(2);
        for &worker in alive.difference(&killed.clone()) {
            assert!(kill(worker, Signal::KILL));
            killed.insert(worker);
        }
    }
    dialogue.feed(10);
    dialogue.catch_up();
    let outcome = dialogue.finish();
    assert_eq!(outcome.code, 0, "{}", outcome.err);
}

/// Killers that kill every worker as soon as it appears, for ever, end the run: exit 4, the lines are named, and what was answered
/// is right.
#[test]
fn workers_killed_for_ever() {
    let dir = Directory::new();
    let (input, out) = (dir.write("input", counted_lines(0, 3_000_000)), dir.path("out"));
    let mut running = Running::start(strait().args(["--workers", "2", &input, "-o", &out]));
    let pid = running.child.id();
    drop(running.stdin.take());
    let is_over = AtomicBool::new(false);
    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Relaxed) {
                for worker in support::workers(pid) {
                    kill(worker, Signal::KILL);
                }
            }
        });
        let outcome = running.finish();
        is_over.store(true, Relaxed);
        outcome
    });
    println!("{}", outcome.err);
    assert_eq!(outcome.code, 4, "{}", outcome.err);
    let said: Vec<_> = outcome.err.lines().collect();
    let lines = said[0].strip_prefix(&format!("strait sum: {input}: lines ")).unwrap_or_else(|| panic!("{said:?}"));
    let (range, why) = lines.split_once(": ").expect("a reason");
    assert_eq!(why, "a worker died again and again here; the last time: killed by signal 9 (SIGKILL)");
    let (first, last) = range.split_once(" to ").expect("a range");
    let (first, last): (u64, u64) = (first.parse().expect("a line"), last.parse().expect("a line"));
    assert!(first < last && last <= 3_000_000, "{range}");
    // Up to the line before the first that is named, all is answered.
    assert_eq!(check_prefix(&fs::read(out).expect("read")), first - 1);
}

/// A program that no longer starts, because it was replaced while it ran, is not tried for ever: exit 4, the lines are named.
#[test]
fn workers_that_cannot_start() {
    let dir = Directory::new();
    let program = dir.path("strait");
    support::copy_program(&program);
    let mut command = std::process::Command::new(&program);
    let mut running = Running::start(command.args(["sum", "--workers", "2"]));
    let mut answers = BufReader::new(running.child.stdout.take().expect("piped"));
    let mut answer = String::new();
    running.feed(b"1 2\n");
    answers.read_line(&mut answer).expect("read");
    fs::remove_file(&program).expect("remove");
    for worker in running.workers(2) {
        kill(worker, Signal::KILL);
    }
    running.feed(b"3 4\n5 6\n7 8\n");
    answers.read_to_string(&mut answer).expect("read");
    let outcome = running.finish();
    assert_eq!((outcome.code, answer.as_str()), (4, "3\n"), "{}", outcome.err);
    println!("{}", outcome.err);
}

/// A worker that is stopped for a while delays, and changes nothing.
#[test]
fn worker_stopped_for_a_while() {
    let mut chance = Chance::new();
    let mut dialogue = Dialogue::start(&["--workers", "2"]);
    dialogue.feed(10);
    dialogue.catch_up();
    for _ in 0..10 {
        let workers: Vec<u32> = dialogue.running.workers(2).into_iter().collect();
        let victim = chance.pick(&workers);
        assert!(kill(victim, Signal::STOP));
        // More than its channel would hold by lines, less than the other's would.
        dialogue.feed(3000);
        linger(&mut chance);
        assert!(kill(victim, Signal::CONT));
        dialogue.feed(chance.below(20_000));
        dialogue.catch_up();
    }
    let outcome = dialogue.finish();
    assert_eq!((outcome.code, outcome.restarts()), (0, 0), "{}", outcome.err);
}

/// A worker that is stopped and never goes on does not keep the command from ending when it is asked to.
#[test]
fn stopped_worker_ends_with_the_command() {
    let mut dialogue = Dialogue::start(&["--workers", "2"]);
    dialogue.feed(10);
    dialogue.catch_up();
    let workers = dialogue.running.workers(2);
    for &worker in &workers {
        assert!(kill(worker, Signal::STOP));
    }
    dialogue.feed(10);
    assert!(kill(dialogue.running.child.id(), Signal::TERM));
    let outcome = dialogue.running.finish();
    assert_eq!(outcome.code, 143, "{}", outcome.err);
    assert!(!workers.iter().any(|&worker| lives(worker)));
}

/// Ctrl-C, `kill` and a hangup end the run in good order: 128 and the signal's number, a word on why, the summary, whole lines in
/// OUT, and no worker left.
#[test]
fn asked_to_end() {
    for (signal, code, name) in
        [(Signal::INT, 130, "SIGINT"), (Signal::TERM, 143, "SIGTERM"), (Signal::HUP, 129, "SIGHUP")]
    {
        let dir = Directory::new();
        let out = dir.path("out");
        let mut running = Running::start(support::heeding("sum").args(["--workers", "3", "-o", &out]));
        let workers = running.workers(3);
        let mut stdin = running.stdin.take().expect("piped");
        let feeder = std::thread::spawn(move || {
            let mut lines = 0;
            while stdin.write_all(counted_lines(lines, lines + 5000).as_bytes()).is_ok() {
                lines += 5000;
            }
        });
        support::until(running.child.id(), || fs::metadata(&out).map_or(0, |found| found.len()) >= 1 << 20);
        assert!(kill(running.child.id(), signal));
        let outcome = running.finish();
        feeder.join().expect("join");
        assert_eq!(outcome.code, code, "{}", outcome.err);
        let said: Vec<_> = outcome.err.lines().collect();
        assert_eq!(said.len(), 2, "{said:?}");
        assert_eq!(said[0], format!("strait sum: ended by {name} before all lines were summed"));
        let lines = check_prefix(&fs::read(out).expect("read"));
        let counted = said[1].split(" lines, ").next().expect("a count").replace(',', "");
        assert_eq!(counted, lines.to_string(), "the summary counts what is in OUT");
        assert!(!workers.iter().any(|&worker| lives(worker)));
    }
}

/// Asked to end while it waits for input, with nothing under way, it does so, and does not take it for the end of the input.
#[test]
fn asked_to_end_while_idle() {
    let mut dialogue = Dialogue::start(&[]);
    dialogue.feed(10);
    dialogue.catch_up();
    assert!(kill(dialogue.running.child.id(), Signal::INT));
    let Dialogue { mut running, .. } = dialogue;
    assert_eq!(support::code(running.wait()), 130);
}

/// A reader of the output that does not read, and does not go away either, cannot keep the command from ending: a second signal
/// ends it, and so does its patience.
#[test]
fn asked_to_end_while_the_reader_sleeps() {
    for is_impatient in [true, false] {
        let dir = Directory::new();
        let input = dir.write("input", counted_lines(0, 200_000));
        let mut running = Running::start(strait().arg(input));
        let workers = running.workers(2);
        let pid = running.child.id();
        // Until it is stuck in the write to the pipe.
        let is_stuck = || fs::read_to_string(format!("/proc/{pid}/wchan")).is_ok_and(|w| w.contains("pipe_write"));
        let deadline = Instant::now() + Duration::from_secs(3);
        while !is_stuck() && Instant::now() < deadline {
            std::thread::yield_now();
        }
        let began = Instant::now();
        assert!(kill(pid, Signal::TERM));
        while is_impatient && kill(pid, Signal::TERM) && lives(pid) {
            std::thread::yield_now();
        }
        assert_eq!(support::code(running.wait()), 143);
        println!("ended after {:?}", began.elapsed());
        assert!(workers.iter().all(|&worker| { support::has_ended_within(support::pid_of(worker), support::LIMIT,) }));
    }
}

/// A signal that whoever started the command wants ignored stays ignored: `nohup` works.
#[test]
fn ignored_signals_stay_ignored() {
    let mut command = std::process::Command::new("sh");
    command.args(["-c", r#"trap "" HUP INT; exec "$0" sum"#, env!("CARGO_BIN_EXE_strait")]);
    let mut running = Running::start(&mut command);
    let mut answers = BufReader::new(running.child.stdout.take().expect("piped"));
    for n in 0..3 {
        let mut answer = String::new();
        running.feed(format!("{n} 1\n").as_bytes());
        answers.read_line(&mut answer).expect("read");
        assert_eq!(answer, format!("{}\n", n + 1));
        assert!(kill(running.child.id(), Signal::HUP));
        assert!(kill(running.child.id(), Signal::INT));
    }
    assert_eq!(running.finish().code, 0);
}
