//! How a channel is found, waited for or made.
//!
//! 1. What kind of channel a name is, is read off it ([`strait::discovery`]) before it is opened, and so is its schema.
//! 2. Only channels of bytes (`[u8]`) are carried: what the bytes of another type mean, only programs that have the type know, and the
//!    library opens a channel for them alone.

use super::Failure;
use super::address::{Address, Key};
use super::stop::Stop;
use crate::parse::mode;
use std::time::{Duration, Instant};
use strait::channel::{broadcast, mpmc, spsc};
use strait::discovery::{Channel, Kind, Status, look_at};
use strait::region::Place;
use strait::transport::Options;
use strait::transport::sysv_msg::Queue;
use strait::{Error, ErrorKind};

/// How often a channel that is not there is looked for.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// The longest message of a channel that is made here, unless it is said.
const MESSAGE_BYTES: u32 = 4096;
/// The longest line of a stream of bytes.
pub(super) const LINE_BYTES_MAX: usize = 64 << 20;

/// What to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Create {
    /// `spsc`, of a channel of strait.
    #[value(hide = true)]
    Auto,
    /// One sender, one receiver.
    Spsc,
    /// Many senders; each message for one of many receivers, acknowledged.
    Mpmc,
}

/// What `send` and `recv` make.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct CreateArgs {
    /// Make the channel where there is none: --create=mpmc, --create=spsc (which --create alone means), or the queue or FIFO that is named.
    #[arg(long, value_name = "KIND", value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "auto", hide_possible_values = true)]
    pub(super) create: Option<Create>,
    /// How many kinds of message a work queue (mpmc) that is made has.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=16), help_heading = "Making the channel")]
    pub(super) kinds: u32,
}

/// Options of what is made.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct MakeArgs {
    /// Keep it open when one side has left, and after both until its messages are received: nobody is told that the other side is gone. A
    /// broadcast goes with its last user all the same.
    #[arg(long, requires = "create", help_heading = "Making the channel")]
    pub(super) restartable: bool,
    /// How many messages it holds at least [default: 1024 of mpmc, 256 of a broadcast, 64 of the longest of spsc, 10 of a POSIX queue].
    #[arg(long, value_name = "N", requires = "create", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Making the channel")]
    pub(super) messages: Option<u32>,
    /// The longest message: of a channel that is made, and of a socket [default: 4096 of a channel, 1 MiB of a socket, 8192 of a queue].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 30), help_heading = "Making the channel")]
    pub(super) message_bytes: Option<u32>,
    /// Permission bits, octal.
    #[arg(long, value_name = "MODE", default_value = "600", value_parser = mode, help_heading = "Making the channel")]
    pub(super) mode: u32,
}

impl MakeArgs {
    /// For the classic mechanisms.
    pub(super) fn transport(&self, is_plain: bool) -> Options {
        let bytes = match self.message_bytes {
            Some(bytes) => bytes as usize,
            None if is_plain => LINE_BYTES_MAX,
            None => 1 << 20,
        };
        let mut options = Options::new().message_bytes_max(bytes).mode(self.mode);
        let (messages, _) = strait::transport::posix_mq::limits();
        options = options.messages_max(self.messages.unwrap_or(messages.min(10)));
        options
    }

    fn message_bytes(&self) -> u32 {
        self.message_bytes.unwrap_or(MESSAGE_BYTES)
    }

    pub(super) fn spsc(&self, schema: u64) -> spsc::Options {
        // The longest message is half of it, with its header.
        let longest = u64::from(self.message_bytes()) + 64;
        let all = longest.saturating_mul(u64::from(self.messages.unwrap_or(64).max(2)));
        let options = spsc::Options::new().capacity_bytes(all.clamp(longest * 2, 4 << 30));
        options.restartable(self.restartable).mode(self.mode).schema_id(schema)
    }

    pub(super) fn mpmc(&self, schema: u64, kinds: u32) -> mpmc::Options {
        let options = mpmc::Options::new().capacity(self.messages.unwrap_or(1024)).job_max_bytes(self.message_bytes());
        options.kinds(kinds).restartable(self.restartable).mode(self.mode).schema_id(schema)
    }

    pub(super) fn broadcast(&self, schema: u64) -> broadcast::Options {
        let options = broadcast::Options::new().capacity(self.messages.unwrap_or(256).into());
        let options = options.max_message_bytes(self.message_bytes().into()).subscribers(16).publishers(4);
        options.restartable(self.restartable).mode(self.mode).schema_id(schema)
    }
}

/// Why a channel was not opened.
#[derive(Debug)]
pub(super) enum Unopened {
    /// It, or who must be there first, may still come.
    NotYet(Failure),
    Failed(Failure),
}

impl From<Error> for Unopened {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::Closed | ErrorKind::TimedOut => Self::NotYet(error.into()),
            _ => Self::Failed(error.into()),
        }
    }
}

impl From<Failure> for Unopened {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Opens; where nothing is there and it is to be waited for, again and again. `None`: the command is to end.
pub(super) fn opened<T>(
    stop: &Stop,
    is_patient: bool,
    deadline: Option<Instant>,
    mut open: impl FnMut() -> Result<T, Unopened>,
) -> Result<Option<T>, Failure> {
    loop {
        match open() {
            Ok(end) => return Ok(Some(end)),
            Err(Unopened::Failed(failure)) => return Err(failure),
            Err(Unopened::NotYet(failure)) => {
                if !is_patient {
                    return Err(failure);
                }
                if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    return Err(Failure::no(format!("{}; it did not come in time", failure.message)));
                }
            }
        }
        if !stop.sleep(LOOK_AGAIN) {
            return Ok(None);
        }
    }
}

/// Says what helps, where the library does not.
pub(super) fn advised<T>(address: &Address, opened: Result<T, Unopened>) -> Result<T, Unopened> {
    opened.map_err(|unopened| match unopened {
        Unopened::NotYet(mut failure) if !failure.message.contains(';') => {
            let how = if address.is_socket() { "start the other side first" } else { "make it with --create" };
            failure.message = format!("{}; {how}, or wait for it with --follow", failure.message);
            Unopened::NotYet(failure)
        }
        unopened => unopened,
    })
}

/// What there is at a place: a channel of bytes, or nothing.
pub(super) fn found(address: &Address, place: &Place) -> Result<Option<Box<Channel>>, Failure> {
    let found = match look_at(place) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let channel = match found.status {
        Status::Channel(channel) => channel,
        Status::Lock(lock) => {
            let why = format!("open {address}: it is a lock ({}), and not a channel", lock.kind);
            return Err(Failure::refused(why));
        }
        Status::Damaged(why) | Status::Unreadable(why) | Status::Other(why) => return Err(Failure::refused(why)),
        _ => return Err(Failure::refused(format!("open {address}: this version does not know what it is"))),
    };
    let answers = channel.answer.as_ref().map(|answer| ("answers", answer));
    for (what, message) in [("messages", &channel.message)].into_iter().chain(answers) {
        if message.name != "[u8]" {
            return Err(Failure::refused(format!(
                "open {address}: its {what} are '{}', and only bytes ('[u8]') are carried between a channel and the shell; \
                 use a program that has the type",
                message.name
            )));
        }
    }
    Ok(Some(channel))
}

/// What helps where there is no channel.
pub(super) const HOW: &str = "start the other side first, wait for it with --follow, or make it with --create";

/// A channel as it is to be opened: the one that is there, or the one to make.
pub(super) struct Wanted {
    pub(super) kind: Kind,
    pub(super) schema_id: u64,
    pub(super) is_restartable: bool,
}

/// That there is nothing at an address.
pub(super) fn nothing(address: &Address, how: &str) -> Unopened {
    Unopened::NotYet(Failure::refused(format!("open {address}: there is no such channel; {how}")))
}

/// The channel that `send` and `recv` open; `message_kind` is what they were told of kinds of message.
pub(super) fn point_to_point(
    address: &Address,
    place: &Place,
    make: &MakeArgs,
    create: Option<Create>,
    message_kind: Option<u32>,
) -> Result<Wanted, Unopened> {
    let wanted = match (found(address, place)?, create) {
        (Some(channel), create) => {
            let kind = channel.kind;
            if !matches!(kind, Kind::Spsc | Kind::Mpmc) {
                return Err(wrong_kind(address, kind).into());
            }
            if matches!((create, kind), (Some(Create::Mpmc), Kind::Spsc) | (Some(Create::Spsc), Kind::Mpmc)) {
                return Err(Failure::refused(format!("open {address}: there is one already, of kind {kind}")).into());
            }
            Wanted { kind, schema_id: channel.schema_id, is_restartable: channel.is_restartable }
        }
        (None, Some(Create::Mpmc)) => Wanted { kind: Kind::Mpmc, schema_id: 0, is_restartable: make.restartable },
        (None, Some(_)) => Wanted { kind: Kind::Spsc, schema_id: 0, is_restartable: make.restartable },
        (None, None) => return Err(nothing(address, HOW)),
    };
    if wanted.kind == Kind::Spsc && message_kind.is_some() {
        let why = format!("{address} is a channel of kind spsc, which knows no kinds of message");
        return Err(Failure::usage(why).into());
    }
    Ok(wanted)
}

/// The schema of the broadcast that `pub` and `sub` open.
pub(super) fn broadcast_schema(address: &Address, place: &Place, is_made: bool) -> Result<u64, Unopened> {
    match found(address, place)? {
        Some(channel) if channel.kind != Kind::Broadcast => Err(wrong_kind(address, channel.kind).into()),
        Some(channel) => Ok(channel.schema_id),
        None if is_made => Ok(0),
        None => Err(nothing(address, HOW)),
    }
}

/// What was made, or is there already.
pub(super) fn unless_there(made: strait::Result<()>) -> strait::Result<()> {
    match made {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

pub(super) fn sysv_queue(key: Key, is_made: bool, make: &MakeArgs) -> Result<Queue, Unopened> {
    Ok(match key {
        Key::Id(id) => Queue::of_id(id),
        Key::Key(key) if is_made => match Queue::create(key, &make.transport(false)) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Queue::open(key)?,
            made => made?,
        },
        Key::Key(key) => Queue::open(key)?,
    })
}

/// How long it is until then; zero where that is past.
pub(super) fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

/// The verb for a kind of channel.
pub(super) fn wrong_kind(address: &Address, kind: Kind) -> Failure {
    let verbs = match kind {
        Kind::Broadcast => "strait pub and strait sub",
        Kind::Watch => "strait watch",
        Kind::Rpc => "strait call",
        _ => "strait send and strait recv",
    };
    Failure::refused(format!("open {address}: it is a channel of kind {kind}; use {verbs}"))
}

/// What helps against a message that is too long.
pub(super) fn longer(address: &Address) -> &'static str {
    use super::address::What;
    match address.what {
        What::Channel(_) => "make the channel with a larger --message-bytes",
        What::PosixMq(_) => "make the queue with a larger --message-bytes, up to /proc/sys/fs/mqueue/msgsize_max",
        What::SysvMsg(_) => "the limit is /proc/sys/kernel/msgmax, and the queue's size",
        What::Udp(_) => "a datagram has at most 65,507 bytes",
        _ => "allow more with --message-bytes",
    }
}
