//! What the entrants that go in batches have in common: lines of 64 B, up to 32 in a call.

use std::io;
use std::ops::Range;

use crate::job::{Job, Shape};

/// Messages in one call, at the most.
pub(super) const BATCH: usize = 32;

pub(super) type Line = [u64; 8];

/// Hands over the messages of these stamps, so many at once.
pub(super) fn send_in_batches(stamps: Range<u64>, mut send: impl FnMut(&[Line]) -> io::Result<()>) -> io::Result<()> {
    let mut batch = [[0; 8]; BATCH];
    let mut next = stamps.start;
    while next < stamps.end {
        // At most `BATCH`.
        let count = (stamps.end - next).min(BATCH as u64) as usize;
        for (line, stamp) in batch[..count].iter_mut().zip(next..) {
            *line = [stamp; 8];
        }
        send(&batch[..count])?;
        next += count as u64;
    }
    Ok(())
}

/// They are for streams of lines, one of which is of this shape.
pub(super) fn cannot(job: &Job, shape: Shape) -> Option<&'static str> {
    let is_stream = job.shape == shape || matches!(job.shape, Shape::Stream | Shape::NToOne);
    (!is_stream || job.bytes != size_of::<Line>()).then_some("batches")
}
