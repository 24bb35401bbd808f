//! Strait's own: everything in the POSIX namespace that is called `strait.NAME`.

use super::found::{Found, Is, Target, age_of};
use super::{Args, is_meant};
use crate::figures::counted;
use crate::text::safe;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime};
use strait::ErrorKind;
use strait::gc::{self, Verdict};
use strait::region::Place;

const DIRECTORY: &str = "/dev/shm";
/// What the names of strait's objects begin with there.
const PREFIX: &str = "strait.";

/// All that are meant, by name.
pub(super) fn all(args: &Args) -> io::Result<Vec<Found>> {
    let refused =
        |e: io::Error| io::Error::new(e.kind(), format!("list {DIRECTORY}: {e}; it must be mounted and readable"));
    let mut found = Vec::new();
    for entry in fs::read_dir(DIRECTORY).map_err(refused)? {
        let entry = entry.map_err(refused)?;
        let file = entry.file_name();
        let Some(name) = file.to_str().and_then(|file| file.strip_prefix(PREFIX)) else { continue };
        // Without it, it is gone.
        if let (true, Ok(stat)) = (is_meant(&args.patterns, name), entry.metadata()) {
            found.extend(look(name, &stat, args.older_than));
        }
    }
    found.sort_by(|a: &Found, b: &Found| a.name.cmp(&b.name));
    Ok(found)
}

/// `None`: it is gone.
fn look(name: &str, stat: &Metadata, older_than: Option<Duration>) -> Option<Found> {
    let place = Place::posix(name);
    // When it got its name: nothing changes this when what is mapped is written.
    let named = u64::try_from(stat.ctime()).ok().map(|s| SystemTime::UNIX_EPOCH + Duration::from_secs(s));
    let age = age_of(named, None);
    let mut kind = "strait".to_owned();
    let is = match gc::judge(&place) {
        Ok(Verdict::Gone) => return None,
        Ok(Verdict::Dead(proof)) => {
            kind = proof.kind.to_owned();
            match older_than {
                Some(wanted) if age.is_none_or(|age| age < wanted) => {
                    Is::Kept("young", "it is dead, and not yet so old".to_owned())
                }
                _ => Is::Dead(proof.to_string()),
            }
        }
        Ok(Verdict::Alive { slots }) => {
            let why = match slots.len() as u64 {
                0 => "somebody is just coming or going".to_owned(),
                users => format!("{} held on it", counted(users, "lease")),
            };
            Is::Kept("alive", why)
        }
        Ok(Verdict::Stays(stay)) => Is::Kept("stays", stay.to_string()),
        Ok(Verdict::Damaged(why)) => {
            Is::Kept("damaged", format!("{}; look at it, or remove it with strait rm", safe(&why)))
        }
        Ok(Verdict::Unproven(why)) => Is::Kept("unproven", format!("{}; who uses it is not known", safe(&why))),
        Ok(_) => Is::Kept("unproven", "a verdict of a later library".to_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => Is::Kept("hidden", safe(&error.to_string())),
    };
    let bytes = stat.blocks().saturating_mul(512);
    Some(Found { name: safe(name), kind, bytes, age, is, target: Target::Own(place) })
}
