//! What the parties of a run must agree on. It travels as command-line arguments of each.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Who sends what to whom. Party 0 opens first, creates whatever needs creating, and is the one that measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Shape {
    /// 0 asks, 1 answers.
    RoundTrip,
    /// 1 sends, 0 receives.
    Stream,
    /// 0 sends, each of 1..=N receives everything.
    OneToN,
    /// Each of 1..=N sends, 0 receives everything.
    NToOne,
    /// 0 sends, each message goes to one of 1..=N.
    Queue,
    /// 1 writes the latest value every so often, 0 reads it again and again.
    Latest,
    /// 0 creates a channel, 1 opens it and sends one message; again and again.
    SetUp,
    /// 1 has 100 channels to 0, one of them busy; 0 answers on one back.
    Many,
    /// 1 sends and is killed, 2 takes its place; 0 receives.
    KillSender,
    /// 0 sends; 1 receives and is killed, 2 takes its place.
    KillReceiver,
}

/// How an end waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Wait {
    /// Never sleeps, never yields.
    Spin,
    /// Spins a little, then gives the core to whoever is runnable: for more parties than cores.
    Yield,
    /// Sleeps until there is something.
    Sleep,
}

/// One run of one entrant.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub(crate) struct Job {
    /// The entrant's name, as `entrants::find` knows it.
    #[arg(long)]
    pub(crate) entrant: String,
    #[arg(long)]
    pub(crate) shape: Shape,
    #[arg(long)]
    pub(crate) wait: Wait,
    /// Bytes of a message, a multiple of eight.
    #[arg(long)]
    pub(crate) bytes: usize,
    /// How many parties there are beside party 0.
    #[arg(long)]
    pub(crate) n: usize,
    /// Messages that a channel holds, where that can be chosen: a power of two.
    #[arg(long)]
    pub(crate) capacity: u64,
    /// How long party 0 and the senders go on.
    #[arg(long)]
    pub(crate) ms: u64,
    /// A folder of this run, on a tmpfs: for files by which the parties meet.
    #[arg(long)]
    pub(crate) dir: PathBuf,
    /// A name that no other run has.
    #[arg(long)]
    pub(crate) name: String,
    /// Tell what the fastest blocks took, and not all but the slowest: on a machine that others use.
    #[arg(long)]
    pub(crate) fastest: bool,
    /// The core of party 0.
    #[arg(long)]
    pub(crate) here: usize,
    /// The core of all others.
    #[arg(long)]
    pub(crate) there: usize,
}

impl Job {
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_millis(self.ms)
    }

    /// 64-bit words of a message.
    pub(crate) fn words(&self) -> usize {
        self.bytes / 8
    }

    /// Bytes that a channel holds, where that can be chosen: as many messages as `capacity` says, and never under 64 KiB.
    pub(crate) fn capacity_bytes(&self) -> u64 {
        (self.capacity * self.bytes as u64).max(1 << 16).next_power_of_two()
    }

    /// A party's arguments. Every field is there because `Job` is taken apart whole.
    pub(crate) fn to_args(&self) -> Vec<OsString> {
        let Self { entrant, shape, wait, bytes, n, capacity, ms, dir, name, fastest, here, there } = self;
        let mut args: Vec<OsString> = [
            format!("--entrant={entrant}"),
            format!("--shape={}", word(shape)),
            format!("--wait={}", word(wait)),
            format!("--bytes={bytes}"),
            format!("--n={n}"),
            format!("--capacity={capacity}"),
            format!("--ms={ms}"),
            format!("--name={name}"),
            format!("--here={here}"),
            format!("--there={there}"),
        ]
        .into_iter()
        .map(OsString::from)
        .collect();
        let mut place = OsString::from("--dir=");
        place.push(dir);
        args.push(place);
        args.extend(fastest.then(|| OsString::from("--fastest")));
        args
    }
}

fn word(value: &impl clap::ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}
