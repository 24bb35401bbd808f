//! Which arrows a file draws, and which of them the rules do not have.
//!
//! A path leads to another crate of ours (`strait_sys::...`), or into a top-level module of the crate `strait`
//! (`crate::ring::...`, `super::super::ring::...`). A name that the root of `strait` re-exports leads to the module it comes
//! from: `crate::Error` is `error`.

use std::collections::BTreeMap;

use super::Finding;
use super::rules::{self, LAYERED};
use super::source::{Named, Source};

/// Where a file stands.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// From the root of the workspace: `crates/strait/src/ring/spsc.rs`.
    pub(crate) file: String,
    /// The name of its package.
    pub(crate) package: String,
    /// Its module path if it belongs to the library of its package: `["ring", "spsc"]`, and `[]` for `lib.rs`.
    pub(crate) module: Option<Vec<String>>,
}

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// To a crate of ours.
    Crate(&'static str),
    /// To an absolute path inside the own crate.
    Inside(Vec<String>),
    /// To somebody else's crate, or not out of the module.
    Elsewhere,
}

/// What the root of the crate `strait` calls by another path: `Error` is `error::Error`.
pub(crate) type Exports = BTreeMap<String, Target>;

/// The names that `use` lines put into the root of the crate.
pub(crate) fn exports(root: &Source) -> Exports {
    let at_root = root.paths.iter().filter(|it| it.within.is_empty());
    at_root.filter_map(|it| Some((it.imported_as.clone()?, target(it, Some(&[]))))).collect()
}

/// The arrows of one file that no rule has.
pub(crate) fn judge(place: &Place, source: &Source, exports: &Exports) -> Vec<Finding> {
    let mut findings = Vec::new();
    let module = place.module.as_deref().and_then(<[String]>::first).filter(|_| place.package == LAYERED);
    if let Some(name) = module.filter(|name| rules::module_named(name).is_none()) {
        let rule =
            format!("the module {name} of {LAYERED} has no row in the table of modules (xtask/src/check/rules.rs)");
        return vec![Finding::broken(&place.file, 1, rule)];
    }
    for named in &source.paths {
        let target = target(named, place.module.as_deref());
        let wrong = between_crates(place, &target).or_else(|| between_modules(place, &target, exports));
        if let Some(rule) = wrong {
            findings.push(Finding::broken(&place.file, named.line, rule));
        }
    }
    findings
}

/// Follows `crate`, `self` and `super`; `file` is the module path of the file.
fn target(named: &Named, file: Option<&[String]>) -> Target {
    let mut here: Vec<String> = file.unwrap_or_default().to_vec();
    here.extend(named.within.iter().cloned());
    let path = &named.path;
    match path.first().map(String::as_str) {
        Some("crate") => Target::Inside(path[1..].to_vec()),
        Some("self" | "super") => {
            let mut rest = path.as_slice();
            while let Some((first, after)) = rest.split_first() {
                match first.as_str() {
                    "super" => drop(here.pop()),
                    "self" => {}
                    _ => break,
                }
                rest = after;
            }
            here.extend(rest.iter().cloned());
            Target::Inside(here)
        }
        Some("") => path.get(1).map_or(Target::Elsewhere, |name| extern_crate(name)),
        // In the root a bare name may be one of its modules.
        Some(name) if here.is_empty() && rules::module_named(name).is_some() => Target::Inside(path.clone()),
        Some(name) => extern_crate(name),
        None => Target::Elsewhere,
    }
}

fn extern_crate(name: &str) -> Target {
    rules::crate_of_ident(name).map_or(Target::Elsewhere, Target::Crate)
}

/// The rule that an arrow to another crate breaks.
fn between_crates(place: &Place, target: &Target) -> Option<String> {
    let Target::Crate(seen) = target else { return None };
    // A package's own tests and examples see its library.
    if *seen == place.package {
        return None;
    }
    crate_arrow(&place.package, seen)
}

/// The rule that `package -> seen` breaks; also for the dependencies in manifests.
pub(crate) fn crate_arrow(package: &str, seen: &str) -> Option<String> {
    let Some(row) = rules::crate_named(package) else {
        return Some(format!("the crate {package} has no row in the table of crates (xtask/src/check/rules.rs)"));
    };
    if row.sees.contains(&seen) {
        return None;
    }
    Some(format!("{package} may not see {seen} (of ours it sees {})", list(row.sees)))
}

/// The rule that an arrow inside `strait` breaks, or an arrow from a module of it to another crate.
fn between_modules(place: &Place, target: &Target, exports: &Exports) -> Option<String> {
    if place.package != LAYERED {
        return None;
    }
    // The root sees everything: it is what puts the modules together.
    let own = place.module.as_ref()?.first()?;
    let row = rules::module_named(own)?;
    let inside = match target {
        Target::Elsewhere => return None,
        Target::Crate(seen) if *seen == LAYERED || row.crates.contains(seen) => return None,
        Target::Crate(seen) => {
            return Some(format!("{LAYERED}::{own} may not see {seen} (of our crates it sees {})", list(row.crates)));
        }
        Target::Inside(path) => path,
    };
    let Some(first) = inside.first().filter(|name| *name != "*") else {
        return Some(format!("{LAYERED}::{own} sees the whole crate; name the module"));
    };
    if first == own {
        return None;
    }
    if rules::module_named(first).is_none() {
        return match exports.get(first) {
            // A re-export of a re-export would go round in circles, and the root has none.
            Some(Target::Inside(path)) if path.first() == Some(first) => Some(unknown(own, first)),
            Some(target) => between_modules(place, target, exports),
            None => Some(unknown(own, first)),
        };
    }
    if row.sees.contains(&first.as_str()) {
        return None;
    }
    Some(format!("{LAYERED}::{own} may not see {LAYERED}::{first} (of our modules it sees {})", list(row.sees)))
}

fn unknown(own: &str, name: &str) -> String {
    format!(
        "{LAYERED}::{own} sees crate::{name}, which is neither a module with a row in xtask/src/check/rules.rs nor named in a `use` of lib.rs"
    )
}

fn list(names: &[&str]) -> String {
    if names.is_empty() { String::from("nothing") } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::super::source::read;
    use super::*;

    /// The rule that `text`, standing in `package` (and `module` of its library), breaks first.
    fn verdict(package: &str, module: &[&str], text: &str) -> Option<String> {
        let lib =
            read("mod error;\npub use error::{Error, Result};\npub use channel::spsc;\npub use strait_mem::View;");
        let place = Place {
            file: String::from("x.rs"),
            package: String::from(package),
            module: Some(module.iter().map(ToString::to_string).collect()),
        };
        let findings = judge(&place, &read(text).expect("Rust"), &exports(&lib.expect("Rust")));
        findings.into_iter().next().map(|it| it.rule)
    }

    fn inside(module: &str, text: &str) -> Option<String> {
        verdict("strait", &module.split("::").collect::<Vec<_>>(), text)
    }

    #[track_caller]
    fn refused(verdict: Option<String>, words: &str) {
        assert!(verdict.as_deref().is_some_and(|it| it.contains(words)), "{verdict:?} does not say '{words}'");
    }

    #[track_caller]
    fn passes(verdict: Option<String>) {
        assert_eq!(verdict, None);
    }

    /// Between crates every arrow of the design passes, and every other pair is refused.
    #[test]
    fn every_pair_of_crates() {
        for from in rules::CRATES {
            for to in rules::CRATES.iter().filter(|to| to.name != from.name) {
                let text = format!("use {}::x;", to.name.replace('-', "_"));
                let verdict = verdict(from.name, &[], &text);
                assert_eq!(
                    verdict.is_none(),
                    from.sees.contains(&to.name),
                    "{} -> {}: {verdict:?}",
                    from.name,
                    to.name
                );
            }
        }
    }

    /// Inside `strait` every arrow of the design passes, and every other pair is refused.
    #[test]
    fn every_pair_of_modules() {
        for from in rules::MODULES {
            for to in rules::MODULES.iter().filter(|to| to.name != from.name) {
                let verdict = inside(from.name, &format!("use crate::{}::X;", to.name));
                assert_eq!(
                    verdict.is_none(),
                    from.sees.contains(&to.name),
                    "{} -> {}: {verdict:?}",
                    from.name,
                    to.name
                );
            }
            for to in ["strait-mem", "strait-sys"] {
                let verdict = inside(from.name, &format!("fn f() {{ {}::x() }}", to.replace('-', "_")));
                assert_eq!(verdict.is_none(), from.crates.contains(&to), "{} -> {to}: {verdict:?}", from.name);
            }
        }
    }

    /// The arrows that the design names in words, spelled out by hand: the table itself cannot drift unseen.
    #[test]
    fn the_design_in_words() {
        refused(verdict("strait-cli", &[], "use strait_sys::futex;"), "strait-cli may not see strait-sys");
        refused(verdict("strait-cli", &[], "fn f(v: strait_mem::View) {}"), "strait-cli may not see strait-mem");
        refused(verdict("strait-sys", &[], "use strait_mem::View;"), "strait-sys may not see strait-mem");
        refused(verdict("strait-mem", &[], "use strait::Error;"), "strait-mem may not see strait");
        refused(verdict("strait-sum", &[], "use strait::spsc;"), "strait-sum may not see strait");
        refused(inside("ring", "use crate::error::Error;"), "strait::ring may not see strait::error");
        refused(inside("ring", "use strait_sys::futex;"), "strait::ring may not see strait-sys");
        refused(inside("region", "use crate::peer::Lease;"), "may not see strait::peer");
        refused(inside("wait", "use crate::ring::Spsc;"), "may not see strait::ring");
        refused(inside("process", "use crate::ring::Spsc;"), "may not see strait::ring");
        refused(inside("transport", "use crate::channel::Sender;"), "may not see strait::channel");
        refused(inside("inspect", "use strait_mem::View;"), "may not see strait-mem");
        refused(inside("channel", "use crate::sync::Mutex;"), "may not see strait::sync");
        refused(inside("channel", "use crate::pool::Pool;"), "may not see strait::pool");
        passes(inside("ring", "use strait_mem::View; use std::fmt; use zerocopy::FromBytes;"));
        passes(inside(
            "channel",
            "use crate::{error, region, peer, wait, ring}; use strait_mem::View; use strait_sys::x;",
        ));
        passes(inside("pool", "use crate::{channel, process, peer, region, error};"));
        passes(verdict("strait-cli", &[], "use strait::Error; use strait_sum::sum;"));
        passes(verdict("strait-testing", &[], "use strait_mem::View; use strait_sys::x; use strait::y;"));
    }

    /// An arrow is seen however it is written.
    #[test]
    fn every_spelling_of_an_arrow() {
        let rule = "strait::region may not see strait::ring";
        refused(inside("region::posix", "use super::super::ring::Spsc;"), rule);
        refused(inside("region", "use super::ring;"), rule);
        refused(inside("region", "use self::super::ring;"), rule);
        refused(inside("region", "fn f() { crate::ring::go() }"), rule);
        refused(inside("region", "use crate::{error::Error, ring::{self, Spsc}};"), rule);
        refused(inside("region", "use crate::ring as r;"), rule);
        refused(inside("region", "mod a { use super::super::ring::X; }"), rule);
        refused(inside("region", "fn f() { assert!(matches!(x, super::ring::State::Full)) }"), rule);
        refused(inside("region", "pub use crate::ring::Spsc;"), rule);
        refused(inside("ring", "fn f() { ::strait_sys::x() }"), "may not see strait-sys");
        refused(inside("ring", "extern crate strait_sys;"), "may not see strait-sys");
        refused(inside("ring", "use ::{strait_sys::x};"), "may not see strait-sys");
    }

    /// Test modules obey the arrows too.
    #[test]
    fn tests_are_not_exempt() {
        refused(
            inside("ring", "#[cfg(test)]\nmod tests { use super::*; use crate::region::Memfd; }"),
            "may not see strait::region",
        );
        passes(inside("ring", "#[cfg(test)]\nmod tests { use super::*; use super::super::ring::X; }"));
    }

    /// A name that the root re-exports is the module it comes from.
    #[test]
    fn root_names_lead_to_their_modules() {
        passes(inside("region", "use crate::{Error, Result};"));
        passes(inside("region", "use crate::View;"));
        refused(inside("ring", "use crate::Error;"), "may not see strait::error");
        refused(inside("region", "use crate::spsc;"), "may not see strait::channel");
        refused(inside("process", "use crate::View;"), "may not see strait-mem");
        refused(inside("region", "use crate::Surprise;"), "neither a module");
    }

    /// The whole crate at once hides what is used.
    #[test]
    fn whole_crate_is_refused() {
        refused(inside("region", "use crate::*;"), "name the module");
        refused(inside("region", "use super::*;"), "name the module");
        refused(inside("region", "use crate as strait;"), "name the module");
    }

    /// The root, and the tests and examples of a package, see the package itself.
    #[test]
    fn own_library_is_seen() {
        passes(verdict("strait", &[], "mod pool; pub use pool::Pool; pub use crate::ring::X; use strait_sys::x;"));
        passes(verdict("strait-sum", &[], "use strait_sum::sum;"));
    }

    /// A crate that nobody placed is refused.
    #[test]
    fn unknown_crate_is_refused() {
        refused(crate_arrow("strait-extra", "strait"), "has no row");
    }

    /// A finding names its file and line.
    #[test]
    fn finding_names_file_and_line() {
        let place = Place { file: "a/b.rs".into(), package: "strait".into(), module: Some(vec!["ring".into()]) };
        let findings = judge(&place, &read("\n\nuse crate::wait::Futex;").expect("Rust"), &Exports::new());
        assert!(
            findings[0].to_string().starts_with("a/b.rs:3: strait::ring may not see strait::wait"),
            "{}",
            findings[0]
        );
    }
}
