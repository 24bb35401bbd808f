//! One process listens to two channels and to the end of a child: `cargo run -p strait-examples --example selector`
#![forbid(unsafe_code)]

use std::time::Duration;
use strait::channel::spsc::{Options, Receiver, Sender};
use strait::process::{Command, handed};
use strait::region::Place;
use strait::select::{Descriptor, Selectable, Selector};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().nth(1).as_deref() == Some("child") {
        let mut ticks = Sender::<u64>::from_fd(handed("ticks")?, &Options::new())?;
        let mut words = Sender::<[u8]>::from_fd(handed("words")?, &Options::new())?;
        for number in 0..3 {
            ticks.send(&number)?;
            words.send(b"another one")?;
            std::thread::sleep(Duration::from_millis(200));
        }
        std::process::abort(); // Whatever becomes of it, the other side is told.
    }
    let mut ticks = Receiver::<u64>::create(Place::memfd("ticks"), &Options::new())?;
    let mut words = Receiver::<[u8]>::create(Place::memfd("words"), &Options::new())?;
    let [ticks_fd, words_fd] = [ticks.fd(), words.fd()].map(|fd| fd.expect("of a memfd").try_clone_to_owned());
    let mut child = Command::new(std::env::current_exe()?);
    let mut child = child.arg("child").hand_over("ticks", ticks_fd?).hand_over("words", words_fd?).spawn()?;
    let mut end = Descriptor::readable(&child)?;
    let mut selector = Selector::new();
    loop {
        match selector.ready(&mut [&mut ticks as &mut dyn Selectable, &mut words, &mut end]) {
            Some(0) => println!("tick: {:?}", ticks.try_recv()),
            Some(1) => println!("word: {:?}", words.try_recv().map(String::from_utf8)),
            _ => break,
        }
    }
    println!("parent: the child {}", child.wait()?);
    Ok(())
}
