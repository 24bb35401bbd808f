//! The line that ends it all: lines, numbers, total, seconds, GB/s, workers, restarts.

use crate::figures::counted;
use std::fmt;
use std::time::Duration;
use strait_sum::{Fault, Sum};

/// What was done, and how fast.
pub(super) struct Summary {
    pub(super) lines: u64,
    pub(super) numbers: u64,
    pub(super) total: Result<Sum, Fault>,
    pub(super) bytes: u64,
    pub(super) took: Duration,
    /// A person typed: a rate would say how fast.
    pub(super) is_dialogue: bool,
    pub(super) workers: u16,
    pub(super) restarts: u64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", counted(self.lines, "line"), counted(self.numbers, "number"))?;
        match &self.total {
            Ok(sum) => write!(f, ", total {sum}")?,
            Err(_) => f.write_str(", total beyond 128 bits")?,
        }
        let seconds = self.took.as_secs_f64();
        write!(f, ", {seconds:.3} s")?;
        if !self.is_dialogue {
            write!(f, ", {}", rate(self.bytes as f64 / seconds.max(1e-9)))?;
        }
        let (workers, restarts) = (u64::from(self.workers), self.restarts);
        write!(f, ", {}, {}", counted(workers, "worker"), counted(restarts, "restart"))
    }
}

/// In the unit that leaves something to see.
fn rate(bytes_per_second: f64) -> String {
    match bytes_per_second {
        rate if rate >= 1e8 => format!("{:.2} GB/s", rate / 1e9),
        rate if rate >= 1e5 => format!("{:.1} MB/s", rate / 1e6),
        rate if rate >= 1e3 => format!("{:.1} KB/s", rate / 1e3),
        rate => format!("{rate:.0} B/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No rate reads as nothing.
    #[test]
    fn rates_read_well() {
        let read: Vec<String> = [42.0, 123_456.0, 1.5e7, 1.5e8, 2.345e9].iter().map(|&r| rate(r)).collect();
        assert_eq!(read, ["42 B/s", "0.1 MB/s", "15.0 MB/s", "0.15 GB/s", "2.35 GB/s"]);
    }
}
