//! One run of one entrant: starts the parties, keeps them in step, collects their reports, and kills what hangs.
//!
//! 1. Every step has a deadline. A party that misses it is killed by its pid, and the run is told as hung.
//! 2. Every run is verified: totals of what was sent and received must agree, and each receiver checked every message.
//! 3. What a run leaves behind in the places where channels leave files is counted, then its folder is removed.

use std::fs::{File, create_dir_all, read_to_string, remove_dir_all};
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use crate::entrants;
use crate::job::{Job, Shape};
use crate::kill::now_ns;
use crate::party::Report;
use crate::seam::Parties;
use crate::setup;

/// Why there is no figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// A party did not come to its next step in time.
    Hung,
    /// Messages were lost, doubled, torn or out of order.
    Wrong(String),
    /// An error of the entrant.
    Failed(String),
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) ns: f64,
    pub(crate) percentiles: [u64; 3],
    /// Further figures, as the shape names them.
    pub(crate) more: Vec<f64>,
}

/// Beyond the time that the parties are to work.
const GRACE: Duration = Duration::from_secs(5);
/// The helper's number.
pub(crate) const HELPER: usize = 99;
/// Until the kill.
const BEFORE_KILL: Duration = Duration::from_millis(60);

/// Runs it once.
pub(crate) fn run(job: &Job) -> io::Result<Result<Sample, Trouble>> {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let number = RUNS.fetch_add(1, Relaxed);
    let mut job = job.clone();
    job.name = format!("r{}x{number}", std::process::id());
    job.dir = PathBuf::from(format!("/dev/shm/strait-rivals-{}", job.name));
    // Libraries that choose their own names put them there: see `Crew::start`.
    create_dir_all(job.dir.join("tmp"))?;
    let folder = Folder(job.dir.clone());
    let mut crew = Crew::default();
    let outcome = conduct(&job, &mut crew);
    let words = crew.last_words(&job);
    drop(crew);
    // What a run leaves behind is the next run's trouble: it is counted, then removed.
    let left = setup::files(&job);
    left.iter().for_each(|path| drop(std::fs::remove_file(path)));
    drop(folder);
    Ok(match outcome {
        Ok(mut sample) => {
            if matches!(job.shape, Shape::KillSender | Shape::KillReceiver) {
                sample.more.push(left.len() as f64);
            }
            Ok(sample)
        }
        Err(Trouble::Failed(_)) if words.contains("message") || words.contains("torn") => Err(Trouble::Wrong(words)),
        Err(Trouble::Failed(why)) if !words.is_empty() => Err(Trouble::Failed(format!("{why}: {words}"))),
        Err(trouble) => Err(trouble),
    })
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = remove_dir_all(&self.0);
    }
}

/// What a party said, or that it says no more.
type Line = (usize, Option<String>);

/// The processes of a run. Killed by pid and waited for when dropped.
#[derive(Default)]
struct Crew {
    parties: Vec<(Child, ChildStdin)>,
    lines: Option<(Sender<Line>, Receiver<Line>)>,
    told: Vec<Vec<String>>,
    ended: Vec<bool>,
    /// A process that the parties need and that is none of them. Ends after them.
    helper: Option<Box<Crew>>,
}

impl Drop for Crew {
    fn drop(&mut self) {
        // Parties first: a party may wait for the helper in its own end.
        for (child, _) in &mut self.parties {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Crew {
    fn start(&mut self, job: &Job, me: usize) -> io::Result<()> {
        // The program as it was when this process began: the file may have been built anew since.
        let mut child = Command::new("/proc/self/exe")
            .arg("party")
            .arg(format!("--me={me}"))
            .args(job.to_args())
            .env("RUST_BACKTRACE", "0")
            .env("TMPDIR", job.dir.join("tmp"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(job.dir.join(format!("stderr-{me}")))?)
            .spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("a party has no pipes"));
        };
        self.parties.push((child, input));
        self.told.push(Vec::new());
        self.ended.push(false);
        let (sender, _) = self.lines.get_or_insert_with(channel);
        let sender = sender.clone();
        let index = self.parties.len() - 1;
        spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send((index, Some(line))).is_err() {
                    return;
                }
            }
            let _ = sender.send((index, None));
        });
        Ok(())
    }

    fn say(&mut self, me: usize, word: &str) {
        // A party that is gone is found by its silence.
        let _ = writeln!(self.parties[me].1, "{word}");
    }

    /// Waits until party `me` has said `count` lines that begin with `word`.
    fn hear(&mut self, me: usize, word: &str, count: usize, deadline: Instant) -> Result<(), Trouble> {
        loop {
            if self.told[me].iter().filter(|line| line.starts_with(word)).count() >= count {
                return Ok(());
            }
            if self.ended[me] {
                return Err(Trouble::Failed(format!("party {me} ended early")));
            }
            let Some((_, lines)) = &self.lines else { return Err(Trouble::Failed("no party".to_owned())) };
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok((who, Some(line))) => self.told[who].push(line),
                Ok((who, None)) => self.ended[who] = true,
                Err(_) => return Err(Trouble::Hung),
            }
        }
    }

    fn reports(&self) -> Vec<Report> {
        self.told.iter().flatten().filter_map(|line| Report::parse(line)).collect()
    }

    /// What the parties complained of on their standard error: the last line that says why.
    fn last_words(&self, job: &Job) -> String {
        let mut words = String::new();
        for me in 0..self.parties.len() {
            let text = read_to_string(job.dir.join(format!("stderr-{me}"))).unwrap_or_default();
            let mut line = text
                .lines()
                .filter(|line| !line.trim().is_empty() && !line.starts_with("note:") && !line.contains("panicked at"));
            if let Some(line) = line.next_back() {
                words = line.chars().take(160).collect();
            }
        }
        words
    }
}

fn conduct(job: &Job, crew: &mut Crew) -> Result<Sample, Trouble> {
    let failed = |error: io::Error| Trouble::Failed(error.to_string());
    let entrant = entrants::find(&job.entrant).map_err(failed)?;
    // A hundred channels take their time to open where each asks a driver.
    let grace = if job.shape == Shape::Many { 4 * GRACE } else { GRACE };
    let deadline = Instant::now() + job.duration() + grace;
    let parties = match (entrant.parties, job.shape) {
        (Parties::Threads, _) => 1,
        (_, Shape::KillSender | Shape::KillReceiver) => 3,
        _ => job.n + 1,
    };
    if entrant.helper.is_some() {
        crew.helper = Some(Box::default());
        let helper = crew.helper.as_mut().expect("just made");
        helper.start(job, HELPER).map_err(failed)?;
        helper.hear(0, "opened", 1, deadline)?;
    }
    for me in 0..parties {
        crew.start(job, me).map_err(failed)?;
        if entrant.parties == Parties::Processes {
            crew.hear(me, "opened", 1, deadline)?;
        }
    }
    if parties == 3 && matches!(job.shape, Shape::KillSender | Shape::KillReceiver) {
        return conduct_kill(job, crew, deadline);
    }
    if entrant.parties == Parties::Processes {
        (0..parties).for_each(|me| crew.say(me, "go"));
        if job.shape != Shape::SetUp {
            (0..parties).try_for_each(|me| crew.hear(me, "started", 1, deadline))?;
            (0..parties).for_each(|me| crew.say(me, "begin"));
        }
    }
    for me in 0..parties {
        let lines = if entrant.parties == Parties::Threads { job.n + 1 } else { 1 };
        crew.hear(me, "report", lines, deadline)?;
    }
    let reports = crew.reports();
    (0..parties).for_each(|me| crew.say(me, "end"));
    finish(crew, deadline);
    verify(job, &reports)?;
    let figures = reports.iter().find(|report| report.ns > 0.0).ok_or(Trouble::Failed("no figure".to_owned()))?;
    let mut more = figures.more.clone();
    if job.shape == Shape::SetUp {
        more.extend(&reports[1].more);
    }
    Ok(Sample { ns: figures.ns, percentiles: figures.percentiles, more })
}

/// Totals of all that was sent and received.
fn verify(job: &Job, reports: &[Report]) -> Result<(), Trouble> {
    let sum = |figure: fn(&Report) -> u64| reports.iter().map(figure).fold(0, u64::wrapping_add);
    let copies = if job.shape == Shape::OneToN { job.n as u64 } else { 1 };
    let sent = (sum(|r| r.sent).wrapping_mul(copies), sum(|r| r.sent_sum).wrapping_mul(copies));
    let received = (sum(|r| r.received), sum(|r| r.received_sum));
    if sent == received {
        return Ok(());
    }
    Err(Trouble::Wrong(format!("{} messages sent, {} received", sent.0, received.0)))
}

fn finish(crew: &mut Crew, deadline: Instant) {
    for (child, _) in &mut crew.parties {
        while Instant::now() < deadline && matches!(child.try_wait(), Ok(None)) {
            sleep(Duration::from_micros(200));
        }
    }
}

/// More: when the survivor learned of the death (0: it did not need to), messages lost.
fn conduct_kill(job: &Job, crew: &mut Crew, deadline: Instant) -> Result<Sample, Trouble> {
    let [_, _, ready, _] = setup::words(&job.dir).map_err(|error| Trouble::Failed(error.to_string()))?;
    crew.say(0, "go");
    crew.say(1, "go");
    sleep(BEFORE_KILL);
    let killed_at = now_ns();
    let _ = crew.parties[1].0.kill();
    let _ = crew.parties[1].0.wait();
    crew.say(2, "go");
    ready.store(1, Release);
    crew.hear(0, "report", 1, deadline)?;
    crew.hear(2, "report", 1, deadline)?;
    let [survivor, replacement] = crew.reports().try_into().map_err(|_| Trouble::Failed("no figure".to_owned()))?;
    crew.say(0, "end");
    crew.say(2, "end");
    finish(crew, deadline);
    let after = |at: f64| if at > 0.0 { (at - killed_at) / 1e3 } else { 0.0 };
    let noticed_us = after(survivor.more[0]);
    Ok(if job.shape == Shape::KillSender {
        Sample { ns: after(survivor.more[1]) * 1e3, percentiles: [0; 3], more: vec![noticed_us, survivor.more[2]] }
    } else {
        let [_, received, ..] = setup::words(&job.dir).map_err(|error| Trouble::Failed(error.to_string()))?;
        let before = received.load(std::sync::atomic::Ordering::Acquire) as f64;
        let lost = survivor.sent as f64 - before - replacement.received as f64;
        Sample { ns: after(replacement.more[1]) * 1e3, percentiles: [0; 3], more: vec![noticed_us, lost] }
    })
}
