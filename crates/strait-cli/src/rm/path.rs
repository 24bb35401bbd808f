//! What only a path leads to: nobody has it open, so nothing lists it.

use super::target::{Target, Way};
use crate::text::safe;
use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::PathBuf;
use strait::region::Place;

/// What is at a path; `None`: the name is none, or there is nothing. An error says why it is not for `rm`.
pub(super) fn target(name: &str) -> Option<Result<Target<'static>, String>> {
    let (kind, path) = match name.split_once(':') {
        Some((kind @ ("fifo" | "unix" | "file"), path)) => (Some(kind), path),
        _ => (None, name),
    };
    if kind.is_none() && !path.contains('/') {
        return None;
    }
    let shown = safe(path);
    let stat = fs::symlink_metadata(path).ok()?.file_type();
    let path = PathBuf::from(path);
    let (is, way) = match stat {
        it if it.is_fifo() => ("fifo", Way::Path(path)),
        it if it.is_socket() => ("unix", Way::Path(path)),
        it if it.is_file() => ("file", Way::Own(Place::file(path))),
        _ => return Some(Err(format!("remove {shown}: it is no object for exchange"))),
    };
    if let Some(kind) = kind.filter(|kind| *kind != is) {
        return Some(Err(format!("remove {shown}: it is of kind {is}, not {kind}")));
    }
    Some(Ok(Target::unheld(format!("{is}:{shown}"), way)))
}
