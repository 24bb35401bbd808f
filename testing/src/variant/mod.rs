//! Variants: the workspace with something changed, built beside it, to see whether anybody notices.
//!
//! ```text
//! target/variants/<name>/
//!     lock       held by the one process that works here
//!     tree/      a copy of the sources; the edits of the moment are made in it
//!     target/    what is built of it, kept: from one variant to the next only what was changed is built again
//! ```
//!
//! 1. The real sources are read, never written, and nothing of a variant is shipped: all of it lies under `target`.
//! 2. An edit names a file, a text that stands in it exactly once, and what stands there instead. An edit that does not match is an
//!    error, so a table of edits cannot silently fall behind the sources.
//! 3. Builds are offline and by the lock file: a variant has the very dependencies of the real thing.
//! 4. Builds are release builds in the ways that matter (optimised, no overflow checks), made quickly: no link-time optimisation.

pub mod broken;
pub mod run;

use run::{Ended, Limits};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Longer than a build takes, from nothing and on a busy machine.
const BUILD: Duration = Duration::from_secs(1200);

/// One change of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Where, from the root of the workspace.
    pub file: String,
    /// What stands there, exactly once.
    pub old: String,
    /// What shall stand there.
    pub new: String,
}

/// Where variants are made, one after the other.
#[derive(Debug)]
pub struct Workshop {
    source: PathBuf,
    tree: PathBuf,
    target: PathBuf,
    /// Released when it is closed, however this process ends.
    _lock: File,
}

/// A program that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The name of the test, binary or library that it was made of.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

impl Workshop {
    /// Opens the workshop `name`, waiting while another process works there. What it holds is settled by [`Self::make`].
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(name: &str) -> io::Result<Self> {
        let source = root();
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| source.join("target"), PathBuf::from);
        let home = target.join("variants").join(name);
        fs::create_dir_all(home.join("tree"))?;
        let lock = File::create(home.join("lock"))?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)?;
        let home = home.canonicalize()?;
        Ok(Self { source, tree: home.join("tree"), target: home.join("target"), _lock: lock })
    }

    /// Where the copy of the sources is.
    #[must_use]
    pub fn tree(&self) -> &Path {
        &self.tree
    }

    /// Makes the sources as they are now, with these edits and no others, the variant of the moment.
    ///
    /// # Errors
    /// An edit that does not match exactly once, and then nothing has changed; what the file system says.
    pub fn make(&mut self, edits: &[Edit]) -> Result<(), String> {
        let mut edited: BTreeMap<PathBuf, String> = BTreeMap::new();
        for Edit { file, old, new } in edits {
            let path = PathBuf::from(file);
            let text = match edited.remove(&path) {
                Some(text) => text,
                None => fs::read_to_string(self.source.join(&path)).map_err(|e| format!("{file}: {e}"))?,
            };
            match text.matches(old).count() {
                1 => edited.insert(path, text.replacen(old, new, 1)),
                count => return Err(format!("{file}: this stands there {count} times, not once: {old}")),
            };
        }
        self.bring_up_to_date(Path::new(""), &edited).map_err(|e| format!("copy the sources: {e}"))
    }

    /// Builds with `cargo <arguments>` (`build --release -p ...`, `test --release --no-run ...`): the programs, or what the compiler said.
    ///
    /// # Errors
    /// What the compiler said; that cargo cannot be started, or takes longer than anybody should wait.
    pub fn build(&self, arguments: &[&str]) -> Result<Vec<Program>, String> {
        let mut cargo = self.cargo(arguments);
        cargo.args(["--frozen", "--message-format=json-render-diagnostics"]);
        let limits = Limits { time: BUILD, output_bytes: 64 << 20 };
        let said = run::to_the_end(cargo, limits).map_err(|e| format!("start cargo: {e}"))?;
        match said.ended {
            Ended::Well => Ok(said.output.lines().filter_map(program).collect()),
            Ended::OutOfTime => Err(format!("cargo {} takes longer than {BUILD:?}", arguments.join(" "))),
            Ended::Badly(_) | Ended::Enough => {
                Err(said.output.lines().filter(|line| !line.starts_with('{')).collect::<Vec<_>>().join("\n"))
            }
        }
    }

    /// A cargo command in the tree.
    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(arguments).current_dir(&self.tree).env("CARGO_TARGET_DIR", &self.target);
        for (name, value) in
            [("LTO", "off"), ("CODEGEN_UNITS", "16"), ("INCREMENTAL", "true"), ("DEBUG", "none"), ("OPT_LEVEL", "1")]
        {
            command.env(format!("CARGO_PROFILE_RELEASE_{name}"), value);
        }
        // Of the cargo that runs us.
        command.env_remove("CARGO_INCREMENTAL").env_remove("CARGO_MANIFEST_DIR");
        command
    }

    /// Copies what differs below `folder`, so that what is the same keeps its time and is not built again; removes what is gone.
    fn bring_up_to_date(&self, folder: &Path, edited: &BTreeMap<PathBuf, String>) -> io::Result<()> {
        let (from, to) = (self.source.join(folder), self.tree.join(folder));
        fs::create_dir_all(&to)?;
        let entries = entries(&from)?;
        for name in self::entries(&to)?.iter().filter(|name| !entries.contains(name)) {
            let gone = to.join(name);
            if gone.is_dir() { fs::remove_dir_all(gone)? } else { fs::remove_file(gone)? }
        }
        for name in entries {
            let (path, source, copy) = (folder.join(&name), from.join(&name), to.join(&name));
            if source.is_dir() {
                self.bring_up_to_date(&path, edited)?;
                continue;
            }
            let bytes = edited.get(&path).map_or_else(|| fs::read(source), |text| Ok(text.clone().into_bytes()))?;
            if fs::read(&copy).ok().as_ref() != Some(&bytes) {
                fs::write(copy, bytes)?;
            }
        }
        Ok(())
    }
}

/// The root of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_path_buf()
}

/// What belongs to the sources in a folder: nothing hidden, nothing built.
fn entries(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        if !name.starts_with('.') && name != "target" {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// A program that a line of cargo's messages tells of.
fn program(line: &str) -> Option<Program> {
    let text_of = |key: &str| {
        let (_, rest) = line.split_once(key)?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    let path = text_of(r#""executable":""#)?;
    let name = line.split_once(r#""target":{"#)?.1.split_once(r#""name":""#)?.1.split_once('"')?.0.to_owned();
    Some(Program { name, path: path.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cargo's messages name the programs that were built; libraries have none.
    #[test]
    fn messages_name_programs() {
        let line = r#"{"reason":"compiler-artifact","package_id":"x","target":{"kind":["bin"],"crate_types":["bin"],"name":"role"},"executable":"/t/release/role","fresh":false}"#;
        assert_eq!(program(line), Some(Program { name: "role".into(), path: "/t/release/role".into() }));
        assert_eq!(program(r#"{"target":{"name":"strait"},"executable":null}"#), None);
    }
}
