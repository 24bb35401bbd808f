//! One physical page at two addresses; as root: `cargo run -p strait-examples --example tour_one_page`
#![forbid(unsafe_code)]

use strait::inspect::frame;
use strait::region::{Options, Place, Region};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let here = Region::create(Place::memfd("page"), 4096, &Options::new())?;
    let fd = here.fd().ok_or("a memfd has one")?.try_clone_to_owned()?;
    let there = Region::from_fd(fd, &Options::new())?;
    here.write(100, b"written at one address")?;
    let mut found = [0; 22];
    there.read(100, &mut found)?;
    println!(
        "'{}', read at another: {:#x} and {:#x}",
        String::from_utf8_lossy(&found),
        here.address(),
        there.address()
    );
    assert_ne!(here.address(), there.address());
    match (frame(here.address()), frame(there.address())) {
        (Ok(Some(one)), Ok(Some(other))) => {
            println!("both are physical page {one:#x}");
            assert_eq!(one, other);
        }
        (Err(error), _) | (_, Err(error)) => println!("{error}"),
        _ => println!("the page is not in memory now"),
    }
    Ok(())
}
