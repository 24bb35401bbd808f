//! Attaching to what is no channel, or a channel whose every number may be a lie: an error or a channel that works, and nothing else.
//!
//! Offsets are those of `region/header.rs`, `channel/spsc/setup.rs`, `peer/side.rs` and `ring/spsc.rs`.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use strait::ErrorKind;
use strait::channel::spsc::{Options, Receiver, Sender};
use strait::channel::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};
use strait::region::{self, Place, Region};
use strait_testing::names::{Name, Scratch};
use strait_testing::random::Random;
use strait_testing::role::Role;

const ROLE: &str = env!("CARGO_BIN_EXE_role");
const SENDER_SIDE: u64 = 4096;
const RECEIVER_SIDE: u64 = 8192;
const RING: u64 = 12_288;
const PRESENCE: u64 = 0;
const WAKE_AT: u64 = 8;
const BELL: u64 = 64;
const PROGRESS: u64 = 128;
const COMMITTED: u64 = 1 << 63;
const PADDING: u64 = 1 << 62;

fn small() -> Options {
    Options::new().capacity_bytes(4096)
}

/// A good channel of numbers in a file, with the messages 0 to 4, of which two were received; both sides have left.
fn good(path: &Path) -> Vec<u8> {
    let mut tx = Sender::<u64>::create(path, &small()).expect("create");
    for n in 0..5 {
        tx.send(&n).expect("room");
    }
    let mut rx = Receiver::<u64>::open(path, &small()).expect("open");
    assert_eq!((rx.recv(), rx.recv()), (Ok(0), Ok(1)));
    drop((tx, rx));
    fs::read(path).expect("read")
}

/// Opens each file in a process of its own, both ends, uses what opens, and returns what was said of each. Fails on a panic, a signal
/// or a hang.
fn open_each(files: &[PathBuf]) -> Vec<String> {
    let mut said = Vec::new();
    for part in files.chunks(200) {
        let paths: Vec<&str> = part.iter().map(|path| path.to_str().expect("UTF-8")).collect();
        let mut role = Role::start(ROLE, &[&["open-each"], &paths[..]].concat());
        for path in &paths {
            let answer = role.answer();
            let Some(outcome) = answer.strip_prefix(path) else { panic!("{path}: {answer}") };
            assert_ne!(outcome, " PANIC", "{path}");
            said.push(outcome.trim_start().to_owned());
        }
        role.expect("done");
    }
    said
}

/// What never was a channel is an error that says so.
#[test]
fn what_never_was_a_channel() {
    let scratch = Scratch::new("garbage");
    let good = good(&scratch.path("good"));
    let mut random = Random::seeded("what_never_was_a_channel");
    let mut bytes = |len: usize| -> Vec<u8> { (0..len).map(|_| random.next_u64() as u8).collect() };
    let with = |at: usize, new: &[u8]| {
        let mut changed = good.clone();
        changed[at..at + new.len()].copy_from_slice(new);
        changed
    };
    let cases = [
        ("random-small", bytes(100), "Incompatible", "100 bytes"),
        ("random-page", bytes(4096), "Incompatible", "not a channel of strait"),
        ("random-large", bytes(100_000), "Incompatible", "not a channel of strait"),
        ("zeroes", vec![0; 20_480], "Incompatible", "not a channel of strait"),
        ("empty", vec![], "Damaged", "empty"),
        ("one-byte", vec![0x73], "Incompatible", "1 bytes"),
        ("shorter-than-header", good[..4095].to_vec(), "Incompatible", "4095 bytes"),
        ("header-only", good[..4096].to_vec(), "Damaged", "it has 4096"),
        ("cut", good[..good.len() - 1].to_vec(), "Damaged", "its header says"),
        ("grown", [&good[..], &[0]].concat(), "Damaged", "its header says"),
        ("other-version", with(8, &2_u32.to_le_bytes()), "Incompatible", "version 2"),
        ("version-zero", with(8, &0_u32.to_le_bytes()), "Incompatible", "version 0"),
        ("other-kind", with(12, &2_u32.to_le_bytes()), "Incompatible", "kind 2"),
        ("other-type", with(16, &7_u64.to_le_bytes()), "Incompatible", "'u64'"),
        ("flags", with(48, &u32::MAX.to_le_bytes()), "Damaged", "flags"),
        ("capacity", with(32, &(1_u64 << 20).to_le_bytes()), "Damaged", "ring of 1048576 bytes"),
    ];
    let files: Vec<PathBuf> = cases
        .iter()
        .map(|(name, bytes, ..)| {
            fs::write(scratch.path(name), bytes).expect("write");
            scratch.path(name)
        })
        .collect();
    let mut wrong = Vec::new();
    for ((name, _, kind, word), said) in cases.iter().zip(open_each(&files)) {
        if !said.starts_with(kind) || !said.contains(word) {
            wrong.push(format!("{name}: {kind} '{word}' wanted: {said}"));
        }
        assert!(scratch.path(name).exists(), "{name}: what is not ours is not removed");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Who waits for a channel to come is told at once that something else is there.
#[test]
fn waiting_for_what_is_no_channel() {
    let scratch = Scratch::new("waiting");
    let path = scratch.path("garbage");
    fs::write(&path, [7; 100]).expect("write");
    let opened = Receiver::<u64>::open_timeout(path.as_path(), &small(), Duration::from_millis(300));
    assert_eq!(opened.expect_err("no channel").kind(), ErrorKind::Incompatible);
}

/// Each field of the header, and each word of the two sides and of the ring's front, set to each boundary value: an error, a fault or a
/// working channel.
#[test]
fn every_field_of_a_good_file() {
    let scratch = Scratch::new("fields");
    let good = good(&scratch.path("good"));
    assert_eq!(open_each(&[scratch.path("good")])[0].split(';').next(), Some("received [2, 3, 4] then TimedOut"));
    let mut random = Random::seeded("every_field_of_a_good_file");
    // (offset, bytes of the field)
    let mut fields: Vec<(usize, usize)> =
        vec![(0, 8), (8, 4), (12, 4), (16, 8), (24, 8), (32, 8), (40, 4), (44, 4), (48, 4), (52, 4)];
    fields.extend([
        (56, 8),
        (64, 8),
        (72, 8),
        (80, 8),
        (88, 8),
        (96, 4),
        (100, 4),
        (104, 8),
        (184, 8),
        (192, 8),
        (4088, 8),
    ]);
    for side in [SENDER_SIDE, RECEIVER_SIDE] {
        fields.extend([0, 8, 64, 128, 136, 192, 200, 208, 216].map(|at| (side as usize + at, 8)));
        fields.extend([
            (side as usize + 8, 4),
            (side as usize + 12, 4),
            (side as usize + 128, 4),
            (side as usize + 132, 4),
        ]);
    }
    // Headers of the first records and words between them.
    fields.extend((0..7).map(|record| (RING as usize + record * 64, 8)));
    fields.extend([(RING as usize + 128, 4), (RING as usize + 132, 4), (RING as usize + 4096, 8)]);
    let mut files = Vec::new();
    let mut what = Vec::new();
    for (at, len) in fields {
        let mut old = [0; 8];
        old[..len].copy_from_slice(&good[at..at + len]);
        let old = u64::from_le_bytes(old);
        let tests = [
            0,
            1,
            2,
            u64::MAX,
            old.wrapping_add(1),
            old.wrapping_sub(1),
            old ^ 1 << 31,
            old.wrapping_mul(2),
            old / 2,
            1 << 32,
            COMMITTED | 8,
            random.next_u64(),
            random.next_u64(),
        ];
        for (nth, value) in tests.into_iter().enumerate() {
            let mut changed = good.clone();
            changed[at..at + len].copy_from_slice(&value.to_le_bytes()[..len]);
            let file = scratch.path(&format!("f-{at}-{len}-{nth}"));
            fs::write(&file, changed).expect("write");
            files.push(file);
            what.push(format!("offset {at}: {old:#x} became {value:#x}"));
        }
    }
    let said = open_each(&files);
    for (what, said) in what.iter().zip(&said) {
        let known = ["Incompatible", "Damaged", "Closed", "received"].iter().any(|word| said.starts_with(word));
        assert!(known, "{what}: {said}");
    }
    let refused = said.iter().filter(|said| !said.starts_with("received")).count();
    eprintln!("every_field_of_a_good_file: {} changes, {refused} refused, the others worked or faulted", said.len());
    // What is for people is believed by nobody.
    for at in [56, 64, 80, 96, 104, 4096 + 192, 8192 + 200] {
        let untouched = what.iter().zip(&said).filter(|(what, _)| what.starts_with(&format!("offset {at}:")));
        for (what, said) in untouched {
            assert!(said.starts_with("received [2, 3, 4] then TimedOut; sent"), "{what}: {said}");
        }
    }
}

/// Whole parts of a good file replaced by noise.
#[test]
fn noise_in_a_good_file() {
    let scratch = Scratch::new("noise");
    let good = good(&scratch.path("good"));
    let mut random = Random::seeded("noise_in_a_good_file");
    let mut files = Vec::new();
    for nth in 0..300 {
        let mut changed = good.clone();
        let from = [64, 4096, 8192, 12_288][random.below(4) as usize] + random.below(200) as usize;
        let len = 1 + random.below(300) as usize;
        for byte in &mut changed[from..from + len] {
            *byte = random.next_u64() as u8;
        }
        let file = scratch.path(&format!("n-{nth}"));
        fs::write(&file, changed).expect("write");
        files.push(file);
    }
    open_each(&files);
}

// A liar at work, on a second mapping of the same memory

struct Lied {
    tx: Sender<u64>,
    rx: Receiver<u64>,
    liar: Region,
    _name: Name,
}

impl Lied {
    fn new() -> Self {
        let name = Name::new("liar");
        let tx = Sender::create(name.as_str(), &small()).expect("create");
        let rx = Receiver::open(name.as_str(), &small()).expect("open");
        let liar = Region::open(Place::posix_raw(&name.raw()), &region::Options::new()).expect("open");
        Self { tx, rx, liar, _name: name }
    }

    fn put(&self, offset: u64, value: u64) {
        self.liar.write(offset, &value.to_le_bytes()).expect("inside");
    }
}

/// A header at the front that cannot be is a fault that names it; the receiver is closed and says the same from then on.
#[test]
fn headers_that_cannot_be() {
    for (header, what) in [
        (u64::MAX, "padding"),
        (1, "record header"),
        (PADDING | 8, "record header"),
        (COMMITTED | 7, "record length for its type"),
        (COMMITTED, "record length for its type"),
        (COMMITTED | 2056, "record length"),
        (COMMITTED | 0xFFFF_FFFF, "record length"),
        (COMMITTED | 5 << 32 | 8, "message number"),
        (COMMITTED | 0x3FFF_FFFF << 32 | 8, "message number"),
        (COMMITTED | PADDING | 4096, "padding"),
        (COMMITTED | PADDING, "padding"),
    ] {
        let mut it = Lied::new();
        it.put(RING, header);
        let Err(TryRecvError::Failed(RecvError::Fault(fault))) = it.rx.try_recv() else {
            panic!("{header:#x}: no fault");
        };
        assert_eq!(fault.what, what, "{header:#x}");
        assert!(fault.to_string().contains("the other side wrote an impossible"), "{fault}");
        assert_eq!(it.rx.recv(), Err(RecvError::Fault(fault)), "closed: no later byte is believed");
        assert_eq!(it.rx.recv_ref().map(drop), Err(RecvError::Fault(fault)));
        // Another receiver does not get in either; the channel is over.
        let Lied { tx, rx, liar: _liar, _name } = it;
        drop(rx);
        let error = Receiver::<u64>::open(_name.as_str(), &small()).expect_err("over");
        assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
        drop(tx);
    }
}

/// A length at the limit that is none of the sender's is read inside the ring and nowhere else.
#[test]
fn boundary_lengths_stay_inside() {
    for len in [8_u64, 16, 2040, 2048] {
        let mut it = Lied::new();
        it.put(RING, COMMITTED | len);
        let mut got = 0;
        let mut into = [0; 300];
        while let Ok(n) = it.rx.recv_timeout(Duration::from_millis(1)) {
            assert_eq!(n, 0);
            got += 1;
        }
        assert_eq!(got, len / 8);
        it.put(RING, 0);
        assert!(it.rx.recv_batch(&mut into[..0]).is_ok());
    }
}

/// A receiver's position that cannot be is a fault for the sender that needs the room.
#[test]
fn heads_that_cannot_be() {
    for head in [u64::MAX, 1 << 32, 7 << 32, 520 << 32, 0x8000_0000 << 32, 1 << 63 | 8] {
        let mut it = Lied::new();
        it.put(RECEIVER_SIDE + PROGRESS, 8 << 32);
        let mut sent = 0;
        let error = loop {
            it.put(RECEIVER_SIDE + PROGRESS, head);
            match it.tx.try_send(&sent) {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
            assert!(sent < 1000, "{head:#x} is room without end");
        };
        let TrySendError::Failed(SendError::Fault(fault)) = error else { panic!("{head:#x}: {error}") };
        assert_eq!((fault.what, fault.found), ("receiver's position", head >> 32));
        assert_eq!(it.tx.send(&0), Err(SendError::Fault(fault)));
    }
}

/// A message that is no whole number of items is a fault, copied or lent, and never a part of one.
#[test]
fn broken_items_are_refused() {
    for is_lent in [false, true] {
        let name = Name::new("items");
        let _tx = Sender::<[u32]>::create(name.as_str(), &Options::new()).expect("create");
        let mut rx = Receiver::<[u32]>::open(name.as_str(), &Options::new()).expect("open");
        let file = fs::File::options().write(true).open(name.path()).expect("open");
        // The first record: committed, of 6 bytes.
        file.write_at(&(1_u64 << 63 | 6).to_ne_bytes(), 12_288).expect("write");
        let error = if is_lent { rx.recv_ref().map(|_| ()) } else { rx.recv().map(|_| ()) };
        let Err(RecvError::Fault(fault)) = error else { panic!("lent {is_lent}: {error:?}") };
        assert_eq!(fault.what, "message length for its type");
    }
}

/// Counts that lie are shown to people and change nothing.
#[test]
fn counts_that_lie() {
    let mut it = Lied::new();
    it.tx.send(&7).expect("room");
    it.put(SENDER_SIDE + PROGRESS + 8, u64::MAX);
    it.put(RECEIVER_SIDE + PROGRESS + 8, u64::MAX);
    let _ = (it.rx.len(), it.tx.len(), it.rx.is_empty(), it.tx.is_empty());
    assert_eq!(it.rx.recv(), Ok(7));
    it.tx.send(&8).expect("room");
    assert_eq!(it.rx.recv(), Ok(8));
}

/// Whatever is written into the words of presence, sleep and bell, calls end: with a message, with an error, or in time.
#[test]
fn links_that_lie() {
    strait_testing::in_time("links_that_lie", || {
        let mut random = Random::seeded("links_that_lie");
        for side in [SENDER_SIDE, RECEIVER_SIDE] {
            for word in [PRESENCE, WAKE_AT, BELL] {
                for value in
                    [0, 1, 2, 1 << 32, 1 << 32 | 1, 2 << 32, 3 << 32, u64::MAX, random.next_u64(), random.next_u64()]
                {
                    let mut it = Lied::new();
                    it.put(side + word, value);
                    for n in 0..3 {
                        // Gone it may be said to be, but nothing else.
                        match it.tx.send_timeout(&n, Duration::from_millis(1)) {
                            Ok(()) => assert_eq!(it.rx.recv_timeout(Duration::from_millis(1)), Ok(n)),
                            Err(e) => assert!(e.to_string().contains("the other side has"), "{e}"),
                        }
                    }
                    match it.rx.recv_timeout(Duration::from_millis(1)) {
                        Err(RecvTimeoutError::TimedOut | RecvTimeoutError::Failed(RecvError::Disconnected(_))) => {}
                        other => panic!("{side} {word} {value:#x}: {other:?}"),
                    }
                }
            }
        }
    });
}

/// A liar that scribbles over all that both sides share, as fast as it can, costs messages and ends channels; it breaks nothing.
#[test]
fn scribbling_at_full_speed() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    strait_testing::in_time("scribbling_at_full_speed", || {
        let name = Name::new("scribble");
        let stop = Arc::new(AtomicBool::new(false));
        let seed = Random::seeded("scribbling_at_full_speed").next_u64();
        let raw = name.raw();
        let mut scribbler: Option<std::thread::JoinHandle<u64>> = None;
        let (mut faults, mut messages) = (0_u64, 0_u64);
        for round in 0..150 {
            let mut tx = match Sender::<u64>::create(name.as_str(), &small()) {
                Ok(tx) => tx,
                Err(e) => {
                    // The liar was there between the name and the first look at the ring.
                    assert_eq!(e.kind(), ErrorKind::Damaged, "round {round}: {e}");
                    fs::remove_file(name.path()).expect("was made");
                    faults += 1;
                    continue;
                }
            };
            let scribbles = scribbler.get_or_insert_with(|| {
                let (stop, raw) = (Arc::clone(&stop), raw.clone());
                std::thread::spawn(move || scribble(&raw, seed, &stop))
            });
            let rx = Receiver::<u64>::open(name.as_str(), &small());
            let short = Duration::from_micros(50);
            if let Ok(mut rx) = rx {
                for n in 0..60 {
                    if tx.send_timeout(&n, short).is_err() {
                        faults += 1;
                        break;
                    }
                    match if n % 2 == 0 { rx.recv_timeout(short) } else { rx.recv_ref_timeout(short).map(|lent| *lent) }
                    {
                        Ok(_) => messages += 1,
                        Err(RecvTimeoutError::TimedOut) => {}
                        Err(_) => {
                            faults += 1;
                            break;
                        }
                    }
                }
            }
            assert!(!scribbles.is_finished());
            drop(tx);
            // A liar may make an end believe what it likes of the other; the name of this round is in nobody's way.
            let _ = fs::remove_file(name.path());
        }
        stop.store(true, Relaxed);
        let scribbled = scribbler.map(|thread| thread.join().expect("the liar"));
        eprintln!(
            "scribbling_at_full_speed: {scribbled:?} scribbles, {messages} messages, {faults} faults and timeouts"
        );
    });
}

/// Writes odd values into the sides and the ring, and opens the channel anew when it has changed.
fn scribble(raw: &str, seed: u64, stop: &std::sync::atomic::AtomicBool) -> u64 {
    let mut random = Random::new(seed);
    let mut count = 0;
    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
        let Ok(region) = Region::open(Place::posix_raw(raw), &region::Options::new()) else { continue };
        for _ in 0..200 {
            let at = match random.below(4) {
                0 => SENDER_SIDE + random.below(28) * 8,
                1 => RECEIVER_SIDE + random.below(28) * 8,
                2 => RING + random.below(64) * 64,
                _ => RING + random.below(512) * 8,
            };
            let value = match random.below(6) {
                0 => 0,
                1 => u64::MAX,
                2 => COMMITTED | random.below(4096),
                3 => COMMITTED | PADDING | random.below(4096),
                4 => random.below(1 << 12) << 32 | random.below(4),
                _ => random.next_u64(),
            };
            region.write(at, &value.to_le_bytes()).expect("inside");
            count += 1;
        }
    }
    count
}
