//! [futex_waitv(2)](https://docs.kernel.org/userspace-api/futex2.html): sleep on several words of memory at once.
//!
//! Of the shared kind, as in [`crate::futex`]: who calls [`crate::futex::wake`] on any of the words ends the sleep. Since Linux 5.16.

use crate::futex::{self, Awake};
use rustix::io::Errno;
use rustix::thread::futex::{Wait, WaitFlags, WaitPtr, WaitvFlags, waitv};
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::io;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// How many words the kernel takes.
pub const WORDS_MAX: usize = 128;
/// For so few the list for the kernel is a short one.
const WORDS_FEW: usize = 8;

/// Sleeps while each of the words holds what is expected of it, until woken on one or for `timeout` of `CLOCK_MONOTONIC` at the most.
///
/// One system call, after a look at the clock. For each word compare-and-sleep is one step for the kernel, so a wake that follows a
/// change of a word is never lost. Does not sleep without words.
///
/// # Errors
///
/// `ENOSYS` or `EPERM`: an older kernel, or a sandbox that forbids the call. `EINVAL`: more than [`WORDS_MAX`] words.
#[doc(alias = "futex_waitv")]
pub fn wait_any<'a>(
    words: impl ExactSizeIterator<Item = (&'a AtomicU32, u32)>,
    timeout: Duration,
) -> io::Result<Awake> {
    if words.len() <= WORDS_FEW {
        return wait_listed(&mut [Wait::new(); WORDS_FEW], words, timeout);
    }
    wait_listed(&mut [Wait::new(); WORDS_MAX], words, timeout)
}

fn wait_listed<'a>(
    list: &mut [Wait],
    mut words: impl ExactSizeIterator<Item = (&'a AtomicU32, u32)>,
    timeout: Duration,
) -> io::Result<Awake> {
    let count = words.len();
    if count > list.len() {
        return Err(Errno::INVAL.into());
    }
    if count == 1 {
        return words.next().map_or(Ok(Awake::Changed), |(word, expected)| futex::wait(word, expected, timeout));
    }
    for (entry, (word, expected)) in list.iter_mut().zip(words) {
        entry.val = u64::from(expected);
        entry.uaddr = WaitPtr::new(word.as_ptr().cast());
        entry.flags = WaitFlags::SIZE_U32;
    }
    let until = clock_gettime(ClockId::Monotonic);
    let timeout = Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(timeout.subsec_nanos()),
    };
    let until = until.checked_add(timeout);
    match waitv(&list[..count], WaitvFlags::empty(), until.as_ref(), ClockId::Monotonic) {
        Ok(_) => Ok(Awake::Woken),
        Err(Errno::AGAIN) => Ok(Awake::Changed),
        Err(Errno::TIMEDOUT) => Ok(Awake::TimedOut),
        Err(Errno::INTR) => Ok(Awake::Interrupted),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering::Relaxed;

    /// A sleep on several words ends by its time, at once for a changed word, and by a wake on any.
    #[test]
    fn any_of_the_words_ends_the_sleep() {
        for count in [1, 3, 100] {
            let words: Vec<AtomicU32> = (0..count).map(|_| AtomicU32::new(7)).collect();
            let sleep = |timeout| wait_any(words.iter().map(|word| (word, 7)), timeout).expect("this kernel has it");
            assert_eq!(sleep(Duration::from_millis(1)), Awake::TimedOut);
            words[count - 1].store(8, Relaxed);
            assert_eq!(sleep(Duration::MAX), Awake::Changed);
            words[count - 1].store(7, Relaxed);
            std::thread::scope(|scope| {
                let sleeper = scope.spawn(|| sleep(Duration::MAX));
                while futex::wake(&words[count - 1], 1).expect("a futex") == 0 {
                    std::thread::yield_now();
                }
                assert_eq!(sleeper.join().expect("ended"), Awake::Woken);
            });
        }
        let words = [const { AtomicU32::new(0) }; WORDS_MAX + 1];
        assert!(wait_any(words.iter().map(|word| (word, 0)), Duration::ZERO).is_err());
    }
}
