//! The two ends of a channel, whatever its messages are: what a role does, and what the survivor does, in the same words.
//!
//! Messages are numbered, and what is in one follows from its number: one that was torn, moved or made up is told from a whole one.

use crate::crash::stage::{At, How, Spot};
use std::borrow::Cow;
use std::os::fd::OwnedFd;
use std::time::Duration;
use strait::channel::spsc::{Options, Receiver, Sender};
use strait::channel::{PeerState, RecvError, SendError, Strategy, TryRecvError, TrySendError};

/// What the messages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A `u64`: 8 bytes.
    Word,
    /// A `[u64; 8]`: a slot of 64 bytes, of which there are 64.
    Line,
    /// A `[u8; 100]`: slots that begin and end anywhere in a cache line, 40 of them.
    Odd,
    /// Bytes, about 24.
    Small,
    /// Bytes, about 1,800: copied by the string instruction.
    Large,
    /// Bytes, of a length that does not divide the ring: every fifth is preceded by padding.
    Wrapping,
    /// Bytes, of many lengths.
    Mixed,
}

impl Kind {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Word, "word"),
        (Self::Line, "line"),
        (Self::Odd, "odd"),
        (Self::Small, "small"),
        (Self::Large, "large"),
        (Self::Wrapping, "wrapping"),
        (Self::Mixed, "mixed"),
    ];

    /// As a role is told.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|it| it.0 == self).map_or("", |it| it.1)
    }

    /// From what a role is told.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|it| it.1 == word).map(|it| it.0)
    }

    fn len(self, number: u64) -> usize {
        let varied = number as usize;
        match self {
            Self::Word => 8,
            Self::Line => 64,
            Self::Odd => 100,
            Self::Small => 20 + varied % 8,
            Self::Large => 1800 - varied % 5,
            Self::Wrapping => 904,
            Self::Mixed => varied * 7919 % 251,
        }
    }

    /// The sending end.
    ///
    /// # Errors
    /// The library's.
    pub fn sender(self, at: At, how: How, options: &Options) -> strait::Result<Box<dyn Tx>> {
        Ok(match self {
            Self::Word => Box::new(End::new(self, sender::<u64>(at, how, options)?)),
            Self::Line => Box::new(End::new(self, sender::<[u64; 8]>(at, how, options)?)),
            Self::Odd => Box::new(End::new(self, sender::<[u8; 100]>(at, how, options)?)),
            _ => Box::new(End::new(self, sender::<[u8]>(at, how, options)?)),
        })
    }

    /// The receiving end.
    ///
    /// # Errors
    /// The library's.
    pub fn receiver(self, at: At, how: How, options: &Options) -> strait::Result<Box<dyn Rx>> {
        Ok(match self {
            Self::Word => Box::new(End::new(self, receiver::<u64>(at, how, options)?)),
            Self::Line => Box::new(End::new(self, receiver::<[u64; 8]>(at, how, options)?)),
            Self::Odd => Box::new(End::new(self, receiver::<[u8; 100]>(at, how, options)?)),
            _ => Box::new(End::new(self, receiver::<[u8]>(at, how, options)?)),
        })
    }
}

/// Options of all channels here: small, so that they wrap and fill, and asleep at once, so that each run takes the same path.
#[must_use]
pub fn options(is_restartable: bool) -> Options {
    Options::new().capacity_bytes(4096).restartable(is_restartable).wait(Strategy::Sleep)
}

fn sender<M: strait::channel::Message + ?Sized>(at: At, how: How, options: &Options) -> strait::Result<Sender<M>> {
    match (at, how) {
        (At::Fd(fd), _) => Sender::from_fd(fd, options),
        (At::Place(place), How::Create) => Sender::create(place, options),
        (At::Place(place), How::Open) => Sender::open(place, options),
        (At::Place(place), How::OpenOrCreate) => Sender::open_or_create(place, options),
    }
}

fn receiver<M: strait::channel::Message + ?Sized>(at: At, how: How, options: &Options) -> strait::Result<Receiver<M>> {
    match (at, how) {
        (At::Fd(fd), _) => Receiver::from_fd(fd, options),
        (At::Place(place), How::Create) => Receiver::create(place, options),
        (At::Place(place), How::Open) => Receiver::open(place, options),
        (At::Place(place), How::OpenOrCreate) => Receiver::open_or_create(place, options),
    }
}

/// A sending end. Messages are told by their numbers.
pub trait Tx: Send {
    /// Makes messages in advance, so that the operation is nothing but the library's.
    fn prepare(&mut self, from: u64, count: u64);
    /// Sends a message; waits for room.
    ///
    /// # Errors
    /// The library's.
    fn send(&mut self, number: u64) -> Result<(), SendError>;
    /// Sends a message if there is room.
    ///
    /// # Errors
    /// The library's.
    fn try_send(&mut self, number: u64) -> Result<(), TrySendError>;
    /// Sends the messages that were prepared as a batch.
    ///
    /// # Errors
    /// The library's.
    fn send_batch(&mut self) -> Result<(), SendError>;
    /// Writes a message in place and publishes it.
    ///
    /// # Errors
    /// The library's.
    fn reserve(&mut self, number: u64) -> Result<(), SendError>;
    /// Messages sent, as the library counts.
    fn sent(&self) -> u64;
    /// The receiver.
    fn peer(&self) -> PeerState;
    /// A copy of the descriptor.
    fn fd(&self) -> Option<OwnedFd>;
}

/// What a receiver found in a message: whether it is what was sent under its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole(pub bool);

/// A receiving end. The caller says which message it expects; the answer says whether it was that.
pub trait Rx: Send {
    /// Makes what messages are compared with, and room for them, in advance.
    fn prepare(&mut self, from: u64, count: u64);
    /// Receives a message; waits for it.
    ///
    /// # Errors
    /// The library's.
    fn recv(&mut self, number: u64) -> Result<Whole, RecvError>;
    /// Receives a message, if there is one.
    ///
    /// # Errors
    /// The library's.
    fn try_recv(&mut self, number: u64) -> Result<Whole, TryRecvError>;
    /// Has a message lent, calls `meanwhile` while it is, looks at it again, and gives it back.
    ///
    /// # Errors
    /// The library's.
    fn lent(&mut self, number: u64, meanwhile: &mut dyn FnMut(bool)) -> Result<Whole, RecvError>;
    /// Receives up to as many messages as were prepared, as a batch: how many, and whether they were those from `number` on.
    ///
    /// # Errors
    /// The library's.
    fn batch(&mut self, number: u64) -> Result<(u64, Whole), RecvError>;
    /// Has a batch lent, calls `meanwhile` while it is, and gives it back: how many.
    ///
    /// # Errors
    /// The library's.
    fn batch_lent(&mut self, number: u64, meanwhile: &mut dyn FnMut(u64, bool)) -> Result<(u64, Whole), RecvError>;
    /// Messages received, as the library counts.
    fn received(&self) -> u64;
    /// Whether anything comes in time.
    ///
    /// # Errors
    /// The library's.
    fn wait(&mut self, timeout: Duration) -> Result<bool, RecvError>;
    /// The sender.
    fn peer(&self) -> PeerState;
    /// A copy of the descriptor.
    fn fd(&self) -> Option<OwnedFd>;
}

/// Plain values that follow from a number.
trait Numbered: strait::channel::Item + PartialEq + Copy + Send {
    fn numbered(number: u64) -> Self;
}

fn mixed(number: u64) -> u64 {
    // No two alike: the multiplier is odd.
    (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl Numbered for u64 {
    fn numbered(number: u64) -> Self {
        mixed(number)
    }
}

impl Numbered for [u64; 8] {
    fn numbered(number: u64) -> Self {
        std::array::from_fn(|i| mixed(number * 8 + i as u64))
    }
}

impl Numbered for [u8; 100] {
    fn numbered(number: u64) -> Self {
        std::array::from_fn(|i| (mixed(number) >> (i % 8 * 8)) as u8 ^ i as u8)
    }
}

fn bytes(kind: Kind, number: u64) -> Vec<u8> {
    let mixed = mixed(number);
    (0..kind.len(number)).map(move |i| (mixed >> (i % 8 * 8)) as u8 ^ i as u8).collect()
}

/// An end, with messages made in advance: those from `from` on.
struct End<E, M> {
    end: E,
    kind: Kind,
    from: u64,
    prepared: Vec<M>,
    room: Vec<M>,
}

impl<E, M> End<E, M> {
    fn new(kind: Kind, end: E) -> Self {
        Self { end, kind, from: 0, prepared: Vec::new(), room: Vec::new() }
    }

    /// The message of that number if it was made in advance.
    fn ready(&self, number: u64) -> Option<&M> {
        self.prepared.get(usize::try_from(number.checked_sub(self.from)?).ok()?)
    }
}

impl<E, T: Numbered> End<E, T> {
    fn get(&self, number: u64) -> T {
        self.ready(number).copied().unwrap_or_else(|| T::numbered(number))
    }

    fn fill(&mut self, from: u64, count: u64) {
        self.from = from;
        self.prepared = (from..from + count).map(T::numbered).collect();
        self.room.clone_from(&self.prepared);
    }

    fn is_run(&self, found: &[T], number: u64) -> bool {
        found.iter().zip(number..).all(|(found, number)| *found == self.get(number))
    }
}

impl<E> End<E, Vec<u8>> {
    fn get(&self, number: u64) -> Cow<'_, [u8]> {
        self.ready(number).map_or_else(|| Cow::Owned(bytes(self.kind, number)), |it| Cow::Borrowed(it.as_slice()))
    }

    fn fill(&mut self, from: u64, count: u64) {
        self.from = from;
        self.prepared = (from..from + count).map(|number| bytes(self.kind, number)).collect();
        self.room = vec![Vec::with_capacity(4096)];
    }
}

impl<T: Numbered> Tx for End<Sender<T>, T> {
    fn prepare(&mut self, from: u64, count: u64) {
        self.fill(from, count);
    }

    fn send(&mut self, number: u64) -> Result<(), SendError> {
        let message = self.get(number);
        self.end.send(&message)
    }

    fn try_send(&mut self, number: u64) -> Result<(), TrySendError> {
        let message = self.get(number);
        self.end.try_send(&message)
    }

    fn send_batch(&mut self) -> Result<(), SendError> {
        self.end.send_batch(&self.prepared).map_err(|it| it.error)
    }

    fn reserve(&mut self, number: u64) -> Result<(), SendError> {
        let message = self.get(number);
        let mut room = self.end.reserve()?;
        *room = message;
        room.publish();
        Ok(())
    }

    fn sent(&self) -> u64 {
        self.end.sent()
    }

    fn peer(&self) -> PeerState {
        self.end.receiver_state()
    }

    fn fd(&self) -> Option<OwnedFd> {
        self.end.fd()?.try_clone_to_owned().ok()
    }
}

impl Tx for End<Sender<[u8]>, Vec<u8>> {
    fn prepare(&mut self, from: u64, count: u64) {
        self.fill(from, count);
    }

    fn send(&mut self, number: u64) -> Result<(), SendError> {
        let Self { end, kind, from, prepared, .. } = self;
        match prepared.get(number.wrapping_sub(*from) as usize) {
            Some(message) => end.send(message),
            None => end.send(&bytes(*kind, number)),
        }
    }

    fn try_send(&mut self, number: u64) -> Result<(), TrySendError> {
        self.end.try_send(&bytes(self.kind, number))
    }

    fn send_batch(&mut self) -> Result<(), SendError> {
        self.end.send_batch(self.prepared.iter().map(Vec::as_slice)).map_err(|it| it.error)
    }

    fn reserve(&mut self, number: u64) -> Result<(), SendError> {
        let Self { end, prepared, from, .. } = self;
        let message = &prepared[(number - *from) as usize];
        let mut room = end.reserve(message.len())?;
        room.copy_from_slice(message);
        room.publish();
        Ok(())
    }

    fn sent(&self) -> u64 {
        self.end.sent()
    }

    fn peer(&self) -> PeerState {
        self.end.receiver_state()
    }

    fn fd(&self) -> Option<OwnedFd> {
        self.end.fd()?.try_clone_to_owned().ok()
    }
}

impl<T: Numbered> Rx for End<Receiver<T>, T> {
    fn prepare(&mut self, from: u64, count: u64) {
        self.fill(from, count);
    }

    fn recv(&mut self, number: u64) -> Result<Whole, RecvError> {
        let found = self.end.recv()?;
        Ok(Whole(found == self.get(number)))
    }

    fn try_recv(&mut self, number: u64) -> Result<Whole, TryRecvError> {
        let found = self.end.try_recv()?;
        Ok(Whole(found == self.get(number)))
    }

    fn lent(&mut self, number: u64, meanwhile: &mut dyn FnMut(bool)) -> Result<Whole, RecvError> {
        let expected = self.get(number);
        let lent = self.end.recv_ref()?;
        meanwhile(*lent == expected);
        Ok(Whole(*lent == expected))
    }

    fn batch(&mut self, number: u64) -> Result<(u64, Whole), RecvError> {
        let count = self.end.recv_batch(&mut self.room)?;
        Ok((count as u64, Whole(self.is_run(&self.room[..count], number))))
    }

    fn batch_lent(&mut self, number: u64, meanwhile: &mut dyn FnMut(u64, bool)) -> Result<(u64, Whole), RecvError> {
        let Self { end, from, prepared, .. } = self;
        let lent = end.recv_batch_ref()?;
        // There may be more than were prepared: of slots, all that are there.
        let expected = |number: u64| prepared.get((number - *from) as usize).copied();
        let is_whole = |lent: &[T]| {
            let mut numbered = lent.iter().zip(number..);
            numbered.all(|(found, number)| *found == expected(number).unwrap_or_else(|| T::numbered(number)))
        };
        meanwhile(lent.len() as u64, is_whole(&lent));
        Ok((lent.len() as u64, Whole(is_whole(&lent))))
    }

    fn received(&self) -> u64 {
        self.end.received()
    }

    fn wait(&mut self, timeout: Duration) -> Result<bool, RecvError> {
        self.end.wait_timeout(timeout)
    }

    fn peer(&self) -> PeerState {
        self.end.sender_state()
    }

    fn fd(&self) -> Option<OwnedFd> {
        self.end.fd()?.try_clone_to_owned().ok()
    }
}

impl Rx for End<Receiver<[u8]>, Vec<u8>> {
    fn prepare(&mut self, from: u64, count: u64) {
        self.fill(from, count);
    }

    fn recv(&mut self, number: u64) -> Result<Whole, RecvError> {
        let mut into = self.room.pop().unwrap_or_default();
        self.end.recv_into(&mut into)?;
        let is_whole = *into == *self.get(number);
        self.room.push(into);
        Ok(Whole(is_whole))
    }

    fn try_recv(&mut self, number: u64) -> Result<Whole, TryRecvError> {
        let found = self.end.try_recv()?;
        Ok(Whole(*found == *self.get(number)))
    }

    fn lent(&mut self, number: u64, meanwhile: &mut dyn FnMut(bool)) -> Result<Whole, RecvError> {
        let expected = self.get(number).into_owned();
        let lent = self.end.recv_ref()?;
        meanwhile(*lent == *expected);
        Ok(Whole(*lent == *expected))
    }

    fn batch(&mut self, number: u64) -> Result<(u64, Whole), RecvError> {
        Ok((1, self.recv(number)?))
    }

    fn batch_lent(&mut self, number: u64, meanwhile: &mut dyn FnMut(u64, bool)) -> Result<(u64, Whole), RecvError> {
        Ok((1, self.lent(number, &mut |is_whole| meanwhile(1, is_whole))?))
    }

    fn received(&self) -> u64 {
        self.end.received()
    }

    fn wait(&mut self, timeout: Duration) -> Result<bool, RecvError> {
        self.end.wait_timeout(timeout)
    }

    fn peer(&self) -> PeerState {
        self.end.sender_state()
    }

    fn fd(&self) -> Option<OwnedFd> {
        self.end.fd()?.try_clone_to_owned().ok()
    }
}

/// A new user of the name finds everything in order: two ends, messages from the first to the last, and nothing left after it.
///
/// # Errors
/// What is not.
pub fn serves_again(spot: &Spot, kind: Kind, is_restartable: bool) -> Result<(), String> {
    if let Spot::Memory = spot {
        return Ok(());
    }
    let options = options(is_restartable);
    let mut tx = kind
        .sender(At::Place(spot.place()), How::OpenOrCreate, &options)
        .map_err(|e| format!("the next user cannot take the sending end: {e}"))?;
    let mut rx = kind
        .receiver(At::Place(spot.place()), How::OpenOrCreate, &options)
        .map_err(|e| format!("the next user cannot take the receiving end: {e}"))?;
    passes(&mut *tx, &mut *rx, 3)?;
    drop((tx, rx));
    spot.must_be_empty()
}

/// Sends and receives what may be left in the channel and `count` messages more.
///
/// # Errors
/// What went wrong.
pub fn passes(tx: &mut dyn Tx, rx: &mut dyn Rx, count: u64) -> Result<(), String> {
    let end = tx.sent() + count;
    while rx.received() < end {
        let next = tx.sent();
        let is_sent = next < end && tx.try_send(next).is_ok();
        let number = rx.received();
        if number == tx.sent() {
            continue;
        }
        match rx.try_recv(number) {
            Ok(it) if it.0 => {}
            Ok(_) => return Err(format!("message {number} is not what was sent under this number")),
            Err(error) => return Err(format!("receive message {number} (sent now: {is_sent}): {error}")),
        }
    }
    Ok(())
}
