//! The `rpc` channel: a question is a call, and its answer the server's echo.

use std::borrow::Borrow as _;
use std::io;

use strait::channel::rpc::{Client, Options, Server};

use super::payload::{Fixed, Stamped, strategy};
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
    words: usize,
    /// Where a slice is made before it is sent, and where its answer is copied to; large ones lie in place.
    room: Vec<u64>,
    answer: Vec<u64>,
}

/// Answers as it receives, so that it holds no request meanwhile.
struct Answerer<M: Stamped + ?Sized> {
    server: Server<M, M>,
    words: usize,
    room: Vec<u64>,
}

impl<M: Stamped + ?Sized> Caller<M> {
    fn new(job: &Job) -> io::Result<Self> {
        let client = Client::create(&*job.name, &options(job)).map_err(other)?;
        let words = job.words();
        Ok(Self { client, asked: 0, words, room: vec![0; words], answer: Vec::new() })
    }
}

impl<M: Stamped + ?Sized> Answerer<M> {
    fn new(job: &Job) -> io::Result<Self> {
        let server = Server::open(&*job.name, &options(job)).map_err(other)?;
        let words = job.words();
        Ok(Self { server, words, room: vec![0; words] })
    }
}

/// As long as this, a message is written and read in place.
const LARGE: usize = 1 << 20;

fn is_large(words: usize) -> bool {
    words * 8 >= LARGE
}

trait Ask {
    /// The stamp of the answer.
    fn call(&mut self) -> io::Result<u64>;
}

impl<M: Fixed> Ask for Caller<M> {
    fn call(&mut self) -> io::Result<u64> {
        let answer = M::lend(self.asked, &mut [], |question| self.client.call(question));
        Ok(answer.map_err(other)?.borrow().stamp())
    }
}

impl Ask for Caller<[u64]> {
    fn call(&mut self) -> io::Result<u64> {
        let Self { client, asked, words, room, answer } = self;
        if is_large(*words) {
            let mut question = client.reserve(*words).map_err(other)?;
            question.fill(*asked);
            return Ok(question.call().map_err(other)?.stamp());
        }
        <[u64]>::lend(*asked, room, |question| client.call_into(question, answer)).map_err(other)?;
        Ok(answer.as_slice().stamp())
    }
}

impl<M: Stamped + ?Sized> Duplex for Caller<M>
where
    Self: Ask,
{
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

trait Reply {
    /// The stamp of the request that was answered.
    fn reply(&mut self) -> io::Result<u64>;
}

impl<M: Stamped + ?Sized> Answerer<M> {
    fn reply_with_copy(&mut self) -> io::Result<u64> {
        let request = self.server.recv().map_err(other)?;
        let stamp = request.stamp();
        M::lend(stamp, &mut self.room, |answer| request.answer(answer)).map_err(other)?;
        Ok(stamp)
    }
}

impl<M: Fixed> Reply for Answerer<M> {
    fn reply(&mut self) -> io::Result<u64> {
        self.reply_with_copy()
    }
}

impl Reply for Answerer<[u64]> {
    fn reply(&mut self) -> io::Result<u64> {
        if !is_large(self.words) {
            return self.reply_with_copy();
        }
        let request = self.server.recv_ref().map_err(other)?;
        let stamp = request.stamp();
        let mut answer = request.reserve(self.words).map_err(other)?;
        answer.fill(stamp);
        answer.send().map_err(other)?;
        Ok(stamp)
    }
}

impl<M: Stamped + ?Sized> Duplex for Answerer<M>
where
    Self: Reply,
{
    fn start(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn send(&mut self, _stamp: u64) -> io::Result<()> {
        Ok(())
    }

    fn recv(&mut self) -> io::Result<u64> {
        self.reply()
    }
}
