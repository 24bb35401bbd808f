//! Ctrl-C and its like: end in good order; if that is not to be had, end.

use crate::exit::Exit;
use crate::say;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// How long the good order may take: a reader of the output that does not read can hold it up for ever.
const PATIENCE: Duration = Duration::from_secs(2);

/// Remembers the signal that asked the command to end.
pub(crate) struct Watched(Arc<AtomicU8>);

impl Watched {
    pub(crate) fn received(&self) -> Option<u8> {
        // Relaxed: read after the work said that it was stopped, which it learnt from the same thread, or later anyway.
        Some(self.0.load(Relaxed)).filter(|&signal| signal != 0)
    }
}

/// Starts a thread that stops the work of `verb` at the first signal, and ends the process at the second or when its patience is at an
/// end.
pub(crate) fn watch(verb: &'static str, stop: impl Fn() + Send + 'static) -> std::io::Result<Watched> {
    let ignored = ignored();
    let wanted = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| ignored & 1 << (signal - 1) == 0);
    let mut signals = Signals::new(wanted)?;
    let received = Arc::new(AtomicU8::new(0));
    let watched = Watched(Arc::clone(&received));
    thread::Builder::new().name("signals".into()).stack_size(64 << 10).spawn(move || {
        let number = |signal: i32| u8::try_from(signal).unwrap_or(0);
        let mut arrived = signals.forever();
        let Some(first) = arrived.next().map(number) else { return };
        received.store(first, Relaxed);
        stop();
        // Without a second thread the second signal has to do.
        let _ = thread::Builder::new().name("patience".into()).stack_size(64 << 10).spawn(move || {
            thread::sleep(PATIENCE);
            say::line(format_args!("strait {verb}: ended although the output was not ready to take all of it"));
            std::process::exit(Exit::Signal(first).code().into());
        });
        if let Some(second) = arrived.next().map(number) {
            std::process::exit(Exit::Signal(second).code().into());
        }
    })?;
    Ok(watched)
}

/// The name of a signal that is watched for.
pub(crate) fn name(signal: u8) -> &'static str {
    match i32::from(signal) {
        SIGINT => "SIGINT",
        SIGTERM => "SIGTERM",
        _ => "SIGHUP",
    }
}

/// The signals that whoever started us wants ignored (`nohup`, a shell's background job), one bit each; they stay so.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
