//! One message each way and a flag: the least that can carry a round trip.
//!
//! | offset | field | who writes |
//! |---:|---|---|
//! | 0 | messages sent, 32 bits: the futex, where the parties sleep | sender |
//! | 64 | the payload; one of up to 56 bytes is in the slot's line with the flag at 64 and lies behind it | sender |

use std::io;
use std::ops::Range;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Release};

use rustix::thread::futex::{self, Flags};

use crate::job::{Job, Shape, Wait};
use crate::payload::Tally;
use crate::raw::{Shared, Slot, Slots, Word};
use crate::seam::{Receiver, Sender, Traits, Way, Wire};

pub(crate) struct Wires;

pub(crate) struct End {
    slot: Slots,
    futex: Word<AtomicU32>,
    wait: Wait,
    turn: u64,
}

fn end(way: &Way<'_>) -> io::Result<End> {
    let slot = Slot::with_word(way.job.bytes);
    let shared = Shared::of(way, 64 + slot.ring_bytes(1))?;
    Ok(End { slot: shared.slots(64, 1, slot), futex: shared.word32(0), wait: way.job.wait, turn: 0 })
}

impl Wire for Wires {
    const TRAITS: Traits =
        Traits { fans_out: false, fans_in: false, shares: false, sleeps: true, selects: false, reopens: false };
    type Tx = End;
    type Rx = End;

    fn tx(way: &Way<'_>) -> io::Result<End> {
        end(way)
    }

    fn rx(way: &Way<'_>) -> io::Result<End> {
        end(way)
    }

    fn cannot(job: &Job) -> Option<&'static str> {
        let turns = matches!(job.shape, Shape::RoundTrip | Shape::Many | Shape::SetUp);
        (!turns).then_some("one message")
    }
}

impl Sender for End {
    fn send_all(&mut self, stamps: Range<u64>) -> io::Result<()> {
        for stamp in stamps {
            self.turn += 1;
            self.slot.fill(0, stamp);
            // Release, LINES-TURN: the payload is written before its flag is seen.
            self.slot.word(0).store(self.turn, Release);
            if self.wait == Wait::Sleep {
                // Release, LINES-WAKE, for who looks at this word alone.
                self.futex.store(self.turn as u32, Release);
                futex::wake(&self.futex, Flags::empty(), 1)?;
            }
        }
        Ok(())
    }
}

impl Receiver for End {
    #[inline(always)]
    fn poll(&mut self, tally: &mut Tally) -> io::Result<bool> {
        // Acquire, pairs with LINES-TURN.
        if self.slot.word(0).load(Acquire) == self.turn {
            return Ok(false);
        }
        self.turn += 1;
        tally.note(self.slot.read(0));
        Ok(true)
    }

    fn recv_all(&mut self, tally: &mut Tally) -> io::Result<()> {
        while !tally.is_full() {
            if self.poll(tally)? {
                continue;
            }
            if self.wait == Wait::Sleep {
                // Acquire, pairs with LINES-WAKE. Whatever ended the wait, the word is looked at again.
                if self.futex.load(Acquire) == self.turn as u32 {
                    let _ = futex::wait(&self.futex, Flags::empty(), self.turn as u32, None);
                }
            } else {
                tally.pause.idle();
            }
        }
        Ok(())
    }
}
