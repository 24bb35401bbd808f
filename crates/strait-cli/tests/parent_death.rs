//! The command itself is killed: its workers end at once, nothing stays behind, and OUT holds whole lines.
//!
//! A test program of its own with one test: it takes in the orphans of what it kills, and waits for any of them.

mod support;

use rustix::process::{Signal, WaitOptions, getpid, set_child_subreaper, wait};
use std::fs;
use std::io::Write as _;
use std::time::{Duration, Instant};
use support::{Chance, Directory, LIMIT, Running, check_prefix, counted_lines, kill, strait};

const KILLS: usize = 60;

/// Killed at any moment, from its first instruction to the middle of its work, with a worker stopped or dying meanwhile: within a
/// second all processes are gone, none held anything in `/dev/shm`, and OUT is whole right lines from the beginning.
#[test]
fn parent_killed_at_random() {
    set_child_subreaper(Some(getpid())).expect("become the one who takes orphans in");
    let mut chance = Chance::new();
    let mut took = Vec::new();
    let (mut lines_most, mut torn_risks) = (0, 0);
    for turn in 0..KILLS {
        let dir = Directory::new();
        let out = dir.path("out");
        let mut running = Running::start(strait().args(["--workers", "3", "-q", "-o", &out]));
        let mut stdin = running.stdin.take().expect("piped");
        let feeder = std::thread::spawn(move || {
            let mut lines = 0;
            while stdin.write_all(counted_lines(lines, lines + 3000).as_bytes()).is_ok() {
                lines += 3000;
            }
        });
        let written = || fs::metadata(&out).map_or(0, |found| found.len());
        // A third of the kills come while it starts, a third once there are answers, a third while OUT grows: in a write.
        if turn % 3 != 0 {
            support::until(running.child.id(), || written() > 0);
        }
        linger(&mut chance);
        let pid = running.child.id();
        for process in support::workers(pid).into_iter().chain([pid]) {
            assert_eq!(in_dev_shm(process), Vec::<String>::new(), "held by process {process}");
        }
        if turn % 5 == 4 {
            // One that is being restarted.
            support::workers(pid).first().map(|&worker| kill(worker, Signal::KILL));
        }

        if turn % 3 == 2 {
            let before = written();
            // Not with `until`: between two looks a write would be over.
            let deadline = Instant::now() + LIMIT;
            while written() == before {
                assert!(Instant::now() < deadline, "OUT does not grow");
            }
        }
        assert!(kill(pid, Signal::KILL));
        let began = Instant::now();
        running.wait();
        wait_for_orphans(began);
        took.push(began.elapsed());
        feeder.join().expect("join");
        let written = fs::read(&out).unwrap_or_default();
        lines_most = lines_most.max(check_prefix(&written));
        torn_risks += u32::from(!written.is_empty());
    }
    took.sort();
    let at = |percent: usize| took[(took.len() - 1) * percent / 100];
    println!(
        "from the parent's death to the last worker's: median {:?}, 90 % {:?}, longest {:?}",
        at(50),
        at(90),
        at(100)
    );
    println!("{torn_risks} of {KILLS} had written, up to {lines_most} lines");
    assert!(torn_risks as usize >= KILLS / 3, "the kills came too early to show anything");
    assert!(at(100) < LIMIT);
}

/// Waits a random while without sleeping, most often a very short one.
fn linger(chance: &mut Chance) {
    let until = Instant::now() + Duration::from_micros(chance.size(16));
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

/// Buries all that were left to us; none may stay.
fn wait_for_orphans(began: Instant) {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) => {}
            Ok(None) => std::thread::sleep(Duration::from_micros(200)),
            Err(rustix::io::Errno::CHILD) => return,
            Err(error) => panic!("wait: {error}"),
        }
        assert!(began.elapsed() < LIMIT, "still there: {:?}", support::workers(std::process::id()));
    }
}

/// What a process has open or mapped there.
fn in_dev_shm(pid: u32) -> Vec<String> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let mapped = maps.lines().filter(|line| line.contains("/dev/shm/")).map(str::to_owned);
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let open = descriptors.filter_map(|fd| fs::read_link(fd.path()).ok()).filter(|path| path.starts_with("/dev/shm"));
    mapped.chain(open.map(|path| path.display().to_string())).collect()
}
