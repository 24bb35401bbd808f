//! One object that is to go: which call removes it, and who has it.

use crate::bound::is_bound;
use crate::seen::{Seen, Thing};
use crate::text::safe;
use std::path::PathBuf;
use std::{fs, io};
use strait::gc::{self, Foreign, Unheld, Verdict};
use strait::inspect::machine::{By, Hold, Identity, Kind, Object};
use strait::region::{Place, Region};
use strait::sync::SysvSemaphores;
use strait::transport::{posix_mq, sysv_msg};

/// What is to be removed.
#[derive(Debug)]
pub(super) struct Target<'a> {
    shown: String,
    way: Way,
    holds: &'a [Hold],
}

/// How it is removed.
#[derive(Debug)]
pub(super) enum Way {
    /// A region of strait's, or what calls itself so.
    Own(Place),
    Foreign(Foreign),
    Segment(i32),
    Semaphores(i32),
    Messages(i32),
    /// A FIFO or a socket.
    Path(PathBuf),
    /// It goes with its last holder.
    Nameless(&'static str),
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Outcome {
    /// With what is to be known about it.
    Removed(String),
    Gone,
    /// Somebody has it: how, if nobody can be named.
    Held(String),
    /// It cannot be removed, and why.
    Nameless(String),
}

impl<'a> Target<'a> {
    pub(super) fn of(thing: &'a Thing) -> Self {
        let object = &thing.object;
        Self { shown: safe(&thing.address()), way: way(thing, object), holds: &object.holds }
    }

    /// Something that nobody has open.
    pub(super) fn unheld(shown: String, way: Way) -> Self {
        Self { shown, way, holds: &[] }
    }

    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// `process 412 (python3) has it mapped`, of all who have it.
    pub(super) fn holders(&self, seen: &Seen) -> Option<String> {
        let mut all: Vec<String> = Vec::new();
        for hold in self.holds {
            let command = seen.process(hold.pid).map(|it| format!(" ({})", safe(&it.command))).unwrap_or_default();
            let how = match &hold.by {
                By::Descriptor(fd) => format!("has it open as descriptor {fd}"),
                By::Mapping { .. } => "has it mapped".to_owned(),
                By::Lock { lease_slot: Some(slot), .. } => format!("is attached (lease slot {slot})"),
                By::Lock { kind, .. } => format!("has a lock on it ({kind})"),
                _ => "has it".to_owned(),
            };
            let one = format!("process {}{command} {how}", hold.pid);
            if !all.contains(&one) {
                all.push(one);
            }
        }
        match all.as_slice() {
            [] => None,
            few if few.len() <= 4 => Some(few.join(", ")),
            many => Some(format!("{} and {} more", many[..3].join(", "), many.len() - 3)),
        }
    }

    /// Removes it, if nobody has it or that is of no matter.
    pub(super) fn remove(&self, is_forced: bool) -> strait::Result<Outcome> {
        let removed = |()| Outcome::Removed(String::new());
        match &self.way {
            Way::Own(place) => own(place, is_forced),
            Way::Foreign(Foreign::File(place)) if is_forced => Region::remove(place).map(removed),
            Way::Foreign(Foreign::Queue(name)) if is_forced => posix_mq::remove(name).map(removed),
            Way::Foreign(foreign) => unheld(foreign),
            Way::Segment(id) if is_forced || self.holds.is_empty() => {
                match gc::look_for_holders(&Foreign::Segment(*id))? {
                    Unheld::Gone => Ok(Outcome::Gone),
                    // That its creator lives is no reason to keep it from a person who asks.
                    Unheld::Somebody(how) if !is_forced => Ok(Outcome::Held(how)),
                    _ => Region::remove(Place::sysv_id(*id)).map(removed),
                }
            }
            Way::Semaphores(id) => SysvSemaphores::of_id(*id).remove().map(removed),
            Way::Messages(id) => sysv_msg::Queue::of_id(*id).remove().map(removed),
            Way::Path(path) if !is_forced && is_bound(path) == Some(true) => {
                Ok(Outcome::Held("a socket is bound to it, of whom cannot be seen".to_owned()))
            }
            Way::Path(path) if is_forced || self.holds.is_empty() => Ok(match fs::remove_file(path) {
                Ok(()) => removed(()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Outcome::Gone,
                Err(error) => Outcome::Nameless(format!("{error}")),
            }),
            Way::Segment(_) | Way::Path(_) => Ok(Outcome::Held("somebody has it".to_owned())),
            Way::Nameless(why) => Ok(Outcome::Nameless((*why).to_owned())),
        }
    }
}

fn way(thing: &Thing, object: &Object) -> Way {
    if object.is_unlinked {
        return Way::Nameless("its name was taken away before; it goes with its last holder");
    }
    if object.is_path_elsewhere {
        return Way::Nameless(
            "its path leads elsewhere here; go to its mount namespace (nsenter --mount --target PID strait rm ...)",
        );
    }
    if thing.is_elsewhere {
        return Way::Nameless("it is in another IPC namespace; go there (nsenter --ipc --target PID strait rm ...)");
    }
    match (object.kind, object.identity, &object.path) {
        (Kind::PosixShm, ..) if object.name.starts_with("/strait.") => Way::Own(Place::posix(thing.name())),
        (Kind::PosixShm | Kind::PosixSemaphore, _, Some(path)) => Way::Foreign(Foreign::File(Place::file(path))),
        (Kind::PosixMq, ..) => Way::Foreign(Foreign::Queue(object.name.clone())),
        (Kind::SysvShm, Identity::SysvId(id), _) => Way::Segment(id),
        (Kind::SysvSemaphores, Identity::SysvId(id), _) => Way::Semaphores(id),
        (Kind::SysvMsg, Identity::SysvId(id), _) => Way::Messages(id),
        (Kind::Fifo | Kind::UnixSocket, _, Some(path)) => Way::Path(path.clone()),
        (Kind::File, _, Some(path)) if thing.is_own() => Way::Own(Place::file(path)),
        (Kind::File, ..) => Way::Nameless("it is a plain file, and no region of strait's; use rm(1)"),
        _ => Way::Nameless("it has no name that could be taken away; it goes with its last holder"),
    }
}

/// A region of strait's: by leases. One that is none, by who has it open or mapped.
fn own(place: &Place, is_forced: bool) -> strait::Result<Outcome> {
    let verdict = if is_forced { gc::remove_by_force(place)? } else { gc::remove(place)? };
    Ok(match verdict {
        Verdict::Gone => Outcome::Gone,
        Verdict::Alive { .. } if is_forced => Outcome::Removed("its users go on with what they have".to_owned()),
        Verdict::Alive { .. } => Outcome::Held("somebody is attached to it".to_owned()),
        Verdict::Unproven(_) if place.is_file() => {
            Outcome::Nameless("it is a plain file, and no region of this version; use rm(1)".to_owned())
        }
        Verdict::Unproven(_) if is_forced => return Region::remove(place).map(|()| Outcome::Removed(String::new())),
        Verdict::Unproven(_) => return unheld(&Foreign::File(place.clone())),
        Verdict::Stays(stay) => Outcome::Removed(format!("nobody was attached ({stay})")),
        Verdict::Damaged(_) => Outcome::Removed("it was damaged".to_owned()),
        _ => Outcome::Removed(String::new()),
    })
}

fn unheld(foreign: &Foreign) -> strait::Result<Outcome> {
    Ok(match gc::remove_unheld(foreign)? {
        Unheld::Nobody => Outcome::Removed(String::new()),
        Unheld::Gone => Outcome::Gone,
        Unheld::Somebody(how) | Unheld::Creator(how) => Outcome::Held(how),
        _ => Outcome::Held("somebody has it".to_owned()),
    })
}
