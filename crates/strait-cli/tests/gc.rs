//! `strait gc`: what is dead goes, with its proof; what anybody uses, or what nothing is known of, stays.

mod support;

use std::path::PathBuf;
use std::process::Command;
use strait::channel::{mpmc, spsc};
use strait::region::{Options, Place, Region};
use strait::sync::{self, Mutex};
use support::{Outcome, run};

fn gc(args: &[&str]) -> Outcome {
    run(Command::new(env!("CARGO_BIN_EXE_strait")).arg("gc").args(args), "")
}

/// Names of one test: all are removed at the end.
struct Names(String);

impl Names {
    fn new(word: &str) -> Self {
        Self(format!("t-gc-{word}-{}-", std::process::id()))
    }

    fn of(&self, end: &str) -> String {
        format!("{}{end}", self.0)
    }

    fn all(&self) -> String {
        format!("{}*", self.0)
    }

    fn path(&self, end: &str) -> PathBuf {
        PathBuf::from("/dev/shm").join(format!("strait.{}{end}", self.0))
    }

    /// What one who is killed leaves: another name keeps the file while its last user takes this one away.
    fn killed(&self, end: &str, user: impl Sized) {
        let (path, aside) = (self.path(end), self.path(end).with_file_name(format!("aside.{}{end}", self.0)));
        std::fs::hard_link(&path, &aside).expect("a second name");
        drop(user);
        if path.exists() { std::fs::remove_file(&aside) } else { std::fs::rename(&aside, &path) }.expect("one name");
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        for entry in std::fs::read_dir("/dev/shm").expect("mounted").flatten() {
            if entry.file_name().to_string_lossy().contains(&self.0) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

/// Of a dead channel, a dead lock, a living one, one that stays on purpose, a raw region and a damaged one the first two go.
#[test]
fn only_the_dead_go() {
    let names = Names::new("only");
    names.killed("dead", mpmc::Producer::<u64>::create(names.of("dead"), &mpmc::Options::new()).expect("made"));
    names.killed("lock", Mutex::<u64>::create(names.of("lock"), &1, &sync::Options::new()).expect("made"));
    let alive = Mutex::<u64>::create(names.of("alive"), &1, &sync::Options::new()).expect("made");
    let stays = spsc::Options::new().restartable(true);
    names.killed("stays", spsc::Sender::<u64>::create(names.of("stays"), &stays).expect("made"));
    drop(Region::create(names.of("raw"), 4096, &Options::new()).expect("made"));

    let looked = gc(&["--dry-run", &names.all()]);
    assert_eq!(looked.code, 0, "{looked:?}");
    assert!(looked.text().contains("2 objects would be removed"), "{}", looked.text());
    assert!(names.path("dead").exists(), "a dry run removes nothing");
    let refused = gc(&[&names.all()]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.text().contains(&names.of("dead")), "it shows what it would ask about: {}", refused.text());
    assert!(refused.err.contains("add --yes to remove, or --dry-run to look"), "{}", refused.err);
    let young = gc(&["--yes", "--older-than", "1h", &names.all()]);
    assert!(young.text().contains("nothing is provably dead") && young.text().contains("2 young"), "{}", young.text());

    let done = gc(&["--yes", "--foreign", "--older-than", "0s", &names.all()]);
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    for (end, kind) in [("dead", "mpmc"), ("lock", "mutex")] {
        let line = format!("removed  {} ({kind}, ", names.of(end));
        assert!(done.text().contains(&line) && !names.path(end).exists(), "{}", done.text());
    }
    assert!(done.text().contains("no process holds a lease on it"), "{}", done.text());
    assert!(done.text().contains("2 objects removed (") && done.text().contains("1 alive"), "{}", done.text());
    assert!(names.path("alive").exists() && names.path("stays").exists() && names.path("raw").exists());
    assert!(gc(&["--yes", &names.all()]).text().starts_with("unproven "));
    let nothing = gc(&[&names.all()]);
    assert_eq!((nothing.code, nothing.err.as_str()), (0, ""), "there is nothing to ask about");
    drop(alive);
}

/// At a terminal it shows everything, asks once, and does as it is told; only "y" or "yes" is a yes.
#[test]
fn asks_at_a_terminal() {
    let names = Names::new("asks");
    names.killed("dead", spsc::Sender::<u64>::create(names.of("dead"), &spsc::Options::new()).expect("made"));
    for (answer, code) in [("n\n", 1), ("\n", 1), ("\x04", 1), ("y\n", 0)] {
        assert!(names.path("dead").exists());
        let (controller, path) = terminal();
        let side = || std::fs::OpenOptions::new().read(true).write(true).open(&path).expect("open the terminal");
        let mut command = Command::new(env!("CARGO_BIN_EXE_strait"));
        command.args(["gc", &names.all()]).stdin(side()).stderr(side()).stdout(std::process::Stdio::piped());
        // Typed before it is asked for.
        std::io::Write::write_all(&mut std::fs::File::from(controller.try_clone().expect("a copy")), answer.as_bytes())
            .expect("typed");
        let child = command.spawn().expect("start");
        support::watch_over(&child);
        let said = child.wait_with_output().expect("its end");
        let out = String::from_utf8(said.stdout).expect("text");
        assert_eq!(said.status.code(), Some(code), "{answer:?}: {out}");
        assert!(out.starts_with(&format!("dead     {}", names.of("dead"))), "{out}");
        assert_eq!(out.contains("1 object removed"), code == 0, "{out}");
    }
    assert!(!names.path("dead").exists());
}

/// On a terminal a proof is broken where that ends, and stands below the name; elsewhere it is one line.
#[test]
fn proofs_fit_the_terminal() {
    use rustix::termios::{Winsize, tcsetwinsize};
    let names = Names::new("fits");
    names.killed("dead", spsc::Sender::<u64>::create(names.of("dead"), &spsc::Options::new()).expect("made"));
    let (controller, path) = terminal();
    let narrow = Winsize { ws_row: 24, ws_col: 50, ws_xpixel: 0, ws_ypixel: 0 };
    let side = std::fs::OpenOptions::new().read(true).write(true).open(&path).expect("open the terminal");
    tcsetwinsize(&side, narrow).expect("a terminal");
    let mut command = Command::new(env!("CARGO_BIN_EXE_strait"));
    let child = command.args(["gc", "--dry-run", &names.all()]).stdin(std::process::Stdio::null()).stdout(side).spawn();
    drop(command);
    let mut child = child.expect("start");
    support::watch_over(&child);
    assert!(child.wait().expect("its end").success());
    let mut said = vec![0; 4096];
    let len = std::io::Read::read(&mut std::fs::File::from(controller), &mut said).expect("what it said");
    let said = String::from_utf8_lossy(&said[..len]).replace('\r', "");
    let proof: Vec<&str> = said.lines().filter(|line| line.starts_with("         ")).collect();
    assert!(proof.len() == 2 && proof.iter().all(|line| line.len() <= 50), "{said}");
    let plain = gc(&["--dry-run", &names.all()]);
    assert!(
        plain.text().contains("\n         no process holds a lease on it, and it is not restartable\n"),
        "{plain:?}"
    );
}

/// A terminal: who sits at it, and where it is.
fn terminal() -> (std::os::fd::OwnedFd, String) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
    grantpt(&controller).expect("grantpt");
    unlockpt(&controller).expect("unlockpt");
    let path = ptsname(&controller, Vec::new()).expect("its name").into_string().expect("UTF-8");
    (controller, path)
}

/// The same for programs.
#[test]
fn documents() {
    let names = Names::new("json");
    names.killed("dead", spsc::Sender::<u64>::create(names.of("dead"), &spsc::Options::new()).expect("made"));
    let alive = Mutex::<u64>::create(names.of("alive"), &1, &sync::Options::new()).expect("made");
    assert_eq!(gc(&["--json", &names.all()]).code, 2);
    for (how, key) in [("--dry-run", "dead"), ("--yes", "removed")] {
        let said = gc(&["--json", how, &names.all()]);
        let document: serde_json::Value = serde_json::from_slice(&said.out).expect("JSON");
        let (one, kept) = (&document[key][0], &document["kept"][0]);
        assert_eq!((&one["name"], &one["kind"]), (&names.of("dead").into(), &"spsc".into()), "{document}");
        assert!(one["bytes"].as_u64() > Some(4096) && one["proof"].as_str().is_some_and(|it| it.contains("lease")));
        assert_eq!((&kept["name"], &kept["state"]), (&names.of("alive").into(), &"alive".into()), "{document}");
    }
    drop(alive);
}

/// Who is stopped, even in the door, is alive; and of another program's object it matters who has it open, or mapped, and how old it is.
#[test]
fn other_programs_objects() {
    let names = Names::new("foreign");
    let name = format!("/{}x", names.0);
    let region = Region::create(Place::posix_raw(&name), 4096, &Options::new()).expect("made");
    let says = |args: &[&str]| {
        let said = gc(&[&["--yes", &name], args].concat());
        assert_eq!(said.code, 0, "{said:?}");
        said.text().to_owned()
    };
    assert!(!says(&[]).contains("alive"), "not asked about");
    assert!(says(&["--foreign", "--older-than", "0s"]).contains("1 alive"));
    drop(region);
    let text = says(&["--foreign"]);
    assert!(text.contains("unproven") && text.contains("--older-than"), "{text}");
    assert!(says(&["--foreign", "--older-than", "1h"]).contains("1 young"));
    let text = says(&["--foreign", "--older-than", "0s"]);
    assert!(text.contains("removed  ") && text.contains("it cannot say"), "{text}");
    assert!(!std::path::Path::new("/dev/shm").join(&name[1..]).exists());
}

/// A time that is none is a wrong usage.
#[test]
fn wrong_usage() {
    let said = gc(&["--older-than", "1y"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("'1y' is no time; write a number and a unit: 500ms, 2s, 10m, 7d"), "{}", said.err);
}

/// Whoever reads no further ends nothing badly, and all the same everything is removed.
#[test]
fn output_closed() {
    let names = Names::new("closed");
    for number in 0..3 {
        let end = format!("{number}");
        names.killed(&end, spsc::Sender::<u64>::create(names.of(&end), &spsc::Options::new()).expect("made"));
    }
    let shell =
        format!("'{}' gc --yes '{}' | true; exit ${{PIPESTATUS[0]}}", env!("CARGO_BIN_EXE_strait"), names.all());
    let said = run(Command::new("bash").args(["-c", &shell]), "");
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert!((0..3).all(|number| !names.path(&number.to_string()).exists()));
}
