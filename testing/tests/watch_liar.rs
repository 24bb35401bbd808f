//! A watch in whose memory somebody lies: every call returns, none panics, and what it says is one of the things it may say.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use strait::ErrorKind;
use strait::channel::layout::{Field, Part};
use strait::channel::watch::{Observer, Options, ReadError, ReadTimeoutError, Reader, TryReadError, Writer, layout};
use strait::discovery::look_at;
use strait::mem::{Shared as _, SharedMut as _};
use strait::region::{self, Region, ViewMut};
use strait_testing::in_time;
use strait_testing::names::Name;
use strait_testing::random::Random;

const READERS: u32 = 2;
const COPIES: u32 = 2;
const BYTES: u64 = 64;
const SHORT: Duration = Duration::from_micros(300);

fn options() -> Options {
    Options::new().readers(READERS).copies(COPIES).max_message_bytes(BYTES)
}

/// The ends of a channel of slices, made anew when they have closed themselves.
struct Ends {
    name: Name,
    tx: Writer<[u32]>,
    rx: Reader<[u32]>,
    observer: Observer<[u32]>,
    memory: ViewMut,
    sound: Vec<u8>,
}

impl Ends {
    fn new() -> Self {
        let name = Name::new("liar");
        let tx = Writer::create(name.as_str(), &options()).expect("create");
        let rx = Reader::open(name.as_str(), &options()).expect("open");
        let observer = Observer::open(name.as_str(), &options()).expect("open");
        let region = Region::open(name.as_str(), &region::Options::new()).expect("open");
        let memory = region.view_mut(0..region.len()).expect("writable");
        let mut sound = vec![0; memory.len_bytes()];
        memory.read(0, &mut sound);
        Self { name, tx, rx, observer, memory, sound }
    }

    /// Calls everything once; says whether an end has closed itself.
    fn work(&mut self) -> bool {
        let mut into = Vec::new();
        self.tx.send(&[7; 11]).expect("a writer believes nobody");
        let _ = (self.tx.readers(), self.rx.version(), self.rx.writer_state(), self.rx.writer_pid());
        let mut is_closed = false;
        let mut check = |error: ReadError| match error {
            ReadError::Fault(_) => is_closed = true,
            ReadError::Disconnected(_) | ReadError::Busy => {}
            other => panic!("{other:?}"),
        };
        for outcome in [self.rx.try_get(&mut into), self.rx.try_changed(&mut into)] {
            if let Err(TryReadError::Failed(error)) = outcome {
                check(error);
            }
        }
        if let Err(ReadTimeoutError::Failed(error)) = self.rx.changed_timeout(&mut into, SHORT) {
            check(error);
        }
        assert!(into.len() <= BYTES as usize / 4, "longer than any value");
        // One that takes no part has nothing to close.
        let _ = (self.observer.try_get(&mut into), self.observer.try_changed(&mut into), self.observer.writer_state());
        is_closed
    }

    /// Comes and goes while the lie stands.
    fn attach(&self) {
        let allowed = |kind: ErrorKind| {
            assert!(matches!(kind, ErrorKind::Incompatible | ErrorKind::Damaged | ErrorKind::Busy), "{kind:?}");
        };
        let _ = Reader::<[u32]>::open(self.name.as_str(), &options()).map_err(|error| allowed(error.kind()));
        let _ = Observer::<[u32]>::open(self.name.as_str(), &options()).map_err(|error| allowed(error.kind()));
        look_at(self.name.as_str()).expect("whatever it is, it is there");
    }
}

fn words(fields: &[Field]) -> Vec<usize> {
    let inside = fields.iter().filter(|it| it.part != Part::Locks);
    let words = inside.flat_map(|it| (it.offset / 8..(it.offset + it.len_bytes).div_ceil(8)).map(|word| word * 8));
    let mut words: Vec<usize> = words.map(|at| at as usize).collect();
    words.dedup();
    words
}

/// Each word of the region in turn says something else, of which every end makes what it may.
#[test]
fn lies_between_calls() {
    let table = layout::<[u32]>(READERS, COPIES, BYTES);
    for at in words(&table) {
        in_time("a lie", move || {
            for lie in [0, 1, 3, 0xFF, 1 << 31, 1 << 32, 1 << 63, u64::MAX] {
                let mut ends = Ends::new();
                ends.work();
                ends.memory.store_u64(at, lie, Relaxed);
                ends.work();
                ends.attach();
                ends.memory.store_u64(at, !lie, Relaxed);
                ends.work();
                if at < 4096 {
                    // The header is read when somebody attaches, and never again.
                    ends.attach();
                    ends.memory.write(0, &ends.sound[..4096]);
                    assert!(!ends.work(), "the word at {at}");
                }
            }
        });
    }
}

/// Somebody writes all over the region as fast as it can.
#[test]
fn lies_at_full_speed() {
    in_time("lies_at_full_speed", || {
        let table = layout::<[u32]>(READERS, COPIES, BYTES);
        let words = words(&table);
        let mut random = Random::seeded("lies_at_full_speed");
        let mut closed = 0;
        for _ in 0..20 {
            let mut ends = Ends::new();
            let stop = AtomicBool::new(false);
            std::thread::scope(|scope| {
                let region = Region::open(ends.name.as_str(), &region::Options::new()).expect("open");
                let memory = region.view_mut(0..region.len()).expect("writable");
                let (stop, words, mut random) = (&stop, &words, Random::new(random.next_u64()));
                scope.spawn(move || {
                    while !stop.load(Relaxed) {
                        let at = words[random.below(words.len() as u64) as usize];
                        let value = match random.below(4) {
                            0 => random.below(70),
                            1 => memory.load_u64(at, Relaxed).wrapping_add(random.below(3)),
                            _ => random.next_u64(),
                        };
                        memory.store_u64(at, value, Relaxed);
                    }
                });
                for _ in 0..50 {
                    closed += u32::from(ends.work());
                    ends.attach();
                }
                stop.store(true, Relaxed);
            });
        }
        eprintln!("lies_at_full_speed: {closed} of 1000 rounds met a lie that closes an end");
    });
}
