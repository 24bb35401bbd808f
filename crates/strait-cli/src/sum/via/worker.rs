//! A worker's side.

use crate::sum::via::life::{HEADER_BYTES, Header, JOBS, RESULTS, options};
use crate::sum::via::{Via, lab::Lab};
use std::thread;
use std::time::Duration;
use strait::link::Offer;
use strait::process;
use strait::transport::{Mechanism, RecvError};

/// Has `sum` do blocks until there are no more: it appends to its result what must stay together, and then the rest.
pub(crate) fn work(
    via: Via,
    block_bytes: usize,
    on_parent_death: impl FnOnce() + Send + 'static,
    mut sum: impl FnMut(&[u8]) -> (Vec<u8>, Vec<u8>),
) -> Result<(), String> {
    let text = |e: strait::Error| e.to_string();
    let Via::Mechanism(mechanism) = via else {
        end_with_parent(on_parent_death)?;
        let lab = Lab::inherit().map_err(text)?;
        return lab.answer(|line, result| {
            let (head, answers) = sum(line);
            result.extend_from_slice(&head);
            result.extend_from_slice(&answers);
        });
    };
    let links = Links::take()?;
    let left = if mechanism == Mechanism::SysvMsg { Some(Links::take()?) } else { None };
    end_with_parent(move || {
        if let Some(left) = left {
            left.remove();
        }
        on_parent_death();
    })?;
    let outcome = serve(links, mechanism, block_bytes, sum);
    if !matches!(outcome, Ok(End::Told)) && process::parent().is_some_and(|parent| parent.wait_timeout(GRACE)) {
        // The thread that has been told of the death has things to put in order, and ends this process.
        loop {
            thread::park();
        }
    }
    outcome.map(drop)
}

/// How long after its pipes are closed a parent that was killed may look alive.
const GRACE: Duration = Duration::from_secs(1);

/// Why there are no more blocks.
enum End {
    /// The parent has said so.
    Told,
    /// The parent is gone, or has given this worker up.
    Gone,
}

/// What the parent has handed over.
struct Links {
    jobs: Offer,
    results: Offer,
}

impl Links {
    fn take() -> Result<Self, String> {
        let take = |name| Offer::take(name).map_err(|e| e.to_string());
        Ok(Self { jobs: take(JOBS)?, results: take(RESULTS)? })
    }

    /// Takes away what nobody else would when the parent was killed.
    fn remove(&self) {
        self.jobs.remove();
        self.results.remove();
    }
}

/// Does blocks until there are no more.
fn serve(
    links: Links,
    mechanism: Mechanism,
    block_bytes: usize,
    mut sum: impl FnMut(&[u8]) -> (Vec<u8>, Vec<u8>),
) -> Result<End, String> {
    let options = options(mechanism, block_bytes);
    let mut jobs = links.jobs.into_receiver(&options).map_err(|e| e.to_string())?;
    let mut results = links.results.into_sender(&options).map_err(|e| e.to_string())?;
    let part_bytes_max = results.message_bytes_max().saturating_sub(HEADER_BYTES).max(1);
    let (mut job, mut message) = (Vec::new(), Vec::new());
    loop {
        match jobs.recv(&mut job) {
            Ok(()) => {}
            Err(RecvError::Disconnected) => return Ok(End::Gone),
            Err(error) => return Err(format!("receive a block: {error}")),
        }
        let (header, block) = Header::of(&job).ok_or("receive a block: its header is impossible")?;
        if block.is_empty() {
            return Ok(End::Told);
        }
        let (head, answers) = sum(block);
        // All of the head is in the first part.
        let first = answers.len().min(part_bytes_max.saturating_sub(head.len()));
        let (first, rest) = answers.split_at(first);
        let first = [head.as_slice(), first].concat();
        let parts: Vec<&[u8]> = std::iter::once(first.as_slice()).chain(rest.chunks(part_bytes_max)).collect();
        for (part, bytes) in parts.iter().enumerate() {
            let header = Header { number: header.number, part: part as u32, is_last: part + 1 == parts.len() };
            header.put(&mut message);
            message.extend_from_slice(bytes);
            results.send(&message).map_err(|error| format!("send a result: {error}"))?;
        }
    }
}

fn end_with_parent(on_death: impl FnOnce() + Send + 'static) -> Result<(), String> {
    process::parent().map_or(Ok(()), |parent| parent.end_with_it(on_death)).map_err(|e| e.to_string())
}
