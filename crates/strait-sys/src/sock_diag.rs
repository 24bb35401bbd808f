//! [sock_diag(7)](https://man7.org/linux/man-pages/man7/sock_diag.7.html): the Unix sockets of this network namespace, and who is connected to whom.

use rustix::net::netlink::SOCK_DIAG;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use std::io;

/// A Unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixSocket {
    /// What `/proc/PID/fd` shows as `socket:[inode]`.
    pub inode: u32,
    /// The other end's inode, if it is connected.
    pub peer_inode: Option<u32>,
    /// `SOCK_STREAM` 1, `SOCK_DGRAM` 2, `SOCK_SEQPACKET` 5.
    pub kind: u8,
    /// Whether others can connect to it.
    pub is_listening: bool,
    /// The path it is bound to; of an abstract name the first byte is zero. Empty: none.
    pub name: Vec<u8>,
    /// The inode of the file that it is bound to, its lower 32 bits: what the path led to then, whoever looks at it.
    pub file_inode: Option<u32>,
    /// Bytes that wait to be received here; of one that listens, connections that wait to be accepted.
    pub received_bytes: u32,
}

// Of linux/netlink.h, linux/sock_diag.h and linux/unix_diag.h.
const REQUEST_AND_DUMP: u16 = 0x1 | 0x300;
const BY_FAMILY: u16 = 20;
const DONE: u16 = 3;
const ERROR: u16 = 2;
const SHOW_NAME: u32 = 1;
const SHOW_FILE: u32 = 2;
const SHOW_PEER: u32 = 4;
const SHOW_QUEUE: u32 = 0x10;
const NAME: u16 = 0;
const FILE: u16 = 1;
const PEER: u16 = 2;
const QUEUE: u16 = 4;
const LISTENING: u8 = 10;
/// Length of a message's header, and of what a Unix socket's answer begins with.
const HEADER_BYTES: usize = 16;
const ANSWER_BYTES: usize = 16;

/// All Unix sockets of this network namespace. Some system calls for each hundred.
///
/// # Errors
/// `EPROTONOSUPPORT`, `ENOENT`: this kernel has no such list (`CONFIG_UNIX_DIAG`). `EACCES`: a sandbox forbids it.
#[doc(alias = "NETLINK_SOCK_DIAG")]
pub fn unix_sockets() -> io::Result<Vec<UnixSocket>> {
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(SOCK_DIAG))?;
    rustix::net::send(&socket, &request(), SendFlags::empty())?;
    let mut found = Vec::new();
    // The kernel fills up to 32 KiB at a time.
    let mut buffer = vec![0; 64 << 10];
    loop {
        let (_, len) = rustix::net::recv(&socket, &mut *buffer, RecvFlags::empty())?;
        let mut rest = buffer.get(..len).unwrap_or_default();
        if rest.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        while let Some((kind, body, next)) = message(rest) {
            match kind {
                DONE => return Ok(found),
                // An error number, negative.
                ERROR => {
                    return Err(io::Error::from_raw_os_error(word(body, 0).map_or(0, |it| (it as i32).wrapping_neg())));
                }
                BY_FAMILY => found.extend(unix_socket(body)),
                _ => {}
            }
            rest = next;
        }
    }
}

/// `struct nlmsghdr`, then `struct unix_diag_req`: all states, all of them.
fn request() -> [u8; 40] {
    let mut bytes = [0; 40];
    bytes[..4].copy_from_slice(&40_u32.to_ne_bytes());
    bytes[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
    bytes[6..8].copy_from_slice(&REQUEST_AND_DUMP.to_ne_bytes());
    // AF_UNIX is 1.
    bytes[16] = 1;
    bytes[20..24].copy_from_slice(&u32::MAX.to_ne_bytes());
    bytes[28..32].copy_from_slice(&(SHOW_NAME | SHOW_FILE | SHOW_PEER | SHOW_QUEUE).to_ne_bytes());
    bytes
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The first message of some: its type, its body, and what follows.
fn message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let len = word(bytes, 0)? as usize;
    let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    let body = bytes.get(HEADER_BYTES..len)?;
    // Each begins at a multiple of four.
    Some((kind, body, bytes.get(len.next_multiple_of(4)..).unwrap_or_default()))
}

/// `struct unix_diag_msg`, then its attributes.
fn unix_socket(body: &[u8]) -> Option<UnixSocket> {
    let mut socket = UnixSocket {
        inode: word(body, 4)?,
        peer_inode: None,
        kind: *body.get(1)?,
        is_listening: *body.get(2)? == LISTENING,
        name: Vec::new(),
        file_inode: None,
        received_bytes: 0,
    };
    let mut rest = body.get(ANSWER_BYTES..)?;
    while let (Some(len), Some(kind)) = (rest.get(..2), rest.get(2..4)) {
        let len = usize::from(u16::from_ne_bytes(len.try_into().ok()?));
        let Some(value) = rest.get(4..len) else { break };
        match u16::from_ne_bytes(kind.try_into().ok()?) {
            NAME => socket.name = value.strip_suffix(&[0]).filter(|name| !name.is_empty()).unwrap_or(value).to_vec(),
            FILE => socket.file_inode = word(value, 0),
            PEER => socket.peer_inode = word(value, 0).filter(|&inode| inode != 0),
            QUEUE => socket.received_bytes = word(value, 0).unwrap_or(0),
            _ => {}
        }
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd as _;
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

    fn inode(fd: &impl std::os::fd::AsRawFd) -> u32 {
        let link = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).expect("open");
        let text = link.to_string_lossy().into_owned();
        text.trim_start_matches("socket:[").trim_end_matches(']').parse().expect("a number")
    }

    /// Both ends of a pair name each other; one that listens has its name.
    #[test]
    fn ends_and_names() {
        let (one, two) = UnixStream::pair().expect("a pair");
        let name = format!("strait-sys-diag-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("short");
        let listener = UnixListener::bind_addr(&address).expect("free");
        assert!(listener.as_raw_fd() > 2);
        let all = unix_sockets().expect("this kernel has the list");
        let the = |inode: u32| all.iter().find(|it| it.inode == inode).expect("there");
        let (first, second) = (the(inode(&one)), the(inode(&two)));
        assert_eq!((first.peer_inode, second.peer_inode), (Some(second.inode), Some(first.inode)));
        assert_eq!((first.kind, first.is_listening, first.name.is_empty()), (1, false, true));
        let listens = the(inode(&listener));
        assert_eq!((listens.is_listening, listens.name.as_slice()), (true, format!("\0{name}").as_bytes()));
        assert_eq!(listens.file_inode, None, "it has no file");
    }

    /// One that is bound to a path says which file that is.
    #[test]
    fn a_path_has_an_inode() {
        use std::os::unix::fs::MetadataExt as _;
        // A file system of memory shows the numbers that it has.
        let path = std::path::PathBuf::from(format!("/dev/shm/strait-sys-diag-{}", std::process::id()));
        let listener = UnixListener::bind(&path).expect("free");
        let file = std::fs::metadata(&path);
        std::fs::remove_file(&path).expect("ours");
        let all = unix_sockets().expect("this kernel has the list");
        let it = all.iter().find(|it| it.inode == inode(&listener)).expect("there");
        assert_eq!(it.file_inode, Some(file.expect("it was there").ino() as u32));
    }

    /// What is cut or contradicts itself is passed by.
    #[test]
    fn nonsense_is_no_socket() {
        assert_eq!(message(&[]), None);
        assert_eq!(message(&[200, 0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(message(&[3, 0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(unix_socket(&[1, 1, 1]), None);
        let mut body = vec![0; 16];
        body.extend([255, 255, 0, 0]);
        assert!(unix_socket(&body).is_some_and(|it| it.name.is_empty()));
        body[16..].copy_from_slice(&[0, 0, 0, 0]);
        assert!(unix_socket(&body).is_some());
    }
}
