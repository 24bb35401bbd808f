//! From nothing to the first message: party 0 creates a channel, party 1 opens it and sends; again and again, with a new
//! channel each time, between two processes that are already there.
//!
//! Two words in a file of the run keep the parties in step; 2k-1 means "channel k is open here", 2k "channel k is done with".
//!
//! | offset | who writes |
//! |---:|---|
//! | 0 | party 0 |
//! | 256 | party 1 |

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::Instant;

use crate::entrants;
use crate::job::{Job, Wait};
use crate::party::{Report, hear, say};
use crate::payload::{Pause, Tally};
use crate::raw::{Shared, Word};
use crate::seam::End;
use crate::stats::Spread;

const MOST: u64 = 200;
/// The channel at which resources are counted: by then what a library sets up once is set up.
const COUNTED: u64 = 5;

const STEP: &str = "step";

/// The words that both sides see.
pub(crate) fn words(dir: &Path) -> io::Result<[Word<AtomicU64>; 4]> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(dir.join(STEP))?;
    file.set_len(4096)?;
    let shared = Shared::map(file.as_fd(), 4096)?;
    Ok([0, 256, 512, 768].map(|offset| shared.word(offset)))
}

fn wait_for(word: &AtomicU64, value: u64) {
    let mut pause = Pause::new(Wait::Yield);
    // Acquire, pairs with STEP.
    while word.load(Acquire) < value {
        pause.idle();
    }
}

pub(crate) fn party(job: &Job, me: usize) -> io::Result<()> {
    let entrant = entrants::find(&job.entrant)?;
    let [here, there, ..] = words(&job.dir)?;
    say("opened")?;
    hear("go")?;
    let begin = Instant::now();
    let mut times = Vec::new();
    let mut used = Used::default();
    for k in 1..=MOST {
        if me == 0 && begin.elapsed() > job.duration() && k > 2 * COUNTED {
            // Release, STEP.
            here.store(u64::MAX, Release);
            break;
        }
        let mut job = job.clone();
        job.name = format!("{}-{k}", job.name);
        if me == 1 {
            wait_for(&here, 2 * k - 1);
            if here.load(Acquire) == u64::MAX {
                break;
            }
        }
        let before = (k == COUNTED).then(|| Used::now(&job));
        let start = Instant::now();
        let mut end = (entrant.open)(&job, me)?;
        // Release, STEP: what was made is there before it is said to be.
        let (mine, theirs) = if me == 0 { (&here, &there) } else { (&there, &here) };
        mine.store(2 * k - 1, Release);
        wait_for(theirs, 2 * k - 1);
        end.start()?;
        match &mut end {
            End::Receiver(end) => {
                let mut tally = Tally::new(1, true, job.wait);
                tally.want(1);
                end.recv_all(&mut tally)?;
                times.push(start.elapsed().as_nanos() as f64);
                tally.check();
            }
            End::Sender(end) => end.send_all(0..1)?,
            End::Duplex(_) | End::Latest(_) => return Err(io::Error::other("set-up is one way")),
        }
        if let Some(before) = before {
            used = Used::now(&job).since(&before);
        }
        mine.store(2 * k, Release);
        wait_for(theirs, 2 * k);
        drop(end);
    }
    let mut report = Report { more: used.figures(), ..Report::default() };
    if me == 0 {
        times.drain(..times.len().min(COUNTED as usize));
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize] as u64;
        report.percentiles = [at(0.5), at(0.99), at(0.999)];
        report.ns = if job.fastest { at(0.05) as f64 } else { Spread::of(times.iter().copied()).median };
    }
    say(&report.to_line())?;
    hear("end")
}

/// What a process uses.
#[derive(Clone, Copy, Default)]
struct Used {
    descriptors: f64,
    private_kib: f64,
    files: f64,
    /// In files, and in memory files that this process has open.
    shared_kib: f64,
}

impl Used {
    fn now(job: &Job) -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let anon = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let private_kib = anon.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0.0);
        let mut used = Self { private_kib, ..Self::default() };
        for entry in fs::read_dir("/proc/self/fd").into_iter().flatten().flatten() {
            used.descriptors += 1.0;
            let link = fs::read_link(entry.path()).unwrap_or_default();
            if link.to_string_lossy().starts_with("/memfd:") {
                used.shared_kib += File::open(entry.path()).and_then(|file| file.metadata()).map_or(0.0, |it| kib(&it));
            }
        }
        for path in files(job) {
            used.files += 1.0;
            used.shared_kib += fs::metadata(path).map_or(0.0, |it| kib(&it));
        }
        used
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            descriptors: self.descriptors - before.descriptors,
            private_kib: self.private_kib - before.private_kib,
            files: self.files - before.files,
            shared_kib: self.shared_kib - before.shared_kib,
        }
    }

    fn figures(&self) -> Vec<f64> {
        vec![self.descriptors, self.private_kib, self.files, self.shared_kib]
    }
}

fn kib(metadata: &fs::Metadata) -> f64 {
    metadata.blocks() as f64 / 2.0
}

/// Every file of this run: in its folder, and under its name where names of shared memory and queues live. What the parties
/// say and step by is not theirs.
pub(crate) fn files(job: &Job) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let run = job.dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let run = run.trim_start_matches("strait-rivals-");
    let mut folders = vec![job.dir.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            } else if name != STEP && !name.starts_with("stderr-") {
                found.push(entry.path());
            }
        }
    }
    for folder in ["/dev/shm", "/dev/mqueue"] {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let is_file = entry.file_type().is_ok_and(|kind| !kind.is_dir());
            if is_file && entry.file_name().to_string_lossy().contains(run) {
                found.push(entry.path());
            }
        }
    }
    found
}
