//! Names of shared memory objects.
//!
//! strait's own objects are called `strait.NAME` in the POSIX shared memory namespace, so that they can be told from other
//! programs' and `ls /dev/shm` shows whose they are.

use crate::error::{Error, ErrorKind, Result};
use std::path::PathBuf;

/// Where Linux keeps POSIX shared memory objects (`shm_overview(7)`).
pub(crate) const SHM_DIRECTORY: &str = "/dev/shm";
/// What the names of strait's own objects begin with.
pub(crate) const PREFIX: &str = "strait.";
/// The longest name a directory takes (`NAME_MAX`), in bytes.
const NAME_MAX_BYTES: usize = 255;

/// The path of strait's object `name`.
pub(crate) fn strait_path(name: &str) -> Result<PathBuf> {
    path_of(name, &format!("{PREFIX}{name}"))
}

/// The path of any POSIX shared memory object; one leading slash is allowed, as `shm_open(3)` wants it.
pub(crate) fn posix_path(name: &str) -> Result<PathBuf> {
    path_of(name, name.strip_prefix('/').unwrap_or(name))
}

fn path_of(asked: &str, file: &str) -> Result<PathBuf> {
    let wrong = |why: &str| Err(Error::new(ErrorKind::Usage, format!("use name '{}': {why}", asked.escape_default())));
    if asked.is_empty() || file.is_empty() {
        return wrong("it is empty; a name has at least one character");
    }
    if file.contains('/') {
        return wrong("it contains a slash; for a path use Place::file");
    }
    if file.contains('\0') {
        return wrong("it contains a NUL byte");
    }
    if file == "." || file == ".." {
        return wrong("it means a directory");
    }
    if file.len() > NAME_MAX_BYTES {
        return wrong(&format!(
            "it is longer than {} bytes",
            NAME_MAX_BYTES - (file.len() - asked.len().min(file.len()))
        ));
    }
    Ok([SHM_DIRECTORY, file].iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name that would leave the directory, or that the file system cannot hold, is refused with the reason.
    #[test]
    fn bad_names_are_refused() {
        for (name, why) in
            [("", "empty"), ("a/b", "slash"), ("../etc", "slash"), ("a\0b", "NUL"), (&"x".repeat(256), "longer than")]
        {
            let error = strait_path(name).expect_err(name);
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.to_string().contains(why), "{error}");
        }
        assert!(posix_path("/").is_err());
        assert!(posix_path("..").is_err());
    }

    #[test]
    fn good_names_become_paths() {
        assert_eq!(strait_path("feed").expect("fine"), PathBuf::from("/dev/shm/strait.feed"));
        assert_eq!(posix_path("/feed").expect("fine"), PathBuf::from("/dev/shm/feed"));
        assert_eq!(posix_path("feed").expect("fine"), PathBuf::from("/dev/shm/feed"));
    }
}
