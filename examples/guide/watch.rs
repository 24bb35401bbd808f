//! Three lines, of which the latest counts: `cargo run -p strait-examples --example guide_watch`
#![forbid(unsafe_code)]

use strait::channel::watch::{Options, Reader, Writer};
use strait::process::{Command, handed};
use strait::region::Place;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (options, mut line) = (Options::new(), Vec::new());
    if std::env::args().len() > 1 {
        let mut lines = Reader::<[u8]>::from_fd(handed("lines")?, &options)?;
        while line != b"three" {
            lines.changed(&mut line)?; // the newest, and not the ones between
            println!("{}", String::from_utf8_lossy(&line));
        }
        return Ok(());
    }
    let mut lines = Writer::<[u8]>::create(Place::memfd("lines"), &options)?;
    let memory = lines.fd().ok_or("a memfd has one")?.try_clone_to_owned()?;
    let mut printer = Command::new(std::env::current_exe()?).arg("print").hand_over("lines", memory).spawn()?;
    for line in ["one", "two", "three"] {
        lines.send(line.as_bytes())?;
    }
    printer.wait()?;
    Ok(())
}
