//! What every lock has around what it does: how one comes to it when it exists, and what it says of itself.

/// The ways to a lock that exists, and what its handle says: `frame!([T: Item] Mutex<T>, "mutex")`, with further arguments that each way
/// takes in parentheses. The lock has a `user`, and a `come` that takes a [`Way`](crate::sync::user::Way).
macro_rules! frame {
    ([$($generics:tt)*] $lock:ty, $name:literal $(, ($argument:ident: $type:ty))?) => {
        impl<$($generics)*> $lock {
            #[doc = concat!("Opens a ", $name, " that exists.")]
            ///
            /// # Errors
            /// `NotFound`; `Busy` where it has as many users as it has room for; `Incompatible` for another kind of lock, another type of
            /// value or something else entirely; `Damaged`; `Permission`.
            pub fn open(
                place: impl Into<$crate::region::Place>,
                $($argument: $type,)?
                options: &$crate::sync::Options,
            ) -> $crate::error::Result<Self> {
                Self::come($crate::sync::user::Way::Open(&place.into()), $($argument,)? options)
            }

            #[doc = concat!("[`Self::open`], asleep until the ", $name, " exists, for `timeout` at the most.")]
            ///
            /// # Errors
            /// `TimedOut`; else as [`Self::open`].
            pub fn open_timeout(
                place: impl Into<$crate::region::Place>,
                $($argument: $type,)?
                timeout: std::time::Duration,
                options: &$crate::sync::Options,
            ) -> $crate::error::Result<Self> {
                Self::come($crate::sync::user::Way::OpenWithin(&place.into(), timeout), $($argument,)? options)
            }

            #[doc = concat!("Opens a ", $name, " whose descriptor was inherited or received.")]
            ///
            /// # Errors
            /// Those of [`Self::open`] and [`Region::from_fd`](crate::region::Region::from_fd).
            pub fn from_fd(
                fd: std::os::fd::OwnedFd,
                $($argument: $type,)?
                options: &$crate::sync::Options,
            ) -> $crate::error::Result<Self> {
                Self::come($crate::sync::user::Way::Fd(fd), $($argument,)? options)
            }

            /// How many have it open, as they say: the dead count until they are found. No system call.
            #[must_use]
            pub fn users(&self) -> u32 {
                self.user.users()
            }

            /// Where it lives.
            #[must_use]
            pub fn place(&self) -> &$crate::region::Place {
                self.user.hub.region().place()
            }

            /// Its descriptor, to hand over to another process, which uses it with [`Self::from_fd`]. Opened when it is first asked for,
            /// which enters the kernel; `None` where it cannot be, or in a forked child.
            #[must_use]
            pub fn fd(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
                self.user.hub.fd()
            }
        }
    };
}
pub(super) use frame;
