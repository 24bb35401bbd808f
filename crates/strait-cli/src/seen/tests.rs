//! On this machine, among whatever else there is.

use super::{Seen, State, Thing, Wanted};
use strait::channel::spsc;
use strait::discovery::Status;
use strait::region::{Options, Place, Region};
use strait::sync;

/// A name that no other test has; what is left under it goes with it.
struct Name(String);

impl Name {
    fn new(what: &str) -> Self {
        Self(format!("cli-seen-{what}-{}", std::process::id()))
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(format!("/dev/shm/strait.{}", self.0));
        let _ = std::fs::remove_file(format!("/dev/shm/{}", self.0));
    }
}

fn the<'a>(seen: &'a Seen, text: &str) -> &'a Thing {
    let wanted = Wanted::parse(text).expect("it means something");
    let found = seen.find(&wanted).things;
    assert_eq!(found.len(), 1, "{text}: {found:?}");
    found[0]
}

/// Strait's own: live while somebody is attached, idle if it stays, corrupt if it contradicts itself.
#[test]
fn states_of_our_own() {
    let (fleeting, staying, broken, lock) = (Name::new("a"), Name::new("b"), Name::new("c"), Name::new("d"));
    let tx = spsc::Sender::<u64>::create(&fleeting.0, &spsc::Options::new()).expect("create");
    let stays = spsc::Options::new().restartable(true);
    let mut kept = spsc::Sender::<u64>::create(&staying.0, &stays).expect("create");
    kept.send(&7).expect("room");
    let bad = spsc::Sender::<u64>::create(&broken.0, &spsc::Options::new()).expect("create");
    let file = std::fs::File::options().write(true).open(format!("/dev/shm/strait.{}", broken.0)).expect("open");
    // The size that the header claims.
    std::os::unix::fs::FileExt::write_all_at(&file, &[0xFF; 8], 24).expect("write");
    let mutex = sync::Mutex::create(&lock.0, &7_u64, &sync::Options::new()).expect("create");

    let seen = Seen::look().expect("/proc");
    let me = std::process::id();
    let live = the(&seen, &fleeting.0);
    assert_eq!((live.state, live.kind().as_str(), live.name()), (State::Live, "spsc", fleeting.0.as_str()));
    assert!(live.because.contains(&me.to_string()) && live.is_own(), "{live:?}");
    assert_eq!(live.object.holders(), [me]);
    let corrupt = the(&seen, &broken.0);
    assert!(corrupt.state == State::Corrupt && corrupt.because.contains("header says"), "{corrupt:?}");
    assert_eq!(the(&seen, &format!("spsc:{}", staying.0)).state, State::Live);
    assert_eq!(the(&seen, &lock.0).state, State::Live);
    drop((tx, kept, bad, mutex));

    let seen = Seen::look().expect("/proc");
    assert_eq!(the(&seen, &staying.0).state, State::Idle);
    assert!(seen.find(&Wanted::parse(&fleeting.0).expect("a name")).things.is_empty(), "it went with its last user");
}

/// A channel without a name is found through a descriptor, and is strait's all the same.
#[test]
fn a_memfd_is_our_own() {
    let name = Name::new("memfd");
    let tx = spsc::Sender::<u64>::create(Place::memfd(&name.0), &spsc::Options::new()).expect("create");
    let seen = Seen::look().expect("/proc");
    let it = the(&seen, &name.0);
    assert!(matches!(&it.own, Some(Status::Channel(_))) && it.state == State::Live, "{it:?}");
    assert!(it.address().starts_with("memfd:inode:"));
    assert_eq!(the(&seen, &it.address()).object.identity, it.object.identity);
    drop(tx);
}

/// Others' are live while somebody has them, and are found in every way that a person may write.
#[test]
fn ways_to_name_it() {
    let name = Name::new("other");
    let raw = format!("/{}", name.0);
    let region = Region::create(Place::posix_raw(&raw), 4096, &Options::new()).expect("create");
    let seen = Seen::look().expect("/proc");
    let it = the(&seen, &raw);
    assert!(it.state == State::Live && !it.is_own(), "{it:?}");
    let number = it.number().expect("an inode");
    let ways = [
        name.0.clone(),
        format!("posix-shm:{raw}"),
        format!("memory:inode:{number}"),
        format!("/dev/shm{raw}"),
        format!("/dev/shm/../shm{raw}"),
        format!("/dev/s?m{raw}"),
        format!("*{}*", name.0),
        it.address(),
    ];
    for way in ways {
        assert_eq!(the(&seen, &way).object.identity, it.object.identity, "{way}");
    }
    let me = std::process::id();
    for way in [me.to_string(), format!("pid:{me}")] {
        let found = seen.find(&Wanted::parse(&way).expect("a number"));
        assert_eq!(found.process.map(|it| it.pid), Some(me), "{way}");
    }
    for none in [format!("sysv:{raw}"), format!("strait:{}", name.0), format!("sysv-shm:id:{number}")] {
        assert!(Wanted::parse(&none).is_ok_and(|it| seen.find(&it).things.is_empty()), "{none}");
    }
    drop(region);
    let seen = Seen::look().expect("/proc");
    let left = the(&seen, &raw);
    assert!(matches!(left.state, State::Idle | State::Unknown), "its creator is not known: {left:?}");
}

/// A name of digits alone is a name, and leads to nothing that is not called so.
#[test]
fn names_of_digits() {
    // Beyond what is a process, an inode or an id.
    let digits = Name(format!("9{:018}", std::process::id()));
    let tx = spsc::Sender::<u64>::create(&digits.0, &spsc::Options::new()).expect("create");
    let seen = Seen::look().expect("/proc");
    for way in [digits.0.clone(), format!("strait:{}", digits.0), format!("/dev/shm/strait.{}", digits.0)] {
        assert_eq!(the(&seen, &way).name(), digits.0, "{way}");
    }
    for none in [format!("sysv:{}", digits.0), format!("inode:{}", digits.0), format!("0{}", digits.0)] {
        assert!(Wanted::parse(&none).is_ok_and(|it| seen.find(&it).things.is_empty()), "{none}");
    }
    drop(tx);
}

/// Words that mean nothing are refused with the reason.
#[test]
fn words_without_meaning() {
    for (text, why) in
        [("", "at least one"), ("pid:x", "no number"), ("pid:99999999999", "32 bits"), ("id:-1", "no number")]
    {
        let refused = Wanted::parse(text).expect_err(text);
        assert!(refused.contains(why), "{refused}");
    }
}
