//! The workload list: sections of the table, and the columns of each.

use std::path::PathBuf;

use crate::job::{Job, Shape, Wait};

/// How a figure is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Nanoseconds,
    Microseconds,
    MillionsPerSecond,
    GigabytesPerSecond,
}

impl Unit {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Nanoseconds => "ns",
            Self::Microseconds => "us",
            Self::MillionsPerSecond => "M msg/s",
            Self::GigabytesPerSecond => "GB/s",
        }
    }

    pub(crate) fn of(self, ns: f64, bytes: usize) -> f64 {
        match self {
            Self::Nanoseconds => ns,
            Self::Microseconds => ns / 1e3,
            Self::MillionsPerSecond => 1e3 / ns,
            Self::GigabytesPerSecond => bytes as f64 / ns,
        }
    }
}

/// One column: a job for every entrant.
pub(crate) struct Column {
    pub(crate) title: String,
    pub(crate) unit: Unit,
    pub(crate) job: Job,
}

/// One table.
pub(crate) struct Section {
    /// What `--rows` selects by.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// What is done, for who reads the table.
    pub(crate) text: &'static str,
    pub(crate) columns: Vec<Column>,
}

const KIB: usize = 1024;
const SIZES: [(usize, &str); 5] =
    [(8, "8 B"), (64, "64 B"), (KIB, "1 KiB"), (64 * KIB, "64 KiB"), (KIB * KIB, "1 MiB")];
const NS: [usize; 4] = [1, 2, 4, 8];

/// As many messages as make a ring of half a mebibyte to four.
fn capacity_of(bytes: usize) -> u64 {
    match bytes {
        0..=64 => 8192,
        65..=4096 => 1024,
        4097..=65536 => 16,
        _ => 4,
    }
}

fn job(shape: Shape, wait: Wait, bytes: usize, n: usize) -> Job {
    Job {
        entrant: String::new(),
        shape,
        wait,
        bytes,
        n,
        capacity: capacity_of(bytes),
        ms: 0,
        dir: PathBuf::new(),
        name: String::new(),
        fastest: false,
        here: 0,
        there: 0,
    }
}

fn round_trip(wait: Wait) -> Vec<Column> {
    let column = |&(bytes, title): &(usize, &str)| {
        let mut job = job(Shape::RoundTrip, wait, bytes, 1);
        // One message is under way; a ring of a few keeps it in the caches.
        job.capacity = job.capacity.min(16);
        Column { title: title.to_owned(), unit: Unit::Microseconds, job }
    };
    SIZES.iter().map(column).collect()
}

fn stream() -> Vec<Column> {
    let column = |&(bytes, title): &(usize, &str)| {
        let unit = if bytes > KIB { Unit::GigabytesPerSecond } else { Unit::MillionsPerSecond };
        Column { title: format!("{title}, {}", unit.as_str()), unit, job: job(Shape::Stream, Wait::Spin, bytes, 1) }
    };
    SIZES.iter().map(column).collect()
}

fn parties(shape: Shape) -> Vec<Column> {
    let column = |&n: &usize| {
        let wait = if n == 1 { Wait::Spin } else { Wait::Yield };
        Column { title: format!("N = {n}"), unit: Unit::MillionsPerSecond, job: job(shape, wait, 64, n) }
    };
    NS.iter().map(column).collect()
}

fn one(title: &str, shape: Shape, wait: Wait, capacity: u64) -> Column {
    let mut job = job(shape, wait, 64, if matches!(shape, Shape::KillSender | Shape::KillReceiver) { 2 } else { 1 });
    job.capacity = capacity;
    Column { title: title.to_owned(), unit: Unit::Microseconds, job }
}

/// All of it, in the order of the document.
pub(crate) fn all() -> Vec<Section> {
    vec![
        Section {
            name: "round-trip-spin",
            title: "Round trip, spinning",
            text: "One message there and one back; both sides poll, on two cores. Microseconds.",
            columns: round_trip(Wait::Spin),
        },
        Section {
            name: "round-trip-sleep",
            title: "Round trip, sleeping",
            text: "The same with both sides asleep between their turns, each woken by the other from another core. Microseconds.",
            columns: round_trip(Wait::Sleep),
        },
        Section {
            name: "stream",
            title: "Stream",
            text: "One sender, one receiver, on two cores; every message is published by itself, written whole and read whole.",
            columns: stream(),
        },
        Section {
            name: "one-to-n",
            title: "One to N",
            text: "One sender of 64 B, N receivers that each get every message; nothing may be lost. Millions of messages a second \
                   that the sender gets rid of (each receiver gets as many). Who cannot fan out has N channels and writes N times.",
            columns: parties(Shape::OneToN),
        },
        Section {
            name: "n-to-one",
            title: "N to one",
            text: "N senders of 64 B, one receiver of everything. Millions of messages a second at the receiver. Who cannot fan in \
                   has N channels, and the receiver looks at each in turn.",
            columns: parties(Shape::NToOne),
        },
        Section {
            name: "queue",
            title: "Work queue",
            text: "One sender of 64 B, N workers, each message to one of them. Millions of messages a second. With strait's `mpmc` \
                   every job is acknowledged, and would come again if its worker died; with nobody else's.",
            columns: parties(Shape::Queue),
        },
        Section {
            name: "latest",
            title: "Latest value",
            text: "One writer, one reader of 64 B that reads again and again, all of it each time. Nanoseconds a read.",
            columns: [(0, "unchanged"), (1000, "changed every us")]
                .map(|(capacity, title)| {
                    let mut job = job(Shape::Latest, Wait::Spin, 64, 1);
                    job.capacity = capacity;
                    Column { title: title.to_owned(), unit: Unit::Nanoseconds, job }
                })
                .into(),
        },
        Section {
            name: "set-up",
            title: "Set-up",
            text: "Two running processes: one creates a channel for 64 messages of 64 B, the other opens it and sends one message; \
                   from before the creation to the message's arrival. Then what the open channel holds at both ends.",
            columns: vec![one("set-up", Shape::SetUp, Wait::Yield, 64)],
        },
        Section {
            name: "many",
            title: "Many channels",
            text: "One process has 100 channels to another and uses one of them; the other, which cannot know which, answers. \
                   Round trip of 64 B, microseconds.",
            columns: vec![one("spinning", Shape::Many, Wait::Spin, 16), one("sleeping", Shape::Many, Wait::Sleep, 16)],
        },
        Section {
            name: "kill",
            title: "Kill and restart",
            text: "A peer that moves 64 B every 100 us is killed (`SIGKILL`) and a process that stands by takes its place. Time from \
                   the kill to the first message that the survivor and the new peer exchange; messages lost (negative: seen \
                   twice); files left when all have ended well.",
            columns: vec![
                one("sender killed", Shape::KillSender, Wait::Yield, 1024),
                one("receiver killed", Shape::KillReceiver, Wait::Yield, 1024),
            ],
        },
    ]
}
