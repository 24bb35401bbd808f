//! Locks in shared memory, between processes and threads. Whoever dies, the others go on within 100 ms.
//!
//! | you want | use |
//! |---|---|
//! | a value that one at a time reads and changes | [`Mutex`] |
//! | a value that is read often, by many at a time, and changed seldom | [`RwLock`] |
//! | to wait until a value under a mutex has changed | [`Condvar`] |
//! | at most so many at a time, or signals that are counted | [`Semaphore`] |
//! | that something has happened: told to all, or to one | [`Event`] |
//! | something done once, by whoever comes first | [`Once`] |
//! | a point that all pass together | [`Barrier`] |
//! | a count, or a lock, that is shared with C programs | [`PosixSemaphore`], [`SysvSemaphores`], [`PthreadMutex`] |
//!
//! What holds for strait's own, all but the last line:
//!
//! 1. **A lock has a place**, as a channel has: a name, a memfd that is handed over, or a file
//!    ([`Place`](crate::region::Place)). The name goes with its last user, or stays if the lock is
//!    [`restartable`](Options::restartable).
//! 2. **A user has a seat** in it, and the kernel keeps a lock on that seat for as long as the process lives. Every claim names the seat in
//!    the very word that makes it, so at every instruction it is known whose it is. Who dies is found by who waits, and by nobody's clock.
//! 3. **No system call** while nobody is in the way. Who must wait spins for a moment and then sleeps, at 0 % CPU.
//! 4. **Every call that waits** comes also as one that never does (`try_`) and as one that waits for a time (`_timeout`).
//! 5. **A handle is one user**, and belongs to one thread at a time; another thread has its own. One that was made before a fork says `Forked`
//!    in the child.
//! 6. **Strangers' words are not believed.** A user that lies can let two in at once, or nobody, as one that never unlocks can. It cannot make
//!    another one crash, or read a value that is not plain data.

pub mod barrier;
mod c_place;
pub(crate) mod claim;
pub mod condvar;
mod error;
pub mod event;
mod frame;
mod holder;
pub mod mutex;
pub mod once;
mod options;
pub mod posix_semaphore;
pub mod pthread_mutex;
pub mod rwlock;
pub(crate) mod seen;
pub mod semaphore;
pub mod sysv_semaphores;
mod user;
mod waiters;

#[cfg(test)]
mod model;

pub use barrier::Barrier;
pub use condvar::Condvar;
pub use error::{HandleError, TryWaitError, WaitTimeoutError};
pub use event::Event;
pub use holder::Holder;
pub use mutex::Mutex;
pub use once::Once;
pub use options::Options;
pub use posix_semaphore::PosixSemaphore;
pub use pthread_mutex::PthreadMutex;
pub use rwlock::RwLock;
pub use semaphore::Semaphore;
pub use sysv_semaphores::SysvSemaphores;

use crate::channel::hub;
use crate::channel::layout::{Field, bits};

/// Name, first bit and number of bits of what is in a word.
type BitRow = (&'static str, u32, u32);

/// The table of a lock with so many users: what all have, and its body, of which these words are made of bits.
fn layout_of(users: u32, body: impl Iterator<Item = Field>, words: &[(&str, &[BitRow])]) -> Vec<Field> {
    let mut table = hub::layout::fields(users);
    table.extend(hub::layout::shared(&user::SHARED_FIELDS));
    table.extend((0..users).flat_map(|seat| hub::layout::progress(seat, &user::PROGRESS_FIELDS)));
    table.extend(body);
    for field in &mut table {
        if let Some((_, rows)) = words.iter().find(|(name, _)| *name == field.name) {
            field.bits = bits(rows);
        }
    }
    table.sort_by_key(|it| it.offset);
    table
}

/// `docs/format.md` has a row for each of these fields, and each of these bits, under that heading.
#[cfg(test)]
fn assert_documented(heading: &str, fields: &[(&str, usize, usize)], bits: &[BitRow]) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/format.md");
    let text = std::fs::read_to_string(path).expect("docs/format.md is part of the repository");
    let (_, text) = text.split_once(heading).expect("a part of its own");
    let text = text.split("\n#").next().unwrap_or_default();
    let has = |cells: &[String]| {
        let is_there = text.lines().any(|line| {
            let row: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            row.len() >= cells.len() && cells.iter().zip(row).all(|(a, b)| a == b)
        });
        assert!(is_there, "docs/format.md has no row {cells:?} under {heading}");
    };
    for (name, offset, len) in fields {
        has(&[offset.to_string(), len.to_string(), format!("`{name}`")]);
    }
    for (name, first, count) in bits {
        has(&[format!("{first}..{}", first + count), format!("`{name}`")]);
    }
}
