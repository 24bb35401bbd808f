//! What must hold of a watch when its writer or a reader is killed, or stopped, while it sets the value, reads it, comes or goes.
//!
//! 1. What had been set when a call returned is the value, or a later one is. The value is read at once, whole, with the length and the
//!    content of one and the same version: nobody who writes half of the next is waited for.
//! 2. Versions go on: the next writer counts what is read, and its first value is the next one. Who comes later reads it too.
//! 3. When the writer is dead readers are given its last value first, and are told within 100 ms; of a restartable channel they wait.
//! 4. A reader that dies holds nobody up, and its seat is free at once.
//! 5. When the last user is gone so is the name, but for that of a restartable channel that holds a value: there it is read.
//! 6. Who is stopped is alive: nobody is told otherwise, its seat is `Busy`. A reader that is overtaken meanwhile copies again.

use super::scratch::{Scratch, TORN};
use super::sleeper::{Sleeper, in_time};
use super::stage::Where::{self, File, Memory, Named};
use super::stage::{At, How, Spot, Stage};
use super::table::{Channel, Row};
use super::{Case, Found};
use crate::step::{Marks, Tracee};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};
use strait::ErrorKind;
use strait::channel::watch::{self, Options, ReadError, TryReadError};
use strait::channel::{Cause, Strategy};
use strait::region::Region;

/// The channel's part of the matrix.
pub const CHANNEL: Channel = Channel { name: NAME, rows, pairs: Vec::new, play };

const NAME: &str = "watch";
const PIPE: bool = false;
const AGAIN: bool = true;
/// Values, or reads, of an operation, and values before it.
const COUNT: u64 = 2;
const BEFORE: u64 = 5;

/// Values are as many equal words as their version says: a mixture shows, and so does a length of another.
type Writer = watch::Writer<[u64]>;
type Reader = watch::Reader<[u64]>;
type Slept = Result<Vec<u64>, ReadError>;

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    let writer = |name, part, at, mode| Row::new(name, "writer", at, mode, move || Box::new(WriterDies::new(part, at, mode)));
    let reader = |name, part, at, mode| Row::new(name, "reader", at, mode, move || Box::new(ReaderDies::new(part, at, mode)));
    vec![
        writer("watch-send-first",      "send-first",     Named,  PIPE),
        writer("watch-send-word",       "send-word",      Named,  PIPE),
        writer("watch-send",            "send",           Named,  AGAIN),
        writer("watch-send-round",      "send-round",     Memory, PIPE),
        writer("watch-send-large",      "send-large",     File,   AGAIN),
        writer("watch-send-asleep",     "send-asleep",    Named,  PIPE),
        writer("watch-send-asleep-restart", "send-asleep", Named, AGAIN),
        writer("watch-leave-writer",    "leave-writer",   Named,  PIPE),
        writer("watch-leave-writer-restart", "leave-writer", Named, AGAIN),
        writer("watch-open-writer",     "open-writer",    Named,  AGAIN).untold(),
        writer("watch-create-writer",   "create-writer",  Named,  PIPE).untold(),
        writer("watch-open-or-create-writer", "open-or-create-writer", Named, AGAIN).untold(),
        reader("watch-get",             "get",            Named,  PIPE),
        reader("watch-changed",         "changed",        Memory, AGAIN),
        reader("watch-leave-reader",    "leave-reader",   Named,  PIPE),
        reader("watch-open-reader",     "open-reader",    Named,  PIPE),
    ]
}

/// The longest value, in words.
fn words_max(part: &str) -> u64 {
    match part {
        "send-word" => 1,
        "send-large" => 100,
        _ => 8,
    }
}

fn options(part: &str, is_restartable: bool) -> Options {
    // One seat for a writer and two for readers: who comes next has the dead one's.
    let options = Options::new().readers(2).max_message_bytes(words_max(part) * 8);
    let options = options.copies(if part == "send" { 4 } else { 2 });
    options.restartable(is_restartable).wait(Strategy::Sleep)
}

/// The value of a version.
fn value(part: &str, version: u64) -> Vec<u64> {
    let len = words_max(part).saturating_sub(version % 3).max(1);
    // At most a hundred.
    vec![version; len as usize]
}

/// The version of a value, which must be whole.
fn version_of(part: &str, found: &[u64]) -> Result<u64, String> {
    match found.first() {
        Some(&version) if found == value(part, version) => Ok(version),
        _ => Err(format!("a value that nobody has set: {found:?}")),
    }
}

fn writer(at: At, how: How, options: &Options) -> strait::Result<Writer> {
    match (at, how) {
        (At::Fd(fd), _) => Writer::from_fd(fd, options),
        (At::Place(place), How::Create) => Writer::create(place, options),
        (At::Place(place), How::Open) => Writer::open(place, options),
        (At::Place(place), How::OpenOrCreate) => Writer::open_or_create(place, options),
    }
}

fn reader(at: At, how: How, options: &Options) -> strait::Result<Reader> {
    match (at, how) {
        (At::Fd(fd), _) => Reader::from_fd(fd, options),
        (At::Place(place), How::Create) => Reader::create(place, options),
        (At::Place(place), How::Open) => Reader::open(place, options),
        (At::Place(place), How::OpenOrCreate) => Reader::open_or_create(place, options),
    }
}

fn before(part: &str) -> u64 {
    if matches!(part, "send-first" | "create-writer" | "open-or-create-writer") { 0 } else { BEFORE }
}

/// Plays the victim: `PART PLACE pipe|restartable`.
fn play(words: &[&str]) {
    let [part, place, mode] = *words else { panic!("not three words: {words:?}") };
    let options = options(part, mode == "restartable");
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
        "open-writer" | "create-writer" | "open-or-create-writer" => {
            let how = match part {
                "open-writer" => How::Open,
                "create-writer" => How::Create,
                _ => How::OpenOrCreate,
            };
            marks.begin();
            let end = writer(at, how, &options);
            came(end.as_ref().err());
            marks.end();
        }
        "open-reader" => {
            marks.begin();
            let end = reader(at, How::Open, &options);
            came(end.as_ref().err());
            marks.end();
        }
        "get" | "changed" | "leave-reader" => {
            let mut rx = reader(at, How::Open, &options).expect("a seat");
            let mut into = Vec::with_capacity(16);
            marks.begin();
            if part == "leave-reader" {
                drop(rx);
                scratch.add_done(1);
                return marks.end();
            }
            for _ in 0..COUNT {
                match if part == "get" { rx.get(&mut into) } else { rx.changed(&mut into) } {
                    Ok(()) => scratch.log(version_of(part, &into).unwrap_or(TORN)),
                    Err(_) => scratch.set_error(1),
                }
                scratch.add_done(1);
            }
            marks.end();
        }
        _ => {
            let mut tx = writer(at, How::Open, &options).expect("a seat");
            for version in 1..=before(part) {
                tx.send(&value(part, version)).expect("it fits");
            }
            let next: [Vec<u64>; COUNT as usize] = std::array::from_fn(|i| value(part, before(part) + 1 + i as u64));
            marks.begin();
            if part == "leave-writer" {
                drop(tx);
                scratch.add_done(1);
                return marks.end();
            }
            for value in &next {
                if tx.send(value).is_err() {
                    scratch.set_error(1);
                }
                scratch.add_done(1);
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

fn cloned(fd: Option<BorrowedFd<'_>>) -> Result<OwnedFd, String> {
    fd.ok_or("no descriptor")?.try_clone_to_owned().map_err(|e| e.to_string())
}

/// The value that is there now, by its version; 0, none (rule 1).
fn now(part: &str, rx: &mut Reader) -> Result<u64, String> {
    let mut into = Vec::new();
    match rx.try_get(&mut into) {
        Ok(()) => {
            let found = version_of(part, &into)?;
            if (found, found) != (rx.seen(), rx.version()) {
                return Err(format!("value {found} was read as version {} of {}", rx.seen(), rx.version()));
            }
            Ok(found)
        }
        Err(TryReadError::NotYet | TryReadError::Failed(ReadError::Disconnected(_))) if rx.version() == 0 => Ok(0),
        Err(why) => Err(format!("of {} values none is read: {why:?}", rx.version())),
    }
}

/// A value of the next version is read by both.
fn passes(part: &str, tx: &mut Writer, readers: [&mut Reader; 2]) -> Result<(), String> {
    let next = tx.version() + 1;
    tx.send(&value(part, next)).map_err(|e| format!("send value {next}: {e}"))?;
    for rx in readers {
        let mut into = Vec::new();
        rx.try_changed(&mut into).map_err(|e| format!("value {next} is no change: {e:?}"))?;
        let found = version_of(part, &into)?;
        if found != next {
            return Err(format!("value {found} came instead of {next}"));
        }
    }
    Ok(())
}

/// Nobody is here any more (rule 5).
fn must_be_over(part: &str, spot: &Spot, is_restartable: bool, last: u64) -> Result<(), String> {
    if is_restartable && !matches!(spot, Spot::Memory) {
        let options = options(part, is_restartable);
        let mut rx = Reader::open(spot.place(), &options).map_err(|e| format!("when all have left: {e}"))?;
        let kept = now(part, &mut rx)?;
        drop(rx);
        if kept != last {
            return Err(format!("when all have left value {kept} is there, and not {last}"));
        }
        Region::remove(spot.place()).map_err(|e| format!("remove it: {e}"))?;
    }
    spot.must_be_empty()
}

/// A writer that is killed; a reader survives.
struct WriterDies {
    part: &'static str,
    is_restartable: bool,
    spot: Spot,
    survivor: Option<Box<Reader>>,
    asleep: Option<Sleeper<Reader, Slept>>,
    fd: Option<OwnedFd>,
}

impl WriterDies {
    fn new(part: &'static str, at: Where, is_restartable: bool) -> Self {
        Self { part, is_restartable, spot: Spot::new(at), survivor: None, asleep: None, fd: None }
    }

    fn options(&self) -> Options {
        options(self.part, self.is_restartable)
    }

    fn at(&self) -> Result<At, String> {
        place(&self.spot, self.fd.as_ref())
    }

    fn sends(&self) -> bool {
        self.part.starts_with("send")
    }

    fn is_born(&self) -> bool {
        matches!(self.part, "create-writer" | "open-or-create-writer")
    }

    /// The least and the most that may have been set.
    fn bounds(&self, stage: &Stage) -> (u64, u64) {
        let before = before(self.part);
        if self.sends() { (before + stage.scratch.done(), before + COUNT) } else { (before, before) }
    }

    fn within(&self, found: u64, stage: &Stage) -> Result<u64, String> {
        let (least, most) = self.bounds(stage);
        if (least..=most).contains(&found) {
            return Ok(found);
        }
        Err(format!("value {found} is there, {least} to {most} were set"))
    }

    /// What the reader that slept was given.
    fn wake(&mut self, since: Instant, may_be_told: impl Fn(Cause) -> bool) -> Result<Duration, String> {
        let Some(sleeper) = self.asleep.take() else { return Ok(Duration::ZERO) };
        let (rx, said, slept) = sleeper.join(since)?;
        match said {
            Ok(found) if version_of(self.part, &found)? > BEFORE => {}
            Err(ReadError::Disconnected(cause)) if may_be_told(cause) => {}
            said => return Err(format!("a reader that slept is told {said:?}")),
        }
        self.survivor = Some(rx);
        in_time("a reader that slept", slept)
    }

    fn after(&mut self, stage: &Stage, is_dead: bool) -> Result<Found, String> {
        if self.is_born() {
            return self.after_birth();
        }
        let since = Instant::now();
        let is_leaving = self.part == "leave-writer";
        let may_be_told = |cause: Cause| match cause {
            Cause::Died => is_dead,
            Cause::Left => is_leaving || !is_dead,
            _ => false,
        };
        let (part, options, at) = (self.part, self.options(), self.at()?);
        if self.is_restartable && self.asleep.as_mut().is_some_and(|it| !it.returned(Duration::ZERO).1) {
            return self.after_sleep(stage, at, &options);
        }
        let is_restartable = self.is_restartable;
        let mut waited = self.wake(since, |cause| !is_restartable && may_be_told(cause))?;
        let mut rx = self.survivor.take().ok_or("nobody")?;
        let last = self.within(now(part, &mut rx)?, stage)?;
        loop {
            match rx.try_changed(&mut Vec::new()) {
                Err(TryReadError::NotYet) if self.is_restartable => break,
                Err(TryReadError::NotYet) => waited = in_time("a reader", since.elapsed())?,
                Err(TryReadError::Failed(ReadError::Disconnected(cause)))
                    if !self.is_restartable && may_be_told(cause) =>
                {
                    break;
                }
                why => return Err(format!("a reader is told {why:?}")),
            }
        }
        // To be told has cost it nothing.
        if now(part, &mut rx)? != last {
            return Err(format!("value {last} is gone"));
        }
        self.succeed(at, &options, *rx, last)?;
        Ok(Found { progress: Some(last), waited })
    }

    /// A reader of a restartable channel sleeps still: it is woken by the next writer.
    fn after_sleep(&mut self, stage: &Stage, at: At, options: &Options) -> Result<Found, String> {
        let mut next = writer(at, How::Open, options).map_err(|e| format!("a successor: {e}"))?;
        let last = self.within(next.version(), stage)?;
        let since = Instant::now();
        next.send(&value(self.part, last + 1)).map_err(|e| format!("send: {e}"))?;
        drop(next);
        let waited = self.wake(since, |_| false)?;
        let mut rx = self.survivor.take().ok_or("nobody")?;
        if now(self.part, &mut rx)? != last + 1 {
            return Err(format!("a successor's value {} is not there", last + 1));
        }
        let at = self.at()?;
        self.succeed(at, options, *rx, last + 1)?;
        Ok(Found { progress: Some(last), waited })
    }

    /// What the next writer, and who comes later, meet (rule 2).
    fn succeed(&mut self, at: At, options: &Options, mut rx: Reader, last: u64) -> Result<(), String> {
        let part = self.part;
        let mut next = writer(at, How::Open, options).map_err(|e| format!("a successor: {e}"))?;
        if next.version() != last {
            return Err(format!("the next writer counts {} values, {last} is there", next.version()));
        }
        let mut late = reader(self.at()?, How::Open, options).map_err(|e| format!("who comes later: {e}"))?;
        if now(part, &mut late)? != last {
            return Err(format!("who comes later does not read value {last}"));
        }
        for _ in 0..2 * next.copies() {
            passes(part, &mut next, [&mut rx, &mut late])?;
        }
        let last = next.version();
        // Who came by a descriptor knows no name.
        drop((next, late, rx));
        self.fd = None;
        must_be_over(part, &self.spot, self.is_restartable, last)
    }

    /// Whoever comes next finds a channel that works, or none, and makes one.
    fn after_birth(&mut self) -> Result<Found, String> {
        let at = || At::Place(self.spot.place());
        let options = self.options();
        let mut tx = writer(at(), How::OpenOrCreate, &options).map_err(|e| format!("write: {e}"))?;
        let mut one = reader(at(), How::Open, &options).map_err(|e| format!("read: {e}"))?;
        let mut other = reader(at(), How::Open, &options).map_err(|e| format!("read: {e}"))?;
        passes(self.part, &mut tx, [&mut one, &mut other])?;
        drop((tx, one, other));
        must_be_over(self.part, &self.spot, self.is_restartable, 1)?;
        Ok(Found::default())
    }
}

impl Case for WriterDies {
    fn start(&mut self, stage: &Stage) -> Result<Tracee, String> {
        stage.scratch.clear();
        if !self.is_born() {
            let rx = reader(At::Place(self.spot.place()), How::Create, &self.options());
            let rx = Box::new(rx.map_err(|e| format!("create: {e}"))?);
            self.fd = matches!(self.spot, Spot::Memory).then(|| cloned(rx.fd())).transpose()?;
            self.survivor = Some(rx);
        }
        if self.part == "open-writer" {
            // It succeeds one that has died with its last value half written, or not.
            let dead = arguments("send-round", &self.spot, self.is_restartable);
            drop(stage.start(&dead, self.fd.as_ref())?);
        }
        let tracee = stage.start(&arguments(self.part, &self.spot, self.is_restartable), self.fd.as_ref())?;
        if self.part == "send-asleep" {
            let mut rx = self.survivor.take().ok_or("nobody")?;
            rx.try_get(&mut Vec::new()).map_err(|e| format!("get: {e:?}"))?;
            let call = |rx: &mut Reader| {
                let mut into = Vec::new();
                rx.changed(&mut into).map(|()| into)
            };
            self.asleep = Some(Sleeper::new(rx, call)?);
        }
        Ok(tracee)
    }

    fn killed(&mut self, stage: &Stage) -> Result<Found, String> {
        self.after(stage, true)
    }

    fn stopped(&mut self, stage: &Stage) -> Result<(), String> {
        let may_be_free = !self.sends();
        if let Some(mut sleeper) = self.asleep.take() {
            // Of a value, or of nothing yet.
            let since = sleeper.returned(Duration::ZERO).0;
            let is_told = sleeper.returned(since + Duration::from_millis(120)).1;
            self.asleep = Some(sleeper);
            if is_told {
                self.wake(Instant::now(), |_| false)?;
            }
        }
        if let Some(mut rx) = self.survivor.take() {
            let found = self.within(now(self.part, &mut rx)?, stage)?;
            match rx.try_changed(&mut Vec::new()) {
                Err(TryReadError::NotYet) => {}
                Err(TryReadError::Failed(ReadError::Disconnected(Cause::Left))) if may_be_free => {}
                why => return Err(format!("the writer is stopped, and who has read value {found} is told {why:?}")),
            }
            self.survivor = Some(rx);
        }
        match writer(self.at()?, How::Open, &self.options()) {
            Err(error) if error.kind() == ErrorKind::Busy => Ok(()),
            _ if may_be_free => Ok(()),
            Err(error) => Err(format!("the seat of a writer that is stopped is not busy: {error}")),
            Ok(_) => Err("the seat of a writer that is stopped was taken".into()),
        }
    }

    fn went_on(&mut self, stage: &Stage) -> Result<Found, String> {
        match stage.scratch.error() {
            // Its seat, or its name, was taken meanwhile.
            Some(_) if !self.sends() && self.part != "leave-writer" => self.after(stage, false),
            Some(error) => Err(format!("after it went on, its operation failed with error {error}")),
            None => self.after(stage, false),
        }
    }

    fn sleeper(&mut self, patience: Duration) -> Option<(Duration, bool)> {
        self.asleep.as_mut().map(|it| it.returned(patience))
    }
}

/// A reader that is killed; the writer, and another reader, survive.
struct ReaderDies {
    part: &'static str,
    is_restartable: bool,
    spot: Spot,
    survivors: Option<(Writer, Reader)>,
    fd: Option<OwnedFd>,
}

impl ReaderDies {
    fn new(part: &'static str, at: Where, is_restartable: bool) -> Self {
        Self { part, is_restartable, spot: Spot::new(at), survivors: None, fd: None }
    }

    fn options(&self) -> Options {
        options(self.part, self.is_restartable)
    }

    /// The writer goes round all copies, and is held up by nobody (rule 4).
    fn go_round(&mut self) -> Result<Duration, String> {
        let (tx, rx) = self.survivors.as_mut().ok_or("nobody")?;
        let mut waited = Duration::ZERO;
        for _ in 0..2 * tx.copies() {
            let next = tx.version() + 1;
            let call = Instant::now();
            tx.send(&value(self.part, next)).map_err(|e| format!("send value {next}: {e}"))?;
            waited = waited.max(in_time("a writer", call.elapsed())?);
            if now(self.part, rx)? != next {
                return Err(format!("value {next} is not there"));
            }
        }
        Ok(waited)
    }

    fn after(&mut self, stage: &Stage) -> Result<Found, String> {
        let set = self.survivors.as_ref().map_or(0, |it| it.0.version());
        let mut last = if self.part == "changed" { BEFORE - 1 } else { BEFORE };
        for found in stage.scratch.logged() {
            let is_next = if self.part == "changed" { found > last } else { found >= last };
            if !is_next || found > set {
                return Err(format!("value {found} of {set} came after {last}, or was torn"));
            }
            last = found;
        }
        let waited = self.go_round()?;
        let at = place(&self.spot, self.fd.as_ref())?;
        let mut next = reader(at, How::Open, &self.options()).map_err(|e| format!("a successor: {e}"))?;
        let (mut tx, mut rx) = self.survivors.take().ok_or("nobody")?;
        if now(self.part, &mut next)? != tx.version() {
            return Err("a successor does not read the value".into());
        }
        if tx.readers() != 2 {
            return Err(format!("{} readers are here, and not 2", tx.readers()));
        }
        passes(self.part, &mut tx, [&mut rx, &mut next])?;
        let last = tx.version();
        // Who came by a descriptor knows no name: the writer goes last, and takes it away.
        drop((next, rx));
        drop(tx);
        self.fd = None;
        must_be_over(self.part, &self.spot, self.is_restartable, last)?;
        Ok(Found { progress: None, waited })
    }
}

impl Case for ReaderDies {
    fn start(&mut self, stage: &Stage) -> Result<Tracee, String> {
        stage.scratch.clear();
        let options = self.options();
        let mut tx = writer(At::Place(self.spot.place()), How::Create, &options).map_err(|e| format!("create: {e}"))?;
        self.fd = matches!(self.spot, Spot::Memory).then(|| cloned(tx.fd())).transpose()?;
        let rx = Reader::from_fd(cloned(tx.fd())?, &options).map_err(|e| format!("a reader: {e}"))?;
        for version in 1..=BEFORE {
            tx.send(&value(self.part, version)).map_err(|e| e.to_string())?;
        }
        self.survivors = Some((tx, rx));
        stage.start(&arguments(self.part, &self.spot, self.is_restartable), self.fd.as_ref())
    }

    fn blocked(&mut self) -> bool {
        let Some((tx, _)) = &mut self.survivors else { return false };
        let next = tx.version() + 1;
        next <= BEFORE + COUNT && tx.send(&value(self.part, next)).is_ok()
    }

    fn killed(&mut self, stage: &Stage) -> Result<Found, String> {
        self.after(stage)
    }

    fn stopped(&mut self, _: &Stage) -> Result<(), String> {
        let may_be_free = matches!(self.part, "open-reader" | "leave-reader");
        self.go_round()?;
        match reader(place(&self.spot, self.fd.as_ref())?, How::Open, &self.options()) {
            Err(error) if error.kind() == ErrorKind::Busy => Ok(()),
            _ if may_be_free => Ok(()),
            Err(error) => Err(format!("the seat of a reader that is stopped is not busy: {error}")),
            Ok(_) => Err("the seat of a reader that is stopped was taken".into()),
        }
    }

    fn meanwhile(&mut self) -> Result<(), String> {
        if self.part != "changed" {
            return Ok(());
        }
        // One that was stopped while it waited has one change behind it, and waits for the next.
        let (tx, _) = self.survivors.as_mut().ok_or("nobody")?;
        let next = tx.version() + 1;
        tx.send(&value(self.part, next)).map_err(|e| format!("send value {next}: {e}"))
    }

    fn went_on(&mut self, stage: &Stage) -> Result<Found, String> {
        match stage.scratch.error() {
            Some(error) if self.part != "open-reader" => {
                Err(format!("after it went on, its operation failed with error {error}"))
            }
            _ => self.after(stage),
        }
    }
}
