//! A reader, as what can be waited for beside other things: ready when there is a newer value than it was given last, or will never be one.

use super::kind::{CHANGED, WRITERS_SEAT};
use super::reader::Reader;
use crate::channel::hub::Hub;
use crate::channel::hub::waits::{HubEnd, hub_source};
use crate::channel::message::Message;
use crate::wait::source::Vigil;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use strait_mem::Word;

impl<M: Message + ?Sized> HubEnd for Reader<M> {
    const EVENT: usize = CHANGED;

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
        self.hub.check().is_err() || self.has_changed() || self.writer_gone().is_some()
    }

    fn look(&mut self) {
        self.look_for_dead_writer();
    }

    /// Only of the writer: other readers' deaths are nothing to us.
    fn vigil(&self) -> Option<Arc<dyn Vigil>> {
        Some(Arc::new(self.hub.vigil(CHANGED, WRITERS_SEAT..WRITERS_SEAT + 1)?))
    }
}

hub_source!([M: Message + ?Sized] Reader<M>);
