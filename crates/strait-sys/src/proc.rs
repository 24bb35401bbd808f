//! [proc(5)](https://man7.org/linux/man-pages/man5/proc.5.html): who and where this process is, for people to read: boot, pid, start time, pid namespace.
//!
//! See [proc_pid_stat(5)](https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html) and
//! [pid_namespaces(7)](https://man7.org/linux/man-pages/man7/pid_namespaces.7.html).

use std::os::unix::fs::MetadataExt as _;
use std::sync::Mutex;

/// A process, as a person would look for it. None of it decides anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Whoami {
    /// The process id in its own pid namespace.
    pub pid: u32,
    /// When it started, in clock ticks since boot; tells two owners of one pid apart. Zero where `/proc` is missing.
    pub start_ticks: u64,
    /// The inode of its pid namespace. Zero where `/proc` is missing.
    pub pid_namespace: u64,
}

/// This process. Reads two files of `/proc` the first time, and again in a forked child; later calls read none.
#[must_use]
pub fn whoami() -> Whoami {
    /// By the identity of the process that it was, which a forked child does not share.
    static KNOWN: Mutex<Option<(u64, Whoami)>> = Mutex::new(None);
    let Ok(identity) = crate::fork::prepare() else { return read_whoami() };
    // Never waited for: a child forked while another thread held it would wait for ever.
    let Ok(mut known) = KNOWN.try_lock() else { return read_whoami() };
    match *known {
        Some((of, whoami)) if of == identity => whoami,
        _ => known.insert((identity, read_whoami())).1,
    }
}

fn read_whoami() -> Whoami {
    let pid_namespace = std::fs::metadata("/proc/self/ns/pid").map_or(0, |m| m.ino());
    Whoami { pid: std::process::id(), start_ticks: start_ticks().unwrap_or(0), pid_namespace }
}

/// The id the kernel gave this boot, 16 bytes; zeroes where `/proc` is missing.
#[must_use]
pub fn boot_id() -> [u8; 16] {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let mut digits = text.bytes().filter(u8::is_ascii_hexdigit).filter_map(|c| (c as char).to_digit(16));
    let mut id = [0; 16];
    for byte in &mut id {
        let (Some(high), Some(low)) = (digits.next(), digits.next()) else { return [0; 16] };
        // Two hexadecimal digits make one byte.
        *byte = (high << 4 | low) as u8;
    }
    id
}

/// The machine's memory, swap included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// All of it, in bytes.
    pub total_bytes: u64,
    /// What could be had without killing anybody: `MemAvailable` and `SwapFree`.
    pub available_bytes: u64,
}

/// How much memory there is ([proc_meminfo(5)](https://man7.org/linux/man-pages/man5/proc_meminfo.5.html)); `None` where `/proc` is missing.
#[must_use]
pub fn memory() -> Option<Memory> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    };
    Some(Memory {
        total_bytes: bytes("MemTotal")?.saturating_add(bytes("SwapTotal").unwrap_or(0)),
        available_bytes: bytes("MemAvailable")?.saturating_add(bytes("SwapFree").unwrap_or(0)),
    })
}

fn start_ticks() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The command name is in parentheses and may contain anything; the fields after it are plain.
    let after_name = &stat[stat.rfind(')')? + 1..];
    after_name.split_ascii_whitespace().nth(19)?.parse().ok()
}
