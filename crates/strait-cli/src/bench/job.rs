//! One run of two processes: what both must agree on, and what comes of it.
//!
//! A [`Job`] travels as arguments, a report as one line of JSON on standard output.

use crate::bench::subject::Subject;
use serde::{Deserialize, Serialize};
use strait::process::Command;
use strait::transport::{Mechanism, RecvError, SendError};

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(super) enum Measure {
    /// From a question to its answer.
    RoundTrip,
    /// Messages one after the other, one way.
    Stream,
}

/// How both sides wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(super) enum Waiting {
    /// Awake: tried again and again.
    Spin,
    /// Asleep, in the kernel.
    Sleep,
}

impl Measure {
    fn name(self) -> &'static str {
        match self {
            Self::RoundTrip => "round-trip",
            Self::Stream => "stream",
        }
    }
}

impl Waiting {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Spin => "spin",
            Self::Sleep => "sleep",
        }
    }
}

/// A run.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Job {
    #[arg(long, value_parser = Subject::of_name)]
    pub(super) subject: Subject,
    #[arg(long)]
    pub(super) measure: Measure,
    #[arg(long)]
    pub(super) waiting: Waiting,
    #[arg(long)]
    pub(super) bytes: usize,
    #[arg(long)]
    pub(super) duration_us: u64,
    /// The processor of the process that measures.
    #[arg(long)]
    pub(super) here_cpu: usize,
    /// The processor of the other.
    #[arg(long)]
    pub(super) there_cpu: usize,
}

impl Job {
    /// Tells a process what to do.
    pub(super) fn put(&self, command: &mut Command) {
        // Taken apart whole, so that nothing is forgotten.
        let Self { subject, measure, waiting, bytes, duration_us, here_cpu, there_cpu } = self;
        command
            .args(["--subject", subject.name()])
            .args(["--measure", measure.name()])
            .args(["--waiting", waiting.name()])
            .args(["--bytes", &bytes.to_string()])
            .args(["--duration-us", &duration_us.to_string()])
            .args(["--here-cpu", &here_cpu.to_string()])
            .args(["--there-cpu", &there_cpu.to_string()]);
    }

    /// What questions and answers go by together, on one connection.
    pub(super) fn both_ways(&self) -> Option<Mechanism> {
        match self.subject {
            Subject::Mechanism(it) if self.measure == Measure::RoundTrip && it.capabilities().goes_both_ways => {
                Some(it)
            }
            _ => None,
        }
    }

    /// Whether both sides wait awake.
    pub(super) fn spins(&self) -> bool {
        self.waiting == Waiting::Spin
    }
}

/// What the processor gave to the thread that did the work.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Used {
    pub(super) cpu_ns: u64,
    pub(super) voluntary_switches: u64,
    pub(super) involuntary_switches: u64,
}

/// What the peer has to tell.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct There {
    pub(super) setup_ns: u64,
    /// From the first timed message, which does not count, to the last.
    pub(super) elapsed_ns: u64,
    pub(super) received: u64,
    pub(super) used: Used,
}

/// What one run came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Sample {
    /// Making and opening both ends of one way.
    pub(super) setup_ns: u64,
    pub(super) elapsed_ns: u64,
    /// Those that arrived; a round trip has two.
    pub(super) messages: u64,
    pub(super) lost: u64,
    pub(super) here: Used,
    pub(super) there: Used,
    /// Of round trips: nanoseconds, and how many took so long.
    pub(super) latency: Vec<(u64, u64)>,
}

/// Why there is no sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Trouble {
    /// A message is longer than what the mechanism carries.
    TooLarge { max_bytes: usize },
    /// The kernel would not.
    Refused(String),
    /// A process failed, or a message was not what was sent.
    Failed(String),
}

impl From<strait::Error> for Trouble {
    fn from(error: strait::Error) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<SendError> for Trouble {
    fn from(error: SendError) -> Self {
        match error {
            SendError::TooLarge { max_bytes, .. } => Self::TooLarge { max_bytes },
            SendError::Failed(error) => error.into(),
            error => Self::Failed(error.to_string()),
        }
    }
}

impl From<RecvError> for Trouble {
    fn from(error: RecvError) -> Self {
        match error {
            RecvError::Failed(error) => error.into(),
            error => Self::Failed(error.to_string()),
        }
    }
}

/// One line for the process that waits for it.
pub(super) fn to_line<T: Serialize>(report: &Result<T, Trouble>) -> String {
    // Numbers and strings alone: there is nothing that JSON has no form for.
    serde_json::to_string(report).unwrap_or_default()
}

/// The report that a process has left, if it left one.
pub(super) fn of_line<T: for<'a> Deserialize<'a>>(line: &str) -> Result<T, Trouble> {
    let broken = |_| Err(Trouble::Failed("a process ended without a report".to_owned()));
    serde_json::from_str(line.trim()).unwrap_or_else(broken)
}
