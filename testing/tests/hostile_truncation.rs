//! Memory that is cut short or grown while it is mapped: refused by the kernel for a memfd; for a named object and a file as the trust in
//! one's own user has it.

use std::fs::{self, File, OpenOptions};
use std::os::fd::AsFd as _;
use strait::ErrorKind;
use strait::channel::spsc::{Options, Receiver, Sender};
use strait::region::{self, Place, Region};
use strait_testing::is_root;
use strait_testing::names::{Name, Scratch};
use strait_testing::role::Role;

const ROLE: &str = env!("CARGO_BIN_EXE_role");

/// Nobody cuts a memfd short or makes it longer, by whatever descriptor: the kernel refuses, and the channel goes on.
#[test]
fn memfd_keeps_its_size() {
    let (mut tx, mut rx) = strait::channel::spsc::pair::<u64>(&Options::new()).expect("memory");
    let fd = tx.fd().expect("has one").try_clone_to_owned().expect("a descriptor");
    let again = OpenOptions::new().write(true).open(strait_testing_path(&fd)).expect("open again");
    let whole = again.metadata().expect("stat").len();
    for file in [&File::from(fd), &again] {
        for len in [0, 4096, whole - 1, whole + 1, whole * 2] {
            let refused = file.set_len(len).expect_err("sealed");
            assert_eq!(refused.raw_os_error(), Some(libc::EPERM), "{len}: {refused}");
        }
        assert!(rustix::fs::fcntl_add_seals(file.as_fd(), rustix::fs::SealFlags::WRITE).is_err());
    }
    tx.send(&7).expect("room");
    assert_eq!(rx.recv(), Ok(7));
}

fn strait_testing_path(fd: &std::os::fd::OwnedFd) -> String {
    use std::os::fd::AsRawFd as _;
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// A hole that is punched into a memfd reads as zeroes: messages are lost, no signal comes.
#[test]
fn hole_in_a_memfd_is_zeroes() {
    let (mut tx, mut rx) = strait::channel::spsc::pair::<u64>(&Options::new()).expect("memory");
    tx.send(&7).expect("room");
    let fd = tx.fd().expect("has one");
    let flags = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(fd, flags, 0, 1 << 20).expect("punch");
    let short = std::time::Duration::from_millis(5);
    let _ = (rx.recv_timeout(short), tx.send_timeout(&8, short), rx.recv_timeout(short), tx.receiver_state());
}

/// A named object or a file that its own user makes longer works on; who comes later is told what does not fit.
#[test]
fn grown_while_mapped() {
    let (name, scratch) = (Name::new("grown"), Scratch::new("grown"));
    for (place, path) in [(Place::posix(name.as_str()), name.path()), (scratch.path("f").into(), scratch.path("f"))] {
        let mut tx = Sender::<u64>::create(&place, &Options::new()).expect("create");
        let mut rx = Receiver::<u64>::open(&place, &Options::new()).expect("open");
        let whole = fs::metadata(&path).expect("stat").len();
        OpenOptions::new().write(true).open(&path).expect("open").set_len(whole * 2).expect("grow");
        tx.send(&7).expect("room");
        assert_eq!(rx.recv(), Ok(7));
        let error = Receiver::<u64>::open(&place, &Options::new()).expect_err("taken, and of another size");
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
        assert!(error.to_string().contains(&whole.to_string()), "{error}");
    }
}

/// A named object that its own user cuts short is the end of those who touch what is gone: the kernel says so by `SIGBUS`, and a library
/// installs no handler. That is what the trust in one's own user is about. Who comes later is told, and nothing stays behind.
#[test]
fn cut_short_by_its_own_user() {
    let name = Name::new("cut");
    let place = format!("posix:{}", name.as_str());
    for len in [0, 4096] {
        let mut tx = Role::ready(ROLE, &["sender", "create", &place]);
        OpenOptions::new().write(true).open(name.path()).expect("open").set_len(len).expect("cut");
        tx.tell("send 0 1");
        let said = tx.answer();
        assert!(said.contains("SIGBUS"), "{len}: {said}");
        let error = Receiver::<u64>::open(name.as_str(), &Options::new()).expect_err("cut");
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
        Region::remove(name.as_str()).expect("remove");
    }
}

/// What others may write, they may cut short: it is refused, though it is one's own, until the caller names who is trusted.
#[test]
fn writable_by_others_is_refused() {
    let name = Name::new("open");
    let uid = rustix::process::geteuid().as_raw();
    for mode in [0o622, 0o606, 0o666, 0o620] {
        let region = Region::create(name.as_str(), 4096, &region::Options::new().mode(mode)).expect("create");
        let error = Region::open(name.as_str(), &region::Options::new()).expect_err("others may write");
        assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
        for word in ["lets other users write", "Options::owner", &format!("{mode:o}")] {
            assert!(error.to_string().contains(word), "{word}: {error}");
        }
        let file = File::open(name.path()).expect("open");
        let options = region::Options::new().read_only(true);
        assert_eq!(Region::from_fd(file.into(), &options).expect_err("the same").kind(), ErrorKind::Permission);
        assert!(Region::open(name.as_str(), &region::Options::new().owner(uid)).is_ok());
        drop(region);
        Region::remove(name.as_str()).expect("remove");
    }
    let region = Region::create(name.as_str(), 4096, &region::Options::new().mode(0o644)).expect("create");
    assert!(Region::open(name.as_str(), &region::Options::new()).is_ok(), "reading is harmless");
    drop(region);
    Region::remove(name.as_str()).expect("remove");
}

/// Memory that another user may write is copied and not lent, whoever asks.
#[test]
fn not_lent_where_others_may_write() {
    let name = Name::new("lent");
    if !is_root("not_lent_where_others_may_write") {
        return;
    }
    let options = Options::new().mode(0o666).owner(0);
    let mut tx = Sender::<u64>::create(name.as_str(), &options).expect("create");
    let mut rx = Receiver::<u64>::open(name.as_str(), &options).expect("trusted by name");
    tx.send(&7).expect("room");
    assert_eq!(tx.reserve().map(drop), Err(strait::channel::SendError::Untrusted));
    assert_eq!(rx.recv_ref().map(drop), Err(strait::channel::RecvError::Untrusted));
    assert_eq!(rx.recv_batch_ref().map(drop), Err(strait::channel::RecvError::Untrusted));
    assert_eq!(rx.recv(), Ok(7));
}
