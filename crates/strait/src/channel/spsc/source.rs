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

    /// There was nothing, and then the end was closed because the sender is gone: what was sent in between still comes first.
    #[cold]
    fn look_once_more(&mut self) {
        if self.has_front() {
            self.endpoint.reopen();
        }
    }
}

impl<M: Message + ?Sized> Source for Receiver<M> {
    fn is_ready(&mut self) -> bool {
        if self.endpoint.check().is_err() || self.has_front() {
            return true;
        }
        let is_gone = self.endpoint.look_at_peer().is_err();
        if is_gone {
            self.look_once_more();
        }
        is_gone
    }

    fn look(&mut self) {
        if self.ring.received() > 0 {
            self.endpoint.has_met();
        }
        if self.endpoint.look_at_lease().is_err() {
            self.look_once_more();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::spsc::setup::{RECEIVER_SIDE, SENDER_SIDE};
    use crate::channel::spsc::{Options, pair};
    use crate::channel::{Cause, RecvError, TryRecvError};
    use crate::peer::side::FENCES;
    use crate::region::Region;
    use std::sync::atomic::Ordering::Relaxed;
    use strait_mem::SharedMut as _;

    fn ends() -> (Sender<u64>, Receiver<u64>) {
        pair(&Options::new().capacity_bytes(4096)).expect("memory")
    }

    /// A receiver is ready when there is a message, and when there will be none; what was sent before a goodbye comes before it.
    #[test]
    fn receiver_is_ready() {
        let (mut tx, mut rx) = ends();
        assert!(!rx.is_ready());
        tx.send(&1).expect("room");
        assert!(rx.is_ready());
        assert_eq!((rx.recv(), rx.is_ready()), (Ok(1), false));
        tx.send(&2).expect("room");
        drop(tx);
        rx.look();
        assert_eq!((rx.is_ready(), rx.recv()), (true, Ok(2)));
        rx.look();
        let left = TryRecvError::Failed(RecvError::Disconnected(Cause::Left));
        assert_eq!((rx.is_ready(), rx.try_recv()), (true, Err(left)));
    }

    /// A sender is ready when there is room, and when nobody will make any.
    #[test]
    fn sender_is_ready() {
        let (mut tx, rx) = ends();
        assert!(tx.is_ready());
        while tx.try_send(&0).is_ok() {}
        assert!(!tx.is_ready());
        drop(rx);
        assert!(tx.is_ready());
    }

    /// Whether the other side passes full barriers is what that one says now.
    #[test]
    fn fences_are_the_other_sides() {
        let (tx, rx) = ends();
        let say = |region: &Region, side: u64, number| {
            let at = side + FENCES as u64;
            region.view_mut(at..at + 4).expect("its own").store_u32(0, number, Relaxed);
        };
        for (of_sender, of_receiver) in [(0, 0), (1, 0), (0, 1), (0, 0)] {
            say(tx.endpoint.region(), SENDER_SIDE, of_sender);
            say(rx.endpoint.region(), RECEIVER_SIDE, of_receiver);
            assert_eq!((tx.is_fenced(), rx.is_fenced()), (of_receiver == 1, of_sender == 1));
        }
    }

    /// Who watches for an end has nothing to tell while the other side is there, nor when it has left, for then it has rung.
    #[test]
    fn vigil_tells_of_deaths_alone() {
        let (tx, rx) = ends();
        let vigil = rx.vigil().expect("can be watched");
        assert!(!vigil.is_disturbed());
        drop(tx);
        assert!(!vigil.is_disturbed());
    }
}
