//! Which objects are shown, and in what order.

use crate::seen::{Kinds, Seen, State, Thing, Wanted};
use std::cmp::Ordering;
use strait::inspect::machine::{Content, Kind};

/// By what they are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Sort {
    /// Strait's own first, then by kind and name.
    Kind,
    Name,
    /// The largest first.
    Size,
    /// Dead ones first, then corrupt, unknown, idle, live.
    State,
    /// The most processes first.
    Holders,
    /// The oldest first.
    Age,
}

/// What was asked for.
#[derive(Debug)]
pub(super) struct Choice<'a> {
    pub(super) wanted: Option<&'a Wanted>,
    pub(super) kinds: &'a [Kinds],
    pub(super) states: &'a [State],
    pub(super) is_all: bool,
    pub(super) sort: Sort,
    pub(super) is_reversed: bool,
}

impl Choice<'_> {
    /// Those to show, in order, and those that only `--all` shows.
    pub(super) fn of<'s>(&self, seen: &'s Seen) -> (Vec<&'s Thing>, Vec<&'s Thing>) {
        let all: Vec<&Thing> = match self.wanted {
            None => seen.things.iter().collect(),
            Some(wanted) => {
                let found = seen.find(wanted);
                let is_held = |it: &&Thing| found.process.is_some_and(|process| it.is_held_by(process.pid));
                let is_found = |it: &&Thing| found.things.iter().any(|found| std::ptr::eq(*found, *it));
                seen.things.iter().filter(|it| is_found(it) || is_held(it)).collect()
            }
        };
        let is_kind = |it: &&Thing| self.kinds.is_empty() || self.kinds.iter().any(|kinds| kinds.has(it));
        let is_state = |it: &&Thing| self.states.is_empty() || self.states.contains(&it.state);
        // Who names something wants to see it.
        let is_everything = self.is_all || self.wanted.is_some() || !self.kinds.is_empty();
        let chosen = all.into_iter().filter(|it| is_kind(it) && is_state(it));
        let (mut shown, left_out): (Vec<_>, Vec<_>) = chosen.partition(|it| is_everything || is_of_interest(it));
        shown.sort_by(|a, b| self.order(a, b));
        (shown, left_out)
    }

    fn order(&self, a: &Thing, b: &Thing) -> Ordering {
        let by_kind = |it: &Thing| (!it.is_own(), it.object.kind);
        let order = match self.sort {
            Sort::Kind => by_kind(a).cmp(&by_kind(b)),
            Sort::Name => Ordering::Equal,
            Sort::Size => b.bytes().cmp(&a.bytes()),
            Sort::State => urgency(b.state).cmp(&urgency(a.state)),
            Sort::Holders => b.object.holders().len().cmp(&a.object.holders().len()),
            Sort::Age => a.since().is_none().cmp(&b.since().is_none()).then(a.since().cmp(&b.since())),
        };
        let order = if self.is_reversed { order.reverse() } else { order };
        order.then_with(|| a.name().cmp(b.name())).then_with(|| a.object.identity.cmp(&b.object.identity))
    }
}

fn urgency(state: State) -> u8 {
    match state {
        State::Live => 0,
        State::Idle => 1,
        State::Unknown => 2,
        State::Corrupt => 3,
        State::Dead => 4,
    }
}

/// What has a name, is memory, or is strait's: what a person may have to do with. A connection has its listener's name.
fn is_of_interest(thing: &Thing) -> bool {
    match thing.object.kind {
        Kind::Pipe | Kind::Eventfd => false,
        Kind::UnixSocket | Kind::Tcp | Kind::Udp => matches!(thing.object.content, Content::Connections(_)),
        _ => true,
    }
}
