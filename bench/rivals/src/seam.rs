//! What can be measured: entrants behind one seam.
//!
//! An entrant says how one sending and one receiving end of a channel are opened ([`Wire`]), and what the channel does by
//! itself; everything else (both directions, N channels where one cannot fan out, workloads, verification) is made from
//! that, here and in `party.rs`. To add one: a file that implements [`Wire`], and one line in `entrants.rs`. What is a question
//! with its answer and no channel of one way (`rpc`) implements [`Duplex`] instead and is added by [`Entrant::of_calls`]; what
//! holds a value and no messages (`watch`) implements [`Latest`] and is added by [`Entrant::of_latest`].
//!
//! 1. Party 0 opens first and creates; the others open one after the other.
//! 2. When all have opened, all `start`: whatever needs the other side to be there belongs there. When all have started, all
//!    begin.
//! 3. Ends are dropped when all parties have reported: no message vanishes with its sender.

use std::io;
use std::ops::Range;

use crate::job::{Job, Shape, Wait};
use crate::payload::{STOP, Tally};

/// The sending end.
pub(crate) trait Sender {
    fn start(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Sends the messages of these stamps, in order, each published by itself.
    fn send_all(&mut self, stamps: Range<u64>) -> io::Result<()>;
}

impl Sender for Box<dyn Sender> {
    fn start(&mut self) -> io::Result<()> {
        (**self).start()
    }

    fn send_all(&mut self, stamps: Range<u64>) -> io::Result<()> {
        (**self).send_all(stamps)
    }
}

/// The receiving end.
pub(crate) trait Receiver {
    fn start(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Takes what is there, reading all of each message, until the tally is full; whether there was anything.
    fn poll(&mut self, tally: &mut Tally) -> io::Result<bool>;

    /// Receives until the tally is full, waiting as the job says.
    fn recv_all(&mut self, tally: &mut Tally) -> io::Result<()> {
        while !tally.is_full() {
            if self.poll(tally)? {
                tally.pause.reset();
            } else {
                tally.pause.idle();
            }
        }
        Ok(())
    }
}

impl Receiver for Box<dyn Receiver> {
    fn start(&mut self) -> io::Result<()> {
        (**self).start()
    }

    fn poll(&mut self, tally: &mut Tally) -> io::Result<bool> {
        (**self).poll(tally)
    }

    fn recv_all(&mut self, tally: &mut Tally) -> io::Result<()> {
        (**self).recv_all(tally)
    }
}

/// One channel of a run, as one of its parties sees it.
pub(crate) struct Way<'a> {
    pub(crate) job: &'a Job,
    /// Unique to this channel.
    pub(crate) name: String,
    /// Whether this party opens it first.
    pub(crate) creates: bool,
    /// Senders and receivers that this one channel must serve.
    pub(crate) senders: usize,
    pub(crate) receivers: usize,
}

/// What a kind of channel does by itself, without a second channel.
#[derive(Clone, Copy)]
pub(crate) struct Traits {
    /// Each of several receivers gets everything.
    pub(crate) fans_out: bool,
    /// Several senders share it.
    pub(crate) fans_in: bool,
    /// Several receivers share the messages.
    pub(crate) shares: bool,
    /// Its ends can sleep. Else it polls, and there is no row of sleeping for it.
    pub(crate) sleeps: bool,
    /// One receiver can sleep until any of many channels has something ([`Wire::gather`] is its own).
    pub(crate) selects: bool,
    /// An end that died can be taken by another process while the other end keeps its own.
    pub(crate) reopens: bool,
}

/// A kind of channel.
pub(crate) trait Wire: 'static {
    const TRAITS: Traits;
    /// A further process that a run needs: what it does, from saying `opened` to hearing `end`.
    const HELPER: Option<fn(&Job) -> io::Result<()>> = None;
    type Tx: Sender + 'static;
    type Rx: Receiver + 'static;

    fn tx(way: &Way<'_>) -> io::Result<Self::Tx>;
    fn rx(way: &Way<'_>) -> io::Result<Self::Rx>;

    /// One receiver of several channels: each polled in turn, unless there is something better.
    fn gather(ends: Vec<Self::Rx>, _job: &Job) -> io::Result<Box<dyn Receiver>> {
        Ok(Box::new(Gather(ends)))
    }

    /// Why it cannot serve this job, beyond what its traits say.
    fn cannot(_job: &Job) -> Option<&'static str> {
        None
    }
}

/// Both directions, one message at a time.
pub(crate) trait Duplex {
    fn start(&mut self) -> io::Result<()>;
    fn send(&mut self, stamp: u64) -> io::Result<()>;
    fn recv(&mut self) -> io::Result<u64>;
}

/// The latest value of 64 bytes.
pub(crate) trait Latest {
    fn write(&mut self, stamp: u64) -> io::Result<()>;

    /// Reads that many times, all of the value each time; panics at one that is torn, or older than one before. Returns the
    /// last one's stamp.
    fn read_times(&mut self, times: u64) -> io::Result<u64>;
}

/// The end that a party holds.
pub(crate) enum End {
    Latest(Box<dyn Latest>),
    Duplex(Box<dyn Duplex>),
    Sender(Box<dyn Sender>),
    Receiver(Box<dyn Receiver>),
}

impl End {
    pub(crate) fn start(&mut self) -> io::Result<()> {
        match self {
            Self::Latest(_) => Ok(()),
            Self::Duplex(end) => end.start(),
            Self::Sender(end) => end.start(),
            Self::Receiver(end) => end.start(),
        }
    }
}

/// Whether the parties are processes, or threads of one process.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parties {
    Processes,
    Threads,
}

/// Who an entrant is, for the order and the reading of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Camp {
    /// No recovery, no checks: what the hardware allows.
    Limit,
    Ours,
    Rival,
    /// What the kernel offers by itself.
    Kernel,
    /// Threads of one process: nothing is shared with anybody who could die or lie.
    InProcess,
}

/// Something to measure.
pub(crate) struct Entrant {
    pub(crate) name: &'static str,
    pub(crate) camp: Camp,
    pub(crate) parties: Parties,
    pub(crate) open: fn(&Job, usize) -> io::Result<End>,
    cannot: fn(&Job) -> Option<&'static str>,
    pub(crate) traits: Traits,
    pub(crate) helper: Option<fn(&Job) -> io::Result<()>>,
}

impl Entrant {
    pub(crate) fn new<W: Wire>(name: &'static str, camp: Camp) -> Self {
        let parties = if camp == Camp::InProcess { Parties::Threads } else { Parties::Processes };
        Self { name, camp, parties, open: open::<W>, cannot: cannot::<W>, traits: W::TRAITS, helper: W::HELPER }
    }

    /// One that holds the latest value and nothing else.
    pub(crate) fn of_latest(name: &'static str, camp: Camp, open: fn(&Job, usize) -> io::Result<End>) -> Self {
        Self::of_calls(name, camp, open, |job| (job.shape != Shape::Latest).then_some("latest value"))
    }

    /// One that has a round trip of its own and nothing else.
    pub(crate) fn of_calls(
        name: &'static str,
        camp: Camp,
        open: fn(&Job, usize) -> io::Result<End>,
        cannot: fn(&Job) -> Option<&'static str>,
    ) -> Self {
        let traits =
            Traits { fans_out: false, fans_in: false, shares: false, sleeps: true, selects: false, reopens: false };
        Self { name, camp, parties: Parties::Processes, open, cannot, traits, helper: None }
    }

    /// Why it has no figure for this job; `None` if it has.
    pub(crate) fn why_not(&self, job: &Job) -> Option<&'static str> {
        let between_processes = matches!(job.shape, Shape::SetUp | Shape::KillSender | Shape::KillReceiver);
        if self.parties == Parties::Threads && between_processes {
            return Some("threads");
        }
        (self.cannot)(job)
    }
}

/// Why a kind of channel cannot serve this job.
fn cannot<W: Wire>(job: &Job) -> Option<&'static str> {
    if job.shape == Shape::Queue && !W::TRAITS.shares {
        return Some("no queue");
    }
    if job.shape == Shape::Latest {
        return Some("messages");
    }
    if job.wait == Wait::Sleep && !W::TRAITS.sleeps {
        return Some("polls");
    }
    if job.shape == Shape::Many && job.wait == Wait::Sleep && !W::TRAITS.selects {
        return Some("no waiting on many");
    }
    W::cannot(job)
}

/// Whether one channel serves all parties of the job, or each pair has one of its own.
pub(crate) fn one_channel(job: &Job, traits: Traits) -> bool {
    match job.shape {
        Shape::OneToN => job.n == 1 || traits.fans_out,
        Shape::NToOne => job.n == 1 || traits.fans_in,
        _ => true,
    }
}

fn open<W: Wire>(job: &Job, me: usize) -> io::Result<End> {
    let way = |suffix: &str, senders, receivers| Way {
        job,
        name: format!("{}-{suffix}", job.name),
        creates: me == 0,
        senders,
        receivers,
    };
    let each = || 0..job.n;
    let one = one_channel(job, W::TRAITS);
    Ok(match (job.shape, me) {
        (Shape::Latest, _) => return Err(io::Error::other("a channel of messages has no latest value")),
        (Shape::RoundTrip, 0) => duplex(W::tx(&way("there", 1, 1))?, W::rx(&way("back", 1, 1))?, job),
        (Shape::RoundTrip, _) => {
            // In the order of party 0, so that what is first created is first opened.
            let rx = W::rx(&way("there", 1, 1))?;
            duplex(W::tx(&way("back", 1, 1))?, rx, job)
        }
        (Shape::OneToN, 0) if !one => {
            End::Sender(Box::new(Spread(each().map(|i| W::tx(&way(&i.to_string(), 1, 1))).collect::<io::Result<_>>()?)))
        }
        (Shape::NToOne, 0) if !one => {
            let ends = each().map(|i| W::rx(&way(&i.to_string(), 1, 1))).collect::<io::Result<_>>()?;
            End::Receiver(W::gather(ends, job)?)
        }
        (Shape::OneToN, _) if !one => End::Receiver(Box::new(W::rx(&way(&(me - 1).to_string(), 1, 1))?)),
        (Shape::NToOne, _) if !one => End::Sender(Box::new(W::tx(&way(&(me - 1).to_string(), 1, 1))?)),
        (Shape::OneToN | Shape::Queue, 0) => End::Sender(Box::new(W::tx(&way("all", 1, job.n))?)),
        (Shape::OneToN | Shape::Queue, _) => End::Receiver(Box::new(W::rx(&way("all", 1, job.n))?)),
        (Shape::NToOne, 0) => End::Receiver(Box::new(W::rx(&way("all", job.n, 1))?)),
        (Shape::NToOne, _) => End::Sender(Box::new(W::tx(&way("all", job.n, 1))?)),
        (Shape::KillReceiver, 0) => End::Sender(Box::new(W::tx(&way("all", 1, 1))?)),
        (Shape::KillReceiver, _) => End::Receiver(Box::new(W::rx(&way("all", 1, 1))?)),
        (Shape::Stream | Shape::SetUp | Shape::KillSender, 0) => End::Receiver(Box::new(W::rx(&way("all", 1, 1))?)),
        (Shape::Stream | Shape::SetUp | Shape::KillSender, _) => End::Sender(Box::new(W::tx(&way("all", 1, 1))?)),
        (Shape::Many, 0) => {
            let ends = (0..CHANNELS).map(|i| W::rx(&way(&i.to_string(), 1, 1))).collect::<io::Result<_>>()?;
            duplex(W::tx(&way("back", 1, 1))?, W::gather(ends, job)?, job)
        }
        (Shape::Many, _) => {
            let ends = (0..CHANNELS).map(|i| W::tx(&way(&i.to_string(), 1, 1))).collect::<io::Result<_>>()?;
            duplex(OneOf { ends, busy: BUSY }, W::rx(&way("back", 1, 1))?, job)
        }
    })
}

/// Channels of the peer that has many, and the one that it uses.
pub(crate) const CHANNELS: usize = 100;
const BUSY: usize = 61;

struct Echo<S, R> {
    tx: S,
    rx: R,
    tally: Tally,
}

fn duplex<S: Sender + 'static, R: Receiver + 'static>(tx: S, rx: R, job: &Job) -> End {
    End::Duplex(Box::new(Echo { tx, rx, tally: Tally::new(1, true, job.wait) }))
}

impl<S: Sender, R: Receiver> Duplex for Echo<S, R> {
    fn start(&mut self) -> io::Result<()> {
        self.tx.start()?;
        self.rx.start()
    }

    fn send(&mut self, stamp: u64) -> io::Result<()> {
        self.tx.send_all(stamp..stamp + 1)
    }

    fn recv(&mut self) -> io::Result<u64> {
        self.tally.want(1);
        self.rx.recv_all(&mut self.tally)?;
        if self.tally.is_over() {
            return Ok(STOP);
        }
        self.tally.check();
        // None is missing, so it is the message of that number.
        Ok(self.tally.count - 1)
    }
}

/// A sender of everything to each of several channels.
struct Spread<S>(Vec<S>);

impl<S: Sender> Sender for Spread<S> {
    fn start(&mut self) -> io::Result<()> {
        self.0.iter_mut().try_for_each(S::start)
    }

    fn send_all(&mut self, stamps: Range<u64>) -> io::Result<()> {
        for stamp in stamps {
            for end in &mut self.0 {
                end.send_all(stamp..stamp + 1)?;
            }
        }
        Ok(())
    }
}

/// A sender that has many channels and uses one.
struct OneOf<S> {
    ends: Vec<S>,
    busy: usize,
}

impl<S: Sender> Sender for OneOf<S> {
    fn start(&mut self) -> io::Result<()> {
        self.ends.iter_mut().try_for_each(S::start)
    }

    fn send_all(&mut self, stamps: Range<u64>) -> io::Result<()> {
        self.ends[self.busy].send_all(stamps)
    }
}

/// A receiver of several channels, each polled in turn.
struct Gather<R>(Vec<R>);

impl<R: Receiver> Receiver for Gather<R> {
    fn start(&mut self) -> io::Result<()> {
        self.0.iter_mut().try_for_each(R::start)
    }

    fn poll(&mut self, tally: &mut Tally) -> io::Result<bool> {
        let mut some = false;
        for end in &mut self.0 {
            some |= end.poll(tally)?;
        }
        Ok(some)
    }
}

/// An error of another crate.
pub(crate) fn other(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(error.to_string())
}
