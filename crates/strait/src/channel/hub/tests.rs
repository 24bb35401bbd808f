//! The hub of a channel that is nothing else, in one process: who drops it without leaving has died.

use super::*;
use crate::peer::seat::State;
use crate::wait::source::Vigil as _;
use crate::wait::turn::Turn;
use std::sync::atomic::AtomicU32;

/// A channel of nothing but a hub: two of role 0 and three of role 1.
struct Bare;

const HEADS: u32 = 0;
const HANDS: u32 = 1;
const SEATS: u32 = 5;

impl Kind for Bare {
    fn body_bytes(header: &Header) -> Option<u64> {
        Some(header.capacity_bytes)
    }

    fn seats(header: &Header, role: u32) -> Range<u32> {
        if role == HEADS { 0..2 } else { 2..header.seats }
    }

    fn role_name(role: u32) -> &'static str {
        if role == HEADS { "head" } else { "hand" }
    }
}

fn blueprint(is_restartable: bool) -> Blueprint {
    let header = Header { channel: 77, seats: SEATS, capacity_bytes: 4096, is_restartable, ..Header::default() };
    Blueprint { header, region: region::Options::new(), strategy: Strategy::Sleep, trust: None }
}

/// A name of its own, which is gone when the test ends, however it ends.
pub(super) struct Name(String);

impl Name {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Self(format!("hub-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed)))
    }

    pub(super) fn place(&self) -> Place {
        Place::posix(&self.0)
    }

    fn create(&self, is_restartable: bool, role: u32) -> Result<Hub> {
        Hub::create::<Bare>(&self.place(), &blueprint(is_restartable), role, |_| Ok(()))
    }

    fn open(&self, is_restartable: bool, role: u32) -> Result<Hub> {
        Hub::open::<Bare>(&self.place(), &blueprint(is_restartable), role)
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let _ = Region::remove(self.place());
    }
}

/// A user who dies: the lease goes, and nothing is said.
fn dies(hub: Hub) {
    drop(hub);
}

fn leaves(mut hub: Hub) {
    hub.leave(|| false);
}

/// Each takes a seat of its role; when all are taken the next is told so, in words; and a seat that is given back is taken again.
#[test]
fn seats_are_taken_and_given_back() {
    let name = Name::new();
    let head = name.create(false, HEADS).expect("create");
    assert_eq!(head.seat(), (0, 1));
    let hands: Vec<Hub> = (0..3).map(|_| name.open(false, HANDS).expect("a seat")).collect();
    assert_eq!(hands.iter().map(|it| it.seat().0).collect::<Vec<_>>(), [2, 3, 4]);
    let error = name.open(false, HANDS).expect_err("all are taken");
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().contains("all its 3 seats for a hand are taken"), "{error}");
    assert_eq!((head.count(HEADS), head.count(HANDS)), (1, 3));
    let mut hands = hands.into_iter();
    leaves(hands.next().expect("one"));
    assert_eq!((head.count(HANDS), head.presence(2).state()), (2, State::Left));
    let again = name.open(false, HANDS).expect("a seat");
    assert_eq!(again.seat(), (2, 2));
    assert!(!head.succeeds_dead() && !again.succeeds_dead());
    dies(hands.next().expect("another"));
    let heir = name.open(false, HANDS).expect("the dead one's seat");
    assert_eq!((heir.seat(), heir.succeeds_dead()), ((3, 2), true));
    let soon = Duration::from_millis(1);
    let error = Hub::open_timeout::<Bare>(&name.place(), &blueprint(false), HANDS, soon).expect_err("all are taken");
    assert_eq!(error.kind(), ErrorKind::Busy, "who waits for a channel does not wait for a seat");
    let error = name.create(false, HEADS).expect_err("it is in use");
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
}

/// The last to leave takes the name away, unless it is kept; what the dead left is swept by the next, where it is of no use.
#[test]
fn name_goes_with_the_last() {
    let name = Name::new();
    let head = name.create(false, HEADS).expect("create");
    let hand = name.open(false, HANDS).expect("open");
    leaves(head);
    assert_eq!(hand.all_gone(HEADS), Some(Cause::Left));
    leaves(hand);
    assert_eq!(name.open(false, HANDS).expect_err("gone").kind(), ErrorKind::NotFound);
    let mut kept = name.create(true, HEADS).expect("create");
    kept.leave(|| true);
    drop(kept);
    leaves(name.open(true, HANDS).expect("kept"));
    dies(name.create(false, HEADS).expect("create"));
    let error = name.open(false, HANDS).expect_err("swept");
    assert!(error.to_string().contains("its users are dead"), "{error}");
    dies(name.create(false, HEADS).expect("create"));
    leaves(name.create(false, HEADS).expect("swept on the way"));
    assert_eq!(name.open(false, HANDS).expect_err("gone").kind(), ErrorKind::NotFound);
}

/// A channel that is to be kept, or that is a file, waits for those who come again, asked for or not; the name of the first stays when its
/// last user leaves.
#[test]
fn kept_or_in_a_file() {
    let name = Name::new();
    let kept = blueprint(false);
    let kept = Blueprint { header: Header { is_kept: true, ..kept.header.clone() }, ..kept };
    let head = Hub::create::<Bare>(&name.place(), &kept, HEADS, |_| Ok(())).expect("create");
    assert!(head.header().is_restartable);
    leaves(head);
    leaves(name.open(false, HANDS).expect("kept"));
    let path = std::env::temp_dir().join(&name.0);
    let head = Hub::create::<Bare>(&Place::file(&path), &blueprint(false), HEADS, |_| Ok(()));
    let removed = std::fs::remove_file(&path);
    assert!(head.expect("create").header().is_restartable);
    removed.expect("it was there");
}

/// Who comes later makes the channel, finds it, or waits for it.
#[test]
fn whoever_is_first() {
    let name = Name::new();
    let blueprint = blueprint(false);
    let place = name.place();
    let soon = Duration::from_millis(5);
    let error = Hub::open_timeout::<Bare>(&place, &blueprint, HANDS, soon).expect_err("nobody");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let one = Hub::open_or_create::<Bare>(&place, &blueprint, HEADS, |_| Ok(())).expect("made");
    let two = Hub::open_or_create::<Bare>(&place, &blueprint, HEADS, |_| Ok(())).expect("found");
    assert_eq!((one.seat().0, two.seat().0), (0, 1));
    Hub::open_timeout::<Bare>(&place, &blueprint, HANDS, soon).expect("there");
    let fd = one.fd().expect("has one").try_clone_to_owned().expect("a descriptor");
    assert_eq!(Hub::from_fd::<Bare>(fd, &blueprint, HANDS).expect("by its descriptor").count(HEADS), 2);
}

/// The dead are found, mended and marked once; a claim is a dead one's when its seat has died, was left, or has its next owner.
#[test]
fn dead_are_found_once() {
    let name = Name::new();
    let mut head = name.create(false, HEADS).expect("create");
    let hands: Vec<Hub> = (0..3).map(|_| name.open(false, HANDS).expect("a seat")).collect();
    let [one, two, three] = <[Hub; 3]>::try_from(hands).expect("three");
    let mask = u32::MAX;
    assert!(!head.is_known_gone(2, 1, mask) && !head.is_known_gone(0, 1, mask));
    assert!(head.is_known_gone(2, 2, mask) && head.is_known_gone(SEATS, 1, mask) && head.is_known_gone(1, 0, mask));
    // Of the generation only some bits are named.
    assert!(!head.is_known_gone(2, 0x101, 0xFF));
    assert_eq!(head.look_for_dead(|seat, _| panic!("seat {seat} lives")), 0);
    dies(one);
    leaves(two);
    assert_eq!((head.peer_state(2), head.peer_state(3)), (PeerState::Died, PeerState::Left));
    assert_eq!(
        [head.peer_state(0), head.peer_state(1), head.peer_state(4)],
        [PeerState::Attached, PeerState::NotYet, PeerState::Attached]
    );
    assert!(head.is_known_gone(3, 1, mask) && !head.is_known_gone(4, 1, mask));
    // Until it is found it counts.
    assert!(!head.is_known_gone(2, 1, mask));
    assert_eq!(head.count(HANDS), 2);
    let mut mended = Vec::new();
    assert_eq!(head.look_for_dead(|seat, generation| mended.push((seat, generation))), 1);
    assert_eq!((mended, head.presence(2).state()), (vec![(2, 1)], State::Died));
    assert_eq!(head.look_for_dead(|seat, _| panic!("seat {seat} was mended")), 0);
    dies(three);
    assert_eq!(head.all_gone(HANDS), None);
    assert_eq!(head.look_for_dead_at(0..4, |_, _| ()), 0);
    assert_eq!(head.look_for_dead_at(4..5, |_, _| ()), 1);
    assert_eq!(head.all_gone(HANDS), Some(Cause::Died));
    let heir = name.open(false, HANDS).expect("a seat");
    assert_eq!(heir.seat(), (2, 2));
    assert!(head.is_known_gone(2, 1, mask) && !head.is_known_gone(2, 2, mask) && head.all_gone(HANDS).is_none());
}

/// A restartable channel goes on without anybody of a role; one that nobody of a role has been in waits for the first.
#[test]
fn nobody_yet_and_nobody_any_more() {
    let name = Name::new();
    let head = name.create(true, HEADS).expect("create");
    assert_eq!(head.all_gone(HANDS), None);
    leaves(name.open(true, HANDS).expect("open"));
    assert_eq!(head.all_gone(HANDS), None);
}

/// Who lies about seats or sizes in the header is refused in words, and nothing is made by its numbers.
#[test]
fn headers_that_do_not_add_up() {
    let name = Name::new();
    for seats in [0, SEATS_MAX + 1, u32::MAX] {
        let mut wrong = blueprint(false);
        wrong.header.seats = seats;
        let error = Hub::create::<Bare>(&name.place(), &wrong, HEADS, |_| Ok(())).expect_err("no such channel");
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    }
    let mut huge = blueprint(false);
    huge.header.capacity_bytes = u64::MAX - 100;
    assert!(Hub::create::<Bare>(&name.place(), &huge, HEADS, |_| Ok(())).is_err());
    let head = name.create(false, HEADS).expect("create");
    for seats in [0_u32, SEATS + 16, SEATS_MAX + 1, u32::MAX] {
        let lie = Header { seats, ..head.header().clone() };
        lie.write(head.region()).expect("inside");
        let error = name.open(false, HANDS).expect_err("does not add up");
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
    }
}

/// A lie in the presence of a seat is at the worst a death that was none, or none that was.
#[test]
fn lies_about_presence_are_bounded() {
    let name = Name::new();
    let mut head = name.create(false, HEADS).expect("create");
    let liar = name.open(false, HANDS).expect("open");
    let word = |seat: u32, word: u64| {
        let at = SEATS_AT + u64::from(seat) * SEAT_BYTES;
        liar.region().view_mut(at..at + 8).expect("inside").store_u64(0, word, Relaxed);
    };
    for lie in [0, 1, 2, 3, u64::MAX, 1 << 32, 7 << 32 | 1] {
        (0..SEATS).for_each(|seat| word(seat, lie));
        let _ = (head.count(HANDS), head.all_gone(HANDS), head.peer_state(2), head.is_known_gone(3, 1, u32::MAX));
        assert!(head.look_for_dead(|_, _| ()) <= SEATS);
    }
    assert_eq!(head.seat(), (0, 1));
    assert_eq!(head.check(), Ok(()));
    leaves(head);
}

/// Who waits is rung for by what happens, by who comes and by who leaves.
#[test]
fn coming_and_leaving_rings() {
    let name = Name::new();
    let head = name.create(true, HEADS).expect("create");
    let mut comes = name.open(true, HANDS).expect("open");
    let wait = |mut hub: Hub, until: fn(&Hub) -> bool| {
        let mut turn = Turn::eager(None);
        while !until(&hub) {
            hub.step(&mut turn, 0, 0);
        }
        hub.end_turn(turn, 0, true);
        hub
    };
    let waits = std::thread::spawn(move || wait(head, |hub| hub.presence(3).state() == State::Attached));
    let two = name.open(true, HANDS).expect("open");
    let head = waits.join().expect("woken");
    let waits = std::thread::spawn(move || wait(head, |hub| hub.presence(3).state() == State::Left));
    leaves(two);
    let head = waits.join().expect("woken");
    let waits = std::thread::spawn(move || wait(head, |hub| hub.role(4) == 77));
    let at = SEATS_AT + 4 * SEAT_BYTES;
    comes.region().view_mut(at..at + SEAT_BYTES).expect("inside").store_u32(seat::ROLE, 77, Release);
    comes.after_action(0, Wake::ONE);
    waits.join().expect("woken");
}

/// A fault closes one's own end and no other; every later call is told the first.
#[test]
fn fault_closes_for_good() {
    let name = Name::new();
    let mut head = name.create(false, HEADS).expect("create");
    let fault = |what| PeerFault { what, offset: 0, found: 7 };
    assert_eq!(head.close(fault("one")), End::Fault(fault("one")));
    assert_eq!(head.close(fault("two")), End::Fault(fault("one")));
    assert_eq!(head.check(), Err(End::Fault(fault("one"))));
    leaves(head);
}

/// Who waits beside other things learns whether somebody acts without a fence, until that one has left.
#[test]
fn fences_are_said() {
    let name = Name::new();
    let (mut head, hand) = (name.create(false, HEADS).expect("create"), name.open(false, HANDS).expect("open"));
    assert!([0, 1].iter().all(|&event| hand.is_fenced(event)), "all who have just come fence");
    for _ in 0..100 {
        head.after_action(0, Wake::Everybody);
    }
    assert_eq!([0, 1].map(|event| hand.is_fenced(event)), [false, true]);
    leaves(head);
    assert!(hand.is_fenced(0), "nobody is left who does not");
    leaves(hand);
}

/// That nobody of a role is left is told alike by who looks at all seats, who remembers one, and who keeps vigil; and each knows why.
#[test]
fn roles_are_known_to_be_gone() {
    let name = Name::new();
    let mut head = name.create(false, HEADS).expect("create");
    let gone = |head: &mut Hub, role| {
        let cause = head.all_gone(role);
        let vigil = head.vigil(0, 0..SEATS).expect("windows");
        assert_eq!((head.is_role_gone(role), vigil.is_all_gone(role)), (cause, cause.is_some()), "role {role}");
        cause
    };
    assert_eq!([HEADS, HANDS].map(|role| gone(&mut head, role)), [None, None], "nobody yet");
    let mut hand = name.open(false, HANDS).expect("open");
    assert_eq!([HEADS, HANDS, HEADS].map(|role| gone(&mut head, role)), [None; 3]);
    let other = name.open(false, HANDS).expect("open");
    leaves(hand);
    assert_eq!([HANDS, HEADS].map(|role| gone(&mut head, role)), [None; 2], "the other is here");
    hand = name.open(false, HANDS).expect("open");
    assert_eq!(gone(&mut head, HANDS), None);
    leaves(other);
    leaves(hand);
    assert_eq!([HANDS, HEADS, HANDS].map(|role| gone(&mut head, role)), [Some(Cause::Left), None, Some(Cause::Left)]);
    let mut hand = name.open(false, HANDS).expect("open");
    assert_eq!(gone(&mut hand, HANDS), None);
    dies(head);
    assert_eq!(gone(&mut hand, HEADS), None, "it is not found yet");
    assert_eq!(hand.look_for_dead(|_, _| ()), 1);
    assert_eq!([HEADS, HANDS].map(|role| gone(&mut hand, role)), [Some(Cause::Died), None]);
    let mut heir = name.open(false, HEADS).expect("open");
    assert_eq!([HEADS, HANDS].map(|role| gone(&mut heir, role)), [None; 2]);
    leaves(hand);
    let mut second = name.open(false, HEADS).expect("open");
    dies(heir);
    second.look_for_dead(|_, _| ());
    assert_eq!(
        [HEADS, HANDS].map(|role| gone(&mut second, role)),
        [None, Some(Cause::Left)],
        "it was no hand that died"
    );
    let name = Name::new();
    let mut head = name.create(true, HEADS).expect("create");
    leaves(name.open(true, HANDS).expect("open"));
    assert_eq!(gone(&mut head, HANDS), None, "another may come");
}

/// Who keeps vigil for an end tells of a death among those it looks at, and of nothing else.
#[test]
fn vigil_tells_of_the_dead() {
    let name = Name::new();
    let mut head = name.create(false, HEADS).expect("create");
    let [one, two] = [(); 2].map(|()| name.open(false, HANDS).expect("open"));
    let (all, few) = (head.vigil(0, 0..SEATS).expect("windows"), head.vigil(0, 3..SEATS).expect("windows"));
    head.announce(0, 0);
    assert!(!all.is_disturbed() && !few.is_disturbed(), "all live");
    // Whoever comes, goes or is found rings, and so takes the announcement.
    let announce_again = |head: &mut Hub| {
        head.withdraw(0);
        head.announce(0, 0);
    };
    leaves(name.open(false, HANDS).expect("open"));
    announce_again(&mut head);
    assert!(!all.is_disturbed(), "who left is not dead");
    dies(one);
    assert!(all.is_disturbed() && !few.is_disturbed());
    head.look_for_dead(|_, _| ());
    announce_again(&mut head);
    assert!(!all.is_disturbed(), "it has been found");
    dies(two);
    assert!(all.is_disturbed() && few.is_disturbed());
}

/// Who keeps vigil tells when the announcement that is waited under is gone, as it is where somebody took its bit to ring and was killed before
/// it rang.
#[test]
fn vigil_tells_of_a_lost_bit() {
    let name = Name::new();
    let mut head = name.create(false, HEADS).expect("create");
    let hand = name.open(false, HANDS).expect("open");
    let vigil = head.vigil(1, 0..SEATS).expect("windows");
    head.announce(1, 0);
    assert!(!vigil.is_disturbed(), "it stands");
    let line = hand.region().view_mut(EVENTS_AT + EVENT_BYTES..EVENTS_AT + EVENT_BYTES + 8).expect("writable");
    line.store_u64(0, 0, Relaxed);
    assert!(vigil.is_disturbed());
    head.withdraw(1);
    head.announce(1, 0);
    assert!(!vigil.is_disturbed(), "it stands again");
    leaves(head);
    leaves(hand);
}

/// A call that does not wait asks for the dead now and then: not each time, and not never.
#[test]
fn dead_are_looked_for_now_and_then() {
    let name = Name::new();
    let mut head = name.create(false, HEADS).expect("create");
    assert!(head.is_time_to_look());
    assert!((0..100).any(|_| !head.is_time_to_look()), "each time");
    let began = Instant::now();
    while !head.is_time_to_look() {
        assert!(began.elapsed() < Duration::from_secs(10), "never");
    }
}

/// Several announcements of one seat are one bit, which goes with the last of them.
#[test]
fn announcements_are_counted() {
    let name = Name::new();
    let mut head = name.create(false, HEADS).expect("create");
    let asleep = |head: &Hub| head.region().view(EVENTS_AT..EVENTS_AT + 8).expect("inside").load_u64(0, Relaxed);
    for event in [0, 0] {
        head.announce(event, 0);
        assert_eq!(asleep(&head), 1);
    }
    head.withdraw(0);
    assert_eq!(asleep(&head), 1);
    head.withdraw(0);
    assert_eq!(asleep(&head), 0);
    // One too many is none too few.
    head.withdraw(0);
    head.announce(0, 0);
    head.withdraw(0);
    assert_eq!(asleep(&head), 0);
}
