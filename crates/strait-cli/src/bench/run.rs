//! Runs cells: each of them in turn, and all of them several times, so that what disturbs hits all alike.

use crate::bench::VERB_HERE;
use crate::bench::job::{Job, Measure, Sample, Trouble, Waiting, of_line};
use crate::bench::progress::Progress;
use crate::bench::row::Row;
use crate::bench::subject::Subject;
use crate::program;
use std::io::Read as _;
use std::thread;
use std::time::{Duration, Instant};
use strait::process::Stdio;

/// Between two looks at whether the run is to be ended.
const SLICE: Duration = Duration::from_millis(50);
/// How long a run that is under way may still take when the command was asked to end.
const GRACE: Duration = Duration::from_millis(500);
/// Beyond what it measures a run may take so long.
const LIMIT: Duration = Duration::from_secs(20);

/// What is measured in one place of the table.
pub(super) struct Cell {
    pub(super) subject: Subject,
    pub(super) measure: Measure,
    pub(super) waiting: Waiting,
    pub(super) bytes: usize,
    samples: Vec<Sample>,
    trouble: Option<Trouble>,
}

impl Cell {
    pub(super) fn new(subject: Subject, measure: Measure, waiting: Waiting, bytes: usize) -> Self {
        Self { subject, measure, waiting, bytes, samples: Vec::new(), trouble: None }
    }

    pub(super) fn to_row(&self) -> Row {
        let Self { subject, measure, waiting, bytes, samples, trouble } = self;
        Row::of(*subject, *measure, *waiting, *bytes, samples, trouble.as_ref())
    }
}

/// How.
pub(super) struct Effort {
    pub(super) duration: Duration,
    pub(super) repetitions: usize,
    pub(super) here_cpu: usize,
    pub(super) there_cpu: usize,
    /// No repetition begins that would not end by then; the first always does.
    pub(super) limit: Option<Duration>,
}

/// Runs all cells as often as is wanted, or until it is to be ended.
pub(super) fn all(cells: &mut [Cell], effort: &Effort, is_stopped: &dyn Fn() -> bool) {
    let progress = Progress::start(cells.len() * effort.repetitions);
    let began = Instant::now();
    'all: for turn in 0..effort.repetitions {
        let per_turn = began.elapsed() / u32::try_from(turn.max(1)).unwrap_or(u32::MAX);
        if effort.limit.is_some_and(|limit| began.elapsed() + per_turn > limit) {
            break;
        }
        let count = cells.len();
        for (n, cell) in cells.iter_mut().enumerate() {
            progress.show(turn * count + n, cell.subject.name());
            if cell.trouble.is_some() {
                continue;
            }
            let job = Job {
                subject: cell.subject,
                measure: cell.measure,
                waiting: cell.waiting,
                bytes: cell.bytes,
                duration_us: u64::try_from(effort.duration.as_micros()).unwrap_or(u64::MAX),
                here_cpu: effort.here_cpu,
                there_cpu: effort.there_cpu,
            };
            match once(&job, effort.duration, is_stopped) {
                None => break 'all,
                Some(Ok(sample)) => cell.samples.push(sample),
                Some(Err(trouble)) => cell.trouble = Some(trouble),
            }
            if is_stopped() {
                break 'all;
            }
        }
    }
    progress.end();
}

/// One run; `None` when it was cut off because the command is to end.
fn once(job: &Job, duration: Duration, is_stopped: &dyn Fn() -> bool) -> Option<Result<Sample, Trouble>> {
    let mut command = program::again(VERB_HERE);
    // What is typed, Ctrl-C too, is for the command.
    command.stdin(Stdio::Null).stdout(Stdio::Piped).own_group(true);
    job.put(&mut command);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Some(Err(error.into())),
    };
    let stdout = child.stdout.take();
    // It may be more than a pipe holds.
    let reader = thread::Builder::new().name("report".into()).stack_size(64 << 10).spawn(move || {
        let mut report = String::new();
        stdout.map(|mut out| out.read_to_string(&mut report));
        report
    });
    let began = Instant::now();
    let mut asked: Option<Instant> = None;
    loop {
        match child.wait_timeout(SLICE) {
            Ok(Some(_)) => break,
            Err(error) => return Some(Err(error.into())),
            Ok(None) => {}
        }
        if is_stopped() && asked.get_or_insert_with(Instant::now).elapsed() > GRACE {
            // Dropped, it is killed; what it would have taken away its peer does.
            return None;
        }
        if began.elapsed() > duration.saturating_mul(3).saturating_add(LIMIT) {
            let seconds = began.elapsed().as_secs();
            return Some(Err(Trouble::Failed(format!("made no end within {seconds} s"))));
        }
    }
    let report = reader.map(|reader| reader.join().unwrap_or_default());
    Some(report.map_or_else(|e| Err(Trouble::Refused(format!("start a thread: {e}"))), |report| of_line(&report)))
}
