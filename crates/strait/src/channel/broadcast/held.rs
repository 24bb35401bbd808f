//! How a subscriber receives what lies in blocks: a copy, a loan, or a hold.
//!
//! | | a bit is set | what was read counts if |
//! |---|---|---|
//! | copy | no | the message is still intact afterwards, as in a slot |
//! | loan, where the publisher waits | no: the message is not passed before the loan ends | always |
//! | loan, where it does not | until the loan ends | the message was intact after the bit was set |
//! | hold | until it is dropped | the same; it is always so where the publisher waits |
//!
//! A loan that was leaked ends when the next message is asked for, or with the subscriber.

use super::blocks::{Held, Shelf};
use super::error::{RecvError, RecvTimeoutError, TryRecvError};
use super::lanes::Origin;
use super::loan::Received;
use super::setup::ROOM;
use super::subscriber::{JOINED, Subscriber};
use crate::channel::message::{Item, Message};
use crate::ring::PeerFault;
use crate::ring::lane::{Front, Item as Found};
use crate::wait::eventcount::Wake;
use std::sync::Arc;
use std::sync::atomic::Ordering::Release;
use std::time::Duration;
use strait_mem::SharedMut as _;
use zerocopy::IntoBytes as _;

impl<M: Message + ?Sized> Subscriber<M> {
    /// Takes the next message, to be held as long as one likes, beside others and from any thread; waits for it. Its publisher does not
    /// write there until the hold is dropped, whatever the policy, and has one block less meanwhile.
    ///
    /// # Errors
    /// As [`recv`](Subscriber::recv); [`RecvError::NoBlocks`] where the channel was made without [`super::Options::blocks`];
    /// [`RecvError::Untrusted`] where its memory cannot be lent.
    pub fn hold(&mut self) -> Result<Held<M>, RecvError> {
        self.has_blocks()?;
        self.front()?;
        self.hold_front()
    }

    /// [`Self::hold`], if there is a message now.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`]; else as [`Self::hold`].
    pub fn try_hold(&mut self) -> Result<Held<M>, TryRecvError> {
        self.has_blocks().map_err(TryRecvError::Failed)?;
        self.try_front()?;
        self.hold_front().map_err(TryRecvError::Failed)
    }

    /// [`Self::hold`], for `timeout` at the most.
    ///
    /// # Errors
    /// [`RecvTimeoutError::TimedOut`]; else as [`Self::hold`].
    pub fn hold_timeout(&mut self, timeout: Duration) -> Result<Held<M>, RecvTimeoutError> {
        self.has_blocks().map_err(RecvTimeoutError::Failed)?;
        self.front_timeout(timeout)?;
        self.hold_front().map_err(RecvTimeoutError::Failed)
    }

    fn has_blocks(&self) -> Result<(), RecvError> {
        if self.shelf.is_some() { Ok(()) } else { Err(RecvError::NoBlocks) }
    }

    fn hold_front(&mut self) -> Result<Held<M>, RecvError> {
        let (shelf, block, at) = self.take_front(true)?;
        let lane = self.lanes.number();
        // At most 16 lanes.
        let origin = Origin { publisher: lane as u32, number: self.lanes.current().position() };
        self.pass();
        Ok(Held::new(shelf, lane, block, at, origin))
    }

    #[cold]
    pub(super) fn lend_block(&mut self) -> Result<Received<'_, M>, RecvError> {
        let is_held = !self.plan.is_kept();
        let (_, block, at) = self.take_front(is_held)?;
        self.loan = is_held.then_some((self.lanes.number(), block));
        Ok(Received::new(self, at))
    }

    /// The block of the message at the front, which was found, and the place there of a message that can be read. A hold of it is taken, where
    /// that is asked for: the caller lets go of it.
    fn take_front(&mut self, is_held: bool) -> Result<(Arc<Shelf>, u32, Found), RecvError> {
        self.end_loan();
        let Some(shelf) = self.shelf.clone() else { return Err(RecvError::NoBlocks) };
        if !shelf.is_trusted() {
            return Err(RecvError::Untrusted);
        }
        let found = self.lanes.current().front();
        let Some((block, at)) = self.block(found)? else { return Err(self.lagged()) };
        if is_held {
            self.take_hold(&shelf, block)?;
        }
        // Checked once here, so that the accesses through the loan or the hold can rely on it.
        if shelf.message::<M>(self.lanes.number(), at).is_none() {
            if is_held {
                shelf.let_go(self.lanes.number(), block);
            }
            return Err(self.misfit(at));
        }
        Ok((shelf, block, at))
    }

    fn take_hold(&mut self, shelf: &Shelf, block: u32) -> Result<(), RecvError> {
        let lane = self.lanes.current();
        let is_new = shelf.hold(self.lanes.number(), block);
        let is_intact = lane.is_intact();
        if is_intact && is_new {
            return Ok(());
        }
        let at = lane.reference_at();
        if is_new {
            shelf.let_go(self.lanes.number(), block);
        }
        if !is_intact {
            return Err(self.lagged());
        }
        // A block that we hold already is in no other message.
        let fault = PeerFault { what: "block of a message", offset: at as u64, found: u64::from(block) };
        Err(self.hub.close(fault).into())
    }

    /// The block that was found at the front, and the message's place in its lane's blocks; `None` where it was overwritten.
    fn block(&mut self, found: Result<Front, PeerFault>) -> Result<Option<(u32, Found)>, RecvError> {
        let reference = match found {
            Ok(Front::Block(reference)) => reference,
            Ok(Front::Slot(_) | Front::Lost) => return Ok(None),
            Err(fault) => return Err(self.hub.close(fault).into()),
        };
        let lane = self.lanes.current();
        let found = self.shelf.as_ref().and_then(|shelf| shelf.find(reference));
        if found.is_some() || !lane.is_intact() {
            return Ok(found);
        }
        let offset = lane.reference_at() as u64;
        Err(self.hub.close(PeerFault { what: "reference of a message", offset, found: reference }).into())
    }

    /// Copies the message in a block, and passes it; says whether it was intact.
    fn copy_from(&mut self, at: Found, into: &mut [u8]) -> bool {
        let Some(shelf) = &self.shelf else { return false };
        shelf.read(self.lanes.number(), at.offset, into);
        let is_intact = self.lanes.current().is_intact();
        if is_intact {
            self.pass();
        }
        is_intact
    }

    /// Goes, and leaves the seat to who has the last of what we hold (rules 1 and 2 of `blocks`).
    pub(super) fn leave_to(&mut self, shelf: Arc<Shelf>) {
        if let Some((lane, block)) = self.loan.take() {
            shelf.let_go(lane, block);
        }
        if self.hub.is_own() {
            // Publishers may wait for what we have not read.
            self.hub.after_action(ROOM, Wake::Everybody);
            self.hub.leave_later();
            if let Ok(progress) = self.hub.own_progress() {
                // Release: who sees us gone sees that we keep nothing.
                progress.store_u64(JOINED, 0, Release);
            }
        }
        drop(shelf);
    }
}

impl<T: Item> Subscriber<T> {
    /// [`Self::recv`] of what is in a block, or why there is nothing.
    #[cold]
    #[inline(never)]
    pub(super) fn copy_block(&mut self, found: Result<Front, PeerFault>) -> Result<T, RecvError> {
        let mut message = T::new_zeroed();
        if self.copy_item(found, &mut message)? { Ok(message) } else { Err(self.lagged()) }
    }

    /// [`Self::recv_batch`] of what is in blocks: there is something at the front.
    #[cold]
    #[inline(never)]
    pub(super) fn copy_blocks(&mut self, into: &mut [T]) -> Result<usize, RecvError> {
        self.lanes.current_mut().look_far().map_err(|fault| RecvError::from(self.hub.close(fault)))?;
        for (count, message) in into.iter_mut().enumerate() {
            if !self.lanes.current().is_ready() {
                return Ok(count);
            }
            // Where a run is over the next one begins.
            self.lanes.current_mut().look().map_err(|fault| RecvError::from(self.hub.close(fault)))?;
            let found = self.lanes.current().front();
            match self.copy_item(found, message) {
                Ok(true) => {}
                Ok(false) if count == 0 => return Err(self.lagged()),
                Err(error) if count == 0 => return Err(error),
                // What is wrong behind the first is told by the next call.
                Ok(false) | Err(_) => return Ok(count),
            }
        }
        Ok(into.len())
    }

    /// Copies an item and passes it. `false`: it was overwritten.
    fn copy_item(&mut self, found: Result<Front, PeerFault>, into: &mut T) -> Result<bool, RecvError> {
        self.end_loan();
        let Some((_, at)) = self.block(found)? else { return Ok(false) };
        if at.len_bytes as usize != size_of::<T>() {
            return Err(self.misfit(at));
        }
        Ok(self.copy_from(at, into.as_mut_bytes()))
    }
}

impl<T: Item> Subscriber<[T]> {
    /// Copies a slice out of its block, or says why there is none.
    #[cold]
    #[inline(never)]
    pub(super) fn copy_slice_block(
        &mut self,
        found: Result<Front, PeerFault>,
        into: &mut Vec<T>,
    ) -> Result<(), RecvError> {
        self.end_loan();
        let Some((_, at)) = self.block(found)? else { return Err(self.lagged()) };
        let len_bytes = at.len_bytes as usize;
        if len_bytes % size_of::<T>() != 0 {
            return Err(self.misfit(at));
        }
        // The length was held against the longest message, which is our own number.
        into.resize_with(len_bytes / size_of::<T>(), T::new_zeroed);
        if self.copy_from(at, into.as_mut_slice().as_mut_bytes()) { Ok(()) } else { Err(self.lagged()) }
    }
}
