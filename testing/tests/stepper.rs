//! The single-stepper itself.
#![cfg(target_arch = "x86_64")]

use std::process::Command;
use strait_testing::step::{Mark, Stop, Tracee, pin, source::Source};

/// A role is run to its mark, stepped through its operation, and killed in it; addresses are told as source.
#[test]
fn steps_between_marks() {
    pin(0).expect("pin");
    let mut counts = Vec::new();
    for _ in 0..2 {
        let mut tracee = Tracee::start(Command::new(env!("CARGO_BIN_EXE_step_role")).arg("count")).expect("start");
        assert_eq!(tracee.run_to_mark().expect("run"), Stop::Mark(Mark::Begin));
        let map = tracee.map();
        let (mut steps, mut calls, mut told) = (0, 0, String::new());
        let mut source = Source::default();
        loop {
            match tracee.step().expect("step") {
                Stop::Step => steps += 1,
                Stop::Entry(_) => calls += 1,
                Stop::Exit => {}
                stop => {
                    assert_eq!(stop, Stop::Mark(Mark::End));
                    break;
                }
            }
            if steps == 100 {
                told = source.of(&map, tracee.address().expect("address"));
            }
        }
        assert!(told.contains("step_role"), "{told}");
        assert!(calls >= 2, "getppid and the mark: {calls}");
        counts.push(steps);
        tracee.kill();
    }
    assert!(counts[0] > 200, "{counts:?}");
    assert_eq!(counts[0], counts[1], "the same run has the same instructions");
}

/// One that sleeps in the kernel is said to be blocked, and goes on when what it waits for comes.
#[test]
fn sleeper_is_blocked() {
    use std::io::Write as _;
    use std::time::Duration;
    let mut command = Command::new(env!("CARGO_BIN_EXE_step_role"));
    let mut tracee = Tracee::start(command.arg("read").stdin(std::process::Stdio::piped())).expect("start");
    assert_eq!(tracee.run_to_mark().expect("run"), Stop::Mark(Mark::Begin));
    while tracee.to_syscall().expect("run") != Stop::Blocked {}
    tracee.child().and_then(|child| child.stdin.as_mut()).expect("a pipe").write_all(b"x").expect("write");
    assert_eq!(tracee.resume_wait(Duration::from_secs(5)).expect("wait"), Stop::Exit);
    assert_eq!(tracee.run_to_mark().expect("run"), Stop::Mark(Mark::End));
    tracee.stop_and_detach().expect("stop");
    assert_eq!(tracee.state(), Some('T'));
    tracee.wake().expect("wake");
    assert_eq!(tracee.end(Duration::from_secs(5)).expect("end"), Some(0));
}
