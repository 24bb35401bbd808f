//! Exit codes: the same for every verb.

use std::process::ExitCode;

/// How the command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: done.
    Done,
    /// 1: the answer is no; for `sum`, a line has no sum.
    No,
    /// 2: used wrongly.
    Usage,
    /// 3: the kernel refused.
    Refused,
    /// 4: a process on the other side failed.
    Peer,
    /// 128 and the signal's number: asked to end.
    Signal(u8),
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::No => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Peer => 4,
            Self::Signal(number) => 128_u8.saturating_add(number),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}
