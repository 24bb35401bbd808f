//! The workload list: every row of the table, its floor, its subject, and what issue 2 promises for it.
//!
//! A floor is usually one of `floors/`; where a promise compares strait with itself (default waiting against spinning), the
//! floor is another job of the subject. Subjects are named here and looked up in `contender::find`:
//!
//! | name | measures | carries |
//! |---|---|---|
//! | `spsc typed` | round trip, idle, stream | 8 bytes as `u64`, 48 and 64 bytes as arrays of them |
//! | `mpmc` | round trip | 8 bytes as `u64`, each job acknowledged |
//! | `spsc bytes` | round trip, stream, lend | slices of any length |
//! | `rpc typed` | round trip (a call and its answer), idle | 8 bytes as `u64`, 64 bytes as an array of them |
//! | `rpc bytes` | round trip | slices of any length |
//! | `broadcast` | round trip, idle, stream, to one subscriber | 8 bytes there and back, 64 in a stream |
//! | `broadcast blocks` | lend | slices in blocks of 1 MiB |
//! | `watch` | round trip over two of them | 8 and 64 bytes, 1 KiB |
//! | `watch unchanged` | reading a value that nobody changes | 64 bytes |
//! | `mutex`, `mutex counting`, `mutex contended` | locking, by one process and by two at once | 8 bytes |
//! | `rwlock`, `rwlock shared` | reading, by one process and by two at once | 8 bytes |
//! | `event`, `semaphore`, `posix semaphore`, `sysv semaphores`, `condvar` | round trip over two of them, and a word | 8 bytes |
//! | `transport MECHANISM` | round trip, stream, against the same system calls bare | 64 bytes; as much as fits, up to 64 KiB |
//! | `selector`, `selector of 100`, `tokio` | round trip, idle | `u64`s |

use crate::contender;
use crate::job::{Job, Wait};
use crate::pair::Sample;

/// What a row's figures are counted in, and which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Nanoseconds,
    Microseconds,
    MillionPerSecond,
    GigabytesPerSecond,
    LinesPerSecond,
    PercentOfACore,
    Mebibytes,
}

impl Unit {
    pub(crate) fn of(self, sample: &Sample) -> f64 {
        match self {
            Self::Nanoseconds | Self::PercentOfACore | Self::Mebibytes => sample.value,
            Self::Microseconds => sample.value / 1e3,
            Self::MillionPerSecond => 1e3 / sample.value,
            Self::GigabytesPerSecond => sample.bytes / sample.value,
            Self::LinesPerSecond => 1e9 / sample.value,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Nanoseconds => "ns",
            Self::Microseconds => "us",
            Self::MillionPerSecond => "M msg/s",
            Self::GigabytesPerSecond => "GB/s",
            Self::LinesPerSecond => "lines/s",
            Self::PercentOfACore => "% cpu",
            Self::Mebibytes => "MiB",
        }
    }
}

/// Who runs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Entrant {
    /// Two processes.
    Pair(Job),
    /// The plain digit loop over a generated text.
    DigitLoop { numbers_per_line: u64 },
    /// `strait sum` over the same text.
    Sum { numbers_per_line: u64 },
    /// The most memory `strait sum` has meanwhile.
    SumMemory { numbers_per_line: u64 },
}

impl Entrant {
    /// Whether this build, on this machine, has it.
    pub(crate) fn is_there(&self, has_sum: bool) -> bool {
        match self {
            Self::Pair(job) => contender::find(&job.contender, job.measure).is_some(),
            Self::DigitLoop { .. } => true,
            Self::Sum { .. } | Self::SumMemory { .. } => has_sum,
        }
    }

    /// Whether it is one of `floors/`.
    pub(crate) fn is_raw(&self) -> bool {
        match self {
            Self::Pair(job) => job.contender.starts_with("raw") || job.contender == "laboratory",
            Self::DigitLoop { .. } => true,
            Self::Sum { .. } | Self::SumMemory { .. } => false,
        }
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Pair(job) => &job.contender,
            Self::DigitLoop { .. } => "digit loop",
            Self::Sum { .. } | Self::SumMemory { .. } => "strait sum",
        }
    }
}

/// What is promised of the ratio subject / floor, or of the subject where there is no floor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
    /// Nothing is promised; the figure is wanted.
    Open,
}

/// One row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) unit: Unit,
    pub(crate) floor: Option<Entrant>,
    pub(crate) subject: Entrant,
    pub(crate) target: Target,
}

fn row(name: &str, unit: Unit, floor: Job, subject: Job, target: Target) -> Row {
    let (floor, subject) = (Some(Entrant::Pair(floor)), Entrant::Pair(subject));
    Row { name: name.to_owned(), unit, floor, subject, target }
}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// All of them.
pub(crate) fn all() -> Vec<Row> {
    let own = [round_trips(), waits(), waits_for_many(), streams(), lending()];
    [own.concat(), watches(), broadcasts(), calls(), locks(), transports(), sums()].concat()
}

fn round_trips() -> Vec<Row> {
    use Target::{AtMost, Open};
    use Unit::{Microseconds, Nanoseconds};
    let raw = |bytes| Job::round_trip("raw payload", bytes);
    // Two messages of the largest kind fit: the largest message is half the capacity.
    let bytes = |bytes: usize| Job::round_trip("spsc bytes", bytes).capacity((4 * bytes).max(64 * KIB) as u64);
    let typed = |bytes| Job::round_trip("spsc typed", bytes).capacity(1024);
    let mpmc = Job::round_trip("mpmc", 8).capacity(1024);
    vec![
        row("mpmc round trip 8 B", Nanoseconds, Job::round_trip("raw lines", 0), mpmc, AtMost(1.6)),
        row("round trip 8 B", Nanoseconds, Job::round_trip("raw lines", 0), typed(8), AtMost(1.15)),
        row("round trip 48 B", Nanoseconds, Job::round_trip("raw lines", 0), typed(48), AtMost(1.15)),
        row("round trip 8 B bytes", Nanoseconds, Job::round_trip("raw lines", 0), bytes(8), AtMost(1.15)),
        row("round trip 48 B bytes", Nanoseconds, Job::round_trip("raw lines", 0), bytes(48), AtMost(1.15)),
        row("round trip 8 B, floor with payload", Nanoseconds, raw(8), typed(8), Open),
        row("round trip 48 B, floor with payload", Nanoseconds, raw(48), typed(48), Open),
        row("round trip 64 B", Nanoseconds, raw(64), typed(64), Open),
        row("round trip 64 B bytes", Nanoseconds, raw(64), bytes(64), Open),
        row("round trip 1 KiB bytes", Nanoseconds, raw(KIB), bytes(KIB), Open),
        row("round trip 64 KiB bytes", Microseconds, raw(64 * KIB), bytes(64 * KIB), Open),
        row("round trip 1 MiB bytes", Microseconds, raw(MIB), bytes(MIB), Open),
    ]
}

fn watches() -> Vec<Row> {
    use Target::{AtMost, Open};
    use Unit::{Microseconds, Nanoseconds};
    let raw = |bytes| Job::round_trip("raw payload", bytes);
    let watch = |bytes| Job::round_trip("watch", bytes);
    let futex = Job::round_trip("raw futex", 8).wait(Wait::Sleep);
    vec![
        Row {
            name: "watch read, unchanged 64 B".to_owned(),
            unit: Nanoseconds,
            floor: None,
            subject: Entrant::Pair(Job::round_trip("watch unchanged", 64)),
            target: AtMost(20.0),
        },
        row("watch round trip 8 B", Nanoseconds, Job::round_trip("raw lines", 0), watch(8), AtMost(1.3)),
        row("watch round trip 64 B", Nanoseconds, raw(64), watch(64), Open),
        row("watch round trip 1 KiB", Nanoseconds, raw(KIB), watch(KIB), Open),
        row("watch sleeping round trip, two cores", Microseconds, futex, watch(8).wait(Wait::Sleep), AtMost(1.2)),
    ]
}

fn waits() -> Vec<Row> {
    use Target::AtMost;
    use Unit::{Microseconds, Nanoseconds, PercentOfACore};
    let futex = Job::round_trip("raw futex", 8).wait(Wait::Sleep);
    let spsc = |wait| Job::round_trip("spsc typed", 8).capacity(1024).wait(wait);
    let idle = |name: &str, wait| Row {
        name: name.to_owned(),
        unit: PercentOfACore,
        floor: None,
        subject: Entrant::Pair(spsc(wait).idle()),
        // Ten looks at the leases a second are allowed; anything that spins or polls is not.
        target: AtMost(0.1),
    };
    let mpmc = Job::round_trip("mpmc", 8).capacity(1024).wait(Wait::Sleep);
    vec![
        row("mpmc sleeping round trip, two cores", Microseconds, futex.clone(), mpmc, AtMost(1.2)),
        row("sleeping round trip, two cores", Microseconds, futex.clone(), spsc(Wait::Sleep), AtMost(1.1)),
        row("sleeping round trip, one core", Microseconds, futex.one_core(), spsc(Wait::Sleep).one_core(), AtMost(1.1)),
        row("default against spin, two cores", Nanoseconds, spsc(Wait::Spin), spsc(Wait::Adaptive), AtMost(1.2)),
        row(
            "default against sleep, one core",
            Microseconds,
            spsc(Wait::Sleep).one_core(),
            spsc(Wait::Adaptive).one_core(),
            AtMost(1.3),
        ),
        idle("idle receiver, sleep", Wait::Sleep),
        idle("idle receiver, default", Wait::Adaptive),
    ]
}

/// Through a selector, and by a task, asleep.
fn waits_for_many() -> Vec<Row> {
    use Target::{AtMost, Open};
    use Unit::{Microseconds, Nanoseconds, PercentOfACore};
    let futex = Job::round_trip("raw futex", 8).wait(Wait::Sleep);
    let of = |who: &str, wait| Job::round_trip(who, 8).capacity(1024).wait(wait);
    let asleep = |who: &str, most| {
        let both = |cores: &str, floor, subject, target| {
            row(&format!("sleeping round trip, {who}, {cores}"), Microseconds, floor, subject, target)
        };
        let (one, two) = (of(who, Wait::Sleep).one_core(), of(who, Wait::Sleep));
        [both("two cores", futex.clone(), two, most), both("one core", futex.clone().one_core(), one, most)]
    };
    let idle = |who: &str, wait| Row {
        name: format!("idle receiver, {who}"),
        unit: PercentOfACore,
        floor: None,
        subject: Entrant::Pair(of(who, wait).idle()),
        target: AtMost(0.1),
    };
    let spins = Job::round_trip("spsc typed", 8).capacity(1024);
    [
        asleep("selector", AtMost(1.2)).to_vec(),
        vec![row(
            "sleeping round trip, selector, one core, floor of two words in slices",
            Microseconds,
            of("raw futex of two in slices", Wait::Sleep).one_core(),
            of("selector", Wait::Sleep).one_core(),
            AtMost(1.2),
        )],
        asleep("selector of 100", Open).to_vec(),
        asleep("tokio", AtMost(1.6)).to_vec(),
        vec![row("selector, spinning, two cores", Nanoseconds, spins, of("selector", Wait::Adaptive), Open)],
        vec![idle("selector", Wait::Adaptive), idle("selector of 100", Wait::Adaptive), idle("tokio", Wait::Sleep)],
    ]
    .concat()
}

fn streams() -> Vec<Row> {
    use Target::{AtLeast, Open};
    use Unit::{GigabytesPerSecond, MillionPerSecond};
    let ring = |bytes, capacity| Job::stream("raw ring", bytes).capacity(capacity);
    let typed = |bytes, capacity| Job::stream("spsc typed", bytes).capacity(capacity);
    let copy = |bytes, capacity: usize| Job::stream("raw pipeline", bytes).capacity(capacity as u64);
    let bytes = |bytes, capacity: usize| Job::stream("spsc bytes", bytes).capacity(capacity as u64);
    let million = |name: &str, floor, subject, target| row(name, MillionPerSecond, floor, subject, target);
    let giga = |name: &str, floor, subject, target| row(name, GigabytesPerSecond, floor, subject, target);
    vec![
        million("stream 64 B, capacity 1,024", ring(64, 1024), typed(64, 1024), AtLeast(0.7)),
        million("stream 64 B, capacity 8,192", ring(64, 8192), typed(64, 8192), AtLeast(0.7)),
        million("stream 64 B bytes, 512 KiB", ring(64, 8192), bytes(64, 512 * KIB), Open),
        million("stream 64 B, batches of 64", ring(64, 8192).batch(64), typed(64, 8192).batch(64), Open),
        million("stream 8 B", ring(8, 8192), typed(8, 8192), Open),
        million("stream 8 B, batches of 1,024", ring(8, 8192).batch(1024), typed(8, 8192).batch(1024), AtLeast(0.4)),
        giga("stream 1 KiB, 1 MiB ring", copy(KIB, MIB), bytes(KIB, MIB), Open),
        giga("stream 1 KiB, batches of 64", copy(KIB, MIB).batch(64), bytes(KIB, MIB).batch(64), Open),
        giga("stream 1 KiB, 4 MiB ring", copy(KIB, 4 * MIB), bytes(KIB, 4 * MIB), Open),
        giga("stream 64 KiB, 1 MiB ring", copy(64 * KIB, MIB), bytes(64 * KIB, MIB), AtLeast(0.85)),
        giga("stream 64 KiB, 4 MiB ring", copy(64 * KIB, 4 * MIB), bytes(64 * KIB, 4 * MIB), AtLeast(0.85)),
    ]
}

fn lending() -> Vec<Row> {
    let lend = |bytes, capacity: usize| Job::lend("spsc bytes", bytes).capacity((capacity * MIB) as u64);
    let row =
        |name: &str, capacity, target| row(name, Unit::Nanoseconds, lend(64, capacity), lend(MIB, capacity), target);
    vec![
        row("send lent, 1 MiB against 64 B, 16 MiB ring", 16, Target::AtMost(2.0)),
        // Three messages at most: the receiver's head is looked at for each.
        row("send lent, 1 MiB against 64 B, 4 MiB ring", 4, Target::Open),
    ]
}

fn calls() -> Vec<Row> {
    use Target::{AtMost, Open};
    use Unit::{Microseconds, Nanoseconds};
    let lines = || Job::round_trip("raw lines", 0);
    let raw = |bytes| Job::round_trip("raw payload", bytes);
    let futex = Job::round_trip("raw futex", 8).wait(Wait::Sleep);
    let typed = |bytes| Job::round_trip("rpc typed", bytes);
    let bytes = |bytes| Job::round_trip("rpc bytes", bytes);
    vec![
        row("call 8 B", Nanoseconds, lines(), typed(8), AtMost(1.3)),
        row("call 8 B, default wait", Nanoseconds, lines(), typed(8).wait(Wait::Adaptive), Open),
        row("call 64 B", Nanoseconds, raw(64), typed(64), Open),
        row("call 1 KiB bytes", Nanoseconds, raw(KIB), bytes(KIB), Open),
        row("call 64 KiB bytes", Microseconds, raw(64 * KIB), bytes(64 * KIB), Open),
        row("sleeping call, two cores", Microseconds, futex.clone(), typed(8).wait(Wait::Sleep), AtMost(1.2)),
        row(
            "sleeping call, one core",
            Microseconds,
            futex.one_core(),
            typed(8).wait(Wait::Sleep).one_core(),
            AtMost(1.2),
        ),
        Row {
            name: "idle server, default".to_owned(),
            unit: Unit::PercentOfACore,
            floor: None,
            subject: Entrant::Pair(typed(8).wait(Wait::Adaptive).idle()),
            target: AtMost(0.1),
        },
    ]
}

fn broadcasts() -> Vec<Row> {
    use Target::{AtLeast, AtMost};
    use Unit::{Microseconds, MillionPerSecond, Nanoseconds};
    let trip = Job::round_trip("broadcast", 8).capacity(1024);
    let futex = Job::round_trip("raw futex", 8).wait(Wait::Sleep);
    let stream = |contender| Job::stream(contender, 64).capacity(8192);
    let lend = |bytes| Job::lend("broadcast blocks", bytes).capacity(16);
    vec![
        row("broadcast round trip 8 B", Nanoseconds, Job::round_trip("raw lines", 0), trip.clone(), AtMost(1.3)),
        row("broadcast sleeping round trip", Microseconds, futex, trip.wait(Wait::Sleep), AtMost(1.2)),
        row("broadcast stream 64 B", MillionPerSecond, stream("raw ring"), stream("broadcast"), AtLeast(0.7)),
        row("broadcast lent, 1 MiB against 64 B, 16 blocks", Nanoseconds, lend(64), lend(MIB), AtMost(2.0)),
    ]
}

fn locks() -> Vec<Row> {
    use Target::{AtLeast, AtMost, Open};
    use Unit::{Microseconds, MillionPerSecond, Nanoseconds};
    let of = |who: &str| Job::stream(who, 8);
    let futex = || Job::round_trip("raw futex", 8).wait(Wait::Sleep);
    let asleep = |who: &str| Job::round_trip(who, 8).wait(Wait::Sleep);
    let sleeping = |who: &str| {
        let both = |cores: &str, floor, subject| {
            row(&format!("{who} sleeping round trip, {cores}"), Microseconds, floor, subject, AtMost(1.1))
        };
        [both("two cores", futex(), asleep(who)), both("one core", futex().one_core(), asleep(who).one_core())]
    };
    let mutexes = vec![
        row("mutex, lock and unlock", Nanoseconds, of("raw exchanges"), of("mutex"), AtMost(1.5)),
        row("mutex, lock and unlock, in-process", Nanoseconds, of("raw parking_lot"), of("mutex"), AtMost(1.3)),
        row(
            "mutex, count, one process",
            Nanoseconds,
            of("raw parking_lot counting"),
            of("mutex counting"),
            AtMost(1.3),
        ),
        row(
            "mutex, count, two processes at once",
            MillionPerSecond,
            of("raw pthread"),
            of("mutex contended").wait(Wait::Adaptive),
            AtLeast(1.0),
        ),
    ];
    // What a wait with an end costs the kernel, and the one without does not.
    let sliced = |who: &str| {
        let floor = asleep("raw futex in slices").one_core();
        let name = format!("{who} sleeping round trip, one core, floor in slices");
        row(&name, Microseconds, floor, asleep(who).one_core(), AtMost(1.1))
    };
    let bare = |floor: &str, who: &str, target| {
        let name = format!("{who} sleeping round trip, one core");
        row(&name, Microseconds, asleep(floor).one_core(), asleep(who).one_core(), target)
    };
    let others = vec![
        sliced("event"),
        sliced("semaphore"),
        bare("raw condition", "condvar", Open),
        bare("raw semaphore", "posix semaphore", AtMost(1.05)),
        bare("raw set", "sysv semaphores", AtMost(1.05)),
        row("rwlock, read and unlock", Nanoseconds, of("raw rwlock"), of("rwlock"), Open),
        row(
            "rwlock, two processes read at once",
            MillionPerSecond,
            of("raw rwlock shared"),
            of("rwlock shared"),
            AtLeast(1.0),
        ),
    ];
    [mutexes, sleeping("event").to_vec(), sleeping("semaphore").to_vec(), others].concat()
}

/// What `strait::transport` adds to the system calls: a twentieth at the most. On one core, where a round trip is all work and no waiting.
fn transports() -> Vec<Row> {
    use Target::{AtLeast, AtMost};
    use Unit::{GigabytesPerSecond, MillionPerSecond, Nanoseconds};
    let mechanisms = [
        ("pipe", 64, 64 * KIB),
        ("packet-pipe", 64, 4 * KIB),
        ("fifo", 64, 64 * KIB),
        ("unix", 64, 64 * KIB),
        ("unix-seqpacket", 64, 64 * KIB),
        ("unix-datagram", 64, 64 * KIB),
        ("tcp", 64, 64 * KIB),
        // It loses what comes too fast.
        ("udp", 64, 0),
        ("posix-mq", 64, 8 * KIB),
        ("sysv-msg", 64, 4 * KIB),
        // It counts.
        ("eventfd", 0, 0),
    ];
    let pair = |measure: fn(&str, usize) -> Job, name: &str, bytes| {
        let sleeping = |who: &str| measure(&format!("{who} {name}"), bytes).wait(Wait::Sleep);
        (sleeping("raw calls"), sleeping("transport"))
    };
    let mut rows = Vec::new();
    for (name, small, large) in mechanisms {
        let (floor, subject) = pair(Job::round_trip, name, small);
        let (floor, subject) = (floor.one_core(), subject.one_core());
        rows.push(row(
            &format!("transport {name}, round trip {small} B, one core"),
            Nanoseconds,
            floor,
            subject,
            AtMost(1.05),
        ));
        if large > 0 {
            let (floor, subject) = pair(Job::stream, name, small);
            rows.push(row(
                &format!("transport {name}, stream {small} B"),
                MillionPerSecond,
                floor,
                subject,
                AtLeast(0.95),
            ));
            let (floor, subject) = pair(Job::stream, name, large);
            let title = format!("transport {name}, stream {} KiB", large / KIB);
            rows.push(row(&title, GigabytesPerSecond, floor, subject, AtLeast(0.95)));
        }
    }
    rows
}

fn sums() -> Vec<Row> {
    use Target::{AtLeast, AtMost};
    let against_loop = |numbers_per_line| Row {
        name: format!("strait sum, {numbers_per_line} a line"),
        unit: Unit::GigabytesPerSecond,
        floor: Some(Entrant::DigitLoop { numbers_per_line }),
        subject: Entrant::Sum { numbers_per_line },
        target: AtLeast(1.5),
    };
    vec![
        against_loop(10),
        against_loop(400),
        Row {
            name: "strait sum, the laboratory's lines".to_owned(),
            unit: Unit::LinesPerSecond,
            floor: Some(Entrant::Pair(Job::stream("laboratory", 4096))),
            subject: Entrant::Sum { numbers_per_line: 10 },
            target: AtLeast(1000.0),
        },
        Row {
            name: "strait sum, memory".to_owned(),
            unit: Unit::Mebibytes,
            floor: None,
            subject: Entrant::SumMemory { numbers_per_line: 10 },
            target: AtMost(64.0),
        },
    ]
}
