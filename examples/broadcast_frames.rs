//! One process makes pictures, another keeps some of them: `cargo run -p strait-examples --example broadcast_frames`
#![forbid(unsafe_code)]

use std::time::Duration;
use strait::channel::broadcast::{Options, Policy, Publisher, RecvError, Subscriber};
use strait::process::{Command, handed};
use strait::region::Place;

const FRAME_BYTES: usize = 640 * 480;
fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().nth(1).as_deref() == Some("child") {
        let mut frames = Subscriber::<[u8]>::from_fd(handed("frames")?, &Options::new())?;
        let mut album = Vec::new(); // By reference: nothing is copied, and nothing changes.
        while album.len() < 3 {
            match frames.hold() {
                Ok(frame) => album.push(frame),
                Err(RecvError::Lagged(_)) => {}
                Err(end) => return Err(end.into()),
            }
        }
        for it in album {
            println!("child: frame {} is of {}", it.origin().number, it[FRAME_BYTES / 2]);
        }
        return Ok(());
    }
    let options = Options::new().blocks(8).max_message_bytes(FRAME_BYTES as u64).policy(Policy::DropOldest);
    let mut frames = Publisher::<[u8]>::create(Place::memfd("frames"), &options)?;
    let memory = frames.fd().ok_or("a memfd has a descriptor")?.try_clone_to_owned()?;
    let mut child = Command::new(std::env::current_exe()?).arg("child").hand_over("frames", memory).spawn()?;
    frames.wait_for_subscribers(1, Duration::from_secs(5))?;
    for number in 0..1000_u32 {
        let mut frame = frames.reserve(FRAME_BYTES)?;
        frame.fill(number as u8); // In place, and never waiting for who looks at others.
        frame.publish();
    }
    drop(frames);
    println!("parent: the child {}", child.wait()?);
    Ok(())
}
