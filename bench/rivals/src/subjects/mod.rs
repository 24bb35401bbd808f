//! strait's channels, as a user would use them.

pub(crate) mod spsc;
