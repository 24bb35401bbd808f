//! Names of users, as `/etc/passwd` has them; where it does not, their numbers serve.

use std::collections::HashMap;
use std::fs;

#[derive(Debug, Default)]
pub(crate) struct Users(HashMap<u32, String>);

impl Users {
    pub(crate) fn read() -> Self {
        let text = fs::read("/etc/passwd").unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        // passwd(5): the first of several names of one number counts, as for everybody.
        let mut names = HashMap::new();
        for line in text.lines() {
            let mut fields = line.split(':');
            let (Some(name), Some(uid)) = (fields.next(), fields.nth(1).and_then(|uid| uid.parse().ok())) else {
                continue;
            };
            names.entry(uid).or_insert_with(|| crate::text::safe(name));
        }
        Self(names)
    }

    /// The user's name, or number.
    pub(crate) fn name(&self, uid: u32) -> String {
        self.0.get(&uid).cloned().unwrap_or_else(|| uid.to_string())
    }
}
