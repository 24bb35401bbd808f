//! What the checks look at. Files lie below a root, so that tests can make up a machine; what only system calls say is beside it.

use rustix::process::{Resource, getrlimit};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use strait::inspect::kernel::Features;

/// A machine, as a process of it sees it.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) root: PathBuf,
    /// `/dev/shm`, where there is such a file system.
    pub(super) shm: Option<Space>,
    pub(super) limits: Limits,
    pub(super) uid: u32,
    /// Processors that this process may run on.
    pub(super) processors: usize,
    pub(super) features: Tried,
    /// From one processor to another and back, asleep in between.
    pub(super) round_trip: Option<Duration>,
}

/// A file system's room.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Space {
    pub(super) total_bytes: u64,
    pub(super) free_bytes: u64,
    pub(super) files: u64,
    pub(super) free_files: u64,
}

/// Limits of this process: those in force, and up to where it may raise them; `None`, without limit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    pub(super) memlock: (Option<u64>, Option<u64>),
    pub(super) nofile: (Option<u64>, Option<u64>),
    pub(super) msgqueue: (Option<u64>, Option<u64>),
    pub(super) file_size: (Option<u64>, Option<u64>),
}

/// Of each feature, why it is not there.
#[derive(Clone, Debug, Default)]
pub(super) struct Tried {
    pub(super) futex_waitv: Option<String>,
    pub(super) membarrier: Option<String>,
    pub(super) ofd_locks: Option<String>,
    pub(super) pidfd: Option<String>,
    pub(super) memfd: Option<String>,
    pub(super) tmpfile: Option<String>,
}

impl Machine {
    /// This one.
    pub(super) fn here() -> Self {
        let limit = |resource| {
            let it = getrlimit(resource);
            (it.current, it.maximum)
        };
        Self {
            root: "/".into(),
            shm: space("/dev/shm"),
            limits: Limits {
                memlock: limit(Resource::Memlock),
                nofile: limit(Resource::Nofile),
                msgqueue: msgqueue(),
                file_size: limit(Resource::Fsize),
            },
            uid: rustix::process::geteuid().as_raw(),
            processors: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            features: tried(),
            round_trip: super::checks::processors::round_trip(),
        }
    }

    /// A file below the root, without the line's end; `None` where it is not there or may not be read.
    pub(super) fn read(&self, path: &str) -> Option<String> {
        let bytes = fs::read(self.path(path)).ok()?;
        Some(String::from_utf8_lossy(&bytes).trim_end().to_owned())
    }

    /// The number that a file is.
    pub(super) fn number(&self, path: &str) -> Option<u64> {
        self.read(path)?.trim().parse().ok()
    }

    /// The numbers of a file's first line.
    pub(super) fn numbers(&self, path: &str) -> Option<Vec<u64>> {
        self.read(path)?.split_ascii_whitespace().map(|it| it.parse().ok()).collect()
    }

    /// The names in a directory, sorted.
    pub(super) fn names(&self, path: &str) -> Option<Vec<String>> {
        let entries = fs::read_dir(self.path(path)).ok()?;
        let mut names: Vec<String> =
            entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect();
        names.sort();
        Some(names)
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// Where a link leads to: `ipc:[4026531839]`.
    pub(super) fn link(&self, path: &str) -> Option<String> {
        Some(fs::read_link(self.path(path)).ok()?.to_string_lossy().into_owned())
    }

    /// A field of a table such as `/proc/meminfo`, in bytes.
    pub(super) fn kib_field(&self, path: &str, field: &str) -> Option<u64> {
        let text = self.read(path)?;
        let rest = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
        rest.split_ascii_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
    }

    /// The line of `/proc/self/mounts` for a directory: kind and options.
    pub(super) fn mount(&self, at: &str) -> Option<(String, String)> {
        let mounts = self.read("/proc/self/mounts")?;
        let of = |line: &str| {
            let fields: Vec<&str> = line.split(' ').collect();
            (fields.get(1) == Some(&at)).then(|| Some((fields.get(2)?.to_string(), fields.get(3)?.to_string())))?
        };
        // The last one is on top.
        mounts.lines().filter_map(of).next_back()
    }

    /// Where a path of this machine is.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }
}

fn space(path: &str) -> Option<Space> {
    let found = rustix::fs::statvfs(path).ok()?;
    Some(Space {
        total_bytes: found.f_blocks.saturating_mul(found.f_frsize),
        free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
        files: found.f_files,
        free_files: found.f_ffree,
    })
}

/// The limit has no name in rustix; the kernel tells it in a table.
fn msgqueue() -> (Option<u64>, Option<u64>) {
    let table = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = table.lines().find_map(|line| line.strip_prefix("Max msgqueue size")).unwrap_or_default();
    let mut numbers = line.split_ascii_whitespace().map(|it| it.parse().ok());
    (numbers.next().flatten(), numbers.next().flatten())
}

fn tried() -> Tried {
    let why = |it: std::io::Result<()>| it.err().map(|error| error.to_string());
    let it = Features::tried();
    Tried {
        futex_waitv: why(it.futex_waitv),
        membarrier: why(it.membarrier),
        ofd_locks: why(it.ofd_locks),
        pidfd: why(it.pidfd),
        memfd: why(it.memfd),
        tmpfile: why(it.tmpfile),
    }
}

#[cfg(test)]
pub(super) mod made_up {
    //! A machine of files in a directory of its own, where all is as it should be until a test says otherwise.

    use super::*;

    pub(in crate::doctor) struct MadeUp {
        pub(in crate::doctor) machine: Machine,
    }

    impl MadeUp {
        pub(in crate::doctor) fn new(word: &str) -> Self {
            let root = std::env::temp_dir().join(format!("strait-doctor-{word}-{}", std::process::id()));
            fs::create_dir_all(&root).expect("a directory");
            let gib = 1 << 30;
            Self {
                machine: Machine {
                    root,
                    shm: Some(Space { total_bytes: 8 * gib, free_bytes: 8 * gib, files: 1000, free_files: 990 }),
                    limits: Limits { nofile: (Some(65_536), Some(65_536)), ..Limits::default() },
                    uid: 1000,
                    processors: 8,
                    features: Tried::default(),
                    round_trip: None,
                },
            }
        }

        pub(in crate::doctor) fn write(&self, path: &str, text: &str) -> &Self {
            let path = self.machine.path(path);
            fs::create_dir_all(path.parent().expect("has one")).expect("a directory");
            fs::write(path, text).expect("written");
            self
        }

        pub(in crate::doctor) fn link(&self, path: &str, to: &str) -> &Self {
            let path = self.machine.path(path);
            fs::create_dir_all(path.parent().expect("has one")).expect("a directory");
            std::os::unix::fs::symlink(to, path).expect("linked");
            self
        }
    }

    impl Drop for MadeUp {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.machine.root);
        }
    }
}
