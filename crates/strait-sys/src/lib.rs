//! The kernel's door of strait: one file per facility, named as its man page.
//!
//! Functions here are thin: they convert, call, and turn an error number into [`std::io::Error`]. They know the kernel and
//! nothing of strait's formats. [rustix] does the work wherever it can; libc serves for what rustix lacks. What is said about
//! the kernel is said once, here; which facility serves which purpose is decided in the crate `strait`.
//!
//! `unsafe` is denied at the root, so `grep -rn 'allow(unsafe_code)'` lists the trusted files.
//!
//! [rustix]: https://docs.rs/rustix
#![cfg(target_os = "linux")]
#![deny(unsafe_code)]

pub mod cachestat;
pub mod clock_gettime;
mod dlsym;
pub mod epoll;
pub mod errno;
pub mod eventfd;
pub mod exit;
pub mod fcntl_locking;
pub mod fcntl_setlease;
pub mod fork;
pub mod fsmount;
pub mod fstat;
pub mod futex;
pub mod futex_waitv;
pub mod getcpu;
pub mod inherited;
pub mod inotify;
pub mod kcmp;
pub mod linkat;
pub mod membarrier;
pub mod memfd_create;
pub mod mkfifo;
pub mod mmap;
pub mod mq_open;
pub mod msgget;
pub mod open;
pub mod pidfd_open;
pub mod pidfd_send_signal;
pub mod pipe;
pub mod poll;
pub mod posix_fallocate;
pub mod posix_spawn;
pub mod proc;
pub mod proc_pid_fd;
pub mod proc_pid_maps;
pub mod pthread_mutex;
pub mod pthread_sigmask;
pub mod seals;
pub mod sem_overview;
pub mod semget;
pub mod sendmsg;
pub mod shmget;
pub mod signalfd;
pub mod sock_diag;
pub mod socket;
pub mod statfs;
pub mod strsignal;
pub mod waitid;
pub mod write;

/// The page size of this system in bytes.
///
/// No system call: the C library keeps the kernel's answer.
#[must_use]
pub fn page_size() -> usize {
    rustix::param::page_size()
}
