//! Links in the Markdown pages lead somewhere: the file is there, and the heading is in it.
//!
//! Links to other hosts are not followed: a step that needs the network fails for reasons that are not ours.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::{Failure, Outcome};

pub(crate) fn check(root: &Path) -> Outcome {
    let mut pages = BTreeMap::new();
    collect(root, "", &mut pages).map_err(Failure::Failed)?;
    let broken = broken(&pages, |path| root.join(path).exists());
    for finding in &broken {
        println!("{finding}");
    }
    println!("{} pages, {} broken links", pages.len(), broken.len());
    if broken.is_empty() { Ok(()) } else { Err(Failure::Failed(format!("{} links lead nowhere", broken.len()))) }
}

/// Every `.md` file below `folder`, except in hidden folders and in what cargo built.
fn collect(folder: &Path, path: &str, pages: &mut BTreeMap<String, String>) -> Result<(), String> {
    let trouble = |error| format!("read folder '{}': {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(trouble)? {
        let entry = entry.map_err(trouble)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let child = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
        if entry.path().is_dir() {
            if !name.starts_with('.') && name != "target" && !entry.path().join("CACHEDIR.TAG").exists() {
                collect(&entry.path(), &child, pages)?;
            }
        } else if name.ends_with(".md") {
            let text = fs::read_to_string(entry.path()).map_err(|error| format!("read '{child}': {error}"))?;
            pages.insert(child, text);
        }
    }
    Ok(())
}

/// The links of `pages` that lead nowhere, as `file:line: what`; `exists` answers for what is no page.
fn broken(pages: &BTreeMap<String, String>, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut findings = Vec::new();
    for (page, text) in pages {
        for (line, link) in links(text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) =
                link.split_once('#').map_or((link.as_str(), None), |(path, anchor)| (path, Some(anchor)));
            let Some(target) = resolve(page, path) else {
                findings.push(format!("{page}:{line}: '{link}' leads out of the repository"));
                continue;
            };
            match pages.get(&target) {
                Some(text) => {
                    if let Some(anchor) = anchor.filter(|anchor| !anchors(text).contains(&String::from(*anchor))) {
                        findings.push(format!("{page}:{line}: {target} has no heading '#{anchor}'"));
                    }
                }
                None if exists(&target) => {}
                None => findings.push(format!("{page}:{line}: there is no '{target}'")),
            }
        }
    }
    findings
}

/// `path` as seen from `page`, from the root of the repository; None when it leads out of it.
fn resolve(page: &str, path: &str) -> Option<String> {
    if path.is_empty() {
        return Some(String::from(page));
    }
    let mut parts: Vec<&str> = match path.strip_prefix('/') {
        Some(_) => Vec::new(),
        None => page.rsplit_once('/').map_or(Vec::new(), |(folder, _)| folder.split('/').collect()),
    };
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// The targets of `[text](target)` and `[name]: target`, with their lines; code is left out.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        let line = without_code(line);
        if let Some((name, target)) = line.trim_start().strip_prefix('[').and_then(|rest| rest.split_once("]: ")) {
            if !name.contains(']') {
                found.extend(first_word(target).map(|it| (number, it)));
                continue;
            }
        }
        for rest in line.split("](").skip(1) {
            let target = rest.split(')').next().unwrap_or_default();
            found.extend(first_word(target).map(|it| (number, it)));
        }
    }
    found
}

/// `path "title"` is `path`.
fn first_word(target: &str) -> Option<String> {
    target.split_whitespace().next().map(|it| String::from(it.trim_matches(['<', '>'])))
}

/// The lines outside fenced blocks, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fence: Option<&str> = None;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let start = line.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| start.starts_with(mark));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            (None, None) => return Some((index + 1, line)),
            _ => {}
        }
        None
    })
}

/// The line without what stands between backquotes.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// The anchors that a page's headings get: lower case, spaces to hyphens, punctuation dropped, repeats numbered.
fn anchors(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (_, line) in prose(text) {
        let title = line.trim_start_matches('#');
        if title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let keep = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        let slug: String =
            title.trim().to_lowercase().chars().map(|c| if c == ' ' { '-' } else { c }).filter(|c| keep(*c)).collect();
        let count = seen.entry(slug.clone()).or_default();
        found.push(if *count == 0 { slug } else { format!("{slug}-{count}") });
        *count += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken_in(pages: &[(&str, &str)]) -> Vec<String> {
        let pages = pages.iter().map(|(name, text)| (String::from(*name), String::from(*text))).collect();
        broken(&pages, |path| path == "LICENSE-MIT" || path == "docs")
    }

    /// Links to pages, files, folders, headings and other hosts that are there are fine.
    #[test]
    fn sound_links_pass() {
        let a = "[b](docs/b.md#the-end-of-it) [l](LICENSE-MIT \"title\") [d](docs/) [w](https://x.y/z#q)\n[s](#here)\n[r]: docs/b.md\n## Here!\n";
        let b = "# The *end* of `it`\n[up](../a.md#here) [root](/a.md)\n";
        assert_eq!(broken_in(&[("a.md", a), ("docs/b.md", b)]), Vec::<String>::new());
    }

    /// A missing file, a missing heading and a way out of the repository are found with their lines.
    #[test]
    fn broken_links_are_found() {
        let found = broken_in(&[("a.md", "# A\n[x](nope.md)\n[y](#nope)\n[z](../etc)\n[r]: gone.md\n")]);
        assert_eq!(
            found,
            [
                "a.md:2: there is no 'nope.md'",
                "a.md:3: a.md has no heading '#nope'",
                "a.md:4: '../etc' leads out of the repository",
                "a.md:5: there is no 'gone.md'"
            ]
        );
    }

    /// Code is no link: fenced blocks and what stands between backquotes.
    #[test]
    fn code_is_no_link() {
        assert_eq!(
            broken_in(&[("a.md", "```text\n[x](nope.md)\n```\n`[y](nope.md)` and `a[i](j)`\n")]),
            Vec::<String>::new()
        );
    }

    /// Headings that repeat are numbered, and a hash in code is no heading.
    #[test]
    fn headings_become_anchors() {
        assert_eq!(anchors("# A b\n```sh\n# not\n```\n## A b\n#no\n"), ["a-b", "a-b-1"]);
    }
}
