//! The other side of `tests/process.rs`: a program that plays the part its first argument names.
//!
//! Every part that waits ends with its parent or with its standard input, so that a failed test leaves nothing behind.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use strait::process::{self, Command, Exit};

type Outcome = Result<u8, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rest = arguments.get(1..).unwrap_or_default();
    let outcome = match arguments.first().map(String::as_str) {
        Some("exit") => Ok(rest[0].parse().expect("a code")),
        Some("abort") => std::process::abort(),
        Some("wait") => wait(),
        Some("polite") => polite(),
        Some("descriptors") => descriptors(),
        Some("take") => take(rest),
        Some("own-number") => own_number(),
        Some("middle") => middle(&rest[0]),
        Some("grandchild") => grandchild(),
        Some("late") => late(),
        Some("no-parent") => Ok(u8::from(process::parent().is_some())),
        Some("sigchld-ignored") => sigchld_ignored(),
        Some("robbed") => robbed(),
        Some("fork") => fork(),
        Some("few-descriptors") => few_descriptors(),
        other => panic!("no such part: {other:?}"),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(e) => {
            println!("{e}");
            ExitCode::from(99)
        }
    }
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

fn until_end_of_input() -> io::Result<()> {
    io::copy(&mut io::stdin().lock(), &mut io::sink()).map(drop)
}

/// Says that it is there, and ends at the end of its input.
fn wait() -> Outcome {
    say("ready")?;
    until_end_of_input()?;
    Ok(0)
}

/// Ends with code 7 when asked to.
fn polite() -> Outcome {
    process::parent().ok_or("no parent")?.end_with_it(|| {})?;
    let (mut asked, asking) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(15, asking)?;
    say("ready")?;
    asked.read_exact(&mut [0])?;
    Ok(7)
}

/// Lists its open descriptors, as number and what is behind it.
fn descriptors() -> Outcome {
    let mut lines = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        let target = fs::read_link(entry.path())?;
        // The listing itself has one open.
        if !target.starts_with(format!("/proc/{}", std::process::id())) {
            lines.push(format!("{} {}", entry.file_name().to_string_lossy(), target.display()));
        }
    }
    lines.sort();
    say(&lines.join("\n"))?;
    Ok(0)
}

/// Takes the descriptors of these names in turn; writes `<name> here` into each, says where that failed.
fn take(names: &[String]) -> Outcome {
    for name in names {
        match process::handed(name) {
            Ok(fd) => {
                let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd()))?;
                let flags = info.lines().find_map(|l| l.strip_prefix("flags:")).ok_or("no flags")?;
                let close_on_exec = u32::from_str_radix(flags.trim(), 8)? & 0o2_000_000 != 0;
                writeln!(File::from(fd), "{name} here")?;
                say(&format!("{name}: close on exec {close_on_exec}"))?;
            }
            Err(e) => say(&format!("{:?}: {e}", e.kind()))?,
        }
    }
    Ok(0)
}

/// A list that names a descriptor which this program has opened itself.
fn own_number() -> Outcome {
    let mine = File::open("/proc/self/status")?;
    assert_eq!(mine.as_raw_fd(), 3, "the first free number");
    match process::handed("jobs") {
        Ok(_) => say("stolen")?,
        Err(e) => say(&format!("{:?}: {e}", e.kind()))?,
    }
    assert!(io::read_to_string(mine)?.contains("Name:"));
    Ok(0)
}

/// Starts a grandchild from a thread that ends at once, then waits to be killed.
fn middle(part: &str) -> Outcome {
    let part = part.to_owned();
    let talk = process::handed("talk")?;
    let starter = thread::spawn(move || {
        let mut command = Command::new("/proc/self/exe");
        command.arg(part).hand_over("talk", talk);
        command.spawn()
    });
    let grandchild = starter.join().map_err(|_| "thread panicked")??;
    say("thread ended")?;
    until_end_of_input()?;
    drop(grandchild);
    Ok(0)
}

/// Says its pid, answers `?` with `alive` or `dead`, which is how its parent is, and writes `parent died` when it does.
fn grandchild() -> Outcome {
    let parent = process::parent().ok_or("no parent")?;
    let talk = UnixStream::from(process::handed("talk")?);
    let mut last_words = talk.try_clone()?;
    parent.end_with_it(move || {
        let _ = last_words.write_all(b"parent died\n");
        std::panic::set_hook(Box::new(|_| {}));
        panic!("a panic here keeps nobody alive");
    })?;
    let mut answers = talk.try_clone()?;
    writeln!(answers, "{}", std::process::id())?;
    for line in BufReader::new(talk).lines() {
        assert_eq!(line?, "?");
        answers.write_all(if parent.is_alive() { b"alive\n" } else { b"dead\n" })?;
    }
    Ok(0)
}

/// Says its pid, and looks at its parent only when it is told to, which is after the parent's death.
fn late() -> Outcome {
    let talk = UnixStream::from(process::handed("talk")?);
    let mut answers = talk.try_clone()?;
    writeln!(answers, "{}", std::process::id())?;
    talk.take(1).read_exact(&mut [0])?;
    let parent = process::parent().ok_or("no parent")?;
    let dead = !parent.is_alive() && parent.wait_timeout(Duration::ZERO);
    answers.write_all(if dead { b"dead\n" } else { b"alive\n" })?;
    parent.end_with_it(move || drop(answers.write_all(b"parent died\n")))?;
    loop {
        thread::park();
    }
}

/// With `SIGCHLD` ignored statuses are lost; nothing hangs.
fn sigchld_ignored() -> Outcome {
    // SAFETY: SIG_IGN is no function, so that nothing can run in the context of a signal.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    let mut quick = Command::new("/proc/self/exe").args(["exit", "3"]).spawn()?;
    say(&quick.wait()?.to_string())?;
    let mut slow = Command::new("/proc/self/exe").arg("polite").stdout(process::Stdio::Null).spawn()?;
    assert_eq!(slow.wait_timeout(Duration::from_millis(1))?, None);
    slow.kill()?;
    assert_eq!(slow.wait()?, Exit::Unknown);
    slow.kill()?;
    drop(Command::new("/proc/self/exe").arg("polite").stdout(process::Stdio::Null).spawn()?);
    Ok(0)
}

/// Another part of the program waits for any child.
fn robbed() -> Outcome {
    let mut child = Command::new("/proc/self/exe").args(["exit", "3"]).spawn()?;
    let robbed = rustix::process::wait(rustix::process::WaitOptions::empty())?.ok_or("nothing to rob")?;
    assert_eq!(u32::try_from(robbed.0.as_raw_nonzero().get())?, child.id());
    child.terminate()?;
    say(&child.wait()?.to_string())?;
    Ok(0)
}

/// With hardly a descriptor free a child either starts and can be waited for, or does not start and leaves nothing behind.
fn few_descriptors() -> Outcome {
    let mut command = Command::new("/proc/self/exe");
    match command.args(["exit", "3"]).stdin(process::Stdio::Piped).spawn() {
        Ok(mut child) => say(&child.wait()?.to_string())?,
        Err(e) => say(&e.to_string())?,
    }
    let left = rustix::process::wait(rustix::process::WaitOptions::NOHANG);
    Ok(u8::from(left.err() != Some(rustix::io::Errno::CHILD)))
}

/// A fork that holds a copy of a [`process::Child`] can neither use it nor hurt it.
fn fork() -> Outcome {
    let mut child = Command::new("/proc/self/exe").arg("polite").stdout(process::Stdio::Null).spawn()?;
    // SAFETY: this process has one thread, so that the child of the fork may do what any process may.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let refused = child.kill().map_err(|e| e.kind()) == Err(strait::ErrorKind::Forked)
            && child.wait().map_err(|e| e.kind()) == Err(strait::ErrorKind::Forked);
        drop(child);
        std::process::exit(i32::from(!refused));
    }
    let pid = rustix::process::Pid::from_raw(pid).ok_or("no fork")?;
    let (_, status) = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty())?.ok_or("no status")?;
    assert_eq!(status.exit_status(), Some(0), "the fork was refused");
    assert_eq!(child.try_wait()?, None, "the worker lives on");
    child.kill()?;
    say(&child.wait()?.to_string())?;
    Ok(0)
}
