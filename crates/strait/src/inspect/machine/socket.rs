//! Sockets of this network namespace: which two are connected, which listen, where.
//!
//! Two connected ones are one object, with both sides' holders. What is connected to another machine is left out: nobody here can be reached
//! through it.

use super::{Content, Identity, Kind, Object};
use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use strait_sys::sock_diag;

/// Of [proc_net(5)](https://man7.org/linux/man-pages/man5/proc_net.5.html).
const ESTABLISHED: u8 = 1;
const LISTEN: u8 = 10;

/// The object of each socket's inode.
#[derive(Default)]
pub(super) struct Sockets {
    objects: HashMap<u64, Object>,
    /// Of those that are bound to a path, the inode of the file that it led to then, its lower 32 bits.
    files: HashMap<Identity, u32>,
}

impl Sockets {
    /// Reads the kernel's lists; `refused` is told of those that cannot be read.
    pub(super) fn read(refused: &mut Vec<String>) -> Self {
        let (mut sockets, mut files) = (HashMap::new(), HashMap::new());
        match sock_diag::unix_sockets() {
            Ok(all) => unix(&all, &mut sockets, &mut files),
            Err(error) => refused.push(format!("list Unix sockets: {error}")),
        }
        for (kind, files) in [(Kind::Tcp, ["tcp", "tcp6"]), (Kind::Udp, ["udp", "udp6"])] {
            let mut all = Vec::new();
            for file in files {
                let path = format!("/proc/net/{file}");
                match fs::read_to_string(&path) {
                    Ok(text) => all.extend(text.lines().skip(1).filter_map(line)),
                    // A kernel without IPv6 has no such list.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    Err(error) => refused.push(format!("read {path}: {error}")),
                }
            }
            inet(kind, &all, &mut sockets);
        }
        Self { objects: sockets, files }
    }

    /// The inode of the file that a socket was bound to, as far as the kernel tells it.
    pub(super) fn file(&self, identity: Identity) -> Option<u32> {
        self.files.get(&identity).copied()
    }

    /// All of them, which are here no more then; two that are connected come twice.
    pub(super) fn take_objects(&mut self) -> impl Iterator<Item = Object> + use<> {
        std::mem::take(&mut self.objects).into_values()
    }

    /// What a process has that has the socket of this inode.
    pub(super) fn object(&self, inode: u64) -> Option<Object> {
        self.objects.get(&inode).cloned()
    }
}

fn unix(all: &[sock_diag::UnixSocket], into: &mut HashMap<u64, Object>, files: &mut HashMap<Identity, u32>) {
    let names: HashMap<u32, &[u8]> = all.iter().map(|it| (it.inode, it.name.as_slice())).collect();
    for socket in all {
        let inode = u64::from(socket.inode);
        let first = socket.peer_inode.map_or(inode, |peer| inode.min(peer.into()));
        // An accepted one has the name of the one that listens.
        let peer_name = socket.peer_inode.and_then(|peer| names.get(&peer).copied()).unwrap_or_default();
        let name = if socket.name.is_empty() { peer_name } else { &socket.name };
        let shown = match name {
            [] => first.to_string(),
            [0, name @ ..] => format!("@{}", String::from_utf8_lossy(name)),
            path => String::from_utf8_lossy(path).into_owned(),
        };
        let mut object = Object::new(Kind::UnixSocket, Identity::Socket(first), shown);
        if let [b'/', ..] = name {
            object.path = Some(Path::new(std::ffi::OsStr::from_bytes(name)).to_path_buf());
            files.extend(socket.file_inode.map(|inode| (object.identity, inode)));
        }
        let waiting = u64::from(socket.received_bytes);
        object.content = match socket.is_listening {
            true => Content::Connections(waiting),
            false => Content::Messages { count: None, bytes: waiting },
        };
        into.insert(inode, object);
    }
}

/// A line of `/proc/net/tcp` and its kin.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    local: SocketAddr,
    remote: SocketAddr,
    state: u8,
    received_bytes: u64,
    uid: u32,
    inode: u64,
}

fn line(text: &str) -> Option<Line> {
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    let (_, received) = fields.get(4)?.split_once(':')?;
    let inode = fields.get(9)?.parse().ok().filter(|&inode| inode != 0)?;
    Some(Line {
        local: address(fields.get(1)?)?,
        remote: address(fields.get(2)?)?,
        state: u8::from_str_radix(fields.get(3)?, 16).ok()?,
        received_bytes: u64::from_str_radix(received, 16).ok()?,
        uid: fields.get(7)?.parse().ok()?,
        inode,
    })
}

/// `0100007F:1F90`: each 32-bit word of the address as this machine has it, then the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (words, port) = text.split_once(':')?;
    let bytes = |at: usize| {
        let word = u32::from_str_radix(words.get(at..at + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    let ip = match words.len() {
        8 => IpAddr::V4(Ipv4Addr::from(bytes(0)?)),
        32 => {
            let mut whole = [0; 16];
            for (part, at) in whole.chunks_exact_mut(4).zip([0, 8, 16, 24]) {
                part.copy_from_slice(&bytes(at)?);
            }
            // One that speaks to IPv4 is found by that.
            Ipv6Addr::from(whole).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

fn inet(kind: Kind, all: &[Line], into: &mut HashMap<u64, Object>) {
    let connected: HashMap<(SocketAddr, SocketAddr), u64> =
        all.iter().filter(|it| it.state == ESTABLISHED).map(|it| ((it.local, it.remote), it.inode)).collect();
    for socket in all {
        let Line { local, remote, state, received_bytes, uid, inode } = *socket;
        let peer = connected.get(&(remote, local)).filter(|_| state == ESTABLISHED);
        let name = match peer {
            Some(_) => format!("{} {}", local.min(remote), local.max(remote)),
            None if state != ESTABLISHED && remote.port() == 0 => local.to_string(),
            None => continue,
        };
        let mut object = Object::new(kind, Identity::Socket(peer.map_or(inode, |&peer| peer.min(inode))), name);
        object.uid = Some(uid);
        object.content = match state == LISTEN {
            true => Content::Connections(received_bytes),
            false => Content::Messages { count: None, bytes: received_bytes },
        };
        into.insert(inode, object);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Addresses are words in this machine's order; one of IPv6 that means one of IPv4 is that.
    #[test]
    #[cfg(target_endian = "little")]
    fn addresses() {
        let of = |text: &str| address(text).map(|it| it.to_string());
        assert_eq!(of("0100007F:1F90").as_deref(), Some("127.0.0.1:8080"));
        assert_eq!(of("00000000000000000000000001000000:0016").as_deref(), Some("[::1]:22"));
        assert_eq!(of("0000000000000000FFFF00000100007F:0016").as_deref(), Some("127.0.0.1:22"));
        for nonsense in ["", ":", "0100007F", "0100007F:x", "01:1", "0100007G:0016"] {
            assert_eq!(of(nonsense), None, "{nonsense:?}");
        }
    }

    /// Both ends of a connection are one object; one that goes to another machine is none.
    #[test]
    fn connections() {
        let socket = |local: &str, remote: &str, state, inode| Line {
            local: local.parse().expect("an address"),
            remote: remote.parse().expect("an address"),
            state,
            received_bytes: 0,
            uid: 0,
            inode,
        };
        let all = [
            socket("127.0.0.1:80", "0.0.0.0:0", LISTEN, 7),
            socket("127.0.0.1:80", "127.0.0.1:5000", ESTABLISHED, 9),
            socket("127.0.0.1:5000", "127.0.0.1:80", ESTABLISHED, 8),
            socket("10.0.0.1:5001", "10.0.0.2:80", ESTABLISHED, 6),
        ];
        let mut found = HashMap::new();
        inet(Kind::Tcp, &all, &mut found);
        let of = |inode: u64| found.get(&inode).map(|it| (it.identity, it.name.as_str()));
        assert_eq!(of(7), Some((Identity::Socket(7), "127.0.0.1:80")));
        assert_eq!(of(8), Some((Identity::Socket(8), "127.0.0.1:80 127.0.0.1:5000")));
        assert_eq!((of(9), of(6)), (of(8), None));
    }
}
