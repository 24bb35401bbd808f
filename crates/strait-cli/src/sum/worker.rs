//! A worker process: takes blocks, sends what they come to.

use crate::exit::Exit;
use crate::say;
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
}

pub(crate) fn work(args: &WorkerArgs) -> Exit {
    let outcome = Worker::inherit_waiting(args.wait.strategy()).and_then(|worker| {
        worker.end_with_parent(guard::on_parent_death())?;
        let mut answers = Vec::new();
        worker.run(|block, output| {
            answers.clear();
            let mut faults = wire::Faults::new(args.keep_going);
            let on_fault = |line, fault| {
                faults.push(line, &fault);
                if args.keep_going { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            };
            let scan = if args.total { scan_total(block, on_fault) } else { scan_lines(block, &mut answers, on_fault) };
            output.write(&wire::encode(&scan, &faults))?;
            output.write(&answers)
        })
    });
    match outcome {
        Ok(()) => Exit::Done,
        Err(error) => {
            say::line(format_args!("strait {VERB}: {error}"));
            Exit::Peer
        }
    }
}
