//! Three lines over a channel of one to all: `cargo run -p strait-examples --example guide_broadcast`
#![forbid(unsafe_code)]

use strait::link::{self, Offer};
use strait::process::Command;
use strait::transport::{Mechanism, Options};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (options, mut line) = (Options::new(), Vec::new());
    if std::env::args().len() > 1 {
        let mut lines = Offer::take("lines")?.into_receiver(&options)?;
        for _ in 0..3 {
            lines.recv(&mut line)?;
            println!("{}", String::from_utf8_lossy(&line));
        }
        return Ok(());
    }
    let (mut lines, offer) = link::sender(Mechanism::Broadcast, &options)?;
    let mut printer = Command::new(std::env::current_exe()?);
    offer.hand_over(printer.arg("print"), "lines")?;
    let mut printer = printer.spawn()?;
    for line in ["one", "two", "three"] {
        lines.send(line.as_bytes())?;
    }
    printer.wait()?;
    Ok(())
}
