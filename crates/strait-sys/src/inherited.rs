//! `environ(7)`, `execve(2)`: descriptors that whoever started this process left open for it, named in an environment variable.
//!
//! ```text
//! NAME_OF_VARIABLE=jobs=4,results=5
//! ```
//!
//! The variable is an allegation: it may be garbage, or meant for our parent and merely inherited by us. Turning a number into
//! an [`OwnedFd`] asserts that nobody else in this process owns it. That holds because of four rules, and only this file makes
//! such descriptors:
//!
//! 1. A number is taken only if the environment lists it, and never 0, 1 or 2, which belong to `std`.
//! 2. A number is taken at most once in the life of the process, whichever variable lists it (`CLAIMED`).
//! 3. A number is taken only if it is open *without* `FD_CLOEXEC`. Everything that this process itself opens through `std`,
//!    rustix or strait carries that flag from birth, so a descriptor without it came through the exec, and is nobody's yet.
//!    (Code that clears the flag on a descriptor of its own, and lists that number in its own environment, or C code that opens
//!    without the flag a number that a stale variable names, breaks its own descriptor. As with `STDIN_FILENO`, the environment
//!    is part of the contract with whoever starts the program.)
//! 4. It gets `FD_CLOEXEC` at once, so that it goes no further by accident, and rule 3 refuses it from then on.
#![allow(unsafe_code)]

use std::collections::BTreeSet;
use std::fmt;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, PoisonError};

/// Numbers that were taken, for ever (rule 2).
static CLAIMED: Mutex<BTreeSet<RawFd>> = Mutex::new(BTreeSet::new());

/// The text of the variable is no list of descriptors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadList {
    /// The part of it that cannot be.
    pub entry: String,
    /// Why it cannot be.
    pub why: &'static str,
}

/// Why a listed descriptor cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Nothing is open under that number.
    NotOpen,
    /// What is open there was opened by this process itself: the list was meant for another process.
    OwnedHere,
    /// It was taken before.
    Claimed,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOpen => "is not open",
            Self::OwnedHere => "was opened by this program itself",
            Self::Claimed => "was taken before",
        })
    }
}

/// One entry of the list, and the descriptor itself if it can be had.
#[derive(Debug)]
pub struct Listed {
    /// What the starter called it.
    pub name: String,
    /// Its number.
    pub number: RawFd,
    /// The descriptor, now close-on-exec.
    pub fd: Result<OwnedFd, Refused>,
}

/// Takes every descriptor that `variable` lists; `None` if there is no such variable.
///
/// # Errors
///
/// [`BadList`] if the text is anything but `name=number,name=number` with different names and different numbers from 3 on.
/// Nothing was taken then.
///
/// Two `fcntl` calls for each entry; does not block.
pub fn claim_listed(variable: &str) -> Option<Result<Vec<Listed>, BadList>> {
    let text = std::env::var_os(variable)?;
    let entries = match parse(&text.to_string_lossy()) {
        Ok(entries) => entries,
        Err(bad) => return Some(Err(bad)),
    };
    let claim = |(name, number)| Listed { name, number, fd: claim(number) };
    Some(Ok(entries.into_iter().map(claim).collect()))
}

/// Rule 1 is our caller's: `number` was parsed from the environment.
fn claim(number: RawFd) -> Result<OwnedFd, Refused> {
    let mut claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
    if claimed.contains(&number) {
        return Err(Refused::Claimed);
    }
    // SAFETY: F_GETFD takes no pointer; a number that is not open is an error, not undefined.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
    if flags < 0 {
        return Err(Refused::NotOpen);
    }
    if flags & libc::FD_CLOEXEC != 0 {
        return Err(Refused::OwnedHere);
    }
    // SAFETY: F_SETFD takes no pointer. The descriptor is nobody's (rule 3), so nobody's expectation of its flags is broken.
    if unsafe { libc::fcntl(number, libc::F_SETFD, flags | libc::FD_CLOEXEC) } < 0 {
        return Err(Refused::NotOpen);
    }
    claimed.insert(number);
    // SAFETY: the number must be open, owned by nobody else, and closable with close(2). It is open (F_GETFD above). Nobody owns
    // it: rules 1 and 3 say that it came through the exec for whoever reads the list, and rule 2, held by the lock above, that
    // no other `OwnedFd` is made of it here. Any descriptor that survives an exec is closed with close(2).
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// The list, checked as a stranger's text.
fn parse(text: &str) -> Result<Vec<(String, RawFd)>, BadList> {
    let mut entries: Vec<(String, RawFd)> = Vec::new();
    for entry in text.split(',').filter(|_| !text.is_empty()) {
        let bad = |why| BadList { entry: entry.chars().take(80).collect(), why };
        let (name, digits) = entry.split_once('=').ok_or_else(|| bad("is not name=number"))?;
        if name.is_empty() {
            return Err(bad("has no name"));
        }
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(bad("has no number"));
        }
        let number: RawFd = digits.parse().map_err(|_| bad("has a number that no descriptor can have"))?;
        if number < 3 {
            return Err(bad("names standard input, output or error"));
        }
        if entries.iter().any(|(other, _)| other == name) {
            return Err(bad("repeats a name"));
        }
        if entries.iter().any(|(_, other)| *other == number) {
            return Err(bad("repeats a number"));
        }
        entries.push((name.to_owned(), number));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::parse;

    /// A well-formed list comes back entry by entry.
    #[test]
    fn parses_a_list() {
        assert_eq!(parse("jobs=4,a b=17").unwrap(), [("jobs".to_owned(), 4), ("a b".to_owned(), 17)]);
        assert_eq!(parse("").unwrap(), []);
    }

    /// Whatever else a stranger writes is an error that shows the entry.
    #[test]
    fn refuses_garbage() {
        for (text, why) in [
            ("jobs", "name=number"),
            (",", "name=number"),
            ("=4", "no name"),
            ("jobs=", "no number"),
            ("jobs=-4", "no number"),
            ("jobs=+4", "no number"),
            ("jobs=4=5", "no number"),
            ("jobs= 4", "no number"),
            ("jobs=99999999999", "no descriptor can have"),
            ("jobs=2", "standard"),
            ("jobs=4,jobs=5", "repeats a name"),
            ("jobs=4,more=4", "repeats a number"),
        ] {
            let bad = parse(text).unwrap_err();
            assert!(bad.why.contains(why), "{text}: {bad:?}");
        }
    }
}
