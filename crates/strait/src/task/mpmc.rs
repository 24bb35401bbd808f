//! The ends of [`mpmc`](crate::channel::mpmc) for `async` code.

use crate::channel::Message;
use crate::channel::mpmc::{Job, Kinds, PopError, Producer, PushError, TryPopError, TryPushError, Worker};
use crate::error::Result;
use crate::task::Async;

impl<M: Message + ?Sized> Worker<M> {
    /// This end for `async` code.
    ///
    /// # Errors
    /// As [`Async::new`].
    pub fn into_async(self) -> Result<Async<Self>> {
        Async::new(self)
    }
}

impl<M: Message + ?Sized> Producer<M> {
    /// This end for `async` code.
    ///
    /// # Errors
    /// As [`Async::new`].
    pub fn into_async(self) -> Result<Async<Self>> {
        Async::new(self)
    }
}

impl<M: Message + ?Sized> Async<Worker<M>> {
    /// The next job, in our hands until it is acknowledged.
    ///
    /// Cancel-safe: a future that is dropped has taken no job, and one that it was woken for wakes another worker.
    ///
    /// # Errors
    /// As [`Worker::pop`].
    pub async fn pop(&mut self) -> std::result::Result<Job<'_, M>, PopError> {
        self.pop_kind(Kinds::ALL).await
    }

    /// [`Self::pop`], of one kind or some kinds.
    ///
    /// # Errors
    /// As [`Worker::pop`].
    pub async fn pop_kind(&mut self, kinds: impl Into<Kinds>) -> std::result::Result<Job<'_, M>, PopError> {
        let kinds = kinds.into().bits();
        let claim = self
            .until(|worker| match worker.try_claim(kinds) {
                Ok(claim) => Some(Ok(claim)),
                Err(TryPopError::Empty) => None,
                Err(TryPopError::Failed(error)) => Some(Err(error)),
            })
            .await?;
        self.end.hand_over(claim)
    }
}

impl<M: Message + ?Sized> Async<Producer<M>> {
    /// Pushes a copy of a job of kind 0, when there is room.
    ///
    /// Cancel-safe: a future that is dropped before it is ready has pushed nothing.
    ///
    /// # Errors
    /// As [`Producer::push`].
    pub async fn push(&mut self, job: &M) -> std::result::Result<(), PushError> {
        self.push_kind(0, job).await
    }

    /// [`Self::push`], of any kind.
    ///
    /// # Errors
    /// As [`Producer::push_kind`].
    pub async fn push_kind(&mut self, kind: u32, job: &M) -> std::result::Result<(), PushError> {
        self.until(|tx| match tx.try_push_kind(kind, job) {
            Ok(()) => Some(Ok(())),
            Err(TryPushError::Full) => None,
            Err(TryPushError::Failed(error)) => Some(Err(error)),
        })
        .await
    }
}
