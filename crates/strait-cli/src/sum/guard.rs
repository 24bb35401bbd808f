//! What is left of OUT when the parent is killed in the middle of a write.
//!
//! A write of many pages that a SIGKILL interrupts may have written some of them: a line torn in two. So the parent keeps, in a
//! region that the workers share, how many bytes of OUT are whole lines, and every worker that sees its parent die cuts OUT there.
//! The parent's death is seen when all of its threads have ended, so no write is under way any more.

use std::fs::File;
use strait::process::{self, Command};
use strait::region::{Options, Place, Region};

const OUT: &str = "out";
const WHOLE: &str = "out-whole-bytes";
const REGION_BYTES: u64 = 8;

/// The parent's side.
pub(super) struct Guard {
    region: Region,
}

impl Guard {
    /// Makes the region and hands it, and OUT, over to the workers.
    pub(super) fn new(out: &File, command: &mut Command) -> Result<Self, String> {
        let region = Region::create(Place::memfd(WHOLE), REGION_BYTES, &Options::new()).map_err(|e| e.to_string())?;
        let cannot = |e: std::io::Error| format!("hand the output over to the workers: {e}");
        let out = out.try_clone().map_err(cannot)?;
        if let Some(fd) = region.fd() {
            command.hand_over(OUT, out).hand_over(WHOLE, fd.try_clone_to_owned().map_err(cannot)?);
        }
        Ok(Self { region })
    }

    /// Notes that the first `bytes` of OUT are whole lines and written.
    pub(super) fn note(&self, bytes: u64) {
        // In bounds by construction; the only error there could be.
        let _ = self.region.write(0, &bytes.to_le_bytes());
    }
}

/// The worker's side: what to do when the parent has died. Nothing where no OUT was handed over.
pub(super) fn on_parent_death() -> impl FnOnce() + Send + 'static {
    let handed = process::handed(OUT).and_then(|out| {
        let region = Region::from_fd(process::handed(WHOLE)?, &Options::new())?;
        Ok((File::from(out), region))
    });
    move || {
        let Ok((out, region)) = handed else { return };
        let mut whole = [0; 8];
        let is_longer = |whole| out.metadata().is_ok_and(|found| found.len() > whole);
        if region.read(0, &mut whole).is_ok() && is_longer(u64::from_le_bytes(whole)) {
            // Nothing can be told to anybody any more if this fails.
            let _ = out.set_len(u64::from_le_bytes(whole));
        }
    }
}
