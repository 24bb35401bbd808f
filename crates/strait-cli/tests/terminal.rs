//! What a person at a terminal sees: a prompt and an answer at once; a bar that is gone when it is done.

mod support;

use std::process::Command;
use support::terminal::Terminal;
use support::{Directory, counted_lines};

/// `strait sum` with standard input and error, and if so wished output, on a terminal of its own.
fn at_terminal(args: &[&str], is_output_too: bool) -> Terminal {
    let mut command = Command::new("setsid");
    command.args(["-c", "env", "--default-signal=INT,HUP,TERM"]);
    command.arg(env!("CARGO_BIN_EXE_strait")).arg("sum").args(args);
    Terminal::run(command, (90, 30), is_output_too)
}

/// It prompts, answers each line at once, says what is wrong with a line and goes on; an empty line ends it.
#[test]
fn dialogue() {
    let mut terminal = at_terminal(&[], true);
    for (typed, answer) in [("1 2 3", "6"), ("  .1 .2", "0.30000000000000004"), ("-5", "-5"), ("inf 1", "inf")] {
        terminal.wait_for("> ");
        terminal.press(format!("{typed}\n"));
        terminal.wait_for(&format!("{typed}\r\n{answer}\r\n"));
    }
    for n in 0..15 {
        terminal.wait_for("> ");
        terminal.press(format!("1 x{n}\n"));
        terminal.wait_for(&format!("1 x{n}\r\ncolumn 3: 'x{n}' is not a number\r\n"));
    }
    terminal.wait_for("> ");
    terminal.press("170141183460469231731687303715884105727 1\n");
    terminal.wait_for("\r\nsum exceeds 128 bits\r\n> ");
    terminal.press("4 4\n");
    terminal.wait_for("\r\n8\r\n> ");
    terminal.press("\n");
    let (code, shown) = terminal.finish();
    assert_eq!(code, 1, "a line had no sum");
    assert!(shown.lines().last().is_some_and(|summary| summary.starts_with("21 lines, ")), "{shown:?}");
}

/// What is typed need not be text: it is no number, and the dialogue goes on.
#[test]
fn dialogue_with_garbage() {
    let mut terminal = at_terminal(&["-q"], true);
    terminal.wait_for("> ");
    terminal.press(b"1 \xff\xfe\n");
    terminal.wait_for("column 3: '\\xff\\xfe' is not a number\r\n> ");
    terminal.press("2 2\n");
    terminal.wait_for("\r\n4\r\n> ");
    terminal.press("\x04");
    let (code, shown) = terminal.finish();
    assert_eq!(code, 1);
    assert!(shown.ends_with("> \r\n"), "{shown:?}");
}

/// Ctrl-D ends it, at the beginning of a line and, twice, behind numbers, which are still answered.
#[test]
fn ctrl_d_ends_the_dialogue() {
    let mut terminal = at_terminal(&[], true);
    terminal.wait_for("> ");
    terminal.press("5 5\n");
    terminal.wait_for("\r\n10\r\n> ");
    terminal.press("7 8\x04");
    terminal.wait_for("7 8");
    terminal.press("\x04");
    terminal.wait_for("15\r\n> ");
    terminal.press("\x04");
    let (code, shown) = terminal.finish();
    assert_eq!(code, 0);
    assert!(shown.lines().last().is_some_and(|line| line.starts_with("2 lines, 4 numbers, total 25, ")), "{shown:?}");
    assert!(!shown.contains("B/s"), "how fast a person types is nobody's business: {shown:?}");
}

/// Ctrl-C ends it too: 130, the summary on a line of its own, no complaint.
#[test]
fn ctrl_c_ends_the_dialogue() {
    let mut terminal = at_terminal(&[], true);
    terminal.wait_for("> ");
    terminal.press("5 5\n");
    terminal.wait_for("\r\n10\r\n> ");
    terminal.press("1 2\x03");
    let (code, shown) = terminal.finish();
    assert_eq!(code, 130);
    assert!(shown.contains("^C\r\n1 line, 2 numbers, total 10, "), "{shown:?}");
    assert!(!shown.contains("strait sum:"), "{shown:?}");
}

/// A dialogue about a total answers once, at the end.
#[test]
fn dialogue_about_a_total() {
    let mut terminal = at_terminal(&["--total", "-q"], true);
    for _ in 0..3 {
        terminal.wait_for("> ");
        terminal.press("5 5\n");
    }
    terminal.wait_for("> ");
    terminal.press("\n");
    terminal.wait_for("\r\n30\r\n");
    assert_eq!(terminal.finish().0, 0);
}

/// With a file as input there is a bar on the terminal, with bytes, rate, time left and lines; it is wiped away at the end, the
/// summary stays, and the cursor is back.
#[test]
fn bar_comes_and_goes() {
    let dir = Directory::new();
    let input = dir.write("input", counted_lines(0, 3_000_000));
    let inputs = vec![input.as_str(); 8];
    let mut terminal = at_terminal(&inputs, false);
    terminal.wait_for("B/s, ");
    terminal.wait_for(" left, ");
    terminal.wait_for(" lines");
    let (code, shown) = terminal.finish();
    assert_eq!(code, 0, "{shown}");
    let (bars, summary) = shown.rsplit_once("\x1b[2K").expect("the last bar is wiped");
    assert!(bars.contains("=>"), "{bars:?}");
    assert!(
        summary.trim_start_matches(['\r', '\n']).starts_with("24,000,000 lines, 72,000,000 numbers, "),
        "{summary:?}"
    );
    assert!(!summary.contains("=>"), "{summary:?}");
    assert_eq!(shown.matches("\x1b[?25l").count(), shown.matches("\x1b[?25h").count(), "the cursor is shown again");
}

/// Interrupted, the bar goes as well, and what happened is said.
#[test]
fn interrupted_bar_leaves_a_clean_terminal() {
    let dir = Directory::new();
    let input = dir.write("input", counted_lines(0, 3_000_000));
    let inputs = vec![input.as_str(); 50];
    let mut terminal = at_terminal(&inputs, false);
    terminal.wait_for(" lines");
    terminal.press("\x03");
    let (code, shown) = terminal.finish();
    assert_eq!(code, 130, "{shown}");
    let (_, after) = shown.rsplit_once("\x1b[2K").expect("the last bar is wiped");
    let said: Vec<_> = after.trim_start_matches(['\r', '\n']).lines().collect();
    assert_eq!(said[0], "strait sum: ended by SIGINT before all lines were summed");
    assert!(said[1].contains(" lines, ") && said.len() == 2, "{said:?}");
}

/// Bad tokens are told above the bar, each on a line of its own.
#[test]
fn reports_do_not_tear_the_bar() {
    let dir = Directory::new();
    let bad = dir.write("bad", "1 x\n");
    let good = dir.write("good", counted_lines(0, 3_000_000));
    let mut args = vec!["--keep-going"];
    for _ in 0..5 {
        args.extend([good.as_str(), bad.as_str()]);
    }
    let (code, shown) = at_terminal(&args, false).finish();
    assert_eq!(code, 1);
    let report = format!("{bad}:1:3: 'x' is not a number");
    assert_eq!(shown.matches(&report).count(), 5, "{shown:?}");
    assert!(shown.lines().last().is_some_and(|line| line.contains("15,000,005 lines, ")), "{shown:?}");
}

/// `--quiet` shows no bar and no summary.
#[test]
fn quiet_is_quiet() {
    let dir = Directory::new();
    let input = dir.write("input", counted_lines(0, 3_000_000));
    assert_eq!(at_terminal(&["-q", &input, &input, &input], false).finish(), (0, String::new()));
}
