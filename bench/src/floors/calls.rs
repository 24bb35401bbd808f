//! The system calls that `strait::transport` makes, bare: what the kernel asks for a message, and nothing around it.
//!
//! Streams carry messages of one length, so that none needs to be sent; packets are received into memory of that length.

use std::io;
use std::num::NonZero;
use std::ops::Range;

use rustix::net::{RecvFlags, SendFlags};
use strait::transport::Mechanism;
use strait_sys::mq_open::{mq_receive, mq_send};
use strait_sys::msgget::{Buffer, Select, msgrcv, msgsnd};
use strait_sys::poll::Wait;

use crate::contender::{Duplex, Receiver, Sender, Site};
use crate::kernel::{self, Ends};
use crate::message;

struct Calls {
    mechanism: Mechanism,
    ends: Ends,
    payload: Vec<u8>,
    /// What a System V queue is sent from and received into.
    buffer: Buffer,
}

fn open(site: &Site) -> io::Result<Calls> {
    let ends = kernel::ends(site, false)?;
    let payload = vec![0; site.job.bytes];
    Ok(Calls { mechanism: kernel::mechanism(site), ends, payload, buffer: Buffer::default() })
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

fn send(mechanism: Mechanism, ends: &Ends, buffer: &mut Buffer, mut payload: &[u8]) -> io::Result<()> {
    use Mechanism::{Eventfd, Fifo, PacketPipe, Pipe, PosixMq, SysvMsg};
    match mechanism {
        Pipe | PacketPipe | Fifo => {
            while !payload.is_empty() {
                payload = &payload[rustix::io::write(ends.out.fd(), payload)?..];
            }
            Ok(())
        }
        PosixMq => mq_send(ends.out.fd(), payload, 0, Wait::Yes),
        SysvMsg => msgsnd(ends.out.queue(), NonZero::<u32>::MIN, payload, buffer, Wait::Yes),
        Eventfd => rustix::io::write(ends.out.fd(), &1u64.to_ne_bytes()).map(drop).map_err(io::Error::from),
        _ => {
            while !payload.is_empty() {
                payload = &payload[rustix::net::send(ends.out.fd(), payload, SendFlags::NOSIGNAL)?..];
            }
            Ok(())
        }
    }
}

fn recv(mechanism: Mechanism, ends: &Ends, buffer: &mut Buffer, payload: &mut [u8]) -> io::Result<()> {
    use Mechanism::{Eventfd, Fifo, PacketPipe, Pipe, PosixMq, SysvMsg};
    let mut filled = 0;
    match mechanism {
        Pipe | PacketPipe | Fifo => {
            while filled < payload.len() {
                filled += rustix::io::read(ends.into.fd(), &mut payload[filled..])?;
            }
            Ok(())
        }
        PosixMq => mq_receive(ends.into.fd(), payload, Wait::Yes).map(drop),
        SysvMsg => {
            let (_, len) = msgrcv(ends.into.queue(), Select::Any, payload.len(), buffer, Wait::Yes)?;
            payload.copy_from_slice(buffer.bytes(len));
            Ok(())
        }
        Eventfd => rustix::io::read(ends.into.fd(), &mut [0; 8]).map(drop).map_err(io::Error::from),
        _ => {
            while filled < payload.len() {
                filled += rustix::net::recv(ends.into.fd(), &mut payload[filled..], RecvFlags::empty())?.0;
            }
            Ok(())
        }
    }
}

impl Duplex for Calls {
    fn send(&mut self, payload: &[u8]) {
        send(self.mechanism, &self.ends, &mut self.buffer, payload).expect("the peer lives");
    }

    fn recv(&mut self, payload: &mut [u8]) {
        recv(self.mechanism, &self.ends, &mut self.buffer, payload).expect("the peer lives");
    }
}

impl Sender for Calls {
    fn send_all(&mut self, numbers: Range<u64>) {
        for number in numbers {
            message::stamp(&mut self.payload, number);
            send(self.mechanism, &self.ends, &mut self.buffer, &self.payload).expect("the peer lives");
        }
    }
}

impl Receiver for Calls {
    fn recv_all(&mut self, numbers: Range<u64>) {
        for number in numbers {
            recv(self.mechanism, &self.ends, &mut self.buffer, &mut self.payload).expect("the peer lives");
            message::check(&self.payload, number);
        }
    }
}
