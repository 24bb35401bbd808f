//! Where the bytes of a region come from.

use crate::error::{Error, ErrorKind, Result};
use crate::name;
use crate::region::size::Bytes;
use std::fmt;
use std::path::{Path, PathBuf};
use strait_sys::shmget;

/// A kind of shared memory and, for the kinds that have one, its name.
///
/// A `&str` or `String` becomes the POSIX object of that name, a `&Path` or `PathBuf` a file. A name that cannot be is reported
/// when the place is used.
#[derive(Clone, Debug)]
pub struct Place(Kind);

/// What a checked place is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// An object in the POSIX namespace, at this path.
    Posix(PathBuf),
    /// A file of the user's.
    File(PathBuf),
    /// A memory file with this label.
    Memfd(String),
    /// Memory of forked children.
    Anonymous,
    /// A System V key.
    SysV(i32),
    /// A System V id.
    SysVId(i32),
    /// A name that cannot be, with the reason.
    Wrong(String),
}

impl Place {
    /// strait's object `name` in the POSIX shared memory namespace: `/dev/shm/strait.NAME`.
    #[must_use]
    pub fn posix(name: &str) -> Self {
        Self::named(name::strait_path(name))
    }

    /// Any program's POSIX shared memory object, by the name it passes to `shm_open(3)`, `/feed` for instance.
    #[must_use]
    #[doc(alias = "shm_open")]
    pub fn posix_raw(name: &str) -> Self {
        Self::named(name::posix_path(name))
    }

    /// A file, which outlives a reboot.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Kind::File(path.into()))
    }

    /// Memory without a name, which travels by inheritance or over a socket. `label` shows in `/proc/PID/fd`.
    #[must_use]
    #[doc(alias = "memfd_create")]
    pub fn memfd(label: &str) -> Self {
        if label.contains('\0') || label.len() > 200 {
            return Self(Kind::Wrong(format!(
                "use label '{}': at most 200 bytes, none of them NUL",
                label.escape_default()
            )));
        }
        Self(Kind::Memfd(label.to_owned()))
    }

    /// Memory without a descriptor, shared with children that are forked later.
    #[must_use]
    pub fn anonymous() -> Self {
        Self(Kind::Anonymous)
    }

    /// The System V segment of `key`; a key of 0 (`IPC_PRIVATE`) asks for a new one each time.
    #[must_use]
    #[doc(alias = "shmget")]
    pub fn sysv(key: i32) -> Self {
        Self(Kind::SysV(key))
    }

    /// The System V segment with the id `id`, as `ipcs -m` shows it.
    #[must_use]
    pub fn sysv_id(id: i32) -> Self {
        Self(Kind::SysVId(id))
    }

    /// The System V segment whose key C programs derive from a path that exists and a project number (`ftok(3)`).
    ///
    /// # Errors
    /// `NotFound` where there is no such path.
    pub fn sysv_path(path: &Path, project: u8) -> Result<Self> {
        let key = shmget::ftok(path, project)
            .map_err(|e| Error::kernel("derive a key from", format!("'{}'", path.display()), e, ""))?;
        Ok(Self::sysv(key))
    }

    fn named(path: Result<PathBuf>) -> Self {
        match path {
            Ok(path) => Self(Kind::Posix(path)),
            Err(error) => Self(Kind::Wrong(error.to_string())),
        }
    }

    /// The place, unless its name cannot be.
    pub(crate) fn kind(&self) -> Result<&Kind> {
        match &self.0 {
            Kind::Wrong(why) => Err(Error::new(ErrorKind::Usage, why.clone())),
            kind => Ok(kind),
        }
    }

    /// The path, for a kind that has one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.0 {
            Kind::Posix(path) | Kind::File(path) => Some(path),
            _ => None,
        }
    }

    /// Whether it is a file of the user's, which outlives its users.
    #[must_use]
    pub fn is_file(&self) -> bool {
        matches!(self.0, Kind::File(_))
    }

    /// The place with a size, for messages: `region 'feed' (4 MiB)`.
    pub(crate) fn sized(&self, len_bytes: u64) -> String {
        format!("{self} ({})", Bytes(len_bytes))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Posix(path) => {
                let file = path.file_name().unwrap_or_default().to_string_lossy();
                match file.strip_prefix(name::PREFIX) {
                    Some(name) => write!(f, "region '{name}'"),
                    None => write!(f, "region '/{file}'"),
                }
            }
            Kind::File(path) => write!(f, "file '{}'", path.display()),
            Kind::Memfd(label) => write!(f, "memfd '{label}'"),
            Kind::Anonymous => write!(f, "anonymous region"),
            Kind::SysV(key) => write!(f, "System V segment with key {key:#x}"),
            Kind::SysVId(id) => write!(f, "System V segment {id}"),
            Kind::Wrong(_) => write!(f, "region"),
        }
    }
}

impl From<&str> for Place {
    fn from(name: &str) -> Self {
        Self::posix(name)
    }
}

impl From<&String> for Place {
    fn from(name: &String) -> Self {
        Self::posix(name)
    }
}

impl From<String> for Place {
    fn from(name: String) -> Self {
        Self::posix(&name)
    }
}

impl From<&Path> for Place {
    fn from(path: &Path) -> Self {
        Self::file(path)
    }
}

impl From<&PathBuf> for Place {
    fn from(path: &PathBuf) -> Self {
        Self::file(path)
    }
}

impl From<PathBuf> for Place {
    fn from(path: PathBuf) -> Self {
        Self::file(path)
    }
}

impl From<&Place> for Place {
    fn from(place: &Place) -> Self {
        place.clone()
    }
}
