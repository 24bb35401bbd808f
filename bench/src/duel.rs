//! Runs rows: floor and subject in turn, several times, each time the other one first.

use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::command::Sum;
use crate::contender::Side;
use crate::floors::digits;
use crate::job::{Cores, Job};
use crate::pair::{self, CorePair, Sample};
use crate::rows::{Entrant, Row, Target, Unit};
use crate::stats::Spread;
use crate::text::Input;

/// The host has moved the cores when their distance changes by this factor.
const MOVED: f64 = 1.5;

/// How much is done.
pub(crate) struct Effort {
    pub(crate) repetitions: usize,
    /// How long one run of two processes lasts.
    pub(crate) duration: Duration,
    pub(crate) text_bytes: u64,
}

/// Whether a promise is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Met,
    Missed,
    /// Nothing is promised.
    None,
}

/// One side of a row, all repetitions.
pub(crate) struct Series {
    pub(crate) figure: Spread,
    pub(crate) latency: Option<Histogram<u64>>,
}

/// A row with its figures.
pub(crate) struct Outcome {
    pub(crate) row: Row,
    pub(crate) floor: Option<Series>,
    pub(crate) subject: Series,
    /// Subject / floor, repetition by repetition.
    pub(crate) ratio: Option<Spread>,
    /// How far apart the cores were (`pair::distance_ns`).
    pub(crate) distance_ns: Spread,
}

impl Outcome {
    pub(crate) fn verdict(&self) -> Verdict {
        verdict(self.row.target, self.judged().median)
    }

    /// Whether the repetitions disagree about the verdict.
    pub(crate) fn is_close(&self) -> bool {
        let spread = self.judged();
        verdict(self.row.target, spread.min) != verdict(self.row.target, spread.max)
    }

    fn judged(&self) -> Spread {
        self.ratio.unwrap_or(self.subject.figure)
    }
}

fn verdict(target: Target, value: f64) -> Verdict {
    let met = match target {
        Target::AtMost(limit) => value <= limit,
        Target::AtLeast(limit) => value >= limit,
        Target::Open => return Verdict::None,
    };
    if met { Verdict::Met } else { Verdict::Missed }
}

/// Everything a run needs; inputs are made when first wanted and kept.
pub(crate) struct Arena {
    pub(crate) effort: Effort,
    pub(crate) cores: CorePair,
    pub(crate) sum: Option<Sum>,
    inputs: HashMap<u64, Input>,
    verified: Vec<u64>,
}

impl Arena {
    pub(crate) fn new(effort: Effort, cores: CorePair, sum: Option<Sum>) -> Self {
        Self { effort, cores, sum, inputs: HashMap::new(), verified: Vec::new() }
    }

    /// Runs a row.
    pub(crate) fn run(&mut self, row: Row) -> io::Result<Outcome> {
        let floor = row.floor.as_ref().map(|floor| self.prepare(floor)).transpose()?;
        let subject = self.prepare(&row.subject)?;
        let (mut floors, mut subjects) = (Vec::new(), Vec::new());
        let mut distances = Vec::new();
        let mut before = pair::distance_ns(&self.cores)?;
        let mut retries = 2 * self.effort.repetitions;
        while subjects.len() < self.effort.repetitions {
            let subject_first = subjects.len() % 2 == 1;
            let early = subject_first.then(|| self.sample(&subject)).transpose()?;
            let floor = floor.as_ref().map(|floor| self.sample(floor)).transpose()?;
            let subject = early.map_or_else(|| self.sample(&subject), Ok)?;
            let after = pair::distance_ns(&self.cores)?;
            let moved = before.max(after) > MOVED * before.min(after);
            before = after;
            // A pair of which the host moved the cores in between compares two machines. A host that never rests is let be.
            if moved && retries > 0 {
                retries -= 1;
                continue;
            }
            distances.push(after);
            floors.extend(floor);
            subjects.push(subject);
        }
        let unit = row.unit;
        let ratio = (!floors.is_empty())
            .then(|| Spread::of(floors.iter().zip(&subjects).map(|(f, s)| unit.of(s) / unit.of(f))));
        let floor = (!floors.is_empty()).then(|| series(unit, floors));
        Ok(Outcome { row, floor, subject: series(unit, subjects), ratio, distance_ns: Spread::of(distances) })
    }

    /// Runs a floor by itself; returns its figures and how far apart the cores were.
    pub(crate) fn run_alone(&mut self, entrant: &Entrant, unit: Unit) -> io::Result<(Series, Spread)> {
        let entrant = self.prepare(entrant)?;
        let (mut samples, mut distances) = (Vec::new(), Vec::new());
        for _ in 0..self.effort.repetitions {
            distances.push(pair::distance_ns(&self.cores)?);
            samples.push(self.sample(&entrant)?);
        }
        Ok((series(unit, samples), Spread::of(distances)))
    }

    /// Everything that must not be timed: calibration, making inputs, and the proof that the subject computes the truth.
    fn prepare(&mut self, entrant: &Entrant) -> io::Result<Entrant> {
        let numbers_per_line = match entrant {
            Entrant::Pair(job) => {
                return pair::calibrate(job, self.duration_of(job), &self.cores).map(Entrant::Pair);
            }
            Entrant::DigitLoop { numbers_per_line }
            | Entrant::Sum { numbers_per_line }
            | Entrant::SumMemory { numbers_per_line } => *numbers_per_line,
        };
        self.cores.unpin()?;
        if !self.inputs.contains_key(&numbers_per_line) {
            self.inputs.insert(numbers_per_line, Input::generate(self.effort.text_bytes, numbers_per_line)?);
        }
        if !matches!(entrant, Entrant::DigitLoop { .. }) && !self.verified.contains(&numbers_per_line) {
            self.sum()?.verify(self.input(numbers_per_line))?;
            self.verified.push(numbers_per_line);
        }
        Ok(entrant.clone())
    }

    /// The laboratory protocol sleeps nearly always, so that little of it is as good as much.
    fn duration_of(&self, job: &Job) -> Duration {
        if job.contender == "laboratory" {
            self.effort.duration.min(Duration::from_millis(100))
        } else {
            self.effort.duration
        }
    }

    fn sample(&self, entrant: &Entrant) -> io::Result<Sample> {
        match entrant {
            Entrant::Pair(job) => pair::run(job, &self.cores),
            Entrant::DigitLoop { numbers_per_line } => {
                let input = self.input(*numbers_per_line);
                self.cores.pin(Side::Here, Cores::One)?;
                let start = Instant::now();
                let totals = digits::run(&input.path())?;
                let elapsed = start.elapsed();
                if (totals.lines, totals.sum) != (input.lines, input.sum) {
                    return Err(io::Error::other("the digit loop found another sum than the generator"));
                }
                Ok(per_line(elapsed, input))
            }
            Entrant::Sum { numbers_per_line } => {
                let input = self.input(*numbers_per_line);
                self.cores.unpin()?;
                Ok(per_line(self.sum()?.time(input)?, input))
            }
            Entrant::SumMemory { numbers_per_line } => {
                self.cores.unpin()?;
                let value = self.sum()?.peak_memory_mib(self.input(*numbers_per_line))?;
                Ok(Sample { value, bytes: 0.0, latency: None })
            }
        }
    }

    fn input(&self, numbers_per_line: u64) -> &Input {
        self.inputs.get(&numbers_per_line).expect("`prepare` made it")
    }

    fn sum(&self) -> io::Result<&Sum> {
        self.sum.as_ref().ok_or_else(|| io::Error::other("there is no strait command"))
    }
}

/// A text read in `elapsed`: a message is a line.
fn per_line(elapsed: Duration, input: &Input) -> Sample {
    let lines = input.lines as f64;
    Sample { value: elapsed.as_nanos() as f64 / lines, bytes: input.text_bytes as f64 / lines, latency: None }
}

fn series(unit: Unit, samples: Vec<Sample>) -> Series {
    let figure = Spread::of(samples.iter().map(|sample| unit.of(sample)));
    let mut histograms = samples.into_iter().filter_map(|sample| sample.latency);
    let latency = histograms.next().map(|first| {
        histograms.fold(first, |mut all, next| {
            all.add(&next).expect("all histograms have the same bounds");
            all
        })
    });
    Series { figure, latency }
}
