//! What the role program does: be honest, and be watched.

use super::control::{Cell, Control};
use super::words::Liar;
use super::world::{At, How, Operation, Outcome, Place, Run, Waits, operations, places};
use crate::random::Random;
use crate::step::Marks;
use std::alloc::{GlobalAlloc, Layout, System};
use std::error::Error;
use std::fs::OpenOptions;
use std::os::unix::fs::MetadataExt as _;
use std::ptr::null_mut;
use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use strait::region::Region;

/// An honest end that takes longer than this over a call is ended by its alarm.
pub const PATIENCE_S: u32 = 20;
/// No allocation of an honest end is larger: a message is a few KiB, and the rest is small.
const ALLOCATION_MAX: usize = 64 << 10;
/// How many calls an end lives, at full speed.
const LIFE: u64 = 300;

/// An allocator that ends the process at an allocation beyond a limit: nobody allocates by a peer's number.
#[derive(Debug)]
pub struct Limited;

static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);
static CONTROL: OnceLock<Control> = OnceLock::new();

// SAFETY: everything is handed to the system's allocator, unless the process ends.
unsafe impl GlobalAlloc for Limited {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        check(size);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(at, layout, size) }
    }
}

fn check(size: usize) {
    if size > LIMIT.load(Relaxed) {
        LIMIT.store(usize::MAX, Relaxed);
        if let Some(control) = CONTROL.get() {
            control.say(&format!("allocates {size} bytes, more than any message has"));
        }
        std::process::abort();
    }
}

/// The harness's page; from now on a panic is said there.
fn control(path: &str) -> &'static Control {
    let control = CONTROL.get_or_init(|| Control::open(path).expect("the harness lives"));
    std::panic::set_hook(Box::new(|panic| {
        if let Some(control) = CONTROL.get() {
            control.say(&format!("panics: {panic}"));
        }
    }));
    control
}

/// One operation after the other, as the control page says, between marks. `regions` are the worlds' files.
pub fn one_by_one(page: &str, regions: &[String]) {
    let control = control(page);
    let molds = Molds::new(places().iter().map(|it| it.world.region_bytes()));
    let marks = Marks::new();
    LIMIT.store(ALLOCATION_MAX, Relaxed);
    while control.get(Cell::Stop) == 0 {
        let operation = &operations()[control.get(Cell::Operation) as usize];
        let mut random = Random::new(control.get(Cell::Seed));
        let path = &regions[super::world::index(operation.world)];
        let how = How::any(operation.waits, false, &mut random);
        let mut end = None;
        if !operation.attaches() {
            end = match operation.world.attach(&At::Path(path), how) {
                Ok(end) => Some(end),
                Err(error) => {
                    control.say(&format!("BROKEN\tattach to what nobody lied about yet: {error}"));
                    return;
                }
            };
        }
        if let Some(end) = &mut end {
            if !operation.world.dying().is_empty() {
                operation.world.meet(&mut **end);
            }
        }
        if operation.attaches() || molds.is_guarded(path) {
            control.add(Cell::Guarded, 1);
        }
        control.say("");
        alarm(PATIENCE_S);
        marks.begin();
        let outcome: Outcome = match (operation.run, &mut end) {
            (Run::Call(run), Some(end)) => run(&mut **end, &mut random),
            _ => operation.world.attach(&At::Path(path), how).map(|_left| 0),
        };
        drop(end);
        marks.end();
        alarm(0);
        match outcome {
            Ok(_) => control.say("value\t"),
            Err(error) => {
                let text = error.to_string();
                control.say(&format!("{}\t{text}", kind(error.as_ref())));
            }
        }
        // Told: the harness may read it now.
        marks.end();
    }
}

/// One end of a channel that is opened, used and left again and again, at full speed.
pub fn end(page: &str, name: &str, seed: u64, place: &Place, is_restartable: bool) {
    let control = control(page);
    let world = place.world;
    let molds = Molds::new([world.region_bytes()].into_iter());
    let mut random = Random::new(seed);
    let mine = |it: &&(usize, &Operation)| {
        let operation = it.1;
        let is_alive = operation.world.dying().is_empty();
        operation.world.end() == world.end() && operation.waits == Waits::Bounded && !operation.attaches() && is_alive
    };
    let all: Vec<(usize, &Operation)> = operations().iter().enumerate().collect();
    let mine: Vec<&(usize, &Operation)> = all.iter().filter(mine).collect();
    LIMIT.store(ALLOCATION_MAX, Relaxed);
    while control.get(Cell::Stop) == 0 {
        let how = How::any(Waits::Bounded, is_restartable, &mut random);
        control.begin(operations().len());
        let made = world.attach(&At::Name(name), how);
        control.end();
        let mut end = match made {
            Ok(end) => end,
            Err(error) => {
                let kind = kind(error.as_ref());
                control.count_error(&kind);
                // What was spoiled is in nobody's way any more. The other end may do the same.
                if kind != "Busy" {
                    let _ = Region::remove(name);
                }
                continue;
            }
        };
        let is_guarded = molds.is_guarded(&format!("/dev/shm/strait.{name}"));
        for _ in 0..1 + random.below(LIFE) {
            let &&(index, operation) = &mine[random.below(mine.len() as u64) as usize];
            let Run::Call(run) = operation.run else { continue };
            control.begin(index);
            let outcome = run(&mut *end, &mut random);
            control.end();
            control.add(Cell::Guarded, u64::from(is_guarded));
            let Err(error) = outcome else {
                control.add(Cell::Values, 1);
                continue;
            };
            let kind = kind(error.as_ref());
            control.count_error(&kind);
            if kind == "BROKEN" {
                control.say(&format!("{}: {error}", operation.name));
                std::process::exit(1);
            }
            if !world.passing().contains(&kind.as_str()) {
                break;
            }
        }
        control.begin(operations().len());
        drop(end);
        control.end();
    }
}

/// Scribbles over whatever has the name, as fast as it can, with pauses.
pub fn liar(page: &str, name: &str, seed: u64, place: &Place) {
    let control = control(page);
    let path = format!("/dev/shm/strait.{name}");
    let mut random = Random::new(seed);
    let mut hits: Vec<u64> = vec![0; place.words().len()];
    let mut scribbles = 0;
    while control.get(Cell::Stop) == 0 {
        let Some((mut liar, inode)) = mapped(&path, place) else { continue };
        liar.seldom = 60;
        if scribbles == 0 {
            liar.round(&mut random);
        }
        // Until somebody else's channel has the name.
        while control.get(Cell::Stop) == 0 && std::fs::metadata(&path).is_ok_and(|it| it.ino() == inode) {
            hammer(&mut liar, &mut random);
            let so_far: Vec<u64> = hits.iter().zip(&liar.hits).map(|(a, b)| a + b).collect();
            control.set_hits(&so_far);
            control.set(Cell::Scribbles, scribbles + liar.scribbles);
        }
        hits.iter_mut().zip(&liar.hits).for_each(|(sum, more)| *sum += more);
        scribbles += liar.scribbles;
    }
}

fn mapped(path: &str, place: &Place) -> Option<(Liar, u64)> {
    let file = OpenOptions::new().read(true).write(true).open(path).ok()?;
    let memory = super::memory::Memory::of(&file).ok()?;
    Some((Liar::new(memory, place), file.metadata().ok()?.ino()))
}

/// A few thousand lies of one kind.
fn hammer(liar: &mut Liar, random: &mut Random) {
    match random.below(5) {
        // Let them get somewhere first.
        0 => {
            std::thread::sleep(Duration::from_micros(random.below(2000)));
            liar.remember();
        }
        // A word that is one thing and another, all the time, and in the end what it was.
        1 | 2 => {
            let lie = liar.lie(random);
            for _ in 0..500 {
                let truth = liar.tell(lie);
                std::hint::spin_loop();
                liar.tell(truth);
            }
        }
        3 => {
            for _ in 0..random.below(50) {
                liar.scribble(random);
                for _ in 0..random.below(500) {
                    std::hint::spin_loop();
                }
            }
            liar.ring();
        }
        _ => (0..random.below(2000)).for_each(|_| liar.scribble(random)),
    }
}

/// `Fault`, `Disconnected(Left`: what an error is, in a word.
fn kind(error: &(dyn Error + 'static)) -> String {
    if let Some(error) = error.downcast_ref::<strait::Error>() {
        return format!("{:?}", error.kind());
    }
    let text = format!("{error:?}");
    if text.contains("BROKEN") {
        return String::from("BROKEN");
    }
    let text = text.split("error: ").last().unwrap_or_default();
    let text = text.strip_prefix("Failed(").unwrap_or(text);
    let text = text.strip_prefix("Disconnected(").unwrap_or(text);
    text.chars().take_while(|c| c.is_alphanumeric()).collect()
}

fn alarm(seconds: u32) {
    // SAFETY: the call takes a number; the default action of SIGALRM ends the process.
    unsafe { libc::alarm(seconds) };
}

/// Holes for regions of several lengths, the small ones higher up: the kernel takes the highest that is long enough.
struct Molds;

impl Molds {
    fn new(lens: impl Iterator<Item = usize>) -> Self {
        let mut lens: Vec<usize> = lens.collect();
        lens.sort_unstable();
        lens.dedup();
        lens.into_iter().for_each(|len| _ = Mold::new(len));
        Self
    }

    fn is_guarded(&self, path: &str) -> bool {
        Mold.is_guarded(path)
    }
}

/// A hole in the address space, as long as a region, with pages around it that nobody may touch. The kernel puts the region there
/// unless it finds a smaller hole higher up.
struct Mold;

impl Mold {
    fn new(len: usize) -> Self {
        let guard = 1 << 20;
        // SAFETY: the address is the kernel's choice, so no mapping is replaced.
        let start = unsafe {
            libc::mmap(null_mut(), len + 2 * guard, libc::PROT_NONE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
        };
        assert_ne!(start, libc::MAP_FAILED, "address space");
        // SAFETY: inside what was mapped just now.
        let middle = unsafe { start.cast::<u8>().add(guard) };
        // SAFETY: the middle of what was mapped just now, which nobody knows of yet.
        unsafe { libc::munmap(middle.cast(), len) };
        Self
    }

    /// Whether nothing readable lies beside the mapping of a file.
    fn is_guarded(&self, path: &str) -> bool {
        let Some(inode) = std::fs::metadata(path).map(|it| it.ino()).ok() else { return false };
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        // start-end rights offset device inode path
        let rows: Vec<Mapped> = maps
            .lines()
            .filter_map(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                let (start, end) = words.first()?.split_once('-')?;
                let rights = words.get(1)?;
                Some(Mapped {
                    start: u64::from_str_radix(start, 16).ok()?,
                    end: u64::from_str_radix(end, 16).ok()?,
                    is_shut: rights.starts_with("---"),
                    is_region: words.get(4)?.parse() == Ok(inode) && rights.ends_with('s'),
                })
            })
            .collect();
        let Some(at) = rows.iter().position(|row| row.is_region) else { return false };
        let before = at.checked_sub(1).map(|it| &rows[it]);
        let is_open_before = before.is_some_and(|row| row.end == rows[at].start && !row.is_shut);
        let is_open_behind = rows.get(at + 1).is_some_and(|row| row.start == rows[at].end && !row.is_shut);
        !is_open_before && !is_open_behind
    }
}

/// A row of `/proc/self/maps`.
struct Mapped {
    start: u64,
    end: u64,
    /// Neither read nor written nor executed.
    is_shut: bool,
    is_region: bool,
}
