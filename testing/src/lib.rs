//! What the tests of strait share: names of their own, worlds that are tidied up, and roles played by real processes.
//!
//! | module | |
//! |---|---|
//! | [`blocks`] | large messages that tell whether they are what was sent |
//! | [`crash`] | operations killed at every instruction, and what must hold then (x86-64) |
//! | [`message`] | messages that tell whether they are what was sent |
//! | [`names`] | names that no other test has, gone when the test ends, however it ends |
//! | [`role`] | a child process that plays a part, told what to do line by line |
//! | [`random`] | numbers from a seed that a failure can print |
//! | [`hostile`] | honest ends at work while somebody lies in their memory (x86-64) |
//! | [`step`] | a process run one instruction at a time, and killed between any two (x86-64) |
//! | [`variant`] | the workspace with something changed, built beside it: broken builds, mutants |

#[cfg(target_arch = "x86_64")]
pub mod blocks;
pub mod crash;
#[cfg(target_arch = "x86_64")]
pub mod hostile;
pub mod message;
pub mod names;
pub mod random;
pub mod role;
#[cfg(target_arch = "x86_64")]
pub mod step;
pub mod variant;

use std::sync::mpsc;
use std::time::Duration;

/// Longer than anything here takes; only a failure waits for it.
pub const LONG: Duration = Duration::from_secs(20);

/// Runs what must not hang in a thread of its own, and gives up after [`LONG`].
///
/// # Panics
/// When it takes longer, or panics itself.
pub fn in_time<T: Send + 'static>(what: &str, run: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, outcome) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        // Nobody listens any more only after a failure.
        let _ = done.send(run());
    });
    match outcome.recv_timeout(LONG) {
        Ok(value) => value,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{what}: hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match thread.join() {
            Ok(()) => unreachable!("the thread ended without an answer"),
            Err(panic) => std::panic::resume_unwind(panic),
        },
    }
}

/// Whether this process may do what only root may; says on standard error that a test is skipped where not.
#[must_use]
pub fn is_root(test: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("{test}: skipped, for it needs root");
    }
    root
}
