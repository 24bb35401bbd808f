//! One channel or lock, looked at closely.

use super::super::sample::{Row, What, command_of};
use super::figure::{count, percent, rate, time};
use super::{Line, Look, fit};
use crate::text::safe;
use std::time::Duration;
use strait::channel::PeerState;
use strait::discovery::{Channel, Fill, Lock, Peer};

/// All that is known of it.
pub(in crate::top) fn lines(row: &Row) -> Vec<Line> {
    let mut lines = vec![Line::new(Look::Bold, format!("{} ({})", row.name, row.kind))];
    match &row.what {
        What::Channel(channel) => of_channel(row, channel, &mut lines),
        What::Lock(lock) => of_lock(lock, &mut lines),
        What::Corrupt(why) => return vec![lines.remove(0), Line::new(Look::Bad, why.clone())],
    }
    lines.push(Line::default());
    of_users(row, &mut lines);
    lines
}

fn fact(lines: &mut Vec<Line>, name: &str, text: String) {
    let mut line = Line::new(Look::Dim, format!("  {name:<11}"));
    line.push(Look::Plain, text);
    lines.push(line);
}

fn of_channel(row: &Row, channel: &Channel, lines: &mut Vec<Line>) {
    let traffic = &channel.traffic;
    let message = &channel.message;
    let mut what = format!("{} of {} bytes", safe(&message.name), message.item_bytes);
    if let Some(answer) = &channel.answer {
        what += &format!(", answered by {} of {} bytes", safe(&answer.name), answer.item_bytes);
    }
    fact(lines, "messages", what);
    let capacity = channel.capacity_messages.map_or_else(String::new, |it| format!(", {} messages", count(Some(it))));
    let restartable = match (channel.is_kept, channel.is_restartable) {
        (true, _) => ", kept",
        (false, true) => ", restartable",
        (false, false) => "",
    };
    let size = format!("{} bytes{capacity}, {} seats{restartable}", channel.capacity_bytes, channel.seats);
    fact(lines, "capacity", size);
    let now = [(row.messages, "messages/s"), (row.bytes, "bytes/s"), (row.drops, "drops/s")];
    let now = now.iter().filter(|it| it.0.is_some()).map(|&(number, what)| format!("{} {what}", rate(number)));
    fact(lines, "now", now.collect::<Vec<_>>().join(", "));
    let mut totals: Vec<String> = Vec::new();
    for (number, what) in [
        (traffic.sent, "sent"),
        (traffic.received, "received"),
        (traffic.dropped, "dropped"),
        (traffic.redelivered, "came back"),
    ] {
        totals.extend(number.map(|it| format!("{it} {what}")));
    }
    fact(lines, "in all", totals.join(", "));
    let Some(fill) = &channel.fill else { return };
    let share = row.fill.map_or_else(String::new, |it| format!(" ({})", percent(Some(it))));
    fact(lines, "fill", format!("{fill}{share}"));
    if let Fill::Lanes(lanes) = fill {
        for (number, lane) in lanes.iter().enumerate().filter(|it| it.1.sent > 0) {
            let lag = lane.lag.map_or_else(|| "nobody reads it".into(), |lag| format!("the slowest lags {lag}"));
            fact(lines, &format!("lane {number}"), format!("{} sent, {} dropped, {lag}", lane.sent, lane.dropped));
        }
    }
}

fn of_lock(lock: &Lock, lines: &mut Vec<Line>) {
    let unfinished =
        if lock.is_unfinished { "; a holder did not finish, and nobody has looked at what it left" } else { "" };
    fact(lines, "state", format!("{}{unfinished}", lock.state));
    if let Some(value) = &lock.value {
        fact(lines, "value", format!("{} of {} bytes", safe(&value.name), value.item_bytes));
    }
    for hold in &lock.holders {
        let held = hold.held_for.map_or_else(String::new, |it| format!(" for at least {}", time(it)));
        let dead = if hold.state == PeerState::Died { ", and has died" } else { "" };
        fact(lines, "holder", format!("process {} {}{held}{dead}", hold.pid, hold.how));
    }
    let asleep = if lock.is_anybody_asleep { "; somebody sleeps" } else { "" };
    fact(lines, "waiting", format!("{}{asleep}", lock.waiters()));
}

fn of_users(row: &Row, lines: &mut Vec<Line>) {
    let titles = format!(
        "{:>4} {:<10} {:>7} {:<15} {:<5} {:<6} {:>7} {:>5} {:>8}",
        "SLOT", "ROLE", "PID", "COMMAND", "STATE", "", "LAG", "CPU", "SINCE"
    );
    lines.push(Line::new(Look::Bold, titles));
    for user in row.users() {
        lines.push(of_user(row, &user));
    }
}

fn of_user(row: &Row, user: &Peer) -> Line {
    let (state, look) = match user.state {
        PeerState::Attached => ("alive", Look::Good),
        PeerState::Left => ("left", Look::Dim),
        PeerState::Died => ("dead", Look::Bad),
        _ => ("?", Look::Plain),
    };
    let is_here = user.state == PeerState::Attached;
    let command = if is_here { command_of(user.pid) } else { String::new() };
    let asleep = if user.is_asleep && is_here { "asleep" } else { "" };
    let mut line = Line::new(
        Look::Plain,
        format!("{:>4} {:<10} {:>7} {} ", user.slot, safe(&user.role), user.pid, fit(&command, 15)),
    );
    line.push(look, format!("{state:<5}"));
    let lag = user.waits_for.map_or_else(|| count(user.lag), |it| format!("{} w", time(it).replace(' ', "")));
    let cpu = percent(row.cpu_of.get(&user.pid).copied().filter(|_| is_here));
    line.push(Look::Plain, format!(" {asleep:<6} {lag:>7} {cpu:>5} {:>8}", since(user.since_ns)));
    line
}

/// How long ago that was.
fn since(since_ns: u64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    now.checked_sub(Duration::from_nanos(since_ns)).map_or_else(|| "-".into(), time)
}
