//! `strait bench`: every mechanism is measured, whatever comes out is whole, and nothing is left behind. How long anything took is nobody's
//! claim here.

mod support;

use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};
use support::{Directory, Outcome, Running, kill, run};

/// All there are.
const MECHANISMS: [&str; 18] = [
    "futex",
    "pipe",
    "packet-pipe",
    "fifo",
    "unix",
    "unix-seqpacket",
    "unix-datagram",
    "tcp",
    "udp",
    "posix-mq",
    "sysv-msg",
    "signal",
    "eventfd",
    "spsc",
    "mpmc",
    "broadcast",
    "watch",
    "rpc",
];

/// The fields of a row.
const FIELDS: [&str; 19] = [
    "mechanism",
    "measure",
    "waiting",
    "message_bytes",
    "status",
    "note",
    "max_message_bytes",
    "repetitions",
    "messages",
    "lost_messages",
    "round_trip_ns",
    "messages_per_second",
    "messages_per_second_least",
    "messages_per_second_greatest",
    "bytes_per_second",
    "cpu_ns_per_message",
    "voluntary_switches_per_message",
    "involuntary_switches_per_message",
    "setup_us",
];

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strait"));
    command.arg("bench").args(args);
    command
}

/// Runs it, once for a millisecond each, with these arguments too.
fn bench(args: &[&str]) -> Outcome {
    run(command(&["--duration", "1", "--repetitions", "1"]).args(args), "")
}

fn json(outcome: &Outcome) -> Value {
    serde_json::from_slice(&outcome.out).unwrap_or_else(|e| panic!("{e}: {}", outcome.text()))
}

fn rows(document: &Value) -> &Vec<Value> {
    document["rows"].as_array().expect("rows")
}

fn has_two_cpus() -> bool {
    rustix::thread::sched_getaffinity(None).expect("affinity").count() > 1
}

/// Every mechanism, measured: round trips and streams, awake and asleep, each figure there, nothing lost but by UDP; and the page with it.
#[test]
fn everything_is_measured() {
    let dir = Directory::new();
    let page = dir.path("page.html");
    let outcome = bench(&["--json", "--html", &page]);
    assert_eq!(outcome.code, 0, "{} {}", outcome.text(), outcome.err);
    let document = json(&outcome);
    assert_eq!(document["schema_version"], 1);
    for part in ["machine", "settings", "noise", "rows", "advice"] {
        assert!(!document[part].is_null(), "{part}");
    }
    for row in rows(&document) {
        let keys: BTreeSet<&str> = row.as_object().expect("a row").keys().map(String::as_str).collect();
        assert_eq!(keys, FIELDS.into_iter().collect());
        let (name, streams) = (row["mechanism"].as_str().expect("a name"), row["measure"] == "stream");
        let what = format!("{name} {} {} {}", row["measure"], row["waiting"], row["message_bytes"]);
        if row["status"] == "too_large" {
            let max = row["max_message_bytes"].as_u64().expect("a limit");
            assert!(max < row["message_bytes"].as_u64().expect("a size"), "{what}");
            continue;
        }
        assert_eq!(row["status"], "measured", "{what}: {}", row["note"]);
        // Of a stream of a millisecond UDP may lose all.
        assert!(name == "udp" && streams || row["messages"].as_u64() > Some(0), "{what}");
        assert!(name == "udp" || row["lost_messages"] == 0, "{what}");
        assert_eq!(row["messages_per_second"].is_f64(), streams, "{what}");
        assert_eq!(row["bytes_per_second"].is_f64(), streams, "{what}");
        assert_eq!(row["round_trip_ns"].is_null(), streams, "{what}");
        assert!(row["setup_us"].as_f64() > Some(0.0), "{what}");
        for side in ["here", "there"] {
            assert!(row["cpu_ns_per_message"][side].as_f64() > Some(0.0), "{what}");
            assert!(row["voluntary_switches_per_message"][side].is_f64(), "{what}");
            assert!(row["involuntary_switches_per_message"][side].is_f64(), "{what}");
        }
        if !streams {
            let at = |name: &str| row["round_trip_ns"][name].as_f64().expect("a percentile");
            let percentiles = ["p50", "p90", "p99", "p99_9", "max"].map(at);
            assert!(percentiles.is_sorted() && percentiles[0] > 0.0, "{what}: {percentiles:?}");
            assert!(at("mean") > 0.0, "{what}");
            assert!(at("p50_least") <= at("p50") && at("p50") <= at("p50_greatest"), "{what}");
        }
    }
    let waitings: &[&str] = if has_two_cpus() { &["spin", "sleep"] } else { &["sleep"] };
    for name in MECHANISMS {
        for waiting in waitings {
            let has = |measure: &str| {
                rows(&document)
                    .iter()
                    .any(|row| row["mechanism"] == name && row["measure"] == measure && row["waiting"] == *waiting)
            };
            assert!(has("round_trip"), "{name} {waiting}");
            assert_eq!(has("stream"), !["futex", "watch", "rpc"].contains(&name), "{name} {waiting}");
        }
    }
    look_at(&page);
}

/// The page is well-formed and loads nothing: no script, no address of anything.
fn look_at(page: &str) {
    let text = fs::read_to_string(page).expect("written");
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    let tree = roxmltree::Document::parse_with_options(&text, options).unwrap_or_else(|e| panic!("{e}"));
    let count = |name: &str| tree.descendants().filter(|node| node.has_tag_name(name)).count();
    for name in ["script", "link", "img", "iframe", "object", "embed", "base", "image", "use"] {
        assert_eq!(count(name), 0, "{name}");
    }
    for node in tree.descendants() {
        for attribute in ["src", "href", "srcset", "data", "action"] {
            assert!(node.attribute(attribute).is_none(), "{attribute} of {:?}", node.tag_name());
        }
    }
    assert!(!text.contains("http:") && !text.contains("https:") && !text.contains("url(") && !text.contains("@import"));
    assert!(text.contains("prefers-color-scheme: dark") && text.contains("@media print"));
    assert_eq!(count("svg"), if has_two_cpus() { 4 } else { 2 });
    for name in MECHANISMS {
        assert!(tree.descendants().any(|node| node.has_tag_name("td") && node.text() == Some(name) || {
            // Small ones are told with their size.
            node.has_tag_name("td") && node.text().is_some_and(|text| text.starts_with(&format!("{name} ")))
        }));
    }
}

/// The tables have what was asked for and nothing else, in 80 columns; no colours where there is no terminal.
#[test]
fn tables_for_people() {
    let outcome = bench(&["pipe", "sysv-msg", "spsc", "--sleep", "--size", "64,4K"]);
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    let text = outcome.text();
    assert!(text.contains("Round trip of 64 B, 4 KiB") && text.contains("waiting asleep"), "{text}");
    assert!(!text.contains("waiting awake") && !text.contains("broadcast ") && !text.contains('\x1b'), "{text}");
    for name in ["pipe", "sysv-msg", "spsc"] {
        assert!(text.lines().filter(|line| line.starts_with(name)).count() >= 4, "{name}: {text}");
    }
    assert!(text.contains("took "), "{text}");
    assert!(text.contains("For small messages (64 B) use "), "{text}");
    assert_eq!(outcome.err, "");
}

/// A size that does not fit is said in its place, and fails nothing else.
#[test]
fn sizes_that_do_not_fit() {
    let outcome = bench(&["packet-pipe", "signal", "eventfd", "udp", "unix", "--sleep", "--size", "100000", "--json"]);
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    let document = json(&outcome);
    for row in rows(&document) {
        let max = match row["mechanism"].as_str().expect("a name") {
            "packet-pipe" => 4096,
            "signal" => 7,
            "eventfd" => 0,
            "udp" => 65_507,
            name => {
                assert_eq!((name, &row["status"]), ("unix", &Value::from("measured")));
                continue;
            }
        };
        assert_eq!((&row["status"], &row["max_message_bytes"]), (&Value::from("too_large"), &Value::from(max)));
        assert!(row["note"].as_str().is_some_and(|note| note.ends_with(" bytes here")), "{}", row["note"]);
    }
    let text = bench(&["packet-pipe", "unix", "--sleep", "--size", "8K"]);
    assert!(text.text().contains("max 4 KiB"), "{}", text.text());
    assert!(text.text().contains("packet-pipe: at most 4,096 bytes here"), "{}", text.text());
}

/// What the kernel refuses is told in a sentence; the others are measured; exit 3.
#[test]
fn refused_by_the_kernel() {
    let mut command = Command::new("prlimit");
    command.args(["--msgqueue=0:0", env!("CARGO_BIN_EXE_strait"), "bench", "posix-mq", "pipe"]);
    let outcome = run(command.args(["--sleep", "--duration", "1", "--repetitions", "1", "--json"]), "");
    assert_eq!(outcome.code, 3, "{}", outcome.err);
    let document = json(&outcome);
    for row in rows(&document) {
        if row["mechanism"] == "posix-mq" {
            assert_eq!(row["status"], "refused");
            let note = row["note"].as_str().expect("a note");
            assert!(note.contains("RLIMIT_MSGQUEUE"), "{note}");
        } else {
            assert_eq!(row["status"], "measured", "{}", row["note"]);
        }
    }
}

/// Wrong names, sizes and processors are told, with what would be right: exit 2.
#[test]
fn wrong_usage() {
    let outcome = bench(&["carrier-pigeon"]);
    assert_eq!(outcome.code, 2);
    for name in MECHANISMS {
        assert!(outcome.err.contains(name), "{name}: {}", outcome.err);
    }
    let allowed = rustix::thread::sched_getaffinity(None).expect("affinity");
    let first = (0..rustix::thread::CpuSet::MAX_CPU).find(|&cpu| allowed.is_set(cpu)).expect("one");
    let same = format!("{first},{first}");
    for (args, why) in [
        (&["--size", "4"][..], "a size is 8 to 16,777,216 bytes"),
        (&["--size", "17M"], "a size is 8 to 16,777,216 bytes"),
        (&["--size", "64,x"], "a size is 8 to 16,777,216 bytes"),
        (&["--cpus", "0"], "name two processors"),
        (&["--cpus", "0,100000"], "this process may run on"),
        (&["--cpus", &same, "--spin"], "waiting awake needs two processors"),
        (&["--spin", "--sleep"], "cannot be used with"),
        (&["--quick", "--duration", "5"], "cannot be used with"),
    ] {
        let outcome = run(&mut command(args), "");
        assert_eq!(outcome.code, 2, "{args:?}: {}", outcome.err);
        assert!(outcome.err.contains(why), "{args:?}: {}", outcome.err);
    }
}

/// A page that cannot be written is told before anything is measured; one that is there stays as it is.
#[test]
fn page_that_cannot_be_written() {
    let dir = Directory::new();
    for path in [dir.path("none/page.html"), dir.as_ref().to_str().expect("UTF-8").to_owned()] {
        let outcome = run(&mut command(&["--html", &path]), "");
        assert_eq!((outcome.code, outcome.text()), (3, ""));
        assert!(outcome.err.starts_with(&format!("strait bench: write '{path}': ")), "{}", outcome.err);
    }
    let kept = dir.write("kept.html", "kept");
    assert_eq!(run(&mut command(&["nonsense", "--html", &kept]), "").code, 2);
    assert_eq!(fs::read_to_string(kept).expect("there"), "kept");
}

/// A reader who goes away is no reason to complain: exit 4.
#[test]
fn reader_that_goes_away() {
    let mut command = command(&["pipe", "--sleep", "--duration", "1", "--repetitions", "1"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start");
    drop(child.stdout.take());
    support::watch_over(&child);
    let output = child.wait_with_output().expect("wait");
    assert_eq!((support::code(output.status), String::from_utf8_lossy(&output.stderr).as_ref()), (4, ""));
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("there");
    let mut command = self::command(&["pipe", "--sleep", "--duration", "1", "--repetitions", "1"]);
    let output = command.stdout(full).output().expect("run");
    assert_eq!(support::code(output.status), 3);
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("strait bench: write standard output: "));
}

/// Ctrl-C: what there is so far is told, and that it is not all; 130.
#[test]
fn interrupted() {
    let args = ["pipe", "unix", "--sleep", "--size", "64", "--duration", "100", "--repetitions", "1000"];
    for json_too in [false, true] {
        let running = Running::start(support::heeding("bench").args(args).args(json_too.then_some("--json")));
        // Five of its processes: the first cell has a figure.
        let mut seen = BTreeSet::new();
        support::until(running.child.id(), || {
            seen.extend(support::workers(running.child.id()));
            seen.len() >= 5
        });
        assert!(kill(running.child.id(), Signal::INT));
        let outcome = running.finish();
        assert_eq!(outcome.code, 130, "{}", outcome.err);
        assert!(outcome.err.contains("strait bench: ended by SIGINT before all was measured"), "{}", outcome.err);
        if json_too {
            let document = json(&outcome);
            assert_eq!(document["settings"]["is_partial"], true);
            assert!(rows(&document).iter().any(|row| row["status"] == "measured"));
        } else {
            assert!(outcome.text().contains("ended before all was measured"), "{}", outcome.text());
            assert!(outcome.text().lines().any(|line| line.starts_with("pipe") && line.contains(" us")));
        }
    }
}

/// Interrupted in a run that would take long, it does not wait for that; what it leaves behind is nothing.
#[test]
fn interrupted_in_a_long_run() {
    let running = Running::start(&mut command(&["sysv-msg", "--sleep", "--duration", "60000"]));
    let processes = both(&running);
    support::until(running.child.id(), || queues_of(&processes) == 2);
    assert!(kill(running.child.id(), Signal::TERM));
    let outcome = running.finish();
    assert_eq!(outcome.code, 143, "{}", outcome.err);
    gone(&processes);
    assert_eq!(queues_of(&processes), 0);
}

/// The command is killed in the middle: its processes end, and there is no queue, no name, no file.
#[test]
fn killed() {
    for name in ["sysv-msg", "posix-mq", "fifo", "spsc", "unix"] {
        let dir = Directory::new();
        let mut command = command(&[name, "--sleep", "--duration", "60000", "--html", &dir.path("page.html")]);
        let mut running = Running::start(command.env("TMPDIR", dir.as_ref()));
        let processes = both(&running);
        if name == "sysv-msg" {
            support::until(running.child.id(), || queues_of(&processes) == 2);
        }
        assert!(kill(running.child.id(), Signal::KILL));
        running.wait();
        gone(&processes);
        assert_eq!(queues_of(&processes), 0, "{name}");
        assert_eq!(fs::read_dir(&dir).expect("there").count(), 0, "{name}");
        for process in &processes {
            let shm = fs::read_dir("/dev/shm").into_iter().flatten().flatten();
            let is_theirs = |name: &str| name.contains(&process.to_string()) && name.contains("strait");
            assert!(!shm.into_iter().any(|entry| is_theirs(&entry.file_name().to_string_lossy())), "{name}");
        }
    }
}

/// The process that measures is killed: its cell has failed, the others have not; exit 4. So where its peer watches over it, and where the
/// mechanism tells its end.
#[test]
fn measuring_process_killed() {
    for first in ["sysv-msg", "tcp"] {
        let running = Running::start(&mut command(&[
            first,
            "pipe",
            "--sleep",
            "--size",
            "64",
            "--duration",
            "3000",
            "--repetitions",
            "1",
            "--json",
        ]));
        let processes = both(&running);
        let here = support::workers(running.child.id()).pop_first().expect("measures");
        assert!(kill(here, Signal::KILL));
        let outcome = running.finish();
        assert_eq!(outcome.code, 4, "{}", outcome.err);
        let document = json(&outcome);
        let of = |status: &str| rows(&document).iter().filter(|row| row["status"] == status).count();
        assert_eq!((of("failed"), of("measured")), (1, 3), "{}", outcome.text());
        gone(&processes);
        assert_eq!(queues_of(&processes), 0);
    }
}

/// The process that measures, and its peer.
fn both(running: &Running) -> BTreeSet<u32> {
    loop {
        let here = running.workers(1);
        let there: BTreeSet<u32> = here.iter().flat_map(|&pid| support::workers(pid)).collect();
        if !there.is_empty() {
            return here.union(&there).copied().collect();
        }
        assert!(support::lives(running.child.id()));
    }
}

fn gone(processes: &BTreeSet<u32>) {
    for &process in processes {
        assert!(support::has_ended_within(support::pid_of(process), support::LIMIT));
    }
}

/// System V queues that one of them has used.
fn queues_of(pids: &BTreeSet<u32>) -> usize {
    let text = fs::read_to_string("/proc/sysvipc/msg").unwrap_or_default();
    let is_theirs = |field: &str| field.parse().is_ok_and(|pid| pids.contains(&pid));
    // Who sent last, and who received last.
    text.lines().filter(|line| line.split_whitespace().skip(5).take(2).any(is_theirs)).count()
}
