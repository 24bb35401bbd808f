//! The files that the rules look at, and where each of them stands.

use std::fs;
use std::path::Path;

use super::arrows::Place;
use super::manifest::{self, Manifest};

/// The tree as read: paths from the root of the workspace, with `/`.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Every `.rs` file and its text.
    pub(crate) rust: Vec<(String, String)>,
    /// Every `Cargo.toml`, as its folder (empty for the root) and what it says.
    pub(crate) manifests: Vec<(String, Manifest)>,
    /// Every folder.
    pub(crate) folders: Vec<String>,
}

impl Tree {
    /// Reads what is on the disk under `root`, except hidden folders and what cargo built.
    pub(crate) fn read(root: &Path) -> Result<Self, String> {
        let mut tree = Self::default();
        tree.visit(root, "")?;
        Ok(tree)
    }

    fn visit(&mut self, folder: &Path, path: &str) -> Result<(), String> {
        let trouble = |error| format!("read folder '{}': {error}", folder.display());
        let mut entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(trouble)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let child = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            let kind = entry.file_type().map_err(trouble)?;
            if kind.is_dir() {
                if !name.starts_with('.') && name != "target" && !entry.path().join("CACHEDIR.TAG").exists() {
                    self.folders.push(child.clone());
                    self.visit(&entry.path(), &child)?;
                }
            } else if name.ends_with(".rs") || name == "Cargo.toml" {
                let text = fs::read_to_string(entry.path()).map_err(|error| format!("read '{child}': {error}"))?;
                self.add(child, text);
            }
        }
        Ok(())
    }

    /// Adds one file by its path.
    pub(crate) fn add(&mut self, path: String, text: String) {
        match path.strip_suffix("Cargo.toml") {
            Some(folder) => self.manifests.push((String::from(folder.trim_end_matches('/')), manifest::read(&text))),
            None => self.rust.push((path, text)),
        }
    }

    /// The packages, as folder and manifest.
    pub(crate) fn packages(&self) -> impl Iterator<Item = (&str, &str, &Manifest)> {
        self.manifests.iter().filter_map(|(folder, it)| Some((folder.as_str(), it.package.as_deref()?, it)))
    }

    /// Where a file stands. One outside every package belongs to its first folder (`examples`).
    pub(crate) fn place(&self, file: &str) -> Place {
        let holds = |folder: &str| folder.is_empty() || within(file, folder);
        let owner = self.packages().filter(|(folder, ..)| holds(folder)).max_by_key(|(folder, ..)| folder.len());
        let (folder, package) = match owner {
            Some((folder, package, _)) => (folder, package),
            None => ("", file.split('/').next().unwrap_or(file)),
        };
        let inner = file[folder.len()..].trim_start_matches('/');
        Place { file: String::from(file), package: String::from(package), module: module_path(inner) }
    }
}

/// Whether `path` is `folder` or something below it.
pub(crate) fn within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// `src/ring/spsc.rs` is `ring::spsc` of the library; `src/bin/x.rs`, `tests/x.rs` and `build.rs` are crates of their own.
fn module_path(inner: &str) -> Option<Vec<String>> {
    let path = inner.strip_prefix("src/")?.strip_suffix(".rs")?;
    if path == "main" || within(path, "bin") {
        return None;
    }
    let mut parts: Vec<String> = path.split('/').map(String::from).collect();
    if parts.last().is_some_and(|last| last == "mod") || parts == ["lib"] {
        parts.pop();
    }
    Some(parts)
}

/// Whether a file is where a library or a program begins, tests and examples aside.
pub(crate) fn is_crate_root(file: &str) -> bool {
    let Some(at) = file.rfind("src/").filter(|at| *at == 0 || file.as_bytes()[at - 1] == b'/') else { return false };
    let inner = &file[at + 4..];
    match inner.strip_prefix("bin/") {
        Some(bin) => !bin.contains('/') || bin.ends_with("/main.rs"),
        None => inner == "lib.rs" || inner == "main.rs",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file belongs to the innermost package, and knows its module.
    #[test]
    fn files_find_their_places() {
        let mut tree = Tree::default();
        tree.add("Cargo.toml".into(), "[workspace]\n".into());
        tree.add("crates/strait/Cargo.toml".into(), "[package]\nname = \"strait\"\n".into());
        tree.add("crates/strait-sys/Cargo.toml".into(), "[package]\nname = \"strait-sys\"\n".into());
        let place = |file: &str| {
            let place = tree.place(file);
            (place.package, place.module.map(|it| it.join("::")))
        };
        assert_eq!(place("crates/strait/src/lib.rs"), ("strait".into(), Some(String::new())));
        assert_eq!(place("crates/strait/src/ring/mod.rs"), ("strait".into(), Some("ring".into())));
        assert_eq!(place("crates/strait/src/ring/spsc.rs"), ("strait".into(), Some("ring::spsc".into())));
        assert_eq!(place("crates/strait/tests/x.rs"), ("strait".into(), None));
        assert_eq!(place("crates/strait-sys/src/main.rs"), ("strait-sys".into(), None));
        assert_eq!(place("examples/sum.rs"), ("examples".into(), None));
    }

    /// Libraries and programs have roots; tests and modules are none.
    #[test]
    fn crate_roots_are_known() {
        for root in ["crates/a/src/lib.rs", "src/main.rs", "a/src/bin/b.rs", "a/src/bin/b/main.rs"] {
            assert!(is_crate_root(root), "{root}");
        }
        for other in ["crates/a/src/b/mod.rs", "a/tests/lib.rs", "a/src/bin/b/c.rs", "a/build.rs", "nosrc/lib.rs"] {
            assert!(!is_crate_root(other), "{other}");
        }
    }
}
