//! [proc_pid_maps(5)](https://man7.org/linux/man-pages/man5/proc_pid_maps.5.html): the mappings of a process that are shared, asked for
//! one by one (`PROCMAP_QUERY`, Linux 6.11) instead of written out as text: most of a process's mappings are private, and to write those
//! out is most of the work.
#![allow(unsafe_code)]

use std::ffi::c_ulong;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

/// A shared mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// One behind the last.
    pub end: u64,
    /// Whether it can be written to there.
    pub can_write: bool,
    /// Whether programs can run in it.
    pub is_executable: bool,
    /// Where in the object it begins.
    pub offset_bytes: u64,
    /// Device (major, minor) of the object.
    pub device: (u32, u32),
    /// Its inode; of System V memory its id.
    pub inode: u64,
    /// How large its pages are: larger than the machine's in memory of huge pages (`MAP_HUGETLB`, `SHM_HUGETLB`, hugetlbfs).
    pub page_bytes: u64,
    /// What the kernel calls it. Any bytes.
    pub name: Vec<u8>,
}

/// `struct procmap_query` of linux/fs.h.
#[repr(C)]
#[derive(Default)]
struct Query {
    size: u64,
    query_flags: u64,
    query_addr: u64,
    vma_start: u64,
    vma_end: u64,
    vma_flags: u64,
    vma_page_size: u64,
    vma_offset: u64,
    inode: u64,
    dev_major: u32,
    dev_minor: u32,
    vma_name_size: u32,
    build_id_size: u32,
    vma_name_addr: u64,
    build_id_addr: u64,
}

const QUERY_BYTES: usize = 104;
const _: () = assert!(size_of::<Query>() == QUERY_BYTES);
/// `_IOWR('f', 17, struct procmap_query)`.
const PROCMAP_QUERY: c_ulong = 3 << 30 | (QUERY_BYTES as c_ulong) << 16 | (b'f' as c_ulong) << 8 | 17;
const WRITABLE: u64 = 2;
const EXECUTABLE: u64 = 4;
const SHARED: u64 = 8;
/// The one at the address, or the next behind it.
const COVERING_OR_NEXT: u64 = 0x10;
const NAME_BYTES: usize = 4096;

/// All shared mappings of the process whose `/proc/PID/maps` this is. One system call for each, and one more.
///
/// # Errors
/// `ENOTTY`: this kernel cannot be asked like that; `ESRCH`: the process has no memory, or has ended.
pub fn shared(maps: &File) -> io::Result<Vec<Mapping>> {
    let mut name = vec![0_u8; NAME_BYTES];
    let mut found = Vec::new();
    let mut from = 0;
    loop {
        let mut query = Query {
            size: QUERY_BYTES as u64,
            query_flags: SHARED | COVERING_OR_NEXT,
            query_addr: from,
            vma_name_size: NAME_BYTES as u32,
            vma_name_addr: name.as_mut_ptr() as u64,
            ..Query::default()
        };
        // SAFETY: PROCMAP_QUERY reads and writes a `struct procmap_query`, which `Query` is (its size is in its first field, and the
        // kernel writes no more), and at most `vma_name_size` bytes at `vma_name_addr`: `name` has as many, and nobody else uses it
        // meanwhile. It changes nothing else.
        let done = unsafe { libc::ioctl(maps.as_raw_fd(), PROCMAP_QUERY as _, &raw mut query) };
        if done != 0 {
            match io::Error::last_os_error() {
                // None is left.
                end if end.raw_os_error() == Some(libc::ENOENT) => return Ok(found),
                again if again.raw_os_error() == Some(libc::EINTR) => continue,
                refused => return Err(refused),
            }
        }
        // With the zero at its end.
        let len = (query.vma_name_size as usize).saturating_sub(1);
        found.push(Mapping {
            start: query.vma_start,
            end: query.vma_end,
            can_write: query.vma_flags & WRITABLE != 0,
            is_executable: query.vma_flags & EXECUTABLE != 0,
            offset_bytes: query.vma_offset,
            device: (query.dev_major, query.dev_minor),
            inode: query.inode,
            page_bytes: query.vma_page_size,
            name: name.get(..len).unwrap_or_default().to_vec(),
        });
        // A kernel that does not move on is not asked for ever.
        if query.vma_end <= from {
            return Err(io::Error::from_raw_os_error(libc::ENOTTY));
        }
        from = query.vma_end;
    }
}
