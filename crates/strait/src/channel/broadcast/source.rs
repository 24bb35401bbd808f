//! The ends of this channel, as what can be waited for beside other things.
//!
//! A subscriber is ready when there is a message; a publisher when there is room, which is always so where subscribers are not kept. Both are
//! ready when the next call will say why there never will be.

use super::publisher::Publisher;
use super::setup::{MESSAGES, ROOM};
use super::subscriber::Subscriber;
use crate::channel::hub::Hub;
use crate::channel::hub::waits::{HubEnd, hub_source};
use crate::channel::message::Message;
use std::ops::{Deref, DerefMut};
use strait_mem::Word;

impl<M: Message + ?Sized> HubEnd for Subscriber<M> {
    const EVENT: usize = MESSAGES;

    fn hub(&self) -> impl Deref<Target = Hub> {
        &self.hub
    }

    fn hub_mut(&mut self) -> impl DerefMut<Target = Hub> {
        &mut self.hub
    }

    fn doorbell(&self) -> &Word {
        self.hub.doorbell()
    }

    fn is_ready(&mut self) -> bool {
        self.has_front_or_end(false)
    }

    fn look(&mut self) {
        self.hub.look_for_dead(|_, _| {});
        // What is found is the next of its lane.
        self.has_front_or_end(true);
    }
}

hub_source!([M: Message + ?Sized] Subscriber<M>);

impl<M: Message + ?Sized> HubEnd for Publisher<M> {
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
        self.room_at()
    }

    fn is_ready(&mut self) -> bool {
        self.hub.check().is_err() || self.has_room_now()
    }

    fn look(&mut self) {
        self.hub.look_for_dead(|_, _| {});
    }
}

hub_source!([M: Message + ?Sized] Publisher<M>);
