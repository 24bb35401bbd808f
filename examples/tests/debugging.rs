//! Do the situations of `docs/guide/debugging.md` still happen, and do the commands still get one out of them?
//!
//! The scripts need the `strait` command, built where cargo builds, and namespaces of their own; where one of them is not to be had the test
//! says so and is skipped.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use strait::process::{Command, Stdio};

/// Longer than all of it takes; only a failure waits for it.
const LONG: Duration = Duration::from_secs(60);
/// What a script ends with where it cannot make namespaces.
const SKIPPED: i32 = 77;

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn scripts() -> Vec<PathBuf> {
    let entries = fs::read_dir(here().join("debugging")).expect("the scripts");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| !path.ends_with("alone.sh"));
    paths.sort();
    paths
}

/// A command line with its numbers made alike: processes have another one each time.
fn alike(line: &str) -> String {
    let words = line.split(' ').map(|word| if word.parse::<u32>().is_ok() { "N" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// Runs a script; `None` where it cannot be run here.
fn printed(script: &Path, strait: &Path) -> Option<String> {
    let mut command = Command::new("sh");
    let child = command.arg(script).env("STRAIT", strait).stdout(Stdio::Piped).spawn();
    let mut child = child.expect("a shell");
    let mut output = child.stdout.take().expect("is piped");
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).map(|_| text)
    });
    let exit = child.wait_timeout(LONG).expect("wait").unwrap_or_else(|| panic!("{}: does not end", script.display()));
    let text = reader.join().expect("read").expect("UTF-8");
    if exit.code() == Some(SKIPPED) {
        return None;
    }
    assert!(exit.success(), "{}: {exit}, having printed {text}", script.display());
    Some(text)
}

/// Each script comes to its end, no command in it is unknown, and the page shows commands that a script gives.
#[test]
fn situations_are_solved() {
    let test = std::env::current_exe().expect("this test");
    let strait = test.parent().and_then(Path::parent).expect("where cargo builds").join("strait");
    if !strait.exists() {
        println!("skipped: the command is not built (cargo build -p strait-cli)");
        return;
    }
    let help = std::process::Command::new(&strait).arg("--help").output().expect("help").stdout;
    let help = String::from_utf8_lossy(&help).into_owned();
    if let Some(verb) = ["doctor", "gc", "ls", "rm", "show"].iter().find(|verb| !help.contains(&format!("\n  {verb} ")))
    {
        println!("skipped: this command has no 'strait {verb}'");
        return;
    }
    let mut given = BTreeSet::new();
    for script in scripts() {
        let Some(text) = printed(&script, &strait) else {
            println!("skipped: namespaces cannot be made here");
            return;
        };
        for wrong in ["unrecognized subcommand", "not found", "unexpected argument"] {
            assert!(!text.contains(wrong), "{}: {text}", script.display());
        }
        given.extend(text.lines().filter(|line| line.starts_with("$ ")).map(alike));
    }
    let page = fs::read_to_string(here().join("../docs/guide/debugging.md")).expect("the page");
    for line in page.lines().filter(|line| line.starts_with("$ ")) {
        assert!(given.contains(&alike(line)), "docs/guide/debugging.md: no script gives '{line}'");
    }
}
