//! Pages: whose they are, and where they lie.

use crate::error::{Error, ErrorKind, Result};
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

/// How much of a mapping is in memory, and with whom it is shared now. A page that two processes have in common counts as shared in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pages {
    /// In memory at all.
    pub resident_bytes: u64,
    /// In common with another mapping: of a fork that has not written to it, or of the same object.
    pub shared_bytes: u64,
    /// This mapping's alone.
    pub private_bytes: u64,
    /// Mapped here in huge pages, whether they were asked for or are the kernel's doing.
    pub huge_bytes: u64,
}

/// The pages of the mapping of process `pid` in which `address` lies. Reads one file of `/proc`.
///
/// # Errors
/// `NotFound`: no such process or mapping; `Permission`.
#[doc(alias = "smaps")]
pub fn pages(pid: u32, address: usize) -> Result<Pages> {
    let path = format!("/proc/{pid}/smaps");
    let text = fs::read_to_string(&path).map_err(|e| Error::kernel("read", &path, e, ""))?;
    let mut lines =
        text.lines().skip_while(|line| !range(line).is_some_and(|(from, to)| (from..to).contains(&address)));
    if lines.next().is_none() {
        let why = format!("look at the memory of process {pid}: nothing is mapped at {address:#x}");
        return Err(Error::new(ErrorKind::NotFound, why));
    }
    let mut found = Pages::default();
    for line in lines.take_while(|line| range(line).is_none()) {
        let Some((name, value)) = line.split_once(':') else { continue };
        let Some(bytes) = value.trim().strip_suffix(" kB").and_then(|kib| kib.parse::<u64>().ok()) else { continue };
        match name {
            "Rss" => found.resident_bytes = bytes * 1024,
            "Shared_Clean" | "Shared_Dirty" => found.shared_bytes += bytes * 1024,
            "Private_Clean" | "Private_Dirty" => found.private_bytes += bytes * 1024,
            "AnonHugePages" | "ShmemPmdMapped" | "FilePmdMapped" | "Shared_Hugetlb" | "Private_Hugetlb" => {
                found.huge_bytes += bytes * 1024;
            }
            _ => {}
        }
    }
    Ok(found)
}

/// The addresses of a mapping, of the line that begins its entry.
fn range(line: &str) -> Option<(usize, usize)> {
    let (from, rest) = line.split_once('-')?;
    let (to, _) = rest.split_once(' ')?;
    Some((usize::from_str_radix(from, 16).ok()?, usize::from_str_radix(to, 16).ok()?))
}

/// The number of the physical page at an address of this process; `None` where none is there. Two addresses with the same number are the same
/// memory. Two system calls.
///
/// # Errors
/// `Permission`: it takes root (`CAP_SYS_ADMIN`) to know.
#[doc(alias = "pagemap")]
pub fn frame(address: usize) -> Result<Option<u64>> {
    const PRESENT: u64 = 1 << 63;
    const FRAME: u64 = (1 << 55) - 1;
    let refuse = |e| Error::kernel("read", "/proc/self/pagemap", e, "");
    let mut entry = [0; 8];
    let at = (address / strait_sys::page_size()) as u64 * 8;
    File::open("/proc/self/pagemap").and_then(|map| map.read_exact_at(&mut entry, at)).map_err(refuse)?;
    let entry = u64::from_ne_bytes(entry);
    match entry & FRAME {
        _ if entry & PRESENT == 0 => Ok(None),
        0 => {
            let why = "ask where a page lies: only root is told (CAP_SYS_ADMIN)";
            Err(Error::new(ErrorKind::Permission, why))
        }
        frame => Ok(Some(frame)),
    }
}
