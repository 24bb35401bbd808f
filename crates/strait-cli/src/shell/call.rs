//! `strait call`: requests to a server of strait's, and its answers.

use super::address::{self, Address};
use super::inlet::{Halt, Letter};
use super::input::{Input, Next};
use super::opening::{found, nothing, opened, wrong_kind};
use super::printer::{Printer, PrinterArgs};
use super::send::is_channel;
use super::stop::Stop;
use super::{Failure, conclude};
use crate::exit::Exit;
use crate::figures::counted;
use crate::parse::duration;
use std::time::{Duration, Instant};
use strait::channel::rpc::{CallError, CallTimeoutError, Client, Options};
use strait::discovery::Kind;

/// Calls a server: sends a request and writes its answer.
///
/// Without REQUEST each line of
/// standard input is one; answers come in the order of the requests.
///
/// Exit status: 0 answered; 1 the server could not answer, or not in time; 2 wrong usage; 3 the channel was not opened; 4 the server
/// died or is gone; 128 + N ended by signal N.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// Whom.
    #[arg(value_parser = Address::parse, long_help = address::CHANNEL_HELP)]
    channel: Address,
    /// What to ask.
    request: Option<String>,
    /// Wait for each answer for T at the most (500ms, 2s); without it as long as a server lives.
    #[arg(long, value_name = "T", value_parser = duration)]
    timeout: Option<Duration>,
    /// Wait for a channel that is not there yet.
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    printer: PrinterArgs,
}

const EXAMPLES: &str = "\
Examples:
  strait call resolver example.org
  strait call resolver --timeout 500ms < names.txt
  strait call stats '{\"since\": 60}' | jq .";

type Bytes = Client<[u8], [u8]>;

pub(crate) fn run(args: &Args) -> Exit {
    conclude("call", is_channel(&args.channel).and_then(|()| try_run(args)))
}

fn try_run(args: &Args) -> Result<(), Failure> {
    let address = &args.channel;
    let Some(place) = address.channel() else { return Ok(()) };
    let stop = Stop::watch("call")?;
    let mut printer = Printer::new(args.printer)?;
    let deadline = args.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let client = opened(&stop, args.follow, deadline, || match found(address, place)? {
        Some(channel) if channel.kind != Kind::Rpc => Err(wrong_kind(address, channel.kind).into()),
        Some(channel) => Ok(Bytes::open(place, &Options::new().schema_id(channel.schema_id))?),
        None => Err(nothing(address, "start the server first, or wait for it with --follow")),
    })?;
    let ended = |answered: u64| stop.ended(format_args!("{} came", counted(answered, "answer")));
    let Some(client) = client else { return Err(ended(0)) };
    if let Some(request) = &args.request {
        return match ask(args, &stop, &client, request.as_bytes())? {
            Some(answer) => put(&mut printer, &answer).map(drop),
            None => Err(ended(0)),
        };
    }
    let mut input = Input::new(&[], args.printer.framing());
    let mut answered = 0;
    loop {
        let remedy = "make the channel with longer requests (max_request_bytes)";
        let answer = match input.next(&stop, client.max_request_bytes() as usize, remedy)? {
            Next::Message(at) => ask(args, &stop, &client, input.message(&at))?,
            Next::End => return Ok(()),
            Next::Asked => None,
        };
        let Some(answer) = answer else { return Err(ended(answered)) };
        if !put(&mut printer, &answer)? {
            return Ok(());
        }
        answered += 1;
    }
}

/// Whether somebody still reads.
fn put(printer: &mut Printer, answer: &[u8]) -> Result<bool, Failure> {
    match printer.put(&Letter::of(answer)) {
        Ok(()) => Ok(true),
        Err(Halt::Closed) => Ok(false),
        Err(Halt::Failed(failure)) => Err(failure),
    }
}

/// The answer; `None`: the command is to end.
fn ask(args: &Args, stop: &Stop, client: &Bytes, request: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    let address = &args.channel;
    let failed = |error: CallError| {
        let message = format!("call {address}: {error}");
        match error {
            CallError::Failed(_) | CallError::Dropped | CallError::TooLarge { .. } => Failure::no(message),
            _ => Failure::peer(message),
        }
    };
    let deadline = args.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut pending = client.start(request).map_err(failed)?;
    loop {
        let slice = Stop::slice(deadline).saturating_duration_since(Instant::now());
        match pending.wait_timeout(slice) {
            Ok(answer) => return Ok(Some(answer)),
            Err(CallTimeoutError::Failed(error)) => return Err(failed(error)),
            Err(CallTimeoutError::TimedOut) if stop.is_asked() => return Ok(None),
            Err(CallTimeoutError::TimedOut) if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                let timeout = args.timeout.unwrap_or_default();
                return Err(Failure::no(format!("call {address}: no answer came within {timeout:?}")));
            }
            Err(CallTimeoutError::TimedOut) => {}
        }
    }
}
