//! What is measured: strait's own channels, through the public interface alone.

pub(crate) mod many;
pub(crate) mod spsc;
