//! Two servers share the calls of one client: `cargo run -p strait-examples --example rpc`
#![forbid(unsafe_code)]

use strait::channel::rpc::{Client, Options, Server};
use strait::process::{Command, handed};
use strait::region::Place;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().nth(1).as_deref() == Some("server") {
        let server = Server::<[u8], u64>::from_fd(handed("calls")?, &Options::new())?;
        let mut count = 0;
        server.serve(|text| {
            count += 1;
            text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count() as u64
        })?; // Until the client has left.
        println!("server {}: answered {count}", std::process::id());
        return Ok(());
    }
    let client = Client::<[u8], u64>::create(Place::memfd("calls"), &Options::new())?;
    let mut servers = Vec::new();
    for _ in 0..2 {
        let memory = client.try_clone_fd()?;
        servers.push(Command::new(std::env::current_exe()?).arg("server").hand_over("calls", memory).spawn()?);
    }
    println!("client: one call says {}", client.call(b"how many words are these")?);
    let texts = ["a b c", "", "d e", "f"];
    let calls = texts.map(|text| client.start(text.as_bytes())); // All in flight.
    for (text, call) in texts.iter().zip(calls) {
        println!("client: '{text}' has {} words", call?.wait()?);
    }
    drop(client);
    servers.iter_mut().try_for_each(|server| server.wait().map(drop))?;
    Ok(())
}
