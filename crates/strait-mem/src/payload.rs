//! The copy loops: runs of bytes between a mapping and ordinary memory.
//!
//! A peer may write to the source, or to the target, while the copy runs. `memcpy` on such bytes would be a data race, which is
//! undefined behaviour whatever the processor does. So the copies here are made of accesses that a race cannot hurt: on x86-64 the
//! instructions are spelled out in assembly, of which the compiler assumes nothing; elsewhere they are relaxed atomic bytes and words.
#![allow(unsafe_code)]

/// Copies `len` bytes.
///
/// # Safety
/// `from` is valid for reads and `into` for writes of `len` bytes, they do not overlap, and at the most one of them is memory
/// that somebody else accesses at the same time.
#[inline(always)]
pub(crate) unsafe fn copy(from: *const u8, into: *mut u8, len: usize) {
    // SAFETY: the caller's promise.
    unsafe { imp::copy(from, into, len) }
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod imp {
    use std::arch::asm;

    /// From here on the string instruction is faster than the loop (see `docs/design/0003-payload-copies.md`).
    const STRING_FROM: usize = 1024;

    /// # Safety
    /// As [`super::copy`].
    #[inline(always)]
    pub(super) unsafe fn copy(from: *const u8, into: *mut u8, len: usize) {
        match len {
            // SAFETY: 8 bytes are `len`.
            8 => unsafe { word(from, into) },
            // SAFETY: the caller's promise, for a length in the range that the callee takes.
            16..=128 => unsafe { few_vectors(from, into, len) },
            // SAFETY: as above.
            0..16 => unsafe { few_bytes(from, into, len) },
            // SAFETY: as above.
            _ if len < STRING_FROM => unsafe { vectors(from, into, len) },
            // SAFETY: as above.
            _ => unsafe { string(from, into, len) },
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
    /// As [`super::copy`]. `len` is below 16.
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

    /// Vectors from the front, and one that ends at the end.
    ///
    /// # Safety
    /// As [`super::copy`]. `len` is at least 16.
    #[inline(always)]
    unsafe fn few_vectors(from: *const u8, into: *mut u8, len: usize) {
        let mut done = 0;
        while done + 16 <= len {
            // SAFETY: `done + 16 <= len`.
            unsafe { vector(from.wrapping_add(done), into.wrapping_add(done)) };
            done += 16;
        }
        if done < len {
            // SAFETY: `len >= 16`, so the last 16 bytes are inside.
            unsafe { vector(from.wrapping_add(len - 16), into.wrapping_add(len - 16)) };
        }
    }

    /// 64 bytes a turn; the last turn ends at the end and may repeat bytes.
    ///
    /// # Safety
    /// As [`super::copy`]. `len` is at least 64.
    #[inline(never)]
    unsafe fn vectors(from: *const u8, into: *mut u8, len: usize) {
        let mut done = 0;
        while done < len {
            let at = done.min(len - 64);
            // SAFETY: `at + 64 <= len`.
            unsafe { four_vectors(from.wrapping_add(at), into.wrapping_add(at)) };
            done += 64;
        }
    }

    /// # Safety
    /// As [`super::copy`].
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
    /// As [`super::copy`].
    #[inline]
    pub(super) unsafe fn copy(from: *const u8, into: *mut u8, len: usize) {
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
