//! [semget(2)](https://man7.org/linux/man-pages/man2/semget.2.html), [semop(2)](https://man7.org/linux/man-pages/man2/semop.2.html),
//! [semctl(2)](https://man7.org/linux/man-pages/man2/semctl.2.html): System V semaphores, which come in sets.
#![allow(unsafe_code)]

use crate::shmget::Create;
use std::io;
use std::time::Duration;

unsafe extern "C" {
    // Both C libraries of Linux have it; the binding does not.
    fn semtimedop(
        id: libc::c_int,
        operations: *mut libc::sembuf,
        count: libc::size_t,
        timeout: *const libc::timespec,
    ) -> libc::c_int;
}

/// Finds or makes the set of `key`, of `count` semaphores (0: of however many there are), and returns its id. One system call. A new set has
/// all values zero, and has never been operated on.
///
/// # Errors
///
/// `ENOENT`, `EEXIST`, `EACCES`. `EINVAL`: the set has fewer, or `count` is zero or above `SEMMSL`. `ENOSPC`: as many sets or semaphores as
/// `/proc/sys/kernel/sem` allows.
pub fn semget(key: i32, count: u16, create: Create, mode: u32) -> io::Result<i32> {
    let flags = (mode & 0o777) as libc::c_int
        | match create {
            Create::No => 0,
            Create::IfMissing => libc::IPC_CREAT,
            Create::New => libc::IPC_CREAT | libc::IPC_EXCL,
        };
    // SAFETY: plain numbers, no pointer.
    match unsafe { libc::semget(key, count.into(), flags) } {
        -1 => Err(io::Error::last_os_error()),
        id => Ok(id),
    }
}

/// What is done to one semaphore of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Which one, counted from zero.
    pub number: u16,
    /// What is added to its value. Below zero: waits until the value is large enough. Zero: waits until the value is zero.
    pub change: i16,
    /// Whether the change is taken back when this process ends, however it ends (`SEM_UNDO`).
    pub undo: bool,
}

impl Operation {
    /// Adds to a semaphore's value.
    #[must_use]
    pub fn add(number: u16, count: u16) -> Self {
        Self { number, change: i16::try_from(count).unwrap_or(i16::MAX), undo: false }
    }

    /// Takes from a semaphore's value, as soon as it is that large.
    #[must_use]
    pub fn take(number: u16, count: u16) -> Self {
        Self { number, change: -i16::try_from(count).unwrap_or(i16::MAX), undo: false }
    }

    /// Waits until a semaphore's value is zero.
    #[must_use]
    pub fn until_zero(number: u16) -> Self {
        Self { number, change: 0, undo: false }
    }

    /// The same, taken back when this process ends, however it ends.
    #[doc(alias = "SEM_UNDO")]
    #[must_use]
    pub fn undone(self) -> Self {
        Self { undo: true, ..self }
    }
}

/// How long an operation waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Not at all: `EAGAIN`.
    None,
    /// So long at the most, by the monotonic clock: `EAGAIN`.
    For(Duration),
    /// For ever.
    Endless,
}

/// Does all operations at one instant, or none. One system call.
///
/// # Errors
///
/// `EAGAIN`, `EINTR`. `EIDRM`: the set was removed while waiting; `EINVAL`: before. `E2BIG`: more operations than `SEMOPM`. `EFBIG`: no such
/// semaphore. `ERANGE`: a value above `SEMVMX`, 32,767. `EACCES`. `ENOSPC`, `ENOMEM`: too many processes with something to undo.
#[doc(alias = "semtimedop")]
pub fn semop(id: i32, operations: &[Operation], patience: Patience) -> io::Result<()> {
    let no_wait = if patience == Patience::None { libc::IPC_NOWAIT } else { 0 };
    let raw = |it: &Operation| libc::sembuf {
        sem_num: it.number,
        sem_op: it.change,
        // Both fit: 0o4000 and 0x1000.
        sem_flg: (no_wait | if it.undo { libc::SEM_UNDO } else { 0 }) as libc::c_short,
    };
    let time = |time: Duration| libc::timespec {
        tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX),
        // Below 10^9.
        tv_nsec: time.subsec_nanos() as libc::c_long,
    };
    let timeout = if let Patience::For(timeout) = patience { Some(time(timeout)) } else { None };
    let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // One or two is what almost everybody does: no memory is asked for then.
    let mut few = [raw(&Operation { number: 0, change: 0, undo: false }); 2];
    let mut many;
    let raw_operations = if operations.len() <= few.len() {
        for (place, operation) in few.iter_mut().zip(operations) {
            *place = raw(operation);
        }
        &mut few[..operations.len()]
    } else {
        many = operations.iter().map(raw).collect::<Vec<_>>();
        &mut many[..]
    };
    // SAFETY: that many valid operations; null, or a valid time.
    let result = unsafe { semtimedop(id, raw_operations.as_mut_ptr(), raw_operations.len(), timeout) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What the kernel keeps about a set (`IPC_STAT`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetStat {
    /// Owner.
    pub uid: u32,
    /// Permission bits.
    pub mode: u32,
    /// How many semaphores.
    pub count: u16,
    /// When it was last operated on, in seconds since 1970; 0: never, so whoever made it has not given it its first values yet.
    pub operated_at_s: i64,
}

/// The argument of `semctl(2)`, which its caller has to declare.
#[repr(C)]
union Semun {
    value: libc::c_int,
    stat: *mut libc::semid_ds,
}

/// Asks about a set. One system call.
///
/// # Errors
/// `EINVAL`, `EIDRM`: there is no such set. `EACCES`.
#[doc(alias = "IPC_STAT")]
pub fn semctl_stat(id: i32) -> io::Result<SetStat> {
    // SAFETY: a struct of integers, for which zero is a value.
    let mut stat: libc::semid_ds = unsafe { std::mem::zeroed() };
    // SAFETY: the struct is valid for the kernel to write.
    done(unsafe { libc::semctl(id, 0, libc::IPC_STAT, Semun { stat: &raw mut stat }) })?;
    Ok(SetStat {
        uid: stat.sem_perm.uid,
        mode: u32::from(stat.sem_perm.mode) & 0o777,
        count: u16::try_from(stat.sem_nsems).unwrap_or(u16::MAX),
        operated_at_s: stat.sem_otime,
    })
}

/// The value of one semaphore. One system call.
///
/// # Errors
/// As for [`semctl_stat`]; `EINVAL`: no such semaphore.
#[doc(alias = "GETVAL")]
pub fn semctl_value(id: i32, number: u16) -> io::Result<u16> {
    ask(id, number, libc::GETVAL).map(|value| u16::try_from(value).unwrap_or(u16::MAX))
}

/// Gives one semaphore a value, and forgets what any process would undo there. One system call.
///
/// # Errors
/// As for [`semctl_stat`]; `ERANGE`: above `SEMVMX`, 32,767; `EINVAL`: no such semaphore.
#[doc(alias = "SETVAL")]
pub fn semctl_set_value(id: i32, number: u16, value: u16) -> io::Result<()> {
    // SAFETY: plain numbers.
    done(unsafe { libc::semctl(id, number.into(), libc::SETVAL, Semun { value: value.into() }) })
}

/// What is known of one semaphore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Its value.
    pub value: u16,
    /// Who operated on it last; 0: nobody, or a process of another pid namespace.
    pub last_pid: i32,
    /// How many wait for the value to grow.
    pub waiting_for_more: u32,
    /// How many wait for it to be zero.
    pub waiting_for_zero: u32,
}

/// Asks about one semaphore. Four system calls, so the numbers need not belong together.
///
/// # Errors
/// As for [`semctl_stat`].
#[doc(alias = "GETPID")]
#[doc(alias = "GETNCNT")]
#[doc(alias = "GETZCNT")]
pub fn semctl_state(id: i32, number: u16) -> io::Result<State> {
    Ok(State {
        value: semctl_value(id, number)?,
        last_pid: ask(id, number, libc::GETPID)?,
        waiting_for_more: ask(id, number, libc::GETNCNT)?.unsigned_abs(),
        waiting_for_zero: ask(id, number, libc::GETZCNT)?.unsigned_abs(),
    })
}

/// A question that is answered by a number.
fn ask(id: i32, number: u16, command: libc::c_int) -> io::Result<i32> {
    // SAFETY: plain numbers; these commands have no argument.
    let answer = unsafe { libc::semctl(id, number.into(), command) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

/// Removes a set; who waits in it is told `EIDRM`. One system call.
///
/// # Errors
/// As for [`semctl_stat`]; `EPERM`.
#[doc(alias = "IPC_RMID")]
pub fn semctl_remove(id: i32) -> io::Result<()> {
    // SAFETY: the command has no argument.
    done(unsafe { libc::semctl(id, 0, libc::IPC_RMID) })
}

fn done(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shmget::PRIVATE;

    /// Several operations are done at once or not at all.
    #[test]
    fn all_or_nothing() {
        let id = semget(PRIVATE, 3, Create::New, 0o600).expect("set");
        let change = |number, change| Operation { number, change, undo: false };
        assert_eq!(semctl_stat(id).expect("there").operated_at_s, 0);
        semctl_set_value(id, 0, 2).expect("there");
        assert_eq!(semctl_stat(id).expect("there").operated_at_s, 0, "only an operation counts as one");
        let values = || (0..3).map(|number| semctl_value(id, number).expect("there")).collect::<Vec<_>>();
        let both = [change(0, -1), change(1, -1)];
        for patience in [Patience::None, Patience::For(Duration::from_millis(1))] {
            assert_eq!(semop(id, &both, patience).expect_err("none").raw_os_error(), Some(libc::EAGAIN));
        }
        assert_eq!(values(), [2, 0, 0]);
        semop(id, &[change(1, 1), change(2, 5), change(0, -2)], Patience::Endless).expect("possible");
        assert_eq!(values(), [0, 1, 5]);
        semop(id, &[change(0, 0)], Patience::None).expect("it is zero");
        assert_ne!(semctl_stat(id).expect("there").operated_at_s, 0);
        let state = semctl_state(id, 2).expect("there");
        assert_eq!((state.value, state.last_pid), (5, std::process::id().cast_signed()));
        assert_eq!(semop(id, &[change(3, 1)], Patience::None).expect_err("three").raw_os_error(), Some(libc::EFBIG));
        semctl_remove(id).expect("there");
        assert!(semctl_stat(id).is_err());
    }
}
