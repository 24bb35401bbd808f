//! System V segments: for living with old programs.
//!
//! They have no descriptor, so no lease: channels do not live on them. The kernel keeps a segment until somebody removes it *and*
//! everybody has detached; its size never changes.

use crate::error::{Error, ErrorKind, Result};
use crate::region::birth::huge_remedy;
use crate::region::{HugePages, Kind, Options, Place, Region, lock_if_asked};
use std::io;
use strait_mem::Mapping;
use strait_sys::errno;
use strait_sys::mmap::HugePage;
use strait_sys::shmget::{self, Create, SegmentStat};

/// Makes the segment of a key; it must not exist. `IPC_PRIVATE` always makes one.
pub(crate) fn create(place: &Place, len_bytes: u64, options: &Options) -> Result<Region> {
    let Kind::SysV(key) = *place.kind()? else {
        return Err(Error::new(
            ErrorKind::Usage,
            format!("create {place}: an id is the kernel's to give; create by key"),
        ));
    };
    let len = usize::try_from(len_bytes).ok().filter(|&len| len > 0).ok_or_else(|| {
        Error::new(ErrorKind::Usage, format!("create {place}: {len_bytes} bytes is no size for a segment"))
    })?;
    let make = |huge: Option<HugePage>| {
        shmget::shmget(key, len, Create::New, options.mode, huge).map_err(|e| {
            let remedy = match e.raw_os_error() {
                Some(errno::EINVAL) => "the size is beyond the limit kernel.shmmax",
                Some(errno::ENOSPC) => {
                    "the limits kernel.shmmni or kernel.shmall are used up; see `ipcs -lm` and `ipcs -m`"
                }
                Some(errno::EEXIST) => "open it, or choose another key",
                Some(errno::EPERM) if huge.is_some() => {
                    "huge pages for System V are for root and the group of vm.hugetlb_shm_group"
                }
                _ => huge_remedy(huge),
            };
            Error::kernel("create", place.sized(len_bytes), e, remedy)
        })
    };
    let (id, huge) = match (make(options.huge.size()), options.huge) {
        (Err(_), HugePages::TwoMiBOrSmall) => (make(None)?, None),
        (outcome, _) => (outcome?, options.huge.size()),
    };
    let attached = attach(place, id, options, huge);
    if attached.is_err() {
        // It was made here, a moment ago: taken away rather than leaked.
        let _ = shmget::remove(id);
    }
    attached
}

/// Opens the segment of a key or an id, whoever made it.
pub(crate) fn open(place: &Place, options: &Options) -> Result<Region> {
    let id = id_of(place)?;
    attach(place, id, options, None)
}

/// Marks a segment for removal.
pub(crate) fn remove(place: &Place) -> Result<()> {
    let id = id_of(place)?;
    shmget::remove(id).map_err(|e| Error::kernel("remove", place, e, ""))
}

fn id_of(place: &Place) -> Result<i32> {
    match *place.kind()? {
        Kind::SysVId(id) => Ok(id),
        Kind::SysV(shmget::PRIVATE) => Err(Error::new(
            ErrorKind::Usage,
            format!("open {place}: a private segment is found by its id, not by its key"),
        )),
        // Mode 0 asks for no permission yet: attaching does, and says which is missing.
        Kind::SysV(key) => shmget::shmget(key, 0, Create::No, 0, None)
            .map_err(|e| Error::kernel("open", place, e, "`ipcs -m` lists what there is")),
        _ => Err(Error::new(ErrorKind::Usage, format!("open {place}: it is no System V segment"))),
    }
}

fn attach(place: &Place, id: i32, options: &Options, huge: Option<HugePage>) -> Result<Region> {
    let stat = stat(place, id)?;
    let len = usize::try_from(stat.len_bytes)
        .map_err(|_| Error::new(ErrorKind::NoSpace, format!("attach to {place}: too large")))?;
    let mapping = Mapping::of_segment(id, len, options.access())
        .map_err(|e| Error::kernel("attach to", place.sized(stat.len_bytes), e, ""))?;
    lock_if_asked(&mapping, place, options)?;
    let page_bytes = huge.map_or(strait_sys::page_size() as u64, HugePage::bytes);
    Ok(Region { mapping, fd: None, identity: None, place: place.clone(), segment: Some(id), page_bytes })
}

fn stat(place: &Place, id: i32) -> Result<SegmentStat> {
    shmget::stat(id).map_err(|e| {
        // The kernel says "invalid argument" for an id that does not exist.
        let is_missing = e.kind() == io::ErrorKind::InvalidInput;
        let error = Error::kernel("open", place, e, if is_missing { "there is no such id; see `ipcs -m`" } else { "" });
        error.with_kind_if(is_missing, ErrorKind::NotFound)
    })
}
