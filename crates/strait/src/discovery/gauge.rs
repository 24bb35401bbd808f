//! A channel or a lock that stays mapped while it is looked at.

use super::channel::{Channel, Kind, MessageType};
use super::lock::Lock;
use super::{locks, many, two};
use crate::error::{Error, ErrorKind, Result};
use crate::region::header::{self, Header, channel_name};
use crate::region::{Options, Place, Region};

/// Who looks once does so at no more slots of a queue than this; what is in longer ones is estimated.
pub(super) const SLOTS_AT_ONCE: u64 = 1 << 20;
/// The same, of who looks again and again.
const SLOTS_EACH_TIME: u64 = 1 << 14;

/// One channel or lock, mapped for reading only, to be looked at as often as one likes: its users notice nothing. Its memory is kept for as long
/// as the gauge is, even if it has lost its name.
#[derive(Debug)]
pub struct Gauge {
    region: Region,
    header: Header,
    slots_max: u64,
    tally: two::Tally,
}

/// What a gauge shows.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Seen {
    /// A channel.
    Channel(Box<Channel>),
    /// A lock.
    Lock(Box<Lock>),
}

impl Gauge {
    /// Opens and maps what exists at a place. Takes neither seat nor lock.
    ///
    /// # Errors
    /// `NotFound`; `Permission`; `Incompatible` for what is neither a channel nor a lock of this build; `Damaged`.
    pub fn open(place: impl Into<Place>) -> Result<Self> {
        Self::with(&place.into(), SLOTS_EACH_TIME)
    }

    pub(super) fn with(place: &Place, slots_max: u64) -> Result<Self> {
        Self::on(Region::open(place, &Options::new().read_only(true))?, slots_max)
    }

    pub(super) fn on(region: Region, slots_max: u64) -> Result<Self> {
        let header = Header::read(&region)?;
        check(&region, &header)?;
        Ok(Self { region, header, slots_max, tally: two::Tally::default() })
    }

    /// Where it lives.
    #[must_use]
    pub fn place(&self) -> &Place {
        self.region.place()
    }

    /// How it is now. One system call for each user that says that it is attached, and no other.
    ///
    /// # Errors
    /// `Damaged` where it contradicts itself.
    pub fn look(&mut self) -> Result<Seen> {
        let Self { region, header, slots_max, tally } = self;
        let (kind, found) = match header.channel {
            header::CHANNEL_SPSC => (Kind::Spsc, two::look(region, header, tally)?),
            header::CHANNEL_MPMC => (Kind::Mpmc, many::look_at_jobs(region, header, *slots_max)?),
            header::CHANNEL_BROADCAST => (Kind::Broadcast, many::look_at_lanes(region, header)?),
            header::CHANNEL_WATCH => (Kind::Watch, many::look_at_value(region, header)?),
            header::CHANNEL_RPC => (Kind::Rpc, many::look_at_calls(region, header)?),
            _ => return locks::look(region, header).map(|lock| Seen::Lock(Box::new(lock))),
        };
        Ok(Seen::Channel(Box::new(Channel {
            kind,
            message: header.message.clone().into(),
            answer: header.answer.clone().map(MessageType::from),
            schema_id: header.schema_id,
            capacity_bytes: header.capacity_bytes,
            region_bytes: region.len(),
            seats: if kind == Kind::Spsc { 2 } else { header.seats },
            is_restartable: header.is_restartable,
            is_kept: header.is_kept,
            peers: found.peers,
            fill: found.fill,
            capacity_messages: found.capacity_messages,
            traffic: found.traffic,
        })))
    }
}

/// Holds what a header says against the size of its region: after that all windows fit.
fn check(region: &Region, header: &Header) -> Result<()> {
    match header.channel {
        header::CHANNEL_SPSC => two::check(region, header),
        header::CHANNEL_MPMC | header::CHANNEL_BROADCAST | header::CHANNEL_WATCH | header::CHANNEL_RPC => {
            many::check(region, header)
        }
        lock if locks::kind_of(lock).is_some() => locks::check(region, header),
        other => {
            let place = region.place();
            let why = format!("open {place}: its header says a channel of kind {other} ({})", channel_name(other));
            Err(Error::new(ErrorKind::Damaged, why))
        }
    }
}
