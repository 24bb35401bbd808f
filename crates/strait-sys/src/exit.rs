//! `_exit(2)`: the end of this process, at once.
#![allow(unsafe_code)]

/// Ends the process with this code: no destructor runs, no buffer is flushed, no other thread is waited for.
///
/// References: <https://man7.org/linux/man-pages/man2/_exit.2.html>.
#[doc(alias = "_exit")]
#[doc(alias = "exit_group")]
pub fn exit_at_once(code: i32) -> ! {
    // SAFETY: `_exit` has no precondition and does not return.
    unsafe { libc::_exit(code) }
}
