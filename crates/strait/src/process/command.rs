//! What to start, and with what.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, ChildStdin, ChildStdout};

use strait_sys::fork;
use strait_sys::pidfd_open::pidfd_open_self;
use strait_sys::pipe::pipe;
use strait_sys::posix_spawn::{E2BIG, EAGAIN, EMFILE, ENFILE, ENOEXEC, Spawn};

use super::child::Child;
use super::handed::{PARENT, RESERVED, VARIABLE};
use crate::error::{Error, ErrorKind, Result};

/// What a child's standard input, output or error is.
#[derive(Debug, Default)]
#[non_exhaustive]
pub enum Stdio {
    /// The same as this program's.
    #[default]
    Inherit,
    /// Nothing: `/dev/null`.
    Null,
    /// A new pipe at each spawn, whose other end is in the [`Child`].
    Piped,
    /// This file, pipe, socket or terminal.
    Fd(OwnedFd),
}

impl Stdio {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Inherit => Self::Inherit,
            Self::Null => Self::Null,
            Self::Piped => Self::Piped,
            Self::Fd(fd) => Self::Fd(fd.try_clone()?),
        })
    }
}

impl<T: Into<OwnedFd>> From<T> for Stdio {
    fn from(fd: T) -> Self {
        Self::Fd(fd.into())
    }
}

/// A program to start: as [`std::process::Command`], plus [`hand_over`](Self::hand_over), plus a [`Child`] that can be waited for
/// with a timeout.
///
/// It can be spawned any number of times; each child gets the same. It owns the descriptors that it hands over and keeps them open
/// in this process: drop it (or hand over a clone) where the other side of a pipe waits for the last writer to close.
///
/// ```
/// use std::io::Read;
/// use strait::process::{Command, Stdio};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut child = Command::new("echo").args(["one", "two"]).stdout(Stdio::Piped).spawn()?;
/// let mut said = String::new();
/// child.stdout.take().expect("is piped").read_to_string(&mut said)?;
/// assert!(child.wait()?.success());
/// assert_eq!(said, "one two\n");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Command {
    program: OsString,
    arguments: Vec<OsString>,
    /// `None` removes the variable.
    variables: BTreeMap<OsString, Option<OsString>>,
    forget_environment: bool,
    directory: Option<PathBuf>,
    stdin: Stdio,
    stdout: Stdio,
    stderr: Stdio,
    handed: Vec<(String, OwnedFd)>,
    own_group: bool,
}

impl Command {
    /// The program at this path; a name without a slash is looked for in *this* program's `PATH`.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            variables: BTreeMap::new(),
            forget_environment: false,
            directory: None,
            stdin: Stdio::Inherit,
            stdout: Stdio::Inherit,
            stderr: Stdio::Inherit,
            handed: Vec::new(),
            own_group: false,
        }
    }

    /// One more argument, passed as it is: no shell looks at it.
    pub fn arg(&mut self, argument: impl AsRef<OsStr>) -> &mut Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Several more arguments.
    pub fn args(&mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Self {
        self.arguments.extend(arguments.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable; all others are as in this program at the time of the spawn. `STRAIT_FDS` is strait's.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.variables.insert(name.as_ref().to_owned(), Some(value.as_ref().to_owned()));
        self
    }

    /// Does not pass this variable on.
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.variables.insert(name.as_ref().to_owned(), None);
        self
    }

    /// Passes no variable on but those set after this call.
    pub fn env_clear(&mut self) -> &mut Self {
        self.variables.clear();
        self.forget_environment = true;
        self
    }

    /// The directory the child starts in. A relative path of the program is meant from there.
    pub fn current_dir(&mut self, directory: impl AsRef<Path>) -> &mut Self {
        self.directory = Some(directory.as_ref().to_owned());
        self
    }

    /// The child's standard input; as this program's unless set.
    pub fn stdin(&mut self, stdin: impl Into<Stdio>) -> &mut Self {
        self.stdin = stdin.into();
        self
    }

    /// The child's standard output; as this program's unless set.
    pub fn stdout(&mut self, stdout: impl Into<Stdio>) -> &mut Self {
        self.stdout = stdout.into();
        self
    }

    /// The child's standard error; as this program's unless set.
    pub fn stderr(&mut self, stderr: impl Into<Stdio>) -> &mut Self {
        self.stderr = stderr.into();
        self
    }

    /// Gives the child this descriptor, which it takes with [`handed(name)`](super::handed()). The same name again replaces it.
    ///
    /// Both sides then share one open file description: its offset, its flags, its locks. Names are any text without `,` and `=`
    /// that does not begin with `strait.`.
    pub fn hand_over(&mut self, name: impl Into<String>, fd: impl Into<OwnedFd>) -> &mut Self {
        let name = name.into();
        self.handed.retain(|(other, _)| *other != name);
        self.handed.push((name, fd.into()));
        self
    }

    /// Puts the child into a process group of its own, so that Ctrl-C on the terminal reaches this program and not the child. Such
    /// a child cannot read from the terminal (`SIGTTIN` stops it).
    pub fn own_group(&mut self, yes: bool) -> &mut Self {
        self.own_group = yes;
        self
    }

    /// The same command once more, with descriptors of its own for what it hands over.
    ///
    /// # Errors
    ///
    /// `Kernel` when the limit on open files is reached.
    pub fn try_clone(&self) -> Result<Self> {
        let handed =
            self.handed.iter().map(|(name, fd)| Ok((name.clone(), fd.try_clone()?))).collect::<io::Result<_>>();
        let cannot = |e| {
            let program = format!("'{}'", self.program.to_string_lossy());
            Error::kernel("duplicate the descriptors of", program, e, "raise the limit on open files (ulimit -n)")
        };
        Ok(Self {
            program: self.program.clone(),
            arguments: self.arguments.clone(),
            variables: self.variables.clone(),
            forget_environment: self.forget_environment,
            directory: self.directory.clone(),
            stdin: self.stdin.try_clone().map_err(cannot)?,
            stdout: self.stdout.try_clone().map_err(cannot)?,
            stderr: self.stderr.try_clone().map_err(cannot)?,
            handed: handed.map_err(cannot)?,
            own_group: self.own_group,
        })
    }

    /// Starts the program in a new process.
    ///
    /// The child has an empty signal mask and the default action for `SIGPIPE`; other signals that this program ignores it ignores
    /// too. About fifteen system calls, and blocks until the child runs the program (0.1 ms or less, whatever the size of this
    /// process).
    ///
    /// # Errors
    ///
    /// | kind | when |
    /// |---|---|
    /// | `Usage` | a text with a NUL in it, a name that cannot be handed over |
    /// | `NotFound` | no such program, or no such directory |
    /// | `Permission` | not executable, a directory, or forbidden |
    /// | `Kernel` | not a program for this machine, or a limit on processes or open files |
    ///
    /// After an error no child is left behind.
    #[doc(alias = "posix_spawn")]
    #[doc(alias = "exec")]
    pub fn spawn(&self) -> Result<Child> {
        self.check_names()?;
        let program = self.c_string(&self.program)?;
        let mut arguments = vec![program.clone()];
        for argument in &self.arguments {
            arguments.push(self.c_string(argument)?);
        }
        let environment = self.environment()?;
        let directory = self.directory.as_deref().map(|d| self.c_string(d.as_os_str())).transpose()?;

        let owner = fork::prepare().map_err(|e| self.refusal(e))?;
        let ourselves = pidfd_open_self().map_err(|e| self.refusal(e))?;
        let (stdin, to_stdin) = self.stdin_ends()?;
        let (stdout, from_stdout) = self.output_ends(&self.stdout)?;
        let (stderr, from_stderr) = self.output_ends(&self.stderr)?;

        // Slot n is the child's descriptor n; the order is that of `announcement`.
        let mut descriptors = vec![stdin.as_fd(), stdout.as_fd(), stderr.as_fd(), Some(ourselves.as_fd())];
        descriptors.extend(self.handed.iter().map(|(_, fd)| Some(fd.as_fd())));
        let spawn = Spawn {
            program: &program,
            arguments: &arguments,
            environment: &environment,
            directory: directory.as_deref(),
            descriptors: &descriptors,
            own_group: self.own_group,
        };
        let pid = spawn.spawn().map_err(|e| self.refusal(e))?;
        // Leaves at least one number free for the pidfd of the child.
        drop(ourselves);
        let mut child = Child::adopt(pid, self.program.to_string_lossy().into_owned(), owner)?;
        child.stdin = to_stdin.map(ChildStdin::from);
        child.stdout = from_stdout.map(ChildStdout::from);
        child.stderr = from_stderr.map(ChildStderr::from);
        Ok(child)
    }

    /// What the child finds as standard input, and our end of it.
    fn stdin_ends(&self) -> Result<(Source<'_>, Option<OwnedFd>)> {
        if !matches!(self.stdin, Stdio::Piped) {
            return Ok((self.source(&self.stdin)?, None));
        }
        let (read, write) = pipe().map_err(|e| self.refusal(e))?;
        Ok((Source::Owned(read), Some(write)))
    }

    fn output_ends<'a>(&self, stdio: &'a Stdio) -> Result<(Source<'a>, Option<OwnedFd>)> {
        if !matches!(stdio, Stdio::Piped) {
            return Ok((self.source(stdio)?, None));
        }
        let (read, write) = pipe().map_err(|e| self.refusal(e))?;
        Ok((Source::Owned(write), Some(read)))
    }

    fn source<'a>(&self, stdio: &'a Stdio) -> Result<Source<'a>> {
        match stdio {
            Stdio::Inherit | Stdio::Piped => Ok(Source::Inherit),
            Stdio::Fd(fd) => Ok(Source::Borrowed(fd.as_fd())),
            Stdio::Null => match OpenOptions::new().read(true).write(true).open("/dev/null") {
                Ok(null) => Ok(Source::Owned(null.into())),
                Err(e) => Err(Error::kernel("open", "/dev/null", e, "")),
            },
        }
    }

    fn environment(&self) -> Result<Vec<CString>> {
        let mut all: BTreeMap<OsString, OsString> = BTreeMap::new();
        if !self.forget_environment {
            all.extend(std::env::vars_os());
        }
        for (name, value) in &self.variables {
            match value {
                Some(value) => drop(all.insert(name.clone(), value.clone())),
                None => drop(all.remove(name)),
            }
        }
        all.insert(VARIABLE.into(), self.announcement().into());
        let mut block = Vec::with_capacity(all.len());
        for (mut entry, value) in all {
            entry.push("=");
            entry.push(value);
            block.push(self.c_string(&entry)?);
        }
        Ok(block)
    }

    /// `strait.parent=3,jobs=4,results=5`
    fn announcement(&self) -> String {
        let mut text = format!("{PARENT}=3");
        for (number, (name, _)) in (4..).zip(&self.handed) {
            text.push_str(&format!(",{name}={number}"));
        }
        text
    }

    fn check_names(&self) -> Result<()> {
        for (name, _) in &self.handed {
            if name.is_empty() || name.contains([',', '=', '\0']) || name.starts_with(RESERVED) {
                let message = format!(
                    "start worker {}: a descriptor cannot be handed over as '{}'; a name has no ',', '=' or NUL and does not \
                     begin with '{RESERVED}'",
                    self.quoted(),
                    name.escape_debug()
                );
                return Err(Error::new(ErrorKind::Usage, message));
            }
        }
        for name in self.variables.keys() {
            if name.is_empty() || name.as_bytes().contains(&b'=') {
                let message = format!("start worker {}: {name:?} cannot be the name of a variable", self.quoted());
                return Err(Error::new(ErrorKind::Usage, message));
            }
        }
        Ok(())
    }

    fn c_string(&self, text: &OsStr) -> Result<CString> {
        CString::new(text.to_owned().into_vec()).map_err(|_| {
            Error::new(
                ErrorKind::Usage,
                format!("start worker {}: there is a NUL character in {text:?}", self.quoted()),
            )
        })
    }

    fn quoted(&self) -> String {
        format!("'{}'", self.program.to_string_lossy())
    }

    /// The kernel's refusal, and what helps. It does not say which step failed, so look at what can be seen from here.
    fn refusal(&self, error: io::Error) -> Error {
        if let Some(directory) = self.directory.as_deref().filter(|d| !d.is_dir()) {
            let object = format!("'{}' for worker {}", directory.display(), self.quoted());
            return Error::kernel("enter directory", object, error, "it must exist and be a directory");
        }
        let remedy = remedy(&error, &self.program, self.directory.as_deref());
        Error::kernel("start worker", self.quoted(), error, remedy)
    }
}

fn remedy(error: &io::Error, program: &OsStr, directory: Option<&Path>) -> &'static str {
    let is_path = program.as_bytes().contains(&b'/');
    let seen = if is_path { std::fs::metadata(directory.unwrap_or(Path::new("")).join(program)).ok() } else { None };
    match (error.kind(), error.raw_os_error()) {
        (io::ErrorKind::NotFound, _) if !is_path => "it is not in any directory of PATH",
        (io::ErrorKind::NotFound, _) if seen.is_some() => {
            "the file is there, but not the interpreter or loader that its first line or header names"
        }
        (io::ErrorKind::NotFound, _) => "check the path",
        (io::ErrorKind::PermissionDenied, _) => match seen {
            Some(file) if file.is_dir() => "it is a directory",
            Some(file) if file.permissions().mode() & 0o111 == 0 => "it is not executable: chmod +x",
            _ => "check its mode, and that its file system is not mounted noexec",
        },
        (_, Some(ENOEXEC)) => "it is neither a program for this machine nor a script that begins with #!",
        (io::ErrorKind::Unsupported, _) => "this needs Linux 5.4 (pidfd_open), and no seccomp filter against it",
        (_, Some(E2BIG)) => "arguments and environment are too long together",
        (_, Some(EAGAIN)) => "raise the limit on processes (ulimit -u, or pids.max of the control group)",
        (_, Some(EMFILE)) => "raise the limit on open files of this process (ulimit -n)",
        (_, Some(ENFILE)) => "raise the limit on open files of the system (fs.file-max)",
        _ => "",
    }
}

/// Where a descriptor of the child comes from.
enum Source<'a> {
    Inherit,
    Borrowed(BorrowedFd<'a>),
    Owned(OwnedFd),
}

impl Source<'_> {
    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Inherit => None,
            Self::Borrowed(fd) => Some(*fd),
            Self::Owned(fd) => Some(fd.as_fd()),
        }
    }
}
