//! What is told of an object in a few words: who has it, and what is in it.

use super::{Seen, Thing};
use crate::figures::counted;
use crate::text::safe;
use strait::discovery::Status;
use strait::inspect::machine::Content;

impl Seen {
    /// Who has it, each once: `412 python3, 413 worker`.
    pub(crate) fn holders(&self, thing: &Thing) -> String {
        let named = |pid: u32| match self.process(pid) {
            Some(process) => format!("{pid} {}", safe(&process.command)),
            None => pid.to_string(),
        };
        thing.object.holders().into_iter().map(named).collect::<Vec<_>>().join(", ")
    }
}

impl Thing {
    /// What is in it, where that can be told: `3 messages`, `2 permits`.
    pub(crate) fn content(&self) -> String {
        match (&self.own, &self.object.content) {
            (Some(Status::Channel(channel)), _) => channel.fill.as_ref().map(ToString::to_string).unwrap_or_default(),
            (Some(Status::Lock(lock)), _) => {
                let waiters = match lock.waiters() {
                    0 => String::new(),
                    n => format!(", {n} waiting"),
                };
                format!("{}{waiters}", lock.state)
            }
            (_, Content::Messages { count: Some(count), bytes }) => {
                format!("{}, {}", counted(*count, "message"), crate::figures::size(*bytes))
            }
            (_, Content::Messages { count: None, bytes: 0 }) => String::new(),
            (_, Content::Messages { count: None, bytes }) => format!("{} waiting", crate::figures::size(*bytes)),
            (_, Content::Connections(count)) => match count {
                0 => "listens".to_owned(),
                n => format!("listens, {n} waiting"),
            },
            (_, Content::Semaphores(count)) => counted(*count, "semaphore"),
            (_, Content::Count(count)) => format!("count {count}"),
            _ => String::new(),
        }
    }
}
