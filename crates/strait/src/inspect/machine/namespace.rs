//! Which namespaces processes are in, as [namespaces(7)](https://man7.org/linux/man-pages/man7/namespaces.7.html) shows it: asked only of those of
//! which it matters, and once.

use std::collections::HashMap;
use std::fs;

/// The numbers of the namespaces.
#[derive(Debug, Default)]
pub(super) struct Namespaces {
    our_ipc: Option<u64>,
    our_mnt: Option<u64>,
    ipc: HashMap<u32, Option<u64>>,
    mnt: HashMap<u32, Option<u64>>,
}

impl Namespaces {
    /// Ours.
    pub(super) fn here() -> Self {
        Self { our_ipc: number("self", "ipc"), our_mnt: number("self", "mnt"), ..Self::default() }
    }

    /// This process's IPC namespace; `None` where the kernel has none.
    pub(super) fn our_ipc(&self) -> Option<u64> {
        self.our_ipc
    }

    /// A process's IPC namespace; `None`: it has ended, or may not be looked into.
    pub(super) fn ipc(&mut self, pid: u32) -> Option<u64> {
        *self.ipc.entry(pid).or_insert_with(|| number(&pid.to_string(), "ipc"))
    }

    /// Whether a process sees the mounts that this one sees.
    pub(super) fn has_our_mounts(&mut self, pid: u32) -> bool {
        let its = *self.mnt.entry(pid).or_insert_with(|| number(&pid.to_string(), "mnt"));
        its == self.our_mnt
    }
}

/// `4026531839` of `ipc:[4026531839]`.
fn number(process: &str, kind: &str) -> Option<u64> {
    let link = fs::read_link(format!("/proc/{process}/ns/{kind}")).ok()?;
    link.to_str()?.strip_prefix(kind)?.strip_prefix(":[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// We are in our own ones; of what is no process nothing is known.
    #[test]
    fn ours() {
        let mut it = Namespaces::here();
        let me = std::process::id();
        assert!(it.our_ipc().is_some() && it.ipc(me) == it.our_ipc() && it.has_our_mounts(me));
        assert!(it.ipc(u32::MAX).is_none() && !it.has_our_mounts(u32::MAX));
    }
}
