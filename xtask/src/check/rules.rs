//! The rules, as tables that read like the design (`ARCHITECTURE.md`, "imports point one way").
//!
//! A row says what a crate, or a module of the crate `strait`, may see; what is not in its row it may not name. A row may
//! only mention rows above it (a test holds that), so no circle can be written here. A crate or module without a row is
//! itself a finding: whoever adds one decides here, in one line, where it stands.

/// A crate and the crates of ours that it may see. `examples` is the folder of that name: what a user would write.
pub(crate) struct Crate {
    pub(crate) name: &'static str,
    pub(crate) sees: &'static [&'static str],
}

/// A module of the crate `strait`: the modules it may see, and the crates of ours.
pub(crate) struct Module {
    pub(crate) name: &'static str,
    pub(crate) sees: &'static [&'static str],
    pub(crate) crates: &'static [&'static str],
}

/// `cli, bindings, bench, testing -> strait -> strait-mem -> strait-sys`, and `strait -> strait-sys`.
#[rustfmt::skip]
pub(crate) const CRATES: &[Crate] = &[
    Crate { name: "strait-sys",     sees: &[] },
    Crate { name: "strait-mem",     sees: &["strait-sys"] },
    Crate { name: "strait",         sees: &["strait-mem", "strait-sys"] },
    Crate { name: "strait-sum",     sees: &[] },
    Crate { name: "strait-cli",     sees: &["strait", "strait-sum"] },
    Crate { name: "strait-testing", sees: &["strait", "strait-mem", "strait-sys"] },
    Crate { name: "strait-fuzz-bodies", sees: &["strait", "strait-mem", "strait-sys", "strait-sum"] },
    Crate { name: "strait-fuzz",    sees: &["strait-fuzz-bodies"] },
    Crate { name: "strait-bench",   sees: &["strait", "strait-mem", "strait-sys", "strait-sum"] },
    Crate { name: "strait-rivals",  sees: &["strait"] },
    Crate { name: "strait-examples", sees: &["strait"] },
    Crate { name: "xtask",          sees: &[] },
];

/// Inside `strait`: `error, name <- region <- peer, wait <- ring <- channel, sync`, the rest beside them.
#[rustfmt::skip]
pub(crate) const MODULES: &[Module] = &[
    Module { name: "error",     sees: &[],                                                     crates: &[] },
    Module { name: "name",      sees: &["error"],                                              crates: &[] },
    Module { name: "region",    sees: &["error", "name"],                                      crates: &["strait-mem", "strait-sys"] },
    Module { name: "peer",      sees: &["error", "name", "region"],                            crates: &["strait-mem", "strait-sys"] },
    Module { name: "gc",        sees: &["error", "region", "peer"],                            crates: &["strait-sys"] },
    Module { name: "wait",      sees: &["error", "name", "region", "peer"],                    crates: &["strait-mem", "strait-sys"] },
    Module { name: "ring",      sees: &[],                                                     crates: &["strait-mem"] },
    Module { name: "channel",   sees: &["error", "name", "region", "peer", "wait", "ring"],    crates: &["strait-mem", "strait-sys"] },
    Module { name: "select",    sees: &["error", "wait"],                                      crates: &["strait-mem", "strait-sys"] },
    Module { name: "task",      sees: &["error", "wait", "channel", "select"],                 crates: &[] },
    // Of the channels a lock sees the hub: seats, leases and eventcounts, which are the same for all objects of many.
    Module { name: "sync",      sees: &["error", "region", "peer", "wait", "channel"],         crates: &["strait-mem", "strait-sys"] },
    // It reads what the others write, and so sees them all.
    Module { name: "discovery", sees: &["error", "name", "region", "peer", "wait", "ring", "channel", "sync"], crates: &["strait-mem", "strait-sys"] },
    Module { name: "process",   sees: &["error", "region"],                                    crates: &["strait-sys"] },
    Module { name: "transport", sees: &["error", "region", "process"],                         crates: &["strait-sys"] },
    Module { name: "link",      sees: &["error", "region", "channel", "process", "transport"], crates: &[] },
    Module { name: "inspect",   sees: &["error", "region"],                                    crates: &["strait-sys"] },
    Module { name: "pool",      sees: &["error", "region", "peer", "channel", "process"],      crates: &[] },
];

/// The crate that [`MODULES`] is about.
pub(crate) const LAYERED: &str = "strait";

/// Where the keyword `unsafe` may stand. Every crate root elsewhere forbids it.
pub(crate) const UNSAFE_UNDER: &[&str] = &["crates/strait-sys", "crates/strait-mem", "testing", "bench", "fuzz"];

/// Names of folders and files that say nothing about what is inside.
pub(crate) const EMPTY_NAMES: &[&str] = &["utils", "util", "common", "manager", "managers"];

/// More lines of code than this, tests and comments not counted, and a file is two files.
pub(crate) const FILE_LINES: usize = 700;

/// The library stays small: its direct dependencies, ours included.
pub(crate) const LIBRARY_DEPENDENCIES: usize = 5;

pub(crate) fn crate_named(name: &str) -> Option<&'static Crate> {
    CRATES.iter().find(|it| it.name == name)
}

pub(crate) fn module_named(name: &str) -> Option<&'static Module> {
    MODULES.iter().find(|it| it.name == name)
}

/// The crate of ours that code calls `ident`: `strait_sys` is `strait-sys`.
pub(crate) fn crate_of_ident(ident: &str) -> Option<&'static str> {
    CRATES.iter().map(|it| it.name).find(|name| name.replace('-', "_") == ident)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row sees only rows above it, so the arrows can have no circle.
    #[test]
    fn tables_point_one_way() {
        for (i, row) in CRATES.iter().enumerate() {
            for seen in row.sees {
                assert!(CRATES[..i].iter().any(|it| it.name == *seen), "{} sees {seen}", row.name);
            }
        }
        for (i, row) in MODULES.iter().enumerate() {
            for seen in row.sees {
                assert!(MODULES[..i].iter().any(|it| it.name == *seen), "{} sees {seen}", row.name);
            }
            for seen in row.crates {
                assert!(crate_named(LAYERED).is_some_and(|it| it.sees.contains(seen)), "{} sees {seen}", row.name);
            }
        }
    }
}
