//! Files of Unix sockets that nobody is bound to any more: the next one who binds the name is refused.

use crate::bound::is_bound;
use crate::doctor::finding::{Finding, State};
use crate::doctor::machine::Machine;
use crate::text::safe;
use std::fs;
use std::os::unix::fs::FileTypeExt as _;

/// Where programs put them. Looked at without what is below.
const DIRECTORIES: [&str; 2] = ["/run", "/tmp"];
/// So many are named.
const NAMED_MAX: usize = 3;

pub(super) fn check(machine: &Machine) -> Vec<Finding> {
    let own = format!("/run/user/{}", machine.uid);
    let directories = DIRECTORIES.into_iter().chain([own.as_str()]);
    let paths = directories.flat_map(|directory| {
        let names = machine.names(directory).unwrap_or_default();
        names.into_iter().map(move |name| format!("{directory}/{name}"))
    });
    let is_left = |path: &String| {
        let at = machine.path(path);
        fs::symlink_metadata(&at).is_ok_and(|it| it.file_type().is_socket()) && is_bound(&at) == Some(false)
    };
    let left: Vec<String> = paths.filter(is_left).collect();
    let Some(first) = left.first() else { return Vec::new() };
    let few = left.iter().take(NAMED_MAX).map(|path| safe(path)).collect::<Vec<_>>().join(", ");
    let more = if left.len() > NAMED_MAX { format!(" and {} more", left.len() - NAMED_MAX) } else { String::new() };
    vec![
        Finding::new("sockets", "socket files", State::Note, format!("nobody is bound to {few}{more}"))
            .means("Whoever was has ended. Connecting fails with ECONNREFUSED, and binding the name again with EADDRINUSE.")
            .mend(format!("strait rm '{}'", safe(first))),
    ]
}
