//! Forks with live handles: the child can do nothing with them, and nothing to their parent.

use std::time::Instant;
use strait_testing::LONG;
use strait_testing::names::Name;
use strait_testing::role::Role;

const ROLE: &str = env!("CARGO_BIN_EXE_role");

/// A process that holds the sender of one channel and the receiver of another, and the two processes with the other ends.
struct Three {
    holder: Role,
    listener: Role,
    speaker: Role,
    names: [Name; 2],
}

fn three() -> Three {
    let names = [Name::new("fork"), Name::new("forkpeer")];
    let speaker = Role::ready(ROLE, &["sender", "create", &format!("posix:{}", names[1].as_str())]);
    let holder = Role::ready(ROLE, &["fork", names[0].as_str(), names[1].as_str()]);
    let listener = Role::ready(ROLE, &["receiver", "open", &format!("posix:{}", names[0].as_str())]);
    Three { holder, listener, speaker, names }
}

/// In the child every call says `Forked`; dropping the handles there changes nothing for the parent or its peers; the child can make a
/// channel of its own.
#[test]
fn child_can_neither_use_nor_hurt() {
    let Three { mut holder, mut listener, mut speaker, names } = three();
    assert_eq!(holder.ask("send"), "Ok(())");
    assert_eq!(speaker.ask("send 0 2"), "sent");
    assert_eq!(holder.ask("recv"), "Ok(0)");
    for _ in 0..2 {
        assert_eq!(holder.ask("child-tries"), "child 0", "else: the number of the claim in fork.rs that did not hold");
        assert_eq!(listener.ask("state"), "Attached");
        assert_eq!(speaker.ask("state"), "Attached");
        // The parent goes on as if nothing had been.
        assert_eq!(holder.ask("send"), "Ok(())");
        assert_eq!(speaker.ask("send 2 3"), "sent");
        assert_eq!(holder.ask("recv"), if speaker.ask("count") == "3" { "Ok(1)" } else { "Ok(2)" });
        let answer = Role::start(ROLE, &["sender", "open", &format!("posix:{}", names[0].as_str())]).answer();
        assert!(answer.starts_with("error Busy:"), "{answer}");
    }
    assert_eq!(listener.ask("recv 3"), "[0, 1, 2]", "what the parent sent, and nothing of the child's");
    assert_eq!(names[0].left_over().len(), 1, "the child's own channel is gone: {:?}", names[0].left_over());
    assert_eq!(names[1].left_over().len(), 1);
}

/// A parent's leases end with the parent, though its child lives on: its peers learn of the death in time.
#[test]
fn leases_do_not_live_on_in_the_child() {
    let Three { mut holder, mut listener, mut speaker, names: _names } = three();
    let living = holder.ask("child-lives");
    let child: i32 = living.strip_prefix("living ").expect("a pid").parse().expect("a number");
    let child = rustix::process::Pid::from_raw(child).expect("a pid");
    struct Orphan(rustix::process::Pid);
    impl Drop for Orphan {
        fn drop(&mut self) {
            // It may have ended by itself.
            let _ = rustix::process::kill_process(self.0, rustix::process::Signal::KILL);
        }
    }
    let _orphan = Orphan(child);
    assert_eq!(listener.ask("state"), "Attached");
    assert!(speaker.ask("fill").starts_with("full "));
    speaker.expect_after("block", "blocking");
    listener.expect_after("drain", "draining");
    let killed = holder.kill_now();
    listener.expect("0..0 then Disconnected(Died)");
    let told = killed.elapsed();
    speaker.expect("failed: Disconnected(Died)");
    eprintln!("receiver of a forked parent learned of the death: {:.1} ms (promised 100 ms)", told.as_secs_f64() * 1e3);
    assert!(told < LONG, "{told:?}");
    assert!(rustix::process::test_kill_process(child).is_ok(), "the child lives on");
    let now = Instant::now();
    holder.end();
    assert!(now.elapsed() < LONG);
}

/// Memory that was lent before the fork is the parent's: publishing or releasing it in the child does nothing.
#[test]
fn loans_in_the_child_do_nothing() {
    let mut role = Role::start(ROLE, &["fork-with-loans"]);
    let (published, released) = (role.answer(), role.answer());
    let wanted = ["child 0 published, parent sees Err(Empty)", "child 0 released, parent says 2 are left"];
    assert_eq!([published.as_str(), released.as_str()], wanted);
}

/// Ends of a channel of many stay the parent's when the child drops them: their seats, and what they are told.
#[test]
fn seats_stay_the_parents() {
    let name = Name::new("forkmany");
    let mut role = Role::start(ROLE, &["fork-of-many", &format!("posix:{}", name.as_str())]);
    assert_eq!(role.answer(), "child 0, Ok(()), (1, 1), Ok(8)");
}
