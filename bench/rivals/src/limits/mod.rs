//! Our own raw rings, in plain shared memory without recovery: what the hardware allows when all are right and nobody dies.

pub(crate) mod broadcast;
pub(crate) mod lines;
pub(crate) mod mpmc;
pub(crate) mod seqlock;
pub(crate) mod spsc;
