//! Does `strait::process` work? With real processes; the other side is `src/bin/process_role.rs`.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitOptions, waitpid};
use strait::process::{
    Child, Command, EXIT_PARENT_DIED, Event, Exit, Restart, Stdio, Supervised, Supervisor, Waker, wait_any,
};
use strait::{Error, ErrorKind};

const ROLE: &str = env!("CARGO_BIN_EXE_process_role");
/// Longer than anything here takes; only a failure waits for it.
const LONG: Duration = Duration::from_secs(30);

fn role(arguments: &[&str]) -> Command {
    let mut command = Command::new(ROLE);
    command.args(arguments);
    command
}

/// A child that waits for the end of its input, and is known to run.
fn waiting() -> Child {
    ready(role(&["wait"]).stdin(Stdio::Piped))
}

/// Spawns and waits for the line `ready`. The pipe stays open.
fn ready(command: &mut Command) -> Child {
    let mut child = command.stdout(Stdio::Piped).spawn().expect("spawn");
    let mut line = [0; 6];
    child.stdout.as_mut().expect("is piped").read_exact(&mut line).expect("first line");
    assert_eq!(&line, b"ready\n");
    child
}

/// Runs to the end; what it wrote, and how it ended.
fn run(command: &mut Command) -> (String, Exit) {
    let mut child = command.stdout(Stdio::Piped).spawn().expect("spawn");
    let mut said = String::new();
    child.stdout.take().expect("is piped").read_to_string(&mut said).expect("output");
    (said, child.wait().expect("wait"))
}

fn killed_by(number: i32) -> Exit {
    Exit::Signal { number, core_dumped: false }
}

/// Whether this pid is a child of ours, dead or alive.
fn is_child(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().nth(1) == Some(&std::process::id().to_string())
}

/// A file of a name of its own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, content: &str, mode: u32) -> Self {
        let path = std::env::temp_dir().join(format!("strait-process-{}-{name}", std::process::id()));
        fs::write(&path, content).expect("write");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

// How it ended

/// An exit code arrives, also a second time.
#[test]
fn exit_code() {
    for code in [0, 3, 255] {
        let mut child = role(&["exit", &code.to_string()]).spawn().expect("spawn");
        assert_eq!(child.wait().expect("wait"), Exit::Code(code));
        assert_eq!(child.wait().expect("wait"), Exit::Code(code));
        assert_eq!(child.try_wait().expect("wait"), Some(Exit::Code(code)));
        assert!(!is_child(child.id()), "no zombie");
    }
}

/// A signal arrives as its number, real-time signals included; no signal is an error.
#[test]
fn signal_number() {
    for number in [1, 9, 15, 36] {
        let mut child = waiting();
        child.signal(number).expect("signal");
        assert_eq!(child.wait().expect("wait"), killed_by(number));
    }
    let child = waiting();
    for number in [0, -1, 65, 1000] {
        let refused = child.signal(number).expect_err("no such signal");
        assert_eq!(refused.kind(), ErrorKind::Usage, "{refused}");
    }
}

/// A crash is told from a kill: the signal is right, and the core flag is there exactly if the kernel says it dumped.
#[test]
fn crash_and_core_flag() {
    let mut aborted = role(&["abort"]).spawn().expect("spawn");
    assert_eq!(aborted.wait().expect("wait").signal(), Some(6));
    // A program in C: Rust's own handler takes a SIGSEGV that somebody sends for a mistake and goes on.
    let mut child = Command::new("cat").stdin(Stdio::Piped).spawn().expect("spawn");
    child.signal(11).expect("signal");
    let exit = child.wait().expect("wait");
    assert_eq!(exit.signal(), Some(11));
    assert!(exit.to_string().starts_with("killed by signal 11 (SIGSEGV)"), "{exit}");
    // With a limit of zero there can be no file; a handler behind a pipe may ignore the limit.
    if !fs::read_to_string("/proc/sys/kernel/core_pattern").is_ok_and(|p| p.starts_with('|')) {
        let (_, exit) = run(Command::new("sh").args(["-c", "ulimit -c 0; kill -SEGV $$"]));
        assert_eq!(exit, killed_by(11));
    }
    let scratch = Scratch::new("core-dir", "", 0o600);
    fs::remove_file(&scratch.0).expect("remove");
    fs::create_dir(&scratch.0).expect("directory");
    let (_, exit) = run(Command::new("sh").args(["-c", "ulimit -c unlimited; kill -SEGV $$"]).current_dir(&scratch.0));
    let dumped = fs::read_dir(&scratch.0).expect("list").next().is_some();
    fs::remove_dir_all(&scratch.0).expect("remove");
    assert_eq!(exit.signal(), Some(11));
    if dumped {
        assert!(exit.core_dumped(), "{exit}");
        assert_eq!(exit.to_string(), "killed by signal 11 (SIGSEGV), core dumped");
    }
}

// Waiting and stopping

/// A wait with a timeout gives up while the child runs, and succeeds when it has ended.
#[test]
fn wait_with_timeout() {
    let mut child = waiting();
    assert_eq!(child.try_wait().expect("wait"), None);
    let before = Instant::now();
    assert_eq!(child.wait_timeout(Duration::from_millis(30)).expect("wait"), None);
    assert!(before.elapsed() >= Duration::from_millis(30));
    drop(child.stdin.take());
    assert_eq!(child.wait_timeout(LONG).expect("wait"), Some(Exit::Code(0)));
    assert_eq!(child.wait_timeout(Duration::MAX).expect("wait"), Some(Exit::Code(0)));
}

/// `wait` closes the child's input, lest both wait for each other.
#[test]
fn wait_closes_input() {
    assert_eq!(waiting().wait().expect("wait"), Exit::Code(0));
}

/// A child that listens ends as it likes when it is asked politely.
#[test]
fn stop_is_polite() {
    let mut child = ready(&mut role(&["polite"]));
    assert_eq!(child.stop(LONG).expect("stop"), Exit::Code(7));
    assert_eq!(child.stop(LONG).expect("stop"), Exit::Code(7));
}

/// A child that does not listen is killed after the grace.
#[test]
fn stop_is_firm() {
    let deaf = format!("trap '' TERM; exec '{ROLE}' wait");
    let mut child = ready(Command::new("sh").args(["-c", &deaf]).stdin(Stdio::Piped));
    child.terminate().expect("signal");
    assert_eq!(child.stop(Duration::from_millis(20)).expect("stop"), killed_by(9));
    assert!(!is_child(child.id()));
}

/// A stopped child hears the polite request all the same.
#[test]
fn stop_reaches_the_stopped() {
    let mut child = ready(&mut role(&["polite"]));
    child.signal(19).expect("SIGSTOP");
    assert_eq!(child.stop(LONG).expect("stop"), Exit::Code(7));
}

/// Signals after the end do nothing, whoever has the pid by then.
#[test]
fn signals_after_the_end() {
    let mut child = role(&["exit", "0"]).spawn().expect("spawn");
    wait_any(&[&child], None).expect("poll");
    child.kill().expect("a zombie can be signalled");
    child.wait().expect("wait");
    child.kill().expect("does nothing");
    child.signal(15).expect("does nothing");
}

/// A dropped child is killed and buried.
#[test]
fn dropped_child() {
    let child = waiting();
    let pid = child.id();
    assert!(is_child(pid));
    drop(child);
    assert!(!is_child(pid));
}

/// A detached child lives on, and is buried when it ends.
#[test]
fn detached_child() {
    let mut child = waiting();
    let pid = child.id();
    let (input, mut output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
    child.detach().expect("detach");
    assert!(is_child(pid));
    drop(input);
    output.read_to_end(&mut Vec::new()).expect("end of its output");
    // There is no event for a burial.
    let deadline = Instant::now() + LONG;
    while is_child(pid) {
        assert!(Instant::now() < deadline, "a zombie stays");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Children that other parts of the program started are left to them.
#[test]
fn others_are_not_stolen() {
    let mut theirs = std::process::Command::new(ROLE).args(["exit", "5"]).spawn().expect("spawn");
    for _ in 0..5 {
        let mut ours = role(&["exit", "6"]).spawn().expect("spawn");
        assert_eq!(ours.wait().expect("wait"), Exit::Code(6));
    }
    drop(role(&["exit", "6"]).spawn().expect("spawn"));
    assert_eq!(theirs.wait().expect("wait").code(), Some(5));
}

/// A program that ignores `SIGCHLD` loses exit statuses: a clear answer, no hang.
#[test]
fn sigchld_ignored() {
    let (said, exit) = run(&mut role(&["sigchld-ignored"]));
    assert_eq!(exit, Exit::Code(0), "{said}");
    assert_eq!(said, "ended, but its exit status was taken by somebody else in this program\n");
}

/// A status that another part of the program took is a clear answer, and nobody else is signalled.
#[test]
fn status_taken_by_another() {
    let (said, exit) = run(&mut role(&["robbed"]));
    assert_eq!(exit, Exit::Code(0), "{said}");
    assert_eq!(said, "ended, but its exit status was taken by somebody else in this program\n");
}

/// A fork of this program can neither wait for nor kill its children, not even by dropping them.
#[test]
fn forked_copy_is_harmless() {
    let (said, exit) = run(&mut role(&["fork"]));
    assert_eq!(exit, Exit::Code(0), "{said}");
    assert_eq!(said, "killed by signal 9 (SIGKILL)\n");
}

/// One wait watches children, a waker and anything else with a descriptor.
#[test]
fn wait_for_any() {
    let (first, mut second) = (waiting(), waiting());
    let waker = Waker::new().expect("waker");
    assert_eq!(wait_any(&[&first, &second, &waker], Some(Duration::ZERO)).expect("poll"), None);
    drop(second.stdin.take());
    assert_eq!(wait_any(&[&first, &second, &waker], None).expect("poll"), Some(1));
    assert_eq!(second.wait().expect("wait"), Exit::Code(0));
    assert_eq!(wait_any(&[&second], None).expect("poll"), Some(0), "stays ready after the wait");
    waker.wake();
    assert_eq!(wait_any(&[&first, &waker], None).expect("poll"), Some(1));
}

// What it starts with

/// Descriptors arrive under their names, are close-on-exec again, and share the other side's file.
#[test]
fn handed_descriptors_arrive() {
    let (jobs, jobs_there) = UnixStream::pair().expect("pair");
    let (log, log_there) = UnixStream::pair().expect("pair");
    let mut command = role(&["take", "log", "jobs"]);
    command.hand_over("jobs", jobs_there).hand_over("log", log_there);
    let (said, exit) = run(&mut command);
    assert_eq!(exit, Exit::Code(0), "{said}");
    assert_eq!(said, "log: close on exec true\njobs: close on exec true\n");
    drop(command);
    for (stream, text) in [(jobs, "jobs here\n"), (log, "log here\n")] {
        let mut line = String::new();
        BufReader::new(stream).read_to_string(&mut line).expect("read");
        assert_eq!(line, text);
    }
}

/// A command hands over the same again at each spawn, however the numbers lie, many descriptors included.
#[test]
fn handed_again_and_again() {
    let mut command = role(&["take"]);
    let mut ends = Vec::new();
    for n in 0..100 {
        let (here, there) = UnixStream::pair().expect("pair");
        command.hand_over(format!("n{n}"), there).arg(format!("n{n}"));
        ends.push(here);
    }
    for _ in 0..2 {
        let (said, exit) = run(&mut command);
        assert_eq!(exit, Exit::Code(0), "{said}");
        assert_eq!(said.lines().filter(|l| l.ends_with("close on exec true")).count(), 100, "{said}");
        for (n, end) in ends.iter_mut().enumerate() {
            let text = format!("n{n} here\n");
            let mut line = vec![0; text.len()];
            end.read_exact(&mut line).expect("read");
            assert_eq!(line, text.as_bytes());
        }
    }
}

/// Nothing else arrives: not what is close-on-exec, and not what somebody forgot to mark so.
#[test]
fn others_do_not_leak() {
    let file = File::open(ROLE).expect("open");
    let forgotten: Vec<OwnedFd> = (0..20)
        .map(|n| {
            let copy = rustix::io::fcntl_dupfd_cloexec(file.as_fd(), 3 + 10 * n).expect("dup");
            rustix::io::fcntl_setfd(&copy, rustix::io::FdFlags::empty()).expect("clear the flag");
            copy
        })
        .collect();
    let (_here, there) = UnixStream::pair().expect("pair");
    let (said, exit) = run(role(&["descriptors"]).hand_over("jobs", there).stdin(Stdio::Null).stderr(Stdio::Null));
    drop(forgotten);
    assert_eq!(exit, Exit::Code(0), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 5, "{said}");
    assert_eq!(lines[0], "0 /dev/null");
    assert!(lines[1].starts_with("1 pipe:"), "{said}");
    assert_eq!(lines[2], "2 /dev/null");
    assert!(lines[3].starts_with("3 ") && lines[3].contains("pidfd"), "{said}");
    assert!(lines[4].starts_with("4 socket:"), "{said}");
}

/// A name that was not handed over, and a second take, are errors that say what there is.
#[test]
fn wrong_name_and_second_take() {
    let (_here, there) = UnixStream::pair().expect("pair");
    let mut command = role(&["take", "job", "jobs", "jobs", "strait.parent"]);
    let (said, _) = run(command.hand_over("jobs", there));
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("NotFound: take descriptor 'job': the parent handed over 'jobs';"), "{said}");
    assert_eq!(lines[1], "jobs: close on exec true");
    assert!(lines[2].starts_with("Usage: take descriptor 'jobs': it was taken before;"), "{said}");
    assert!(lines[3].starts_with("Usage: take descriptor 'strait.parent'"), "{said}");
    let (said, _) = run(&mut role(&["take", "jobs"]));
    assert!(said.starts_with("NotFound: take descriptor 'jobs': the parent handed over nothing;"), "{said}");
}

/// Whatever a stranger writes into the variable is an error, never somebody's descriptor.
#[test]
fn garbage_in_the_variable() {
    for (text, answer) in [
        (None, "NotFound: take descriptor 'jobs': none was handed over (STRAIT_FDS is not set);"),
        (
            Some("jobs=x"),
            "Damaged: take descriptor 'jobs': STRAIT_FDS is no list of names and numbers: 'jobs=x' has no number;",
        ),
        (
            Some("jobs=1"),
            "Damaged: take descriptor 'jobs': STRAIT_FDS is no list of names and numbers: 'jobs=1' names standard",
        ),
        (Some("jobs=77"), "Damaged: take descriptor 'jobs': STRAIT_FDS says number 77, which is not open;"),
        (Some(""), "NotFound: take descriptor 'jobs': the parent handed over nothing;"),
    ] {
        let mut command = std::process::Command::new(ROLE);
        command.args(["take", "jobs"]).env_remove("STRAIT_FDS").envs(text.map(|t| ("STRAIT_FDS", t)));
        let said = String::from_utf8(command.output().expect("run").stdout).expect("text");
        assert!(said.starts_with(answer), "{text:?}: {said}");
    }
    // What the program opened itself stays its own, though the variable (meant for somebody else) names the number.
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &format!("exec 3<&-; exec '{ROLE}' own-number")]).env("STRAIT_FDS", "strait.parent=9,jobs=3");
    let said = String::from_utf8(command.output().expect("run").stdout).expect("text");
    assert!(said.contains("which was opened by this program itself;"), "{said}");
}

/// Names that cannot be announced are refused before anything starts.
#[test]
fn impossible_names() {
    let (_here, there) = UnixStream::pair().expect("pair");
    for name in ["", "a,b", "a=b", "a\0b", "strait.x"] {
        let refused = role(&["exit", "0"]).hand_over(name, there.try_clone().expect("clone")).spawn();
        assert_eq!(refused.expect_err("impossible").kind(), ErrorKind::Usage);
    }
    assert_eq!(role(&["a\0b"]).spawn().expect_err("NUL").kind(), ErrorKind::Usage);
    assert_eq!(role(&["exit", "0"]).env("A=B", "").spawn().expect_err("name").kind(), ErrorKind::Usage);
}

/// The environment is this program's, changed as asked.
#[test]
fn environment() {
    let (said, _) = run(Command::new("env").env("STRAIT_TEST", "a b=c").env_remove("HOME"));
    assert!(said.lines().any(|l| l == "STRAIT_TEST=a b=c"), "{said}");
    assert!(said.lines().any(|l| l.starts_with("PATH=")), "{said}");
    assert!(!said.lines().any(|l| l.starts_with("HOME=")), "{said}");
    let (said, _) = run(Command::new("env").env("A", "1").env_clear().env("B", "2"));
    assert_eq!(said, "B=2\nSTRAIT_FDS=strait.parent=3\n");
}

/// It starts in the directory asked for; one that does not exist is said to be the reason.
#[test]
fn directory() {
    let (said, _) = run(Command::new("pwd").current_dir("/proc"));
    assert_eq!(said, "/proc\n");
    let refused = Command::new("pwd").current_dir("/nowhere/at all").spawn().expect_err("no such directory");
    assert_eq!(
        refused.to_string(),
        "enter directory '/nowhere/at all' for worker 'pwd': no such file or directory; it must exist and be a directory"
    );
}

/// A given descriptor can be standard output, several times over, also if it has a standard number in the child's way.
#[test]
fn standard_streams() {
    let (mut here, there) = UnixStream::pair().expect("pair");
    let mut command = Command::new("sh");
    command.args(["-c", "echo out; echo err >&2"]);
    command.stdout(there.try_clone().expect("clone")).stderr(there);
    assert_eq!(command.spawn().expect("spawn").wait().expect("wait"), Exit::Code(0));
    drop(command);
    let mut said = String::new();
    here.read_to_string(&mut said).expect("read");
    assert_eq!(said, "out\nerr\n");

    let mut cat = Command::new("cat").stdin(Stdio::Piped).stdout(Stdio::Piped).spawn().expect("spawn");
    cat.stdin.take().expect("piped").write_all(b"through").expect("write");
    let mut said = String::new();
    cat.stdout.take().expect("piped").read_to_string(&mut said).expect("read");
    assert_eq!((said.as_str(), cat.wait().expect("wait")), ("through", Exit::Code(0)));
}

/// The child blocks no signal, and dies of `SIGPIPE` like any program, though this one ignores that.
#[test]
fn signals_of_the_child() {
    let (said, _) = run(Command::new("cat").arg("/proc/self/status"));
    let mask = |name: &str| {
        let line = said.lines().find_map(|l| l.strip_prefix(name)).expect("is in status");
        u64::from_str_radix(line.trim(), 16).expect("a number")
    };
    assert_eq!(mask("SigBlk:"), 0);
    assert_eq!(mask("SigIgn:") & (1 << 12), 0, "SIGPIPE is not ignored");
}

/// A child can have a process group of its own.
#[test]
fn own_group() {
    let group = |command: &mut Command| {
        let (said, _) = run(command.args(["/proc/self/stat"]));
        let numbers: Vec<u32> = said
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .skip(1)
            .take(2)
            .map(|n| n.parse().expect("number"))
            .collect();
        let pid: u32 = said.split_whitespace().next().and_then(|n| n.parse().ok()).expect("pid");
        (pid, numbers[1])
    };
    let (pid, own) = group(Command::new("cat").own_group(true));
    assert_eq!(own, pid);
    let (pid, shared) = group(&mut Command::new("cat"));
    assert_ne!(shared, pid);
}

/// What cannot be started is named, with the reason and what helps.
#[test]
fn cannot_start() {
    let refused = |program: &str| -> Error { Command::new(program).spawn().expect_err("cannot start") };
    let missing = refused("strait-no-such-program");
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert_eq!(
        missing.to_string(),
        "start worker 'strait-no-such-program': no such file or directory; it is not in any directory of PATH"
    );
    assert_eq!(
        refused("/no/such/program").to_string(),
        "start worker '/no/such/program': no such file or directory; check the path"
    );
    let directory = refused("/tmp");
    assert_eq!(directory.kind(), ErrorKind::Permission);
    assert_eq!(directory.to_string(), "start worker '/tmp': permission denied; it is a directory");
    for (name, content, mode, remedy) in [
        ("plain", "#!/bin/sh\n", 0o600, "permission denied; it is not executable: chmod +x"),
        ("text", "no program\n", 0o700, "it is neither a program for this machine nor a script that begins with #!"),
        ("lost", "#!/no/such/shell\n", 0o700, "the file is there, but not the interpreter or loader"),
    ] {
        let scratch = Scratch::new(name, content, mode);
        let text = refused(&scratch.0.to_string_lossy()).to_string();
        assert!(text.starts_with(&format!("start worker '{}': ", scratch.0.display())), "{text}");
        assert!(text.contains(remedy), "{text}");
    }
}

/// Without descriptors to spare there is a child or an error that says which limit, and never a stray.
#[test]
fn few_descriptors() {
    let (mut started, mut refused) = (0, 0);
    // Four are open already, and the loader needs one.
    for limit in 5..14 {
        let limited = format!("ulimit -n {limit}; exec '{ROLE}' few-descriptors");
        let (said, exit) = run(Command::new("sh").args(["-c", &limited]).stdin(Stdio::Null));
        assert_eq!(exit, Exit::Code(0), "limit {limit}: {said}");
        if said == "exited with code 3\n" {
            started += 1;
        } else {
            refused += 1;
            assert!(said.contains("(ulimit -n)") || said.contains("it was ended again"), "limit {limit}: {said}");
        }
    }
    assert!(started > 0 && refused > 0, "{started} started, {refused} refused");
}

/// A process with a large heap starts children like any other.
#[test]
fn large_heap() {
    let heap = vec![1u8; 512 << 20];
    for _ in 0..10 {
        let mut child = role(&["exit", "0"]).spawn().expect("spawn");
        assert_eq!(child.wait().expect("wait"), Exit::Code(0));
    }
    assert_eq!(heap[heap.len() - 1], 1);
}

/// Spawning from many threads at once mixes nothing up.
#[test]
fn many_threads() {
    std::thread::scope(|scope| {
        for n in 0..8 {
            scope.spawn(move || {
                for _ in 0..10 {
                    let (mut here, there) = UnixStream::pair().expect("pair");
                    let (said, exit) = run(role(&["take", "jobs"]).hand_over("jobs", there));
                    assert_eq!((said.as_str(), exit), ("jobs: close on exec true\n", Exit::Code(0)), "thread {n}");
                    let mut line = String::new();
                    here.read_to_string(&mut line).expect("end, for no other child holds the pair");
                    assert_eq!(line, "jobs here\n");
                }
            });
        }
    });
}

// The parent's death

/// Makes orphaned grandchildren ours, so that they can be waited for even where pid 1 does not do that.
fn adopt_orphans() {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).expect("prctl");
}

/// Waits for an orphan that was adopted, and checks that it ended because its parent died.
fn bury(orphan: &str) {
    let pid = orphan.trim().parse().ok().and_then(Pid::from_raw).expect("a pid");
    let (_, status) = waitpid(Some(pid), WaitOptions::empty()).expect("is ours now").expect("has ended");
    assert_eq!(status.exit_status(), Some(EXIT_PARENT_DIED));
}

/// A grandchild outlives the thread that started it, and notices the death of its parent at once.
#[test]
fn parent_death_is_noticed() {
    adopt_orphans();
    let mut fastest = Duration::MAX;
    for _ in 0..5 {
        let (here, there) = UnixStream::pair().expect("pair");
        here.set_read_timeout(Some(LONG)).expect("timeout");
        let mut command = role(&["middle", "grandchild"]);
        command.hand_over("talk", there).stdin(Stdio::Piped).stdout(Stdio::Piped);
        let mut middle = command.spawn().expect("spawn");
        drop(command);
        let mut line = String::new();
        BufReader::new(middle.stdout.take().expect("piped")).read_line(&mut line).expect("read");
        assert_eq!(line, "thread ended\n");
        let mut talk = BufReader::new(&here);
        let mut next = || {
            let mut line = String::new();
            talk.read_line(&mut line).expect("read");
            line
        };
        let grandchild = next();
        for _ in 0..10 {
            (&here).write_all(b"?\n").expect("ask");
            assert_eq!(next(), "alive\n");
        }
        let before = Instant::now();
        middle.kill().expect("kill");
        assert_eq!(next(), "parent died\n");
        assert_eq!(next(), "", "the grandchild has ended");
        fastest = fastest.min(before.elapsed());
        assert_eq!(middle.wait().expect("wait"), killed_by(9));
        bury(&grandchild);
    }
    // The fastest of five, for the machine is shared.
    println!("noticed and ended within {fastest:?}");
    assert!(fastest < LONG, "{fastest:?}");
}

/// A child that looks for its parent only after that has died finds it dead, and not somebody else alive.
#[test]
fn parent_died_before_the_look() {
    adopt_orphans();
    let (here, there) = UnixStream::pair().expect("pair");
    here.set_read_timeout(Some(LONG)).expect("timeout");
    let mut command = role(&["middle", "late"]);
    command.hand_over("talk", there).stdin(Stdio::Piped).stdout(Stdio::Piped);
    let mut middle = command.spawn().expect("spawn");
    drop(command);
    let mut talk = BufReader::new(&here);
    let mut next = || {
        let mut line = String::new();
        talk.read_line(&mut line).expect("read");
        line
    };
    let grandchild = next();
    middle.kill().expect("kill");
    middle.wait().expect("wait");
    (&here).write_all(b"!").expect("tell");
    assert_eq!(next(), "dead\n");
    assert_eq!(next(), "parent died\n");
    assert_eq!(next(), "");
    bury(&grandchild);
}

/// A program that was started in another way has no parent to watch.
#[test]
fn no_parent() {
    let mut command = std::process::Command::new(ROLE);
    let status = command.arg("no-parent").env_remove("STRAIT_FDS").status().expect("run");
    assert_eq!(status.code(), Some(0));
    // Something else under that name is no parent either.
    let status = command.env("STRAIT_FDS", "strait.parent=3").status().expect("run");
    assert_eq!(status.code(), Some(0));
    let sh = format!("exec 3</dev/null; exec '{ROLE}' no-parent");
    let status = std::process::Command::new("sh").args(["-c", &sh]).env("STRAIT_FDS", "strait.parent=3").status();
    assert_eq!(status.expect("run").code(), Some(0));
}

// Restarts

fn at_once(limit: u32) -> Restart {
    Restart { backoff_first: Duration::ZERO, backoff_max: Duration::ZERO, limit }
}

/// A worker that dies again and again is given up; one that finishes is left alone; then there is nothing to wait for.
#[test]
fn supervisor_gives_up() {
    let mut pool = Supervisor::new().expect("pool");
    let clumsy = pool.start(role(&["exit", "3"]), at_once(2)).expect("start");
    let good = pool.start(role(&["exit", "0"]), at_once(2)).expect("start");
    let (mut deaths, mut restarts, mut finished, mut last) = (0, 0, 0, None);
    while let Some((worker, event)) = pool.wait(Some(LONG)).expect("wait") {
        match event {
            Event::Died { exit, restart_after } => {
                assert_eq!((worker, exit), (clumsy, Exit::Code(3)));
                deaths += 1;
                last = restart_after;
            }
            Event::Restarted { .. } => restarts += 1,
            Event::Finished => {
                assert_eq!(worker, good);
                finished += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((deaths, restarts, finished, last), (3, 2, 1, None));
    assert!(pool.workers().iter().all(Supervised::is_over));
}

/// A worker that makes progress is restarted however often it is killed.
#[test]
fn supervisor_restarts_after_progress() {
    let mut pool = Supervisor::new().expect("pool");
    let mut command = role(&["polite"]);
    command.stdout(Stdio::Null);
    let worker = pool.start(command, at_once(1)).expect("start");
    for _ in 0..20 {
        pool.workers()[worker].progress().note();
        pool.workers()[worker].child().expect("runs").kill().expect("kill");
        let Some((_, Event::Died { exit, restart_after: Some(_) })) = pool.wait(Some(LONG)).expect("wait") else {
            panic!("no death")
        };
        assert_eq!(exit, killed_by(9));
        assert!(pool.workers()[worker].child().is_none());
        let Some((_, Event::Restarted { id })) = pool.wait(Some(LONG)).expect("wait") else { panic!("no restart") };
        assert!(is_child(id));
    }
    let id = pool.workers()[worker].child().expect("runs").id();
    pool.stop(LONG).expect("stop");
    assert!(!is_child(id));
    assert!(pool.wait(None).expect("wait").is_none());
}

/// A program that is gone at the restart is an event, and counts as a death.
#[test]
fn supervisor_cannot_restart() {
    let scratch = Scratch::new("vanishing", "#!/bin/sh\nread line; exit 3\n", 0o700);
    let mut pool = Supervisor::new().expect("pool");
    let mut command = Command::new(&scratch.0);
    command.stdin(Stdio::Piped);
    let worker = pool.start(command, at_once(2)).expect("start");
    drop(scratch);
    pool.workers()[worker].child().expect("runs").kill().expect("kill");
    let mut events = Vec::new();
    while let Some((_, event)) = pool.wait(Some(LONG)).expect("wait") {
        events.push(event);
    }
    assert!(matches!(events[0], Event::Died { restart_after: Some(_), .. }), "{events:?}");
    assert!(matches!(events[1], Event::StartFailed { restart_after: Some(_), .. }), "{events:?}");
    let Event::StartFailed { error, restart_after: None } = &events[2] else { panic!("{events:?}") };
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(events.len(), 3);
}

/// The wait ends when its time is up, and when another thread says so.
#[test]
fn supervisor_wakes() {
    let mut pool = Supervisor::new().expect("pool");
    let mut command = role(&["polite"]);
    command.stdout(Stdio::Null);
    pool.start(command, Restart::default()).expect("start");
    assert!(pool.wait(Some(Duration::from_millis(10))).expect("wait").is_none());
    let waker = pool.waker();
    let thread = std::thread::spawn(move || waker.wake());
    assert!(pool.wait(None).expect("wait").is_none());
    thread.join().expect("join");
}
