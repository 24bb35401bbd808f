//! Messages over a stream of bytes, for every mechanism that is one: written one by one, read as many as there are.
//!
//! A message is as long as the job says, so nothing marks its bounds. A receiver that shares the stream with others reads one
//! message at a time, else it would take what is theirs.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::ops::Range;
use std::os::fd::AsFd;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::job::{Shape, Wait};
use crate::payload::{Pause, Tally, fill, read};
use crate::seam::{Receiver, Sender, Way};

/// An end that is opened at once, or when the others have been.
pub(crate) enum Lazy<T> {
    Now(T),
    Later(Option<Box<dyn FnOnce() -> io::Result<T>>>),
}

impl<T: 'static> Lazy<T> {
    pub(crate) fn later(open: impl FnOnce() -> io::Result<T> + 'static) -> Self {
        Self::Later(Some(Box::new(open)))
    }

    pub(crate) fn map<U>(self, wrap: impl FnOnce(T) -> U + 'static) -> Lazy<U> {
        match self {
            Self::Now(end) => Lazy::Now(wrap(end)),
            Self::Later(open) => {
                let open = open.unwrap_or_else(|| Box::new(|| Err(io::Error::other("started twice"))));
                Lazy::Later(Some(Box::new(move || open().map(wrap))))
            }
        }
    }

    pub(crate) fn start(&mut self) -> io::Result<()> {
        if let Self::Later(open) = self {
            let open = open.take().ok_or_else(|| io::Error::other("started twice"))?;
            *self = Self::Now(open()?);
        }
        Ok(())
    }

    pub(crate) fn get(&mut self) -> io::Result<&mut T> {
        match self {
            Self::Now(end) => Ok(end),
            Self::Later(_) => Err(io::Error::other("not started")),
        }
    }
}

/// Whether ends are to be non-blocking: who spins asks again and again.
pub(crate) fn spins(way: &Way<'_>) -> bool {
    way.job.wait == Wait::Spin
}

pub(crate) struct Tx<W> {
    end: Lazy<W>,
    message: Vec<u8>,
    pause: Pause,
}

impl<W> Tx<W> {
    pub(crate) fn new(way: &Way<'_>, end: Lazy<W>) -> Self {
        Self { end, message: vec![0; way.job.bytes], pause: Pause::new(way.job.wait) }
    }
}

impl<W: Write + 'static> Sender for Tx<W> {
    fn start(&mut self) -> io::Result<()> {
        self.end.start()
    }

    fn send_all(&mut self, stamps: Range<u64>) -> io::Result<()> {
        let end = self.end.get()?;
        for stamp in stamps {
            fill(&mut self.message, stamp);
            let mut rest = &self.message[..];
            while !rest.is_empty() {
                match end.write(rest) {
                    Ok(0) => return Err(ErrorKind::WriteZero.into()),
                    Ok(n) => rest = &rest[n..],
                    Err(error) if error.kind() == ErrorKind::WouldBlock => self.pause.idle(),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}

/// Bytes asked for at once.
const READ: usize = 64 << 10;

pub(crate) struct Rx<R> {
    end: Lazy<R>,
    buffer: Vec<u8>,
    /// What of the buffer holds bytes that are no whole message yet, or not looked at.
    held: Range<usize>,
    len: usize,
    alone: bool,
    /// A stream that has carried nothing yet may have no writer yet.
    seen: bool,
}

impl<R> Rx<R> {
    pub(crate) fn new(way: &Way<'_>, end: Lazy<R>) -> Self {
        let len = way.job.bytes;
        let alone = way.job.shape != Shape::Queue;
        let room = if alone { READ.max(len) } else { len };
        Self { end, buffer: vec![0; room], held: 0..0, len, alone, seen: false }
    }
}

impl<R: Read + 'static> Rx<R> {
    /// Notes whole messages that are held; whether there was one.
    fn take(&mut self, tally: &mut Tally) -> bool {
        let mut some = false;
        while self.held.len() >= self.len && !tally.is_full() {
            tally.note(read(&self.buffer[self.held.start..self.held.start + self.len]));
            self.held.start += self.len;
            some = true;
        }
        some
    }

    /// Reads once; whether anything came.
    fn more(&mut self) -> io::Result<bool> {
        self.buffer.copy_within(self.held.clone(), 0);
        self.held = 0..self.held.len();
        let room = if self.alone { self.buffer.len() } else { self.len };
        match self.end.get()?.read(&mut self.buffer[self.held.end..room]) {
            Ok(0) if self.seen => Err(ErrorKind::UnexpectedEof.into()),
            Ok(0) => Ok(false),
            Ok(n) => {
                self.seen = true;
                self.held.end += n;
                Ok(true)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl<R: Read + AsFd + 'static> Receiver for Rx<R> {
    fn start(&mut self) -> io::Result<()> {
        self.end.start()
    }

    fn poll(&mut self, tally: &mut Tally) -> io::Result<bool> {
        if self.take(tally) {
            return Ok(true);
        }
        let mut fds = [PollFd::new(self.end.get()?, PollFlags::IN)];
        if poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))? == 0 {
            return Ok(false);
        }
        self.more()?;
        Ok(self.take(tally))
    }

    fn recv_all(&mut self, tally: &mut Tally) -> io::Result<()> {
        loop {
            self.take(tally);
            if tally.is_full() {
                return Ok(());
            }
            if self.more()? {
                tally.pause.reset();
            } else {
                tally.pause.idle();
            }
        }
    }
}

/// A receiver of several streams, by epoll.
pub(crate) struct Set<R> {
    ends: Vec<Rx<R>>,
    epoll: std::os::fd::OwnedFd,
    /// Streams that may have more than was taken.
    ready: VecDeque<usize>,
    spins: bool,
    events: Vec<Event>,
}

impl<R> Set<R> {
    pub(crate) fn new(ends: Vec<Rx<R>>, wait: Wait) -> io::Result<Self> {
        let events = Vec::with_capacity(ends.len());
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Self { ends, epoll, ready: VecDeque::new(), spins: wait == Wait::Spin, events })
    }
}

impl<R: Read + AsFd + 'static> Receiver for Set<R> {
    fn start(&mut self) -> io::Result<()> {
        for (number, end) in self.ends.iter_mut().enumerate() {
            end.start()?;
            epoll::add(&self.epoll, end.end.get()?, EventData::new_u64(number as u64), EventFlags::IN)?;
        }
        Ok(())
    }

    fn poll(&mut self, tally: &mut Tally) -> io::Result<bool> {
        let mut some = false;
        while let Some(number) = self.ready.pop_front() {
            some |= self.ends[number].take(tally);
            if tally.is_full() {
                self.ready.push_front(number);
                return Ok(some);
            }
        }
        let limit = Timespec { tv_sec: 0, tv_nsec: 0 };
        self.events.clear();
        epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.events), self.spins.then_some(&limit))?;
        for event in &self.events {
            let number = event.data.u64() as usize;
            if self.ends[number].more()? {
                self.ready.push_back(number);
            }
        }
        Ok(some)
    }
}
