//! `strait::transport` over the same pipes, sockets, queues and counters as `floors/calls.rs`: what its framing, checks and errors cost.

use std::io;
use std::ops::Range;

use strait::link;
use strait::transport::sysv_msg::Queue;
use strait::transport::unix::{Accepted as _, Packets, Stream};
use strait::transport::{Mechanism, Options, eventfd, fifo, inet, pipe, posix_mq};

use super::spsc::other;
use crate::contender::{Duplex, Receiver, Sender, Site};
use crate::kernel::{self, End, Ends};
use crate::message;

struct Ways {
    tx: link::Sender,
    rx: link::Receiver,
    payload: Vec<u8>,
    /// What is removed in the end.
    _ends: Ends,
}

fn open(site: &Site) -> io::Result<Ways> {
    let mechanism = kernel::mechanism(site);
    let options = Options::new().message_bytes_max(site.job.bytes).shared(false);
    let ends = kernel::ends(site, true)?;
    let tx = sender_on(mechanism, &ends.out, &options)?;
    let rx = receiver_on(mechanism, &ends.into, &options)?;
    Ok(Ways { tx, rx, payload: vec![0; site.job.bytes], _ends: ends })
}

fn sender_on(mechanism: Mechanism, end: &End, options: &Options) -> io::Result<link::Sender> {
    let fd = || end.fd().try_clone_to_owned();
    Ok(match mechanism {
        Mechanism::Pipe => Box::new(pipe::sender_from_fd(fd()?, options)),
        Mechanism::PacketPipe => Box::new(pipe::packet_sender_from_fd(fd()?, options)),
        Mechanism::Fifo => Box::new(fifo::sender_from_fd(fd()?, options)),
        Mechanism::UnixStream => Box::new(Stream::from_fd(fd()?, options).map_err(other)?.sender),
        Mechanism::UnixSeqpacket => Box::new(Packets::from_fd(fd()?, options).map_err(other)?.sender),
        Mechanism::UnixDatagram => Box::new(Packets::datagrams_from_fd(fd()?, options).map_err(other)?.sender),
        Mechanism::Tcp => Box::new(inet::tcp_from_fd(fd()?, options).map_err(other)?.sender),
        Mechanism::Udp => Box::new(inet::udp_sender_from_fd(fd()?, options)),
        Mechanism::PosixMq => Box::new(posix_mq::Sender::from_fd(fd()?).map_err(other)?),
        Mechanism::SysvMsg => Box::new(Queue::of_id(end.queue()).sender(options).map_err(other)?),
        _ => Box::new(eventfd::Counter::from_fd(fd()?)),
    })
}

fn receiver_on(mechanism: Mechanism, end: &End, options: &Options) -> io::Result<link::Receiver> {
    let fd = || end.fd().try_clone_to_owned();
    Ok(match mechanism {
        Mechanism::Pipe => Box::new(pipe::receiver_from_fd(fd()?, options)),
        Mechanism::PacketPipe => Box::new(pipe::packet_receiver_from_fd(fd()?, options)),
        Mechanism::Fifo => Box::new(fifo::receiver_from_fd(fd()?, options)),
        Mechanism::UnixStream => Box::new(Stream::from_fd(fd()?, options).map_err(other)?.receiver),
        Mechanism::UnixSeqpacket => Box::new(Packets::from_fd(fd()?, options).map_err(other)?.receiver),
        Mechanism::UnixDatagram => Box::new(Packets::datagrams_from_fd(fd()?, options).map_err(other)?.receiver),
        Mechanism::Tcp => Box::new(inet::tcp_from_fd(fd()?, options).map_err(other)?.receiver),
        Mechanism::Udp => Box::new(inet::udp_receiver_from_fd(fd()?, options)),
        Mechanism::PosixMq => Box::new(posix_mq::Receiver::from_fd(fd()?).map_err(other)?),
        Mechanism::SysvMsg => Box::new(Queue::of_id(end.queue()).receiver(options).map_err(other)?),
        _ => Box::new(eventfd::Counter::from_fd(fd()?)),
    })
}

pub(crate) fn duplex(site: &Site) -> io::Result<Box<dyn Duplex>> {
    Ok(Box::new(open(site)?))
}

pub(crate) fn sender(site: &Site) -> io::Result<Box<dyn Sender>> {
    Ok(Box::new(open(site)?))
}

pub(crate) fn receiver(site: &Site) -> io::Result<Box<dyn Receiver>> {
    Ok(Box::new(open(site)?))
}

impl Duplex for Ways {
    fn send(&mut self, payload: &[u8]) {
        self.tx.send(payload).expect("the peer lives");
    }

    /// The last copy is not the transport's: so round trips here are of small messages.
    fn recv(&mut self, payload: &mut [u8]) {
        self.rx.recv(&mut self.payload).expect("the peer lives");
        payload.copy_from_slice(&self.payload);
    }
}

impl Sender for Ways {
    fn send_all(&mut self, numbers: Range<u64>) {
        for number in numbers {
            message::stamp(&mut self.payload, number);
            self.tx.send(&self.payload).expect("the peer lives");
        }
    }
}

impl Receiver for Ways {
    fn recv_all(&mut self, numbers: Range<u64>) {
        for number in numbers {
            self.rx.recv(&mut self.payload).expect("the peer lives");
            message::check(&self.payload, number);
        }
    }
}
