//! `strait completions`: for the shell's Tab, made of the table of flags that the command itself reads.

use crate::exit::Exit;
use crate::say;
use crate::shell::words;
use clap::Command;
use clap_complete::Shell;
use std::io::{self, Write as _};

/// Writes the script by which a shell completes verbs and options.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// Which shell's.
    #[arg(value_enum)]
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  strait completions bash > ~/.local/share/bash-completion/completions/strait
  strait completions zsh > ~/.zfunc/_strait
  strait completions fish > ~/.config/fish/completions/strait.fish";

pub(crate) fn run(args: &Args, command: Command) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut shown(command), "strait", &mut script);
    put("completions", &script)
}

/// Without the verbs that the command keeps to itself. Those who make scripts and pages show hidden ones.
pub(crate) fn shown(command: Command) -> Command {
    let verbs: Vec<Command> = command.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned().collect();
    let mut shown = Command::new("strait").version(env!("CARGO_PKG_VERSION")).disable_help_subcommand(true);
    if let Some(about) = command.get_about() {
        shown = shown.about(about.clone());
    }
    shown.subcommands(verbs)
}

/// Writes to standard output, whose reader may stop.
pub(crate) fn put(verb: &str, bytes: &[u8]) -> Exit {
    match io::stdout().write_all(bytes).and_then(|()| io::stdout().flush()) {
        Ok(()) => Exit::Done,
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Err(e) => {
            say::line(format_args!("strait {verb}: write standard output: {}", words(&e)));
            Exit::Refused
        }
    }
}
