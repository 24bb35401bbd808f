//! What other tools list, `strait ls` lists, too: `ipcs`, `lsipc`, `ls /dev/shm`, `lsof`, `ss`, as far as they are installed.
//!
//! A program makes an object of each kind, with several holders, and some whose creator is dead. What a tool listed both before and after
//! `strait ls` was there all the time, whoever it belongs to: all of that must be in its list.

mod support;

use rustix::process::Signal;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use strait::channel::spsc;
use strait::region::{Options, Place, Region};
use strait::sync::{PosixSemaphore, SysvSemaphores};
use strait::transport::{self, eventfd, fifo, posix_mq, sysv_msg};
use support::{Directory, Running, watch_over};

const ROLE: &str = "STRAIT_COMPARE_ROLE";

/// The names and keys of one run: all objects of a creator are called after it.
struct Names(String);

impl Names {
    fn new(what: &str) -> Self {
        Self(format!("compare-{what}-{}", std::process::id()))
    }

    fn raw(&self) -> String {
        format!("/{}", self.0)
    }

    /// One for each System V object, of this run alone.
    fn key(&self) -> i32 {
        let pid = self.0.rsplit('-').next().and_then(|pid| pid.parse::<i32>().ok()).expect("a pid");
        0x6000_0000 + pid * 2 + i32::from(self.0.contains("dead"))
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        let _ = Region::remove(self.0.as_str());
        let _ = Region::remove(Place::posix_raw(&self.raw()));
        let _ = PosixSemaphore::remove(&self.raw());
        let _ = posix_mq::remove(&self.raw());
        let _ = Region::remove(Place::sysv(self.key()));
        let _ = sysv_msg::Queue::open(self.key()).map(sysv_msg::Queue::remove);
        let _ = SysvSemaphores::open_as_is(self.key()).map(SysvSemaphores::remove);
    }
}

/// What one process makes and keeps.
#[allow(dead_code, reason = "they are held")]
struct Made {
    posix: Region,
    semaphore: PosixSemaphore,
    sysv: Region,
    set: i32,
    queue: i32,
    mq: posix_mq::Sender,
    channel: spsc::Sender<u64>,
}

impl Made {
    fn new(names: &Names) -> Self {
        let options = transport::Options::new();
        posix_mq::create(&names.raw(), &options).expect("a queue");
        Self {
            posix: Region::create(Place::posix_raw(&names.raw()), 8192, &Options::new()).expect("create"),
            semaphore: PosixSemaphore::create(&names.raw(), 3, &Options::new()).expect("create"),
            sysv: Region::create(Place::sysv(names.key()), 4096, &Options::new()).expect("create"),
            set: SysvSemaphores::create(names.key(), &[1, 2], 0o600).expect("create").id(),
            queue: sysv_msg::Queue::create(names.key(), &options).expect("create").id(),
            mq: posix_mq::Sender::open(&names.raw()).expect("open"),
            channel: spsc::Sender::create(&names.0, &spsc::Options::new()).expect("create"),
        }
    }
}

/// No test: the other processes of `everything_they_list`, in which this program is started again.
#[test]
fn role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let mut parts = role.split(' ');
    let (part, names) = (parts.next().expect("a part"), Names(parts.next().expect("names").to_owned()));
    let wait = |ready: String| {
        println!("ready {ready}");
        // Until whoever started us closes it.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
    };
    if part == "crowd" {
        let pipes: Vec<_> = (0..4).map(|_| rustix::pipe::pipe().expect("a pipe")).collect();
        let _events = eventfd::pair().expect("an eventfd");
        wait(pipes.len().to_string());
        std::mem::forget(names);
        return;
    }
    if part == "creator" {
        let made = Made::new(&names);
        wait(format!("{} {} {}", made.sysv.sysv_id().expect("an id"), made.set, made.queue));
        return;
    }
    let directory = parts.next().expect("a directory");
    let _posix = Region::open(Place::posix_raw(&names.raw()), &Options::new()).expect("open");
    let _semaphore = PosixSemaphore::open(&names.raw(), &Options::new()).expect("open");
    let _sysv = Region::open(Place::sysv(names.key()), &Options::new()).expect("open");
    let _mq = posix_mq::Receiver::open(&names.raw()).expect("open");
    let _channel = spsc::Receiver::<u64>::open(names.0.as_str(), &spsc::Options::new()).expect("open");
    let _file = Region::open(Place::file(format!("{directory}/file")), &Options::new()).expect("open");
    let _fifo = File::options().read(true).write(true).open(format!("{directory}/fifo")).expect("open");
    let _unix = UnixStream::connect(format!("{directory}/unix")).expect("it listens");
    let port = parts.next().and_then(|port| port.parse::<u16>().ok()).expect("a port");
    let _tcp = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    // They are the holder's, and stay so.
    std::mem::forget(names);
    wait(String::new());
}

/// Starts this program in a role; says what it said when it was ready.
fn start(role: &str, more: Stdio) -> (Killed, Vec<i32>) {
    let child = Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", "role", "--nocapture"])
        .env(ROLE, role)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(more)
        .spawn()
        .expect("start");
    let mut child = Killed(child);
    watch_over(&child.0);
    let output = BufReader::new(child.0.stdout.take().expect("a pipe"));
    for line in output.lines() {
        let line = line.expect("text");
        // The harness writes the test's name before it.
        if let Some((_, ids)) = line.split_once("ready") {
            return (child, ids.split_ascii_whitespace().map(|id| id.parse().expect("an id")).collect());
        }
    }
    panic!("{role} did not get ready");
}

/// Ends it at once.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a tool wrote; `None`: it is not installed, or may not.
fn output(program: &str, args: &[&str]) -> Option<String> {
    let done = Command::new(program).args(args).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    Some(String::from_utf8_lossy(&done.stdout).into_owned()).filter(|text| !text.is_empty())
}

/// A line of a list: an object, or a holder of one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Listed {
    /// A System V object, by `ls --json`'s kind.
    Sysv(&'static str, u64),
    /// A POSIX object, by kind and name.
    Posix(&'static str, String),
    /// Whatever has this path.
    Path(String),
    /// A descriptor of a process, of what has this number; 0 where the tool does not say.
    Descriptor { pid: u64, fd: u64, number: u64 },
    /// A mapping of what has this number.
    Mapping { pid: u64, number: u64 },
}

type List = BTreeSet<Listed>;

/// `ipcs -a`: three parts, each with a head, key and id first.
fn ipcs() -> Option<List> {
    let mut kind = "";
    let mut list = List::new();
    for line in output("ipcs", &["-a"])?.lines() {
        match line {
            _ if line.contains("Shared Memory") => kind = "sysv-shm",
            _ if line.contains("Semaphore") => kind = "sysv-sem",
            _ if line.contains("Message Queue") => kind = "sysv-msg",
            _ => {}
        }
        let mut fields = line.split_ascii_whitespace();
        if let (Some(key), Some(Ok(id))) = (fields.next(), fields.next().map(str::parse)) {
            if key.starts_with("0x") {
                list.insert(Listed::Sysv(kind, id));
            }
        }
    }
    Some(list)
}

/// `lsipc`: one list for each kind; the POSIX ones are of later versions.
fn lsipc() -> Option<List> {
    let mut list = List::new();
    for (option, kind) in [("-m", "sysv-shm"), ("-s", "sysv-sem"), ("-q", "sysv-msg")] {
        // Without any it writes nothing.
        let text = output("lsipc", &[option, "--raw", "--noheadings", "-o", "ID"]).unwrap_or_default();
        list.extend(text.lines().filter_map(|id| Some(Listed::Sysv(kind, id.trim().parse().ok()?))));
    }
    for (option, kind) in [("-M", "posix-shm"), ("-S", "posix-sem"), ("-Q", "posix-mq")] {
        let text = output("lsipc", &[option, "--raw", "--noheadings", "-o", "NAME"]).unwrap_or_default();
        let names = text.lines().map(str::trim).filter(|name| !name.is_empty());
        let name = |it: &str| {
            let bare = it.trim_start_matches('/');
            format!("/{}", if kind == "posix-sem" { bare.trim_start_matches("sem.") } else { bare })
        };
        list.extend(names.map(|it| Listed::Posix(kind, name(it))));
    }
    output("lsipc", &["--version"]).map(|_| list)
}

fn dev_shm() -> Option<List> {
    let entries = std::fs::read_dir("/dev/shm").ok()?.flatten();
    let files = entries.filter(|it| it.file_type().is_ok_and(|it| it.is_file()));
    Some(files.map(|it| Listed::Path(it.path().to_string_lossy().into_owned())).collect())
}

/// `lsof -F`: a line for each field, the first letter says which. Only what is for exchange; of memory only of these processes, for it lists
/// private mappings as well.
fn lsof(pids: &[u32]) -> Option<List> {
    let mut list = List::new();
    let mut add = |pid: u64, fields: &BTreeMap<char, String>| {
        let field = |c: char| fields.get(&c).map_or("", String::as_str);
        let (fd, kind, name) = (field('f'), field('t'), field('n'));
        let number = field('i').parse::<u64>().unwrap_or(0);
        let is_ours = pids.iter().any(|it| u64::from(*it) == pid);
        let is_memory = ["/dev/shm/", "/memfd:", "/SYSV", "/dev/zero"].iter().any(|it| name.starts_with(it));
        // Of others' files and connections most are for exchange with nobody here.
        let is_ours_as_well = is_ours && (kind.starts_with("IPv") || kind == "REG" && name.contains("/compare-"));
        match fd.parse::<u64>() {
            Ok(fd) if kind == "FIFO" || kind == "REG" && is_memory => {
                list.insert(Listed::Descriptor { pid, fd, number });
            }
            Ok(fd) if kind == "unix" || kind == "a_inode" && name.contains("[eventfd") || is_ours_as_well => {
                list.insert(Listed::Descriptor { pid, fd, number: 0 });
            }
            Err(_) if ["mem", "DEL"].contains(&fd) && is_ours && (is_memory || name.contains("/strait-cli-test-")) => {
                list.insert(Listed::Mapping { pid, number });
            }
            _ => {}
        }
    };
    let (mut pid, mut fields) = (0, BTreeMap::new());
    for line in output("lsof", &["-n", "-P", "-w", "-F", "pftin"])?.lines() {
        let Some(field) = line.chars().next() else { continue };
        if field == 'p' || field == 'f' {
            add(pid, &fields);
            fields.clear();
        }
        match field {
            'p' => pid = line[1..].parse().unwrap_or(0),
            field => drop(fields.insert(field, line[field.len_utf8()..].to_owned())),
        }
    }
    add(pid, &fields);
    Some(list)
}

/// `ss -xpa`: who has a Unix socket, as `("cat",pid=412,fd=3)`.
fn ss() -> Option<List> {
    let text = output("ss", &["-xpa"])?;
    let number = |text: &str, name: &str| -> Option<u64> {
        let rest = &text[text.find(name)? + name.len()..];
        rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()
    };
    let holder =
        |text: &str| Some(Listed::Descriptor { pid: number(text, "pid=")?, fd: number(text, "fd=")?, number: 0 });
    Some(text.split("(\"").filter_map(holder).collect())
}

/// What `strait ls --all --json` lists, in the same terms: with and without numbers.
fn ours() -> (List, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strait"));
    let outcome = Running::start(command.args(["ls", "--all", "--json"])).finish();
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    let document: Value = serde_json::from_slice(&outcome.out).expect("JSON");
    let mut list = List::new();
    for object in document["objects"].as_array().expect("objects") {
        let text = |name: &str| object[name].as_str().unwrap_or_default().to_owned();
        let number = object["number"].as_u64().unwrap_or(0);
        for kind in ["sysv-shm", "sysv-sem", "sysv-msg"] {
            if text("kind") == kind {
                list.insert(Listed::Sysv(kind, number));
            }
        }
        for kind in ["posix-shm", "posix-sem", "posix-mq"] {
            if text("kind") == kind {
                let own = object["path"]
                    .as_str()
                    .and_then(|path| path.strip_prefix("/dev/shm"))
                    .filter(|_| kind == "posix-shm");
                list.insert(Listed::Posix(kind, own.map_or_else(|| text("name"), str::to_owned)));
            }
        }
        list.insert(Listed::Path(text("path")));
        for hold in object["holders"].as_array().expect("holders") {
            let pid = hold["pid"].as_u64().expect("a pid");
            match hold["fd"].as_u64() {
                Some(fd) => {
                    list.insert(Listed::Descriptor { pid, fd, number });
                    list.insert(Listed::Descriptor { pid, fd, number: 0 });
                }
                None => drop(list.insert(Listed::Mapping { pid, number })),
            }
        }
    }
    (list, document)
}

/// An object of ours, and how the lists name it.
struct Row {
    what: &'static str,
    names: Vec<Listed>,
}

/// Every object and holder that these tools list, `strait ls` lists; and it lists each of ours, also where no tool does.
#[test]
fn everything_they_list() {
    let (names, left, directory) = (Names::new("live"), Names::new("dead"), Directory::new());
    // Those whose creator is dead.
    let (mut creator, left_ids) = start(&format!("creator {}", left.0), Stdio::inherit());
    support::kill(creator.0.id(), Signal::KILL);
    creator.0.wait().expect("it ends");
    // Those that live, with two holders.
    let made = Made::new(&names);
    let memfd = Region::create(Place::memfd(&names.0), 4096, &Options::new()).expect("create");
    let anonymous = Region::create(Place::anonymous(), 4096, &Options::new()).expect("create");
    let file = Region::create(Place::file(directory.path("file")), 4096, &Options::new()).expect("create");
    fifo::create(directory.path("fifo"), &transport::Options::new()).expect("create");
    let both = File::options().read(true).write(true).open(directory.path("fifo")).expect("open");
    let listener = UnixListener::bind(directory.path("unix")).expect("free");
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let events = eventfd::pair().expect("an eventfd");
    let alone = UnixStream::pair().expect("a pair").0;
    let its_memfd = memfd.fd().expect("has one").try_clone_to_owned().expect("dup");
    let port = tcp.local_addr().expect("bound").port();
    let role = format!("holder {} {} {port}", names.0, directory.path("").trim_end_matches('/'));
    let (child, _) = start(&role, Stdio::from(its_memfd));
    let (accepted, connected) = (listener.accept().expect("connected").0, tcp.accept().expect("connected").0);

    let (me, its) = (std::process::id(), child.0.id());
    type Tool<'a> = (&'a str, Box<dyn Fn() -> Option<List> + 'a>);
    let tools: [Tool<'_>; 5] = [
        ("ipcs -a", Box::new(ipcs)),
        ("lsipc", Box::new(lsipc)),
        ("ls /dev/shm", Box::new(dev_shm)),
        ("lsof", Box::new(|| lsof(&[me, its]))),
        ("ss -xpa", Box::new(ss)),
    ];
    let before: Vec<Option<List>> = tools.iter().map(|(_, list)| list()).collect();
    let (found, document) = ours();
    let mut lists = Vec::new();
    for ((tool, list), before) in tools.iter().zip(before) {
        let (Some(before), Some(after)) = (before, list()) else {
            println!("skipped: {tool} is not installed, or lists nothing");
            continue;
        };
        let stayed: List = before.intersection(&after).cloned().collect();
        let missing: Vec<&Listed> = stayed.difference(&found).collect();
        println!("{tool}: {} objects and holders, all of them in strait ls: {}", stayed.len(), missing.is_empty());
        assert!(missing.is_empty(), "{tool} lists what strait ls does not: {missing:?}");
        lists.push((*tool, stayed));
    }
    lists.push(("strait ls", found));

    let fd = |fd: i32| vec![Listed::Descriptor { pid: me.into(), fd: u64::try_from(fd).expect("open"), number: 0 }];
    let raw = |of: &dyn std::os::fd::AsRawFd| fd(of.as_raw_fd());
    let posix = |kind: &'static str, names: &Names| {
        let file =
            if kind == "posix-sem" { format!("/dev/shm/sem.{}", names.0) } else { format!("/dev/shm{}", names.raw()) };
        vec![Listed::Posix(kind, names.raw()), Listed::Path(file)]
    };
    let channel = |names: &Names| vec![Listed::Path(format!("/dev/shm/strait.{}", names.0))];
    let sysv = |kind: &'static str, id: i32| vec![Listed::Sysv(kind, u64::try_from(id).expect("an id"))];
    let inode = |path: &str| std::fs::metadata(path).expect("there").ino();
    let mapped = |number: u64| vec![Listed::Mapping { pid: me.into(), number }];
    let anonymous_inode = {
        let objects = document["objects"].as_array().expect("objects");
        let start = format!("{:#x}", anonymous.address());
        let is_it = |it: &&Value| {
            it["holders"].as_array().is_some_and(|all| all.iter().any(|hold| hold["start"] == start.as_str()))
        };
        objects.iter().find(is_it).and_then(|it| it["number"].as_u64()).expect("it is listed")
    };
    let rows = [
        Row { what: "POSIX memory", names: posix("posix-shm", &names) },
        Row { what: "the same, creator dead", names: posix("posix-shm", &left) },
        Row { what: "POSIX semaphore", names: posix("posix-sem", &names) },
        Row { what: "the same, creator dead", names: posix("posix-sem", &left) },
        Row { what: "POSIX queue", names: [vec![Listed::Posix("posix-mq", names.raw())], queue_fd(&names)].concat() },
        Row { what: "the same, creator dead", names: vec![Listed::Posix("posix-mq", left.raw())] },
        Row { what: "System V memory", names: sysv("sysv-shm", made.sysv.sysv_id().expect("an id")) },
        Row { what: "the same, creator dead", names: sysv("sysv-shm", left_ids[0]) },
        Row { what: "System V semaphores", names: sysv("sysv-sem", made.set) },
        Row { what: "the same, creator dead", names: sysv("sysv-sem", left_ids[1]) },
        Row { what: "System V queue", names: sysv("sysv-msg", made.queue) },
        Row { what: "the same, creator dead", names: sysv("sysv-msg", left_ids[2]) },
        Row { what: "channel of strait", names: channel(&names) },
        Row { what: "the same, creator dead", names: channel(&left) },
        Row { what: "memfd", names: fd(std::os::fd::AsRawFd::as_raw_fd(&memfd.fd().expect("has one"))) },
        Row { what: "shared anonymous memory", names: mapped(anonymous_inode) },
        Row { what: "mapped file", names: mapped(inode(&directory.path("file"))) },
        Row { what: "FIFO", names: raw(&both) },
        Row { what: "Unix socket, listening", names: raw(&listener) },
        Row { what: "Unix socket, connected", names: raw(&accepted) },
        Row { what: "Unix socket, other end gone", names: raw(&alone) },
        Row { what: "TCP, listening", names: raw(&tcp) },
        Row { what: "TCP, connected", names: raw(&connected) },
        Row { what: "UDP, bound", names: raw(&udp) },
        Row { what: "eventfd", names: events_fd() },
        Row { what: "pipe", names: raw(child.0.stdin.as_ref().expect("a pipe")) },
    ];
    let tools: Vec<&str> = lists.iter().map(|(tool, _)| *tool).collect();
    println!("\n{:<29} {}", "", tools.join("  "));
    for Row { what, names } in &rows {
        let marks = lists.iter().map(|(tool, list)| {
            // Where a tool names the kind as well, any of the names will do.
            let is_listed = names.iter().any(|name| list.contains(name)) || has_number(list, names, &document);
            format!("{:<width$}", if is_listed { "yes" } else { "-" }, width = tool.len() + 2)
        });
        let line: Vec<String> = marks.collect();
        println!("{what:<29} {}", line.concat().trim_end());
        // A queue that nobody has open is seen where its file system is mounted, or by root.
        let is_excused = *what == "the same, creator dead"
            && names.iter().any(|it| matches!(it, Listed::Posix("posix-mq", _)))
            && document["hidden"]["lists"].to_string().contains("POSIX queues");
        assert!(is_excused || line.last().is_some_and(|mark| mark.starts_with("yes")), "strait ls lacks: {what}");
    }
    states_and_holders(&document, &names, &left, &left_ids, [me, its]);
    drop((file, events, made));
}

/// A list with numbers of descriptors, of the same descriptor without.
fn has_number(list: &List, names: &[Listed], document: &Value) -> bool {
    let of_path = |path: &str| {
        let objects = document["objects"].as_array().expect("objects");
        objects.iter().find(|it| it["path"] == path).and_then(|it| it["number"].as_u64())
    };
    names.iter().any(|name| match name {
        Listed::Descriptor { pid, fd, .. } => list
            .iter()
            .any(|it| matches!(it, Listed::Descriptor { pid: its, fd: other, .. } if its == pid && other == fd)),
        Listed::Path(path) => of_path(path).is_some_and(|inode| {
            list.iter().any(|it| match it {
                Listed::Descriptor { number, .. } | Listed::Mapping { number, .. } => *number == inode,
                _ => false,
            })
        }),
        Listed::Sysv("sysv-shm", id) => {
            list.iter().any(|it| matches!(it, Listed::Mapping { number, .. } if number == id))
        }
        _ => false,
    })
}

/// The queue of this process.
fn queue_fd(names: &Names) -> Vec<Listed> {
    open_as(&names.raw())
}

/// The eventfds of this process.
fn events_fd() -> Vec<Listed> {
    open_as("anon_inode:[eventfd]")
}

/// The descriptors of this process that lead to what the kernel calls so.
fn open_as(target: &str) -> Vec<Listed> {
    let fds = std::fs::read_dir("/proc/self/fd").expect("/proc").flatten();
    let is_one = |path: &Path| std::fs::read_link(path).is_ok_and(|it| it == Path::new(target));
    let numbers = fds.filter(|it| is_one(&it.path())).filter_map(|it| it.file_name().to_str()?.parse().ok());
    numbers.map(|fd| Listed::Descriptor { pid: std::process::id().into(), fd, number: 0 }).collect()
}

/// Who has what, in what state: both holders of what lives, and that nobody has what the dead one left.
fn states_and_holders(document: &Value, names: &Names, left: &Names, left_ids: &[i32], pids: [u32; 2]) {
    let objects = document["objects"].as_array().expect("objects");
    let the = |kind: &str, name: &str| {
        let is_it = |it: &&Value| it["kind"] == kind && it["name"] == name;
        objects.iter().find(is_it).unwrap_or_else(|| panic!("no {kind} '{name}'"))
    };
    let holders = |object: &Value| -> BTreeSet<u64> {
        let all = object["holders"].as_array().expect("holders");
        all.iter().filter_map(|it| it["pid"].as_u64()).collect()
    };
    let both: BTreeSet<u64> = pids.iter().map(|&pid| pid.into()).collect();
    let key = format!("{:#010x}", names.key());
    for (kind, name) in [
        ("posix-shm", names.raw()),
        ("posix-shm", names.0.clone()),
        ("posix-sem", names.raw()),
        ("posix-mq", names.raw()),
        ("sysv-shm", key),
        ("memfd", names.0.clone()),
    ] {
        let object = the(kind, &name);
        assert!(holders(object).is_superset(&both) && object["state"] == "live", "{kind}: {object}");
    }
    let channel = the("posix-shm", &left.0);
    assert_eq!((channel["state"].as_str(), channel["what"].as_str()), (Some("dead"), Some("spsc")), "{channel}");
    let memory = objects.iter().find(|it| it["kind"] == "sysv-shm" && it["number"] == left_ids[0]).expect("listed");
    assert_eq!(memory["state"], "dead", "{memory}");
    let posix = the("posix-shm", &left.raw());
    assert!(holders(posix).is_empty() && (posix["state"] == "idle" || posix["state"] == "unknown"), "{posix}");
}

/// How long it takes beside `lsof` on a machine of 500 processes and 5,000 descriptors more. Told, never judged: run it alone, in release, with
/// `cargo test --release -p strait-cli --test compare -- --ignored --nocapture speed`.
#[test]
#[ignore = "a measurement"]
fn speed() {
    let _crowd: Vec<_> = (0..500).map(|_| start("crowd none", Stdio::null())).collect();
    let time = |program: &str, args: &[&str]| {
        let mut times: Vec<_> = (0..7)
            .filter_map(|_| {
                let begin = std::time::Instant::now();
                Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
                Some(begin.elapsed())
            })
            .collect();
        times.sort_unstable();
        times.get(times.len() / 2).copied()
    };
    let own = time(env!("CARGO_BIN_EXE_strait"), &["ls", "--all"]).expect("it runs");
    match time("lsof", &["-n", "-P"]) {
        Some(other) => {
            let ratio = own.as_secs_f64() / other.as_secs_f64();
            println!("strait ls --all {own:?}, lsof {other:?}: {ratio:.2}");
        }
        None => println!("strait ls --all {own:?}; lsof is not installed"),
    }
}
