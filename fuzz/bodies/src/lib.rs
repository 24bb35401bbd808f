//! What the fuzz targets do: plain functions of an input, called by the fuzzer (`fuzz_targets/`) and, on what was kept of its
//! inputs, by `cargo test` (`tests/replay.rs`).
//!
//! | target | the input is | claim |
//! |---|---|---|
//! | [`attach`] | a region, header and all | attaching yields a typed error or an end that works |
//! | [`receive`] | a sound channel's ring and sides, scribbled on between calls of its two ends | each call yields a value or a typed error |
//! | [`many`] | a region of a channel of many, and scribbles between the calls of its ends | as both |
//! | [`layout`] | bytes for each parser of what a peer wrote | what is accepted is in bounds and survives the way back |
//! | [`sum`] | lines of text, and where they are cut | sums and faults are those of a slow exact oracle |
//!
//! An input never makes a target panic, hang, or allocate by a number that stands in the input. A target panics when a claim does
//! not hold; the time and the size of an allocation are watched by who runs it.
//!
//! Parsers that the crates keep to themselves are compiled in from their files, so that no crate opens a door for fuzzing.

mod attach;
mod ends;
mod layout;
mod many;
mod receive;
mod region;
#[allow(dead_code, reason = "the writing half is the ring's")]
mod ring;
mod script;
mod sum;

/// The oracle of `strait-sum`'s tests.
#[path = "../../../crates/strait-sum/tests/exact/oracle.rs"]
mod oracle;

/// Runs of its scanner over blocks, as in its tests.
#[path = "../../../crates/strait-sum/tests/exact/blocks.rs"]
mod blocks;

/// A part of a pool's result.
#[allow(dead_code, reason = "the length of a part is the pool's")]
#[path = "../../../crates/strait/src/pool/part.rs"]
mod part;

/// A block's result, as `strait sum`'s workers send it.
#[allow(dead_code, reason = "the writing half is the worker's")]
#[path = "../../../crates/strait-cli/src/sum/wire.rs"]
mod wire;

pub use attach::attach;
pub use layout::layout;
pub use many::many;
pub use receive::receive;
pub use sum::sum;

/// A target.
pub type Target = fn(&[u8]);

/// The targets by name, as their corpora are called.
pub const TARGETS: [(&str, Target); 5] =
    [("attach", attach), ("receive", receive), ("many", many), ("layout", layout), ("sum", sum)];
