//! `strait create` makes every kind of object, and `strait rm` removes it: not while somebody holds it, and never the wrong one.

mod support;

use std::process::Command;
use strait::channel::{broadcast, mpmc, rpc, spsc, watch};
use strait::region::{Options, Place, Region};
use strait::sync::{self, Mutex, PosixSemaphore};
use strait::transport::posix_mq;
use support::{Directory, Outcome, run};

fn strait(args: &[&str]) -> Outcome {
    run(Command::new(env!("CARGO_BIN_EXE_strait")).args(args), "")
}

/// What it made, by its own word; removed at the end.
struct Made(String);

impl Made {
    fn new(args: &[&str]) -> Self {
        let said = strait(&[&["create"], args].concat());
        assert_eq!((said.code, said.err.as_str()), (0, ""), "create {args:?}");
        Self(said.text().trim_end().to_owned())
    }

    /// Removes it, which must work.
    fn rm(self) {
        let said = strait(&["rm", &self.0]);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "rm {}", self.0);
        assert!(said.text().starts_with(&format!("removed {}", self.0)), "{}", said.text());
        let again = strait(&["rm", &self.0]);
        assert_eq!(again.code, 1, "{again:?}");
        assert!(again.err.contains("there is no such object"), "{}", again.err);
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = Command::new(env!("CARGO_BIN_EXE_strait")).args(["rm", "--force", &self.0]).output();
        }
    }
}

fn name(word: &str) -> String {
    format!("t-rm-{word}-{}", std::process::id())
}

/// A System V key of this test's own.
fn key(number: u32) -> String {
    format!("{:#x}", 0x4000_0000 | (std::process::id() << 4 & 0x0FFF_FFF0) | number)
}

/// Channels are there for who comes later, carry bytes, stay when they are left empty, and go when nobody is attached.
#[test]
fn channels() {
    let made = |kind: &str, args: &[&str]| {
        let name = name(kind);
        (Made::new(&[&[kind, &name], args].concat()), name)
    };
    let (it, at) = made("spsc", &["--size", "8K"]);
    let mut rx = spsc::Receiver::<[u8]>::open(&at, &spsc::Options::new()).expect("there");
    let mut tx = spsc::Sender::<[u8]>::open(&at, &spsc::Options::new()).expect("the creator is gone");
    tx.send(b"hello").expect("room");
    assert_eq!((rx.recv().expect("there"), rx.capacity_bytes()), (b"hello".to_vec(), 8192));
    tx.send(b"left").expect("room");
    let held = strait(&["rm", &at]);
    let who = format!("remove strait:{at}: process {} (", std::process::id());
    assert!(held.code == 1 && held.err.contains(&who) && held.err.contains("--force"), "{}", held.err);
    drop((tx, rx));
    it.rm();
    let (it, at) = made("mpmc", &["--messages", "32", "--message-size", "100", "--users", "3"]);
    mpmc::Producer::<[u8]>::open(&at, &mpmc::Options::new()).expect("there").push(b"job").expect("room");
    it.rm();
    let (it, at) = made("broadcast", &["--users", "2"]);
    for _ in 0..2 {
        drop(broadcast::Publisher::<[u8]>::open(&at, &broadcast::Options::new()).expect("nobody takes the name along"));
    }
    it.rm();
    let (second, at) = made("watch", &["--message-size", "64"]);
    watch::Writer::<[u8]>::open(&at, &watch::Options::new()).expect("there").send(b"value").expect("room");
    second.rm();
    let (it, at) = made("rpc", &[]);
    for _ in 0..2 {
        drop(rpc::Client::<[u8], [u8]>::open(&at, &rpc::Options::new()).expect("there"));
    }
    let gc = strait(&["gc", "--yes"]);
    assert!(gc.code == 0 && !gc.text().contains(&at), "{gc:?}");
    it.rm();
}

/// Each classic kind is made as asked for, and goes; what it is called by finds no other.
#[test]
fn classic_kinds() {
    let (shm, queue) = (name("shm"), name("queue"));
    let it = Made::new(&["posix-shm", &shm, "--size", "4K", "--mode", "640"]);
    let region = Region::open(Place::posix_raw(&shm), &Options::new()).expect("there");
    assert_eq!(region.len(), 4096);
    let held = strait(&["rm", &it.0]);
    assert!(held.code == 1 && held.err.contains("has it mapped"), "{}", held.err);
    drop(region);
    it.rm();
    Made::new(&["posix-sem", &name("sem"), "--value", "3"]).rm();
    let it = Made::new(&["region", &name("region"), "--size", "4096"]);
    it.rm();
    match strait(&["create", "posix-mq", &queue, "--messages", "2", "--message-size", "64"]) {
        said if said.code == 0 => {
            let it = Made(said.text().trim_end().to_owned());
            let mut tx = posix_mq::Sender::open(&queue).expect("there");
            strait::transport::MessageSender::send(&mut tx, b"message").expect("room");
            drop(tx);
            let held = strait(&["rm", &it.0]);
            assert!(held.code == 1 && held.err.contains("messages wait in it"), "{}", held.err);
            assert_eq!(strait(&["rm", "--force", &it.0]).code, 0);
        }
        said => eprintln!("posix-mq: skipped, this system has none: {}", said.err),
    }
    for (number, kind, more) in [
        (1, "sysv-shm", &["--size", "4K"][..]),
        (2, "sysv-msg", &[]),
        (3, "sysv-sem", &["--count", "3", "--value", "1"]),
    ] {
        let key = key(number);
        let it = Made::new(&[&[kind, &key], more].concat());
        let taken = strait(&[&["create", kind, &key], more].concat());
        assert!(taken.code == 1 && taken.err.contains("exist"), "{}", taken.err);
        assert_eq!(strait(&["rm", &format!("{kind}:{key}")]).code, 0);
        std::mem::forget(it);
        Made::new(&[&[kind, "private"], more].concat()).rm();
    }
}

/// What only a path leads to: a FIFO, a stale socket, a channel in a file. A plain file is left alone.
#[test]
fn paths() {
    let directory = Directory::new();
    let fifo = directory.path("fifo");
    Made::new(&["fifo", &fifo]);
    assert_eq!(strait(&["rm", &fifo]).code, 0);
    let socket = directory.path("socket");
    drop(std::os::unix::net::UnixListener::bind(&socket).expect("bound"));
    assert_eq!(strait(&["rm", &socket]).code, 0);
    let bound = std::os::unix::net::UnixListener::bind(&socket).expect("the name is free");
    let held = strait(&["rm", &socket]);
    assert!(held.code == 1 && held.err.contains("has it open as descriptor"), "{}", held.err);
    drop(bound);
    let channel = directory.path("channel");
    drop(spsc::Sender::<u64>::create(std::path::Path::new(&channel), &spsc::Options::new()).expect("made"));
    let said = strait(&["rm", &channel]);
    assert!(said.code == 0 && said.text().contains("it is in a file"), "{said:?}");
    let file = Made::new(&["spsc", &format!("file:{}", directory.path("made"))]);
    let options = spsc::Options::new();
    drop(spsc::Receiver::<[u8]>::open(std::path::Path::new(&directory.path("made")), &options).expect("there"));
    file.rm();
    let plain = directory.write("plain", "text");
    let said = strait(&["rm", &plain]);
    assert!(said.code == 1 && said.err.contains("use rm(1)") && std::path::Path::new(&plain).exists(), "{}", said.err);
    assert_eq!(strait(&["rm", "--force", &plain]).code, 1);
    assert!(std::path::Path::new(&plain).exists());
}

/// A lock that is held stays; by force its name goes, and its user goes on.
#[test]
fn force() {
    let name = name("force");
    let mut lock = Mutex::<u64>::create(&name, &7, &sync::Options::new()).expect("made");
    assert_eq!(strait(&["rm", &name]).code, 1);
    let said = strait(&["rm", "--force", &name]);
    assert!(said.code == 0 && said.text().contains("its users go on"), "{said:?}");
    assert_eq!(*lock.lock().expect("ours"), 7);
    let pattern = format!("t-rm-force-{}*", std::process::id());
    assert_eq!(strait(&["rm", &pattern]).code, 1, "nothing has this name any more");
}

/// Words that do not fit together are refused, with what to write.
#[test]
fn wrong_usage() {
    for (args, says) in [
        (&["create", "sysv-shm", "0x1"][..], "--size 64K"),
        (&["create", "fifo", "x", "--size", "1K"], "--size means nothing for this kind"),
        (&["create", "sysv-msg", "zero"], "use key 'zero'"),
        (&["create", "region", "a/b", "--size", "1K"], "use name 'a/b': it has a slash; for a file write file:a/b"),
        (&["create", "spsc", "strait:a/b"], "for a file write file:a/b"),
        (&["create", "spsc", "file:"], "the path is missing"),
        (&["create", "posix-shm", "a/b", "--size", "1K"], "a POSIX name has no slash but the first"),
        (&["create", "spsc", "x", "--size", "much"], "'much' is no size"),
        (&["create", "posix-mq", "/x", "--message-size", "1G"], "the system allows"),
        (&["rm", "posix-mq:id:x"], "is no number"),
    ] {
        let said = strait(args);
        assert!(said.code == 2 && said.err.contains(says), "{args:?}: {said:?}");
    }
    let own = std::process::id().to_string();
    let said = strait(&["rm", &format!("pid:{own}")]);
    assert!(said.code == 1 && said.err.contains("it is a process"), "{}", said.err);
    drop(PosixSemaphore::remove("nothing"));
}
