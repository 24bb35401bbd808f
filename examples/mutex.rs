//! Two processes count together, and one of them dies with the lock in its hands: `cargo run -p strait-examples --example mutex`
#![forbid(unsafe_code)]

use strait::process::{Command, handed};
use strait::region::Place;
use strait::sync::mutex::LockError;
use strait::sync::{Mutex, Options};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().nth(1).as_deref() == Some("child") {
        let mut count = Mutex::<u64>::from_fd(handed("count")?, &Options::new())?;
        for _ in 0..1000 {
            *count.lock().map_err(|why| why.to_string())? += 1;
        }
        let mut guard = count.lock().map_err(|why| why.to_string())?;
        *guard = 7; // Never the value: it ends before it unlocks.
        std::process::exit(1);
    }
    let mut count = Mutex::create(Place::memfd("count"), &0_u64, &Options::new())?;
    let memory = count.fd().ok_or("a memfd has a descriptor")?.try_clone_to_owned()?;
    let mut child = Command::new(std::env::current_exe()?).arg("child").hand_over("count", memory).spawn()?;
    for _ in 0..1000 {
        match count.lock() {
            Ok(mut guard) => *guard += 1,
            // The child has died holding it. Its last change never was; that is as good as any value here.
            Err(LockError::Recovered(recovered)) => *recovered.accept() += 1,
            Err(why) => return Err(why.to_string().into()),
        }
    }
    println!("parent: the child {}", child.wait()?);
    let total = match count.lock() {
        Ok(guard) => *guard,
        Err(LockError::Recovered(recovered)) => *recovered.accept(),
        Err(why) => return Err(why.to_string().into()),
    };
    println!("parent: counted {total}");
    Ok(())
}
