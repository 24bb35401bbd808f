//! How a region is opened: what is found is looked at before it is believed.

use crate::error::{Error, ErrorKind, Result};
use crate::region::{Options, Place, Region, directory_of, map};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use strait_sys::fstat::{self, FileStat, Kind};
use strait_sys::{open, seals, statfs};

/// Opens what has the name `path`.
pub(crate) fn named(place: &Place, path: &Path, options: &Options) -> Result<Region> {
    let fd = open::existing(path, options.access()).map_err(|e| refused(place, path, e))?;
    let stat = look(place, &fd)?;
    check_kind(place, &stat)?;
    check_owner(place, &stat, options)?;
    if place.is_file() && !options.allow_network {
        let found = statfs::statfs(directory_of(path)).map_err(|e| Error::kernel("look at", place, e, ""))?;
        if found.is_network {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "open {place}: it is on a network file system, where two machines do not see each other's stores; \
                     allow it with Options::allow_network_file_system"
                ),
            ));
        }
    }
    finish(place.clone(), fd, &stat, options)
}

/// Takes the memory behind a descriptor.
pub(crate) fn descriptor(fd: OwnedFd, options: &Options) -> Result<Region> {
    let label = link_text(&fd);
    let place = Place::memfd(&label);
    let stat = look(&place, &fd)?;
    check_kind(&place, &stat)?;
    if label.starts_with("memfd:") {
        if !seals::cannot_shrink(fd.as_fd()) {
            return Err(Error::new(
                ErrorKind::Permission,
                format!(
                    "attach to {place}: it is not sealed, so its owner could cut it short; seal it with F_SEAL_SHRINK"
                ),
            ));
        }
    } else {
        check_owner(&place, &stat, options)?;
    }
    finish(place, fd, &stat, options)
}

fn finish(place: Place, fd: OwnedFd, stat: &FileStat, options: &Options) -> Result<Region> {
    if stat.len_bytes == 0 {
        return Err(Error::new(
            ErrorKind::Damaged,
            format!("open {place}: it is empty; its maker has not given it a size"),
        ));
    }
    let mapping = map(fd.as_fd(), stat.len_bytes, &place, options)?;
    let huge_page_bytes = statfs::fstatfs(fd.as_fd()).ok().and_then(|found| found.huge_page_bytes);
    let page_bytes = huge_page_bytes.unwrap_or(strait_sys::page_size() as u64);
    Ok(Region { mapping, fd: Some(fd), identity: None, place, segment: None, page_bytes })
}

fn look(place: &Place, fd: &OwnedFd) -> Result<FileStat> {
    fstat::fstat(fd.as_fd()).map_err(|e| Error::kernel("look at", place, e, ""))
}

fn check_kind(place: &Place, stat: &FileStat) -> Result<()> {
    let what = match stat.kind {
        Kind::Regular => return Ok(()),
        Kind::Directory => "a directory, not shared memory",
        Kind::Fifo => "a pipe or FIFO, not shared memory",
        Kind::Socket => "a socket, not shared memory",
        Kind::SymbolicLink => "a symbolic link, which is never followed; name the object itself",
        Kind::Device => "a device, not shared memory",
        Kind::Other => "neither memory nor a file",
    };
    Err(Error::new(ErrorKind::Incompatible, format!("open {place}: it is {what}")))
}

fn check_owner(place: &Place, stat: &FileStat, options: &Options) -> Result<()> {
    let me = fstat::effective_uid();
    if options.owner == Some(stat.uid) {
        return Ok(());
    }
    if stat.uid == me {
        // Who may write may cut short; the owner's own processes are trusted not to.
        if stat.mode & 0o022 == 0 {
            return Ok(());
        }
        return Err(Error::new(
            ErrorKind::Permission,
            format!(
                "open {place}: its mode {:o} lets other users write, who can cut it short; take that right away, \
                 or name its owner (user {me}) with Options::owner if you trust them all",
                stat.mode & 0o777
            ),
        ));
    }
    Err(Error::new(
        ErrorKind::Permission,
        format!(
            "open {place}: user {} owns it, this process is user {me}; an owner can cut it short, \
             so name that user with Options::owner if you trust it",
            stat.uid
        ),
    ))
}

fn refused(place: &Place, path: &Path, error: io::Error) -> Error {
    // A link (ELOOP), a directory (EISDIR), a socket (ENXIO): said better by what it is than by the number.
    if let Err(wrong_kind) = fstat::lstat(path).map_or(Ok(()), |stat| check_kind(place, &stat)) {
        return wrong_kind;
    }
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => "nobody has created it, or its last user has left",
        io::ErrorKind::PermissionDenied => "its mode does not allow this access",
        _ => "",
    };
    Error::kernel("open", place, error, remedy)
}

/// What `/proc` calls the descriptor, for messages and to tell a memfd from a file; empty where `/proc` is missing. Whoever made it chose
/// the name: nothing in it that a terminal would act on is kept.
fn link_text(fd: &OwnedFd) -> String {
    use std::os::fd::AsRawFd as _;
    let link = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap_or_default();
    let text = link.to_string_lossy();
    let text = text.strip_prefix('/').filter(|t| t.starts_with("memfd:")).unwrap_or(&text);
    let text = text.strip_suffix(" (deleted)").unwrap_or(text);
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}
