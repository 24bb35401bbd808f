//! Three lines in shared memory, an eventfd to say so: `cargo run -p strait-examples --example guide_eventfd`
#![forbid(unsafe_code)]

use strait::link::{self, Offer};
use strait::process::{Command, handed};
use strait::region::{self, Place, Region};
use strait::transport::{Mechanism, Options};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (options, mut line) = (Options::new(), [0; 8]);
    if std::env::args().len() > 1 {
        let page = Region::from_fd(handed("page")?, &region::Options::new())?;
        let mut bell = Offer::take("bell")?.into_receiver(&options)?;
        for at in [0, 8, 16] {
            bell.recv(&mut Vec::new())?;
            page.read(at, &mut line)?;
            println!("{}", String::from_utf8_lossy(&line).trim_end());
        }
        return Ok(());
    }
    let page = Region::create(Place::memfd("page"), 4096, &region::Options::new())?;
    let (mut bell, offer) = link::sender(Mechanism::Eventfd, &options)?;
    let mut printer = Command::new(std::env::current_exe()?);
    printer.arg("print").hand_over("page", page.fd().ok_or("a memfd has one")?.try_clone_to_owned()?);
    offer.hand_over(&mut printer, "bell")?;
    let mut printer = printer.spawn()?;
    for (at, line) in [(0, "one     "), (8, "two     "), (16, "three   ")] {
        page.write(at, line.as_bytes())?;
        bell.send(&[])?;
    }
    printer.wait()?;
    Ok(())
}
