//! A process under `ptrace(2)`.

use super::mark::Mark;
use super::source::Map;
use nix::errno::Errno;
use nix::sys::personality::{self, Persona};
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{self, Signal};
use nix::sys::uio::{RemoteIoVec, process_vm_readv, process_vm_writev};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::HashMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::marker::PhantomData;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// A system call that has not returned after this long, and sleeps, is blocked.
const PATIENCE: Duration = Duration::from_millis(2);
/// One that sleeps after this long, and was not to sleep at all, has missed what it was to meet.
const ASLEEP: Duration = Duration::from_millis(50);
/// Longer than any call takes that does not wait for somebody.
const LONG: Duration = Duration::from_secs(20);
/// The two bytes of the instruction `syscall`.
const SYSCALL: [u8; 2] = [0x0F, 0x05];

/// The instruction `int3`.
const BREAKPOINT: u8 = 0xCC;

/// Where a tracee is after it was let go for a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It has executed one instruction, and no system call.
    Step,
    /// It is about to enter this system call; killed now, it never does.
    Entry(u64),
    /// It is about to return from its system call.
    Exit,
    /// It has made a mark.
    Mark(Mark),
    /// It is asleep in its system call, and *not* stopped.
    Blocked,
    /// It is about to take this signal.
    Signal(Signal),
    /// It has ended.
    Ended,
}

/// A process that is traced by this thread, and killed when dropped.
#[derive(Debug)]
pub struct Tracee {
    pid: Pid,
    child: Option<Child>,
    /// What to deliver when it goes on.
    signal: Option<Signal>,
    /// Between entry and exit of a system call.
    in_call: bool,
    /// Of that call: whether sleeping is all that it does, and it ends by itself.
    is_nap: bool,
    /// How it ended, once it has been waited for; `None` inside where somebody else has taken that.
    ended: Option<Option<WaitStatus>>,
    is_detached: bool,
    /// Whether the instruction at an address is a system call. Code does not change.
    calls: HashMap<u64, bool>,
    /// A tracer is a thread (rule 5).
    not_send: PhantomData<*const ()>,
}

impl Tracee {
    /// Starts a program, stopped at its first instruction, that dies with this thread.
    ///
    /// # Errors
    /// Those of [`Command::spawn`] and the kernel's refusal to trace.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let prepare = || {
            ptrace::traceme()?;
            nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
            // The same addresses each time (rule 7); where that is forbidden, others.
            let _ = personality::get().and_then(|now| personality::set(now | Persona::ADDR_NO_RANDOMIZE));
            Ok(())
        };
        // SAFETY: between fork and exec, the closure only makes system calls.
        unsafe { command.pre_exec(prepare) };
        let child = command.spawn()?;
        let mut tracee = Self::new(process(child.id()));
        tracee.child = Some(child);
        match tracee.wait()? {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => {}
            other => return Err(io::Error::other(format!("start a tracee: {other:?} instead of a stop"))),
        }
        ptrace::setoptions(tracee.pid, Options::PTRACE_O_EXITKILL | Options::PTRACE_O_TRACESYSGOOD)?;
        Ok(tracee)
    }

    /// Takes the first thread of a process that runs, a descendant of ours, under control; it goes on running until the next mark or
    /// [`Tracee::interrupt`].
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn seize(pid: u32) -> io::Result<Self> {
        let pid = process(pid);
        ptrace::seize(pid, Options::PTRACE_O_EXITKILL | Options::PTRACE_O_TRACESYSGOOD)?;
        Ok(Self::new(pid))
    }

    fn new(pid: Pid) -> Self {
        Self {
            pid,
            child: None,
            signal: None,
            in_call: false,
            is_nap: false,
            ended: None,
            is_detached: false,
            calls: HashMap::new(),
            not_send: PhantomData,
        }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        u32::try_from(self.pid.as_raw()).expect("positive")
    }

    /// The child, for its pipes; none for one that was seized.
    pub fn child(&mut self) -> Option<&mut Child> {
        self.child.as_mut()
    }

    /// Runs at full speed to the next mark, signal or end. Waits as long as it takes; a blocked tracee is waited for.
    ///
    /// # Errors
    /// The kernel's.
    pub fn run_to_mark(&mut self) -> io::Result<Stop> {
        ptrace::cont(self.pid, self.signal.take())?;
        self.next_mark()
    }

    /// Waits for the mark, signal or end of a tracee that runs: one that was just seized.
    ///
    /// # Errors
    /// The kernel's.
    pub fn next_mark(&mut self) -> io::Result<Stop> {
        self.in_call = false;
        loop {
            match self.wait_stop()? {
                // The stop of `interrupt`, or of being stopped as a group: of no interest here.
                Stop::Step | Stop::Entry(_) | Stop::Exit => ptrace::cont(self.pid, None)?,
                stop => return Ok(stop),
            }
        }
    }

    /// Stops a tracee that was seized and runs, or sleeps in the kernel.
    ///
    /// # Errors
    /// The kernel's.
    pub fn interrupt(&mut self) -> io::Result<Stop> {
        ptrace::interrupt(self.pid)?;
        self.wait_stop()
    }

    /// One instruction, or one of the three parts of a system call (rule 2).
    ///
    /// # Errors
    /// The kernel's.
    pub fn step(&mut self) -> io::Result<Stop> {
        if self.in_call {
            return self.finish_call();
        }
        if self.signal.is_none() && self.is_at_call()? {
            return self.to_syscall();
        }
        ptrace::step(self.pid, self.signal.take())?;
        self.wait_stop()
    }

    /// At full speed to the entry of the next system call; or, from inside one, to its exit.
    ///
    /// # Errors
    /// The kernel's.
    pub fn to_syscall(&mut self) -> io::Result<Stop> {
        if self.in_call {
            return self.finish_call();
        }
        ptrace::syscall(self.pid, self.signal.take())?;
        match self.wait_stop()? {
            Stop::Exit => {
                self.in_call = true;
                let registers = ptrace::getregs(self.pid)?;
                let number = registers.orig_rax;
                let naps = [libc::SYS_nanosleep, libc::SYS_clock_nanosleep];
                self.is_nap = naps.iter().any(|&nap| u64::try_from(nap) == Ok(number));
                Ok(Stop::Entry(number))
            }
            stop => Ok(stop),
        }
    }

    /// At full speed to the next time that the instruction at `address` is about to be executed ([`Stop::Step`]), by a breakpoint that
    /// is taken back then; or to a mark, signal or end that comes before. Not from inside a system call. One that falls asleep on the
    /// way ([`Stop::Blocked`]) is good for nothing but to be killed.
    ///
    /// # Errors
    /// The kernel's.
    pub fn run_to(&mut self, address: u64) -> io::Result<Stop> {
        if self.address()? == address {
            return Ok(Stop::Step);
        }
        let at = address as ptrace::AddressType;
        let code = ptrace::read(self.pid, at)?;
        ptrace::write(self.pid, at, code & !0xFF | i64::from(BREAKPOINT))?;
        ptrace::cont(self.pid, self.signal.take())?;
        let stop = self.resume_wait(ASLEEP)?;
        if stop == Stop::Ended || stop == Stop::Blocked {
            return Ok(stop);
        }
        ptrace::write(self.pid, at, code)?;
        let mut registers = ptrace::getregs(self.pid)?;
        if stop == Stop::Step && registers.rip == address + 1 {
            registers.rip = address;
            ptrace::setregs(self.pid, registers)?;
        }
        Ok(stop)
    }

    fn finish_call(&mut self) -> io::Result<Stop> {
        ptrace::syscall(self.pid, self.signal.take())?;
        let patience = if self.is_nap { LONG } else { PATIENCE };
        self.resume_wait(patience)
    }

    /// Waits for the exit of a call that is [`Stop::Blocked`], for `patience` at the least.
    ///
    /// # Errors
    /// The kernel's.
    pub fn resume_wait(&mut self, patience: Duration) -> io::Result<Stop> {
        let start = Instant::now();
        loop {
            match self.poll()? {
                Some(status) => {
                    let stop = self.stop_of(status);
                    if stop == Stop::Exit || stop == Stop::Ended {
                        self.in_call = false;
                    }
                    return Ok(stop);
                }
                None if start.elapsed() > LONG => {
                    return Err(io::Error::other("a tracee neither stops nor sleeps"));
                }
                None if start.elapsed() > patience && self.state() == Some('S') => return Ok(Stop::Blocked),
                None if start.elapsed() > PATIENCE => std::thread::sleep(Duration::from_micros(100)),
                None => std::thread::yield_now(),
            }
        }
    }

    /// The address of the next instruction.
    ///
    /// # Errors
    /// The kernel's.
    pub fn address(&self) -> io::Result<u64> {
        Ok(ptrace::getregs(self.pid)?.rip)
    }

    /// All registers.
    ///
    /// # Errors
    /// The kernel's.
    pub fn registers(&self) -> io::Result<libc::user_regs_struct> {
        Ok(ptrace::getregs(self.pid)?)
    }

    /// Reads its memory; says how much of it could be read.
    ///
    /// # Errors
    /// The kernel's.
    pub fn peek(&self, address: u64, into: &mut [u8]) -> io::Result<usize> {
        let from = RemoteIoVec { base: address as usize, len: into.len() };
        Ok(process_vm_readv(self.pid, &mut [IoSliceMut::new(into)], &[from])?)
    }

    /// Writes its memory, where it may write itself.
    ///
    /// # Errors
    /// The kernel's.
    pub fn poke(&self, address: u64, from: &[u8]) -> io::Result<usize> {
        let to = RemoteIoVec { base: address as usize, len: from.len() };
        Ok(process_vm_writev(self.pid, &[IoSlice::new(from)], &[to])?)
    }

    /// Its code, to find the source of addresses when it is gone.
    #[must_use]
    pub fn map(&self) -> Map {
        Map::of(self.pid())
    }

    /// The letter of its state in `/proc/PID/stat`: `S` asleep, `t` stopped by us, `T` stopped, `R` running. None when it is gone.
    #[must_use]
    pub fn state(&self) -> Option<char> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        stat.rsplit(") ").next()?.chars().next()
    }

    /// `SIGKILL`; returns when the process is gone, and with it all that it held.
    pub fn kill(&mut self) {
        if self.ended.is_some() {
            return;
        }
        // Gone already is as good.
        let _ = signal::kill(self.pid, Signal::SIGKILL);
        while self.ended.is_none() {
            match waitpid(self.pid, Some(WaitPidFlag::__WALL)) {
                Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) | Err(Errno::ECHILD) => self.ended = Some(None),
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// Lets it go, stopped as by `SIGSTOP`. It is still ours to kill.
    ///
    /// # Errors
    /// The kernel's.
    pub fn stop_and_detach(&mut self) -> io::Result<()> {
        ptrace::detach(self.pid, Signal::SIGSTOP)?;
        self.is_detached = true;
        let start = Instant::now();
        while self.state() != Some('T') {
            if start.elapsed() > LONG {
                return Err(io::Error::other("a tracee does not stop"));
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    /// `SIGCONT`.
    ///
    /// # Errors
    /// The kernel's.
    pub fn wake(&self) -> io::Result<()> {
        Ok(signal::kill(self.pid, Signal::SIGCONT)?)
    }

    /// Lets it go on by itself, untraced.
    ///
    /// # Errors
    /// The kernel's.
    pub fn detach(&mut self) -> io::Result<()> {
        ptrace::detach(self.pid, self.signal.take())?;
        self.is_detached = true;
        Ok(())
    }

    /// Waits for the end of one that was detached; the exit code, if it ended by itself in time.
    ///
    /// # Errors
    /// The kernel's.
    pub fn end(&mut self, timeout: Duration) -> io::Result<Option<i32>> {
        self.end_while(timeout, || {})
    }

    /// The same, doing meanwhile, again and again, what it may wait for.
    ///
    /// # Errors
    /// The kernel's.
    pub fn end_while(&mut self, timeout: Duration, mut meanwhile: impl FnMut()) -> io::Result<Option<i32>> {
        let start = Instant::now();
        loop {
            meanwhile();
            match waitpid(self.pid, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(_, code)) => {
                    self.ended = Some(None);
                    return Ok(Some(code));
                }
                Ok(WaitStatus::Signaled(..)) | Err(Errno::ECHILD) => {
                    self.ended = Some(None);
                    return Ok(None);
                }
                Ok(_) if start.elapsed() > timeout => return Ok(None),
                Ok(_) => std::thread::sleep(Duration::from_micros(200)),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn is_at_call(&mut self) -> io::Result<bool> {
        let address = self.address()?;
        if let Some(&is_call) = self.calls.get(&address) {
            return Ok(is_call);
        }
        let mut bytes = [0; 2];
        // Unreadable code, such as an instruction at the end of the last page, is no system call.
        let is_call = self.peek(address, &mut bytes).is_ok_and(|len| len == 2) && bytes == SYSCALL;
        self.calls.insert(address, is_call);
        Ok(is_call)
    }

    fn wait(&mut self) -> io::Result<WaitStatus> {
        Ok(waitpid(self.pid, Some(WaitPidFlag::__WALL))?)
    }

    fn poll(&mut self) -> io::Result<Option<WaitStatus>> {
        match waitpid(self.pid, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => Ok(None),
            Ok(status) => Ok(Some(status)),
            Err(Errno::ECHILD) => {
                self.ended = Some(None);
                Ok(Some(WaitStatus::Exited(self.pid, 0)))
            }
            Err(errno) => Err(errno.into()),
        }
    }

    fn wait_stop(&mut self) -> io::Result<Stop> {
        match waitpid(self.pid, Some(WaitPidFlag::__WALL)) {
            Ok(status) => Ok(self.stop_of(status)),
            // Its parent, another thread of ours, has taken its end.
            Err(Errno::ECHILD) => {
                self.ended = Some(None);
                Ok(Stop::Ended)
            }
            Err(errno) => Err(errno.into()),
        }
    }

    fn stop_of(&mut self, status: WaitStatus) -> Stop {
        match status {
            // With PTRACE_O_TRACESYSGOOD; entry and exit take turns.
            WaitStatus::PtraceSyscall(_) => Stop::Exit,
            WaitStatus::PtraceEvent(..) | WaitStatus::Stopped(_, Signal::SIGTRAP) => Stop::Step,
            WaitStatus::Stopped(_, signal) => match Mark::of(signal) {
                Some(mark) => Stop::Mark(mark),
                None => {
                    self.signal = Some(signal);
                    Stop::Signal(signal)
                }
            },
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) => {
                self.ended = Some(Some(status));
                Stop::Ended
            }
            WaitStatus::Continued(_) | WaitStatus::StillAlive => Stop::Step,
        }
    }

    /// How it ended by itself, if it did.
    #[must_use]
    pub fn how_ended(&self) -> Option<String> {
        let status = self.ended?;
        Some(status.map_or_else(|| "gone".to_owned(), |status| format!("{status:?}")))
    }

    /// Whether we started it, so that its end is ours to wait for.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.child.is_some()
    }

    /// Whether it was let go.
    #[must_use]
    pub fn is_detached(&self) -> bool {
        self.is_detached
    }
}

fn process(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).expect("a process id"))
}

impl Drop for Tracee {
    fn drop(&mut self) {
        // One that was seized and let go is its parent's again.
        if self.is_ours() || !self.is_detached {
            self.kill();
        }
    }
}
