//! [fsopen(2)](https://man7.org/linux/man-pages/man2/fsopen.2.html), [fsmount(2)](https://man7.org/linux/man-pages/man2/fsmount.2.html): a file
//! system that only its descriptor leads to. Nobody else sees it, and it goes with the descriptor.

use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

/// The directory of this IPC namespace's POSIX queues. Three system calls.
///
/// # Errors
/// `EPERM`: it takes `CAP_SYS_ADMIN`. `ENODEV`: this kernel has no POSIX queues. `ENOSYS`: before Linux 5.2.
pub fn queues() -> io::Result<OwnedFd> {
    let context = fsopen("mqueue", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(context.as_fd())?;
    let attributes =
        MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC | MountAttrFlags::MOUNT_ATTR_NOSUID;
    Ok(fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}
