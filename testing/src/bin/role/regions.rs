//! Parts about regions: other umasks, other users, small file systems, low limits.

use crate::{error, lines, place, say};
use std::path::Path;
use strait::region::{Options, Place, Region};

/// Maps a region; `get OFFSET LEN`, `put OFFSET TEXT`, `address`, `len`.
pub(crate) fn map(at: &str) {
    let opened = match at.strip_prefix("fd:") {
        Some(name) => Region::from_fd(strait::process::handed(name).expect("handed over"), &Options::new()),
        None => Region::open(place(at), &Options::new()),
    };
    let region = match opened {
        Ok(region) => region,
        Err(e) => return say(&error(&e)),
    };
    say("ok");
    for line in lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["get", offset, len] => {
                let mut bytes = vec![0; len.parse().expect("a length")];
                region.read(offset.parse().expect("an offset"), &mut bytes).expect("inside");
                say(&String::from_utf8_lossy(&bytes));
            }
            ["put", offset, text] => {
                region.write(offset.parse().expect("an offset"), text.as_bytes()).expect("inside");
                say("ok");
            }
            ["address"] => say(&region.address().to_string()),
            ["len"] => say(&region.len().to_string()),
            _ => panic!("no such line: {line}"),
        }
    }
}

/// Makes one region of each kind that has a mode, under a umask, and says their modes.
pub(crate) fn made_with_umask(umask: &str, mode: &str, directory: &str, name: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let octal = |text| u32::from_str_radix(text, 8).expect("octal");
    // SAFETY: the call takes a number.
    unsafe { libc::umask(octal(umask)) };
    let options = Options::new().mode(octal(mode));
    let file = Path::new(directory).join("region");
    let mut modes = Vec::new();
    for place in [Place::posix(name), Place::file(&file), Place::memfd("mode")] {
        let region = Region::create(&place, 100, &options).expect("create");
        let held = std::fs::File::from(region.fd().expect("has one").try_clone_to_owned().expect("clone"));
        modes.push(format!("{:o}", held.metadata().expect("stat").permissions().mode() & 0o7777));
        // A memfd has no name to take away.
        let _ = Region::remove(&place);
    }
    let segment = Region::create(Place::sysv(0), 100, &options).expect("create");
    let id = segment.sysv_id().expect("a segment");
    // SAFETY: `shmid_ds` is a C struct of integers, for which all zeroes is a value.
    let mut stat: libc::shmid_ds = unsafe { std::mem::zeroed() };
    // SAFETY: IPC_STAT writes one `shmid_ds` to the pointer, which is valid for that.
    let outcome = unsafe { libc::shmctl(id, libc::IPC_STAT, &raw mut stat) };
    Region::remove(Place::sysv_id(id)).expect("remove");
    assert_eq!(outcome, 0, "stat the segment");
    modes.push(format!("{:o}", stat.shm_perm.mode & 0o777));
    say(&modes.join(" "));
}

/// Outlives the test, however that ends, and writes a setting of the machine back.
pub(crate) fn put_back(setting: &str, value: &str) {
    lines().for_each(drop);
    // Not root: then it was not changed.
    let _ = std::fs::write(setting, value);
}

/// Makes a region locked in memory, as a user with a limit.
pub(crate) fn lock(kind: &str, limit_bytes: &str, len_bytes: &str) {
    let bytes = limit_bytes.parse().expect("bytes");
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: the pointer is to a valid `rlimit`, which the kernel reads.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) }, 0, "setrlimit");
    become_user(65534);
    let place = kind.strip_prefix("sysv:").map_or_else(
        || if kind == "memfd" { Place::memfd("lock") } else { Place::anonymous() },
        |key| Place::sysv(key.parse().expect("a key")),
    );
    match Region::create(place, len_bytes.parse().expect("bytes"), &Options::new().lock(true)) {
        Ok(_) => say("ok"),
        Err(e) => say(&error(&e)),
    }
}

/// Makes a memfd, where the kernel ends the process (`SIGXFSZ`) for setting more than 64 MiB aside.
pub(crate) fn memfd(len_bytes: &str) {
    let limit = libc::rlimit { rlim_cur: 64 << 20, rlim_max: 64 << 20 };
    // SAFETY: the pointer is to a valid `rlimit`, which the kernel reads.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) }, 0, "setrlimit");
    match Region::create(Place::memfd("large"), len_bytes.parse().expect("bytes"), &Options::new()) {
        Ok(_) => say("ok"),
        Err(e) => say(&error(&e)),
    }
}

/// Does something as another user: `region-open PLACE [owner=UID]`, `region-create PLACE MODE` (and stays), or an end of a channel.
pub(crate) fn as_user(uid: &str, rest: &[&str]) {
    become_user(uid.parse().expect("a uid"));
    match rest {
        ["sender", how @ ..] => crate::ends::sender(how),
        ["receiver", how @ ..] => crate::ends::receiver(how),
        ["watch-reader", how @ ..] => crate::watch::reader(how),
        ["watch-observer", how @ ..] => crate::watch::observer(how),
        ["region-open", at, owner @ ..] => {
            let mut options = Options::new();
            if let [owner] = owner {
                options = options.owner(owner.parse().expect("a uid"));
            }
            match Region::open(place(at), &options) {
                Ok(region) => say(&format!("ok {}", region.len())),
                Err(e) => say(&error(&e)),
            }
        }
        ["region-create", at, mode] => {
            let options = Options::new().mode(u32::from_str_radix(mode, 8).expect("octal"));
            match Region::create(place(at), 4096, &options) {
                Ok(_) => say("ok"),
                Err(e) => say(&error(&e)),
            }
        }
        _ => panic!("no such part: {rest:?}"),
    }
}

fn become_user(uid: u32) {
    // SAFETY: the call takes a number. The process has one thread.
    assert_eq!(unsafe { libc::seteuid(uid) }, 0, "seteuid");
    // Changing the user takes PR_SET_PDEATHSIG back.
    crate::end_with_parent();
}

/// In a `/dev/shm` of 64 KiB of its own: too large a region and channel, then ones that just fit.
pub(crate) fn small_shm() {
    let mount =
        |source: &std::ffi::CStr, target: &std::ffi::CStr, kind: &std::ffi::CStr, flags, data: &std::ffi::CStr| {
            // SAFETY: all pointers are NUL-terminated strings that live across the call.
            unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, data.as_ptr().cast()) }
        };
    // SAFETY: the call takes a number.
    if unsafe { libc::unshare(libc::CLONE_NEWNS) } != 0 {
        return say("skipped: no mount namespace can be had");
    }
    if mount(c"none", c"/", c"none", libc::MS_REC | libc::MS_PRIVATE, c"") != 0
        || mount(c"tmpfs", c"/dev/shm", c"tmpfs", 0, c"size=64k") != 0
    {
        return say("skipped: nothing can be mounted");
    }
    let is_clean = || std::fs::read_dir("/dev/shm").expect("list").next().is_none();
    let free = || {
        rustix::fs::statfs("/dev/shm")
            .map(|fs| fs.f_bavail * u64::try_from(fs.f_bsize).expect("positive"))
            .expect("statfs")
    };
    let options = Options::new();
    match Region::create("full", 1 << 20, &options) {
        Ok(_) => say("created"),
        Err(e) => say(&error(&e)),
    }
    say(&format!("clean {} free {}", is_clean(), free()));
    match strait::channel::spsc::Sender::<u64>::create("full", &strait::channel::spsc::Options::new()) {
        Ok(_) => say("created"),
        Err(e) => say(&error(&e)),
    }
    say(&format!("clean {} free {}", is_clean(), free()));
    // Every byte of it is written: what was not set aside would be SIGBUS here.
    let region = Region::create("fits", 64 << 10, &options).expect("just fits");
    region.write(0, &[7; 64 << 10]).expect("inside");
    let mut back = vec![0; 64 << 10];
    Region::open("fits", &options).expect("open").read(0, &mut back).expect("inside");
    assert!(back.iter().all(|&byte| byte == 7));
    assert_eq!(free(), 0);
    drop(region);
    Region::remove("fits").expect("remove");
    // 32 KiB of ring, and five pages around it.
    let fits = strait::channel::spsc::Options::new().capacity_bytes(32 << 10);
    let mut tx = strait::channel::spsc::Sender::<[u8]>::create("fits", &fits).expect("fits");
    let mut rx = strait::channel::spsc::Receiver::<[u8]>::open("fits", &fits).expect("open");
    // What is left is taken by somebody else: no store into the channel can fail for it.
    let left = free();
    let _rest = Region::create("rest", left, &options).expect("just fits");
    for _ in 0..8 {
        tx.send(&[9; 15_000]).expect("room");
        assert_eq!(rx.recv().expect("there"), [9; 15_000]);
    }
    drop((tx, rx));
    Region::remove("rest").expect("remove");
    say(&format!("fitted, clean {}", is_clean()));
}
