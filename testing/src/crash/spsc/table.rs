//! What is done to an spsc channel while somebody is killed, a row each.

use super::ends::Kind::{self, Large, Line, Mixed, Odd, Small, Word, Wrapping};
use super::pairs::pairs;
use super::{
    Before::{self, Around, Full, Sent},
    Plan, ReceiverDies, SenderDies,
    Survivor::{self, Asleep, Awake, Gone, Idle},
    birth::{self, Side, TakerDies, World},
    role,
};
use crate::crash::stage::Where::{self, File, Memory, Named};
use crate::crash::table::{Channel, Row};

/// The channel's part of the matrix.
pub const CHANNEL: Channel = Channel { name: super::NAME, rows, pairs, play: role::play };

const PIPE: bool = false;
const AGAIN: bool = true;

#[expect(clippy::too_many_arguments, reason = "columns of a table")]
fn sends(
    name: &'static str,
    part: &'static str,
    kind: Kind,
    at: Where,
    is_restartable: bool,
    before: Before,
    count: u64,
    survivor: Survivor,
) -> Row {
    let plan = Plan { part, kind, at, is_restartable, before, count, survivor };
    Row::new(name, "sender", at, is_restartable, move || Box::new(SenderDies::new(plan)))
}

#[expect(clippy::too_many_arguments, reason = "columns of a table")]
fn receives(
    name: &'static str,
    part: &'static str,
    kind: Kind,
    at: Where,
    is_restartable: bool,
    before: Before,
    count: u64,
    survivor: Survivor,
) -> Row {
    let plan = Plan { part, kind, at, is_restartable, before, count, survivor };
    Row::new(name, "receiver", at, is_restartable, move || Box::new(ReceiverDies::new(plan)))
}

fn takes(
    name: &'static str,
    victim: &'static str,
    call: &'static str,
    side: Side,
    at: Where,
    is_restartable: bool,
    world: World,
) -> Row {
    let plan = birth::Plan { call, side, at, is_restartable, world };
    Row::new(name, victim, at, is_restartable, move || Box::new(TakerDies::new(plan)))
}

/// All of them.
#[rustfmt::skip]
fn rows() -> Vec<Row> {
    vec![
    //       name                    part             kind      at      mode   before        count survivor
    sends   ("send-word",            "send",          Word,     Named,  PIPE,  Sent(3, 1),   1,    Awake),
    sends   ("send-line",            "send",          Line,     Named,  PIPE,  Sent(3, 1),   1,    Awake),
    sends   ("send-small",           "send",          Small,    Named,  PIPE,  Sent(3, 1),   1,    Awake),
    sends   ("send-large",           "send",          Large,    Named,  PIPE,  Sent(1, 1),   1,    Awake),
    sends   ("send-wrapping",        "send",          Wrapping, Named,  PIPE,  Sent(4, 3),   1,    Awake),
    sends   ("send-full",            "send",          Word,     Named,  PIPE,  Full,         1,    Awake),
    sends   ("send-asleep",          "send",          Word,     Named,  PIPE,  Full,         1,    Idle),
    sends   ("send-asleep-restart",  "send",          Small,    Memory, AGAIN, Full,         1,    Idle),
    sends   ("send-batch",           "batch",         Word,     Named,  PIPE,  Sent(3, 1),   150,  Awake),
    sends   ("send-batch-bytes",     "batch",         Mixed,    Named,  PIPE,  Sent(3, 1),   9,    Awake),
    sends   ("send-batch-wrapping",  "batch",         Wrapping, Memory, AGAIN, Sent(4, 4),   3,    Awake),
    sends   ("reserve-word",         "reserve",       Word,     Named,  PIPE,  Sent(3, 1),   1,    Awake),
    sends   ("reserve-large",        "reserve",       Large,    Named,  PIPE,  Sent(1, 1),   1,    Awake),
    sends   ("send-to-sleeper",      "send",          Word,     Named,  PIPE,  Sent(3, 3),   1,    Asleep),
    sends   ("send-restart-named",   "send",          Small,    Named,  AGAIN, Sent(3, 1),   3,    Awake),
    sends   ("send-restart-memfd",   "send",          Line,     Memory, AGAIN, Sent(3, 1),   2,    Awake),
    sends   ("send-restart-file",    "send",          Mixed,    File,   AGAIN, Sent(3, 1),   2,    Awake),
    sends   ("send-wrapping-memfd",  "send",          Wrapping, Memory, AGAIN, Sent(4, 3),   2,    Awake),
    sends   ("reserve-restart",      "reserve",       Wrapping, Memory, AGAIN, Sent(4, 3),   2,    Awake),
    // In slots: the last lies at the end of the ring, or a batch lies around it.
    sends   ("send-line-full",       "send",          Line,     Named,  PIPE,  Full,         1,    Awake),
    sends   ("send-line-end",        "send",          Line,     Memory, AGAIN, Sent(63, 60), 2,    Awake),
    sends   ("send-odd",             "send",          Odd,      Named,  PIPE,  Sent(39, 37), 2,    Awake),
    sends   ("send-odd-file",        "send",          Odd,      File,   AGAIN, Sent(39, 37), 2,    Awake),
    sends   ("send-batch-line",      "batch",         Line,     Named,  PIPE,  Sent(60, 57), 9,    Awake),
    sends   ("send-batch-line-file", "batch",         Line,     File,   AGAIN, Sent(60, 57), 9,    Awake),
    sends   ("reserve-line",         "reserve",       Line,     Named,  PIPE,  Sent(3, 1),   1,    Awake),
    sends   ("reserve-line-end",     "reserve",       Line,     Memory, AGAIN, Sent(63, 60), 2,    Awake),
    sends   ("leave-sender",         "leave-sender",  Word,     Named,  PIPE,  Sent(3, 1),   1,    Awake),
    sends   ("leave-sender-restart", "leave-sender",  Word,     Named,  AGAIN, Sent(3, 1),   1,    Awake),
    sends   ("leave-sender-sleeper", "leave-sender",  Word,     Named,  PIPE,  Sent(3, 3),   1,    Asleep),
    sends   ("last-sender",          "leave-sender",  Word,     Named,  PIPE,  Sent(3, 1),   1,    Gone),
    sends   ("last-sender-kept",     "leave-sender",  Word,     Named,  AGAIN, Sent(3, 1),   1,    Gone),
    sends   ("last-sender-drained",  "leave-sender",  Word,     Named,  AGAIN, Sent(3, 3),   1,    Gone),

    receives("recv-word",            "recv",          Word,     Named,  PIPE,  Sent(4, 1),   2,    Awake),
    receives("recv-small",           "recv",          Small,    Named,  AGAIN, Sent(4, 1),   2,    Awake),
    receives("recv-line",            "recv",          Line,     Memory, AGAIN, Sent(4, 1),   2,    Awake),
    receives("recv-large",           "recv",          Large,    Memory, AGAIN, Sent(2, 0),   2,    Awake),
    receives("recv-wrapping",        "recv",          Wrapping, File,   AGAIN, Sent(4, 1),   2,    Awake),
    receives("recv-batch",           "recv-batch",    Word,     Named,  AGAIN, Sent(100, 1), 90,   Awake),
    receives("recv-lent",            "lent",          Word,     Named,  PIPE,  Sent(4, 1),   2,    Awake),
    receives("recv-lent-restart",    "lent",          Small,    Named,  AGAIN, Sent(4, 1),   2,    Awake),
    receives("recv-lent-large",      "lent",          Large,    Memory, AGAIN, Sent(2, 0),   2,    Awake),
    receives("recv-lent-file",       "lent",          Line,     File,   AGAIN, Sent(4, 1),   2,    Awake),
    receives("recv-lent-full",       "lent",          Word,     Memory, AGAIN, Full,         3,    Awake),
    receives("recv-batch-lent",      "batch-lent",    Word,     Memory, AGAIN, Sent(64, 1),  63,   Awake),
    receives("recv-empty",           "recv",          Word,     Named,  PIPE,  Sent(0, 0),   1,    Awake),
    receives("recv-empty-restart",   "recv",          Small,    Memory, AGAIN, Sent(0, 0),   2,    Awake),
    receives("recv-asleep",          "recv",          Word,     Named,  PIPE,  Sent(0, 0),   1,    Idle),
    receives("recv-asleep-restart",  "lent",          Line,     Memory, AGAIN, Sent(1, 1),   1,    Idle),
    receives("recv-wakes-sender",    "recv",          Word,     Named,  PIPE,  Full,         10,   Asleep),
    receives("recv-line-pipe",       "recv",          Line,     Named,  PIPE,  Sent(4, 1),   2,    Awake),
    receives("recv-line-end",        "recv",          Line,     File,   AGAIN, Around(64, 62, 3), 3, Awake),
    receives("recv-odd",             "recv",          Odd,      Memory, AGAIN, Around(40, 38, 3), 3, Awake),
    receives("recv-lent-line",       "lent",          Line,     Named,  PIPE,  Sent(4, 1),   2,    Awake),
    receives("recv-lent-line-end",   "lent",          Line,     Memory, AGAIN, Around(64, 62, 3), 3, Awake),
    receives("recv-line-full",       "recv",          Line,     Memory, AGAIN, Full,         2,    Awake),
    receives("recv-batch-line",      "recv-batch",    Line,     Named,  AGAIN, Around(64, 60, 5), 9, Awake),
    receives("recv-batch-lent-line", "batch-lent",    Line,     Memory, AGAIN, Around(64, 60, 5), 9, Awake),
    receives("leave-receiver",       "leave-receiver", Word,    Named,  PIPE,  Sent(4, 1),   0,    Awake),
    receives("leave-receiver-restart", "leave-receiver", Word,  Named,  AGAIN, Sent(4, 1),   0,    Awake),
    receives("leave-receiver-sleeper", "leave-receiver", Word,  Named,  PIPE,  Full,         0,    Asleep),
    receives("last-receiver",        "leave-receiver", Word,    Named,  AGAIN, Sent(4, 4),   0,    Gone),

    takes("create-sender",         "creator", "create",         Side::Sender,   Named,  PIPE,  World::Nothing),
    takes("create-receiver",       "creator", "create",         Side::Receiver, Named,  PIPE,  World::Nothing),
    takes("create-restartable",    "creator", "create",         Side::Sender,   Named,  AGAIN, World::Nothing),
    takes("create-file",           "creator", "create",         Side::Sender,   File,   AGAIN, World::Nothing),
    takes("open-receiver",         "opener",  "open",           Side::Receiver, Named,  PIPE,  World::Live),
    takes("open-sender",           "opener",  "open",           Side::Sender,   Named,  PIPE,  World::Live),
    takes("open-restartable",      "opener",  "open",           Side::Receiver, Named,  AGAIN, World::Live),
    takes("open-file",             "opener",  "open",           Side::Receiver, File,   AGAIN, World::Live),
    takes("open-memfd",            "opener",  "open",           Side::Receiver, Memory, AGAIN, World::Live),
    takes("open-or-create-new",    "creator", "open-or-create", Side::Sender,   Named,  PIPE,  World::Nothing),
    takes("open-or-create-there",  "opener",  "open-or-create", Side::Receiver, Named,  PIPE,  World::Live),
    takes("open-successor",        "opener",  "open-or-create", Side::Sender,   Named,  AGAIN, World::Dead),
    takes("open-successor-file",   "opener",  "open",           Side::Sender,   File,   AGAIN, World::Dead),
    takes("sweep-by-create",       "sweeper", "create",         Side::Sender,   Named,  PIPE,  World::Dead),
    takes("sweep-by-open",         "sweeper", "open",           Side::Receiver, Named,  PIPE,  World::Dead),
    takes("sweep-by-either",       "sweeper", "open-or-create", Side::Receiver, Named,  PIPE,  World::Dead),
    ]
}
