//! The loop: looks at an interval, keys and signals in between, a picture after each.
//!
//! Three threads: one reads the keyboard, one waits for signals, and this one does everything else, told by the other two.

use super::keys::{Key, decode};
use super::order::Order;
use super::sample::{Row, Sample, Sampler};
use super::screen::{Screen, give_back};
use super::view::table::{self, HEIGHT_MIN, WIDTH_MIN};
use super::view::{Line, Look, closer, figure, help};
use super::{INTERVAL_MAX, INTERVAL_MIN};
use crate::exit::Exit;
use crate::say;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::fs::File;
use std::io::{self, Read as _};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

const STACK_BYTES: usize = 64 << 10;
/// How long the good order may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the other threads tell.
enum Input {
    Keys(Vec<Key>),
    Signal(i32),
    /// The keyboard has gone.
    Gone,
}

/// What is shown instead of the table.
#[derive(Debug, PartialEq, Eq)]
enum Page {
    Table,
    /// The channel of this name.
    Closer(String),
    Help,
}

/// What is to be done after an input.
#[derive(Debug, PartialEq, Eq)]
enum Then {
    Draw,
    LookAgain,
    Quit,
}

/// All that the picture is made of.
struct State {
    sample: Sample,
    order: Order,
    page: Page,
    /// The name of the selected row: it stays so when rows move.
    selected: Option<String>,
    /// The first row shown; of a page, the first line.
    top: usize,
    interval: Duration,
    is_stopped: bool,
    /// Whether the filter is being typed.
    is_typing: bool,
    trouble: Option<String>,
    /// How many rows were shown.
    height: usize,
}

pub(super) fn run(pattern: &str, interval: Duration) -> Exit {
    match begin(pattern, interval) {
        Ok(exit) => exit,
        // Nobody shows it any more.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => {
            say::line(format_args!("strait top: use the terminal: {error}; --batch N prints N looks as plain lines"));
            Exit::Refused
        }
    }
}

fn begin(pattern: &str, interval: Duration) -> io::Result<Exit> {
    let (tell, told) = mpsc::channel();
    watch_signals(tell.clone())?;
    let screen = Screen::enter()?;
    watch_keyboard(tell)?;
    let mut sampler = Sampler::new(pattern);
    let state = State::new(interval);
    drive(screen, state, &mut sampler, &told)
}

fn drive(mut screen: Screen, mut state: State, sampler: &mut Sampler, told: &Receiver<Input>) -> io::Result<Exit> {
    state.look(sampler);
    // The second look comes soon, for it is the first with rates.
    let mut due = Instant::now() + state.interval.min(Duration::from_millis(250));
    loop {
        draw(&screen, &mut state)?;
        let wait = if state.is_stopped { Duration::MAX } else { due.saturating_duration_since(Instant::now()) };
        let then = match told.recv_timeout(wait.min(Duration::from_secs(86_400))) {
            Ok(Input::Keys(keys)) => keys.into_iter().fold(Then::Draw, |then, key| match (then, state.key(key)) {
                (Then::Quit, _) | (_, Then::Quit) => Then::Quit,
                (Then::LookAgain, _) | (_, Then::LookAgain) => Then::LookAgain,
                _ => Then::Draw,
            }),
            Ok(Input::Signal(SIGWINCH)) => Then::Draw,
            Ok(Input::Signal(SIGTSTP)) => {
                drop(screen);
                // Stops here, until somebody lets us go on.
                let _ = emulate_default_handler(SIGTSTP);
                screen = Screen::enter()?;
                Then::Draw
            }
            // Whoever stopped us may have done so without asking, and a shell has put the terminal right since.
            Ok(Input::Signal(SIGCONT)) => {
                drop(screen);
                screen = Screen::enter()?;
                Then::Draw
            }
            Ok(Input::Signal(signal)) => return Ok(Exit::Signal(u8::try_from(signal).unwrap_or(0))),
            Ok(Input::Gone) => return Ok(Exit::Done),
            Err(RecvTimeoutError::Timeout) => Then::LookAgain,
            Err(RecvTimeoutError::Disconnected) => return Ok(Exit::Done),
        };
        match then {
            Then::Draw => {}
            Then::Quit => return Ok(Exit::Done),
            Then::LookAgain => {
                state.look(sampler);
                due = Instant::now() + state.interval;
            }
        }
    }
}

fn watch_signals(tell: Sender<Input>) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGCONT, SIGWINCH])?;
    let work = move || {
        for signal in signals.forever() {
            if matches!(signal, SIGINT | SIGTERM | SIGHUP) {
                end_anyway(signal);
            }
            if tell.send(Input::Signal(signal)).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("signals".into()).stack_size(STACK_BYTES).spawn(work).map(drop)
}

/// Ends the process when its patience is at an end: a terminal that takes nothing more (Ctrl-S, a line that is dead) holds the loop up.
fn end_anyway(signal: i32) {
    let work = move || {
        thread::sleep(PATIENCE);
        // What waits there waits for ever; the modes are put right before.
        let _ = thread::Builder::new().stack_size(STACK_BYTES).spawn(give_back);
        thread::sleep(PATIENCE / 4);
        std::process::exit(Exit::Signal(u8::try_from(signal).unwrap_or(0)).code().into());
    };
    // Without a thread for it the signal has to do.
    let _ = thread::Builder::new().name("patience".into()).stack_size(STACK_BYTES).spawn(work);
}

fn watch_keyboard(tell: Sender<Input>) -> io::Result<()> {
    let mut keyboard = File::open("/dev/tty")?;
    let work = move || {
        let mut bytes = [0; 64];
        loop {
            let input = match keyboard.read(&mut bytes) {
                Ok(count @ 1..) => Input::Keys(decode(&bytes[..count])),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                _ => Input::Gone,
            };
            let is_gone = matches!(input, Input::Gone);
            if tell.send(input).is_err() || is_gone {
                return;
            }
        }
    };
    thread::Builder::new().name("keyboard".into()).stack_size(STACK_BYTES).spawn(work).map(drop)
}

impl State {
    fn new(interval: Duration) -> Self {
        Self {
            sample: Sample::default(),
            order: Order::default(),
            page: Page::Table,
            selected: None,
            top: 0,
            interval,
            is_stopped: false,
            is_typing: false,
            trouble: None,
            height: 1,
        }
    }

    fn look(&mut self, sampler: &mut Sampler) {
        match sampler.look() {
            Ok(sample) => (self.sample, self.trouble) = (sample, None),
            Err(error) => self.trouble = Some(error.to_string()),
        }
    }

    fn key(&mut self, key: Key) -> Then {
        if self.is_typing {
            return self.type_filter(key);
        }
        match (&self.page, key) {
            (_, Key::Char('q')) => return Then::Quit,
            (Page::Help, _) => self.go_to(Page::Table),
            (_, Key::Char('?' | 'h')) => self.go_to(Page::Help),
            (_, Key::Char(' ')) => {
                self.is_stopped = !self.is_stopped;
                return if self.is_stopped { Then::Draw } else { Then::LookAgain };
            }
            (_, Key::Char('+')) => self.interval = at_interval(self.interval / 2),
            (_, Key::Char('-')) => self.interval = at_interval(self.interval * 2),
            (Page::Closer(_), Key::Escape | Key::Left | Key::Enter | Key::Backspace) => self.go_to(Page::Table),
            (Page::Closer(_), key) => self.scroll(key),
            (Page::Table, Key::Enter) => {
                if let Some(row) = self.selected_row().map(|row| row.name.clone()) {
                    self.go_to(Page::Closer(row));
                }
            }
            (Page::Table, Key::Escape) => self.order.filter.clear(),
            (Page::Table, Key::Char('/')) => self.is_typing = true,
            (Page::Table, Key::Char('s')) => self.order.by = self.order.by.next(),
            (Page::Table, Key::Char('r')) => self.order.is_reversed = !self.order.is_reversed,
            (Page::Table, key) => self.select(key),
        }
        Then::Draw
    }

    fn go_to(&mut self, page: Page) {
        (self.page, self.top) = (page, 0);
    }

    fn type_filter(&mut self, key: Key) -> Then {
        match key {
            Key::Char(letter) => self.order.filter.push(letter),
            Key::Backspace => drop(self.order.filter.pop()),
            Key::Enter => self.is_typing = false,
            Key::Escape => {
                self.order.filter.clear();
                self.is_typing = false;
            }
            _ => {}
        }
        Then::Draw
    }

    fn scroll(&mut self, key: Key) {
        self.top = moved(self.top, key, self.height);
    }

    fn select(&mut self, key: Key) {
        if let Key::Char(letter) = key {
            if let Some(column) = super::order::Column::ALL.into_iter().find(|it| it.key() == letter) {
                (self.order.by, self.order.is_reversed) = (column, false);
                return;
            }
        }
        let names: Vec<String> = self.order.of(&self.sample.rows).iter().map(|row| row.name.clone()).collect();
        let at = self.selected.as_ref().and_then(|name| names.iter().position(|it| it == name)).unwrap_or(0);
        let at = moved(at, key, self.height).min(names.len().saturating_sub(1));
        self.selected = names.get(at).cloned();
    }

    fn selected_row(&self) -> Option<&Row> {
        let rows = self.order.of(&self.sample.rows);
        let selected = rows.iter().find(|row| Some(&row.name) == self.selected.as_ref());
        selected.or(rows.first()).copied()
    }

    /// The picture for a terminal of this size.
    fn lines(&mut self, width: usize, height: usize) -> Vec<Line> {
        if width < WIDTH_MIN || height < HEIGHT_MIN {
            let needed = format!("strait top needs {WIDTH_MIN}x{HEIGHT_MIN}, this is {width}x{height}; q quits");
            return vec![Line::new(Look::Warn, "the terminal is too small"), Line::new(Look::Plain, needed)];
        }
        // Above and below stand a line each.
        self.height = height - 2;
        let mut lines = vec![Line::new(Look::Bold, format!("strait top  {}", table::summary(&self.sample)))];
        match &self.page {
            Page::Table => self.table(width, &mut lines),
            Page::Closer(name) => {
                let row = self.sample.rows.iter().find(|row| row.name == *name);
                let gone = || vec![Line::new(Look::Warn, format!("{name} has gone"))];
                let body = row.map_or_else(gone, closer::lines);
                self.top = self.top.min(body.len().saturating_sub(self.height));
                lines.extend(body.into_iter().skip(self.top).take(self.height));
            }
            Page::Help => lines.extend(help::lines().into_iter().take(self.height)),
        }
        lines.resize(height - 1, Line::default());
        lines.push(self.status());
        lines
    }

    fn table(&mut self, width: usize, lines: &mut Vec<Line>) {
        self.height -= 1;
        lines.push(table::titles(width, &self.order));
        let rows = self.order.of(&self.sample.rows);
        let at = rows.iter().position(|row| Some(&row.name) == self.selected.as_ref());
        // The selected row is always in sight.
        let at = at.unwrap_or(0);
        self.top = self.top.min(at).max((at + 1).saturating_sub(self.height));
        self.top = self.top.min(rows.len().saturating_sub(self.height));
        for (index, row) in rows.iter().enumerate().skip(self.top).take(self.height) {
            let line = table::row(row, width);
            lines.push(if index == at { line.all(Look::Reverse, width) } else { line });
        }
        if rows.is_empty() {
            let why = if self.order.filter.is_empty() { "there are none" } else { "no name contains that" };
            lines.push(Line::new(Look::Dim, why));
        }
    }

    fn status(&self) -> Line {
        if let Some(trouble) = &self.trouble {
            return Line::new(Look::Bad, trouble.clone());
        }
        if self.is_typing {
            return Line::new(Look::Bold, format!("show names that contain: {}_", self.order.filter));
        }
        let stopped = if self.is_stopped { ", stopped" } else { "" };
        let filter = &self.order.filter;
        let filter = if filter.is_empty() { String::new() } else { format!("  only '{filter}'") };
        let keys = match self.page {
            Page::Table => "Enter looks closer, s sorts, / filters, h helps, q quits",
            Page::Closer(_) => "Esc goes back, q quits",
            Page::Help => "any key goes back",
        };
        Line::new(Look::Dim, format!("every {}{stopped}{filter}  {keys}", figure::time(self.interval)))
    }
}

fn draw(screen: &Screen, state: &mut State) -> io::Result<()> {
    let (width, height) = screen.size();
    let lines = state.lines(width, height);
    let drawn: Vec<String> = lines.iter().take(height).map(|line| line.draw(width, screen.is_colourful)).collect();
    screen.draw(&drawn)
}

fn at_interval(interval: Duration) -> Duration {
    interval.clamp(Duration::from_secs_f64(INTERVAL_MIN), Duration::from_secs_f64(INTERVAL_MAX))
}

/// Where a key leads from here.
fn moved(from: usize, key: Key, page: usize) -> usize {
    match key {
        Key::Up | Key::Char('k') => from.saturating_sub(1),
        Key::Down | Key::Char('j') => from + 1,
        Key::PageUp => from.saturating_sub(page),
        Key::PageDown => from + page,
        Key::Home => 0,
        // Cut where it is used.
        Key::End => usize::MAX / 2,
        _ => from,
    }
}

#[cfg(test)]
pub(super) mod picture {
    //! A picture without a terminal, for tests.

    use super::*;

    pub(in crate::top) fn of(sample: Sample, keys: &str, width: usize, height: usize) -> Vec<String> {
        let mut state = State { sample, ..State::new(Duration::from_secs(1)) };
        // The height of the page is known from the picture before.
        state.lines(width, height);
        for key in decode(keys.as_bytes()) {
            state.key(key);
        }
        let lines = state.lines(width, height);
        lines.iter().map(|line| line.draw(width, false)).collect()
    }
}
