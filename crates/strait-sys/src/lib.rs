//! The kernel's door of strait: one file per facility, named as its man page.
#![cfg(unix)]
