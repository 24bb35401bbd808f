//! A ring between two threads, for the thread sanitizer: `threads [--relaxed]`.
//!
//! The thread sanitizer knows an address, not the memory behind it. Two processes, or two mappings in one, are out of its sight, and so
//! are the machine-code copies of `strait_mem::payload`. So the ring's own code runs here, compiled in from its files, on memory
//! that it can see: one copy of it, headers and progress as atomics, payload as plain bytes.
//!
//! 1. Whatever the ring's orderings do not order is a race on the payload, and the thread sanitizer ends the program.
//! 2. With `--relaxed` the memory weakens every release store. A run that is *not* ended then shows that nothing was looked at.
//!
//! What it does not see: the fences and `membarrier` of waiting (a lost wake-up is no race; the models look for it), and everything
//! that only a kill or a lie brings about.

mod memory;
mod ring;

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::process::ExitCode;

use memory::{Memory, Window};
use ring::spsc::{Consumer, Item, NoRoom, Producer, Shape};
use ring::{record, slots};
use strait_mem::{Shared as _, SharedMut as _};

const CAPACITY_BYTES: u64 = 4096;
const MESSAGES: u64 = 200_000;

const ITEM_BYTES: u32 = 64;

/// The length of the message of that number: of records, runs of one length, then all lengths, empty and half the ring among them.
fn length(shape: Shape, number: u64) -> usize {
    if let Shape::Slots(_) = shape {
        return ITEM_BYTES as usize;
    }
    match number / 64 % 4 {
        0 => 8,
        1 => 56,
        2 => (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as usize % 300,
        _ => [0, 1, 2048, 64, 1000][(number % 5) as usize],
    }
}

fn main() -> ExitCode {
    let is_relaxed = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--relaxed") => true,
        Some(other) => {
            eprintln!("threads: '{other}' is not known");
            return ExitCode::from(2);
        }
    };
    let records = |align_bytes| record::Shape::new(CAPACITY_BYTES, align_bytes, 0).map(Shape::Records);
    let slots = slots::Shape::new(CAPACITY_BYTES, ITEM_BYTES).map(Shape::Slots);
    for shape in [records(8), records(64), slots] {
        let Some(shape) = shape else { return ExitCode::FAILURE };
        let bench = Bench { shape, memory: Memory::new(shape.ring_bytes(), is_relaxed) };
        bench.run();
        println!("{MESSAGES} messages, {shape:?}");
    }
    ExitCode::SUCCESS
}

/// What the two threads share.
struct Bench {
    shape: Shape,
    memory: Memory,
}

impl Bench {
    /// Sends in a thread of its own and receives here.
    ///
    /// A bare thread: the standard library is not built for the sanitizer, which takes what its own threads share for races.
    fn run(&self) {
        extern "C" fn sending(bench: *mut c_void) -> *mut c_void {
            // SAFETY: `run` passes itself, and joins this thread before it returns.
            let bench = unsafe { &*bench.cast::<Bench>() };
            send(bench.shape, &bench.memory);
            std::ptr::null_mut()
        }
        let bench = std::ptr::from_ref(self).cast_mut().cast();
        let mut thread = MaybeUninit::uninit();
        // SAFETY: the place for the thread's id is ours; no attributes; `sending` takes the pointer as what it is.
        let refused = unsafe { libc::pthread_create(thread.as_mut_ptr(), std::ptr::null(), sending, bench) };
        assert_eq!(refused, 0, "a thread");
        receive(self.shape, &self.memory);
        // SAFETY: initialised, for the thread was made.
        let thread = unsafe { thread.assume_init() };
        // SAFETY: joined once; what it returns is of no interest.
        let refused = unsafe { libc::pthread_join(thread, std::ptr::null_mut()) };
        assert_eq!(refused, 0, "its end");
    }
}

fn send(shape: Shape, memory: &Memory) {
    let mut ring = Producer::attach(shape, memory.ring(), memory.sender(), memory.receiver()).expect("sound");
    let mut bytes = vec![0; 2048];
    for number in 0..MESSAGES {
        let len = length(shape, number);
        bytes[..len].fill(number as u8);
        if number % 5 == 0 {
            ring.commit();
            if ring.put_ready(&bytes[..len]) {
                continue;
            }
        }
        let staged = loop {
            match ring.stage(len as u32) {
                Ok(staged) => break staged,
                Err(NoRoom::Until(_)) => {
                    // What is published must be seen, or no room is made.
                    ring.commit();
                    std::thread::yield_now();
                }
                Err(NoRoom::Fault(fault)) => panic!("{fault}"),
            }
        };
        ring.ring().write(staged.payload, &bytes[..len]);
        // Some alone, some in batches.
        if number % 7 < 4 {
            ring.commit();
            ring.publish_and_commit(staged, len as u32, 1);
        } else {
            ring.publish(staged, len as u32, 1);
        }
    }
    ring.commit();
}

/// The fast way, now and then with a moment before it.
fn front_soon(ring: &mut Consumer<Window<'_>, Window<'_>, Window<'_>>, number: u64) -> Option<Item> {
    ring::spsc::either!(Consumer, ring, ring => {
        ring.get_ready(number % 3 > 0);
        ring.front_soon(0)
    })
}

fn receive(shape: Shape, memory: &Memory) {
    let mut ring = Consumer::attach(shape, memory.ring(), memory.receiver(), memory.sender()).expect("sound");
    let mut bytes = vec![0; 2048];
    for number in 0..MESSAGES {
        let front = loop {
            if let Some(front) = front_soon(&mut ring, number) {
                break front;
            }
            match ring.front().expect("sound") {
                Some(front) => break front,
                None => std::thread::yield_now(),
            }
        };
        let message = &mut bytes[..front.len_bytes as usize];
        ring.ring().read(front.offset, message);
        assert_eq!(message.len(), length(shape, number), "message {number}");
        assert!(message.iter().all(|&byte| byte == number as u8), "message {number}");
        ring.take(1);
        ring.release();
    }
}
