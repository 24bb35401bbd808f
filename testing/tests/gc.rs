//! What is said of each kind of thing, and what is removed. Who is killed meanwhile is for the crash matrix; many at once are for the command.

use strait::ErrorKind;
use strait::channel::{broadcast, mpmc, rpc, spsc, watch};
use strait::gc::{
    Foreign, Stay, Unheld, Verdict, judge, look_for_holders, remove, remove_by_force, remove_unheld, sweep,
};
use strait::region::{Options, Place, Region};
use strait::sync::{self, Mutex};
use strait_testing::names::Name;

/// Leaves what one who is killed would leave: a second name keeps the file while its last user takes the first one away.
fn killed(name: &Name, user: impl Sized) {
    let mut aside = name.path().into_os_string();
    aside.push(".aside");
    std::fs::hard_link(name.path(), &aside).expect("a second name");
    drop(user);
    if name.path().exists() { std::fs::remove_file(&aside) } else { std::fs::rename(&aside, name.path()) }
        .expect("one name");
}

/// Whoever is attached, to a channel or a lock of any kind, keeps it; when nobody is, it is found dead by looking and goes by sweeping.
#[test]
fn alive_then_dead() {
    let queue = Name::new("gc-queue");
    let options = mpmc::Options::new();
    let producer = mpmc::Producer::<u64>::create(queue.as_str(), &options).expect("made");
    let worker = mpmc::Worker::<[u8; 8]>::open(queue.as_str(), &options);
    assert!(worker.is_err(), "another type");
    for verdict in [judge(queue.as_str()), sweep(queue.as_str()), remove(queue.as_str())] {
        assert_eq!(verdict.expect("ours"), Verdict::Alive { slots: vec![0] });
    }
    let lock = Name::new("gc-lock");
    let mutex = Mutex::<u32>::create(lock.as_str(), &5_u32, &sync::Options::new()).expect("made");
    let second = Mutex::<u32>::open(lock.as_str(), &sync::Options::new()).expect("a seat");
    assert_eq!(sweep(lock.as_str()).expect("ours"), Verdict::Alive { slots: vec![0, 1] });
    drop(second);
    killed(&queue, producer);
    killed(&lock, mutex);
    for (name, kind) in [(queue.as_str(), "mpmc"), (lock.as_str(), "mutex")] {
        let found = judge(name).expect("ours");
        assert!(matches!(&found, Verdict::Dead(proof) if proof.kind == kind && proof.region_bytes > 4096), "{found:?}");
        assert_eq!(sweep(name).expect("ours"), found);
        assert_eq!((judge(name).expect("ours"), sweep(name).expect("ours")), (Verdict::Gone, Verdict::Gone));
    }
}

/// What the dead have left is in nobody's way who wants something else of that name: a program whose messages have changed starts again.
#[test]
fn another_kind_takes_the_name_of_the_dead() {
    let name = Name::new("gc-changed");
    let (queue, pipe) = (mpmc::Options::new(), spsc::Options::new());
    let producer = mpmc::Producer::<u64>::create(name.as_str(), &queue).expect("made");
    let other = || spsc::Receiver::<u64>::open_or_create(name.as_str(), &pipe);
    assert_eq!(other().expect_err("it lives").kind(), ErrorKind::Incompatible);
    killed(&name, producer);
    let worker = mpmc::Worker::<[u8; 8]>::open(name.as_str(), &queue);
    assert_eq!(worker.expect_err("it is gone").kind(), ErrorKind::NotFound);
    assert_eq!(judge(name.as_str()).expect("ours"), Verdict::Gone);

    let mutex = Mutex::<u32>::create(name.as_str(), &5_u32, &sync::Options::new()).expect("made");
    killed(&name, mutex);
    let receiver = other().expect("the name is free");
    assert!(matches!(judge(name.as_str()).expect("ours"), Verdict::Alive { .. }));
    killed(&name, receiver);
    let wider = Mutex::<u64>::open_or_create(name.as_str(), &5, &sync::Options::new()).expect("the name is free");
    drop(wider);
}

/// What was made to stay, stays, and goes only when it is asked to; not while somebody has it.
#[test]
fn stays_on_purpose() {
    let name = Name::new("gc-stays");
    let options = spsc::Options::new().restartable(true);
    let mut tx = spsc::Sender::<u64>::create(name.as_str(), &options).expect("made");
    tx.send(&1).expect("room");
    assert!(matches!(remove(name.as_str()).expect("ours"), Verdict::Alive { .. }));
    drop(tx);
    for verdict in [judge(name.as_str()), sweep(name.as_str())] {
        assert_eq!(verdict.expect("ours"), Verdict::Stays(Stay::Restartable));
    }
    assert_eq!(remove(name.as_str()).expect("ours"), Verdict::Stays(Stay::Restartable));
    assert_eq!(judge(name.as_str()).expect("ours"), Verdict::Gone);

    let path = std::env::temp_dir().join(name.as_str());
    drop(spsc::Sender::<u64>::create(&path, &options).expect("made"));
    assert_eq!(sweep(&path).expect("ours"), Verdict::Stays(Stay::File));
    assert_eq!(remove(&path).expect("ours"), Verdict::Stays(Stay::File));
    assert!(!path.exists());
}

/// What was made to be kept stays when its users leave it empty, whichever way they leave; whoever comes next finds it, and a sweep leaves it.
#[test]
fn kept() {
    let name = Name::new("gc-kept");
    let at = name.as_str();
    let stays = |what: &str| assert_eq!(sweep(at).expect("ours"), Verdict::Stays(Stay::Kept), "{what}");
    let goes = |what: &str| {
        stays(what);
        assert_eq!(remove(at).expect("ours"), Verdict::Stays(Stay::Kept), "{what}");
        assert_eq!(judge(at).expect("ours"), Verdict::Gone, "{what}");
    };

    let options = spsc::Options::new().kept(true);
    drop(spsc::Sender::<u64>::create(at, &options).expect("made"));
    stays("spsc, made");
    drop(spsc::Receiver::<u64>::open(at, &options).expect("there"));
    stays("spsc, received from");
    killed(&name, spsc::Sender::<u64>::open(at, &options).expect("there"));
    goes("spsc");

    let options = mpmc::Options::new().kept(true);
    drop(mpmc::Producer::<u64>::create(at, &options).expect("made"));
    drop(mpmc::Worker::<u64>::open(at, &options).expect("there"));
    goes("mpmc");

    // With blocks, a subscriber's departure is its own.
    for options in [broadcast::Options::new().kept(true), broadcast::Options::new().kept(true).blocks(4)] {
        let mut tx = broadcast::Publisher::<u64>::create(at, &options).expect("made");
        let mut rx = broadcast::Subscriber::<u64>::open(at, &options).expect("there");
        tx.publish(&1).expect("room");
        drop(tx);
        assert_eq!(rx.recv().expect("published"), 1);
        drop(rx);
        goes("broadcast");
    }

    let options = watch::Options::new().kept(true);
    drop(watch::Writer::<u64>::create(at, &options).expect("made"));
    drop(watch::Reader::<u64>::open(at, &options).expect("there"));
    goes("watch");

    let options = rpc::Options::new().kept(true);
    drop(rpc::Client::<u64, u64>::create(at, &options).expect("made"));
    drop(rpc::Server::<u64, u64>::open(at, &options).expect("there"));
    goes("rpc");
}

/// A raw region is left alone, and what contradicts itself too, whoever is there or not.
#[test]
fn unproven_and_damaged() {
    let name = Name::new("gc-raw");
    let region = Region::create(name.as_str(), 8192, &Options::new()).expect("made");
    assert!(matches!(sweep(name.as_str()).expect("ours"), Verdict::Unproven(why) if why.contains("not a channel")));
    assert!(matches!(remove_by_force(name.as_str()).expect("ours"), Verdict::Unproven(_)));
    drop(region);
    Region::remove(name.as_str()).expect("ours");
    let tx = spsc::Sender::<u64>::create(name.as_str(), &spsc::Options::new()).expect("made");
    let region = Region::open(name.as_str(), &Options::new()).expect("ours");
    killed(&name, tx);
    // The kind of channel (`docs/format.md`).
    region.write(12, &99_u32.to_ne_bytes()).expect("ours");
    for verdict in [judge(name.as_str()), sweep(name.as_str())] {
        assert!(matches!(verdict.expect("ours"), Verdict::Damaged(why) if why.contains("kind 99")));
    }
    assert!(matches!(remove(name.as_str()).expect("ours"), Verdict::Damaged(_)));
    assert_eq!(judge(name.as_str()).expect("ours"), Verdict::Gone);
    let error = sweep(Place::memfd("none")).expect_err("no name");
    assert_eq!(error.kind(), ErrorKind::Usage);
}

/// By force the name goes, and who has the channel goes on; the name is free for another one.
#[test]
fn by_force() {
    let name = Name::new("gc-force");
    let mut tx = spsc::Sender::<u64>::create(name.as_str(), &spsc::Options::new()).expect("made");
    let mut rx = spsc::Receiver::<u64>::open(name.as_str(), &spsc::Options::new()).expect("there");
    assert_eq!(remove_by_force(name.as_str()).expect("ours"), Verdict::Alive { slots: vec![0, 1] });
    let other = spsc::Sender::<u64>::create(name.as_str(), &spsc::Options::new()).expect("the name is free");
    tx.send(&7).expect("open");
    assert_eq!(rx.recv().expect("open"), 7);
    drop((tx, rx));
    assert!(matches!(judge(name.as_str()).expect("ours"), Verdict::Alive { .. }), "the other one stays");
    drop(other);
}

/// Of another program's memory the kernel says whether anybody has it open, or only mapped.
#[test]
fn unheld_files() {
    let name = Name::new("gc-foreign");
    let region = Region::create(name.as_str(), 4096, &Options::new()).expect("made");
    let file = Foreign::File(Place::posix(name.as_str()));
    let is_held = |unheld| matches!(unheld, Ok(Unheld::Somebody(_)));
    assert!(is_held(look_for_holders(&file)) && is_held(remove_unheld(&file)));
    let mapped = region.view(0..8).expect("ours");
    drop(region);
    assert!(is_held(remove_unheld(&file)), "a window keeps it mapped");
    drop(mapped);
    assert_eq!(look_for_holders(&file).expect("ours"), Unheld::Nobody);
    assert_eq!(remove_unheld(&file).expect("ours"), Unheld::Nobody);
    assert_eq!(remove_unheld(&file).expect("ours"), Unheld::Gone);
}

/// Of a System V segment it counts the attachments, and knows who made it: we do, and live.
#[test]
fn unheld_segments() {
    let region = Region::create(Place::sysv(0), 4096, &Options::new()).expect("made");
    let id = region.sysv_id().expect("a segment");
    let says = || match remove_unheld(&Foreign::Segment(id)).expect("ours") {
        Unheld::Somebody(why) => why,
        other => panic!("{other:?}"),
    };
    assert!(says().contains("attached 1 times"));
    drop(region);
    assert_eq!(
        remove_unheld(&Foreign::Segment(id)).expect("ours"),
        Unheld::Creator(format!("its creator, process {}, lives", std::process::id()))
    );
    Region::remove(Place::sysv_id(id)).expect("ours");
    assert_eq!(remove_unheld(&Foreign::Segment(id)).expect("gone"), Unheld::Gone);
}
