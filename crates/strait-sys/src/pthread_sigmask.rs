//! [pthread_sigmask(3)](https://man7.org/linux/man-pages/man3/pthread_sigmask.3.html): which signals a thread takes.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;

/// Lets this thread take no signals, so that those of the process go to the threads that were there before it. One system call.
///
/// What the kernel does not let be blocked, and faults of this thread's own, come all the same.
pub fn take_none() {
    let mut all = MaybeUninit::uninit();
    // SAFETY: `all` is room for a set of signals, which the call fills in; it fails for no set.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    // SAFETY: `all` was filled in above; no old set is asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), std::ptr::null_mut()) };
}
