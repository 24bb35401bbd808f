//! Options that every channel has: how an end waits, and what concerns its memory.

/// Gives a channel's `Options` the methods that all have; `trust` where memory is lent. Its fields are `strategy`, `region`, `schema_id` and
/// `trust`.
///
/// A macro, because the methods are the type's own: users name no trait to call them.
macro_rules! common {
    ($options:ty) => {
        impl $options {
            /// How blocked calls of this end wait.
            #[must_use]
            pub fn wait(mut self, strategy: $crate::wait::Strategy) -> Self {
                self.strategy = strategy;
                self
            }

            /// The permission bits of a new channel; see [`region::Options::mode`](crate::region::Options::mode).
            #[must_use]
            pub fn mode(mut self, mode: u32) -> Self {
                self.region = self.region.mode(mode);
                self
            }

            /// Huge pages; see [`region::Options::huge_pages`](crate::region::Options::huge_pages).
            #[must_use]
            pub fn huge_pages(mut self, huge: $crate::region::HugePages) -> Self {
                self.region = self.region.huge_pages(huge);
                self
            }

            /// Sets up all pages now; see [`region::Options::populate`](crate::region::Options::populate).
            #[must_use]
            pub fn populate(mut self, populate: bool) -> Self {
                self.region = self.region.populate(populate);
                self
            }

            /// Keeps the channel in memory; see [`region::Options::lock`](crate::region::Options::lock).
            #[must_use]
            pub fn lock(mut self, lock: bool) -> Self {
                self.region = self.region.lock(lock);
                self
            }

            /// Also opens a channel that the user `uid` owns; see [`region::Options::owner`](crate::region::Options::owner). Its memory is
            /// then not lent, only copied.
            #[must_use]
            pub fn owner(mut self, uid: u32) -> Self {
                self.region = self.region.owner(uid);
                self
            }

            /// A number of the user's own for what the messages mean, 0 if not said: all sides must give the same. For types that are laid
            /// out and called alike and still not the same, such as a next version of one.
            #[must_use]
            pub fn schema_id(mut self, id: u64) -> Self {
                self.schema_id = id;
                self
            }
        }
    };
    ($options:ty, trust) => {
        $crate::channel::options::common!($options);

        impl $options {
            /// Lends the channel's memory although other users may write to it. The promise is in how a
            /// [`Trust`](strait_mem::Trust) is made without a check: `unsafe { strait::mem::Trust::assume() }`.
            #[must_use]
            pub fn trust(mut self, trust: strait_mem::Trust) -> Self {
                self.trust = Some(trust);
                self
            }
        }
    };
}
pub(crate) use common;
