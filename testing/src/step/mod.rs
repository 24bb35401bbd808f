//! The single-stepper: a process that is run one instruction at a time, and stopped, looked at or killed between any two.
//!
//! ```text
//!   harness (tracer)                      role (tracee)
//!   Tracee::start ----------------------> stopped at its first instruction
//!   run_to_mark   ----------------------> sets up its world at full speed
//!                 <---- Mark::Begin ------ marks.begin()
//!   step, step, to_syscall, ... -------->   one operation
//!                 <---- Mark::End -------- marks.end()
//!   kill                                   (at any point in between)
//! ```
//!
//! 1. A mark is a signal that is ignored by default ([`mark`]). A tracer stops at it all the same; without a tracer it does nothing,
//!    so a role runs alike with and without.
//! 2. [`Tracee::step`] runs one instruction. A system call is one instruction, stopped at on the way in ([`Stop::Entry`]) and on the
//!    way out ([`Stop::Exit`]): three steps.
//! 3. A call that sleeps in the kernel is [`Stop::Blocked`]: the tracee is *not* stopped then, and goes on by itself when what it
//!    waits for comes. [`Tracee::resume_wait`] waits for its exit.
//! 4. Nothing survives the harness: the kernel kills tracees with their tracer (`PTRACE_O_EXITKILL`), and [`Tracee`] kills when dropped.
//! 5. A tracer is a *thread*: a [`Tracee`] is used by the thread that made it, and is not `Send`.
//! 6. One step costs about 17 us where tracer and tracee share a core ([`pin`]), and 55 us where they do not.
//! 7. Addresses are not randomised, so the same run meets the same addresses; [`source`] tells which line they belong to.

pub mod mark;
pub mod source;
mod tracee;

pub use mark::{Mark, Marks};
pub use tracee::{Stop, Tracee};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use std::io;

/// Keeps this thread, and the processes that it starts from now on, on one core: the `index`-th of those it may use, counted round.
///
/// # Errors
/// What the kernel says.
pub fn pin(index: usize) -> io::Result<()> {
    let allowed = sched_getaffinity(Pid::from_raw(0))?;
    let cores: Vec<usize> = (0..CpuSet::count()).filter(|&core| allowed.is_set(core).unwrap_or(false)).collect();
    let mut one = CpuSet::new();
    one.set(cores[index % cores.len()])?;
    Ok(sched_setaffinity(Pid::from_raw(0), &one)?)
}

/// How many cores this thread may use.
///
/// # Errors
/// What the kernel says.
pub fn cores() -> io::Result<usize> {
    let allowed = sched_getaffinity(Pid::from_raw(0))?;
    Ok((0..CpuSet::count()).filter(|&core| allowed.is_set(core).unwrap_or(false)).count())
}
