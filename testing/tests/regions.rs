//! What a region promises, against other processes, other programs, other users and a kernel that refuses.

use std::fs::{self, File};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use strait::process::{Child, Stdio};
use strait::region::{HugePages, Options, Place, Region};
use strait::{Error, ErrorKind};
use strait_testing::is_root;
use strait_testing::names::{Name, Scratch, Segment, sysv_key};
use strait_testing::role::{Role, command};

const ROLE: &str = env!("CARGO_BIN_EXE_role");
/// A number of bytes that no page size divides.
const ODD_BYTES: u64 = 5001;

fn refused(outcome: Result<Region, Error>) -> Error {
    outcome.expect_err("must be refused")
}

fn posix(name: &Name) -> String {
    format!("posix:{}", name.as_str())
}

// Made and opened

/// A region has exactly the size that was asked for, is all zero, and is as large for who opens it.
#[test]
fn size_is_exact() {
    let name = Name::new("size");
    let scratch = Scratch::new("size");
    let file = Place::file(scratch.path("region"));
    let key = sysv_key();
    for place in [Place::posix(name.as_str()), file, Place::memfd("size"), Place::sysv(key), Place::anonymous()] {
        let region = Region::create(&place, ODD_BYTES, &Options::new()).unwrap_or_else(|e| panic!("{e}"));
        let _segment = region.sysv_id().map(Segment);
        assert_eq!(region.len(), ODD_BYTES, "{place}");
        let mut bytes = vec![1; ODD_BYTES as usize];
        region.read(0, &mut bytes).expect("all of it");
        assert!(bytes.iter().all(|&byte| byte == 0), "{place}");
        region.write(ODD_BYTES - 1, &[7]).expect("the last byte");
        assert_eq!(region.write(ODD_BYTES, &[7]).expect_err("past the end").kind(), ErrorKind::Usage);
        assert_eq!(region.read(u64::MAX, &mut [0]).expect_err("past the end").kind(), ErrorKind::Usage);
        if let Some(fd) = region.fd() {
            let len = File::from(fd.try_clone_to_owned().expect("clone")).metadata().expect("stat").len();
            assert_eq!(len, ODD_BYTES, "{place}");
            let again =
                Region::from_fd(fd.try_clone_to_owned().expect("clone"), &Options::new()).expect("own descriptor");
            assert_eq!(again.len(), ODD_BYTES, "{place}");
        }
        match Region::open(&place, &Options::new()) {
            Ok(again) => {
                let mut last = [0];
                again.read(ODD_BYTES - 1, &mut last).expect("inside");
                assert_eq!((again.len(), last), (ODD_BYTES, [7]), "{place}");
            }
            Err(e) => assert_eq!(e.kind(), ErrorKind::Usage, "{e}"),
        }
    }
}

/// A size of zero, one beyond all memory and one beyond the address space are errors and no panic, for every kind.
#[test]
fn impossible_sizes_are_refused() {
    let name = Name::new("nosize");
    let scratch = Scratch::new("nosize");
    let key = sysv_key();
    for place in [
        Place::posix(name.as_str()),
        Place::file(scratch.path("r")),
        Place::memfd("s"),
        Place::sysv(key),
        Place::anonymous(),
    ] {
        let error = refused(Region::create(&place, 0, &Options::new()));
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
        for len in [1 << 50, i64::MAX as u64, u64::MAX] {
            // A memfd has no file system whose size would stop the kernel: `larger_than_memory` goes about that with care.
            if place.to_string().starts_with("memfd") && len != u64::MAX {
                continue;
            }
            let error = refused(Region::create(&place, len, &Options::new()));
            assert!(matches!(error.kind(), ErrorKind::NoSpace | ErrorKind::Usage), "{len}: {:?} {error}", error.kind());
        }
    }
    assert!(name.left_over().is_empty());
    assert_eq!(refused(Region::open(Place::sysv(key), &Options::new())).kind(), ErrorKind::NotFound);
}

/// A memfd larger than the memory of the machine is an error before the kernel is asked for it: asked, it would set memory aside until
/// the OOM killer ends a process.
#[test]
fn larger_than_memory() {
    // The role has a limit on file sizes that ends it at once where this would take all memory.
    Role::start(ROLE, &["memfd", "1048576"]).expect("ok");
    for (len, size) in [(1 << 50, "1 PiB"), (i64::MAX as u64, "8.0 EiB")] {
        let answer = Role::start(ROLE, &["memfd", &len.to_string()]).answer();
        assert!(answer.starts_with("error NoSpace:") && answer.contains(size), "{answer}");
    }
}

/// The mode of a new region is what was asked for, bit for bit, whatever the umask.
#[test]
fn mode_is_exact() {
    for (umask, mode) in [("0", "600"), ("777", "666"), ("77", "640"), ("22", "622"), ("0", "400")] {
        // Of a segment that its owner may not write the kernel attaches nothing for writing, but to root.
        if mode == "400" && !is_root("mode_is_exact 0400") {
            continue;
        }
        let name = Name::new("mode");
        let scratch = Scratch::new("mode");
        let directory = scratch.path("");
        let mut role =
            Role::start(ROLE, &["made-with-umask", umask, mode, directory.to_str().expect("UTF-8"), name.as_str()]);
        role.expect(&[mode; 4].join(" "));
    }
}

/// Two processes map one region at different addresses and see the same bytes.
#[test]
fn two_processes_two_addresses() {
    let name = Name::new("shared");
    let scratch = Scratch::new("shared");
    let path = scratch.path("region");
    let segment = Region::create(Place::sysv(0), 1 << 20, &Options::new()).expect("create");
    let id = segment.sysv_id().expect("a segment");
    let _segment = Segment(id);
    let cases = [
        (Region::create(name.as_str(), 1 << 20, &Options::new()).expect("create"), posix(&name)),
        (Region::create(&path, 1 << 20, &Options::new()).expect("create"), format!("file:{}", path.display())),
        (Region::create(Place::memfd("shared"), 1 << 20, &Options::new()).expect("create"), "fd:memory".to_owned()),
        (segment, format!("sysv-id:{id}")),
    ];
    for (region, place) in cases {
        let part = ["map", &place];
        let mut other = command(ROLE, &part);
        if let ("fd:memory", Some(fd)) = (place.as_str(), region.fd()) {
            other.hand_over("memory", fd.try_clone_to_owned().expect("clone"));
        }
        let mut other = Role::spawn(&mut other, &place);
        other.expect("ok");
        assert_ne!(other.ask("address"), region.address().to_string(), "{place}");
        assert_eq!(other.ask("len"), (1 << 20).to_string());
        region.write((1 << 20) - 5, b"there").expect("inside");
        assert_eq!(other.ask("get 1048571 5"), "there");
        assert_eq!(other.ask("put 77 back"), "ok");
        let mut bytes = [0; 4];
        region.read(77, &mut bytes).expect("inside");
        assert_eq!(&bytes, b"back", "{place}");
    }
}

/// Anonymous memory is one for a process and its forked child.
#[test]
fn anonymous_is_shared_with_a_forked_child() {
    let region = Region::create(Place::anonymous(), ODD_BYTES, &Options::new()).expect("create");
    // SAFETY: the child writes to memory that was mapped before and ends; it takes no lock that another thread could hold.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let written = region.write(ODD_BYTES - 1, &[9]).is_ok();
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(i32::from(!written)) };
    }
    let pid = rustix::process::Pid::from_raw(pid).expect("forked");
    let (_, status) =
        rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty()).expect("wait").expect("end");
    assert_eq!(status.exit_status(), Some(0));
    let mut last = [0];
    region.read(ODD_BYTES - 1, &mut last).expect("inside");
    assert_eq!(last, [9]);
    assert!(region.fd().is_none());
    assert_eq!(refused(Region::open(Place::anonymous(), &Options::new())).kind(), ErrorKind::Usage);
}

/// A name is given once: the second creator is told, and what is there is not touched.
#[test]
fn created_once() {
    let name = Name::new("once");
    let first = Region::create(name.as_str(), 100, &Options::new()).expect("create");
    first.write(0, b"mine").expect("inside");
    let error = refused(Region::create(name.as_str(), 200, &Options::new()));
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    assert!(error.to_string().contains(name.as_str()), "{error}");
    assert_eq!(name.left_over().len(), 1, "nothing of the second is left");
    assert_eq!(Region::open(name.as_str(), &Options::new()).expect("open").len(), 100);
    let key = sysv_key();
    let _segment =
        Segment(Region::create(Place::sysv(key), 100, &Options::new()).expect("create").sysv_id().expect("one"));
    assert_eq!(refused(Region::create(Place::sysv(key), 100, &Options::new())).kind(), ErrorKind::AlreadyExists);
}

/// A removed name is gone; who has it mapped keeps the bytes; removing it again says that it is not there.
#[test]
fn removed() {
    let name = Name::new("removed");
    let scratch = Scratch::new("removed");
    for place in [Place::posix(name.as_str()), Place::file(scratch.path("r")), Place::sysv(sysv_key())] {
        let region = Region::create(&place, 100, &Options::new()).expect("create");
        Region::remove(&place).expect("remove");
        region.write(0, b"kept").expect("still mapped");
        for gone in [Region::remove(&place).expect_err("gone"), refused(Region::open(&place, &Options::new()))] {
            assert_eq!(gone.kind(), ErrorKind::NotFound, "{gone}");
        }
    }
    for place in [Place::memfd("x"), Place::anonymous()] {
        assert_eq!(Region::remove(place).expect_err("no name").kind(), ErrorKind::Usage);
    }
}

/// Read-only is read-only: writes are errors, reads show what others write, and the file need not be writable.
#[test]
fn read_only() {
    let name = Name::new("readonly");
    let scratch = Scratch::new("readonly");
    let key = sysv_key();
    for place in [Place::posix(name.as_str()), Place::file(scratch.path("r")), Place::sysv(key)] {
        let writer = Region::create(&place, 100, &Options::new()).expect("create");
        let _segment = writer.sysv_id().map(Segment);
        let reader = Region::open(&place, &Options::new().read_only(true)).expect("open");
        writer.write(10, b"news").expect("writable");
        let mut bytes = [0; 4];
        reader.read(10, &mut bytes).expect("inside");
        assert_eq!(&bytes, b"news");
        for error in
            [reader.write(0, &[1]).expect_err("read-only"), reader.view_mut(0..8).map(drop).expect_err("read-only")]
        {
            assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
            assert!(error.to_string().contains("read-only"), "{error}");
        }
    }
    // The pages of a reader without the right to write: the kernel grants that without O_RDWR.
    fs::set_permissions(scratch.path("r"), fs::Permissions::from_mode(0o444)).expect("chmod");
    let readable = File::open(scratch.path("r")).expect("open");
    let region = Region::from_fd(readable.into(), &Options::new().read_only(true)).expect("readable");
    assert_eq!(region.len(), 100);
    let readable = File::open(scratch.path("r")).expect("open");
    assert_eq!(refused(Region::from_fd(readable.into(), &Options::new())).kind(), ErrorKind::Permission);
}

/// Populated memory is there before it is touched.
#[test]
fn populated() {
    let len = 8 << 20;
    for place in [Place::memfd("populated"), Place::anonymous()] {
        let resident = |populate| {
            let region = Region::create(&place, len, &Options::new().populate(populate)).expect("create");
            let smaps = fs::read_to_string("/proc/self/smaps").expect("smaps");
            let from = smaps.find(&format!("{:x}-", region.address())).expect("mapped");
            let rss = smaps[from..].lines().find_map(|line| line.strip_prefix("Rss:")).expect("Rss");
            rss.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
        };
        assert_eq!(resident(true), len, "{place}");
        assert_eq!(resident(false), 0, "{place}");
    }
}

// Other programs' memory

/// An object that another program made with `shm_open` is opened by the name it used, slash or not, at its size.
#[test]
fn foreign_posix_object() {
    use rustix::fs::Mode;
    use rustix::shm;
    let name = Name::new("foreign");
    let raw = format!("/{}", name.as_str());
    let flags = shm::OFlags::CREATE | shm::OFlags::EXCL | shm::OFlags::RDWR;
    let theirs = File::from(shm::open(&raw, flags, Mode::RUSR | Mode::WUSR).expect("shm_open"));
    theirs.set_len(ODD_BYTES).expect("ftruncate");
    theirs.write_all_at(b"old program", 100).expect("write");
    for place in [Place::posix_raw(&raw), Place::posix_raw(name.as_str())] {
        let ours = Region::open(place, &Options::new()).expect("open");
        let mut bytes = [0; 11];
        ours.read(100, &mut bytes).expect("inside");
        assert_eq!((ours.len(), &bytes), (ODD_BYTES, b"old program"));
        ours.write(200, b"answer").expect("inside");
    }
    let mut bytes = [0; 6];
    theirs.read_exact_at(&mut bytes, 200).expect("read");
    assert_eq!(&bytes, b"answer");
    Region::remove(Place::posix_raw(&raw)).expect("remove");
    assert_eq!(shm::open(&raw, shm::OFlags::RDWR, Mode::empty()).expect_err("gone"), rustix::io::Errno::NOENT);
}

/// A segment that another program made with `shmget` is opened by key, by `ftok` path and by id; the bytes are the same.
#[test]
fn foreign_segment() {
    let scratch = Scratch::new("ftok");
    let file = scratch.path("key");
    fs::write(&file, "").expect("write");
    let c_path = std::ffi::CString::new(file.to_str().expect("UTF-8")).expect("no NUL");
    // SAFETY: the pointer is to a NUL-terminated string that lives across the call.
    let key = unsafe { libc::ftok(c_path.as_ptr(), 42) };
    assert_ne!(key, -1);
    // SAFETY: the call takes numbers.
    let id = unsafe { libc::shmget(key, 3000, libc::IPC_CREAT | libc::IPC_EXCL | 0o600) };
    assert_ne!(id, -1, "{}", std::io::Error::last_os_error());
    let _segment = Segment(id);
    // SAFETY: the kernel chooses a free address for the segment, which exists.
    let theirs = unsafe { libc::shmat(id, std::ptr::null(), 0) }.cast::<u8>();
    assert_ne!(theirs.addr(), usize::MAX);
    let put = |byte: u8| {
        // SAFETY: the segment has 3,000 bytes and is mapped until the end of the test.
        unsafe { theirs.wrapping_add(2999).write_volatile(byte) };
    };
    for (mark, place) in
        [(1, Place::sysv(key)), (2, Place::sysv_path(&file, 42).expect("ftok")), (3, Place::sysv_id(id))]
    {
        put(mark);
        let ours = Region::open(&place, &Options::new()).expect("open");
        let mut last = [0];
        ours.read(2999, &mut last).expect("inside");
        assert_eq!((ours.len(), ours.sysv_id(), last[0]), (3000, Some(id), mark), "{place}");
        assert_eq!(ours.read(3000, &mut last).expect_err("past the end").kind(), ErrorKind::Usage);
    }
    Region::remove(Place::sysv(key)).expect("remove");
    assert_eq!(refused(Region::open(Place::sysv(key), &Options::new())).kind(), ErrorKind::NotFound);
    // SAFETY: the address is the one that `shmat` gave, and nothing uses it any more.
    unsafe { libc::shmdt(theirs.cast()) };
    let error = refused(Region::open(Place::sysv_id(id), &Options::new()));
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let error = Place::sysv_path(&scratch.path("nothing"), 1).expect_err("no such path");
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

/// `IPC_PRIVATE` makes a new segment each time, which is found by its id only.
#[test]
fn private_segments() {
    let make = || Region::create(Place::sysv(0), 100, &Options::new()).expect("create");
    let (one, two) = (make(), make());
    let ids = [one.sysv_id().expect("one"), two.sysv_id().expect("two")];
    let _segments = ids.map(Segment);
    assert_ne!(ids[0], ids[1]);
    one.write(0, b"1").expect("inside");
    let mut byte = [0];
    Region::open(Place::sysv_id(ids[0]), &Options::new()).expect("open").read(0, &mut byte).expect("inside");
    assert_eq!(&byte, b"1");
    assert_eq!(refused(Region::open(Place::sysv(0), &Options::new())).kind(), ErrorKind::Usage);
    assert_eq!(refused(Region::create(Place::sysv_id(ids[0]), 1, &Options::new())).kind(), ErrorKind::Usage);
}

/// Channels do not live where no lease can be had, and say where they do.
#[test]
fn no_channel_without_a_lease() {
    use strait::channel::spsc;
    let key = sysv_key();
    for place in [Place::anonymous(), Place::sysv(key)] {
        let error = spsc::Sender::<u64>::create(place, &spsc::Options::new()).expect_err("no lease");
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
    assert_eq!(refused(Region::open(Place::sysv(key), &Options::new())).kind(), ErrorKind::NotFound);
}

// What is not memory

/// What is no shared memory is refused by kind, in words that say what it is.
#[test]
fn what_is_no_memory_is_refused() {
    let scratch = Scratch::new("nomemory");
    fs::write(scratch.path("good"), [0; 100]).expect("write");
    symlink(scratch.path("good"), scratch.path("link")).expect("symlink");
    symlink(scratch.path("nothing"), scratch.path("dangling")).expect("symlink");
    fs::create_dir(scratch.path("directory")).expect("mkdir");
    let fifo = std::ffi::CString::new(scratch.path("fifo").to_str().expect("UTF-8")).expect("no NUL");
    // SAFETY: the pointer is to a NUL-terminated string that lives across the call.
    assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
    let _listener = std::os::unix::net::UnixListener::bind(scratch.path("socket")).expect("bind");
    fs::write(scratch.path("empty"), "").expect("write");
    let cases = [
        (scratch.path("link"), ErrorKind::Incompatible, "symbolic link"),
        (scratch.path("dangling"), ErrorKind::Incompatible, "symbolic link"),
        (scratch.path("directory"), ErrorKind::Incompatible, "directory"),
        (scratch.path("fifo"), ErrorKind::Incompatible, "FIFO"),
        (scratch.path("socket"), ErrorKind::Incompatible, "socket"),
        (Path::new("/dev/null").to_owned(), ErrorKind::Incompatible, "device"),
        (scratch.path("empty"), ErrorKind::Damaged, "empty"),
        (scratch.path("nothing"), ErrorKind::NotFound, "nobody has created it"),
        (scratch.path("nothing/deeper"), ErrorKind::NotFound, ""),
        (scratch.path("good/deeper"), ErrorKind::Kernel, "not a directory"),
    ];
    let mut wrong = Vec::new();
    for (path, kind, word) in cases {
        for options in [Options::new(), Options::new().read_only(true)] {
            let error = refused(Region::open(&path, &options));
            let text = error.to_string();
            if error.kind() != kind || !text.contains(word) || !text.contains(path.to_str().expect("UTF-8")) {
                wrong.push(format!("{kind:?} '{word}' wanted, {:?} found: {text}", error.kind()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Descriptors of what is no memory are refused too.
#[test]
fn descriptors_of_no_memory_are_refused() {
    let (reader, _writer) = rustix::pipe::pipe().expect("pipe");
    let (socket, _other) = std::os::unix::net::UnixStream::pair().expect("pair");
    let directory = File::open("/tmp").expect("open");
    let null = fs::OpenOptions::new().read(true).write(true).open("/dev/null").expect("open");
    for (fd, word) in [
        (reader, "pipe"),
        (OwnedFd::from(socket), "socket"),
        (OwnedFd::from(directory), "directory"),
        (OwnedFd::from(null), "device"),
    ] {
        let error = refused(Region::from_fd(fd, &Options::new()));
        assert_eq!(error.kind(), ErrorKind::Incompatible, "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

/// A memfd that its owner could cut short is refused; ours cannot be cut short or grown by anybody.
#[test]
fn memfd_is_sealed() {
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
    let region = Region::create(Place::memfd("sealed"), ODD_BYTES, &Options::new()).expect("create");
    let ours = File::from(region.fd().expect("one").try_clone_to_owned().expect("clone"));
    for len in [0, ODD_BYTES - 1, ODD_BYTES + 1] {
        let error = ours.set_len(len).expect_err("sealed");
        assert_eq!(error.raw_os_error(), Some(libc::EPERM), "{len}");
    }
    assert!(fcntl_add_seals(&ours, SealFlags::WRITE).is_err(), "no more seals");
    let make = || memfd_create("theirs", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).expect("memfd");
    let open = make();
    File::from(open.try_clone().expect("clone")).set_len(ODD_BYTES).expect("ftruncate");
    let error = refused(Region::from_fd(open, &Options::new()));
    assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
    assert!(error.to_string().contains("F_SEAL_SHRINK"), "{error}");
    let half = make();
    File::from(half.try_clone().expect("clone")).set_len(ODD_BYTES).expect("ftruncate");
    fcntl_add_seals(&half, SealFlags::GROW).expect("seal");
    assert_eq!(refused(Region::from_fd(half, &Options::new())).kind(), ErrorKind::Permission);
    let sealed = make();
    File::from(sealed.try_clone().expect("clone")).set_len(ODD_BYTES).expect("ftruncate");
    fcntl_add_seals(&sealed, SealFlags::SHRINK).expect("seal");
    assert_eq!(Region::from_fd(sealed, &Options::new()).expect("cannot shrink").len(), ODD_BYTES);
    let empty = make();
    fcntl_add_seals(&empty, SealFlags::SHRINK).expect("seal");
    assert_eq!(refused(Region::from_fd(empty, &Options::new())).kind(), ErrorKind::Damaged);
}

/// A channel in a file that was cut short is refused; the error says what the header says and what there is.
#[test]
fn truncated_file() {
    use strait::channel::spsc::{Options, Receiver, Sender};
    let scratch = Scratch::new("short");
    let path = scratch.path("channel");
    drop(Sender::<u64>::create(&path, &Options::new()).expect("create"));
    let whole = fs::metadata(&path).expect("stat").len();
    for len in [whole - 1, whole + 1, 4096, 100] {
        fs::OpenOptions::new().write(true).open(&path).expect("open").set_len(len).expect("ftruncate");
        let error = Receiver::<u64>::open(&path, &Options::new()).expect_err("cut short");
        if len >= 4096 {
            assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
            assert!(
                error.to_string().contains(&whole.to_string()) && error.to_string().contains(&len.to_string()),
                "{error}"
            );
        } else {
            assert_eq!(error.kind(), ErrorKind::Incompatible, "{error}");
        }
    }
}

// Other users

/// An object of another user is refused, whichever of the two made it; `Options::owner` names whom to trust, and nobody else.
#[test]
fn other_users_objects_are_refused() {
    if !is_root("other_users_objects_are_refused") {
        return;
    }
    // Root's, open to all: nobody refuses it until told to trust root.
    let name = Name::new("roots");
    let _roots = Region::create(name.as_str(), 4096, &Options::new().mode(0o666)).expect("create");
    let as_nobody = |rest: &[&str]| Role::start(ROLE, &[&["as-user", "65534"], rest].concat()).answer();
    let answer = as_nobody(&["region-open", &posix(&name)]);
    assert!(answer.starts_with("error Permission:"), "{answer}");
    assert!(answer.contains("user 0 owns it") && answer.contains("Options::owner"), "{answer}");
    assert_eq!(as_nobody(&["region-open", &posix(&name), "0"]), "ok 4096");
    let answer = as_nobody(&["region-open", &posix(&name), "1"]);
    assert!(answer.starts_with("error Permission:"), "{answer}");
    // Root's alone.
    let closed = Name::new("closed");
    let _closed = Region::create(closed.as_str(), 4096, &Options::new()).expect("create");
    for owner in [&[][..], &["0"]] {
        let answer = as_nobody(&[&["region-open", &posix(&closed)], owner].concat());
        assert!(answer.starts_with("error Permission:") && answer.contains("mode"), "{answer}");
    }
    // Nobody's: root refuses it too, though the kernel would let root in.
    let theirs = Name::new("theirs");
    assert_eq!(as_nobody(&["region-create", &posix(&theirs), "600"]), "ok");
    let error = refused(Region::open(theirs.as_str(), &Options::new()));
    assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
    assert!(error.to_string().contains("user 65534 owns it"), "{error}");
    assert_eq!(refused(Region::open(theirs.as_str(), &Options::new().owner(1))).kind(), ErrorKind::Permission);
    assert_eq!(Region::open(theirs.as_str(), &Options::new().owner(65534)).expect("trusted").len(), 4096);
    // The same by descriptor, for a file; a sealed memfd needs no trust.
    let file = fs::OpenOptions::new().read(true).write(true).open(theirs.path()).expect("root may");
    assert_eq!(refused(Region::from_fd(file.into(), &Options::new())).kind(), ErrorKind::Permission);
}

/// A channel of another user is refused; with `owner` messages go both ways between the users.
#[test]
fn other_users_channel() {
    if !is_root("other_users_channel") {
        return;
    }
    let name = Name::new("users");
    let mut root = Role::ready(ROLE, &["sender", "create", &posix(&name), "mode=666"]);
    let nobody =
        |rest: &[&str]| Role::start(ROLE, &[&["as-user", "65534", "receiver", "open", &posix(&name)], rest].concat());
    let answer = nobody(&[]).answer();
    assert!(answer.starts_with("error Permission:"), "{answer}");
    let mut trusting = nobody(&["owner=0"]);
    trusting.expect("ok");
    root.tell("send 0 3");
    assert_eq!(trusting.ask("recv 3"), "[0, 1, 2]");
    root.expect("sent");
    // Copied, but not lent: another user could change the bytes while they are looked at.
    assert_eq!(root.ask("send 3 4"), "sent");
    assert_eq!(trusting.ask("lend"), "failed: Untrusted");
    assert_eq!(trusting.ask("recv 1"), "[3]");
    trusting.kill();
    assert_eq!(root.ask("state"), "Died");
    root.ask("leave");
    assert!(name.left_over().is_empty());
}

// Used up

/// On a full file system creating is `NoSpace` and names mount, size and what is free; it leaves nothing. What just fits works to
/// its last byte.
#[test]
fn full_file_system() {
    if !is_root("full_file_system") {
        return;
    }
    let mut role = Role::start(ROLE, &["small-shm"]);
    for size in ["1 MiB", "272 KiB"] {
        let answer = role.answer();
        if answer.starts_with("skipped") {
            eprintln!("full_file_system: {answer}");
            return;
        }
        assert!(answer.starts_with("error NoSpace:"), "{answer}");
        for part in ["'full'", size, "/dev/shm", "64 KiB", "64 KiB free"] {
            assert!(answer.contains(part), "{part}: {answer}");
        }
        role.expect("clean true free 65536");
    }
    role.expect("fitted, clean true");
}

/// Memory that cannot be locked is an error that names the limit to raise, and nothing stays behind.
#[test]
fn lock_limit() {
    if !is_root("lock_limit") {
        return;
    }
    Region::create(Place::memfd("locked"), 4096, &Options::new().lock(true)).expect("within every limit");
    let key = sysv_key().to_string();
    let mut wrong = Vec::new();
    for (kind, limit) in [("memfd", "65536"), ("anonymous", "65536"), ("memfd", "0"), (&format!("sysv:{key}"), "65536")]
    {
        let answer = Role::start(ROLE, &["lock", kind, limit, "1048576"]).answer();
        let is_right = answer.starts_with("error NoSpace:") && answer.contains("ulimit -l") && answer.contains("1 MiB");
        if !is_right {
            wrong.push(format!("{kind} {limit}: {answer}"));
        }
    }
    let left = Region::open(Place::sysv(key.parse().expect("a key")), &Options::new().read_only(true));
    if let Ok(left) = left {
        drop(Segment(left.sysv_id().expect("one")));
        wrong.push("a System V segment that could not be locked stays behind".to_owned());
    }
    assert_eq!(Role::start(ROLE, &["lock", "memfd", "65536", "4096"]).answer(), "ok");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Says which pages a new region has; held until dropped.
fn huge(place: &Place, len: u64, huge: HugePages) -> Result<(Region, Option<Segment>), Error> {
    let region = Region::create(place, len, &Options::new().huge_pages(huge))?;
    let segment = region.sysv_id().map(Segment);
    Ok((region, segment))
}

/// A setting of the machine that is put back when the test ends, by another process: a test that is killed ends too.
struct PutBack(Child);

impl PutBack {
    fn new(setting: &str, value: &str) -> Self {
        Self(command(ROLE, &["put-back", setting, value]).stdin(Stdio::Piped).spawn().expect("start a role"))
    }
}

impl Drop for PutBack {
    fn drop(&mut self) {
        // Waiting closes its input first, which is what it waits for. Nothing is to be done about a failure.
        let _ = self.0.wait();
    }
}

/// Huge pages are had where there are some; where not, the error names the setting, and the fallback is recorded.
#[test]
fn huge_pages() {
    // One at a time on this machine: the number of huge pages is everybody's.
    let user = rustix::process::geteuid().as_raw();
    let lock = File::create(std::env::temp_dir().join(format!("strait-test-huge-pages-{user}.lock"))).expect("create");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).expect("lock");
    let setting = "/proc/sys/vm/nr_hugepages";
    let before = fs::read_to_string(setting).expect("read");
    let _put_back = PutBack::new(setting, before.trim());
    let free = || {
        let info = fs::read_to_string("/proc/meminfo").expect("read");
        let line = info.lines().find_map(|line| line.strip_prefix("HugePages_Free:")).unwrap_or("0");
        line.trim().parse::<u64>().expect("a number")
    };
    let places = || [Place::memfd("huge"), Place::anonymous(), Place::sysv(0)];
    let mut wrong = Vec::new();
    // Without any.
    let _ = fs::write(setting, "0");
    if free() == 0 {
        for place in places() {
            match huge(&place, 1 << 20, HugePages::TwoMiB) {
                Ok(_) => wrong.push(format!("{place}: huge pages from nowhere")),
                Err(e) if e.kind() == ErrorKind::NoSpace && e.to_string().contains("hugepages-2048kB/nr_hugepages") => {
                }
                // Segments of huge pages are for root and the group of vm.hugetlb_shm_group.
                Err(e) if e.kind() == ErrorKind::Permission && user != 0 => {}
                Err(e) => wrong.push(format!("{place}: {:?} {e}", e.kind())),
            }
            let (region, _segment) = huge(&place, 5000, HugePages::TwoMiBOrSmall).expect("falls back");
            assert_eq!((region.page_bytes(), region.len()), (4096, 5000), "{place}");
        }
    }
    for place in places() {
        match huge(&place, 1 << 20, HugePages::OneGiB) {
            Ok((region, _segment)) => assert_eq!(region.page_bytes(), 1 << 30),
            Err(e) if e.to_string().contains("hugepages-1048576kB/nr_hugepages") => {}
            Err(e) => wrong.push(format!("{place}: {:?} {e}", e.kind())),
        }
    }
    let name = Name::new("huge");
    let error = refused(Region::create(name.as_str(), 1 << 20, &Options::new().huge_pages(HugePages::TwoMiB)));
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let small =
        Region::create(name.as_str(), 5000, &Options::new().huge_pages(HugePages::TwoMiBOrSmall)).expect("falls back");
    assert_eq!((small.page_bytes(), small.len()), (4096, 5000));
    // With some.
    let _ = fs::write(setting, "4");
    if free() < 2 {
        eprintln!("huge_pages: no 2 MiB pages to be had here");
    } else {
        for place in places() {
            for wish in [HugePages::TwoMiB, HugePages::TwoMiBOrSmall] {
                match huge(&place, (2 << 20) + 1, wish) {
                    Ok((region, _segment)) => {
                        let last = region.len() - 1;
                        region.write(last, &[7]).expect("inside");
                        if region.page_bytes() != 2 << 20 || region.len() < (2 << 20) + 1 {
                            wrong.push(format!("{place}: pages of {} for {wish:?}", region.page_bytes()));
                        }
                        if let Some(fd) = region.fd() {
                            let again =
                                Region::from_fd(fd.try_clone_to_owned().expect("clone"), &Options::new()).expect("map");
                            if again.page_bytes() != 2 << 20 {
                                wrong.push(format!(
                                    "{place}: opened by descriptor it says pages of {}",
                                    again.page_bytes()
                                ));
                            }
                        }
                    }
                    Err(e) => wrong.push(format!("{place}: {e}")),
                }
            }
        }
        use strait::channel::spsc;
        let options = spsc::Options::new().huge_pages(HugePages::TwoMiB);
        let (mut tx, mut rx) = spsc::pair::<u64>(&options).expect("a channel of huge pages");
        tx.send(&7).expect("room");
        assert_eq!(rx.recv(), Ok(7));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Descriptors of regions close when the process runs another program.
#[test]
fn descriptors_close_on_exec() {
    let name = Name::new("cloexec");
    let scratch = Scratch::new("cloexec");
    for place in [Place::posix(name.as_str()), Place::file(scratch.path("r")), Place::memfd("cloexec")] {
        let made = Region::create(&place, 100, &Options::new()).expect("create");
        let flags = |region: &Region| rustix::io::fcntl_getfd(region.fd().expect("one").as_fd()).expect("fcntl");
        assert_eq!(flags(&made), rustix::io::FdFlags::CLOEXEC, "{place}");
        if let Ok(opened) = Region::open(&place, &Options::new()) {
            assert_eq!(flags(&opened), rustix::io::FdFlags::CLOEXEC, "{place}");
        }
    }
}
