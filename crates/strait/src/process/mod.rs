//! Worker processes: start them, hand them descriptors, wait for them, restart them, and end with one's parent.
//!
//! | I want to | I use |
//! |---|---|
//! | start a program and wait for it, perhaps not for ever | [`Command`], [`Child`] |
//! | give it a pipe, a socket or a memfd, under a name | [`Command::hand_over`], in the child [`handed`] |
//! | give it to a process that is no child | [`send_fd`], [`recv_fd`] |
//! | know how it ended | [`Exit`] |
//! | end it politely, then firmly | [`Child::stop`] |
//! | notice in the child that the parent died | [`parent`], [`Parent::end_with_it`] |
//! | keep a pool of workers running | [`Supervisor`], [`Restart`] |
//! | see what `fork` does | [`fork_alone`] |
//! | sleep until one of several things happens | [`wait_any`], [`Waker`] |
//!
//! ```
//! use std::time::Duration;
//! use strait::process::{Command, Exit};
//!
//! # fn main() -> strait::Result<()> {
//! let mut worker = Command::new("sleep").arg("60").spawn()?;
//! assert_eq!(worker.wait_timeout(Duration::from_millis(1))?, None);
//! let exit = worker.stop(Duration::from_secs(5))?;
//! assert_eq!(exit.to_string(), "killed by signal 15 (SIGTERM)");
//! assert_eq!(exit, Exit::Signal { number: 15, core_dumped: false });
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! ```text
//!   parent                                   child
//!   Command --posix_spawn------------------> program, environment with STRAIT_FDS=strait.parent=3,jobs=4
//!   Child   --pidfd of the child             0 1 2  as set up with Stdio
//!             poll, waitid, signals          3      pidfd of the parent: readable when the parent has died
//!                                            4 ...  what was handed over; nothing else is open
//! ```
//!
//! 1. **No fork.** The child is made by `posix_spawn`, which shares the memory until the program runs, so that it is as quick in
//!    a process of 100 GiB; none of this program's code runs in the child.
//! 2. **A child is its pidfd.** Waiting, polling and signalling go through it. A pid is shown to people and never acted on.
//!    Nothing here waits for "any child" or installs a `SIGCHLD` handler, so children that other parts of the program started
//!    are left alone.
//! 3. **No zombies, no strays.** A [`Child`] that is dropped without having been waited for is killed and buried; see there.
//! 4. **Only what is handed over arrives.** Every other descriptor from 3 on is closed in the child, those of C libraries that
//!    forgot `O_CLOEXEC` included (with glibc; elsewhere `O_CLOEXEC` has to do).
//! 5. **The parent's death is an event**, seen through the parent's own pidfd that every child gets. Unlike `PR_SET_PDEATHSIG`
//!    it does not fire when merely the *thread* ends that started the child, has no race at the start, and is right across pid
//!    namespaces.
//!
//! Needs Linux 5.4. After a `fork` of this program, a [`Child`] belongs to the process that started it: its copy in the forked
//! child answers [`ErrorKind::Forked`](crate::ErrorKind::Forked), and dropping that copy does nothing.

mod child;
mod command;
mod exit;
mod handed;
mod parent;
mod pass;
mod restart;
mod supervisor;
mod twin;
mod waker;

pub use child::Child;
pub use command::{Command, Stdio};
pub use exit::Exit;
pub use handed::handed;
pub use parent::{EXIT_PARENT_DIED, Parent, parent};
pub use pass::{Credentials, Passed, recv_fd, send_fd};
pub use restart::{Backoff, Restart, Verdict};
pub use supervisor::{Event, Progress, Supervised, Supervisor};
pub use twin::fork_alone;
pub use waker::{Waker, wait_any};
