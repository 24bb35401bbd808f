//! A Unix stream socket for each pair of parties, written one message at a time and read as much as there is.

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};

use crate::job::Job;
use crate::rivals::bytes::{Lazy, Rx, Set, Tx, spins};
use crate::seam::{Receiver, Traits, Way, Wire};

pub(crate) struct Wires;

fn stream(way: &Way<'_>) -> io::Result<Lazy<UnixStream>> {
    let (path, spins) = (way.job.dir.join(&way.name), spins(way));
    let ready = move |stream: UnixStream| {
        stream.set_nonblocking(spins)?;
        Ok(stream)
    };
    if !way.creates {
        return Ok(Lazy::Now(ready(UnixStream::connect(path)?)?));
    }
    let listener = UnixListener::bind(path)?;
    Ok(Lazy::later(move || ready(listener.accept()?.0)))
}

impl Wire for Wires {
    const TRAITS: Traits =
        Traits { fans_out: false, fans_in: false, shares: false, sleeps: true, selects: true, reopens: false };
    type Tx = Tx<UnixStream>;
    type Rx = Rx<UnixStream>;

    fn tx(way: &Way<'_>) -> io::Result<Tx<UnixStream>> {
        Ok(Tx::new(way, stream(way)?))
    }

    fn rx(way: &Way<'_>) -> io::Result<Rx<UnixStream>> {
        Ok(Rx::new(way, stream(way)?))
    }

    fn gather(ends: Vec<Rx<UnixStream>>, job: &Job) -> io::Result<Box<dyn Receiver>> {
        Ok(Box::new(Set::new(ends, job.wait)?))
    }
}
