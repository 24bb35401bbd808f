//! What the figures were measured on, and what else went on there meanwhile.

use serde::Serialize;
use std::fs;
use std::time::Instant;

/// The machine, as `--json` has it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Machine {
    pub(super) processor: String,
    pub(super) processors: usize,
    pub(super) kernel: String,
    /// The host's maker, or that there is none.
    pub(super) virtualization: String,
    pub(super) clock_source: String,
    /// What reading the clock takes: each round trip has one reading in it.
    pub(super) clock_read_ns: f64,
    /// Of `cpufreq`, where it can be read.
    pub(super) frequency_governor: Option<String>,
    pub(super) load_average: String,
    pub(super) strait_version: &'static str,
    /// `release`, or `debug`: then strait's own figures are far from what they should be.
    pub(super) build: &'static str,
}

/// What others did during the run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Noise {
    /// Of all processors' time, taken by the host.
    pub(super) stolen_percent: f64,
    /// Of all processors' time, used by other processes.
    pub(super) others_percent: f64,
    /// What may have disturbed, in sentences.
    pub(super) warnings: Vec<String>,
}

impl Machine {
    pub(super) fn look(here_cpu: usize) -> Self {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = ["model name", "Model", "Hardware", "cpu model"].iter().find_map(|name| field(&info, name));
        let governor = fs::read_to_string(format!("/sys/devices/system/cpu/cpu{here_cpu}/cpufreq/scaling_governor"));
        Self {
            processor: model.unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            processors: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            kernel: line_of("/proc/sys/kernel/osrelease"),
            virtualization: virtualization(&info),
            clock_source: line_of("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            clock_read_ns: clock_read_ns(),
            frequency_governor: governor.ok().map(|text| text.trim().to_owned()),
            load_average: line_of("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" "),
            strait_version: env!("CARGO_PKG_VERSION"),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
        }
    }
}

fn field(info: &str, name: &str) -> Option<String> {
    let line = info.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name))?;
    line.split_once(':').map(|(_, value)| value.trim().to_owned())
}

fn line_of(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().lines().next().unwrap_or("unknown").trim().to_owned()
}

fn virtualization(info: &str) -> String {
    let is_guest =
        info.lines().any(|line| line.starts_with("flags") && line.split(' ').any(|flag| flag == "hypervisor"));
    if !is_guest {
        return "none seen".to_owned();
    }
    match line_of("/sys/class/dmi/id/sys_vendor").as_str() {
        "unknown" => "virtual machine".to_owned(),
        vendor => format!("virtual machine ({vendor})"),
    }
}

fn clock_read_ns() -> f64 {
    const READS: u32 = 10_000;
    let began = Instant::now();
    for _ in 0..READS {
        std::hint::black_box(Instant::now());
    }
    began.elapsed().as_nanos() as f64 / f64::from(READS)
}

/// A look at the time that everybody has used, at the beginning of a run.
pub(super) struct Watch(Ticks);

#[derive(Clone, Copy)]
struct Ticks {
    all: u64,
    idle: u64,
    stolen: u64,
    /// This process and the children that it has waited for.
    ours: u64,
}

impl Watch {
    pub(super) fn begin() -> Self {
        Self(Ticks::now())
    }

    /// What others have done since.
    pub(super) fn end(&self, machine: &Machine, here_cpu: usize, there_cpu: usize) -> Noise {
        let (before, now) = (self.0, Ticks::now());
        let since = |field: fn(&Ticks) -> u64| field(&now).saturating_sub(field(&before)) as f64;
        let all = since(|it| it.all).max(1.0);
        let stolen = since(|it| it.stolen);
        let others = (all - since(|it| it.idle) - stolen - since(|it| it.ours)).max(0.0);
        let (stolen_percent, others_percent) = (100.0 * stolen / all, 100.0 * others / all);
        let mut warnings = Vec::new();
        let mut warn = |is_so: bool, text: String| warnings.extend(is_so.then_some(text));
        warn(machine.build == "debug", "this is a build for debugging: strait's own figures say little".to_owned());
        warn(
            here_cpu == there_cpu,
            format!("both processes ran on processor {here_cpu}: nothing waits awake there, and nothing runs at once"),
        );
        warn(
            stolen_percent >= 1.0,
            format!("the host took {stolen_percent:.1} % of the processors' time: high percentiles are the host's"),
        );
        warn(
            others_percent >= 5.0,
            format!("other processes used {others_percent:.0} % of the processors' time: run again when it is quiet"),
        );
        let governor = machine.frequency_governor.as_deref().filter(|governor| *governor != "performance");
        if let Some(governor) = governor {
            warn(true, format!("processors change their frequency (governor '{governor}'): set 'performance'"));
        }
        Noise { stolen_percent, others_percent, warnings }
    }
}

impl Ticks {
    fn now() -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let first = stat.lines().next().unwrap_or_default();
        let fields: Vec<u64> = first.split_whitespace().skip(1).map(|field| field.parse().unwrap_or(0)).collect();
        let field = |n: usize| fields.get(n).copied().unwrap_or(0);
        let own = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let own = own.rsplit(") ").next().unwrap_or_default().split_whitespace();
        // user nice system idle iowait irq softirq steal; guest time is in user already. Of a process, behind its name: utime, stime,
        // cutime and cstime are the 12th to the 15th.
        Self {
            all: (0..8).map(field).sum(),
            idle: field(3) + field(4),
            stolen: field(7),
            ours: own.skip(11).take(4).map(|field| field.parse::<u64>().unwrap_or(0)).sum(),
        }
    }
}
