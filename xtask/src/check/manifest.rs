//! What a `Cargo.toml` of ours says: the name of its package, and what it depends on, line by line.
//!
//! Not a TOML reader: it knows the four ways a dependency is written in this workspace (`name = "1"`, `name.workspace = true`,
//! `name = { package = "other" }`, `[dependencies.name]`), under any target, and skips lists that span lines.

/// One dependency, with the line it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) kind: Kind,
}

/// Which table a dependency stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Dev,
    Build,
}

/// The parts of a manifest that the rules and the packaging look at.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// None for a workspace that is no package.
    pub(crate) package: Option<String>,
    /// It does not say `publish = false`.
    pub(crate) published: bool,
    pub(crate) dependencies: Vec<Dependency>,
}

pub(crate) fn read(text: &str) -> Manifest {
    let mut manifest = Manifest { published: true, ..Manifest::default() };
    let mut section = String::new();
    let mut open = 0_i32;
    for (index, raw) in text.lines().enumerate() {
        let line = without_comment(raw).trim();
        if open > 0 || line.is_empty() {
            open += brackets(line);
            continue;
        }
        if line.starts_with('[') {
            section = String::from(line.trim_matches(['[', ']']).trim());
            if let Some((kind, Some(name))) = dependency_section(&section) {
                manifest.dependencies.push(Dependency { name, line: index + 1, kind });
            }
            continue;
        }
        open += brackets(line);
        let Some((key, value)) = line.split_once('=') else { continue };
        let (key, value) = (key.trim(), value.trim());
        match (section.as_str(), key) {
            ("package", "name") => manifest.package = Some(unquote(value)),
            ("package", "publish") => manifest.published = value != "false",
            _ => match dependency_section(&section) {
                Some((kind, None)) => add(&mut manifest, key, value, index + 1, kind),
                Some((_, Some(_))) if key == "package" => rename_last(&mut manifest, value),
                _ => {}
            },
        }
    }
    manifest
}

/// A line of a table of dependencies; `name.workspace` and `name.features` are one dependency.
fn add(manifest: &mut Manifest, key: &str, value: &str, line: usize, kind: Kind) {
    let (name, rest) = key.split_once('.').unwrap_or((key, ""));
    let name = unquote(name);
    if manifest.dependencies.last().is_some_and(|it| it.name == name && it.kind == kind && !rest.is_empty()) {
        return;
    }
    let real = value.split_once("package").and_then(|(_, after)| after.split('"').nth(1)).map_or(name, String::from);
    manifest.dependencies.push(Dependency { name: real, line, kind });
}

fn rename_last(manifest: &mut Manifest, value: &str) {
    if let Some(last) = manifest.dependencies.last_mut() {
        last.name = unquote(value);
    }
}

/// What `dependencies`, `target.'cfg(unix)'.dev-dependencies` or `dependencies.libc` is a table of.
fn dependency_section(section: &str) -> Option<(Kind, Option<String>)> {
    // A target may hold dots and spaces, and is quoted then.
    let section = match section.strip_prefix("target.") {
        Some(target) => match target.chars().next()? {
            quote @ ('"' | '\'') => target[1..].split_once(quote)?.1.strip_prefix('.')?,
            _ => target.split_once('.')?.1,
        },
        None => section,
    };
    let (table, name) = section.split_once('.').map_or((section, None), |(table, name)| (table, Some(unquote(name))));
    let kind = match table {
        "dependencies" => Kind::Normal,
        "dev-dependencies" => Kind::Dev,
        "build-dependencies" => Kind::Build,
        _ => return None,
    };
    Some((kind, name))
}

fn without_comment(line: &str) -> &str {
    let mut quote = None;
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (None, '#') => return &line[..at],
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
    }
    line
}

fn brackets(line: &str) -> i32 {
    line.chars().map(|c| i32::from("[{".contains(c)) - i32::from("]}".contains(c))).sum()
}

fn unquote(text: &str) -> String {
    String::from(text.trim().trim_matches(['"', '\'']))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every way to write a dependency is read, once, with its line.
    #[test]
    fn every_spelling_is_read() {
        let manifest = read(concat!(
            "[package]\nname = \"strait\" # ours\npublish = false\n\n",
            "[dependencies]\nlibc.workspace = true\nzerocopy = { version = \"0.8\", features = [\n  \"derive\",\n] }\n",
            "sys = { package = \"strait-sys\", path = \"../strait-sys\" }\nrustix.workspace = true\nrustix.features = [\"mm\"]\n",
            "# old = \"1\"\n[dependencies.strait-mem]\nworkspace = true\n",
            "[target.'cfg(target_os = \"linux\")'.dependencies]\nlinux = \"1\"\n",
            "[dev-dependencies]\nloom = \"0.7\"\n[features]\ndefault = []\n",
        ));
        assert_eq!(manifest.package.as_deref(), Some("strait"));
        assert!(!manifest.published);
        let normal: Vec<_> = manifest
            .dependencies
            .iter()
            .filter(|it| it.kind == Kind::Normal)
            .map(|it| (it.name.as_str(), it.line))
            .collect();
        assert_eq!(
            normal,
            [("libc", 6), ("zerocopy", 7), ("strait-sys", 10), ("rustix", 11), ("strait-mem", 14), ("linux", 17)]
        );
        assert_eq!(manifest.dependencies.last().map(|it| (it.name.as_str(), it.kind)), Some(("loom", Kind::Dev)));
    }

    /// A workspace is no package, and its shared versions are nobody's dependencies.
    #[test]
    fn workspace_has_no_dependencies() {
        let manifest = read("[workspace]\nmembers = [\"a\"]\n[workspace.dependencies]\nlibc = \"0.2\"\n");
        assert_eq!(manifest, Manifest { published: true, ..Manifest::default() });
    }
}
