//! What was typed, out of the bytes of a terminal.

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Char(char),
    Enter,
    Escape,
    Backspace,
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    Left,
}

/// The keys of what was read at once. Sequences that are not known are nothing.
pub(super) fn decode(bytes: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        rest = tail;
        let key = match first {
            0x1b => {
                let (key, used) = sequence(tail);
                rest = &tail[used..];
                key
            }
            b'\r' | b'\n' => Some(Key::Enter),
            0x7f | 0x08 => Some(Key::Backspace),
            0x20..=0x7e => Some(Key::Char(char::from(*first))),
            _ => None,
        };
        keys.extend(key);
    }
    keys
}

/// What follows an escape: the key, and how many bytes of it there were.
fn sequence(tail: &[u8]) -> (Option<Key>, usize) {
    let [b'[' | b'O', body @ ..] = tail else { return (Some(Key::Escape), 0) };
    let Some(end) = body.iter().position(|byte| (0x40..=0x7e).contains(byte)) else {
        return (None, tail.len());
    };
    let key = match (body[end], &body[..end]) {
        (b'A', _) => Some(Key::Up),
        (b'B', _) => Some(Key::Down),
        (b'D', _) => Some(Key::Left),
        (b'H', _) | (b'~', b"1" | b"7") => Some(Key::Home),
        (b'F', _) | (b'~', b"4" | b"8") => Some(Key::End),
        (b'~', b"5") => Some(Key::PageUp),
        (b'~', b"6") => Some(Key::PageDown),
        _ => None,
    };
    (key, end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Letters, arrows in both modes, keys with numbers, a lone escape; what is not known is left out, whole.
    #[test]
    fn keys_are_told_apart() {
        let typed = b"q\x1b[A\x1bOB\x1b[5~\x1b[6~\x1b[H\x1b[4~\r\x7f\x1b[1;5C\x1b[200~x\xff\x01";
        let keys = [
            Key::Char('q'),
            Key::Up,
            Key::Down,
            Key::PageUp,
            Key::PageDown,
            Key::Home,
            Key::End,
            Key::Enter,
            Key::Backspace,
            Key::Char('x'),
        ];
        assert_eq!(decode(typed), keys);
        assert_eq!(decode(b"\x1b"), [Key::Escape]);
        assert_eq!(decode(b"\x1b\x1b"), [Key::Escape, Key::Escape]);
        assert_eq!(decode(b"\x1b["), []);
    }
}
