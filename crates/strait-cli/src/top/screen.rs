//! The terminal: taken over, and given back however this ends.
//!
//! 1. Drawn on is the other screen, so what was there before is there again afterwards. Keys come one by one and are not shown; Ctrl-C and
//!    Ctrl-Z stay signals.
//! 2. It is given back when [`Screen`] is dropped, which an error and a signal that asks to end lead to; and by a panic, before that says
//!    what it has to say. A kill that cannot be caught leaves it as it is: `reset` mends it.
//! 3. Each picture is one write, over the one before, so nothing flickers, and a slow line gets no more than a picture at a time.

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use std::fs::File;
use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};

/// The other screen, no cursor, no wrapping.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";
/// Drawn as a whole, by terminals that know how.
const BEGIN: &str = "\x1b[?2026h\x1b[H";
const END: &str = "\x1b[J\x1b[?2026l";

/// How the terminal was, while it is taken over.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// The terminal, taken over.
#[derive(Debug)]
pub(super) struct Screen {
    pub(super) is_colourful: bool,
}

impl Screen {
    /// Takes it over.
    ///
    /// # Errors
    /// Where it is no terminal, or has gone.
    pub(super) fn enter() -> io::Result<Self> {
        static HOOK: std::sync::Once = std::sync::Once::new();
        HOOK.call_once(|| {
            let say = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |why| {
                give_back();
                say(why);
            }));
        });
        let terminal = File::open("/dev/tty")?;
        let before = tcgetattr(&terminal)?;
        let mut raw = before.clone();
        raw.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ECHONL | LocalModes::IEXTEN;
        raw.special_codes[SpecialCodeIndex::VMIN] = 1;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        tcsetattr(&terminal, OptionalActions::Now, &raw)?;
        let screen = Self { is_colourful: std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty()) };
        show(ENTER)?;
        Ok(screen)
    }

    /// Columns and rows; 80 and 24 where the terminal does not say.
    pub(super) fn size(&self) -> (usize, usize) {
        match tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
            _ => (80, 24),
        }
    }

    /// Draws a picture: lines that are no wider than the terminal, and not more than it has.
    ///
    /// # Errors
    /// Where nobody shows it any more.
    pub(super) fn draw(&self, lines: &[String]) -> io::Result<()> {
        let mut picture = String::from(BEGIN);
        for (index, line) in lines.iter().enumerate() {
            if index > 0 {
                picture.push_str("\r\n");
            }
            // Before the line: behind one that is as wide as the terminal it would wipe the last character.
            picture.push_str("\x1b[K");
            picture.push_str(line);
        }
        picture.push_str(END);
        show(&picture)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn show(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Gives it back, once for each time that it was taken over.
pub(super) fn give_back() {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(before) = before else { return };
    // Where the terminal has gone there is nothing to give back. The modes first: what is shown may have to wait for a terminal that was
    // stopped (Ctrl-S), and these do not.
    if let Ok(terminal) = File::open("/dev/tty") {
        let _ = tcsetattr(terminal, OptionalActions::Now, &before);
    }
    let _ = show(LEAVE);
}
