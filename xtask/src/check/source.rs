//! What one Rust file says: the paths it names, where it says `unsafe`, how long it is.
//!
//! The file is split into tokens by `proc_macro2`, the lexer under `syn`, so comments and strings are never mistaken for
//! code, and the arguments of macros are read like everything else. Nothing is expanded and nothing is resolved here: a path
//! is kept as written, with the module it was written in, and [`super::arrows`] decides what it means.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, LexError, Spacing, TokenStream, TokenTree};

/// A path as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) line: usize,
    /// The inline modules around it, outermost first: `tests` in `mod tests { use super::*; }`.
    pub(crate) within: Vec<String>,
    /// `["crate", "error", "Error"]`; a leading `::` is an empty first segment, a glob is a last `*`.
    pub(crate) path: Vec<String>,
    /// The name it goes by from here on, if it stands in a `use`.
    pub(crate) imported_as: Option<String>,
}

/// What was found in one file.
#[derive(Debug, Default)]
pub(crate) struct Source {
    pub(crate) paths: Vec<Named>,
    /// Lines on which the keyword `unsafe` stands.
    pub(crate) unsafe_lines: Vec<usize>,
    /// `#![forbid(unsafe_code)]` is among the attributes of the file.
    pub(crate) forbids_unsafe: bool,
    /// Lines with code on them: no comments, no blank lines, nothing under `#[cfg(test)]`.
    pub(crate) code_lines: usize,
}

/// Reads one file; the error is the line on which it stops being Rust.
pub(crate) fn read(text: &str) -> Result<Source, usize> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let tokens: TokenStream = text.parse().map_err(|error: LexError| error.span().start().line)?;
    let mut reader = Reader::default();
    reader.block(tokens, true, false);
    reader.found.code_lines = reader.lines.len();
    Ok(reader.found)
}

#[derive(Default)]
struct Reader {
    found: Source,
    lines: BTreeSet<usize>,
    within: Vec<String>,
}

impl Reader {
    /// Reads what stands between two brackets, or the whole file (`top`).
    fn block(&mut self, tokens: TokenStream, top: bool, in_test: bool) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        // An item under `#[cfg(test)]` lasts until its `;` or its closing brace.
        let mut test_item = false;
        let mut i = 0;
        while i < tokens.len() {
            if let Some((attribute, inner, len)) = attribute(&tokens[i..]) {
                if is_doc(&attribute) {
                    i += len;
                    continue;
                }
                self.found.forbids_unsafe |= top && inner && forbids_unsafe(&attribute);
                test_item |= !inner && is_cfg_test(&attribute);
            }
            let in_test = in_test || test_item;
            let len = self.step(&tokens, i, in_test);
            test_item &= !ends_item(&tokens[i..i + len]);
            i += len;
        }
    }

    /// Reads what starts at `i`, and returns how many tokens it took.
    fn step(&mut self, tokens: &[TokenTree], i: usize, in_test: bool) -> usize {
        match &tokens[i] {
            TokenTree::Group(group) => {
                self.count(&tokens[i], in_test);
                self.block(group.stream(), false, in_test);
                1
            }
            TokenTree::Ident(word) if word == "unsafe" => {
                self.found.unsafe_lines.push(line_of(&tokens[i]));
                self.count(&tokens[i], in_test);
                1
            }
            TokenTree::Ident(word) if word == "mod" => self.module(tokens, i, in_test),
            TokenTree::Ident(word) if word == "use" && starts_use(tokens, i) => self.import(tokens, i, in_test),
            TokenTree::Ident(word) if word == "extern" => self.extern_crate(tokens, i, in_test),
            TokenTree::Ident(_) => self.path(tokens, i, in_test),
            _ => {
                self.count(&tokens[i], in_test);
                1
            }
        }
    }

    /// `mod name { ... }` deepens the path of what is inside; `mod name;` is only counted.
    fn module(&mut self, tokens: &[TokenTree], i: usize, in_test: bool) -> usize {
        self.count(&tokens[i], in_test);
        let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) = (tokens.get(i + 1), tokens.get(i + 2))
        else {
            return 1;
        };
        self.count(&tokens[i + 2], in_test);
        self.within.push(name.to_string());
        self.block(body.stream(), false, in_test);
        self.within.pop();
        3
    }

    /// `use a::{b, c as d};`
    fn import(&mut self, tokens: &[TokenTree], i: usize, in_test: bool) -> usize {
        let len = tokens[i..].iter().position(|it| is_punct(it, ';')).map_or(tokens.len() - i, |at| at + 1);
        for token in &tokens[i..i + len] {
            self.count_whole(token, in_test);
        }
        let tree: Vec<TokenTree> = tokens[i + 1..i + len].iter().filter(|it| !is_punct(it, ';')).cloned().collect();
        self.use_tree(&tree, &[]);
        len
    }

    /// One comma-free tree of a `use`, below `prefix`.
    fn use_tree(&mut self, tokens: &[TokenTree], prefix: &[String]) {
        let mut path = prefix.to_vec();
        let mut line = 0;
        let mut i = 0;
        while i < tokens.len() {
            line = line_of(&tokens[i]);
            match &tokens[i] {
                TokenTree::Ident(word) if word == "as" => {
                    let name = tokens.get(i + 1).map(ToString::to_string);
                    self.record(line, path, name);
                    return;
                }
                // `a::{self}` is `a`.
                TokenTree::Ident(word) if word == "self" && !prefix.is_empty() && path.len() == prefix.len() => {}
                TokenTree::Ident(word) => path.push(word.to_string()),
                TokenTree::Punct(p) if p.as_char() == '*' => path.push(String::from("*")),
                TokenTree::Punct(p) if p.as_char() == ':' && path.is_empty() => path.push(String::new()),
                TokenTree::Group(group) => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    for tree in inner.split(|it| is_punct(it, ',')).filter(|tree| !tree.is_empty()) {
                        self.use_tree(tree, &path);
                    }
                    return;
                }
                _ => {}
            }
            i += 1;
        }
        let name = path.last().cloned();
        self.record(line, path, name);
    }

    /// `extern crate name;` names a crate as `use ::name;` does.
    fn extern_crate(&mut self, tokens: &[TokenTree], i: usize, in_test: bool) -> usize {
        self.count(&tokens[i], in_test);
        if let (Some(TokenTree::Ident(word)), Some(TokenTree::Ident(name))) = (tokens.get(i + 1), tokens.get(i + 2)) {
            if word == "crate" && name != "self" {
                let path = vec![String::new(), name.to_string()];
                self.record(line_of(&tokens[i]), path, Some(name.to_string()));
                return 3;
            }
        }
        1
    }

    /// `a::b::c` in an expression, a type, an attribute or the arguments of a macro. One word alone is no path.
    fn path(&mut self, tokens: &[TokenTree], i: usize, in_test: bool) -> usize {
        let mut path = Vec::new();
        match lead(tokens, i) {
            Lead::Start => {}
            Lead::Root => path.push(String::new()),
            // `<T as Trait>::name::...`: where it starts has been read already.
            Lead::Middle => {
                self.count(&tokens[i], in_test);
                return 1;
            }
        }
        let mut at = i;
        loop {
            self.count(&tokens[at], in_test);
            path.push(tokens[at].to_string());
            let joined = tokens.get(at + 1).is_some_and(is_first_colon)
                && tokens.get(at + 2).is_some_and(|it| is_punct(it, ':'));
            if !joined || !matches!(tokens.get(at + 3), Some(TokenTree::Ident(_))) {
                break;
            }
            at += 3;
        }
        if path.len() > 1 {
            self.record(line_of(&tokens[i]), path, None);
        }
        at - i + 1
    }

    fn record(&mut self, line: usize, path: Vec<String>, imported_as: Option<String>) {
        self.found.paths.push(Named { line, within: self.within.clone(), path, imported_as });
    }

    /// Counts the lines of one token; of a group, those of its two brackets.
    fn count(&mut self, token: &TokenTree, in_test: bool) {
        if in_test {
            return;
        }
        match token {
            TokenTree::Group(group) => {
                self.lines.insert(group.span_open().start().line);
                self.lines.insert(group.span_close().end().line);
            }
            other => self.lines.extend(other.span().start().line..=other.span().end().line),
        }
    }

    /// Counts every line from the token's first to its last.
    fn count_whole(&mut self, token: &TokenTree, in_test: bool) {
        if !in_test {
            self.lines.extend(token.span().start().line..=token.span().end().line);
        }
    }
}

enum Lead {
    Start,
    Root,
    Middle,
}

/// What stands before the word at `i`: nothing of a path, a leading `::`, or a path already read.
fn lead(tokens: &[TokenTree], i: usize) -> Lead {
    if i < 2 || !is_punct(&tokens[i - 1], ':') || !is_first_colon(&tokens[i - 2]) {
        return Lead::Start;
    }
    match i.checked_sub(3).map(|at| &tokens[at]) {
        Some(TokenTree::Ident(word)) if !is_keyword_before_path(&word.to_string()) => Lead::Middle,
        Some(TokenTree::Group(_)) => Lead::Middle,
        // `<T as Trait>::name`, unless it is the arrow of `-> ::name` or `=> ::name`.
        Some(token) if is_punct(token, '>') && !i.checked_sub(4).is_some_and(|at| is_arrow_head(&tokens[at])) => {
            Lead::Middle
        }
        _ => Lead::Root,
    }
}

fn is_keyword_before_path(word: &str) -> bool {
    ["as", "in", "return", "dyn", "impl", "for", "mut", "const", "match", "if", "else", "while", "break", "where"]
        .contains(&word)
}

fn is_arrow_head(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(p) if "-=".contains(p.as_char()) && p.spacing() == Spacing::Joint)
}

/// `#[...]` or `#![...]` at the start of `tokens`: its contents, whether it is an inner one, and its length.
fn attribute(tokens: &[TokenTree]) -> Option<(Vec<TokenTree>, bool, usize)> {
    if !tokens.first().is_some_and(|it| is_punct(it, '#')) {
        return None;
    }
    let inner = tokens.get(1).is_some_and(|it| is_punct(it, '!'));
    let at = if inner { 2 } else { 1 };
    match tokens.get(at) {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket => {
            Some((group.stream().into_iter().collect(), inner, at + 1))
        }
        _ => None,
    }
}

/// `doc = "..."`: what the lexer makes of a `///` line.
fn is_doc(attribute: &[TokenTree]) -> bool {
    matches!(attribute, [TokenTree::Ident(word), eq, ..] if word == "doc" && is_punct(eq, '='))
}

fn forbids_unsafe(attribute: &[TokenTree]) -> bool {
    match attribute {
        [TokenTree::Ident(word), TokenTree::Group(lints)] if word == "forbid" => {
            lints.stream().into_iter().any(|it| it.to_string() == "unsafe_code")
        }
        _ => false,
    }
}

/// `cfg(test)` and `cfg(all(test, ...))`, but not `cfg(not(test))`.
fn is_cfg_test(attribute: &[TokenTree]) -> bool {
    match attribute {
        [TokenTree::Ident(word), TokenTree::Group(condition)] if word == "cfg" => requires_test(condition.stream()),
        _ => false,
    }
}

fn requires_test(condition: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = condition.into_iter().collect();
    match tokens.as_slice() {
        [TokenTree::Ident(word)] => word == "test",
        [TokenTree::Ident(word), TokenTree::Group(inner)] if word == "all" => {
            let inner: Vec<TokenTree> = inner.stream().into_iter().collect();
            inner.split(|it| is_punct(it, ',')).any(|part| requires_test(part.iter().cloned().collect()))
        }
        _ => false,
    }
}

/// A `;` or a `{ ... }` at the end of what was read ends an item.
fn ends_item(tokens: &[TokenTree]) -> bool {
    match tokens.last() {
        Some(TokenTree::Group(group)) => group.delimiter() == Delimiter::Brace,
        Some(token) => is_punct(token, ';'),
        None => false,
    }
}

/// `use` begins an item, unless it is the `use<'a>` of a return type.
fn starts_use(tokens: &[TokenTree], i: usize) -> bool {
    tokens.get(i + 1).is_some_and(|it| !is_punct(it, '<'))
}

fn is_punct(token: &TokenTree, c: char) -> bool {
    matches!(token, TokenTree::Punct(p) if p.as_char() == c)
}

fn is_first_colon(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(p) if p.as_char() == ':' && p.spacing() == Spacing::Joint)
}

fn line_of(token: &TokenTree) -> usize {
    token.span().start().line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        let source = read(text).expect("the fixture is Rust");
        source.paths.iter().map(|it| format!("{}:{}", it.line, it.path.join("::"))).collect()
    }

    /// Every branch of a `use` is a path of its own, with its own line.
    #[test]
    fn use_trees_are_unfolded() {
        let text = "use crate::{a::{self, B as C}, d::*};\nuse {\n    ::strait_mem::View,\n    super::super::e,\n};";
        assert_eq!(
            paths(text),
            ["1:crate::a", "1:crate::a::B", "1:crate::d::*", "3:::strait_mem::View", "4:super::super::e"]
        );
    }

    /// The name that an import goes by afterwards is kept.
    #[test]
    fn imports_keep_their_names() {
        let source = read("pub use error::{Error, Result as R};").expect("Rust");
        let names: Vec<_> = source.paths.iter().map(|it| it.imported_as.as_deref()).collect();
        assert_eq!(names, [Some("Error"), Some("R")]);
    }

    /// A fully qualified path is found in expressions, types, generics, attributes and macros.
    #[test]
    fn qualified_paths_are_found_anywhere() {
        assert_eq!(
            paths("fn f() -> ::strait_sys::Fd { crate::ring::go(x) }"),
            ["1:::strait_sys::Fd", "1:crate::ring::go"]
        );
        assert_eq!(
            paths("struct S<T: super::wait::W>(Vec<crate::peer::P>);"),
            ["1:super::wait::W", "1:crate::peer::P"]
        );
        assert_eq!(paths("fn f() { println!(\"{}\", strait_mem::word::X) }"), ["1:strait_mem::word::X"]);
        assert_eq!(paths("macro_rules! m { () => { $crate::ring::X } }"), ["1:crate::ring::X"]);
        assert_eq!(paths("#[derive(strait_mem::Plain)]\nstruct S;"), ["1:strait_mem::Plain"]);
        assert_eq!(paths("extern crate strait_sys;"), ["1:::strait_sys"]);
    }

    /// What follows a qualified type is no path of its own.
    #[test]
    fn associated_names_are_no_paths() {
        assert_eq!(paths("fn f() { <T as crate::a::B>::ring::go(); Vec::<u8>::wait::x() }"), ["1:crate::a::B"]);
    }

    /// Comments, doc comments and strings name nothing.
    #[test]
    fn comments_and_strings_name_nothing() {
        let text = "//! [crate::ring::X]\n// use crate::a;\n/* unsafe */\n/// unsafe crate::b::c\nfn f() { \"unsafe crate::d::e\"; }";
        let source = read(text).expect("Rust");
        assert!(source.paths.is_empty() && source.unsafe_lines.is_empty(), "{source:?}");
    }

    /// The keyword is found, its look-alikes are not.
    #[test]
    fn unsafe_is_a_keyword() {
        let source =
            read("#![forbid(unsafe_code)]\nfn f() {\n    let unsafe_ = 1;\n    unsafe { g() }\n}").expect("Rust");
        assert_eq!(source.unsafe_lines, [4]);
        assert!(source.forbids_unsafe);
        assert!(!read("#[allow(unsafe_code)] fn f() {}").expect("Rust").forbids_unsafe);
    }

    /// A path inside an inline module knows the module.
    #[test]
    fn inline_modules_are_known() {
        let source = read("mod a { mod b { use super::c; } }\nuse self::d;").expect("Rust");
        assert_eq!(source.paths[0].within, ["a", "b"]);
        assert!(source.paths[1].within.is_empty());
    }

    /// Lines of code leave out comments, blank lines and tests, and count every line of a string.
    #[test]
    fn code_lines_are_code() {
        let text = "//! doc\n\n/// doc\nfn f() {\n    // why\n    g(\"a\n b\");\n}\n\n#[cfg(test)]\nmod tests {\n    fn t() {\n    }\n}\nfn h() {}\n";
        // fn f() {, two of the string, its }, fn h() {}; the attribute counts with what it marks.
        assert_eq!(read(text).expect("Rust").code_lines, 5);
        assert_eq!(read("#[cfg(all(test, unix))]\nuse a::b;\nfn f() {}").expect("Rust").code_lines, 1);
        assert_eq!(read("#[cfg(not(test))]\nfn f() {}").expect("Rust").code_lines, 2);
    }

    /// What does not lex is reported with its line.
    #[test]
    fn broken_file_names_its_line() {
        assert_eq!(read("fn f() {}\nfn g() { \"open").err(), Some(2));
    }
}
