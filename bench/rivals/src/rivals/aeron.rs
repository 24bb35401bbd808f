//! Aeron IPC, by `rusteron`: an exclusive publication and a subscription on a media driver of the run's own.
//!
//! As its samples do it: messages that fit into a fragment are claimed and written in place, larger ones offered whole and put
//! together by an assembler; both sides spin. Its driver is a third process, on the core of the many: with two cores there is
//! none for it, and for the same reason its threads are one (`SHARED`) and back off when idle. Logs are as small as the
//! largest message allows, so that they stay in the cache.

use std::cell::OnceCell;
use std::ffi::CString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::ops::Range;
use std::time::{Duration, Instant};

use rusteron_client::{
    Aeron, AeronExclusivePublication, AeronFragmentClosureAssembler, AeronHeader, AeronSubscription, Handlers,
};
use rusteron_media_driver::bindings::aeron_threading_mode_enum;
use rusteron_media_driver::{AeronDriver, AeronDriverContext};

use crate::job::{Job, Wait};
use crate::party::{hear, say};
use crate::payload::{Pause, Tally, fill, read};
use crate::seam::{Receiver, Sender, Traits, Way, Wire, other};

pub(crate) struct Wires;

const PATIENCE: Duration = Duration::from_secs(4);
/// Fragments taken by one poll.
const FRAGMENTS: u64 = 256;

fn folder(job: &Job) -> io::Result<CString> {
    CString::new(job.dir.join("aeron").into_os_string().into_encoded_bytes()).map_err(other)
}

/// The media driver, until the orchestrator says `end`.
fn driver(job: &Job) -> io::Result<()> {
    let context = AeronDriverContext::new().map_err(other)?;
    context.set_dir(&folder(job)?).map_err(other)?;
    context.set_threading_mode(aeron_threading_mode_enum::AERON_THREADING_MODE_SHARED).map_err(other)?;
    context.set_dir_delete_on_start(true).map_err(other)?;
    let driver = AeronDriver::new(&context).map_err(other)?;
    driver.start(false).map_err(other)?;
    say("opened")?;
    hear("end")
}

thread_local! {
    static CLIENT: OnceCell<Aeron> = const { OnceCell::new() };
}

/// The process's client.
fn client(way: &Way<'_>) -> io::Result<Aeron> {
    if let Some(client) = CLIENT.with(|client| client.get().cloned()) {
        return Ok(client);
    }
    let folder = folder(way.job)?;
    let client = Aeron::connect_dir(folder.to_str().map_err(other)?).map_err(other)?;
    CLIENT.with(|cell| drop(cell.set(client.clone())));
    Ok(client)
}

fn channel(way: &Way<'_>) -> io::Result<CString> {
    // A message may be an eighth of a term.
    let term = (8 * way.job.bytes as u64).next_power_of_two().max(1 << 20);
    let mtu = if way.job.bytes > 1024 { 65_504 } else { 1408 };
    CString::new(format!("aeron:ipc?term-length={term}|mtu={mtu}")).map_err(other)
}

fn stream(way: &Way<'_>) -> i32 {
    let mut hasher = DefaultHasher::new();
    way.name.hash(&mut hasher);
    (hasher.finish() as i32 & 0x3fff_ffff) + 1
}

pub(crate) struct Tx {
    publication: AeronExclusivePublication,
    message: Vec<u8>,
    in_place: bool,
    pause: Pause,
}

pub(crate) struct Rx {
    subscription: AeronSubscription,
    assembler: Option<AeronFragmentClosureAssembler>,
}

impl Wire for Wires {
    const TRAITS: Traits =
        Traits { fans_out: true, fans_in: true, shares: false, sleeps: false, selects: false, reopens: true };
    const HELPER: Option<fn(&Job) -> io::Result<()>> = Some(driver);
    type Tx = Tx;
    type Rx = Rx;

    fn tx(way: &Way<'_>) -> io::Result<Tx> {
        let publication = client(way)?
            .async_add_exclusive_publication(&channel(way)?, stream(way))
            .and_then(|adding| adding.poll_blocking(PATIENCE))
            .map_err(other)?;
        let in_place = way.job.bytes <= publication.max_payload_length().map_err(other)?;
        Ok(Tx { publication, message: vec![0; way.job.bytes], in_place, pause: Pause::new(way.job.wait) })
    }

    fn rx(way: &Way<'_>) -> io::Result<Rx> {
        let subscription = client(way)?
            .async_add_subscription(&channel(way)?, stream(way), Handlers::NONE, Handlers::NONE)
            .and_then(|adding| adding.poll_blocking(PATIENCE))
            .map_err(other)?;
        let large = way.job.bytes > 1024;
        let assembler = large.then(|| AeronFragmentClosureAssembler::new().map_err(other)).transpose()?;
        Ok(Rx { subscription, assembler })
    }
}

impl Sender for Tx {
    fn start(&mut self) -> io::Result<()> {
        let start = Instant::now();
        let mut pause = Pause::new(Wait::Yield);
        while !self.publication.is_connected() {
            if start.elapsed() > PATIENCE {
                return Err(io::Error::other("no subscriber came"));
            }
            pause.idle();
        }
        Ok(())
    }

    fn send_all(&mut self, stamps: Range<u64>) -> io::Result<()> {
        for stamp in stamps {
            if !self.in_place {
                fill(&mut self.message, stamp);
            }
            loop {
                let sent = if self.in_place {
                    self.publication.try_claim_owned(self.message.len()).map(|mut claim| {
                        fill(claim.data(), stamp);
                        claim.commit().map(drop)
                    })
                } else {
                    self.publication.offer(&self.message).map(|_| Ok(()))
                };
                match sent {
                    Ok(committed) => {
                        committed.map_err(other)?;
                        break;
                    }
                    Err(error) if error.is_retryable() => self.pause.idle(),
                    Err(error) => return Err(other(error)),
                }
            }
        }
        self.pause.reset();
        Ok(())
    }
}

fn note(tally: &mut Tally, message: &[u8], _header: AeronHeader) {
    tally.note(read(message));
}

impl Receiver for Rx {
    fn poll(&mut self, tally: &mut Tally) -> io::Result<bool> {
        let polled = match &mut self.assembler {
            // Fewer fragments than two messages have, so that no message comes that is not wanted.
            Some(assembler) => assembler.poll(&self.subscription, tally, note, 2),
            None => {
                let limit = tally.left().min(FRAGMENTS) as usize;
                self.subscription.poll_fn(|message, _| tally.note(read(message)), limit)
            }
        };
        Ok(polled.map_err(other)? > 0)
    }
}
