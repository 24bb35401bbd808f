//! `strait watch`: the latest value of a watch, each that follows, or a new one.

use super::address::{self, Address};
use super::inlet::{Halt, Letter};
use super::opening::{LOOK_AGAIN, Unopened, found, nothing, opened, wrong_kind};
use super::printer::{Printer, PrinterArgs};
use super::send::is_channel;
use super::stop::Stop;
use super::{Failure, conclude};
use crate::exit::Exit;
use crate::figures::counted;
use crate::parse::duration;
use std::time::{Duration, Instant};
use strait::channel::watch::{Observer, Options, ReadError, ReadTimeoutError, Reader, TryReadError, Writer};
use strait::discovery::Kind;
use strait::region::Place;

/// Prints the latest value of a watch, or sets it.
///
/// Without --follow it is read without taking a seat: nobody
/// notices.
///
/// Exit status: 0 done; 1 there is no value (in time); 2 wrong usage; 3 the channel was not opened; 4 the writer wrote what cannot be;
/// 128 + N ended by signal N.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// Which.
    #[arg(value_parser = Address::parse, long_help = address::CHANNEL_HELP)]
    channel: Address,
    /// Set the value. There is one writer at a time.
    #[arg(long, value_name = "VALUE", conflicts_with_all = ["follow", "timeout", "count", "json", "timestamps"])]
    set: Option<String>,
    /// Make the watch where there is none; it keeps its value until it is removed.
    #[arg(long, requires = "set")]
    create: bool,
    /// The longest value of a watch that is made.
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..=1 << 30))]
    message_bytes: u32,
    /// Print each new value too; wait for a watch that is not there yet, and for the next writer when one has gone.
    #[arg(short, long)]
    follow: bool,
    /// End after N values.
    #[arg(short = 'n', long, value_name = "N", requires = "follow")]
    count: Option<u64>,
    /// Wait for a value, or for a new one, for T at the most (500ms, 2s).
    #[arg(long, value_name = "T", value_parser = duration)]
    timeout: Option<Duration>,
    #[command(flatten)]
    printer: PrinterArgs,
}

const EXAMPLES: &str = "\
Examples:
  strait watch temperature
  strait watch temperature --follow --timestamps
  strait watch mode --set maintenance --create";

pub(crate) fn run(args: &Args) -> Exit {
    conclude("watch", is_channel(&args.channel).and_then(|()| try_run(args)))
}

fn try_run(args: &Args) -> Result<(), Failure> {
    let Some(place) = args.channel.channel() else { return Ok(()) };
    match &args.set {
        Some(value) => set(args, place, value.as_bytes()),
        None if args.follow || args.timeout.is_some() => follow(args, place),
        None => look(args, place),
    }
}

const HOW: &str = "make it with --set VALUE --create, or wait for it with --follow";

/// The options to open it with.
fn known(address: &Address, place: &Place) -> Result<Options, Unopened> {
    match found(address, place)? {
        Some(channel) if channel.kind != Kind::Watch => Err(wrong_kind(address, channel.kind).into()),
        Some(channel) => Ok(Options::new().schema_id(channel.schema_id)),
        None => Err(nothing(address, HOW)),
    }
}

fn set(args: &Args, place: &Place, value: &[u8]) -> Result<(), Failure> {
    let address = &args.channel;
    let made = Options::new().max_message_bytes(args.message_bytes.into()).restartable(true);
    let writer = match known(address, place) {
        Ok(options) => Writer::<[u8]>::open(place, &options)?,
        Err(Unopened::NotYet(_)) if args.create => Writer::<[u8]>::open_or_create(place, &made)?,
        Err(Unopened::NotYet(failure) | Unopened::Failed(failure)) => return Err(failure),
    };
    let mut writer = writer;
    writer.send(value).map_err(|error| Failure::no(format!("set {address}: {error}")))
}

/// Without a seat.
fn look(args: &Args, place: &Place) -> Result<(), Failure> {
    let address = &args.channel;
    let options = match known(address, place) {
        Ok(options) => options,
        Err(Unopened::NotYet(failure) | Unopened::Failed(failure)) => return Err(failure),
    };
    let mut value = Vec::new();
    match Observer::<[u8]>::open(place, &options)?.try_get(&mut value) {
        Ok(()) => done(Printer::new(args.printer)?.put(&Letter::of(&value))),
        Err(TryReadError::NotYet) => {
            Err(Failure::no(format!("{address} has no value yet; wait for it with --timeout")))
        }
        Err(TryReadError::Failed(error)) => Err(Failure::peer(format!("read {address}: {error}"))),
    }
}

/// Who does not read any more is no failure.
fn done(put: Result<(), Halt>) -> Result<(), Failure> {
    match put {
        Ok(()) | Err(Halt::Closed) => Ok(()),
        Err(Halt::Failed(failure)) => Err(failure),
    }
}

fn follow(args: &Args, place: &Place) -> Result<(), Failure> {
    let address = &args.channel;
    let stop = Stop::watch("watch")?;
    let mut printer = Printer::new(args.printer)?;
    let after = || args.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut deadline = after();
    let mut seen = 0;
    let ended = |seen: u64| stop.ended(format_args!("{} seen", counted(seen, "value")));
    let open = || Ok(Reader::<[u8]>::open(place, &known(address, place)?)?);
    let Some(mut reader) = opened(&stop, args.follow, deadline, open)? else { return Err(ended(seen)) };
    // Without --follow the first is the last.
    let count = if args.follow { args.count.unwrap_or(u64::MAX) } else { 1 };
    let mut value = Vec::new();
    while seen < count {
        let slice = Stop::slice(deadline).saturating_duration_since(Instant::now());
        match reader.changed_timeout(&mut value, slice) {
            Ok(()) => {
                match printer.put(&Letter::of(&value)) {
                    Ok(()) => {}
                    closed_or_failed => return done(closed_or_failed),
                }
                seen += 1;
                deadline = after();
            }
            // The next writer may come as long as somebody is here.
            Err(ReadTimeoutError::Failed(ReadError::Disconnected(_))) if args.follow => {
                stop.sleep(LOOK_AGAIN);
            }
            Err(ReadTimeoutError::TimedOut | ReadTimeoutError::Failed(ReadError::Busy)) => {}
            Err(ReadTimeoutError::Failed(error @ ReadError::Disconnected(_))) => {
                return Err(Failure::no(format!("{address} has no value: {error}")));
            }
            Err(ReadTimeoutError::Failed(error)) => return Err(Failure::peer(format!("read {address}: {error}"))),
        }
        if stop.is_asked() {
            return Err(ended(seen));
        }
        if printer.is_closed() {
            return Ok(());
        }
        if seen < count && deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            let timeout = args.timeout.unwrap_or_default();
            return Err(Failure::no(format!(
                "{address}: no new value for {timeout:?}; {} seen",
                counted(seen, "value")
            )));
        }
    }
    Ok(())
}
