//! Eight bytes each way, and what the C library and the kernel have to tell the other side that they are there: a condition variable with a
//! robust mutex, a semaphore in shared memory, a set of System V semaphores.
//!
//! | offset | field | who writes |
//! |---:|---|---|
//! | 0 | mutex, or semaphore | both |
//! | 64 | condition | both |
//! | 128 | payload | who sends |
//! | 136 | its number | who sends |
//! | 256.. | the same, for the way back | |
//! | 512 | the set's id | here |

use std::io;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};

use strait_sys::semget::{Operation, Patience, semctl_remove, semget, semop};
use strait_sys::shmget::{Create, PRIVATE};

use crate::contender::{Duplex, Side, Site};
use crate::raw::pthread::{Condition, Robust, Semaphore};
use crate::raw::{Shared, Word};

const BACK: usize = 256;
const SET: usize = 512;

/// Where this side sends, and where it receives.
fn ways(site: &Site) -> (usize, usize) {
    if site.side == Side::Here { (0, BACK) } else { (BACK, 0) }
}

/// A mutex, a condition, and what is told under it.
struct Board {
    mutex: Robust,
    has_come: Condition,
    payload: Word<AtomicU64>,
    number: Word<AtomicU64>,
}

impl Board {
    fn open(site: &Site, shared: &Shared, at: usize) -> io::Result<Self> {
        let (mutex, has_come) = match site.side {
            Side::Here => (Robust::make(shared, at)?, Condition::make(shared, at + 64)?),
            Side::There => (Robust::of(shared, at), Condition::of(shared, at + 64)),
        };
        Ok(Self { mutex, has_come, payload: shared.word(at + 128), number: shared.word(at + 136) })
    }
}

struct Boards {
    mine: Board,
    theirs: Board,
    seen: u64,
}

pub(crate) fn condition(site: &Site) -> io::Result<Box<dyn Duplex>> {
    let shared = site.map(4096)?;
    let (mine, theirs) = ways(site);
    let open = |at| Board::open(site, &shared, at);
    Ok(Box::new(Boards { mine: open(mine)?, theirs: open(theirs)?, seen: 0 }))
}

impl Duplex for Boards {
    fn send(&mut self, payload: &[u8]) {
        let board = &self.mine;
        board.mutex.lock();
        board.payload.put(payload);
        // Relaxed: the mutex orders it.
        board.number.store(board.number.load(Relaxed) + 1, Relaxed);
        board.mutex.unlock();
        board.has_come.notify_one();
    }

    fn recv(&mut self, payload: &mut [u8]) {
        let board = &self.theirs;
        board.mutex.lock();
        // Relaxed: the mutex orders it.
        while board.number.load(Relaxed) == self.seen {
            board.has_come.wait(&board.mutex);
        }
        self.seen += 1;
        board.payload.get(payload);
        board.mutex.unlock();
    }
}

/// A semaphore each way.
struct Posts {
    mine: (Semaphore, Word<AtomicU64>),
    theirs: (Semaphore, Word<AtomicU64>),
}

pub(crate) fn semaphore(site: &Site) -> io::Result<Box<dyn Duplex>> {
    let shared = site.map(4096)?;
    let way = |at: usize| {
        let semaphore = match site.side {
            Side::Here => Semaphore::make(&shared, at)?,
            Side::There => Semaphore::of(&shared, at),
        };
        Ok::<_, io::Error>((semaphore, shared.word(at + 128)))
    };
    let (mine, theirs) = ways(site);
    Ok(Box::new(Posts { mine: way(mine)?, theirs: way(theirs)? }))
}

impl Duplex for Posts {
    fn send(&mut self, payload: &[u8]) {
        self.mine.1.put(payload);
        self.mine.0.post();
    }

    fn recv(&mut self, payload: &mut [u8]) {
        self.theirs.0.wait();
        self.theirs.1.get(payload);
    }
}

/// Two semaphores of one set.
struct Set {
    id: i32,
    is_ours: bool,
    mine: (u16, Word<AtomicU64>),
    theirs: (u16, Word<AtomicU64>),
}

pub(crate) fn set(site: &Site) -> io::Result<Box<dyn Duplex>> {
    let shared = site.map(4096)?;
    let place: Word<AtomicU32> = shared.word32(SET);
    let is_ours = site.side == Side::Here;
    if is_ours {
        let id = semget(PRIVATE, 2, Create::New, 0o600)?;
        // Release: for the peer, which is started after this anyway.
        place.store(u32::from_ne_bytes(id.to_ne_bytes()), Release);
    }
    let id = i32::from_ne_bytes(place.load(Acquire).to_ne_bytes());
    let way = |at: usize| (u16::from(at != 0), shared.word(at + 128));
    let (mine, theirs) = ways(site);
    Ok(Box::new(Set { id, is_ours, mine: way(mine), theirs: way(theirs) }))
}

impl Drop for Set {
    fn drop(&mut self) {
        if self.is_ours {
            let _ = semctl_remove(self.id);
        }
    }
}

impl Duplex for Set {
    fn send(&mut self, payload: &[u8]) {
        self.mine.1.put(payload);
        semop(self.id, &[Operation::add(self.mine.0, 1)], Patience::Endless).expect("far from the limit");
    }

    fn recv(&mut self, payload: &mut [u8]) {
        semop(self.id, &[Operation::take(self.theirs.0, 1)], Patience::Endless).expect("nobody removes it");
        self.theirs.1.get(payload);
    }
}
