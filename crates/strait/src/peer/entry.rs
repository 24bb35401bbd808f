//! Coming and going: how the name of a channel, its door and its leases are used together.
//!
//! ```text
//! found              attach                     leave                      sweep
//!   take the lease     open what the name         say that we leave          open what the name
//!   give the name        leads to                 [ the door                   leads to
//!                      [ the door                   give the lease back      [ the door
//!                        is that still its name?    nobody else here, and      nobody here, and
//!                        of use to anybody?         it is still its name?      still its name?
//!                        take the lease ]           take the name away ]       take the name away ]
//! ```
//!
//! 1. Who finds a name finds somebody there, or what the dead have left: a creator takes its lease before it gives the name.
//! 2. A name is taken away only behind the door, by one who sees no lease but its own and that the name still leads to this region. Who
//!    attaches does both under the same door. So nobody attaches to what has lost its name, and no name is taken away that somebody is
//!    attached to.
//! 3. Only the kernel says that somebody is gone. Presence says what the last owner did: it is stored after the lease is taken and before
//!    it is given back, so "attached" without a lease means dead. It is read before the lease and again after it, for who leaves or
//!    succeeds in between is not dead.
//! 4. A kill anywhere leaves a name without leases at the worst, which the next one sweeps.
//!
//! No step here knows what the kernel or memory looks like ([`House`]), so the models go through every order of several processes' steps
//! with a kill between any two.

use crate::error::{Error, ErrorKind, Result};
use crate::peer::PeerState;
use crate::peer::lease::{Door, Leases};
use crate::peer::side::State;
use crate::region::Region;
use std::time::Duration;

/// How often creating a channel tries again because what had its name was left by the dead and is swept: others may die meanwhile.
const SWEEPS_MAX: u32 = 8;
/// How often a presence word may change between two looks of one call. An honest side changes hands with a lease, and so never twice.
const CHANGES_MAX: u32 = 8;

/// A region that has been opened, with locks of one's own on it: what coming and going asks of the kernel.
pub(crate) trait House {
    /// Holds the door until it is dropped.
    type Door<'a>
    where
        Self: 'a;

    fn enter(&self, patience: Duration) -> Result<Self::Door<'_>>;
    fn try_take(&self, slot: u32) -> Result<bool>;
    fn release(&self, slot: u32);
    fn is_held_by_another(&self, slot: u32) -> bool;
    fn is_anybody_else_here(&self) -> bool;
    /// Whether the name still leads to this region.
    fn has_name(&self) -> bool;
    fn remove_name(&self) -> Result<()>;
}

/// A region and the locks on its file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site<'a> {
    pub(crate) region: &'a Region,
    pub(crate) leases: &'a Leases,
}

impl House for Site<'_> {
    type Door<'a>
        = Door<'a>
    where
        Self: 'a;

    fn enter(&self, patience: Duration) -> Result<Door<'_>> {
        self.leases.enter(patience)
    }

    fn try_take(&self, slot: u32) -> Result<bool> {
        self.leases.try_take(slot)
    }

    fn release(&self, slot: u32) {
        self.leases.release(slot);
    }

    fn is_held_by_another(&self, slot: u32) -> bool {
        self.leases.is_held_by_another(slot)
    }

    fn is_anybody_else_here(&self) -> bool {
        self.leases.is_anybody_else_here()
    }

    fn has_name(&self) -> bool {
        self.region.has_name()
    }

    fn remove_name(&self) -> Result<()> {
        Region::remove(self.region.place())
    }
}

/// What holds for a channel as long as it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Whether it has a name at all.
    pub(crate) is_named: bool,
    /// Whether it is a file: that stays when everybody has left.
    pub(crate) is_file: bool,
    /// Whether ends may be taken again.
    pub(crate) is_restartable: bool,
}

/// Why nobody is let in.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The name leads elsewhere, or nowhere: the last user has just left.
    NameGone,
    /// Its users were dead, and what they left has been removed.
    Swept,
    /// The slot is taken.
    Taken,
    /// The slot's owner was here and is no more, and there is no second one.
    Over(State),
    Error(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Founds a channel that nobody can find yet (rule 1). `sign` writes who we are, before anybody can find the slot taken.
pub(crate) fn found<T>(
    house: &impl House,
    slot: u32,
    sign: impl FnOnce() -> Result<()>,
    give_name: impl FnOnce() -> Result<T>,
) -> Result<T, Refusal> {
    if !house.try_take(slot)? {
        return Err(Refusal::Taken);
    }
    sign()?;
    Ok(give_name()?)
}

/// Creates a channel; nothing of that name may exist, unless it is what the dead left behind. `sweep` removes that and says whether the
/// name is free; that it finds nothing says so too: somebody was faster.
pub(crate) fn create<T>(once: impl Fn() -> Result<T>, sweep: impl Fn() -> Result<bool>) -> Result<T> {
    for _ in 0..SWEEPS_MAX {
        match once() {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let is_free = sweep().unwrap_or_else(|why| why.kind() == ErrorKind::NotFound);
                if !is_free {
                    return Err(error);
                }
            }
            done => return done,
        }
    }
    once()
}

/// Opens a channel, or creates it where there is none.
pub(crate) fn open_or_create<T>(open: impl Fn() -> Result<T>, create: impl Fn() -> Result<T>) -> Result<T> {
    loop {
        match open() {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            done => return done,
        }
        match create() {
            // Somebody was faster: open theirs.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            done => return done,
        }
    }
}

/// Takes a slot of a channel that was opened (rule 2). `state` is what its presence says; `sign` as in [`found`].
pub(crate) fn attach(
    house: &impl House,
    rules: Rules,
    slot: u32,
    patience: Duration,
    state: impl FnOnce() -> Result<State>,
    sign: impl FnOnce() -> Result<()>,
) -> Result<(), Refusal> {
    let _door = house.enter(patience)?;
    if rules.is_named && !house.has_name() {
        return Err(Refusal::NameGone);
    }
    if sweep_behind_the_door(house, rules)? {
        return Err(Refusal::Swept);
    }
    if !rules.is_restartable {
        match state()? {
            State::Never => {}
            State::Attached if house.is_held_by_another(slot) => return Err(Refusal::Taken),
            over => return Err(Refusal::Over(over)),
        }
    }
    if !house.try_take(slot)? {
        return Err(Refusal::Taken);
    }
    Ok(sign()?)
}

/// Takes any one of some seats of a channel of many that was opened (rule 2); says which. `sign` as in [`found`].
pub(crate) fn attach_any(
    house: &impl House,
    rules: Rules,
    seats: std::ops::Range<u32>,
    patience: Duration,
    sign: impl FnOnce(u32) -> Result<()>,
) -> Result<u32, Refusal> {
    let _door = house.enter(patience)?;
    if rules.is_named && !house.has_name() {
        return Err(Refusal::NameGone);
    }
    if sweep_behind_the_door(house, rules)? {
        return Err(Refusal::Swept);
    }
    for seat in seats {
        if house.try_take(seat)? {
            sign(seat)?;
            return Ok(seat);
        }
    }
    Err(Refusal::Taken)
}

/// Removes a channel that is provably of no use to anybody; says whether its name is free, by us or by somebody who was faster.
pub(crate) fn sweep(house: &impl House, rules: Rules, patience: Duration) -> Result<bool> {
    let _door = house.enter(patience)?;
    if !house.has_name() {
        return Ok(true);
    }
    sweep_behind_the_door(house, rules)
}

/// The refusal of one who wanted something else than there is. What is provably of no use to anybody is removed, though: then there is nothing.
pub(crate) fn refuse_other(house: &impl House, rules: Rules, patience: Duration, error: Error) -> Refusal {
    if rules.is_named && sweep(house, rules, patience).unwrap_or(false) {
        return Refusal::Swept;
    }
    Refusal::Error(error)
}

/// Says whether it removed it.
fn sweep_behind_the_door(house: &impl House, rules: Rules) -> Result<bool> {
    let outlives = rules.is_restartable || rules.is_file;
    if outlives || house.is_anybody_else_here() || !house.has_name() {
        return Ok(false);
    }
    house.remove_name()?;
    Ok(true)
}

/// Gives a slot up and, if nobody is left, the name, unless it `is_kept`: that is asked when nobody else can change the answer any more.
/// `say` stores and tells that we leave (rule 3).
pub(crate) fn leave(
    house: &impl House,
    rules: Rules,
    slot: u32,
    patience: Duration,
    say: impl FnOnce(),
    is_kept: impl FnOnce() -> bool,
) {
    say();
    // Without the door (a stopped process may hold it) the name is left for the next user to sweep.
    let Ok(_door) = house.enter(patience) else { return };
    house.release(slot);
    if !rules.is_file && !house.is_anybody_else_here() && house.has_name() && !is_kept() {
        // Nothing is to be done about a failure: the name is swept by the next user.
        let _ = house.remove_name();
    }
}

/// What is known of another slot's owner (rule 3): `says` is its presence, and which owner says so; `is_held` asks for its lease. Once it
/// `was_met`, a presence of "never" is a lie.
pub(crate) fn state_of(was_met: bool, says: impl Fn() -> (State, u64), is_held: impl Fn() -> bool) -> PeerState {
    for _ in 0..CHANGES_MAX {
        let (state, owner) = says();
        match state {
            State::Left => return PeerState::Left,
            State::Never if !was_met => return PeerState::NotYet,
            _ if is_held() => return PeerState::Attached,
            _ => {}
        }
        // No lease: dead, unless it left or was succeeded between the two looks.
        if says() == (state, owner) {
            break;
        }
    }
    // Or somebody writes there who has no lease: whoever that is, it is not the other side.
    PeerState::Died
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    const RULES: Rules = Rules { is_named: false, is_file: false, is_restartable: false };

    /// A house that answers as it is told. The models have one that answers truly, and so never what nobody meets there.
    #[derive(Default)]
    struct Stub {
        gives_lease: bool,
        is_removed: Cell<bool>,
    }

    impl House for Stub {
        type Door<'a> = ();

        fn enter(&self, _: Duration) -> Result<()> {
            Ok(())
        }

        fn try_take(&self, _: u32) -> Result<bool> {
            Ok(self.gives_lease)
        }

        fn release(&self, _: u32) {}

        fn is_held_by_another(&self, _: u32) -> bool {
            false
        }

        fn is_anybody_else_here(&self) -> bool {
            false
        }

        fn has_name(&self) -> bool {
            false
        }

        fn remove_name(&self) -> Result<()> {
            self.is_removed.set(true);
            Ok(())
        }
    }

    fn error(kind: ErrorKind) -> Error {
        Error::new(kind, "as it was told")
    }

    /// A founder without its lease gives no name, for there would be a name without anybody (rule 1).
    #[test]
    fn founder_without_a_lease() {
        let founded = found(&Stub::default(), 0, || Ok(()), || -> Result<()> { panic!("a name is given") });
        assert!(matches!(founded, Err(Refusal::Taken)), "{founded:?}");
        assert!(found(&Stub { gives_lease: true, ..Stub::default() }, 0, || Ok(()), || Ok(())).is_ok());
    }

    /// What has no name is not swept, even if nobody is there: whoever has its descriptor may attach.
    #[test]
    fn nameless_is_not_swept() {
        let house = Stub { gives_lease: true, ..Stub::default() };
        let attached = attach(&house, RULES, 0, Duration::ZERO, || Ok(State::Never), || Ok(()));
        assert!(attached.is_ok() && !house.is_removed.get(), "{attached:?}");
    }

    /// Only a name that is taken is a reason to sweep, and only that nothing is there is one to create: other errors are told at once.
    #[test]
    fn other_errors_are_told_at_once() {
        let denied = || Err(error(ErrorKind::Permission));
        let created = create(denied, || -> Result<bool> { panic!("is swept") });
        assert_eq!(created.expect_err("no channel").kind(), ErrorKind::Permission);
        let opened = open_or_create(denied, || -> Result<()> { panic!("is created") });
        assert_eq!(opened.expect_err("no channel").kind(), ErrorKind::Permission);
        let tries = Cell::new(0);
        let open = || -> Result<()> {
            tries.set(tries.get() + 1);
            assert_eq!(tries.get(), 1, "is tried again");
            Err(error(ErrorKind::NotFound))
        };
        assert_eq!(open_or_create(open, denied).expect_err("no channel").kind(), ErrorKind::Permission);
    }

    /// "Never" is what it says until the owner was met; then the lease alone says who is there.
    #[test]
    fn never_is_a_lie_once_met() {
        let never = || (State::Never, 0);
        assert_eq!(state_of(false, never, || false), PeerState::NotYet);
        assert_eq!(state_of(true, never, || false), PeerState::Died);
        assert_eq!(state_of(true, never, || true), PeerState::Attached);
    }
}
