//! What is printed: a line for each object that goes or would go and below it the proof, one sum for all that stay; or one JSON document. On a
//! terminal sentences are broken where it ends; elsewhere each is one line, for programs.

use super::found::{Found, Is};
use crate::exit::Exit;
use crate::figures::{age, counted, grouped, size};
use crate::say;
use crate::screen;
use crate::text::wrapped;
use serde_json::{Value, json};
use std::io::{self, Write as _};

/// How far in a sentence below a name begins.
const INDENT: usize = 9;

/// Collects what is said, and says it. Removal goes on where nobody listens any more.
pub(super) struct Page {
    is_json: bool,
    /// Of the terminal; `None`: there is none.
    width: Option<usize>,
    outcome: io::Result<()>,
    gone: Vec<Value>,
    stay: Vec<Value>,
    gone_bytes: u64,
    /// How many stay, by the word for it.
    counts: Vec<(&'static str, u64)>,
}

impl Page {
    pub(super) fn new(is_json: bool) -> Self {
        let width = screen::width();
        Self { is_json, width, outcome: Ok(()), gone: Vec::new(), stay: Vec::new(), gone_bytes: 0, counts: Vec::new() }
    }

    pub(super) fn removed(&mut self, one: &Found) {
        self.line("removed", one);
        self.goes(one);
    }

    /// It is dead, and would be removed.
    pub(super) fn would(&mut self, one: &Found) {
        self.line("dead", one);
        self.goes(one);
    }

    pub(super) fn kept(&mut self, one: &Found) {
        let Is::Kept(word, why) = &one.is else { return };
        match self.counts.iter_mut().find(|(known, _)| known == word) {
            Some((_, count)) => *count += 1,
            None => self.counts.push((word, 1)),
        }
        // Whoever uses it, and who made it to stay, need not be told of; the rest may want a person.
        if !self.is_json && !matches!(*word, "alive" | "stays") {
            self.said(word, &format!("{} ({})", one.name, one.kind), why);
        }
        if self.is_json {
            self.stay
                .push(json!({ "name": one.name, "kind": one.kind, "bytes": one.bytes, "state": word, "why": why }));
        }
    }

    /// Everything so far is printed: a question follows, which begins anew. Says whether somebody reads.
    pub(super) fn pause(&mut self) -> (Exit, bool) {
        let flushed = self.outcome.as_ref().map_err(io::Error::kind);
        (self.gone_bytes, self.gone) = (0, Vec::new());
        match flushed {
            Ok(()) => (Exit::Done, true),
            Err(_) => (self.ending(Exit::Done), false),
        }
    }

    /// The last of it; says how the command ends.
    pub(super) fn end(&mut self, is_dry: bool, exit: Exit) -> Exit {
        if self.is_json {
            let key = if is_dry { "dead" } else { "removed" };
            let document = json!({ key: self.gone, "bytes": self.gone_bytes, "kept": self.stay });
            self.say(format_args!("{document:#}\n"));
        } else {
            let count = self.gone.len() as u64;
            let verb = if is_dry { "would be removed" } else { "removed" };
            let mut sum = match count {
                0 => "nothing is provably dead".to_owned(),
                _ => format!("{} {verb} ({})", counted(count, "object"), size(self.gone_bytes)),
            };
            for (word, count) in &self.counts {
                sum.push_str(&format!(", {} {word}", grouped(*count)));
            }
            let lines = wrapped(&sum, self.width.unwrap_or(usize::MAX)).join("\n");
            self.say(format_args!("{lines}\n"));
        }
        self.ending(exit)
    }

    fn goes(&mut self, one: &Found) {
        let Is::Dead(proof) = &one.is else { return };
        self.gone_bytes += one.bytes;
        let age_s = one.age.map(|age| age.as_secs());
        self.gone
            .push(json!({ "name": one.name, "kind": one.kind, "bytes": one.bytes, "age_s": age_s, "proof": proof }));
    }

    fn line(&mut self, verb: &str, one: &Found) {
        let Is::Dead(proof) = &one.is else { return };
        if !self.is_json {
            let old = one.age.map(|time| format!(", {} old", age(time))).unwrap_or_default();
            self.said(verb, &format!("{} ({}, {}{old})", one.name, one.kind, size(one.bytes)), proof);
        }
    }

    /// What is done with what, and below it why.
    fn said(&mut self, verb: &str, what: &str, why: &str) {
        let text = format!("{verb:<8} {what}\n{}", below(why, self.width));
        self.say(format_args!("{text}"));
    }

    fn say(&mut self, text: std::fmt::Arguments<'_>) {
        if self.outcome.is_ok() {
            let mut out = io::stdout().lock();
            self.outcome = out.write_all(text.to_string().as_bytes()).and_then(|()| out.flush());
        }
    }

    /// Whoever closed the output has read enough.
    fn ending(&self, exit: Exit) -> Exit {
        match &self.outcome {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                say::line(format_args!("strait gc: write to standard output: {error}"));
                Exit::Refused
            }
            _ => exit,
        }
    }
}

/// A sentence in lines that stand below a name.
fn below(why: &str, width: Option<usize>) -> String {
    let room = width.map_or(usize::MAX, |width| width.saturating_sub(INDENT));
    wrapped(why, room).iter().map(|line| format!("{:INDENT$}{line}\n", "")).collect()
}

#[cfg(test)]
mod tests {
    use super::below;

    /// Within the terminal every line is, indented alike; without one there is one line.
    #[test]
    fn sentences() {
        let why = "no process of this machine has it open or mapped: the kernel gave a write lease on it";
        let lines = below(why, Some(40));
        assert!(
            lines.lines().count() == 3 && lines.lines().all(|line| line.len() <= 40 && line.starts_with("         "))
        );
        assert_eq!(lines.split_ascii_whitespace().collect::<Vec<_>>(), why.split(' ').collect::<Vec<_>>());
        assert_eq!(below(why, None), format!("         {why}\n"));
    }
}
