//! System V semaphores (`semget(2)`, `semop(2)`): sets of counters, of which several change at one instant.
//!
//! ```text
//!                            set 5, key 0x53000001
//!   take 1 of 0,        +-----+-----+-----+
//!   add 1 to 2    --->  |  4  |  0  |  7  |     both, or neither: whoever looks sees it before or after
//!                       +-----+-----+-----+
//! ```
//!
//! ```
//! use strait::sync::sysv_semaphores::{Operation, SysvSemaphores};
//!
//! let set = SysvSemaphores::create_private(&[1, 0], 0o600)?; // one fork, no plate
//! set.operate(&[Operation::take(0, 1).undone(), Operation::add(1, 1)])?;
//! assert_eq!(set.values()?, [0, 1]);
//! assert!(!set.try_operate(&[Operation::take(0, 1)])?);
//! set.remove()?;
//! # Ok::<(), strait::Error>(())
//! ```
//!
//! 1. **A set stays** until it is [removed](SysvSemaphores::remove) or the machine restarted, whoever dies. Who waits in it then is told.
//! 2. **What the dead held** comes back only where the operation was [`undone`](Operation::undone): the kernel undoes it when the process ends,
//!    killed or not. If that would take a value below zero, it stays zero. It is the process that counts, not the thread, and a forked child has
//!    nothing to undo.
//! 3. **Born whole.** The kernel makes a set with all values zero. Who makes one here gives it its first values by an operation, which leaves a
//!    time in it (`sem_otime`); who opens it waits for that time. A set that another program has made with `SETALL` and never operated on has no
//!    such time: [`SysvSemaphores::open_as_is`].
//! 4. Each operation is one system call, waiting or not. A signal handler that runs meanwhile does not end a wait. Times go by the monotonic clock.
//! 5. The kernel serves those who can go on, in the order in which they came.
//! 6. A key is any number that several programs agree on, and another program may have chosen the same. Make a set without a key where its id can
//!    be handed on.
//!
//! Limits: [`limits`]; a value is at most 32,767. See [semop(2)](https://man7.org/linux/man-pages/man2/semop.2.html).

use crate::error::{Error, ErrorKind, Result};
use std::fmt;
use std::io;
use std::time::{Duration, Instant};
use strait_sys::errno::{E2BIG, EFBIG, EIDRM, EINVAL, ENOSPC, ERANGE};
use strait_sys::semget::{self, Patience};
use strait_sys::shmget::{self, Create};

pub use strait_sys::semget::{Operation, SetStat, State};

/// The largest value (`SEMVMX`).
pub const VALUE_MAX: u16 = 32_767;

/// How long [`SysvSemaphores::open`] waits for a set's first values.
const BIRTH: Duration = Duration::from_secs(1);

/// What the system allows (`/proc/sys/kernel/sem`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Semaphores in a set (`SEMMSL`).
    pub set_max: u32,
    /// Semaphores in all sets (`SEMMNS`).
    pub semaphores_max: u32,
    /// Operations in one call (`SEMOPM`).
    pub operations_max: u32,
    /// Sets (`SEMMNI`).
    pub sets_max: u32,
}

/// Reads the system's limits; Linux's own where they cannot be read.
#[must_use]
pub fn limits() -> Limits {
    let text = std::fs::read_to_string("/proc/sys/kernel/sem").unwrap_or_default();
    let mut numbers = text.split_whitespace().map_while(|number| number.parse().ok());
    let mut next = |otherwise| numbers.next().unwrap_or(otherwise);
    Limits {
        set_max: next(32_000),
        semaphores_max: next(1_024_000_000),
        operations_max: next(500),
        sets_max: next(32_000),
    }
}

/// A set of semaphores, by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SysvSemaphores(i32);

impl fmt::Display for SysvSemaphores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "System V semaphore set {}", self.0)
    }
}

impl SysvSemaphores {
    /// Makes the set of a key, which must not have one yet, with as many semaphores as there are values. Two system calls.
    ///
    /// # Errors
    /// `AlreadyExists`; `NoSpace`: a limit of the system, which the sentence names; `Usage`: no values, too many or too large; `Permission`.
    pub fn create(key: i32, values: &[u16], mode: u32) -> Result<Self> {
        let (count, object) = (count_of(values)?, of_key(key));
        let set = semget::semget(key, count, Create::New, mode).map_err(|e| refused("create", &object, e))?;
        Self(set).born(values)
    }

    /// Makes a set without a key, found only by its id. Two system calls.
    ///
    /// # Errors
    /// As for [`Self::create`].
    #[doc(alias = "IPC_PRIVATE")]
    pub fn create_private(values: &[u16], mode: u32) -> Result<Self> {
        Self::create(shmget::PRIVATE, values, mode)
    }

    /// Finds the set of a key, and waits for a second at the most until it has its first values (rule 3). Two system calls as a rule.
    ///
    /// # Errors
    /// `NotFound`, `Permission`; `Damaged`: its maker has not given it values, and will not if it is dead.
    pub fn open(key: i32) -> Result<Self> {
        let set = Self::open_as_is(key)?;
        let start = Instant::now();
        loop {
            if set.state()?.operated_at_s != 0 {
                return Ok(set);
            }
            if start.elapsed() > BIRTH {
                let why = format!(
                    "open {}: who made it has given it no values by an operation; if it never does so use open_as_is, if it is dead remove the set (ipcrm -s {})",
                    of_key(key),
                    set.0
                );
                return Err(Error::new(ErrorKind::Damaged, why));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Finds the set of a key, made and given its values by a program with rules of its own. One system call.
    ///
    /// # Errors
    /// `NotFound`, `Permission`.
    pub fn open_as_is(key: i32) -> Result<Self> {
        semget::semget(key, 0, Create::No, 0).map(Self).map_err(|e| refused("open", &of_key(key), e))
    }

    /// Finds the set of a key, or makes it where there is none; of several callers at once one makes it.
    ///
    /// # Errors
    /// Those of [`Self::open`] and [`Self::create`]; `Incompatible`: it has another number of semaphores.
    pub fn open_or_create(key: i32, values: &[u16], mode: u32) -> Result<Self> {
        let wanted = count_of(values)?;
        loop {
            match Self::create(key, values, mode) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                done => return done,
            }
            let set = match Self::open(key) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                done => done?,
            };
            let count = set.state()?.count;
            if count != wanted {
                let why = format!("open {}: it has {count} semaphores, not {wanted}", of_key(key));
                return Err(Error::new(ErrorKind::Incompatible, why));
            }
            return Ok(set);
        }
    }

    /// The set of an id that is known, from a parent or from `ipcs -s`. No system call; what is wrong with it is found later.
    #[must_use]
    pub fn of_id(id: i32) -> Self {
        Self(id)
    }

    /// Its id, to be told to others.
    #[must_use]
    pub fn id(self) -> i32 {
        self.0
    }

    /// What the kernel keeps about it. One system call.
    ///
    /// # Errors
    /// `NotFound`: it was removed; `Permission`.
    pub fn state(self) -> Result<SetStat> {
        semget::semctl_stat(self.0).map_err(|e| refused("look at", &self, e))
    }

    /// What is known of one of its semaphores: its value, who changed it last, how many wait. Four system calls, so these need not belong together.
    ///
    /// # Errors
    /// `NotFound`, `Permission`; `Usage`: there is no such semaphore.
    pub fn state_of(self, number: u16) -> Result<State> {
        semget::semctl_state(self.0, number).map_err(|e| self.refused_for("look at", number, e))
    }

    /// The values of all its semaphores, one after the other. A system call for each and one more.
    ///
    /// # Errors
    /// `NotFound`, `Permission`.
    pub fn values(self) -> Result<Vec<u16>> {
        let value = |number| semget::semctl_value(self.0, number).map_err(|e| refused("look at", &self, e));
        (0..self.state()?.count).map(value).collect()
    }

    /// Gives one of its semaphores a value, whatever it had; what any process would have undone there is forgotten. One system call.
    ///
    /// # Errors
    /// `NotFound`, `Permission`; `Usage`: there is no such semaphore, or the value is too large.
    #[doc(alias = "SETVAL")]
    pub fn set_value(self, number: u16, value: u16) -> Result<()> {
        semget::semctl_set_value(self.0, number, value).map_err(|e| self.refused_for("set", number, e))
    }

    /// Does all operations at one instant, asleep until they are possible. One system call.
    ///
    /// # Errors
    /// `NotFound`: the set was removed, before or meanwhile; `Usage`: there is no such semaphore, too many operations, or a value above
    /// [`VALUE_MAX`]; `NoSpace`: no memory for what is to be undone; `Permission`.
    #[doc(alias = "semop")]
    pub fn operate(self, operations: &[Operation]) -> Result<()> {
        loop {
            match semget::semop(self.0, operations, Patience::Endless) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                done => return done.map_err(|e| refused("operate on", &self, e)),
            }
        }
    }

    /// Does all operations, if they are possible now, and says whether. One system call.
    ///
    /// # Errors
    /// As for [`Self::operate`].
    pub fn try_operate(self, operations: &[Operation]) -> Result<bool> {
        self.did(semget::semop(self.0, operations, Patience::None))
    }

    /// [`Self::operate`], asleep for `timeout` at the most; says whether it was done.
    ///
    /// # Errors
    /// As for [`Self::operate`].
    #[doc(alias = "semtimedop")]
    pub fn operate_timeout(self, operations: &[Operation], timeout: Duration) -> Result<bool> {
        let start = Instant::now();
        loop {
            let left = Patience::For(timeout.saturating_sub(start.elapsed()));
            match semget::semop(self.0, operations, left) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                done => return self.did(done),
            }
        }
    }

    /// Removes it. Who waits in it is told `NotFound`.
    ///
    /// # Errors
    /// `NotFound`, `Permission`.
    #[doc(alias = "IPC_RMID")]
    pub fn remove(self) -> Result<()> {
        semget::semctl_remove(self.0).map_err(|e| refused("remove", &self, e))
    }

    /// Gives a new set its first values (rule 3): the last ones by an operation, and all of them, where one operation can be so long.
    fn born(self, values: &[u16]) -> Result<Self> {
        let (first, last) = values.split_at(values.len().saturating_sub(limits().operations_max as usize));
        let made = || {
            // `count_of` has seen that there are no more than that.
            let numbered = (0_u16..).zip(first);
            numbered.clone().try_for_each(|(number, &value)| self.set_value(number, value))?;
            let operations: Vec<Operation> =
                (first.len() as u16..).zip(last).map(|(number, &value)| Operation::add(number, value)).collect();
            self.operate(&operations)
        };
        made().inspect_err(|_| drop(self.remove()))?;
        Ok(self)
    }

    fn did(self, done: io::Result<()>) -> Result<bool> {
        match done {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(e) => Err(refused("operate on", &self, e)),
        }
    }

    fn refused_for(self, verb: &str, number: u16, error: io::Error) -> Error {
        let is_missing = error.raw_os_error() == Some(EINVAL) && self.state().is_ok_and(|it| it.count <= number);
        if is_missing {
            let why = format!("{verb} semaphore {number} of {self}: it has no such one");
            return Error::sentence(ErrorKind::Usage, why, error);
        }
        refused(verb, &self, error)
    }
}

fn of_key(key: i32) -> String {
    if key == shmget::PRIVATE {
        "a System V semaphore set".into()
    } else {
        format!("the System V semaphore set of key {key:#010x}")
    }
}

/// How many semaphores a set with these first values has.
fn count_of(values: &[u16]) -> Result<u16> {
    let set_max = limits().set_max;
    if let Some(value) = values.iter().find(|&&value| value > VALUE_MAX) {
        let why = format!("create a System V semaphore set: the value {value} is above {VALUE_MAX}");
        return Err(Error::new(ErrorKind::Usage, why));
    }
    match u16::try_from(values.len()) {
        Ok(count) if count > 0 && u32::from(count) <= set_max => Ok(count),
        _ => {
            let why = format!(
                "create a System V semaphore set of {}: a set has 1 to {set_max} semaphores (/proc/sys/kernel/sem, first number)",
                values.len()
            );
            Err(Error::new(ErrorKind::Usage, why))
        }
    }
}

fn refused(verb: &str, object: &dyn fmt::Display, error: io::Error) -> Error {
    let (remedy, kind) = match error.raw_os_error() {
        Some(EINVAL | EIDRM) => ("it was removed", Some(ErrorKind::NotFound)),
        Some(EFBIG) => ("it has no semaphore of such a number", Some(ErrorKind::Usage)),
        Some(ERANGE) => ("a value is at most 32767", Some(ErrorKind::Usage)),
        Some(E2BIG) => ("/proc/sys/kernel/sem has the limit, its third number", Some(ErrorKind::Usage)),
        Some(ENOSPC) => ("remove one (ipcs -s, ipcrm -s), or raise /proc/sys/kernel/sem", Some(ErrorKind::NoSpace)),
        _ => ("", None),
    };
    let refusal = Error::kernel(verb, object, error, remedy);
    match kind {
        Some(kind) => refusal.with_kind(kind),
        None => refusal,
    }
}
