//! How fast, against what the machine can do.
//!
//! Every figure of strait is measured beside a *floor* (what the hardware or the kernel allows) in the same run, and told
//! as the ratio of the two: absolute figures do not travel from machine to machine.
//!
//! | file | what it is |
//! |---|---|
//! | `rows.rs` | the workload list, with what is promised for each row |
//! | `contender.rs` | the roles a floor or a subject plays, and the one place that names them all |
//! | `floors/` | the floors, one each |
//! | `kernel.rs` | pipes, sockets, queues for two processes |
//! | `raw/` | raw shared memory for the floors: the only unsafe code here |
//! | `pair.rs` | one run by two processes |
//! | `duel.rs` | floor and subject in turn, several times |
//! | `report.rs` | the table and `record/<date>-<n>.md` |

#![deny(unsafe_code)]

mod command;
mod contender;
mod duel;
mod floors;
mod job;
mod kernel;
mod machine;
mod message;
mod pair;
#[expect(unsafe_code, reason = "a floor is raw pointers into a mapping; the module's doc is the argument")]
mod raw;
mod report;
mod rows;
mod stats;
mod subjects;
mod text;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::command::Sum;
use crate::duel::{Arena, Effort};
use crate::job::Job;
use crate::machine::Machine;
use crate::pair::{CorePair, watch};
use crate::report::Table;

/// Measures strait against the floors of this machine and prints one table.
#[derive(Parser)]
#[command(name = "strait-bench")]
struct Args {
    /// Only rows whose name contains one of these
    filter: Vec<String>,
    /// The floors alone
    #[arg(long)]
    floors: bool,
    /// Fewer repetitions and smaller volumes: a look, not a record
    #[arg(long)]
    quick: bool,
    /// List the rows and stop
    #[arg(long)]
    list: bool,
    /// Repetitions of each row
    #[arg(long)]
    repetitions: Option<usize>,
    /// Write the record though the run is quick, filtered or of floors alone
    #[arg(long, conflicts_with = "no_record")]
    record: bool,
    /// Write no record
    #[arg(long)]
    no_record: bool,
    /// The strait command [default: the one beside this program]
    #[arg(long, env = "STRAIT", value_name = "PATH")]
    strait: Option<PathBuf>,
}

/// What the bench starts itself as: `strait-bench peer <job>`.
#[derive(Parser)]
#[command(name = "strait-bench peer")]
struct PeerArgs {
    #[command(flatten)]
    job: Job,
    /// The core of the measuring process
    #[arg(long)]
    here: usize,
    /// The core of the peer
    #[arg(long)]
    there: usize,
}

fn main() -> ExitCode {
    let mut args: Vec<_> = std::env::args_os().collect();
    let result = if args.get(1).is_some_and(|arg| arg == "peer") {
        args.remove(1);
        let PeerArgs { job, here, there } = PeerArgs::parse_from(args);
        pair::peer(job, &CorePair::of((here, there)))
    } else {
        bench(&Args::parse())
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("strait-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(args: &Args) -> io::Result<()> {
    let wanted = |name: &str| args.filter.is_empty() || args.filter.iter().any(|part| name.contains(part.as_str()));
    let sum = Sum::find(args.strait.as_deref());
    let has_sum = sum.is_some();
    let (there, missing): (Vec<_>, Vec<_>) = rows::all().into_iter().filter(|row| wanted(&row.name)).partition(|row| {
        row.subject.is_there(has_sum) && row.floor.as_ref().is_none_or(|floor| floor.is_there(has_sum))
    });
    if args.list {
        there.iter().for_each(|row| println!("{}", row.name));
        missing.iter().for_each(|row| println!("{} (no subject '{}' yet)", row.name, row.subject.name()));
        return Ok(());
    }

    let cores = CorePair::find()?;
    let numbers = cores.numbers();
    let machine = Machine::look();
    watch::start();
    let mut arena = Arena::new(effort(args), cores, sum);
    let table = if args.floors {
        run_floors(&mut arena, there.into_iter().chain(missing))?
    } else {
        if !missing.is_empty() {
            eprintln!("{} rows are left out: their subject is not there (see --list)", missing.len());
        }
        run_rows(&mut arena, there)?
    };
    let mut facts = machine.describe(numbers);
    let Effort { repetitions, duration, text_bytes } = arena.effort;
    facts.push(format!(
        "effort: {repetitions} repetitions of {} ms, text of {} MB",
        duration.as_millis(),
        text_bytes / 1_000_000
    ));
    println!("{}", table.to_text());
    facts.iter().for_each(|fact| println!("{fact}"));
    if machine.is_busy() {
        println!("others used more than a twentieth of this machine: run again when it is quiet");
    }

    let whole = !args.quick && !args.floors && args.filter.is_empty();
    if args.record || (whole && !args.no_record) {
        let command: Vec<_> = std::env::args().skip(1).collect();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("record");
        let command = format!("cargo xtask bench {}", command.join(" "));
        println!("recorded in {}", report::record(&folder, command.trim(), &facts, &table)?.display());
    }
    Ok(())
}

fn effort(args: &Args) -> Effort {
    let (repetitions, duration_ms, text_mb) = if args.quick { (3, 60, 64) } else { (7, 250, 600) };
    Effort {
        repetitions: args.repetitions.unwrap_or(repetitions).max(1),
        duration: Duration::from_millis(duration_ms),
        text_bytes: text_mb * 1_000_000,
    }
}

fn run_rows(arena: &mut Arena, rows: Vec<rows::Row>) -> io::Result<Table> {
    let mut outcomes = Vec::new();
    let count = rows.len();
    for (n, row) in rows.into_iter().enumerate() {
        eprintln!("[{}/{count}] {}", n + 1, row.name);
        outcomes.push(arena.run(row)?);
    }
    Ok(report::table(&outcomes))
}

/// Each floor once, though several rows stand on it.
fn run_floors(arena: &mut Arena, rows: impl Iterator<Item = rows::Row>) -> io::Result<Table> {
    let mut floors = Vec::new();
    for row in rows {
        let Some(floor) = row.floor.filter(rows::Entrant::is_raw) else { continue };
        let known = floors.iter().any(|(_, _, other): &(String, rows::Unit, rows::Entrant)| *other == floor);
        if !known {
            floors.push((format!("{}: {}", floor.name(), row.name), row.unit, floor));
        }
    }
    let mut results = Vec::new();
    let count = floors.len();
    for (n, (name, unit, floor)) in floors.into_iter().enumerate() {
        eprintln!("[{}/{count}] {name}", n + 1);
        let (series, distance_ns) = arena.run_alone(&floor, unit)?;
        results.push((name, unit, series, distance_ns));
    }
    Ok(report::floor_table(&results))
}
