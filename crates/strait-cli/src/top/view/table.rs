//! The rows, and what stands above them.

use super::super::order::{Column, Order};
use super::super::sample::{Row, Sample, What};
use super::figure::{count, percent, rate, time};
use super::{Line, Look, fit};
use strait::channel::PeerState;
use strait::discovery::{Lock, LockState};

/// The columns behind the name, their widths, and what they are sorted by.
const COLUMNS: [(&str, usize, Option<Column>); 9] = [
    ("KIND", 9, None),
    ("MSG/S", 6, Some(Column::Messages)),
    ("B/S", 6, Some(Column::Bytes)),
    ("FILL", 4, Some(Column::Fill)),
    ("LAG", 5, Some(Column::Lag)),
    ("DROP/S", 6, Some(Column::Drops)),
    ("SLEEP", 5, Some(Column::Sleepers)),
    ("USERS", 5, None),
    ("CPU", 4, Some(Column::Cpu)),
];
/// How many of them the text about a lock takes the place of: from the second on.
const REPLACED: std::ops::Range<usize> = 1..6;
const NAME_MIN: usize = 12;
const NAME_MAX: usize = 44;
/// Behind all that, where there is room.
const TYPE_MIN: usize = 12;

/// The smallest terminal that this fits.
pub(in crate::top) const WIDTH_MIN: usize = NAME_MIN + 59;
pub(in crate::top) const HEIGHT_MIN: usize = 6;

/// What is above the rows.
pub(in crate::top) fn summary(sample: &Sample) -> String {
    let is_channel = |row: &&Row| matches!(row.what, What::Channel(_));
    let sum = |of: fn(&Row) -> Option<f64>| sample.rows.iter().filter_map(of).sum::<f64>();
    let channels = sample.rows.iter().filter(is_channel).count();
    let locks = sample.rows.iter().filter(|row| matches!(row.what, What::Lock(_))).count();
    let corrupt = sample.rows.len() - channels - locks;
    let plural = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let mut text = plural(channels, "channel");
    if locks > 0 {
        text += &format!(", {}", plural(locks, "lock"));
    }
    if corrupt > 0 {
        text += &format!(", {corrupt} corrupt");
    }
    if sample.hidden > 0 {
        text += &format!(", {} hidden", sample.hidden);
    }
    let rates = (rate(Some(sum(|row| row.messages))), rate(Some(sum(|row| row.bytes))));
    format!("{text}  {} msg/s  {} B/s", rates.0, rates.1)
}

/// How wide names may be, and the types behind all else, if they are shown.
fn widths(width: usize) -> (usize, Option<usize>) {
    let fixed: usize = COLUMNS.iter().map(|it| it.1 + 1).sum();
    let left = width.saturating_sub(fixed).max(NAME_MIN);
    if left >= NAME_MAX + 1 + TYPE_MIN {
        return (NAME_MAX, Some(left - NAME_MAX - 1));
    }
    (left.min(NAME_MAX), None)
}

/// The titles.
pub(in crate::top) fn titles(width: usize, order: &Order) -> Line {
    let (name, types) = widths(width);
    let mark = |title: &str, column: Option<Column>| {
        if column == Some(order.by) {
            format!("{}{title}", if order.is_reversed { "^" } else { "*" })
        } else {
            title.into()
        }
    };
    let mut text = fit(&mark("NAME", Some(Column::Name)), name);
    for (index, (title, wide, column)) in COLUMNS.iter().enumerate() {
        let title = mark(title, *column);
        // A mark takes the place of the space before.
        let room = wide + usize::from(title.chars().count() > *wide);
        text += if room > *wide { "" } else { " " };
        text += &if index == 0 { format!("{title:<room$}") } else { format!("{title:>room$}") };
    }
    if let Some(types) = types {
        text += &format!(" {}", fit("TYPE", types));
    }
    Line::new(Look::Bold, text)
}

/// One row.
pub(in crate::top) fn row(row: &Row, width: usize) -> Line {
    let (name, types) = widths(width);
    let mut line = Line::new(Look::Plain, fit(&row.name, name));
    let cells = [
        row.kind.clone(),
        rate(row.messages),
        rate(row.bytes),
        percent(row.fill),
        count(row.lag),
        rate(row.drops),
        row.sleepers.to_string(),
        users(row),
        percent(row.cpu),
    ];
    let words = instead(row);
    for (index, (cell, (_, wide, _))) in cells.iter().zip(&COLUMNS).enumerate() {
        if let Some((look, words)) = words.as_ref().filter(|_| REPLACED.contains(&index)) {
            if index == REPLACED.start {
                let room: usize = COLUMNS[REPLACED].iter().map(|it| it.1 + 1).sum();
                line.push(*look, format!(" {}", fit(words, room - 1)));
            }
            continue;
        }
        let look = look_of(index, row);
        line.push(look, if index == 0 { format!(" {}", fit(cell, *wide)) } else { format!(" {cell:>wide$}") });
    }
    if let (Some(types), What::Channel(channel)) = (types, &row.what) {
        line.push(Look::Dim, format!(" {}", fit(&crate::text::safe(&channel.message.name), types)));
    }
    line
}

fn look_of(index: usize, row: &Row) -> Look {
    match index {
        0 if matches!(row.what, What::Corrupt(_)) => Look::Bad,
        3 if row.fill.is_some_and(|it| it >= 0.9) => Look::Warn,
        5 if row.drops.is_some_and(|it| it > 0.0) => Look::Bad,
        7 if row.dead > 0 => Look::Bad,
        _ => Look::Plain,
    }
}

/// `3`, or with the dead `3+1d`.
fn users(row: &Row) -> String {
    if row.dead > 0 { format!("{}+{}d", row.alive, row.dead) } else { row.alive.to_string() }
}

/// What stands in the place of figures that there are none of.
fn instead(row: &Row) -> Option<(Look, String)> {
    match &row.what {
        What::Channel(_) => None,
        What::Lock(lock) => Some(lock_words(lock)),
        What::Corrupt(why) => Some((Look::Bad, why.split_once(": ").map_or(why.as_str(), |it| it.1).to_owned())),
    }
}

fn lock_words(lock: &Lock) -> (Look, String) {
    let unfinished = if lock.is_unfinished { ", unfinished" } else { "" };
    let plain = |text: String| (if lock.is_unfinished { Look::Warn } else { Look::Plain }, text + unfinished);
    match (&lock.state, lock.holders.as_slice()) {
        (LockState::Held, [one]) if one.state == PeerState::Died => (Look::Bad, format!("held by {}, dead", one.pid)),
        (LockState::Held, [one]) => {
            let held = one.held_for.map_or_else(String::new, |held| format!(" {}", time(held)));
            plain(format!(
                "{} by {}{held}",
                if lock.holders[0].how == strait::discovery::How::Reads { "read" } else { "held" },
                one.pid
            ))
        }
        (LockState::Held, many) => plain(format!("held by {}", many.len())),
        (state @ LockState::Broken { .. }, _) => (Look::Bad, state.to_string()),
        (state, _) => plain(state.to_string()),
    }
}
