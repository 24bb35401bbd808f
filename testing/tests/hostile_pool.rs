//! The parent of a pool whose worker lies: it is told so, in a sentence, and soon; or can stop.

use std::time::{Duration, Instant};
use strait::pool::{self, Options, Stopped};
use strait::process::Command;

/// Gives a lying worker three jobs; what was collected, and how it ended. A worker that goes on for ever is stopped.
fn with(how: &'static str) -> (usize, Result<(), Stopped>) {
    strait_testing::in_time(how, move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hostile_worker"));
        command.arg(how);
        let (pool, mut feeder, mut collector) =
            pool::start::<usize>(&command, &Options::new().workers(1)).expect("start");
        let producer = std::thread::spawn(move || {
            for index in 0..3 {
                let Ok(mut room) = feeder.room(5) else { return };
                room[..5].copy_from_slice(b"a job");
                room.hand_out(5, index);
            }
            let _ = feeder.finish();
        });
        let stopper = pool.stopper();
        let mut parts = 0;
        let begin = Instant::now();
        let stops = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(1));
            stopper.stop();
        });
        let end = loop {
            match collector.next() {
                Ok(Some(part)) => {
                    parts += 1;
                    assert!(part.bytes().len() <= 64 << 10);
                }
                Ok(None) => break Ok(()),
                Err(stopped) => break Err(stopped),
            }
            // What never ends is the caller's to end.
            if begin.elapsed() > Duration::from_secs(5) {
                break Err(Stopped::Asked);
            }
        };
        drop(pool);
        producer.join().expect("no panic");
        stops.join().expect("no panic");
        (parts, end)
    })
}

/// A part with an impossible header, or of a job or a place that is not due, ends the pool and is named.
#[test]
fn impossible_parts_are_named() {
    for (how, parts, said) in [
        ("short", 0, "it sent a result of 15 bytes without a sound header"),
        ("last", 0, "it sent a result of 21 bytes without a sound header"),
        ("job", 0, "it sent part 0 of job 1, expected was part 0 of job 0"),
        ("part", 0, "it sent part 4294967295 of job 0, expected was part 0 of job 0"),
        ("ring", 0, "the other side wrote an impossible"),
    ] {
        let (collected, end) = with(how);
        let Err(Stopped::Channel { worker: 0, why }) = end else { panic!("{how}: {end:?}") };
        assert!(why.contains(said), "{how}: {why}");
        assert_eq!(collected, parts, "{how}");
    }
}

/// Parts that repeat what was collected are dropped, for as long as they come; the pool can be stopped meanwhile.
#[test]
fn endless_repetition_can_be_stopped() {
    let (parts, end) = with("repeat");
    assert!(matches!(end, Err(Stopped::Asked)), "{end:?}");
    assert_eq!(parts, 1);
}

/// Parts without end are the caller's to judge; the pool can be stopped meanwhile.
#[test]
fn endless_parts_can_be_stopped() {
    let (parts, end) = with("endless");
    assert!(matches!(end, Err(Stopped::Asked)), "{end:?}");
    assert!(parts > 1);
}

/// A part behind the last one of its job is dropped; an answer that nobody asked for is an answer to the job that comes next, for the
/// worker is the one who answers; in no case is more collected than was handed out.
#[test]
fn surplus_is_not_collected() {
    for how in ["early", "unasked"] {
        let (parts, end) = with(how);
        assert!(parts <= 3, "{how}: {parts}");
        assert!(matches!(end, Ok(()) | Err(Stopped::Channel { .. })), "{how}: {end:?}");
    }
}
