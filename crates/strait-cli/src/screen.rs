//! What a person sees of a list: columns as wide as the terminal, colours where they are wanted, and an output that may be closed.

use crate::exit::Exit;
use crate::say;
use rustix::termios::tcgetwinsize;
use std::io::{self, IsTerminal as _, Write as _};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Where a terminal does not say how wide it is.
const WIDTH: usize = 80;
/// Between two columns.
const GAP: usize = 2;

/// Colours, where they are wanted: a terminal, and no `NO_COLOR`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint(bool);

impl Paint {
    pub(crate) fn on_output() -> Self {
        let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self(io::stdout().is_terminal() && !is_unwanted)
    }

    /// None, whatever the output is.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self(false)
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// Of a text that may be wider than the terminal.
    pub(crate) fn bold_lines(self, text: &str) -> String {
        let lines = crate::text::wrapped(text, width().unwrap_or(usize::MAX));
        lines.iter().map(|line| self.bold(line) + "\n").collect()
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    pub(crate) fn warning(self, text: &str) -> String {
        self.with("33", text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.with("31", text)
    }

    pub(crate) fn faint(self, text: &str) -> String {
        self.with("2", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// How many columns the terminal has; `None`: the output is none, and nothing is cut.
pub(crate) fn width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let columns = tcgetwinsize(io::stdout()).map_or(0, |size| usize::from(size.ws_col));
    Some(if columns == 0 { WIDTH } else { columns.max(40) })
}

/// Writes the answer of `strait verb`. Who closed the output has seen enough: that is no error.
pub(crate) fn put(verb: &str, text: &str, done: Exit) -> Exit {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Ok(()) => done,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => {
            say::line(format_args!("strait {verb}: write the answer to standard output: {error}"));
            Exit::Refused
        }
    }
}

/// A column of a list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) head: &'static str,
    pub(crate) align: Align,
    /// What it may be cut to where the terminal is too narrow; `None`: never.
    pub(crate) least: Option<usize>,
}

/// On which side the blanks go, and where a text that is too long is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
    /// Left, and cut in its middle: the end of a path says as much as its beginning.
    Middle,
}

/// Rows of cells under a head, each row painted as a whole or not at all; within `width` columns if it says so.
pub(crate) fn list(
    columns: &[Column],
    rows: &[Vec<String>],
    width: Option<usize>,
    paint: impl Fn(usize, usize, &str) -> String,
    head: impl Fn(&str) -> String,
) -> String {
    let widths = widths(columns, rows, width);
    let mut text = head(&line(columns, &widths, columns.iter().map(|it| it.head), |_, cell| cell.to_owned()));
    text.push('\n');
    for (number, row) in rows.iter().enumerate() {
        text += &line(columns, &widths, row.iter().map(String::as_str), |column, cell| paint(number, column, cell));
        text.push('\n');
    }
    text
}

fn line<'a>(
    columns: &[Column],
    widths: &[usize],
    cells: impl Iterator<Item = &'a str>,
    paint: impl Fn(usize, &str) -> String,
) -> String {
    let mut text = String::new();
    for (at, (cell, (column, &width))) in cells.zip(columns.iter().zip(widths)).enumerate() {
        let is_last = at + 1 == columns.len();
        let cell = cut(cell, width, column.align);
        let blanks = " ".repeat(width.saturating_sub(cell.width()));
        match column.align {
            Align::Right => text += &(blanks + &paint(at, &cell)),
            // Nothing is written behind the last one.
            Align::Left | Align::Middle if is_last => text += &paint(at, &cell),
            Align::Left | Align::Middle => text += &(paint(at, &cell) + &blanks),
        }
        if !is_last {
            text += &" ".repeat(GAP);
        }
    }
    text.truncate(text.trim_end().len());
    text
}

/// As wide as the widest cell; what is too much is taken from those that may be cut, from the widest first.
fn widths(columns: &[Column], rows: &[Vec<String>], width: Option<usize>) -> Vec<usize> {
    let of = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.width()).max().unwrap_or(0);
    let mut widths: Vec<usize> = columns.iter().enumerate().map(|(at, it)| of(at).max(it.head.len())).collect();
    let Some(width) = width else { return widths };
    let gaps = GAP * columns.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > width {
        let can = |at: &usize| columns[*at].least.is_some_and(|least| widths[*at] > least);
        let Some(widest) = (0..columns.len()).filter(can).max_by_key(|&at| widths[at]) else { break };
        widths[widest] -= 1;
    }
    widths
}

/// At most so wide.
pub(crate) fn cut(text: &str, width: usize, align: Align) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(1);
    let end = if align == Align::Middle { room / 2 } else { 0 };
    let take = |chars: &mut dyn Iterator<Item = char>, room: usize| {
        let mut used = 0;
        let fits = |c: &char| {
            used += c.width().unwrap_or(0);
            used <= room
        };
        chars.take_while(fits).collect::<String>()
    };
    let tail: String = take(&mut text.chars().rev(), end).chars().rev().collect();
    take(&mut text.chars(), room - end) + "…" + &tail
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cut keeps within its width, counts wide characters twice, and keeps both ends of a path.
    #[test]
    fn cuts() {
        assert_eq!(cut("/a/long/path", 12, Align::Middle), "/a/long/path");
        assert_eq!(cut("/a/long/path", 7, Align::Middle), "/a/…ath");
        assert_eq!(cut("/a/long/path", 7, Align::Left), "/a/lon…");
        assert_eq!(cut("漢字漢字", 6, Align::Left), "漢字…");
        assert_eq!(cut("x", 0, Align::Left), "…");
    }

    /// Within the terminal's width, the columns that may be cut are, the widest first; without one nothing is.
    #[test]
    fn columns_fit() {
        let columns = [
            Column { head: "KIND", align: Align::Left, least: None },
            Column { head: "NAME", align: Align::Middle, least: Some(6) },
            Column { head: "SIZE", align: Align::Right, least: None },
        ];
        let rows = vec![vec!["spsc".to_owned(), "x".repeat(60), "4 KiB".to_owned()]];
        let drawn = |width| list(&columns, &rows, width, |_, _, cell| cell.to_owned(), str::to_owned);
        let narrow = drawn(Some(40));
        assert!(narrow.lines().all(|line| line.width() == 40), "{narrow}");
        assert!(narrow.starts_with("KIND  NAME ") && narrow.ends_with("…xxxxxxxxxxxxx  4 KiB\n"), "{narrow}");
        assert!(drawn(None).lines().any(|line| line.contains(&"x".repeat(60))));
    }
}
