//! The nightly toolchain, where it is there: fuzzing and sanitizers need it.

use std::process::Command;

use crate::cargo;

/// What the sanitizers' runtimes are built for.
pub(crate) const TARGET: &str = "x86_64-unknown-linux-gnu";

/// A cargo command of the nightly toolchain, at the root of the workspace.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = cargo::program("rustup", &["run", "nightly", "cargo"]);
    // Ours is told of itself in these.
    for name in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN"] {
        command.env_remove(name);
    }
    command.args(args);
    command
}

/// Why it cannot be used here, if it cannot.
pub(crate) fn missing() -> Option<String> {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        return Some(format!("the sanitizers are used on {TARGET} only"));
    }
    let works = cargo::works(&mut cargo(&["--version"]));
    (!works).then(|| String::from("there is no nightly toolchain; `rustup toolchain install nightly` adds it"))
}
