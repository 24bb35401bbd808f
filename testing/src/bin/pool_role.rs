//! A worker for the tests of the pool: answers a job with its bytes reversed, repeated as often as its first byte says.
//!
//! A job that begins with `x` kills the worker. One that begins with `!` kills it the first time only: the file named by the
//! argument remembers.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    let memory = std::env::args().nth(1);
    let outcome = strait::pool::Worker::inherit().and_then(|worker| {
        worker.end_with_parent(|| {})?;
        worker.run(|job, output| {
            match job.first() {
                Some(b'x') => std::process::abort(),
                Some(b'!') => {
                    let path = memory.as_deref().unwrap_or_default();
                    if std::fs::File::create_new(path).is_ok() {
                        std::process::abort();
                    }
                }
                _ => {}
            }
            let reversed: Vec<u8> = job.iter().rev().copied().collect();
            for _ in 0..job.first().copied().unwrap_or(0) {
                output.write(&reversed)?;
            }
            Ok(())
        })
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pool_role: {error}");
            ExitCode::FAILURE
        }
    }
}
