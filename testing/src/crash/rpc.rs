//! What must hold of an rpc channel when a client or a server is killed, or stopped, while it calls, serves, comes or goes.
//!
//! 1. A call that had returned had the right answer. One whose answer had been given, as far as its server knows, has it.
//! 2. A request is served whole, and at most once; but where it may be done twice. A server that died over one is told to its caller.
//! 3. The survivor goes on within 100 ms: a caller is answered by another server, or told; a server is told, or serves the next client.
//! 4. The dead one's seat is taken again, all of its slots are of use, and no answer is another call's.
//! 5. When the last user is gone so is the name.
//! 6. Who is stopped is alive: nobody is told otherwise, its seat is `Busy`.

use super::scratch::{Scratch, TORN};
use super::sleeper::{Sleeper, in_time};
use super::stage::Where::{self, File, Memory, Named};
use super::stage::{At, How, Spot, Stage};
use super::table::{Channel, Row};
use super::{Case, Found};
use crate::LONG;
use crate::step::{Marks, Tracee};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use strait::ErrorKind;
use strait::channel::rpc::{self, CallError, Options, TryWaitError};
use strait::channel::{Cause, RecvError, Strategy, TryRecvError};

/// The channel's part of the matrix.
pub const CHANNEL: Channel = Channel { name: NAME, rows, pairs: Vec::new, play };

const NAME: &str = "rpc";
const PIPE: bool = false;
const AGAIN: bool = true;
/// Calls of an operation, and slots.
const COUNT: u64 = 2;

type Client = rpc::Client<u64, u64>;
type Server = rpc::Server<u64, u64>;
type Outcome = Result<u64, CallError>;

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    let client = |name, part, at, mode| Row::new(name, "client", at, mode, move || Box::new(ClientDies::new(part, at, mode)));
    let server = |name, part, at, mode| Row::new(name, "server", at, mode, move || Box::new(ServerDies::new(part, at, mode)));
    vec![
        client("rpc-call",            "call",          Named,  PIPE),
        client("rpc-call-restart",    "call",          Memory, AGAIN),
        client("rpc-call-in-place",   "call-in-place", Named,  PIPE),
        client("rpc-call-in-place-restart", "call-in-place", Memory, AGAIN),
        client("rpc-start",           "start",         Named,  AGAIN),
        client("rpc-leave-client",    "leave-client",  Named,  PIPE),
        client("rpc-leave-client-restart", "leave-client", Named, AGAIN),
        client("rpc-open-client",     "open-client",   Named,  AGAIN).untold(),
        client("rpc-open-client-file", "open-client",  File,   AGAIN).untold(),
        server("rpc-serve",           "serve",         Named,  PIPE),
        server("rpc-serve-restart",   "serve",         Memory, AGAIN),
        server("rpc-serve-in-place",  "serve-in-place", Named, PIPE),
        server("rpc-serve-in-place-restart", "serve-in-place", Memory, AGAIN),
        server("rpc-serve-asleep",    "serve-asleep",  Named,  PIPE),
        server("rpc-serve-again",     "serve-again",   Named,  AGAIN),
        server("rpc-drop",            "drop",          Named,  AGAIN),
        server("rpc-leave-server",    "leave-server",  Named,  PIPE),
        server("rpc-leave-server-restart", "leave-server", Named, AGAIN),
        server("rpc-open-server",     "open-server",   Named,  AGAIN).untold(),
        server("rpc-create-server",   "create-server", Named,  AGAIN).untold(),
    ]
}

fn options(is_restartable: bool) -> Options {
    // One seat of each role: who comes next has the dead one's.
    let options = Options::new().clients(1).servers(1).in_flight(2);
    options.restartable(is_restartable).wait(Strategy::Sleep)
}

fn client(at: At, how: How, options: &Options) -> strait::Result<Client> {
    match (at, how) {
        (At::Fd(fd), _) => Client::from_fd(fd, options),
        (At::Place(place), How::Create) => Client::create(place, options),
        (At::Place(place), How::Open) => Client::open(place, options),
        (At::Place(place), How::OpenOrCreate) => Client::open_or_create(place, options),
    }
}

fn server(at: At, how: How, options: &Options) -> strait::Result<Server> {
    match (at, how) {
        (At::Fd(fd), _) => Server::from_fd(fd, options),
        (At::Place(place), How::Create) => Server::create(place, options),
        (At::Place(place), How::Open) => Server::open(place, options),
        (At::Place(place), How::OpenOrCreate) => Server::open_or_create(place, options),
    }
}

fn answer(asked: u64) -> u64 {
    asked * 10 + 7
}

/// Plays the victim: `PART PLACE pipe|restartable`.
fn play(words: &[&str]) {
    let [part, place, mode] = *words else { panic!("not three words: {words:?}") };
    let options = options(mode == "restartable");
    let scratch = Scratch::inherit().expect("a scratch page");
    let marks = Marks::new();
    let at = At::from_word(place);
    match part {
        "call" => {
            let client = client(at, How::Open, &options).expect("a seat");
            marks.begin();
            for asked in 0..COUNT {
                match client.call(&asked) {
                    Ok(said) => scratch.log(if said == answer(asked) { asked } else { TORN }),
                    Err(_) => scratch.set_error(1),
                }
                scratch.add_done(1);
            }
            marks.end();
        }
        "call-in-place" => {
            let client = client(at, How::Open, &options).expect("a seat");
            marks.begin();
            for asked in 0..COUNT {
                let said = client.reserve().and_then(|mut request| {
                    *request = asked;
                    request.call()
                });
                match said {
                    Ok(said) => scratch.log(if *said == answer(asked) { asked } else { TORN }),
                    Err(_) => scratch.set_error(1),
                }
                scratch.add_done(1);
            }
            marks.end();
        }
        "start" => {
            let client = client(at, How::Open, &options).expect("a seat");
            marks.begin();
            let one = client.start(&0);
            scratch.add_done(1);
            let other = client.start(&1);
            scratch.add_done(1);
            if one.is_err() || other.is_err() {
                scratch.set_error(1);
            }
            drop((one, other));
            marks.end();
        }
        "leave-client" => {
            let client = client(at, How::Open, &options).expect("a seat");
            // One that nobody takes back, and one that is given up first.
            std::mem::forget(client.start(&0));
            let call = client.start(&1);
            marks.begin();
            drop(call);
            drop(client);
            scratch.add_done(1);
            marks.end();
        }
        "serve" | "serve-again" | "serve-asleep" | "drop" => {
            let server = server(at, How::Open, &options).expect("a seat");
            marks.begin();
            for _ in 0..COUNT {
                let Ok(request) = server.recv() else {
                    scratch.set_error(1);
                    break;
                };
                scratch.log(*request);
                if part == "drop" {
                    drop(request);
                } else {
                    let said = answer(*request);
                    if request.answer(&said).is_err() {
                        scratch.set_error(2);
                    }
                }
                scratch.add_done(1);
            }
            marks.end();
        }
        "serve-in-place" => {
            let server = server(at, How::Open, &options).expect("a seat");
            marks.begin();
            for _ in 0..COUNT {
                let Ok(request) = server.recv_ref() else {
                    scratch.set_error(1);
                    break;
                };
                scratch.log(*request);
                let is_sent = request.reserve().and_then(|mut said| {
                    *said = answer(*said.request());
                    said.send()
                });
                if is_sent.is_err() {
                    scratch.set_error(2);
                }
                scratch.add_done(1);
            }
            marks.end();
        }
        "leave-server" => {
            let server = server(at, How::Open, &options).expect("a seat");
            marks.begin();
            let request = server.recv();
            drop(request);
            drop(server);
            scratch.add_done(1);
            marks.end();
        }
        "open-client" => {
            marks.begin();
            let end = client(at, How::Open, &options);
            taken(&scratch, end.as_ref().err());
            marks.end();
        }
        "open-server" | "create-server" => {
            marks.begin();
            let end = server(at, if part == "open-server" { How::Open } else { How::Create }, &options);
            taken(&scratch, end.as_ref().err());
            marks.end();
        }
        _ => panic!("no such part: {part}"),
    }
}

fn taken(scratch: &Scratch, error: Option<&strait::Error>) {
    if let Some(error) = error {
        scratch.set_error(error.kind() as u64);
    }
    scratch.add_done(1);
}

/// What a role is told.
fn arguments(part: &str, spot: &Spot, is_restartable: bool) -> [String; 4] {
    let mode = if is_restartable { "restartable" } else { "pipe" };
    [NAME, part, &spot.word(), mode].map(str::to_owned)
}

/// Where the channel is, for who comes next: behind a descriptor where it has no name.
fn place(spot: &Spot, fd: Option<OwnedFd>) -> At {
    match (spot, fd) {
        (Spot::Memory, Some(fd)) => At::Fd(fd),
        _ => At::Place(spot.place()),
    }
}

/// Calls in all slots, many times round, are each answered with their own answer (rule 4).
fn passes(client: &Client, server: &Server) -> Result<(), String> {
    for round in 0..10 {
        let asked = [1000 + 2 * round, 1001 + 2 * round];
        let mut calls = Vec::new();
        for asked in asked {
            calls.push((asked, client.start(&asked).map_err(|e| format!("start call {asked}: {e}"))?));
        }
        for asked in asked {
            let request = server.try_recv().map_err(|e| format!("take request {asked}: {e}"))?;
            if *request != asked {
                return Err(format!("request {} was taken instead of {asked}", *request));
            }
            request.answer(&answer(asked)).map_err(|e| format!("answer {asked}: {e}"))?;
        }
        for (asked, mut call) in calls {
            match call.try_wait() {
                Ok(said) if said == answer(asked) => {}
                other => return Err(format!("call {asked} is answered {other:?}")),
            }
        }
    }
    Ok(())
}

/// A client that is killed; its server survives.
struct ClientDies {
    part: &'static str,
    is_restartable: bool,
    spot: Spot,
    survivor: Option<Server>,
    served: Vec<u64>,
}

impl ClientDies {
    fn new(part: &'static str, at: Where, is_restartable: bool) -> Self {
        Self { part, is_restartable, spot: Spot::new(at), survivor: None, served: Vec::new() }
    }

    fn survivor(&self) -> Result<&Server, String> {
        self.survivor.as_ref().ok_or_else(|| "nobody".into())
    }

    fn at(&self) -> Result<At, String> {
        let fd = self.survivor()?.try_clone_fd().map_err(|e| e.to_string())?;
        Ok(place(&self.spot, Some(fd)))
    }

    /// Serves what is there: says why there is no more.
    fn serve(&mut self) -> Result<TryRecvError, String> {
        loop {
            let server = self.survivor.as_ref().ok_or("nobody")?;
            match server.try_recv() {
                Ok(request) => {
                    let asked = *request;
                    if asked >= COUNT || self.served.contains(&asked) {
                        return Err(format!("request {asked} was taken after {:?}", self.served));
                    }
                    self.served.push(asked);
                    request.answer(&answer(asked)).map_err(|e| format!("answer {asked}: {e}"))?;
                }
                Err(why) => return Ok(why),
            }
        }
    }

    fn logged(&self, stage: &Stage) -> Result<u64, String> {
        let logged = stage.scratch.logged();
        match (0..).zip(&logged).find(|(asked, found)| asked != *found) {
            Some((asked, _)) => Err(format!("call {asked} returned with another answer than its own")),
            None => Ok(logged.len() as u64),
        }
    }

    /// What must hold when the victim is no more.
    fn after(&mut self, stage: &Stage, is_dead: bool) -> Result<Found, String> {
        let since = Instant::now();
        let logged = self.logged(stage)?;
        if logged > self.served.len() as u64 {
            return Err(format!("{logged} calls returned, {} were served", self.served.len()));
        }
        let mut waited = Duration::ZERO;
        if self.is_restartable {
            let next = client(self.at()?, How::Open, &options(true)).map_err(|e| format!("a successor: {e}"))?;
            passes(&next, self.survivor()?).map_err(|why| format!("with a successor: {why}"))?;
        } else {
            loop {
                match self.serve()? {
                    TryRecvError::Empty if since.elapsed() < LONG => std::thread::yield_now(),
                    TryRecvError::Failed(RecvError::Disconnected(cause)) => {
                        let may_be = cause == Cause::Died && is_dead && stage.scratch.done() == 0
                            || cause == Cause::Left && (!is_dead || self.part == "leave-client")
                            || cause == Cause::Died && is_dead && self.part != "leave-client";
                        if !may_be {
                            return Err(format!("the server is told {cause:?}"));
                        }
                        break;
                    }
                    other => return Err(format!("the server is told {other:?}")),
                }
            }
            waited = in_time("a server", since.elapsed())?;
        }
        self.survivor = None;
        self.spot.must_be_empty()?;
        Ok(Found { progress: None, waited })
    }
}

impl Case for ClientDies {
    fn start(&mut self, stage: &Stage) -> Result<Tracee, String> {
        stage.scratch.clear();
        let made = server(At::Place(self.spot.place()), How::Create, &options(self.is_restartable));
        self.survivor = Some(made.map_err(|e| format!("create: {e}"))?);
        let fd = self.survivor()?.try_clone_fd().map_err(|e| e.to_string())?;
        stage.start(&arguments(self.part, &self.spot, self.is_restartable), Some(&fd))
    }

    fn blocked(&mut self) -> bool {
        let before = self.served.len();
        self.serve().is_ok() && self.served.len() > before
    }

    fn killed(&mut self, stage: &Stage) -> Result<Found, String> {
        self.after(stage, true)
    }

    fn stopped(&mut self, _: &Stage) -> Result<(), String> {
        let (is_coming, is_leaving) = (self.part == "open-client", self.part == "leave-client");
        match self.serve()? {
            TryRecvError::Empty => {}
            TryRecvError::Failed(RecvError::Disconnected(Cause::Left)) if is_leaving => {}
            other => return Err(format!("the client is stopped, and the server is told {other:?}")),
        }
        match client(self.at()?, How::Open, &options(self.is_restartable)) {
            Err(error) if error.kind() == ErrorKind::Busy => Ok(()),
            Err(_) if is_coming || is_leaving => Ok(()),
            Err(error) => Err(format!("the seat of a client that is stopped is not busy: {error}")),
            Ok(_) if is_coming || is_leaving => Ok(()),
            Ok(_) => Err("the seat of a client that is stopped was taken".into()),
        }
    }

    fn meanwhile(&mut self) -> Result<(), String> {
        // A caller waits for every answer; what others have begun they do not wait for.
        if self.part.starts_with("call") { self.serve().map(drop) } else { Ok(()) }
    }

    fn went_on(&mut self, stage: &Stage) -> Result<Found, String> {
        let is_taken = self.part == "open-client" && stage.scratch.error() == Some(ErrorKind::Busy as u64);
        match stage.scratch.error() {
            Some(error) if !is_taken => Err(format!("after it went on, its operation failed with error {error}")),
            _ => self.after(stage, false),
        }
    }
}

/// The survivor of a server that dies.
enum Calling {
    Here(Box<Client>),
    Asleep(Sleeper<Client, Vec<Outcome>>),
    Gone,
}

/// A server that is killed; its client survives.
struct ServerDies {
    part: &'static str,
    is_restartable: bool,
    spot: Spot,
    survivor: Calling,
    /// The channel's, where it has no name.
    fd: Option<OwnedFd>,
}

impl ServerDies {
    fn new(part: &'static str, at: Where, is_restartable: bool) -> Self {
        Self { part, is_restartable, spot: Spot::new(at), survivor: Calling::Gone, fd: None }
    }

    fn at(&self) -> At {
        place(&self.spot, self.fd.as_ref().and_then(|fd| fd.try_clone().ok()))
    }

    /// Whether the operation is about calls, and not about coming.
    fn has_calls(&self) -> bool {
        !self.part.ends_with("-server") || self.part == "leave-server"
    }

    /// Makes all calls, and sleeps until they are over.
    fn call(&mut self) -> Result<(), String> {
        let Calling::Here(client) = std::mem::replace(&mut self.survivor, Calling::Gone) else {
            return Err("nobody".into());
        };
        let call = |client: &mut Client| {
            let calls: Vec<_> = (0..COUNT).map(|asked| client.start(&asked)).collect();
            calls.into_iter().map(|call| call.and_then(rpc::Pending::wait)).collect()
        };
        self.survivor = Calling::Asleep(Sleeper::new(client, call)?);
        Ok(())
    }

    /// Whether this is what may have come of a call, when so many had been answered by the victim and `served` by its successor.
    fn judge(&self, asked: u64, outcome: Outcome, done: u64, is_dead: bool, served: &[u64]) -> Result<(), String> {
        let is_leaving = self.part == "leave-server";
        let may_be = match outcome {
            Ok(said) => said == answer(asked) && (self.part != "drop" || served.contains(&asked)),
            // The one that it was at.
            Err(CallError::ServerDied) => {
                is_dead && asked <= done && !served.contains(&asked) && self.part != "serve-again" && done < COUNT
            }
            Err(CallError::Dropped) => (self.part == "drop" || is_leaving && asked == 0) && !served.contains(&asked),
            Err(CallError::Disconnected(cause)) => {
                let is_cause = cause == Cause::Left && (is_leaving || !is_dead) || cause == Cause::Died && is_dead;
                !self.is_restartable && is_cause && (asked >= done || is_leaving)
            }
            Err(_) => false,
        };
        // What it knows to have answered it has answered (rule 1).
        let is_known = asked < done && !is_leaving && self.part != "drop";
        if may_be && (!is_known || outcome.is_ok() && !served.contains(&asked)) {
            return Ok(());
        }
        Err(format!("call {asked} of {done} answered ended with {outcome:?}; a successor served {served:?}"))
    }

    fn after(&mut self, stage: &Stage, is_dead: bool) -> Result<Found, String> {
        let since = Instant::now();
        let done = stage.scratch.done();
        let logged = stage.scratch.logged();
        if (0..).zip(&logged).any(|(asked, found)| asked != *found) {
            return Err(format!("it took the requests {logged:?}"));
        }
        if self.part == "create-server" {
            return self.after_birth();
        }
        let is_patient = !self.is_restartable;
        let (mut waited, mut served) = (Duration::ZERO, Vec::new());
        let next =
            || server(self.at(), How::Open, &options(self.is_restartable)).map_err(|e| format!("a successor: {e}"));
        let mut successor = if is_patient { None } else { Some(next()?) };
        match std::mem::replace(&mut self.survivor, Calling::Gone) {
            Calling::Asleep(mut sleeper) => {
                while let Some(server) = successor.as_ref().filter(|_| !sleeper.returned(Duration::ZERO).1) {
                    match server.try_recv() {
                        Ok(request) => {
                            served.push(*request);
                            let said = answer(*request);
                            request.answer(&said).map_err(|e| format!("answer: {e}"))?;
                        }
                        Err(TryRecvError::Empty) if since.elapsed() < LONG => std::thread::yield_now(),
                        Err(why) => return Err(format!("a successor is told {why:?}")),
                    }
                }
                let (client, outcomes, slept) = sleeper.join(since)?;
                waited = in_time("a client", slept)?;
                for (asked, outcome) in (0..).zip(outcomes) {
                    self.judge(asked, outcome, done, is_dead, &served)?;
                }
                self.survivor = Calling::Here(client);
            }
            // It was killed before there was anything to do.
            other => self.survivor = other,
        }
        if let (Calling::Here(client), Some(server)) = (&self.survivor, successor.as_ref()) {
            passes(client, server).map_err(|why| format!("with a successor: {why}"))?;
        }
        if let (Calling::Here(client), None) = (&self.survivor, successor.as_ref()) {
            self.told(client)?;
        }
        successor = None;
        drop(successor);
        self.survivor = Calling::Gone;
        self.fd = None;
        self.spot.must_be_empty()?;
        Ok(Found { progress: None, waited })
    }

    /// A pipe-like channel is over for its client.
    fn told(&self, client: &Client) -> Result<(), String> {
        let since = Instant::now();
        let mut call = client.start(&99).map_err(|e| format!("start: {e}"))?;
        loop {
            match call.try_wait() {
                Err(TryWaitError::NotYet) if since.elapsed() < LONG => std::thread::yield_now(),
                Err(TryWaitError::Failed(CallError::Disconnected(_))) => break,
                other => return Err(format!("the client is told {other:?}")),
            }
        }
        in_time("a client", since.elapsed()).map(drop)
    }

    /// Whoever comes next finds a channel that works, or none, and makes one.
    fn after_birth(&mut self) -> Result<Found, String> {
        let options = options(self.is_restartable);
        let server =
            server(At::Place(self.spot.place()), How::OpenOrCreate, &options).map_err(|e| format!("serve: {e}"))?;
        let client = client(At::Place(self.spot.place()), How::Open, &options).map_err(|e| format!("call: {e}"))?;
        passes(&client, &server)?;
        drop((client, server));
        self.spot.must_be_empty()?;
        Ok(Found::default())
    }
}

impl Case for ServerDies {
    fn start(&mut self, stage: &Stage) -> Result<Tracee, String> {
        stage.scratch.clear();
        if self.part != "create-server" {
            let options = options(self.is_restartable).idempotent(self.part == "serve-again");
            let client =
                client(At::Place(self.spot.place()), How::Create, &options).map_err(|e| format!("create: {e}"))?;
            let fd = client.try_clone_fd().map_err(|e| e.to_string())?;
            self.fd = matches!(self.spot, Spot::Memory).then_some(fd);
            self.survivor = Calling::Here(Box::new(client));
        }
        let tracee = stage.start(&arguments(self.part, &self.spot, self.is_restartable), self.fd.as_ref())?;
        if self.has_calls() && self.part != "serve-asleep" {
            self.call()?;
        }
        Ok(tracee)
    }

    fn blocked(&mut self) -> bool {
        matches!(self.survivor, Calling::Here(_)) && self.has_calls() && self.call().is_ok()
    }

    fn killed(&mut self, stage: &Stage) -> Result<Found, String> {
        self.after(stage, true)
    }

    fn stopped(&mut self, stage: &Stage) -> Result<(), String> {
        if self.part == "create-server" {
            return Ok(());
        }
        let may_return = stage.scratch.done() + 1 >= COUNT || self.part == "leave-server";
        if let Calling::Asleep(sleeper) = &mut self.survivor {
            let since = sleeper.returned(Duration::ZERO).0;
            if sleeper.returned(since + Duration::from_millis(120)).1 && !may_return {
                return Err("the server is stopped, and the client is told something".into());
            }
        }
        let may_be_free = !self.has_calls() || self.part == "leave-server";
        match server(self.at(), How::Open, &options(self.is_restartable)) {
            Err(error) if error.kind() == ErrorKind::Busy => {}
            _ if may_be_free => {}
            Err(error) => return Err(format!("the seat of a server that is stopped is not busy: {error}")),
            Ok(_) => return Err("the seat of a server that is stopped was taken".into()),
        }
        // Once it goes on it waits for the calls, if it has not come to wait for them yet.
        self.blocked();
        Ok(())
    }

    fn went_on(&mut self, stage: &Stage) -> Result<Found, String> {
        let is_late = !self.has_calls() && self.part != "leave-server";
        match stage.scratch.error() {
            Some(error) if !is_late => Err(format!("after it went on, its operation failed with error {error}")),
            _ => self.after(stage, false),
        }
    }

    fn sleeper(&mut self, patience: Duration) -> Option<(Duration, bool)> {
        // Where the channel goes on, who waits for a server that leaves goes on waiting.
        let is_over = self.part != "leave-server" || !self.is_restartable;
        match &mut self.survivor {
            Calling::Asleep(sleeper) if is_over => Some(sleeper.returned(patience)),
            _ => None,
        }
    }
}
