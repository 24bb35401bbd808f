//! Which function and line an address of a tracee belongs to.

use addr2line::Loader;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A file that is mapped for execution.
#[derive(Clone, Debug)]
struct Mapped {
    start: u64,
    end: u64,
    /// Where the file's first byte is mapped: what a position-independent program is displaced by.
    base: u64,
    path: PathBuf,
}

/// The code of a process, as `/proc/PID/maps` says it is mapped. Stays good after the process is gone.
#[derive(Clone, Debug, Default)]
pub struct Map(Vec<Mapped>);

impl Map {
    /// Reads the map of a process; empty for one that is gone.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        let text = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
        let mut bases: HashMap<PathBuf, u64> = HashMap::new();
        let mut code = Vec::new();
        for line in text.lines() {
            // start-end rights offset device inode path
            let words: Vec<&str> = line.split_whitespace().collect();
            let [range, rights, _, _, _, path, ..] = words[..] else { continue };
            let Some((start, end)) = range.split_once('-') else { continue };
            let (Ok(start), Ok(end)) = (u64::from_str_radix(start, 16), u64::from_str_radix(end, 16)) else { continue };
            let path = PathBuf::from(path);
            let base = *bases.entry(path.clone()).or_insert(start);
            if rights.contains('x') {
                code.push(Mapped { start, end, base, path });
            }
        }
        Self(code)
    }

    /// The mapped file that holds an address, and the address within it.
    #[must_use]
    pub fn find(&self, address: u64) -> Option<(&Path, u64)> {
        let found = self.0.iter().find(|it| (it.start..it.end).contains(&address))?;
        Some((&found.path, address - found.base))
    }
}

/// Reads debug information once per file.
#[derive(Default)]
pub struct Source(HashMap<PathBuf, Option<Loader>>);

impl Source {
    /// `function (file:line)`, with the callers that it was inlined into; as much as is known.
    pub fn of(&mut self, map: &Map, address: u64) -> String {
        let Some((path, inside)) = map.find(address) else { return format!("{address:#x}") };
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let plain = format!("{file}+{inside:#x}");
        let loader = self.0.entry(path.to_path_buf()).or_insert_with(|| Loader::new(path).ok());
        let Some(loader) = loader else { return plain };
        let mut told = Vec::new();
        if let Ok(mut frames) = loader.find_frames(inside) {
            while let Ok(Some(frame)) = frames.next() {
                let function =
                    frame.function.as_ref().and_then(|it| it.demangle().ok().map(std::borrow::Cow::into_owned));
                let line = frame.location.as_ref().and_then(|it| Some((it.file?, it.line?)));
                match (function, line) {
                    (Some(function), Some((file, line))) => told.push(format!("{function} ({}:{line})", short(file))),
                    (Some(function), None) => told.push(function),
                    (None, Some((file, line))) => told.push(format!("{}:{line}", short(file))),
                    (None, None) => {}
                }
            }
        }
        if told.is_empty() {
            return loader.find_symbol(inside).map_or(plain, |symbol| format!("{symbol} in {file}"));
        }
        told.join(" < ")
    }
}

/// A path of ours as it reads from the root of the workspace; others from their last folders.
fn short(file: &str) -> String {
    let ours = ["crates/", "testing/"].iter().find_map(|root| file.rfind(root));
    let parts: Vec<&str> = file.rsplit('/').take(3).collect();
    ours.map_or_else(|| parts.into_iter().rev().collect::<Vec<_>>().join("/"), |at| file[at..].to_owned())
}
