//! The `strait` command: one file or folder per verb.
#![forbid(unsafe_code)]

mod bench;
mod bound;
mod completions;
mod create;
mod doctor;
mod exit;
mod figures;
mod gc;
mod ls;
mod man;
mod map;
mod parse;
mod program;
mod rm;
mod say;
mod screen;
mod seen;
mod shell;
mod show;
mod signals;
mod sum;
mod text;
mod top;

use clap::{CommandFactory as _, Parser, Subcommand};

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
    Bench(bench::Args),
    Gc(gc::Args),
    Rm(rm::Args),
    Create(create::Args),
    Ls(ls::Args),
    Show(show::Args),
    Send(shell::SendArgs),
    Recv(shell::RecvArgs),
    Pub(shell::PubArgs),
    Sub(shell::SubArgs),
    Watch(shell::WatchArgs),
    Call(shell::CallArgs),
    Completions(completions::Args),
    Man(man::Args),
    Top(top::Args),
    Doctor(doctor::Args),
    Map(map::Args),
    /// A worker of `sum`; started by it.
    #[command(name = sum::WORKER_VERB, hide = true)]
    SumWorker(sum::WorkerArgs),
    /// The process of `bench` that measures; started by it.
    #[command(name = bench::VERB_HERE, hide = true)]
    BenchHere(bench::Job),
    /// The peer of that one; started by it.
    #[command(name = bench::VERB_THERE, hide = true)]
    BenchThere(bench::Job),
}

fn main() -> std::process::ExitCode {
    match Cli::parse().verb {
        Verb::Sum(args) => sum::run(args),
        Verb::SumWorker(args) => sum::work(&args),
        Verb::Bench(args) => bench::run(&args),
        Verb::Gc(args) => gc::run(&args),
        Verb::Rm(args) => rm::run(&args),
        Verb::Create(args) => create::run(&args),
        Verb::Ls(args) => ls::run(&args),
        Verb::Show(args) => show::run(&args),
        Verb::Send(args) => shell::send(&args),
        Verb::Recv(args) => shell::recv(&args),
        Verb::Pub(args) => shell::publish(&args),
        Verb::Sub(args) => shell::sub(&args),
        Verb::Watch(args) => shell::watch(&args),
        Verb::Call(args) => shell::call(&args),
        Verb::Completions(args) => completions::run(&args, Cli::command()),
        Verb::Man(args) => man::run(&args, Cli::command()),
        Verb::Top(args) => top::run(&args),
        Verb::Doctor(args) => doctor::run(&args),
        Verb::Map(args) => map::run(&args),
        Verb::BenchHere(job) => bench::measure(&job),
        Verb::BenchThere(job) => bench::answer(&job),
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of flags has no contradiction in it.
    #[test]
    fn flags_are_sound() {
        Cli::command().debug_assert();
    }

    /// The help of every verb ends with examples.
    #[test]
    fn help_has_examples() {
        let mut command = Cli::command();
        command.build();
        for verb in command.get_subcommands_mut().filter(|verb| !verb.is_hide_set()) {
            let (name, help) = (verb.get_name().to_owned(), verb.render_long_help().to_string());
            let examples = help.split_once("Examples:\n").map_or("", |(_, examples)| examples);
            assert!(examples.contains(&format!("strait {name}")), "strait {name} --help has no examples");
        }
    }
}
