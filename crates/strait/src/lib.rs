//! strait.
#![forbid(unsafe_code)]

mod error;

pub use error::{Error, ErrorKind, Result};
