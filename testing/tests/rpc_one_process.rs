//! The rpc channel's calls, one by one: what each does and says. Both ends are in one process here; `rpc.rs` has the processes.

use std::os::unix::fs::MetadataExt as _;
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

/// Requests and answers of every length are written and read in place, and made shorter.
#[test]
fn every_length_lies_in_place() {
    let options = Options::new().max_request_bytes(300).max_answer_bytes(200);
    let (client, server) = ends::<[u8], [u16]>(&options).expect("made");
    for len in 0..=300_usize {
        let mut request = client.reserve(len).expect("fits");
        for (i, byte) in request.iter_mut().enumerate() {
            *byte = (i + len) as u8;
        }
        request.truncate(if len % 3 == 0 { len / 2 } else { usize::MAX });
        let asked = request.to_vec();
        let mut call = request.start().expect("sent");
        assert_eq!(call.try_wait_ref().map(drop), Err(TryWaitError::NotYet));
        let taken = server.try_recv_ref().expect("there");
        assert_eq!(*taken, asked[..]);
        let mut answer = taken.reserve(len % 101).expect("fits");
        answer.fill(len as u16);
        answer.truncate(100 - len % 2);
        assert_eq!(answer.request(), asked);
        answer.send().expect("sent");
        let answer = call.wait_ref_timeout(Duration::MAX).expect("answered");
        assert_eq!(*answer, vec![len as u16; (len % 101).min(100 - len % 2)]);
        assert_eq!(call.try_wait_ref().map(drop), Err(TryWaitError::Failed(CallError::Taken)));
    }
    let refused = client.reserve(301).map(drop);
    assert_eq!(refused, Err(CallError::TooLarge { len_bytes: 301, max_bytes: 300 }));
    assert!(client.try_reserve(usize::MAX).is_err());
    let call = client.start(b"too long an answer").expect("fits");
    let refused = server.try_recv().expect("there").reserve(101).map(drop);
    assert_eq!(refused, Err(AnswerError::TooLarge { len_bytes: 202, max_bytes: 200 }));
    assert_eq!(call.wait(), Err(CallError::Dropped));
}

/// What is in hands is nobody else's: a slot whose request is written, or whose answer is read, in place. Dropped, it was nothing.
#[test]
fn what_is_in_hands() {
    let (client, server) = ends::<u64, u64>(&Options::new().in_flight(2)).expect("made");
    let mut early = client.reserve().expect("a slot");
    *early = 1;
    let late = client.start(&2).expect("a slot");
    assert_eq!(client.try_reserve().map(drop), Err(CallError::Full));
    assert_eq!(client.start(&3).map(drop), Err(CallError::Full));
    assert_eq!(client.in_flight(), 1, "a draft is no call");
    let request = server.try_recv().expect("there");
    assert_eq!((*request, server.try_recv().map(drop)), (2, Err(TryRecvError::Empty)));
    request.answer(&20).expect("fits");
    // Sent last, though its number is the first.
    let early = early.start().expect("sent");
    server.try_recv_ref().expect("found").answer(&10).expect("fits");
    let (one, other) = (early.wait_ref().expect("answered"), late.wait_ref().expect("answered"));
    assert_eq!((*one, *other, client.in_flight()), (10, 20, 0));
    assert_eq!(client.start(&3).map(drop), Err(CallError::Full), "both answers are being read");
    drop(one);
    let draft = client.reserve().expect("its slot");
    assert_eq!(*other, 20);
    drop((draft, other));
    assert_eq!(server.try_recv().map(drop), Err(TryRecvError::Empty), "nothing was sent");
    let calls = [client.start(&4).expect("a slot"), client.start(&5).expect("a slot")];
    drop(server.try_recv_ref().expect("there"));
    drop(server.try_recv_ref().expect("there").reserve().expect("lent"));
    assert_eq!(calls.map(|call| call.wait_ref().map(drop)), [Err(CallError::Dropped), Err(CallError::Dropped)]);
    // One that is forgotten is taken for good.
    std::mem::forget(client.reserve().expect("a slot"));
    let call = client.start(&6).expect("the other slot");
    assert_eq!(client.try_start(&7).map(drop), Err(CallError::Full));
    server.try_recv().expect("there").answer(&60).expect("fits");
    assert_eq!(call.wait(), Ok(60));
}

/// A client whose next call is not where a server foresees it is served, however busy the others are.
#[test]
fn nobody_is_forgotten() {
    let options = Options::new().clients(3).in_flight(2);
    let (one, server) = ends::<u64, u64>(&options).expect("made");
    let another = || Client::<u64, u64>::from_fd(one.try_clone_fd().expect("a descriptor"), &options).expect("a seat");
    let busy = [another(), another()];
    drop(one.reserve().expect("a slot"));
    let quiet = one.start(&0).expect("a slot");
    let mut calls: Vec<_> = busy.iter().map(|client| client.start(&1).expect("a slot")).collect();
    let mut rounds = 0;
    let request = loop {
        let request = server.recv().expect("there");
        if *request == 0 {
            break request;
        }
        request.answer(&10).expect("fits");
        for (call, client) in calls.iter_mut().zip(&busy) {
            if call.try_wait().is_ok() {
                *call = client.start(&1).expect("a slot");
            }
        }
        rounds += 1;
        assert!(rounds < 1000, "it is never served");
    };
    request.answer(&20).expect("fits");
    assert_eq!(quiet.wait(), Ok(20));
}

/// What others may write to is not lent, unless they are trusted; a call that cannot be read in place goes on.
#[test]
fn others_memory_is_not_lent() {
    let name = Name::new("lent");
    let me = std::fs::metadata("/proc/self").expect("proc").uid();
    let options = Options::new().mode(0o622).owner(me);
    let client = Client::<u64, u64>::create(name.as_str(), &options).expect("created");
    let server = Server::<u64, u64>::open(name.as_str(), &options).expect("opened");
    assert_eq!(client.reserve().map(drop), Err(CallError::Untrusted));
    assert_eq!(client.try_reserve().map(drop), Err(CallError::Untrusted));
    assert_eq!(server.recv_ref().map(drop), Err(RecvError::Untrusted));
    assert_eq!(server.try_recv_ref().map(drop), Err(TryRecvError::Failed(RecvError::Untrusted)));
    let mut call = client.start(&1).expect("a slot");
    let failed = CallTimeoutError::Failed(CallError::Untrusted);
    assert_eq!(call.wait_ref_timeout(Duration::MAX).map(drop), Err(failed));
    server.recv().expect("there").answer(&10).expect("fits");
    assert_eq!(call.try_wait(), Ok(10));
    let given_up = client.start(&2).expect("a slot");
    let request = server.recv().expect("there");
    assert_eq!(given_up.wait_ref().map(drop), Err(CallError::Untrusted));
    assert!(request.is_abandoned());
    assert_eq!(request.reserve().map(drop), Err(AnswerError::Untrusted));
}

/// Answers are copied to where the last one was.
#[test]
fn answers_take_the_place_of_others() {
    let (client, server) = ends::<u64, [u8]>(&Options::new().in_flight(2)).expect("made");
    let mut answer = vec![9; 1000];
    let room = answer.as_ptr();
    for (len, call) in [(3, client.start(&1)), (1000, client.start(&2))] {
        server.recv().expect("there").answer(&vec![7; len]).expect("fits");
        call.expect("a slot").wait_into(&mut answer).expect("answered");
        assert_eq!((answer.as_slice(), answer.as_ptr()), (&vec![7; len][..], room));
    }
    let timeout = client.call_into_timeout(&3, &mut answer, Duration::from_millis(1));
    assert_eq!((timeout, answer.len()), (Err(CallTimeoutError::TimedOut), 1000));
    assert_eq!(server.try_recv().map(drop), Err(TryRecvError::Empty), "given up");
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
