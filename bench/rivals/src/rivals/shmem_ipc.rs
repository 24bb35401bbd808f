//! shmem-ipc: its shared ring of items, in a memfd, with an eventfd for each direction of waking.
//!
//! How the descriptors travel is left to the user; here whoever opens second takes them from the process that opened first
//! (`pidfd_getfd`). A message of one word is an item of eight bytes, any other one is items of 64: its ring may wrap within a
//! message, so a message may be written in two steps. Spinning uses the calls that do not signal.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::fd::{AsRawFd, RawFd};

use ::shmem_ipc::sharedring;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use crate::job::Wait;
use crate::payload::{Pause, Tally, whole};
use crate::seam::{Receiver, Sender, Traits, Way, Wire, other};

pub(crate) struct Wires;

pub(crate) enum Tx {
    Words(TxOf<u64>),
    Lines(TxOf<[u64; 8]>),
}

pub(crate) enum Rx {
    Words(RxOf<u64>),
    Lines(RxOf<[u64; 8]>),
}

pub(crate) struct TxOf<T> {
    end: sharedring::Sender<T>,
    items: usize,
    wait: Wait,
    pause: Pause,
}

pub(crate) struct RxOf<T> {
    end: sharedring::Receiver<T>,
    items: usize,
    wait: Wait,
    /// Items of the message under way, and what they were.
    seen: usize,
    stamp: u64,
    differs: u64,
}

/// Items in a ring: as many as the job's messages need.
fn capacity(way: &Way<'_>, items: usize) -> usize {
    way.job.capacity as usize * items
}

fn items(way: &Way<'_>) -> usize {
    if way.job.bytes == 8 { 1 } else { way.job.bytes / 64 }
}

fn offer(way: &Way<'_>, fds: [RawFd; 3]) -> io::Result<()> {
    let [a, b, c] = fds;
    fs::write(way.job.dir.join(&way.name), format!("{} {a} {b} {c}", std::process::id()))
}

fn fetch(way: &Way<'_>) -> io::Result<[File; 3]> {
    let text = fs::read_to_string(way.job.dir.join(&way.name))?;
    let mut numbers = text.split(' ').filter_map(|word| word.parse::<i32>().ok());
    let mut next = || numbers.next().ok_or_else(|| io::Error::other("no descriptors offered"));
    let pid = Pid::from_raw(next()?).ok_or_else(|| io::Error::other("no process"))?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    let mut file = || -> io::Result<File> { Ok(pidfd_getfd(&pidfd, next()?, PidfdGetfdFlags::empty())?.into()) };
    Ok([file()?, file()?, file()?])
}

macro_rules! open {
    ($way:expr, $end:ident, $wrap:ident, $item:ty) => {{
        let items = items($way);
        let end = if $way.creates {
            let end = sharedring::$end::<$item>::new(capacity($way, items)).map_err(other)?;
            let fds =
                [end.memfd().as_file().as_raw_fd(), end.empty_signal().as_raw_fd(), end.full_signal().as_raw_fd()];
            offer($way, fds)?;
            end
        } else {
            let [memfd, empty, full] = fetch($way)?;
            sharedring::$end::<$item>::open(capacity($way, items), memfd, empty, full).map_err(other)?
        };
        $wrap::new($way.job.wait, end, items)
    }};
}

impl<T> TxOf<T> {
    fn new(wait: Wait, end: sharedring::Sender<T>, items: usize) -> Self {
        Self { end, items, wait, pause: Pause::new(wait) }
    }
}

impl<T> RxOf<T> {
    fn new(wait: Wait, end: sharedring::Receiver<T>, items: usize) -> Self {
        Self { end, items, wait, seen: 0, stamp: 0, differs: 0 }
    }
}

impl Wire for Wires {
    const TRAITS: Traits =
        Traits { fans_out: false, fans_in: false, shares: false, sleeps: true, selects: false, reopens: false };
    type Tx = Tx;
    type Rx = Rx;

    fn tx(way: &Way<'_>) -> io::Result<Tx> {
        Ok(if way.job.bytes == 8 {
            Tx::Words(open!(way, Sender, TxOf, u64))
        } else {
            Tx::Lines(open!(way, Sender, TxOf, [u64; 8]))
        })
    }

    fn rx(way: &Way<'_>) -> io::Result<Rx> {
        Ok(if way.job.bytes == 8 {
            Rx::Words(open!(way, Receiver, RxOf, u64))
        } else {
            Rx::Lines(open!(way, Receiver, RxOf, [u64; 8]))
        })
    }
}

macro_rules! ring {
    ($item:ty, $make:expr, $fold:expr) => {
        impl TxOf<$item> {
            fn send_all(&mut self, stamps: Range<u64>) -> io::Result<()> {
                for stamp in stamps {
                    let mut sent = 0;
                    while sent < self.items {
                        let before = sent;
                        let status = self.end.sender_mut().send_foreach(self.items - sent, || {
                            sent += 1;
                            $make(stamp)
                        });
                        if self.wait == Wait::Sleep {
                            if status.signal {
                                self.end.empty_signal().write_all(&1_u64.to_ne_bytes())?;
                            }
                            if sent < self.items {
                                self.end.block_until_writable().map_err(other)?;
                            }
                        } else if sent == before {
                            self.pause.idle();
                        }
                    }
                }
                Ok(())
            }
        }

        impl RxOf<$item> {
            fn poll(&mut self, tally: &mut Tally) -> io::Result<bool> {
                let (items, seen, stamp, differs) = (self.items, &mut self.seen, &mut self.stamp, &mut self.differs);
                let wanted = (items - *seen) + items * (tally.left() as usize - 1).min(1 << 20);
                // What was there at one look, so that a tally that fills early leaves the rest.
                let there = self.end.receiver_mut().read_count().map_err(other)?.min(wanted);
                let mut taken = 0;
                while taken < there && !tally.is_full() {
                    let count = (items - *seen).min(there - taken);
                    let status = self.end.receiver_mut().recv_foreach(count, |item| {
                        let (first, bits) = $fold(item);
                        if *seen == 0 {
                            (*stamp, *differs) = (first, 0);
                        }
                        *differs |= bits | (first ^ *stamp);
                        *seen += 1;
                    });
                    taken += count;
                    if *seen == items {
                        *seen = 0;
                        tally.note(whole(*stamp, *differs));
                    }
                    if self.wait == Wait::Sleep && status.signal {
                        self.end.full_signal().write_all(&1_u64.to_ne_bytes())?;
                    }
                }
                Ok(taken > 0)
            }

            fn recv_all(&mut self, tally: &mut Tally) -> io::Result<()> {
                while !tally.is_full() {
                    if self.poll(tally)? {
                        tally.pause.reset();
                    } else if self.wait == Wait::Sleep {
                        let _ = self.end.empty_signal().read(&mut [0; 8])?;
                    } else {
                        tally.pause.idle();
                    }
                }
                Ok(())
            }
        }
    };
}

ring!(u64, |stamp: u64| stamp, |item: u64| (item, 0));
ring!([u64; 8], |stamp: u64| [stamp; 8], |item: [u64; 8]| (
    item[0],
    item.iter().fold(0, |bits, word| bits | (word ^ item[0]))
));

impl Sender for Tx {
    fn send_all(&mut self, stamps: Range<u64>) -> io::Result<()> {
        match self {
            Self::Words(tx) => tx.send_all(stamps),
            Self::Lines(tx) => tx.send_all(stamps),
        }
    }
}

impl Receiver for Rx {
    fn poll(&mut self, tally: &mut Tally) -> io::Result<bool> {
        match self {
            Self::Words(rx) => rx.poll(tally),
            Self::Lines(rx) => rx.poll(tally),
        }
    }

    fn recv_all(&mut self, tally: &mut Tally) -> io::Result<()> {
        match self {
            Self::Words(rx) => rx.recv_all(tally),
            Self::Lines(rx) => rx.recv_all(tally),
        }
    }
}
