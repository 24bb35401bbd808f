//! The victims: each does one operation between two marks.
//!
//! `PART KIND PLACE pipe|restartable BEFORE COUNT`, where PLACE is `posix:NAME`, `file:PATH` or `fd`, BEFORE is how many messages pass
//! before the operation (`full`: as many as fit), and PART is one of
//!
//! | part | the operation |
//! |---|---|
//! | `send`, `batch`, `reserve` | sends COUNT messages |
//! | `recv`, `lent`, `recv-batch`, `batch-lent` | receives COUNT messages |
//! | `leave-sender`, `leave-receiver` | drops its end; `make-and-leave-sender` has created the channel |
//! | `create-sender`, `open-receiver`, `open-or-create-sender` ... | takes an end |
//! | `die` | no operation: creates a channel as its sender, sends BEFORE messages and is killed |

use super::ends::{Kind, Rx, Tx, Whole, options};
use crate::crash::scratch::{Scratch, TORN};
use crate::crash::stage::{At, How};
use crate::step::Marks;

/// Plays the part that the words say.
///
/// # Panics
/// When they say none, or something goes wrong before the operation begins.
pub fn play(words: &[&str]) {
    let [part, kind, at, mode, before, count] = *words else { panic!("not six words: {words:?}") };
    let role = Role {
        kind: Kind::from_word(kind).expect("a kind"),
        at,
        is_restartable: mode == "restartable",
        before: before.parse().unwrap_or(u64::MAX),
        count: count.parse().expect("a count"),
        scratch: Scratch::inherit().expect("a scratch page"),
        marks: Marks::new(),
    };
    match part {
        "send" | "batch" | "reserve" | "leave-sender" => role.sender(part, How::Open),
        "make-and-leave-sender" => role.sender("leave-sender", How::Create),
        "recv" | "lent" | "recv-batch" | "batch-lent" | "leave-receiver" => role.receiver(part),
        "die" => role.die(),
        _ => role.taker(part),
    }
}

struct Role<'a> {
    kind: Kind,
    at: &'a str,
    is_restartable: bool,
    before: u64,
    count: u64,
    scratch: Scratch,
    marks: Marks,
}

impl Role<'_> {
    fn open_sender(&self, how: How) -> strait::Result<Box<dyn Tx>> {
        self.kind.sender(At::from_word(self.at), how, &options(self.is_restartable))
    }

    fn open_receiver(&self, how: How) -> strait::Result<Box<dyn Rx>> {
        self.kind.receiver(At::from_word(self.at), how, &options(self.is_restartable))
    }

    fn sender(&self, part: &str, how: How) {
        let mut tx = self.open_sender(how).expect("an end");
        let mut sent = 0;
        while sent < self.before && tx.try_send(sent).is_ok() {
            sent += 1;
        }
        self.scratch.log(sent);
        tx.prepare(sent, self.count);
        let Self { scratch, marks, .. } = self;
        let mut outcome = Ok(());
        marks.begin();
        match part {
            "batch" => {
                outcome = tx.send_batch();
                scratch.add_done(self.count);
            }
            "leave-sender" => {
                drop(tx);
                scratch.add_done(1);
                marks.end();
                return;
            }
            _ => {
                for number in sent..sent + self.count {
                    outcome = if part == "send" { tx.send(number) } else { tx.reserve(number) };
                    if outcome.is_err() {
                        break;
                    }
                    scratch.add_done(1);
                }
            }
        }
        marks.end();
        if outcome.is_err() {
            scratch.set_error(1);
        }
    }

    fn receiver(&self, part: &str) {
        let mut rx = self.open_receiver(How::Open).expect("open");
        for number in 0..self.before {
            assert_eq!(rx.recv(number), Ok(Whole(true)));
        }
        self.scratch.log(self.before);
        rx.prepare(self.before, self.count);
        let Self { scratch, marks, .. } = self;
        let mut next = self.before;
        let end = self.before + self.count;
        let mut outcome = Ok(());
        marks.begin();
        match part {
            "leave-receiver" => {
                drop(rx);
                scratch.add_done(1);
                marks.end();
                return;
            }
            "recv" => {
                while next < end && outcome.is_ok() {
                    outcome = rx.recv(next).map(|it| {
                        scratch.log(if it.0 { next } else { TORN });
                        scratch.add_done(1);
                        next += 1;
                    });
                }
            }
            "lent" => {
                while next < end && outcome.is_ok() {
                    let note = &mut |is_whole| scratch.log(if is_whole { next } else { TORN });
                    outcome = rx.lent(next, note).map(|it| {
                        if !it.0 {
                            scratch.log(TORN);
                        }
                        scratch.add_done(1);
                        next += 1;
                    });
                }
            }
            "recv-batch" => {
                while next < end && outcome.is_ok() {
                    outcome = rx.batch(next).map(|(count, it)| {
                        (next..next + count).for_each(|number| scratch.log(if it.0 { number } else { TORN }));
                        scratch.add_done(count);
                        next += count;
                    });
                }
            }
            _ => {
                while next < end && outcome.is_ok() {
                    let note = &mut |count: u64, is_whole| {
                        (next..next + count).for_each(|number| scratch.log(if is_whole { number } else { TORN }));
                    };
                    outcome = rx.batch_lent(next, note).map(|(count, it)| {
                        if !it.0 {
                            scratch.log(TORN);
                        }
                        scratch.add_done(count);
                        next += count;
                    });
                }
            }
        }
        marks.end();
        if outcome.is_err() {
            scratch.set_error(1);
        }
    }

    fn taker(&self, part: &str) {
        let (call, side) = part.rsplit_once('-').expect("a call and a side");
        let how = match call {
            "create" => How::Create,
            "open" => How::Open,
            "open-or-create" => How::OpenOrCreate,
            _ => panic!("no such part: {part}"),
        };
        let Self { scratch, marks, .. } = self;
        if side == "sender" {
            marks.begin();
            let end = self.open_sender(how);
            self.taken(scratch, end.as_ref().err());
            marks.end();
        } else {
            marks.begin();
            let end = self.open_receiver(how);
            self.taken(scratch, end.as_ref().err());
            marks.end();
        }
    }

    fn taken(&self, scratch: &Scratch, error: Option<&strait::Error>) {
        if let Some(error) = error {
            scratch.set_error(error.kind() as u64);
        }
        scratch.add_done(1);
    }

    fn die(&self) {
        let mut tx = self.open_sender(How::Create).expect("create");
        for number in 0..self.before {
            tx.try_send(number).expect("room");
        }
        // SAFETY: the call takes a number.
        unsafe { libc::raise(libc::SIGKILL) };
    }
}
