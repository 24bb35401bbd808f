//! `cargo xtask hostile [--full] [--seed S] [--only CASE [--run N]] [--roles DIR] [--no-asan]`: honest ends are lied to.
//!
//! Builds the harness and its role program (`testing/src/hostile`) in release and runs it; then, unless `--roles` names another build,
//! once more with the role program under `AddressSanitizer`, where a nightly toolchain has it. It says which of the two ran.

use crate::cargo;
use crate::{Failure, Outcome};

const TARGET: &str = "x86_64-unknown-linux-gnu";

pub(crate) fn run(args: &[String]) -> Outcome {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        eprintln!("hostile: skipped; the single-stepper is for Linux on x86-64");
        return Ok(());
    }
    let build = ["build", "--release", "-p", "strait-testing", "--bin", "hostile", "--bin", "hostile_role"];
    cargo::run(&mut cargo::cargo(&build))?;
    let plain: Vec<&str> = args.iter().map(String::as_str).filter(|&arg| arg != "--no-asan").collect();
    let program = cargo::target().join("release/hostile");
    let program = program.to_string_lossy();
    cargo::run(&mut cargo::program(&program, &plain))?;
    if plain.len() < args.len() || plain.contains(&"--roles") {
        eprintln!("hostile: without AddressSanitizer, as asked");
        return Ok(());
    }
    match sanitized() {
        Ok(roles) => {
            eprintln!("hostile: once more, the roles under AddressSanitizer");
            // Shorter: what the sanitizer finds does not hang on rare orders, and its steps are too many to be taken singly.
            let size: Vec<&str> = if plain.contains(&"--full") { vec![] } else { vec!["--sample"] };
            let rest = plain.iter().copied().filter(|&arg| arg != "--full");
            let args: Vec<&str> = rest.chain(size).chain(["--no-steps", "--roles", &roles]).collect();
            cargo::run(&mut cargo::program(&program, &args))
        }
        Err(why) => {
            eprintln!("hostile: not run under AddressSanitizer: {why}");
            Ok(())
        }
    }
}

/// The folder with a role program under `AddressSanitizer`, or why there is none.
fn sanitized() -> Result<String, String> {
    let version = ["run", "nightly", "cargo", "--version"];
    if !cargo::works(&mut cargo::program("rustup", &version)) {
        return Err(String::from("there is no nightly toolchain; `rustup toolchain install nightly` adds it"));
    }
    let folder = cargo::target().join("asan");
    let mut command = cargo::program("rustup", &["run", "nightly", "cargo", "build", "--release"]);
    command.args(["-p", "strait-testing", "--bin", "hostile_role", "--target", TARGET, "--target-dir"]).arg(&folder);
    // Without link-time optimisation: the sanitizer has less to fight with, and it builds sooner.
    command.env("RUSTFLAGS", "-Zsanitizer=address").env("CARGO_PROFILE_RELEASE_LTO", "off");
    // The stable cargo that runs us has set these for its own toolchain.
    command.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO").env_remove("RUSTC").env_remove("RUSTDOC");
    match cargo::run(&mut command) {
        Ok(()) => Ok(folder.join(TARGET).join("release").to_string_lossy().into_owned()),
        Err(Failure::Failed(why) | Failure::Usage(why) | Failure::Skipped(why)) => Err(why),
    }
}
