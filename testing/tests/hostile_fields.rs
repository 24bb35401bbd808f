//! Names, descriptors and headers that are not what they should be, field by field of the layout's own table.

use std::fs::{self, OpenOptions};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use strait::ErrorKind;
use strait::channel::layout::{Field, Part};
use strait::channel::spsc::{self, Options, Receiver, Sender};
use strait::region::{self, Place, Region};
use strait_testing::names::{Name, Scratch};

const CAPACITY: u64 = 4096;

fn small() -> Options {
    Options::new().capacity_bytes(CAPACITY)
}

/// A good channel in a file, and its bytes.
fn good(scratch: &Scratch) -> (PathBuf, Vec<u8>) {
    let path = scratch.path("good");
    drop(Sender::<u64>::create(&path, &small()).expect("create"));
    let bytes = fs::read(&path).expect("read");
    (path, bytes)
}

/// What an error about a field of the header says; none for what is for people and believed by nobody.
fn said_of(name: &str) -> Option<&'static str> {
    match name {
        "magic" => Some("it is not a channel of strait"),
        "format_version" => Some("its format is version"),
        "channel" => Some("it is a channel of kind"),
        "layout_hash" | "item_bytes" => Some("its messages are"),
        "region_bytes" => Some("its header says"),
        "capacity_bytes" => Some("a ring of"),
        "align_bytes" => Some("aligned to"),
        "flags" => Some("its header "),
        "schema_id" => Some("its messages follow schema"),
        "reserved"
        | "created_ns"
        | "boot_id"
        | "creator_start_ticks"
        | "creator_pid_namespace"
        | "creator_pid"
        | "reserved_2"
        | "type_name"
        | "answer_layout_hash"
        | "answer_item_bytes"
        | "answer_flags"
        | "answer_type_name"
        | "seats"
        | "shape" => None,
        other => panic!("say here what an error about the new field '{other}' of the header says"),
    }
}

/// Each field of the header, set to each of several wrong values, is an error that names what is wrong, at either end; what is for
/// people is believed by nobody.
#[test]
fn header_wrong_field_by_field() {
    let scratch = Scratch::new("header");
    let (path, good) = good(&scratch);
    let mut tried = 0;
    for field in spsc::layout::<u64>(CAPACITY).into_iter().filter(|it| it.part == Part::Header) {
        let (at, len) = (field.offset as usize, field.len_bytes as usize);
        for value in wrong_values(&field, &good) {
            let mut bytes = good.clone();
            bytes[at..at + len].copy_from_slice(&value);
            fs::write(&path, &bytes).expect("write");
            let tx = Sender::<u64>::open(&path, &small()).map(drop);
            let rx = Receiver::<u64>::open(&path, &small()).map(drop);
            for outcome in [tx, rx] {
                match (outcome, said_of(field.name)) {
                    (Ok(()), None) => {}
                    (Err(error), Some(said)) => {
                        assert!(error.to_string().contains(said), "{} {value:x?}: {error}", field.name);
                        let kinds = [ErrorKind::Incompatible, ErrorKind::Damaged];
                        assert!(kinds.contains(&error.kind()), "{} {value:x?}: {error}", field.name);
                    }
                    (outcome, said) => panic!("{} {value:x?}: {outcome:?}, wanted: {said:?}", field.name),
                }
            }
            tried += 1;
        }
    }
    assert!(tried > 90, "{tried}");
}

fn wrong_values(field: &Field, good: &[u8]) -> Vec<Vec<u8>> {
    let (at, len) = (field.offset as usize, field.len_bytes as usize);
    let now = &good[at..at + len];
    let word = |value: u64| value.to_le_bytes().iter().copied().cycle().take(len).collect::<Vec<u8>>();
    let number = now.iter().take(8).rev().fold(0_u64, |sum, &byte| sum << 8 | u64::from(byte));
    let flipped = |bit: u64| number ^ 1 << (bit % (8 * len.min(8) as u64));
    let values =
        [0, u64::MAX, flipped(2), flipped(15), flipped(31), flipped(63), number / 2, number.wrapping_add(3), 4];
    // Bits 1 and 2 of the flags are channels of other kinds, which are sound ones, but for one that is kept (4) and not restartable (2).
    let sound = |value: &Vec<u8>| {
        field.name == "flags" && value[0] < 8 && value[0] & 6 != 4 && value[1..].iter().all(|&byte| byte == 0)
    };
    values.into_iter().map(word).filter(|value| value != now && !sound(value)).collect()
}

/// Descriptors of what is no memory, or not ours to write, are errors that say what they are.
#[test]
fn descriptors_that_are_no_channel() {
    let (read, write) = rustix::pipe::pipe().expect("a pipe");
    let socket = std::os::unix::net::UnixDatagram::unbound().expect("a socket");
    let event = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).expect("an eventfd");
    let epoll = rustix::event::epoll::create(rustix::event::epoll::CreateFlags::CLOEXEC).expect("an epoll");
    let open = |path: &str| OwnedFd::from(fs::File::open(path).expect(path));
    let cases: Vec<(OwnedFd, &str)> = vec![
        (read, "a pipe"),
        (write, "a pipe"),
        (socket.into(), "a socket"),
        (event, "neither memory nor a file"),
        (epoll, "neither memory nor a file"),
        (open("/"), "a directory"),
        (open("/dev/null"), "a device"),
        (open("/dev/zero"), "a device"),
        (open("/proc/self/maps"), "empty"),
    ];
    for (fd, said) in cases {
        let again = fd.try_clone().expect("a descriptor");
        let error = Receiver::<u64>::from_fd(fd, &small()).expect_err(said);
        assert!(error.to_string().contains(said), "{said}: {error}");
        let error = Sender::<u64>::from_fd(again, &small()).expect_err(said);
        assert!([ErrorKind::Incompatible, ErrorKind::Damaged].contains(&error.kind()), "{said}: {error}");
    }
}

/// A descriptor for reading where writing is needed is an error, and so are options that say so.
#[test]
fn read_only_where_writing_is_needed() {
    let scratch = Scratch::new("readonly");
    let (path, _) = good(&scratch);
    let file = fs::File::open(&path).expect("open");
    let error = Receiver::<u64>::from_fd(file.into(), &small()).expect_err("read-only");
    assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
    // A path to it, which can be neither read nor written.
    let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
    let fd = rustix::fs::open(&path, flags, rustix::fs::Mode::empty()).expect("open");
    let error = Receiver::<u64>::from_fd(fd, &small()).expect_err("no access at all");
    assert!(error.to_string().starts_with("map "), "{error}");
}

/// Names that lead to something else are refused by what it is, at once, for every way of opening; nothing is made or removed.
#[test]
fn names_that_lead_elsewhere() {
    let scratch = Scratch::new("names");
    let (good, _) = good(&scratch);
    let fifo = scratch.path("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("mkfifo");
    let link = scratch.path("link");
    std::os::unix::fs::symlink(&good, &link).expect("symlink");
    let dangling = scratch.path("dangling");
    std::os::unix::fs::symlink(scratch.path("nothing"), &dangling).expect("symlink");
    let directory = scratch.path("directory");
    fs::create_dir(&directory).expect("mkdir");
    let _listener = std::os::unix::net::UnixListener::bind(scratch.path("socket")).expect("bind");
    let cases = [
        (fifo, "a pipe or FIFO"),
        (link, "a symbolic link"),
        (dangling, "a symbolic link"),
        (directory, "a directory"),
        (scratch.path("socket"), "a socket"),
        (PathBuf::from("/dev/null"), "a device"),
    ];
    for (path, said) in cases {
        let begin = Instant::now();
        let short = Duration::from_millis(1);
        let errors = [
            Receiver::<u64>::open(&path, &small()).map(drop),
            Sender::<u64>::open(&path, &small()).map(drop),
            Receiver::<u64>::open_or_create(&path, &small()).map(drop),
            Sender::<u64>::open_timeout(&path, &small(), short).map(drop),
            Region::open(&path, &region::Options::new().read_only(true)).map(drop),
        ];
        for error in errors {
            let error = error.expect_err(said);
            assert_eq!(error.kind(), ErrorKind::Incompatible, "{said}: {error}");
            assert!(error.to_string().contains(said), "{said}: {error}");
        }
        let error = Sender::<u64>::create(&path, &small()).expect_err(said);
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{said}: {error}");
        assert!(fs::symlink_metadata(&path).is_ok(), "{said}: it was not ours to remove");
        assert!(begin.elapsed() < strait_testing::LONG);
    }
}

/// The label that a stranger gave its memory is shown without what a terminal would act on.
#[test]
fn label_of_a_stranger() {
    let label = c"red\x1b[31m\nline";
    let flags = rustix::fs::MemfdFlags::CLOEXEC | rustix::fs::MemfdFlags::ALLOW_SEALING;
    let fd = rustix::fs::memfd_create(label, flags).expect("memfd");
    rustix::fs::ftruncate(&fd, 4096).expect("size");
    let error = Region::from_fd(fd.try_clone().expect("a descriptor"), &region::Options::new()).expect_err("unsealed");
    assert!(error.to_string().contains("red?[31m?line"), "{error}");
    rustix::fs::fcntl_add_seals(fd.as_fd(), rustix::fs::SealFlags::SHRINK).expect("seal");
    let region = Region::from_fd(fd, &region::Options::new()).expect("sealed");
    assert!(!region.place().to_string().chars().any(char::is_control));
}

/// A liar that holds the door keeps others out for two seconds and no longer, and is named as what it may be.
#[test]
fn door_held_by_a_liar() {
    strait_testing::in_time("door_held_by_a_liar", || {
        let name = Name::new("door");
        let tx = Sender::<u64>::create(name.as_str(), &small()).expect("create");
        let door = spsc::layout::<u64>(CAPACITY).into_iter().find(|it| it.name == "door").expect("a door").offset;
        let liar = OpenOptions::new().read(true).write(true).open(name.path()).expect("open");
        hold(&liar, door);
        let begin = Instant::now();
        let error = Receiver::<u64>::open(name.as_str(), &small()).expect_err("kept out");
        assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
        assert!(error.to_string().contains("it may be stopped"), "{error}");
        // Leaving gives up sooner, and leaves the name to the next user.
        drop(tx);
        assert!(begin.elapsed() < strait_testing::LONG, "{:?}", begin.elapsed());
        drop(liar);
        let error = Receiver::<u64>::open(name.as_str(), &small()).expect_err("nobody is left");
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(name.left_over().is_empty());
    });
}

fn hold(file: &fs::File, byte: u64) {
    use std::os::fd::AsRawFd as _;
    // SAFETY: `flock` is a C struct of integers, for which all zeroes is a value.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as i16;
    lock.l_start = i64::try_from(byte).expect("an offset");
    lock.l_len = 1;
    // SAFETY: the descriptor is open, and `lock` is a valid `flock`, which the kernel reads.
    let taken = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) };
    assert_eq!(taken, 0, "nobody else is at the door");
}

/// What anybody may create and take away at the same time is `Busy` or a channel, and not a call that never ends.
#[test]
fn name_that_comes_and_goes() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    strait_testing::in_time("name_that_comes_and_goes", || {
        let name = Name::new("flicker");
        let stop = Arc::new(AtomicBool::new(false));
        let flicker = std::thread::spawn({
            let (stop, path) = (Arc::clone(&stop), name.path());
            move || {
                while !stop.load(Relaxed) {
                    // Never into what is there: who cuts a mapped object short kills its users, one's own user may.
                    let made = OpenOptions::new().write(true).create_new(true).open(&path);
                    let _ = made.and_then(|mut file| std::io::Write::write_all(&mut file, b"not a channel"));
                    let _ = fs::remove_file(&path);
                }
            }
        });
        let mut outcomes = 0;
        for _ in 0..200 {
            match Sender::<u64>::open_or_create(name.as_str(), &small()) {
                Ok(_) => outcomes += 1,
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
        stop.store(true, Relaxed);
        flicker.join().expect("no panic");
        eprintln!("name_that_comes_and_goes: {outcomes} of 200 became channels");
        let _ = Place::posix(name.as_str());
    });
}
