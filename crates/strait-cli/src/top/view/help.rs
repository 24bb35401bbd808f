//! The keys.

use super::super::order::Column;
use super::{Line, Look};

/// What each key does.
pub(in crate::top) fn lines() -> Vec<Line> {
    let mut lines = vec![Line::new(Look::Bold, "strait top: keys")];
    for (keys, what) in [
        ("up, down, j, k", "select a row; PgUp, PgDn, Home, End"),
        ("Enter", "look closer at it; Esc or Left goes back"),
        ("/", "show only names that contain what you type; Esc shows all"),
        ("s, r", "sort by the next column; turn the order round"),
        ("+, -", "look twice as often, half as often"),
        ("space", "stop the clock, or start it again"),
        ("?, h", "this; any key goes back"),
        ("q", "quit, as Ctrl-C does"),
    ] {
        lines.push(Line::new(Look::Plain, format!("  {keys:<15} {what}")));
    }
    lines.push(Line::new(Look::Bold, "sort by"));
    for column in Column::ALL {
        lines.push(Line::new(Look::Plain, format!("  {:<15} {}", column.key(), column.title())));
    }
    for text in [
        "LAG: what the slowest has yet to read, do or answer. SLEEP: who waits.",
        "USERS 2+1d: two alive, one dead. CPU: of all their processes.",
    ] {
        lines.push(Line::new(Look::Dim, text));
    }
    lines
}
