//! What cases need: role programs, a scratch page, names.

use super::scratch::{self, Scratch};
use crate::names;
use crate::step::{Mark, Stop, Tracee};
use std::cell::Cell;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use strait::region::Place;

/// The descriptor under which a role has its channel, if that has no name.
pub const CHANNEL_FD: i32 = 61;
/// Descriptors of ours that are about to be handed over are at least this: never the number they get in the role.
const HIGH: i32 = 100;

/// What the cases of one thread share.
#[derive(Debug)]
pub struct Stage {
    /// The folder of the role programs.
    roles: PathBuf,
    /// What the victim writes down.
    pub scratch: Scratch,
    /// Whether survivors make the calls that wait, where both would do: a death is then learnt of after a slice of sleep, 80 ms.
    pub is_patient: Cell<bool>,
}

impl Stage {
    /// A stage for role programs in that folder.
    ///
    /// # Errors
    /// A sentence.
    pub fn new(roles: PathBuf) -> Result<Self, String> {
        // A pool starts its workers itself.
        crate::step::keep_addresses();
        let scratch = Scratch::new().map_err(|e| format!("make a scratch page: {e}"))?;
        Ok(Self { roles, scratch, is_patient: Cell::new(false) })
    }

    /// Where the role program is.
    #[must_use]
    pub fn role(&self) -> PathBuf {
        self.roles.join("crash_role")
    }

    /// The command of a role.
    #[must_use]
    pub fn command(&self, arguments: &[String], channel: Option<&OwnedFd>) -> Command {
        let mut command = Command::new(self.role());
        command.args(arguments);
        let mut handed: Vec<(OwnedFd, i32)> = vec![(high(self.scratch.fd()), scratch::FD)];
        handed.extend(channel.map(|fd| (high(std::os::fd::AsFd::as_fd(fd)), CHANNEL_FD)));
        let duplicate = move || {
            for (from, to) in &handed {
                // SAFETY: the call takes two numbers; in the child, `to` is nobody's.
                if unsafe { libc::dup2(from.as_raw_fd(), *to) } < 0 {
                    return Err(std::io::Error::last_os_error());
                }
            }
            Ok(())
        };
        // SAFETY: between fork and exec, the closure only makes system calls.
        unsafe { command.pre_exec(duplicate) };
        command
    }

    /// Starts a role and runs it to where its operation begins.
    ///
    /// # Errors
    /// A sentence.
    pub fn start(&self, arguments: &[String], channel: Option<&OwnedFd>) -> Result<Tracee, String> {
        let shown = || format!("crash_role {}", arguments.join(" "));
        let mut tracee =
            Tracee::start(&mut self.command(arguments, channel)).map_err(|e| format!("{}: {e}", shown()))?;
        match tracee.run_to_mark() {
            Ok(Stop::Mark(Mark::Begin)) => Ok(tracee),
            other => Err(format!("{}: before its operation: {other:?} {:?}", shown(), tracee.how_ended())),
        }
    }
}

fn high(fd: BorrowedFd<'_>) -> OwnedFd {
    rustix::io::fcntl_dupfd_cloexec(fd, HIGH).expect("a free descriptor")
}

/// Which kind of place a channel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// A name in the POSIX namespace.
    Named,
    /// A memfd.
    Memory,
    /// A file.
    File,
}

/// Where a channel is.
#[derive(Debug)]
pub enum At {
    /// Under a name, or in a file, or a new memfd.
    Place(Place),
    /// Behind a descriptor.
    Fd(OwnedFd),
}

/// How an end is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// `create`
    Create,
    /// `open`
    Open,
    /// `open_or_create`
    OpenOrCreate,
}

impl At {
    /// As [`Spot::word`] has told a role.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        match word.split_once(':') {
            Some(("posix", name)) => Self::Place(Place::posix(name)),
            Some(("file", path)) => Self::Place(Place::file(path)),
            // SAFETY: the harness put it there, and nobody else in this process knows of it.
            _ => Self::Fd(unsafe { OwnedFd::from_raw_fd(CHANNEL_FD) }),
        }
    }
}

/// A place of one's own, gone when dropped.
#[derive(Debug)]
pub enum Spot {
    /// A name.
    Named(names::Name),
    /// A memfd: the descriptor is known when somebody has created it.
    Memory,
    /// A directory with a file in it.
    File(names::Scratch),
}

impl Spot {
    /// A new one.
    #[must_use]
    pub fn new(kind: Where) -> Self {
        match kind {
            Where::Named => Self::Named(names::Name::new("crash")),
            Where::Memory => Self::Memory,
            Where::File => Self::File(names::Scratch::new("crash")),
        }
    }

    /// As the library takes it.
    #[must_use]
    pub fn place(&self) -> Place {
        match self {
            Self::Named(name) => Place::posix(name.as_str()),
            Self::Memory => Place::memfd("crash"),
            Self::File(directory) => Place::file(directory.path("channel")),
        }
    }

    /// As a role is told.
    #[must_use]
    pub fn word(&self) -> String {
        match self {
            Self::Named(name) => format!("posix:{}", name.as_str()),
            Self::Memory => "fd".to_owned(),
            Self::File(directory) => format!("file:{}", directory.path("channel").display()),
        }
    }

    /// Whether the channel is there, under its name.
    #[must_use]
    pub fn exists(&self) -> bool {
        match self {
            Self::Named(name) => name.path().exists(),
            Self::Memory => true,
            Self::File(directory) => directory.path("channel").exists(),
        }
    }

    /// What is there that should not be when nobody is: any name, or anything beside the file.
    #[must_use]
    pub fn left_over(&self) -> Vec<String> {
        match self {
            Self::Named(name) => name.left_over(),
            Self::Memory => Vec::new(),
            Self::File(directory) => std::fs::read_dir(directory.path(""))
                .expect("a directory")
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .filter(|file| file != "channel")
                .collect(),
        }
    }

    /// Whether the channel ends with its users.
    #[must_use]
    pub fn is_fleeting(&self) -> bool {
        !matches!(self, Self::File(_))
    }

    /// Nobody uses it any more: fails if anything is left. A file stays.
    ///
    /// # Errors
    /// What is left.
    pub fn must_be_empty(&self) -> Result<(), String> {
        let left = self.left_over();
        if left.is_empty() { Ok(()) } else { Err(format!("left behind: {}", left.join(", "))) }
    }
}
