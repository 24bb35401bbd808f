//! Each finding, on a machine that is made up of files: as it should be, and not.

use super::*;
use crate::doctor::finding::State::{self, Bad, Note, Ok as Good, Warn};
use crate::doctor::machine::Space;
use crate::doctor::machine::made_up::MadeUp;
use std::time::Duration;

/// What a check says of one thing.
fn said(findings: &[Finding], what: &str) -> Option<(State, String)> {
    let it = findings.iter().find(|it| it.what == what)?;
    assert!(it.state == Good || it.means.is_some(), "{it:?} says what it means");
    assert!(matches!(it.state, Good | Note) || !it.mend.is_empty(), "{it:?} says how it is mended");
    Some((it.state, it.found.clone()))
}

fn state(findings: &[Finding], what: &str) -> Option<State> {
    said(findings, what).map(|it| it.0)
}

const SHM: &str = "tmpfs /dev/shm tmpfs rw,nosuid,nodev 0 0\n";

/// The room in /dev/shm: enough, a container's, nearly used up, used up; missing, read-only, on a disk; out of names.
#[test]
fn shared_memory() {
    let mut it = MadeUp::new("shm");
    assert_eq!(state(&shm::check(&it.machine), "/dev/shm"), Some(Bad), "nothing is mounted");
    it.write("/proc/self/mounts", SHM);
    let gib = 1 << 30;
    for (total, free, expected) in [
        (8 * gib, 7 * gib, Good),
        (64 << 20, 64 << 20, Warn),
        (8 * gib, gib, Warn),
        (8 * gib, gib / 20, Bad),
        (0, 0, Good),
    ] {
        it.machine.shm = Some(Space { total_bytes: total, free_bytes: free, files: 100, free_files: 90 });
        let findings = shm::check(&it.machine);
        assert_eq!(state(&findings, "/dev/shm"), Some(expected), "{findings:?}");
        assert_eq!(findings.len(), 1, "{findings:?}");
    }
    it.machine.shm = Some(Space { total_bytes: 64 << 20, free_bytes: 64 << 20, files: 100, free_files: 3 });
    let findings = shm::check(&it.machine);
    assert_eq!(said(&findings, "names in /dev/shm"), Some((Warn, "97 of 100 used".into())));
    assert!(findings[0].mend[0].contains("remount,size=1G"), "{findings:?}");
    it.write("/.dockerenv", "");
    let findings = shm::check(&it.machine);
    assert!(findings[0].mend[0].contains("--shm-size"), "{findings:?}");
    it.write("/proc/self/mounts", "x /dev/shm ext4 ro 0 0\n");
    let states: Vec<State> = shm::check(&it.machine).iter().map(|it| it.state).collect();
    assert_eq!(states[..2], [Warn, Bad]);
}

/// The tightest limit of memory among all groups upwards counts, in both versions of control groups; little memory; what may be locked.
#[test]
fn memory_limits() {
    let mut it = MadeUp::new("memory");
    it.write("/proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 30 kB\n");
    it.write("/proc/self/cgroup", "0::/a.slice/b.service\n");
    it.write("/sys/fs/cgroup/a.slice/b.service/memory.max", "max\n");
    let findings = memory::check(&it.machine);
    assert_eq!(said(&findings, "memory"), Some((Warn, "30 KiB of 1000 KiB available".into())));
    assert_eq!(said(&findings, "memory cgroup"), Some((Good, "no limit".into())));
    assert_eq!(state(&findings, "RLIMIT_MEMLOCK"), Some(Good));
    it.write("/sys/fs/cgroup/a.slice/memory.max", "1073741824\n");
    it.write("/sys/fs/cgroup/a.slice/memory.current", "104857600\n");
    let findings = memory::check(&it.machine);
    assert_eq!(said(&findings, "memory cgroup"), Some((Note, "100 MiB of 1 GiB used".into())), "/dev/shm is larger");
    it.machine.shm = None;
    assert_eq!(state(&memory::check(&it.machine), "memory cgroup"), Some(Good));
    it.write("/sys/fs/cgroup/a.slice/memory.current", "1000000000\n");
    assert_eq!(state(&memory::check(&it.machine), "memory cgroup"), Some(Warn));
    it.write("/proc/self/cgroup", "5:cpu:/x\n9:memory:/docker/abc\n");
    it.write("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "9223372036854771712\n");
    assert_eq!(state(&memory::check(&it.machine), "memory cgroup"), Some(Good), "without limit");
    it.write("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "67108864\n");
    it.write("/sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes", "67000000\n");
    assert_eq!(state(&memory::check(&it.machine), "memory cgroup"), Some(Warn));
    it.machine.limits.memlock = (Some(65_536), Some(65_536));
    assert_eq!(state(&memory::check(&it.machine), "RLIMIT_MEMLOCK"), Some(Note));
}

/// Huge pages: none, some, all taken; and how shared memory is given transparent ones.
#[test]
fn huge_pages() {
    let it = MadeUp::new("huge");
    assert!(huge::check(&it.machine).is_empty(), "nothing can be told");
    for (total, free, expected) in [(0, 0, Note), (4, 1, Good), (4, 0, Warn)] {
        it.write(
            "/proc/meminfo",
            &format!("HugePages_Total: {total}\nHugePages_Free: {free}\nHugepagesize: 2048 kB\n"),
        );
        assert_eq!(state(&huge::check(&it.machine), "reserved"), Some(expected));
    }
    for (setting, expected) in [
        ("always within_size [advise] never deny force", Good),
        ("always within_size advise [never] deny force", Note),
        ("always within_size advise never deny [force]", Warn),
    ] {
        it.write("/sys/kernel/mm/transparent_hugepage/shmem_enabled", setting);
        assert_eq!(state(&huge::check(&it.machine), "shmem_enabled"), Some(expected));
    }
}

/// System V: what is used of each limit, by whom, and limits that are too small.
#[test]
fn system_v() {
    let it = MadeUp::new("sysv");
    assert_eq!(state(&sysv::check(&it.machine), "System V"), Some(Note), "there is none");
    it.write("/proc/sysvipc/shm", "key shmid perms size cpid lpid nattch uid gid\n");
    it.write("/proc/sysvipc/msg", "key msqid perms cbytes qnum lspid lrpid uid gid\n");
    it.write("/proc/sysvipc/sem", "key semid perms nsems uid gid\n1 2 600 3 7 0\n1 3 600 3 8 0\n1 4 600 3 8 0\n");
    it.write("/proc/sys/kernel/shmmni", "4096").write("/proc/sys/kernel/shmmax", "18446744073692774399");
    it.write("/proc/sys/kernel/shmall", "18446744073692774399").write("/proc/sys/kernel/msgmni", "32000");
    it.write("/proc/sys/kernel/msgmax", "8192").write("/proc/sys/kernel/msgmnb", "16384");
    it.write("/proc/sys/kernel/sem", "32000\t1024000000\t500\t3\n");
    let findings = sysv::check(&it.machine);
    assert_eq!(said(&findings, "semaphore sets"), Some((Bad, "3 of 3, 2 of them of user 8".into())));
    assert_eq!(said(&findings, "segments"), Some((Good, "0 of 4096".into())));
    assert_eq!((findings.len(), state(&findings, "queue sizes")), (4, Some(Good)), "{findings:?}");
    it.write("/proc/sysvipc/shm", "title\n1 2 600 8192 10 11 0 5 5\n2 3 600 1 10 11 0 5 5\n");
    it.write("/proc/sys/kernel/shmall", "3")
        .write("/proc/sys/kernel/shmmax", "33554432")
        .write("/proc/sys/kernel/msgmax", "100");
    let findings = sysv::check(&it.machine);
    assert_eq!(said(&findings, "bytes of segments"), Some((Bad, "12 KiB of 12 KiB (shmall)".into())));
    assert_eq!(said(&findings, "largest segment"), Some((Warn, "32 MiB (shmmax)".into())));
    assert_eq!(state(&findings, "queue sizes"), Some(Warn));
}

/// POSIX queues: how many, whether they can be listed, and how few a user may have.
#[test]
fn message_queues() {
    let mut it = MadeUp::new("mq");
    assert_eq!(state(&mq::check(&it.machine), "queues"), Some(Note), "there are none");
    it.write("/proc/sys/fs/mqueue/queues_max", "2");
    it.write("/proc/sys/fs/mqueue/msg_max", "10").write("/proc/sys/fs/mqueue/msgsize_max", "8192");
    it.machine.limits.msgqueue = (Some(819_200), Some(819_200));
    let findings = mq::check(&it.machine);
    assert_eq!(said(&findings, "queues"), Some((Note, "at most 2; which there are is not to be seen".into())));
    let (state_of, found) = said(&findings, "RLIMIT_MSGQUEUE").expect("told");
    assert!(state_of == Note && found.contains("about 9 of 10 messages of 8 KiB"), "{found}");
    it.write("/proc/self/mounts", "mqueue /dev/mqueue mqueue rw 0 0\n")
        .write("/dev/mqueue/a", "")
        .write("/dev/mqueue/b", "");
    assert_eq!(said(&mq::check(&it.machine), "queues"), Some((Bad, "2 of 2".into())));
    it.machine.limits.msgqueue = (Some(1000), Some(1000));
    assert_eq!(state(&mq::check(&it.machine), "RLIMIT_MSGQUEUE"), Some(Warn));
    it.machine.uid = 0;
    assert_eq!(state(&mq::check(&it.machine), "size of a queue"), Some(Good));
}

/// Descriptors of the process and of the machine, sizes of files, watchers.
#[test]
fn file_limits() {
    let mut it = MadeUp::new("files");
    assert_eq!(state(&files::check(&it.machine), "RLIMIT_NOFILE"), Some(Good));
    for (limit, most, expected, mend) in [
        (1024, Some(1 << 20), Note, "ulimit -n 65536"),
        (1024, None, Note, "ulimit -n 65536"),
        (64, Some(4096), Warn, "sudo prlimit --pid $$ --nofile=65536"),
    ] {
        it.machine.limits.nofile = (Some(limit), most);
        let findings = files::check(&it.machine);
        assert_eq!((state(&findings, "RLIMIT_NOFILE"), findings[0].mend[0].as_str()), (Some(expected), mend));
    }
    it.write("/proc/sys/fs/file-nr", "900\t0\t1000\n").write("/proc/sys/fs/file-max", "1000");
    it.write("/proc/sys/fs/inotify/max_user_instances", "8");
    it.machine.limits.file_size = (Some(1 << 20), None);
    let findings = files::check(&it.machine);
    for what in ["file-max", "inotify", "RLIMIT_FSIZE"] {
        assert_eq!(state(&findings, what), Some(Warn), "{what}");
    }
}

/// logind: not there, told not to, told to, in whichever file it says so last; users who are spared. Processes that are hidden.
#[test]
fn users_and_what_is_hidden() {
    let mut it = MadeUp::new("users");
    let of = |it: &MadeUp| state(&users::check(&it.machine), "logind RemoveIPC");
    assert_eq!(of(&it), Some(Good), "no logind");
    it.write("/run/systemd/seats/seat0", "")
        .write("/etc/passwd", "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/:/bin/sh\n");
    assert_eq!(of(&it), Some(Warn), "yes, if nobody says no");
    it.write("/etc/systemd/logind.conf", "[Login]\n#RemoveIPC=yes\nRemoveIPC = no\n");
    assert_eq!(of(&it), Some(Good));
    it.write("/etc/systemd/logind.conf.d/a.conf", "[Login]\nRemoveIPC=yes\n");
    assert_eq!(of(&it), Some(Warn));
    it.write("/var/lib/systemd/linger/ann", "");
    assert_eq!(of(&it), Some(Good), "lingers");
    it.machine.uid = 33;
    assert_eq!(of(&it), Some(Note), "a user of the system");

    it.write("/proc/self/mounts", "proc /proc proc rw,relatime 0 0\n");
    assert_eq!(state(&users::check(&it.machine), "visibility"), Some(Note));
    it.write("/proc/self/mounts", "proc /proc proc rw,hidepid=invisible 0 0\n");
    it.write("/proc/sys/kernel/yama/ptrace_scope", "3");
    let findings = users::check(&it.machine);
    assert_eq!((state(&findings, "hidepid"), state(&findings, "ptrace_scope")), (Some(Warn), Some(Note)));
    it.machine.uid = 0;
    assert_eq!(state(&users::check(&it.machine), "visibility"), Some(Good));
}

/// A feature that does not work is as bad as what it is needed for.
#[test]
fn kernel_features() {
    let mut it = MadeUp::new("kernel");
    it.write("/proc/self/stat", "1 (x) S");
    assert!(kernel::check(&it.machine).iter().all(|it| it.state == Good));
    let missing = Some(String::from("Function not implemented"));
    it.machine.features.ofd_locks.clone_from(&missing);
    it.machine.features.pidfd.clone_from(&missing);
    it.machine.features.futex_waitv.clone_from(&missing);
    it.write("/proc/sys/vm/memfd_noexec", "2");
    let findings = kernel::check(&it.machine);
    let states = ["OFD locks", "pidfd", "futex_waitv", "vm.memfd_noexec", "membarrier"].map(|it| state(&findings, it));
    assert_eq!(states, [Bad, Warn, Note, Note, Good].map(Some));
    let it = MadeUp::new("no-proc");
    assert_eq!(state(&kernel::check(&it.machine), "/proc"), Some(Bad));
}

/// Containers by their marks, and namespaces by their numbers.
#[test]
fn containers_and_namespaces() {
    let it = MadeUp::new("containers");
    it.link("/proc/self/ns/user", "user:[4026531837]").link("/proc/self/ns/pid", "pid:[4026532000]");
    let findings = containers::check(&it.machine);
    assert_eq!(state(&findings, "container"), Some(Good));
    assert_eq!((state(&findings, "user namespace"), state(&findings, "pid namespace")), (Some(Good), Some(Note)));
    assert_eq!(state(&findings, "ipc namespace"), None, "nothing can be told");
    for (file, text, kind) in [
        ("/proc/self/cgroup", "0::/kubepods/x\n", "kubernetes"),
        ("/proc/self/cgroup", "0::/system.slice/docker-abc.scope\n", "docker"),
        ("/run/.containerenv", "", "podman"),
    ] {
        it.write("/proc/self/cgroup", "0::/\n").write(file, text);
        let (state, found) = said(&containers::check(&it.machine), "container").expect("told");
        assert!(state == Note && found.starts_with(kind), "{found}");
    }
    it.link("/proc/self/ns/ipc", "ipc:[4026531839]");
    assert_eq!(state(&containers::check(&it.machine), "container"), Some(Good), "only its marks");
}
/// One processor, a share of some, a slow clock, and slow wake-ups.
#[test]
fn processors_and_clock() {
    let mut it = MadeUp::new("processors");
    assert_eq!(state(&processors::check(&it.machine), "processors"), Some(Good));
    it.machine.processors = 1;
    assert_eq!(state(&processors::check(&it.machine), "processors"), Some(Note));
    it.machine.processors = 8;
    it.write("/proc/self/cgroup", "0::/a/b\n").write("/sys/fs/cgroup/a/cpu.max", "50000 100000\n");
    it.write("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    assert_eq!(said(&processors::check(&it.machine), "cpu quota"), Some((Warn, "0.5 processors' time, of 8".into())));
    it.write("/proc/self/cgroup", "4:cpu,cpuacct:/a\n");
    it.write("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "200000");
    it.write("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000");
    assert_eq!(state(&processors::check(&it.machine), "cpu quota"), Some(Note));
    let clock = "/sys/devices/system/clocksource/clocksource0";
    for (source, expected) in [("tsc", Good), ("kvm-clock", Good), ("hpet", Warn)] {
        it.write(&format!("{clock}/current_clocksource"), source);
        assert_eq!(state(&processors::check(&it.machine), "clock source"), Some(expected));
    }
    it.write("/proc/cpuinfo", "flags\t\t: fpu hypervisor sse\n");
    assert_eq!(state(&processors::check(&it.machine), "virtualisation"), Some(Note));
    for (micros, expected) in [(5, Good), (120, Note)] {
        it.machine.round_trip = Some(Duration::from_micros(micros));
        let (state, found) = said(&processors::check(&it.machine), "wake-up").expect("told");
        assert!(state == expected && found.ends_with("a virtual machine"), "{found}");
    }
}

/// Whatever files hold, checks end; and where there are no files at all, too.
#[test]
fn nonsense_is_survived() {
    let mut it = MadeUp::new("nonsense");
    let _ = all(&it.machine);
    for file in [
        "/proc/self/mounts",
        "/proc/meminfo",
        "/proc/self/cgroup",
        "/proc/sys/kernel/sem",
        "/proc/sysvipc/shm",
        "/proc/sysvipc/sem",
        "/proc/sys/kernel/shmmni",
        "/proc/sys/fs/mqueue/queues_max",
        "/proc/sys/fs/file-nr",
        "/sys/kernel/mm/transparent_hugepage/shmem_enabled",
        "/etc/systemd/logind.conf",
        "/sys/devices/system/clocksource/clocksource0/current_clocksource",
    ] {
        it.write(file, "\u{fffd} [\n18446744073709551615 -1 : = \n::\n\n  ");
    }
    assert!(!all(&it.machine).is_empty());
    for file in [
        "kernel/shmmni",
        "kernel/shmall",
        "kernel/msgmni",
        "fs/mqueue/queues_max",
        "fs/mqueue/msg_default",
        "fs/file-max",
    ] {
        it.write(&format!("/proc/sys/{file}"), "18446744073709551615\n");
    }
    it.machine.shm = Some(Space { total_bytes: u64::MAX, free_bytes: 0, files: u64::MAX, free_files: 0 });
    it.machine.limits.msgqueue = (Some(u64::MAX), None);
    it.write("/proc/self/mounts", SHM);
    assert!(!all(&it.machine).is_empty());
}

/// A socket's file that nobody is bound to is told of, and how it goes; one that somebody is, is not.
#[test]
fn socket_files() {
    use std::os::unix::net::UnixListener;
    let it = MadeUp::new("sockets");
    it.write("/run/plain", "");
    assert!(sockets::check(&it.machine).is_empty());
    let bound = UnixListener::bind(it.machine.path("/run/bound")).expect("free");
    assert!(sockets::check(&it.machine).is_empty());
    for name in ["a", "b", "c", "d"] {
        drop(UnixListener::bind(it.machine.path(&format!("/run/{name}"))).expect("free"));
    }
    let findings = sockets::check(&it.machine);
    assert_eq!(
        said(&findings, "socket files"),
        Some((Note, "nobody is bound to /run/a, /run/b, /run/c and 1 more".into()))
    );
    assert_eq!(findings[0].mend, ["strait rm '/run/a'"]);
    drop(bound);
}
