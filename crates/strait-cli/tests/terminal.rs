//! What a person at a terminal sees: a prompt and an answer at once; a bar that is gone when it is done.

mod support;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Instant;
use support::{Directory, LIMIT, counted_lines};

/// A terminal, and what runs in it.
struct Terminal {
    keyboard: File,
    child: Child,
    screen: Receiver<Vec<u8>>,
    /// All that was ever shown.
    shown: String,
    /// Up to where `wait_for` has looked.
    seen: usize,
}

impl Terminal {
    /// Runs `strait sum` with standard input and error, and if so wished output, on a new terminal.
    fn start(args: &[&str], is_output_too: bool) -> Self {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
        grantpt(&controller).expect("grantpt");
        unlockpt(&controller).expect("unlockpt");
        let size = Winsize { ws_row: 30, ws_col: 90, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&controller, size).expect("a size");
        let path = ptsname(&controller, Vec::new()).expect("its name").into_string().expect("UTF-8");
        let side = || OpenOptions::new().read(true).write(true).open(&path).expect("open the terminal");
        // setsid makes it the terminal that Ctrl-C comes from.
        let mut command = Command::new("setsid");
        command.args(["-c", "env", "--default-signal=INT,HUP,TERM"]);
        command.arg(env!("CARGO_BIN_EXE_strait")).arg("sum").args(args).env("TERM", "xterm");
        command.stdin(side()).stderr(side());
        command.stdout(if is_output_too { Stdio::from(side()) } else { Stdio::null() });
        let child = command.spawn().expect("start");
        drop(command);
        support::watch_over(&child);
        let keyboard = File::from(controller);
        let mut reader = keyboard.try_clone().expect("a copy");
        let (show, screen) = mpsc::channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Ends, with EIO, when the last process has let go of the terminal.
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                if show.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { keyboard, child, screen, shown: String::new(), seen: 0 }
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("type");
    }

    /// Waits until this is shown, behind what was waited for before.
    fn wait_for(&mut self, text: &str) {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(at) = self.shown[self.seen..].find(text) {
                self.seen += at + text.len();
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.screen.recv_timeout(left) {
                Ok(bytes) => self.shown.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => panic!("'{text}' was not shown; what was: {:?}", &self.shown[self.seen..]),
            }
        }
    }

    /// Waits for the end; the exit code, and all that was shown.
    fn finish(mut self) -> (i32, String) {
        let pid = rustix::process::Pid::from_child(&self.child);
        assert!(support::has_ended_within(pid, LIMIT), "still runs; shown: {:?}", self.shown);
        let code = support::code(self.child.wait().expect("wait"));
        while let Ok(bytes) = self.screen.recv_timeout(LIMIT) {
            self.shown.push_str(&String::from_utf8_lossy(&bytes));
        }
        (code, std::mem::take(&mut self.shown))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// It prompts, answers each line at once, says what is wrong with a line and goes on; an empty line ends it.
#[test]
fn dialogue() {
    let mut terminal = Terminal::start(&[], true);
    for (typed, answer) in [("1 2 3", "6"), ("  .1 .2", "0.30000000000000004"), ("-5", "-5"), ("inf 1", "inf")] {
        terminal.wait_for("> ");
        terminal.press(&format!("{typed}\n"));
        terminal.wait_for(&format!("{typed}\r\n{answer}\r\n"));
    }
    for n in 0..15 {
        terminal.wait_for("> ");
        terminal.press(&format!("1 x{n}\n"));
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
    let mut terminal = Terminal::start(&["-q"], true);
    terminal.wait_for("> ");
    terminal.keyboard.write_all(b"1 \xff\xfe\n").expect("type");
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
    let mut terminal = Terminal::start(&[], true);
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
    let mut terminal = Terminal::start(&[], true);
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
    let mut terminal = Terminal::start(&["--total", "-q"], true);
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
    let mut terminal = Terminal::start(&inputs, false);
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
    let mut terminal = Terminal::start(&inputs, false);
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
    let (code, shown) = Terminal::start(&args, false).finish();
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
    assert_eq!(Terminal::start(&["-q", &input, &input, &input], false).finish(), (0, String::new()));
}
