//! Two processes and an async runtime in each: `cargo run -p strait-examples --example tasks`
#![forbid(unsafe_code)]

use std::time::Duration;
use strait::channel::spsc::{Options, Receiver, Sender};
use strait::process::{Command, handed};
use strait::region::Place;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    if std::env::args().nth(1).as_deref() == Some("child") {
        let mut questions = Receiver::<u64>::from_fd(handed("questions")?, &Options::new())?.into_async()?;
        let mut answers = Sender::<u64>::from_fd(handed("answers")?, &Options::new())?.into_async()?;
        return runtime.block_on(async {
            while let Ok(question) = questions.recv().await {
                answers.send(&(question * question)).await?;
            }
            Ok(())
        });
    }
    let questions = Sender::<u64>::create(Place::memfd("questions"), &Options::new())?;
    let answers = Receiver::<u64>::create(Place::memfd("answers"), &Options::new())?;
    let [there, back] = [questions.fd(), answers.fd()].map(|fd| fd.expect("of a memfd").try_clone_to_owned());
    let mut child = Command::new(std::env::current_exe()?);
    let mut child = child.arg("child").hand_over("questions", there?).hand_over("answers", back?).spawn()?;
    let (mut questions, mut answers) = (questions.into_async()?, answers.into_async()?);
    runtime.block_on(async {
        for question in 1..=5 {
            questions.send(&question).await?;
            let answer = tokio::time::timeout(Duration::from_secs(5), answers.recv()).await??;
            println!("{question} times itself is {answer}");
        }
        Ok::<(), Box<dyn std::error::Error>>(())
    })?;
    drop(questions); // The child's loop ends.
    println!("parent: the child {}", child.wait()?);
    Ok(())
}
