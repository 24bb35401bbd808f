//! The `rpc` channel: a question is a call, and its answer the server's echo.

use std::borrow::Borrow as _;
use std::io;

use strait::channel::rpc::{Client, Options, Server};

use super::payload::{Stamped, strategy};
use crate::job::{Job, Shape};
use crate::payload::STOP;
use crate::seam::{Duplex, End, other};

pub(crate) fn cannot(job: &Job) -> Option<&'static str> {
    (job.shape != Shape::RoundTrip).then_some("calls")
}

pub(crate) fn open(job: &Job, me: usize) -> io::Result<End> {
    Ok(End::Duplex(match (job.bytes, me) {
        (8, 0) => Box::new(Caller::<u64>::new(job)?),
        (64, 0) => Box::new(Caller::<[u64; 8]>::new(job)?),
        (_, 0) => Box::new(Caller::<[u64]>::new(job)?),
        (8, _) => Box::new(Answerer::<u64>::new(job)?),
        (64, _) => Box::new(Answerer::<[u64; 8]>::new(job)?),
        (_, _) => Box::new(Answerer::<[u64]>::new(job)?),
    }))
}

fn options(job: &Job) -> Options {
    Options::new()
        .clients(1)
        .servers(1)
        .in_flight(1)
        .max_request_bytes(job.bytes as u32)
        .max_answer_bytes(job.bytes as u32)
        .populate(true)
        .wait(strategy(job.wait))
}

/// A question and its answer are one call, made when the answer is asked for.
struct Caller<M: Stamped + ?Sized> {
    client: Client<M, M>,
    asked: u64,
    /// Where a slice is made before it is sent.
    room: Vec<u64>,
}

/// Answers as it receives, so that it holds no request meanwhile.
struct Answerer<M: Stamped + ?Sized> {
    server: Server<M, M>,
    room: Vec<u64>,
}

impl<M: Stamped + ?Sized> Caller<M> {
    fn new(job: &Job) -> io::Result<Self> {
        let client = Client::create(&*job.name, &options(job)).map_err(other)?;
        Ok(Self { client, asked: 0, room: vec![0; job.words()] })
    }

    fn call(&mut self) -> io::Result<u64> {
        let answer = M::lend(self.asked, &mut self.room, |question| self.client.call(question));
        Ok(answer.map_err(other)?.borrow().stamp())
    }
}

impl<M: Stamped + ?Sized> Answerer<M> {
    fn new(job: &Job) -> io::Result<Self> {
        let server = Server::open(&*job.name, &options(job)).map_err(other)?;
        Ok(Self { server, room: vec![0; job.words()] })
    }
}

impl<M: Stamped + ?Sized> Duplex for Caller<M> {
    fn start(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn send(&mut self, stamp: u64) -> io::Result<()> {
        self.asked = stamp;
        // Nobody asks for the answer to the stop.
        if stamp == STOP { self.call().map(drop) } else { Ok(()) }
    }

    fn recv(&mut self) -> io::Result<u64> {
        self.call()
    }
}

impl<M: Stamped + ?Sized> Duplex for Answerer<M> {
    fn start(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn send(&mut self, _stamp: u64) -> io::Result<()> {
        Ok(())
    }

    fn recv(&mut self) -> io::Result<u64> {
        let request = self.server.recv().map_err(other)?;
        let stamp = request.stamp();
        M::lend(stamp, &mut self.room, |answer| request.answer(answer)).map_err(other)?;
        Ok(stamp)
    }
}
