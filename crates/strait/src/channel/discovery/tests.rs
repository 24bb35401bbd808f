//! What is found of channels of this process: all that is true of them, and what is wrong with broken ones.

use super::*;
use crate::channel::{broadcast, mpmc, rpc, watch};
use strait_mem::SharedMut as _;

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
        let peer = |role: &str, state| Peer { role: role.into(), pid, state };
        assert_eq!(queue.peers, [peer("sender", PeerState::Attached)]);
        assert_eq!(queue.fill, Some(Fill::Messages(3)));
        assert_eq!(
            (value.kind, value.schema_id, value.seats, value.fill.clone()),
            (Kind::Watch, 0, 4, Some(Fill::Version(1)))
        );
        assert_eq!(value.message.layout_hash, <u64 as crate::channel::Message>::layout_hash());
        assert_eq!(value.peers, [peer("writer", PeerState::Attached), peer("reader", PeerState::Left)]);
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
    let lane = |sent, lag| Lane { sent, lag };
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
