//! What `strait::inspect::machine` makes of processes in other IPC and mount namespaces: what they have is theirs, and never taken for ours of the
//! same name or id. Needs the right to make namespaces; else each test says that it is skipped.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use strait::inspect::machine::{Identity, Kind, Machine, Object};
use strait::region::{Options, Place, Region};
use strait::transport::posix_mq;
use strait_testing::names::{Name, Scratch, Segment, sysv_key};

/// The id that the process below is to give its segment.
const WANTED_ID: &str = "STRAIT_TEST_WANTED_ID";

/// A process in namespaces of its own. Dropped, it ends.
struct Other {
    child: Child,
    said: String,
}

impl Other {
    /// Starts it, and waits for its first line; `None`: we may not, and that was said.
    fn start(how: &[&str], command: impl FnOnce(&mut Command)) -> Option<Self> {
        let mut unshare = Command::new("unshare");
        unshare.args(how).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        command(&mut unshare);
        let mut child = unshare.spawn().inspect_err(|error| eprintln!("skipped: unshare: {error}")).ok()?;
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let said = lines.map_while(Result::ok).find_map(|line| Some(line.split_once("ready ")?.1.to_owned()));
        if said.is_none() {
            eprintln!("skipped: unshare {how:?}: {}", child.wait().expect("its end"));
        }
        Some(Self { said: said?, child })
    }

    /// One that runs this script, and stays.
    fn shell(how: &[&str], script: &str) -> Option<Self> {
        Self::start(how, |command| {
            command.args(["sh", "-c", &format!("{script} && echo ready . && exec cat")]);
        })
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn look() -> Machine {
    Machine::look().expect("/proc")
}

fn all<'a>(machine: &'a Machine, kind: Kind, name: &str) -> Vec<&'a Object> {
    machine.objects.iter().filter(|it| it.kind == kind && it.name == name).collect()
}

/// The other process of `segments`: makes a segment, of the wanted id if it can, and stays until its input ends.
#[test]
fn role() {
    let Some(wanted) = std::env::var(WANTED_ID).ok().and_then(|id| id.parse::<i32>().ok()) else { return };
    // Only where the kernel can restore checkpoints.
    let _ = std::fs::write("/proc/sys/kernel/shm_next_id", wanted.to_string());
    let make = || Region::create(Place::sysv(sysv_key()), 8192, &Options::new()).expect("create");
    let mut region = make();
    for _ in 0..100_000 {
        if region.sysv_id() == Some(wanted) {
            break;
        }
        // Ids go round: one more each time.
        Region::remove(Place::sysv_id(region.sysv_id().expect("has one"))).expect("ours");
        region = make();
    }
    println!("\nready {}", region.sysv_id().expect("has one"));
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).expect("read");
}

/// A segment of another IPC namespace that has the id of ours is not ours: each has its own holders.
#[test]
fn segments() {
    let key = sysv_key();
    let ours = Region::create(Place::sysv(key), 4096, &Options::new()).expect("create");
    let id = ours.sysv_id().expect("has one");
    let _segment = Segment(id);
    let program = std::env::current_exe().expect("this test");
    let other = Other::start(&["--ipc"], |command| {
        command.arg(program).args(["--exact", "role", "--nocapture"]).env(WANTED_ID, id.to_string());
    });
    let Some(other) = other else { return };
    let its_id: i32 = other.said.parse().expect("an id");
    if its_id != id {
        eprintln!("its segment has the id {its_id}, and not {id} as ours: less is tested");
    }

    let machine = look();
    let of = |identity| machine.objects.iter().find(|it| it.kind == Kind::SysvShm && it.identity == identity);
    let seen = of(Identity::SysvId(id)).expect("ours");
    assert_eq!((seen.holders(), seen.ipc_namespace), (vec![std::process::id()], machine.ipc_namespace));
    assert!(!machine.is_elsewhere(seen) && seen.size_bytes == Some(4096));
    if let Some(wrong) = of(Identity::SysvId(its_id)) {
        assert!(!wrong.holders().contains(&other.pid()), "{wrong:?}");
    }
    let has = |it: &&Object| it.kind == Kind::SysvShm && it.holders().contains(&other.pid());
    let theirs = machine.objects.iter().find(has).expect("theirs");
    let namespace = theirs.ipc_namespace.expect("it has one");
    assert_eq!(theirs.identity, Identity::SysvIdIn(namespace, its_id));
    assert_ne!(theirs.ipc_namespace, machine.ipc_namespace);
    assert!(machine.is_elsewhere(theirs) && theirs.size_bytes == Some(8192) && theirs.holders() == [other.pid()]);
}

/// A POSIX queue of another IPC namespace is not ours of that name.
#[test]
fn queues() {
    let (name, directory) = (Name::new("machine-queue"), Scratch::new("machine-queues"));
    let at = directory.path("mounted");
    std::fs::create_dir(&at).expect("a directory");
    let at = at.to_str().expect("text");
    let script = format!("mount -t mqueue none {at} && exec 3<>{at}/{}", name.as_str());
    let Some(other) = Other::shell(&["--ipc", "--mount"], &script) else { return };
    let posix = format!("/{}", name.as_str());
    posix_mq::create(&posix, &strait::transport::Options::new()).expect("create");
    let _mq = Removed(posix.clone());
    let _open = posix_mq::Sender::open(&posix).expect("open");

    let machine = look();
    let found = all(&machine, Kind::PosixMq, &posix);
    let holder = |pid: u32| found.iter().find(|it| it.holders() == [pid]).expect("it has one");
    let (ours, theirs) = (holder(std::process::id()), holder(other.pid()));
    assert_eq!((found.len(), ours.ipc_namespace), (2, machine.ipc_namespace), "{found:?}");
    assert!(!machine.is_elsewhere(ours) && machine.is_elsewhere(theirs), "{found:?}");
    assert!(theirs.ipc_namespace.is_some() && theirs.path.is_none(), "{theirs:?}");
}

struct Removed(String);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = posix_mq::remove(&self.0);
    }
}

/// A path that a process in another mount namespace has open is not the file that we have there.
#[test]
fn paths() {
    let name = Name::new("machine-mounts");
    let ours = Region::create(name.as_str(), 4096, &Options::new()).expect("create");
    let script = format!("mount -t tmpfs none /dev/shm && exec 3<>{}", name.path().display());
    let Some(other) = Other::shell(&["--mount"], &script) else { return };

    let machine = look();
    let found = all(&machine, Kind::PosixShm, &name.raw());
    let holder = |pid: u32| found.iter().find(|it| it.holders() == [pid]).expect("it has one");
    let (seen, theirs) = (holder(std::process::id()), holder(other.pid()));
    assert_eq!((found.len(), seen.path.as_deref()), (2, Some(name.path().as_path())), "{found:?}");
    assert!(!seen.is_path_elsewhere && !machine.is_elsewhere(seen));
    assert_eq!((theirs.is_path_elsewhere, theirs.is_unlinked, theirs.path.as_ref()), (true, false, None), "{theirs:?}");
    assert_ne!(seen.identity, theirs.identity);
    drop(ours);
    let machine = look();
    let left = all(&machine, Kind::PosixShm, &name.raw());
    assert!(left.iter().all(|it| !it.holders().contains(&std::process::id())), "{left:?}");
}

/// Nor is a socket that was bound there.
#[test]
fn sockets() {
    let directory = Scratch::new("machine-sockets");
    let path = directory.path("socket");
    let program = std::env::current_exe().expect("this test");
    let other = Other::start(&["--mount"], |command| {
        let script = format!(
            "mount -t tmpfs none {0} && exec \"$0\" --exact listener --nocapture",
            directory.path("").display()
        );
        command.args(["sh", "-c", &script]).arg(program).env(BIND, &path);
    });
    let Some(other) = other else { return };
    let ours = std::os::unix::net::UnixListener::bind(&path).expect("free here");

    let machine = look();
    let holds = |pid: u32| {
        let of =
            |it: &&Object| it.kind == Kind::UnixSocket && it.holders() == [pid] && it.name == *path.to_string_lossy();
        machine.objects.iter().find(of).expect("listed")
    };
    let (seen, theirs) = (holds(std::process::id()), holds(other.pid()));
    assert_eq!((seen.path.as_deref(), seen.is_path_elsewhere), (Some(path.as_path()), false), "{seen:?}");
    assert_eq!((theirs.path.as_deref(), theirs.is_path_elsewhere), (None, true), "{theirs:?}");
    drop(ours);
}

/// Where the process below is to listen.
const BIND: &str = "STRAIT_TEST_BIND";

/// The other process of `sockets`.
#[test]
fn listener() {
    let Some(path) = std::env::var_os(BIND) else { return };
    let _listener = std::os::unix::net::UnixListener::bind(path).expect("free there");
    println!("\nready .");
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).expect("read");
}
