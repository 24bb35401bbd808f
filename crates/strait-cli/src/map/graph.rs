//! Who is connected with whom, with everything alike in one box.

use crate::seen::{Kinds, Seen, State, Thing};
use crate::text::safe;
use std::collections::{BTreeMap, BTreeSet};
use strait::channel::PeerState;
use strait::discovery::Status;
use strait::inspect::machine::Kind;

/// With more boxes than these, all processes of one name are one box.
const BOXES_MAX: usize = 40;

/// What is drawn.
#[derive(Debug, Default)]
pub(super) struct Filter<'a> {
    pub(super) kinds: &'a [Kinds],
    /// Also what only one process has.
    pub(super) is_all: bool,
    /// Whether only these are.
    pub(super) is_narrowed: bool,
    pub(super) pids: Vec<u32>,
    pub(super) things: Vec<&'a Thing>,
}

/// Processes and objects, with the lines between them.
#[derive(Debug, Default)]
pub(super) struct Graph {
    pub(super) processes: Vec<Process>,
    pub(super) objects: Vec<Object>,
    pub(super) lines: Vec<Line>,
    /// Objects that are not drawn because only one process has them.
    pub(super) left_out: usize,
}

/// One process, or several that are alike.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) command: String,
    pub(super) pids: Vec<u32>,
    /// Ended, or a zombie.
    pub(super) is_dead: bool,
}

/// One object, or several without a name that are between the same processes.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) state: State,
    pub(super) count: usize,
    pub(super) content: String,
}

/// Between a process and an object, by their places in the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line {
    pub(super) process: usize,
    pub(super) object: usize,
    pub(super) way: Way,
}

/// Which way the data goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Way {
    /// From the process to the object.
    pub(super) writes: bool,
    /// From the object to the process.
    pub(super) reads: bool,
}

impl Way {
    fn with(self, other: Self) -> Self {
        Self { writes: self.writes || other.writes, reads: self.reads || other.reads }
    }
}

/// Who has an object, each process once; of a channel as its role says.
type Users = BTreeMap<u32, Way>;

impl Graph {
    pub(super) fn of(seen: &Seen, filter: &Filter<'_>) -> Self {
        let mut left_out = 0;
        let mut chosen: Vec<(&Thing, Users)> = Vec::new();
        for thing in &seen.things {
            let is_kind = filter.kinds.is_empty() || filter.kinds.iter().any(|kinds| kinds.has(thing));
            let is_named = filter.things.iter().any(|it| std::ptr::eq(*it, thing));
            let is_wanted = !filter.is_narrowed || is_named || filter.pids.iter().any(|&pid| thing.is_held_by(pid));
            if !is_kind || !is_wanted {
                continue;
            }
            let users = users(thing);
            // What nobody has is drawn if it is strait's: that it is left behind is what one wants to see.
            let is_drawn = users.len() > 1 || thing.is_own() || is_named || filter.is_all && !users.is_empty();
            if is_drawn {
                chosen.push((thing, users));
            } else {
                left_out += 1;
            }
        }
        let boxes = Boxes::of(seen, &chosen);
        let mut graph = Self { processes: boxes.processes, left_out, ..Self::default() };
        // By what is drawn alike: kind and lines, of those without a name.
        let mut alike: BTreeMap<(String, Vec<Line>), usize> = BTreeMap::new();
        for (thing, users) in &chosen {
            let mut ways: BTreeMap<usize, Way> = BTreeMap::new();
            for (pid, way) in users {
                let Some(&process) = boxes.at.get(pid) else { continue };
                let known = ways.entry(process).or_default();
                *known = known.with(*way);
            }
            let lines: Vec<Line> = ways.into_iter().map(|(process, way)| Line { process, object: 0, way }).collect();
            let is_nameless = matches!(thing.object.kind, Kind::Pipe | Kind::Eventfd | Kind::SharedAnonymous)
                || thing.object.kind == Kind::UnixSocket
                    && thing.object.path.is_none()
                    && !thing.is_elsewhere
                    && !thing.name().starts_with('@');
            if is_nameless {
                let known = alike.entry((thing.kind(), lines.clone())).or_insert(graph.objects.len());
                if let Some(object) = graph.objects.get_mut(*known) {
                    object.count += 1;
                    continue;
                }
            }
            let object = graph.objects.len();
            graph.lines.extend(lines.into_iter().map(|line| Line { object, ..line }));
            graph.objects.push(Object {
                kind: thing.kind(),
                name: if is_nameless { String::new() } else { safe(thing.name()) },
                state: thing.state,
                count: 1,
                content: thing.content(),
            });
        }
        graph
    }

    /// The lines of one object.
    pub(super) fn lines_of(&self, object: usize) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(move |line| line.object == object)
    }
}

fn users(thing: &Thing) -> Users {
    let mut users = Users::new();
    let peers = match &thing.own {
        Some(Status::Channel(channel)) => channel.peers.as_slice(),
        _ => &[],
    };
    for peer in peers.iter().filter(|it| matches!(it.state, PeerState::Attached | PeerState::Died)) {
        let way = match peer.role.as_str() {
            "sender" | "producer" | "publisher" | "writer" => Way { writes: true, reads: false },
            "receiver" | "consumer" | "worker" | "subscriber" | "reader" => Way { writes: false, reads: true },
            _ => Way { writes: true, reads: true },
        };
        let known = users.entry(peer.pid).or_default();
        *known = known.with(way);
    }
    let own = std::process::id();
    // Not the one who draws.
    for hold in thing.object.holds.iter().filter(|hold| hold.pid != own) {
        // What it is to a channel says more than that it can write to the memory.
        if !peers.iter().any(|it| it.pid == hold.pid) {
            let known = users.entry(hold.pid).or_default();
            *known = known.with(Way { writes: hold.can_write, reads: hold.can_read });
        }
    }
    users
}

/// What processes have in common that are one box: the command, whether they are dead, what they have.
type Alike<'a> = (String, bool, &'a Vec<(usize, Way)>);

/// Which box each process is in.
struct Boxes {
    processes: Vec<Process>,
    at: BTreeMap<u32, usize>,
}

impl Boxes {
    fn of(seen: &Seen, chosen: &[(&Thing, Users)]) -> Self {
        let mut has: BTreeMap<u32, Vec<(usize, Way)>> = BTreeMap::new();
        for (object, (_, users)) in chosen.iter().enumerate() {
            for (&pid, &way) in users {
                has.entry(pid).or_default().push((object, way));
            }
        }
        let told = |pid: u32| match seen.process(pid) {
            Some(process) => (safe(&process.command), process.state == 'Z'),
            None => ("ended".to_owned(), true),
        };
        // Alike: the same name, and the same objects in the same way.
        let exact: BTreeSet<Alike<'_>> = has
            .iter()
            .map(|(&pid, has)| {
                let (command, is_dead) = told(pid);
                (command, is_dead, has)
            })
            .collect();
        let is_crowded = exact.len() > BOXES_MAX;
        let nothing = Vec::new();
        let mut at = BTreeMap::new();
        let mut known: BTreeMap<Alike<'_>, usize> = BTreeMap::new();
        let mut processes: Vec<Process> = Vec::new();
        for (&pid, has) in &has {
            let (command, is_dead) = told(pid);
            let key = (command.clone(), is_dead, if is_crowded { &nothing } else { has });
            let place = *known.entry(key).or_insert(processes.len());
            match processes.get_mut(place) {
                Some(process) => process.pids.push(pid),
                None => processes.push(Process { command, pids: vec![pid], is_dead }),
            }
            at.insert(pid, place);
        }
        Self { processes, at }
    }
}

impl Process {
    /// `412 python3`, `worker x8 (412, 413 ...)`.
    pub(super) fn words(&self) -> String {
        match self.pids.as_slice() {
            [pid] => format!("{pid} {}", self.command),
            [a, b] => format!("{} x2 ({a}, {b})", self.command),
            [first, .., last] => format!("{} x{} ({first}..{last})", self.command, self.pids.len()),
            [] => self.command.clone(),
        }
    }
}

impl Object {
    /// `spsc feed`, `pipe x3`.
    pub(super) fn words(&self) -> String {
        match (self.name.as_str(), self.count) {
            ("", 1) => self.kind.clone(),
            ("", count) => format!("{} x{count}", self.kind),
            (name, _) => format!("{} {name}", self.kind),
        }
    }

    pub(super) fn is_dead(&self) -> bool {
        matches!(self.state, State::Dead | State::Corrupt)
    }
}
