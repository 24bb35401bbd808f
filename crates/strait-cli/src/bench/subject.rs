//! What can be measured: every mechanism, strait's channels that are none, and the floor under all of them.

use std::fmt;
use strait::transport::Mechanism;

/// A way for two processes to exchange messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A word in shared memory and a futex, bare: what all of shared memory stands on. Asleep it is the least that the kernel asks for,
    /// spinning the least that the processor does.
    Futex,
    /// Of the table in `docs/transports.md`.
    Mechanism(Mechanism),
    /// [`strait::channel::watch`], one each way.
    Watch,
    /// [`strait::channel::rpc`].
    Rpc,
}

impl Subject {
    /// All of them, the floor first.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let mechanisms = Mechanism::ALL.into_iter().map(Self::Mechanism);
        std::iter::once(Self::Futex).chain(mechanisms).chain([Self::Watch, Self::Rpc])
    }

    /// What it is called on the command line and in tables.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Futex => "futex",
            Self::Mechanism(mechanism) => mechanism.name(),
            Self::Watch => "watch",
            Self::Rpc => "rpc",
        }
    }

    /// The one of that name, or which there are.
    pub(crate) fn of_name(name: &str) -> Result<Self, String> {
        Self::all().find(|it| it.name() == name).ok_or_else(|| {
            let names: Vec<_> = Self::all().map(Self::name).collect();
            format!("there is no such mechanism; name some of {}", names.join(", "))
        })
    }

    /// Whether messages follow one another without an answer. Of the floor there is one slot, a watch keeps the latest value only, and a
    /// call has an answer.
    pub(super) fn streams(self) -> bool {
        matches!(self, Self::Mechanism(_))
    }

    /// Whether every message arrives.
    pub(super) fn is_reliable(self) -> bool {
        !matches!(self, Self::Mechanism(mechanism) if !mechanism.capabilities().is_reliable)
    }

    /// Whether a wait for the other side ends with that side, so that nobody need watch over either.
    pub(super) fn tells_end(self) -> bool {
        matches!(self, Self::Mechanism(mechanism) if mechanism.capabilities().tells_end)
    }

    /// Whether it is one of strait's own.
    pub(super) fn is_ours(self) -> bool {
        use Mechanism::{Broadcast, Mpmc, Spsc};
        matches!(self, Self::Watch | Self::Rpc | Self::Mechanism(Spsc | Mpmc | Broadcast))
    }

    /// The longest message, where that is less than anybody would ask for.
    pub(super) fn bytes_max(self) -> Option<usize> {
        match self {
            Self::Mechanism(Mechanism::Signal) => Some(strait::transport::signal::MESSAGE_BYTES_MAX),
            Self::Mechanism(Mechanism::Eventfd) => Some(0),
            _ => None,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
