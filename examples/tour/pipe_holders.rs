//! Who keeps a pipe open: `cargo run -p strait-examples --example tour_pipe_holders`
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::Read as _;
use strait::inspect::{Holder, holders};
use strait::process::fork_alone;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut read_end, write_end) = pipe()?;
    // The child inherits both ends, although it wants neither.
    let mut child = fork_alone(|| {
        std::thread::sleep(std::time::Duration::from_secs(60));
        0
    })?;
    let writers = |read_end: &File| -> strait::Result<Vec<Holder>> {
        Ok(holders(read_end)?.into_iter().filter(|it| it.can_write).collect())
    };
    for it in writers(&read_end)? {
        let who = if it.pid == std::process::id() { "this process" } else { "its forked child" };
        println!("{who} can write, by its descriptor {}", it.fd);
    }
    assert_eq!(writers(&read_end)?.len(), 2);
    drop(write_end);
    let left = writers(&read_end)?;
    assert!(left.len() == 1 && left[0].pid == child.id());
    println!("we have closed our end; a reader would still wait, for the child has not");
    child.kill()?;
    child.wait()?;
    assert!(writers(&read_end)?.is_empty());
    assert_eq!(read_end.read(&mut [0; 1])?, 0);
    println!("the child is gone, nobody can write, and the reader is told the end");
    Ok(())
}

/// The end to read from, and the end to write to.
fn pipe() -> std::io::Result<(File, File)> {
    let (read_end, write_end) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    Ok((read_end.into(), write_end.into()))
}
