//! The `spsc` channel, received from through a selector beside quiet channels, and by a task of a tokio runtime.
//!
//! Numbers only; sending is the plain blocking call in all of them.

use std::io;

use strait::channel::spsc::{self, Receiver as Rx, Sender as Tx};
use strait::select::{Selectable, Selector};
use strait::task::Async;

use super::spsc::{open_duplex, options, other, typed_bytes};
use crate::contender::{Duplex, Site};
use crate::job::Wait;

/// Through a selector.
struct Selecting {
    selector: Selector,
    tx: Tx<u64>,
    /// The one that talks is the last.
    rxs: Vec<Rx<u64>>,
    /// The other ends of the quiet ones.
    _quiet: Vec<Tx<u64>>,
}

fn selecting(site: &Site, quiet: usize) -> io::Result<Box<dyn Duplex>> {
    let options = options(site, typed_bytes(site));
    let (tx, rx) = open_duplex(site, &options)?;
    let mut pairs = Vec::new();
    for _ in 0..quiet {
        pairs.push(spsc::pair::<u64>(&options).map_err(other)?);
    }
    let (quiet, mut rxs): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    rxs.push(rx);
    Ok(Box::new(Selecting { selector: Selector::waiting(super::spsc::strategy(site)), tx, rxs, _quiet: quiet }))
}

/// Of two.
pub(crate) fn selector(site: &Site) -> io::Result<Box<dyn Duplex>> {
    selecting(site, 1)
}

/// Of a hundred.
pub(crate) fn selector_of_100(site: &Site) -> io::Result<Box<dyn Duplex>> {
    selecting(site, 99)
}

impl Duplex for Selecting {
    fn send(&mut self, payload: &[u8]) {
        self.tx.send(&number(payload)).expect("the peer lives");
    }

    fn recv(&mut self, payload: &mut [u8]) {
        let index = if self.rxs.len() == 2 {
            let [quiet, rx] = &mut self.rxs[..] else { unreachable!("two of them") };
            self.selector.ready(&mut [quiet as &mut dyn Selectable, rx])
        } else {
            self.selector.ready(&mut self.rxs)
        };
        let message = self.rxs[index.expect("there are some")].try_recv().expect("ready");
        payload.copy_from_slice(&message.to_ne_bytes());
    }
}

/// By a task.
struct Tasked {
    runtime: tokio::runtime::Runtime,
    tx: Tx<u64>,
    rx: Async<Rx<u64>>,
}

/// On a runtime of one thread.
pub(crate) fn tokio(site: &Site) -> io::Result<Box<dyn Duplex>> {
    assert!(site.job.wait != Wait::Spin, "a task does not spin");
    let (tx, rx) = open_duplex(site, &options(site, typed_bytes(site)))?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    Ok(Box::new(Tasked { runtime, tx, rx: rx.into_async().map_err(other)? }))
}

impl Duplex for Tasked {
    fn send(&mut self, payload: &[u8]) {
        self.tx.send(&number(payload)).expect("the peer lives");
    }

    fn recv(&mut self, payload: &mut [u8]) {
        let message = self.runtime.block_on(self.rx.recv()).expect("the peer lives");
        payload.copy_from_slice(&message.to_ne_bytes());
    }
}

fn number(payload: &[u8]) -> u64 {
    u64::from_ne_bytes(payload.try_into().expect("eight bytes"))
}
