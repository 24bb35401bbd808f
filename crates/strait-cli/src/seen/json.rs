//! What `--json` writes of objects, holders and processes. Names stay as long as the schema version does; what has no value is null.

use super::users::Users;
use super::{Seen, Thing};
use serde::Serialize;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use strait::channel::PeerState;
use strait::discovery::{Channel, Fill, Lock, MessageType, Peer, Status};
use strait::inspect::machine::{By, Content, Hold, Object, Process};

/// Raised when a field is renamed or changes its meaning; new fields do not raise it.
pub(crate) const SCHEMA_VERSION: u32 = 1;

#[derive(Debug, Serialize)]
pub(crate) struct ObjectForm {
    id: String,
    kind: String,
    what: String,
    name: String,
    number: Option<u64>,
    path: Option<String>,
    is_elsewhere: bool,
    ipc_namespace: Option<u64>,
    state: String,
    because: String,
    size_bytes: Option<u64>,
    allocated_bytes: Option<u64>,
    swapped_bytes: Option<u64>,
    resident_bytes: Option<u64>,
    huge_bytes: Option<u64>,
    uid: Option<u32>,
    user: Option<String>,
    mode: Option<String>,
    created: Option<u64>,
    changed: Option<u64>,
    used: Option<u64>,
    is_unlinked: bool,
    creator_pid: Option<u32>,
    attach_count: Option<u64>,
    content: ContentForm,
    channel: Option<ChannelForm>,
    lock: Option<LockForm>,
    holders: Vec<HoldForm>,
}

#[derive(Debug, Default, Serialize)]
struct ContentForm {
    messages: Option<u64>,
    bytes: Option<u64>,
    connections: Option<u64>,
    semaphores: Option<u64>,
    count: Option<u64>,
}

#[derive(Debug, Serialize)]
struct ChannelForm {
    kind: String,
    message: String,
    item_bytes: u32,
    is_slice: bool,
    answer: Option<String>,
    schema_id: u64,
    capacity_bytes: u64,
    seats: u32,
    is_restartable: bool,
    is_kept: bool,
    fill: Option<String>,
    waiting: Option<u64>,
    sent: Option<u64>,
    received: Option<u64>,
    dropped: Option<u64>,
    redelivered: Option<u64>,
    peers: Vec<PeerForm>,
}

#[derive(Debug, Serialize)]
struct PeerForm {
    slot: u32,
    role: String,
    pid: u32,
    state: &'static str,
    is_asleep: bool,
    lag: Option<u64>,
    waits_for_ms: Option<u64>,
}

#[derive(Debug, Serialize)]
struct LockForm {
    kind: String,
    state: String,
    value: Option<String>,
    schema_id: u64,
    seats: u32,
    is_restartable: bool,
    is_unfinished: bool,
    waiting: u32,
    holders: Vec<HolderForm>,
    users: Vec<PeerForm>,
}

#[derive(Debug, Serialize)]
struct HolderForm {
    slot: u32,
    pid: u32,
    how: String,
    state: &'static str,
    held_for_ms: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct HoldForm {
    pid: u32,
    command: Option<String>,
    user: Option<String>,
    by: &'static str,
    fd: Option<u32>,
    start: Option<String>,
    end: Option<String>,
    offset_bytes: Option<u64>,
    can_read: bool,
    can_write: bool,
    can_execute: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct ProcessForm {
    pub(crate) pid: u32,
    pub(crate) parent_pid: u32,
    pub(crate) command: String,
    pub(crate) uid: u32,
    pub(crate) user: String,
    /// As `ps` has it: R, S, D, T, Z ...
    pub(crate) state: char,
    pub(crate) is_zombie: bool,
    pub(crate) start_ticks: u64,
    pub(crate) cpu_ticks: u64,
    /// Whether its descriptors and memory could be looked at.
    pub(crate) is_open: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct HiddenForm {
    pub(crate) processes: u32,
    pub(crate) lists: Vec<String>,
}

/// What is written of a thing whose object was measured as far as it is wanted.
pub(crate) fn object(seen: &Seen, users: &Users, thing: &Thing, measured: &Object) -> ObjectForm {
    let it = measured;
    ObjectForm {
        id: thing.address(),
        kind: it.kind.to_string(),
        what: thing.kind(),
        name: thing.name().to_owned(),
        number: thing.number(),
        path: it.path.as_ref().map(|path| path.to_string_lossy().into_owned()),
        is_elsewhere: thing.is_elsewhere,
        ipc_namespace: it.ipc_namespace,
        state: thing.state.to_string(),
        because: thing.because.clone(),
        size_bytes: it.size_bytes,
        allocated_bytes: it.allocated_bytes,
        swapped_bytes: it.swapped_bytes,
        resident_bytes: it.resident_bytes,
        huge_bytes: it.huge_bytes,
        uid: it.uid,
        user: it.uid.map(|uid| users.name(uid)),
        mode: it.mode.map(|mode| format!("{mode:04o}")),
        created: it.created.and_then(seconds),
        changed: it.changed.and_then(seconds),
        used: it.used.and_then(seconds),
        is_unlinked: it.is_unlinked,
        creator_pid: it.creator_pid,
        attach_count: it.attach_count,
        content: content(&it.content),
        channel: match &thing.own {
            Some(Status::Channel(it)) => Some(channel(it)),
            _ => None,
        },
        lock: match &thing.own {
            Some(Status::Lock(it)) => Some(lock(it)),
            _ => None,
        },
        holders: it.holds.iter().map(|it| hold(seen, users, it)).collect(),
    }
}

fn seconds(time: SystemTime) -> Option<u64> {
    time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

fn content(of: &Content) -> ContentForm {
    let empty = ContentForm::default();
    match of {
        Content::Messages { count, bytes } => ContentForm { messages: *count, bytes: Some(*bytes), ..empty },
        Content::Connections(count) => ContentForm { connections: Some(*count), ..empty },
        Content::Semaphores(count) => ContentForm { semaphores: Some(*count), ..empty },
        Content::Count(count) => ContentForm { count: Some(*count), ..empty },
        _ => empty,
    }
}

fn channel(of: &Channel) -> ChannelForm {
    ChannelForm {
        kind: of.kind.to_string(),
        message: of.message.name.clone(),
        item_bytes: of.message.item_bytes,
        is_slice: of.message.is_slice,
        answer: of.answer.as_ref().map(|it: &MessageType| it.name.clone()),
        schema_id: of.schema_id,
        capacity_bytes: of.capacity_bytes,
        seats: of.seats,
        is_restartable: of.is_restartable,
        is_kept: of.is_kept,
        fill: of.fill.as_ref().map(ToString::to_string),
        waiting: match of.fill {
            Some(Fill::Messages(count) | Fill::Jobs(count) | Fill::Calls(count)) => Some(count),
            _ => None,
        },
        sent: of.traffic.sent,
        received: of.traffic.received,
        dropped: of.traffic.dropped,
        redelivered: of.traffic.redelivered,
        peers: of.peers.iter().map(user).collect(),
    }
}

fn lock(of: &Lock) -> LockForm {
    let holder = |it: &strait::discovery::Hold| HolderForm {
        slot: it.slot,
        pid: it.pid,
        how: it.how.to_string(),
        state: peer(it.state),
        held_for_ms: it.held_for.map(milliseconds),
    };
    LockForm {
        kind: of.kind.to_string(),
        state: of.state.to_string(),
        value: of.value.as_ref().map(|it| it.name.clone()),
        schema_id: of.schema_id,
        seats: of.seats,
        is_restartable: of.is_restartable,
        is_unfinished: of.is_unfinished,
        waiting: of.waiters(),
        holders: of.holders.iter().map(holder).collect(),
        users: of.users.iter().map(user).collect(),
    }
}

fn user(of: &Peer) -> PeerForm {
    PeerForm {
        slot: of.slot,
        role: of.role.clone(),
        pid: of.pid,
        state: peer(of.state),
        is_asleep: of.is_asleep,
        lag: of.lag,
        waits_for_ms: of.waits_for.map(milliseconds),
    }
}

fn milliseconds(time: Duration) -> u64 {
    time.as_millis().try_into().unwrap_or(u64::MAX)
}

/// How a user of a channel is.
pub(crate) fn peer(state: PeerState) -> &'static str {
    match state {
        PeerState::Attached => "attached",
        PeerState::Left => "left",
        PeerState::Died => "died",
        _ => "not yet",
    }
}

pub(crate) fn hold(seen: &Seen, users: &Users, of: &Hold) -> HoldForm {
    let process = seen.process(of.pid);
    let mut form = HoldForm {
        pid: of.pid,
        command: process.map(|it| it.command.clone()),
        user: process.map(|it| users.name(it.uid)),
        by: "other",
        fd: None,
        start: None,
        end: None,
        offset_bytes: None,
        can_read: of.can_read,
        can_write: of.can_write,
        can_execute: false,
    };
    match of.by {
        By::Descriptor(fd) => (form.by, form.fd) = ("descriptor", Some(fd)),
        By::Mapping { start, end, offset_bytes, is_executable } => {
            (form.by, form.offset_bytes, form.can_execute) = ("mapping", Some(offset_bytes), is_executable);
            // As text: an address may be more than a number of JSON holds.
            (form.start, form.end) = (Some(format!("{start:#x}")), Some(format!("{end:#x}")));
        }
        By::Lock { .. } => form.by = "lock",
        // Of a later library.
        _ => {}
    }
    form
}

pub(crate) fn process(users: &Users, of: &Process) -> ProcessForm {
    ProcessForm {
        pid: of.pid,
        parent_pid: of.parent_pid,
        command: of.command.clone(),
        uid: of.uid,
        user: users.name(of.uid),
        state: of.state,
        is_zombie: of.state == 'Z',
        start_ticks: of.start_ticks,
        cpu_ticks: of.cpu_ticks,
        is_open: of.is_open,
    }
}

pub(crate) fn hidden(seen: &Seen) -> HiddenForm {
    HiddenForm { processes: seen.hidden.processes, lists: seen.hidden.lists.clone() }
}
