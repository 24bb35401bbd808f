//! Removing what is provably dead, and nothing else.
//!
//! ```
//! use strait::channel::spsc::{Options, Sender};
//! use strait::gc::{Verdict, sweep};
//!
//! # let name = format!("doc-gc-{}", std::process::id());
//! let tx = Sender::<[u8]>::create(&name, &Options::new())?;
//! assert!(matches!(sweep(&name)?, Verdict::Alive { .. })); // we hold it
//! drop(tx); // takes the name along; a process that is killed leaves it
//! assert!(matches!(sweep(&name)?, Verdict::Gone));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | what has the name | [`judge`] and [`sweep`] say |
//! |---|---|
//! | a channel or lock on which nobody holds a lease | [`Verdict::Dead`]; `sweep` has removed it |
//! | one on which somebody does, stopped or swapped out as may be | [`Verdict::Alive`] |
//! | one that is restartable, kept, or in a file, without users | [`Verdict::Stays`] |
//! | nothing, or something else by now | [`Verdict::Gone`] |
//! | one whose header contradicts itself | [`Verdict::Damaged`] |
//! | bytes that are no channel and no lock of this build | [`Verdict::Unproven`] |
//!
//! 1. **Proof.** Every user of a channel or lock, of whatever type, holds a kernel lock for as long as its process lives, and takes it before
//!    the name is there or behind the region's door. So who stands behind the door and sees no lease knows that nobody is there, and that
//!    nobody can come. The kernel says so; no pid, clock or heartbeat decides, and containers that share the memory are seen too.
//! 2. **By the rules of who comes and goes** (`peer::entry`): `sweep` is one more of those who sweep when they open. So a process that
//!    attaches at the same moment is let in and seen, or finds nothing of that name and makes its own.
//! 3. **What has no leases is left alone**: a raw [`Region`] may be in use by anybody who maps it.
//! 4. Nothing is mapped, so whoever may cut the file short cannot hurt who looks at it. What is written in it is checked as a stranger's.
//!
//! Of things that are not strait's, the kernel can be asked whether anybody has them: [`remove_unheld`].

mod unheld;

pub use unheld::{Foreign, Unheld, look_for_holders, remove_unheld};

use crate::error::{Error, ErrorKind, Result};
use crate::peer::entry::{self, House, Rules};
use crate::peer::lease::{self, Door, Leases};
use crate::region::header::{Header, channel_name};
use crate::region::{Place, Region};
use std::cell::Cell;
use std::fmt;
use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::time::Duration;
use strait_sys::fstat::{self, Kind};
use strait_sys::mmap::Access;
use strait_sys::open;

/// How long a sweeper waits for one who was stopped at the door.
const DOOR_PATIENCE: Duration = Duration::from_millis(200);

/// What there is at a place, as far as it can be proven.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Its users are dead, and nobody can go on with it.
    Dead(Proof),
    /// Somebody uses it.
    Alive {
        /// The slots whose leases are held; none where somebody is just coming or going.
        slots: Vec<u32>,
    },
    /// Nobody uses it, and it is there on purpose.
    Stays(Stay),
    /// There is nothing of that name, or it leads elsewhere by now.
    Gone,
    /// It contradicts itself, and how: what it says about who may go on with it cannot be believed.
    Damaged(String),
    /// No channel and no lock of this build, so nothing is known of its users; the sentence says what it is.
    Unproven(String),
}

/// Why something without users is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stay {
    /// It was made to be kept, until somebody removes it.
    Kept,
    /// It was made restartable: whoever comes next goes on with it.
    Restartable,
    /// It is in a file, which outlives its users.
    File,
}

/// Why something is known to be dead.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proof {
    /// `spsc`, `mutex`.
    pub kind: &'static str,
    /// Its size.
    pub region_bytes: u64,
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no process holds a lease on it, and it is not restartable")
    }
}

impl fmt::Display for Stay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kept => "it was made to be kept until it is removed",
            Self::Restartable => "it is restartable: whoever comes next goes on with it",
            Self::File => "it is in a file, which outlives its users",
        })
    }
}

/// Says what there is at a place, and changes nothing. The next moment it may be different: [`sweep`] asks again. A few system calls.
///
/// # Errors
/// `Permission`, `Kernel`; `Usage` for a place without a name.
pub fn judge(place: impl Into<Place>) -> Result<Verdict> {
    let place = place.into();
    let Found { file, header } = match find(&place, Access::ReadOnly)? {
        Ok(found) => found,
        Err(verdict) => return Ok(verdict),
    };
    // Where the kernel does not say, nobody is declared dead by it.
    if lease::is_deserted(file.as_fd()) != Some(true) {
        return Ok(Verdict::Alive { slots: lease::held(file.as_fd()) });
    }
    match stay_of(&place, &header) {
        Some(stay) => Ok(Verdict::Stays(stay)),
        None => Ok(Verdict::Dead(proof_of(&header, &file)?)),
    }
}

/// Removes what is at a place if that is [dead](Verdict::Dead), and says what it was. Behind its door: a dozen system calls.
///
/// # Errors
/// `Permission`: nothing can be asked, or removed, without the right to write. `Busy` where a process has been stopped while it attached or
/// left. `Usage` for a place without a name.
pub fn sweep(place: impl Into<Place>) -> Result<Verdict> {
    let place = place.into();
    let Found { file, header } = match find(&place, Access::ReadWrite)? {
        Ok(found) => found,
        Err(verdict) => return Ok(verdict),
    };
    let stay = stay_of(&place, &header);
    let proof = proof_of(&header, &file)?;
    let ruin = Ruin::new(place, file)?;
    let rules = Rules { is_named: true, is_file: ruin.place.is_file(), is_restartable: header.is_restartable };
    let is_free = entry::sweep(&ruin, rules, DOOR_PATIENCE)?;
    Ok(match stay {
        _ if ruin.is_removed.get() => Verdict::Dead(proof),
        _ if is_free || !ruin.has_name() => Verdict::Gone,
        Some(stay) if !ruin.is_anybody_else_here() => Verdict::Stays(stay),
        _ => Verdict::Alive { slots: ruin.leases.held_by_others() },
    })
}

/// Removes what is at a place unless somebody [uses](Verdict::Alive) it: also what stays on purpose, and what is damaged. The verdict is what it
/// was; nothing is removed of those that are alive, gone or unproven.
///
/// # Errors
/// As [`sweep`].
pub fn remove(place: impl Into<Place>) -> Result<Verdict> {
    let place = place.into();
    match sweep(&place)? {
        Verdict::Stays(_) | Verdict::Damaged(_) => {}
        verdict => return Ok(verdict),
    }
    take_away(&place, |ruin| !ruin.is_anybody_else_here())
}

/// Removes the name of a channel or lock, whoever uses it: they go on with what they have, and nobody new finds them. Behind its door, so that
/// no sweeper takes a successor for it. The verdict is what it was; nothing is removed of those that are gone or unproven.
///
/// # Errors
/// As [`sweep`].
pub fn remove_by_force(place: impl Into<Place>) -> Result<Verdict> {
    take_away(&place.into(), |_| true)
}

/// Removes the name, if that `may` be, and says what it was.
fn take_away(place: &Place, may: impl Fn(&Ruin) -> bool) -> Result<Verdict> {
    let (file, verdict) = match find(place, Access::ReadWrite)? {
        Ok(Found { file, header }) => {
            let verdict = match stay_of(place, &header) {
                Some(stay) => Verdict::Stays(stay),
                None => Verdict::Dead(proof_of(&header, &file)?),
            };
            (file, verdict)
        }
        Err(damaged @ Verdict::Damaged(_)) => match open_file(place, Access::ReadWrite)? {
            Ok(file) => (file, damaged),
            Err(verdict) => return Ok(verdict),
        },
        Err(verdict) => return Ok(verdict),
    };
    let ruin = Ruin::new(place.clone(), file)?;
    let _door = ruin.enter(DOOR_PATIENCE)?;
    let slots = ruin.leases.held_by_others();
    let verdict = if slots.is_empty() { verdict } else { Verdict::Alive { slots } };
    match ruin.has_name() {
        true if may(&ruin) => ruin.remove_name().map(|()| verdict),
        true => Ok(verdict),
        false => Ok(Verdict::Gone),
    }
}

/// A file that is a channel or a lock, opened for this alone.
struct Found {
    file: File,
    header: Header,
}

/// What is at a place; or what can be said without asking for leases.
fn find(place: &Place, access: Access) -> Result<Result<Found, Verdict>> {
    let file = match open_file(place, access)? {
        Ok(file) => file,
        Err(verdict) => return Ok(Err(verdict)),
    };
    Ok(match Header::read_file(place, &file) {
        Ok(header) if channel_name(header.channel) == "unknown" => {
            let what = format!("open {place}: its header says a channel of kind {}, which nothing is", header.channel);
            Err(Verdict::Damaged(what))
        }
        Ok(header) => Ok(Found { file, header }),
        Err(error) => match error.kind() {
            ErrorKind::Damaged => Err(Verdict::Damaged(error.to_string())),
            ErrorKind::Incompatible => Err(Verdict::Unproven(error.to_string())),
            _ => return Err(error),
        },
    })
}

/// Opens what has the name, if that is a plain file.
fn open_file(place: &Place, access: Access) -> Result<Result<File, Verdict>> {
    let path = path_of(place)?;
    // Looked at first: opening a FIFO would be noticed by who waits at its other side.
    match fstat::lstat(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Err(Verdict::Gone)),
        Err(error) => return Err(Error::kernel("look at", place, error, "")),
        Ok(stat) if stat.kind != Kind::Regular => {
            return Ok(Err(Verdict::Unproven(format!("open {place}: it is no plain file"))));
        }
        Ok(_) => {}
    }
    match open::existing(path, access) {
        Ok(fd) => Ok(Ok(File::from(fd))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Err(Verdict::Gone)),
        Err(error) => Err(Error::kernel("open", place, error, "its owner, or root, may")),
    }
}

fn path_of(place: &Place) -> Result<&Path> {
    place.kind()?;
    place.path().ok_or_else(|| Error::new(ErrorKind::Usage, format!("look at {place}: it has no name")))
}

fn stay_of(place: &Place, header: &Header) -> Option<Stay> {
    match header {
        _ if place.is_file() => Some(Stay::File),
        Header { is_kept: true, .. } => Some(Stay::Kept),
        Header { is_restartable: true, .. } => Some(Stay::Restartable),
        _ => None,
    }
}

fn proof_of(header: &Header, file: &File) -> Result<Proof> {
    let region_bytes = file.metadata().map_err(|e| Error::kernel("look at", "a region", e, ""))?.len();
    Ok(Proof { kind: channel_name(header.channel), region_bytes })
}

/// What may be left of a channel or lock: its file, which is not mapped, and locks of our own on it.
struct Ruin {
    place: Place,
    identity: (u64, u64),
    leases: Leases,
    is_removed: Cell<bool>,
}

impl Ruin {
    fn new(place: Place, file: File) -> Result<Self> {
        let fd = OwnedFd::from(file);
        let identity = fstat::fstat(fd.as_fd()).map_err(|e| Error::kernel("look at", &place, e, ""))?.identity;
        let leases = Leases::of(fd, place.to_string())?;
        Ok(Self { place, identity, leases, is_removed: Cell::new(false) })
    }
}

impl House for Ruin {
    type Door<'a> = Door<'a>;

    fn enter(&self, patience: Duration) -> Result<Door<'_>> {
        self.leases.enter(patience)
    }

    fn try_take(&self, slot: u32) -> Result<bool> {
        self.leases.try_take(slot)
    }

    fn release(&self, slot: u32) {
        self.leases.release(slot);
    }

    fn is_held_by_another(&self, slot: u32) -> bool {
        self.leases.is_held_by_another(slot)
    }

    fn is_anybody_else_here(&self) -> bool {
        self.leases.is_anybody_else_here()
    }

    fn has_name(&self) -> bool {
        self.place.path().is_some_and(|path| fstat::lstat(path).is_ok_and(|named| named.identity == self.identity))
    }

    fn remove_name(&self) -> Result<()> {
        Region::remove(&self.place)?;
        self.is_removed.set(true);
        Ok(())
    }
}
