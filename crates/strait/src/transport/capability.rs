//! What each mechanism can do: the table that `docs/transports.md` shows.

use std::fmt::Write as _;

/// A way of passing messages between processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mechanism {
    /// [pipe(7)](https://man7.org/linux/man-pages/man7/pipe.7.html).
    Pipe,
    /// A pipe in packet mode (`O_DIRECT`).
    PacketPipe,
    /// [fifo(7)](https://man7.org/linux/man-pages/man7/fifo.7.html).
    Fifo,
    /// [unix(7)](https://man7.org/linux/man-pages/man7/unix.7.html), a stream.
    UnixStream,
    /// The same, in packets.
    UnixSeqpacket,
    /// The same, datagrams.
    UnixDatagram,
    /// [tcp(7)](https://man7.org/linux/man-pages/man7/tcp.7.html) over the loopback.
    Tcp,
    /// [udp(7)](https://man7.org/linux/man-pages/man7/udp.7.html) over the loopback.
    Udp,
    /// [mq_overview(7)](https://man7.org/linux/man-pages/man7/mq_overview.7.html).
    PosixMq,
    /// [sysvipc(7)](https://man7.org/linux/man-pages/man7/sysvipc.7.html) message queues.
    SysvMsg,
    /// Real-time signals with a value, [sigqueue(3)](https://man7.org/linux/man-pages/man3/sigqueue.3.html).
    Signal,
    /// [eventfd(2)](https://man7.org/linux/man-pages/man2/eventfd.2.html) as a semaphore.
    Eventfd,
    /// [`crate::channel::spsc`] of bytes.
    Spsc,
    /// [`crate::channel::mpmc`] of bytes.
    Mpmc,
    /// [`crate::channel::broadcast`] of bytes.
    Broadcast,
}

/// What becomes of the boundaries of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundaries {
    /// The kernel keeps them.
    Kept,
    /// The kernel keeps them, of messages without bytes too.
    KeptEvenEmpty,
    /// There are none; strait sends lengths.
    Framed,
    /// There are no bytes at all, only a count.
    Count,
}

/// In which order messages are received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As they were sent.
    Fifo,
    /// By priority, then as they were sent.
    Priority,
    /// By type as the receiver asks, then as they were sent.
    Selected,
    /// In any.
    NotPromised,
}

/// What is left when all who used it are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// Nothing: it goes with the last descriptor, and what was not received with it.
    Nothing,
    /// The name, without messages.
    Name,
    /// The object and its messages, until somebody removes it or the machine is restarted.
    Messages,
}

/// How many may be at one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Users {
    /// One.
    One,
    /// Many, each message whole; of a pipe, up to 4,092 bytes. A message goes to one receiver.
    Many,
    /// Many, and each message goes to all.
    All,
}

/// What a mechanism can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Whether messages stay apart.
    pub boundaries: Boundaries,
    /// In which order they come.
    pub order: Order,
    /// Whether every message that was sent arrives, as long as both sides live.
    pub is_reliable: bool,
    /// What limits a message, and where to read it.
    pub largest: &'static str,
    /// What limits all that is under way, and where to read it.
    pub capacity: &'static str,
    /// What is left behind.
    pub survival: Survival,
    /// How many may send.
    pub senders: Users,
    /// How many may receive.
    pub receivers: Users,
    /// Whether one connection carries messages both ways: see [`crate::link::duplex`].
    pub goes_both_ways: bool,
    /// Whether strangers can find it by a name.
    pub has_name: bool,
    /// Whether the end of the other side, its death too, is told.
    pub tells_end: bool,
    /// Whether it can be waited for together with other descriptors.
    pub is_pollable: bool,
    /// Whether the kernel says who sent or connected.
    pub knows_peer: bool,
    /// Whether descriptors can be sent.
    pub passes_descriptors: bool,
    /// What is lost when the receiver is killed.
    pub killed_receiver_loses: &'static str,
}

impl Mechanism {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Pipe,
        Self::PacketPipe,
        Self::Fifo,
        Self::UnixStream,
        Self::UnixSeqpacket,
        Self::UnixDatagram,
        Self::Tcp,
        Self::Udp,
        Self::PosixMq,
        Self::SysvMsg,
        Self::Signal,
        Self::Eventfd,
        Self::Spsc,
        Self::Mpmc,
        Self::Broadcast,
    ];

    /// What it is called on the command line and in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pipe => "pipe",
            Self::PacketPipe => "packet-pipe",
            Self::Fifo => "fifo",
            Self::UnixStream => "unix",
            Self::UnixSeqpacket => "unix-seqpacket",
            Self::UnixDatagram => "unix-datagram",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::PosixMq => "posix-mq",
            Self::SysvMsg => "sysv-msg",
            Self::Signal => "signal",
            Self::Eventfd => "eventfd",
            Self::Spsc => "spsc",
            Self::Mpmc => "mpmc",
            Self::Broadcast => "broadcast",
        }
    }

    /// The mechanism of that name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// What it can do.
    #[must_use]
    pub fn capabilities(self) -> Capabilities {
        let pipe = Capabilities {
            boundaries: Boundaries::Framed,
            order: Order::Fifo,
            is_reliable: true,
            largest: "the one that was set; 4,092 bytes with several senders (`PIPE_BUF`)",
            capacity: "64 KiB; up to `/proc/sys/fs/pipe-max-size`, per user `pipe-user-pages-soft`",
            survival: Survival::Nothing,
            senders: Users::Many,
            receivers: Users::One,
            goes_both_ways: false,
            has_name: false,
            tells_end: true,
            is_pollable: true,
            knows_peer: false,
            passes_descriptors: false,
            killed_receiver_loses: "all under way",
        };
        let channel = Capabilities {
            boundaries: Boundaries::KeptEvenEmpty,
            capacity: "its capacity, set when it is made",
            largest: "half its capacity",
            senders: Users::One,
            has_name: true,
            is_pollable: false,
            killed_receiver_loses: "the message it has taken, if any; in a restartable channel its successor goes on",
            ..pipe
        };
        let unix = Capabilities {
            largest: "the one that was set",
            capacity: "the sender's buffer: `/proc/sys/net/core/wmem_default`, up to `wmem_max`",
            survival: Survival::Name,
            senders: Users::One,
            goes_both_ways: true,
            has_name: true,
            knows_peer: true,
            passes_descriptors: true,
            ..pipe
        };
        match self {
            Self::Pipe => pipe,
            Self::PacketPipe => Capabilities {
                boundaries: Boundaries::Kept,
                largest: "4,096 bytes (`PIPE_BUF`)",
                capacity: "16 packets of any length; one for each page of the pipe",
                receivers: Users::Many,
                ..pipe
            },
            Self::Fifo => Capabilities { survival: Survival::Name, has_name: true, ..pipe },
            Self::UnixStream => unix,
            Self::UnixSeqpacket => Capabilities {
                boundaries: Boundaries::Kept,
                largest: "less than the sender's buffer: 208 KiB, up to `wmem_max`",
                receivers: Users::Many,
                senders: Users::Many,
                ..unix
            },
            Self::UnixDatagram => Capabilities {
                boundaries: Boundaries::KeptEvenEmpty,
                largest: "less than the sender's buffer: 208 KiB, up to `wmem_max`",
                capacity: "at a name one message more than `/proc/sys/net/unix/max_dgram_qlen`; in a pair the sender's buffer",
                receivers: Users::Many,
                senders: Users::Many,
                tells_end: false,
                killed_receiver_loses: "all under way, if it was the last",
                ..unix
            },
            Self::Tcp => Capabilities {
                survival: Survival::Nothing,
                capacity: "both buffers: `/proc/sys/net/ipv4/tcp_wmem`, `tcp_rmem`",
                knows_peer: false,
                passes_descriptors: false,
                ..unix
            },
            Self::Udp => Capabilities {
                boundaries: Boundaries::KeptEvenEmpty,
                order: Order::NotPromised,
                is_reliable: false,
                largest: "65,507 bytes",
                capacity: "the receiver's buffer: `/proc/sys/net/core/rmem_default`; what does not fit is lost",
                survival: Survival::Nothing,
                senders: Users::Many,
                receivers: Users::Many,
                tells_end: false,
                knows_peer: false,
                passes_descriptors: false,
                ..unix
            },
            Self::PosixMq => Capabilities {
                boundaries: Boundaries::KeptEvenEmpty,
                order: Order::Priority,
                killed_receiver_loses: "the message it has taken, if any",
                largest: "8 KiB; `/proc/sys/fs/mqueue/msgsize_max`",
                capacity: "10 messages; `/proc/sys/fs/mqueue/msg_max`, per user `RLIMIT_MSGQUEUE`",
                survival: Survival::Messages,
                receivers: Users::Many,
                has_name: true,
                tells_end: false,
                ..pipe
            },
            Self::SysvMsg => Capabilities {
                boundaries: Boundaries::KeptEvenEmpty,
                order: Order::Selected,
                killed_receiver_loses: "the message it has taken, if any",
                largest: "8 KiB; `/proc/sys/kernel/msgmax`",
                capacity: "16 KiB a queue; `/proc/sys/kernel/msgmnb`",
                survival: Survival::Messages,
                receivers: Users::Many,
                has_name: true,
                tells_end: false,
                is_pollable: false,
                ..pipe
            },
            Self::Signal => Capabilities {
                boundaries: Boundaries::KeptEvenEmpty,
                largest: "7 bytes",
                capacity: "`RLIMIT_SIGPENDING` signals, for all processes of the user",
                has_name: true,
                tells_end: false,
                ..pipe
            },
            Self::Eventfd => Capabilities {
                boundaries: Boundaries::Count,
                largest: "0 bytes: it counts",
                capacity: "2^64 - 2",
                receivers: Users::Many,
                tells_end: false,
                killed_receiver_loses: "the count it has taken, if any",
                ..pipe
            },
            Self::Spsc => channel,
            Self::Mpmc => Capabilities {
                largest: "the one that was set",
                senders: Users::Many,
                receivers: Users::Many,
                killed_receiver_loses: "nothing: another does its job (behind the traits, the message it has taken)",
                ..channel
            },
            Self::Broadcast => Capabilities {
                largest: "the one that was set",
                senders: Users::Many,
                receivers: Users::All,
                killed_receiver_loses: "what it has not read; the others lose nothing",
                ..channel
            },
        }
    }
}

/// The table of all mechanisms, in Markdown: `docs/transports.md` has it.
#[must_use]
pub fn table() -> String {
    let mut table = String::from(
        "| mechanism | boundaries | order | nothing lost | largest message | under way at the most | left behind | senders | receivers \
         | both ways | name | tells the end | pollable | knows the peer | passes descriptors | a killed receiver loses |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    let tick = |yes: bool| if yes { "yes" } else { "no" };
    for mechanism in Mechanism::ALL {
        let it = mechanism.capabilities();
        let boundaries = match it.boundaries {
            Boundaries::Kept => "kept, not of empty messages",
            Boundaries::KeptEvenEmpty => "kept",
            Boundaries::Framed => "by a length in front",
            Boundaries::Count => "none, a count",
        };
        let order = match it.order {
            Order::Fifo => "as sent",
            Order::Priority => "by priority",
            Order::Selected => "by type",
            Order::NotPromised => "not promised",
        };
        let survival = match it.survival {
            Survival::Nothing => "nothing",
            Survival::Name => "a name, if it had one",
            Survival::Messages => "the queue and its messages",
        };
        let users = |users: Users| match users {
            Users::One => "one",
            Users::Many => "many",
            Users::All => "many, all get it",
        };
        let (name, senders, receivers) = (mechanism.name(), users(it.senders), users(it.receivers));
        // Writing to a string does not fail.
        let _ = writeln!(
            table,
            "| {name} | {boundaries} | {order} | {} | {} | {} | {survival} | {senders} | {receivers} | {} | {} | {} | {} | {} | {} | {} |",
            tick(it.is_reliable),
            it.largest,
            it.capacity,
            tick(it.goes_both_ways),
            tick(it.has_name),
            tick(it.tells_end),
            tick(it.is_pollable),
            tick(it.knows_peer),
            tick(it.passes_descriptors),
            it.killed_receiver_loses,
        );
    }
    table
}
