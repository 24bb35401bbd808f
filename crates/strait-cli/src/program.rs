//! This very program, to be started again in another part.

use strait::process::Command;

/// Starts it with a verb.
pub(crate) fn again(verb: &str) -> Command {
    // Its own name where that still leads to it, so that `ps` shows it; else what the kernel runs.
    let program = std::env::current_exe().ok().filter(|path| path.exists()).unwrap_or_else(|| "/proc/self/exe".into());
    let mut command = Command::new(program);
    command.arg(verb);
    command
}
