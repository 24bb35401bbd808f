//! The `rpc` channel: `u64`s and arrays of them as typed requests, slices of bytes of any length, each answered with another of its size.
//!
//! The measuring process is the client: a call is sent and its answer taken. The peer is the server.

use std::io;

use strait::channel::rpc::{Client, Options, Server};
use strait::channel::{Item, Message, Strategy};

use crate::contender::{Duplex, Side, Site};
use crate::job::Wait;
use crate::message;

fn options(site: &Site) -> Options {
    let strategy = match site.job.wait {
        Wait::Spin => Strategy::Spin,
        Wait::Adaptive => Strategy::SpinThenSleep,
        Wait::Sleep => Strategy::Sleep,
    };
    // Longer than any payload of the list.
    let max = u32::try_from(site.job.bytes).unwrap_or(u32::MAX);
    Options::new().max_request_bytes(max).max_answer_bytes(max).populate(true).wait(strategy)
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}

/// The client: `send` makes the whole call, `recv` shows its answer.
struct Calls<M: Message + ?Sized> {
    client: Client<M, M>,
    answer: Option<M::Owned>,
}

/// The server: `recv` answers too.
struct Answers<M: Message + ?Sized> {
    server: Server<M, M>,
    answer: Vec<u8>,
}

/// The answer to a message: the one whose number has all its bits turned.
#[inline]
fn complement(request: &[u8], answer: &mut [u8]) {
    let number = request.first_chunk().map_or(0, |head| u64::from_ne_bytes(*head));
    message::stamp(answer, !number);
}

fn duplex<M: Message + ?Sized + 'static>(site: &Site) -> io::Result<Box<dyn Duplex>>
where
    Calls<M>: Duplex,
    Answers<M>: Duplex,
{
    let options = options(site);
    Ok(match site.side {
        Side::Here => {
            Box::new(Calls::<M> { client: Client::create(site.name(), &options).map_err(other)?, answer: None })
        }
        Side::There => {
            let server = Server::open(site.name(), &options).map_err(other)?;
            Box::new(Answers::<M> { server, answer: vec![0; site.job.bytes] })
        }
    })
}

pub(crate) fn typed(site: &Site) -> io::Result<Box<dyn Duplex>> {
    match site.job.bytes {
        8 => duplex::<u64>(site),
        64 => duplex::<[u64; 8]>(site),
        bytes => panic!("typed calls carry 8 or 64 bytes, not {bytes}"),
    }
}

pub(crate) fn bytes(site: &Site) -> io::Result<Box<dyn Duplex>> {
    duplex::<[u8]>(site)
}

impl<T: Item> Duplex for Calls<T> {
    fn send(&mut self, payload: &[u8]) {
        let request = T::read_from_bytes(payload).expect("as long as the job says");
        self.answer = Some(self.client.call(&request).expect("the peer lives"));
    }

    fn recv(&mut self, payload: &mut [u8]) {
        let answer = self.answer.take().expect("was called");
        answer.write_to(payload).expect("as long as the job says");
    }
}

impl<T: Item> Duplex for Answers<T> {
    fn send(&mut self, _: &[u8]) {}

    fn recv(&mut self, payload: &mut [u8]) {
        let request = self.server.recv().expect("the peer lives");
        request.write_to(payload).expect("as long as the job says");
        complement(payload, &mut self.answer);
        let answer = T::read_from_bytes(&self.answer).expect("as long as the job says");
        request.answer(&answer).expect("fits");
    }
}

impl Duplex for Calls<[u8]> {
    fn send(&mut self, payload: &[u8]) {
        self.answer = Some(self.client.call(payload).expect("the peer lives"));
    }

    fn recv(&mut self, payload: &mut [u8]) {
        payload.copy_from_slice(&self.answer.take().expect("was called"));
    }
}

impl Duplex for Answers<[u8]> {
    fn send(&mut self, _: &[u8]) {}

    fn recv(&mut self, payload: &mut [u8]) {
        let request = self.server.recv().expect("the peer lives");
        payload.copy_from_slice(&request);
        complement(payload, &mut self.answer);
        request.answer(&self.answer).expect("fits");
    }
}
