//! [dlsym(3)](https://man7.org/linux/man-pages/man3/dlsym.3.html): functions that only newer C libraries have, and what stands in for them.
#![allow(unsafe_code)]

use crate::clock_gettime;
use std::ffi::CStr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::Duration;

/// A function of the C library that may be missing; it is looked up once.
pub(crate) struct Symbol {
    name: &'static CStr,
    /// Null: missing; [`UNKNOWN`]: not looked up yet.
    found: AtomicPtr<libc::c_void>,
}

/// No function has this address.
const UNKNOWN: usize = 1;

impl Symbol {
    pub(crate) const fn new(name: &'static CStr) -> Self {
        Self { name, found: AtomicPtr::new(std::ptr::without_provenance_mut(UNKNOWN)) }
    }

    /// Its address, or null.
    pub(crate) fn address(&self) -> *mut libc::c_void {
        // Relaxed: whoever looks it up finds the same, and nothing else is published with it.
        let found = self.found.load(Ordering::Relaxed);
        if found.addr() != UNKNOWN {
            return found;
        }
        // SAFETY: a valid C string; the handle is one that the man page names.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, self.name.as_ptr()) };
        self.found.store(found, Ordering::Relaxed);
        found
    }
}

/// Until when one of the C library's functions waits, and by which clock: the monotonic one where the library has the function for it. Else
/// the wall clock, which may be set meanwhile.
pub(crate) struct Deadline {
    pub(crate) clock: libc::clockid_t,
    pub(crate) time: libc::timespec,
}

impl Deadline {
    /// In `timeout` from now; `with_clock` is the function that takes a clock.
    pub(crate) fn after(timeout: Duration, with_clock: &Symbol) -> Self {
        let (clock, now_ns) = if with_clock.address().is_null() {
            (libc::CLOCK_REALTIME, clock_gettime::realtime_ns())
        } else {
            (libc::CLOCK_MONOTONIC, clock_gettime::monotonic_ns())
        };
        let then = Duration::from_nanos(now_ns).saturating_add(timeout);
        let seconds = libc::time_t::try_from(then.as_secs()).unwrap_or(libc::time_t::MAX);
        // Below 10^9.
        let time = libc::timespec { tv_sec: seconds, tv_nsec: then.subsec_nanos() as libc::c_long };
        Self { clock, time }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is there is found, the second time too; what is not, is not.
    #[test]
    fn looked_up_once() {
        for (name, is_there) in [(c"getpid", true), (c"strait_has_no_such_function", false)] {
            let symbol = Symbol::new(name);
            let first = symbol.address();
            assert_eq!((!first.is_null(), symbol.address()), (is_there, first), "{name:?}");
        }
    }
}
