//! What both processes of a run must agree on. It travels as command-line arguments of the peer.

use std::ffi::OsString;

/// How an end waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Wait {
    /// Never sleeps.
    Spin,
    /// Spins where that helps, then sleeps.
    Adaptive,
    /// Sleeps at once.
    Sleep,
}

impl Measure {
    fn as_str(self) -> &'static str {
        match self {
            Self::RoundTrip => "round-trip",
            Self::Stream => "stream",
            Self::Lend => "lend",
            Self::Idle => "idle",
        }
    }
}

impl Wait {
    fn as_str(self) -> &'static str {
        match self {
            Self::Spin => "spin",
            Self::Adaptive => "adaptive",
            Self::Sleep => "sleep",
        }
    }
}

/// Where the two processes run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Cores {
    /// Each pinned to a core of its own.
    Two,
    /// Both pinned to the same core.
    One,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Measure {
    /// The time from a question to its answer.
    RoundTrip,
    /// The time for each message of many, one way.
    Stream,
    /// What sending costs the sender when the receiver keeps up.
    Lend,
    /// The share of a core that a peer uses while it waits for a message.
    Idle,
}

/// One run of one contender.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub(crate) struct Job {
    /// The contender's name, as `contender::find` knows it.
    pub(crate) contender: String,
    /// Bytes of a message.
    #[arg(long)]
    pub(crate) bytes: usize,
    /// Messages published together.
    #[arg(long)]
    pub(crate) batch: u64,
    /// What the ring holds: messages for a ring of slots, bytes for a ring of bytes.
    #[arg(long)]
    pub(crate) capacity: u64,
    #[arg(long)]
    pub(crate) wait: Wait,
    #[arg(long)]
    pub(crate) cores: Cores,
    #[arg(long)]
    pub(crate) measure: Measure,
    /// Rounds or messages between two looks at the clock.
    #[arg(long)]
    pub(crate) block: u64,
    /// Blocks timed.
    #[arg(long)]
    pub(crate) blocks: u64,
    /// Blocks run before them, untimed: they touch all memory and wake all caches.
    #[arg(long)]
    pub(crate) warm_blocks: u64,
    /// Rounds timed one by one after the blocks, for the percentiles.
    #[arg(long)]
    pub(crate) singles: u64,
    /// A name that no other run has.
    #[arg(long)]
    pub(crate) name: String,
}

impl Job {
    /// A round trip, spinning, on two cores.
    pub(crate) fn round_trip(contender: &str, bytes: usize) -> Self {
        Self::new(contender, Measure::RoundTrip, bytes)
    }

    /// A stream, spinning, on two cores, one message at a time.
    pub(crate) fn stream(contender: &str, bytes: usize) -> Self {
        Self::new(contender, Measure::Stream, bytes)
    }

    /// Messages written in place, on two cores.
    pub(crate) fn lend(contender: &str, bytes: usize) -> Self {
        Self::new(contender, Measure::Lend, bytes)
    }

    fn new(contender: &str, measure: Measure, bytes: usize) -> Self {
        Self {
            contender: contender.to_owned(),
            bytes,
            batch: 1,
            capacity: 1,
            wait: Wait::Spin,
            cores: Cores::Two,
            measure,
            block: 1,
            blocks: 1,
            warm_blocks: 1,
            singles: 0,
            name: String::new(),
        }
    }

    pub(crate) fn batch(mut self, batch: u64) -> Self {
        self.batch = batch;
        self
    }

    pub(crate) fn capacity(mut self, capacity: u64) -> Self {
        self.capacity = capacity;
        self
    }

    pub(crate) fn wait(mut self, wait: Wait) -> Self {
        self.wait = wait;
        self
    }

    pub(crate) fn one_core(mut self) -> Self {
        self.cores = Cores::One;
        self
    }

    pub(crate) fn idle(mut self) -> Self {
        self.measure = Measure::Idle;
        self
    }

    /// All rounds or messages of the run.
    pub(crate) fn total(&self) -> u64 {
        self.block * (self.warm_blocks + self.blocks) + self.singles
    }

    /// The peer's arguments. Every field is there because `Job` is taken apart whole.
    pub(crate) fn to_args(&self) -> Vec<OsString> {
        let Self { contender, bytes, batch, capacity, wait, cores, measure, block, blocks, warm_blocks, singles, name } =
            self;
        let cores = if *cores == Cores::Two { "two" } else { "one" };
        [
            contender.clone(),
            format!("--bytes={bytes}"),
            format!("--batch={batch}"),
            format!("--capacity={capacity}"),
            format!("--wait={}", wait.as_str()),
            format!("--cores={cores}"),
            format!("--measure={}", measure.as_str()),
            format!("--block={block}"),
            format!("--blocks={blocks}"),
            format!("--warm-blocks={warm_blocks}"),
            format!("--singles={singles}"),
            format!("--name={name}"),
        ]
        .into_iter()
        .map(OsString::from)
        .collect()
    }
}
