//! iceoryx2's request and response, and its events: both ways in one service, so they have a round trip and nothing else.

use std::io;
use std::rc::Rc;

use ::iceoryx2::active_request::ActiveRequest;
use ::iceoryx2::pending_response::PendingResponse;
use ::iceoryx2::port::client::Client;
use ::iceoryx2::port::listener::Listener;
use ::iceoryx2::port::notifier::Notifier;
use ::iceoryx2::port::server::Server;
use ::iceoryx2::prelude::*;

use crate::job::{Job, Shape, Wait};
use crate::payload::{Pause, STOP, read_words};
use crate::rivals::iceoryx2::node_of;
use crate::seam::{Duplex, End, other};

type Ask = Client<ipc::Service, [u64], (), [u64], ()>;
type Asked = PendingResponse<ipc::Service, [u64], (), [u64], ()>;
type Answer = Server<ipc::Service, [u64], (), [u64], ()>;
type Open = ActiveRequest<ipc::Service, [u64], (), [u64], ()>;

struct Calls {
    role: Role,
    words: usize,
    wait: Wait,
    _node: Rc<Node<ipc::Service>>,
}

enum Role {
    Client(Ask, Option<Asked>),
    Server(Answer, Option<Open>),
}

/// Why request and response cannot serve a job.
pub(crate) fn calls_cannot(job: &Job) -> Option<&'static str> {
    match (job.shape, job.wait) {
        (Shape::RoundTrip, Wait::Sleep) => Some("polls"),
        (Shape::RoundTrip, _) => None,
        _ => Some("calls"),
    }
}

pub(crate) fn calls(job: &Job, me: usize) -> io::Result<End> {
    let node = node_of(job)?;
    let name = ServiceName::new(&job.name).map_err(other)?;
    let service = node
        .service_builder(&name)
        .request_response::<[u64], [u64]>()
        .max_clients(1)
        .max_servers(1)
        .max_active_requests_per_client(1)
        .max_loaned_requests(1)
        .max_response_buffer_size(1)
        .open_or_create()
        .map_err(other)?;
    let words = job.words();
    let role = if me == 0 {
        let client = service.client_builder().initial_max_slice_len(words).create().map_err(other)?;
        Role::Client(client, None)
    } else {
        let server = service.server_builder().initial_max_slice_len(words).create().map_err(other)?;
        Role::Server(server, None)
    };
    Ok(End::Duplex(Box::new(Calls { role, words, wait: job.wait, _node: node })))
}

impl Duplex for Calls {
    fn start(&mut self) -> io::Result<()> {
        if let Role::Server(server, _) = &self.role {
            server.has_requests().map_err(other)?;
        }
        Ok(())
    }

    fn send(&mut self, stamp: u64) -> io::Result<()> {
        match &mut self.role {
            Role::Client(client, asked) => {
                // The last answer is in; its request makes room for the next.
                *asked = None;
                let request = client.loan_slice_uninit(self.words).map_err(other)?;
                *asked = Some(request.write_from_fn(|_| stamp).send().map_err(other)?);
            }
            Role::Server(_, open) => {
                let request = open.take().ok_or_else(|| io::Error::other("an answer without a question"))?;
                let response = request.loan_slice_uninit(self.words).map_err(other)?;
                response.write_from_fn(|_| stamp).send().map_err(other)?;
            }
        }
        Ok(())
    }

    fn recv(&mut self) -> io::Result<u64> {
        let mut pause = Pause::new(self.wait);
        loop {
            match &mut self.role {
                Role::Client(_, asked) => {
                    let asked = asked.as_ref().ok_or_else(|| io::Error::other("nothing was asked"))?;
                    if let Some(response) = asked.receive().map_err(other)? {
                        return Ok(read_words(response.payload()));
                    }
                }
                Role::Server(server, open) => {
                    if let Some(request) = server.receive().map_err(other)? {
                        let stamp = read_words(request.payload());
                        *open = Some(request);
                        return Ok(stamp);
                    }
                }
            }
            pause.idle();
        }
    }
}

/// Events carry no payload: only that there is one, and of which kind.
struct Events {
    notifier: Notifier<ipc::Service>,
    listener: Listener<ipc::Service>,
    seen: u64,
    _node: Rc<Node<ipc::Service>>,
}

/// Why events cannot serve a job.
pub(crate) fn events_cannot(job: &Job) -> Option<&'static str> {
    match (job.shape, job.wait, job.bytes) {
        (Shape::RoundTrip, Wait::Sleep, 8) => None,
        _ => Some("no payload"),
    }
}

pub(crate) fn events(job: &Job, me: usize) -> io::Result<End> {
    let node = node_of(job)?;
    let service = |way: &str| {
        let name = ServiceName::new(&format!("{}-{way}", job.name)).map_err(other)?;
        node.service_builder(&name).event().open_or_create().map_err(other)
    };
    let (mine, theirs) = if me == 0 { ("there", "back") } else { ("back", "there") };
    let notifier = service(mine)?.notifier_builder().create().map_err(other)?;
    let listener = service(theirs)?.listener_builder().create().map_err(other)?;
    Ok(End::Duplex(Box::new(Events { notifier, listener, seen: 0, _node: node })))
}

/// Event numbers: even and odd messages, and the last one.
const LAST: usize = 2;

impl Duplex for Events {
    fn start(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn send(&mut self, stamp: u64) -> io::Result<()> {
        let event = if stamp == STOP { LAST } else { (stamp % 2) as usize };
        self.notifier.notify_with_custom_event_id(EventId::new(event)).map(drop).map_err(other)
    }

    fn recv(&mut self) -> io::Result<u64> {
        let mut came = None;
        while came.is_none() {
            self.listener.blocking_wait(|event| came = Some(event.id.as_value())).map_err(other)?;
        }
        if came == Some(LAST) {
            return Ok(STOP);
        }
        assert!(came == Some((self.seen % 2) as usize), "an event is missing or doubled");
        self.seen += 1;
        Ok(self.seen - 1)
    }
}
