//! [proc_pid_fd(5)](https://man7.org/linux/man-pages/man5/proc_pid_fd.5.html): what a process has open.
//!
//! Everything is asked for relative to the process's own directory, which is found once: from the root it costs twice as much.

use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, readlinkat, statat};
use std::io;

/// A descriptor of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number there.
    pub fd: u32,
    /// What the kernel calls what is behind it: a path, `pipe:[17]`, `anon_inode:[eventfd]`. Any bytes.
    pub target: Vec<u8>,
    /// Whether it can be read from.
    pub can_read: bool,
    /// Whether it can be written to.
    pub can_write: bool,
}

/// All of them. Two system calls for each.
///
/// # Errors
/// `EACCES`: it may not be looked into; `ENOENT`, `ESRCH`: it has ended.
pub fn links(pid: u32) -> io::Result<Vec<Link>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = openat(rustix::fs::CWD, format!("/proc/{pid}/fd"), flags, Mode::empty())?;
    let mut found = Vec::new();
    for entry in Dir::read_from(&directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(fd) = name.to_str().ok().and_then(|name| name.parse().ok()) else { continue };
        let target = match readlinkat(&directory, name, Vec::with_capacity(128)) {
            Ok(target) => target.into_bytes(),
            Err(refused @ (rustix::io::Errno::ACCESS | rustix::io::Errno::PERM)) => return Err(refused.into()),
            // Closed meanwhile.
            Err(_) => continue,
        };
        let Ok(stat) = statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        // The link's own permission bits say how the file was opened.
        found.push(Link { fd, target, can_read: stat.st_mode & 0o400 != 0, can_write: stat.st_mode & 0o200 != 0 });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::links;
    use std::os::fd::AsRawFd as _;

    /// Both ends of a pipe have one name, and each its right; of what is no process there is nothing.
    #[test]
    fn ends_of_a_pipe() {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let all = links(std::process::id()).expect("our own");
        let of = |fd: i32| all.iter().find(|it| i64::from(it.fd) == i64::from(fd)).expect("open");
        let (read, write) = (of(reader.as_raw_fd()), of(writer.as_raw_fd()));
        assert!(read.target == write.target && read.target.starts_with(b"pipe:["));
        assert_eq!((read.can_read, read.can_write, write.can_read, write.can_write), (true, false, false, true));
        assert!(links(u32::MAX).is_err());
    }
}
