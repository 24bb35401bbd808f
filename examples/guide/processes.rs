//! Three lines as a program's arguments: `cargo run -p strait-examples --example guide_processes`
#![forbid(unsafe_code)]

use strait::process::Command;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().len() > 1 {
        for line in std::env::args().skip(1) {
            println!("{line}");
        }
        return Ok(());
    }
    let mut printer = Command::new(std::env::current_exe()?).args(["one", "two", "three"]).spawn()?;
    assert!(printer.wait()?.success());
    Ok(())
}
