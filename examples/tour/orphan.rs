//! A zombie, an orphan, and who buries them: `cargo run -p strait-examples --example tour_orphan`
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{Read as _, Write as _};
use strait::process::fork_alone;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut child = fork_alone(|| 7)?;
    while state(child.id()) != Some('Z') {
        std::thread::yield_now();
    }
    println!(
        "a child has ended and nobody has asked how: it is a zombie, without memory or descriptors, only its exit code"
    );
    println!("we ask: it {}", child.wait()?);
    assert_eq!(state(child.id()), None);
    println!("and now its entry is gone\n");

    // Orphans of ours come to us, and not to process 1.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let (mut from_orphan, to_reaper) = pipe()?;
    let mut child = fork_alone(|| {
        let parent = std::process::id();
        let orphan = fork_alone(|| {
            while std::os::unix::process::parent_id() == parent {
                std::thread::yield_now();
            }
            let line = format!("{} {}", std::process::id(), std::os::unix::process::parent_id());
            u8::from((&to_reaper).write_all(line.as_bytes()).is_err())
        });
        // Not waited for: it outlives us.
        u8::from(orphan.and_then(strait::process::Child::detach).is_err())
    })?;
    drop(to_reaper);
    assert!(child.wait()?.success());
    let mut line = String::new();
    from_orphan.read_to_string(&mut line)?;
    let (orphan, reaper) = line.split_once(' ').ok_or("two numbers")?;
    println!("process {orphan} has lost its parent; its parent is now {reaper}, the nearest reaper: this process");
    assert_eq!(reaper, std::process::id().to_string());
    let pid = rustix::process::Pid::from_raw(orphan.parse()?).ok_or("a pid")?;
    rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty())?;
    println!("which has buried it, as it must: who adopts orphans and does not wait for them collects zombies");
    Ok(())
}

/// A process's state as `/proc` tells it, and whether there is one.
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.trim().chars().next()
}

/// The end to read from, and the end to write to.
fn pipe() -> std::io::Result<(File, File)> {
    let (read_end, write_end) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    Ok((read_end.into(), write_end.into()))
}
