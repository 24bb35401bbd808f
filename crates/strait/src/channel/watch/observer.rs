//! Reading without a seat.

use crate::channel::hub::check_size;
use crate::channel::message::{Item, Message};
use crate::channel::outside;
use crate::channel::watch::error::{ReadError, TryReadError};
use crate::channel::watch::kind::{WRITERS_SEAT, Watch, asked, shape_of};
use crate::channel::watch::options::Options;
use crate::channel::watch::value::{Look, one, slice};
use crate::error::{Error, ErrorKind, Result};
use crate::peer::PeerState;
use crate::region::header::Header;
use crate::region::{self, Place, Region};
use crate::ring::watch::{self as ring, Read};
use std::fmt;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use strait_mem::View;

/// Reads the value and takes no seat: there may be any number, and the right to read the region is enough. The whole of it is mapped
/// read-only, so nothing that an observer does is noticed by anybody.
///
/// It cannot wait, for nobody would wake one whom nobody sees; it asks again when it likes, or is a [`Reader`](super::Reader). Nor does
/// it keep the channel's name: when the last writer and reader have left, what it reads stays as it was.
pub struct Observer<M: Message + ?Sized> {
    ring: ring::Reader<View>,
    seen: u64,
    writers_seat: View,
    region: Region,
    message: PhantomData<fn() -> Box<M>>,
}

impl<M: Message + ?Sized> Observer<M> {
    /// Opens a channel that exists, for reading only.
    ///
    /// # Errors
    /// `NotFound`; `Incompatible` for another type of value, another kind of channel, another version or something else entirely;
    /// `Damaged`; `Permission`.
    pub fn open(place: impl Into<Place>, options: &Options) -> Result<Self> {
        Self::look_into(Region::open(place, &Self::reading(options))?, options)
    }

    /// Opens a channel whose descriptor was inherited or received, for reading only.
    ///
    /// # Errors
    /// Those of [`Self::open`] and [`Region::from_fd`].
    pub fn from_fd(fd: OwnedFd, options: &Options) -> Result<Self> {
        Self::look_into(Region::from_fd(fd, &Self::reading(options))?, options)
    }

    fn reading(options: &Options) -> region::Options {
        options.region.clone().read_only(true)
    }

    fn look_into(region: Region, options: &Options) -> Result<Self> {
        let header = Header::read(&region)?;
        header.expect(region.place(), &asked::<M>(options).header)?;
        check_size::<Watch>(&region, &header)?;
        let Some(shape) = shape_of(&header) else {
            // Not met: the size was made of it.
            return Err(Error::new(ErrorKind::Damaged, format!("open {}: its header has no shape", region.place())));
        };
        let body = region.view(crate::channel::hub::body_at(header.seats)..region.len())?;
        let writers_seat = outside::seat_view(&region, WRITERS_SEAT)?;
        Ok(Self { ring: ring::Reader::new(shape, body), seen: 0, writers_seat, region, message: PhantomData })
    }

    /// How often a value was set, as the writer says; 0, never. One load.
    #[must_use]
    #[inline]
    pub fn version(&self) -> u64 {
        self.ring.version()
    }

    /// The version of the value that was read last; 0, none yet.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The longest value, in bytes.
    #[must_use]
    pub fn max_message_bytes(&self) -> u64 {
        self.ring.shape().value_bytes()
    }

    /// What is known of the writer. One system call while it says that it is attached; where the kernel does not answer, that is believed.
    #[must_use]
    pub fn writer_state(&self) -> PeerState {
        outside::look_at_seat(&self.region, WRITERS_SEAT, &self.writers_seat).state
    }

    /// Where the channel lives.
    #[must_use]
    pub fn place(&self) -> &Place {
        self.region.place()
    }

    #[inline(always)]
    fn now(&mut self, seen: u64, mut look: impl Look) -> Result<(), TryReadError> {
        match look.look(&self.ring, seen) {
            Ok(Read::Is(version)) => {
                self.seen = version;
                Ok(())
            }
            Ok(Read::NotYet) => Err(TryReadError::NotYet),
            Ok(Read::Overtaken) => Err(TryReadError::Failed(ReadError::Busy)),
            Err(fault) => Err(TryReadError::Failed(ReadError::Fault(fault))),
        }
    }
}

impl<T: Item> Observer<T> {
    /// A copy of the value, if one was ever set. Never waits, no system call.
    ///
    /// # Errors
    /// [`TryReadError::NotYet`]; [`ReadError::Busy`].
    #[inline]
    pub fn try_get(&mut self) -> Result<T, TryReadError> {
        let mut value = <T as zerocopy::FromZeros>::new_zeroed();
        self.now(0, one(&mut value))?;
        Ok(value)
    }

    /// A copy of the value, if it is newer than the one that was read last. Never waits, no system call.
    ///
    /// # Errors
    /// As [`Self::try_get`].
    #[inline]
    pub fn try_changed(&mut self) -> Result<T, TryReadError> {
        let mut value = <T as zerocopy::FromZeros>::new_zeroed();
        self.now(self.seen, one(&mut value))?;
        Ok(value)
    }
}

impl<T: Item> Observer<[T]> {
    /// A copy of the value, if one was ever set. Never waits, no system call. After an error what is in `into` means nothing.
    ///
    /// # Errors
    /// [`TryReadError::NotYet`]; [`ReadError::Busy`]; [`ReadError::Fault`].
    pub fn try_get(&mut self, into: &mut Vec<T>) -> Result<(), TryReadError> {
        self.now(0, slice(into))
    }

    /// A copy of the value, if it is newer than the one that was read last.
    ///
    /// # Errors
    /// As [`Self::try_get`].
    pub fn try_changed(&mut self, into: &mut Vec<T>) -> Result<(), TryReadError> {
        self.now(self.seen, slice(into))
    }
}

impl<M: Message + ?Sized> fmt::Debug for Observer<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer")
            .field("place", self.place())
            .field("type", &M::type_name())
            .field("seen", &self.seen())
            .finish()
    }
}
