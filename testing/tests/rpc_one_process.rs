//! The rpc channel's calls, one by one: what each does and says. Both ends are in one process here; `rpc.rs` has the processes.

use std::time::Duration;
use strait::channel::rpc::{AnswerError, CallError, CallTimeoutError, Client, Options, Server, TryWaitError};
use strait::channel::{Cause, Message, RecvError, RecvTimeoutError, TryRecvError, spsc};
use strait::region::Place;
use strait::{ErrorKind, Result};
use strait_testing::names::Name;

type Ends<Req, Res> = (Client<Req, Res>, Server<Req, Res>);

fn ends<Req: Message + ?Sized, Res: Message + ?Sized>(options: &Options) -> Result<Ends<Req, Res>> {
    let client = Client::create(Place::memfd("rpc"), options)?;
    let server = Server::from_fd(client.try_clone_fd()?, options)?;
    Ok((client, server))
}

/// Requests and answers of every length up to the limits, and not beyond.
#[test]
fn every_length_fits() {
    let options = Options::new().max_request_bytes(300).max_answer_bytes(200);
    let (client, server) = ends::<[u8], [u16]>(&options).expect("made");
    assert_eq!((client.max_request_bytes(), server.max_answer_bytes()), (300, 200));
    for len in 0..=300_usize {
        let request: Vec<u8> = (0..len).map(|i| (i + len) as u8).collect();
        let call = client.start(&request).expect("fits");
        let taken = server.try_recv().expect("there");
        assert_eq!(*taken, request[..]);
        let answer = vec![len as u16; len % 101];
        taken.answer(&answer).expect("fits");
        assert_eq!(call.wait(), Ok(answer));
    }
    assert_eq!(client.call(&[0; 301]), Err(CallError::TooLarge { len_bytes: 301, max_bytes: 300 }));
    let call = client.start(b"too long an answer").expect("fits");
    let refused = server.try_recv().expect("there").answer(&[0; 101]);
    assert_eq!(refused, Err(AnswerError::TooLarge { len_bytes: 202, max_bytes: 200 }));
    assert_eq!(call.wait(), Err(CallError::Dropped));
}

/// As many calls as there are slots are in flight; one more is refused, for waiting would not help.
#[test]
fn full_is_full() {
    let (client, server) = ends::<u64, u64>(&Options::new().in_flight(3)).expect("made");
    let calls: Vec<_> = (0..3).map(|n| client.start(&n).expect("a slot")).collect();
    assert_eq!((client.in_flight(), client.max_in_flight()), (3, 3));
    assert_eq!(client.start(&3).map(drop), Err(CallError::Full));
    assert_eq!(client.try_start(&3).map(drop), Err(CallError::Full));
    assert_eq!(client.call(&3), Err(CallError::Full));
    // Answered in another order than asked.
    let mut taken: Vec<_> = (0..3).map(|_| server.try_recv().expect("there")).collect();
    assert_eq!(taken.iter().map(|it| **it).collect::<Vec<_>>(), [0, 1, 2], "in order");
    taken.reverse();
    for request in taken {
        let n = *request;
        request.answer(&(n + 100)).expect("fits");
    }
    for (n, call) in (0..).zip(calls) {
        assert_eq!(call.wait(), Ok(n + 100));
    }
    assert_eq!(client.in_flight(), 0);
}

/// A call is waited for again after the time ran out, polled for, and over once.
#[test]
fn pending_calls() {
    let (client, server) = ends::<u64, u64>(&Options::new()).expect("made");
    let mut call = client.start(&4).expect("a slot");
    assert_eq!(call.try_wait(), Err(TryWaitError::NotYet));
    assert_eq!(call.wait_timeout(Duration::from_millis(1)), Err(CallTimeoutError::TimedOut));
    server.recv().expect("there").answer(&5).expect("fits");
    assert_eq!(call.try_wait(), Ok(5));
    assert_eq!(call.try_wait(), Err(TryWaitError::Failed(CallError::Taken)));
    assert_eq!(call.wait(), Err(CallError::Taken));
}

/// A call that is dropped before a server begins with it is served by nobody; dropped later, the server can see it.
#[test]
fn dropped_calls() {
    let (client, server) = ends::<u64, u64>(&Options::new().in_flight(1)).expect("made");
    drop(client.start(&1).expect("a slot"));
    assert_eq!(server.try_recv().map(drop), Err(TryRecvError::Empty));
    let call = client.start(&2).expect("the slot is free again");
    let request = server.try_recv().expect("there");
    assert!(!request.is_abandoned());
    drop(call);
    assert!(request.is_abandoned());
    assert_eq!(client.try_start(&3).map(drop), Err(CallError::Full));
    request.answer(&0).expect("nobody minds");
    let call = client.try_start(&3).expect("the slot is free again");
    assert_eq!(*server.try_recv().expect("there"), 3);
    assert_eq!(call.wait(), Err(CallError::Dropped));
}

/// Nothing to take is empty, or out of time; clients that were never there are waited for, those that have left are not.
#[test]
fn nothing_to_take() {
    let name = Name::new("nothing");
    let server = Server::<u64, u64>::create(name.as_str(), &Options::new()).expect("created");
    assert_eq!(server.try_recv().map(drop), Err(TryRecvError::Empty));
    assert_eq!(server.recv_timeout(Duration::from_millis(1)).map(drop), Err(RecvTimeoutError::TimedOut));
    let client = Client::<u64, u64>::open(name.as_str(), &Options::new()).expect("opened");
    assert_eq!((server.clients(), client.servers()), (1, 1));
    // What it leaves in flight is withdrawn.
    let call = client.start(&1).expect("a slot");
    std::mem::forget(call);
    drop(client);
    assert_eq!(server.recv().map(drop), Err(RecvError::Disconnected(Cause::Left)));
    assert_eq!(server.serve(|n| *n), Ok(()));
}

/// A channel is opened as what it is, and by no more than it has seats for.
#[test]
fn opened_as_what_it_is() {
    let name = Name::new("asis");
    let options = Options::new().clients(1).servers(2);
    let _client = Client::<u64, [u8]>::create(name.as_str(), &options).expect("created");
    let kind = |refused: Result<()>| refused.expect_err("refused").kind();
    assert_eq!(kind(Client::<u64, [u8]>::open(name.as_str(), &options).map(drop)), ErrorKind::Busy);
    assert_eq!(kind(Client::<u64, [u8]>::create(name.as_str(), &options).map(drop)), ErrorKind::AlreadyExists);
    assert_eq!(kind(Server::<i64, [u8]>::open(name.as_str(), &options).map(drop)), ErrorKind::Incompatible);
    assert_eq!(kind(Server::<u64, u8>::open(name.as_str(), &options).map(drop)), ErrorKind::Incompatible);
    let other_schema = Options::new().schema_id(1);
    assert_eq!(kind(Server::<u64, [u8]>::open(name.as_str(), &other_schema).map(drop)), ErrorKind::Incompatible);
    let as_spsc = spsc::Sender::<u64>::open(name.as_str(), &spsc::Options::new());
    assert_eq!(kind(as_spsc.map(drop)), ErrorKind::Incompatible);
    // The opener's numbers do not count.
    let servers: Vec<_> =
        (0..2).map(|_| Server::<u64, [u8]>::open(name.as_str(), &Options::new()).expect("a seat")).collect();
    assert_eq!(kind(Server::<u64, [u8]>::open(name.as_str(), &options).map(drop)), ErrorKind::Busy);
    assert_eq!(servers[0].max_answer_bytes(), 1024);
    let none = Name::new("none");
    assert_eq!(kind(Server::<u64, [u8]>::open(none.as_str(), &options).map(drop)), ErrorKind::NotFound);
    let short = Duration::from_millis(1);
    let late = Client::<u64, u64>::open_timeout(none.as_str(), &options, short);
    assert_eq!(kind(late.map(drop)), ErrorKind::TimedOut);
}

/// Numbers that cannot be are refused before anything is made.
#[test]
fn impossible_options() {
    for options in [
        Options::new().clients(0),
        Options::new().servers(0),
        Options::new().clients(200).servers(57),
        Options::new().clients(u32::MAX).servers(2),
        Options::new().in_flight(0),
        Options::new().in_flight(65),
        Options::new().max_answer_bytes(u32::MAX),
    ] {
        let refused = ends::<[u8], [u8]>(&options).map(drop).expect_err("refused");
        assert_eq!(refused.kind(), ErrorKind::Usage, "{refused}");
    }
}
