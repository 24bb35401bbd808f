//! Names of one's own.
//!
//! Each is made of the test's word for it, this process's id and a counter, so that tests and runs at the same time do not meet. What
//! is left of it is removed when the value is dropped, which a panic does too.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

fn unique(word: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    // As long each time: the stepper compares runs instruction by instruction.
    format!("t-{word}-{}-{count:07}", std::process::id())
}

/// A name for a channel or region in the POSIX namespace.
#[derive(Debug)]
pub struct Name(String);

impl Name {
    /// A new one.
    #[must_use]
    pub fn new(word: &str) -> Self {
        Self(unique(word))
    }

    /// As strait takes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where strait's object of that name is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        Path::new("/dev/shm").join(format!("strait.{}", self.0))
    }

    /// The name any program uses for strait's object.
    #[must_use]
    pub fn raw(&self) -> String {
        format!("/strait.{}", self.0)
    }

    /// Everything in `/dev/shm` whose name contains this one: hidden stand-ins too.
    #[must_use]
    pub fn left_over(&self) -> Vec<String> {
        let entries = std::fs::read_dir("/dev/shm").expect("/dev/shm is there");
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter(|name| name.contains(&self.0)).collect()
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        for file in self.left_over() {
            // Gone already is as good.
            let _ = std::fs::remove_file(Path::new("/dev/shm").join(file));
        }
    }
}

/// A directory of one's own on the disk.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new one, which everybody may enter.
    #[must_use]
    pub fn new(word: &str) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let path = std::env::temp_dir().join(unique(word));
        std::fs::create_dir(&path).expect("make a scratch directory");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).expect("open it to all");
        Self(path)
    }

    /// A path in it.
    #[must_use]
    pub fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing is to be done about a failure.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A System V segment, removed at the end.
#[derive(Debug)]
pub struct Segment(pub i32);

impl Drop for Segment {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = strait::region::Region::remove(strait::region::Place::sysv_id(self.0));
    }
}

/// A System V key that no other test has, as far as one can know: the kernel has no names.
#[must_use]
pub fn sysv_key() -> i32 {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mixed = (std::process::id() << 8 | count & 0xFF) & 0x7FFF_FFFF;
    i32::try_from(mixed).expect("31 bits") | 0x5000_0000
}
