//! What strait knows of its own: what a channel carries and how much, who holds a lock.

use crate::figures::{grouped, size};
use crate::seen::Seen;
use crate::text::safe;
use strait::discovery::{Channel, Hold, Lock, MessageType};

type Facts = Vec<(&'static str, String)>;

pub(super) fn channel(channel: &Channel) -> Facts {
    let mut facts = vec![("messages", of_type(&channel.message))];
    if let Some(answer) = &channel.answer {
        facts.push(("answers", of_type(answer)));
    }
    facts.extend(schema(channel.schema_id));
    let most = channel.capacity_messages.map(|most| format!(" ({} messages)", grouped(most))).unwrap_or_default();
    let room = size(channel.capacity_bytes);
    facts.push((
        "room",
        format!(
            "{room}{most}, {} seats{}",
            channel.seats,
            if channel.is_kept { ", kept" } else { stays(channel.is_restartable) }
        ),
    ));
    let traffic = [
        (channel.traffic.sent, "sent"),
        (channel.traffic.received, "received"),
        (channel.traffic.dropped, "dropped"),
        (channel.traffic.redelivered, "back for another worker"),
    ];
    let told: Vec<String> =
        traffic.iter().filter_map(|(count, what)| Some(format!("{} {what}", grouped((*count)?)))).collect();
    if !told.is_empty() {
        facts.push(("traffic", told.join(", ")));
    }
    facts
}

pub(super) fn lock(seen: &Seen, lock: &Lock) -> Facts {
    let mut facts = vec![("lock", format!("{}, {} seats{}", lock.kind, lock.seats, stays(lock.is_restartable)))];
    facts.extend(lock.value.as_ref().map(|value| ("value", of_type(value))));
    facts.extend(schema(lock.schema_id));
    facts.extend(lock.holders.iter().map(|hold| ("held by", holder(seen, hold))));
    if lock.is_unfinished {
        facts.push(("note", "a holder has not finished, and nobody has looked at what it left".to_owned()));
    }
    if lock.is_anybody_asleep {
        facts.push(("asleep", "somebody, or somebody was".to_owned()));
    }
    facts
}

/// `process 412 (worker), slot 3: holds it, for 2.1 s at least`.
fn holder(seen: &Seen, hold: &Hold) -> String {
    let command = seen.process(hold.pid).map(|it| format!(" ({})", safe(&it.command))).unwrap_or_default();
    let dead = if hold.state == strait::channel::PeerState::Attached { "" } else { "; it is gone" };
    let long = hold.held_for.map(|time| format!(", for {:.1} s at least", time.as_secs_f64())).unwrap_or_default();
    format!("process {}{command}, slot {}: {}{long}{dead}", hold.pid, hold.slot, hold.how)
}

fn of_type(it: &MessageType) -> String {
    match it.is_slice {
        true => format!("slices of {}, {} bytes an item", safe(&it.name), it.item_bytes),
        false => format!("{}, {} bytes", safe(&it.name), it.item_bytes),
    }
}

fn schema(id: u64) -> Option<(&'static str, String)> {
    (id != 0).then(|| ("schema", format!("{id:#x}")))
}

fn stays(is_restartable: bool) -> &'static str {
    if is_restartable { ", restartable" } else { "" }
}
