//! What strangers wrote, shown to a person: nothing in it that a terminal would act on.

/// File names, command lines, labels: control characters and what turns text around are shown as escapes.
pub(crate) fn safe(text: &str) -> String {
    if !text.chars().any(acts) {
        return text.to_owned();
    }
    let mut shown = String::new();
    for c in text.chars() {
        if acts(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// Whether a terminal does something else with it than to show it.
fn acts(c: char) -> bool {
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    c.is_control() || turns
}

/// The text in lines of so many characters at the most, broken at spaces; a longer word has a line of its own.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let wide = word.chars().count();
        if used > 0 && used + 1 + wide > width {
            lines.push(String::new());
            used = 0;
        }
        if let Some(line) = lines.last_mut() {
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
        }
        used += wide;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::safe;

    /// What could move the cursor, colour the screen or turn the line around is spelt out; all else stays.
    #[test]
    fn nothing_acts() {
        assert_eq!(safe("a b é 漢"), "a b é 漢");
        assert_eq!(safe("a\x1b[2Jb\n\u{9b}c\u{202e}"), "a\\u{1b}[2Jb\\n\\u{9b}c\\u{202e}");
    }
}
