//! The ends of this channel, as what can be waited for beside other things.
//!
//! A server is ready when there is a request; a call in flight when it is over, whatever came of it; a client when one of its calls is, or when
//! there is none. Server and calls are ready, too, when the next call will say why there never will be.
//!
//! Calls of one client share its seat, and so its bit among the sleepers ([`Hub::withdraw`]).

use super::client::{Client, Pending};
use super::server::Server;
use super::setup::{ANSWERS, REQUESTS};
use crate::channel::hub::Hub;
use crate::channel::hub::waits::{HubEnd, hub_source};
use crate::channel::message::Message;
use std::cell::{Ref, RefMut};
use std::ops::{Deref, DerefMut};
use strait_mem::Word;

impl<Req: Message + ?Sized, Res: Message + ?Sized> HubEnd for Server<Req, Res> {
    const EVENT: usize = REQUESTS;

    fn hub(&self) -> impl Deref<Target = Hub> {
        Ref::map(self.counter.borrow(), |counter| &counter.hub)
    }

    fn hub_mut(&mut self) -> impl DerefMut<Target = Hub> {
        RefMut::map(self.counter.borrow_mut(), |counter| &mut counter.hub)
    }

    fn doorbell(&self) -> &Word {
        &self.doorbell
    }

    fn is_ready(&mut self) -> bool {
        self.counter.get_mut().has_call_or_end()
    }

    fn look(&mut self) {
        self.counter.get_mut().hub.look_for_dead(|_, _| {});
    }
}

hub_source!([Req: Message + ?Sized, Res: Message + ?Sized] Server<Req, Res>);

impl<Req: Message + ?Sized, Res: Message + ?Sized> HubEnd for Client<Req, Res> {
    const EVENT: usize = ANSWERS;

    fn hub(&self) -> impl Deref<Target = Hub> {
        Ref::map(self.desk.borrow(), |desk| desk.hub())
    }

    fn hub_mut(&mut self) -> impl DerefMut<Target = Hub> {
        RefMut::map(self.desk(), |desk| desk.hub_mut())
    }

    fn doorbell(&self) -> &Word {
        &self.doorbell
    }

    fn is_ready(&mut self) -> bool {
        self.desk().is_any_over()
    }

    fn look(&mut self) {
        self.desk().look_for_dead();
    }
}

hub_source!([Req: Message + ?Sized, Res: Message + ?Sized] Client<Req, Res>);

impl<Req: Message + ?Sized, Res: Message + ?Sized> HubEnd for Pending<'_, Req, Res> {
    const EVENT: usize = ANSWERS;

    fn hub(&self) -> impl Deref<Target = Hub> {
        self.client.hub()
    }

    fn hub_mut(&mut self) -> impl DerefMut<Target = Hub> {
        RefMut::map(self.client.desk(), |desk| desk.hub_mut())
    }

    fn doorbell(&self) -> &Word {
        &self.client.doorbell
    }

    fn is_ready(&mut self) -> bool {
        // One that was told before what has become of it is told so again.
        self.call.as_mut().is_none_or(|call| self.client.desk().is_over(call))
    }

    fn look(&mut self) {
        self.client.desk().look_for_dead();
    }
}

hub_source!(['a, Req: Message + ?Sized, Res: Message + ?Sized] Pending<'a, Req, Res>);
