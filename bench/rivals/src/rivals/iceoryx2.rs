//! iceoryx2's publish and subscribe: samples are loaned, written in place, sent, and read in place.
//!
//! As its documentation has it for speed: no history, no overflow (nothing may be lost here), as few loans as are used, a
//! publisher that retries while a subscriber's buffer is full, subscribers that poll. Asleep, an event beside it wakes the
//! subscriber, as its examples do it.

use std::cell::OnceCell;
use std::io;
use std::ops::Range;
use std::rc::Rc;

use ::iceoryx2::port::backpressure_strategy::BackpressureStrategy;
use ::iceoryx2::port::listener::Listener;
use ::iceoryx2::port::notifier::Notifier;
use ::iceoryx2::port::publisher::Publisher;
use ::iceoryx2::port::subscriber::Subscriber;
use ::iceoryx2::prelude::*;
use ::iceoryx2::service::port_factory::publish_subscribe;

use crate::job::{Job, Wait};
use crate::payload::{Tally, read_words};
use crate::seam::{Receiver, Sender, Traits, Way, Wire, other};

pub(crate) struct Wires;

type Service = publish_subscribe::PortFactory<ipc::Service, [u64], ()>;

pub(crate) struct Tx {
    publisher: Publisher<ipc::Service, [u64], ()>,
    notifier: Option<Notifier<ipc::Service>>,
    words: usize,
    _service: Service,
    _node: Rc<Node<ipc::Service>>,
}

pub(crate) struct Rx {
    subscriber: Subscriber<ipc::Service, [u64], ()>,
    listener: Option<Listener<ipc::Service>>,
    _service: Service,
    _node: Rc<Node<ipc::Service>>,
}

thread_local! {
    /// One node for a process, as its documentation has it.
    static NODE: OnceCell<Rc<Node<ipc::Service>>> = const { OnceCell::new() };
}

/// The process's node, in a world of this run's own: what an earlier run left behind is nobody's burden.
pub(crate) fn node_of(job: &Job) -> io::Result<Rc<Node<ipc::Service>>> {
    let made = NODE.with(|node| node.get().cloned());
    if let Some(node) = made {
        return Ok(node);
    }
    set_log_level(LogLevel::Fatal);
    let mut config = Config::default();
    let root = job.dir.join("iceoryx2");
    config.global.set_root_path(&Path::new(root.as_os_str().as_encoded_bytes()).map_err(other)?);
    let prefix = job.dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    config.global.prefix = FileName::new(format!("{prefix}_").as_bytes()).map_err(other)?;
    let node = NodeBuilder::new()
        .config(&config)
        .signal_handling_mode(SignalHandlingMode::Disabled)
        .create::<ipc::Service>()
        .map_err(other)?;
    let node = Rc::new(node);
    NODE.with(|cell| drop(cell.set(Rc::clone(&node))));
    Ok(node)
}

fn service(node: &Node<ipc::Service>, way: &Way<'_>) -> io::Result<Service> {
    node.service_builder(&name(way)?)
        .publish_subscribe::<[u64]>()
        .payload_alignment(Alignment::new(64).ok_or_else(|| io::Error::other("64 is an alignment"))?)
        .enable_safe_overflow(false)
        .history_size(0)
        .subscriber_max_buffer_size(way.job.capacity as usize)
        .subscriber_max_borrowed_samples(1)
        .max_publishers(way.senders + 1)
        .max_subscribers(way.receivers + 1)
        .open_or_create()
        .map_err(other)
}

fn name(way: &Way<'_>) -> io::Result<ServiceName> {
    ServiceName::new(&way.name).map_err(other)
}

impl Wire for Wires {
    const TRAITS: Traits =
        Traits { fans_out: true, fans_in: true, shares: false, sleeps: true, selects: false, reopens: true };
    type Tx = Tx;
    type Rx = Rx;

    fn tx(way: &Way<'_>) -> io::Result<Tx> {
        let node = node_of(way.job)?;
        let service = service(&node, way)?;
        let publisher = service
            .publisher_builder()
            .initial_max_slice_len(way.job.words())
            .max_loaned_samples(1)
            .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
            .create()
            .map_err(other)?;
        let notifier = (way.job.wait == Wait::Sleep).then(|| {
            let event = node.service_builder(&name(way)?).event().open_or_create().map_err(other)?;
            event.notifier_builder().create().map_err(other)
        });
        Ok(Tx { publisher, notifier: notifier.transpose()?, words: way.job.words(), _service: service, _node: node })
    }

    fn rx(way: &Way<'_>) -> io::Result<Rx> {
        let node = node_of(way.job)?;
        let service = service(&node, way)?;
        let subscriber = service.subscriber_builder().create().map_err(other)?;
        let listener = (way.job.wait == Wait::Sleep).then(|| {
            let event = node.service_builder(&name(way)?).event().open_or_create().map_err(other)?;
            event.listener_builder().create().map_err(other)
        });
        Ok(Rx { subscriber, listener: listener.transpose()?, _service: service, _node: node })
    }
}

impl Sender for Tx {
    fn send_all(&mut self, stamps: Range<u64>) -> io::Result<()> {
        for stamp in stamps {
            let sample = self.publisher.loan_slice_uninit(self.words).map_err(other)?;
            sample.write_from_fn(|_| stamp).send().map_err(other)?;
            if let Some(notifier) = &self.notifier {
                notifier.notify().map_err(other)?;
            }
        }
        Ok(())
    }
}

impl Receiver for Rx {
    fn start(&mut self) -> io::Result<()> {
        // A subscriber is connected once it has looked for publishers. Until then a publisher that is to retry until all is
        // delivered fills the buffer and throws away what comes after (its issue 305).
        self.subscriber.has_samples().map(drop).map_err(other)
    }

    fn poll(&mut self, tally: &mut Tally) -> io::Result<bool> {
        let mut some = false;
        while !tally.is_full() {
            let Some(sample) = self.subscriber.receive().map_err(other)? else { break };
            tally.note(read_words(sample.payload()));
            some = true;
        }
        Ok(some)
    }

    fn recv_all(&mut self, tally: &mut Tally) -> io::Result<()> {
        while !tally.is_full() {
            if self.poll(tally)? {
                tally.pause.reset();
            } else if let Some(listener) = &mut self.listener {
                listener.blocking_wait(|_| ()).map_err(other)?;
            } else {
                tally.pause.idle();
            }
        }
        Ok(())
    }
}
