//! All of them, again and again.

use super::gauge::Gauge;
use super::{Found, Status, matches, refused, status, status_of};
use crate::error::{Error, ErrorKind, Result};
use crate::name::{PREFIX, SHM_DIRECTORY};
use crate::region::Place;
use std::collections::BTreeMap;
use std::os::unix::fs::DirEntryExt as _;

/// All channels and locks in the POSIX namespace whose names a pattern means, looked at as often as one likes: what was found stays mapped, for
/// reading only, until it has lost its name.
///
/// ```
/// use strait::discovery::Survey;
///
/// # let name = format!("doc-survey-{}", std::process::id());
/// # let _tx = strait::channel::spsc::Sender::<u64>::create(&name, &Default::default())?;
/// let mut survey = Survey::new(&format!("{name}*"));
/// assert_eq!(survey.look()?.len(), 1);
/// assert_eq!(survey.look()?.len(), 1); // a few microseconds each
/// # Ok::<(), strait::Error>(())
/// ```
#[derive(Debug)]
pub struct Survey {
    pattern: String,
    known: BTreeMap<String, Known>,
}

/// What was found under a name.
#[derive(Debug)]
struct Known {
    inode: u64,
    found: What,
}

#[derive(Debug)]
enum What {
    Gauge(Box<Gauge>),
    /// It stays what it is.
    Other(String),
}

impl Survey {
    /// Of names that `pattern` means, as [`list`](super::list) has it. Nothing is looked at yet.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        Self { pattern: pattern.to_owned(), known: BTreeMap::new() }
    }

    /// How all of them are now, by name. A directory is read; what is new is opened and mapped, what has lost its name is let go of.
    ///
    /// # Errors
    /// As [`list`](super::list).
    pub fn look(&mut self) -> Result<Vec<Found>> {
        let mut names = names(&self.pattern)?;
        self.known.retain(|name, known| names.get(name) == Some(&known.inode));
        let mut found = Vec::with_capacity(names.len());
        while let Some((name, inode)) = names.pop_first() {
            let place = Place::posix(&name);
            if let Some(status) = self.status_of(&name, inode, &place) {
                found.push(Found { name, place, status });
            }
        }
        Ok(found)
    }

    fn status_of(&mut self, name: &str, inode: u64, place: &Place) -> Option<Status> {
        if let Some(known) = self.known.get_mut(name) {
            return match &mut known.found {
                What::Gauge(gauge) => status(gauge.look()),
                What::Other(why) => Some(Status::Other(why.clone())),
            };
        }
        match Gauge::open(place) {
            Ok(mut gauge) => {
                let seen = status(gauge.look());
                self.known.insert(name.to_owned(), Known { inode, found: What::Gauge(Box::new(gauge)) });
                seen
            }
            Err(error) if error.kind() == ErrorKind::Incompatible => {
                let why = error.to_string();
                self.known.insert(name.to_owned(), Known { inode, found: What::Other(why.clone()) });
                Some(Status::Other(why))
            }
            Err(error) => refused(&error),
        }
    }
}

/// All of them, once.
pub(super) fn once(pattern: &str) -> Result<Vec<Found>> {
    let look = |name: String| {
        let place = Place::posix(&name);
        let status = status_of(&place)?;
        Some(Found { name, place, status })
    };
    Ok(names(pattern)?.into_keys().filter_map(look).collect())
}

/// The names that are meant, and which file each leads to.
fn names(pattern: &str) -> Result<BTreeMap<String, u64>> {
    let refused = |e| Error::kernel("list", SHM_DIRECTORY, e, "it must be mounted and readable");
    let mut names = BTreeMap::new();
    for entry in std::fs::read_dir(SHM_DIRECTORY).map_err(refused)? {
        let entry = entry.map_err(refused)?;
        let file = entry.file_name();
        let Some(name) = file.to_str().and_then(|file| file.strip_prefix(PREFIX)) else { continue };
        if matches(pattern, name) {
            names.insert(name.to_owned(), entry.ino());
        }
    }
    Ok(names)
}
