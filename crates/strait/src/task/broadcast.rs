//! The ends of [`broadcast`](crate::channel::broadcast) for `async` code.

use crate::channel::broadcast::{
    Held, Policy, PublishError, Publisher, RecvError, Subscriber, TryPublishError, TryRecvError,
};
use crate::channel::{Item, Message};
use crate::error::Result;
use crate::task::Async;

impl<M: Message + ?Sized> Subscriber<M> {
    /// This end for `async` code.
    ///
    /// # Errors
    /// As [`Async::new`].
    pub fn into_async(self) -> Result<Async<Self>> {
        Async::new(self)
    }
}

impl<M: Message + ?Sized> Publisher<M> {
    /// This end for `async` code.
    ///
    /// # Errors
    /// As [`Async::new`].
    pub fn into_async(self) -> Result<Async<Self>> {
        Async::new(self)
    }
}

/// What an attempt came to, but for nothing being there now.
fn received<V>(attempt: std::result::Result<V, TryRecvError>) -> Option<std::result::Result<V, RecvError>> {
    match attempt {
        Ok(message) => Some(Ok(message)),
        Err(TryRecvError::Empty) => None,
        Err(TryRecvError::Failed(error)) => Some(Err(error)),
    }
}

impl<M: Message + ?Sized> Async<Subscriber<M>> {
    /// Takes the next message, to be held.
    ///
    /// Cancel-safe: a future that is dropped has taken no message.
    ///
    /// # Errors
    /// As [`Subscriber::hold`].
    pub async fn hold(&mut self) -> std::result::Result<Held<M>, RecvError> {
        self.until(|rx| received(rx.try_hold())).await
    }
}

impl<T: Item> Async<Subscriber<T>> {
    /// Receives a copy of the next message.
    ///
    /// Cancel-safe: a future that is dropped has taken no message.
    ///
    /// # Errors
    /// As [`Subscriber::recv`].
    pub async fn recv(&mut self) -> std::result::Result<T, RecvError> {
        self.until(|rx| received(rx.try_recv())).await
    }
}

impl<T: Item> Async<Subscriber<[T]>> {
    /// Receives a copy of the next message.
    ///
    /// Cancel-safe: a future that is dropped has taken no message.
    ///
    /// # Errors
    /// As [`Subscriber::recv`].
    pub async fn recv(&mut self) -> std::result::Result<Vec<T>, RecvError> {
        self.until(|rx| received(rx.try_recv())).await
    }

    /// [`Self::recv`] into a vector that is used again.
    ///
    /// Cancel-safe: a future that is dropped has taken no message and left the vector as it was.
    ///
    /// # Errors
    /// As [`Subscriber::recv`].
    pub async fn recv_into(&mut self, into: &mut Vec<T>) -> std::result::Result<(), RecvError> {
        self.until(|rx| received(rx.try_recv_into(into))).await
    }
}

impl<M: Message + ?Sized> Async<Publisher<M>> {
    /// Publishes a copy of a message: under [`Policy::DropNewest`] at once, else when there is room, as [`Publisher::publish`] does.
    ///
    /// Cancel-safe: a future that is dropped before it is ready has published nothing.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub async fn publish(&mut self, message: &M) -> std::result::Result<(), PublishError> {
        self.until(|tx| {
            if tx.policy() == Policy::DropNewest {
                return Some(tx.publish(message));
            }
            match tx.try_publish(message) {
                Ok(()) => Some(Ok(())),
                Err(TryPublishError::Full) => None,
                Err(TryPublishError::Failed(error)) => Some(Err(error)),
            }
        })
        .await
    }
}
