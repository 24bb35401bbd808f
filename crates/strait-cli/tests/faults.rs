//! What is wrong with the input, the files or the command line is said in one line, and what is right is kept.

mod support;

use std::fs;
use std::io::Read as _;
use std::process::{Command, Stdio};
use support::{Directory, Running, run, strait, sum};

/// A bad token is named by file, line and column; every line before it is answered; exit 1. The message comes before the summary.
#[test]
fn bad_token_is_named() {
    let dir = Directory::new();
    let input = dir.write("input.txt", format!("{}1 2 abc 3\n5\n", "1 1\n".repeat(16)));
    let outcome = run(strait().arg("input.txt").current_dir(&dir), "");
    assert_eq!((outcome.code, outcome.text()), (1, "2\n".repeat(16).as_str()));
    let lines: Vec<_> = outcome.err.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0], "input.txt:17:5: 'abc' is not a number");
    assert!(lines[1].starts_with("16 lines, 32 numbers, total 32, "), "{}", lines[1]);

    let out = dir.path("out");
    let outcome = sum(&["-q", &input, "-o", &out], "");
    assert_eq!((outcome.code, outcome.err), (1, format!("{input}:17:5: 'abc' is not a number\n")));
    assert_eq!(fs::read_to_string(out).expect("read"), "2\n".repeat(16));
}

/// Wherever in a large input the bad line is, first, last, at a block's edge: all before it is answered, nothing after it.
#[test]
fn all_before_a_bad_line_is_answered() {
    let lines = 200_000;
    for bad in [1, 2, 777, 65_536, 131_072, lines - 1, lines] {
        let mut text = String::new();
        for n in 1..=lines {
            text.push_str(if n == bad { "8 x\n" } else { "12 3\n" });
        }
        let outcome = sum(&["-q"], &text);
        assert_eq!((outcome.code, outcome.err), (1, format!("-:{bad}:3: 'x' is not a number\n")));
        assert!(outcome.out == "15\n".repeat(bad - 1).as_bytes(), "{bad}: {} bytes", outcome.out.len());
    }
}

/// Line numbers begin again with each file; a column counts characters, not bytes.
#[test]
fn places_are_those_an_editor_shows() {
    let dir = Directory::new();
    let (a, b) = (dir.write("a", "1\n2\n3"), dir.write("b", "4\n\t5  6\tx7\n"));
    assert_eq!(sum(&["-q", &a, &b], "").err, format!("{b}:2:7: 'x7' is not a number\n"));
    assert_eq!(sum(&["-q"], "1 é 2\n").err, "-:1:3: 'é' is not a number\n");
    assert_eq!(sum(&["-q"], "1 2\r3\n").err, "-:1:3: '2\\x0d3' is not a number\n");
    assert_eq!(sum(&["-q"], "1 --2\n").err, "-:1:3: '--2' is not a number\n");
    assert_eq!(sum(&["-q"], "+\n").err, "-:1:1: '+' is not a number\n");
    assert_eq!(sum(&["-q"], "7 0x10\n").err, "-:1:3: '0x10' is not a number\n");
}

/// Beyond 128 bits there is no sum: the line is named, those before it are answered.
#[test]
fn overflow_is_named() {
    let far = "170141183460469231731687303715884105727";
    let outcome = sum(&["-q"], format!("{}{far} 1\n5\n", "1\n".repeat(6)));
    assert_eq!(
        (outcome.code, outcome.text(), outcome.err.as_str()),
        (1, "1\n1\n1\n1\n1\n1\n", "-: line 7: sum exceeds 128 bits\n")
    );
    let outcome = sum(&["-q", "--keep-going"], format!("-{far} -1 -1\n-{far} -1\n"));
    assert_eq!((outcome.code, outcome.text()), (1, format!("\n-{}\n", i128::MIN.unsigned_abs()).as_str()));
}

/// With `--keep-going` a line without a sum is an empty line in its place; ten are told, the rest counted; exit 1.
#[test]
fn keep_going_leaves_empty_lines() {
    let mut text = String::new();
    let mut answers = String::new();
    for n in 1..=10_000 {
        let is_bad = n % 7 == 0;
        text.push_str(&if is_bad { format!("{n} ?{n}\n") } else { format!("{n} 1\n") });
        answers.push_str(&if is_bad { "\n".to_owned() } else { format!("{}\n", n + 1) });
    }
    let outcome = sum(&["--keep-going"], &text);
    assert_eq!(outcome.code, 1);
    assert!(outcome.text() == answers);
    let said: Vec<_> = outcome.err.lines().collect();
    let told: Vec<_> =
        (1..=10).map(|n| n * 7).map(|n| format!("-:{n}:{}: '?{n}' is not a number", n.to_string().len() + 2)).collect();
    assert_eq!(said[..10], told);
    assert_eq!(said[10], "... and 1,418 more lines without a sum");
    assert!(said[11].starts_with("10,000 lines, "), "{}", said[11]);
    assert_eq!(said.len(), 12);

    let eleven = sum(&["--keep-going", "-q"], "x\n".repeat(11));
    assert_eq!(eleven.err.lines().last(), Some("... and 1 more line without a sum"));
    let ten = sum(&["--keep-going", "-q"], "x\n".repeat(10));
    assert_eq!(ten.err.lines().last(), Some("-:10:1: 'x' is not a number"));
}

/// Bad tokens in several files, in the first and last lines of each, are told with the right places.
#[test]
fn keep_going_over_files() {
    let dir = Directory::new();
    let (a, b) = (dir.write("a", "x\n1\ny"), dir.write("b", "2 z\n3\n"));
    let outcome = sum(&["--keep-going", "-q", &a, &b], "");
    assert_eq!((outcome.code, outcome.text()), (1, "\n1\n\n\n3\n"));
    assert_eq!(
        outcome.err,
        format!("{a}:1:1: 'x' is not a number\n{a}:3:1: 'y' is not a number\n{b}:1:3: 'z' is not a number\n")
    );
}

/// A total with a bad token in it is none; with `--keep-going` it is that of the other lines.
#[test]
fn total_and_bad_tokens() {
    let text = "1 2\n5 x\n4\n";
    let halted = sum(&["--total", "-q"], text);
    assert_eq!((halted.code, halted.text(), halted.err.as_str()), (1, "", "-:2:3: 'x' is not a number\n"));
    let kept = sum(&["--total", "--keep-going", "-q"], text);
    assert_eq!((kept.code, kept.text(), kept.err.as_str()), (1, "7\n", "-:2:3: 'x' is not a number\n"));
}

/// Binary garbage is refused with a line that a terminal can show, whatever is in it.
#[test]
fn garbage_is_refused_cleanly() {
    let mut chance = support::Chance::new();
    for len in [1, 100, 10_000, 1_000_000] {
        let garbage: Vec<u8> = (0..len).map(|_| chance.next() as u8).collect();
        for args in [&["-q"][..], &["-q", "--keep-going"]] {
            let outcome = sum(args, &garbage);
            assert!(outcome.code <= 1, "{} {}", outcome.code, outcome.err);
            assert!(outcome.err.chars().all(|c| c == '\n' || !c.is_control()), "{:?}", outcome.err);
            assert!(outcome.err.lines().count() <= 11, "{}", outcome.err);
        }
    }
    let zeros = sum(&["-q"], vec![0; 3_000_000]);
    assert_eq!((zeros.code, zeros.err.lines().count()), (1, 1), "{}", zeros.err);
}

/// What cannot be read is refused before anything is done: exit 3, and OUT is as it was.
#[test]
fn unreadable_input_is_refused() {
    let dir = Directory::new();
    let (good, out) = (dir.write("good", "1\n"), dir.write("out", "precious\n"));
    for (path, message) in [
        (dir.path("missing"), "open '{}': no such file or directory"),
        (dir.path(""), "read '{}': it is a directory; name the files in it"),
        (format!("{good}/x"), "open '{}': not a directory"),
    ] {
        let outcome = sum(&[&good, &path, "-o", &out], "");
        assert_eq!((outcome.code, outcome.text()), (3, ""));
        assert_eq!(outcome.err, format!("strait sum: {}\n", message.replace("{}", &path)));
        assert_eq!(fs::read_to_string(&out).expect("read"), "precious\n");
    }
}

/// OUT that cannot be written is refused: exit 3.
#[test]
fn unwritable_out_is_refused() {
    let dir = Directory::new();
    for (path, why) in [(dir.path("no/out"), "no such file or directory"), (dir.path(""), "is a directory")] {
        let outcome = sum(&["-o", &path], "1\n");
        assert_eq!((outcome.code, outcome.err), (3, format!("strait sum: write '{path}': {why}\n")));
    }
}

/// OUT that is also an input is refused, by whatever name, also as standard input or output; the input stays as it was.
#[test]
fn out_is_no_input() {
    let dir = Directory::new();
    let file = dir.write("file", "1 2\n");
    let link = dir.path("link");
    std::os::unix::fs::symlink(&file, &link).expect("link");
    let refused = |outcome: support::Outcome, name: &str| {
        let message =
            format!("strait sum: write {name}: it is also an input, which writing would destroy; name another file\n");
        assert_eq!((outcome.code, outcome.err), (2, message));
        assert_eq!(fs::read_to_string(&file).expect("read"), "1 2\n");
    };
    refused(sum(&[&file, "-o", &file], ""), &format!("'{file}'"));
    refused(sum(&["/dev/null", &file, "-o", &link], ""), &format!("'{link}'"));
    let shell = |script: &str| {
        let program = env!("CARGO_BIN_EXE_strait");
        run(Command::new("sh").args(["-c", script, program, &file]), "")
    };
    refused(shell(r#""$0" sum -o "$1" < "$1""#), &format!("'{file}'"));
    refused(shell(r#""$0" sum "$1" >> "$1""#), "standard output");
}

/// A full disk is told: exit 3.
#[test]
fn full_device_is_told() {
    for text in ["1\n".to_owned(), support::counted_lines(0, 300_000)] {
        let outcome = sum(&["-q", "-o", "/dev/full"], text);
        assert_eq!(
            (outcome.code, outcome.err.as_str()),
            (3, "strait sum: write '/dev/full': no space left on device\n")
        );
    }
}

/// A disk that fills up in the middle leaves whole lines: exit 3, and OUT is the beginning of the right answer.
#[test]
fn full_disk_keeps_whole_lines() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: mounting a small file system takes root");
        return;
    }
    full_disk(r#"-o "$1/out""#, 0);
    full_disk(r#"> "$1/out""#, 0);
    // Behind an answer that was there before.
    full_disk(r#">> "$1/out""#, 1);
}

fn full_disk(redirection: &str, line: u64) {
    let dir = Directory::new();
    let script = format!(
        r#"mount -t tmpfs -o size=256k none "$1" || exit 99
        echo 2 > "$1/out"; "$0" sum -q {redirection}; code=$?; cat "$1/out"; exit $code"#
    );
    let script = script.as_str();
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script, env!("CARGO_BIN_EXE_strait")]).arg(dir.as_ref() as &std::path::Path);
    let outcome = run(&mut command, support::counted_lines(line, 200_000));
    if outcome.code == 99 || outcome.err.contains("unshare") {
        println!("skipped: no file system can be mounted here: {}", outcome.err);
        return;
    }
    assert_eq!(outcome.code, 3, "{}", outcome.err);
    assert!(
        outcome.err.ends_with(": no space left on device; it holds whole lines from the beginning\n"),
        "{}",
        outcome.err
    );
    assert!(support::check_prefix(&outcome.out) > 20_000, "{} bytes", outcome.out.len());
}

/// A reader that goes away ends the run: exit 4, without a word of complaint, long before the end of the input.
#[test]
fn reader_that_goes_away() {
    let mut running = Running::start(strait().arg("-q"));
    let mut stdin = running.stdin.take().expect("piped");
    let feeder = std::thread::spawn(move || {
        let lines = support::counted_lines(0, 10_000);
        // Without end, but for the command's.
        while std::io::Write::write_all(&mut stdin, lines.as_bytes()).is_ok() {}
    });
    let mut first = [0; 4];
    running.child.stdout.take().expect("piped").read_exact(&mut first).expect("read");
    assert_eq!(&first, b"2\n3\n");
    // Its standard output is closed now.
    let outcome = running.finish();
    feeder.join().expect("join");
    assert_eq!((outcome.code, outcome.err.as_str()), (4, ""));
}

/// Nobody who listens on standard error is no reason to fail.
#[test]
fn deaf_standard_error() {
    let dir = Directory::new();
    let out = dir.path("out");
    for redirection in ["2>/dev/full", "2>&-"] {
        let script = format!(r#""$0" sum --keep-going -o "$1" {redirection}"#);
        let outcome = run(Command::new("sh").args(["-c", &script, env!("CARGO_BIN_EXE_strait"), &out]), "1 2\nx\n");
        assert_eq!((outcome.code, fs::read_to_string(&out).expect("read").as_str()), (1, "3\n\n"), "{redirection}");
    }
}

/// Without standard input there is nothing to sum.
#[test]
fn closed_standard_input() {
    let mut command = Command::new("sh");
    let outcome = run(command.args(["-c", r#""$0" sum -q <&-"#, env!("CARGO_BIN_EXE_strait")]), "");
    assert_eq!((outcome.code, outcome.text(), outcome.err.as_str()), (0, "", ""));
}

/// Wrong usage: exit 2, with a hint.
#[test]
fn wrong_usage() {
    for args in [
        &["--workers", "0"][..],
        &["--workers", "257"],
        &["--workers", "many"],
        &["--wait", "maybe"],
        &["--frob"],
        &["-o"],
    ] {
        let outcome = sum(args, "");
        assert_eq!((outcome.code, outcome.text()), (2, ""), "{args:?}");
        assert!(outcome.err.starts_with("error: ") && outcome.err.contains("--help"), "{}", outcome.err);
    }
    let nothing = run(Command::new(env!("CARGO_BIN_EXE_strait")).stdin(Stdio::null()), "");
    assert_eq!(nothing.code, 2);
}

/// The help names every option and every exit code, fits a terminal, and does not show the workers' verb.
#[test]
fn help_reads_well() {
    let help = sum(&["--help"], "");
    assert_eq!((help.code, help.err.as_str()), (0, ""));
    for word in
        ["--output", "--workers", "--total", "--keep-going", "--wait", "--quiet", "128 bits", "Exit status", "FILE"]
    {
        assert!(help.text().contains(word), "{word}");
    }
    assert!(help.text().lines().all(|line| line.chars().count() <= 100));
    let all = run(Command::new(env!("CARGO_BIN_EXE_strait")).arg("--help"), "");
    assert!(all.text().contains("sum") && !all.text().contains("worker"), "{}", all.text());
}

/// A worker that nobody started says so.
#[test]
fn worker_alone() {
    let outcome = run(Command::new(env!("CARGO_BIN_EXE_strait")).args(["sum-worker", "--wait", "sleep"]), "");
    assert_eq!(outcome.code, 4);
    assert!(
        outcome.err.starts_with("strait sum-worker: take descriptor 'pool.jobs': none was handed over"),
        "{}",
        outcome.err
    );
}
