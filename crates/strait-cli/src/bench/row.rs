//! A row: one subject, measured one way, at one size; all its repetitions in one.
//!
//! | figure | of the repetitions |
//! |---|---|
//! | p50, p90, p99 | the median of theirs |
//! | p99.9, greatest | of all their rounds together |
//! | mean, rates, costs, set-up | the median of theirs |
//! | lost, messages | the sum |

use crate::bench::job::{Measure, Sample, Trouble, Used, Waiting};
use crate::bench::stats::{Spread, new_histogram};
use crate::bench::subject::Subject;
use crate::figures::grouped;
use hdrhistogram::Histogram;
use serde::Serialize;

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Measured,
    /// Messages of this size do not fit: `max_message_bytes` do.
    TooLarge,
    /// The kernel would not: `note` says why.
    Refused,
    /// A process failed: `note` says how.
    Failed,
    /// The run was ended before.
    NotRun,
}

/// Nanoseconds from a question to its answer.
#[derive(Clone, Debug, Serialize)]
pub(super) struct RoundTrip {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) p99_9: f64,
    pub(super) max: f64,
    /// What most other tools tell: all of the time by all of the rounds.
    pub(super) mean: f64,
    /// The least and the greatest p50 of a repetition.
    pub(super) p50_least: f64,
    pub(super) p50_greatest: f64,
}

/// A figure of each process.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Sides {
    pub(super) here: f64,
    pub(super) there: f64,
}

/// As `--json` has it. Every field is always there.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub(super) mechanism: &'static str,
    pub(super) measure: Measure,
    pub(super) waiting: Waiting,
    pub(super) message_bytes: usize,
    pub(super) status: Status,
    pub(super) note: Option<String>,
    pub(super) max_message_bytes: Option<usize>,
    pub(super) repetitions: usize,
    pub(super) messages: u64,
    pub(super) lost_messages: u64,
    pub(super) round_trip_ns: Option<RoundTrip>,
    pub(super) messages_per_second: Option<f64>,
    pub(super) messages_per_second_least: Option<f64>,
    pub(super) messages_per_second_greatest: Option<f64>,
    pub(super) bytes_per_second: Option<f64>,
    pub(super) cpu_ns_per_message: Option<Sides>,
    pub(super) voluntary_switches_per_message: Option<Sides>,
    pub(super) involuntary_switches_per_message: Option<Sides>,
    pub(super) setup_us: Option<f64>,
    #[serde(skip)]
    pub(super) subject: Subject,
    /// All rounds of all repetitions.
    #[serde(skip)]
    pub(super) latency: Option<Histogram<u64>>,
}

impl Row {
    /// What the repetitions of a cell come to.
    pub(super) fn of(
        subject: Subject,
        measure: Measure,
        waiting: Waiting,
        message_bytes: usize,
        samples: &[Sample],
        trouble: Option<&Trouble>,
    ) -> Self {
        let (status, note, max_message_bytes) = match trouble {
            Some(Trouble::TooLarge { max_bytes }) => {
                let note = format!("at most {} bytes here", grouped(*max_bytes as u64));
                (Status::TooLarge, Some(note), Some(*max_bytes))
            }
            Some(Trouble::Refused(why)) => (Status::Refused, Some(why.clone()), None),
            Some(Trouble::Failed(why)) => (Status::Failed, Some(why.clone()), None),
            None if samples.is_empty() => (Status::NotRun, None, None),
            None => (Status::Measured, None, None),
        };
        // Of a cell that went wrong in the end no figure is told.
        let samples = if status == Status::Measured { samples } else { &[] };
        let median = |figure: &dyn Fn(&Sample) -> f64| Spread::of(samples.iter().map(figure)).map(|it| it.median);
        let sides = |figure: &dyn Fn(&Used) -> u64| {
            let each =
                |side: &dyn Fn(&Sample) -> &Used| median(&|it| figure(side(it)) as f64 / it.messages.max(1) as f64);
            Some(Sides { here: each(&|it| &it.here)?, there: each(&|it| &it.there)? })
        };
        let rates = samples.iter().map(|it| it.messages as f64 * 1e9 / it.elapsed_ns.max(1) as f64);
        let rate = Spread::of(rates).filter(|_| measure == Measure::Stream);
        let latency = (measure == Measure::RoundTrip && !samples.is_empty()).then(|| together(samples));
        Self {
            mechanism: subject.name(),
            measure,
            waiting,
            message_bytes,
            status,
            note,
            max_message_bytes,
            repetitions: samples.len(),
            messages: samples.iter().map(|it| it.messages).sum(),
            lost_messages: samples.iter().map(|it| it.lost).sum(),
            round_trip_ns: latency.as_ref().and_then(|latency| round_trip(samples, latency)),
            messages_per_second: rate.map(|it| it.median),
            messages_per_second_least: rate.map(|it| it.least),
            messages_per_second_greatest: rate.map(|it| it.greatest),
            bytes_per_second: rate.map(|it| it.median * message_bytes as f64),
            cpu_ns_per_message: sides(&|it| it.cpu_ns),
            voluntary_switches_per_message: sides(&|it| it.voluntary_switches),
            involuntary_switches_per_message: sides(&|it| it.involuntary_switches),
            setup_us: median(&|it| it.setup_ns as f64 / 1e3),
            subject,
            latency,
        }
    }

    pub(super) fn p50_ns(&self) -> Option<f64> {
        self.round_trip_ns.as_ref().map(|it| it.p50)
    }
}

fn histogram(sample: &Sample) -> Histogram<u64> {
    let mut histogram = new_histogram();
    for &(value, count) in &sample.latency {
        histogram.saturating_record_n(value, count);
    }
    histogram
}

fn together(samples: &[Sample]) -> Histogram<u64> {
    let mut all = new_histogram();
    for &(value, count) in samples.iter().flat_map(|it| &it.latency) {
        all.saturating_record_n(value, count);
    }
    all
}

fn round_trip(samples: &[Sample], all: &Histogram<u64>) -> Option<RoundTrip> {
    let each: Vec<_> = samples.iter().map(histogram).collect();
    let at = |quantile| Spread::of(each.iter().map(|it| it.value_at_quantile(quantile) as f64));
    let p50 = at(0.5)?;
    Some(RoundTrip {
        p50: p50.median,
        p90: at(0.9)?.median,
        p99: at(0.99)?.median,
        p99_9: all.value_at_quantile(0.999) as f64,
        max: all.max() as f64,
        mean: Spread::of(samples.iter().map(|it| 2.0 * it.elapsed_ns as f64 / it.messages.max(1) as f64))?.median,
        p50_least: p50.least,
        p50_greatest: p50.greatest,
    })
}
