//! `strait send | recv | pub | sub | watch | call`: the shell's way into and out of channels, strait's and everybody else's.
//!
//! ```text
//!   files, stdin --[input: framing]--> message --[outlet]--> CHANNEL --[inlet]--> letter --[printer: framing, JSON]--> stdout
//! ```
//!
//! | file | job |
//! |---|---|
//! | `address` | what a word names |
//! | `framing` | messages in a stream of bytes |
//! | `input`, `printer` | standard input and files; standard output |
//! | `opening` | how a channel is found, waited for or made |
//! | `outlet`, `inlet` | the ends of each mechanism, sending and receiving |
//! | `plain` | streams of bytes as other programs speak them |
//! | `send`, `recv`, `watch`, `call` | the verbs; `pub` and `sub` are `send` and `recv` of a broadcast |
//! | `stop`, `pace` | Ctrl-C; how often |
//!
//! 1. A message is out of the channel when it has been written, where the channel knows such a thing (spsc, mpmc): who is killed in between,
//!    or whose output is closed, leaves it to the next. So it can come twice, and is not lost.
//! 2. Who reads the output and stops (`| head`) ends the command: exit status 0, nothing said.
//! 3. Ctrl-C ends with what is under way done or undone, and says how many messages went.

mod address;
mod call;
mod framing;
mod inlet;
mod input;
mod opening;
mod outlet;
mod pace;
mod plain;
mod printer;
mod recv;
mod send;
mod stop;
mod watch;

use crate::exit::Exit;
use crate::say;
use strait::{Error, ErrorKind};

pub(crate) use call::{Args as CallArgs, run as call};
pub(crate) use input::words;
pub(crate) use recv::{RecvArgs, SubArgs, recv, sub};
pub(crate) use send::{PubArgs, SendArgs, publish, send};
pub(crate) use watch::{Args as WatchArgs, run as watch};

/// An error to be told, and what to exit with.
#[derive(Debug)]
struct Failure {
    message: String,
    exit: Exit,
}

impl Failure {
    fn refused(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit: Exit::Refused }
    }

    fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit: Exit::Usage }
    }

    fn no(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit: Exit::No }
    }

    fn peer(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit: Exit::Peer }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Usage => Self::usage(error.to_string()),
            _ => Self::refused(error.to_string()),
        }
    }
}

/// Ends a verb: tells what went wrong.
fn conclude(verb: &str, outcome: Result<(), Failure>) -> Exit {
    match outcome {
        Ok(()) => Exit::Done,
        Err(Failure { message, exit }) => {
            if !message.is_empty() {
                say::line(format_args!("strait {verb}: {message}"));
            }
            exit
        }
    }
}

/// `5 messages`.
fn messages(count: u64) -> String {
    crate::figures::counted(count, "message")
}
