//! What is printed: two lines for each object that goes or would go, one sum for all that stay; or one JSON document.

use super::found::{Found, Is};
use crate::exit::Exit;
use crate::figures::{age, counted, grouped, size};
use crate::say;
use serde_json::{Value, json};
use std::io::{self, Write as _};

/// Collects what is said, and says it. Removal goes on where nobody listens any more.
pub(super) struct Page {
    is_json: bool,
    outcome: io::Result<()>,
    gone: Vec<Value>,
    stay: Vec<Value>,
    gone_bytes: u64,
    /// How many stay, by the word for it.
    counts: Vec<(&'static str, u64)>,
}

impl Page {
    pub(super) fn new(is_json: bool) -> Self {
        Self { is_json, outcome: Ok(()), gone: Vec::new(), stay: Vec::new(), gone_bytes: 0, counts: Vec::new() }
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
            self.say(format_args!("{word:<8} {} ({})\n         {why}\n", one.name, one.kind));
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
            self.say(format_args!("{sum}\n"));
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
            self.say(format_args!(
                "{verb:<8} {} ({}, {}{old})\n         {proof}\n",
                one.name,
                one.kind,
                size(one.bytes)
            ));
        }
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
