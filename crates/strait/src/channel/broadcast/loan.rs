//! What a subscriber gives out: a message in place, and all of them one after the other.

use crate::channel::broadcast::error::RecvError;
use crate::channel::broadcast::subscriber::Subscriber;
use crate::channel::message::{Item, Message};
use crate::peer::Cause;
use crate::ring::lane::Item as Front;
use std::ops::Deref;

/// A message lent in place. Dropping it passes the message; leaking it leaves the message at the front, to be received again.
#[derive(Debug)]
pub struct Received<'a, M: Message + ?Sized> {
    front: Front,
    subscriber: &'a mut Subscriber<M>,
}

impl<'a, M: Message + ?Sized> Received<'a, M> {
    pub(super) fn new(subscriber: &'a mut Subscriber<M>, front: Front) -> Self {
        Self { front, subscriber }
    }

    /// Ends the loan and leaves the message at the front: the next call receives it again.
    pub fn put_back(self) {
        self.subscriber.end_loan();
        std::mem::forget(self);
    }
}

impl<M: Message + ?Sized> Deref for Received<'_, M> {
    type Target = M;

    #[inline]
    fn deref(&self) -> &M {
        self.subscriber.lent(self.front).unwrap_or_else(|| misfit())
    }
}

impl<M: Message + ?Sized> Drop for Received<'_, M> {
    #[inline]
    fn drop(&mut self) {
        self.subscriber.give_back();
    }
}

/// Copies of the messages, one after the other.
///
/// [`RecvError::Lagged`] is told by an `Err`, and it goes on. It ends when all publishers have left in good order and everything has been
/// received. That one died, or lied, is told by one last `Err`.
#[derive(Debug)]
pub struct Iter<'a, M: Message + ?Sized> {
    subscriber: &'a mut Subscriber<M>,
    is_over: bool,
}

impl<'a, M: Message + ?Sized> Iter<'a, M> {
    pub(super) fn new(subscriber: &'a mut Subscriber<M>) -> Self {
        Self { subscriber, is_over: false }
    }

    fn pass<V>(&mut self, received: Result<V, RecvError>) -> Option<Result<V, RecvError>> {
        self.is_over = !matches!(received, Ok(_) | Err(RecvError::Lagged(_)));
        match received {
            Err(RecvError::Disconnected(Cause::Left)) => None,
            received => Some(received),
        }
    }
}

impl<T: Item> Iterator for Iter<'_, T> {
    type Item = Result<T, RecvError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let received = self.subscriber.recv();
        self.pass(received)
    }
}

impl<T: Item> Iterator for Iter<'_, [T]> {
    type Item = Result<Vec<T>, RecvError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let received = self.subscriber.recv();
        self.pass(received)
    }
}

/// Not reached: the same conversion of the same bytes was made before there was a loan.
#[cold]
fn misfit() -> ! {
    unreachable!("a loan is as long and as aligned as its message")
}
