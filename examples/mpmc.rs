//! One process hands out jobs, two others do them: `cargo run -p strait-examples --example mpmc`
#![forbid(unsafe_code)]

use strait::channel::mpmc::{Options, PopError, Producer, Worker};
use strait::process::{Command, handed};
use strait::region::Place;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().nth(1).as_deref() == Some("child") {
        let mut worker = Worker::<[u8]>::from_fd(handed("jobs")?, &Options::new())?;
        loop {
            match worker.pop() {
                Ok(job) => {
                    let text = String::from_utf8_lossy(&job).into_owned();
                    println!("child {}: {text}, delivery {}", std::process::id(), job.deliveries());
                    job.ack(); // A child that is killed before this leaves the job to the other.
                }
                Err(PopError::Disconnected(_)) => return Ok(()), // All is done.
                Err(error) => return Err(error.into()),
            }
        }
    }
    let mut jobs = Producer::<[u8]>::create(Place::memfd("jobs"), &Options::new())?;
    let mut children = Vec::new();
    for _ in 0..2 {
        let memory = jobs.fd().ok_or("a memfd has a descriptor")?.try_clone_to_owned()?;
        children.push(Command::new(std::env::current_exe()?).arg("child").hand_over("jobs", memory).spawn()?);
    }
    for number in 0..6 {
        jobs.push(format!("job {number}").as_bytes())?;
    }
    drop(jobs); // The children's loops end when everything has been done.
    for mut child in children {
        println!("parent: a child {}", child.wait()?);
    }
    Ok(())
}
