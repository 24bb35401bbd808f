//! What the tests of the command share: running it with a time limit, a directory that goes away, chance that can be repeated,
//! and a look at its workers from outside.
#![allow(dead_code, reason = "each test program uses a part")]

pub(crate) mod terminal;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// Far more than anything here takes, and short enough to wait for.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// `strait sum`, nothing else on its command line as yet.
pub(crate) fn strait() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strait"));
    command.arg("sum");
    command
}

/// Makes a copy of the program, to be replaced while it runs. `cp` writes it: had this process a descriptor for that, a child that another test
/// forks meanwhile would have it too until it executes, and a program that somebody can write to does not start (`ETXTBSY`).
pub(crate) fn copy_program(to: &str) {
    let status = Command::new("cp").args([env!("CARGO_BIN_EXE_strait"), to]).status().expect("start cp");
    assert!(status.success(), "cp: {status}");
}

/// [`strait`] where signals are to end it: a shell that runs the tests in the background has some ignored, and the command leaves them so.
pub(crate) fn heeding(verb: &str) -> Command {
    let mut command = Command::new("env");
    command.args(["--default-signal=INT,HUP,TERM", env!("CARGO_BIN_EXE_strait"), verb]);
    command
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Its exit code; 128 and the signal's number if a signal ended it.
    pub(crate) code: i32,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Outcome {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.out).expect("answers are ASCII")
    }

    /// The last line on standard error.
    pub(crate) fn summary(&self) -> &str {
        self.err.lines().last().unwrap_or("")
    }

    /// What the summary says of restarts.
    pub(crate) fn restarts(&self) -> u64 {
        let text = self.summary().rsplit(", ").next().and_then(|text| text.split(' ').next());
        text.and_then(|text| text.replace(',', "").parse().ok())
            .unwrap_or_else(|| panic!("no summary in {:?}", self.err))
    }
}

/// Runs `strait sum` with these arguments and this standard input, to its end.
pub(crate) fn sum(args: &[&str], input: impl AsRef<[u8]>) -> Outcome {
    let mut command = strait();
    command.args(args);
    run(&mut command, input)
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command, input: impl AsRef<[u8]>) -> Outcome {
    Running::start(command).finish_with(input.as_ref().to_vec())
}

/// A command under way. Dropped, it is killed.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) stdin: Option<ChildStdin>,
}

impl Running {
    /// Starts it with pipes all around.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("start {command:?}: {error}"));
        watch_over(&child);
        Self { stdin: child.stdin.take(), child }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Writes to its standard input; what it no longer wants is lost.
    pub(crate) fn feed(&mut self, input: &[u8]) {
        if let Some(stdin) = &mut self.stdin {
            let _ = stdin.write_all(input).and_then(|()| stdin.flush());
        }
    }

    /// Feeds the last of the input, and waits for the end.
    pub(crate) fn finish_with(mut self, input: Vec<u8>) -> Outcome {
        let stdin = self.stdin.take();
        let feeder = thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&input)));
        let outcome = self.finish();
        let _ = feeder.join();
        outcome
    }

    /// Closes its standard input, and waits for the end.
    pub(crate) fn finish(mut self) -> Outcome {
        drop(self.stdin.take());
        let out = self.child.stdout.take().map(drain);
        let err = self.child.stderr.take().map(drain);
        let status = self.wait();
        let collect =
            |pipe: Option<thread::JoinHandle<Vec<u8>>>| pipe.map_or(Vec::new(), |p| p.join().expect("drained"));
        Outcome { code: code(status), out: collect(out), err: String::from_utf8_lossy(&collect(err)).into_owned() }
    }

    /// Waits for its end, within the limit.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        assert!(has_ended_within(self.pid(), LIMIT), "it did not end within {LIMIT:?}");
        self.child.wait().expect("wait")
    }

    /// Its workers, once there are as many.
    pub(crate) fn workers(&self, count: usize) -> BTreeSet<u32> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let found = workers(self.child.id());
            if found.len() >= count {
                return found;
            }
            assert!(Instant::now() < deadline, "it has {} workers, not {count}", found.len());
            thread::yield_now();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sees to it that it ends, so that nobody waits for ever for what it does not say.
pub(crate) fn watch_over(child: &Child) {
    let pidfd = pidfd_open(Pid::from_child(child), PidfdFlags::empty()).expect("pidfd");
    thread::spawn(move || {
        if !is_over_within(&pidfd, LIMIT) {
            eprintln!("killed by the test after {LIMIT:?}");
            let _ = pidfd_send_signal(&pidfd, Signal::KILL);
        }
    });
}

fn drain(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("read a pipe");
        bytes
    })
}

pub(crate) fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// Waits for the end of a process that is not waited for otherwise.
pub(crate) fn has_ended_within(pid: Pid, limit: Duration) -> bool {
    pidfd_open(pid, PidfdFlags::empty()).map_or(true, |pidfd| is_over_within(&pidfd, limit))
}

fn is_over_within(pidfd: &OwnedFd, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        let left = Timespec::try_from(deadline.saturating_duration_since(Instant::now())).expect("a short time");
        match poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&left)) {
            Ok(ready) => return ready > 0,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("poll: {error}"),
        }
    }
}

/// The live children of a process, as the kernel lists them.
pub(crate) fn workers(pid: u32) -> BTreeSet<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .filter(|&pid| lives(pid))
        .collect()
}

/// Waits, awake, until something is so that a live process brings about.
pub(crate) fn until(pid: u32, mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        assert!(lives(pid), "process {pid} ended before that");
    }
}

/// Whether it is a process, and no zombie.
pub(crate) fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().and_then(|rest| rest.trim().chars().next()).is_some_and(|state| !"ZX".contains(state))
}

pub(crate) fn kill(pid: u32, signal: Signal) -> bool {
    kill_process(pid_of(pid), signal).is_ok()
}

pub(crate) fn pid_of(number: u32) -> Pid {
    i32::try_from(number).ok().and_then(Pid::from_raw).expect("a pid")
}

/// A directory of one's own, removed at the end, however that comes.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("strait-cli-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("make a directory");
        Self(path)
    }

    /// The path of a file in it.
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("UTF-8").to_owned()
    }

    /// Writes a file in it.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, content).expect("write a file");
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl AsRef<Path> for Directory {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

/// Chance (splitmix64) that can be repeated.
pub(crate) struct Chance(u64);

impl Chance {
    /// From `STRAIT_TEST_SEED` or the clock; a failing test's output shows how to repeat it.
    pub(crate) fn new() -> Self {
        let clock = || Instant::now().elapsed().as_nanos() as u64 ^ u64::from(std::process::id()) << 32 ^ now_nanos();
        let seed = std::env::var("STRAIT_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(clock);
        println!("repeat with STRAIT_TEST_SEED={seed}");
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// Below 2 to the `bits`, of any order of magnitude.
    pub(crate) fn size(&mut self, bits: u64) -> u64 {
        let bits = self.below(bits);
        self.below(1 << bits)
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

fn now_nanos() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64)
}

/// Lines `from..to` of an endless input, `n 1 1` each, and their answers: line by line different, so that a lost, doubled or
/// misplaced one shows.
pub(crate) fn counted_lines(from: u64, to: u64) -> String {
    (from..to).fold(String::new(), |mut text, n| {
        let _ = writeln!(text, "{n} 1 1");
        text
    })
}

pub(crate) fn counted_answers(from: u64, to: u64) -> String {
    (from..to).fold(String::new(), |mut text, n| {
        let _ = writeln!(text, "{}", n + 2);
        text
    })
}

/// Checks that OUT is whole answers to [`counted_lines`] from line 0 on; says how many.
pub(crate) fn check_prefix(out: &[u8]) -> u64 {
    assert!(out.is_empty() || out.ends_with(b"\n"), "OUT ends with a torn line: {:?}", tail(out));
    let lines = out.iter().filter(|&&byte| byte == b'\n').count() as u64;
    assert!(out == counted_answers(0, lines).as_bytes(), "OUT is not the right beginning; it ends {:?}", tail(out));
    lines
}

fn tail(out: &[u8]) -> String {
    String::from_utf8_lossy(&out[out.len().saturating_sub(80)..]).into_owned()
}
