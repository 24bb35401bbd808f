//! The ends of [`spsc`](crate::channel::spsc) for `async` code.

use crate::channel::spsc::{Receiver, Sender};
use crate::channel::{Item, Message, RecvError, SendError, TryRecvError, TrySendError};
use crate::error::Result;
use crate::task::Async;

impl<M: Message + ?Sized> Receiver<M> {
    /// This end for `async` code.
    ///
    /// # Errors
    /// As [`Async::new`].
    pub fn into_async(self) -> Result<Async<Self>> {
        Async::new(self)
    }
}

impl<M: Message + ?Sized> Sender<M> {
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

fn sent(attempt: std::result::Result<(), TrySendError>) -> Option<std::result::Result<(), SendError>> {
    match attempt {
        Ok(()) => Some(Ok(())),
        Err(TrySendError::Full) => None,
        Err(TrySendError::Failed(error)) => Some(Err(error)),
    }
}

impl<T: Item> Async<Receiver<T>> {
    /// Receives a copy of the next message.
    ///
    /// Cancel-safe: a future that is dropped has taken no message.
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    pub async fn recv(&mut self) -> std::result::Result<T, RecvError> {
        self.until(|rx| received(rx.try_recv())).await
    }
}

impl<T: Item> Async<Receiver<[T]>> {
    /// Receives a copy of the next message.
    ///
    /// Cancel-safe: a future that is dropped has taken no message.
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    pub async fn recv(&mut self) -> std::result::Result<Vec<T>, RecvError> {
        self.until(|rx| received(rx.try_recv())).await
    }

    /// [`Self::recv`] into a vector that is used again.
    ///
    /// Cancel-safe: a future that is dropped has taken no message and left the vector as it was.
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    pub async fn recv_into(&mut self, into: &mut Vec<T>) -> std::result::Result<(), RecvError> {
        self.until(|rx| received(rx.try_recv_into(into))).await
    }
}

impl<M: Message + ?Sized> Async<Sender<M>> {
    /// Sends a copy of a message, when there is room.
    ///
    /// Cancel-safe: a future that is dropped before it is ready has sent nothing.
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub async fn send(&mut self, message: &M) -> std::result::Result<(), SendError> {
        self.until(|tx| sent(tx.try_send(message))).await
    }
}

#[cfg(feature = "futures")]
mod futures {
    use super::received;
    use crate::channel::spsc::{Receiver, Sender};
    use crate::channel::{Cause, Item, RecvError, TrySendError};
    use crate::select::Selectable;
    use crate::task::Async;
    use futures_core::{FusedStream, Stream};
    use futures_sink::Sink;
    use std::pin::Pin;
    use std::task::{Context, Poll, ready};

    impl<E: Selectable> Async<E> {
        /// As [`crate::channel::spsc::Iter`]: who left in good order has nothing to tell.
        fn poll_stream<V>(
            &mut self,
            cx: &mut Context<'_>,
            attempt: impl FnMut(&mut E) -> Option<Result<V, RecvError>>,
        ) -> Poll<Option<Result<V, RecvError>>> {
            if self.is_over {
                return Poll::Ready(None);
            }
            let received = ready!(self.poll_until(cx, attempt));
            self.is_over = received.is_err();
            Poll::Ready(match received {
                Err(RecvError::Disconnected(Cause::Left)) => None,
                received => Some(received),
            })
        }
    }

    /// Copies of the messages. It ends when the sender has left in good order; one that died, or lied, is told of by one last `Err`.
    impl<T: Item> Stream for Async<Receiver<T>> {
        type Item = Result<T, RecvError>;

        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            self.poll_stream(cx, |rx| received(rx.try_recv()))
        }
    }

    /// As of single items.
    impl<T: Item> Stream for Async<Receiver<[T]>> {
        type Item = Result<Vec<T>, RecvError>;

        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            self.poll_stream(cx, |rx| received(rx.try_recv()))
        }
    }

    impl<T: Item> FusedStream for Async<Receiver<T>> {
        fn is_terminated(&self) -> bool {
            self.is_over
        }
    }

    impl<T: Item> FusedStream for Async<Receiver<[T]>> {
        fn is_terminated(&self) -> bool {
            self.is_over
        }
    }

    /// Each item is in the channel when `start_send` returns: there is nothing to flush. [`TrySendError::Full`] is for who has not asked
    /// `poll_ready` before.
    impl<T: Item> Sink<T> for Async<Sender<T>> {
        type Error = TrySendError;

        fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), TrySendError>> {
            Async::poll_ready(&mut self, cx).map(Ok)
        }

        fn start_send(mut self: Pin<&mut Self>, item: T) -> Result<(), TrySendError> {
            self.end.try_send(&item)
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), TrySendError>> {
            Poll::Ready(Ok(()))
        }

        /// The channel is left when the sender is dropped.
        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), TrySendError>> {
            Poll::Ready(Ok(()))
        }
    }
}
