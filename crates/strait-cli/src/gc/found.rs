//! One object that may be dead, and its removal.

use crate::text::safe;
use std::time::{Duration, SystemTime};
use strait::Error;
use strait::gc::{self, Foreign, Unheld, Verdict};
use strait::region::Place;

/// One object.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// As a person knows it, and may be shown.
    pub(super) name: String,
    /// `mpmc`, `mutex`, `posix-shm`.
    pub(super) kind: String,
    /// What its removal frees.
    pub(super) bytes: u64,
    /// How long ago it was made, or last changed.
    pub(super) age: Option<Duration>,
    pub(super) is: Is,
    pub(super) target: Target,
}

/// What is said of it.
#[derive(Clone, Debug)]
pub(super) enum Is {
    /// Dead, with the proof.
    Dead(String),
    /// Not to be removed: in one word, and in a sentence.
    Kept(&'static str, String),
}

#[derive(Clone, Debug)]
pub(super) enum Target {
    /// Strait's own.
    Own(Place),
    Foreign(Foreign),
}

/// What came of a removal.
#[derive(Debug)]
pub(super) enum Outcome {
    Removed,
    /// Somebody else has removed it.
    Gone,
    /// Somebody has come meanwhile.
    Kept(String),
    Refused(Error),
}

impl Found {
    pub(super) fn is_dead(&self) -> bool {
        matches!(self.is, Is::Dead(_))
    }

    /// The same, which must be kept.
    pub(super) fn because(&self, why: String) -> Self {
        Self { is: Is::Kept("kept", safe(&why)), ..self.clone() }
    }

    /// Asks again, and removes it if it is still dead.
    pub(super) fn remove(&self) -> Outcome {
        let came = || Outcome::Kept("somebody has come meanwhile".to_owned());
        match &self.target {
            Target::Own(place) => match gc::sweep(place) {
                Ok(Verdict::Dead(_)) => Outcome::Removed,
                Ok(Verdict::Gone) => Outcome::Gone,
                Ok(_) => came(),
                Err(error) => Outcome::Refused(error),
            },
            Target::Foreign(foreign) => match gc::remove_unheld(foreign) {
                Ok(Unheld::Nobody) => Outcome::Removed,
                Ok(Unheld::Gone) => Outcome::Gone,
                Ok(_) => came(),
                Err(error) => Outcome::Refused(error),
            },
        }
    }
}

/// How long ago the later of two moments was, by a clock that may have been set since.
pub(super) fn age_of(changed: Option<SystemTime>, used: Option<SystemTime>) -> Option<Duration> {
    changed.max(used).map(|at| at.elapsed().unwrap_or_default())
}
