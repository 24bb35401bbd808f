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

    /// From here on the string instruction is faster than the loop (measured: `docs/design/0003-payload-copies.md`).
    const STRING_FROM: usize = 1024;

    #[inline(always)]
    pub(super) unsafe fn copy(from: *const u8, into: *mut u8, len: usize) {
        // SAFETY (each branch): the ranges read and written lie inside `len` bytes, which the caller vouches for.
        match len {
            8 => unsafe { one_word(from, into) },
            16..=128 => unsafe { few_vectors(from, into, len) },
            0..16 => unsafe { few_bytes(from, into, len) },
            _ if len < STRING_FROM => unsafe { vectors(from, into, len) },
            _ => unsafe { string(from, into, len) },
        }
    }

    #[inline(always)]
    unsafe fn one_word(from: *const u8, into: *mut u8) {
        // SAFETY: reads and writes exactly 8 bytes, unaligned access is allowed.
        unsafe {
            asm!("mov {t}, qword ptr [{f}]", "mov qword ptr [{i}], {t}",
                 t = out(reg) _, f = in(reg) from, i = in(reg) into, options(nostack, preserves_flags));
        }
    }

    /// 16 to 128 bytes: vectors from the front, and one that ends at the end.
    #[inline(always)]
    unsafe fn few_vectors(from: *const u8, into: *mut u8, len: usize) {
        let mut done = 0;
        while done + 16 <= len {
            // SAFETY: `done + 16 <= len`.
            unsafe { one_vector(from.add(done), into.add(done)) };
            done += 16;
        }
        if done < len {
            // SAFETY: `len >= 16`, so `len - 16` is inside.
            unsafe { one_vector(from.add(len - 16), into.add(len - 16)) };
        }
    }

    #[inline(always)]
    unsafe fn one_vector(from: *const u8, into: *mut u8) {
        // SAFETY: reads and writes exactly 16 bytes, unaligned.
        unsafe {
            asm!("movdqu {t}, xmmword ptr [{f}]", "movdqu xmmword ptr [{i}], {t}",
                 t = out(xmm_reg) _, f = in(reg) from, i = in(reg) into, options(nostack, preserves_flags));
        }
    }

    #[inline(never)]
    unsafe fn few_bytes(from: *const u8, into: *mut u8, len: usize) {
        let mut done = 0;
        if len >= 8 {
            // SAFETY: 8 bytes are inside.
            unsafe { one_word(from, into) };
            done = 8;
        }
        while done < len {
            // SAFETY: one byte at `done < len`.
            unsafe {
                asm!("mov {t}, byte ptr [{f}]", "mov byte ptr [{i}], {t}",
                     t = out(reg_byte) _, f = in(reg) from.add(done), i = in(reg) into.add(done), options(nostack, preserves_flags));
            }
            done += 1;
        }
    }

    /// 64 bytes a turn; the last turn ends at the end and may repeat bytes.
    #[inline(never)]
    unsafe fn vectors(from: *const u8, into: *mut u8, len: usize) {
        let mut done = 0;
        while done < len {
            let at = done.min(len - 64);
            // SAFETY: `len >= 64`, so 64 bytes from `at` are inside.
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
                    f = in(reg) from.add(at), i = in(reg) into.add(at), options(nostack, preserves_flags)
                );
            }
            done += 64;
        }
    }

    #[inline(never)]
    unsafe fn string(from: *const u8, into: *mut u8, len: usize) {
        // SAFETY: copies exactly `len` bytes upwards; the direction flag is clear by the ABI.
        unsafe {
            asm!("rep movsb", inout("rcx") len => _, inout("rsi") from => _, inout("rdi") into => _, options(nostack, preserves_flags));
        }
    }
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
mod imp {
    use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

    #[inline]
    pub(super) unsafe fn copy(from: *const u8, into: *mut u8, len: usize) {
        let mut done = 0;
        if from.addr() % 8 == 0 && into.addr() % 8 == 0 {
            while done + 8 <= len {
                // SAFETY: 8 aligned bytes inside the source.
                let word = unsafe { &*from.add(done).cast::<AtomicU64>() }.load(Relaxed);
                // SAFETY: 8 aligned bytes inside the target.
                unsafe { &*into.add(done).cast::<AtomicU64>() }.store(word, Relaxed);
                done += 8;
            }
        }
        while done < len {
            // SAFETY: one byte inside the source.
            let byte = unsafe { &*from.add(done).cast::<AtomicU8>() }.load(Relaxed);
            // SAFETY: one byte inside the target.
            unsafe { &*into.add(done).cast::<AtomicU8>() }.store(byte, Relaxed);
            done += 1;
        }
    }
}
