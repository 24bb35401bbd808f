//! strait's channels, as a user would use them.

mod batches;
pub(crate) mod broadcast;
pub(crate) mod broadcast_batches;
pub(crate) mod mpmc;
pub(crate) mod mpmc_batches;
pub(crate) mod payload;
pub(crate) mod rpc;
pub(crate) mod selector;
pub(crate) mod spsc;
pub(crate) mod watch;

/// Creates an end or opens it, as the party is told: `open!(Producer<M>, way, options)`.
macro_rules! open {
    ($end:ty, $way:expr, $options:expr) => {
        if $way.creates { <$end>::create(&*$way.name, $options) } else { <$end>::open(&*$way.name, $options) }
            .map_err($crate::seam::other)
    };
}
use open;

/// An end of the job's kind of message: `of_bytes!(way, Tx)` is a boxed `Tx<u64>`, `Tx<[u64; 8]>` or `Tx<[u64]>`.
macro_rules! of_bytes {
    ($way:expr, $end:ident) => {
        Ok(match $way.job.bytes {
            8 => Box::new($end::<u64>::open($way)?),
            64 => Box::new($end::<[u64; 8]>::open($way)?),
            _ => Box::new($end::<[u64]>::open($way)?),
        })
    };
}
use of_bytes;
