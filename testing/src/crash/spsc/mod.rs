//! What must hold of an spsc channel when one side is killed, or stopped, while it sends, receives or leaves.
//!
//! 1. Everything whose call had returned is received, in order, once. What was under way is there or is not; it is never half there.
//! 2. A receiver that copies has released a message before it can say that it has it, so what was under way may be lost with it;
//!    one that was lent it releases it last, so that may come again. Nothing else is lost or comes again.
//! 3. The survivor's next call succeeds, or says `Disconnected(Died)` (`Left`, where the victim was leaving), within 100 ms.
//! 4. A successor on a restartable channel goes on where the victim was; on a pipe-like one it is told `Closed`.
//! 5. When the last user is gone so is the name, and the next user of the name finds it free, or what the dead left, swept.
//! 6. A victim that is stopped is alive: nobody is told otherwise, its end is `Busy`, what it was lent stays as it is.

//!
//! Who creates, opens or sweeps: [`birth`]. Two at once: [`pairs`]. The rows: [`table`].

pub mod birth;
pub mod ends;
pub mod pairs;
mod receiver;
pub mod role;
mod sender;
pub mod table;

pub use receiver::ReceiverDies;
pub use sender::SenderDies;
pub use table::CHANNEL;

use super::stage::Where;
use ends::Kind;
use strait::channel::Cause;

/// The channel, as a role is told.
const NAME: &str = "spsc";

/// An operation on a channel that is there.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What the role does: see `crash_role`.
    pub part: &'static str,
    /// The messages.
    pub kind: Kind,
    /// Where the channel is.
    pub at: Where,
    /// Whether ends may come and go.
    pub is_restartable: bool,
    /// Messages that have passed, or are in the ring, before the operation.
    pub before: Before,
    /// Messages of the operation.
    pub count: u64,
    /// What the other side does meanwhile.
    pub survivor: Survivor,
}

/// Messages before the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// That many, of which the receiver has taken so many.
    Sent(u64, u64),
    /// The same, and so many after the taking, of which the last lie before the first: before a receiver's operation.
    Around(u64, u64, u64),
    /// As many as fit.
    Full,
}

/// What the other side does while the victim is at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survivor {
    /// What wakes the victim, if that sleeps; else nothing.
    Awake,
    /// Nothing, though the victim sleeps.
    Idle,
    /// It sleeps in a call that waits for what the victim is about to do.
    Asleep,
    /// It has left.
    Gone,
}

/// How a survivor learnt that the other side is gone, or that it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Open,
    Gone(Cause),
}

fn not_whole(number: u64) -> String {
    format!("message {number} is not what was sent under this number")
}

pub(super) fn mode(is_restartable: bool) -> &'static str {
    if is_restartable { "restartable" } else { "pipe" }
}
