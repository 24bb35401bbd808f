//! A terminal, and what a person at it types and sees.

use super::{LIMIT, code, has_ended_within, watch_over};
use rustix::process::Pid;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Instant;

pub(crate) struct Terminal {
    keyboard: File,
    child: Child,
    screen: Receiver<Vec<u8>>,
    /// All that was ever shown.
    pub(crate) shown: String,
    /// Up to where `wait_for` has looked.
    seen: usize,
}

impl Terminal {
    /// Runs `command` with standard input, error and, if so wished, output on a new terminal. It begins with `setsid -c`, which makes it the
    /// terminal that Ctrl-C comes from.
    pub(crate) fn run(mut command: Command, (columns, rows): (u16, u16), is_output_too: bool) -> Self {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
        grantpt(&controller).expect("grantpt");
        unlockpt(&controller).expect("unlockpt");
        tcsetwinsize(&controller, size(columns, rows)).expect("a size");
        let path = ptsname(&controller, Vec::new()).expect("its name").into_string().expect("UTF-8");
        let side = || OpenOptions::new().read(true).write(true).open(&path).expect("open the terminal");
        command.env("TERM", "xterm").env_remove("NO_COLOR").stdin(side()).stderr(side());
        command.stdout(if is_output_too { Stdio::from(side()) } else { Stdio::null() });
        let child = command.spawn().expect("start");
        // It has our copies of the terminal.
        drop(command);
        watch_over(&child);
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

    pub(crate) fn press(&mut self, keys: impl AsRef<[u8]>) {
        self.keyboard.write_all(keys.as_ref()).expect("type");
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        tcsetwinsize(&self.keyboard, size(columns, rows)).expect("a size");
    }

    /// Waits until this is shown, behind what was waited for before.
    pub(crate) fn wait_for(&mut self, text: &str) {
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

    /// Whether lines are edited and shown as they are typed, as a shell leaves it.
    pub(crate) fn is_cooked(&self) -> bool {
        // Of the terminal, asked through its other side.
        let modes = tcgetattr(&self.keyboard).expect("a terminal").local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO)
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits for the end; the exit code.
    pub(crate) fn ended(&mut self) -> i32 {
        assert!(has_ended_within(self.pid(), LIMIT), "still runs; shown: {:?}", self.shown);
        code(self.child.wait().expect("wait"))
    }

    /// Waits for the end; the exit code, and all that was shown.
    pub(crate) fn finish(mut self) -> (i32, String) {
        let code = self.ended();
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

fn size(columns: u16, rows: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}
