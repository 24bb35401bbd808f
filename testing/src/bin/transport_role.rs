//! One end of a link, told what to do line by line: `transport_role sender|receiver [shared]`, or `transport_role echo`, which asks for
//! nothing and sends back what it receives; or `transport_role signals SIGNAL`, `transport_role asked SIGNAL QUEUE`, `transport_role listen
//! PATH`, `transport_role fifo PATH`.
//!
//! The link is handed over as `link`. Message `n` is [`message`]`(n)`, of a sender who says `w` in front of it.
//!
//! Signal 10 does nothing, but interrupts calls; `SIGPIPE` does what it does by default.

use std::io::{BufRead as _, Write as _};
use std::time::{Duration, Instant};
use strait::link::{Offer, Receiver, Sender};
use strait::transport::unix::{Listener, Stream};
use strait::transport::{MessageReceiver, Options, RecvError, SendError, fifo, posix_mq, signal};
use strait_testing::message::{message, number_of};

fn main() {
    interruptible();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let options = Options::new().message_bytes_max(60_000).shared(arguments.contains(&"shared"));
    match arguments[..] {
        ["sender", ..] => {
            let offer = Offer::take("link").expect("handed over");
            send(offer.into_sender(&options).expect("an end"));
        }
        ["receiver", ..] => {
            let offer = Offer::take("link").expect("handed over");
            receive(offer.into_receiver(&options).expect("an end"));
        }
        ["echo"] => {
            let offer = Offer::take("link").expect("handed over");
            let (mut tx, mut rx) = offer.into_duplex(&options).expect("both ends");
            say("ok");
            let mut message = Vec::new();
            while rx.recv(&mut message).is_ok() {
                tx.send(&message).expect("somebody receives");
            }
        }
        ["signals", number] => {
            let receiver = signal::Receiver::new(number.parse().expect("a number")).expect("real-time");
            receive(Box::new(receiver));
        }
        ["asked", number, queue] => {
            let number = number.parse().expect("a number");
            let receiver = signal::Receiver::new(number).expect("real-time");
            let queue = posix_mq::Receiver::open(queue).expect("it is there");
            queue.notify(Some(number)).expect("nobody has asked");
            receive(Box::new(receiver));
        }
        ["listen", path] => {
            let _listener = Listener::<Stream>::bind(std::path::Path::new(path), &options).expect("free");
            say("ok");
            lines().for_each(drop);
        }
        ["fifo", path] => send(Box::new(fifo::sender(path, &Options::new()).expect("somebody reads"))),
        _ => panic!("no such part: {arguments:?}"),
    }
}

fn interruptible() {
    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
    extern "C" fn nothing(_: libc::c_int) {}
    // Without SA_RESTART: calls end with EINTR.
    let action = SigAction::new(SigHandler::Handler(nothing), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing.
    unsafe { sigaction(Signal::SIGUSR1, &action) }.expect("set");
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: no handler.
    unsafe { sigaction(Signal::SIGPIPE, &default) }.expect("set");
}

fn say(line: impl std::fmt::Display) {
    println!("{line}");
    std::io::stdout().flush().expect("somebody reads");
}

fn lines() -> impl Iterator<Item = String> {
    std::io::stdin().lock().lines().map_while(Result::ok)
}

fn word_of_send(outcome: &Result<(), SendError>) -> String {
    match outcome {
        Ok(()) => "sent".into(),
        Err(SendError::Full) => "Full".into(),
        Err(SendError::TimedOut) => "TimedOut".into(),
        Err(SendError::Disconnected) => "Disconnected".into(),
        Err(other) => format!("{other}"),
    }
}

fn send(mut tx: Sender) {
    say("ok");
    let max = tx.message_bytes_max();
    let mut next = 0;
    let mut who = 0;
    for line in lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["who", number] => {
                who = number.parse().expect("a number");
                say("ok");
            }
            ["send", count] => {
                let mut outcome = Ok(());
                for _ in 0..count.parse().expect("a number") {
                    outcome = tx.send(&message(who, next, max));
                    if outcome.is_err() {
                        break;
                    }
                    next += 1;
                }
                say(word_of_send(&outcome));
            }
            ["stream"] => {
                say("streaming");
                let ended = loop {
                    if let Err(error) = tx.send(&message(who, next, max)) {
                        break error;
                    }
                    next += 1;
                };
                say(word_of_send(&Err(ended)));
            }
            // Waits for room, for so many milliseconds; says how it ended and when.
            ["fill-for", millis] => {
                say("filling");
                let began = Instant::now();
                let timeout = Duration::from_millis(millis.parse().expect("a number"));
                let outcome = loop {
                    match tx.send_timeout(&message(who, next, max), timeout.saturating_sub(began.elapsed())) {
                        Ok(()) => next += 1,
                        other => break other,
                    }
                };
                say(format_args!("{} {} {next}", word_of_send(&outcome), began.elapsed() >= timeout));
            }
            // Whoever kills it now kills it while it waits for room.
            ["fill"] => {
                let outcome = loop {
                    match tx.try_send(&message(who, next, max)) {
                        Ok(()) => next += 1,
                        other => break other,
                    }
                };
                say(format_args!("{} {next}", word_of_send(&outcome)));
            }
            ["leave"] => {
                drop(tx);
                return say("left");
            }
            _ => panic!("what is '{line}'?"),
        }
    }
}

fn word_of_recv(outcome: &Result<(), RecvError>) -> String {
    match outcome {
        Ok(()) => "got".into(),
        Err(RecvError::Empty) => "Empty".into(),
        Err(RecvError::TimedOut) => "TimedOut".into(),
        Err(RecvError::Disconnected) => "Disconnected".into(),
        Err(other) => format!("{other}"),
    }
}

fn receive(mut rx: Receiver) {
    say("ok");
    let mut next = 0;
    let mut got = Vec::new();
    for line in lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            // The next ones, each of which must be as it was sent.
            ["recv", count] => say(run_of(&mut *rx, &mut next, count.parse().expect("a number"))),
            // Any ones; their numbers.
            ["numbers", count] => {
                let numbers: Vec<String> = (0..count.parse().expect("a number"))
                    .map_while(|_| rx.recv(&mut got).ok().map(|()| number_of(&got).to_string()))
                    .collect();
                say(numbers.join(" "));
            }
            ["length"] => match rx.recv(&mut got) {
                Ok(()) => say(format_args!("{} {}", got.len(), got.iter().map(|&byte| u64::from(byte)).sum::<u64>())),
                failed => say(word_of_recv(&failed)),
            },
            ["block"] => {
                say("blocking");
                say(word_of_recv(&rx.recv(&mut got)));
            }
            ["drain"] => {
                say("draining");
                let ended = loop {
                    match rx.recv(&mut got) {
                        Ok(()) => next += 1,
                        ended => break ended,
                    }
                };
                say(word_of_recv(&ended));
            }
            ["block-for", millis] => {
                say("blocking");
                let (began, timeout) = (Instant::now(), Duration::from_millis(millis.parse().expect("a number")));
                let outcome = rx.recv_timeout(&mut got, timeout);
                say(format_args!("{} {}", word_of_recv(&outcome), began.elapsed() >= timeout));
            }
            // All there are, to the end; their numbers, each of which goes to one receiver.
            ["share", millis] => {
                let timeout = Duration::from_millis(millis.parse().expect("a number"));
                let mut numbers = Vec::new();
                while rx.recv_timeout(&mut got, timeout).is_ok() {
                    numbers.push(number_of(&got).to_string());
                }
                say(numbers.join(" "));
            }
            _ => panic!("what is '{line}'?"),
        }
    }
}

fn run_of(rx: &mut dyn MessageReceiver, next: &mut u32, count: u32) -> String {
    let mut got = Vec::new();
    for _ in 0..count {
        if let Err(error) = rx.recv(&mut got) {
            return format!("before {next}: {error}");
        }
        let expected = message(0, *next, usize::MAX);
        // A mechanism of short messages cuts them, at the sender's limit.
        if !expected.starts_with(&got) || (got.is_empty() && !rx_counts(rx)) {
            return format!("message {next} has {} bytes, and is not the one that was sent", got.len());
        }
        *next += 1;
    }
    "got".into()
}

/// Whether messages have no bytes.
fn rx_counts(rx: &dyn MessageReceiver) -> bool {
    rx.mechanism().capabilities().boundaries == strait::transport::Boundaries::Count
}
