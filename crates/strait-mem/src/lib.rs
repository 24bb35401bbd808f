//! Mapped bytes: the only code of strait that reads or writes a shared mapping.
//!
//! # The safety argument
//!
//! A mapping is shared with processes that may do anything to it at any time. So its bytes are never Rust memory in the usual
//! sense: no reference to them exists, with one exception below.
//!
//! 1. A [`Mapping`] owns an address range and unmaps it when the last window on it is gone.
//! 2. A window ([`View`], [`ViewMut`], [`LineMut`]) is a checked part of a mapping. Every access names an offset, and an offset that does not fit
//!    is refused before memory is touched. A `View` cannot write; the others are only given out where the mapping is writable.
//! 3. Words are read and written by atomic instructions ([`Shared`], [`SharedMut`], [`SharedRmw`]), each exactly once per call.
//! 4. Runs of bytes are copied by [`payload`]: machine code the compiler knows nothing of, so a peer that writes at the same time
//!    makes the copy a mixture, and nothing worse.
//! 5. The exception: a [`Lent`] or [`LentMut`] window lends plain slices. It needs a [`Trust`], which says that every possible writer runs as
//!    the same user (or the caller has sworn to something as good), and it shares no byte with another window of its mapping. So does a part
//!    of a [`ViewMut`] that is lent ([`Loan`], [`LoanMut`]), but with that window, whose owner keeps out of it.
//! 6. The C library's locks ([`CSemaphore`], [`CMutex`]) are reached by its own functions only. These believe what they find
//!    there, so both need a [`Trust`].
//! 7. A number that a peer wrote is a [`Claim`] until it has been held against a limit.
//!
//! Nothing here enters the kernel except to map, unmap, lock, sync, and to wait in a lock; nothing knows what the bytes mean.
#![deny(unsafe_code)]

pub mod c_locks;
pub mod claim;
pub mod line;
pub mod loan;
pub mod mapping;
pub mod payload;
pub mod shared;
pub mod view;
pub mod word;

pub use c_locks::{CMutex, CSemaphore};
pub use claim::Claim;
pub use line::LineMut;
pub use loan::{Lent, LentMut, Loan, LoanMut, Trust};
pub use mapping::Mapping;
pub use shared::{Parking, Shared, SharedMut, SharedRmw, SleepAny};
pub use view::{View, ViewMut};
pub use word::Word;
