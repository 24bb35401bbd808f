//! Survivors argued away in writing: `testing/mutants-argued.md`.
//!
//! ```text
//! ## `crates/strait/src/wait/link.rs`, `Link::announce`
//!
//! - `let bell = self.peer.load_u32(BELL, Acquire);`
//! - `Acquire` -> `Relaxed`
//!
//! Why nothing can go wrong, in as many lines as it takes.
//! ```
//!
//! A section is known by file, function, line of code and edit, not by a line's number. An edit of `*` means every edit of that line, a line of
//! code of `*` every line of that function: for code that is one argument.

use crate::scan::{Mutant, one_line};
use std::path::Path;

/// One argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Argument {
    /// The line of the heading.
    pub(crate) line: usize,
    file: String,
    function: String,
    code: String,
    edit: String,
}

/// Where they stand, from the root.
pub(crate) const FILE: &str = "testing/mutants-argued.md";

/// Reads them all.
pub(crate) fn read(root: &Path) -> Result<Vec<Argument>, String> {
    let text = std::fs::read_to_string(root.join(FILE)).map_err(|e| format!("read {FILE}: {e}"))?;
    parse(&text)
}

fn parse(text: &str) -> Result<Vec<Argument>, String> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate().peekable();
    while let Some((at, line)) = lines.next() {
        let Some(heading) = line.strip_prefix("## ") else { continue };
        let wrong = |what: &str| format!("{FILE}:{}: {what}", at + 1);
        let [file, function] = &codes(heading)[..] else { return Err(wrong("a heading is `file`, `function`")) };
        let mut items = Vec::new();
        let mut why = String::new();
        while let Some((_, line)) = lines.next_if(|(_, line)| !line.starts_with("## ")) {
            match line.strip_prefix("- ") {
                Some(item) if why.is_empty() => items.push(item),
                _ => why.push_str(line.trim()),
            }
        }
        let [code, edit] = items[..] else { return Err(wrong("the line of code and the edit are missing")) };
        if why.is_empty() {
            return Err(wrong("there is no argument"));
        }
        let code = code.trim_matches('`').to_owned();
        found.push(Argument {
            line: at + 1,
            file: file.clone(),
            function: function.clone(),
            code,
            edit: edit.to_owned(),
        });
    }
    Ok(found)
}

/// What stands between backquotes.
fn codes(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

impl Argument {
    /// Whether it is about this mutant.
    pub(crate) fn is_about(&self, mutant: &Mutant) -> bool {
        let edit = format!("`{}` -> `{}`", one_line(&mutant.old), one_line(&mutant.new));
        self.file == mutant.file
            && self.function == mutant.function
            && (self.code == "*" || self.code == mutant.code)
            && (self.edit == "*" || self.edit == short(&edit))
    }

    pub(crate) fn name(&self) -> String {
        format!("{FILE}:{}: {} {}", self.line, self.file, self.function)
    }
}

/// As a person would write it.
pub(crate) fn short(edit: &str) -> String {
    edit.replace("std::sync::atomic::Ordering::", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A section needs a place, a line, an edit and a reason.
    #[test]
    fn sections_are_read() {
        let text = "# t\n\n## `a.rs`, `T::f`\n\n- `x.load(Acquire)`\n- `Acquire` -> `Relaxed`\n\nBecause.\n";
        let found = parse(text).expect("sound");
        assert_eq!((found[0].code.as_str(), found[0].edit.as_str()), ("x.load(Acquire)", "`Acquire` -> `Relaxed`"));
        assert!(parse(&text.replace("Because.", "")).is_err());
        assert!(parse(&text.replace("- `x", "`x")).is_err());
        let mutants = crate::scan::scan("a.rs", "impl T { fn f() { x.load(Acquire) } }").expect("Rust");
        assert!(mutants.iter().all(|mutant| !found[0].is_about(mutant)), "{mutants:?}");
        let mutants = crate::scan::scan("a.rs", "impl T { fn f() {\n x.load(Acquire)\n } }").expect("Rust");
        assert!(found[0].is_about(&mutants[0]), "{mutants:?}");
    }
}
