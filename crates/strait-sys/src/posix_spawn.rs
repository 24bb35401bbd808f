//! `posix_spawn(3)`: start a program in a new process, without a copy of this one.
//!
//! glibc's `posix_spawn` clones with `CLONE_VM | CLONE_VFORK`: the child borrows this process's memory until it runs its
//! program, so the cost does not grow with the heap (a `fork` of 8 GiB takes 174 ms). No code of ours runs in the child; all it
//! does between clone and exec is the list of *file actions* that is written down here beforehand.
//!
//! What the child finds under its descriptor numbers is one table ([`Spawn::descriptors`]): slot `n` of the table becomes
//! descriptor `n`. Carried out naively that fails in two ways, hence two rules:
//!
//! 1. **A source is never a target.** Every source with a number inside the table is first duplicated, in this process, to a
//!    number above the table. So no action destroys a source that a later one needs, and `dup2` never meets equal numbers, where
//!    it would leave `FD_CLOEXEC` set.
//! 2. **What is not in the table is not in the child.** The last action closes everything above the table, descriptors without
//!    `FD_CLOEXEC` included (C libraries open such). This needs glibc 2.34; with another C library `FD_CLOEXEC` has to do.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;

/// Error numbers that [`Spawn::spawn`] meets and [`io::ErrorKind`] has no word for.
pub use libc::{E2BIG, EAGAIN, EMFILE, ENFILE, ENOEXEC};

/// What to start, and what it finds when it starts.
#[derive(Debug)]
pub struct Spawn<'a> {
    /// The program: a path if it contains a slash, else looked for in this process's `PATH`.
    pub program: &'a CStr,
    /// Its arguments, the first of which is by custom its own name.
    pub arguments: &'a [CString],
    /// Its whole environment, as `NAME=value`.
    pub environment: &'a [CString],
    /// The directory it starts in; a relative `program` is meant from there.
    pub directory: Option<&'a CStr>,
    /// Slot `n` becomes its descriptor `n`; `None` leaves to the child what this process has under that number.
    pub descriptors: &'a [Option<BorrowedFd<'a>>],
    /// Put it into a new process group of its own.
    pub own_group: bool,
}

impl Spawn<'_> {
    /// Starts the program and returns its pid, once the new process runs it.
    ///
    /// The child has an empty signal mask and the default action for `SIGPIPE` (Rust programs ignore that signal, and exec would
    /// pass this on). All descriptors from `max(3, descriptors.len())` on are closed in it.
    ///
    /// # Errors
    ///
    /// Whatever kept the program from running, failures of exec in the child included; no child is left behind then.
    ///
    /// Blocks until the exec. References: <https://man7.org/linux/man-pages/man3/posix_spawn.3.html>.
    #[doc(alias = "posix_spawnp")]
    pub fn spawn(&self) -> io::Result<u32> {
        let mut actions = MaybeUninit::uninit();
        let mut actions = Actions::init(&mut actions)?;
        if let Some(directory) = self.directory {
            actions.change_directory(directory)?;
        }
        // Lives until after the spawn: the actions name these numbers.
        let mut staged: Vec<OwnedFd> = Vec::new();
        let table_end = as_number(self.descriptors.len())?;
        for (target, source) in self.descriptors.iter().enumerate() {
            let Some(source) = source else { continue };
            let mut number = source.as_raw_fd();
            if number < table_end {
                // Rule 1.
                let copy = rustix::io::fcntl_dupfd_cloexec(source, table_end)?;
                number = copy.as_raw_fd();
                staged.push(copy);
            }
            actions.duplicate(number, as_number(target)?)?;
        }
        actions.close_from(table_end.max(3))?;

        let mut attributes = MaybeUninit::uninit();
        let mut attributes = Attributes::init(&mut attributes)?;
        attributes.plain_signals(self.own_group)?;

        let arguments = pointers(self.arguments);
        let environment = pointers(self.environment);
        let mut pid = 0;
        // SAFETY: `program` is a C string. `actions` and `attributes` were initialised above and are destroyed only after this
        // call. `arguments` and `environment` are arrays of pointers to C strings that `self` borrows, each with a null pointer
        // at its end; the call does not write through them (its `*mut` is C's history). `pid` is ours to be written.
        let code = unsafe {
            libc::posix_spawnp(
                &raw mut pid,
                self.program.as_ptr(),
                actions.as_ptr(),
                attributes.as_ptr(),
                arguments.as_ptr(),
                environment.as_ptr(),
            )
        };
        drop(staged);
        check(code)?;
        u32::try_from(pid).map_err(|_| io::Error::from_raw_os_error(libc::ESRCH))
    }
}

/// The file actions: what the child does to its descriptors before the exec.
struct Actions<'a>(&'a mut MaybeUninit<libc::posix_spawn_file_actions_t>);

impl<'a> Actions<'a> {
    fn init(place: &'a mut MaybeUninit<libc::posix_spawn_file_actions_t>) -> io::Result<Self> {
        // SAFETY: `place` is memory of the right size and alignment, and init asks for nothing else.
        check(unsafe { libc::posix_spawn_file_actions_init(place.as_mut_ptr()) })?;
        Ok(Self(place))
    }

    fn change_directory(&mut self, directory: &CStr) -> io::Result<()> {
        // SAFETY: initialised by `init`, the only way to an `Actions`; the call copies the C string.
        check(unsafe { libc::posix_spawn_file_actions_addchdir_np(self.0.as_mut_ptr(), directory.as_ptr()) })
    }

    fn duplicate(&mut self, source: RawFd, target: RawFd) -> io::Result<()> {
        // SAFETY: initialised by `init`. The numbers are only noted; they are used in the child, which has a descriptor table
        // of its own, so whatever they name no descriptor of this process is closed or replaced.
        check(unsafe { libc::posix_spawn_file_actions_adddup2(self.0.as_mut_ptr(), source, target) })
    }

    /// Rule 2.
    #[cfg(target_env = "gnu")]
    fn close_from(&mut self, first: RawFd) -> io::Result<()> {
        // SAFETY: initialised by `init`; as for `duplicate`, only the child's table is touched.
        check(unsafe { libc::posix_spawn_file_actions_addclosefrom_np(self.0.as_mut_ptr(), first) })
    }

    #[cfg(not(target_env = "gnu"))]
    fn close_from(&mut self, _first: RawFd) -> io::Result<()> {
        Ok(())
    }

    fn as_ptr(&self) -> *const libc::posix_spawn_file_actions_t {
        self.0.as_ptr()
    }
}

impl Drop for Actions<'_> {
    fn drop(&mut self) {
        // SAFETY: initialised by `init`, not destroyed before, and not used after.
        unsafe { libc::posix_spawn_file_actions_destroy(self.0.as_mut_ptr()) };
    }
}

/// The attributes: signals and process group of the child.
struct Attributes<'a>(&'a mut MaybeUninit<libc::posix_spawnattr_t>);

impl<'a> Attributes<'a> {
    fn init(place: &'a mut MaybeUninit<libc::posix_spawnattr_t>) -> io::Result<Self> {
        // SAFETY: `place` is memory of the right size and alignment, and init asks for nothing else.
        check(unsafe { libc::posix_spawnattr_init(place.as_mut_ptr()) })?;
        Ok(Self(place))
    }

    /// An empty mask, the default for `SIGPIPE`, and a group of its own if wanted.
    fn plain_signals(&mut self, own_group: bool) -> io::Result<()> {
        let mut flags = libc::POSIX_SPAWN_SETSIGMASK | libc::POSIX_SPAWN_SETSIGDEF;
        let none = signal_set(None)?;
        // SAFETY: initialised by `init`; the set is initialised and is copied by the call.
        check(unsafe { libc::posix_spawnattr_setsigmask(self.0.as_mut_ptr(), &raw const none) })?;
        let pipe = signal_set(Some(libc::SIGPIPE))?;
        // SAFETY: as above.
        check(unsafe { libc::posix_spawnattr_setsigdefault(self.0.as_mut_ptr(), &raw const pipe) })?;
        if own_group {
            flags |= libc::POSIX_SPAWN_SETPGROUP;
            // SAFETY: initialised by `init`; 0 stands for the child's own pid.
            check(unsafe { libc::posix_spawnattr_setpgroup(self.0.as_mut_ptr(), 0) })?;
        }
        let flags = libc::c_short::try_from(flags).map_err(|_| io::ErrorKind::InvalidInput)?;
        // SAFETY: initialised by `init`; the flags are ones that the C library defines.
        check(unsafe { libc::posix_spawnattr_setflags(self.0.as_mut_ptr(), flags) })
    }

    fn as_ptr(&self) -> *const libc::posix_spawnattr_t {
        self.0.as_ptr()
    }
}

impl Drop for Attributes<'_> {
    fn drop(&mut self) {
        // SAFETY: initialised by `init`, not destroyed before, and not used after.
        unsafe { libc::posix_spawnattr_destroy(self.0.as_mut_ptr()) };
    }
}

/// The set of that one signal, or of none.
fn signal_set(member: Option<c_int>) -> io::Result<libc::sigset_t> {
    let mut set = MaybeUninit::uninit();
    // SAFETY: the set is ours to be written.
    if unsafe { libc::sigemptyset(set.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `sigemptyset` has initialised it.
    let mut set: libc::sigset_t = unsafe { set.assume_init() };
    if let Some(signal) = member {
        // SAFETY: the set is initialised; a number that is no signal is an error, not undefined.
        if unsafe { libc::sigaddset(&raw mut set, signal) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(set)
}

/// The array of pointers that exec wants, with the null pointer at its end.
fn pointers(strings: &[CString]) -> Vec<*mut c_char> {
    strings.iter().map(|s| s.as_ptr().cast_mut()).chain([ptr::null_mut()]).collect()
}

fn as_number(slot: usize) -> io::Result<RawFd> {
    RawFd::try_from(slot).map_err(|_| io::Error::from_raw_os_error(EMFILE))
}

/// These functions return the error number and leave `errno` alone.
fn check(code: c_int) -> io::Result<()> {
    match code {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}
