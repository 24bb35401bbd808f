//! What is found of channels of this process: all that is true of them, and what is wrong with broken ones.

use super::*;
use crate::channel::{broadcast, mpmc, rpc, spsc, watch};
use crate::peer::PeerState;
use crate::region::header;
use std::sync::atomic::Ordering::Relaxed;
use strait_mem::{Shared as _, SharedMut as _};

fn name(word: &str) -> String {
    format!("t-found-{word}-{}", std::process::id())
}

fn channel(found: &Found) -> &Channel {
    match &found.status {
        Status::Channel(channel) => channel,
        other => panic!("{}: {other:?}", found.name),
    }
}

/// A name, removed at the end.
struct Raw(String);

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = Region::remove(self.0.as_str());
    }
}

/// Both kinds are listed by pattern with type, schema, peers and fill; looking takes nothing and changes nothing.
#[test]
fn channels_are_listed() {
    let (one, two) = (name("list-one"), name("list-two"));
    let options = spsc::Options::new().capacity_bytes(4096).schema_id(9);
    let mut tx = spsc::Sender::<[u8]>::create(&one, &options).expect("made");
    for _ in 0..3 {
        tx.send(b"hello").expect("room");
    }
    let mut writer = watch::Writer::<u64>::create(&two, &watch::Options::new().readers(3)).expect("made");
    let reader = watch::Reader::<u64>::open(&two, &watch::Options::new()).expect("there");
    writer.send(&1).expect("sent");
    drop(reader);

    let pattern = format!("t-found-list-*o*-{}", std::process::id());
    for _ in 0..2 {
        let found = list(&pattern).expect("readable");
        assert_eq!(found.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), [&one, &two]);
        let (queue, value) = (channel(&found[0]), channel(&found[1]));
        assert_eq!((queue.kind, queue.schema_id, queue.seats, queue.capacity_bytes), (Kind::Spsc, 9, 2, 4096));
        assert_eq!((queue.message.name.as_str(), queue.message.is_slice), ("[u8]", true));
        let pid = std::process::id();
        let peers = |of: &Channel| of.peers.iter().map(|it| (it.role.clone(), it.pid, it.state)).collect::<Vec<_>>();
        let peer = |role: &str, state| (role.to_owned(), pid, state);
        assert_eq!(peers(queue), [peer("sender", PeerState::Attached)]);
        assert_eq!(queue.fill, Some(Fill::Messages(3)));
        assert_eq!(
            (value.kind, value.schema_id, value.seats, value.fill.clone()),
            (Kind::Watch, 0, 4, Some(Fill::Version(1)))
        );
        assert_eq!(value.message.layout_hash, <u64 as crate::channel::Message>::layout_hash());
        assert_eq!(peers(value), [peer("writer", PeerState::Attached), peer("reader", PeerState::Left)]);
    }
    let again = spsc::Receiver::<[u8]>::open(&one, &options).expect("the lease is free");
    assert_eq!(channel(&look_at(&one).expect("there")).peers.len(), 2);
    drop(again);
    drop((tx, writer));
    assert!(list(&pattern).expect("readable").is_empty());
    assert_eq!(look_at(one).expect_err("gone").kind(), ErrorKind::NotFound);
}

/// Of a queue the jobs are counted, of a broadcast each lane and who lags, of calls those in flight; all tell their users' roles.
#[test]
fn channels_of_many_are_looked_into() {
    let (queue, news, calls) = (name("many-queue"), name("many-news"), name("many-calls"));
    let roles = |channel: &Channel| channel.peers.iter().map(|it| it.role.clone()).collect::<Vec<_>>();

    let options = mpmc::Options::new().capacity(8).kinds(2);
    let mut producer = mpmc::Producer::<u64>::create(&queue, &options).expect("made");
    let mut worker = mpmc::Worker::<u64>::open(&queue, &options).expect("a seat");
    producer.push_batch(0, &[1, 2, 3]).expect("room");
    producer.try_push_kind(1, &4).expect("room");
    worker.try_pop().expect("a job").ack();
    let in_hands = worker.try_pop().expect("a job");
    let found = look_at(&queue).expect("there");
    assert_eq!((channel(&found).kind, &channel(&found).fill), (Kind::Mpmc, &Some(Fill::Jobs(3))));
    assert_eq!(roles(channel(&found)), ["producer", "worker"]);
    drop(in_hands);

    let options = broadcast::Options::new().publishers(2).subscribers(2).capacity(28);
    let mut publisher = broadcast::Publisher::<u64>::create(&news, &options).expect("made");
    let lanes = |news: &str| channel(&look_at(news).expect("there")).fill.clone();
    publisher.publish(&1).expect("room");
    let lane = |sent, lag| Lane { sent, dropped: 0, lag };
    assert_eq!(lanes(&news), Some(Fill::Lanes(vec![lane(1, None), lane(0, None)])));
    let mut quick = broadcast::Subscriber::<u64>::open(&news, &options).expect("a seat");
    let slow = broadcast::Subscriber::<u64>::open(&news, &options).expect("a seat");
    for number in 0..5 {
        publisher.publish(&number).expect("room");
        quick.recv().expect("there");
    }
    let fill = lanes(&news).expect("told");
    assert_eq!(fill, Fill::Lanes(vec![lane(6, Some(5)), lane(0, Some(0))]));
    assert_eq!(fill.to_string(), "6 messages sent, the slowest lags 5");
    assert_eq!(roles(channel(&look_at(&news).expect("there"))), ["publisher", "subscriber", "subscriber"]);
    drop(slow);

    let options = rpc::Options::new().clients(2).servers(1).in_flight(3);
    let client = rpc::Client::<u64, u64>::create(&calls, &options).expect("made");
    let server = rpc::Server::<u64, u64>::open(&calls, &options).expect("a seat");
    let waiting =
        [client.start(&1).expect("a slot"), client.start(&2).expect("a slot"), client.start(&3).expect("a slot")];
    server.recv().expect("there").answer(&1).expect("ours");
    let serving = server.recv().expect("there");
    let found = look_at(&calls).expect("there");
    assert_eq!((channel(&found).kind, &channel(&found).fill), (Kind::Rpc, &Some(Fill::Calls(2))));
    assert_eq!(roles(channel(&found)), ["client", "server"]);
    drop((serving, waiting));
}

/// A channel that contradicts itself is listed with what is wrong, and what is no channel as that.
#[test]
fn broken_ones_are_told() {
    let name = name("broken");
    let tx = watch::Writer::<u64>::create(&name, &watch::Options::new()).expect("made");
    let region = Region::open(name.as_str(), &Options::new()).expect("ours");
    let at = |name: &str| {
        let fields = watch::layout::<u64>(32, 4, 8);
        fields.iter().find(|it| it.name == name).map(|it| it.offset as usize).expect("a field")
    };
    let all = region.view_mut(0..region.len()).expect("ours");
    for (field, lie, says) in [
        ("seats", 2000, "2000 seats"),
        ("capacity_bytes", 7, "7 bytes of capacity"),
        ("shape", 3, "which do not make"),
        ("region_bytes", 1, "its header says 1 bytes"),
        ("channel", 77, "a channel of kind 77"),
        ("channel", header::CHANNEL_SPSC, "a ring of 8 bytes"),
    ] {
        let truth = all.load_u32(at(field), Relaxed);
        all.store_u32(at(field), lie, Relaxed);
        match &look_at(name.as_str()).expect("there").status {
            Status::Damaged(why) => assert!(why.contains(says), "{why}"),
            other => panic!("{field}: {other:?}"),
        }
        all.store_u32(at(field), truth, Relaxed);
    }
    // What is said to be of another kind has not the size for it.
    for kind in [header::CHANNEL_MPMC, header::CHANNEL_BROADCAST, header::CHANNEL_RPC] {
        all.store_u32(at("channel"), kind, Relaxed);
        assert!(matches!(&look_at(name.as_str()).expect("there").status, Status::Damaged(why) if why.contains("make")));
        all.store_u32(at("seats"), 250, Relaxed);
        assert!(matches!(&look_at(name.as_str()).expect("there").status, Status::Damaged(why) if why.contains("250")));
        all.store_u32(at("seats"), 33, Relaxed);
    }
    all.store_u32(at("channel"), header::CHANNEL_WATCH, Relaxed);
    all.store_u64(0, 0, Relaxed);
    assert!(
        matches!(&look_at(name.as_str()).expect("there").status, Status::Other(why) if why.contains("not a channel"))
    );
    drop(tx);
    let raw = Raw(name.clone());
    drop(Region::create(name.as_str(), 64, &Options::new().mode(0o606)).expect("made"));
    let found = list(&name).expect("readable");
    assert!(matches!(&found[0].status, Status::Unreadable(why) if why.contains("lets other users write")), "{found:?}");
    drop(raw);
}

/// What has gone through each kind is told, with the capacity, who has what left to do, and what came back.
#[test]
fn traffic_is_told() {
    let names = ["two", "jobs", "news", "value", "calls"].map(|word| name(&format!("traffic-{word}")));
    let [two, jobs, news, value, calls] = &names;
    let seen = |name: &String| channel(&look_at(name).expect("there")).clone();
    let lags = |channel: &Channel| channel.peers.iter().map(|it| it.lag).collect::<Vec<_>>();

    let options = spsc::Options::new().capacity_bytes(4096);
    let mut tx = spsc::Sender::<[u8]>::create(two, &options).expect("made");
    let mut rx = spsc::Receiver::<[u8]>::open(two, &options).expect("there");
    let mut gauge = Gauge::open(two).expect("there");
    let mut look = || match gauge.look().expect("sound") {
        Seen::Channel(channel) => channel.traffic,
        other => panic!("{other:?}"),
    };
    assert_eq!(look().bytes, Some(0));
    for _ in 0..9 {
        tx.send(&[7; 100]).expect("room");
        rx.recv().expect("there");
    }
    tx.send(&[7; 100]).expect("room");
    let now = look();
    assert_eq!((now.sent, now.received), (Some(10), Some(9)));
    assert!(now.bytes.is_some_and(|bytes| (900..=1400).contains(&bytes)), "{now:?}");
    assert_eq!((lags(&seen(two)), seen(two).capacity_messages), (vec![None, Some(1)], None));
    let peer = seen(two).peers[1].clone();
    assert_eq!((peer.slot, peer.is_asleep, peer.start_ticks), (1, false, strait_sys::proc::whoami().start_ticks));
    assert!(peer.since_ns > 0 && peer.pid_namespace > 0);

    let options = mpmc::Options::new().capacity(8);
    let mut producer = mpmc::Producer::<u64>::create(jobs, &options).expect("made");
    let mut worker = mpmc::Worker::<u64>::open(jobs, &options).expect("a seat");
    for number in 0..20 {
        producer.push(&number).expect("room");
        worker.try_pop().expect("a job").ack();
    }
    producer.push_batch(0, &[1, 2, 3]).expect("room");
    worker.try_pop().expect("a job").nack();
    let in_hands = worker.try_pop().expect("a job");
    let now = seen(jobs);
    assert_eq!((now.traffic.sent, now.traffic.received, now.traffic.bytes), (Some(23), Some(20), Some(184)));
    assert_eq!((now.traffic.redelivered, now.fill.as_ref().and_then(Fill::count)), (Some(1), Some(3)));
    assert_eq!((lags(&now), now.capacity_messages), (vec![None, Some(1)], Some(8)));
    drop(in_hands);

    let options = broadcast::Options::new().subscribers(2).capacity(14).policy(broadcast::Policy::DropNewest);
    let mut publisher = broadcast::Publisher::<u64>::create(news, &options).expect("made");
    let slow = broadcast::Subscriber::<u64>::open(news, &options).expect("a seat");
    for number in 0..40 {
        publisher.publish(&number).expect("room, or not");
    }
    let now = seen(news);
    let told = now.traffic;
    assert_eq!((told.sent.zip(told.dropped).map(|(a, b)| a + b), told.received), (Some(40), None), "{told:?}");
    assert_eq!(lags(&now), [None, told.sent]);
    drop(slow);

    let mut writer = watch::Writer::<[u64; 3]>::create(value, &watch::Options::new()).expect("made");
    writer.send(&[1; 3]).expect("sent");
    writer.send(&[2; 3]).expect("sent");
    let now = seen(value).traffic;
    assert_eq!((now.sent, now.received, now.bytes), (Some(2), None, Some(48)));

    let options = rpc::Options::new().clients(2).servers(1).in_flight(3);
    let client = rpc::Client::<u64, u64>::create(calls, &options).expect("made");
    let server = rpc::Server::<u64, u64>::open(calls, &options).expect("a seat");
    let mut waiting = Vec::new();
    for number in 0..3 {
        waiting.push(client.start(&number).expect("a slot"));
    }
    server.recv().expect("there").answer(&1).expect("ours");
    let serving = server.recv().expect("there");
    let now = seen(calls);
    assert_eq!((now.traffic.sent, now.traffic.received, now.traffic.bytes), (Some(3), Some(1), Some(32)));
    assert_eq!((lags(&now), now.capacity_messages), (vec![Some(2), Some(1)], Some(6)));
    drop((serving, waiting));
}

/// Long queues are not counted slot by slot by who looks again and again, and what is in them is estimated.
#[test]
fn long_queues_are_estimated() {
    let name = name("long");
    let mut producer = mpmc::Producer::<u64>::create(&name, &mpmc::Options::new().capacity(1 << 15)).expect("made");
    for number in 0..1000 {
        producer.push(&number).expect("room");
    }
    let mut gauge = Gauge::open(&name).expect("there");
    let Seen::Channel(seen) = gauge.look().expect("sound") else { panic!("a channel") };
    let Some(Fill::Jobs(about)) = seen.fill else { panic!("{:?}", seen.fill) };
    assert!((900..=1000).contains(&about) && seen.traffic.redelivered.is_none(), "{seen:?}");
    assert_eq!(channel(&look_at(&name).expect("there")).fill, Some(Fill::Jobs(1000)), "who looks once counts");
}

/// Whatever users write, a look ends with a value or with what is wrong; a flipped bit anywhere, and noise everywhere.
#[test]
fn lies_are_survived() {
    use crate::sync::{self, Barrier, Event, Mutex, Once, RwLock, Semaphore, event::Reset};
    let names: Vec<String> = (0..12).map(|number| name(&format!("lies-{number}"))).collect();
    let at = |number: usize| names[number].as_str();
    let lock = sync::Options::new().users(3);
    let _held: Vec<Box<dyn std::any::Any>> = vec![
        Box::new(spsc::Sender::<u64>::create(at(0), &spsc::Options::new()).expect("made")),
        Box::new(spsc::Sender::<[u8]>::create(at(1), &spsc::Options::new()).expect("made")),
        Box::new(mpmc::Producer::<u64>::create(at(2), &mpmc::Options::new().capacity(4)).expect("made")),
        Box::new(broadcast::Publisher::<u64>::create(at(3), &broadcast::Options::new()).expect("made")),
        Box::new(watch::Writer::<u64>::create(at(4), &watch::Options::new()).expect("made")),
        Box::new(rpc::Client::<u64, u64>::create(at(5), &rpc::Options::new()).expect("made")),
        Box::new(Mutex::create(at(6), &7_u64, &lock).expect("made")),
        Box::new(RwLock::create(at(7), &7_u64, &lock).expect("made")),
        Box::new(Semaphore::create(at(8), 2, 4, &lock).expect("made")),
        Box::new(Event::create(at(9), Reset::Auto, &lock).expect("made")),
        Box::new(Once::create(at(10), &lock).expect("made")),
        Box::new(Barrier::create(at(11), 3, &lock).expect("made")),
    ];
    let mut noise = 0x9E37_79B9_7F4A_7C15_u64;
    for (number, name) in names.iter().enumerate() {
        let region = Region::open(name.as_str(), &Options::new()).expect("ours");
        let all = region.view_mut(0..region.len()).expect("ours");
        let words = (region.len() as usize).min(20 << 10) / 8;
        let mut gauge = Gauge::open(name.as_str()).expect("sound");
        let mut damaged = 0;
        for word in 0..words {
            let truth = all.load_u64(word * 8, Relaxed);
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            for lie in [u64::MAX, truth ^ 1 << (noise >> 58), noise] {
                all.store_u64(word * 8, lie, Relaxed);
                damaged += u32::from(gauge.look().is_err());
            }
            // Headers are read anew by who opens.
            damaged += u32::from(matches!(look_at(name.as_str()).expect("there").status, Status::Damaged(_)));
            all.store_u64(word * 8, truth, Relaxed);
        }
        assert!(damaged > 0, "region {number} can be damaged");
        // All at once, but for the header.
        for word in 512..words {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            all.store_u64(word * 8, noise, Relaxed);
        }
        let _ = gauge.look();
        let _ = look_at(name.as_str());
        Region::remove(name.as_str()).expect("ours");
    }
}

/// A survey finds what comes, forgets what goes, tells one from another of the same name, and leaves no mapping behind.
#[test]
fn surveys_go_on() {
    let one = name("survey-one");
    let mut survey = Survey::new(&format!("t-found-survey-*-{}", std::process::id()));
    assert!(survey.look().expect("readable").is_empty());
    let sent = |survey: &mut Survey| {
        let found = survey.look().expect("readable");
        found.iter().map(|it| channel(it).traffic.sent).collect::<Vec<_>>()
    };
    let mut tx = spsc::Sender::<u64>::create(&one, &spsc::Options::new()).expect("made");
    assert_eq!(sent(&mut survey), [Some(0)]);
    tx.send(&1).expect("room");
    assert_eq!(sent(&mut survey), [Some(1)]);
    drop(tx);
    let tx = spsc::Sender::<u64>::create(&one, &spsc::Options::new()).expect("made");
    assert_eq!(sent(&mut survey), [Some(0)], "another one");
    drop(tx);
    assert!(survey.look().expect("readable").is_empty());
    let raw = Raw(name("survey-raw"));
    drop(Region::create(raw.0.as_str(), 64, &Options::new()).expect("made"));
    for _ in 0..2 {
        assert!(matches!(&survey.look().expect("readable")[0].status, Status::Other(_)));
    }
}
