//! One end of a channel of calls: numbers are asked, and ten times as much is answered.
//!
//! `client|server HOW PLACE [restartable] [spin|adaptive|sleep] [clients=N] [servers=N] [in-flight=N] [idempotent]`, where HOW is `create`,
//! `open` or `open-or-create`.

use crate::{error, lines, place, say};
use std::time::Duration;
use strait::channel::Strategy;
use strait::channel::rpc::{Client, Options, Pending, Request, Server};

fn options(flags: &[&str]) -> Options {
    let mut options = Options::new();
    let number = |text: &str| text.parse::<u32>().expect("a number");
    for flag in flags {
        options = match flag.split_once('=').unwrap_or((flag, "")) {
            ("restartable", _) => options.restartable(true),
            ("idempotent", _) => options.idempotent(true),
            ("spin", _) => options.wait(Strategy::Spin),
            ("adaptive", _) => options.wait(Strategy::SpinThenSleep),
            ("sleep", _) => options.wait(Strategy::Sleep),
            ("clients", count) => options.clients(number(count)),
            ("servers", count) => options.servers(number(count)),
            ("in-flight", count) => options.in_flight(number(count)),
            _ => panic!("no such flag: {flag}"),
        };
    }
    options
}

fn show<V: std::fmt::Display, E: std::fmt::Debug>(outcome: Result<V, E>) -> String {
    outcome.map_or_else(|e| format!("{e:?}"), |value| value.to_string())
}

pub(crate) fn client(how: &[&str]) {
    let [how, at, flags @ ..] = how else { panic!("client HOW PLACE") };
    let options = options(flags);
    let made = match *how {
        "create" => Client::<u64, u64>::create(place(at), &options),
        "open" => Client::open(place(at), &options),
        "open-or-create" => Client::open_or_create(place(at), &options),
        _ => panic!("no such way: {how}"),
    };
    let client = match made {
        Ok(client) => client,
        Err(e) => return say(&error(&e)),
    };
    say("ok");
    let mut pending: Vec<Option<Pending<'_, u64, u64>>> = Vec::new();
    for line in lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let n = words.get(1).map_or(0, |n| n.parse::<u64>().expect("a number"));
        let answer = match words[0] {
            "call" => show(client.call(&n)),
            "block" => {
                say("blocking");
                show(client.call(&n))
            }
            "call-idempotent" => {
                say("blocking");
                show(client.call_idempotent(&n))
            }
            "timeout" => {
                let ms = words[2].parse().expect("ms");
                show(client.call_timeout(&n, Duration::from_millis(ms)))
            }
            // So many calls, several in flight; each answer is its own.
            "many" => {
                let mut wrong = 0;
                for first in (0..n).step_by(4) {
                    let start = |n| (n, client.start(&n).expect("room"));
                    let calls: Vec<_> = (first..n.min(first + 4)).map(start).collect();
                    wrong += calls.into_iter().filter_map(|(n, call)| (call.wait() != Ok(n * 10)).then_some(n)).count();
                }
                format!("{wrong} wrong")
            }
            "start" => match client.start(&n) {
                Ok(call) => {
                    pending.push(Some(call));
                    "started".into()
                }
                Err(e) => format!("{e:?}"),
            },
            "wait" => pending[n as usize].take().map_or("waited for".into(), |call| show(call.wait())),
            "poll" => {
                say("polling");
                let call = pending[n as usize].as_mut().expect("in flight");
                loop {
                    match call.try_wait() {
                        Err(strait::channel::rpc::TryWaitError::NotYet) => {}
                        outcome => break show(outcome),
                    }
                }
            }
            "give-up" => {
                pending[n as usize] = None;
                "given up".into()
            }
            "servers" => client.servers().to_string(),
            "leave" => break,
            line => panic!("no such line: {line}"),
        };
        say(&answer);
    }
    drop(pending);
    drop(client);
    say("left");
}

pub(crate) fn server(how: &[&str]) {
    let [how, at, flags @ ..] = how else { panic!("server HOW PLACE") };
    let options = options(flags);
    let made = match *how {
        "create" => Server::<u64, u64>::create(place(at), &options),
        "open" => Server::open(place(at), &options),
        "open-or-create" => Server::open_or_create(place(at), &options),
        _ => panic!("no such way: {how}"),
    };
    let server = match made {
        Ok(server) => server,
        Err(e) => return say(&error(&e)),
    };
    say("ok");
    let mut held: Vec<Request<'_, u64, u64>> = Vec::new();
    for line in lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match words[0] {
            // Answers all there are until the clients are gone.
            "serve" => {
                let mut count = 0_u64;
                let outcome = server.serve(|n| {
                    count += 1;
                    n * 10
                });
                format!("served {count}: {outcome:?}")
            }
            "take" => {
                say("taking");
                match server.recv() {
                    Ok(request) => {
                        let n = *request;
                        held.push(request);
                        format!("took {n}")
                    }
                    Err(e) => format!("{e:?}"),
                }
            }
            "try-take" => match server.try_recv() {
                Ok(request) => {
                    let n = *request;
                    held.push(request);
                    format!("took {n}")
                }
                Err(e) => format!("{e:?}"),
            },
            "answer" => {
                let count = held.len();
                for request in held.drain(..) {
                    let answer = *request * 10;
                    request.answer(&answer).expect("fits");
                }
                format!("answered {count}")
            }
            "abandoned" => held.iter().filter(|request| request.is_abandoned()).count().to_string(),
            "drop" => {
                held.clear();
                "dropped".into()
            }
            "fail" => {
                held.drain(..).for_each(|request| request.fail(words[1].parse().expect("a code")).expect("own"));
                "failed".into()
            }
            "clients" => server.clients().to_string(),
            "leave" => break,
            line => panic!("no such line: {line}"),
        };
        say(&answer);
    }
    drop(held);
    drop(server);
    say("left");
}

/// Holds a client with a call in flight and a server with a request in its hands; in a forked child every call is refused, and what is
/// dropped there is the parent's.
pub(crate) fn fork(name: &str) {
    use strait::channel::rpc::{AnswerError, CallError, TryWaitError};
    use strait::channel::{RecvError, TryRecvError};
    let options = Options::new();
    let client = Client::<u64, u64>::create(name, &options).expect("create");
    let server = Server::<u64, u64>::open(name, &options).expect("open");
    let calls =
        (client.start(&1).expect("a slot"), client.start(&2).expect("a slot"), client.start(&3).expect("a slot"));
    let draft = client.reserve().expect("a slot");
    let requests = (server.recv().expect("there"), server.recv_ref().expect("there"));
    let mut parts = Some((calls, draft, requests));
    let pid = crate::fork::in_child(|| {
        let ((mut one, other, mut third), draft, (request, lent)) = parts.take().expect("held");
        let refused = [
            client.call(&3) == Err(CallError::Forked),
            client.start(&3).is_err_and(|e| e == CallError::Forked),
            client.try_start(&3).is_err_and(|e| e == CallError::Forked),
            one.try_wait() == Err(TryWaitError::Failed(CallError::Forked)),
            other.wait() == Err(CallError::Forked),
            third.try_wait_ref().is_err_and(|e| e == TryWaitError::Failed(CallError::Forked)),
            client.reserve().is_err_and(|e| e == CallError::Forked),
            draft.start().is_err_and(|e| e == CallError::Forked),
            server.recv().is_err_and(|e| e == RecvError::Forked),
            server.try_recv().is_err_and(|e| e == TryRecvError::Failed(RecvError::Forked)),
            server.try_recv_ref().is_err_and(|e| e == TryRecvError::Failed(RecvError::Forked)),
            request.answer(&7) == Err(AnswerError::Forked),
            lent.reserve().is_err_and(|e| e == AnswerError::Forked),
        ];
        crate::fork::first_false(&refused)
    });
    let status = crate::fork::status_of(pid);
    let ((one, other, third), mut draft, (request, lent)) = parts.take().expect("the child had a copy");
    let answered = request.answer(&10);
    let next = lent.reserve().and_then(|mut answer| {
        *answer = 20;
        answer.send()
    });
    *draft = 3;
    let drafted = draft.start().expect("the parent's");
    server.recv().expect("there").answer(&30).expect("fits");
    server.recv().expect("there").answer(&30).expect("fits");
    assert_eq!((third.wait(), drafted.wait()), (Ok(30), Ok(30)));
    say(&format!("child {status}, parent {answered:?} {next:?} {:?} {:?}", one.wait(), other.wait()));
}
