//! `strait create`: makes an object of any kind that has a name, a key or an id.
//!
//! | file | job |
//! |---|---|
//! | `own` | strait's channels and regions |
//! | `classic` | POSIX and System V objects, FIFOs |

mod classic;
mod own;

use crate::exit::Exit;
use crate::parse::{mode, size};
use crate::say;
use crate::screen;
use crate::text::safe;
use strait::ErrorKind;

/// Makes an object, and prints what finds it again.
///
/// Channels carry bytes, as `strait send`, `pub` and `call` use them. What is made stays until it is removed (`strait rm`), whoever uses it and
/// leaves it: nobody who receives is told that the last sender has gone. Nothing of the name may exist yet.
///
/// Exit status: 0 made; 1 something has that name; 2 wrong usage; 3 the kernel refused.
#[derive(clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    #[arg(value_enum)]
    kind: Kind,
    /// A name (feed), of a channel or region also `file:PATH`, for System V a key (0x1234, 4660) or `private`, for a FIFO a path.
    name: String,
    /// How many bytes: of a region or segment; of an spsc channel, what waits in it. `4096`, `64K`, `1.5M`, `2GiB`.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    size: Option<u64>,
    /// The longest message, of a broadcast, watch, rpc, mpmc or posix-mq.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    message_size: Option<u64>,
    /// How many messages wait: of an mpmc, a broadcast (to each publisher), an rpc (of each client), a posix-mq.
    #[arg(long, value_name = "N")]
    messages: Option<u32>,
    /// How many processes may attach: of an mpmc all, of a broadcast the subscribers, of a watch the readers, of an rpc the clients.
    #[arg(long, value_name = "N")]
    users: Option<u32>,
    /// First value of a semaphore, of each one of a set.
    #[arg(long, value_name = "N", default_value_t = 0)]
    value: u32,
    /// How many semaphores are in a System V set.
    #[arg(long, value_name = "N", default_value_t = 1)]
    count: u16,
    /// Permissions, in octal, whatever the umask.
    #[arg(long, value_name = "MODE", default_value = "600", value_parser = mode)]
    mode: u32,
}

const HELP: &str = "\
Examples:
  strait create spsc feed --size 1M
  strait create spsc file:/var/tmp/feed
  strait create mpmc jobs --messages 1024 --message-size 256
  strait create posix-mq /jobs --messages 10 --message-size 8K
  strait create sysv-shm 0x53000001 --size 64K --mode 660
  strait create sysv-sem private --count 3 --value 1
  strait create fifo ./feed";

/// What can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// A channel from one sender to one receiver.
    Spsc,
    /// A queue of jobs, each for one worker.
    Mpmc,
    /// A channel on which every subscriber gets every message.
    Broadcast,
    /// The latest value.
    Watch,
    /// Calls and answers.
    Rpc,
    /// Bytes in strait's namespace, all zero.
    Region,
    /// POSIX shared memory (`shm_open`), all zero.
    PosixShm,
    /// A POSIX message queue (`mq_open`).
    PosixMq,
    /// A POSIX named semaphore (`sem_open`).
    PosixSem,
    /// A System V segment (`shmget`), all zero.
    SysvShm,
    /// A System V message queue (`msgget`).
    SysvMsg,
    /// A set of System V semaphores (`semget`).
    SysvSem,
    /// A pipe with a name (`mkfifo`).
    Fifo,
}

/// Why nothing was made.
enum Failure {
    /// The words do not fit together.
    Usage(String),
    Refused(strait::Error),
}

impl From<strait::Error> for Failure {
    fn from(error: strait::Error) -> Self {
        Self::Refused(error)
    }
}

pub(crate) fn run(args: &Args) -> Exit {
    let made = match args.kind {
        Kind::Spsc | Kind::Mpmc | Kind::Broadcast | Kind::Watch | Kind::Rpc | Kind::Region => own::make(args),
        _ => classic::make(args),
    };
    match made {
        Ok(address) => screen::put("create", &format!("{}\n", safe(&address)), Exit::Done),
        Err(Failure::Usage(why)) => {
            say::line(format_args!("strait create: {why}"));
            Exit::Usage
        }
        Err(Failure::Refused(error)) => {
            say::line(format_args!("strait create: {}", safe(&error.to_string())));
            match error.kind() {
                ErrorKind::AlreadyExists => Exit::No,
                ErrorKind::Usage => Exit::Usage,
                _ => Exit::Refused,
            }
        }
    }
}

impl Args {
    /// The size, which this kind must be given.
    fn must_have_size(&self) -> Result<u64, Failure> {
        self.size.ok_or_else(|| Failure::Usage("say how large it is to be: --size 64K".to_owned()))
    }

    /// Refuses what this kind has no use for, so that nobody believes in it.
    fn only(&self, used: &[&str]) -> Result<(), Failure> {
        let given = [
            ("--size", self.size.is_some()),
            ("--message-size", self.message_size.is_some()),
            ("--messages", self.messages.is_some()),
            ("--users", self.users.is_some()),
            ("--value", self.value != 0),
            ("--count", self.count != 1),
        ];
        match given.iter().find(|(option, is_given)| *is_given && !used.contains(option)) {
            Some((option, _)) => Err(Failure::Usage(format!("{option} means nothing for this kind"))),
            None => Ok(()),
        }
    }
}
