//! What goes wrong with the classic mechanisms, one test for each trap: stale names, lying lengths, lost descriptors, full limits.

use std::fs::File;
use std::io::Write as _;
use std::num::NonZero;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::time::{Duration, Instant};
use strait::ErrorKind;
use strait::transport::unix::{self, Address, Listener, Packets, Stream};
use strait::transport::{
    MessageReceiver as _, MessageSender as _, Options, Patience, RecvError, SendError, fifo, inet, pipe, posix_mq,
    signal, sysv_msg,
};
use strait_testing::names::Scratch;
use strait_testing::role::Role;
use strait_testing::{LONG, in_time};

const ROLE: &str = env!("CARGO_BIN_EXE_transport_role");

/// The end to read from, and the end to write to, with nothing of strait's.
fn raw_pipe() -> (File, File) {
    let (read_end, write_end) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("pipe");
    (read_end.into(), write_end.into())
}

fn small() -> Options {
    Options::new().message_bytes_max(100)
}

// Lengths

/// A length beyond the limit is a fault, again and again, before any memory is taken for it; an end in the middle of a message is told as such.
#[test]
fn lying_lengths() {
    let received = |bytes: &[u8]| {
        let (read_end, mut write_end) = raw_pipe();
        write_end.write_all(bytes).expect("room");
        drop(write_end);
        let mut rx = pipe::receiver_from_fd(OwnedFd::from(read_end), &small());
        let mut got = Vec::new();
        let outcomes = [rx.recv(&mut got), rx.recv(&mut got)].map(|it| it.expect_err("no message"));
        assert!(got.capacity() <= 128 << 10, "{} bytes were taken", got.capacity());
        outcomes
    };
    for len in [101_u32, 1 << 31, u32::MAX] {
        let outcomes = received(&len.to_le_bytes());
        for outcome in outcomes {
            assert!(matches!(outcome, RecvError::Fault { found, .. } if found == u64::from(len)), "{outcome:?}");
        }
    }
    let [cut, end] = received(&[5, 0, 0]);
    assert!(matches!(cut, RecvError::Cut { arrived_bytes: 3, len_bytes: 4 }), "{cut:?}");
    assert!(matches!(end, RecvError::Disconnected), "{end:?}");
    let [cut, end] = received(&[90, 0, 0, 0, 1, 2]);
    assert!(matches!(cut, RecvError::Cut { arrived_bytes: 2, len_bytes: 90 }), "{cut:?}");
    assert!(matches!(end, RecvError::Disconnected), "{end:?}");
    assert!(matches!(received(&[])[0], RecvError::Disconnected));
}

/// Memory is taken as bytes arrive: who announces a gigabyte and sends a little costs little.
#[test]
fn announced_and_not_sent() {
    let (read_end, mut write_end) = raw_pipe();
    let mut rx = pipe::receiver_from_fd(OwnedFd::from(read_end), &Options::new().message_bytes_max(1 << 30));
    write_end.write_all(&(1_u32 << 30).to_le_bytes()).expect("room");
    write_end.write_all(&[7; 1000]).expect("room");
    let before = resident_kib();
    assert!(matches!(rx.recv_timeout(&mut Vec::new(), Duration::from_millis(20)), Err(RecvError::TimedOut)));
    assert!(resident_kib() < before + 4096, "{before} KiB, then {}", resident_kib());
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
}

/// A packet that is longer than this end's limit is a fault and gone, and the next one is received.
#[test]
fn packets_beyond_the_limit() {
    let (mut a, _) = unix::seqpacket_pair(&Options::new()).expect("sockets");
    let (mut tx, fd) = {
        let (ours, theirs) = std::os::unix::net::UnixDatagram::pair().expect("sockets");
        (Packets::datagrams_from_fd(ours.into(), &Options::new()).expect("a socket").sender, theirs)
    };
    let mut rx = Packets::datagrams_from_fd(fd.into(), &small()).expect("a socket").receiver;
    tx.send(&[1; 101]).expect("room");
    tx.send(&[2; 100]).expect("room");
    let mut got = Vec::new();
    let fault = rx.recv(&mut got).expect_err("too long");
    assert!(matches!(fault, RecvError::Fault { found: 101, .. }), "{fault:?}");
    rx.recv(&mut got).expect("the next");
    assert_eq!(got, [2; 100]);
    // What the kernel has no room for is refused with the limit that it has.
    let refused = a.sender.try_send(&vec![0; 1 << 20]).expect_err("beyond the socket's buffer");
    assert!(matches!(refused, SendError::TooLarge { max_bytes, .. } if max_bytes < 1 << 20), "{refused:?}");
}

/// A descriptor that another program has set not to block is waited for all the same, without spinning.
#[test]
fn descriptor_set_not_to_block() {
    let (read_end, write_end) = raw_pipe();
    rustix::io::ioctl_fionbio(&read_end, true).expect("set");
    let mut rx = pipe::receiver_from_fd(read_end.into(), &small());
    let mut tx = pipe::sender_from_fd(write_end.into(), &small());
    let receiver = std::thread::spawn(move || {
        let cpu = || rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        let before = cpu();
        let mut got = Vec::new();
        rx.recv(&mut got).expect("a message");
        let after = cpu();
        (after.tv_sec - before.tv_sec) * 1_000_000_000 + (after.tv_nsec - before.tv_nsec)
    });
    std::thread::sleep(Duration::from_millis(50));
    tx.send(b"now").expect("room");
    let nanos = receiver.join().expect("receives");
    assert!(nanos < 10_000_000, "{nanos} ns of processor time");
}

// Names

/// A path that a killed listener left is taken over by the next; one that a living one has is busy, its own or a stranger's.
#[test]
fn stale_socket_path() {
    let scratch = Scratch::new("stale");
    let path = scratch.path("socket");
    let bind = || Listener::<Stream>::bind(path.as_path(), &Options::new());
    for _ in 0..2 {
        let mut owner = Role::ready(ROLE, &["listen", path.to_str().expect("UTF-8")]);
        assert_eq!(bind().expect_err("it lives").kind(), ErrorKind::Busy);
        unix::connect::<Stream>(path.as_path(), &Options::new()).expect("it listens");
        owner.kill();
        assert!(path.exists(), "it was killed");
        let refused = unix::connect::<Stream>(path.as_path(), &Options::new()).expect_err("nobody is there");
        assert_eq!(refused.kind(), ErrorKind::NotFound);
    }
    drop(bind().expect("it is provably dead"));
    assert!(!path.exists(), "who leaves takes the path along");
    let stranger = std::os::unix::net::UnixListener::bind(&path).expect("free");
    assert_eq!(bind().expect_err("a stranger has it").kind(), ErrorKind::Busy);
    drop(stranger);
    drop(bind().expect("the stranger is dead"));
    std::fs::write(&path, "precious").expect("a file");
    assert_eq!(bind().expect_err("no socket").kind(), ErrorKind::Incompatible);
    assert_eq!(std::fs::read(&path).expect("there"), b"precious");
}

/// Names are checked for their length; abstract ones leave nothing behind; the mode is the one asked for.
#[test]
fn socket_names() {
    use std::os::unix::fs::PermissionsExt as _;
    let long = Address::Abstract("x".repeat(108));
    assert_eq!(Listener::<Packets>::bind(long, &Options::new()).expect_err("long").kind(), ErrorKind::Usage);
    let none = Address::Abstract(String::new());
    assert_eq!(unix::datagram_receiver(none, &Options::new()).expect_err("empty").kind(), ErrorKind::Usage);
    let name = Address::Abstract(format!("t-names-{}", std::process::id()));
    let listener = Listener::<Packets>::bind(name.clone(), &Options::new()).expect("free");
    assert_eq!(Listener::<Packets>::bind(name.clone(), &Options::new()).expect_err("taken").kind(), ErrorKind::Busy);
    let mut client = unix::connect::<Packets>(name.clone(), &Options::new()).expect("it listens");
    let mut server = listener.accept().expect("a client");
    assert_eq!(server.peer().expect("a peer").pid, std::process::id());
    client.sender.send(b"to").expect("room");
    let mut got = Vec::new();
    server.receiver.recv(&mut got).expect("there");
    assert_eq!(got, b"to");
    assert!(listener.accept_with(Patience::None).expect("asked").is_none());
    drop(listener);
    Listener::<Stream>::bind(name, &Options::new()).expect("free again");
    let scratch = Scratch::new("mode");
    let path = scratch.path("socket");
    let _listener = Listener::<Stream>::bind(path.as_path(), &Options::new().mode(0o620)).expect("free");
    assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o620);
}

/// Strangers send datagrams to a path; the kernel says who, and their descriptors arrive with the message they came with.
#[test]
fn datagrams_with_credentials_and_descriptors() {
    let scratch = Scratch::new("datagrams");
    let path = scratch.path("socket");
    assert_eq!(unix::datagram_sender(path.as_path(), &Options::new()).expect_err("nobody").kind(), ErrorKind::NotFound);
    let mut rx = unix::datagram_receiver(path.as_path(), &Options::new()).expect("free");
    rx.ask_for_sender().expect("a Unix socket");
    let mut tx = unix::datagram_sender(path.as_path(), &Options::new()).expect("it is there");
    let (read_end, mut write_end) = raw_pipe();
    tx.send(b"without").expect("room");
    tx.send_fds(b"with", &[read_end.as_fd()], Patience::None).expect("room");
    let mut got = Vec::new();
    let first = rx.recv_from(&mut got, Patience::None).expect("there");
    assert_eq!((got.as_slice(), first.fds.len()), (&b"without"[..], 0));
    assert_eq!(first.from.map(|it| it.pid), Some(std::process::id()));
    let mut second = rx.recv_from(&mut got, Patience::None).expect("there");
    assert_eq!((got.as_slice(), second.fds.len()), (&b"with"[..], 1));
    write_end.write_all(&[2, 0, 0, 0, b'o', b'k']).expect("room");
    let mut passed = pipe::receiver_from_fd(second.fds.remove(0), &small());
    passed.recv(&mut got).expect("the same pipe");
    assert_eq!(got, b"ok");
    drop(rx);
    assert!(matches!(tx.send(b"anybody?"), Err(SendError::Disconnected)));
    let (mut pipe_tx, _rx) = pipe::packet_pair(&Options::new()).expect("pipe");
    let refused = pipe_tx.send_fds(b"x", &[read_end.as_fd()], Patience::None).expect_err("a pipe");
    assert!(matches!(refused, SendError::Failed(error) if error.kind() == ErrorKind::Usage));
}

/// Descriptors that this process has no room for are an error, and those that did arrive are closed.
#[test]
fn descriptors_cut_off() {
    let test = "descriptors_cut_off";
    // In a process of its own: the limit is the process's.
    if std::env::var_os("STRAIT_TEST_ALONE").is_none() {
        let program = std::env::current_exe().expect("this test");
        let mut alone = std::process::Command::new(program);
        let status = alone.args(["--exact", test]).env("STRAIT_TEST_ALONE", "1").status().expect("start");
        assert!(status.success());
        return;
    }
    let (mut a, mut b) = unix::seqpacket_pair(&Options::new()).expect("sockets");
    let here = std::io::stdin();
    a.sender.send_fds(b"x", &[here.as_fd(), here.as_fd(), here.as_fd()], Patience::None).expect("room");
    a.sender.send(b"next").expect("room");
    let open = || std::fs::read_dir("/proc/self/fd").expect("/proc").count();
    let before = open();
    // Room for one of the three.
    let free = here.as_fd().try_clone_to_owned().expect("room").as_raw_fd();
    let old = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let tight = u64::try_from(free).ok().map(|free| free + 1);
    rustix::process::setrlimit(
        rustix::process::Resource::Nofile,
        rustix::process::Rlimit { current: tight, maximum: old.maximum },
    )
    .expect("lower");
    let mut got = Vec::new();
    let lost = b.receiver.recv_from(&mut got, Patience::None);
    rustix::process::setrlimit(rustix::process::Resource::Nofile, old).expect("as before");
    assert!(matches!(lost, Err(RecvError::LostDescriptors)), "{lost:?}");
    assert_eq!(open(), before);
    b.receiver.recv(&mut got).expect("the next");
    assert_eq!(got, b"next");
}

// FIFOs

/// Opening a FIFO never blocks: that nobody reads is said, at once or when the time is up, and a reader who comes is noticed.
#[test]
fn fifo_without_a_reader() {
    let scratch = Scratch::new("fifo");
    let path = scratch.path("fifo");
    assert_eq!(fifo::sender(&path, &small()).expect_err("no file").kind(), ErrorKind::NotFound);
    fifo::create(&path, &small().mode(0o622)).expect("free");
    assert_eq!(fifo::create(&path, &small()).expect_err("there").kind(), ErrorKind::AlreadyExists);
    let nobody = fifo::sender(&path, &small()).expect_err("nobody reads");
    assert_eq!(nobody.kind(), ErrorKind::NotFound);
    assert!(nobody.to_string().contains("start the receiver first"), "{nobody}");
    let began = Instant::now();
    let late = fifo::sender_timeout(&path, &small(), Duration::from_millis(20)).expect_err("nobody reads");
    assert_eq!(late.kind(), ErrorKind::TimedOut);
    assert!(began.elapsed() >= Duration::from_millis(20));
    let waiting = {
        let path = path.clone();
        std::thread::spawn(move || fifo::sender_timeout(&path, &small(), LONG).map(|mut tx| tx.send(b"hello")))
    };
    let mut rx = fifo::Receiver::open(&path, &small()).expect("at once");
    let mut got = Vec::new();
    rx.recv_timeout(&mut got, LONG).expect("somebody came");
    assert_eq!(got, b"hello");
    waiting.join().expect("no panic").expect("opened").expect("sent");
    assert!(matches!(rx.recv(&mut got), Err(RecvError::Disconnected)));
    std::fs::remove_file(&path).expect("there");
    std::fs::write(&path, "precious").expect("a file");
    assert_eq!(fifo::Receiver::open(&path, &small()).expect_err("a file").kind(), ErrorKind::Incompatible);
    assert_eq!(fifo::sender(&path, &small()).expect_err("a file").kind(), ErrorKind::Incompatible);
}

/// A server that stays receives from many clients, killed ones too, and is never told an end; each message is whole.
#[test]
fn fifo_server_with_many_clients() {
    let scratch = Scratch::new("server");
    let path = scratch.path("fifo");
    fifo::create(&path, &Options::new()).expect("free");
    let mut rx = fifo::Receiver::open(&path, &Options::new()).expect("at once").stay().expect("ours");
    let mut got = Vec::new();
    for round in 0..3 {
        let mut clients: Vec<Role> =
            (0..4).map(|_| Role::ready(ROLE, &["fifo", path.to_str().expect("UTF-8")])).collect();
        for (who, client) in clients.iter_mut().enumerate() {
            client.expect_after(&format!("who {who}"), "ok");
            client.expect_after("stream", "streaming");
        }
        let mut next = [0; 4];
        for count in 0..2000 {
            if count == 1000 {
                clients[round].kill();
            }
            rx.recv_timeout(&mut got, LONG).expect("they stream");
            let (who, number) = (strait_testing::message::who_of(&got), strait_testing::message::number_of(&got));
            assert_eq!(got, strait_testing::message::message(who, number, 4092), "mixed");
            assert_eq!(number, next[usize::from(who)]);
            next[usize::from(who)] += 1;
        }
        drop(clients);
        while rx.try_recv(&mut got).is_ok() {}
        assert!(matches!(rx.try_recv(&mut got), Err(RecvError::Empty)), "no end");
    }
}

// TCP

/// A server that closed first is succeeded at its port at once, though the connection lingers there.
#[test]
fn tcp_port_lingers() {
    let options = Options::new();
    let listener = inet::TcpListener::bind(0, &options).expect("a port");
    let port = listener.port();
    let client = inet::tcp_connect(port, &options).expect("it listens");
    let served = listener.accept().expect("it connects");
    drop((listener, served));
    drop(client);
    inet::TcpListener::bind(port, &options).expect("nobody listens there");
}

/// A port that nobody listens at is refused, and never answered by the socket that asked.
#[test]
fn tcp_to_nobody() {
    let free = inet::TcpListener::bind(0, &Options::new()).expect("a port").port();
    for _ in 0..200 {
        assert_eq!(inet::tcp_connect(free, &Options::new()).expect_err("nobody").kind(), ErrorKind::NotFound);
    }
    let listener = inet::TcpListener::bind(0, &Options::new()).expect("a port");
    let taken = inet::TcpListener::bind(listener.port(), &Options::new()).expect_err("taken");
    assert_eq!(taken.kind(), ErrorKind::Busy);
    assert!(listener.accept_with(Patience::None).expect("asked").is_none());
}

// POSIX queues

/// Limits are read first: the error says which one, and how it is raised.
#[test]
fn queue_limits() {
    let (messages, _) = posix_mq::limits();
    let name = format!("t-limits-{}", std::process::id());
    let beyond = posix_mq::create(&name, &small().messages_max(messages + 1)).expect_err("too many");
    assert_eq!(beyond.kind(), ErrorKind::NoSpace);
    assert!(beyond.to_string().contains("/proc/sys/fs/mqueue/msg_max"), "{beyond}");
    for bad in ["", "/", "a/b", "zero\0"] {
        assert_eq!(posix_mq::create(bad, &small()).expect_err("a bad name").kind(), ErrorKind::Usage, "{bad:?}");
    }
    assert_eq!(posix_mq::Sender::open(&name).expect_err("not made").kind(), ErrorKind::NotFound);
    // All of a user's queues together: 800 KiB as a rule.
    let largest = Options::new().message_bytes_max(8192).messages_max(10);
    let mut made = 0;
    let refused = loop {
        match posix_mq::create(&format!("{name}-{made}"), &largest) {
            Ok(()) if made < 100_000 => made += 1,
            Ok(()) => break None,
            Err(error) => break Some(error),
        }
    };
    for number in 0..made {
        posix_mq::remove(&format!("{name}-{number}")).expect("made");
    }
    let refused = refused.expect("a limit");
    assert_eq!(refused.kind(), ErrorKind::NoSpace, "{refused}");
    assert!(refused.to_string().contains("ulimit -q") || refused.to_string().contains("queues_max"), "{refused}");
}

/// The highest priority is received first; who waits for the queue to fill is sent a signal.
#[test]
fn queue_priorities() {
    let name = format!("t-priorities-{}", std::process::id());
    posix_mq::create(&name, &small()).expect("free");
    let mut tx = posix_mq::Sender::open(&name).expect("there");
    let mut rx = posix_mq::Receiver::open(&name).expect("there");
    posix_mq::remove(&name).expect("there");
    for (text, priority) in [("low", 0), ("high", 32_767), ("mid", 5)] {
        tx.send_priority(text.as_bytes(), priority, Patience::None).expect("room");
    }
    assert_eq!(tx.len().expect("open"), 3);
    let mut got = Vec::new();
    for (text, priority) in [("high", 32_767), ("mid", 5), ("low", 0)] {
        assert_eq!(rx.recv_priority(&mut got, Patience::None).expect("there"), priority);
        assert_eq!(got, text.as_bytes());
    }
    let refused = tx.send_priority(b"x", 32_768, Patience::None).expect_err("no such priority");
    assert!(matches!(refused, SendError::Failed(error) if error.kind() == ErrorKind::Usage));
    // One that is ignored unless somebody asks for it.
    rx.notify(Some(libc::SIGURG)).expect("nobody has asked");
    assert_eq!(rx.notify(Some(libc::SIGURG)).expect_err("once").kind(), ErrorKind::Busy);
    rx.notify(None).expect("taken back");
    assert_eq!(rx.notify(Some(9999)).expect_err("no such signal").kind(), ErrorKind::Usage);
}

/// Who has asked for a signal is sent it when a message comes to the empty queue, once, and another process may ask then.
#[test]
fn queue_sends_a_signal() {
    let (name, number) = (format!("t-notify-{}", std::process::id()), signal_number().to_string());
    posix_mq::create(&name, &small()).expect("a queue");
    let mut rx = posix_mq::Receiver::open(&name).expect("there");
    let mut tx = posix_mq::Sender::open(&name).expect("there");
    let mut asked = Role::ready(ROLE, &["asked", &number, &name]);
    // All have it open.
    posix_mq::remove(&name).expect("made");
    let refused = rx.notify(Some(libc::SIGURG)).expect_err("the other has asked");
    assert_eq!(refused.kind(), ErrorKind::Busy);
    asked.expect_after("block", "blocking");
    tx.try_send(b"x").expect("room");
    // It is sent by the kernel, and so no message.
    let answer = asked.answer();
    assert!(answer.contains("impossible value of a signal"), "{answer}");
    assert_eq!(rx.recv(&mut Vec::new()).map_err(|e| e.to_string()), Ok(()));
    rx.notify(Some(libc::SIGURG)).expect("it was sent its signal");
    rx.notify(None).expect("taken back");
    tx.try_send(b"y").expect("room");
    asked.expect_after("block-for 20", "blocking");
    asked.expect("TimedOut true");
}

// System V queues

fn kind(number: u32) -> NonZero<u32> {
    NonZero::new(number).expect("above zero")
}

/// Messages are chosen by type; one that is longer than this end allows stays for another.
#[test]
fn types_of_messages() {
    use sysv_msg::{Queue, Select};
    let queue = Queue::create_private(&small()).expect("a queue");
    let mut tx = queue.sender(&small()).expect("there");
    let mut rx = queue.receiver(&small().message_bytes_max(10)).expect("there");
    for (number, text) in [(3, "three"), (1, "one"), (2, "two"), (7, "longer than ten")] {
        tx.send_type(kind(number), text.as_bytes(), Patience::None).expect("room");
    }
    let mut got = Vec::new();
    let mut take = |select| rx.recv_select(select, &mut got, Patience::None);
    assert_eq!(take(Select::Type(kind(2))).expect("there"), 2);
    assert_eq!(take(Select::Except(kind(3))).expect("there"), 1);
    assert_eq!(take(Select::LowestUpTo(kind(u32::MAX))).expect("there"), 3);
    assert!(matches!(take(Select::Any), Err(RecvError::Fault { .. })));
    assert!(matches!(take(Select::Type(kind(2))), Err(RecvError::Empty)));
    let mut other = queue.receiver(&small()).expect("there");
    assert_eq!(other.recv_select(Select::Any, &mut got, Patience::None).expect("it stayed"), 7);
    assert_eq!(queue.state().expect("there").messages, 0);
    queue.remove().expect("there");
    assert_eq!(queue.state().expect_err("removed").kind(), ErrorKind::NotFound);
    assert!(matches!(tx.send(b"x"), Err(SendError::Disconnected)));
}

/// A queue that is removed ends the wait of whoever waits there; one whose key is taken is not made again.
#[test]
fn removed_while_waiting() {
    use sysv_msg::Queue;
    let key = strait_testing::names::sysv_key();
    let queue = Queue::create(key, &small()).expect("free");
    assert_eq!(Queue::create(key, &small()).expect_err("taken").kind(), ErrorKind::AlreadyExists);
    assert_eq!(Queue::open(key).expect("there"), queue);
    let mut rx = queue.receiver(&small()).expect("there");
    let waiting = std::thread::spawn(move || rx.recv(&mut Vec::new()));
    std::thread::sleep(Duration::from_millis(20));
    queue.remove().expect("there");
    let outcome = in_time("a removed queue", move || waiting.join().expect("no panic"));
    assert!(matches!(outcome, Err(RecvError::Disconnected)), "{outcome:?}");
    assert_eq!(Queue::open(key).expect_err("removed").kind(), ErrorKind::NotFound);
}

// Signals

/// Values arrive in order, whole; what is no message is a fault; a process that is gone is said to be.
#[test]
fn signals_with_values() {
    let number = signal_number();
    let mut rx = Role::ready(ROLE, &["signals", &number.to_string()]);
    let mut tx = signal::Sender::new(rx.pid(), number).expect("it is there");
    for burst in 0..20 {
        for message in burst * 12..burst * 12 + 12 {
            tx.send(&strait_testing::message::message(0, message, 7)).expect("room");
        }
        rx.expect_after("recv 12", "got");
    }
    assert!(matches!(tx.send(&[0; 8]), Err(SendError::TooLarge { max_bytes: 7, .. })));
    rx.expect_after("block", "blocking");
    rx.signal(number);
    assert!(rx.answer().contains("impossible value of a signal"));
    rx.expect_after("block-for 20", "blocking");
    rx.expect("TimedOut true");
    rx.kill();
    assert!(matches!(tx.send(b"x"), Err(SendError::Disconnected)));
    assert_eq!(signal::Sender::new(rx.pid(), 1).expect_err("no real-time signal").kind(), ErrorKind::Usage);
    assert_eq!(signal::Sender::new(0, number).expect_err("no process").kind(), ErrorKind::Usage);
    assert_eq!(signal::Sender::new(i32::MAX as u32, number).expect_err("nobody").kind(), ErrorKind::NotFound);
}

/// When as many signals are pending as the receiver's limit allows, the sender is told, waits, and goes on when there is room.
#[test]
fn signals_pending_to_the_limit() {
    let number = signal_number();
    let mut rx = Role::ready(ROLE, &["signals", &number.to_string()]);
    // Root's own signals are limited too.
    let limit = rustix::process::Rlimit { current: Some(50), maximum: Some(50) };
    let pid = rustix::process::Pid::from_raw(rx.pid() as i32);
    rustix::process::prlimit(pid, rustix::process::Resource::Sigpending, limit).expect("lower");
    let mut tx = signal::Sender::new(rx.pid(), number).expect("it is there");
    let mut sent = 0;
    let refused = loop {
        match tx.try_send(&strait_testing::message::message(0, sent, 7)) {
            Ok(()) if sent < 1000 => sent += 1,
            Ok(()) => panic!("no limit"),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, SendError::Full), "{refused:?}");
    let late = tx.send_timeout(b"x", Duration::from_millis(20));
    assert!(matches!(late, Err(SendError::TimedOut)), "{late:?}");
    rx.expect_after(&format!("recv {sent}"), "got");
    tx.send_timeout(&strait_testing::message::message(0, sent, 7), LONG).expect("room");
    rx.expect_after("recv 1", "got");
}

/// A real-time signal that the C library does not keep for itself.
fn signal_number() -> i32 {
    libc::SIGRTMIN() + 3
}
