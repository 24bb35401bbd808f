//! What must hold of a broadcast channel whose messages lie in blocks when a publisher or a subscriber is killed, or stopped, while it publishes,
//! holds, lets go, comes or goes. What holds of every broadcast channel is in [`super::broadcast`].
//!
//! 1. What had been published when a call returned is received, once, whole, in order; the next publisher counts what was received.
//! 2. What somebody holds stays as it was, whoever dies meanwhile.
//! 3. No block is lost: when nobody holds anything and everything was read, as many messages as there are blocks can be published.
//! 4. A subscriber that dies with blocks in its hands delays nobody by more than 100 ms.
//! 5. Who is stopped is alive: what it holds stays as it is, and its seat is `Busy`.

use super::scratch::Scratch;
use super::sleeper::in_time;
use super::stage::Where::{self, File, Memory, Named};
use super::stage::{At, Spot, Stage};
use super::table::{Channel, Row};
use super::{Case, Found};
use crate::LONG;
use crate::step::{Marks, Tracee};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use strait::ErrorKind;
use strait::channel::Strategy;
use strait::channel::broadcast::{self, Options, Policy, RecvError, TryPublishError, TryRecvError};

/// The channel's part of the matrix.
pub const CHANNEL: Channel = Channel { name: NAME, rows, pairs: Vec::new, play };

const NAME: &str = "blocks";
/// Blocks of the lane.
const BLOCKS: u64 = 6;
/// Messages of an operation.
const COUNT: u64 = 2;
/// Messages before it: half of them are held by a survivor.
const BEFORE: u64 = 4;
const HELD: u64 = 2;

/// Its number all over.
type Message = [u64; 20];
type Publisher = broadcast::Publisher<Message>;
type Subscriber = broadcast::Subscriber<Message>;
type Held = broadcast::Held<Message>;

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    let publisher = |name, part, at| Row::new(name, "publisher", at, true, move || Box::new(PublisherDies::new(part, at)));
    let subscriber = |name, part, at| Row::new(name, "subscriber", at, true, move || Box::new(SubscriberDies::new(part, at)));
    vec![
        publisher("blocks-publish",          "publish",        Named).untold(),
        publisher("blocks-publish-over",     "publish-over",   Memory).untold(),
        publisher("blocks-publish-passed",   "publish-passed", Named).untold(),
        publisher("blocks-reserve",          "reserve",        File).untold(),
        publisher("blocks-open-publisher",   "open",           Named).untold(),
        publisher("blocks-open-publisher-over", "open-over",   Named).untold(),
        subscriber("blocks-hold",            "hold",           Named),
        subscriber("blocks-hold-over",       "hold-over",      Memory),
        subscriber("blocks-recv-ref-over",   "recv-ref-over",  Named),
        subscriber("blocks-recv-over",       "recv-over",      Named),
        subscriber("blocks-let-go",          "let-go",         Named),
        subscriber("blocks-leave-holding",   "leave-holding",  Named),
        subscriber("blocks-open-subscriber", "open",           Named),
    ]
}

fn options(part: &str) -> Options {
    let policy = if part.ends_with("-over") { Policy::DropOldest } else { Policy::Block };
    // One seat for a publisher and two for subscribers: who comes next has the dead one's.
    let options = Options::new().subscribers(2).blocks(BLOCKS as u32).policy(policy);
    options.restartable(true).wait(Strategy::Sleep)
}

fn message(number: u64) -> Message {
    [number; 20]
}

fn at(spot: &Spot, fd: Option<&OwnedFd>) -> Result<At, String> {
    match (spot, fd) {
        (Spot::Memory, Some(fd)) => Ok(At::Fd(fd.try_clone().map_err(|e| e.to_string())?)),
        _ => Ok(At::Place(spot.place())),
    }
}

fn publisher(at: At, options: &Options) -> strait::Result<Publisher> {
    match at {
        At::Fd(fd) => Publisher::from_fd(fd, options),
        At::Place(place) => Publisher::open(place, options),
    }
}

fn subscriber(at: At, options: &Options) -> strait::Result<Subscriber> {
    match at {
        At::Fd(fd) => Subscriber::from_fd(fd, options),
        At::Place(place) => Subscriber::open(place, options),
    }
}

/// Plays the victim: `publisher|subscriber PART PLACE`; or `hold-and-die PART PLACE`, one that is dead when the operation begins.
fn play(words: &[&str]) {
    let [who, part, place] = *words else { panic!("not three words: {words:?}") };
    let (options, at) = (options(part).from_oldest(), At::from_word(place));
    if who == "hold-and-die" {
        let mut rx = subscriber(at, &options).expect("a seat");
        let _held = [rx.hold().expect("there"), rx.hold().expect("there")];
        std::process::exit(0);
    }
    let scratch = Scratch::inherit().expect("a scratch page");
    let marks = Marks::new();
    match (who, part) {
        ("publisher", "open" | "open-over") => {
            marks.begin();
            came(&scratch, publisher(at, &options).err());
            marks.end();
        }
        ("publisher", _) => publish(part, publisher(at, &options).expect("a seat"), &scratch, &marks),
        (_, "open") => {
            marks.begin();
            came(&scratch, subscriber(at, &options).err());
            marks.end();
        }
        _ => receive(part, subscriber(at, &options).expect("a seat"), &scratch, &marks),
    }
}

fn came(scratch: &Scratch, error: Option<strait::Error>) {
    if let Some(error) = error {
        scratch.set_error(error.kind() as u64);
    }
    scratch.add_done(1);
}

/// What a publisher does before its operation: it goes round, so that the operation takes blocks from what was published before.
fn published_before(part: &str) -> u64 {
    if part == "publish-over" { 3 * BLOCKS } else { 0 }
}

fn publish(part: &str, mut tx: Publisher, scratch: &Scratch, marks: &Marks) {
    for _ in 0..published_before(part) {
        tx.publish(&message(tx.published())).expect("room");
    }
    marks.begin();
    for _ in 0..COUNT {
        let next = message(tx.published());
        if part == "reserve" {
            let mut room = tx.reserve().expect("room");
            *room = next;
            room.publish();
        } else {
            tx.publish(&next).expect("room");
        }
        scratch.add_done(1);
    }
    marks.end();
}

fn receive(part: &str, mut rx: Subscriber, scratch: &Scratch, marks: &Marks) {
    let log = |scratch: &Scratch, got: &Message| {
        let is_whole = got.iter().all(|it| *it == got[0]);
        scratch.log(if is_whole { got[0] } else { u64::MAX });
    };
    if matches!(part, "let-go" | "leave-holding") {
        let held = [rx.hold().expect("there"), rx.hold().expect("there")];
        marks.begin();
        if part == "leave-holding" {
            drop(rx);
        }
        for it in held {
            log(scratch, &it);
            drop(it);
            scratch.add_done(1);
        }
        return marks.end();
    }
    marks.begin();
    let mut count = 0;
    while count < COUNT {
        let got = match part {
            "recv-ref-over" => rx.recv_ref().map(|it| log(scratch, &it)),
            "recv-over" => rx.recv().map(|it| log(scratch, &it)),
            // Held until the process dies.
            _ => rx.hold().map(|it| {
                log(scratch, &it);
                std::mem::forget(it);
            }),
        };
        match got {
            Ok(()) => count += 1,
            // It was stopped, and overtaken.
            Err(RecvError::Lagged(_)) => continue,
            Err(_) => return scratch.set_error(1),
        }
        scratch.add_done(1);
    }
    marks.end();
}

/// Everything there is from `next` on. What was overwritten is passed over.
fn drain(rx: &mut Subscriber, next: &mut u64) -> Result<(), String> {
    loop {
        match rx.try_recv() {
            Ok(got) if got == message(*next) => *next += 1,
            Ok(got) => return Err(format!("instead of message {next} came {got:?}")),
            Err(TryRecvError::Failed(RecvError::Lagged(lost))) => *next += lost,
            Err(TryRecvError::Empty) => return Ok(()),
            Err(why) => return Err(format!("a subscriber of a restartable channel is told {why:?}")),
        }
    }
}

/// What is held is as it was (rule 2).
fn must_be_as_they_were(held: &[Held]) -> Result<(), String> {
    match held.iter().find(|it| ***it != message(it.origin().number)) {
        Some(it) => Err(format!("message {}, which is held, has become {:?}", it.origin().number, **it)),
        None => Ok(()),
    }
}

/// With everything read and nothing held, every block can be written (rule 3).
fn no_block_is_lost(tx: &mut Publisher, rx: &mut Subscriber, next: &mut u64) -> Result<(), String> {
    for round in 0..3 {
        drain(rx, next)?;
        for count in 0..BLOCKS {
            let number = tx.published();
            tx.try_publish(&message(number)).map_err(|e| format!("round {round}, {count} of {BLOCKS} blocks: {e}"))?;
        }
        let is_kept = tx.policy() == Policy::Block;
        if is_kept && tx.try_publish(&message(0)) != Err(TryPublishError::Full) {
            return Err(format!("there are more than {BLOCKS} blocks"));
        }
    }
    Ok(())
}

/// A publisher that is killed; a subscriber survives, with messages in its hands.
struct PublisherDies {
    part: &'static str,
    spot: Spot,
    survivor: Option<(Subscriber, Vec<Held>)>,
    fd: Option<OwnedFd>,
    next: u64,
}

impl PublisherDies {
    fn new(part: &'static str, at: Where) -> Self {
        Self { part, spot: Spot::new(at), survivor: None, fd: None, next: 0 }
    }

    fn is_coming(&self) -> bool {
        self.part.starts_with("open")
    }

    /// Messages published before the operation.
    fn before(&self) -> u64 {
        BEFORE + published_before(self.part) + if self.part == "publish-passed" { BLOCKS } else { 0 }
    }

    fn after(&mut self, stage: &Stage) -> Result<Found, String> {
        let options = options(self.part);
        let (known, most) = if self.is_coming() { (0, 0) } else { (stage.scratch.done(), COUNT) };
        let before = self.before();
        let (rx, held) = self.survivor.as_mut().ok_or("nobody")?;
        must_be_as_they_were(held)?;
        drain(rx, &mut self.next)?;
        if !(before + known..=before + most).contains(&self.next) {
            let least = before + known;
            return Err(format!("{} messages came, {least} to {} were published", self.next, before + most));
        }
        let published = self.next;
        let mut tx = publisher(at(&self.spot, self.fd.as_ref())?, &options).map_err(|e| format!("a successor: {e}"))?;
        if tx.published() != published {
            return Err(format!("the next publisher counts {}, {published} came", tx.published()));
        }
        must_be_as_they_were(held)?;
        // Who comes later gets what is kept, whole.
        let late = subscriber(at(&self.spot, self.fd.as_ref())?, &options.clone().from_oldest());
        let mut late = late.map_err(|e| format!("late: {e}"))?;
        let mut from = published - late.len();
        drain(&mut late, &mut from)?;
        drop(late);
        if from != published {
            return Err(format!("who came later got messages up to {from}, and not {published}"));
        }
        // All blocks but those that are held.
        for count in 0..3 * BLOCKS {
            tx.try_publish(&message(tx.published())).map_err(|e| format!("{count} messages after a successor: {e}"))?;
            drain(rx, &mut self.next)?;
            must_be_as_they_were(held)?;
        }
        held.clear();
        no_block_is_lost(&mut tx, rx, &mut self.next)?;
        self.survivor = None;
        drop(tx);
        self.fd = None;
        self.spot.must_be_empty()?;
        Ok(Found { progress: Some(published), waited: Duration::ZERO })
    }
}

impl Case for PublisherDies {
    fn start(&mut self, stage: &Stage) -> Result<Tracee, String> {
        stage.scratch.clear();
        let options = options(self.part);
        let mut tx = Publisher::create(self.spot.place(), &options).map_err(|e| format!("create: {e}"))?;
        let fd = || tx.fd().ok_or("no descriptor")?.try_clone_to_owned().map_err(|e| e.to_string());
        let mut rx = Subscriber::from_fd(fd()?, &options).map_err(|e| format!("subscribe: {e}"))?;
        self.fd = matches!(self.spot, Spot::Memory).then(fd).transpose()?;
        for number in 0..BEFORE {
            tx.publish(&message(number)).map_err(|e| e.to_string())?;
        }
        let hold = |_| rx.hold().map_err(|e| e.to_string());
        let held = (0..HELD).map(hold).collect::<Result<Vec<_>, _>>()?;
        self.next = HELD;
        if self.part == "publish-passed" {
            // The operation takes the blocks of what was read.
            for _ in 0..BLOCKS {
                drain(&mut rx, &mut self.next)?;
                tx.publish(&message(tx.published())).map_err(|e| e.to_string())?;
            }
            drain(&mut rx, &mut self.next)?;
        }
        // Who comes by a name comes while somebody is there.
        drop(tx);
        self.survivor = Some((rx, held));
        stage.start(&[NAME, "publisher", self.part, &self.spot.word()].map(String::from), self.fd.as_ref())
    }

    fn killed(&mut self, stage: &Stage) -> Result<Found, String> {
        self.after(stage)
    }

    fn stopped(&mut self, _: &Stage) -> Result<(), String> {
        let (rx, held) = self.survivor.as_mut().ok_or("nobody")?;
        must_be_as_they_were(held)?;
        drain(rx, &mut self.next)?;
        match publisher(at(&self.spot, self.fd.as_ref())?, &options(self.part)) {
            Err(error) if error.kind() == ErrorKind::Busy => Ok(()),
            _ if self.is_coming() => Ok(()),
            Err(error) => Err(format!("the seat of a publisher that is stopped is not busy: {error}")),
            Ok(_) => Err("the seat of a publisher that is stopped was taken".into()),
        }
    }

    fn went_on(&mut self, stage: &Stage) -> Result<Found, String> {
        match stage.scratch.error() {
            Some(error) if !self.is_coming() => {
                Err(format!("after it went on, its operation failed with error {error}"))
            }
            _ => self.after(stage),
        }
    }
}

/// A subscriber that is killed, with blocks in its hands; the publisher, and another subscriber, survive.
struct SubscriberDies {
    part: &'static str,
    spot: Spot,
    survivors: Option<(Publisher, Subscriber)>,
    fd: Option<OwnedFd>,
    next: u64,
}

impl SubscriberDies {
    fn new(part: &'static str, at: Where) -> Self {
        Self { part, spot: Spot::new(at), survivors: None, fd: None, next: 0 }
    }

    fn after(&mut self, stage: &Stage) -> Result<Found, String> {
        let logged = stage.scratch.logged();
        let is_next = |pair: &[u64]| pair[1] == pair[0] + 1 || (pair[1] > pair[0] && self.part.ends_with("-over"));
        if logged.contains(&u64::MAX) || !logged.windows(2).all(is_next) {
            return Err(format!("from message 0 on it held {logged:?}"));
        }
        let (tx, rx) = self.survivors.as_mut().ok_or("nobody")?;
        let mut waited = Duration::ZERO;
        // Several rounds: what it held is taken again.
        for _ in 0..3 * BLOCKS {
            let call = Instant::now();
            let number = tx.published();
            tx.publish_timeout(&message(number), LONG).map_err(|e| format!("publish message {number}: {e}"))?;
            waited = waited.max(in_time("a publisher", call.elapsed())?);
            drain(rx, &mut self.next)?;
            if self.next != number + 1 {
                return Err(format!("of message {number} came {}", self.next));
            }
        }
        // Who takes its seat holds nothing.
        let next = subscriber(at(&self.spot, self.fd.as_ref())?, &options(self.part));
        let next = next.map_err(|e| format!("a successor: {e}"))?;
        let (tx, rx) = self.survivors.as_mut().ok_or("nobody")?;
        if tx.policy() == Policy::DropOldest {
            no_block_is_lost(tx, rx, &mut self.next)?;
            drop(next);
        } else {
            drop(next);
            no_block_is_lost(tx, rx, &mut self.next)?;
        }
        // Who came by a descriptor knows no name: the publisher goes last, and takes it away.
        if let Some((tx, rx)) = self.survivors.take() {
            drop((rx, tx));
        }
        self.fd = None;
        self.spot.must_be_empty()?;
        Ok(Found { progress: None, waited })
    }
}

impl Case for SubscriberDies {
    fn start(&mut self, stage: &Stage) -> Result<Tracee, String> {
        stage.scratch.clear();
        let options = options(self.part);
        let mut tx = Publisher::create(self.spot.place(), &options).map_err(|e| format!("create: {e}"))?;
        let fd = || tx.fd().ok_or("no descriptor")?.try_clone_to_owned().map_err(|e| e.to_string());
        self.fd = matches!(self.spot, Spot::Memory).then(fd).transpose()?;
        let rx = Subscriber::from_fd(fd()?, &options).map_err(|e| format!("subscribe: {e}"))?;
        for number in 0..BEFORE {
            tx.publish(&message(number)).map_err(|e| e.to_string())?;
        }
        self.next = 0;
        self.survivors = Some((tx, rx));
        let arguments = |who: &str| [NAME, who, self.part, &self.spot.word()].map(String::from);
        if self.part == "open" {
            // Its seat is a dead one's, whose bits are set.
            let died = stage.command(&arguments("hold-and-die"), self.fd.as_ref()).status();
            if !died.as_ref().is_ok_and(std::process::ExitStatus::success) {
                return Err(format!("hold and die: {died:?}"));
            }
        }
        stage.start(&arguments("subscriber"), self.fd.as_ref())
    }

    fn killed(&mut self, stage: &Stage) -> Result<Found, String> {
        self.after(stage)
    }

    fn stopped(&mut self, _: &Stage) -> Result<(), String> {
        let may_be_free = matches!(self.part, "open" | "leave-holding");
        let (tx, rx) = self.survivors.as_mut().ok_or("nobody")?;
        drain(rx, &mut self.next)?;
        if tx.policy() == Policy::DropOldest {
            // A publisher goes round beside it.
            for _ in 0..3 * BLOCKS {
                tx.try_publish(&message(tx.published())).map_err(|e| format!("beside one that is stopped: {e}"))?;
                drain(rx, &mut self.next)?;
            }
        }
        match subscriber(at(&self.spot, self.fd.as_ref())?, &options(self.part)) {
            Err(error) if error.kind() == ErrorKind::Busy => Ok(()),
            _ if may_be_free => Ok(()),
            Err(error) => Err(format!("the seat of a subscriber that is stopped is not busy: {error}")),
            Ok(_) => Err("the seat of a subscriber that is stopped was taken".into()),
        }
    }

    fn went_on(&mut self, stage: &Stage) -> Result<Found, String> {
        match stage.scratch.error() {
            Some(error) if self.part != "open" => {
                Err(format!("after it went on, its operation failed with error {error}"))
            }
            _ => self.after(stage),
        }
    }
}
