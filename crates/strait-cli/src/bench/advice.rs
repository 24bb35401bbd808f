//! Advice in one paragraph, made of what was measured: for small messages, for large ones, for many readers, and what is lost with each.

use crate::bench::job::{Measure, Waiting};
use crate::bench::row::Row;
use crate::bench::subject::Subject;
use crate::bench::table::{bytes, digits, time};
use strait::transport::{Boundaries, Mechanism, Survival, Users};

/// Of these rows; says so where there is nothing to say.
pub(super) fn of(rows: &[Row]) -> String {
    let mut told = Vec::new();
    let mut sentences = Vec::new();
    for advice in [small(rows), large(rows), readers(rows)] {
        let Some((text, subject)) = advice else { continue };
        // What is given up with a mechanism is said once.
        let lost = if told.contains(&subject) { String::new() } else { lost(subject) };
        told.push(subject);
        sentences.push(format!("{text}{lost}."));
    }
    if sentences.is_empty() { "Too little was measured for advice.".to_owned() } else { sentences.join(" ") }
}

/// Whether anybody would be advised to use it for messages: all of them arrive, with what is in them.
fn is_candidate(row: &Row) -> bool {
    !matches!(row.subject, Subject::Futex | Subject::Watch)
        && row.subject.bytes_max().is_none()
        && row.subject.is_reliable()
}

fn fastest(rows: &[Row], waiting: Waiting, is_wanted: impl Fn(&Row) -> bool) -> Option<&Row> {
    let smallest =
        rows.iter().filter(|it| is_candidate(it) && it.p50_ns().is_some()).map(|it| it.message_bytes).min()?;
    let trips = rows.iter().filter(|it| it.waiting == waiting && it.message_bytes == smallest && it.p50_ns().is_some());
    trips.filter(|it| is_candidate(it) && is_wanted(it)).min_by(|a, b| order(a.p50_ns(), b.p50_ns()))
}

fn order(a: Option<f64>, b: Option<f64>) -> std::cmp::Ordering {
    a.unwrap_or(f64::MAX).total_cmp(&b.unwrap_or(f64::MAX))
}

fn small(rows: &[Row]) -> Option<(String, Subject)> {
    let is_ours = |row: &Row| row.subject.is_ours();
    let awake = fastest(rows, Waiting::Spin, |_| true);
    let asleep = fastest(rows, Waiting::Sleep, |_| true);
    let best = awake.or(asleep)?;
    let mut text = format!("For small messages ({}) use {}", bytes(best.message_bytes), best.mechanism);
    let figure = |row: &Row| row.p50_ns().map_or_else(String::new, time);
    let other = |waiting| {
        let row = rows
            .iter()
            .find(|it| it.subject == best.subject && it.waiting == waiting && it.message_bytes == best.message_bytes);
        row.filter(|it| it.p50_ns().is_some())
    };
    match (other(Waiting::Spin), other(Waiting::Sleep)) {
        (Some(spin), Some(sleep)) => {
            text += &format!(": {} there and back awake, {} asleep", figure(spin), figure(sleep));
        }
        (Some(spin), None) => text += &format!(": {} there and back awake", figure(spin)),
        (None, Some(sleep)) => text += &format!(": {} there and back asleep", figure(sleep)),
        (None, None) => {}
    }
    let rival = fastest(rows, best.waiting, |row| is_ours(row) != is_ours(best));
    if let Some(rival) = rival {
        let whose = if is_ours(best) { "the kernel's" } else { "strait's" };
        text += &format!(" (the best of {whose}, {}: {})", rival.mechanism, figure(rival));
    }
    let own_asleep = other(Waiting::Sleep).and_then(Row::p50_ns).unwrap_or(f64::MAX);
    // By a tenth at least: less is chance.
    if let Some(asleep) = asleep.filter(|it| it.p50_ns().is_some_and(|ns| ns * 1.1 < own_asleep)) {
        text += &format!("; asleep the fastest is {} with {}", asleep.mechanism, figure(asleep));
    }
    Some((text, best.subject))
}

fn large(rows: &[Row]) -> Option<(String, Subject)> {
    let streams =
        || rows.iter().filter(|it| it.measure == Measure::Stream && is_candidate(it) && it.bytes_per_second.is_some());
    let largest = streams().map(|it| it.message_bytes).max()?;
    let smallest = streams().map(|it| it.message_bytes).min()?;
    if largest == smallest && largest < 4096 {
        return None;
    }
    let rate = |row: &Row| row.bytes_per_second.unwrap_or(0.0);
    let best_of = |is_wanted: &dyn Fn(&Row) -> bool| {
        let of_size = streams().filter(|it| it.message_bytes == largest && is_wanted(it));
        of_size.max_by(|a, b| rate(a).total_cmp(&rate(b)))
    };
    let best = best_of(&|_| true)?;
    let gigabytes = |row: &Row| format!("{} GB/s", digits(rate(row) / 1e9));
    let mut text = format!(
        "For large ones ({}) use {}: {}, waiting {}",
        bytes(largest),
        best.mechanism,
        gigabytes(best),
        how(best.waiting)
    );
    if let Some(rival) = best_of(&|row| row.subject.is_ours() != best.subject.is_ours()) {
        let whose = if best.subject.is_ours() { "the kernel's" } else { "strait's" };
        text += &format!(" (the best of {whose}, {}: {})", rival.mechanism, gigabytes(rival));
    }
    Some((text, best.subject))
}

fn how(waiting: Waiting) -> &'static str {
    match waiting {
        Waiting::Spin => "awake",
        Waiting::Sleep => "asleep",
    }
}

fn readers(rows: &[Row]) -> Option<(String, Subject)> {
    let broadcast = Subject::Mechanism(Mechanism::Broadcast);
    let of_it = rows.iter().filter(|it| it.subject == broadcast && it.messages_per_second.is_some());
    let rate = |row: &Row| row.messages_per_second.unwrap_or(0.0);
    let best = of_it.max_by(|a, b| rate(a).total_cmp(&rate(b)))?;
    let figure = digits(rate(best) / 1e6);
    let text = format!(
        "For many readers use broadcast, which writes a message once for all of them ({figure} million a second of {} to one here), or \
         watch, where only the latest value counts; everything else sends each reader a copy",
        bytes(best.message_bytes),
    );
    Some((text, broadcast))
}

/// What one gives up, from the table of capabilities.
fn lost(subject: Subject) -> String {
    let Subject::Mechanism(mechanism) = subject else {
        return format!("; with {subject} one gives up waiting for it together with descriptors");
    };
    let it = mechanism.capabilities();
    let given_up: Vec<&str> = [
        (it.senders == Users::One && it.receivers == Users::One, "more than one sender and receiver"),
        (it.senders == Users::Many && it.receivers == Users::One, "more than one receiver"),
        (!it.tells_end, "being told that the other side has gone"),
        (!it.is_pollable, "polling it together with descriptors"),
        (!it.knows_peer, "the kernel's word on who is at the other end"),
        (!it.passes_descriptors, "sending descriptors"),
        (!it.has_name, "being found by a name"),
        (it.survival == Survival::Messages, "leaving nothing behind"),
        (it.boundaries == Boundaries::Count, "messages with content"),
    ]
    .into_iter()
    .filter_map(|(is_lost, what)| is_lost.then_some(what))
    .collect();
    match given_up.split_last() {
        None => String::new(),
        Some((only, [])) => format!("; with {subject} one gives up {only}"),
        Some((last, others)) => format!("; with {subject} one gives up {} and {last}", others.join(", ")),
    }
}
