//! What must hold of a broadcast channel when a publisher or a subscriber is killed, or stopped, while it publishes, receives, comes or goes.
//!
//! 1. What had been published when a call returned is received, once, whole, in order; what is received is what the next publisher
//!    counts, and what who comes later gets of the past.
//! 2. A subscriber that dies holds the publisher up for 100 ms at the most, and the others lose nothing.
//! 3. When the last publisher is dead subscribers are told within 100 ms; in a restartable channel they wait for the next.
//! 4. The dead one's seat is taken again. When the last user is gone so is the name.
//! 5. Who is stopped is alive: nobody is told otherwise, its seat is `Busy`, and what it has not read is kept.

use super::scratch::Scratch;
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
use strait::channel::broadcast::{self, Options, Policy, RecvError, TryPublishError, TryRecvError};
use strait::channel::{Cause, Strategy};

/// The channel's part of the matrix.
pub const CHANNEL: Channel = Channel { name: NAME, rows, pairs: Vec::new, play };

const NAME: &str = "broadcast";
const PIPE: bool = false;
const AGAIN: bool = true;
/// Messages of an operation, and before it.
const COUNT: u64 = 2;
const BEFORE: u64 = 3;
/// Slots of the lane.
const SLOTS: u64 = 16;

type Publisher = broadcast::Publisher<u64>;
type Subscriber = broadcast::Subscriber<u64>;
/// What a subscriber that slept has received.
type Slept = Result<u64, RecvError>;

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    let publisher = |name, part, at, mode| Row::new(name, "publisher", at, mode, move || Box::new(PublisherDies::new(part, at, mode)));
    let subscriber = |name, part, at, mode| Row::new(name, "subscriber", at, mode, move || Box::new(SubscriberDies::new(part, at, mode)));
    vec![
        publisher("broadcast-publish",          "publish",        Named,  PIPE),
        publisher("broadcast-publish-restart",  "publish",        Memory, AGAIN),
        publisher("broadcast-publish-asleep",   "publish-asleep", Named,  PIPE),
        publisher("broadcast-publish-over",     "publish-over",   Named,  AGAIN),
        publisher("broadcast-publish-newest",   "publish-newest", Named,  PIPE),
        publisher("broadcast-batch",            "batch",          Named,  AGAIN),
        publisher("broadcast-reserve",          "reserve",        File,   AGAIN),
        publisher("broadcast-leave-publisher",  "leave-publisher", Named, PIPE),
        publisher("broadcast-open-publisher",   "open-publisher", Named,  AGAIN).untold(),
        publisher("broadcast-create-publisher", "create-publisher", Named, PIPE).untold(),
        subscriber("broadcast-recv",            "recv",           Named,  PIPE),
        subscriber("broadcast-recv-ref",        "recv-ref",       Memory, AGAIN),
        subscriber("broadcast-recv-asleep",     "recv-asleep",    Named,  PIPE),
        subscriber("broadcast-leave-subscriber", "leave-subscriber", Named, PIPE),
        subscriber("broadcast-open-subscriber", "open-subscriber", Named, PIPE),
    ]
}

fn options(part: &str, is_restartable: bool) -> Options {
    let policy = match part {
        "publish-over" => Policy::DropOldest,
        "publish-newest" => Policy::DropNewest,
        _ => Policy::Block,
    };
    // One seat for a publisher and two for subscribers: who comes next has the dead one's.
    let options = Options::new().subscribers(2).capacity(SLOTS / 8 * 7).policy(policy);
    options.restartable(is_restartable).wait(Strategy::Sleep)
}

fn publisher(at: At, how: How, options: &Options) -> strait::Result<Publisher> {
    match (at, how) {
        (At::Fd(fd), _) => Publisher::from_fd(fd, options),
        (At::Place(place), How::Create) => Publisher::create(place, options),
        (At::Place(place), How::Open) => Publisher::open(place, options),
        (At::Place(place), How::OpenOrCreate) => Publisher::open_or_create(place, options),
    }
}

fn subscriber(at: At, how: How, options: &Options) -> strait::Result<Subscriber> {
    match (at, how) {
        (At::Fd(fd), _) => Subscriber::from_fd(fd, options),
        (At::Place(place), How::Create) => Subscriber::create(place, options),
        (At::Place(place), How::Open) => Subscriber::open(place, options),
        (At::Place(place), How::OpenOrCreate) => Subscriber::open_or_create(place, options),
    }
}

/// Plays the victim: `PART PLACE pipe|restartable`.
fn play(words: &[&str]) {
    let [part, place, mode] = *words else { panic!("not three words: {words:?}") };
    let options = options(part, mode == "restartable").from_oldest();
    let scratch = Scratch::inherit().expect("a scratch page");
    let marks = Marks::new();
    let at = At::from_word(place);
    let came = |error: Option<&strait::Error>| {
        if let Some(error) = error {
            scratch.set_error(error.kind() as u64);
        }
        scratch.add_done(1);
    };
    match part {
        "open-publisher" | "create-publisher" => {
            let how = if part == "open-publisher" { How::Open } else { How::Create };
            marks.begin();
            let end = publisher(at, how, &options);
            came(end.as_ref().err());
            marks.end();
        }
        "open-subscriber" => {
            marks.begin();
            let end = subscriber(at, How::Open, &options);
            came(end.as_ref().err());
            marks.end();
        }
        "recv" | "recv-ref" | "recv-asleep" | "leave-subscriber" => {
            let mut rx = subscriber(at, How::Open, &options).expect("a seat");
            for number in 0..if part == "recv-asleep" { BEFORE } else { 1 } {
                assert_eq!(rx.recv(), Ok(number));
            }
            marks.begin();
            if part == "leave-subscriber" {
                drop(rx);
                scratch.add_done(1);
                return marks.end();
            }
            for _ in 0..COUNT {
                let got = if part == "recv-ref" { rx.recv_ref().map(|it| *it) } else { rx.recv() };
                match got {
                    Ok(number) => scratch.log(number),
                    Err(_) => scratch.set_error(1),
                }
                scratch.add_done(1);
            }
            marks.end();
        }
        _ => {
            let mut tx = publisher(at, How::Open, &options).expect("a seat");
            // Of the last lap, where the oldest is overwritten.
            let before = if part == "publish-over" {
                3 * SLOTS
            } else if part == "publish-asleep" {
                0
            } else {
                BEFORE
            };
            for number in 0..before {
                tx.publish(&number).expect("room");
            }
            let next: [u64; COUNT as usize] = std::array::from_fn(|i| before + i as u64);
            marks.begin();
            match part {
                "leave-publisher" => {
                    drop(tx);
                    scratch.add_done(COUNT);
                    return marks.end();
                }
                "batch" => {
                    tx.publish_batch(&next).expect("room");
                    scratch.add_done(COUNT);
                }
                _ => {
                    for number in next {
                        if part == "reserve" {
                            let mut room = tx.reserve().expect("room");
                            *room = number;
                            room.publish();
                        } else {
                            tx.publish(&number).expect("room");
                        }
                        scratch.add_done(1);
                    }
                }
            }
            marks.end();
        }
    }
}

fn arguments(part: &str, spot: &Spot, is_restartable: bool) -> Vec<String> {
    let mode = if is_restartable { "restartable" } else { "pipe" };
    [NAME, part, &spot.word(), mode].map(String::from).to_vec()
}

fn place(spot: &Spot, fd: Option<&OwnedFd>) -> Result<At, String> {
    match (spot, fd) {
        (Spot::Memory, Some(fd)) => Ok(At::Fd(fd.try_clone().map_err(|e| e.to_string())?)),
        _ => Ok(At::Place(spot.place())),
    }
}

/// Everything there is from `next` on, and how it ends. What was overwritten is passed over.
fn drain(rx: &mut Subscriber, next: &mut u64) -> Result<TryRecvError, String> {
    loop {
        match rx.try_recv() {
            Ok(number) if number == *next => *next += 1,
            Ok(number) => return Err(format!("message {number} came instead of {next}")),
            Err(TryRecvError::Failed(RecvError::Lagged(lost))) => *next += lost,
            Err(why) => return Ok(why),
        }
    }
}

/// A publisher that is killed; a subscriber survives.
struct PublisherDies {
    part: &'static str,
    is_restartable: bool,
    spot: Spot,
    survivor: Option<Box<Subscriber>>,
    asleep: Option<Sleeper<Subscriber, Slept>>,
    fd: Option<OwnedFd>,
    next: u64,
}

impl PublisherDies {
    fn new(part: &'static str, at: Where, is_restartable: bool) -> Self {
        Self { part, is_restartable, spot: Spot::new(at), survivor: None, asleep: None, fd: None, next: 0 }
    }

    fn options(&self) -> Options {
        options(self.part, self.is_restartable)
    }

    fn at(&self) -> Result<At, String> {
        place(&self.spot, self.fd.as_ref())
    }

    fn is_coming(&self) -> bool {
        matches!(self.part, "open-publisher" | "create-publisher")
    }

    fn before(&self) -> u64 {
        match self.part {
            "publish-over" => 3 * SLOTS,
            "publish-asleep" | "open-publisher" | "create-publisher" => 0,
            _ => BEFORE,
        }
    }

    fn after(&mut self, stage: &Stage, is_dead: bool) -> Result<Found, String> {
        if self.part == "create-publisher" {
            return self.after_birth();
        }
        let since = Instant::now();
        let mut waited = Duration::ZERO;
        let is_leaving = self.part == "leave-publisher";
        let told = |cause: Cause| match cause {
            Cause::Died if is_dead => Ok(()),
            Cause::Left if is_leaving || !is_dead => Ok(()),
            cause => Err(format!("a subscriber is told {cause:?}")),
        };
        if let Some(sleeper) = self.asleep.take() {
            let (rx, said, slept) = sleeper.join(since)?;
            waited = in_time("a subscriber that slept", slept)?;
            match said {
                Ok(number) if number == self.next => self.next += 1,
                Err(RecvError::Disconnected(cause)) => told(cause)?,
                said => return Err(format!("a subscriber that slept is told {said:?}, and not message {}", self.next)),
            }
            self.survivor = Some(rx);
        }
        let options = self.options();
        let at = self.at()?;
        let rx = self.survivor.as_mut().ok_or("nobody")?;
        let mut why = drain(rx, &mut self.next)?;
        if !self.is_restartable {
            while why == TryRecvError::Empty {
                waited = in_time("a subscriber", since.elapsed())?;
                why = drain(rx, &mut self.next)?;
            }
            match why {
                TryRecvError::Failed(RecvError::Disconnected(cause)) => told(cause)?,
                why => return Err(format!("a subscriber is told {why:?}")),
            }
        } else if why != TryRecvError::Empty {
            return Err(format!("a subscriber of a restartable channel is told {why:?}"));
        }
        let known = if self.is_coming() || is_leaving { 0 } else { stage.scratch.done() };
        let (least, most) =
            (self.before() + known, self.before() + if self.is_coming() || is_leaving { 0 } else { COUNT });
        if !(least..=most).contains(&self.next) {
            return Err(format!("{} messages came, {least} to {most} were published", self.next));
        }
        self.succeed(at, &options)?;
        self.survivor = None;
        self.fd = None;
        self.spot.must_be_empty()?;
        Ok(Found { progress: Some(self.next), waited })
    }

    /// What the next publisher, and who comes later, meet.
    fn succeed(&mut self, at: At, options: &Options) -> Result<(), String> {
        let published = self.next;
        let mut next = publisher(at, How::Open, options).map_err(|e| format!("a successor: {e}"))?;
        if next.published() != published {
            return Err(format!("the next publisher counts {}, {published} came", next.published()));
        }
        let mut late =
            subscriber(self.at()?, How::Open, &options.clone().from_oldest()).map_err(|e| format!("late: {e}"))?;
        let kept = late.len();
        if kept < published.min(next.capacity()) {
            return Err(format!("{kept} of {published} messages are kept, {} were promised", next.capacity()));
        }
        let mut from = published - kept;
        next.publish(&published).map_err(|e| format!("publish: {e}"))?;
        let rx = self.survivor.as_mut().ok_or("nobody")?;
        for (rx, from) in [(&mut **rx, &mut self.next), (&mut late, &mut from)] {
            if drain(rx, from)? != TryRecvError::Empty || *from != published + 1 {
                return Err(format!("after a successor's message {published} came {from}"));
            }
        }
        self.next -= 1;
        Ok(())
    }

    /// Whoever comes next finds a channel that works, or none, and makes one.
    fn after_birth(&mut self) -> Result<Found, String> {
        let at = || At::Place(self.spot.place());
        let options = self.options();
        let mut tx = publisher(at(), How::OpenOrCreate, &options).map_err(|e| format!("publish: {e}"))?;
        let mut rx = subscriber(at(), How::Open, &options).map_err(|e| format!("subscribe: {e}"))?;
        tx.publish(&5).map_err(|e| e.to_string())?;
        if rx.try_recv() != Ok(5) {
            return Err("a message does not come".into());
        }
        drop((tx, rx));
        self.spot.must_be_empty()?;
        Ok(Found::default())
    }
}

impl Case for PublisherDies {
    fn start(&mut self, stage: &Stage) -> Result<Tracee, String> {
        stage.scratch.clear();
        self.next = 0;
        if self.part != "create-publisher" {
            let rx = subscriber(At::Place(self.spot.place()), How::Create, &self.options());
            let rx = Box::new(rx.map_err(|e| format!("create: {e}"))?);
            let fd = rx.fd().ok_or("no descriptor")?.try_clone_to_owned().map_err(|e| e.to_string())?;
            self.fd = matches!(self.spot, Spot::Memory).then_some(fd);
            self.survivor = Some(rx);
        }
        let tracee = stage.start(&arguments(self.part, &self.spot, self.is_restartable), self.fd.as_ref())?;
        if self.part == "publish-asleep" {
            let rx = self.survivor.take().ok_or("nobody")?;
            self.asleep = Some(Sleeper::new(rx, Subscriber::recv)?);
        }
        Ok(tracee)
    }

    fn killed(&mut self, stage: &Stage) -> Result<Found, String> {
        self.after(stage, true)
    }

    fn stopped(&mut self, _: &Stage) -> Result<(), String> {
        let may_be_free = self.is_coming() || self.part == "leave-publisher";
        if let Some(rx) = &mut self.survivor {
            match drain(rx, &mut self.next)? {
                TryRecvError::Empty => {}
                TryRecvError::Failed(RecvError::Disconnected(Cause::Left)) if may_be_free => {}
                why => return Err(format!("the publisher is stopped, and a subscriber is told {why:?}")),
            }
        }
        if let Some(mut sleeper) = self.asleep.take() {
            // Of a message, or of nothing yet.
            let since = sleeper.returned(Duration::ZERO).0;
            if sleeper.returned(since + Duration::from_millis(120)).1 {
                let (rx, said, _) = sleeper.join(Instant::now())?;
                if said != Ok(self.next) {
                    return Err(format!("the publisher is stopped, and a subscriber that slept is told {said:?}"));
                }
                self.next += 1;
                self.survivor = Some(rx);
            } else {
                self.asleep = Some(sleeper);
            }
        }
        match publisher(self.at()?, How::Open, &self.options()) {
            Err(error) if error.kind() == ErrorKind::Busy => Ok(()),
            _ if may_be_free => Ok(()),
            Err(error) => Err(format!("the seat of a publisher that is stopped is not busy: {error}")),
            Ok(_) => Err("the seat of a publisher that is stopped was taken".into()),
        }
    }

    fn went_on(&mut self, stage: &Stage) -> Result<Found, String> {
        match stage.scratch.error() {
            // Its seat, or its name, was taken meanwhile.
            Some(_) if self.is_coming() => self.after(stage, false),
            Some(error) => Err(format!("after it went on, its operation failed with error {error}")),
            None => self.after(stage, false),
        }
    }

    fn sleeper(&mut self, patience: Duration) -> Option<(Duration, bool)> {
        self.asleep.as_mut().map(|it| it.returned(patience))
    }
}

/// A subscriber that is killed; the publisher, and another subscriber, survive.
struct SubscriberDies {
    part: &'static str,
    is_restartable: bool,
    spot: Spot,
    survivors: Option<(Publisher, Subscriber)>,
    fd: Option<OwnedFd>,
    next: u64,
}

impl SubscriberDies {
    fn new(part: &'static str, at: Where, is_restartable: bool) -> Self {
        Self { part, is_restartable, spot: Spot::new(at), survivors: None, fd: None, next: 0 }
    }

    fn options(&self) -> Options {
        options(self.part, self.is_restartable)
    }

    fn after(&mut self, stage: &Stage) -> Result<Found, String> {
        let logged = stage.scratch.logged();
        let first = if self.part == "recv-asleep" { BEFORE } else { 1 };
        if (first..).zip(&logged).any(|(number, found)| number != *found) {
            return Err(format!("from message {first} on it received {logged:?}"));
        }
        let (tx, rx) = self.survivors.as_mut().ok_or("nobody")?;
        let mut waited = Duration::ZERO;
        // Several laps: what it kept is passed.
        for _ in 0..3 * SLOTS {
            let call = Instant::now();
            let number = tx.published();
            tx.publish_timeout(&number, LONG).map_err(|e| format!("publish message {number}: {e}"))?;
            waited = waited.max(in_time("a publisher", call.elapsed())?);
            if drain(rx, &mut self.next)? != TryRecvError::Empty || self.next != number + 1 {
                return Err(format!("of message {number} came {}", self.next));
            }
        }
        // The dead count until somebody looks.
        if tx.subscribers() != 1 {
            let _ = tx.wait_for_subscribers(3, Duration::from_millis(200));
        }
        if tx.subscribers() != 1 {
            return Err(format!("{} subscribers are left, and not 1", tx.subscribers()));
        }
        let at = place(&self.spot, self.fd.as_ref())?;
        let mut next = subscriber(at, How::Open, &self.options()).map_err(|e| format!("a successor: {e}"))?;
        let (tx, _) = self.survivors.as_mut().ok_or("nobody")?;
        tx.publish(&7).map_err(|e| e.to_string())?;
        if next.try_recv() != Ok(7) {
            return Err("a successor does not get the next message".into());
        }
        drop(next);
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
        let options = self.options();
        let mut tx =
            publisher(At::Place(self.spot.place()), How::Create, &options).map_err(|e| format!("create: {e}"))?;
        let fd = || tx.fd().ok_or("no descriptor")?.try_clone_to_owned().map_err(|e| e.to_string());
        self.fd = matches!(self.spot, Spot::Memory).then(fd).transpose()?;
        let rx = Subscriber::from_fd(fd()?, &options).map_err(|e| format!("subscribe: {e}"))?;
        for number in 0..BEFORE {
            tx.publish(&number).map_err(|e| e.to_string())?;
        }
        self.next = 0;
        self.survivors = Some((tx, rx));
        stage.start(&arguments(self.part, &self.spot, self.is_restartable), self.fd.as_ref())
    }

    fn blocked(&mut self) -> bool {
        let Some((tx, _)) = &mut self.survivors else { return false };
        let number = tx.published();
        number < BEFORE + COUNT && tx.try_publish(&number).is_ok()
    }

    fn killed(&mut self, stage: &Stage) -> Result<Found, String> {
        self.after(stage)
    }

    fn stopped(&mut self, _: &Stage) -> Result<(), String> {
        let may_be_free = matches!(self.part, "open-subscriber" | "leave-subscriber");
        let options = self.options();
        let at = place(&self.spot, self.fd.as_ref())?;
        let (tx, rx) = self.survivors.as_mut().ok_or("nobody")?;
        if drain(rx, &mut self.next)? != TryRecvError::Empty {
            return Err("a subscriber is told something".into());
        }
        if !may_be_free {
            let mut published = tx.published();
            while tx.try_publish(&published) == Ok(()) {
                published += 1;
                if published > 2 * SLOTS + BEFORE {
                    return Err("what a subscriber that is stopped has not read is not kept".into());
                }
                drain(rx, &mut self.next)?;
            }
            if tx.try_publish(&published) != Err(TryPublishError::Full) || tx.subscribers() != 2 {
                return Err("a subscriber that is stopped is not counted".into());
            }
        }
        match subscriber(at, How::Open, &options) {
            Err(error) if error.kind() == ErrorKind::Busy => Ok(()),
            _ if may_be_free => Ok(()),
            Err(error) => Err(format!("the seat of a subscriber that is stopped is not busy: {error}")),
            Ok(_) => Err("the seat of a subscriber that is stopped was taken".into()),
        }
    }

    fn went_on(&mut self, stage: &Stage) -> Result<Found, String> {
        match stage.scratch.error() {
            Some(error) if self.part != "open-subscriber" => {
                Err(format!("after it went on, its operation failed with error {error}"))
            }
            _ => self.after(stage),
        }
    }
}
