//! Regions: where shared bytes come from.
//!
//! A [`Region`] is a run of bytes that several processes map. Channels are built on regions, and a region is useful on its own:
//! open what another program made, see how large it is, read and write it through checked windows.
//!
//! | you have | you want | use |
//! |---|---|---|
//! | a name that processes agree on | memory that vanishes with its last user | [`Place::posix`] |
//! | a child, or a socket to somebody | memory without a name, of a size nobody can change | [`Place::memfd`] |
//! | a path | bytes that outlive a reboot | [`Place::file`] |
//! | an old program's key or id | to live with it | [`Place::sysv`], [`Place::sysv_id`] |
//! | a child that will be forked | memory without a descriptor | [`Place::anonymous`] |
//!
//! ```
//! use strait::region::{Options, Place, Region};
//!
//! let region = Region::create(Place::memfd("scratch"), 4096, &Options::new())?;
//! region.write(100, b"seen by everybody who maps it")?;
//!
//! let mut bytes = [0; 4];
//! region.read(100, &mut bytes)?;
//! assert_eq!(&bytes, b"seen");
//! # Ok::<(), strait::Error>(())
//! ```
//!
//! What holds for every kind that has a descriptor (all but System V and anonymous ones):
//!
//! 1. **Born whole.** A named region gets its name when it is complete. A creator that is killed before that leaves nothing.
//! 2. **Paid for.** All its memory is set aside when it is made; a full file system is an error then and no `SIGBUS` later.
//! 3. **Of fixed size.** A memfd is sealed. A named object or file is measured when it is opened; that nobody cuts it short later
//!    is trusted of one's own user only, so what another user owns or may write is refused unless the caller names the owner. If
//!    it is cut short all the same, the kernel ends by `SIGBUS` whoever touches what is gone; a memfd has no such end.
//! 4. **Private.** Mode 0600 unless asked otherwise, whatever the umask. Symbolic links are not followed. Descriptors close on exec.

mod birth;
pub(crate) mod header;
mod open;
mod options;
mod place;
mod size;
mod sysv;

pub(crate) use birth::Newborn;
pub use options::{HugePages, Options};
pub(crate) use place::Kind;
pub use place::Place;
pub(crate) use size::Bytes;

use crate::error::{Error, ErrorKind, Result};
use std::ops::Range;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use strait_mem::{Mapping, Shared as _, SharedMut as _, Trust};
use strait_sys::{fstat, linkat};

use strait_mem::LineMut;
use strait_mem::line::LINE_BYTES;
pub use strait_mem::{View, ViewMut};

/// Shared bytes, mapped into this process.
///
/// Dropping it unmaps the bytes and closes the descriptor. A name stays until [`Region::remove`]; a channel removes its own.
#[derive(Debug)]
pub struct Region {
    mapping: Arc<Mapping>,
    fd: Option<OwnedFd>,
    /// Which file it is, where its descriptor was let go of.
    identity: Option<(u64, u64)>,
    place: Place,
    /// The System V id, for a segment.
    segment: Option<i32>,
    page_bytes: u64,
}

impl Region {
    /// Makes a region of exactly `len_bytes` bytes, all zero. Nothing of that name may exist.
    ///
    /// Enters the kernel a dozen times and sets the memory aside: about 0.3 us per KiB.
    ///
    /// # Errors
    /// `AlreadyExists`, `NoSpace` (with the file system, its size and what is free), `Permission`, `Usage` for a length of zero
    /// or a bad name, `Unsupported` for options that this kind cannot have.
    pub fn create(place: impl Into<Place>, len_bytes: u64, options: &Options) -> Result<Self> {
        let place = place.into();
        let kind = place.kind()?;
        if options.read_only {
            return Err(Error::new(ErrorKind::Usage, format!("create {place}: a new region cannot be read-only")));
        }
        match kind {
            Kind::SysV(_) | Kind::SysVId(_) => sysv::create(&place, len_bytes, options),
            Kind::Anonymous => birth::anonymous(len_bytes, options),
            _ => {
                let newborn = Newborn::make(place, len_bytes, options)?;
                newborn.give_name()?;
                Ok(newborn.into_region())
            }
        }
    }

    /// Opens a region that exists, whoever made it, at its full size.
    ///
    /// # Errors
    /// `NotFound`; `Permission` where another user owns it or its mode forbids the access; `Incompatible` for what is no memory
    /// (a directory, a FIFO, a symbolic link); `Damaged` for an empty object; `Usage` for a kind that has no name.
    pub fn open(place: impl Into<Place>, options: &Options) -> Result<Self> {
        let place = place.into();
        match place.kind()? {
            Kind::SysV(_) | Kind::SysVId(_) => sysv::open(&place, options),
            Kind::Posix(path) | Kind::File(path) => open::named(&place, path, options),
            _ => Err(Error::new(
                ErrorKind::Usage,
                format!("open {place}: it has no name; hand its descriptor over and use Region::from_fd"),
            )),
        }
    }

    /// Opens a region, or makes one of `len_bytes` where there is none; of several callers at once one makes it (`O_CREAT`, `IPC_CREAT`).
    ///
    /// # Errors
    /// Those of [`Self::open`] and [`Self::create`].
    pub fn open_or_create(place: impl Into<Place>, len_bytes: u64, options: &Options) -> Result<Self> {
        let place = place.into();
        loop {
            match Self::open(&place, options) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                done => return done,
            }
            match Self::create(&place, len_bytes, options) {
                // Somebody was faster: open theirs.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                done => return done,
            }
        }
    }

    /// Maps the memory behind a descriptor that was inherited or received.
    ///
    /// # Errors
    /// `Permission` for a memfd that is not sealed against shrinking, for then its owner could pull it away under this process, and
    /// for a file of another user; `Incompatible` for what is no memory.
    pub fn from_fd(fd: OwnedFd, options: &Options) -> Result<Self> {
        open::descriptor(fd, options)
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.mapping.len() as u64
    }

    /// Whether there are none; never so.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.mapping.is_empty()
    }

    /// Where the bytes come from.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The size of the pages behind the mapping, in bytes: says whether huge pages that could fall back were had.
    #[must_use]
    pub fn page_bytes(&self) -> u64 {
        self.page_bytes
    }

    /// The address of the first byte in this process, for people to read: another process has another.
    #[must_use]
    pub fn address(&self) -> usize {
        self.mapping.address()
    }

    /// The id of a System V segment, as `ipcs -m` shows it.
    #[must_use]
    pub fn sysv_id(&self) -> Option<i32> {
        self.segment
    }

    /// The descriptor, to hand over; `None` for System V and anonymous regions.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.fd.as_ref().map(|fd| fd.as_fd())
    }

    /// A window for reading.
    ///
    /// # Errors
    /// `Usage` where `bytes` does not fit.
    pub fn view(&self, bytes: Range<u64>) -> Result<View> {
        let range = self.range(&bytes)?;
        self.mapping.view(range).ok_or_else(|| self.no_window(&bytes))
    }

    /// A window for reading and writing.
    ///
    /// # Errors
    /// `Usage` where `bytes` does not fit or the region was opened read-only.
    pub fn view_mut(&self, bytes: Range<u64>) -> Result<ViewMut> {
        if !self.mapping.is_writable() {
            return Err(self.read_only());
        }
        let range = self.range(&bytes)?;
        self.mapping.view_mut(range).ok_or_else(|| self.no_window(&bytes))
    }

    /// The cache line at `at`, for what reads or writes words of it all the time.
    pub(crate) fn line_mut(&self, at: u64) -> Result<LineMut> {
        let bytes = at..at.saturating_add(LINE_BYTES as u64);
        LineMut::of(self.view_mut(bytes.clone())?).ok_or_else(|| self.no_window(&bytes))
    }

    /// Copies bytes out. A writer at the same time makes the copy a mixture; nothing worse. No system call.
    ///
    /// # Errors
    /// `Usage` where the bytes do not fit.
    pub fn read(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        let end = offset.saturating_add(into.len() as u64);
        self.view(offset..end)?.read(0, into);
        Ok(())
    }

    /// Copies bytes in. No system call.
    ///
    /// # Errors
    /// `Usage` where the bytes do not fit or the region was opened read-only.
    pub fn write(&self, offset: u64, from: &[u8]) -> Result<()> {
        let end = offset.saturating_add(from.len() as u64);
        self.view_mut(offset..end)?.write(0, from);
        Ok(())
    }

    /// Writes changed bytes to the disk and waits for it (`msync(2)`). Useful for files only.
    ///
    /// # Errors
    /// `Kernel` when the disk fails.
    pub fn sync(&self) -> Result<()> {
        self.mapping.sync().map_err(|e| Error::kernel("sync", &self.place, e, ""))
    }

    /// Takes the name away (`shm_unlink`, `unlink`, `IPC_RMID`); who has it mapped keeps it.
    ///
    /// # Errors
    /// `NotFound`, `Permission`; `Usage` for a kind that has no name.
    pub fn remove(place: impl Into<Place>) -> Result<()> {
        let place = place.into();
        match place.kind()? {
            Kind::SysV(_) | Kind::SysVId(_) => sysv::remove(&place),
            Kind::Posix(path) | Kind::File(path) => {
                linkat::unlink(path).map_err(|e| Error::kernel("remove", &place, e, ""))
            }
            _ => Err(Error::new(ErrorKind::Usage, format!("remove {place}: it has no name to take away"))),
        }
    }

    /// Whether the name still leads to this region: not after somebody removed or replaced it.
    pub(crate) fn has_name(&self) -> bool {
        let (Some(path), Some(held)) = (self.place.path(), self.identity()) else { return false };
        fstat::lstat(path).is_ok_and(|named| named.identity == held)
    }

    /// The same region, known to be at `place`: whoever duplicated its descriptor knows that.
    pub(crate) fn at(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    /// Device and inode of its file.
    pub(crate) fn identity(&self) -> Option<(u64, u64)> {
        self.identity.or_else(|| Some(fstat::fstat(self.fd()?).ok()?.identity))
    }

    /// Closes the descriptor: whoever holds leases has one, and a channel's end needs no second.
    pub(crate) fn let_go_of_fd(&mut self) {
        self.identity = self.identity();
        self.fd = None;
    }

    pub(crate) fn mapping(&self) -> &Arc<Mapping> {
        &self.mapping
    }

    /// Whether all who may write run as this user, so that bytes can be lent.
    pub(crate) fn trust(&self) -> Result<Option<Trust>> {
        let Some(fd) = self.fd() else { return Ok(None) };
        Trust::in_own_user(fd).map_err(|e| Error::kernel("look at", &self.place, e, ""))
    }

    fn range(&self, bytes: &Range<u64>) -> Result<Range<usize>> {
        match (usize::try_from(bytes.start), usize::try_from(bytes.end)) {
            (Ok(start), Ok(end)) if start <= end && end <= self.mapping.len() => Ok(start..end),
            _ => Err(self.no_window(bytes)),
        }
    }

    fn no_window(&self, bytes: &Range<u64>) -> Error {
        let (start, end, len) = (bytes.start, bytes.end, self.len());
        Error::new(ErrorKind::Usage, format!("use bytes {start} to {end} of {}: it has {len} bytes", self.place))
    }

    fn read_only(&self) -> Error {
        Error::new(ErrorKind::Usage, format!("write {}: it was opened read-only", self.place))
    }
}

/// Maps `len` bytes of a descriptor whose size has been settled, and applies the options that concern the mapping.
fn map(fd: BorrowedFd<'_>, len_bytes: u64, place: &Place, options: &Options) -> Result<Arc<Mapping>> {
    let len = usize::try_from(len_bytes)
        .map_err(|_| Error::new(ErrorKind::NoSpace, format!("map {place} ({}): too large", Bytes(len_bytes))))?;
    let mapping = Mapping::of_file(fd, len, options.access(), options.populate)
        .map_err(|e| Error::kernel("map", place.sized(len_bytes), e, ""))?;
    lock_if_asked(&mapping, place, options)?;
    Ok(mapping)
}

fn lock_if_asked(mapping: &Mapping, place: &Place, options: &Options) -> Result<()> {
    if !options.lock {
        return Ok(());
    }
    let remedy = "raise the limit on locked memory (ulimit -l, RLIMIT_MEMLOCK, or LimitMEMLOCK= of the service)";
    mapping.lock().map_err(|e| {
        Error::kernel("lock in memory", place.sized(mapping.len() as u64), e, remedy).with_kind(ErrorKind::NoSpace)
    })
}

/// The directory a path lies in, for making and watching files there.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
