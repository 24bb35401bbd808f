//! One process measures, another one prints: `cargo run -p strait-examples --example spsc`
#![forbid(unsafe_code)]

use strait::channel::spsc::{Options, Receiver, Sender};
use strait::process::{Command, handed};
use strait::region::Place;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A message: plain data, without padding.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Sample {
    number: u64,
    value: f64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().nth(1).as_deref() == Some("child") {
        let mut samples = Receiver::<Sample>::from_fd(handed("samples")?, &Options::new())?;
        for sample in samples.iter() {
            let Sample { number, value } = sample?;
            println!("child {}: sample {number} is {value:.3}", std::process::id());
        }
        return Ok(());
    }
    let mut samples = Sender::<Sample>::create(Place::memfd("samples"), &Options::new())?;
    let memory = samples.fd().ok_or("a memfd has a descriptor")?.try_clone_to_owned()?;
    let mut child = Command::new(std::env::current_exe()?).arg("child").hand_over("samples", memory).spawn()?;
    for number in 0..5 {
        samples.send(&Sample { number, value: (number as f64).sqrt() })?;
    }
    drop(samples); // The child's loop ends when everything has been received.
    println!("parent: the child {}", child.wait()?);
    Ok(())
}
