//! How a process ended.

use std::fmt;

use strait_sys::strsignal::signal_name;
use strait_sys::waitid::Ended;

/// How a process ended. Its [`Display`](fmt::Display) is for people: `exited with code 3`, `killed by signal 9 (SIGKILL)`,
/// `killed by signal 11 (SIGSEGV), core dumped`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Exit {
    /// It ended by itself with this code, 0 to 255; 0 is success.
    Code(i32),
    /// A signal killed it.
    Signal {
        /// The signal's number.
        number: i32,
        /// The kernel says that it made a core dump, into a file or into the program that `core_pattern` names.
        core_dumped: bool,
    },
    /// It has ended, but its status is lost: some other code in this program waited for it (`wait`, `waitpid(-1)`), or the
    /// program ignores `SIGCHLD` (perhaps since before its own start), which makes the kernel throw the status away.
    Unknown,
}

impl Exit {
    /// Whether it exited with code 0.
    #[must_use]
    pub fn success(&self) -> bool {
        *self == Self::Code(0)
    }

    /// The exit code, if it exited.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        match self {
            Self::Code(code) => Some(*code),
            _ => None,
        }
    }

    /// The number of the signal that killed it, if one did.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        match self {
            Self::Signal { number, .. } => Some(*number),
            _ => None,
        }
    }

    /// Whether the kernel says that it made a core dump.
    #[must_use]
    pub fn core_dumped(&self) -> bool {
        matches!(self, Self::Signal { core_dumped: true, .. })
    }
}

impl From<Ended> for Exit {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Exited(code) => Self::Code(code),
            Ended::Killed { signal, core_dumped } => Self::Signal { number: signal, core_dumped },
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::Signal { number, core_dumped } => {
                write!(f, "killed by signal {number}")?;
                if let Some(name) = signal_name(*number) {
                    write!(f, " ({name})")?;
                }
                f.write_str(if *core_dumped { ", core dumped" } else { "" })
            }
            Self::Unknown => f.write_str("ended, but its exit status was taken by somebody else in this program"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    /// An exit reads as a sentence, with the signal's name.
    #[test]
    fn reads_as_a_sentence() {
        assert_eq!(Exit::Code(3).to_string(), "exited with code 3");
        let killed = |number, core_dumped| Exit::Signal { number, core_dumped }.to_string();
        assert_eq!(killed(9, false), "killed by signal 9 (SIGKILL)");
        assert_eq!(killed(11, true), "killed by signal 11 (SIGSEGV), core dumped");
        assert_eq!(killed(36, false), "killed by signal 36 (SIGRTMIN+2)");
        assert_eq!(killed(99, false), "killed by signal 99");
        assert!(Exit::Unknown.to_string().contains("taken by somebody else"));
    }

    /// Only code 0 is success; a status that is lost is not.
    #[test]
    fn success_is_zero_alone() {
        assert!(Exit::Code(0).success());
        assert!(!Exit::Code(1).success());
        assert!(!Exit::Unknown.success());
    }
}
