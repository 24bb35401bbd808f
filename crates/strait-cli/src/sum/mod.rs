//! `strait sum`: lines of numbers in, their sums out, through worker processes and shared memory.
//!
//! ```text
//!  files, pipe,    [input]      jobs      workers    results   [sheet]       [output]
//!  terminal  --->  cut into  -------->   scan each  -------->  put lines -->  OUT
//!                  blocks                 block                together
//! ```
//!
//! | file | job |
//! |---|---|
//! | `input` | reads, and cuts between tokens, straight into the workers' memory |
//! | `worker` | sums the lines of a block |
//! | `carrier`, `via` | what carries blocks and results: strait's pool, or a mechanism that is named |
//! | `wire` | how a block's result travels |
//! | `sheet` | puts lines that span blocks together, keeps count, names what is wrong and where |
//! | `output` | writes whole lines, and leaves whole lines behind |
//! | `guard` | lets the workers cut a torn line off if the parent is killed |
//! | `progress` | what a person sees meanwhile |
//! | `summary` | what a person sees at the end |

mod carrier;
mod guard;
mod input;
mod output;
mod progress;
mod sheet;
mod summary;
mod via;
mod wire;
mod worker;

use crate::exit::Exit;
use crate::figures::counted;
use crate::{program, say, signals};
use carrier::{Collector, Feeder, Workers};
use input::{End, Input, Source};
use output::Output;
use progress::Progress;
use sheet::{Faults, Halt, Sheet};
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Instant;
use strait::channel::Strategy;
use strait::pool::{self, Stopped};
use strait::process::{Command, Stdio};
use summary::Summary;
use via::Via;

pub(crate) use worker::{VERB as WORKER_VERB, WorkerArgs, work};

/// Sums each line of numbers and writes the sums, one a line, in the order of the lines.
///
/// Numbers are separated by blanks or tabs. Integers are summed exactly, to 128 bits; a line with a decimal point, an exponent, inf
/// or nan is summed as floating point and rounded once. An empty line gives 0. The work is done by worker processes: kill any of
/// them at any time, and not a byte of the result changes.
///
/// Exit status: 0 done; 1 a line has no sum; 2 wrong usage; 3 the kernel refused (no such file, disk full); 4 a worker or the reader
/// of the output failed; 128 + N ended by signal N.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// Files to sum, one after the other; `-`, or none, is standard input.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write the sums to this file instead of standard output. Whatever happens, it holds whole lines from the beginning.
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// How many worker processes.
    #[arg(long, value_name = "N", default_value_t = default_workers(), value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: u16,
    /// Write only the sum of everything.
    #[arg(long)]
    total: bool,
    /// Give a line without a sum an empty line, report it, and go on.
    #[arg(long)]
    keep_going: bool,
    /// How the processes wait for each other.
    #[arg(long, value_name = "HOW", value_enum, default_value_t = Wait::Adaptive)]
    wait: Wait,
    /// What carries the numbers to the workers and the sums back, in place of strait's pool: a pipe, a socket, a queue ..., or `lab`, the
    /// exercise's own protocol (one page, a flag, a millisecond's sleep). The result is the same; the time it takes is not.
    #[arg(long, value_name = "MECHANISM", value_parser = Via::of_name)]
    via: Option<Via>,
    /// No progress bar and no summary; errors only.
    #[arg(short, long)]
    quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  strait sum numbers.txt -o sums.txt
  printf '1 2 3\\n4.5 5.5\\n' | strait sum
  strait sum --total --workers 4 part-*.txt";

/// How processes wait.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Wait {
    /// Never sleep: a core for each process.
    Spin,
    /// Spin while that pays, then sleep.
    Adaptive,
    /// Sleep at once.
    Sleep,
}

impl Wait {
    fn strategy(self) -> Strategy {
        match self {
            Self::Spin => Strategy::Spin,
            Self::Adaptive => Strategy::SpinThenSleep,
            Self::Sleep => Strategy::Sleep,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Spin => "spin",
            Self::Adaptive => "adaptive",
            Self::Sleep => "sleep",
        }
    }
}

fn default_workers() -> u16 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u16::try_from(cores).unwrap_or(256).min(256)
}

/// An error to be told, and what to exit with.
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) exit: Exit,
}

impl Failure {
    fn refused(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit: Exit::Refused }
    }

    /// Says it. What is wrong with a line of the input begins with its place, as editors and people look for it there.
    fn tell(&self) {
        match (self.message.as_str(), self.exit) {
            ("", _) => {}
            (message, Exit::No) => say::line(message),
            (message, _) => say::line(format_args!("strait sum: {message}")),
        }
    }
}

pub(crate) fn run(args: Args) -> Exit {
    match try_run(args) {
        Ok(exit) => exit,
        Err(failure) => {
            failure.tell();
            failure.exit
        }
    }
}

fn try_run(args: Args) -> Result<Exit, Failure> {
    let sources = Source::all(&args.files)?;
    let is_dialogue = input::is_dialogue(&sources);
    let mut output = Output::open(args.output.as_deref(), &sources)?;
    let block_bytes = block_bytes(args.workers);
    let options =
        pool::Options::new().workers(usize::from(args.workers)).job_bytes_max(block_bytes).wait(args.wait.strategy());
    let command = worker_command(&args, &mut output)?;
    let began = Instant::now();
    let (pool, feeder, mut collector) = match args.via {
        None => {
            let (pool, feeder, collector) =
                pool::start(&command, &options).map_err(|e| Failure::refused(e.to_string()))?;
            (Workers::Pool(pool), Feeder::Pool(feeder), Collector::Pool(collector))
        }
        Some(via) => {
            let (workers, feeder, collector) = via::start(&command, via, args.workers, block_bytes)?;
            (Workers::Via(workers), Feeder::Via(feeder), Collector::Via(collector))
        }
    };
    drop(command);
    let signals =
        signals::watch("sum", pool.stopper()).map_err(|e| Failure::refused(format!("watch for signals: {e}")))?;
    let progress = Progress::start(args.quiet || is_dialogue || !std::io::stderr().is_terminal(), &sources);
    let faults = match (is_dialogue, args.keep_going) {
        (true, _) => Faults::TellAll,
        (false, true) => Faults::TellFirst,
        (false, false) => Faults::Halt,
    };
    let mut sheet = Sheet::new(&sources, args.total, faults, block_bytes);
    let (answered, answers) = mpsc::channel();
    let input = Input { sources, block_bytes, answers: is_dialogue.then_some(answers) };
    // Not joined when something goes wrong: it may be blocked in reading a terminal.
    let reader = std::thread::Builder::new()
        .name("input".into())
        .spawn(move || input.feed(feeder))
        .map_err(|e| Failure::refused(format!("start the thread that reads: {e}")))?;

    let outcome = collect(&mut collector, &mut sheet, &mut output, |sheet| {
        progress.show(sheet, pool.restarts());
        // A reader that has ended asks nothing more.
        let _ = answered.send(());
    });
    drop(answered);
    let outcome = match outcome {
        // The reader has ended, for the collector came to the end of its jobs.
        Ok(()) => match reader.join() {
            Ok(Ok(())) => Ok(()),
            Ok(Err(End::Failed(failure))) => Err(failure),
            // Stopped while nothing was under way: there was more to read, so this is not the end.
            Ok(Err(End::Stopped)) => Err(explain(Halt::Pool(Stopped::Asked), signals.received(), &sheet)),
            Err(_) => Err(Failure::refused("read the input: the reading thread panicked")),
        },
        Err(halt) => Err(explain(halt, signals.received(), &sheet)),
    };
    let ended = match outcome {
        Ok(()) => sheet.finish(&mut output).map_err(|halt| explain(halt, None, &sheet)),
        // What was answered before it is written; if that fails too, the first failure is the one to tell.
        Err(failure) => {
            let _ = output.flush();
            Err(failure)
        }
    };
    let restarts = pool.restarts();
    if ended.is_ok() {
        pool.finish();
    } else {
        drop(pool);
    }
    progress.end();
    if is_dialogue && signals.received().is_some() {
        // Away from the prompt.
        say::line("");
    }
    if sheet.untold() > 0 {
        say::line(format_args!("... and {} without a sum", counted(sheet.untold(), "more line")));
    }
    let exit = match &ended {
        Ok(()) if sheet.has_faults() => Exit::No,
        Ok(()) => Exit::Done,
        Err(failure) => {
            // Whoever typed knows that this was the end.
            if !(is_dialogue && matches!(failure.exit, Exit::Signal(_))) {
                failure.tell();
            }
            failure.exit
        }
    };
    if !args.quiet {
        let (took, workers) = (began.elapsed(), args.workers);
        say::line(Summary { took, is_dialogue, workers, restarts, ..sheet.summary() });
    }
    Ok(exit)
}

/// Takes in all results, in order.
fn collect(
    collector: &mut Collector,
    sheet: &mut Sheet,
    output: &mut Output,
    mut after_job: impl FnMut(&mut Sheet),
) -> Result<(), Halt> {
    loop {
        // Nothing under way: whoever waits for the answers so far shall have them.
        if collector.outstanding() == 0 {
            output.flush().map_err(Halt::Output)?;
        }
        let taken = collector.next(|part| sheet.take(part, output).map(|()| part.is_last)).map_err(Halt::Pool)?;
        let Some(is_last) = taken.transpose()? else { return Ok(()) };
        if is_last {
            if collector.outstanding() == 0 {
                output.flush().map_err(Halt::Output)?;
            }
            after_job(sheet);
        }
    }
}

fn explain(halt: Halt, signal: Option<u8>, sheet: &Sheet) -> Failure {
    match (halt, signal) {
        (Halt::Fault(message), _) => Failure { message, exit: Exit::No },
        (Halt::Output(message), _) if message.is_empty() => Failure { message, exit: Exit::Peer },
        (Halt::Output(message), _) => Failure::refused(message),
        (_, Some(signal)) => Failure {
            message: format!("ended by {} before all lines were summed", signals::name(signal)),
            exit: Exit::Signal(signal),
        },
        (Halt::Pool(Stopped::Poisoned { exit, job, .. }), _) => {
            let lines = sheet.line_range(&job);
            Failure {
                message: format!("{lines}: a worker died again and again here; the last time: {exit}"),
                exit: Exit::Peer,
            }
        }
        (Halt::Pool(Stopped::Asked), _) => {
            Failure { message: "a worker died again and again while it had nothing to do".to_owned(), exit: Exit::Peer }
        }
        (Halt::Pool(stopped), _) => Failure { message: stopped.to_string(), exit: Exit::Peer },
        (Halt::Wire(message), _) => Failure { message, exit: Exit::Peer },
    }
}

/// Large enough that handing over costs nothing, small enough that all channels together stay in the caches and within 16 MiB.
fn block_bytes(workers: u16) -> usize {
    ((4 << 20) / usize::from(workers)).clamp(32 << 10, 256 << 10)
}

fn worker_command(args: &Args, output: &mut Output) -> Result<Command, Failure> {
    let mut command = program::again(WORKER_VERB);
    // Standard output is not theirs: its reader must see its end when this process ends, whatever becomes of them.
    command.stdout(Stdio::Null);
    command.arg("--wait").arg(args.wait.name());
    if args.total {
        command.arg("--total");
    }
    if args.keep_going {
        command.arg("--keep-going");
    }
    output.guard(&mut command)?;
    Ok(command)
}
