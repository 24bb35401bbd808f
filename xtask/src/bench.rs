//! `cargo xtask bench [ARGS ...]`: floor, channel and `strait sum`, measured in one run.
//!
//! The bench times the command too, so it is built first, and its path is handed over in `STRAIT_BIN`: the path that cargo
//! reports, which is right whatever the target folder is. Arguments go to the bench.
//!
//! `cargo xtask bench rivals [--aeron] [ARGS ...]`: strait beside what users would pick instead. A workspace of its own, which
//! nothing else builds; `--aeron` builds Aeron too.

use std::process::Stdio;

use crate::cargo;
use crate::{Failure, Outcome};

pub(crate) fn run(args: &[String]) -> Outcome {
    // `cargo xtask bench -- --x` means the same as `cargo xtask bench --x`.
    let args = args.strip_prefix(&[String::from("--")]).unwrap_or(args);
    if let Some(args) = args.strip_prefix(&[String::from("rivals")]) {
        return cargo::run(&mut rivals(args));
    }
    let binary = build_command()?;
    let mut command = cargo::cargo(&["run", "--release", "-p", "strait-bench", "--"]);
    cargo::run(command.args(args).env("STRAIT_BIN", binary))
}

fn rivals(args: &[String]) -> std::process::Command {
    let mut command = cargo::cargo(&["run", "--release", "--manifest-path", "bench/rivals/Cargo.toml"]);
    if args.iter().any(|arg| arg == "--aeron") {
        command.args(["--features", "aeron"]);
    }
    command.arg("--").args(args.iter().filter(|arg| *arg != "--aeron"));
    command
}

fn build_command() -> Result<String, Failure> {
    let mut command =
        cargo::cargo(&["build", "--release", "-p", "strait-cli", "--message-format=json-render-diagnostics"]);
    let shown = cargo::show(&command);
    eprintln!("$ {shown}");
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Failure::Failed(format!("start `{shown}`: {error}")))?;
    if !output.status.success() {
        return Err(Failure::Failed(format!("`{shown}` ended with {}", output.status)));
    }
    executable(&String::from_utf8_lossy(&output.stdout))
        .ok_or_else(|| Failure::Failed(format!("`{shown}` names no program that it built")))
}

/// The path in cargo's last `"executable":"..."`; it is null for what is no program.
fn executable(messages: &str) -> Option<String> {
    let (_, after) = messages.rsplit_once("\"executable\":\"")?;
    let mut path = String::new();
    let mut chars = after.chars();
    loop {
        match chars.next()? {
            '"' => return Some(path),
            '\\' => path.push(chars.next()?),
            c => path.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `--aeron` is for the build, everything else for the bench.
    #[test]
    fn rivals_with_aeron() {
        let args = ["--rows", "stream", "--aeron"].map(String::from);
        let shown = cargo::show(&rivals(&args));
        assert!(
            shown.ends_with("--manifest-path bench/rivals/Cargo.toml --features aeron -- --rows stream"),
            "{shown}"
        );
    }

    /// The program's path is found among cargo's messages, and quoted characters are read back.
    #[test]
    fn executable_is_found() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","executable":"/t/a \"b\"/strait","fresh":true}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(executable(messages).as_deref(), Some(r#"/t/a "b"/strait"#));
        assert_eq!(executable(r#"{"executable":null}"#), None);
    }
}
