//! What honest ends do while they are lied to: one row for each operation.
//!
//! An operation ends with a value, which is held against what is promised of values, or with a typed error. Anything else is a defect.

use super::{CAPACITY, Ends, SLOTS, Scene};
use crate::hostile::world::{Operation, Outcome, Run, Waits, promised, short, wrong};
use strait::channel::Message;
use strait::channel::spsc::{Receiver, Sender};

fn message(len: usize, max: u64) -> Outcome {
    promised(len as u64 <= max, "a message longer than half the capacity was received", len as u64)
}

/// How often an operation of lines succeeds while nothing in the memory changes, if it does not fail: a limited number of times.
fn until_the_end(limit: u64, mut succeeds: impl FnMut() -> bool) -> Outcome {
    let count = (0..=limit).take_while(|_| succeeds()).count() as u64;
    promised(count <= limit, "a ring that stands still gives or takes without end", count)
}

/// What is lent at once of slots: no more than there are.
fn lent(len: usize, limit: u64) -> Outcome {
    promised(len as u64 <= limit, "more messages were lent than the ring has slots", len as u64)
}

/// Counts that others lie about are any number, but asking for them must end.
fn look_of_sender<M: Message + ?Sized>(tx: &Sender<M>) -> Outcome {
    let _ = (tx.len(), tx.is_empty(), tx.receiver_pid(), tx.capacity_bytes(), tx.place().to_string());
    let _ = (tx.sent(), tx.receiver_state());
    Ok(0)
}

fn look_of_receiver<M: Message + ?Sized>(rx: &Receiver<M>) -> Outcome {
    let _ = (rx.len(), rx.is_empty(), rx.sender_pid(), rx.capacity_bytes(), rx.place().to_string(), rx.received());
    let _ = rx.sender_state();
    Ok(0)
}

macro_rules! operation {
    ($name:literal, $scene:ident, $waits:ident, $end:ident, |$it:ident, $random:ident| $run:expr) => {
        Operation {
            name: $name,
            world: &Scene::$scene,
            waits: Waits::$waits,
            run: Run::Call(|end, $random| match end.downcast_mut() {
                Some(Ends::$end($it)) => $run,
                _ => wrong(),
            }),
        }
    };
    (attach $name:literal, $scene:ident) => {
        Operation { name: $name, world: &Scene::$scene, waits: Waits::Bounded, run: Run::Attach }
    };
}

/// All operations.
#[rustfmt::skip]
pub const OPERATIONS: &[Operation] = &[
    operation!("send", Numbers, Bare, NumberSender, |tx, _random| Ok(tx.send(&7).map(|()| 1)?)),
    operation!("send_full", NumbersFull, Bounded, NumberSender, |tx, random| Ok(tx.send_timeout(&7, short(random)).map(|()| 1)?)),
    operation!("try_send", Numbers, Bounded, NumberSender, |tx, _random| {
        (0..3).try_for_each(|n| tx.try_send(&n))?;
        Ok(3)
    }),
    operation!("try_send_full", NumbersFull, Bounded, NumberSender, |tx, _random| Ok(tx.try_send(&7).map(|()| 1)?)),
    operation!("send_timeout", Numbers, Bounded, NumberSender, |tx, random| Ok(tx.send_timeout(&7, short(random)).map(|()| 1)?)),
    operation!("send_batch", Numbers, Bare, NumberSender, |tx, _random| Ok(tx.send_batch(&[5; 100]).map(|()| 100)?)),
    operation!("reserve", Numbers, Bare, NumberSender, |tx, _random| {
        let mut room = tx.reserve()?;
        *room = 7;
        room.publish();
        Ok(1)
    }),
    operation!("try_reserve", NumbersFull, Bounded, NumberSender, |tx, _random| Ok(tx.try_reserve().map(|room| { room.publish(); 1 })?)),
    operation!("reserve_timeout", NumbersFull, Bounded, NumberSender, |tx, random| Ok(tx.reserve_timeout(short(random)).map(|room| { room.publish(); 1 })?)),
    operation!("drain", NumbersFull, Bounded, NumberSender, |tx, random| Ok(tx.drain(short(random)).map(u64::from)?)),
    operation!("wait_for_receiver", Numbers, Bounded, NumberSender, |tx, random| Ok(tx.wait_for_receiver(short(random)).map(u64::from)?)),
    operation!("sender_looks", Numbers, Bounded, NumberSender, |tx, _random| look_of_sender(tx)),
    operation!("send_bytes", Bytes, Bare, ByteSender, |tx, random| {
        let len = [0, 1, 48, 56, 57, 2048][random.below(6) as usize];
        Ok(tx.send(&[9; 2048][..len]).map(|()| 1)?)
    }),
    operation!("send_bytes_too_large", Bytes, Bounded, ByteSender, |tx, _random| Ok(tx.try_send(&[9; 2049]).map(|()| 1)?)),
    operation!("send_bytes_batch", Bytes, Bare, ByteSender, |tx, _random| {
        let messages: [&[u8]; 4] = [&[1; 8], &[2; 500], &[], &[3; 900]];
        Ok(tx.send_batch(messages).map(|()| 4)?)
    }),
    operation!("reserve_bytes", Bytes, Bounded, ByteSender, |tx, random| {
        let mut room = tx.reserve_timeout(500, short(random))?;
        room.fill(3);
        room.publish_first(random.below(501) as usize);
        Ok(1)
    }),
    operation!("send_until_full", Bytes, Bounded, ByteSender, |tx, _random| {
        let mut sent = 0;
        while sent < 12 && tx.try_send(&[9; 700]).is_ok() {
            sent += 1;
        }
        Ok(sent)
    }),

    operation!("recv", NumbersThere, Bare, NumberReceiver, |rx, _random| {
        for _ in 0..3 {
            rx.recv()?;
        }
        Ok(3)
    }),
    operation!("recv_half", NumbersHalf, Bounded, NumberReceiver, |rx, random| Ok(rx.recv_timeout(short(random)).map(|_| 1)?)),
    operation!("try_recv", NumbersThere, Bounded, NumberReceiver, |rx, _random| {
        for _ in 0..22 {
            rx.try_recv()?;
        }
        Ok(22)
    }),
    operation!("try_recv_none", NumbersNone, Bounded, NumberReceiver, |rx, _random| Ok(rx.try_recv().map(|_| 1)?)),
    operation!("recv_timeout_none", NumbersNone, Bounded, NumberReceiver, |rx, random| Ok(rx.recv_timeout(short(random)).map(|_| 1)?)),
    operation!("recv_none", NumbersNone, Bare, NumberReceiver, |rx, _random| Ok(rx.recv().map(|_| 1)?)),
    operation!("recv_ref", NumbersThere, Bare, NumberReceiver, |rx, _random| Ok(rx.recv_ref().map(|lent| { let _ = *lent; 1 })?)),
    operation!("try_recv_ref", NumbersHalf, Bounded, NumberReceiver, |rx, _random| Ok(rx.try_recv_ref().map(|lent| { lent.put_back(); 1 })?)),
    operation!("recv_ref_timeout", NumbersThere, Bounded, NumberReceiver, |rx, random| Ok(rx.recv_ref_timeout(short(random)).map(|lent| { let _ = *lent; 1 })?)),
    operation!("recv_batch", NumbersThere, Bare, NumberReceiver, |rx, random| {
        let mut into = [0; 600];
        let len = [1, 7, 25, 600][random.below(4) as usize];
        let count = rx.recv_batch(&mut into[..len])?;
        promised((1..=len).contains(&count), "a batch of more than was asked for", count as u64)
    }),
    operation!("recv_batch_ref", NumbersThere, Bare, NumberReceiver, |rx, _random| {
        let max = rx.max_message_bytes();
        let batch = rx.recv_batch_ref()?;
        let _: u64 = batch.iter().fold(0, |sum, n| sum ^ n);
        message(batch.len() * 8, max)
    }),
    operation!("iterate", NumbersThere, Bare, NumberReceiver, |rx, _random| {
        let mut count = 0;
        for number in rx.iter().take(24) {
            number?;
            count += 1;
        }
        Ok(count)
    }),
    operation!("wait_timeout", NumbersNone, Bounded, NumberReceiver, |rx, random| Ok(rx.wait_timeout(short(random)).map(u64::from)?)),
    operation!("receiver_looks", NumbersThere, Bounded, NumberReceiver, |rx, _random| look_of_receiver(rx)),
    // The kernel knows that the other side is dead, whatever the liar writes: these end by themselves.
    operation!("send_dead", NumbersFullDead, Bounded, NumberSender, |tx, _random| {
        loop {
            tx.send(&7)?;
        }
    }),
    operation!("sender_looks_dead", NumbersFullDead, Bounded, NumberSender, |tx, _random| look_of_sender(tx)),
    operation!("wait_for_dead", NumbersFullDead, Bounded, NumberSender, |tx, random| Ok(tx.wait_for_receiver(short(random)).map(u64::from)?)),
    operation!("recv_dead", NumbersNoneDead, Bounded, NumberReceiver, |rx, _random| {
        let mut count = 0;
        while count < 100 {
            rx.recv()?;
            count += 1;
        }
        Ok(count)
    }),
    operation!("receiver_looks_dead", NumbersNoneDead, Bounded, NumberReceiver, |rx, _random| look_of_receiver(rx)),
    operation!("recv_bytes", BytesThere, Bare, ByteReceiver, |rx, _random| {
        let max = rx.max_message_bytes();
        for _ in 0..3 {
            message(rx.recv()?.len(), max)?;
        }
        Ok(3)
    }),
    operation!("try_recv_bytes", BytesWrapped, Bounded, ByteReceiver, |rx, _random| {
        let max = rx.max_message_bytes();
        let mut into = Vec::new();
        for _ in 0..6 {
            rx.try_recv_into(&mut into)?;
            message(into.len(), max)?;
        }
        Ok(6)
    }),
    operation!("recv_bytes_timeout", BytesWrapped, Bounded, ByteReceiver, |rx, random| {
        let max = rx.max_message_bytes();
        message(rx.recv_timeout(short(random))?.len(), max)
    }),
    operation!("recv_bytes_ref", BytesThere, Bounded, ByteReceiver, |rx, random| {
        let max = rx.max_message_bytes();
        let lent = rx.recv_ref_timeout(short(random))?;
        let _ = lent.iter().fold(0, |sum, n| sum ^ n);
        message(lent.len(), max)
    }),
    operation!("iterate_bytes", BytesThere, Bare, ByteReceiver, |rx, _random| {
        let max = rx.max_message_bytes();
        let mut count = 0;
        for bytes in rx.iter().take(5) {
            message(bytes?.len(), max)?;
            count += 1;
        }
        Ok(count)
    }),

    // In slots, where the two counts are all that is believed.
    operation!("send_line", Lines, Bare, LineSender, |tx, _random| Ok(tx.send(&[7; 8]).map(|()| 1)?)),
    operation!("try_send_line", Lines, Bounded, LineSender, |tx, _random| {
        (0..70).try_for_each(|n| tx.try_send(&[n; 8]))?;
        Ok(70)
    }),
    operation!("try_send_line_full", LinesFull, Bounded, LineSender, |tx, _random| Ok(tx.try_send(&[7; 8]).map(|()| 1)?)),
    operation!("send_line_timeout", LinesFull, Bounded, LineSender, |tx, random| Ok(tx.send_timeout(&[7; 8], short(random)).map(|()| 1)?)),
    operation!("send_line_batch", Lines, Bare, LineSender, |tx, _random| Ok(tx.send_batch(&[[5; 8]; 100]).map(|()| 100)?)),
    operation!("reserve_line", Lines, Bare, LineSender, |tx, _random| {
        let mut room = tx.reserve()?;
        *room = [7; 8];
        room.publish();
        Ok(1)
    }),
    operation!("reserve_line_timeout", LinesFull, Bounded, LineSender, |tx, random| Ok(tx.reserve_timeout(short(random)).map(|room| { room.publish(); 1 })?)),
    operation!("drain_lines", LinesFull, Bounded, LineSender, |tx, random| Ok(tx.drain(short(random)).map(u64::from)?)),
    operation!("line_sender_looks", LinesFull, Bounded, LineSender, |tx, _random| look_of_sender(tx)),
    // Once as many as it is told that there is room for.
    operation!("send_all_lines", LinesFull, Still, LineSender, |tx, _random| until_the_end(SLOTS, || tx.try_send(&[7; 8]).is_ok())),
    operation!("send_line_dead", LinesFullDead, Bounded, LineSender, |tx, _random| {
        loop {
            tx.send(&[7; 8])?;
        }
    }),
    operation!("line_sender_looks_dead", LinesFullDead, Bounded, LineSender, |tx, _random| look_of_sender(tx)),
    operation!("send_odd", OddsFull, Bounded, OddSender, |tx, random| {
        (0..50).try_for_each(|n| tx.send_timeout(&[n; 100], short(random)))?;
        Ok(50)
    }),
    operation!("send_odd_batch", OddsFull, Bare, OddSender, |tx, _random| Ok(tx.send_batch(&[[5; 100]; 50]).map(|()| 50)?)),
    operation!("recv_line", LinesThere, Bare, LineReceiver, |rx, _random| {
        // One more than was known when it attached: the count is looked at.
        for _ in 0..26 {
            rx.recv()?;
        }
        Ok(26)
    }),
    operation!("try_recv_line", LinesHalf, Bounded, LineReceiver, |rx, _random| {
        for _ in 0..22 {
            rx.try_recv()?;
        }
        Ok(22)
    }),
    operation!("recv_line_timeout", LinesNone, Bounded, LineReceiver, |rx, random| Ok(rx.recv_timeout(short(random)).map(|_| 1)?)),
    operation!("recv_line_none", LinesNone, Bare, LineReceiver, |rx, _random| Ok(rx.recv().map(|_| 1)?)),
    operation!("recv_line_ref", LinesHalf, Bounded, LineReceiver, |rx, random| Ok(rx.recv_ref_timeout(short(random)).map(|lent| { let _ = *lent; 1 })?)),
    operation!("try_recv_line_ref", LinesThere, Bounded, LineReceiver, |rx, _random| Ok(rx.try_recv_ref().map(|lent| { lent.put_back(); 1 })?)),
    operation!("recv_line_batch", LinesHalf, Bare, LineReceiver, |rx, random| {
        let mut into = [[0; 8]; 200];
        let len = [1, 7, 25, 200][random.below(4) as usize];
        let mut sum = 0;
        for _ in 0..2 {
            let count = rx.recv_batch(&mut into[..len])?;
            sum += promised((1..=len).contains(&count), "a batch of more than was asked for", count as u64)?;
        }
        Ok(sum)
    }),
    operation!("recv_line_batch_ref", LinesHalf, Bare, LineReceiver, |rx, _random| {
        let mut sum = 0;
        // Up to the end of the ring, from there on, and what the count says then.
        for _ in 0..3 {
            let batch = rx.recv_batch_ref()?;
            let _: u64 = batch.iter().flatten().fold(0, |sum, n| sum ^ n);
            sum += lent(batch.len(), SLOTS)?;
        }
        Ok(sum)
    }),
    // Those that it knew of, and once as many as it is told of.
    operation!("recv_all_lines", LinesThere, Still, LineReceiver, |rx, _random| until_the_end(2 * SLOTS, || rx.try_recv().is_ok())),
    operation!("recv_line_dead", LinesNoneDead, Bounded, LineReceiver, |rx, _random| {
        let mut count = 0;
        while count < 200 {
            rx.recv()?;
            count += 1;
        }
        Ok(count)
    }),
    operation!("line_receiver_looks_dead", LinesNoneDead, Bounded, LineReceiver, |rx, _random| look_of_receiver(rx)),
    operation!("wait_for_line", LinesNone, Bounded, LineReceiver, |rx, random| Ok(rx.wait_timeout(short(random)).map(u64::from)?)),
    operation!("line_receiver_looks", LinesThere, Bounded, LineReceiver, |rx, _random| look_of_receiver(rx)),
    operation!("try_recv_odd", OddsHalf, Bounded, OddReceiver, |rx, _random| {
        for _ in 0..30 {
            rx.try_recv()?;
        }
        Ok(30)
    }),
    operation!("recv_odd_batch_ref", OddsHalf, Bare, OddReceiver, |rx, _random| {
        let mut sum = 0;
        for _ in 0..3 {
            let batch = rx.recv_batch_ref()?;
            let _ = batch.iter().flatten().fold(0, |sum, n| sum ^ n);
            sum += lent(batch.len(), CAPACITY / 100)?;
        }
        Ok(sum)
    }),

    operation!(attach "attach_sender", Numbers),
    operation!(attach "attach_sender_full", NumbersFull),
    operation!(attach "attach_receiver", NumbersThere),
    operation!(attach "attach_receiver_half", NumbersHalf),
    operation!(attach "attach_wrapped", BytesWrapped),
    operation!(attach "attach_line_sender", Lines),
    operation!(attach "attach_line_sender_full", LinesFull),
    operation!(attach "attach_line_receiver", LinesNone),
    operation!(attach "attach_line_receiver_half", LinesHalf),
    operation!(attach "attach_odd_sender_full", OddsFull),
    operation!(attach "attach_odd_receiver_half", OddsHalf),
];
