//! Attaching to any bytes.
//!
//! | byte of the input | |
//! |---:|---|
//! | 0, bits 0..2 | the message type: `u64`, `[u8]`, `[u32]`, `[u64; 9]` (in slots) |
//! | bit 2 | the sender attaches first |
//! | bits 3..5 | a sealed memfd, one that is not sealed, one that others may write, a POSIX object with a name |
//! | bits 5..7 | the region begins as nothing but the input; zeros; a sound channel that was used; one that was not |
//! | bit 7 | a sound one is not restartable |
//! | 1.. | the region; or, for the others, changes: offset u16, length less 1 (mod 16), bytes |
//!
//! Claim: each end attaches and works, or says why not; what was refused stays refused for no worse reason than before; the name
//! is gone or there, and nothing else of it.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::OnceLock;
use strait::channel::spsc::{Options, Receiver, Sender};

use crate::ends::{Ends, Receiving, Sending};
use crate::region::{self, REGION};
use crate::script::Script;

/// Attaches both ends to the region that the input describes, and uses what attaches.
pub fn attach(input: &[u8]) {
    match input.first().unwrap_or(&0) & 3 {
        0 => attach_as::<u64>(input),
        1 => attach_as::<[u8]>(input),
        2 => attach_as::<[u32]>(input),
        _ => attach_as::<[u64; 9]>(input),
    }
}

fn attach_as<M: Ends + ?Sized>(input: &[u8]) {
    let mut script = Script::new(input);
    let control = script.byte();
    let bytes = bytes::<M>(control >> 5 & 3, control & 128 != 0, script);
    let object = match control >> 3 & 3 {
        0 => Object::Memfd(region::memfd(&bytes, true, 0o600)),
        1 => Object::Memfd(region::memfd(&bytes, false, 0o600)),
        2 => Object::Memfd(region::memfd(&bytes, true, 0o666)),
        _ => Object::Named(Name::with(&bytes)),
    };
    let options = Options::new();
    let (mut rx, mut tx) = (None, None);
    for is_sender in if control & 4 != 0 { [true, false] } else { [false, true] } {
        if is_sender {
            tx = object.sender::<M>(&options).map(Sending::new);
        } else {
            rx = object.receiver::<M>(&options).map(Receiving::new);
        }
    }
    for how in 0..8 {
        if let Some(tx) = &mut tx {
            tx.send(how, usize::from(how) * 50, how);
        }
        if let Some(rx) = &mut rx {
            rx.receive(how);
        }
    }
    if let Some(tx) = &mut tx {
        tx.send_all();
        let _ = (tx.tx.len(), tx.tx.sent(), tx.tx.receiver_state(), tx.tx.receiver_pid());
    }
    if let Some(rx) = &mut rx {
        rx.receive_all();
        let _ = (rx.rx.len(), rx.rx.received(), rx.rx.sender_state(), rx.rx.sender_pid());
    }
    // A second one of what is there is refused, or gets in where the first was refused.
    let (again_rx, again_tx) = (object.receiver::<M>(&options), object.sender::<M>(&options));
    assert!(rx.is_none() || again_rx.is_none(), "two receivers");
    assert!(tx.is_none() || again_tx.is_none(), "two senders");
}

/// The region that the input describes.
fn bytes<M: Ends + ?Sized>(base: u8, is_pipe_like: bool, mut script: Script<'_>) -> Vec<u8> {
    let mut bytes = match base {
        0 => return script.rest()[..script.rest().len().min(REGION * 2)].to_vec(),
        1 => vec![0; REGION],
        2 => sound::<M>(),
        _ => region::fresh(&sound::<M>()),
    };
    if base > 1 && is_pipe_like {
        region::make_pipe_like(&mut bytes);
    }
    while !script.is_over() {
        let offset = usize::from(script.u16()) % REGION;
        let len = usize::from(script.byte() % 16) + 1;
        let new = script.bytes(len.min(REGION - offset));
        bytes[offset..offset + new.len()].copy_from_slice(new);
    }
    bytes
}

/// The sound channel of each type, made once.
pub(crate) fn sound<M: Ends + ?Sized>() -> Vec<u8> {
    static SOUND: [OnceLock<Vec<u8>>; 4] = [const { OnceLock::new() }; 4];
    let nth = match (M::IS_SLICE, size_of::<M::Item>()) {
        (false, 8) => 0,
        (true, 1) => 1,
        (true, _) => 2,
        _ => 3,
    };
    SOUND[nth].get_or_init(region::sound::<M>).clone()
}

/// Where the bytes are.
enum Object {
    Memfd(OwnedFd),
    Named(Name),
}

impl Object {
    /// What is refused, is refused with a sentence.
    fn receiver<M: Ends + ?Sized>(&self, options: &Options) -> Option<Receiver<M>> {
        let outcome = match self {
            Self::Memfd(fd) => Receiver::from_fd(region::again(fd), options),
            Self::Named(name) => Receiver::open(name.name.as_str(), options),
        };
        outcome.map_err(|error| assert!(error.to_string().contains(": "), "{error}")).ok()
    }

    fn sender<M: Ends + ?Sized>(&self, options: &Options) -> Option<Sender<M>> {
        let outcome = match self {
            Self::Memfd(fd) => Sender::from_fd(region::again(fd), options),
            Self::Named(name) => Sender::open(name.name.as_str(), options),
        };
        outcome.map_err(|error| assert!(error.to_string().contains(": "), "{error}")).ok()
    }
}

/// A POSIX object of this process and thread alone, gone when dropped.
struct Name {
    name: String,
    path: PathBuf,
}

impl Name {
    fn with(bytes: &[u8]) -> Self {
        let thread = format!("{:?}", std::thread::current().id()).replace(|c: char| !c.is_ascii_digit(), "");
        let name = format!("fuzz-{}-{thread}", std::process::id());
        let path = PathBuf::from(format!("/dev/shm/strait.{name}"));
        fs::write(&path, bytes).expect("room in /dev/shm");
        Self { name, path }
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = fs::remove_file(&self.path);
    }
}
