//! The memory that an input describes, and descriptors to hand to strait.

use rustix::fs::{MemfdFlags, Mode, SealFlags, fchmod, fcntl_add_seals, ftruncate, memfd_create};
use std::os::fd::OwnedFd;
use strait::channel::spsc::{Options, Receiver, Sender};
use strait::region::{Place, Region};

use crate::ends::Ends;

pub(crate) const SENDER_SIDE: usize = 4096;
pub(crate) const RECEIVER_SIDE: usize = 8192;
pub(crate) const RING: usize = 12_288;
/// The smallest ring.
pub(crate) const CAPACITY: usize = 4096;
/// A whole region with such a ring, page of margin included.
pub(crate) const REGION: usize = RING + CAPACITY + 4096;

/// A memfd with these bytes.
pub(crate) fn memfd(bytes: &[u8], is_sealed: bool, mode: u32) -> OwnedFd {
    let fd = memfd_create("fuzz", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).expect("a memfd");
    fchmod(&fd, Mode::from_raw_mode(mode)).expect("our own");
    ftruncate(&fd, bytes.len() as u64).expect("memory");
    let mut rest = bytes;
    let mut offset = 0;
    while !rest.is_empty() {
        let written = rustix::io::pwrite(&fd, rest, offset).expect("memory");
        rest = &rest[written..];
        offset += written as u64;
    }
    if is_sealed {
        fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL).expect("allowed");
    }
    fd
}

/// The same memory once more.
pub(crate) fn again(fd: &OwnedFd) -> OwnedFd {
    fd.try_clone().expect("a descriptor")
}

/// A sound restartable channel in which five messages were sent and two received; both sides have left. Without what differs from run to
/// run, the numbers for people.
pub(crate) fn sound<M: Ends + ?Sized>() -> Vec<u8> {
    let options = Options::new().capacity_bytes(CAPACITY as u64).restartable(true);
    let mut tx = Sender::<M>::create(Place::memfd("fuzz"), &options).expect("create");
    let fd = tx.fd().expect("a memfd").try_clone_to_owned().expect("a descriptor");
    let mut rx = Receiver::<M>::from_fd(again(&fd), &options).expect("attach");
    for seed in 1..=5 {
        M::send(&mut tx, 0, 9, seed);
    }
    M::receive(&mut rx, 0);
    M::receive(&mut rx, 0);
    drop((tx, rx));
    let mut bytes = vec![0; REGION];
    Region::from_fd(fd, &strait::region::Options::new()).expect("map").read(0, &mut bytes).expect("read");
    bytes[56..104].fill(0);
    for side in [SENDER_SIDE, RECEIVER_SIDE] {
        // The core, and who it was.
        bytes[side + 12..side + 16].fill(0);
        bytes[side + 192..side + 224].fill(0);
    }
    bytes
}

/// The same channel as its creator leaves it: nobody was there, nothing was sent.
pub(crate) fn fresh(sound: &[u8]) -> Vec<u8> {
    let mut bytes = sound.to_vec();
    bytes[SENDER_SIDE..].fill(0);
    bytes
}

/// Makes a sound channel one that is not restartable.
pub(crate) fn make_pipe_like(bytes: &mut [u8]) {
    bytes[48] &= !2;
}
