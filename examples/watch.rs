//! One process sets the state, another one follows it: `cargo run -p strait-examples --example watch`
#![forbid(unsafe_code)]

use strait::channel::watch::{Options, ReadError, Reader, Writer};
use strait::process::{Command, handed};
use strait::region::Place;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A value: plain data, without padding.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct State {
    step: u64,
    progress: f64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().nth(1).as_deref() == Some("child") {
        let mut state = Reader::<State>::from_fd(handed("state")?, &Options::new())?;
        loop {
            match state.changed() {
                // Perhaps not every step, but always the latest, and the last.
                Ok(State { step, progress }) => println!("child: step {step}, {progress:.0} % done"),
                Err(ReadError::Disconnected(_)) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
    let mut state = Writer::<State>::create(Place::memfd("state"), &Options::new())?;
    let memory = state.fd().ok_or("a memfd has a descriptor")?.try_clone_to_owned()?;
    let mut child = Command::new(std::env::current_exe()?).arg("child").hand_over("state", memory).spawn()?;
    for step in 0..=10_000 {
        state.send(&State { step, progress: step as f64 / 100.0 })?;
    }
    drop(state); // The child's loop ends when it has seen the last value.
    println!("parent: the child {}", child.wait()?);
    Ok(())
}
