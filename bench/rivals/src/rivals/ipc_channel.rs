//! ipc-channel: its channel of bytes, which its documentation names for who wants no serialisation.
//!
//! Whoever opens second makes the channel and hands one half to whoever opened first, through a one-shot server whose name
//! is left in a file of the run.

use std::fs;
use std::io;
use std::ops::Range;

use ::ipc_channel::TryRecvError;
use ::ipc_channel::ipc::{IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcSender, bytes_channel};
use serde::{Deserialize, Serialize};

use crate::job::Wait;
use crate::payload::{Tally, fill, read};
use crate::rivals::bytes::Lazy;
use crate::seam::{Receiver, Sender, Traits, Way, Wire, other};

pub(crate) struct Wires;

pub(crate) struct Tx {
    end: Lazy<IpcBytesSender>,
    message: Vec<u8>,
}

pub(crate) struct Rx {
    end: Lazy<IpcBytesReceiver>,
    spins: bool,
}

fn offer<T>(way: &Way<'_>) -> io::Result<Lazy<T>>
where
    T: for<'de> Deserialize<'de> + Serialize + 'static,
{
    let (server, name) = IpcOneShotServer::<T>::new()?;
    fs::write(way.job.dir.join(&way.name), name)?;
    Ok(Lazy::later(move || server.accept().map(|(_, half)| half).map_err(other)))
}

fn hand_over<T: Serialize>(way: &Way<'_>, half: T) -> io::Result<()> {
    let name = fs::read_to_string(way.job.dir.join(&way.name))?;
    IpcSender::connect(name)?.send(half).map_err(other)
}

impl Wire for Wires {
    const TRAITS: Traits =
        Traits { fans_out: false, fans_in: false, shares: false, sleeps: true, selects: false, reopens: false };
    type Tx = Tx;
    type Rx = Rx;

    fn tx(way: &Way<'_>) -> io::Result<Tx> {
        let end = if way.creates {
            offer(way)?
        } else {
            let (tx, rx) = bytes_channel()?;
            hand_over(way, rx)?;
            Lazy::Now(tx)
        };
        Ok(Tx { end, message: vec![0; way.job.bytes] })
    }

    fn rx(way: &Way<'_>) -> io::Result<Rx> {
        let end = if way.creates {
            offer(way)?
        } else {
            let (tx, rx) = bytes_channel()?;
            hand_over(way, tx)?;
            Lazy::Now(rx)
        };
        Ok(Rx { end, spins: way.job.wait == Wait::Spin })
    }
}

impl Sender for Tx {
    fn start(&mut self) -> io::Result<()> {
        self.end.start()
    }

    fn send_all(&mut self, stamps: Range<u64>) -> io::Result<()> {
        let end = self.end.get()?;
        for stamp in stamps {
            fill(&mut self.message, stamp);
            end.send(&self.message)?;
        }
        Ok(())
    }
}

impl Receiver for Rx {
    fn start(&mut self) -> io::Result<()> {
        self.end.start()
    }

    fn poll(&mut self, tally: &mut Tally) -> io::Result<bool> {
        let end = self.end.get()?;
        let mut some = false;
        while !tally.is_full() {
            match end.try_recv() {
                Ok(message) => tally.note(read(&message)),
                Err(TryRecvError::Empty) => break,
                Err(error) => return Err(other(error)),
            }
            some = true;
        }
        Ok(some)
    }

    fn recv_all(&mut self, tally: &mut Tally) -> io::Result<()> {
        while !tally.is_full() {
            if !self.spins {
                tally.note(read(&self.end.get()?.recv().map_err(other)?));
            } else if self.poll(tally)? {
                tally.pause.reset();
            } else {
                tally.pause.idle();
            }
        }
        Ok(())
    }
}
