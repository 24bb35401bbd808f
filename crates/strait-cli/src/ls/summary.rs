//! The last lines of a list: how many there are, how large, what is dead, what is left out, what could not be seen.

use super::limits::{self, Limit};
use crate::figures::{counted, size};
use crate::screen::Paint;
use crate::seen::{Seen, State, Thing};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Debug, Serialize)]
pub(super) struct Summary {
    objects: u64,
    bytes: u64,
    dead_objects: u64,
    dead_bytes: u64,
    /// Whether some of them are other programs', which are not removed unasked.
    #[serde(skip)]
    is_foreign_dead: bool,
    /// What `--all` would show, by kind.
    left_out: BTreeMap<String, u64>,
    limits: Vec<Limit>,
}

impl Summary {
    pub(super) fn of(seen: &Seen, things: &[&Thing], left_out: &[&Thing]) -> Self {
        let bytes =
            |things: &mut dyn Iterator<Item = &&Thing>| things.map(|it| it.bytes()).fold(0, u64::saturating_add);
        let dead: Vec<&&Thing> = things.iter().filter(|it| it.state == State::Dead).collect();
        let mut kinds = BTreeMap::new();
        for thing in left_out {
            *kinds.entry(thing.object.kind.to_string()).or_insert(0) += 1;
        }
        Self {
            objects: things.len() as u64,
            bytes: bytes(&mut things.iter()),
            dead_objects: dead.len() as u64,
            is_foreign_dead: dead.iter().any(|it| !it.is_own()),
            dead_bytes: bytes(&mut dead.into_iter()),
            left_out: kinds,
            limits: limits::near(seen),
        }
    }

    /// What a person reads below the list.
    pub(super) fn text(&self, seen: &Seen, paint: Paint) -> String {
        let mut line = format!("{}, {}", counted(self.objects, "object"), size(self.bytes));
        match self.dead_objects {
            0 => {}
            dead => {
                let foreign = if self.is_foreign_dead { " --foreign" } else { "" };
                line += &format!("; {dead} dead, {} (strait gc{foreign})", size(self.dead_bytes));
            }
        }
        if !self.left_out.is_empty() {
            let kinds: Vec<String> = self.left_out.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            line += &format!("; not shown: {} (--all)", kinds.join(", "));
        }
        let mut text = paint.bold_lines(&line);
        for limit in &self.limits {
            text += &(paint.warning(&format!("nearly full: {}", limit.words())) + "\n");
        }
        if let Some(hidden) = hidden(seen) {
            text += &(paint.faint(&hidden) + "\n");
        }
        for list in &seen.hidden.lists {
            text += &(paint.warning(&format!("hidden: {}", crate::text::safe(list))) + "\n");
        }
        text
    }
}

/// That there are processes that cannot be looked into: those of other users, or some that have rights which even root here has not.
pub(super) fn hidden(seen: &Seen) -> Option<String> {
    let closed: Vec<_> = seen.processes.iter().filter(|it| !it.is_open && it.state != 'Z').collect();
    let count = seen.hidden.processes;
    match (count, closed.as_slice()) {
        (0, _) => None,
        (1, [one]) => {
            let command = crate::text::safe(&one.command);
            Some(format!("hidden: what process {} ({command}) has may not be looked at", one.pid))
        }
        _ => {
            let own = rustix::process::geteuid();
            let is_root = if own.is_root() { "" } else { ": root sees more" };
            Some(format!("hidden: {count} processes may not be looked into{is_root}"))
        }
    }
}
