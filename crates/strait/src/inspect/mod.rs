//! What the kernel knows of descriptors and memory, and shows in `/proc`: who keeps a pipe open, which pages are shared, where a page lies.
//!
//! All of it is a look at one moment; nothing here changes or stops anything. It needs `/proc`, and of other users' processes root.

mod descriptor;
pub mod kernel;
pub mod machine;
mod memory;

pub use descriptor::{Description, Holder, description, holders, is_same_description};
pub use memory::{Pages, frame, pages};
