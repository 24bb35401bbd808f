//! What the peer says: that it is ready, and its report.

use crate::bench::ends::{Left, failed};
use crate::bench::here::{READY, tell};
use crate::bench::job::{Job, There, Trouble, of_line};
use crate::exit::Exit;
use std::io::{BufRead as _, BufReader};
use std::process::ChildStdout;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use strait::process::Child;

/// How long a thread that was told of trouble leaves the main one, which may know more, to say so.
const GRACE: Duration = Duration::from_secs(1);

/// The peer's lines.
pub(super) enum Heard {
    /// Read where they are asked for. A peer that ends ends a wait for its messages too.
    Asked(BufReader<ChildStdout>),
    /// By a thread, which ends this process when the peer reports trouble: it may be waiting for a message that never comes.
    Told(mpsc::Receiver<String>),
}

impl Heard {
    pub(super) fn new(child: &mut Child, job: &Job, left: &Left) -> Result<Self, Trouble> {
        let stdout = child.stdout.take().ok_or_else(|| failed("the peer has no standard output"))?;
        let stdout = BufReader::new(stdout);
        if job.subject.tells_end() { Ok(Self::Asked(stdout)) } else { told(stdout, left.clone()) }
    }

    /// Waits until the peer has opened its ends, or says why it cannot.
    pub(super) fn until_ready(&mut self) -> Result<(), Trouble> {
        is_ready(&self.line())
    }

    /// The next line, when it comes; an empty one where there is none.
    pub(super) fn line(&mut self) -> String {
        match self {
            Self::Asked(stdout) => next(stdout),
            Self::Told(lines) => lines.recv().unwrap_or_default(),
        }
    }

    /// What the peer says of it, if it says anything; else what was seen from here. The ends of this side are dropped by now.
    pub(super) fn cause(&mut self, seen: Trouble) -> Trouble {
        if matches!(seen, Trouble::TooLarge { .. }) {
            return seen;
        }
        let line = match self {
            Self::Asked(stdout) => next(stdout),
            Self::Told(lines) => lines.recv_timeout(GRACE / 2).unwrap_or_default(),
        };
        match of_line::<There>(&line) {
            Err(told) if !line.is_empty() => told,
            _ => seen,
        }
    }
}

/// Where the line is something else, the report came in the place of that.
fn is_ready(line: &str) -> Result<(), Trouble> {
    if line.trim() == READY {
        return Ok(());
    }
    Err(of_line::<There>(line).err().unwrap_or_else(|| failed("the peer did not come up")))
}

fn next(stdout: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    // What cannot be read is as good as nothing said.
    let _ = stdout.read_line(&mut line);
    line
}

fn told(mut stdout: BufReader<ChildStdout>, left: Left) -> Result<Heard, Trouble> {
    let (say, lines) = mpsc::channel();
    let listen = move || {
        let _ = say.send(next(&mut stdout));
        let report = next(&mut stdout);
        let trouble = of_line::<There>(&report).err();
        let _ = say.send(report);
        if let Some(trouble) = trouble {
            // The main thread knows more, if it has noticed.
            thread::sleep(GRACE);
            left.remove();
            tell(&Err(trouble));
            std::process::exit(Exit::Peer.code().into());
        }
    };
    let thread = thread::Builder::new().name("listen".into()).stack_size(64 << 10).spawn(listen);
    thread.map_err(|e| Trouble::Refused(format!("start a thread: {e}")))?;
    Ok(Heard::Told(lines))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::job::to_line;

    /// A peer that cannot open its ends reports instead of saying that it is ready, and its reason is told.
    #[test]
    fn peer_that_does_not_come_up() {
        assert_eq!(is_ready("ready\n"), Ok(()));
        let refused = Trouble::Refused("run on processor 7".to_owned());
        assert_eq!(is_ready(&to_line(&Err::<There, _>(refused.clone()))), Err(refused));
        for nothing in ["", "\n", "rea"] {
            assert_eq!(is_ready(nothing), Err(failed("a process ended without a report")));
        }
    }
}
