//! Lending plain slices of a mapping, where every possible writer is trusted.
#![allow(unsafe_code)]

use crate::shared::{Shared, SharedMut, SharedRmw};
use crate::view::{View, ViewMut};
use std::io;
use std::ops::{Deref, DerefMut, Range};
use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering;
use strait_sys::fstat;

/// The knowledge that nobody writes to lent bytes while they are lent.
///
/// A slice of shared memory is ordinary Rust memory for as long as it is lent: nobody else may change it. That cannot be enforced
/// between processes; it can only be known that everybody who *could* runs as the same user, who might as well attach a debugger.
#[derive(Clone, Copy, Debug)]
pub struct Trust(());

impl Trust {
    /// Trust in one's own user: the file behind `fd` belongs to the effective user, and nobody else may open it for writing.
    ///
    /// `None` where another user owns it or its mode lets others write. One system call.
    pub fn in_own_user(fd: BorrowedFd<'_>) -> io::Result<Option<Self>> {
        let stat = fstat::fstat(fd)?;
        let is_own = stat.uid == fstat::effective_uid() && stat.mode & 0o022 == 0;
        Ok(is_own.then_some(Self(())))
    }

    /// Trust without a check.
    ///
    /// # Safety
    /// As long as bytes of the region are lent, no other process changes them. strait's own code keeps to that; so this is a
    /// promise about every *other* program that may write to the region.
    #[must_use]
    pub unsafe fn assume() -> Self {
        Self(())
    }
}

/// A window for reading that may lend its bytes as slices. It is alone on its part of the mapping.
#[derive(Debug)]
pub struct Lent {
    view: View,
    trust: Option<Trust>,
}

impl Lent {
    /// `view` is registered as lent.
    pub(crate) fn new(view: View, trust: Option<Trust>) -> Self {
        Self { view: view.lent(), trust }
    }

    /// Lends bytes for reading, or `None` without trust: then they can only be copied.
    #[inline(always)]
    #[must_use]
    pub fn slice(&self, offset: usize, len: usize) -> Option<&[u8]> {
        self.trust?;
        let at = self.view.at(offset, len);
        // SAFETY: in bounds (checked by `at`) and mapped as long as `self`; `Trust` says that no other process changes the bytes
        // while they are lent; in this process the window is alone on them, and it cannot write.
        Some(unsafe { std::slice::from_raw_parts(at, len) })
    }
}

/// A part of a [`ViewMut`], lent for reading. No other window shows a byte of it but the one that it is a part of.
#[derive(Debug)]
pub struct Loan(View);

/// A part of a [`ViewMut`], lent for writing, as [`Loan`].
#[derive(Debug)]
pub struct LoanMut(Loan);

impl ViewMut {
    /// Lends a part of the window for reading, apart from all others: for messages that lie in slots, several of which are in somebody's hands.
    /// `None` where it is not a part, but all of it or beyond it; and where another window shows a byte of it, as an earlier loan does.
    ///
    /// The window itself still reaches the part. Who has it writes nothing there while it is lent (`strait::ring`).
    #[must_use]
    pub fn lend(&self, part: Range<usize>, _trust: Trust) -> Option<Loan> {
        self.as_view().part(part, false).map(Loan)
    }

    /// The same, for writing. Who has the window neither reads nor writes there meanwhile.
    #[must_use]
    pub fn lend_mut(&self, part: Range<usize>, _trust: Trust) -> Option<LoanMut> {
        self.as_view().part(part, true).map(|view| LoanMut(Loan(view)))
    }
}

impl Deref for Loan {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let len = self.0.len_bytes();
        // SAFETY: in bounds (checked by `at`) and mapped as long as `self`; there was `Trust`: no other process changes the bytes while they
        // are lent; in this process no other window shows them, but for the one whose owner keeps out (`ViewMut::lend`).
        unsafe { std::slice::from_raw_parts(self.0.at(0, len), len) }
    }
}

impl Deref for LoanMut {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for LoanMut {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        let view = &self.0.0;
        let len = view.len_bytes();
        // SAFETY: as of `Loan`; the mapping is writable, for its window is; and the exclusive borrow is that of the only loan of these bytes.
        unsafe { std::slice::from_raw_parts_mut(view.at(0, len), len) }
    }
}

impl Shared for Lent {
    #[inline(always)]
    fn len_bytes(&self) -> usize {
        self.view.len_bytes()
    }

    #[inline(always)]
    fn load_u32(&self, offset: usize, order: Ordering) -> u32 {
        self.view.load_u32(offset, order)
    }

    #[inline(always)]
    fn load_u64(&self, offset: usize, order: Ordering) -> u64 {
        self.view.load_u64(offset, order)
    }

    #[inline(always)]
    fn fetch_ahead(&self, offset: usize) {
        self.view.fetch_ahead(offset);
    }

    #[inline(always)]
    fn read(&self, offset: usize, into: &mut [u8]) {
        self.view.read(offset, into);
    }

    #[inline(always)]
    fn read_for_use(&self, offset: usize, into: &mut [u8]) {
        self.view.read_for_use(offset, into);
    }
}

/// A window for writing that may lend its bytes as slices. It is alone on its part of the mapping.
#[derive(Debug)]
pub struct LentMut {
    view: ViewMut,
    trust: Option<Trust>,
}

impl LentMut {
    /// `view` is registered as lent and its mapping is writable.
    pub(crate) fn new(view: View, trust: Option<Trust>) -> Self {
        Self { view: ViewMut::new(view.lent()), trust }
    }

    /// Lends bytes for reading, or `None` without trust.
    #[inline(always)]
    #[must_use]
    pub fn slice(&self, offset: usize, len: usize) -> Option<&[u8]> {
        self.trust?;
        let at = self.view.as_view().at(offset, len);
        // SAFETY: as in `slice_mut`, and `SharedMut`'s stores through `&self` go, by the rule of the one who owns the window
        // (`strait::ring`), only to bytes outside what is staged and lent.
        Some(unsafe { std::slice::from_raw_parts(at, len) })
    }

    /// Lends bytes for writing, or `None` without trust: then they can only be copied in. Their content is whatever was there.
    #[inline(always)]
    #[must_use]
    pub fn slice_mut(&mut self, offset: usize, len: usize) -> Option<&mut [u8]> {
        self.trust?;
        let at = self.view.as_view().at(offset, len);
        // SAFETY: in bounds (checked by `at`), mapped as long as `self`, and writable; `Trust` says that no other process touches
        // the bytes while they are lent; the exclusive borrow of the only window on them keeps this process out too.
        Some(unsafe { std::slice::from_raw_parts_mut(at, len) })
    }
}

impl Shared for LentMut {
    #[inline(always)]
    fn len_bytes(&self) -> usize {
        self.view.len_bytes()
    }

    #[inline(always)]
    fn load_u32(&self, offset: usize, order: Ordering) -> u32 {
        self.view.load_u32(offset, order)
    }

    #[inline(always)]
    fn load_u64(&self, offset: usize, order: Ordering) -> u64 {
        self.view.load_u64(offset, order)
    }

    #[inline(always)]
    fn read(&self, offset: usize, into: &mut [u8]) {
        self.view.read(offset, into);
    }

    #[inline(always)]
    fn read_for_use(&self, offset: usize, into: &mut [u8]) {
        self.view.read_for_use(offset, into);
    }
}

impl SharedMut for LentMut {
    #[inline(always)]
    fn store_u32(&self, offset: usize, value: u32, order: Ordering) {
        self.view.store_u32(offset, value, order);
    }

    #[inline(always)]
    fn store_u64(&self, offset: usize, value: u64, order: Ordering) {
        self.view.store_u64(offset, value, order);
    }

    #[inline(always)]
    fn write(&self, offset: usize, from: &[u8]) {
        self.view.write(offset, from);
    }

    #[inline(always)]
    fn write_fresh(&self, offset: usize, from: &[u8]) {
        self.view.write_fresh(offset, from);
    }
}

impl SharedRmw for LentMut {
    #[inline(always)]
    fn compare_exchange_u64(
        &self,
        offset: usize,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.view.compare_exchange_u64(offset, current, new, success, failure)
    }

    #[inline(always)]
    fn fetch_add_u32(&self, offset: usize, add: u32, order: Ordering) -> u32 {
        self.view.fetch_add_u32(offset, add, order)
    }

    #[inline(always)]
    fn fetch_add_u64(&self, offset: usize, add: u64, order: Ordering) -> u64 {
        self.view.fetch_add_u64(offset, add, order)
    }

    #[inline(always)]
    fn fetch_or_u64(&self, offset: usize, bits: u64, order: Ordering) -> u64 {
        self.view.fetch_or_u64(offset, bits, order)
    }

    #[inline(always)]
    fn fetch_and_u64(&self, offset: usize, bits: u64, order: Ordering) -> u64 {
        self.view.fetch_and_u64(offset, bits, order)
    }
}
