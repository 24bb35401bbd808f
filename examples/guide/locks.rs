//! Three lines through one slot, a mutex around it and two semaphores: `cargo run -p strait-examples --example guide_locks`
#![forbid(unsafe_code)]

use strait::process::{Command, handed};
use strait::region::Place;
use strait::sync::{Mutex, Options, Semaphore};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::new();
    if std::env::args().len() > 1 {
        let mut slot = Mutex::<[u8; 8]>::from_fd(handed("slot")?, &options)?;
        let mut free = Semaphore::from_fd(handed("free")?, &options)?;
        let mut full = Semaphore::from_fd(handed("full")?, &options)?;
        for _ in 0..3 {
            full.wait()?;
            let line = *slot.lock().map_err(|why| why.to_string())?;
            println!("{}", String::from_utf8_lossy(&line).trim_end());
            free.post()?;
        }
        return Ok(());
    }
    let mut slot = Mutex::create(Place::memfd("slot"), &[0_u8; 8], &options)?;
    let mut free = Semaphore::create(Place::memfd("free"), 1, 1, &options)?;
    let mut full = Semaphore::create(Place::memfd("full"), 0, 1, &options)?;
    let mut printer = Command::new(std::env::current_exe()?);
    for (name, fd) in [("slot", slot.fd()), ("free", free.fd()), ("full", full.fd())] {
        printer.hand_over(name, fd.ok_or("a memfd has one")?.try_clone_to_owned()?);
    }
    let mut printer = printer.arg("print").spawn()?;
    for line in [b"one     ", b"two     ", b"three   "] {
        free.wait()?;
        *slot.lock().map_err(|why| why.to_string())? = *line;
        full.post()?;
    }
    printer.wait()?;
    Ok(())
}
