//! Everybody else's objects: what the kernel says nobody has.

use super::found::{Found, Is, Target, age_of};
use super::{Args, is_meant};
use crate::text::safe;
use std::time::Duration;
use strait::gc::{self, Foreign, Unheld};
use strait::inspect::machine::{Content, Identity, Kind, Machine, Object};
use strait::region::Place;

/// What strait's own begin with: those are never foreign, whatever is in them.
const OWN: &str = "/strait.";

/// All that are meant, by kind and name.
pub(super) fn all(args: &Args) -> strait::Result<Vec<Found>> {
    let machine = Machine::look()?;
    // What is in another namespace is for who is there.
    let here = machine.objects.iter().filter(|object| !machine.is_elsewhere(object));
    let meant = here.filter(|object| is_meant(&args.patterns, &object.name));
    Ok(meant.filter_map(|object| look(object, args.older_than)).collect())
}

/// `None`: it is not for us, or gone.
fn look(object: &Object, older_than: Option<Duration>) -> Option<Found> {
    if object.is_unlinked || object.name.starts_with(OWN) {
        return None;
    }
    let foreign = match (object.kind, object.identity) {
        (Kind::PosixShm | Kind::PosixSemaphore, _) => Foreign::File(Place::file(object.path.as_ref()?)),
        (Kind::PosixMq, _) => Foreign::Queue(object.name.clone()),
        (Kind::SysvShm, Identity::SysvId(id)) => Foreign::Segment(id),
        (Kind::SysvMsg | Kind::SysvSemaphores, Identity::SysvId(id)) => {
            let is =
                Is::Kept("unproven", "the kernel counts no users of it; remove it by name with strait rm".to_owned());
            return Some(found(object, is, Foreign::Segment(id)));
        }
        _ => return None,
    };
    let is_posix = object.kind != Kind::SysvShm;
    let age = age_of(object.changed, object.used.filter(|_| !is_posix));
    let is = match gc::look_for_holders(&foreign) {
        Ok(Unheld::Gone) => return None,
        Ok(Unheld::Somebody(how) | Unheld::Creator(how)) => Is::Kept("alive", how),
        Ok(Unheld::Nobody) => match older_than {
            Some(wanted) if age.is_none_or(|age| age < wanted) => {
                Is::Kept("young", "nobody has it, and it is not yet so old".to_owned())
            }
            None if is_posix => {
                let why = "nobody has it, but who made it, and means it to be found, the kernel does not keep; say with --older-than \
                           how long it must have lain there";
                Is::Kept("unproven", why.to_owned())
            }
            _ => Is::Dead(proof(object, is_posix)),
        },
        Ok(_) => Is::Kept("unproven", "a verdict of a later library".to_owned()),
        Err(error) => Is::Kept("hidden", safe(&error.to_string())),
    };
    Some(found(object, is, foreign))
}

fn found(object: &Object, is: Is, foreign: Foreign) -> Found {
    let bytes = object.allocated_bytes.unwrap_or(match object.content {
        Content::Messages { bytes, .. } => bytes,
        _ => 0,
    });
    let is_posix = object.kind != Kind::SysvShm;
    let age = age_of(object.changed, object.used.filter(|_| !is_posix));
    Found { name: safe(&object.name), kind: object.kind.to_string(), bytes, age, is, target: Target::Foreign(foreign) }
}

/// Why it is dead, and what that does not say.
fn proof(object: &Object, is_posix: bool) -> String {
    if is_posix {
        return "no process of this machine has it open or mapped: the kernel gave a write lease on it; whether a program is about to open \
                the name, it cannot say"
            .to_owned();
    }
    let creator = object.creator_pid.unwrap_or(0);
    format!(
        "it is attached nowhere, and its creator, process {creator}, has ended; whether a program is about to attach it by its key, the \
         kernel cannot say"
    )
}
