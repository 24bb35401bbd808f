//! Running what may hang: to its end or to a limit, its output kept.
//!
//! The program gets a process group of its own, so that what it started ends with it, and is killed when this process ends.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long a program may run, and how much of what it said is kept: the end of it.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Then it is killed, with all that it started.
    pub time: Duration,
    /// The last so many bytes of its output.
    pub output_bytes: u64,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With exit status 0.
    Well,
    /// With another one, or by a signal: which.
    Badly(String),
    /// It was killed at the limit.
    OutOfTime,
    /// It was killed when it had said what was waited for.
    Enough,
}

/// What came of a program.
#[derive(Clone, Debug)]
pub struct Said {
    /// How it ended.
    pub ended: Ended,
    /// Standard output and standard error, as they came.
    pub output: String,
    /// How long it took.
    pub took: Duration,
}

/// Runs a program to its end, or to a limit.
///
/// # Errors
/// That it cannot be started.
pub fn to_the_end(command: Command, limits: Limits) -> io::Result<Said> {
    until(command, limits, |_| false)
}

/// The same, but ends it as soon as a line that it said `is_enough`.
///
/// # Errors
/// That it cannot be started.
pub fn until(mut command: Command, limits: Limits, is_enough: fn(&str) -> bool) -> io::Result<Said> {
    let mut output = File::from(rustix::fs::memfd_create("output", rustix::fs::MemfdFlags::CLOEXEC)?);
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output.try_clone()?).process_group(0);
    die_with_parent(&mut command);
    let began = Instant::now();
    let mut child = Group(command.spawn()?);
    let mut lines = Lines { output: output.try_clone()?, at: 0, begun: Vec::new() };
    let waited = child.wait_until(began + limits.time, || Ok(lines.ended()?.lines().any(is_enough)))?;
    let took = began.elapsed();
    // Whatever it started and left behind.
    drop(child);
    let len = output.seek(SeekFrom::End(0))?;
    output.seek(SeekFrom::Start(len.saturating_sub(limits.output_bytes)))?;
    let mut bytes = Vec::new();
    output.read_to_end(&mut bytes)?;
    let ended = match waited {
        Waited::Out => Ended::OutOfTime,
        Waited::Enough => Ended::Enough,
        Waited::Ended(status) if status.success() => Ended::Well,
        Waited::Ended(status) => Ended::Badly(in_words(status)),
    };
    Ok(Said { ended, output: String::from_utf8_lossy(&bytes).into_owned(), took })
}

fn in_words(status: ExitStatus) -> String {
    match status.signal() {
        Some(signal) => format!("signal {signal}"),
        None => format!("exit status {}", status.code().unwrap_or_default()),
    }
}

/// The kernel kills it when the thread that started it ends, and that one waits for it.
fn die_with_parent(command: &mut Command) {
    // SAFETY: between fork and exec only `prctl` is called, which allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(|| {
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
            Ok(())
        });
    }
}

/// What is said, while it is said.
struct Lines {
    output: File,
    /// Up to where it was read.
    at: u64,
    /// A line without its end.
    begun: Vec<u8>,
}

impl Lines {
    /// The lines that have ended since the last call. They are read in place: the offset is the writers'.
    fn ended(&mut self) -> io::Result<String> {
        let mut bytes = [0; 1 << 14];
        loop {
            let len = self.output.read_at(&mut bytes, self.at)?;
            if len == 0 {
                break;
            }
            self.at += len as u64;
            self.begun.extend_from_slice(&bytes[..len]);
        }
        let end = self.begun.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let ended: Vec<u8> = self.begun.drain(..end).collect();
        Ok(String::from_utf8_lossy(&ended).into_owned())
    }
}

/// What a wait ended with.
enum Waited {
    Ended(ExitStatus),
    Enough,
    Out,
}

/// A child that leads a process group; all of it ends when this is dropped.
struct Group(Child);

impl Group {
    fn wait_until(&mut self, deadline: Instant, mut is_enough: impl FnMut() -> io::Result<bool>) -> io::Result<Waited> {
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(Waited::Ended(status));
            }
            if is_enough()? {
                return Ok(Waited::Enough);
            }
            if Instant::now() >= deadline {
                return Ok(Waited::Out);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw) {
            // Nobody left in it is as good. The number is not anybody else's: a group lives as long as any of its members, and the
            // leader's number is not given again while the group lives.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        // It is dead, or was waited for already.
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, time: Duration) -> Said {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        to_the_end(command, Limits { time, output_bytes: 5 }).expect("a shell")
    }

    /// The end of what a program said is kept, and how it ended.
    #[test]
    fn end_is_told() {
        let said = shell("echo one; echo two >&2; exit 3", crate::LONG);
        assert_eq!((said.ended, said.output.as_str()), (Ended::Badly("exit status 3".into()), "\ntwo\n"));
        assert_eq!(shell("true", crate::LONG).ended, Ended::Well);
    }

    /// Who has heard enough does not wait for the end.
    #[test]
    fn enough_is_enough() {
        let mut command = Command::new("sh");
        command.args(["-c", "printf no; echo thing; printf e; echo nough; sleep 1000"]);
        let limits = Limits { time: crate::LONG, output_bytes: 100 };
        let said = until(command, limits, |line| line == "enough").expect("a shell");
        assert_eq!((said.ended, said.output.as_str()), (Ended::Enough, "nothing\nenough\n"));
    }

    /// What hangs is killed with all that it started.
    #[test]
    fn hanging_program_is_ended() {
        let said = shell("sleep 1000 & sleep 1000", Duration::from_millis(100));
        assert_eq!(said.ended, Ended::OutOfTime);
        assert!(said.took < crate::LONG);
    }
}
