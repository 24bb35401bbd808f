//! What the fuzzer kept (`fuzz/corpus`) and what it once found (`fuzz/regressions`), played again.
//!
//! 1. Each input in a limited time: a thread that hangs is told of by its input, and the test ends.
//! 2. No allocation of an input is larger than its text or its ring explain: none is made by a number that stands in the input.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use strait_fuzz_bodies::{TARGETS, Target};

/// Inputs take milliseconds. Only one that hangs, or a machine that stands still, takes this long.
const TIME_MAX: Duration = Duration::from_secs(20);
/// Rings are of 4 KiB, texts of 2 KiB.
const ALLOCATION_MAX_BYTES: usize = 1 << 20;

/// The largest allocation of this thread, counted on its way to the system's allocator.
struct Counted;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

fn count(bytes: usize) {
    LARGEST.set(LARGEST.get().max(bytes));
}

// SAFETY: each call is handed to the system's allocator as it came; what is counted lies in memory that needs none of its own.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promises are those that are asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as in `alloc`.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size);
        // SAFETY: as in `alloc`.
        unsafe { System.realloc(at, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

fn inputs(folder: &str, target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("fuzz/").join(folder).join(target);
    let Ok(entries) = fs::read_dir(&folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    paths
}

/// Plays all inputs of a target; says which one hangs (rule 1), panics, or allocates too much (rule 2).
fn replay(target: &'static str) {
    let run: Target = TARGETS.iter().find(|(name, _)| *name == target).expect("a target").1;
    let kept = inputs("corpus", target);
    assert!(!kept.is_empty(), "fuzz/corpus/{target} is empty");
    let paths = [kept, inputs("regressions", target)].concat();
    let (say, said) = mpsc::channel();
    let all = paths.clone();
    let player = std::thread::spawn(move || {
        for path in all {
            let input = fs::read(&path).expect("readable");
            LARGEST.set(0);
            run(&input);
            // Nobody listens any more only after a failure.
            let _ = say.send(LARGEST.get());
        }
    });
    for path in &paths {
        let shown = path.display();
        let again = format!("again with: cargo +nightly fuzz run {target} {shown}");
        match said.recv_timeout(TIME_MAX) {
            Ok(bytes) => assert!(bytes <= ALLOCATION_MAX_BYTES, "{shown} allocates {bytes} bytes at once; {again}"),
            Err(RecvTimeoutError::Timeout) => panic!("{shown} hangs; {again}"),
            Err(RecvTimeoutError::Disconnected) => {
                eprintln!("{shown} panics; {again}");
                std::panic::resume_unwind(player.join().expect_err("it ended early"));
            }
        }
    }
    eprintln!("{target}: {} inputs", paths.len());
}

/// Attaching to any bytes is an error or an end that works.
#[test]
fn attach() {
    replay("attach");
}

/// Whatever is scribbled, each call of an end returns a value or an error.
#[test]
fn receive() {
    replay("receive");
}

/// The same of channels of many, whatever they are attached to.
#[test]
fn many() {
    replay("many");
}

/// What a parser accepts is in bounds.
#[test]
fn layout() {
    replay("layout");
}

/// Sums are those of the oracle.
#[test]
fn sum() {
    replay("sum");
}
