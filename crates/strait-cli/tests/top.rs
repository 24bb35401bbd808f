//! `strait top` at a terminal and in a pipe: what it shows, and that it gives the terminal back however it ends.

mod support;

use rustix::process::{Pid, Signal, kill_process};
use std::io::Read as _;
use std::process::{Command, Output, Stdio};
use std::time::Instant;
use strait::channel::spsc;
use support::terminal::Terminal;

const ENTERED: &str = "\x1b[?1049h";
const LEFT: &str = "\x1b[?25h\x1b[?1049l";

fn name(word: &str) -> String {
    format!("t-cli-top-{word}-{}", std::process::id())
}

fn top(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_strait")).arg("top").args(args).output().expect("start")
}

/// `strait top` at a terminal of its own, as the leader of a session.
fn at_terminal(args: &[&str]) -> Terminal {
    let mut command = Command::new("setsid");
    command.arg("-c").arg(env!("CARGO_BIN_EXE_strait")).arg("top").args(args);
    Terminal::run(command, (80, 24), true)
}

/// Waits for the end: the terminal is as it was. The exit code.
fn finish(mut terminal: Terminal) -> i32 {
    terminal.wait_for(LEFT);
    let code = terminal.ended();
    assert!(terminal.is_cooked(), "the terminal is as it was");
    code
}

/// Channels are shown with their figures, looked at closely, filtered; it quits when it is told to.
#[test]
fn keys_lead_through_the_pages() {
    let name = name("keys");
    let mut tx = spsc::Sender::<u64>::create(&name, &spsc::Options::new()).expect("made");
    tx.send(&7).expect("room");
    let mut terminal = at_terminal(&[&format!("{name}*"), "-i", "0.1"]);
    terminal.wait_for(ENTERED);
    terminal.wait_for("strait top  1 channel");
    terminal.wait_for("MSG/S");
    terminal.wait_for(&name[..15]);
    assert!(!terminal.is_cooked());
    terminal.press("\r");
    terminal.wait_for("SLOT ROLE");
    terminal.wait_for(&format!("{}", std::process::id()));
    terminal.press("\x1b");
    terminal.wait_for("MSG/S");
    terminal.press("?");
    terminal.wait_for("strait top: keys");
    terminal.press("x/nothing-is-called-that\r");
    terminal.wait_for("no name contains that");
    terminal.press("q");
    assert_eq!(finish(terminal), 0);
}

/// Signals that ask to end do so, with their number, and the terminal is given back.
#[test]
fn signals_end_it_cleanly() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        let mut terminal = at_terminal(&[&name("none")]);
        terminal.wait_for("there are none");
        kill_process(terminal.pid(), signal).expect("runs");
        assert_eq!(finish(terminal), code);
    }
    let mut terminal = at_terminal(&[&name("none")]);
    terminal.wait_for("there are none");
    terminal.press("\x03");
    assert_eq!(finish(terminal), 130);
}

/// A terminal that takes nothing more does not keep it: it ends all the same, and the modes are put right.
#[test]
fn stopped_terminal_does_not_hold_it_up() {
    let mut terminal = at_terminal(&[&name("none"), "-i", "0.05"]);
    terminal.wait_for("there are none");
    terminal.press("\x13");
    kill_process(terminal.pid(), Signal::TERM).expect("runs");
    assert_eq!(terminal.ended(), 143);
    assert!(terminal.is_cooked(), "the terminal is as it was");
}

/// A terminal that changes its size is drawn anew; one that is too small is told so.
#[test]
fn sizes_change() {
    let mut terminal = at_terminal(&[&name("none")]);
    terminal.wait_for("there are none");
    terminal.resize(50, 10);
    terminal.wait_for("the terminal is too small");
    terminal.wait_for("this is 50x10");
    terminal.resize(160, 40);
    terminal.wait_for("TYPE");
    terminal.press("q");
    assert_eq!(finish(terminal), 0);
}

/// Ctrl-Z gives the terminal back and stops; when it goes on it takes it over again.
#[test]
fn stops_and_goes_on() {
    // A shell with job control, for a process that nobody could continue does not stop.
    let program = env!("CARGO_BIN_EXE_strait");
    let mut command = Command::new("setsid");
    let script = format!("set -m; {program} top {} ; echo stopped; fg; echo ended $?", name("none"));
    command.args(["-c", "bash", "-c", &script]);
    let mut terminal = Terminal::run(command, (80, 24), true);
    terminal.wait_for(ENTERED);
    terminal.wait_for("there are none");
    terminal.press("\x1a");
    terminal.wait_for(LEFT);
    terminal.wait_for("stopped");
    terminal.wait_for(ENTERED);
    terminal.wait_for("there are none");
    terminal.press("q");
    terminal.wait_for(LEFT);
    terminal.wait_for("ended 0");
    assert!(terminal.is_cooked());
}

/// In a pipe it prints as many looks as it is told to, each line with a word for every title.
#[test]
fn batch_prints_plain_lines() {
    let name = name("batch");
    let mut tx = spsc::Sender::<u64>::create(&name, &spsc::Options::new()).expect("made");
    for number in 0..3 {
        tx.send(&number).expect("room");
    }
    let output = top(&[&name, "--batch", "2", "--interval", "0.1"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let words: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words.iter().map(Vec::len).collect::<Vec<_>>(), [11, 11, 0, 11, 11], "{text}");
    assert_eq!(words[1][..3], [name.as_str(), "spsc", "0"], "{text}");
    assert_eq!((words[1][5], words[1][8], words[1][9]), ("3", "1", "0"), "{text}");
    assert!(!text.contains('\x1b'));
}

/// Who reads no more of it ends it without a word.
#[test]
fn closed_output_ends_it() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_strait"))
        .args(["top", &name("none"), "--batch", "1000", "-i", "0.05"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start");
    let mut first = [0; 4];
    child.stdout.take().expect("piped").read_exact(&mut first).expect("a line");
    let output = child.wait_with_output().expect("ends");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

/// Without a terminal it says what to do instead, and what it cannot do it says too.
#[test]
fn refusals_say_what_to_do() {
    let output = top(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("use --batch N"), "{output:?}");
    for interval in ["0", "-1", "nan", "x"] {
        let output = top(&["--batch", "1", "-i", interval]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
}

/// The command to measure: `STRAIT_BIN`, a release build, or the one that was built with this test.
fn measured() -> String {
    std::env::var("STRAIT_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_strait").into())
}

/// Processor time of all threads of a process.
fn run_time(pid: Pid) -> std::time::Duration {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", pid.as_raw_pid())).expect("runs");
    let of = |task: std::io::Result<std::fs::DirEntry>| -> u64 {
        let stat = std::fs::read_to_string(task.expect("listed").path().join("schedstat")).expect("runs");
        stat.split(' ').next().and_then(|it| it.parse().ok()).expect("nanoseconds")
    };
    std::time::Duration::from_nanos(tasks.map(of).sum())
}

/// Keeps this thread on one processor, if there is that one.
fn pin(processor: usize) {
    let mut one = rustix::thread::CpuSet::new();
    one.set(processor);
    let _ = rustix::thread::sched_setaffinity(None, &one);
}

/// A hundred channels of all kinds with two users each, watched once a second: which share of a core that takes, and what it takes from a
/// channel that runs at full speed. Not a test but a measurement, of a release build: `STRAIT_BIN=target/release/strait cargo test -p
/// strait-cli --test top -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement of half a minute"]
fn what_watching_costs() {
    use std::any::Any;
    use std::time::Duration;
    use strait::channel::{broadcast, mpmc, rpc, watch};
    let base = name("cost");
    let at = |number: u32| format!("{base}-{number}");
    let mut held: Vec<Box<dyn Any>> = Vec::new();
    for number in 0..99 {
        let at = at(number);
        match number % 5 {
            0 => {
                held.push(Box::new(spsc::Sender::<u64>::create(&at, &spsc::Options::new()).expect("made")));
                held.push(Box::new(spsc::Receiver::<u64>::open(&at, &spsc::Options::new()).expect("there")));
            }
            1 => {
                held.push(Box::new(mpmc::Producer::<u64>::create(&at, &mpmc::Options::new()).expect("made")));
                held.push(Box::new(mpmc::Worker::<u64>::open(&at, &mpmc::Options::new()).expect("there")));
            }
            2 => {
                let options = broadcast::Options::new();
                held.push(Box::new(broadcast::Publisher::<u64>::create(&at, &options).expect("made")));
                held.push(Box::new(broadcast::Subscriber::<u64>::open(&at, &options).expect("there")));
            }
            3 => {
                held.push(Box::new(watch::Writer::<u64>::create(&at, &watch::Options::new()).expect("made")));
                held.push(Box::new(watch::Reader::<u64>::open(&at, &watch::Options::new()).expect("there")));
            }
            _ => {
                held.push(Box::new(rpc::Client::<u64, u64>::create(&at, &rpc::Options::new()).expect("made")));
                held.push(Box::new(rpc::Server::<u64, u64>::open(&at, &rpc::Options::new()).expect("there")));
            }
        }
    }
    let fast = at(99);
    let mut tx = spsc::Sender::<u64>::create(&fast, &spsc::Options::new()).expect("made");
    let mut rx = spsc::Receiver::<u64>::open(&fast, &spsc::Options::new()).expect("there");
    let watched = |columns, interval: &str| {
        let mut command = Command::new("setsid");
        command.arg("-c").arg(measured()).args(["top", &format!("{base}*"), "-i", interval]);
        let mut terminal = Terminal::run(command, (columns, 24), true);
        terminal.wait_for("100 channels");
        terminal
    };

    let terminal = watched(80, "1");
    // The first look maps them all.
    std::thread::sleep(Duration::from_millis(1500));
    let (before, start) = (run_time(terminal.pid()), Instant::now());
    std::thread::sleep(Duration::from_secs(8));
    let share = (run_time(terminal.pid()) - before).as_secs_f64() / start.elapsed().as_secs_f64();
    println!("100 channels at 1 Hz, nothing going on: {:.2} % of a core", share * 100.0);
    drop(terminal);

    let is_over = std::sync::atomic::AtomicBool::new(false);
    let count = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        use std::sync::atomic::Ordering::Relaxed;
        scope.spawn(|| {
            pin(0);
            while !is_over.load(Relaxed) {
                let _ = tx.send_timeout(&7, Duration::from_millis(50));
            }
        });
        scope.spawn(|| {
            pin(1);
            while !is_over.load(Relaxed) {
                if rx.recv_timeout(Duration::from_millis(50)).is_ok() {
                    count.fetch_add(1, Relaxed);
                }
            }
        });
        let rate = || {
            let (before, start) = (count.load(Relaxed), Instant::now());
            std::thread::sleep(Duration::from_millis(500));
            (count.load(Relaxed) - before) as f64 / start.elapsed().as_secs_f64()
        };
        // Four looks a second, in every other half second: what is between is the same, disturbances by others too.
        let terminal = watched(80, "0.25");
        let (mut alone, mut with) = (Vec::new(), Vec::new());
        for _ in 0..20 {
            kill_process(terminal.pid(), Signal::STOP).expect("runs");
            alone.push(rate());
            kill_process(terminal.pid(), Signal::CONT).expect("runs");
            with.push(rate());
        }
        drop(terminal);
        is_over.store(true, Relaxed);
        let median = |rates: &mut Vec<f64>| {
            rates.sort_by(f64::total_cmp);
            (rates[rates.len() / 2], rates[2], rates[rates.len() - 3])
        };
        let (alone, with) = (median(&mut alone), median(&mut with));
        println!(
            "a channel at full speed, watched at 4 Hz against alone: {:.3} of the messages a second",
            with.0 / alone.0
        );
        let shown = |it: (f64, f64, f64)| format!("{:.2} M/s ({:.2} to {:.2})", it.0 / 1e6, it.1 / 1e6, it.2 / 1e6);
        println!("  alone {}, watched {}", shown(alone), shown(with));
    });
}
