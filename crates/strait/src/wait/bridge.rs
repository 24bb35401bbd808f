//! The bridge: threads of this process that sleep for those who cannot: tasks, and who waits for descriptors beside channels.
//!
//! ```text
//!   task                        bridge thread                       peer
//!   leave a waker, announce     sleeps on all words at once
//!   look; nothing: Pending      (futex_waitv)               <---    bell += 1, wake
//!                        <---   a word has changed: wake its waker
//! ```
//!
//! 1. A [`Watch`] is a thread and up to [`SEATS`] words. It starts with the first of them, and sleeps without end while it has none.
//! 2. A registration stays as long as its end: what changes from wait to wait is only the waker in it. So a wait costs the thread
//!    nothing; coming and going costs it one wake-up (the control word).
//! 3. *No wake-up is lost.* A waker is left before the announcement; so whoever rings for that announcement changes the word after
//!    the waker is there. The thread compares each word with what it last saw there, not with what anybody expected: a change is
//!    always found, and then it takes the waker (`WAKER-LEFT`).
//! 4. Each slice it looks whether those that are waited for live, and whether the announcement still stands ([`Vigil`]), for ends with a
//!    waker only. Time passes for all alike, so a word that changes all the time does not put the look off.
//! 5. A blocked call tries again after each slice. A task does so once for each announcement, in its second slice: what a barrier that was
//!    missing, or a lie about one, kept from its look has long arrived, and whoever acts later sees the announcement. The waker stays left.
//! 6. A waker is somebody else's code: it is woken, cloned and dropped without any lock, and a panic in waking it ends nothing here.
//! 7. A forked child has none of its parent's threads and must touch none of its parent's locks: it has a bridge of its own.

use crate::wait::source::Vigil;
use crate::wait::turn::SLICE;
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};
use strait_mem::word::WORDS_MAX;
use strait_mem::{SleepAny as _, Word};
use strait_sys::epoll::{self, Interest};
use strait_sys::fork::Birthmark;
use strait_sys::pthread_sigmask;

/// Words of one thread, beside its control word.
const SEATS: usize = WORDS_MAX - 1;

/// What this process has of it; a forked child goes to the next.
struct Generation {
    birthmark: Birthmark,
    watches: Mutex<Vec<Arc<Watch>>>,
    descriptors: OnceLock<Arc<Descriptors>>,
    next: OnceLock<Box<Generation>>,
}

static FIRST: OnceLock<Generation> = OnceLock::new();

/// The bridge of this process (rule 7). Starts no thread.
fn here() -> io::Result<&'static Generation> {
    let mut generation = match FIRST.get() {
        Some(first) => first,
        None => {
            let fresh = Generation::new()?;
            FIRST.get_or_init(|| fresh)
        }
    };
    while !generation.birthmark.is_here() {
        generation = match generation.next.get() {
            Some(next) => next,
            None => {
                let fresh = Box::new(Generation::new()?);
                generation.next.get_or_init(|| fresh)
            }
        };
    }
    Ok(generation)
}

impl Generation {
    fn new() -> io::Result<Self> {
        Ok(Self {
            birthmark: Birthmark::here()?,
            watches: Mutex::default(),
            descriptors: OnceLock::new(),
            next: OnceLock::new(),
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One thread that sleeps on many words.
struct Watch {
    /// Changes with each coming and going.
    control: Arc<AtomicU32>,
    control_word: Word,
    entries: Mutex<Vec<Arc<Entry>>>,
}

struct Entry {
    word: Word,
    /// What the word held when the thread last looked; only the thread reads it after the registration.
    seen: AtomicU32,
    vigil: Option<Arc<dyn Vigil>>,
    is_disturbed: AtomicBool,
    waker: Mutex<Option<Left>>,
}

/// A waker that was left.
struct Left {
    waker: Waker,
    /// The same, for the second look (rule 5), as long as that is to come.
    again: Option<Waker>,
    is_second_slice: bool,
}

impl Left {
    /// Two clones, made without any lock (rule 6).
    fn new(waker: &Waker) -> Self {
        Self { waker: waker.clone(), again: Some(waker.clone()), is_second_slice: false }
    }
}

impl Entry {
    fn wake(&self) {
        let left = lock(&self.waker).take();
        if let Some(Left { waker, .. }) = left {
            wake(waker);
        }
    }

    /// A slice has ended; has the task look again where it is time for that (rule 5). Says whether one waits.
    fn end_slice(&self) -> bool {
        let mut waiting = lock(&self.waker);
        let Some(left) = &mut *waiting else { return false };
        let again = if left.is_second_slice { left.again.take() } else { None };
        left.is_second_slice = true;
        // Rule 6.
        drop(waiting);
        if let Some(waker) = again {
            wake(waker);
        }
        true
    }

    fn is_waited_for(&self) -> bool {
        lock(&self.waker).is_some()
    }
}

/// Rule 6.
fn wake(waker: Waker) {
    let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
}

/// A word that a thread of this process sleeps on, for as long as this value lives.
pub(crate) struct Registration {
    birthmark: Birthmark,
    watch: Arc<Watch>,
    entry: Arc<Entry>,
}

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registration").finish_non_exhaustive()
    }
}

/// Has a thread sleep on a word. Starts one where there is none with room.
pub(crate) fn register(word: &Word, vigil: Option<Arc<dyn Vigil>>) -> io::Result<Registration> {
    let bridge = here()?;
    let entry = Arc::new(Entry {
        word: word.clone(),
        seen: AtomicU32::new(word.load(Acquire)),
        vigil,
        is_disturbed: AtomicBool::new(false),
        waker: Mutex::default(),
    });
    let mut watches = lock(&bridge.watches);
    let free = watches.iter().find(|watch| lock(&watch.entries).len() < SEATS).cloned();
    let watch = match free {
        Some(watch) => watch,
        None => {
            let watch = Watch::start()?;
            watches.push(Arc::clone(&watch));
            watch
        }
    };
    lock(&watch.entries).push(Arc::clone(&entry));
    watch.control();
    Ok(Registration { birthmark: bridge.birthmark, watch, entry })
}

impl Registration {
    /// Whether it was made in this process, and not before a fork.
    pub(crate) fn is_here(&self) -> bool {
        self.birthmark.is_here()
    }

    /// Whether it is for this word.
    pub(crate) fn is_for(&self, word: &Word) -> bool {
        self.entry.word.is_same(word)
    }

    /// Whom to wake, once, when the word has changed or there is something to look at. To be left before the announcement (rule 3).
    pub(crate) fn leave_waker(&self, waker: &Waker) {
        let fresh = Left::new(waker);
        // WAKER-LEFT: by the lock, and by the announcement behind it.
        let old = lock(&self.entry.waker).replace(fresh);
        // Rule 6: the lock is free again.
        drop(old);
    }

    /// Puts a new waker in the place of the one that is there; `false` where there is none: it has been woken.
    pub(crate) fn replace_waker(&self, waker: &Waker) -> bool {
        let mut fresh = Left::new(waker);
        let mut waiting = lock(&self.entry.waker);
        let Some(left) = &mut *waiting else { return false };
        std::mem::swap(&mut left.waker, &mut fresh.waker);
        if left.again.is_some() {
            std::mem::swap(&mut left.again, &mut fresh.again);
        }
        // Rule 6.
        drop(waiting);
        drop(fresh);
        true
    }

    /// Whether the waker that was left has been woken, or taken.
    pub(crate) fn was_woken(&self) -> bool {
        self.is_here() && !self.entry.is_waited_for()
    }

    /// Nobody is to be woken any more.
    pub(crate) fn take_waker(&self) {
        let old = lock(&self.entry.waker).take();
        // Rule 6.
        drop(old);
    }

    /// Whether there is something to look at; asked once.
    pub(crate) fn was_disturbed(&self) -> bool {
        // Relaxed: the waker's lock lies between.
        self.entry.is_disturbed.swap(false, Relaxed)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if !self.is_here() {
            return;
        }
        self.take_waker();
        lock(&self.watch.entries).retain(|entry| !Arc::ptr_eq(entry, &self.entry));
        // So that the thread lets go of the word, and of the mapping that it lies in.
        self.watch.control();
    }
}

impl Watch {
    fn start() -> io::Result<Arc<Self>> {
        let control = Arc::new(AtomicU32::new(0));
        let control_word = Word::own(Arc::clone(&control));
        let watch = Arc::new(Self { control, control_word, entries: Mutex::default() });
        let own = Arc::clone(&watch);
        thread::Builder::new().name("strait-bridge".to_owned()).spawn(move || own.run())?;
        Ok(watch)
    }

    fn control(&self) {
        // Release: who finds it changed finds the list changed.
        self.control.fetch_add(1, Release);
        self.control_word.wake();
    }

    fn run(&self) {
        pthread_sigmask::take_none();
        let mut looked = Instant::now();
        let mut entries = Vec::new();
        let mut known = None;
        loop {
            // Acquire, pairs with the Release of `control`.
            let control = self.control.load(Acquire);
            if known != Some(control) {
                known = Some(control);
                entries = lock(&self.entries).clone();
            }
            let until_look = if entries.is_empty() { Duration::MAX } else { SLICE.saturating_sub(looked.elapsed()) };
            let mut words = Vec::with_capacity(1 + entries.len());
            words.push((&self.control_word, control));
            words.extend(entries.iter().map(|entry| (&entry.word, entry.seen.load(Relaxed))));
            if !until_look.is_zero() {
                Word::sleep_any(&words, until_look);
            }
            entries.iter().for_each(|entry| entry.notice_change());
            if looked.elapsed() >= SLICE {
                looked = Instant::now();
                entries.iter().for_each(|entry| entry.look());
            }
        }
    }
}

impl Entry {
    fn notice_change(&self) {
        // Acquire, pairs with the Release of who rings: what it rang for is there for the task, and its waker for us (rule 3).
        let now = self.word.load(Acquire);
        if now != self.seen.load(Relaxed) {
            self.seen.store(now, Relaxed);
            self.wake();
        }
    }

    fn look(&self) {
        if self.end_slice() && self.vigil.as_ref().is_some_and(|vigil| vigil.is_disturbed()) {
            self.is_disturbed.store(true, Relaxed);
            self.wake();
        }
    }
}

/// One thread that sleeps on descriptors, and sets a word for each that is ready.
struct Descriptors {
    set: OwnedFd,
    words: Mutex<HashMap<u64, Arc<AtomicU32>>>,
    next: AtomicU64,
}

/// A descriptor that a thread of this process sleeps on, for as long as this value lives.
pub(crate) struct Ticket {
    birthmark: Birthmark,
    thread: Arc<Descriptors>,
    number: u64,
    fd: OwnedFd,
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket").field("fd", &self.fd).finish_non_exhaustive()
    }
}

/// Has a thread sleep on a descriptor, each time that the ticket is armed; then `word` becomes 1. Starts it the first time.
pub(crate) fn watch_descriptor(fd: OwnedFd, word: &Arc<AtomicU32>) -> io::Result<Ticket> {
    let bridge = here()?;
    let thread = match bridge.descriptors.get() {
        Some(thread) => thread,
        None => {
            let fresh = Descriptors::start()?;
            // Of two at once one is left without descriptors, asleep for good.
            bridge.descriptors.get_or_init(|| fresh)
        }
    };
    let number = thread.next.fetch_add(1, Relaxed);
    lock(&thread.words).insert(number, Arc::clone(word));
    if let Err(error) = epoll::add(thread.set.as_fd(), fd.as_fd(), number) {
        lock(&thread.words).remove(&number);
        return Err(error);
    }
    Ok(Ticket { birthmark: bridge.birthmark, thread: Arc::clone(thread), number, fd })
}

impl Ticket {
    pub(crate) fn is_here(&self) -> bool {
        self.birthmark.is_here()
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Has the thread tell once; at once where the descriptor is ready. Says whether that worked.
    pub(crate) fn arm(&self, interest: Interest) -> bool {
        epoll::arm(self.thread.set.as_fd(), self.fd.as_fd(), self.number, interest).is_ok()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.is_here() {
            // The set is the parent's too: what is taken out here is gone there.
            return;
        }
        // It is in the set.
        let _ = epoll::delete(self.thread.set.as_fd(), self.fd.as_fd());
        lock(&self.thread.words).remove(&self.number);
    }
}

impl Descriptors {
    fn start() -> io::Result<Arc<Self>> {
        let set = epoll::create()?;
        let descriptors = Arc::new(Self { set, words: Mutex::default(), next: AtomicU64::new(0) });
        let own = Arc::clone(&descriptors);
        thread::Builder::new().name("strait-epoll".to_owned()).spawn(move || own.run())?;
        Ok(descriptors)
    }

    fn run(&self) {
        pthread_sigmask::take_none();
        let each = |number| {
            let word = lock(&self.words).get(&number).cloned();
            if let Some(word) = word {
                // Release, DESCRIPTOR-READY: of no payload; who sees it asks the kernel.
                word.store(1, Release);
                Word::own(word).wake();
            }
        };
        // There is no error to be met: the set is a descriptor of our own, and stays.
        while epoll::wait(self.set.as_fd(), each).is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Condvar;
    use std::task::Wake;

    /// What takes longer never comes.
    const LONG: Duration = Duration::from_secs(10);

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Count(Mutex<u32>, Condvar);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            *lock(&self.0) += 1;
            self.1.notify_all();
        }
    }

    impl Count {
        fn get(&self) -> u32 {
            *lock(&self.0)
        }

        /// Whether it is woken so often within that time.
        fn reaches(&self, count: u32, within: Duration) -> bool {
            let (count_now, _) = self.1.wait_timeout_while(lock(&self.0), within, |it| *it < count).expect("no panic");
            *count_now >= count
        }
    }

    fn waker() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count::default());
        (Arc::clone(&count), Waker::from(count))
    }

    fn word() -> (Arc<AtomicU32>, Word) {
        let state = Arc::new(AtomicU32::new(0));
        (Arc::clone(&state), Word::own(state))
    }

    fn change(state: &AtomicU32, word: &Word) {
        state.fetch_add(1, Release);
        word.wake();
    }

    /// A vigil that is told what to say.
    #[derive(Debug, Default)]
    struct Told(AtomicBool, AtomicU32);

    impl Vigil for Told {
        fn is_disturbed(&self) -> bool {
            self.1.fetch_add(1, Relaxed);
            self.0.load(Relaxed)
        }
    }

    /// A change of the word wakes the waker that was left last, once, and no other.
    #[test]
    fn change_wakes() {
        let (state, word) = word();
        let registration = register(&word, None).expect("a thread");
        assert!(registration.is_here() && registration.is_for(&word) && !registration.is_for(&self::word().1));
        let ((first, old), (second, new)) = (waker(), waker());
        for round in 1..20 {
            assert!(!registration.replace_waker(&old), "there is none");
            registration.leave_waker(&old);
            assert!(!registration.was_woken());
            assert!(registration.replace_waker(&new), "there is one");
            change(&state, &word);
            assert!(second.reaches(round, LONG));
            while !registration.was_woken() {
                // Where this thread slept for two slices it was the second look.
                thread::yield_now();
            }
            assert!(!registration.was_disturbed());
        }
        registration.leave_waker(&old);
        registration.take_waker();
        assert!(registration.was_woken());
        assert!(first.get() == 0 && second.get() >= 19);
    }

    /// Who waits looks again in its second slice, once for each time that a waker was left, by the waker that is there then; that waker stays.
    #[test]
    fn second_look() {
        let (state, word) = word();
        let registration = register(&word, None).expect("a thread");
        let ((first, old), (second, new)) = (waker(), waker());
        for round in 0..2 {
            registration.leave_waker(&old);
            assert!(registration.replace_waker(&new));
            assert!(second.reaches(2 * round + 1, LONG));
            assert!(!second.reaches(2 * round + 2, 3 * SLICE), "it looks once");
            assert!(!registration.was_woken() && registration.replace_waker(&new) && !registration.was_disturbed());
            change(&state, &word);
            assert!(second.reaches(2 * round + 2, LONG) && registration.was_woken());
        }
        assert_eq!((first.get(), second.get()), (0, 4));
    }

    /// What a forked child does with a registration of its parent's touches no lock: the parent's thread may have held one in the instant of
    /// the fork, and in the child nobody ever gives it back (rule 7).
    #[test]
    fn child_touches_no_lock() {
        let (_state, word) = word();
        let mut registration = register(&word, None).expect("a thread");
        registration.leave_waker(&waker().1);
        let (entry, watch) = (Arc::clone(&registration.entry), Arc::clone(&registration.watch));
        let own = registration.birthmark;
        registration.birthmark = own.as_in_a_child();
        let in_child = {
            let _held = (lock(&entry.waker), lock(&watch.entries));
            let (tell, told) = std::sync::mpsc::channel();
            thread::spawn(move || {
                let was_woken = registration.was_woken();
                drop(registration);
                tell.send(was_woken)
            });
            told.recv_timeout(LONG)
        };
        assert_eq!(in_child, Ok(false), "it waits for a lock, or says that it was woken");
        assert!(entry.is_waited_for(), "the parent's waker is the parent's");
        drop(Registration { birthmark: own, watch, entry });
    }

    /// A word is let go of when its registration ends.
    #[test]
    fn nothing_is_kept() {
        let (state, word) = word();
        let registration = register(&word, None).expect("a thread");
        drop((registration, word));
        let began = Instant::now();
        while Arc::strong_count(&state) > 1 {
            assert!(began.elapsed() < LONG, "the thread keeps the word");
            thread::yield_now();
        }
    }

    /// What a vigil finds wakes the waker once and is told once; it is asked only while somebody waits, and until then nobody is woken.
    #[test]
    fn vigil_is_kept() {
        let (_state, word) = word();
        let told = Arc::new(Told::default());
        let registration = register(&word, Some(Arc::clone(&told) as Arc<dyn Vigil>)).expect("a thread");
        let (count, waker) = waker();
        told.0.store(true, Relaxed);
        assert!(!count.reaches(1, 3 * SLICE) && told.1.load(Relaxed) == 0, "nobody waits");
        told.0.store(false, Relaxed);
        registration.leave_waker(&waker);
        assert!(count.reaches(1, LONG), "it looks again (rule 5)");
        assert!(!count.reaches(2, 3 * SLICE) && told.1.load(Relaxed) > 0, "once, and nothing is to be told");
        assert!(!registration.was_woken() && !registration.was_disturbed());
        told.0.store(true, Relaxed);
        assert!(count.reaches(2, LONG));
        assert!(registration.was_woken());
        assert_eq!([registration.was_disturbed(), registration.was_disturbed()], [true, false]);
        assert_eq!(count.get(), 2);
    }
}
