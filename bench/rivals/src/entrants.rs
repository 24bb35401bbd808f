//! The one list of what is measured. To add one: a file that implements [`Wire`](crate::seam::Wire), and a line here.

use std::io;
use std::sync::OnceLock;

use crate::limits::{broadcast, lines, mpmc, seqlock, spsc as raw_spsc};
use crate::rivals::{
    crossbeam, iceoryx2, iceoryx2_blackboard, iceoryx2_calls, interprocess, ipc_channel, ipckit, mq, pipe, rtrb,
    shmem_ipc, shmring, unix,
};
use crate::seam::{Camp, Entrant};
use crate::subjects;

/// All of them, in the order of the tables.
pub(crate) fn all() -> &'static [Entrant] {
    static ALL: OnceLock<Vec<Entrant>> = OnceLock::new();
    ALL.get_or_init(|| {
        use Camp::{InProcess, Kernel, Limit, Ours, Rival};
        vec![
            Entrant::new::<lines::Wires>("raw lines", Limit),
            Entrant::new::<raw_spsc::Wires>("raw SPSC ring", Limit),
            Entrant::new::<mpmc::Wires>("raw MPMC ring", Limit),
            Entrant::new::<broadcast::Wires>("raw broadcast ring", Limit),
            Entrant::of_latest("raw sequence lock", Limit, seqlock::open),
            Entrant::new::<subjects::spsc::Wires>("strait spsc", Ours),
            Entrant::new::<subjects::selector::Wires>("strait spsc, Selector", Ours),
            Entrant::new::<subjects::mpmc::Wires>("strait mpmc", Ours),
            Entrant::new::<subjects::mpmc_batches::Wires>("strait mpmc, batches", Ours),
            Entrant::new::<subjects::broadcast::Wires>("strait broadcast", Ours),
            Entrant::new::<subjects::broadcast_batches::Wires>("strait broadcast, batches", Ours),
            Entrant::of_calls("strait watch", Ours, subjects::watch::open, subjects::watch::cannot),
            Entrant::of_calls("strait rpc", Ours, subjects::rpc::open, subjects::rpc::cannot),
            Entrant::new::<iceoryx2::Wires>("iceoryx2", Rival),
            Entrant::of_calls("iceoryx2 calls", Rival, iceoryx2_calls::calls, iceoryx2_calls::calls_cannot),
            Entrant::of_calls("iceoryx2 events", Rival, iceoryx2_calls::events, iceoryx2_calls::events_cannot),
            Entrant::of_latest("iceoryx2 blackboard", Rival, iceoryx2_blackboard::open),
            #[cfg(feature = "aeron")]
            Entrant::new::<crate::rivals::aeron::Wires>("Aeron IPC", Rival),
            Entrant::new::<shmem_ipc::Wires>("shmem-ipc", Rival),
            Entrant::new::<shmring::Wires>("shmring", Rival),
            Entrant::new::<ipc_channel::Wires>("ipc-channel", Rival),
            Entrant::new::<interprocess::Wires>("interprocess", Rival),
            Entrant::new::<ipckit::Wires>("ipckit", Rival),
            Entrant::new::<pipe::Wires>("pipe", Kernel),
            Entrant::new::<unix::Wires>("Unix socket", Kernel),
            Entrant::new::<mq::Wires>("POSIX mq", Kernel),
            Entrant::new::<rtrb::Wires>("rtrb", InProcess),
            Entrant::new::<crossbeam::Wires>("crossbeam-channel", InProcess),
        ]
    })
}

pub(crate) fn find(name: &str) -> io::Result<&'static Entrant> {
    all().iter().find(|it| it.name == name).ok_or_else(|| io::Error::other(format!("there is no entrant '{name}'")))
}
