//! Which checks know which sources: unit tests of what was changed, its own models, and the tests with processes that use it.
//!
//! A mutant is tried against the checks of the first line that its file's path begins with, and no others: so that one costs little, and
//! what notices is near what was changed.

/// The checks for some files.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Checks {
    /// What their paths begin with, below `crates/strait/src`.
    of: &'static str,
    /// Unit tests that are no models, by a part of their names.
    pub(crate) units: &'static [&'static str],
    /// Models, by a part of their names, in their order.
    pub(crate) models: &'static [&'static str],
    /// Tests with real processes, quickest first.
    pub(crate) processes: &'static [&'static str],
}

/// What puts a channel of two to the test.
const SPSC: &[&str] = &[
    "hostile_slots",
    "spsc_one_process",
    "regions",
    "fork_guard",
    "attach_garbage",
    "hostile_dead",
    "spsc_two_processes",
    "leases",
];
/// The same, and who waits for its ends beside other things.
const WAITED_FOR: &[&str] = &[
    "hostile_slots",
    "spsc_one_process",
    "regions",
    "fork_guard",
    "selector",
    "tasks",
    "attach_garbage",
    "hostile_dead",
    "spsc_two_processes",
    "leases",
];
/// What puts all channels of many to the test.
const MANY: &[&str] = &[
    "rpc_one_process",
    "broadcast_one_process",
    "fork_guard",
    "watch",
    "mpmc",
    "broadcast",
    "rpc",
    "selector_of_many",
    "discovery",
];
/// What puts all locks to the test.
const LOCKS: &[&str] = &["mutex", "semaphore"];
/// The same, and channels of many.
const LOCKS_AND_MANY: &[&str] = &[
    "mutex",
    "semaphore",
    "rpc_one_process",
    "broadcast_one_process",
    "fork_guard",
    "watch",
    "mpmc",
    "broadcast",
    "rpc",
    "selector_of_many",
    "discovery",
];
/// What waits on many at once.
const SOURCES: &[&str] = &["tasks", "selector", "selector_of_many"];

const ALL: [Checks; 23] = [
    Checks {
        of: "ring/lane/blocks.rs",
        units: &["ring::lane::blocks::"],
        models: &["ring::model::blocks::"],
        processes: &["broadcast_blocks_one_process", "broadcast_blocks"],
    },
    // Of lanes that refer to blocks too.
    Checks {
        of: "ring/lane/writer.rs",
        units: &["ring::lane::"],
        models: &["ring::model::lane::", "ring::model::blocks::"],
        processes: BROADCAST,
    },
    Checks { of: "ring/lane", units: &["ring::lane::"], models: &["ring::model::lane::"], processes: BROADCAST },
    Checks {
        of: "ring/moment.rs",
        units: &["ring::plain::"],
        models: &["ring::model::model_", "ring::model::slots::"],
        processes: SPSC,
    },
    Checks { of: "ring/mpmc/", units: &["ring::mpmc::"], models: &["ring::mpmc::model::"], processes: MPMC },
    Checks { of: "ring/rpc/", units: &["ring::rpc::"], models: &["ring::rpc::model::"], processes: RPC },
    Checks { of: "ring/slots.rs", units: &["ring::plain::"], models: &["ring::model::slots::"], processes: SPSC },
    Checks { of: "ring/watch.rs", units: &["ring::watch::"], models: &["ring::model::watch::"], processes: WATCH },
    Checks {
        of: "ring/",
        units: &["ring::plain::", "ring::record::"],
        models: &["ring::model::model_", "ring::model::slots::"],
        processes: SPSC,
    },
    Checks { of: "wait/bridge.rs", units: &["wait::bridge::"], models: &[], processes: SOURCES },
    // Of locks too, which ask who sleeps.
    Checks {
        of: "wait/eventcount.rs",
        units: &["wait::eventcount::", "sync::"],
        models: &["wait::model::eventcount::", "sync::model::"],
        processes: LOCKS_AND_MANY,
    },
    Checks {
        of: "wait/link.rs",
        units: &["wait::turn::"],
        models: &["wait::model::model_", "wait::model::many::"],
        processes: SPSC,
    },
    Checks { of: "wait/source.rs", units: &["wait::source::"], models: &["wait::model::many::"], processes: SOURCES },
    Checks {
        of: "wait/",
        units: &["wait::"],
        models: &["wait::model::model_", "wait::model::many::", "wait::model::eventcount::"],
        processes: SPSC,
    },
    Checks {
        of: "peer/seat.rs",
        units: &["peer::seat::", "channel::hub::"],
        models: &["peer::model::seats::"],
        processes: MANY,
    },
    Checks {
        of: "peer/side.rs",
        units: &["peer::side::", "wait::turn::"],
        models: &["wait::model::model_"],
        processes: SPSC,
    },
    Checks { of: "peer/", units: &["peer::", "channel::hub::"], models: &["peer::model::"], processes: SPSC },
    // The only ones that leave later than they go.
    Checks {
        of: "channel/hub/departure.rs",
        units: &["channel::"],
        models: &[],
        processes: &["broadcast_blocks_one_process", "broadcast_blocks"],
    },
    Checks {
        of: "channel/hub/locks.rs",
        units: &["channel::", "sync::"],
        models: &["sync::model::"],
        processes: LOCKS,
    },
    Checks { of: "channel/hub", units: &["channel::"], models: &[], processes: MANY },
    Checks { of: "channel/endpoint.rs", units: &["channel::"], models: &[], processes: WAITED_FOR },
    Checks { of: "channel/spsc/source.rs", units: &["channel::"], models: &[], processes: WAITED_FOR },
    Checks { of: "channel/", units: &["channel::"], models: &[], processes: SPSC },
];

const BROADCAST: &[&str] = &["broadcast_one_process", "broadcast_blocks_one_process", "broadcast", "selector_of_many"];
const MPMC: &[&str] = &["mpmc", "selector_of_many"];
const RPC: &[&str] = &["rpc_one_process", "rpc", "selector_of_many"];
const WATCH: &[&str] = &["watch", "watch_liar", "selector_of_many"];

/// Those for a file, whose path is from the root.
pub(crate) fn of(file: &str) -> Result<&'static Checks, String> {
    let path = file.strip_prefix("crates/strait/src/").unwrap_or(file);
    let known = ALL.iter().find(|checks| path.starts_with(checks.of));
    known.ok_or_else(|| format!("{file}: no checks are known; see testing/src/bin/mutants/checks.rs"))
}

/// The names of all tests with processes.
pub(crate) fn processes() -> Vec<&'static str> {
    let mut names: Vec<&str> = ALL.iter().flat_map(|checks| checks.processes).copied().collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The nearest line counts, tests with processes are there, and each line is the first for something.
    #[test]
    fn checks_are_found() {
        let of = |file: &str| of(&format!("crates/strait/src/{file}")).expect("known").of;
        assert_eq!(of("ring/lane/reader.rs"), "ring/lane");
        assert_eq!(of("ring/records.rs"), "ring/");
        assert_eq!(of("channel/hub.rs"), "channel/hub");
        assert!(super::of("crates/strait/src/name.rs").is_err());
        for name in processes() {
            let path = strait_testing::variant::root().join(format!("testing/tests/{name}.rs"));
            assert!(path.exists(), "{}", path.display());
        }
        for (at, line) in ALL.iter().enumerate() {
            assert!(ALL[..at].iter().all(|before| !line.of.starts_with(before.of)), "{} is hidden", line.of);
        }
    }
}
