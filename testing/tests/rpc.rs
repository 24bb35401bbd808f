//! Calls between processes: who answers, and what becomes of a call when somebody at either end is killed.

use std::time::{Duration, Instant};
use strait_testing::names::{Name, Scratch};
use strait_testing::role::Role;
use strait_testing::{LONG, in_time};

const ROLE: &str = env!("CARGO_BIN_EXE_role");

fn posix(name: &Name) -> String {
    format!("posix:{}", name.as_str())
}

fn client(name: &Name, flags: &[&str]) -> Role {
    Role::ready(ROLE, &[&["client", "open-or-create", &posix(name)], flags].concat())
}

fn server(name: &Name, flags: &[&str]) -> Role {
    Role::ready(ROLE, &[&["server", "open-or-create", &posix(name)], flags].concat())
}

/// Tells a server to take a request and waits until it waits for one, or has it.
fn take(server: &mut Role) {
    server.expect_after("take", "taking");
}

/// A call is answered, however both sides wait, and nothing is left when both have gone.
#[test]
fn call_is_answered() {
    for strategy in ["spin", "adaptive", "sleep"] {
        let name = Name::new("call");
        let mut client = client(&name, &[strategy]);
        let mut server = server(&name, &[strategy]);
        server.tell("serve");
        assert_eq!(client.ask("call 7"), "70");
        assert_eq!(client.ask("many 1000"), "0 wrong");
        assert_eq!(client.ask("leave"), "left");
        assert_eq!(server.answer(), "served 1001: Ok(())");
        assert_eq!(server.ask("leave"), "left");
        assert!(name.left_over().is_empty(), "{:?}", name.left_over());
    }
}

/// Several clients and several servers: each answer is its own, and each request is served once.
#[test]
fn work_is_shared() {
    let name = Name::new("shared");
    let mut clients: Vec<Role> = (0..3).map(|_| client(&name, &[])).collect();
    let mut servers: Vec<Role> = (0..2).map(|_| server(&name, &[])).collect();
    // Both have work at once. How the rest is shared is the scheduler's affair.
    for (n, server) in (1..).zip(&mut servers) {
        take(server);
        assert_eq!(clients[0].ask(&format!("start {n}")), "started");
        server.expect(&format!("took {n}"));
    }
    for server in &mut servers {
        assert!(server.ask("answer").starts_with("answered "));
        server.tell("serve");
    }
    for client in &mut clients {
        client.tell("many 20000");
    }
    for client in &mut clients {
        client.expect("0 wrong");
        assert_eq!(client.ask("leave"), "left");
    }
    let counts: Vec<u64> = servers
        .iter_mut()
        .map(|server| {
            let answer = server.answer();
            let count = answer.strip_prefix("served ").and_then(|it| it.strip_suffix(": Ok(())"));
            count.and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
        })
        .collect();
    assert_eq!(counts.iter().sum::<u64>(), 60_000, "each once: {counts:?}");
}

/// While one server is long at a request, another takes the next.
#[test]
fn a_busy_server_holds_nobody_up() {
    let name = Name::new("busy");
    let mut client = client(&name, &[]);
    let (mut busy, mut other) = (server(&name, &[]), server(&name, &[]));
    take(&mut busy);
    assert_eq!(client.ask("start 1"), "started");
    busy.expect("took 1");
    other.tell("serve");
    // More than there are slots: the numbers go round past the one that is taken.
    for n in 2..40 {
        assert_eq!(client.ask(&format!("call {n}")), (n * 10).to_string());
    }
    assert_eq!(busy.ask("answer"), "answered 1");
    assert_eq!(client.ask("wait 0"), "10");
}

/// The caller of a server that is killed over its request is told, and the request goes to nobody else.
#[test]
fn server_killed_over_a_request() {
    for strategy in ["spin", "adaptive", "sleep"] {
        let name = Name::new("over");
        let mut client = client(&name, &[strategy]);
        let (mut victim, mut other) = (server(&name, &[strategy]), server(&name, &[strategy]));
        take(&mut victim);
        client.expect_after("block 1", "blocking");
        victim.expect("took 1");
        let killed = victim.kill_now();
        client.expect("ServerDied");
        assert!(killed.elapsed() < LONG, "told after {:?}", killed.elapsed());
        assert_eq!(other.ask("try-take"), "Empty");
        other.tell("serve");
        assert_eq!(client.ask("call 2"), "20");
    }
}

/// One who only polls is told too.
#[test]
fn server_killed_over_a_request_that_is_polled_for() {
    let name = Name::new("polled");
    let mut client = client(&name, &[]);
    let mut victim = server(&name, &[]);
    assert_eq!(client.ask("start 1"), "started");
    take(&mut victim);
    victim.expect("took 1");
    client.expect_after("poll 0", "polling");
    victim.kill();
    client.expect("Failed(ServerDied)");
}

/// A request that may be done twice is offered to the others when its server is killed; so it is until it has killed four.
#[test]
fn idempotent_request_is_repeated() {
    let name = Name::new("twice");
    let mut client = client(&name, &["restartable"]);
    for (ask, flags) in [("call-idempotent 1", 0), ("call-idempotent 1", 4)] {
        client.expect_after(ask, "blocking");
        for _ in 0..flags.max(1) {
            let mut victim = server(&name, &["restartable"]);
            take(&mut victim);
            victim.expect("took 1");
            victim.kill();
        }
        if flags == 4 {
            client.expect("ServerDied");
            continue;
        }
        let mut other = server(&name, &["restartable"]);
        take(&mut other);
        other.expect("took 1");
        assert_eq!(other.ask("answer"), "answered 1");
        client.expect("10");
    }
}

/// The answer of a server that was killed after it had answered counts.
#[test]
fn server_killed_after_the_answer() {
    let name = Name::new("after");
    let mut client = client(&name, &[]);
    let mut victim = server(&name, &[]);
    assert_eq!(client.ask("start 1"), "started");
    take(&mut victim);
    victim.expect("took 1");
    assert_eq!(victim.ask("answer"), "answered 1");
    victim.kill();
    assert_eq!(client.ask("wait 0"), "10");
    assert_eq!(client.ask("call 2"), "Disconnected(Died)");
}

/// When the last server goes, a call that nobody has begun with is disconnected, with the cause; in a restartable channel it waits for
/// the next server.
#[test]
fn last_server_goes() {
    for strategy in ["spin", "adaptive", "sleep"] {
        for cause in ["Left", "Died"] {
            let name = Name::new("last");
            let mut client = client(&name, &[strategy]);
            let mut server = server(&name, &[strategy]);
            client.expect_after("block 1", "blocking");
            let since = Instant::now();
            if cause == "Left" {
                assert_eq!(server.ask("leave"), "left");
            } else {
                server.kill();
            }
            client.expect(&format!("Disconnected({cause})"));
            assert!(since.elapsed() < LONG, "told after {:?}", since.elapsed());
        }
    }
    let name = Name::new("lastre");
    let mut client = client(&name, &["restartable"]);
    let mut first = server(&name, &["restartable"]);
    client.expect_after("block 1", "blocking");
    first.kill();
    client.is_blocked();
    assert_eq!(client.answer_within(Duration::from_millis(150)), None);
    let mut next = server(&name, &["restartable"]);
    next.tell("serve");
    client.expect("10");
}

/// A server that is stopped is alive: its caller waits, asleep, as long as it takes.
#[test]
fn stopped_server_is_waited_for() {
    let name = Name::new("stopped");
    let mut client = client(&name, &[]);
    let mut server = server(&name, &[]);
    server.tell("serve");
    assert_eq!(client.ask("call 1"), "10");
    server.stop();
    client.expect_after("block 2", "blocking");
    assert_eq!(client.answer_within(Duration::from_millis(300)), None);
    let before = client.cpu_ticks();
    assert_eq!(client.answer_within(Duration::from_millis(500)), None);
    assert!(client.cpu_ticks() <= before + 1, "it spins");
    server.signal(18);
    client.expect("20");
}

/// What a client was killed before the answer of is dropped: unclaimed it goes to nobody, claimed its answer goes to nobody.
#[test]
fn client_killed() {
    let name = Name::new("client");
    let mut server = server(&name, &["restartable", "clients=1"]);
    let mut victim = client(&name, &["restartable", "clients=1"]);
    take(&mut server);
    assert_eq!(victim.ask("start 1"), "started");
    server.expect("took 1");
    for n in 2..6 {
        assert_eq!(victim.ask(&format!("start {n}")), "started");
    }
    victim.kill();
    // The next owner of the seat: none of its calls gets an answer that is not its own.
    let mut next = client(&name, &["restartable", "clients=1"]);
    assert_eq!(server.ask("abandoned"), "1");
    assert_eq!(server.ask("try-take"), "Empty");
    assert_eq!(next.ask("start 6"), "started");
    assert_eq!(server.ask("try-take"), "took 6");
    assert_eq!(server.ask("answer"), "answered 2");
    assert_eq!(next.ask("wait 0"), "60");
    server.tell("serve");
    assert_eq!(next.ask("many 100"), "0 wrong");
}

/// A request whose client was killed, and whose seat nobody has taken, is dropped as soon as the death has been found.
#[test]
fn killed_clients_request_is_dropped() {
    let name = Name::new("dropped");
    let mut server = server(&name, &["restartable"]);
    let mut victim = client(&name, &["restartable"]);
    let mut other = client(&name, &["restartable"]);
    assert_eq!(victim.ask("start 1"), "started");
    victim.kill();
    // It finds the death: a call that waits looks.
    assert_eq!(other.ask("timeout 2 200"), "TimedOut");
    assert_eq!(server.ask("clients"), "1");
    assert_eq!(server.ask("try-take"), "Empty");
}

/// When the last client goes the server is disconnected, with the cause.
#[test]
fn last_client_goes() {
    for strategy in ["spin", "adaptive", "sleep"] {
        for cause in ["Left", "Died"] {
            let name = Name::new("lastc");
            let mut client = client(&name, &[strategy]);
            let mut server = server(&name, &[strategy]);
            take(&mut server);
            let since = Instant::now();
            if cause == "Left" {
                assert_eq!(client.ask("leave"), "left");
            } else {
                client.kill();
            }
            server.expect(&format!("Disconnected({cause})"));
            assert!(since.elapsed() < LONG, "told after {:?}", since.elapsed());
        }
    }
}

/// A call that has run out of time: unclaimed it is never served; claimed its late answer is dropped and its slot used again.
#[test]
fn time_runs_out() {
    let name = Name::new("late");
    let mut client = client(&name, &["in-flight=1"]);
    let mut server = server(&name, &["in-flight=1"]);
    assert_eq!(client.ask("timeout 1 20"), "TimedOut");
    assert_eq!(server.ask("try-take"), "Empty");
    take(&mut server);
    client.tell("timeout 2 300");
    server.expect("took 2");
    client.expect("TimedOut");
    assert_eq!(server.ask("abandoned"), "1");
    // The only slot is the server's until it has answered.
    assert_eq!(client.ask("timeout 3 20"), "TimedOut");
    client.expect_after("block 4", "blocking");
    assert_eq!(server.ask("answer"), "answered 1");
    server.tell("serve");
    client.expect("40");
    // Nobody answers any more: the slot of a dead server's call is free at once.
    assert_eq!(client.ask("call 5"), "50");
}

/// A call that was given up takes its slot only as long as its server lives.
#[test]
fn slot_of_a_dead_servers_call() {
    let name = Name::new("freed");
    let mut client = client(&name, &["in-flight=1", "restartable"]);
    let mut victim = server(&name, &["in-flight=1", "restartable"]);
    take(&mut victim);
    client.tell("timeout 1 300");
    victim.expect("took 1");
    client.expect("TimedOut");
    client.expect_after("block 2", "blocking");
    victim.kill();
    let mut next = server(&name, &["in-flight=1", "restartable"]);
    next.tell("serve");
    client.expect("20");
}

/// A server says why not, or drops the request; either is told.
#[test]
fn refused_requests() {
    let name = Name::new("refused");
    let mut client = client(&name, &[]);
    let mut server = server(&name, &[]);
    for (how, said, told) in [("fail 42", "failed", "Failed(42)"), ("drop", "dropped", "Dropped")] {
        take(&mut server);
        client.expect_after("block 1", "blocking");
        server.expect("took 1");
        assert_eq!(server.ask(how), said);
        client.expect(told);
    }
    // A server that leaves drops what it holds.
    take(&mut server);
    client.expect_after("block 1", "blocking");
    server.expect("took 1");
    assert_eq!(server.ask("leave"), "left");
    client.expect("Dropped");
}

/// Clients and servers are killed again and again under load; every call ends, and no answer is another call's.
#[test]
fn killed_again_and_again() {
    in_time("killed_again_and_again", || {
        let name = Name::new("again");
        let flags = ["restartable", "idempotent", "clients=3", "servers=2"];
        let mut steady = client(&name, &flags);
        let mut servers = [server(&name, &flags), server(&name, &flags)];
        servers.iter_mut().for_each(|server| server.tell("serve"));
        for round in 0..20 {
            steady.tell("many 2000");
            let mut victim = client(&name, &flags);
            victim.tell("many 1000000");
            // An answer of the steady one's, some time into its work.
            servers[round % 2].kill();
            servers[round % 2] = server(&name, &flags);
            servers[round % 2].tell("serve");
            victim.kill();
            steady.expect("0 wrong");
        }
    });
}

/// In a forked child nothing of the parent's can be used or hurt.
#[test]
fn forked_child() {
    let name = Name::new("rpcfork");
    let mut role = Role::start(ROLE, &["rpc-fork", name.as_str()]);
    role.expect("child 0, parent Ok(()) Ok(()) Ok(10) Ok(20)");
}

/// A channel in a file outlives its users: calls go on where a new client and a new server open it.
#[test]
fn file_survives() {
    let scratch = Scratch::new("rpcfile");
    let at = format!("file:{}", scratch.path("calls").display());
    for round in 0..3 {
        let mut client = Role::ready(ROLE, &["client", "open-or-create", &at]);
        let mut server = Role::ready(ROLE, &["server", "open-or-create", &at]);
        assert_eq!(client.ask("start 1"), "started");
        take(&mut server);
        server.expect("took 1");
        if round == 1 {
            client.kill();
            server.kill();
            continue;
        }
        assert_eq!(server.ask("answer"), "answered 1");
        assert_eq!(client.ask("wait 0"), "10");
    }
}
