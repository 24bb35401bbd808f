//! Which descriptors lead to one open file description: who moves the offset of one moves it for all of them.

use std::collections::HashMap;
use strait::inspect::is_same_description;
use strait::inspect::machine::{By, Object};

/// More are not compared with each other: each pair is a system call.
const DESCRIPTORS_MAX: usize = 512;

/// The descriptors of an object, and of which description each is.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// By process and number: which of the descriptions, from 1 on; only those that several lead to.
    groups: HashMap<(u32, u32), usize>,
    /// Whether the kernel said so of all.
    is_known: bool,
}

impl Shared {
    pub(super) fn of(object: &Object) -> Self {
        let descriptors = object.holds.iter().filter_map(|hold| match hold.by {
            By::Descriptor(fd) => Some((hold.pid, fd)),
            _ => None,
        });
        let descriptors: Vec<(u32, u32)> = descriptors.collect();
        if descriptors.len() > DESCRIPTORS_MAX {
            return Self::default();
        }
        let mut is_known = true;
        let mut groups: Vec<Vec<(u32, u32)>> = Vec::new();
        for it in descriptors {
            let mut is_same = |group: &Vec<(u32, u32)>| {
                let answer = is_same_description(group[0], it);
                is_known &= answer.is_some();
                answer == Some(true)
            };
            match groups.iter().position(&mut is_same) {
                Some(at) => groups[at].push(it),
                None => groups.push(vec![it]),
            }
        }
        let several = groups.into_iter().filter(|group| group.len() > 1).enumerate();
        let groups = several.flat_map(|(at, group)| group.into_iter().map(move |it| (it, at + 1))).collect();
        Self { groups, is_known }
    }

    /// What is said of a descriptor: nothing of one that is alone.
    pub(super) fn words(&self, pid: u32, fd: u32) -> String {
        let Some(group) = self.groups.get(&(pid, fd)) else { return String::new() };
        let mut others: Vec<String> = Vec::new();
        for (&(other_pid, other_fd), other) in &self.groups {
            if other == group && (other_pid, other_fd) != (pid, fd) {
                others.push(if other_pid == pid {
                    format!("fd {other_fd}")
                } else {
                    format!("{other_pid} fd {other_fd}")
                });
            }
        }
        // Its own first.
        others.sort_by(|a, b| (!a.starts_with("fd"), a).cmp(&(!b.starts_with("fd"), b)));
        match others.as_slice() {
            few if few.len() <= 3 => format!("one open file with {}", few.join(", ")),
            many => format!("one open file with {} and {} more", many[..2].join(", "), many.len() - 2),
        }
    }

    /// Whether the kernel told of all pairs.
    pub(super) fn is_known(&self) -> bool {
        self.is_known
    }
}
