//! shmring: a ring of bytes in POSIX shared memory. Spinning uses its trying calls, sleeping its blocking ones.
//!
//! Only a writer can create, so readers open when all writers have.

use std::io::{self, Read, Write};
use std::ops::Range;

use ::shmring::backend::ShmStorage;
use ::shmring::{Options, Reader, Writer, create_shm, open_shm};

use crate::job::Wait;
use crate::payload::{Pause, Tally, fill, read};
use crate::rivals::bytes::Lazy;
use crate::seam::{Receiver, Sender, Traits, Way, Wire, other};

pub(crate) struct Wires;

pub(crate) struct Tx {
    /// Gone once its storage is closed, which is what removes the name.
    end: Option<Writer<ShmStorage>>,
    message: Vec<u8>,
    sleeps: bool,
    pause: Pause,
}

pub(crate) struct Rx {
    end: Lazy<Reader<ShmStorage>>,
    message: Vec<u8>,
    filled: usize,
    sleeps: bool,
}

impl Drop for Tx {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            let _ = end.close_storage();
        }
    }
}

impl Wire for Wires {
    const TRAITS: Traits =
        Traits { fans_out: false, fans_in: false, shares: false, sleeps: true, selects: false, reopens: false };
    type Tx = Tx;
    type Rx = Rx;

    fn tx(way: &Way<'_>) -> io::Result<Tx> {
        let end = create_shm(&way.name, way.job.capacity_bytes(), Options::default()).map_err(other)?;
        let job = way.job;
        Ok(Tx {
            end: Some(end),
            message: vec![0; job.bytes],
            sleeps: job.wait == Wait::Sleep,
            pause: Pause::new(job.wait),
        })
    }

    fn rx(way: &Way<'_>) -> io::Result<Rx> {
        let (name, capacity) = (way.name.clone(), way.job.capacity_bytes());
        let end = Lazy::later(move || open_shm(&name, capacity, Options::default()).map_err(other));
        let job = way.job;
        Ok(Rx { end, message: vec![0; job.bytes], filled: 0, sleeps: job.wait == Wait::Sleep })
    }
}

impl Sender for Tx {
    fn send_all(&mut self, stamps: Range<u64>) -> io::Result<()> {
        let Self { end: Some(end), message, sleeps, pause } = self else {
            return Err(io::Error::other("closed"));
        };
        for stamp in stamps {
            fill(message, stamp);
            if *sleeps {
                end.write_all(message)?;
                continue;
            }
            let mut rest = &message[..];
            while !rest.is_empty() {
                match end.try_write(rest).map_err(other)? {
                    0 => pause.idle(),
                    n => rest = &rest[n..],
                }
            }
        }
        Ok(())
    }
}

impl Receiver for Rx {
    fn start(&mut self) -> io::Result<()> {
        self.end.start()
    }

    fn poll(&mut self, tally: &mut Tally) -> io::Result<bool> {
        let Self { end, message, filled, .. } = self;
        let end = end.get()?;
        let mut some = false;
        while !tally.is_full() {
            *filled += match end.try_read(&mut message[*filled..]).map_err(other)? {
                0 => break,
                n => n,
            };
            some = true;
            if *filled == message.len() {
                *filled = 0;
                tally.note(read(message));
            }
        }
        Ok(some)
    }

    fn recv_all(&mut self, tally: &mut Tally) -> io::Result<()> {
        while !tally.is_full() {
            if self.sleeps {
                self.end.get()?.read_exact(&mut self.message)?;
                tally.note(read(&self.message));
            } else if self.poll(tally)? {
                tally.pause.reset();
            } else {
                tally.pause.idle();
            }
        }
        Ok(())
    }
}
