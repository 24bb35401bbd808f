//! What the figures were measured on, and what else went on there meanwhile.

use std::fs::{read_dir, read_to_string};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// A look at the machine at the beginning of a run.
pub(crate) struct Machine {
    start: Ticks,
}

/// Ticks of the whole machine since boot, and of this process with its children.
struct Ticks {
    all: u64,
    idle: u64,
    stolen: u64,
    ours: u64,
}

impl Machine {
    pub(crate) fn look() -> Self {
        Self { start: ticks() }
    }

    /// One line for each fact, for the table's foot and the record.
    pub(crate) fn describe(&self, cores: (usize, usize)) -> Vec<String> {
        let now = ticks();
        let all = (now.all - self.start.all).max(1) as f64;
        let idle = (now.idle - self.start.idle) as f64;
        let stolen = (now.stolen - self.start.stolen) as f64;
        let ours = (now.ours - self.start.ours) as f64;
        let others = (all - idle - stolen - ours).max(0.0);
        vec![
            format!("processor: {}, {} cores; here on {}, there on {}", model(), core_count(), cores.0, cores.1),
            format!("kernel: {}; host: {}", first_line("/proc/sys/kernel/osrelease"), host()),
            format!("stolen by the host during the run: {:.1} % of all cores", 100.0 * stolen / all),
            format!("used by other processes during the run: {:.1} % of all cores", 100.0 * others / all),
            format!("built from: {}", commit()),
        ]
    }

    /// Whether others used so much that the figures say little.
    pub(crate) fn is_busy(&self) -> bool {
        let now = ticks();
        let all = now.all - self.start.all;
        let spent = (now.idle - self.start.idle) + (now.stolen - self.start.stolen) + (now.ours - self.start.ours);
        all.saturating_sub(spent) * 20 > all
    }
}

fn ticks() -> Ticks {
    let stat = read_to_string("/proc/stat").unwrap_or_default();
    let fields: Vec<u64> =
        stat.lines().next().unwrap_or_default().split_whitespace().skip(1).map(|f| f.parse().unwrap_or(0)).collect();
    let field = |n: usize| fields.get(n).copied().unwrap_or(0);
    // user nice system idle iowait irq softirq steal; the guest fields after them are counted in user already.
    let all = (0..8).map(field).sum();
    let own = read_to_string("/proc/self/stat").unwrap_or_default();
    let own: Vec<u64> = own
        .rsplit(") ")
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    // After the command's name: utime, stime, cutime, cstime are the 12th to the 15th.
    let ours = own.iter().skip(11).take(4).sum();
    Ticks { all, idle: field(3) + field(4), stolen: field(7), ours }
}

fn first_line(path: &str) -> String {
    read_to_string(path).unwrap_or_default().lines().next().unwrap_or("unknown").trim().to_owned()
}

fn model() -> String {
    let info = read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = info.lines().find_map(|line| line.strip_prefix("model name"));
    let mhz = info.lines().find_map(|line| line.strip_prefix("cpu MHz")).and_then(|line| line.split(':').nth(1));
    let name = line.and_then(|line| line.split(':').nth(1)).unwrap_or("unknown").trim();
    match mhz {
        Some(mhz) => format!("{name} at {} MHz", mhz.trim()),
        None => name.to_owned(),
    }
}

fn core_count() -> usize {
    read_dir("/sys/devices/system/cpu").map_or(0, |dir| {
        dir.flatten()
            .filter(|entry| {
                let name = entry.file_name();
                name.to_string_lossy()
                    .strip_prefix("cpu")
                    .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
            })
            .count()
    })
}

fn host() -> String {
    let virtual_machine = read_to_string("/proc/cpuinfo").unwrap_or_default().contains(" hypervisor");
    if !virtual_machine {
        return "bare metal".to_owned();
    }
    let clock = first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    let vendor = first_line("/sys/class/dmi/id/sys_vendor");
    format!("virtual machine ({vendor}, clock {clock})")
}

fn commit() -> String {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else { return "unknown".to_owned() };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|text| !text.is_empty());
    if changed { format!("{commit} with changes") } else { commit }
}

/// Today, as `2026-11-21` (UTC).
pub(crate) fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    date_of((seconds / 86_400) as i64)
}

/// The civil date of a day since 1970-01-01 (Hinnant's algorithm, for days from then on).
fn date_of(days: i64) -> String {
    let z = days + 719_468;
    let era = z / 146_097;
    let day_of_era = z % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::date_of;

    #[test]
    fn dates() {
        assert_eq!(date_of(0), "1970-01-01");
        assert_eq!(date_of(11_016), "2000-02-29");
        assert_eq!(date_of(20_778), "2026-11-21");
    }
}
