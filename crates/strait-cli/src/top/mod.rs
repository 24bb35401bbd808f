//! `strait top`: how much goes through the channels of this machine, now.
//!
//! | file | does |
//! |---|---|
//! | [`sample`] | looks at all channels and at the processors' time of their users, and says what has changed since the last look |
//! | [`order`] | which rows are shown, and in which order |
//! | [`view`] | rows as lines of a certain width; the picture of one channel; the help |
//! | [`screen`] | the terminal: taken over, given back however this ends |
//! | [`keys`] | what was typed |
//! | [`live`] | the loop of all that |
//! | [`batch`] | the same as plain lines, for pipes |

mod batch;
mod keys;
mod live;
mod order;
mod sample;
mod screen;
mod view;

use crate::exit::Exit;
use crate::say;
use std::io::IsTerminal as _;
use std::time::Duration;

/// Watch the channels of this machine: messages and bytes a second, fill, lag, drops, sleepers, processor time.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  strait top 'feed.*' --interval 0.5
  strait top --batch 1 | sort -k3 -h

Keys: arrows or j, k select, Enter looks closer, Esc goes back; s sorts by the next column, r turns the order round, n m b f l d z c sort by
name, messages, bytes, fill, lag, drops, sleepers, CPU; / filters by a part of the name; + and - change the interval, space stops the clock;
h helps, q quits.")]
pub(crate) struct Args {
    /// Channels whose names this means: * is any run of characters, ? any one
    #[arg(default_value = "*", hide_default_value = true)]
    pattern: String,
    /// Seconds between two looks
    #[arg(short, long, value_name = "S", default_value = "1", value_parser = seconds)]
    interval: Duration,
    /// Print N looks as plain lines, each an interval after the one before, and end
    #[arg(short, long, value_name = "N")]
    batch: Option<u64>,
}

const INTERVAL_MIN: f64 = 0.05;
const INTERVAL_MAX: f64 = 3600.0;

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(number) if (INTERVAL_MIN..=INTERVAL_MAX).contains(&number) => Ok(Duration::from_secs_f64(number)),
        _ => Err(format!("give a number of seconds from {INTERVAL_MIN} to {INTERVAL_MAX}")),
    }
}

pub(crate) fn run(args: &Args) -> Exit {
    many_files();
    if let Some(times) = args.batch {
        return batch::run(&args.pattern, args.interval, times);
    }
    if !std::io::stdout().is_terminal() {
        say::line("strait top: standard output is no terminal; use --batch N to print N looks as plain lines");
        return Exit::Usage;
    }
    if std::env::var_os("TERM").is_some_and(|term| term == "dumb") {
        say::line(
            "strait top: the terminal (TERM=dumb) cannot be drawn on; use --batch N to print N looks as plain lines",
        );
        return Exit::Usage;
    }
    live::run(&args.pattern, args.interval)
}

/// Each channel that is watched takes a descriptor: as many as we may have.
fn many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Where it is refused, channels that cannot be opened are shown as that.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

#[cfg(test)]
mod tests;
