//! The copy loops: runs of bytes between a mapping and ordinary memory.
//!
//! A peer may write to the source, or to the target, while the copy runs. `memcpy` on such bytes would be a data race, which is
//! undefined behaviour whatever the processor does. So the copies here are made of accesses that a race cannot hurt: on x86-64 the
//! instructions on the shared side are spelled out in assembly, of which the compiler assumes nothing, or are relaxed atomic words; elsewhere they
//! are relaxed atomic bytes and words. The private side of a short copy is ordinary memory to the compiler, which may keep it in registers: a
//! small message then never touches the stack on its way.
#![allow(unsafe_code)]

/// Copies `len` bytes out of shared memory.
///
/// # Safety
/// `from` is valid for reads and `into` for writes of `len` bytes, they do not overlap, and at the most `from` is memory that somebody
/// else accesses at the same time.
#[inline(always)]
pub(crate) unsafe fn copy_out(from: *const u8, into: *mut u8, len: usize) {
    // SAFETY: the caller's promise.
    unsafe { imp::copy_out(from, into, len) }
}

/// [`copy_out`], of bytes that are used a moment later: up to a line of them word by word, if they are whole words. The compiler keeps those in
/// registers; out of vector registers it would have to take them apart first.
///
/// # Safety
/// As [`copy_out`].
#[inline(always)]
pub(crate) unsafe fn copy_out_for_use(from: *const u8, into: *mut u8, len: usize) {
    // SAFETY: the caller's promise.
    unsafe { imp::copy_out_for_use(from, into, len) }
}

/// Copies `len` bytes into shared memory.
///
/// # Safety
/// As [`copy_out`], with `into` as the memory that somebody else may access at the same time.
#[inline(always)]
pub(crate) unsafe fn copy_in(from: *const u8, into: *mut u8, len: usize) {
    // SAFETY: the caller's promise.
    unsafe { imp::copy_in(from, into, len) }
}

/// [`copy_in`], of bytes that were written a moment ago: up to a line of them word by word, as whoever wrote them did. A processor hands a
/// store on to a load that is no longer than that; a longer one waits until the stores have reached the cache.
///
/// # Safety
/// As [`copy_in`].
#[inline(always)]
pub(crate) unsafe fn copy_in_fresh(from: *const u8, into: *mut u8, len: usize) {
    // SAFETY: the caller's promise.
    unsafe { imp::copy_in_fresh(from, into, len) }
}

/// Asks for the cache line at `address`. A hint: it changes nothing and never faults, whatever the address.
#[inline(always)]
pub(crate) fn fetch(address: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing that the program could see and does not fault; SSE is part of every x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = address;
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod imp {
    use std::arch::asm;
    use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_storeu_si128};
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    /// Up to here what was made a moment ago, or will be used a moment later, goes word by word.
    const WORDS_MAX: usize = 64;
    /// From here on the loop is not inlined.
    const MANY_FROM: usize = 160;
    /// From here on the string instruction copies. A guess (see `docs/design/0003-payload-copies.md`).
    const STRING_FROM: usize = 1024;

    /// # Safety
    /// As [`super::copy_out`].
    #[inline(always)]
    pub(super) unsafe fn copy_out(from: *const u8, into: *mut u8, len: usize) {
        match len {
            8 => {
                // SAFETY: 8 bytes are `len`.
                let value = unsafe { load_word(from) };
                // SAFETY: as above; the target is private.
                unsafe { into.cast::<u64>().write_unaligned(value) };
            }
            // SAFETY: the caller's promise, for a length in the range that the callee takes.
            0..16 => unsafe { few_bytes(from, into, len) },
            16..MANY_FROM => {
                in_pieces(len, |at| {
                    // SAFETY: the pieces lie within `len`.
                    let value = unsafe { load_vector(from.wrapping_add(at)) };
                    // SAFETY: as above; the target is private; the instruction needs no alignment.
                    unsafe { _mm_storeu_si128(into.wrapping_add(at).cast(), value) };
                });
            }
            // SAFETY: as above; long copies are aligned on the shared side.
            _ => unsafe { lines(from, into, len, from.addr()) },
        }
    }

    /// # Safety
    /// As [`super::copy_out`].
    #[inline(always)]
    pub(super) unsafe fn copy_out_for_use(from: *const u8, into: *mut u8, len: usize) {
        if len > WORDS_MAX || len % 8 != 0 {
            // SAFETY: the caller's promise.
            return unsafe { copy_out(from, into, len) };
        }
        let mut at = 0;
        while at < len {
            // SAFETY: the words lie within `len`.
            let value = unsafe { load_word(from.wrapping_add(at)) };
            // SAFETY: as above; the target is private.
            unsafe { into.wrapping_add(at).cast::<u64>().write_unaligned(value) };
            at += 8;
        }
    }

    /// # Safety
    /// As [`super::copy_in`].
    #[inline(always)]
    pub(super) unsafe fn copy_in(from: *const u8, into: *mut u8, len: usize) {
        match len {
            8 => {
                // SAFETY: 8 bytes are `len`; the source is private.
                let value = unsafe { from.cast::<u64>().read_unaligned() };
                // SAFETY: as above.
                unsafe { store_word(into, value) };
            }
            // SAFETY: the caller's promise, for a length in the range that the callee takes.
            0..16 => unsafe { few_bytes(from, into, len) },
            16..MANY_FROM => {
                in_pieces(len, |at| {
                    // SAFETY: the pieces lie within `len`; the source is private; the instruction needs no alignment.
                    let value = unsafe { _mm_loadu_si128(from.wrapping_add(at).cast()) };
                    // SAFETY: as above.
                    unsafe { store_vector(into.wrapping_add(at), value) };
                });
            }
            // SAFETY: as above; long copies are aligned on the shared side.
            _ => unsafe { lines(from, into, len, into.addr()) },
        }
    }

    /// # Safety
    /// As [`super::copy_in`].
    #[inline(always)]
    pub(super) unsafe fn copy_in_fresh(from: *const u8, into: *mut u8, len: usize) {
        if len > WORDS_MAX || len % 8 != 0 {
            // SAFETY: the caller's promise.
            return unsafe { copy_in(from, into, len) };
        }
        let mut at = 0;
        while at < len {
            // SAFETY: the words lie within `len`; the source is private.
            let value = unsafe { from.wrapping_add(at).cast::<u64>().read_unaligned() };
            // SAFETY: as above.
            unsafe { store_word(into.wrapping_add(at), value) };
            at += 8;
        }
    }

    /// Calls `copy` with where each 16-byte piece of `len >= 16` bytes begins: one after another, and the last as far back as it must.
    #[inline(always)]
    fn in_pieces(len: usize, copy: impl Fn(usize)) {
        let mut at = 0;
        while at + 16 <= len {
            copy(at);
            at += 16;
        }
        if at < len {
            copy(len - 16);
        }
    }

    /// # Safety
    /// `from` is valid for reads of 8 bytes.
    #[inline(always)]
    unsafe fn load_word(from: *const u8) -> u64 {
        if from.addr() % 8 == 0 {
            // SAFETY: aligned, and valid for reads; whoever else is here uses atomics or assembly. A relaxed load of a word may be of memory that is
            // read-only.
            return unsafe { &*from.cast::<AtomicU64>() }.load(Relaxed);
        }
        let value;
        // SAFETY: reads exactly those bytes; the instruction needs no alignment.
        unsafe {
            asm!("mov {v}, qword ptr [{f}]", v = out(reg) value, f = in(reg) from,
                 options(nostack, preserves_flags, readonly));
        }
        value
    }

    /// # Safety
    /// `into` is valid for writes of 8 bytes.
    #[inline(always)]
    unsafe fn store_word(into: *mut u8, value: u64) {
        if into.addr() % 8 == 0 {
            // SAFETY: aligned, and valid for writes; whoever else is here uses atomics or assembly.
            unsafe { AtomicU64::from_ptr(into.cast()) }.store(value, Relaxed);
            return;
        }
        // SAFETY: writes exactly those bytes; the instruction needs no alignment.
        unsafe {
            asm!("mov qword ptr [{i}], {v}", v = in(reg) value, i = in(reg) into, options(nostack, preserves_flags));
        }
    }

    /// # Safety
    /// `from` is valid for reads of 16 bytes.
    #[inline(always)]
    unsafe fn load_vector(from: *const u8) -> __m128i {
        let value;
        // SAFETY: reads exactly those bytes; the instruction needs no alignment.
        unsafe {
            asm!("movdqu {v}, xmmword ptr [{f}]", v = out(xmm_reg) value, f = in(reg) from,
                 options(nostack, preserves_flags, readonly));
        }
        value
    }

    /// # Safety
    /// `into` is valid for writes of 16 bytes.
    #[inline(always)]
    unsafe fn store_vector(into: *mut u8, value: __m128i) {
        // SAFETY: writes exactly those bytes; the instruction needs no alignment.
        unsafe {
            asm!("movdqu xmmword ptr [{i}], {v}", v = in(xmm_reg) value, i = in(reg) into,
                 options(nostack, preserves_flags));
        }
    }

    /// # Safety
    /// `from` is valid for reads and `into` for writes of 1 byte.
    #[inline(always)]
    unsafe fn byte(from: *const u8, into: *mut u8) {
        // SAFETY: reads and writes exactly that byte.
        unsafe {
            asm!("mov {t}, byte ptr [{f}]", "mov byte ptr [{i}], {t}",
                 t = out(reg_byte) _, f = in(reg) from, i = in(reg) into, options(nostack, preserves_flags));
        }
    }

    /// # Safety
    /// `from` is valid for reads and `into` for writes of 8 bytes, of any alignment.
    #[inline(always)]
    unsafe fn word(from: *const u8, into: *mut u8) {
        // SAFETY: reads and writes exactly those bytes; the instruction needs no alignment.
        unsafe {
            asm!("mov {t}, qword ptr [{f}]", "mov qword ptr [{i}], {t}",
                 t = out(reg) _, f = in(reg) from, i = in(reg) into, options(nostack, preserves_flags));
        }
    }

    /// # Safety
    /// `from` is valid for reads and `into` for writes of 16 bytes, of any alignment.
    #[inline(always)]
    unsafe fn vector(from: *const u8, into: *mut u8) {
        // SAFETY: reads and writes exactly those bytes; the instruction needs no alignment.
        unsafe {
            asm!("movdqu {t}, xmmword ptr [{f}]", "movdqu xmmword ptr [{i}], {t}",
                 t = out(xmm_reg) _, f = in(reg) from, i = in(reg) into, options(nostack, preserves_flags));
        }
    }

    /// # Safety
    /// `from` is valid for reads and `into` for writes of 64 bytes, of any alignment.
    #[inline(always)]
    unsafe fn four_vectors(from: *const u8, into: *mut u8) {
        // SAFETY: reads and writes exactly those bytes; the instructions need no alignment.
        unsafe {
            asm!(
                "movdqu {a}, xmmword ptr [{f}]",
                "movdqu {b}, xmmword ptr [{f} + 16]",
                "movdqu {c}, xmmword ptr [{f} + 32]",
                "movdqu {d}, xmmword ptr [{f} + 48]",
                "movdqu xmmword ptr [{i}], {a}",
                "movdqu xmmword ptr [{i} + 16], {b}",
                "movdqu xmmword ptr [{i} + 32], {c}",
                "movdqu xmmword ptr [{i} + 48], {d}",
                a = out(xmm_reg) _, b = out(xmm_reg) _, c = out(xmm_reg) _, d = out(xmm_reg) _,
                f = in(reg) from, i = in(reg) into, options(nostack, preserves_flags)
            );
        }
    }

    /// # Safety
    /// As [`super::copy_out`]. `len` is below 16.
    #[inline(never)]
    unsafe fn few_bytes(from: *const u8, into: *mut u8, len: usize) {
        let mut done = 0;
        if len >= 8 {
            // SAFETY: 8 bytes are inside `len`.
            unsafe { word(from, into) };
            done = 8;
        }
        while done < len {
            // SAFETY: `done < len`.
            unsafe { byte(from.wrapping_add(done), into.wrapping_add(done)) };
            done += 1;
        }
    }

    /// 16 bytes at a time from the start, so that the private side, which was just written or is read next in such pieces, meets its
    /// own stores whole; and one or two words behind.
    ///
    /// # Safety
    /// As [`super::copy_out`]. `len` is at least 16.
    #[inline(always)]
    unsafe fn vectors(from: *const u8, into: *mut u8, len: usize) {
        let mut done = 0;
        while done + 16 <= len {
            // SAFETY: `done + 16 <= len`.
            unsafe { vector(from.wrapping_add(done), into.wrapping_add(done)) };
            done += 16;
        }
        if done + 8 <= len {
            // SAFETY: `done + 8 <= len`.
            unsafe { word(from.wrapping_add(done), into.wrapping_add(done)) };
            done += 8;
        }
        if done < len {
            // SAFETY: `len >= 16`, so the last 8 bytes are inside.
            unsafe { word(from.wrapping_add(len - 8), into.wrapping_add(len - 8)) };
        }
    }

    /// Whole cache lines of the shared side, between an unaligned beginning and end.
    ///
    /// # Safety
    /// As [`super::copy_out`]. `len` is at least [`MANY_FROM`].
    #[inline(never)]
    unsafe fn lines(from: *const u8, into: *mut u8, len: usize, shared: usize) {
        let lead = shared.wrapping_neg() & 63;
        if lead >= 16 {
            // SAFETY: `lead < 64 < len`.
            unsafe { vectors(from, into, lead) };
        } else if lead > 0 {
            // SAFETY: as above.
            unsafe { few_bytes(from, into, lead) };
        }
        let whole = (len - lead) & !63;
        if whole >= STRING_FROM {
            // SAFETY: `lead + whole <= len`.
            unsafe { string(from.wrapping_add(lead), into.wrapping_add(lead), whole) };
        } else {
            let mut done = lead;
            while done < lead + whole {
                // SAFETY: `done + 64 <= lead + whole <= len`.
                unsafe { four_vectors(from.wrapping_add(done), into.wrapping_add(done)) };
                done += 64;
            }
        }
        let done = lead + whole;
        let rest = len - done;
        if rest >= 16 {
            // SAFETY: `done + rest == len`.
            unsafe { vectors(from.wrapping_add(done), into.wrapping_add(done), rest) };
        } else if rest > 0 {
            // SAFETY: as above.
            unsafe { few_bytes(from.wrapping_add(done), into.wrapping_add(done), rest) };
        }
    }

    /// # Safety
    /// As [`super::copy_out`].
    #[inline(never)]
    unsafe fn string(from: *const u8, into: *mut u8, len: usize) {
        // SAFETY: copies exactly `len` bytes upwards; the direction flag is clear by the ABI.
        unsafe {
            asm!("rep movsb", inout("rcx") len => _, inout("rsi") from => _, inout("rdi") into => _,
                 options(nostack, preserves_flags));
        }
    }
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
mod imp {
    use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

    /// # Safety
    /// As [`super::copy_out`].
    #[inline]
    pub(super) unsafe fn copy_in(from: *const u8, into: *mut u8, len: usize) {
        // SAFETY: the caller's promise.
        unsafe { copy_out(from, into, len) }
    }

    /// # Safety
    /// As [`super::copy_in`].
    #[inline]
    pub(super) unsafe fn copy_in_fresh(from: *const u8, into: *mut u8, len: usize) {
        // SAFETY: the caller's promise.
        unsafe { copy_out(from, into, len) }
    }

    /// # Safety
    /// As [`super::copy_out`].
    #[inline]
    pub(super) unsafe fn copy_out_for_use(from: *const u8, into: *mut u8, len: usize) {
        // SAFETY: the caller's promise.
        unsafe { copy_out(from, into, len) }
    }

    /// # Safety
    /// As [`super::copy_out`].
    #[inline]
    pub(super) unsafe fn copy_out(from: *const u8, into: *mut u8, len: usize) {
        let mut done = 0;
        if from.addr() % 8 == 0 && into.addr() % 8 == 0 {
            while done + 8 <= len {
                let word = from.wrapping_add(done).cast::<AtomicU64>();
                // SAFETY: 8 aligned bytes inside the source.
                let value = unsafe { &*word }.load(Relaxed);
                let word = into.wrapping_add(done).cast::<AtomicU64>();
                // SAFETY: 8 aligned bytes inside the target.
                unsafe { &*word }.store(value, Relaxed);
                done += 8;
            }
        }
        while done < len {
            let byte = from.wrapping_add(done).cast::<AtomicU8>();
            // SAFETY: one byte inside the source.
            let value = unsafe { &*byte }.load(Relaxed);
            let byte = into.wrapping_add(done).cast::<AtomicU8>();
            // SAFETY: one byte inside the target.
            unsafe { &*byte }.store(value, Relaxed);
            done += 1;
        }
    }
}
