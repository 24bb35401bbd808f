//! A pool of worker processes; one job kills its worker the first time it is tried: `cargo run -p strait-examples --example workers`
#![forbid(unsafe_code)]

use strait::pool::{self, Options, Worker};
use strait::process::Command;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let flag = std::env::temp_dir().join(format!("strait-example-{}", std::env::args().nth(1).unwrap_or_default()));
    if std::env::args().count() > 1 {
        let worker = Worker::inherit()?;
        worker.end_with_parent(|| {})?;
        worker.run(|job, output| {
            if job == b"three" && std::fs::File::create_new(&flag).is_ok() {
                std::process::abort(); // The parent starts another worker, which does the job again.
            }
            output.write(&job.to_ascii_uppercase())
        })?;
        return Ok(());
    }
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(std::process::id().to_string());
    let (pool, mut feeder, mut collector) = pool::start(&command, &Options::new().workers(2))?;
    for (number, job) in ["one", "two", "three", "four"].into_iter().enumerate() {
        let mut room = feeder.room(job.len())?;
        room[..job.len()].copy_from_slice(job.as_bytes());
        room.hand_out(job.len(), number);
    }
    feeder.finish()?;
    while let Some(part) = collector.next()? {
        println!("job {}: {}", part.tag(), String::from_utf8_lossy(part.bytes()));
    }
    println!("workers started again: {}", pool.restarts());
    pool.finish();
    std::fs::remove_file(std::env::temp_dir().join(format!("strait-example-{}", std::process::id())))?;
    Ok(())
}
