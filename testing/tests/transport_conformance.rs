//! One suite over all classic mechanisms: what `strait::transport` promises of every one of them.

use std::time::{Duration, Instant};
use strait::transport::{
    Boundaries, Mechanism, MessageReceiver, MessageSender, Options, Patience, RecvError, SendError, Users, eventfd,
    fifo, inet, pipe, posix_mq, sysv_msg, table, unix,
};

type Sender = Box<dyn MessageSender>;
type Receiver = Box<dyn MessageReceiver>;

/// What must be done when a pair is dropped: names and queues that the kernel keeps.
struct Cleanup(Option<Box<dyn FnOnce()>>);

impl Cleanup {
    fn none() -> Self {
        Self(None)
    }

    fn with(undo: impl FnOnce() + 'static) -> Self {
        Self(Some(Box::new(undo)))
    }
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        if let Some(undo) = self.0.take() {
            undo();
        }
    }
}

fn unique(what: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("strait-test-{what}-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed))
}

/// Two connected ends of a mechanism.
fn pair(mechanism: Mechanism, options: &Options) -> (Sender, Receiver, Cleanup) {
    let boxed = |tx, rx| (tx, rx, Cleanup::none());
    match mechanism {
        Mechanism::Pipe => {
            let (tx, rx) = pipe::pair(options).expect("pipe");
            boxed(Box::new(tx), Box::new(rx))
        }
        Mechanism::PacketPipe => {
            let (tx, rx) = pipe::packet_pair(options).expect("pipe");
            boxed(Box::new(tx), Box::new(rx))
        }
        Mechanism::Fifo => {
            let path = std::env::temp_dir().join(unique("fifo"));
            fifo::create(&path, options).expect("fifo");
            let rx = fifo::Receiver::open(&path, options).expect("open");
            let tx = fifo::sender(&path, options).expect("a reader");
            let undo = Cleanup::with(move || std::fs::remove_file(&path).expect("there"));
            (Box::new(tx), Box::new(rx), undo)
        }
        Mechanism::UnixStream => {
            let (a, b) = unix::pair(options).expect("sockets");
            boxed(Box::new(one_way(a)), Box::new(b.receiver))
        }
        Mechanism::UnixSeqpacket => {
            let (a, b) = unix::seqpacket_pair(options).expect("sockets");
            boxed(Box::new(a.sender), Box::new(b.receiver))
        }
        Mechanism::UnixDatagram => {
            let (a, b) = unix::datagram_pair(options).expect("sockets");
            boxed(Box::new(a.sender), Box::new(b.receiver))
        }
        Mechanism::Tcp => {
            let listener = inet::TcpListener::bind(0, options).expect("a port");
            let a = inet::tcp_connect(listener.port(), options).expect("there");
            let b = listener.accept().expect("somebody");
            boxed(Box::new(one_way(a)), Box::new(b.receiver))
        }
        Mechanism::Udp => {
            let (rx, port) = inet::udp_receiver(0, options).expect("a port");
            let tx = inet::udp_sender(port, options).expect("there");
            boxed(Box::new(tx), Box::new(rx))
        }
        Mechanism::PosixMq => {
            let name = unique("mq");
            posix_mq::create(&name, options).expect("a queue");
            let (tx, rx) =
                (posix_mq::Sender::open(&name).expect("there"), posix_mq::Receiver::open(&name).expect("there"));
            let undo = Cleanup::with(move || posix_mq::remove(&name).expect("there"));
            (Box::new(tx), Box::new(rx), undo)
        }
        Mechanism::SysvMsg => {
            let queue = sysv_msg::Queue::create_private(options).expect("a queue");
            let undo = Cleanup::with(move || queue.remove().expect("there"));
            (Box::new(queue.sender(options)), Box::new(queue.receiver(options)), undo)
        }
        Mechanism::Eventfd => {
            let (tx, rx) = eventfd::pair().expect("descriptors");
            boxed(Box::new(tx), Box::new(rx))
        }
        other => panic!("make a pair of {} here", other.name()),
    }
}

/// The sending half of a stream; the other half of its socket goes.
fn one_way(stream: unix::Stream) -> impl MessageSender {
    stream.sender
}

/// Signals are tried in a process of their own ([`signals`]): they must be blocked in every thread, and a test's threads are not ours.
fn all() -> impl Iterator<Item = Mechanism> {
    Mechanism::ALL.into_iter().filter(|it| *it != Mechanism::Signal)
}

fn carries_bytes(mechanism: &Mechanism) -> bool {
    mechanism.capabilities().boundaries != Boundaries::Count
}

/// The message of a number, whose length and bytes depend on it.
fn message(number: usize, max: usize) -> Vec<u8> {
    let len = [1, 7, 8, 9, 63, 64, 65, 500][number % 8].min(max).max(1);
    (0..len).map(|i| (number * 31 + i * 7) as u8).collect()
}

/// Messages come whole, in order, once, and each apart from the next.
#[test]
fn order_and_boundaries() {
    for mechanism in all().filter(carries_bytes) {
        let (mut tx, mut rx, _undo) = pair(mechanism, &Options::new());
        let mut got = Vec::new();
        let (mut sent, mut received) = (0, 0);
        while received < 2000 {
            while sent < 2000 && sent - received < 40 {
                match tx.try_send(&message(sent, tx.message_bytes_max())) {
                    Ok(()) => sent += 1,
                    Err(SendError::Full) => break,
                    Err(error) => panic!("{}: {error}", mechanism.name()),
                }
            }
            rx.recv(&mut got).unwrap_or_else(|error| panic!("{}: {error}", mechanism.name()));
            assert_eq!(got, message(received, tx.message_bytes_max()), "{}", mechanism.name());
            received += 1;
        }
        assert!(matches!(rx.try_recv(&mut got), Err(RecvError::Empty)), "{}", mechanism.name());
    }
}

/// An empty mechanism says so at once, or when the time is up, and not before.
#[test]
fn empty_says_so() {
    for mechanism in all() {
        let (tx, mut rx, _undo) = pair(mechanism, &Options::new());
        let mut got = vec![1, 2, 3];
        assert!(matches!(rx.try_recv(&mut got), Err(RecvError::Empty)), "{}", mechanism.name());
        let (began, timeout) = (Instant::now(), Duration::from_millis(20));
        assert!(matches!(rx.recv_timeout(&mut got, timeout), Err(RecvError::TimedOut)), "{}", mechanism.name());
        assert!(began.elapsed() >= timeout, "{}", mechanism.name());
        drop(tx);
    }
}

/// A full mechanism says so, loses nothing, and takes more when something was received.
#[test]
fn full_says_so() {
    for mechanism in all().filter(|it| carries_bytes(it) && it.capabilities().is_reliable) {
        let (mut tx, mut rx, _undo) = pair(mechanism, &Options::new().message_bytes_max(4096));
        let mut sent = 0_usize;
        let outcome = loop {
            match tx.try_send(&message(sent, 64)) {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(outcome, SendError::Full), "{}: {outcome}", mechanism.name());
        let late = tx.send_timeout(&message(sent, 64), Duration::from_millis(20));
        assert!(matches!(late, Err(SendError::TimedOut)), "{}", mechanism.name());
        let mut got = Vec::new();
        for number in 0..sent {
            rx.recv(&mut got).unwrap_or_else(|error| panic!("{}: {error}", mechanism.name()));
            assert_eq!(got, message(number, 64), "{}", mechanism.name());
            // What was sent in part goes out now.
            let _ = tx.send_with(&message(usize::MAX, 1), Patience::None).map(|()| ());
            if number == 0 {
                break;
            }
        }
    }
}

/// A message beyond the limit is refused, with the limit, and nothing is sent; one at the limit arrives.
#[test]
fn largest_message() {
    for mechanism in all().filter(carries_bytes) {
        let options = Options::new().message_bytes_max(60_000);
        let (mut tx, mut rx, _undo) = pair(mechanism, &options);
        let max = tx.message_bytes_max();
        let refused = tx.try_send(&vec![1; max + 1]);
        assert!(
            matches!(refused, Err(SendError::TooLarge { max_bytes, .. }) if max_bytes == max),
            "{}: {refused:?}",
            mechanism.name()
        );
        let longest: Vec<u8> = (0..max).map(|i| (i % 251) as u8).collect();
        tx.try_send(&longest).unwrap_or_else(|error| panic!("{}: {error}", mechanism.name()));
        let mut got = Vec::new();
        rx.recv_timeout(&mut got, Duration::from_secs(5))
            .unwrap_or_else(|error| panic!("{}: {error}", mechanism.name()));
        assert!(got == longest, "{}", mechanism.name());
    }
}

/// A message without bytes arrives as such, or is refused; it is never taken for the end.
#[test]
fn empty_message() {
    for mechanism in all() {
        let (mut tx, mut rx, _undo) = pair(mechanism, &Options::new());
        let mut got = vec![9];
        match tx.send(&[]) {
            Ok(()) => {
                rx.recv(&mut got).unwrap_or_else(|error| panic!("{}: {error}", mechanism.name()));
                assert!(got.is_empty(), "{}", mechanism.name());
            }
            Err(SendError::Empty) => assert_eq!(mechanism.capabilities().boundaries, Boundaries::Kept),
            Err(error) => panic!("{}: {error}", mechanism.name()),
        }
    }
}

/// What was sent before the sender went is received first; then the end is told, where the mechanism does.
#[test]
fn end_of_the_sender() {
    for mechanism in all().filter(|it| carries_bytes(it) && it.capabilities().tells_end) {
        let (mut tx, mut rx, _undo) = pair(mechanism, &Options::new());
        tx.send(b"last").expect("room");
        drop(tx);
        let mut got = Vec::new();
        rx.recv(&mut got).unwrap_or_else(|error| panic!("{}: {error}", mechanism.name()));
        assert_eq!(got, b"last");
        for _ in 0..2 {
            assert!(matches!(rx.recv(&mut got), Err(RecvError::Disconnected)), "{}", mechanism.name());
        }
    }
}

/// A receiver that is gone is an error, and no signal.
#[test]
fn end_of_the_receiver() {
    for mechanism in all().filter(|it| carries_bytes(it) && it.capabilities().tells_end) {
        let (mut tx, rx, _undo) = pair(mechanism, &Options::new());
        drop(rx);
        let deadline = Instant::now() + Duration::from_secs(5);
        let told = loop {
            match tx.send_timeout(b"anybody?", Duration::from_secs(1)) {
                // TCP learns of it from the first message that comes back refused.
                Ok(()) => assert!(Instant::now() < deadline, "{}: never told", mechanism.name()),
                Err(error) => break error,
            }
        };
        assert!(matches!(told, SendError::Disconnected), "{}: {told}", mechanism.name());
    }
}

/// Two senders: each one's messages come whole and in its order.
#[test]
fn two_senders() {
    const EACH: u32 = 2000;
    for mechanism in [Mechanism::Pipe, Mechanism::Fifo, Mechanism::PosixMq, Mechanism::SysvMsg] {
        assert_eq!(mechanism.capabilities().senders, Users::Many);
        let options = Options::new().shared(true).message_bytes_max(2000);
        let (mut receiver, senders, _undo) = shared(mechanism, &options);
        let threads: Vec<_> = senders
            .into_iter()
            .enumerate()
            .map(|(who, mut tx)| {
                std::thread::spawn(move || {
                    for number in 0..EACH {
                        let mut message = vec![who as u8; 8 + number as usize % 1500];
                        message[..4].copy_from_slice(&number.to_le_bytes());
                        tx.send(&message).expect("room, in time");
                    }
                })
            })
            .collect();
        let mut next = [0_u32; 2];
        let mut got = Vec::new();
        while next != [EACH; 2] {
            receiver
                .recv_timeout(&mut got, Duration::from_secs(20))
                .unwrap_or_else(|e| panic!("{}: {e}", mechanism.name()));
            let who = usize::from(got[7]);
            let number = u32::from_le_bytes(got[..4].try_into().expect("four"));
            assert!(got[4..].iter().all(|&byte| usize::from(byte) == who), "{}: mixed", mechanism.name());
            // Nobody promises that of datagrams between networks; on one machine none is overtaken.
            if mechanism.capabilities().is_reliable {
                assert_eq!(number, next[who], "{}", mechanism.name());
            }
            next[who] = number + 1;
        }
        threads.into_iter().for_each(|it| it.join().expect("sends"));
    }
}

/// A receiver and two senders to it.
fn shared(mechanism: Mechanism, options: &Options) -> (Receiver, Vec<Sender>, Cleanup) {
    match mechanism {
        Mechanism::Pipe => {
            let (tx, rx) = pipe::pair(options).expect("pipe");
            let fd = tx.fd().expect("has one").try_clone_to_owned().expect("descriptors");
            (Box::new(rx), vec![Box::new(tx), Box::new(pipe::sender_from_fd(fd, options))], Cleanup::none())
        }
        Mechanism::Fifo => {
            let path = std::env::temp_dir().join(unique("fifo"));
            fifo::create(&path, options).expect("fifo");
            let rx = fifo::Receiver::open(&path, options).expect("open");
            let tx = || Box::new(fifo::sender(&path, options).expect("a reader")) as Sender;
            let senders = vec![tx(), tx()];
            (Box::new(rx), senders, Cleanup::with(move || std::fs::remove_file(&path).expect("there")))
        }
        Mechanism::PosixMq => {
            let name = unique("mq");
            posix_mq::create(&name, options).expect("a queue");
            let tx = || Box::new(posix_mq::Sender::open(&name).expect("there")) as Sender;
            let senders = vec![tx(), tx()];
            let rx = posix_mq::Receiver::open(&name).expect("there");
            (Box::new(rx), senders, Cleanup::with(move || posix_mq::remove(&name).expect("there")))
        }
        Mechanism::SysvMsg => {
            let queue = sysv_msg::Queue::create_private(options).expect("a queue");
            let tx = || Box::new(queue.sender(options)) as Sender;
            let senders = vec![tx(), tx()];
            (Box::new(queue.receiver(options)), senders, Cleanup::with(move || queue.remove().expect("there")))
        }
        other => panic!("make two senders of {} here", other.name()),
    }
}

/// The table in the documentation is the one that the code makes.
#[test]
fn documented() {
    let documented = include_str!("../../docs/transports.md");
    assert!(documented.contains(&table()), "docs/transports.md is out of date; its table is now:\n{}", table());
}
