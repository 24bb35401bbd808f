//! How a channel of calls is made and how an end of it waits.

use crate::region;
use crate::wait::Strategy;
use strait_mem::Trust;

/// Options of a channel of calls. The numbers of seats, lengths, `restartable` and what concerns memory count when it is created; waiting
/// and [`idempotent`](Options::idempotent) are each end's own.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) clients: u32,
    pub(super) servers: u32,
    pub(super) in_flight: u32,
    pub(super) max_request_bytes: u32,
    pub(super) max_answer_bytes: u32,
    pub(super) is_restartable: bool,
    pub(super) is_kept: bool,
    pub(super) is_idempotent: bool,
    pub(super) strategy: Strategy,
    pub(super) region: region::Options,
    pub(super) schema_id: u64,
    pub(super) trust: Option<Trust>,
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// 16 clients with 8 calls each, 4 servers, slices of up to 1 KiB, pipe-like, spin then sleep, mode 0600.
    #[must_use]
    pub fn new() -> Self {
        Self {
            clients: 16,
            servers: 4,
            in_flight: 8,
            max_request_bytes: 1024,
            max_answer_bytes: 1024,
            is_restartable: false,
            is_kept: false,
            is_idempotent: false,
            strategy: Strategy::default(),
            region: region::Options::new(),
            schema_id: 0,
            trust: None,
        }
    }

    /// How many clients there may be at a time. With [`servers`](Self::servers), 2 to 256 seats.
    #[must_use]
    pub fn clients(mut self, clients: u32) -> Self {
        self.clients = clients;
        self
    }

    /// How many servers there may be at a time.
    #[must_use]
    pub fn servers(mut self, servers: u32) -> Self {
        self.servers = servers;
        self
    }

    /// How many calls each client may have in flight at a time, 1 to 64. Each takes the room of one request and one answer.
    #[must_use]
    pub fn in_flight(mut self, calls: u32) -> Self {
        self.in_flight = calls;
        self
    }

    /// The longest request where requests are slices, in bytes, up to 1 GiB. A single item is as long as it is.
    #[must_use]
    pub fn max_request_bytes(mut self, bytes: u32) -> Self {
        self.max_request_bytes = bytes;
        self
    }

    /// The longest answer where answers are slices, in bytes, up to 1 GiB.
    #[must_use]
    pub fn max_answer_bytes(mut self, bytes: u32) -> Self {
        self.max_answer_bytes = bytes;
        self
    }

    /// Keeps the channel open while its ends come and go: calls wait for the next server, and servers for the next client.
    ///
    /// Without it a channel is like a pipe: when all servers are gone calls are `Disconnected`, and when all clients are gone servers are.
    #[must_use]
    pub fn restartable(mut self, restartable: bool) -> Self {
        self.is_restartable = restartable;
        self
    }

    /// Keeps the name, and the channel [restartable](Self::restartable), when the last user has left, whatever is in it: until somebody
    /// [removes](crate::gc::remove) it. What a POSIX or System V queue does.
    #[must_use]
    pub fn kept(mut self, kept: bool) -> Self {
        self.is_kept = kept;
        self
    }

    /// Says that the requests of this client may be done more than once: what a server was at when it died is offered to the others, three
    /// times at the most, and then it is [`CallError::ServerDied`](super::CallError::ServerDied).
    #[must_use]
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.is_idempotent = idempotent;
        self
    }
}

crate::channel::options::common!(Options, trust);
