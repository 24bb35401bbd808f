//! `strait bench`: every way that two processes of this machine have to exchange messages, measured side by side.
//!
//! ```text
//!   strait bench            a run of one cell: two processes, pinned           table, JSON, page
//!   [run] each cell   --->  [here] asks or sends  <======>  [there]  --->      [row] [document]
//!   in turn, again          over the ends of a subject                         [table] [html] [advice]
//!   and again
//! ```
//!
//! | file | job |
//! |---|---|
//! | `subject` | what can be measured |
//! | `run` | cells in turn, several times; Ctrl-C; what hangs is ended |
//! | `job` | what the processes of a run agree on, and report |
//! | `here`, `there`, `heard` | the two processes; what the one says to the other of itself |
//! | `ends`, `futex` | the ends of each subject |
//! | `control`, `message`, `usage` | where the timed part begins and ends; what travels, and whether it is right; processor time |
//! | `row`, `stats`, `document`, `machine` | the figures |
//! | `table`, `html`, `advice`, `progress` | what a person sees |

mod advice;
mod control;
mod document;
mod ends;
mod futex;
mod heard;
mod here;
mod html;
mod job;
mod machine;
mod message;
mod progress;
mod row;
mod run;
mod stats;
mod subject;
mod table;
mod there;
mod usage;

use crate::exit::Exit;
use crate::{parse, say, signals};
use document::{Document, Settings};
use job::{Measure, Waiting};
use machine::{Machine, Watch};
use row::Status;
use run::{Cell, Effort};
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use subject::Subject;

pub(crate) use here::measure;
pub(crate) use job::Job;
pub(crate) use there::answer;

/// The hidden verbs of the two processes of a run.
pub(crate) const VERB_HERE: &str = "bench-here";
pub(crate) const VERB_THERE: &str = "bench-there";

/// Round trips carry the first of these, streams each, unless sizes are named.
const SIZES: [usize; 5] = [64, 1 << 10, 4 << 10, 64 << 10, 1 << 20];

/// Everything is so measured within a minute, on a machine that has nothing else to do.
const DURATION_MS: u64 = 40;
const REPETITIONS: u16 = 5;
const TIME_LIMIT: Duration = Duration::from_secs(55);

/// Measures every way that two processes of this machine have to exchange messages: round trips and streams, waiting awake and asleep,
/// set-up, processor time and context switches.
///
/// Two processes, each pinned to a processor of its own where there are two; every message is checked when it is received. All cells are
/// measured in turn, several times; figures are medians of the repetitions. It ends with advice, made of what was measured.
///
/// Mechanisms: futex (the floor: a word in shared memory, nothing checked), pipe, packet-pipe, fifo, unix, unix-seqpacket, unix-datagram,
/// tcp, udp, posix-mq, sysv-msg, signal, eventfd, and strait's own: spsc, mpmc, broadcast, watch, rpc.
///
/// Exit status: 0 done, though a size may not have fitted somewhere; 2 wrong usage; 3 the kernel refused (a mechanism, the file); 4 a
/// measuring process or the reader of the output failed; 128 + N ended by signal N, with what there was until then.
#[derive(clap::Args)]
#[command(after_long_help = JSON_HELP)]
pub(crate) struct Args {
    /// What to measure; everything unless named.
    #[arg(value_name = "MECHANISM", value_parser = Subject::of_name)]
    mechanisms: Vec<Subject>,
    /// Bytes of a message, 8 to 16,777,216, with K or M for 1,024 of them; several, with commas between them. Unless named: 64 for round
    /// trips, 64, 1K, 4K, 64K and 1M for streams, and what fits, where that is less (signal, eventfd).
    #[arg(long, value_name = "BYTES", value_delimiter = ',', value_parser = size)]
    size: Vec<usize>,
    /// Only waiting asleep, in the kernel.
    #[arg(long, conflicts_with = "spin")]
    sleep: bool,
    /// Only waiting awake: tried again and again.
    #[arg(long)]
    spin: bool,
    /// How long one run of a cell measures, in milliseconds [default: 40].
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=60_000))]
    duration: Option<u64>,
    /// How often each cell is run [default: 5, less on a machine too busy to do that within a minute].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    repetitions: Option<u16>,
    /// A glance: two runs of 5 ms.
    #[arg(long, conflicts_with_all = ["duration", "repetitions"])]
    quick: bool,
    /// The processors of the two processes; the first and the last that may be used, unless named. The same twice: both on one.
    #[arg(long, value_name = "HERE,THERE", value_parser = cpus)]
    cpus: Option<(usize, usize)>,
    /// Write one JSON document instead of the tables.
    #[arg(long)]
    json: bool,
    /// Write a page with charts to this file, too.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// What `--json` writes; the names stay as long as the schema version does.
const JSON_HELP: &str = "\
Examples:
  strait bench
  strait bench pipe unix spsc --size 64,4K
  strait bench --quick --json | jq .advice

The JSON document (schema_version 1; a field that has no value is null):
  machine   processor, processors, kernel, virtualization, clock_source, clock_read_ns, frequency_governor, load_average, strait_version,
            build
  settings  here_cpu, there_cpu, duration_ms, repetitions, took_seconds, is_partial
  noise     stolen_percent, others_percent, warnings
  rows      mechanism, measure (round_trip, stream), waiting (spin, sleep), message_bytes, status (measured, too_large, refused, failed,
            not_run), note, max_message_bytes, repetitions, messages, lost_messages, round_trip_ns (p50, p90, p99, p99_9, max, mean,
            p50_least, p50_greatest), messages_per_second (_least, _greatest), bytes_per_second, and for each message, of the process that sends or asks
            (here) and the other (there): cpu_ns_per_message, voluntary_switches_per_message, involuntary_switches_per_message; setup_us
  advice    the paragraph at the end
A round trip is two messages. A stream's rate is the receiver's, of what arrived.";

fn size(text: &str) -> Result<usize, String> {
    let bytes = parse::size(text).ok().and_then(|bytes| usize::try_from(bytes).ok());
    let fits = bytes.filter(|bytes| (8..=16 << 20).contains(bytes));
    fits.ok_or_else(|| "a size is 8 to 16,777,216 bytes".to_owned())
}

fn cpus(text: &str) -> Result<(usize, usize), String> {
    let allowed = usage::allowed_cpus();
    let numbers = text.split_once(',').map(|(here, there)| (here.trim().parse(), there.trim().parse()));
    let Some((Ok(here), Ok(there))) = numbers else { return Err("name two processors: 0,1".to_owned()) };
    let all_allowed = [here, there].iter().all(|cpu| allowed.contains(cpu));
    if all_allowed { Ok((here, there)) } else { Err(format!("this process may run on {allowed:?}")) }
}

/// An error to be told, and what to exit with.
struct Failure(String, Exit);

pub(crate) fn run(args: &Args) -> Exit {
    match try_run(args) {
        Ok(exit) => exit,
        Err(Failure(message, exit)) => {
            if !message.is_empty() {
                say::line(format_args!("strait bench: {message}"));
            }
            exit
        }
    }
}

fn try_run(args: &Args) -> Result<Exit, Failure> {
    if let Some(path) = &args.html {
        can_be_written(path).map_err(|e| refused(path, &e))?;
    }
    let allowed = usage::allowed_cpus();
    let ends = (allowed.first().copied().unwrap_or(0), allowed.last().copied().unwrap_or(0));
    let (here_cpu, there_cpu) = args.cpus.unwrap_or(ends);
    let (duration_ms, repetitions) = match args.quick {
        true => (5, 2),
        false => (args.duration.unwrap_or(DURATION_MS), args.repetitions.unwrap_or(REPETITIONS)),
    };
    let repetitions = usize::from(repetitions);
    // Whoever says how much shall be done waits until it is.
    let limit = (args.duration.is_none() && args.repetitions.is_none()).then_some(TIME_LIMIT);
    let effort = Effort { duration: Duration::from_millis(duration_ms), repetitions, here_cpu, there_cpu, limit };
    let mut cells = cells(args, here_cpu != there_cpu);
    if cells.is_empty() {
        let why = "waiting awake needs two processors, and both processes are to run on one".to_owned();
        return Err(Failure(why, Exit::Usage));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let stopper = Arc::clone(&stop);
    // Relaxed, here and below: a flag that is looked at again soon.
    let signals = signals::watch("bench", move || stopper.store(true, Relaxed))
        .map_err(|e| Failure(format!("watch for signals: {e}"), Exit::Refused))?;
    let machine = Machine::look(here_cpu);
    let (watch, began) = (Watch::begin(), Instant::now());
    run::all(&mut cells, &effort, &|| stop.load(Relaxed));
    let mut noise = watch.end(&machine, here_cpu, there_cpu);
    let rows: Vec<_> = cells.iter().map(Cell::to_row).collect();
    let fewest = rows.iter().filter(|row| row.status == Status::Measured).map(|row| row.repetitions).min().unwrap_or(0);
    if fewest < repetitions && signals.received().is_none() && limit.is_some() && fewest > 0 {
        noise.warnings.push(format!("there was time for {fewest} of {repetitions} repetitions only"));
    }
    let settings = Settings {
        here_cpu,
        there_cpu,
        duration_ms: duration_ms as f64,
        repetitions,
        took_seconds: began.elapsed().as_secs_f64(),
        is_partial: signals.received().is_some(),
    };
    let document = Document::new(machine, settings, noise, rows);
    if let Some(path) = &args.html {
        fs::write(path, html::page(&document)).map_err(|e| refused(path, &e))?;
    }
    let text = if args.json { to_json(&document)? } else { table::text(&document) };
    io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()).map_err(|e| match e.kind() {
        // Its reader has seen enough.
        io::ErrorKind::BrokenPipe => Failure(String::new(), Exit::Peer),
        _ => Failure(format!("write standard output: {e}"), Exit::Refused),
    })?;
    Ok(match signals.received() {
        Some(signal) => {
            say::line(format_args!("strait bench: ended by {} before all was measured", signals::name(signal)));
            Exit::Signal(signal)
        }
        None => document.exit(),
    })
}

/// What is to be measured, in the order in which it is.
fn cells(args: &Args, has_two_cpus: bool) -> Vec<Cell> {
    let subjects: Vec<Subject> = if args.mechanisms.is_empty() {
        Subject::all().collect()
    } else {
        Subject::all().filter(|it| args.mechanisms.contains(it)).collect()
    };
    let waitings: Vec<Waiting> = [(Waiting::Spin, !args.sleep && has_two_cpus), (Waiting::Sleep, !args.spin)]
        .into_iter()
        .filter_map(|(waiting, is_wanted)| is_wanted.then_some(waiting))
        .collect();
    let mut cells = Vec::new();
    for (measure, defaults) in [(Measure::RoundTrip, &SIZES[..1]), (Measure::Stream, &SIZES[..])] {
        let sizes = if args.size.is_empty() { defaults } else { &args.size[..] };
        for &waiting in &waitings {
            for (n, &size) in sizes.iter().enumerate() {
                let able = subjects.iter().filter(|it| measure == Measure::RoundTrip || it.streams());
                for &subject in able {
                    let bytes = match subject.bytes_max() {
                        // In the place of the smallest; there is no other.
                        Some(_) if args.size.is_empty() && n > 0 => continue,
                        Some(max) if args.size.is_empty() => max,
                        _ => size,
                    };
                    cells.push(Cell::new(subject, measure, waiting, bytes));
                }
            }
        }
    }
    cells
}

fn to_json(document: &Document) -> Result<String, Failure> {
    let json = serde_json::to_string_pretty(document);
    json.map(|text| text + "\n").map_err(|e| Failure(format!("write JSON: {e}"), Exit::Refused))
}

fn refused(path: &Path, error: &io::Error) -> Failure {
    Failure(format!("write '{}': {error}", path.display()), Exit::Refused)
}

/// Before a minute is spent: whether the file can be written. It is as it was afterwards.
fn can_be_written(path: &Path) -> io::Result<()> {
    let is_there = path.try_exists()?;
    OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    if is_there { Ok(()) } else { fs::remove_file(path) }
}
