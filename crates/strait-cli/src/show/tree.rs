//! Parents and children, zombies marked.

use crate::screen::Paint;
use crate::seen::Seen;
use crate::text::safe;
use strait::inspect::machine::Process;

/// More are counted only.
const CHILDREN_MAX: usize = 200;

/// Its parents, the nearest first.
pub(super) fn ancestors<'a>(seen: &'a Seen, of: &Process) -> Vec<&'a Process> {
    let mut found: Vec<&Process> = Vec::new();
    let mut pid = of.parent_pid;
    while let Some(parent) = seen.process(pid) {
        // Read at different moments, ids may go in a circle.
        if parent.pid == of.pid || found.iter().any(|it| it.pid == parent.pid) {
            break;
        }
        found.push(parent);
        pid = parent.parent_pid;
    }
    found
}

/// Its children, and theirs, each behind its parent, with how deep it is.
pub(super) fn descendants<'a>(seen: &'a Seen, of: &Process) -> Vec<(usize, &'a Process)> {
    let mut found = Vec::new();
    below(seen, of.pid, 1, &mut found);
    found
}

fn below<'a>(seen: &'a Seen, pid: u32, depth: usize, found: &mut Vec<(usize, &'a Process)>) {
    if depth > 64 {
        return;
    }
    for child in seen.processes.iter().filter(|it| it.parent_pid == pid && it.pid != pid) {
        found.push((depth, child));
        below(seen, child.pid, depth + 1, found);
    }
}

/// The tree around a process, itself in the middle.
pub(super) fn text(seen: &Seen, of: &Process, paint: Paint) -> String {
    let mut text = String::new();
    let mut depth = 0;
    let above: Vec<&Process> = ancestors(seen, of);
    for parent in above.iter().rev() {
        text += &line(depth, &words(parent));
        depth += 1;
    }
    text += &line(depth, &paint.bold(&words(of)));
    let below = descendants(seen, of);
    for (deeper, child) in below.iter().take(CHILDREN_MAX) {
        let words = words(child);
        text += &line(depth + deeper, &if child.state == 'Z' { paint.bad(&words) } else { words });
    }
    if below.len() > CHILDREN_MAX {
        text += &format!("  ... and {} more\n", below.len() - CHILDREN_MAX);
    }
    text
}

fn line(depth: usize, words: &str) -> String {
    match depth {
        0 => format!("  {words}\n"),
        deep => format!("  {}`- {words}\n", "   ".repeat(deep - 1)),
    }
}

fn words(process: &Process) -> String {
    let state = match process.state {
        'Z' => " zombie: it has ended, and its parent has not waited for it",
        'T' | 't' => " stopped",
        _ => "",
    };
    format!("{} {}{state}", process.pid, safe(&process.command))
}
