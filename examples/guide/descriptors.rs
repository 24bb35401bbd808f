//! Three lines in a file whose descriptor is handed over: `cargo run -p strait-examples --example guide_descriptors`
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{Seek as _, Write as _, copy, stdout};
use strait::process::{Command, handed};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().len() > 1 {
        copy(&mut File::from(handed("lines")?), &mut stdout())?;
        return Ok(());
    }
    let path = std::env::temp_dir().join(format!("strait-guide-{}", std::process::id()));
    let mut lines = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(path)?; // the descriptor keeps the file
    lines.write_all(b"one\ntwo\nthree\n")?;
    lines.rewind()?; // for the child too: the offset is shared
    let mut printer = Command::new(std::env::current_exe()?).arg("print").hand_over("lines", lines).spawn()?;
    printer.wait()?;
    Ok(())
}
