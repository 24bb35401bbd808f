//! Why a line has no sum.

use std::fmt::{self, Write};

/// Why a line has no sum.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A token is not a number: the first such on the line.
    BadToken(BadToken),
    /// The line's integers add up to more than a signed 128-bit integer holds, or one of them is longer than
    /// 76 digits (leading zeros aside).
    Overflow,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadToken(token) => token.fmt(f),
            Self::Overflow => f.write_str("sum exceeds 128 bits"),
        }
    }
}

impl std::error::Error for Fault {}

/// A token that is not a number, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadToken {
    /// Characters before it on its line, as far as the line is known.
    pub(crate) offset_chars: u64,
    /// Escaped and cut: see [`BadToken::text`].
    pub(crate) text: String,
}

impl BadToken {
    /// The most that `text` is long: 40 characters of up to four bytes, and the ellipsis.
    pub(crate) const TEXT_BYTES: usize = MAX_CHARS * 4 + '…'.len_utf8();

    pub(crate) fn new(offset_chars: u64, token: &[u8]) -> Self {
        Self { offset_chars, text: escape(token) }
    }

    /// What a peer alleges; `None` if [`BadToken::new`] could not have made it.
    pub(crate) fn from_parts(offset_chars: u64, text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        // One that was not cut may end in an ellipsis of its own, and be nothing else.
        let shown = text.strip_suffix('…').unwrap_or(text);
        let plausible =
            !text.is_empty() && shown.chars().count() <= MAX_CHARS && shown.chars().all(|c| escape_of(c).is_none());
        plausible.then(|| Self { offset_chars, text: text.to_owned() })
    }

    /// Its place on the line: 1 for the first character. Characters are counted as UTF-8 does; a byte that continues
    /// nothing counts for nothing.
    pub fn column(&self) -> u64 {
        self.offset_chars.saturating_add(1)
    }

    /// The token as an operator may safely see it: control bytes and bytes that are not UTF-8 as `\x00`, characters
    /// that do not print as `\u{202e}`, and no more than 40 characters before an ellipsis.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for BadToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is not a number", self.text)
    }
}

const MAX_CHARS: usize = 40;

fn escape(token: &[u8]) -> String {
    // Enough for 40 characters whatever they are, and it keeps a token of a gigabyte cheap.
    let head = &token[..token.len().min(MAX_CHARS * 4)];
    let mut text = String::new();
    let mut length = 0;
    let mut piece = String::new();
    for chunk in head.utf8_chunks() {
        let shown = chunk.valid().chars().map(Ok).chain(chunk.invalid().iter().map(Err));
        for item in shown {
            piece.clear();
            match item {
                Ok(c) => match escape_of(c) {
                    None => piece.push(c),
                    Some(escaped) => piece.push_str(&escaped),
                },
                Err(byte) => push_hex(&mut piece, *byte),
            }
            // Escapes are ASCII, so a piece's bytes are its characters unless it is one character.
            let piece_chars = piece.chars().count();
            if length + piece_chars > MAX_CHARS {
                text.push('…');
                return text;
            }
            length += piece_chars;
            text.push_str(&piece);
        }
    }
    if head.len() < token.len() {
        text.push('…');
    }
    text
}

/// How a character that must not reach a terminal as it is gets written.
fn escape_of(c: char) -> Option<String> {
    if c.is_ascii() {
        let hidden = c.is_ascii_control();
        return hidden.then(|| {
            let mut text = String::new();
            push_hex(&mut text, c as u8);
            text
        });
    }
    // What `escape_debug` shortens to itself prints; format and private characters do not.
    let escaped = c.escape_debug();
    (escaped.len() > 1).then(|| escaped.collect())
}

fn push_hex(text: &mut String, byte: u8) {
    // Writing to a string cannot fail.
    let _ = write!(text, "\\x{byte:02x}");
}
