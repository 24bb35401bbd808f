//! Sending and receiving while somebody scribbles.
//!
//! | byte of the input | |
//! |---:|---|
//! | 0, bits 0..2 | the message type: `u64`, `[u8]`, `[u32]`, `[u64; 9]` (in slots) |
//! | bit 2 | restartable |
//! | bit 3 | others may write the memory, so it is not lent |
//! | bit 4 | the channel was used before |
//! | 1.. | steps: scribble, receive, send, leave, look |
//!
//! An end attaches when it is first used, so that what is scribbled before is what it attaches to. Header and size are sound until a
//! scribble says otherwise.
//!
//! Claim: each call returns, with a value or a typed error; a fault is for ever; a ring that nobody changes gives and takes a limited
//! number of messages. And until the first scribble, what is received is what was sent, once and in order.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::Duration;
use strait::channel::spsc::{Options, Receiver, Sender};
use strait::channel::{RecvError, SendError};
use strait::region::Region;

use crate::ends::{Ends, Received, Receiving, Sending, Sent};
use crate::region::{self, RECEIVER_SIDE, REGION, RING, SENDER_SIDE};
use crate::script::Script;

/// A hostile day takes as long as one likes; the input's time is limited.
const STEPS_MAX: u32 = 300;
/// Presence, wake at and core, bell, fences, progress, who.
const SIDE_WORDS: [usize; 8] = [0, 8, 64, 16, 128, 128, 136, 192];
const COMMITTED: u64 = 1 << 63;
const PADDING: u64 = 1 << 62;

/// Plays what the input says on a channel.
pub fn receive(input: &[u8]) {
    match input.first().unwrap_or(&0) & 3 {
        0 => play::<u64>(input),
        1 => play::<[u8]>(input),
        2 => play::<[u32]>(input),
        _ => play::<[u64; 9]>(input),
    }
}

fn play<M: Ends + ?Sized>(input: &[u8]) {
    let mut script = Script::new(input);
    let mut stage = Stage::<M>::new(script.byte());
    for _ in 0..STEPS_MAX {
        if script.is_over() {
            break;
        }
        let step = script.byte();
        match step % 8 {
            0..3 => stage.scribble(&mut script),
            3 | 4 => stage.receive(step >> 3),
            5 | 6 => stage.send(step >> 3, &mut script),
            _ => stage.do_other(step >> 3),
        }
    }
    stage.end();
}

/// A channel, its ends, and what is known of it while nobody has lied.
struct Stage<M: Ends + ?Sized> {
    fd: OwnedFd,
    liar: Region,
    rx: Option<Receiving<M>>,
    tx: Option<Sending<M>>,
    is_honest: bool,
    is_restartable: bool,
    /// Whether the end that is not there was there before.
    had: Had,
    /// Sent and not received.
    waiting: VecDeque<Vec<u8>>,
    received: u64,
}

#[derive(Clone, Copy, Default)]
struct Had {
    rx: bool,
    tx: bool,
}

impl<M: Ends + ?Sized> Stage<M> {
    fn new(control: u8) -> Self {
        let mut bytes = crate::attach::sound::<M>();
        let was_used = control & 16 != 0;
        if !was_used {
            bytes = region::fresh(&bytes);
        }
        let is_restartable = control & 4 != 0;
        if !is_restartable {
            region::make_pipe_like(&mut bytes);
        }
        let fd = region::memfd(&bytes, true, if control & 8 == 0 { 0o600 } else { 0o666 });
        let liar = Region::from_fd(region::again(&fd), &strait::region::Options::new()).expect("map");
        let len = if M::IS_SLICE { 9 } else { 1 } * size_of::<M::Item>();
        let waiting = if was_used { (3..=5).map(|seed| vec![seed; len]).collect() } else { VecDeque::new() };
        Self {
            fd,
            liar,
            rx: None,
            tx: None,
            is_honest: true,
            is_restartable,
            had: Had { rx: was_used, tx: was_used },
            waiting,
            received: if was_used { 2 } else { 0 },
        }
    }

    fn scribble(&mut self, script: &mut Script<'_>) {
        let place = script.byte();
        let word = |at: usize| at + SIDE_WORDS[usize::from(place >> 2) % 8];
        let at = match place & 3 {
            0 => word(SENDER_SIDE),
            1 => word(RECEIVER_SIDE),
            2 => RING + usize::from(place >> 2) % 16 * 8,
            _ => usize::from(script.u16()) % (REGION / 8) * 8,
        };
        let here = self.word(at);
        let what = script.byte();
        let value = match what % 8 {
            0 => script.u64(),
            1 => COMMITTED | self.number(script) << 32 | u64::from(script.u16() % 4096),
            2 => COMMITTED | PADDING | self.number(script) << 32 | u64::from(script.u16() % 512 * 8),
            3 => u64::from(script.u32()) << 32 | u64::from(script.byte()),
            4 => here.wrapping_add_signed(i64::from(script.byte() as i8)),
            5 => here ^ 1 << (script.byte() % 64),
            6 => [0, u64::MAX, 1 << 32, 1 << 31, 1 << 63, 3 << 32][usize::from(what >> 3) % 6],
            _ => self.word(usize::from(script.u16()) % (REGION / 8) * 8),
        };
        self.liar.write(at as u64, &value.to_le_bytes()).expect("inside");
        self.is_honest = false;
    }

    fn word(&self, at: usize) -> u64 {
        let mut word = [0; 8];
        self.liar.read(at as u64, &mut word).expect("inside");
        u64::from_le_bytes(word)
    }

    /// A number that the next message could have.
    fn number(&self, script: &mut Script<'_>) -> u64 {
        let next = self.received.wrapping_add_signed(i64::from(script.byte() as i8 / 8));
        next % (1 << 30)
    }

    fn receiver(&mut self) -> Option<&mut Receiving<M>> {
        if self.rx.is_none() {
            let attached = Receiver::from_fd(region::again(&self.fd), &Options::new());
            let is_due = self.is_honest && (self.is_restartable || !self.had.rx);
            assert!(attached.is_ok() || !is_due, "{attached:?}");
            self.had.rx = true;
            let rx = attached.ok()?;
            if self.is_honest {
                assert_eq!(rx.received(), self.received, "a successor goes on where the last one was");
            }
            self.rx = Some(Receiving::new(rx));
        }
        self.rx.as_mut()
    }

    fn sender(&mut self) -> Option<&mut Sending<M>> {
        if self.tx.is_none() {
            let attached = Sender::from_fd(region::again(&self.fd), &Options::new());
            let is_due = self.is_honest && (self.is_restartable || !self.had.tx);
            assert!(attached.is_ok() || !is_due, "{attached:?}");
            self.had.tx = true;
            let tx = attached.ok()?;
            if self.is_honest {
                assert_eq!(tx.sent(), self.received + self.waiting.len() as u64, "a successor goes on after the last");
            }
            self.tx = Some(Sending::new(tx));
        }
        self.tx.as_mut()
    }

    fn receive(&mut self, how: u8) {
        let Some(rx) = self.receiver() else { return };
        let received = rx.receive(how);
        let count = rx.rx.received();
        if !self.is_honest {
            self.received = count;
            return;
        }
        match received {
            Received::Messages(messages) => {
                self.received += messages.len() as u64;
                for message in messages {
                    assert_eq!(Some(message), self.waiting.pop_front(), "once and in order");
                }
            }
            Received::Failed(RecvError::Untrusted) => {}
            Received::Nothing | Received::Failed(RecvError::Disconnected(_)) => {
                assert!(self.waiting.is_empty(), "what was sent is received");
            }
            Received::Failed(error) => panic!("nobody has lied: {error}"),
        }
        assert_eq!(count, self.received);
    }

    fn send(&mut self, how: u8, script: &mut Script<'_>) {
        let (len, seed) = (usize::from(script.u16()) % 2100, script.byte());
        let Some(tx) = self.sender() else { return };
        let sent = tx.send(how, len, seed);
        if !self.is_honest {
            return;
        }
        match sent {
            Sent::Messages(messages) => self.waiting.extend(messages),
            Sent::Full => assert!(!self.waiting.is_empty(), "an empty ring has room"),
            Sent::Failed(SendError::Disconnected(_) | SendError::TooLarge { .. } | SendError::Untrusted) => {}
            Sent::Failed(error) => panic!("nobody has lied: {error}"),
        }
    }

    fn do_other(&mut self, what: u8) {
        match what % 8 {
            0 => self.rx = None,
            1 => self.tx = None,
            2 => {
                if let Some(rx) = &self.rx {
                    let _ = (rx.rx.len(), rx.rx.is_empty(), rx.rx.sender_state(), rx.rx.sender_pid());
                }
                if let Some(tx) = &self.tx {
                    let _ = (tx.tx.len(), tx.tx.is_empty(), tx.tx.receiver_state(), tx.tx.receiver_pid());
                }
            }
            3 => {
                if let Some(tx) = &mut self.tx {
                    // Whatever it says, it says it at once.
                    let _ = tx.tx.drain(Duration::ZERO);
                    let _ = tx.tx.wait_for_receiver(Duration::ZERO);
                }
            }
            4 => {
                for how in 0..8 {
                    self.receive(how);
                }
            }
            _ => {
                let Some(rx) = self.receiver() else { return };
                let messages = rx.receive_all();
                self.received = rx.rx.received();
                if self.is_honest {
                    assert_eq!(messages, self.waiting.drain(..).collect::<Vec<_>>(), "all that was sent");
                }
            }
        }
    }

    /// Whatever has happened: nothing goes on without end.
    fn end(&mut self) {
        self.do_other(7);
        if let Some(tx) = self.sender() {
            tx.send_all();
        }
        if let Some(rx) = self.receiver() {
            rx.receive_all();
        }
    }
}
