//! A channel of calls, lied about.
//!
//! A client's operations meet a server that never answers: what comes, comes from the liar. A server's meet two clients with calls in
//! flight, or with none.

use super::many;
use super::memory::Memory;
use super::words::{self, Word, any};
use super::world::{
    At, Channel, How, Made, Operation, Outcome, Run, Speed, Waits, World, opened, promised, short, wrong,
};
use crate::random::Random;
use std::any::Any;
use std::error::Error;
use std::fs::File;
use strait::channel::Message;
use strait::channel::layout::Field;
use strait::channel::rpc::{self, Client, Options, Server};
use strait::region::Place;

/// The channel's part of the lies.
pub const CHANNEL: Channel = Channel { name: "rpc", worlds: WORLDS, operations: OPERATIONS, speeds: SPEEDS };

const WORLDS: &[&dyn World] =
    &[&Scene::Calling, &Scene::CallingDead, &Scene::CallingBytes, &Scene::Asked, &Scene::Unasked, &Scene::AskedBytes];

const SPEEDS: &[Speed] = &[
    Speed { name: "speed/rpc", ends: &[&Scene::Calling, &Scene::Asked], is_restartable: true },
    Speed { name: "speed/rpc_bytes", ends: &[&Scene::CallingBytes, &Scene::AskedBytes], is_restartable: false },
];

const CLIENTS: u32 = 3;
const SERVERS: u32 = 2;
const IN_FLIGHT: u32 = 2;
const REQUEST_BYTES: u32 = 100;
const ANSWER_BYTES: u32 = 60;

/// Which end it is an operation of, and what is in the slots when it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    /// A client of numbers, and a server.
    Calling,
    /// A client of numbers, whose server dies now.
    CallingDead,
    /// A client of bytes, and a server.
    CallingBytes,
    /// A server of numbers, and two clients with calls in flight.
    Asked,
    /// A server of numbers, and two clients that ask nothing.
    Unasked,
    /// A server of bytes, and two clients with calls in flight.
    AskedBytes,
}

enum Ends {
    NumberClient(Client<u64, u64>),
    ByteClient(Client<[u8], [u8]>),
    NumberServer(Server<u64, u64>),
    ByteServer(Server<[u8], [u8]>),
}

impl Scene {
    fn calls(self) -> bool {
        matches!(self, Self::Calling | Self::CallingDead | Self::CallingBytes)
    }

    fn is_of_bytes(self) -> bool {
        matches!(self, Self::CallingBytes | Self::AskedBytes)
    }
}

fn shape() -> Options {
    let options = Options::new().clients(CLIENTS).servers(SERVERS).in_flight(IN_FLIGHT);
    options.max_request_bytes(REQUEST_BYTES).max_answer_bytes(ANSWER_BYTES)
}

fn options(how: How) -> Options {
    shape().wait(how.strategy).restartable(how.is_restartable)
}

fn client<M: Message + ?Sized>(at: &At<'_>, how: How) -> Result<Client<M, M>, Box<dyn Error>> {
    Ok(match at {
        At::Path(path) => Client::from_fd(opened(path)?, &options(how))?,
        At::Name(name) => Client::open_or_create(Place::posix(name), &options(how))?,
    })
}

fn server<M: Message + ?Sized>(at: &At<'_>, how: How) -> Result<Server<M, M>, Box<dyn Error>> {
    Ok(match at {
        At::Path(path) => Server::from_fd(opened(path)?, &options(how))?,
        At::Name(name) => Server::open_or_create(Place::posix(name), &options(how))?,
    })
}

impl World for Scene {
    fn name(&self) -> &'static str {
        match self {
            Self::Calling => "rpc_calling",
            Self::CallingDead => "rpc_calling_dead",
            Self::CallingBytes => "rpc_calling_bytes",
            Self::Asked => "rpc_asked",
            Self::Unasked => "rpc_unasked",
            Self::AskedBytes => "rpc_asked_bytes",
        }
    }

    fn end(&self) -> &'static str {
        match (self.calls(), self.is_of_bytes()) {
            (true, false) => "client of numbers",
            (true, true) => "client of bytes",
            (false, false) => "server of numbers",
            (false, true) => "server of bytes",
        }
    }

    fn layout(&self) -> Vec<Field> {
        if self.is_of_bytes() { rpc::layout::<[u8], [u8]>(&shape()) } else { rpc::layout::<u64, u64>(&shape()) }
    }

    fn words(&self) -> Vec<Word> {
        let likely = |word: Word| match word.name.as_str() {
            "body.word" => word.weight(6).value(call),
            "body.request_bytes" => word.value(length),
            "body.answer_bytes" => word.value(length),
            _ => word,
        };
        words::of(&self.layout()).into_iter().map(likely).collect()
    }

    fn make(&self) -> Result<Made, Box<dyn Error>> {
        if self.is_of_bytes() { made::<[u8]>(*self, &[7; 90]) } else { made::<u64>(*self, &7) }
    }

    fn attach(&self, at: &At<'_>, how: How) -> Result<Box<dyn Any>, Box<dyn Error>> {
        Ok(Box::new(match (self.calls(), self.is_of_bytes()) {
            (true, false) => Ends::NumberClient(client(at, how)?),
            (true, true) => Ends::ByteClient(client(at, how)?),
            (false, false) => Ends::NumberServer(server(at, how)?),
            (false, true) => Ends::ByteServer(server(at, how)?),
        }))
    }

    fn dying(&self) -> Vec<u64> {
        let seats = if *self == Self::CallingDead { CLIENTS as usize..CLIENTS as usize + 1 } else { 0..0 };
        many::leases(&self.layout(), seats)
    }

    fn leave(&self, memory: &Memory) {
        many::leave(&self.layout(), memory);
    }

    fn passing(&self) -> &'static [&'static str] {
        // Of a call: what a server, or who writes like one, may say of it.
        &["Empty", "Full", "TimedOut", "TooLarge", "NotYet", "Failed", "Dropped", "ServerDied"]
    }
}

/// A region with honest ends, who stay, or die with the operation.
fn made<M: Message + ?Sized + 'static>(scene: Scene, ask: &M) -> Result<Made, Box<dyn Error>>
where
    Client<M, M>: Send,
{
    let options = shape();
    if scene.calls() {
        let server = Server::<M, M>::create(Place::memfd("scene"), &options)?;
        let file = File::from(server.try_clone_fd()?);
        if scene != Scene::CallingDead {
            return Ok(Made { file, others: Box::new(server), past: Vec::new() });
        }
        let memory = Memory::of(&file)?;
        let living = memory.copy(0, memory.len());
        drop(server);
        // It has left, and shall die.
        memory.put(0, &living);
        return Ok(Made { file, others: Box::new(()), past: Vec::new() });
    }
    let one = Client::<M, M>::create(Place::memfd("scene"), &options)?;
    let file = File::from(one.try_clone_fd()?);
    let past = Memory::of(&file)?.copy(0, file.metadata()?.len() as usize);
    let other = Client::<M, M>::from_fd(one.try_clone_fd()?, &options)?;
    if scene != Scene::Unasked {
        for _ in 0..IN_FLIGHT {
            std::mem::forget(one.start(ask)?);
            std::mem::forget(other.start(ask)?);
        }
    }
    Ok(Made { file, others: Box::new((one, other)), past: vec![past] })
}

/// Of a call: the same one, brought somewhere by somebody; now and then another number.
fn call(_: &Memory, _: usize, now: u64, random: &mut Random) -> Option<u64> {
    if random.below(5) == 0 {
        return None;
    }
    let number = (now >> 28).wrapping_add(any(&[0, 0, 0, 0, 1, u64::MAX], random));
    let generation = any(&[1, 1, 1, 2, 0], random);
    Some(number << 28 | generation << 12 | random.below(6) << 4 | random.below(8))
}

/// About as long as what fits.
fn length(_: &Memory, _: usize, _: u64, random: &mut Random) -> Option<u64> {
    let around = [0, 1, 7, 8, 9, 59, 60, 61, 99, 100, 101, 1 << 30, u64::from(u32::MAX)];
    (random.below(4) != 0).then(|| any(&around, random))
}

/// An answer of bytes is no longer than the channel says that one may be, and that is no more than its memory has room for.
fn answered(answer: &[u8], max_bytes: u32) -> Outcome {
    promised(
        answer.len() <= max_bytes as usize && max_bytes <= 4096,
        "an answer longer than any may be",
        answer.len() as u64,
    )
}

/// So is a request.
fn asked(request: &[u8], max_bytes: u32) -> Outcome {
    promised(
        request.len() <= max_bytes as usize && max_bytes <= 4096,
        "a request longer than any may be",
        request.len() as u64,
    )
}

macro_rules! operation {
    ($name:literal, $scene:ident, $waits:ident, $end:ident, |$it:ident, $random:ident| $run:expr) => {
        Operation {
            name: $name,
            world: &Scene::$scene,
            waits: Waits::$waits,
            run: Run::Call(|end, $random| match end.downcast_mut() {
                Some(Ends::$end($it)) => $run,
                _ => wrong(),
            }),
        }
    };
    (attach $name:literal, $scene:ident) => {
        Operation { name: $name, world: &Scene::$scene, waits: Waits::Bounded, run: Run::Attach }
    };
}

/// All operations.
#[rustfmt::skip]
const OPERATIONS: &[Operation] = &[
    operation!("rpc_call", Calling, Bare, NumberClient, |client, _random| Ok(client.call(&7).map(|_| 1)?)),
    operation!("rpc_call_dead", CallingDead, Bare, NumberClient, |client, _random| Ok(client.call(&7).map(|_| 1)?)),
    operation!("rpc_call_idempotent", Calling, Bare, NumberClient, |client, _random| Ok(client.call_idempotent(&7).map(|_| 1)?)),
    operation!("rpc_call_timeout", Calling, Bounded, NumberClient, |client, random| Ok(client.call_timeout(&7, short(random)).map(|_| 1)?)),
    operation!("rpc_call_timeout_dead", CallingDead, Bounded, NumberClient, |client, random| Ok(client.call_timeout(&7, short(random)).map(|_| 1)?)),
    operation!("rpc_start_and_poll", Calling, Bounded, NumberClient, |client, _random| {
        let (mut one, mut other) = (client.start(&1)?, client.start(&2)?);
        for _ in 0..5 {
            // What comes of one says nothing of the other.
            let _ = (one.try_wait(), other.try_wait());
        }
        Ok(one.try_wait().map(|_| 1)?)
    }),
    operation!("rpc_start_and_wait", Calling, Bounded, NumberClient, |client, random| {
        let (mut one, other) = (client.start(&1)?, client.start(&2)?);
        drop(other);
        Ok(one.wait_timeout(short(random)).map(|_| 1)?)
    }),
    operation!("rpc_start_full", Calling, Bounded, NumberClient, |client, _random| {
        let calls: Vec<_> = (0..4).map(|n| client.try_start(&n)).collect();
        let count = calls.iter().flatten().count() as u64;
        promised(count <= u64::from(client.max_in_flight()), "more calls in flight than there are slots", count)
    }),
    operation!("rpc_client_looks", Calling, Bounded, NumberClient, |client, _random| {
        let _ = (client.in_flight(), client.servers(), client.max_request_bytes(), client.place().to_string());
        Ok(0)
    }),
    operation!("rpc_call_bytes", CallingBytes, Bare, ByteClient, |client, _random| answered(&client.call(&[5; 100])?, client.max_answer_bytes())),
    operation!("rpc_call_bytes_timeout", CallingBytes, Bounded, ByteClient, |client, random| answered(&client.call_timeout(&[5; 33], short(random))?, client.max_answer_bytes())),
    operation!("rpc_call_bytes_too_large", CallingBytes, Bounded, ByteClient, |client, _random| answered(&client.call(&[5; 101])?, client.max_answer_bytes())),

    operation!("rpc_call_in_place", Calling, Bare, NumberClient, |client, _random| {
        let mut request = client.reserve()?;
        *request = 7;
        Ok(request.call().map(|answer| *answer)?)
    }),
    operation!("rpc_call_in_place_dead", CallingDead, Bare, NumberClient, |client, _random| Ok(client.reserve()?.call().map(|answer| *answer)?)),
    operation!("rpc_call_bytes_in_place", CallingBytes, Bounded, ByteClient, |client, random| {
        let mut request = client.try_reserve(any(&[0, 1, 99, 100, 101], random))?;
        request.fill(5);
        request.truncate(any(&[0, 50, 100, 1000], random));
        let answer = request.start()?.wait_ref_timeout(short(random))?;
        answered(&answer, client.max_answer_bytes())
    }),
    operation!("rpc_call_bytes_into", CallingBytes, Bounded, ByteClient, |client, random| {
        let mut answer = vec![1; 10];
        client.call_into_timeout(&[5; 33], &mut answer, short(random))?;
        answered(&answer, client.max_answer_bytes())
    }),
    operation!("rpc_drafts", Calling, Bounded, NumberClient, |client, _random| {
        let drafts: Vec<_> = (0..4).map(|_| client.try_reserve()).collect();
        let count = drafts.iter().flatten().count() as u64;
        promised(count <= u64::from(client.max_in_flight()), "more requests in hands than there are slots", count)
    }),

    operation!("rpc_recv", Asked, Bare, NumberServer, |server, _random| Ok(server.recv().map(|request| *request)?)),
    operation!("rpc_serve_all", Asked, Bounded, NumberServer, |server, _random| {
        let mut count = 0;
        // More than there are, should they be asked again and again.
        while count < 20 {
            let request = server.try_recv()?;
            let answer = *request;
            request.answer(&answer)?;
            count += 1;
        }
        Ok(count)
    }),
    operation!("rpc_recv_timeout", Asked, Bounded, NumberServer, |server, random| {
        let request = server.recv_timeout(short(random))?;
        let _ = request.is_abandoned();
        Ok(request.fail(3).map(|()| 1)?)
    }),
    operation!("rpc_recv_and_drop", Asked, Bounded, NumberServer, |server, _random| {
        let held: Vec<_> = (0..6).map_while(|_| server.try_recv().ok()).collect();
        Ok(held.len() as u64)
    }),
    operation!("rpc_recv_none", Unasked, Bare, NumberServer, |server, _random| Ok(server.recv().map(|_| 1)?)),
    operation!("rpc_recv_timeout_none", Unasked, Bounded, NumberServer, |server, random| Ok(server.recv_timeout(short(random)).map(|_| 1)?)),
    operation!("rpc_try_recv_none", Unasked, Bounded, NumberServer, |server, _random| Ok(server.try_recv().map(|_| 1)?)),
    operation!("rpc_server_looks", Asked, Bounded, NumberServer, |server, _random| {
        let _ = (server.clients(), server.max_request_bytes(), server.max_answer_bytes(), server.place().to_string());
        Ok(0)
    }),
    operation!("rpc_recv_bytes", AskedBytes, Bare, ByteServer, |server, _random| {
        let max_bytes = server.max_request_bytes();
        asked(&server.recv()?, max_bytes)
    }),
    operation!("rpc_serve_bytes", AskedBytes, Bounded, ByteServer, |server, random| {
        let max_bytes = server.max_request_bytes();
        let request = server.recv_timeout(short(random))?;
        asked(&request, max_bytes)?;
        let len = any(&[0, 1, 59, 60, 61], random);
        Ok(request.answer(&[9; 61][..len]).map(|()| 1)?)
    }),
    operation!("rpc_recv_in_place", Asked, Bare, NumberServer, |server, _random| Ok(server.recv_ref().map(|request| *request)?)),
    operation!("rpc_serve_in_place", Asked, Bounded, NumberServer, |server, _random| {
        let mut held = Vec::new();
        // As many as there are slots, and more, should they be asked again: a slot is lent once at a time.
        while let (true, Ok(request)) = (held.len() < 20, server.try_recv_ref()) {
            held.push(request);
        }
        let count = held.len() as u64;
        for request in held {
            let mut answer = request.reserve()?;
            *answer = *answer.request();
            answer.send()?;
        }
        promised(count <= u64::from(CLIENTS * IN_FLIGHT), "more requests in hands than there are slots", count)
    }),
    operation!("rpc_serve_bytes_in_place", AskedBytes, Bounded, ByteServer, |server, random| {
        let max_bytes = server.max_request_bytes();
        let request = server.recv_ref_timeout(short(random))?;
        asked(&request, max_bytes)?;
        let mut answer = request.reserve(any(&[0, 1, 59, 60, 61], random))?;
        answer.fill(9);
        answer.truncate(any(&[0, 30, 1000], random));
        Ok(answer.send().map(|()| 1)?)
    }),

    operation!(attach "rpc_attach_client", Calling),
    operation!(attach "rpc_attach_server", Asked),
    operation!(attach "rpc_attach_bytes", CallingBytes),
];
