//! What a check says.

use serde::Serialize;

/// How things stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// As it should be.
    Ok,
    /// Good to know.
    Note,
    /// It will hurt some programs, or soon all.
    Warn,
    /// Something cannot work.
    Bad,
}

/// What a check says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// Of which group of checks.
    pub(super) group: &'static str,
    /// What was looked at: `/dev/shm`, `RLIMIT_NOFILE`.
    pub(super) what: &'static str,
    pub(super) state: State,
    /// What was found.
    pub(super) found: String,
    /// What that means, where it is not as it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) means: Option<String>,
    /// Commands or flags that mend it, each for itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) mend: Vec<String>,
}

impl Finding {
    pub(super) fn new(group: &'static str, what: &'static str, state: State, found: impl Into<String>) -> Self {
        Self { group, what, state, found: found.into(), means: None, mend: Vec::new() }
    }

    pub(super) fn means(mut self, means: impl Into<String>) -> Self {
        self.means = Some(means.into());
        self
    }

    pub(super) fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend.push(mend.into());
        self
    }
}
