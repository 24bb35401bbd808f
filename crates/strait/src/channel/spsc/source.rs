//! The ends of this channel, as what can be waited for beside other things.
//!
//! A receiver is ready when there is a message; a sender when there is room for the message that last found none, or, before there was
//! one, for the shortest. Both are ready when the next call will say why there never will be.

use crate::channel::endpoint::End;
use crate::channel::message::Message;
use crate::channel::spsc::{Receiver, Sender};
use crate::ring::spsc::NoRoom;
use crate::wait::source::{Source, Vigil};
use std::sync::Arc;
use strait_mem::Word;

impl<M: Message + ?Sized> Receiver<M> {
    /// Whether a message is at the front, or a fault, which is remembered.
    fn has_front(&mut self) -> bool {
        match self.ring.front() {
            Ok(front) => front.is_some(),
            Err(fault) => {
                self.endpoint.close(End::Fault(fault));
                true
            }
        }
    }

    /// There was nothing, and then the end was closed: what was sent in between still comes first.
    #[cold]
    fn is_closed_for(&mut self, end: End) -> bool {
        if matches!(end, End::Gone(_)) && self.has_front() {
            self.endpoint.reopen();
        }
        true
    }
}

impl<M: Message + ?Sized> Source for Receiver<M> {
    fn is_ready(&mut self) -> bool {
        if self.endpoint.check().is_err() || self.has_front() {
            return true;
        }
        match self.endpoint.look_at_peer() {
            Ok(()) => false,
            Err(end) => self.is_closed_for(end),
        }
    }

    fn look(&mut self) {
        if self.ring.received() > 0 {
            self.endpoint.has_met();
        }
        if let Err(end) = self.endpoint.look_at_lease() {
            self.is_closed_for(end);
        }
    }

    fn announce(&mut self) -> u32 {
        // As before any wait: a sender that waits for more room than there was must see all that is free.
        self.after_release();
        self.endpoint.announce(0)
    }

    fn is_fenced(&self) -> bool {
        self.endpoint.is_fenced()
    }

    fn word(&self) -> &Word {
        self.endpoint.bell()
    }

    fn withdraw(&mut self) {
        self.endpoint.withdraw();
    }

    fn peer_cpu(&self) -> u32 {
        self.endpoint.peer_cpu()
    }

    fn set_cpu(&self, cpu: u32) {
        self.endpoint.set_cpu(cpu);
    }

    fn vigil(&self) -> Option<Arc<dyn Vigil>> {
        self.endpoint.vigil()
    }
}

impl<M: Message + ?Sized> Sender<M> {
    /// The position of the receiver from which on there is room; `None` where there is, or where it does not matter any more.
    fn room_until(&mut self) -> Option<u32> {
        let wanted = self.wanted_bytes.max(size_of::<M::Item>() as u32);
        match self.ring.stage(wanted) {
            // Forgotten, as if never staged.
            Ok(_) => None,
            Err(NoRoom::Until(head)) => Some(head),
            Err(NoRoom::Fault(fault)) => {
                self.endpoint.close(End::Fault(fault));
                None
            }
        }
    }
}

impl<M: Message + ?Sized> Source for Sender<M> {
    fn is_ready(&mut self) -> bool {
        self.endpoint.check().is_err() || self.endpoint.look_at_peer().is_err() || self.room_until().is_none()
    }

    fn look(&mut self) {
        if self.ring.was_released() {
            self.endpoint.has_met();
        }
        // What it finds closes the end, which is then ready.
        let _ = self.endpoint.look_at_lease();
    }

    fn announce(&mut self) -> u32 {
        let wake_at = match self.room_until() {
            Some(head) => self.ring.wake_at(head),
            // There is room: the next look finds it.
            None => self.ring.tail(),
        };
        self.endpoint.announce(wake_at)
    }

    fn is_fenced(&self) -> bool {
        self.endpoint.is_fenced()
    }

    fn word(&self) -> &Word {
        self.endpoint.bell()
    }

    fn withdraw(&mut self) {
        self.endpoint.withdraw();
    }

    fn peer_cpu(&self) -> u32 {
        self.endpoint.peer_cpu()
    }

    fn set_cpu(&self, cpu: u32) {
        self.endpoint.set_cpu(cpu);
    }

    fn vigil(&self) -> Option<Arc<dyn Vigil>> {
        self.endpoint.vigil()
    }
}
