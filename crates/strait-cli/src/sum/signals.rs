//! Ctrl-C and its like: end in good order.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use strait::pool::Stopper;

/// Remembers the signal that asked the command to end.
pub(super) struct Watched(Arc<AtomicU8>);

impl Watched {
    pub(super) fn received(&self) -> Option<u8> {
        // Relaxed: read after the pool said that it was stopped, which it learnt from the same thread, or later anyway.
        Some(self.0.load(Relaxed)).filter(|&signal| signal != 0)
    }
}

/// Starts a thread that stops the pool at the first signal.
pub(super) fn watch(stopper: Stopper) -> std::io::Result<Watched> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let received = Arc::new(AtomicU8::new(0));
    let watched = Watched(Arc::clone(&received));
    std::thread::Builder::new().name("signals".into()).stack_size(64 << 10).spawn(move || {
        for signal in signals.forever() {
            received.store(u8::try_from(signal).unwrap_or(0), Relaxed);
            stopper.stop();
        }
    })?;
    Ok(watched)
}
