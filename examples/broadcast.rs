//! One process says the time of day, two others hear it: `cargo run -p strait-examples --example broadcast`
#![forbid(unsafe_code)]

use std::time::Duration;
use strait::channel::broadcast::{Options, Publisher, Subscriber};
use strait::process::{Command, handed};
use strait::region::Place;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().nth(1).as_deref() == Some("child") {
        let mut ticks = Subscriber::<u64>::from_fd(handed("ticks")?, &Options::new())?;
        for tick in ticks.iter() {
            println!("child {}: tick {}", std::process::id(), tick?);
        }
        return Ok(());
    }
    let mut ticks = Publisher::<u64>::create(Place::memfd("ticks"), &Options::new())?;
    let mut children = Vec::new();
    for _ in 0..2 {
        let memory = ticks.fd().ok_or("a memfd has a descriptor")?.try_clone_to_owned()?;
        children.push(Command::new(std::env::current_exe()?).arg("child").hand_over("ticks", memory).spawn()?);
    }
    if !ticks.wait_for_subscribers(2, Duration::from_secs(5))? {
        return Err("no two subscribers came".into());
    }
    for tick in 0..5 {
        ticks.publish(&tick)?; // Written once, however many read it.
    }
    drop(ticks); // The children's loops end when everything has been received.
    for mut child in children {
        println!("parent: a child {}", child.wait()?);
    }
    Ok(())
}
