//! Three lines as calls, each answered with its length: `cargo run -p strait-examples --example guide_rpc`
#![forbid(unsafe_code)]

use strait::channel::rpc::{Client, Options, Server};
use strait::process::{Command, handed};
use strait::region::Place;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::new();
    if std::env::args().len() > 1 {
        let lines = Server::<[u8], u64>::from_fd(handed("lines")?, &options)?;
        let answer = |line: &[u8]| {
            println!("{}", String::from_utf8_lossy(line));
            line.len() as u64
        };
        lines.serve(answer).ok(); // until the last client has left
        return Ok(());
    }
    let lines = Client::<[u8], u64>::create(Place::memfd("lines"), &options)?;
    let memory = lines.try_clone_fd()?;
    let mut printer = Command::new(std::env::current_exe()?).arg("print").hand_over("lines", memory).spawn()?;
    for line in ["one", "two", "three"] {
        assert_eq!(lines.call(line.as_bytes())?, line.len() as u64);
    }
    drop(lines);
    printer.wait()?;
    Ok(())
}
