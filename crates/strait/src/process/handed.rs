//! In the child: the descriptors that the parent handed over.
//!
//! They are announced in the environment, `STRAIT_FDS=strait.parent=3,jobs=4`. The first look takes all of them at once into a
//! table, which makes them close-on-exec (programs that *this* one starts do not get them) and gives each out once. Names that
//! begin with `strait.` are strait's own. What makes a number a descriptor safely is told in [`strait_sys::inherited`].

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::{Mutex, OnceLock, PoisonError};

use strait_sys::inherited::{BadList, Listed, Refused, claim_listed};
use strait_sys::waitid::is_pidfd;

use crate::error::{Error, ErrorKind, Result};

/// The environment variable that announces them.
pub(super) const VARIABLE: &str = "STRAIT_FDS";
/// Beginning of the names that are not the user's.
pub(super) const RESERVED: &str = "strait.";
/// The name of the parent's pidfd.
pub(super) const PARENT: &str = "strait.parent";

static TABLE: OnceLock<Table> = OnceLock::new();

struct Table {
    /// The pidfd of the parent; stays here for the life of the process.
    parent: Option<OwnedFd>,
    announced: Announced,
}

enum Announced {
    Nothing,
    Garbage(BadList),
    Names(Mutex<BTreeMap<String, Slot>>),
}

enum Slot {
    Ready(OwnedFd),
    Refused(RawFd, Refused),
    Taken,
}

/// Takes the descriptor that the parent handed over under `name` (see [`Command::hand_over`](super::Command::hand_over)).
///
/// Each can be taken once; it is close-on-exec from then on. What is never taken stays open until the process ends.
///
/// The first call looks into the environment and makes two system calls for each descriptor announced there; later calls make
/// none. Never blocks. Call it early: while nothing was taken, a program started with `std::process::Command` inherits the lot.
///
/// # Errors
///
/// | kind | when |
/// |---|---|
/// | `NotFound` | the parent handed over nothing, or nothing of that name; the message lists what it did hand over |
/// | `Usage` | it was taken before, or the name begins with `strait.` |
/// | `Damaged` | the variable is no list of names and numbers, or the number is not open, or not one that was handed over |
///
/// If the parent has died meanwhile, the descriptor is valid all the same.
pub fn handed(name: &str) -> Result<OwnedFd> {
    take(table(), name)
}

/// The parent's pidfd, if the parent is a [`Command`](super::Command) of strait's.
pub(super) fn parent_pidfd() -> Option<BorrowedFd<'static>> {
    table().parent.as_ref().map(AsFd::as_fd)
}

fn table() -> &'static Table {
    TABLE.get_or_init(|| read(claim_listed(VARIABLE)))
}

fn read(listed: Option<Result<Vec<Listed>, BadList>>) -> Table {
    let listed = match listed {
        None => return Table { parent: None, announced: Announced::Nothing },
        Some(Err(bad)) => return Table { parent: None, announced: Announced::Garbage(bad) },
        Some(Ok(listed)) => listed,
    };
    let mut parent = None;
    let mut slots = BTreeMap::new();
    for Listed { name, number, fd } in listed {
        match fd {
            // Anything else under that name would look like a dead parent, or like one that never dies.
            Ok(fd) if name == PARENT => parent = is_pidfd(fd.as_fd()).then_some(fd),
            Ok(fd) => drop(slots.insert(name, Slot::Ready(fd))),
            Err(why) => drop(slots.insert(name, Slot::Refused(number, why))),
        }
    }
    Table { parent, announced: Announced::Names(Mutex::new(slots)) }
}

fn take(table: &Table, name: &str) -> Result<OwnedFd> {
    if name.starts_with(RESERVED) {
        let message = format!("take descriptor '{name}': names that begin with '{RESERVED}' are strait's own");
        return Err(Error::new(ErrorKind::Usage, message));
    }
    let slots = match &table.announced {
        Announced::Names(slots) => slots,
        Announced::Nothing => {
            let message = format!(
                "take descriptor '{name}': none was handed over ({VARIABLE} is not set); start this program with \
                 strait::process::Command and hand_over"
            );
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        Announced::Garbage(bad) => {
            let message = format!(
                "take descriptor '{name}': {VARIABLE} is no list of names and numbers: '{}' {}; let strait set it",
                bad.entry.escape_debug(),
                bad.why
            );
            return Err(Error::new(ErrorKind::Damaged, message));
        }
    };
    let mut slots = slots.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(slot) = slots.get_mut(name) else {
        let others: Vec<String> = slots.keys().filter(|n| !n.starts_with(RESERVED)).map(|n| format!("'{n}'")).collect();
        let others = if others.is_empty() { "nothing".to_owned() } else { others.join(", ") };
        let message = format!(
            "take descriptor '{name}': the parent handed over {others}; hand it over with Command::hand_over(\"{name}\", ...)"
        );
        return Err(Error::new(ErrorKind::NotFound, message));
    };
    if let Slot::Refused(number, why) = slot {
        let message = format!(
            "take descriptor '{name}': {VARIABLE} says number {number}, which {why}; was the variable meant for another \
             process?"
        );
        return Err(Error::new(ErrorKind::Damaged, message));
    }
    match std::mem::replace(slot, Slot::Taken) {
        Slot::Ready(fd) => Ok(fd),
        _ => {
            let message =
                format!("take descriptor '{name}': it was taken before; keep the first one, or copy it with try_clone");
            Err(Error::new(ErrorKind::Usage, message))
        }
    }
}
