//! Does the guide tell the truth? Its programs run, its pages show them as they are, and every mechanism has a page.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use strait::ErrorKind;
use strait::process::{Command, Stdio};
use strait::transport::{Boundaries, Mechanism, Survival, Users};

/// Longer than anything here takes; only a failure waits for it.
const LONG: Duration = Duration::from_secs(20);

const LINES: &str = "one\ntwo\nthree\n";

/// A program of several short excerpts, of which pages show some.
const EXCERPTS: &str = "by_name";

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The texts in a folder, by their names without the ending.
fn texts(folder: PathBuf, ending: &str) -> BTreeMap<String, String> {
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let texts = paths.filter(|path| path.extension().is_some_and(|it| it == ending)).map(|path| {
        let name = path.file_stem().expect("a file").to_string_lossy().into_owned();
        (name, fs::read_to_string(&path).expect("a text"))
    });
    texts.collect()
}

fn programs() -> BTreeMap<String, String> {
    texts(here().join("guide"), "rs")
}

fn pages() -> BTreeMap<String, String> {
    texts(here().join("../docs/guide"), "md")
}

/// The blocks of code of a language, with where they begin.
fn blocks(page: &str, language: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut block: Option<(usize, String)> = None;
    for (index, line) in page.lines().enumerate() {
        match &mut block {
            Some(done) if line == "```" => {
                found.push(std::mem::take(done));
                block = None;
            }
            Some((_, text)) => *text = format!("{text}{line}\n"),
            None if line.strip_prefix("```") == Some(language) => block = Some((index + 1, String::new())),
            None => {}
        }
    }
    found
}

/// What a program prints, if it ends as it should and in time.
fn output(program: &Path, what: &str) -> String {
    let child = Command::new(program).stdout(Stdio::Piped).spawn();
    let mut child = child.unwrap_or_else(|e| panic!("{what}: {e}; build it with `cargo build --examples`"));
    let exit = child.wait_timeout(LONG).expect("wait").unwrap_or_else(|| panic!("{what}: does not end"));
    let mut text = String::new();
    child.stdout.take().expect("is piped").read_to_string(&mut text).expect("read");
    assert!(exit.success(), "{what}: {exit}, having printed {text:?}");
    text
}

/// Each program of the guide moves its three lines from one process to another.
#[test]
fn programs_print_their_lines() {
    let test = std::env::current_exe().expect("this test");
    let built = test.parent().and_then(Path::parent).expect("where cargo builds").join("examples");
    for name in programs().keys() {
        let printed = output(&built.join(format!("guide_{name}")), name);
        match name.as_str() {
            // The latest value, and any of those before it.
            "watch" => {
                let mut left = LINES.lines();
                let in_order = printed.lines().all(|line| left.any(|it| it == line));
                assert!(
                    in_order && printed.ends_with("three\n"),
                    "{name}: {printed:?} is not what is left of the lines"
                );
            }
            EXCERPTS => assert!(printed.ends_with("each has carried one line\n"), "{name}: {printed:?}"),
            _ => assert_eq!(printed, LINES, "{name}"),
        }
    }
}

/// Where a message is bytes and the receiver need not be known first, the program is the same but for one word.
#[test]
fn programs_differ_in_one_line() {
    let opens = "let (mut lines, offer) = link::sender(Mechanism::";
    let mut bodies = BTreeMap::new();
    for (name, text) in programs() {
        let Some((_, after)) = text.split_once(opens) else { continue };
        let mechanism = after.split(',').next().expect("a word");
        let body = text.lines().skip(1).filter(|line| !line.contains(opens)).collect::<Vec<_>>().join("\n");
        assert!(bodies.insert(format!("{name} ({mechanism})"), body).is_none());
    }
    // All but signals, for the receiver must be known first, and eventfds, for they carry no bytes.
    assert_eq!(bodies.len(), Mechanism::ALL.len() - 2, "{:?}", bodies.keys());
    let (first, body) = bodies.first_key_value().expect("some");
    for (name, other) in &bodies {
        assert_eq!(body, other, "{name} is not {first}");
    }
}

/// Every block of Rust in the guide is a program's text, or part of the one of excerpts; every program is on a page.
#[test]
fn pages_show_their_programs() {
    let programs = programs();
    let excerpts = &programs[EXCERPTS];
    let mut shown = vec![EXCERPTS.to_owned()];
    for (page, text) in pages() {
        for (line, block) in blocks(&text, "rust") {
            if let Some((name, _)) = programs.iter().find(|(_, text)| **text == block) {
                shown.push(name.clone());
                continue;
            }
            let indented: String = block.lines().map(|line| format!("    {line}\n").replace("    \n", "\n")).collect();
            assert!(
                excerpts.contains(&indented),
                "docs/guide/{page}.md:{line}: this is no program of examples/guide, and no part of {EXCERPTS}.rs:\n{block}"
            );
        }
    }
    shown.sort();
    assert_eq!(shown, programs.keys().cloned().collect::<Vec<_>>(), "each program is on one page");
}

/// The programs in C do the same, where there is a compiler.
#[test]
fn programs_in_c_print_their_lines() {
    let folder = std::env::temp_dir().join(format!("strait-guide-c-{}", std::process::id()));
    fs::create_dir(&folder).expect("make a folder");
    let outcome = std::panic::catch_unwind(|| {
        for (page, text) in pages() {
            for (line, block) in blocks(&text, "c") {
                let what = format!("docs/guide/{page}.md:{line}");
                let (source, program) =
                    (folder.join(format!("{page}-{line}.c")), folder.join(format!("{page}-{line}")));
                fs::write(&source, block).expect("write");
                let options = ["-std=gnu11", "-Wall", "-Werror", "-Wno-unused-result", "-o"];
                let mut compiler = Command::new("cc");
                let mut compiler = match compiler.args(options).arg(&program).arg(&source).arg("-lrt").spawn() {
                    Err(error) if error.kind() == ErrorKind::NotFound => {
                        eprintln!("skipped, for there is no C compiler");
                        return;
                    }
                    started => started.expect("start the compiler"),
                };
                let exit = compiler.wait_timeout(LONG).expect("wait");
                assert!(exit.is_some_and(|exit| exit.success()), "{what}: does not compile");
                assert_eq!(output(&program, &what), LINES, "{what}");
            }
        }
    });
    fs::remove_dir_all(&folder).expect("remove it");
    outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

/// Every mechanism has its row in the front table, with a link to a page that has room for its figures; every page is linked.
#[test]
fn every_mechanism_has_a_page() {
    let pages = pages();
    let front = &pages["README"];
    for mechanism in Mechanism::ALL {
        let name = mechanism.name();
        let row = front.lines().find_map(|line| line.strip_prefix(&format!("| [{name}](")));
        let row = row.unwrap_or_else(|| panic!("docs/guide/README.md: the table has no row '| [{name}](...'"));
        let page = row.split([')', '#']).next().and_then(|it| it.strip_suffix(".md")).expect("a link to a page");
        let text = pages.get(page).unwrap_or_else(|| panic!("docs/guide/{page}.md is not there"));
        let room = format!("<!-- figures: {name} -->\n");
        let after = text.split_once(&room).unwrap_or_else(|| panic!("docs/guide/{page}.md: no line '{room}'")).1;
        assert_eq!(after.lines().nth(1), Some("<!-- /figures -->"), "docs/guide/{page}.md: one line for {name}");
    }
    for page in pages.keys().filter(|page| *page != "README") {
        assert!(front.contains(&format!("({page}.md")), "docs/guide/README.md has no link to {page}.md");
    }
}

/// What the front table says of a mechanism is what the code says.
#[test]
fn front_table_says_what_the_code_says() {
    let pages = pages();
    let rows: Vec<Vec<&str>> = pages["README"]
        .lines()
        .map(|line| line.split('|').map(str::trim).collect())
        .filter(|row: &Vec<_>| row.len() > 10)
        .collect();
    let heads = rows.iter().find(|row| row[1] == "mechanism").expect("the table");
    for mechanism in Mechanism::ALL {
        let (name, can) = (mechanism.name(), mechanism.capabilities());
        let row = rows.iter().find(|row| row[1].starts_with(&format!("[{name}]("))).expect("a row");
        let cell = |head: &str| row[heads.iter().position(|it| *it == head).expect("a column")];
        let boundaries = match can.boundaries {
            Boundaries::Framed => "a length in front",
            Boundaries::Count => "a count",
            _ => "kept",
        };
        assert_eq!(cell("boundaries"), boundaries, "{name}");
        let users = |users| match users {
            Users::One => "1",
            Users::Many => "n",
            Users::All => "all",
        };
        let sides = format!("{} : {}", users(can.senders), users(can.receivers));
        assert_eq!(cell("senders : receivers"), sides, "{name}");
        let left = match can.survival {
            Survival::Nothing => "nothing left",
            Survival::Name => "the path",
            Survival::Messages => "the queue and its messages",
        };
        assert!(cell("when all have died").starts_with(left), "{name}: {left}");
        assert_eq!(cell("tells the end").starts_with("yes"), can.tells_end, "{name}: tells the end");
        assert_eq!(cell("name") != "no", can.has_name, "{name}: name");
    }
}

/// The limits, traps and deaths of a mechanism, and where to read on, are on each page.
#[test]
fn pages_have_their_parts() {
    for (page, text) in pages().iter().filter(|(page, _)| *page != "README") {
        let lines = text.lines().count();
        assert!(lines <= 175, "docs/guide/{page}.md has {lines} lines; a page is read in five minutes");
        // That one is of situations, not of a mechanism.
        if page == "debugging" {
            continue;
        }
        for part in ["## Limits", "## Traps", "## When", "## Deaths", "## Who sees it", "## The program", "## Sources"]
        {
            let has = text.lines().any(|line| line.starts_with(part));
            assert!(has, "docs/guide/{page}.md has no '{part}'");
        }
    }
}
