//! Copy-on-write, counted: `cargo run -p strait-examples --example tour_copy_on_write`
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{Read as _, Write as _};
use strait::inspect::pages;
use strait::process::fork_alone;
use strait::region::{Options, Place, Region};

const PAGE_BYTES: usize = 4096;
const PAGES: usize = 2000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Enough to get a mapping of its own; every page is written to.
    let mut memory = vec![1_u8; PAGES * PAGE_BYTES];
    let address = memory.as_ptr() as usize + memory.len() / 2;
    let shared = Region::create(Place::anonymous(), 64 * PAGE_BYTES as u64, &Options::new())?;
    shared.write(0, &[1])?;
    let me = std::process::id();
    println!("before the fork: {} KiB are ours alone", pages(me, address)?.private_bytes >> 10);

    let ((mut from_child, to_parent), (from_parent, mut to_child)) = (pipe()?, pipe()?);
    let mut child = fork_alone(|| {
        let (mut from_parent, mut to_parent) = (&from_parent, &to_parent);
        for count in [0, 500, PAGES] {
            for page in 0..count {
                memory[page * PAGE_BYTES] = 2;
            }
            if shared.write(0, &[7]).is_err()
                || to_parent.write_all(&[0]).is_err()
                || from_parent.read_exact(&mut [0]).is_err()
            {
                return 1;
            }
        }
        0
    })?;
    for count in [0, 500, PAGES] {
        from_child.read_exact(&mut [0])?;
        let (ours, theirs) = (pages(me, address)?, pages(child.id(), address)?);
        println!(
            "the child has written to {count} pages: {} KiB are shared, {} KiB private to the child, {} KiB private to us",
            theirs.shared_bytes >> 10,
            theirs.private_bytes >> 10,
            ours.private_bytes >> 10
        );
        assert!(theirs.private_bytes >= (count * PAGE_BYTES) as u64);
        // The last page that the child copies is ours alone again. The mapping has a few pages around the vector.
        assert!(theirs.private_bytes < ((count + 50) * PAGE_BYTES) as u64);
        to_child.write_all(&[0])?;
    }
    assert!(child.wait()?.success());
    assert_eq!(memory[0], 1);
    let mut seen = [0];
    shared.read(0, &mut seen)?;
    assert_eq!(seen, [7]);
    println!("what the child wrote to private memory is not here; what it wrote to the shared region is");
    Ok(())
}

/// The end to read from, and the end to write to.
fn pipe() -> std::io::Result<(File, File)> {
    let (read_end, write_end) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    Ok((read_end.into(), write_end.into()))
}
