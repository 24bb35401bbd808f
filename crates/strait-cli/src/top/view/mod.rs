//! What is drawn: lines of text, each no wider than the terminal, with marks for what is to stand out.

pub(super) mod closer;
pub(super) mod figure;
pub(super) mod help;
pub(super) mod table;

/// How a piece of text looks where colours are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Look {
    #[default]
    Plain,
    Bold,
    Dim,
    Good,
    Warn,
    Bad,
    /// The row that is selected, and titles.
    Reverse,
}

/// A line, in pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line(Vec<(Look, String)>);

impl Line {
    pub(super) fn new(look: Look, text: impl Into<String>) -> Self {
        Self(vec![(look, text.into())])
    }

    pub(super) fn push(&mut self, look: Look, text: impl Into<String>) {
        self.0.push((look, text.into()));
    }

    /// Its text alone.
    pub(super) fn text(&self) -> String {
        self.0.iter().map(|it| it.1.as_str()).collect()
    }

    /// The same with every piece looking like this, as wide as the terminal.
    pub(super) fn all(&self, look: Look, width: usize) -> Self {
        Self::new(look, format!("{:<width$}", self.text()))
    }

    /// For a terminal, cut to its width.
    pub(super) fn draw(&self, width: usize, is_colourful: bool) -> String {
        let (mut drawn, mut left) = (String::new(), width);
        for (look, text) in &self.0 {
            let cut: String = text.chars().take(left).collect();
            left -= cut.chars().count();
            // The selection is reversed even without colours: nothing else would show it.
            let code = match look {
                Look::Reverse => Some("7"),
                _ if !is_colourful => None,
                Look::Plain => None,
                Look::Bold => Some("1"),
                Look::Dim => Some("2"),
                Look::Good => Some("32"),
                Look::Warn => Some("33"),
                Look::Bad => Some("31"),
            };
            match code {
                Some(code) => drawn.push_str(&format!("\x1b[{code}m{cut}\x1b[0m")),
                None => drawn.push_str(&cut),
            }
        }
        drawn
    }
}

/// As wide as that: cut, with a mark that it is, or filled up on the right.
pub(super) fn fit(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return format!("{text:<width$}");
    }
    let cut: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{cut}…")
}
