//! `strait ls` and `strait show` as a person runs them: what is listed, in what state, what an error says, and an output that closes.

mod support;

use rustix::process::Signal;
use serde_json::Value;
use std::io::Read as _;
use std::process::{Command, Stdio};
use strait::channel::spsc;
use strait::region::{Options, Place, Region};
use strait::transport;
use support::{Outcome, Running, run};

struct Name(String);

impl Name {
    fn new(what: &str) -> Self {
        Self(format!("cli-ls-{what}-{}", std::process::id()))
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let _ = Region::remove(self.0.as_str());
        let _ = Region::remove(Place::posix_raw(&self.0));
    }
}

fn strait(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strait"));
    command.args(args);
    command
}

fn ran(args: &[&str]) -> Outcome {
    run(&mut strait(args), [])
}

fn text(outcome: &Outcome) -> String {
    String::from_utf8_lossy(&outcome.out).into_owned()
}

fn json(args: &[&str]) -> Value {
    let outcome = ran(args);
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    serde_json::from_slice(&outcome.out).expect("JSON")
}

/// A channel and its state, whether it is asked for by name, pattern, process or kind; without a terminal nothing is cut or coloured.
#[test]
fn a_channel_is_listed() {
    let name = Name::new("channel");
    let mut tx = spsc::Sender::<u64>::create(&name.0, &spsc::Options::new()).expect("create");
    tx.send(&7).expect("room");
    let me = std::process::id().to_string();
    for args in [&["ls", &name.0][..], &["ls", "cli-ls-chan*"], &["ls", &me], &["ls", "--kind", "spsc,mpmc"], &["ls"]] {
        let outcome = ran(args);
        let text = text(&outcome);
        let line = text.lines().find(|line| line.contains(&name.0)).unwrap_or_else(|| panic!("{args:?}: {text}"));
        let has = |part: &str| line.contains(part);
        assert!(line.starts_with("spsc ") && has(" live ") && has("1 messages") && has(&me), "{line}");
        assert!(outcome.code == 0 && !text.contains('\x1b') && text.contains("object"), "{text}");
    }
    let document = json(&["ls", &name.0, "--json"]);
    let object = &document["objects"][0];
    assert_eq!((object["id"].as_str(), object["what"].as_str()), (Some(&*format!("strait:{}", name.0)), Some("spsc")));
    assert_eq!((object["channel"]["waiting"].as_u64(), document["summary"]["objects"].as_u64()), (Some(1), Some(1)));
    let (resident, size) = (&object["resident_bytes"], &object["size_bytes"]);
    assert!(resident.is_null() || resident == size, "all of it is there from the beginning: {object}");
    assert!(object["ipc_namespace"].is_null() && object["is_elsewhere"] == false, "{object}");
    assert!(object["created"].is_null() || object["created"].as_u64() <= object["changed"].as_u64(), "{object}");
    let shown = text(&ran(&["show", &name.0]));
    assert_eq!(shown.contains(" resident"), resident.is_u64(), "{shown}");
    assert_eq!(shown.contains("made 0 s ago"), object["created"].is_u64(), "{shown}");
    for part in ["live: process", "u64, 8 bytes", "sender", "attached", "rw-s", "from byte 0 on"] {
        assert!(shown.contains(part), "no '{part}': {shown}");
    }
}

/// What a killed process leaves is dead, and says so with its proof; whoever is gone is not called attached.
#[test]
fn the_dead_are_told() {
    let name = Name::new("dead");
    // Its lease goes with the last descriptor, as at a kill; its presence stays as it was.
    let tx = spsc::Sender::<u64>::create(&name.0, &spsc::Options::new()).expect("create");
    let path = format!("/dev/shm/strait.{}", name.0);
    let copy = std::fs::read(&path).expect("readable");
    drop(tx);
    std::fs::write(&path, copy).expect("write");
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("ours");
    let document = json(&["ls", &name.0, "--state", "dead", "--json"]);
    let object = &document["objects"][0];
    let because = object["because"].as_str().expect("a reason");
    assert!(because.starts_with("nobody holds a lease of it: sender"), "{object}");
    assert_eq!(object["channel"]["peers"][0]["state"], "died");
    let listed = text(&ran(&["ls", &name.0]));
    assert!(listed.contains("1 dead") && listed.contains("(strait gc)"), "the summary says so: {listed}");
}

/// Of what other programs have left the summary says how it is taken away: not by `gc` unasked.
#[test]
fn the_dead_of_others_are_told() {
    struct Segment(String);
    impl Drop for Segment {
        fn drop(&mut self) {
            ran(&["rm", &format!("sysv-shm:{}", self.0)]);
        }
    }
    let segment = Segment(format!("{:#010x}", 0x5400_0000 | (std::process::id() & 0xFF_FFFF)));
    ran(&["create", "sysv-shm", &segment.0, "--size", "4K"]);
    let listed = text(&ran(&["ls", &segment.0]));
    assert!(listed.contains("1 dead") && listed.contains("(strait gc --foreign)"), "{listed}");
}

/// Of a process: its tree with a zombie in it, what it has, and who has that as well; a duplicate is one open file.
#[test]
fn a_process_is_shown() {
    let zombie = Command::new("true").stdin(Stdio::null()).spawn().expect("start");
    let (ours, its) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("a pipe");
    let twin = ours.try_clone().expect("dup");
    let mut other = Running::start(Command::new("cat").stderr(its.try_clone().expect("dup")));
    support::until(std::process::id(), || !support::lives(zombie.id()));
    let me = std::process::id();
    let shown = text(&ran(&["show", &me.to_string()]));
    let zombie_line = format!("{} true zombie", zombie.id());
    for part in
        [&*format!("process {me}"), &zombie_line, &format!("`- {} cat", other.child.id()), "parents and children"]
    {
        assert!(shown.contains(part), "no '{part}': {shown}");
    }
    let fd = std::os::fd::AsRawFd::as_raw_fd(&ours);
    let line = shown.lines().find(|line| line.trim_start().starts_with(&format!("fd {fd} "))).expect("its descriptor");
    assert!(line.contains("pipe"), "{line}");
    let document = json(&["show", &format!("pid:{me}"), "--json"]);
    let children = document["processes"][0]["children"].as_array().expect("children");
    assert!(children.iter().any(|it| it["pid"] == zombie.id() && it["is_zombie"] == true), "{children:?}");
    let inode = std::fs::read_link(format!("/proc/self/fd/{fd}")).expect("open");
    let inode: String = inode.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    let shown = text(&ran(&["show", &format!("pipe:inode:{inode}")]));
    let twin = std::os::fd::AsRawFd::as_raw_fd(&twin);
    let is_known = shown.contains(&format!("one open file with fd {twin}")) || shown.contains("cannot be told");
    assert!(is_known, "{shown}");
    support::kill(other.child.id(), Signal::KILL);
    other.wait();
    let mut zombie = zombie;
    zombie.wait().expect("it ended");
    drop(its);
}

/// What is not there is a no, with what was meant perhaps; what means nothing is wrong usage; one line each.
#[test]
fn errors_say_what_to_do() {
    let name = Name::new("there");
    let _tx = spsc::Sender::<u64>::create(&name.0, &spsc::Options::new()).expect("create");
    let near = &name.0[..name.0.len() - 1];
    for (args, code, says) in [
        (&["ls", "no-such-thing"][..], 1, "there is nothing like that"),
        (&["show", "no-such-thing"], 1, "there is no object and no process 'no-such-thing'"),
        (&["show", near], 1, "; there is strait:cli-ls-there"),
        (&["show", "a\x1b[2Jb"], 1, "'a\\u{1b}[2Jb'"),
        (&["show", "pid:x"], 2, "'x' is no number"),
        (&["ls", "--kind", "nonsense"], 2, "there is no kind 'nonsense'"),
        (&["ls", "--state", "nonsense"], 2, "live, idle, dead, corrupt, unknown"),
        (&["show"], 2, "NAME|ID|PID"),
    ] {
        let outcome = ran(args);
        assert!(outcome.code == code && outcome.err.contains(says), "{args:?}: {} {}", outcome.code, outcome.err);
        assert!(outcome.out.is_empty(), "{args:?}");
    }
}

/// A reader that has seen enough ends it, without a word; a full disk is told.
#[test]
fn closed_output() {
    let mut child = strait(&["ls", "--all", "--json"]);
    let mut child = child.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start");
    support::watch_over(&child);
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut err).expect("text");
    assert_eq!((support::code(child.wait().expect("it ends")), err.as_str()), (0, ""));
    if let Ok(full) = std::fs::File::options().write(true).open("/dev/full") {
        let child = strait(&["ls", "--all"]).stdin(Stdio::null()).stdout(full).stderr(Stdio::piped()).spawn();
        let outcome = child.expect("start").wait_with_output().expect("it ends");
        assert_eq!(support::code(outcome.status), 3);
        let err = String::from_utf8_lossy(&outcome.stderr);
        assert!(err.starts_with("strait ls: write the answer to standard output:"), "{err}");
    }
}

/// A name that acts on a terminal is spelt out; JSON has it as it is.
#[test]
fn names_do_not_act() {
    let name = Name(format!("cli-ls-\x1b[31m-{}", std::process::id()));
    let _region = Region::create(Place::posix_raw(&name.0), 4096, &Options::new()).expect("create");
    let pattern = format!("*m-{}", std::process::id());
    let shown = text(&ran(&["ls", &pattern]));
    assert!(shown.contains("cli-ls-\\u{1b}[31m-") && !shown.contains('\x1b'), "{shown}");
    assert_eq!(json(&["ls", &pattern, "--json"])["objects"][0]["name"], format!("/{}", name.0));
}

/// Pipes and eventfds are not shown unless asked for, and the summary says how many.
#[test]
fn noise_is_left_out() {
    let _pair = transport::eventfd::pair().expect("an eventfd");
    let usual = json(&["ls", "--json"]);
    let kinds = |of: &Value| -> Vec<String> {
        let objects = of["objects"].as_array().expect("objects");
        objects.iter().filter_map(|it| it["kind"].as_str().map(str::to_owned)).collect()
    };
    assert!(!kinds(&usual).iter().any(|kind| kind == "eventfd" || kind == "pipe"));
    assert!(usual["summary"]["left_out"]["eventfd"].as_u64() >= Some(1), "{}", usual["summary"]);
    assert!(kinds(&json(&["ls", "--all", "--json"])).iter().any(|kind| kind == "eventfd"));
    assert!(kinds(&json(&["ls", "--kind", "eventfd", "--json"])).iter().all(|kind| kind == "eventfd"));
}
