//! How a region is born: complete before anybody can find it.
//!
//! 1. The bytes are made without a name (`memfd_create`, or `O_TMPFILE` in the directory of the name).
//! 2. Size, memory and mode are settled; the caller fills in what the region begins with and takes its lease.
//! 3. One `linkat` gives the name, or finds it taken. Killed before that, the nameless file goes with its descriptor.
//!
//! Where a file system cannot make nameless files (overlayfs before Linux 6.3, NFS), step 1 uses a hidden name beside the
//! wanted one, which step 3 takes away; a kill in between leaves that hidden file.

use crate::error::{Error, ErrorKind, Result};
use crate::region::{Bytes, HugePages, Kind, Options, Place, Region, directory_of, lock_if_asked, map};
use std::fmt::Write as _;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use strait_mem::Mapping;
use strait_sys::mmap::HugePage;
use strait_sys::{linkat, memfd_create, open, posix_fallocate, seals, statfs};

/// From this size on a memfd is held against the memory that there is.
const WORTH_ASKING_BYTES: u64 = 64 << 20;

/// A complete region that nobody can find yet.
#[derive(Debug)]
pub(crate) struct Newborn {
    region: Region,
    /// A hidden name that stands in for having none, until this is dropped.
    _stand_in: Option<StandIn>,
}

impl Newborn {
    /// Makes a nameless region of `len_bytes` zero bytes for `place`, whose kind has a descriptor.
    pub(crate) fn make(place: Place, len_bytes: u64, options: &Options) -> Result<Self> {
        check_len(&place, len_bytes)?;
        if options.read_only {
            return Err(Error::new(ErrorKind::Usage, format!("create {place}: a new region cannot be read-only")));
        }
        if let Kind::Memfd(label) = place.kind()? {
            let region = match (memfd(label.clone(), &place, len_bytes, options, options.huge.size()), options.huge) {
                (Err(_), HugePages::TwoMiBOrSmall) => memfd(label.clone(), &place, len_bytes, options, None)?,
                (outcome, _) => outcome?,
            };
            return Ok(Self { region, _stand_in: None });
        }
        let Some(path) = place.path().map(Path::to_path_buf) else {
            return Err(Error::new(ErrorKind::Unsupported, format!("create {place}: this kind has no descriptor")));
        };
        let directory = directory_of(&path);
        let page_bytes = check_file_system(&place, directory, len_bytes, options)?;
        let (fd, stand_in) = nameless(&place, &path)?;
        // Mode first: `posix_fallocate` may take long, and a hidden stand-in must not be readable meanwhile.
        open::set_mode(fd.as_fd(), options.mode).map_err(|e| Error::kernel("set the mode of", &place, e, ""))?;
        allocate(&fd, &place, len_bytes, Some(directory))?;
        let mapping = map(fd.as_fd(), len_bytes, &place, options)?;
        Ok(Self {
            region: Region { mapping, fd: Some(fd), identity: None, place, segment: None, page_bytes },
            _stand_in: stand_in,
        })
    }

    /// The bytes, to fill in before the name is given.
    pub(crate) fn region(&self) -> &Region {
        &self.region
    }

    /// Gives the region its name, in one step; a memfd stays without.
    pub(crate) fn give_name(&self) -> Result<()> {
        let (Some(path), Some(fd)) = (self.region.place.path(), self.region.fd()) else { return Ok(()) };
        linkat::name(fd, path).map_err(|e| {
            let remedy = match e.kind() {
                io::ErrorKind::AlreadyExists => "open it, choose another name, or remove it if nobody uses it",
                io::ErrorKind::NotFound => "giving a name needs /proc mounted and the directory in place",
                _ => "",
            };
            Error::kernel("create", &self.region.place, e, remedy)
        })
    }

    /// The region, when it has its name; a hidden one goes.
    pub(crate) fn into_region(self) -> Region {
        self.region
    }
}

fn memfd(label: String, place: &Place, len_bytes: u64, options: &Options, huge: Option<HugePage>) -> Result<Region> {
    let sized = || place.sized(len_bytes);
    let fd =
        memfd_create::memfd_create(&label, huge).map_err(|e| Error::kernel("create", sized(), e, huge_remedy(huge)))?;
    open::set_mode(fd.as_fd(), options.mode).map_err(|e| Error::kernel("set the mode of", place, e, ""))?;
    // Huge pages come whole, and so does a file made of them.
    let file_bytes = match huge {
        Some(huge) => len_bytes.checked_next_multiple_of(huge.bytes()).unwrap_or(len_bytes),
        None => len_bytes,
    };
    check_memory(place, file_bytes)?;
    allocate_with(&fd, place, file_bytes, None, huge)?;
    seals::fix_size(fd.as_fd()).map_err(|e| Error::kernel("seal", place, e, ""))?;
    let mapping = map(fd.as_fd(), file_bytes, place, options)?;
    let page_bytes = huge.map_or(strait_sys::page_size() as u64, HugePage::bytes);
    Ok(Region { mapping, fd: Some(fd), identity: None, place: place.clone(), segment: None, page_bytes })
}

/// Refuses what the machine has no memory for: nothing else would, for a memfd is on no file system of limited size, and setting
/// its pages aside would end in the kernel killing somebody.
fn check_memory(place: &Place, len_bytes: u64) -> Result<()> {
    if len_bytes < WORTH_ASKING_BYTES {
        return Ok(());
    }
    let Some(memory) = strait_sys::proc::memory() else { return Ok(()) };
    if len_bytes <= memory.available_bytes {
        return Ok(());
    }
    let (total, available) = (Bytes(memory.total_bytes), Bytes(memory.available_bytes));
    Err(Error::new(
        ErrorKind::NoSpace,
        format!(
            "create {}: this machine has {total} of memory, {available} available; ask for less",
            place.sized(len_bytes)
        ),
    ))
}

/// A region of forked children: it has no descriptor, so nothing but the mapping.
pub(crate) fn anonymous(len_bytes: u64, options: &Options) -> Result<Region> {
    let place = Place::anonymous();
    check_len(&place, len_bytes)?;
    let len = usize::try_from(len_bytes)
        .map_err(|_| Error::new(ErrorKind::NoSpace, format!("create {}: too large", place.sized(len_bytes))))?;
    let make = |huge: Option<HugePage>| {
        let mapping = Mapping::anonymous(len, huge, options.populate)
            .map_err(|e| Error::kernel("create", place.sized(len_bytes), e, huge_remedy(huge)))?;
        let page_bytes = huge.map_or(strait_sys::page_size() as u64, HugePage::bytes);
        Ok((mapping, page_bytes))
    };
    let (mapping, page_bytes) = match (make(options.huge.size()), options.huge) {
        (Err(_), HugePages::TwoMiBOrSmall) => make(None)?,
        (outcome, _) => outcome?,
    };
    lock_if_asked(&mapping, &place, options)?;
    Ok(Region { mapping, fd: None, identity: None, place, segment: None, page_bytes })
}

/// What to do when huge pages are refused.
pub(crate) fn huge_remedy(huge: Option<HugePage>) -> &'static str {
    match huge {
        None => "",
        Some(HugePage::TwoMiB) => {
            "set 2 MiB pages aside (/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages) or allow ordinary ones"
        }
        Some(HugePage::OneGiB) => {
            "set 1 GiB pages aside (/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages, best at boot)"
        }
    }
}

fn check_len(place: &Place, len_bytes: u64) -> Result<()> {
    if len_bytes == 0 {
        return Err(Error::new(ErrorKind::Usage, format!("create {place}: a region has at least one byte")));
    }
    Ok(())
}

/// Refuses what the file system under the name cannot give, and returns the size of its pages.
fn check_file_system(place: &Place, directory: &Path, len_bytes: u64, options: &Options) -> Result<u64> {
    let found = statfs::statfs(directory).map_err(|e| Error::kernel("create", place, e, "the directory must exist"))?;
    if found.is_network && !options.allow_network {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "create {place}: '{}' is on a network file system, where two machines do not see each other's stores; \
                 use a local disk, or allow it with Options::allow_network_file_system",
                directory.display()
            ),
        ));
    }
    let huge = options.huge.size().filter(|_| options.huge != HugePages::TwoMiBOrSmall);
    if let (Some(huge), None) = (huge, found.huge_page_bytes) {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "create {} in pages of {}: '{}' has ordinary pages; use Place::memfd, or a file on a hugetlbfs",
                place.sized(len_bytes),
                Bytes(huge.bytes()),
                directory.display()
            ),
        ));
    }
    Ok(found.huge_page_bytes.unwrap_or(strait_sys::page_size() as u64))
}

fn allocate(fd: &OwnedFd, place: &Place, len_bytes: u64, directory: Option<&Path>) -> Result<()> {
    allocate_with(fd, place, len_bytes, directory, None)
}

fn allocate_with(
    fd: &OwnedFd,
    place: &Place,
    len_bytes: u64,
    directory: Option<&Path>,
    huge: Option<HugePage>,
) -> Result<()> {
    // The size is set exactly first; `posix_fallocate` alone would leave it as long as what it allocated, which is the same here
    // but not on file systems whose C library emulates the call.
    posix_fallocate::posix_fallocate(fd.as_fd(), len_bytes).map_err(|e| {
        let sized = place.sized(len_bytes);
        let is_full = matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::OutOfMemory);
        match directory.filter(|_| is_full) {
            Some(directory) => no_space(&sized, directory, place, e),
            None => Error::kernel("create", sized, e, huge_remedy(huge)).with_kind_if(is_full, ErrorKind::NoSpace),
        }
    })
}

/// `create region 'feed' (4 MiB): no space left in /dev/shm (64 MiB, 1.2 MiB free); mount a larger one or use Place::memfd`
fn no_space(sized: &str, directory: &Path, place: &Place, source: io::Error) -> Error {
    let mut message = format!("create {sized}: no space left in {}", directory.display());
    if let Ok(found) = statfs::statfs(directory) {
        // Writing to a String does not fail.
        let _ = write!(message, " ({}, {} free)", Bytes(found.total_bytes), Bytes(found.free_bytes));
    }
    let remedy =
        if place.is_file() { "free some or use another disk" } else { "mount a larger one or use Place::memfd" };
    Error::sentence(ErrorKind::NoSpace, format!("{message}; {remedy}"), source)
}

/// A hidden file; its name goes when this value does.
#[derive(Debug)]
struct StandIn(PathBuf);

impl Drop for StandIn {
    fn drop(&mut self) {
        // A failure leaves a hidden file behind, which is all that can be said about it.
        let _ = linkat::unlink(&self.0);
    }
}

fn nameless(place: &Place, path: &Path) -> Result<(OwnedFd, Option<StandIn>)> {
    let directory = directory_of(path);
    let refused = match open::nameless(directory) {
        Ok(fd) => return Ok((fd, None)),
        Err(error) => error,
    };
    // EISDIR and EOPNOTSUPP are how kernels and file systems say that they have no O_TMPFILE.
    let is_missing = refused.kind() == io::ErrorKind::Unsupported || refused.kind() == io::ErrorKind::IsADirectory;
    if !is_missing {
        return Err(Error::kernel("create", place, refused, ""));
    }
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let hidden =
        directory.join(format!(".{file}.{}.{:x}", std::process::id(), strait_sys::clock_gettime::realtime_ns()));
    let fd = open::new(&hidden).map_err(|e| Error::kernel("create", place, e, ""))?;
    Ok((fd, Some(StandIn(hidden))))
}
