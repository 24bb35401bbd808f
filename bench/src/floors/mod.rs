//! The floors: what the machine allows to two processes that trust each other and never die.
//!
//! None checks what it reads, recovers, or knows a name. A subject is measured beside its floor, in the same run.

pub(crate) mod calls;
pub(crate) mod digits;
pub(crate) mod futex;
pub(crate) mod laboratory;
pub(crate) mod lines;
pub(crate) mod locks;
pub(crate) mod payload;
pub(crate) mod pipeline;
pub(crate) mod ring;
pub(crate) mod signals;
