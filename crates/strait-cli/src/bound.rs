//! Whether a socket is bound to a path: asked of the kernel, which knows those of all network and mount namespaces.
//!
//! A datagram socket that connects sends nothing, and joins no queue of one that listens. The kernel looks for a socket that is bound to the
//! file's inode, of whatever kind, and only then at its kind:
//!
//! | `connect` says | means |
//! |---|---|
//! | done, `EPROTOTYPE`, `EPERM` | one is bound |
//! | `ECONNREFUSED` | none is: whoever was has ended, and nobody can be again while the file is there |
//! | anything else | it cannot be told, for instance without the right to write |
//!
//! Two things it does not see: another machine's, on a file system of the network, and one that was bound through another layer of an overlay.

use rustix::io::Errno;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

/// `None`: it cannot be told.
pub(crate) fn is_bound(path: &Path) -> Option<bool> {
    let refused = |error: io::Error| error.raw_os_error().map(Errno::from_raw_os_error);
    match UnixDatagram::unbound().ok()?.connect(path).map_err(refused) {
        Ok(()) | Err(Some(Errno::PROTOTYPE | Errno::PERM)) => Some(true),
        Err(Some(Errno::CONNREFUSED)) => Some(false),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::is_bound;
    use std::os::unix::net::{UnixDatagram, UnixListener};

    /// Bound is who listens, and who takes datagrams; neither notices that it was asked for. The file that they leave is nobody's.
    #[test]
    fn bound_and_left() {
        let path = std::env::temp_dir().join(format!("cli-bound-{}", std::process::id()));
        assert_eq!(is_bound(&path), None, "nothing is there");
        let listener = UnixListener::bind(&path).expect("free");
        listener.set_nonblocking(true).expect("ours");
        assert_eq!(is_bound(&path), Some(true));
        let nobody = listener.accept().expect_err("nobody has come");
        assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
        drop(listener);
        let left = is_bound(&path);
        std::fs::remove_file(&path).expect("it was left");
        assert_eq!(left, Some(false));
        let datagrams = UnixDatagram::bind(&path).expect("free");
        let bound = is_bound(&path);
        drop(datagrams);
        std::fs::remove_file(&path).expect("it was left");
        assert_eq!(bound, Some(true));
    }
}
