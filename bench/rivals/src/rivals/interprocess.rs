//! interprocess: its local socket, which on Linux is a Unix stream socket behind one interface for several systems.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};

use ::interprocess::local_socket::traits::{Listener as _, Stream as _};
use ::interprocess::local_socket::{GenericFilePath, ListenerOptions, Name, Stream, ToFsName};

use crate::job::Job;
use crate::rivals::bytes::{Lazy, Rx, Set, Tx, spins};
use crate::seam::{Receiver, Traits, Way, Wire};

pub(crate) struct Wires;

/// The stream with its descriptor in reach.
pub(crate) struct Socket(Stream);

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let Stream::UdSocket(stream) = &self.0;
        stream.as_fd()
    }
}

fn name(way: &Way<'_>) -> io::Result<Name<'static>> {
    way.job.dir.join(&way.name).into_os_string().to_fs_name::<GenericFilePath>().map(Name::into_owned)
}

fn stream(way: &Way<'_>) -> io::Result<Lazy<Stream>> {
    let spins = spins(way);
    let ready = move |stream: Stream| {
        stream.set_nonblocking(spins)?;
        Ok(stream)
    };
    if !way.creates {
        return Ok(Lazy::Now(ready(Stream::connect(name(way)?)?)?));
    }
    let listener = ListenerOptions::new().name(name(way)?).create_sync()?;
    Ok(Lazy::later(move || ready(listener.accept()?)))
}

impl Wire for Wires {
    const TRAITS: Traits =
        Traits { fans_out: false, fans_in: false, shares: false, sleeps: true, selects: true, reopens: false };
    type Tx = Tx<Stream>;
    type Rx = Rx<Socket>;

    fn tx(way: &Way<'_>) -> io::Result<Tx<Stream>> {
        Ok(Tx::new(way, stream(way)?))
    }

    fn rx(way: &Way<'_>) -> io::Result<Rx<Socket>> {
        Ok(Rx::new(way, stream(way)?.map(Socket)))
    }

    fn gather(ends: Vec<Rx<Socket>>, job: &Job) -> io::Result<Box<dyn Receiver>> {
        Ok(Box::new(Set::new(ends, job.wait)?))
    }
}
