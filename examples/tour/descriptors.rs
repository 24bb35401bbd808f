//! What `dup`, `fork` and exec share: `cargo run -p strait-examples --example tour_descriptors`
#![forbid(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use strait::inspect::description;
use strait::process::{Command, fork_alone};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::temp_dir().join(format!("strait-tour-{}", std::process::id()));
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    file.write_all(b"0123456789")?;

    let twin = file.try_clone()?; // dup(2)
    let stranger = File::open(&path)?;
    println!(
        "offsets after ten bytes: itself {}, its duplicate {}, opened again {}",
        at(&file)?,
        at(&twin)?,
        at(&stranger)?
    );
    assert_eq!((at(&file)?, at(&twin)?, at(&stranger)?), (10, 10, 0));
    println!("  so a duplicate shares the offset, and a second open does not\n");

    rustix::io::ioctl_fionbio(&twin, true)?;
    assert_eq!(description(&file)?.flags, description(&twin)?.flags);
    assert_ne!(description(&file)?.flags, description(&stranger)?.flags);
    println!("O_NONBLOCK, set on the duplicate, is on the original too: status flags are shared");
    rustix::io::fcntl_setfd(&twin, rustix::io::FdFlags::empty())?;
    assert!(description(&file)?.is_closed_on_exec && !description(&twin)?.is_closed_on_exec);
    println!("close-on-exec, taken from the duplicate, is still on the original: that flag is each descriptor's own\n");

    let mut child = fork_alone(|| u8::from((&file).write_all(b"ab").is_err()))?;
    assert!(child.wait()?.success());
    assert_eq!(at(&file)?, 12);
    println!("a forked child wrote two bytes; our offset is {}: fork shares it\n", at(&file)?);

    let inherited = Command::new("ls").arg("/proc/self/fd").stdout(strait::process::Stdio::Piped).spawn();
    let (mut inherited, mut list) = (inherited?, String::new());
    inherited.stdout.take().ok_or("is piped")?.read_to_string(&mut list)?;
    println!(
        "descriptors in a program that was started: {} (its own listing is one)",
        list.split_whitespace().collect::<Vec<_>>().join(" ")
    );
    println!(
        "  the duplicate without close-on-exec is not among them: strait hands over what it is told to, and nothing else\n"
    );

    // dup2: another number leads to this description from now on, whatever it led to before.
    let mut other = std::os::fd::OwnedFd::from(stranger);
    rustix::io::dup2(&file, &mut other)?;
    let stranger = File::from(other);
    assert_eq!(at(&stranger)?, 12);
    println!(
        "dup2 made the descriptor that was opened again lead to the first one's description: its offset is {} now",
        at(&stranger)?
    );
    std::fs::remove_file(path)?;
    Ok(())
}

fn at(file: &File) -> strait::Result<u64> {
    description(file).map(|it| it.offset_bytes)
}
