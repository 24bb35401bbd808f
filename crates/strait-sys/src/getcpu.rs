//! [getcpu(2)](https://man7.org/linux/man-pages/man2/getcpu.2.html): which core this thread is on.

/// The core this thread runs on at this moment; it may be another a moment later.
///
/// No system call where the vDSO has it.
#[inline]
#[must_use]
pub fn current() -> u32 {
    u32::try_from(rustix::thread::sched_getcpu()).unwrap_or(u32::MAX)
}

/// How many cores this thread may run on (`sched_getaffinity(2)`). One system call.
#[must_use]
pub fn usable_cores() -> u32 {
    match rustix::thread::sched_getaffinity(None) {
        Ok(set) => set.count().max(1),
        Err(_) => 1,
    }
}
