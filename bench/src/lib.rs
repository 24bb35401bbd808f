//! How fast, against what the machine can do.
