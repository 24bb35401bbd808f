//! Processes that create, attach, exchange, die and restart, while `strait gc --yes` runs in a loop.
//!
//! 1. A name that a living process has made is found, whatever gc does.
//! 2. Who has attached exchanges messages with who made it.
//! 3. A restartable channel is there for who comes after its users' death, with what was in it.
//! 4. After the last gc nothing dead is left.
//!
//! `cargo test -p strait-cli --test gc_under_fire -- --ignored --nocapture` goes 10,000 rounds; `STRAIT_TEST_ROUNDS` says another number.

mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use strait::channel::{broadcast, mpmc, spsc, watch};
use strait::gc::{self, Verdict};
use strait::sync::{self, Mutex};
use support::Chance;

const KINDS: [&str; 5] = ["spsc", "mpmc", "broadcast", "watch", "mutex"];
const ROLE: &str = "STRAIT_TEST_FIRE_ROLE";
/// Between 0 and this many microseconds after its start a process is killed: most are up after 3 ms, and attached soon after.
const LIFE_US: u64 = 8_000;

/// A process with one end of something: not a test of its own.
#[test]
fn role() {
    let Ok(words) = std::env::var(ROLE) else { return };
    let words: Vec<&str> = words.split(' ').collect();
    let [how, kind, name, mode] = words[..] else { panic!("not four words: {words:?}") };
    let mut end = match End::take(how, kind, name, mode == "restartable") {
        Ok(end) => end,
        Err(error) => return println!("no: {:?}", error.kind()),
    };
    println!("ready");
    for line in std::io::stdin().lines() {
        match line.expect("text").split_once(' ') {
            Some(("send", number)) => end.send(number.parse().expect("a number")),
            _ => println!("got {}", end.recv()),
        }
    }
}

#[expect(clippy::large_enum_variant, reason = "one of them, once in a process")]
enum End {
    Sender(spsc::Sender<u64>),
    Receiver(spsc::Receiver<u64>),
    Producer(mpmc::Producer<u64>),
    Worker(mpmc::Worker<u64>),
    Publisher(broadcast::Publisher<u64>),
    Subscriber(broadcast::Subscriber<u64>),
    Writer(watch::Writer<u64>),
    Reader(watch::Reader<u64>),
    Mutex(Mutex<u64>),
}

impl End {
    /// The sending end by `create` or `create-or-open`, the receiving one by `open`.
    fn take(how: &str, kind: &str, name: &str, again: bool) -> strait::Result<Self> {
        macro_rules! by_kind {
            ($($kind:literal => $module:ident $first:ident $second:ident,)*) => {
                match (kind, how) {
                    $(($kind, "create") => Self::$first($module::$first::create(name, &$module::Options::new().restartable(again))?),
                    ($kind, "create-or-open") => {
                        Self::$first($module::$first::open_or_create(name, &$module::Options::new().restartable(again))?)
                    }
                    ($kind, _) => Self::$second($module::$second::open(name, &$module::Options::new().restartable(again))?),)*
                    (_, "create") => Self::Mutex(Mutex::create(name, &0, &sync::Options::new().restartable(again))?),
                    (_, "create-or-open") => {
                        Self::Mutex(Mutex::open_or_create(name, &0, &sync::Options::new().restartable(again))?)
                    }
                    _ => Self::Mutex(Mutex::open(name, &sync::Options::new().restartable(again))?),
                }
            };
        }
        Ok(by_kind! {
            "spsc" => spsc Sender Receiver,
            "mpmc" => mpmc Producer Worker,
            "broadcast" => broadcast Publisher Subscriber,
            "watch" => watch Writer Reader,
        })
    }

    fn send(&mut self, number: u64) {
        match self {
            Self::Sender(tx) => tx.send(&number).expect("open"),
            Self::Producer(tx) => tx.push(&number).expect("open"),
            Self::Publisher(tx) => tx.publish(&number).expect("open"),
            Self::Writer(tx) => tx.send(&number).expect("open"),
            Self::Mutex(lock) => *lock.lock().expect("open") = number,
            _ => panic!("it only receives"),
        }
        println!("sent");
    }

    fn recv(&mut self) -> u64 {
        match self {
            Self::Receiver(rx) => rx.recv().expect("open"),
            Self::Worker(rx) => {
                let job = rx.pop().expect("open");
                let number = *job;
                job.ack();
                number
            }
            Self::Subscriber(rx) => rx.recv().expect("open"),
            Self::Reader(rx) => rx.changed().expect("open"),
            Self::Mutex(lock) => *lock.lock().expect("open"),
            _ => panic!("it only sends"),
        }
    }
}

/// A process of that kind. Dropped, it is killed.
struct Role {
    child: Child,
    stdin: ChildStdin,
    lines: BufReader<ChildStdout>,
    began: Instant,
}

impl Role {
    fn start(how: &str, kind: &str, name: &str, mode: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--exact", "role", "--nocapture", "--test-threads=1"]);
        command.env(ROLE, format!("{how} {kind} {name} {mode}"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let began = Instant::now();
        let mut child = command.spawn().expect("start");
        let (stdin, stdout) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        Self { child, stdin, lines: BufReader::new(stdout), began }
    }

    /// Its next answer; the frame of the test says things of its own.
    fn answer(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            if self.lines.read_line(&mut line).expect("text") == 0 {
                return "over".to_owned();
            }
            // The frame's line has no end when the first answer comes.
            let said = line.trim_end().trim_start_matches("test role ... ");
            if ["ready", "sent"].contains(&said) || said.starts_with("no: ") || said.starts_with("got ") {
                return said.to_owned();
            }
        }
    }

    fn ask(&mut self, what: &str) -> String {
        writeln!(self.stdin, "{what}").expect("it lives");
        self.answer()
    }

    fn kill_after(&mut self, moment: Duration) {
        std::thread::sleep(moment.saturating_sub(self.began.elapsed()));
        self.kill();
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What one name goes through in a round.
fn round(chance: &mut Chance, number: u64, name: &str) {
    let kind = chance.pick(&KINDS);
    let at = |what: &str| format!("round {number}, {kind}: {what}");
    let moment = |chance: &mut Chance| Duration::from_micros(chance.below(LIFE_US));
    match chance.below(4) {
        // Killed while it creates, or thereafter.
        0 => Role::start("create", kind, name, "pipe").kill_after(moment(chance)),
        // A pair, of which both or one die.
        1 => {
            let mut first = Role::start("create", kind, name, "pipe");
            assert_eq!(first.answer(), "ready", "{}", at("create"));
            let mut second = Role::start("open", kind, name, "pipe");
            assert_eq!(second.answer(), "ready", "{}", at("a living one's name is not found"));
            assert_eq!(first.ask(&format!("send {number}")), "sent", "{}", at("send"));
            assert_eq!(second.ask("recv"), format!("got {number}"), "{}", at("recv"));
            if chance.below(2) == 0 { first.kill() } else { second.kill() }
        }
        // Somebody comes while the other one dies, and the dead of another kind may be in the way.
        2 => {
            let mut first = Role::start("create", kind, name, "pipe");
            let moment = moment(chance);
            let mut second = Role::start("create-or-open", kind, name, "pipe");
            first.kill_after(moment);
            match second.answer().as_str() {
                "ready" => {
                    let mut third = Role::start("open", kind, name, "pipe");
                    let came = third.answer();
                    // The first one may have had it before: then of a channel of two an end is over.
                    if came == "ready" {
                        assert_eq!(second.ask(&format!("send {number}")), "sent", "{}", at("send"));
                        assert_eq!(third.ask("recv"), format!("got {number}"), "{}", at("recv"));
                    } else {
                        assert_eq!(came, "never", "{}", at("a living one's name is not found"));
                    }
                }
                // The first one lived when the second came, and of its end there is one.
                "no: Busy" if matches!(kind, "spsc" | "broadcast" | "watch") => {}
                said => assert!(kind == "spsc" && said == "no: Closed", "{}", at(said)),
            }
        }
        // What stays on purpose waits for a successor.
        _ => {
            let mut first = Role::start("create", kind, name, "restartable");
            assert_eq!(first.answer(), "ready", "{}", at("create"));
            assert_eq!(first.ask(&format!("send {number}")), "sent", "{}", at("send"));
            first.kill();
            // A subscriber gets what is sent from then on; the others what is there.
            let mut second = Role::start("open", kind, name, "restartable");
            assert_eq!(second.answer(), "ready", "{}", at("what is restartable is gone"));
            let mut third = Role::start("create-or-open", kind, name, "restartable");
            assert_eq!(third.answer(), "ready", "{}", at("what is restartable has no successor"));
            if kind == "broadcast" {
                assert_eq!(third.ask(&format!("send {number}")), "sent", "{}", at("send"));
            }
            assert_eq!(second.ask("recv"), format!("got {number}"), "{}", at("recv"));
            drop((second, third));
            let removed = gc::remove(name).expect("ours");
            assert!(matches!(removed, Verdict::Stays(_)), "{}", at(&format!("{removed:?}")));
        }
    }
}

fn under_fire(rounds: u64) {
    let mut chance = Chance::new();
    let prefix = format!("t-fire-{}-", std::process::id());
    let pattern = format!("{prefix}*");
    let gc = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strait"));
        let said = command.args(["gc", "--yes", &pattern]).output().expect("start");
        assert!(said.status.success() && said.stderr.is_empty(), "{said:?}");
        String::from_utf8(said.stdout).expect("text")
    };
    let removed = |text: &str| text.lines().filter(|line| line.starts_with("removed ")).count();
    let left = || {
        let entries = std::fs::read_dir("/dev/shm").expect("mounted").flatten();
        entries.filter(|it| it.file_name().to_string_lossy().contains(&prefix)).map(|it| it.path()).collect::<Vec<_>>()
    };
    let is_over = AtomicBool::new(false);
    let began = Instant::now();
    let (runs, swept) = std::thread::scope(|scope| {
        let cleaner = scope.spawn(|| {
            let (mut runs, mut swept) = (0_u64, 0);
            while !is_over.load(Relaxed) {
                swept += removed(&gc());
                runs += 1;
            }
            (runs, swept)
        });
        // Also when a round panics, or the other thread would go on for ever.
        let over = Over(&is_over);
        for number in 0..rounds {
            // Few names, so that the dead of one round are in the way of another.
            round(&mut chance, number, &format!("{prefix}{}", number % 5));
        }
        drop(over);
        cleaner.join().expect("gc")
    });
    let last = gc();
    let rest = left();
    rest.iter().for_each(|path| drop(std::fs::remove_file(path)));
    assert!(rest.is_empty(), "left behind by the last gc: {rest:?}\n{last}");
    println!(
        "{rounds} rounds in {:.0?}, {runs} runs of gc, which removed {swept} objects; the last one {}",
        began.elapsed(),
        removed(&last)
    );
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Nothing that lives is removed, and nothing dead stays.
#[test]
fn few_rounds() {
    under_fire(60);
}

/// The same, until one may believe it.
#[test]
#[ignore = "minutes: 10,000 rounds"]
fn many_rounds() {
    let rounds = std::env::var("STRAIT_TEST_ROUNDS").ok().and_then(|it| it.parse().ok());
    under_fire(rounds.unwrap_or(10_000));
}
