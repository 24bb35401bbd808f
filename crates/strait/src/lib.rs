//! strait.
#![forbid(unsafe_code)]

pub mod channel;
mod error;
mod name;
pub mod process;
mod peer;
pub mod pool;
pub mod region;
mod ring;
mod wait;

pub use error::{Error, ErrorKind, Result};
