//! The latest value: one writer replaces it, any number of readers copy it out and write nothing.
//!
//! | offset | field | who writes |
//! |---:|---|---|
//! | 0 | `version`: how often a value was set; 0, never | writer |
//! | 8 or 64 | `copies`, a power of two of them; version n lies in copy n modulo their number | writer |
//!
//! | offset in a copy | | |
//! |---:|---|---|
//! | 0 | `len_bytes` of the value, 8 bytes | only where values are slices |
//! | 0 or 8 | the value | |
//!
//! Where all copies fit behind the version they share its cache line, so that a small value travels in one transfer; else each begins on
//! a line of its own.
//!
//! 1. A value exists when `version` says so. That one word is stored last: a writer killed before it has done nothing, and the value
//!    before it is still there, whole.
//! 2. The writer touches only the copy of the version it is about to commit. So the copy of version v is left alone until v plus the
//!    number of copies, less one, has been committed.
//! 3. A reader believes what it has copied when the version, read again behind the copying, is not that far yet. So no reader ever
//!    returns a mixture; one that was overtaken tries again, [`TRIES`] times at the most.
//! 4. Readers write nothing, not even here: the page can be mapped read-only.
//! 5. Of the writer a reader believes the version, which is any number, and a length, which is held against the shape.

use crate::ring::PeerFault;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use strait_mem::{Claim, Shared, SharedMut};

/// How often a reader that is overtaken tries again.
pub(crate) const TRIES: u32 = 64;
/// The largest value: 1 GiB.
pub(crate) const VALUE_BYTES_MAX: u64 = 1 << 30;
pub(crate) const COPIES_MIN: u32 = 2;
pub(crate) const COPIES_MAX: u32 = 64;
/// As many copies as this there are, if nobody says otherwise, however large the value.
const COPIES_OF_LARGE: u64 = 4;
/// Small values get as many copies as fit here.
const COPIES_OF_SMALL_BYTES: u64 = 4096;

pub(crate) const VERSION: usize = 0;
const VERSION_BYTES: u64 = 8;
const LEN_BYTES: u64 = 8;
const LINE_BYTES: u64 = 64;

/// Name, offset and length of each field, but for the copies.
pub(crate) const FIELDS: [(&str, usize, usize); 1] = [("version", VERSION, VERSION_BYTES as usize)];
/// Of each copy, where values are slices; the value itself comes behind it.
pub(crate) const SLICE_FIELDS: [(&str, usize, usize); 1] = [("len_bytes", 0, LEN_BYTES as usize)];

/// The shape of the body, agreed when it was made and checked when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// A power of two.
    copies: u32,
    /// The largest value.
    value_bytes: u64,
    /// Whether values are of any length up to that, and say theirs.
    is_slice: bool,
    /// Where the first copy begins.
    first: u64,
    stride: u64,
}

impl Shape {
    /// A shape, if the numbers can be one.
    pub(crate) fn new(copies: u32, value_bytes: u64, is_slice: bool) -> Option<Self> {
        let is_some = (COPIES_MIN..=COPIES_MAX).contains(&copies) && copies.is_power_of_two();
        if !is_some || value_bytes == 0 || value_bytes > VALUE_BYTES_MAX {
            return None;
        }
        let whole = (value_bytes + if is_slice { LEN_BYTES } else { 0 }).next_multiple_of(8);
        let (first, stride) = if VERSION_BYTES + u64::from(copies) * whole <= LINE_BYTES {
            (VERSION_BYTES, whole)
        } else {
            (LINE_BYTES, whole.next_multiple_of(LINE_BYTES))
        };
        Some(Self { copies, value_bytes, is_slice, first, stride })
    }

    /// How many copies such values get if nobody says otherwise: four in the version's line where they fit there, else a page full, but
    /// four at least. So a reader is overtaken only by a writer that sets 62 small values, or two large ones, while it copies one.
    pub(crate) fn usual_copies(value_bytes: u64, is_slice: bool) -> u32 {
        let Some(four) = Self::new(4, value_bytes, is_slice) else { return COPIES_MIN };
        if four.first == VERSION_BYTES {
            return 4;
        }
        let copies = (COPIES_OF_SMALL_BYTES / four.stride).clamp(COPIES_OF_LARGE, COPIES_MAX.into());
        // At most 64; the strides are multiples of a line, but not powers of two.
        1 << copies.ilog2()
    }

    pub(crate) fn copies(self) -> u32 {
        self.copies
    }

    pub(crate) fn value_bytes(self) -> u64 {
        self.value_bytes
    }

    /// The copies: where the first begins, and how far apart they are.
    pub(crate) fn copies_at(self) -> (u64, u64) {
        (self.first, self.stride)
    }

    /// How many bytes version and copies take.
    pub(crate) fn body_bytes(self) -> u64 {
        self.first + u64::from(self.copies) * self.stride
    }

    /// Where the copy of a version begins.
    #[inline(always)]
    fn copy_at(self, version: u64) -> usize {
        // In a body that is mapped, so it fits.
        (self.first + (version & u64::from(self.copies - 1)) * self.stride) as usize
    }

    #[inline(always)]
    fn value_at(self, version: u64) -> usize {
        self.copy_at(version) + if self.is_slice { LEN_BYTES as usize } else { 0 }
    }
}

/// The writing side.
#[derive(Debug)]
pub(crate) struct Writer<Body> {
    shape: Shape,
    body: Body,
    /// The version that is committed. The truth.
    version: u64,
}

impl<Body: SharedMut> Writer<Body> {
    /// Takes the writing side over from whoever had it. What that one had begun and not committed is written over by the next value.
    pub(crate) fn attach(shape: Shape, body: Body) -> Self {
        // Relaxed: the lease came from its last owner, and what that one stored came before.
        let version = body.load_u64(VERSION, Relaxed);
        Self { shape, body, version }
    }

    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// How often a value was set.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Sets a value, which is as long as the shape says or, of slices, not longer.
    #[inline(always)]
    pub(crate) fn set(&mut self, value: &[u8]) {
        let next = self.version.wrapping_add(1);
        // Release, WATCH-ROUND: whoever sees a byte of what is written below sees the version that was committed last (rule 3).
        self.body.fence(Release);
        if self.shape.is_slice {
            self.body.store_u64(self.shape.copy_at(next), value.len() as u64, Relaxed);
        }
        self.body.write(self.shape.value_at(next), value);
        // Release, WATCH-COMMIT: the copy above is written before its version is seen.
        self.body.store_u64(VERSION, next, Release);
        self.version = next;
    }

    /// Copies the committed value out, if there is one; `into` is as long as the shape says. Nobody else writes it meanwhile.
    pub(crate) fn last(&self, into: &mut [u8]) -> bool {
        if self.version == 0 {
            return false;
        }
        self.body.read(self.shape.value_at(self.version), into);
        true
    }
}

/// What came of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// What was copied is the value of this version.
    Is(u64),
    /// There is none yet, or none newer.
    NotYet,
    /// The writer was faster, each time.
    Overtaken,
}

/// The reading side. It writes nothing.
#[derive(Debug)]
pub(crate) struct Reader<Body> {
    shape: Shape,
    body: Body,
}

impl<Body: Shared> Reader<Body> {
    pub(crate) fn new(shape: Shape, body: Body) -> Self {
        Self { shape, body }
    }

    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// How often a value was set, as the writer says. Zero: never.
    #[inline(always)]
    pub(crate) fn version(&self) -> u64 {
        // Acquire, pairs with WATCH-COMMIT.
        self.body.load_u64(VERSION, Acquire)
    }

    /// Whether the copy of a version cannot have been touched since that version was read (rules 2 and 3).
    #[inline(always)]
    fn is_whole(&self, version: u64) -> bool {
        // Acquire, pairs with WATCH-ROUND: who copied a byte of a later value sees how far the writer had come before it.
        self.body.fence(Acquire);
        let now = self.body.load_u64(VERSION, Relaxed);
        now.wrapping_sub(version) < u64::from(self.shape.copies) - 1
    }

    /// Copies the value out, unless its version is still `seen`; `into` is as long as the shape says. Of anything but [`Read::Is`] what
    /// is in `into` means nothing.
    #[inline(always)]
    pub(crate) fn read(&self, seen: u64, into: &mut [u8]) -> Read {
        for _ in 0..TRIES {
            let version = self.version();
            if version == seen || version == 0 {
                return Read::NotYet;
            }
            self.body.read(self.shape.value_at(version), into);
            if self.is_whole(version) {
                return Read::Is(version);
            }
            std::hint::spin_loop();
        }
        Read::Overtaken
    }

    /// The same for slices of `item_bytes` each: `room` makes room for so many items.
    pub(crate) fn read_slice<Room>(
        &self,
        seen: u64,
        item_bytes: u64,
        into: &mut Room,
        room: impl Fn(&mut Room, usize) -> &mut [u8],
    ) -> Result<Read, PeerFault> {
        for _ in 0..TRIES {
            let version = self.version();
            if version == seen || version == 0 {
                return Ok(Read::NotYet);
            }
            let at = self.shape.copy_at(version);
            let alleged = Claim::new(self.body.load_u64(at, Relaxed));
            let len = alleged.when(|len| len <= self.shape.value_bytes && len % item_bytes == 0);
            if let Ok(len) = len {
                // At most `value_bytes`, which is our own number.
                self.body.read(at + LEN_BYTES as usize, room(into, (len / item_bytes) as usize));
            }
            match (self.is_whole(version), len) {
                (true, Ok(_)) => return Ok(Read::Is(version)),
                (true, Err(refuted)) => {
                    return Err(PeerFault { what: "value length", offset: at as u64, found: refuted.found });
                }
                (false, _) => std::hint::spin_loop(),
            }
        }
        Ok(Read::Overtaken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strait_mem::{Mapping, View, ViewMut};

    fn ends(shape: Shape) -> (Writer<ViewMut>, Reader<View>, ViewMut) {
        let len = shape.body_bytes() as usize;
        let mapping = Mapping::anonymous(len, None, false).expect("memory");
        let all = || mapping.view_mut(0..len).expect("writable");
        (Writer::attach(shape, all()), Reader::new(shape, mapping.view(0..len).expect("inside")), all())
    }

    /// Small values lie in the version's line, others on lines of their own, and no two copies share a byte.
    #[test]
    fn shapes() {
        let four = Shape::new(4, 8, false).expect("sound");
        assert_eq!((four.first, four.stride, four.body_bytes()), (8, 8, 40));
        let two = Shape::new(2, 24, false).expect("sound");
        assert_eq!((two.first, two.stride, two.body_bytes()), (8, 24, 56));
        let slice = Shape::new(2, 24, true).expect("sound");
        assert_eq!((slice.first, slice.stride, slice.body_bytes()), (64, 64, 192));
        let odd = Shape::new(64, 65, false).expect("sound");
        assert_eq!((odd.first, odd.stride), (64, 128));
        for (copies, bytes) in [(1, 8), (3, 8), (128, 8), (4, 0), (4, VALUE_BYTES_MAX + 1)] {
            assert_eq!(Shape::new(copies, bytes, false), None);
        }
        let usual: Vec<u32> = [8, 16, 64, 256, 500, 1 << 20].map(|bytes| Shape::usual_copies(bytes, false)).to_vec();
        assert_eq!(usual, [4, 64, 64, 16, 8, 4]);
    }

    /// Each value is read back as it was set, many rounds long, with its version; the last one by whoever comes later.
    #[test]
    fn latest_value_is_read() {
        for (copies, bytes) in [(2, 8), (4, 8), (4, 64), (8, 100), (2, 5000)] {
            let (mut writer, reader, all) = ends(Shape::new(copies, bytes, false).expect("sound"));
            let mut into = vec![0; bytes as usize];
            assert_eq!(reader.read(0, &mut into), Read::NotYet);
            for round in 1..200_u64 {
                writer.set(&vec![round as u8; bytes as usize]);
                assert_eq!(reader.read(round - 1, &mut into), Read::Is(round));
                assert!(into.iter().all(|&byte| byte == round as u8), "round {round} of {bytes} bytes");
                assert_eq!(reader.read(round, &mut into), Read::NotYet);
            }
            writer = Writer::attach(writer.shape(), all);
            assert_eq!(writer.version(), 199);
            writer.set(&vec![7; bytes as usize]);
            assert_eq!((reader.read(0, &mut into), into[0]), (Read::Is(200), 7));
        }
    }

    fn bytes_of(into: &mut Vec<u8>, len: usize) -> &mut [u8] {
        into.resize(len, 0);
        into
    }

    /// Slices come with their length, empty ones too; a length that no honest writer writes is a lie.
    #[test]
    fn slices_say_their_length() {
        let (mut writer, reader, all) = ends(Shape::new(4, 100, true).expect("sound"));
        let mut into = Vec::new();
        for len in [0, 1, 7, 99, 100] {
            writer.set(&vec![len as u8; len]);
            assert_eq!(reader.read_slice(0, 1, &mut into, bytes_of), Ok(Read::Is(writer.version())));
            assert_eq!(into, vec![len as u8; len]);
        }
        // Version 5 lies in copy 1.
        all.store_u64(64 + 128, 101, Relaxed);
        assert_eq!(reader.read_slice(0, 1, &mut into, bytes_of).expect_err("a lie").found, 101);
        all.store_u64(64 + 128, 3, Relaxed);
        assert_eq!(reader.read_slice(0, 2, &mut into, bytes_of).expect_err("a lie").what, "value length");
    }

    /// What a reader has seen is not read again, and what was never set not at all, whatever it has seen.
    #[test]
    fn nothing_newer() {
        let (mut writer, reader, all) = ends(Shape::new(4, 100, true).expect("sound"));
        let mut into = Vec::new();
        writer.set(&[1; 100]);
        assert_eq!(reader.read_slice(1, 1, &mut into, bytes_of), Ok(Read::NotYet));
        all.store_u64(VERSION, 0, Relaxed);
        assert_eq!(reader.read_slice(1, 1, &mut into, bytes_of), Ok(Read::NotYet));
        assert_eq!(reader.read(1, &mut [0; 100]), Read::NotYet);
        assert!(into.is_empty());
    }

    /// A memory whose version moves on with every look: a writer that is always faster.
    struct Restless(std::cell::Cell<u64>);

    impl Shared for Restless {
        fn len_bytes(&self) -> usize {
            1 << 20
        }

        fn load_u32(&self, _: usize, _: std::sync::atomic::Ordering) -> u32 {
            0
        }

        fn load_u64(&self, _: usize, _: std::sync::atomic::Ordering) -> u64 {
            self.0.set(self.0.get() + 3);
            self.0.get()
        }

        fn read(&self, _: usize, _: &mut [u8]) {}
    }

    /// A reader that is overtaken every time gives up.
    #[test]
    fn overtaken_for_ever() {
        let reader = Reader::new(Shape::new(4, 64, false).expect("sound"), Restless(0.into()));
        assert_eq!(reader.read(0, &mut [0; 64]), Read::Overtaken);
        let reader = Reader::new(Shape::new(8, 64, false).expect("sound"), Restless(0.into()));
        assert_eq!(reader.read(0, &mut [0; 64]), Read::Is(3));
    }
}
