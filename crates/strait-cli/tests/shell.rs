//! `strait send | recv | pub | sub | watch | call`: what goes in comes out, over every mechanism; what stands in the way is said.

mod support;

use rustix::process::Signal;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};
use strait::channel::{broadcast, mpmc, rpc, spsc};
use strait::discovery::Status;
use strait::region::{Place, Region};
use strait::transport::{posix_mq, sysv_msg};
use support::{Directory, Outcome, Running, kill, run};

fn command(args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strait"));
    command.args(args.split_whitespace());
    command
}

fn strait(args: &str, input: impl AsRef<[u8]>) -> Outcome {
    run(&mut command(args), input)
}

/// A name that nobody else has; whatever there is of it is removed at the end.
struct Name(String);

impl Name {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        Self(format!("shell-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed)))
    }

    /// A System V key of its own.
    fn key(&self) -> i32 {
        let hash = self.0.bytes().fold(5381_u32, |hash, byte| hash.wrapping_mul(33) ^ u32::from(byte));
        hash.max(1) as i32
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let _ = Region::remove(Place::posix(&self.0));
        let _ = posix_mq::remove(&format!("/{}", self.0));
        if let Ok(queue) = sysv_msg::Queue::open(self.key()) {
            let _ = queue.remove();
        }
    }
}

/// `1` to `count`, a line each.
fn lines(count: u32) -> String {
    (1..=count).fold(String::new(), |mut text, n| {
        let _ = writeln!(text, "{n}");
        text
    })
}

fn is_good(outcome: &Outcome) {
    assert_eq!((outcome.code, outcome.err.as_str()), (0, ""));
}

/// A thousand lines go in on one side and come out on the other.
fn carries(receiver: &str, sender: &str) {
    let lines = lines(1000);
    let receiving = Running::start(&mut command(&format!("recv {receiver}")));
    let sent = strait(&format!("send {sender} --follow"), &lines);
    assert_eq!((sent.code, sent.err.as_str()), (0, ""), "send {sender}");
    let received = receiving.finish();
    assert_eq!((received.code, received.err.as_str()), (0, ""), "recv {receiver}");
    assert!(received.text() == lines, "recv {receiver}: {} of {} bytes", received.out.len(), lines.len());
}

#[test]
fn channels_carry_lines() {
    let (name, directory) = (Name::new(), Directory::new());
    carries(&format!("{name} --create"), &name.0);
    carries(&format!("{name} --create=mpmc"), &name.0);
    let file = directory.path("channel");
    carries(&format!("file:{file} --create -n 1000"), &format!("file:{file}"));
}

#[test]
fn queues_carry_lines() {
    let name = Name::new();
    carries(&format!("posix-mq:/{name} --create -n 1000"), &format!("posix-mq:/{name}"));
    let key = name.key();
    carries(&format!("sysv-msg:{key} --create -n 1000"), &format!("sysv-msg:{:#x}", key as u32));
    let id = sysv_msg::Queue::open(key).expect("made").id();
    carries(&format!("sysv-msg:id:{id} -n 1000"), &format!("sysv-msg:{key}"));
}

#[test]
fn fifos_carry_lines() {
    let directory = Directory::new();
    let fifo = format!("fifo:{}", directory.path("fifo"));
    carries(&format!("{fifo} --create"), &fifo);
    carries(&format!("{fifo} --framed"), &format!("{fifo} --framed"));
    carries(&format!("{fifo} --follow -n 1000"), &fifo);
}

#[test]
fn sockets_carry_lines() {
    let (name, directory) = (Name::new(), Directory::new());
    let path = directory.path("socket");
    for word in ["unix", "unix-seqpacket"] {
        carries(&format!("{word}:{path}"), &format!("{word}:{path}"));
        carries(&format!("{word}:@{name}"), &format!("{word}:@{name}"));
        // The other way round.
        carries(&format!("{word}:{path} --connect --follow -n 1000"), &format!("{word}:{path} --listen"));
    }
    carries(&format!("unix:{path} --framed"), &format!("unix:{path} --framed"));
    carries(&format!("unix-datagram:{path} -n 1000"), &format!("unix-datagram:{path}"));
}

/// A port that was free a moment ago.
fn port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port()
}

#[test]
fn ports_carry_lines() {
    let port = port();
    carries(&format!("tcp:localhost:{port}"), &format!("tcp:127.0.0.1:{port}"));
    carries(&format!("tcp:{port} --framed"), &format!("tcp:{port} --framed"));
}

/// Datagrams may be lost when they come too fast; those that are waited for are not.
#[test]
fn udp_carries_lines() {
    let port = port();
    let receiving = Running::start(&mut command(&format!("recv udp:{port} -n 3")));
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("bound");
    socket.connect(("127.0.0.1", port)).expect("connected");
    // Until somebody is there: a refusal is told to the next who sends.
    let deadline = Instant::now() + support::LIMIT;
    while socket.send(b"one").is_err() || {
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("set");
        matches!(socket.recv(&mut [0]), Err(e) if e.kind() == std::io::ErrorKind::ConnectionRefused)
    } {
        assert!(Instant::now() < deadline);
    }
    is_good(&strait(&format!("send udp:localhost:{port}"), "two\nthree\n"));
    let received = receiving.finish();
    assert_eq!((received.code, received.text()), (0, "one\ntwo\nthree\n"));
}

/// With --follow the next sender is waited for when one has gone.
#[test]
fn next_sender_is_followed() {
    let (name, directory) = (Name::new(), Directory::new());
    let port = port();
    for (receiver, sender) in [
        (format!("{name} --create"), name.0.clone()),
        (format!("tcp:{port}"), format!("tcp:{port}")),
        (
            format!("unix-seqpacket:{}", directory.path("socket")),
            format!("unix-seqpacket:{}", directory.path("socket")),
        ),
        (format!("fifo:{} --create", directory.path("fifo")), format!("fifo:{}", directory.path("fifo"))),
    ] {
        let receiving = Running::start(&mut command(&format!("recv {receiver} --follow -n 4")));
        is_good(&strait(&format!("send {sender} --follow"), "1\n2\n"));
        is_good(&strait(&format!("send {sender} --follow"), "3\n4\n"));
        let received = receiving.finish();
        assert_eq!((received.code, received.text()), (0, "1\n2\n3\n4\n"), "{receiver}: {}", received.err);
    }
}

/// What other programs write comes out as it is, and what goes in they read.
#[test]
fn streams_are_other_programs_streams() {
    let directory = Directory::new();
    let path = directory.path("fifo");
    let receiving = Running::start(&mut command(&format!("recv fifo:{path} --create")));
    support::until(receiving.child.id(), || std::path::Path::new(&path).exists());
    std::fs::OpenOptions::new().write(true).open(&path).expect("open").write_all(b"hello\nworld").expect("write");
    let received = receiving.finish();
    is_good(&received);
    assert_eq!(received.text(), "hello\nworld\n");

    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listen");
    let port = listener.local_addr().expect("bound").port();
    let sending = Running::start(&mut command(&format!("send tcp:{port}")));
    let (mut connection, _) = listener.accept().expect("accept");
    is_good(&sending.finish_with(b"one\ntwo\n".to_vec()));
    let mut text = String::new();
    connection.read_to_string(&mut text).expect("read");
    assert_eq!(text, "one\ntwo\n");
}

/// Messages with newlines and NULs in them keep their boundaries in the framings that can carry them.
#[test]
fn framings_keep_boundaries() {
    let name = Name::new();
    for (option, input) in
        [("--null", &b"a\nb\0\0c\0"[..]), ("--length-prefixed", b"\x03\0\0\0\n\0x\0\0\0\0\x01\0\0\0y")]
    {
        let receiving = Running::start(&mut command(&format!("recv {name} --create {option}")));
        is_good(&strait(&format!("send {name} {option} --follow"), input));
        assert_eq!(receiving.finish().out, input, "{option}");
    }
    let receiving = Running::start(&mut command(&format!("recv {name} --create --raw")));
    is_good(&strait(&format!("send {name} --raw --follow"), b"\0\n\xff"));
    assert_eq!(receiving.finish().out, b"\0\n\xff");
}

/// A worker that is killed over a message leaves it, and those behind it, to the next.
#[test]
fn worker_killed_and_next_goes_on() {
    let name = Name::new();
    let wide = |n: u32| format!("{n:0200}");
    let input: String = (0..1000).map(|n| wide(n) + "\n").collect();
    is_good(&strait(&format!("send {name} --create=mpmc --restartable"), &input));

    // Nobody reads what it writes: it stands in the middle of a message when the pipe is full.
    let mut first = Running::start(&mut command(&format!("recv {name}")));
    let queue = mpmc::Producer::<[u8]>::open(&name.0, &mpmc::Options::new()).expect("open");
    let stdout = first.child.stdout.take().expect("piped");
    support::until(first.child.id(), || rustix::io::ioctl_fionread(&stdout).expect("a pipe") > 60_000);
    assert!(kill(first.child.id(), Signal::KILL));
    first.wait();
    let mut text = String::new();
    BufReader::new(stdout).read_to_string(&mut text).expect("read");
    let mut seen: BTreeSet<String> =
        text.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(str::to_owned).collect();
    assert!(seen.len() < 1000);

    let left = queue.len();
    let next = strait(&format!("recv {name} -n {left} --timeout 30s"), "");
    is_good(&next);
    seen.extend(next.text().split_inclusive('\n').map(str::to_owned));
    assert_eq!(seen.into_iter().collect::<String>(), input, "a message was lost");
    assert_eq!(queue.len(), 0);
}

/// `| head`: whoever stops reading ends it, while messages come and while none do.
#[test]
fn closed_output_ends_it() {
    let name = Name::new();
    is_good(&strait(&format!("send {name} --create=mpmc --restartable --messages 8192"), lines(8000)));
    // Empty it would go with its last user.
    let _keeper = mpmc::Producer::<[u8]>::open(&name.0, &mpmc::Options::new()).expect("open");
    for count in [8000, 0] {
        let mut receiving = Running::start(&mut command(&format!("recv {name}")));
        if count == 0 {
            is_good(&strait(&format!("send {name}"), "last\n"));
        }
        let mut line = String::new();
        let mut output = BufReader::new(receiving.child.stdout.take().expect("piped"));
        output.read_line(&mut line).expect("read");
        assert!(!line.is_empty());
        if count == 0 {
            // Nothing comes any more.
            while line != "last\n" {
                line.clear();
                output.read_line(&mut line).expect("read");
            }
        }
        drop(output);
        is_good(&receiving.finish());
    }
}

/// Ctrl-C: in good order, with a count, and the other side is told that this one has left.
#[test]
fn interrupted_in_good_order() {
    let name = Name::new();
    let mut sender = spsc::Sender::<[u8]>::create(&name.0, &spsc::Options::new()).expect("create");
    let mut receiving = Running::start(&mut command(&format!("recv {name}")));
    sender.send(b"one").expect("send");
    sender.send(b"two").expect("send");
    let mut output = BufReader::new(receiving.child.stdout.take().expect("piped")).lines();
    for expected in ["one", "two"] {
        assert_eq!(output.next().expect("a line").expect("read"), expected);
    }
    assert!(kill(receiving.child.id(), Signal::INT));
    let ended = receiving.finish();
    assert_eq!((ended.code, ended.err.as_str()), (130, "strait recv: ended by SIGINT; 2 messages received\n"));
    assert_eq!(sender.receiver_state(), strait::channel::PeerState::Left);

    // And one that waits for its input.
    let sending = Running::start(&mut command(&format!("send {name}-x --create --follow")));
    support::until(sending.child.id(), || std::path::Path::new(&format!("/dev/shm/strait.{name}-x")).exists());
    assert!(kill(sending.child.id(), Signal::TERM));
    let mut sending = sending;
    sending.wait();
    let ended = sending.finish();
    assert_eq!((ended.code, ended.err.as_str()), (143, "strait send: ended by SIGTERM; 0 messages sent\n"));
    assert!(!std::path::Path::new(&format!("/dev/shm/strait.{name}-x")).exists());
}

/// Who is killed has not ended what it had to say, and the exit status says so.
#[test]
fn killed_sender_is_told() {
    let name = Name::new();
    let receiving = Running::start(&mut command(&format!("recv {name} --create")));
    let mut sending = Running::start(&mut command(&format!("send {name} --follow")));
    sending.feed(b"one\n");
    // Once it is attached, and not before, there is something to tell.
    let attached = || strait::list(&name.0).is_ok_and(|found| matches!(&found[..], [it] if has_sender(&it.status)));
    support::until(sending.child.id(), attached);
    assert!(kill(sending.child.id(), Signal::KILL));
    let ended = receiving.finish();
    assert_eq!(ended.code, 4, "{}", ended.err);
    assert!(ended.err.contains("has died") && ended.err.contains("received"), "{}", ended.err);
}

fn has_sender(status: &Status) -> bool {
    matches!(status, Status::Channel(channel) if channel.peers.iter().any(|peer| peer.role == "sender"))
}

fn refused(args: &str, code: i32, sayings: &[&str]) {
    let outcome = strait(args, "x\n");
    assert_eq!(outcome.code, code, "{args}: {}", outcome.err);
    for saying in sayings {
        assert!(outcome.err.contains(saying), "{args}: {:?} does not say {saying:?}", outcome.err);
    }
}

#[test]
fn bad_names_are_refused() {
    refused("send a/b", 2, &["file:a/b"]);
    refused("recv posix:/x", 2, &["'posix' is no mechanism", "posix-mq"]);
    refused("recv tcp:example.org:80", 2, &["not this machine"]);
    refused("send sysv-msg:0", 2, &["IPC_PRIVATE"]);
    refused("pub fifo:/tmp/x", 2, &["no channel of strait"]);
    refused("send fifo:/tmp/x --priority 3", 2, &["--priority is of a POSIX queue"]);
    refused("recv posix-mq:/x --framed", 2, &["--framed"]);
    refused("send x --timeout soon", 2, &["500ms"]);
    refused("send x --rate 0/s", 2, &["100/s"]);
}

#[test]
fn missing_channels_are_told() {
    let name = Name::new();
    for verb in ["send", "recv", "pub", "sub"] {
        refused(&format!("{verb} {name}"), 3, &["there is no such channel", "--follow", "--create"]);
    }
    refused(&format!("watch {name}"), 3, &["there is no such channel", "--set"]);
    refused(&format!("call {name} x"), 3, &["there is no such channel", "start the server first"]);
    refused(&format!("recv posix-mq:/{name}"), 3, &["no such file"]);
    refused(&format!("send sysv-msg:{}", name.key()), 3, &["no such file"]);
    refused(&format!("send unix:@{name}"), 3, &["start the other side first"]);
    refused(&format!("send {name} /nonexistent/file --create"), 3, &["read '/nonexistent/file'"]);
    refused(&format!("recv {name} --follow --timeout 50ms"), 1, &["did not come in time"]);
}

/// Only bytes are carried, by the verbs for their kind.
#[test]
fn other_channels_are_refused() {
    let name = Name::new();
    let typed = spsc::Sender::<u64>::create(&name.0, &spsc::Options::new()).expect("create");
    refused(&format!("recv {name}"), 3, &["'u64'", "only bytes"]);
    refused(&format!("watch {name}"), 3, &["'u64'"]);
    drop(typed);
    let bytes = spsc::Sender::<[u8]>::create(&name.0, &spsc::Options::new()).expect("create");
    refused(&format!("sub {name}"), 3, &["kind spsc", "strait recv"]);
    refused(&format!("watch {name}"), 3, &["kind spsc", "strait send"]);
    refused(&format!("recv {name} --create=mpmc"), 3, &["there is one already, of kind spsc"]);
    refused(&format!("send {name} --kind 1"), 2, &["knows no kinds"]);
    drop(bytes);
    std::fs::write(format!("/dev/shm/strait.{name}"), "scribble").expect("write");
    refused(&format!("recv {name}"), 3, &["too few for a channel"]);
}

/// A file is no socket, and nothing is left beside it.
#[test]
fn files_are_no_sockets() {
    let directory = Directory::new();
    let file = directory.write("file", "precious");
    refused(&format!("recv unix:{file}"), 3, &["the path is no socket"]);
    let left: Vec<_> = std::fs::read_dir(&directory).expect("list").flatten().map(|it| it.file_name()).collect();
    assert_eq!(left, ["file"]);
}

/// A channel says its schema itself.
#[test]
fn schema_is_read_off() {
    let name = Name::new();
    let mut sender = spsc::Sender::<[u8]>::create(&name.0, &spsc::Options::new().schema_id(7)).expect("create");
    sender.send(b"hello").expect("send");
    drop(Running::start(&mut command(&format!("recv {name} -n 1"))).finish());
    assert_eq!(sender.receiver_state(), strait::channel::PeerState::Left);
}

#[test]
fn too_long_is_told() {
    let name = Name::new();
    let long = format!("short\n{}\n", "x".repeat(1000));
    for make in [format!("{name} --create=mpmc --restartable"), format!("posix-mq:/{name} --create")] {
        let outcome = strait(&format!("send {make} --message-bytes 100"), &long);
        assert_eq!(outcome.code, 1);
        let says = ["message 2 of standard input", "bytes that fit", "--message-bytes"];
        assert!(says.iter().all(|word| outcome.err.contains(word)), "{make}: {}", outcome.err);
    }
}

/// A queue without room is waited for as long as was said, and what it took is in it.
#[test]
fn full_queue_is_told_in_time() {
    let name = Name::new();
    let mut takes =
        vec![(format!("posix-mq:/{name} --messages 4"), 4), (format!("{name} --messages 8 --restartable"), 8)];
    takes[1].0.push_str(" --create=mpmc");
    takes[0].0.push_str(" --create");
    for (queue, count) in takes {
        let outcome = strait(&format!("send {queue} --timeout 100ms"), lines(20));
        assert_eq!(outcome.code, 1, "{}", outcome.err);
        let says = format!("send message {} to", count + 1);
        assert!(outcome.err.contains(&says) && outcome.err.contains("no room in time"), "{}", outcome.err);
        let address = queue.split(' ').next().unwrap_or_default();
        let received = strait(&format!("recv {address} --timeout 100ms"), "");
        assert_eq!((received.code, received.text()), (0, lines(count).as_str()));
        if count == 4 {
            // The other has gone with its last message.
            refused(&format!("recv {address} --timeout 50ms"), 1, &["no message came for 50ms"]);
        }
    }
}

/// A channel that ends with its sender is not left before its receiver has everything.
#[test]
fn sender_stays_for_the_receiver() {
    let name = Name::new();
    for kind in ["spsc", "mpmc"] {
        refused(
            &format!("send {name} --create={kind} --timeout 100ms"),
            1,
            &["not all of 1 message were received", "--restartable"],
        );
        let sending = Running::start(&mut command(&format!("send {name} --create={kind}")));
        let received = Running::start(&mut command(&format!("recv {name} --follow -n 3")));
        is_good(&sending.finish_with(b"1\n2\n3\n".to_vec()));
        assert_eq!(received.finish().text(), "1\n2\n3\n");
    }
}

#[test]
fn json_says_what_the_mechanism_knows() {
    let name = Name::new();
    let mq = format!("posix-mq:/{name}");
    is_good(&strait(&format!("send {mq} --create --priority 1"), "low\n"));
    is_good(&strait(&format!("send {mq} --priority 9 --raw"), b"hi\xff"));
    let received = strait(&format!("recv {mq} --json -n 2"), "");
    is_good(&received);
    let objects: Vec<serde_json::Value> =
        received.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    // The higher priority first.
    assert_eq!(
        (&objects[0]["base64"], &objects[0]["priority"], &objects[0]["bytes"]),
        (&"aGn/".into(), &9.into(), &3.into())
    );
    assert_eq!((&objects[1]["text"], &objects[1]["priority"]), (&"low".into(), &1.into()));
    assert!(objects[1]["time"].as_str().expect("a time").ends_with('Z'));
    assert!(objects[1].get("kind").is_none());
}

#[test]
fn kinds_are_chosen() {
    let name = Name::new();
    let sysv = format!("sysv-msg:{}", name.key());
    for (address, make) in [(sysv, "--create"), (name.0.clone(), "--create=mpmc --kinds 4 --restartable")] {
        is_good(&strait(&format!("send {address} {make} --kind 3"), "three\n"));
        is_good(&strait(&format!("send {address} --kind 2"), "two\n"));
        let two = strait(&format!("recv {address} --kind 2 -n 1 --json"), "");
        assert!(two.text().contains("\"text\":\"two\"") && two.text().contains("\"kind\":2"), "{}", two.text());
        assert_eq!(strait(&format!("recv {address} -n 1"), "").text(), "three\n");
    }
    is_good(&strait(&format!("send {name} --create=mpmc --kinds 4 --restartable"), "zero\n"));
    refused(&format!("recv {name} --kind 4"), 2, &["has no kind 4"]);
    refused(&format!("send {name} --kind 4"), 2, &["no kind 4"]);
}

/// Everybody gets everything, and who comes late what is kept.
#[test]
fn broadcast_reaches_everybody() {
    let name = Name::new();
    let subscribers: Vec<Running> =
        (0..2).map(|_| Running::start(&mut command(&format!("sub {name} --follow -n 1000")))).collect();
    let options = broadcast::Options::new().capacity(2000).restartable(true);
    let keeper = broadcast::Subscriber::<[u8]>::create(&name.0, &options).expect("create");
    is_good(&strait(&format!("pub {name} --subscribers 3"), lines(1000)));
    for subscriber in subscribers {
        let received = subscriber.finish();
        is_good(&received);
        assert_eq!(received.text(), lines(1000));
    }
    let late = strait(&format!("sub {name} --from-oldest -n 1000"), "");
    assert_eq!(late.text(), lines(1000));
    refused(&format!("recv {name}"), 3, &["kind broadcast", "strait sub"]);
    drop(keeper);
}

#[test]
fn watch_shows_the_latest() {
    let name = Name::new();
    let mut watching = Running::start(&mut command(&format!("watch {name} --follow -n 3")));
    is_good(&strait(&format!("watch {name} --set one --create"), ""));
    let mut output = BufReader::new(watching.child.stdout.take().expect("piped")).lines();
    let mut next = || output.next().expect("a line").expect("read");
    assert_eq!(next(), "one");
    is_good(&strait(&format!("watch {name} --set two"), ""));
    assert_eq!(next(), "two");
    assert_eq!(strait(&format!("watch {name}"), "").text(), "two\n");
    is_good(&strait(&format!("watch {name} --set three"), ""));
    assert_eq!(next(), "three");
    is_good(&watching.finish());
    assert_eq!(strait(&format!("watch {name} --timeout 1s"), "").text(), "three\n");
}

#[test]
fn call_brings_answers() {
    let name = Name::new();
    let place = name.0.clone();
    let serving = std::thread::spawn(move || {
        let server = rpc::Server::<[u8], [u8]>::open_or_create(place, &rpc::Options::new()).expect("open");
        while let Ok(request) = server.recv() {
            match &*request {
                b"end" => return request.answer(b"bye").expect("answer"),
                b"fail" => request.fail(42).expect("answer"),
                text => {
                    let answer = text.to_ascii_uppercase();
                    request.answer(&answer).expect("answer");
                }
            }
        }
    });
    let one = strait(&format!("call {name} hello --follow --timeout 30s"), "");
    // A server that has lost its last client is told so, and this one ends then: another keeps it.
    let client = rpc::Client::<[u8], [u8]>::open_or_create(&name.0, &rpc::Options::new()).expect("open");
    is_good(&one);
    assert_eq!(one.text(), "HELLO\n");
    if serving.is_finished() {
        return;
    }
    let several = strait(&format!("call {name} --timeout 30s"), "a\nb\nc\n");
    assert_eq!((several.code, several.text()), (0, "A\nB\nC\n"), "{}", several.err);
    let failed = strait(&format!("call {name} fail"), "");
    assert!(failed.code == 1 && failed.err.contains("code 42"), "{}", failed.err);
    assert_eq!(strait(&format!("call {name} end"), "").text(), "bye\n");
    serving.join().expect("ended");
    drop(client);
}

/// No faster than was asked for.
#[test]
fn rate_is_kept() {
    let name = Name::new();
    let began = Instant::now();
    is_good(&strait(&format!("send {name} --create --restartable --rate 50/s"), lines(11)));
    assert!(began.elapsed() >= Duration::from_millis(200), "{:?}", began.elapsed());
    let received = strait(&format!("recv {name} -n 11 --timestamps"), "");
    assert!(received.text().lines().all(|line| line.len() > 28 && line.as_bytes()[26] == b'Z'), "{}", received.text());
}

/// Where a program is installed it agrees with what was made for it.
fn agrees(program: &str, args: &[&str], input: &[u8]) {
    let mut command = Command::new(program);
    command.args(args).env("MANWIDTH", "100");
    if command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        println!("{program} is not installed: skipped");
        return;
    }
    let outcome = run(&mut command, input);
    assert_eq!((outcome.code, outcome.err.as_str()), (0, ""), "{program}");
}

#[test]
fn completions_are_scripts() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = strait(&format!("completions {shell}"), "");
        is_good(&script);
        assert!(script.text().contains("recv") && !script.text().contains("sum-worker"), "{shell}");
        match shell {
            "bash" | "zsh" => agrees(shell, &["-n"], &script.out),
            "fish" => agrees(shell, &["--no-execute"], &script.out),
            _ => {}
        }
    }
}

#[test]
fn manual_has_a_page_for_each_verb() {
    let directory = Directory::new();
    is_good(&strait(&format!("man {}", directory.path("man1")), ""));
    let pages: Vec<_> = std::fs::read_dir(directory.path("man1")).expect("made").flatten().collect();
    for verb in ["", "-sum", "-bench", "-send", "-recv", "-pub", "-sub", "-watch", "-call", "-completions", "-man"] {
        let path = directory.path(&format!("man1/strait{verb}.1"));
        let page = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        assert!(page.contains(".SH SYNOPSIS") && !page.contains("sum-worker"), "{path}");
        if !verb.is_empty() {
            assert!(page.contains("Examples"), "{path}");
        }
        agrees("man", &["-l", &path], b"");
        agrees("mandoc", &["-T", "lint", "-W", "error", &path], b"");
    }
    assert!(pages.iter().all(|page| !page.file_name().to_string_lossy().contains("worker")));
    let page = strait("man --page send", "");
    assert!(page.text().contains("strait send"), "{}", page.text());
    refused("man --page nothing", 2, &["no page strait-nothing.1"]);
}
