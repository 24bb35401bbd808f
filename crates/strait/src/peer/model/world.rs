//! A kernel of one name, some files and their locks; processes that come and go; and every order of their steps.
//!
//! 1. *A step* is one call of the kernel, or one load or store of a presence word. Between any two steps any other process may run,
//!    and any may be killed: the kernel then drops its locks, and its code never goes on. Who is not run for a while is a process that
//!    is stopped, or swapped out.
//! 2. *A process* is the real code, run from its start each time and answered from its history; at the first call that has no answer yet
//!    it is unwound, and that call is its next step. So a state is plain data: the kernel, and each process's history.
//! 3. States that are the same are explored once. How many executions they stand for is counted all the same, as the number of paths.
//! 4. Who waits for the door waits as long as it is taken, or gives up at any time meanwhile, as if its patience were at an end.
//! 5. Memory is in order here: between the store of a presence and its load by another process there is a system call on a lock of the
//!    file on either side.

use crate::error::{Error, ErrorKind, Result};
use crate::peer::PeerState;
use crate::peer::entry::House;
use crate::peer::seat;
use crate::peer::side::{Presence, State};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

/// More steps than any process takes that gets anywhere.
const STEPS_MAX: usize = 80;
pub(super) const SLOTS: usize = 3;
/// The word in which seats make claims, behind the presences.
pub(super) const CLAIM: usize = SLOTS;
/// Who left what is there at the start.
const THE_DEAD: usize = 15;

/// What is wrong with the protocol or its kernel, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It is as it is written.
    None,
    /// Who enters does not take the door.
    DoorOpen,
    /// Nobody asks whether the name still leads to what was opened.
    NameUnasked,
    /// A creator gives the name and then takes its lease.
    NamedFirst,
    /// Leases of others are not seen.
    NobodySeen,
    /// Leases are seen where there are none.
    GhostsSeen,
    /// A lease that another holds is taken.
    Robbed,
    /// A lease outlives its holder.
    LeaseOutlives,
    /// "Left" is stored after the lease was given back.
    LeftLate,
    /// "Attached" is stored before the lease is taken.
    AttachedEarly,
    /// The presence is not read again after the lease.
    OneLook,
    /// That what was to be swept is gone already is taken for its being there.
    FreeUnseen,
    /// "Died" is stored, whatever the seat says by then.
    MarksBlindly,
    /// Whose generation a claim names is not asked.
    GenerationUnasked,
    /// A claim is taken back by a store, whatever it says by then.
    FreesBlindly,
}

/// A file, by whom it was made and as which of his.
pub(super) type File = (usize, usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Call {
    /// What the name leads to.
    Find,
    /// Gives the name, if it is free.
    Name(File),
    Remove(File),
    HasName(File),
    Enter(File),
    Exit(File),
    Take(File, usize),
    Give(File, usize),
    /// Whether another has this slot's lease.
    IsHeld(File, usize),
    /// Whether another has any.
    IsAnybody(File),
    Close(File),
    Load(File, usize),
    Store(File, usize, u64),
    /// Stores the last one if the word is the first one.
    Exchange(File, usize, u64, u64),
}

/// What a process says of itself, for the invariants; no step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Note {
    Made(File, bool),
    /// It was told that the slot is its own.
    Attached(File, usize),
    Leaving,
    /// It is told that there is such a channel already.
    Exists,
    /// What it takes the other slot's owner for.
    Saw(File, usize, PeerState),
    /// It has said that it is there, by this word, in its seat.
    Seated(u64),
    /// It takes the seat's owner of this generation for dead, and mends what that left.
    Mends(File, usize, u32),
}

/// The code of a process; an error is what it should not have met.
pub(super) type Script = fn(&Process<'_>) -> Result<(), String>;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Inode {
    is_restartable: bool,
    /// Who holds it: a process, by its number.
    door: Option<usize>,
    leases: [Option<usize>; SLOTS],
    presence: [u64; SLOTS + 1],
    /// Who has stored "attached", for the invariants.
    authors: [Vec<usize>; SLOTS],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Fate {
    Running(Call),
    Ended,
    Killed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Life {
    fate: Fate,
    history: Vec<u64>,
    notes: usize,
    /// What it is attached to, as it was told.
    place: Option<(File, usize)>,
    /// Whether it has met somebody, at the door or behind it, since it last tried to give a name.
    has_met: bool,
    /// What it said in its seat.
    says: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    name: Option<File>,
    inodes: BTreeMap<File, Inode>,
    lives: Vec<Life>,
    kills_left: usize,
    /// Nobody was killed, and nobody gave up at the door.
    is_orderly: bool,
    of_many: bool,
}

/// What is explored.
#[derive(Clone)]
pub(super) struct Model {
    pub(super) scripts: Vec<Script>,
    pub(super) kills: usize,
    /// Whether at the start there is what two dead processes left, and whether that is restartable.
    pub(super) remains: Option<bool>,
    /// Whether presence words are those of seats.
    pub(super) of_many: bool,
    pub(super) flaw: Flaw,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Explored {
    pub(super) states: usize,
    pub(super) executions: f64,
}

/// A process as its code sees it.
pub(super) struct Process<'a> {
    id: usize,
    pub(super) flaw: Flaw,
    history: &'a [u64],
    at: Cell<usize>,
    next: Cell<Option<Call>>,
    notes: RefCell<Vec<Note>>,
    made: Cell<usize>,
    late: Cell<Option<Call>>,
}

/// Thrown where the history ends.
struct Unanswered;

impl Process<'_> {
    fn ask(&self, call: Call) -> u64 {
        if self.next.get().is_some() {
            // Being unwound: what destructors ask for does not happen.
            return 0;
        }
        if let Some(&answer) = self.history.get(self.at.get()) {
            self.at.set(self.at.get() + 1);
            return answer;
        }
        self.next.set(Some(call));
        resume_unwind(Box::new(Unanswered))
    }

    pub(super) fn tell(&self, note: Note) {
        if self.next.get().is_none() {
            self.notes.borrow_mut().push(note);
        }
    }

    /// Opens what the name leads to.
    pub(super) fn find(&self) -> Result<Home<'_>> {
        match self.ask(Call::Find) {
            0 => Err(Error::new(ErrorKind::NotFound, "nothing has the name")),
            file => Ok(Home {
                process: self,
                file: ((file as usize - 1) / 16, (file as usize - 1) % 16),
                is_founding: Cell::new(false),
            }),
        }
    }

    /// A new file, without a name.
    pub(super) fn make(&self, is_restartable: bool) -> Home<'_> {
        let file = (self.id, self.made.get());
        self.made.set(file.1 + 1);
        self.tell(Note::Made(file, is_restartable));
        Home { process: self, file, is_founding: Cell::new(true) }
    }
}

/// A file that a process has open.
pub(super) struct Home<'a> {
    process: &'a Process<'a>,
    pub(super) file: File,
    is_founding: Cell<bool>,
}

impl Home<'_> {
    pub(super) fn give_name(&self) -> Result<()> {
        if self.process.ask(Call::Name(self.file)) == 0 {
            return Err(Error::new(ErrorKind::AlreadyExists, "the name is taken"));
        }
        self.is_founding.set(false);
        if self.process.flaw == Flaw::NamedFirst {
            self.process.ask(Call::Take(self.file, 0));
        }
        Ok(())
    }

    pub(super) fn presence(&self, slot: usize) -> Presence {
        Presence::from_word(self.process.ask(Call::Load(self.file, slot)))
    }

    pub(super) fn store(&self, slot: usize, presence: Presence) {
        let call = Call::Store(self.file, slot, presence.word());
        if self.process.flaw == Flaw::LeftLate && presence.state() == State::Left {
            self.process.late.set(Some(call));
            return;
        }
        self.process.ask(call);
    }

    /// Makes up for what was put off.
    fn late(&self) {
        if let Some(call) = self.process.late.take() {
            self.process.ask(call);
        }
    }
}

/// A claim of a seat's owner, in one word.
pub(super) fn claim(seat: u32, generation: u32) -> u64 {
    u64::from(generation) << 32 | u64::from(seat + 1)
}

/// Whose claim it is.
pub(super) fn claimant(claim: u64) -> (usize, u32) {
    (claim as u32 as usize - 1, (claim >> 32) as u32)
}

impl Home<'_> {
    pub(super) fn load(&self, word: usize) -> u64 {
        self.process.ask(Call::Load(self.file, word))
    }

    pub(super) fn store_seat(&self, seat: usize, presence: seat::Presence) {
        let call = Call::Store(self.file, seat, presence.word());
        if self.process.flaw == Flaw::LeftLate && presence.state() == seat::State::Left {
            self.process.late.set(Some(call));
            return;
        }
        self.process.ask(call);
    }

    /// Stores `to` if the word is `from`; a blind one whatever it is.
    pub(super) fn exchange(&self, word: usize, from: u64, to: u64, is_blind: bool) -> bool {
        if is_blind {
            self.process.ask(Call::Store(self.file, word, to));
            return true;
        }
        self.process.ask(Call::Exchange(self.file, word, from, to)) == 1
    }
}

impl Drop for Home<'_> {
    fn drop(&mut self) {
        self.process.ask(Call::Close(self.file));
        self.late();
    }
}

pub(super) struct Threshold<'a>(&'a Home<'a>);

impl Drop for Threshold<'_> {
    fn drop(&mut self) {
        if self.0.process.flaw != Flaw::DoorOpen {
            self.0.process.ask(Call::Exit(self.0.file));
        }
    }
}

impl House for Home<'_> {
    type Door<'a>
        = Threshold<'a>
    where
        Self: 'a;

    fn enter(&self, _: Duration) -> Result<Threshold<'_>> {
        let is_open = self.process.flaw == Flaw::DoorOpen;
        if is_open || self.process.ask(Call::Enter(self.file)) == 1 {
            return Ok(Threshold(self));
        }
        Err(Error::new(ErrorKind::Busy, "somebody is at the door"))
    }

    fn try_take(&self, slot: u32) -> Result<bool> {
        match self.process.flaw {
            Flaw::NamedFirst if self.is_founding.get() => Ok(true),
            Flaw::Robbed => {
                self.process.ask(Call::Take(self.file, slot as usize));
                Ok(true)
            }
            _ => Ok(self.process.ask(Call::Take(self.file, slot as usize)) == 1),
        }
    }

    fn release(&self, slot: u32) {
        self.process.ask(Call::Give(self.file, slot as usize));
        self.late();
    }

    fn is_held_by_another(&self, slot: u32) -> bool {
        match self.process.flaw {
            Flaw::NobodySeen => false,
            Flaw::GhostsSeen => true,
            _ => self.process.ask(Call::IsHeld(self.file, slot as usize)) == 1,
        }
    }

    fn is_anybody_else_here(&self) -> bool {
        match self.process.flaw {
            Flaw::NobodySeen => false,
            Flaw::GhostsSeen => true,
            _ => self.process.ask(Call::IsAnybody(self.file)) == 1,
        }
    }

    fn has_name(&self) -> bool {
        self.process.flaw == Flaw::NameUnasked || self.process.ask(Call::HasName(self.file)) == 1
    }

    fn remove_name(&self) -> Result<()> {
        self.process.ask(Call::Remove(self.file));
        Ok(())
    }
}

impl World {
    fn new(model: &Model) -> Self {
        let mut world = Self {
            name: None,
            inodes: BTreeMap::new(),
            lives: Vec::new(),
            kills_left: model.kills,
            is_orderly: true,
            of_many: model.of_many,
        };
        if let Some(is_restartable) = model.remains {
            // Of a process that no script plays.
            let file = (THE_DEAD, 0);
            let mut inode = Inode { is_restartable, ..Inode::default() };
            if model.of_many {
                let seat = seat::Presence::from_word(0).succeeded();
                inode.presence[..2].fill(seat.word());
                inode.presence[CLAIM] = claim(1, seat.generation());
                inode.authors[..2].fill(vec![THE_DEAD]);
            } else {
                inode.presence[..2].fill(Presence::from_word(0).succeeded().word());
            }
            world.inodes.insert(file, inode);
            world.name = Some(file);
            world.is_orderly = false;
        }
        world
    }

    /// Starts a process: runs it up to its first step.
    fn start(&mut self, script: Script, flaw: Flaw) -> Result<usize, String> {
        let id = self.lives.len();
        self.lives.push(Life {
            fate: Fate::Ended,
            history: Vec::new(),
            notes: 0,
            place: None,
            has_met: false,
            says: None,
        });
        self.run(id, script, flaw)?;
        Ok(id)
    }

    /// Runs a process up to its next step.
    fn run(&mut self, id: usize, script: Script, flaw: Flaw) -> Result<(), String> {
        let history = std::mem::take(&mut self.lives[id].history);
        let process = Process {
            id,
            flaw,
            history: &history,
            at: Cell::new(0),
            next: Cell::new(None),
            notes: RefCell::default(),
            made: Cell::new(0),
            late: Cell::new(None),
        };
        match catch_unwind(AssertUnwindSafe(|| script(&process))) {
            Ok(outcome) => outcome.map_err(|why| format!("process {id}: {why}"))?,
            Err(panic) if panic.is::<Unanswered>() => {}
            Err(panic) => resume_unwind(panic),
        }
        let fate = process.next.get().map_or(Fate::Ended, Fate::Running);
        let notes = process.notes.take();
        let Life { notes: told, place, has_met, says, .. } = self.lives[id];
        if history.len() > STEPS_MAX {
            return Err(format!("process {id} comes to no end"));
        }
        // How it came to its end does not matter any more.
        let history = if fate == Fate::Ended { Vec::new() } else { history };
        self.lives[id] = Life { fate, history, notes: notes.len(), place, has_met, says };
        notes[told..].iter().try_for_each(|&note| self.note(id, note))
    }

    fn note(&mut self, id: usize, note: Note) -> Result<(), String> {
        match note {
            Note::Made(file, is_restartable) => {
                self.inodes.insert(file, Inode { is_restartable, ..Inode::default() });
            }
            Note::Attached(file, slot) => self.lives[id].place = Some((file, slot)),
            Note::Leaving => (self.lives[id].place, self.lives[id].says) = (None, None),
            Note::Seated(word) => self.lives[id].says = Some(word),
            Note::Mends(file, seat, generation) if !self.is_dead(file, seat, generation) => {
                return Err(format!("process {id} takes the living owner {generation} of seat {seat} for dead"));
            }
            Note::Mends(..) => {}
            Note::Saw(file, slot, PeerState::Died) => {
                let authors = &self.inodes[&file].authors[slot];
                let is_dead = |author: &usize| self.lives[*author].fate == Fate::Killed;
                // Of several owners, one after the other, one that died may be meant. What the models begin with has none.
                let is_true = authors.is_empty() || authors.iter().any(is_dead);
                if !is_true {
                    return Err(format!("process {id} takes a living owner of slot {slot} for dead"));
                }
            }
            Note::Exists if !self.lives[id].has_met => {
                return Err(format!("process {id} is told of a channel that nobody uses"));
            }
            Note::Exists | Note::Saw(..) => {}
        }
        Ok(())
    }

    /// What becomes of the world with the next step of a process, and the answer.
    fn step(&self, id: usize, call: Call) -> Result<(Self, u64), String> {
        let mut next = self.clone();
        let answer = match call {
            Call::Find => next.name.map_or(0, |file| (file.0 * 16 + file.1 + 1) as u64),
            Call::Name(file) if next.name.is_none() => {
                next.name = Some(file);
                1
            }
            Call::Name(_) => 0,
            Call::Remove(file) => {
                if next.name != Some(file) {
                    return Err(format!(
                        "process {id} takes away a name that leads to {:?}, not to {file:?}",
                        next.name
                    ));
                }
                next.name = None;
                1
            }
            Call::HasName(file) => u64::from(next.name == Some(file)),
            Call::Load(file, slot) => next.inodes[&file].presence[slot],
            Call::Exchange(file, slot, from, to) => {
                let word = &mut next.inodes.get_mut(&file).ok_or("no such file")?.presence[slot];
                let is_so = *word == from;
                if is_so {
                    *word = to;
                    self.check_exchange(id, file, slot, from)?;
                }
                u64::from(is_so)
            }
            Call::Enter(file) if next.inodes[&file].door.is_some() => {
                // Later, when the door is free; or never mind.
                next.is_orderly = false;
                0
            }
            _ => {
                let file = call.file();
                next.inodes.get_mut(&file).map_or(0, |inode| inode.call(id, call, next.of_many))
            }
        };
        next.lives[id].has_met = match call {
            Call::Name(_) => false,
            Call::Enter(_) => answer == 0 || next.lives[id].has_met,
            Call::IsAnybody(_) => answer == 1 || next.lives[id].has_met,
            _ => next.lives[id].has_met,
        };
        Ok((next, answer))
    }

    fn kill(&self, id: usize, flaw: Flaw) -> Self {
        let mut next = self.clone();
        next.lives[id] =
            Life { fate: Fate::Killed, history: Vec::new(), notes: 0, place: None, has_met: false, says: None };
        next.kills_left -= 1;
        next.is_orderly = false;
        for inode in next.inodes.values_mut() {
            inode.door = inode.door.filter(|&it| it != id);
            if flaw != Flaw::LeaseOutlives {
                inode.leases = inode.leases.map(|it| it.filter(|&it| it != id));
            }
        }
        next
    }

    /// Whether who had the seat with this generation was killed.
    fn is_dead(&self, file: File, seat: usize, generation: u32) -> bool {
        let owner = (generation as usize).checked_sub(1).and_then(|nth| self.inodes[&file].authors[seat].get(nth));
        owner.is_some_and(|&owner| owner == THE_DEAD || self.lives[owner].fate == Fate::Killed)
    }

    /// What nobody may exchange: a claim of somebody else who lives.
    fn check_exchange(&self, id: usize, file: File, slot: usize, from: u64) -> Result<(), String> {
        if slot != CLAIM || from == 0 {
            return Ok(());
        }
        let (seat, generation) = claimant(from);
        let owner = self.inodes[&file].authors[seat].get(generation as usize - 1);
        if owner == Some(&id) || self.is_dead(file, seat, generation) {
            return Ok(());
        }
        Err(format!("process {id} takes the claim of the living owner {generation} of seat {seat}"))
    }

    /// What must hold at every moment.
    fn check(&self) -> Result<(), String> {
        let places: Vec<(File, usize)> = self.lives.iter().filter_map(|life| life.place).collect();
        for life in &self.lives {
            if let (Some((file, seat)), Some(says)) = (life.place, life.says) {
                let found = self.inodes[&file].presence[seat];
                if found != says {
                    return Err(format!("of one who is there, seat {seat} says {found:#x}"));
                }
            }
        }
        for (i, place) in places.iter().enumerate() {
            if places[..i].contains(place) {
                return Err(format!("slot {} has two holders", place.1));
            }
            if self.name != Some(place.0) {
                return Err(format!("somebody is attached to {:?}, and the name leads to {:?}", place.0, self.name));
            }
        }
        Ok(())
    }

    /// What must hold when everybody has ended: the next one can use the name, and nothing stays.
    fn check_end(&self, heir: Script, flaw: Flaw) -> Result<(), String> {
        if self.is_orderly && self.name.is_some() {
            return Err(String::from("all left in good order, and the name is still there"));
        }
        let mut world = self.clone();
        let id = world.start(heir, flaw).map_err(|why| format!("the next user: {why}"))?;
        while let Fate::Running(call) = world.lives[id].fate {
            let (mut next, answer) = world.step(id, call)?;
            next.lives[id].history.push(answer);
            next.run(id, heir, flaw).map_err(|why| format!("the next user: {why}"))?;
            next.check()?;
            world = next;
        }
        match world.name {
            None => Ok(()),
            Some(_) => Err(String::from("the next user has left, and the name is still there")),
        }
    }
}

impl Inode {
    fn call(&mut self, id: usize, call: Call, of_many: bool) -> u64 {
        let is_another = |holder: &Option<usize>| holder.is_some_and(|it| it != id);
        match call {
            Call::Enter(_) => self.door = Some(id),
            Call::Exit(_) => self.door = self.door.filter(|&it| it != id),
            Call::Take(_, slot) if is_another(&self.leases[slot]) => return 0,
            Call::Take(_, slot) => self.leases[slot] = Some(id),
            Call::Give(_, slot) => self.leases[slot] = self.leases[slot].filter(|&it| it != id),
            Call::IsHeld(_, slot) => return u64::from(is_another(&self.leases[slot])),
            Call::IsAnybody(_) => return u64::from(self.leases.iter().any(is_another)),
            Call::Close(_) => {
                self.door = self.door.filter(|&it| it != id);
                self.leases = self.leases.map(|it| it.filter(|&it| it != id));
            }
            Call::Store(_, slot, word) => {
                self.presence[slot] = word;
                let is_attached = if of_many {
                    slot < SLOTS && seat::Presence::from_word(word).state() == seat::State::Attached
                } else {
                    Presence::from_word(word).state() == State::Attached
                };
                if is_attached {
                    self.authors[slot].push(id);
                }
            }
            Call::Find | Call::Name(_) | Call::Remove(_) | Call::HasName(_) => {}
            Call::Load(..) | Call::Exchange(..) => {}
        }
        1
    }
}

impl Call {
    fn file(self) -> File {
        match self {
            Self::Find => (0, 0),
            Self::Name(file) | Self::Remove(file) | Self::HasName(file) | Self::Enter(file) | Self::Exit(file) => file,
            Self::Take(file, _) | Self::Give(file, _) | Self::IsHeld(file, _) | Self::Load(file, _) => file,
            Self::IsAnybody(file) | Self::Close(file) | Self::Store(file, ..) | Self::Exchange(file, ..) => file,
        }
    }
}

/// Explores every order of the model's steps and kills; `heir` is who comes when all have ended.
pub(super) fn explore(model: &Model, heir: Script) -> Result<Explored, String> {
    let mut world = World::new(model);
    for &script in &model.scripts {
        world.start(script, model.flaw)?;
    }
    let mut seen = HashMap::new();
    let executions = paths(&world, model, heir, &mut seen)?;
    Ok(Explored { states: seen.len(), executions })
}

/// A state by 128 bits of it: of a million states two are taken for one with a chance of 1 to 10^26.
fn key(world: &World) -> (u64, u64) {
    let hash = |salt: u64| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        world.hash(&mut hasher);
        hasher.finish()
    };
    (hash(0), hash(1))
}

/// How many executions begin here.
fn paths(world: &World, model: &Model, heir: Script, seen: &mut HashMap<(u64, u64), f64>) -> Result<f64, String> {
    let key = key(world);
    if let Some(&paths) = seen.get(&key) {
        return Ok(paths);
    }
    world.check()?;
    let mut total = 0.0;
    for (id, life) in world.lives.iter().enumerate() {
        let Fate::Running(call) = life.fate else { continue };
        let (mut next, answer) = world.step(id, call)?;
        next.lives[id].history.push(answer);
        next.run(id, model.scripts[id], model.flaw)?;
        total += paths(&next, model, heir, seen)?;
        if world.kills_left > 0 {
            total += paths(&world.kill(id, model.flaw), model, heir, seen)?;
        }
    }
    if total == 0.0 {
        world.check_end(heir, model.flaw)?;
        total = 1.0;
    }
    seen.insert(key, total);
    Ok(total)
}
