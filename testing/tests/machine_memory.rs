//! What `strait::inspect::machine` says of how much of an object is in memory, how much of that in huge pages, and since when there is one.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, SystemTime};
use strait::inspect::machine::{Identity, Kind, Machine, Object};
use strait::region::{Options, Place, Region};
use strait_testing::names::{Name, Segment, sysv_key};

const PAGE: u64 = 4096;

fn measured(kind: Kind, name: &str) -> Object {
    let machine = Machine::look().expect("/proc");
    let mut found = machine.objects.into_iter().find(|it| it.kind == kind && it.name == name).expect("it is there");
    found.measure();
    found
}

/// A file with so many pages, of which these were touched.
fn touched(file: &File, pages: u64, which: &[u64]) {
    file.set_len(pages * PAGE).expect("larger");
    which.iter().for_each(|page| file.write_all_at(b"x", page * PAGE).expect("room"));
}

/// Of what has a name and of what has none, what was touched is in memory, and the rest is not; measured by whoever opens it or not.
#[test]
fn touched_pages_are_resident() {
    let name = Name::new("machine-resident");
    let path = name.path();
    let file = File::options().read(true).write(true).create_new(true).open(&path).expect("create");
    touched(&file, 64, &[0, 1, 2, 30, 63]);
    let seen = measured(Kind::PosixShm, &name.raw());
    if seen.resident_bytes.is_none() {
        return eprintln!("skipped: this kernel has no cachestat");
    }
    assert_eq!((seen.size_bytes, seen.resident_bytes), (Some(64 * PAGE), Some(5 * PAGE)));
    drop(file);
    assert_eq!(measured(Kind::PosixShm, &name.raw()).resident_bytes, Some(5 * PAGE), "nobody has it open");

    let memfd = rustix::fs::memfd_create(name.as_str(), rustix::fs::MemfdFlags::CLOEXEC).expect("a memfd");
    let memfd = File::from(memfd);
    touched(&memfd, 16, &[3, 4]);
    let seen = measured(Kind::Memfd, name.as_str());
    assert_eq!((seen.size_bytes, seen.resident_bytes), (Some(16 * PAGE), Some(2 * PAGE)));
    // Read, a hole stays one.
    memfd.read_exact_at(&mut [0; 8], 9 * PAGE).expect("it is so long");
    assert!(measured(Kind::Memfd, name.as_str()).resident_bytes >= Some(2 * PAGE));

    // What strait makes is there before it is used.
    let whole = Name::new("machine-whole");
    let _region = Region::create(whole.as_str(), 5 * PAGE, &Options::new()).expect("create");
    assert_eq!(measured(Kind::PosixShm, &whole.raw()).resident_bytes, Some(5 * PAGE));
}

/// Of System V memory the kernel says it, whoever has it attached.
#[test]
fn touched_pages_of_a_segment() {
    // SAFETY: numbers, and no pointer.
    let id = unsafe { libc::shmget(libc::IPC_PRIVATE, 8 * PAGE as usize, 0o600) };
    assert!(id >= 0, "{}", std::io::Error::last_os_error());
    let _segment = Segment(id);
    let seen = || measured(Kind::SysvShm, &format!("id {id}"));
    assert_eq!(seen().resident_bytes, Some(0));
    // SAFETY: a null address lets the kernel choose a free range.
    let start = unsafe { libc::shmat(id, std::ptr::null(), 0) }.cast::<u8>();
    assert_ne!(start.addr(), usize::MAX, "{}", std::io::Error::last_os_error());
    for page in [0, 5, 6] {
        // SAFETY: the segment has eight pages, is attached for writing, and nobody else has it.
        unsafe { start.wrapping_add(page * PAGE as usize).write_volatile(1) };
    }
    let it = seen();
    assert_eq!((it.size_bytes, it.resident_bytes), (Some(8 * PAGE), Some(3 * PAGE)));
    assert!(it.huge_bytes.is_none_or(|bytes| bytes == 0), "these pages are small: {it:?}");
    // SAFETY: it came from shmat, and nothing refers to it any more.
    assert_eq!(unsafe { libc::shmdt(start.cast()) }, 0);
}

/// Huge pages that were asked for are, with all that they take; a machine without any in use has none of small ones either.
#[test]
fn huge_pages() {
    let name = Name::new("machine-huge");
    let _small = Region::create(Place::memfd(name.as_str()), PAGE, &Options::new()).expect("create");
    let mut small = measured(Kind::Memfd, name.as_str());
    small.measure_huge();
    assert_eq!(small.huge_bytes, Some(0), "it is smaller than one");
    // One at a time on this machine (`regions.rs`): the number of huge pages is everybody's.
    let user = rustix::process::geteuid().as_raw();
    let lock = File::create(std::env::temp_dir().join(format!("strait-test-huge-pages-{user}.lock"))).expect("create");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).expect("lock");
    let huge = Name::new("machine-huger");
    let options = Options::new().huge_pages(strait::region::HugePages::TwoMiB);
    match Region::create(Place::memfd(huge.as_str()), 2 << 20, &options) {
        Err(error) => return eprintln!("skipped: huge pages: {error}"),
        Ok(_region) => {
            let seen = measured(Kind::Memfd, huge.as_str());
            assert_eq!(
                (seen.huge_bytes, seen.resident_bytes),
                (seen.allocated_bytes, seen.allocated_bytes),
                "{seen:?}"
            );
            assert!(seen.huge_bytes >= Some(2 << 20), "{seen:?}");
        }
    }
    // Of a segment its mapping says it, where the kernel can be asked for mappings one by one (Linux 6.11).
    match Region::create(Place::sysv(sysv_key()), 2 << 20, &options) {
        Err(error) => eprintln!("skipped: a segment of huge pages: {error}"),
        Ok(region) => {
            let segment = Segment(region.sysv_id().expect("has one"));
            region.write(0, &[7]).expect("inside");
            let machine = Machine::look().expect("/proc");
            let seen = machine.objects.iter().find(|it| it.identity == Identity::SysvId(segment.0)).expect("listed");
            assert!(seen.huge_bytes.is_none_or(|bytes| bytes == 2 << 20), "{seen:?}");
            assert!(seen.resident_bytes.is_none_or(|bytes| bytes == 2 << 20), "{seen:?}");
        }
    }
}

/// What would be felt is not opened: a file whose holder wants to be told who opens it.
#[test]
fn a_lease_is_not_broken() {
    // Not one of strait's names: those every list opens, of another test too.
    let name = Name::new("machine-lease");
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(format!("/dev/shm/{}", name.as_str()))
        .expect("create");
    touched(&file, 4, &[0]);
    let fd = std::os::fd::AsRawFd::as_raw_fd(&file);
    // SAFETY: numbers, and the descriptor is open. SIGURG, which is ignored, in place of SIGIO.
    assert_eq!(unsafe { libc::fcntl(fd, 10, libc::SIGURG) }, 0);
    // SAFETY: as above.
    let taken = unsafe { libc::fcntl(fd, libc::F_SETLEASE, libc::F_WRLCK) };
    if taken != 0 {
        return eprintln!("skipped: a lease: {}", std::io::Error::last_os_error());
    }
    assert_eq!(measured(Kind::PosixShm, &format!("/{}", name.as_str())).resident_bytes, None);
    // SAFETY: as above.
    let kept = unsafe { libc::fcntl(fd, libc::F_GETLEASE) };
    assert_eq!(kept, libc::F_WRLCK);
}

/// A lock of ours on a file outlives the measuring of it, as it would not if we opened and closed the file.
#[test]
fn our_locks_are_kept() {
    use rustix::fs::{FlockOperation, fcntl_lock};
    let name = Name::new("machine-own-lock");
    let file = File::options().read(true).write(true).create_new(true).open(name.path()).expect("create");
    fcntl_lock(&file, FlockOperation::LockExclusive).expect("free");
    let locks = || measured(Kind::PosixShm, &name.raw()).holds.len();
    assert_eq!((locks(), locks()), (2, 2), "a descriptor, and a lock");
}

/// It is said when it was made, where the file system keeps it, and changing it changes only the other time.
#[test]
fn birth() {
    let name = Name::new("machine-birth");
    // The file system's clock ticks more coarsely.
    let before = SystemTime::now() - Duration::from_secs(1);
    let file = File::options().read(true).write(true).create_new(true).open(name.path()).expect("create");
    let born = measured(Kind::PosixShm, &name.raw());
    let Some(created) = born.created else { return eprintln!("skipped: this kernel's tmpfs keeps no time of birth") };
    assert!(created >= before && created <= SystemTime::now(), "{created:?}");
    let later = SystemTime::now() + Duration::from_secs(100);
    file.set_modified(later).expect("ours");
    let changed = measured(Kind::PosixShm, &name.raw());
    assert_eq!((changed.created, changed.changed), (Some(created), Some(later)));
}
