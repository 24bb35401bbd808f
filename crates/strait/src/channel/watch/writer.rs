//! The writing end.

use crate::channel::error::SendError;
use crate::channel::hub::{End, Hub};
use crate::channel::message::{Item, Message};
use crate::channel::watch::kind::{CHANGED, READER, WRITER, Watch, asked, planned, shape_at};
use crate::channel::watch::options::Options;
use crate::error::Result;
use crate::region::Place;
use crate::ring::watch as ring;
use crate::wait::eventcount::Wake;
use std::fmt;
use std::marker::PhantomData;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;
use strait_mem::ViewMut;

/// The end that sets the value; there is one at a time. See [the module](super).
pub struct Writer<M: Message + ?Sized> {
    ring: ring::Writer<ViewMut>,
    hub: Hub,
    message: PhantomData<fn(&M)>,
}

impl<M: Message + ?Sized> Writer<M> {
    /// Makes a channel and takes its writing end. Enters the kernel; sets all of its memory aside.
    ///
    /// # Errors
    /// `AlreadyExists`, unless what exists was left behind by the dead; `NoSpace`, `Permission`, `Usage`; `Unsupported` for kinds
    /// of region without a descriptor.
    pub fn create(place: impl Into<Place>, options: &Options) -> Result<Self> {
        let place = place.into();
        Self::assemble(Hub::create::<Watch>(&place, &planned::<M>(&place, options)?, WRITER, |_| Ok(()))?)
    }

    /// Takes the writing end of a channel that exists, from a writer that is gone or as the first.
    ///
    /// # Errors
    /// `NotFound`; `Busy` where it has a writer; `Incompatible` for another type of value, another kind of channel, another version or
    /// something else entirely; `Damaged`; `Permission`.
    pub fn open(place: impl Into<Place>, options: &Options) -> Result<Self> {
        Self::assemble(Hub::open::<Watch>(&place.into(), &asked::<M>(options), WRITER)?)
    }

    /// [`Self::open`], asleep until the channel exists, for `timeout` at the most.
    ///
    /// # Errors
    /// Those of [`Self::open`], with `TimedOut` for `NotFound`.
    pub fn open_timeout(place: impl Into<Place>, options: &Options, timeout: Duration) -> Result<Self> {
        Self::assemble(Hub::open_timeout::<Watch>(&place.into(), &asked::<M>(options), WRITER, timeout)?)
    }

    /// [`Self::open`], or [`Self::create`] where there is none; of several callers at once one creates.
    ///
    /// # Errors
    /// Those of both.
    pub fn open_or_create(place: impl Into<Place>, options: &Options) -> Result<Self> {
        let place = place.into();
        Self::assemble(Hub::open_or_create::<Watch>(&place, &planned::<M>(&place, options)?, WRITER, |_| Ok(()))?)
    }

    /// Takes the writing end of a channel whose descriptor was inherited or received.
    ///
    /// # Errors
    /// Those of [`Self::open`] and [`Region::from_fd`](crate::region::Region::from_fd).
    pub fn from_fd(fd: OwnedFd, options: &Options) -> Result<Self> {
        Self::assemble(Hub::from_fd::<Watch>(fd, &asked::<M>(options), WRITER)?)
    }

    fn assemble(mut hub: Hub) -> Result<Self> {
        match shape_at(&hub).and_then(|shape| Ok((shape, hub.region().view_mut(hub.body())?))) {
            Ok((shape, body)) => Ok(Self { ring: ring::Writer::attach(shape, body), hub, message: PhantomData }),
            Err(error) => {
                hub.leave(|| true);
                Err(error)
            }
        }
    }

    /// Sets the value: a copy of `value`. Never waits, whoever reads; no system call while no reader sleeps.
    ///
    /// When it returns, the value is in the channel and outlives this process. A process that is killed in here has set it or not.
    ///
    /// # Errors
    /// [`SendError::TooLarge`]; [`SendError::Forked`]. That nobody reads is none: who comes later finds the value.
    #[doc(alias = "set")]
    #[inline]
    pub fn send(&mut self, value: &M) -> Result<(), SendError> {
        let bytes = value.as_bytes();
        self.hub.check().map_err(send_error)?;
        if M::IS_SLICE && bytes.len() as u64 > self.max_message_bytes() {
            return Err(SendError::TooLarge { len_bytes: bytes.len() as u64, max_bytes: self.max_message_bytes() });
        }
        self.ring.set(bytes);
        self.hub.after_action(CHANGED, Wake::Everybody);
        Ok(())
    }

    /// How often a value was set, by this writer and those before it; 0, never.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.ring.version()
    }

    /// The longest value, in bytes.
    #[must_use]
    pub fn max_message_bytes(&self) -> u64 {
        self.ring.shape().value_bytes()
    }

    /// How many values the channel has room for; see [`Options::copies`].
    #[must_use]
    pub fn copies(&self) -> u32 {
        self.ring.shape().copies()
    }

    /// How many readers are attached, as far as they say: the dead count until their seats are taken. No system call.
    #[must_use]
    pub fn readers(&self) -> u32 {
        self.hub.count(READER)
    }

    /// Where the channel lives.
    #[must_use]
    pub fn place(&self) -> &Place {
        self.hub.region().place()
    }

    /// The channel's descriptor, to hand over to another process, which reads with [`Reader::from_fd`](super::Reader::from_fd).
    /// Opened when it is first asked for, which enters the kernel; `None` where it cannot be, or in a forked child.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.hub.fd()
    }

    /// Writes the value to the disk and waits for it. Useful for files only: what this has covered outlives a power loss.
    ///
    /// # Errors
    /// `Kernel` when the disk fails.
    pub fn sync(&self) -> Result<()> {
        self.hub.region().sync()
    }
}

impl<T: Item> Writer<T> {
    /// A copy of the value, as the last writer has left it: where a successor goes on. `None` where none was ever set.
    #[must_use]
    pub fn get(&self) -> Option<T> {
        let mut value = <T as zerocopy::FromZeros>::new_zeroed();
        self.ring.last(value.as_mut_bytes()).then_some(value)
    }
}

impl<M: Message + ?Sized> Drop for Writer<M> {
    fn drop(&mut self) {
        let is_kept = self.hub.header().is_restartable && self.ring.version() > 0;
        self.hub.leave(|| is_kept);
    }
}

impl<M: Message + ?Sized> fmt::Debug for Writer<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("place", self.place())
            .field("type", &M::type_name())
            .field("version", &self.version())
            .finish()
    }
}

fn send_error(end: End) -> SendError {
    match end {
        End::Fault(fault) => SendError::Fault(fault),
        End::Forked => SendError::Forked,
    }
}
