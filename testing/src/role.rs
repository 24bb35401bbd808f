//! A child process that plays a part.
//!
//! It is told what to do by lines on its standard input and answers with lines on its standard output; each answer is waited for with a
//! limit. It is killed when it is dropped, stopped or not, so a test that fails leaves no process behind.

use crate::LONG;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};
use strait::process::{Child, Command, Exit, Stdio};

/// A role that runs.
#[derive(Debug)]
pub struct Role {
    child: Child,
    part: String,
    unread: Vec<u8>,
}

/// A role about to start: add to it what it is handed.
#[must_use]
pub fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

impl Role {
    /// Starts the part `arguments` of the role program.
    pub fn start(program: &str, arguments: &[&str]) -> Self {
        Self::spawn(&mut command(program, arguments), &arguments.join(" "))
    }

    /// Starts a role that is handed descriptors.
    pub fn spawn(command: &mut Command, part: &str) -> Self {
        let child = command.stdin(Stdio::Piped).stdout(Stdio::Piped).spawn().expect("start a role");
        Self { child, part: part.to_owned(), unread: Vec::new() }
    }

    /// Starts a role whose first line must be `ok`.
    pub fn ready(program: &str, arguments: &[&str]) -> Self {
        let mut role = Self::start(program, arguments);
        role.expect("ok");
        role
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Tells it to do something; does not wait for the answer.
    pub fn tell(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("is piped");
        stdin.write_all(format!("{line}\n").as_bytes()).unwrap_or_else(|e| panic!("{}: tell '{line}': {e}", self.part));
    }

    /// Tells it to do something and returns its answer.
    pub fn ask(&mut self, line: &str) -> String {
        self.tell(line);
        self.answer()
    }

    /// Its next line.
    pub fn answer(&mut self) -> String {
        self.answer_within(LONG).unwrap_or_else(|| panic!("{}: no answer", self.part))
    }

    /// Its next line must be this one.
    pub fn expect(&mut self, line: &str) {
        let answer = self.answer();
        assert_eq!(answer, line, "{}", self.part);
    }

    /// Tells it to do something; its next line must be `line`.
    pub fn expect_after(&mut self, tell: &str, line: &str) {
        self.tell(tell);
        self.expect(line);
    }

    /// Its next line if there is one in time. At the end of its output a line that says so.
    pub fn answer_within(&mut self, timeout: Duration) -> Option<String> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(end) = self.unread.iter().position(|&b| b == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let stdout = self.child.stdout.as_mut().expect("is piped");
            let timeout = Timespec {
                tv_sec: i64::try_from(left.as_secs()).expect("short"),
                tv_nsec: i64::from(left.subsec_nanos()),
            };
            if poll(&mut [PollFd::new(stdout, PollFlags::IN)], Some(&timeout)).is_ok_and(|ready| ready == 0) {
                return None;
            }
            let mut buffer = [0; 4096];
            let len = stdout.read(&mut buffer).expect("read a role's answer");
            if len == 0 {
                let exit = self.child.wait_timeout(LONG).expect("wait");
                return Some(exit.map_or_else(|| "closed its output".to_owned(), |exit| format!("over: {exit}")));
            }
            self.unread.extend_from_slice(&buffer[..len]);
        }
    }

    /// Sends a signal.
    pub fn signal(&self, number: i32) {
        self.child.signal(number).expect("signal");
    }

    /// `SIGKILL`, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().expect("kill");
        self.end();
    }

    /// `SIGKILL`, without waiting; when it was sent.
    pub fn kill_now(&mut self) -> Instant {
        let now = Instant::now();
        self.child.kill().expect("kill");
        now
    }

    /// Waits until it has ended.
    pub fn end(&mut self) -> Exit {
        let exit = self.child.wait_timeout(LONG).expect("wait");
        exit.unwrap_or_else(|| panic!("{}: does not end", self.part))
    }

    /// Waits until it is stopped (`T` in `/proc/PID/stat`).
    pub fn stop(&self) {
        self.signal(19);
        self.in_state(&['T']);
    }

    /// Waits until it sleeps in the kernel: it is blocked.
    pub fn is_blocked(&self) {
        self.in_state(&['S']);
    }

    fn in_state(&self, states: &[char]) {
        let deadline = Instant::now() + LONG;
        while !self.stat().first().is_some_and(|state| state.starts_with(states)) {
            assert!(Instant::now() < deadline, "{}: never in state {states:?}", self.part);
            std::thread::yield_now();
        }
    }

    /// The time it has run, user and system, in clock ticks.
    #[must_use]
    pub fn cpu_ticks(&self) -> u64 {
        let stat = self.stat();
        // utime and stime, fields 14 and 15 of proc_pid_stat(5); the state is field 3.
        [11, 12].iter().map(|&i: &usize| stat[i].parse::<u64>().expect("a number")).sum()
    }

    /// The fields of `/proc/PID/stat` from the state on.
    fn stat(&self) -> Vec<String> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        after_name.split_whitespace().map(str::to_owned).collect()
    }
}
