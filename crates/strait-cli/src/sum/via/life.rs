//! A worker from its start to its end, and the two ways between it and its thread.
//!
//! | bytes of a message | |
//! |---:|---|
//! | 0 | the block's number, u64 |
//! | 8 | the part's number in the result, u32; 0 in a job |
//! | 12 | 1: the last part; 0: more follow; u32 |
//! | 16.. | the block, or the part |
//!
//! A job without a block is the end.

use crate::sum::via::lab::Lab;
use crate::sum::via::{SLICE, Via};
use std::time::Duration;
use strait::link::{self, Offer};
use strait::process::{Child, Command, Stdio};
use strait::transport::{Mechanism, MessageReceiver, MessageSender, Options, Patience, RecvError, SendError};

pub(super) const HEADER_BYTES: usize = 16;
/// The links' names for the child.
pub(super) const JOBS: &str = "jobs";
pub(super) const RESULTS: &str = "results";
/// How long a worker that was told to end may take.
const GRACE: Duration = Duration::from_millis(500);
/// A result has no more parts than this: the most answers of the smallest block, in the smallest parts, are far fewer.
const PARTS_MAX: usize = 1 << 16;

/// A part of a message before its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) number: u64,
    pub(super) part: u32,
    pub(super) is_last: bool,
}

impl Header {
    pub(super) fn put(self, into: &mut Vec<u8>) {
        into.clear();
        into.extend_from_slice(&self.number.to_le_bytes());
        into.extend_from_slice(&self.part.to_le_bytes());
        into.extend_from_slice(&u32::from(self.is_last).to_le_bytes());
    }

    /// The header of a message and what follows; `None` where it is too short or says something impossible.
    pub(super) fn of(message: &[u8]) -> Option<(Self, &[u8])> {
        let (number, rest) = message.split_first_chunk::<8>()?;
        let (part, rest) = rest.split_first_chunk::<4>()?;
        let (is_last, rest) = rest.split_first_chunk::<4>()?;
        let is_last = u32::from_le_bytes(*is_last);
        let header =
            Self { number: u64::from_le_bytes(*number), part: u32::from_le_bytes(*part), is_last: is_last == 1 };
        (is_last <= 1).then_some((header, rest))
    }
}

/// What both sides must have alike.
pub(super) fn options(mechanism: Mechanism, block_bytes: usize) -> Options {
    let longest = block_bytes + HEADER_BYTES;
    // A packet goes into a socket's buffer whole.
    let longest = if mechanism == Mechanism::UnixStream { longest } else { longest.min(64 << 10) };
    // One is under way each way, and nobody else's; all queues of a user together are 800 KiB.
    Options::new().message_bytes_max(longest).messages_max(2).shared(false)
}

/// Why a block was not answered.
pub(super) enum Died {
    /// The worker has ended, so.
    Gone(String),
    /// It sent what cannot be.
    Wrong(String),
    /// The run was stopped.
    Stopped,
}

/// A worker that runs.
pub(super) struct Life {
    child: Child,
    ways: Ways,
    message: Vec<u8>,
}

enum Ways {
    Links { jobs: link::Sender, results: link::Receiver, _offers: [Option<Offer>; 2] },
    Lab(Lab),
}

impl Life {
    /// Starts a worker with links of its own.
    pub(super) fn begin(command: &Command, via: Via, block_bytes: usize) -> strait::Result<Self> {
        let mut command = command.try_clone()?;
        command.stdin(Stdio::Null).own_group(true).arg("--via").arg(via.name());
        command.arg("--block-bytes").arg(block_bytes.to_string());
        let ways = match via {
            Via::Lab => Ways::Lab(Lab::create(&mut command)?),
            Via::Mechanism(mechanism) => {
                let options = options(mechanism, block_bytes);
                let (jobs, their_jobs) = link::sender(mechanism, &options)?;
                let (results, their_results) = link::receiver(mechanism, &options)?;
                their_jobs.hand_over(&mut command, JOBS)?;
                their_results.hand_over(&mut command, RESULTS)?;
                // A System V queue goes with its offer; of all others the worker shall have the only one, so that its death is told.
                let offers = [their_jobs, their_results].map(|it| (mechanism == Mechanism::SysvMsg).then_some(it));
                Ways::Links { jobs, results, _offers: offers }
            }
        };
        Ok(Self { child: command.spawn()?, ways, message: Vec::new() })
    }

    /// The longest block that it can be given.
    pub(super) fn block_bytes_max(&self) -> usize {
        match &self.ways {
            Ways::Links { jobs, .. } => jobs.message_bytes_max().saturating_sub(HEADER_BYTES),
            Ways::Lab(_) => Lab::BLOCK_BYTES_MAX,
        }
    }

    /// Has a block summed: the parts of its result.
    pub(super) fn ask(
        &mut self,
        number: u64,
        block: &[u8],
        is_stopped: &dyn Fn() -> bool,
    ) -> Result<Vec<Vec<u8>>, Died> {
        let Self { child, ways, message } = self;
        let look = || is_stopped().then_some(Died::Stopped).or_else(|| how_it_ended(child, Duration::ZERO));
        match ways {
            Ways::Lab(lab) => lab.ask(block, look).map(|result| vec![result]),
            Ways::Links { jobs, results, .. } => {
                Header { number, part: 0, is_last: true }.put(message);
                message.extend_from_slice(block);
                exchange(&mut **jobs, &mut **results, number, message, look)
            }
        }
        .map_err(|died| match died {
            // Told by the mechanism; how it ended the kernel knows in a moment.
            Died::Gone(told) => how_it_ended(&mut self.child, GRACE).unwrap_or(Died::Gone(told)),
            died => died,
        })
    }

    /// Tells it that there are no more blocks, and sees it end.
    pub(super) fn end(mut self) {
        match &mut self.ways {
            Ways::Lab(lab) => lab.end(),
            Ways::Links { jobs, .. } => {
                Header { number: 0, part: 0, is_last: true }.put(&mut self.message);
                // One that is gone needs no telling.
                let _ = jobs.send_timeout(&self.message, SLICE);
            }
        }
        // One that lingers is killed when it is dropped.
        let _ = self.child.wait_timeout(GRACE);
    }
}

/// How the worker ended, if it has, or does so in time.
fn how_it_ended(child: &mut Child, patience: Duration) -> Option<Died> {
    match child.wait_timeout(patience) {
        Ok(None) => None,
        Ok(Some(exit)) => Some(Died::Gone(exit.to_string())),
        Err(error) => Some(Died::Wrong(error.to_string())),
    }
}

fn exchange(
    jobs: &mut dyn MessageSender,
    results: &mut dyn MessageReceiver,
    number: u64,
    job: &[u8],
    mut look: impl FnMut() -> Option<Died>,
) -> Result<Vec<Vec<u8>>, Died> {
    let mut is_sent = false;
    loop {
        let patience = Patience::lasting(SLICE);
        let sent = if is_sent { jobs.flush_with(patience) } else { jobs.send_with(job, patience) };
        match sent {
            Ok(()) if is_sent => break,
            Ok(()) => is_sent = true,
            Err(SendError::TimedOut) => look().map_or(Ok(()), Err)?,
            Err(error @ SendError::Disconnected) => return Err(Died::Gone(error.to_string())),
            Err(error) => return Err(Died::Wrong(error.to_string())),
        }
    }
    let mut parts: Vec<Vec<u8>> = Vec::new();
    let mut message = Vec::new();
    loop {
        match results.recv_timeout(&mut message, SLICE) {
            Ok(()) => {}
            Err(RecvError::TimedOut) => {
                look().map_or(Ok(()), Err)?;
                continue;
            }
            // A message that was cut is one of a worker that has died.
            Err(error @ (RecvError::Disconnected | RecvError::Cut { .. })) => {
                return Err(Died::Gone(error.to_string()));
            }
            Err(error) => return Err(Died::Wrong(error.to_string())),
        }
        let expected = parts.len();
        match Header::of(&message) {
            Some((header, bytes))
                if header.number == number && header.part as usize == expected && expected < PARTS_MAX =>
            {
                parts.push(bytes.to_vec());
                if header.is_last {
                    return Ok(parts);
                }
            }
            _ => {
                let why = format!("expected was part {expected} of block {number}, and something else came");
                return Err(Died::Wrong(why));
            }
        }
    }
}
