//! Packs every crate that is published as it would be uploaded, and builds it from the packed files alone; siblings that are not
//! published yet stand in for published ones.
//!
//! Cargo unpacks those siblings beside what it downloaded, in a folder that is called after the place they were packed in, and never again
//! for the same place and version: a second build would meet the siblings of the first. So each build has a place of its own, and
//! both folders are removed behind it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::check::tree::Tree;
use crate::{Failure, Outcome, cargo};

pub(super) fn build() -> Outcome {
    let tree = Tree::read(&cargo::root()).map_err(Failure::Failed)?;
    let names: Vec<&str> = tree.packages().filter(|(.., it)| it.published).map(|(_, name, _)| name).collect();
    let place = cargo::target().join(format!("packages-{}-{}", std::process::id(), now_ns()));
    let unpacked = unpacked_folders();
    let outcome = build_in(&place, &names);
    for left in unpacked_folders().difference(&unpacked).chain([&place]) {
        // What is left behind costs space and nothing else.
        let _ = fs::remove_dir_all(left);
    }
    outcome
}

fn build_in(place: &Path, names: &[&str]) -> Outcome {
    let package = |words: &[&str]| {
        let mut command = cargo::cargo(&["package", "--allow-dirty"]);
        command.args(words).args(names.iter().flat_map(|name| ["-p", *name])).env("CARGO_TARGET_DIR", place);
        command
    };
    // What the earlier steps downloaded is enough, as a rule; the registry is asked only if it is not.
    let offline = cargo::works(&mut package(&["--no-verify", "--offline"]));
    cargo::run(&mut package(if offline { &["--quiet", "--offline"] } else { &["--quiet"] }))
}

/// Where cargo has unpacked crates of registries without a name, as a place of packed crates is.
fn unpacked_folders() -> BTreeSet<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let entries = home.and_then(|home| fs::read_dir(home.join("registry/src")).ok()).into_iter().flatten().flatten();
    entries.filter(|it| it.file_name().to_string_lossy().starts_with('-')).map(|it| it.path()).collect()
}

/// A clock before 1970 gives 0; the process's number tells places apart then.
fn now_ns() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos())
}
