//! A child process, held by its pidfd.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{ChildStderr, ChildStdin, ChildStdout};
use std::thread;
use std::time::{Duration, Instant};

use strait_sys::eventfd::eventfd;
use strait_sys::fork;
use strait_sys::pidfd_open::pidfd_open;
use strait_sys::pidfd_send_signal::{SIGCONT, SIGKILL, SIGTERM, pidfd_send_signal};
use strait_sys::poll::poll_readable;
use strait_sys::waitid::{Look, is_our_child, kill_and_reap, reap, reap_if_ended};

use super::exit::Exit;
use crate::error::{Error, ErrorKind, Result};

/// How long a drop waits for a killed child before a thread takes over.
const DROP_WAIT: Duration = Duration::from_secs(1);
/// Between two looks at a child that has ended but is held by a debugger.
const TRACED_NAP: Duration = Duration::from_millis(1);
const REAPER_STACK_BYTES: usize = 64 * 1024;

/// A process that [`Command::spawn`](super::Command::spawn) started.
///
/// **Dropped** without having been waited for, it is killed (`SIGKILL`) and buried, so that neither a stray nor a zombie stays
/// behind. The drop waits for the death, which is a matter of microseconds; should the kernel need more than a second (a process
/// that hangs in a dead network file system) a thread goes on waiting. To let it live, [`detach`](Self::detach) it.
///
/// Signals go through the pidfd: they reach this process or nobody, never a later one with the same number. A signal to a process
/// that has ended does nothing, and is no error.
///
/// If other code in this program takes the exit status away (by waiting for any child, or by ignoring `SIGCHLD`), waiting ends
/// as it should, and the answer is [`Exit::Unknown`].
pub struct Child {
    /// The end of its standard input to write to, with [`Stdio::Piped`](super::Stdio::Piped).
    pub stdin: Option<ChildStdin>,
    /// The end of its standard output to read from, with [`Stdio::Piped`](super::Stdio::Piped).
    pub stdout: Option<ChildStdout>,
    /// The end of its standard error to read from, with [`Stdio::Piped`](super::Stdio::Piped).
    pub stderr: Option<ChildStderr>,
    program: String,
    pid: u32,
    /// Readable once it has ended.
    pidfd: OwnedFd,
    /// Set once it has ended and is buried.
    exit: Option<Exit>,
    /// The process that may wait for it: the one that started it, not a fork of that.
    owner: u64,
}

impl Child {
    /// Takes charge of the child with this pid, which was started just now and has not been waited for by us.
    pub(super) fn adopt(pid: u32, program: String, owner: u64) -> Result<Self> {
        match watch(pid) {
            Ok((pidfd, exit)) => Ok(Self { stdin: None, stdout: None, stderr: None, program, pid, pidfd, exit, owner }),
            Err(e) => {
                // Without a pidfd we could not keep what `Child` promises. If it is gone already, so much the better.
                let _ = kill_and_reap(pid);
                Err(Error::kernel("watch worker", format_args!("'{program}'"), e, "it was ended again"))
            }
        }
    }

    /// Its pid in this process's namespace, to be shown to people. After the wait the number may belong to another process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.pid
    }

    /// Waits until it has ended, and buries it. Its piped standard input is closed first, lest both wait for each other; if it
    /// writes to a pipe that nobody reads, it may still never end.
    ///
    /// Blocks without using CPU. Asked again, it gives the same answer without a system call.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Forked`] in a fork of the process that started it.
    #[doc(alias = "waitpid")]
    #[doc(alias = "waitid")]
    pub fn wait(&mut self) -> Result<Exit> {
        drop(self.stdin.take());
        loop {
            if let Some(exit) = self.wait_until(None)? {
                return Ok(exit);
            }
        }
    }

    /// As [`wait`](Self::wait), but `None` if it has not ended after `timeout`. Leaves its standard input open.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<Option<Exit>> {
        // Beyond what the clock can count is for ever.
        self.wait_until(Instant::now().checked_add(timeout))
    }

    /// Buries it if it has ended; `None` if it runs. One system call; does not block.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn try_wait(&mut self) -> Result<Option<Exit>> {
        if self.exit.is_some() {
            return Ok(self.exit);
        }
        self.refuse_in_fork()?;
        match reap_if_ended(self.pidfd.as_fd()).map_err(|e| self.refusal("wait for worker", e))? {
            Look::Runs => {}
            Look::Ended(ended) => self.exit = Some(ended.into()),
            Look::NotOurs => self.exit = Some(Exit::Unknown),
        }
        Ok(self.exit)
    }

    /// Sends signal number `signal`. One system call; does not block.
    ///
    /// # Errors
    ///
    /// The kernel's refusal: no such signal, or the process runs as another user. [`ErrorKind::Forked`] as for
    /// [`wait`](Self::wait).
    pub fn signal(&self, signal: i32) -> Result<()> {
        if self.exit.is_some() {
            return Ok(());
        }
        self.refuse_in_fork()?;
        match pidfd_send_signal(self.pidfd.as_fd(), signal) {
            Ok(_) => Ok(()),
            Err(e) => Err(self.refusal(&format!("send signal {signal} to worker"), e)),
        }
    }

    /// Asks it to end: `SIGTERM`. Does not wait.
    ///
    /// # Errors
    ///
    /// As [`signal`](Self::signal).
    pub fn terminate(&self) -> Result<()> {
        self.signal(SIGTERM)
    }

    /// Ends it: `SIGKILL`, which it can neither catch nor ignore. Does not wait.
    ///
    /// # Errors
    ///
    /// As [`signal`](Self::signal).
    pub fn kill(&self) -> Result<()> {
        self.signal(SIGKILL)
    }

    /// Ends it politely, then firmly: `SIGTERM` (and `SIGCONT`, so that a stopped one hears it), `grace` to comply, `SIGKILL`.
    /// Buries it and says how it ended.
    ///
    /// Blocks for `grace` and the moment that a kill takes.
    ///
    /// # Errors
    ///
    /// As [`signal`](Self::signal) and [`wait`](Self::wait).
    pub fn stop(&mut self, grace: Duration) -> Result<Exit> {
        self.ask_to_end()?;
        if let Some(exit) = self.wait_timeout(grace)? {
            return Ok(exit);
        }
        self.kill()?;
        self.wait()
    }

    /// Lets it live on without us. A small thread (`strait-reaper`) waits for it, so that it becomes no zombie when it ends before
    /// this program does; afterwards it is init's. Our ends of its pipes are closed: [`take`](Option::take) them first to keep
    /// them.
    ///
    /// Does not block.
    ///
    /// # Errors
    ///
    /// No thread can be started. The child is then killed, as by a drop.
    pub fn detach(mut self) -> Result<()> {
        if self.exit.is_some() {
            return Ok(());
        }
        self.refuse_in_fork()?;
        self.leave_to_reaper().map_err(|e| self.refusal("detach worker", e))?;
        // Nothing is left for the drop to do.
        self.exit = Some(Exit::Unknown);
        Ok(())
    }

    /// The polite half of [`stop`](Self::stop).
    pub(super) fn ask_to_end(&self) -> Result<()> {
        self.terminate()?;
        self.signal(SIGCONT)
    }

    fn leave_to_reaper(&self) -> io::Result<()> {
        let pidfd = self.pidfd.try_clone()?;
        let bury = move || reap(pidfd.as_fd());
        thread::Builder::new().name("strait-reaper".to_owned()).stack_size(REAPER_STACK_BYTES).spawn(bury).map(drop)
    }

    fn wait_until(&mut self, deadline: Option<Instant>) -> Result<Option<Exit>> {
        loop {
            if let Some(exit) = self.try_wait()? {
                return Ok(Some(exit));
            }
            let left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
            let ready = poll_readable(&[self.pidfd.as_fd()], left).map_err(|e| self.refusal("wait for worker", e))?;
            if ready.is_none() {
                return Ok(None);
            }
            if let Some(exit) = self.try_wait()? {
                return Ok(Some(exit));
            }
            // Ended, yet not ours to bury: a debugger has to let go of it first, and there is no event for that.
            thread::sleep(TRACED_NAP);
        }
    }

    fn refuse_in_fork(&self) -> Result<()> {
        if fork::identity() == self.owner {
            return Ok(());
        }
        let message =
            format!("use worker '{}': it was started by the process that this one was forked from", self.program);
        Err(Error::new(ErrorKind::Forked, message))
    }

    fn refusal(&self, verb: &str, error: io::Error) -> Error {
        Error::kernel(verb, format_args!("'{}' (pid {})", self.program, self.pid), error, "")
    }
}

/// The pidfd of our child, and how it ended if that is known already.
fn watch(pid: u32) -> io::Result<(OwnedFd, Option<Exit>)> {
    if let Some(pidfd) = pidfd_open(pid)? {
        if is_our_child(pidfd.as_fd())? {
            return Ok((pidfd, None));
        }
    }
    // It has ended, and somebody else has buried it; the number may be another process by now. What stands in for its pidfd is
    // readable for ever, as the pidfd would be.
    Ok((eventfd(1)?, Some(Exit::Unknown)))
}

impl AsFd for Child {
    /// Its pidfd: readable once it has ended. For [`wait_any`](super::wait_any) or an event loop.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.exit.is_some() || self.refuse_in_fork().is_err() {
            return;
        }
        // One that we may not kill (it became another user) is waited for all the same, by the thread below.
        let killed = self.kill().is_ok();
        if killed && !matches!(self.wait_timeout(DROP_WAIT), Ok(None)) {
            return;
        }
        // If there can be no thread either, it stays a zombie until this process ends.
        let _ = self.leave_to_reaper();
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("program", &self.program)
            .field("pid", &self.pid)
            .field("exit", &self.exit)
            .finish_non_exhaustive()
    }
}
