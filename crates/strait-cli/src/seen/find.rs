//! Finding what a person names.
//!
//! | written | means |
//! |---|---|
//! | `feed` | strait's `feed`; else whatever has this name: a label of a memfd, a POSIX object without its slash |
//! | `/feed` | the POSIX objects of this name, or the file at this path |
//! | `/dev/shm/x`, `./fifo` | what this path leads to |
//! | `0x53000001` | the System V objects of this key |
//! | `412` | the process; strait's `412`; else the object whose inode, id or number it is, or that is called so |
//! | `sysv-shm:412` | the ones of this id or this key |
//! | `feed*` | all that the pattern means (`*` any run of characters, `?` any one): name or path |
//! | `sysv-shm:id:7@4026532201` | the one of this id in another IPC namespace |
//! | `posix-mq:/x`, `sysv-shm:id:7`, `memfd:inode:4711`, `strait:feed`, `pid:412`, `inode:4711` | this, and nothing else |

use super::{Kinds, Seen, Thing};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use strait::discovery::matches;
use strait::inspect::machine::{Identity, Process};

/// What a person named.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    kinds: Option<Kinds>,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Process(u32),
    Name(String),
    Pattern(String),
    /// What a name may be as well: a process, an inode, an id, a key.
    Number(u64, String),
    Key(u32),
    Id(i32),
    /// In the IPC namespace of this number.
    IdIn(u64, i32),
    Inode(u64),
}

/// What there is of it.
#[derive(Debug, Default)]
pub(crate) struct Found<'a> {
    pub(crate) process: Option<&'a Process>,
    pub(crate) things: Vec<&'a Thing>,
}

impl Wanted {
    /// What these words mean.
    ///
    /// # Errors
    /// Words that mean nothing, with the reason.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("a name has at least one character".to_owned());
        }
        let number = |digits: &str| digits.parse().map_err(|_| format!("'{}' is no number", crate::text::safe(digits)));
        if let Some(pid) = text.strip_prefix("pid:") {
            let pid = u32::try_from(number(pid)?).map_err(|_| "a process id has at most 32 bits".to_owned())?;
            return Ok(Self { kinds: None, what: What::Process(pid) });
        }
        let (kinds, rest) = match text.split_once(':') {
            Some((kind, rest)) => match Kinds::of_name(kind) {
                Ok(kinds) => (Some(kinds), rest),
                Err(_) => (None, text),
            },
            None => (None, text),
        };
        let what = if let Some(inode) = rest.strip_prefix("inode:") {
            What::Inode(number(inode)?)
        } else if let Some(id) = rest.strip_prefix("id:") {
            let (id, namespace) = id.split_once('@').map_or((id, None), |(id, namespace)| (id, Some(namespace)));
            let id = i32::try_from(number(id)?).map_err(|_| "an id has at most 31 bits".to_owned())?;
            match namespace {
                Some(namespace) => What::IdIn(number(namespace)?, id),
                None => What::Id(id),
            }
        } else if let Some(key) = hexadecimal(rest) {
            What::Key(key)
        } else if rest.contains(['*', '?']) {
            What::Pattern(rest.to_owned())
        } else if let Ok(number) = rest.parse() {
            What::Number(number, rest.to_owned())
        } else {
            What::Name(rest.to_owned())
        };
        Ok(Self { kinds, what })
    }
}

fn hexadecimal(text: &str) -> Option<u32> {
    u32::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

impl Seen {
    /// All that these words mean. Where one of strait's own has the very name, others that are merely called so as well are left out; and where
    /// one of ours has it, those of other namespaces are.
    pub(crate) fn find(&self, wanted: &Wanted) -> Found<'_> {
        let process = match wanted.what {
            What::Process(pid) => self.process(pid),
            What::Number(number, _) if wanted.kinds.is_none() => {
                u32::try_from(number).ok().and_then(|pid| self.process(pid))
            }
            _ => None,
        };
        let leads_to = wanted.leads_to();
        let is_it = |thing: &&Thing| {
            wanted.kinds.is_none_or(|kinds| kinds.has(thing))
                && (wanted.is(thing) || leads_to == Some(thing.object.identity))
        };
        let mut things: Vec<&Thing> = self.things.iter().filter(is_it).collect();
        if let What::Name(name) | What::Number(_, name) = &wanted.what {
            if things.iter().any(|thing| !thing.is_elsewhere) {
                things.retain(|thing| !thing.is_elsewhere);
            }
            let is_own = |thing: &&Thing| thing.is_own() && !thing.object.is_unlinked && thing.name() == name;
            if things.iter().any(is_own) {
                things.retain(is_own);
            }
        }
        Found { process, things }
    }
}

impl Wanted {
    /// Whether they mean this one.
    fn is(&self, thing: &Thing) -> bool {
        let object = &thing.object;
        match &self.what {
            What::Process(_) => false,
            What::Name(name) => is_called(thing, name),
            What::Pattern(pattern) => {
                let path = object.path.as_ref().map(|path| path.to_string_lossy());
                matches(pattern, thing.name())
                    || matches(pattern, &object.name)
                    || path.is_some_and(|path| matches(pattern, &path))
            }
            What::Number(number, name) => {
                // A bare one is no key: those are written in hexadecimal.
                let is_key = self.kinds.is_some() && matches!(object.identity, Identity::SysvId(_));
                thing.number() == Some(*number)
                    || is_called(thing, name)
                    || is_key && hexadecimal(&object.name).map(u64::from) == Some(*number)
            }
            What::Inode(number) => thing.number() == Some(*number),
            What::Key(key) => matches!(object.identity, Identity::SysvId(_)) && hexadecimal(&object.name) == Some(*key),
            What::Id(id) => object.identity == Identity::SysvId(*id),
            What::IdIn(namespace, id) => object.identity == Identity::SysvIdIn(*namespace, *id),
        }
    }

    /// The file that they lead to as a path.
    fn leads_to(&self) -> Option<Identity> {
        let What::Name(name) = &self.what else { return None };
        let stat = name.contains('/').then(|| fs::metadata(name).ok()).flatten()?;
        Some(Identity::File(stat.dev(), stat.ino()))
    }
}

fn is_called(thing: &Thing, name: &str) -> bool {
    [thing.name(), &thing.object.name].contains(&name) || is_without_slash(thing, name)
}

/// `jobs` for `/jobs`; strait's own are not called so.
fn is_without_slash(thing: &Thing, name: &str) -> bool {
    let stripped = thing.object.name.strip_prefix('/');
    stripped == Some(name) && !thing.object.name.starts_with("/strait.") && !name.contains('/')
}
