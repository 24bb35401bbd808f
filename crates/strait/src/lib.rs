//! strait.
#![forbid(unsafe_code)]

pub mod channel;
mod error;
mod name;
mod peer;
pub mod pool;
pub mod process;
pub mod region;
mod ring;
mod wait;

pub use error::{Error, ErrorKind, Result};
