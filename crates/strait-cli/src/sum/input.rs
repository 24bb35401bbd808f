//! Reading, straight into the memory that the workers read, and cutting between tokens.
//!
//! 1. A block ends behind a line feed if there is one in it, else behind a blank; so no token is cut, and few lines are.
//! 2. A pipe is handed on as it comes, line by line if it comes so; a file in full blocks.
//! 3. Leading zeros that fill a block are left out. Any other token that does is no number: its beginning is told, the rest is read
//!    past.

use crate::exit::Exit;
use crate::say;
use crate::sum::Failure;
use crate::sum::carrier::Feeder;
use memchr::{memchr3, memrchr, memrchr2};
use std::fs::File;
use std::io::{self, BufRead as _, IsTerminal as _, Read};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use strait::pool::Stopped;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
/// How much of an overlong token is kept to be shown.
const TOKEN_SHOWN_BYTES: usize = 36;

/// What the sheet is told of a block.
#[derive(Debug)]
pub(super) struct Tag {
    /// How many bytes of the input it stands for.
    pub(super) bytes: u64,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// Lines.
    Text,
    /// A token longer than a block, of which this is the beginning; the block itself says nothing.
    Overlong(Vec<u8>),
    /// As many leading zeros were left out of the token that follows; the block itself says nothing.
    Zeros,
    /// The end of a file; the block itself says nothing.
    EndOfFile,
}

/// A file to read.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// `None` is standard input.
    path: Option<PathBuf>,
    /// Its size, for a regular file.
    len: Option<u64>,
    /// Device and inode.
    identity: Option<(u64, u64)>,
}

impl Source {
    /// All files, each looked at before the first is read: what cannot be read is better known at once.
    pub(super) fn all(paths: &[PathBuf]) -> Result<Vec<Self>, Failure> {
        if paths.is_empty() {
            return Ok(vec![Self::standard_input()]);
        }
        paths
            .iter()
            .map(|path| if path == Path::new("-") { Ok(Self::standard_input()) } else { Self::file(path) })
            .collect()
    }

    fn standard_input() -> Self {
        let found = io::stdin().as_fd().try_clone_to_owned().and_then(|fd| File::from(fd).metadata()).ok();
        let found = found.filter(std::fs::Metadata::is_file);
        Self {
            path: None,
            len: found.as_ref().map(std::fs::Metadata::len),
            identity: found.map(|f| (f.dev(), f.ino())),
        }
    }

    fn file(path: &Path) -> Result<Self, Failure> {
        let refused = |e: io::Error| Failure::refused(format!("open '{}': {}", path.display(), words(&e)));
        let found = std::fs::metadata(path).map_err(refused)?;
        if found.is_dir() {
            return Err(Failure::refused(format!(
                "read '{}': it is a directory; name the files in it",
                path.display()
            )));
        }
        // Opening a FIFO waits for its writer, so that is left to the moment of reading.
        if !found.file_type().is_fifo() {
            File::open(path).map_err(refused)?;
        }
        let len = found.is_file().then_some(found.len());
        Ok(Self { path: Some(path.to_owned()), len, identity: Some((found.dev(), found.ino())) })
    }

    pub(super) fn name(&self) -> String {
        self.path.as_ref().map_or_else(|| "-".to_owned(), |path| path.display().to_string())
    }

    /// Its size in bytes, if that is known.
    pub(super) fn len(&self) -> Option<u64> {
        self.len
    }

    /// Whether it is this file.
    pub(super) fn is(&self, found: &std::fs::Metadata) -> bool {
        self.len.is_some() && self.identity == Some((found.dev(), found.ino()))
    }
}

/// Whether a person types the numbers.
pub(super) fn is_dialogue(sources: &[Source]) -> bool {
    matches!(sources, [only] if only.path.is_none()) && io::stdin().is_terminal()
}

/// What reads.
pub(super) struct Input {
    pub(super) sources: Vec<Source>,
    pub(super) block_bytes: usize,
    /// In a dialogue: says that an answer has been written, so that the next prompt comes after it.
    pub(super) answers: Option<mpsc::Receiver<()>>,
}

/// Why reading ended early.
pub(super) enum End {
    /// The pool says why.
    Stopped,
    Failed(Failure),
}

impl From<Stopped> for End {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

impl Input {
    /// Hands out everything. What was read before an error is handed out all the same.
    pub(super) fn feed(self, mut feeder: Feeder) -> Result<(), End> {
        let outcome = match &self.answers {
            Some(answers) => self.converse(&mut feeder, answers),
            None => self.sources.iter().try_for_each(|source| self.feed_source(&mut feeder, source)),
        };
        // Stopped while finishing, all there is has been handed out: the collector knows whether it got it all.
        if !matches!(outcome, Err(End::Stopped)) {
            let _ = feeder.finish();
        }
        outcome
    }

    fn feed_source(&self, feeder: &mut Feeder, source: &Source) -> Result<(), End> {
        let refused = |verb: &str, e: &io::Error| {
            End::Failed(Failure { message: format!("{verb} '{}': {}", source.name(), words(e)), exit: Exit::Refused })
        };
        let mut reader: Box<dyn Read> = match &source.path {
            Some(path) => Box::new(File::open(path).map_err(|e| refused("open", &e))?),
            None => Box::new(io::stdin().lock()),
        };
        let mut failed = None;
        self.feed_reader(feeder, &mut |into| match read(&mut *reader, into) {
            Ok(count) => count,
            Err(error) => {
                failed = Some(refused("read", &error));
                0
            }
        })?;
        hand_out(feeder, b" ", Tag { bytes: 0, kind: Kind::EndOfFile })?;
        failed.map_or(Ok(()), Err)
    }

    /// Prompts, reads a line, hands it out, waits for its answer.
    fn converse(&self, feeder: &mut Feeder, answers: &mpsc::Receiver<()>) -> Result<(), End> {
        let stdin = io::stdin();
        let mut line = Vec::new();
        loop {
            say::words("> ");
            line.clear();
            match stdin.lock().read_until(b'\n', &mut line) {
                Ok(0) => {
                    say::line("");
                    return Ok(());
                }
                Ok(_) if line.trim_ascii().is_empty() => return Ok(()),
                Ok(_) => {}
                Err(error) => {
                    let message = format!("read the terminal: {}", words(&error));
                    return Err(End::Failed(Failure { message, exit: Exit::Refused }));
                }
            }
            if !line.ends_with(b"\n") {
                line.push(b'\n');
            }
            let mut rest = line.as_slice();
            let jobs = self.feed_reader(feeder, &mut |into| rest.read(into).unwrap_or(0))?;
            for _ in 0..jobs {
                // A collector that has ended answers nothing more.
                answers.recv().map_err(|_| End::Stopped)?;
            }
        }
    }

    /// Hands out what `read` gives until it gives nothing; says in how many jobs.
    fn feed_reader(&self, feeder: &mut Feeder, read: &mut dyn FnMut(&mut [u8]) -> usize) -> Result<usize, End> {
        // What was read behind the last cut: the beginning of the next block. Never a whole block.
        let mut carry: Vec<u8> = Vec::new();
        let mut is_first = true;
        let mut jobs = 0;
        loop {
            let mut room = feeder.room(self.block_bytes)?;
            room[..carry.len()].copy_from_slice(&carry);
            let mut filled = carry.len();
            let cut = loop {
                let count = read(&mut room[filled..]);
                let mut fresh = filled;
                filled += count;
                if is_first
                    && count > 0
                    && filled < BYTE_ORDER_MARK.len()
                    && BYTE_ORDER_MARK.starts_with(&room[..filled])
                {
                    continue;
                }
                if std::mem::take(&mut is_first) && room[..filled].starts_with(BYTE_ORDER_MARK) {
                    room.copy_within(BYTE_ORDER_MARK.len()..filled, 0);
                    filled -= BYTE_ORDER_MARK.len();
                    fresh = 0;
                    if count > 0 && filled == 0 {
                        continue;
                    }
                }
                if count == 0 {
                    break Cut::End;
                }
                if let Some(at) = memrchr(b'\n', &room[fresh..filled]) {
                    break Cut::Behind(fresh + at);
                }
                if filled == room.len() {
                    break match memrchr2(b' ', b'\t', &room) {
                        Some(at) => Cut::Behind(at),
                        None => Cut::Nowhere,
                    };
                }
            };
            match cut {
                Cut::Behind(at) => {
                    carry.clear();
                    carry.extend_from_slice(&room[at + 1..filled]);
                    room.hand_out(at + 1, Tag { bytes: at as u64 + 1, kind: Kind::Text })?;
                    jobs += 1;
                }
                Cut::End => {
                    jobs += usize::from(filled > 0);
                    room.hand_out(filled, Tag { bytes: filled as u64, kind: Kind::Text })?;
                    return Ok(jobs);
                }
                Cut::Nowhere if spare_zeros(&room).1 > 0 => {
                    let (sign, zeros) = spare_zeros(&room);
                    carry.clear();
                    carry.extend_from_slice(&room[..sign]);
                    carry.extend_from_slice(&room[sign + zeros..]);
                    hand_out(feeder, b" ", Tag { bytes: zeros as u64, kind: Kind::Zeros })?;
                    jobs += 1;
                }
                Cut::Nowhere => {
                    let shown = room[..TOKEN_SHOWN_BYTES].to_vec();
                    carry.clear();
                    let skipped = filled as u64 + read_past_token(read, &mut carry);
                    hand_out(feeder, b" ", Tag { bytes: skipped, kind: Kind::Overlong(shown) })?;
                    jobs += 1;
                }
            }
        }
    }
}

/// Where a block can be cut.
enum Cut {
    /// Behind this byte, a line feed or a blank.
    Behind(usize),
    /// The input ends.
    End,
    /// The block is one token, and that goes on.
    Nowhere,
}

fn hand_out(feeder: &mut Feeder, block: &[u8], tag: Tag) -> Result<(), End> {
    let mut room = feeder.room(block.len())?;
    room[..block.len()].copy_from_slice(block);
    room.hand_out(block.len(), tag)?;
    Ok(())
}

/// How long a token's sign is, and how many zeros after it a digit follows: they add nothing.
fn spare_zeros(token: &[u8]) -> (usize, usize) {
    let sign = token.iter().take(1).filter(|byte| b"+-".contains(byte)).count();
    let zeros = token[sign..].iter().take_while(|&&byte| byte == b'0').count();
    let is_digit_after = token.get(sign + zeros).is_some_and(u8::is_ascii_digit);
    (sign, if is_digit_after { zeros } else { zeros.saturating_sub(1) })
}

/// Reads up to the next separator; `carry` gets it and what was read behind it. Says how many bytes were read past.
fn read_past_token(read: &mut dyn FnMut(&mut [u8]) -> usize, carry: &mut Vec<u8>) -> u64 {
    let mut scratch = vec![0; 16 << 10];
    let mut skipped = 0;
    loop {
        let count = read(&mut scratch);
        if count == 0 {
            return skipped;
        }
        if let Some(at) = memchr3(b' ', b'\t', b'\n', &scratch[..count]) {
            carry.extend_from_slice(&scratch[at..count]);
            return skipped + at as u64;
        }
        skipped += count as u64;
    }
}

fn read(reader: &mut dyn Read, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(into) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// The kernel's words, lower case and without the number.
pub(super) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}
