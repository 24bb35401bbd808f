//! The latest value: one writer, readers that never make it wait. A sequence lock.
//!
//! | offset | field | who writes |
//! |---:|---|---|
//! | 0 | writes begun and ended: odd while one is under way | writer |
//! | 8 | the value, in words of their own | writer |

use std::hint::spin_loop;
use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::fence;

use crate::job::Job;
use crate::payload::whole;
use crate::raw::{Shared, Word};
use crate::seam::{End, Latest, Way};

struct Lock {
    sequence: Word<AtomicU64>,
    words: Vec<Word<AtomicU64>>,
    last: u64,
}

pub(crate) fn open(job: &Job, me: usize) -> io::Result<End> {
    let way = Way { job, name: format!("{}-latest", job.name), creates: me == 0, senders: 1, receivers: 1 };
    let shared = Shared::of(&way, 4096)?;
    let words = (0..job.words()).map(|n| shared.word(8 + 8 * n)).collect();
    Ok(End::Latest(Box::new(Lock { sequence: shared.word(0), words, last: 0 })))
}

impl Latest for Lock {
    fn write(&mut self, stamp: u64) -> io::Result<()> {
        let sequence = self.sequence.load(Relaxed);
        self.sequence.store(sequence + 1, Relaxed);
        // SEQLOCK-ODD: the odd number is seen before any word of the new value.
        fence(Release);
        self.words.iter().for_each(|word| word.store(stamp, Relaxed));
        // Release, SEQLOCK-EVEN: all words are written before the even number is seen.
        self.sequence.store(sequence + 2, Release);
        Ok(())
    }

    fn read_times(&mut self, times: u64) -> io::Result<u64> {
        for _ in 0..times {
            loop {
                // Acquire, pairs with SEQLOCK-EVEN.
                let before = self.sequence.load(Acquire);
                let stamp = self.words[0].load(Relaxed);
                let differs = self.words.iter().fold(0, |bits, word| bits | (word.load(Relaxed) ^ stamp));
                // Pairs with SEQLOCK-ODD: had a word been new, the number would be seen to be odd.
                fence(Acquire);
                if before % 2 == 0 && self.sequence.load(Relaxed) == before {
                    assert!(stamp >= self.last, "an older value came after a newer one");
                    self.last = whole(stamp, differs);
                    break;
                }
                spin_loop();
            }
        }
        Ok(self.last)
    }
}
