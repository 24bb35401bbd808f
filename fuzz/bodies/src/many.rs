//! The channels of many, while somebody scribbles: before their ends attach, and between their calls.
//!
//! | byte of the input | |
//! |---:|---|
//! | 0, bits 0..2 | the channel: `mpmc`, `broadcast`, `watch`, `rpc` |
//! | bit 2 | messages are `[u8]`, and not `u64` |
//! | bit 3 | others may write the memory, so it is not lent |
//! | bit 4 | the region begins as nothing but the input; else it is that of a sound channel that was used |
//! | bit 5 | messages of a broadcast lie in blocks |
//! | 1.. | steps, each begun by a byte: scribble (offset u16, length less 1 (mod 16), bytes), attach, leave, and calls of each end |
//!
//! Claim: each end attaches and works, or says why not; each call returns, with a value or a typed error. No call here waits.

use std::os::fd::OwnedFd;
use std::sync::OnceLock;
use std::time::Duration;
use strait::channel::{broadcast, mpmc, rpc, watch};
use strait::region::{self, Place, Region};

use crate::region::{again, memfd};
use crate::script::Script;

const STEPS_MAX: u32 = 300;
/// The longest message, where messages are slices.
const BYTES_MAX: u32 = 40;
/// Ends of each role.
const ENDS: usize = 2;
const BLOCKS: u32 = 6;
/// At once, by one subscriber.
const HELD_MAX: usize = 3;

/// An end; called with how it is to be used.
type End = Box<dyn FnMut(u8)>;
type Attached = strait::Result<End>;
/// Attaches to a memfd, in the first or in the second role.
type Attach = fn(OwnedFd, usize) -> Attached;

/// The channels with either type of message.
const CHANNELS: [[Attach; 2]; 4] = [
    [mpmc_of_words, mpmc_of_bytes],
    [broadcast_of_words, broadcast_of_bytes],
    [watch_of_words, watch_of_bytes],
    [rpc_of_words, rpc_of_bytes],
];

/// Plays what the input says on a channel of many.
pub fn many(input: &[u8]) {
    let mut script = Script::new(input);
    let control = script.byte();
    let (channel, is_slice) = (usize::from(control & 3), usize::from(control >> 2 & 1));
    let blocks = if control & 32 == 0 { 0 } else { BLOCKS };
    let bytes = if control & 16 == 0 { sound(channel, is_slice, blocks) } else { script.rest() };
    if bytes.is_empty() {
        return;
    }
    let fd = memfd(bytes, true, if control & 8 == 0 { 0o600 } else { 0o666 });
    let liar = Region::from_fd(again(&fd), &region::Options::new()).expect("our own");
    let attach = CHANNELS[channel][is_slice];
    let mut ends: [[Option<End>; ENDS]; 2] = [[None, None], [None, None]];
    for _ in 0..STEPS_MAX {
        if script.is_over() {
            break;
        }
        let step = script.byte();
        let (role, seat, how) = (usize::from(step >> 2 & 1), usize::from(step >> 3 & 1), step >> 4);
        match step & 3 {
            0 => scribble(&liar, &mut script),
            1 if how == 0 => ends[role][seat] = None,
            1 => {
                ends[role][seat] = None;
                let attached = attach(again(&fd), role);
                ends[role][seat] = attached.map_err(|error| assert!(error.to_string().contains(": "), "{error}")).ok();
            }
            _ => {
                let end = ends[role][seat].as_mut();
                end.into_iter().for_each(|end| end(how));
            }
        }
    }
}

fn scribble(liar: &Region, script: &mut Script<'_>) {
    let offset = u64::from(script.u16()) % liar.len();
    let len = usize::from(script.byte() % 16) + 1;
    let bytes = script.bytes(len.min((liar.len() - offset) as usize));
    liar.write(offset, bytes).expect("inside");
}

/// The region of a channel whose ends have used it and left.
fn sound(channel: usize, is_slice: usize, blocks: u32) -> &'static [u8] {
    static SOUND: [[[OnceLock<Vec<u8>>; 2]; 2]; 4] = [const { [const { [const { OnceLock::new() }; 2] }; 2] }; 4];
    SOUND[channel][is_slice][usize::from(blocks > 0)].get_or_init(|| {
        let fd = created(channel, is_slice, blocks);
        let attach = CHANNELS[channel][is_slice];
        let mut ends = [0, 1].map(|role| attach(again(&fd), role).expect("a seat"));
        for how in 0..8 {
            ends.iter_mut().for_each(|end| end(how));
        }
        drop(ends);
        let region = Region::from_fd(fd, &region::Options::new()).expect("mapped");
        let mut bytes = vec![0; region.len() as usize];
        region.read(0, &mut bytes).expect("read");
        bytes
    })
}

/// A descriptor of a new channel.
fn created(channel: usize, is_slice: usize, blocks: u32) -> OwnedFd {
    let place = || Place::memfd("fuzz");
    let fd = match (channel, is_slice) {
        (0, 0) => {
            mpmc::Producer::<u64>::create(place(), &of_jobs()).expect("create").fd().map(|it| it.try_clone_to_owned())
        }
        (0, _) => {
            mpmc::Producer::<[u8]>::create(place(), &of_jobs()).expect("create").fd().map(|it| it.try_clone_to_owned())
        }
        (1, 0) => broadcast::Publisher::<u64>::create(place(), &of_news().blocks(blocks))
            .expect("create")
            .fd()
            .map(|it| it.try_clone_to_owned()),
        (1, _) => broadcast::Publisher::<[u8]>::create(place(), &of_news().blocks(blocks))
            .expect("create")
            .fd()
            .map(|it| it.try_clone_to_owned()),
        (2, 0) => {
            watch::Writer::<u64>::create(place(), &of_values()).expect("create").fd().map(|it| it.try_clone_to_owned())
        }
        (2, _) => {
            watch::Writer::<[u8]>::create(place(), &of_values()).expect("create").fd().map(|it| it.try_clone_to_owned())
        }
        (_, 0) => {
            return rpc::Client::<u64, u64>::create(place(), &of_calls())
                .expect("create")
                .try_clone_fd()
                .expect("has one");
        }
        _ => {
            return rpc::Client::<[u8], [u8]>::create(place(), &of_calls())
                .expect("create")
                .try_clone_fd()
                .expect("has one");
        }
    };
    fd.expect("a memfd").expect("a descriptor")
}

fn of_jobs() -> mpmc::Options {
    mpmc::Options::new().seats(5).capacity(4).kinds(2).job_max_bytes(BYTES_MAX).restartable(true)
}

fn of_news() -> broadcast::Options {
    let options = broadcast::Options::new().publishers(2).subscribers(3).capacity(14).from_oldest();
    options.max_message_bytes(BYTES_MAX.into()).policy(broadcast::Policy::DropOldest).restartable(true)
}

fn of_values() -> watch::Options {
    watch::Options::new().readers(3).max_message_bytes(BYTES_MAX.into()).restartable(true)
}

fn of_calls() -> rpc::Options {
    let options = rpc::Options::new().clients(3).servers(3).in_flight(2).restartable(true);
    options.max_request_bytes(BYTES_MAX).max_answer_bytes(BYTES_MAX)
}

/// A message made of a number, of either type.
fn word(how: u8) -> u64 {
    u64::from(how)
}

fn bytes(how: u8) -> Vec<u8> {
    vec![how; usize::from(how) * 3 % (BYTES_MAX as usize + 1)]
}

/// The ends of one channel, for one type of message: what a message is made by, and how one is borrowed.
macro_rules! ends {
    ($mpmc:ident, $broadcast:ident, $watch:ident, $rpc:ident, $type:ty, $made:ident, $get:ident, $changed:ident) => {
        fn $mpmc(fd: OwnedFd, role: usize) -> Attached {
            if role == 0 {
                let mut tx = mpmc::Producer::<$type>::from_fd(fd, &of_jobs())?;
                return Ok(Box::new(move |how| {
                    let _ = tx.try_push_kind(u32::from(how & 1), &$made(how));
                    let _ = (tx.len(), tx.workers(), tx.producers());
                }));
            }
            let mut rx = mpmc::Worker::<$type>::from_fd(fd, &of_jobs())?;
            Ok(Box::new(move |how| {
                let kinds = if how & 8 == 0 { mpmc::Kinds::ALL } else { mpmc::Kinds::from(1) };
                match rx.try_pop_kind(kinds) {
                    Ok(job) if how & 3 == 0 => job.nack(),
                    Ok(job) if how & 3 == 1 => job.nack_after(Duration::ZERO),
                    Ok(job) => job.ack(),
                    Err(_) => {}
                }
                let _ = rx.len();
            }))
        }

        fn $broadcast(fd: OwnedFd, role: usize) -> Attached {
            if role == 0 {
                let mut tx = broadcast::Publisher::<$type>::from_fd(fd, &of_news())?;
                return Ok(Box::new(move |how| {
                    let _ = tx.try_publish(&$made(how));
                    let _ = (tx.len(), tx.subscribers(), tx.published());
                }));
            }
            let mut rx = broadcast::Subscriber::<$type>::from_fd(fd, &of_news())?;
            let mut held = Vec::new();
            Ok(Box::new(move |how| {
                match how & 3 {
                    0 => drop(rx.try_recv_ref()),
                    1 => held.extend(rx.try_hold()),
                    2 => held.clear(),
                    _ => drop(rx.try_recv()),
                }
                held.truncate(HELD_MAX);
                let _ = (rx.len(), rx.lost(), rx.dropped(), rx.publishers());
            }))
        }

        fn $watch(fd: OwnedFd, role: usize) -> Attached {
            if role == 0 {
                let mut tx = watch::Writer::<$type>::from_fd(fd, &of_values())?;
                return Ok(Box::new(move |how| {
                    let _ = tx.send(&$made(how));
                    let _ = (tx.version(), tx.readers());
                }));
            }
            let mut rx = watch::Reader::<$type>::from_fd(fd, &of_values())?;
            Ok(Box::new(move |how| {
                if how & 1 == 0 {
                    $get(&mut rx)
                } else {
                    $changed(&mut rx)
                }
                let _ = (rx.version(), rx.has_changed(), rx.writer_state());
            }))
        }

        fn $rpc(fd: OwnedFd, role: usize) -> Attached {
            if role == 0 {
                let client = rpc::Client::<$type, $type>::from_fd(fd, &of_calls())?;
                return Ok(Box::new(move |how| {
                    // A call that is dropped is given up.
                    if let Ok(mut call) = client.try_start(&$made(how)) {
                        let _ = call.try_wait();
                    }
                    let _ = (client.in_flight(), client.servers());
                }));
            }
            let server = rpc::Server::<$type, $type>::from_fd(fd, &of_calls())?;
            Ok(Box::new(move |how| {
                match server.try_recv() {
                    Ok(request) if how & 3 == 0 => {
                        let _ = request.fail(how.into());
                    }
                    Ok(request) => {
                        let _ = request.is_abandoned();
                        let _ = request.answer(&$made(how));
                    }
                    Err(_) => {}
                }
                let _ = server.clients();
            }))
        }
    };
}

ends!(mpmc_of_words, broadcast_of_words, watch_of_words, rpc_of_words, u64, word, get_word, changed_word);
ends!(mpmc_of_bytes, broadcast_of_bytes, watch_of_bytes, rpc_of_bytes, [u8], bytes, get_bytes, changed_bytes);

fn get_word(rx: &mut watch::Reader<u64>) {
    let _ = rx.try_get();
}

fn changed_word(rx: &mut watch::Reader<u64>) {
    let _ = rx.try_changed();
}

fn get_bytes(rx: &mut watch::Reader<[u8]>) {
    let _ = rx.try_get(&mut Vec::new());
}

fn changed_bytes(rx: &mut watch::Reader<[u8]>) {
    let _ = rx.try_changed(&mut Vec::new());
}
