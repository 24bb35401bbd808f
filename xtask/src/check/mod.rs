//! `cargo xtask check`: the rules of the house that the compiler does not hold.
//!
//! | rule | where it stands |
//! |---|---|
//! | imports point one way, between crates and inside `strait` | [`rules`], judged in [`arrows`] |
//! | a manifest draws no arrow that the code may not | [`rules`], read in [`manifest`] |
//! | `unsafe` stands only where it may, and every other crate root forbids it | [`rules::UNSAFE_UNDER`] |
//! | no folder or file is called `utils`, `common` or `manager` | [`rules::EMPTY_NAMES`] |
//! | the library has few direct dependencies | [`rules::LIBRARY_DEPENDENCIES`] |
//! | a file is not too long (a warning) | [`rules::FILE_LINES`] |
//!
//! Tests are not exempt from any of them. A finding is `file:line: what is broken`.

mod arrows;
pub(crate) mod manifest;
mod rules;
mod source;
pub(crate) mod tree;

use std::fmt;

use self::manifest::Kind;
use self::source::Source;
use self::tree::Tree;
use crate::{Failure, Outcome, cargo};

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    file: String,
    line: usize,
    rule: String,
    is_warning: bool,
}

impl Finding {
    fn broken(file: &str, line: usize, rule: impl Into<String>) -> Self {
        Self { file: String::from(file), line, rule: rule.into(), is_warning: false }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let warning = if self.is_warning { "warning: " } else { "" };
        write!(f, "{}:{}: {warning}{}", self.file, self.line, self.rule)
    }
}

pub(crate) fn run(args: &[String]) -> Outcome {
    crate::no_arguments("check", args)?;
    let tree = Tree::read(&cargo::root()).map_err(Failure::Failed)?;
    if tree.rust.is_empty() {
        return Err(Failure::Failed(format!("find Rust files under '{}': there are none", cargo::root().display())));
    }
    let findings = inspect(&tree);
    for finding in &findings {
        println!("{finding}");
    }
    let broken = findings.iter().filter(|it| !it.is_warning).count();
    println!("{} files, {broken} broken rules, {} warnings", tree.rust.len(), findings.len() - broken);
    match broken {
        0 => Ok(()),
        1 => Err(Failure::Failed(String::from("a rule of the house is broken, see above"))),
        _ => Err(Failure::Failed(format!("rules of the house are broken in {broken} places, see above"))),
    }
}

/// Everything that is wrong with a tree, in the order of its files.
fn inspect(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut sources = Vec::new();
    for (file, text) in &tree.rust {
        match source::read(text) {
            Ok(source) => sources.push((tree.place(file), source)),
            Err(line) => findings.push(Finding::broken(file, line, "this is not Rust from here on")),
        }
    }
    let is_root =
        |place: &arrows::Place| place.package == rules::LAYERED && place.module.as_ref().is_some_and(Vec::is_empty);
    let exports =
        sources.iter().find(|(place, _)| is_root(place)).map(|(_, root)| arrows::exports(root)).unwrap_or_default();
    for (place, source) in &sources {
        findings.extend(arrows::judge(place, source, &exports));
        findings.extend(unsafe_code(&place.file, source));
        findings.extend(length(&place.file, source));
    }
    findings.extend(manifests(tree));
    findings.extend(empty_names(tree));
    findings.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    findings.dedup();
    findings
}

/// `unsafe` only where it may stand; a root elsewhere forbids it.
fn unsafe_code(file: &str, source: &Source) -> Vec<Finding> {
    if rules::UNSAFE_UNDER.iter().any(|folder| tree::within(file, folder)) {
        return Vec::new();
    }
    let allowed = rules::UNSAFE_UNDER.join(", ");
    let said = |line: &usize| Finding::broken(file, *line, format!("`unsafe` may stand only under {allowed}"));
    let mut findings: Vec<Finding> = source.unsafe_lines.iter().map(said).collect();
    if tree::is_crate_root(file) && !source.forbids_unsafe {
        findings.push(Finding::broken(file, 1, "the root of this crate does not say #![forbid(unsafe_code)]"));
    }
    findings
}

fn length(file: &str, source: &Source) -> Option<Finding> {
    let lines = source.code_lines;
    if lines <= rules::FILE_LINES || file.split('/').any(|part| part == "tests") {
        return None;
    }
    let rule = format!("{lines} lines of code, tests not counted; more than {} is two files", rules::FILE_LINES);
    Some(Finding { is_warning: true, ..Finding::broken(file, 1, rule) })
}

/// Dependencies draw arrows too, and the library has few of them.
fn manifests(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (folder, package, manifest) in tree.packages() {
        let file = if folder.is_empty() { String::from("Cargo.toml") } else { format!("{folder}/Cargo.toml") };
        if rules::crate_named(package).is_none() {
            let rule = format!("the crate {package} has no row in the table of crates (xtask/src/check/rules.rs)");
            findings.push(Finding::broken(&file, 1, rule));
            continue;
        }
        for dependency in &manifest.dependencies {
            let ours = tree.packages().any(|(_, name, _)| name == dependency.name)
                || rules::crate_named(&dependency.name).is_some();
            if ours && dependency.name != package {
                let wrong = arrows::crate_arrow(package, &dependency.name);
                findings.extend(wrong.map(|rule| Finding::broken(&file, dependency.line, rule)));
            }
        }
        let direct: Vec<_> = manifest.dependencies.iter().filter(|it| it.kind == Kind::Normal).collect();
        if package == rules::LAYERED && direct.len() > rules::LIBRARY_DEPENDENCIES {
            let rule = format!(
                "{} direct dependencies; the library has at most {}",
                direct.len(),
                rules::LIBRARY_DEPENDENCIES
            );
            let line = direct.last().map_or(1, |it| it.line);
            findings.push(Finding::broken(&file, line, rule));
        }
    }
    findings
}

fn empty_names(tree: &Tree) -> Vec<Finding> {
    let files = tree.rust.iter().map(|(file, _)| file);
    let named = |path: &&String| {
        let last = path.rsplit('/').next().unwrap_or_default();
        rules::EMPTY_NAMES.contains(&last.trim_end_matches(".rs"))
    };
    let said = |path: &String| Finding::broken(path, 1, "this name does not say what is inside; name it after that");
    tree.folders.iter().chain(files).filter(named).map(said).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small workspace that breaks nothing, plus `files`.
    fn findings(files: &[(&str, &str)]) -> Vec<String> {
        let mut tree = Tree::default();
        let sound = [
            ("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\n"),
            ("crates/strait-sys/Cargo.toml", "[package]\nname = \"strait-sys\"\n[dependencies]\nlibc = \"0.2\"\n"),
            ("crates/strait/Cargo.toml", "[package]\nname = \"strait\"\n[dependencies]\nstrait-sys.workspace = true\n"),
            (
                "crates/strait-cli/Cargo.toml",
                "[package]\nname = \"strait-cli\"\n[dependencies]\nstrait.workspace = true\n",
            ),
            ("crates/strait-sys/src/lib.rs", "pub fn f() { unsafe { g() } }"),
            ("crates/strait/src/lib.rs", "#![forbid(unsafe_code)]\nmod error;\npub use error::Error;"),
            ("crates/strait/src/error.rs", "pub struct Error;"),
            ("crates/strait-cli/src/main.rs", "#![forbid(unsafe_code)]\nuse strait::Error;\nfn main() {}"),
        ];
        for (path, text) in sound.iter().filter(|(path, _)| !files.iter().any(|(other, _)| other == path)).chain(files)
        {
            tree.add(String::from(*path), String::from(*text));
            if let Some((folder, _)) = path.rsplit_once('/') {
                tree.folders.push(String::from(folder));
            }
        }
        tree.folders.dedup();
        inspect(&tree).iter().map(ToString::to_string).collect()
    }

    #[track_caller]
    fn only(findings: &[String], start: &str) {
        assert!(findings.len() == 1 && findings[0].starts_with(start), "{findings:#?} is not only '{start}'");
    }

    /// A tree that breaks nothing has no findings.
    #[test]
    fn sound_tree_is_sound() {
        assert_eq!(findings(&[]), Vec::<String>::new());
    }

    /// An arrow in a file of the library is found with the names that its root re-exports.
    #[test]
    fn wrong_arrow_in_the_tree() {
        only(
            &findings(&[("crates/strait/src/ring/spsc.rs", "//! doc\nuse crate::Error;")]),
            "crates/strait/src/ring/spsc.rs:2: strait::ring may not see strait::error",
        );
        only(
            &findings(&[("crates/strait-cli/src/sum.rs", "fn f() { strait_sys::f() }")]),
            "crates/strait-cli/src/sum.rs:1: strait-cli may not see strait-sys",
        );
    }

    /// A module that nobody placed is found once, whatever it sees.
    #[test]
    fn module_without_a_row() {
        only(
            &findings(&[("crates/strait/src/extra.rs", "use crate::error::Error;\nuse strait_sys::f;")]),
            "crates/strait/src/extra.rs:1: the module extra of strait has no row",
        );
    }

    /// `unsafe` outside its places is found, in code and nowhere else.
    #[test]
    fn unsafe_outside_its_places() {
        only(
            &findings(&[("crates/strait/src/region/posix.rs", "// unsafe\nfn f() { \"unsafe\"; }\nunsafe fn g() {}")]),
            "crates/strait/src/region/posix.rs:3: `unsafe` may stand only under",
        );
        only(
            &findings(&[("crates/strait/tests/fork.rs", "fn f() { unsafe { g() } }")]),
            "crates/strait/tests/fork.rs:1: `unsafe`",
        );
        only(&findings(&[("crates/strait-system.rs", "unsafe fn f() {}")]), "crates/strait-system.rs:1: `unsafe`");
        assert_eq!(findings(&[("testing/tests/fork.rs", "fn f() { unsafe { g() } }")]), Vec::<String>::new());
    }

    /// A root that does not forbid `unsafe` is found.
    #[test]
    fn root_without_forbid() {
        only(
            &findings(&[("crates/strait-cli/src/main.rs", "#![deny(unsafe_code)]\nfn main() {}")]),
            "crates/strait-cli/src/main.rs:1: the root of this crate does not say",
        );
    }

    /// A long file is a warning; its tests and comments do not make it long.
    #[test]
    fn long_file_is_a_warning() {
        let code = "fn f() {}\n".repeat(rules::FILE_LINES + 1);
        only(&findings(&[("crates/strait/src/error.rs", &code)]), "crates/strait/src/error.rs:1: warning: 701 lines");
        let tests = format!("#[cfg(test)]\nmod tests {{\n{code}}}\n{}", "// why\n".repeat(800));
        assert_eq!(findings(&[("crates/strait/src/error.rs", &tests)]), Vec::<String>::new());
    }

    /// Names that say nothing are found, for folders and for files.
    #[test]
    fn empty_names_are_found() {
        only(&findings(&[("testing/tests/common/run.rs", "")]), "testing/tests/common:1: this name");
        only(&findings(&[("crates/strait-cli/src/utils.rs", "")]), "crates/strait-cli/src/utils.rs:1: this name");
    }

    /// A manifest may not draw an arrow that the code may not, whatever the dependency is called.
    #[test]
    fn wrong_arrow_in_a_manifest() {
        let cli =
            "[package]\nname = \"strait-cli\"\n[dependencies]\nsys = { package = \"strait-sys\", version = \"0.1\" }\n";
        only(
            &findings(&[("crates/strait-cli/Cargo.toml", cli)]),
            "crates/strait-cli/Cargo.toml:4: strait-cli may not see strait-sys",
        );
        let sys = "[package]\nname = \"strait-sys\"\n[dev-dependencies]\nstrait.workspace = true\n";
        only(
            &findings(&[("crates/strait-sys/Cargo.toml", sys)]),
            "crates/strait-sys/Cargo.toml:4: strait-sys may not see strait",
        );
        let extra = "[package]\nname = \"strait-extra\"\n";
        only(
            &findings(&[("crates/strait-extra/Cargo.toml", extra)]),
            "crates/strait-extra/Cargo.toml:1: the crate strait-extra has no row",
        );
    }

    /// A sixth dependency of the library is found; those of its tests do not count.
    #[test]
    fn library_with_too_many_dependencies() {
        let five =
            "[package]\nname = \"strait\"\n[dependencies]\na = \"1\"\nb = \"1\"\nc = \"1\"\nd = \"1\"\ne = \"1\"\n";
        let dev = format!("{five}[dev-dependencies]\nf = \"1\"\n");
        assert_eq!(findings(&[("crates/strait/Cargo.toml", &dev)]), Vec::<String>::new());
        let six = format!("{five}f = \"1\"\n");
        only(&findings(&[("crates/strait/Cargo.toml", &six)]), "crates/strait/Cargo.toml:9: 6 direct dependencies");
    }

    /// A file that does not lex is found, and the rest is still looked at.
    #[test]
    fn broken_file_is_found() {
        only(
            &findings(&[("crates/strait/src/error.rs", "fn f() {\n\"open")]),
            "crates/strait/src/error.rs:2: this is not Rust",
        );
    }
}
