//! [kcmp(2)](https://man7.org/linux/man-pages/man2/kcmp.2.html): whether two processes share something of the kernel's.
//!
//! It needs a kernel with `CONFIG_KCMP`, and the right to look into both processes (`PTRACE_MODE_READ_REALCREDS`).
#![allow(unsafe_code)]

use std::io;

/// Whether descriptor `a.1` of process `a.0` and `b.1` of `b.0` lead to one open file description. One system call.
#[doc(alias = "KCMP_FILE")]
pub fn is_same_file(a: (u32, u32), b: (u32, u32)) -> io::Result<bool> {
    // Linux 3.5, include/uapi/linux/kcmp.h.
    const KCMP_FILE: libc::c_int = 0;
    let pid = |pid: u32| libc::pid_t::try_from(pid).map_err(|_| io::Error::from_raw_os_error(libc::ESRCH));
    let (pid_a, pid_b) = (pid(a.0)?, pid(b.0)?);
    let (fd_a, fd_b) = (libc::c_ulong::from(a.1), libc::c_ulong::from(b.1));
    // SAFETY: kcmp takes five numbers and no pointer, reads kernel state only, and changes nothing of ours.
    let order = unsafe { libc::syscall(libc::SYS_kcmp, pid_a, pid_b, KCMP_FILE, fd_a, fd_b) };
    match order {
        0 => Ok(true),
        // Less, greater, or different without an order.
        1..=3 => Ok(false),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::is_same_file;
    use std::fs::File;
    use std::os::fd::AsRawFd as _;

    /// A duplicate is the same one, a second open is not; of no process nothing is said.
    #[test]
    fn duplicates() {
        let file = File::open("/proc/self/exe").expect("open");
        let (twin, other) = (file.try_clone().expect("dup"), File::open("/proc/self/exe").expect("open"));
        let me = std::process::id();
        let of = |file: &File| (me, u32::try_from(file.as_raw_fd()).expect("not negative"));
        match is_same_file(of(&file), of(&twin)) {
            // A kernel without it, or a sandbox that forbids it.
            Err(refused) => eprintln!("skipped: kcmp: {refused}"),
            Ok(is_same) => {
                assert!(is_same);
                assert!(!is_same_file(of(&file), of(&other)).expect("it answered"));
                assert!(is_same_file(of(&file), (u32::MAX, 0)).is_err());
            }
        }
    }
}
