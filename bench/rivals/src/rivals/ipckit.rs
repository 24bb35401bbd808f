//! ipckit: its `IpcChannel` of bytes, which on Linux is a Unix stream socket with a length before each message. Blocks only.

use std::io;
use std::ops::Range;

use ::ipckit::IpcChannel;

use crate::job::{Job, Shape, Wait};
use crate::payload::{Tally, fill, read};
use crate::rivals::bytes::Lazy;
use crate::seam::{Receiver, Sender, Traits, Way, Wire, other};

pub(crate) struct Wires;

pub(crate) struct End {
    channel: Lazy<IpcChannel<Vec<u8>>>,
    message: Vec<u8>,
}

fn end(way: &Way<'_>) -> io::Result<End> {
    let path = way.job.dir.join(&way.name).to_string_lossy().into_owned();
    let channel = if way.creates {
        let mut channel = IpcChannel::<Vec<u8>>::create(&path).map_err(other)?;
        Lazy::later(move || {
            channel.wait_for_client().map_err(other)?;
            Ok(channel)
        })
    } else {
        Lazy::Now(IpcChannel::connect(&path).map_err(other)?)
    };
    Ok(End { channel, message: vec![0; way.job.bytes] })
}

impl Wire for Wires {
    const TRAITS: Traits =
        Traits { fans_out: false, fans_in: false, shares: false, sleeps: true, selects: false, reopens: false };
    type Tx = End;
    type Rx = End;

    fn tx(way: &Way<'_>) -> io::Result<End> {
        end(way)
    }

    fn rx(way: &Way<'_>) -> io::Result<End> {
        end(way)
    }

    fn cannot(job: &Job) -> Option<&'static str> {
        match job.shape {
            Shape::RoundTrip if job.wait == Wait::Spin => Some("blocks"),
            Shape::NToOne if job.n > 1 => Some("no waiting on many"),
            Shape::Many => Some("no waiting on many"),
            _ => None,
        }
    }
}

impl Sender for End {
    fn start(&mut self) -> io::Result<()> {
        self.channel.start()
    }

    fn send_all(&mut self, stamps: Range<u64>) -> io::Result<()> {
        let channel = self.channel.get()?;
        for stamp in stamps {
            fill(&mut self.message, stamp);
            channel.send_bytes(&self.message).map_err(other)?;
        }
        Ok(())
    }
}

impl Receiver for End {
    fn start(&mut self) -> io::Result<()> {
        self.channel.start()
    }

    fn poll(&mut self, tally: &mut Tally) -> io::Result<bool> {
        tally.note(read(&self.channel.get()?.recv_bytes().map_err(other)?));
        Ok(true)
    }
}
