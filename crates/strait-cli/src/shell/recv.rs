//! `strait recv` and `strait sub`: messages from a channel to standard output.

use super::address::{self, Address};
use super::framing::Framing;
use super::inlet::{self, Halt, Letter, NotReceived};
use super::opening::{Create, CreateArgs, LOOK_AGAIN, MakeArgs, advised, opened};
use super::printer::{Printer, PrinterArgs};
use super::send::is_channel;
use super::stop::Stop;
use super::{Failure, conclude, messages};
use crate::exit::Exit;
use crate::parse::duration;
use crate::say;
use std::time::{Duration, Instant};

/// What receiving has in common.
#[derive(clap::Args)]
struct Flow {
    #[command(flatten)]
    printer: PrinterArgs,
    /// End after N messages.
    #[arg(short = 'n', long, value_name = "N")]
    count: Option<u64>,
    /// End when no message has come for T (500ms, 2s).
    #[arg(long, value_name = "T", value_parser = duration)]
    timeout: Option<Duration>,
    /// Wait for a channel that is not there yet, and for the next sender when one has gone.
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    make: MakeArgs,
}

/// Receives from a channel or from another program's queue, FIFO or socket, and writes each message as a line.
///
/// FIFOs and stream sockets know no messages: what comes is cut into lines, unless --null, --length-prefixed, --raw or --framed. Who
/// receives from a socket listens, and takes one connection after the other with --follow; --connect goes to a program that listens.
///
/// A message of an spsc or mpmc channel is out of the channel when it has been written. Who is killed in between leaves it to the next, so a
/// message can come twice and is not lost. What a kernel's queue has given out it no longer has.
///
/// It ends when the last sender has gone (not of queues and datagrams, which do not tell), after --count or --timeout, when nobody reads the
/// output any more, and at Ctrl-C, which says how many came.
///
/// Exit status: 0 ended so; 1 nothing, or less than --count, came in time; 2 wrong usage; 3 the channel was not opened; 4 the sender died, or wrote what cannot be;
/// 128 + N ended by signal N.
#[derive(clap::Args)]
#[command(after_long_help = RECV_EXAMPLES)]
pub(crate) struct RecvArgs {
    /// Where from.
    #[arg(value_parser = Address::parse, long_help = address::HELP)]
    channel: Address,
    #[command(flatten)]
    flow: Flow,
    #[command(flatten)]
    create: CreateArgs,
    /// Only messages of this kind: of a work queue (mpmc) from 0, of a System V queue its type from 1.
    #[arg(short, long, value_name = "N")]
    kind: Option<u32>,
    /// Connect to a sender that listens, of unix, unix-seqpacket and tcp.
    #[arg(long)]
    connect: bool,
    /// The sender uses strait's transports: of FIFOs and streams, each message is preceded by its length.
    #[arg(long)]
    framed: bool,
}

const RECV_EXAMPLES: &str = "\
Examples:
  strait recv jobs --count 10 --timestamps
  strait recv posix-mq:/control --json
  strait recv fifo:/tmp/names --null | xargs -0 ls -l
  strait recv tcp:localhost:9000 --follow >> lines.txt
  strait recv sysv-msg:0x5472 --kind 3 --timeout 2s";

/// Subscribes to a broadcast and writes each message as a line.
///
/// It begins with the next message, or with the oldest
/// that is kept. Where the publisher does not wait for subscribers, what was lost is said on standard error.
///
/// It ends when the last publisher has gone, after --count or --timeout, when nobody reads the output any more, and at Ctrl-C.
///
/// Exit status: 0 ended so; 1 nothing, or less than --count, came in time; 2 wrong usage; 3 the channel was not opened; 4 the last publisher died, or one wrote what cannot be;
/// 128 + N ended by signal N.
#[derive(clap::Args)]
#[command(after_long_help = SUB_EXAMPLES)]
pub(crate) struct SubArgs {
    /// Where from.
    #[arg(value_parser = Address::parse, long_help = address::CHANNEL_HELP)]
    channel: Address,
    #[command(flatten)]
    flow: Flow,
    /// Make the channel where there is none.
    #[arg(long)]
    create: bool,
    /// Begin with the oldest message that is kept.
    #[arg(long)]
    from_oldest: bool,
}

const SUB_EXAMPLES: &str = "\
Examples:
  strait sub load
  strait sub news --from-oldest --json
  strait sub clock --follow --timestamps | tee clock.log";

/// How an inlet is opened.
#[derive(Clone)]
pub(super) struct Receiving {
    pub(super) framing: Framing,
    pub(super) make: MakeArgs,
    pub(super) create: Option<Create>,
    pub(super) kinds: u32,
    pub(super) kind: Option<u32>,
    pub(super) connect: bool,
    pub(super) is_framed: bool,
    pub(super) is_following: bool,
    pub(super) is_subscribing: bool,
    pub(super) from_oldest: bool,
}

pub(crate) fn recv(args: &RecvArgs) -> Exit {
    let how = Receiving {
        framing: args.flow.printer.framing(),
        make: args.flow.make.clone(),
        create: args.create.create,
        kinds: args.create.kinds,
        kind: args.kind,
        connect: args.connect,
        is_framed: args.framed,
        is_following: args.flow.follow,
        is_subscribing: false,
        from_oldest: false,
    };
    conclude("recv", fits(args).and_then(|()| run("recv", &args.channel, &args.flow, &how)))
}

/// Options that the mechanism has no use for are mistakes.
fn fits(args: &RecvArgs) -> Result<(), Failure> {
    use super::address::What;
    let address = &args.channel;
    let refuse = |option: &str, of: &str| Err(Failure::usage(format!("{option} is of {of}, and {address} is none")));
    if args.kind.is_some() && !matches!(address.what, What::SysvMsg(_) | What::Channel(_)) {
        return refuse("--kind", "a work queue (mpmc) and a System V queue");
    }
    if args.connect && !address.is_connected() {
        return refuse("--connect", "unix, unix-seqpacket and tcp");
    }
    if args.framed && !address.is_stream() {
        return refuse("--framed", "FIFOs and streams (fifo, unix, tcp)");
    }
    Ok(())
}

pub(crate) fn sub(args: &SubArgs) -> Exit {
    let how = Receiving {
        framing: args.flow.printer.framing(),
        make: args.flow.make.clone(),
        create: args.create.then_some(Create::Auto),
        kinds: 1,
        kind: None,
        connect: false,
        is_framed: false,
        is_following: args.flow.follow,
        is_subscribing: true,
        from_oldest: args.from_oldest,
    };
    conclude("sub", is_channel(&args.channel).and_then(|()| run("sub", &args.channel, &args.flow, &how)))
}

fn run(verb: &'static str, address: &Address, flow: &Flow, how: &Receiving) -> Result<(), Failure> {
    let stop = Stop::watch(verb)?;
    let mut printer = Printer::new(flow.printer)?;
    let mut received = 0;
    let after = |timeout: Option<Duration>| timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut deadline = after(flow.timeout);
    let ended = |received: u64| stop.ended(format_args!("{} received", messages(received)));
    let open = |deadline| {
        opened(&stop, flow.follow, deadline, || advised(address, inlet::open(address, how, Stop::slice(deadline))))
    };
    let Some(mut inlet) = open(deadline)? else { return Err(ended(received)) };
    while flow.count.is_none_or(|count| received < count) {
        let mut hand = |letter: &Letter<'_>| printer.put(letter);
        match inlet.recv(Stop::slice(deadline), &mut hand) {
            Ok(()) => {
                received += 1;
                deadline = after(flow.timeout);
                if stop.is_asked() {
                    return Err(ended(received));
                }
            }
            Err(NotReceived::Late) => {
                if stop.is_asked() {
                    return Err(ended(received));
                }
                if printer.is_closed() {
                    return Ok(());
                }
                if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    if received > 0 && flow.count.is_none() {
                        return Ok(());
                    }
                    let (timeout, received) = (flow.timeout.unwrap_or_default(), messages(received));
                    return Err(Failure::no(format!(
                        "{address}: no message came for {timeout:?}; {received} received"
                    )));
                }
            }
            Err(NotReceived::Lost(count)) => {
                let lost = messages(count);
                say::line(format_args!("strait {verb}: {lost} of {address} were overwritten before they were read"));
            }
            Err(NotReceived::Over(None)) if !flow.follow => return Ok(()),
            Err(NotReceived::Over(Some(why))) if !flow.follow => {
                return Err(Failure::peer(format!("{address}: {why}; {} received", messages(received))));
            }
            Err(NotReceived::Over(_)) => {
                if !inlet.goes_on() {
                    drop(inlet);
                    // Who accepts connections only to close them is not asked as fast as he can.
                    stop.sleep(LOOK_AGAIN);
                    inlet = open(deadline)?.ok_or_else(|| ended(received))?;
                }
            }
            Err(NotReceived::Halted(Halt::Closed)) => return Ok(()),
            Err(NotReceived::Halted(Halt::Failed(failure)) | NotReceived::Failed(failure)) => {
                let Failure { message, exit } = failure;
                return Err(Failure { message: format!("receive from {address}: {message}"), exit });
            }
        }
    }
    Ok(())
}
