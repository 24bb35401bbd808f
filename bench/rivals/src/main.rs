//! What users would pick instead of strait, on one workload list, in one run.
//!
//! | file | what it is |
//! |---|---|
//! | `rows.rs` | the workload list |
//! | `seam.rs` | what an entrant has to be able to do |
//! | `entrants.rs` | the one list of entrants |
//! | `limits/` | our raw rings: what the hardware allows |
//! | `subjects/` | strait's channels |
//! | `rivals/` | the rivals, one file each |
//! | `payload.rs` | what travels, and how it is verified |
//! | `party.rs`, `setup.rs`, `kill.rs` | what one process of a run does |
//! | `run.rs` | one run: parties in step, deadlines, verification |
//! | `table.rs` | the tables of `docs/benchmarks.md` |
//! | `raw.rs` | raw shared memory for the limits |

#![deny(unsafe_code)]

mod entrants;
mod job;
mod kill;
mod limits;
#[allow(dead_code, reason = "the bench's own, compiled in here too")]
#[path = "../../src/machine.rs"]
mod machine;
mod party;
mod payload;
#[expect(unsafe_code, reason = "a limit is raw pointers into a mapping; the module's doc is the argument")]
mod raw;
mod rivals;
mod rows;
mod run;
mod seam;
mod setup;
#[path = "../../src/stats.rs"]
mod stats;
mod subjects;
mod table;

use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use crate::job::Job;
use crate::machine::Machine;
use crate::rows::{Column, Section};
use crate::seam::Entrant;
use crate::table::{Cell, Results};

/// Measures strait beside its rivals.
#[derive(Parser)]
#[command(name = "strait-rivals")]
struct Args {
    /// Only sections whose name contains one of these
    #[arg(long, num_args = 1.., value_name = "PART")]
    rows: Vec<String>,
    /// Only columns whose title contains one of these
    #[arg(long, num_args = 1.., value_name = "PART")]
    columns: Vec<String>,
    /// Only entrants whose name contains one of these
    #[arg(long, num_args = 1.., value_name = "PART")]
    only: Vec<String>,
    /// Fewer and shorter repetitions: a look, not written into the document
    #[arg(long)]
    quick: bool,
    /// Repetitions of each column
    #[arg(long)]
    repetitions: Option<usize>,
    /// How long one run lasts
    #[arg(long, value_name = "MS")]
    ms: Option<u64>,
    /// What the fastest of blocks that fill a channel four times took: a look on a machine that others use
    #[arg(long)]
    fastest: bool,
    /// List sections, columns and entrants, and stop
    #[arg(long)]
    list: bool,
    /// Leave `docs/benchmarks.md` as it is
    #[arg(long)]
    no_write: bool,
}

/// What it starts itself as: `strait-rivals party --me=0 <job>`.
#[derive(Parser)]
#[command(name = "strait-rivals party")]
struct PartyArgs {
    #[arg(long)]
    me: usize,
    #[command(flatten)]
    job: Job,
}

fn main() -> ExitCode {
    let mut args: Vec<_> = std::env::args_os().collect();
    let result = if args.get(1).is_some_and(|arg| arg == "party") {
        args.remove(1);
        let PartyArgs { me, job } = PartyArgs::parse_from(args);
        party::run(&job, me)
    } else {
        bench(&Args::parse())
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("strait-rivals: {error}");
            ExitCode::FAILURE
        }
    }
}

fn wanted(parts: &[String], name: &str) -> bool {
    parts.is_empty() || parts.iter().any(|part| name.contains(part.as_str()))
}

fn bench(args: &Args) -> io::Result<()> {
    let mut sections: Vec<_> = rows::all().into_iter().filter(|section| wanted(&args.rows, section.name)).collect();
    for section in &mut sections {
        section.columns.retain(|column| wanted(&args.columns, &column.title));
    }
    sections.retain(|section| !section.columns.is_empty());
    let entrants: Vec<_> = entrants::all().iter().filter(|entrant| wanted(&args.only, entrant.name)).collect();
    if args.list {
        for section in &sections {
            let columns: Vec<_> = section.columns.iter().map(|column| column.title.as_str()).collect();
            println!("{}: {}", section.name, columns.join("; "));
        }
        entrants.iter().for_each(|entrant| println!("  {} ({:?})", entrant.name, entrant.camp));
        return Ok(());
    }
    let effort = Effort {
        repetitions: args.repetitions.unwrap_or(if args.quick { 3 } else { 5 }).max(1),
        ms: args.ms.unwrap_or(if args.quick { 60 } else { 150 }),
        fastest: args.fastest,
        cores: cores()?,
    };
    // A selection of columns or entrants is a look at them: half a table is none.
    let writes = !args.quick && !args.fastest && !args.no_write && args.only.is_empty() && args.columns.is_empty();
    for section in &sections {
        let machine = Machine::look();
        let results = measure(section, &entrants, &effort)?;
        let table = results.to_markdown();
        println!("\n{}\n\n{table}", section.title);
        if machine.is_busy() {
            println!("others used more than a twentieth of this machine: run again when it is quiet");
        }
        if writes {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/benchmarks.md");
            table::write(&path, section, &format!("{table}\n{}", foot(&machine, &effort, section)))?;
        }
    }
    Ok(())
}

struct Effort {
    repetitions: usize,
    ms: u64,
    fastest: bool,
    cores: (usize, usize),
}

fn foot(machine: &Machine, effort: &Effort, section: &Section) -> String {
    let mut text = format!(
        "{}, `cargo xtask bench rivals --rows {}`, {} repetitions of {} ms.\n",
        machine::today(),
        section.name,
        effort.repetitions,
        effort.ms
    );
    for fact in machine.describe(effort.cores) {
        text.push_str(&format!("{}. ", fact.trim_end_matches('.')));
    }
    text.push('\n');
    text
}

/// The first and the last core that this process may use.
fn cores() -> io::Result<(usize, usize)> {
    let allowed = rustix::thread::sched_getaffinity(None)?;
    let mut cores = (0..rustix::thread::CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
    let here = cores.next().ok_or_else(|| io::Error::other("no core allowed"))?;
    let there = cores.next_back().ok_or_else(|| io::Error::other("two cores are needed; this process may use one"))?;
    Ok((here, there))
}

fn measure<'a>(section: &'a Section, entrants: &[&'a Entrant], effort: &Effort) -> io::Result<Results<'a>> {
    let mut rows: Vec<(&Entrant, Vec<Cell>)> = entrants.iter().map(|entrant| (*entrant, Vec::new())).collect();
    for column in &section.columns {
        eprintln!("{}, {}", section.name, column.title);
        for (cell, (entrant, cells)) in measure_column(column, entrants, effort)?.into_iter().zip(&mut rows) {
            if !matches!(cell, Cell::Cannot(_)) {
                eprintln!("{}", table::line(entrant, column, &cell));
            }
            cells.push(cell);
        }
    }
    Ok(Results { section, rows })
}

/// First each entrant is proven correct, then all are timed in turn, each time another one first.
fn measure_column(column: &Column, entrants: &[&Entrant], effort: &Effort) -> io::Result<Vec<Cell>> {
    let job = |entrant: &Entrant, ms| {
        let (here, there) = effort.cores;
        Job { entrant: entrant.name.to_owned(), ms, fastest: effort.fastest, here, there, ..column.job.clone() }
    };
    let mut cells = Vec::new();
    for entrant in entrants {
        let job = job(entrant, effort.ms / 5);
        cells.push(match entrant.why_not(&job) {
            Some(why) => Cell::Cannot(why),
            None => match run::run(&job)? {
                Ok(_) => Cell::Samples(Vec::new()),
                Err(trouble) => Cell::Trouble(trouble),
            },
        });
    }
    for repetition in 0..effort.repetitions {
        for turn in 0..entrants.len() {
            let index = (turn + repetition) % entrants.len();
            let Cell::Samples(samples) = &mut cells[index] else { continue };
            match run::run(&job(entrants[index], effort.ms))? {
                Ok(sample) => samples.push(sample),
                Err(trouble) => cells[index] = Cell::Trouble(trouble),
            }
        }
    }
    Ok(cells)
}
