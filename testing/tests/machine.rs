//! What `strait::inspect::machine` sees of objects that are known to be there: each kind, its holders, what is in it.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use strait::inspect::machine::{By, Content, Hold, Identity, Kind, LockKind, Machine, Object};
use strait::region::{Options, Place, Region};
use strait::sync::{PosixSemaphore, SysvSemaphores};
use strait::transport::{MessageSender as _, eventfd, fifo, posix_mq, sysv_msg};
use strait_testing::names::{Name, sysv_key};

/// Does something when it is dropped, after a failure too.
struct After<F: FnMut()>(F);

impl<F: FnMut()> Drop for After<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

fn look() -> Machine {
    Machine::look().expect("/proc")
}

fn find<'a>(machine: &'a Machine, kind: Kind, name: &str) -> Option<&'a Object> {
    machine.objects.iter().find(|it| it.kind == kind && it.name == name)
}

fn the<'a>(machine: &'a Machine, kind: Kind, name: &str) -> &'a Object {
    find(machine, kind, name).unwrap_or_else(|| panic!("no {kind} '{name}'"))
}

fn ours(object: &Object) -> Vec<&Hold> {
    object.holds.iter().filter(|hold| hold.pid == std::process::id()).collect()
}

fn is_mapped(hold: &&&Hold) -> bool {
    matches!(hold.by, By::Mapping { offset_bytes: 0, .. })
}

/// Memory of every kind: its name, its size, who has it mapped where, and whether its name is gone.
#[test]
fn memory() {
    let name = Name::new("machine-memory");
    let posix = Region::create(name.as_str(), 3 * 4096, &Options::new()).expect("create");
    let _memfd = Region::create(Place::memfd(name.as_str()), 8192, &Options::new()).expect("create");
    let key = sysv_key();
    let sysv = Region::create(Place::sysv(key), 4096, &Options::new()).expect("create");
    let _sysv = After(move || drop(Region::remove(Place::sysv(key))));
    let anonymous = Region::create(Place::anonymous(), 4096, &Options::new()).expect("create");

    let machine = look();
    let seen = the(&machine, Kind::PosixShm, &name.raw());
    assert_eq!((seen.size_bytes, seen.allocated_bytes), (Some(3 * 4096), Some(3 * 4096)));
    assert_eq!((seen.path.as_deref(), seen.mode), (Some(name.path().as_path()), Some(0o600)));
    let (identity, start) = (seen.identity, posix.address() as u64);
    let mapped = ours(seen).into_iter().find(|hold| is_mapped(&hold)).expect("mapped");
    let by = By::Mapping { start, end: start + 3 * 4096, offset_bytes: 0, is_executable: false };
    assert_eq!((mapped.by.clone(), mapped.can_write), (by, true));

    let seen = the(&machine, Kind::Memfd, name.as_str());
    assert_eq!((seen.size_bytes, seen.is_unlinked, seen.holders()), (Some(8192), false, vec![std::process::id()]));
    assert_eq!(ours(seen).len(), 2, "a descriptor and a mapping of one object: {seen:?}");
    assert_eq!(
        (seen.allocated_bytes, seen.uid.is_some()),
        (Some(8192), true),
        "its descriptor tells more than its mapping"
    );

    let seen = the(&machine, Kind::SysvShm, &format!("{key:#010x}"));
    assert_eq!(seen.identity, Identity::SysvId(sysv.sysv_id().expect("has one")));
    assert_eq!((seen.size_bytes, seen.creator_pid), (Some(4096), Some(std::process::id())));
    assert!(ours(seen).iter().any(|hold| is_mapped(&hold)));

    let at = anonymous.address() as u64;
    let begins = |hold: &Hold| matches!(hold.by, By::Mapping { start, .. } if start == at);
    let of = machine.objects.iter().find(|it| it.holds.iter().any(begins)).expect("anonymous memory");
    assert_eq!(of.kind, Kind::SharedAnonymous);

    Region::remove(name.as_str()).expect("there");
    let same = |machine: &Machine| machine.objects.iter().find(|it| it.identity == identity).cloned();
    let seen = same(&look()).expect("who has it keeps it");
    assert!(seen.is_unlinked && seen.path.is_none() && !ours(&seen).is_empty(), "{seen:?}");
    drop(posix);
    assert!(same(&look()).is_none());
}

/// Semaphores and queues, and what is in them.
#[test]
fn counts_and_messages() {
    let name = Name::new("machine-counts");
    let semaphore = format!("/{}", name.as_str());
    let posix = PosixSemaphore::create(&semaphore, 3, &Options::new()).expect("create");
    let set = SysvSemaphores::create_private(&[1, 2], 0o640).expect("create");
    let _set = After(move || drop(set.remove()));
    let queue = sysv_msg::Queue::create_private(&strait::transport::Options::new()).expect("create");
    let _queue = After(move || drop(queue.remove()));
    let mut sender = queue.sender(&strait::transport::Options::new()).expect("open");
    sender.send(b"hello").expect("room");
    posix_mq::create(&semaphore, &strait::transport::Options::new()).expect("create");
    let mq = semaphore.clone();
    let _mq = After(move || drop(posix_mq::remove(&mq)));
    // Root sees queues that nobody has open, though their file system is not mounted; others, where it is.
    let is_listed = |machine: &Machine| !machine.hidden.lists.iter().any(|list| list.contains("POSIX queues"));
    let unheld = look();
    if is_listed(&unheld) {
        assert_eq!(the(&unheld, Kind::PosixMq, &semaphore).content, Content::Messages { count: None, bytes: 0 });
    }
    let mut to_mq = posix_mq::Sender::open(&semaphore).expect("open");
    to_mq.send(b"four").expect("room");

    let machine = look();
    let seen = the(&machine, Kind::PosixSemaphore, &semaphore);
    assert!(ours(seen).iter().any(|hold| is_mapped(&hold)) && posix.value() == 3);
    let of_id = |kind, id| machine.objects.iter().find(|it| it.kind == kind && it.identity == Identity::SysvId(id));
    let seen = of_id(Kind::SysvSemaphores, set.id()).expect("a set");
    assert_eq!((&seen.content, seen.mode, seen.used.is_some()), (&Content::Semaphores(2), Some(0o640), true));
    let seen = of_id(Kind::SysvMsg, queue.id()).expect("a queue");
    assert_eq!(seen.content, Content::Messages { count: Some(1), bytes: 5 });
    let seen = the(&machine, Kind::PosixMq, &semaphore);
    assert_eq!(seen.content, Content::Messages { count: None, bytes: 4 });
    let hold = ours(seen)[0];
    assert_eq!((hold.can_read, hold.can_write), (false, true));
}

/// A child whose input is a pipe of ours, and that has this open as well.
fn child_with(open: Stdio) -> Child {
    Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(open).spawn().expect("cat")
}

/// It ends with its input.
fn end(child: &mut Child) {
    drop(child.stdin.take());
    child.wait().expect("it ends");
}

/// Pipes, FIFOs and eventfds: who reads, who writes.
#[test]
fn ends() {
    let mut child = child_with(Stdio::inherit());
    let fifo_path = std::env::temp_dir().join(Name::new("machine-fifo").as_str());
    let cleared = fifo_path.clone();
    let _fifo = After(move || drop(std::fs::remove_file(&cleared)));
    fifo::create(&fifo_path, &strait::transport::Options::new()).expect("create");
    let both = File::options().read(true).write(true).open(&fifo_path).expect("open");
    let (mut counts, _receiver) = eventfd::pair().expect("an eventfd");
    (0..5).for_each(|_| counts.send(&[]).expect("room"));

    let machine = look();
    let (me, its) = (std::process::id(), child.id());
    let is_its = |it: &&Object| it.holds.iter().any(|hold| hold.pid == its && hold.by == By::Descriptor(0));
    let pipe = machine.objects.iter().filter(|it| it.kind == Kind::Pipe).find(is_its).expect("its input");
    let writers: Vec<u32> = pipe.holds.iter().filter(|hold| hold.can_write).map(|hold| hold.pid).collect();
    assert!(writers.contains(&me) && !writers.contains(&its), "{pipe:?}");
    let seen = the(&machine, Kind::Fifo, &fifo_path.to_string_lossy());
    assert!(ours(seen).iter().any(|hold| hold.can_read && hold.can_write));
    let is_ours = |it: &&Object| it.content == Content::Count(5) && it.holders() == [me];
    assert!(machine.objects.iter().filter(|it| it.kind == Kind::Eventfd).any(|it| is_ours(&it)));
    let process = machine.process(its).expect("it lives");
    assert_eq!((process.parent_pid, process.command.as_str(), process.is_open), (me, "cat", true));
    drop(both);
    end(&mut child);
}

/// Sockets: both ends of a connection are one object, with both holders; what listens is another.
#[test]
fn sockets() {
    let name = Name::new("machine-socket");
    let path = std::env::temp_dir().join(name.as_str());
    let cleared = path.clone();
    let _socket = After(move || drop(std::fs::remove_file(&cleared)));
    let listener = UnixListener::bind(&path).expect("free");
    let (ours_end, its_end) = UnixStream::pair().expect("a pair");
    let mut other = child_with(OwnedFd::from(its_end).into());
    let tcp_listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = tcp_listener.local_addr().expect("bound");
    let client = TcpStream::connect(address).expect("it listens");
    let waits = UnixStream::connect(&path).expect("it listens");

    let machine = look();
    let unix: Vec<&Object> = machine.objects.iter().filter(|it| it.kind == Kind::UnixSocket).collect();
    let mut both = vec![std::process::id(), other.id()];
    both.sort_unstable();
    assert!(unix.iter().any(|it| it.holders() == both), "{unix:?}");
    let of_path = |it: &&&Object| it.path.as_deref() == Some(path.as_path());
    let contents: Vec<&Content> = unix.iter().filter(of_path).map(|it| &it.content).collect();
    assert!(contents.contains(&&Content::Connections(1)), "{contents:?}");
    let seen = the(&machine, Kind::Tcp, &address.to_string());
    assert_eq!((&seen.content, ours(seen).len()), (&Content::Connections(1), 1));
    let server = tcp_listener.accept().expect("it is connected").0;
    let (a, b) = (client.local_addr().expect("bound"), server.local_addr().expect("bound"));
    let machine = look();
    let seen = the(&machine, Kind::Tcp, &format!("{} {}", a.min(b), a.max(b)));
    assert_eq!(ours(seen).len(), 2);
    drop((ours_end, waits, listener));
    end(&mut other);
}

/// A file counts when one can change what another sees: not ours alone.
#[test]
fn files() {
    let name = Name::new("machine-file");
    let path = std::env::temp_dir().join(name.as_str());
    let cleared = path.clone();
    let _file = After(move || drop(std::fs::remove_file(&cleared)));
    let region = Region::create(Place::file(&path), 4096, &Options::new()).expect("create");
    assert!(find(&look(), Kind::File, &path.to_string_lossy()).is_none());
    let mut other = child_with(File::open(&path).expect("open").into());
    let seen = find(&look(), Kind::File, &path.to_string_lossy()).map(Object::holders);
    end(&mut other);
    drop(region);
    let mut pids = vec![std::process::id(), other.id()];
    pids.sort_unstable();
    assert_eq!(seen, Some(pids));
}

/// Locks on a file are holds of who has them: each kind, of which bytes; of one of strait's channels, which slot. Then the file counts.
#[test]
fn locks() {
    use rustix::fs::{FlockOperation, fcntl_lock, flock};
    let name = Name::new("machine-locks");
    let path = std::env::temp_dir().join(name.as_str());
    let cleared = path.clone();
    let _file = After(move || drop(std::fs::remove_file(&cleared)));
    let of = |object: &Object| {
        let lock = |hold: &&Hold| match hold.by {
            By::Lock { kind, is_exclusive, start, end, lease_slot } => {
                Some((kind, is_exclusive, start, end, lease_slot))
            }
            _ => None,
        };
        let mut all: Vec<_> = ours(object).iter().filter_map(lock).collect();
        all.sort_unstable();
        all
    };
    let seen = || find(&look(), Kind::File, &path.to_string_lossy()).map(of);
    let file = File::create(&path).expect("make a file");
    assert_eq!(seen(), None, "nobody has locked it");
    flock(&file, FlockOperation::LockShared).expect("free");
    assert_eq!(seen(), Some(vec![(LockKind::Flock, false, 0, None, None)]));
    flock(&file, FlockOperation::Unlock).expect("ours");
    fcntl_lock(&file, FlockOperation::LockExclusive).expect("free");
    assert_eq!(seen(), Some(vec![(LockKind::Posix, true, 0, None, None)]));
    drop(file);
    assert_eq!(seen(), None, "it has gone with the descriptor");

    let options = strait::channel::spsc::Options::new();
    let tx = strait::channel::spsc::Sender::<u64>::create(name.as_str(), &options).expect("made");
    let rx = strait::channel::spsc::Receiver::<u64>::open(name.as_str(), &options).expect("there");
    let slots: Vec<_> = of(the(&look(), Kind::PosixShm, &name.raw())).into_iter().map(|it| it.4).collect();
    assert_eq!(slots, [Some(0), Some(1)]);
    drop((tx, rx));
}
