//! A lane on plain memory, one side after the other: shapes, laps, who is kept and who is overtaken, and what a lying peer wrote.

use super::{CLAIMED, COUNT_MAX, COUNT_MIN, DROPPED, Front, Item, LANE_BYTES, NOWHERE, Reader, SENT, Shape, Writer};
use crate::ring::PeerFault;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use strait_mem::{Mapping, Shared as _, SharedMut as _, View, ViewMut};

const COUNT: u32 = 16;
/// Of so many slots.
const CLAIM: u64 = 2;
/// The longest run.
const RUN: u64 = super::RUN_MAX as u64;
/// From the first message's slot to the next.
const SLOT: usize = 64;

type TestWriter = Writer<ViewMut, ViewMut>;
type TestReader = Reader<View, View, ViewMut>;

/// A lane, one position, and the slots.
struct Plain {
    shape: Shape,
    mapping: Arc<Mapping>,
    is_kept: bool,
}

impl Plain {
    fn new(max_bytes: u32, is_slice: bool, is_kept: bool) -> Self {
        let shape = Shape::new(COUNT, max_bytes, is_slice).expect("sound");
        let len = LANE_BYTES as usize + SLOT + shape.ring_bytes() as usize;
        let plain = Self { shape, mapping: Mapping::anonymous(len, None, false).expect("memory"), is_kept };
        plain.part(1).store_u64(0, NOWHERE, Relaxed);
        plain
    }

    fn at(&self, part: usize) -> std::ops::Range<usize> {
        let lane = LANE_BYTES as usize;
        [0..lane, lane..lane + 8, lane + SLOT..self.mapping.len()][part].clone()
    }

    /// Lane, position, slots.
    fn part(&self, part: usize) -> ViewMut {
        self.mapping.view_mut(self.at(part)).expect("writable")
    }

    fn view(&self, part: usize) -> View {
        self.mapping.view(self.at(part)).expect("inside")
    }

    fn writer(&self) -> Result<TestWriter, PeerFault> {
        Writer::attach(self.shape, self.part(2), self.part(0))
    }

    fn reader(&self, history: u64) -> TestReader {
        Reader::join(self.shape, self.view(2), self.view(0), self.part(1), self.is_kept, history)
    }

    fn position(&self) -> u64 {
        self.part(1).load_u64(0, Relaxed)
    }

    /// Publishes the next message, its number in each byte, if there is room.
    fn put(&self, writer: &mut TestWriter) -> bool {
        let bytes = vec![writer.sent() as u8; self.shape.max_bytes() as usize];
        let sent = writer.sent();
        if writer.room() == 0 {
            writer.claim(self.is_kept.then_some(|| self.position().min(sent)));
        }
        writer.put_ready(&bytes)
    }

    /// The next message, if there is one: the number in each of its bytes.
    fn take(&self, reader: &mut TestReader) -> Option<u64> {
        if !reader.look().expect("no lie") {
            assert!(!reader.is_ready());
            return None;
        }
        assert!(reader.is_ready());
        let item = front(reader);
        let mut bytes = vec![0; item.len_bytes as usize];
        let number = reader.position();
        // Every other one by the way of a stream, where there is one.
        let passed = if number % 2 == 1 { reader.copy_ready(&mut bytes, self.shape.each()) } else { None };
        let is_time = passed.unwrap_or_else(|| {
            reader.ring().read(item.offset, &mut bytes);
            assert!(reader.is_intact());
            reader.pass()
        });
        assert!(bytes.iter().all(|&byte| byte == number as u8), "message {number}: {bytes:?}");
        if is_time {
            assert_eq!(reader.release(), reader.position() as u32);
        }
        Some(number)
    }
}

/// The message in the slot at the front.
fn front(reader: &TestReader) -> Item {
    let Ok(Front::Slot(item)) = reader.front() else { panic!("no message in a slot") };
    item
}

/// Numbers that cannot be make no shape, and what is kept of a lane is what was asked for.
#[test]
fn shapes() {
    for (count, max_bytes, is_slice) in [
        (COUNT_MIN / 2, 8, false),
        (COUNT_MAX * 2, 8, false),
        (24, 8, false),
        (16, 0, false),
        (16, (1 << 30) + 1, false),
        (24, 0, true),
        (16, (1 << 30) + 1, true),
    ] {
        assert_eq!(Shape::new(count, max_bytes, is_slice), None, "{count} of {max_bytes}");
    }
    let slot = |max_bytes, is_slice| {
        let shape = Shape::new(16, max_bytes, is_slice).expect("sound");
        (shape.head_bytes(), shape.slot_bytes())
    };
    assert_eq!(
        [slot(8, false), slot(56, false), slot(57, false), slot(100, false)],
        [(8, 64), (8, 64), (0, 64), (0, 104)]
    );
    assert_eq!([slot(0, true), slot(48, true), slot(49, true)], [(16, 64), (16, 64), (16, 128)]);
    for count in [COUNT_MIN / 2, 24, COUNT_MAX * 2] {
        assert_eq!(Shape::referring(count), None);
    }
    assert_eq!(Shape::count_for(0), Some(COUNT_MIN));
    assert_eq!(Shape::count_for(15), Some(32));
    let most = u64::from(COUNT_MAX) / 8 * 7;
    assert_eq!(
        (Shape::count_for(most), Shape::count_for(most + 1), Shape::count_for(u64::MAX)),
        (Some(COUNT_MAX), None, None)
    );
    assert_eq!(Shape::new(16, 8, false).expect("sound").history(), 14);
}

/// Messages come in their order, each once, over many laps, and a publisher that keeps its subscriber stops where it has not read.
#[test]
fn laps_of_the_kept() {
    for (max_bytes, is_slice) in [(8, false), (56, false), (64, false), (100, false), (40, true)] {
        let plain = Plain::new(max_bytes, is_slice, true);
        let (mut writer, mut reader) = (plain.writer().expect("sound"), plain.reader(0));
        for lap in 0..300_u64 {
            let before = writer.sent();
            let wanted = if lap % 3 == 0 { u64::MAX } else { lap % 7 };
            while writer.sent() - before < wanted && plain.put(&mut writer) {}
            if lap % 3 == 0 {
                let room = u64::from(COUNT) - (before - plain.position());
                assert_eq!(writer.sent() - before, room, "lap {lap} of {max_bytes} bytes");
            }
            assert_eq!(reader.len(), writer.sent() - reader.position());
            let left = lap % 5;
            while reader.len() > left {
                let number = reader.position();
                assert_eq!(plain.take(&mut reader), Some(number));
            }
        }
        while plain.take(&mut reader).is_some() {}
        assert_eq!((reader.position(), plain.position()), (writer.sent(), writer.sent()));
    }
}

/// Batches come as single messages do, across the end of the slots, for slots that are full and for those that have something else in them.
#[test]
fn batches() {
    for max_bytes in [8, 60, 64] {
        let plain = Plain::new(max_bytes, false, true);
        let (mut writer, mut reader) = (plain.writer().expect("sound"), plain.reader(0));
        let item = max_bytes as usize;
        let mut next = 0;
        for round in 0..100_usize {
            let count = round % 13 + 1;
            let bytes: Vec<u8> = (0..count).flat_map(|i| vec![(writer.sent() as usize + i) as u8; item]).collect();
            let mut done = 0;
            while done < count {
                let sent = writer.sent();
                if writer.room() == 0 && !writer.claim(Some(|| plain.position().min(sent))) {
                    break;
                }
                let put = writer.put_many(&bytes[done * item..]);
                assert!(put > 0 && writer.sent() == sent + put as u64);
                done += put;
            }
            assert!(reader.look().expect("no lie"));
            reader.look_far().expect("no lie");
            let mut into = vec![0; item * (round % 3 + 1) * 4];
            while reader.is_ready() {
                let copied = reader.copy_many(&mut into);
                assert!(copied > 0);
                for (i, bytes) in into.chunks(item).take(copied).enumerate() {
                    assert!(bytes.iter().all(|&byte| byte == (next + i) as u8), "message {}: {bytes:?}", next + i);
                }
                next += copied;
                if reader.pass_many(copied) {
                    reader.release();
                }
            }
            assert_eq!(next as u64, writer.sent(), "round {round}");
        }
    }
}

/// A publisher is told of what has been read at each sixteenth of the slots, and when all that was known of has been; and of nothing in between.
#[test]
fn positions_are_told_now_and_then() {
    let shape = Shape::new(64, 64, false).expect("sound");
    let plain = Plain { shape, ..Plain::new(64, false, true) };
    let mapping = Mapping::anonymous(LANE_BYTES as usize + SLOT + shape.ring_bytes() as usize, None, false);
    let plain = Plain { mapping: mapping.expect("memory"), ..plain };
    let (mut writer, mut reader) = (plain.writer().expect("sound"), plain.reader(0));
    let mut is_told = |count| {
        reader.look().expect("no lie");
        let is_time = reader.pass_many(count);
        if is_time {
            reader.release();
            assert_eq!(plain.position(), reader.position());
        }
        is_time
    };
    (0..10).for_each(|_| assert!(plain.put(&mut writer)));
    assert_eq!([1; 10].map(&mut is_told), [false, false, false, true, false, false, false, true, false, true]);
    (0..11).for_each(|_| assert!(plain.put(&mut writer)));
    assert_eq!([2, 2, 1, 4, 2].map(is_told), [true, false, false, true, true]);
    reader.leave();
    assert_eq!(plain.position(), NOWHERE);
}

/// A run is no longer than it may be however many slots there are, and every message of it is passed with no thought for the others.
#[test]
fn long_runs() {
    let shape = Shape::new(4096, 64, false).expect("sound");
    let mapping = Mapping::anonymous(LANE_BYTES as usize + SLOT + shape.ring_bytes() as usize, None, false);
    let plain = Plain { shape, mapping: mapping.expect("memory"), is_kept: true };
    plain.part(1).store_u64(0, NOWHERE, Relaxed);
    let (mut writer, mut reader) = (plain.writer().expect("sound"), plain.reader(0));
    (0..1000).for_each(|_| assert!(plain.put(&mut writer)));
    assert!(reader.look().expect("no lie"));
    let mut runs = Vec::new();
    let mut bytes = [0; 64];
    while reader.look().expect("no lie") {
        let first = reader.position();
        while !reader.copy_ready(&mut bytes, shape.each()).expect("the run goes on") {}
        assert_eq!(reader.copy_ready(&mut bytes, shape.each()), None, "it is over");
        runs.push(reader.position() - first);
        reader.release();
    }
    assert_eq!(runs, [&[RUN; 1000 / RUN as usize][..], &[1000 % RUN]].concat());
    assert!(bytes.iter().all(|&byte| byte == 999_u64 as u8));
}

/// Who joins begins at the next message, or as far back as it asks for and as is kept (rule 2).
#[test]
fn joining() {
    for (sent, history, first) in
        [(0, 0, 0), (5, 0, 5), (5, 2, 3), (5, 100, 0), (50, 3, 47), (50, 100, 34), (49, 100, 34)]
    {
        let plain = Plain::new(64, false, false);
        let mut writer = plain.writer().expect("sound");
        (0..sent).for_each(|_| assert!(plain.put(&mut writer)));
        let mut reader = plain.reader(history);
        assert_eq!((reader.position(), plain.position()), (first, first), "{history} of {sent}");
        assert_eq!(reader.len(), sent - first);
        assert!(reader.is_intact());
        let seen: Vec<u64> = std::iter::from_fn(|| plain.take(&mut reader)).collect();
        assert_eq!(seen, (first..sent).collect::<Vec<_>>());
    }
}

/// Who is not kept is overtaken, is told how much it lost, exactly, and goes on with the oldest that is there.
#[test]
fn overtaken() {
    for (max_bytes, is_slice) in [(8, false), (64, false), (40, true)] {
        let plain = Plain::new(max_bytes, is_slice, false);
        let (mut writer, mut reader) = (plain.writer().expect("sound"), plain.reader(0));
        let mut next = 0;
        for count in [3, 16, 17, 18, 40, 1, 100] {
            (0..count).for_each(|_| assert!(plain.put(&mut writer)));
            assert!(reader.look().expect("no lie"));
            // The claim behind the last message may be written any moment.
            let oldest = writer.sent().next_multiple_of(CLAIM).saturating_sub(COUNT.into());
            assert_eq!(reader.is_intact(), next >= oldest, "{next} of {}", writer.sent());
            if next < oldest {
                assert_eq!(reader.copy_ready(&mut vec![0; max_bytes as usize], plain.shape.each()), None);
                assert_eq!(reader.position(), next);
            }
            assert_eq!(reader.skip_lost(), oldest.saturating_sub(next));
            next = next.max(oldest);
            assert!(reader.is_intact());
            while let Some(number) = plain.take(&mut reader) {
                assert_eq!(number, next);
                next += 1;
            }
            assert_eq!(next, writer.sent());
        }
    }
}

/// A message that was committed and not counted is found by who looks closely, and counted by the next publisher, with all others like it.
#[test]
fn count_lags_behind() {
    let plain = Plain::new(8, false, true);
    let (mut writer, mut reader) = (plain.writer().expect("sound"), plain.reader(0));
    assert!(plain.put(&mut writer) && plain.put(&mut writer));
    plain.part(0).store_u64(SENT, 0, Relaxed);
    assert!(reader.look_closely().expect("no lie"));
    assert_eq!((plain.take(&mut reader), reader.look_closely()), (Some(0), Ok(true)));
    let writer = plain.writer().expect("sound");
    assert_eq!((writer.sent(), plain.part(0).load_u64(SENT, Relaxed)), (2, 2));
    assert_eq!((plain.take(&mut reader), reader.look_closely()), (Some(1), Ok(false)));
    // Of items without a sequence the count is all there is.
    let plain = Plain::new(64, false, true);
    let (mut writer, mut reader) = (plain.writer().expect("sound"), plain.reader(0));
    assert!(plain.put(&mut writer) && plain.put(&mut writer));
    plain.part(0).store_u64(SENT, 1, Relaxed);
    assert_eq!((reader.look_closely(), plain.take(&mut reader), reader.look_closely()), (Ok(true), Some(0), Ok(false)));
    assert_eq!(plain.writer().expect("sound").sent(), 1);
}

/// A subscriber of a stream looks at the count, and one of a dialogue at the slot; each finds what there is, whichever it was before.
#[test]
fn streams_and_dialogues() {
    let plain = Plain::new(8, false, true);
    let (mut writer, mut reader) = (plain.writer().expect("sound"), plain.reader(0));
    let mut next = 0;
    for round in 0..5000_u64 {
        let count = if round / 100 % 2 == 0 { 1 } else { round % 14 + 1 };
        (0..count).for_each(|_| assert!(plain.put(&mut writer)));
        for _ in 0..count {
            assert_eq!(plain.take(&mut reader), Some(next));
            next += 1;
        }
        assert_eq!(plain.take(&mut reader), None);
        reader.get_ready();
    }
}

/// To one who is kept each of these is a lie: a count too far ahead, a slot of another lap, a message longer than any.
#[test]
fn lies_to_the_kept() {
    let plain = Plain::new(64, false, true);
    let mut reader = plain.reader(0);
    plain.part(0).store_u64(SENT, u64::from(COUNT), Relaxed);
    assert_eq!(reader.look(), Ok(true));
    let mut reader = plain.reader(0);
    let lie = reader.position() + u64::from(COUNT) + 1;
    plain.part(0).store_u64(SENT, lie, Relaxed);
    assert_eq!(reader.look(), Err(PeerFault { what: "count of a lane", offset: SENT as u64, found: lie }));
    // One that goes back is nothing new.
    plain.part(0).store_u64(SENT, 3, Relaxed);
    assert_eq!((reader.look(), reader.len()), (Ok(false), 0));
    let plain = Plain::new(40, true, true);
    let mut reader = plain.reader(0);
    for lie in [2, u64::from(COUNT) + 1, u64::MAX] {
        plain.part(2).store_u64(0, lie, Relaxed);
        assert_eq!(reader.look(), Err(PeerFault { what: "sequence of a slot", offset: 0, found: lie }));
    }
    plain.part(2).store_u64(0, 1, Relaxed);
    plain.part(2).store_u64(8, 41, Relaxed);
    assert_eq!(reader.look(), Ok(true));
    assert_eq!(reader.front(), Err(PeerFault { what: "length of a message", offset: 8, found: 41 }));
    plain.part(2).store_u64(8, 40, Relaxed);
    assert_eq!(front(&reader).len_bytes, 40);
}

/// One who is not kept may meet any count and sequence, for it may be laps behind; a length that cannot be is a lie if it was not overwritten.
#[test]
fn lies_to_the_overtaken() {
    let plain = Plain::new(40, true, false);
    let mut writer = plain.writer().expect("sound");
    let mut reader = plain.reader(0);
    (0..20).for_each(|_| assert!(plain.put(&mut writer)));
    assert_eq!(reader.look(), Ok(true));
    plain.part(2).store_u64(8, 41, Relaxed);
    assert_eq!(reader.front(), Ok(Front::Lost));
    let mut reader = plain.reader(NOWHERE);
    assert_eq!((reader.look(), reader.position()), (Ok(true), 4));
    plain.part(2).store_u64(4 * SLOT + 8, u64::MAX, Relaxed);
    assert_eq!(reader.front().expect_err("a lie").what, "length of a message");
    let mut reader = plain.reader(0);
    plain.part(0).store_u64(SENT, u64::MAX, Relaxed);
    plain.part(2).store_u64(4 * SLOT, u64::MAX, Relaxed);
    assert_eq!((reader.look(), reader.look_far(), reader.is_ready()), (Ok(true), Ok(()), true));
    // What is copied is no more than there are slots, whatever was said.
    let plain = Plain::new(64, false, false);
    let mut reader = plain.reader(0);
    plain.part(0).store_u64(SENT, u64::MAX, Relaxed);
    assert_eq!((reader.look(), reader.copy_many(&mut [0; 64 * 40])), (Ok(true), COUNT as usize));
}

/// A claim is at most an eighth of the slots ahead of what was sent, and not behind it; any other is a lie that nobody succeeds to.
#[test]
fn claims_of_predecessors() {
    for (sent, claimed, is_sound) in [
        (0, 0, true),
        (0, CLAIM, true),
        (0, CLAIM + 1, false),
        (9, 8, false),
        (9, 10, true),
        (9, 12, false),
        (NOWHERE / 2, NOWHERE / 2, false),
        (NOWHERE / 2 - 1, NOWHERE / 2 - 1, true),
        (NOWHERE, 1, false),
    ] {
        let plain = Plain::new(64, false, true);
        plain.part(0).store_u64(SENT, sent, Relaxed);
        plain.part(0).store_u64(CLAIMED, claimed, Relaxed);
        assert_eq!(plain.writer().is_ok(), is_sound, "{claimed} after {sent}");
    }
}

/// What is given up is counted, and the count goes on with the next publisher.
#[test]
fn given_up() {
    let plain = Plain::new(64, false, true);
    let reader = plain.reader(0);
    let mut writer = plain.writer().expect("sound");
    writer.count_dropped();
    let mut writer = plain.writer().expect("sound");
    writer.count_dropped();
    assert_eq!((writer.dropped(), reader.dropped(), plain.part(0).load_u64(DROPPED, Relaxed)), (2, 2, 2));
}
