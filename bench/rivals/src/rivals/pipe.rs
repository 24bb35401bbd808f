//! A named pipe of 1 MiB, written one message at a time and read as much as there is. The kernel's reference.
//!
//! Messages of up to `PIPE_BUF` are written whole, so several senders and several receivers share one pipe.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::{CWD, Mode, OFlags, fcntl_getfl, fcntl_setfl, mknodat};
use rustix::pipe::fcntl_setpipe_size;

use crate::rivals::bytes::{Lazy, Rx, Set, Tx, spins};
use crate::seam::{Receiver, Traits, Way, Wire};

const PIPE_BYTES: usize = 1 << 20;

pub(crate) struct Wires;

fn path(way: &Way<'_>) -> io::Result<std::path::PathBuf> {
    let path = way.job.dir.join(&way.name);
    match mknodat(CWD, &path, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(path),
        Err(error) => Err(error.into()),
    }
}

impl Wire for Wires {
    const TRAITS: Traits =
        Traits { fans_out: false, fans_in: true, shares: true, sleeps: true, selects: true, reopens: false };
    type Tx = Tx<File>;
    type Rx = Rx<File>;

    fn tx(way: &Way<'_>) -> io::Result<Tx<File>> {
        let (path, spins) = (path(way)?, spins(way));
        let open = move || {
            let file = OpenOptions::new().write(true).open(path)?;
            fcntl_setpipe_size(&file, PIPE_BYTES)?;
            if spins {
                fcntl_setfl(&file, fcntl_getfl(&file)? | OFlags::NONBLOCK)?;
            }
            Ok(file)
        };
        Ok(Tx::new(way, Lazy::later(open)))
    }

    fn rx(way: &Way<'_>) -> io::Result<Rx<File>> {
        // Non-blocking, or the opening would wait for a writer.
        let flags = OFlags::NONBLOCK.bits() as i32;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path(way)?)?;
        if !spins(way) {
            fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
        }
        Ok(Rx::new(way, Lazy::Now(file)))
    }

    fn gather(ends: Vec<Rx<File>>, job: &crate::job::Job) -> io::Result<Box<dyn Receiver>> {
        Ok(Box::new(Set::new(ends, job.wait)?))
    }
}
