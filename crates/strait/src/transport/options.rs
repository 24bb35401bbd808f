//! How an end is made.

/// Options of an end. What a mechanism has no use for it leaves alone.
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) message_bytes_max: usize,
    pub(crate) capacity_bytes: Option<usize>,
    pub(crate) messages_max: u32,
    pub(crate) mode: u32,
    pub(crate) is_shared: Option<bool>,
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// Messages of up to 1 MiB, the kernel's own capacity, ten messages in a queue, mode 0600.
    #[must_use]
    pub fn new() -> Self {
        Self { message_bytes_max: 1 << 20, capacity_bytes: None, messages_max: 10, mode: 0o600, is_shared: None }
    }

    /// The longest message that is sent, and that is believed when it is received. Mechanisms with a lower limit keep to theirs.
    #[must_use]
    pub fn message_bytes_max(mut self, bytes: usize) -> Self {
        self.message_bytes_max = bytes.min(u32::MAX as usize);
        self
    }

    /// How many bytes the kernel shall keep between the two: of a pipe, or of a socket's sending side.
    #[must_use]
    pub fn capacity_bytes(mut self, bytes: usize) -> Self {
        self.capacity_bytes = Some(bytes);
        self
    }

    /// How many messages a POSIX queue shall hold.
    #[must_use]
    pub fn messages_max(mut self, messages: u32) -> Self {
        self.messages_max = messages;
        self
    }

    /// The permission bits of what gets a name.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode & 0o777;
        self
    }

    /// Whether others send through the same pipe or FIFO too; of a FIFO that is assumed unless it is denied here, of a pipe the other way
    /// round. Where others do, no message is longer than what the kernel writes in one step (`PIPE_BUF`, 4,096 bytes with the length), so
    /// that none is mixed with another.
    #[must_use]
    pub fn shared(mut self, shared: bool) -> Self {
        self.is_shared = Some(shared);
        self
    }
}
