//! What can go wrong while something is set up, and whose fault it is.
//!
//! [`Error`] is what creating, opening, attaching and spawning return. It is a sentence for an operator (verb, object,
//! cause, remedy) and a [`ErrorKind`] for a program to decide on. The operations of a channel (`send`, `recv` ...) have small
//! enums of their own, which hand the value back; they live beside their channel.

use std::fmt;
use std::io;

/// The result of setting something up.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whose fault, in the words a program decides on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller asked for something that cannot be: a size of zero, a name with a slash in it.
    Usage,
    /// There is no object of that name.
    NotFound,
    /// There is one already.
    AlreadyExists,
    /// Another live process holds the place that was asked for.
    Busy,
    /// The channel is over: the side that was asked for has come and gone, and the channel is not restartable.
    Closed,
    /// The object belongs to somebody else, or its mode forbids the access.
    Permission,
    /// The file system, the memory or a limit of the system is used up.
    NoSpace,
    /// The object is not what was asked for: not strait's, another format version, another message type.
    Incompatible,
    /// The object contradicts itself: it is shorter than its header says, or a number in it is impossible.
    Damaged,
    /// The time given ran out.
    TimedOut,
    /// The handle was made before a fork and is used in the child.
    Forked,
    /// This kernel, file system or kind of region cannot do it.
    Unsupported,
    /// The kernel refused for another reason; [`Error::raw_os_error`] has the number.
    Kernel,
}

/// An error with a sentence: what was tried on what, why it did not work, and what helps.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<io::Error>,
}

impl Error {
    /// An error that is not the kernel's: `message` is the whole sentence.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// The kernel's refusal of `verb` on `object`: `create region 'feed': permission denied`.
    ///
    /// The kind follows from the error number; `remedy` (may be empty) says what helps.
    pub(crate) fn kernel(verb: &str, object: impl fmt::Display, source: io::Error, remedy: &str) -> Self {
        let kind = kind_of(&source);
        let mut message = format!("{verb} {object}: {}", describe(&source));
        if !remedy.is_empty() {
            message.push_str("; ");
            message.push_str(remedy);
        }
        Self { kind, message, source: Some(source) }
    }

    /// The kernel's refusal in a sentence of its own.
    pub(crate) fn sentence(kind: ErrorKind, message: String, source: io::Error) -> Self {
        Self { kind, message, source: Some(source) }
    }

    /// The same error with a kind that says more than its error number does.
    #[must_use]
    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// [`Self::with_kind`] where `condition` holds.
    #[must_use]
    pub(crate) fn with_kind_if(self, condition: bool, kind: ErrorKind) -> Self {
        if condition { self.with_kind(kind) } else { self }
    }

    /// What kind of error this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The error number (`errno`) where the kernel refused.
    #[must_use]
    pub fn raw_os_error(&self) -> Option<i32> {
        self.source.as_ref().and_then(io::Error::raw_os_error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|e| e as &(dyn std::error::Error + 'static))
    }
}

fn kind_of(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::AlreadyExists => ErrorKind::AlreadyExists,
        io::ErrorKind::PermissionDenied => ErrorKind::Permission,
        io::ErrorKind::OutOfMemory
        | io::ErrorKind::StorageFull
        | io::ErrorKind::QuotaExceeded
        | io::ErrorKind::FileTooLarge => ErrorKind::NoSpace,
        io::ErrorKind::TimedOut => ErrorKind::TimedOut,
        io::ErrorKind::Unsupported => ErrorKind::Unsupported,
        io::ErrorKind::InvalidInput => ErrorKind::Usage,
        _ => ErrorKind::Kernel,
    }
}

/// The kernel's words, lower case and without the number.
fn describe(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::from("unknown error"),
    }
}
