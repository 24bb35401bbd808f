//! Three lines over signals with values: `cargo run -p strait-examples --example guide_signal`
#![forbid(unsafe_code)]

use std::os::unix::process::parent_id;
use strait::process::Command;
use strait::transport::{MessageReceiver as _, MessageSender as _, signal};

/// A real-time signal: SIGRTMIN is 34, SIGRTMAX 64.
const NUMBER: i32 = 40;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut line = Vec::new();
    if std::env::args().len() > 1 {
        let mut lines = signal::Sender::new(parent_id(), NUMBER)?;
        for line in ["one", "two", "three"] {
            lines.send(line.as_bytes())?;
        }
        return Ok(());
    }
    let mut lines = signal::Receiver::new(NUMBER)?; // before anybody knows our number
    let mut sender = Command::new(std::env::current_exe()?).arg("send").spawn()?;
    for _ in 0..3 {
        lines.recv(&mut line)?;
        println!("{}", String::from_utf8_lossy(&line));
    }
    sender.wait()?;
    Ok(())
}
