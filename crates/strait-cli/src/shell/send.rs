//! `strait send` and `strait pub`: lines, or whatever separates messages, from files or standard input into a channel.

use super::address::{self, Address};
use super::framing::{Framing, FramingArgs};
use super::input::{Input, Next};
use super::opening::{Create, CreateArgs, LOOK_AGAIN, MakeArgs, advised, longer, opened};
use super::outlet::{self, NotSent, Outlet};
use super::pace::{Pace, Rate};
use super::stop::Stop;
use super::{Failure, conclude, messages};
use crate::exit::Exit;
use crate::parse::duration;
use crate::say;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What sending has in common.
#[derive(clap::Args)]
struct Flow {
    /// Files to send, one after the other; `-`, or none, is standard input.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    framing: FramingArgs,
    /// Send at most so many in a time: 100/s, 30/m.
    #[arg(short, long, value_name = "N/s", value_parser = Rate::parse)]
    rate: Option<Rate>,
    /// End after N messages.
    #[arg(short = 'n', long, value_name = "N")]
    count: Option<u64>,
    /// Wait for room, and at the end for the receiver, for T at the most (500ms, 2s); without it for ever.
    #[arg(long, value_name = "T", value_parser = duration)]
    timeout: Option<Duration>,
    /// Wait for a channel that is not there yet, and for the next receiver when one has gone.
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    make: MakeArgs,
}

/// Sends lines to a channel or to another program's queue, FIFO or socket.
///
/// Each line is a message, unless --null, --length-prefixed or --raw says otherwise. FIFOs and stream sockets know no messages: lines go as
/// lines, as every program reads them, unless --framed. Who sends to a socket connects, unless --listen.
///
/// A channel that ends with its sender is left when the receiver has everything.
///
/// Exit status: 0 sent; 1 a message was not sent (too long, no room in time); 2 wrong usage; 3 the channel was not opened; 4 the
/// receiver is gone; 128 + N ended by signal N.
#[derive(clap::Args)]
#[command(after_long_help = SEND_EXAMPLES)]
pub(crate) struct SendArgs {
    /// Where to.
    #[arg(value_parser = Address::parse, long_help = address::HELP)]
    channel: Address,
    #[command(flatten)]
    flow: Flow,
    #[command(flatten)]
    create: CreateArgs,
    /// The kind of the messages: of a work queue (mpmc) from 0, of a System V queue its type from 1.
    #[arg(short, long, value_name = "N")]
    kind: Option<u32>,
    /// The priority of the messages, of a POSIX queue: 0 to 32767.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=32767))]
    priority: Option<u32>,
    /// Wait for the receiver to connect, of unix, unix-seqpacket and tcp.
    #[arg(long)]
    listen: bool,
    /// The receiver uses strait's transports: of FIFOs and streams, each message is preceded by its length.
    #[arg(long)]
    framed: bool,
}

const SEND_EXAMPLES: &str = "\
Examples:
  seq 1000 | strait send jobs --create=mpmc --restartable
  tail -f app.log | strait send log --follow
  echo reload | strait send posix-mq:/control --priority 9
  strait send tcp:localhost:9000 --rate 10/s lines.txt
  find . -print0 | strait send fifo:/tmp/names --null";

/// Publishes lines on a broadcast: every subscriber gets every message.
///
/// Who subscribes later gets what is kept, if it asks
/// for that; without a subscriber a message is published all the same.
///
/// Exit status: 0 published; 1 a message was not published (too long, no room in time); 2 wrong usage; 3 the channel was not opened; 4
/// a peer lied; 128 + N ended by signal N.
#[derive(clap::Args)]
#[command(after_long_help = PUB_EXAMPLES)]
pub(crate) struct PubArgs {
    /// Where to.
    #[arg(value_parser = Address::parse, long_help = address::CHANNEL_HELP)]
    channel: Address,
    #[command(flatten)]
    flow: Flow,
    /// Make the channel where there is none.
    #[arg(long)]
    create: bool,
    /// Wait for so many subscribers before the first message.
    #[arg(short, long, value_name = "N", default_value_t = 0)]
    subscribers: u32,
}

const PUB_EXAMPLES: &str = "\
Examples:
  vmstat 1 | strait pub load --create
  strait pub news --create --subscribers 2 headlines.txt
  date | strait pub clock --follow";

/// How an outlet is opened.
pub(super) struct Sending {
    pub(super) framing: Framing,
    pub(super) make: MakeArgs,
    pub(super) create: Option<Create>,
    pub(super) kinds: u32,
    pub(super) kind: Option<u32>,
    pub(super) priority: Option<u32>,
    pub(super) listen: bool,
    pub(super) is_framed: bool,
    pub(super) is_publishing: bool,
    pub(super) subscribers: u32,
}

pub(crate) fn send(args: &SendArgs) -> Exit {
    let how = Sending {
        framing: args.flow.framing.framing(),
        make: args.flow.make.clone(),
        create: args.create.create,
        kinds: args.create.kinds,
        kind: args.kind,
        priority: args.priority,
        listen: args.listen,
        is_framed: args.framed,
        is_publishing: false,
        subscribers: 0,
    };
    conclude("send", fits(args).and_then(|()| run("send", &args.channel, &args.flow, &how)))
}

/// Options that the mechanism has no use for are mistakes.
fn fits(args: &SendArgs) -> Result<(), Failure> {
    use super::address::What;
    let address = &args.channel;
    let refuse = |option: &str, of: &str| Err(Failure::usage(format!("{option} is of {of}, and {address} is none")));
    if args.priority.is_some() && !matches!(address.what, What::PosixMq(_)) {
        return refuse("--priority", "a POSIX queue");
    }
    if args.kind.is_some() && !matches!(address.what, What::SysvMsg(_) | What::Channel(_)) {
        return refuse("--kind", "a work queue (mpmc) and a System V queue");
    }
    if args.listen && !address.is_connected() {
        return refuse("--listen", "unix, unix-seqpacket and tcp");
    }
    if args.framed && !address.is_stream() {
        return refuse("--framed", "FIFOs and streams (fifo, unix, tcp)");
    }
    Ok(())
}

pub(crate) fn publish(args: &PubArgs) -> Exit {
    let how = Sending {
        framing: args.flow.framing.framing(),
        make: args.flow.make.clone(),
        create: args.create.then_some(Create::Auto),
        kinds: 1,
        kind: None,
        priority: None,
        listen: false,
        is_framed: false,
        is_publishing: true,
        subscribers: args.subscribers,
    };
    conclude("pub", is_channel(&args.channel).and_then(|()| run("pub", &args.channel, &args.flow, &how)))
}

/// Only strait's channels are published to, watched and called.
pub(super) fn is_channel(address: &Address) -> Result<(), Failure> {
    if address.channel().is_some() {
        return Ok(());
    }
    Err(Failure::usage(format!("{address} is no channel of strait; use strait send and strait recv")))
}

fn run(verb: &'static str, address: &Address, flow: &Flow, how: &Sending) -> Result<(), Failure> {
    let stop = Stop::watch(verb)?;
    let mut input = Input::new(&flow.files, how.framing);
    let mut pace = Pace::new(flow.rate);
    let mut sent = 0;
    let ended = |sent: u64| stop.ended(format_args!("{} sent", messages(sent)));
    let open = || {
        let deadline = flow.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        opened(&stop, flow.follow || how.listen, deadline, || {
            advised(address, outlet::open(address, how, Stop::slice(deadline)))
        })
    };
    let Some(mut outlet) = open()? else { return Err(ended(sent)) };
    while flow.count.is_none_or(|count| sent < count) {
        let at = match input.next(&stop, outlet.message_bytes_max(), longer(address))? {
            Next::Message(at) => at,
            Next::End => break,
            Next::Asked => return Err(ended(sent)),
        };
        if !pace.wait(&stop) {
            return Err(ended(sent));
        }
        loop {
            match deliver(&stop, flow, |until| outlet.send(input.message(&at), until)) {
                Ok(true) => break,
                Ok(false) => return Err(ended(sent)),
                Err(NotSent::Gone(_)) if flow.follow => {
                    drop(outlet);
                    stop.sleep(LOOK_AGAIN);
                    outlet = open()?.ok_or_else(|| ended(sent))?;
                }
                Err(error) => return Err(error.failure(address, sent + 1)),
            }
        }
        sent += 1;
    }
    leave(&stop, flow, address, outlet.as_mut(), sent)
}

/// Tries until it is done, the time is up, or the command is to end, which it says by `false`.
fn deliver(stop: &Stop, flow: &Flow, mut send: impl FnMut(Instant) -> Result<(), NotSent>) -> Result<bool, NotSent> {
    let deadline = flow.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        match send(Stop::slice(deadline)) {
            Ok(()) => return Ok(true),
            Err(NotSent::Late) if stop.is_asked() => return Ok(false),
            Err(NotSent::Late) if deadline.is_none_or(|deadline| Instant::now() < deadline) => {}
            Err(error) => return Err(error),
        }
    }
}

/// The end of a channel that ends with us: its receiver is to have everything.
fn leave(stop: &Stop, flow: &Flow, address: &Address, outlet: &mut dyn Outlet, sent: u64) -> Result<(), Failure> {
    let deadline = flow.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let began = Instant::now();
    let mut is_told = !std::io::stderr().is_terminal();
    loop {
        match outlet.finish(Stop::slice(deadline)) {
            Ok(true) => return Ok(()),
            Ok(false) if stop.is_asked() => {
                return Err(stop.ended(format_args!("{} sent, not all of them received", messages(sent))));
            }
            Ok(false) if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                let sent = messages(sent);
                return Err(Failure::no(format!(
                    "leave {address}: not all of {sent} were received in time, and the channel ends with its sender; \
                     make it with --restartable to leave them there"
                )));
            }
            Ok(false) => {}
            Err(NotSent::Gone(why)) => {
                return Err(Failure::peer(format!(
                    "leave {address}: {why}, and has not received all of {}",
                    messages(sent)
                )));
            }
            Err(NotSent::Failed(failure)) => return Err(failure),
            Err(NotSent::Late | NotSent::TooLarge { .. }) => {}
        }
        if !is_told && began.elapsed() > Duration::from_secs(1) {
            is_told = true;
            say::line(format_args!("strait send: all sent; waiting for the receiver to take it (Ctrl-C gives it up)"));
        }
    }
}
