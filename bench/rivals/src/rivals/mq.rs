//! A POSIX message queue of ten messages, the most that is allowed without asking. Several on each side share it.

use std::io::{self, ErrorKind};
use std::ops::Range;

use posixmq::{OpenOptions, PosixMq, remove_queue};

use crate::job::{Job, Wait};
use crate::payload::{Pause, Tally, fill, read};
use crate::seam::{Receiver, Sender, Traits, Way, Wire};

pub(crate) struct Wires;

const MOST_MESSAGES: usize = 10;
const MOST_BYTES: usize = 8192;

pub(crate) struct End {
    queue: PosixMq,
    message: Vec<u8>,
    pause: Pause,
    /// Set by whoever made the queue.
    remove: Option<String>,
}

impl Drop for End {
    fn drop(&mut self) {
        if let Some(name) = &self.remove {
            let _ = remove_queue(name);
        }
    }
}

fn end(way: &Way<'_>) -> io::Result<End> {
    let name = format!("/{}", way.name);
    let mut options = OpenOptions::readwrite();
    if way.creates {
        options.create_new().capacity(MOST_MESSAGES).max_msg_len(way.job.bytes);
    }
    if way.job.wait == Wait::Spin {
        options.nonblocking();
    }
    let queue = options.open(&name)?;
    let message = vec![0; way.job.bytes];
    Ok(End { queue, message, pause: Pause::new(way.job.wait), remove: way.creates.then_some(name) })
}

impl Wire for Wires {
    const TRAITS: Traits =
        Traits { fans_out: false, fans_in: true, shares: true, sleeps: true, selects: false, reopens: true };
    type Tx = End;
    type Rx = End;

    fn tx(way: &Way<'_>) -> io::Result<End> {
        end(way)
    }

    fn rx(way: &Way<'_>) -> io::Result<End> {
        end(way)
    }

    fn cannot(job: &Job) -> Option<&'static str> {
        (job.bytes > MOST_BYTES).then_some("8 KiB at most")
    }
}

impl Sender for End {
    fn send_all(&mut self, stamps: Range<u64>) -> io::Result<()> {
        for stamp in stamps {
            fill(&mut self.message, stamp);
            loop {
                match self.queue.send(0, &self.message) {
                    Ok(()) => break,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => self.pause.idle(),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}

impl Receiver for End {
    fn poll(&mut self, tally: &mut Tally) -> io::Result<bool> {
        match self.queue.recv(&mut self.message) {
            Ok(_) => tally.note(read(&self.message)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
        Ok(true)
    }
}
