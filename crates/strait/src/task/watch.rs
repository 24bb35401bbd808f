//! The reading end of [`watch`](crate::channel::watch) for `async` code. The writing end never waits.

use crate::channel::watch::{ReadError, Reader, TryReadError};
use crate::channel::{Item, Message};
use crate::error::Result;
use crate::task::Async;

impl<M: Message + ?Sized> Reader<M> {
    /// This end for `async` code.
    ///
    /// # Errors
    /// As [`Async::new`].
    pub fn into_async(self) -> Result<Async<Self>> {
        Async::new(self)
    }
}

/// What an attempt came to, but for nothing being there now.
fn read<V>(attempt: std::result::Result<V, TryReadError>) -> Option<std::result::Result<V, ReadError>> {
    match attempt {
        Ok(value) => Some(Ok(value)),
        Err(TryReadError::NotYet) => None,
        Err(TryReadError::Failed(error)) => Some(Err(error)),
    }
}

impl<T: Item> Async<Reader<T>> {
    /// A copy of the value; waits only while none was ever set.
    ///
    /// Cancel-safe: a future that is dropped has read nothing.
    ///
    /// # Errors
    /// As [`Reader::get`].
    pub async fn get(&mut self) -> std::result::Result<T, ReadError> {
        self.until(|reader| read(reader.try_get())).await
    }

    /// Waits for a value that is newer than the one this reader was given last, and returns a copy of the latest.
    ///
    /// Cancel-safe: a future that is dropped has read nothing.
    ///
    /// # Errors
    /// As [`Reader::changed`].
    pub async fn changed(&mut self) -> std::result::Result<T, ReadError> {
        self.until(|reader| read(reader.try_changed())).await
    }
}

/// Slices are read into a vector that is used again, as in [`Reader`].
impl<T: Item> Async<Reader<[T]>> {
    /// As of single items.
    ///
    /// # Errors
    /// As [`Reader::get`].
    pub async fn get(&mut self, into: &mut Vec<T>) -> std::result::Result<(), ReadError> {
        self.until(|reader| read(reader.try_get(into))).await
    }

    /// As of single items.
    ///
    /// # Errors
    /// As [`Reader::changed`].
    pub async fn changed(&mut self, into: &mut Vec<T>) -> std::result::Result<(), ReadError> {
        self.until(|reader| read(reader.try_changed(into))).await
    }
}
