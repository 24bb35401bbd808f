//! The `watch` channel: the latest value of 64 B; and as a round trip, a value one way and a value the other.

use std::io;

use strait::channel::watch::{Options, Reader, Writer};

use super::payload::{Fixed, Stamped, strategy};
use crate::job::{Job, Shape};
use crate::payload::read_words;
use crate::seam::{Duplex, End, Latest, other};

pub(crate) fn cannot(job: &Job) -> Option<&'static str> {
    (!matches!(job.shape, Shape::RoundTrip | Shape::Latest)).then_some("latest value")
}

pub(crate) fn open(job: &Job, me: usize) -> io::Result<End> {
    Ok(match (job.shape, job.bytes) {
        (Shape::Latest, _) => End::Latest(Box::new(Line::open(job, me)?)),
        (_, 8) => End::Duplex(Box::new(Both::<u64>::open(job, me)?)),
        (_, 64) => End::Duplex(Box::new(Both::<[u64; 8]>::open(job, me)?)),
        _ => End::Duplex(Box::new(Both::<[u64]>::open(job, me)?)),
    })
}

fn options(job: &Job) -> Options {
    Options::new().readers(1).max_message_bytes(job.bytes as u64).populate(true).wait(strategy(job.wait))
}

fn writer<M: Stamped + ?Sized>(job: &Job, me: usize, way: &str) -> io::Result<Writer<M>> {
    let (name, options) = (format!("{}-{way}", job.name), options(job));
    if me == 0 { Writer::create(name, &options) } else { Writer::open(name, &options) }.map_err(other)
}

fn reader<M: Stamped + ?Sized>(job: &Job, me: usize, way: &str) -> io::Result<Reader<M>> {
    let (name, options) = (format!("{}-{way}", job.name), options(job));
    if me == 0 { Reader::create(name, &options) } else { Reader::open(name, &options) }.map_err(other)
}

/// Reads as party 0, writes as party 1.
enum Line {
    Writer(Writer<[u64; 8]>),
    Reader { reader: Reader<[u64; 8]>, last: u64 },
}

impl Line {
    fn open(job: &Job, me: usize) -> io::Result<Self> {
        Ok(match me {
            0 => Self::Reader { reader: reader(job, me, "latest")?, last: 0 },
            _ => Self::Writer(writer(job, me, "latest")?),
        })
    }
}

impl Latest for Line {
    fn write(&mut self, stamp: u64) -> io::Result<()> {
        match self {
            Self::Writer(writer) => writer.send(&[stamp; 8]).map_err(other),
            Self::Reader { .. } => Err(io::Error::other("a reader does not write")),
        }
    }

    fn read_times(&mut self, times: u64) -> io::Result<u64> {
        let Self::Reader { reader, last } = self else { return Err(io::Error::other("a writer does not read")) };
        for _ in 0..times {
            let stamp = read_words(&reader.get().map_err(other)?);
            assert!(stamp >= *last, "an older value came after a newer one");
            *last = stamp;
        }
        Ok(*last)
    }
}

struct Both<M: Stamped + ?Sized> {
    writer: Writer<M>,
    reader: Reader<M>,
    /// Where a slice is made before it is set.
    made: Vec<u64>,
    /// Where a slice is copied to.
    copied: Vec<u64>,
}

impl<M: Stamped + ?Sized> Both<M> {
    fn open(job: &Job, me: usize) -> io::Result<Self> {
        let (mine, theirs) = if me == 0 { ("there", "back") } else { ("back", "there") };
        let words = job.words();
        Ok(Self {
            writer: writer(job, me, mine)?,
            reader: reader(job, me, theirs)?,
            made: vec![0; words],
            copied: Vec::with_capacity(words),
        })
    }
}

trait Follow {
    /// The stamp of the next value.
    fn next(&mut self) -> io::Result<u64>;
}

impl<M: Fixed> Follow for Both<M> {
    fn next(&mut self) -> io::Result<u64> {
        Ok(self.reader.changed().map_err(other)?.stamp())
    }
}

impl Follow for Both<[u64]> {
    fn next(&mut self) -> io::Result<u64> {
        self.reader.changed(&mut self.copied).map_err(other)?;
        Ok(self.copied.as_slice().stamp())
    }
}

impl<M: Stamped + ?Sized> Duplex for Both<M>
where
    Self: Follow,
{
    fn start(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn send(&mut self, stamp: u64) -> io::Result<()> {
        M::lend(stamp, &mut self.made, |value| self.writer.send(value)).map_err(other)
    }

    fn recv(&mut self) -> io::Result<u64> {
        self.next()
    }
}
