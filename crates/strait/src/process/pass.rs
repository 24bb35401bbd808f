//! Descriptors that go to another process over a Unix socket: to one that is no child, of another user or in another container.
//!
//! ```text
//! sender                                    receiver
//!   sendmsg [ length | label ] + fd -------> recvmsg 1 byte + fd, then the label, and no byte more
//! ```
//!
//! | bytes on the socket | |
//! |---:|---|
//! | 0 | length of the label; the descriptor travels with this byte (`SCM_RIGHTS`) |
//! | 1.. | the label, UTF-8 |
//!
//! 1. One descriptor at a time. More than one, or none, is an error, and what did arrive is closed.
//! 2. Nothing behind the label is read: the socket may be used for other things before and after.
//! 3. What comes is closed on exec from birth.
//! 4. The label is what the other side says. Who that is, the kernel says; what the descriptor is, whoever opens it finds out.

use crate::error::{Error, ErrorKind, Result};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use strait_sys::sendmsg;

const LABEL_BYTES_MAX: usize = 255;
const OBJECT: &str = "a Unix socket";

/// A descriptor that was received.
#[derive(Debug)]
#[non_exhaustive]
pub struct Passed {
    /// The descriptor, closed on exec.
    pub fd: OwnedFd,
    /// What the sender calls it.
    pub label: String,
    /// Who is on the other side of the socket.
    pub from: Credentials,
}

/// Who is on the other side of a socket, as the kernel noted when it connected, began to listen, or made the pair (`SO_PEERCRED`).
///
/// A socket that was inherited or passed on still tells who that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credentials {
    /// Process id, for people to read; 0 for a process in a pid namespace that this one does not see.
    pub pid: u32,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

impl Credentials {
    /// Who is on the other side of `socket`. One system call.
    ///
    /// # Errors
    /// `Kernel` where it is no connected socket.
    pub fn of(socket: &UnixStream) -> Result<Self> {
        let who =
            sendmsg::peer_credentials(socket.as_fd()).map_err(|e| Error::kernel("ask who is behind", OBJECT, e, ""))?;
        Ok(who.into())
    }
}

impl From<sendmsg::Credentials> for Credentials {
    fn from(who: sendmsg::Credentials) -> Self {
        Self { pid: who.pid, uid: who.uid, gid: who.gid }
    }
}

/// Sends a descriptor, of a channel for instance, to whoever reads from the other side of `socket`, with a label of up to 255 bytes.
///
/// This process keeps its own. The call waits where the socket is full, as `write` does; it never raises `SIGPIPE`.
///
/// ```
/// use std::os::unix::net::UnixStream;
/// use strait::channel::watch::{Options, Reader, Writer};
/// use strait::process::{recv_fd, send_fd};
/// use strait::region::Place;
///
/// let (here, there) = UnixStream::pair()?; // usually a UnixListener's, of another process
/// let mut tx = Writer::<u64>::create(Place::memfd("state"), &Options::new())?;
/// send_fd(&here, tx.fd().ok_or("a memfd has one")?, "state")?;
///
/// let passed = recv_fd(&there)?;
/// assert_eq!((passed.label.as_str(), passed.from.pid), ("state", std::process::id()));
/// let mut rx = Reader::<u64>::from_fd(passed.fd, &Options::new())?;
/// tx.send(&42)?;
/// assert_eq!(rx.get()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A memfd that another user shall attach to needs a [mode](crate::channel::watch::Options::mode) that lets that user write, 0666 for
/// instance: nobody finds it by a name.
///
/// # Errors
/// `Usage` for a label that is too long; `Closed` where nobody reads any more; `Kernel`.
#[doc(alias = "SCM_RIGHTS")]
pub fn send_fd(socket: &UnixStream, fd: impl AsFd, label: &str) -> Result<()> {
    let Some(len) = u8::try_from(label.len()).ok() else {
        let why = format!("send a descriptor: its label has {} bytes, {LABEL_BYTES_MAX} fit", label.len());
        return Err(Error::new(ErrorKind::Usage, why));
    };
    let mut bytes = vec![len];
    bytes.extend_from_slice(label.as_bytes());
    let refused = |e: std::io::Error| {
        let is_over = matches!(e.kind(), std::io::ErrorKind::BrokenPipe | std::io::ErrorKind::ConnectionReset);
        Error::kernel("send a descriptor over", OBJECT, e, "").with_kind_if(is_over, ErrorKind::Closed)
    };
    let mut sent = sendmsg::send_with_fd(socket.as_fd(), &bytes, fd.as_fd()).map_err(refused)?;
    // A socket that is almost full takes a part; the descriptor went with the first byte.
    while sent < bytes.len() {
        sent += sendmsg::send(socket.as_fd(), &bytes[sent..]).map_err(refused)?;
    }
    Ok(())
}

/// Receives a descriptor that [`send_fd`] sent; waits for it, for as long as the socket's read timeout allows.
///
/// # Errors
/// `Closed` where the other side has closed; `Damaged` where what comes is no descriptor and label, or several; `NoSpace` where this
/// process can open no more; `TimedOut`; `Kernel`. After an error what is next on the socket is unknown: close it.
pub fn recv_fd(socket: &UnixStream) -> Result<Passed> {
    let damaged = |what: &str| Err(Error::new(ErrorKind::Damaged, format!("receive a descriptor: {what}")));
    let from = Credentials::of(socket)?;
    let mut len = [0];
    let received = receive(socket.as_fd(), &mut len)?;
    let mut fds = received.fds.into_iter();
    let (fd, more) = (fds.next(), fds.next());
    if received.is_truncated && more.is_none() {
        // What did arrive is closed at the end of this block, here and below.
        return Err(Error::new(
            ErrorKind::NoSpace,
            String::from(
                "receive a descriptor: it did not arrive whole, for this process can open no more; raise its limit (ulimit -n)",
            ),
        ));
    }
    if received.is_truncated || more.is_some() {
        return damaged("several came at once; send them one by one");
    }
    let Some(fd) = fd else { return damaged("a byte came that carries none") };
    let mut label = vec![0; len[0].into()];
    let mut have = 0;
    while have < label.len() {
        let piece = receive(socket.as_fd(), &mut label[have..])?;
        if !piece.fds.is_empty() || piece.is_truncated {
            return damaged("its label carries another one");
        }
        have += piece.len_bytes;
    }
    match String::from_utf8(label) {
        Ok(label) => Ok(Passed { fd, label, from }),
        Err(_) => damaged("its label is no UTF-8"),
    }
}

/// At least one byte, and what came with it.
fn receive(socket: BorrowedFd<'_>, into: &mut [u8]) -> Result<sendmsg::Received> {
    let received = sendmsg::receive_with_fd(socket, into).map_err(|e| {
        let is_late = e.kind() == std::io::ErrorKind::WouldBlock;
        Error::kernel("receive a descriptor over", OBJECT, e, "").with_kind_if(is_late, ErrorKind::TimedOut)
    })?;
    if received.len_bytes == 0 {
        return Err(Error::new(ErrorKind::Closed, String::from("receive a descriptor: the other side has closed")));
    }
    Ok(received)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::time::Duration;

    /// Descriptors come in order with their labels, and bytes before and behind them are left alone.
    #[test]
    fn descriptors_come_with_their_labels() {
        let (mut here, mut there) = UnixStream::pair().expect("a pair");
        here.write_all(b"before").expect("room");
        for label in ["", "feed", &"x".repeat(255)] {
            let (mut inner, outer) = UnixStream::pair().expect("a pair");
            inner.write_all(b"!").expect("room");
            if label.is_empty() {
                let mut before = [0; 6];
                there.read_exact(&mut before).expect("there");
            }
            send_fd(&here, &outer, label).expect("room");
            let passed = recv_fd(&there).expect("one");
            assert_eq!((passed.label.as_str(), passed.from.pid), (label, std::process::id()));
            let mut byte = [0];
            UnixStream::from(passed.fd).read_exact(&mut byte).expect("the same socket");
            assert_eq!(&byte, b"!");
        }
        here.write_all(b"after").expect("room");
        let mut after = [0; 5];
        there.read_exact(&mut after).expect("there");
        assert_eq!(&after, b"after");
        assert_eq!(send_fd(&here, &there, &"x".repeat(256)).expect_err("too long").kind(), ErrorKind::Usage);
    }

    /// Bytes without a descriptor, an end in the middle, nobody there and nothing in time are each an error of their own.
    #[test]
    fn broken_ones_are_refused() {
        let receive = |bytes: &[u8]| {
            let (mut here, there) = UnixStream::pair().expect("a pair");
            here.write_all(bytes).expect("room");
            drop(here);
            recv_fd(&there).expect_err("none").kind()
        };
        assert_eq!(receive(b""), ErrorKind::Closed);
        assert_eq!(receive(b"\x04feed"), ErrorKind::Damaged);
        let (here, there) = UnixStream::pair().expect("a pair");
        sendmsg::send_with_fd(here.as_fd(), b"\x04fe", there.as_fd()).expect("room");
        there.set_read_timeout(Some(Duration::from_millis(5))).expect("set");
        assert_eq!(recv_fd(&there).expect_err("half").kind(), ErrorKind::TimedOut);
        sendmsg::send_with_fd(here.as_fd(), b"\x01\xFF", there.as_fd()).expect("room");
        assert_eq!(recv_fd(&there).expect_err("no text").kind(), ErrorKind::Damaged);
        drop(there);
        assert_eq!(send_fd(&here, &here, "feed").expect_err("nobody").kind(), ErrorKind::Closed);
    }
}
