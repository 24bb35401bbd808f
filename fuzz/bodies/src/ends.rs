//! Every call of a channel's two ends, chosen by a number, none of which may wait for long.
//!
//! 1. A call that waits without a limit is made only when what it waits for is known to be there: then it must not wait.
//! 2. A fault is for ever: who has said it says the same from then on.

use std::time::Duration;
use strait::channel::spsc::{Receiver, Sender};
use strait::channel::{
    Item, Message, RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};

/// Long enough for the way through sleep and back.
const SHORT: Duration = Duration::from_micros(20);

/// What came of receiving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// Messages, each as its bytes.
    Messages(Vec<Vec<u8>>),
    Nothing,
    Failed(RecvError),
}

/// What came of sending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// These messages, each as its bytes.
    Messages(Vec<Vec<u8>>),
    Full,
    Failed(SendError),
}

/// A message type whose ends can be driven.
pub(crate) trait Ends: Message {
    /// Receives, in one of several ways.
    fn receive(rx: &mut Receiver<Self>, how: u8) -> Received;

    /// Sends messages made of `seed` and, where messages have one, of length `len`; in one of several ways.
    fn send(tx: &mut Sender<Self>, how: u8, len: usize, seed: u8) -> Sent;
}

impl<T: Item + Clone + PartialEq> Ends for T {
    fn receive(rx: &mut Receiver<Self>, how: u8) -> Received {
        let bytes = |message: &T| vec![Message::as_bytes(message).to_vec()];
        match how % 8 {
            0 => tried(rx.try_recv().map(|message| bytes(&message))),
            1 => timed(rx.recv_timeout(SHORT).map(|message| bytes(&message))),
            2 => tried(rx.try_recv_ref().map(|lent| bytes(&lent))),
            3 => put_back_and_again(rx),
            how => match rx.wait_timeout(Duration::ZERO) {
                Ok(false) => Received::Nothing,
                Err(error) => Received::Failed(error),
                // Rule 1.
                Ok(true) => match how {
                    4 => got(rx.recv().map(|message| bytes(&message))),
                    5 => got(rx.recv_batch_ref().map(|lent| lent.iter().flat_map(bytes).collect())),
                    6 => rx.iter().next().map_or(Received::Nothing, |item| got(item.map(|message| bytes(&message)))),
                    _ => {
                        let mut into = vec![<T as zerocopy::FromZeros>::new_zeroed(); 9];
                        got(rx.recv_batch(&mut into).map(|count| into[..count].iter().flat_map(bytes).collect()))
                    }
                },
            },
        }
    }

    fn send(tx: &mut Sender<Self>, how: u8, len: usize, seed: u8) -> Sent {
        let message = |nth: u8| {
            let bytes = vec![seed.wrapping_add(nth); size_of::<T>()];
            T::read_from_bytes(&bytes).unwrap_or_else(|_| unreachable!("as long as the type"))
        };
        let one = || vec![Message::as_bytes(&message(0)).to_vec()];
        match how % 6 {
            0 => try_sent(tx.try_send(&message(0)), one),
            1 => sent_in_time(tx.send_timeout(&message(0), SHORT), one),
            2 => try_sent(tx.try_reserve().map(|mut room| *room = message(0)), Vec::new),
            3 => match tx.try_reserve() {
                Ok(mut room) => {
                    *room = message(0);
                    room.publish();
                    Sent::Messages(one())
                }
                Err(error) => try_sent(Err(error), one),
            },
            // Rule 1.
            _ if !tx.is_empty() => Sent::Full,
            4 => did_send(tx.send(&message(0)), one),
            _ => {
                let many: Vec<T> = (0..len as u8 % 40).map(message).collect();
                let all = || many.iter().map(|message| Message::as_bytes(message).to_vec()).collect();
                did_send(tx.send_batch(&many).map_err(|error| error.error), all)
            }
        }
    }
}

impl<T: Item + Clone + PartialEq> Ends for [T] {
    fn receive(rx: &mut Receiver<Self>, how: u8) -> Received {
        let bytes = |message: &[T]| vec![Message::as_bytes(message).to_vec()];
        match how % 8 {
            0 => tried(rx.try_recv().map(|message| bytes(&message))),
            1 => timed(rx.recv_timeout(SHORT).map(|message| bytes(&message))),
            2 => tried(rx.try_recv_ref().map(|lent| bytes(&lent))),
            3 => put_back_and_again(rx),
            how => match rx.wait_timeout(Duration::ZERO) {
                Ok(false) => Received::Nothing,
                Err(error) => Received::Failed(error),
                // Rule 1.
                Ok(true) => match how {
                    4 => got(rx.recv().map(|message| bytes(&message))),
                    5 => got(rx.recv_ref().map(|lent| bytes(&lent))),
                    6 => rx.iter().next().map_or(Received::Nothing, |item| got(item.map(|message| bytes(&message)))),
                    _ => {
                        let mut into = Vec::new();
                        got(rx.recv_into(&mut into).map(|()| bytes(&into)))
                    }
                },
            },
        }
    }

    fn send(tx: &mut Sender<Self>, how: u8, len: usize, seed: u8) -> Sent {
        let item = || {
            let bytes = vec![seed; size_of::<T>()];
            T::read_from_bytes(&bytes).unwrap_or_else(|_| unreachable!("as long as the type"))
        };
        let message = vec![item(); len];
        let one = || vec![Message::as_bytes(&message[..]).to_vec()];
        match how % 6 {
            0 => try_sent(tx.try_send(&message), one),
            1 => sent_in_time(tx.send_timeout(&message, SHORT), one),
            2 => try_sent(tx.try_reserve(len).map(|mut room| room.fill(item())), Vec::new),
            3 => match tx.try_reserve(len) {
                Ok(mut room) => {
                    room.fill(item());
                    // All of it, some of it, or more than there is.
                    let first = usize::from(seed) * 8;
                    room.publish_first(first);
                    let message = &message[..first.min(len)];
                    Sent::Messages(vec![Message::as_bytes(message).to_vec()])
                }
                Err(error) => try_sent(Err(error), one),
            },
            // Rule 1.
            _ if !tx.is_empty() => Sent::Full,
            4 => did_send(tx.send(&message), one),
            _ => {
                // Three of them fit whatever is before them: each is an eighth of the ring at the most.
                let message = &message[..len.min(tx.capacity_bytes() as usize / 8 / size_of::<T>())];
                let all = || vec![Message::as_bytes(message).to_vec(); 3];
                did_send(tx.send_batch([message; 3]).map_err(|error| error.error), all)
            }
        }
    }
}

/// A message that is put back comes again, the same.
fn put_back_and_again<M: Message + ?Sized>(rx: &mut Receiver<M>) -> Received {
    let first = match rx.try_recv_ref() {
        Ok(lent) => {
            let first = lent.as_bytes().to_vec();
            lent.put_back();
            first
        }
        Err(error) => return tried(Err(error)),
    };
    let again = timed(rx.recv_ref_timeout(SHORT).map(|lent| vec![lent.as_bytes().to_vec()]));
    assert_eq!(again, Received::Messages(vec![first]), "what was put back comes again");
    again
}

fn tried(outcome: Result<Vec<Vec<u8>>, TryRecvError>) -> Received {
    match outcome {
        Ok(messages) => Received::Messages(messages),
        Err(TryRecvError::Empty) => Received::Nothing,
        Err(TryRecvError::Failed(error)) => Received::Failed(error),
    }
}

fn timed(outcome: Result<Vec<Vec<u8>>, RecvTimeoutError>) -> Received {
    match outcome {
        Ok(messages) => Received::Messages(messages),
        Err(RecvTimeoutError::TimedOut) => Received::Nothing,
        Err(RecvTimeoutError::Failed(error)) => Received::Failed(error),
    }
}

fn got(outcome: Result<Vec<Vec<u8>>, RecvError>) -> Received {
    outcome.map_or_else(Received::Failed, Received::Messages)
}

fn try_sent(outcome: Result<(), TrySendError>, messages: impl Fn() -> Vec<Vec<u8>>) -> Sent {
    match outcome {
        Ok(()) => Sent::Messages(messages()),
        Err(TrySendError::Full) => Sent::Full,
        Err(TrySendError::Failed(error)) => Sent::Failed(error),
    }
}

fn sent_in_time(outcome: Result<(), SendTimeoutError>, messages: impl Fn() -> Vec<Vec<u8>>) -> Sent {
    match outcome {
        Ok(()) => Sent::Messages(messages()),
        Err(SendTimeoutError::TimedOut) => Sent::Full,
        Err(SendTimeoutError::Failed(error)) => Sent::Failed(error),
    }
}

fn did_send(outcome: Result<(), SendError>, messages: impl Fn() -> Vec<Vec<u8>>) -> Sent {
    outcome.map_or_else(Sent::Failed, |()| Sent::Messages(messages()))
}

/// A receiver whose faults are held to rule 2.
#[derive(Debug)]
pub(crate) struct Receiving<M: Ends + ?Sized> {
    pub(crate) rx: Receiver<M>,
    fault: Option<RecvError>,
}

impl<M: Ends + ?Sized> Receiving<M> {
    pub(crate) fn new(rx: Receiver<M>) -> Self {
        Self { rx, fault: None }
    }

    pub(crate) fn receive(&mut self, how: u8) -> Received {
        let received = M::receive(&mut self.rx, how);
        if let Some(fault) = self.fault {
            assert_eq!(received, Received::Failed(fault), "a fault is for ever");
        }
        match &received {
            Received::Messages(messages) => {
                let max = self.rx.max_message_bytes() as usize;
                assert!(messages.iter().all(|message| message.len() <= max), "a message of half the ring at the most");
            }
            Received::Failed(error @ RecvError::Fault(_)) => self.fault = Some(*error),
            Received::Failed(_) | Received::Nothing => {}
        }
        received
    }

    /// Receives until there is nothing more. A ring that stands still has an end.
    pub(crate) fn receive_all(&mut self) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        let most = self.rx.capacity_bytes() as usize;
        loop {
            match self.receive(0) {
                Received::Messages(messages) => all.extend(messages),
                Received::Nothing | Received::Failed(_) => return all,
            }
            assert!(all.len() <= most, "a ring of {most} bytes gives messages without end");
        }
    }
}

/// A sender whose faults are held to rule 2.
#[derive(Debug)]
pub(crate) struct Sending<M: Ends + ?Sized> {
    pub(crate) tx: Sender<M>,
    fault: Option<SendError>,
}

impl<M: Ends + ?Sized> Sending<M> {
    pub(crate) fn new(tx: Sender<M>) -> Self {
        Self { tx, fault: None }
    }

    pub(crate) fn send(&mut self, how: u8, len: usize, seed: u8) -> Sent {
        let sent = M::send(&mut self.tx, how, len, seed);
        if let Some(fault) = self.fault {
            assert!(sent == Sent::Failed(fault) || sent == Sent::Full, "a fault is for ever, not {sent:?}");
        }
        if let Sent::Failed(error @ SendError::Fault(_)) = &sent {
            self.fault = Some(*error);
        }
        sent
    }

    /// Sends until there is no room. A receiver that stands still lets a ring be filled once.
    pub(crate) fn send_all(&mut self) {
        let most = self.tx.capacity_bytes();
        let mut sent = 0;
        while let Sent::Messages(_) = self.send(0, 1, 0) {
            sent += 1;
            assert!(sent <= most, "a ring of {most} bytes takes messages without end");
        }
    }
}
