//! `--via`: whatever carries the numbers, the result is the same, whoever is killed.

mod support;

use rustix::process::Signal;
use std::collections::BTreeSet;
use std::fs;
use support::{Chance, Directory, Running, check_prefix, counted_lines, kill, lives, strait, sum};

/// All that can carry the job.
const VIAS: [&str; 13] = [
    "pipe",
    "packet-pipe",
    "fifo",
    "unix",
    "unix-seqpacket",
    "unix-datagram",
    "tcp",
    "posix-mq",
    "sysv-msg",
    "spsc",
    "mpmc",
    "broadcast",
    "lab",
];

/// Sums, faults, floats, overlong tokens, lines longer than any message, and a last line without its end: all as without `--via`, the exit
/// code and what is said too.
#[test]
fn same_answers() {
    let long_line = "1 ".repeat(20_000);
    let wide_line = format!("{} 7 {}5", "0".repeat(9000), "0".repeat(70_000));
    let lines = format!(
        "1 2 3\n\n0.5 0.25\n{long_line}\n{wide_line}\n170141183460469231731687303715884105727 -1\nabc 4\n1e308 1e308 -1e308\n9 x\n{}\n-7",
        "1234567890".repeat(30_000)
    );
    let many = "\n".repeat(30_000);
    for (input, args) in [
        (lines.as_str(), &["--keep-going"][..]),
        (lines.as_str(), &[]),
        (lines.as_str(), &["--total", "--keep-going"]),
        (many.as_str(), &["--quiet"]),
        ("", &[]),
    ] {
        let expected = sum(args, input);
        for via in VIAS {
            // A thousand lines a second.
            let (input, expected) = match via {
                "lab" if input.len() == many.len() => {
                    let few = &many[..500];
                    (few, &sum(args, few))
                }
                _ => (input, &expected),
            };
            let found = sum(&[args, &["--via", via]].concat(), input);
            assert_eq!(found.code, expected.code, "{via} {args:?}: {}", found.err);
            assert!(found.out == expected.out, "{via} {args:?}");
            // All but how long it took, and how long a token may be, which goes by the messages.
            let told = |err: &str| {
                let lines = err.lines().filter(|line| !line.contains(" workers, "));
                lines.map(|line| line.split(": it is longer").next().unwrap_or(line).to_owned()).collect::<Vec<_>>()
            };
            assert_eq!(told(&found.err), told(&expected.err), "{via} {args:?}");
        }
    }
}

/// Workers are killed at random while an input streams through: OUT is byte for byte right, over each of them.
#[test]
fn workers_killed() {
    let mut chance = Chance::new();
    for via in VIAS {
        let dir = Directory::new();
        let out = dir.path("out");
        let mut running = Running::start(strait().args(["--workers", "2", "-o", &out, "--via", via]));
        let (batch, wanted) = if via == "lab" { (20, 8) } else { (4000, 20) };
        let (mut lines, mut kills) = (0, 0);
        while kills < wanted {
            running.feed(counted_lines(lines, lines + batch).as_bytes());
            lines += batch;
            assert!(lives(running.child.id()), "{via}: it ended before the last kill");
            let alive: Vec<u32> = support::workers(running.child.id()).into_iter().collect();
            if !alive.is_empty() && chance.below(2) == 0 {
                kills += u64::from(kill(chance.pick(&alive), Signal::KILL));
            }
        }
        let outcome = running.finish();
        assert_eq!(outcome.code, 0, "{via}: {}", outcome.err);
        println!("{via}: {lines} lines, {kills} kills; {}", outcome.summary());
        assert!(outcome.restarts() > 0, "{via}");
        assert_eq!(check_prefix(&fs::read(out).expect("read")), lines, "{via}");
    }
}

/// Workers that die and cannot be started again are given up: exit 4, it says why, and what was answered is right.
#[test]
fn workers_gone_for_good() {
    for via in ["pipe", "sysv-msg", "unix-datagram", "lab"] {
        let dir = Directory::new();
        let (program, out) = (dir.path("strait"), dir.path("out"));
        support::copy_program(&program);
        let mut command = std::process::Command::new(&program);
        let mut running = Running::start(command.args(["sum", "--workers", "1", "--via", via, "-o", &out]));
        let workers = running.workers(1);
        running.feed(counted_lines(0, 100).as_bytes());
        support::until(running.child.id(), || fs::metadata(&out).is_ok_and(|found| found.len() > 0));
        fs::remove_file(&program).expect("there");
        assert!(workers.into_iter().all(|worker| kill(worker, Signal::KILL)));
        running.feed(counted_lines(100, 200).as_bytes());
        let outcome = running.finish();
        assert_eq!(outcome.code, 4, "{via}: {}", outcome.err);
        assert!(outcome.err.contains("a worker died again and again"), "{via}: {}", outcome.err);
        assert!(outcome.err.contains("could not be started"), "{via}: {}", outcome.err);
        check_prefix(&fs::read(out).expect("read"));
    }
}

/// The parent is killed: its workers end, and nothing is left behind, of the mechanism that leaves its queues too.
#[test]
fn parent_killed() {
    // Who sent last and who received last; other tests have queues, too.
    let queues_of = |pids: &BTreeSet<u32>| {
        let text = fs::read_to_string("/proc/sysvipc/msg").unwrap_or_default();
        let is_theirs =
            |field: Option<&str>| field.and_then(|it| it.parse().ok()).is_some_and(|pid| pids.contains(&pid));
        text.lines()
            .filter(|line| {
                let mut fields = line.split_whitespace().skip(5);
                is_theirs(fields.next()) || is_theirs(fields.next())
            })
            .count()
    };
    let dir = Directory::new();
    for via in ["sysv-msg", "posix-mq", "fifo", "lab"] {
        let out = dir.path(via);
        let mut running = Running::start(strait().args(["--workers", "2", "--via", via, "-o", &out]));
        let workers = running.workers(2);
        running.feed(counted_lines(0, 100).as_bytes());
        support::until(running.child.id(), || fs::metadata(&out).is_ok_and(|found| found.len() > 0));
        let all: BTreeSet<u32> = workers.iter().copied().chain([running.child.id()]).collect();
        assert_eq!(queues_of(&all) > 0, via == "sysv-msg");
        assert!(kill(running.child.id(), Signal::KILL));
        for worker in workers {
            assert!(support::has_ended_within(support::pid_of(worker), support::LIMIT), "{via}");
        }
        assert_eq!(queues_of(&all), 0);
        check_prefix(&fs::read(out).expect("read"));
    }
}

/// What cannot carry the job says why, and what there is says its name.
#[test]
fn cannot_carry() {
    for (via, why) in [
        ("udp", "it loses messages without telling anybody"),
        ("signal", "a message has seven bytes"),
        ("eventfd", "it only counts"),
        ("carrier-pigeon", "there is no such mechanism"),
    ] {
        let outcome = sum(&["--via", via], "1 2\n");
        assert_eq!(outcome.code, 2, "{}", outcome.err);
        assert!(outcome.err.contains(why), "{}", outcome.err);
        for name in VIAS {
            assert!(outcome.err.contains(name), "{name}: {}", outcome.err);
        }
    }
}
