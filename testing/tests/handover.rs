//! Channels without a name that go to another process over a Unix socket.

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use strait::ErrorKind;
use strait::channel::{spsc, watch};
use strait::process::{Credentials, recv_fd, send_fd};
use strait::region::Place;
use strait_testing::is_root;
use strait_testing::names::Scratch;
use strait_testing::role::Role;

const ROLE: &str = env!("CARGO_BIN_EXE_role");

/// A socket that anybody may connect to.
fn listen(path: &Path) -> UnixListener {
    let listener = UnixListener::bind(path).expect("bind");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666)).expect("open it to all");
    listener
}

/// Sends `fd` to whoever connects; says who that is.
fn pass_on(listener: &UnixListener, fd: Option<BorrowedFd<'_>>, label: &str) -> Credentials {
    let (socket, _) = listener.accept().expect("somebody connects");
    send_fd(&socket, fd.expect("a memfd has one"), label).expect("room");
    Credentials::of(&socket).expect("connected")
}

/// Either end of a channel goes to a process that is no child of its maker's, which is known by its credentials.
#[test]
fn ends_go_over_a_socket() {
    let scratch = Scratch::new("pass");
    let path = scratch.path("socket");
    let (listener, at) = (listen(&path), format!("socket:{}", path.display()));
    let me = rustix::process::geteuid().as_raw();

    let mut tx = watch::Writer::<[u64; 8]>::create(Place::memfd("state"), &watch::Options::new()).expect("create");
    let mut reader = Role::start(ROLE, &["watch-reader", "open", &at]);
    let who = pass_on(&listener, tx.fd(), "state");
    assert_eq!((who.pid, who.uid), (reader.pid(), me));
    reader.expect(&format!("got 'state' of user {me}"));
    reader.expect("ok");
    reader.expect_after("block", "blocking");
    tx.send(&[3; 8]).expect("sent");
    reader.expect("got 3");

    let options = spsc::Options::new().capacity_bytes(4096);
    let mut rx = spsc::Receiver::<u64>::create(Place::memfd("jobs"), &options).expect("create");
    let mut sender = Role::start(ROLE, &["sender", "open", &at]);
    pass_on(&listener, rx.fd(), "jobs");
    sender.expect(&format!("got 'jobs' of user {me}"));
    sender.expect("ok");
    sender.expect_after("send 0 3", "sent");
    assert_eq!([rx.recv(), rx.recv(), rx.recv()], [Ok(0), Ok(1), Ok(2)]);
    sender.kill();
    assert_eq!(rx.recv(), Err(strait::channel::RecvError::Disconnected(strait::channel::Cause::Died)));
}

/// A process of another user takes an end of a channel whose mode lets it, and observes any that it is given.
#[test]
fn ends_go_to_another_user() {
    if !is_root("ends_go_to_another_user") {
        return;
    }
    let scratch = Scratch::new("users");
    let path = scratch.path("socket");
    let (listener, at) = (listen(&path), format!("socket:{}", path.display()));
    let as_nobody = |rest: &[&str]| Role::start(ROLE, &[&["as-user", "65534"], rest].concat());
    for (mode, part, answer) in
        [(0o666, "watch-reader", "ok"), (0o600, "watch-observer", "ok"), (0o600, "watch-reader", "error Permission:")]
    {
        let options = watch::Options::new().mode(mode);
        let mut tx = watch::Writer::<[u64; 8]>::create(Place::memfd("state"), &options).expect("create");
        tx.send(&[9; 8]).expect("sent");
        let mut other = as_nobody(&[part, "open", &at, "owner=0"]);
        let who = pass_on(&listener, tx.fd(), "state");
        assert_eq!((who.pid, who.uid), (other.pid(), 65534));
        other.expect("got 'state' of user 0");
        let said = other.answer();
        assert!(said.starts_with(answer), "{mode:o}, {part}: {said}");
        if said == "ok" {
            assert_eq!(other.ask("get"), "got 9");
        }
    }
}

/// Several descriptors at once are refused, and none of them stays open.
#[test]
fn several_at_once_are_closed() {
    for count in [2, 3, 8] {
        let (here, there) = UnixStream::pair().expect("a pair");
        // Readable to its end as soon as nobody holds the other side.
        let (held, passed) = UnixStream::pair().expect("a pair");
        let fds = vec![passed.as_fd(); count];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        sendmsg(&here, &[IoSlice::new(b"\x01x")], &mut control, SendFlags::empty()).expect("room");
        drop(fds);
        assert_eq!(recv_fd(&there).expect_err("several").kind(), ErrorKind::Damaged, "{count}");
        drop(passed);
        held.set_nonblocking(true).expect("set");
        let end = std::io::Read::read(&mut &held, &mut [0]).expect("its end, for nobody holds the other side");
        assert_eq!(end, 0);
    }
}
