//! A worker process: takes blocks, sends what they come to.

use crate::exit::Exit;
use crate::say;
use crate::sum::via::{self, Via};
use crate::sum::{Wait, guard, wire};
use std::ops::ControlFlow;
use strait::pool::Worker;
use strait_sum::{scan_lines, scan_total};

/// The hidden verb that a worker is started with.
pub(crate) const VERB: &str = "sum-worker";

#[derive(clap::Args)]
pub(crate) struct WorkerArgs {
    #[arg(long)]
    total: bool,
    #[arg(long)]
    keep_going: bool,
    #[arg(long, value_enum)]
    wait: Wait,
    #[arg(long, value_parser = Via::of_name)]
    via: Option<Via>,
    /// The longest block, with `--via`.
    #[arg(long, default_value_t = 0)]
    block_bytes: usize,
}

pub(crate) fn work(args: &WorkerArgs) -> Exit {
    let outcome = match args.via {
        Some(via) => via::work(via, args.block_bytes, guard::on_parent_death(), |block| {
            let mut answers = Vec::new();
            (sum(args, block, &mut answers), answers)
        }),
        None => work_in_pool(args).map_err(|e| e.to_string()),
    };
    match outcome {
        Ok(()) => Exit::Done,
        Err(error) => {
            say::line(format_args!("strait {VERB}: {error}"));
            Exit::Peer
        }
    }
}

fn work_in_pool(args: &WorkerArgs) -> strait::Result<()> {
    let worker = Worker::inherit_waiting(args.wait.strategy())?;
    worker.end_with_parent(guard::on_parent_death())?;
    let mut answers = Vec::new();
    worker.run(|block, output| {
        output.write(&sum(args, block, &mut answers))?;
        output.write(&answers)
    })
}

/// The sums of a block: what goes before the answers, and those.
fn sum(args: &WorkerArgs, block: &[u8], answers: &mut Vec<u8>) -> Vec<u8> {
    answers.clear();
    let mut faults = wire::Faults::new(args.keep_going);
    let on_fault = |line, fault| {
        faults.push(line, &fault);
        if args.keep_going { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let scan = if args.total { scan_total(block, on_fault) } else { scan_lines(block, answers, on_fault) };
    wire::encode(&scan, &faults)
}
