//! One process, as `/proc` shows it: who it is, what it has open, and which memory it shares.
//!
//! A process may end at any moment of this. What was read until then is kept, the rest is missing: that is no error.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use strait_sys::proc_pid_fd::{self, Link};
use strait_sys::proc_pid_maps::{self, Mapping};

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Process {
    /// Its id, in the pid namespace that `/proc` was mounted for.
    pub pid: u32,
    /// Its parent's; 0 if it has none that can be seen.
    pub parent_pid: u32,
    /// The first 15 bytes of its command's name.
    pub command: String,
    /// Who it acts as.
    pub uid: u32,
    /// Its state, as [proc_pid_stat(5)](https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html) has it: `R`, `S`, `D`, `T`, `Z` ...
    pub state: char,
    /// When it started, in clock ticks since boot: tells it from another one of the same id.
    pub start_ticks: u64,
    /// Time that it has run, user and system, in clock ticks.
    pub cpu_ticks: u64,
    /// Whether we may see what it has open and mapped. Not so for other users' processes, but for root.
    pub is_open: bool,
}

/// A descriptor, and what is behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Descriptor {
    pub(super) fd: u32,
    /// What the kernel calls it: a path, `pipe:[17]`, `anon_inode:[eventfd]`.
    pub(super) target: String,
    pub(super) can_read: bool,
    pub(super) can_write: bool,
}

/// A mapping that is shared: what is written there is seen by others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SharedMapping {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) can_write: bool,
    pub(super) is_executable: bool,
    /// Where in the object it begins.
    pub(super) offset_bytes: u64,
    /// Device (major, minor) and inode: of System V memory, its id.
    pub(super) device: (u32, u32),
    pub(super) inode: u64,
    /// How large its pages are; `None`: the text does not say.
    pub(super) page_bytes: Option<u64>,
    /// A path, `/memfd:label (deleted)`, `/SYSV0000002a (deleted)`, `/dev/zero (deleted)`.
    pub(super) name: String,
}

/// What may be known of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known<T> {
    All(T),
    /// It has ended, or is a thread of the kernel, which has nothing.
    Nothing,
    /// We may not look.
    Hidden,
}

impl<T> Known<T> {
    fn refused(error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::PermissionDenied => Self::Hidden,
            _ => Self::Nothing,
        }
    }

    pub(super) fn is_hidden(&self) -> bool {
        matches!(self, Self::Hidden)
    }
}

impl<T: Default> Known<T> {
    pub(super) fn into_inner(self) -> T {
        match self {
            Self::All(it) => it,
            Self::Nothing | Self::Hidden => T::default(),
        }
    }
}

/// The ids of all processes that `/proc` shows.
pub(super) fn all() -> std::io::Result<Vec<u32>> {
    let entries = fs::read_dir("/proc")?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}

impl Process {
    /// `None`: it has ended.
    pub(super) fn look(pid: u32) -> Option<Self> {
        let file = File::open(format!("/proc/{pid}/stat")).ok()?;
        let (stat, uid) = (read_small(&file)?, file.metadata().ok()?.uid());
        // The name is in parentheses and may hold anything, these too; the fields after it are plain.
        let (open, close) = (stat.iter().position(|&b| b == b'(')?, stat.iter().rposition(|&b| b == b')')?);
        let command = String::from_utf8_lossy(stat.get(open + 1..close)?).into_owned();
        let rest = String::from_utf8_lossy(stat.get(close + 1..)?);
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // Fields 3, 4, 14, 15 and 22 of the man page, which counts from 1; the first of these is field 3.
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            pid,
            parent_pid: number(4).and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0),
            command,
            uid,
            state: fields.first()?.chars().next()?,
            start_ticks: number(22)?,
            cpu_ticks: number(14)?.saturating_add(number(15)?),
            is_open: false,
        })
    }
}

/// A file of `/proc` that is short: in one system call, where `fs::read` takes three.
pub(super) fn read_small(mut file: &File) -> Option<Vec<u8>> {
    let mut bytes = vec![0; 2048];
    let len = file.read(&mut bytes).ok()?;
    bytes.truncate(len);
    Some(bytes)
}

/// What a process has open.
pub(super) fn descriptors(pid: u32) -> Known<Vec<Descriptor>> {
    let links = match proc_pid_fd::links(pid) {
        Ok(links) => links,
        Err(error) => return Known::refused(&error),
    };
    let descriptor = |link: Link| {
        let Link { fd, target, can_read, can_write } = link;
        Descriptor { fd, target: text(target), can_read, can_write }
    };
    Known::All(links.into_iter().map(descriptor).collect())
}

/// The memory that a process shares with others.
pub(super) fn shared_mappings(pid: u32) -> Known<Vec<SharedMapping>> {
    let mut maps = match File::open(format!("/proc/{pid}/maps")) {
        Ok(maps) => maps,
        Err(error) => return Known::refused(&error),
    };
    if let Ok(all) = proc_pid_maps::shared(&maps) {
        return Known::All(all.into_iter().map(SharedMapping::from).collect());
    }
    let mut lines = Vec::new();
    match maps.read_to_end(&mut lines) {
        Ok(_) => Known::All(lines.split(|&b| b == b'\n').filter_map(shared_mapping).collect()),
        Err(error) => Known::refused(&error),
    }
}

impl From<Mapping> for SharedMapping {
    fn from(of: Mapping) -> Self {
        let Mapping { start, end, can_write, is_executable, offset_bytes, device, inode, page_bytes, name } = of;
        let page_bytes = Some(page_bytes);
        Self { start, end, can_write, is_executable, offset_bytes, device, inode, page_bytes, name: text(name) }
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// A line of [proc_pid_maps(5)](https://man7.org/linux/man-pages/man5/proc_pid_maps.5.html), if its mapping is shared.
fn shared_mapping(line: &[u8]) -> Option<SharedMapping> {
    let blank = line.iter().position(|&b| b == b' ')?;
    // Most are private, and are passed by at once.
    if line.get(blank + 4) != Some(&b's') {
        return None;
    }
    let line = String::from_utf8_lossy(line);
    let mut fields = line.splitn(6, ' ');
    let (range, rights, offset, device, inode) =
        (fields.next()?, fields.next()?.as_bytes(), fields.next()?, fields.next()?, fields.next()?);
    let hexadecimal = |text| u64::from_str_radix(text, 16).ok();
    let (start, end) = range.split_once('-')?;
    let (major, minor) = device.split_once(':')?;
    let part = |text| u32::from_str_radix(text, 16).ok();
    Some(SharedMapping {
        start: hexadecimal(start)?,
        end: hexadecimal(end)?,
        can_write: rights.get(1) == Some(&b'w'),
        is_executable: rights.get(2) == Some(&b'x'),
        offset_bytes: hexadecimal(offset)?,
        device: (part(major)?, part(minor)?),
        inode: inode.parse().ok()?,
        page_bytes: None,
        name: fields.next().unwrap_or_default().trim_start().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Private mappings are passed by; names may have blanks in them, and may be missing.
    #[test]
    fn lines_of_maps() {
        let line =
            b"7f2b6c1f0000-7f2b6c1f2000 rw-s 00001000 00:1a 4711                       /dev/shm/a name (deleted)";
        let expected = SharedMapping {
            start: 0x7f2b_6c1f_0000,
            end: 0x7f2b_6c1f_2000,
            can_write: true,
            is_executable: false,
            offset_bytes: 4096,
            device: (0, 0x1a),
            inode: 4711,
            page_bytes: None,
            name: "/dev/shm/a name (deleted)".into(),
        };
        assert_eq!(shared_mapping(line), Some(expected));
        assert_eq!(shared_mapping(b"00400000-00401000 r-xp 00000000 fd:01 5 /bin/true"), None);
        assert_eq!(shared_mapping(b"00400000-00401000 r--s 00000000 00:00 0 ").map(|it| it.name), Some(String::new()));
        for torn in [&b""[..], b"00400000", b"00400000-0040 rw-s", b"x-y rw-s 0 0:0 0 z", b" \xFF\xFF\xFFs"] {
            assert_eq!(shared_mapping(torn), None);
        }
    }

    /// What the kernel is asked for one by one is what it writes out, where it can be asked.
    #[test]
    fn maps_both_ways() {
        let regions = [(); 2].map(|()| {
            let options = crate::region::Options::new();
            crate::region::Region::create(crate::region::Place::memfd("a b"), 8192, &options).expect("create")
        });
        let maps = File::open("/proc/self/maps").expect("/proc");
        let Ok(asked) = proc_pid_maps::shared(&maps) else { return };
        let asked: Vec<SharedMapping> = asked.into_iter().map(SharedMapping::from).collect();
        let text = fs::read("/proc/self/maps").expect("/proc");
        let written: Vec<SharedMapping> = text.split(|&b| b == b'\n').filter_map(shared_mapping).collect();
        for region in &regions {
            let of = |all: &[SharedMapping]| {
                let it = all.iter().find(|it| it.start == region.address() as u64).cloned()?;
                Some(SharedMapping { page_bytes: None, ..it })
            };
            assert!(of(&asked).is_some() && of(&asked) == of(&written), "{asked:?} {written:?}");
        }
    }

    /// We are one of all, with what we have open.
    #[test]
    fn this_process() {
        let pid = std::process::id();
        assert!(all().expect("/proc").contains(&pid));
        let it = Process::look(pid).expect("alive");
        assert_eq!((it.uid, it.state != 'Z'), (strait_sys::fstat::effective_uid(), true));
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let Known::All(found) = descriptors(pid) else { panic!("our own") };
        let of = |fd: i32| found.iter().find(|it| i64::from(it.fd) == i64::from(fd)).expect("open");
        let (read, write) =
            (of(std::os::fd::AsRawFd::as_raw_fd(&reader)), of(std::os::fd::AsRawFd::as_raw_fd(&writer)));
        assert!(read.target == write.target && read.target.starts_with("pipe:["));
        assert_eq!((read.can_read, read.can_write, write.can_read, write.can_write), (true, false, false, true));
        assert_eq!(Process::look(u32::MAX), None);
    }
}
