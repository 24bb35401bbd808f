//! What is sent: files one after the other, or standard input, cut into messages.

use super::Failure;
use super::framing::{Framing, Misframed, Splitter};
use super::stop::{Stop, Waited};
use rustix::event::PollFlags;
use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Range;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

/// The messages of all sources.
pub(super) struct Input {
    /// What is still to be opened, the next one last.
    paths: Vec<PathBuf>,
    now: Option<(String, File)>,
    framing: Framing,
    splitter: Splitter,
    /// Messages so far.
    count: u64,
}

/// What comes next.
pub(super) enum Next {
    Message(Range<usize>),
    End,
    /// The command is to end.
    Asked,
}

impl Input {
    pub(super) fn new(files: &[PathBuf], framing: Framing) -> Self {
        let mut paths = files.to_vec();
        if paths.is_empty() {
            paths.push(PathBuf::from("-"));
        }
        paths.reverse();
        Self { paths, now: None, framing, splitter: Splitter::new(framing, 0), count: 0 }
    }

    /// The bytes of a message.
    pub(super) fn message(&self, at: &Range<usize>) -> &[u8] {
        self.splitter.message(at.clone())
    }

    /// The next message, of at most `max_bytes`, which can be changed as `remedy` says; waits for it.
    pub(super) fn next(&mut self, stop: &Stop, max_bytes: usize, remedy: &str) -> Result<Next, Failure> {
        self.splitter.set_max_bytes(max_bytes);
        loop {
            if stop.is_asked() {
                return Ok(Next::Asked);
            }
            let Some((name, file)) = &mut self.now else {
                let Some(path) = self.paths.pop() else { return Ok(Next::End) };
                self.now = Some(open(&path)?);
                self.splitter = Splitter::new(self.framing, max_bytes);
                continue;
            };
            let found = self.splitter.take();
            if let Some(at) = found.map_err(|wrong| refuse(wrong, name, self.count, (max_bytes, remedy)))? {
                self.count += 1;
                return Ok(Next::Message(at));
            }
            if stop.wait_for(file.as_fd(), PollFlags::IN, None) == Waited::Asked {
                return Ok(Next::Asked);
            }
            match self.splitter.fill(|into| file.read(into)) {
                Ok(0) => {
                    let rest =
                        self.splitter.rest().map_err(|wrong| refuse(wrong, name, self.count, (max_bytes, remedy)))?;
                    self.now = None;
                    if let Some(at) = rest {
                        self.count += 1;
                        return Ok(Next::Message(at));
                    }
                }
                Err(e) if !matches!(e.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {
                    return Err(Failure::refused(format!("read {name}: {}", words(&e))));
                }
                Ok(_) | Err(_) => {}
            }
        }
    }
}

fn open(path: &Path) -> Result<(String, File), Failure> {
    if path == Path::new("-") {
        let name = "standard input".to_owned();
        let fd = io::stdin().as_fd().try_clone_to_owned();
        let fd = fd.map_err(|e| Failure::refused(format!("read {name}: {}", words(&e))))?;
        return Ok((name, File::from(fd)));
    }
    let name = format!("'{}'", path.display().to_string().escape_debug());
    let file = File::open(path).map_err(|e| Failure::refused(format!("read {name}: {}", words(&e))))?;
    Ok((name, file))
}

fn refuse(wrong: Misframed, name: &str, count: u64, (max_bytes, remedy): (usize, &str)) -> Failure {
    let number = count + 1;
    Failure::no(match wrong {
        Misframed::TooLong => {
            format!("message {number} of {name} is longer than the {max_bytes} bytes that fit; {remedy}")
        }
        Misframed::Cut { arrived_bytes } => {
            format!("{name} ends in the middle of message {number}, {arrived_bytes} bytes after its beginning")
        }
    })
}

/// The kernel's words, lower case and without the number.
pub(crate) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
