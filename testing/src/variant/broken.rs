//! Five builds that are broken on purpose, each in a way that a promise forbids. Who says that it would notice must notice these.

use super::Edit;

/// A build that breaks a promise.
#[derive(Clone, Copy, Debug)]
pub struct Broken {
    /// What it does wrong, in a word.
    pub name: &'static str,
    /// What it does wrong, in a sentence.
    pub what: &'static str,
    edits: &'static [(&'static str, &'static str, &'static str)],
}

const RING: &str = "crates/strait/src/ring/records.rs";
const RECORD: &str = "crates/strait/src/ring/record.rs";
const SLOTS: &str = "crates/strait/src/ring/slots.rs";
const LEASE: &str = "crates/strait/src/peer/lease.rs";
const LINK: &str = "crates/strait/src/wait/link.rs";

/// All of them.
pub const BROKEN: [Broken; 5] = [
    Broken {
        name: "publishes-early",
        what: "stores a record's header before its payload is written",
        edits: &[
            (
                RING,
                "        if len_bytes == self.ready.len_bytes {\n",
                "        if len_bytes == self.ready.len_bytes {\n            \
                 self.ring.store_u64(self.ready.payload - WORD_BYTES, self.ready.header, Release);\n",
            ),
            (
                RING,
                "        self.ring.write_fresh(self.ready.payload, bytes);\n",
                "        self.ring.store_u64(self.ready.payload - WORD_BYTES, self.ready.header, Release);\n        \
                 self.ring.write_fresh(self.ready.payload, bytes);\n",
            ),
            (
                RING,
                "        let payload = self.shape.header_offset(start) + WORD_BYTES;\n        Ok(Staged {",
                "        let payload = self.shape.header_offset(start) + WORD_BYTES;\n        \
                 self.ring.store_u64(self.shape.header_offset(start.wrapping_add(words)), 0, Relaxed);\n        \
                 self.ring.store_u64(payload - WORD_BYTES, record::message_header(len_bytes, self.sent), Release);\n        \
                 Ok(Staged {",
            ),
        ],
    },
    Broken {
        name: "keeps-the-dead",
        what: "takes the lease of a dead peer for held, so its slot is never given up and its channel never swept",
        edits: &[
            (
                LEASE,
                "fcntl_locking::held_by_another(fd, FIRST_SLOT + u64::from(slot), 1).map_or(true, |held| held.is_some())",
                "fcntl_locking::held_by_another(fd, FIRST_SLOT + u64::from(slot), 1).map_or(true, |_| true)",
            ),
            (
                LEASE,
                "fcntl_locking::held_by_another(fd, FIRST_SLOT, SLOTS).map_or(true, |held| held.is_some())",
                "fcntl_locking::held_by_another(fd, FIRST_SLOT, SLOTS).map_or(true, |_| true)",
            ),
        ],
    },
    Broken {
        name: "trusts-a-length",
        what: "believes the length that a header alleges",
        edits: &[
            (
                RECORD,
                "let len_bytes = len_bytes.within(self.payload_max_bytes()).map_err(|_| fault(\"record length\"))?;",
                "let len_bytes = len_bytes.for_display();",
            ),
            (
                RECORD,
                "if place + words > self.capacity_words + MARGIN_WORDS {\n            return Err",
                "if false {\n            return Err",
            ),
        ],
    },
    Broken {
        name: "trusts-a-count",
        what: "believes the count that the sender of slots alleges",
        edits: &[(
            SLOTS,
            "let sent = Claim::new(sent).when(|sent| sent.wrapping_sub(received) <= u64::from(self.count));",
            "let sent = Claim::new(sent).when(|_| true);",
        )],
    },
    Broken {
        name: "wakes-nobody",
        what: "acts without waking who sleeps for it",
        edits: &[(LINK, "        self.own.wake(BELL);\n", "")],
    },
];

impl Broken {
    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        BROKEN.into_iter().find(|broken| broken.name == name)
    }

    /// What to give to [`super::Workshop::make`].
    #[must_use]
    pub fn edits(&self) -> Vec<Edit> {
        let edit =
            |&(file, old, new): &(&str, &str, &str)| Edit { file: file.into(), old: old.into(), new: new.into() };
        self.edits.iter().map(edit).collect()
    }
}
