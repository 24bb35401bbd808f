//! Lies at full speed: ends and a liar, each a process, on one named channel.

use super::Settings;
use super::control::{Cell, Control};
use super::memory::Memory;
use super::report::{Report, Row};
use super::role::PATIENCE_S;
use super::world::{Speed, World, index, operations, places, speeds};
use crate::names::Name;
use crate::random::Random;
use std::fs::{self, OpenOptions};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long an end has to return, or to end, by itself.
const ALONE: Duration = Duration::from_secs(1);

/// A role that is killed when it is dropped.
struct Part {
    what: &'static str,
    child: Child,
    control: Control,
}

impl Drop for Part {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the wanted cases.
///
/// # Errors
/// The first thing that an honest end did and must not do, with the command that does something like it again.
pub fn run(settings: &Settings, report: &mut Report) -> Result<(), String> {
    report.expect_all();
    for speed in speeds() {
        let case = speed.name;
        if !settings.wants(case) || settings.run.is_some() {
            continue;
        }
        let row = one(settings, speed)
            .map_err(|why| format!("{case}: {why}\n  something like it with: {}", settings.again(case)))?;
        report.rows.push(row);
    }
    Ok(())
}

fn one(settings: &Settings, speed: &Speed) -> Result<Row, String> {
    let name = Name::new("speed");
    let mut random = Random::new(settings.seed);
    let kind = if speed.is_restartable { "restartable" } else { "pipe" };
    let mut start = |what: &'static str, arguments: &[String]| -> Result<Part, String> {
        let control = Control::make().map_err(|e| e.to_string())?;
        let part = arguments.first().map_or("", String::as_str);
        let child = Command::new(&settings.role)
            .args([part, &control.path(), name.as_str(), &random.next_u64().to_string()])
            .args(&arguments[1..])
            .stdin(Stdio::null())
            .spawn()
            .map_err(|e| format!("start {}: {e}", settings.role.display()))?;
        Ok(Part { what, child, control })
    };
    let mut ends = Vec::new();
    for &end in speed.ends {
        ends.push(start(end.end(), &[String::from("end"), index(end).to_string(), String::from(kind)])?);
    }
    let place = places()[index(speed.ends[0])];
    let mut liar = start("liar", &[String::from("liar"), index(place.world).to_string()])?;
    let begin = Instant::now();
    // On a machine that is busy until something has happened, too.
    let patience = settings.speed_each + Duration::from_secs(u64::from(PATIENCE_S));
    let has_happened = |ends: &[Part], liar: &Part| {
        liar.control.get(Cell::Scribbles) > 0 && ends.iter().any(|end| end.control.get(Cell::Calls) > 0)
    };
    while begin.elapsed() < settings.speed_each || begin.elapsed() < patience && !has_happened(&ends, &liar) {
        std::thread::sleep(Duration::from_millis(20));
        for part in ends.iter_mut().chain([&mut liar]) {
            watch(part, place.world)?;
        }
    }
    let mut row = Row { case: speed.name.to_owned(), ..Row::default() };
    let words = place.words();
    let hits = liar.control.hits(words.len());
    row.hits = words.into_iter().map(|word| word.name).zip(hits).collect();
    row.scribbles = liar.control.get(Cell::Scribbles);
    drop(liar);
    for part in &mut ends {
        finish(part, place.world)?;
        row.calls += part.control.get(Cell::Calls);
        row.guarded += part.control.get(Cell::Guarded);
        row.values += part.control.get(Cell::Values);
        let longest = Duration::from_nanos(part.control.get(Cell::Longest));
        if longest > row.longest {
            (row.longest, row.longest_was) = (longest, name_of(part.control.get(Cell::LongestWas)));
        }
        for (kind, count) in part.control.errors() {
            row.error(&kind, count);
        }
    }
    if row.calls == 0 || row.scribbles == 0 {
        return Err(String::from("nothing happened"));
    }
    Ok(row)
}

/// Nobody may end, or take too long over a call.
fn watch(part: &mut Part, world: &dyn World) -> Result<(), String> {
    let ended = part.child.try_wait().map_err(|e| e.to_string())?;
    if let Some(status) = ended {
        return Err(format!("the {} ended: {status}; {}", part.what, part.control.text()));
    }
    match part.control.under_way() {
        Some(long) if long > Duration::from_secs(u64::from(PATIENCE_S)) => {
            let name = name_of(part.control.get(Cell::Calling));
            Err(format!("the {}'s {name} has not returned after {PATIENCE_S} s", part.what))
        }
        Some(long) if long > ALONE => {
            free(part, world);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// What a role says that it calls.
fn name_of(index: u64) -> &'static str {
    operations().get(index as usize).map_or("attach or leave", |it| it.name)
}

/// Without the liar, ends come to their end.
fn finish(part: &mut Part, world: &dyn World) -> Result<(), String> {
    part.control.set(Cell::Stop, 1);
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(u64::from(PATIENCE_S)) {
        if let Some(status) = part.child.try_wait().map_err(|e| e.to_string())? {
            let text = part.control.text();
            return if status.success() { Ok(()) } else { Err(format!("the {} ended: {status}; {text}", part.what)) };
        }
        if begin.elapsed() > ALONE {
            free(part, world);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Err(format!("the {} does not end", part.what))
}

/// An end may wait for what a lie has given to somebody who lives, where that is how it waits: until that one leaves.
fn free(part: &Part, world: &dyn World) {
    if world.waits_for_the_living() {
        for memory in regions(part.child.id(), world.region_bytes()) {
            world.leave(&memory);
        }
    }
}

/// The regions of this size that a process has open, whether they have their names still or not.
fn regions(pid: u32, bytes: usize) -> Vec<Memory> {
    let Ok(fds) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let ways = fds.flatten().map(|it| it.path());
    let shared = ways.filter(|way| fs::read_link(way).is_ok_and(|name| name.starts_with("/dev/shm/")));
    let files = shared.filter_map(|way| OpenOptions::new().read(true).write(true).open(way).ok());
    files.filter_map(|file| Memory::of(&file).ok()).filter(|memory| memory.len() == bytes).collect()
}
