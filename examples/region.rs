//! Two mappings of one region show the same bytes at different addresses: `cargo run -p strait-examples --example region`
#![forbid(unsafe_code)]

use strait::region::{Options, Place, Region};

fn main() -> strait::Result<()> {
    let name = format!("example-{}", std::process::id());
    let place = Place::posix(&name);
    let one = Region::create(&place, 4096, &Options::new())?;
    let two = Region::open(&place, &Options::new().read_only(true))?; // or in another process
    one.write(1000, b"written through one mapping")?;
    let mut bytes = [0; 27];
    two.read(1000, &mut bytes)?;
    println!("{} bytes at {:#x} and at {:#x}", one.len(), one.address(), two.address());
    println!("{}", String::from_utf8_lossy(&bytes));
    println!("writing to the read-only one: {}", two.write(0, b"x").expect_err("it is read-only"));
    Region::remove(&place)
}
