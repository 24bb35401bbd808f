//! The `strait` command: one file or folder per verb.
#![forbid(unsafe_code)]

mod exit;
mod say;
mod sum;

use clap::{Parser, Subcommand};

/// Processes of one machine exchanging data: fast, crash-proof, visible.
#[derive(Parser)]
#[command(name = "strait", version, about, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Sum(sum::Args),
    /// A worker of `sum`; started by it.
    #[command(name = sum::WORKER_VERB, hide = true)]
    SumWorker(sum::WorkerArgs),
}

fn main() -> std::process::ExitCode {
    match Cli::parse().verb {
        Verb::Sum(args) => sum::run(args),
        Verb::SumWorker(args) => sum::work(&args),
    }
    .into()
}
