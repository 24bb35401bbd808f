//! The owner of a mapped address range.
#![allow(unsafe_code)]

use crate::loan::{Lent, LentMut, Trust};
use crate::view::{View, ViewMut};
use std::io;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};
use strait_sys::mmap::{self, Access, HugePage};
use strait_sys::shmget;

/// An address range shared with other processes. It is unmapped when it and all windows on it are gone.
#[derive(Debug)]
pub struct Mapping {
    /// First byte; `len` bytes from here are mapped for as long as this value lives.
    start: NonNull<u8>,
    /// How many bytes the windows may show. The kernel maps whole pages; the rest of the last page is not shown.
    len: usize,
    access: Access,
    undo: Undo,
    /// The windows that exist, to keep lent ones apart from all others (rule 5 of the crate), and writable ones from protected pages.
    windows: Mutex<Windows>,
}

#[derive(Debug, Default)]
struct Windows {
    open: Vec<Window>,
    /// Pages that may not be written any more.
    protected: Vec<Range<usize>>,
    /// Pages that another mapping shows too: they are never lent.
    shown_again: Vec<Range<usize>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Window {
    bytes: Range<usize>,
    is_lent: bool,
    can_write: bool,
}

#[derive(Debug)]
enum Undo {
    /// Unmap this many bytes.
    Unmap(usize),
    /// Detach the System V segment.
    Detach,
}

// SAFETY: the range is plain shared memory, reached only through windows whose accesses are atomic or opaque to the compiler;
// no thread owns it, and unmapping from another thread is fine.
unsafe impl Send for Mapping {}
// SAFETY: as above; the list of windows is behind a mutex.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the first `len` bytes of a file, which must be at least that long: beyond its end a read is `SIGBUS`.
    ///
    /// The caller makes sure of the size and that nobody can take it back (a seal, or the trust in one's own user).
    pub fn of_file(fd: BorrowedFd<'_>, len: usize, access: Access, populate: bool) -> io::Result<Arc<Self>> {
        let start = mmap::shared(fd, len, access, populate)?;
        Ok(Self::new(start, len, access, Undo::Unmap(len)))
    }

    /// Maps fresh memory that forked children share. `len` is rounded up to whole huge pages where those are asked for.
    pub fn anonymous(len: usize, huge: Option<HugePage>, populate: bool) -> io::Result<Arc<Self>> {
        let start = mmap::anonymous(len, huge, populate)?;
        let whole = huge.map_or(len, |h| len.next_multiple_of(h.bytes() as usize));
        Ok(Self::new(start, len, Access::ReadWrite, Undo::Unmap(whole)))
    }

    /// Attaches the System V segment `id`, whose size the caller knows from the kernel; it cannot change.
    pub fn of_segment(id: i32, len: usize, access: Access) -> io::Result<Arc<Self>> {
        let start = shmget::shmat(id, access)?;
        Ok(Self::new(start, len, access, Undo::Detach))
    }

    /// Maps whole pages of this mapping once more, for reading, and for the kernel to find words there that are slept on: for that it first asks
    /// whether the caller may write there, and looks a second time where not, which makes a sleep dearer by a tenth. Windows on it cannot write,
    /// and the pages are never lent. Before they are protected; an error where they are lent, or the kernel cannot (within huge pages).
    ///
    /// What is locked stays so, and a page that is mapped twice counts twice against `RLIMIT_MEMLOCK`.
    pub fn to_sleep_on(&self, pages: Range<usize>) -> io::Result<Arc<Self>> {
        if pages.start >= pages.end || pages.end > self.len {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let len = pages.end - pages.start;
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.open.iter().any(|w| w.is_lent && meet(&w.bytes, &pages)) {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        // SAFETY: in bounds, as checked above.
        let start = unsafe { self.start.add(pages.start) };
        // SAFETY: the range is mapped as long as `self` lives, and all mappings are shared; the kernel refuses what does not begin on a page.
        let start = unsafe { mmap::again(start, len) }?;
        windows.shown_again.push(pages);
        Ok(Self::new(start, len, Access::ReadOnly, Undo::Unmap(len)))
    }

    fn new(start: NonNull<u8>, len: usize, access: Access, undo: Undo) -> Arc<Self> {
        Arc::new(Self { start, len, access, undo, windows: Mutex::default() })
    }

    /// How many bytes are mapped and shown.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is mapped; never so, for the kernel refuses an empty mapping.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the bytes may be written.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.access == Access::ReadWrite
    }

    /// The address of the first byte in this process, for people to read.
    #[must_use]
    pub fn address(&self) -> usize {
        self.start.as_ptr().addr()
    }

    /// A window for reading, or `None` where `bytes` does not fit or is lent.
    #[must_use]
    pub fn view(self: &Arc<Self>, bytes: Range<usize>) -> Option<View> {
        self.register(bytes.clone(), false, false)?;
        Some(View::new(Arc::clone(self), bytes))
    }

    /// A window for reading and writing, or `None` where `bytes` does not fit, is lent, or may not be written.
    #[must_use]
    pub fn view_mut(self: &Arc<Self>, bytes: Range<usize>) -> Option<ViewMut> {
        self.register(bytes.clone(), false, true)?;
        Some(ViewMut::new(View::new(Arc::clone(self), bytes)))
    }

    /// A window for reading that lends slices where there is trust, or `None` where `bytes` does not fit or shares a byte with
    /// another window.
    #[must_use]
    pub fn lent(self: &Arc<Self>, bytes: Range<usize>, trust: Option<Trust>) -> Option<Lent> {
        self.register(bytes.clone(), true, false)?;
        Some(Lent::new(View::new(Arc::clone(self), bytes), trust))
    }

    /// A window for writing that lends slices where there is trust; `None` as for [`Self::lent`], and where the mapping is read-only.
    #[must_use]
    pub fn lent_mut(self: &Arc<Self>, bytes: Range<usize>, trust: Option<Trust>) -> Option<LentMut> {
        self.register(bytes.clone(), true, true)?;
        Some(LentMut::new(View::new(Arc::clone(self), bytes), trust))
    }

    /// Keeps all pages in memory (`mlock`). Fails where `RLIMIT_MEMLOCK` is too small.
    pub fn lock(&self) -> io::Result<()> {
        // SAFETY: the range is mapped as long as `self` lives.
        unsafe { mmap::lock(self.start, self.len) }
    }

    /// Writes changed bytes to the file behind the mapping and waits for the disk.
    pub fn sync(&self) -> io::Result<()> {
        // SAFETY: the range is mapped as long as `self` lives, and mappings begin on a page.
        unsafe { mmap::sync(self.start, self.len) }
    }

    /// The first byte. Valid for `len` bytes while the mapping lives.
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Makes whole pages read-only for this process, for good: no writable window will show them, and a stray store is a fault. Says
    /// whether it was done; not where a writable window shows one of them, or the kernel refuses (huge pages that are not whole).
    pub fn protect(&self, bytes: Range<usize>) -> bool {
        if bytes.start > bytes.end || bytes.end > self.len {
            return false;
        }
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.open.iter().any(|w| w.can_write && meet(&w.bytes, &bytes)) {
            return false;
        }
        // SAFETY: in bounds, so the sum stays inside the mapped range or one past its end.
        let start = unsafe { self.start.add(bytes.start) };
        // SAFETY: the range is mapped as long as `self` lives; the kernel refuses what is no whole pages; only windows store to a
        // mapping, none that can shows these bytes, and from the line below on none will.
        if unsafe { mmap::protect(start, bytes.len()) }.is_err() {
            return false;
        }
        windows.protected.push(bytes);
        true
    }

    fn register(&self, bytes: Range<usize>, is_lent: bool, can_write: bool) -> Option<()> {
        if bytes.start > bytes.end || bytes.end > self.len || (can_write && !self.is_writable()) {
            return None;
        }
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.open.iter().any(|w| (w.is_lent || is_lent) && meet(&w.bytes, &bytes)) {
            return None;
        }
        if can_write && windows.protected.iter().any(|pages| meet(pages, &bytes)) {
            return None;
        }
        if is_lent && windows.shown_again.iter().any(|pages| meet(pages, &bytes)) {
            return None;
        }
        windows.open.push(Window { bytes, is_lent, can_write });
        Some(())
    }

    /// A lent window on a part of the one for writing that shows `whole`, alone but for that one.
    pub(crate) fn register_part(&self, whole: &Range<usize>, part: Range<usize>, can_write: bool) -> Option<()> {
        if part.start > part.end || part.start < whole.start || part.end > whole.end || part == *whole {
            return None;
        }
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let is_whole = |w: &&Window| !w.is_lent && w.can_write && w.bytes == *whole;
        // Where two windows show the same bytes, the other one's owner knows nothing of this.
        if windows.open.iter().filter(is_whole).count() != 1
            || windows.open.iter().any(|w| !is_whole(&w) && meet(&w.bytes, &part))
            || windows.shown_again.iter().any(|pages| meet(pages, &part))
        {
            return None;
        }
        windows.open.push(Window { bytes: part, is_lent: true, can_write });
        Some(())
    }

    pub(crate) fn unregister(&self, bytes: &Range<usize>, is_lent: bool, can_write: bool) {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |w: &Window| w.is_lent == is_lent && w.can_write == can_write && w.bytes == *bytes;
        if let Some(at) = windows.open.iter().position(is_it) {
            windows.open.swap_remove(at);
        }
    }
}

/// Whether two ranges share a byte.
fn meet(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // Nothing can be done about a failure, and for a range that was mapped here there is none.
        let _ = match self.undo {
            // SAFETY: `start` and `len` came from `mmap` above, and each window holds an `Arc` to this mapping, so none is left.
            Undo::Unmap(len) => unsafe { mmap::unmap(self.start, len) },
            // SAFETY: `start` came from `shmat` above; no window is left, as above.
            Undo::Detach => unsafe { shmget::shmdt(self.start) },
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::{Shared as _, SharedMut as _};
    use std::sync::atomic::Ordering::Relaxed;

    /// A window never shows a byte outside its mapping.
    #[test]
    fn window_outside_is_refused() {
        let mapping = Mapping::anonymous(100, None, false).expect("memory");
        assert!(mapping.view(0..101).is_none());
        let backwards = Range { start: 50, end: 40 };
        assert!(mapping.view(backwards).is_none());
        assert_eq!(mapping.view(60..100).expect("fits").len_bytes(), 40);
    }

    /// A lent window shares no byte with another window, and frees its range when dropped.
    #[test]
    fn lent_window_is_alone() {
        let mapping = Mapping::anonymous(4096, None, false).expect("memory");
        // SAFETY: the mapping is private to this test.
        let trust = unsafe { Trust::assume() };
        let words = mapping.view_mut(0..64).expect("free");
        assert!(mapping.lent(32..128, Some(trust)).is_none());
        let lent = mapping.lent_mut(64..128, Some(trust)).expect("free");
        assert!(mapping.view(100..101).is_none());
        drop(lent);
        assert!(mapping.view(100..101).is_some());
        drop(words);
    }

    /// A part of a window is lent once at a time, within the window, and not where another one shows it; it outlives its window.
    #[test]
    fn parts_are_lent_one_by_one() {
        let mapping = Mapping::anonymous(4096, None, false).expect("memory");
        // SAFETY: the mapping is private to this test.
        let trust = unsafe { Trust::assume() };
        let row = mapping.view_mut(64..512).expect("free");
        let mut written = row.lend_mut(0..16, trust).expect("free");
        written.fill(7);
        assert_eq!(row.load_u32(12, Relaxed), 0x0707_0707);
        assert!(row.lend(15..20, trust).is_none(), "lent");
        assert!(mapping.view(79..80).is_none(), "lent");
        let read = row.lend(16..32, trust).expect("another part");
        assert_eq!((written[15], read[0]), (7, 0));
        for (start, end) in [(0, 448), (440, 449), (20, 19), (usize::MAX - 64, usize::MAX)] {
            assert!(row.lend(start..end, trust).is_none(), "{start}..{end}");
        }
        drop(read);
        assert!(row.lend(16..32, trust).is_some(), "given back");
        let other = mapping.view(500..600).expect("not lent");
        assert!(row.lend(440..448, trust).is_none(), "shown by another window");
        drop(other);
        let twin = mapping.view_mut(64..512);
        assert!(twin.is_none(), "a part is lent");
        drop(row);
        assert!(mapping.view(64..80).is_none(), "still lent");
        assert_eq!(written[0], 7);
        drop(written);
        assert!(mapping.view(64..80).is_some());
    }

    /// Protected pages are read, and never shown for writing again; what is shown for writing is not protected.
    #[test]
    fn protected_pages_are_only_read() {
        let mapping = Mapping::anonymous(3 * 4096, None, false).expect("memory");
        let words = mapping.view_mut(4096..4104).expect("free");
        words.store_u64(0, 7, Relaxed);
        let reader = mapping.view(4096..4104).expect("free");
        assert!(!mapping.protect(4096..8192), "a writable window is open");
        drop(words);
        assert!(!mapping.protect(1..8192), "no whole pages");
        assert!(mapping.protect(4096..8192));
        assert!(mapping.view_mut(8184..8200).is_none());
        assert!(mapping.lent_mut(4200..4208, None).is_none());
        assert!(mapping.view_mut(8192..8200).is_some());
        assert_eq!(reader.load_u64(0, Relaxed), 7);
    }

    /// Pages that are mapped once more show the same bytes, which are not written there, and outlive the first mapping.
    #[test]
    fn pages_to_sleep_on_are_the_same() {
        let mapping = Mapping::anonymous(3 * 4096, None, false).expect("memory");
        mapping.view_mut(4096..4104).expect("free").store_u64(0, 7, Relaxed);
        let again = mapping.to_sleep_on(4096..8192).expect("pages");
        assert!(mapping.protect(4096..8192));
        assert!(again.view_mut(0..8).is_none());
        assert!(mapping.lent(8184..8200, None).is_none(), "shown twice");
        let lent = mapping.lent_mut(0..8, None).expect("free");
        assert!(mapping.to_sleep_on(0..4096).is_err(), "lent");
        drop(lent);
        assert_eq!((again.len(), again.view(0..8).expect("free").load_u64(0, Relaxed)), (4096, 7));
        for wrong in [1..4096, 4096..4096, 8192..5 * 4096] {
            assert!(mapping.to_sleep_on(wrong.clone()).is_err(), "{wrong:?}");
        }
        drop(mapping);
        assert_eq!(again.view(0..8).expect("free").load_u64(0, Relaxed), 7);
    }

    /// Bytes written through one mapping of a file are read through another at a different address.
    #[test]
    fn two_mappings_show_the_same_bytes() {
        use std::os::fd::AsFd as _;
        let fd = strait_sys::memfd_create::memfd_create("two", None).expect("memfd");
        strait_sys::posix_fallocate::posix_fallocate(fd.as_fd(), 4096).expect("room");
        let one = Mapping::of_file(fd.as_fd(), 4096, Access::ReadWrite, false).expect("map");
        let two = Mapping::of_file(fd.as_fd(), 4096, Access::ReadOnly, true).expect("map");
        assert_ne!(one.address(), two.address());
        assert!(two.view_mut(0..8).is_none());
        one.view_mut(0..4096).expect("writable").store_u64(8, 77, Relaxed);
        assert_eq!(two.view(0..4096).expect("readable").load_u64(8, Relaxed), 77);
    }
}
