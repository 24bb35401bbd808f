//! The checks, a file for each group. Each looks at a [`Machine`] and says what it finds; where nothing can be told, it says nothing.

mod containers;
mod files;
mod huge;
mod kernel;
mod memory;
mod mq;
pub(super) mod processors;
mod shm;
mod sockets;
mod sysv;
mod users;

use super::finding::Finding;
use super::machine::Machine;

/// All of them, by groups.
pub(super) fn all(machine: &Machine) -> Vec<Finding> {
    [
        shm::check,
        memory::check,
        huge::check,
        sysv::check,
        mq::check,
        files::check,
        users::check,
        kernel::check,
        sockets::check,
        containers::check,
        processors::check,
    ]
    .iter()
    .flat_map(|check| check(machine))
    .collect()
}

/// A share from which on a limit is nearly reached.
const NEARLY: f64 = 0.8;

/// The command that raises a limit of this shell and what it starts: `ulimit`, as far as the hard limit allows it.
fn raise(flag: char, resource: &str, wanted: u64, unit: u64, most: Option<u64>) -> String {
    match most {
        Some(most) if most < wanted => format!("sudo prlimit --pid $$ --{resource}={wanted}"),
        _ => format!("ulimit -{flag} {}", wanted / unit),
    }
}

/// How much of a limit is used up: as it should be, nearly reached, reached.
fn state_of_use(used: u64, limit: u64) -> super::finding::State {
    use super::finding::State;
    match used as f64 / limit.max(1) as f64 {
        share if share >= 1.0 => State::Bad,
        share if share >= NEARLY => State::Warn,
        _ => State::Ok,
    }
}

#[cfg(test)]
mod tests;
