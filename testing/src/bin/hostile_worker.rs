//! A worker of a pool that lies: it answers jobs with what its argument says, well made in every way but one.
//!
//! `short` · `last` · `job` · `part` · `repeat` · `endless` · `early` · `unasked` · `ring`
#![forbid(unsafe_code)]

use strait::channel::spsc::{Options, Receiver, Sender};

fn part(job: u64, part: u32, last: u32, bytes: &[u8]) -> Vec<u8> {
    [&job.to_le_bytes()[..], &part.to_le_bytes(), &last.to_le_bytes(), bytes].concat()
}

fn main() {
    let how = std::env::args().nth(1).unwrap_or_default();
    let worker =
        strait::process::handed("pool.jobs").and_then(|jobs| Ok((jobs, strait::process::handed("pool.results")?)));
    let (jobs, results) = worker.expect("a pool started this");
    strait::process::parent().expect("the parent lives").end_with_it(|| {}).expect("watched");
    let mut jobs = Receiver::<[u8]>::from_fd(jobs, &Options::new()).expect("jobs");
    let memory = results.try_clone().expect("a descriptor");
    let mut results = Sender::<[u8]>::from_fd(results, &Options::new()).expect("results");
    if how == "unasked" {
        let _ = results.send(&part(0, 0, 1, b"nobody asked"));
        let _ = results.send(&part(1, 0, 1, b"nobody asked"));
    }
    let mut number = 0;
    while let Ok(job) = jobs.recv() {
        if job.is_empty() {
            return;
        }
        let send = |results: &mut Sender<[u8]>, bytes: &[u8]| results.send(bytes).is_ok();
        match how.as_str() {
            "short" => drop(send(&mut results, &[1; 15])),
            "last" => drop(send(&mut results, &part(number, 0, 7, &job))),
            "job" => drop(send(&mut results, &part(number + 1, 0, 1, &job))),
            "part" => drop(send(&mut results, &part(number, u32::MAX, 1, &job))),
            "repeat" => {
                let _ = send(&mut results, &part(number, 0, 0, &job));
                while send(&mut results, &part(number, 0, 0, &job)) {}
            }
            "endless" => (0..).take_while(|&at| send(&mut results, &part(number, at, 0, &job))).for_each(drop),
            "early" => {
                let _ = send(&mut results, &part(number, 0, 1, &job));
                let _ = send(&mut results, &part(number, 1, 1, &job));
            }
            "unasked" => drop(send(&mut results, &part(number + 2, 0, 1, &job))),
            "ring" => {
                use std::os::unix::fs::FileExt as _;
                // A record as long as the ring, where the next one will be, and everywhere else.
                let file = std::fs::File::from(memory.try_clone().expect("a descriptor"));
                let len = file.metadata().expect("a file").len();
                let lie = (1_u64 << 63 | (len - 4096)).to_le_bytes();
                (12_288..len - 4096).step_by(64).for_each(|at| drop(file.write_at(&lie, at)));
                // What is sent now would be written over the lie.
                loop {
                    std::thread::park();
                }
            }
            _ => panic!("no such lie: {how}"),
        }
        number += 1;
    }
}
