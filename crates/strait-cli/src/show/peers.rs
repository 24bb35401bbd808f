//! The users of a channel or a lock, one line each.

use super::object::{COMMAND, PID, indented, within};
use crate::screen::{self, Align, Column, Paint};
use crate::seen::{Seen, json};
use crate::text::safe;
use strait::channel::PeerState;
use strait::discovery::Peer;

const SLOT: Column = Column { head: "SLOT", align: Align::Right, least: None };
const ROLE: Column = Column { head: "ROLE", align: Align::Left, least: None };
const STATE: Column = Column { head: "STATE", align: Align::Left, least: None };
const LAG: Column = Column { head: "LAG", align: Align::Right, least: None };
const WAITS: Column = Column { head: "WAITS", align: Align::Left, least: None };

pub(super) fn list(seen: &Seen, peers: &[Peer], width: Option<usize>, paint: Paint) -> String {
    let row = |it: &Peer| {
        let command = seen.process(it.pid).filter(|_| it.state == PeerState::Attached).map(|it| safe(&it.command));
        vec![
            it.slot.to_string(),
            safe(&it.role),
            it.pid.to_string(),
            command.unwrap_or_default(),
            json::peer(it.state).to_owned(),
            it.lag.map(|lag| lag.to_string()).unwrap_or_default(),
            waits(it),
        ]
    };
    let rows: Vec<Vec<String>> = peers.iter().map(row).collect();
    let painted = |row: usize, column: usize, cell: &str| match (column, peers[row].state) {
        (4, PeerState::Attached) => paint.good(cell),
        (4, PeerState::Died) => paint.bad(cell),
        _ => cell.to_owned(),
    };
    let columns = [SLOT, ROLE, PID, COMMAND, STATE, LAG, WAITS];
    indented(&screen::list(&columns, &rows, within(width), painted, |head| paint.faint(head)))
}

/// Whether it waits, asleep or not, and for how long where that is told.
fn waits(peer: &Peer) -> String {
    if peer.state != PeerState::Attached {
        return String::new();
    }
    let time = peer.waits_for.map(|time| format!("{:.1} s", time.as_secs_f64()));
    let asleep = peer.is_asleep.then(|| "asleep".to_owned());
    asleep.into_iter().chain(time).collect::<Vec<_>>().join(", ")
}
