//! Finds what can be weakened, by reading the sources: nothing is listed by hand, so what is written tomorrow is covered.
//!
//! | kind | what stands there | what stands there instead |
//! |---|---|---|
//! | ordering | `Acquire`, `Release`, `AcqRel`, `SeqCst` | `Relaxed` |
//! | barrier | `x.light_barrier();`, `x.lightest_barrier();`, `x.heavy_barrier();`, `x.full_barrier();`, `fence(..);` | nothing |
//! | claim | `.within(..)`, `.exactly(..)`, `.when(..)` on a peer's number | `.when(\|_\| true)` |
//! | refusal | `if c { return Err(..) }`, and likewise `Ok(false)`, `Ok(None)`, nothing | `if (c) && false {..}`: asked, and ignored |
//! | guard | `pattern if c => ..` | `if (c) && false`, `if (c) \|\| true` |
//! | part | one of `a && b`, `a \|\| b` in a condition, under a name, or as what a function, a closure or an arm answers | `true`, `false`: that part asks nothing |
//! | answer | the body of a function that returns `bool` or `Result<bool>` | `true`, `false` |
//! | option | `.filter(..)`; `c.then(..)`, `c.then_some(..)`; `.checked_sub(..)` | gone; `true.then(..)`; always `Some`, wrapped |
//! | bound | `.saturating_sub(..)` | `.wrapping_sub(..)` |
//!
//! Tests and models are not mutated. What does not compile is no mutant: the types caught it.

use proc_macro2::{Delimiter, Group, Spacing, TokenStream, TokenTree};
use std::ops::Range;
use strait_testing::variant::Edit;

/// One thing weakened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mutant {
    pub(crate) kind: &'static str,
    /// Where, from the root of the workspace.
    pub(crate) file: String,
    pub(crate) line: usize,
    /// The function it is in, with its type.
    pub(crate) function: String,
    /// The line of code it is in.
    pub(crate) code: String,
    pub(crate) old: String,
    pub(crate) new: String,
    range: Range<usize>,
    /// How to put it behind a switch, so that one build holds many; empty where there is no way.
    switch: Vec<Piece>,
}

/// A part of a switch: text for a range of the file, which is empty as a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    range: Range<usize>,
    /// `@` stands for the question whether this mutant is on.
    text: String,
    /// Whether it closes what another piece of the mutant opens, and how long that is: inner ones close first and open last.
    closes: bool,
    span: usize,
}

impl Mutant {
    /// What it is known by from one version of the file to the next: everything but the line's number.
    pub(crate) fn key(&self) -> String {
        format!(
            "{} {} `{}` `{}` -> `{}`",
            self.file,
            self.function,
            self.code,
            one_line(&self.old),
            one_line(&self.new)
        )
    }

    /// Whether it can be put behind a switch.
    pub(crate) fn has_switch(&self) -> bool {
        !self.switch.is_empty()
    }

    /// The change of the file, whose text is `text`: as much around it as makes it unique.
    pub(crate) fn edit(&self, text: &str) -> Edit {
        let Range { mut start, mut end } = self.range.clone();
        while text.matches(&text[start..end]).count() > 1 {
            start = text[..start].char_indices().next_back().map_or(0, |(at, _)| at);
            end += text[end..].chars().next().map_or(0, char::len_utf8);
        }
        let new = [&text[start..self.range.start], &self.new, &text[self.range.end..end]].concat();
        Edit { file: self.file.clone(), old: text[start..end].to_owned(), new }
    }
}

/// The text of a file with these mutants behind switches, each with its number.
pub(crate) fn with_switches<'m>(text: &str, mutants: impl Iterator<Item = (usize, &'m Mutant)>) -> String {
    let mut pieces: Vec<(Piece, String)> = Vec::new();
    for (number, mutant) in mutants {
        let question = format!("crate::mutant_is({number})");
        pieces.extend(mutant.switch.iter().map(|piece| (piece.clone(), piece.text.replace('@', &question))));
    }
    // At one place: what closes before what opens; of those that close the inner first, of those that open the outer.
    pieces.sort_by_key(|(piece, _)| {
        let span = i64::try_from(piece.span).unwrap_or(i64::MAX);
        (piece.range.start, !piece.closes, if piece.closes { span } else { -span })
    });
    let mut done = String::new();
    let mut at = 0;
    for (piece, new) in pieces {
        done.push_str(&text[at..piece.range.start]);
        done.push_str(&new);
        at = piece.range.end;
    }
    done + &text[at..]
}

/// White space and line breaks as single spaces.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// All mutants of a file.
pub(crate) fn scan(file: &str, text: &str) -> Result<Vec<Mutant>, String> {
    let tokens: TokenStream = text.parse().map_err(|e| format!("{file}: {e}"))?;
    let mut scanner = Scanner { file, text, within: Vec::new(), found: Vec::new() };
    scanner.block(&tokens.into_iter().collect::<Vec<_>>());
    let mut found = scanner.found;
    found.sort_by_key(|mutant| (mutant.range.start, mutant.range.end));
    found.dedup_by(|a, b| a.range == b.range && a.new == b.new);
    Ok(found)
}

struct Scanner<'a> {
    file: &'a str,
    text: &'a str,
    /// Type and function around it.
    within: Vec<String>,
    found: Vec<Mutant>,
}

impl Scanner<'_> {
    /// Everything on one level of brackets, and what is inside them.
    fn block(&mut self, tokens: &[TokenTree]) {
        let mut is_test = false;
        let mut statement = 0;
        let mut i = 0;
        while i < tokens.len() {
            if let Some(attribute) = attribute(&tokens[i..]) {
                is_test |= attribute.starts_with("cfg") && attribute.contains("test");
                i += 2;
                statement = i;
                continue;
            }
            if is_test {
                i += item_len(&tokens[i..]);
                is_test = false;
                statement = i;
                continue;
            }
            match word(&tokens[i]).as_deref() {
                Some("use") => i += tokens[i..].iter().position(|t| is_punct(t, ';')).unwrap_or(0),
                Some("impl" | "fn" | "trait" | "mod") => {
                    i += self.item(&tokens[i..]);
                    statement = i;
                    continue;
                }
                Some("if") => self.condition(&tokens[i + 1..]),
                Some("let") => self.named(&tokens[i + 1..]),
                Some("return") => self.value(&tokens[i + 1..]),
                Some("Acquire" | "Release" | "AcqRel" | "SeqCst") => {
                    self.add("ordering", &tokens[i..=i], "std::sync::atomic::Ordering::Relaxed");
                }
                None if is_punct(&tokens[i], '=') && tokens.get(i + 1).is_some_and(|t| is_punct(t, '>')) => {
                    self.value(&tokens[i + 2..]);
                }
                _ => self.call(tokens, statement, i),
            }
            if i < tokens.len() && is_punct(&tokens[i], ';') {
                statement = i + 1;
            }
            if let Some(TokenTree::Group(group)) = tokens.get(i) {
                self.block(&inside(group));
                if group.delimiter() == Delimiter::Brace {
                    statement = i + 1;
                }
            }
            i += 1;
        }
    }

    /// An item with a name and a body; says how many tokens it takes.
    fn item(&mut self, tokens: &[TokenTree]) -> usize {
        let len = item_len(tokens);
        let Some(TokenTree::Group(body)) = tokens[..len].last().filter(|token| is_brace(token)) else { return len };
        let head = &tokens[..len - 1];
        let is_function = word(&tokens[0]).as_deref() == Some("fn");
        self.within.push(if is_function { word(&tokens[1]).unwrap_or_default() } else { type_name(head) });
        if is_function {
            self.answer(head, body);
        }
        self.block(&inside(body));
        self.within.pop();
        len
    }

    /// A function that answers yes or no.
    fn answer(&mut self, head: &[TokenTree], body: &Group) {
        let Some(arrow) = head.windows(2).position(|t| is_punct(&t[0], '-') && is_punct(&t[1], '>')) else { return };
        let answers = match head[arrow + 2..].iter().map(ToString::to_string).collect::<String>().as_str() {
            "bool" => ["true", "false"],
            "Result<bool>" | "Result<bool,PeerFault>" => ["Ok(true)", "Ok(false)"],
            _ => return,
        };
        let tokens = inside(body);
        for answer in answers {
            self.add("answer", &tokens, answer);
        }
        // Behind the last statement.
        let start = tokens.iter().rposition(|t| is_punct(t, ';') || is_brace(t)).map_or(0, |at| at + 1);
        self.parts(&tokens[start..]);
    }

    /// What an arm of a `match` or a `return` comes to: up to the end of it.
    fn value(&mut self, tokens: &[TokenTree]) {
        let end = tokens.iter().position(|t| is_punct(t, ',') || is_punct(t, ';')).unwrap_or(tokens.len());
        self.parts(without_parameters(&tokens[..end]));
    }

    /// What follows an `if`: a condition and what it leads to.
    fn condition(&mut self, tokens: &[TokenTree]) {
        let is_end = |t: &TokenTree| is_brace(t) || is_punct(t, '=');
        let mut len = 0;
        // `=>` ends a guard; `==`, `<=` and the like do not.
        while let Some(at) = tokens[len..].iter().position(is_end) {
            len += at;
            if is_brace(&tokens[len]) || tokens.get(len + 1).is_some_and(|t| is_punct(t, '>')) {
                break;
            }
            len += 2;
        }
        let (condition, rest) = tokens.split_at(len.min(tokens.len()));
        if condition.is_empty() || word(&condition[0]).as_deref() == Some("let") {
            return;
        }
        match rest.first() {
            Some(TokenTree::Group(body)) if refuses(&inside(body)) => {
                self.add_around("refusal", condition, "(", ") && false");
            }
            Some(TokenTree::Group(_)) => {}
            _ => {
                self.add_around("guard", condition, "(", ") && false");
                self.add_around("guard", condition, "(", ") || true");
            }
        }
        self.parts(condition);
    }

    /// What follows a `let`: several conditions under one name.
    fn named(&mut self, tokens: &[TokenTree]) {
        let Some(end) = tokens.iter().position(|t| is_punct(t, ';')) else { return };
        let Some(equals) = tokens[..end].iter().position(|t| is_punct(t, '=')) else { return };
        self.parts(without_parameters(&tokens[equals + 1..end]));
    }

    /// Each part of a condition that has several.
    fn parts(&mut self, condition: &[TokenTree]) {
        // Not a condition, but something that has one, which is found there.
        if condition.first().and_then(word).is_some_and(|word| ["if", "match", "return"].contains(&word.as_str())) {
            return;
        }
        for (sign, neutral) in [('|', "false"), ('&', "true")] {
            let parts = split(condition, sign);
            if parts.len() < 2 {
                continue;
            }
            // A block or a statement is no condition.
            for part in parts.into_iter().filter(|part| !part.is_empty() && !part.iter().any(is_brace)) {
                self.add("part", part, neutral);
            }
            return;
        }
    }

    /// A call, at `tokens[at]`, in the statement that begins at `statement`.
    fn call(&mut self, tokens: &[TokenTree], statement: usize, at: usize) {
        let (Some(name), Some(TokenTree::Group(arguments))) = (word(&tokens[at]), tokens.get(at + 1)) else { return };
        if arguments.delimiter() != Delimiter::Parenthesis {
            return;
        }
        let is_method = at > 0 && is_punct(&tokens[at - 1], '.');
        let whole = || &tokens[at - usize::from(is_method)..=at + 1];
        let inner = inside(arguments);
        let body = without_parameters(&inner);
        let is_closure = body.len() < inner.len() && !body.iter().any(|t| is_punct(t, ','));
        if is_closure || matches!(name.as_str(), "Ok" | "Some") {
            self.parts(body);
        }
        match name.as_str() {
            "light_barrier" | "lightest_barrier" | "heavy_barrier" | "full_barrier" | "fence" | "compiler_fence"
                if tokens.get(at + 2).is_some_and(|t| is_punct(t, ';')) =>
            {
                self.add("barrier", &tokens[statement..=at + 2], "");
            }
            "within" | "exactly" if is_method => self.add("claim", whole(), ".when(|_| true)"),
            "when" if is_method => {
                self.add("claim", whole(), ".when(|_| true)");
            }
            "filter" if is_method => self.add("option", whole(), ""),
            "then" | "then_some" if is_method && at > 1 => {
                let condition = &tokens[chain(&tokens[..at - 1])..at - 1];
                self.add("option", condition, "true");
                if let [TokenTree::Group(condition)] = condition {
                    self.parts(&inside(condition));
                }
            }
            "checked_sub" if is_method && !inner.is_empty() => {
                let argument = self.of(&inner).to_owned();
                self.add("option", whole(), &format!(".wrapping_sub({argument}).checked_add(0)"));
            }
            "saturating_sub" if is_method => self.add("bound", &tokens[at..=at], "wrapping_sub"),
            _ => {}
        }
    }

    fn of(&self, tokens: &[TokenTree]) -> &str {
        &self.text[range(tokens)]
    }

    fn add_around(&mut self, kind: &'static str, tokens: &[TokenTree], before: &str, after: &str) {
        let new = [before, self.of(tokens), after].concat();
        self.add(kind, tokens, &new);
    }

    fn add(&mut self, kind: &'static str, tokens: &[TokenTree], new: &str) {
        let Some(first) = tokens.first() else { return };
        let line = first.span().start().line;
        let old = self.of(tokens).to_owned();
        if old == new {
            return;
        }
        let range = range(tokens);
        let around = |before: &str, after: &str| surround(&range, before, after);
        let switch = match kind {
            "ordering" => around(&format!("(if @ {{ {new} }} else {{ "), " })"),
            "barrier" => around("if !@ { ", " }"),
            "refusal" => around("((", ") && !@)"),
            "guard" if new.ends_with("false") => around("((", ") && !@)"),
            "part" if new == "false" => around("((", ") && !@)"),
            "guard" | "part" => around("((", ") || @)"),
            "option" if new == "true" => around("((", ") || @)"),
            "answer" => around(&format!("if @ {{ return {new}; }} "), ""),
            "claim" | "option" if !new.contains("sub") => asked(tokens),
            _ => Vec::new(),
        };
        self.found.push(Mutant {
            kind,
            file: self.file.to_owned(),
            line,
            function: self.within.join("::"),
            code: one_line(self.text.lines().nth(line - 1).unwrap_or_default()),
            old,
            new: new.to_owned(),
            range,
            switch,
        });
    }
}

fn surround(range: &Range<usize>, before: &str, after: &str) -> Vec<Piece> {
    let piece =
        |at: usize, text: &str, closes| Piece { range: at..at, text: text.to_owned(), closes, span: range.len() };
    vec![piece(range.start, before, false), piece(range.end, after, true)]
}

/// A check by a method with one argument, which the switch makes pass: `.within(x)`, `.when(x)`, `.filter(x)`.
fn asked(tokens: &[TokenTree]) -> Vec<Piece> {
    let [_, name, TokenTree::Group(arguments)] = tokens else { return Vec::new() };
    let (open, close) = (arguments.span_open().byte_range(), arguments.span_close().byte_range());
    let (call, end) = match word(name).as_deref() {
        Some("within") => ("when(|it| @ || it <= (", "))"),
        Some("exactly") => ("when(|it| @ || it == (", "))"),
        Some("when") => ("when(|it| @ || (", ")(it))"),
        _ => ("filter(|it| @ || (", ")(it))"),
    };
    let span = close.end - open.start;
    let piece = |range: Range<usize>, text: &str, closes| Piece { range, text: text.to_owned(), closes, span };
    let inner = inside(arguments);
    let body = without_parameters(&inner);
    // Of a closure the body is put behind the switch, so that the types of its parameters stay known.
    if let Some(bar) = inner[..inner.len() - body.len()].last() {
        let at = bar.span().byte_range().end;
        return vec![piece(at..at, " @ || (", false), piece(close.start..close.start, ")", true)];
    }
    vec![piece(name.span().byte_range().start..open.end, call, false), piece(close, end, true)]
}

/// Whether a block does nothing but turn somebody away.
fn refuses(body: &[TokenTree]) -> bool {
    if body.first().and_then(word).as_deref() != Some("return") {
        return false;
    }
    let rest: String = body[1..].iter().map(ToString::to_string).collect();
    rest.starts_with("Err(") || rest == ";" || rest == "Ok(false);" || rest == "Ok(None);"
}

/// The bytes of the file that the tokens take.
fn range(tokens: &[TokenTree]) -> Range<usize> {
    match tokens {
        [] => 0..0,
        [first, ..] => first.span().byte_range().start..tokens[tokens.len() - 1].span().byte_range().end,
    }
}

fn inside(group: &Group) -> Vec<TokenTree> {
    group.stream().into_iter().collect()
}

/// Where the expression begins that these tokens end with: `(a).b(c)`, `d`.
fn chain(tokens: &[TokenTree]) -> usize {
    let mut start = tokens.len();
    let mut is_open = true;
    while let Some(token) = start.checked_sub(1).map(|at| &tokens[at]) {
        let is_dot = is_punct(token, '.') || is_punct(token, '?');
        let is_callee =
            word(token).is_some_and(|it| it != "return") && matches!(tokens.get(start), Some(TokenTree::Group(_)));
        if !(is_open && matches!(token, TokenTree::Group(_) | TokenTree::Ident(_)) || is_dot || is_callee) {
            break;
        }
        is_open = is_dot;
        start -= 1;
    }
    start
}

/// How many tokens an item takes: up to its body or its semicolon, whichever comes first.
fn item_len(tokens: &[TokenTree]) -> usize {
    tokens.iter().position(|t| is_brace(t) || is_punct(t, ';')).map_or(tokens.len(), |at| at + 1)
}

/// The last name of the type that an `impl` is for, or the name of a module or trait.
fn type_name(head: &[TokenTree]) -> String {
    let mut depth = 0;
    let mut name = String::new();
    for (i, token) in head.iter().enumerate().skip(1) {
        match token {
            TokenTree::Punct(p) if p.as_char() == '<' => depth += 1,
            // Not of an arrow.
            TokenTree::Punct(p) if p.as_char() == '>' && !is_punct(&head[i - 1], '-') => depth -= 1,
            TokenTree::Ident(ident) if depth == 0 => match ident.to_string().as_str() {
                "where" => break,
                "for" => name.clear(),
                word => word.clone_into(&mut name),
            },
            _ => {}
        }
    }
    name
}

/// A closure's body; any other expression as it is.
fn without_parameters(tokens: &[TokenTree]) -> &[TokenTree] {
    match tokens {
        [first, rest @ ..] if is_punct(first, '|') => {
            let end = rest.iter().position(|t| is_punct(t, '|')).unwrap_or(0);
            &rest[end + 1..]
        }
        _ => tokens,
    }
}

/// The parts between `&&` or `||`.
fn split(tokens: &[TokenTree], sign: char) -> Vec<&[TokenTree]> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut i = 0;
    while i + 1 < tokens.len() {
        let is_joint =
            matches!(&tokens[i], TokenTree::Punct(p) if p.as_char() == sign && p.spacing() == Spacing::Joint);
        if is_joint && is_punct(&tokens[i + 1], sign) && i > start {
            parts.push(&tokens[start..i]);
            start = i + 2;
            i += 1;
        }
        i += 1;
    }
    parts.push(&tokens[start..]);
    parts
}

/// What an attribute says, if one stands here (`#[..]`).
fn attribute(tokens: &[TokenTree]) -> Option<String> {
    match tokens {
        [hash, TokenTree::Group(group), ..] if is_punct(hash, '#') && group.delimiter() == Delimiter::Bracket => {
            Some(group.stream().to_string())
        }
        _ => None,
    }
}

fn word(token: &TokenTree) -> Option<String> {
    match token {
        TokenTree::Ident(ident) => Some(ident.to_string()),
        _ => None,
    }
}

fn is_punct(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(p) if p.as_char() == sign)
}

fn is_brace(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found in a function `f` with this body, as `kind: old -> new`.
    fn found(body: &str) -> Vec<String> {
        let text = format!(
            "use x::Acquire;\nimpl<A: B> Thing<A> {{ fn f(&self) {{ {body} }} }}\n#[cfg(test)] mod tests {{ fn g() {{ Release }} }}"
        );
        let mutants = scan("x.rs", &text).expect("Rust");
        assert!(mutants.iter().all(|mutant| mutant.function == "Thing::f"), "{mutants:?}");
        for mutant in &mutants {
            let edit = mutant.edit(&text);
            assert_eq!(text.matches(&edit.old).count(), 1, "{edit:?}");
        }
        mutants.iter().map(|m| format!("{}: {} -> {}", m.kind, m.old, m.new)).collect()
    }

    /// Mutants that lie inside each other are behind switches of their own in one text.
    #[test]
    fn switches_nest() {
        let text = "fn f() -> bool { if a || b.when(|p| c && p) { return Err(d); } e(Acquire); g.light_barrier(); }";
        let mutants = scan("x.rs", text).expect("Rust");
        let switched = with_switches(text, mutants.iter().enumerate());
        switched.parse::<TokenStream>().expect("Rust");
        for (number, mutant) in mutants.iter().enumerate() {
            assert!(mutant.has_switch(), "{mutant:?}");
            assert_eq!(switched.matches(&format!("mutant_is({number})")).count(), 1, "{switched}");
        }
        assert_eq!(with_switches(text, std::iter::empty()), text);
    }

    /// Orderings and barriers are found; imports and tests are left alone.
    #[test]
    fn orderings_and_barriers() {
        assert_eq!(
            found("a.load(Acquire); self.own.light_barrier(); b.load(Relaxed);"),
            ["ordering: Acquire -> std::sync::atomic::Ordering::Relaxed", "barrier: self.own.light_barrier(); -> "]
        );
    }

    /// Checks of claims, whole and by parts.
    #[test]
    fn claims() {
        assert_eq!(
            found("c.when(|p| p <= q && is(p))?; d.within(e.f())?"),
            [
                "claim: .when(|p| p <= q && is(p)) -> .when(|_| true)",
                "part: p <= q -> true",
                "part: is(p) -> true",
                "claim: .within(e.f()) -> .when(|_| true)"
            ]
        );
    }

    /// Refusals, guards, and parts of conditions; what leads anywhere else is not a check.
    #[test]
    fn refusals_and_guards() {
        assert_eq!(found("if a == b { return Err(c); } if d { e(); }"), ["refusal: a == b -> (a == b) && false"]);
        assert_eq!(
            found("if a || b() { return Ok(false); }"),
            ["part: a -> false", "refusal: a || b() -> (a || b()) && false", "part: b() -> false"]
        );
        assert_eq!(
            found("match x { Some(y) if y <= z => Ok(y), _ => w }"),
            ["guard: y <= z -> (y <= z) && false", "guard: y <= z -> (y <= z) || true"]
        );
        for body in
            ["let s = a && b;", "c(|d| a && b)", "Ok(a && b)", "match e { f => a && b, _ => g }", "return a && b;"]
        {
            assert_eq!(found(body), ["part: a -> true", "part: b -> true"], "{body}");
        }
    }

    /// A condition that is a call of calls is one, and a closure's parameters keep their types behind a switch.
    #[test]
    fn chains_and_closures() {
        assert_eq!(found("let x = (1..2).contains(&a).then_some(b);"), ["option: (1..2).contains(&a) -> true"]);
        assert_eq!(found("return c.d(e)?.then(f);"), ["option: c.d(e)? -> true"]);
        let text = "fn f() { c.when(|p| p.is(q)); }";
        let mutants = scan("x.rs", text).expect("Rust");
        let switched = with_switches(text, mutants.iter().enumerate());
        assert_eq!(switched, "fn f() { c.when(|p| crate::mutant_is(0) || ( p.is(q))); }");
    }

    /// Answers of functions, options and bounds.
    #[test]
    fn answers_and_options() {
        let mutants = scan("x.rs", "fn f() -> bool { a(b) }").expect("Rust");
        assert_eq!(mutants.iter().map(|m| m.new.as_str()).collect::<Vec<_>>(), ["true", "false"]);
        let mutants = scan("x.rs", "fn f() -> bool { if a && b { c(); } d || e }").expect("Rust");
        let parts = mutants.iter().filter(|m| m.kind == "part").map(|m| (m.old.as_str(), m.new.as_str()));
        assert_eq!(parts.collect::<Vec<_>>(), [("a", "true"), ("b", "true"), ("d", "false"), ("e", "false")]);
        assert_eq!(
            found("(a != 0).then(|| b); c.filter(|d| e); g.saturating_sub(h)"),
            ["option: (a != 0) -> true", "option: .filter(|d| e) -> ", "bound: saturating_sub -> wrapping_sub"]
        );
    }
}
