//! What is measured: strait's own channels, through the public interface alone.

pub(crate) mod broadcast;
pub(crate) mod locks;
pub(crate) mod many;
pub(crate) mod mpmc;
pub(crate) mod rpc;
pub(crate) mod spsc;
pub(crate) mod transports;
pub(crate) mod watch;
