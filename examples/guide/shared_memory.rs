//! Three lines in a page that two processes map: `cargo run -p strait-examples --example guide_shared_memory`
#![forbid(unsafe_code)]

use strait::process::{Command, handed};
use strait::region::{Options, Place, Region};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (options, mut line) = (Options::new(), [0; 8]);
    if std::env::args().len() > 1 {
        let lines = Region::from_fd(handed("lines")?, &options)?;
        for at in [0, 8, 16] {
            lines.read(at, &mut line)?;
            println!("{}", String::from_utf8_lossy(&line).trim_end());
        }
        return Ok(());
    }
    let lines = Region::create(Place::memfd("lines"), 4096, &options)?;
    for (at, line) in [(0, "one     "), (8, "two     "), (16, "three   ")] {
        lines.write(at, line.as_bytes())?;
    }
    let memory = lines.fd().ok_or("a memfd has one")?.try_clone_to_owned()?;
    // It starts when the lines are there: nothing else would tell it.
    let mut printer = Command::new(std::env::current_exe()?).arg("print").hand_over("lines", memory).spawn()?;
    printer.wait()?;
    Ok(())
}
