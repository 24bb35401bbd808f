//! The ends of a queue, as what can be waited for beside other things.
//!
//! A worker is ready when there is a job of the kinds that it last asked for in vain, or, before it did, of any; a producer when there is room
//! for a job of the kind for which it last found none. Both are ready when the next call will say why there never will be.
//!
//! Two things happen for which nobody rings, and which a worker that sleeps beside others finds when its slice ends: a job that was put
//! off is due, and the last job of a queue without producers is done in other hands.

use super::producer::Producer;
use super::setup::{JOBS, PRODUCER, ROOM, WORKER, now_ms};
use super::worker::Worker;
use crate::channel::hub::Hub;
use crate::channel::hub::waits::{HubEnd, SeatVigil, hub_source};
use crate::channel::message::Message;
use crate::wait::source::Vigil;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use strait_mem::Word;

/// When the next job that was put off is due, as the worker saw it before it slept: for who keeps vigil, which has no window on the queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Alarm(Arc<AtomicU64>);

/// That there is a time in the lower half.
const IS_SET: u64 = 1 << 32;

impl Alarm {
    fn set(&self, due_ms: Option<u32>) {
        // Relaxed: a hint; who sees the last one looks a slice later.
        self.0.store(due_ms.map_or(0, |due_ms| IS_SET | u64::from(due_ms)), Relaxed);
    }

    fn is_due(&self) -> bool {
        let due = self.0.load(Relaxed);
        // Truncation: the lower half. On the circle of 32 bits.
        due & IS_SET != 0 && now_ms().wrapping_sub(due as u32) <= u32::MAX / 2
    }
}

/// Looks for the dead, for what is due, and for the end of the jobs.
#[derive(Debug)]
struct JobVigil {
    seats: SeatVigil,
    alarm: Alarm,
}

impl Vigil for JobVigil {
    fn is_disturbed(&self) -> bool {
        self.alarm.is_due() || self.seats.is_disturbed() || self.seats.is_all_gone(PRODUCER)
    }
}

impl<M: Message + ?Sized> HubEnd for Worker<M> {
    const EVENT: usize = JOBS;

    fn hub(&self) -> impl Deref<Target = Hub> {
        &self.hub
    }

    fn hub_mut(&mut self) -> impl DerefMut<Target = Hub> {
        &mut self.hub
    }

    fn doorbell(&self) -> &Word {
        self.hub.doorbell()
    }

    fn wake_at(&mut self) -> u32 {
        self.alarm.set(self.next_due_ms(self.wanted));
        self.wanted
    }

    fn is_ready(&mut self) -> bool {
        self.has_job_or_end()
    }

    fn look(&mut self) {
        self.look_for_dead();
    }

    fn vigil(&self) -> Option<Arc<dyn Vigil>> {
        let seats = self.hub.vigil(JOBS, 0..self.hub.header().seats)?;
        Some(Arc::new(JobVigil { seats, alarm: self.alarm.clone() }))
    }
}

hub_source!([M: Message + ?Sized] Worker<M>);

impl<M: Message + ?Sized> HubEnd for Producer<M> {
    const EVENT: usize = ROOM;

    fn hub(&self) -> impl Deref<Target = Hub> {
        &self.hub
    }

    fn hub_mut(&mut self) -> impl DerefMut<Target = Hub> {
        &mut self.hub
    }

    fn doorbell(&self) -> &Word {
        self.hub.doorbell()
    }

    fn wake_at(&mut self) -> u32 {
        self.room_at(self.wanted)
    }

    fn is_ready(&mut self) -> bool {
        if self.hub.check().is_err() || self.hub.is_role_gone(WORKER).is_some() {
            return true;
        }
        match self.ring.has_room(self.wanted) {
            Ok(has_room) => has_room,
            Err(fault) => {
                self.hub.close(fault);
                true
            }
        }
    }

    fn look(&mut self) {
        self.look_for_dead();
    }
}

hub_source!([M: Message + ?Sized] Producer<M>);

#[cfg(test)]
mod tests {
    use super::*;

    /// An alarm goes off at its time and not before, also round the circle, and not when there is none.
    #[test]
    fn alarm_goes_off_in_time() {
        let alarm = Alarm::default();
        assert!(!alarm.is_due());
        alarm.set(Some(now_ms()));
        assert!(alarm.is_due());
        alarm.set(Some(now_ms().wrapping_add(1_000_000)));
        assert!(!alarm.is_due());
        alarm.set(None);
        assert!(!alarm.is_due());
    }
}
