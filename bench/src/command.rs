//! `strait sum` as a contender: the command, timed from its start to its end.

use std::fs::{File, read_dir, read_to_string, remove_file};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::text::Input;

const WORKERS: u32 = 2;

/// The command and where it may write.
pub(crate) struct Sum {
    program: PathBuf,
    out: PathBuf,
}

impl Drop for Sum {
    fn drop(&mut self) {
        let _ = remove_file(&self.out);
    }
}

impl Sum {
    /// The command at `program`, or beside this program; `None` where there is none, or one that cannot sum yet.
    pub(crate) fn find(program: Option<&Path>) -> Option<Self> {
        let program = match program {
            Some(path) => path.to_owned(),
            None => std::env::current_exe().ok()?.with_file_name("strait"),
        };
        let help = Command::new(&program).args(["sum", "--help"]).stderr(Stdio::null()).output().ok()?;
        let can_sum = help.status.success() && String::from_utf8_lossy(&help.stdout).contains("--workers");
        can_sum.then(|| Self { program, out: format!("/dev/shm/strait-bench-{}.out", std::process::id()).into() })
    }

    fn command(&self, input: &Input) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("sum").arg(input.path()).arg("-o").arg(&self.out);
        command.arg(format!("--workers={WORKERS}")).arg("--quiet").stdin(Stdio::null());
        command
    }

    /// Runs it once and returns how long that took.
    pub(crate) fn time(&self, input: &Input) -> io::Result<Duration> {
        let start = Instant::now();
        let status = self.command(input).status()?;
        let elapsed = start.elapsed();
        if status.success() { Ok(elapsed) } else { Err(io::Error::other(format!("strait sum ended with {status}"))) }
    }

    /// Runs it once and compares every line that it wrote.
    pub(crate) fn verify(&self, input: &Input) -> io::Result<()> {
        self.time(input)?;
        if same(&self.out, &input.sums_path())? {
            return Ok(());
        }
        Err(io::Error::other("strait sum wrote other sums than the generator"))
    }

    /// The most memory, in MiB, that its processes had together (proportional set size), looked at every 10 ms.
    pub(crate) fn peak_memory_mib(&self, input: &Input) -> io::Result<f64> {
        let mut child = self.command(input).spawn()?;
        let mut peak_kib = 0;
        while child.try_wait()?.is_none() {
            peak_kib = peak_kib.max(family(child.id()).into_iter().map(proportional_kib).sum());
            sleep(Duration::from_millis(10));
        }
        Ok(peak_kib as f64 / 1024.0)
    }
}

fn same(left: &Path, right: &Path) -> io::Result<bool> {
    let (mut left, mut right) = (File::open(left)?, File::open(right)?);
    if left.metadata()?.len() != right.metadata()?.len() {
        return Ok(false);
    }
    let (mut a, mut b) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let n = left.read(&mut a)?;
        if n == 0 {
            return Ok(true);
        }
        right.read_exact(&mut b[..n])?;
        if a[..n] != b[..n] {
            return Ok(false);
        }
    }
}

/// A process and all its descendants, as far as they live.
fn family(root: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for entry in read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let stat = read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // After the command's name: the state, then the parent.
        let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)).and_then(|pid| pid.parse().ok());
        if let Some(parent) = parent {
            parents.push((pid, parent));
        }
    }
    let mut family = vec![root];
    let mut next = 0;
    while let Some(&parent) = family.get(next) {
        family.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _): &(u32, u32)| *pid));
        next += 1;
    }
    family
}

fn proportional_kib(pid: u32) -> u64 {
    let text = read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}
