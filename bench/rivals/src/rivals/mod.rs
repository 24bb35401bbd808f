//! What users would pick instead: one file each, used as its documentation advises for speed.

#[cfg(feature = "aeron")]
pub(crate) mod aeron;
pub(crate) mod bytes;
pub(crate) mod crossbeam;
pub(crate) mod iceoryx2;
pub(crate) mod iceoryx2_blackboard;
pub(crate) mod iceoryx2_calls;
pub(crate) mod interprocess;
pub(crate) mod ipc_channel;
pub(crate) mod ipckit;
pub(crate) mod mq;
pub(crate) mod pipe;
pub(crate) mod rtrb;
pub(crate) mod shmem_ipc;
pub(crate) mod shmring;
pub(crate) mod unix;
