//! [errno(3)](https://man7.org/linux/man-pages/man3/errno.3.html): the numbers that callers tell apart.

pub use libc::{
    E2BIG, EBUSY, EDEADLK, EEXIST, EFBIG, EIDRM, EINPROGRESS, EINVAL, EMFILE, EMSGSIZE, ENOMSG, ENOSPC, ENOTCONN,
    ENOTRECOVERABLE, ENXIO, EOVERFLOW, EOWNERDEAD, EPERM, ERANGE, ESRCH,
};
