//! What a person sees while it runs: a bar on standard error, if that is a terminal. It is drawn between two runs, never in one.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;

/// The bar, or nothing.
pub(super) struct Progress(Option<ProgressBar>);

impl Progress {
    pub(super) fn start(runs: usize) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::new(runs as u64);
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} runs, {eta} left, {msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        Self(Some(bar))
    }

    /// Shows what comes next.
    pub(super) fn show(&self, done: usize, what: impl Into<String>) {
        if let Some(bar) = &self.0 {
            bar.set_position(done as u64);
            bar.set_message(what.into());
        }
    }

    pub(super) fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
