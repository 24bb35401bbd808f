//! The ends of [`rpc`](crate::channel::rpc) for `async` code.

use crate::channel::rpc::{Call, CallError, Client, Pending, Request, Server, TryWaitError};
use crate::channel::{Message, RecvError, TryRecvError};
use crate::error::Result;
use crate::task::Async;

impl<Req: Message + ?Sized, Res: Message + ?Sized> Server<Req, Res> {
    /// This end for `async` code.
    ///
    /// # Errors
    /// As [`Async::new`].
    pub fn into_async(self) -> Result<Async<Self>> {
        Async::new(self)
    }
}

impl<Req: Message + ?Sized, Res: Message + ?Sized> Client<Req, Res> {
    /// This end for `async` code.
    ///
    /// # Errors
    /// As [`Async::new`].
    pub fn into_async(self) -> Result<Async<Self>> {
        Async::new(self)
    }
}

impl<Req: Message + ?Sized, Res: Message + ?Sized> Async<Server<Req, Res>> {
    /// Takes the next request. One is held at a time here.
    ///
    /// Cancel-safe: a future that is dropped has taken no request, and one that it was woken for wakes another server.
    ///
    /// # Errors
    /// As [`Server::recv`].
    pub async fn recv(&mut self) -> std::result::Result<Request<'_, Req, Res>, RecvError> {
        let taken = self
            .until(|server| match server.try_take() {
                Ok(taken) => Some(Ok(taken)),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Failed(error)) => Some(Err(error)),
            })
            .await?;
        Ok(self.end.request(taken))
    }
}

/// What an attempt came to, but for nothing being there now.
fn answered<V>(attempt: std::result::Result<V, TryWaitError>) -> Option<std::result::Result<V, CallError>> {
    match attempt {
        Ok(answer) => Some(Ok(answer)),
        Err(TryWaitError::NotYet) => None,
        Err(TryWaitError::Failed(error)) => Some(Err(error)),
    }
}

/// A call that is given up when it is dropped.
struct Begun<'a, Req: Message + ?Sized, Res: Message + ?Sized> {
    client: &'a mut Async<Client<Req, Res>>,
    call: Option<Call>,
}

impl<Req: Message + ?Sized, Res: Message + ?Sized> Drop for Begun<'_, Req, Res> {
    fn drop(&mut self) {
        self.client.end.give_up(&mut self.call);
    }
}

impl<Req: Message + ?Sized, Res: Message + ?Sized> Async<Client<Req, Res>> {
    /// Sends a request and waits for its answer. For several at a time see [`Async::wait`].
    ///
    /// A future that is dropped gives the call up: if no server has begun with the request none will; else the answer is dropped.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn call(&mut self, request: &Req) -> std::result::Result<Res::Owned, CallError> {
        let call = Some(self.until(|client| client.try_begin(request).transpose()).await?);
        let mut begun = Begun { client: self, call };
        let Begun { client, call } = &mut begun;
        client.until(|client| answered(client.try_finish(call))).await
    }
}

impl<Req: Message + ?Sized, Res: Message + ?Sized> Async<Pending<'_, Req, Res>> {
    /// Waits for the answer of a call: `Async::new(client.start(&request)?)?.wait().await`. Of one client, several can be waited for at a time.
    ///
    /// A future that is dropped leaves the call in flight; when the `Async` is dropped, it is given up.
    ///
    /// # Errors
    /// As [`Pending::wait_timeout`].
    pub async fn wait(&mut self) -> std::result::Result<Res::Owned, CallError> {
        self.until(|pending| answered(pending.try_wait())).await
    }
}
