//! What a person sees while it runs: a bar on standard error, if that is a terminal.

use crate::figures::counted;
use crate::say;
use crate::sum::input::Source;
use crate::sum::sheet::Sheet;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// The bar, or nothing.
pub(super) struct Progress(Option<ProgressBar>);

impl Progress {
    pub(super) fn start(is_hidden: bool, sources: &[Source]) -> Self {
        if is_hidden {
            return Self(None);
        }
        // All sizes, or no bar: a pipe's is not known.
        let total: Option<u64> = sources.iter().map(Source::len).sum();
        let bar = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::no_length(),
        };
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let template = match total {
            Some(_) => "{wide_bar} {decimal_bytes}/{decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left{msg}",
            None => "{spinner} {decimal_bytes}, {decimal_bytes_per_sec}{msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(Some(bar))
    }

    /// Shows how far it is, and tells what there is to tell.
    pub(super) fn show(&self, sheet: &mut Sheet, restarts: u64) {
        let Some(bar) = &self.0 else {
            sheet.reports().for_each(say::line);
            return;
        };
        sheet.reports().for_each(|report| bar.println(report));
        bar.set_position(sheet.bytes());
        let restarts = if restarts == 0 { String::new() } else { format!(", {}", counted(restarts, "restart")) };
        bar.set_message(format!(", {}{restarts}", counted(sheet.lines(), "line")));
    }

    pub(super) fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
