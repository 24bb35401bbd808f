//! The program on the other side of the tests: it plays the part that its first argument names.
//!
//! It says `ok` or `error KIND: TEXT`, then does what the lines of its standard input say and answers each with a line. It ends with
//! its input, with its parent, and after a minute, whichever is first.

mod barrier;
mod blocks;
mod broadcast;
mod condvar;
mod ends;
mod event;
mod fork;
mod garbage;
mod many;
mod mutex;
mod once;
mod regions;
mod rpc;
mod rwlock;
mod semaphore;
mod stream;
mod watch;

use std::io::Write as _;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["put-back", setting, value] = words[..] {
        return regions::put_back(setting, value);
    }
    end_with_parent();
    match words[..] {
        ["sender", ref how @ ..] => ends::sender(how),
        ["receiver", ref how @ ..] => ends::receiver(how),
        ["client", ref how @ ..] => rpc::client(how),
        ["server", ref how @ ..] => rpc::server(how),
        ["rpc-fork", name] => rpc::fork(name),
        ["publisher", ref how @ ..] => broadcast::publisher(how),
        ["subscriber", ref how @ ..] => broadcast::subscriber(how),
        ["block-publisher", ref how @ ..] => blocks::publisher(how),
        ["block-subscriber", ref how @ ..] => blocks::subscriber(how),
        ["watch-writer", ref how @ ..] => watch::writer(how),
        ["watch-reader", ref how @ ..] => watch::reader(how),
        ["watch-observer", ref how @ ..] => watch::observer(how),
        ["mutex", ref how @ ..] => mutex::user(how),
        ["semaphore", ref how @ ..] => semaphore::user(how),
        ["rwlock", ref how @ ..] => rwlock::user(how),
        ["condvar", ref how @ ..] => condvar::user(how),
        ["event", ref how @ ..] => event::user(how),
        ["once", ref how @ ..] => once::user(how),
        ["barrier", ref how @ ..] => barrier::participant(how),
        ["stream-send", place, total, how] => stream::send(place, total, how),
        ["stream-recv", place, total, how] => stream::recv(place, total, how),
        ["churn", end, place, count] => stream::churn(end, place, count),
        ["map", place] => regions::map(place),
        ["made-with-umask", umask, mode, directory, name] => regions::made_with_umask(umask, mode, directory, name),
        ["lock", kind, limit_bytes, len_bytes] => regions::lock(kind, limit_bytes, len_bytes),
        ["memfd", len_bytes] => regions::memfd(len_bytes),
        ["as-user", uid, ref rest @ ..] => regions::as_user(uid, rest),
        ["small-shm"] => regions::small_shm(),
        ["fork", name, peer] => fork::fork(name, peer),
        ["fork-of-many", name] => fork::fork_of_many(name),
        ["fork-with-loans"] => fork::fork_with_loans(),
        ["senders", ref places @ ..] => many::senders(places),
        ["select-idle", name] => many::idle(name),
        ["task-idle", name] => many::idle_task(name),
        ["fork-selecting"] => many::fork_selecting(),
        ["open-each", ref paths @ ..] => garbage::open_each(paths),
        _ => panic!("no such part: {words:?}"),
    }
}

/// A failed test leaves nothing behind, whatever its threads were doing.
pub(crate) fn end_with_parent() {
    // SAFETY: the call takes two numbers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    // SAFETY: the call takes a number; the default action of SIGALRM ends the process.
    unsafe { libc::alarm(60) };
}

/// A line of answer. Ends the process when nobody listens any more.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// The lines of input.
pub(crate) fn lines() -> impl Iterator<Item = String> {
    std::io::stdin().lines().map_while(Result::ok)
}

/// How an error reads in an answer.
pub(crate) fn error(error: &strait::Error) -> String {
    format!("error {:?}: {error}", error.kind())
}

/// The descriptor that `fd:NAME` means, handed over, or `socket:PATH`, from whoever listens there.
pub(crate) fn passed(at: &str) -> Option<std::os::fd::OwnedFd> {
    match at.split_once(':')? {
        ("fd", name) => Some(strait::process::handed(name).expect("handed over")),
        ("socket", path) => {
            let socket = std::os::unix::net::UnixStream::connect(path).expect("somebody listens");
            let passed = strait::process::recv_fd(&socket).expect("a descriptor");
            say(&format!("got '{}' of user {}", passed.label, passed.from.uid));
            Some(passed.fd)
        }
        _ => None,
    }
}

/// The place that `posix:NAME`, `raw:NAME`, `file:PATH`, `sysv:KEY` or `sysv-id:ID` means.
pub(crate) fn place(text: &str) -> strait::region::Place {
    use strait::region::Place;
    match text.split_once(':') {
        Some(("posix", name)) => Place::posix(name),
        Some(("raw", name)) => Place::posix_raw(name),
        Some(("file", path)) => Place::file(path),
        Some(("sysv", key)) => Place::sysv(key.parse().expect("a key")),
        Some(("sysv-id", id)) => Place::sysv_id(id.parse().expect("an id")),
        _ => panic!("no such place: {text}"),
    }
}
