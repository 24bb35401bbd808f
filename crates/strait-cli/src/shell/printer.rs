//! Standard output: messages as lines, as bytes, or as JSON.
//!
//! 1. A message is written before the next one is received, in as few calls as the kernel allows: nothing waits in a buffer here that
//!    the channel believes delivered.
//! 2. On a terminal, lines show control characters and what is not text as escapes: what a stranger sent moves no cursor.

use super::Failure;
use super::framing::{Framing, FramingArgs};
use super::inlet::{Halt, Letter};
use super::input::words;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;
use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;

/// Options of the output, the same for each verb.
#[derive(Clone, Copy, clap::Args)]
pub(crate) struct PrinterArgs {
    #[command(flatten)]
    framing: FramingArgs,
    /// Write each line with the time at which it was received.
    #[arg(short, long, conflicts_with_all = ["json", "raw", "length_prefixed"])]
    timestamps: bool,
    /// Write each message as a JSON object on a line: time, bytes, text (or base64 of what is not text), and kind, priority, deliveries
    /// where the mechanism has them.
    #[arg(long)]
    json: bool,
}

impl PrinterArgs {
    pub(super) fn framing(self) -> Framing {
        self.framing.framing()
    }
}

pub(super) struct Printer {
    out: File,
    args: PrinterArgs,
    is_terminal: bool,
    buffer: Vec<u8>,
}

#[derive(Serialize)]
struct Object<'m> {
    time: String,
    bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'m str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deliveries: Option<u32>,
}

/// Now, to the microsecond.
fn now() -> String {
    format!("{:.6}", jiff::Timestamp::now())
}

impl Printer {
    pub(super) fn new(args: PrinterArgs) -> Result<Self, Failure> {
        let refused = |e: io::Error| Failure::refused(format!("use standard output: {}", words(&e)));
        let out = File::from(io::stdout().as_fd().try_clone_to_owned().map_err(refused)?);
        Ok(Self { is_terminal: out.is_terminal(), out, args, buffer: Vec::new() })
    }

    /// Writes a message.
    pub(super) fn put(&mut self, letter: &Letter<'_>) -> Result<(), Halt> {
        self.buffer.clear();
        let framing = self.args.framing();
        if self.args.json {
            self.append_json(letter)?;
        } else {
            if self.args.timestamps {
                self.buffer.extend_from_slice(now().as_bytes());
                self.buffer.push(b' ');
            }
            if self.is_terminal && matches!(framing, Framing::Lines | Framing::Null) {
                framing.append(shown(letter.bytes).as_bytes(), &mut self.buffer);
            } else {
                framing.append(letter.bytes, &mut self.buffer);
            }
        }
        self.write()
    }

    fn append_json(&mut self, letter: &Letter<'_>) -> Result<(), Halt> {
        let text = std::str::from_utf8(letter.bytes).ok();
        let object = Object {
            time: now(),
            bytes: letter.bytes.len(),
            text,
            base64: if text.is_none() { Some(STANDARD.encode(letter.bytes)) } else { None },
            kind: letter.kind,
            priority: letter.priority,
            deliveries: letter.deliveries,
        };
        let put = serde_json::to_writer(&mut self.buffer, &object);
        put.map_err(|e| Halt::Failed(Failure::refused(format!("write JSON: {e}"))))?;
        self.buffer.push(b'\n');
        Ok(())
    }

    fn write(&mut self) -> Result<(), Halt> {
        let mut rest = &self.buffer[..];
        while !rest.is_empty() {
            match self.out.write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    // Set so by another program that shares it. What is wrong with it the next write says.
                    let _ = poll(&mut [PollFd::new(&self.out, PollFlags::OUT)], None);
                }
                Err(e) if e.kind() == io::ErrorKind::BrokenPipe => return Err(Halt::Closed),
                Err(e) => return Err(Halt::Failed(Failure::refused(format!("write standard output: {}", words(&e))))),
            }
        }
        Ok(())
    }

    /// Whether nobody reads any more.
    pub(super) fn is_closed(&self) -> bool {
        let mut fds = [PollFd::new(&self.out, PollFlags::empty())];
        let polled = poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
        polled.is_ok() && fds[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
    }
}

/// Text without anything that a terminal would act on.
fn shown(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() && c != '\t' { text.extend(c.escape_default()) } else { text.push(c) }
        }
        text.extend(chunk.invalid().iter().flat_map(|&byte| std::ascii::escape_default(byte)).map(char::from));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_spared() {
        assert_eq!(shown("a\tb ä".as_bytes()), "a\tb ä");
        assert_eq!(shown(b"\x1b[2Jx\r\n"), "\\u{1b}[2Jx\\r\\n");
        assert_eq!(shown(b"a\xffb"), "a\\xffb");
    }
}
