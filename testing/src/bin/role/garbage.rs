//! Opens what is no channel, or no good one, at both ends and uses what opens.

use crate::say;
use std::path::Path;
use std::time::Duration;
use strait::channel::spsc::{Options, Receiver, Sender};

/// For each file a line: its name and what became of it.
pub(crate) fn open_each(paths: &[&str]) {
    let short = Duration::from_millis(2);
    let each = |path: &str| {
        let path = Path::new(path);
        let options = Options::new();
        let mut rx = match Receiver::<u64>::open(path, &options) {
            Ok(rx) => rx,
            Err(e) => return format!("{:?}: {e}", e.kind()),
        };
        let mut got = Vec::new();
        let end = loop {
            match rx.recv_timeout(short) {
                Ok(n) => got.push(n),
                Err(e) => break e,
            }
        };
        let mut tx = match Sender::<u64>::open(path, &options) {
            Ok(tx) => tx,
            Err(e) => return format!("received {got:?} then {end:?}; sender {:?}: {e}", e.kind()),
        };
        let sent: Vec<String> = (0..3).map(|n| format!("{:?}", tx.send_timeout(&n, short))).collect();
        let batch = tx.send_batch(&[3, 4]);
        let again: Vec<String> = (0..5).map(|_| format!("{:?}", rx.recv_timeout(short))).collect();
        let lent = rx.recv_ref_timeout(short).map(|lent| *lent);
        format!("received {got:?} then {end:?}; sent {sent:?} {batch:?}; received {again:?} {lent:?}")
    };
    for path in paths {
        let outcome = std::panic::catch_unwind(|| each(path)).unwrap_or_else(|_| "PANIC".to_owned());
        say(&format!("{path} {outcome}"));
    }
    say("done");
}
