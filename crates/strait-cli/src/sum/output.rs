//! Writing: whole lines go out, and whole lines stay behind, whatever happens.

use crate::exit::Exit;
use crate::sum::Failure;
use crate::sum::guard::Guard;
use crate::sum::input::{Source, words};
use memchr::memrchr;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::Path;
use strait::process::Command;

/// Written at once.
const BUFFER_BYTES: usize = 128 << 10;

/// OUT, or standard output.
pub(super) struct Output {
    name: String,
    file: File,
    /// Complete answers, and perhaps the beginning of one.
    buffer: Vec<u8>,
    /// For a regular file: how long it is up to the last whole line. `None` for what cannot be cut.
    whole_bytes: Option<u64>,
    is_out: bool,
    guard: Option<Guard>,
}

impl Output {
    pub(super) fn open(path: Option<&Path>, sources: &[Source]) -> Result<Self, Failure> {
        let path = path.filter(|path| *path != Path::new("-"));
        let (name, file) = match path {
            Some(path) => (format!("'{}'", path.display()), create(path, sources)?),
            None => {
                let refused = |e: io::Error| Failure::refused(format!("use standard output: {}", words(&e)));
                let fd = io::stdout().as_fd().try_clone_to_owned().map_err(refused)?;
                let file = File::from(fd);
                refuse_input(&file, "standard output", sources)?;
                ("standard output".to_owned(), file)
            }
        };
        let whole_bytes = end_of(&file);
        let buffer = Vec::with_capacity(BUFFER_BYTES * 2);
        Ok(Self { name, file, buffer, whole_bytes, is_out: path.is_some(), guard: None })
    }

    /// Lets the workers cut OUT at its last whole line, should this process be killed.
    pub(super) fn guard(&mut self, command: &mut Command) -> Result<(), Failure> {
        if self.is_out && self.whole_bytes.is_some() {
            self.guard = Some(Guard::new(&self.file, command).map_err(Failure::refused)?);
        }
        Ok(())
    }

    /// Whether a person sees the answers.
    pub(super) fn is_terminal(&self) -> bool {
        self.file.is_terminal()
    }

    /// Appends answers. An error is a sentence, or empty where the reader has gone away and wants none.
    pub(super) fn push(&mut self, answers: &[u8]) -> Result<(), String> {
        self.buffer.extend_from_slice(answers);
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// Writes the complete lines that there are.
    pub(super) fn flush(&mut self) -> Result<(), String> {
        let Some(end) = memrchr(b'\n', &self.buffer).map(|at| at + 1) else { return Ok(()) };
        let mut written = 0;
        while written < end {
            match self.file.write(&self.buffer[written..end]) {
                Ok(0) => return Err(self.refuse(written, &io::ErrorKind::WriteZero.into())),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.refuse(written, &error)),
            }
        }
        self.buffer.drain(..end);
        self.note_whole(end);
        Ok(())
    }

    fn note_whole(&mut self, more: usize) {
        if let Some(whole) = &mut self.whole_bytes {
            *whole += more as u64;
            if let Some(guard) = &self.guard {
                guard.note(*whole);
            }
        }
    }

    /// Takes the `torn` bytes behind the last whole line away again; not if others have written there too.
    fn cut(&self, whole: u64, torn: u64) -> bool {
        let is_ours = self.file.metadata().is_ok_and(|found| found.len() == whole + torn);
        is_ours && self.file.set_len(whole).and_then(|()| (&self.file).seek(SeekFrom::Start(whole))).is_ok()
    }

    /// A write failed after `written` bytes: cuts the file behind the last whole line, and says what is there.
    fn refuse(&mut self, written: usize, error: &io::Error) -> String {
        let whole = memrchr(b'\n', &self.buffer[..written]).map_or(0, |at| at + 1);
        self.note_whole(whole);
        // What follows would have a gap before it.
        self.buffer.clear();
        if error.kind() == io::ErrorKind::BrokenPipe {
            return String::new();
        }
        let name = &self.name;
        let torn = (written - whole) as u64;
        let what = match self.whole_bytes.map(|whole| self.cut(whole, torn)) {
            Some(true) => "; it holds whole lines from the beginning",
            Some(false) => "; its last line may be torn",
            None => "",
        };
        format!("write {name}: {}{what}", words(error))
    }
}

/// Where writing to a regular file begins, if that is its end; nothing behind it is another's, then.
fn end_of(mut file: &File) -> Option<u64> {
    let found = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    let at = file.stream_position().ok()?;
    (at == found.len() || appends(file)).then_some(found.len())
}

/// Whether the kernel puts whatever is written at the end: `>> OUT` in a shell.
fn appends(file: &File) -> bool {
    const O_APPEND: u32 = 0o2000;
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok()).is_some_and(|flags| flags & O_APPEND != 0)
}

/// Opens OUT, empty; not if it is one of the inputs, which would be gone.
fn create(path: &Path, sources: &[Source]) -> Result<File, Failure> {
    let refused = |e: io::Error| Failure::refused(format!("write '{}': {}", path.display(), words(&e)));
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(refused)?;
    refuse_input(&file, &format!("'{}'", path.display()), sources)?;
    if file.metadata().map_err(refused)?.is_file() {
        file.set_len(0).map_err(refused)?;
    }
    Ok(file)
}

/// What is read must not be what is written: that would be destroyed, or grow as it is read.
fn refuse_input(file: &File, name: &str, sources: &[Source]) -> Result<(), Failure> {
    if file.metadata().is_ok_and(|found| sources.iter().any(|source| source.is(&found))) {
        let message = format!("write {name}: it is also an input, which writing would destroy; name another file");
        return Err(Failure { message, exit: Exit::Usage });
    }
    Ok(())
}
