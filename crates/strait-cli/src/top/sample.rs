//! One look after another, and what has changed in between.
//!
//! 1. Rates are of what has gone through between two looks, so the first look has none, nor has a channel's first.
//! 2. A count that goes backwards is another channel's, or a lie: no rate.
//! 3. Processor time is that of the whole processes which use a channel: one that uses several counts in each. It is known of processes that
//!    we can see, under the very pid and start time that they wrote.

use crate::text::safe;
use std::collections::HashMap;
use std::time::Instant;
use strait::channel::PeerState;
use strait::discovery::{Channel, Found, Lock, Peer, Status, Survey};

/// What one look shows.
#[derive(Debug, Default)]
pub(super) struct Sample {
    pub(super) rows: Vec<Row>,
    /// How many names of strait's lead to what we may not read.
    pub(super) hidden: usize,
}

/// A channel or a lock.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) what: What,
    /// A second.
    pub(super) messages: Option<f64>,
    pub(super) bytes: Option<f64>,
    pub(super) drops: Option<f64>,
    /// Of what it can hold, 0 to 1.
    pub(super) fill: Option<f64>,
    /// What the slowest has yet to do.
    pub(super) lag: Option<u64>,
    /// Of a lock, those who wait for it.
    pub(super) sleepers: u32,
    pub(super) alive: u32,
    pub(super) dead: u32,
    /// Of all its users, in cores.
    pub(super) cpu: Option<f64>,
    /// Of each process.
    pub(super) cpu_of: HashMap<u32, f64>,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    Channel(Box<Channel>),
    Lock(Box<Lock>),
    /// What is wrong with it.
    Corrupt(String),
}

/// Who takes samples.
#[derive(Debug)]
pub(super) struct Sampler {
    survey: Survey,
    before: HashMap<String, Counts>,
    ticks_before: HashMap<u32, u64>,
    at: Option<Instant>,
    pid_namespace: u64,
    ticks_per_second: f64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    messages: Option<u64>,
    bytes: Option<u64>,
    drops: Option<u64>,
}

impl Sampler {
    pub(super) fn new(pattern: &str) -> Self {
        Self {
            survey: Survey::new(pattern),
            before: HashMap::new(),
            ticks_before: HashMap::new(),
            at: None,
            pid_namespace: own_pid_namespace(),
            ticks_per_second: rustix::param::clock_ticks_per_second() as f64,
        }
    }

    /// Looks.
    ///
    /// # Errors
    /// Where the names cannot be listed.
    pub(super) fn look(&mut self) -> strait::Result<Sample> {
        let now = Instant::now();
        let found = self.survey.look()?;
        let elapsed = self.at.map(|at| now.duration_since(at).as_secs_f64()).filter(|&seconds| seconds > 0.0);
        let cpu = self.cpu(&found, elapsed);
        let mut sample = Sample::default();
        let mut counts = HashMap::with_capacity(found.len());
        for Found { name, status, .. } in found {
            let row = match status {
                Status::Channel(channel) => {
                    let now = counts_of(&channel);
                    let rate = self.before.get(&name).and_then(|before| Some((*before, elapsed?)));
                    counts.insert(name.clone(), now);
                    of_channel(name, channel, now, rate)
                }
                Status::Lock(lock) => of_lock(name, lock),
                Status::Damaged(why) => of_corrupt(name, why),
                Status::Unreadable(_) => {
                    sample.hidden += 1;
                    continue;
                }
                _ => continue,
            };
            sample.rows.push(with_cpu(row, &cpu));
        }
        (self.before, self.at) = (counts, Some(now));
        Ok(sample)
    }

    /// The share of a core that each process of ours has had since the last look.
    fn cpu(&mut self, found: &[Found], elapsed: Option<f64>) -> HashMap<u32, f64> {
        let mut ticks = HashMap::new();
        for user in found.iter().flat_map(|it| users(&it.status)) {
            let is_visible = user.state == PeerState::Attached && user.pid_namespace == self.pid_namespace;
            if is_visible && !ticks.contains_key(&user.pid) {
                if let Some(used) = ticks_of(user.pid, user.start_ticks) {
                    ticks.insert(user.pid, used);
                }
            }
        }
        let share = |(&pid, &now): (&u32, &u64)| {
            let used = now.checked_sub(*self.ticks_before.get(&pid)?)?;
            Some((pid, used as f64 / self.ticks_per_second / elapsed?))
        };
        let shares = ticks.iter().filter_map(share).collect();
        self.ticks_before = ticks;
        shares
    }
}

/// The users of what was found.
fn users(status: &Status) -> &[Peer] {
    match status {
        Status::Channel(channel) => &channel.peers,
        Status::Lock(lock) => &lock.users,
        _ => &[],
    }
}

fn counts_of(channel: &Channel) -> Counts {
    let traffic = &channel.traffic;
    Counts { messages: traffic.sent, bytes: traffic.bytes, drops: traffic.dropped }
}

fn of_channel(name: String, channel: Box<Channel>, now: Counts, before: Option<(Counts, f64)>) -> Row {
    let rate = |of: fn(&Counts) -> Option<u64>| {
        let (before, seconds) = before.as_ref()?;
        Some(of(&now)?.checked_sub(of(before)?)? as f64 / seconds)
    };
    let count = channel.fill.as_ref().and_then(strait::discovery::Fill::count);
    let capacity = channel.capacity_messages.filter(|&it| it > 0);
    let lag = channel.peers.iter().filter(|it| it.state == PeerState::Attached).filter_map(|it| it.lag).max();
    Row {
        kind: channel.kind.to_string(),
        messages: rate(|it| it.messages),
        bytes: rate(|it| it.bytes),
        drops: rate(|it| it.drops),
        fill: count.zip(capacity).map(|(count, capacity)| (count as f64 / capacity as f64).min(1.0)),
        lag: count.max(lag),
        sleepers: channel.sleepers(),
        ..blank(name, &channel.peers.clone(), What::Channel(channel))
    }
}

fn of_lock(name: String, lock: Box<Lock>) -> Row {
    Row { kind: lock.kind.to_string(), sleepers: lock.waiters(), ..blank(name, &lock.users.clone(), What::Lock(lock)) }
}

fn of_corrupt(name: String, why: String) -> Row {
    Row { kind: "corrupt".into(), ..blank(name, &[], What::Corrupt(safe(&why))) }
}

fn blank(name: String, users: &[Peer], what: What) -> Row {
    // At most 256.
    let count = |state: PeerState| users.iter().filter(|it| it.state == state).count() as u32;
    Row {
        name: safe(&name),
        kind: String::new(),
        alive: count(PeerState::Attached),
        dead: count(PeerState::Died),
        what,
        messages: None,
        bytes: None,
        drops: None,
        fill: None,
        lag: None,
        sleepers: 0,
        cpu: None,
        cpu_of: HashMap::new(),
    }
}

fn with_cpu(mut row: Row, cpu: &HashMap<u32, f64>) -> Row {
    for user in row.users() {
        if let Some(&share) = cpu.get(&user.pid).filter(|_| user.state == PeerState::Attached) {
            row.cpu_of.insert(user.pid, share);
        }
    }
    row.cpu = (!row.cpu_of.is_empty()).then(|| row.cpu_of.values().sum());
    row
}

impl Row {
    /// Its users, alive or not.
    pub(super) fn users(&self) -> Vec<Peer> {
        match &self.what {
            What::Channel(channel) => channel.peers.clone(),
            What::Lock(lock) => lock.users.clone(),
            What::Corrupt(_) => Vec::new(),
        }
    }
}

/// The command of a process; `?` where it is not to be seen.
pub(super) fn command_of(pid: u32) -> String {
    let name = std::fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    let name = safe(String::from_utf8_lossy(&name).trim_end());
    if name.is_empty() { "?".into() } else { name }
}

fn own_pid_namespace() -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self/ns/pid").map_or(0, |it| it.ino())
}

/// Processor time that a process has had, user and system, if it is still the one that started then.
fn ticks_of(pid: u32, start_ticks: u64) -> Option<u64> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    // Behind the command, which may hold anything: fields 3 and on.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    (field(22)? == start_ticks).then_some(())?;
    Some(field(14)? + field(15)?)
}
